// What people see of the queues, and what they can do: try a failed event again, drop one.
//
// An event's id says where its row is: NAME/w<sequence> waits, NAME/r<sequence>-<due> waits for a retry, NAME/f<sequence>-<time> failed.
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

// What one call looks at of the retries and failed events, which are not ordered by function: others wait for it.
enum { ROWS_LOOKED_AT = 10000, BYTES_LOOKED_AT = 8 << 20 };

typedef struct listing {
  mf_events *events;
  const mf_events_query *query;
  mf_table table;
  uint32_t left, looked;
  size_t bytes;
  bool ended_early;
  size_t last_len;                // of the last key that was looked at
  char last[MF_EVENT_KEY];
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
static mf_kept_event *find_kept(const mf_kept_list *list, mf_table table, mf_str key) {
  for (mf_kept_event *event = list->first; event; event = event->next)
    if (event->table == table && mf_str_equal((mf_str){event->bytes, event->key_len}, key)) return event;
  return NULL;
}

static void list_row(listing *l, mf_str key, mf_slice value) {
  uint64_t time, sequence;
  mf_event_facts facts;
  mf_event_shown shown = {0};
  mf_slice row = value;
  const bool is_failed = l->table == MF_TABLE_failed_events, is_waiting = l->table == MF_TABLE_events;
  if (!mf_event_key_read(!is_waiting, key, &time, &shown.function, &sequence) || !is_asked_for(shown.function, l->query->function)) return;
  if ((is_failed && !mf_failed_read(value, &shown.reason, &row)) || !mf_row_read(row, &facts)) return;
  if (find_kept(&l->events->ended, l->table, key)) return;
  const bool runs = find_kept(&l->events->running, l->table, key) != NULL;
  shown.state = runs ? "running" : is_failed ? "failed" : is_waiting ? "waiting" : "retrying";
  write_id(shown.function, is_failed ? 'f' : is_waiting ? 'w' : 'r', sequence, time, shown.id);
  if (is_failed && ((const unsigned char *)value.data)[1] < MF_CONDITIONS)
    shown.condition = mf_str_from(mf_condition_names[((const unsigned char *)value.data)[1]]);
  if (shown.reason.len == 0) shown.reason = shown.condition;
  shown.qualifier = facts.qualifier;
  shown.request_id = facts.request_id;
  shown.attempts = facts.attempts;
  shown.accepted_ms = facts.accepted_ms;
  shown.at_ms = (int64_t)(time / (uint64_t)MF_NS_PER_MS);
  shown.payload_bytes = facts.payload.len;
  l->query->show(l->query->context, &shown);
  l->left--;
}

// The row, unless enough were looked at or listed.
static bool look_at_row(void *context, mf_str key, mf_slice value) {
  listing *l = context;
  if (key.len > sizeof l->last) return true;
  l->ended_early = l->left == 0 || l->looked == ROWS_LOOKED_AT || l->bytes >= BYTES_LOOKED_AT;
  if (l->ended_early) return false;
  l->looked++;
  l->bytes += value.len;
  l->last_len = key.len;
  memcpy(l->last, key.data, key.len);
  list_row(l, key, value);
  return true;
}

static bool list_table(listing *l, mf_table table, uint32_t limit, mf_str prefix, mf_str after, mf_error *err) {
  l->table = table;
  l->left = limit;
  l->looked = 0;
  l->bytes = 0;
  l->ended_early = false;
  return mf_store_scan(l->events->store, table, prefix, after, UINT32_MAX, look_at_row, l, err);
}

static bool list_queues(listing *l, mf_error *err) {
  const mf_events_query *query = l->query;
  uint32_t left = query->limit;
  for (uint32_t i = 0; i < MF_EVENT_QUEUES; i++) {
    for (const mf_queue *queue = l->events->buckets[i]; queue; queue = queue->chain) {
      if (!is_asked_for(mf_queue_function(queue), query->function)) continue;
      const mf_events_count counted = {mf_queue_function(queue), mf_queue_waiting(queue), queue->running, queue->paused};
      query->count(query->context, &counted);
      if (left == 0) continue;
      if (!list_table(l, MF_TABLE_events, left, (mf_str){queue->key, queue->key_len}, MF_STR(""), err)) return false;
      left = l->left;
    }
  }
  return true;
}

bool mf_events_list(mf_events *events, const mf_events_query *query, char next[MF_EVENTS_NEXT], mf_error *err) {
  listing l = {.events = events, .query = query};
  char after[MF_EVENTS_NEXT / 2];
  next[0] = 0;
  if (query->after.len / 2 > sizeof after || !mf_unhex(query->after, (uint8_t *)after))
    return mf_fail(err, MF_InvalidRequest, "the place where the list is to go on is none");
  const bool begins = query->after.len == 0;
  if (begins && !list_queues(&l, err)) return false;
  if (!list_table(&l, MF_TABLE_retries, query->limit, MF_STR(""), (mf_str){after, query->after.len / 2}, err)) return false;
  if (l.ended_early) mf_hex((const uint8_t *)l.last, l.last_len, next);
  return !begins || list_table(&l, MF_TABLE_failed_events, query->limit, MF_STR(""), MF_STR(""), err);
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

// ---- a change, until its commit is done: another of the same event would multiply it ----
typedef struct mf_change {
  struct mf_change *next;
  mf_events *events;
  mf_queue *queue;              // that gets the event; NULL: none
  uint64_t sequence;
  mf_store_done *done;
  void *context;
  place place;
  bool uncounted;               // as a retry, which must be counted again when the commit fails
  size_t from_failed;           // bytes of its row among those that failed, which goes
} mf_change;

static mf_str key_of(const place *p) { return (mf_str){p->key, p->key_len}; }

static bool is_being_changed(const mf_events *events, const place *p) {
  const mf_change *change = events->changes;
  while (change && (change->place.table != p->table || !mf_str_equal(key_of(&change->place), key_of(p)))) change = change->next;
  return change || find_kept(&events->moving, p->table, key_of(p));
}

static mf_change *change_new(mf_events *events, mf_store_done *done, void *context, mf_error *err) {
  mf_change *change = calloc(1, sizeof *change);
  if (!change) {
    mf_fail(err, MF_OutOfMemory, "no memory for a change of an event");
    return NULL;
  }
  change->events = events;
  change->done = done;
  change->context = context;
  change->next = events->changes;
  return change;
}

static void changed(void *context, const mf_error *err) {
  mf_change *change = context;
  mf_events *events = change->events;
  mf_change **at = &events->changes;
  while (*at != change) at = &(*at)->next;
  *at = change->next;
  events->n_retrying += err && change->uncounted;
  if (!err && change->from_failed > 0) mf_failed_count(events, -1, change->from_failed);
  if (change->queue) mf_delivery_end(events, change->queue, change->sequence, !err);
  else if (change->place.table == MF_TABLE_retries) mf_retry_look(events, 0);
  change->done(change->context, err);
  free(change);
}

static bool change_commit(mf_change *change, const mf_write *writes, uint32_t n_writes, mf_error *err) {
  if (!mf_store_commit(change->events->store, writes, n_writes, changed, change, err)) return false;
  change->events->changes = change;
  return true;
}

// In the window of its queue; NULL: it is not.
static mf_kept_event *find_loaded(mf_events *events, const place *p) {
  const mf_queue *queue = mf_queue_find(events, p->function);
  return queue ? find_kept(&queue->window, p->table, key_of(p)) : NULL;
}

// The row, unless it is running, being changed or has ended. false: *err says what.
static bool take_place(mf_events *events, const place *p, mf_arena *arena, mf_slice *value, mf_error *err) {
  bool found;
  if (find_kept(&events->running, p->table, key_of(p))) return mf_fail(err, MF_Conflict, "the event is running");
  if (is_being_changed(events, p)) return mf_fail(err, MF_Conflict, "the event is just being moved");
  if (!mf_store_get(events->store, p->table, key_of(p), arena, value, &found, err)) return false;
  if (!found || find_kept(&events->ended, p->table, key_of(p))) return mf_fail(err, MF_NotFound, "there is no such event (any more)");
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

bool mf_events_drop(mf_events *events, mf_str region, mf_str id, mf_store_done *done, void *context, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  mf_change *change = change_new(events, done, context, err);
  if (!change) return false;
  place *p = &change->place;
  mf_arena_init(&arena, 0);
  bool ok = find_place(region, id, p, err) && take_place(events, p, &arena, &value, err);
  const mf_write write = {p->table, key_of(p), {0}};
  ok = ok && change_commit(change, &write, 1, err);
  mf_kept_event *loaded = ok ? find_loaded(events, p) : NULL;
  if (loaded) {
    loaded->removed = true;  // and counted, when its turn comes
  } else if (ok) {
    events->stats.dropped++;
    change->from_failed = p->table == MF_TABLE_failed_events ? value.len : 0;
    change->uncounted = p->table == MF_TABLE_retries;
    events->n_retrying -= change->uncounted;
  }
  if (!ok) free(change);
  mf_arena_deinit(&arena);
  return ok;
}

// ---- trying again ----
// A failed event goes to the end of its queue with its attempts counted anew; a retry is due now.
static bool make_again(mf_change *change, mf_slice value, mf_arena *arena, mf_delivery *delivery, mf_write writes[2], mf_error *err) {
  mf_str reason;
  mf_event_facts facts;
  mf_event_policy policy = {0};
  mf_slice row = value;
  mf_events *events = change->events;
  const place *p = &change->place;
  writes[0] = (mf_write){p->table, {p->key, p->key_len}, {0}};
  if (p->table == MF_TABLE_events || find_loaded(events, p)) return mf_fail(err, MF_Conflict, "the event waits for its turn already");
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
  facts.spent = 0;
  facts.accepted_ms = mf_wall_ns() / MF_NS_PER_MS;
  char *bytes = mf_arena_alloc(arena, mf_row_bytes(&facts));
  if (!bytes) return mf_fail(err, MF_OutOfMemory, "no memory for an event");
  mf_row_put(&facts, bytes);
  if (!mf_delivery_begin(events, p->function, (mf_slice){bytes, mf_row_bytes(&facts)}, delivery, &writes[1], err)) return false;
  change->queue = delivery->queue;
  change->sequence = delivery->sequence;
  return true;
}

bool mf_events_retry(mf_events *events, mf_str region, mf_str id, mf_store_done *done, void *context, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  mf_delivery delivery;
  mf_write writes[2];
  mf_change *change = change_new(events, done, context, err);
  if (!change) return false;
  mf_arena_init(&arena, 0);
  bool ok = find_place(region, id, &change->place, err) && take_place(events, &change->place, &arena, &value, err) &&
            make_again(change, value, &arena, &delivery, writes, err);
  const bool began = ok && change->queue;
  ok = ok && change_commit(change, writes, 2, err);
  if (ok && change->place.table == MF_TABLE_failed_events) change->from_failed = value.len;
  if (!ok && began) mf_delivery_end(events, change->queue, change->sequence, false);
  if (!ok) free(change);
  mf_arena_deinit(&arena);
  return ok;
}
