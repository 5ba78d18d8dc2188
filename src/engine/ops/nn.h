// Shared by the nn_*.c operators, beyond ops.h: checks for optional inputs, sliding windows, integers for quantised arithmetic,
// float16 through float.
//
// Checks treat what is unknown (type, rank, dimension) and an absent optional input as fine.
#ifndef MF_ENGINE_OPS_NN_H
#define MF_ENGINE_OPS_NN_H

#include "ops.h"

enum { NN_SET_BYTES = 1 << MF_UINT8 | 1 << MF_INT8 };

static inline const mf_tensor *nn_input(const mf_shape_call *call, uint32_t at) {
  return at < call->n_inputs ? call->inputs[at] : NULL;
}
static inline const mf_tensor *nn_arg(const mf_kernel_call *call, uint32_t at) {
  return at < call->n_inputs ? call->inputs[at] : NULL;
}
static inline mf_tensor *nn_result(const mf_kernel_call *call, uint32_t at) {
  return at < call->n_outputs ? call->outputs[at] : NULL;
}

// ---- checks ----
static inline bool nn_expect(const mf_shape_call *call, uint32_t at, uint32_t set, mf_error *err) {
  return !mf_ops_has(call, at) || mf_ops_expect(call, at, set, err);
}
static inline bool nn_expect_same(const mf_shape_call *call, uint32_t at, uint32_t as, mf_error *err) {
  return !mf_ops_has(call, at) || !mf_ops_has(call, as) || mf_ops_expect_same(call, at, as, err);
}
static inline bool nn_expect_rank(const mf_shape_call *call, uint32_t at, uint32_t least, uint32_t most, mf_error *err) {
  return !mf_ops_has(call, at) || mf_ops_expect_rank(call, at, least, most, err);
}
// MF_DIM_UNKNOWN for an absent input, an unknown rank or a dimension that is not there.
int64_t mf_nn_dim_of(const mf_tensor *t, uint32_t dim);
// Dimension `dim` of input `at` (if its rank is known) must be `expected` (if that is known); `what` names where that comes from.
bool mf_nn_dim(const mf_shape_call *call, uint32_t at, uint32_t dim, int64_t expected, const char *what, mf_error *err) MF_MUST_CHECK;
// A vector of `expected` elements.
bool mf_nn_vector(const mf_shape_call *call, uint32_t at, int64_t expected, const char *what, mf_error *err) MF_MUST_CHECK;
// A tensor of one element, whatever its rank.
bool mf_nn_single(const mf_shape_call *call, uint32_t at, mf_error *err) MF_MUST_CHECK;
// An attribute that must be one of n words: its position.
bool mf_nn_choice(const mf_attributes *a, uint32_t at, const char *name, const char *const *words, uint32_t n, uint32_t *out,
                  mf_error *err) MF_MUST_CHECK;

// ---- outputs ----
static inline mf_tensor *nn_output(mf_shape_call *call, uint32_t at) { return at < call->n_outputs ? &call->outputs[at] : NULL; }
void mf_nn_set(mf_shape_call *call, uint32_t output, mf_type type, uint32_t rank, const int64_t *dims);
void mf_nn_set_like(mf_shape_call *call, uint32_t output, mf_type type, const mf_tensor *like);

// ---- quantised arithmetic ----
// A tensor of uint8 or int8 as int32 minus its zero points: one, or n_zero of them, each for `run` elements, over and over.
void mf_nn_widen(const mf_tensor *t, const mf_tensor *zero, int64_t run, int64_t n_zero, int32_t *out);
// Rounds half to even, adds the zero point, saturates to the type of the output (8- and 16-bit integers).
void mf_nn_quantize(mf_tensor *out, int64_t at, float scaled, int64_t zero);

