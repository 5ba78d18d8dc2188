// What all operators here share: reading elements and lists whatever their type, and the checks of shape functions. See ops.h.
#include "ops.h"

#include <math.h>
#include <stdio.h>

#define AS_DOUBLE(TYPE, s, T, ...) \
  case TYPE: return (double)mf_get_##s(t->data, i);
double mf_ops_get_double(const mf_tensor *t, int64_t i) {
  switch (t->type) {
    MF_NUMBER_TYPES(AS_DOUBLE, )
    MF_BOOL_TYPES(AS_DOUBLE, )
    default: return 0;
  }
}

int64_t mf_ops_to_int(double value) {
  if (isnan(value)) return 0;
  return value >= 0x1p63 ? INT64_MAX : value > -0x1p63 ? (int64_t)value : INT64_MIN;
}

uint64_t mf_ops_to_bits(double value) {
  if (value >= 0x1p63) return value < 0x1p64 ? (uint64_t)value : UINT64_MAX;
  return (uint64_t)mf_ops_to_int(value);
}

#define AS_INT(TYPE, s, T, ...) \
  case TYPE: return (int64_t)mf_get_##s(t->data, i);
int64_t mf_ops_get_int(const mf_tensor *t, int64_t i) {
  switch (t->type) {
    MF_INTEGER_TYPES(AS_INT, )
    MF_BOOL_TYPES(AS_INT, )
    default: return mf_ops_to_int(mf_ops_get_double(t, i));
  }
}

void mf_ops_put_double(const mf_tensor *t, int64_t i, double value) {
  switch (t->type) {
    case MF_DOUBLE: mf_put_f64(t->data, i, value); break;
    case MF_FLOAT16: mf_put_f16(t->data, i, (float)value); break;
    default: mf_put_f32(t->data, i, (float)value); break;
  }
}

static void name_set(uint32_t set, char *text, size_t size) {
  size_t at = 0;
  text[0] = 0;
  for (uint32_t type = 1; type <= MF_UINT64; type++) {
    if (!(set >> type & 1)) continue;
    int n = snprintf(text + at, size - at, "%s%s", at ? ", " : "", mf_type_name((mf_type)type));
    if (n < 0 || (size_t)n >= size - at) return;
    at += (size_t)n;
  }
}

bool mf_ops_expect(const mf_shape_call *call, uint32_t at, uint32_t set, mf_error *err) {
  if (!mf_ops_has(call, at))
    return mf_fail(err, MF_InvalidModel, "input %u is missing, expected a tensor", at);
  mf_type type = call->inputs[at]->type;
  if (type == MF_TYPE_UNKNOWN || (type <= MF_UINT64 && (set >> type & 1))) return true;
  char names[200];
  name_set(set, names, sizeof names);
  return mf_fail(err, MF_UnsupportedType, "input %u is %s, expected one of %s", at,
                 mf_type_name(type), names);
}

bool mf_ops_expect_same(const mf_shape_call *call, uint32_t at, uint32_t as, mf_error *err) {
  if (!mf_ops_has(call, at) || !mf_ops_has(call, as)) return true;
  mf_type type = call->inputs[at]->type, expected = call->inputs[as]->type;
  if (type == expected || type == MF_TYPE_UNKNOWN || expected == MF_TYPE_UNKNOWN) return true;
  return mf_fail(err, MF_InvalidModel, "input %u is %s, expected %s as input %u", at,
                 mf_type_name(type), mf_type_name(expected), as);
}

bool mf_ops_expect_rank(const mf_shape_call *call, uint32_t at, uint32_t least, uint32_t most,
                        mf_error *err) {
  if (!mf_ops_has(call, at) || !mf_ops_rank_known(call->inputs[at])) return true;
  uint32_t rank = call->inputs[at]->rank;
  if (rank >= least && rank <= most) return true;
  char text[160];
  if (least == most)
    return mf_fail(err, MF_InvalidModel, "input %u is %s with %u dimensions, expected %u", at,
                   mf_tensor_describe(call->inputs[at], text, sizeof text), rank, least);
  return mf_fail(err, MF_InvalidModel, "input %u is %s with %u dimensions, expected %u to %u", at,
                 mf_tensor_describe(call->inputs[at], text, sizeof text), rank, least, most);
}

