// The state machine of lambda.md section 1. Each step is a commit of the function's row; RevisionId changes with each.
#include "deploy.h"

#include <stdio.h>
#include <stdlib.h>

#include "garbage.h"
#include "provisioned.h"
#include "versions.h"

enum { DEFAULT_MEMORY = 128, MAX_MEMORY = 10240, DEFAULT_TIMEOUT = 3, REASON_BYTES = 1000 };
#define TRY_AGAIN_NS (1 * MF_NS_PER_S)
#define CREATING "The function is being created."

void mf_deploy_begin_create(json_t *row) {
  json_t *configuration = mf_row_configuration(row);
  mf_set_member(configuration, "State", "Pending");
  mf_set_member(configuration, "StateReason", CREATING);
  mf_set_member(configuration, "StateReasonCode", "Creating");
  mf_touch_configuration(row);
}

void mf_deploy_begin_update(json_t *row) {
  json_t *configuration = mf_row_configuration(row);
  mf_set_member(configuration, "LastUpdateStatus", "InProgress");
  mf_set_member(configuration, "LastUpdateStatusReason", CREATING);
  mf_set_member(configuration, "LastUpdateStatusReasonCode", "Creating");
  mf_touch_configuration(row);
}

void mf_deploy_remember_limits(json_t *row) {
  const json_t *configuration = mf_row_configuration(row);
  json_object_set_new(row, "rollback",
                      json_pack("{s:O,s:O,s:b,s:b}", "MemorySize", json_object_get(configuration, "MemorySize"), "Timeout",
                                json_object_get(configuration, "Timeout"), "memory_told", json_is_true(json_object_get(row, "memory_told")),
                                "timeout_told", json_is_true(json_object_get(row, "timeout_told"))));
}

static void roll_back_limits(json_t *row) {
  json_t *rollback = json_object_get(row, "rollback"), *configuration = mf_row_configuration(row);
  if (!rollback) return;
  json_object_set(configuration, "MemorySize", json_object_get(rollback, "MemorySize"));
  json_object_set(configuration, "Timeout", json_object_get(rollback, "Timeout"));
  json_object_set(row, "memory_told", json_object_get(rollback, "memory_told"));
  json_object_set(row, "timeout_told", json_object_get(rollback, "timeout_told"));
}

static void set_active(json_t *row) {
  json_t *configuration = mf_row_configuration(row);
  mf_set_member(configuration, "State", "Active");
  mf_set_member(configuration, "StateReason", NULL);
  mf_set_member(configuration, "StateReasonCode", NULL);
  mf_set_member(configuration, "LastUpdateStatus", "Successful");
  mf_set_member(configuration, "LastUpdateStatusReason", NULL);
  mf_set_member(configuration, "LastUpdateStatusReasonCode", NULL);
}

static void set_state_failed(json_t *row, const char *reason, const char *code) {
  json_t *configuration = mf_row_configuration(row);
  mf_set_member(configuration, "State", "Failed");
  mf_set_member(configuration, "StateReason", reason);
  mf_set_member(configuration, "StateReasonCode", code);
}

static void set_update_failed(json_t *row, const char *reason, const char *code) {
  json_t *configuration = mf_row_configuration(row);
  mf_set_member(configuration, "LastUpdateStatus", "Failed");
  mf_set_member(configuration, "LastUpdateStatusReason", reason);
  mf_set_member(configuration, "LastUpdateStatusReasonCode", code);
}

static bool is_state(const json_t *row, const char *member, const char *value) {
  return mf_member_is(mf_row_configuration(row), member, value);
}

