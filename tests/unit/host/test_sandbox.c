// The sandbox, from inside a real worker: every system call that is not on the list kills it, each listed one with hostile arguments kills
// it or fails, and nothing outside changes. As root and as nobody. The list here is written by hand, not taken from sandbox.c.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/sandbox.h"
#include "world.h"

enum { NOBODY = 65534 };

static const int listed[] = {SYS_mmap, SYS_munmap, SYS_mremap, SYS_brk, SYS_madvise, SYS_prlimit64, SYS_setrlimit, SYS_recvmsg, SYS_write,
                             SYS_futex, SYS_clock_gettime, SYS_exit_group, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill};

static bool is_listed(long number) {
  for (size_t i = 0; i < MF_COUNT(listed); i++)
    if (listed[i] == number) return true;
  return false;
}

static const test_call *try_call(test_world *world, long number, const char *arguments) {
  const mf_function_spec spec = function(world, "r/hostile");
  char payload[150];
  snprintf(payload, sizeof payload, "syscall:%ld %s", number, arguments);
  return make_call(world, &spec, payload);
}

static void expect_killed(test_world *world, long number, const char *arguments) {
  const test_call *call = try_call(world, number, arguments);
  CHECK(call->invocation.outcome == MF_OUTCOME_EXITED && call->invocation.signal == SIGSYS,
        "system call %ld(%s): outcome %d, signal %d, '%s'", number, arguments, (int)call->invocation.outcome, call->invocation.signal,
        call->response);
}

// uretprobe and uprobe (Linux 6.11 and later) pass every filter by the kernel's own rule; outside a probe they end in SIGILL or ENXIO.
static bool passes_every_filter(long number) { return number == 335 || number == 336; }
static void expect_nothing(test_world *world, long number) {
  const test_call *call = try_call(world, number, "0 0 0 0 0 0");
  const bool dead = call->invocation.outcome == MF_OUTCOME_EXITED && call->invocation.signal != 0;
  CHECK(dead || strncmp(call->response, "-1 ", 3) == 0, "system call %ld: outcome %d, '%s'", number, (int)call->invocation.outcome, call->response);
}

static void expect_failure(test_world *world, long number, const char *arguments, int expected_errno) {
  const test_call *call = try_call(world, number, arguments);
  char expected[32];
  snprintf(expected, sizeof expected, "-1 %d", expected_errno);
  CHECK(call->invocation.outcome == MF_OUTCOME_ANSWER && strcmp(call->response, expected) == 0,
        "system call %ld(%s): outcome %d, '%s', expected '%s'", number, arguments, (int)call->invocation.outcome, call->response, expected);
}

// ---- unlisted calls ----

static void unlisted(test_world *world) {
  uint32_t tried = 0;
  for (long number = 0; number < 480; number++) {
    if (is_listed(number)) continue;
    if (passes_every_filter(number)) expect_nothing(world, number);
    else expect_killed(world, number, "0 0 0 0 0 0");
    tried++;
  }
  expect_killed(world, 0x40000000 + SYS_mmap, "0 4096 3 34 -1 0");  // the same through the x32 table
  expect_killed(world, 0x40000000 + SYS_getpid, "");
  expect_killed(world, 1000000, "");
  CHECK(tried > 440, "%u calls tried", tried);
}

// ---- listed calls with hostile arguments ----

