// Closing politely. When a request is refused before its body was read, closing the socket at once makes the kernel send a reset,
// which throws away the answer that the peer has not read yet. So a copy of the socket stays open for a moment and what the peer
// still sends is dropped unread, up to a limit.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

enum { LINGER_S = 5, PIECE = 1 << 20 };

struct lingering {
  mf_wire *wire;
  lingering *next, *previous;
  mf_watch watch;
  mf_timer limit;
  uint64_t left;
};

static void finish(lingering *l) {
  mf_loop_timer_cancel(l->wire->loop, &l->limit);
  mf_loop_remove(l->wire->loop, &l->watch);
  if (l->next) l->next->previous = l->previous;
  if (l->previous) l->previous->next = l->next;
  else l->wire->lingering = l->next;
  close(l->watch.fd);
  free(l);
}

static void on_limit(mf_timer *timer) { finish(timer->data); }

static void on_data(mf_watch *watch, uint32_t events) {
  (void)events;
  lingering *l = watch->data;
  ssize_t n = recv(watch->fd, NULL, PIECE, MSG_TRUNC | MSG_DONTWAIT);  // TCP drops the bytes without a copy (tcp(7))
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0 || (uint64_t)n >= l->left) finish(l);
  else l->left -= (uint64_t)n;
}

void mf_wire_linger(mf_wire *wire, int fd, uint64_t bytes) {
  lingering *l = calloc(1, sizeof *l);
  if (!l) return;
  mf_error err;
  *l = (lingering){.wire = wire, .left = bytes, .next = wire->lingering, .limit = {.fire = on_limit, .data = l},
                   .watch = {.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0), .ready = on_data, .data = l}};
  if (l->next) l->next->previous = l;
  wire->lingering = l;
  if (l->watch.fd < 0 || !mf_loop_add(wire->loop, &l->watch, EPOLLIN, &err) ||
      !mf_loop_timer_set(wire->loop, &l->limit, mf_now_ns() + LINGER_S * MF_NS_PER_S, &err))
    finish(l);
}

void mf_wire_linger_end(mf_wire *wire) {
  for (lingering *l = wire->lingering, *next; l; l = next) {
    next = l->next;
    finish(l);
  }
}
