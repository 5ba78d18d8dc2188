// How an event ends: done, with a record for the destination on success; or failed, with a record for the destination on failure, the
// event itself for the dead-letter target, and kept for people when it has neither. What follows from an event is written in the commit
// that removes it, so that no crash comes between.
//
// A record that its destination cannot take (it is gone, or the record is larger than an event may be) is counted, as AWS does
// (DestinationDeliveryFailures, DeadLetterErrors), and the event kept for people, though it succeeded. What there is no memory for now is
// another matter: nothing of it is written, and the event runs again.
//
// A failed row: version (1), condition (1), length of the reason (2, LE), reason, the event's row. Its key begins with the time.
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

enum { FAILED_VERSION = 1, FAILED_HEADER = 4, REASON_LARGEST = 500 };
#define DAY_NS (24 * 3600 * MF_NS_PER_S)

const char *const mf_condition_names[MF_CONDITIONS] = {"Success",                 "RetriesExhausted",    "EventAgeExceeded",
                                                       "ZeroReservedConcurrency", "RecursiveInvocation", "QualifierNotFound",
                                                       "DestinationDeliveryFailure"};

// ---- deliveries ----
typedef struct outcome {   // the writes of an event's end, and what they point at
  mf_write writes[1 + MF_TARGETS + 1];
  uint32_t n_writes, n_wanted;     // n_wanted: followers that are configured
  mf_delivery deliveries[MF_TARGETS];
  char *rows[MF_TARGETS];
  char obstacle[REASON_LARGEST];  // why the last that cannot be delivered cannot
} outcome;

typedef enum delivery {
  DELIVERED,
  UNDELIVERABLE,  // now and later
  NOT_NOW,
} delivery;

static void outcome_begin(outcome *o, const mf_kept_event *event, uint32_t n_wanted) {
  *o = (outcome){.n_writes = 1, .n_wanted = n_wanted};
  o->writes[0] = (mf_write){event->table, {event->bytes, event->key_len}, {0}};
}

static void outcome_free(outcome *o) {
  for (int i = 0; i < MF_TARGETS; i++) free(o->rows[i]);
}

// "region/name:qualifier" in two.
static void split_target(mf_str target, mf_str *function, mf_str *qualifier) {
  const char *colon = memchr(target.data, ':', target.len);
  const size_t len = colon ? (size_t)(colon - target.data) : target.len;
  *function = (mf_str){target.data, len};
  *qualifier = colon ? (mf_str){colon + 1, target.len - len - 1} : MF_STR("");
}

static uint32_t followers_left(const mf_kept_event *event) {
  return MF_EVENT_FOLLOWERS - MF_MIN((uint32_t)event->facts.spent, (uint32_t)MF_EVENT_FOLLOWERS);
}

// Why there can be no delivery; NULL: there can. What was stopped in a circle of functions goes to one outside of it, or it would go round
// without a run.
static const char *obstacle(const mf_kept_event *event, mf_str function, const mf_event_policy *policy, mf_str payload, mf_condition condition, uint32_t n_wanted) {
  if (!policy->known) return "there is no such function";
  if (policy->qualifier_gone) return "there is no such alias or version";
  if (payload.len > MF_EVENT_LARGEST) return "that is larger than 1 MiB";
  if (followers_left(event) < n_wanted) return "too many events have come of one";
  if (condition == MF_CONDITION_LOOP && mf_lineage_runs(&event->facts, function) >= MF_EVENT_LOOP_LIMIT) return "it has run too often in this chain";
  return NULL;
}

static delivery undeliverable(const mf_kept_event *event, mf_str function, const char *why_not, outcome *o) {
  snprintf(o->obstacle, sizeof o->obstacle, "%.*s cannot be told: %s", MF_STR_ARG(function), why_not);
  mf_log(MF_LOG_WARN, "%.*s: of event %s, %s", MF_STR_ARG(mf_queue_function(event->queue)), event->event.request_id, o->obstacle);
  return UNDELIVERABLE;
}

