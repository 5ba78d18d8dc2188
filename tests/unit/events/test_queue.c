// The durable queue: what is accepted runs, waits on disk, is tried again, and ends where the policy says.
#include "world.h"

static void what_is_accepted_runs_once_and_its_row_goes(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  for (int i = 0; i < 100; i++) assert_true(offer(s, "r/f", i));
  world_wait(&s->base, &s->n_runs, 100);
  assert_int_equal(s->accepted, 100);
  mf_events_flush(s->events);
  assert_int_equal(rows_of(s, MF_TABLE_events), 0);
  for (int i = 0; i < 100; i++) {
    char payload[64];
    snprintf(payload, sizeof payload, "{\"n\":%d}", i);
    assert_string_equal(s->runs[i].payload, payload);
    assert_int_equal(s->runs[i].attempts, 0);
  }
  stage_end(s);
}

static void memory_holds_a_window_and_not_the_backlog(void **state) {
  (void)state;
  enum { MANY = 3000 };
  stage *s = stage_begin(1);
  s->holds = true;
  for (int i = 0; i < MANY; i++) assert_true(offer(s, "r/f", i));
  world_wait(&s->base, &s->accepted, MANY);
  mf_events_stats stats;
  mf_events_statistics(s->events, &stats);
  assert_int_equal(stats.waiting + stats.running, MANY);
  assert_true(s->events->windows_bytes <= MF_WINDOW_BYTES + 1024);
  assert_true(mf_queue_find(s->events, MF_STR("r/f"))->n_window <= MF_WINDOW_EVENTS);
  s->holds = false;
  for (int i = 0; i < s->n_held; i++) end_run(s, s->held[i]);
  world_wait(&s->base, &s->n_runs, MANY);
  for (int i = 0; i < MANY; i++) assert_int_equal(atoi(s->runs[i].payload + 5), i);
  stage_end(s);
}

static void a_slow_function_leaves_a_place_to_each_other_one(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->holds = true;
  for (int i = 0; i < 50; i++) assert_true(offer(s, "r/slow", i));
  world_wait(&s->base, &s->n_held, 2);
  for (int i = 0; i < 3; i++) assert_true(offer(s, "r/other", i));
  assert_true(offer(s, "r/third", 1));
  world_wait(&s->base, &s->n_held, 4);
  run_for(s, 20 * MF_NS_PER_MS);
  assert_int_equal(s->n_held, 4);
  assert_string_equal(s->runs[2].function, "r/other");
  assert_string_equal(s->runs[3].function, "r/third");
  stage_end(s);
}

static int held_beside(stage *s, bool beside) {
  s->events->beside = beside;
  s->holds = true;
  mf_events_foreground(s->events, true);
  for (int i = 0; i < 40; i++) assert_true(offer(s, "r/slow", i));
  world_wait(&s->base, &s->accepted, 40);
  run_for(s, 20 * MF_NS_PER_MS);
  return s->n_held;
}

// One for each slot while somebody waits; where they compute beside calls, one slot is left to him.
static void so_many_are_under_way(void **state) {
  (void)state;
  for (int beside = 0; beside < 2; beside++) {
    stage *s = stage_begin_with(1, 4);
    assert_int_equal(held_beside(s, beside), beside ? 3 : 4);
    mf_events_foreground(s->events, false);
    stage_end(s);
  }
}

static void a_start_finds_what_a_stop_left(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->holds = true;
  for (int i = 0; i < 300; i++) {
    char function[32];
    snprintf(function, sizeof function, "r/f%d", i % 7);
    assert_true(offer(s, function, i));
  }
  world_wait(&s->base, &s->accepted, 300);
  stage_close(s);
  s->holds = false;
  s->n_runs = 0;
  stage_open(s, 1);
  mf_events_stats stats;
  mf_events_statistics(s->events, &stats);
  assert_int_equal(stats.waiting, 300);
  world_wait(&s->base, &s->n_runs, 300);
  bool seen[300] = {0};
  for (int i = 0; i < s->n_runs; i++) seen[atoi(s->runs[i].payload + 5)] = true;
  for (int i = 0; i < 300; i++) assert_true(seen[i]);
  stage_end(s);
}

static void a_function_error_is_tried_twice_more_and_then_kept(void **state) {
  (void)state;
  stage *s = stage_begin(1e-5);
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, 3);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(s->runs[i].attempts, i);
    assert_string_equal(s->runs[i].request_id, s->runs[0].request_id);
  }
  stage_close(s);
  stage_open(s, 1e-5);
  assert_int_equal(rows_of(s, MF_TABLE_failed_events), 1);
  assert_int_equal(rows_of(s, MF_TABLE_events) + rows_of(s, MF_TABLE_retries), 0);
  stage_end(s);
}

