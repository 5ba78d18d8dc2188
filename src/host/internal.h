// The parts of the host that live in front, and what they share: the host itself (host.c), processes (pool.c), functions (function.c),
// the dispatcher (dispatch.c) and compile jobs (compile.c). All single-threaded, on front's loop.
//
// A life: a *worker* is spawned (pool), is blank when it rings, is taken and bound to a *function* (dispatch), runs one *invocation* at a
// time, is idle between them, and ends when it is killed or dies; its struct goes back to a free list once the keeper has reported its end.
#ifndef MF_HOST_INTERNAL_H
#define MF_HOST_INTERNAL_H

#include "host.h"
#include "keep_alive.h"
#include "mailbox.h"
#include "message.h"
#include "sandbox.h"

enum { MF_POOL_CLASSES = 4, MF_KEY_LARGEST = 255, MF_COPY_BYTES = 64 * 1024, MF_COMPILERS = 2 };

typedef struct mf_function mf_function;
typedef struct mf_worker mf_worker;

// ---- processes ----
typedef enum mf_worker_state {
  MF_WORKER_STARTING,  // asked for, or alive and not ready
  MF_WORKER_BLANK,
  MF_WORKER_WARMING,   // bound without an invocation, not ready yet
  MF_WORKER_IDLE,
  MF_WORKER_BUSY,
  MF_WORKER_HELD,      // answered; the answer is still being read from the mailbox
  MF_WORKER_RETIRING,  // answered for the last time: killed in a moment
  MF_WORKER_DYING,     // killed or to be reported: waits for EXITED
} mf_worker_state;

struct mf_worker {
  mf_host *host;
  uint64_t id;                 // its place in host->workers in the low 32 bits
  mf_worker_state state;
  uint32_t pool_class;
  bool exited, urgent, spent;  // spent: not for another invocation
  bool background;             // in the scheduling class of the idle
  bool for_provision;          // STARTING: asked for by provision.c
  bool pre_warmed;             // made because a call was expected, which has not come yet
  bool kept;                   // one of those that its function is provisioned with: in no order of age, without an end
  int64_t warm_since_ns, warm_ns;  // provisioned: when it was bound; what it took, until the first call has told of it
  pid_t pid;
  int pidfd, socket;
  int status;                  // once exited
  mf_mailbox mailbox;
  mf_watch doorbell;
  uint64_t held_bytes;         // bound: of host->committed_bytes
  int64_t max_rss_bytes;       // once exited
  uint64_t arena_bytes, base_bytes;  // faulted in beforehand; private memory of the process when it was blank, without arena
  uint64_t base_heap_bytes;
  uint64_t answers, rings;     // "ready" counts as one; rings as far as the doorbell was read
  mf_function *function;
  uint32_t generation;         // of the function when it was bound
  mf_invocation *invocation;   // BUSY and HELD
  uint32_t at_work;            // 1 + its place in host->at_work, 0: not there
  int64_t idle_since_ns;
  mf_timer keep_alive;
  struct mf_worker *next, *previous;  // blank: of its class; idle: of its function
  struct mf_worker *newer, *older;    // idle: of all, by the time it became idle
};

// ---- functions ----
typedef struct mf_account {    // there while it has functions
  struct mf_account *next;
  uint32_t n_functions;
  uint32_t unreserved;         // calls in flight beyond reservations and what is provisioned
  uint32_t name_len;
  char name[];
} mf_account;

struct mf_function {
  char key[MF_KEY_LARGEST + 1];
  uint32_t key_len;
  uint64_t hash, revision;
  uint32_t generation;         // raised by a new revision and by deletion: workers of an older one retire
  bool known;                  // in the table; false once it is back in the free list
  uint32_t brief_runs;         // answers under a millisecond, one after the other
  bool stale;                  // deleted: the next invocation brings a new specification whatever its revision
  uint32_t memory_mb;
  int32_t reserved_concurrency;
  uint64_t arena_bytes;
  int image_fd;                // read-only; opened when the first worker is needed, closed with the function
  uint64_t image_bytes;
  mf_history *history;         // NULL: fixed keep-alive
  mf_worker *idle;             // used last first
  uint32_t n_idle, n_busy;     // busy: with an invocation, answered ones included
  uint32_t running, in_flight; // in run slots; running or waiting
  mf_account *account;
  struct mf_function *group;   // whose version it is; itself otherwise
  struct mf_function *versions, *next_version, *previous_version;  // of a group: its other members
  uint32_t group_running, group_on_demand, group_provisioned;      // of a group: of it and its versions
  uint32_t provisioned, n_kept, n_warming;  // provisioned instances: wanted, there, being made
  uint32_t n_provisioned_calls;
  uint32_t failures;           // to make one, one after the other
  int64_t try_at_ns;           // not before
  struct mf_function *next_provisioned;
  mf_invocation *first, *last; // waiting for a slot
  uint32_t n_queued;
  bool listed;
  uint32_t listed_at;          // host->waiting[listed_at]
  struct mf_function *next, *previous;  // there
  struct mf_function *chain;   // of its hash bucket, or of the free list
};
typedef struct mf_function_list { mf_function *first, *last; } mf_function_list;

