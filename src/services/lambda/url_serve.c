// Requests to function URLs: whose URL it is, whether it may be called (CORS, signature, resource policy), the event, and the answer.
//
//   https://ID.lambda-url.REGION.on.aws/PATH   by the Host header, whatever stands behind the region
//   http://127.0.0.1:4566/_url/ID/PATH         the same without a name that has to be resolved
//
// They are looked for before anything else: those with AuthType AWS_IAM are signed for the service `lambda` too.
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "deploy.h"
#include "qualifier.h"
#include "url_event.h"
#include "url_response.h"
#include "urls.h"

#define TROUBLE "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
// Twice what an event can hold is taken and refused, so that clients get to see why.
enum { CORS_HEADERS = 6, BODY_LIMIT = 2 * MF_INVOKE_LIMIT };

// One request; in its arena.
typedef struct url_call {
  mf_lambda *lambda;
  mf_url_event event;
  mf_str key;          // "region/name:alias"
  mf_str function;     // "region/name"
  mf_str alias;
  mf_header cors[CORS_HEADERS];  // of every answer
  uint32_t n_cors;
} url_call;

// ---- answers ----
static void release_nothing(void *context) { (void)context; }

// The body lives as long as the request, or is copied.
static void respond(mf_http_request *http, const url_call *call, int status, const mf_header *headers, uint32_t n, mf_slice body, bool copy) {
  mf_header all[MF_URL_HEADERS + CORS_HEADERS + 2];
  uint32_t total = 0;
  for (uint32_t i = 0; i < n; i++) all[total++] = headers[i];
  for (uint32_t i = 0; i < call->n_cors; i++) all[total++] = call->cors[i];
  mf_respond(http, status, all, total, body, copy ? NULL : release_nothing, NULL);
}

static void say(mf_http_request *http, const url_call *call, int status, const char *error, const char *type, const char *text) {
  const mf_header headers[] = {{"Content-Type", mf_str_from(type)}, {"x-amzn-ErrorType", mf_str_from(error)}};
  respond(http, call, status, headers, error ? 2 : 1, (mf_slice){text, strlen(text)}, false);
}

static void unknown(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  say(http, context, 403, "AccessDeniedException", "application/json", "{\"Message\":null}");
}

static void forbidden(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  say(http, context, 403, "AccessDeniedException", "application/json",
      "{\"Message\":\"Forbidden. For troubleshooting Function URL authorization issues, see: " TROUBLE "\"}");
}

static void too_large(mf_http_request *http, void *context) {
  say(http, context, 413, "RequestEntityTooLargeException", "application/json",
      "{\"Message\":\"Request must be smaller than 6291456 bytes for the InvokeFunction operation\"}");
}

static void bad_gateway(mf_http_request *http, const url_call *call) { say(http, call, 502, NULL, "text/plain", "Internal Server Error"); }

static void unavailable(mf_http_request *http, const url_call *call) {
  say(http, call, 503, "ServiceException", "application/json", "{\"Message\":\"Service Unavailable\"}");
}

static void broken(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  say(http, context, 500, "ServiceException", "application/json", "{\"Message\":\"Internal Server Error\"}");
}

static void no_memory(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  (void)context;
  mf_refuse_no_memory(http);
}

static void no_memory_early(mf_http_request *http, void *context) { no_memory(http, NULL, context); }

static void fail(mf_http_request *http, url_call *call, const mf_error *err) {
  mf_log(MF_LOG_ERROR, "a request to a function URL: %s", err->message);
  if (err->code == MF_OutOfMemory) no_memory(http, NULL, call);
  else broken(http, NULL, call);
}

static void refused_early(mf_http_request *http, void *context) { forbidden(http, NULL, context); }

static void throttled(mf_http_request *http, const url_call *call, const char *reason) {
  const char *text = mf_str_format(mf_request_arena(http), "{\"Reason\":\"%s\",\"Type\":\"User\",\"message\":\"Rate Exceeded.\"}", reason);
  say(http, call, 429, "TooManyRequestsException", "application/json", text ? text : "{}");
}

