// Matrix products: MatMul (as numpy.matmul: batches broadcast, vectors are promoted), Gemm, MatMulInteger, QLinearMatMul.
#include "engine/kernels/kernels.h"
#include "nn.h"

typedef struct matmul_sizes {
  int64_t m, n, k;
  uint32_t n_batch;
  int64_t batch[MF_MAX_RANK], a_step[MF_MAX_RANK], b_step[MF_MAX_RANK];  // steps in elements, 0 where broadcast
} matmul_sizes;

#define INSTANCES(X) X(float, f32) X(double, f64) X(uint32_t, u32) X(uint64_t, u64)
#define T float
#define NAME(id) id##_f32
#include "nn_matmul.inc"
#undef T
#undef NAME
#define T double
#define NAME(id) id##_f64
#include "nn_matmul.inc"
#undef T
#undef NAME
// Signed integers are multiplied as unsigned ones: the same bits, and overflow wraps.
#define T uint32_t
#define NAME(id) id##_u32
#include "nn_matmul.inc"
#undef T
#undef NAME
#define T uint64_t
#define NAME(id) id##_u64
#include "nn_matmul.inc"
#undef T
#undef NAME

enum {
  SET_MATMUL = MF_SET_FLOATS | 1 << MF_INT32 | 1 << MF_UINT32 | 1 << MF_INT64 | 1 << MF_UINT64,
};

// ---- shapes ----

// Dimension `back` from the end (1: last) of a matrix batch; vectors are promoted (first: to a row, else: to a column).
static int64_t dim_from_end(const mf_tensor *t, uint32_t back, bool first) {
  if (t->rank == 1) return (back == 1) == first ? t->dims[0] : 1;
  return mf_nn_dim_of(t, t->rank - back);
}

static bool matmul_shape(mf_shape_call *call, uint32_t a_at, uint32_t b_at, mf_type type, mf_error *err) {
  const mf_tensor *a = call->inputs[a_at], *b = call->inputs[b_at];
  mf_nn_set(call, 0, type, MF_RANK_UNKNOWN, NULL);
  if (!nn_expect_rank(call, a_at, 1, MF_MAX_RANK, err) || !nn_expect_rank(call, b_at, 1, MF_MAX_RANK, err)) return false;
  if (!mf_ops_rank_known(a) || !mf_ops_rank_known(b)) return true;
  int64_t merged;
  if (!mf_ops_merge_dim(dim_from_end(a, 1, true), dim_from_end(b, 2, false), "columns of the first and rows of the second matrix",
                        &merged, err))
    return false;
  const uint32_t a_batch = a->rank > 2 ? a->rank - 2 : 0, b_batch = b->rank > 2 ? b->rank - 2 : 0;
  uint32_t rank = MF_MAX(a_batch, b_batch);
  int64_t dims[MF_MAX_RANK + 2];
  for (uint32_t d = 0; d < rank; ++d) {
    const int64_t x = d + a_batch >= rank ? a->dims[d + a_batch - rank] : 1, y = d + b_batch >= rank ? b->dims[d + b_batch - rank] : 1;
    if (x != y && x >= 0 && y >= 0 && x != 1 && y != 1)
      return mf_fail(err, MF_InvalidModel, "batches of %lld and %lld matrices do not broadcast", (long long)x, (long long)y);
    dims[d] = x == 1 ? y : y == 1 ? x : x >= 0 ? x : y;
  }
  if (a->rank > 1) dims[rank++] = dim_from_end(a, 2, true);
  if (b->rank > 1) dims[rank++] = dim_from_end(b, 1, false);
  mf_nn_set(call, 0, type, rank, dims);
  return true;
}

static void matmul_geometry(const mf_tensor *a, const mf_tensor *b, matmul_sizes *s) {
  const uint32_t a_batch = a->rank > 2 ? a->rank - 2 : 0, b_batch = b->rank > 2 ? b->rank - 2 : 0;
  *s = (matmul_sizes){.m = dim_from_end(a, 2, true), .n = dim_from_end(b, 1, false), .k = dim_from_end(a, 1, true),
                      .n_batch = MF_MAX(a_batch, b_batch)};
  int64_t a_step = s->m * s->k, b_step = s->k * s->n;
  for (uint32_t d = s->n_batch; d-- > 0;) {
    const int64_t x = d + a_batch >= s->n_batch ? a->dims[d + a_batch - s->n_batch] : 1;
    const int64_t y = d + b_batch >= s->n_batch ? b->dims[d + b_batch - s->n_batch] : 1;
    s->batch[d] = x == 1 ? y : x;
    s->a_step[d] = x == 1 ? 0 : a_step;
    s->b_step[d] = y == 1 ? 0 : b_step;
    a_step *= x;
    b_step *= y;
  }
}

