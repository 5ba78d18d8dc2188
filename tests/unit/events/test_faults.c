// The n-th allocation or commit fails, for every n until none does, while events are accepted, run, fail, are tried again and delivered: what
// was acknowledged has run, waits, or was kept as failed; nothing crashes or leaks; what was refused said why.
#include "../faults.h"
#include "world.h"

FAULT_WRAP_MEMORY
FAULT_WRAP_IF(bool, mf_store_commit, (mf_store *store, const mf_write *writes, uint32_t n, mf_store_done *done, void *context, mf_error *err),
              (store, writes, n, done, context, err), false, mf_fail(err, MF_Io, "injected"), true)

enum { EVENTS = 6 };

typedef struct noting {
  bool *seen;
} noting;

static bool note_row(void *context, mf_str key, mf_slice value) {
  (void)key;
  const noting *n = context;
  // Payloads are {"n":N}: wherever one stands in the row, also inside a record.
  for (size_t i = 0; i + 6 < value.len; i++)
    if (memcmp((const char *)value.data + i, "{\"n\":", 5) == 0) n->seen[((const char *)value.data)[i + 5] - '0'] = true;
  return true;
}

static void accepted_one(void *context, const mf_error *err) {
  bool *accepted = context;
  if (!err) *accepted = true;
}

static bool offer_one(stage *s, int number, bool *accepted) {
  char payload[16];
  mf_error err = {0};
  snprintf(payload, sizeof payload, "{\"n\":%d}", number % 10);
  const mf_event_offer o = {.function = number % 2 ? MF_STR("r/odd") : MF_STR("r/even"), .qualifier = MF_STR("live"),
                            .request_id = MF_STR("00000000-0000-4000-8000-000000000001"), .payload = {payload, strlen(payload)}, .payload_fd = -1};
  const bool ok = mf_events_accept(s->events, &o, accepted_one, accepted, &err);
  if (!ok && !err.message[0]) fail_msg("refused without a reason");
  return ok;
}

// Until nothing is on its way, or, after some faults, for a while.
static void settle(stage *s) {
  mf_events_stats stats = {.waiting = 1};
  for (int i = 0; i < 40 && stats.waiting + stats.running + stats.retrying > 0; i++) {
    run_for(s, MF_NS_PER_MS);
    mf_events_statistics(s->events, &stats);
  }
}

// With faults; everything that was acknowledged is noted in accepted.
static void walk(stage *s, bool accepted[EVENTS]) {
  mf_error err;
  if (stage_try_open(s, 1e-5, &err)) {
    for (int i = 0; i < EVENTS; i++) {
      s->verdict = i < 3 ? MF_EVENT_FUNCTION_ERROR : MF_EVENT_DONE;
      (void)!offer_one(s, i, &accepted[i]);
      settle(s);
    }
  }
  stage_close(s);
}

static void everything_is_somewhere(stage *s, const bool accepted[EVENTS], int n) {
  static const mf_table tables[] = {MF_TABLE_events, MF_TABLE_retries, MF_TABLE_failed_events};
  bool seen[10] = {0};
  noting note = {seen};
  s->holds = true;  // nothing may run away meanwhile
  stage_open(s, 1);
  for (size_t i = 0; i < MF_COUNT(tables); i++)
    assert_true(mf_store_scan(s->base.store, tables[i], MF_STR(""), MF_STR(""), INT32_MAX, note_row, &note, &s->base.err));
  for (int i = 0; i < s->n_runs; i++) {  // a run is not enough: its record is to arrive
    const char *number = strcmp(s->runs[i].function, "r/target") == 0 ? strstr(s->runs[i].payload, "{\"n\":") : NULL;
    if (number) seen[number[5] - '0'] = true;
  }
  for (int i = 0; i < EVENTS; i++)
    if (accepted[i] && !seen[i]) fail_msg("event %d was acknowledged and is lost (fault %d)", i, n);
  stage_close(s);
}

static void every_fault(bool memory, int number) {
  int reached = 0;
  for (int n = 1; n < 2000; n++) {
    stage *s = calloc(1, sizeof *s);
    bool accepted[EVENTS] = {0};
    world_begin(&s->base);
    s->policy = (mf_event_policy){.known = true, .max_retries = 1, .max_age_ns = 21600 * MF_NS_PER_S, .concurrency = UINT32_MAX,
                                  .on_success = MF_STR("r/target")};
    faults_begin(memory, number, n);
    walk(s, accepted);
    const bool struck = faults_end();
    everything_is_somewhere(s, accepted, n);
    stage_end(s);
    reached += struck;
    if (!struck) break;
  }
  assert_true(reached > 5);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  every_fault(true, ENOMEM);
}

static void every_commit_may_fail(void **state) {
  (void)state;
  every_fault(false, EIO);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_may_fail), cmocka_unit_test(every_commit_may_fail)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
