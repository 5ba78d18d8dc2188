// The dispatcher with real processes: answers, failures, limits, fairness, deadlines, revisions, keep-alive, cancelling and draining.
// Each scenario runs inside a front of its own; the test compares the keeper's exit status.
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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

// ---- answers ----

static void echo(test_world *world) {
  const mf_function_spec spec = function(world, "r/echo");
  const test_call *call = make_call(world, &spec, "echo:hello");
  OUTCOME(call, MF_OUTCOME_ANSWER);
  CHECK(strcmp(call->response, "hello") == 0, "'%s'", call->response);
  CHECK(call->invocation.cold && call->invocation.init_ns > 0, "the first call is cold");
  CHECK(call->invocation.max_memory_bytes > 0 && call->invocation.max_memory_bytes < 64 << 20, "%llu bytes",
        (unsigned long long)call->invocation.max_memory_bytes);
  call = make_call(world, &spec, "sleep:30");
  CHECK(!call->invocation.cold && call->invocation.init_ns == 0, "the second call is warm");
  CHECK(call->invocation.plan_ns >= 30 * MF_NS_PER_MS && call->invocation.duration_ns >= call->invocation.plan_ns &&
            call->invocation.duration_ns < 2000 * MF_NS_PER_MS, "plan %lld, duration %lld",
        (long long)call->invocation.plan_ns, (long long)call->invocation.duration_ns);
  call = make_call(world, &spec, "echo:");
  CHECK(strcmp(call->response, "") == 0, "the answer before is still there: '%s'", call->response);
  CHECK(world->opened == 1, "the image was opened %u times", world->opened);
}
SCENARIO(invoke_answers_cold_then_warm, echo)

static void large(test_world *world) {
  const mf_function_spec spec = function(world, "r/large");
  static test_call first, second;
  start_call(world, &first, &spec, "big:6291556");
  mf_error err;
  while (!first.done) CHECK(mf_loop_run(world->loop, &err), "%s", err.message);
  CHECK(first.invocation.response.len == 6291556 && ((const char *)first.invocation.response.data)[6291555] == 'x', "the answer is whole");
  start_call(world, &second, &spec, "count");  // the first one's mailbox is still being read
  await_call(&second);
  CHECK(second.invocation.cold, "a worker whose answer is being read serves nobody");
  CHECK(((const char *)first.invocation.response.data)[3000000] == 'x', "the answer is still whole");
  uint32_t idle, busy, queued;
  mf_host_function_statistics(world->host, spec.key, &idle, &busy, &queued);
  CHECK(idle == 1 && busy == 1 && queued == 0, "%u idle, %u busy, %u queued", idle, busy, queued);
  mf_host_release(world->host, &first.invocation);
  mf_host_function_statistics(world->host, spec.key, &idle, &busy, &queued);
  CHECK(idle == 2 && busy == 0, "%u idle, %u busy", idle, busy);
  OUTCOME(make_call(world, &spec, "echo:still there"), MF_OUTCOME_ANSWER);
}
SCENARIO(a_large_answer_stays_valid_until_it_is_released, large)

static void payload_file(test_world *world) {
  const mf_function_spec spec = function(world, "r/file");
  static char text[3000000];
  memset(text, 'y', sizeof text);
  memcpy(text, "echo:", 5);
  OWN_FD int fd = memfd_create("payload", 0);
  CHECK(write(fd, text, sizeof text) == (ssize_t)sizeof text, "write");
  static test_call call;
  start_call(world, &call, &spec, "count");
  await_call(&call);
  call.done = false;
  call.invocation.payload = (mf_slice){NULL, sizeof text};
  call.invocation.payload_fd = fd;
  mf_host_invoke(world->host, &spec, &call.invocation);
  mf_error err;
  while (!call.done) CHECK(mf_loop_run(world->loop, &err), "%s", err.message);
  CHECK(call.invocation.response.len == sizeof text - 5 && memcmp(call.invocation.response.data, text + 5, sizeof text - 5) == 0,
        "%zu bytes came back", call.invocation.response.len);
  mf_host_release(world->host, &call.invocation);
  call.done = false;
  call.invocation.payload.len = sizeof text + 1;  // the file is shorter
  mf_host_invoke(world->host, &spec, &call.invocation);
  await_call(&call);
  OUTCOME(&call, MF_OUTCOME_FAILED);
  call.done = false;
  call.invocation.payload.len = 6291557;
  mf_host_invoke(world->host, &spec, &call.invocation);
  await_call(&call);
  OUTCOME(&call, MF_OUTCOME_FAILED);
  CHECK(call.invocation.error.code == MF_TooLarge, "%s", call.invocation.error.message);
}
SCENARIO(a_payload_may_come_from_a_file, payload_file)

// ---- failures ----

