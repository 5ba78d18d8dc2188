// Compile jobs: at most two compiler processes at once, the others wait in order. A job owns its package descriptor's copy, the memfds
// of image and report, and its deadline. What the compiler leaves is hostile: the report is copied once and checked, the image is sealed
// and opened again for reading only, both after the process has been reaped.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"
#include "worker.h"

#define COMPILE_LIMIT_NS (300 * MF_NS_PER_S)
#define FOLDED_BYTES ((uint64_t)512 << 20)  // constants that folding may add to what the package holds
#define COMPILER_ID (UINT64_C(1) << 63)     // ids of compilers: no worker has that bit

// ---- descriptors ----

static bool sealed_memfd(const char *name, uint64_t bytes, int *fd, mf_error *err) {
  *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (*fd < 0 || ftruncate(*fd, (off_t)bytes) != 0) return mf_fail_errno(err, "cannot make a memfd for a compiler");
  return true;
}

static bool make_report(mf_compile_job *job, mf_error *err) {
  if (!sealed_memfd("mayfly-report", sizeof *job->report, &job->report_fd, err)) return false;
  if (fcntl(job->report_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) return mf_fail_errno(err, "cannot seal a report");
  job->report = mmap(NULL, sizeof *job->report, PROT_READ, MAP_SHARED, job->report_fd, 0);
  if (job->report == MAP_FAILED) {
    job->report = NULL;
    return mf_fail_errno(err, "cannot map a report");
  }
  return true;
}

static void free_job(mf_compile_job *job) {
  mf_loop_timer_cancel(job->host->loop, &job->deadline);
  if (job->report) munmap(job->report, sizeof *job->report);
  mf_close(&job->package_fd);
  mf_close(&job->image_fd);
  mf_close(&job->report_fd);
  mf_close(&job->pidfd);
  free(job);
}

// ---- results ----

static bool report_is_sound(const mf_package_report *report) {
  return report->magic == MF_REPORT_MAGIC && report->code < MF_CODE_COUNT && report->description_len <= sizeof report->description &&
         memchr(report->message, '\0', sizeof report->message) != NULL;
}

// Nobody may write into what every instance will map: sealed, and opened again without the right to write.
static bool take_image(const mf_compile_job *job, const mf_package_report *report, int *fd, mf_error *err) {
  struct stat st;
  char path[64];
  if (fcntl(job->image_fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0 || fstat(job->image_fd, &st) != 0)
    return mf_fail_errno(err, "cannot seal the model image");
  if (st.st_size <= 0 || (uint64_t)st.st_size != report->image_bytes || report->image_bytes > job->image_limit_bytes)
    return mf_fail(err, MF_InvalidImage, "the compiler reports an image of %llu bytes and left %lld",
                   (unsigned long long)report->image_bytes, (long long)st.st_size);
  snprintf(path, sizeof path, "/proc/self/fd/%d", job->image_fd);
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  return *fd >= 0 || mf_fail_errno(err, "cannot open the model image again");
}

static int64_t limit_ns(const mf_host *host) {
  return host->options.compile_limit_ns > 0 ? host->options.compile_limit_ns : COMPILE_LIMIT_NS;
}

static bool describe_end(const mf_compile_job *job, int status, mf_error *err) {
  if (job->killed) return mf_fail(err, MF_Timeout, "the compiler ran longer than %.3g seconds", (double)limit_ns(job->host) / 1e9);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
    return mf_fail(err, MF_Timeout, "the compiler used more than its share of processor time");
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) return mf_fail(err, MF_TooLarge, "the model image would be larger than its limit");
  if (WIFSIGNALED(status))
    return mf_fail(err, MF_WorkerDied, "the compiler died: signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
  if (WEXITSTATUS(status) != 0) return mf_fail(err, MF_WorkerDied, "the compiler ended with exit status %d", WEXITSTATUS(status));
  return true;
}

static void finish(mf_compile_job *job, int status) {
  static mf_package_report report;  // 18 kB: too much for the stack, and one job finishes at a time
  mf_error err = {0};
  OWN_FD int image = -1;
  memcpy(&report, job->report, sizeof report);
  bool good = describe_end(job, status, &err);
  if (good && !report_is_sound(&report)) good = mf_fail(&err, MF_WorkerDied, "the compiler left no report that makes sense");
  if (good && report.code != MF_OK) good = mf_fail(&err, (mf_code)report.code, "%s", report.message);
  if (good) good = take_image(job, &report, &image, &err);
  job->done(job->context, report_is_sound(&report) ? &report : NULL, good ? image : -1, good ? NULL : &err);
}

static void fail_job(mf_compile_job *job, const mf_error *err) {
  job->done(job->context, NULL, -1, err);
  free_job(job);
}

// ---- running ----

static void start_waiting(mf_host *host);

static mf_compile_job *find(const mf_host *host, uint64_t id) {
  mf_compile_job *job = host->compiling;
  while (job && job->id != id) job = job->next;
  return job;
}

static void unlink_running(mf_host *host, mf_compile_job *job) {
  mf_compile_job **at = &host->compiling;
  while (*at != job) at = &(*at)->next;
  *at = job->next;
  host->n_compiling--;
}

static void kill_compiler(mf_compile_job *job) {
  if (job->pidfd >= 0) pidfd_send_signal(job->pidfd, SIGKILL, NULL, 0);
}

static void on_deadline(mf_timer *timer) {
  mf_compile_job *job = timer->data;
  job->killed = true;
  kill_compiler(job);
}

static bool start(mf_host *host, mf_compile_job *job, mf_error *err) {
  if (!sealed_memfd("mayfly-image", 0, &job->image_fd, err) || !make_report(job, err)) return false;
  if (!mf_loop_timer_set(host->loop, &job->deadline, mf_now_ns() + limit_ns(host), err)) return false;
  const mf_message message = {.kind = MF_MESSAGE_SPAWN_COMPILER,
                              .spawn_compiler = {.id = job->id,
                                                 .package_bytes = job->package_bytes,
                                                 .image_limit_bytes = job->image_limit_bytes,
                                                 .options = job->options}};
  const int fds[] = {job->package_fd, job->image_fd, job->report_fd};
  return mf_host_send(host, &message, fds, err);
}

static void start_waiting(mf_host *host) {
  while (host->n_compiling < MF_COMPILERS && host->compile_first) {
    mf_compile_job *job = host->compile_first;
    host->compile_first = job->next;
    if (!host->compile_first) host->compile_last = NULL;
    host->n_compile_waiting--;
    mf_error err;
    if (!start(host, job, &err)) {
      fail_job(job, &err);
      continue;
    }
    job->next = host->compiling;
    host->compiling = job;
    host->n_compiling++;
  }
}

bool mf_compile_spawned(mf_host *host, const struct mf_message_spawned *message, int *pidfd) {
  if (!(message->id & COMPILER_ID)) return false;
  mf_compile_job *job = find(host, message->id);
  if (job) job->pidfd = mf_give(pidfd);
  if (job && job->killed) kill_compiler(job);
  return true;
}

bool mf_compile_refused(mf_host *host, const struct mf_message_refused *message) {
  if (!(message->id & COMPILER_ID)) return false;
  mf_compile_job *job = find(host, message->id);
  if (!job) return true;
  mf_error err;
  mf_fail(&err, MF_Unavailable, "the keeper cannot start a compiler: %s", strerror(message->error_number));
  unlink_running(host, job);
  fail_job(job, &err);
  start_waiting(host);
  mf_host_check_drained(host);
  return true;
}

bool mf_compile_exited(mf_host *host, const struct mf_message_exited *message) {
  if (!(message->id & COMPILER_ID)) return false;
  mf_compile_job *job = find(host, message->id);
  if (!job) return true;
  unlink_running(host, job);
  finish(job, message->status);
  free_job(job);
  start_waiting(host);
  mf_host_check_drained(host);
  return true;
}

void mf_compile_stop(mf_host *host) {
  mf_error err;
  mf_fail(&err, MF_Unavailable, "the server is stopping");
  mf_compile_job *running = host->compiling, *waiting = host->compile_first;
  host->compiling = host->compile_first = host->compile_last = NULL;
  host->n_compiling = host->n_compile_waiting = 0;
  for (mf_compile_job *next; running; running = next) {
    next = running->next;
    kill_compiler(running);
    fail_job(running, &err);
  }
  for (mf_compile_job *next; waiting; waiting = next) {
    next = waiting->next;
    fail_job(waiting, &err);
  }
}

// ---- the public call ----

bool mf_host_compile(mf_host *host, int package_fd, const mf_package_options *options, mf_compile_done *done, void *context, mf_error *err) {
  struct stat st;
  if (host->draining) return mf_fail(err, MF_Unavailable, "the server is stopping");
  if (fstat(package_fd, &st) != 0) return mf_fail_errno(err, "cannot look at the package");
  mf_compile_job *job = calloc(1, sizeof *job);
  if (!job) return mf_fail(err, MF_OutOfMemory, "no memory for a compile job");
  *job = (mf_compile_job){.host = host, .id = COMPILER_ID | ++host->next_serial, .pidfd = -1, .image_fd = -1, .report_fd = -1,
                          .package_bytes = (uint64_t)st.st_size, .options = *options, .done = done, .context = context};
  job->image_limit_bytes = 2 * MF_MAX(options->max_unzipped_bytes, job->package_bytes) + FOLDED_BYTES;
  job->deadline = (mf_timer){.fire = on_deadline, .data = job};
  job->package_fd = fcntl(package_fd, F_DUPFD_CLOEXEC, 0);
  if (job->package_fd < 0) {
    free(job);
    return mf_fail_errno(err, "cannot keep the package open");
  }
  if (host->compile_last) host->compile_last->next = job;
  else host->compile_first = job;
  host->compile_last = job;
  host->n_compile_waiting++;
  mf_host_soon(host);  // done is never called before this returns
  return true;
}

void mf_compile_settle(mf_host *host) { start_waiting(host); }
