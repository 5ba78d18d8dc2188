// Errors: built once, wrapped with their place, never cut at the front.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
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
}

static void a_message_that_is_too_long_keeps_its_beginning(void **state) {
  (void)state;
  mf_error err = {0};
  char text[3000];
  memset(text, 'x', sizeof text);
  text[sizeof text - 1] = 0;
  mf_fail(&err, MF_Io, "%s", text);
  mf_wrap(&err, "place");
  assert_memory_equal(err.message, "place: xxx", 10);
  assert_true(strlen(err.message) < sizeof err.message);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(wrapping_puts_the_place_in_front_and_keeps_the_code),
      cmocka_unit_test(errno_becomes_a_code_and_a_text),
      cmocka_unit_test(a_message_that_is_too_long_keeps_its_beginning),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
