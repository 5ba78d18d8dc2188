// Worker processes as front sees them: asked for, blank in the pool, bound, idle, gone. The pool holds blank workers in classes by the
// size of the arena that was faulted in beforehand, within --pool-memory, and is refilled one at a time behind the calls that used it up.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

#define MB ((uint64_t)1 << 20)
const uint64_t mf_pool_class_bytes[MF_POOL_CLASSES] = {2 * MB, 8 * MB, 32 * MB, 128 * MB};
// Of --pool-memory, in sixteenths; what a class cannot use goes to the smaller ones. Many small models are more likely than large ones,
// and a large one may begin in a smaller worker (the rest of its arena is mapped when it is bound).
static const uint32_t class_share[MF_POOL_CLASSES] = {3, 5, 4, 4};
enum { CLASS_LARGEST = 64, CANDIDATES = 64 };  // CANDIDATES: idle instances that are compared when one has to go
// To start a worker and to end one costs milliseconds of a processor and makes whatever runs beside it slower: it waits for a quiet moment.
#define REFILL_QUIET_NS (5 * MF_NS_PER_MS)
#define REFILL_EMPTY_NS (1 * MF_NS_PER_MS)     // a class with no worker left does not wait as long
#define REFILL_LATEST_NS (100 * MF_NS_PER_MS)  // there may never be a quiet moment
#define REFILL_FAILED_NS (1 * MF_NS_PER_S)
#define RETIRE_NS (1 * MF_NS_PER_MS)           // the last answer is on its way meanwhile

// ---- lists ----

static void link_first(mf_worker **list, mf_worker *worker) {
  worker->previous = NULL;
  worker->next = *list;
  if (*list) (*list)->previous = worker;
  *list = worker;
}

static void unlink_from(mf_worker **list, mf_worker *worker) {
  if (worker->previous) worker->previous->next = worker->next;
  else *list = worker->next;
  if (worker->next) worker->next->previous = worker->previous;
  worker->next = worker->previous = NULL;
}

static void age_push(mf_host *host, mf_worker *worker) {
  worker->newer = NULL;
  worker->older = host->idle_newest;
  if (worker->older) worker->older->newer = worker;
  else host->idle_oldest = worker;
  host->idle_newest = worker;
}

static void age_remove(mf_host *host, mf_worker *worker) {
  if (worker->newer) worker->newer->older = worker->older;
  else host->idle_newest = worker->older;
  if (worker->older) worker->older->newer = worker->newer;
  else host->idle_oldest = worker->newer;
  worker->newer = worker->older = NULL;
}

// ---- structs ----

static mf_worker *find(const mf_host *host, uint64_t id) {
  const uint32_t at = (uint32_t)id;
  mf_worker *worker = at < host->n_workers ? host->workers[at] : NULL;
  return worker && worker->id == id ? worker : NULL;
}

static bool add_slot(mf_host *host) {
  if (host->n_workers == host->workers_capacity) {
    const uint32_t capacity = host->workers_capacity ? host->workers_capacity * 2 : 64;
    mf_worker **workers = realloc(host->workers, capacity * sizeof(mf_worker *));
    if (!workers) return false;
    host->workers = workers;
    host->workers_capacity = capacity;
  }
  mf_worker *worker = calloc(1, sizeof *worker);
  if (!worker) return false;
  worker->id = host->n_workers;
  host->workers[host->n_workers++] = worker;
  worker->next = host->free_workers;
  host->free_workers = worker;
  return true;
}

static mf_worker *new_worker(mf_host *host) {
  if (!host->free_workers && !add_slot(host)) return NULL;
  mf_worker *worker = host->free_workers;
  host->free_workers = worker->next;
  const uint32_t at = (uint32_t)worker->id;
  host->n_alive++;
  *worker = (mf_worker){.host = host, .id = (uint64_t)++host->next_serial << 32 | at, .pidfd = -1, .socket = -1, .doorbell.fd = -1};
  return worker;
}

static void came(mf_host *host, mf_worker *worker, bool alive) {
  if (worker->for_provision) mf_provision_came(host, alive);
  worker->for_provision = false;
}

