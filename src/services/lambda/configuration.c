// FunctionConfiguration: what is kept of requests, what is returned, and the operations that read or change it.
#include <stdio.h>
#include <stdlib.h>

#include "asynchronous.h"
#include "deploy.h"
#include "garbage.h"
#include "package.h"
#include "qualifier.h"
#include "versions.h"

enum { ENVIRONMENT_BYTES = 4096 };

void mf_set_member(json_t *object, const char *name, const char *text) {
  if (text) json_object_set_new(object, name, json_string(text));
  else json_object_del(object, name);
}

// "2025-04-15T20:24:16.283+0000"
void mf_modified_at(int64_t wall_ns, char out[40]) {
  time_t seconds = (time_t)(wall_ns / MF_NS_PER_S);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  size_t len = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(out + len, 40 - len, ".%03d+0000", (int)(wall_ns % MF_NS_PER_S / MF_NS_PER_MS));
}

void mf_modified_now(char out[40]) { mf_modified_at(mf_wall_ns(), out); }

void mf_touch_revision(json_t *row) {
  char revision[MF_UUID_TEXT + 1];
  mf_uuid4(revision);
  mf_set_member(mf_row_configuration(row), "RevisionId", revision);
}

void mf_touch_configuration(json_t *row) {
  char modified[40];
  mf_modified_now(modified);
  mf_set_member(mf_row_configuration(row), "LastModified", modified);
  mf_touch_revision(row);
}

// ---- what is kept ----
static json_t *kept_vpc(const json_t *given) {
  json_t *vpc = json_deep_copy(given);
  static const char *const lists[] = {"SubnetIds", "SecurityGroupIds"};
  for (size_t i = 0; i < MF_COUNT(lists); i++)
    if (!json_is_array(json_object_get(vpc, lists[i]))) json_object_set_new(vpc, lists[i], json_array());
  if (!json_object_get(vpc, "Ipv6AllowedForDualStack")) json_object_set_new(vpc, "Ipv6AllowedForDualStack", json_false());
  json_object_set_new(vpc, "VpcId", json_string(""));
  return vpc;
}

static json_t *kept_snap_start(const json_t *given) {
  json_t *snap_start = json_deep_copy(given);
  json_object_set_new(snap_start, "OptimizationStatus", json_string("Off"));
  return snap_start;
}

// LogFormat JSON adds its levels, Text drops them; what is not given stays (lambda.md section 1).
static json_t *kept_logging(const json_t *given, const json_t *before) {
  json_t *logging = before ? json_deep_copy(before) : json_object();
  json_object_update(logging, (json_t *)(uintptr_t)given);
  const char *format = json_string_value(json_object_get(logging, "LogFormat"));
  bool is_json = format && strcmp(format, "JSON") == 0;
  static const char *const levels[] = {"ApplicationLogLevel", "SystemLogLevel"};
  for (size_t i = 0; i < MF_COUNT(levels); i++) {
    if (!is_json) json_object_del(logging, levels[i]);
    else if (!json_object_get(logging, levels[i])) json_object_set_new(logging, levels[i], json_string("INFO"));
  }
  return logging;
}

static json_t *kept(const char *name, const json_t *given, const json_t *before) {
  if (strcmp(name, "VpcConfig") == 0) return kept_vpc(given);
  if (strcmp(name, "SnapStart") == 0) return kept_snap_start(given);
  if (strcmp(name, "LoggingConfig") == 0) return kept_logging(given, before);
  return json_deep_copy(given);
}

void mf_keep_members(const mf_shape *shape, const json_t *body, json_t *configuration) {
  for (uint32_t i = 0; i < shape->n_fields; i++) {
    const mf_field *field = &shape->fields[i];
    const json_t *given = json_object_get(body, field->name);
    if (!(field->flags & MF_KEPT) || !given || json_is_null(given)) continue;
    json_object_set_new(configuration, field->name, kept(field->name, given, json_object_get(configuration, field->name)));
  }
}

// ---- checks that are no matter of one member's limits ----
static bool check_runtime(mf_operation_call *call, const json_t *body) {
  const json_t *given = json_object_get(body, "Runtime");
  if (!json_is_string(given)) return true;
  const char *runtime = json_string_value(given);
  static const char deprecated[] =
      "nodejs, nodejs4.3, nodejs4.3-edge, nodejs6.10, nodejs8.10, nodejs10.x, nodejs12.x, nodejs14.x, java8, python2.7, python3.6, "
      "python3.7, dotnetcore1.0, dotnetcore2.0, dotnetcore2.1, dotnetcore3.1, dotnet5.0, dotnet7, go1.x, ruby2.5, ruby2.7, provided";
  const char *values = mf_shape_field(&mf_shape_CreateFunctionRequest, "Runtime")->values;
  if (mf_value_is_listed(values, mf_str_from(runtime))) return true;
  if (mf_value_is_listed(deprecated, mf_str_from(runtime)))
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "The runtime parameter of %s is no longer supported for creating or updating AWS Lambda functions. We recommend you use a "
              "supported runtime while creating or updating functions.", runtime);
  else
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "Value %s at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [%s] or be a valid ARN", runtime, values);
  return false;
}

