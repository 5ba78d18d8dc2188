// Running: which event begins when, and what follows from how it ended.
//
// Events make way for those who wait. What runs of them takes no run slot of the host and computes where nobody else would, so what is
// left to share is front: events begin at the end of a round of the loop, a few in each, and while somebody waits for an answer, or did a
// moment ago, each is followed by a rest: of a closed loop of calls less than one in a hundred meets an event. Where the host may not put
// them behind (mf_events_options.beside), the rest grows with the run, and fewer are under way. Where the oldest have waited for long they
// make way no longer. While events arrive the rest is short: whoever sends events waits for the disk, and for front.
//
// Two for each of the host's slots are under way, one where calls come, and of each function one in any case, lest slow functions keep brief
// ones waiting.
#include "internal.h"

#include <stdlib.h>

#define FOREGROUND_NS (MF_NS_PER_MS / 2)
#define RECENT_NS (1 * MF_NS_PER_S)
#define ARRIVING_NS (2 * MF_NS_PER_MS)
#define SHORTEST_REST_NS (25 * MF_NS_PER_MS)
#define LONGEST_REST_NS (500 * MF_NS_PER_MS)
#define ARRIVAL_REST_NS (MF_NS_PER_MS / 2)
#define FLUSH_NS (100 * MF_NS_PER_MS)
#define FIRST_RETRY_NS (60 * MF_NS_PER_S)
enum { PER_ROUND = 2, LOOKS_PER_ROUND = 64, MOST_RUNNING = 64, ENDED_TOGETHER = 128, ENDED_BYTES = 1 << 20, REST_PER_RUN = 50,
       PRESSING_PART = 4 };  // an event presses when that part of its age is over

// ---- when ----
static bool somebody_waits(const mf_events *events, int64_t now) {
  return !events->pressing && (events->n_foreground > 0 || now - events->foreground_ns < FOREGROUND_NS);
}

static bool events_arrive(const mf_events *events, int64_t now) {
  return events->n_arriving > 0 || now - events->arrived_ns < ARRIVING_NS;
}

void mf_events_foreground(mf_events *events, bool begins) {
  if (begins) {
    events->n_foreground++;
    return;
  }
  if (events->n_foreground > 0) events->n_foreground--;
  events->foreground_ns = mf_now_ns();
}

static void pump_at(mf_events *events, int64_t when) {
  mf_error err;
  if (events->stopped || (events->pump.position > 0 && events->pump.deadline_ns <= when)) return;
  if (!mf_loop_timer_set(events->loop, &events->pump, when, &err)) mf_log(MF_LOG_ERROR, "events wait: %s", err.message);
}

// Not within the timers that fire now, if it is one of them that asks: a round of the loop is between.
void mf_pump_soon(mf_events *events) { pump_at(events, mf_now_ns()); }

// ---- may another event begin, and of which queues? ----
static bool rests(const mf_events *events, int64_t now) {
  return now < events->rest_until_ns && (somebody_waits(events, now) || events_arrive(events, now));
}

// Where calls come, one for each processor: a process in the class of the idle gives its processor up at once, but of two on one processor the
// next call may find the other one in its way for a tick of the clock (seen with Linux 6.18: 4 ms in one of twenty).
static uint32_t places(const mf_events *events, int64_t now) {
  const bool calls_come = events->n_foreground > 0 || now - events->foreground_ns < RECENT_NS;
  if (events->pressing || !calls_come) return 2 * events->slots;
  return events->beside && somebody_waits(events, now) ? MF_MAX(events->slots - 1, 1) : events->slots;
}

static bool has_place(const mf_events *events, const mf_queue *queue, int64_t now) {
  return events->n_running < places(events, now) || (queue->running == 0 && events->n_running < MOST_RUNNING);
}

// ---- what begins ----
static void look_at_policy(mf_events *events, mf_kept_event *event, mf_event_policy *policy) {
  *policy = (mf_event_policy){0};
  events->runner.policy(events->runner.context, event->event.function, event->event.qualifier, policy);
  event->queue->concurrency = policy->concurrency;
}

static bool is_too_old(const mf_kept_event *event, const mf_event_policy *policy, int64_t more_ns) {
  return mf_wall_ns() + more_ns - event->facts.accepted_ms * MF_NS_PER_MS > policy->max_age_ns;
}

