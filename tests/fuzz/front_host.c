// In the place of the host: what serve asks of it, answered on the next turn of the loop. Packages
// "compile" to images that say nothing; invocations come to what world_hosting says.
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "front_world.h"

typedef struct job {
  mf_timer timer;
  struct job *next;
  mf_invocation *invocation;  // or a compilation:
  mf_compile_done *done;
  void *context;
  char kind;  // what stands behind the zip's end record: 'b' bad, 'm' much memory
} job;

typedef struct provision {
  struct provision *next;
  uint32_t instances;
  size_t key_len;
  char key[];
} provision;

struct mf_host {
  mf_loop *loop;
  job *jobs;
  provision *provisions;
  void (*stop)(void *context);
  void *stop_context;
  mf_timer stop_timer;
  void (*drained)(void *context);
  void *drain_context;
};

world_host world_hosting;
static mf_host *the_host;

mf_host *mf_host_create(mf_loop *loop, int keeper_socket, const mf_host_options *options,
                        mf_error *err) {
  (void)keeper_socket, (void)options, (void)err;
  the_host = calloc(1, sizeof *the_host);
  the_host->loop = loop;
  return the_host;
}

// ---- jobs ----
static void look_for_end(mf_host *host) {
  if (host->jobs || !host->drained) return;
  void (*drained)(void *context) = host->drained;
  host->drained = NULL;
  drained(host->drain_context);
}

static void take_out(mf_host *host, job *j) {
  job **at = &host->jobs;
  while (*at != j) at = &(*at)->next;
  *at = j->next;
}

static job *add(mf_host *host, void (*fire)(mf_timer *timer)) {
  mf_error err;
  job *j = calloc(1, sizeof *j);
  j->timer = (mf_timer){.fire = fire, .data = j};
  j->next = host->jobs;
  host->jobs = j;
  if (!mf_loop_timer_set(host->loop, &j->timer, 0, &err)) abort();
  return j;
}

// ---- invocations ----
static void on_invoked(mf_timer *timer) {
  job *j = timer->data;
  mf_host *host = the_host;
  mf_invocation *i = j->invocation;
  take_out(host, j);
  free(j);
  world_hosting.failed |= i->outcome == MF_OUTCOME_FAILED;
  i->done(i);
  look_for_end(host);
}

static void set_outcome(mf_invocation *i) {
  static const char answer[] = "{\"class\":\"tabby\",\"score\":0.75}",
                    error[] = "{\"errorType\":\"InvalidInput\",\"errorMessage\":\"no picture\"}";
  i->outcome = (mf_outcome)(world_hosting.outcome % (MF_OUTCOME_FAILED + 1));
  i->duration_ns = 2 * MF_NS_PER_MS;
  i->init_ns = MF_NS_PER_MS;
  i->cold = world_hosting.outcome & 128;
  i->max_memory_bytes = 40 << 20;
  const mf_str said =
      i->outcome == MF_OUTCOME_FUNCTION_ERROR ? mf_str_from(error) : mf_str_from(answer);
  i->response = world_hosting.response.len > 0
                    ? (mf_slice){world_hosting.response.data, world_hosting.response.len}
                    : (mf_slice){said.data, said.len};
  i->throttle_reason = "ConcurrentInvocationLimitExceeded";
  i->signal = i->outcome == MF_OUTCOME_EXITED ? 9 : 0;
  if (i->outcome == MF_OUTCOME_FAILED)
    i->error = (mf_error){.code = MF_Unavailable, .message = "no worker"};
}

void mf_host_invoke(mf_host *host, const mf_function_spec *function, mf_invocation *i) {
  int fd = -1;
  set_outcome(i);
  if (!function->open_image(function->context, &fd, &i->error))
    world_fail("the image of %.*s: %s", MF_STR_ARG(function->key), i->error.message);
  close(fd);
  add(host, on_invoked)->invocation = i;
}

void mf_host_release(mf_host *host, mf_invocation *i) { (void)host, (void)i; }

void mf_host_cancel(mf_host *host, mf_invocation *i) {
  for (job *j = host->jobs; j; j = j->next)
    if (j->invocation == i)
      i->outcome = MF_OUTCOME_FAILED,
      i->error = (mf_error){.code = MF_Unavailable, .message = "the client is gone"};
}

// ---- compilations ----
static int make_image(void) {
  int fd = memfd_create("image", MFD_CLOEXEC);
  if (fd < 0 || write(fd, "image", 5) != 5) abort();
  return fd;
}

