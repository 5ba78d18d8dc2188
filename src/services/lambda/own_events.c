// Mayfly's own paths about events: what waits, runs and failed; payloads; trying again and dropping.
#include "internal.h"

enum { DEFAULT_LISTED = 20, MOST_LISTED = 1000 };

static mf_str last_segment(mf_http_request *http) {
  const mf_str target = mf_request_target(http);
  const char *slash = memrchr(target.data, '/', target.len);
  return (mf_str){slash + 1, target.len - (size_t)(slash + 1 - target.data)};
}

// The last segment, decoded. false: an answer was sent.
static bool take_segment(mf_http_request *http, mf_str *text) {
  if (mf_lambda_decode(mf_request_arena(http), last_segment(http), text)) return true;
  if (!text->data) mf_refuse_no_memory(http);
  else mf_refuse(http, 400, "ValidationException", "the path is not well encoded");
  return false;
}

static void refuse_event(mf_http_request *http, const mf_error *err) {
  if (err->code == MF_NotFound) mf_refuse(http, 404, "ResourceNotFoundException", "%s", err->message);
  else if (err->code == MF_Conflict) mf_refuse(http, 409, "ResourceConflictException", "%s", err->message);
  else mf_refuse_error(http, err);
}

// ---- lists ----
typedef struct listing {
  json_t *functions, *events;
} listing;

static json_t *text_json(mf_str text) {
  json_t *json = json_stringn(text.len ? text.data : "", text.len);
  return json ? json : json_string("(not UTF-8)");  // a reason may be cut within a character
}

static void add_count(void *context, const mf_events_count *count) {
  const listing *l = context;
  json_array_append_new(l->functions, json_pack("{s:o,s:I,s:I,s:b}", "function", text_json(mf_lambda_name_of(count->function)), "waiting",
                                                (json_int_t)count->waiting, "running", (json_int_t)count->running, "paused", count->paused));
}

static void add_event(void *context, const mf_event_shown *event) {
  const listing *l = context;
  json_t *out = json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:i,s:I,s:I}", "state", event->state, "id", event->id, "function",
                          text_json(mf_lambda_name_of(event->function)), "qualifier", text_json(event->qualifier), "request_id",
                          text_json(event->request_id), "reason", text_json(event->reason), "attempts", (int)event->attempts, "accepted_ms",
                          (json_int_t)event->accepted_ms, "bytes", (json_int_t)event->payload_bytes);
  if (event->condition.len > 0) json_object_set_new(out, "condition", text_json(event->condition));
  if (event->at_ms > 0) json_object_set_new(out, "at_ms", json_integer(event->at_ms));
  json_array_append_new(l->events, out);
}

static json_t *totals(const mf_events *events) {
  mf_events_stats stats;
  mf_events_statistics(events, &stats);
  return json_pack("{s:I,s:I,s:I,s:b,s:I,s:I,s:I,s:I,s:I}", "waiting", (json_int_t)stats.waiting, "running", (json_int_t)stats.running,
                   "retrying", (json_int_t)stats.retrying, "counting", stats.counting, "failed", (json_int_t)stats.failed, "accepted",
                   (json_int_t)stats.accepted, "done", (json_int_t)stats.done, "dropped", (json_int_t)stats.dropped, "oldest_ms",
                   (json_int_t)stats.oldest_ms);
}

static void list(mf_lambda *lambda, mf_http_request *http, const char *which) {
  mf_error err;
  bool goes_on;
  char next[MF_EVENTS_NEXT];
  long limit = DEFAULT_LISTED;
  if (!mf_own_number(http, "limit", 1, MOST_LISTED, &limit)) return;
  mf_json_begin();
  listing l = {json_array(), json_array()};
  const mf_events_query query = {.function = mf_str_from(which), .after = mf_request_parameter(http, "after", &goes_on),
                                 .limit = (uint32_t)(limit > 0 ? limit : DEFAULT_LISTED), .count = add_count, .show = add_event, .context = &l};
  if (!which) {
    mf_refuse_no_memory(http);
  } else if (mf_events_list(lambda->env.events, &query, next, &err)) {
    json_t *out = json_pack("{s:O,s:O,s:o}", "functions", l.functions, "events", l.events, "totals", totals(lambda->env.events));
    if (next[0]) json_object_set_new(out, "next", json_string(next));
    mf_respond_json(http, 200, out);
  } else {
    mf_refuse_error(http, &err);
  }
  json_decref(l.functions);
  json_decref(l.events);
}

void mf_own_list_events(mf_http_request *http, const mf_principal *principal, void *context) {
  list(context, http, mf_str_format(mf_request_arena(http), "%.*s/", MF_STR_ARG(principal->region)));
}

void mf_own_list_function_events(mf_http_request *http, const mf_principal *principal, void *context) {
  mf_str name;
  if (!take_segment(http, &name)) return;
  list(context, http, mf_str_format(mf_request_arena(http), "%.*s/%.*s", MF_STR_ARG(principal->region), MF_STR_ARG(name)));
}

// ---- one event ----
void mf_own_show_event(mf_http_request *http, const mf_principal *principal, void *context) {
  mf_lambda *lambda = context;
  mf_error err;
  mf_str id;
  mf_slice payload;
  static const mf_header type = {"Content-Type", {"application/octet-stream", 24}};
  if (!take_segment(http, &id)) return;
  if (mf_events_payload(lambda->env.events, principal->region, id, mf_request_arena(http), &payload, &err))
    mf_respond(http, 200, &type, 1, payload, NULL, NULL);
  else refuse_event(http, &err);
}

static void changed(void *context, const mf_error *err) {
  mf_reply *reply = context;
  mf_json_begin();
  if (err) mf_reply_error(reply, err);
  else mf_reply_json(reply, 204, NULL);
}

typedef bool change(mf_events *events, mf_str region, mf_str id, mf_store_done *done, void *context, mf_error *err);

static void change_event(mf_http_request *http, const mf_principal *principal, mf_lambda *lambda, change *what) {
  mf_error err;
  mf_str id;
  mf_reply *reply;
  if (!take_segment(http, &id) || !(reply = mf_reply_defer(http))) return;
  if (what(lambda->env.events, principal->region, id, changed, reply, &err)) return;
  if (err.code == MF_NotFound) mf_reply_refuse(reply, 404, "ResourceNotFoundException", "%s", err.message);
  else if (err.code == MF_Conflict) mf_reply_refuse(reply, 409, "ResourceConflictException", "%s", err.message);
  else mf_reply_error(reply, &err);
}

void mf_own_retry_event(mf_http_request *http, const mf_principal *principal, void *context) {
  change_event(http, principal, context, mf_events_retry);
}

void mf_own_drop_event(mf_http_request *http, const mf_principal *principal, void *context) {
  change_event(http, principal, context, mf_events_drop);
}
