// The tensor operators where the standard leaves room for mistakes and its own tests are thin: integer overflow, division, NaN,
// rounding, empty reductions, versions of one operator, shapes that are known in part, and what the errors say. Expected values
// are numpy's (1.24), written down.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "runner.h"

#define OPERATOR(name) extern const mf_operator mf_op_##name;
#include "engine/ops/tensor.def"
#undef OPERATOR

// ---- a node from a few words ----
typedef struct world {
  runner_node node;
  mf_attribute attributes[16];
  mf_tensor tensors[8], outputs[8];
  mf_error err;
} world;

#define TENSOR(TYPE, T, ...) \
  (mf_tensor){.type = TYPE, .rank = 1, .dims = {(int64_t)(sizeof((T[]){__VA_ARGS__}) / sizeof(T))}, .data = (T[]){__VA_ARGS__}}
#define FLOATS(...) TENSOR(MF_FLOAT, float, __VA_ARGS__)
#define DOUBLES(...) TENSOR(MF_DOUBLE, double, __VA_ARGS__)
#define INT64S(...) TENSOR(MF_INT64, int64_t, __VA_ARGS__)
#define INT32S(...) TENSOR(MF_INT32, int32_t, __VA_ARGS__)
#define INT8S(...) TENSOR(MF_INT8, int8_t, __VA_ARGS__)
#define BYTES(...) TENSOR(MF_UINT8, uint8_t, __VA_ARGS__)
#define BOOLS(...) TENSOR(MF_BOOL, uint8_t, __VA_ARGS__)

static mf_tensor shaped(mf_tensor t, uint32_t rank, int64_t a, int64_t b, int64_t c) {
  t.rank = rank;
  t.dims[0] = rank > 0 ? a : 0;
  t.dims[1] = rank > 1 ? b : 0;
  t.dims[2] = rank > 2 ? c : 0;
  return t;
}
static void begin(world *w, const mf_operator *op) {
  *w = (world){.node = {.op = op, .opset = op->until < 0 ? op->since : op->until, .n_outputs = (uint32_t)op->min_outputs}};
  for (uint32_t i = 0; i < op->n_attributes; i++) w->attributes[i] = op->attributes[i].fallback;
  w->node.attributes = w->attributes;
}
static void input(world *w, mf_tensor t) {
  uint32_t at = w->node.n_inputs++;
  w->tensors[at] = t;
  w->node.inputs[at] = &w->tensors[at];
}
static uint32_t attribute_named(const mf_operator *op, const char *name) {
  for (uint32_t i = 0; i < op->n_attributes; i++)
    if (strcmp(op->attributes[i].name, name) == 0) return i;
  fail_msg("%s has no attribute %s", op->name, name);
  return 0;
}
static void set_int(world *w, const char *name, int64_t value) {
  w->attributes[attribute_named(w->node.op, name)] = (mf_attribute){.type = MF_ATTR_INT, .count = 1, .i = value};
}
static void set_ints(world *w, const char *name, const int64_t *values, uint32_t n) {
  w->attributes[attribute_named(w->node.op, name)] = (mf_attribute){.type = MF_ATTR_INTS, .count = n, .offset = (uint64_t)(uintptr_t)values};
}
static void set_text(world *w, const char *name, const char *text) {
  w->attributes[attribute_named(w->node.op, name)] =
      (mf_attribute){.type = MF_ATTR_STRING, .count = (uint32_t)strlen(text), .offset = (uint64_t)(uintptr_t)text};
}

