// ONNX TensorProto and TypeProto to tensors, and a tensor back to TensorProto. All encodings of the data: raw, typed fields,
// external files; sizes are checked before anything is believed.
#include <stdlib.h>

#include "onnx.h"

static const char *other_type_name(int32_t type) {
  static const char *const names[] = {[14] = "complex64", "complex128", "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
                                      "float8e5m2fnuz", "uint4", "int4", "float4e2m1", "float8e8m0", "uint2", "int2"};
  return type >= 14 && (size_t)type < MF_COUNT(names) ? names[type] : "of unknown type";
}

static bool element_type(int32_t number, mf_type *type, mf_error *err) {
  if (number == 0) return mf_fail(err, MF_InvalidModel, "element type is missing");
  if (number < 0 || !mf_type_size((mf_type)number))
    return mf_fail(err, MF_UnsupportedType, "element type %d (%s) is not supported", number, other_type_name(number));
  *type = (mf_type)number;
  return true;
}

static bool tensor_shape(const Onnx__TensorProto *proto, mf_tensor *out, size_t *bytes, mf_error *err) {
  if (!element_type(proto->data_type, &out->type, err)) return false;
  if (proto->n_dims > MF_MAX_RANK)
    return mf_fail(err, MF_UnsupportedType, "%zu dimensions, at most %d are supported", proto->n_dims, MF_MAX_RANK);
  out->rank = (uint32_t)proto->n_dims;
  for (size_t i = 0; i < proto->n_dims; i++) {
    if (proto->dims[i] < 0) return mf_fail(err, MF_InvalidModel, "dimension %zu is %lld", i, (long long)proto->dims[i]);
    out->dims[i] = proto->dims[i];
  }
  if (!mf_tensor_bytes(out, bytes)) return mf_fail(err, MF_InvalidModel, "its dimensions overflow");
  return true;
}

static bool wrong_size(const mf_tensor *t, size_t got, const char *unit, mf_error *err) {
  char text[256];
  return mf_fail(err, MF_InvalidModel, "%zu %s of data do not fit %s", got, unit, mf_tensor_describe(t, text, sizeof text));
}

// A tensor's bytes where they lie if they are aligned, a copy otherwise.
static bool take_bytes(mf_arena *arena, const void *data, size_t bytes, mf_tensor *out, mf_error *err) {
  if (bytes && ((uintptr_t)data & 63) == 0) return out->data = (void *)(uintptr_t)data, true;
  out->data = mf_arena_alloc_aligned(arena, bytes ? bytes : 1, 64);
  if (!out->data) return mf_out_of_arena(err);
  if (bytes) memcpy(out->data, data, bytes);
  return true;
}

static bool parse_size(const char *text, size_t *value) {
  if (!text || *text < '0' || *text > '9') return false;
  char *end;
  unsigned long long number = strtoull(text, &end, 10);
  *value = (size_t)number;
  return *end == 0 && number < SIZE_MAX / 2;
}

static bool location_is_inside(mf_str location) {
  if (!location.len || location.data[0] == '/') return false;
  for (size_t i = 0; i < location.len;) {
    size_t end = i;
    while (end < location.len && location.data[end] != '/') end++;
    if (end - i == 2 && memcmp(location.data + i, "..", 2) == 0) return false;
    i = end + 1;
  }
  return memchr(location.data, '\\', location.len) == NULL;
}

static bool external_bytes(mf_onnx_reader *reader, const Onnx__TensorProto *proto, size_t bytes, mf_tensor *out, mf_error *err) {
  mf_str location = {NULL, 0};
  size_t offset = 0, length = bytes;
  for (size_t i = 0; i < proto->n_external_data; i++) {
    const char *key = proto->external_data[i]->key, *value = proto->external_data[i]->value;
    if (!key) continue;
    if (strcmp(key, "location") == 0) location = mf_onnx_str(value);
    if (strcmp(key, "offset") == 0 && !parse_size(value, &offset)) return mf_fail(err, MF_InvalidModel, "offset of external data");
    if (strcmp(key, "length") == 0 && !parse_size(value, &length)) return mf_fail(err, MF_InvalidModel, "length of external data");
  }
  if (!location_is_inside(location))
    return mf_fail(err, MF_InvalidModel, "external data '%.*s' is outside the package", MF_STR_ARG(location));
  if (!reader->external_data)
    return mf_fail(err, MF_InvalidModel, "its data are in the file '%.*s', which did not come with the model: deploy the folder that holds both",
                   MF_STR_ARG(location));
  mf_slice file;
  if (!reader->external_data(reader->context, location, &file, err)) return mf_wrap(err, "external data '%.*s'", MF_STR_ARG(location));
  if (length != bytes) return wrong_size(out, length, "bytes", err);
  if (offset > file.len || bytes > file.len - offset)
    return mf_fail(err, MF_InvalidModel, "external data '%.*s' has %zu bytes, %zu from offset %zu are wanted", MF_STR_ARG(location),
                   file.len, bytes, offset);
  return take_bytes(reader->arena, (const char *)file.data + offset, bytes, out, err);
}

