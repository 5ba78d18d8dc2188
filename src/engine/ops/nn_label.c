// Look-ups of ai.onnx.ml: LabelEncoder (1, 2 and 4: any of strings, integers, floats to any of them) and ArrayFeatureExtractor.
#include "nn.h"

#include <math.h>

enum { SET_LABELS = 1 << MF_STRING | 1 << MF_INT64 | 1 << MF_FLOAT | 1 << MF_INT32 | 1 << MF_INT16 | 1 << MF_DOUBLE };

// A list of labels that a node brings along, as a list or as a tensor attribute.
typedef struct labels {
  mf_type type;
  int64_t count;
  const mf_attributes *attributes;
  uint32_t at;          // strings of a list
  const void *records;  // strings of a tensor: {offset, length}
  mf_tensor values;     // everything else
} labels;

static mf_str string_at(const labels *l, int64_t i) {
  if (!l->records) return mf_attr_str_at(l->attributes, l->at, (uint32_t)i);
  const uint64_t *record = (const uint64_t *)l->records + 2 * i;
  return (mf_str){(const char *)(l->attributes->base + (uintptr_t)record[0]), (size_t)record[1]};
}

static void use_list(labels *l, const mf_attributes *a, uint32_t at, mf_type type) {
  *l = (labels){.type = type, .count = mf_attr_count(a, at), .attributes = a, .at = at};
  l->values = (mf_tensor){.type = type, .rank = 1, .dims = {l->count}};
  // Only read from.
  if (type != MF_STRING) l->values.data = (void *)(uintptr_t)mf_attr_data(a, at);
}

static bool use_tensor(labels *l, const mf_attributes *a, uint32_t at, mf_error *err) {
  const mf_attribute_tensor *t = mf_attr_data(a, at);
  if (t->type >= 32 || !((SET_LABELS >> t->type) & 1))
    return mf_fail(err, MF_UnsupportedType, "a label cannot be %s", mf_type_name((mf_type)t->type));
  if (t->rank > 1) return mf_fail(err, MF_InvalidModel, "labels are a tensor of %u dimensions, expected 1", t->rank);
  *l = (labels){.type = (mf_type)t->type, .count = t->rank == 0 ? 1 : t->dims[0], .attributes = a};
  void *data = (void *)(a->base + (uintptr_t)t->data_offset);
  l->values = (mf_tensor){.type = l->type, .rank = 1, .dims = {l->count}, .data = l->type == MF_STRING ? NULL : data};
  if (l->type == MF_STRING) l->records = data;
  return true;
}

// The attributes of one side of the map: three lists and a tensor.
typedef struct side {
  uint32_t strings, ints, floats, tensor;
} side;

static bool read_side(const mf_attributes *a, const side *from, const char *what, labels *l, mf_error *err) {
  const struct {
    uint32_t at;
    mf_type type;
  } lists[] = {{from->strings, MF_STRING}, {from->ints, MF_INT64}, {from->floats, MF_FLOAT}};
  uint32_t found = 0;
  for (uint32_t i = 0; i < MF_COUNT(lists); ++i)
    if (mf_attr_count(a, lists[i].at) > 0) use_list(l, a, lists[i].at, lists[i].type), ++found;
  if (mf_attr_has(a, from->tensor)) {
    if (!use_tensor(l, a, from->tensor, err)) return false;
    ++found;
  }
  return found == 1 || mf_fail(err, MF_InvalidModel, "%u kinds of %s, expected one", found, what);
}

// ---- LabelEncoder since version 2 ----

enum {
  KEYS_STRINGS, KEYS_INTS, KEYS_FLOATS, KEYS_TENSOR, VALUES_STRINGS, VALUES_INTS, VALUES_FLOATS, VALUES_TENSOR,
  DEFAULT_STRING, DEFAULT_INT, DEFAULT_FLOAT, DEFAULT_TENSOR
};
static const side keys_side = {KEYS_STRINGS, KEYS_INTS, KEYS_FLOATS, KEYS_TENSOR};
static const side values_side = {VALUES_STRINGS, VALUES_INTS, VALUES_FLOATS, VALUES_TENSOR};

static bool read_map(const mf_attributes *a, labels *keys, labels *values, mf_error *err) {
  if (!read_side(a, &keys_side, "keys", keys, err) || !read_side(a, &values_side, "values", values, err)) return false;
  if (keys->count != values->count)
    return mf_fail(err, MF_InvalidModel, "%lld keys for %lld values", (long long)keys->count, (long long)values->count);
  if (!mf_attr_has(a, DEFAULT_TENSOR)) return true;
  labels fallback;
  if (!use_tensor(&fallback, a, DEFAULT_TENSOR, err)) return false;
  if (fallback.type == values->type && fallback.count == 1) return true;
  return mf_fail(err, MF_InvalidModel, "attribute 'default_tensor' is not one %s", mf_type_name(values->type));
}

