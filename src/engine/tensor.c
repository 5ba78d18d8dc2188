// Tensors: sizes, names, and conversion between half and single precision. Everything that knows how large an element is.
#include "tensor.h"

#include <inttypes.h>
#include <stdio.h>

typedef struct type_row {
  const char *name;
  size_t size;
} type_row;

static const type_row types[] = {
  [MF_TYPE_UNKNOWN] = {"?", 0},
  [MF_FLOAT] = {"float32", 4},
  [MF_UINT8] = {"uint8", 1},
  [MF_INT8] = {"int8", 1},
  [MF_UINT16] = {"uint16", 2},
  [MF_INT16] = {"int16", 2},
  [MF_INT32] = {"int32", 4},
  [MF_INT64] = {"int64", 8},
  [MF_STRING] = {"string", sizeof(mf_str)},
  [MF_BOOL] = {"bool", 1},
  [MF_FLOAT16] = {"float16", 2},
  [MF_DOUBLE] = {"float64", 8},
  [MF_UINT32] = {"uint32", 4},
  [MF_UINT64] = {"uint64", 8},
};

size_t mf_type_size(mf_type type) { return (unsigned)type < MF_COUNT(types) ? types[type].size : 0; }

const char *mf_type_name(mf_type type) { return (unsigned)type < MF_COUNT(types) ? types[type].name : "?"; }

bool mf_tensor_is_static(const mf_tensor *t) {
  if (t->type == MF_TYPE_UNKNOWN || t->rank > MF_MAX_RANK) return false;
  for (uint32_t i = 0; i < t->rank; i++)
    if (t->dims[i] < 0) return false;
  return true;
}

int64_t mf_tensor_span(const mf_tensor *t, uint32_t from, uint32_t to) {
  int64_t span = 1;
  bool overflow = false;
  for (uint32_t i = from; i < to && i < MF_MAX_RANK; i++) {
    if (t->dims[i] == 0) return 0;
    overflow |= __builtin_mul_overflow(span, t->dims[i], &span);
  }
  return overflow ? INT64_MAX : span;
}

bool mf_tensor_bytes(const mf_tensor *t, size_t *bytes) {
  if (t->rank > MF_MAX_RANK) return false;
  for (uint32_t i = 0; i < t->rank; i++)
    if (t->dims[i] < 0) return false;
  int64_t count = mf_tensor_count(t);
  // Half of the address space is more than any machine has, and keeps later additions from overflowing.
  return count != INT64_MAX && !__builtin_mul_overflow((size_t)count, mf_type_size(t->type), bytes) && *bytes <= INT64_MAX / 2;
}

bool mf_tensor_same_shape(const mf_tensor *a, const mf_tensor *b) {
  if (a->rank != b->rank || a->rank > MF_MAX_RANK) return false;
  return memcmp(a->dims, b->dims, a->rank * sizeof *a->dims) == 0;
}

const char *mf_tensor_describe(const mf_tensor *t, char *text, size_t size) {
  size_t at = (size_t)snprintf(text, size, "%s", mf_type_name(t->type));
  if (t->rank > MF_MAX_RANK) {
    snprintf(text + MF_MIN(at, size - 1), size - MF_MIN(at, size - 1), "[?]");
    return text;
  }
  for (uint32_t i = 0; i < t->rank && at < size; i++) {
    char dim[24] = "?";
    if (t->dims[i] >= 0) snprintf(dim, sizeof dim, "%" PRId64, t->dims[i]);
    at += (size_t)snprintf(text + at, size - at, "%c%s", i == 0 ? '[' : ',', dim);
  }
  if (at < size) snprintf(text + at, size - at, "%s", t->rank ? "]" : "[]");
  return text;
}

float mf_half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 1023u, bits;
  float value;
  if (exponent == 0) {  // zero and subnormal: fraction * 2^-24 is exact in single precision
    value = (float)fraction * 0x1p-24f;
    memcpy(&bits, &value, sizeof bits);
    bits |= sign;
  } else if (exponent == 31) {
    bits = sign | 0x7f800000u | fraction << 13;
  } else {
    bits = sign | (exponent + 112) << 23 | fraction << 13;
  }
  memcpy(&value, &bits, sizeof value);
  return value;
}

uint16_t mf_float_to_half(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x1ff));  // NaN stays NaN
  if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);                             // 65520 and more: infinity
  if (magnitude < 0x38800000) {  // below 2^-14: a multiple of 2^-24; adding 0.5 makes the processor round it to nearest even
    float rounded;
    memcpy(&rounded, &magnitude, sizeof rounded);
    rounded += 0.5f;
    memcpy(&bits, &rounded, sizeof bits);
    return (uint16_t)(sign | (bits - 0x3f000000));
  }
  uint32_t odd = magnitude >> 13 & 1;
  return (uint16_t)(sign | ((magnitude - 0x38000000 + 0xfff + odd) >> 13));
}