static void free_worker(mf_host *host, mf_worker *worker) {
  came(host, worker, false);
  mf_loop_timer_cancel(host->loop, &worker->keep_alive);
  if (worker->doorbell.fd >= 0) mf_loop_remove(host->loop, &worker->doorbell);
  mf_close(&worker->doorbell.fd);
  mf_close(&worker->pidfd);
  mf_close(&worker->socket);
  mf_mailbox_unmap(&worker->mailbox);
  worker->id = (uint32_t)worker->id;  // no message finds it any more
  host->n_alive--;
  worker->next = host->free_workers;
  host->free_workers = worker;
}

// ---- spawning ----

static void on_doorbell(mf_watch *watch, uint32_t events);
static void on_keep_alive(mf_timer *timer);

static bool order(mf_host *host, mf_worker *worker, mf_error *err) {
  OWN_FD int mailbox = -1;
  OWN_FD int theirs = -1;
  int pair[2];
  if (!mf_mailbox_create(&worker->mailbox, &mailbox, err)) return false;
  worker->doorbell = (mf_watch){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = on_doorbell, .data = worker};
  if (worker->doorbell.fd < 0) return mf_fail_errno(err, "cannot make a doorbell");
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return mf_fail_errno(err, "cannot make a socket pair");
  worker->socket = pair[0];
  theirs = pair[1];
  // Edge-triggered: a ring needs no read to silence it.
  if (!mf_loop_add(host->loop, &worker->doorbell, EPOLLIN | EPOLLET, err)) return false;
  const mf_message message = {.kind = MF_MESSAGE_SPAWN_WORKER,
                              .spawn_worker = {.id = worker->id, .arena_bytes = worker->arena_bytes, .urgent = worker->urgent}};
  const int fds[] = {mailbox, worker->doorbell.fd, theirs};
  return mf_host_send(host, &message, fds, err);
}

// NULL: it is not on its way.
static mf_worker *spawn(mf_host *host, uint32_t class, uint64_t arena_bytes, bool urgent, mf_error *err) {
  mf_worker *worker = new_worker(host);
  if (!worker) {
    mf_fail(err, MF_OutOfMemory, "no memory for one more worker");
    return NULL;
  }
  worker->state = MF_WORKER_STARTING;
  worker->pool_class = class;
  worker->arena_bytes = arena_bytes;
  worker->urgent = urgent;
  worker->keep_alive = (mf_timer){.fire = on_keep_alive, .data = worker};
  if (!order(host, worker, err)) {
    free_worker(host, worker);
    mf_wrap(err, "cannot start a worker");
    return NULL;
  }
  host->classes[class].n_starting++;
  return worker;
}

static uint32_t class_of(uint64_t arena_bytes) {
  uint32_t class = 0;
  while (class + 1 < MF_POOL_CLASSES && mf_pool_class_bytes[class] < arena_bytes) class++;
  return class;
}

void mf_worker_end(mf_host *host, mf_worker *worker) {
  mf_function *function = worker->function;
  mf_worker_kill(host, worker);
  mf_function_drop_unused(host, function);
}

// Among those that have been idle longest; of instances of the same worth the longest idle one. A function's next call takes the
// instance that was used last, so its others are worth nothing.
static mf_worker *least_useful(const mf_host *host) {
  mf_worker *least = host->idle_oldest;
  if (host->options.keep_alive_ns != MF_KEEP_ALIVE_HYBRID) return least;
  const int64_t now = mf_now_ns();
  double least_worth = 0;
  uint32_t seen = 0;
  for (mf_worker *worker = host->idle_oldest; worker && seen < CANDIDATES; worker = worker->newer, seen++) {
    const bool is_next = worker == worker->function->idle;
    const double worth = is_next ? mf_history_worth(host, worker->function->history, now - worker->idle_since_ns, worker->held_bytes) : 0;
    if (seen > 0 && worth >= least_worth) continue;
    least = worker;
    least_worth = worth;
  }
  return least;
}

bool mf_pool_end_least_useful(mf_host *host) {
  if (!host->idle_oldest) return false;
  mf_worker_end(host, least_useful(host));
  return true;
}

void mf_pool_end_all_idle(mf_host *host) {
  while (host->idle_oldest) mf_worker_end(host, host->idle_oldest);
}

