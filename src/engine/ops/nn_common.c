// What the nn_*.c operators share: see nn.h, which is the manual.
#include "nn.h"

#include <math.h>

int64_t mf_nn_dim_of(const mf_tensor *t, uint32_t dim) {
  if (!t || t->rank == MF_RANK_UNKNOWN || dim >= t->rank || t->dims[dim] < 0) return MF_DIM_UNKNOWN;
  return t->dims[dim];
}

bool mf_nn_dim(const mf_shape_call *call, uint32_t at, uint32_t dim, int64_t expected, const char *what, mf_error *err) {
  const int64_t actual = mf_nn_dim_of(nn_input(call, at), dim);
  if (actual < 0 || expected < 0 || actual == expected) return true;
  return mf_fail(err, MF_InvalidModel, "dimension %u of input %u is %lld, expected %lld (%s)", dim, at, (long long)actual,
                 (long long)expected, what);
}

bool mf_nn_vector(const mf_shape_call *call, uint32_t at, int64_t expected, const char *what, mf_error *err) {
  return nn_expect_rank(call, at, 1, 1, err) && mf_nn_dim(call, at, 0, expected, what, err);
}

bool mf_nn_single(const mf_shape_call *call, uint32_t at, mf_error *err) {
  const mf_tensor *t = nn_input(call, at);
  if (!t || !mf_ops_rank_known(t)) return true;
  for (uint32_t d = 0; d < t->rank; ++d)
    if (!mf_nn_dim(call, at, d, 1, "one element", err)) return false;
  return true;
}

bool mf_nn_choice(const mf_attributes *a, uint32_t at, const char *name, const char *const *words, uint32_t n, uint32_t *out,
                  mf_error *err) {
  const mf_str word = mf_attr_str(a, at);
  for (*out = 0; *out < n; ++*out)
    if (mf_str_is(word, words[*out])) return true;
  return mf_fail(err, MF_InvalidModel, "attribute '%s' is '%.*s', which the standard does not know", name,
                 (int)MF_MIN(word.len, 64), word.data ? word.data : "");
}

void mf_nn_set(mf_shape_call *call, uint32_t output, mf_type type, uint32_t rank, const int64_t *dims) {
  mf_tensor *t = nn_output(call, output);
  if (!t) return;
  t->type = type;
  t->rank = rank;
  for (uint32_t d = 0; d < MF_MAX_RANK; ++d) t->dims[d] = rank != MF_RANK_UNKNOWN && d < rank ? dims[d] : 0;
}

void mf_nn_set_like(mf_shape_call *call, uint32_t output, mf_type type, const mf_tensor *like) {
  mf_nn_set(call, output, type, like->rank, like->dims);
}

void mf_nn_widen(const mf_tensor *t, const mf_tensor *zero, int64_t run, int64_t n_zero, int32_t *out) {
  const int64_t count = mf_tensor_count(t);
  const bool each = zero && n_zero > 1 && mf_tensor_count(zero) == n_zero;
  const int32_t common = zero && !each && mf_tensor_count(zero) > 0 ? (int32_t)mf_ops_get_int(zero, 0) : 0;
  for (int64_t begin = 0, z = 0; begin < count; begin += run, z = z + 1 < n_zero ? z + 1 : 0) {
    const int32_t minus = each ? (int32_t)mf_ops_get_int(zero, z) : common;
    const int64_t end = MF_MIN(count, begin + run);
    if (t->type == MF_UINT8)
      for (int64_t i = begin; i < end; ++i) out[i] = ((const uint8_t *)t->data)[i] - minus;
    else
      for (int64_t i = begin; i < end; ++i) out[i] = ((const int8_t *)t->data)[i] - minus;
  }
}

void mf_nn_quantize(mf_tensor *out, int64_t at, float scaled, int64_t zero) {
  static const struct { float low, high; } range[] = {
      [MF_UINT8] = {0, 255}, [MF_INT8] = {-128, 127}, [MF_UINT16] = {0, 65535}, [MF_INT16] = {-32768, 32767}};
  const float value = nearbyintf(scaled) + (float)zero;
  // Written so that NaN becomes the lower limit instead of undefined behaviour.
  const float kept = value >= range[out->type].low ? MF_MIN(value, range[out->type].high) : range[out->type].low;
  const int32_t integer = (int32_t)kept;
  if (out->type == MF_UINT8 || out->type == MF_INT8)
    ((uint8_t *)out->data)[at] = (uint8_t)integer;
  else
    ((uint16_t *)out->data)[at] = (uint16_t)integer;
}

void *mf_nn_temporary(mf_kernel_call *call, int64_t count, size_t size, mf_error *err) {
  size_t bytes;
  if (count < 0 || __builtin_mul_overflow((size_t)count, size, &bytes)) {
    (void)mf_fail(err, MF_TooLarge, "%lld elements of %zu bytes do not fit into memory", (long long)count, size);
    return NULL;
  }
  return call->alloc_temporary(call, MF_MAX(bytes, 1), err);
}

void *mf_nn_first_output(mf_kernel_call *call, int64_t count, size_t size, mf_error *err) {
  return mf_ops_wanted(call, 0) ? call->outputs[0]->data : mf_nn_temporary(call, count, size, err);
}

enum { MAX_ARGS = 16 };

static bool widen_half(mf_kernel_call *call, mf_tensor *t, bool copy, mf_error *err) {
  const int64_t count = mf_tensor_count(t);
  float *data = mf_nn_temporary(call, count, sizeof *data, err);
  if (!data) return false;
  if (copy)
    for (int64_t i = 0; i < count; ++i) data[i] = mf_half_to_float(((const uint16_t *)t->data)[i]);
  t->type = MF_FLOAT;
  t->data = data;
  return true;
}

bool mf_nn_through_float(mf_kernel_call *call, mf_kernel_fn *kernel, mf_error *err) {
  mf_tensor in[MAX_ARGS], out[MAX_ARGS];
  const mf_tensor *inputs[MAX_ARGS];
  mf_tensor *outputs[MAX_ARGS];
  if (call->n_inputs > MAX_ARGS || call->n_outputs > MAX_ARGS)
    return mf_fail(err, MF_Internal, "%u inputs and %u outputs as float16", call->n_inputs, call->n_outputs);
  for (uint32_t i = 0; i < call->n_inputs; ++i) {
    inputs[i] = call->inputs[i] ? &in[i] : NULL;
    if (!inputs[i]) continue;
    in[i] = *call->inputs[i];
    if (in[i].type == MF_FLOAT16 && !widen_half(call, &in[i], true, err)) return false;
  }
  for (uint32_t i = 0; i < call->n_outputs; ++i) {
    outputs[i] = call->outputs[i] ? &out[i] : NULL;
    if (!outputs[i]) continue;
    out[i] = *call->outputs[i];
    if (out[i].type == MF_FLOAT16 && !widen_half(call, &out[i], false, err)) return false;
  }
  mf_kernel_call inner = *call;
  inner.inputs = inputs;
  inner.outputs = outputs;
  if (!kernel(&inner, err)) return false;
  for (uint32_t i = 0; i < call->n_outputs; ++i) {
    if (!outputs[i] || call->outputs[i]->type != MF_FLOAT16) continue;
    const int64_t count = mf_tensor_count(&out[i]);
    for (int64_t k = 0; k < count; ++k)
      ((uint16_t *)call->outputs[i]->data)[k] = mf_float_to_half(((const float *)out[i].data)[k]);
  }
  return true;
}
