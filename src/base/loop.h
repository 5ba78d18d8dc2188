// The event loop: epoll, timers, and one hook for a library that brings its own epoll descriptor. Single-threaded; every call
// comes from the loop's thread except mf_loop_wake.
#ifndef MF_BASE_LOOP_H
#define MF_BASE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

typedef struct mf_loop mf_loop;

// Something readable or writable. The struct belongs to the caller and stays valid until mf_loop_remove; it may be removed (and
// its memory freed) from within any callback: events of the same round that were meant for it are dropped.
typedef struct mf_watch {
  int fd;
  void (*ready)(struct mf_watch *watch, uint32_t epoll_events);
  void *data;
} mf_watch;

// A timer belongs to the caller; zeroed = not set. Setting a set timer moves it.
typedef struct mf_timer {
  int64_t deadline_ns;  // mf_now_ns() clock
  void (*fire)(struct mf_timer *timer);
  void *data;
  uint32_t position;  // in the loop's heap + 1; 0: not set
} mf_timer;

mf_loop *mf_loop_create(mf_error *err) MF_MUST_CHECK;
void mf_loop_destroy(mf_loop *loop);

bool mf_loop_add(mf_loop *loop, mf_watch *watch, uint32_t epoll_events, mf_error *err) MF_MUST_CHECK;
bool mf_loop_modify(mf_loop *loop, mf_watch *watch, uint32_t epoll_events, mf_error *err) MF_MUST_CHECK;
void mf_loop_remove(mf_loop *loop, mf_watch *watch);  // does not close watch->fd

bool mf_loop_timer_set(mf_loop *loop, mf_timer *timer, int64_t deadline_ns, mf_error *err) MF_MUST_CHECK;
void mf_loop_timer_cancel(mf_loop *loop, mf_timer *timer);

// Called before each wait (libmicrohttpd's MHD_run), ahead of the timers that are due and once more after them; returns the longest
// time to wait in ns, -1 for no limit, 0 to be called again.
void mf_loop_set_hook(mf_loop *loop, int64_t (*before_wait)(void *data), void *data);

// Runs until mf_loop_stop.
bool mf_loop_run(mf_loop *loop, mf_error *err) MF_MUST_CHECK;
void mf_loop_stop(mf_loop *loop);
// From another thread or a signal handler: runs `woken` (set at creation time with mf_loop_on_wake) soon.
void mf_loop_wake(mf_loop *loop);
void mf_loop_on_wake(mf_loop *loop, void (*woken)(void *data), void *data);
#endif
