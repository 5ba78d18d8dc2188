// host: the function host. Keeper, blank workers, sandbox, mailboxes, run slots, queues, keep-alive, metering.
//
//   serve:  bind sockets, lock the data directory, then mf_keeper_run(), which forks front and stays small.
//   front:  mf_host_create() on its loop, mf_host_invoke() for each invocation, mf_host_compile() for each upload.
//
// The list of messages between processes is messages.def; what each process may do is sandbox.c.
#ifndef MF_HOST_HOST_H
#define MF_HOST_HOST_H

#include "base/base.h"
#include "pipeline/pipeline.h"
#include "policy/policy.h"

enum { MF_HOST_MAX_SLOTS = 256 };
// Open files that a process may have, at the least: half are for connections, and workers put theirs aside from 64 on before they begin.
enum { MF_HOST_LEAST_DESCRIPTORS = 256 };
#define MF_KEEP_ALIVE_HYBRID INT64_C(-1)
enum { MF_HISTORY_BYTES = 8 + MF_POLICY_PACKED };  // at most

// Who keeps what the hybrid policy has learnt of functions' idle times over a restart. Both may be NULL.
typedef struct mf_history_keeper {
  size_t (*load)(void *context, mf_str key, uint8_t *out, size_t capacity);  // the length; 0: nothing is kept of this function
  void (*save)(void *context, mf_str key, mf_slice packed);
  void *context;
} mf_history_keeper;

typedef struct mf_host_options {
  uint32_t run_slots;          // invocations that compute at the same time, twice as many of brief ones; 0: one for each processor
  uint64_t pool_bytes;         // memory of blank workers' arenas in total (--pool-memory)
  int64_t keep_alive_ns;       // an idle instance lives so long; 0: gone after its answer; MF_KEEP_ALIVE_HYBRID: by its function's idle times
  uint32_t max_concurrency;    // of the account: 1000
  uint32_t max_workers;        // blank and bound; beyond it an idle instance goes, the least useful first; 0: as many as the system gives
  int64_t compile_limit_ns;    // a compiler that runs longer is killed; 0: 300 seconds
  mf_isa isa;
  mf_history_keeper histories;
  // The hybrid policy expects a call of this function, of which no instance is left: who can specify it answers by mf_host_pre_warm. May be
  // NULL: then the next call is cold.
  void (*expected)(void *context, mf_str key);
  void *context;
  int64_t minute_ns;           // tests: how long the policy's minute is; 0: a minute
} mf_host_options;

// ---- keeper ----
// What workers and compilers run. `prepare` is called once in the keeper, before it forks: whatever needs system calls that the sandbox
// forbids (seeds, instruction sets, environment variables) happens there. Workers see an empty environment.
typedef struct mf_host_functions {
  void (*prepare)(void);                                                             // may be NULL
  void *(*create)(mf_slice image, void *memory, size_t bytes, mf_error *err);        // worker: once, when it is bound; NULL: *err
  bool (*answer)(void *responder, mf_slice payload, char *out, size_t out_capacity, size_t *out_len, mf_error *err);
  int64_t (*plan_ns)(const void *responder);
  size_t (*peak_bytes)(const void *responder);
  bool (*compile)(mf_slice package, const mf_package_options *options, mf_arena *arena, mf_slice *image, mf_package_report *report,
                  mf_error *err);
} mf_host_functions;
extern const mf_host_functions mf_host_pipeline_functions;  // models: pipeline.h's responder and compiler

// Forks front and serves it until SIGTERM/SIGINT/SIGHUP (front's mf_host_on_stop callback is called: it finishes what runs and returns 0;
// a second signal stops at once) or until front has died five times in a minute without an answer. `front` runs in the child with the
// keeper's socket and ignores those signals itself. When it returns, its value becomes the program's exit status; when a signal kills
// it, it is started again with the same descriptors and fresh workers. Must be called while the process is single-threaded and small.
typedef int mf_front_fn(void *context, int keeper_socket);
int mf_keeper_run(mf_front_fn *front, void *context);  // with mf_host_pipeline_functions
int mf_keeper_run_with(const mf_host_functions *functions, mf_front_fn *front, void *context);

