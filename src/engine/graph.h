// Graph: a model in memory while it is compiled. Mutable, lives in one arena, used at deploy time only. Values are numbered
// through the whole model (subgraphs see the values around them by the same numbers).
#ifndef MF_ENGINE_GRAPH_H
#define MF_ENGINE_GRAPH_H

#include "operator.h"

typedef uint32_t mf_value_id;
#define MF_NO_VALUE UINT32_MAX  // a missing optional input or output

typedef struct mf_value {
  mf_str name;
  mf_tensor tensor;      // what is known of type and shape; data != NULL: a constant
  mf_str *dim_names;     // [rank] symbolic names of unknown dimensions ("batch"), NULL if none
  mf_tensor declared;    // what the model states of it, unverified; data NULL
} mf_value;

typedef struct mf_node {
  mf_str name;                 // may be empty
  const mf_operator *op;
  int64_t opset;
  mf_value_id *inputs, *outputs;
  uint32_t n_inputs, n_outputs;
  mf_attribute *attributes;    // op->n_attributes entries, base 0
  bool dead;                   // removed by a pass
} mf_node;

typedef struct mf_body {       // the main graph (number 0) or a subgraph
  mf_str name;
  mf_node **nodes;             // in topological order
  uint32_t n_nodes, nodes_capacity;
  mf_value_id *inputs, *outputs;
  uint32_t n_inputs, n_outputs;
} mf_body;

typedef struct mf_graph {
  mf_arena *arena;
  const mf_operator_table *extra_operators;
  mf_value *values;
  uint32_t n_values, values_capacity;
  mf_body **bodies;            // [0]: main
  uint32_t n_bodies, bodies_capacity;
  size_t folded_bytes;         // of constants that folding has made so far
  mf_slice metadata;           // opaque bytes that travel into the image (pipeline: labels, kind of answer), may be empty
} mf_graph;

mf_graph *mf_graph_create(mf_arena *arena, const mf_operator_table *extra_operators, mf_error *err) MF_MUST_CHECK;
// All strings are copied. A value with tensor.data is a constant; its data is not copied and must live as long as the arena.
bool mf_graph_add_value(mf_graph *graph, mf_str name, const mf_tensor *tensor, mf_value_id *id, mf_error *err) MF_MUST_CHECK;
bool mf_graph_add_body(mf_graph *graph, mf_str name, uint32_t *number, mf_error *err) MF_MUST_CHECK;

typedef struct mf_named_attribute {
  const char *name;
  mf_attribute value;  // base 0; lists and strings are copied
} mf_named_attribute;
// Adds a node at `position` of the body (UINT32_MAX: at its end); attributes are resolved against the operator's row.
bool mf_graph_add_node(mf_graph *graph, uint32_t body, uint32_t position, const char *domain, const char *op, int64_t opset,
                       mf_str name, const mf_value_id *inputs, uint32_t n_inputs, const mf_value_id *outputs, uint32_t n_outputs,
                       const mf_named_attribute *attributes, uint32_t n_attributes, mf_error *err) MF_MUST_CHECK;
bool mf_graph_set_io(mf_graph *graph, uint32_t body, const mf_value_id *inputs, uint32_t n_inputs, const mf_value_id *outputs,
                     uint32_t n_outputs, mf_error *err) MF_MUST_CHECK;
mf_value_id mf_graph_find_value(const mf_graph *graph, mf_str name);  // first value of that name, MF_NO_VALUE if none

// Reads ONNX protobuf (IR 3 to 13). external_data (may be NULL: then external data is refused) returns the bytes of a file beside
// the model; the location has been checked to be relative and inside the package.
typedef bool mf_external_data_fn(void *context, mf_str location, mf_slice *bytes, mf_error *err);
mf_graph *mf_onnx_read(mf_slice model, mf_arena *arena, const mf_operator_table *extra_operators, mf_external_data_fn *external_data,
                       void *context, mf_error *err) MF_MUST_CHECK;
// Reads an ONNX TensorProto (the .pb files of test data).
bool mf_onnx_read_tensor(mf_slice bytes, mf_arena *arena, mf_tensor *out, mf_error *err) MF_MUST_CHECK;
// The reverse, for `mayfly run --output-dir`.
bool mf_onnx_write_tensor(const mf_tensor *tensor, mf_str name, mf_buf *out, mf_error *err) MF_MUST_CHECK;
#endif
