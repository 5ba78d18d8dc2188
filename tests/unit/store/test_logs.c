// Functions' logs: stamped, capped, escaped when shown, rotated; positions outlive rotation and restarts.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "store/log.h"
#include "store/segment.h"
#include "world.h"

typedef struct log_world {
  world w;
  int fd;
  mf_store_logs *logs;
} log_world;

static void finish_logs(void *data) {
  log_world *l = data;
  if (l->logs) mf_store_logs_finish(l->logs);
}

static void log_open(log_world *l, const mf_log_limits *limits) {
  l->logs = mf_store_logs_create(l->fd, l->w.loop, limits, &l->w.err);
  assert_non_null(l->logs);
}

static void log_begin(log_world *l, const mf_log_limits *limits) {
  world_begin(&l->w);
  l->logs = NULL;
  l->w.loop = mf_loop_create(&l->w.err);
  l->fd = open(l->w.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  mf_loop_on_wake(l->w.loop, finish_logs, l);
  log_open(l, limits);
}

static void log_end(log_world *l) {
  mf_store_logs_destroy(l->logs);
  close(l->fd);
  mf_loop_destroy(l->w.loop);
  world_end(&l->w);
}

static const char *since(log_world *l, const char *function, uint64_t *position) {
  mf_str text;
  assert_true(mf_store_logs_since(l->logs, mf_str_from(function), position, 1 << 20, &l->w.arena, &text, &l->w.err));
  return mf_str_format(&l->w.arena, "%.*s", MF_STR_ARG(text));
}

// "2026-11-25T10:00:00.000Z text" -> checks the stamp, returns the text.
static const char *without_stamp(const char *line) {
  int y, mo, d, h, mi, s, ms, end = 0;
  assert_int_equal(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &y, &mo, &d, &h, &mi, &s, &ms, &end), 7);
  assert_int_equal(end, 25);
  return line + end;
}

static void lines_are_stamped_and_control_characters_shown_escaped(void **state) {
  (void)state;
  log_world l;
  uint64_t position = 0;
  log_begin(&l, &mf_log_default_limits);
  mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("one\x1b[31m\ttab\r\n\ntwo\x7f"));
  const char *text = since(&l, "r/f", &position);
  assert_true(strncmp(without_stamp(text), "one\\x1b[31m\ttab\\x0d\n", 19) == 0);
  const char *second = strchr(text, '\n') + 1;
  assert_string_equal(without_stamp(second), "two\\x7f\n");
  assert_string_equal(since(&l, "r/f", &position), "");
  mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("three\n"));
  mf_store_logs_add(l.logs, MF_STR("r/g"), MF_STR("other\n"));
  assert_string_equal(without_stamp(since(&l, "r/f", &position)), "three\n");
  log_end(&l);
}

static void long_lines_and_texts_are_cut_and_say_so(void **state) {
  (void)state;
  log_world l;
  uint64_t position = 0;
  mf_log_limits limits = mf_log_default_limits;
  limits.line_bytes = 10;
  limits.call_bytes = 40;
  log_begin(&l, &limits);
  mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("0123456789abc\nxyz\n0123456789012345678901234567890123456789"));
  const char *text = since(&l, "r/f", &position);
  assert_non_null(strstr(text, "0123456789[line cut: 3 bytes more]\n"));
  assert_non_null(strstr(text, "[log text cut: 18 bytes more]\n"));
  log_end(&l);
}