static void function_error(test_world *world) {
  const mf_function_spec spec = function(world, "r/f");
  const test_call *call = make_call(world, &spec, "fail:InvalidInput");
  OUTCOME(call, MF_OUTCOME_FUNCTION_ERROR);
  const char *expected = "{\"errorMessage\":\"\\\"quoted\\\"\\u000aand more\",\"errorType\":\"Mayfly.InvalidInput\"}";
  CHECK(strcmp(call->response, expected) == 0, "%s, expected %s", call->response, expected);
  CHECK(!make_call(world, &spec, "echo:x")->invocation.cold, "an error does not end the instance");
  OUTCOME(make_call(world, &spec, "fail:OutOfMemory"), MF_OUTCOME_OUT_OF_MEMORY);
  CHECK(make_call(world, &spec, "echo:x")->invocation.cold, "without memory the instance ends, as in Lambda");
}
SCENARIO(a_function_error_is_a_json_object, function_error)

static void expect_end(test_world *world, const char *payload, int status, int signal_number) {
  const mf_function_spec spec = function(world, "r/f");
  static test_call other;
  const mf_function_spec neighbour = function(world, "r/neighbour");
  start_call(world, &other, &neighbour, "sleep:50");
  const test_call *call = make_call(world, &spec, payload);
  OUTCOME(call, MF_OUTCOME_EXITED);
  CHECK(call->invocation.exit_status == status && call->invocation.signal == signal_number, "'%s': status %d, signal %d", payload,
        call->invocation.exit_status, call->invocation.signal);
  await_call(&other);
  OUTCOME(&other, MF_OUTCOME_ANSWER);
  call = make_call(world, &spec, "echo:again");
  OUTCOME(call, MF_OUTCOME_ANSWER);
  CHECK(call->invocation.cold, "after '%s' the instance is a fresh one", payload);
}

static void deaths(test_world *world) {
  expect_end(world, "crash", 0, SIGSEGV);
  expect_end(world, "abort", 0, SIGABRT);
  expect_end(world, "exit:3", 3, 0);
  expect_end(world, "exit:0", 0, 0);
  expect_end(world, "write-image", 0, SIGSEGV);
  expect_end(world, "break:length", 0, SIGKILL);
  expect_end(world, "break:verdict", 0, SIGKILL);
  expect_end(world, "break:ring", 0, SIGKILL);
}
SCENARIO(a_worker_that_dies_hurts_its_caller_only, deaths)

static void bad_images(test_world *world) {
  mf_function_spec spec = function(world, "r/bad");
  strcpy(world->image_text, "bad");
  const test_call *call = make_call(world, &spec, "echo:x");
  OUTCOME(call, MF_OUTCOME_FAILED);
  CHECK(call->invocation.error.code == MF_InvalidImage && strcmp(call->invocation.error.message, "the image is bad") == 0, "%s",
        call->invocation.error.message);
  strcpy(world->image_text, "needs-more");
  spec.revision++;
  OUTCOME(make_call(world, &spec, "echo:x"), MF_OUTCOME_OUT_OF_MEMORY);
  strcpy(world->image_text, "crash");
  spec.revision++;
  call = make_call(world, &spec, "echo:x");
  OUTCOME(call, MF_OUTCOME_EXITED);
  CHECK(call->invocation.signal == SIGABRT, "signal %d", call->invocation.signal);
  strcpy(world->image_text, "slow");
  spec.revision++;
  call = make_call(world, &spec, "echo:x");
  OUTCOME(call, MF_OUTCOME_ANSWER);
  CHECK(call->invocation.init_ns >= 100 * MF_NS_PER_MS && call->invocation.duration_ns < 90 * MF_NS_PER_MS, "init %lld, duration %lld",
        (long long)call->invocation.init_ns, (long long)call->invocation.duration_ns);
  CHECK(await_condition(world, pool_is_full, 5000), "the pool fills again");
}
SCENARIO(an_image_that_cannot_be_bound_is_a_clear_failure, bad_images)

static bool writable_image(void *context, int *fd, mf_error *err) {
  (void)context, (void)err;
  *fd = memfd_create("writable", 0);
  return *fd >= 0 && ftruncate(*fd, 4096) == 0;
}
static bool no_image(void *context, int *fd, mf_error *err) {
  (void)context, (void)fd;
  return mf_fail(err, MF_NotFound, "no such blob");
}
static void refused_images(test_world *world) {
  mf_function_spec spec = function(world, "r/w");
  spec.open_image = writable_image;
  const test_call *call = make_call(world, &spec, "echo:x");
  OUTCOME(call, MF_OUTCOME_FAILED);
  CHECK(strstr(call->invocation.error.message, "for writing"), "%s", call->invocation.error.message);
  spec.open_image = no_image;
  call = make_call(world, &spec, "echo:x");
  OUTCOME(call, MF_OUTCOME_FAILED);
  CHECK(call->invocation.error.code == MF_NotFound, "%s", call->invocation.error.message);
}
SCENARIO(a_writable_image_is_refused, refused_images)

