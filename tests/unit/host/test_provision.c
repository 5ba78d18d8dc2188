// Versions of one function share its limits and its turn; provisioned instances, with real processes: made in the background, kept whatever
// keep-alive says, made again, counted apart, given back.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "host/internal.h"
#include "world.h"

#define SCENARIO(name, scenario)                                        \
  static void name(void **state) {                                      \
    (void)state;                                                        \
    assert_int_equal(run_scenario(scenario, &small_options, NULL), 0);  \
  }
#define SCENARIO_WITH(name, scenario, option, value)              \
  static void name(void **state) {                                \
    (void)state;                                                  \
    mf_host_options options = small_options;                      \
    options.option = value;                                       \
    assert_int_equal(run_scenario(scenario, &options, NULL), 0);  \
  }
#define OUTCOME(call, expected)                                                                                          \
  CHECK((call)->invocation.outcome == (expected), "'%s': outcome %d, expected %d; %s %s", (call)->payload,               \
        (int)(call)->invocation.outcome, (int)(expected), (call)->response, (call)->invocation.error.message)
#define RESERVED "ReservedFunctionConcurrentInvocationLimitExceeded"

static mf_function_spec version(test_world *world, const char *key) {
  mf_function_spec spec = function(world, key);
  spec.group = MF_STR("r/f");
  return spec;
}

static void throttled(const test_call *call, const char *reason) {
  OUTCOME(call, MF_OUTCOME_THROTTLED);
  CHECK(strcmp(call->invocation.throttle_reason, reason) == 0, "%s", call->invocation.throttle_reason);
}

// ---- groups ----

static void group_limit(test_world *world) {
  mf_function_spec latest = version(world, "r/f"), one = version(world, "r/f:1"), two = version(world, "r/f:2");
  latest.reserved_concurrency = one.reserved_concurrency = two.reserved_concurrency = 2;
  static test_call calls[4], other;
  const mf_function_spec another = function(world, "r/g");
  start_call(world, &calls[0], &one, "sleep:50");
  start_call(world, &calls[1], &two, "sleep:50");
  start_call(world, &calls[2], &latest, "echo:x");
  start_call(world, &calls[3], &one, "echo:x");
  start_call(world, &other, &another, "echo:x");
  uint32_t idle, busy, queued;
  await_calls(calls, 4);
  await_call(&other);
  OUTCOME(&calls[0], MF_OUTCOME_ANSWER);
  OUTCOME(&calls[1], MF_OUTCOME_ANSWER);
  throttled(&calls[2], RESERVED);
  throttled(&calls[3], RESERVED);
  OUTCOME(&other, MF_OUTCOME_ANSWER);
  OUTCOME(make_call(world, &latest, "echo:x"), MF_OUTCOME_ANSWER);
  mf_host_function_statistics(world->host, MF_STR("r/f"), &idle, &busy, &queued);
  CHECK(idle == 3, "%u idle, one of each version", idle);
  mf_host_function_statistics(world->host, MF_STR("r/f:1"), &idle, &busy, &queued);
  CHECK(idle == 1, "%u idle of one version", idle);
}
SCENARIO(versions_share_their_functions_reservation, group_limit)

// One slot: a function's versions take one turn together.
static void group_turns(test_world *world) {
  const mf_function_spec one = version(world, "r/f:1"), two = version(world, "r/f:2"), other = function(world, "r/g");
  static test_call of_one[3], of_two[3], of_other[2];
  start_call(world, &of_one[0], &one, "sleep:40");
  run_for(world, 5);
  for (int i = 1; i < 3; i++) start_call(world, &of_one[i], &one, "sleep:5");
  for (int i = 0; i < 3; i++) start_call(world, &of_two[i], &two, "sleep:5");
  for (int i = 0; i < 2; i++) start_call(world, &of_other[i], &other, "sleep:5");
  await_calls(of_one, 3);
  await_calls(of_two, 3);
  await_calls(of_other, 2);
  CHECK(of_other[0].ended_ns < of_two[0].ended_ns && of_other[0].ended_ns < of_one[1].ended_ns, "who has no version running goes first");
  int before = 0;
  for (int i = 0; i < 3; i++) before += (of_one[i].ended_ns < of_other[1].ended_ns) + (of_two[i].ended_ns < of_other[1].ended_ns);
  CHECK(before <= 3, "%d calls of the versions before the other's second", before);
}
SCENARIO_WITH(versions_share_their_functions_turn, group_turns, run_slots, 1)

