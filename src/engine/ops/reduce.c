// Reductions: Reduce* and ArgMax, ArgMin. Axes are an attribute in older opsets and an input since 18 (ReduceSum: 13). Sums are
// kept in double for real types and in 64-bit integers (modulo 2^64) for the others; a reduction of nothing gives the neutral
// element.
#include "broadcast.h"
#include "engine/kernels/kernels.h"

#include <float.h>
#include <math.h>

// ---- what is reduced ----
enum { KEEPDIMS, NOOP_WITH_EMPTY_AXES, AXES_ATTRIBUTE };  // attributes by number; the last in older rows only

// Which axes go. *known false when the axes come only at run time.
static bool read_axes(const mf_shape_call *call, uint32_t *set, bool *known, mf_error *err) {
  mf_ops_ints axes;
  bool read = call->attributes.count > AXES_ATTRIBUTE
                  ? mf_ops_ints_attribute(&call->attributes, AXES_ATTRIBUTE, &axes, err)
                  : mf_ops_ints_input(call, 1, &axes, err);
  *set = 0;
  *known = axes.known;
  if (!read || !axes.known || !mf_ops_rank_known(call->inputs[0])) return read;
  uint32_t rank = call->inputs[0]->rank;
  if (axes.n) return mf_ops_axis_set(&axes, rank, set, err);
  if (!mf_attr_int(&call->attributes, NOOP_WITH_EMPTY_AXES)) *set = (UINT32_C(1) << rank) - 1;
  return true;
}

static void reduced_shape(const mf_tensor *in, uint32_t set, bool keep, mf_tensor *out) {
  out->rank = 0;
  for (uint32_t d = 0; d < in->rank; d++) {
    if (!(set >> d & 1))
      out->dims[out->rank++] = in->dims[d];
    else if (keep)
      out->dims[out->rank++] = 1;
  }
}

static bool shape_reduce(mf_shape_call *call, uint32_t types, mf_error *err) {
  uint32_t set;
  bool known;
  if (!mf_ops_expect(call, 0, types, err) || !read_axes(call, &set, &known, err)) return false;
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  out->type = in->type;
  if (!mf_ops_rank_known(in)) return true;
  bool keep = mf_attr_int(&call->attributes, KEEPDIMS) != 0;
  if (known)
    reduced_shape(in, set, keep, out);
  else if (keep)
    mf_ops_set_rank(out, in->rank);
  return true;
}
static bool shape_numbers(mf_shape_call *call, mf_error *err) {
  return shape_reduce(call, MF_SET_NUMBERS, err);
}
static bool shape_extremes(mf_shape_call *call, mf_error *err) {
  return shape_reduce(call, MF_SET_NUMBERS | MF_SET_BOOL, err);
}

// Two walks: `outer` over the kept dimensions (operand 0 the output, 1 the input), `inner` over the reduced ones of the input.
static void split_walks(const mf_tensor *in, uint32_t set, mf_walk *outer, mf_walk *inner) {
  int64_t strides[MF_MAX_RANK], kept[MF_MAX_RANK], gone[MF_MAX_RANK];
  int64_t kept_strides[MF_MAX_RANK], gone_strides[MF_MAX_RANK];
  uint32_t n_kept = 0, n_gone = 0;
  mf_strides_of(in, strides);
  for (uint32_t d = 0; d < in->rank; d++) {
    if (set >> d & 1) {
      gone[n_gone] = in->dims[d];
      gone_strides[n_gone++] = strides[d];
    } else {
      kept[n_kept] = in->dims[d];
      kept_strides[n_kept++] = strides[d];
    }
  }
  mf_walk_init(outer, n_kept, kept);
  mf_walk_add(outer, 0, NULL);
  mf_walk_add(outer, 0, kept_strides);
  mf_walk_init(inner, n_gone, gone);
  mf_walk_add(inner, 0, gone_strides);
}

// ---- the functions, each by element type: reduces the elements of `walk` (operand 0), from `start` on ----
typedef void reduce_loop(void *out, int64_t at, const void *in, int64_t start, mf_walk walk);

