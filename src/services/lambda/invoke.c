// Invoke. The short way: a bare name, and perhaps a version or an alias: no JSON, no database, no allocation of ours; a call's struct comes
// from a list of used ones. Everything else (ARNs, wrong names) goes the way of all operations and ends here.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "days.h"
#include "asynchronous.h"
#include "deploy.h"
#include "qualifier.h"
#include "report.h"

enum { DRY_RUN = 1, EVENT = 2 };  // places in the list of types
enum { NAME_LENGTH = 64, QUALIFIER_LENGTH = 128, KEY_BYTES = 256, LOG_RESULT_BYTES = 4 * ((MF_REPORT_BYTES + 2) / 3) + 4 };

typedef struct mf_invoking {
  mf_lambda_call call;
  mf_lambda *lambda;
  mf_lambda_entry *function, *version;  // whose counters and log, and what runs; the same without a published version
  mf_http_request *http;   // NULL: the client is gone or has been answered
  mf_event *event;         // NULL: somebody waits for the answer
  bool wants_log, done;
  mf_invoke_reply *reply;  // NULL: as Invoke answers
  void *reply_context;
  int own_fd;              // of the payload; -1: it is the request's own
  struct mf_invoking *next_free;
} mf_invoking;

static mf_invoking *take(mf_lambda *lambda) {
  mf_invoking *i = lambda->free_invocations;
  if (i) lambda->free_invocations = i->next_free;
  else i = malloc(sizeof *i);
  return i;
}

// Both the caller's request and the invocation have ended.
static void give_back(mf_invoking *i) {
  i->next_free = i->lambda->free_invocations;
  i->lambda->free_invocations = i;
}

void mf_invocations_free(mf_lambda *lambda) {
  while (lambda->free_invocations) {
    mf_invoking *i = lambda->free_invocations;
    lambda->free_invocations = i->next_free;
    free(i);
  }
}

// ---- the answer ----
uint32_t mf_trace_id(const char *id, char out[96]) {
  uint32_t seconds = (uint32_t)(mf_wall_ns() / MF_NS_PER_S);
  return (uint32_t)snprintf(out, 96, "Root=1-%08x-%.8s%.4s%.12s;Parent=%.8s%.4s%.4s;Sampled=0", seconds, id, id + 9, id + 24, id, id + 14,
                            id + 19);
}

static mf_header nanoseconds(const char *name, int64_t ns, char text[24]) {
  return (mf_header){name, {text, (size_t)snprintf(text, 24, "%" PRId64, ns)}};
}

static void answer(mf_invoking *i, mf_str log) {
  char encoded[LOG_RESULT_BYTES], trace[96], plan[24], init[24];
  mf_header headers[8];
  uint32_t n = 0;
  headers[n++] = (mf_header){"Content-Type", MF_STR("application/json")};
  headers[n++] = (mf_header){"X-Amz-Executed-Version", mf_lambda_version_of(i->version->spec.key)};
  headers[n++] = (mf_header){"X-Amzn-Trace-Id", {trace, mf_trace_id(i->call.request_id, trace)}};
  headers[n++] = (mf_header){"X-Amzn-Remapped-Content-Length", MF_STR("0")};
  headers[n++] = nanoseconds("x-mayfly-plan-ns", i->call.plan_ns, plan);
  if (i->call.cold) headers[n++] = nanoseconds("x-mayfly-init-ns", i->call.init_ns, init);
  if (i->call.function_error) headers[n++] = (mf_header){"X-Amz-Function-Error", mf_str_from(i->call.function_error)};
  if (i->wants_log && log.len > 0) headers[n++] = (mf_header){"X-Amz-Log-Result", {encoded, mf_base64_encode((mf_slice){log.data, log.len}, encoded)}};
  mf_respond(i->http, 200, headers, n, i->call.response, NULL, NULL);
}

static mf_function_metrics *metrics_of(mf_lambda *lambda, mf_lambda_entry *function) {
  if (!function->metrics) function->metrics = mf_metrics_of(&lambda->metrics, function->spec.key);
  return function->metrics;
}

