// What people see of the queues, and what they can do: try a failed event again, drop one.
//
// An event's id says where its row is: NAME/w<sequence> waits, NAME/r<sequence>-<due> waits for a retry, NAME/f<sequence>-<time> failed.
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS_LOOKED_AT = 10000 };  // of the retries and failed events, which are not ordered by function

typedef struct listing {
  mf_events *events;
  mf_str function;
  mf_table table;
  uint32_t left;
  void (*show)(void *context, const mf_event_shown *event);
  void *context;
} listing;

static bool is_asked_for(mf_str function, mf_str asked) {
  return mf_str_ends(asked, MF_STR("/")) ? mf_str_starts(function, asked) : mf_str_equal(function, asked);
}

static mf_str name_of(mf_str function) {
  const char *slash = memchr(function.data, '/', function.len);
  return slash ? (mf_str){slash + 1, function.len - (size_t)(slash + 1 - function.data)} : function;
}

static void write_id(mf_str function, char kind, uint64_t sequence, uint64_t time, char id[MF_EVENT_ID]) {
  const mf_str name = name_of(function);
  if (kind == 'w') snprintf(id, MF_EVENT_ID, "%.*s/w%llx", MF_STR_ARG(name), (unsigned long long)sequence);
  else snprintf(id, MF_EVENT_ID, "%.*s/%c%llx-%llx", MF_STR_ARG(name), kind, (unsigned long long)sequence, (unsigned long long)time);
}

// In memory because it runs, or because its row is to be removed.
static const mf_kept_event *find_kept(const mf_kept_list *list, mf_table table, mf_str key) {
  for (const mf_kept_event *event = list->first; event; event = event->next)
    if (event->table == table && mf_str_equal((mf_str){event->bytes, event->key_len}, key)) return event;
  return NULL;
}

static bool list_row(void *context, mf_str key, mf_slice value) {
  listing *l = context;
  uint64_t time, sequence;
  mf_event_facts facts;
  mf_event_shown shown = {0};
  mf_slice row = value;
  const bool is_failed = l->table == MF_TABLE_failed_events, is_waiting = l->table == MF_TABLE_events;
  if (!mf_event_key_read(!is_waiting, key, &time, &shown.function, &sequence) || !is_asked_for(shown.function, l->function)) return true;
  if ((is_failed && !mf_failed_read(value, &shown.reason, &row)) || !mf_row_read(row, &facts)) return true;
  if (find_kept(&l->events->ended, l->table, key)) return true;
  const bool runs = find_kept(&l->events->running, l->table, key) != NULL;
  shown.state = runs ? "running" : is_failed ? "failed" : is_waiting ? "waiting" : "retrying";
  write_id(shown.function, is_failed ? 'f' : is_waiting ? 'w' : 'r', sequence, time, shown.id);
  if (is_failed && shown.reason.len == 0 && ((const unsigned char *)value.data)[1] < MF_CONDITIONS)
    shown.reason = mf_str_from(mf_condition_names[((const unsigned char *)value.data)[1]]);
  shown.qualifier = facts.qualifier;
  shown.request_id = facts.request_id;
  shown.attempts = facts.attempts;
  shown.accepted_ms = facts.accepted_ms;
  shown.at_ms = (int64_t)(time / (uint64_t)MF_NS_PER_MS);
  shown.payload_bytes = facts.payload.len;
  l->show(l->context, &shown);
  return --l->left > 0;
}

static bool list_table(listing *l, mf_table table, uint32_t limit, uint32_t looks, mf_str prefix, mf_error *err) {
  l->table = table;
  l->left = limit;
  return mf_store_scan(l->events->store, table, prefix, MF_STR(""), looks, list_row, l, err);
}

bool mf_events_list(mf_events *events, mf_str function, uint32_t limit, void (*count)(void *context, const mf_events_count *count),
                    void (*show)(void *context, const mf_event_shown *event), void *context, mf_error *err) {
  listing l = {.events = events, .show = show, .context = context, .function = function};
  uint32_t left = limit;
  for (uint32_t i = 0; i < MF_EVENT_QUEUES; i++) {
    for (const mf_queue *queue = events->buckets[i]; queue; queue = queue->chain) {
      if (!is_asked_for(mf_queue_function(queue), function)) continue;
      const mf_events_count counted = {mf_queue_function(queue), mf_queue_waiting(queue), queue->running, queue->paused};
      count(context, &counted);
      if (left == 0) continue;
      if (!list_table(&l, MF_TABLE_events, left, left + queue->running + events->n_ended, (mf_str){queue->key, queue->key_len}, err)) return false;
      left = l.left;
    }
  }
  return list_table(&l, MF_TABLE_retries, limit, ROWS_LOOKED_AT, MF_STR(""), err) &&
         list_table(&l, MF_TABLE_failed_events, limit, ROWS_LOOKED_AT, MF_STR(""), err);
}