// ---- invocations ----
// A call counts against what is provisioned, else against the group's reservation, else against what the account has left.
typedef enum mf_share { MF_SHARE_NONE, MF_SHARE_PROVISIONED, MF_SHARE_RESERVED, MF_SHARE_UNRESERVED } mf_share;

typedef enum mf_invocation_state {
  MF_INVOCATION_QUEUED = 1,  // waits for a slot
  MF_INVOCATION_STARTING,    // has a slot, waits for a worker
  MF_INVOCATION_RUNNING,
  MF_INVOCATION_DEFERRED,    // its end is told on the next round of the loop
  MF_INVOCATION_DONE,
} mf_invocation_state;
typedef struct mf_invocation_list { mf_invocation *first, *last; } mf_invocation_list;

typedef struct mf_copy { struct mf_copy *next; char bytes[MF_COPY_BYTES]; } mf_copy;  // a small answer, out of the mailbox

// ---- compile jobs ----
typedef struct mf_compile_job {
  struct mf_host *host;
  uint64_t id;
  bool running, killed;
  int package_fd, image_fd, pidfd;
  uint64_t package_bytes, image_limit_bytes;
  mf_package_report *report;   // shared with the compiler
  int report_fd;
  mf_package_options options;
  mf_compile_done *done;
  void *context;
  mf_timer deadline;
  struct mf_compile_job *next;
} mf_compile_job;

struct mf_host {
  mf_loop *loop;
  mf_host_options options;
  mf_watch keeper;
  bool answered, draining, may_background;
  void (*stop)(void *context);
  void *stop_context;
  bool stop_asked;
  void (*drained)(void *context);
  void *drained_context;
  mf_timer soon;               // runs what may not happen inside mf_host_invoke and the like
  // pool
  mf_worker **workers;         // by the low half of an id
  uint32_t n_workers, workers_capacity, n_alive;
  uint32_t n_wanted_again;     // workers that are asked for when one that makes way has gone
  mf_worker *free_workers;
  uint32_t next_serial;
  struct { mf_worker *blank; uint32_t n_blank, n_starting, wanted; } classes[MF_POOL_CLASSES];
  mf_timer refill;
  int64_t active_ns, lacking_since_ns;  // when the last run ended; 0: the pool is full
  mf_worker *idle_newest, *idle_oldest;
  uint64_t committed_bytes, committed_limit_bytes;  // what bound workers were seen to hold; beyond it idle ones go
  uint32_t n_idle, n_busy;
  // functions
  mf_function **buckets;
  uint32_t n_buckets, n_functions;
  mf_function *free_functions;
  mf_account *accounts;
  mf_histories histories;
  mf_timer save_histories;
  // dispatcher
  uint32_t slots, running, running_brief, in_flight, n_queued;
  mf_worker *at_work[2 * MF_HOST_MAX_SLOTS];        // those in run slots that were rung
  uint32_t n_at_work;
  mf_function_list waiting[MF_HOST_MAX_SLOTS + 1];  // functions with queued invocations, by how many run now
  mf_invocation_list starting, deferred;
  mf_function *provisioned;    // functions with provisioned instances
  uint32_t n_for_provision;    // workers on their way to become such
  mf_timer provision;
  mf_copy *free_copies;
  uint32_t n_free_copies;
  // compile jobs
  mf_compile_job *compiling, *compile_first, *compile_last;  // running; waiting
  uint32_t n_compiling, n_compile_waiting;
};

// host.c
void mf_host_soon(mf_host *host);                            // mf_dispatch_settle on the next round
bool mf_host_send(mf_host *host, const mf_message *message, const int *fds, mf_error *err) MF_MUST_CHECK;
void mf_host_check_drained(mf_host *host);

