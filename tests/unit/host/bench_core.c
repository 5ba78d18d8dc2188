// How long front, keeper and worker need among themselves, without HTTP and without a model: cold and warm calls of the stand-in, whose
// binding reads every page of the image and whose call touches 6 MB of arena. Not a test: prints, and always ends well.
//   test_host_bench [calls]     images are files in $TMPDIR (/var/tmp), written in 8 MB pieces
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "world.h"

static uint32_t rounds = 200;
static int image_fd = -1;

static bool open_file(void *context, int *fd, mf_error *err) {
  (void)context;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", image_fd);
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  return *fd >= 0 || mf_fail_errno(err, "%s", path);
}

static void make_file(size_t bytes) {
  char path[256];
  static char piece[8 << 20];
  snprintf(path, sizeof path, "%s/mayfly-bench-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/var/tmp");
  image_fd = mkstemp(path);
  CHECK(image_fd >= 0, "cannot make %s", path);
  unlink(path);
  memset(piece, 1, sizeof piece);  // a source that is not faulted in is written in small steps, which makes small folios
  for (size_t done = 0; done < bytes; done += sizeof piece)
    CHECK(write(image_fd, piece, MF_MIN(sizeof piece, bytes - done)) > 0, "cannot write %s", path);
}

static int by_size(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static void print_times(const char *what, int64_t *times, uint32_t n) {
  qsort(times, n, sizeof *times, by_size);
  printf("  %-22s min %8.1f us   p50 %8.1f   p90 %8.1f   p99 %8.1f\n", what, (double)times[0] / 1e3, (double)times[n / 2] / 1e3,
         (double)times[n * 9 / 10] / 1e3, (double)times[n * 99 / 100] / 1e3);
}

static bool pool_has_some(test_world *world) {
  mf_host_stats stats;
  mf_host_statistics(world->host, &stats);
  return stats.blank_workers >= *(uint32_t *)world->data;
}

static void measure(test_world *world) {
  int64_t *cold = calloc(rounds, sizeof *cold), *warm = calloc(rounds, sizeof *warm), *init = calloc(rounds, sizeof *init);
  CHECK(await_condition(world, pool_is_full, 20000), "the pool is filled");
  mf_host_stats stats;
  mf_host_statistics(world->host, &stats);
  world->data = &stats.blank_workers;
  mf_function_spec spec = function(world, "r/bench");
  spec.arena_bytes = 7 << 20;
  spec.memory_mb = 512;
  spec.open_image = open_file;
  for (uint32_t i = 0; i < rounds; i++) {
    const test_call *call = make_call(world, &spec, "arena:6");
    CHECK(call->invocation.outcome == MF_OUTCOME_ANSWER && call->invocation.cold, "%s", call->invocation.error.message);
    cold[i] = call->ended_ns - call->began_ns;
    init[i] = call->invocation.init_ns;
    call = make_call(world, &spec, "arena:6");
    CHECK(!call->invocation.cold, "warm");
    warm[i] = call->ended_ns - call->began_ns;
    CHECK(await_condition(world, no_instances, 2000) && await_condition(world, pool_has_some, 2000), "back to nothing");
    run_for(world, 2);
  }
  print_times("cold", cold, rounds);
  print_times("of which until bound", init, rounds);
  print_times("warm", warm, rounds);
  printf("  cold minus warm, p50: %.1f us; p99: %.1f us\n", (double)(cold[rounds / 2] - warm[rounds / 2]) / 1e3,
         (double)(cold[rounds * 99 / 100] - warm[rounds * 99 / 100]) / 1e3);
}

static void echoes(test_world *world) {
  enum { N = 5000 };
  static int64_t times[N];
  const mf_function_spec spec = function(world, "r/echo");
  make_call(world, &spec, "echo:x");
  const int64_t began = mf_now_ns();
  for (int i = 0; i < N; i++) {
    const test_call *call = make_call(world, &spec, "echo:0123456789");
    times[i] = call->ended_ns - call->began_ns;
  }
  const double seconds = (double)(mf_now_ns() - began) / 1e9;
  print_times("echo, one at a time", times, N);
  printf("  %.0f calls/s\n", N / seconds);
}

int main(int argc, char **argv) {
  if (argc > 1) rounds = (uint32_t)atoi(argv[1]);
  mf_host_options options = small_options;
  options.pool_bytes = 256 << 20;
  options.keep_alive_ns = 20 * MF_NS_PER_MS;
  const size_t sizes[] = {1 << 20, 14 << 20, 100 << 20};
  for (size_t i = 0; i < MF_COUNT(sizes); i++) {
    make_file(sizes[i]);
    printf("image of %zu MB, 6 MB of arena\n", sizes[i] >> 20);
    if (run_scenario(measure, &options, NULL) != 0) return 1;
    close(image_fd);
  }
  printf("tiny\n");
  options.keep_alive_ns = 10 * MF_NS_PER_S;
  return run_scenario(echoes, &options, NULL);
}
