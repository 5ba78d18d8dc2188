// The dispatcher: limits, run slots, the fair queue, deadlines, and the hand-over to a worker and back.
//
// Fairness: functions with waiting invocations stand in lists by how many of their invocations run now; a free slot goes to the function
// that has stood longest in the first list that is not empty, and a function goes to the end of its list whenever its number changes.
// So a call of another function waits for at most one run of a busy one, and goes before the busy one's queued calls.
//
// A function whose runs are brief may have one more handed over for each slot: its next run is there when one ends, and no processor stands
// still until front has noticed the answer (with tiny models that is longer than the run: a third more of them in the same time).
//
// An answer is told at once. Every other end is told on the next round of the loop, so that `done` never runs inside a call of the caller.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

#define MB ((uint64_t)1 << 20)
#define BRIEF_NS (1 * MF_NS_PER_MS)
enum { COPIES_KEPT = 64, BRIEF_RUNS = 4, ATTEMPTS = 3 };

// ---- waiting functions ----

static void unlist(mf_host *host, mf_function *function) {
  if (!function->listed) return;
  mf_function_list *list = &host->waiting[function->listed_at];
  if (function->previous) function->previous->next = function->next;
  else list->first = function->next;
  if (function->next) function->next->previous = function->previous;
  else list->last = function->previous;
  function->listed = false;
}

static void list_last(mf_host *host, mf_function *function) {
  unlist(host, function);
  if (!function->first) return;
  function->listed_at = MF_MIN(function->group->group_running, (uint32_t)MF_HOST_MAX_SLOTS);
  mf_function_list *list = &host->waiting[function->listed_at];
  function->next = NULL;
  function->previous = list->last;
  if (list->last) list->last->next = function;
  else list->first = function;
  list->last = function;
  function->listed = true;
}

// How many calls of a group run has changed, and with it the place of each of its members that waits.
static void list_group(mf_host *host, mf_function *group) {
  list_last(host, group);
  for (mf_function *version = group->versions; version; version = version->next_version) list_last(host, version);
}

static mf_function *first_waiting(const mf_host *host) {
  if (host->n_queued == 0) return NULL;
  for (uint32_t i = 0; i <= MF_HOST_MAX_SLOTS; i++)
    if (host->waiting[i].first) return host->waiting[i].first;
  return NULL;
}

// ---- invocation lists ----

static void append(mf_invocation **first, mf_invocation **last, mf_invocation *invocation) {
  invocation->host.next = NULL;
  invocation->host.previous = *last;
  if (*last) (*last)->host.next = invocation;
  else *first = invocation;
  *last = invocation;
}

static void take_out(mf_invocation **first, mf_invocation **last, mf_invocation *invocation) {
  if (invocation->host.previous) invocation->host.previous->host.next = invocation->host.next;
  else *first = invocation->host.next;
  if (invocation->host.next) invocation->host.next->host.previous = invocation->host.previous;
  else *last = invocation->host.previous;
  invocation->host.next = invocation->host.previous = NULL;
}

static void enqueue(mf_host *host, mf_function *function, mf_invocation *invocation) {
  append(&function->first, &function->last, invocation);
  invocation->host.state = MF_INVOCATION_QUEUED;
  function->n_queued++;
  host->n_queued++;
  if (!function->listed) list_last(host, function);
}

static void dequeue(mf_host *host, mf_function *function, mf_invocation *invocation) {
  take_out(&function->first, &function->last, invocation);
  function->n_queued--;
  host->n_queued--;
  if (!function->first) unlist(host, function);
}

// ---- slots ----

static bool is_brief(const mf_function *function) { return function->brief_runs >= BRIEF_RUNS; }

static void note_run(mf_function *function, const mf_invocation *invocation) {
  if (invocation->background) return;  // how long it was on a processor is not known
  if (invocation->duration_ns >= BRIEF_NS) function->brief_runs = 0;
  else if (invocation->outcome == MF_OUTCOME_ANSWER && !is_brief(function)) function->brief_runs++;
}

static bool has_slot(const mf_host *host, const mf_function *function) {
  if (host->running >= 2 * host->slots) return false;
  return is_brief(function) || host->running - host->running_brief < host->slots;
}

