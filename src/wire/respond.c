// Answers. A handler may answer at once, from within its callback, or later from the loop; in the second case the connection was
// suspended and is resumed here. The body lives until the request ends, so libmicrohttpd is never asked to copy it.
#include <stdio.h>
#include <string.h>

#include "server.h"

static void add_header(struct MHD_Response *response, const char *name, mf_str value) {
  char short_text[512];
  if (value.len >= sizeof short_text) {  // longer ones are NUL-terminated by their makers: X-Amz-Log-Result, Location
    MHD_add_response_header(response, name, value.data);
    return;
  }
  if (value.len > 0) memcpy(short_text, value.data, value.len);
  short_text[value.len] = 0;
  MHD_add_response_header(response, name, short_text);
}

// Bytes of a model or a client must not become further headers.
static bool is_clean(mf_str value) {
  for (size_t i = 0; i < value.len; i++)
    if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f) return false;
  return true;
}

static void add_headers(mf_http_request *request, const mf_header *headers, uint32_t n_headers) {
  MHD_add_response_header(request->response, "x-amzn-RequestId", request->id);
  if (request->wire->stopping || request->must_close) MHD_add_response_header(request->response, MHD_HTTP_HEADER_CONNECTION, "close");
  for (uint32_t i = 0; i < n_headers; i++) {
    mf_str value = headers[i].value;
    if (!is_clean(value)) {
      mf_log(MF_LOG_DEBUG, "the header %s was left out of an answer: it holds control characters", headers[i].name);  // a stranger's Origin, say
      continue;
    }
    if (value.len >= 512) value = mf_str_copy(&request->arena, value);
    if (value.data || value.len == 0) add_header(request->response, headers[i].name, value);
  }
}

static mf_slice kept_body(mf_http_request *request, mf_slice body, bool copy) {
  if (!copy || body.len == 0) return body;
  char *kept = mf_arena_alloc(&request->arena, body.len);
  return kept ? (mf_slice){memcpy(kept, body.data, body.len), body.len} : (mf_slice){NULL, body.len};
}

static void resume(mf_http_request *request) {
  request->wire->must_run = true;
  request->suspended = false;
  MHD_resume_connection(request->connection->handle);
}

// Clients that do not take their answers must not fill the machine's memory with them.
static bool too_much_waits(mf_http_request *request, size_t len) {
  const mf_wire *wire = request->wire;
  if (len <= SMALL_ANSWER || wire->waiting_bytes + len <= wire->max_waiting_bytes) return false;
  mf_respond_error(request, 503, "ServiceUnavailableException", "The server holds too many answers that their clients have not taken yet. "
                   "Try again later.", true);
  return true;
}

void mf_respond(mf_http_request *request, int status, const mf_header *headers, uint32_t n_headers, mf_slice body,
                void (*body_free)(void *context), void *context) {
  if (request->response || request->gone) {  // a second answer, or nobody is there to read it
    if (body_free) body_free(context);
    return;
  }
  if (too_much_waits(request, body.len)) {
    if (body_free) body_free(context);
    return;
  }
  request->body_free = body_free;
  request->body_context = context;
  request->status = status;
  mf_slice kept = kept_body(request, body, !body_free);
  if (kept.len > 0 && !kept.data) {
    request->status = 500;
    kept = (mf_slice){NULL, 0};
  }
  request->response_bytes = kept.len;
  request->wire->waiting_bytes += kept.len;
  request->response = MHD_create_response_from_buffer(kept.len, (void *)(uintptr_t)kept.data, MHD_RESPMEM_PERSISTENT);
  if (request->response) add_headers(request, headers, n_headers);
  else request->gone = true;  // no memory: the connection is closed without an answer
  if (request->suspended) resume(request);
}

enum MHD_Result mf_wire_queue(mf_http_request *request, struct MHD_Connection *connection) {
  if (request->gone || !request->response) return MHD_NO;
  request->answered = true;
  request->queued_ns = mf_now_ns();
  if (request->phase != PHASE_COMPLETE && (request->content_length > 0 || request->body_len > 0 || request->must_close))
    request->connection->linger_bytes = request->known_peer ? LINGER_KNOWN_BYTES : LINGER_STRANGER_BYTES;
  return MHD_queue_response(connection, (unsigned)request->status, request->response);
}

