// Attention of ONNX Runtime (com.microsoft): projection to Q, K and V in one, several heads, past and present state, all mask
// formats that its CPU kernel takes, unidirectional. Float and float16.
#include "nn.h"

#include <float.h>
#include <math.h>

enum { INPUT, WEIGHTS, BIAS, MASK_INDEX, PAST, ATTENTION_BIAS, PAST_LENGTH };
enum { NUM_HEADS, UNIDIRECTIONAL, QKV_HIDDEN_SIZES, MASK_FILTER_VALUE, SCALE, DO_ROTARY, SHARE_BUFFER, ROTARY_DIM };

typedef struct attention {
  int64_t batch, steps, past, total, heads;  // total = past + steps
  int64_t hidden, v_hidden;                  // of Q and K, of V: all heads together
} attention;

static bool read_hidden(const mf_shape_call *call, attention *s, mf_error *err) {
  const mf_attributes *a = &call->attributes;
  const int64_t *sizes = mf_attr_ints(a, QKV_HIDDEN_SIZES), all = mf_nn_dim_of(call->inputs[WEIGHTS], 1);
  s->heads = mf_attr_int(a, NUM_HEADS);
  s->hidden = s->v_hidden = all < 0 ? MF_DIM_UNKNOWN : all / 3;
  if (sizes) {
    if (mf_attr_count(a, QKV_HIDDEN_SIZES) != 3 || sizes[0] != sizes[1] || sizes[0] < 1 || sizes[2] < 1 || sizes[0] > INT32_MAX ||
        sizes[2] > INT32_MAX)
      return mf_fail(err, MF_InvalidModel, "attribute 'qkv_hidden_sizes' must hold three sizes, the first two the same");
    s->hidden = sizes[0];
    s->v_hidden = sizes[2];
  }
  if (all >= 0 && all != 2 * s->hidden + s->v_hidden)
    return mf_fail(err, MF_InvalidModel, "the weights have %lld columns, expected Q, K and V side by side", (long long)all);
  if (s->heads < 1 || (s->hidden >= 0 && (s->hidden < s->heads || s->hidden % s->heads != 0 || s->v_hidden % s->heads != 0)))
    return mf_fail(err, MF_InvalidModel, "attribute 'num_heads' is %lld, expected a divisor of the hidden size %lld",
                   (long long)s->heads, (long long)s->hidden);
  return true;
}

static bool check_options(const mf_shape_call *call, mf_error *err) {
  if (mf_attr_int(&call->attributes, DO_ROTARY) != 0 || mf_attr_int(&call->attributes, ROTARY_DIM) != 0)
    return mf_fail(err, MF_UnsupportedOperator, "Attention with do_rotary is not supported");
  if (mf_attr_int(&call->attributes, SHARE_BUFFER) != 0 || mf_ops_has(call, PAST_LENGTH))
    return mf_fail(err, MF_UnsupportedOperator, "Attention with past_present_share_buffer is not supported");
  return true;
}

static bool check_past(const mf_shape_call *call, attention *s, mf_error *err) {
  const mf_tensor *past = nn_input(call, PAST);
  s->past = past ? mf_nn_dim_of(past, 3) : 0;
  if (!mf_ops_add_dims(s->past, s->steps, &s->total, err)) return false;
  if (!past) return true;
  if (s->hidden >= 0 && s->hidden != s->v_hidden)
    return mf_fail(err, MF_InvalidModel, "with past state Q, K and V must have the same hidden size");
  return nn_expect_same(call, PAST, INPUT, err) && nn_expect_rank(call, PAST, 5, 5, err) &&
         mf_nn_dim(call, PAST, 0, 2, "key and value", err) && mf_nn_dim(call, PAST, 1, s->batch, "batch", err) &&
         mf_nn_dim(call, PAST, 2, s->heads, "heads", err) &&
         mf_nn_dim(call, PAST, 4, s->hidden < 0 ? s->hidden : s->hidden / s->heads, "head size", err);
}

