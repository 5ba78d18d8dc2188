// What the host says of an invocation, and what its caller sees (lambda.md section 2).
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "serve/internal.h"

#define ID "11111111-2222-4333-8444-555555555555"

static mf_lambda_call map(mf_invocation invocation) {
  mf_lambda_call call = {0};
  snprintf(invocation.request_id, sizeof invocation.request_id, ID);
  mf_serve_map_outcome(&invocation, 3000, &call);
  return call;
}

static void expect(mf_invocation invocation, const char *payload, const char *status, const char *error_type) {
  mf_lambda_call call = map(invocation);
  assert_string_equal(call.function_error, "Unhandled");
  assert_int_equal(call.response.len, strlen(payload));
  assert_memory_equal(call.message, payload, strlen(payload));
  if (status) assert_string_equal(call.status, status);
  else assert_null(call.status);
  if (error_type) assert_string_equal(call.error_type, error_type);
}

static void answers_pass_as_they_are(void **state) {
  (void)state;
  mf_lambda_call call = map((mf_invocation){.outcome = MF_OUTCOME_ANSWER, .response = {"{}", 2}, .duration_ns = 5});
  assert_null(call.function_error);
  assert_memory_equal(call.response.data, "{}", 2);
  assert_int_equal(call.duration_ns, 5);
  call = map((mf_invocation){.outcome = MF_OUTCOME_FUNCTION_ERROR, .response = {"{\"errorType\":\"x\"}", 17}});
  assert_string_equal(call.function_error, "Unhandled");
  assert_int_equal(call.response.len, 17);
}

static void failures_look_as_lambdas_do(void **state) {
  (void)state;
  expect((mf_invocation){.outcome = MF_OUTCOME_TIMEOUT},
         "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: " ID " Error: Task timed out after 3.00 seconds\"}", "timeout", NULL);
  expect((mf_invocation){.outcome = MF_OUTCOME_EXITED, .exit_status = 127},
         "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " ID " Error: Runtime exited with error: exit status 127\"}", "error",
         "Runtime.ExitError");
  expect((mf_invocation){.outcome = MF_OUTCOME_EXITED},
         "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " ID " Error: Runtime exited without providing a reason\"}", "error",
         "Runtime.ExitError");
  expect((mf_invocation){.outcome = MF_OUTCOME_EXITED, .signal = SIGSEGV},
         "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " ID " Error: Runtime exited with error: signal: segmentation fault\"}",
         "error", "Runtime.ExitError");
  expect((mf_invocation){.outcome = MF_OUTCOME_OUT_OF_MEMORY},
         "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: " ID " Error: Runtime exited with error: signal: killed\"}", "error",
         "Runtime.OutOfMemory");
  expect((mf_invocation){.outcome = MF_OUTCOME_ANSWER, .response = {"x", 6291557}},
         "{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size (6291556 bytes).\",\"errorType\":"
         "\"Function.ResponseSizeTooLarge\"}", NULL, NULL);
}

static void what_is_ours_is_not_the_functions_fault(void **state) {
  (void)state;
  mf_lambda_call call = map((mf_invocation){.outcome = MF_OUTCOME_THROTTLED, .throttle_reason = "ConcurrentInvocationLimitExceeded"});
  assert_int_equal(call.throttled, 1);
  assert_string_equal(call.throttle_reason, "ConcurrentInvocationLimitExceeded");
  call = map((mf_invocation){.outcome = MF_OUTCOME_FAILED, .error = {MF_Io, "broken"}});
  assert_true(call.failed && !call.image_lost && !call.unavailable);
  assert_string_equal(call.message, "broken");
  call = map((mf_invocation){.outcome = MF_OUTCOME_FAILED, .error = {MF_InvalidImage, "damaged"}});
  assert_true(call.failed && call.image_lost && call.unavailable);
  call = map((mf_invocation){.outcome = MF_OUTCOME_FAILED, .error = {MF_Unavailable, "the server is stopping"}});
  assert_true(call.failed && !call.image_lost && call.unavailable);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_pass_as_they_are),
      cmocka_unit_test(failures_look_as_lambdas_do),
      cmocka_unit_test(what_is_ours_is_not_the_functions_fault),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
