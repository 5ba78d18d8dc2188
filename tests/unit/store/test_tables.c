// Tables: what a commit wrote is read at once and after a restart, in order, all of it or nothing.
#include "world.h"

static void writes_are_read_before_and_after_they_are_on_disk(void **state) {
  (void)state;
  world w;
  outcome o = {0};
  world_begin(&w);
  world_open(&w);
  world_put(&w, MF_TABLE_functions, "a", "1", &o);
  const uint64_t changes = mf_store_changes(w.store, MF_TABLE_functions);
  world_put(&w, MF_TABLE_functions, "a", "2", &o);
  assert_true(mf_store_changes(w.store, MF_TABLE_functions) > changes);
  assert_int_equal(mf_store_changes(w.store, MF_TABLE_keys), 0);
  world_put(&w, MF_TABLE_functions, "b", "", &o);
  assert_int_equal(o.calls, 0);
  assert_string_equal(world_get(&w, MF_TABLE_functions, "a"), "2");
  assert_string_equal(world_get(&w, MF_TABLE_functions, "b"), "");
  assert_null(world_get(&w, MF_TABLE_keys, "a"));
  world_wait(&w, &o.calls, 3);
  assert_int_equal(o.failures, 0);
  assert_string_equal(world_get(&w, MF_TABLE_functions, "a"), "2");
  world_put(&w, MF_TABLE_functions, "a", NULL, &o);
  assert_null(world_get(&w, MF_TABLE_functions, "a"));
  world_close(&w);
  assert_int_equal(o.calls, 4);  // closing waits and calls back
  world_open(&w);
  assert_null(world_get(&w, MF_TABLE_functions, "a"));
  assert_string_equal(world_get(&w, MF_TABLE_functions, "b"), "");
  world_end(&w);
}

typedef struct listing {
  mf_buf text;
  uint32_t stop_after;
} listing;

static bool list_row(void *context, mf_str key, mf_slice value) {
  listing *l = context;
  mf_buf_format(&l->text, "%.*s=%.*s ", MF_STR_ARG(key), (int)value.len, (const char *)value.data);
  return l->stop_after == 0 || --l->stop_after > 0;
}

static const char *scan(world *w, const char *prefix, const char *after, uint32_t limit, uint32_t stop_after) {
  listing l = {.text.arena = &w->arena, .stop_after = stop_after};
  mf_buf_text(&l.text, "");
  if (!mf_store_scan(w->store, MF_TABLE_functions, mf_str_from(prefix), mf_str_from(after), limit, list_row, &l, &w->err))
    fail_msg("%s", w->err.message);
  return mf_str_format(&w->arena, "%.*s", (int)l.text.len, l.text.len ? l.text.data : "");
}

static void a_scan_merges_the_database_with_writes_under_way(void **state) {
  (void)state;
  world w;
  outcome o = {0};
  world_begin(&w);
  world_open(&w);
  const char *stored[] = {"p/a", "p/c", "p/e", "q/a", "o/z", "p", "p/\xff"};
  for (size_t i = 0; i < MF_COUNT(stored); i++) world_put(&w, MF_TABLE_functions, stored[i], "old", &o);
  world_wait(&w, &o.calls, (int)MF_COUNT(stored));
  world_put(&w, MF_TABLE_functions, "p/b", "new", &o);
  world_put(&w, MF_TABLE_functions, "p/c", NULL, &o);
  world_put(&w, MF_TABLE_functions, "p/e", "newer", &o);
  world_put(&w, MF_TABLE_keys, "p/d", "another table", &o);
  const char *expected = "p/a=old p/b=new p/e=newer p/\xff=old ";
  assert_string_equal(scan(&w, "p/", "", 100, 0), expected);
  assert_string_equal(scan(&w, "p/", "p/a", 2, 0), "p/b=new p/e=newer ");
  assert_string_equal(scan(&w, "p/", "", 100, 1), "p/a=old ");
  assert_string_equal(scan(&w, "p/", "p/\xff", 100, 0), "");
  assert_string_equal(scan(&w, "", "p/e", 100, 0), "p/\xff=old q/a=old ");
  world_wait(&w, &o.calls, (int)MF_COUNT(stored) + 4);
  assert_string_equal(scan(&w, "p/", "", 100, 0), expected);
  world_end(&w);
}