static void expect(world *w, mf_tensor expected) {
  if (!runner_run(&w->node, w->outputs, &w->err)) fail_msg("%s: %s", w->node.op->name, w->err.message);
  if (!runner_same(&w->outputs[0], &expected, 1e-6, 1e-9, &w->err)) fail_msg("%s: %s", w->node.op->name, w->err.message);
  if (!runner_check_partial(&w->node, w->outputs, &w->err)) fail_msg("%s: %s", w->node.op->name, w->err.message);
  runner_free(w->outputs, w->node.n_outputs);
}
static void expect_failure(world *w, mf_code code, const char *part) {
  bool done = runner_run(&w->node, w->outputs, &w->err);
  if (done) fail_msg("%s: done, expected a failure with '%s'", w->node.op->name, part);
  if (w->err.code != code || !strstr(w->err.message, part))
    fail_msg("%s: %s '%s', expected %s with '%s'", w->node.op->name, mf_code_name(w->err.code), w->err.message, mf_code_name(code), part);
  runner_free(w->outputs, w->node.n_outputs);
}
static void expect_two(const mf_operator *op, mf_tensor a, mf_tensor b, mf_tensor expected) {
  world w;
  begin(&w, op);
  input(&w, a);
  input(&w, b);
  expect(&w, expected);
}
static void expect_one(const mf_operator *op, mf_tensor a, mf_tensor expected) {
  world w;
  begin(&w, op);
  input(&w, a);
  expect(&w, expected);
}
static void expect_shape(world *w, const char *expected) {
  char text[200];
  if (!runner_shape(&w->node, w->outputs, &w->err)) fail_msg("%s: %s", w->node.op->name, w->err.message);
  assert_string_equal(mf_tensor_describe(&w->outputs[0], text, sizeof text), expected);
}

// ---- arithmetic ----
static void integers_wrap_around(void **state) {
  (void)state;
  expect_two(&mf_op_Add, INT32S(INT32_MAX, INT32_MIN), INT32S(1, -1), INT32S(INT32_MIN, INT32_MAX));
  expect_two(&mf_op_Mul, INT64S(INT64_MIN, INT64_C(1) << 62), INT64S(-1, 4), INT64S(INT64_MIN, 0));
  expect_two(&mf_op_Sub, BYTES(3, 200), BYTES(5, 100), BYTES(254, 100));
  expect_one(&mf_op_Neg, INT8S(-128, 127), INT8S(-128, -127));
  expect_one(&mf_op_Abs, INT8S(-128, -1), INT8S(-128, 1));
}
static void integer_division_cuts_and_refuses_zero(void **state) {
  (void)state;
  expect_two(&mf_op_Div, INT32S(-7, 7, INT32_MIN), INT32S(2, -2, -1), INT32S(-3, -3, INT32_MIN));
  expect_two(&mf_op_Div, INT64S(INT64_MIN), INT64S(-1), INT64S(INT64_MIN));
  expect_two(&mf_op_Div, FLOATS(1, -1), FLOATS(0), FLOATS(INFINITY, -INFINITY));
  world w;
  begin(&w, &mf_op_Div);
  input(&w, INT32S(1, 2));
  input(&w, INT32S(1, 0));
  expect_failure(&w, MF_InvalidInput, "integer division by zero (element 1");
}
static void modulo_has_the_sign_of_the_divisor_and_fmod_that_of_the_dividend(void **state) {
  (void)state;
  expect_two(&mf_op_Mod, INT32S(-4, 7, 5, 4, -7, 8), INT32S(2, -3, 8, -2, 3, 5), INT32S(0, -2, 5, 0, 2, 3));
  expect_two(&mf_op_Mod, INT64S(INT64_MIN), INT64S(-1), INT64S(0));
  world w;
  begin(&w, &mf_op_Mod);
  set_int(&w, "fmod", 1);
  input(&w, FLOATS(-4.5f, 7.25f, 5, 4.5f, -7.25f, 8));
  input(&w, FLOATS(2, -3, 8, -2, 3, 5));
  expect(&w, FLOATS(-0.5f, 1.25f, 5, 0.5f, -1.25f, 3));
}
static void powers_take_an_exponent_of_another_type(void **state) {
  (void)state;
  expect_two(&mf_op_Pow, INT64S(3, -3, 2, 0), INT32S(3, 3, 62, 0), INT64S(27, -27, INT64_C(1) << 62, 1));
  expect_two(&mf_op_Pow, INT64S(2, 1, -1), INT64S(-1, -5, -3), INT64S(0, 1, -1));
  expect_two(&mf_op_Pow, FLOATS(2, 9), INT64S(-1, 2), FLOATS(0.5f, 81));
  expect_two(&mf_op_Pow, INT32S(4, 8), FLOATS(0.5f, 2), INT32S(2, 64));
}
static void nan_wins_in_minimum_and_maximum(void **state) {
  (void)state;
  expect_two(&mf_op_Max, FLOATS(NAN, 1, 2), FLOATS(1, NAN, 3), FLOATS(NAN, NAN, 3));
  expect_two(&mf_op_Min, FLOATS(NAN, 1, 2), FLOATS(1, NAN, 3), FLOATS(NAN, NAN, 2));
  expect_one(&mf_op_Relu, FLOATS(NAN, -1, 2), FLOATS(NAN, 0, 2));
  world w;
  begin(&w, &mf_op_Clip);
  input(&w, FLOATS(NAN, -5, 5));
  input(&w, shaped(FLOATS(-1), 0, 0, 0, 0));
  input(&w, shaped(FLOATS(1), 0, 0, 0, 0));
  expect(&w, FLOATS(NAN, -1, 1));
}
static void rounding_is_half_to_even(void **state) {
  (void)state;
  expect_one(&mf_op_Round, FLOATS(0.5f, 1.5f, 2.5f, -0.5f, -1.5f), FLOATS(0, 2, 2, 0, -2));
}
static void shapes_broadcast_in_every_direction(void **state) {
  (void)state;
  expect_two(&mf_op_Add, shaped(FLOATS(1, 2), 2, 2, 1, 0), FLOATS(10, 20, 30), shaped(FLOATS(11, 21, 31, 12, 22, 32), 2, 2, 3, 0));
  expect_two(&mf_op_Equal, shaped(INT64S(7), 0, 0, 0, 0), INT64S(6, 7), BOOLS(0, 1));
  expect_two(&mf_op_Add, shaped(FLOATS(0), 2, 0, 1, 0), FLOATS(1, 2), shaped(FLOATS(0), 2, 0, 2, 0));
  world w;
  begin(&w, &mf_op_Add);
  input(&w, shaped(FLOATS(1, 2, 3, 4, 5, 6), 2, 2, 3, 0));
  input(&w, FLOATS(1, 2));
  expect_failure(&w, MF_InvalidModel, "float32[2,3] and float32[2] do not broadcast");
}