static void count(mf_invoking *i) {
  mf_counters *counters = &i->function->counters;
  counters->invocations++;
  counters->errors += i->call.function_error != NULL;
  counters->cold_starts += i->call.cold;
  counters->billed_ms += (uint64_t)mf_report_billed_ms(&i->call);
  mf_day_count(&i->lambda->functions, i->function, (uint64_t)mf_report_billed_ms(&i->call), i->version->spec.memory_mb, i->call.provisioned);
  mf_metrics_count(&i->lambda->metrics, metrics_of(i->lambda, i->function), &i->call);
  mf_lambda_entry_touch_counters(&i->lambda->functions, i->function);
}

// The call's lines in `out`; *tail: those that LogType Tail shows.
static mf_str report(const mf_invoking *i, char out[MF_REPORT_BYTES], mf_str *tail) {
  const mf_lambda_function *ran = &i->version->spec;
  const mf_str version = mf_lambda_version_of(ran->key);
  size_t len, skipped = 0;
  if (!i->version->logging.is_json) len = mf_report_format(&i->call, version, ran->memory_mb, out);
  else len = mf_report_json(&i->call, i->version->logging, mf_lambda_name_of(ran->key), version, ran->memory_mb, mf_wall_ns(), out, &skipped);
  *tail = (mf_str){out + skipped, len - skipped};
  return (mf_str){out, len};
}

static void finish(mf_invoking *i) {
  char log[MF_REPORT_BYTES], group[MF_LOG_GROUP_BYTES];
  mf_lambda_entry *function = i->function;
  mf_str tail;
  if (i->call.status && strcmp(i->call.status, "timeout") == 0)
    i->call.duration_ns = (int64_t)i->version->spec.timeout_ms * MF_NS_PER_MS;  // exactly, as Lambda says it
  const mf_str text = report(i, log, &tail);
  if (text.len > 0) i->lambda->env.log(i->lambda->env.context, mf_lambda_region_of(function->spec.key), mf_lambda_log_group(function, group), text);
  count(i);
  if (i->http && !i->reply) answer(i, tail);
  if (function->waiters > 0) mf_log_waits_wake(i->lambda, function->spec.key);
}

// What runs and whose call it is stay in the cache until the answer.
static void pin(mf_invoking *i) {
  i->function->in_flight++;
  if (i->version != i->function) i->version->in_flight++;
}

static void unpin(mf_invoking *i) {
  mf_lambda_cache *functions = &i->lambda->functions;
  if (i->version != i->function) mf_lambda_entry_answered(functions, i->version);
  mf_lambda_entry_answered(functions, i->function);
}

// The dispatcher hears how its event went while the answer is still there.
static void tell_dispatcher(mf_invoking *i) {
  const mf_lambda_call *call = &i->call;
  mf_event *event = i->event;
  event->verdict = call->throttled        ? MF_EVENT_THROTTLED
                   : call->failed         ? MF_EVENT_SYSTEM_ERROR
                   : call->function_error ? MF_EVENT_FUNCTION_ERROR
                                          : MF_EVENT_DONE;
  event->message = call->throttled ? call->throttle_reason : call->failed ? call->message : NULL;
  event->function_error = call->function_error;
  event->response = call->response;
  mf_events_ran(i->lambda->env.events, event);
}

static void done(mf_lambda_call *call) {
  mf_invoking *i = call->data;
  mf_lambda *lambda = i->lambda;
  mf_lambda_entry *function = i->function;
  i->done = true;
  mf_http_request *invoked = i->reply ? NULL : i->http;  // which is answered as Invoke answers
  if (call->throttled) {
    function->counters.throttles++;
    metrics_of(lambda, function)->throttles++;
    mf_lambda_entry_touch_counters(&lambda->functions, function);
    if (invoked) mf_refuse_throttled(invoked, call->throttle_reason);
  } else if (call->failed) {
    if (call->image_lost && !i->version->stale && !i->version->deleted) mf_deploy_rebuild(lambda, i->version);
    if (invoked) mf_refuse(invoked, call->unavailable ? 503 : 500, "ServiceException", "%s", call->message);
  } else {
    finish(i);
  }
  if (i->http && i->reply) i->reply(i->http, call, i->reply_context);
  if (i->event) tell_dispatcher(i);
  else mf_events_foreground(lambda->env.events, false);
  lambda->env.release(lambda->env.context, call);
  unpin(i);
  if (!i->http) give_back(i);  // else when its request ends
}

