// Tensors in files: NumPy's .npy (NEP 1) and ONNX's .pb, and comparison of results with recorded ones.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "model_source.h"

static const char npy_magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

typedef struct npy_type {
  const char *name;
  mf_type type;
} npy_type;
static const npy_type npy_types[] = {
  {"<f4", MF_FLOAT}, {"<f8", MF_DOUBLE}, {"<f2", MF_FLOAT16}, {"|u1", MF_UINT8},  {"|i1", MF_INT8},  {"<u2", MF_UINT16}, {"<i2", MF_INT16},
  {"<u4", MF_UINT32}, {"<i4", MF_INT32}, {"<u8", MF_UINT64}, {"<i8", MF_INT64}, {"|b1", MF_BOOL},
};

// The header is the text of a Python dictionary: {'descr': '<f4', 'fortran_order': False, 'shape': (1, 3), }
static const char *after_key(const char *header, const char *key) {
  char quoted[32];
  snprintf(quoted, sizeof quoted, "'%s':", key);
  const char *at = strstr(header, quoted);
  if (!at) return NULL;
  at += strlen(quoted);
  while (*at == ' ') at++;
  return at;
}

static bool npy_shape(const char *text, mf_tensor *out, mf_error *err) {
  if (!text || *text++ != '(') return mf_fail(err, MF_InvalidInput, "its header has no shape");
  for (;;) {
    while (*text == ' ' || *text == ',') text++;
    if (*text == ')') return true;
    char *end;
    long long dim = strtoll(text, &end, 10);
    if (end == text || dim < 0) return mf_fail(err, MF_InvalidInput, "the shape in its header is no list of numbers");
    if (out->rank == MF_MAX_RANK) return mf_fail(err, MF_InvalidInput, "it has more than %d dimensions", MF_MAX_RANK);
    out->dims[out->rank++] = dim;
    text = end;
  }
}

// What a user who has numpy at hand can do about elements that no tensor of ours has ('<c8', '>f4', '<U5', a list of fields).
static bool fail_type(const char *type, mf_error *err) {
  if (type && strncmp(type, "'|O'", 4) == 0) type = "Python objects ('|O')";
  else if (type && *type == '[') type = "records of several fields";
  const char *end = type && *type != '\'' ? type + strlen(type) - 1 : type ? strchr(type + 1, '\'') : NULL;
  const bool is_short = end && end - type < 40;
  return mf_fail(err, MF_InvalidInput, "its elements are %.*s, not little-endian numbers or booleans: save array.astype('float32'), say, or strings as a .pb",
                 is_short ? (int)(end + 1 - type) : 15, is_short ? type : "something else");
}

static bool npy_header(const char *header, mf_tensor *out, mf_error *err) {
  const char *type = after_key(header, "descr"), *order = after_key(header, "fortran_order");
  *out = (mf_tensor){0};
  for (size_t i = 0; type && i < MF_COUNT(npy_types); i++)
    if (strncmp(type + 1, npy_types[i].name, 3) == 0 && type[4] == *type) out->type = npy_types[i].type;
  if (!out->type) return fail_type(type, err);
  if (!order || strncmp(order, "False", 5) != 0)
    return mf_fail(err, MF_InvalidInput, "it is in Fortran order: save numpy.ascontiguousarray(array)");
  return npy_shape(after_key(header, "shape"), out, err);
}

static bool read_npy(mf_slice bytes, mf_arena *arena, mf_tensor *out, mf_error *err) {
  const uint8_t *data = bytes.data;
  bool wide = bytes.len > 12 && data[6] >= 2;  // version 2 and 3: four bytes of length
  size_t start = wide ? 12 : 10, length = 0, size;
  if (bytes.len < start) return mf_fail(err, MF_InvalidInput, "it is cut off within its header");
  for (size_t i = start; i-- > 8;) length = length << 8 | data[i];
  if (length > bytes.len - start) return mf_fail(err, MF_InvalidInput, "it is cut off within its header");
  mf_str header = mf_str_copy(arena, (mf_str){(const char *)data + start, length});
  if (!header.data) return mf_fail(err, MF_OutOfMemory, "no memory for the .npy file");
  if (!npy_header(header.data, out, err)) return false;
  size_t have = bytes.len - start - length;
  char text[MODEL_RANK_TEXT];
  if (!mf_tensor_bytes(out, &size)) return mf_fail(err, MF_InvalidInput, "its dimensions overflow");
  if (size != have)
    return mf_fail(err, MF_InvalidInput, "it holds %zu bytes of data, and %s has %zu", have, mf_tensor_describe(out, text, sizeof text), size);
  out->data = mf_arena_alloc_aligned(arena, size ? size : 1, 64);
  if (!out->data) return mf_fail(err, MF_OutOfMemory, "no memory for the .npy file");
  memcpy(out->data, data + start + length, size);
  return true;
}