static void rotation_keeps_positions_and_removes_old_text(void **state) {
  (void)state;
  log_world l;
  mf_log_limits limits = mf_log_default_limits;
  limits.segment_bytes = 1000;
  uint64_t position = 0, all = 0;
  char line[40];
  log_begin(&l, &limits);
  for (int i = 0; i < 200; i++) {
    snprintf(line, sizeof line, "line %03d", i);
    mf_store_logs_add(l.logs, MF_STR("r/f"), mf_str_from(line));
    const char *text = since(&l, "r/f", &position);
    assert_int_equal(strlen(text), 34);
    assert_int_equal(position, (uint64_t)(i + 1) * 34);
    if (i == 100) {  // a restart
      mf_store_logs_destroy(l.logs);
      log_open(&l, &limits);
    }
  }
  const char *kept = since(&l, "r/f", &all);
  assert_true(strlen(kept) >= 1000 && strlen(kept) <= 2000);
  assert_non_null(strstr(kept, "line 199"));
  assert_null(strstr(kept, "line 100"));
  mf_str tail;
  assert_true(mf_store_logs_tail(l.logs, MF_STR("r/f"), 100, &l.w.arena, &tail, &l.w.err));
  assert_int_equal(tail.len, 68);  // whole lines only
  log_end(&l);
}

static uint32_t segments_of(log_world *l, const char *function) {
  mf_segment segments[MF_MAX_SEGMENTS];
  return mf_segment_list(l->fd, function, segments);
}

static void a_segment_ends_when_it_is_old(void **state) {
  (void)state;
  log_world l;
  mf_log_limits limits = mf_log_default_limits;
  uint64_t position = 0;
  limits.segment_ns = MF_NS_PER_S / 5;
  log_begin(&l, &limits);
  mf_store_logs_add(l.logs, MF_STR("old"), MF_STR("one"));
  mf_store_logs_add(l.logs, MF_STR("old"), MF_STR("two"));
  since(&l, "old", &position);  // both are written
  assert_int_equal(segments_of(&l, "old"), 1);
  for (int64_t end = mf_wall_ns() + limits.segment_ns + MF_NS_PER_MS; mf_wall_ns() < end;) usleep(1000);
  mf_store_logs_add(l.logs, MF_STR("old"), MF_STR("three"));
  assert_string_equal(without_stamp(since(&l, "old", &position)), "three\n");
  assert_int_equal(segments_of(&l, "old"), 2);
  log_end(&l);
}

static void old_segments_go_at_start_and_a_position_of_a_log_that_is_gone_is_forgotten(void **state) {
  (void)state;
  log_world l;
  mf_log_limits limits = mf_log_default_limits;
  uint64_t position = 0;
  log_begin(&l, &limits);
  mf_store_logs_add(l.logs, MF_STR("r/old"), MF_STR("old\n"));
  mf_store_logs_add(l.logs, MF_STR("r/again"), MF_STR("again\n"));
  position = 5000;  // of a log that is gone
  assert_string_equal(without_stamp(since(&l, "r/again", &position)), "again\n");
  mf_store_logs_destroy(l.logs);
  limits.max_age_ns = -1;
  log_open(&l, &limits);
  position = 0;
  assert_string_equal(since(&l, "r/old", &position), "");
  assert_int_equal(faccessat(l.fd, "r/old", F_OK, 0), -1);
  log_end(&l);
}

static void a_name_cannot_leave_the_log_directory(void **state) {
  (void)state;
  log_world l;
  uint64_t position = 0;
  log_begin(&l, &mf_log_default_limits);
  mf_store_logs_add(l.logs, MF_STR("../../x"), MF_STR("hello\n"));
  assert_string_equal(without_stamp(since(&l, "../../x", &position)), "hello\n");
  assert_int_equal(faccessat(l.fd, "%2e%2e/%2e%2e/x", F_OK, 0), 0);
  log_end(&l);
}

static void text_beyond_what_may_wait_is_dropped_and_counted(void **state) {
  (void)state;
  log_world l;
  mf_log_limits limits = mf_log_default_limits;
  limits.pending_bytes = 100;
  uint64_t position = 0;
  log_begin(&l, &limits);
  for (int i = 0; i < 50; i++) mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("a line of some length\n"));
  const char *text = since(&l, "r/f", &position);
  assert_non_null(strstr(text, "bytes of log text were dropped"));
  assert_true(strlen(text) < 500);
  log_end(&l);
}

