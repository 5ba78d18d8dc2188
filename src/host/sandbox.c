// What a sandboxed process may do, as tables, and the order in which it gives up the rest. The filter of system calls is the wall;
// the user id, limits and closed descriptors stand behind it. An unlisted call kills the process (SIGSYS). No namespaces for workers:
// no listed call names a path, a process, a network or a host, so there is nothing that a namespace could hide, and making them costs
// more than the whole cold start.
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host.h"

// ---- system calls ----

enum { W = 1 << MF_SANDBOX_WORKER, C = 1 << MF_SANDBOX_COMPILER, X = 1 << MF_SANDBOX_COMMAND, ALL = W | C | X };
#define IS(at, value) {at, SCMP_CMP_EQ, (scmp_datum_t)(value), 0}
#define ONLY_BITS(at, bits) {at, SCMP_CMP_MASKED_EQ, ~(scmp_datum_t)(bits), 0}
#define HAS_BITS(at, bits) {at, SCMP_CMP_MASKED_EQ, (scmp_datum_t)(bits), (scmp_datum_t)(bits)}
#define OWN_PID UINT32_C(0x5ec0ffee)  // stands for the process's own id; filled in by each process
// No PROT_EXEC; no MAP_SHARED, MAP_GROWSDOWN, MAP_LOCKED or MAP_HUGETLB, whose pages RLIMIT_DATA would not count.
#define MAPPINGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_NORESERVE | MAP_STACK | MAP_POPULATE)

static const struct rule {
  int kinds, call;
  struct scmp_arg_cmp arguments[2];
  unsigned n_arguments;
} allowed[] = {
    // memory of its own
    {ALL, SCMP_SYS(mmap), {ONLY_BITS(2, PROT_READ | PROT_WRITE), ONLY_BITS(3, MAPPINGS)}, 2},
    {ALL, SCMP_SYS(munmap), {{0}}, 0},
    {ALL, SCMP_SYS(mremap), {{0}}, 0},
    {ALL, SCMP_SYS(brk), {{0}}, 0},
    {ALL, SCMP_SYS(madvise), {IS(2, MADV_DONTNEED)}, 1},
    {ALL, SCMP_SYS(madvise), {IS(2, MADV_FREE)}, 1},
    {ALL, SCMP_SYS(madvise), {IS(2, MADV_HUGEPAGE)}, 1},
    {W, SCMP_SYS(madvise), {IS(2, MADV_POPULATE_READ)}, 1},
    {W, SCMP_SYS(prlimit64), {IS(0, 0), IS(1, RLIMIT_DATA)}, 2},  // lowering its own limit when it is bound
    {W, SCMP_SYS(setrlimit), {IS(0, RLIMIT_DATA)}, 1},
    // worker: its image, its doorbell; compiler: its image. Descriptor 2 is closed: a library's warning fails instead of killing.
    {W, SCMP_SYS(recvmsg), {IS(0, MF_WORKER_FD_SOCKET)}, 1},
    {W, SCMP_SYS(write), {IS(0, MF_WORKER_FD_DOORBELL)}, 1},
    {C, SCMP_SYS(write), {IS(0, MF_COMPILER_FD_IMAGE)}, 1},
    {W | C, SCMP_SYS(write), {IS(0, STDERR_FILENO)}, 1},
    // command: the descriptors that it was given
    {X, SCMP_SYS(read), {{0}}, 0},
    {X, SCMP_SYS(write), {{0}}, 0},
    {X, SCMP_SYS(pread64), {{0}}, 0},
    {X, SCMP_SYS(pwrite64), {{0}}, 0},
    {X, SCMP_SYS(lseek), {{0}}, 0},
    {X, SCMP_SYS(fstat), {{0}}, 0},
    {X, SCMP_SYS(ftruncate), {{0}}, 0},
    {X, SCMP_SYS(close), {{0}}, 0},
    // command: threads of `mayfly bench --threads`
    {X, SCMP_SYS(clone), {HAS_BITS(0, CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)}, 1},
    {X, SCMP_SYS(mprotect), {ONLY_BITS(2, PROT_READ | PROT_WRITE)}, 1},
    {X, SCMP_SYS(futex), {{0}}, 0},
    {X, SCMP_SYS(set_robust_list), {{0}}, 0},
    {X, SCMP_SYS(rseq), {{0}}, 0},
    {X, SCMP_SYS(sched_yield), {{0}}, 0},
    {X, SCMP_SYS(exit), {{0}}, 0},
    // waiting on its mailbox, the clock where the vDSO has none, ending, and abort()'s way to a message
    {W | C, SCMP_SYS(futex), {ONLY_BITS(1, FUTEX_WAKE | FUTEX_PRIVATE_FLAG)}, 1},
    {ALL, SCMP_SYS(clock_gettime), {{0}}, 0},
    {ALL, SCMP_SYS(exit_group), {{0}}, 0},
    {ALL, SCMP_SYS(rt_sigprocmask), {{0}}, 0},
    {ALL, SCMP_SYS(getpid), {{0}}, 0},
    {ALL, SCMP_SYS(gettid), {{0}}, 0},
    {ALL, SCMP_SYS(tgkill), {IS(0, OWN_PID)}, 1},
};

