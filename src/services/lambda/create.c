// CreateFunction: checks, stores the package, writes the row, answers 201, compiles.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "deploy.h"
#include "garbage.h"
#include "package.h"
#include "versions.h"

enum { NAME_LENGTH = 64 };

json_t *mf_new_row(const json_t *body, const mf_blob_id *package, uint64_t bytes, mf_str name) {
  char log_group[200];
  json_t *c = json_object();
  snprintf(log_group, sizeof log_group, "/aws/lambda/%.*s", MF_STR_ARG(name));
  json_object_set_new(c, "Description", json_string(""));
  json_object_set_new(c, "Timeout", json_integer(3));
  json_object_set_new(c, "MemorySize", json_integer(128));
  json_object_set_new(c, "TracingConfig", json_pack("{s:s}", "Mode", "PassThrough"));
  json_object_set_new(c, "PackageType", json_string("Zip"));
  json_object_set_new(c, "Architectures", json_pack("[s]", "x86_64"));
  json_object_set_new(c, "EphemeralStorage", json_pack("{s:i}", "Size", 512));
  json_object_set_new(c, "SnapStart", json_pack("{s:s,s:s}", "ApplyOn", "None", "OptimizationStatus", "Off"));
  json_object_set_new(c, "LoggingConfig", json_pack("{s:s,s:s}", "LogFormat", "Text", "LogGroup", log_group));
  mf_keep_members(&mf_shape_CreateFunctionRequest, body, c);
  json_t *row = json_pack("{s:o,s:i,s:b,s:b}", "configuration", c, "revision", 1, "memory_told",
                          json_is_integer(json_object_get(body, "MemorySize")), "timeout_told", json_is_integer(json_object_get(body, "Timeout")));
  uint64_t uid;
  mf_random(&uid, sizeof uid);
  json_object_set_new(row, "uid", json_integer((json_int_t)(uid >> 11 | 1)));
  json_t *tags = json_object_get(body, "Tags");
  if (json_object_size(tags) > 0) json_object_set(row, "tags", tags);
  mf_set_code(row, package, bytes);
  json_object_set_new(row, "package", mf_blob_id_json(package));
  mf_deploy_begin_create(row);
  json_object_set(row, "created", json_object_get(c, "LastModified"));
  return row;
}

void mf_set_code(json_t *row, const mf_blob_id *package, uint64_t bytes) {
  char sha256[MF_SHA256_HEX];
  json_t *configuration = mf_row_configuration(row);
  mf_base64_encode((mf_slice){package->sha256, sizeof package->sha256}, sha256);
  mf_set_member(configuration, "CodeSha256", sha256);
  json_object_set_new(configuration, "CodeSize", json_integer((json_int_t)bytes));
}

static void created(void *context, const mf_error *err) {
  mf_code_change *change = context;
  mf_str key = mf_str_from(change->put->key);
  if (err) {
    mf_garbage_add(change->put->lambda, &change->put->id);
    mf_reply_error(change->put->reply, err);
    json_decref(change->answer);
  } else {
    mf_reply_json(change->put->reply, change->status, change->answer);
    mf_deploy_compile(change->put->lambda, key, change->row);
  }
  mf_code_change_free(change);
}

void mf_create_row(mf_package_put *put, json_t *row, int status) {
  mf_error err;
  mf_str key = mf_str_from(put->key), name = mf_lambda_name_of(key), region = mf_lambda_region_of(key);
  if (!mf_version_continue(put->lambda->env.store, key, row, &err)) {
    json_decref(row);
    mf_garbage_add(put->lambda, &put->id);
    mf_reply_error(put->reply, &err);
    mf_package_free(put);
    return;
  }
  json_t *version = mf_package_publishes(put) ? mf_version_begin(row) : NULL, *answer = mf_configuration_json(region, name, "", row, false);
  if (version) json_object_set_new(answer, "Version", json_sprintf("%" PRIu64, mf_version_publishing(row)));
  mf_code_change *change = mf_code_change_new(put, row, status, answer);
  // A function that was made and deleted while this one's package was stored leaves nothing in the cache.
  if (change && !mf_save_with_version(put, row, version, created, change, &err)) created(change, &err);
  json_decref(version);
}

static void package_stored(mf_package_put *put) {
  json_t *there;
  mf_error err;
  mf_str key = mf_str_from(put->key);
  if (!mf_row_load(put->lambda->env.store, key, &there, &err)) {
    mf_reply_error(put->reply, &err);
    mf_package_free(put);
  } else if (there) {
    json_decref(there);
    mf_reply_refuse(put->reply, 409, "ResourceConflictException", "Function already exist: %.*s", MF_STR_ARG(mf_lambda_name_of(key)));
    mf_package_free(put);
  } else {
    mf_create_row(put, mf_new_row(put->body, &put->id, put->bytes, mf_lambda_name_of(key)), 201);
  }
}

static bool check_name(mf_operation_call *call) {
  if (call->name.len > NAME_LENGTH) {
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "1 validation error detected: Value '%.*s' at 'functionName' failed to satisfy constraint: Member must have length less than "
              "or equal to %d", MF_STR_ARG(call->name), NAME_LENGTH);
    return false;
  }
  if (call->qualifier.len == 0) return true;
  mf_refuse(call->http, 400, "InvalidParameterValueException", "FunctionName of CreateFunction takes no qualifier");
  return false;
}

static bool check_supported(mf_operation_call *call) {
  const char *type = json_string_value(json_object_get(call->body, "PackageType"));
  const char *problem = NULL;
  if (type && strcmp(type, "Image") == 0) problem = "PackageType Image is not supported by this version of Mayfly";
  if (problem) mf_refuse(call->http, 400, "InvalidParameterValueException", "%s", problem);
  return !problem;
}

void mf_handle_CreateFunction(mf_operation_call *call) {
  json_t *there;
  mf_error err;
  if (!check_name(call) || !mf_check_configuration(call, call->body) || !mf_check_tags(call, json_object_get(call->body, "Tags")) ||
      !check_supported(call) || !mf_package_check_code(call, json_object_get(call->body, "Code")))
    return;
  if (!mf_row_load(call->lambda->env.store, call->key, &there, &err)) {
    mf_refuse_error(call->http, &err);
  } else if (there) {
    json_decref(there);
    mf_refuse(call->http, 409, "ResourceConflictException", "Function already exist: %.*s", MF_STR_ARG(call->name));
  } else {
    mf_package_begin(call, false, package_stored);
  }
}
