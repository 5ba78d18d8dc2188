// Answers of the service: JSON, AWS's errors, and answers that come later (after a commit) to a client that may be gone by then.
#ifndef MF_SERVICES_LAMBDA_REPLY_H
#define MF_SERVICES_LAMBDA_REPLY_H

#include <jansson.h>

#include "wire/wire.h"

// An answer that is owed. Send it once, whether the client is still there or not.
typedef struct mf_reply {
  mf_http_request *http;  // NULL: the client is gone
  bool sent;
} mf_reply;
mf_reply *mf_reply_defer(mf_http_request *http);  // NULL: no memory, an error was sent

void mf_reply_json(mf_reply *reply, int status, json_t *body);  // takes the reference; body NULL: none
void mf_reply_refuse(mf_reply *reply, int status, const char *code, const char *format, ...) MF_PRINTF(4, 5);
void mf_reply_error(mf_reply *reply, const mf_error *err);      // of ours: 5xx ServiceException and the like

// At once.
void mf_respond_json(mf_http_request *http, int status, json_t *body);
// AWS's form: x-amzn-ErrorType and {"Type":"User","message":…}; ResourceNotFoundException says "Message", ValidationException and 413
// have no Type.
void mf_refuse(mf_http_request *http, int status, const char *code, const char *format, ...) MF_PRINTF(4, 5);
void mf_refuse_error(mf_http_request *http, const mf_error *err);
void mf_refuse_no_memory(mf_http_request *http);
void mf_refuse_throttled(mf_http_request *http, const char *reason);
#endif
