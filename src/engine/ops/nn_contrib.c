// ONNX Runtime's transformer operators (domain com.microsoft) that exporters write into models, Attention aside: embedding and skip
// with layer normalisation, and the GELU family. Float and float16.
#include "nn.h"

#include <math.h>

enum { SET_REAL = 1 << MF_FLOAT | 1 << MF_FLOAT16 };

// Defines `name`: float as it is, float16 through float.
#define REAL_KERNEL(name)                                                                                               \
  static bool name(mf_kernel_call *call, mf_error *err) {                                                               \
    return nn_is_empty(call) || mf_nn_through_float(call, name##_f32, err);                                             \
  }                                                                                                                     \
  MF_REFERENCE(name, name);

typedef struct norm_result {
  float mean, inverse;
} norm_result;

// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta; beta may be NULL. Without `centred`, of the root mean square.
static norm_result normalize(const float *x, int64_t n, double epsilon, const float *gamma, const float *beta, bool centred, float *y) {
  double mean = 0, squares = 0;
  for (int64_t i = 0; centred && i < n; ++i) mean += (double)x[i];
  mean /= (double)n;
  for (int64_t i = 0; i < n; ++i) squares += ((double)x[i] - mean) * ((double)x[i] - mean);
  const double inverse = 1 / sqrt(squares / (double)n + epsilon);
  for (int64_t i = 0; i < n; ++i)
    y[i] = (float)(((double)x[i] - mean) * inverse * (double)gamma[i] + (beta ? (double)beta[i] : 0));
  return (norm_result){(float)mean, (float)inverse};
}

// ---- SkipLayerNormalization: normalise input + skip + bias ----

static int64_t last_dim(const mf_tensor *t) { return mf_ops_rank_known(t) && t->rank > 0 ? mf_nn_dim_of(t, t->rank - 1) : MF_DIM_UNKNOWN; }

// The skip may lack the batch dimension or have 1 there.
static bool check_skip(const mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0], *skip = call->inputs[1];
  if (!mf_ops_rank_known(x) || !mf_ops_rank_known(skip)) return true;
  if (!nn_expect_rank(call, 1, 2, x->rank, err)) return false;
  for (uint32_t d = 0; d < skip->rank; ++d)
    if (!(skip->rank == 3 && d == 0 && skip->dims[0] == 1) &&
        !mf_nn_dim(call, 1, d, x->dims[x->rank - skip->rank + d], "as in input 0", err))
      return false;
  return true;
}

static bool skip_norm_shape(mf_shape_call *call, uint32_t n_vectors, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  if (!mf_ops_expect(call, 0, SET_REAL, err) || !nn_expect_rank(call, 0, 2, 3, err) || !check_skip(call, err)) return false;
  for (uint32_t at = 1; at < 2 + n_vectors; ++at)
    if (!nn_expect_same(call, at, 0, err) || (at > 1 && !mf_nn_vector(call, at, last_dim(x), "hidden size", err))) return false;
  mf_ops_copy_shape(call, 0, 0);
  mf_tensor statistics = *x;
  if (mf_ops_rank_known(x)) statistics.dims[x->rank - 1] = 1;
  mf_nn_set_like(call, 1, MF_FLOAT, &statistics);
  mf_nn_set_like(call, 2, MF_FLOAT, &statistics);
  mf_nn_set_like(call, 3, x->type, x);
  return true;
}
static bool shape_skip_norm(mf_shape_call *call, mf_error *err) { return skip_norm_shape(call, 3, err); }
static bool shape_skip_simplified(mf_shape_call *call, mf_error *err) { return skip_norm_shape(call, 2, err); }

static bool run_skip_norm(mf_kernel_call *call, bool centred, mf_error *err) {
  const mf_tensor *x = call->inputs[0], *beta = centred ? nn_arg(call, 3) : NULL, *bias = nn_arg(call, centred ? 4 : 3);
  const int64_t n = x->dims[x->rank - 1], rows = mf_tensor_span(x, 0, x->rank - 1);
  const int64_t skip_rows = mf_tensor_span(call->inputs[1], 0, call->inputs[1]->rank - 1);
  const double epsilon = (double)mf_attr_float(&call->attributes, 0);
  float *sum = mf_nn_temporary(call, n, sizeof *sum, err), *y = sum ? mf_nn_first_output(call, rows * n, sizeof *y, err) : NULL;
  if (!y) return false;
  for (int64_t r = 0; r < rows; ++r) {
    const float *from = (const float *)x->data + r * n, *skip = (const float *)call->inputs[1]->data + r % skip_rows * n;
    for (int64_t i = 0; i < n; ++i) sum[i] = from[i] + skip[i] + (bias ? ((const float *)bias->data)[i] : 0);
    const norm_result result = normalize(sum, n, epsilon, call->inputs[2]->data, beta ? beta->data : NULL, centred,
                                         y + r * n);
    if (mf_ops_wanted(call, 1)) ((float *)call->outputs[1]->data)[r] = result.mean;
    if (mf_ops_wanted(call, 2)) ((float *)call->outputs[2]->data)[r] = result.inverse;
    if (mf_ops_wanted(call, 3)) memcpy((float *)call->outputs[3]->data + r * n, sum, (size_t)n * sizeof *sum);
  }
  return true;
}
static bool skip_layer_norm_f32(mf_kernel_call *call, mf_error *err) { return run_skip_norm(call, true, err); }
static bool skip_simplified_norm_f32(mf_kernel_call *call, mf_error *err) { return run_skip_norm(call, false, err); }
REAL_KERNEL(skip_layer_norm)
REAL_KERNEL(skip_simplified_norm)