static void before_opset_7_the_second_input_stands_at_an_axis(void **state) {
  (void)state;
  mf_tensor in = shaped(FLOATS(1, 2, 3, 4, 5, 6, 7, 8), 3, 2, 2, 2);
  world w;
  begin(&w, &mf_op_Add1);
  set_int(&w, "broadcast", 1);
  set_int(&w, "axis", 1);
  input(&w, in);
  input(&w, FLOATS(10, 20));
  expect(&w, shaped(FLOATS(11, 12, 23, 24, 15, 16, 27, 28), 3, 2, 2, 2));
  expect_two(&mf_op_PRelu1, shaped(FLOATS(-1, -2, -3, -4), 3, 1, 2, 2), FLOATS(1, 2), shaped(FLOATS(-1, -2, -6, -8), 3, 1, 2, 2));
  begin(&w, &mf_op_Add1);
  input(&w, in);
  input(&w, FLOATS(10, 20));
  expect_failure(&w, MF_InvalidModel, "input 1 is float32[2], expected (broadcast is 0) the shape of float32[2,2,2]");
}

// ---- cast ----
static void casts_round_once(void **state) {
  (void)state;
  world w;
  begin(&w, &mf_op_Cast);
  set_int(&w, "to", MF_FLOAT16);
  // 1 + 2^-11 is halfway between two halves; a little more rounds up, through float it would round to even, down.
  input(&w, DOUBLES(1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-11, 65519.999, 65520, 0x1p-25, -INFINITY));
  expect(&w, TENSOR(MF_FLOAT16, uint16_t, 0x3C01, 0x3C00, 0x7BFF, 0x7C00, 0, 0xFC00));
  begin(&w, &mf_op_Cast);
  set_int(&w, "to", MF_FLOAT);
  input(&w, INT64S(INT64_MAX, 16777217, -16777219));
  expect(&w, FLOATS(0x1p63f, 16777216, -16777220));
}
static void casts_cut_toward_zero_and_tell_true_from_zero(void **state) {
  (void)state;
  world w;
  begin(&w, &mf_op_Cast);
  set_int(&w, "to", MF_INT32);
  input(&w, FLOATS(1.9f, -1.9f, 0.0f));
  expect(&w, INT32S(1, -1, 0));
  begin(&w, &mf_op_Cast);
  set_int(&w, "to", MF_BOOL);
  input(&w, FLOATS(0.25f, -0.0f, NAN));
  expect(&w, BOOLS(1, 0, 1));
  begin(&w, &mf_op_Cast);
  set_int(&w, "to", MF_DOUBLE);
  input(&w, TENSOR(MF_STRING, mf_str, {"1.5e3", 5}, {"-inf", 4}, {"NaN", 3}));
  expect(&w, DOUBLES(1500, -INFINITY, NAN));
  begin(&w, &mf_op_Cast);
  set_int(&w, "to", MF_INT64);
  input(&w, TENSOR(MF_STRING, mf_str, {"12 apples", 9}));
  expect_failure(&w, MF_InvalidInput, "cannot cast the string '12 apples'");
  begin(&w, &mf_op_Cast);
  set_int(&w, "to", 16);
  input(&w, FLOATS(1));
  expect_failure(&w, MF_UnsupportedType, "ONNX type 16");
}

