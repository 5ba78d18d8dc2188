// The ONNX reader's own: what its files share.
#ifndef MF_ENGINE_ONNX_H
#define MF_ENGINE_ONNX_H

#include "graph_internal.h"
#include "onnx-ml.pb-c.h"

// What is looked through one by one for each node. No model of this world comes near.
enum { MF_MAX_OPSETS = 256, MF_MAX_NODE_ATTRIBUTES = 1024 };

typedef struct mf_names {  // name -> value, open addressing
  struct mf_name { mf_str name; mf_value_id value; bool used; } *slots;
  size_t n, capacity;
} mf_names;

typedef struct mf_opsets {
  Onnx__OperatorSetIdProto **list;
  size_t n;
} mf_opsets;

// Where names of a graph or of a function's body mean something.
typedef struct mf_scope {
  mf_names names;
  mf_names made;                  // functions: of them, the outputs that the call takes
  const struct mf_scope *outer;   // subgraphs see the values around them
  mf_opsets opsets;
  Onnx__AttributeProto **bindings;  // functions: the attributes that the call gave
  size_t n_bindings;
  const Onnx__FunctionProto *inlining;  // the function whose body this is
  const struct mf_scope *caller;        // and where it is called
  mf_str prefix;                  // of the names of values and nodes
  uint32_t body;
  uint32_t depth;                 // subgraphs and functions around this one
} mf_scope;

typedef struct mf_onnx_reader {
  mf_arena *arena;
  mf_graph *graph;
  const Onnx__ModelProto *model;
  mf_external_data_fn *external_data;
  void *context;
  ProtobufCAllocator allocator;
  uint32_t n_nodes;               // read so far, functions inlined
  uint64_t inlined_left;          // how many of them functions may still make
  mf_names functions;             // "domain:name" -> its number in the model
} mf_onnx_reader;

static inline mf_str mf_onnx_str(const char *text) { return mf_str_from(text); }  // absent strings are NULL, empty either way

bool mf_names_add(mf_arena *arena, mf_names *names, mf_str name, mf_value_id value, bool *duplicate, mf_error *err) MF_MUST_CHECK;
bool mf_names_find(const mf_names *names, mf_str name, mf_value_id *value);

// Protobuf messages into the arena, after a check that they are not nested deeper than we recurse. NULL with *err.
void *mf_onnx_unpack(const ProtobufCMessageDescriptor *type, mf_slice bytes, mf_arena *arena, mf_error *err) MF_MUST_CHECK;

bool mf_onnx_tensor(mf_onnx_reader *reader, const Onnx__TensorProto *proto, mf_tensor *out, mf_error *err) MF_MUST_CHECK;
bool mf_onnx_type(const Onnx__TypeProto *proto, mf_arena *arena, mf_tensor *out, mf_str **dim_names, mf_error *err) MF_MUST_CHECK;
// Resolved through the scope's bindings where it refers to a function's attribute; NULL: the call leaves it out.
const Onnx__AttributeProto *mf_onnx_resolve(const mf_scope *scope, const Onnx__AttributeProto *attribute);
bool mf_onnx_attributes(mf_onnx_reader *reader, const mf_scope *scope, const Onnx__NodeProto *node, mf_named_attribute **list,
                        uint32_t *n, mf_error *err) MF_MUST_CHECK;
bool mf_onnx_constant(mf_onnx_reader *reader, const mf_scope *scope, const Onnx__NodeProto *node, mf_tensor *out, mf_error *err)
    MF_MUST_CHECK;

bool mf_onnx_declare(mf_onnx_reader *reader, mf_scope *scope, mf_str name, const mf_tensor *tensor, mf_value_id *id, mf_error *err)
    MF_MUST_CHECK;
bool mf_onnx_lookup(const mf_scope *scope, const char *name, mf_value_id *id, mf_error *err) MF_MUST_CHECK;
bool mf_onnx_nodes(mf_onnx_reader *reader, mf_scope *scope, Onnx__NodeProto **nodes, size_t n, mf_error *err) MF_MUST_CHECK;
bool mf_onnx_subgraph(mf_onnx_reader *reader, const mf_scope *outer, const Onnx__GraphProto *proto, uint32_t *body, mf_error *err)
    MF_MUST_CHECK;
bool mf_onnx_fail_inlined(mf_error *err);  // the functions become too many nodes
bool mf_onnx_index_functions(mf_onnx_reader *reader, mf_error *err) MF_MUST_CHECK;
// The model-local function that this node calls; *function NULL: none.
bool mf_onnx_function(const mf_onnx_reader *reader, const Onnx__NodeProto *node, const Onnx__FunctionProto **function, mf_error *err)
    MF_MUST_CHECK;
bool mf_onnx_inline(mf_onnx_reader *reader, const mf_scope *scope, const Onnx__NodeProto *node, const Onnx__FunctionProto *function,
                    mf_error *err) MF_MUST_CHECK;
#endif
