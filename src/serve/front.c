// front: everything that speaks HTTP, looks after functions and their state, and tells the keeper what to fork. One loop, one thread
// (the store has its own for what blocks).
//
// Stopping in order: no new connections; what is asked is answered; what runs finishes; everything is on disk; then the loop ends.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "internal.h"

#define STOP_POLL_NS (5 * MF_NS_PER_MS)
#define STOP_LIMIT_NS (30 * MF_NS_PER_S)   // for clients that do not take their answers
#define COLLECT_EVERY_NS (3600 * MF_NS_PER_S)
enum { MAX_CONNECTIONS = 8192, IDLE_SECONDS = 75, ACCOUNT_CONCURRENCY = 1000, OTHER_DESCRIPTORS = 320, UNVERIFIED_PACKAGES = 4 };

typedef struct mf_front {
  const mf_front_setup *setup;
  mf_loop *loop;
  mf_store *store;
  mf_host *host;
  mf_serve_keys *keys;
  mf_serve_services *services;
  mf_serve_images *images;
  mf_serve_invoker *invoker;
  mf_events *events;
  mf_lambda *lambda;
  mf_wire *wire;
  mf_timer stop_timer, collect_timer;
  int64_t stop_deadline_ns, started_ns;
  bool drained;
} front;

// ---- what the Lambda service needs of the others ----
static void invoke(void *context, const mf_lambda_function *function, mf_lambda_call *call) {
  mf_serve_invoke(((front *)context)->invoker, function, call);
}
static void release(void *context, mf_lambda_call *call) { mf_serve_release(((front *)context)->invoker, call); }
static void cancel(void *context, mf_lambda_call *call) { mf_serve_cancel(((front *)context)->invoker, call); }
static bool compile(void *context, const mf_blob_id *package, void (*done)(void *data, const mf_lambda_compiled *result), void *data,
                    mf_error *err) {
  return mf_serve_images_compile(((front *)context)->images, package, done, data, err);
}
static void forget(void *context, mf_str key) {
  mf_host_forget(((front *)context)->host, key);
  mf_serve_forget_history(((front *)context)->store, key);
}
static bool provision(void *context, const mf_lambda_function *function, uint32_t n, mf_error *err) {
  return mf_serve_provision(((front *)context)->invoker, function, n, err);
}
static bool pre_warm(void *context, const mf_lambda_function *function, mf_error *err) {
  return mf_serve_pre_warm(((front *)context)->invoker, function, err);
}
static void expected(void *context, mf_str key) {
  if (((front *)context)->lambda) mf_lambda_expected(((front *)context)->lambda, key);
}
static void provisioned(void *context, mf_str key, uint32_t *ready, bool *failed) {
  mf_host_provisioned(((front *)context)->host, key, ready, failed);
}
static void instances(void *context, mf_str key, uint32_t *idle, uint32_t *busy, uint32_t *queued) {
  mf_host_function_statistics(((front *)context)->host, key, idle, busy, queued);
}

static void write_log(void *context, mf_str region, mf_str group, mf_str text) {
  mf_serve_services_log(((front *)context)->services, region, group, text);
}

// ---- what the HTTP server needs ----
static void health(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  front *f = context;
  static const mf_header type = {"Content-Type", {"application/json", 16}};
  mf_host_stats stats;
  char text[400];
  mf_host_statistics(f->host, &stats);
  int len = snprintf(text, sizeof text,
                     "{\"status\":\"ok\",\"version\":\"%s\",\"pid\":%ld,\"instances_idle\":%u,\"instances_busy\":%u,\"blank_workers\":%u,"
                     "\"queued\":%u,\"compiling\":%u,\"pool_bytes\":%llu}\n",
                     MF_VERSION, (long)getpid(), stats.instances_idle, stats.instances_busy, stats.blank_workers, stats.queued,
                     stats.compiling, (unsigned long long)stats.pool_bytes);
  mf_respond(http, 200, &type, 1, (mf_slice){text, (size_t)len}, NULL, NULL);
}

static void metrics(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)principal;
  const front *f = context;
  const mf_serve_metrics_sources sources = {f->lambda, f->host, f->events, ACCOUNT_CONCURRENCY, f->started_ns};
  mf_serve_metrics(http, &sources);
}