// What runs in the background takes none: whoever waits for an answer never waits for it.
static void take_slot(mf_host *host, mf_function *function, mf_invocation *invocation) {
  if (invocation->background) return;
  invocation->host.brief = is_brief(function);
  host->running++;
  host->running_brief += invocation->host.brief;
  function->running++;
  function->group->group_running++;
  list_group(host, function->group);
}

static void leave_slot(mf_host *host, mf_function *function, const mf_invocation *invocation) {
  host->active_ns = mf_now_ns();
  if (invocation->background) return;
  host->running--;
  host->running_brief -= invocation->host.brief;
  function->running--;
  function->group->group_running--;
  list_group(host, function->group);
}

// ---- limits ----

// Taken when the call is admitted. NULL: it has its share; else the reason why there is none.
static const char *take_share(mf_host *host, mf_function *function, uint32_t unreserved, mf_invocation *invocation) {
  mf_function *group = function->group;
  if (function->n_provisioned_calls < function->provisioned) {
    function->n_provisioned_calls++;
    invocation->host.share = MF_SHARE_PROVISIONED;
    invocation->provisioned = true;
    return NULL;
  }
  if (group->reserved_concurrency >= 0) {
    if (group->group_on_demand + group->group_provisioned >= (uint32_t)group->reserved_concurrency)
      return "ReservedFunctionConcurrentInvocationLimitExceeded";
    invocation->host.share = MF_SHARE_RESERVED;
  } else {
    if (function->account->unreserved >= (unreserved > 0 ? unreserved : host->options.max_concurrency)) return "ConcurrentInvocationLimitExceeded";
    invocation->host.share = MF_SHARE_UNRESERVED;
    function->account->unreserved++;
  }
  group->group_on_demand++;
  invocation->spilled_over = function->provisioned > 0;
  return NULL;
}

static void give_share(mf_function *function, mf_invocation *invocation) {
  if (invocation->host.share == MF_SHARE_PROVISIONED) function->n_provisioned_calls--;
  else if (invocation->host.share != MF_SHARE_NONE) function->group->group_on_demand--;
  if (invocation->host.share == MF_SHARE_UNRESERVED) function->account->unreserved--;
  invocation->host.share = MF_SHARE_NONE;
}

static void leave(mf_host *host, mf_function *function, mf_invocation *invocation) {
  mf_loop_timer_cancel(host->loop, &invocation->host.timer);
  function->in_flight--;
  host->in_flight--;
  give_share(function, invocation);
  if (function->in_flight == 0) mf_history_ended(host, function->history);
}

// ---- ends other than answers ----

static void tell_later(mf_host *host, mf_invocation *invocation, mf_outcome outcome) {
  invocation->outcome = outcome;
  invocation->host.state = MF_INVOCATION_DEFERRED;
  append(&host->deferred.first, &host->deferred.last, invocation);
  mf_host_soon(host);
}

// From wherever it stands; its worker, if it has one, has been dealt with or is killed here.
static void end(mf_host *host, mf_invocation *invocation, mf_outcome outcome) {
  mf_function *function = invocation->host.function;
  if (invocation->host.state == MF_INVOCATION_QUEUED) {
    dequeue(host, function, invocation);
  } else {
    if (invocation->host.state == MF_INVOCATION_STARTING) take_out(&host->starting.first, &host->starting.last, invocation);
    leave_slot(host, function, invocation);
  }
  if (invocation->host.instance) mf_worker_kill(host, invocation->host.instance);
  invocation->host.instance = NULL;
  leave(host, function, invocation);
  tell_later(host, invocation, outcome);
  mf_function_drop_unused(host, function);
}

// The worker's clock is as hostile as the rest of it: it can only say something between the hand-over and now.
static void read_clock(int64_t ready_ns, mf_invocation *invocation) {
  const int64_t now = mf_now_ns(), began = invocation->host.started_ns;
  invocation->init_ns = invocation->cold ? MF_MIN(MF_MAX(ready_ns, began), now) - began : 0;
  invocation->duration_ns = now - began - invocation->init_ns;
}

// Of a run that will not answer: when it was ready, where it came so far, and what memory it had.
static void read_remains(const mf_worker *worker, uint64_t bytes, mf_invocation *invocation) {
  const volatile mf_mailbox_header *header = worker->mailbox.header;
  const int64_t ready = header->ready_ns;
  read_clock(ready ? ready : INT64_MAX, invocation);
  invocation->max_memory_bytes = MF_MIN(bytes, (uint64_t)mf_function_of(invocation)->memory_mb * MB);
}

