// The process that the user started, until it becomes the keeper: everything that can be wrong with options, files, port or data directory is
// found here, before anything is forked.
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "internal.h"

enum { PEM_LIMIT = 1 << 20, FAILED = 1 };

// Shared with every front, so that one that was started again does not greet the user a second time.
static bool *shared_flag(mf_error *err) {
  void *page = mmap(NULL, sizeof(bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) mf_fail_errno(err, "no memory");
  return page == MAP_FAILED ? NULL : page;
}

static bool read_pem(mf_arena *arena, const char *path, char **text, mf_error *err) {
  mf_slice bytes;
  if (!path) return true;
  if (!mf_read_file(arena, path, PEM_LIMIT, &bytes, err)) return false;
  *text = (char *)(uintptr_t)bytes.data;  // NUL-terminated by mf_read_file
  return true;
}

// The soft limit is raised to the hard one later, by keeper and front.
static bool check_descriptors(mf_error *err) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= MF_HOST_LEAST_DESCRIPTORS) return true;
  return mf_fail(err, MF_Usage, "a process may have %llu open files here (RLIMIT_NOFILE), and the server needs %d: raise the limit, by "
                 "ulimit -n %d or by LimitNOFILE= of the service", (unsigned long long)limit.rlim_max, MF_HOST_LEAST_DESCRIPTORS,
                 MF_HOST_LEAST_DESCRIPTORS);
}

static bool prepare(const mf_serve_options *options, mf_arena *arena, mf_listening *listening, mf_front_setup *setup, int *lock_fd,
                    mf_error *err) {
  *setup = (mf_front_setup){.options = options, .listening = listening, .started_ns = mf_now_ns(), .said = shared_flag(err)};
  return setup->said && check_descriptors(err) && read_pem(arena, options->tls_certificate, &setup->certificate_pem, err) &&
         read_pem(arena, options->tls_key, &setup->key_pem, err) && mf_serve_listen(options, listening, err) &&
         mf_store_lock(options->data, lock_fd, err);  // last: a new data directory is made by a server that can start
}

int mf_serve_main(int argc, char **argv) {
  static mf_serve_options options;  // 4 kB of path: not on a stack that every worker inherits
  mf_listening listening = {.fd = -1};
  mf_front_setup setup;
  mf_arena arena;
  mf_error err;
  OWN_FD int lock_fd = -1;
  int status;
  if (!mf_serve_read_options(argc, argv, &options, &status)) return status;
  umask(077);  // SQLite asks for 0644, and whatever is in the data directory is the owner's alone
  mf_arena_init(&arena, 0);
  if (!prepare(&options, &arena, &listening, &setup, &lock_fd, &err)) {
    mf_log(MF_LOG_ERROR, "%s", err.message);
    status = FAILED;
  } else {
    status = mf_keeper_run(mf_front_main, &setup);
  }
  mf_close(&listening.fd);
  mf_arena_deinit(&arena);
  return status;
}