static void mappings(test_world *world) {
  char text[80];
  expect_killed(world, SYS_mmap, "0 4096 7 34 -1 0");   // executable
  expect_killed(world, SYS_mmap, "0 4096 5 2 0 0");     // the image, executable
  expect_killed(world, SYS_mmap, "0 4096 3 1 0 0");     // the image, shared and writable
  expect_killed(world, SYS_mmap, "0 4096 1 1 0 0");     // the image, shared
  expect_killed(world, SYS_mmap, "0 4096 3 33 -1 0");   // shared memory that no limit counts
  snprintf(text, sizeof text, "0 4096 3 %d -1 0", MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
  expect_killed(world, SYS_mmap, text);
  snprintf(text, sizeof text, "0 4096 3 %d -1 0", MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED);
  expect_killed(world, SYS_mmap, text);
  snprintf(text, sizeof text, "0 2097152 3 %d -1 0", MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
  expect_killed(world, SYS_mmap, text);
  expect_killed(world, SYS_mmap, "0 4096 0x100000003 34 -1 0");  // high halves are not ignored
  expect_killed(world, SYS_mmap, "0 4096 3 0x100000022 -1 0");
  if (!MF_SANITIZED) expect_failure(world, SYS_mmap, "0 0x40000000 3 34 -1 0", ENOMEM);  // 1 GB in a function of 128 MB
  expect_failure(world, SYS_mmap, "0 4096 3 2 4 0", ENODEV);   // the doorbell
  expect_failure(world, SYS_mmap, "0 4096 3 2 5 0", EBADF);
  const int advice[] = {MADV_REMOVE, MADV_DONTFORK, MADV_MERGEABLE, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_WRITE, MADV_WILLNEED, 100, 101};
  for (size_t i = 0; i < MF_COUNT(advice); i++) {
    snprintf(text, sizeof text, "p 4096 %d", advice[i]);
    expect_killed(world, SYS_madvise, text);
  }
}

static void descriptors(test_world *world) {
  char text[80];
  for (int fd = 0; fd < 20; fd++) {
    if (fd == MF_WORKER_FD_DOORBELL) continue;
    snprintf(text, sizeof text, "%d p 1", fd);
    if (fd == 2) expect_failure(world, SYS_write, text, EBADF);
    else expect_killed(world, SYS_write, text);
    snprintf(text, sizeof text, "%d p 0", fd);
    if (fd != MF_WORKER_FD_SOCKET) expect_killed(world, SYS_recvmsg, text);
  }
  expect_failure(world, SYS_write, "4 p 1", EINVAL);   // an eventfd takes eight bytes
  expect_failure(world, SYS_write, "4 8 8", EFAULT);
  expect_failure(world, SYS_recvmsg, "3 8 0", EFAULT);
}

static void others(test_world *world) {
  char text[80];
  const int operations[] = {FUTEX_FD, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP, FUTEX_LOCK_PI, FUTEX_WAIT_BITSET, FUTEX_WAIT_REQUEUE_PI};
  for (size_t i = 0; i < MF_COUNT(operations); i++) {
    snprintf(text, sizeof text, "p %d 1 0 p 0", operations[i]);
    expect_killed(world, SYS_futex, text);
  }
  const pid_t victims[] = {getpid(), getppid(), 1};
  for (size_t i = 0; i < MF_COUNT(victims); i++) {
    snprintf(text, sizeof text, "%d %d 9", (int)victims[i], (int)victims[i]);
    expect_killed(world, SYS_tgkill, text);
    snprintf(text, sizeof text, "%d %d p 0", (int)victims[i], RLIMIT_DATA);
    expect_killed(world, SYS_prlimit64, text);
  }
  const int resources[] = {RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_NPROC};
  for (size_t i = 0; i < MF_COUNT(resources); i++) {
    snprintf(text, sizeof text, "%d p", resources[i]);
    expect_killed(world, SYS_setrlimit, text);
    snprintf(text, sizeof text, "0 %d p 0", resources[i]);
    expect_killed(world, SYS_prlimit64, text);
  }
  const mf_function_spec spec = function(world, "r/hostile");
  char expected[32];
  snprintf(expected, sizeof expected, "-1 %d", EPERM);
  CHECK(strcmp(make_call(world, &spec, "raise-limit")->response, expected) == 0, "a worker may raise its own limit");
  const test_call *call = try_call(world, SYS_exit_group, "7");
  CHECK(call->invocation.outcome == MF_OUTCOME_EXITED && call->invocation.exit_status == 7, "exit_group");
  expect_failure(world, SYS_clock_gettime, "1 8", EFAULT);
  expect_failure(world, SYS_rt_sigprocmask, "9 p 0 8", EINVAL);
  expect_failure(world, SYS_mremap, "1 4096 8192 0 0", EINVAL);
}

// ---- what the process looks like from outside ----

static void field(pid_t pid, const char *name, char *value, size_t size) {
  char path[40], line[256];
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *file = fopen(path, "re");
  CHECK(file, "%s", path);
  value[0] = '\0';
  while (fgets(line, sizeof line, file))
    if (strncmp(line, name, strlen(name)) == 0) snprintf(value, size, "%s", line + strlen(name) + 1);
  value[strcspn(value, "\n")] = '\0';
  fclose(file);
}

static void expect_field(pid_t pid, const char *name, const char *expected) {
  char value[256];
  field(pid, name, value, sizeof value);
  CHECK(strcmp(value, expected) == 0, "%s is '%s', expected '%s'", name, value, expected);
}

// Soft and hard limit, as /proc says them.
static void expect_limit(pid_t pid, const char *name, const char *most) {
  char path[40], line[256], soft[32] = "", hard[32] = "";
  snprintf(path, sizeof path, "/proc/%d/limits", (int)pid);
  FILE *file = fopen(path, "re");
  CHECK(file, "%s", path);
  while (fgets(line, sizeof line, file))
    if (strncmp(line, name, strlen(name)) == 0) sscanf(line + strlen(name), "%31s %31s", soft, hard);
  fclose(file);
  CHECK(strcmp(soft, most) == 0 && strcmp(hard, most) == 0, "%s: '%s' and '%s', expected %s", name, soft, hard, most);
}

static void limits_of_a_worker(pid_t pid) {
  static const char *const expected[][2] = {{"Max core file size", "0"}, {"Max open files", "8"}, {"Max locked memory", "0"},
                                            {"Max msgqueue size", "0"}, {"Max stack size", "8388608"}, {"Max file size", "0"}};
  for (size_t i = 0; i < MF_COUNT(expected); i++) expect_limit(pid, expected[i][0], expected[i][1]);
}

// What belongs to an undumpable process in /proc belongs to root: no other process of its user reads its memory or traces it.
static void is_undumpable(pid_t pid) {
  char path[40];
  struct stat st;
  snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
  CHECK(stat(path, &st) == 0 && st.st_uid == 0, "%s belongs to user %u", path, (unsigned)st.st_uid);
}

static void looks(test_world *world) {
  const mf_function_spec first = function(world, "r/one"), second = function(world, "r/two");
  const pid_t a = atoi(make_call(world, &first, "count")->response), b = atoi(make_call(world, &second, "count")->response);
  char uid_a[80], uid_b[80];
  expect_field(a, "NoNewPrivs:", "1");
  expect_field(a, "Seccomp:", "2");
  expect_field(a, "CapEff:", "0000000000000000");
  expect_field(a, "CapPrm:", "0000000000000000");
  limits_of_a_worker(a);
  is_undumpable(a);
  field(a, "Uid:", uid_a, sizeof uid_a);
  field(b, "Uid:", uid_b, sizeof uid_b);
  if (geteuid() != 0) return;
  expect_field(a, "Groups:", " ");
  CHECK(atoi(uid_a) >= MF_FIRST_UID && strcmp(uid_a, uid_b) != 0, "user ids '%s' and '%s'", uid_a, uid_b);
  char path[64], target[128];
  for (int fd = 0; fd < 64; fd++) {
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)a, fd);
    const ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 0) continue;
    target[n] = '\0';
    const bool expected = (fd == 0 && strstr(target, "memfd:test-image")) || (fd == 3 && strstr(target, "socket:")) ||
                          (fd == 4 && strstr(target, "eventfd"));
    CHECK(expected, "descriptor %d is %s", fd, target);
  }
}

