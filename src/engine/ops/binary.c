// Operators of two inputs with broadcasting: arithmetic, comparison, logic, bits. Each is a list of row loops by element type;
// run_rows walks over the broadcast shape and calls the loop of the type. Faster kernels are the last arguments of a row's macro.
#include "broadcast.h"
#include "engine/kernels/kernels.h"

#include <math.h>

typedef void row_loop(void *out, const void *a, int64_t a_step, const void *b, int64_t b_step,
                      int64_t n);

// Element offsets are turned into addresses here, so that loops begin at 0.
static bool run_rows(mf_kernel_call *call, row_loop *const loops[], mf_error *err) {
  const mf_tensor *a = call->inputs[0], *b = call->inputs[1], *out = call->outputs[0];
  row_loop *loop = loops[a->type];
  if (!loop) return mf_ops_unsupported_type(a->type, err);
  size_t in_size = mf_type_size(a->type), out_size = mf_type_size(out->type);
  mf_walk walk;
  mf_walk_broadcast(&walk, out, call->inputs, 2);
  for (bool more = mf_walk_start(&walk); more; more = mf_walk_next(&walk))
    loop(mf_ops_at(out, walk.at[0], out_size), mf_ops_at(a, walk.at[1], in_size), walk.step[1],
         mf_ops_at(b, walk.at[2], in_size), walk.step[2], walk.length);
  return true;
}

static bool shape_two(mf_shape_call *call, uint32_t set, mf_error *err) {
  if (!mf_ops_expect(call, 0, set, err) || !mf_ops_expect(call, 1, set, err) ||
      !mf_ops_expect_same(call, 1, 0, err))
    return false;
  mf_type type = call->inputs[0]->type;
  call->outputs[0].type = type ? type : call->inputs[1]->type;
  return mf_broadcast_shape(call->inputs, 2, &call->outputs[0], err);
}
static bool shape_numbers(mf_shape_call *call, mf_error *err) {
  return shape_two(call, MF_SET_NUMBERS, err);
}
static bool shape_bools(mf_shape_call *call, mf_error *err) {
  return shape_two(call, MF_SET_BOOL, err);
}
static bool shape_integers(mf_shape_call *call, mf_error *err) {
  return shape_two(call, MF_SET_INTEGERS, err);
}
static bool shape_compare(mf_shape_call *call, mf_error *err) {
  if (!shape_two(call, MF_SET_NUMBERS, err)) return false;
  call->outputs[0].type = MF_BOOL;
  return true;
}
static bool shape_equal(mf_shape_call *call, mf_error *err) {
  if (!shape_two(call, MF_SET_ALL, err)) return false;
  call->outputs[0].type = MF_BOOL;
  return true;
}

// ROW_LOOP: T from T and T. COMPARE_LOOP: bool from T and T.
#define ROW_LOOP(TYPE, s, T, id, expression)                                               \
  static void id##_##s(void *out, const void *a, int64_t a_step, const void *b,            \
                       int64_t b_step, int64_t n) {                                        \
    for (int64_t i = 0; i < n; i++) {                                                      \
      const T x = mf_get_##s(a, i * a_step), y = mf_get_##s(b, i * b_step);                \
      mf_put_##s(out, i, (T)(expression));                                                 \
    }                                                                                      \
  }
#define COMPARE_LOOP(TYPE, s, T, id, expression)                                           \
  static void id##_##s(void *out, const void *a, int64_t a_step, const void *b,            \
                       int64_t b_step, int64_t n) {                                        \
    for (int64_t i = 0; i < n; i++) {                                                      \
      const T x = mf_get_##s(a, i * a_step), y = mf_get_##s(b, i * b_step);                \
      mf_put_b8(out, i, (uint8_t)((expression) ? 1 : 0));                                             \
    }                                                                                      \
  }