static bool check_mask(const mf_shape_call *call, const attention *s, mf_error *err) {
  const mf_tensor *mask = nn_input(call, MASK_INDEX);
  if (!mask) return true;
  if (!mf_ops_expect(call, MASK_INDEX, 1 << MF_INT32, err) || !nn_expect_rank(call, MASK_INDEX, 1, 4, err)) return false;
  const int64_t first = mf_nn_dim_of(mask, 0), last = mf_ops_rank_known(mask) ? mf_nn_dim_of(mask, mask->rank - 1) : MF_DIM_UNKNOWN;
  if (mask->rank == 1 && first >= 0 && s->batch >= 0 && first != s->batch && (first % 2 || first / 2 != s->batch))
    return mf_fail(err, MF_UnsupportedOperator, "mask_index has %lld elements, supported are batch (%lld) and twice as many",
                   (long long)first, (long long)s->batch);
  if (mask->rank == 1 || !mf_ops_rank_known(mask)) return true;
  if (!mf_nn_dim(call, MASK_INDEX, 0, s->batch, "batch", err)) return false;
  if (mask->rank == 4) {
    if (!mf_nn_dim(call, MASK_INDEX, 1, 1, "one for all heads", err)) return false;
    for (uint32_t d = 2; d < 4; ++d)
      if (mask->dims[d] >= 0 && s->total >= 0 && mask->dims[d] < s->total)
        return mf_fail(err, MF_InvalidModel, "mask_index is for %lld steps, expected at least %lld", (long long)last, (long long)s->total);
    return true;
  }
  if (mask->rank == 3 && !mf_nn_dim(call, MASK_INDEX, 1, s->steps, "sequence length", err)) return false;
  return mf_nn_dim(call, MASK_INDEX, mask->rank - 1, s->total, "total sequence length", err);
}

static bool check_attention_bias(const mf_shape_call *call, const attention *s, mf_error *err) {
  const mf_tensor *bias = nn_input(call, ATTENTION_BIAS);
  if (!bias) return true;
  return nn_expect_same(call, ATTENTION_BIAS, INPUT, err) && nn_expect_rank(call, ATTENTION_BIAS, 4, 4, err) &&
         (mf_nn_dim_of(bias, 0) == 1 || mf_nn_dim(call, ATTENTION_BIAS, 0, s->batch, "batch or 1", err)) &&
         (mf_nn_dim_of(bias, 1) == 1 || mf_nn_dim(call, ATTENTION_BIAS, 1, s->heads, "heads or 1", err)) &&
         mf_nn_dim(call, ATTENTION_BIAS, 2, s->steps, "sequence length", err) &&
         mf_nn_dim(call, ATTENTION_BIAS, 3, s->total, "total sequence length", err);
}

static bool read_attention(const mf_shape_call *call, attention *s, mf_error *err) {
  const mf_tensor *x = call->inputs[INPUT];
  *s = (attention){.batch = mf_nn_dim_of(x, 0), .steps = mf_nn_dim_of(x, 1)};
  return mf_ops_expect(call, INPUT, 1 << MF_FLOAT | 1 << MF_FLOAT16, err) && nn_expect_rank(call, INPUT, 3, 3, err) &&
         nn_expect_same(call, WEIGHTS, INPUT, err) && nn_expect_rank(call, WEIGHTS, 2, 2, err) &&
         mf_nn_dim(call, WEIGHTS, 0, mf_nn_dim_of(x, 2), "input hidden size", err) && read_hidden(call, s, err) &&
         nn_expect_same(call, BIAS, INPUT, err) &&
         mf_nn_vector(call, BIAS, mf_nn_dim_of(call->inputs[WEIGHTS], 1), "columns of the weights", err) && check_options(call, err) &&
         check_past(call, s, err) && check_mask(call, s, err) && check_attention_bias(call, s, err);
}

