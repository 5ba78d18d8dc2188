// EventInvokeConfig: how a function's asynchronous events are handled, a row for each qualifier. The dispatcher asks for it with each
// event, so what was used lately is kept parsed.
#include <stdio.h>
#include <stdlib.h>

#include "asynchronous.h"
#include "qualifier.h"
#include "settings.h"

enum { DEFAULT_RETRIES = 2, DEFAULT_AGE_S = 21600 };

// ---- kept parsed ----
static void clear(mf_event_config *config) {
  free(config->key);
  free(config->on_success);
  free(config->on_failure);
  *config = (mf_event_config){0};
}

static mf_event_config *place_of(mf_lambda *lambda, mf_str key) {
  return &lambda->event_configs[mf_hash64(key.data, key.len, 0) % MF_EVENT_CONFIGS];
}

// "region/name:qualifier" of the destination's ARN, to be freed; NULL with *ok: there is none.
static char *target_of(mf_lambda *lambda, const json_t *value, const char *side, mf_str region, bool *ok) {
  const json_t *destination = json_object_get(json_object_get(json_object_get(value, "DestinationConfig"), side), "Destination");
  const char *text = json_string_value(destination);
  return text && *text ? mf_event_target(lambda, mf_str_from(text), region, ok) : NULL;
}

char *mf_event_target(mf_lambda *lambda, mf_str arn, mf_str region, bool *ok) {
  mf_lambda_name name;
  char *target = NULL;
  if (!mf_lambda_name_parse(&lambda->patterns, false, arn, &name)) return NULL;
  const mf_str where = name.region.len > 0 ? name.region : region;
  if (asprintf(&target, "%.*s/%.*s%s%.*s", MF_STR_ARG(where), MF_STR_ARG(name.name), name.qualifier.len ? ":" : "", MF_STR_ARG(name.qualifier)) < 0) {
    *ok = false;
    return NULL;
  }
  return target;
}

static bool fill(mf_lambda *lambda, mf_event_config *config, mf_str key, const json_t *value, mf_error *err) {
  const json_t *retries = json_object_get(value, "MaximumRetryAttempts"), *age = json_object_get(value, "MaximumEventAgeInSeconds");
  const mf_str region = {key.data, (size_t)((const char *)memchr(key.data, '/', key.len) - key.data)};
  bool ok = true;
  clear(config);
  config->max_retries = retries ? (uint32_t)json_integer_value(retries) : DEFAULT_RETRIES;
  config->max_age_s = age ? json_integer_value(age) : DEFAULT_AGE_S;
  config->on_success = target_of(lambda, value, "OnSuccess", region, &ok);
  config->on_failure = target_of(lambda, value, "OnFailure", region, &ok);
  config->key = strndup(key.data, key.len);
  if (ok && config->key) return true;
  clear(config);
  return mf_fail(err, MF_OutOfMemory, "no memory for how events are handled");
}

bool mf_event_config_get(mf_lambda *lambda, mf_str function, mf_str qualifier, const mf_event_config **config, mf_error *err) {
  char key[512];
  if (qualifier.len == 0) qualifier = MF_STR("$LATEST");
  const int len = snprintf(key, sizeof key, "%.*s:%.*s", MF_STR_ARG(function), MF_STR_ARG(qualifier));
  if (len < 0 || (size_t)len >= sizeof key) return mf_fail(err, MF_Internal, "a function's key is too long");
  const mf_str name = {key, (size_t)len};
  mf_event_config *place = place_of(lambda, name);
  *config = place;
  if (place->key && mf_str_is(name, place->key)) return true;
  json_t *value;
  if (!mf_setting_load(lambda->env.store, MF_TABLE_event_invoke_configs, name, &value, err)) return false;
  const bool ok = fill(lambda, place, name, value, err);
  json_decref(value);
  return ok;
}

