// The way in: a row at the end of the function's queue, in a commit of its own that the store puts together with all that wait; `done`
// when it is on disk. What fits goes into the window from memory, so that an event that need not wait is never read back.
//
// Payloads that came in a file are read when they are committed; those on their way to disk are bounded in sum, the others wait in their
// files.
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_ACCEPTING_BYTES = 16 << 20 };

typedef struct mf_offer_wait {
  struct mf_offer_wait *next;
  mf_event_offer offer;           // texts behind the struct
  mf_store_done *done;
  void *context;
  char texts[];
} mf_offer_wait;

static void offers_go_on(mf_events *events);

void mf_delivery_end(mf_events *events, mf_queue *queue, uint64_t sequence, bool on_disk) {
  (void)events;
  queue->under_way--;
  if (on_disk) mf_queue_on_disk(queue, sequence);
  mf_queue_drop_unused(queue);
}

static void committed(void *context, const mf_error *err) {
  mf_kept_event *event = context;
  mf_events *events = event->events;
  mf_queue *queue = event->targets[0].queue;
  mf_store_done *done = event->done;
  void *data = event->context;
  const uint64_t sequence = event->sequence;
  const bool is_large = event->targets[0].sequence > 0;
  events->n_arriving--;
  events->arrived_ns = mf_now_ns();
  if (is_large) events->accepting_bytes -= event->row_len;
  if (!err) events->stats.accepted++;
  if (err || !mf_queue_push(queue, event)) mf_kept_event_free(event);
  mf_delivery_end(events, queue, sequence, !err);
  done(data, err);
  if (is_large) offers_go_on(events);
}