static bool string_data(mf_arena *arena, const Onnx__TensorProto *proto, mf_tensor *out, mf_error *err) {
  size_t count = (size_t)mf_tensor_count(out);
  if (proto->n_string_data != count) return wrong_size(out, proto->n_string_data, "strings", err);
  mf_str *strings = mf_arena_alloc_aligned(arena, count ? count * sizeof(mf_str) : 1, 64);
  if (!strings) return mf_out_of_arena(err);
  for (size_t i = 0; i < count; i++)
    strings[i] = (mf_str){(const char *)proto->string_data[i].data, proto->string_data[i].len};
  out->data = strings;
  return true;
}

// Elements narrower than their field (int32_data for int8 and float16, uint64_data for uint32): little-endian, the low bytes.
static bool narrow(mf_arena *arena, const void *wide, size_t n, size_t wide_size, mf_tensor *out, mf_error *err) {
  size_t size = mf_type_size(out->type);
  if ((int64_t)n != mf_tensor_count(out)) return wrong_size(out, n, "elements", err);
  if (size == wide_size) return take_bytes(arena, wide, n * size, out, err);
  char *to = mf_arena_alloc_aligned(arena, n ? n * size : 1, 64);
  if (!to) return mf_out_of_arena(err);
  for (size_t i = 0; i < n; i++) memcpy(to + i * size, (const char *)wide + i * wide_size, size);
  out->data = to;
  return true;
}

static bool typed_data(mf_arena *arena, const Onnx__TensorProto *proto, mf_tensor *out, mf_error *err) {
  switch (out->type) {
    case MF_FLOAT: return narrow(arena, proto->float_data, proto->n_float_data, 4, out, err);
    case MF_DOUBLE: return narrow(arena, proto->double_data, proto->n_double_data, 8, out, err);
    case MF_INT64: return narrow(arena, proto->int64_data, proto->n_int64_data, 8, out, err);
    case MF_UINT32:
    case MF_UINT64: return narrow(arena, proto->uint64_data, proto->n_uint64_data, 8, out, err);
    default: return narrow(arena, proto->int32_data, proto->n_int32_data, 4, out, err);
  }
}

// Booleans are 0 or 1 in the engine, whatever the file says.
static void clean_booleans(mf_tensor *t) {
  uint8_t *bytes = t->data;
  for (int64_t i = 0, n = mf_tensor_count(t); i < n; i++) bytes[i] = bytes[i] != 0;
}

bool mf_onnx_tensor(mf_onnx_reader *reader, const Onnx__TensorProto *proto, mf_tensor *out, mf_error *err) {
  size_t bytes;
  *out = (mf_tensor){0};
  if (proto->segment) return mf_fail(err, MF_UnsupportedType, "tensors in segments are not supported");
  if (!tensor_shape(proto, out, &bytes, err)) return false;
  if (proto->has_data_location && proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
    if (out->type == MF_STRING) return mf_fail(err, MF_InvalidModel, "strings cannot be external data");
    if (!external_bytes(reader, proto, bytes, out, err)) return false;
  } else if (out->type == MF_STRING) {
    return string_data(reader->arena, proto, out, err);
  } else if (proto->has_raw_data) {
    if (proto->raw_data.len != bytes) return wrong_size(out, proto->raw_data.len, "bytes", err);
    if (!take_bytes(reader->arena, proto->raw_data.data, bytes, out, err)) return false;
  } else if (!typed_data(reader->arena, proto, out, err)) {
    return false;
  }
  if (out->type == MF_BOOL) clean_booleans(out);
  return true;
}