// REDUCE: A is the type to accumulate in; `each` changes `sum` by element x, `result` is what is stored; n counts the elements.
#define REDUCE(TYPE, s, T, id, A, first, each, result)                                         \
  static void id##_##s(void *out, int64_t at, const void *in, int64_t start, mf_walk walk) {   \
    typedef T element __attribute__((unused));\
    A sum = (A)(first);                                                                        \
    int64_t n = 0;                                                                             \
    for (bool more = mf_walk_start(&walk); more; more = mf_walk_next(&walk)) {                 \
      for (int64_t i = 0; i < walk.length; i++) {                                              \
        const A x = (A)mf_get_##s(in, start + walk.at[0] + i * walk.step[0]);                  \
        each;                                                                                  \
      }                                                                                        \
      n += walk.length;                                                                        \
    }                                                                                          \
    (void)n;                                                                                   \
    mf_put_##s(out, at, (T)(result));                                                          \
  }
#define LISTED(TYPE, s, T, id) [TYPE] = id##_##s,
#define REALS(id, ...) MF_FLOAT_TYPES(REDUCE, id, double, __VA_ARGS__)
#define SIGNED(id, ...) MF_SIGNED_TYPES(REDUCE, id, int64_t, __VA_ARGS__)
#define UNSIGNED(id, ...) MF_UNSIGNED_TYPES(REDUCE, id, uint64_t, __VA_ARGS__)
#define WRAPPED(id, ...) MF_INTEGER_TYPES(REDUCE, id, uint64_t, __VA_ARGS__)  // modulo 2^64

REALS(ReduceSum, 0, sum += x, sum)
WRAPPED(ReduceSum, 0, sum += x, sum)
REALS(ReduceMean, 0, sum += x, sum / (double)n)
SIGNED(ReduceMean, 0, sum = (int64_t)((uint64_t)sum + (uint64_t)x), n ? sum / n : 0)
UNSIGNED(ReduceMean, 0, sum += x, n ? sum / (uint64_t)n : 0)
REALS(ReduceProd, 1, sum *= x, sum)
WRAPPED(ReduceProd, 1, sum *= x, sum)
REALS(ReduceSumSquare, 0, sum += x * x, sum)
WRAPPED(ReduceSumSquare, 0, sum += x * x, sum)
REALS(ReduceL1, 0, sum += fabs(x), sum)
SIGNED(ReduceL1, 0,
       sum = (int64_t)((uint64_t)sum + (x < 0 ? 0 - (uint64_t)x : (uint64_t)x)), sum)
UNSIGNED(ReduceL1, 0, sum += x, sum)
REALS(ReduceL2, 0, sum += x * x, sqrt(sum))
MF_INTEGER_TYPES(REDUCE, ReduceL2, double, 0, sum += x * x, mf_ops_to_bits(sqrt(sum)))
REALS(ReduceLogSum, 0, sum += x, log(sum))
MF_INTEGER_TYPES(REDUCE, ReduceLogSum, double, 0, sum += x, mf_ops_to_bits(log(sum)))
REALS(ReduceMax, -INFINITY, sum = isnan(sum) || sum > x ? sum : x, sum)
#define LOWEST (element)(UINT64_C(1) << (8 * sizeof(element) - 1))
#define HIGHEST (element)((UINT64_C(1) << (8 * sizeof(element) - 1)) - 1)
SIGNED(ReduceMax, LOWEST, sum = sum > x ? sum : x, sum)
UNSIGNED(ReduceMax, 0, sum = sum > x ? sum : x, sum)
MF_BOOL_TYPES(REDUCE, ReduceMax, uint8_t, 0, sum |= x, sum)
REALS(ReduceMin, INFINITY, sum = isnan(sum) || sum < x ? sum : x, sum)
SIGNED(ReduceMin, HIGHEST, sum = sum < x ? sum : x, sum)
UNSIGNED(ReduceMin, UINT64_MAX, sum = sum < x ? sum : x, sum)
MF_BOOL_TYPES(REDUCE, ReduceMin, uint8_t, 1, sum &= x, sum)

