// Bodies are built with jansson and copied by wire.
#include "api.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>


static void ended(mf_http_request *http, void *data, bool answered) {
  (void)http;
  (void)answered;
  mf_reply *reply = data;
  reply->http = NULL;
  if (reply->sent) free(reply);
}

mf_reply *mf_reply_defer(mf_http_request *http) {
  mf_reply *reply = calloc(1, sizeof *reply);
  if (!reply) {
    mf_refuse_no_memory(http);
    return NULL;
  }
  reply->http = http;
  mf_request_set_data(http, reply);
  mf_request_on_end(http, ended);
  return reply;
}

// The request's end frees the reply; when it has ended already, the reply is freed here.
mf_http_request *mf_reply_settle(mf_reply *reply) {
  mf_http_request *http = reply->http;
  reply->sent = true;
  json_decref(reply->result);
  reply->result = NULL;
  if (!http) free(reply);
  return http;
}

void mf_reply_json(mf_reply *reply, int status, json_t *body) {
  mf_http_request *http = mf_reply_settle(reply);
  if (http) mf_respond_json(http, status, body);
  else json_decref(body);
}

void mf_respond_json(mf_http_request *http, int status, json_t *body) {
  static const mf_header type = {"Content-Type", {"application/json", 16}};
  char *text = body ? mf_json_text(body) : NULL;
  if (mf_json_lost() || (body && !text)) mf_refuse_no_memory(http);
  else mf_respond(http, status, &type, text ? 1 : 0, (mf_slice){text, text ? strlen(text) : 0}, NULL, NULL);
  free(text);
  json_decref(body);
}

static void refuse(mf_http_request *http, int status, const char *code, const char *message, const char *reason) {
  const mf_header headers[] = {{"Content-Type", MF_STR("application/json")}, {"x-amzn-ErrorType", mf_str_from(code)}};
  bool is_plain = strcmp(code, "ValidationException") == 0 || status == 413;
  bool is_missing = strcmp(code, "ResourceNotFoundException") == 0;
  if (mf_request_form(http) != MF_FORM_REST_JSON) {
    mf_respond_error(http, status, code, message, false);
    return;
  }
  const uint64_t failures = mf_json_failures();
  json_t *body = json_object();
  if (reason) json_object_set_new(body, "Reason", json_string(reason));
  if (!is_plain) json_object_set_new(body, "Type", json_string(status >= 500 ? "Service" : "User"));
  json_t *text = json_string(message);
  json_object_set_new(body, is_missing ? "Message" : "message", text ? text : json_string("(the message is not UTF-8)"));
  char *json = mf_json_text(body);
  if (json && mf_json_failures() == failures) mf_respond(http, status, headers, 2, (mf_slice){json, strlen(json)}, NULL, NULL);
  else mf_respond_error(http, status, code, message, !is_plain);  // needs no memory of jansson's
  free(json);
  json_decref(body);
}

void mf_refuse(mf_http_request *http, int status, const char *code, const char *format, ...) {
  char message[8192];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  refuse(http, status, code, message, NULL);
}

void mf_reply_refuse(mf_reply *reply, int status, const char *code, const char *format, ...) {
  char message[8192];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  mf_http_request *http = mf_reply_settle(reply);
  if (http) refuse(http, status, code, message, NULL);
}

void mf_refuse_throttled(mf_http_request *http, const char *reason) {
  refuse(http, 429, "TooManyRequestsException", "Rate Exceeded.", reason);
}

// A full disk is 507 among ours; AWS's clients know 500 and 503, and retry both.
static void map_error(const mf_error *err, int *status, const char **code) {
  *status = err->code == MF_Unavailable ? 503 : 500;
  *code = "ServiceException";
}

void mf_refuse_no_memory(mf_http_request *http) { mf_respond_error(http, 500, "ServiceException", "out of memory", true); }

void mf_refuse_error(mf_http_request *http, const mf_error *err) {
  int status;
  const char *code;
  map_error(err, &status, &code);
  refuse(http, status, code, err->message, NULL);
}

void mf_reply_error(mf_reply *reply, const mf_error *err) {
  int status;
  const char *code;
  map_error(err, &status, &code);
  mf_http_request *http = mf_reply_settle(reply);
  if (http) refuse(http, status, code, err->message, NULL);
}
