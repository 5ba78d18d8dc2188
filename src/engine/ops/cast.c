// Cast and CastLike: every element type we support to every other. A value passes through the widest type of its kind (double,
// int64, uint64), which holds it exactly, and is rounded once on the way out. What becomes of reals that do not fit an integer ONNX leaves
// open: it is here what x86 processors and ONNX Runtime make of them.
#include "engine/kernels/kernels.h"
#include "ops.h"

#include <math.h>
#include <stdlib.h>

enum { CHUNK = 256 };
typedef enum kind { REAL, SIGNED, UNSIGNED, TEXT } kind;
typedef union chunk {
  double real[CHUNK];
  int64_t integer[CHUNK];
  uint64_t natural[CHUNK];
} chunk;

static kind kind_of(mf_type type) {
  if (type == MF_STRING) return TEXT;
  if (MF_SET_FLOATS >> type & 1) return REAL;
  return MF_SET_SIGNED >> type & 1 ? SIGNED : UNSIGNED;
}

// A double rounded to float16 in one step: to float with the last bit made sticky (round to odd), then to half.
static uint16_t double_to_half(double value) {
  float f = (float)value;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  if (isfinite(value) && isfinite(f) && (double)f != value) {
    if (fabs((double)f) > fabs(value)) bits--;
    bits |= 1;
    memcpy(&f, &bits, sizeof bits);
  }
  return mf_float_to_half(f);
}

#define LOAD(TYPE, s, T, member, wide) \
  case TYPE:                           \
    for (int64_t i = 0; i < n; i++) to->member[i] = (wide)mf_get_##s(in->data, start + i); \
    return;
static void load(const mf_tensor *in, int64_t start, int64_t n, chunk *to) {
  switch ((int)in->type) {
    MF_FLOAT_TYPES(LOAD, real, double)
    MF_SIGNED_TYPES(LOAD, integer, int64_t)
    MF_UNSIGNED_TYPES(LOAD, natural, uint64_t)
    MF_BOOL_TYPES(LOAD, natural, uint64_t)
    default: return;
  }
}

// To 32 bits where the type has no more, to 64 otherwise; what does not fit, and NaN, is the least number, of which the type's bits are taken.
static int32_t cut32(double value) { return value > INT32_MIN - 1.0 && value < -(double)INT32_MIN ? (int32_t)value : INT32_MIN; }
static int64_t cut64(double value) { return value >= (double)INT64_MIN && value < -(double)INT64_MIN ? (int64_t)value : INT64_MIN; }
static uint32_t cut_u32(double value) { return value >= 0 ? (uint32_t)cut64(value) : (uint32_t)cut32(value); }
static uint64_t cut_u64(double value) {
  if (value >= 0x1p64) return 0;
  return value >= 0x1p63 ? (uint64_t)value : (uint64_t)cut64(value);
}

#define STORE(TYPE, s, T, value) \
  case TYPE:                     \
    for (int64_t i = 0; i < n; i++) mf_put_##s(out->data, start + i, (T)(value)); \
    return;
static void store_real(const mf_tensor *out, int64_t start, int64_t n, const double *values) {
  switch ((int)out->type) {
    STORE(MF_INT8, i8, int8_t, cut32(values[i]))
    STORE(MF_INT16, i16, int16_t, cut32(values[i]))
    STORE(MF_INT32, i32, int32_t, cut32(values[i]))
    STORE(MF_INT64, i64, int64_t, cut64(values[i]))
    STORE(MF_UINT8, u8, uint8_t, cut32(values[i]))
    STORE(MF_UINT16, u16, uint16_t, cut32(values[i]))
    STORE(MF_UINT32, u32, uint32_t, cut_u32(values[i]))
    STORE(MF_UINT64, u64, uint64_t, cut_u64(values[i]))
    MF_BOOL_TYPES(STORE, values[i] != 0)
    case MF_FLOAT16:
      for (int64_t i = 0; i < n; i++)
        ((uint16_t *)out->data)[start + i] = double_to_half(values[i]);
      return;
    STORE(MF_DOUBLE, f64, double, values[i])
    STORE(MF_FLOAT, f32, float, values[i])
    default: return;
  }
}
#define DEFINE_STORE(id, wide)                                                           \
  static void id(const mf_tensor *out, int64_t start, int64_t n, const wide *values) {   \
    switch ((int)out->type) {                                                            \
      MF_NUMBER_TYPES(STORE, values[i])                                                  \
      MF_BOOL_TYPES(STORE, values[i] != 0)                                               \
      default: return;                                                                   \
    }                                                                                    \
  }