const mf_operator mf_op_SkipLayerNormalization = {
    "com.microsoft", "SkipLayerNormalization", 1, MF_OP_ANY, 3, 5, 1, 4, .shape = shape_skip_norm,
    MF_ATTRIBUTES(MF_REAL("epsilon", 1e-12f)), MF_KERNELS(&skip_layer_norm_reference)};
const mf_operator mf_op_SkipSimplifiedLayerNormalization = {
    "com.microsoft", "SkipSimplifiedLayerNormalization", 1, MF_OP_ANY, 3, 4, 1, 4, .shape = shape_skip_simplified,
    MF_ATTRIBUTES(MF_REAL("epsilon", 1e-12f)), MF_KERNELS(&skip_simplified_norm_reference)};

// ---- EmbedLayerNormalization ----

enum { IDS, SEGMENT_IDS, WORDS, POSITIONS, SEGMENTS, GAMMA, BETA, MASK, POSITION_IDS };

static bool check_ids(const mf_shape_call *call, uint32_t at, bool broadcast, mf_error *err) {
  const mf_tensor *ids = call->inputs[IDS], *t = nn_input(call, at);
  return !t || (mf_ops_expect(call, at, 1 << MF_INT32, err) && nn_expect_rank(call, at, 2, 2, err) &&
                ((broadcast && mf_nn_dim_of(t, 0) == 1) || mf_nn_dim(call, at, 0, mf_nn_dim_of(ids, 0), "batch", err)) &&
                mf_nn_dim(call, at, 1, mf_nn_dim_of(ids, 1), "sequence length", err));
}

static bool shape_embed_norm(mf_shape_call *call, mf_error *err) {
  static const uint32_t tables[] = {WORDS, POSITIONS, SEGMENTS};
  const int64_t hidden = mf_nn_dim_of(call->inputs[WORDS], 1);
  if (!check_ids(call, IDS, false, err) || !check_ids(call, SEGMENT_IDS, false, err) || !check_ids(call, MASK, false, err) ||
      !check_ids(call, POSITION_IDS, true, err) || !mf_ops_expect(call, WORDS, SET_REAL, err))
    return false;
  if (mf_ops_has(call, SEGMENT_IDS) != mf_ops_has(call, SEGMENTS))
    return mf_fail(err, MF_InvalidModel, "segment_ids and segment_embedding must be given together");
  for (uint32_t i = 0; i < MF_COUNT(tables); ++i)
    if (!nn_expect_same(call, tables[i], WORDS, err) || !nn_expect_rank(call, tables[i], 2, 2, err) ||
        !mf_nn_dim(call, tables[i], 1, hidden, "hidden size", err))
      return false;
  if (!mf_nn_vector(call, GAMMA, hidden, "hidden size", err) || !nn_expect_same(call, GAMMA, WORDS, err) ||
      !mf_nn_vector(call, BETA, hidden, "hidden size", err) || !nn_expect_same(call, BETA, WORDS, err))
    return false;
  const int64_t dims[] = {mf_nn_dim_of(call->inputs[IDS], 0), mf_nn_dim_of(call->inputs[IDS], 1), hidden};
  mf_nn_set(call, 0, call->inputs[WORDS]->type, 3, dims);
  mf_nn_set(call, 1, MF_INT32, 1, dims);
  mf_nn_set(call, 2, call->inputs[WORDS]->type, 3, dims);
  return true;
}

// Adds row `id` of the table to sum.
static bool add_row(const mf_tensor *table, int32_t id, const char *what, float *sum, mf_error *err) {
  const int64_t n = table->dims[1];
  if (id < 0 || id >= table->dims[0])
    return mf_fail(err, MF_InvalidInput, "%s %d is not one of the %lld that the model has", what, id, (long long)table->dims[0]);
  const float *row = (const float *)table->data + id * n;
  for (int64_t i = 0; i < n; ++i) sum[i] += row[i];
  return true;
}

// The number of ones in each row of the mask; without a mask 0.
static void count_words(const mf_kernel_call *call, int64_t batch, int64_t steps) {
  const int32_t *mask = nn_arg(call, MASK) ? nn_arg(call, MASK)->data : NULL;
  for (int64_t b = 0; mf_ops_wanted(call, 1) && b < batch; ++b) {
    int32_t count = 0;
    for (int64_t s = 0; mask && s < steps; ++s) count += mask[b * steps + s] == 1;
    ((int32_t *)call->outputs[1]->data)[b] = count;
  }
}