// ---- by id ----
typedef struct place {
  mf_table table;
  uint64_t time, sequence;
  mf_str function;
  size_t key_len;
  char key[MF_EVENT_KEY];
  char name[MF_EVENT_KEY];
} place;

static bool read_hex(mf_str *text, uint64_t *value) {
  size_t n = 0;
  for (*value = 0; n < text->len && n < 17; n++) {
    const char c = text->data[n];
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) break;
    *value = *value << 4 | (uint64_t)digit;
  }
  *text = (mf_str){text->data + n, text->len - n};
  return n > 0 && n <= 16;
}

static bool find_place(mf_str region, mf_str id, place *p, mf_error *err) {
  const char *slash = id.len > 0 ? memrchr(id.data, '/', id.len) : NULL;
  mf_str rest = slash ? (mf_str){slash + 1, id.len - (size_t)(slash + 1 - id.data)} : MF_STR("");
  const char kind = rest.len > 0 ? rest.data[0] : 0;
  const size_t name_len = slash ? (size_t)(slash - id.data) : 0;
  *p = (place){.table = kind == 'w' ? MF_TABLE_events : kind == 'r' ? MF_TABLE_retries : MF_TABLE_failed_events};
  bool ok = kind && memchr("wrf", kind, 3) && region.len + 1 + name_len <= MF_EVENT_KEY - 17;
  rest = (mf_str){rest.data + 1, rest.len ? rest.len - 1 : 0};
  ok = ok && read_hex(&rest, &p->sequence);
  if (ok && kind != 'w') {
    ok = mf_str_starts(rest, MF_STR("-"));
    rest = (mf_str){rest.data + 1, rest.len ? rest.len - 1 : 0};
    ok = ok && read_hex(&rest, &p->time);
  }
  if (!ok || rest.len > 0) return mf_fail(err, MF_NotFound, "'%.*s' is no event's id", (int)MF_MIN(id.len, (size_t)200), id.data);
  const int len = snprintf(p->name, sizeof p->name, "%.*s/%.*s", MF_STR_ARG(region), (int)name_len, id.data);
  p->function = (mf_str){p->name, (size_t)len};
  p->key_len = mf_event_key(kind != 'w', p->time, p->function, p->sequence, p->key);
  return true;
}

// The row, unless it is running or has ended. false: *err says what.
static bool take_place(mf_events *events, const place *p, mf_arena *arena, mf_slice *value, mf_error *err) {
  bool found;
  const mf_str key = {p->key, p->key_len};
  if (find_kept(&events->running, p->table, key)) return mf_fail(err, MF_Conflict, "the event is running");
  if (!mf_store_get(events->store, p->table, key, arena, value, &found, err)) return false;
  if (!found || find_kept(&events->ended, p->table, key)) return mf_fail(err, MF_NotFound, "there is no such event (any more)");
  return true;
}

bool mf_events_payload(mf_events *events, mf_str region, mf_str id, mf_arena *arena, mf_slice *payload, mf_error *err) {
  place p;
  mf_slice value;
  mf_str reason;
  mf_event_facts facts;
  bool found;
  if (!find_place(region, id, &p, err) || !mf_store_get(events->store, p.table, (mf_str){p.key, p.key_len}, arena, &value, &found, err)) return false;
  if (!found) return mf_fail(err, MF_NotFound, "there is no such event (any more)");
  if ((p.table == MF_TABLE_failed_events && !mf_failed_read(value, &reason, &value)) || !mf_row_read(value, &facts))
    return mf_fail(err, MF_Internal, "the event is damaged");
  *payload = facts.payload;
  return true;
}

// It may be in the window.
static void remove_kept(mf_events *events, const place *p) {
  mf_queue *queue = mf_queue_find(events, p->function);
  for (mf_kept_event *event = queue ? queue->window.first : NULL; event; event = event->next)
    if (event->table == p->table && mf_str_equal((mf_str){event->bytes, event->key_len}, (mf_str){p->key, p->key_len})) event->removed = true;
}

static void forget_failed(mf_events *events, size_t bytes) {
  events->n_failed -= events->n_failed > 0;
  events->failed_bytes -= MF_MIN(events->failed_bytes, bytes);
}

