// Events that carry a payload in an envelope: requests to function URLs and API Gateway HTTP APIs (payload format 2.0). Their body is
// read as if it had been the payload.
#ifndef MF_PIPELINE_HTTP_EVENT_H
#define MF_PIPELINE_HTTP_EVENT_H

#include "json.h"

typedef struct mf_http_event {
  bool is_http;    // true: the caller is to get an HTTP response, of errors too
  mf_slice body;   // what is to be answered: the payload itself, or a part of it
} mf_http_event;

// Looks at the payload. Of an event the body is decoded where it stands, so that no memory is needed: the payload's memory is then
// written to, and must not be read-only. false: an event whose body cannot be read (event->is_http is set even so).
bool mf_http_event_open(mf_slice payload, mf_http_event *event, mf_error *err) MF_MUST_CHECK;
// The response to an event whose body was at fault: 400 or 413 with {"errorMessage", "errorType"}. false: the error is not the
// caller's, or there is no room.
bool mf_http_event_refuse(const mf_error *err, char *out, size_t out_capacity, size_t *out_len) MF_MUST_CHECK;
#endif