void mf_event_configs_forget(mf_lambda *lambda, mf_str function) {
  for (int i = 0; i < MF_EVENT_CONFIGS; i++) {
    mf_event_config *config = &lambda->event_configs[i];
    if (config->key && strncmp(config->key, function.data, function.len) == 0 && config->key[function.len] == ':') clear(config);
  }
}

void mf_event_configs_free(mf_lambda *lambda) {
  for (int i = 0; i < MF_EVENT_CONFIGS; i++) clear(&lambda->event_configs[i]);
}

// ---- destinations ----
static bool has_function(mf_lambda *lambda, mf_str key, mf_str qualifier, mf_error *err, bool *there) {
  mf_resolved what;
  const bool ok = mf_resolve(lambda, key, qualifier, &what, err);
  *there = ok && what.version;
  return ok;
}

static void refuse_service(mf_operation_call *call, const char *arn, const char *what) {
  mf_refuse(call->http, 400, "InvalidParameterValueException", "The destination ARN %s is invalid: %s is not supported by this version of Mayfly", arn,
            what);
}

static const struct {
  const char *service, *what;
} later[] = {{"sqs", "a queue (SQS) as a destination"}, {"sns", "a topic (SNS) as a destination"},
             {"events", "an event bus (EventBridge) as a destination"}, {"s3", "a bucket (S3) as a destination"}};

static bool is_service(const char *arn, const char *service) {  // arn:partition:service:…
  const char *colon = strchr(arn, ':'), *second = colon ? strchr(colon + 1, ':') : NULL;
  const size_t len = strlen(service);
  return second && strncmp(second + 1, service, len) == 0 && second[1 + len] == ':';
}

// A function that is there, and another one. false: an answer was sent.
bool mf_check_event_target(mf_operation_call *call, const char *arn) {
  mf_lambda_name name;
  mf_error err;
  bool there = false;
  const mf_str text = mf_str_from(arn);
  if (mf_lambda_name_parse(&call->lambda->patterns, false, text, &name)) {
    const mf_str region = name.region.len > 0 ? name.region : call->region;
    const bool is_ours = name.account.len == 0 || mf_str_is(name.account, MF_ACCOUNT);
    char *key = mf_str_format(call->arena, "%.*s/%.*s", MF_STR_ARG(region), MF_STR_ARG(name.name));
    if (!key) mf_refuse_no_memory(call->http);
    else if (is_ours && mf_str_is(call->key, key))
      mf_refuse(call->http, 400, "InvalidParameterValueException", "You can't specify the function as a destination for itself.");
    else if (is_ours && !has_function(call->lambda, mf_str_from(key), name.qualifier, &err, &there)) mf_refuse_error(call->http, &err);
    else if (!there) mf_refuse(call->http, 400, "InvalidParameterValueException", "The destination ARN %s is invalid.", arn);
    return there;
  }
  for (size_t i = 0; i < MF_COUNT(later); i++) {
    if (!is_service(arn, later[i].service)) continue;
    refuse_service(call, arn, later[i].what);
    return false;
  }
  if (strncmp(arn, "kafka://", 8) == 0) refuse_service(call, arn, "a Kafka topic as a destination");
  else mf_refuse(call->http, 400, "InvalidParameterValueException", "The destination ARN %s is invalid.", arn);
  return false;
}

static const char *destination_of(const json_t *config, const char *side) {
  const char *text = json_string_value(json_object_get(json_object_get(config, side), "Destination"));
  return text && *text ? text : NULL;
}

// As Java prints it: DestinationConfig(onSuccess=OnSuccess(destination=…), onFailure=null).
static void print_side(mf_buf *out, const json_t *config, const char *side, const char *title) {
  const json_t *part = json_object_get(config, side);
  const char *text = json_string_value(json_object_get(part, "Destination"));
  mf_buf_format(out, "%c%s=", title[0] + 32, title + 1);
  if (part) mf_buf_format(out, "%s(destination=%s)", title, text ? text : "null");
  else mf_buf_text(out, "null");
}