// ---- invoking ----
static void answered(mf_http_request *http, const mf_lambda_call *result, void *context) {
  const url_call *call = context;
  mf_url_response response;
  if (result->throttled) throttled(http, call, result->throttle_reason);
  else if (result->failed && result->unavailable) unavailable(http, call);
  else if (result->failed || result->function_error) bad_gateway(http, call);
  else if (!mf_url_response_read(result->response, mf_request_arena(http), &response)) {
    if (response.headers) bad_gateway(http, call);
    else no_memory(http, NULL, NULL);
  } else {
    char trace[96];
    response.headers[response.n_headers] = (mf_header){"X-Amzn-Trace-Id", {trace, mf_trace_id(result->request_id, trace)}};
    respond(http, call, response.status, response.headers, response.n_headers + 1, response.body, true);
  }
}

// The event is ready. own_fd as in mf_invoke_start.
static void invoke(url_call *call, mf_slice event, int own_fd) {
  mf_error err;
  mf_resolved what = {0};
  mf_http_request *http = call->event.http;
  const bool ok = mf_resolve(call->lambda, call->function, call->alias, &what, &err);
  const bool runs = what.version && what.version->state == MF_STATE_ACTIVE && what.version->has_image && !what.version->stale;
  if (runs && mf_invoke_start(call->lambda, http, &what, event, own_fd, answered, call)) return;
  if (own_fd >= 0) close(own_fd);
  if (what.version && what.version->stale && !what.version->rebuilding) mf_deploy_rebuild(call->lambda, what.version);
  if (!ok) fail(http, call, &err);
  else if (!what.version) forbidden(http, NULL, call);
  else if (runs) no_memory(http, NULL, call);
  else if (what.version->state == MF_STATE_FAILED) bad_gateway(http, call);
  else unavailable(http, call);
}

// ---- large bodies: they are in a file, and what is made of them goes into another, off the loop's thread ----
typedef struct spool {
  url_call *call;        // NULL: the client is gone, and its request with it
  mf_buf head;           // owned
  int in, out;
  size_t body_len, len;  // len: of the event
  bool is_text_type, too_large;
} spool;

static void spool_free(spool *s) {
  mf_buf_deinit(&s->head);
  if (s->in >= 0) close(s->in);
  if (s->out >= 0) close(s->out);
  free(s);
}

static bool write_event(spool *s, mf_slice body, mf_error *err) {
  const bool as_text = s->is_text_type && mf_str_is_utf8((mf_str){body.data, body.len});
  const size_t tail = mf_url_event_tail_bytes(body, as_text);
  mf_buf whole = s->head;
  s->head = (mf_buf){0};
  s->len = whole.len + tail;
  s->too_large = s->len > MF_INVOKE_LIMIT;
  if (!s->too_large && mf_buf_reserve(&whole, tail + 1)) mf_url_event_tail(&whole, body, as_text);
  bool ok = s->too_large || (!whole.failed && mf_write_all(s->out, whole.data, whole.len, "event", err));
  if (whole.failed) ok = mf_fail(err, MF_OutOfMemory, "no memory for an event of %zu bytes", s->len);
  s->len = whole.len;
  mf_buf_deinit(&whole);
  return ok;
}

static bool spool_work(void *context, mf_error *err) {
  spool *s = context;
  void *body = mmap(NULL, s->body_len, PROT_READ, MAP_PRIVATE, s->in, 0);
  if (body == MAP_FAILED) return mf_fail_errno(err, "cannot map a request's body");
  const bool ok = write_event(s, (mf_slice){body, s->body_len}, err);
  munmap(body, s->body_len);
  return ok;
}

static void spool_done(void *context, const mf_error *err) {
  spool *s = context;
  url_call *call = s->call;
  mf_json_begin();
  if (call) {
    const int event = s->out;
    s->out = -1;
    mf_request_on_end(call->event.http, NULL);
    if (!err && !s->too_large) invoke(call, (mf_slice){NULL, s->len}, event);
    else close(event);
    if (err) fail(call->event.http, call, err);
    else if (s->too_large) too_large(call->event.http, call);
  }
  spool_free(s);
}

