// Operators that make tensors out of little: Constant, ConstantOfShape, OneHot, Range, EyeLike, Trilu.
#include "broadcast.h"
#include "engine/kernels/kernels.h"

#include <math.h>

// ---- Constant: exactly one of its attributes is there ----
enum { VALUE, VALUE_FLOAT, VALUE_FLOATS, VALUE_INT, VALUE_INTS, VALUE_STRING, VALUE_STRINGS, VALUES };
static const mf_type constant_types[VALUES] = {
    [VALUE_FLOAT] = MF_FLOAT, [VALUE_FLOATS] = MF_FLOAT,   [VALUE_INT] = MF_INT64,
    [VALUE_INTS] = MF_INT64,  [VALUE_STRING] = MF_STRING, [VALUE_STRINGS] = MF_STRING,
};

static bool find_value(const mf_attributes *a, uint32_t *which, mf_error *err) {
  uint32_t n = 0;
  for (uint32_t at = 0; at < VALUES; at++) {
    if (!mf_attr_has(a, at)) continue;
    *which = at;
    n++;
  }
  if (n == 1) return true;
  return mf_fail(err, MF_InvalidModel, "%u value attributes that we know, expected 1", n);
}
static bool shape_Constant(mf_shape_call *call, mf_error *err) {
  uint32_t which = 0;
  mf_tensor *out = &call->outputs[0];
  if (!find_value(&call->attributes, &which, err)) return false;
  if (which == VALUE) {
    const mf_attribute_tensor *t = mf_attr_data(&call->attributes, VALUE);
    *out = (mf_tensor){.type = (mf_type)t->type, .rank = t->rank};
    memcpy(out->dims, t->dims, sizeof out->dims);
    return mf_ops_check_rank(t->rank, err);
  }
  *out = (mf_tensor){.type = constant_types[which]};
  if (which == VALUE_FLOAT || which == VALUE_INT || which == VALUE_STRING) return true;
  out->rank = 1;
  out->dims[0] = mf_attr_count(&call->attributes, which);
  return true;
}

typedef struct text_record {
  uint64_t offset, length;
} text_record;
static void copy_tensor(const mf_attributes *a, const mf_attribute_tensor *t, const mf_tensor *out) {
  const void *data = (const void *)(a->base + (uintptr_t)t->data_offset);
  int64_t n = mf_tensor_count(out);
  if (t->type != MF_STRING) {
    if (n) memcpy(out->data, data, (size_t)n * mf_type_size(out->type));
    return;
  }
  const text_record *records = data;
  for (int64_t i = 0; i < n; i++)
    ((mf_str *)out->data)[i] = (mf_str){(const char *)(a->base + (uintptr_t)records[i].offset),
                                        (size_t)records[i].length};
}
static bool run_Constant(mf_kernel_call *call, mf_error *err) {
  const mf_attributes *a = &call->attributes;
  const mf_tensor *out = call->outputs[0];
  uint32_t which = 0;
  if (!find_value(a, &which, err)) return false;
  size_t bytes = (size_t)mf_tensor_count(out) * mf_type_size(out->type);
  switch (which) {
    case VALUE: copy_tensor(a, mf_attr_data(a, VALUE), out); return true;
    case VALUE_FLOAT: *(float *)out->data = mf_attr_float(a, which); return true;
    case VALUE_INT: *(int64_t *)out->data = mf_attr_int(a, which); return true;
    case VALUE_STRING: *(mf_str *)out->data = mf_attr_str(a, which); return true;
    case VALUE_STRINGS:
      for (uint32_t i = 0; i < mf_attr_count(a, which); i++)
        ((mf_str *)out->data)[i] = mf_attr_str_at(a, which, i);
      return true;
    default:
      if (bytes) memcpy(out->data, mf_attr_data(a, which), bytes);
      return true;
  }
}
MF_REFERENCE(Constant, run_Constant);
const mf_operator mf_op_Constant = {
    "", "Constant", 1, MF_OP_ANY, 0, 0, 1, 1, .shape = shape_Constant,
    MF_ATTRIBUTES(MF_OPTIONAL("value", MF_ATTR_TENSOR), MF_OPTIONAL("value_float", MF_ATTR_FLOAT),
                  MF_OPTIONAL("value_floats", MF_ATTR_FLOATS),
                  MF_OPTIONAL("value_int", MF_ATTR_INT), MF_OPTIONAL("value_ints", MF_ATTR_INTS),
                  MF_OPTIONAL("value_string", MF_ATTR_STRING),
                  MF_OPTIONAL("value_strings", MF_ATTR_STRINGS)),
    MF_KERNELS(&Constant_reference)};

