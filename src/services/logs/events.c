// GetLogEvents and FilterLogEvents. Both read a bounded stretch of the log for each request, whatever it holds; what is missing comes with
// the next token, which is a position. Answers are written as text: ten thousand events would be ten megabytes of JSON values.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "filter.h"
#include "internal.h"
#include "reader.h"

enum { MAX_EVENTS = 10000, PAGE_BYTES = 1 << 20, EVENT_BYTES = 26, SCAN_BYTES = 2 << 20 };

typedef struct page {
  mf_buf out;              // the answer as far as it is written
  uint32_t n_events;
  size_t bytes;            // as AWS counts them
} page;

static bool is_full(const page *p, uint32_t limit, size_t text_len) {
  return p->n_events >= limit || (p->n_events > 0 && p->bytes + text_len + 1 + EVENT_BYTES > PAGE_BYTES);
}

// eventId: 36 digits of time and 20 of the position; the time keeps ids apart when a log was deleted and begins anew at 0.
static void add_event(page *p, const mf_log_line *line, const char *stream) {
  mf_buf_text(&p->out, p->n_events++ > 0 ? ",{" : "{");
  if (stream)
    mf_buf_format(&p->out, "\"logStreamName\":\"%s\",\"eventId\":\"%036" PRId64 "%020" PRIu64 "\",", stream, line->time_ms, line->position);
  mf_buf_format(&p->out, "\"timestamp\":%" PRId64 ",\"ingestionTime\":%" PRId64 ",\"message\":\"", line->time_ms, line->time_ms);
  mf_buf_json_text(&p->out, line->text);
  mf_buf_text(&p->out, "\\n\"}");
  p->bytes += line->text.len + 1 + EVENT_BYTES;
}

static void free_text(void *text) { free(text); }

static void respond(mf_rpc_call *call, page *p) {
  static const mf_header type = {"Content-Type", {"application/x-amz-json-1.1", 26}};
  if (p->out.failed) {
    mf_buf_deinit(&p->out);
    mf_refuse_no_memory(call->http);
  } else {
    mf_respond(call->http, 200, &type, 1, (mf_slice){p->out.data, p->out.len}, free_text, p->out.data);
  }
}

static void refuse_token(mf_rpc_call *call) {
  mf_refuse(call->http, 400, "InvalidParameterException", "The specified nextToken is invalid.");
}

// The number in a token of that form: "f/" 56 digits "/s". false: it is none.
static bool take_position(mf_str token, const char *before, size_t n_digits, const char *after, uint64_t *position) {
  const size_t head = strlen(before), tail = strlen(after);
  if (token.len != head + n_digits + tail || !mf_str_starts(token, mf_str_from(before)) || !mf_str_ends(token, mf_str_from(after))) return false;
  *position = 0;
  for (size_t i = 0; i < n_digits; i++) {
    const char c = token.data[head + i];
    if (c < '0' || c > '9' || __builtin_mul_overflow(*position, 10, position) || __builtin_add_overflow(*position, (uint64_t)(c - '0'), position))
      return false;
  }
  return true;
}

// ---- GetLogEvents: a window of one stream, read at once ----
typedef struct window {
  mf_logs *logs;
  mf_str key;
  const mf_log_stream *stream;
  uint64_t from, to;       // line beginnings: what the times that were asked for leave of the stream
  uint32_t limit;
  char *text;              // PAGE_BYTES
} window;

static uint64_t end_of(const mf_log_stream *stream) { return stream->segment.position + stream->segment.bytes; }

// The beginning of the last `limit` lines before the position, in at most a page.
static uint64_t back_from(const window *w, uint64_t position) {
  const uint64_t least = position - w->from > PAGE_BYTES ? position - PAGE_BYTES : w->from;
  const size_t len = mf_store_log_read(w->logs->store, w->key, least, w->text, (size_t)(position - least));
  size_t at = len;
  for (uint32_t n = 0; n < w->limit && at > 0; n++) {
    const char *newline = at > 1 ? memrchr(w->text, '\n', at - 1) : NULL;
    const size_t start = newline ? (size_t)(newline - w->text) + 1 : 0;
    if (start == 0 && least > w->from && n > 0) break;  // a line that begins before the page
    if ((len - start) + (size_t)(n + 1) * EVENT_BYTES > PAGE_BYTES && n > 0) break;
    at = start;
  }
  return least + at;
}