// ---- reductions ----
static void reductions_of_nothing_are_neutral(void **state) {
  (void)state;
  mf_tensor nothing = shaped(FLOATS(0), 2, 2, 0, 0), ints = shaped(INT32S(0), 2, 2, 0, 0);
  const struct { const mf_operator *op; float real; int32_t integer; } cases[] = {
      {&mf_op_ReduceSum, 0, 0}, {&mf_op_ReduceProd, 1, 1}, {&mf_op_ReduceMax, -INFINITY, INT32_MIN},
      {&mf_op_ReduceMin, INFINITY, INT32_MAX}, {&mf_op_ReduceL1, 0, 0}, {&mf_op_ReduceSumSquare, 0, 0}};
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    expect_two(cases[i].op, nothing, INT64S(1), shaped(FLOATS(cases[i].real, cases[i].real), 2, 2, 1, 0));
    expect_two(cases[i].op, ints, INT64S(1), shaped(INT32S(cases[i].integer, cases[i].integer), 2, 2, 1, 0));
  }
}
static void axes_are_an_attribute_first_and_an_input_later(void **state) {
  (void)state;
  mf_tensor in = shaped(FLOATS(1, 2, 3, 4, 5, 6), 2, 2, 3, 0);
  world w;
  begin(&w, &mf_op_ReduceMean1);
  set_ints(&w, "axes", (int64_t[]){-1}, 1);
  set_int(&w, "keepdims", 0);
  input(&w, in);
  expect(&w, FLOATS(2, 5));
  expect_two(&mf_op_ReduceMean, in, INT64S(0), shaped(FLOATS(2.5f, 3.5f, 4.5f), 2, 1, 3, 0));
  expect_one(&mf_op_ReduceMean, in, shaped(FLOATS(3.5f), 2, 1, 1, 0));
  begin(&w, &mf_op_ReduceMean);
  input(&w, in);
  input(&w, INT64S(1, -1));
  expect_failure(&w, MF_InvalidModel, "axis 1 is named twice");
  begin(&w, &mf_op_ReduceSum);
  input(&w, in);
  input(&w, INT64S(2));
  expect_failure(&w, MF_InvalidModel, "axis 2 of a tensor with 2 dimensions");
}
static void log_sum_exp_does_not_overflow(void **state) {
  (void)state;
  expect_one(&mf_op_ReduceLogSumExp, FLOATS(1000, 1000), FLOATS(1000.6931f));
  expect_one(&mf_op_ReduceLogSumExp, FLOATS(-INFINITY, -INFINITY), FLOATS(-INFINITY));
}
static void the_first_of_equals_is_the_greatest_and_nan_before_all(void **state) {
  (void)state;
  expect_one(&mf_op_ArgMax, FLOATS(1, 3, 3), INT64S(1));
  expect_one(&mf_op_ArgMax, FLOATS(1, NAN, INFINITY, NAN), INT64S(1));
  world w;
  begin(&w, &mf_op_ArgMin);
  set_int(&w, "select_last_index", 1);
  input(&w, INT32S(0, 2, 0));
  expect(&w, INT64S(2));
}

