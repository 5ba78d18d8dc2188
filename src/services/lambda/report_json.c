// LogFormat JSON. Each platform event has a level that its kind and status say ("System log level event mapping" in AWS's manual of
// log levels), so what a function's SystemLogLevel drops is one comparison. No runtime has a version here, so initStart is a matter of
// DEBUG. What a model's function says itself is how it failed: an application line of level ERROR.
#include "report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MESSAGE_BYTES = 2000, TIME_TEXT = 32 };  // of what a failure says, as it is written: all lines stay within MF_REPORT_BYTES

// ---- a function's levels ----
static uint8_t level_of(const json_t *config, const char *member) {
  static const char *const names[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};  // as mf_log_detail
  const char *level = json_string_value(json_object_get(config, member));
  for (uint8_t i = 0; level && i < MF_COUNT(names); i++)
    if (strcmp(names[i], level) == 0) return i;
  return MF_DETAIL_INFO;
}

mf_logging mf_logging_of(const json_t *configuration) {
  const json_t *config = json_object_get(configuration, "LoggingConfig");
  const char *format = json_string_value(json_object_get(config, "LogFormat"));
  return (mf_logging){.is_json = format && strcmp(format, "JSON") == 0, .system = level_of(config, "SystemLogLevel"),
                      .application = level_of(config, "ApplicationLogLevel")};
}

// ---- writing ----
typedef struct report {
  const mf_lambda_call *call;
  mf_logging logging;
  const char *status;              // success, error, timeout
  char error_type[80];             // ",\"errorType\":\"…\"", or ""
  size_t len;
  char *out;
} report;

__attribute__((format(printf, 2, 3))) static void add(report *r, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const int n = vsnprintf(r->out + r->len, MF_REPORT_BYTES - r->len, format, args);
  va_end(args);
  if (n > 0) r->len = MF_MIN(r->len + (size_t)n, (size_t)MF_REPORT_BYTES - 1);
}

static const char *time_text(int64_t ns, char text[TIME_TEXT]) {
  struct tm tm;
  const time_t seconds = (time_t)(ns / MF_NS_PER_S);
  const size_t len = gmtime_r(&seconds, &tm) ? strftime(text, TIME_TEXT, "%Y-%m-%dT%H:%M:%S", &tm) : 0;
  snprintf(text + len, TIME_TEXT - len, ".%03dZ", (int)(ns / MF_NS_PER_MS % 1000));
  return text;
}

// "%" MILLISECONDS, milliseconds(ns): with three decimals.
#define MILLISECONDS PRId64 ".%03d"
#define milliseconds(ns) ((ns) + 500) / MF_NS_PER_MS, (int)(((ns) + 500) / 1000 % 1000)

// Up to the record's members, which the caller writes with the two braces that end it. false: the function's level drops it.
static bool begin_event(report *r, mf_log_detail level, const char *type, int64_t time_ns) {
  char text[TIME_TEXT];
  if (level < r->logging.system) return false;
  add(r, "{\"time\":\"%s\",\"type\":\"platform.%s\",\"record\":{", time_text(time_ns, text), type);
  return true;
}

// ---- the events, in their order ----
static void init_events(report *r, mf_str name, mf_str version, int64_t begun_ns) {
  const mf_lambda_call *call = r->call;
  if (!call->cold && call->init_ns == 0) return;
  const char *type = call->cold ? "on-demand" : "provisioned-concurrency";
  if (begin_event(r, MF_DETAIL_DEBUG, "initStart", begun_ns - call->init_ns))
    add(r, "\"initializationType\":\"%s\",\"phase\":\"init\",\"functionName\":\"%.*s\",\"functionVersion\":\"%.*s\"}}\n", type, MF_STR_ARG(name),
        MF_STR_ARG(version));
  if (begin_event(r, MF_DETAIL_DEBUG, "initRuntimeDone", begun_ns))
    add(r, "\"initializationType\":\"%s\",\"phase\":\"init\",\"status\":\"success\"}}\n", type);
  if (begin_event(r, call->cold ? MF_DETAIL_DEBUG : MF_DETAIL_INFO, "initReport", begun_ns))
    add(r, "\"initializationType\":\"%s\",\"phase\":\"init\",\"status\":\"success\",\"metrics\":{\"durationMs\":%" MILLISECONDS "}}}\n", type,
        milliseconds(call->init_ns));
}

