// The way in of asynchronous invocations, and what the dispatcher of events asks of the service: whether a function is there, how its
// events are handled, and to run one.
#include "asynchronous.h"

#include <stdio.h>
#include <stdlib.h>

#include "qualifier.h"

enum { DEFAULT_CONCURRENCY = INT32_MAX };

// ---- the way in ----
void mf_refuse_large_event(mf_http_request *http, uint64_t bytes) {
  mf_refuse(http, 413, "RequestEntityTooLargeException", "%llu byte payload is too large for the Event invocation type (limit %d bytes)",
            (unsigned long long)bytes, MF_EVENT_LARGEST);
}

static void accepted(void *context, const mf_error *err) {
  mf_reply *reply = context;
  mf_json_begin();
  if (err) mf_reply_error(reply, err);
  else mf_reply_json(reply, 202, NULL);
}

static void accepted_legacy(void *context, const mf_error *err) {
  mf_reply *reply = context;
  mf_json_begin();
  if (err) mf_reply_error(reply, err);
  else mf_reply_json(reply, 202, json_pack("{s:i}", "Status", 202));
}

void mf_accept_event(mf_lambda *lambda, mf_http_request *http, const mf_lambda_entry *function, mf_str qualifier, bool legacy) {
  mf_error err;
  uint64_t len;
  mf_event_offer offer = {.function = function->spec.key, .uid = function->uid, .qualifier = qualifier,
                           .request_id = mf_str_from(mf_request_id(http))};
  offer.payload = mf_request_body(http, &offer.payload_fd, &len);
  if (len > MF_EVENT_LARGEST) {
    mf_refuse_large_event(http, len);
    return;
  }
  offer.payload.len = (size_t)len;
  mf_reply *reply = mf_reply_defer(http);
  if (reply && !mf_events_accept(lambda->env.events, &offer, legacy ? accepted_legacy : accepted, reply, &err)) mf_reply_error(reply, &err);
}

void mf_handle_InvokeAsync(mf_operation_call *call) {
  mf_resolved what;
  mf_error err;
  if (!mf_resolve(call->lambda, call->key, call->qualifier, &what, &err)) mf_refuse_error(call->http, &err);
  else if (!what.version) mf_not_found(call, call->qualifier.len > 0 ? call->qualifier : MF_STR("$LATEST"));
  else if (what.version->state != MF_STATE_ACTIVE || !what.version->has_image)
    mf_refuse(call->http, 409, "ResourceConflictException",
              "The operation cannot be performed at this time. The function is currently in the following state: %s",
              what.version->state == MF_STATE_FAILED ? "Failed" : "Pending");
  else mf_accept_event(call->lambda, call->http, what.function, call->qualifier, true);
}

// ---- what the dispatcher asks ----
static mf_str text_of(const char *text) { return text ? mf_str_from(text) : MF_STR(""); }

// What cannot be read now is there: whoever runs it finds out. Events of an alias or a version that is gone end as what is still
// configured says: their own qualifier's destinations, if these are there, and the dead-letter target of the function itself.
static void policy(void *context, mf_str function, mf_str qualifier, mf_event_policy *policy) {
  mf_lambda *lambda = context;
  mf_resolved what;
  const mf_event_config *config = NULL;
  mf_error err;
  *policy = (mf_event_policy){.known = true, .max_retries = 2, .max_age_ns = 21600 * MF_NS_PER_S, .concurrency = DEFAULT_CONCURRENCY};
  if (!mf_resolve(lambda, function, qualifier, &what, &err) ||
      (what.function && !mf_event_config_get(lambda, function, qualifier, &config, &err))) {
    mf_log(MF_LOG_ERROR, "%.*s: %s", MF_STR_ARG(function), err.message);
    return;
  }
  policy->known = what.function != NULL;
  policy->qualifier_gone = !what.version;
  if (!what.function) return;
  policy->uid = what.function->uid;
  const int32_t reserved = what.function->spec.reserved_concurrency;
  if (reserved >= 0) policy->concurrency = (uint32_t)reserved;
  policy->max_retries = config->max_retries;
  policy->max_age_ns = config->max_age_s * MF_NS_PER_S;
  policy->on_success = text_of(config->on_success);
  policy->on_failure = text_of(config->on_failure);
  policy->dead_letter = text_of((what.version ? what.version : what.function)->dead_letter);
}

static void run(void *context, mf_event *event) { mf_invoke_event(context, event); }

static void arn(void *context, mf_str function, mf_str qualifier, mf_buf *out) {
  (void)context;
  const mf_str name = mf_lambda_name_of(function), region = mf_lambda_region_of(function);
  mf_buf_format(out, "arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s:%.*s", MF_STR_ARG(region), MF_STR_ARG(name),
                qualifier.len > 0 ? (int)qualifier.len : 7, qualifier.len > 0 ? qualifier.data : "$LATEST");
}

mf_event_runner mf_event_runner_of(mf_lambda *lambda) { return (mf_event_runner){.policy = policy, .run = run, .arn = arn, .context = lambda}; }