static bool shape_attention(mf_shape_call *call, mf_error *err) {
  attention s;
  if (!read_attention(call, &s, err)) return false;
  if (call->n_outputs > 1 && s.hidden != s.v_hidden)
    return mf_fail(err, MF_InvalidModel, "with present state Q, K and V must have the same hidden size");
  const mf_type type = call->inputs[INPUT]->type;
  mf_nn_set(call, 0, type, 3, (int64_t[]){s.batch, s.steps, s.v_hidden});
  const int64_t head = s.hidden < 0 ? s.hidden : s.hidden / s.heads;
  mf_nn_set(call, 1, type, 5, (int64_t[]){2, s.batch, s.heads, s.total, head});
  return true;
}

// ---- kernel ----

// qkv [batch * steps, 2 * hidden + v_hidden] = x * weights + bias
static void project(const mf_tensor *x, const mf_tensor *weights, const mf_tensor *bias, float *qkv) {
  const int64_t rows = x->dims[0] * x->dims[1], k = x->dims[2], n = weights->dims[1];
  for (int64_t r = 0; r < rows; ++r, qkv += n) {
    for (int64_t j = 0; j < n; ++j) qkv[j] = bias ? ((const float *)bias->data)[j] : 0;
    for (int64_t p = 0; p < k; ++p) {
      const float factor = ((const float *)x->data)[r * k + p], *row = (const float *)weights->data + p * n;
      for (int64_t j = 0; j < n; ++j) qkv[j] += factor * row[j];
    }
  }
}

// Keys or values of one head, [total, size]: the past, then columns `column` on of qkv.
static void gather(const attention *s, const float *past, const float *qkv, int64_t b, int64_t column, int64_t size, float *to) {
  const int64_t width = 2 * s->hidden + s->v_hidden;
  if (past) memcpy(to, past, (size_t)(s->past * size) * sizeof *to);
  for (int64_t i = 0; i < s->steps; ++i)
    memcpy(to + (s->past + i) * size, qkv + (b * s->steps + i) * width + column, (size_t)size * sizeof *to);
}

static bool is_masked(const attention *s, const mf_tensor *mask, int64_t b, int64_t i, int64_t j) {
  const int32_t *m = mask->data;
  switch (mask->rank) {
    case 1: return j >= m[b] || (mask->dims[0] == 2 * s->batch && j < m[s->batch + b]);
    case 2: return m[b * s->total + j] == 0;
    case 3: return m[(b * s->steps + i) * s->total + j] == 0;
    default: return m[(b * mask->dims[2] + s->past + i) * mask->dims[3] + j] == 0;
  }
}

// What is added to the score of step i looking at step j.
static float bias_of(const mf_kernel_call *call, const attention *s, int64_t b, int64_t head, int64_t i, int64_t j) {
  const mf_tensor *mask = nn_arg(call, MASK_INDEX), *bias = nn_arg(call, ATTENTION_BIAS);
  float add = 0;
  if (mf_attr_int(&call->attributes, UNIDIRECTIONAL) != 0 && j > s->past + i) add = -FLT_MAX;
  else if (mask && is_masked(s, mask, b, i, j)) add = mf_attr_float(&call->attributes, MASK_FILTER_VALUE);
  if (!bias) return add;
  const int64_t b_at = bias->dims[0] == 1 ? 0 : b, h_at = bias->dims[1] == 1 ? 0 : head;
  return add + ((const float *)bias->data)[((b_at * bias->dims[1] + h_at) * s->steps + i) * s->total + j];
}

static void softmax(double *scores, int64_t n) {
  double most = -INFINITY, sum = 0;
  for (int64_t j = 0; j < n; ++j) most = fmax(most, scores[j]);
  for (int64_t j = 0; j < n; ++j) sum += scores[j] = exp(scores[j] - most);
  for (int64_t j = 0; j < n; ++j) scores[j] /= sum;
}