static void everything(test_world *world) {
  strcpy(world->image_text, "untouched");
  unlisted(world);
  mappings(world);
  descriptors(world);
  others(world);
  looks(world);
  const mf_function_spec spec = function(world, "r/hostile");
  CHECK(strstr(make_call(world, &spec, "count")->response, "untouched"), "the image changed");
}

static mf_host_options options(void) {
  mf_host_options options = small_options;
  options.run_slots = 1;
  return options;
}

static void a_worker_can_do_nothing_but_its_work(void **state) {
  (void)state;
  if (MF_SANITIZED) skip();
  const mf_host_options own = options();
  assert_int_equal(run_scenario(everything, &own, NULL), 0);
}

static void nor_can_it_as_an_ordinary_user(void **state) {
  (void)state;
  if (MF_SANITIZED) skip();
  if (geteuid() != 0) {
    print_message("skipped: only root can become nobody\n");
    skip();
  }
  const mf_host_options own = options();
  fflush(NULL);
  const pid_t pid = fork();
  if (pid == 0) {
    const bool changed = setgroups(0, NULL) == 0 && setresgid(NOBODY, NOBODY, NOBODY) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0;
    _exit(changed ? run_scenario(everything, &own, NULL) : 98);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_is_missing_is_said(void **state) {
  (void)state;
  mf_buf text = {0};
  mf_sandbox_lacks(&text);
  const mf_str said = mf_buf_view(&text);
  if (geteuid() != 0) assert_true(said.len > 0 && strstr(said.data, "not root"));
  if (MF_SANITIZED) assert_true(said.len > 0 && strstr(said.data, "sanitizer"));
  mf_buf_deinit(&text);
}

// ---- commands ----

struct work {
  int fd;
  const char *what;
};

static bool work(void *context, int out, mf_error *err) {
  const struct work *work = context;
  char text[16] = "";
  if (strcmp(work->what, "say") == 0) return write(out, "", 0) == 0;
  if (strcmp(work->what, "read") == 0)
    return pread(work->fd, text, 5, 0) == 5 && strcmp(text, "hello") == 0 ? true : mf_fail(err, MF_Io, "read '%s'", text);
  if (strcmp(work->what, "fail") == 0) return mf_fail(err, MF_InvalidModel, "node 7");
  if (strcmp(work->what, "crash") == 0) abort();
  if (strcmp(work->what, "eat") == 0) {
    char *volatile memory = malloc((size_t)1 << 30);
    return memory ? true : mf_fail(err, MF_OutOfMemory, "no memory");
  }
  if (strcmp(work->what, "open") == 0) return open("/etc/passwd", O_RDONLY) >= 0;
  if (strcmp(work->what, "socket") == 0) return socket(AF_INET, SOCK_STREAM, 0) >= 0;
  return fcntl(STDERR_FILENO, F_GETFD) >= 0;
}

static void expect_work(const char *what, bool good, mf_code code, const char *message) {
  struct work given = {.fd = memfd_create("work", 0), .what = what};
  mf_error err = {0};
  assert_true(write(given.fd, "hello", 5) == 5);
  const bool result = mf_sandbox_call(work, &given, &given.fd, 1, 256 << 20, &err);
  close(given.fd);
  if (result != good || err.code != code || !strstr(err.message, message)) fail_msg("%s: %d, %s: %s", what, result, mf_code_name(err.code), err.message);
}

static void a_command_works_in_the_sandbox(void **state) {
  (void)state;
  expect_work("say", true, MF_OK, "");
  expect_work("read", true, MF_OK, "");
  expect_work("fail", false, MF_InvalidModel, "node 7");
  expect_work("crash", false, MF_WorkerDied, MF_SANITIZED ? "" : "signal 6");
  if (MF_SANITIZED) return;
  expect_work("eat", false, MF_OutOfMemory, "no memory");
  expect_work("open", false, MF_WorkerDied, "signal 31");
  expect_work("socket", false, MF_WorkerDied, "signal 31");
}

// What a command may call, written by hand; with what arguments is left to a_command_works_in_the_sandbox and to the tables of sandbox.c.
static const int command_may[] = {
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_brk, SYS_madvise, SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_lseek, SYS_fstat,
    SYS_ftruncate, SYS_close, SYS_clone, SYS_mprotect, SYS_futex, SYS_set_robust_list, SYS_rseq, SYS_sched_yield, SYS_exit,
    SYS_clock_gettime, SYS_exit_group, SYS_rt_sigprocmask, SYS_getpid, SYS_gettid, SYS_tgkill,
    SYS_clone3, SYS_newfstatat, SYS_getrandom,  // answered with ENOSYS
};

static bool command_may_call(long number) {
  for (size_t i = 0; i < MF_COUNT(command_may); i++)
    if (command_may[i] == number) return true;
  return false;
}

static bool call_number(void *context, int out, mf_error *err) {
  (void)out;
  (void)err;
  syscall(*(const long *)context, 0, 0, 0, 0, 0, 0);
  return true;
}

static void a_command_dies_of_every_other_call(void **state) {
  (void)state;
  if (MF_SANITIZED) return;
  uint32_t tried = 0;
  for (long number = 0; number < 480; number++) {
    if (command_may_call(number) || passes_every_filter(number)) continue;
    mf_error err = {0};
    if (mf_sandbox_call(call_number, &number, NULL, 0, 256 << 20, &err) || err.code != MF_WorkerDied || !strstr(err.message, "signal 31"))
      fail_msg("system call %ld: %s", number, err.message);
    tried++;
  }
  assert_true(tried > 400);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_worker_can_do_nothing_but_its_work),
      cmocka_unit_test(nor_can_it_as_an_ordinary_user),
      cmocka_unit_test(what_is_missing_is_said),
      cmocka_unit_test(a_command_works_in_the_sandbox),
      cmocka_unit_test(a_command_dies_of_every_other_call),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