static void spool_abandoned(mf_http_request *http, void *data, bool is_answered) {
  (void)http;
  (void)is_answered;
  ((spool *)data)->call = NULL;
}

static void invoke_large(url_call *call, int fd, size_t len, bool is_text_type) {
  mf_error err;
  spool *s = calloc(1, sizeof *s);
  if (!s) {
    no_memory(call->event.http, NULL, call);
    return;
  }
  *s = (spool){.call = call, .in = dup(fd), .out = -1, .body_len = len, .is_text_type = is_text_type};
  mf_url_event_head(&s->head, &call->event);
  mf_request_set_data(call->event.http, s);
  mf_request_on_end(call->event.http, spool_abandoned);
  bool ok = s->in >= 0 || mf_fail_errno(&err, "cannot keep the body");
  if (s->head.failed) ok = mf_fail(&err, MF_OutOfMemory, "no memory for an event");
  if (ok && mf_store_temporary(call->lambda->env.store, &s->out, &err) &&
      mf_store_run(call->lambda->env.store, spool_work, spool_done, s, &err))
    return;
  mf_request_on_end(call->event.http, NULL);
  spool_free(s);
  fail(call->event.http, call, &err);
}

static void serve(mf_http_request *http, const mf_principal *principal, void *context) {
  int fd;
  uint64_t len;
  url_call *call = context;
  if (principal) call->event.access_key = mf_str_copy(mf_request_arena(http), principal->access_key);
  if (principal && (!mf_str_is(principal->service, "lambda") || !mf_str_equal(principal->region, call->event.region))) {
    forbidden(http, NULL, call);
    return;
  }
  const mf_slice body = mf_request_body(http, &fd, &len);
  const bool is_text_type = mf_url_event_is_text(mf_request_header(http, "content-type"));
  if (fd >= 0) {
    invoke_large(call, fd, (size_t)len, is_text_type);
    return;
  }
  mf_buf event = {.arena = mf_request_arena(http)};
  mf_url_event_head(&event, &call->event);
  mf_url_event_tail(&event, body, is_text_type && mf_str_is_utf8((mf_str){body.data, body.len}));
  if (event.failed || !call->event.access_key.data) no_memory(http, NULL, call);
  else invoke(call, (mf_slice){event.data, event.len}, -1);
}

// ---- CORS ----
static bool lists(const json_t *list, mf_str text) {
  size_t i;
  json_t *each;
  json_array_foreach(list, i, each) {
    const mf_str one = {json_string_value(each), json_string_length(each)};
    if (mf_str_is(one, "*") || mf_str_equal(one, text)) return true;
  }
  return false;
}

static mf_str joined(mf_arena *arena, const json_t *list) {
  mf_buf out = {.arena = arena};
  size_t i;
  json_t *each;
  json_array_foreach(list, i, each) mf_buf_format(&out, "%s%s", i > 0 ? "," : "", json_string_value(each));
  return out.failed ? MF_STR("") : mf_buf_view(&out);
}

static void add_cors(url_call *call, const char *name, mf_str value) {
  if (value.len > 0) call->cors[call->n_cors++] = (mf_header){name, value};
}

static bool is_preflight(mf_http_request *http) {
  return mf_str_is(mf_request_method(http), "OPTIONS") && mf_request_header(http, "origin").len > 0 &&
         mf_request_header(http, "access-control-request-method").len > 0;
}