// log(sum(exp(x))) with the greatest x taken out, so that exp does not overflow. Two passes.
// LOG_SUM_EXP: `stored` is how a double becomes a T.
#define LOG_SUM_EXP(TYPE, s, T, stored)                                                        \
  static void ReduceLogSumExp_##s(void *out, int64_t at, const void *in, int64_t start,        \
                                  mf_walk walk) {                                              \
    double greatest = -INFINITY, sum = 0;                                                      \
    mf_walk again = walk;                                                                      \
    for (bool more = mf_walk_start(&walk); more; more = mf_walk_next(&walk))                   \
      for (int64_t i = 0; i < walk.length; i++) {                                              \
        double x = (double)mf_get_##s(in, start + walk.at[0] + i * walk.step[0]);              \
        if (!(greatest >= x)) greatest = x;                                                    \
      }                                                                                        \
    double shift = isfinite(greatest) ? greatest : 0;                                          \
    for (bool more = mf_walk_start(&again); more; more = mf_walk_next(&again))                 \
      for (int64_t i = 0; i < again.length; i++)                                               \
        sum += exp((double)mf_get_##s(in, start + again.at[0] + i * again.step[0]) - shift);   \
    mf_put_##s(out, at, (T)stored(log(sum) + shift));                                          \
  }
MF_FLOAT_TYPES(LOG_SUM_EXP, )
MF_INTEGER_TYPES(LOG_SUM_EXP, mf_ops_to_bits)

// ---- rows ----
static bool run_reduce(mf_kernel_call *call, reduce_loop *const loops[], mf_error *err) {
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  reduce_loop *loop = loops[in->type];
  if (!loop) return mf_ops_unsupported_type(in->type, err);
  mf_shape_call view = mf_ops_view(call);
  uint32_t set;
  bool known;
  if (!read_axes(&view, &set, &known, err)) return false;
  if (set == 0 && mf_attr_int(&call->attributes, NOOP_WITH_EMPTY_AXES))
    return mf_ops_copy_data(out, in), true;
  mf_walk outer, inner;
  split_walks(in, set, &outer, &inner);
  for (bool more = mf_walk_start(&outer); more; more = mf_walk_next(&outer))
    for (int64_t i = 0; i < outer.length; i++)
      loop(out->data, outer.at[0] + i * outer.step[0], in->data,
           outer.at[1] + i * outer.step[1], inner);
  return true;
}

// The older row has the axes as an attribute, the newer one (from opset `moved` on) as an input.
#define REDUCE_ROWS(id, moved, shape_function, types, fast)                                    \
  static reduce_loop *const loops_##id[MF_UINT64 + 1] = {types};                               \
  static bool run_##id(mf_kernel_call *call, mf_error *err) {                                  \
    return run_reduce(call, loops_##id, err);                                                  \
  }                                                                                            \
  MF_REFERENCE(id, run_##id);                                                                  \
  const mf_operator mf_op_##id##1 = {                                                          \
      "", #id, 1, moved - 1, 1, 1, 1, 1, .shape = shape_function,                              \
      MF_ATTRIBUTES(MF_INT("keepdims", 1), MF_INT("noop_with_empty_axes", 0),                  \
                    MF_OPTIONAL("axes", MF_ATTR_INTS)),                                        \
      MF_KERNELS(fast &id##_reference)};                                                       \
  const mf_operator mf_op_##id = {                                                             \
      "", #id, moved, MF_OP_ANY, 1, 2, 1, 1, 1 << 1, .shape = shape_function,                  \
      MF_ATTRIBUTES(MF_INT("keepdims", 1), MF_INT("noop_with_empty_axes", 0)),                 \
      MF_KERNELS(fast &id##_reference)};

#define NUMBER_LOOPS(id) MF_NUMBER_TYPES(LISTED, id)
REDUCE_ROWS(ReduceSum, 13, shape_numbers, NUMBER_LOOPS(ReduceSum), MF_FAST(reduce_sum_f32))
REDUCE_ROWS(ReduceMean, 18, shape_numbers, NUMBER_LOOPS(ReduceMean), MF_FAST(reduce_mean_f32))
REDUCE_ROWS(ReduceProd, 18, shape_numbers, NUMBER_LOOPS(ReduceProd), )
REDUCE_ROWS(ReduceSumSquare, 18, shape_numbers, NUMBER_LOOPS(ReduceSumSquare), )
REDUCE_ROWS(ReduceL1, 18, shape_numbers, NUMBER_LOOPS(ReduceL1), )
REDUCE_ROWS(ReduceL2, 18, shape_numbers, NUMBER_LOOPS(ReduceL2), )
REDUCE_ROWS(ReduceLogSum, 18, shape_numbers, NUMBER_LOOPS(ReduceLogSum), )
REDUCE_ROWS(ReduceLogSumExp, 18, shape_numbers, NUMBER_LOOPS(ReduceLogSumExp), )
REDUCE_ROWS(ReduceMax, 18, shape_extremes,
            NUMBER_LOOPS(ReduceMax) MF_BOOL_TYPES(LISTED, ReduceMax), MF_FAST(reduce_max_f32))
REDUCE_ROWS(ReduceMin, 18, shape_extremes,
            NUMBER_LOOPS(ReduceMin) MF_BOOL_TYPES(LISTED, ReduceMin), )

// ---- ArgMax, ArgMin ----
enum { ARG_AXIS, ARG_KEEPDIMS, ARG_LAST };

static bool shape_arg(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS, err)) return false;
  const mf_tensor *in = call->inputs[0];
  call->outputs[0].type = MF_INT64;
  if (!mf_ops_rank_known(in)) return true;
  uint32_t axis = 0;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, ARG_AXIS), in->rank, &axis, err)) return false;
  if (in->dims[axis] == 0)
    return mf_fail(err, MF_InvalidModel, "axis %u has no elements, expected at least 1", axis);
  reduced_shape(in, UINT32_C(1) << axis, mf_attr_int(&call->attributes, ARG_KEEPDIMS) != 0,
                &call->outputs[0]);
  return true;
}

