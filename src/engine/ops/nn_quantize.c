// QuantizeLinear, DequantizeLinear (per tensor, per axis, in blocks), DynamicQuantizeLinear. Integers of 8 and 16 bits.
#include "nn.h"

#include <math.h>

enum {
  SET_QUANTIZED = 1 << MF_UINT8 | 1 << MF_INT8 | 1 << MF_UINT16 | 1 << MF_INT16,
  SET_QUANTIZE_FROM = MF_SET_FLOATS | 1 << MF_INT32,
};
enum { AXIS, BLOCK_SIZE, OUTPUT_TYPE, SATURATE, PRECISION };

// Which scale and zero point belong to an element: at(o, a, i) = (o * n_scales + a / block) * inner_scales + i % inner_scales.
typedef struct scale_map {
  int64_t outer, n, inner;  // the input: before the axis, along it, behind it
  int64_t block;            // elements of the axis that share a scale
  bool single, blocked;
} scale_map;

static scale_map map_of(const mf_attributes *a, const mf_tensor *x, const mf_tensor *scale) {
  if (mf_tensor_count(scale) == 1 && mf_attr_int(a, BLOCK_SIZE) == 0)
    return (scale_map){.outer = 1, .n = 1, .inner = mf_tensor_count(x), .block = 1, .single = true};
  int64_t axis = mf_attr_int(a, AXIS);
  if (axis < 0) axis += x->rank;
  const uint32_t at = (uint32_t)axis;
  const int64_t block = mf_attr_int(a, BLOCK_SIZE);
  return (scale_map){mf_tensor_span(x, 0, at), x->dims[at], mf_tensor_span(x, at + 1, x->rank), MF_MAX(block, 1), false, block > 0};
}

static int64_t scale_of(const scale_map *m, int64_t outer, int64_t along, int64_t inner) {
  if (m->single) return 0;
  if (!m->blocked) return along;
  return (outer * ((m->n + m->block - 1) / m->block) + along / m->block) * m->inner + inner;
}

static bool check_blocks(const mf_shape_call *call, int64_t block, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  uint32_t axis;
  if (block < 0) return mf_fail(err, MF_InvalidModel, "attribute 'block_size' is %lld, expected at least 0", (long long)block);
  if (!mf_ops_rank_known(x)) return true;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, AXIS), x->rank, &axis, err) || !nn_expect_rank(call, 1, x->rank, x->rank, err))
    return false;
  for (uint32_t d = 0; d < x->rank; ++d) {
    const int64_t dim = x->dims[d];
    const int64_t expected = dim < 0 || d != axis ? dim : dim / block + (dim % block != 0);
    if (!mf_nn_dim(call, 1, d, expected, "one for each block", err)) return false;
  }
  return true;
}

// The scale (input 1) fits the input, the zero point (input 2) fits the scale.
static bool check_scale(const mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0], *scale = call->inputs[1], *zero = nn_input(call, 2);
  const int64_t block = mf_attr_int(&call->attributes, BLOCK_SIZE);
  if (block != 0 && !check_blocks(call, block, err)) return false;
  if (block == 0 && !nn_expect_rank(call, 1, 0, 1, err)) return false;
  const int64_t n_scales = mf_nn_dim_of(scale, 0);
  if (block == 0 && scale->rank == 1 && mf_ops_rank_known(x) && n_scales >= 0 && n_scales != 1) {
    uint32_t axis;
    if (!mf_ops_axis(mf_attr_int(&call->attributes, AXIS), x->rank, &axis, err) ||
        !mf_nn_dim(call, 1, 0, x->dims[axis], "one for each element of the axis", err))
      return false;
  }
  if (!zero || !mf_ops_rank_known(zero) || !mf_ops_rank_known(scale)) return true;
  if (mf_ops_dims_known(zero, 0, zero->rank) && mf_ops_dims_known(scale, 0, scale->rank) &&
      mf_tensor_count(zero) != mf_tensor_count(scale))
    return mf_fail(err, MF_InvalidModel, "the zero point has %lld elements, expected %lld as the scale",
                   (long long)mf_tensor_count(zero), (long long)mf_tensor_count(scale));
  return true;
}

// ---- QuantizeLinear ----

static bool quantized_type(const mf_shape_call *call, mf_type *type, mf_error *err) {
  const mf_tensor *zero = nn_input(call, 2);
  const int64_t stated = mf_attr_int(&call->attributes, OUTPUT_TYPE);
  *type = zero ? zero->type : stated != 0 ? (mf_type)stated : MF_UINT8;
  if (zero && stated != 0 && zero->type != MF_TYPE_UNKNOWN && (int64_t)zero->type != stated)
    return mf_fail(err, MF_InvalidModel, "attribute 'output_dtype' is %lld, the zero point is %s", (long long)stated,
                   mf_type_name(zero->type));
  if (!zero && (stated < 0 || stated > MF_UINT64 || !((SET_QUANTIZED >> *type) & 1)))
    return mf_fail(err, MF_UnsupportedType, "attribute 'output_dtype' is %lld, supported are 8- and 16-bit integers",
                   (long long)stated);
  return true;
}

static bool shape_quantize(mf_shape_call *call, mf_error *err) {
  mf_type type;
  if (!mf_ops_expect(call, 0, SET_QUANTIZE_FROM, err) || !mf_ops_expect(call, 1, SET_QUANTIZE_FROM, err) ||
      !nn_expect(call, 2, SET_QUANTIZED, err) || !check_scale(call, err) || !quantized_type(call, &type, err))
    return false;
  const int64_t precision = mf_attr_int(&call->attributes, PRECISION);
  if (precision != 0 && precision != MF_FLOAT)
    return mf_fail(err, MF_UnsupportedType, "attribute 'precision' is %lld, supported is 1 (float32)", (long long)precision);
  mf_nn_set_like(call, 0, type, call->inputs[0]);
  return true;
}