// What every answer to this Origin carries; a preflight's says more.
static void set_cors(url_call *call, const json_t *cors, bool preflight) {
  mf_http_request *http = call->event.http;
  mf_arena *arena = mf_request_arena(http);
  const mf_str origin = mf_request_header(http, "origin");
  if (origin.len == 0 || !lists(json_object_get(cors, "AllowOrigins"), origin)) return;
  add_cors(call, "Access-Control-Allow-Origin", origin);
  add_cors(call, "Vary", MF_STR("Origin"));  // a cache must not hand one origin's answer to another
  if (json_is_true(json_object_get(cors, "AllowCredentials"))) add_cors(call, "Access-Control-Allow-Credentials", MF_STR("true"));
  if (!preflight) {
    add_cors(call, "Access-Control-Expose-Headers", joined(arena, json_object_get(cors, "ExposeHeaders")));
    return;
  }
  add_cors(call, "Access-Control-Allow-Methods", joined(arena, json_object_get(cors, "AllowMethods")));
  add_cors(call, "Access-Control-Allow-Headers", joined(arena, json_object_get(cors, "AllowHeaders")));
  const json_t *age = json_object_get(cors, "MaxAge");
  if (age) add_cors(call, "Access-Control-Max-Age", mf_str_from(mf_str_format(arena, "%lld", (long long)json_integer_value(age))));
}

static void answer_preflight(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  respond(http, context, 200, NULL, 0, (mf_slice){0}, false);
}

// ---- who may ----
static bool is_allowed(const json_t *policy, const char *arn, const char *action, const char *auth_type) {
  const mf_policy_value known[] = {{"lambda:FunctionUrlAuthType", mf_str_from(auth_type)}, {"lambda:InvokedViaFunctionUrl", MF_STR("true")}};
  const mf_policy_request request = {.action = mf_str_from(action), .resource = mf_str_from(arn), .context = known, .n_context = MF_COUNT(known)};
  return mf_policy_evaluate(json_object_get(policy, "statements"), &request) == MF_POLICY_ALLOWED;
}

// May anybody call it?
static bool is_public(url_call *call, bool *allowed, mf_error *err) {
  json_t *policy;
  mf_arena *arena = mf_request_arena(call->event.http);
  const char *suffix = call->alias.len > 0 ? mf_str_format(arena, ":%.*s", MF_STR_ARG(call->alias)) : "";
  const char *arn = suffix ? mf_function_arn(arena, call->event.region, mf_lambda_name_of(call->function), suffix) : NULL;
  if (!mf_setting_load(call->lambda->env.store, MF_TABLE_policies, call->key, &policy, err)) return false;
  *allowed = arn && is_allowed(policy, arn, "lambda:InvokeFunctionUrl", "NONE");
  json_decref(policy);
  return arn || mf_fail(err, MF_OutOfMemory, "no memory for an ARN");
}

// ---- whose URL ----
static mf_str lower_copy(mf_arena *arena, mf_str text) {
  mf_str copy = mf_str_copy(arena, text);
  for (size_t i = 0; copy.data && i < copy.len; i++)
    if (copy.data[i] >= 'A' && copy.data[i] <= 'Z') ((char *)(uintptr_t)copy.data)[i] = (char)(copy.data[i] | 0x20);
  return copy;
}

// "ID.lambda-url.REGION.": true, whether there is such an id or not.
static bool find_in_host(mf_http_request *http, mf_url_event *event) {
  static const char middle[] = ".lambda-url.";
  const mf_str host = mf_request_header(http, "host");
  const char *first_dot = host.len > 0 ? memchr(host.data, '.', host.len) : NULL;
  const size_t before = first_dot ? (size_t)(first_dot - host.data) : 0;
  if (!first_dot || host.len - before < sizeof middle || strncasecmp(first_dot, middle, sizeof middle - 1) != 0) return false;
  const mf_str rest = {first_dot + sizeof middle - 1, host.len - before - (sizeof middle - 1)};
  const char *dot = memchr(rest.data, '.', rest.len);
  if (!dot) return false;
  event->id = lower_copy(mf_request_arena(http), (mf_str){host.data, before});
  event->region = lower_copy(mf_request_arena(http), (mf_str){rest.data, (size_t)(dot - rest.data)});
  event->path = mf_request_target(http);
  return true;
}

