// Scheduling classes. A worker in the class of the idle computes only where nobody else would, and gives its processor at once to whoever
// wakes: Linux takes a processor on which only such a one runs for an idle one (sched(7), SCHED_IDLE).
#include <linux/capability.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

static bool has_capability(unsigned capability) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};
  return syscall(SYS_capget, &header, data) == 0 && (data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability));
}

// Anybody may put his processes into that class; what takes privileges is the way out of it. Root's workers have user ids of their own.
bool mf_host_may_background(void) {
  enum { NICE_0 = 20 };  // as RLIMIT_NICE counts
  struct rlimit nice = {0};
  if (has_capability(CAP_SYS_NICE)) return true;
  return geteuid() != 0 && getrlimit(RLIMIT_NICE, &nice) == 0 && nice.rlim_cur >= NICE_0;
}

void mf_worker_background(const mf_host *host, mf_worker *worker, bool background) {
  if (!host->may_background || worker->background == background) return;
  const struct sched_param none = {0};
  if (sched_setscheduler(worker->pid, background ? SCHED_IDLE : SCHED_OTHER, &none) == 0) worker->background = background;
}
