// Queues: a function's events on disk, and the window of them that is in memory. Sequences of a queue are dense but for removed events,
// so that what waits is counted by the ends.
#include "internal.h"

#include <stdlib.h>

#define BACKOFF_NS (1 * MF_NS_PER_S)
#define LONGEST_BACKOFF_NS (300 * MF_NS_PER_S)
enum { ROWS_OF_A_FULL_HOUSE = 1 };

// ---- lists of events ----
void mf_kept_list_add(mf_kept_list *list, mf_kept_event *event) {
  event->next = NULL;
  event->previous = list->last;
  if (list->last) list->last->next = event;
  else list->first = event;
  list->last = event;
}

void mf_kept_list_remove(mf_kept_list *list, mf_kept_event *event) {
  if (event->previous) event->previous->next = event->next;
  else list->first = event->next;
  if (event->next) event->next->previous = event->previous;
  else list->last = event->previous;
  event->next = event->previous = NULL;
}

mf_kept_event *mf_kept_event_create(mf_events *events, mf_table table, mf_str key, size_t row_len) {
  mf_kept_event *event = malloc(sizeof *event + key.len + row_len);
  if (!event) return NULL;
  memset(event, 0, sizeof *event);
  event->events = events;
  event->table = table;
  event->key_len = key.len;
  event->row_len = row_len;
  event->row = event->bytes + key.len;
  memcpy(event->bytes, key.data, key.len);
  return event;
}

// NULL: no memory, or (facts.request_id.len 0 in the row) damaged; the caller tells them apart by mf_row_read.
mf_kept_event *mf_kept_event_load(mf_events *events, mf_table table, mf_str key, mf_slice row) {
  mf_str function;
  mf_kept_event *event = mf_kept_event_create(events, table, key, row.len);
  if (!event) return NULL;
  memcpy(event->row, row.data, row.len);
  if (mf_row_read((mf_slice){event->row, row.len}, &event->facts) &&
      mf_event_key_read(table != MF_TABLE_events, (mf_str){event->bytes, key.len}, &event->due, &function, &event->sequence))
    return event;
  mf_kept_event_free(event);
  return NULL;
}

void mf_kept_event_free(mf_kept_event *event) { free(event); }

// ---- the table of queues ----
static mf_queue **bucket_of(mf_events *events, mf_str function) {
  return &events->buckets[mf_hash64(function.data, function.len, 0) % MF_EVENT_QUEUES];
}

mf_queue *mf_queue_find(mf_events *events, mf_str function) {
  mf_queue *queue = *bucket_of(events, function);
  while (queue && !mf_str_equal(mf_queue_function(queue), function)) queue = queue->chain;
  return queue;
}

static void pause_over(mf_timer *timer) {
  mf_queue *queue = timer->data;
  queue->paused = false;
  mf_queue_list(queue);
  mf_queue_drop_unused(queue);
}

mf_queue *mf_queue_get(mf_events *events, mf_str function, mf_error *err) {
  mf_queue *queue = mf_queue_find(events, function);
  if (queue) return queue;
  if (function.len > MF_EVENT_KEY - 17) {
    mf_fail(err, MF_Internal, "the key of a function has %zu characters", function.len);
    return NULL;
  }
  queue = calloc(1, sizeof *queue + function.len + 1);
  if (!queue) {
    mf_fail(err, MF_OutOfMemory, "no memory for the events of one more function");
    return NULL;
  }
  queue->events = events;
  queue->key_len = (uint32_t)function.len + 1;
  memcpy(queue->key, function.data, function.len);
  queue->pause = (mf_timer){.fire = pause_over, .data = queue};
  queue->concurrency = UINT32_MAX;
  // An empty queue begins at the time, so that no sequence comes twice: what was given it before may not have left the disk yet.
  queue->next_sequence = (uint64_t)mf_wall_ns();
  queue->tail = queue->read = queue->next_sequence - 1;
  mf_queue **bucket = bucket_of(events, function);
  queue->chain = *bucket;
  *bucket = queue;
  return queue;
}

static bool has_more(const mf_queue *queue) { return queue->window.first || queue->tail > queue->read; }

