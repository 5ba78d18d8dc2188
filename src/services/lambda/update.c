// UpdateFunctionCode: the old image serves until the new one is ready. And what creating and updating code share.
#include <stdlib.h>

#include "deploy.h"
#include "garbage.h"
#include "package.h"
#include "versions.h"

mf_code_change *mf_code_change_new(mf_package_put *put, json_t *row, int status, json_t *answer) {
  mf_code_change *change = malloc(sizeof *change);
  if (change) {
    *change = (mf_code_change){.put = put, .row = row, .status = status, .answer = answer};
    return change;
  }
  mf_reply_refuse(put->reply, 500, "ServiceException", "out of memory");
  json_decref(row);
  json_decref(answer);
  mf_package_free(put);
  return NULL;
}

void mf_code_change_free(mf_code_change *change) {
  json_decref(change->row);
  mf_package_free(change->put);
  free(change);
}

bool mf_package_publishes(const mf_package_put *put) { return json_is_true(json_object_get(put->body, "Publish")); }

bool mf_save_with_version(mf_package_put *put, json_t *row, json_t *version, mf_store_done *done, void *context, mf_error *err) {
  mf_arena arena;
  mf_str key = mf_str_from(put->key);
  mf_arena_init(&arena, 0);
  const mf_row_change changes[] = {{key, row}, {version ? mf_version_key(&arena, key, mf_version_publishing(row)) : key, version}};
  bool ok = changes[1].key.data ? mf_rows_save(&put->lambda->functions, changes, version ? 2 : 1, NULL, 0, done, context, err)
                                : mf_fail(err, MF_OutOfMemory, "no memory to store function %s", put->key);
  mf_arena_deinit(&arena);
  return ok;
}

static void updated(void *context, const mf_error *err) {
  mf_code_change *change = context;
  if (err) {
    mf_garbage_add(change->put->lambda, &change->put->id);
    mf_reply_error(change->put->reply, err);
    json_decref(change->answer);
  } else {
    mf_reply_json(change->put->reply, change->status, change->answer);
    mf_deploy_compile(change->put->lambda, mf_str_from(change->put->key), change->row);
  }
  mf_code_change_free(change);
}

// What serves now stands in "deploy" beside the new package, to be shown again if that fails.
static void begin_update(json_t *row, const mf_package_put *put) {
  json_t *configuration = mf_row_configuration(row);
  json_object_set_new(row, "deploy", json_pack("{s:o,s:O,s:O}", "package", mf_blob_id_json(&put->id), "CodeSha256",
                                               json_object_get(configuration, "CodeSha256"), "CodeSize",
                                               json_object_get(configuration, "CodeSize")));
  mf_set_code(row, &put->id, put->bytes);
  json_t *architectures = json_object_get(put->body, "Architectures");
  if (architectures) json_object_set(configuration, "Architectures", architectures);
  mf_deploy_begin_update(row);
}

void mf_update_row(mf_package_put *put, json_t *row) {
  mf_error err;
  mf_str key = mf_str_from(put->key), name = mf_lambda_name_of(key), region = mf_lambda_region_of(key);
  if (put->dry_run) {  // as it would be, with nothing under way
    mf_set_code(row, &put->id, put->bytes);
    mf_reply_json(put->reply, 200, mf_configuration_json(region, name, "", row, false));
    json_decref(row);
    mf_package_free(put);
    return;
  }
  begin_update(row, put);
  json_t *published = NULL, *version = NULL;
  if (mf_package_publishes(put) && !mf_version_unchanged(put->lambda->env.store, key, row, &published, &err)) {
    mf_reply_error(put->reply, &err);
    json_decref(row);
    mf_package_free(put);
    return;
  }
  if (mf_package_publishes(put) && !published) version = mf_version_begin(row);
  const json_t *shown = version ? version : published;
  json_t *answer = shown ? mf_version_json(region, name, shown, false) : mf_configuration_json(region, name, "", row, false);
  mf_code_change *change = mf_code_change_new(put, row, 200, answer);
  if (change && !mf_save_with_version(put, row, version, updated, change, &err)) updated(change, &err);
  json_decref(version);
  json_decref(published);
}

// Idle when the request came and perhaps not any more, now that its package is on disk.
bool mf_is_busy(const json_t *row) {
  const json_t *configuration = mf_row_configuration(row);
  const char *state = json_string_value(json_object_get(configuration, "State"));
  const char *update = json_string_value(json_object_get(configuration, "LastUpdateStatus"));
  return (state && strcmp(state, "Pending") == 0) || (update && strcmp(update, "InProgress") == 0);
}

void mf_refuse_busy(mf_package_put *put) {
  mf_reply_refuse(put->reply, 409, "ResourceConflictException",
                  "The operation cannot be performed at this time. An update is in progress for resource: %.*s",
                  MF_STR_ARG(mf_lambda_name_of(mf_str_from(put->key))));
  mf_package_free(put);
}

static void package_stored(mf_package_put *put) {
  const mf_str key = mf_str_from(put->key), region = mf_lambda_region_of(key);
  json_t *row;
  mf_error err;
  if (!mf_row_load(put->lambda->env.store, mf_str_from(put->key), &row, &err)) {
    mf_reply_error(put->reply, &err);
    mf_package_free(put);
  } else if (!row) {
    mf_reply_refuse(put->reply, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s",
                    MF_STR_ARG(region), MF_STR_ARG(mf_lambda_name_of(key)));
    mf_package_free(put);
  } else if (mf_is_busy(row)) {
    json_decref(row);
    mf_refuse_busy(put);
  } else {
    mf_update_row(put, row);
  }
}

void mf_handle_UpdateFunctionCode(mf_operation_call *call) {
  json_t *row = mf_require_row(call);
  if (!row) return;
  bool ok = mf_require_revision(call, row) && mf_require_idle(call, row);
  json_decref(row);
  if (ok && mf_package_check_code(call, call->body)) mf_package_begin(call, true, package_stored);
}