static bool encoder_shape(mf_shape_call *call, mf_type from, mf_type to, mf_error *err) {
  if (!mf_ops_expect(call, 0, UINT32_C(1) << from, err)) return false;
  mf_nn_set_like(call, 0, to, call->inputs[0]);
  return true;
}

static bool shape_encoder(mf_shape_call *call, mf_error *err) {
  labels keys = {.type = MF_TYPE_UNKNOWN}, values = {.type = MF_TYPE_UNKNOWN};
  return read_map(&call->attributes, &keys, &values, err) && encoder_shape(call, keys.type, values.type, err);
}

static int64_t find_key(const labels *keys, const mf_tensor *x, int64_t at) {
  for (int64_t i = 0; i < keys->count; ++i) {
    if (keys->type == MF_STRING) {
      if (mf_str_equal(string_at(keys, i), ((const mf_str *)x->data)[at])) return i;
    } else if (keys->type == MF_FLOAT || keys->type == MF_DOUBLE) {
      const double key = mf_ops_get_double(&keys->values, i), value = mf_ops_get_double(x, at);
      if (key == value || (isnan(key) && isnan(value))) return i;
    } else if (mf_ops_get_int(&keys->values, i) == mf_ops_get_int(x, at)) {
      return i;
    }
  }
  return -1;
}

static void put_label(mf_tensor *y, int64_t at, const labels *from, int64_t i) {
  if (from->type == MF_STRING) ((mf_str *)y->data)[at] = string_at(from, i);
  else memcpy(mf_ops_at(y, at, mf_type_size(y->type)), mf_ops_at(&from->values, i, mf_type_size(y->type)), mf_type_size(y->type));
}

static void put_default(const mf_attributes *a, mf_tensor *y, int64_t at) {
  switch ((int)y->type) {
    case MF_STRING: ((mf_str *)y->data)[at] = mf_attr_str(a, DEFAULT_STRING); break;
    case MF_INT64: ((int64_t *)y->data)[at] = mf_attr_int(a, DEFAULT_INT); break;
    case MF_INT32: ((int32_t *)y->data)[at] = (int32_t)mf_attr_int(a, DEFAULT_INT); break;
    case MF_INT16: ((int16_t *)y->data)[at] = (int16_t)mf_attr_int(a, DEFAULT_INT); break;
    default: mf_ops_put_double(y, at, (double)mf_attr_float(a, DEFAULT_FLOAT));
  }
}

static bool encoder(mf_kernel_call *call, mf_error *err) {
  labels keys = {.type = MF_TYPE_UNKNOWN}, values = {.type = MF_TYPE_UNKNOWN}, fallback = {.type = MF_TYPE_UNKNOWN};
  const mf_tensor *x = call->inputs[0];
  const bool has_default = mf_attr_has(&call->attributes, DEFAULT_TENSOR);
  if (!read_map(&call->attributes, &keys, &values, err)) return false;
  if (has_default && !use_tensor(&fallback, &call->attributes, DEFAULT_TENSOR, err)) return false;
  for (int64_t i = 0; i < mf_tensor_count(x); ++i) {
    const int64_t found = find_key(&keys, x, i);
    if (found >= 0) put_label(call->outputs[0], i, &values, found);
    else if (has_default) put_label(call->outputs[0], i, &fallback, 0);
    else put_default(&call->attributes, call->outputs[0], i);
  }
  return true;
}
MF_REFERENCE(label_encoder, encoder);

const mf_operator mf_op_LabelEncoder = {
    "ai.onnx.ml", "LabelEncoder", 2, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_encoder,
    MF_ATTRIBUTES(MF_OPTIONAL("keys_strings", MF_ATTR_STRINGS), MF_OPTIONAL("keys_int64s", MF_ATTR_INTS),
                  MF_OPTIONAL("keys_floats", MF_ATTR_FLOATS), MF_OPTIONAL("keys_tensor", MF_ATTR_TENSOR),
                  MF_OPTIONAL("values_strings", MF_ATTR_STRINGS), MF_OPTIONAL("values_int64s", MF_ATTR_INTS),
                  MF_OPTIONAL("values_floats", MF_ATTR_FLOATS), MF_OPTIONAL("values_tensor", MF_ATTR_TENSOR),
                  MF_TEXT("default_string", "_Unused"), MF_INT("default_int64", -1), MF_REAL("default_float", -0.0f),
                  MF_OPTIONAL("default_tensor", MF_ATTR_TENSOR)),
    MF_KERNELS(&label_encoder_reference)};