void mf_queue_drop_unused(mf_queue *queue) {
  if (has_more(queue) || queue->running > 0 || queue->under_way > 0 || queue->paused) return;
  mf_queue **at = bucket_of(queue->events, mf_queue_function(queue));
  while (*at != queue) at = &(*at)->chain;
  *at = queue->chain;
  mf_queue_unlist(queue);
  free(queue);
}

uint64_t mf_queue_waiting(const mf_queue *queue) { return queue->n_window + (queue->tail - queue->read); }

// ---- those that may have something to begin, each in its turn ----
void mf_queue_unlist(mf_queue *queue) {
  mf_events *events = queue->events;
  if (!queue->listed) return;
  if (queue->previous) queue->previous->next = queue->next;
  else events->ready_first = queue->next;
  if (queue->next) queue->next->previous = queue->previous;
  else events->ready_last = queue->previous;
  queue->next = queue->previous = NULL;
  queue->listed = false;
}

static void link_last(mf_queue *queue) {
  mf_events *events = queue->events;
  queue->next = NULL;
  queue->previous = events->ready_last;
  if (events->ready_last) events->ready_last->next = queue;
  else events->ready_first = queue;
  events->ready_last = queue;
  queue->listed = true;
}

void mf_queue_list(mf_queue *queue) {
  if (queue->listed || queue->paused || !has_more(queue)) return;
  link_last(queue);
  mf_pump_soon(queue->events);
}

bool mf_queue_to_the_end(mf_queue *queue) {
  mf_queue_unlist(queue);
  if (has_more(queue) && !queue->paused) link_last(queue);
  return queue->listed;
}

void mf_queue_pause(mf_queue *queue) {
  mf_error err;
  mf_events *events = queue->events;
  const int64_t longest = (int64_t)((double)LONGEST_BACKOFF_NS * events->retry_scale);
  if (queue->paused) return;
  const int64_t first = (int64_t)((double)BACKOFF_NS * events->retry_scale);
  queue->backoff_ns = queue->backoff_ns > 0 ? MF_MIN(queue->backoff_ns * 2, longest) : MF_MAX(first, MF_NS_PER_MS);
  queue->paused = mf_loop_timer_set(events->loop, &queue->pause, mf_now_ns() + queue->backoff_ns, &err);
  if (queue->paused) mf_queue_unlist(queue);
  else mf_log(MF_LOG_ERROR, "%s", err.message);  // then it goes on without a rest
}

void mf_queue_go_on(mf_queue *queue) {
  queue->backoff_ns = 0;
  if (!queue->paused) return;
  mf_loop_timer_cancel(queue->events->loop, &queue->pause);
  pause_over(&queue->pause);
}

// ---- the window ----
static void count_window(mf_queue *queue, const mf_kept_event *event, bool in) {
  const size_t bytes = sizeof *event + event->key_len + event->row_len;
  if (in) queue->n_window++, queue->window_bytes += bytes, queue->events->windows_bytes += bytes;
  else queue->n_window--, queue->window_bytes -= bytes, queue->events->windows_bytes -= bytes;
}

static bool has_room(const mf_queue *queue) {
  if (!queue->window.first) return true;
  return queue->n_window < MF_WINDOW_EVENTS && queue->window_bytes < MF_WINDOW_BYTES && queue->events->windows_bytes < MF_WINDOWS_BYTES;
}

void mf_queue_on_disk(mf_queue *queue, uint64_t sequence) {
  queue->tail = MF_MAX(queue->tail, sequence);
  mf_queue_list(queue);
}

bool mf_queue_push(mf_queue *queue, mf_kept_event *event) {
  if (event->sequence != queue->read + 1 || !has_room(queue)) return false;
  event->queue = queue;
  mf_kept_list_add(&queue->window, event);
  count_window(queue, event, true);
  queue->read = event->sequence;
  return true;
}

void mf_queue_push_first(mf_queue *queue, mf_kept_event *event) {
  mf_kept_event *first = queue->window.first;
  event->queue = queue;
  event->previous = NULL;
  event->next = first;
  if (first) first->previous = event;
  else queue->window.last = event;
  queue->window.first = event;
  count_window(queue, event, true);
}

typedef struct reading {
  mf_queue *queue;
  uint32_t left;
  bool out_of_memory;
} reading;