// Mayfly's own paths are Lambda's alone, whatever else a signature may be for.
static bool route_own(front *f, mf_http_request *http, mf_route_result *result) {
  const bool keys = mf_str_starts(mf_request_target(http), MF_STR("/_mayfly/keys"));
  const bool found = keys ? mf_serve_keys_route(f->keys, http, result) : mf_lambda_route(f->lambda, http, result);
  if (found) result->service = "lambda";
  return found;
}

static bool route(void *context, mf_http_request *http, mf_str service, mf_route_result *result) {
  front *f = context;
  mf_str target = mf_request_target(http);
  mf_str method = mf_request_method(http);
  if (mf_lambda_url_route(f->lambda, http, service, result)) return true;
  const bool reads = mf_str_is(method, "GET") || mf_str_is(method, "HEAD");
  if (mf_str_is(target, "/healthz") && reads) {
    *result = (mf_route_result){.handle = health, .context = f, .anonymous = true};
    return true;
  }
  if (mf_str_is(target, "/metrics") && reads) {  // names of functions are for nobody but this machine's users
    *result = (mf_route_result){.handle = metrics, .context = f, .anonymous = f->setup->listening->loopback};
    return true;
  }
  if (mf_str_starts(target, MF_STR("/_mayfly/"))) return route_own(f, http, result);
  if (mf_str_is(service, "lambda")) return mf_lambda_route(f->lambda, http, result);
  return mf_serve_services_route(f->services, http, service, result) || mf_lambda_route(f->lambda, http, result);
}

static mf_key_verdict secret(void *context, mf_str access_key, mf_str session_token, mf_arena *arena, mf_str *out) {
  return mf_serve_keys_secret(((front *)context)->keys, access_key, session_token, arena, out);
}
static bool temporary(void *context, int *fd, mf_error *err) { return mf_store_temporary(((front *)context)->store, fd, err); }
static uint64_t room(void *context) { return mf_store_room(((front *)context)->store); }

// ---- stopping ----
static void on_drained(void *context) { ((front *)context)->drained = true; }

static void on_stop_timer(mf_timer *timer) {
  front *f = timer->data;
  mf_error err;
  bool late = mf_now_ns() > f->stop_deadline_ns;
  mf_lambda_stop_waiting(f->lambda);
  if ((f->drained && mf_wire_requests(f->wire) == 0) || late) {
    if (late) mf_log(MF_LOG_WARN, "stopping although %u requests are not finished", mf_wire_requests(f->wire));
    mf_loop_stop(f->loop);
  } else if (!mf_loop_timer_set(f->loop, timer, mf_now_ns() + STOP_POLL_NS, &err)) {
    mf_loop_stop(f->loop);
  }
}

// Invocations may last 15 minutes, and they finish: the limit is for answers that nobody takes, and counts from when nothing runs.
static void on_all_done(void *context) {
  front *f = context;
  f->stop_deadline_ns = mf_now_ns() + STOP_LIMIT_NS;
  on_drained(f);
}

static void stop(void *context) {
  front *f = context;
  mf_log(MF_LOG_INFO, "stopping: what runs finishes first");
  mf_serve_images_stop(f->images);
  mf_wire_stop_accepting(f->wire);
  mf_events_stop(f->events);
  f->stop_deadline_ns = INT64_MAX;
  mf_host_drain(f->host, on_all_done, f);
  on_stop_timer(&f->stop_timer);
}

// ---- starting ----
static void raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Half of the descriptors stay for everything else; which of the connections go when they are many is for wire to say.
static uint32_t most_connections(void) {
  struct rlimit limit;
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < MAX_CONNECTIONS ? (uint32_t)limit.rlim_cur / 2 : MAX_CONNECTIONS;
}

// What connections leave, without what files and logs need; a worker costs three.
static uint32_t most_workers(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return 0;
  const uint64_t left = limit.rlim_cur - most_connections();
  return (uint32_t)MF_MIN((left - MF_MIN(left / 2, (uint64_t)OTHER_DESCRIPTORS)) / 3, (uint64_t)UINT32_MAX);
}

