// Events that fail whenever they run, and chains that feed themselves: how often they run is counted on disk, whatever is killed when, and
// other functions' events do not wait for them.
#include "world.h"

#define SCALE 1e-3  // of the delays between attempts: 60 and 120 ms

// kill -9, between two commits: what is on the disk now is what the next start finds. A stop would write what it still holds.
static void stage_kill(stage *s) {
  char command[300], killed[sizeof s->base.directory];
  for (int i = 0; i < 5000 && s->events->moving.first; i++) run_for(s, MF_NS_PER_MS / 2);
  assert_null(s->events->moving.first);
  snprintf(killed, sizeof killed, "%s", s->base.directory);
  snprintf(s->base.directory, sizeof s->base.directory, "/tmp/mayfly-killed-XXXXXX");
  assert_non_null(mkdtemp(s->base.directory));
  snprintf(command, sizeof command, "cp -r %s/. %s", killed, s->base.directory);
  assert_int_equal(system(command), 0);
  stage_close(s);
  snprintf(command, sizeof command, "rm -rf %s", killed);
  assert_int_equal(system(command), 0);
  stage_open(s, SCALE);
}

static int runs_of(const stage *s, const char *function) {
  int n = 0;
  for (int i = 0; i < s->n_runs; i++) n += strcmp(s->runs[i].function, function) == 0;
  return n;
}

static void wait_for_runs(stage *s, const char *function, int n) {
  for (int i = 0; i < 5000 && runs_of(s, function) < n; i++) run_for(s, 2 * MF_NS_PER_MS);
  assert_in_range(runs_of(s, function), n, INT32_MAX);
}

static void wait_for_rows(stage *s, mf_table table, uint64_t n) {
  for (int i = 0; i < 5000 && rows_of(s, table) != n; i++) run_for(s, MF_NS_PER_MS / 2);
  assert_int_equal(rows_of(s, table), n);
}

// In the dead-letter target after 1 + MaximumRetryAttempts runs, of which each knows how many there were before it.
static void poison_ends(bool kills) {
  for (uint32_t retries = 0; retries <= 2; retries++) {
    stage *s = stage_begin(SCALE);
    s->policy.max_retries = retries;
    s->policy.dead_letter = MF_STR("r/target");
    s->verdict = MF_EVENT_FUNCTION_ERROR;
    assert_true(offer(s, "r/poison", 7));
    for (int run = 1; run <= (int)retries + 1; run++) {
      wait_for_runs(s, "r/poison", run);
      wait_for_rows(s, MF_TABLE_retries, run <= (int)retries);
      if (kills && run <= (int)retries) stage_kill(s);
    }
    wait_for_runs(s, "r/target", 1);
    assert_string_equal(s->last_record, "{\"n\":7}");
    run_for(s, 150 * MF_NS_PER_MS);
    assert_int_equal(runs_of(s, "r/poison"), retries + 1);
    if (!kills) assert_int_equal(runs_of(s, "r/target"), 1);
    for (int i = 0; i <= (int)retries; i++) assert_int_equal(s->runs[i].attempts, i);
    mf_events_flush(s->events);
    wait_for_rows(s, MF_TABLE_events, 0);
    assert_int_equal(rows_of(s, MF_TABLE_retries) + rows_of(s, MF_TABLE_failed_events), 0);
    stage_end(s);
  }
}

static void poison_ends_in_the_dead_letter_target_after_its_attempts(void **state) {
  (void)state;
  poison_ends(false);
}

static void kills_between_attempts_add_none(void **state) {
  (void)state;
  poison_ends(true);
}

// An attempt that a kill interrupts has not been counted: it is made again, and nothing of the count before it is forgotten.
static void a_kill_during_an_attempt_repeats_that_one_alone(void **state) {
  (void)state;
  stage *s = stage_begin(SCALE);
  s->policy.dead_letter = MF_STR("r/target");
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/poison", 7));
  wait_for_runs(s, "r/poison", 1);
  wait_for_rows(s, MF_TABLE_retries, 1);
  s->holds = true;
  wait_for_runs(s, "r/poison", 2);
  assert_int_equal(s->n_held, 1);
  s->holds = false;
  stage_kill(s);
  wait_for_runs(s, "r/target", 1);
  static const uint32_t attempts[] = {0, 1, 1, 2};
  assert_int_equal(runs_of(s, "r/poison"), MF_COUNT(attempts));
  for (size_t i = 0; i < MF_COUNT(attempts); i++) assert_int_equal(s->runs[i].attempts, attempts[i]);
  stage_end(s);
}

// Between two runs of the good function there are a few of the bad one, however many of these wait.
static void a_thousand_poisoned_events_do_not_delay_those_of_others(void **state) {
  (void)state;
  enum { POISON = 1000, GOOD = 50, FEW = 8 };
  stage *s = stage_begin_with(1e-9, 2);
  s->policy.dead_letter = MF_STR("r/target");
  s->fails_only = "r/poison";
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  s->holds = true;  // until all of it is there
  for (int i = 0; i < POISON; i++) assert_true(offer(s, "r/poison", i));
  for (int i = 0; i < GOOD; i++) assert_true(offer(s, "r/good", i));
  world_wait(&s->base, &s->accepted, POISON + GOOD);
  s->holds = false;
  const int before = s->n_runs, held = s->n_held;
  for (int i = 0; i < held; i++) end_run(s, s->held[i]);
  wait_for_runs(s, "r/good", GOOD);
  int good = 0;
  for (int i = before; i < s->n_runs; i++) {
    good += strcmp(s->runs[i].function, "r/good") == 0;
    if (good < GOOD) assert_true(i - before <= FEW * (good + FEW));
  }
  wait_for_runs(s, "r/target", POISON);
  assert_int_equal(runs_of(s, "r/poison"), 3 * POISON);
  assert_int_equal(runs_of(s, "r/good"), GOOD);
  stage_end(s);
}

