// The operator table: each operator described once, as data. Reading, shape inference, choice of kernels, execution and the
// documentation come from its row. Adding an operator touches one place: its row and the functions it names.
//
// Shape functions run at compile time (dimensions may be unknown, data mostly absent) and, for nodes whose shapes are not static,
// at run time (everything known except what only the kernel can know). Kernels run at run time, and at compile time to fold
// constants. None of them allocates with malloc, looks anything up by name, or keeps state.
#ifndef MF_ENGINE_OPERATOR_H
#define MF_ENGINE_OPERATOR_H

#include "attribute.h"

enum { MF_OP_ANY = -1, MF_MAX_TYPE_VARS = 4 };

typedef enum mf_isa { MF_ISA_GENERIC, MF_ISA_AVX2, MF_ISA_AVX512, MF_ISA_COUNT } mf_isa;
const char *mf_isa_name(mf_isa isa);
// The best that this processor has (AVX2 means with FMA and F16C; AVX512 with F, BW, DQ, VL, VNNI), or what MAYFLY_ISA forces;
// fails when MAYFLY_ISA names none or one that the processor lacks.
bool mf_isa_detect(mf_isa *isa, mf_error *err) MF_MUST_CHECK;
mf_isa mf_isa_of_processor(void);  // the best that it has, whatever MAYFLY_ISA says

typedef struct mf_attribute_row {
  const char *name;        // as in ONNX
  mf_attribute_type type;
  bool required;
  // Default where optional; type ABSENT: none. Strings and lists point to static data (base 0).
  mf_attribute fallback;
} mf_attribute_row;

typedef struct mf_subgraph_shapes mf_subgraph_shapes;

// What a shape function sees. It sets type, rank and dims of each output (unknown where it cannot know) and fails only on what
// can never be right. Missing optional inputs are NULL; unused outputs are still there.
typedef struct mf_shape_call {
  const mf_tensor *const *inputs;
  uint32_t n_inputs;
  mf_tensor *outputs;      // type UNKNOWN, rank UNKNOWN, data NULL when the function is called
  uint32_t n_outputs;
  mf_attributes attributes;
  int64_t opset;           // of the node's domain, as the model states it
  // Graph attributes (If, Loop, Scan): infers subgraph `number` for these inputs and returns its output shapes in `outputs`
  // (the caller's array of n_outputs). At run time it is NULL: control flow sets its outputs itself.
  bool (*infer_subgraph)(struct mf_shape_call *call, int64_t number, const mf_tensor *inputs, uint32_t n_inputs,
                         mf_tensor *outputs, uint32_t n_outputs, mf_error *err);
  void *inference;         // belongs to whoever calls
} mf_shape_call;
typedef bool mf_shape_fn(mf_shape_call *call, mf_error *err);

// What a kernel sees. All input shapes are known; outputs have type, dims and data unless the row is MF_OP_SHAPES_ITSELF.
typedef struct mf_kernel_call {
  const mf_tensor *const *inputs;  // NULL for a missing optional input
  mf_tensor *const *outputs;       // NULL for an output that nobody wants
  uint32_t n_inputs, n_outputs;
  mf_attributes attributes;
  int64_t opset;
  void *scratch;                   // aligned to 64 bytes, as many bytes as the kernel's scratch function asked for; not zeroed
  size_t scratch_bytes;
  // MF_OP_SHAPES_ITSELF: sets outputs[at]->type/rank/dims first, then this gives outputs[at]->data (64-byte aligned, not zeroed).
  bool (*alloc_output)(struct mf_kernel_call *call, uint32_t at, mf_error *err);
  // Control flow: runs the subgraph of graph attribute `at`. inputs are bound to its formal inputs; the outputs that it fills
  // stay valid until the next run_subgraph of this call or until the kernel returns, whichever is first.
  bool (*run_subgraph)(struct mf_kernel_call *call, uint32_t at, const mf_tensor *inputs, uint32_t n_inputs, mf_tensor *outputs,
                       uint32_t n_outputs, mf_error *err);
  // Temporary memory beyond scratch, aligned to 64 bytes, until the kernel returns; NULL with *err when the arena is full.
  void *(*alloc_temporary)(struct mf_kernel_call *call, size_t bytes, mf_error *err);
  void *run;                       // belongs to the runtime; a copy of the call with other tensors is as good as the call
} mf_kernel_call;
typedef bool mf_kernel_fn(mf_kernel_call *call, mf_error *err);