// Processes and descriptors are limited (by the keeper, by the system, by whoever started us): the least useful idle instance gives its own.
static bool make_way(mf_host *host) {
  if (!mf_pool_end_least_useful(host)) return false;
  host->n_wanted_again++;
  return true;
}

static bool spawn_urgent(mf_host *host, uint64_t arena_bytes, mf_error *err) {
  return spawn(host, class_of(arena_bytes), (arena_bytes + 2 * MB - 1) / (2 * MB) * (2 * MB), true, err) != NULL;
}

bool mf_pool_spawn_urgent(mf_host *host, uint64_t arena_bytes, mf_error *err) {
  if (host->n_alive >= host->options.max_workers && make_way(host)) return true;
  return spawn_urgent(host, arena_bytes, err) || make_way(host);
}

bool mf_pool_spawn_for_provision(mf_host *host, uint64_t arena_bytes, mf_error *err) {
  const uint32_t class = class_of(arena_bytes);
  if (host->n_alive >= host->options.max_workers && !mf_pool_end_least_useful(host))
    return mf_fail(err, MF_Unavailable, "there are %u workers already", host->n_alive);
  mf_worker *worker = spawn(host, class, mf_pool_class_bytes[class], false, err);
  if (worker) worker->for_provision = true;
  return worker != NULL;
}

// Something has ended, so that there is room.
static void spawn_again(mf_host *host) {
  mf_error err;
  if (host->n_wanted_again == 0) return;
  host->n_wanted_again--;
  if (host->starting.first && !spawn_urgent(host, mf_function_of(host->starting.first)->arena_bytes, &err)) mf_dispatch_no_worker(host, err.message);
}

// ---- refilling ----

static void refill_after(mf_host *host, int64_t delay_ns) {
  mf_error err;
  if (host->refill.position == 0 && !mf_loop_timer_set(host->loop, &host->refill, mf_now_ns() + delay_ns, &err))
    mf_log(MF_LOG_WARN, "the pool is not refilled: %s", err.message);
}

static uint32_t lacking(const mf_host *host, uint32_t class) {
  const uint32_t there = host->classes[class].n_blank + host->classes[class].n_starting;
  return there < host->classes[class].wanted ? host->classes[class].wanted - there : 0;
}

// The class that lacks the largest part of what it should have.
static int neediest(const mf_host *host) {
  int best = -1;
  for (uint32_t i = 0; i < MF_POOL_CLASSES; i++)
    if (lacking(host, i) > 0 &&
        (best < 0 || lacking(host, i) * host->classes[best].wanted > lacking(host, (uint32_t)best) * host->classes[i].wanted))
      best = (int)i;
  return best;
}

// How long the class has to wait still; not above 0: no longer.
static int64_t refill_wait(const mf_host *host, int class, int64_t now) {
  const int64_t quiet = host->classes[class].n_blank > 0 ? REFILL_QUIET_NS : REFILL_EMPTY_NS;
  return MF_MIN((host->running > 0 ? now : host->active_ns) + quiet, host->lacking_since_ns + REFILL_LATEST_NS) - now;
}

static void on_refill(mf_timer *timer) {
  mf_host *host = timer->data;
  for (uint32_t i = 0; i < MF_POOL_CLASSES; i++)
    if (host->classes[i].n_starting > 0) return;  // its arrival, or its end, comes back here
  const int class = neediest(host);
  const int64_t now = mf_now_ns();
  mf_error err;
  if (class < 0) host->lacking_since_ns = 0;
  else if (host->lacking_since_ns == 0) host->lacking_since_ns = now;
  if (class < 0 || host->draining) return;
  const int64_t wait = refill_wait(host, class, now);
  if (wait > 0) {
    refill_after(host, wait);
  } else if (host->n_alive >= host->options.max_workers) {
    mf_pool_end_least_useful(host);
    refill_after(host, REFILL_QUIET_NS);
  } else if (!spawn(host, (uint32_t)class, mf_pool_class_bytes[class], false, &err)) {
    mf_log(MF_LOG_WARN, "%s", err.message);
    refill_after(host, REFILL_FAILED_NS);
  }
}

