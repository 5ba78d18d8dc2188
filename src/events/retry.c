// Events that wait for another attempt: a table ordered by when they are due, of which those that are due are taken up, a few at a time.
// Those of a function that has enough of them in memory, or rests, go to the end of its queue, which costs one write for each.
#include "internal.h"

#define CLOCK_MAY_MOVE_NS (60 * MF_NS_PER_S)

// Behind all that were taken up already, also when the clock was set back, since they are passed over.
uint64_t mf_retry_due(mf_events *events, int64_t delay_ns) {
  return MF_MAX((uint64_t)(mf_wall_ns() + delay_ns), events->last_due + 1);
}

static void look_after(mf_events *events, int64_t delay_ns) {
  mf_error err;
  const int64_t when = mf_now_ns() + MF_MAX(delay_ns, 0);
  if (events->stopped || (events->retry.position > 0 && events->retry.deadline_ns <= when)) return;
  if (!mf_loop_timer_set(events->loop, &events->retry, when, &err)) mf_log(MF_LOG_ERROR, "retries of events wait: %s", err.message);
}

// ---- moving ----
void mf_event_again(mf_kept_event *event) {
  mf_queue *queue = event->queue;
  mf_queue_push_first(queue, event);
  mf_queue_pause(queue);
  mf_queue_list(queue);
}

static void moved(void *context, const mf_error *err) {
  mf_kept_event *event = context;
  mf_events *events = event->events;
  mf_queue *queue = event->queue;
  mf_kept_list_remove(&events->moving, event);
  for (uint32_t i = 0; i < event->n_targets; i++) mf_delivery_end(events, event->targets[i].queue, event->targets[i].sequence, !err);
  event->n_targets = 0;
  queue->under_way--;
  if (err && event->to_retries) events->n_retrying--;
  if (err && event->to_failed > 0) mf_failed_count(events, -1, event->to_failed);
  event->to_retries = false;
  event->to_failed = 0;
  if (err) {
    mf_log(MF_LOG_ERROR, "an event of %.*s runs again: %s", MF_STR_ARG(mf_queue_function(queue)), err->message);
    mf_event_again(event);
    return;
  }
  if (event->table == MF_TABLE_retries) mf_retry_loaded(events, event);
  mf_kept_event_free(event);
  mf_queue_list(queue);
  mf_queue_drop_unused(queue);
}

void mf_event_move(mf_events *events, mf_kept_event *event, const mf_write *writes, uint32_t n_writes) {
  mf_error err;
  event->queue->under_way++;
  mf_kept_list_add(&events->moving, event);
  if (!mf_store_commit(events->store, writes, n_writes, moved, event, &err)) moved(event, &err);
}

void mf_retry_later(mf_events *events, mf_kept_event *event, int64_t delay_ns) {
  char key[MF_EVENT_KEY];
  const mf_str function = mf_queue_function(event->queue);
  const size_t len = mf_event_key(true, mf_retry_due(events, delay_ns), function, event->sequence, key);
  event->row[1] = (char)event->facts.attempts;
  event->row[2] = (char)event->facts.refusals;
  const mf_write writes[] = {{event->table, {event->bytes, event->key_len}, {0}},
                             {MF_TABLE_retries, {key, len}, {event->row, event->row_len}}};
  events->n_retrying++;
  event->to_retries = true;
  mf_event_move(events, event, writes, 2);
  look_after(events, delay_ns);
}

// ---- taking up ----
void mf_retry_loaded(mf_events *events, mf_kept_event *event) {
  events->n_loaded--;
  if (event->queue) event->queue->n_retries--;
  events->n_retrying--;
  if (events->n_loaded < MF_RETRIES_LOADED / 2) look_after(events, 0);
}

typedef struct due {
  mf_events *events;
  uint64_t now, next;  // next: when the first that is not due yet is; 0: none
  bool full, out_of_memory;
} due;

static void move_to_queue(mf_events *events, mf_kept_event *event) {
  mf_error err;
  mf_delivery delivery;
  mf_write writes[2] = {{event->table, {event->bytes, event->key_len}, {0}}};
  if (!mf_delivery_begin(events, mf_queue_function(event->queue), (mf_slice){event->row, event->row_len}, &delivery, &writes[1], &err)) {
    mf_log(MF_LOG_ERROR, "%s", err.message);
    mf_event_again(event);
    return;
  }
  event->targets[0].queue = delivery.queue;
  event->targets[0].sequence = delivery.sequence;
  event->n_targets = 1;
  mf_event_move(events, event, writes, 2);
}

static void take_up(mf_events *events, mf_kept_event *event, mf_queue *queue) {
  events->n_loaded++;
  queue->n_retries++;
  event->queue = queue;
  if (queue->paused || queue->n_retries > MF_QUEUE_RETRIES_LOADED) {
    move_to_queue(events, event);
    return;
  }
  mf_queue_push_first(queue, event);
  mf_queue_list(queue);
}

static bool take_row(void *context, mf_str key, mf_slice row) {
  due *d = context;
  mf_events *events = d->events;
  uint64_t time, sequence;
  mf_str function;
  if (!mf_event_key_read(true, key, &time, &function, &sequence)) return true;
  if (time > d->now) {
    d->next = time;
    return false;
  }
  d->full = events->n_loaded >= MF_RETRIES_LOADED;
  if (d->full) return false;
  mf_event_facts facts;
  if (!mf_row_read(row, &facts)) {
    mf_log(MF_LOG_ERROR, "a retry of %.*s is damaged and cannot run", MF_STR_ARG(function));
    events->last_due = time;
    return true;
  }
  mf_error err;
  mf_kept_event *event = mf_kept_event_load(events, MF_TABLE_retries, key, row);
  mf_queue *queue = event ? mf_queue_get(events, function, &err) : NULL;
  d->out_of_memory = !queue;
  if (!queue) {
    mf_kept_event_free(event);
    return false;
  }
  events->last_due = time;
  take_up(events, event, queue);
  return true;
}

void mf_retry_timer(mf_timer *timer) {
  mf_events *events = timer->data;
  mf_error err;
  char after[8 + 1];
  due d = {.events = events, .now = (uint64_t)mf_wall_ns()};
  mf_put_u64(events->last_due, after);
  memset(after + 8, 0xff, 1);  // names are ASCII: behind every key of that time
  const size_t after_len = events->last_due > 0 ? sizeof after : 0;
  if (!mf_store_scan(events->store, MF_TABLE_retries, MF_STR(""), (mf_str){after, after_len}, MF_RETRIES_LOADED + 1, take_row, &d, &err)) {
    mf_log(MF_LOG_ERROR, "retries of events: %s", err.message);
    look_after(events, MF_NS_PER_S);
  } else if (d.out_of_memory) {
    look_after(events, MF_NS_PER_S);
  } else if (d.next > 0) {
    look_after(events, MF_MIN((int64_t)(d.next - d.now), CLOCK_MAY_MOVE_NS));
  } else if (!d.full && (events->counting || events->n_retrying > (int64_t)events->n_loaded)) {
    look_after(events, events->n_loaded > 0 ? MF_NS_PER_S : CLOCK_MAY_MOVE_NS);  // what is written and not yet seen
  }
}

void mf_retry_look(mf_events *events, int64_t delay_ns) { look_after(events, delay_ns); }
