// PublishVersion, ListVersionsByFunction, deleting one version, and what publishing means for rows.
#include "versions.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "deploy.h"
#include "garbage.h"
#include "provisioned.h"
#include "qualifier.h"
#include "settings.h"

// ---- rows ----
mf_str mf_version_key(mf_arena *arena, mf_str function_key, uint64_t number) {
  return mf_str_from(mf_str_format(arena, "%.*s:%" PRIu64, MF_STR_ARG(function_key), number));
}

uint64_t mf_version_publishing(const json_t *row) { return (uint64_t)json_integer_value(json_object_get(row, "publishing")); }

json_t *mf_version_row(const json_t *row, uint64_t number) {
  static const char *const copied[] = {"image", "package", "memory_told", "timeout_told"};
  json_t *configuration = json_deep_copy(mf_row_configuration(row));
  json_t *version = json_pack("{s:o,s:i,s:I,s:O}", "configuration", configuration, "revision", 1, "version", (json_int_t)number,
                              "latest_description", json_object_get(configuration, "Description"));
  for (size_t i = 0; i < MF_COUNT(copied); i++) {
    json_t *member = json_object_get(row, copied[i]);
    if (member) json_object_set_new(version, copied[i], json_deep_copy(member));
  }
  if (version) mf_touch_configuration(version);
  return version;
}

bool mf_version_continue(mf_store *store, mf_str function_key, json_t *row, mf_error *err) {
  mf_arena arena;
  mf_slice last;
  bool found;
  mf_arena_init(&arena, 0);
  const bool ok = mf_store_get(store, MF_TABLE_version_numbers, function_key, &arena, &last, &found, err);
  if (ok && found) json_object_set_new(row, "versions", json_integer((json_int_t)mf_lambda_version_number((mf_str){last.data, last.len})));
  mf_arena_deinit(&arena);
  return ok;
}

json_t *mf_version_begin(json_t *row) {
  const uint64_t number = mf_row_version_numbers(row) + 1;
  json_object_set_new(row, "versions", json_integer((json_int_t)number));
  json_object_set_new(row, "publishing", json_integer((json_int_t)number));
  json_t *version = mf_version_row(row, number), *deploy = json_object_get(row, "deploy");
  json_t *configuration = mf_row_configuration(version);
  static const char *const of_updates[] = {"LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"};
  for (size_t i = 0; i < MF_COUNT(of_updates); i++) json_object_del(configuration, of_updates[i]);
  json_object_del(version, "image");
  if (deploy) json_object_set(version, "package", json_object_get(deploy, "package"));
  if (version) mf_deploy_begin_create(version);
  return version;
}

// What a version is, without what it has gone through.
static json_t *essence(const json_t *row, const json_t *description) {
  static const char *const passing[] = {"State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason",
                                        "LastUpdateStatusReasonCode", "LastModified", "RevisionId"};
  json_t *configuration = json_copy(mf_row_configuration(row));
  for (size_t i = 0; i < MF_COUNT(passing); i++) json_object_del(configuration, passing[i]);
  if (description) json_object_set(configuration, "Description", (json_t *)(uintptr_t)description);
  return configuration;
}

bool mf_version_unchanged(mf_store *store, mf_str function_key, const json_t *row, json_t **version, mf_error *err) {
  mf_arena arena;
  *version = NULL;
  if (mf_row_version_numbers(row) == 0) return true;
  mf_arena_init(&arena, 0);
  mf_str key = mf_version_key(&arena, function_key, mf_row_version_numbers(row));
  bool ok = key.data ? mf_row_load(store, key, version, err) : mf_fail(err, MF_OutOfMemory, "no memory to look for the last version");
  mf_arena_deinit(&arena);
  json_t *ours = essence(row, NULL), *theirs = essence(*version, json_object_get(*version, "latest_description"));
  if (!json_equal(ours, theirs)) {
    json_decref(*version);
    *version = NULL;
  }
  json_decref(ours);
  json_decref(theirs);
  return ok;
}