// ---- shapes ----
static void reshape_infers_beside_an_unknown_batch(void **state) {
  (void)state;
  world w;
  begin(&w, &mf_op_Reshape);
  input(&w, (mf_tensor){.type = MF_FLOAT, .rank = 3, .dims = {MF_DIM_UNKNOWN, 4, 6}});
  input(&w, INT64S(0, -1, 3));
  expect_shape(&w, "float32[?,8,3]");
  begin(&w, &mf_op_Reshape);
  input(&w, (mf_tensor){.type = MF_FLOAT, .rank = 3, .dims = {2, 4, 6}});
  input(&w, INT64S(5, -1));
  expect_failure(&w, MF_InvalidModel, "float32[2,4,6] cannot be reshaped to float32[5,?]");
  begin(&w, &mf_op_Reshape);
  input(&w, (mf_tensor){.type = MF_FLOAT, .rank = 1, .dims = {4}});
  input(&w, INT64S(-1, -1));
  expect_failure(&w, MF_InvalidModel, "expected at most one -1");
  begin(&w, &mf_op_Reshape);
  input(&w, (mf_tensor){.type = MF_FLOAT, .rank = 1, .dims = {4}});
  input(&w, INT64S(INT64_MAX, INT64_MAX));
  expect_failure(&w, MF_InvalidModel, "is not possible");
}
static void a_shape_that_comes_at_run_time_tells_the_rank(void **state) {
  (void)state;
  mf_tensor unknown = {.type = MF_INT64, .rank = 1, .dims = {3}};
  world w;
  begin(&w, &mf_op_Expand);
  input(&w, (mf_tensor){.type = MF_FLOAT, .rank = 1, .dims = {4}});
  input(&w, unknown);
  expect_shape(&w, "float32[?,?,4]");
  begin(&w, &mf_op_ConstantOfShape);
  input(&w, unknown);
  expect_shape(&w, "float32[?,?,?]");
}
static void slices_are_cut_at_the_ends_and_run_backwards(void **state) {
  (void)state;
  world w;
  begin(&w, &mf_op_Slice);
  input(&w, INT32S(0, 1, 2, 3, 4));
  input(&w, INT64S(100));
  input(&w, INT64S(INT64_MIN));
  input(&w, INT64S(0));
  input(&w, INT64S(-2));
  expect(&w, INT32S(4, 2, 0));
  begin(&w, &mf_op_Slice1);
  set_ints(&w, "starts", (int64_t[]){-3}, 1);
  set_ints(&w, "ends", (int64_t[]){INT64_MAX}, 1);
  input(&w, INT32S(0, 1, 2, 3, 4));
  expect(&w, INT32S(2, 3, 4));
  begin(&w, &mf_op_Slice);
  input(&w, INT32S(0, 1));
  input(&w, INT64S(0));
  input(&w, INT64S(1));
  input(&w, INT64S(0));
  input(&w, INT64S(0));
  expect_failure(&w, MF_InvalidModel, "a step is 0");
}
static void padding_mirrors_as_often_as_it_takes(void **state) {
  (void)state;
  static const struct { const char *mode; int32_t expected[9]; } cases[] = {
      {"reflect", {1, 2, 1, 0, 1, 2, 1, 0, 1}}, {"edge", {0, 0, 0, 0, 1, 2, 2, 2, 2}}, {"wrap", {0, 1, 2, 0, 1, 2, 0, 1, 2}}, {"constant", {0, 0, 0, 0, 1, 2, 0, 0, 0}}};
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    world w;
    int32_t expected[9];
    memcpy(expected, cases[i].expected, sizeof expected);
    begin(&w, &mf_op_Pad);
    set_text(&w, "mode", cases[i].mode);
    input(&w, INT32S(0, 1, 2));
    input(&w, INT64S(3, 3));
    expect(&w, (mf_tensor){.type = MF_INT32, .rank = 1, .dims = {9}, .data = expected});
  }
}
static void splits_may_be_uneven_only_since_opset_18(void **state) {
  (void)state;
  world w;
  begin(&w, &mf_op_Split);
  w.node.n_outputs = 2;
  input(&w, INT32S(1, 2, 3));
  expect_failure(&w, MF_InvalidModel, "dimension 3 does not split into 2 equal parts");
  begin(&w, &mf_op_Split);
  w.node.opset = 18;
  w.node.n_outputs = 2;
  set_int(&w, "num_outputs", 2);
  input(&w, INT32S(1, 2, 3));
  expect(&w, INT32S(1, 2));
}