static void decide_classes(mf_host *host) {
  uint64_t left = host->options.pool_bytes;
  for (uint32_t i = 0; i < MF_POOL_CLASSES; i++) {
    const uint64_t n = host->options.pool_bytes * class_share[i] / 16 / mf_pool_class_bytes[i];
    host->classes[i].wanted = (uint32_t)MF_MIN(n, (uint64_t)CLASS_LARGEST);
    left -= host->classes[i].wanted * mf_pool_class_bytes[i];
  }
  for (uint32_t i = 0; i < MF_POOL_CLASSES; i++) {
    const uint64_t more = MF_MIN(left / mf_pool_class_bytes[i], (uint64_t)(CLASS_LARGEST - host->classes[i].wanted));
    host->classes[i].wanted += (uint32_t)more;
    left -= more * mf_pool_class_bytes[i];
  }
  uint32_t places = host->options.max_workers / 2;  // the other half is for instances
  for (uint32_t i = MF_POOL_CLASSES; i-- > 0; places -= host->classes[i].wanted) host->classes[i].wanted = MF_MIN(host->classes[i].wanted, places);
}

bool mf_pool_init(mf_host *host, mf_error *err) {
  decide_classes(host);
  host->committed_limit_bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
  host->refill = (mf_timer){.fire = on_refill, .data = host};
  return mf_loop_timer_set(host->loop, &host->refill, mf_now_ns(), err);
}

void mf_pool_deinit(mf_host *host) {
  mf_loop_timer_cancel(host->loop, &host->refill);
  for (uint32_t i = 0; i < host->n_workers; i++) {
    mf_worker *worker = host->workers[i];
    if (worker->id >> 32) {
      if (worker->pidfd >= 0) pidfd_send_signal(worker->pidfd, SIGKILL, NULL, 0);
      free_worker(host, worker);
    }
  }
  for (uint32_t i = 0; i < host->n_workers; i++) free(host->workers[i]);
  free(host->workers);
}

// ---- becoming blank ----