static bool make_host(front *f, int keeper_socket, mf_isa isa, mf_error *err) {
  const mf_serve_options *o = f->setup->options;
  const mf_host_options options = {.run_slots = o->run_slots, .pool_bytes = o->pool_bytes, .keep_alive_ns = o->keep_alive_ns,
                                   .max_concurrency = ACCOUNT_CONCURRENCY, .max_workers = most_workers(), .isa = isa,
                                   .histories = mf_serve_history_keeper(f->store), .expected = expected, .context = f,
                                   .minute_ns = o->keep_alive_scale < 1 ? (int64_t)(o->keep_alive_scale * (double)MF_POLICY_BIN_NS) : 0};
  const mf_package_options package = {.isa = isa, .max_unzipped_bytes = o->max_package_bytes};
  return (f->host = mf_host_create(f->loop, keeper_socket, &options, err)) &&
         (f->images = mf_serve_images_create(f->store, f->host, &package, err)) &&
         (f->invoker = mf_serve_invoker_create(f->store, f->host, err));
}

static bool make_events(front *f, mf_error *err) {
  const mf_serve_options *o = f->setup->options;
  const long processors = sysconf(_SC_NPROCESSORS_ONLN);
  const mf_events_options options = {.slots = o->run_slots ? o->run_slots : (uint32_t)MF_MIN(MF_MAX(processors, 1), MF_HOST_MAX_SLOTS),
                                     .beside = !mf_host_may_background(), .retry_scale = o->retry_scale};
  return (f->events = mf_events_create(f->store, f->loop, &options, err)) != NULL;
}

static bool make_lambda(front *f, mf_error *err) {
  const mf_lambda_env env = {.store = f->store, .events = f->events, .loop = f->loop, .max_package_bytes = f->setup->options->max_package_bytes,
                             .account_concurrency = ACCOUNT_CONCURRENCY, .built = mf_serve_images_built(f->images),
                             .scheme = f->setup->certificate_pem ? "https" : "http",
                             .invoke = invoke, .release = release, .cancel = cancel, .compile = compile, .forget = forget,
                             .log = write_log, .provision = provision, .pre_warm = pre_warm, .provisioned = provisioned, .instances = instances, .context = f};
  return (f->lambda = mf_lambda_create(&env, err)) && mf_lambda_resume(f->lambda, err) && mf_events_resume(f->events, err);
}

static bool make_wire(front *f, mf_error *err) {
  const mf_wire_options options = {.listen_fd = dup(f->setup->listening->fd), .listen_host = f->setup->options->host,
                                   .tls_certificate_pem = f->setup->certificate_pem, .tls_key_pem = f->setup->key_pem,
                                   .max_connections = most_connections(), .max_connections_per_peer = most_connections() / 4 * 3,
                                   .max_unverified_bytes = UNVERIFIED_PACKAGES * f->setup->options->max_package_bytes,
                                   .idle_timeout_s = IDLE_SECONDS};
  const mf_wire_handlers handlers = {.route = route, .secret = secret, .temporary = temporary, .room = room, .context = f};
  if (options.listen_fd < 0) return mf_fail_errno(err, "cannot keep the listening socket");
  return (f->wire = mf_wire_create(f->loop, &options, &handlers, err)) != NULL;
}

static void on_collect(mf_timer *timer) {
  front *f = timer->data;
  mf_error err;
  if (!mf_serve_images_collect(f->images, f->lambda, &err) || !mf_loop_timer_set(f->loop, timer, mf_now_ns() + COLLECT_EVERY_NS, &err))
    mf_log(MF_LOG_ERROR, "%s", err.message);
}

