// What happens again: later and later by itself, at once and as if it were new when people ask.
#include <time.h>

#include "world.h"

#define NEAR_MS 20000  // how far off a busy machine may be

static void wait_for_state(stage *s, const char *state) {
  for (int i = 0; i < 5000 && strcmp(list_events(s).state, state) != 0; i++) run_for(s, MF_NS_PER_MS);
  assert_string_equal(list_events(s).state, state);
}

static void ask_again(stage *s) {
  mf_error err;
  const listed l = list_events(s);
  if (!mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err)) fail_msg("%s: %s", l.id, err.message);
}

static void expect_due_in(stage *s, int64_t seconds) {
  const int64_t left = list_events(s).at_ms - mf_wall_ns() / MF_NS_PER_MS;
  assert_in_range(left, seconds * 1000 - NEAR_MS, seconds * 1000 + 1000);
}

static void the_second_retry_waits_twice_as_long(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  wait_for_state(s, "retrying");
  expect_due_in(s, 60);
  ask_again(s);
  world_wait(&s->base, &s->n_runs, 2);
  wait_for_state(s, "retrying");
  expect_due_in(s, 120);
  assert_int_equal(list_events(s).attempts, 2);
  stage_end(s);
}

static void what_was_refused_waits_longer_each_time(void **state) {
  (void)state;
  stage *s = stage_begin(100);  // 100 s, 200 s, ...
  s->verdict = MF_EVENT_SYSTEM_ERROR;
  assert_true(offer(s, "r/f", 1));
  for (int i = 0; i < 3; i++) {
    world_wait(&s->base, &s->n_runs, i + 1);
    wait_for_state(s, "retrying");
    expect_due_in(s, 100 << i);
    mf_queue *queue = mf_queue_find(s->events, MF_STR("r/f"));
    if (queue) mf_queue_go_on(queue);
    ask_again(s);
  }
  stage_end(s);
}

static void a_queue_rests_longer_each_time_up_to_five_minutes(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  mf_queue *queue = mf_queue_get(s->events, MF_STR("r/f"), &s->base.err);
  assert_non_null(queue);
  queue->under_way++;  // it stays
  for (int64_t seconds = 1; seconds < 2000; seconds *= 2) {
    mf_queue_pause(queue);
    assert_int_equal(queue->backoff_ns, MF_MIN(seconds, 300) * MF_NS_PER_S);
    mf_loop_timer_cancel(s->events->loop, &queue->pause);
    queue->paused = false;
  }
  queue->under_way--;
  stage_end(s);
}

static void a_failed_event_that_is_asked_for_has_all_attempts_again(void **state) {
  (void)state;
  stage *s = stage_begin(1e-6);
  s->policy.max_retries = 1;
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  wait_for_state(s, "failed");
  ask_again(s);
  world_wait(&s->base, &s->n_runs, 4);
  for (int i = 0; i < 4; i++) assert_int_equal(s->runs[i].attempts, i % 2);
  wait_for_state(s, "failed");
  assert_int_equal(s->n_runs, 4);
  stage_end(s);
}

static void a_chain_that_was_stopped_begins_anew(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->policy.on_success = MF_STR("r/f");
  assert_true(offer(s, "r/f", 1));
  wait_for_state(s, "failed");
  assert_int_equal(s->n_runs, MF_EVENT_LOOP_LIMIT);
  ask_again(s);
  world_wait(&s->base, &s->n_runs, 2 * MF_EVENT_LOOP_LIMIT);
  wait_for_state(s, "failed");
  assert_int_equal(s->n_runs, 2 * MF_EVENT_LOOP_LIMIT);
  stage_end(s);
}

static void so_does_one_that_forked(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  offer_a_fork(s);
  for (int i = 0; i < 5000 && rows_of(s, MF_TABLE_failed_events) < MF_EVENT_FOLLOWERS / 2; i++) run_for(s, MF_NS_PER_MS);
  const int before = s->n_runs;
  assert_true(before <= MF_EVENT_FOLLOWERS + 1);
  ask_again(s);
  world_wait(&s->base, &s->n_runs, before + MF_EVENT_FOLLOWERS / 2);
  stage_end(s);
}

static void an_event_that_grew_too_old_is_young_again(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->policy.max_age_ns = -1;
  assert_true(offer(s, "r/f", 1));
  wait_for_state(s, "failed");
  assert_int_equal(s->n_runs, 0);
  s->policy.max_age_ns = 3600 * MF_NS_PER_S;
  s->holds = true;
  run_for(s, 5 * MF_NS_PER_MS);
  const int64_t asked_ms = mf_wall_ns() / MF_NS_PER_MS;
  ask_again(s);
  world_wait(&s->base, &s->n_runs, 1);
  assert_true(list_events(s).accepted_ms >= asked_ms);
  end_run(s, s->held[0]);
  stage_end(s);
}

static void a_record_names_version_and_time(void **state) {
  (void)state;
  struct tm tm = {0};
  stage *s = stage_begin(1);
  s->policy.on_success = MF_STR("r/target");
  s->holds = true;
  s->holds_only = "r/f";
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_held, 1);
  snprintf(s->held[0]->executed_version, sizeof s->held[0]->executed_version, "7");
  end_run(s, s->held[0]);
  world_wait(&s->base, &s->n_runs, 2);
  assert_non_null(strstr(s->last_record, "\"executedVersion\":\"7\""));
  const char *time = strstr(s->last_record, "\"timestamp\":\"");
  assert_non_null(time);
  assert_non_null(strptime(time + strlen("\"timestamp\":\""), "%Y-%m-%dT%H:%M:%S", &tm));
  assert_in_range(timegm(&tm), mf_wall_ns() / MF_NS_PER_S - NEAR_MS / 1000, mf_wall_ns() / MF_NS_PER_S + 1);
  stage_end(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_second_retry_waits_twice_as_long),
      cmocka_unit_test(what_was_refused_waits_longer_each_time),
      cmocka_unit_test(a_queue_rests_longer_each_time_up_to_five_minutes),
      cmocka_unit_test(a_failed_event_that_is_asked_for_has_all_attempts_again),
      cmocka_unit_test(a_chain_that_was_stopped_begins_anew),
      cmocka_unit_test(so_does_one_that_forked),
      cmocka_unit_test(an_event_that_grew_too_old_is_young_again),
      cmocka_unit_test(a_record_names_version_and_time),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