static void group_ends(test_world *world) {
  const mf_function_spec one = version(world, "r/f:1");
  OUTCOME(make_call(world, &one, "echo:x"), MF_OUTCOME_ANSWER);
  CHECK(mf_function_find(world->host, MF_STR("r/f")), "the group is there");
  mf_host_forget(world->host, one.key);
  CHECK(!mf_function_find(world->host, MF_STR("r/f")) && world->host->n_functions == 0, "%u functions are left", world->host->n_functions);
}
SCENARIO(a_group_ends_with_its_last_member, group_ends)

static void unreserved(test_world *world) {
  mf_function_spec a = function(world, "r/a"), b = function(world, "r/b"), mine = function(world, "r/c");
  a.unreserved_concurrency = b.unreserved_concurrency = 2;
  mine.reserved_concurrency = 1;
  static test_call calls[4];
  start_call(world, &calls[0], &mine, "sleep:40");
  start_call(world, &calls[1], &a, "sleep:20");
  start_call(world, &calls[2], &b, "sleep:20");
  start_call(world, &calls[3], &a, "echo:x");
  await_calls(calls, 4);
  for (int i = 0; i < 3; i++) OUTCOME(&calls[i], MF_OUTCOME_ANSWER);
  throttled(&calls[3], "ConcurrentInvocationLimitExceeded");
}
SCENARIO(what_is_not_reserved_is_shared, unreserved)

static void by_account(test_world *world) {
  mf_function_spec here = function(world, "r/a"), there = function(world, "s/a");
  here.account = MF_STR("r");
  there.account = MF_STR("s");
  here.unreserved_concurrency = there.unreserved_concurrency = 1;
  static test_call calls[4];
  start_call(world, &calls[0], &here, "sleep:20");
  start_call(world, &calls[1], &there, "sleep:20");
  start_call(world, &calls[2], &here, "echo:x");
  start_call(world, &calls[3], &there, "echo:x");
  await_calls(calls, 4);
  for (int i = 0; i < 2; i++) OUTCOME(&calls[i], MF_OUTCOME_ANSWER);
  for (int i = 2; i < 4; i++) throttled(&calls[i], "ConcurrentInvocationLimitExceeded");
  CHECK(world->host->accounts && world->host->accounts->unreserved == 0, "calls are counted that have ended");
}
SCENARIO(each_account_has_a_limit_of_its_own, by_account)

// ---- provisioned ----

static uint32_t ready_of(test_world *world, const mf_function_spec *spec) {
  uint32_t ready;
  bool failed;
  mf_host_provisioned(world->host, spec->key, &ready, &failed);
  return ready;
}

static uint32_t wanted_ready;
static mf_function_spec watched;
static bool is_ready(test_world *world) { return ready_of(world, &watched) == wanted_ready; }
static bool has_failed(test_world *world) {
  uint32_t ready;
  bool failed;
  mf_host_provisioned(world->host, watched.key, &ready, &failed);
  return failed;
}

static void provision(test_world *world, const mf_function_spec *spec, uint32_t n) {
  mf_error err;
  watched = *spec;
  wanted_ready = n;
  CHECK(mf_host_provision(world->host, spec, n, &err), "%s", err.message);
  CHECK(await_condition(world, is_ready, 5000), "%u of %u are ready", ready_of(world, spec), n);
}

static void is_idle(test_world *world, const mf_function_spec *spec, uint32_t n) {
  uint32_t idle, busy, queued;
  mf_host_function_statistics(world->host, spec->key, &idle, &busy, &queued);
  CHECK(idle == n && busy == 0, "%u idle, %u busy, expected %u idle", idle, busy, n);
}