// ---- memory ----

static void memory(test_world *world) {
  mf_function_spec spec = function(world, "r/m");
  const test_call *call = make_call(world, &spec, "arena:100");
  OUTCOME(call, MF_OUTCOME_ANSWER);
  CHECK(atoll(call->response) > 100 << 20 && atoll(call->response) <= 128 << 20, "the arena has %s bytes", call->response);
  CHECK(call->invocation.max_memory_bytes >= 100 << 20 && call->invocation.max_memory_bytes <= 128 << 20, "%llu bytes",
        (unsigned long long)call->invocation.max_memory_bytes);
  OUTCOME(make_call(world, &spec, "arena:128"), MF_OUTCOME_OUT_OF_MEMORY);
  if (!MF_SANITIZED) OUTCOME(make_call(world, &spec, "alloc:60"), MF_OUTCOME_OUT_OF_MEMORY);
  OUTCOME(make_call(world, &spec, "alloc:4"), MF_OUTCOME_ANSWER);
  spec.memory_mb = 3008;
  spec.revision++;
  OUTCOME(make_call(world, &spec, "arena:200"), MF_OUTCOME_ANSWER);
  spec.memory_mb = 9;  // less than the pool's arenas
  spec.arena_bytes = 1 << 20;
  spec.revision++;
  call = make_call(world, &spec, "arena:1");
  OUTCOME(call, MF_OUTCOME_ANSWER);
  CHECK(atoll(call->response) < 9 << 20, "the arena has %s bytes", call->response);
}
SCENARIO(memory_is_limited_to_what_the_function_has, memory)

static void clean(test_world *world) {
  const mf_function_spec spec = function(world, "r/c");
  CHECK(strcmp(make_call(world, &spec, "clean")->response, "0") == 0, "a fresh arena is zero");
  CHECK(strcmp(make_call(world, &spec, "environment")->response, "empty") == 0, "a worker sees no environment");
}
SCENARIO(a_fresh_worker_holds_nothing_of_others, clean)

// ---- limits and fairness ----

static void limit(test_world *world) {
  mf_function_spec spec = function(world, "r/limited"), other = function(world, "r/other");
  spec.reserved_concurrency = 4;
  enum { CALLERS = 32 };
  static test_call calls[CALLERS], quick;
  const int64_t began = mf_now_ns();
  for (int i = 0; i < CALLERS; i++) start_call(world, &calls[i], &spec, "sleep:200");
  start_call(world, &quick, &other, "echo:quick");
  uint32_t idle, busy, queued, throttled = 0;
  mf_host_function_statistics(world->host, spec.key, &idle, &busy, &queued);
  CHECK(busy + queued <= 4, "%u run, %u wait", busy, queued);
  await_call(&quick);
  OUTCOME(&quick, MF_OUTCOME_ANSWER);
  await_calls(calls, CALLERS);
  for (int i = 0; i < CALLERS; i++) {
    if (calls[i].invocation.outcome == MF_OUTCOME_ANSWER) continue;
    OUTCOME(&calls[i], MF_OUTCOME_THROTTLED);
    CHECK(strcmp(calls[i].invocation.throttle_reason, "ReservedFunctionConcurrentInvocationLimitExceeded") == 0, "%s",
          calls[i].invocation.throttle_reason);
    CHECK(calls[i].ended_ns - began < 100 * MF_NS_PER_MS, "throttled after %lld ns", (long long)(calls[i].ended_ns - began));
    throttled++;
  }
  CHECK(throttled == CALLERS - 4, "%u throttled", throttled);
  // It had two slots to wait for, both with 200 ms runs; two more of the slow ones were queued before it.
  CHECK(quick.ended_ns - began < 350 * MF_NS_PER_MS, "another function waited %lld ms", (long long)((quick.ended_ns - began) / MF_NS_PER_MS));
  OUTCOME(make_call(world, &spec, "echo:x"), MF_OUTCOME_ANSWER);
  spec.reserved_concurrency = 0;
  OUTCOME(make_call(world, &spec, "echo:x"), MF_OUTCOME_THROTTLED);
}
SCENARIO(a_function_at_its_limit_is_throttled_at_once, limit)

