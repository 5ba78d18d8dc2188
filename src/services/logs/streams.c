// A stream for each segment of a log, named as AWS names an environment's: day, version, 32 digits. A segment holds what all versions
// of a function logged in that time, so the version is always $LATEST. The name depends on nothing that changes.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "internal.h"
#include "reader.h"

enum { DEFAULT_LIMIT = 50 };

static void name_stream(mf_str log_key, mf_log_stream *stream) {
  char text[MF_LOG_KEY_BYTES + 48], day[16];
  struct tm utc;
  const time_t second = (time_t)(stream->segment.started_ns / MF_NS_PER_S);
  const int len = snprintf(text, sizeof text, "%.*s %llu %lld", MF_STR_ARG(log_key), (unsigned long long)stream->segment.position,
                           (long long)stream->segment.started_ns);
  strftime(day, sizeof day, "%Y/%m/%d", gmtime_r(&second, &utc));
  snprintf(stream->name, sizeof stream->name, "%s/[$LATEST]%016llx%016llx", day, (unsigned long long)mf_hash64(text, (size_t)len, 0),
           (unsigned long long)mf_hash64(text, (size_t)len, 1));
}

uint32_t mf_logs_streams(mf_logs *logs, mf_str log_key, mf_log_stream streams[MF_MAX_LOG_SEGMENTS], int64_t *hidden_before_ms) {
  mf_log_segment segments[MF_MAX_LOG_SEGMENTS];
  uint32_t days, n = mf_store_log_segments(logs->store, log_key, segments, &days), kept = 0;
  *hidden_before_ms = days > 0 ? mf_wall_ns() / MF_NS_PER_MS - (int64_t)days * 86400000 : 0;
  for (uint32_t i = 0; i < n; i++) {
    if (segments[i].bytes == 0) continue;
    streams[kept].segment = segments[i];
    name_stream(log_key, &streams[kept++]);
  }
  return kept;
}

static int by_name(const void *a, const void *b) { return strcmp(((const mf_log_stream *)a)->name, ((const mf_log_stream *)b)->name); }

// By the order that was asked for; segments are in the order of their last events.
static void sort(mf_log_stream *streams, uint32_t n, bool is_by_time, bool descending) {
  if (!is_by_time) qsort(streams, n, sizeof *streams, by_name);
  for (uint32_t i = 0; descending && i < n / 2; i++) {
    const mf_log_stream other = streams[i];
    streams[i] = streams[n - 1 - i];
    streams[n - 1 - i] = other;
  }
}

static json_t *stream_json(mf_rpc_call *call, const mf_log_group *group, const mf_log_stream *stream, char *buffer) {
  mf_logs *logs = call->context;
  mf_log_reader reader;
  mf_log_line first;
  int64_t last_ms;
  char *suffix = mf_str_format(call->arena, ":log-stream:%s", stream->name), *arn = mf_logs_group_arn(call, group->name, suffix ? suffix : "");
  json_t *out = json_pack("{s:s,s:I,s:s,s:i}", "logStreamName", stream->name, "creationTime", (json_int_t)(stream->segment.started_ns / MF_NS_PER_MS),
                          "arn", arn ? arn : "", "storedBytes", 0);
  mf_log_reader_init(&reader, logs->store, group->log_key, buffer, &stream->segment, stream->segment.position);
  if (mf_log_reader_next(&reader, &first)) json_object_set_new(out, "firstEventTimestamp", json_integer(first.time_ms));
  if (mf_log_last_time(logs->store, group->log_key, buffer, &stream->segment, &last_ms)) {
    json_object_set_new(out, "lastEventTimestamp", json_integer(last_ms));
    json_object_set_new(out, "lastIngestionTime", json_integer(last_ms));
  }
  return out;
}

// The stream behind the one that the token names; n when the token is wrong.
static uint32_t find_next(const mf_log_stream *streams, uint32_t n, mf_str token) {
  for (uint32_t i = 0; i + 1 < n; i++)
    if (mf_str_is(token, streams[i].name)) return i + 1;
  return token.len > 0 ? UINT32_MAX : 0;
}

static void describe(mf_rpc_call *call, const mf_log_group *group, char *buffer) {
  mf_log_stream streams[MF_MAX_LOG_SEGMENTS];
  int64_t hidden_before_ms;
  uint32_t n = mf_logs_streams(call->context, group->log_key, streams, &hidden_before_ms);
  const mf_str prefix = mf_logs_text(call, "logStreamNamePrefix");
  const size_t limit = (size_t)mf_logs_number(call, "limit", DEFAULT_LIMIT);
  sort(streams, n, mf_str_is(mf_logs_text(call, "orderBy"), "LastEventTime"), json_is_true(json_object_get(call->body, "descending")));
  uint32_t i = find_next(streams, n, mf_logs_text(call, "nextToken"));
  if (i == UINT32_MAX) {
    mf_refuse(call->http, 400, "InvalidParameterException", "The specified nextToken is invalid.");
    return;
  }
  json_t *shown = json_array(), *answer = json_pack("{s:o}", "logStreams", shown);
  const char *last = NULL;
  for (; i < n; i++) {
    if (!mf_str_starts(mf_str_from(streams[i].name), prefix) || streams[i].segment.written_ns / MF_NS_PER_MS < hidden_before_ms) continue;
    if (json_array_size(shown) == limit) {
      json_object_set_new(answer, "nextToken", json_string(last));
      break;
    }
    json_array_append_new(shown, stream_json(call, group, &streams[i], buffer));
    last = streams[i].name;
  }
  mf_rpc_respond(call, answer);
}

void mf_logs_DescribeLogStreams(mf_rpc_call *call) {
  mf_log_group group;
  const bool is_by_time = mf_str_is(mf_logs_text(call, "orderBy"), "LastEventTime");
  if (is_by_time && mf_logs_text(call, "logStreamNamePrefix").len > 0) {
    mf_refuse(call->http, 400, "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix.");
    return;
  }
  if (!mf_logs_require_group(call, &group)) return;
  char *buffer = mf_arena_alloc(call->arena, MF_LOG_PIECE);
  if (buffer) describe(call, &group, buffer);
  else mf_refuse_no_memory(call->http);
  json_decref(group.row);
}

bool mf_logs_require_stream(mf_rpc_call *call, mf_str log_key, mf_log_stream *stream, int64_t *hidden_before_ms) {
  mf_log_stream streams[MF_MAX_LOG_SEGMENTS];
  const uint32_t n = mf_logs_streams(call->context, log_key, streams, hidden_before_ms);
  for (uint32_t i = 0; i < n; i++) {
    if (!mf_str_is(mf_logs_text(call, "logStreamName"), streams[i].name)) continue;
    *stream = streams[i];
    return true;
  }
  mf_refuse(call->http, 400, "ResourceNotFoundException", "The specified log stream does not exist.");
  return false;
}

void mf_logs_DeleteLogStream(mf_rpc_call *call) {
  mf_logs *logs = call->context;
  mf_log_group group;
  mf_log_stream stream;
  int64_t hidden_before_ms;
  if (!mf_logs_require_group(call, &group)) return;
  if (mf_logs_require_stream(call, group.log_key, &stream, &hidden_before_ms)) {
    mf_store_log_remove(logs->store, group.log_key, stream.segment.position);
    mf_rpc_respond(call, NULL);
  }
  json_decref(group.row);
}
