// The event of a request to a function URL: API Gateway's payload format 2.0, as JSON around the body, which is not looked into.
#ifndef MF_SERVICES_LAMBDA_URL_EVENT_H
#define MF_SERVICES_LAMBDA_URL_EVENT_H

#include "wire/wire.h"

typedef struct mf_url_event {
  mf_http_request *http;
  mf_str id, region;
  mf_str path;        // as the function sees it
  mf_str access_key;  // who signed; "": anybody
  const char *scheme;
} mf_url_event;

// Everything but the body, into the buffer; the last character is a comma. out->failed: no memory.
void mf_url_event_head(mf_buf *out, const mf_url_event *event);
// Is a body of this Content-Type put in as text? Only if it is UTF-8 too; else it is base64.
bool mf_url_event_is_text(mf_str content_type);
// The rest: body and isBase64Encoded.
void mf_url_event_tail(mf_buf *out, mf_slice body, bool as_text);
size_t mf_url_event_tail_bytes(mf_slice body, bool as_text);  // what it takes
#endif
