// Provisioned concurrency: functions of which so many instances are kept. Each is made of a worker that was started for it, with low
// priority, one after the other; the pool is left to those who wait. It is bound without an invocation and answers once that it is ready.
// An instance that is pre-warmed, since a call is expected, is made in the same way, of one of the pool's.
//
// Whether an instance is one of those that are kept is decided whenever it becomes idle (pool.c), so that any of a function's will do.
#include <stdio.h>

#include "internal.h"

#define NEVER INT64_MAX
#define AGAIN_NS (1 * MF_NS_PER_S)      // workers cannot be started now
#define FIRST_FAILURE_NS (1 * MF_NS_PER_S)
#define WARM_LIMIT_NS (130 * MF_NS_PER_S)  // Lambda's for the initialisation of provisioned environments
enum { MOST_DOUBLINGS = 8 };

// ---- what is lacking ----

static bool lacks(const mf_function *function, int64_t now) {
  return function->n_kept + function->n_warming < function->provisioned && function->image_fd >= 0 && function->try_at_ns <= now;
}

static mf_function *first_lacking(const mf_host *host) {
  const int64_t now = mf_now_ns();
  mf_function *function = host->provisioned;
  while (function && !lacks(function, now)) function = function->next_provisioned;
  return function;
}

// The timer is always set, mostly to never, so that setting it needs no memory (see mf_host_soon).
static void set_timer(mf_host *host, int64_t at_ns) {
  mf_error err;
  if (!mf_loop_timer_set(host->loop, &host->provision, at_ns, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
}

void mf_provision_soon(mf_host *host) {
  if (host->provisioned && !host->draining) set_timer(host, mf_now_ns());
}

// The next time at which something may be lacking that is not now.
static int64_t next_try(const mf_host *host) {
  int64_t at = NEVER;
  for (const mf_function *function = host->provisioned; function; function = function->next_provisioned)
    if (function->n_kept + function->n_warming < function->provisioned) at = MF_MIN(at, function->try_at_ns);
  return at;
}

static void on_provision(mf_timer *timer) {
  mf_host *host = timer->data;
  mf_error err;
  mf_function *function = host->draining ? NULL : first_lacking(host);
  set_timer(host, function || host->draining ? NEVER : next_try(host));
  if (!function || host->n_for_provision > 0) return;  // one at a time; its arrival comes back here
  if (mf_pool_spawn_for_provision(host, function->arena_bytes, &err)) {
    host->n_for_provision++;
  } else {
    mf_log(MF_LOG_WARN, "provisioned concurrency of %.*s: %s", (int)function->key_len, function->key, err.message);
    set_timer(host, mf_now_ns() + AGAIN_NS);
  }
}

// ---- making one ----

static void failed(mf_host *host, mf_function *function, const char *reason) {
  mf_log(MF_LOG_WARN, "provisioned concurrency of %.*s: %s", (int)function->key_len, function->key, reason);
  const uint32_t doublings = MF_MIN(function->failures, (uint32_t)MOST_DOUBLINGS);
  function->failures++;
  function->try_at_ns = mf_now_ns() + (FIRST_FAILURE_NS << doublings);
  mf_provision_soon(host);
}

// One that was pre-warmed and is not ready leaves the next call as cold as it would have been.
static void end_failed(mf_host *host, mf_worker *worker, const char *reason) {
  mf_function *function = worker->function;
  const bool pre_warmed = worker->pre_warmed;
  mf_worker_end(host, worker);
  if (!pre_warmed) failed(host, function, reason);
}

void mf_provision_came(mf_host *host, bool alive) {
  host->n_for_provision--;
  if (host->provisioned && !host->draining) set_timer(host, mf_now_ns() + (alive ? 0 : AGAIN_NS));
}

static bool warm(mf_host *host, mf_worker *worker, mf_function *function, mf_error *err) {
  worker->warm_since_ns = mf_now_ns();
  mf_mailbox_ring_worker(&worker->mailbox, 0, false);
  if (!mf_dispatch_bind(host, worker, function, true, err)) return false;
  worker->state = MF_WORKER_WARMING;
  function->n_warming++;
  return mf_loop_timer_set(host->loop, &worker->keep_alive, worker->warm_since_ns + WARM_LIMIT_NS, err);
}

bool mf_provision_ready(mf_host *host, mf_worker *worker) {
  mf_error err;
  mf_function *function = host->draining ? NULL : first_lacking(host);
  if (!function) return false;
  if (warm(host, worker, function, &err)) {
    mf_provision_soon(host);
  } else {
    mf_worker_kill(host, worker);
    failed(host, function, err.message);
  }
  return true;
}

bool mf_host_pre_warm(mf_host *host, const mf_function_spec *spec, mf_error *err) {
  mf_function *function = host->draining ? NULL : mf_function_get(host, spec, err);
  if (!function) return host->draining;
  const bool is_there = function->n_idle > 0 || function->n_busy > 0 || function->in_flight > 0;
  mf_worker *worker = is_there ? NULL : mf_pool_take(host, function->arena_bytes);
  const bool done = !worker || warm(host, worker, function, err);
  if (worker) worker->pre_warmed = true;
  if (!done) mf_worker_kill(host, worker);
  mf_function_drop_unused(host, function);
  return done;
}

void mf_provision_answered(mf_host *host, mf_worker *worker) {
  mf_function *function = worker->function;
  mf_mail mail;
  char reason[300];
  worker->answers++;
  mf_loop_timer_cancel(host->loop, &worker->keep_alive);
  const bool valid = mf_mailbox_take(&worker->mailbox, &mail);
  if (!valid || mail.verdict != MF_VERDICT_ANSWER) {
    snprintf(reason, sizeof reason, "%.*s", valid ? (int)MF_MIN(mail.response.len, sizeof reason - 1) : 8,
             valid ? (const char *)mail.response.data : "nonsense");
    end_failed(host, worker, reason);
    return;
  }
  function->failures = 0;
  function->n_warming--;
  if (!worker->pre_warmed) worker->warm_ns = MF_MIN(MF_MAX(mail.ready_ns, worker->warm_since_ns), mf_now_ns()) - worker->warm_since_ns;
  worker->state = MF_WORKER_BUSY;  // as it is counted; without an invocation
  mf_worker_idle(host, worker);
  mf_provision_soon(host);
}

void mf_provision_died(mf_host *host, mf_worker *worker) {
  end_failed(host, worker, worker->exited ? "an instance died while it was made" : "an instance was not ready in time");
}

// ---- what is wanted ----

static void unlist(mf_host *host, mf_function *function) {
  mf_function **at = &host->provisioned;
  while (*at && *at != function) at = &(*at)->next_provisioned;
  if (*at) *at = function->next_provisioned;
  function->next_provisioned = NULL;
}

static void want(mf_host *host, mf_function *function, uint32_t instances) {
  unlist(host, function);
  function->group->group_provisioned += instances - function->provisioned;
  function->provisioned = instances;
  function->failures = 0;
  function->try_at_ns = 0;
  if (instances == 0) return;
  function->next_provisioned = host->provisioned;
  host->provisioned = function;
}

static mf_worker *misplaced(const mf_function *function) {
  mf_worker *worker = function->idle;
  while (worker && !(worker->kept ? function->n_kept > function->provisioned : function->n_kept < function->provisioned)) worker = worker->next;
  return worker;
}

// The idle ones: those that are too many are like others from now on, and others become what is lacking.
static void adjust(mf_host *host, mf_function *function) {
  for (mf_worker *worker; (worker = misplaced(function));) {
    if (worker->kept) mf_worker_release(host, worker);
    else mf_worker_keep(host, worker);
  }
}

void mf_provision_end(mf_host *host, mf_function *function) {
  if (function->provisioned == 0) return;
  want(host, function, 0);
  adjust(host, function);
}

void mf_provision_stop(mf_host *host) {
  while (host->provisioned) {
    mf_function *function = host->provisioned;
    want(host, function, 0);
    while (function->idle) mf_worker_kill(host, function->idle);
    mf_function_drop_unused(host, function);
  }
}

bool mf_host_provision(mf_host *host, const mf_function_spec *spec, uint32_t instances, mf_error *err) {
  mf_function *function = instances > 0 ? mf_function_get(host, spec, err) : mf_function_find(host, spec->key);
  if (!function) return instances == 0;
  want(host, function, instances);
  adjust(host, function);
  mf_provision_soon(host);
  mf_function_drop_unused(host, function);
  return true;
}

void mf_host_provisioned(const mf_host *host, mf_str key, uint32_t *ready, bool *has_failed) {
  const mf_function *function = mf_function_find(host, key);
  *ready = function ? MF_MIN(function->n_kept, function->provisioned) : 0;
  *has_failed = function && function->failures > 0;
}

bool mf_provision_init(mf_host *host, mf_error *err) {
  host->provision = (mf_timer){.fire = on_provision, .data = host};
  return mf_loop_timer_set(host->loop, &host->provision, NEVER, err);
}