// ---- MatMul ----

static bool shape_matmul(mf_shape_call *call, mf_error *err) {
  return mf_ops_expect(call, 0, SET_MATMUL, err) && mf_ops_expect_same(call, 1, 0, err) &&
         matmul_shape(call, 0, 1, call->inputs[0]->type, err);
}

#define DEFINE_MATMUL(T, suffix)                                                                           \
  static bool matmul_##suffix(mf_kernel_call *call, mf_error *err) {                                       \
    (void)err;                                                                                             \
    matmul_sizes s;                                                                                        \
    matmul_geometry(call->inputs[0], call->inputs[1], &s);                                                 \
    multiply_batch_##suffix(&s, call->inputs[0]->data, call->inputs[1]->data, call->outputs[0]->data);     \
    return true;                                                                                           \
  }
INSTANCES(DEFINE_MATMUL)

// Defines `name`, which picks the instance for the type of input 0.
#define MATMUL_KERNEL(name)                                                            \
  static bool name(mf_kernel_call *call, mf_error *err) {                              \
    if (nn_is_empty(call)) return true;                                                \
    switch ((int)call->inputs[0]->type) {                                              \
      case MF_FLOAT: return name##_f32(call, err);                                     \
      case MF_DOUBLE: return name##_f64(call, err);                                    \
      case MF_FLOAT16: return mf_nn_through_float(call, name##_f32, err);              \
      case MF_INT32:                                                                   \
      case MF_UINT32: return name##_u32(call, err);                                    \
      case MF_INT64:                                                                   \
      case MF_UINT64: return name##_u64(call, err);                                    \
      default: return mf_ops_unsupported_type(call->inputs[0]->type, err);             \
    }                                                                                  \
  }
MATMUL_KERNEL(matmul)
MF_REFERENCE(matmul, matmul);

const mf_operator mf_op_MatMul = {"", "MatMul", 1, MF_OP_ANY, 2, 2, 1, 1, .shape = shape_matmul,
                                  MF_KERNELS(MF_FAST(matmul_pairs_f32) &matmul_reference)};

// ---- Gemm: alpha * A * B + beta * C ----

enum { ALPHA, BETA, TRANS_A, TRANS_B, BROADCAST };

static bool shape_gemm(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, SET_MATMUL, err) || !mf_ops_expect_same(call, 1, 0, err) || !nn_expect_same(call, 2, 0, err) ||
      !nn_expect_rank(call, 0, 2, 2, err) || !nn_expect_rank(call, 1, 2, 2, err) || !nn_expect_rank(call, 2, 0, 2, err))
    return false;
  const bool trans_a = mf_attr_int(&call->attributes, TRANS_A) != 0, trans_b = mf_attr_int(&call->attributes, TRANS_B) != 0;
  int64_t merged;
  if (!mf_ops_merge_dim(mf_nn_dim_of(call->inputs[0], !trans_a), mf_nn_dim_of(call->inputs[1], trans_b),
                        "columns of A and rows of B", &merged, err))
    return false;
  const int64_t dims[] = {mf_nn_dim_of(call->inputs[0], trans_a), mf_nn_dim_of(call->inputs[1], !trans_b)};
  const mf_tensor *c = nn_input(call, 2);
  for (uint32_t d = 0; c && mf_ops_rank_known(c) && d < c->rank; ++d)
    if (c->dims[d] != 1 && !mf_nn_dim(call, 2, d, dims[2 - c->rank + d], "of the product, or 1", err)) return false;
  mf_nn_set(call, 0, call->inputs[0]->type, 2, dims);
  return true;
}