static void account(test_world *world) {
  const mf_function_spec spec = function(world, "r/a");
  mf_function_spec reserved = function(world, "r/b");
  reserved.reserved_concurrency = 1;
  static test_call calls[6];
  for (int i = 0; i < 5; i++) start_call(world, &calls[i], &spec, "sleep:20");
  start_call(world, &calls[5], &reserved, "echo:mine");
  await_calls(calls, 6);
  uint32_t throttled = 0;
  for (int i = 0; i < 5; i++) {
    throttled += calls[i].invocation.outcome == MF_OUTCOME_THROTTLED;
    if (calls[i].invocation.throttle_reason)
      CHECK(strcmp(calls[i].invocation.throttle_reason, "ConcurrentInvocationLimitExceeded") == 0, "%s", calls[i].invocation.throttle_reason);
  }
  CHECK(throttled == 1, "%u of 5 throttled with an account limit of 4", throttled);
  OUTCOME(&calls[5], MF_OUTCOME_ANSWER);
}
SCENARIO_WITH(the_account_has_a_limit_too, account, max_concurrency, 4)

// One slot: A runs and has five more waiting; B and C arrive later and go before them; then all take turns.
static void fairness(test_world *world) {
  const mf_function_spec a = function(world, "r/a"), b = function(world, "r/b"), c = function(world, "r/c");
  static test_call of_a[6], of_b[2], of_c[1];
  for (int i = 0; i < 6; i++) start_call(world, &of_a[i], &a, "sleep:40");
  run_for(world, 10);
  for (int i = 0; i < 2; i++) start_call(world, &of_b[i], &b, "sleep:5");
  start_call(world, &of_c[0], &c, "sleep:5");
  await_calls(of_a, 6);
  await_calls(of_b, 2);
  await_calls(of_c, 1);
  CHECK(of_a[0].ended_ns < of_b[0].ended_ns && of_b[0].ended_ns < of_c[0].ended_ns, "who waits goes first");
  CHECK(of_c[0].ended_ns < of_a[1].ended_ns, "C waited for more than one run of A");
  CHECK(of_a[1].ended_ns < of_b[1].ended_ns && of_b[1].ended_ns < of_a[2].ended_ns, "A and B take turns");
  for (int i = 1; i < 6; i++) CHECK(of_a[i - 1].ended_ns < of_a[i].ended_ns, "first in, first out within a function");
}
SCENARIO_WITH(run_slots_are_shared_fairly, fairness, run_slots, 1)

// Two slots: A holds one and waits for another one; B came later and has none.
static void fewer_first(test_world *world) {
  const mf_function_spec a = function(world, "r/a"), b = function(world, "r/b"), c = function(world, "r/c");
  static test_call long_one, other, of_a, of_b;
  start_call(world, &long_one, &a, "sleep:400");
  start_call(world, &other, &c, "sleep:60");
  start_call(world, &of_a, &a, "sleep:40");
  start_call(world, &of_b, &b, "sleep:40");
  await_call(&of_a);
  CHECK(of_b.done, "A's second run went before B's first");
  await_call(&of_b), await_call(&other), await_call(&long_one);
}
SCENARIO(who_has_fewer_runs_goes_first, fewer_first)

// One slot: after some brief runs two are handed over at once, never more; after a slow one each has the slot to itself.
static void brief(test_world *world) {
  const mf_function_spec spec = function(world, "r/brief"), other = function(world, "r/other");
  static test_call calls[3], beside;
  uint32_t idle, busy, queued;
  for (int i = 0, quick = 0; i < 1000 && quick < 4; i++)
    quick = make_call(world, &spec, "echo:x")->invocation.duration_ns < MF_NS_PER_MS ? quick + 1 : 0;
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < 3; i++) start_call(world, &calls[i], &spec, "sleep:40");
    start_call(world, &beside, &other, "sleep:5");
    mf_host_function_statistics(world->host, spec.key, &idle, &busy, &queued);
    CHECK(queued == (round == 0 ? 1 : 2), "round %d: %u of 3 wait", round, queued);
    mf_host_function_statistics(world->host, other.key, &idle, &busy, &queued);
    CHECK(queued == 1, "round %d: %u of another function wait", round, queued);
    await_calls(calls, 3);
    await_call(&beside);
    OUTCOME(&beside, MF_OUTCOME_ANSWER);
  }
}
SCENARIO_WITH(brief_runs_are_handed_over_ahead, brief, run_slots, 1)

// What is refused or fails at once says nothing about how long a run takes.
static void refusals(test_world *world) {
  const mf_function_spec spec = function(world, "r/refusals");
  static test_call calls[3];
  uint32_t idle, busy, queued;
  make_call(world, &spec, "sleep:5");
  for (int i = 0; i < 20; i++) make_call(world, &spec, "fail:InvalidInput");
  for (int i = 0; i < 3; i++) start_call(world, &calls[i], &spec, "sleep:20");
  mf_host_function_statistics(world->host, spec.key, &idle, &busy, &queued);
  CHECK(queued == 2, "%u of 3 wait", queued);
  await_calls(calls, 3);
}
SCENARIO_WITH(quick_refusals_are_no_brief_runs, refusals, run_slots, 1)

