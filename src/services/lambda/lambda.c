// Making the service, and routing to it.
#include "lambda.h"

#include <stdlib.h>

#include "days.h"
#include "asynchronous.h"
#include "deploy.h"
#include "garbage.h"
#include "provisioned.h"
#include "qualifier.h"

#define FLUSH_EVERY_NS (5 * MF_NS_PER_S)

static void on_flush(mf_timer *timer) {
  mf_lambda *lambda = timer->data;
  mf_error err;
  const bool unfinished = lambda->unfinished;
  if (!mf_loop_timer_set(lambda->env.loop, timer, mf_now_ns() + FLUSH_EVERY_NS, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
  mf_lambda_cache_flush(&lambda->functions);
  mf_garbage_sweep(lambda);
  mf_days_sweep(lambda);
  lambda->unfinished = false;
  if (unfinished && (!mf_resume_unfinished(lambda, &err) || !mf_provisioned_restore_all(lambda, &err))) mf_deploy_try_again(lambda);
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
  lambda->functions.events = env->events;
  lambda->functions.built = env->built;
  for (uint32_t i = 0; i < mf_n_operations; i++) contexts[i] = (mf_operation_context){lambda, &mf_operations[i]};
  mf_random(lambda->download_key, sizeof lambda->download_key);
  const mf_event_runner runner = mf_event_runner_of(lambda);
  mf_events_attach(env->events, &runner);
  lambda->flush = (mf_timer){.fire = on_flush, .data = lambda};
  if (mf_loop_timer_set(env->loop, &lambda->flush, mf_now_ns() + FLUSH_EVERY_NS, err)) return lambda;
  mf_lambda_destroy(lambda);
  return NULL;
}

void mf_lambda_flush(mf_lambda *lambda) {
  lambda->functions.closing = true;
  mf_lambda_cache_flush(&lambda->functions);
}
void mf_lambda_metrics(const mf_lambda *lambda, mf_buf *out) { mf_metrics_write(&lambda->metrics, out); }
void mf_lambda_stop_waiting(mf_lambda *lambda) { mf_log_waits_end(lambda); }

void mf_lambda_destroy(mf_lambda *lambda) {
  if (!lambda) return;
  mf_log_waits_end(lambda);
  mf_deploy_end(lambda);
  mf_loop_timer_cancel(lambda->env.loop, &lambda->flush);
  mf_loop_timer_cancel(lambda->env.loop, &lambda->walk.timer);
  mf_lambda_cache_deinit(&lambda->functions);
  mf_metrics_deinit(&lambda->metrics);
  mf_invocations_free(lambda);
  mf_event_configs_free(lambda);
  mf_kept_routes_free(lambda);
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
  if (operation->handle == mf_handle_Invoke || operation->handle == mf_handle_InvokeAsync) return MF_INVOKE_LIMIT;
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