static bool refuse_config(mf_operation_call *call, const json_t *config) {
  mf_buf text = {.arena = call->arena};
  print_side(&text, config, "OnSuccess", "OnSuccess");
  mf_buf_text(&text, ", ");
  print_side(&text, config, "OnFailure", "OnFailure");
  mf_refuse(call->http, 400, "InvalidParameterValueException", "The provided destination config DestinationConfig(%.*s) is invalid.",
            MF_STR_ARG(mf_buf_view(&text)));
  return false;
}

static bool is_known_service(const char *arn) {
  for (size_t i = 0; i < MF_COUNT(later); i++)
    if (is_service(arn, later[i].service)) return true;
  return is_service(arn, "lambda") || strncmp(arn, "kafka://", 8) == 0;
}

static bool check_destinations(mf_operation_call *call) {
  static const char *const sides[] = {"OnSuccess", "OnFailure"};
  const json_t *config = json_object_get(call->body, "DestinationConfig");
  for (size_t i = 0; i < MF_COUNT(sides); i++) {
    const char *arn = destination_of(config, sides[i]);
    if (arn && !is_known_service(arn)) return refuse_config(call, config);
    if (arn && !mf_check_event_target(call, arn)) return false;
  }
  return true;
}

// ---- the operations ----
static mf_str qualifier_of(const mf_operation_call *call) { return call->qualifier.len > 0 ? call->qualifier : MF_STR("$LATEST"); }

static const char *arn_of(mf_operation_call *call, mf_str qualifier) {
  const char *suffix = mf_str_format(call->arena, ":%.*s", MF_STR_ARG(qualifier));
  const char *arn = suffix ? mf_function_arn(call->arena, call->region, call->name, suffix) : NULL;
  return arn ? arn : "";
}

static void no_function(mf_operation_call *call) { mf_refuse(call->http, 404, "ResourceNotFoundException", "The function doesn't exist."); }

// false: an answer was sent.
static bool require_function(mf_operation_call *call) {
  mf_error err;
  bool there;
  if (!has_function(call->lambda, call->key, call->qualifier, &err, &there)) {
    mf_refuse_error(call->http, &err);
    return false;
  }
  if (!there) no_function(call);
  return there;
}

static json_t *shown(mf_operation_call *call, mf_str qualifier, const json_t *value) {
  json_t *out = json_copy((json_t *)(uintptr_t)value);
  json_object_set_new(out, "FunctionArn", json_string(arn_of(call, qualifier)));
  return out;
}

// What is given for the side, else what there was.
static json_t *side_of(const json_t *given, const json_t *before, const char *side) {
  json_t *out = json_object();
  const char *text = destination_of(json_is_object(json_object_get(given, side)) ? given : before, side);
  if (text) json_object_set_new(out, "Destination", json_string(text));
  return out;
}

