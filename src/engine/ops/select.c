// Operators that pick or fold elements of several inputs: Min, Max, Sum, Mean over any number of them, Where, Clip.
#include "broadcast.h"

#include <math.h>

// ---- any number of inputs, broadcast together and folded from the left ----
typedef void fold_loop(void *out, const void *in, int64_t step, int64_t n);

static bool fold_inputs(mf_kernel_call *call, fold_loop *const loops[], mf_error *err) {
  const mf_tensor *out = call->outputs[0];
  fold_loop *loop = loops[out->type];
  if (!loop) return mf_ops_unsupported_type(out->type, err);
  size_t size = mf_type_size(out->type);
  mf_walk walk;
  mf_walk_broadcast(&walk, out, call->inputs, 1);
  mf_walk_copy(&walk, out->data, call->inputs[0]->data, size);
  for (uint32_t k = 1; k < call->n_inputs; k++) {
    mf_walk_broadcast(&walk, out, call->inputs + k, 1);
    for (bool more = mf_walk_start(&walk); more; more = mf_walk_next(&walk))
      loop(mf_ops_at(out, walk.at[0], size), mf_ops_at(call->inputs[k], walk.at[1], size),
           walk.step[1], walk.length);
  }
  return true;
}

static bool shape_variadic(mf_shape_call *call, uint32_t set, mf_error *err) {
  if (!mf_ops_expect_all(call, set, err)) return false;
  for (uint32_t i = 0; i < call->n_inputs && !call->outputs[0].type; i++)
    call->outputs[0].type = call->inputs[i]->type;
  return mf_broadcast_shape(call->inputs, call->n_inputs, &call->outputs[0], err);
}
static bool shape_numbers(mf_shape_call *call, mf_error *err) {
  return shape_variadic(call, MF_SET_NUMBERS, err);
}
static bool shape_reals(mf_shape_call *call, mf_error *err) {
  return shape_variadic(call, MF_SET_FLOATS, err);
}

#define FOLD_LOOP(TYPE, s, T, id, expression)                                \
  static void id##_##s(void *out, const void *in, int64_t step, int64_t n) { \
    for (int64_t i = 0; i < n; i++) {                                        \
      const T x = mf_get_##s(out, i), y = mf_get_##s(in, i * step);          \
      mf_put_##s(out, i, (T)(expression));                                   \
    }                                                                        \
  }
#define LISTED(TYPE, s, T, id) [TYPE] = id##_##s,
#define VARIADIC(id, shape_function)                                                          \
  static bool run_##id(mf_kernel_call *call, mf_error *err) {                                 \
    return fold_inputs(call, loops_##id, err);                                                \
  }                                                                                           \
  MF_REFERENCE(id, run_##id);                                                                 \
  const mf_operator mf_op_##id = {                                                            \
      "",      #id, 6, MF_OP_ANY, 1, MF_OP_ANY, 1, 1, .shape = shape_function,                \
      MF_KERNELS(&id##_reference)};

// A NaN on either side wins, as in numpy's minimum and maximum.
MF_FLOAT_TYPES(FOLD_LOOP, Min, isnan(x) || x < y ? x : y)
MF_INTEGER_TYPES(FOLD_LOOP, Min, x < y ? x : y)
static fold_loop *const loops_Min[MF_UINT64 + 1] = {MF_NUMBER_TYPES(LISTED, Min)};
VARIADIC(Min, shape_numbers)
MF_FLOAT_TYPES(FOLD_LOOP, Max, isnan(x) || x > y ? x : y)
MF_INTEGER_TYPES(FOLD_LOOP, Max, x > y ? x : y)
static fold_loop *const loops_Max[MF_UINT64 + 1] = {MF_NUMBER_TYPES(LISTED, Max)};
VARIADIC(Max, shape_numbers)
MF_FLOAT_TYPES(FOLD_LOOP, Sum, x + y)
static fold_loop *const loops_Sum[MF_UINT64 + 1] = {MF_FLOAT_TYPES(LISTED, Sum)};
VARIADIC(Sum, shape_reals)

static bool run_Mean(mf_kernel_call *call, mf_error *err) {
  if (!fold_inputs(call, loops_Sum, err)) return false;
  const mf_tensor *out = call->outputs[0];
  int64_t n = mf_tensor_count(out);
  for (int64_t i = 0; i < n; i++)
    mf_ops_put_double(out, i, mf_ops_get_double(out, i) / call->n_inputs);
  return true;
}
MF_REFERENCE(Mean, run_Mean);
const mf_operator mf_op_Mean = {
    "", "Mean", 6, MF_OP_ANY, 1, MF_OP_ANY, 1, 1, .shape = shape_reals, MF_KERNELS(&Mean_reference)};

// ---- Where ----
static bool shape_where(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_BOOL, err) || !mf_ops_expect(call, 1, MF_SET_ALL, err) ||
      !mf_ops_expect(call, 2, MF_SET_ALL, err) || !mf_ops_expect_same(call, 2, 1, err))
    return false;
  mf_type type = call->inputs[1]->type;
  call->outputs[0].type = type ? type : call->inputs[2]->type;
  return mf_broadcast_shape(call->inputs, 3, &call->outputs[0], err);
}
static bool run_Where(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *out = call->outputs[0];
  const uint8_t *condition = call->inputs[0]->data;
  size_t size = mf_type_size(out->type);
  mf_walk w;
  mf_walk_broadcast(&w, out, call->inputs, 3);
  for (bool more = mf_walk_start(&w); more; more = mf_walk_next(&w))
    for (int64_t i = 0; i < w.length; i++) {
      uint32_t from = condition[w.at[1] + i * w.step[1]] ? 1 : 2;
      memcpy(mf_ops_at(out, w.at[0] + i, size),
             mf_ops_at(call->inputs[from], w.at[from + 1] + i * w.step[from + 1], size), size);
    }
  return true;
}
MF_REFERENCE(Where, run_Where);
const mf_operator mf_op_Where = {
    "", "Where", 9, MF_OP_ANY, 3, 3, 1, 1, .shape = shape_where, MF_KERNELS(&Where_reference)};

