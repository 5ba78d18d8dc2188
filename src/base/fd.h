// Descriptors with an owner: OWN(fd) closes it when the scope ends unless it was given away with mf_give.
#ifndef MF_BASE_FD_H
#define MF_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "str.h"

void mf_close(int *fd);  // closes *fd if it is >= 0 and sets it to -1; errno stays
#define OWN_FD __attribute__((cleanup(mf_close)))
static inline int mf_give(int *fd) {
  int given = *fd;
  *fd = -1;
  return given;
}

// All or nothing, EINTR retried. `what` names the file in the error.
bool mf_write_all(int fd, const void *data, size_t len, const char *what, mf_error *err) MF_MUST_CHECK;
bool mf_read_exact(int fd, void *data, size_t len, const char *what, mf_error *err) MF_MUST_CHECK;
// The whole file into the arena (at most limit_bytes), NUL-terminated behind .len.
bool mf_read_file(mf_arena *arena, const char *path, size_t limit_bytes, mf_slice *out, mf_error *err) MF_MUST_CHECK;

// A message with descriptors over a Unix socket of type SOCK_SEQPACKET (unix(7), SCM_RIGHTS). At most MF_MAX_FDS of them.
enum { MF_MAX_FDS = 8 };
bool mf_send_fds(int socket, const void *data, size_t len, const int *fds, size_t n_fds, mf_error *err) MF_MUST_CHECK;
// Returns the length received, 0 at the end of the connection, -1 with *err on failure or -1 with err->code MF_OK when a
// non-blocking socket has nothing. *n_fds: room in, number out. Descriptors are close-on-exec.
ssize_t mf_recv_fds(int socket, void *data, size_t capacity, int *fds, size_t *n_fds, mf_error *err) MF_MUST_CHECK;
#endif