// ---- in the background ----

static int class_of(const test_call *call) {
  const mf_worker *worker = call->invocation.host.instance;
  CHECK(worker != NULL, "'%s' does not run", call->payload);
  return sched_getscheduler(worker->pid);
}

// Two slots and four in the background: a call is not held up, and computes in the usual class on an instance that was behind.
static void background(test_world *world) {
  mf_function_spec slow = function(world, "r/slow"), quick = function(world, "r/quick");
  slow.timeout_ms = quick.timeout_ms = 60000;
  static test_call behind[4], before, call;
  CHECK(await_condition(world, pool_is_full, 5000), "blank workers");
  start_background(world, &before, &quick, "sleep:1");
  CHECK(class_of(&before) == (mf_host_may_background() ? SCHED_IDLE : SCHED_OTHER), "class %d", class_of(&before));
  await_call(&before);
  for (int i = 0; i < 4; i++) start_background(world, &behind[i], &slow, "sleep:300");
  start_call(world, &call, &quick, "sleep:20");
  CHECK(class_of(&call) == SCHED_OTHER, "class %d", class_of(&call));
  await_call(&call);
  OUTCOME(&call, MF_OUTCOME_ANSWER);
  CHECK(!call.invocation.cold, "the instance is used again");
  for (int i = 0; i < 4; i++) CHECK(!behind[i].done, "what runs behind is there still");
  await_calls(behind, 4);
  for (int i = 0; i < 4; i++) OUTCOME(&behind[i], MF_OUTCOME_ANSWER);
}
SCENARIO(what_runs_in_the_background_holds_nobody_up, background)

static bool half_is_over(test_world *world) { return mf_now_ns() - ((test_call *)world->data)->began_ns > 250 * MF_NS_PER_MS; }

static void pressed(test_world *world) {
  mf_function_spec spec = function(world, "r/f");
  spec.timeout_ms = 400;
  static test_call call;
  world->data = &call;
  CHECK(await_condition(world, pool_is_full, 5000), "blank workers");
  start_background(world, &call, &spec, "sleep:10000");
  CHECK(class_of(&call) == (mf_host_may_background() ? SCHED_IDLE : SCHED_OTHER), "class %d", class_of(&call));
  CHECK(await_condition(world, half_is_over, 2000) && !call.done, "half of the timeout");
  CHECK(class_of(&call) == SCHED_OTHER, "class %d", class_of(&call));
  await_call(&call);
  OUTCOME(&call, MF_OUTCOME_TIMEOUT);
  CHECK(call.ended_ns - call.began_ns >= 400 * MF_NS_PER_MS, "after %lld ns", (long long)(call.ended_ns - call.began_ns));
}
SCENARIO(after_half_of_its_timeout_it_computes_as_others_do, pressed)

// ---- making way ----

static void call_many(test_world *world, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    char key[16];
    snprintf(key, sizeof key, "r/many%u", i);
    const mf_function_spec spec = function(world, key);
    const test_call *call = make_call(world, &spec, "echo:x");
    CHECK(call->invocation.outcome == MF_OUTCOME_ANSWER, "function %u: %s", i, call->invocation.error.message);
  }
}

static void few_workers(test_world *world) {
  call_many(world, 12);
  mf_host_stats stats;
  CHECK(await_condition(world, pool_is_full, 5000), "the pool is filled still");
  mf_host_statistics(world->host, &stats);
  CHECK(stats.instances_idle + stats.blank_workers <= 4 && stats.instances_idle > 0, "%u instances, %u blank workers", stats.instances_idle,
        stats.blank_workers);
}
SCENARIO_WITH(the_longest_idle_instance_makes_way, few_workers, max_workers, 4)

static void little_memory(test_world *world) {
  const mf_function_spec one = function(world, "r/one"), two = function(world, "r/two");
  uint32_t idle, busy, queued;
  world->host->committed_limit_bytes = 150 << 20;
  OUTCOME(make_call(world, &one, "arena:100"), MF_OUTCOME_ANSWER);
  CHECK(world->host->committed_bytes >= 100 << 20, "%llu bytes", (unsigned long long)world->host->committed_bytes);
  OUTCOME(make_call(world, &two, "arena:100"), MF_OUTCOME_ANSWER);
  mf_host_function_statistics(world->host, one.key, &idle, &busy, &queued);
  CHECK(idle == 0, "both are kept with %llu bytes", (unsigned long long)world->host->committed_bytes);
  mf_host_function_statistics(world->host, two.key, &idle, &busy, &queued);
  CHECK(idle == 1, "the newer one is gone");
  mf_host_forget(world->host, two.key);
  CHECK(await_condition(world, no_instances, 1000) && world->host->committed_bytes == 0, "%llu bytes are left",
        (unsigned long long)world->host->committed_bytes);
}
SCENARIO(memory_that_instances_were_seen_to_hold_is_counted, little_memory)