static void a_retry_waits_out_a_stop(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, 1);
  stage_close(s);
  s->verdict = MF_EVENT_DONE;
  stage_open(s, 1);
  assert_int_equal(rows_of(s, MF_TABLE_retries), 1);
  assert_int_equal(s->n_runs, 1);
  mf_events_stats stats;
  mf_events_statistics(s->events, &stats);
  assert_int_equal(stats.retrying, 1);
  stage_end(s);
}

// 1 minute later it would be older than it may be: so there is no second attempt, and the record comes at once.
static void an_event_that_would_be_too_old_is_not_tried_again(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  s->policy.max_age_ns = 60 * MF_NS_PER_S - 1;
  s->policy.on_failure = MF_STR("r/target");
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, 2);
  assert_non_null(strstr(s->last_record, "\"condition\":\"EventAgeExceeded\",\"approximateInvokeCount\":1}"));
  assert_non_null(strstr(s->last_record, "\"requestPayload\":{\"n\":1},\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"$LATEST\",\"functionError\":\"Unhandled\"}"));
  stage_end(s);
}

static void a_throttled_event_waits_and_then_runs(void **state) {
  (void)state;
  stage *s = stage_begin(1e-3);
  s->verdict = MF_EVENT_THROTTLED;
  for (int i = 0; i < 10; i++) assert_true(offer(s, "r/f", i));
  world_wait(&s->base, &s->n_runs, 3);
  s->verdict = MF_EVENT_DONE;
  const int throttled = s->n_runs;
  world_wait(&s->base, &s->n_runs, throttled + 10);
  mf_events_flush(s->events);
  assert_int_equal(rows_of(s, MF_TABLE_events) + rows_of(s, MF_TABLE_retries) + rows_of(s, MF_TABLE_failed_events), 0);
  stage_end(s);
}

static void a_system_error_does_not_count_as_an_attempt(void **state) {
  (void)state;
  stage *s = stage_begin(1e-3);
  s->verdict = MF_EVENT_SYSTEM_ERROR;
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, 4);
  s->verdict = MF_EVENT_DONE;
  world_wait(&s->base, &s->n_runs, s->n_runs + 1);
  assert_int_equal(s->runs[s->n_runs - 1].attempts, 0);
  stage_end(s);
}

static void events_of_a_function_that_is_gone_are_dropped(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->holds = true;
  for (int i = 0; i < 200; i++) assert_true(offer(s, "r/f", i));
  world_wait(&s->base, &s->accepted, 200);
  mf_events_forget(s->events, MF_STR("r/f"));
  s->holds = false;
  for (int i = 0; i < s->n_held; i++) end_run(s, s->held[i]);
  const int before = s->n_runs;
  assert_true(offer(s, "r/f", 999));  // of the function that came after it
  world_wait(&s->base, &s->n_runs, before + 1);
  assert_string_equal(s->runs[before].payload, "{\"n\":999}");
  stage_end(s);
}

// ---- what people see ----
// ---- destinations that cannot be told ----
static void wait_for_failed(stage *s, uint64_t n) {
  for (int i = 0; i < 5000 && rows_of(s, MF_TABLE_failed_events) < n; i++) run_for(s, 2 * MF_NS_PER_MS);
  assert_int_equal(rows_of(s, MF_TABLE_failed_events), n);
}

static mf_events_stats statistics(const stage *s) {
  mf_events_stats stats;
  mf_events_statistics(s->events, &stats);
  return stats;
}

static void a_record_whose_destination_is_gone_is_counted_and_the_event_kept(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->policy.on_success = MF_STR("r/none");
  s->unknown = "r/none";
  assert_true(offer(s, "r/f", 1));
  wait_for_failed(s, 1);
  assert_int_equal(s->n_runs, 1);
  assert_int_equal(statistics(s).delivery_failures, 1);
  assert_int_equal(statistics(s).dead_letter_errors + statistics(s).delivered, 0);
  assert_int_equal(statistics(s).done, 1);
  assert_string_equal(list_events(s).reason, "r/none cannot be told: there is no such function");
  s->unknown = NULL;  // it is there again, and people ask for the event
  s->policy.on_success = MF_STR("r/target");
  mf_error err;
  assert_true(mf_events_retry(s->events, MF_STR("r"), mf_str_from(list_events(s).id), on_accepted, s, &err));
  world_wait(&s->base, &s->n_runs, 3);
  assert_non_null(strstr(s->last_record, "\"condition\":\"Success\",\"approximateInvokeCount\":1},\"requestPayload\":{\"n\":1}"));
  stage_end(s);
}