// ---- kernels ----
// Nothing to compute: no output that is wanted has an element. Dimensions beside a zero may be huge, so ask before looping over them.
static inline bool nn_is_empty(const mf_kernel_call *call) {
  for (uint32_t i = 0; i < call->n_outputs; ++i)
    if (call->outputs[i] && mf_tensor_count(call->outputs[i]) != 0) return false;
  return true;
}
// Runs a float kernel for inputs and outputs of which some are float16: those go through float copies.
bool mf_nn_through_float(mf_kernel_call *call, mf_kernel_fn *kernel, mf_error *err) MF_MUST_CHECK;
void *mf_nn_temporary(mf_kernel_call *call, int64_t count, size_t size, mf_error *err);  // checked for overflow
// Where output 0 goes: its data, or temporary memory when nobody wants it.
void *mf_nn_first_output(mf_kernel_call *call, int64_t count, size_t size, mf_error *err);
// Defines `name`, which picks name_f32 or name_f64 by the type of input 0; float16 goes through name_f32.
#define NN_FLOAT_KERNEL(name)                                                          \
  static bool name(mf_kernel_call *call, mf_error *err) {                              \
    if (nn_is_empty(call)) return true;                                                \
    switch ((int)call->inputs[0]->type) {                                              \
      case MF_FLOAT: return name##_f32(call, err);                                     \
      case MF_DOUBLE: return name##_f64(call, err);                                    \
      case MF_FLOAT16: return mf_nn_through_float(call, name##_f32, err);              \
      default: return mf_ops_unsupported_type(call->inputs[0]->type, err);             \
    }                                                                                  \
  }

// ---- sliding windows (Conv, ConvTranspose, pooling) ----
enum { NN_MAX_SPATIAL = MF_MAX_RANK - 2 };
typedef struct nn_window {
  uint32_t n;  // spatial dimensions
  int64_t in[NN_MAX_SPATIAL], out[NN_MAX_SPATIAL], kernel[NN_MAX_SPATIAL];
  int64_t stride[NN_MAX_SPATIAL], dilation[NN_MAX_SPATIAL], pad[NN_MAX_SPATIAL], pad_end[NN_MAX_SPATIAL];
  uint32_t auto_pad;
} nn_window;
// The row of every windowed operator starts with these attributes, in this order.
enum { NN_AUTO_PAD, NN_KERNEL_SHAPE, NN_STRIDES, NN_PADS, NN_DILATIONS, NN_WINDOW_COUNT };
enum { NN_NOTSET, NN_SAME_UPPER, NN_SAME_LOWER, NN_VALID };
#define NN_WINDOW_ATTRIBUTES                                                                           \
  MF_TEXT("auto_pad", "NOTSET"), MF_OPTIONAL("kernel_shape", MF_ATTR_INTS),                            \
      MF_OPTIONAL("strides", MF_ATTR_INTS), MF_OPTIONAL("pads", MF_ATTR_INTS),                         \
      MF_OPTIONAL("dilations", MF_ATTR_INTS)
// Reads the attributes for an input whose dimensions from 2 on are the spatial ones (some maybe unknown, the rank is not). weights
// (may be NULL) are the kernel's dimensions where kernel_shape is absent, and must agree with it. Fills all but out, and pad and
// pad_end of automatic padding.
bool mf_nn_window_read(const mf_attributes *a, const mf_tensor *x, const int64_t *weights, nn_window *w, mf_error *err) MF_MUST_CHECK;
// Fills out, pad and pad_end of a convolution or pooling; unknown in gives unknown out.
typedef enum nn_slide { NN_CONV, NN_POOL, NN_POOL_CEIL } nn_slide;
bool mf_nn_window_slide(nn_window *w, nn_slide kind, mf_error *err) MF_MUST_CHECK;
// The box of outputs [low, high) for which kernel position k reads inside the input; false: empty.
bool mf_nn_window_box(const nn_window *w, const int64_t *k, int64_t *low, int64_t *high);
// Offset in the input's plane of what output position `at` reads at kernel position k.
int64_t mf_nn_window_input(const nn_window *w, const int64_t *at, const int64_t *k);
int64_t mf_nn_offset(uint32_t n, const int64_t *dims, const int64_t *at);  // row-major
int64_t mf_nn_product(uint32_t n, const int64_t *dims);
// Next position of the box [low, high) in row-major order; false: it was the last, and `at` is low again.
static inline bool nn_step(uint32_t n, int64_t *at, const int64_t *low, const int64_t *high) {
  for (uint32_t d = n; d-- > 0;) {
    if (++at[d] < high[d]) return true;
    at[d] = low[d];
  }
  return false;
}
#endif
