// What If, Loop and Scan share: values that outlive the subgraph that made them, and the shapes of loops.
#ifndef MF_ENGINE_OPS_NN_CONTROL_H
#define MF_ENGINE_OPS_NN_CONTROL_H

#include "nn.h"

enum { NC_MAX_VALUES = 64 };  // inputs or outputs of a control flow operator
bool mf_nn_too_many(uint32_t n, mf_error *err) MF_MUST_CHECK;

typedef struct nc_buffer {
  void *data;
  size_t capacity;
} nc_buffer;
// *to becomes a copy of *from in the buffer, which grows in the kernel's temporary memory.
bool mf_nn_copy_tensor(const mf_tensor *from, mf_tensor *to, nc_buffer *buffer, mf_kernel_call *call, mf_error *err) MF_MUST_CHECK;
// Output `at` (if wanted) becomes a copy of the value.
bool mf_nn_emit(mf_kernel_call *call, uint32_t at, const mf_tensor *value, mf_error *err) MF_MUST_CHECK;
// Elements of scan output `at` must all be alike.
bool mf_nn_same_element(const mf_tensor *first, const mf_tensor *now, uint32_t at, mf_error *err) MF_MUST_CHECK;
// Scan output `at` of a loop without an iteration: as much of its shape as was inferred, 0 along the axis and where unknown.
bool mf_nn_no_elements(mf_kernel_call *call, uint32_t at, uint32_t axis, mf_error *err) MF_MUST_CHECK;

// *a keeps what it has in common with *b; returns whether it lost something.
bool mf_nn_merge_shape(mf_tensor *a, const mf_tensor *b);
// Infers the body again and again, forgetting of the states (inputs from first_state on, outputs from first_out on) whatever the
// body changes, until nothing changes any more.
bool mf_nn_infer_loop(mf_shape_call *call, int64_t number, mf_tensor *inputs, uint32_t n_inputs, uint32_t first_state, uint32_t n_state,
                      mf_tensor *outputs, uint32_t n_outputs, uint32_t first_out, mf_error *err) MF_MUST_CHECK;
#endif
