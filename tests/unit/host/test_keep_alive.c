// The hybrid keep-alive with real processes: what a function's own idle times do to its instances, which of them goes when one has to,
// and that what was learnt outlives function, host and process. The policy's minute is some milliseconds long where time has to pass.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/internal.h"
#include "world.h"

#define MINUTES(n) ((int64_t)(n) * MF_POLICY_BIN_NS)

// ---- a keeper of histories: one row for each of a few keys ----

typedef struct row {
  const char *key;
  uint8_t packed[8 + MF_POLICY_PACKED];
  size_t len;
} row;
static row rows[4];

static row *row_of(mf_str key) {
  for (size_t i = 0; i < MF_COUNT(rows); i++)
    if (rows[i].key && mf_str_is(key, rows[i].key)) return &rows[i];
  return NULL;
}

static size_t load(void *context, mf_str key, uint8_t *out, size_t capacity) {
  (void)context;
  const row *r = row_of(key);
  if (!r) return 0;
  CHECK(r->len <= capacity, "a row of %zu bytes is not taken", r->len);
  memcpy(out, r->packed, r->len);
  return r->len;
}

static void save(void *context, mf_str key, mf_slice packed) {
  (void)context;
  row *r = row_of(key);
  if (!r) return;
  memcpy(r->packed, packed.data, packed.len);
  r->len = packed.len;
}

static void know(row *r, const char *key, int64_t idle_ns, uint32_t times) {
  mf_policy policy = {0};
  mf_policy_note(&policy, idle_ns, times);
  *r = (row){.key = key};
  r->len = 8 + mf_policy_pack(&policy, r->packed + 8);
}

static mf_policy stored(const row *r) {
  mf_policy policy;
  CHECK(r->len > 8 && mf_policy_unpack(&policy, (mf_slice){r->packed + 8, r->len - 8}), "row '%s' of %zu bytes", r->key, r->len);
  return policy;
}

static mf_host_options hybrid(int64_t minute_ns) {
  mf_host_options options = small_options;
  options.keep_alive_ns = MF_KEEP_ALIVE_HYBRID;
  options.histories = (mf_history_keeper){.load = load, .save = save};
  options.minute_ns = minute_ns;
  return options;
}

static int64_t life_of_an_instance(test_world *world, const char *key) {
  const mf_function_spec spec = function(world, key);
  make_call(world, &spec, "echo:x");
  const int64_t idle_since = mf_now_ns();
  CHECK(await_condition(world, no_instances, 20000), "it goes");
  return mf_now_ns() - idle_since;
}

// ---- staying ----

static void stays(test_world *world) {
  const int64_t unknown = life_of_an_instance(world, "r/new");
  CHECK(unknown >= 4800 * MF_NS_PER_MS, "unknown: it lived %lld ms", (long long)(unknown / MF_NS_PER_MS));
}
static void an_instance_of_an_unknown_function_stays_for_four_hours(void **state) {
  (void)state;
  const mf_host_options options = hybrid(20 * MF_NS_PER_MS);
  assert_int_equal(run_scenario(stays, &options, NULL), 0);
}

// ---- pre-warming ----

static test_world *the_world;
static void expected(void *context, mf_str key) {
  (void)context;
  mf_error err;
  CHECK(mf_str_is(key, "r/steady"), "%.*s is not expected", MF_STR_ARG(key));
  const mf_function_spec spec = function(the_world, "r/steady");
  CHECK(mf_host_pre_warm(the_world->host, &spec, &err), "%s", err.message);
}

static bool an_instance(test_world *world) {
  mf_host_stats stats;
  mf_host_statistics(world->host, &stats);
  return stats.instances_idle == 1;
}

static int64_t ms_since(int64_t ns) { return (mf_now_ns() - ns) / MF_NS_PER_MS; }

