// The n-th allocation or system call of front, of the keeper, or of the workers and compilers fails, for every n until none does; in front
// also the n-th and all that follow. Every caller gets an answer, a failure says what failed, nothing leaks or crashes, and afterwards calls and compilations succeed again.
// Left out are the calls that only a bug makes fail: waiting (epoll, poll, futex, wait), kills, and the eight bytes to a doorbell.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../faults.h"
#include "host/sandbox.h"
#include "world.h"

FAULT_WRAP_MEMORY
// front
FAULT_WRAP(int, memfd_create, (const char *name, unsigned flags), (name, flags), false, -1)
FAULT_WRAP(int, ftruncate64, (int fd, off_t len), (fd, len), false, -1)
FAULT_WRAP(int, fcntl64, (int fd, int command, long argument), (fd, command, argument), false, -1)
FAULT_WRAP(int, eventfd, (unsigned value, int flags), (value, flags), false, -1)
FAULT_WRAP(int, socketpair, (int domain, int type, int protocol, int fds[2]), (domain, type, protocol, fds), false, -1)
FAULT_WRAP(int, epoll_create1, (int flags), (flags), false, -1)
FAULT_WRAP_IF(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event), (epoll, operation, fd, event), false, -1,
              operation != EPOLL_CTL_DEL)
FAULT_WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags), false, -1)
FAULT_WRAP(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode), false, -1)
FAULT_WRAP(int, fstat64, (int fd, struct stat *st), (fd, st), false, -1)
FAULT_WRAP(ssize_t, pread64, (int fd, void *data, size_t len, off_t at), (fd, data, len, at), false, -1)
// keeper
FAULT_WRAP(pid_t, fork, (void), (), false, -1)
FAULT_WRAP(int, pidfd_open, (pid_t pid, unsigned flags), (pid, flags), false, -1)
FAULT_WRAP(int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags), false, -1)
FAULT_WRAP(off_t, lseek64, (int fd, off_t at, int whence), (fd, at, whence), false, -1)
// workers and compilers
FAULT_WRAP(int, dup2, (int from, int to), (from, to), false, -1)
FAULT_WRAP(int, close_range, (unsigned first, unsigned last, int flags), (first, last, flags), false, -1)
FAULT_WRAP(int, prctl, (int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d), (option, a, b, c, d), false, -1)
FAULT_WRAP(int, setgroups, (size_t n, const gid_t *groups), (n, groups), false, -1)
FAULT_WRAP(int, setresgid, (gid_t real, gid_t effective, gid_t saved), (real, effective, saved), false, -1)
FAULT_WRAP(int, setresuid, (uid_t real, uid_t effective, uid_t saved), (real, effective, saved), false, -1)
FAULT_WRAP(int, getrlimit64, (__rlimit_resource_t resource, struct rlimit *limit), (resource, limit), false, -1)
FAULT_WRAP(int, setrlimit64, (__rlimit_resource_t resource, const struct rlimit *limit), (resource, limit), false, -1)
FAULT_WRAP(int, madvise, (void *at, size_t len, int advice), (at, len, advice), false, -1)
FAULT_WRAP_IF(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len), false, -1, len != sizeof(uint64_t))

enum victim { FRONT, KEEPER, CHILDREN };
enum { WALK_LIMIT_S = 25 };

typedef struct fault_trial {  // shared with the keeper and its front
  enum victim victim;
  bool reached;                               // the n-th call was made
  atomic_int fronts, refused, failed, walked; // fronts begun; hosts that could not be made; walks with failures; walks to the end
} fault_trial;

static void on_alarm(int number) {
  (void)number;
  static const char text[] = "a caller got no answer\n";
  if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(98);
  _exit(99);
}

// ---- what a front does ----

static bool open_image(void *context, int *fd, mf_error *err) {
  (void)context;
  OWN_FD int image = __real_memfd_create("image", MFD_CLOEXEC);
  CHECK(image >= 0 && __real_write(image, "an image", 8) == 8, "cannot make an image");
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", image);
  *fd = open(path, O_RDONLY | O_CLOEXEC);
  return *fd >= 0 || mf_fail_errno(err, "cannot open the image");
}

static mf_function_spec spec_of(test_world *world, const char *key) {
  mf_function_spec spec = function(world, key);
  spec.open_image = open_image;
  return spec;
}

typedef struct compilation {
  mf_loop *loop;
  bool done, good;
  mf_error err;
} compilation;

static void on_compiled(void *context, const mf_package_report *report, int image_fd, const mf_error *err) {
  (void)report, (void)image_fd;
  compilation *job = context;
  CHECK(!job->done, "done was called twice");
  job->done = true;
  job->good = !err;
  if (err) job->err = *err;
  mf_loop_stop(job->loop);
}