static void dead_blank(test_world *world) {
  const mf_function_spec spec = function(world, "r/b");
  CHECK(await_condition(world, pool_is_full, 5000), "the pool is filled");
  const uint64_t arena = spec.arena_bytes;
  mf_worker *first = world->host->classes[0].blank;
  CHECK(first && arena <= mf_pool_class_bytes[0], "no blank worker of the smallest class");
  kill(first->pid, SIGKILL);
  usleep(20000);  // dead, and front has not been told
  OUTCOME(make_call(world, &spec, "echo:x"), MF_OUTCOME_ANSWER);
}
SCENARIO(a_blank_worker_that_died_unnoticed_costs_nobody_an_answer, dead_blank)

// ---- deadlines ----

static void deadline(test_world *world) {
  mf_function_spec spec = function(world, "r/t");
  spec.timeout_ms = 100;
  make_call(world, &spec, "echo:warm");
  const test_call *call = make_call(world, &spec, "spin:5000");
  OUTCOME(call, MF_OUTCOME_TIMEOUT);
  const int64_t took = call->ended_ns - call->began_ns;
  CHECK(took >= 100 * MF_NS_PER_MS && took < 1000 * MF_NS_PER_MS, "took %lld ns", (long long)took);
  CHECK(call->invocation.duration_ns >= 90 * MF_NS_PER_MS, "duration %lld", (long long)call->invocation.duration_ns);
  CHECK(call->invocation.max_memory_bytes >= 64 << 10, "a run that timed out had %llu bytes", (unsigned long long)call->invocation.max_memory_bytes);
  call = make_call(world, &spec, "count");
  OUTCOME(call, MF_OUTCOME_ANSWER);
  CHECK(call->invocation.cold && strstr(call->response, " 1 "), "after a timeout the instance is a fresh one: %s", call->response);
}
SCENARIO(invoke_after_timeout_gets_a_fresh_instance, deadline)

// The meter of runs without an answer: killed while its plan was made, and dead with memory of its own.
static void remains(test_world *world) {
  mf_function_spec spec = function(world, "r/t");
  CHECK(await_condition(world, pool_is_full, 5000), "the pool is filled");
  spec.timeout_ms = 90;
  strcpy(world->image_text, "slow");
  const test_call *call = make_call(world, &spec, "echo:x");
  OUTCOME(call, MF_OUTCOME_TIMEOUT);
  CHECK(call->invocation.init_ns >= 30 * MF_NS_PER_MS && call->invocation.duration_ns == 0, "init %lld, duration %lld",
        (long long)call->invocation.init_ns, (long long)call->invocation.duration_ns);
  spec = function(world, "r/d");
  strcpy(world->image_text, "");
  OUTCOME(make_call(world, &spec, "arena:100"), MF_OUTCOME_ANSWER);
  call = make_call(world, &spec, "crash");
  OUTCOME(call, MF_OUTCOME_EXITED);
  CHECK(call->invocation.max_memory_bytes >= 100 << 20 && call->invocation.max_memory_bytes <= 128 << 20, "%llu bytes",
        (unsigned long long)call->invocation.max_memory_bytes);
}
SCENARIO(what_timed_out_or_died_is_metered_too, remains)

static void waiting_deadline(test_world *world) {
  mf_function_spec slow = function(world, "r/slow"), spec = function(world, "r/t");
  spec.timeout_ms = 50;
  static test_call calls[2], late;
  start_call(world, &calls[0], &slow, "sleep:300");
  start_call(world, &calls[1], &slow, "sleep:300");
  start_call(world, &late, &spec, "echo:x");
  await_call(&late);
  OUTCOME(&late, MF_OUTCOME_TIMEOUT);
  CHECK(late.ended_ns - late.began_ns < 250 * MF_NS_PER_MS && late.invocation.duration_ns == 0, "it never ran");
  await_calls(calls, 2);
  OUTCOME(&calls[0], MF_OUTCOME_ANSWER);
  mf_host_stats stats;
  mf_host_statistics(world->host, &stats);
  CHECK(stats.queued == 0 && stats.instances_busy == 0, "%u queued, %u busy", stats.queued, stats.instances_busy);
}
SCENARIO(waiting_counts_against_the_timeout, waiting_deadline)

// ---- revisions, deletion, keep-alive ----