// Answered with ENOSYS instead of death: the C library asks first and has another way.
static const struct {
  int kinds, call;
} absent[] = {{X, SCMP_SYS(clone3)}, {C | X, SCMP_SYS(newfstatat)}, {C | X, SCMP_SYS(getrandom)}};

// ---- limits ----

static const struct {
  __rlimit_resource_t resource;
  rlim_t worker, compiler, command;
} limits[] = {
    {RLIMIT_CORE, 0, 0, 0},
    {RLIMIT_NOFILE, 8, 8, 64},
    {RLIMIT_MEMLOCK, 0, 0, 0},
    {RLIMIT_MSGQUEUE, 0, 0, 0},
    {RLIMIT_STACK, 8 << 20, 64 << 20, 64 << 20},
};

// ---- preparing ----

static bool add_rules(scmp_filter_ctx filter, int kind, mf_error *err) {
  int failed = 0;
  for (size_t i = 0; i < MF_COUNT(allowed) && !failed; i++)
    if (allowed[i].kinds & kind)
      failed = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, allowed[i].call, allowed[i].n_arguments, allowed[i].arguments);
  for (size_t i = 0; i < MF_COUNT(absent) && !failed; i++)
    if (absent[i].kinds & kind) failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), absent[i].call, 0);
  if (!failed) failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  errno = -failed;
  return !failed || mf_fail_errno(err, "cannot build the filter of system calls");
}

// libseccomp hands a program out through a descriptor only.
static bool export_filter(scmp_filter_ctx filter, struct sock_filter **program, unsigned short *length, mf_error *err) {
  OWN_FD int fd = memfd_create("mayfly-filter", MFD_CLOEXEC);
  if (fd < 0) return mf_fail_errno(err, "cannot export the filter of system calls");
  errno = -seccomp_export_bpf(filter, fd);
  const off_t size = errno ? -1 : lseek(fd, 0, SEEK_END);
  if (size <= 0 || size % (off_t)sizeof **program != 0) return mf_fail_errno(err, "cannot export the filter of system calls");
  *program = malloc((size_t)size);
  if (!*program) return mf_fail(err, MF_OutOfMemory, "no memory for the filter of system calls");
  *length = (unsigned short)((size_t)size / sizeof **program);
  return pread(fd, *program, (size_t)size, 0) == size || mf_fail_errno(err, "cannot read the filter of system calls");
}

static bool build_filter(mf_sandbox *sandbox, int kind, mf_error *err) {
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (!filter) return mf_fail(err, MF_OutOfMemory, "no memory for the filter of system calls");
  const bool done = add_rules(filter, 1 << kind, err) && export_filter(filter, &sandbox->filters[kind], &sandbox->lengths[kind], err);
  seccomp_release(filter);
  return done;
}

// Does this user namespace map the range of ids that workers get?
static bool maps_our_ids(const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) return false;
  unsigned long first, outside, count;
  bool found = false;
  while (!found && fscanf(file, "%lu %lu %lu", &first, &outside, &count) == 3)
    found = first <= MF_FIRST_UID && first + count >= (unsigned long)MF_FIRST_UID + MF_UID_COUNT;
  fclose(file);
  return found;
}

static bool may_change_and_kill_users(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct have[2] = {{0}};
  const uint32_t needed = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_KILL;
  return syscall(SYS_capget, &header, have) == 0 && (have[0].effective & needed) == needed;
}

static bool has_own_uids(void) {
  return geteuid() == 0 && may_change_and_kill_users() && maps_our_ids("/proc/self/uid_map") && maps_our_ids("/proc/self/gid_map");
}

static int compare_bytes(const void *a, const void *b) { return *(const unsigned char *)a - *(const unsigned char *)b; }

// glibc's qsort asks sysinfo(2) for the size of memory when it first sorts more than 1 kB, and remembers it: let that be here, since no
// filter allows the call. (A graph of some hundred nodes is sorted by the compiler.)
static void remember_memory_size(void) {
  unsigned char bytes[2048] = {1};
  qsort(bytes, sizeof bytes, 1, compare_bytes);
}

bool mf_sandbox_prepare(mf_sandbox *sandbox, mf_error *err) {
  remember_memory_size();
  *sandbox = (mf_sandbox){.own_uids = has_own_uids()};
  for (int kind = 0; kind < MF_SANDBOX_KINDS; kind++) {
    if (!build_filter(sandbox, kind, err)) {
      mf_sandbox_deinit(sandbox);
      return false;
    }
  }
  return true;
}

void mf_sandbox_deinit(mf_sandbox *sandbox) {
  for (int kind = 0; kind < MF_SANDBOX_KINDS; kind++) free(sandbox->filters[kind]);
  *sandbox = (mf_sandbox){0};
}