static void on_compiled(mf_timer *timer) {
  job *j = timer->data;
  mf_host *host = the_host;
  const mf_error bad = {.code = MF_InvalidPackage, .message = "the package holds no model"};
  mf_package_report report = {.magic = MF_REPORT_MAGIC,
                              .kind = MF_PACKAGE_MODEL,
                              .memory_mb_needed = j->kind == 'm' ? 1000 : 128,
                              .image_bytes = 5,
                              .arena_bytes = 4096,
                              .unzipped_bytes = 100,
                              .description_len = 2,
                              .description = "{}"};
  int fd = j->kind == 'b' ? -1 : make_image();
  take_out(host, j);
  j->done(j->context, fd < 0 ? NULL : &report, fd, fd < 0 ? &bad : NULL);
  mf_close(&fd);
  free(j);
  look_for_end(host);
}

bool mf_host_compile(mf_host *host, int package_fd, const mf_package_options *options,
                     mf_compile_done *done, void *context, mf_error *err) {
  (void)options, (void)err;
  job *j = add(host, on_compiled);
  j->done = done;
  j->context = context;
  if (pread(package_fd, &j->kind, 1, 4) < 0) abort();
  return true;
}

// ---- provisioned concurrency ----
static provision **find(const mf_host *host, mf_str key) {
  provision **at = (provision **)(uintptr_t)&host->provisions;
  while (*at && !mf_str_equal((mf_str){(*at)->key, (*at)->key_len}, key)) at = &(*at)->next;
  return at;
}

static void remove_at(provision **at) {
  provision *gone = *at;
  if (!gone) return;
  *at = gone->next;
  free(gone);
}

bool mf_host_pre_warm(mf_host *host, const mf_function_spec *function, mf_error *err) {
  (void)host, (void)function, (void)err;
  return true;  // nobody expects a call here
}

bool mf_host_provision(mf_host *host, const mf_function_spec *function, uint32_t instances,
                       mf_error *err) {
  int fd = -1;
  remove_at(find(host, function->key));
  if (instances == 0) return true;
  if (!function->open_image(function->context, &fd, err))
    world_fail("the image of %.*s: %s", MF_STR_ARG(function->key), err->message);
  close(fd);
  provision *p = malloc(sizeof *p + function->key.len);
  *p = (provision){.next = host->provisions, .instances = instances, .key_len = function->key.len};
  memcpy(p->key, function->key.data, function->key.len);
  host->provisions = p;
  return true;
}

void mf_host_provisioned(const mf_host *host, mf_str key, uint32_t *ready, bool *failed) {
  const provision *p = *find(host, key);
  *ready = p ? p->instances : 0;
  *failed = false;
}

void mf_host_forget(mf_host *host, mf_str key) { remove_at(find(host, key)); }

// ---- the rest ----
void mf_host_statistics(const mf_host *host, mf_host_stats *stats) {
  (void)host;
  *stats = (mf_host_stats){0};
}

void mf_host_function_statistics(const mf_host *host, mf_str key, uint32_t *idle, uint32_t *busy,
                                 uint32_t *queued) {
  (void)host, (void)key;
  *idle = *busy = *queued = 0;
}

void mf_sandbox_lacks(mf_buf *out) { (void)out; }

void mf_host_on_stop(mf_host *host, void (*stop)(void *context), void *context) {
  host->stop = stop;
  host->stop_context = context;
}

// ---- waiting until what goes on behind the answers has ended: a package becomes a blob, a row, an
// image, a blob, a row, a row; each of these steps is a job here or one of the store's two threads
// ----
enum { STEPS = 12 };

static void on_turn(mf_timer *timer) { mf_loop_stop(timer->data); }

void world_settle(void) {
  mf_error err;
  mf_timer turn = {.fire = on_turn, .data = the_host->loop};
  for (int i = 0; i < STEPS; i++) {
    world_wait_for_store();
    if (!mf_loop_timer_set(the_host->loop, &turn, mf_now_ns(), &err)) abort();
    world_run();
  }
}

static void on_stop(mf_timer *timer) {
  ((mf_host *)timer->data)->stop(((mf_host *)timer->data)->stop_context);
}

void world_host_stop(void) {
  mf_error err;
  the_host->stop_timer = (mf_timer){.fire = on_stop, .data = the_host};
  if (!mf_loop_timer_set(the_host->loop, &the_host->stop_timer, 0, &err)) abort();
}

void mf_host_drain(mf_host *host, void (*done)(void *context), void *context) {
  host->drained = done;
  host->drain_context = context;
  look_for_end(host);
}

void mf_host_destroy(mf_host *host) {
  if (!host) return;
  for (job *next, *j = host->jobs; j; j = next) {
    next = j->next;
    mf_loop_timer_cancel(host->loop, &j->timer);
    free(j);
  }
  while (host->provisions) remove_at(&host->provisions);
  free(host);
  the_host = NULL;
}