#define LISTED(TYPE, s, T, id) [TYPE] = id##_##s,
#define RUN(id, loops) \
  static bool run_##id(mf_kernel_call *call, mf_error *err) { return run_rows(call, loops, err); } \
  MF_REFERENCE(id, run_##id)
#define BINARY_ROW(id, opset, shape_function, ...)                                       \
  "", #id, opset, MF_OP_ANY, 2, 2, 1, 1, 0, MF_OP_INPLACE, .shape = shape_function,      \
      MF_KERNELS(__VA_ARGS__ &id##_reference)

// ---- arithmetic ----
// Integers are computed modulo 2^64 and cut: they wrap as numpy's do, without C's undefined overflow.
#define ARITHMETIC(id, opset, float_expression, integer_expression, ...)             \
  MF_FLOAT_TYPES(ROW_LOOP, id, float_expression)                                     \
  MF_INTEGER_TYPES(ROW_LOOP, id, integer_expression)                                 \
  static row_loop *const loops_##id[MF_UINT64 + 1] = {MF_NUMBER_TYPES(LISTED, id)};  \
  RUN(id, loops_##id);                                                               \
  const mf_operator mf_op_##id = {BINARY_ROW(id, opset, shape_numbers, __VA_ARGS__)};

ARITHMETIC(Add, 7, x + y, (uint64_t)x + (uint64_t)y, MF_FAST(add_f32))
ARITHMETIC(Sub, 7, x - y, (uint64_t)x - (uint64_t)y, MF_FAST(sub_f32))
ARITHMETIC(Mul, 7, x *y, (uint64_t)x *(uint64_t)y, MF_FAST(mul_f32))

// PRelu: the second input is the slope of what is negative, so unsigned numbers stay as they are.
MF_FLOAT_TYPES(ROW_LOOP, PRelu, x < 0 ? y * x : x)
MF_SIGNED_TYPES(ROW_LOOP, PRelu, x < 0 ? (uint64_t)x * (uint64_t)y : (uint64_t)x)
MF_UNSIGNED_TYPES(ROW_LOOP, PRelu, ((void)y, x))
static row_loop *const loops_PRelu[MF_UINT64 + 1] = {MF_NUMBER_TYPES(LISTED, PRelu)};
RUN(PRelu, loops_PRelu);
const mf_operator mf_op_PRelu = {BINARY_ROW(PRelu, 7, shape_numbers)};

// A divisor of 0 is refused before any loop runs; x / -1 is written as a negation since INT_MIN / -1 traps.
static bool check_divisor(const mf_tensor *b, mf_error *err) {
  if (MF_SET_FLOATS >> b->type & 1) return true;
  int64_t n = mf_tensor_count(b);
  for (int64_t i = 0; i < n; i++)
    if (mf_ops_get_int(b, i) == 0)
      return mf_fail(err, MF_InvalidInput, "integer division by zero (element %lld of input 1)",
                     (long long)i);
  return true;
}
MF_FLOAT_TYPES(ROW_LOOP, divide, x / y)
MF_SIGNED_TYPES(ROW_LOOP, divide, y == -1 ? 0 - (uint64_t)x : (uint64_t)(x / y))
MF_UNSIGNED_TYPES(ROW_LOOP, divide, x / y)
static row_loop *const loops_divide[MF_UINT64 + 1] = {MF_NUMBER_TYPES(LISTED, divide)};
static bool run_Div(mf_kernel_call *call, mf_error *err) {
  return check_divisor(call->inputs[1], err) && run_rows(call, loops_divide, err);
}
MF_REFERENCE(Div, run_Div);
const mf_operator mf_op_Div = {BINARY_ROW(Div, 7, shape_numbers, MF_FAST(div_f32))};

// Mod: the sign of the divisor as in Python, or with fmod = 1 that of the dividend as in C.
#define FLOORED(r, y) ((r) != 0 && ((r) < 0) != ((y) < 0) ? (r) + (y) : (r))
static double floored_fmod(double x, double y) {
  double r = fmod(x, y);
  return FLOORED(r, y);
}
static int64_t floored_mod(int64_t x, int64_t y) {
  if (y == -1) return 0;
  int64_t r = x % y;
  return FLOORED(r, y);
}
MF_FLOAT_TYPES(ROW_LOOP, modulo, floored_fmod((double)x, (double)y))
MF_SIGNED_TYPES(ROW_LOOP, modulo, floored_mod(x, y))
MF_UNSIGNED_TYPES(ROW_LOOP, modulo, x % y)
MF_FLOAT_TYPES(ROW_LOOP, remainder, fmod((double)x, (double)y))
MF_SIGNED_TYPES(ROW_LOOP, remainder, y == -1 ? 0 : x % y)
MF_UNSIGNED_TYPES(ROW_LOOP, remainder, x % y)
static row_loop *const loops_modulo[MF_UINT64 + 1] = {MF_NUMBER_TYPES(LISTED, modulo)};
static row_loop *const loops_remainder[MF_UINT64 + 1] = {MF_NUMBER_TYPES(LISTED, remainder)};
static bool run_Mod(mf_kernel_call *call, mf_error *err) {
  bool as_c = mf_attr_int(&call->attributes, 0) != 0;
  return check_divisor(call->inputs[1], err) &&
         run_rows(call, as_c ? loops_remainder : loops_modulo, err);
}
MF_REFERENCE(Mod, run_Mod);
const mf_operator mf_op_Mod = {BINARY_ROW(Mod, 10, shape_numbers),
                               MF_ATTRIBUTES(MF_INT("fmod", 0))};

// ---- comparison ----
#define COMPARISON(id, opset, operator_sign, ...)                                         \
  MF_NUMBER_TYPES(COMPARE_LOOP, id, x operator_sign y)                                    \
  static row_loop *const loops_##id[MF_UINT64 + 1] = {MF_NUMBER_TYPES(LISTED, id)};       \
  RUN(id, loops_##id);                                                                    \
  const mf_operator mf_op_##id = {BINARY_ROW(id, opset, shape_compare, __VA_ARGS__)};

COMPARISON(Less, 7, <)
COMPARISON(Greater, 7, >)
COMPARISON(LessOrEqual, 12, <=)
COMPARISON(GreaterOrEqual, 12, >=)

MF_NUMBER_TYPES(COMPARE_LOOP, equal, x == y)
MF_BOOL_TYPES(COMPARE_LOOP, equal, x == y)
COMPARE_LOOP(MF_STRING, str, mf_str, equal, mf_str_equal(x, y))
static row_loop *const loops_equal[MF_UINT64 + 1] = {
    MF_NUMBER_TYPES(LISTED, equal) MF_BOOL_TYPES(LISTED, equal)[MF_STRING] = equal_str};
RUN(Equal, loops_equal);
const mf_operator mf_op_Equal = {BINARY_ROW(Equal, 7, shape_equal)};

// ---- logic and bits ----
#define LOGIC(id, expression)                                                     \
  MF_BOOL_TYPES(ROW_LOOP, id, expression)                                         \
  static row_loop *const loops_##id[MF_UINT64 + 1] = {MF_BOOL_TYPES(LISTED, id)}; \
  RUN(id, loops_##id);                                                            \
  const mf_operator mf_op_##id = {BINARY_ROW(id, 7, shape_bools)};

LOGIC(And, x &&y)
LOGIC(Or, x || y)
LOGIC(Xor, !x != !y)

#define BITWISE(id, operator_sign)                                                   \
  MF_INTEGER_TYPES(ROW_LOOP, id, x operator_sign y)                                  \
  static row_loop *const loops_##id[MF_UINT64 + 1] = {MF_INTEGER_TYPES(LISTED, id)}; \
  RUN(id, loops_##id);                                                               \
  const mf_operator mf_op_##id = {BINARY_ROW(id, 18, shape_integers)};

BITWISE(BitwiseAnd, &)
BITWISE(BitwiseOr, |)
BITWISE(BitwiseXor, ^)

// Shifting by the width or more gives 0 (C leaves it undefined).
MF_UNSIGNED_TYPES(ROW_LOOP, shift_left, y < 8 * sizeof x ? (uint64_t)x << y : 0)
MF_UNSIGNED_TYPES(ROW_LOOP, shift_right, y < 8 * sizeof x ? (uint64_t)x >> y : 0)
static row_loop *const loops_shift_left[MF_UINT64 + 1] = {MF_UNSIGNED_TYPES(LISTED, shift_left)};
static row_loop *const loops_shift_right[MF_UINT64 + 1] = {MF_UNSIGNED_TYPES(LISTED, shift_right)};
static bool shape_shift(mf_shape_call *call, mf_error *err) {
  mf_str direction = mf_attr_str(&call->attributes, 0);
  if (!mf_str_is(direction, "LEFT") && !mf_str_is(direction, "RIGHT"))
    return mf_fail(err, MF_InvalidModel, "direction is '%.*s', expected 'LEFT' or 'RIGHT'",
                   MF_STR_ARG(direction));
  return shape_two(call, MF_SET_UNSIGNED, err);
}
static bool run_BitShift(mf_kernel_call *call, mf_error *err) {
  bool left = mf_str_is(mf_attr_str(&call->attributes, 0), "LEFT");
  return run_rows(call, left ? loops_shift_left : loops_shift_right, err);
}
MF_REFERENCE(BitShift, run_BitShift);
const mf_operator mf_op_BitShift = {BINARY_ROW(BitShift, 11, shape_shift),
                                    MF_ATTRIBUTES(MF_REQUIRED("direction", MF_ATTR_STRING))};

// ---- power: the exponent may have a type of its own ----
static bool shape_pow(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS, err) || !mf_ops_expect(call, 1, MF_SET_NUMBERS, err))
    return false;
  call->outputs[0].type = call->inputs[0]->type;
  return mf_broadcast_shape(call->inputs, 2, &call->outputs[0], err);
}

// Modulo 2^64; a negative exponent leaves what the division truncates to.
static int64_t integer_pow(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t power = 1, square = (uint64_t)base;
  for (; exponent; exponent >>= 1, square *= square)
    if (exponent & 1) power *= square;
  return (int64_t)power;
}
#define STORE_INT(TYPE, s, T, ...) \
  case TYPE: mf_put_##s(out->data, at, (T)value); return;
static void store_int(const mf_tensor *out, int64_t at, int64_t value) {
  switch ((int)out->type) {
    MF_INTEGER_TYPES(STORE_INT, )
    default: return;
  }
}
static void pow_element(const mf_tensor *out, int64_t at, const mf_tensor *base, int64_t i,
                        const mf_tensor *exponent, int64_t j) {
  if (MF_SET_FLOATS >> base->type & 1)
    mf_ops_put_double(out, at, pow(mf_ops_get_double(base, i), mf_ops_get_double(exponent, j)));
  else if (MF_SET_FLOATS >> exponent->type & 1)
    store_int(out, at,
              mf_ops_to_int(pow(mf_ops_get_double(base, i), mf_ops_get_double(exponent, j))));
  else
    store_int(out, at, integer_pow(mf_ops_get_int(base, i), mf_ops_get_int(exponent, j)));
}
static bool run_Pow(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *out = call->outputs[0];
  mf_walk walk;
  mf_walk_broadcast(&walk, out, call->inputs, 2);
  for (bool more = mf_walk_start(&walk); more; more = mf_walk_next(&walk))
    for (int64_t i = 0; i < walk.length; i++)
      pow_element(out, walk.at[0] + i, call->inputs[0], walk.at[1] + i * walk.step[1],
                  call->inputs[1], walk.at[2] + i * walk.step[2]);
  return true;
}
MF_REFERENCE(Pow, run_Pow);
const mf_operator mf_op_Pow = {BINARY_ROW(Pow, 7, shape_pow, MF_FAST(pow_f32))};
