// Compile jobs: results, refusals, compilers that die, hang, lie or eat memory, and how many run at once.
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox.h"
#include "world.h"

typedef struct test_job {
  test_world *world;
  bool done, good, sealed, read_only, has_report;
  uint64_t image_bytes, reported_bytes;
  char text[64];
  mf_error err;
} test_job;

static void on_done(void *context, const mf_package_report *report, int image_fd, const mf_error *err) {
  test_job *job = context;
  struct stat st;
  CHECK(!job->done, "done was called twice");
  job->done = true;
  job->good = !err;
  job->has_report = report != NULL;
  if (err) {
    job->err = *err;
    CHECK(image_fd < 0, "an image with an error");
  } else {
    CHECK(fstat(image_fd, &st) == 0, "the image is open");
    job->image_bytes = (uint64_t)st.st_size;
    job->reported_bytes = report->image_bytes;
    const int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
    job->sealed = (fcntl(image_fd, F_GET_SEALS) & needed) == needed;
    job->read_only = write(image_fd, "x", 1) < 0 && mmap(NULL, 1, PROT_WRITE, MAP_SHARED, image_fd, 0) == MAP_FAILED;
    CHECK(pread(image_fd, job->text, sizeof job->text - 1, 0) > 0, "the image can be read");
  }
  mf_loop_stop(job->world->loop);
}

static void start_job(test_world *world, test_job *job, const char *package) {
  *job = (test_job){.world = world};
  mf_error err;
  OWN_FD int fd = memfd_create("package", MFD_CLOEXEC);
  CHECK(write(fd, package, strlen(package)) == (ssize_t)strlen(package), "cannot write the package");
  const mf_package_options options = {.isa = MF_ISA_GENERIC, .max_unzipped_bytes = 1 << 20};
  CHECK(mf_host_compile(world->host, fd, &options, on_done, job, &err), "%s", err.message);
  CHECK(!job->done, "done was called inside mf_host_compile");
}

static void await_job(test_job *job) {
  mf_error err;
  while (!job->done) CHECK(mf_loop_run(job->world->loop, &err), "%s", err.message);
}

static const test_job *compile(test_world *world, const char *package) {
  static test_job job;
  start_job(world, &job, package);
  await_job(&job);
  return &job;
}

static void results(test_world *world) {
  const test_job *job = compile(world, "ok:hello");
  CHECK(job->good && strcmp(job->text, "ok:hello") == 0 && job->image_bytes == 8 && job->reported_bytes == 8, "'%s' %s", job->text,
        job->err.message);
  CHECK(job->sealed && job->read_only, "sealed %d, read-only %d", job->sealed, job->read_only);
  job = compile(world, "large:3");
  CHECK(job->good && job->image_bytes == 48 << 20, "%llu bytes, %s", (unsigned long long)job->image_bytes, job->err.message);
  job = compile(world, "fail");
  CHECK(!job->good && job->err.code == MF_UnsupportedOperator && strcmp(job->err.message, "node 3 'x': no operator Foo") == 0, "%s",
        job->err.message);
  CHECK(job->has_report, "the report of a refused package comes along");
  job = compile(world, "");
  CHECK(!job->good, "an empty package makes an empty image");
}

static void expect_error(test_world *world, const char *package, mf_code code, const char *text) {
  const test_job *job = compile(world, package);
  CHECK(!job->good && job->err.code == code && strstr(job->err.message, text), "'%s': %s: %s", package, mf_code_name(job->err.code),
        job->err.message);
}

static void troubles(test_world *world) {
  expect_error(world, "crash", MF_WorkerDied, MF_SANITIZED ? "the compiler" : "the compiler died: signal 6");
  expect_error(world, "hang", MF_Timeout, "longer than");
  if (MF_SANITIZED) return;
  expect_error(world, "open", MF_WorkerDied, "signal 31");
  expect_error(world, "eat", MF_OutOfMemory, "no memory for 5 GB");
  expect_error(world, "lie", MF_WorkerDied, "no report that makes sense");
  CHECK(compile(world, "ok:x")->good, "the next job is not hurt");
}