void mf_wire_drop_response(mf_http_request *request) {
  if (request->response) MHD_destroy_response(request->response);
  request->response = NULL;
}

static void respond_query_error(mf_http_request *request, int status, const char *code, const char *message) {
  mf_buf out = {.arena = &request->arena};
  const char *xmlns = request->route.xmlns;
  mf_buf_format(&out, "<ErrorResponse%s%s%s>\n  <Error>\n    <Type>%s</Type>\n    <Code>%s</Code>\n    <Message>", xmlns ? " xmlns=\"" : "",
                xmlns ? xmlns : "", xmlns ? "\"" : "", status >= 500 ? "Receiver" : "Sender", code);
  mf_buf_xml_text(&out, mf_str_from(message));
  mf_buf_format(&out, "</Message>\n  </Error>\n  <RequestId>%s</RequestId>\n</ErrorResponse>\n", request->id);
  const mf_header header = {"Content-Type", MF_STR("text/xml")};
  mf_respond(request, status, &header, 1, out.failed ? (mf_slice){"", 0} : (mf_slice){out.data, out.len}, NULL, NULL);
}

static void respond_json_error(mf_http_request *request, int status, const char *code, const char *message) {
  mf_buf out = {.arena = &request->arena};
  mf_buf_format(&out, "{\"__type\":\"%s\",\"message\":\"", code);
  mf_buf_json_text(&out, mf_str_from(message));
  mf_buf_text(&out, "\"}");
  const mf_header header = {"Content-Type", MF_STR("application/x-amz-json-1.1")};
  mf_respond(request, status, &header, 1, out.failed ? (mf_slice){"{}", 2} : (mf_slice){out.data, out.len}, NULL, NULL);
}

mf_error_form mf_request_form(const mf_http_request *request) { return request->route.form; }

void mf_respond_error(mf_http_request *request, int status, const char *aws_code, const char *message, bool include_type) {
  if (request->route.form == MF_FORM_QUERY) {
    respond_query_error(request, status, aws_code, message);
    return;
  }
  if (request->route.form == MF_FORM_JSON) {
    respond_json_error(request, status, aws_code, message);
    return;
  }
  mf_buf out = {.arena = &request->arena};
  mf_buf_text(&out, include_type ? (status >= 500 ? "{\"Type\":\"Service\",\"message\":\"" : "{\"Type\":\"User\",\"message\":\"") : "{\"message\":\"");
  mf_buf_json_text(&out, mf_str_from(message));
  mf_buf_text(&out, "\"}");
  const mf_header headers[] = {{"Content-Type", MF_STR("application/json")}, {"x-amzn-ErrorType", mf_str_from(aws_code)}};
  mf_slice body = out.failed ? (mf_slice){"{}", 2} : (mf_slice){out.data, out.len};
  mf_respond(request, status, headers, MF_COUNT(headers), body, NULL, NULL);
}

// What a code is called by services of the query protocol.
static const struct {
  const char *code, *query_code;
  int query_status;
} query_codes[] = {{"UnrecognizedClientException", "InvalidClientTokenId", 403},
                   {"InvalidSignatureException", "SignatureDoesNotMatch", 403},
                   {"IncompleteSignatureException", "IncompleteSignature", 400},
                   {"MissingAuthenticationTokenException", "MissingAuthenticationToken", 403},
                   {"ExpiredTokenException", "ExpiredToken", 403},
                   {"ServiceException", "InternalFailure", 500}};

void mf_wire_respond_auth(mf_http_request *request, const mf_auth_error *err) {
  const char *code = err->code;
  int status = strcmp(code, "ServiceException") == 0 ? 500 : request->route.form == MF_FORM_JSON ? 400 : 403;
  for (size_t i = 0; request->route.form == MF_FORM_QUERY && i < MF_COUNT(query_codes); i++) {
    if (strcmp(err->code, query_codes[i].code) != 0) continue;
    code = query_codes[i].query_code;
    status = query_codes[i].query_status;
  }
  mf_respond_error(request, status, code, err->message, false);
}
