// Making the dispatcher, going on after a start, stopping, and functions that come and go.
#include "internal.h"

#include <stdlib.h>

enum { RETRIES_COUNTED = 10000 };

mf_events *mf_events_create(mf_store *store, mf_loop *loop, const mf_events_options *options, mf_error *err) {
  mf_events *events = calloc(1, sizeof *events);
  if (!events) {
    mf_fail(err, MF_OutOfMemory, "no memory for the dispatcher of events");
    return NULL;
  }
  events->store = store;
  events->loop = loop;
  events->slots = MF_MAX(options->slots, 1);
  events->beside = options->beside;
  events->retry_scale = options->retry_scale > 0 ? options->retry_scale : 1;
  events->pump = (mf_timer){.fire = mf_pump, .data = events};
  events->flush = (mf_timer){.fire = mf_flush_timer, .data = events};
  events->retry = (mf_timer){.fire = mf_retry_timer, .data = events};
  events->foreground_ns = events->arrived_ns = INT64_MIN / 2;
  return events;
}

void mf_events_attach(mf_events *events, const mf_event_runner *runner) { events->runner = *runner; }

static bool count_retry(void *context, mf_str key, mf_slice row) {
  (void)key;
  (void)row;
  ((mf_events *)context)->n_retrying++;
  return true;
}

bool mf_events_resume(mf_events *events, mf_error *err) {
  if (!mf_queues_resume(events, err) || !mf_failed_resume(events, err) ||
      !mf_store_scan(events->store, MF_TABLE_retries, MF_STR(""), MF_STR(""), RETRIES_COUNTED, count_retry, events, err))
    return false;
  mf_failed_trim(events);
  mf_retry_look(events, 0);
  return true;
}

void mf_events_stop(mf_events *events) {
  events->stopped = true;
  mf_loop_timer_cancel(events->loop, &events->pump);
  mf_loop_timer_cancel(events->loop, &events->retry);
  mf_offers_free(events);
}

static void free_list(mf_kept_list *list) {
  for (mf_kept_event *event = list->first, *next; event; event = next) {
    next = event->next;
    mf_kept_event_free(event);
  }
  *list = (mf_kept_list){0};
}

void mf_events_destroy(mf_events *events) {
  if (!events) return;
  mf_offers_free(events);
  mf_loop_timer_cancel(events->loop, &events->pump);
  mf_loop_timer_cancel(events->loop, &events->retry);
  mf_loop_timer_cancel(events->loop, &events->flush);
  free_list(&events->running);
  free_list(&events->ended);
  for (uint32_t i = 0; i < MF_EVENT_QUEUES; i++) {
    for (mf_queue *queue = events->buckets[i], *chain; queue; queue = chain) {
      chain = queue->chain;
      mf_loop_timer_cancel(events->loop, &queue->pause);
      free_list(&queue->window);
      free(queue);
    }
  }
  free(events);
}

// Those in memory and on disk alike: each is dropped when its turn comes.
void mf_events_forget(mf_events *events, mf_str function) {
  mf_queue *queue = mf_queue_find(events, function);
  if (!queue) return;
  queue->dropped_through = queue->next_sequence - 1;
  for (mf_kept_event *event = queue->window.first; event; event = event->next) event->removed = true;
  for (mf_kept_event *event = events->running.first; event; event = event->next)
    if (event->queue == queue) event->removed = true;
  mf_queue_go_on(queue);
}

void mf_events_wake(mf_events *events, mf_str function) {
  mf_queue *queue = mf_queue_find(events, function);
  if (!queue) return;
  queue->under_way++;
  mf_queue_go_on(queue);
  mf_queue_list(queue);
  queue->under_way--;
  mf_queue_drop_unused(queue);
}

void mf_events_statistics(const mf_events *events, mf_events_stats *stats) {
  int64_t oldest = 0;
  const int64_t now = mf_wall_ns() / MF_NS_PER_MS;
  *stats = events->stats;
  stats->running = events->n_running;
  stats->retrying = events->n_retrying;
  stats->failed = events->n_failed;
  for (uint32_t i = 0; i < MF_EVENT_QUEUES; i++) {
    for (const mf_queue *queue = events->buckets[i]; queue; queue = queue->chain) {
      stats->waiting += mf_queue_waiting(queue);
      if (queue->window.first) oldest = MF_MAX(oldest, now - queue->window.first->facts.accepted_ms);
    }
  }
  stats->oldest_ms = oldest;
}