static bool read_payload(int fd, char *to, size_t len, mf_error *err) {
  for (size_t at = 0; at < len;) {
    const ssize_t n = pread(fd, to + at, len - at, (off_t)at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return mf_fail_errno(err, "cannot read the payload");
    if (n == 0) return mf_fail(err, MF_Io, "the payload's file ends after %zu of %zu bytes", at, len);
    at += (size_t)n;
  }
  return true;
}

static mf_kept_event *make_event(mf_events *events, mf_queue *queue, const mf_event_offer *offer, mf_error *err) {
  char key[MF_EVENT_KEY];
  const size_t key_len = mf_event_key(false, 0, mf_queue_function(queue), queue->next_sequence, key);
  mf_event_facts facts = {.accepted_ms = mf_wall_ns() / MF_NS_PER_MS, .uid = offer->uid, .request_id = offer->request_id,
                          .qualifier = offer->qualifier, .payload = offer->payload};
  if (offer->payload_fd >= 0) facts.payload.data = NULL;
  const size_t row_len = mf_row_bytes(&facts);
  mf_kept_event *event = mf_kept_event_create(events, MF_TABLE_events, (mf_str){key, key_len}, row_len);
  if (!event) {
    mf_fail(err, MF_OutOfMemory, "no memory for an event of %zu bytes", row_len);
    return NULL;
  }
  mf_row_put(&facts, event->row);
  if (offer->payload_fd < 0 || read_payload(offer->payload_fd, event->row + row_len - offer->payload.len, offer->payload.len, err)) {
    event->sequence = queue->next_sequence;
    if (mf_row_read((mf_slice){event->row, row_len}, &event->facts)) return event;
  }
  mf_kept_event_free(event);
  return NULL;
}

static bool commit(mf_events *events, const mf_event_offer *offer, mf_store_done *done, void *context, mf_error *err) {
  mf_queue *queue = mf_queue_get(events, offer->function, err);
  mf_kept_event *event = queue ? make_event(events, queue, offer, err) : NULL;
  if (!event) {
    if (queue) mf_queue_drop_unused(queue);
    return false;
  }
  const mf_write write = {MF_TABLE_events, {event->bytes, event->key_len}, {event->row, event->row_len}};
  event->done = done;
  event->context = context;
  event->targets[0].queue = queue;
  event->targets[0].sequence = offer->payload_fd >= 0;  // of those that are bounded in sum
  queue->next_sequence++;
  queue->under_way++;
  if (mf_store_commit(events->store, &write, 1, committed, event, err)) {
    events->n_arriving++;
    if (offer->payload_fd >= 0) events->accepting_bytes += event->row_len;
    return true;
  }
  queue->under_way--;
  mf_kept_event_free(event);
  mf_queue_drop_unused(queue);
  return false;
}

// ---- large payloads that wait for their turn ----
static mf_str keep_text(char **at, mf_str text) {
  if (text.len > 0) memcpy(*at, text.data, text.len);
  const mf_str copy = {*at, text.len};
  *at += text.len;
  return copy;
}

static bool wait_for_room(mf_events *events, const mf_event_offer *offer, mf_store_done *done, void *context, mf_error *err) {
  mf_offer_wait *wait = malloc(sizeof *wait + offer->function.len + offer->qualifier.len + offer->request_id.len);
  if (!wait) return mf_fail(err, MF_OutOfMemory, "no memory for an event");
  *wait = (mf_offer_wait){.offer = *offer, .done = done, .context = context};
  wait->offer.payload_fd = fcntl(offer->payload_fd, F_DUPFD_CLOEXEC, 0);
  if (wait->offer.payload_fd < 0) {
    free(wait);
    return mf_fail_errno(err, "cannot keep the payload's file");
  }
  char *at = wait->texts;
  wait->offer.function = keep_text(&at, offer->function);
  wait->offer.qualifier = keep_text(&at, offer->qualifier);
  wait->offer.request_id = keep_text(&at, offer->request_id);
  if (events->offers_last) events->offers_last->next = wait;
  else events->offers_first = wait;
  events->offers_last = wait;
  return true;
}

static mf_offer_wait *take_offer(mf_events *events) {
  mf_offer_wait *wait = events->offers_first;
  events->offers_first = wait->next;
  if (!wait->next) events->offers_last = NULL;
  return wait;
}

static void free_offer(mf_offer_wait *wait) {
  mf_close(&wait->offer.payload_fd);
  free(wait);
}

static void offers_go_on(mf_events *events) {
  while (events->offers_first && events->accepting_bytes < MOST_ACCEPTING_BYTES) {
    mf_error err;
    mf_offer_wait *wait = take_offer(events);
    if (!commit(events, &wait->offer, wait->done, wait->context, &err)) wait->done(wait->context, &err);
    free_offer(wait);
  }
}

void mf_offers_free(mf_events *events) {
  while (events->offers_first) {
    const mf_error err = {.code = MF_Unavailable, .message = "the server is stopping"};
    mf_offer_wait *wait = take_offer(events);
    wait->done(wait->context, &err);
    free_offer(wait);
  }
}

bool mf_events_accept(mf_events *events, const mf_event_offer *offer, mf_store_done *done, void *context, mf_error *err) {
  if (offer->payload.len > MF_EVENT_LARGEST)
    return mf_fail(err, MF_TooLarge, "an event of %zu bytes, at most %d", offer->payload.len, MF_EVENT_LARGEST);
  if (offer->qualifier.len > MF_QUALIFIER_LARGEST)
    return mf_fail(err, MF_Internal, "a qualifier of %zu characters", offer->qualifier.len);
  if (offer->payload_fd >= 0 && events->accepting_bytes >= MOST_ACCEPTING_BYTES) return wait_for_room(events, offer, done, context, err);
  return commit(events, offer, done, context, err);
}

// ---- events that follow from others ----
bool mf_delivery_begin(mf_events *events, mf_str function, mf_slice row, mf_delivery *delivery, mf_write *write, mf_error *err) {
  mf_queue *queue = mf_queue_get(events, function, err);
  if (!queue) return false;
  delivery->queue = queue;
  delivery->sequence = queue->next_sequence++;
  queue->under_way++;
  const size_t len = mf_event_key(false, 0, function, delivery->sequence, delivery->key);
  *write = (mf_write){MF_TABLE_events, {delivery->key, len}, row};
  return true;
}
