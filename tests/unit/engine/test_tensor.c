// Sizes that overflow, descriptions, half precision against the compiler's own conversion.
#include <math.h>
#include <stdio.h>

#include "case.h"

static void sizes_are_checked(void **state) {
  (void)state;
  size_t bytes;
  mf_tensor t = {.type = MF_FLOAT, .rank = 2, .dims = {3, 4}};
  assert_true(mf_tensor_bytes(&t, &bytes));
  assert_int_equal(bytes, 48);
  assert_int_equal(mf_tensor_count(&t), 12);
  t.dims[0] = INT64_C(1) << 40, t.dims[1] = INT64_C(1) << 40;
  assert_false(mf_tensor_bytes(&t, &bytes));
  t.dims[0] = 0;
  assert_true(mf_tensor_bytes(&t, &bytes));
  assert_int_equal(bytes, 0);
  t.dims[0] = MF_DIM_UNKNOWN;
  assert_false(mf_tensor_bytes(&t, &bytes));
  assert_false(mf_tensor_is_static(&t));
  t.rank = MF_RANK_UNKNOWN;
  assert_false(mf_tensor_bytes(&t, &bytes));
  mf_tensor scalar = {.type = MF_INT64};
  assert_true(mf_tensor_bytes(&scalar, &bytes));
  assert_int_equal(bytes, 8);
}

static void descriptions_show_what_is_unknown(void **state) {
  (void)state;
  char text[64];
  mf_tensor t = {.type = MF_FLOAT16, .rank = 3, .dims = {1, -1, 224}};
  assert_string_equal(mf_tensor_describe(&t, text, sizeof text), "float16[1,?,224]");
  t.rank = 0;
  assert_string_equal(mf_tensor_describe(&t, text, sizeof text), "float16[]");
  t.rank = MF_RANK_UNKNOWN;
  assert_string_equal(mf_tensor_describe(&t, text, sizeof text), "float16[?]");
  t.rank = 3;
  assert_string_equal(mf_tensor_describe(&t, text, 8), "float16");
}

#if defined __FLT16_MAX__ && defined __x86_64__
static void half_precision_equals_the_compilers(void **state) {
  (void)state;
  for (uint32_t h = 0; h < 65536; h++) {
    uint16_t bits = (uint16_t)h;
    _Float16 theirs;
    memcpy(&theirs, &bits, sizeof theirs);
    float ours = mf_half_to_float(bits), expected = (float)theirs;
    if (isnan(expected)) assert_true(isnan(ours));
    else if (memcmp(&ours, &expected, sizeof ours) != 0) fail_msg("0x%04x is %.9g, expected %.9g", h, (double)ours, (double)expected);
  }
  // Every exponent, fractions around every rounding boundary.
  for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 977) {
    uint32_t word = (uint32_t)bits;
    float value;
    memcpy(&value, &word, sizeof value);
    _Float16 theirs = (_Float16)value;
    uint16_t expected, ours = mf_float_to_half(value);
    memcpy(&expected, &theirs, sizeof expected);
    if (isnan(value)) assert_true(isnan(mf_half_to_float(ours)));
    else if (ours != expected) fail_msg("%.9g becomes 0x%04x, expected 0x%04x", (double)value, ours, expected);
  }
}
#else
static void half_precision_equals_the_compilers(void **state) {
  (void)state;
  skip();
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(sizes_are_checked), cmocka_unit_test(descriptions_show_what_is_unknown),
    cmocka_unit_test(half_precision_equals_the_compilers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