bool mf_ops_expect_all(const mf_shape_call *call, uint32_t set, mf_error *err) {
  for (uint32_t i = 0; i < call->n_inputs; i++)
    if (!mf_ops_expect(call, i, set, err) || !mf_ops_expect_same(call, i, 0, err)) return false;
  return true;
}

bool mf_ops_dims_known(const mf_tensor *t, uint32_t from, uint32_t to) {
  if (!mf_ops_rank_known(t)) return false;
  for (uint32_t d = from; d < to; d++)
    if (t->dims[d] < 0) return false;
  return true;
}

bool mf_ops_add_dims(int64_t a, int64_t b, int64_t *sum, mf_error *err) {
  *sum = MF_DIM_UNKNOWN;
  if (a == MF_DIM_UNKNOWN || b == MF_DIM_UNKNOWN) return true;
  if (!__builtin_add_overflow(a, b, sum) && *sum >= 0) return true;
  return mf_fail(err, MF_InvalidModel, "a dimension of %lld + %lld is not possible", (long long)a,
                 (long long)b);
}

bool mf_ops_mul_dims(int64_t a, int64_t b, int64_t *product, mf_error *err) {
  *product = MF_DIM_UNKNOWN;
  if (a == MF_DIM_UNKNOWN || b == MF_DIM_UNKNOWN) return true;
  if (!__builtin_mul_overflow(a, b, product) && *product >= 0) return true;
  return mf_fail(err, MF_InvalidModel, "a dimension of %lld * %lld is not possible", (long long)a,
                 (long long)b);
}

bool mf_ops_span(const mf_tensor *t, uint32_t from, uint32_t to, int64_t *span, mf_error *err) {
  *span = mf_ops_rank_known(t) ? 1 : MF_DIM_UNKNOWN;
  for (uint32_t d = from; mf_ops_rank_known(t) && d < to; d++)
    if (!mf_ops_mul_dims(*span, t->dims[d], span, err)) return false;
  return true;
}

bool mf_ops_merge_dim(int64_t a, int64_t b, const char *what, int64_t *merged, mf_error *err) {
  if (a >= 0 && b >= 0 && a != b)
    return mf_fail(err, MF_InvalidModel, "%s: dimensions %lld and %lld, expected equal ones", what,
                   (long long)a, (long long)b);
  *merged = MF_MAX(a, b);
  return true;
}

void mf_ops_copy_shape(mf_shape_call *call, uint32_t in, uint32_t out) {
  if (out >= call->n_outputs) return;
  call->outputs[out] = *call->inputs[in];
  call->outputs[out].data = NULL;
}

void mf_ops_set_rank(mf_tensor *t, uint32_t rank) {
  t->rank = rank;
  for (uint32_t d = 0; d < MF_MAX_RANK; d++) t->dims[d] = d < rank ? MF_DIM_UNKNOWN : 0;
}

bool mf_ops_check_rank(uint32_t rank, mf_error *err) {
  if (rank <= MF_MAX_RANK) return true;
  return mf_fail(err, MF_InvalidModel, "a tensor of %u dimensions, at most %d are supported", rank,
                 MF_MAX_RANK);
}

bool mf_ops_axis(int64_t axis, uint32_t rank, uint32_t *normal, mf_error *err) {
  int64_t n = (int64_t)rank;
  if (axis < -n || axis >= n)
    return mf_fail(err, MF_InvalidModel, "axis %lld of a tensor with %u dimensions",
                   (long long)axis, rank);
  *normal = (uint32_t)(axis < 0 ? axis + n : axis);
  return true;
}

static bool too_many(int64_t n, mf_error *err) {
  return mf_fail(err, MF_InvalidModel, "a list of %lld integers, expected at most %d", (long long)n,
                 2 * MF_MAX_RANK);
}