static uint32_t segments(log_world *l, mf_log_segment out[MF_MAX_LOG_SEGMENTS]) {
  uint32_t days;
  return mf_store_logs_segments(l->logs, MF_STR("r/f"), out, &days);
}

static void segments_are_listed_read_and_removed_while_more_is_written(void **state) {
  (void)state;
  log_world l;
  mf_log_segment before[MF_MAX_LOG_SEGMENTS], after[MF_MAX_LOG_SEGMENTS];
  char text[64];
  mf_log_limits limits = mf_log_default_limits;
  limits.segment_bytes = 64;
  log_begin(&l, &limits);
  mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("one\x1b\n"));
  assert_int_equal(segments(&l, before), 1);
  assert_int_equal(mf_store_logs_read(l.logs, MF_STR("r/f"), before[0].position, text, sizeof text), 30);
  assert_memory_equal(text + 25, "one\x1b\n", 5);  // as it came
  mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("a line that begins another segment\n"));
  assert_int_equal(segments(&l, before), 2);
  assert_int_equal(before[1].position, 30);
  mf_store_logs_remove(l.logs, MF_STR("r/f"), 30);  // the one that is being written
  assert_int_equal(segments(&l, after), 1);
  assert_int_equal(after[0].started_ns, before[0].started_ns);
  mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("more\n"));
  assert_int_equal(segments(&l, after), 1);
  assert_int_equal(after[0].bytes, 60);
  mf_store_logs_remove(l.logs, MF_STR("r/f"), UINT64_MAX);
  assert_int_equal(segments(&l, after), 0);
  mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("anew\n"));
  assert_int_equal(segments(&l, after), 1);
  assert_int_equal(after[0].position, 0);
  log_end(&l);
}

static void retention_is_remembered_and_obeyed(void **state) {
  (void)state;
  log_world l;
  mf_log_segment found[MF_MAX_LOG_SEGMENTS];
  uint32_t days;
  log_begin(&l, &mf_log_default_limits);
  assert_true(mf_store_logs_retain(l.logs, MF_STR("r/f"), 30, &l.w.err));  // before there is a log
  mf_store_logs_add(l.logs, MF_STR("r/f"), MF_STR("old\n"));
  assert_int_equal(mf_store_logs_segments(l.logs, MF_STR("r/f"), found, &days), 1);
  assert_int_equal(days, 30);
  char path[300];
  snprintf(path, sizeof path, "%s/r/f/%020d-%019lld.log", l.w.directory, 0, (long long)found[0].started_ns);
  const struct timespec times[2] = {{.tv_sec = time(NULL) - 20 * 86400}, {.tv_sec = time(NULL) - 20 * 86400}};
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
  mf_store_logs_destroy(l.logs);
  log_open(&l, &mf_log_default_limits);  // sweeps what is older than 14 days, or 30 where that was said
  assert_int_equal(mf_store_logs_segments(l.logs, MF_STR("r/f"), found, &days), 1);
  assert_int_equal(days, 30);
  assert_true(mf_store_logs_retain(l.logs, MF_STR("r/f"), 0, &l.w.err));
  assert_int_equal(mf_store_logs_segments(l.logs, MF_STR("r/f"), found, &days), 0);
  assert_int_equal(days, 0);
  log_end(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lines_are_stamped_and_control_characters_shown_escaped),
      cmocka_unit_test(long_lines_and_texts_are_cut_and_say_so),
      cmocka_unit_test(rotation_keeps_positions_and_removes_old_text),
      cmocka_unit_test(a_segment_ends_when_it_is_old),
      cmocka_unit_test(old_segments_go_at_start_and_a_position_of_a_log_that_is_gone_is_forgotten),
      cmocka_unit_test(a_name_cannot_leave_the_log_directory),
      cmocka_unit_test(text_beyond_what_may_wait_is_dropped_and_counted),
      cmocka_unit_test(segments_are_listed_read_and_removed_while_more_is_written),
      cmocka_unit_test(retention_is_remembered_and_obeyed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