#define DEFINE_GEMM(T, suffix)                                                                                           \
  static bool gemm_##suffix(mf_kernel_call *call, mf_error *err) {                                                       \
    (void)err;                                                                                                           \
    const mf_tensor *a = call->inputs[0], *b = call->inputs[1], *c = nn_arg(call, 2);                                    \
    const bool trans_a = mf_attr_int(&call->attributes, TRANS_A) != 0, trans_b = mf_attr_int(&call->attributes, TRANS_B) != 0; \
    const T alpha = (T)mf_attr_float(&call->attributes, ALPHA), beta = (T)mf_attr_float(&call->attributes, BETA);        \
    const int64_t m = call->outputs[0]->dims[0], n = call->outputs[0]->dims[1], k = a->dims[!trans_a];                   \
    const bool rows = c && c->rank == 2 && c->dims[0] > 1, columns = c && c->rank > 0 && c->dims[c->rank - 1] > 1;       \
    const int64_t across = columns ? 1 : 0, down = rows ? (columns ? n : 1) : 0;                                         \
    T *y = call->outputs[0]->data;                                                                                       \
    for (int64_t i = 0; i < m; ++i)                                                                                      \
      for (int64_t j = 0; j < n; ++j) y[i * n + j] = c ? beta * ((const T *)c->data)[i * down + j * across] : 0;         \
    multiply_##suffix(m, n, k, alpha, a->data, trans_a ? 1 : k, trans_a ? m : 1, b->data, trans_b ? 1 : n,               \
                      trans_b ? k : 1, y);                                                                               \
    return true;                                                                                                         \
  }
INSTANCES(DEFINE_GEMM)
MATMUL_KERNEL(gemm)
MF_REFERENCE(gemm, gemm);

const mf_operator mf_op_Gemm = {
    "", "Gemm", 7, MF_OP_ANY, 2, 3, 1, 1, .shape = shape_gemm,
    MF_ATTRIBUTES(MF_REAL("alpha", 1), MF_REAL("beta", 1), MF_INT("transA", 0), MF_INT("transB", 0)), MF_KERNELS(&gemm_reference)};

// Until version 7, C was broadcast only where the attribute allowed it.
static bool shape_gemm_1(mf_shape_call *call, mf_error *err) {
  if (!shape_gemm(call, err)) return false;
  if (mf_attr_int(&call->attributes, BROADCAST) != 0) return true;
  const mf_tensor *y = &call->outputs[0];
  return nn_expect_rank(call, 2, 2, 2, err) && mf_nn_dim(call, 2, 0, y->dims[0], "rows of the product, without broadcast", err) &&
         mf_nn_dim(call, 2, 1, y->dims[1], "columns of the product, without broadcast", err);
}

const mf_operator mf_op_Gemm_1 = {
    "", "Gemm", 1, 6, 3, 3, 1, 1, .shape = shape_gemm_1,
    MF_ATTRIBUTES(MF_REAL("alpha", 1), MF_REAL("beta", 1), MF_INT("transA", 0), MF_INT("transB", 0), MF_INT("broadcast", 0)),
    MF_KERNELS(&gemm_reference)};

// ---- MatMulInteger, QLinearMatMul ----

// Zero points and scales: one, or one for each row of the first or each column of the second matrix.
static bool check_lines(const mf_shape_call *call, uint32_t at, uint32_t matrix, bool first, mf_error *err) {
  const mf_tensor *t = nn_input(call, at), *of = call->inputs[matrix];
  if (!t || !mf_ops_rank_known(t) || !mf_ops_rank_known(of) || !mf_ops_dims_known(t, 0, t->rank)) return true;
  const int64_t count = mf_tensor_count(t), lines = dim_from_end(of, first ? 2 : 1, first);
  if (count == 1 || lines < 0 || count == lines) return true;
  return mf_fail(err, MF_InvalidModel, "input %u has %lld elements, expected 1 or %lld (%s of input %u)", at, (long long)count,
                 (long long)lines, first ? "rows" : "columns", matrix);
}

static bool shape_matmul_integer(mf_shape_call *call, mf_error *err) {
  return mf_ops_expect(call, 0, NN_SET_BYTES, err) && mf_ops_expect(call, 1, NN_SET_BYTES, err) && nn_expect_same(call, 2, 0, err) &&
         nn_expect_same(call, 3, 1, err) && check_lines(call, 2, 0, true, err) && check_lines(call, 3, 1, false, err) &&
         matmul_shape(call, 0, 1, MF_INT32, err);
}