DEFINE_STORE(store_signed, int64_t)
DEFINE_STORE(store_unsigned, uint64_t)

// A number as strtod reads it ("1.5e3", "inf", "NaN"), with nothing behind it.
static bool parse_number(mf_str text, double *value, mf_error *err) {
  char copy[64], *end = copy;
  if (text.len && text.len < sizeof copy) {
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    *value = strtod(copy, &end);
  }
  if (text.len && end == copy + text.len) return true;
  return mf_fail(err, MF_InvalidInput, "cannot cast the string '%.*s' to a number",
                 (int)MF_MIN(text.len, 64), text.data ? text.data : "");
}

static bool cast_text(const mf_tensor *in, const mf_tensor *out, mf_error *err) {
  int64_t n = mf_tensor_count(in);
  for (int64_t i = 0; i < n; i++) {
    double value = 0;
    if (!parse_number(mf_get_str(in->data, i), &value, err)) return false;
    store_real(out, i, 1, &value);
  }
  return true;
}

static bool run_Cast(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  if (in->type == out->type) return mf_ops_copy_data(out, in), true;
  kind from = kind_of(in->type);
  if (from == TEXT) return cast_text(in, out, err);
  int64_t count = mf_tensor_count(in);
  for (int64_t start = 0; start < count; start += CHUNK) {
    chunk values;
    int64_t n = MF_MIN(CHUNK, count - start);
    load(in, start, n, &values);
    if (from == REAL) store_real(out, start, n, values.real);
    if (from == SIGNED) store_signed(out, start, n, values.integer);
    if (from == UNSIGNED) store_unsigned(out, start, n, values.natural);
  }
  return true;
}

static bool set_type(mf_shape_call *call, mf_type to, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  call->outputs[0].type = to;
  if (to == MF_STRING && call->inputs[0]->type && call->inputs[0]->type != MF_STRING)
    return mf_fail(err, MF_UnsupportedType, "a cast from %s to string is not supported",
                   mf_type_name(call->inputs[0]->type));
  return true;
}
static bool shape_cast(mf_shape_call *call, mf_error *err) {
  int64_t to = mf_attr_int(&call->attributes, 0);
  if (to < 0 || to > MF_UINT64 || !(MF_SET_ALL >> to & 1))
    return mf_fail(err, MF_UnsupportedType, "a cast to ONNX type %lld is not supported",
                   (long long)to);
  return set_type(call, (mf_type)to, err);
}
static bool shape_cast_like(mf_shape_call *call, mf_error *err) {
  return mf_ops_expect(call, 1, MF_SET_ALL, err) && set_type(call, call->inputs[1]->type, err);
}

// saturate and round_mode matter only for the 8-bit floats, which we do not have.
MF_REFERENCE(Cast, run_Cast);
const mf_operator mf_op_Cast = {
    "", "Cast", 6, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_cast,
    MF_ATTRIBUTES(MF_REQUIRED("to", MF_ATTR_INT), MF_INT("saturate", 1), MF_TEXT("round_mode", "up")),
    MF_KERNELS(MF_FAST(cast_half) &Cast_reference)};
const mf_operator mf_op_CastLike = {
    "", "CastLike", 15, MF_OP_ANY, 2, 2, 1, 1, .shape = shape_cast_like,
    MF_ATTRIBUTES(MF_INT("saturate", 1), MF_TEXT("round_mode", "up")), MF_KERNELS(&Cast_reference)};