// pool.c
extern const uint64_t mf_pool_class_bytes[MF_POOL_CLASSES];
bool mf_pool_init(mf_host *host, mf_error *err) MF_MUST_CHECK;
void mf_pool_deinit(mf_host *host);
mf_worker *mf_pool_take(mf_host *host, uint64_t arena_bytes);         // a blank worker, NULL: none there
bool mf_pool_spawn_urgent(mf_host *host, uint64_t arena_bytes, mf_error *err) MF_MUST_CHECK;  // an idle instance may have to go for it
void mf_pool_spawned(mf_host *host, const struct mf_message_spawned *message, int *pidfd);
void mf_pool_refused(mf_host *host, const struct mf_message_refused *message);
void mf_pool_exited(mf_host *host, const struct mf_message_exited *message);
void mf_worker_kill(mf_host *host, mf_worker *worker);                // no longer its function's; gone when the keeper says so
void mf_worker_hold(mf_host *host, mf_worker *worker, uint64_t bytes);  // bound, and seen to hold so much
uint64_t mf_worker_private_bytes(const mf_worker *worker);            // now; 0: not known
void mf_worker_idle(mf_host *host, mf_worker *worker);                // or killed, where it may not live on
void mf_worker_forget_answer(mf_host *host, mf_worker *worker);       // HELD, and its answer has been read
mf_worker *mf_worker_reuse(mf_host *host, mf_function *function);     // an idle one, NULL: none
bool mf_pool_end_least_useful(mf_host *host);                         // of all idle instances; false: there is none
void mf_pool_end_all_idle(mf_host *host);
void mf_pool_retire_idle(mf_host *host, mf_function *function);
bool mf_pool_spawn_for_provision(mf_host *host, uint64_t arena_bytes, mf_error *err) MF_MUST_CHECK;
void mf_worker_release(mf_host *host, mf_worker *worker);             // idle and kept: an idle one like others, where these are too many
void mf_worker_keep(mf_host *host, mf_worker *worker);                // idle, and from now on kept
void mf_worker_end(mf_host *host, mf_worker *worker);                 // killed, and its function dropped if nothing is left of it

// provision.c
bool mf_provision_init(mf_host *host, mf_error *err) MF_MUST_CHECK;
void mf_provision_soon(mf_host *host);                                // an instance may be lacking
void mf_provision_came(mf_host *host, bool alive);                    // a worker that was asked for, or its end
bool mf_provision_ready(mf_host *host, mf_worker *worker);            // a fresh worker: true if it is taken
void mf_provision_answered(mf_host *host, mf_worker *worker);         // WARMING: bound, or not
void mf_provision_died(mf_host *host, mf_worker *worker);             // WARMING
void mf_provision_end(mf_host *host, mf_function *function);          // nothing of it is provisioned any longer
void mf_provision_stop(mf_host *host);                                // of no function

// function.c
static inline mf_function *mf_function_of(const mf_invocation *invocation) { return invocation->host.function; }
mf_function *mf_function_find(const mf_host *host, mf_str key);
mf_function *mf_function_get(mf_host *host, const mf_function_spec *spec, mf_error *err) MF_MUST_CHECK;  // with its image open
void mf_function_drop_unused(mf_host *host, mf_function *function);   // back to the free list if nothing is left of it
void mf_functions_deinit(mf_host *host);

// dispatch.c
bool mf_dispatch_bind(mf_host *host, mf_worker *worker, mf_function *function, bool only_bind, mf_error *err) MF_MUST_CHECK;
bool mf_dispatch_ready(mf_host *host, mf_worker *worker);             // a fresh worker: true if somebody waited for it
bool mf_dispatch_no_worker(mf_host *host, const char *reason);        // a worker that somebody waits for will not come; true: one more was asked for
void mf_dispatch_answered(mf_host *host, mf_worker *worker);
void mf_dispatch_poll(mf_host *host);                        // takes the answers that are there without waiting for the doorbell's event
void mf_dispatch_stopped(mf_host *host, mf_worker *worker);  // it is no longer at work
void mf_dispatch_died(mf_host *host, mf_worker *worker);              // while it ran an invocation
void mf_dispatch_settle(mf_host *host);                               // tells deferred ends, fills free slots
void mf_dispatch_deinit(mf_host *host);

// background.c
void mf_worker_background(const mf_host *host, mf_worker *worker, bool background);

// compile.c
bool mf_compile_spawned(mf_host *host, const struct mf_message_spawned *message, int *pidfd);  // false: not a compiler's
bool mf_compile_refused(mf_host *host, const struct mf_message_refused *message);
bool mf_compile_exited(mf_host *host, const struct mf_message_exited *message);
void mf_compile_settle(mf_host *host);                                // starts what waits and may
void mf_compile_stop(mf_host *host);                                  // all jobs end with Unavailable
#endif
