// Pooling: MaxPool, AveragePool, LpPool and their global forms, over 1 to 6 spatial dimensions.
#include "nn.h"

#include <tgmath.h>

#define T float
#define LOWEST (-INFINITY)
#define NAME(id) id##_f32
#include "nn_pool.inc"
#undef T
#undef LOWEST
#undef NAME
#define T double
#define LOWEST (-(double)INFINITY)
#define NAME(id) id##_f64
#include "nn_pool.inc"
#undef T
#undef LOWEST
#undef NAME
#define T uint8_t
#define LOWEST 0
#define NAME(id) id##_u8
#include "nn_pool.inc"
#undef T
#undef LOWEST
#undef NAME
#define T int8_t
#define LOWEST INT8_MIN
#define NAME(id) id##_i8
#include "nn_pool.inc"
#undef T
#undef LOWEST
#undef NAME

enum { CEIL_MODE = NN_WINDOW_COUNT, STORAGE_ORDER, COUNT_INCLUDE_PAD = STORAGE_ORDER, POWER = STORAGE_ORDER };

// ---- shapes ----

// NN_CONV's strict rule where a window that sticks out is not plainly the mean or maximum of what there is: count_include_pad (ONNX
// Runtime divides by the whole kernel), LpPool, column-major indices. Such a window is then refused.
static nn_slide slide_of(const mf_attributes *a) {
  if (mf_attr_int(a, CEIL_MODE) != 0) return NN_POOL_CEIL;
  return mf_attr_int(a, STORAGE_ORDER) == 0 ? NN_POOL : NN_CONV;
}

static bool pool_shape(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  if (!mf_ops_rank_known(x)) {
    mf_nn_set(call, 0, x->type, MF_RANK_UNKNOWN, NULL);
    return true;
  }
  nn_window w;
  if (!mf_nn_window_read(&call->attributes, x, NULL, &w, err) ||
      !mf_nn_window_slide(&w, slide_of(&call->attributes), err))
    return false;
  int64_t dims[MF_MAX_RANK] = {x->dims[0], x->dims[1]};
  memcpy(dims + 2, w.out, w.n * sizeof *dims);
  mf_nn_set(call, 0, x->type, x->rank, dims);
  return true;
}

static bool shape_max_pool(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS | NN_SET_BYTES, err) || !pool_shape(call, err)) return false;
  mf_nn_set_like(call, 1, MF_INT64, &call->outputs[0]);
  return true;
}

static bool shape_float_pool(mf_shape_call *call, mf_error *err) {
  return mf_ops_expect(call, 0, MF_SET_FLOATS, err) && pool_shape(call, err);
}

static bool shape_global(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) || !nn_expect_rank(call, 0, 2, MF_MAX_RANK, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  for (uint32_t d = 2; mf_ops_rank_known(x) && d < x->rank; ++d) call->outputs[0].dims[d] = 1;
  return true;
}

// Planes are the products of the first two dimensions.
static bool pool_geometry(const mf_kernel_call *call, nn_window *w, int64_t *planes, int64_t *in, int64_t *out, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  if (!mf_nn_window_read(&call->attributes, x, NULL, w, err) ||
      !mf_nn_window_slide(w, slide_of(&call->attributes), err))
    return false;
  *planes = x->dims[0] * x->dims[1];
  *in = mf_nn_product(w->n, w->in);
  *out = mf_nn_product(w->n, w->out);
  return true;
}

// ---- MaxPool ----

// Offsets inside a plane become indices into the whole tensor; storage_order 1 counts the first spatial dimension fastest.
static void finish_indices(const nn_window *w, int64_t *where, int64_t count, int64_t base, bool column_major) {
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = where[i], index = 0, at[NN_MAX_SPATIAL];
    where[i] = base;
    if (rest < 0) continue;  // the window lies in the padding
    for (uint32_t d = w->n; d-- > 0; rest /= w->in[d]) at[d] = rest % w->in[d];
    for (uint32_t d = 0; d < w->n; ++d) {
      const uint32_t from = column_major ? w->n - 1 - d : d;
      index = index * w->in[from] + at[from];
    }
    where[i] = base + index;
  }
}

#define DEFINE_MAX_POOL(T, suffix)                                                                            \
  static bool max_pool_##suffix(mf_kernel_call *call, mf_error *err) {                                        \
    nn_window w;                                                                                              \
    int64_t planes, in, out;                                                                                  \
    if (!pool_geometry(call, &w, &planes, &in, &out, err)) return false;                                      \
    const T *x = call->inputs[0]->data;                                                                       \
    T *y = mf_nn_first_output(call, planes * out, sizeof *y, err);                                            \
    if (!y) return false;                                                                                     \
    const mf_tensor *indices = nn_result(call, 1);                                                            \
    const bool column_major = mf_attr_int(&call->attributes, STORAGE_ORDER) != 0;                             \
    for (int64_t p = 0; p < planes; ++p) {                                                                    \
      int64_t *where = indices ? (int64_t *)indices->data + p * out : NULL;                                   \
      if (where) memset(where, -1, (size_t)out * sizeof *where);                                              \
      pool_max_##suffix(&w, x + p * in, y + p * out, where);                                                  \
      if (where) finish_indices(&w, where, out, p * in, column_major);                                        \
    }                                                                                                         \
    return true;                                                                                              \
  }