static void many(test_world *world) {
  static test_job jobs[6];
  mf_host_stats stats;
  for (int i = 0; i < 6; i++) start_job(world, &jobs[i], "wait");
  mf_host_statistics(world->host, &stats);
  CHECK(stats.compiling == 6, "%u jobs", stats.compiling);
  const int64_t began = mf_now_ns();
  for (int i = 0; i < 6; i++) await_job(&jobs[i]);
  const int64_t took = mf_now_ns() - began;
  CHECK(took >= 290 * MF_NS_PER_MS, "six jobs of 100 ms took %lld ms: more than two ran at once", (long long)(took / MF_NS_PER_MS));
  for (int i = 0; i < 6; i++) CHECK(jobs[i].good, "%s", jobs[i].err.message);
}

static bool is_compiler(const char *pid, int parent) {
  char path[64], name[64];
  int its_parent = 0;
  snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  FILE *file = fopen(path, "re");
  const bool known = file && fscanf(file, "%*d (%63[^)]) %*c %d", name, &its_parent) == 2;
  if (file) fclose(file);
  return known && its_parent == parent && strcmp(name, "mayfly-compiler") == 0;
}

// The soft limit, from the kernel's own list; -1: unlimited, or no compiler of our keeper is there.
static long long limit_of_compiler(const char *name) {
  char path[64], line[256];
  long long soft = -1;
  DIR *all = opendir("/proc");
  for (struct dirent *entry; all && (entry = readdir(all));) {
    if (!is_compiler(entry->d_name, getppid())) continue;
    snprintf(path, sizeof path, "/proc/%.20s/limits", entry->d_name);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
      if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), " %lld", &soft) != 1) soft = -1;
    if (file) fclose(file);
  }
  if (all) closedir(all);
  return soft;
}

static bool is_limited(test_world *world) {
  (void)world;
  return limit_of_compiler("Max cpu time") > 0 && limit_of_compiler("Max file size") > 0;
}

static void limits(test_world *world) {
  static test_job job;
  start_job(world, &job, "hang");
  CHECK(await_condition(world, is_limited, 2000), "processor time %lld s, file size %lld bytes", limit_of_compiler("Max cpu time"),
        limit_of_compiler("Max file size"));
  await_job(&job);
}

static void on_drained(void *context) { *(bool *)context = true; }
static void stop(test_world *world) {
  static test_job jobs[4];
  bool drained = false;
  for (int i = 0; i < 4; i++) start_job(world, &jobs[i], "hang");
  run_for(world, 50);
  mf_host_drain(world->host, on_drained, &drained);
  for (int i = 0; i < 4; i++) {
    await_job(&jobs[i]);
    CHECK(jobs[i].err.code == MF_Unavailable, "%s", jobs[i].err.message);
  }
  run_for(world, 50);
  CHECK(drained, "drained");
}

static void leaks(test_world *world) {
  CHECK(await_condition(world, pool_is_full, 5000), "the pool is filled");
  compile(world, "ok:x");
  const uint32_t before = open_descriptors();
  for (int i = 0; i < 20; i++) compile(world, i % 2 ? "ok:x" : i % 4 ? "crash" : "fail");
  CHECK(open_descriptors() == before, "%u descriptors, %u before", open_descriptors(), before);
}

static void run_with_limit(scenario_fn *scenario, int64_t limit_ms) {
  mf_host_options options = small_options;
  options.compile_limit_ns = limit_ms * MF_NS_PER_MS;
  assert_int_equal(run_scenario(scenario, &options, NULL), 0);
}

static void an_image_comes_back_sealed(void **state) { (void)state; run_with_limit(results, 20000); }
static void a_compiler_in_trouble_is_a_clear_report(void **state) { (void)state; run_with_limit(troubles, 3000); }
static void two_run_at_once(void **state) { (void)state; run_with_limit(many, 20000); }
static void a_compiler_has_limits(void **state) { (void)state; run_with_limit(limits, 500); }
static void stopping_ends_compile_jobs(void **state) { (void)state; run_with_limit(stop, 20000); }
static void jobs_leak_no_descriptors(void **state) { (void)state; run_with_limit(leaks, 20000); }

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_image_comes_back_sealed),
      cmocka_unit_test(a_compiler_in_trouble_is_a_clear_report),
      cmocka_unit_test(two_run_at_once),
      cmocka_unit_test(a_compiler_has_limits),
      cmocka_unit_test(stopping_ends_compile_jobs),
      cmocka_unit_test(jobs_leak_no_descriptors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
