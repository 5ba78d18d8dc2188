// Messages between keeper, front and workers: fixed sizes, from the list messages.def, over SOCK_SEQPACKET.
#ifndef MF_HOST_MESSAGE_H
#define MF_HOST_MESSAGE_H

#include "base/base.h"
#include "pipeline/pipeline.h"

typedef enum mf_side { MF_SIDE_KEEPER, MF_SIDE_FRONT, MF_SIDE_WORKER } mf_side;
typedef enum mf_message_kind {
  MF_MESSAGE_NONE,
#define MF_MESSAGE(NAME, name, from, to, descriptors) MF_MESSAGE_##NAME,
#include "messages.def"
#undef MF_MESSAGE
  MF_MESSAGE_COUNT
} mf_message_kind;
enum { MF_MESSAGE_MAX_FDS = 3 };

// `id` names a process between front and keeper; front chooses it and never uses it twice.
struct mf_message_spawn_worker {
  uint64_t id, arena_bytes;
  uint32_t urgent, padding;  // urgent: somebody waits; else it is made with low priority and its arena is faulted in
};
struct mf_message_spawn_compiler {
  uint64_t id, package_bytes, image_limit_bytes;
  mf_package_options options;
};
struct mf_message_answered { uint32_t padding; };
struct mf_message_spawned { uint64_t id; int32_t pid; uint32_t padding; };
struct mf_message_refused { uint64_t id; int32_t error_number; uint32_t padding; };
struct mf_message_exited {
  uint64_t id;
  int32_t status;            // as wait(2) reports it
  uint32_t padding;
  int64_t max_rss_bytes;
};
struct mf_message_stop { uint32_t padding; };
struct mf_message_bind {
  uint64_t image_bytes, memory_bytes, limit_bytes;  // arena in total; RLIMIT_DATA
  uint32_t only_bind, padding;                      // there is no payload: the answer says that the instance is ready
};

typedef struct mf_message {
  uint32_t kind, padding;
  union {
#define MF_MESSAGE(NAME, name, from, to, descriptors) struct mf_message_##name name;
#include "messages.def"
#undef MF_MESSAGE
  };
} mf_message;

// The descriptors stay the caller's. Fails as well when a non-blocking socket is full.
bool mf_message_send(int socket, const mf_message *message, const int *fds, mf_error *err) MF_MUST_CHECK;

typedef enum mf_received { MF_RECEIVED, MF_RECEIVED_NOTHING, MF_RECEIVED_END, MF_RECEIVED_WRONG } mf_received;
// `me` is the receiving side. RECEIVED: *message and its descriptors (the caller's now). WRONG: *err; nothing is left open.
mf_received mf_message_receive(int socket, mf_side me, mf_message *message, int fds[MF_MESSAGE_MAX_FDS], mf_error *err);
#endif