static void request_ended(mf_http_request *http, void *data, bool answered) {
  (void)http;
  (void)answered;
  mf_invoking *i = data;
  const int own_fd = i->own_fd;
  i->http = NULL;
  if (i->done) give_back(i);
  else i->lambda->env.cancel(i->lambda->env.context, &i->call);
  if (own_fd >= 0) close(own_fd);
}

// ---- the request ----
static bool is_active(mf_http_request *http, const mf_lambda_entry *function) {
  static const char *const names[] = {"Pending", "Active", "Failed"};
  if (function->state != MF_STATE_ACTIVE || !function->has_image) {
    mf_refuse(http, 409, "ResourceConflictException",
              "The operation cannot be performed at this time. The function is currently in the following state: %s", names[function->state]);
    return false;
  }
  return true;
}

static bool is_runnable(mf_lambda *lambda, mf_http_request *http, mf_lambda_entry *function) {
  if (!is_active(http, function)) return false;
  if (!function->stale) return true;
  if (!function->rebuilding) mf_deploy_rebuild(lambda, function);  // before the walk comes to it
  mf_refuse(http, 503, "ServiceException", "The function's model is being compiled for this machine and this version of Mayfly. Try again.");
  return false;
}

static void begin(mf_http_request *http, mf_invoking *i) {
  i->call.done = done;
  i->call.data = i;
  memcpy(i->call.request_id, mf_request_id(http), MF_UUID_TEXT + 1);
  mf_request_set_data(http, i);
  mf_request_on_end(http, request_ended);
  mf_events_foreground(i->lambda->env.events, true);
  pin(i);
  i->lambda->env.invoke(i->lambda->env.context, &i->version->spec, &i->call);
}

static void start(mf_lambda *lambda, mf_http_request *http, const mf_resolved *what, bool wants_log) {
  uint64_t len;
  mf_invoking *i = take(lambda);
  if (!i) {
    mf_refuse_no_memory(http);
    return;
  }
  *i = (mf_invoking){.lambda = lambda, .function = what->function, .version = what->version, .http = http, .wants_log = wants_log, .own_fd = -1};
  i->call.payload = mf_request_body(http, &i->call.payload_fd, &len);
  if (i->call.payload_fd >= 0) i->call.payload.len = (size_t)len;
  begin(http, i);
}

bool mf_invoke_start(mf_lambda *lambda, mf_http_request *http, const mf_resolved *what, mf_slice payload, int own_fd,
                     mf_invoke_reply *reply, void *context) {
  mf_invoking *i = take(lambda);
  if (!i) return false;
  *i = (mf_invoking){.lambda = lambda, .function = what->function, .version = what->version, .http = http,
                     .reply = reply, .reply_context = context, .own_fd = own_fd};
  i->call.payload = payload;
  i->call.payload_fd = own_fd;
  begin(http, i);
  return true;
}

static void refuse_event(mf_event *event, mf_lambda *lambda, mf_event_verdict verdict, const char *message) {
  event->verdict = verdict;
  event->message = message;
  mf_events_ran(lambda->env.events, event);
}

static bool can_run(const mf_lambda_entry *version) { return version->state == MF_STATE_ACTIVE && version->has_image && !version->stale; }

void mf_lambda_expected(mf_lambda *lambda, mf_str key) {
  const char *colon = memchr(key.data, ':', key.len);
  const mf_str function = {key.data, colon ? (size_t)(colon - key.data) : key.len};
  mf_error err;
  mf_resolved what;
  bool ok = mf_resolve(lambda, function, mf_lambda_version_of(key), &what, &err);
  if (ok && what.version && can_run(what.version)) ok = lambda->env.pre_warm(lambda->env.context, &what.version->spec, &err);
  if (!ok) mf_log(MF_LOG_WARN, "%.*s is not pre-warmed: %s", MF_STR_ARG(key), err.message);
}