void mf_ops_ints_of(const mf_tensor *t, mf_ops_ints *list) {
  int64_t count = mf_tensor_count(t);
  *list = (mf_ops_ints){.n = (uint32_t)MF_MIN(count, 2 * MF_MAX_RANK), .known = true};
  for (uint32_t i = 0; i < list->n; i++) list->values[i] = mf_ops_get_int(t, i);
}

bool mf_ops_ints_input(const mf_shape_call *call, uint32_t at, mf_ops_ints *list, mf_error *err) {
  *list = (mf_ops_ints){.known = true, .absent = true};
  if (!mf_ops_has(call, at)) return true;
  if (!mf_ops_expect(call, at, MF_SET_INDICES, err) || !mf_ops_expect_rank(call, at, 0, 1, err))
    return false;
  const mf_tensor *t = call->inputs[at];
  *list = (mf_ops_ints){.n = UINT32_MAX};
  int64_t count = t->rank == 0 ? 1 : mf_ops_rank_known(t) ? t->dims[0] : MF_DIM_UNKNOWN;
  if (count < 0) return true;
  if (count > 2 * MF_MAX_RANK) return too_many(count, err) || mf_wrap(err, "input %u", at);
  list->n = (uint32_t)count;
  if (count == 0 || (t->data && t->type != MF_TYPE_UNKNOWN)) mf_ops_ints_of(t, list);
  return true;
}

bool mf_ops_ints_attribute(const mf_attributes *attributes, uint32_t at, mf_ops_ints *list,
                           mf_error *err) {
  *list = (mf_ops_ints){.known = true, .absent = !mf_attr_has(attributes, at)};
  if (list->absent) return true;
  uint32_t n = mf_attr_count(attributes, at);
  if (n > 2 * MF_MAX_RANK) return too_many(n, err);
  list->n = n;
  if (n) memcpy(list->values, mf_attr_ints(attributes, at), n * sizeof(int64_t));
  return true;
}

bool mf_ops_axis_set(const mf_ops_ints *axes, uint32_t rank, uint32_t *set, mf_error *err) {
  *set = 0;
  for (uint32_t i = 0; i < axes->n; i++) {
    uint32_t axis = 0;
    if (!mf_ops_axis(axes->values[i], rank, &axis, err)) return false;
    if (*set >> axis & 1)
      return mf_fail(err, MF_InvalidModel, "axis %u is named twice, expected once", axis);
    *set |= UINT32_C(1) << axis;
  }
  return true;
}

bool mf_ops_scalar_int(const mf_shape_call *call, uint32_t at, int64_t *value, bool *known,
                       mf_error *err) {
  const mf_tensor *t = call->inputs[at];
  *known = false;
  *value = 0;
  if (!mf_ops_expect_rank(call, at, 0, 1, err)) return false;
  if (t->rank == 1 && t->dims[0] >= 0 && t->dims[0] != 1)
    return mf_fail(err, MF_InvalidModel, "input %u has %lld elements, expected 1", at,
                   (long long)t->dims[0]);
  if (!t->data || !mf_tensor_is_static(t)) return true;
  *value = mf_ops_get_int(t, 0);
  *known = true;
  return true;
}

bool mf_ops_unsupported_type(mf_type type, mf_error *err) {
  return mf_fail(err, MF_UnsupportedType, "no kernel for elements of type %s", mf_type_name(type));
}

void mf_ops_copy_data(const mf_tensor *to, const mf_tensor *from) {
  size_t bytes = (size_t)mf_tensor_count(from) * mf_type_size(from->type);
  if (bytes && to->data != from->data) memmove(to->data, from->data, bytes);
}

bool mf_ops_index(int64_t index, int64_t dim, int64_t *normal, mf_error *err) {
  if (index < -dim || index >= dim)
    return mf_fail(err, MF_InvalidInput, "index %lld, expected %lld to %lld", (long long)index,
                   (long long)-dim, (long long)dim - 1);
  *normal = index < 0 ? index + dim : index;
  return true;
}