// The next link of the event's chain.
static mf_event_facts facts_for(const mf_kept_event *event, const mf_event_policy *policy, mf_str qualifier, mf_str payload, const char *id, uint32_t n_wanted) {
  mf_event_facts facts = event->facts;
  facts.attempts = facts.refusals = 0;
  facts.spent = (uint16_t)(MF_EVENT_FOLLOWERS - (followers_left(event) - n_wanted) / n_wanted);
  facts.accepted_ms = mf_wall_ns() / MF_NS_PER_MS;
  facts.request_id = (mf_str){id, MF_UUID_TEXT};
  facts.qualifier = qualifier;
  facts.uid = policy->uid;
  facts.payload = (mf_slice){payload.data, payload.len};
  mf_lineage_add(&facts, mf_queue_function(event->queue));
  return facts;
}

static bool add_delivery(mf_events *events, mf_kept_event *event, mf_str function, const mf_event_facts *facts, outcome *o) {
  mf_error err = {.message = "no memory"};
  const uint32_t at = event->n_targets;
  const size_t row_len = mf_row_bytes(facts);
  o->rows[at] = malloc(row_len);
  if (o->rows[at]) mf_row_put(facts, o->rows[at]);
  if (!o->rows[at] || !mf_delivery_begin(events, function, (mf_slice){o->rows[at], row_len}, &o->deliveries[at], &o->writes[o->n_writes], &err)) {
    mf_log(MF_LOG_ERROR, "%.*s cannot be told of an event now: %s", MF_STR_ARG(function), err.message);
    return false;
  }
  event->targets[at].queue = o->deliveries[at].queue;
  event->targets[at].sequence = o->deliveries[at].sequence;
  event->n_targets++;
  o->n_writes++;
  return true;
}

// A new event for the target, in the same chain.
static delivery deliver(mf_events *events, mf_kept_event *event, mf_str target, mf_str payload, mf_condition condition, outcome *o) {
  mf_str function, qualifier;
  mf_event_policy policy = {0};
  char id[MF_UUID_TEXT + 1];
  split_target(target, &function, &qualifier);
  char name[MF_EVENT_KEY + MF_QUALIFIER_LARGEST];  // the policy's texts end with the next question
  const int len = snprintf(name, sizeof name, "%.*s%c%.*s", MF_STR_ARG(function), 0, MF_STR_ARG(qualifier));
  if (len < 0 || (size_t)len >= sizeof name) return undeliverable(event, function, "its name is too long", o);
  function.data = name;
  qualifier.data = name + function.len + 1;
  events->runner.policy(events->runner.context, function, qualifier, &policy);
  const char *why_not = obstacle(event, function, &policy, payload, condition, o->n_wanted);
  if (why_not) return undeliverable(event, function, why_not, o);
  mf_uuid4(id);
  const mf_event_facts facts = facts_for(event, &policy, qualifier, payload, id, o->n_wanted);
  return add_delivery(events, event, function, &facts, o) ? DELIVERED : NOT_NOW;
}

static delivery deliver_record(mf_events *events, mf_kept_event *event, mf_str target, mf_condition condition, bool responded, outcome *o) {
  mf_buf record = {0};
  char kept[MF_EVENT_KEY + MF_QUALIFIER_LARGEST];
  if (target.len > sizeof kept) return undeliverable(event, MF_STR("its destination"), "its name is too long", o);
  memcpy(kept, target.data, target.len);
  const bool ok = mf_record_write(events, event, condition, responded, &record);
  const delivery how = ok ? deliver(events, event, (mf_str){kept, target.len}, mf_buf_view(&record), condition, o) : NOT_NOW;
  mf_buf_deinit(&record);
  events->stats.delivery_failures += how == UNDELIVERABLE;
  return how;
}

static void take_back(mf_events *events, mf_kept_event *event) {
  for (uint32_t i = 0; i < event->n_targets; i++) mf_delivery_end(events, event->targets[i].queue, event->targets[i].sequence, false);
  event->n_targets = 0;
  mf_event_again(event);
}