// ---- Clip: limits are attributes before opset 11, then optional scalars of the input's type ----
// With min > max every element becomes max; NaN stays.
#define CLIP_FLOATS(TYPE, s, T, ...)                                             \
  case TYPE:                                                                     \
    for (int64_t i = 0; i < n; i++) {                                            \
      double x = (double)mf_get_##s(in->data, i);                                \
      if (x < low) x = low;                                                      \
      mf_put_##s(out->data, i, (T)(x > high ? high : x));                        \
    }                                                                            \
    return true;
static bool clip_floats(const mf_tensor *in, const mf_tensor *out, double low, double high,
                        mf_error *err) {
  int64_t n = mf_tensor_count(in);
  switch ((int)in->type) {
    MF_FLOAT_TYPES(CLIP_FLOATS, )
    default: return mf_ops_unsupported_type(in->type, err);
  }
}
#define CLIP_INTEGERS(TYPE, s, T, ...)                                           \
  case TYPE:                                                                     \
    for (int64_t i = 0; i < n; i++) {                                            \
      T x = mf_get_##s(in->data, i);                                             \
      if (low && x < mf_get_##s(low->data, 0)) x = mf_get_##s(low->data, 0);     \
      if (high && x > mf_get_##s(high->data, 0)) x = mf_get_##s(high->data, 0);  \
      mf_put_##s(out->data, i, x);                                               \
    }                                                                            \
    return true;
static bool run_Clip(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  const mf_tensor *low = call->n_inputs > 1 ? call->inputs[1] : NULL;
  const mf_tensor *high = call->n_inputs > 2 ? call->inputs[2] : NULL;
  int64_t n = mf_tensor_count(in);
  switch ((int)in->type) {
    MF_INTEGER_TYPES(CLIP_INTEGERS, )
    default:
      return clip_floats(in, out, low ? mf_ops_get_double(low, 0) : -INFINITY,
                         high ? mf_ops_get_double(high, 0) : INFINITY, err);
  }
}
static bool run_Clip6(mf_kernel_call *call, mf_error *err) {
  return clip_floats(call->inputs[0], call->outputs[0], (double)mf_attr_float(&call->attributes, 0),
                     (double)mf_attr_float(&call->attributes, 1), err);
}
static bool shape_clip(mf_shape_call *call, mf_error *err) {
  for (uint32_t i = 1; i < 3; i++) {
    if (!mf_ops_has(call, i)) continue;
    int64_t count;
    if (!mf_ops_expect_same(call, i, 0, err) || !mf_ops_expect_rank(call, i, 0, 1, err) ||
        !mf_ops_span(call->inputs[i], 0, call->inputs[i]->rank, &count, err))
      return false;
    if (count >= 0 && count != 1)
      return mf_fail(err, MF_InvalidModel, "input %u has %lld elements, expected 1", i,
                     (long long)count);
  }
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}
MF_SHAPE_ALIKE(shape_clip6, MF_SET_FLOATS)
MF_REFERENCE(Clip, run_Clip);
MF_REFERENCE(Clip6, run_Clip6);
const mf_operator mf_op_Clip6 = {
    "", "Clip", 6, 10, 1, 1, 1, 1, 0, MF_OP_INPLACE, .shape = shape_clip6,
    MF_ATTRIBUTES(MF_REAL("min", -INFINITY), MF_REAL("max", INFINITY)), MF_KERNELS(&Clip6_reference)};
const mf_operator mf_op_Clip = {"", "Clip", 11, MF_OP_ANY, 1, 3, 1, 1, 0, MF_OP_INPLACE,
                                .shape = shape_clip, MF_KERNELS(&Clip_reference)};
