// A store, a loop and a dispatcher whose functions are doubles: what each answers is a script, and every run is noted.
#ifndef TESTS_EVENTS_WORLD_H
#define TESTS_EVENTS_WORLD_H

#include "../store/world.h"
#include "events/events.h"
#include "events/internal.h"

enum { MOST_RUNS = 20000 };
typedef struct ran {
  char function[64], request_id[MF_UUID_TEXT + 1], payload[400];
  uint32_t attempts;
} ran;

typedef struct stage {
  world base;
  mf_events *events;
  mf_event_policy policy;                 // of every function that is known
  const char *unknown;                    // a function that there is not, NULL: all are there
  mf_event_verdict verdict;               // of every run
  const char *fails_only;                 // the only function that has this verdict, others are done; NULL: all have it
  mf_slice response;                      // of every run that is done; none: {"a":1}
  bool holds;                             // runs do not end by themselves,
  const char *holds_only;                 // those of this function; NULL: of all
  uint32_t slots;                         // 0: one
  mf_event *held[64];
  int n_held, accepted, refused, n_runs;
  char last_record[4096];                 // the last payload of function "r/target"
  ran runs[MOST_RUNS];
} stage;

static inline void end_run(stage *s, mf_event *event) {
  event->verdict = !s->fails_only || mf_str_is(event->function, s->fails_only) ? s->verdict : MF_EVENT_DONE;
  event->function_error = event->verdict == MF_EVENT_FUNCTION_ERROR ? "Unhandled" : NULL;
  event->response = event->verdict == MF_EVENT_FUNCTION_ERROR ? (mf_slice){"{\"errorMessage\":\"no\"}", 21}
                    : s->response.data                         ? s->response
                                                               : (mf_slice){"{\"a\":1}", 7};
  mf_events_ran(s->events, event);
}

static inline void stage_run(void *context, mf_event *event) {
  stage *s = context;
  assert_true(s->n_runs < MOST_RUNS);
  ran *r = &s->runs[s->n_runs++];
  r->attempts = event->attempts;
  snprintf(r->function, sizeof r->function, "%.*s", MF_STR_ARG(event->function));
  snprintf(r->request_id, sizeof r->request_id, "%s", event->request_id);
  snprintf(r->payload, sizeof r->payload, "%.*s", (int)event->payload.len, (const char *)event->payload.data);
  if (mf_str_is(event->function, "r/target")) {
    snprintf(s->last_record, sizeof s->last_record, "%.*s", (int)event->payload.len, (const char *)event->payload.data);
    event->verdict = MF_EVENT_DONE;
    mf_events_ran(s->events, event);
  } else if (s->holds && (!s->holds_only || mf_str_is(event->function, s->holds_only))) {
    s->held[s->n_held++] = event;
  } else {
    end_run(s, event);
  }
}

static inline void stage_policy(void *context, mf_str function, mf_str qualifier, mf_event_policy *policy) {
  (void)qualifier;
  const stage *s = context;
  *policy = s->policy;
  policy->known = !s->unknown || !mf_str_is(function, s->unknown);
  if (mf_str_is(function, "r/target")) policy->qualifier_gone = false;
  if (mf_str_is(function, "r/target")) policy->on_success = policy->on_failure = MF_STR("");
}

static inline void stage_arn(void *context, mf_str function, mf_str qualifier, mf_buf *out) {
  (void)context;
  mf_buf_format(out, "arn:%.*s:%.*s", MF_STR_ARG(function), MF_STR_ARG(qualifier));
}

// false: *err says why; everything that was made is gone.
static inline bool stage_try_open(stage *s, double scale, mf_error *err) {
  const mf_events_options options = {.slots = s->slots, .retry_scale = scale};
  const mf_event_runner runner = {stage_policy, stage_run, stage_arn, s};
  s->base.loop = mf_loop_create(err);
  if (s->base.loop) s->base.store = mf_store_open(s->base.directory, s->base.loop, err);
  if (s->base.store) s->events = mf_events_create(s->base.store, s->base.loop, &options, err);
  if (s->events) mf_events_attach(s->events, &runner);
  return s->events && mf_events_resume(s->events, err);
}

static inline void stage_close(stage *s) {
  if (s->events) mf_events_stop(s->events), mf_events_flush(s->events);
  mf_store_close(s->base.store);
  mf_events_destroy(s->events);
  mf_loop_destroy(s->base.loop);
  s->base.store = NULL;
  s->base.loop = NULL;
  s->events = NULL;
  s->n_held = 0;
}