static void show(mf_kept_event *event) {
  mf_event *e = &event->event;
  *e = (mf_event){.function = mf_queue_function(event->queue), .qualifier = event->facts.qualifier, .payload = event->facts.payload,
                  .attempts = event->facts.attempts};
  memcpy(e->request_id, event->facts.request_id.data, MF_UUID_TEXT);
}

static void run(mf_events *events, mf_kept_event *event) {
  event->begun_ns = mf_now_ns();
  event->queue->running++;
  events->n_running++;
  mf_kept_list_add(&events->running, event);
  events->runner.run(events->runner.context, &event->event);
}

bool mf_is_gone(const mf_event_facts *facts, const mf_event_policy *policy) {
  return !policy->known || (facts->uid != 0 && policy->uid != 0 && facts->uid != policy->uid);
}

// true: it runs.
static bool begin(mf_events *events, mf_kept_event *event) {
  mf_event_policy policy;
  show(event);
  look_at_policy(events, event, &policy);
  events->pressing = is_too_old(event, &policy, policy.max_age_ns / PRESSING_PART * (PRESSING_PART - 1));
  if (mf_is_gone(&event->facts, &policy) || event->removed || (event->table == MF_TABLE_events && event->sequence <= event->queue->dropped_through)) {
    events->stats.dropped++;
    mf_end_event(events, event);
  } else if (policy.qualifier_gone) {
    mf_event_failed(events, event, &policy, MF_CONDITION_QUALIFIER);
  } else if (policy.concurrency == 0) {
    mf_event_failed(events, event, &policy, MF_CONDITION_NO_CONCURRENCY);
  } else if (is_too_old(event, &policy, 0)) {
    mf_event_failed(events, event, &policy, MF_CONDITION_AGE);
  } else if (mf_lineage_runs(&event->facts, event->event.function) >= MF_EVENT_LOOP_LIMIT) {
    mf_event_failed(events, event, &policy, MF_CONDITION_LOOP);
  } else if (event->queue->running >= policy.concurrency) {
    mf_queue_push_first(event->queue, event);
    mf_queue_unlist(event->queue);  // until one of its events has ended
    return false;
  } else {
    run(events, event);
    return true;
  }
  return false;
}

// The next queue, to the end of the line; NULL: there is none that may begin one.
static mf_queue *next_queue(mf_events *events, int64_t now) {
  for (int looks = 0; looks < LOOKS_PER_ROUND && events->ready_first; looks++) {
    mf_queue *queue = events->ready_first;
    const bool may_begin = mf_queue_to_the_end(queue);
    if (may_begin && has_place(events, queue, now)) return queue;
    if (!may_begin) mf_queue_drop_unused(queue);
  }
  return NULL;
}

void mf_pump(mf_timer *timer) {
  mf_events *events = timer->data;
  bool goes_on = true;
  for (int begun = 0, looks = 0; goes_on && begun < PER_ROUND && looks < LOOKS_PER_ROUND && !events->stopped; looks++) {
    const int64_t now = mf_now_ns();
    mf_queue *queue = rests(events, now) ? NULL : next_queue(events, now);
    goes_on = queue != NULL;
    mf_kept_event *event = queue ? mf_queue_pop(queue) : NULL;
    if (event) begun += begin(events, event);
    else if (queue) mf_queue_unlist(queue), mf_queue_drop_unused(queue);
  }
  if (!events->ready_first || events->stopped) return;
  const int64_t now = mf_now_ns();
  if (rests(events, now)) pump_at(events, events->rest_until_ns);
  else if (goes_on) pump_at(events, now);
  // else: when a run ends
}

// ---- what ended ----
void mf_events_flush(mf_events *events) {
  mf_write writes[ENDED_TOGETHER];
  mf_error err;
  uint32_t n = 0;
  mf_loop_timer_cancel(events->loop, &events->flush);
  for (mf_kept_event *event = events->ended.first; event && n < ENDED_TOGETHER; event = event->next)
    writes[n++] = (mf_write){event->table, {event->bytes, event->key_len}, {0}};
  // When it cannot be written they run again after the next start: at least once.
  if (n > 0 && !mf_store_commit(events->store, writes, n, NULL, NULL, &err)) mf_log(MF_LOG_ERROR, "events that are done stay: %s", err.message);
  for (mf_kept_event *event = events->ended.first, *next; event; event = next) {
    next = event->next;
    mf_kept_event_free(event);
  }
  events->ended = (mf_kept_list){0};
  events->n_ended = 0;
  events->ended_bytes = 0;
}

void mf_flush_timer(mf_timer *timer) { mf_events_flush(timer->data); }

