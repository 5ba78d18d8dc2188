// The event loop. Timers are a binary heap of the callers' structs; the heap's positions are kept in them, so that moving and
// cancelling a timer is O(log n).
#include "loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"

enum { EVENTS_PER_ROUND = 64, MAX_WAKERS = 4 };

struct mf_loop {
  int epoll_fd;
  mf_watch wake;
  struct {
    void (*call)(void *data);
    void *data;
  } wakers[MAX_WAKERS];
  int n_wakers;
  int64_t (*before_wait)(void *data);
  void *hook_data;
  mf_timer **heap;
  uint32_t n_timers, heap_capacity;
  struct epoll_event events[EVENTS_PER_ROUND];
  int n_events;  // of the round under way, so that mf_loop_remove can drop what is meant for a watch that is gone
  bool stopped;
};

static void on_wake(mf_watch *watch, uint32_t events) {
  (void)events;
  mf_loop *loop = watch->data;
  uint64_t count;
  if (read(watch->fd, &count, sizeof count) < 0) return;
  for (int i = 0; i < loop->n_wakers; i++) loop->wakers[i].call(loop->wakers[i].data);
}

mf_loop *mf_loop_create(mf_error *err) {
  mf_loop *loop = calloc(1, sizeof *loop);
  if (!loop) {
    mf_fail(err, MF_OutOfMemory, "no memory for an event loop");
    return NULL;
  }
  loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  loop->wake = (mf_watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = on_wake, .data = loop};
  if (loop->epoll_fd < 0 || loop->wake.fd < 0) {
    mf_fail_errno(err, "cannot make an event loop");
  } else if (mf_loop_add(loop, &loop->wake, EPOLLIN, err)) {
    return loop;
  }
  mf_loop_destroy(loop);
  return NULL;
}

void mf_loop_destroy(mf_loop *loop) {
  if (!loop) return;
  if (loop->wake.fd >= 0) close(loop->wake.fd);
  if (loop->epoll_fd >= 0) close(loop->epoll_fd);
  free(loop->heap);
  free(loop);
}

static bool control(mf_loop *loop, int operation, mf_watch *watch, uint32_t events, mf_error *err) {
  struct epoll_event event = {.events = events, .data.ptr = watch};
  if (epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) != 0)
    return mf_fail_errno(err, "cannot watch descriptor %d", watch->fd);
  return true;
}

bool mf_loop_add(mf_loop *loop, mf_watch *watch, uint32_t events, mf_error *err) {
  return control(loop, EPOLL_CTL_ADD, watch, events, err);
}

bool mf_loop_modify(mf_loop *loop, mf_watch *watch, uint32_t events, mf_error *err) {
  return control(loop, EPOLL_CTL_MOD, watch, events, err);
}

void mf_loop_remove(mf_loop *loop, mf_watch *watch) {
  epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
  for (int i = 0; i < loop->n_events; i++)
    if (loop->events[i].data.ptr == watch) loop->events[i].data.ptr = NULL;
}

static void place(mf_loop *loop, mf_timer *timer, uint32_t index) {
  loop->heap[index] = timer;
  timer->position = index + 1;
}

static void sift_up(mf_loop *loop, mf_timer *timer, uint32_t index) {
  while (index > 0) {
    uint32_t parent = (index - 1) / 2;
    if (loop->heap[parent]->deadline_ns <= timer->deadline_ns) break;
    place(loop, loop->heap[parent], index);
    index = parent;
  }
  place(loop, timer, index);
}

static void sift_down(mf_loop *loop, mf_timer *timer, uint32_t index) {
  for (;;) {
    uint32_t child = 2 * index + 1;
    if (child >= loop->n_timers) break;
    if (child + 1 < loop->n_timers && loop->heap[child + 1]->deadline_ns < loop->heap[child]->deadline_ns) child++;
    if (timer->deadline_ns <= loop->heap[child]->deadline_ns) break;
    place(loop, loop->heap[child], index);
    index = child;
  }
  place(loop, timer, index);
}