static void answer_window(mf_rpc_call *call, const window *w, uint64_t from) {
  page p = {0};
  mf_log_reader reader;
  mf_log_line line;
  uint64_t next = from;
  mf_log_reader_init(&reader, w->logs->store, w->key, w->text, &w->stream->segment, from);
  reader.end = w->to;
  mf_buf_text(&p.out, "{\"events\":[");
  while (!is_full(&p, w->limit, 0) && mf_log_reader_next(&reader, &line) && !is_full(&p, w->limit, line.text.len)) {
    add_event(&p, &line, NULL);
    next = line.next;
  }
  mf_buf_format(&p.out, "],\"nextForwardToken\":\"f/%056" PRIu64 "/s\",\"nextBackwardToken\":\"b/%056" PRIu64 "/s\"}", next, from);
  respond(call, &p);
}

static void get_events(mf_rpc_call *call, window *w, int64_t hidden_before_ms) {
  const mf_log_segment *segment = &w->stream->segment;
  const int64_t start = MF_MAX(mf_logs_number(call, "startTime", 0), hidden_before_ms), end = mf_logs_number(call, "endTime", INT64_MAX);
  const mf_str token = mf_logs_text(call, "nextToken");
  uint64_t position;
  w->from = start > 0 ? mf_log_seek(w->logs->store, w->key, w->text, segment, start) : segment->position;
  w->to = end < INT64_MAX ? mf_log_seek(w->logs->store, w->key, w->text, segment, end) : end_of(w->stream);
  w->to = MF_MAX(w->from, w->to);
  if (token.len == 0) {
    answer_window(call, w, json_is_true(json_object_get(call->body, "startFromHead")) ? w->from : back_from(w, w->to));
  } else if (take_position(token, "f/", 56, "/s", &position) && position >= segment->position && position <= end_of(w->stream)) {
    answer_window(call, w, MF_MIN(MF_MAX(position, w->from), w->to));
  } else if (take_position(token, "b/", 56, "/s", &position) && position >= segment->position && position <= end_of(w->stream)) {
    const uint64_t before = MF_MIN(MF_MAX(position, w->from), w->to);
    w->to = before;
    answer_window(call, w, back_from(w, before));
  } else {
    refuse_token(call);
  }
}

void mf_logs_GetLogEvents(mf_rpc_call *call) {
  mf_logs *logs = call->context;
  mf_log_group group;
  mf_log_stream stream;
  int64_t hidden_before_ms;
  if (!mf_logs_require_group(call, &group)) return;
  if (mf_logs_require_stream(call, group.log_key, &stream, &hidden_before_ms)) {
    window w = {.logs = logs, .key = group.log_key, .stream = &stream, .limit = (uint32_t)mf_logs_number(call, "limit", MAX_EVENTS)};
    w.text = mf_arena_alloc(call->arena, PAGE_BYTES);
    if (w.text) get_events(call, &w, hidden_before_ms);
    else mf_refuse_no_memory(call->http);
  }
  json_decref(group.row);
}

// ---- FilterLogEvents: all streams of a group, piece by piece ----
typedef struct search {
  mf_logs *logs;
  mf_str key;
  mf_filter filter;
  int64_t start_ms, end_ms;
  uint64_t from;           // what the token says
  uint32_t limit;
  const json_t *names;     // of streams; NULL: all
  mf_str prefix;
  char *buffer;
  page page;
  uint64_t read_bytes, next;
  bool more;               // the page ends at `next`
} search;

static bool wants_stream(const search *s, const mf_log_stream *stream) {
  size_t i;
  json_t *name;
  if (end_of(stream) <= s->from || stream->segment.written_ns / MF_NS_PER_MS + 1 < s->start_ms) return false;
  if (!s->names) return mf_str_starts(mf_str_from(stream->name), s->prefix);
  json_array_foreach(s->names, i, name)
    if (strcmp(json_string_value(name), stream->name) == 0) return true;
  return false;
}