// The endpoint's file is what clients wait for: from now on they are answered.
static bool announce(front *f, mf_error *err) {
  const mf_serve_options *o = f->setup->options;
  char line[320];
  int len = snprintf(line, sizeof line, "%s\n", f->setup->listening->endpoint);
  if (!mf_store_write_file(f->store, "endpoint", (mf_str){line, (size_t)len}, err)) return false;
  if (*f->setup->said) {
    mf_log(MF_LOG_WARN, "started again, serving %s", f->setup->listening->endpoint);
    return true;
  }
  *f->setup->said = true;
  mf_buf lacks = {0};
  mf_sandbox_lacks(&lacks);
  mf_log(MF_LOG_INFO, "serving %s", f->setup->listening->endpoint);
  mf_log(MF_LOG_INFO, "data in %s; use another shell, and there:  eval \"$(mayfly env --data %s)\"", o->data, o->data);
  for (char *line_at = lacks.len ? lacks.data : NULL, *end; line_at && line_at < lacks.data + lacks.len; line_at = end + 1) {
    end = memchr(line_at, '\n', (size_t)(lacks.data + lacks.len - line_at));
    if (!end) end = lacks.data + lacks.len;
    if (end > line_at) mf_log(MF_LOG_WARN, "sandbox: %.*s", (int)(end - line_at), line_at);
  }
  mf_buf_deinit(&lacks);
  return true;
}

static bool start(front *f, int keeper_socket, mf_error *err) {
  mf_isa isa;
  if (!mf_isa_detect(&isa, err)) return false;
  if (!(f->loop = mf_loop_create(err)) || !(f->store = mf_store_open(f->setup->options->data, f->loop, err))) return false;
  if (!make_host(f, keeper_socket, isa, err) || !(f->keys = mf_serve_keys_open(f->store, err))) return false;
  if (!(f->services = mf_serve_services_create(f->store, f->keys, err)) || !make_events(f, err)) return false;
  if (!make_lambda(f, err) || !make_wire(f, err)) return false;
  f->stop_timer = (mf_timer){.fire = on_stop_timer, .data = f};
  f->collect_timer = (mf_timer){.fire = on_collect, .data = f};
  mf_host_on_stop(f->host, stop, f);
  return mf_loop_timer_set(f->loop, &f->collect_timer, mf_now_ns() + MF_NS_PER_S, err) && announce(f, err);
}

mf_loop *mf_front_loop(const mf_front *f) { return f->loop; }

mf_front *mf_front_open(const mf_front_setup *setup, int keeper_socket, mf_error *err) {
  front *f = calloc(1, sizeof *f);
  if (!f) {
    mf_fail(err, MF_OutOfMemory, "no memory for the front");
    return NULL;
  }
  *f = (front){.setup = setup, .started_ns = mf_wall_ns()};
  if (start(f, keeper_socket, err)) return f;
  mf_front_close(f);
  return NULL;
}

// The store's last callbacks belong to the service, so the service goes after the store; its counters are written before.
void mf_front_close(mf_front *f) {
  if (!f) return;
  if (f->images) mf_serve_images_stop(f->images);
  if (f->events) mf_events_stop(f->events);
  if (f->lambda) mf_lambda_flush(f->lambda);
  if (f->events) mf_events_flush(f->events);
  mf_wire_destroy(f->wire);
  if (f->store) mf_store_wait(f->store);  // what clients that are gone have asked for still wants to tell the host
  mf_host_destroy(f->host);
  mf_store_close(f->store);
  mf_lambda_destroy(f->lambda);
  mf_serve_services_destroy(f->services);
  mf_events_destroy(f->events);
  mf_serve_keys_close(f->keys);
  mf_serve_images_destroy(f->images);
  mf_serve_invoker_destroy(f->invoker);
  if (f->loop) {
    mf_loop_timer_cancel(f->loop, &f->stop_timer);
    mf_loop_timer_cancel(f->loop, &f->collect_timer);
    mf_loop_destroy(f->loop);
  }
  free(f);
}

static void remove_endpoint(const char *data) {
  char path[4200];
  snprintf(path, sizeof path, "%s/endpoint", data);
  unlink(path);
}

int mf_front_main(void *context, int keeper_socket) {
  const mf_front_setup *setup = context;
  mf_error err;
  raise_descriptor_limit();
  signal(SIGPIPE, SIG_IGN);
  front *f = mf_front_open(setup, keeper_socket, &err);
  const bool ok = f && mf_loop_run(f->loop, &err);
  if (!ok) mf_log(MF_LOG_ERROR, "%s", err.message);
  mf_front_close(f);
  if (ok) remove_endpoint(setup->options->data);
  return ok ? 0 : 1;
}
