// Descriptors: closing, whole reads and writes, passing them between processes.
#include "fd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void mf_close(int *fd) {
  int saved = errno;
  if (*fd >= 0) close(*fd);
  *fd = -1;
  errno = saved;
}

bool mf_write_all(int fd, const void *data, size_t len, const char *what, mf_error *err) {
  const char *p = data;
  while (len > 0) {
    ssize_t n = write(fd, p, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return mf_fail_errno(err, "%s: cannot write %zu bytes", what, len);
    p += n;
    len -= (size_t)n;
  }
  return true;
}

bool mf_read_exact(int fd, void *data, size_t len, const char *what, mf_error *err) {
  char *p = data;
  while (len > 0) {
    ssize_t n = read(fd, p, len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return mf_fail_errno(err, "%s: cannot read", what);
    if (n == 0) return mf_fail(err, MF_Io, "%s: ends %zu bytes early", what, len);
    p += n;
    len -= (size_t)n;
  }
  return true;
}

bool mf_read_file(mf_arena *arena, const char *path, size_t limit_bytes, mf_slice *out, mf_error *err) {
  OWN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) return mf_fail_errno(err, "%s", path);
  if (!S_ISREG(st.st_mode)) return mf_fail(err, MF_Io, "%s: is not a regular file", path);
  size_t size = (size_t)st.st_size;
  if (size > limit_bytes) return mf_fail(err, MF_TooLarge, "%s: is %zu bytes, the limit is %zu", path, size, limit_bytes);
  char *data = mf_arena_alloc(arena, size + 1);
  if (!data) return mf_fail(err, MF_OutOfMemory, "%s: no memory for its %zu bytes", path, size);
  if (!mf_read_exact(fd, data, size, path, err)) return false;
  *out = (mf_slice){data, size};
  return true;
}

bool mf_send_fds(int socket, const void *data, size_t len, const int *fds, size_t n_fds, mf_error *err) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(MF_MAX_FDS * sizeof(int))];
  } control;
  struct iovec iov = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  if (n_fds > MF_MAX_FDS) return mf_fail(err, MF_Internal, "%zu descriptors in one message, at most %d", n_fds, MF_MAX_FDS);
  if (n_fds > 0) {
    memset(&control, 0, sizeof control);
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
  }
  ssize_t n;
  do n = sendmsg(socket, &message, MSG_NOSIGNAL);
  while (n < 0 && errno == EINTR);
  if (n < 0) return mf_fail_errno(err, "cannot send a message of %zu bytes", len);
  return true;
}

ssize_t mf_recv_fds(int socket, void *data, size_t capacity, int *fds, size_t *n_fds, mf_error *err) {
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(MF_MAX_FDS * sizeof(int))];
  } control;
  struct iovec iov = {.iov_base = data, .iov_len = capacity};
  struct msghdr message = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  size_t room = n_fds ? *n_fds : 0, got = 0;
  if (n_fds) *n_fds = 0;
  err->code = MF_OK;
  ssize_t n;
  do n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) mf_fail_errno(err, "cannot receive a message");
    return -1;
  }
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int fd;
      memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      if (got < room) fds[got++] = fd;
      else close(fd);
    }
  }
  if (n_fds) *n_fds = got;
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
    for (size_t i = 0; i < got; i++) close(fds[i]);
    if (n_fds) *n_fds = 0;
    mf_fail(err, MF_Io, "a message was longer than the %zu bytes expected", capacity);
    return -1;
  }
  return n;
}