static void hand_over(mf_events *events, mf_kept_event *event, const outcome *o) {
  events->stats.delivered += event->n_targets;
  mf_event_move(events, event, o->writes, o->n_writes);
}

// ---- kept ----
void mf_failed_count(mf_events *events, int change, size_t bytes) {
  if (change > 0) {
    events->n_failed++;
    events->failed_bytes += bytes;
  } else {
    events->n_failed -= events->n_failed > 0;
    events->failed_bytes -= MF_MIN(events->failed_bytes, bytes);
  }
}

static size_t put_failed(const mf_kept_event *event, mf_condition condition, const outcome *o, char **value) {
  const mf_event *e = &event->event;
  mf_str reason = mf_str_from(e->message ? e->message : "");
  char gone[MF_QUALIFIER_LARGEST + 80];
  if (condition == MF_CONDITION_QUALIFIER) {
    snprintf(gone, sizeof gone, "the alias or version '%.*s' that the event was for has been deleted", MF_STR_ARG(event->facts.qualifier));
    reason = mf_str_from(gone);
  }
  if (condition == MF_CONDITION_DESTINATION) reason = mf_str_from(o->obstacle);
  if (reason.len == 0 && e->function_error) reason = (mf_str){e->response.data, e->response.len};
  reason.len = MF_MIN(reason.len, (size_t)REASON_LARGEST);
  const size_t len = FAILED_HEADER + reason.len + event->row_len;
  char *bytes = *value = malloc(len);
  if (!bytes) return 0;
  bytes[0] = FAILED_VERSION;
  bytes[1] = (char)condition;
  bytes[2] = (char)(reason.len & 0xff);
  bytes[3] = (char)(reason.len >> 8);
  if (reason.len > 0) memcpy(bytes + FAILED_HEADER, reason.data, reason.len);
  char *row = bytes + FAILED_HEADER + reason.len;
  memcpy(row, event->row, event->row_len);
  row[1] = (char)event->facts.attempts;
  return len;
}

bool mf_failed_read(mf_slice value, mf_str *reason, mf_slice *row) {
  const unsigned char *bytes = value.data;
  if (value.len < FAILED_HEADER || bytes[0] != FAILED_VERSION) return false;
  const size_t len = bytes[2] | (size_t)bytes[3] << 8;
  if (value.len < FAILED_HEADER + len) return false;
  *reason = (mf_str){(const char *)bytes + FAILED_HEADER, len};
  *row = (mf_slice){bytes + FAILED_HEADER + len, value.len - FAILED_HEADER - len};
  return true;
}

static void keep(mf_events *events, mf_kept_event *event, mf_condition condition, outcome *o) {
  char key[MF_EVENT_KEY];
  const size_t key_len = mf_event_key(true, (uint64_t)mf_wall_ns(), mf_queue_function(event->queue), event->sequence, key);
  char *value = NULL;
  const size_t len = put_failed(event, condition, o, &value);
  if (!value) {
    mf_log(MF_LOG_ERROR, "no memory to keep a failed event of %.*s", MF_STR_ARG(mf_queue_function(event->queue)));
    take_back(events, event);
    return;
  }
  o->writes[o->n_writes++] = (mf_write){MF_TABLE_failed_events, {key, key_len}, {value, len}};
  event->to_failed = len;
  mf_failed_count(events, 1, len);  // it has its place
  mf_event_move(events, event, o->writes, o->n_writes);
  free(value);
  mf_failed_trim(events);
}

// ---- the event is over ----
// Events that succeeded do not drive out those that failed: they have half of the places.
static bool may_keep_success(const mf_events *events) {
  return events->n_failed < MF_EVENTS_FAILED_KEPT / 2 && events->failed_bytes < MF_EVENTS_FAILED_BYTES / 2;
}