static bool find_in_path(mf_http_request *http, mf_url_event *event) {
  const mf_str target = mf_request_target(http);
  if (!mf_str_starts(target, MF_STR(MF_URL_PATH))) return false;
  const mf_str rest = {target.data + strlen(MF_URL_PATH), target.len - strlen(MF_URL_PATH)};
  const char *slash = rest.len > 0 ? memchr(rest.data, '/', rest.len) : NULL;
  const size_t len = slash ? (size_t)(slash - rest.data) : rest.len;
  event->id = lower_copy(mf_request_arena(http), (mf_str){rest.data, len});
  event->region = MF_STR("");  // of the configuration
  event->path = slash ? (mf_str){slash, rest.len - len} : MF_STR("/");
  return true;
}

// Key and region out of the configuration's key; false: the name that was called is of another region.
static bool take_key(url_call *call, mf_str key) {
  const char *slash = memchr(key.data, '/', key.len), *colon = memrchr(key.data, ':', key.len);
  if (!slash || !colon || colon < slash) return false;
  const mf_str region = {key.data, (size_t)(slash - key.data)};
  const bool fits = call->event.region.len == 0 || mf_str_equal(region, call->event.region);
  call->event.region = region;
  call->key = key;
  call->function = (mf_str){key.data, (size_t)(colon - key.data)};
  call->alias = (mf_str){colon + 1, key.len - (size_t)(colon + 1 - key.data)};
  return fits;
}

// ---- the route ----
static void route_to(mf_route_result *result, url_call *call, void (*handle)(mf_http_request *, const mf_principal *, void *)) {
  const bool serves = handle == serve;
  *result = (mf_route_result){.handle = handle, .context = call, .max_body_bytes = serves ? BODY_LIMIT : MF_JSON_LIMIT,
                              .too_large = serves ? too_large : handle == no_memory ? no_memory_early : refused_early, .anonymous = true};
}

static void route_known(url_call *call, const json_t *url, mf_str service, mf_route_result *result) {
  mf_error err;
  bool allowed = false;
  const json_t *cors = json_object_get(url, "Cors");
  const char *auth_type = json_string_value(json_object_get(url, "AuthType"));
  const bool is_iam = !auth_type || strcmp(auth_type, "NONE") != 0, preflight = cors && is_preflight(call->event.http);
  if (cors) set_cors(call, cors, preflight);
  if (preflight) {
    route_to(result, call, answer_preflight);
  } else if (is_iam) {
    route_to(result, call, service.len > 0 ? serve : forbidden);
    result->anonymous = service.len == 0;
  } else if (!is_public(call, &allowed, &err)) {
    mf_log(MF_LOG_ERROR, "%s", err.message);
    route_to(result, call, err.code == MF_OutOfMemory ? no_memory : broken);
  } else {
    route_to(result, call, allowed ? serve : forbidden);
  }
}

bool mf_lambda_url_route(mf_lambda *lambda, mf_http_request *http, mf_str service, mf_route_result *result) {
  mf_url_event event = {.http = http, .access_key = MF_STR(""), .scheme = lambda->env.scheme};
  mf_error err;
  mf_str key = MF_STR("");
  json_t *url = NULL;
  if (!find_in_host(http, &event) && !find_in_path(http, &event)) return false;
  mf_json_begin();
  url_call *call = MF_NEW(mf_request_arena(http), url_call);
  if (call) *call = (url_call){.lambda = lambda, .event = event};
  if (!call || !event.id.data || !event.region.data) {
    route_to(result, call, no_memory);
  } else if (!mf_url_find(lambda->env.store, event.id, mf_request_arena(http), &url, &key, &err)) {
    mf_log(MF_LOG_ERROR, "%s", err.message);
    route_to(result, call, err.code == MF_OutOfMemory ? no_memory : broken);
  } else if (!url || !take_key(call, key)) {
    route_to(result, call, unknown);
  } else {
    route_known(call, url, service, result);
  }
  json_decref(url);
  return true;
}
