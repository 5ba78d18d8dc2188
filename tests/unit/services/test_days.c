// Metering by day: days as text, midnight, rows that several structs write, and functions that are gone.
#include "../store/world.h"
#include "services/lambda/days.h"

static void days_are_written_as_text_and_read_back(void **state) {
  (void)state;
  char text[MF_DAY_TEXT + 1];
  uint32_t day;
  mf_day_format(0, text);
  assert_string_equal(text, "1970-01-01");
  mf_day_format(20787, text);  // date -u -d @$((20787 * 86400)) +%F
  assert_string_equal(text, "2026-11-30");
  assert_true(mf_day_parse(MF_STR("2026-11-30"), &day));
  assert_int_equal(day, 20787);
  assert_true(mf_day_parse(MF_STR("2024-02-29"), &day));
  static const char *const wrong[] = {"", "2026-11-3", "2026-11-31", "2025-02-29", "2026-1-011", "yesterday!", "1969-12-31", "2026/11/30", " 2026-11-3"};
  for (size_t i = 0; i < MF_COUNT(wrong); i++)
    if (mf_day_parse(mf_str_from(wrong[i]), &day)) fail_msg("'%s' is a day", wrong[i]);
}

static void rows_that_are_damaged_are_told_apart(void **state) {
  (void)state;
  mf_billed billed;
  assert_true(mf_day_parse_row((mf_slice){"12 3456", 7}, &billed));
  assert_true(billed.calls == 12 && billed.mb_ms == 3456 && billed.first_ms == 0);  // a row of before
  assert_true(mf_day_parse_row((mf_slice){"1 2 3 4 5", 9}, &billed));
  assert_true(billed.run_mb_ms == 4 && billed.kept_mb_ms == 5);
  static const char longest[] = "18446744073709551615 18446744073709551615 18446744073709551615 18446744073709551615 18446744073709551615";
  assert_true(mf_day_parse_row((mf_slice){longest, sizeof longest - 1}, &billed));
  assert_true(billed.kept_mb_ms == UINT64_MAX);
  assert_true(mf_day_parse_row((mf_slice){"12 3456 1796061600123", 21}, &billed));
  assert_true(billed.calls == 12 && billed.mb_ms == 3456 && billed.first_ms == 1796061600123);
  assert_false(mf_day_parse_row((mf_slice){"", 0}, &billed));
  assert_false(mf_day_parse_row((mf_slice){"12", 2}, &billed));
  assert_false(mf_day_parse_row((mf_slice){"\0 1", 3}, &billed));
  static const char many[200] = "1 1";
  assert_false(mf_day_parse_row((mf_slice){many, sizeof many}, &billed));
}

static const char *row_of(world *w, uint32_t day) {
  char text[MF_DAY_TEXT + 1], key[64];
  mf_day_format(day, text);
  snprintf(key, sizeof key, "us-east-1/%s/f", text);
  return world_get(w, MF_TABLE_days, key);
}

// first_ms: the row's, once it is known; the same from then on.
static void assert_row(world *w, uint32_t day, uint64_t calls, uint64_t mb_ms, uint64_t *first_ms) {
  mf_billed billed;
  const char *row = row_of(w, day);
  assert_non_null(row);
  assert_true(mf_day_parse_row((mf_slice){row, strlen(row)}, &billed));
  if (*first_ms == 0) *first_ms = billed.first_ms;
  if (billed.calls != calls || billed.mb_ms != mb_ms || billed.first_ms != *first_ms) fail_msg("%s", row);
}

// What was counted before midnight goes into its own day's row when the first call of the next day is counted.
static void midnight_parts_the_rows(void **state) {
  (void)state;
  world w;
  world_begin(&w);
  world_open(&w);
  mf_lambda_cache *functions = calloc(1, sizeof *functions);
  mf_lambda_entry f = {.spec = {.key = MF_STR("us-east-1/f")}};
  const uint32_t today = mf_day_today();
  const uint64_t began_ms = (uint64_t)(mf_wall_ns() / MF_NS_PER_MS);
  uint64_t yesterday_ms = 0, today_ms = 0;
  functions->store = w.store;
  mf_day_count(functions, &f, 10, 128, false);
  mf_day_count(functions, &f, 5, 256, false);
  f.unwritten_day = today - 1;
  mf_day_count(functions, &f, 7, 1, false);
  assert_row(&w, today - 1, 2, 2560, &yesterday_ms);
  assert_null(row_of(&w, today));
  mf_day_write(functions, &f);
  assert_row(&w, today, 1, 7, &today_ms);
  assert_in_range(yesterday_ms, began_ms, today_ms);
  assert_in_range(today_ms, began_ms, mf_wall_ns() / MF_NS_PER_MS);
  mf_lambda_entry again = {.spec = {.key = MF_STR("us-east-1/f:3")}};  // another struct, of a version: the same row
  mf_day_count(functions, &again, 1, 100, false);
  mf_day_write(functions, &again);
  assert_row(&w, today, 2, 107, &today_ms);
  again.deleted = true;  // removed while it ran: written at once
  mf_day_count(functions, &again, 1, 1, false);
  assert_row(&w, today, 3, 108, &today_ms);
  mf_day_write(functions, &again);  // nothing is left
  assert_row(&w, today, 3, 108, &today_ms);
  world_close(&w);  // its last callbacks know the functions
  free(functions);
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(days_are_written_as_text_and_read_back),
      cmocka_unit_test(rows_that_are_damaged_are_told_apart),
      cmocka_unit_test(midnight_parts_the_rows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