// The names that functions cannot set (lambda.md section 5, environment).
static bool is_reserved_name(const char *name) {
  static const char reserved[] =
      "_HANDLER, _X_AMZN_TRACE_ID, AWS_DEFAULT_REGION, AWS_REGION, AWS_EXECUTION_ENV, AWS_LAMBDA_FUNCTION_NAME, "
      "AWS_LAMBDA_FUNCTION_MEMORY_SIZE, AWS_LAMBDA_FUNCTION_VERSION, AWS_LAMBDA_INITIALIZATION_TYPE, AWS_LAMBDA_LOG_GROUP_NAME, "
      "AWS_LAMBDA_LOG_STREAM_NAME, AWS_ACCESS_KEY, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_LAMBDA_RUNTIME_API, "
      "LAMBDA_TASK_ROOT, LAMBDA_RUNTIME_DIR";
  return mf_value_is_listed(reserved, mf_str_from(name));
}

static bool check_reserved_names(mf_operation_call *call, const json_t *variables) {
  const char *name;
  json_t *value;
  mf_buf names = {.arena = call->arena};
  json_object_foreach((json_t *)(uintptr_t)variables, name, value) {
    if (is_reserved_name(name)) mf_buf_format(&names, "%s%s", names.len ? ", " : "", name);
  }
  if (names.failed) mf_refuse_no_memory(call->http);
  if (names.len == 0) return !names.failed;
  mf_refuse(call->http, 400, "InvalidParameterValueException",
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains "
            "reserved keys that are currently not supported for modification. Reserved keys used in this request: %.*s",
            MF_STR_ARG(mf_buf_view(&names)));
  return false;
}

static bool check_environment(mf_operation_call *call, const json_t *body) {
  const json_t *variables = json_object_get(json_object_get(body, "Environment"), "Variables");
  if (!json_is_object(variables)) return true;
  if (!check_reserved_names(call, variables)) return false;
  char *text = mf_json_text(variables);
  bool ok = text && strlen(text) <= ENVIRONMENT_BYTES;
  if (!text)
    mf_refuse_no_memory(call->http);
  else if (!ok)
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the "
              "4KB limit. String measured: %s", text);
  free(text);
  return ok;
}

static bool check_layers(mf_operation_call *call, const json_t *body) {
  const json_t *layers = json_object_get(body, "Layers");
  if (json_array_size(layers) == 0) return true;
  if (json_array_size(layers) > 5)
    mf_refuse(call->http, 400, "InvalidParameterValueException", "Cannot reference more than 5 layers.");
  else
    mf_refuse(call->http, 400, "InvalidParameterValueException", "Layer version %s does not exist.",
              json_string_value(json_array_get(layers, 0)));
  return false;
}

static bool check_logging(mf_operation_call *call, const json_t *body) {
  const json_t *logging = json_object_get(body, "LoggingConfig");
  const char *format = json_string_value(json_object_get(logging, "LogFormat"));
  bool has_level = json_object_get(logging, "ApplicationLogLevel") || json_object_get(logging, "SystemLogLevel");
  if (!format || strcmp(format, "Text") != 0 || !has_level) return true;
  mf_refuse(call->http, 400, "InvalidParameterValueException",
            "LogLevel is not supported when LogFormat is set to \"Text\". Remove LogLevel from your request or change the LogFormat to "
            "\"JSON\" and try again.");
  return false;
}

static bool check_dead_letter(mf_operation_call *call, const json_t *body) {
  const char *arn = json_string_value(json_object_get(json_object_get(body, "DeadLetterConfig"), "TargetArn"));
  return !arn || !*arn || mf_check_event_target(call, arn);
}

bool mf_check_configuration(mf_operation_call *call, const json_t *body) {
  return check_runtime(call, body) && check_dead_letter(call, body) && check_environment(call, body) && check_layers(call, body) && check_logging(call, body);
}

// ---- what is returned ----
static void set_version(json_t *out, const json_t *number) {
  char text[24] = "$LATEST";
  if (number) snprintf(text, sizeof text, "%lld", (long long)json_integer_value(number));
  json_object_set_new(out, "Version", json_string(text));
}

