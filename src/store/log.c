// Buffers of the functions that log. Text is gathered on the loop's thread for a few milliseconds, then the log thread appends each
// function's buffer to its segment with one write. A buffer belongs to one thread at a time: `pending` to the loop's, `writing` to the
// log thread from the moment that the flush is posted until it is finished. Only one flush is under way.
#include "log.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "segment.h"

enum { STREAM_BUCKETS = 256, MAX_STREAMS = 256, DIRECTORY_BYTES = 400 };
#define FLUSH_AFTER_NS (20 * MF_NS_PER_MS)
#define SWEEP_EVERY_NS (INT64_C(86400) * MF_NS_PER_S)

const mf_log_limits mf_log_default_limits = {.segment_bytes = 16 << 20, .segment_ns = INT64_C(86400) * MF_NS_PER_S,
                                             .max_age_ns = INT64_C(14) * 86400 * MF_NS_PER_S, .call_bytes = 256 << 10,
                                             .line_bytes = 16 << 10, .pending_bytes = 4 << 20};

typedef struct stream {
  struct stream *next_in_bucket, *next_dirty, *next_writing;
  mf_str function;
  mf_buf pending, writing;
  uint64_t dropped;
  bool dirty;
  mf_segment_writer writer;
  char directory[DIRECTORY_BYTES];
} stream;

typedef struct mf_stamp {
  time_t second;
  size_t len;  // 0: none yet
  char text[40];
} mf_stamp;

typedef struct flush {
  mf_store_job job;
  mf_store_logs *logs;
  stream *streams;
  bool sweep;
} flush;

struct mf_store_logs {
  int directory_fd;
  mf_loop *loop;
  mf_log_limits limits;
  stream *buckets[STREAM_BUCKETS];
  uint32_t n_streams;
  stream *dirty;
  mf_timer timer;
  mf_stamp stamp;
  bool flushing;
  flush flush;
  int64_t swept_ns;
  mf_store_thread *thread;
  bool complained;  // log thread only: one complaint until a write works again
};

static void write_stream(mf_store_logs *logs, stream *s) {
  mf_error err;
  if (mf_segment_append(&s->writer, logs->directory_fd, s->directory, mf_buf_view(&s->writing), &logs->limits, &err)) {
    logs->complained = false;
  } else if (!logs->complained) {
    logs->complained = true;
    mf_log(MF_LOG_ERROR, "log lines are lost: %s", err.message);
  }
}

static void run_flush(void *context, mf_store_thread *thread, mf_store_job *batch) {
  mf_store_logs *logs = context;
  flush *work = (flush *)batch;
  if (work->sweep) mf_segment_sweep(logs->directory_fd, &logs->limits);
  for (stream *s = work->streams; s; s = s->next_writing) write_stream(logs, s);
  mf_store_thread_done(thread, batch);
}

static void free_stream(stream *s) {
  mf_segment_close(&s->writer);
  mf_buf_deinit(&s->pending);
  mf_buf_deinit(&s->writing);
  free((void *)(uintptr_t)s->function.data);
  free(s);
}

static void close_idle(mf_store_logs *logs) {
  for (uint32_t i = 0; i < STREAM_BUCKETS; i++) {
    for (stream **at = &logs->buckets[i]; *at;) {
      stream *s = *at;
      if (s->dirty) {
        at = &s->next_in_bucket;
        continue;
      }
      *at = s->next_in_bucket;
      free_stream(s);
      logs->n_streams--;
    }
  }
}