// The first (or with select_last_index the last) of the best; NaN is the best of all, as in numpy.
#define ARG(TYPE, s, T, id, sign)                                                              \
  static int64_t id##_##s(const void *in, int64_t start, int64_t step, int64_t n, bool last) { \
    int64_t best = 0;                                                                          \
    for (int64_t i = 1; i < n; i++) {                                                          \
      const T x = mf_get_##s(in, start + i * step), y = mf_get_##s(in, start + best * step);   \
      bool equal = x == y || (x != x && y != y), better = y == y && (x sign y || x != x);      \
      if (better || (last && equal)) best = i;                                                 \
    }                                                                                          \
    return best;                                                                               \
  }
typedef int64_t arg_loop(const void *in, int64_t start, int64_t step, int64_t n, bool last);
MF_NUMBER_TYPES(ARG, ArgMax, >)
MF_NUMBER_TYPES(ARG, ArgMin, <)
static arg_loop *const loops_ArgMax[MF_UINT64 + 1] = {NUMBER_LOOPS(ArgMax)};
static arg_loop *const loops_ArgMin[MF_UINT64 + 1] = {NUMBER_LOOPS(ArgMin)};

static bool run_arg(mf_kernel_call *call, arg_loop *const loops[], mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  arg_loop *loop = loops[in->type];
  if (!loop) return mf_ops_unsupported_type(in->type, err);
  uint32_t axis = 0;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, ARG_AXIS), in->rank, &axis, err)) return false;
  if (mf_ops_empty(call->outputs[0])) return true;
  bool last = mf_attr_int(&call->attributes, ARG_LAST) != 0;
  int64_t n = in->dims[axis], inner = mf_tensor_span(in, axis + 1, in->rank);
  int64_t outer = mf_tensor_span(in, 0, axis);
  int64_t *out = call->outputs[0]->data;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < inner; i++) *out++ = loop(in->data, o * n * inner + i, inner, n, last);
  return true;
}
#define ARG_ROW(id)                                                                            \
  static bool run_##id(mf_kernel_call *call, mf_error *err) {                                  \
    return run_arg(call, loops_##id, err);                                                     \
  }                                                                                            \
  MF_REFERENCE(id, run_##id);                                                                  \
  const mf_operator mf_op_##id = {"", #id, 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_arg,       \
                                  MF_ATTRIBUTES(MF_INT("axis", 0), MF_INT("keepdims", 1),      \
                                                MF_INT("select_last_index", 0)),               \
                                  MF_KERNELS(&id##_reference)};
ARG_ROW(ArgMax)
ARG_ROW(ArgMin)
