// Tensors to JSON: numbers in the shortest form that reads back the same, NaN and infinities as
// texts.
#include <math.h>

#include "tensor_json.h"

static bool room(mf_json_out *out, size_t len) {
  if (out->full || (size_t)(out->end - out->at) < len) return out->full = true, false;
  return true;
}

static void put_char(mf_json_out *out, char c) {
  if (room(out, 1)) *out->at++ = c;
}

void mf_json_put(mf_json_out *out, mf_str text) {
  if (!room(out, text.len)) return;
  memcpy(out->at, text.data, text.len);
  out->at += text.len;
}

// Bytes that are no UTF-8 cannot stand in JSON: they go as {"b64": …}, the form in which they may
// come in as well.
static void put_bytes(mf_json_out *out, mf_str bytes) {
  mf_json_put(out, MF_STR("{\"b64\":\""));
  if (!room(out, (bytes.len + 2) / 3 * 4 + 1)) return;
  out->at += mf_base64_encode((mf_slice){bytes.data, bytes.len}, out->at);
  mf_json_put(out, MF_STR("\"}"));
}

void mf_json_put_quoted(mf_json_out *out, mf_str text) {
  size_t escapes = 0;
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.data[i];
    escapes += c < 32 ? 5 : c == '"' || c == '\\';
  }
  if (room(out, text.len + escapes + 2)) out->at += mf_json_quote(text, out->at);
}

static void put_special(mf_json_out *out, double value) {
  mf_json_put(out, isnan(value) ? MF_STR("\"NaN\"")
                   : value > 0  ? MF_STR("\"Infinity\"")
                                : MF_STR("\"-Infinity\""));
}

static void put_finite_or_not(mf_json_out *out, double value, bool narrow) {
  if (!room(out, MF_NUMBER_TEXT)) return;
  if (!isfinite(value)) return put_special(out, value);
  out->at += narrow ? mf_float_text((float)value, out->at) : mf_double_text(value, out->at);
}

void mf_json_put_float(mf_json_out *out, float value) {
  put_finite_or_not(out, (double)value, true);
}

static void put_integer(mf_json_out *out, uint64_t magnitude, bool negative) {
  if (room(out, MF_NUMBER_TEXT)) out->at += mf_integer_text(magnitude, negative, out->at);
}

static void put_signed(mf_json_out *out, int64_t value) {
  put_integer(out, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0);
}

static void put_text(mf_json_out *out, mf_str text) {
  if (mf_str_is_utf8(text))
    mf_json_put_quoted(out, text);
  else
    put_bytes(out, text);
}

// One row: n elements from data, separated by commas. The type is decided once a row.
#define ROW(type, put)                            \
  for (int64_t i = 0; i < n && !out->full; i++) { \
    if (i) put_char(out, ',');                    \
    put(out, ((const type *)data)[i]);            \
  }                                               \
  return
#define PUT_HALF(out, value) mf_json_put_float(out, mf_half_to_float(value))
#define PUT_DOUBLE(out, value) put_finite_or_not(out, value, false)
#define PUT_UNSIGNED(out, value) put_integer(out, value, false)
#define PUT_BOOL(out, value) mf_json_put(out, (value) ? MF_STR("true") : MF_STR("false"))
static void put_row(mf_json_out *out, mf_type type, const void *data, int64_t n) {
  switch (type) {
    case MF_FLOAT: ROW(float, mf_json_put_float);
    case MF_DOUBLE: ROW(double, PUT_DOUBLE);
    case MF_FLOAT16: ROW(uint16_t, PUT_HALF);
    case MF_INT8: ROW(int8_t, put_signed);
    case MF_INT16: ROW(int16_t, put_signed);
    case MF_INT32: ROW(int32_t, put_signed);
    case MF_INT64: ROW(int64_t, put_signed);
    case MF_UINT8: ROW(uint8_t, PUT_UNSIGNED);
    case MF_UINT16: ROW(uint16_t, PUT_UNSIGNED);
    case MF_UINT32: ROW(uint32_t, PUT_UNSIGNED);
    case MF_UINT64: ROW(uint64_t, PUT_UNSIGNED);
    case MF_BOOL: ROW(uint8_t, PUT_BOOL);
    case MF_STRING: ROW(mf_str, put_text);
    case MF_TYPE_UNKNOWN: return;
  }
}

static const char *put_level(mf_json_out *out, const mf_tensor *t, uint32_t level, const char *data,
                             bool brackets) {
  int64_t n = level < t->rank ? t->dims[level] : 1;
  if (level < t->rank && brackets) put_char(out, '[');
  if (level + 1 >= t->rank) {
    put_row(out, t->type, data, n);
    data += (size_t)n * mf_type_size(t->type);
  } else {
    for (int64_t i = 0; i < n && !out->full; i++) {
      if (i) put_char(out, ',');
      data = put_level(out, t, level + 1, data, true);
    }
  }
  if (level < t->rank && brackets) put_char(out, ']');
  return data;
}

void mf_json_put_tensor(mf_json_out *out, const mf_tensor *tensor, bool rows_only) {
  put_level(out, tensor, 0, tensor->data, !rows_only);
}
