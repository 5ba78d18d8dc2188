// From a request to the handler of the operation that it names, and back.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api.h"

enum { BODY_LIMIT = 1 << 20 };

// ---- answers ----
static bool is_query(const mf_rpc_service *service) { return service->form == MF_FORM_QUERY; }

static void respond_xml(mf_http_request *http, const mf_rpc_service *service, const mf_rpc_operation *operation, const json_t *result) {
  static const mf_header type = {"Content-Type", {"text/xml", 8}};
  mf_buf out = {.arena = mf_request_arena(http)};
  mf_buf_format(&out, "<%sResponse xmlns=\"%s\">\n", operation->name, service->xmlns);
  if (result) {
    mf_buf_format(&out, "  <%sResult>\n", operation->name);
    mf_xml_members(&out, result, 2);
    mf_buf_format(&out, "  </%sResult>\n", operation->name);
  }
  mf_buf_format(&out, "  <ResponseMetadata>\n    <RequestId>%s</RequestId>\n  </ResponseMetadata>\n</%sResponse>\n", mf_request_id(http),
                operation->name);
  if (out.failed || mf_json_lost()) mf_refuse_no_memory(http);
  else mf_respond(http, 200, &type, 1, (mf_slice){out.data, out.len}, NULL, NULL);
}

static void respond_json(mf_http_request *http, const json_t *result) {
  static const mf_header type = {"Content-Type", {"application/x-amz-json-1.1", 26}};
  char *text = result ? mf_json_text(result) : NULL;
  if (mf_json_lost() || (result && !text)) mf_refuse_no_memory(http);
  else mf_respond(http, 200, &type, 1, (mf_slice){text ? text : "", text ? strlen(text) : 0}, NULL, NULL);
  free(text);
}

static void respond(mf_http_request *http, const mf_rpc_service *service, const mf_rpc_operation *operation, const json_t *result) {
  if (is_query(service)) respond_xml(http, service, operation, result);
  else respond_json(http, result);
}

void mf_rpc_respond(mf_rpc_call *call, json_t *result) {
  respond(call->http, call->service, call->operation, result);
  json_decref(result);
}

mf_reply *mf_rpc_defer(mf_rpc_call *call, json_t *result) {
  mf_reply *reply = NULL;
  if (mf_json_lost()) mf_refuse_no_memory(call->http);
  else reply = mf_reply_defer(call->http);
  if (reply) {
    reply->service = call->service;
    reply->operation = call->operation;
    reply->result = json_incref(result);
  }
  json_decref(result);
  return reply;
}

void mf_rpc_stored(void *context, const mf_error *err) {
  mf_reply *reply = context;
  if (err) {
    mf_reply_error(reply, err);
    return;
  }
  mf_json_begin();
  if (reply->http) respond(reply->http, reply->service, reply->operation, reply->result);
  mf_reply_settle(reply);
}

// ---- requests ----
static void refuse_action(mf_rpc_call *call, mf_str name) {
  const mf_str version = mf_str_from(call->service->version);
  if (is_query(call->service))
    mf_refuse(call->http, 400, name.len ? "InvalidAction" : "MissingAction", "Could not find operation %.*s for version %.*s",
              (int)MF_MIN(name.len, (size_t)128), name.len ? name.data : "", MF_STR_ARG(version));
  else
    mf_refuse(call->http, 400, "UnknownOperationException", "%s has no operation '%.*s'", call->service->name,
              (int)MF_MIN(name.len, (size_t)128), name.len ? name.data : "");
}

static bool find_operation(mf_rpc_call *call, mf_str name) {
  for (uint32_t i = 0; i < call->service->n_operations; i++)
    if (mf_str_is(name, call->service->operations[i].name)) call->operation = &call->service->operations[i];
  if (!call->operation) refuse_action(call, name);
  else if (!call->operation->handle)
    mf_refuse(call->http, 501, "NotImplemented", "The operation %s of %s is not supported by this version of Mayfly", call->operation->name,
              call->service->name);
  return call->operation && call->operation->handle;
}

// The whole body, in memory. NULL data: an answer was sent.
static mf_str whole_body(mf_http_request *http) {
  int fd;
  uint64_t len;
  mf_slice body = mf_request_body(http, &fd, &len);
  if (fd < 0) return (mf_str){body.len ? body.data : "", body.len};
  char *copy = mf_arena_alloc(mf_request_arena(http), (size_t)len + 1);
  size_t done = 0;
  for (ssize_t n = 1; copy && n > 0 && done < len; done += n > 0 ? (size_t)n : 0) n = pread(fd, copy + done, (size_t)len - done, (off_t)done);
  if (copy && done == len) return (mf_str){copy, done};
  mf_refuse_no_memory(http);
  return (mf_str){0};
}