// applies, scratch and pack see inputs as the shape function does: a constant that was packed keeps its original type and shape there
// (at run time with data NULL). Only `run` sees the packed tensor.
// Is this kernel right and worth it for these inputs and outputs? Shapes may be unknown where the model is dynamic; then the kernel
// must work for every shape that fits the known part. Constant inputs carry data.
typedef bool mf_applies_fn(const mf_shape_call *call);
// Bytes of scratch for these concrete shapes.
typedef size_t mf_scratch_fn(const mf_shape_call *call);
// Packs constant input `at` (NULL data: not constant, or no packing wanted for it) at compile time: returns false to leave it as
// it is, else fills *packed (type, rank, dims describe the packed array; data from the arena).
typedef bool mf_pack_fn(const mf_shape_call *call, uint32_t at, mf_arena *arena, mf_tensor *packed);

typedef struct mf_kernel {
  const char *name;        // "conv_f32_direct_avx512"; unique; what `mayfly inspect` shows
  mf_kernel_fn *run;
  mf_isa isa;              // the least that it needs
  mf_applies_fn *applies;  // NULL: always (the reference kernel, last in its list)
  mf_scratch_fn *scratch;  // NULL: none
  mf_pack_fn *pack;        // NULL: constants as they are
} mf_kernel;

typedef enum mf_operator_flags {
  MF_OP_SHAPES_ITSELF = 1,  // the kernel sets output shapes (NonZero, control flow, decoding a picture)
  MF_OP_INPLACE = 2,        // output 0 may share input 0's memory when types and sizes agree and the input dies here
  MF_OP_ALIAS = 4,          // output 0 is input 0 with another shape (Reshape, Squeeze, Identity): no copy when the input dies here
  MF_OP_CONTROL = 8,        // has subgraphs
  MF_OP_NO_FOLD = 16,       // never evaluated at compile time (random numbers, decoding)
} mf_operator_flags;

typedef struct mf_operator {
  const char *domain;       // "" for ai.onnx, "ai.onnx.ml", "com.microsoft", "mayfly" (ours: src/engine/ops/ and pipeline)
  const char *name;
  int64_t since, until;     // opset versions of the domain it is right for, both included; until MF_OP_ANY: and later
  int32_t min_inputs, max_inputs;    // max MF_OP_ANY: any number
  int32_t min_outputs, max_outputs;
  // For each input whose *data* decides the output's shape (Reshape 1, Slice 1..4, …) bit i is set.
  uint32_t shape_inputs;
  uint32_t flags;           // mf_operator_flags
  const mf_attribute_row *attributes;
  uint32_t n_attributes;
  mf_shape_fn *shape;
  const mf_kernel *const *kernels;  // best first, reference last; NULL-terminated
  // Bit i: input i may be left out though it is among the first min_inputs or the operator takes any number (Loop's trip count).
  uint32_t optional_inputs;
} mf_operator;

// May a node leave input `at` out? Kernels and shape functions take the others for granted.
static inline bool mf_operator_needs(const mf_operator *op, uint32_t at) {
  bool optional = at < 32 && op->optional_inputs >> at & 1;
  return !optional && ((int64_t)at < op->min_inputs || op->max_inputs == MF_OP_ANY);
}

// A table of operators; src/engine/ops/ has the engine's own, pipeline adds those that decode pictures.
typedef struct mf_operator_table {
  const mf_operator *const *rows;
  uint32_t n_rows;
} mf_operator_table;
extern const mf_operator_table mf_builtin_operators;

bool mf_operator_reads_dims_only(const mf_operator *op);  // Shape and Size: nothing but the dimensions of their input

// The row for this name and opset in either table (extra may be NULL), NULL if there is none. *other_version: whether the name
// exists for another opset.
const mf_operator *mf_operator_find(const mf_operator_table *extra, mf_str domain, mf_str name, int64_t opset, bool *other_version);
#endif