static void kept(test_world *world) {
  const mf_function_spec spec = version(world, "r/f:1");
  mf_error err;
  CHECK(mf_host_provision(world->host, &spec, 3, &err), "%s", err.message);
  CHECK(ready_of(world, &spec) == 0, "not at once");
  provision(world, &spec, 3);
  is_idle(world, &spec, 3);
  const test_call *call = make_call(world, &spec, "echo:x");
  OUTCOME(call, MF_OUTCOME_ANSWER);
  CHECK(!call->invocation.cold && call->invocation.init_ns > 0, "warm, and the first to tell of the start: %lld", (long long)call->invocation.init_ns);
  call = make_call(world, &spec, "echo:x");
  CHECK(!call->invocation.cold && call->invocation.init_ns == 0, "told once");
  run_for(world, 200);
  is_idle(world, &spec, 3);
  CHECK(world->opened == 1, "the image was opened %u times", world->opened);
  while (mf_pool_end_least_useful(world->host)) {}
  is_idle(world, &spec, 3);
  provision(world, &spec, 1);
  CHECK(mf_host_provision(world->host, &spec, 0, &err), "%s", err.message);
  CHECK(await_condition(world, no_instances, 2000), "instances that are no longer provisioned go");
  CHECK(world->host->n_functions == 0, "%u functions are left", world->host->n_functions);
}
SCENARIO_WITH(provisioned_instances_stay_whatever_the_keep_alive, kept, keep_alive_ns, 50 * MF_NS_PER_MS)
SCENARIO_WITH(provisioned_instances_stay_without_keep_alive, kept, keep_alive_ns, 0)

static void provisioned_instances_need_no_pool(void **state) {
  (void)state;
  mf_host_options options = small_options;
  options.pool_bytes = 0;
  options.keep_alive_ns = 50 * MF_NS_PER_MS;
  assert_int_equal(run_scenario(kept, &options, NULL), 0);
}

static void spill(test_world *world) {
  mf_function_spec spec = version(world, "r/f:1"), latest = version(world, "r/f");
  spec.reserved_concurrency = latest.reserved_concurrency = 3;
  provision(world, &spec, 2);
  static test_call calls[5];
  for (int i = 0; i < 4; i++) start_call(world, &calls[i], &spec, "sleep:60");
  start_call(world, &calls[4], &latest, "echo:x");
  await_calls(calls, 5);
  int cold = 0;
  for (int i = 0; i < 3; i++) {
    OUTCOME(&calls[i], MF_OUTCOME_ANSWER);
    cold += calls[i].invocation.cold;
  }
  CHECK(cold == 1, "%d cold starts of three calls with two instances", cold);
  throttled(&calls[3], RESERVED);
  throttled(&calls[4], RESERVED);
  OUTCOME(make_call(world, &latest, "echo:x"), MF_OUTCOME_ANSWER);
  spec.reserved_concurrency = latest.reserved_concurrency = 2;  // all of it is provisioned
  throttled(make_call(world, &latest, "echo:x"), RESERVED);
  OUTCOME(make_call(world, &spec, "echo:x"), MF_OUTCOME_ANSWER);
}
SCENARIO_WITH(calls_beyond_what_is_provisioned_spill_over, spill, run_slots, 4)

static void admitted(test_world *world) {
  const mf_function_spec spec = version(world, "r/f:1"), other = function(world, "r/g");
  provision(world, &spec, 1);
  static test_call calls[3];
  start_call(world, &calls[0], &other, "sleep:40");
  start_call(world, &calls[1], &spec, "sleep:40");  // its own; not so short that it is over before the next one comes
  start_call(world, &calls[2], &spec, "echo:x");   // of the account's one
  await_calls(calls, 3);
  OUTCOME(&calls[0], MF_OUTCOME_ANSWER);
  OUTCOME(&calls[1], MF_OUTCOME_ANSWER);
  throttled(&calls[2], "ConcurrentInvocationLimitExceeded");
}
SCENARIO_WITH(what_is_provisioned_is_admitted_whatever_runs, admitted, max_concurrency, 1)

