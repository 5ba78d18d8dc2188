// Opening and closing the front on a directory of tmpfs, and running its loop for as long as a
// request takes.
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "front_world.h"
#include "store/reserve.h"

enum { PATIENCE_S = 15, DIRECTORIES = 16 };

char world_access_key[32], world_secret[64];
static mf_serve_options options = {.host = "127.0.0.1",
                                   .run_slots = 2,
                                   .pool_bytes = 1 << 30,
                                   .max_package_bytes = 262144000,
                                   .retry_scale = 1};
static mf_listening listening = {.fd = -1, .loopback = true, .endpoint = "http://127.0.0.1:4566"};
static bool said = true;
static const mf_front_setup setup = {.options = &options, .listening = &listening, .said = &said};
static mf_front *front;

void world_fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("front: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  abort();
}

// What people would read. That something could not be written, say, is no answer of the front's, so
// it is shown.
void mf_log(mf_log_level level, const char *format, ...) {
  va_list arguments;
  if (level != MF_LOG_ERROR || !getenv("FRONT_LOG")) return;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
}

// The room kept for full disks would be memory here.
void __wrap_mf_reserve_make(int directory_fd);
void __wrap_mf_reserve_make(int directory_fd) { (void)directory_fd; }

// ---- the directory ----
static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)st, (void)kind;
  return at->level > 0 ? remove(path) : 0;
}

static void remove_directory(void) {
  nftw(options.data, remove_entry, DIRECTORIES, FTW_DEPTH | FTW_PHYS);
  rmdir(options.data);
}

void world_make(void) {
  const char *memory = "/dev/shm", *other = getenv("TMPDIR");
  snprintf(options.data, sizeof options.data, "%s/fuzz-front-XXXXXX",
           access(memory, W_OK) == 0 ? memory
           : other                   ? other
                                     : "/tmp");
  listening.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (!mkdtemp(options.data) || listening.fd < 0) abort();
  atexit(remove_directory);
}

// ---- the loop ----
static void on_limit(mf_timer *timer) {
  (void)timer;
  world_fail("nothing comes to an end");
}

void world_run(void) {
  mf_error err;
  mf_loop *loop = mf_front_loop(front);
  mf_timer limit = {.fire = on_limit};
  if (!mf_loop_timer_set(loop, &limit, mf_now_ns() + PATIENCE_S * MF_NS_PER_S, &err) ||
      !mf_loop_run(loop, &err))
    abort();
  mf_loop_timer_cancel(loop, &limit);
}

// ---- the front ----
static void read_key(void) {
  char path[4200];
  snprintf(path, sizeof path, "%s/root-key", options.data);
  json_t *key = json_load_file(path, 0, NULL);
  snprintf(world_access_key, sizeof world_access_key, "%s",
           json_string_value(json_object_get(key, "AccessKeyId")));
  snprintf(world_secret, sizeof world_secret, "%s",
           json_string_value(json_object_get(key, "SecretAccessKey")));
  json_decref(key);
}

void world_open(void) {
  mf_error err;
  front = mf_front_open(&setup, -1, &err);
  if (!front) world_fail("cannot open: %s", err.message);
  read_key();
}

void world_close(bool keep) {
  world_host_stop();
  world_run();
  world_keeping = !keep;
  mf_front_close(front);
  world_keeping = true;
  front = NULL;
}