json_t *mf_version_json(mf_str region, mf_str name, const json_t *row, bool in_list) {
  char suffix[24];
  snprintf(suffix, sizeof suffix, ":%" PRIu64, (uint64_t)json_integer_value(json_object_get(row, "version")));
  return mf_configuration_json(region, name, suffix, row, in_list);
}

// ---- PublishVersion ----
static bool check_code(mf_operation_call *call, const json_t *row) {
  const char *wanted = json_string_value(json_object_get(call->body, "CodeSha256"));
  const char *current = json_string_value(json_object_get(mf_row_configuration(row), "CodeSha256"));
  if (!wanted || !*wanted || (current && strcmp(wanted, current) == 0)) return true;
  mf_refuse(call->http, 400, "InvalidParameterValueException",
            "CodeSHA256 (%s) is different from current CodeSHA256 in $LATEST (%s). Please try again with the CodeSHA256 in $LATEST.", wanted,
            current ? current : "");
  return false;
}

static bool check_runs(mf_operation_call *call, const json_t *row) {
  const char *state = json_string_value(json_object_get(mf_row_configuration(row), "State"));
  if (state && strcmp(state, "Active") == 0) return true;
  mf_refuse(call->http, 409, "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the following state: %s", state ? state : "");
  return false;
}

// What became of the last update is $LATEST's matter: a version is what runs.
static void has_gone_well(json_t *configuration) {
  json_object_set_new(configuration, "LastUpdateStatus", json_string("Successful"));
  json_object_del(configuration, "LastUpdateStatusReason");
  json_object_del(configuration, "LastUpdateStatusReasonCode");
}

static void publish(mf_operation_call *call, json_t *row) {
  mf_error err;
  const uint64_t number = mf_row_version_numbers(row) + 1;
  mf_str key = mf_version_key(call->arena, call->key, number);
  if (!key.data) {
    mf_refuse_no_memory(call->http);
    return;
  }
  json_t *version = mf_version_row(row, number), *description = json_object_get(call->body, "Description");
  if (json_is_string(description)) json_object_set(mf_row_configuration(version), "Description", description);
  has_gone_well(mf_row_configuration(version));
  json_object_set_new(row, "versions", json_integer((json_int_t)number));
  mf_touch_revision(row);
  mf_pending_answer *answer = mf_answer_when_stored(call, mf_version_json(call->region, call->name, version, false));
  const mf_row_change changes[] = {{call->key, row}, {key, version}};
  if (answer && !mf_rows_save(&call->lambda->functions, changes, MF_COUNT(changes), NULL, 0, mf_answer_stored, answer, &err))
    mf_answer_stored(answer, &err);
  json_decref(version);
}

void mf_handle_PublishVersion(mf_operation_call *call) {
  mf_error err;
  json_t *version = NULL, *row = mf_require_row(call);
  if (!row) return;
  if (mf_require_revision(call, row) && mf_require_idle(call, row) && check_runs(call, row) && check_code(call, row)) {
    if (!mf_version_unchanged(call->lambda->env.store, call->key, row, &version, &err)) mf_refuse_error(call->http, &err);
    else if (version) mf_respond_json(call->http, 201, mf_version_json(call->region, call->name, version, false));
    else publish(call, row);
  }
  json_decref(version);
  json_decref(row);
}

// ---- ListVersionsByFunction: $LATEST stands before the rows ----
static json_t *version_item(mf_operation_call *call, mf_str key, const json_t *row) {
  (void)key;
  return mf_version_json(call->region, call->name, row, true);
}

void mf_handle_ListVersionsByFunction(mf_operation_call *call) {
  call->qualifier = MF_STR("");  // of the function's name: it says nothing here
  json_t *row = mf_require_row(call);
  if (!row) return;
  mf_str prefix = mf_setting_key(call, MF_STR(""));
  if (prefix.len > 0)
    mf_answer_list_after(call, MF_TABLE_versions, prefix, "Versions", mf_configuration_json(call->region, call->name, ":$LATEST", row, true),
                         version_item);
  json_decref(row);
}