// The flush timer is always set, so that setting it earlier needs no memory.
void mf_deploy_try_again(mf_lambda *lambda) {
  mf_error err;
  lambda->unfinished = true;
  if (!mf_loop_timer_set(lambda->env.loop, &lambda->flush, mf_now_ns() + TRY_AGAIN_NS, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
}

static void saved(void *context, const mf_error *err) {
  if (!err) return;
  mf_log(MF_LOG_ERROR, "a deployment cannot go on: %s", err->message);
  mf_deploy_try_again(context);
}

static void save(mf_lambda *lambda, const mf_row_change *changes, uint32_t n_changes, const mf_write *extra, uint32_t n_extra) {
  mf_error err;
  for (uint32_t i = 0; i < n_changes; i++) {
    mf_row_new_revision(changes[i].row);
    mf_touch_configuration(changes[i].row);
  }
  if (!mf_rows_save(&lambda->functions, changes, n_changes, extra, n_extra, saved, lambda, &err)) saved(lambda, &err);
}

// ---- configuration updates ----
static bool memory_suffices(const json_t *row, uint32_t needed, char *reason) {
  json_int_t memory = json_integer_value(json_object_get(mf_row_configuration(row), "MemorySize"));
  if (memory >= (json_int_t)needed) return true;
  snprintf(reason, REASON_BYTES, "MemorySize %d MB is too small: the model needs %u MB", (int)memory, needed);
  return false;
}

void mf_deploy_finish_update(mf_lambda *lambda, mf_str key) {
  json_t *row;
  mf_error err;
  char reason[REASON_BYTES];
  mf_json_begin();
  if (!mf_row_load(lambda->env.store, key, &row, &err)) saved(lambda, &err);
  if (!row) return;
  if (!json_object_get(row, "deploy") && is_state(row, "LastUpdateStatus", "InProgress")) {
    uint32_t needed = (uint32_t)json_integer_value(json_object_get(json_object_get(row, "image"), "memory_needed"));
    if (memory_suffices(row, needed, reason)) {
      json_t *configuration = mf_row_configuration(row);
      mf_set_member(configuration, "LastUpdateStatus", "Successful");
      mf_set_member(configuration, "LastUpdateStatusReason", NULL);
      mf_set_member(configuration, "LastUpdateStatusReasonCode", NULL);
    } else {
      set_update_failed(row, reason, "InvalidConfiguration");
      roll_back_limits(row);
    }
    json_object_del(row, "rollback");
    save(lambda, &(mf_row_change){key, row}, 1, NULL, 0);
  }
  json_decref(row);
}

// ---- compilation ----
typedef struct mf_compilation {
  struct mf_compilation *next, *previous;  // under way, in lambda->compilations
  mf_lambda *lambda;
  mf_blob_id package;
  bool rebuild;
  size_t key_len;
  char key[];
} compilation;

// The package that this row wants compiled: of an update under way, else its own.
static bool wanted_package(const json_t *row, mf_blob_id *id) {
  const json_t *deploy = json_object_get(row, "deploy");
  return mf_blob_id_parse(json_object_get(deploy ? deploy : row, "package"), id);
}

static void set_limits(json_t *row, const mf_lambda_compiled *result) {
  json_t *configuration = mf_row_configuration(row);
  if (!json_is_true(json_object_get(row, "memory_told"))) {
    uint32_t memory = result->memory_mb > 0 ? result->memory_mb : MF_MAX(result->memory_mb_needed, (uint32_t)DEFAULT_MEMORY);
    json_object_set_new(configuration, "MemorySize", json_integer((json_int_t)memory));
  }
  if (!json_is_true(json_object_get(row, "timeout_told"))) {
    uint32_t timeout = result->timeout_s > 0 ? result->timeout_s : DEFAULT_TIMEOUT;
    json_object_set_new(configuration, "Timeout", json_integer((json_int_t)timeout));
  }
}

static json_t *image_json(const mf_lambda *lambda, const mf_lambda_compiled *result) {
  return json_pack("{s:o,s:I,s:I,s:i,s:s}", "blob", mf_blob_id_json(&result->image), "bytes", (json_int_t)result->image_bytes, "arena_bytes",
                   (json_int_t)result->arena_bytes, "memory_needed", (int)result->memory_mb_needed, "built", lambda->env.built);
}

// false: `reason` says why the compiled image cannot be taken.
static bool accept(const mf_lambda *lambda, json_t *row, const mf_lambda_compiled *result, char *reason) {
  json_t *configuration = mf_row_configuration(row), *deploy = json_object_get(row, "deploy");
  json_t *memory = json_incref(json_object_get(configuration, "MemorySize")), *timeout = json_incref(json_object_get(configuration, "Timeout"));
  set_limits(row, result);
  bool ok = memory_suffices(row, result->memory_mb_needed, reason);
  if (ok && result->memory_mb_needed > MAX_MEMORY) {
    snprintf(reason, REASON_BYTES, "the model needs %u MB of memory, a function can have %d MB", result->memory_mb_needed, MAX_MEMORY);
    ok = false;
  }
  if (ok) {
    json_object_set_new(row, "image", image_json(lambda, result));
    if (deploy) json_object_set(row, "package", json_object_get(deploy, "package"));
    set_active(row);
  } else {
    json_object_set(configuration, "MemorySize", memory);
    json_object_set(configuration, "Timeout", timeout);
  }
  json_decref(memory);
  json_decref(timeout);
  return ok;
}

static void reject(json_t *row, const char *reason, const char *code, bool rebuild) {
  json_t *configuration = mf_row_configuration(row), *deploy = json_object_get(row, "deploy");
  if (deploy) {  // the code that serves is what it was
    set_update_failed(row, reason, code);
    roll_back_limits(row);
    json_object_set(configuration, "CodeSha256", json_object_get(deploy, "CodeSha256"));
    json_object_set(configuration, "CodeSize", json_object_get(deploy, "CodeSize"));
  }
  if (rebuild) json_object_del(row, "image");
  if (!json_object_get(row, "image")) set_state_failed(row, reason, code);
}

// The version that the function's row was to become: it is what that is now, or failed with it. version->row NULL: there is none (it may
// have been deleted meanwhile).
static bool end_publishing(const compilation *c, json_t *row, bool ok, const char *reason, const char *code, mf_arena *arena,
                           mf_row_change *version, mf_error *err) {
  const uint64_t number = mf_version_publishing(row);
  *version = (mf_row_change){0};
  if (number == 0) return true;
  version->key = mf_version_key(arena, (mf_str){c->key, c->key_len}, number);
  if (!version->key.data) return mf_fail(err, MF_OutOfMemory, "no memory for the version");
  if (!mf_row_load(c->lambda->env.store, version->key, &version->row, err)) return false;
  json_object_del(row, "publishing");
  if (version->row && ok) {
    json_decref(version->row);
    version->row = mf_version_row(row, number);
  } else if (version->row) {
    set_state_failed(version->row, reason, code);
  }
  return true;
}

static void apply(compilation *c, json_t *row, const mf_lambda_compiled *result) {
  mf_error err;
  char reason[REASON_BYTES];
  const char *code = result->reason_code ? result->reason_code : "InvalidZipFileException";
  mf_str key = {c->key, c->key_len};
  snprintf(reason, sizeof reason, "%s", result->reason ? result->reason : "");
  bool ok = result->ok && accept(c->lambda, row, result, reason);
  if (!ok) reject(row, reason, result->ok ? "InvalidConfiguration" : code, c->rebuild);
  json_object_del(row, "deploy");
  json_object_del(row, "rollback");
  mf_arena arena;
  mf_arena_init(&arena, 0);
  mf_row_change changes[MF_ROWS_AT_ONCE] = {{key, row}};
  const mf_write description = {MF_TABLE_descriptions, key, {result->description.data, result->description.len}};
  const bool describes = ok && result->description.len > 0 && !mf_lambda_is_version(key);
  if (end_publishing(c, row, ok, reason, code, &arena, &changes[1], &err))
    save(c->lambda, changes, changes[1].row ? 2 : 1, &description, describes ? 1 : 0);
  else
    saved(c->lambda, &err);
  json_decref(changes[1].row);
  mf_arena_deinit(&arena);
}

// The function may have been deleted, or made anew with another package, while the compiler ran.
static bool is_still_wanted(const compilation *c, const json_t *row) {
  mf_blob_id package;
  bool waits = is_state(row, "State", "Pending") || is_state(row, "LastUpdateStatus", "InProgress") || c->rebuild;
  return waits && wanted_package(row, &package) && memcmp(&package, &c->package, sizeof package) == 0;
}

static void take_out(compilation *c) {
  if (c->next) c->next->previous = c->previous;
  if (c->previous) c->previous->next = c->next;
  else c->lambda->compilations = c->next;
}

static void put_in(mf_lambda *lambda, compilation *c) {
  c->next = lambda->compilations;
  if (c->next) c->next->previous = c;
  lambda->compilations = c;
}

// A server that stops hears nothing more of them.
void mf_deploy_end(mf_lambda *lambda) {
  for (compilation *next, *c = lambda->compilations; c; c = next) {
    next = c->next;
    free(c);
  }
}

static void compiled(void *data, const mf_lambda_compiled *result) {
  compilation *c = data;
  json_t *row = NULL;
  mf_error err;
  mf_json_begin();
  take_out(c);
  if (c->rebuild) c->lambda->rebuilding--;
  c->lambda->compiling--;
  if (!mf_row_load(c->lambda->env.store, (mf_str){c->key, c->key_len}, &row, &err)) saved(c->lambda, &err);
  if (row && is_still_wanted(c, row)) apply(c, row, result);
  else if (result->ok) mf_garbage_add(c->lambda, &result->image);
  // A version's image is there again, or that of one that an alias has sent calls to while it was being published.
  if (row && result->ok && (mf_lambda_is_version((mf_str){c->key, c->key_len}) || json_object_get(row, "provisioned")))
    mf_provisioned_restore(c->lambda, (mf_str){c->key, c->key_len});
  json_decref(row);
  free(c);
}

static void start(mf_lambda *lambda, mf_str key, const mf_blob_id *package, bool rebuild) {
  mf_error err;
  compilation *c = malloc(sizeof *c + key.len);
  bool ok = c ? true : mf_fail(&err, MF_OutOfMemory, "no memory to compile");
  if (ok) {
    *c = (compilation){.lambda = lambda, .package = *package, .rebuild = rebuild, .key_len = key.len};
    memcpy(c->key, key.data, key.len);
    put_in(lambda, c);
    if (rebuild) lambda->rebuilding++;
    lambda->compiling++;
    ok = lambda->env.compile(lambda->env.context, package, compiled, c, &err);
    if (!ok) {
      const mf_lambda_compiled failed = {.reason = err.message, .reason_code = "InternalError"};
      compiled(c, &failed);
    }
  }
  if (!c) saved(lambda, &err);
  else if (!ok) mf_log(MF_LOG_ERROR, "function %.*s: %s", MF_STR_ARG(key), err.message);
}

void mf_deploy_compile(mf_lambda *lambda, mf_str key, const json_t *row) {
  mf_blob_id package;
  if (wanted_package(row, &package)) start(lambda, key, &package, false);
}

void mf_deploy_rebuild(mf_lambda *lambda, mf_lambda_entry *function) {
  json_t *row;
  mf_error err;
  mf_blob_id package;
  mf_str key = function->spec.key;
  function->stale = true;
  function->rebuilding = true;
  if (!mf_row_load(lambda->env.store, key, &row, &err) || !row) return;
  if (!json_object_get(row, "deploy") && wanted_package(row, &package)) start(lambda, key, &package, true);
  json_decref(row);
}