static bool read_json(mf_rpc_call *call, mf_str text) {
  json_error_t problem;
  call->body = json_loadb(text.len ? text.data : "{}", text.len ? text.len : 2, JSON_REJECT_DUPLICATES, &problem);
  if (mf_json_lost()) mf_refuse_no_memory(call->http);
  else if (!json_is_object(call->body)) mf_refuse(call->http, 400, "SerializationException", "%s", call->body ? "Start of structure or map found where not expected." : mf_json_problem(&problem));
  else return true;
  return false;
}

static bool read_form(mf_rpc_call *call, mf_str form) {
  mf_error err;
  call->body = json_object();
  const bool ok = mf_query_decode(form, call->operation->input, call->arena, call->body, &err);
  if (mf_json_lost()) mf_refuse_no_memory(call->http);
  else if (!ok) mf_refuse(call->http, 400, "MalformedInput", "%s", err.message);
  else return true;
  return false;
}

static bool check_members(mf_rpc_call *call) {
  mf_violations v = {0};
  mf_validate_body(call->operation->input, call->body, &v);
  const bool ok = v.count == 0 && !v.wrong_type && !v.unsupported && !v.out_of_memory && !v.text.failed;
  if (v.out_of_memory || v.text.failed) mf_refuse_no_memory(call->http);
  else if (v.wrong_type)
    mf_refuse(call->http, 400, is_query(call->service) ? "MalformedInput" : "SerializationException", "%.*s", MF_STR_ARG(mf_buf_view(&v.text)));
  else if (v.unsupported)
    mf_refuse(call->http, 400, call->service->invalid_code, "%s is not supported by this version of Mayfly", v.unsupported);
  else if (v.count > 0)
    mf_refuse(call->http, 400, call->service->invalid_code, "%u validation error%s detected: %.*s", v.count, v.count == 1 ? "" : "s",
              MF_STR_ARG(mf_buf_view(&v.text)));
  mf_buf_deinit(&v.text);
  return ok;
}

static void run(mf_rpc_call *call, bool (*read)(mf_rpc_call *call, mf_str text), mf_str name, mf_str text) {
  if (find_operation(call, name) && read(call, text) && check_members(call)) call->operation->handle(call);
  json_decref(call->body);
}

// Parameters stand in the query of a GET and in the body of a POST.
static void handle_query(mf_rpc_call *call, mf_str body) {
  mf_str query = mf_request_query(call->http), form = body.len ? body : query;
  mf_str version = mf_query_value(form, "Version", call->arena), name = mf_query_value(form, "Action", call->arena);
  if (version.data && !mf_str_is(version, call->service->version))
    mf_refuse(call->http, 400, "InvalidAction", "Could not find operation %.*s for version %.*s", (int)MF_MIN(name.len, (size_t)128),
              name.len ? name.data : "", (int)MF_MIN(version.len, (size_t)32), version.len ? version.data : "");
  else run(call, read_form, name, form);
}

static void handle_json(mf_rpc_call *call, mf_str body) {
  mf_str target = mf_request_header(call->http, "x-amz-target"), prefix = mf_str_from(call->service->version);
  const bool is_ours = mf_str_starts(target, prefix) && target.len > prefix.len && target.data[prefix.len] == '.';
  run(call, read_json, is_ours ? (mf_str){target.data + prefix.len + 1, target.len - prefix.len - 1} : MF_STR(""), body);
}

static void handle(mf_http_request *http, const mf_principal *principal, void *context) {
  const mf_rpc_endpoint *endpoint = context;
  mf_rpc_call call = {.service = endpoint->service, .context = endpoint->context, .http = http, .arena = mf_request_arena(http),
                      .principal = *principal};
  mf_json_begin();
  const mf_str body = whole_body(http);
  if (!body.data) return;
  if (is_query(call.service)) handle_query(&call, body);
  else handle_json(&call, body);
}

void mf_rpc_route(const mf_rpc_endpoint *endpoint, mf_route_result *result) {
  *result = (mf_route_result){.handle = handle, .context = (void *)(uintptr_t)endpoint, .max_body_bytes = BODY_LIMIT,
                              .form = endpoint->service->form, .xmlns = endpoint->service->xmlns};
}