// Who waits until nothing is under way has not looked between a run and its record.
static void an_event_is_counted_until_what_follows_from_it_is_on_disk(void **state) {
  (void)state;
  mf_events_stats stats;
  stage *s = stage_begin(SCALE);
  s->policy.on_success = MF_STR("r/target");
  s->holds = true;
  assert_true(offer(s, "r/f", 1));
  for (int i = 0; i < 5000 && s->n_held == 0; i++) run_for(s, MF_NS_PER_MS / 2);
  assert_int_equal(s->n_held, 1);
  end_run(s, s->held[0]);
  assert_non_null(s->events->moving.first);
  do {
    mf_events_statistics(s->events, &stats);
    if (runs_of(s, "r/target") == 0) assert_int_equal(stats.running + stats.waiting, 1);
    run_for(s, MF_NS_PER_MS / 10);
  } while (stats.running + stats.waiting > 0);
  assert_int_equal(runs_of(s, "r/target"), 1);
  stage_end(s);
}

// A record and a dead letter for each failure: along each branch no function runs too often, but there are more branches at each link.
static void a_chain_that_forks_ends(void **state) {
  (void)state;
  mf_events_stats stats;
  stage *s = stage_begin(1);
  offer_a_fork(s);
  world_wait(&s->base, &s->n_runs, 1);
  int rounds = 0;
  do {
    run_for(s, MF_NS_PER_MS);
    mf_events_statistics(s->events, &stats);
  } while (stats.waiting + stats.running + stats.retrying > 0 && ++rounds < 4000 && s->n_runs <= MF_EVENT_FOLLOWERS + 1);
  assert_in_range(s->n_runs, MF_EVENT_FOLLOWERS / 2, MF_EVENT_FOLLOWERS + 1);
  assert_int_equal(stats.waiting + stats.running + stats.retrying, 0);
  stage_end(s);
}

// At each moment it is in one number: in none somebody looks too early, in two there seem to be two.
static void a_failed_event_is_one_event_at_each_moment(void **state) {
  (void)state;
  mf_events_stats stats;
  stage *s = stage_begin(SCALE);
  s->policy.max_retries = 1;
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->accepted, 1);
  do {
    run_for(s, MF_NS_PER_MS / 10);
    mf_events_statistics(s->events, &stats);
    assert_int_equal(stats.waiting + stats.running + stats.retrying + stats.failed, 1);
  } while (stats.failed == 0);
  assert_int_equal(s->n_runs, 2);
  stage_end(s);
}

static void a_kill_does_not_reset_the_count_of_a_chain(void **state) {
  (void)state;
  stage *s = stage_begin(SCALE);
  s->policy.on_success = MF_STR("r/f");
  s->holds = true;
  assert_true(offer(s, "r/f", 1));
  for (int run = 1; run <= MF_EVENT_LOOP_LIMIT; run++) {
    for (int i = 0; i < 5000 && s->n_held == 0; i++) run_for(s, MF_NS_PER_MS / 2);
    assert_int_equal(s->n_held, 1);
    char before[sizeof s->runs[0].request_id];
    snprintf(before, sizeof before, "%s", s->runs[s->n_runs - 1].request_id);
    end_run(s, s->held[--s->n_held]);
    // The record is on its way to the queue: killed when it is there, and begun or not.
    if (run < MF_EVENT_LOOP_LIMIT)
      for (int i = 0; i < 5000 && s->n_held == 0; i++) run_for(s, MF_NS_PER_MS / 2);
    else wait_for_rows(s, MF_TABLE_failed_events, 1);
    s->n_runs -= s->n_held;  // those are made again
    assert_string_not_equal(before, s->runs[s->n_runs].request_id);
    stage_kill(s);
  }
  run_for(s, 20 * MF_NS_PER_MS);
  assert_int_equal(s->n_runs, MF_EVENT_LOOP_LIMIT);
  assert_int_equal(rows_of(s, MF_TABLE_failed_events), 1);
  assert_int_equal(rows_of(s, MF_TABLE_events), 0);
  stage_end(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(poison_ends_in_the_dead_letter_target_after_its_attempts),
      cmocka_unit_test(kills_between_attempts_add_none),
      cmocka_unit_test(a_kill_during_an_attempt_repeats_that_one_alone),
      cmocka_unit_test(a_thousand_poisoned_events_do_not_delay_those_of_others),
      cmocka_unit_test(an_event_is_counted_until_what_follows_from_it_is_on_disk),
      cmocka_unit_test(a_chain_that_forks_ends),
      cmocka_unit_test(a_failed_event_is_one_event_at_each_moment),
      cmocka_unit_test(a_kill_does_not_reset_the_count_of_a_chain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
