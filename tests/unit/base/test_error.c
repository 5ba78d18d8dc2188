// Errors: built once, wrapped with their place; one that is too long loses its middle, never the outermost place or the reason.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"

static void wrapping_puts_the_place_in_front_and_keeps_the_code(void **state) {
  (void)state;
  mf_error err = {0};
  assert_false(mf_fail(&err, MF_InvalidModel, "weight has %d dimensions, expected %d", 3, 4));
  assert_false(mf_wrap(&err, "node %d '%s' (Conv)", 12, "conv1"));
  assert_int_equal(err.code, MF_InvalidModel);
  assert_string_equal(err.message, "node 12 'conv1' (Conv): weight has 3 dimensions, expected 4");
}

static void errno_becomes_a_code_and_a_text(void **state) {
  (void)state;
  mf_error err = {0};
  errno = ENOSPC;
  assert_false(mf_fail_errno(&err, "blob %d", 7));
  assert_int_equal(err.code, MF_NoSpace);
  assert_string_equal(err.message, "blob 7: No space left on device");
  const int full[] = {ENOSPC, EDQUOT, EFBIG};
  for (size_t i = 0; i < MF_COUNT(full); i++) {
    errno = full[i];
    assert_false(mf_fail_errno(&err, "blob"));
    assert_int_equal(err.code, MF_NoSpace);
  }
}

static void a_message_that_is_too_long_is_cut(void **state) {
  (void)state;
  mf_error err = {0};
  char text[3000];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = 0;
  mf_fail(&err, MF_Io, "%s", text);
  assert_int_equal(strlen(err.message), sizeof err.message - 1);
  mf_wrap(&err, "place");
  assert_memory_equal(err.message, "place: ... xxx", 14);
  assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void wrapping_often_keeps_the_outermost_place_and_the_reason(void **state) {
  (void)state;
  mf_error err = {0};
  mf_fail(&err, MF_Io, "the reason");
  for (int i = 0; i <= 500; i++) {
    mf_wrap(&err, "place %d", i);
    char place[20];
    snprintf(place, sizeof place, "place %d: ", i);
    assert_memory_equal(err.message, place, strlen(place));
    assert_true(strlen(err.message) < sizeof err.message);
    assert_string_equal(err.message + strlen(err.message) - strlen(": the reason"), ": the reason");
  }
}

static void a_cut_leaves_characters_whole(void **state) {
  (void)state;
  mf_error err = {0};
  char text[3000] = "";
  for (size_t i = 0; i + 3 < sizeof text; i += 2) memcpy(text + i, "\xc3\xa4", 3);
  for (size_t len = 1; len < 5; len++) {
    mf_fail(&err, MF_Io, "%s", text);
    mf_wrap(&err, "%.*s", (int)len, "abcd");
    assert_memory_equal(err.message + len, ": ... \xc3\xa4", 8);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrapping_puts_the_place_in_front_and_keeps_the_code),
      cmocka_unit_test(errno_becomes_a_code_and_a_text),
      cmocka_unit_test(a_message_that_is_too_long_is_cut),
      cmocka_unit_test(wrapping_often_keeps_the_outermost_place_and_the_reason),
      cmocka_unit_test(a_cut_leaves_characters_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
