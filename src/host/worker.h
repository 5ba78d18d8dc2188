// The two processes that the keeper forks on front's word. Neither function returns.
#ifndef MF_HOST_WORKER_H
#define MF_HOST_WORKER_H

#include <stdnoreturn.h>
#include <sys/types.h>

#include "host.h"
#include "message.h"
#include "sandbox.h"

// An exit status of a process that never got as far as its work.
enum { MF_EXIT_SANDBOX = 121, MF_EXIT_MEMORY = 122, MF_EXIT_PROTOCOL = 123 };

typedef struct mf_birth {  // what a fresh process knows from its parent
  const mf_host_functions *functions;
  const mf_sandbox *sandbox;
  pid_t parent;
  uint32_t number;  // unique among the living: picks the user id
  const int *fds;   // as its message lists them
} mf_birth;

noreturn void mf_worker_main(const mf_birth *birth, const struct mf_message_spawn_worker *order);
noreturn void mf_compiler_main(const mf_birth *birth, const struct mf_message_spawn_compiler *order);
#endif