static bool compile(test_world *world) {
  static const mf_package_options options = {.isa = MF_ISA_GENERIC, .max_unzipped_bytes = 1 << 20};
  compilation job = {.loop = world->loop};
  OWN_FD int fd = __real_memfd_create("package", MFD_CLOEXEC);
  CHECK(__real_write(fd, "ok:x", 4) == 4, "cannot write the package");
  mf_error err = {0};
  if (!mf_host_compile(world->host, fd, &options, on_compiled, &job, &job.err)) job.done = true;
  while (!job.done) CHECK(mf_loop_run(world->loop, &err), "%s", err.message);
  CHECK(job.good || job.err.message[0], "a compilation failed without a message");
  return job.good;
}

static bool is_answered(const test_call *call) {
  const mf_invocation *i = &call->invocation;
  if (i->outcome == MF_OUTCOME_ANSWER) return true;
  CHECK(i->outcome != MF_OUTCOME_TIMEOUT, "'%s' was forgotten until its timeout", call->payload);
  CHECK(i->outcome == MF_OUTCOME_EXITED || i->outcome == MF_OUTCOME_FAILED || i->outcome == MF_OUTCOME_OUT_OF_MEMORY, "outcome %d", (int)i->outcome);
  CHECK(i->error.message[0], "'%s' failed without a message: outcome %d", call->payload, (int)i->outcome);
  return false;
}

static int payload_file(void) {
  const int fd = __real_memfd_create("payload", MFD_CLOEXEC);
  CHECK(__real_write(fd, "echo:from a file", 16) == 16, "cannot write the payload");
  return fd;
}

static bool call_with_file(test_world *world, const mf_function_spec *spec) {
  static test_call call;
  OWN_FD int fd = payload_file();
  start_call(world, &call, spec, "clean");
  await_call(&call);
  bool good = is_answered(&call);
  call.done = false;
  call.invocation.payload = (mf_slice){NULL, 16};
  call.invocation.payload_fd = fd;
  mf_host_invoke(world->host, spec, &call.invocation);
  await_call(&call);
  good &= is_answered(&call);
  return good;
}

// More at once than the loop has room for timers at first.
static bool call_many(test_world *world) {
  enum { MANY = 80 };
  static test_call calls[MANY];
  const mf_function_spec many = spec_of(world, "r/many");
  bool good = true;
  for (int i = 0; i < MANY; i++) start_call(world, &calls[i], &many, "echo:x");
  await_calls(calls, MANY);
  for (int i = 0; i < MANY; i++) good &= is_answered(&calls[i]);
  mf_host_forget(world->host, many.key);
  return good;
}

// Cold and warm, several at once, a payload from a file, a large answer, a changed revision, a crash, a compilation, a crowd.
static bool call_everything(test_world *world) {
  static test_call calls[4];
  mf_function_spec f = spec_of(world, "r/f");
  const mf_function_spec g = spec_of(world, "r/g");
  static const char *const payloads[] = {"echo:a", "count", "big:100000", "crash"};
  bool good = true;
  for (int i = 0; i < 4; i++) start_call(world, &calls[i], i % 2 ? &f : &g, payloads[i]);
  await_calls(calls, 4);
  for (int i = 0; i < 4; i++) good &= is_answered(&calls[i]) || i == 3;
  good &= call_with_file(world, &f);
  f.revision++;
  good &= is_answered(make_call(world, &f, "echo:new"));
  good &= compile(world);
  good &= call_many(world);
  mf_host_forget(world->host, f.key);
  mf_host_forget(world->host, g.key);
  return good;
}

static bool wish(test_world *world) {  // after the faults everything works, at the latest when the pool is asked again
  static const int64_t patience_ns = 10 * MF_NS_PER_S;
  const mf_function_spec h = spec_of(world, "r/h");
  const int64_t until = mf_now_ns() + patience_ns;
  while (mf_now_ns() < until)
    if (is_answered(make_call(world, &h, "echo:after")) && compile(world)) return true;
  return false;
}

static bool make_host(test_world *world, mf_error *err) {
  const mf_host_options options = {.run_slots = 2, .pool_bytes = 4 << 20, .keep_alive_ns = MF_KEEP_ALIVE_HYBRID, .max_concurrency = 1000,
                                   .compile_limit_ns = 5 * MF_NS_PER_S, .isa = MF_ISA_GENERIC};
  world->loop = mf_loop_create(err);
  world->host = world->loop ? mf_host_create(world->loop, world->keeper_socket, &options, err) : NULL;
  if (world->host) return true;
  mf_loop_destroy(world->loop);
  CHECK(err->message[0], "the host was not made, and nobody says why");
  return false;
}