static inline void stage_open(stage *s, double scale) {
  if (!stage_try_open(s, scale, &s->base.err)) fail_msg("%s", s->base.err.message);
}

static inline stage *stage_begin_with(double scale, uint32_t slots) {
  stage *s = calloc(1, sizeof *s);
  assert_non_null(s);
  world_begin(&s->base);
  s->policy = (mf_event_policy){.known = true, .max_retries = 2, .max_age_ns = 21600 * MF_NS_PER_S, .concurrency = UINT32_MAX};
  s->verdict = MF_EVENT_DONE;
  s->slots = slots;
  stage_open(s, scale);
  return s;
}
static inline stage *stage_begin(double scale) { return stage_begin_with(scale, 1); }

static inline void stage_end(stage *s) {
  char command[128];
  if (s->base.store || s->base.loop) stage_close(s);
  mf_arena_deinit(&s->base.arena);
  snprintf(command, sizeof command, "rm -rf %s", s->base.directory);
  assert_int_equal(system(command), 0);
  free(s);
}

static inline void on_accepted(void *context, const mf_error *err) {
  stage *s = context;
  if (err) s->refused++;
  else s->accepted++;
}

static inline bool offer(stage *s, const char *function, int number) {
  char id[MF_UUID_TEXT + 1], payload[64];
  mf_error err;
  snprintf(id, sizeof id, "00000000-0000-4000-8000-%012d", number);
  snprintf(payload, sizeof payload, "{\"n\":%d}", number);
  const mf_event_offer o = {.function = mf_str_from(function), .qualifier = MF_STR(""), .uid = s->policy.uid, .request_id = mf_str_from(id),
                            .payload = {payload, strlen(payload)}, .payload_fd = -1};
  const bool ok = mf_events_accept(s->events, &o, on_accepted, s, &err);
  if (!ok) s->refused++;
  return ok;
}

// What a list shows: how many events, and of the last what it says.
// Each of its links fails and has a record and a dead letter.
__attribute__((unused)) static void offer_a_fork(stage *s) {
  s->policy.max_retries = 0;
  s->policy.on_failure = MF_STR("r/a");
  s->policy.dead_letter = MF_STR("r/b");
  s->verdict = MF_EVENT_FUNCTION_ERROR;
  assert_true(offer(s, "r/a", 1));
}

typedef struct listed {
  char id[MF_EVENT_ID], state[20], reason[200];
  int64_t accepted_ms, at_ms;
  uint32_t attempts;
  int n;
} listed;

static inline void note_count(void *context, const mf_events_count *count) { (void)context, (void)count; }
static inline void note_event(void *context, const mf_event_shown *event) {
  listed *l = context;
  l->n++;
  snprintf(l->id, sizeof l->id, "%s", event->id);
  snprintf(l->state, sizeof l->state, "%s", event->state);
  snprintf(l->reason, sizeof l->reason, "%.*s", MF_STR_ARG(event->reason));
  l->accepted_ms = event->accepted_ms;
  l->at_ms = event->at_ms;
  l->attempts = event->attempts;
}

// The last of them, and their number.
__attribute__((unused)) static listed list_events(stage *s) {
  listed l = {0};
  char next[MF_EVENTS_NEXT];
  const mf_events_query query = {.function = MF_STR("r/"), .limit = 1000, .count = note_count, .show = note_event, .context = &l};
  assert_true(mf_events_list(s->events, &query, next, &s->base.err));
  return l;
}

typedef struct limit {
  mf_loop *loop;
  int64_t deadline_ns;
} limit;

static inline int64_t until_late(void *data) {
  const limit *l = data;
  if (mf_now_ns() >= l->deadline_ns) mf_loop_stop(l->loop);
  return MF_NS_PER_MS;
}

static inline void run_for(stage *s, int64_t ns) {
  mf_error err;
  limit l = {s->base.loop, mf_now_ns() + ns};
  mf_loop_set_hook(s->base.loop, until_late, &l);
  assert_true(mf_loop_run(s->base.loop, &err));
}

static inline bool count_row(void *context, mf_str key, mf_slice value) {
  (void)key;
  (void)value;
  ++*(uint64_t *)context;
  return true;
}
static inline uint64_t rows_of(stage *s, mf_table table) {
  uint64_t n = 0;
  assert_true(mf_store_scan(s->base.store, table, MF_STR(""), MF_STR(""), INT32_MAX, count_row, &n, &s->base.err));
  return n;
}
#endif
