// More retries than one look at them takes: their count after a start, and lists of them.
#include "world.h"

static listed first_retry(stage *s) {
  listed l = {0};
  char next[MF_EVENTS_NEXT];
  const mf_events_query query = {.function = MF_STR("r/other"), .limit = 1, .count = note_count, .show = note_event, .context = &l};
  assert_true(mf_events_list(s->events, &query, next, &s->base.err));
  assert_int_equal(l.n, 1);
  return l;
}

static mf_events_stats statistics(const stage *s) {
  mf_events_stats stats;
  mf_events_statistics(s->events, &stats);
  return stats;
}

// Rows as a server that was stopped left them: of r/other, the last of r/f.
static void put_retries(stage *s, int n) {
  enum { TOGETHER = 1000 };
  mf_write writes[TOGETHER];
  char(*keys)[MF_EVENT_KEY] = calloc(TOGETHER, MF_EVENT_KEY), row[200];
  const mf_event_facts facts = {.attempts = 1, .accepted_ms = mf_wall_ns() / MF_NS_PER_MS, .request_id = MF_STR("00000000-0000-4000-8000-000000000000"),
                                .qualifier = MF_STR(""), .payload = {"{}", 2}};
  assert_non_null(keys);
  mf_row_put(&facts, row);
  for (int i = 0; i < n; i += TOGETHER) {
    for (int k = 0; k < TOGETHER; k++) {
      const mf_str function = i + k == n - 1 ? MF_STR("r/f") : MF_STR("r/other");
      const size_t len = mf_event_key(true, (uint64_t)(mf_wall_ns() + 3600 * MF_NS_PER_S + i + k), function, (uint64_t)(i + k + 1), keys[k]);
      writes[k] = (mf_write){MF_TABLE_retries, {keys[k], len}, {row, mf_row_bytes(&facts)}};
    }
    assert_true(mf_store_commit(s->base.store, writes, TOGETHER, NULL, NULL, &s->base.err));
  }
  free(keys);
}

static void all_retries_are_counted_after_a_start(void **state) {
  (void)state;
  enum { MANY = 30000 };
  mf_error err;
  stage *s = stage_begin(1);
  put_retries(s, MANY);
  stage_close(s);
  stage_open(s, 1);
  assert_true(statistics(s).counting);  // the start does not wait for it, and what changes meanwhile is counted too
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/f", 1));
  assert_true(offer(s, "r/f", 2));
  assert_true(mf_events_drop(s->events, MF_STR("r"), mf_str_from(first_retry(s).id), on_accepted, s, &err));
  world_wait(&s->base, &s->n_runs, 2);
  for (int i = 0; i < 5000 && statistics(s).counting; i++) run_for(s, 2 * MF_NS_PER_MS);
  run_for(s, 10 * MF_NS_PER_MS);
  assert_int_equal(statistics(s).retrying, MANY + 1);
  assert_int_equal(rows_of(s, MF_TABLE_retries), MANY + 1);
  stage_end(s);
}

static void a_stop_does_not_wait_for_the_count(void **state) {
  (void)state;
  stage *s = stage_begin(1);
  put_retries(s, 30000);
  for (int i = 0; i < 3; i++) {
    stage_close(s);
    stage_open(s, 1);
    assert_true(statistics(s).counting);
  }
  stage_end(s);
}

static void a_list_of_one_functions_retries_goes_on_behind_those_of_others(void **state) {
  (void)state;
  char after[MF_EVENTS_NEXT] = "", next[MF_EVENTS_NEXT];
  stage *s = stage_begin(1);
  put_retries(s, 25000);
  listed l = {0};
  mf_events_query query = {.function = MF_STR("r/f"), .limit = 5, .count = note_count, .show = note_event, .context = &l};
  for (int calls = 1; calls <= 3; calls++) {  // 10,000 rows each
    query.after = mf_str_from(after);
    assert_true(mf_events_list(s->events, &query, next, &s->base.err));
    assert_int_equal(l.n, calls == 3);
    assert_int_equal(next[0] != 0, calls < 3);
    memcpy(after, next, sizeof after);
  }
  query = (mf_events_query){.function = MF_STR("r/"), .limit = 7, .count = note_count, .show = note_event, .context = &l};
  l.n = 0;
  assert_true(mf_events_list(s->events, &query, next, &s->base.err));
  assert_int_equal(l.n, 7);
  const listed seventh = l;
  query.limit = 6;
  assert_true(mf_events_list(s->events, &query, next, &s->base.err));
  query.after = mf_str_from(next);
  query.limit = 1;
  memcpy(after, next, sizeof after);
  query.after = mf_str_from(after);
  assert_true(mf_events_list(s->events, &query, next, &s->base.err));
  assert_string_equal(l.id, seventh.id);
  query.after = MF_STR("12x4");
  assert_false(mf_events_list(s->events, &query, next, &s->base.err));
  assert_int_equal(s->base.err.code, MF_InvalidRequest);
  stage_end(s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_retries_are_counted_after_a_start), cmocka_unit_test(a_stop_does_not_wait_for_the_count),
      cmocka_unit_test(a_list_of_one_functions_retries_goes_on_behind_those_of_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