static void remade(test_world *world) {
  mf_function_spec spec = version(world, "r/f:1");
  provision(world, &spec, 2);
  OUTCOME(make_call(world, &spec, "crash"), MF_OUTCOME_EXITED);
  CHECK(await_condition(world, is_ready, 5000), "one that crashed is made again");
  kill(world->host->provisioned->idle->pid, SIGKILL);
  run_for(world, 20);
  CHECK(await_condition(world, is_ready, 5000), "one that was killed is made again");
  is_idle(world, &spec, 2);
  spec.revision = 2;
  snprintf(world->image_text, sizeof world->image_text, "second");
  provision(world, &spec, 2);
  is_idle(world, &spec, 2);
  const test_call *call = make_call(world, &spec, "count");
  CHECK(!call->invocation.cold && strstr(call->response, "second"), "%s", call->response);
  mf_host_forget(world->host, spec.key);
  CHECK(await_condition(world, no_instances, 2000) && world->host->n_functions == 0, "nothing is left of a deleted function");
}
SCENARIO(provisioned_instances_are_made_again, remade)

static void adopted(test_world *world) {
  const mf_function_spec spec = version(world, "r/f:1");
  static test_call calls[2];
  for (int i = 0; i < 2; i++) start_call(world, &calls[i], &spec, "sleep:20");
  await_calls(calls, 2);
  provision(world, &spec, 2);
  is_idle(world, &spec, 2);
  CHECK(world->host->provisioned->n_kept == 2, "those that were there are kept");
}
SCENARIO(instances_that_are_there_count, adopted)

static void bad_image(test_world *world) {
  const mf_function_spec spec = version(world, "r/f:1");
  mf_error err;
  const char *const texts[] = {"bad", "crash"};
  for (size_t i = 0; i < MF_COUNT(texts); i++) {
    snprintf(world->image_text, sizeof world->image_text, "%s", texts[i]);
    watched = spec;
    CHECK(mf_host_provision(world->host, &spec, 1, &err), "%s", err.message);
    CHECK(await_condition(world, has_failed, 5000), "%s: it fails", texts[i]);
    CHECK(ready_of(world, &spec) == 0 && world->host->provisioned->try_at_ns > mf_now_ns(), "and is tried again later");
    mf_host_forget(world->host, spec.key);
  }
  snprintf(world->image_text, sizeof world->image_text, "good");
  provision(world, &spec, 1);
}
SCENARIO(an_instance_that_cannot_be_made_fails_and_is_tried_again, bad_image)

static void many(test_world *world) {
  mf_host_stats stats;
  const mf_function_spec spec = version(world, "r/f:1"), other = function(world, "r/g");
  CHECK(await_condition(world, pool_is_full, 5000), "the pool is full");
  mf_error err;
  CHECK(mf_host_provision(world->host, &spec, 30, &err), "%s", err.message);
  CHECK(!make_call(world, &other, "echo:x")->invocation.error.code, "others are served meanwhile");
  mf_host_statistics(world->host, &stats);
  CHECK(stats.blank_workers > 0, "the pool is left to others");
  provision(world, &spec, 30);
  is_idle(world, &spec, 30);
}
SCENARIO(many_are_made_beside_the_pool, many)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(versions_share_their_functions_reservation),
      cmocka_unit_test(versions_share_their_functions_turn),
      cmocka_unit_test(a_group_ends_with_its_last_member),
      cmocka_unit_test(what_is_not_reserved_is_shared),
      cmocka_unit_test(each_account_has_a_limit_of_its_own),
      cmocka_unit_test(provisioned_instances_stay_whatever_the_keep_alive),
      cmocka_unit_test(provisioned_instances_stay_without_keep_alive),
      cmocka_unit_test(provisioned_instances_need_no_pool),
      cmocka_unit_test(calls_beyond_what_is_provisioned_spill_over),
      cmocka_unit_test(what_is_provisioned_is_admitted_whatever_runs),
      cmocka_unit_test(provisioned_instances_are_made_again),
      cmocka_unit_test(instances_that_are_there_count),
      cmocka_unit_test(an_instance_that_cannot_be_made_fails_and_is_tried_again),
      cmocka_unit_test(many_are_made_beside_the_pool),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
