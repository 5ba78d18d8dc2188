// Provisioned concurrency that is kept: what AWS's rules make of its time, and which changes end it.
#include "../store/world.h"
#include "services/lambda/standby.h"

enum { TODAY = 20788 };  // 2026-12-01
#define MINUTE INT64_C(60000)
#define DAY (24 * 60 * MINUTE)
#define MIDNIGHT (TODAY * DAY)  // the beginning of today

// Megabyte-minutes of today less `ago` days.
static uint64_t minutes(const mf_standby *kept, int ago) { return kept->mb_ms[MF_DAYS_KEPT - ago] / MINUTE; }

static mf_standby kept_between(int64_t from_ms, int64_t until_ms, uint64_t mb) {
  mf_standby kept;
  mf_standby_init(&kept, TODAY);
  mf_standby_add(&kept, from_ms, until_ms, mb);
  return kept;
}

static void begun_five_minutes_are_billed(void **state) {
  (void)state;
  static const struct {
    int64_t ms, billed_minutes;
  } rows[] = {{0, 5}, {1, 5}, {5 * MINUTE, 5}, {5 * MINUTE + 1, 10}, {7 * MINUTE, 10}, {60 * MINUTE, 60}, {60 * MINUTE + 1, 65}, {-MINUTE, 5}};
  for (size_t i = 0; i < MF_COUNT(rows); i++) {
    const mf_standby kept = kept_between(MIDNIGHT + MINUTE, MIDNIGHT + MINUTE + rows[i].ms, 2 * 512);
    if (minutes(&kept, 0) != (uint64_t)rows[i].billed_minutes * 1024 || mf_standby_since(&kept, TODAY) != kept.mb_ms[MF_DAYS_KEPT])
      fail_msg("%lld ms are %llu MB-minutes", (long long)rows[i].ms, (unsigned long long)minutes(&kept, 0));
  }
}

static void each_day_gets_its_part_and_the_last_one_the_rest(void **state) {
  (void)state;
  mf_standby kept = kept_between(MIDNIGHT - 2 * DAY - 3 * MINUTE, MIDNIGHT + 4 * MINUTE, 10);
  assert_int_equal(minutes(&kept, 3), 30);
  assert_int_equal(minutes(&kept, 2), 10 * 24 * 60);
  assert_int_equal(minutes(&kept, 1), 10 * 24 * 60);
  assert_int_equal(minutes(&kept, 0), 10 * (4 + 3));  // 2 days and 7 minutes are billed as 10
  assert_int_equal(mf_standby_since(&kept, TODAY - 1) / MINUTE, 10 * (24 * 60 + 7));
  assert_int_equal(mf_standby_since(&kept, 0) / MINUTE, 10 * (2 * 24 * 60 + 10));
  assert_int_equal(mf_standby_since(&kept, TODAY + 1), 0);
  mf_standby_add(&kept, MIDNIGHT, MIDNIGHT + 5 * MINUTE, 1);  // of another configuration
  assert_int_equal(minutes(&kept, 0), 75);
  const mf_standby old = kept_between(0, MIDNIGHT, 1);
  assert_int_equal(mf_standby_since(&old, 0), MF_DAYS_KEPT * DAY);
  const mf_standby largest = kept_between(MIDNIGHT - 400 * DAY, MIDNIGHT, UINT64_C(10240) * 1000);
  assert_true(mf_standby_since(&largest, 0) == UINT64_C(400) * DAY * 10240 * 1000);
}

// ---- changes ----

#define F "us-east-1/f"

// An hour ago two instances of version 1 were configured, and an alias' three, of versions 1 and 2.
static void begin(world *w, outcome *o) {
  char text[40], row[120];
  world_begin(w);
  world_open(w);
  mf_modified_at(mf_wall_ns() - 60 * MINUTE * MF_NS_PER_MS + MF_NS_PER_S, text);
  world_put(w, MF_TABLE_versions, F ":0000000001", "{\"configuration\":{\"MemorySize\":512}}", o);
  world_put(w, MF_TABLE_versions, F ":0000000002", "{\"configuration\":{\"MemorySize\":128}}", o);
  world_put(w, MF_TABLE_aliases, F ":live", "{\"Name\":\"live\",\"FunctionVersion\":\"1\",\"RoutingConfig\":{\"AdditionalVersionWeights\":{\"2\":0.5}}}", o);
  snprintf(row, sizeof row, "{\"instances\":2,\"LastModified\":\"%s\"}", text);
  world_put(w, MF_TABLE_provisioned, F ":1", row, o);
  snprintf(row, sizeof row, "{\"instances\":4,\"LastModified\":\"%s\"}", text);
  world_put(w, MF_TABLE_provisioned, F ":live", row, o);
  world_put(w, MF_TABLE_provisioned, "us-east-1/ff:1", row, o);  // another function's
}