static bool quantize(mf_kernel_call *call, mf_error *err) {
  (void)err;
  if (nn_is_empty(call)) return true;
  const mf_tensor *x = call->inputs[0], *scale = call->inputs[1], *zero = nn_arg(call, 2);
  const scale_map m = map_of(&call->attributes, x, scale);
  for (int64_t o = 0, at = 0; o < m.outer; ++o)
    for (int64_t a = 0; a < m.n; ++a)
      for (int64_t i = 0; i < m.inner; ++i, ++at) {
        const int64_t which = scale_of(&m, o, a, i);
        mf_nn_quantize(call->outputs[0], at, (float)mf_ops_get_double(x, at) / (float)mf_ops_get_double(scale, which),
                       zero ? mf_ops_get_int(zero, which) : 0);
      }
  return true;
}
MF_REFERENCE(quantize_linear, quantize);

// saturate is about 8-bit floats only, which we do not have: the type is refused.
#define QUANTIZE_ATTRIBUTES(axis) MF_INT("axis", axis), MF_INT("block_size", 0), MF_INT("output_dtype", 0), MF_INT("saturate", 1)
const mf_operator mf_op_QuantizeLinear = {"", "QuantizeLinear", 10, MF_OP_ANY, 2, 3, 1, 1, .shape = shape_quantize,
                                          MF_ATTRIBUTES(QUANTIZE_ATTRIBUTES(1), MF_INT("precision", 0)),
                                          MF_KERNELS(&quantize_linear_reference)};

// ---- DequantizeLinear ----

static bool shape_dequantize(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, SET_QUANTIZED | 1 << MF_INT32, err) || !mf_ops_expect(call, 1, MF_SET_FLOATS, err) ||
      !nn_expect_same(call, 2, 0, err) || !check_scale(call, err))
    return false;
  const int64_t stated = mf_attr_int(&call->attributes, OUTPUT_TYPE);
  if (stated < 0 || stated > MF_UINT64 || (stated != 0 && !((MF_SET_FLOATS >> stated) & 1)))
    return mf_fail(err, MF_UnsupportedType, "attribute 'output_dtype' is %lld, supported are float types", (long long)stated);
  mf_nn_set_like(call, 0, stated != 0 ? (mf_type)stated : call->inputs[1]->type, call->inputs[0]);
  return true;
}

static bool dequantize(mf_kernel_call *call, mf_error *err) {
  (void)err;
  if (nn_is_empty(call)) return true;
  const mf_tensor *x = call->inputs[0], *scale = call->inputs[1], *zero = nn_arg(call, 2);
  const scale_map m = map_of(&call->attributes, x, scale);
  for (int64_t o = 0, at = 0; o < m.outer; ++o)
    for (int64_t a = 0; a < m.n; ++a)
      for (int64_t i = 0; i < m.inner; ++i, ++at) {
        const int64_t which = scale_of(&m, o, a, i);
        const int64_t steps = mf_ops_get_int(x, at) - (zero ? mf_ops_get_int(zero, which) : 0);
        mf_ops_put_double(call->outputs[0], at, (double)((float)steps * (float)mf_ops_get_double(scale, which)));
      }
  return true;
}
MF_REFERENCE(dequantize_linear, dequantize);

const mf_operator mf_op_DequantizeLinear = {
    "", "DequantizeLinear", 10, MF_OP_ANY, 2, 3, 1, 1, .shape = shape_dequantize,
    MF_ATTRIBUTES(MF_INT("axis", 1), MF_INT("block_size", 0), MF_INT("output_dtype", 0)), MF_KERNELS(&dequantize_linear_reference)};

// ---- DynamicQuantizeLinear: uint8, the range always holds zero ----

static bool shape_dynamic(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, 1 << MF_FLOAT, err)) return false;
  mf_nn_set_like(call, 0, MF_UINT8, call->inputs[0]);
  mf_nn_set(call, 1, MF_FLOAT, 0, NULL);
  mf_nn_set(call, 2, MF_UINT8, 0, NULL);
  return true;
}

static bool dynamic_quantize(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const int64_t count = mf_tensor_count(call->inputs[0]);
  const float *x = call->inputs[0]->data;
  float least = 0, most = 0;
  for (int64_t i = 0; i < count; ++i) least = MF_MIN(least, x[i]), most = MF_MAX(most, x[i]);
  const float range = (most - least) / 255, scale = range == 0 ? 1 : range;
  const float zero = nearbyintf(MF_MIN(MF_MAX(-least / scale, 0), 255));
  uint8_t zero_point = zero >= 0 ? (uint8_t)zero : 0;  // NaN becomes 0
  for (int64_t i = 0; i < count && mf_ops_wanted(call, 0); ++i) mf_nn_quantize(call->outputs[0], i, x[i] / scale, zero_point);
  if (mf_ops_wanted(call, 1)) *(float *)call->outputs[1]->data = scale;
  if (mf_ops_wanted(call, 2)) *(uint8_t *)call->outputs[2]->data = zero_point;
  return true;
}
MF_REFERENCE(dynamic_quantize_linear, dynamic_quantize);

const mf_operator mf_op_DynamicQuantizeLinear = {"", "DynamicQuantizeLinear", 11, MF_OP_ANY, 1, 1, 3, 3, .shape = shape_dynamic,
                                                 MF_KERNELS(&dynamic_quantize_linear_reference)};