static void a_record_larger_than_an_event_may_be_is_counted_and_the_event_kept(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  char *large = malloc(MF_EVENT_LARGEST);
  assert_non_null(large);
  memset(large, '1', MF_EVENT_LARGEST);
  s->response = (mf_slice){large, MF_EVENT_LARGEST};
  s->policy.on_success = MF_STR("r/target");
  assert_true(offer(s, "r/f", 1));
  wait_for_failed(s, 1);
  assert_int_equal(statistics(s).delivery_failures, 1);
  assert_string_equal(list_events(s).reason, "r/target cannot be told: that is larger than 1 MiB");
  s->response.len = MF_EVENT_LARGEST - 400;  // beside the rest of the record it has room
  assert_true(offer(s, "r/f", 2));
  world_wait(&s->base, &s->n_runs, 3);
  assert_string_equal(s->runs[2].function, "r/target");
  assert_int_equal(statistics(s).delivery_failures, 1);
  stage_end(s);
  free(large);
}

static void a_dead_letter_whose_target_is_gone_is_counted(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->policy.dead_letter = MF_STR("r/none");
  s->policy.max_retries = 0;
  s->unknown = "r/none";
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  wait_for_failed(s, 1);
  assert_int_equal(statistics(s).dead_letter_errors, 1);
  assert_int_equal(statistics(s).delivery_failures, 0);
  assert_string_equal(list_events(s).reason, "{\"errorMessage\":\"no\"}");
  s->policy.on_failure = MF_STR("r/target");  // one of two is told: nothing is kept
  assert_true(offer(s, "r/f", 2));
  world_wait(&s->base, &s->n_runs, 3);
  assert_int_equal(statistics(s).dead_letter_errors, 2);
  assert_int_equal(rows_of(s, MF_TABLE_failed_events), 1);
  stage_end(s);
}

static void events_that_succeeded_do_not_drive_out_those_that_failed(void **state) {
  (void)state;
  enum { MANY = MF_EVENTS_FAILED_KEPT / 2 + 20 };
  stage *s = stage_begin(1);
  s->policy.on_success = MF_STR("r/none");
  s->unknown = "r/none";
  for (int i = 0; i < MANY; i++) assert_true(offer(s, "r/f", i));
  world_wait(&s->base, &s->n_runs, MANY);
  for (int i = 0; i < 2000 && statistics(s).delivery_failures < MANY; i++) run_for(s, 2 * MF_NS_PER_MS);
  assert_int_equal(statistics(s).delivery_failures, MANY);
  run_for(s, 5 * MF_NS_PER_MS);
  assert_int_equal(rows_of(s, MF_TABLE_failed_events), MF_EVENTS_FAILED_KEPT / 2);
  stage_end(s);
}

// ---- a function is deleted, and one of the same name made ----
static uint64_t dropped(const stage *s) {
  mf_events_stats stats;
  mf_events_statistics(s->events, &stats);
  return stats.dropped;
}

static void wait_until_dropped(stage *s, uint64_t n) {
  for (int i = 0; i < 2000 && dropped(s) < n; i++) run_for(s, 2 * MF_NS_PER_MS);
  assert_int_equal(dropped(s), n);
}

static void retries_of_a_deleted_function_do_not_run_on_the_next(void **state) {
  (void)state;
  stage *s = stage_begin(1e-3);
  s->policy.uid = 1;
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, 1);
  mf_events_forget(s->events, MF_STR("r/f"));
  s->policy.uid = 2;
  wait_until_dropped(s, 1);
  assert_int_equal(s->n_runs, 1);
  mf_events_flush(s->events);
  run_for(s, 5 * MF_NS_PER_MS);
  assert_int_equal(rows_of(s, MF_TABLE_retries) + rows_of(s, MF_TABLE_events) + rows_of(s, MF_TABLE_failed_events), 0);
  stage_end(s);
}