// ---- indices ----
static void indices_out_of_range_are_refused_with_the_range(void **state) {
  (void)state;
  world w;
  begin(&w, &mf_op_Gather);
  input(&w, FLOATS(1, 2, 3));
  input(&w, INT64S(-3, 3));
  expect_failure(&w, MF_InvalidInput, "element 1 of indices, axis 0: index 3, expected -3 to 2");
  begin(&w, &mf_op_ScatterND);
  input(&w, FLOATS(1, 2, 3));
  input(&w, shaped(INT64S(-4), 2, 1, 1, 0));
  input(&w, FLOATS(9));
  expect_failure(&w, MF_InvalidInput, "index -4, expected -3 to 2");
}
static void one_hot_is_off_for_indices_out_of_range(void **state) {
  (void)state;
  world w;
  begin(&w, &mf_op_OneHot);
  input(&w, INT64S(1, -1, 3));
  input(&w, shaped(INT64S(3), 0, 0, 0, 0));
  input(&w, FLOATS(0, 5));
  expect(&w, shaped(FLOATS(0, 5, 0, 0, 0, 5, 0, 0, 0), 2, 3, 3, 0));
}
static void wrong_types_are_named_with_those_expected(void **state) {
  (void)state;
  world w;
  begin(&w, &mf_op_Exp);
  input(&w, INT64S(1));
  expect_failure(&w, MF_UnsupportedType, "input 0 is int64, expected one of float32, float16, float64");
  begin(&w, &mf_op_Mul);
  input(&w, INT64S(1));
  input(&w, FLOATS(1));
  expect_failure(&w, MF_InvalidModel, "input 1 is float32, expected int64 as input 0");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(integers_wrap_around),
      cmocka_unit_test(integer_division_cuts_and_refuses_zero),
      cmocka_unit_test(modulo_has_the_sign_of_the_divisor_and_fmod_that_of_the_dividend),
      cmocka_unit_test(powers_take_an_exponent_of_another_type),
      cmocka_unit_test(nan_wins_in_minimum_and_maximum),
      cmocka_unit_test(rounding_is_half_to_even),
      cmocka_unit_test(shapes_broadcast_in_every_direction),
      cmocka_unit_test(before_opset_7_the_second_input_stands_at_an_axis),
      cmocka_unit_test(casts_round_once),
      cmocka_unit_test(casts_cut_toward_zero_and_tell_true_from_zero),
      cmocka_unit_test(reductions_of_nothing_are_neutral),
      cmocka_unit_test(axes_are_an_attribute_first_and_an_input_later),
      cmocka_unit_test(log_sum_exp_does_not_overflow),
      cmocka_unit_test(the_first_of_equals_is_the_greatest_and_nan_before_all),
      cmocka_unit_test(reshape_infers_beside_an_unknown_batch),
      cmocka_unit_test(a_shape_that_comes_at_run_time_tells_the_rank),
      cmocka_unit_test(slices_are_cut_at_the_ends_and_run_backwards),
      cmocka_unit_test(padding_mirrors_as_often_as_it_takes),
      cmocka_unit_test(splits_may_be_uneven_only_since_opset_18),
      cmocka_unit_test(indices_out_of_range_are_refused_with_the_range),
      cmocka_unit_test(one_hot_is_off_for_indices_out_of_range),
      cmocka_unit_test(wrong_types_are_named_with_those_expected),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
