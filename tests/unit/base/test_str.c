// Strings: comparison at the edges, UTF-8 as RFC 3629 has it, buffers that grow and refuse.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/base.h"

static void empty_strings_equal_each_other_and_start_everything(void **state) {
  (void)state;
  assert_true(mf_str_equal((mf_str){0}, MF_STR("")));
  assert_true(mf_str_starts(MF_STR("abc"), (mf_str){0}));
  assert_false(mf_str_starts(MF_STR("ab"), MF_STR("abc")));
  assert_true(mf_str_ends(MF_STR("model.onnx"), MF_STR(".onnx")));
}

static void utf8_refuses_overlong_forms_surrogates_and_truncation(void **state) {
  (void)state;
  assert_true(mf_str_is_utf8(MF_STR("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
  assert_false(mf_str_is_utf8(MF_STR("\xc0\x80")));
  assert_false(mf_str_is_utf8(MF_STR("\xe0\x80\x80")));
  assert_false(mf_str_is_utf8(MF_STR("\xed\xa0\x80")));
  assert_false(mf_str_is_utf8(MF_STR("\xf4\x90\x80\x80")));
  assert_false(mf_str_is_utf8(MF_STR("\xe2\x82")));
}

static void buffer_grows_until_its_limit_and_then_stays_failed(void **state) {
  (void)state;
  mf_buf buf = {.limit = 1000};
  for (int i = 0; i < 99; i++) mf_buf_text(&buf, "0123456789");
  assert_false(buf.failed);
  assert_int_equal(buf.len, 990);
  mf_buf_format(&buf, "%s", "0123456789abcdef");
  assert_true(buf.failed);
  mf_buf_text(&buf, "x");
  assert_int_equal(buf.len, 990);
  mf_buf_deinit(&buf);
}

static void expect_printable(mf_str text, const char *kept, const char *expected) {
  mf_buf buf = {0};
  mf_buf_printable(&buf, text, kept);
  mf_buf_append(&buf, "", 1);
  assert_string_equal(buf.data, expected);
  mf_buf_deinit(&buf);
}

static void control_characters_are_shown_and_text_stays(void **state) {
  (void)state;
  expect_printable(MF_STR(""), "", "");
  expect_printable(MF_STR("a\x1b[31m\x7f\0z\n\t"), "", "a\\x1b[31m\\x7f\\x00z\\x0a\\x09");
  expect_printable(MF_STR("a\nb\tc\r\0"), "\n\t", "a\nb\tc\\x0d\\x00");
  expect_printable(MF_STR("\xc2\x9b" "31m \xc2\x80\xc2\x9f\xc2\xa0"), "", "\\x9b" "31m \\x80\\x9f\xc2\xa0");  // C1 and what stands behind it
  expect_printable(MF_STR("\x9b" "1m\xff"), "", "\\x9b" "1m\xff");  // CSI as a lone byte
  expect_printable(MF_STR("a\xe2\x80\xae" "b\xe2\x81\xa6\xe2\x80\x8f\xe2\x80\xa8"), "", "a\\u202eb\\u2066\\u200f\xe2\x80\xa8");  // right to left
  expect_printable(MF_STR("\xc3\x9b\xe6\xbc\xa2\xf0\x9f\x98\x80"), "", "\xc3\x9b\xe6\xbc\xa2\xf0\x9f\x98\x80");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(empty_strings_equal_each_other_and_start_everything),
      cmocka_unit_test(utf8_refuses_overlong_forms_surrogates_and_truncation),
      cmocka_unit_test(control_characters_are_shown_and_text_stays),
      cmocka_unit_test(buffer_grows_until_its_limit_and_then_stays_failed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