// Half of a background run's timeout is over: from now on it computes as the others do, or a busy machine would let it time out.
static bool press(mf_host *host, mf_invocation *invocation) {
  if (!invocation->background || invocation->host.pressed) return false;
  invocation->host.pressed = true;
  if (invocation->host.state == MF_INVOCATION_RUNNING) mf_worker_background(host, invocation->host.instance, false);
  return mf_loop_timer_set(host->loop, &invocation->host.timer, invocation->host.deadline_ns, &invocation->error);
}

static void on_deadline(mf_timer *timer) {
  mf_invocation *invocation = timer->data;
  mf_host *host = invocation->host.owner;
  if (press(host, invocation)) return;
  const int64_t now = mf_now_ns();
  const bool ran = invocation->host.state == MF_INVOCATION_RUNNING;
  if (ran) read_remains(invocation->host.instance, mf_worker_private_bytes(invocation->host.instance), invocation);
  else invocation->queued_ns = now - invocation->host.enqueued_ns;
  mf_fail(&invocation->error, MF_Timeout, "the invocation %s longer than the function's timeout", ran ? "ran" : "waited");
  end(host, invocation, MF_OUTCOME_TIMEOUT);
}

// ---- hand-over ----

static bool put_payload(mf_worker *worker, const mf_invocation *invocation, mf_error *err) {
  if (invocation->payload_fd < 0) {
    if (invocation->payload.len > 0) memcpy(worker->mailbox.request, invocation->payload.data, invocation->payload.len);
    return true;
  }
  for (size_t at = 0; at < invocation->payload.len;) {
    const ssize_t n = pread(invocation->payload_fd, worker->mailbox.request + at, invocation->payload.len - at, (off_t)at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return mf_fail_errno(err, "cannot read the payload");
    if (n == 0) return mf_fail(err, MF_Io, "the payload's file ends after %zu of %zu bytes", at, invocation->payload.len);
    at += (size_t)n;
  }
  return true;
}

// The function's memory is its arena and what else the process has: malloc, stack, the program's own data.
static uint64_t arena_of(const mf_function *function) {
  const uint64_t whole = (uint64_t)function->memory_mb * MB;
  const uint64_t rest = MF_MAX(whole / 8, 8 * MB);
  const uint64_t arena = whole > rest ? whole - rest : whole / 2;
  return MF_MAX(arena, MF_MIN(function->arena_bytes, whole));
}

// What RLIMIT_DATA counts in a blank worker (its own data, not the arena) comes on top of the function's memory.
static uint64_t limit_of(const mf_function *function, const mf_worker *worker) {
  return MF_MAX((uint64_t)function->memory_mb * MB, arena_of(function) + 4 * MB) + worker->base_bytes;
}

bool mf_dispatch_bind(mf_host *host, mf_worker *worker, mf_function *function, bool only_bind, mf_error *err) {
  const mf_message message = {.kind = MF_MESSAGE_BIND,
                              .bind = {.image_bytes = function->image_bytes, .memory_bytes = arena_of(function),
                                       .limit_bytes = limit_of(function, worker), .only_bind = only_bind}};
  if (function->image_fd < 0) return mf_fail(err, MF_NotFound, "the function's model image is gone");
  if (!mf_message_send(worker->socket, &message, &function->image_fd, err)) return false;
  mf_close(&worker->socket);
  worker->function = function;
  worker->generation = function->generation;
  function->n_busy++;
  host->n_busy++;
  mf_worker_hold(host, worker, worker->arena_bytes);
  return true;
}

static void run(mf_host *host, mf_worker *worker, mf_invocation *invocation) {
  worker->state = MF_WORKER_BUSY;
  if (!invocation->background) {
    host->at_work[host->n_at_work++] = worker;
    worker->at_work = host->n_at_work;
  }
  worker->invocation = invocation;
  invocation->host.instance = worker;
  invocation->host.state = MF_INVOCATION_RUNNING;
}

static void start(mf_host *host, mf_function *function, mf_invocation *invocation);

// The invocation has a slot and is in no list. A blank worker that fails here is not worth keeping; one that died unnoticed has seen
// nothing of the invocation, so another one gets it.
static void run_on(mf_host *host, mf_worker *worker, mf_invocation *invocation) {
  mf_function *function = invocation->host.function;
  bool done = put_payload(worker, invocation, &invocation->error);
  const bool has_payload = done;
  mf_worker_background(host, worker, invocation->background && !invocation->host.pressed);
  if (done) mf_mailbox_ring_worker(&worker->mailbox, invocation->payload.len, function->n_queued > 0);
  if (done && invocation->cold) done = mf_dispatch_bind(host, worker, function, false, &invocation->error);  // this is what wakes a blank one
  if (done) {
    run(host, worker, invocation);
    return;
  }
  mf_worker_kill(host, worker);
  invocation->host.state = MF_INVOCATION_RUNNING;
  if (has_payload && function->image_fd >= 0 && ++invocation->host.attempts < ATTEMPTS) start(host, function, invocation);
  else end(host, invocation, MF_OUTCOME_FAILED);
}

static void begin(mf_invocation *invocation) {
  invocation->host.started_ns = mf_now_ns();
  invocation->queued_ns = invocation->host.started_ns - invocation->host.enqueued_ns;
}

static void start(mf_host *host, mf_function *function, mf_invocation *invocation) {
  begin(invocation);
  mf_worker *worker = mf_worker_reuse(host, function);
  invocation->cold = worker == NULL;
  if (!worker) worker = mf_pool_take(host, function->arena_bytes);
  if (worker) {
    run_on(host, worker, invocation);
  } else if (mf_pool_spawn_urgent(host, function->arena_bytes, &invocation->error)) {
    invocation->host.state = MF_INVOCATION_STARTING;
    append(&host->starting.first, &host->starting.last, invocation);
  } else {
    invocation->host.state = MF_INVOCATION_RUNNING;
    end(host, invocation, MF_OUTCOME_FAILED);
  }
}

static void fill_slots(mf_host *host) {
  for (mf_function *function; (function = first_waiting(host)) && has_slot(host, function);) {
    mf_invocation *invocation = function->first;
    dequeue(host, function, invocation);
    take_slot(host, function, invocation);
    start(host, function, invocation);
  }
}

bool mf_dispatch_ready(mf_host *host, mf_worker *worker) {
  mf_invocation *invocation = host->starting.first;
  if (!invocation) return false;
  take_out(&host->starting.first, &host->starting.last, invocation);
  begin(invocation);  // that no worker was there is not the function's doing: it waited for one
  run_on(host, worker, invocation);
  return true;
}

bool mf_dispatch_no_worker(mf_host *host, const char *reason) {
  mf_invocation *invocation = host->starting.first;
  if (!invocation) return false;
  mf_fail(&invocation->error, MF_Unavailable, "%s", reason);
  if (++invocation->host.attempts < ATTEMPTS && mf_pool_spawn_urgent(host, mf_function_of(invocation)->arena_bytes, &invocation->error)) return true;
  end(host, invocation, MF_OUTCOME_FAILED);
  return false;
}

// ---- answers ----

// A small answer leaves the mailbox at once, so that its worker is free for the next invocation however slowly the client reads.
static bool copy_answer(mf_host *host, mf_invocation *invocation) {
  if (invocation->response.len > MF_COPY_BYTES) return false;
  mf_copy *copy = host->free_copies;
  if (copy) {
    host->free_copies = copy->next;
    host->n_free_copies--;
  } else if (!(copy = malloc(sizeof *copy))) {
    return false;
  }
  memcpy(copy->bytes, invocation->response.data, invocation->response.len);
  invocation->response.data = copy->bytes;
  invocation->host.copy = copy;
  return true;
}

static void release_copy(mf_host *host, mf_copy *copy) {
  if (host->n_free_copies >= COPIES_KEPT) {
    free(copy);
    return;
  }
  copy->next = host->free_copies;
  host->free_copies = copy;
  host->n_free_copies++;
}

static void read_meter(mf_host *host, mf_worker *worker, const mf_mail *mail, mf_invocation *invocation) {
  read_clock(mail->ready_ns, invocation);
  invocation->plan_ns = MF_MIN(MF_MAX(mail->plan_ns, 0), invocation->duration_ns);
  if (!invocation->cold) invocation->init_ns = worker->warm_ns;
  worker->warm_ns = 0;
  const uint64_t heap = mail->heap_bytes > worker->base_heap_bytes ? mail->heap_bytes - worker->base_heap_bytes : 0;
  const uint64_t most = (uint64_t)worker->function->memory_mb * MB;
  invocation->max_memory_bytes = MF_MIN(worker->base_bytes + MF_MIN(heap, most) + MF_MIN(mail->peak_bytes, most), most);
  mf_worker_hold(host, worker, invocation->max_memory_bytes);
}

static mf_outcome outcome_of(const mf_mail *mail) {
  if (mail->code == MF_OutOfMemory && mail->verdict != MF_VERDICT_ANSWER) return MF_OUTCOME_OUT_OF_MEMORY;
  if (mail->verdict == MF_VERDICT_ANSWER) return MF_OUTCOME_ANSWER;
  return mail->verdict == MF_VERDICT_FUNCTION_ERROR ? MF_OUTCOME_FUNCTION_ERROR : MF_OUTCOME_FAILED;
}

static void not_bound(mf_host *host, mf_invocation *invocation, const mf_mail *mail) {
  const size_t len = MF_MIN(mail->response.len, sizeof invocation->error.message - 1);
  mf_fail(&invocation->error, mail->code == MF_OK ? MF_Internal : mail->code, "%.*s", (int)len, (const char *)mail->response.data);
  end(host, invocation, outcome_of(mail));
}

static void broke_rules(mf_host *host, mf_worker *worker, mf_invocation *invocation) {
  mf_log(MF_LOG_WARN, "worker %d wrote nonsense into its mailbox and is killed", (int)worker->pid);
  invocation->signal = SIGKILL;
  end(host, invocation, MF_OUTCOME_EXITED);
}

void mf_dispatch_answered(mf_host *host, mf_worker *worker) {
  mf_invocation *invocation = worker->invocation;
  mf_function *function = worker->function;
  mf_mail mail;
  worker->answers++;
  mf_dispatch_stopped(host, worker);
  if (!mf_mailbox_take(&worker->mailbox, &mail)) {
    broke_rules(host, worker, invocation);
    return;
  }
  read_meter(host, worker, &mail, invocation);
  if (mail.verdict == MF_VERDICT_NOT_BOUND) {
    not_bound(host, invocation, &mail);
    return;
  }
  mf_host_answered(host);
  leave_slot(host, function, invocation);
  leave(host, function, invocation);
  invocation->outcome = outcome_of(&mail);
  note_run(function, invocation);
  worker->spent = invocation->outcome == MF_OUTCOME_OUT_OF_MEMORY;  // ends with it, as in Lambda
  invocation->response = mail.response;
  invocation->host.state = MF_INVOCATION_DONE;
  if (copy_answer(host, invocation)) {
    invocation->host.instance = NULL;
    mf_mailbox_discard_large(&worker->mailbox, invocation->payload.len);
    mf_worker_idle(host, worker);
  } else {
    worker->state = MF_WORKER_HELD;
  }
  fill_slots(host);  // first: the next worker computes while this answer is written
  mf_function_drop_unused(host, function);
  invocation->done(invocation);
  mf_host_check_drained(host);
}

void mf_dispatch_stopped(mf_host *host, mf_worker *worker) {
  if (worker->at_work == 0) return;
  mf_worker *last = host->at_work[--host->n_at_work];
  host->at_work[worker->at_work - 1] = last;
  last->at_work = worker->at_work;
  worker->at_work = 0;
}

// Under load front reads many requests between two looks at the doorbells; without this the slots would stand empty meanwhile.
void mf_dispatch_poll(mf_host *host) {
  for (uint32_t i = host->n_at_work; i-- > 0;)
    if (i < host->n_at_work && mf_mailbox_answered(&host->at_work[i]->mailbox)) mf_dispatch_answered(host, host->at_work[i]);
}

void mf_dispatch_died(mf_host *host, mf_worker *worker) {
  mf_invocation *invocation = worker->invocation;
  // The most that was resident, and the image is not the function's own.
  const uint64_t most = (uint64_t)worker->max_rss_bytes, image = worker->function->image_bytes;
  read_remains(worker, most > image ? most - image : most, invocation);
  invocation->exit_status = WIFEXITED(worker->status) ? WEXITSTATUS(worker->status) : 0;
  invocation->signal = WIFSIGNALED(worker->status) ? WTERMSIG(worker->status) : 0;
  if (invocation->signal) mf_fail(&invocation->error, MF_WorkerDied, "the worker died: signal %d", invocation->signal);
  else mf_fail(&invocation->error, MF_WorkerDied, "the worker ended: exit status %d", invocation->exit_status);
  end(host, invocation, MF_OUTCOME_EXITED);
}

void mf_dispatch_settle(mf_host *host) {
  mf_invocation *ended = host->deferred.first;
  host->deferred = (mf_invocation_list){0};
  while (ended) {
    mf_invocation *next = ended->host.next;
    ended->host.state = MF_INVOCATION_DONE;
    ended->done(ended);
    ended = next;
  }
  fill_slots(host);
  mf_host_check_drained(host);
}

void mf_dispatch_deinit(mf_host *host) {
  for (mf_copy *next; host->free_copies; host->free_copies = next) {
    next = host->free_copies->next;
    free(host->free_copies);
  }
}

// ---- the public calls ----

static bool admit(mf_host *host, const mf_function_spec *spec, mf_function **function, mf_invocation *invocation) {
  mf_error *err = &invocation->error;
  if (host->draining) return mf_fail(err, MF_Unavailable, "the server is stopping");
  if (invocation->payload.len > MF_MAILBOX_LARGEST)
    return mf_fail(err, MF_TooLarge, "the payload is %zu bytes, at most %d", invocation->payload.len, MF_MAILBOX_LARGEST);
  *function = mf_function_get(host, spec, err);
  if (!*function) return false;
  invocation->throttle_reason = take_share(host, *function, spec->unreserved_concurrency, invocation);
  if (invocation->throttle_reason) return mf_fail(err, MF_Throttled, "Rate Exceeded.");
  const int64_t limit = (int64_t)spec->timeout_ms * MF_NS_PER_MS;
  invocation->host.deadline_ns = invocation->host.enqueued_ns + limit;
  if (mf_loop_timer_set(host->loop, &invocation->host.timer, invocation->host.deadline_ns - (invocation->background ? limit / 2 : 0), err)) return true;
  give_share(*function, invocation);
  return false;
}

static void reset(mf_host *host, mf_invocation *invocation) {
  invocation->response = (mf_slice){0};
  invocation->exit_status = invocation->signal = 0;
  invocation->throttle_reason = NULL;
  invocation->error.code = MF_OK;
  invocation->error.message[0] = '\0';
  invocation->cold = false;
  invocation->init_ns = invocation->queued_ns = invocation->duration_ns = invocation->plan_ns = 0;
  invocation->max_memory_bytes = 0;
  memset(&invocation->host, 0, sizeof invocation->host);
  invocation->host.owner = host;
  invocation->host.enqueued_ns = mf_now_ns();
  invocation->host.timer.fire = on_deadline;
  invocation->host.timer.data = invocation;
}

void mf_host_invoke(mf_host *host, const mf_function_spec *spec, mf_invocation *invocation) {
  mf_function *function = NULL;
  mf_dispatch_poll(host);
  reset(host, invocation);
  if (!admit(host, spec, &function, invocation)) {
    tell_later(host, invocation, invocation->throttle_reason ? MF_OUTCOME_THROTTLED : MF_OUTCOME_FAILED);
    if (function) mf_function_drop_unused(host, function);
    return;
  }
  invocation->host.function = function;
  if (function->in_flight == 0) mf_history_began(host, function->history);
  function->in_flight++;
  host->in_flight++;
  if (invocation->background) {
    start(host, function, invocation);
    return;
  }
  enqueue(host, function, invocation);
  fill_slots(host);
}

void mf_host_release(mf_host *host, mf_invocation *invocation) {
  if (invocation->host.copy) release_copy(host, invocation->host.copy);
  if (invocation->host.instance) mf_worker_forget_answer(host, invocation->host.instance);
  invocation->host.copy = invocation->host.instance = NULL;
  invocation->response = (mf_slice){0};
}

void mf_host_cancel(mf_host *host, mf_invocation *invocation) {
  if (invocation->host.state != MF_INVOCATION_QUEUED && invocation->host.state != MF_INVOCATION_STARTING) return;
  mf_fail(&invocation->error, MF_Unavailable, "the client left before the invocation began");
  end(host, invocation, MF_OUTCOME_FAILED);
}

void mf_host_forget(mf_host *host, mf_str key) {
  mf_function *function = mf_function_find(host, key);
  mf_history_forget(host, key);
  if (!function) return;
  function->history = NULL;
  mf_provision_end(host, function);
  function->stale = true;
  function->generation++;
  mf_pool_retire_idle(host, function);
  mf_function_drop_unused(host, function);
}