static void schedule(mf_store_logs *logs) {
  mf_error err;
  if (logs->flushing || logs->timer.position != 0) return;
  if (!mf_loop_timer_set(logs->loop, &logs->timer, mf_now_ns() + FLUSH_AFTER_NS, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
}

static void finish_flush(mf_store_job *base) {
  flush *work = (flush *)base;
  mf_store_logs *logs = work->logs;
  logs->flushing = false;
  for (stream *s = work->streams; s; s = s->next_writing) s->writing.len = 0;
  work->streams = NULL;
  work->sweep = false;
  if (logs->n_streams > MAX_STREAMS) close_idle(logs);
  if (logs->dirty) schedule(logs);
}

static void say_dropped(stream *s) {
  if (s->dropped == 0) return;
  mf_buf_format(&s->pending, "[%llu bytes of log text were dropped: the disk is too slow]\n", (unsigned long long)s->dropped);
  s->dropped = 0;
}

// A sweep removes old segments, the newest as well: nobody may have one open.
static void prepare_sweep(mf_store_logs *logs) {
  close_idle(logs);
  for (stream *s = logs->dirty; s; s = s->next_dirty) mf_segment_close(&s->writer);
  logs->swept_ns = mf_now_ns();
  logs->flush.sweep = true;
}

static void start_flush(mf_store_logs *logs) {
  bool sweep = logs->swept_ns == 0 || mf_now_ns() - logs->swept_ns > SWEEP_EVERY_NS;
  if (logs->flushing || (!logs->dirty && !sweep)) return;
  if (sweep) prepare_sweep(logs);
  logs->flush.streams = NULL;
  for (stream *s = logs->dirty; s; s = s->next_dirty) {
    say_dropped(s);
    mf_buf swap = s->writing;
    s->writing = s->pending;
    s->pending = swap;
    s->pending.failed = false;
    s->dirty = false;
    s->next_writing = logs->flush.streams;
    logs->flush.streams = s;
  }
  logs->dirty = NULL;
  logs->flushing = true;
  mf_store_thread_post(logs->thread, &logs->flush.job);
}

static void on_timer(mf_timer *timer) { start_flush(timer->data); }

// Everything that was logged is in the files when this returns.
static void write_out(mf_store_logs *logs) {
  mf_loop_timer_cancel(logs->loop, &logs->timer);
  while (logs->flushing || logs->dirty) {
    start_flush(logs);
    mf_store_thread_wait(logs->thread);
  }
}

mf_store_logs *mf_store_logs_create(int directory_fd, mf_loop *loop, const mf_log_limits *limits, mf_error *err) {
  mf_store_logs *logs = calloc(1, sizeof *logs);
  if (!logs) {
    mf_fail(err, MF_OutOfMemory, "no memory for logs");
    return NULL;
  }
  logs->directory_fd = directory_fd;
  logs->loop = loop;
  logs->limits = *limits;
  logs->timer = (mf_timer){.fire = on_timer, .data = logs};
  logs->flush = (flush){.job.finish = finish_flush, .logs = logs};
  logs->thread = mf_store_thread_create(run_flush, logs, loop, err);
  if (!logs->thread) {
    free(logs);
    return NULL;
  }
  start_flush(logs);
  return logs;
}

void mf_store_logs_destroy(mf_store_logs *logs) {
  if (!logs) return;
  write_out(logs);
  mf_store_thread_destroy(logs->thread);
  mf_loop_timer_cancel(logs->loop, &logs->timer);
  close_idle(logs);
  free(logs);
}

void mf_store_logs_finish(mf_store_logs *logs) { mf_store_thread_finish(logs->thread); }

static stream *make_stream(mf_store_logs *logs, mf_str function, stream **bucket) {
  stream *s = calloc(1, sizeof *s);
  char *name = malloc(function.len + 1);
  if (!s || !name || !mf_segment_directory(function, s->directory, sizeof s->directory)) {
    free(s);
    free(name);
    return NULL;
  }
  memcpy(name, function.data, function.len);
  s->function = (mf_str){name, function.len};
  s->writer.fd = -1;
  s->pending.limit = s->writing.limit = logs->limits.pending_bytes + 256;
  s->next_in_bucket = *bucket;
  *bucket = s;
  logs->n_streams++;
  return s;
}

static stream *stream_of(mf_store_logs *logs, mf_str function) {
  stream **bucket = &logs->buckets[mf_hash64(function.data, function.len, 0) % STREAM_BUCKETS];
  for (stream *s = *bucket; s; s = s->next_in_bucket)
    if (mf_str_equal(s->function, function)) return s;
  return make_stream(logs, function, bucket);
}

// The second is formatted once for all lines of it.
static mf_str format_time(mf_stamp *stamp) {
  const int64_t now = mf_wall_ns();
  const time_t second = (time_t)(now / MF_NS_PER_S);
  if (second != stamp->second || stamp->len == 0) {
    struct tm utc;
    gmtime_r(&second, &utc);
    stamp->second = second;
    stamp->len = strftime(stamp->text, sizeof stamp->text, "%Y-%m-%dT%H:%M:%S.000Z ", &utc);
  }
  int milliseconds = (int)(now % MF_NS_PER_S / MF_NS_PER_MS);
  for (char *digit = stamp->text + stamp->len - 3; *digit != '.'; milliseconds /= 10) *digit-- = (char)('0' + milliseconds % 10);
  return (mf_str){stamp->text, stamp->len};
}

static void add_line(mf_buf *to, mf_str stamp, mf_str line, uint32_t line_bytes) {
  mf_buf_str(to, stamp);
  if (line.len > line_bytes) {
    mf_buf_append(to, line.data, line_bytes);
    mf_buf_format(to, "[line cut: %zu bytes more]", line.len - line_bytes);
  } else {
    mf_buf_str(to, line);
  }
  mf_buf_append(to, "\n", 1);
}

static void add_lines(mf_store_logs *logs, mf_buf *to, mf_str text) {
  const mf_str time = format_time(&logs->stamp);
  size_t cut = text.len > logs->limits.call_bytes ? text.len - logs->limits.call_bytes : 0;
  text.len -= cut;
  while (text.len > 0) {
    const char *newline = memchr(text.data, '\n', text.len);
    size_t len = newline ? (size_t)(newline - text.data) : text.len;
    if (len > 0) add_line(to, time, (mf_str){text.data, len}, logs->limits.line_bytes);
    size_t step = newline ? len + 1 : len;
    text = (mf_str){text.data + step, text.len - step};
  }
  if (cut > 0) mf_buf_format(to, "%.*s[log text cut: %zu bytes more]\n", MF_STR_ARG(time), cut);
}

void mf_store_logs_add(mf_store_logs *logs, mf_str function, mf_str text) {
  stream *s = stream_of(logs, function);
  if (!s || text.len == 0) return;
  size_t before = s->pending.len;
  if (before < logs->limits.pending_bytes) add_lines(logs, &s->pending, text);
  if (s->pending.failed || before >= logs->limits.pending_bytes) {  // the text is dropped whole
    s->pending.len = before;
    s->pending.failed = false;
    s->dropped += text.len;
  }
  if (!s->dirty) {
    s->dirty = true;
    s->next_dirty = logs->dirty;
    logs->dirty = s;
  }
  schedule(logs);
}

// See log.h: what is shown cannot move the reader's cursor or change the terminal's state.
static bool escape(mf_str raw, mf_arena *arena, mf_str *out, mf_error *err) {
  mf_buf text = {.arena = arena};
  mf_buf_printable(&text, raw, "\n\t");
  *out = text.len > 0 ? mf_buf_view(&text) : MF_STR("");
  return !text.failed || mf_fail(err, MF_OutOfMemory, "no memory for %zu bytes of log text", raw.len);
}

static bool read_range(mf_store_logs *logs, const char *directory, uint64_t position, size_t len, mf_arena *arena, mf_str *raw,
                       mf_error *err) {
  char *buffer = mf_arena_alloc(arena, len);
  if (!buffer) return mf_fail(err, MF_OutOfMemory, "no memory for %zu bytes of log text", len);
  *raw = (mf_str){buffer, mf_segment_read(logs->directory_fd, directory, position, buffer, len)};
  return true;
}

// First and end position of what is kept.
static void range_of(mf_store_logs *logs, const char *directory, uint64_t *first, uint64_t *end) {
  mf_segment segments[MF_MAX_SEGMENTS];
  uint32_t n = mf_segment_list(logs->directory_fd, directory, segments);
  *first = n > 0 ? segments[0].position : 0;
  *end = n > 0 ? segments[n - 1].position + segments[n - 1].bytes : 0;
}

bool mf_store_logs_tail(mf_store_logs *logs, mf_str function, size_t limit_bytes, mf_arena *arena, mf_str *text, mf_error *err) {
  char directory[DIRECTORY_BYTES];
  uint64_t first, end;
  mf_str raw;
  *text = MF_STR("");
  write_out(logs);
  if (!mf_segment_directory(function, directory, sizeof directory)) return true;
  range_of(logs, directory, &first, &end);
  uint64_t from = end - first > limit_bytes ? end - limit_bytes : first;
  if (!read_range(logs, directory, from, (size_t)(end - from), arena, &raw, err)) return false;
  if (from > first) {  // begins within a line: skip to the next
    const char *newline = memchr(raw.data, '\n', raw.len);
    size_t skip = newline ? (size_t)(newline - raw.data) + 1 : raw.len;
    raw = (mf_str){raw.data + skip, raw.len - skip};
  }
  return escape(raw, arena, text, err);
}

bool mf_store_logs_since(mf_store_logs *logs, mf_str function, uint64_t *position, size_t limit_bytes, mf_arena *arena, mf_str *text,
                         mf_error *err) {
  char directory[DIRECTORY_BYTES];
  uint64_t first, end;
  mf_str raw;
  *text = MF_STR("");
  write_out(logs);
  if (!mf_segment_directory(function, directory, sizeof directory)) return true;
  range_of(logs, directory, &first, &end);
  uint64_t from = *position < first || *position > end ? first : *position;  // past the end: of a log that is gone, and this one began anew
  size_t len = (size_t)MF_MIN((uint64_t)limit_bytes, end - from);
  if (!read_range(logs, directory, from, len, arena, &raw, err)) return false;
  *position = from + raw.len;
  return escape(raw, arena, text, err);
}

// ---- as segments ----
uint32_t mf_store_logs_segments(mf_store_logs *logs, mf_str function, mf_log_segment out[MF_MAX_LOG_SEGMENTS], uint32_t *retention_days) {
  char directory[DIRECTORY_BYTES];
  mf_segment segments[MF_MAX_SEGMENTS];
  _Static_assert((int)MF_MAX_LOG_SEGMENTS == (int)MF_MAX_SEGMENTS, "one stands for the other");
  *retention_days = 0;
  write_out(logs);
  if (!mf_segment_directory(function, directory, sizeof directory)) return 0;
  uint32_t n = mf_segment_list(logs->directory_fd, directory, segments);
  for (uint32_t i = 0; i < n; i++)
    out[i] = (mf_log_segment){segments[i].position, segments[i].bytes, segments[i].started_ns, segments[i].written_ns};
  *retention_days = mf_segment_retention(logs->directory_fd, directory);
  return n;
}

size_t mf_store_logs_read(mf_store_logs *logs, mf_str function, uint64_t position, char *out, size_t capacity) {
  char directory[DIRECTORY_BYTES];
  if (!mf_segment_directory(function, directory, sizeof directory)) return 0;
  return mf_segment_read(logs->directory_fd, directory, position, out, capacity);
}

// The log thread has nothing to do when everything is written out, so that the loop's thread may touch files and writers.
static bool take_hold(mf_store_logs *logs, mf_str function, char directory[DIRECTORY_BYTES]) {
  write_out(logs);
  for (stream *s = logs->buckets[mf_hash64(function.data, function.len, 0) % STREAM_BUCKETS]; s; s = s->next_in_bucket)
    if (mf_str_equal(s->function, function)) mf_segment_close(&s->writer);
  return mf_segment_directory(function, directory, DIRECTORY_BYTES);
}

void mf_store_logs_remove(mf_store_logs *logs, mf_str function, uint64_t position) {
  char directory[DIRECTORY_BYTES];
  if (take_hold(logs, function, directory)) mf_segment_remove(logs->directory_fd, directory, position);
}

bool mf_store_logs_retain(mf_store_logs *logs, mf_str function, uint32_t days, mf_error *err) {
  char directory[DIRECTORY_BYTES];
  if (!take_hold(logs, function, directory)) return mf_fail(err, MF_InvalidRequest, "the log's name is too long");
  if (!mf_segment_retain(logs->directory_fd, directory, days, err)) return false;
  mf_segment_remove_old(logs->directory_fd, directory, &logs->limits);
  return true;
}
