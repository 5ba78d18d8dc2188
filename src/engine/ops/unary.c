// Operators of one input that change each element by itself. Real functions are computed in double, whatever the type, so that
// the reference is right to the last bit of float; integers have loops of their own. Faster kernels go in front: they are the
// last arguments of a row's macro, best first.
#include "engine/kernels/kernels.h"
#include "ops.h"

#include <math.h>

// ---- real functions ----
typedef double real_function(double x, const mf_attributes *a);

static bool map_real(mf_kernel_call *call, real_function *f, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  const mf_tensor *out = call->outputs[0];
  int64_t n = mf_tensor_count(in);
  switch ((int)in->type) {
#define MAP(TYPE, s, T, ...)                                                           \
  case TYPE:                                                                           \
    for (int64_t i = 0; i < n; i++)                                                    \
      mf_put_##s(out->data, i, (T)f((double)mf_get_##s(in->data, i), &call->attributes)); \
    return true;
    MF_FLOAT_TYPES(MAP, )
    default: return mf_ops_unsupported_type(in->type, err);
  }
}

MF_SHAPE_ALIKE(shape_real, MF_SET_FLOATS)

#define REAL_FUNCTION(id, expression)                                                    \
  static double f_##id(double x, const mf_attributes *a) { return (void)a, (expression); } \
  static bool run_##id(mf_kernel_call *call, mf_error *err) { return map_real(call, f_##id, err); } \
  MF_REFERENCE(id, run_##id)
#define UNARY_ROW(id, opset, shape_function, ...) \
  "", #id, opset, MF_OP_ANY, 1, 1, 1, 1, 0, MF_OP_INPLACE, .shape = shape_function, \
  MF_KERNELS(__VA_ARGS__ &id##_reference)
// REAL(operator, first opset, f(x), faster kernels)
#define REAL(id, opset, expression, ...) \
  REAL_FUNCTION(id, expression);         \
  const mf_operator mf_op_##id = {UNARY_ROW(id, opset, shape_real, __VA_ARGS__)};

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double clamp01(double x) { return x < 0 ? 0 : x > 1 ? 1 : x; }

REAL(Exp, 1, exp(x), MF_FAST(exp_f32))
REAL(Log, 1, log(x))
REAL(Sqrt, 1, sqrt(x), MF_FAST(sqrt_f32))
REAL(Erf, 9, erf(x), MF_FAST(erf_f32))
REAL(Reciprocal, 1, 1 / x)
REAL(Tanh, 1, tanh(x), MF_FAST(tanh_f32))
REAL(Sigmoid, 1, sigmoid(x), MF_FAST(sigmoid_f32))
REAL(Floor, 1, floor(x))
REAL(Ceil, 1, ceil(x))
REAL(Round, 11, rint(x))  // the default rounding: half to even
REAL(Sin, 7, sin(x))
REAL(Cos, 7, cos(x))
REAL(Tan, 7, tan(x))
REAL(Asin, 7, asin(x))
REAL(Acos, 7, acos(x))
REAL(Atan, 7, atan(x))
REAL(Sinh, 9, sinh(x))
REAL(Cosh, 9, cosh(x))
REAL(Asinh, 9, asinh(x))
REAL(Acosh, 9, acosh(x))
REAL(Atanh, 9, atanh(x))
REAL(Softplus, 1, softplus(x))
REAL(Softsign, 1, x / (1 + fabs(x)))
REAL(HardSwish, 14, x * clamp01(x / 6 + 0.5))
REAL(Mish, 18, x * tanh(softplus(x)))

// ---- real functions with parameters ----
static double parameter(const mf_attributes *a, uint32_t at) { return (double)mf_attr_float(a, at); }
#define P0 parameter(a, 0)
#define P1 parameter(a, 1)

REAL_FUNCTION(HardSigmoid, isnan(x) ? x : clamp01(P0 * x + P1));
const mf_operator mf_op_HardSigmoid = {UNARY_ROW(HardSigmoid, 1, shape_real),
                                       MF_ATTRIBUTES(MF_REAL("alpha", 0.2f), MF_REAL("beta", 0.5f))};
REAL_FUNCTION(LeakyRelu, x < 0 ? P0 * x : x);
const mf_operator mf_op_LeakyRelu = {UNARY_ROW(LeakyRelu, 1, shape_real),
                                     MF_ATTRIBUTES(MF_REAL("alpha", 0.01f))};
REAL_FUNCTION(Elu, x < 0 ? P0 * expm1(x) : x);
const mf_operator mf_op_Elu = {UNARY_ROW(Elu, 1, shape_real), MF_ATTRIBUTES(MF_REAL("alpha", 1.0f))};
REAL_FUNCTION(Selu, P1 * (x > 0 ? x : P0 *expm1(x)));
const mf_operator mf_op_Selu = {
    UNARY_ROW(Selu, 6, shape_real),
    MF_ATTRIBUTES(MF_REAL("alpha", 1.67326319217681884765625f),
                  MF_REAL("gamma", 1.05070102214813232421875f))};
REAL_FUNCTION(Celu, x < 0 ? P0 * expm1(x / P0) : x);
const mf_operator mf_op_Celu = {UNARY_ROW(Celu, 12, shape_real),
                                MF_ATTRIBUTES(MF_REAL("alpha", 1.0f))};
REAL_FUNCTION(ThresholdedRelu, x > P0 ? x : isnan(x) ? x : 0);
const mf_operator mf_op_ThresholdedRelu = {UNARY_ROW(ThresholdedRelu, 10, shape_real),
                                           MF_ATTRIBUTES(MF_REAL("alpha", 1.0f))};
REAL_FUNCTION(Swish, x *sigmoid(P0 *x));
const mf_operator mf_op_Swish = {UNARY_ROW(Swish, 24, shape_real),
                                 MF_ATTRIBUTES(MF_REAL("alpha", 1.0f))};

static double gelu_exact(double x) { return 0.5 * x * (1 + erf(x * M_SQRT1_2)); }
static double gelu_tanh(double x) {
  return 0.5 * x * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x)));
}
static bool shape_gelu(mf_shape_call *call, mf_error *err) {
  mf_str how = mf_attr_str(&call->attributes, 0);
  if (!mf_str_is(how, "none") && !mf_str_is(how, "tanh"))
    return mf_fail(err, MF_InvalidModel, "approximate is '%.*s', expected 'none' or 'tanh'",
                   MF_STR_ARG(how));
  return shape_real(call, err);
}
REAL_FUNCTION(Gelu, mf_str_is(mf_attr_str(a, 0), "tanh") ? gelu_tanh(x) : gelu_exact(x));
const mf_operator mf_op_Gelu = {UNARY_ROW(Gelu, 20, shape_gelu),
                                MF_ATTRIBUTES(MF_TEXT("approximate", "none"))};