// AWS names the runtime version that a function was given. Ours has one of each runtime, named by the digest of its name.
static json_t *runtime_version(mf_str region, const char *runtime) {
  uint8_t digest[MF_SHA256_BYTES];
  char hex[MF_SHA256_HEX + 1], arn[160];
  mf_sha256(runtime, strlen(runtime), digest);
  mf_hex(digest, sizeof digest, hex);
  snprintf(arn, sizeof arn, "arn:aws:lambda:%.*s::runtime:%s", MF_STR_ARG(region), hex);
  return json_pack("{s:s}", "RuntimeVersionArn", arn);
}

json_t *mf_configuration_json(mf_str region, mf_str name, const char *arn_suffix, const json_t *row, bool in_list) {
  static const char *const not_in_lists[] = {"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason",
                                             "LastUpdateStatusReasonCode"};
  json_t *out = json_deep_copy(mf_row_configuration(row));
  char arn[512];
  snprintf(arn, sizeof arn, "arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s%s", MF_STR_ARG(region), MF_STR_ARG(name), arn_suffix);
  json_object_set_new(out, "FunctionName", json_stringn(name.data, name.len));
  json_object_set_new(out, "FunctionArn", json_string(arn));
  set_version(out, json_object_get(row, "version"));
  json_t *image_config = json_object_get(out, "ImageConfig");
  if (image_config) {
    json_object_set_new(out, "ImageConfigResponse", json_pack("{s:O}", "ImageConfig", image_config));
    json_object_del(out, "ImageConfig");
  }
  const char *runtime = json_string_value(json_object_get(out, "Runtime"));
  if (runtime && !in_list) json_object_set_new(out, "RuntimeVersionConfig", runtime_version(region, runtime));
  for (size_t i = 0; in_list && i < MF_COUNT(not_in_lists); i++) json_object_del(out, not_in_lists[i]);
  return out;
}

// The ARN ends as the caller's did: an alias's name, say, while Version is that of the version.
static json_t *qualified_json(mf_operation_call *call, const json_t *row) {
  const char *suffix = call->qualifier.len > 0 ? mf_str_format(call->arena, ":%.*s", MF_STR_ARG(call->qualifier)) : "";
  return mf_configuration_json(call->region, call->name, suffix ? suffix : "", row, false);
}

void mf_handle_GetFunctionConfiguration(mf_operation_call *call) {
  mf_str key;
  json_t *row = mf_require_version(call, MF_SAYS_FUNCTION, &key);
  if (!row) return;
  mf_respond_json(call->http, 200, qualified_json(call, row));
  json_decref(row);
}

// Tags and the reservation are the function's, whichever version is asked for.
static bool add_functions_own(mf_operation_call *call, json_t *out) {
  json_t *row;
  mf_error err;
  if (!mf_row_load(call->lambda->env.store, call->key, &row, &err)) {
    mf_refuse_error(call->http, &err);
    return false;
  }
  json_t *tags = json_object_get(row, "tags"), *reserved = json_object_get(row, "reserved");
  if (json_object_size(tags) > 0) json_object_set(out, "Tags", tags);
  if (reserved) json_object_set_new(out, "Concurrency", json_pack("{s:O}", "ReservedConcurrentExecutions", reserved));
  json_decref(row);
  return true;
}

void mf_handle_GetFunction(mf_operation_call *call) {
  mf_str key;
  json_t *row = mf_require_version(call, MF_SAYS_FUNCTION, &key);
  if (!row) return;
  json_t *out = json_object();
  json_object_set_new(out, "Configuration", qualified_json(call, row));
  json_object_set_new(out, "Code", mf_package_location(call, json_object_get(row, "package")));
  if (add_functions_own(call, out)) mf_respond_json(call->http, 200, out);
  else json_decref(out);
  json_decref(row);
}

// No function has one: code signing configurations cannot be made. Terraform asks whenever it reads a function.
void mf_handle_GetFunctionCodeSigningConfig(mf_operation_call *call) {
  json_t *row = mf_require_row(call);
  if (!row) return;
  mf_respond_json(call->http, 200, json_object());
  json_decref(row);
}

// ---- update ----
typedef struct update {
  mf_lambda *lambda;
  mf_reply *reply;
  json_t *answer;
  size_t key_len;
  char key[];
} update;

static void update_stored(void *context, const mf_error *err) {
  update *u = context;
  if (err) {
    json_decref(u->answer);
    mf_reply_error(u->reply, err);
  } else {
    mf_reply_json(u->reply, 200, u->answer);
    mf_deploy_finish_update(u->lambda, (mf_str){u->key, u->key_len});
  }
  free(u);
}

