// Building and watching the world of world.h.
#include "world.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WATCHDOG_S = 40 };
const mf_host_options small_options = {
    .run_slots = 2, .pool_bytes = 16 << 20, .keep_alive_ns = 60 * MF_NS_PER_S, .max_concurrency = 1000, .isa = MF_ISA_GENERIC};

struct start {
  scenario_fn *scenario;
  mf_host_options options;
  void *data;
};

static void on_watchdog(mf_timer *timer) {
  (void)timer;
  fprintf(stderr, "the scenario hangs\n");
  _exit(99);
}

static void on_stop(void *context) {
  test_world *world = context;
  world->stop_asked = true;
  mf_loop_stop(world->loop);
}

static int front(void *context, int keeper_socket) {
  const struct start *start = context;
  mf_error err;
  test_world world = {.keeper_socket = keeper_socket, .data = start->data};
  world.loop = mf_loop_create(&err);
  if (world.loop) world.host = mf_host_create(world.loop, keeper_socket, &start->options, &err);
  CHECK(world.host, "%s", err.message);
  mf_host_on_stop(world.host, on_stop, &world);
  world.watchdog = (mf_timer){.fire = on_watchdog};
  CHECK(mf_loop_timer_set(world.loop, &world.watchdog, mf_now_ns() + WATCHDOG_S * MF_NS_PER_S, &err), "%s", err.message);
  start->scenario(&world);
  mf_host_destroy(world.host);
  mf_loop_destroy(world.loop);
  return 0;
}

pid_t start_scenario(scenario_fn *scenario, const mf_host_options *options, void *data) {
  struct start start = {scenario, *options, data};
  fflush(NULL);
  const pid_t pid = fork();
  if (pid == 0) _exit(mf_keeper_run_with(&fake_functions, front, &start));
  return pid;
}

int await_process(pid_t pid) {
  int status;
  for (int i = 0; i < 6000; i++) {
    if (waitpid(pid, &status, WNOHANG) == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    usleep(5000);
  }
  kill(pid, SIGKILL);
  waitpid(pid, &status, 0);
  return -1;
}

int run_scenario(scenario_fn *scenario, const mf_host_options *options, void *data) {
  return await_process(start_scenario(scenario, options, data));
}

int make_image(const char *text, size_t bytes) {
  char path[64];
  OWN_FD int fd = memfd_create("test-image", MFD_CLOEXEC);
  CHECK(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && pwrite(fd, text, strlen(text), 0) >= 0, "cannot make an image");
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return open(path, O_RDONLY | O_CLOEXEC);
}

static bool open_image(void *context, int *fd, mf_error *err) {
  (void)err;
  test_world *world = context;
  world->opened++;
  *fd = make_image(world->image_text, 65536);
  return true;
}

mf_function_spec function(test_world *world, const char *key) {
  return (mf_function_spec){.key = mf_str_from(key), .revision = 1, .memory_mb = 128, .timeout_ms = 10000, .reserved_concurrency = -1,
                            .arena_bytes = 1 << 20, .open_image = open_image, .context = world};
}

static void on_done(mf_invocation *invocation) {
  test_call *call = invocation->data;
  call->done = true;
  call->ended_ns = mf_now_ns();
  snprintf(call->response, sizeof call->response, "%.*s", (int)MF_MIN(invocation->response.len, sizeof call->response - 1),
           invocation->response.data ? (const char *)invocation->response.data : "");
  mf_loop_stop(call->world->loop);
}

static void begin_call(test_world *world, test_call *call, const mf_function_spec *spec, const char *payload, bool background) {
  memset(call, 0, sizeof *call);
  call->invocation.background = background;
  call->world = world;
  call->began_ns = mf_now_ns();
  snprintf(call->payload, sizeof call->payload, "%s", payload);
  call->invocation.payload = (mf_slice){call->payload, strlen(call->payload)};
  call->invocation.payload_fd = -1;
  call->invocation.done = on_done;
  call->invocation.data = call;
  mf_host_invoke(world->host, spec, &call->invocation);
  CHECK(!call->done, "done was called inside mf_host_invoke");
}

void start_call(test_world *world, test_call *call, const mf_function_spec *spec, const char *payload) {
  begin_call(world, call, spec, payload, false);
}

void start_background(test_world *world, test_call *call, const mf_function_spec *spec, const char *payload) {
  begin_call(world, call, spec, payload, true);
}

void await_call(test_call *call) { await_calls(call, 1); }

void await_calls(test_call *calls, uint32_t n) {
  mf_error err;
  for (uint32_t i = 0; i < n; i++) {
    while (!calls[i].done) CHECK(mf_loop_run(calls[i].world->loop, &err), "%s", err.message);
    mf_host_release(calls[i].world->host, &calls[i].invocation);
  }
}

test_call *make_call(test_world *world, const mf_function_spec *spec, const char *payload) {
  static test_call one;
  start_call(world, &one, spec, payload);
  await_call(&one);
  return &one;
}

static void on_pause(mf_timer *timer) { mf_loop_stop(timer->data); }

void run_for(test_world *world, int64_t ms) {
  mf_error err;
  const int64_t until = mf_now_ns() + ms * MF_NS_PER_MS;
  mf_timer pause = {.fire = on_pause, .data = world->loop};
  while (mf_now_ns() < until) {
    CHECK(mf_loop_timer_set(world->loop, &pause, until, &err), "%s", err.message);
    CHECK(mf_loop_run(world->loop, &err), "%s", err.message);
    mf_loop_timer_cancel(world->loop, &pause);
  }
}

bool await_condition(test_world *world, bool (*condition)(test_world *world), int limit_ms) {
  const int64_t until = mf_now_ns() + limit_ms * MF_NS_PER_MS;
  while (!condition(world)) {
    if (mf_now_ns() > until) return false;
    run_for(world, 1);
  }
  return true;
}

bool no_instances(test_world *world) {
  mf_host_stats stats;
  mf_host_statistics(world->host, &stats);
  return stats.instances_idle == 0 && stats.instances_busy == 0;
}

bool pool_is_full(test_world *world) {
  static uint32_t last;
  static int64_t since;
  mf_host_stats stats;
  mf_host_statistics(world->host, &stats);
  if (stats.blank_workers != last || since == 0) since = mf_now_ns();
  last = stats.blank_workers;
  return last > 0 && mf_now_ns() - since > 100 * MF_NS_PER_MS;
}

uint32_t open_descriptors(void) {
  DIR *directory = opendir("/proc/self/fd");
  uint32_t n = 0;
  while (readdir(directory)) n++;
  closedir(directory);
  return n;
}