// /proc/PID/statm, resident minus shared pages.
uint64_t mf_worker_private_bytes(const mf_worker *worker) {
  char path[48], text[128];
  snprintf(path, sizeof path, "/proc/%d/statm", (int)worker->pid);
  OWN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
  const ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  unsigned long size, resident, shared;
  if (n <= 0) return 0;
  text[n] = '\0';
  if (sscanf(text, "%lu %lu %lu", &size, &resident, &shared) != 3 || resident < shared) return 0;
  return (uint64_t)(resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void become_blank(mf_host *host, mf_worker *worker) {
  host->classes[worker->pool_class].n_starting--;
  const uint64_t bytes = mf_worker_private_bytes(worker), faulted = worker->urgent ? 0 : worker->arena_bytes;
  worker->base_bytes = bytes > faulted ? bytes - faulted : 0;
  worker->base_heap_bytes = worker->mailbox.header->heap_bytes;
  worker->state = MF_WORKER_BLANK;
  worker->answers = 1;
  came(host, worker, true);
  if (!mf_dispatch_ready(host, worker) && !mf_provision_ready(host, worker)) {
    if (worker->urgent || host->classes[worker->pool_class].n_blank >= host->classes[worker->pool_class].wanted) {
      mf_worker_kill(host, worker);  // whoever it was made for is gone
    } else {
      link_first(&host->classes[worker->pool_class].blank, worker);
      host->classes[worker->pool_class].n_blank++;
    }
  }
  refill_after(host, 0);
}

// A worker is ready when it has rung and the keeper has said how to kill it, in whichever order front learns of them.
static void check_ready(mf_host *host, mf_worker *worker) {
  if (worker->state == MF_WORKER_STARTING && worker->pidfd >= 0 && mf_mailbox_answered(&worker->mailbox)) become_blank(host, worker);
}

// A ring that we did not wait for may be an old one whose answer was noticed in another way. More rings than answers are not.
static bool rang_too_often(mf_worker *worker) {
  uint64_t count = 0;
  if (read(worker->doorbell.fd, &count, sizeof count) != sizeof count) return true;
  worker->rings += count;
  return worker->rings > worker->answers && !(worker->state == MF_WORKER_BUSY && mf_mailbox_answered(&worker->mailbox));
}

static void on_doorbell(mf_watch *watch, uint32_t events) {
  (void)events;
  mf_worker *worker = watch->data;
  mf_host *host = worker->host;
  const bool busy = worker->state == MF_WORKER_BUSY;
  if (worker->state == MF_WORKER_STARTING) {
    check_ready(host, worker);
  } else if (worker->state == MF_WORKER_WARMING) {
    if (mf_mailbox_answered(&worker->mailbox)) mf_provision_answered(host, worker);
  } else if (busy && mf_mailbox_answered(&worker->mailbox)) {
    mf_dispatch_answered(host, worker);
  } else if ((busy || worker->state == MF_WORKER_IDLE) && rang_too_often(worker)) {
    mf_log(MF_LOG_WARN, "worker %d rang without being asked and is killed", (int)worker->pid);
    pidfd_send_signal(worker->pidfd, SIGKILL, NULL, 0);  // its end is handled as any other
  } else if (busy && mf_mailbox_answered(&worker->mailbox)) {
    mf_dispatch_answered(host, worker);  // it rang just now
  }
}

void mf_pool_spawned(mf_host *host, const struct mf_message_spawned *message, int *pidfd) {
  mf_worker *worker = find(host, message->id);
  if (!worker) return;
  worker->pid = message->pid;
  worker->pidfd = mf_give(pidfd);
  if (worker->state == MF_WORKER_DYING) pidfd_send_signal(worker->pidfd, SIGKILL, NULL, 0);
  check_ready(host, worker);
}

// ---- taking ----

static mf_worker *pop_blank(mf_host *host, uint32_t class) {
  mf_worker *worker = host->classes[class].blank;
  unlink_from(&host->classes[class].blank, worker);
  host->classes[class].n_blank--;
  refill_after(host, REFILL_EMPTY_NS);
  return worker;
}

mf_worker *mf_pool_take(mf_host *host, uint64_t arena_bytes) {
  const uint32_t best = class_of(arena_bytes);
  for (uint32_t class = best; class < MF_POOL_CLASSES; class++)
    if (host->classes[class].blank) return pop_blank(host, class);
  for (uint32_t class = best; class-- > 0;)
    if (host->classes[class].blank) return pop_blank(host, class);
  return NULL;
}

static void leave_idle(mf_host *host, mf_worker *worker) {
  mf_function *function = worker->function;
  unlink_from(&function->idle, worker);
  if (!worker->kept) age_remove(host, worker);
  function->n_idle--;
  host->n_idle--;
  function->n_busy++;
  host->n_busy++;
  worker->state = MF_WORKER_BUSY;
  worker->pre_warmed = false;
}

mf_worker *mf_worker_reuse(mf_host *host, mf_function *function) {
  mf_worker *worker = function->idle;
  if (worker) leave_idle(host, worker);
  return worker;
}

// ---- idle ----

static bool may_live_on(const mf_host *host, const mf_worker *worker) {
  return !worker->exited && !worker->spent && !host->draining && worker->generation == worker->function->generation;
}

// An instance whose function has fewer than it is provisioned with becomes one of these, and ceases to be one where there are too many.
static void decide_kept(mf_worker *worker) {
  mf_function *function = worker->function;
  if (worker->kept && function->n_kept > function->provisioned) {
    worker->kept = false;
    function->n_kept--;
  } else if (!worker->kept && function->n_kept < function->provisioned) {
    worker->kept = true;
    function->n_kept++;
  }
}

// Those that are kept are used first, so that the others may go.
static void link_idle(mf_worker *worker) {
  mf_worker *last = worker->function->idle;
  if (worker->kept || !last || !last->kept) {
    link_first(&worker->function->idle, worker);
    return;
  }
  while (last->next && last->next->kept) last = last->next;
  worker->next = last->next;
  worker->previous = last;
  if (last->next) last->next->previous = worker;
  last->next = worker;
}

void mf_worker_hold(mf_host *host, mf_worker *worker, uint64_t bytes) {
  if (bytes <= worker->held_bytes) return;
  host->committed_bytes += bytes - worker->held_bytes;
  worker->held_bytes = bytes;
}

static void evict(mf_host *host) {
  while (host->committed_bytes > host->committed_limit_bytes && mf_pool_end_least_useful(host)) {}
}

// Its end would take the processor from those who bring its answer to the client.
static void retire(mf_host *host, mf_worker *worker) {
  mf_error err;
  worker->state = MF_WORKER_RETIRING;
  if (worker->exited || host->draining || !mf_loop_timer_set(host->loop, &worker->keep_alive, mf_now_ns() + RETIRE_NS, &err))
    mf_worker_kill(host, worker);
}

// While calls of its function run, more of them may come.
static int64_t idle_until(const mf_host *host, const mf_worker *worker) {
  const int64_t now = mf_now_ns();
  const int64_t until = worker->idle_since_ns + mf_history_stay_ns(host, worker->function->history, worker->pre_warmed, now - worker->idle_since_ns);
  return worker->function->in_flight > 0 && host->options.keep_alive_ns == MF_KEEP_ALIVE_HYBRID ? MF_MAX(until, now + mf_history_look_again_ns(host)) : until;
}

static bool look_again_at(mf_host *host, mf_worker *worker, int64_t until, mf_error *err) {
  const int64_t now = mf_now_ns(), again = mf_history_look_again_ns(host);
  return mf_loop_timer_set(host->loop, &worker->keep_alive, until - now > again ? now + again : until, err);
}

void mf_worker_idle(mf_host *host, mf_worker *worker) {
  mf_function *function = worker->function;
  mf_error err;
  worker->invocation = NULL;
  const bool may_live = may_live_on(host, worker);
  if (may_live) decide_kept(worker);
  if (!may_live || (host->options.keep_alive_ns == 0 && !worker->kept)) {
    retire(host, worker);
    return;
  }
  worker->state = MF_WORKER_IDLE;
  function->n_busy--;
  host->n_busy--;
  function->n_idle++;
  host->n_idle++;
  link_idle(worker);
  worker->idle_since_ns = mf_now_ns();
  if (worker->kept) return;
  age_push(host, worker);
  // A set timer is left alone: when it fires it looks whether the worker has been used since. So a busy worker costs no timer work.
  const int64_t least = worker->idle_since_ns + RETIRE_NS;  // its end would take the processor from its answer, as in retire()
  if (worker->keep_alive.position == 0 && !look_again_at(host, worker, MF_MAX(idle_until(host, worker), least), &err)) mf_worker_kill(host, worker);
  else
    evict(host);
}

void mf_worker_keep(mf_host *host, mf_worker *worker) {
  age_remove(host, worker);
  unlink_from(&worker->function->idle, worker);
  worker->kept = true;
  worker->function->n_kept++;
  link_idle(worker);
}

void mf_worker_release(mf_host *host, mf_worker *worker) {
  leave_idle(host, worker);
  mf_worker_idle(host, worker);  // which decides anew
}

static void on_keep_alive(mf_timer *timer) {
  mf_worker *worker = timer->data;
  mf_host *host = worker->host;
  mf_error err;
  if (worker->state == MF_WORKER_WARMING) {  // what takes so long does not end
    mf_provision_died(host, worker);
    return;
  }
  if (worker->state == MF_WORKER_IDLE && worker->kept) return;  // it was set when it was not
  if (worker->state != MF_WORKER_IDLE && worker->state != MF_WORKER_RETIRING) return;
  if (worker->state == MF_WORKER_IDLE) {
    const int64_t until = idle_until(host, worker);
    if (until > mf_now_ns() && look_again_at(host, worker, until, &err)) return;
    if (worker->function->n_idle == 1 && worker->function->in_flight == 0 && !worker->pre_warmed) mf_history_left(host, worker->function->history);
  }
  mf_worker_end(host, worker);
}

void mf_pool_retire_idle(mf_host *host, mf_function *function) {
  while (function->idle) mf_worker_kill(host, function->idle);
}

// ---- ending ----

static void leave_function(mf_host *host, mf_worker *worker) {
  if (worker->state == MF_WORKER_IDLE) {
    unlink_from(&worker->function->idle, worker);
    if (!worker->kept) age_remove(host, worker);
    worker->function->n_idle--;
    host->n_idle--;
  } else if (worker->state == MF_WORKER_WARMING || worker->state == MF_WORKER_BUSY || worker->state == MF_WORKER_HELD || worker->state == MF_WORKER_RETIRING) {
    worker->function->n_busy--;
    host->n_busy--;
  } else {
    return;
  }
  if (worker->state == MF_WORKER_WARMING) worker->function->n_warming--;
  if (worker->kept) {
    worker->function->n_kept--;
    worker->kept = false;
    mf_provision_soon(host);
  }
  host->committed_bytes -= worker->held_bytes;
  worker->held_bytes = 0;
  worker->function = NULL;
  worker->invocation = NULL;
}

void mf_worker_kill(mf_host *host, mf_worker *worker) {
  mf_dispatch_stopped(host, worker);
  leave_function(host, worker);
  if (worker->exited) {
    free_worker(host, worker);
    return;
  }
  if (worker->pidfd >= 0) pidfd_send_signal(worker->pidfd, SIGKILL, NULL, 0);
  worker->state = MF_WORKER_DYING;
}

void mf_worker_forget_answer(mf_host *host, mf_worker *worker) {
  mf_function *function = worker->function;
  mf_mailbox_discard_large(&worker->mailbox, MF_MAILBOX_LARGEST);
  mf_worker_idle(host, worker);
  mf_function_drop_unused(host, function);
}

static void describe(const mf_worker *worker, char *text, size_t size) {
  if (WIFSIGNALED(worker->status)) {
    snprintf(text, size, "a fresh worker died: signal %d", WTERMSIG(worker->status));
    return;
  }
  char reason[200] = "";
  if (worker->mailbox.header->verdict == MF_VERDICT_NOT_BOUND) snprintf(reason, sizeof reason, " (%.190s)", worker->mailbox.response);
  snprintf(text, size, "a fresh worker ended: exit status %d%s", WEXITSTATUS(worker->status), reason);
}

static void never_came(mf_host *host, mf_worker *worker, const char *reason) {
  host->classes[worker->pool_class].n_starting--;
  free_worker(host, worker);
  if (!mf_dispatch_no_worker(host, reason)) mf_log(MF_LOG_WARN, "%s", reason);
  refill_after(host, REFILL_FAILED_NS);
}

void mf_pool_refused(mf_host *host, const struct mf_message_refused *message) {
  mf_worker *worker = find(host, message->id);
  char reason[160];
  if (!worker) return;
  snprintf(reason, sizeof reason, "the keeper cannot start a worker: %s", strerror(message->error_number));
  if (worker->state != MF_WORKER_STARTING) {
    free_worker(host, worker);
  } else if (worker->urgent && host->starting.first && make_way(host)) {
    host->classes[worker->pool_class].n_starting--;
    free_worker(host, worker);
  } else {
    never_came(host, worker, reason);
  }
}

static void idle_died(mf_host *host, mf_worker *worker) {
  mf_log(MF_LOG_WARN, "an idle worker of %.*s died", (int)worker->function->key_len, worker->function->key);
  mf_worker_end(host, worker);
}

static void blank_died(mf_host *host, mf_worker *worker) {
  char reason[256];
  describe(worker, reason, sizeof reason);
  mf_log(MF_LOG_WARN, "%s", reason);
  unlink_from(&host->classes[worker->pool_class].blank, worker);
  host->classes[worker->pool_class].n_blank--;
  free_worker(host, worker);
  refill_after(host, REFILL_FAILED_NS);
}

void mf_pool_exited(mf_host *host, const struct mf_message_exited *message) {
  mf_worker *worker = find(host, message->id);
  char reason[256];
  if (!worker) return;
  worker->exited = true;
  worker->status = message->status;
  worker->max_rss_bytes = message->max_rss_bytes;
  switch (worker->state) {
    case MF_WORKER_STARTING:
      describe(worker, reason, sizeof reason);
      never_came(host, worker, reason);
      break;
    case MF_WORKER_BLANK: blank_died(host, worker); break;
    case MF_WORKER_WARMING: mf_provision_died(host, worker); break;
    case MF_WORKER_IDLE:
    case MF_WORKER_RETIRING: idle_died(host, worker); break;
    case MF_WORKER_BUSY:
      if (mf_mailbox_answered(&worker->mailbox)) mf_dispatch_answered(host, worker);  // it died after its work was done
      else mf_dispatch_died(host, worker);
      break;
    case MF_WORKER_HELD: break;  // mf_worker_forget_answer sees it
    case MF_WORKER_DYING: free_worker(host, worker); break;
  }
  spawn_again(host);
}