// What this process lacks for the full sandbox, one line each for the user ("not root: workers share your uid"); "" if nothing.
void mf_sandbox_lacks(mf_buf *out);

// ---- host, in front ----
typedef struct mf_host mf_host;
mf_host *mf_host_create(mf_loop *loop, int keeper_socket, const mf_host_options *options, mf_error *err) MF_MUST_CHECK;
void mf_host_destroy(mf_host *host);
// The keeper was asked to stop: `stop` is called once, on the loop. It stops accepting, drains and ends the loop.
void mf_host_on_stop(mf_host *host, void (*stop)(void *context), void *context);
// Front answered somebody: deaths that came before no longer count. Invocations' answers say so by themselves.
void mf_host_answered(mf_host *host);

// A function as the dispatcher needs it. Copied as needed during the call.
typedef struct mf_function_spec {
  mf_str key;                    // unique and lasting: "us-east-1/name", "us-east-1/name:7"; instances belong to it
  mf_str group;                  // "us-east-1/name": fairness and the limits go by it, for all versions together; "": the key
  mf_str account;                // "us-east-1": those of one account share what is unreserved (Lambda limits each region for itself)
  uint64_t revision;             // changes with code or configuration: instances of an older revision finish and retire
  uint32_t memory_mb, timeout_ms;
  int32_t reserved_concurrency;  // of the group, what is provisioned for it included; -1: none
  uint32_t unreserved_concurrency;  // of all the account's groups without reservation together, without what is provisioned; 0: max_concurrency
  uint64_t arena_bytes;          // from the report
  bool (*open_image)(void *context, int *fd, mf_error *err);  // called during mf_host_invoke, only when an instance must be made
  void *context;
} mf_function_spec;

typedef enum mf_outcome {
  MF_OUTCOME_ANSWER,         // response is the function's answer
  MF_OUTCOME_FUNCTION_ERROR, // response is a JSON error object that the worker wrote (error_type, message)
  MF_OUTCOME_TIMEOUT,        // ran or waited longer than timeout_ms
  MF_OUTCOME_EXITED,         // the worker died: exit_status or signal
  MF_OUTCOME_OUT_OF_MEMORY,
  MF_OUTCOME_THROTTLED,      // throttle_reason
  MF_OUTCOME_FAILED,         // we could not: error
} mf_outcome;

// One invocation; belongs to the caller from mf_host_invoke until `done` was called and mf_host_release has run.
typedef struct mf_invocation {
  // set by the caller
  char request_id[MF_UUID_TEXT + 1];
  mf_slice payload;              // in memory (lives until done), or
  int payload_fd;                // -1; else a file that holds payload.len bytes from offset 0
  void (*done)(struct mf_invocation *invocation);
  void *data;
  bool background;               // nobody waits for it: takes no run slot (the caller bounds how many there are) and computes in the class
                                 // of the idle, where the host may (mf_host_may_background), until half of its timeout is over
  // set before done
  mf_outcome outcome;
  mf_slice response;             // in the mailbox: valid until mf_host_release; a length was read once and checked
  int exit_status, signal;       // EXITED: one of them is not 0, or both 0 for exit(0)
  const char *throttle_reason;   // "ReservedFunctionConcurrentInvocationLimitExceeded" or "ConcurrentInvocationLimitExceeded"
  mf_error error;
  bool cold;
  bool provisioned, spilled_over;  // counted against what is provisioned of the function; beyond that, though some is
  int64_t init_ns;               // cold: from the decision to the instance being bound and its plan ready; also of the first call of an
                                 // instance that was provisioned: what it took, beforehand
  int64_t queued_ns, duration_ns;  // waiting for a slot; from the hand-over to the answer, without init
  int64_t plan_ns;               // the worker's own clock around plan execution
  uint64_t max_memory_bytes;     // arena in use at most, and the private pages of the process
  // the host's own
  struct {
    void *owner, *instance, *function, *copy;
    struct mf_invocation *next, *previous;
    int64_t enqueued_ns, started_ns, deadline_ns;
    mf_timer timer;
    int state;
    uint32_t attempts;           // workers that died before it began
    bool brief, pressed;         // pressed: in the background, and half of its timeout is over
    int share;                   // of which limit it takes a part
  } host;
} mf_invocation;