// Calls every ten minutes of 100 ms: nothing is there for nine of them, then an instance until 12.1 of them are over.
static void pre_warms(test_world *world) {
  const mf_function_spec spec = function(world, "r/steady"), daily = function(world, "r/daily");
  the_world = world;
  make_call(world, &daily, "echo:x");
  CHECK(await_condition(world, no_instances, 800), "whose next call is in a day goes at once");
  CHECK(await_condition(world, pool_is_full, 5000), "blank workers");
  CHECK(make_call(world, &spec, "echo:x")->invocation.cold, "the first call is cold");
  int64_t ended = mf_now_ns();
  CHECK(await_condition(world, no_instances, 800), "whose next call is not near goes at once");
  CHECK(!mf_function_find(world->host, spec.key), "and its function leaves the dispatcher");
  CHECK(await_condition(world, an_instance, 5000) && ms_since(ended) >= 890, "made after %lld ms", (long long)ms_since(ended));
  const test_call *call = make_call(world, &spec, "echo:x");
  CHECK(!call->invocation.cold && call->invocation.init_ns == 0, "the call that was expected is warm");
  ended = mf_now_ns();
  CHECK(await_condition(world, no_instances, 5000), "it goes");
  CHECK(await_condition(world, an_instance, 5000), "another one is made");
  CHECK(await_condition(world, no_instances, 5000) && ms_since(ended) >= 1190, "which goes unused after %lld ms", (long long)ms_since(ended));
  run_for(world, 1300);
  CHECK(no_instances(world), "and no other one is made until a call has come");
}
static void an_instance_is_made_when_a_call_is_expected(void **state) {
  (void)state;
  know(&rows[0], "r/steady", MINUTES(10), 100);
  know(&rows[1], "r/daily", 0, 0);
  mf_policy daily = {0};
  for (int i = 0; i < 5; i++) mf_policy_note(&daily, MINUTES(1440), 1);
  rows[1].len = 8 + mf_policy_pack(&daily, rows[1].packed + 8);
  mf_host_options options = hybrid(100 * MF_NS_PER_MS);
  options.expected = expected;
  assert_int_equal(run_scenario(pre_warms, &options, NULL), 0);
}

// Minutes of 50 ms, calls some two minutes apart: by what is learnt from a dozen of them an instance is not worth the four hours (12 s) of the
// beginning any more, and the timer that was set for those looks again.
static void learns(test_world *world) {
  const mf_function_spec spec = function(world, "r/learns");
  for (int i = 0; i < 12; i++) {
    CHECK(make_call(world, &spec, "echo:x")->invocation.cold == (i == 0) || i > MF_POLICY_LEAST, "call %d", i);
    run_for(world, 120);
  }
  const mf_history *history = mf_history_open(world->host, spec.key);  // its function may be gone already
  CHECK(mf_policy_decide(&history->policy).basis == MF_POLICY_HISTOGRAM, "the histogram decides");
  CHECK(await_condition(world, no_instances, 1000), "it goes");
  CHECK(!mf_function_find(world->host, spec.key), "the function is not in the dispatcher any more");
  run_for(world, 300);
  CHECK(make_call(world, &spec, "echo:x")->invocation.cold, "it is cold");
  CHECK(mf_function_find(world->host, spec.key)->history == history, "its history has stayed");
  mf_host_destroy(world->host);  // hands over what changed
  uint32_t n = 0;
  const mf_policy policy = stored(&rows[0]);
  for (int i = 0; i < MF_POLICY_BINS; i++) n += policy.bins[i];
  CHECK(n == 12, "%u idle times of 13 calls were handed over", n);
  _exit(0);
}
static void what_calls_teach_shortens_the_stay_and_is_handed_over(void **state) {
  (void)state;
  rows[0] = (row){.key = "r/learns"};
  const mf_host_options options = hybrid(50 * MF_NS_PER_MS);
  assert_int_equal(run_scenario(learns, &options, NULL), 0);
}

// Calls at the same time are no idle times; those of a deleted function are forgotten.
static void together(test_world *world) {
  static test_call calls[4];
  const mf_function_spec spec = function(world, "r/together");
  for (int i = 0; i < 4; i++) start_call(world, &calls[i], &spec, "sleep:30");
  await_calls(calls, 4);
  const mf_history *history = mf_function_find(world->host, spec.key)->history;
  CHECK(history->policy.bins[0] == 0, "%u idle times", history->policy.bins[0]);
  make_call(world, &spec, "echo:x");
  CHECK(history->policy.bins[0] == 1, "%u idle times", history->policy.bins[0]);
  mf_host_forget(world->host, spec.key);
  CHECK(world->host->histories.count == 0 && !world->host->histories.changed, "it is forgotten");
  make_call(world, &spec, "echo:x");
  CHECK(mf_function_find(world->host, spec.key)->history->policy.bins[0] == 0, "and begins anew");
}
static void only_pauses_of_the_whole_function_count(void **state) {
  (void)state;
  const mf_host_options options = hybrid(0);
  assert_int_equal(run_scenario(together, &options, NULL), 0);
}

