// The compiler's own: what its steps hand to each other between the last pass and the image.
#ifndef MF_ENGINE_COMPILE_H
#define MF_ENGINE_COMPILE_H

#include "graph_internal.h"
#include "image.h"

// ---- inference (infer.c, fold.c) ----
typedef struct mf_inference {
  mf_graph *graph;
  size_t fold_limit_bytes, folded_bytes;
  uint64_t steps_left;  // nodes that may still be looked at
  uint32_t depth;
  mf_error *err;
} mf_inference;
// A shape call for this node with what is known of its inputs; outputs are the caller's n_outputs tensors.
bool mf_node_shape_call(mf_graph *graph, const mf_node *node, mf_tensor *outputs, mf_shape_call *call, mf_error *err) MF_MUST_CHECK;
// Evaluates the node with its reference kernel if all that it needs is constant and the result is not too large; `outputs` has the
// shapes and gets the data. False: not folded, which is no error.
bool mf_fold_node(mf_inference *inference, const mf_node *node, mf_shape_call *call);
// If with a constant condition: its branch takes its place.
bool mf_inline_branches(mf_graph *graph, bool *changed, mf_error *err) MF_MUST_CHECK;

// ---- layout: which kernels, where everything lies (layout.c, choose.c, alias.c, plan.c) ----
typedef struct mf_layout_node {
  const mf_node *node;
  const mf_kernel *kernel;
  uint32_t number;               // in its body, for messages
  uint32_t body;
  uint32_t flags;                // mf_node_flags
  mf_value_id *inputs;           // constants replaced by packed ones
  mf_value_id *outputs;          // MF_NO_VALUE where nobody wants it
  uint32_t begin, end;           // time; control nodes span their bodies
  uint64_t scratch_offset, scratch_bytes;
  mf_value_id *releases;
  uint32_t n_releases, releases_capacity;
  bool skipped;                  // a static alias: nothing to run
} mf_layout_node;

typedef struct mf_layout_value {
  mf_storage storage;
  uint64_t offset;
  mf_value_id shape_of;          // packed constants: the original
  uint32_t maker;                // layout node, UINT32_MAX: none
  uint32_t body;                 // where it is made or bound
  mf_value_id root;              // whose memory it is: itself, or what it is an alias of
  uint32_t begin, end;           // of roots: from being made to the last use of any alias
  uint32_t last_user;            // layout node of the root's body, UINT32_MAX: none
  mf_value_id shares;            // planned: whose buffer it lies in (in-place), itself otherwise
  uint32_t uses;
  bool input, lasting;           // input of a body; lives until its body's outputs are taken
} mf_layout_value;

typedef struct mf_layout_body {
  uint32_t first_node, n_nodes;  // in layout nodes; bodies are contiguous
  uint32_t control;              // layout node that runs it; UINT32_MAX: main
  bool reachable;
} mf_layout_body;

typedef struct mf_layout {
  mf_graph *graph;
  const mf_compile_options *options;
  mf_arena *arena;
  mf_layout_node *nodes;
  uint32_t n_nodes;
  mf_layout_value *values;       // n_values of the graph, packed constants included
  uint32_t n_values, values_capacity;
  mf_layout_body *bodies;
  uint32_t time;                 // of the whole run
  uint64_t planned_bytes;
} mf_layout;

bool mf_layout_make(mf_graph *graph, const mf_compile_options *options, mf_layout *layout, mf_error *err) MF_MUST_CHECK;
bool mf_layout_choose(mf_layout *layout, mf_error *err) MF_MUST_CHECK;    // kernels and packed constants
bool mf_layout_share(mf_layout *layout, mf_error *err) MF_MUST_CHECK;     // aliases, in-place, lifetimes, releases
bool mf_layout_plan(mf_layout *layout, mf_error *err) MF_MUST_CHECK;      // offsets

// Places buffers that are alive from `begin` to `end` (both included) so that none that live at the same time overlap; offsets are
// multiples of 64. Returns the bytes needed in *total.
typedef struct mf_buffer {
  uint64_t bytes, offset;
  uint32_t begin, end;
} mf_buffer;
bool mf_plan_buffers(mf_buffer *buffers, uint32_t n, mf_arena *arena, uint64_t *total, mf_error *err) MF_MUST_CHECK;

bool mf_image_write(mf_layout *layout, mf_arena *arena, mf_slice *image, mf_error *err) MF_MUST_CHECK;
#endif