static void change(world *w, const mf_provision_change *what, outcome *o) {
  mf_writes writes = {.arena = &w->arena};
  if (!mf_standby_change(w->store, MF_STR(F), what, &writes, &w->err)) fail_msg("%s", w->err.message);
  if (writes.count > 0) assert_true(mf_store_commit(w->store, writes.list, writes.count, commit_done, o, &w->err));
}

// Of all of the function's days, in megabyte-minutes.
static uint64_t written(world *w) {
  char day[MF_DAY_TEXT + 1], key[64];
  uint64_t sum = 0;
  for (uint32_t ago = 0; ago < 3; ago++) {
    mf_billed billed = {0};
    mf_day_format(mf_day_today() - ago, day);
    snprintf(key, sizeof key, "us-east-1/%s/f", day);
    const char *row = world_get(w, MF_TABLE_days, key);
    if (row) assert_true(mf_day_parse_row((mf_slice){row, strlen(row)}, &billed) && billed.calls == 0);
    sum += billed.kept_mb_ms;
  }
  return sum / MINUTE;
}

static void count_open(void *context, mf_str function_key, const mf_standby *kept) {
  if (mf_str_is(function_key, F)) *(uint64_t *)context += mf_standby_since(kept, 0) / MINUTE;
}

static uint64_t open_now(world *w, const char *prefix) {
  uint64_t sum = 0;
  if (!mf_standby_open(w->store, mf_str_from(prefix), count_open, &sum, &w->err)) fail_msg("%s", w->err.message);
  return sum;
}

static void what_a_change_ends_is_counted_once(void **state) {
  (void)state;
  world w;
  outcome o = {0};
  begin(&w, &o);
  assert_int_equal(open_now(&w, "us-east-1/"), 60 * (2 * 512 + 2 * 512 + 2 * 128));
  assert_int_equal(open_now(&w, F ":"), 60 * (2 * 512 + 2 * 512 + 2 * 128));
  change(&w, &(mf_provision_change){.qualifier = MF_STR("other"), .instances = 3}, &o);
  assert_int_equal(written(&w), 0);
  change(&w, &(mf_provision_change){.qualifier = MF_STR("1"), .instances = 3}, &o);
  assert_int_equal(written(&w), 60 * 2 * 512);
  world_end(&w);
}

static void an_alias_that_gets_versions_of_another_size_begins_again(void **state) {
  (void)state;
  world w;
  outcome o = {0};
  begin(&w, &o);
  json_t *same = json_pack("{s:s,s:s,s:{s:{s:f}}}", "Name", "live", "FunctionVersion", "2", "RoutingConfig", "AdditionalVersionWeights", "1", 0.5);
  json_t *smaller = json_pack("{s:s,s:s}", "Name", "live", "FunctionVersion", "2");
  change(&w, &(mf_provision_change){.alias_name = MF_STR("live"), .alias = same}, &o);
  assert_int_equal(written(&w), 0);
  change(&w, &(mf_provision_change){.alias_name = MF_STR("live"), .alias = smaller}, &o);
  assert_int_equal(written(&w), 60 * (2 * 512 + 2 * 128));
  assert_non_null(strstr(world_get(&w, MF_TABLE_provisioned, F ":live"), "kept_from"));
  world_put(&w, MF_TABLE_aliases, F ":live", "{\"Name\":\"live\",\"FunctionVersion\":\"2\"}", &o);
  assert_int_equal(open_now(&w, F ":"), 60 * 2 * 512 + 5 * 4 * 128);
  json_decref(same);
  json_decref(smaller);
  world_end(&w);
}

static void a_function_that_goes_ends_all(void **state) {
  (void)state;
  world w;
  outcome o = {0};
  mf_standby *kept;
  begin(&w, &o);
  assert_true(mf_standby_end(w.store, MF_STR(F), &kept, &w.err));
  assert_non_null(kept);
  mf_standby_write(w.store, MF_STR(F), kept);
  assert_int_equal(written(&w), 60 * (2 * 512 + 2 * 512 + 2 * 128));
  free(kept);
  assert_true(mf_standby_end(w.store, MF_STR("us-east-1/none"), &kept, &w.err));
  assert_null(kept);
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(begun_five_minutes_are_billed),
      cmocka_unit_test(each_day_gets_its_part_and_the_last_one_the_rest),
      cmocka_unit_test(what_a_change_ends_is_counted_once),
      cmocka_unit_test(an_alias_that_gets_versions_of_another_size_begins_again),
      cmocka_unit_test(a_function_that_goes_ends_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
