// The keeper: front dies and comes back, dies too often, returns; the keeper is told to stop, or is killed and nothing survives it.
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "world.h"

struct shared {  // between the test and its fronts
  int fronts;    // started so far
  pid_t front, worker;
  bool ready, drained;
  int wanted_deaths;
};

static struct shared *make_shared(void) {
  void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(memory != MAP_FAILED);
  return memory;
}

static bool wait_until(const volatile bool *flag) {
  for (int i = 0; i < 2000 && !*flag; i++) usleep(5000);
  return *flag;
}

// Alive, zombies not counted.
static bool lives(pid_t pid) {
  char path[40], text[256] = "", *state;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  const bool read = fgets(text, sizeof text, file) != NULL;
  fclose(file);
  state = strrchr(text, ')');
  return read && state && state[2] != 'Z';
}

static bool dies(pid_t pid) {
  for (int i = 0; i < 400 && lives(pid); i++) usleep(5000);
  return !lives(pid);
}

// ---- front dies ----

static void die_twice(test_world *world) {
  struct shared *shared = world->data;
  const mf_function_spec spec = function(world, "r/x");
  if (shared->fronts > 0) CHECK(!lives(shared->worker), "the dead front's worker %d is still there", (int)shared->worker);
  shared->fronts++;
  const test_call *call = make_call(world, &spec, "count");
  CHECK(call->invocation.outcome == MF_OUTCOME_ANSWER && call->invocation.cold, "outcome %d", (int)call->invocation.outcome);
  shared->worker = atoi(call->response);
  if (shared->fronts <= shared->wanted_deaths) kill(getpid(), SIGKILL);
}

static void front_comes_back_with_fresh_workers(void **state) {
  (void)state;
  struct shared *shared = make_shared();
  shared->wanted_deaths = 8;  // more than five in a minute, but there are answers in between
  assert_int_equal(run_scenario(die_twice, &small_options, shared), 0);
  assert_int_equal(shared->fronts, 9);
}

static void die_at_once(test_world *world) {
  struct shared *shared = world->data;
  shared->fronts++;
  signal(SIGSEGV, SIG_DFL);
  raise(SIGSEGV);
}

static void the_keeper_gives_up_after_five_deaths_without_an_answer(void **state) {
  (void)state;
  struct shared *shared = make_shared();
  assert_int_equal(run_scenario(die_at_once, &small_options, shared), 1);
  assert_int_equal(shared->fronts, 5);
}

static void leave_with_seven(test_world *world) {
  (void)world;
  exit(7);
}

static void the_exit_status_of_front_is_the_programs(void **state) {
  (void)state;
  assert_int_equal(run_scenario(leave_with_seven, &small_options, NULL), 7);
}

// ---- stopping ----

static void on_drained(void *context) { *(bool *)context = true; }
static bool is_drained(test_world *world) { return ((struct shared *)world->data)->drained; }

static void work_until_told(test_world *world) {
  struct shared *shared = world->data;
  const mf_function_spec spec = function(world, "r/x");
  static test_call call;
  make_call(world, &spec, "echo:warm");
  start_call(world, &call, &spec, "sleep:300");
  shared->ready = true;
  mf_error err;
  while (!world->stop_asked) CHECK(mf_loop_run(world->loop, &err), "%s", err.message);
  CHECK(!call.done, "told while it ran");
  mf_host_drain(world->host, on_drained, &shared->drained);
  await_call(&call);
  CHECK(call.invocation.outcome == MF_OUTCOME_ANSWER, "outcome %d", (int)call.invocation.outcome);
  CHECK(await_condition(world, is_drained, 1000), "drained");
}

static void sigterm_lets_front_finish(void **state) {
  (void)state;
  const int signals[] = {SIGTERM, SIGINT};
  for (size_t i = 0; i < MF_COUNT(signals); i++) {
    struct shared *shared = make_shared();
    const pid_t keeper = start_scenario(work_until_told, &small_options, shared);
    assert_true(wait_until(&shared->ready));
    kill(keeper, signals[i]);
    assert_int_equal(await_process(keeper), 0);
    assert_true(shared->drained);
  }
}

static void ignore_being_told(test_world *world) {
  struct shared *shared = world->data;
  shared->ready = true;
  run_for(world, 20000);
  while (!world->stop_asked) run_for(world, 100);
  for (;;) pause();
}

static void a_second_signal_stops_at_once(void **state) {
  (void)state;
  struct shared *shared = make_shared();
  const pid_t keeper = start_scenario(ignore_being_told, &small_options, shared);
  assert_true(wait_until(&shared->ready));
  kill(keeper, SIGTERM);
  usleep(50000);
  kill(keeper, SIGTERM);
  assert_int_equal(await_process(keeper), 1);
}

// ---- the keeper dies ----

static void stay_busy(test_world *world) {
  struct shared *shared = world->data;
  const mf_function_spec spec = function(world, "r/x");
  static test_call call;
  shared->front = getpid();
  shared->worker = atoi(make_call(world, &spec, "count")->response);
  start_call(world, &call, &spec, "spin:30000");
  shared->ready = true;
  await_call(&call);
}

static void nothing_survives_the_keeper(void **state) {
  (void)state;
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);  // orphans become ours
  struct shared *shared = make_shared();
  const pid_t keeper = start_scenario(stay_busy, &small_options, shared);
  assert_true(wait_until(&shared->ready));
  assert_true(lives(shared->front) && lives(shared->worker));
  kill(keeper, SIGKILL);
  assert_int_equal(await_process(keeper), 128 + SIGKILL);
  assert_true(dies(shared->front));
  assert_true(dies(shared->worker));
  int left = 0;  // blank workers are orphans too: all of them end, so that wait says there are none
  for (int i = 0; i < 1000; i++) {
    const pid_t pid = waitpid(-1, NULL, WNOHANG);
    left = pid >= 0;
    if (pid < 0) break;
    if (pid == 0) usleep(2000);
  }
  assert_int_equal(left, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(front_comes_back_with_fresh_workers),
      cmocka_unit_test(the_keeper_gives_up_after_five_deaths_without_an_answer),
      cmocka_unit_test(the_exit_status_of_front_is_the_programs),
      cmocka_unit_test(sigterm_lets_front_finish),
      cmocka_unit_test(a_second_signal_stops_at_once),
      cmocka_unit_test(nothing_survives_the_keeper),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