static bool multiply_quantized(mf_kernel_call *call, const mf_tensor *a, const mf_tensor *a_zero, const mf_tensor *b,
                               const mf_tensor *b_zero, int32_t *c, mf_error *err) {
  matmul_sizes s;
  matmul_geometry(a, b, &s);
  int32_t *wide_a = mf_nn_temporary(call, mf_tensor_count(a), sizeof *wide_a, err);
  int32_t *wide_b = wide_a ? mf_nn_temporary(call, mf_tensor_count(b), sizeof *wide_b, err) : NULL;
  if (!wide_b) return false;
  mf_nn_widen(a, a_zero, s.k, s.m, wide_a);
  mf_nn_widen(b, b_zero, 1, s.n, wide_b);
  multiply_batch_u32(&s, (const uint32_t *)wide_a, (const uint32_t *)wide_b, (uint32_t *)c);
  return true;
}

static bool matmul_integer(mf_kernel_call *call, mf_error *err) {
  if (nn_is_empty(call)) return true;
  return multiply_quantized(call, call->inputs[0], nn_arg(call, 2), call->inputs[1], nn_arg(call, 3), call->outputs[0]->data, err);
}
MF_REFERENCE(matmul_integer, matmul_integer);

const mf_operator mf_op_MatMulInteger = {"", "MatMulInteger", 10, MF_OP_ANY, 2, 4, 1, 1, .shape = shape_matmul_integer,
                                         MF_KERNELS(&matmul_integer_reference)};

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };

static bool shape_qlinear_matmul(mf_shape_call *call, mf_error *err) {
  return mf_ops_expect(call, A, NN_SET_BYTES, err) && mf_ops_expect(call, B, NN_SET_BYTES, err) &&
         mf_ops_expect(call, Y_ZERO, NN_SET_BYTES, err) && nn_expect_same(call, A_ZERO, A, err) && nn_expect_same(call, B_ZERO, B, err) &&
         mf_ops_expect(call, A_SCALE, MF_SET_FLOATS, err) && nn_expect_same(call, B_SCALE, A_SCALE, err) &&
         nn_expect_same(call, Y_SCALE, A_SCALE, err) && check_lines(call, A_SCALE, A, true, err) &&
         check_lines(call, A_ZERO, A, true, err) && check_lines(call, B_SCALE, B, false, err) &&
         check_lines(call, B_ZERO, B, false, err) && check_lines(call, Y_SCALE, A, true, err) && check_lines(call, Y_ZERO, A, true, err) &&
         matmul_shape(call, A, B, call->inputs[Y_ZERO]->type, err);
}

static double line_of(const mf_tensor *t, int64_t line) { return mf_ops_get_double(t, mf_tensor_count(t) > 1 ? line : 0); }

static bool qlinear_matmul(mf_kernel_call *call, mf_error *err) {
  if (nn_is_empty(call)) return true;
  const mf_tensor *const *in = call->inputs;
  mf_tensor *y = call->outputs[0];
  const int64_t count = mf_tensor_count(y);
  int32_t *sums = mf_nn_temporary(call, count, sizeof *sums, err);
  if (!sums || !multiply_quantized(call, in[A], in[A_ZERO], in[B], in[B_ZERO], sums, err)) return false;
  const int64_t n = dim_from_end(in[B], 1, false), m = dim_from_end(in[A], 2, true);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = i / n % m, column = i % n;
    const double scale = line_of(in[A_SCALE], row) * line_of(in[B_SCALE], column) / line_of(in[Y_SCALE], row);
    mf_nn_quantize(y, i, (float)(sums[i] * scale), (int64_t)line_of(in[Y_ZERO], row));
  }
  return true;
}
MF_REFERENCE(qlinear_matmul, qlinear_matmul);

const mf_operator mf_op_QLinearMatMul = {"", "QLinearMatMul", 10, MF_OP_ANY, 8, 8, 1, 1, .shape = shape_qlinear_matmul,
                                         MF_KERNELS(&qlinear_matmul_reference)};