// Whether this process may put workers into the scheduling class of the idle and take them out again (CAP_SYS_NICE, or RLIMIT_NICE of 20 as
// an ordinary user; sched(7)). Without it invocations in the background compute beside the others, and slow them down.
bool mf_host_may_background(void);

// Never calls done before it returns.
void mf_host_invoke(mf_host *host, const mf_function_spec *function, mf_invocation *invocation);
void mf_host_release(mf_host *host, mf_invocation *invocation);   // after done: the instance is free for the next
// The client is gone: not started yet: dropped, done is called with MF_OUTCOME_FAILED; running: it finishes (Lambda does not stop it).
void mf_host_cancel(mf_host *host, mf_invocation *invocation);
void mf_host_forget(mf_host *host, mf_str key);                   // deleted: idle instances are killed, running ones finish, idle times forgotten

// Provisioned concurrency: so many instances of this function are bound and ready from now on, whatever keep-alive and memory say; 0: no
// longer. They are made in the background, one after the other, and again when they die or a new revision comes. So many calls at a time
// are admitted whatever else runs; those beyond them are counted as any others. false: the image cannot be opened, or no memory.
bool mf_host_provision(mf_host *host, const mf_function_spec *function, uint32_t instances, mf_error *err) MF_MUST_CHECK;
// One instance of a function that has none, from the pool, to stay as long as its history says that a call is expected. Without a blank worker
// nothing happens. false: the image cannot be opened, or no memory.
bool mf_host_pre_warm(mf_host *host, const mf_function_spec *function, mf_error *err) MF_MUST_CHECK;
// ready: of these instances, those that have been made (and may be at work). failed: the last one that was tried could not be bound; it
// is tried again, less and less often.
void mf_host_provisioned(const mf_host *host, mf_str key, uint32_t *ready, bool *failed);

// Compiles a package in a sandboxed compiler process; package_fd is duplicated. `done` comes later, once: err NULL and image_fd, a memfd
// that is sealed, open for reading only, image_bytes of the report long and closed after done; or err, and report NULL or what there is.
typedef void mf_compile_done(void *context, const mf_package_report *report, int image_fd, const mf_error *err);
bool mf_host_compile(mf_host *host, int package_fd, const mf_package_options *options, mf_compile_done *done, void *context,
                     mf_error *err) MF_MUST_CHECK;

// Stops taking work: done is called once nothing runs and nothing waits.
void mf_host_drain(mf_host *host, void (*done)(void *context), void *context);

typedef struct mf_host_stats {
  uint32_t instances_idle, instances_busy, blank_workers, queued, compiling;
  uint32_t provisioned, provisioned_ready, provisioned_calls;  // instances: wanted, there; calls that count against them
  uint64_t pool_bytes;
} mf_host_stats;
void mf_host_statistics(const mf_host *host, mf_host_stats *stats);
// Of a group: all its members together.
void mf_host_function_statistics(const mf_host *host, mf_str key, uint32_t *idle, uint32_t *busy, uint32_t *queued);

// Runs `work` in a forked child under the compiler's sandbox, with the descriptors given and nothing else, for commands that read
// models without a server (compile, inspect, run, check, bench). `work` gets a growing arena and writes what it has to say to `out_fd`
// (a pipe whose bytes are copied to stdout) and its error to *err, which comes back. Returns the child's verdict.
typedef bool mf_sandboxed_fn(void *context, int out_fd, mf_error *err);
bool mf_sandbox_call(mf_sandboxed_fn *work, void *context, const int *keep_fds, uint32_t n_keep_fds, uint64_t memory_limit_bytes,
                     mf_error *err) MF_MUST_CHECK;
#endif