DEFINE_MAX_POOL(float, f32)
DEFINE_MAX_POOL(double, f64)
DEFINE_MAX_POOL(uint8_t, u8)
DEFINE_MAX_POOL(int8_t, i8)

static bool max_pool(mf_kernel_call *call, mf_error *err) {
  if (nn_is_empty(call)) return true;
  switch ((int)call->inputs[0]->type) {
    case MF_FLOAT: return max_pool_f32(call, err);
    case MF_DOUBLE: return max_pool_f64(call, err);
    case MF_FLOAT16: return mf_nn_through_float(call, max_pool_f32, err);
    case MF_UINT8: return max_pool_u8(call, err);
    case MF_INT8: return max_pool_i8(call, err);
    default: return mf_ops_unsupported_type(call->inputs[0]->type, err);
  }
}
MF_REFERENCE(max_pool, max_pool);

const mf_operator mf_op_MaxPool = {
    "", "MaxPool", 1, MF_OP_ANY, 1, 1, 1, 2, .shape = shape_max_pool,
    MF_ATTRIBUTES(NN_WINDOW_ATTRIBUTES, MF_INT("ceil_mode", 0), MF_INT("storage_order", 0)), MF_KERNELS(&max_pool_reference)};

// ---- AveragePool, LpPool: sums under the window, of |x|^p with p = 1 and the sign kept for averages ----

// How many cells of window position `at` count: inside the input, or (padded) inside its padding as well.
static int64_t cells(const nn_window *w, const int64_t *at, bool padded) {
  int64_t count = 1;
  for (uint32_t d = 0; d < w->n; ++d) {
    const int64_t first = at[d] * w->stride[d] - w->pad[d];
    const int64_t low = padded ? -w->pad[d] : 0, high = padded ? w->in[d] + w->pad_end[d] : w->in[d];
    int64_t here = 0;
    for (int64_t k = 0; k < w->kernel[d]; ++k) {
      const int64_t i = first + k * w->dilation[d];
      here += i >= low && i < high;
    }
    count *= here;
  }
  return count;
}

#define T float
#define NAME(id) id##_f32
#include "nn_pool_float.inc"
#undef T
#undef NAME
#define T double
#define NAME(id) id##_f64
#include "nn_pool_float.inc"
#undef T
#undef NAME
NN_FLOAT_KERNEL(average_pool)
NN_FLOAT_KERNEL(lp_pool)
NN_FLOAT_KERNEL(global_average)
NN_FLOAT_KERNEL(global_max)
NN_FLOAT_KERNEL(global_lp)
MF_REFERENCE(average_pool, average_pool);
MF_REFERENCE(lp_pool, lp_pool);
MF_REFERENCE(global_average, global_average);
MF_REFERENCE(global_max, global_max);
MF_REFERENCE(global_lp, global_lp);

const mf_operator mf_op_AveragePool = {
    "", "AveragePool", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_float_pool,
    MF_ATTRIBUTES(NN_WINDOW_ATTRIBUTES, MF_INT("ceil_mode", 0), MF_INT("count_include_pad", 0)),
    MF_KERNELS(&average_pool_reference)};

static bool shape_lp_pool(mf_shape_call *call, mf_error *err) {
  const int64_t power = mf_attr_int(&call->attributes, POWER);
  if (power < 1) return mf_fail(err, MF_InvalidModel, "attribute 'p' is %lld, expected at least 1", (long long)power);
  return shape_float_pool(call, err);
}

const mf_operator mf_op_LpPool = {
    "", "LpPool", 2, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_lp_pool,
    MF_ATTRIBUTES(NN_WINDOW_ATTRIBUTES, MF_INT("ceil_mode", 0), MF_INT("p", 2)), MF_KERNELS(&lp_pool_reference)};

const mf_operator mf_op_GlobalAveragePool = {"", "GlobalAveragePool", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_global,
                                             MF_KERNELS(&global_average_reference)};
const mf_operator mf_op_GlobalMaxPool = {"", "GlobalMaxPool", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_global,
                                         MF_KERNELS(&global_max_reference)};

static bool shape_global_lp(mf_shape_call *call, mf_error *err) {
  const int64_t power = mf_attr_int(&call->attributes, 0);
  if (power < 1) return mf_fail(err, MF_InvalidModel, "attribute 'p' is %lld, expected at least 1", (long long)power);
  return shape_global(call, err);
}

const mf_operator mf_op_GlobalLpPool = {"", "GlobalLpPool", 2, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_global_lp,
                                        MF_ATTRIBUTES(MF_INT("p", 2)), MF_KERNELS(&global_lp_reference)};