static bool not_a_tensor(const Onnx__TypeProto *proto, mf_error *err) {
  const char *what = "of an unknown kind";
  if (proto->value_case == ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE) what = "a sequence";
  if (proto->value_case == ONNX__TYPE_PROTO__VALUE_MAP_TYPE) what = "a map";
  if (proto->value_case == ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE) what = "an optional";
  if (proto->value_case == ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE) what = "a sparse tensor";
  return mf_fail(err, MF_UnsupportedType, "is %s, only dense tensors are supported", what);
}

bool mf_onnx_type(const Onnx__TypeProto *proto, mf_arena *arena, mf_tensor *out, mf_str **dim_names, mf_error *err) {
  *out = (mf_tensor){.rank = MF_RANK_UNKNOWN};
  *dim_names = NULL;
  if (!proto || proto->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET) return true;
  if (proto->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) return not_a_tensor(proto, err);
  if (proto->tensor_type->elem_type && !element_type(proto->tensor_type->elem_type, &out->type, err)) return false;
  const Onnx__TensorShapeProto *shape = proto->tensor_type->shape;
  if (!shape) return true;
  if (shape->n_dim > MF_MAX_RANK)
    return mf_fail(err, MF_UnsupportedType, "has %zu dimensions, at most %d are supported", shape->n_dim, MF_MAX_RANK);
  out->rank = (uint32_t)shape->n_dim;
  for (size_t i = 0; i < shape->n_dim; i++) {
    const Onnx__TensorShapeProto__Dimension *dim = shape->dim[i];
    // 0 and less are what exporters write for "any": ONNX Runtime takes them so too.
    bool known = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE && dim->dim_value > 0;
    out->dims[i] = known ? dim->dim_value : MF_DIM_UNKNOWN;
    if (dim->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) continue;
    if (!*dim_names && !(*dim_names = MF_NEW_ARRAY(arena, mf_str, MF_MAX_RANK))) return mf_out_of_arena(err);
    (*dim_names)[i] = mf_onnx_str(dim->dim_param);
  }
  return true;
}

bool mf_onnx_read_tensor(mf_slice bytes, mf_arena *arena, mf_tensor *out, mf_error *err) {
  mf_onnx_reader reader = {.arena = arena};
  const Onnx__TensorProto *proto = mf_onnx_unpack(&onnx__tensor_proto__descriptor, bytes, arena, err);
  return proto && mf_onnx_tensor(&reader, proto, out, err);
}

static void put_varint(mf_buf *out, uint64_t value) {
  uint8_t bytes[10];
  size_t n = 0;
  for (; value >= 128; value >>= 7) bytes[n++] = (uint8_t)(value | 128);
  bytes[n++] = (uint8_t)value;
  mf_buf_append(out, bytes, n);
}

static void put_bytes(mf_buf *out, unsigned field, const void *data, size_t len) {
  put_varint(out, field << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED);
  put_varint(out, len);
  mf_buf_append(out, data, len);
}

bool mf_onnx_write_tensor(const mf_tensor *tensor, mf_str name, mf_buf *out, mf_error *err) {
  enum { DIMS = 1, DATA_TYPE = 2, STRING_DATA = 6, NAME = 8, RAW_DATA = 9 };  // fields of TensorProto
  size_t bytes;
  if (!mf_tensor_bytes(tensor, &bytes)) return mf_fail(err, MF_Internal, "tensor '%.*s' has no shape", MF_STR_ARG(name));
  for (uint32_t i = 0; i < tensor->rank; i++) {
    put_varint(out, DIMS << 3);
    put_varint(out, (uint64_t)tensor->dims[i]);
  }
  put_varint(out, DATA_TYPE << 3);
  put_varint(out, (uint64_t)tensor->type);
  put_bytes(out, NAME, name.data, name.len);
  if (tensor->type != MF_STRING) {
    put_bytes(out, RAW_DATA, tensor->data, bytes);
  } else {
    const mf_str *strings = tensor->data;
    for (int64_t i = 0, n = mf_tensor_count(tensor); i < n; i++) put_bytes(out, STRING_DATA, strings[i].data, strings[i].len);
  }
  return !out->failed || mf_fail(err, MF_OutOfMemory, "no memory to write tensor '%.*s'", MF_STR_ARG(name));
}