static void revision(test_world *world) {
  mf_function_spec spec = function(world, "r/u");
  strcpy(world->image_text, "old");
  static test_call running, after;
  start_call(world, &running, &spec, "sleep:100");
  run_for(world, 30);
  strcpy(world->image_text, "new");
  spec.revision = 2;
  start_call(world, &after, &spec, "count");
  await_call(&after);
  CHECK(!running.done && strstr(after.response, "new"), "the new revision answers while the old one runs: %s", after.response);
  await_call(&running);
  OUTCOME(&running, MF_OUTCOME_ANSWER);
  uint32_t idle, busy, queued;
  mf_host_function_statistics(world->host, spec.key, &idle, &busy, &queued);
  CHECK(idle == 1, "the old instance is retired: %u idle", idle);
  CHECK(strstr(make_call(world, &spec, "count")->response, "new"), "only the new one is left");
  mf_host_forget(world->host, spec.key);
  CHECK(await_condition(world, no_instances, 1000), "a deleted function has no instances");
  strcpy(world->image_text, "third");
  CHECK(strstr(make_call(world, &spec, "count")->response, "third"), "made again with the same revision, it is another function");
}
SCENARIO(an_update_retires_old_instances_and_fails_nothing, revision)

static void forget(test_world *world) {
  const mf_function_spec spec = function(world, "r/d");
  static test_call calls[4];
  for (int i = 0; i < 4; i++) start_call(world, &calls[i], &spec, "sleep:50");
  run_for(world, 10);
  mf_host_forget(world->host, spec.key);
  mf_host_forget(world->host, MF_STR("nobody"));
  await_calls(calls, 4);
  for (int i = 0; i < 4; i++) OUTCOME(&calls[i], MF_OUTCOME_ANSWER);
}
SCENARIO(deleting_lets_accepted_invocations_finish, forget)

static void keep_alive_zero(test_world *world) {
  const mf_function_spec spec = function(world, "r/k");
  for (int i = 0; i < 3; i++) {
    CHECK(make_call(world, &spec, "echo:x")->invocation.cold, "every call is cold");
    CHECK(await_condition(world, no_instances, 1000), "gone after its answer");
  }
}
static void keep_alive_short(test_world *world) {
  const mf_function_spec spec = function(world, "r/k");
  make_call(world, &spec, "echo:x");
  for (int i = 0; i < 4; i++) {  // used again and again it lives longer than one keep-alive
    run_for(world, 80);
    CHECK(!make_call(world, &spec, "echo:x")->invocation.cold, "still there");
  }
  const int64_t idle_since = mf_now_ns();
  CHECK(await_condition(world, no_instances, 2000), "it goes");
  const int64_t lived = mf_now_ns() - idle_since;
  CHECK(lived >= 190 * MF_NS_PER_MS && lived < 600 * MF_NS_PER_MS, "it lived %lld ms", (long long)(lived / MF_NS_PER_MS));
}
static void idle_instances_go_after_the_keep_alive(void **state) {
  (void)state;
  mf_host_options options = small_options;
  options.keep_alive_ns = 0;
  assert_int_equal(run_scenario(keep_alive_zero, &options, NULL), 0);
  options.keep_alive_ns = 200 * MF_NS_PER_MS;
  assert_int_equal(run_scenario(keep_alive_short, &options, NULL), 0);
}

// ---- cancelling, draining ----

static void cancel(test_world *world) {
  const mf_function_spec spec = function(world, "r/c");
  static test_call calls[3];
  CHECK(await_condition(world, pool_is_full, 5000), "the pool is filled");
  for (int i = 0; i < 3; i++) start_call(world, &calls[i], &spec, "sleep:60");
  mf_host_cancel(world->host, &calls[2].invocation);
  CHECK(!calls[2].done, "done is not called inside mf_host_cancel");
  run_for(world, 10);
  mf_host_cancel(world->host, &calls[0].invocation);  // runs already: nothing happens
  await_calls(calls, 3);
  OUTCOME(&calls[0], MF_OUTCOME_ANSWER);
  OUTCOME(&calls[1], MF_OUTCOME_ANSWER);
  OUTCOME(&calls[2], MF_OUTCOME_FAILED);
  CHECK(calls[2].ended_ns < calls[0].ended_ns, "it did not wait");
}
SCENARIO(a_cancelled_invocation_does_not_start, cancel)

static void drained(void *context) {
  *(bool *)context = true;
}
static void drain(test_world *world) {
  const mf_function_spec spec = function(world, "r/d");
  static test_call calls[4], late;
  bool done = false;
  for (int i = 0; i < 4; i++) start_call(world, &calls[i], &spec, "sleep:50");
  mf_host_drain(world->host, drained, &done);
  start_call(world, &late, &spec, "echo:late");
  await_call(&late);
  OUTCOME(&late, MF_OUTCOME_FAILED);
  CHECK(late.invocation.error.code == MF_Unavailable && !done, "%s", late.invocation.error.message);
  await_calls(calls, 4);
  for (int i = 0; i < 4; i++) OUTCOME(&calls[i], MF_OUTCOME_ANSWER);
  run_for(world, 20);
  CHECK(done && no_instances(world), "drained");
}
SCENARIO(draining_finishes_what_was_accepted, drain)