static void events_of_a_deleted_function_do_not_run_on_the_next_after_a_start(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->policy.uid = 1;
  s->holds = true;
  for (int i = 0; i < 10; i++) assert_true(offer(s, "r/f", i));
  world_wait(&s->base, &s->accepted, 10);
  mf_events_forget(s->events, MF_STR("r/f"));
  stage_close(s);
  s->holds = false;
  s->n_runs = 0;
  s->policy.uid = 2;
  stage_open(s, 1);
  assert_true(offer(s, "r/f", 10));
  world_wait(&s->base, &s->n_runs, 1);
  assert_string_equal(s->runs[0].payload, "{\"n\":10}");
  assert_int_equal(dropped(s), 10);
  stage_end(s);
}

static void fail_one(stage *s) {
  s->policy.max_retries = 0;
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  for (int i = 0; i < 2000 && rows_of(s, MF_TABLE_failed_events) == 0; i++) run_for(s, 2 * MF_NS_PER_MS);
}

static void a_failed_event_of_a_deleted_function_is_not_tried_again(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->policy.uid = 1;
  fail_one(s);
  const listed l = list_events(s);
  assert_string_equal(l.state, "failed");
  mf_error err;
  s->policy.uid = 2;
  assert_false(mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  assert_int_equal(err.code, MF_NotFound);
  s->unknown = "r/f";
  assert_false(mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  assert_int_equal(err.code, MF_NotFound);
  assert_int_equal(rows_of(s, MF_TABLE_failed_events), 1);
  s->unknown = NULL;
  s->policy.uid = 1;
  assert_true(mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  world_wait(&s->base, &s->n_runs, 2);
  stage_end(s);
}

static void an_event_whose_alias_is_gone_fails_without_an_attempt(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->holds = true;
  for (int i = 0; i < 4; i++) assert_true(offer(s, "r/f", i));
  world_wait(&s->base, &s->accepted, 4);
  world_wait(&s->base, &s->n_held, 2);
  s->policy.qualifier_gone = true;
  for (int i = 0; i < 2; i++) end_run(s, s->held[i]);
  for (int i = 0; i < 2000 && rows_of(s, MF_TABLE_failed_events) < 2; i++) run_for(s, 2 * MF_NS_PER_MS);
  const listed l = list_events(s);
  assert_int_equal(l.n, 2);
  assert_int_equal(s->n_runs, 2);
  assert_string_equal(l.state, "failed");
  assert_non_null(strstr(l.reason, "has been deleted"));
  mf_error err;
  assert_false(mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  assert_int_equal(err.code, MF_NotFound);
  stage_end(s);
}

static void an_event_whose_alias_is_gone_goes_to_what_is_configured(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->policy.qualifier_gone = true;
  s->policy.on_failure = MF_STR("r/target");
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, 1);
  assert_non_null(strstr(s->last_record, "\"condition\":\"QualifierNotFound\",\"approximateInvokeCount\":0},\"requestPayload\":{\"n\":1}}"));
  stage_end(s);
}

static void a_retry_that_is_due_already_is_not_multiplied(void **state) {
  (void)state;
  mf_error err;
  stage *s = stage_begin(1e-2);
  s->policy.concurrency = 1;
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, 1);
  s->holds = true;
  assert_true(offer(s, "r/f", 2));
  for (int i = 0; i < 2000 && s->events->n_loaded == 0; i++) run_for(s, 2 * MF_NS_PER_MS);
  assert_int_equal(s->n_held, 1);
  const listed l = list_events(s);
  assert_string_equal(l.state, "retrying");
  assert_false(mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  assert_int_equal(err.code, MF_Conflict);
  s->holds = false;
  s->verdict = MF_EVENT_DONE;
  end_run(s, s->held[0]);
  world_wait(&s->base, &s->n_runs, 3);
  run_for(s, 20 * MF_NS_PER_MS);
  assert_int_equal(s->n_runs, 3);
  stage_end(s);
}

static void a_retry_that_is_dropped_is_counted_once(void **state) {
  (void)state;
  mf_error err;
  mf_events_stats stats;
  stage *s = stage_begin(1e-2);
  s->policy.concurrency = 1;
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, 1);
  s->holds = true;
  assert_true(offer(s, "r/f", 2));
  assert_true(offer(s, "r/f", 3));
  for (int i = 0; i < 2000 && s->events->n_loaded == 0; i++) run_for(s, 2 * MF_NS_PER_MS);
  assert_true(mf_events_drop(s->events, MF_STR("r"), mf_str_from(list_events(s).id), on_accepted, s, &err));
  s->holds = false;
  end_run(s, s->held[0]);  // both fail, and wait for their own retries
  world_wait(&s->base, &s->n_runs, 3);
  run_for(s, 5 * MF_NS_PER_MS);
  mf_events_statistics(s->events, &stats);
  assert_int_equal(stats.dropped, 1);
  assert_int_equal(stats.retrying, 2);
  stage_end(s);
}

static void a_failed_event_is_tried_again_once_for_each_asking(void **state) {
  (void)state;
  mf_error err;
  stage *s = stage_begin(1);
  fail_one(s);
  const listed l = list_events(s);
  const int before = s->accepted;
  assert_true(mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  assert_false(mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  assert_int_equal(err.code, MF_Conflict);
  assert_false(mf_events_drop(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  assert_int_equal(err.code, MF_Conflict);
  s->verdict = MF_EVENT_DONE;
  world_wait(&s->base, &s->n_runs, 2);
  run_for(s, 5 * MF_NS_PER_MS);
  assert_int_equal(s->n_runs, 2);
  assert_int_equal(s->accepted, before + 1);
  assert_false(mf_events_retry(s->events, MF_STR("r"), mf_str_from(l.id), on_accepted, s, &err));
  assert_int_equal(err.code, MF_NotFound);
  assert_null(s->events->changes);
  stage_end(s);
}

// Those that are due and cannot run yet wait in the queue, where they are written once.
static void many_retries_that_are_due_wait_in_the_queue(void **state) {
  (void)state;
  enum { MANY = 100 };
  stage *s = stage_begin(1e-2);
  s->policy.concurrency = 1;
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  for (int i = 0; i < MANY; i++) assert_true(offer(s, "r/f", i));
  world_wait(&s->base, &s->n_runs, MANY);
  s->holds = true;
  s->verdict = MF_EVENT_DONE;
  for (int i = 0; i < 3000 && rows_of(s, MF_TABLE_events) < MANY - MF_QUEUE_RETRIES_LOADED; i++) run_for(s, 2 * MF_NS_PER_MS);
  run_for(s, 50 * MF_NS_PER_MS);
  assert_int_equal(s->n_held, 1);
  assert_int_equal(rows_of(s, MF_TABLE_retries), MF_QUEUE_RETRIES_LOADED);
  assert_int_equal(rows_of(s, MF_TABLE_events), MANY - MF_QUEUE_RETRIES_LOADED);
  stage_close(s);  // a start finds them where they are
  s->holds = false;
  s->n_runs = MANY;
  stage_open(s, 1e-2);
  world_wait(&s->base, &s->n_runs, 2 * MANY);
  int runs[MANY] = {0};
  for (int i = MANY; i < 2 * MANY; i++) {
    assert_int_equal(s->runs[i].attempts, 1);
    const int n = atoi(s->runs[i].payload + 5);
    char id[MF_UUID_TEXT + 1];
    snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", n);
    assert_string_equal(s->runs[i].request_id, id);
    runs[n]++;
  }
  for (int i = 0; i < MANY; i++) assert_int_equal(runs[i], 1);
  mf_events_flush(s->events);
  run_for(s, 5 * MF_NS_PER_MS);
  mf_events_stats stats;
  mf_events_statistics(s->events, &stats);
  assert_int_equal(stats.retrying + stats.waiting, 0);
  assert_int_equal(rows_of(s, MF_TABLE_retries) + rows_of(s, MF_TABLE_events) + rows_of(s, MF_TABLE_failed_events), 0);
  stage_end(s);
}

static void a_row_of_before_is_read(void **state) {
  (void)state;
  char row[52 + 4 + 5 + 2] = {1, 2, 3, 1, 4};
  mf_event_facts facts;
  memset(row + 16, 'i', MF_UUID_TEXT);
  memcpy(row + 52, "live\1\0\0\0\7{}", 11);
  assert_true(mf_row_read((mf_slice){row, sizeof row}, &facts));
  assert_true(facts.attempts == 2 && facts.refusals == 3 && facts.uid == 0 && facts.lineage[0].runs == 7);
  assert_true(mf_str_is(facts.qualifier, "live"));
  assert_true(mf_str_is((mf_str){facts.payload.data, facts.payload.len}, "{}"));
  facts.uid = UINT64_C(1) << 52;
  char now[sizeof row + 8];
  mf_event_facts again;
  assert_int_equal(mf_row_bytes(&facts), sizeof now);
  mf_row_put(&facts, now);
  assert_true(mf_row_read((mf_slice){now, sizeof now}, &again));
  assert_true(again.uid == facts.uid && mf_str_is(again.qualifier, "live") && again.payload.len == 2);
  for (size_t len = 0; len < 60 + 4 + 5; len++) assert_false(mf_row_read((mf_slice){now, len}, &again));
}

static void a_chain_that_feeds_itself_is_stopped(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  s->policy.on_success = MF_STR("r/f");
  assert_true(offer(s, "r/f", 1));
  world_wait(&s->base, &s->n_runs, MF_EVENT_LOOP_LIMIT);
  for (int i = 0; i < 2000 && rows_of(s, MF_TABLE_failed_events) == 0; i++) run_for(s, 2 * MF_NS_PER_MS);
  assert_int_equal(rows_of(s, MF_TABLE_failed_events), 1);
  assert_int_equal(s->n_runs, MF_EVENT_LOOP_LIMIT);
  stage_end(s);
}

static void only_json_stands_in_a_record_as_it_came(void **state) {
  (void)state;
  static const char *const good[] = {"{}", "[]", "1", "-0.5e+7", "\"a\\u00e9\\n\"", " {\"a\" : [1, {\"b\":null}, true,false] } ", "[[[[]]],{}]", "\"\xc3\xa9\""};
  static const char *const bad[] = {"", "{", "}", "{\"a\"}", "{\"a\":1,}", "[1,]", "[1 2]", "01", "1.", ".5", "+1", "tru", "\"a", "\"\n\"", "\"\\x\"",
                                    "{}{}", "{\"a\":1}}", "nul", "\"\xff\"", "[\"\\u12g4\"]", "{a:1}", "1,2", "[}", "{]"};
  for (size_t i = 0; i < MF_COUNT(good); i++)
    if (!mf_is_json((mf_slice){good[i], strlen(good[i])})) fail_msg("%s is JSON", good[i]);
  for (size_t i = 0; i < MF_COUNT(bad); i++)
    if (mf_is_json((mf_slice){bad[i], strlen(bad[i])})) fail_msg("%s is no JSON", bad[i]);
  char deep[2000];
  memset(deep, '[', 1000);
  memset(deep + 1000, ']', 1000);
  assert_false(mf_is_json((mf_slice){deep, 2000}));
  assert_true(mf_is_json((mf_slice){deep + 500, 1000}));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_accepted_runs_once_and_its_row_goes),
      cmocka_unit_test(memory_holds_a_window_and_not_the_backlog),
      cmocka_unit_test(a_slow_function_leaves_a_place_to_each_other_one),
      cmocka_unit_test(so_many_are_under_way),
      cmocka_unit_test(a_start_finds_what_a_stop_left),
      cmocka_unit_test(a_function_error_is_tried_twice_more_and_then_kept),
      cmocka_unit_test(a_retry_waits_out_a_stop),
      cmocka_unit_test(an_event_that_would_be_too_old_is_not_tried_again),
      cmocka_unit_test(a_throttled_event_waits_and_then_runs),
      cmocka_unit_test(a_system_error_does_not_count_as_an_attempt),
      cmocka_unit_test(events_of_a_function_that_is_gone_are_dropped),
      cmocka_unit_test(a_record_whose_destination_is_gone_is_counted_and_the_event_kept),
      cmocka_unit_test(a_record_larger_than_an_event_may_be_is_counted_and_the_event_kept),
      cmocka_unit_test(a_dead_letter_whose_target_is_gone_is_counted),
      cmocka_unit_test(events_that_succeeded_do_not_drive_out_those_that_failed),
      cmocka_unit_test(retries_of_a_deleted_function_do_not_run_on_the_next),
      cmocka_unit_test(events_of_a_deleted_function_do_not_run_on_the_next_after_a_start),
      cmocka_unit_test(a_failed_event_of_a_deleted_function_is_not_tried_again),
      cmocka_unit_test(an_event_whose_alias_is_gone_fails_without_an_attempt),
      cmocka_unit_test(an_event_whose_alias_is_gone_goes_to_what_is_configured),
      cmocka_unit_test(a_retry_that_is_due_already_is_not_multiplied),
      cmocka_unit_test(a_retry_that_is_dropped_is_counted_once),
      cmocka_unit_test(a_failed_event_is_tried_again_once_for_each_asking),
      cmocka_unit_test(many_retries_that_are_due_wait_in_the_queue),
      cmocka_unit_test(a_row_of_before_is_read),
      cmocka_unit_test(a_chain_that_feeds_itself_is_stopped),
      cmocka_unit_test(only_json_stands_in_a_record_as_it_came),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