// The text as a JSON value of at most MESSAGE_BYTES: as it is when it is JSON of one line, else a string, cut when it must be.
static void add_message(report *r, mf_str text) {
  if (text.len <= MESSAGE_BYTES && !memchr(text.data, '\n', text.len) && !memchr(text.data, '\r', text.len) &&
      mf_is_json((mf_slice){text.data, text.len})) {
    add(r, "%.*s", MF_STR_ARG(text));
    return;
  }
  const size_t whole = text.len;
  mf_buf escaped = {0};
  for (text.len = MF_MIN(text.len, (size_t)MESSAGE_BYTES);; text.len /= 2) {
    while (text.len > 0 && text.len < whole && (text.data[text.len] & 0xc0) == 0x80) text.len--;  // not within a character
    escaped.len = 0;
    mf_buf_json_text(&escaped, text);
    if (escaped.len <= MESSAGE_BYTES || escaped.failed) break;
  }
  add(r, "\"%.*s\"", escaped.failed ? 0 : (int)escaped.len, escaped.data);
  mf_buf_deinit(&escaped);
}

// How the worker ended, or the error object that it answered with.
static void application_line(report *r, int64_t time_ns) {
  char text[TIME_TEXT];
  const mf_lambda_call *call = r->call;
  const mf_slice answered = call->function_error && !call->status ? call->response : (mf_slice){0};
  const mf_str said = call->error_line[0] ? mf_str_from(call->error_line) : (mf_str){answered.data, answered.len};
  if (said.len == 0 || r->logging.application > MF_DETAIL_ERROR) return;
  add(r, "{\"timestamp\":\"%s\",\"level\":\"ERROR\",\"requestId\":\"%s\",\"message\":", time_text(time_ns, text), call->request_id);
  add_message(r, said);
  add(r, "}\n");
}

static void end_events(report *r, uint32_t memory_mb, int64_t now_ns) {
  const mf_lambda_call *call = r->call;
  const bool succeeded = !call->status;
  const uint64_t used_mb = (call->max_memory_bytes + (1 << 20) - 1) >> 20;
  if (begin_event(r, succeeded ? MF_DETAIL_DEBUG : MF_DETAIL_WARN, "runtimeDone", now_ns))
    add(r, "\"requestId\":\"%s\",\"metrics\":{\"durationMs\":%" MILLISECONDS ",\"producedBytes\":%zu},\"status\":\"%s\"%s}}\n", call->request_id,
        milliseconds(call->duration_ns), succeeded ? call->response.len : 0, r->status, r->error_type);
  if (!begin_event(r, succeeded ? MF_DETAIL_INFO : MF_DETAIL_WARN, "report", now_ns)) return;
  add(r, "\"requestId\":\"%s\",\"metrics\":{\"durationMs\":%" MILLISECONDS ",\"billedDurationMs\":%" PRId64 ",\"memorySizeMB\":%u,\"maxMemoryUsedMB\":%" PRIu64,
      call->request_id, milliseconds(call->duration_ns), mf_report_billed_ms(call), memory_mb, used_mb);
  if (call->cold || call->init_ns > 0) add(r, ",\"initDurationMs\":%" MILLISECONDS, milliseconds(call->init_ns));
  add(r, "},\"status\":\"%s\"%s}}\n", r->status, r->error_type);
}

size_t mf_report_json(const mf_lambda_call *call, mf_logging logging, mf_str name, mf_str version, uint32_t memory_mb, int64_t now_ns,
                      char out[MF_REPORT_BYTES], size_t *tail) {
  const int64_t begun_ns = now_ns - call->duration_ns;
  report r = {.call = call, .logging = logging, .status = call->status ? call->status : "success", .out = out};
  if (call->error_type) snprintf(r.error_type, sizeof r.error_type, ",\"errorType\":\"%s\"", call->error_type);
  init_events(&r, name, version, begun_ns);
  *tail = r.len;
  if (begin_event(&r, MF_DETAIL_INFO, "start", begun_ns))
    add(&r, "\"requestId\":\"%s\",\"version\":\"%.*s\"}}\n", call->request_id, MF_STR_ARG(version));
  application_line(&r, now_ns);
  end_events(&r, memory_mb, now_ns);
  return r.len;
}