// ---- resources ----

static bool is_settled(test_world *world) {
  uint32_t blank = 0, wanted = 0;
  for (int i = 0; i < MF_POOL_CLASSES; i++) blank += world->host->classes[i].n_blank, wanted += world->host->classes[i].wanted;
  return blank == wanted && world->host->n_alive == blank;
}

static void churn(test_world *world) {
  static test_call calls[8];
  CHECK(await_condition(world, pool_is_full, 5000), "the pool is filled");
  uint32_t before = 0;
  for (int round = 0; round < 12; round++) {
    for (int i = 0; i < 8; i++) {
      char key[16];
      snprintf(key, sizeof key, "r/f%d", i);
      const mf_function_spec spec = function(world, key);
      start_call(world, &calls[i], &spec, i == 3 ? "crash" : i == 5 ? "fail:InvalidInput" : i == 6 ? "big:100000" : "echo:x");
    }
    await_calls(calls, 8);
    CHECK(await_condition(world, no_instances, 2000), "instances go");
    CHECK(await_condition(world, pool_is_full, 5000), "the pool is filled again");
    CHECK(round % 10 != 1 || await_condition(world, is_settled, 10000), "all that is left is a full pool");
    if (round == 1) before = open_descriptors();
  }
  CHECK(open_descriptors() == before, "%u descriptors, %u before", open_descriptors(), before);
}
SCENARIO_WITH(nothing_leaks_descriptors, churn, keep_alive_ns, 10 * MF_NS_PER_MS)

static void without_pool(test_world *world) {
  const mf_function_spec spec = function(world, "r/p"), other = function(world, "r/q");
  static test_call calls[4];
  for (int i = 0; i < 4; i++) start_call(world, &calls[i], i % 2 ? &spec : &other, "sleep:20");
  await_calls(calls, 4);
  for (int i = 0; i < 4; i++) OUTCOME(&calls[i], MF_OUTCOME_ANSWER);
  mf_host_stats stats;
  mf_host_statistics(world->host, &stats);
  CHECK(stats.blank_workers == 0 && stats.pool_bytes == 0, "%u blank workers", stats.blank_workers);
}
SCENARIO_WITH(it_works_without_a_pool, without_pool, pool_bytes, 0)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(invoke_answers_cold_then_warm),
      cmocka_unit_test(a_large_answer_stays_valid_until_it_is_released),
      cmocka_unit_test(a_payload_may_come_from_a_file),
      cmocka_unit_test(a_function_error_is_a_json_object),
      cmocka_unit_test(a_worker_that_dies_hurts_its_caller_only),
      cmocka_unit_test(an_image_that_cannot_be_bound_is_a_clear_failure),
      cmocka_unit_test(a_writable_image_is_refused),
      cmocka_unit_test(memory_is_limited_to_what_the_function_has),
      cmocka_unit_test(a_fresh_worker_holds_nothing_of_others),
      cmocka_unit_test(a_function_at_its_limit_is_throttled_at_once),
      cmocka_unit_test(the_account_has_a_limit_too),
      cmocka_unit_test(run_slots_are_shared_fairly),
      cmocka_unit_test(who_has_fewer_runs_goes_first),
      cmocka_unit_test(brief_runs_are_handed_over_ahead),
      cmocka_unit_test(quick_refusals_are_no_brief_runs),
      cmocka_unit_test(what_runs_in_the_background_holds_nobody_up),
      cmocka_unit_test(after_half_of_its_timeout_it_computes_as_others_do),
      cmocka_unit_test(the_longest_idle_instance_makes_way),
      cmocka_unit_test(memory_that_instances_were_seen_to_hold_is_counted),
      cmocka_unit_test(a_blank_worker_that_died_unnoticed_costs_nobody_an_answer),
      cmocka_unit_test(invoke_after_timeout_gets_a_fresh_instance),
      cmocka_unit_test(what_timed_out_or_died_is_metered_too),
      cmocka_unit_test(waiting_counts_against_the_timeout),
      cmocka_unit_test(an_update_retires_old_instances_and_fails_nothing),
      cmocka_unit_test(deleting_lets_accepted_invocations_finish),
      cmocka_unit_test(idle_instances_go_after_the_keep_alive),
      cmocka_unit_test(a_cancelled_invocation_does_not_start),
      cmocka_unit_test(draining_finishes_what_was_accepted),
      cmocka_unit_test(nothing_leaks_descriptors),
      cmocka_unit_test(it_works_without_a_pool),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