// ---- ConstantOfShape ----
static bool shape_ConstantOfShape(mf_shape_call *call, mf_error *err) {
  mf_ops_ints request;
  mf_tensor *out = &call->outputs[0];
  if (!mf_ops_expect(call, 0, MF_SET_INT64, err) || !mf_ops_ints_input(call, 0, &request, err))
    return false;
  const mf_attribute_tensor *value = mf_attr_data(&call->attributes, 0);
  out->type = value ? (mf_type)value->type : MF_FLOAT;
  if (!(MF_SET_ALL >> out->type & 1)) return mf_ops_unsupported_type(out->type, err);
  if (value && (value->rank > 1 || (value->rank == 1 && value->dims[0] != 1)))
    return mf_fail(err, MF_InvalidModel, "value has %u dimensions, the first of %lld, expected one of 1",
                   value->rank, (long long)value->dims[0]);
  if (request.n == UINT32_MAX) return true;
  if (!mf_ops_check_rank(request.n, err)) return false;
  mf_ops_set_rank(out, request.n);
  for (uint32_t d = 0; request.known && d < request.n; d++) {
    if (request.values[d] < 0)
      return mf_fail(err, MF_InvalidModel,
                     "dimension %u of the requested shape is %lld, expected 0 or more", d,
                     (long long)request.values[d]);
    out->dims[d] = request.values[d];
  }
  return true;
}
static bool run_ConstantOfShape(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *out = call->outputs[0];
  const mf_attribute_tensor *value = mf_attr_data(&call->attributes, 0);
  size_t size = mf_type_size(out->type);
  int64_t n = mf_tensor_count(out);
  _Alignas(16) char element[16] = {0};
  if (value) {
    mf_tensor one = {.type = out->type, .data = element};
    copy_tensor(&call->attributes, value, &one);
  }
  for (int64_t i = 0; i < n; i++) memcpy(mf_ops_at(out, i, size), element, size);
  return true;
}
MF_REFERENCE(ConstantOfShape, run_ConstantOfShape);
const mf_operator mf_op_ConstantOfShape = {
    "", "ConstantOfShape", 9, MF_OP_ANY, 1, 1, 1, 1, 1 << 0, .shape = shape_ConstantOfShape,
    MF_ATTRIBUTES(MF_OPTIONAL("value", MF_ATTR_TENSOR)), MF_KERNELS(&ConstantOfShape_reference)};