void mf_end_event(mf_events *events, mf_kept_event *event) {
  mf_error err;
  mf_queue *queue = event->queue;
  if (event->table == MF_TABLE_retries) mf_retry_loaded(events, event);
  event->queue = NULL;
  mf_kept_list_add(&events->ended, event);
  events->ended_bytes += event->row_len;
  if (++events->n_ended == ENDED_TOGETHER || events->ended_bytes > ENDED_BYTES) mf_events_flush(events);
  else if (events->n_ended == 1 && !mf_loop_timer_set(events->loop, &events->flush, mf_now_ns() + FLUSH_NS, &err)) mf_events_flush(events);
  mf_queue_list(queue);
  mf_queue_drop_unused(queue);
}

static int64_t scaled(const mf_events *events, int64_t ns) { return (int64_t)((double)ns * events->retry_scale); }

static void function_failed(mf_events *events, mf_kept_event *event, const mf_event_policy *policy) {
  const int64_t delay = scaled(events, FIRST_RETRY_NS * (1 + event->facts.attempts));  // 1 minute, then 2
  events->stats.function_errors++;
  if (event->facts.attempts < UINT8_MAX) event->facts.attempts++;
  event->facts.refusals = 0;
  if (event->facts.attempts > policy->max_retries) mf_event_failed(events, event, policy, MF_CONDITION_RETRIES);
  else if (is_too_old(event, policy, delay)) mf_event_failed(events, event, policy, MF_CONDITION_AGE);
  else mf_retry_later(events, event, delay);
}

// It did not run. The queue rests; the event waits where it stands, or, when it may be the event's own fault, among the retries.
static void refused(mf_events *events, mf_kept_event *event, const mf_event_policy *policy, bool by_throttle) {
  const uint32_t doublings = MF_MIN(event->facts.refusals, (uint8_t)9);
  const int64_t delay = scaled(events, MF_MIN(MF_NS_PER_S << doublings, 300 * MF_NS_PER_S));
  mf_queue *queue = event->queue;
  events->stats.throttled += by_throttle;
  mf_queue_pause(queue);
  if (event->facts.refusals < UINT8_MAX) event->facts.refusals++;
  event->row[2] = (char)event->facts.refusals;
  if (is_too_old(event, policy, delay)) mf_event_failed(events, event, policy, MF_CONDITION_AGE);
  else if (by_throttle && event->table == MF_TABLE_events) mf_queue_push_first(queue, event);
  else mf_retry_later(events, event, delay);
}

static void rest(mf_events *events, const mf_kept_event *event) {
  const int64_t now = mf_now_ns();
  const int64_t for_run = events->beside ? REST_PER_RUN * (now - event->begun_ns) : 0;
  if (somebody_waits(events, now)) events->rest_until_ns = now + MF_MIN(MF_MAX(for_run, SHORTEST_REST_NS), LONGEST_REST_NS);
  else if (events_arrive(events, now)) events->rest_until_ns = now + ARRIVAL_REST_NS;
}

void mf_events_ran(mf_events *events, mf_event *ran) {
  mf_kept_event *event = (mf_kept_event *)ran;
  mf_queue *queue = event->queue;
  mf_event_policy policy;
  rest(events, event);
  mf_kept_list_remove(&events->running, event);
  events->n_running--;
  queue->running--;
  queue->under_way++;  // it stays until this is over
  look_at_policy(events, event, &policy);
  if (ran->verdict == MF_EVENT_DONE || ran->verdict == MF_EVENT_FUNCTION_ERROR) mf_queue_go_on(queue);
  if (events->stopped && ran->verdict >= MF_EVENT_THROTTLED) {
    mf_kept_event_free(event);  // its row stays for the next start
  } else if (mf_is_gone(&event->facts, &policy) || ran->verdict == MF_EVENT_GONE || event->removed) {
    events->stats.dropped++;
    mf_end_event(events, event);
  } else if (ran->verdict == MF_EVENT_DONE) {
    events->stats.done++;
    mf_event_succeeded(events, event, &policy);
  } else if (ran->verdict == MF_EVENT_FUNCTION_ERROR) {
    function_failed(events, event, &policy);
  } else {
    refused(events, event, &policy, ran->verdict == MF_EVENT_THROTTLED);
  }
  queue->under_way--;
  mf_queue_list(queue);
  mf_queue_drop_unused(queue);
  if (events->ready_first) pump_at(events, MF_MAX(mf_now_ns(), events->rest_until_ns));
}