// MemorySize and Timeout become the user's; what they were comes back when the model turns out to need more.
static void apply_update(const mf_operation_call *call, json_t *row) {
  mf_deploy_remember_limits(row);
  if (json_is_integer(json_object_get(call->body, "MemorySize"))) json_object_set_new(row, "memory_told", json_true());
  if (json_is_integer(json_object_get(call->body, "Timeout"))) json_object_set_new(row, "timeout_told", json_true());
  mf_keep_members(call->operation->input, call->body, mf_row_configuration(row));
  mf_deploy_begin_update(row);
}

void mf_handle_UpdateFunctionConfiguration(mf_operation_call *call) {
  mf_error err;
  json_t *row = mf_require_row(call);
  if (!row) return;
  update *u = NULL;
  if (!mf_require_revision(call, row) || !mf_require_idle(call, row) || !mf_check_configuration(call, call->body)) goto done;
  mf_reply *reply = mf_reply_defer(call->http);
  if (!reply) goto done;
  apply_update(call, row);
  u = malloc(sizeof *u + call->key.len);
  if (!u) {
    mf_reply_refuse(reply, 500, "ServiceException", "out of memory");
    goto done;
  }
  *u = (update){.lambda = call->lambda, .reply = reply, .key_len = call->key.len};
  memcpy(u->key, call->key.data, call->key.len);
  u->answer = mf_configuration_json(call->region, call->name, "", row, false);
  if (!mf_row_save(&call->lambda->functions, call->key, row, NULL, 0, update_stored, u, &err)) update_stored(u, &err);
done:
  json_decref(row);
}

// ---- delete ----
typedef struct deletion {
  mf_lambda *lambda;
  mf_reply *reply;
  json_t *row, *versions;  // versions: {number: row}
  size_t key_len;
  char key[];
} deletion;

static void forget_versions(const deletion *d) {
  const char *number;
  json_t *row;
  char key[512];
  json_object_foreach(d->versions, number, row) {
    const int len = snprintf(key, sizeof key, "%.*s:%s", (int)d->key_len, d->key, number);
    d->lambda->env.forget(d->lambda->env.context, (mf_str){key, (size_t)len});
    mf_garbage_add_row(d->lambda, row);
  }
}

static void deleted(void *context, const mf_error *err) {
  deletion *d = context;
  mf_str key = {d->key, d->key_len};
  if (err) {
    mf_reply_error(d->reply, err);
  } else {
    d->lambda->env.forget(d->lambda->env.context, key);
    forget_versions(d);
    mf_garbage_add_row(d->lambda, d->row);
    mf_garbage_sweep(d->lambda);
    mf_log_waits_wake(d->lambda, key);  // there is nothing more to wait for
    mf_reply_json(d->reply, 204, NULL);
  }
  json_decref(d->row);
  json_decref(d->versions);
  free(d);
}

static void delete_function(mf_operation_call *call, json_t *row) {
  mf_error err;
  json_t *versions;
  if (!mf_row_versions(call->lambda->env.store, call->key, &versions, &err)) {
    mf_refuse_error(call->http, &err);
    return;
  }
  mf_reply *reply = mf_reply_defer(call->http);
  deletion *d = reply ? malloc(sizeof *d + call->key.len) : NULL;
  if (d) {
    *d = (deletion){.lambda = call->lambda, .reply = reply, .row = json_incref(row), .versions = json_incref(versions), .key_len = call->key.len};
    memcpy(d->key, call->key.data, call->key.len);
    mf_event_configs_forget(call->lambda, call->key);
    if (!mf_row_delete(&call->lambda->functions, call->key, versions, deleted, d, &err)) deleted(d, &err);
  } else if (reply) {
    mf_reply_refuse(reply, 500, "ServiceException", "out of memory");
  }
  json_decref(versions);
}

void mf_handle_DeleteFunction(mf_operation_call *call) {
  if (mf_str_is(call->qualifier, "$LATEST")) {
    mf_refuse(call->http, 400, "InvalidParameterValueException", "$LATEST version cannot be deleted without deleting the function.");
    return;
  }
  // AWS takes "$latest", which cannot be an alias, for a version that is not there (recorded).
  if (mf_qualifier_kind_of(call->qualifier) == MF_QUALIFIER_ALIAS && !memchr(call->qualifier.data, '$', call->qualifier.len)) {
    mf_refuse(call->http, 400, "InvalidParameterValueException", "Deletion of aliases is not currently supported.");
    return;
  }
  mf_str qualifier = call->qualifier;
  call->qualifier = MF_STR("");  // a function that does not exist is named without it
  json_t *row = mf_require_row(call);
  if (!row) return;
  call->qualifier = qualifier;
  if (qualifier.len > 0) mf_version_delete(call);
  else delete_function(call, row);
  json_decref(row);
}