// false: the page is full, or enough was read for one request.
static bool search_stream(search *s, const mf_log_stream *stream) {
  mf_log_reader reader;
  mf_log_line line;
  const uint64_t begin = s->start_ms > 0 ? mf_log_seek(s->logs->store, s->key, s->buffer, &stream->segment, s->start_ms) : stream->segment.position;
  mf_log_reader_init(&reader, s->logs->store, s->key, s->buffer, &stream->segment, MF_MAX(begin, s->from));
  while (mf_log_reader_next(&reader, &line)) {
    const bool matches = line.time_ms >= s->start_ms && line.time_ms <= s->end_ms && mf_filter_matches(&s->filter, line.text);
    s->next = line.position;
    if (matches && is_full(&s->page, s->limit, line.text.len)) return false;
    if (matches) add_event(&s->page, &line, stream->name);
    s->next = line.next;
    if (s->read_bytes + reader.read_bytes > SCAN_BYTES) return false;
  }
  s->read_bytes += reader.read_bytes;
  return s->read_bytes <= SCAN_BYTES;
}

static void run_search(mf_rpc_call *call, search *s) {
  mf_log_stream streams[MF_MAX_LOG_SEGMENTS];
  int64_t hidden_before_ms;
  const uint32_t n = mf_logs_streams(s->logs, s->key, streams, &hidden_before_ms);
  s->start_ms = MF_MAX(s->start_ms, hidden_before_ms);
  if (n > 0 && s->from > end_of(&streams[n - 1])) {
    refuse_token(call);
    return;
  }
  mf_buf_text(&s->page.out, "{\"events\":[");
  for (uint32_t i = 0; i < n && !s->more; i++) s->more = wants_stream(s, &streams[i]) && !search_stream(s, &streams[i]) && s->next < end_of(&streams[n - 1]);
  mf_buf_text(&s->page.out, "],\"searchedLogStreams\":[]");
  if (s->more) mf_buf_format(&s->page.out, ",\"nextToken\":\"%020" PRIu64 "-%016" PRIx64 "\"", s->next, mf_hash64(s->key.data, s->key.len, s->next));
  mf_buf_text(&s->page.out, "}");
  respond(call, &s->page);
}

// A position, and a mark of the group that it is of.
static bool take_filter_token(search *s, mf_str token) {
  char mark[24];
  if (token.len == 0) return true;
  if (token.len != 37 || !take_position((mf_str){token.data, 20}, "", 20, "", &s->from)) return false;
  snprintf(mark, sizeof mark, "-%016" PRIx64, mf_hash64(s->key.data, s->key.len, s->from));
  return mf_str_is((mf_str){token.data + 20, 17}, mark);
}

static void filter_events(mf_rpc_call *call, mf_str log_key) {
  mf_error err;
  search s = {.logs = call->context, .key = log_key, .start_ms = mf_logs_number(call, "startTime", 0), .end_ms = mf_logs_number(call, "endTime", INT64_MAX),
              .limit = (uint32_t)mf_logs_number(call, "limit", MAX_EVENTS), .names = json_object_get(call->body, "logStreamNames"),
              .prefix = mf_logs_text(call, "logStreamNamePrefix"), .buffer = mf_arena_alloc(call->arena, MF_LOG_PIECE)};
  if (!s.buffer) mf_refuse_no_memory(call->http);
  else if (s.names && s.prefix.len > 0)
    mf_refuse(call->http, 400, "InvalidParameterException", "logStreamNamePrefix and logStreamNames are mutually exclusive parameters.");
  else if (!mf_filter_parse(mf_logs_text(call, "filterPattern"), call->arena, &s.filter, &err))
    mf_refuse(call->http, 400, "InvalidParameterException", "%s", err.message);
  else if (!take_filter_token(&s, mf_logs_text(call, "nextToken"))) refuse_token(call);
  else run_search(call, &s);
}

void mf_logs_FilterLogEvents(mf_rpc_call *call) {
  mf_log_group group;
  if (!mf_logs_require_group(call, &group)) return;
  filter_events(call, group.log_key);
  json_decref(group.row);
}