void mf_invoke_event(mf_lambda *lambda, mf_event *event) {
  mf_error err;
  mf_resolved what;
  mf_invoking *i;
  if (!mf_resolve(lambda, event->function, event->qualifier, &what, &err)) {
    refuse_event(event, lambda, MF_EVENT_SYSTEM_ERROR, err.message);
  } else if (!what.function) {
    refuse_event(event, lambda, MF_EVENT_GONE, NULL);
  } else if (!what.version) {
    refuse_event(event, lambda, MF_EVENT_SYSTEM_ERROR, "there is no such alias or version");  // the dispatcher sees it with its next look
  } else if (!can_run(what.version)) {
    if (what.version->stale && !what.version->rebuilding) mf_deploy_rebuild(lambda, what.version);
    refuse_event(event, lambda, MF_EVENT_SYSTEM_ERROR, "the function cannot run now");
  } else if (!(i = take(lambda))) {
    refuse_event(event, lambda, MF_EVENT_SYSTEM_ERROR, "out of memory");
  } else {
    *i = (mf_invoking){.lambda = lambda, .function = what.function, .version = what.version, .event = event, .own_fd = -1};
    i->call.payload = event->payload;
    i->call.background = true;
    i->call.payload_fd = -1;
    i->call.done = done;
    i->call.data = i;
    memcpy(i->call.request_id, event->request_id, MF_UUID_TEXT + 1);
    const mf_str version = mf_lambda_version_of(what.version->spec.key);
    snprintf(event->executed_version, sizeof event->executed_version, "%.*s", MF_STR_ARG(version));
    pin(i);
    lambda->env.invoke(lambda->env.context, &what.version->spec, &i->call);
  }
}

// One of the values of an enumeration in a header; 0: absent, -1: none of them (an answer was sent).
static int choice(mf_http_request *http, const char *header, const char *member, const char *const *values, int n_values, const char *listed) {
  mf_str given = mf_request_header(http, header);
  if (given.len == 0) return 0;
  for (int i = 0; i < n_values; i++)
    if (mf_str_is(given, values[i])) return i;
  mf_refuse(http, 400, "ValidationException",
            "1 validation error detected: Value '%.*s' at '%s' failed to satisfy constraint: Member must satisfy enum value set: [%s]",
            (int)MF_MIN(given.len, (size_t)256), given.data, member, listed);
  return -1;
}

enum { CLIENT_CONTEXT_BYTES = 3583 };

// Base64 of a JSON object. A model has nothing to do with it; a client that sends something else learns it as from AWS.
static bool check_client_context(mf_http_request *http) {
  uint8_t decoded[CLIENT_CONTEXT_BYTES];
  size_t len = 0;
  const mf_str given = mf_request_header(http, "x-amz-client-context");
  if (given.len == 0) return true;
  if (given.len > CLIENT_CONTEXT_BYTES) {
    mf_refuse(http, 400, "ValidationException", "1 validation error detected: Value '%.*s' at 'clientContext' failed to satisfy constraint: Member must have "
              "length less than or equal to %d", MF_STR_ARG(given), CLIENT_CONTEXT_BYTES);
    return false;
  }
  mf_json_begin();
  json_t *context = mf_base64_decode(given, decoded, &len) ? json_loadb((const char *)decoded, len, 0, NULL) : NULL;
  const bool good = json_is_object(context);
  json_decref(context);
  if (mf_json_lost()) mf_refuse_no_memory(http);
  else if (!good) mf_refuse(http, 400, "InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object.");
  return good && !mf_json_lost();
}

static void invoke(mf_lambda *lambda, mf_http_request *http, mf_str key, mf_str qualifier) {
  static const char *const types[] = {"RequestResponse", "DryRun", "Event"}, *const log_types[] = {"None", "Tail"};
  mf_error err;
  mf_resolved what;
  int type = choice(http, "x-amz-invocation-type", "invocationType", types, 3, "Event, RequestResponse, DryRun");
  int log_type = type < 0 ? -1 : choice(http, "x-amz-log-type", "logType", log_types, 2, "None, Tail");
  if (type < 0 || log_type < 0 || !check_client_context(http)) return;
  if (!mf_resolve(lambda, key, qualifier, &what, &err))
    mf_refuse_error(http, &err);
  else if (!what.version)
    mf_refuse(http, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s:%.*s",
              MF_STR_ARG(mf_lambda_region_of(key)), MF_STR_ARG(mf_lambda_name_of(key)), MF_STR_ARG(qualifier.len > 0 ? qualifier : MF_STR("$LATEST")));
  else if (type == EVENT) {
    if (is_active(http, what.version)) mf_accept_event(lambda, http, what.function, qualifier, false);
  } else if (is_runnable(lambda, http, what.version)) {
    if (type == DRY_RUN) mf_respond(http, 204, NULL, 0, (mf_slice){0}, NULL, NULL);
    else start(lambda, http, &what, log_type == 1);
  }
}