// A row that cannot be read is passed over, and stays for whoever can.
static bool read_row(void *context, mf_str key, mf_slice row) {
  reading *r = context;
  mf_queue *queue = r->queue;
  uint64_t time, sequence = 0;
  mf_str function;
  mf_event_facts facts;
  const bool is_good = mf_event_key_read(false, key, &time, &function, &sequence) && mf_row_read(row, &facts);
  if (sequence > queue->tail) return false;  // not on disk yet
  if (!is_good) {
    mf_log(MF_LOG_ERROR, "an event of %.*s is damaged and cannot run", MF_STR_ARG(mf_queue_function(queue)));
    queue->read = MF_MAX(queue->read, sequence);
    return true;
  }
  if (r->left-- == 0 || !has_room(queue)) return false;
  mf_kept_event *event = mf_kept_event_load(queue->events, MF_TABLE_events, key, row);
  r->out_of_memory = !event;
  if (!event) return false;
  event->queue = queue;
  mf_kept_list_add(&queue->window, event);
  count_window(queue, event, true);
  queue->read = sequence;
  return true;
}

static void fill(mf_queue *queue) {
  char after[MF_EVENT_KEY];
  mf_error err;
  mf_events *events = queue->events;
  const mf_str function = mf_queue_function(queue);
  const size_t len = mf_event_key(false, 0, function, queue->read, after);
  reading r = {.queue = queue, .left = events->windows_bytes < MF_WINDOWS_BYTES ? MF_WINDOW_EVENTS : ROWS_OF_A_FULL_HOUSE};
  if (!mf_store_scan(events->store, MF_TABLE_events, (mf_str){queue->key, queue->key_len}, (mf_str){after, len}, MF_WINDOW_EVENTS + 1, read_row,
                     &r, &err)) {
    mf_log(MF_LOG_ERROR, "events of %.*s: %s", MF_STR_ARG(function), err.message);
    mf_queue_pause(queue);
  } else if (r.out_of_memory) {
    mf_queue_pause(queue);
  } else if (!queue->window.first) {
    queue->read = queue->tail;  // what was between is gone
  }
}

mf_kept_event *mf_queue_pop(mf_queue *queue) {
  if (!queue->window.first && queue->tail > queue->read) fill(queue);
  mf_kept_event *event = queue->window.first;
  if (!event) return NULL;
  mf_kept_list_remove(&queue->window, event);
  count_window(queue, event, false);
  return event;
}

// ---- a start ----
typedef struct found {
  size_t key_len;
  char key[MF_EVENT_KEY];
} found;

static bool take_key(void *context, mf_str key, mf_slice value) {
  (void)value;
  found *f = context;
  f->key_len = MF_MIN(key.len, sizeof f->key);
  memcpy(f->key, key.data, f->key_len);
  return false;
}

static bool resume_queue(mf_events *events, mf_str function, uint64_t first, mf_error *err) {
  char last[MF_EVENT_KEY];
  size_t len = sizeof last;
  uint64_t time, sequence;
  mf_str name;
  mf_queue *queue = mf_queue_get(events, function, err);
  if (!queue || !mf_store_last(events->store, MF_TABLE_events, (mf_str){queue->key, queue->key_len}, last, &len, err)) return false;
  if (!mf_event_key_read(false, (mf_str){last, len}, &time, &name, &sequence)) return mf_fail(err, MF_Internal, "the key of an event is damaged");
  queue->read = first - 1;
  queue->tail = sequence;
  queue->next_sequence = sequence + 1;
  mf_queue_list(queue);
  return true;
}

// From one function's first event to the next function's: two looks into the tree for each function, however many events there are.
bool mf_queues_resume(mf_events *events, mf_error *err) {
  found f = {0};
  for (mf_str after = MF_STR("");;) {
    f.key_len = 0;
    if (!mf_store_scan(events->store, MF_TABLE_events, MF_STR(""), after, 1, take_key, &f, err)) return false;
    if (f.key_len == 0) return true;
    uint64_t time, sequence;
    mf_str function;
    if (!mf_event_key_read(false, (mf_str){f.key, f.key_len}, &time, &function, &sequence))
      return mf_fail(err, MF_Internal, "the key of an event is damaged");
    if (!resume_queue(events, function, sequence, err)) return false;
    f.key[function.len] = 1;  // behind all that begin with the name and NUL
    after = (mf_str){f.key, function.len + 1};
  }
}
