// START, END and REPORT lines, byte for byte as Lambda writes them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "services/lambda/report.h"

#define ID "11111111-2222-4333-8444-555555555555"
#define START_LINE "START RequestId: " ID " Version: $LATEST\n"
#define END_LINE "END RequestId: " ID "\n"

static mf_lambda_call call_of(int64_t duration_ns) {
  mf_lambda_call call = {.request_id = ID, .duration_ns = duration_ns, .max_memory_bytes = (36 << 20) - 5};
  return call;
}

static void expect(const mf_lambda_call *call, const char *expected) {
  char out[MF_REPORT_BYTES + 1];
  size_t len = mf_report_format(call, MF_STR("$LATEST"), 128, out);
  out[len] = 0;
  assert_string_equal(out, expected);
}

static void a_warm_call(void **state) {
  (void)state;
  mf_lambda_call call = call_of(3010000);
  expect(&call, START_LINE END_LINE "REPORT RequestId: " ID "\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n");
}

static void a_cold_call_bills_its_start(void **state) {
  (void)state;
  mf_lambda_call call = call_of(488910000);
  call.cold = true;
  call.init_ns = 80300000;
  assert_int_equal(mf_report_billed_ms(&call), 570);  // recorded of AWS: 80.30 + 488.91
  expect(&call, START_LINE END_LINE "REPORT RequestId: " ID
                "\tDuration: 488.91 ms\tBilled Duration: 570 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 80.30 ms\t\n");
}

static void a_timeout(void **state) {
  (void)state;
  mf_lambda_call call = call_of(INT64_C(3000000000));
  call.status = "timeout";
  expect(&call, START_LINE END_LINE "REPORT RequestId: " ID
                "\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: timeout\n");
}

static void an_exit(void **state) {
  (void)state;
  mf_lambda_call call = call_of(1000000);
  call.status = "error";
  call.error_type = "Runtime.ExitError";
  snprintf(call.error_line, sizeof call.error_line, "RequestId: " ID " Error: Runtime exited with error: exit status 1\nRuntime.ExitError");
  expect(&call, START_LINE "RequestId: " ID " Error: Runtime exited with error: exit status 1\nRuntime.ExitError\n" END_LINE "REPORT RequestId: " ID
                "\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: error\tError Type: "
                "Runtime.ExitError\n");
}

// Whatever a worker says, the text stays within its buffer.
static void a_long_error_is_cut(void **state) {
  (void)state;
  char out[MF_REPORT_BYTES];
  mf_lambda_call call = call_of(1);
  char *error = malloc(100000);
  memset(error, 'e', 100000);
  call.function_error = "Unhandled";
  call.response = (mf_slice){error, 100000};
  call.max_memory_bytes = UINT64_MAX >> 1;
  call.duration_ns = INT64_MAX / 2;
  size_t len = mf_report_format(&call, MF_STR("1234567890"), UINT32_MAX, out);
  assert_true(len < MF_REPORT_BYTES);
  assert_memory_equal(out + len - 2, "\t\n", 2);
  free(error);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_warm_call), cmocka_unit_test(a_cold_call_bills_its_start), cmocka_unit_test(a_timeout),
      cmocka_unit_test(an_exit),     cmocka_unit_test(a_long_error_is_cut),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