void mf_handle_Invoke(mf_operation_call *call) {
  invoke(call->lambda, call->http, call->key, call->qualifier);
}

// ---- the short way in ----
static bool is_plain(mf_str text, const char *more) {
  for (size_t i = 0; i < text.len; i++) {
    const char c = text.data[i];
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_letter && (c == 0 || !strchr(more, c))) return false;
  }
  return text.len > 0;
}

// What stands in "/2015-03-31/functions/NAME/invocations".
static bool path_name(mf_str target, mf_str *name) {
  const mf_str before = MF_STR("/2015-03-31/functions/"), after = MF_STR("/invocations");
  if (!mf_str_starts(target, before) || !mf_str_ends(target, after) || target.len <= before.len + after.len) return false;
  *name = (mf_str){target.data + before.len, target.len - before.len - after.len};
  return true;
}

static bool is_account(mf_str text) {
  size_t digits = 0;
  while (digits < text.len && text.data[digits] >= '0' && text.data[digits] <= '9') digits++;
  return digits == text.len && digits == strlen(MF_ACCOUNT);
}

// "NAME%3Aqualifier", as SDKs send NAME:qualifier, in two. "function:NAME" and "ACCOUNT:NAME" have none: they are left whole, for the long way.
static bool split_name(mf_str *name, mf_str *qualifier) {
  const char *colon = memmem(name->data, name->len, "%3A", 3);
  const size_t len = colon ? (size_t)(colon - name->data) : 0;
  if (!colon || mf_str_starts(*name, MF_STR("function%3A")) || is_account((mf_str){name->data, len})) return false;
  *qualifier = (mf_str){colon + 3, name->len - len - 3};
  name->len = len;
  return true;
}

// Name and qualifier ("" if none) when nothing about them needs looking into; everything else is the long way's.
static bool plain_name(mf_http_request *http, mf_str *name, mf_str *qualifier) {
  const mf_str query = mf_request_query(http), parameter = MF_STR("Qualifier=");
  bool has_qualifier = query.len > 0;
  *qualifier = MF_STR("");
  if (!path_name(mf_request_target(http), name)) return false;
  if (query.len == 0) has_qualifier = split_name(name, qualifier);
  else if (mf_str_starts(query, parameter)) *qualifier = (mf_str){query.data + parameter.len, query.len - parameter.len};
  else return false;
  return name->len <= NAME_LENGTH && is_plain(*name, "-_") && qualifier->len <= QUALIFIER_LENGTH && (!has_qualifier || is_plain(*qualifier, "-_"));
}

void mf_invoke_handle(mf_http_request *http, const mf_principal *principal, void *data) {
  const mf_operation_context *context = data;
  char key[KEY_BYTES];
  mf_str name, qualifier;
  if (!plain_name(http, &name, &qualifier) || name.len + principal->region.len + 1 >= sizeof key) {
    mf_operation_handle(http, principal, data);
    return;
  }
  size_t len = principal->region.len;
  memcpy(key, principal->region.data, len);
  key[len++] = '/';
  memcpy(key + len, name.data, name.len);
  invoke(context->lambda, http, (mf_str){key, len + name.len}, qualifier);
}

void mf_invoke_too_large(mf_http_request *http, void *data) {
  (void)data;
  char length[24] = "";
  const mf_str given = mf_request_header(http, "content-length");
  if (given.len < sizeof length) memcpy(length, given.data, given.len);
  if (mf_str_is(mf_request_header(http, "x-amz-invocation-type"), "Event") && length[0]) mf_refuse_large_event(http, strtoull(length, NULL, 10));
  else mf_refuse(http, 413, "RequestEntityTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation",
            MF_INVOKE_LIMIT);
}
