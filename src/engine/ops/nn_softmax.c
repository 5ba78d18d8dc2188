// Softmax, LogSoftmax, Hardmax. Since opset 13 they work along one axis; before, on the input seen as a matrix whose rows end
// at `axis` (its default was 1, now it is the last).
#include "engine/kernels/kernels.h"
#include "nn.h"

#include <tgmath.h>

#define T float
#define NAME(id) id##_f32
#include "nn_softmax.inc"
#undef T
#undef NAME
#define T double
#define NAME(id) id##_f64
#include "nn_softmax.inc"
#undef T
#undef NAME

// Rows begin at the axis: it may be the rank itself (rows of one element).
static bool shape_rows(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  const int64_t axis = mf_attr_int(&call->attributes, 0);
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err)) return false;
  if (mf_ops_rank_known(x) && (axis < -(int64_t)x->rank || axis > (int64_t)x->rank))
    return mf_fail(err, MF_InvalidModel, "axis is %lld, expected at most the input's %u dimensions", (long long)axis, x->rank);
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

static bool shape_axis(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  uint32_t axis;
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err)) return false;
  if (mf_ops_rank_known(x) && x->rank > 0 && !mf_ops_axis(mf_attr_int(&call->attributes, 0), x->rank, &axis, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

// Walks the lines: `outer` times `inner` of n elements, `inner` apart.
static void line_sizes(const mf_kernel_call *call, bool rows, int64_t *outer, int64_t *n, int64_t *inner) {
  const mf_tensor *x = call->inputs[0];
  int64_t axis = mf_attr_int(&call->attributes, 0);
  if (axis < 0) axis += x->rank;
  const uint32_t at = (uint32_t)MF_MAX(axis, 0), end = rows ? x->rank : MF_MIN(at + 1, x->rank);
  *outer = mf_tensor_span(x, 0, MF_MIN(at, x->rank));
  *n = mf_tensor_span(x, MF_MIN(at, end), end);
  *inner = mf_tensor_span(x, end, x->rank);
}

#define DEFINE_LINES(T, suffix, line, id, rows)                                                     \
  static bool id##_##suffix(mf_kernel_call *call, mf_error *err) {                                  \
    (void)err;                                                                                      \
    int64_t outer, n, inner;                                                                        \
    line_sizes(call, rows, &outer, &n, &inner);                                                     \
    const T *x = call->inputs[0]->data;                                                             \
    T *y = call->outputs[0]->data;                                                                  \
    for (int64_t o = 0; n > 0 && o < outer; ++o)                                                    \
      for (int64_t i = 0; i < inner; ++i)                                                           \
        line##_line_##suffix(n, inner, x + o * n * inner + i, y + o * n * inner + i);               \
    return true;                                                                                    \
  }
#define DEFINE_OPERATOR(op, id, FAST_ROWS, FAST)                                                                                        \
  DEFINE_LINES(float, f32, id, id##_rows, true)                                                                          \
  DEFINE_LINES(double, f64, id, id##_rows, true)                                                                         \
  NN_FLOAT_KERNEL(id##_rows)                                                                                             \
  MF_REFERENCE(id##_rows, id##_rows);                                                                                    \
  const mf_operator mf_op_##op##_1 = {"", #op, 1, 12, 1, 1, 1, 1, .flags = MF_OP_INPLACE, .shape = shape_rows,           \
                                      MF_ATTRIBUTES(MF_INT("axis", 1)), MF_KERNELS(FAST_ROWS &id##_rows_reference)};               \
  DEFINE_LINES(float, f32, id, id, false)                                                                                \
  DEFINE_LINES(double, f64, id, id, false)                                                                               \
  NN_FLOAT_KERNEL(id)                                                                                                    \
  MF_REFERENCE(id, id);                                                                                                  \
  const mf_operator mf_op_##op = {"", #op, 13, MF_OP_ANY, 1, 1, 1, 1, .flags = MF_OP_INPLACE, .shape = shape_axis,       \
                                  MF_ATTRIBUTES(MF_INT("axis", -1)), MF_KERNELS(FAST &id##_reference)};

DEFINE_OPERATOR(Softmax, softmax, MF_FAST(softmax_rows_f32), MF_FAST(softmax_f32))
DEFINE_OPERATOR(LogSoftmax, log_softmax, , )
DEFINE_OPERATOR(Hardmax, hardmax, , )