void mf_event_succeeded(mf_events *events, mf_kept_event *event, const mf_event_policy *policy) {
  outcome o;
  if (policy->on_success.len == 0) {
    mf_end_event(events, event);
    return;
  }
  outcome_begin(&o, event, 1);
  const delivery how = deliver_record(events, event, policy->on_success, MF_CONDITION_SUCCESS, true, &o);
  if (how == DELIVERED) hand_over(events, event, &o);
  else if (how == NOT_NOW) take_back(events, event);
  else if (may_keep_success(events)) keep(events, event, MF_CONDITION_DESTINATION, &o);
  else mf_end_event(events, event);
  outcome_free(&o);
}

void mf_event_failed(mf_events *events, mf_kept_event *event, const mf_event_policy *policy, mf_condition condition) {
  outcome o;
  outcome_begin(&o, event, (policy->on_failure.len > 0 ? 1u : 0u) + (policy->dead_letter.len > 0 ? 1u : 0u));
  const bool responded = event->event.verdict == MF_EVENT_FUNCTION_ERROR;
  char dead[MF_EVENT_KEY + MF_QUALIFIER_LARGEST];
  const size_t dead_len = MF_MIN(policy->dead_letter.len, sizeof dead);
  if (dead_len > 0) memcpy(dead, policy->dead_letter.data, dead_len);
  delivery record = UNDELIVERABLE, letter = UNDELIVERABLE;
  if (policy->on_failure.len > 0) record = deliver_record(events, event, policy->on_failure, condition, responded, &o);
  if (dead_len > 0) {
    const mf_str payload = {event->facts.payload.data, event->facts.payload.len};
    letter = deliver(events, event, (mf_str){dead, dead_len}, payload, condition, &o);
    events->stats.dead_letter_errors += letter == UNDELIVERABLE;
  }
  if (record == NOT_NOW || letter == NOT_NOW) take_back(events, event);
  else if (record == DELIVERED || letter == DELIVERED) hand_over(events, event, &o);
  else keep(events, event, condition, &o);
  outcome_free(&o);
}

// ---- bounds of what is kept ----
typedef struct trimming {
  mf_events *events;
  mf_write writes[16];
  char keys[16][MF_EVENT_KEY];
  uint32_t n;
} trimming;

static bool trim_row(void *context, mf_str key, mf_slice value) {
  trimming *t = context;
  mf_events *events = t->events;
  const uint64_t oldest = (uint64_t)(mf_wall_ns() - MF_EVENTS_FAILED_DAYS * DAY_NS);
  const bool is_many = events->n_failed > MF_EVENTS_FAILED_KEPT || events->failed_bytes > MF_EVENTS_FAILED_BYTES;
  if (key.len < 8 || key.len > MF_EVENT_KEY || (!is_many && mf_take_u64(key.data) >= oldest)) return false;
  memcpy(t->keys[t->n], key.data, key.len);
  t->writes[t->n] = (mf_write){MF_TABLE_failed_events, {t->keys[t->n], key.len}, {0}};
  t->n++;
  mf_failed_count(events, -1, value.len);
  return t->n < MF_COUNT(t->writes);
}

void mf_failed_trim(mf_events *events) {
  mf_error err;
  trimming t = {.events = events};
  if (!mf_store_scan(events->store, MF_TABLE_failed_events, MF_STR(""), MF_STR(""), MF_COUNT(t.writes), trim_row, &t, &err) ||
      (t.n > 0 && !mf_store_commit(events->store, t.writes, t.n, NULL, NULL, &err)))
    mf_log(MF_LOG_ERROR, "old failed events stay: %s", err.message);
}

static bool count_failed(void *context, mf_str key, mf_slice value) {
  mf_events *events = context;
  (void)key;
  mf_failed_count(events, 1, value.len);
  return true;
}

bool mf_failed_resume(mf_events *events, mf_error *err) {
  return mf_store_scan(events->store, MF_TABLE_failed_events, MF_STR(""), MF_STR(""), MF_EVENTS_FAILED_KEPT + 100, count_failed, events, err);
}
