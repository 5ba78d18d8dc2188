#include "replay.h"

enum { LEAST_MB = 128, REPEATS_LOOKED_AT = 4096 };

typedef struct windows {
  int64_t before_ns, loaded_ns;  // after a call: not loaded for so long (0: it stays), then loaded for so long
} windows;

static windows decide(const mf_policy *policy, replay_rule rule) {
  mf_policy_decision d;
  switch (rule) {
    case REPLAY_FIXED_10: return (windows){0, 10 * MF_POLICY_BIN_NS};
    case REPLAY_FIXED_60: return (windows){0, 60 * MF_POLICY_BIN_NS};
    default:  // REPLAY_HYBRID
      d = mf_policy_decide(policy);
      return (windows){d.pre_warm_after_ns, d.keep_alive_for_ns};
  }
}

static int64_t loaded_within(windows w, int64_t gap_ns) { return MF_MIN(MF_MAX(gap_ns - w.before_ns, (int64_t)0), w.loaded_ns); }

static bool is_cold(windows w, int64_t gap_ns) { return gap_ns < w.before_ns || gap_ns - w.before_ns > w.loaded_ns; }

static void pause_ended(replay_function *f, int64_t gap_ns) {
  for (replay_rule rule = 0; rule < REPLAY_RULES; rule++) {
    const windows w = decide(&f->policy, rule);
    f->cold[rule] += is_cold(w, gap_ns);
    f->wasted_ns[rule] += loaded_within(w, gap_ns);
  }
  mf_policy_note(&f->policy, gap_ns, 1);
}

// More calls in a minute: pauses of less than one. Who unloads after each call is cold at them, until they make up a twentieth of all.
static void repeat(replay_function *f, uint32_t times) {
  for (uint32_t seen = 0; times > 0 && seen < REPEATS_LOOKED_AT && mf_policy_decide(&f->policy).pre_warm_after_ns > 0; times--, seen++) pause_ended(f, 0);
  mf_policy_note(&f->policy, 0, times);
}

void replay_call(replay_function *f, int64_t minute, uint32_t calls) {
  if (calls == 0) return;
  if (f->last_minute < 0)
    for (replay_rule rule = 0; rule < REPLAY_RULES; rule++) f->cold[rule]++;
  else
    pause_ended(f, (minute - f->last_minute) * MF_POLICY_BIN_NS);
  repeat(f, calls - 1);
  f->last_minute = minute;
  f->calls += calls;
}

// Lambda bills whole milliseconds, at least one, of at least 128 MB.
static void bill(const replay_function *f, double duration_ms, double memory_mb, replay_result *result) {
  uint64_t billed_ms = (uint64_t)duration_ms, billed_mb = (uint64_t)memory_mb;
  billed_ms += (double)billed_ms < duration_ms || billed_ms == 0;
  billed_mb += (double)billed_mb < memory_mb;
  result->billed_mb_ms += (double)f->calls * (double)billed_ms * (double)MF_MAX(billed_mb, (uint64_t)LEAST_MB);
  result->busy_mb_s += (double)f->calls * duration_ms / 1000 * memory_mb;
}

void replay_end(replay_function *f, int64_t end_minute, double duration_ms, double memory_mb, replay_result *result) {
  if (f->calls == 0) {
    result->never_called++;
    return;
  }
  result->unknown_durations += duration_ms < 0;
  result->unknown_memory += memory_mb < 0;
  if (duration_ms < 0) duration_ms = REPLAY_DEFAULT_MS;
  if (memory_mb < 0) memory_mb = REPLAY_DEFAULT_MB;
  const int64_t rest_ns = (end_minute - f->last_minute) * MF_POLICY_BIN_NS;
  for (replay_rule rule = 0; rule < REPLAY_RULES; rule++) {
    f->wasted_ns[rule] += loaded_within(decide(&f->policy, rule), rest_ns);
    result->wasted_mb_s[rule] += (double)f->wasted_ns[rule] / 1e9 * memory_mb;
    result->cold[rule] += f->cold[rule];
    result->shares[rule][(uint64_t)((double)f->cold[rule] * (REPLAY_SHARES - 1) / (double)f->calls)]++;
  }
  result->functions++;
  result->calls += f->calls;
  bill(f, duration_ms, memory_mb, result);
}

double replay_percentile(const replay_result *result, replay_rule rule, uint32_t percent) {
  uint64_t seen = 0;
  for (uint32_t i = 0; i < REPLAY_SHARES; i++) {
    seen += result->shares[rule][i];
    if (seen > 0 && seen * 100 >= result->functions * percent) return i / 100.0;
  }
  return 0;
}
