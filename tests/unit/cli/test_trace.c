// Reading Azure's trace: what the documented format means, and that what is wrong is told with its place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "cli/trace.h"

static mf_buf head(const char *keys) {
  mf_buf text = {0};
  mf_buf_text(&text, keys);
  for (int i = 1; i <= TRACE_MINUTES; i++) mf_buf_format(&text, ",%d", i);
  mf_buf_text(&text, "\n");
  return text;
}

// The keys, zeros, and `value` in the column of that minute (from 1).
static void add_row(mf_buf *text, const char *keys, int minute, const char *value) {
  mf_buf_text(text, keys);
  for (int i = 1; i <= TRACE_MINUTES; i++) mf_buf_format(text, ",%s", i == minute ? value : "0");
  mf_buf_text(text, "\n");
}

static void assert_refused(trace_kind kind, mf_buf *text, const char *words) {
  static trace_row row;
  trace_reader reader;
  mf_error err = {0};
  bool more = true;
  bool good = trace_open(&reader, kind, "file.csv", mf_buf_view(text), &err);
  while (good && more) good = trace_next(&reader, &row, &more, &err);
  mf_buf_deinit(text);
  assert_false(good);
  if (!strstr(err.message, words)) fail_msg("expected '%s' in '%s'", words, err.message);
}

#define KEYS "HashOwner,HashApp,HashFunction,Trigger"

static void rows_hold_calls_by_minute(void **state) {
  (void)state;
  static trace_row row;
  trace_reader reader;
  mf_error err;
  bool more;
  mf_buf text = head(KEYS);
  add_row(&text, "o,a,f,http", 3, "17");
  add_row(&text, "o,a,g,timer", 1440, "4000000000");
  text.data[text.len - 1] = '\r';  // the last line has no newline, but a carriage return
  assert_true(trace_open(&reader, TRACE_CALLS, "x", mf_buf_view(&text), &err));
  assert_true(trace_next(&reader, &row, &more, &err) && more);
  assert_true(mf_str_is(row.owner, "o") && mf_str_is(row.app, "a") && mf_str_is(row.function, "f") && mf_str_is(row.trigger, "http"));
  assert_int_equal(row.calls[2], 17);
  assert_int_equal(row.calls[3], 0);
  assert_true(trace_next(&reader, &row, &more, &err) && more);
  assert_int_equal(row.calls[1439], 4000000000);
  assert_int_equal(reader.line, 3);
  assert_true(trace_next(&reader, &row, &more, &err) && !more);
  mf_buf_deinit(&text);
}

static void durations_and_memory_are_found_by_their_columns_name(void **state) {
  (void)state;
  static trace_row row;
  trace_reader reader;
  mf_error err;
  bool more;
  assert_true(trace_open(&reader, TRACE_DURATIONS, "x", MF_STR("HashOwner,HashApp,HashFunction,Average,Count\no,a,f,12.5,3\n\no,a,g,-1,0\n"), &err));
  assert_true(trace_next(&reader, &row, &more, &err) && more && row.value == 12.5 && row.weight == 3);
  assert_true(trace_next(&reader, &row, &more, &err) && more && row.value == -1);
  assert_true(trace_next(&reader, &row, &more, &err) && !more);
  assert_true(trace_open(&reader, TRACE_MEMORY, "x", MF_STR("HashOwner,HashApp,SampleCount,AverageAllocatedMb,pct\no,a,7,140,9\n"), &err));
  assert_true(trace_next(&reader, &row, &more, &err) && more && row.value == 140 && row.weight == 7 && row.function.len == 0);
  assert_true(trace_open(&reader, TRACE_MEMORY, "x", MF_STR("HashOwner,HashApp,AverageAllocatedMb\no,a,140\n"), &err));
  assert_true(trace_next(&reader, &row, &more, &err) && more && row.value == 140 && row.weight == 1);
}