// ---- LabelEncoder 1: strings to their positions in a list, integers to what stands there ----

enum { CLASSES, FALLBACK_INT, FALLBACK_STRING };

static bool shape_encoder_1(mf_shape_call *call, mf_error *err) {
  const mf_type type = call->inputs[0]->type;
  if (!mf_ops_expect(call, 0, 1 << MF_STRING | 1 << MF_INT64, err)) return false;
  mf_nn_set_like(call, 0, type == MF_STRING ? MF_INT64 : type == MF_INT64 ? MF_STRING : MF_TYPE_UNKNOWN, call->inputs[0]);
  return true;
}

static bool encoder_1(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_attributes *a = &call->attributes;
  const mf_tensor *x = call->inputs[0];
  labels classes;
  use_list(&classes, a, CLASSES, MF_STRING);
  for (int64_t i = 0; i < mf_tensor_count(x); ++i) {
    if (x->type == MF_STRING) {
      const int64_t found = find_key(&classes, x, i);
      ((int64_t *)call->outputs[0]->data)[i] = found >= 0 ? found : mf_attr_int(a, FALLBACK_INT);
    } else {
      const int64_t at = ((const int64_t *)x->data)[i];
      ((mf_str *)call->outputs[0]->data)[i] = at >= 0 && at < classes.count ? string_at(&classes, at) : mf_attr_str(a, FALLBACK_STRING);
    }
  }
  return true;
}
MF_REFERENCE(label_encoder_1, encoder_1);

const mf_operator mf_op_LabelEncoder_1 = {
    "ai.onnx.ml", "LabelEncoder", 1, 1, 1, 1, 1, 1, .shape = shape_encoder_1,
    MF_ATTRIBUTES(MF_OPTIONAL("classes_strings", MF_ATTR_STRINGS), MF_INT("default_int64", -1), MF_TEXT("default_string", "_Unused")),
    MF_KERNELS(&label_encoder_1_reference)};

// ---- ArrayFeatureExtractor: some columns of the last dimension ----

static bool shape_extractor(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0], *columns = call->inputs[1];
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS | MF_SET_STRING, err) || !nn_expect_rank(call, 0, 1, MF_MAX_RANK, err) ||
      !mf_ops_expect(call, 1, MF_SET_INT64, err))
    return false;
  mf_nn_set(call, 0, x->type, MF_RANK_UNKNOWN, NULL);
  if (!mf_ops_rank_known(x)) return true;
  int64_t dims[MF_MAX_RANK] = {1}, n = MF_DIM_UNKNOWN;
  const uint32_t rank = MF_MAX(x->rank, 2);
  for (uint32_t d = 0; d + 1 < x->rank; ++d) dims[d] = x->dims[d];
  if (mf_ops_rank_known(columns) && !mf_ops_span(columns, 0, columns->rank, &n, err)) return false;
  dims[rank - 1] = n;
  mf_nn_set(call, 0, x->type, rank, dims);
  return true;
}

static bool extractor(mf_kernel_call *call, mf_error *err) {
  if (nn_is_empty(call)) return true;
  const mf_tensor *x = call->inputs[0], *columns = call->inputs[1];
  const int64_t width = x->dims[x->rank - 1], rows = mf_tensor_span(x, 0, x->rank - 1), n = mf_tensor_count(columns);
  const size_t size = mf_type_size(x->type);
  char *to = call->outputs[0]->data;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t column = ((const int64_t *)columns->data)[i];
    if (column < 0 || column >= width)
      return mf_fail(err, MF_InvalidInput, "column %lld is not one of the %lld", (long long)column, (long long)width);
  }
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t i = 0; i < n; ++i, to += size) memcpy(to, mf_ops_at(x, r * width + ((const int64_t *)columns->data)[i], size), size);
  return true;
}
MF_REFERENCE(array_feature_extractor, extractor);

const mf_operator mf_op_ArrayFeatureExtractor = {"ai.onnx.ml", "ArrayFeatureExtractor", 1, MF_OP_ANY, 2, 2, 1, 1, .shape = shape_extractor,
                                                 MF_KERNELS(&array_feature_extractor_reference)};