bool model_read_tensor(mf_slice bytes, mf_arena *arena, mf_tensor *out, mf_error *err) {
  if (bytes.len >= sizeof npy_magic && memcmp(bytes.data, npy_magic, sizeof npy_magic) == 0) return read_npy(bytes, arena, out, err);
  if (bytes.len >= 2 && memcmp(bytes.data, "PK", 2) == 0)
    return mf_fail(err, MF_InvalidInput, "it is a zip, a .npz perhaps: save one array with numpy.save");
  if (bytes.len == 0) return mf_fail(err, MF_InvalidInput, "it is empty; a .npy file or an ONNX tensor (.pb) is expected");
  if (mf_onnx_read_tensor(bytes, arena, out, err)) return true;
  return err->code == MF_InvalidModel ? mf_wrap(err, "no .npy file, and read as a .pb") : false;
}

bool model_write_npy(const mf_tensor *tensor, mf_buf *out, mf_error *err) {
  enum { HEADER_ALIGNMENT = 64, PREFIX = 10 };
  const char *type = NULL;
  size_t bytes;
  for (size_t i = 0; i < MF_COUNT(npy_types); i++)
    if (npy_types[i].type == tensor->type) type = npy_types[i].name;
  if (!type) return mf_fail(err, MF_UnsupportedType, "%s has no form in .npy", mf_type_name(tensor->type));
  if (!mf_tensor_bytes(tensor, &bytes)) return mf_fail(err, MF_Internal, "the tensor has no shape");
  char header[512];
  int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (", type);
  for (uint32_t i = 0; i < tensor->rank; i++) n += snprintf(header + n, sizeof header - (size_t)n, "%lld,", (long long)tensor->dims[i]);
  n += snprintf(header + n, sizeof header - (size_t)n, "), }");
  while ((PREFIX + n + 1) % HEADER_ALIGNMENT) header[n++] = ' ';
  header[n++] = '\n';
  uint8_t prefix[PREFIX] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, (uint8_t)n, (uint8_t)(n >> 8)};
  mf_buf_append(out, prefix, sizeof prefix);
  mf_buf_append(out, header, (size_t)n);
  mf_buf_append(out, tensor->data, bytes);
  return !out->failed || mf_fail(err, MF_OutOfMemory, "no memory to write the tensor");
}

static double real_at(const mf_tensor *t, int64_t i) {
  if (t->type == MF_FLOAT) return (double)((const float *)t->data)[i];
  if (t->type == MF_DOUBLE) return ((const double *)t->data)[i];
  return (double)mf_half_to_float(((const uint16_t *)t->data)[i]);
}

static bool compare_reals(const mf_tensor *actual, const mf_tensor *expected, model_tolerance tolerance, mf_error *err) {
  int64_t n = mf_tensor_count(expected), wrong = 0, worst = -1;
  double worst_excess = -1;
  for (int64_t i = 0; i < n; i++) {
    double a = real_at(actual, i), e = real_at(expected, i);
    if (a == e || (isnan(a) && isnan(e))) continue;
    double excess = fabs(a - e) - (tolerance.absolute + tolerance.relative * fabs(e));
    if (excess <= 0) continue;  // false for NaN and infinities
    wrong++;
    if (worst < 0 || excess > worst_excess || isnan(excess)) worst = i, worst_excess = excess;
  }
  if (!wrong) return true;
  return mf_fail(err, MF_InvalidModel, "%lld of %lld elements differ; element %lld is %.9g, expected %.9g", (long long)wrong, (long long)n,
                 (long long)worst, real_at(actual, worst), real_at(expected, worst));
}

static bool compare_exactly(const mf_tensor *actual, const mf_tensor *expected, mf_error *err) {
  size_t size = mf_type_size(expected->type);
  for (int64_t i = 0, n = mf_tensor_count(expected); i < n; i++) {
    const char *a = (const char *)actual->data + (size_t)i * size, *e = (const char *)expected->data + (size_t)i * size;
    bool same = expected->type == MF_STRING ? mf_str_equal(((const mf_str *)actual->data)[i], ((const mf_str *)expected->data)[i])
                                            : memcmp(a, e, size) == 0;
    int64_t x = 0, y = 0;
    if (same) continue;
    if (expected->type == MF_STRING)
      return mf_fail(err, MF_InvalidModel, "element %lld is '%.*s', expected '%.*s'", (long long)i, MF_STR_ARG(((const mf_str *)actual->data)[i]),
                     MF_STR_ARG(((const mf_str *)expected->data)[i]));
    memcpy(&x, a, size), memcpy(&y, e, size);
    return mf_fail(err, MF_InvalidModel, "element %lld is 0x%llx, expected 0x%llx", (long long)i, (unsigned long long)x, (unsigned long long)y);
  }
  return true;
}

bool model_compare(const mf_tensor *actual, const mf_tensor *expected, model_tolerance tolerance, mf_error *err) {
  if (actual->type != expected->type || !mf_tensor_same_shape(actual, expected)) {
    char have[MODEL_RANK_TEXT], want[MODEL_RANK_TEXT];
    return mf_fail(err, MF_InvalidModel, "is %s, expected %s", mf_tensor_describe(actual, have, sizeof have),
                   mf_tensor_describe(expected, want, sizeof want));
  }
  bool real = expected->type == MF_FLOAT || expected->type == MF_DOUBLE || expected->type == MF_FLOAT16;
  return real ? compare_reals(actual, expected, tolerance, err) : compare_exactly(actual, expected, err);
}