// ---- numbers of any type ----
#define NUMBER_CASE(TYPE, s, T, expression)                        \
  case TYPE:                                                       \
    for (int64_t i = 0; i < n; i++) {                              \
      const T x = mf_get_##s(in->data, i);                         \
      mf_put_##s(out->data, i, (T)(expression));                   \
    }                                                              \
    return true;
#define NUMBER_FUNCTION(id, cases)                                 \
  static bool run_##id(mf_kernel_call *call, mf_error *err) {      \
    const mf_tensor *in = call->inputs[0], *out = call->outputs[0]; \
    const int64_t n = mf_tensor_count(in);                         \
    switch ((int)in->type) {                                       \
      cases                                                        \
      default: return mf_ops_unsupported_type(in->type, err);      \
    }                                                              \
  }                                                                \
  MF_REFERENCE(id, run_##id)

MF_SHAPE_ALIKE(shape_number, MF_SET_NUMBERS)
MF_SHAPE_ALIKE(shape_signed, MF_SET_FLOATS | MF_SET_SIGNED)
MF_SHAPE_ALIKE(shape_integer, MF_SET_INTEGERS)
MF_SHAPE_ALIKE(shape_bool, MF_SET_BOOL)

// Negation goes through uint64_t: -INT64_MIN wraps, as in numpy, instead of being undefined.
NUMBER_FUNCTION(Neg, MF_FLOAT_TYPES(NUMBER_CASE, -x) MF_SIGNED_TYPES(NUMBER_CASE, 0 - (uint64_t)x));
NUMBER_FUNCTION(Abs, MF_FLOAT_TYPES(NUMBER_CASE, fabs((double)x))
                         MF_SIGNED_TYPES(NUMBER_CASE, x < 0 ? 0 - (uint64_t)x : (uint64_t)x)
                             MF_UNSIGNED_TYPES(NUMBER_CASE, x));
NUMBER_FUNCTION(Sign, MF_FLOAT_TYPES(NUMBER_CASE, x > 0 ? 1 : x < 0 ? -1 : x)
                          MF_SIGNED_TYPES(NUMBER_CASE, (x > 0) - (x < 0))
                              MF_UNSIGNED_TYPES(NUMBER_CASE, x > 0));
NUMBER_FUNCTION(Relu, MF_FLOAT_TYPES(NUMBER_CASE, x < 0 ? 0 : x)
                          MF_SIGNED_TYPES(NUMBER_CASE, x < 0 ? 0 : x));
NUMBER_FUNCTION(BitwiseNot, MF_INTEGER_TYPES(NUMBER_CASE, ~x));
NUMBER_FUNCTION(Not, MF_BOOL_TYPES(NUMBER_CASE, !x));
const mf_operator mf_op_Neg = {UNARY_ROW(Neg, 1, shape_signed)};
const mf_operator mf_op_Abs = {UNARY_ROW(Abs, 1, shape_number)};
const mf_operator mf_op_Sign = {UNARY_ROW(Sign, 9, shape_number)};
const mf_operator mf_op_Relu = {UNARY_ROW(Relu, 1, shape_signed, MF_FAST(relu_f32))};
const mf_operator mf_op_BitwiseNot = {UNARY_ROW(BitwiseNot, 18, shape_integer)};
const mf_operator mf_op_Not = {UNARY_ROW(Not, 1, shape_bool)};

#define LAMBD ((double)mf_attr_float(&call->attributes, 0))
#define BIAS ((double)mf_attr_float(&call->attributes, 1))
NUMBER_FUNCTION(Shrink, MF_NUMBER_TYPES(NUMBER_CASE, (double)x < -LAMBD  ? (double)x + BIAS
                                                     : (double)x > LAMBD ? (double)x - BIAS
                                                                         : 0));
const mf_operator mf_op_Shrink = {UNARY_ROW(Shrink, 9, shape_number),
                                  MF_ATTRIBUTES(MF_REAL("lambd", 0.5f), MF_REAL("bias", 0.0f))};

// ---- questions about numbers ----
#define QUESTION_CASE(TYPE, s, T, expression)                      \
  case TYPE:                                                       \
    for (int64_t i = 0; i < n; i++) {                              \
      const T x = mf_get_##s(in->data, i);                         \
      mf_put_b8(out->data, i, (uint8_t)((expression) ? 1 : 0));               \
    }                                                              \
    return true;

static bool shape_question(mf_shape_call *call, mf_error *err) {
  if (!shape_real(call, err)) return false;
  call->outputs[0].type = MF_BOOL;
  return true;
}
NUMBER_FUNCTION(IsNaN, MF_FLOAT_TYPES(QUESTION_CASE, isnan(x)));
NUMBER_FUNCTION(IsInf,
                MF_FLOAT_TYPES(QUESTION_CASE,
                               isinf(x) && mf_attr_int(&call->attributes, x < 0 ? 0 : 1) != 0));
const mf_operator mf_op_IsNaN = {UNARY_ROW(IsNaN, 9, shape_question)};
const mf_operator mf_op_IsInf = {
    UNARY_ROW(IsInf, 10, shape_question),
    MF_ATTRIBUTES(MF_INT("detect_negative", 1), MF_INT("detect_positive", 1))};