// One head of one sequence of the batch. Scores are rounded to float32 once the mask was added, as in ONNX Runtime: beside -10000 they
// are multiples of 2^-10 then, and of a row that is masked everywhere, where all scores are such, the results show it (by 1e-3).
static void attend(const mf_kernel_call *call, const attention *s, int64_t b, int64_t head, const float *qkv, const float *keys,
                   const float *values, double *scores, float *y) {
  const int64_t size = s->hidden / s->heads, v_size = s->v_hidden / s->heads, width = 2 * s->hidden + s->v_hidden;
  const double stated = (double)mf_attr_float(&call->attributes, SCALE), scale = stated != 0 ? stated : 1 / sqrt((double)size);
  for (int64_t i = 0; i < s->steps; ++i) {
    const float *q = qkv + (b * s->steps + i) * width + head * size;
    float *out = y + (b * s->steps + i) * s->v_hidden + head * v_size;
    for (int64_t j = 0; j < s->total; ++j) {
      double dot = 0;
      for (int64_t d = 0; d < size; ++d) dot += (double)q[d] * (double)keys[j * size + d];
      scores[j] = (double)(float)(dot * scale + (double)bias_of(call, s, b, head, i, j));
    }
    softmax(scores, s->total);
    for (int64_t d = 0; d < v_size; ++d) {
      double sum = 0;
      for (int64_t j = 0; j < s->total; ++j) sum += scores[j] * (double)values[j * v_size + d];
      out[d] = (float)sum;
    }
  }
}

static bool attention_f32(mf_kernel_call *call, mf_error *err) {
  const mf_shape_call view = mf_ops_view(call);
  const mf_tensor *past = nn_arg(call, PAST), *present = nn_result(call, 1);
  attention s;
  if (!read_attention(&view, &s, err)) return false;
  const int64_t size = s.hidden / s.heads, v_size = s.v_hidden / s.heads, width = 2 * s.hidden + s.v_hidden;
  float *qkv = mf_nn_temporary(call, s.batch * s.steps * width, sizeof *qkv, err);
  float *state = !qkv ? NULL : present ? present->data : mf_nn_temporary(call, s.total * (size + v_size), sizeof *state, err);
  double *scores = state ? mf_nn_temporary(call, s.total, sizeof *scores, err) : NULL;
  float *y = scores ? mf_nn_first_output(call, s.batch * s.steps * s.v_hidden, sizeof *y, err) : NULL;
  if (!y) return false;
  project(call->inputs[INPUT], call->inputs[WEIGHTS], nn_arg(call, BIAS), qkv);
  for (int64_t p = 0; p < s.batch * s.heads; ++p) {
    const int64_t b = p / s.heads, head = p % s.heads;
    const float *old = past ? (const float *)past->data + p * s.past * size : NULL;
    float *keys = present ? state + p * s.total * size : state;
    float *values = present ? keys + s.batch * s.heads * s.total * size : state + s.total * size;
    gather(&s, old, qkv, b, s.hidden + head * size, size, keys);
    gather(&s, old ? old + s.batch * s.heads * s.past * size : NULL, qkv, b, 2 * s.hidden + head * v_size, v_size, values);
    attend(call, &s, b, head, qkv, keys, values, scores, y);
  }
  return true;
}
static bool run_attention(mf_kernel_call *call, mf_error *err) {
  return nn_is_empty(call) || mf_nn_through_float(call, attention_f32, err);
}
MF_REFERENCE(ms_attention, run_attention);

const mf_operator mf_op_ms_Attention = {
    "com.microsoft", "Attention", 1, MF_OP_ANY, 2, 7, 1, 2, .shape = shape_attention,
    MF_ATTRIBUTES(MF_REQUIRED("num_heads", MF_ATTR_INT), MF_INT("unidirectional", 0), MF_OPTIONAL("qkv_hidden_sizes", MF_ATTR_INTS),
                  MF_REAL("mask_filter_value", -10000), MF_REAL("scale", 0), MF_INT("do_rotary", 0),
                  MF_INT("past_present_share_buffer", 0), MF_INT("rotary_embedding_dim", 0)),
    MF_KERNELS(&ms_attention_reference)};