// 300 random steps against a plain array, with reads at every stage of the writes.
static void random_writes_agree_with_a_plain_table(void **state) {
  (void)state;
  enum { KEYS = 40 };
  world w;
  outcome o = {0};
  int model[KEYS], commits = 0;
  char key[16], value[16];
  memset(model, -1, sizeof model);
  srand(7);
  world_begin(&w);
  world_open(&w);
  for (int step = 0; step < 300; step++) {
    int k = rand() % KEYS, v = rand() % 4 == 0 ? -1 : step;
    snprintf(key, sizeof key, "k%02d", k);
    snprintf(value, sizeof value, "%d", v);
    world_put(&w, MF_TABLE_functions, key, v < 0 ? NULL : value, &o);
    model[k] = v;
    commits++;
    if (rand() % 10 == 0) world_wait(&w, &o.calls, rand() % commits + 1);
    mf_buf expected = {.arena = &w.arena};
    mf_buf_append(&expected, "", 1);
    expected.len = 0;
    for (int i = 0; i < KEYS; i++)
      if (model[i] >= 0) mf_buf_format(&expected, "k%02d=%d ", i, model[i]);
    mf_buf_append(&expected, "", 1);
    assert_string_equal(scan(&w, "k", "", 1000, 0), expected.data);
  }
  world_end(&w);
}

static void a_row_that_is_too_large_is_refused(void **state) {
  (void)state;
  world w;
  world_begin(&w);
  world_open(&w);
  size_t len = 5 << 20;
  char *big = calloc(1, len);
  mf_write write = {MF_TABLE_functions, MF_STR("big"), {big, len}};
  assert_false(mf_store_commit(w.store, &write, 1, NULL, NULL, &w.err));
  assert_int_equal(w.err.code, MF_TooLarge);
  free(big);
  world_end(&w);
}

static void note_rows(void *context, uint64_t rows, const mf_error *err) {
  assert_null(err);
  *(int64_t *)context = (int64_t)rows;
}

// What is on disk when the count is asked for, few rows at once, many later; what is written meanwhile is not in it.
static void rows_are_counted_as_they_are_when_it_is_asked_for(void **state) {
  (void)state;
  enum { MANY = 5000 };
  world w;
  outcome o = {0};
  int64_t rows = -1;
  char key[16];
  world_begin(&w);
  world_open(&w);
  assert_true(mf_store_count(w.store, MF_TABLE_retries, note_rows, &rows, &w.err));
  assert_int_equal(rows, 0);
  for (int i = 0; i < MANY; i++) {
    snprintf(key, sizeof key, "%05d", i);
    world_put(&w, MF_TABLE_retries, key, "x", &o);
    if (i == 999) world_wait(&w, &o.calls, 1000);
    if (i == 999) assert_true(mf_store_count(w.store, MF_TABLE_retries, note_rows, &rows, &w.err));
  }
  assert_int_equal(rows, 1000);
  world_wait(&w, &o.calls, MANY);
  assert_true(mf_store_count(w.store, MF_TABLE_retries, note_rows, &rows, &w.err));
  assert_false(mf_store_count(w.store, MF_TABLE_events, note_rows, &rows, &w.err));  // one at a time
  assert_int_equal(w.err.code, MF_Conflict);
  assert_int_equal(rows, 1000);
  for (int i = 0; i < 10; i++) world_put(&w, MF_TABLE_retries, i % 2 ? "00001" : "more", i % 2 ? NULL : "x", &o);
  world_wait(&w, &o.calls, MANY + 10);
  for (int i = 0; i < 5000 && rows == 1000; i++) world_put(&w, MF_TABLE_keys, "a", "x", &o), world_wait(&w, &o.calls, o.calls + 1);
  assert_int_equal(rows, MANY);
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(writes_are_read_before_and_after_they_are_on_disk),
      cmocka_unit_test(a_scan_merges_the_database_with_writes_under_way),
      cmocka_unit_test(random_writes_agree_with_a_plain_table),
      cmocka_unit_test(a_row_that_is_too_large_is_refused),
      cmocka_unit_test(rows_are_counted_as_they_are_when_it_is_asked_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