// ---- OneHot(indices, depth, [off, on]) ----
static bool shape_OneHot(mf_shape_call *call, mf_error *err) {
  int64_t depth, values = 2;
  bool known;
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS, err) || !mf_ops_expect(call, 1, MF_SET_NUMBERS, err) ||
      !mf_ops_expect(call, 2, MF_SET_ALL, err) || !mf_ops_expect_rank(call, 2, 1, 1, err) ||
      !mf_ops_scalar_int(call, 1, &depth, &known, err))
    return false;
  if (mf_ops_rank_known(call->inputs[2])) values = call->inputs[2]->dims[0];
  if (values >= 0 && values != 2)
    return mf_fail(err, MF_InvalidModel, "input 2 has %lld values, expected 2 (off and on)",
                   (long long)values);
  if (known && depth < 0)
    return mf_fail(err, MF_InvalidModel, "depth is %lld, expected 0 or more", (long long)depth);
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  out->type = call->inputs[2]->type;
  if (!mf_ops_rank_known(in)) return true;
  uint32_t axis = 0, rank = in->rank + 1;
  if (!mf_ops_check_rank(rank, err) ||
      !mf_ops_axis(mf_attr_int(&call->attributes, 0), rank, &axis, err))
    return false;
  mf_ops_set_rank(out, rank);
  for (uint32_t d = 0, from = 0; d < rank; d++)
    out->dims[d] = d == axis ? (known ? depth : MF_DIM_UNKNOWN) : in->dims[from++];
  return true;
}
// An index out of range gives a row that is off all over, as the standard says.
static bool run_OneHot(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *values = call->inputs[2], *out = call->outputs[0];
  uint32_t axis = 0;
  if (mf_ops_empty(out)) return true;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), out->rank, &axis, err)) return false;
  size_t size = mf_type_size(out->type);
  int64_t depth = out->dims[axis], outer = mf_tensor_span(in, 0, axis);
  int64_t inner = mf_tensor_span(in, axis, in->rank), at = 0;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t k = 0; k < depth; k++)
      for (int64_t i = 0; i < inner; i++, at++) {
        int64_t index = mf_ops_get_int(in, o * inner + i);
        bool on = index == k || index == k - depth;
        memcpy(mf_ops_at(out, at, size), mf_ops_at(values, on, size), size);
      }
  return true;
}
MF_REFERENCE(OneHot, run_OneHot);
const mf_operator mf_op_OneHot = {"", "OneHot", 9, MF_OP_ANY, 3, 3, 1, 1, 1 << 1,
                                  .shape = shape_OneHot, MF_ATTRIBUTES(MF_INT("axis", -1)),
                                  MF_KERNELS(MF_FAST(one_hot_f32) &OneHot_reference)};

// ---- Range ----
// ceil((limit - start) / delta), at least 0; -1 where it is no number or too large.
static int64_t range_length(const mf_tensor *start, const mf_tensor *limit, const mf_tensor *delta) {
  if (MF_SET_FLOATS >> start->type & 1) {
    double n = ceil((mf_ops_get_double(limit, 0) - mf_ops_get_double(start, 0)) /
                    mf_ops_get_double(delta, 0));
    return isnan(n) || n > 0x1p60 ? -1 : n > 0 ? (int64_t)n : 0;
  }
  int64_t a = mf_ops_get_int(start, 0), b = mf_ops_get_int(limit, 0), step = mf_ops_get_int(delta, 0);
  if (step == 0) return -1;
  if (step > 0 ? b <= a : b >= a) return 0;
  uint64_t way = step > 0 ? (uint64_t)b - (uint64_t)a : (uint64_t)a - (uint64_t)b;
  uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
  uint64_t n = (way - 1) / stride + 1;
  return n > UINT64_C(1) << 60 ? -1 : (int64_t)n;
}
static bool shape_Range(mf_shape_call *call, mf_error *err) {
  bool known = true;
  const uint32_t set = MF_SET_FLOATS | 1 << MF_INT16 | 1 << MF_INT32 | 1 << MF_INT64;
  if (!mf_ops_expect_all(call, set, err)) return false;
  for (uint32_t i = 0; i < 3; i++) {
    int64_t value;
    bool there;
    if (!mf_ops_scalar_int(call, i, &value, &there, err)) return false;
    known = known && there;
  }
  mf_tensor *out = &call->outputs[0];
  out->type = call->inputs[0]->type;
  mf_ops_set_rank(out, 1);
  if (!known) return true;
  out->dims[0] = range_length(call->inputs[0], call->inputs[1], call->inputs[2]);
  if (out->dims[0] >= 0) return true;
  return mf_fail(err, MF_InvalidModel, "a range from %g to %g by %g has no length that is possible",
                 mf_ops_get_double(call->inputs[0], 0), mf_ops_get_double(call->inputs[1], 0),
                 mf_ops_get_double(call->inputs[2], 0));
}
#define FILL_RANGE(TYPE, s, T, W)                                                            \
  case TYPE: {                                                                               \
    const W start = (W)mf_get_##s(call->inputs[0]->data, 0);                                 \
    const W delta = (W)mf_get_##s(call->inputs[2]->data, 0);                                 \
    for (int64_t i = 0; i < n; i++) mf_put_##s(out->data, i, (T)(start + (W)i * delta));     \
    return true;                                                                             \
  }