// What is given, on top of what there was (before NULL: nothing).
static json_t *make_config(const json_t *body, const json_t *before) {
  static const char *const numbers[] = {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"};
  json_t *out = json_object();
  const json_t *given = json_object_get(body, "DestinationConfig"), *old = json_object_get(before, "DestinationConfig");
  const int64_t now_ms = mf_wall_ns() / MF_NS_PER_MS;
  json_object_set_new(out, "LastModified", json_real((double)now_ms / 1000));
  json_object_set_new(out, "DestinationConfig", json_pack("{s:o,s:o}", "OnSuccess", side_of(given, old, "OnSuccess"), "OnFailure", side_of(given, old, "OnFailure")));
  for (size_t i = 0; i < MF_COUNT(numbers); i++) {
    json_t *number = json_object_get(body, numbers[i]);
    if (!json_is_integer(number)) number = json_object_get(before, numbers[i]);
    if (number) json_object_set(out, numbers[i], number);
  }
  return out;
}

typedef struct change {
  mf_lambda *lambda;
  mf_reply *reply;
  json_t *answer;
  int status;
  char key[];
} change;

static void changed(void *context, const mf_error *err) {
  change *c = context;
  mf_json_begin();
  const char *colon = strrchr(c->key, ':');
  mf_event_configs_forget(c->lambda, (mf_str){c->key, (size_t)(colon - c->key)});
  if (err) {
    json_decref(c->answer);
    mf_reply_error(c->reply, err);
  } else {
    mf_reply_json(c->reply, c->status, c->answer);
  }
  free(c);
}

// value NULL: deleted. Takes the answer.
static void store(mf_operation_call *call, mf_str key, const json_t *value, json_t *answer) {
  mf_error err;
  mf_reply *reply = mf_reply_defer(call->http);
  change *c = reply ? malloc(sizeof *c + key.len + 1) : NULL;
  if (!c) {
    json_decref(answer);
    if (reply) mf_reply_refuse(reply, 500, "ServiceException", "out of memory");
    return;
  }
  *c = (change){.lambda = call->lambda, .reply = reply, .answer = answer, .status = call->operation->status};
  memcpy(c->key, key.data, key.len);
  c->key[key.len] = 0;
  if (!mf_setting_save(call->lambda->env.store, MF_TABLE_event_invoke_configs, key, value, changed, c, &err)) changed(c, &err);
  else mf_event_configs_forget(call->lambda, call->key);
}

static void none_there(mf_operation_call *call) {
  mf_refuse(call->http, 404, "ResourceNotFoundException", "The function %s doesn't have an EventInvokeConfig", arn_of(call, qualifier_of(call)));
}

// *key "": an answer was sent.
static json_t *load(mf_operation_call *call, mf_str *key) {
  json_t *value = NULL;
  mf_error err;
  *key = mf_setting_key(call, qualifier_of(call));
  if (key->len == 0 || mf_setting_load(call->lambda->env.store, MF_TABLE_event_invoke_configs, *key, &value, &err)) return value;
  mf_refuse_error(call->http, &err);
  *key = MF_STR("");
  return NULL;
}

static bool is_anything_given(const json_t *body) {
  return json_object_get(body, "MaximumRetryAttempts") || json_object_get(body, "MaximumEventAgeInSeconds") ||
         json_object_get(body, "DestinationConfig");
}

static void put(mf_operation_call *call, bool merge) {
  mf_str key;
  if (!is_anything_given(call->body)) {  // before the function is looked for, as AWS does (recorded)
    mf_refuse(call->http, 400, "InvalidParameterValueException", "You must specify at least one of error handling or destination setting.");
    return;
  }
  if (!require_function(call) || !check_destinations(call)) return;
  json_t *before = load(call, &key);
  if (key.len > 0 && merge && !before) none_there(call);
  else if (key.len > 0) {
    json_t *value = make_config(call->body, merge ? before : NULL);
    store(call, key, value, shown(call, qualifier_of(call), value));
    json_decref(value);
  }
  json_decref(before);
}

void mf_handle_PutFunctionEventInvokeConfig(mf_operation_call *call) { put(call, false); }
void mf_handle_UpdateFunctionEventInvokeConfig(mf_operation_call *call) { put(call, true); }

void mf_handle_GetFunctionEventInvokeConfig(mf_operation_call *call) {
  mf_str key;
  json_t *value = load(call, &key);
  if (value) mf_respond_json(call->http, 200, shown(call, qualifier_of(call), value));
  else if (key.len > 0) none_there(call);
  json_decref(value);
}

void mf_handle_DeleteFunctionEventInvokeConfig(mf_operation_call *call) {
  mf_str key;
  json_t *value = load(call, &key);
  if (value) store(call, key, NULL, NULL);
  else if (key.len > 0) none_there(call);
  json_decref(value);
}

void mf_handle_ListFunctionEventInvokeConfigs(mf_operation_call *call) {
  if (!require_function(call)) return;
  const mf_str prefix = mf_setting_key(call, MF_STR(""));
  if (prefix.len > 0) mf_answer_list(call, MF_TABLE_event_invoke_configs, prefix, "FunctionEventInvokeConfigs", shown);
}