bool mf_events_drop(mf_events *events, mf_str region, mf_str id, mf_store_done *done, void *context, mf_error *err) {
  place p;
  mf_arena arena;
  mf_slice value;
  mf_arena_init(&arena, 0);
  bool ok = find_place(region, id, &p, err) && take_place(events, &p, &arena, &value, err);
  const mf_write write = {p.table, {p.key, p.key_len}, {0}};
  ok = ok && mf_store_commit(events->store, &write, 1, done, context, err);
  if (ok) {
    remove_kept(events, &p);
    events->stats.dropped++;
    if (p.table == MF_TABLE_failed_events) forget_failed(events, value.len);
    if (p.table == MF_TABLE_retries) events->n_retrying -= events->n_retrying > 0;
  }
  mf_arena_deinit(&arena);
  return ok;
}

// ---- trying again ----
typedef struct again {
  mf_events *events;
  mf_queue *queue;
  uint64_t sequence;
  mf_store_done *done;
  void *context;
} again;

static void tried_again(void *context, const mf_error *err) {
  again *a = context;
  if (a->queue) mf_delivery_end(a->events, a->queue, a->sequence, !err);
  else mf_retry_look(a->events, 0);
  a->done(a->context, err);
  free(a);
}

// A failed event goes to the end of its queue with its attempts counted anew; a retry is due now.
static bool make_again(again *a, const place *p, mf_slice value, mf_arena *arena, mf_delivery *delivery, mf_write writes[2], mf_error *err) {
  mf_str reason;
  mf_event_facts facts;
  mf_event_policy policy = {0};
  mf_slice row = value;
  mf_events *events = a->events;
  writes[0] = (mf_write){p->table, {p->key, p->key_len}, {0}};
  if (p->table == MF_TABLE_events) return mf_fail(err, MF_Conflict, "the event waits for its turn already");
  if (p->table == MF_TABLE_failed_events && !mf_failed_read(value, &reason, &row)) return mf_fail(err, MF_Internal, "the failed event is damaged");
  if (!mf_row_read(row, &facts)) return mf_fail(err, MF_Internal, "the event is damaged");
  events->runner.policy(events->runner.context, p->function, facts.qualifier, &policy);
  if (mf_is_gone(&facts, &policy)) return mf_fail(err, MF_NotFound, "the function that the event was for has been deleted");
  if (policy.qualifier_gone) return mf_fail(err, MF_NotFound, "the alias or version that the event was for has been deleted");
  if (p->table == MF_TABLE_retries) {
    const size_t len = mf_event_key(true, mf_retry_due(events, 0), p->function, p->sequence, delivery->key);
    writes[1] = (mf_write){MF_TABLE_retries, {delivery->key, len}, value};
    return true;
  }
  facts.attempts = facts.refusals = facts.n_lineage = 0;
  facts.accepted_ms = mf_wall_ns() / MF_NS_PER_MS;
  char *bytes = mf_arena_alloc(arena, mf_row_bytes(&facts));
  if (!bytes) return mf_fail(err, MF_OutOfMemory, "no memory for an event");
  mf_row_put(&facts, bytes);
  if (!mf_delivery_begin(events, p->function, (mf_slice){bytes, mf_row_bytes(&facts)}, delivery, &writes[1], err)) return false;
  a->queue = delivery->queue;
  a->sequence = delivery->sequence;
  return true;
}

bool mf_events_retry(mf_events *events, mf_str region, mf_str id, mf_store_done *done, void *context, mf_error *err) {
  place p;
  mf_arena arena;
  mf_slice value;
  mf_delivery delivery;
  mf_write writes[2];
  again *a = malloc(sizeof *a);
  if (!a) return mf_fail(err, MF_OutOfMemory, "no memory for an event");
  *a = (again){.events = events, .done = done, .context = context};
  mf_arena_init(&arena, 0);
  bool ok = find_place(region, id, &p, err) && take_place(events, &p, &arena, &value, err) &&
            make_again(a, &p, value, &arena, &delivery, writes, err);
  const bool began = ok && a->queue;
  ok = ok && mf_store_commit(events->store, writes, 2, tried_again, a, err);
  if (ok && p.table == MF_TABLE_failed_events) forget_failed(events, value.len);
  if (!ok && began) mf_delivery_end(events, a->queue, a->sequence, false);
  if (!ok) free(a);
  mf_arena_deinit(&arena);
  return ok;
}
