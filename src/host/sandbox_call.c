// Commands that read models without a server do it in a child with the compiler's rights: what it says comes back through a pipe and is
// copied to stdout, its error through a shared page.
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"
#include "sandbox.h"

#define OTHER_ADDRESSES ((uint64_t)64 << 30)  // mapped files, stacks of threads

struct verdict {
  bool good;
  mf_error error;
};

static noreturn void run_child(const mf_sandbox *sandbox, pid_t parent, mf_sandboxed_fn *work, void *context, int out, uint64_t memory_limit,
                               struct verdict *verdict) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent) _exit(1);
  setenv("TZ", "UTC0", 1);  // or the C library would open /etc/localtime when asked for a date
  tzset();
  const mf_sandbox_limits limits = {.data_bytes = memory_limit, .address_bytes = memory_limit ? memory_limit + OTHER_ADDRESSES : 0};
  const char *failed = mf_sandbox_enter(sandbox, MF_SANDBOX_COMMAND, &limits, (uint32_t)getpid(), parent);
  if (failed) mf_fail_errno(&verdict->error, "the sandbox: %s", failed);
  else verdict->good = work(context, out, &verdict->error);
  _exit(0);
}

static bool copy_out(int from, mf_error *err) {
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(from, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return mf_fail_errno(err, "cannot read what the sandbox says");
    if (n == 0) return true;
    if (!mf_write_all(STDOUT_FILENO, buffer, (size_t)n, "stdout", err)) return false;
  }
}

// Everything above stderr but `keep` is closed; the numbers stay, since the caller's context names them.
static void keep_only(const int *keep, uint32_t n_keep, int out) {
  for (int fd = 0; fd < 1024; fd++) {
    bool kept = fd == out || (MF_SANITIZED && fd == STDERR_FILENO);
    for (uint32_t i = 0; i < n_keep; i++) kept |= keep[i] == fd;
    if (!kept) close(fd);
  }
  close_range(1024, ~0U, 0);
}

static bool judge(pid_t child, struct verdict *verdict, mf_error *err) {
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return mf_fail_errno(err, "cannot wait for the sandbox");
  if (WIFSIGNALED(status)) return mf_fail(err, MF_WorkerDied, "the sandboxed process died: signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) return mf_fail(err, MF_WorkerDied, "the sandboxed process ended with exit status %d", WEXITSTATUS(status));
  if (verdict->good) return true;
  verdict->error.message[sizeof verdict->error.message - 1] = '\0';
  const mf_code code = (unsigned)verdict->error.code < MF_CODE_COUNT ? verdict->error.code : MF_Internal;
  return mf_fail(err, code, "%s", verdict->error.message);
}

static bool call_with(const mf_sandbox *sandbox, mf_sandboxed_fn *work, void *context, const int *keep, uint32_t n_keep,
                      uint64_t memory_limit, struct verdict *verdict, mf_error *err) {
  int out[2];
  if (pipe(out) != 0) return mf_fail_errno(err, "cannot make a pipe");
  fflush(NULL);
  const pid_t parent = getpid(), child = fork();
  if (child == 0) {
    keep_only(keep, n_keep, out[1]);
    run_child(sandbox, parent, work, context, out[1], memory_limit, verdict);
  }
  close(out[1]);
  const bool copied = child > 0 && copy_out(out[0], err);
  close(out[0]);
  if (child < 0) return mf_fail_errno(err, "cannot fork");
  mf_error ignored;
  return copied ? judge(child, verdict, err) : (judge(child, verdict, &ignored), false);
}

bool mf_sandbox_call(mf_sandboxed_fn *work, void *context, const int *keep_fds, uint32_t n_keep_fds, uint64_t memory_limit_bytes,
                     mf_error *err) {
  mf_sandbox sandbox;
  struct verdict *verdict = mmap(NULL, sizeof *verdict, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (verdict == MAP_FAILED) return mf_fail_errno(err, "cannot map a page for the sandbox's verdict");
  bool good = mf_sandbox_prepare(&sandbox, err);
  if (good) {
    good = call_with(&sandbox, work, context, keep_fds, n_keep_fds, memory_limit_bytes, verdict, err);
    mf_sandbox_deinit(&sandbox);
  }
  munmap(verdict, sizeof *verdict);
  return good;
}