static int front(void *context, int keeper_socket) {
  fault_trial *trial = context;
  test_world world = {.keeper_socket = keeper_socket};
  mf_error err = {0};
  signal(SIGALRM, on_alarm);
  alarm(WALK_LIMIT_S);
  if (trial->victim == FRONT) atomic_store(&faults->only_in, getpid());
  if (trial->victim == CHILDREN) atomic_store(&faults->not_in[1], getpid());
  trial->fronts++;
  const uint32_t before = open_descriptors();
  if (!make_host(&world, &err)) {
    trial->refused++;
    CHECK(open_descriptors() == before, "%u descriptors, %u before", open_descriptors(), before);
    return 0;
  }
  trial->failed += !call_everything(&world);
  trial->reached = faults_end();
  CHECK(wish(&world), "nothing works after the fault");
  mf_host_destroy(world.host);
  mf_loop_destroy(world.loop);
  CHECK(open_descriptors() == before, "%u descriptors, %u before", open_descriptors(), before);
  trial->walked++;
  return 0;
}

// ---- trials ----

static int run_keeper(fault_trial *trial) {
  fflush(NULL);
  const pid_t pid = __real_fork();
  if (pid == 0) {
    atomic_store(&faults->only_in, trial->victim == KEEPER ? getpid() : trial->victim == FRONT ? -1 : 0);  // front enters itself
    atomic_store(&faults->not_in[0], trial->victim == CHILDREN ? getpid() : 0);
    exit(mf_keeper_run_with(&fake_functions, front, trial));
  }
  return await_process(pid);
}

static void try_every(enum victim victim, bool memory, int number, bool lasting, int least_failures) {
  fault_trial *trial = __real_mmap64(NULL, sizeof *trial, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  const int stride = faults_stride(victim == CHILDREN ? 4 : 1, victim == CHILDREN ? 12 : 4), first = faults_first(stride);
  int failures = 0, n = first;
  faults_share();
  atomic_store(&faults->lasting, lasting);
  do {
    memset(trial, 0, sizeof *trial);
    trial->victim = victim;
    trial->reached = true;  // unless a front comes that far and says otherwise
    faults_begin(memory, number, n);
    const int status = run_keeper(trial);
    const bool not_begun = victim == KEEPER && trial->fronts == 0 && status == 1;  // the keeper said why and ended
    if (!not_begun && (status != 0 || trial->refused + trial->walked == 0))
      fail_msg("call %d: exit status %d, %d fronts, %d refused, %d walked", n, status, trial->fronts, trial->refused, trial->walked);
    failures += not_begun || trial->refused || trial->failed;
    n += stride;
  } while (trial->reached && n < 2000);
  print_message("each %d. call from %d to %d: %d of them made something fail\n", stride, first, n - stride, failures);
  assert_false(trial->reached);
  assert_true(failures >= least_failures / stride);
}

#define TRIAL(name, ...)          \
  static void name(void **state) { \
    (void)state;                   \
    try_every(__VA_ARGS__);        \
  }
TRIAL(every_allocation_of_front_may_fail, FRONT, true, 0, false, 5)
TRIAL(front_may_run_out_of_memory, FRONT, true, 0, true, 5)
TRIAL(every_system_call_of_front_may_fail, FRONT, false, ENOMEM, false, 10)
TRIAL(front_may_run_out_of_descriptors, FRONT, false, EMFILE, true, 10)
TRIAL(every_allocation_of_the_keeper_may_fail, KEEPER, true, 0, false, 3)
TRIAL(every_system_call_of_the_keeper_may_fail, KEEPER, false, ENOMEM, false, 5)
TRIAL(every_allocation_of_workers_and_compilers_may_fail, CHILDREN, true, 0, false, 5)
TRIAL(every_system_call_of_workers_and_compilers_may_fail, CHILDREN, false, EPERM, false, 10)

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_of_front_may_fail),
      cmocka_unit_test(front_may_run_out_of_memory),
      cmocka_unit_test(every_system_call_of_front_may_fail),
      cmocka_unit_test(front_may_run_out_of_descriptors),
      cmocka_unit_test(every_allocation_of_the_keeper_may_fail),
      cmocka_unit_test(every_system_call_of_the_keeper_may_fail),
      cmocka_unit_test(every_allocation_of_workers_and_compilers_may_fail),
      cmocka_unit_test(every_system_call_of_workers_and_compilers_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