void mf_sandbox_lacks(mf_buf *out) {
  if (MF_SANITIZED) mf_buf_text(out, "built with a sanitizer: no filter of system calls, no limit of memory\n");
  if (geteuid() != 0) mf_buf_format(out, "not root: functions run under your own user id (%u)\n", (unsigned)geteuid());
  else if (!has_own_uids())
    mf_buf_format(out, "user ids %d to %d cannot be used here: functions run under user id 0 without capabilities\n", MF_FIRST_UID,
                  MF_FIRST_UID + MF_UID_COUNT - 1);
  if (!mf_host_may_background())
    mf_buf_text(out, "no CAP_SYS_NICE, and RLIMIT_NICE is below 20: asynchronous invocations slow down those that come beside them\n");
  if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0) mf_buf_text(out, "this kernel has no seccomp: functions cannot start\n");
}

// ---- entering ----

static bool place_descriptors(const int *fds, uint32_t n_fds) {
  enum { ASIDE = 64 };
  _Static_assert(ASIDE + MF_MAX_FDS <= MF_HOST_LEAST_DESCRIPTORS, "there is room aside");
  int aside[MF_MAX_FDS];
  for (uint32_t i = 0; i < n_fds; i++)
    if ((aside[i] = fcntl(fds[i], F_DUPFD, ASIDE)) < 0) return false;
  for (uint32_t i = 0; i < n_fds; i++)
    if (dup2(aside[i], MF_FD_FIRST + (int)i) < 0) return false;
  const unsigned past = MF_FD_FIRST + n_fds;
  const unsigned standard = MF_SANITIZED ? 2 : 3;  // ASan reports on stderr
  return close_range(past, ~0U, 0) == 0 && close_range(0, standard - 1, 0) == 0;
}

static void reset_signals(void) {
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

// The environment of the user may hold secrets: the strings go, not only the pointers.
static void wipe_environment(void) {
  for (char **entry = environ; entry && *entry; entry++) explicit_bzero(*entry, strlen(*entry));
  static char *empty[] = {NULL};
  environ = empty;
}

static bool die_with(pid_t parent) { return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && getppid() == parent; }

const char *mf_sandbox_detach(pid_t parent, const int *fds, uint32_t n_fds) {
  if (!die_with(parent)) return "cannot die with the parent";
  // A key pressed at the user's terminal is the keeper's business. A group of its own and no session: where Linux schedules by sessions
  // (sched(7), autogroups) the classes of workers would mean nothing to those of other sessions.
  setpgid(0, 0);
  reset_signals();
  if (!place_descriptors(fds, n_fds)) return "cannot place descriptors";
  wipe_environment();
  return NULL;
}

static bool limit(__rlimit_resource_t resource, rlim_t value) {
  struct rlimit now;
  if (getrlimit(resource, &now) != 0) return false;
  if (now.rlim_max < value) value = now.rlim_max;  // an ordinary user cannot raise it
  return setrlimit(resource, &(struct rlimit){value, value}) == 0;
}

static bool set_limits(mf_sandbox_kind kind, const mf_sandbox_limits *own) {
  for (size_t i = 0; i < MF_COUNT(limits); i++) {
    const rlim_t value = kind == MF_SANDBOX_WORKER ? limits[i].worker : kind == MF_SANDBOX_COMPILER ? limits[i].compiler : limits[i].command;
    if (!limit(limits[i].resource, value)) return false;
  }
  if (own->cpu_s && !limit(RLIMIT_CPU, own->cpu_s)) return false;
  if (kind == MF_SANDBOX_WORKER && !limit(RLIMIT_FSIZE, 0)) return false;
  if (own->file_bytes && !limit(RLIMIT_FSIZE, own->file_bytes)) return false;
  if (MF_SANITIZED) return true;  // the shadow memory alone is terabytes
  if (own->data_bytes && !limit(RLIMIT_DATA, own->data_bytes)) return false;
  return !own->address_bytes || limit(RLIMIT_AS, own->address_bytes);
}

static bool drop_ids(const mf_sandbox *sandbox, uint32_t number) {
  if (sandbox->own_uids) {
    const uid_t id = MF_FIRST_UID + number % MF_UID_COUNT;
    return setgroups(0, NULL) == 0 && setresgid(id, id, id) == 0 && setresuid(id, id, id) == 0;
  }
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct none[2] = {{0}};
  return syscall(SYS_capset, &header, none) == 0;
}

static bool filter_calls(const mf_sandbox *sandbox, mf_sandbox_kind kind) {
  if (MF_SANITIZED) return true;
  struct sock_fprog program = {.len = sandbox->lengths[kind], .filter = sandbox->filters[kind]};
  for (unsigned short i = 0; i < program.len; i++)
    if (program.filter[i].k == OWN_PID) program.filter[i].k = (uint32_t)getpid();  // our copy: the parent's stays
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

const char *mf_sandbox_enter(const mf_sandbox *sandbox, mf_sandbox_kind kind, const mf_sandbox_limits *own, uint32_t number,
                             pid_t parent) {
  if (!set_limits(kind, own)) return "cannot set limits";
  if (!drop_ids(sandbox, number)) return "cannot give up user and capabilities";
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return "cannot become undumpable";
  if (!die_with(parent)) return "cannot die with the parent";  // again: a change of user ends it
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return "cannot refuse new privileges";
  if (!filter_calls(sandbox, kind)) return "cannot filter system calls";
  return NULL;
}