static bool run_Range(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *out = call->outputs[0];
  int64_t n = out->dims[0];
  switch ((int)out->type) {
    MF_FLOAT_TYPES(FILL_RANGE, double)
    MF_SIGNED_TYPES(FILL_RANGE, uint64_t)
    default: return mf_ops_unsupported_type(out->type, err);
  }
}
MF_REFERENCE(Range, run_Range);
const mf_operator mf_op_Range = {"", "Range", 11, MF_OP_ANY, 3, 3, 1, 1, 1 << 0 | 1 << 1 | 1 << 2,
                                 .shape = shape_Range, MF_KERNELS(&Range_reference)};

// ---- EyeLike ----
static bool shape_EyeLike(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS | MF_SET_BOOL, err) ||
      !mf_ops_expect_rank(call, 0, 2, 2, err))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  if (!mf_attr_has(&call->attributes, 0)) return true;
  int64_t type = mf_attr_int(&call->attributes, 0);
  call->outputs[0].type = (mf_type)type;
  if (type > 0 && type <= MF_UINT64 && ((MF_SET_NUMBERS | MF_SET_BOOL) >> type & 1)) return true;
  return mf_fail(err, MF_UnsupportedType, "dtype is ONNX type %lld, expected a number or bool",
                 (long long)type);
}
#define PUT_ONE(TYPE, s, T, ...) \
  case TYPE: mf_put_##s(t->data, at, (T)1); return;
static void put_one(const mf_tensor *t, int64_t at) {
  switch ((int)t->type) {
    MF_NUMBER_TYPES(PUT_ONE, )
    MF_BOOL_TYPES(PUT_ONE, )
    default: return;
  }
}
static bool run_EyeLike(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *out = call->outputs[0];
  int64_t n = mf_tensor_count(out), columns = out->dims[1], k = mf_attr_int(&call->attributes, 1);
  if (n) memset(out->data, 0, (size_t)n * mf_type_size(out->type));
  if (k > columns || k < -out->dims[0]) return true;
  for (int64_t row = MF_MAX(0, -k); row < out->dims[0] && row + k < columns; row++)
    put_one(out, row * columns + row + k);
  return true;
}
MF_REFERENCE(EyeLike, run_EyeLike);
const mf_operator mf_op_EyeLike = {
    "", "EyeLike", 9, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_EyeLike,
    MF_ATTRIBUTES(MF_OPTIONAL("dtype", MF_ATTR_INT), MF_INT("k", 0)), MF_KERNELS(&EyeLike_reference)};

// ---- Trilu: one triangle of each matrix stays, the rest is zero ----
static bool shape_Trilu(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS | MF_SET_BOOL, err) ||
      !mf_ops_expect_rank(call, 0, 2, MF_MAX_RANK, err))
    return false;
  int64_t k;
  bool known;
  if (mf_ops_has(call, 1) && (!mf_ops_expect(call, 1, MF_SET_INT64, err) ||
                              !mf_ops_scalar_int(call, 1, &k, &known, err)))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}
static bool run_Trilu(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  if (mf_ops_empty(in)) return true;
  bool upper = mf_attr_int(&call->attributes, 0) != 0;
  int64_t k = call->n_inputs > 1 && call->inputs[1] ? mf_ops_get_int(call->inputs[1], 0) : 0;
  int64_t columns = in->dims[in->rank - 1], rows = in->dims[in->rank - 2];
  int64_t matrices = mf_tensor_span(in, 0, in->rank - 2), at = 0;
  k = MF_MIN(MF_MAX(k, -rows), columns);
  size_t size = mf_type_size(in->type);
  for (int64_t m = 0; m < matrices; m++)
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = 0; c < columns; c++, at++) {
        if (upper ? c >= r + k : c <= r + k)
          memcpy(mf_ops_at(out, at, size), mf_ops_at(in, at, size), size);
        else
          memset(mf_ops_at(out, at, size), 0, size);
      }
  return true;
}
MF_REFERENCE(Trilu, run_Trilu);
const mf_operator mf_op_Trilu = {"", "Trilu", 14, MF_OP_ANY, 1, 2, 1, 1, .shape = shape_Trilu,
                                 MF_ATTRIBUTES(MF_INT("upper", 1)), MF_KERNELS(&Trilu_reference)};
