// The dispatcher with real processes: answers, failures, limits, fairness, deadlines, revisions, keep-alive, cancelling and draining.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "world.h"

static void echo(test_world *world) {
  const mf_function_spec spec = function(world, "r/echo");
  const test_call *call = make_call(world, &spec, "echo:hello");
  CHECK(call->invocation.outcome == MF_OUTCOME_ANSWER, "outcome %d: %s", call->invocation.outcome, call->invocation.error.message);
  CHECK(strcmp(call->response, "hello") == 0, "'%s'", call->response);
  CHECK(call->invocation.cold && call->invocation.init_ns > 0, "the first call is cold");
  CHECK(call->invocation.max_memory_bytes > 0 && call->invocation.max_memory_bytes < 64 << 20, "%llu bytes",
        (unsigned long long)call->invocation.max_memory_bytes);
  call = make_call(world, &spec, "echo:");
  CHECK(!call->invocation.cold && call->invocation.init_ns == 0 && strcmp(call->response, "") == 0, "the second call is warm");
}
static void invoke_answers_cold_then_warm(void **state) {
  (void)state;
  assert_int_equal(run_scenario(echo, &small_options, NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(invoke_answers_cold_then_warm)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
