// Making the service, routing to it, and what it does at start: functions that a stop left half-done go on.
#include "lambda.h"

#include <stdlib.h>

#include "deploy.h"
#include "garbage.h"

#define FLUSH_EVERY_NS (5 * MF_NS_PER_S)
enum { SCAN_ALL = INT32_MAX };

static bool go_on_with_all(mf_lambda *lambda, bool first_time, mf_error *err);

static void on_flush(mf_timer *timer) {
  mf_lambda *lambda = timer->data;
  mf_error err;
  const bool unfinished = lambda->unfinished;
  if (!mf_loop_timer_set(lambda->env.loop, timer, mf_now_ns() + FLUSH_EVERY_NS, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
  mf_lambda_cache_flush(&lambda->functions);
  mf_garbage_sweep(lambda);
  lambda->unfinished = false;
  if (unfinished && !go_on_with_all(lambda, false, &err)) mf_deploy_try_again(lambda);
}

mf_lambda *mf_lambda_create(const mf_lambda_env *env, mf_error *err) {
  if (!mf_json_watch(err)) return NULL;
  mf_lambda *lambda = calloc(1, sizeof *lambda);
  mf_operation_context *contexts = calloc(mf_n_operations, sizeof *contexts);
  if (!lambda || !contexts || !mf_name_patterns_init(&lambda->patterns)) {
    mf_fail(err, MF_OutOfMemory, "no memory for the Lambda service");
    free(lambda);
    free(contexts);
    return NULL;
  }
  lambda->env = *env;
  lambda->contexts = contexts;
  lambda->functions.store = env->store;
  lambda->functions.built = env->built;
  for (uint32_t i = 0; i < mf_n_operations; i++) contexts[i] = (mf_operation_context){lambda, &mf_operations[i]};
  mf_random(lambda->download_key, sizeof lambda->download_key);
  lambda->flush = (mf_timer){.fire = on_flush, .data = lambda};
  if (mf_loop_timer_set(env->loop, &lambda->flush, mf_now_ns() + FLUSH_EVERY_NS, err)) return lambda;
  mf_lambda_destroy(lambda);
  return NULL;
}

void mf_lambda_flush(mf_lambda *lambda) { mf_lambda_cache_flush(&lambda->functions); }
void mf_lambda_stop_waiting(mf_lambda *lambda) { mf_log_waits_end(lambda); }

void mf_lambda_destroy(mf_lambda *lambda) {
  if (!lambda) return;
  mf_log_waits_end(lambda);
  mf_loop_timer_cancel(lambda->env.loop, &lambda->flush);
  mf_lambda_cache_deinit(&lambda->functions);
  mf_invocations_free(lambda);
  mf_name_patterns_deinit(&lambda->patterns);
  free(lambda->garbage);
  free(lambda->contexts);
  free(lambda);
}

// ---- routing ----
static void unknown_operation(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  (void)context;
  mf_refuse(http, 404, "UnknownOperationException", "No operation of Lambda has this method and path: %.*s %.*s",
            MF_STR_ARG(mf_request_method(http)), (int)MF_MIN(mf_request_target(http).len, (size_t)300), mf_request_target(http).data);
}

static uint64_t body_limit(const mf_lambda *lambda, const mf_operation *operation) {
  if (operation->handle == mf_handle_Invoke) return MF_INVOKE_LIMIT;
  if (operation->handle != mf_handle_CreateFunction && operation->handle != mf_handle_UpdateFunctionCode) return MF_JSON_LIMIT;
  uint64_t package = lambda->env.max_package_bytes;
  return package > MF_DEFAULT_UNZIPPED ? MF_MAX(package / 3 * 4 + MF_JSON_LIMIT, (uint64_t)MF_CREATE_LIMIT) : MF_CREATE_LIMIT;
}

bool mf_lambda_route(mf_lambda *lambda, mf_http_request *http, mf_route_result *result) {
  mf_path_labels labels;
  if (mf_str_starts(mf_request_target(http), MF_STR("/_mayfly/"))) return mf_own_route(lambda, http, result);
  const mf_operation *operation = mf_operation_match(mf_request_method(http), mf_request_target(http), mf_request_query(http), &labels);
  if (!operation) {
    *result = (mf_route_result){.handle = unknown_operation, .context = lambda, .max_body_bytes = MF_JSON_LIMIT};
    return true;
  }
  bool is_invoke = operation->handle == mf_handle_Invoke;
  *result = (mf_route_result){.handle = is_invoke ? mf_invoke_handle : mf_operation_handle,
                              .context = &lambda->contexts[operation - mf_operations],
                              .max_body_bytes = body_limit(lambda, operation),
                              .too_large = is_invoke ? mf_invoke_too_large : mf_operation_too_large};
  return true;
}

// ---- start ----
typedef struct unfinished {
  struct unfinished *next;
  bool compile, rebuild;
  size_t key_len;
  char key[];
} unfinished;

typedef struct resumption {
  mf_lambda *lambda;
  unfinished *first;
  bool first_time, out_of_memory;  // first_time: the sums of regions are counted too
  bool versions;                   // it is the table of versions that is looked at
} resumption;

static bool text_is(const json_t *object, const char *member, const char *value) {
  const char *text = json_string_value(json_object_get(object, member));
  return text && strcmp(text, value) == 0;
}

static bool image_is_there(mf_lambda *lambda, const json_t *image) {
  mf_blob_id id;
  mf_error err;
  OWN_FD int fd = -1;
  return mf_blob_id_parse(json_object_get(image, "blob"), &id) && mf_store_blob_open(lambda->env.store, &id, &fd, &err);
}

// The key of a version as its row has it ("region/name:0000000007") becomes that of the calls ("region/name:7"); the new length.
static size_t without_zeros(char *key, size_t len) {
  const size_t at = len - MF_VERSION_DIGITS;
  size_t zeros = 0;
  while (key[at + zeros] == '0') zeros++;
  memmove(key + at, key + at + zeros, len - at - zeros);
  return len - zeros;
}

static bool look_at_row(void *context, mf_str key, mf_slice value) {
  resumption *r = context;
  const uint64_t failures = mf_json_failures();
  json_t *row = json_loadb(value.data, value.len, 0, NULL), *configuration = mf_row_configuration(row);
  if (mf_json_failures() != failures) r->out_of_memory = true;
  const json_t *image = json_object_get(row, "image");
  if (r->first_time) mf_regions_add(&r->lambda->functions.regions, key, mf_sums_of_row(row));
  bool pending = text_is(configuration, "State", "Pending"), in_progress = text_is(configuration, "LastUpdateStatus", "InProgress");
  bool stale = image && (!text_is(image, "built", r->lambda->env.built) || !image_is_there(r->lambda, image));
  bool compile = pending || (in_progress && json_object_get(row, "deploy"));
  json_decref(row);
  // A version that is Pending is ended by the compilation that its function waits for.
  if (r->versions ? pending || !stale : !pending && !in_progress && !stale) return true;
  unfinished *u = malloc(sizeof *u + key.len);
  if (!u) {
    r->out_of_memory = true;
    return false;
  }
  *u = (unfinished){.next = r->first, .compile = compile, .rebuild = stale && !compile, .key_len = key.len};
  memcpy(u->key, key.data, key.len);
  if (r->versions) u->key_len = without_zeros(u->key, key.len);
  r->first = u;
  return true;
}

static void go_on(mf_lambda *lambda, const unfinished *u) {
  json_t *row;
  mf_error err;
  mf_lambda_entry *function = NULL;
  mf_str key = {u->key, u->key_len};
  if (!mf_row_load(lambda->env.store, key, &row, &err)) mf_deploy_try_again(lambda);
  if (!row) return;
  if (u->compile) mf_deploy_compile(lambda, key, row);
  else mf_deploy_finish_update(lambda, key);
  if (u->rebuild && mf_lambda_entry_find(&lambda->functions, key, &function, &err) && function) mf_deploy_rebuild(lambda, function);
  json_decref(row);
}

static bool go_on_with_all(mf_lambda *lambda, bool first_time, mf_error *err) {
  resumption r = {.lambda = lambda, .first_time = first_time};
  bool ok = mf_store_scan(lambda->env.store, MF_TABLE_functions, MF_STR(""), MF_STR(""), SCAN_ALL, look_at_row, &r, err);
  r.versions = true;
  ok = ok && mf_store_scan(lambda->env.store, MF_TABLE_versions, MF_STR(""), MF_STR(""), SCAN_ALL, look_at_row, &r, err);
  if (ok && r.out_of_memory) ok = mf_fail(err, MF_OutOfMemory, "no memory for the functions that are to be compiled");
  while (r.first) {
    unfinished *u = r.first;
    r.first = u->next;
    if (ok) go_on(lambda, u);
    free(u);
  }
  return ok;
}

bool mf_lambda_resume(mf_lambda *lambda, mf_error *err) { return go_on_with_all(lambda, true, err); }

typedef struct blob_visit {
  void (*each)(void *context, const mf_blob_id *id);
  void *context;
} blob_visit;

static bool visit_row(void *context, mf_str key, mf_slice value) {
  (void)key;
  blob_visit *visit = context;
  mf_blob_id id;
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  const json_t *hex[] = {json_object_get(row, "package"), json_object_get(json_object_get(row, "deploy"), "package"),
                         json_object_get(json_object_get(row, "image"), "blob")};
  for (size_t i = 0; i < MF_COUNT(hex); i++)
    if (mf_blob_id_parse(hex[i], &id)) visit->each(visit->context, &id);
  json_decref(row);
  return true;
}

bool mf_lambda_blobs(mf_lambda *lambda, void (*each)(void *context, const mf_blob_id *id), void *context, mf_error *err) {
  blob_visit visit = {each, context};
  return mf_store_scan(lambda->env.store, MF_TABLE_functions, MF_STR(""), MF_STR(""), SCAN_ALL, visit_row, &visit, err) &&
         mf_store_scan(lambda->env.store, MF_TABLE_versions, MF_STR(""), MF_STR(""), SCAN_ALL, visit_row, &visit, err);
}