static bool embed_layer_norm_f32(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *const *in = call->inputs;
  const mf_tensor *positions = nn_arg(call, POSITION_IDS);
  const int64_t batch = in[IDS]->dims[0], steps = in[IDS]->dims[1], n = in[WORDS]->dims[1];
  const double epsilon = (double)mf_attr_float(&call->attributes, 0);
  float *sum = mf_nn_temporary(call, n, sizeof *sum, err), *y = sum ? mf_nn_first_output(call, batch * steps * n, sizeof *y, err) : NULL;
  if (!y) return false;
  count_words(call, batch, steps);
  for (int64_t at = 0; at < batch * steps; ++at) {
    const int64_t from = positions && positions->dims[0] == 1 ? at % steps : at;
    const int32_t position = positions ? ((const int32_t *)positions->data)[from] : (int32_t)MF_MIN(at % steps, INT32_MAX);
    memset(sum, 0, (size_t)n * sizeof *sum);
    if (!add_row(in[WORDS], ((const int32_t *)in[IDS]->data)[at], "word id", sum, err) ||
        !add_row(in[POSITIONS], position, "position id", sum, err) ||
        (in[SEGMENT_IDS] && !add_row(in[SEGMENTS], ((const int32_t *)in[SEGMENT_IDS]->data)[at], "segment id", sum, err)))
      return false;
    normalize(sum, n, epsilon, in[GAMMA]->data, in[BETA]->data, true, y + at * n);
    if (mf_ops_wanted(call, 2)) memcpy((float *)call->outputs[2]->data + at * n, sum, (size_t)n * sizeof *sum);
  }
  return true;
}
REAL_KERNEL(embed_layer_norm)

// mask_index_type only tells shape inference whether there is a mask index, which the number of outputs says as well.
const mf_operator mf_op_EmbedLayerNormalization = {
    "com.microsoft", "EmbedLayerNormalization", 1, MF_OP_ANY, 7, 9, 1, 3, .optional_inputs = 1 << SEGMENT_IDS | 1 << SEGMENTS, .shape = shape_embed_norm,
    MF_ATTRIBUTES(MF_REAL("epsilon", 1e-12f), MF_OPTIONAL("mask_index_type", MF_ATTR_INT)), MF_KERNELS(&embed_layer_norm_reference)};

// ---- GELU family: y = f(x + bias), bias along the last dimension ----

static bool shape_gelu(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, SET_REAL, err) || !nn_expect_same(call, 1, 0, err) ||
      !mf_nn_vector(call, 1, last_dim(call->inputs[0]), "last dimension of input 0", err))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

static double fast_gelu(double x, double alpha) {
  (void)alpha;
  return 0.5 * x * (1 + tanh(x * (0.7978845608028654 + 0.035677408136300125 * x * x)));
}
static double exact_gelu(double x, double alpha) {
  (void)alpha;
  return 0.5 * x * (1 + erf(x * M_SQRT1_2));
}
static double quick_gelu(double x, double alpha) { return x / (1 + exp(-alpha * x)); }

static bool run_gelu(mf_kernel_call *call, double (*f)(double, double)) {
  const mf_tensor *x = call->inputs[0], *bias = nn_arg(call, 1);
  const int64_t count = mf_tensor_count(x), n = bias ? bias->dims[0] : 1;
  const float *from = x->data, *add = bias ? bias->data : NULL;
  const double alpha = (double)mf_attr_float(&call->attributes, 0);
  float *to = call->outputs[0]->data;
  for (int64_t i = 0; i < count; ++i) to[i] = (float)f((double)(add ? from[i] + add[i % n] : from[i]), alpha);
  return true;
}

#define GELU(op, id, least, most, ...)                                                                        \
  static bool id##_kernel_f32(mf_kernel_call *call, mf_error *err) {                                          \
    (void)err;                                                                                                \
    return run_gelu(call, id);                                                                                \
  }                                                                                                           \
  static bool op##_kernel(mf_kernel_call *call, mf_error *err) { return mf_nn_through_float(call, id##_kernel_f32, err); } \
  static const mf_kernel op##_reference = {.name = "com.microsoft." #op "_reference", .run = op##_kernel};    \
  const mf_operator mf_op_ms_##op = {"com.microsoft", #op, 1, MF_OP_ANY, least, most, 1, 1, .flags = MF_OP_INPLACE, \
                                     .shape = shape_gelu, __VA_ARGS__ MF_KERNELS(&op##_reference)};
GELU(FastGelu, fast_gelu, 1, 2, )
GELU(Gelu, exact_gelu, 1, 1, )
GELU(QuickGelu, quick_gelu, 1, 1, MF_ATTRIBUTES(MF_REAL("alpha", 1.702f)), )
static bool bias_gelu(mf_kernel_call *call, mf_error *err) { return mf_nn_through_float(call, exact_gelu_kernel_f32, err); }
MF_REFERENCE(bias_gelu, bias_gelu);
const mf_operator mf_op_ms_BiasGelu = {"com.microsoft", "BiasGelu", 1, MF_OP_ANY, 2, 2, 1, 1, .flags = MF_OP_INPLACE,
                                       .shape = shape_gelu, MF_KERNELS(&bias_gelu_reference)};
