// Making the dispatcher, going on after a start, stopping, and functions that come and go.
#include "internal.h"

#include <stdlib.h>

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

// Those that there were at the start; n_retrying has what changed since.
static void retries_counted(void *context, uint64_t rows, const mf_error *err) {
  mf_events *events = context;
  events->counting = err != NULL;
  events->n_retrying += (int64_t)rows;
  if (err && !events->stopped) mf_log(MF_LOG_ERROR, "%s", err->message);
}

bool mf_events_resume(mf_events *events, mf_error *err) {
  events->counting = true;
  if (!mf_queues_resume(events, err) || !mf_failed_resume(events, err) ||
      !mf_store_count(events->store, MF_TABLE_retries, retries_counted, events, err))
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
  int64_t retrying = events->n_retrying - (int64_t)events->n_loaded;  // a loaded one waits in its window, or runs
  uint64_t failed = events->n_failed;
  for (const mf_kept_event *event = events->moving.first; event; event = event->next) {
    stats->running++;
    retrying -= event->to_retries;
    failed -= event->to_failed > 0 && failed > 0;
  }
  stats->retrying = (uint64_t)MF_MAX(retrying, 0);
  stats->counting = events->counting;
  stats->failed = failed;
  for (uint32_t i = 0; i < MF_EVENT_QUEUES; i++) {
    for (const mf_queue *queue = events->buckets[i]; queue; queue = queue->chain) {
      stats->waiting += mf_queue_waiting(queue);
      if (queue->window.first) oldest = MF_MAX(oldest, now - queue->window.first->facts.accepted_ms);
    }
  }
  stats->oldest_ms = oldest;
}
