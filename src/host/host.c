// The host in front: made once, listens to the keeper, counts, drains. What it is made of is in internal.h.
#include "host.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "internal.h"

// ---- the keeper's messages ----

bool mf_host_send(mf_host *host, const mf_message *message, const int *fds, mf_error *err) {
  return mf_message_send(host->keeper.fd, message, fds, err);
}

static void take_stop(mf_host *host) {
  host->stop_asked = true;
  mf_host_soon(host);
}

static void take(mf_host *host, const mf_message *message, int *fd) {
  switch (message->kind) {
    case MF_MESSAGE_SPAWNED:
      if (!mf_compile_spawned(host, &message->spawned, fd)) mf_pool_spawned(host, &message->spawned, fd);
      break;
    case MF_MESSAGE_REFUSED:
      if (!mf_compile_refused(host, &message->refused)) mf_pool_refused(host, &message->refused);
      break;
    case MF_MESSAGE_EXITED:
      if (!mf_compile_exited(host, &message->exited)) mf_pool_exited(host, &message->exited);
      break;
    case MF_MESSAGE_STOP: take_stop(host); break;
    default: break;
  }
}

static void on_keeper(mf_watch *watch, uint32_t events) {
  (void)events;
  mf_host *host = watch->data;
  for (int budget = 32; budget > 0; budget--) {
    mf_message message;
    int fds[MF_MESSAGE_MAX_FDS] = {-1, -1, -1};
    mf_error err;
    const mf_received received = mf_message_receive(watch->fd, MF_SIDE_FRONT, &message, fds, &err);
    if (received == MF_RECEIVED_NOTHING) return;
    if (received != MF_RECEIVED) {  // without a keeper there are no workers, and nobody to report to
      mf_log(MF_LOG_ERROR, "the keeper is gone%s%s", received == MF_RECEIVED_WRONG ? ": " : "", received == MF_RECEIVED_WRONG ? err.message : "");
      _exit(1);
    }
    take(host, &message, &fds[0]);
    mf_close(&fds[0]);
  }
}

void mf_host_on_stop(mf_host *host, void (*stop)(void *context), void *context) {
  host->stop = stop;
  host->stop_context = context;
  if (host->stop_asked) mf_host_soon(host);
}

void mf_host_answered(mf_host *host) {
  mf_error err;
  if (!host->answered) host->answered = mf_host_send(host, &(mf_message){.kind = MF_MESSAGE_ANSWERED}, NULL, &err);
}

// ---- life ----

// The timer of what happens soon is always set, mostly to never: so it has its place in the loop, and needs no memory when memory is
// what lacks and somebody has to be told so.
#define NEVER INT64_MAX

static bool set_soon(mf_host *host, int64_t deadline_ns, mf_error *err) { return mf_loop_timer_set(host->loop, &host->soon, deadline_ns, err); }

void mf_host_soon(mf_host *host) {
  mf_error err;
  if (host->soon.deadline_ns == NEVER && !set_soon(host, 0, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
}

static void on_soon(mf_timer *timer) {
  mf_host *host = timer->data;
  mf_error err;
  if (!set_soon(host, NEVER, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);  // before anything else: its place is free now
  if (host->stop && host->stop_asked) {
    void (*stop)(void *context) = host->stop;
    host->stop = NULL;
    stop(host->stop_context);
  }
  mf_compile_settle(host);
  mf_dispatch_settle(host);
}

static uint32_t processors(void) {
  const long n = sysconf(_SC_NPROCESSORS_ONLN);
  return n > 0 ? (uint32_t)n : 1;
}

mf_host *mf_host_create(mf_loop *loop, int keeper_socket, const mf_host_options *options, mf_error *err) {
  mf_host *host = calloc(1, sizeof *host);
  if (!host) {
    mf_fail(err, MF_OutOfMemory, "no memory for the function host");
    return NULL;
  }
  host->loop = loop;
  host->options = *options;
  host->may_background = mf_host_may_background();
  if (host->options.max_workers == 0) host->options.max_workers = UINT32_MAX;
  host->slots = MF_MIN(options->run_slots ? options->run_slots : processors(), (uint32_t)MF_HOST_MAX_SLOTS);
  host->keeper = (mf_watch){.fd = keeper_socket, .ready = on_keeper, .data = host};
  host->soon = (mf_timer){.fire = on_soon, .data = host};
  if (!mf_loop_add(loop, &host->keeper, EPOLLIN, err)) {
    free(host);
    return NULL;
  }
  if (set_soon(host, NEVER, err) && mf_pool_init(host, err) && mf_provision_init(host, err) && mf_histories_init(host, err)) return host;
  mf_host_destroy(host);
  return NULL;
}

void mf_host_destroy(mf_host *host) {
  if (!host) return;
  mf_loop_remove(host->loop, &host->keeper);
  mf_loop_timer_cancel(host->loop, &host->soon);
  mf_loop_timer_cancel(host->loop, &host->provision);
  mf_compile_stop(host);
  mf_pool_deinit(host);
  mf_functions_deinit(host);
  mf_histories_deinit(host);
  mf_dispatch_deinit(host);
  free(host);
}

// ---- draining ----

void mf_host_check_drained(mf_host *host) {
  if (!host->draining || !host->drained || host->in_flight > 0 || host->deferred.first || host->n_compiling > 0) return;
  void (*drained)(void *context) = host->drained;
  host->drained = NULL;
  drained(host->drained_context);
}

void mf_host_drain(mf_host *host, void (*done)(void *context), void *context) {
  host->draining = true;
  host->drained = done;
  host->drained_context = context;
  mf_loop_timer_cancel(host->loop, &host->refill);
  mf_provision_stop(host);
  mf_pool_end_all_idle(host);
  mf_compile_stop(host);
  mf_host_soon(host);
}

// ---- numbers ----

void mf_host_statistics(const mf_host *host, mf_host_stats *stats) {
  *stats = (mf_host_stats){.instances_idle = host->n_idle,
                           .instances_busy = host->n_busy,
                           .queued = host->n_queued,
                           .compiling = host->n_compiling + host->n_compile_waiting};
  for (uint32_t i = 0; i < MF_POOL_CLASSES; i++) {
    stats->blank_workers += host->classes[i].n_blank;
    stats->pool_bytes += host->classes[i].n_blank * mf_pool_class_bytes[i];
  }
  for (const mf_function *function = host->provisioned; function; function = function->next_provisioned) {
    stats->provisioned += function->provisioned;
    stats->provisioned_ready += MF_MIN(function->n_kept, function->provisioned);
    stats->provisioned_calls += function->n_provisioned_calls;
  }
}

void mf_host_function_statistics(const mf_host *host, mf_str key, uint32_t *idle, uint32_t *busy, uint32_t *queued) {
  const mf_function *function = mf_function_find(host, key);
  *idle = function ? function->n_idle : 0;
  *busy = function ? function->n_busy : 0;
  *queued = function ? function->n_queued : 0;
  for (const mf_function *version = function ? function->versions : NULL; version; version = version->next_version) {
    *idle += version->n_idle;
    *busy += version->n_busy;
    *queued += version->n_queued;
  }
}