bool mf_loop_timer_set(mf_loop *loop, mf_timer *timer, int64_t deadline_ns, mf_error *err) {
  mf_loop_timer_cancel(loop, timer);
  if (loop->n_timers == loop->heap_capacity) {
    uint32_t capacity = loop->heap_capacity ? loop->heap_capacity * 2 : 64;
    mf_timer **heap = realloc(loop->heap, capacity * sizeof(mf_timer *));
    if (!heap) return mf_fail(err, MF_OutOfMemory, "no memory for %u timers", capacity);
    loop->heap = heap;
    loop->heap_capacity = capacity;
  }
  timer->deadline_ns = deadline_ns;
  sift_up(loop, timer, loop->n_timers++);
  return true;
}

void mf_loop_timer_cancel(mf_loop *loop, mf_timer *timer) {
  if (timer->position == 0) return;
  uint32_t index = timer->position - 1;
  timer->position = 0;
  mf_timer *last = loop->heap[--loop->n_timers];
  if (last == timer) return;
  if (index > 0 && last->deadline_ns < loop->heap[(index - 1) / 2]->deadline_ns) sift_up(loop, last, index);
  else sift_down(loop, last, index);
}

static bool fire_timers(mf_loop *loop) {
  if (loop->n_timers == 0) return false;
  int64_t now = mf_now_ns();
  bool fired = false;
  while (loop->n_timers > 0 && loop->heap[0]->deadline_ns <= now && !loop->stopped) {
    mf_timer *timer = loop->heap[0];
    mf_loop_timer_cancel(loop, timer);
    timer->fire(timer);
    fired = true;
  }
  return fired;
}

void mf_loop_set_hook(mf_loop *loop, int64_t (*before_wait)(void *data), void *data) {
  loop->before_wait = before_wait;
  loop->hook_data = data;
}

static int64_t run_hook(mf_loop *loop) { return loop->before_wait ? loop->before_wait(loop->hook_data) : -1; }

// How long the next wait may last, -1: for ever. What events led to leaves through the hook before timers have their turn: somebody
// waits for it, and a timer's work (a process to end, one to start) can wait.
static int64_t settle(mf_loop *loop) {
  int64_t wait = run_hook(loop);
  if (fire_timers(loop)) wait = run_hook(loop);
  if (loop->n_timers == 0) return wait;
  int64_t left = loop->heap[0]->deadline_ns - mf_now_ns();
  if (left < 0) left = 0;
  return wait < 0 || left < wait ? left : wait;
}

static int wait_for_events(mf_loop *loop, int64_t wait) {
  struct timespec limit = {.tv_sec = wait / MF_NS_PER_S, .tv_nsec = wait % MF_NS_PER_S};
  return epoll_pwait2(loop->epoll_fd, loop->events, EVENTS_PER_ROUND, wait < 0 ? NULL : &limit, NULL);
}

bool mf_loop_run(mf_loop *loop, mf_error *err) {
  loop->stopped = false;
  while (!loop->stopped) {
    const int64_t wait = settle(loop);
    if (loop->stopped) break;
    int n = wait_for_events(loop, wait);
    if (n < 0 && errno != EINTR) return mf_fail_errno(err, "cannot wait for events");
    loop->n_events = n < 0 ? 0 : n;
    for (int i = 0; i < loop->n_events; i++) {
      mf_watch *watch = loop->events[i].data.ptr;
      if (watch) watch->ready(watch, loop->events[i].events);
    }
    loop->n_events = 0;
  }
  return true;
}

void mf_loop_stop(mf_loop *loop) { loop->stopped = true; }

void mf_loop_wake(mf_loop *loop) {
  uint64_t one = 1;
  if (write(loop->wake.fd, &one, sizeof one) < 0) return;  // full: a wake-up is under way already
}

void mf_loop_on_wake(mf_loop *loop, void (*woken)(void *data), void *data) {
  if (loop->n_wakers == MAX_WAKERS) abort();  // a bug: wakers are wired once at start
  loop->wakers[loop->n_wakers].call = woken;
  loop->wakers[loop->n_wakers++].data = data;
}