static void what_is_wrong_is_told_with_line_and_column(void **state) {
  (void)state;
  static const struct {
    const char *keys, *value, *words;
  } rows[] = {{"o,a,f,http", "x", "file.csv: line 3, column 5: 'x' is no number of calls"},
              {"o,a,f,http", "", "column 5: '' is no number"},
              {"o,a,f,http", "-1", "'-1' is no number"},
              {"o,a,f,http", "4000000001", "too large"},
              {"o,a,f,http", "99999999999999999999999999", "too large"},
              {"o,a,f,http", "\"1\"", "is quoted"},
              {"o,,f,http", "1", "column 2: '' is no name"},
              {"o,a,f,http,0", "1", "line 3 goes on after column 1444"},
              {"o,a,f", "1", "line 3 ends before column 1444"}};
  for (size_t i = 0; i < MF_COUNT(rows); i++) {
    mf_buf text = head(KEYS);
    add_row(&text, "o,a,e,http", 1, "1");
    add_row(&text, rows[i].keys, 1, rows[i].value);
    assert_refused(TRACE_CALLS, &text, rows[i].words);
  }
}

static void wrong_heads_are_refused(void **state) {
  (void)state;
  mf_buf text = {0};
  assert_refused(TRACE_CALLS, &text, "line 1, column 1: '' stands where 'HashOwner' is expected");
  text = head("HashOwner,HashApp,HashFunction");
  assert_refused(TRACE_CALLS, &text, "line 1, column 4: '1' stands where 'Trigger' is expected");
  text = head(KEYS ",0");
  assert_refused(TRACE_CALLS, &text, "column 5: '0' stands where '1'");
  text = head(KEYS);
  text.data[text.len - 1] = ',';
  assert_refused(TRACE_CALLS, &text, "goes on after minute 1440");
  text = (mf_buf){0};
  mf_buf_text(&text, "HashOwner,HashApp,SampleCount\n");
  assert_refused(TRACE_MEMORY, &text, "no column 'AverageAllocatedMb'");
  text = (mf_buf){0};
  mf_buf_text(&text, "HashOwner,HashApp,HashFunction,Average\no,a,f,1e999\n");
  assert_refused(TRACE_DURATIONS, &text, "line 2, column 4: '1e999' is no number");
  text = (mf_buf){0};
  mf_buf_text(&text, "HashOwner,HashApp,HashFunction,Average,Count\no,a,f,1,nan\n");
  assert_refused(TRACE_DURATIONS, &text, "line 2, column 5: 'nan' is no number");
  text = (mf_buf){0};
  mf_buf_text(&text, "HashOwner,HashApp,HashFunction");
  for (int i = 0; i < TRACE_COLUMNS_LARGEST; i++) mf_buf_text(&text, ",x");
  assert_refused(TRACE_DURATIONS, &text, "one column too many");
  text = (mf_buf){0};
  for (int i = 0; i < 100000; i++) mf_buf_text(&text, "x");
  assert_refused(TRACE_CALLS, &text, "is longer than a field may be");
}

static void files_are_known_by_their_names(void **state) {
  (void)state;
  trace_kind kind;
  uint32_t day;
  assert_true(trace_file_name("invocations_per_function_md.anon.d01.csv", &kind, &day) && kind == TRACE_CALLS && day == 1);
  assert_true(trace_file_name("app_memory_percentiles.anon.d12.csv", &kind, &day) && kind == TRACE_MEMORY && day == 12);
  assert_true(trace_file_name("function_durations_percentiles.anon.d14.csv", &kind, &day) && kind == TRACE_DURATIONS && day == 14);
  static const char *const others[] = {"invocations_per_function_md.anon.d00.csv", "invocations_per_function_md.anon.d01.csv.gz",
                                       "invocations_per_function_md.anon.d-1.csv", "invocations_per_function_md.anon.d9999999999999999999999.csv",
                                       "invocations_per_function_md.anon.d.csv", "readme.md", ""};
  for (size_t i = 0; i < MF_COUNT(others); i++) assert_false(trace_file_name(others[i], &kind, &day));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_hold_calls_by_minute),
      cmocka_unit_test(durations_and_memory_are_found_by_their_columns_name),
      cmocka_unit_test(what_is_wrong_is_told_with_line_and_column),
      cmocka_unit_test(wrong_heads_are_refused),
      cmocka_unit_test(files_are_known_by_their_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