// ---- making way ----

// r/often is idle longest but is called every minute; r/rare's next call is hours away. Four processes, no pool: the third function needs one.
static void least_useful(test_world *world) {
  const mf_function_spec often = function(world, "r/often"), rare = function(world, "r/rare"), third = function(world, "r/third");
  make_call(world, &often, "echo:x");
  make_call(world, &rare, "echo:x");
  make_call(world, &third, "echo:x");
  CHECK(mf_function_find(world->host, often.key), "what is called every minute has stayed");
  CHECK(!mf_function_find(world->host, rare.key), "what is called in hours has made way");
  CHECK(!make_call(world, &often, "echo:x")->invocation.cold, "and is warm");
}
static void the_least_useful_instance_makes_way(void **state) {
  (void)state;
  know(&rows[0], "r/often", 0, 200);
  know(&rows[1], "r/rare", 0, 0);
  mf_policy rare = {0};  // calls in pairs, so that it is not unloaded in between
  mf_policy_note(&rare, 0, 50);
  mf_policy_note(&rare, MINUTES(200), 50);
  rows[1].len = 8 + mf_policy_pack(&rare, rows[1].packed + 8);
  mf_host_options options = hybrid(0);
  options.pool_bytes = 0;
  options.max_workers = 2;
  assert_int_equal(run_scenario(least_useful, &options, NULL), 0);
}

static void of_memory(test_world *world) {
  const mf_history *none = NULL;
  CHECK(mf_history_worth(world->host, none, MINUTES(5), 8 << 20) < mf_history_worth(world->host, none, MINUTES(5), 2 << 20), "for each megabyte");
  CHECK(mf_history_worth(world->host, none, MINUTES(50), 2 << 20) < mf_history_worth(world->host, none, MINUTES(5), 2 << 20), "idle longer");
}
static void worth_is_for_each_megabyte(void **state) {
  (void)state;
  const mf_host_options options = hybrid(0);
  assert_int_equal(run_scenario(of_memory, &options, NULL), 0);
}

// ---- bounds ----

static void many(test_world *world) {
  char key[32];
  for (int i = 0; i < MF_HISTORIES + 1000; i++) {
    snprintf(key, sizeof key, "r/f%d", i);
    mf_history *history = mf_history_open(world->host, mf_str_from(key));
    CHECK(history, "%s", key);
    mf_history_ended(world->host, history);
    if (i != 7) mf_history_close(history);
  }
  CHECK(world->host->histories.count == MF_HISTORIES, "%u histories", world->host->histories.count);
  CHECK(rows[0].len > 0, "one that made way was handed over first");
  mf_history *kept = mf_history_open(world->host, MF_STR("r/f7"));
  CHECK(kept->ended_ns > 0, "what is in use stays");
  mf_history_close(kept);
}
static void histories_are_bounded(void **state) {
  (void)state;
  rows[0] = (row){.key = "r/f3"};
  const mf_host_options options = hybrid(0);
  assert_int_equal(run_scenario(many, &options, NULL), 0);
}

static void damaged(test_world *world) {
  const mf_function_spec spec = function(world, "r/damaged");
  make_call(world, &spec, "echo:x");
  CHECK(mf_function_find(world->host, spec.key)->history->policy.bins[0] == 0, "it begins anew");
}
static void a_damaged_row_begins_anew(void **state) {
  (void)state;
  know(&rows[0], "r/damaged", 0, 99);
  rows[0].packed[rows[0].len - 1] = 0xff;
  const mf_host_options options = hybrid(0);
  assert_int_equal(run_scenario(damaged, &options, NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_instance_of_an_unknown_function_stays_for_four_hours),
      cmocka_unit_test(an_instance_is_made_when_a_call_is_expected),
      cmocka_unit_test(what_calls_teach_shortens_the_stay_and_is_handed_over),
      cmocka_unit_test(only_pauses_of_the_whole_function_count),
      cmocka_unit_test(the_least_useful_instance_makes_way),
      cmocka_unit_test(worth_is_for_each_megabyte),
      cmocka_unit_test(histories_are_bounded),
      cmocka_unit_test(a_damaged_row_begins_anew),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
