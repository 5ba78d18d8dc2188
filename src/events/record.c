// Lambda's record of how an event ended, as destinations get it.
//
// Payload and answer stand in it as they came when they are JSON, which a scanner checks that understands nothing: what a client sent or
// a worker answered could else add members to the record. What is no JSON (a picture) stands as a string in base64.
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

// ---- the record ----
static void add_value(mf_buf *out, mf_slice bytes) {
  if (bytes.len == 0) {
    mf_buf_text(out, "{}");  // an empty event reaches the function so
  } else if (mf_is_json(bytes)) {
    mf_buf_append(out, bytes.data, bytes.len);
  } else {
    mf_buf_text(out, "\"");
    char *at = mf_buf_reserve(out, 4 * ((bytes.len + 2) / 3) + 1);
    if (at) out->len += mf_base64_encode(bytes, at);
    mf_buf_text(out, "\"");
  }
}

static void add_time(mf_buf *out, int64_t ms) {
  char text[32];
  struct tm tm;
  const time_t seconds = (time_t)(ms / 1000);
  gmtime_r(&seconds, &tm);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
  mf_buf_format(out, "%s.%03dZ", text, (int)(ms % 1000));
}

bool mf_record_write(mf_events *events, const mf_kept_event *event, mf_condition condition, bool responded, mf_buf *out) {
  const mf_event *e = &event->event;
  const uint32_t attempts = (uint32_t)event->facts.attempts + (condition == MF_CONDITION_SUCCESS ? 1 : 0);
  mf_buf_text(out, "{\"version\":\"1.0\",\"timestamp\":\"");
  add_time(out, mf_wall_ns() / MF_NS_PER_MS);
  mf_buf_format(out, "\",\"requestContext\":{\"requestId\":\"%s\",\"functionArn\":\"", e->request_id);
  events->runner.arn(events->runner.context, e->function, e->qualifier, out);
  mf_buf_format(out, "\",\"condition\":\"%s\",\"approximateInvokeCount\":%u},\"requestPayload\":", mf_condition_names[condition], attempts);
  add_value(out, e->payload);
  if (responded) {
    mf_buf_format(out, ",\"responseContext\":{\"statusCode\":200,\"executedVersion\":\"%s\"", e->executed_version[0] ? e->executed_version : "$LATEST");
    if (e->function_error) mf_buf_format(out, ",\"functionError\":\"%s\"", e->function_error);
    mf_buf_text(out, "},\"responsePayload\":");
    if (e->response.len == 0) mf_buf_text(out, "null");
    else add_value(out, e->response);
  }
  mf_buf_text(out, "}");
  return !out->failed;
}
