// Sandbox: what workers, compilers and commands may do. The tables are at the top of sandbox.c; the order in which a fresh process gives
// its rights up is mf_sandbox_detach (descriptors, signals, environment), then its own preparations, then mf_sandbox_enter.
#ifndef MF_HOST_SANDBOX_H
#define MF_HOST_SANDBOX_H

#include <linux/filter.h>
#include <sys/types.h>

#include "base/base.h"

typedef enum mf_sandbox_kind { MF_SANDBOX_WORKER, MF_SANDBOX_COMPILER, MF_SANDBOX_COMMAND, MF_SANDBOX_KINDS } mf_sandbox_kind;

// Descriptors of a sandboxed process have fixed numbers, so that its filter can name them; nothing else is open.
enum {
  MF_FD_FIRST = 3,
  MF_WORKER_FD_SOCKET = 3, MF_WORKER_FD_DOORBELL = 4, MF_WORKER_FD_MAILBOX = 5,
  MF_COMPILER_FD_PACKAGE = 3, MF_COMPILER_FD_IMAGE = 4, MF_COMPILER_FD_REPORT = 5,
};

// Made once, before forking; entering then costs a few system calls.
typedef struct mf_sandbox {
  struct sock_filter *filters[MF_SANDBOX_KINDS];
  unsigned short lengths[MF_SANDBOX_KINDS];
  bool own_uids;  // we are root and the range of user ids is there
} mf_sandbox;
bool mf_sandbox_prepare(mf_sandbox *sandbox, mf_error *err) MF_MUST_CHECK;
void mf_sandbox_deinit(mf_sandbox *sandbox);

typedef struct mf_sandbox_limits {  // 0: none
  uint64_t data_bytes, address_bytes, file_bytes;
  uint32_t cpu_s;
} mf_sandbox_limits;

// Both run in the child and return NULL, or the step that failed (errno says why). They allocate nothing.
// fds become MF_FD_FIRST, MF_FD_FIRST + 1, …; everything else is closed. Dies with `parent`.
const char *mf_sandbox_detach(pid_t parent, const int *fds, uint32_t n_fds);
// `number` picks the user id; two processes with the same number must not live at the same time.
const char *mf_sandbox_enter(const mf_sandbox *sandbox, mf_sandbox_kind kind, const mf_sandbox_limits *limits, uint32_t number,
                             pid_t parent);

// ASan's own calls do not fit any short list: such builds run without filter and say so in mf_sandbox_lacks.
#if defined(__SANITIZE_ADDRESS__)
#define MF_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MF_SANITIZED 1
#endif
#endif
#ifndef MF_SANITIZED
#define MF_SANITIZED 0
#endif

enum { MF_FIRST_UID = 640000, MF_UID_COUNT = 8192 };
#endif