// ---- deletion ----
typedef struct deletion {
  mf_lambda *lambda;
  mf_reply *reply;
  json_t *row;
  size_t key_len;
  char key[];
} deletion;

static void deleted(void *context, const mf_error *err) {
  deletion *d = context;
  if (err) {
    mf_reply_error(d->reply, err);
  } else {
    d->lambda->env.forget(d->lambda->env.context, (mf_str){d->key, d->key_len});
    mf_garbage_add_row(d->lambda, d->row);
    mf_garbage_sweep(d->lambda);
    mf_reply_json(d->reply, 204, NULL);
  }
  json_decref(d->row);
  free(d);
}

typedef struct users {
  const char *number;
  mf_buf names;  // of the aliases that use the version
} users;

static bool uses(const json_t *alias, const char *number) {
  const char *target = json_string_value(json_object_get(alias, "FunctionVersion"));
  const json_t *weights = json_object_get(json_object_get(alias, "RoutingConfig"), "AdditionalVersionWeights");
  return (target && strcmp(target, number) == 0) || json_object_get(weights, number);
}

static bool add_user(void *context, mf_str key, mf_slice value) {
  users *u = context;
  json_t *alias = json_loadb(value.data, value.len, 0, NULL);
  const char *name = json_string_value(json_object_get(alias, "Name"));
  (void)key;
  if (name && uses(alias, u->number)) mf_buf_format(&u->names, "%s%s", u->names.len ? ", " : "", name);
  json_decref(alias);
  return true;
}

// false: an answer was sent.
static bool is_unused(mf_operation_call *call) {
  mf_error err;
  mf_str prefix = mf_setting_key(call, MF_STR(""));
  users u = {.number = mf_str_format(call->arena, "%.*s", MF_STR_ARG(call->qualifier)), .names = {.arena = call->arena}};
  if (prefix.len == 0) return false;
  if (!mf_store_scan(call->lambda->env.store, MF_TABLE_aliases, prefix, MF_STR(""), INT32_MAX, add_user, &u, &err)) {
    mf_refuse_error(call->http, &err);
    return false;
  }
  if (!u.number || u.names.failed || mf_json_lost()) {
    mf_refuse_no_memory(call->http);
    return false;
  }
  if (u.names.len == 0) return true;
  mf_refuse(call->http, 409, "ResourceConflictException", "Unable to delete version because the following aliases reference it: [%.*s]",
            MF_STR_ARG(mf_buf_view(&u.names)));
  return false;
}

static void delete_row(mf_operation_call *call, mf_str key, json_t *row) {
  mf_error err;
  mf_reply *reply = mf_reply_defer(call->http);
  deletion *d = reply ? malloc(sizeof *d + key.len) : NULL;
  if (d) {
    *d = (deletion){.lambda = call->lambda, .reply = reply, .row = json_incref(row), .key_len = key.len};
    memcpy(d->key, key.data, key.len);
    if (!mf_row_delete(&call->lambda->functions, key, NULL, deleted, d, &err)) deleted(d, &err);
  } else if (reply) {
    mf_reply_refuse(reply, 500, "ServiceException", "out of memory");
  }
}

void mf_version_delete(mf_operation_call *call) {
  mf_error err;
  json_t *row;
  mf_str key = mf_setting_key(call, call->qualifier);
  if (key.len == 0) return;
  if (!mf_row_load(call->lambda->env.store, key, &row, &err)) mf_refuse_error(call->http, &err);
  else if (!row) mf_respond_json(call->http, 204, NULL);  // AWS answers as if it had been there
  else if (is_unused(call) && mf_provisioned_end_version(call, call->qualifier)) delete_row(call, key, row);
  json_decref(row);
}
