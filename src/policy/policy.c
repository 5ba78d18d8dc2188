// The arithmetic is in whole numbers, so that another implementation must come to the same result to
// the nanosecond (tests/unit/policy/test_agreement.py is one).
#include "policy.h"

enum {
  HEAD_PERCENT = 5, TAIL_PERCENT = 99,        // section 4.2; figure 16 has the sweep
  HEAD_MARGIN_PERCENT = 90, TAIL_MARGIN_PERCENT = 110,  // "10 %"
  FORECAST_BEFORE_PERCENT = 85, FORECAST_WINDOW_PERCENT = 30,  // 15 % to each side of the prediction
  REPRESENTATIVE_CV = 2,                      // of the bins' counts; figure 18 has the sweep
  BULK_LIMIT = 16 * (UINT16_MAX + 1),         // more of the same would halve all others to nothing
  LOOK_AHEAD = 15                             // minutes: mf_policy_next_call
};

// ---- counting ----

static void halve(mf_policy *policy) {
  for (uint32_t i = 0; i < MF_POLICY_BINS; i++) policy->bins[i] /= 2;
  policy->beyond /= 2;
}

static void add(mf_policy *policy, uint16_t *counter, uint32_t times) {
  times = MF_MIN(times, (uint32_t)BULK_LIMIT);
  for (;;) {
    const uint32_t room = UINT16_MAX - (uint32_t)*counter, step = MF_MIN(room, times);
    *counter = (uint16_t)(*counter + step);
    times -= step;
    if (times == 0) return;
    halve(policy);
  }
}

static void remember(mf_policy *policy, int64_t minutes) {
  policy->recent[policy->next_recent] = (uint16_t)MF_MIN(minutes, (int64_t)UINT16_MAX);
  policy->next_recent = (uint8_t)((policy->next_recent + 1) % MF_POLICY_RECENT);
  if (policy->n_recent < MF_POLICY_RECENT) policy->n_recent++;
}

void mf_policy_note(mf_policy *policy, int64_t idle_ns, uint32_t times) {
  const int64_t minutes = idle_ns / MF_POLICY_BIN_NS;
  if (idle_ns < 0 || times == 0) return;
  if (minutes < MF_POLICY_BINS) {
    add(policy, &policy->bins[minutes], times);
  } else {
    add(policy, &policy->beyond, times);
    remember(policy, minutes);
  }
}

// ---- deciding ----

typedef struct sums {
  uint64_t counts, squares;
} sums;

static sums sum(const mf_policy *policy) {
  sums s = {0};
  for (uint32_t i = 0; i < MF_POLICY_BINS; i++) {
    s.counts += policy->bins[i];
    s.squares += (uint64_t)policy->bins[i] * policy->bins[i];
  }
  return s;
}

// The coefficient of variation of the counts is at least 2: variance >= 4 mean^2, or with n bins
// n * squares >= 5 * counts^2. A flat histogram has 0, one with a single bin 15.
static bool is_representative(sums s) {
  return s.counts >= MF_POLICY_LEAST &&
         MF_POLICY_BINS * s.squares >=
             (REPRESENTATIVE_CV * REPRESENTATIVE_CV + 1) * s.counts * s.counts;
}

// The first bin up to which there are so many per cent of all.
static int64_t percentile(const mf_policy *policy, uint64_t counts, uint64_t percent) {
  uint64_t seen = 0;
  for (uint32_t i = 0; i < MF_POLICY_BINS; i++) {
    seen += policy->bins[i];
    if (seen * 100 >= counts * percent) return i;
  }
  return MF_POLICY_BINS - 1;
}

// The head is rounded down to its bin's beginning and the tail up to its bin's end.
static mf_policy_decision by_histogram(const mf_policy *policy, sums s) {
  const int64_t head = percentile(policy, s.counts, HEAD_PERCENT) * MF_POLICY_BIN_NS;
  const int64_t tail = (percentile(policy, s.counts, TAIL_PERCENT) + 1) * MF_POLICY_BIN_NS;
  const int64_t before = head / 100 * HEAD_MARGIN_PERCENT;
  return (mf_policy_decision){MF_POLICY_HISTOGRAM, before, tail / 100 * TAIL_MARGIN_PERCENT - before};
}

// The median: one outlier among the last idle times moves it little, and of a steady gap it is the gap.
static int64_t forecast_ns(const mf_policy *policy) {
  uint16_t sorted[MF_POLICY_RECENT];
  const uint32_t n = policy->n_recent;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t at = i;
    for (; at > 0 && sorted[at - 1] > policy->recent[i]; at--) sorted[at] = sorted[at - 1];
    sorted[at] = policy->recent[i];
  }
  return ((int64_t)sorted[(n - 1) / 2] + sorted[n / 2]) * (MF_POLICY_BIN_NS / 2);
}

static bool is_mostly_beyond(const mf_policy *policy, sums s) {
  return policy->beyond > s.counts && policy->n_recent >= MF_POLICY_LEAST_BEYOND;
}

mf_policy_decision mf_policy_decide(const mf_policy *policy) {
  const sums s = sum(policy);
  if (is_mostly_beyond(policy, s)) {
    const int64_t forecast = forecast_ns(policy);
    return (mf_policy_decision){MF_POLICY_FORECAST, forecast / 100 * FORECAST_BEFORE_PERCENT,
                                forecast / 100 * FORECAST_WINDOW_PERCENT};
  }
  if (is_representative(s)) return by_histogram(policy, s);
  return (mf_policy_decision){MF_POLICY_STANDARD, 0, MF_POLICY_RANGE_NS};
}

// ---- expecting ----

// Of what is still possible after so many minutes, and of that what comes soon. One call that is made
// up stands for what was never seen: after t minutes without a call the next is as likely within the
// next t as later, so the longer idle a function without a history is, the less is expected of it.
double mf_policy_next_call(const mf_policy *policy, int64_t idle_ns) {
  const int64_t from = MF_MAX(idle_ns, (int64_t)0) / MF_POLICY_BIN_NS, until = from + LOOK_AHEAD;
  double possible = 1, soon = LOOK_AHEAD / ((double)from + LOOK_AHEAD);
  for (int64_t i = from; i < MF_POLICY_BINS; i++) {
    possible += policy->bins[i];
    if (i < until) soon += policy->bins[i];
  }
  for (uint32_t i = 0; i < policy->n_recent; i++) {
    const double weight = (double)policy->beyond / policy->n_recent;
    if (policy->recent[i] >= from) possible += weight;
    if (policy->recent[i] >= from && policy->recent[i] < until) soon += weight;
  }
  return soon / possible;
}

// ---- packing: version, beyond, the recent ones with the oldest first, then (bins skipped, count)... ----
enum { VERSION = 1 };

static uint8_t *put(uint8_t *at, uint32_t value) {  // LEB128
  for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
  *at++ = (uint8_t)value;
  return at;
}

size_t mf_policy_pack(const mf_policy *policy, uint8_t out[MF_POLICY_PACKED]) {
  uint8_t *at = out;
  uint32_t skipped = 0;
  const uint32_t oldest =
      policy->next_recent + (uint32_t)MF_POLICY_RECENT - policy->n_recent;
  *at++ = VERSION;
  at = put(at, policy->beyond);
  at = put(at, policy->n_recent);
  for (uint32_t i = 0; i < policy->n_recent; i++)
    at = put(at, policy->recent[(oldest + i) % MF_POLICY_RECENT]);
  for (uint32_t i = 0; i < MF_POLICY_BINS; i++, skipped++) {
    if (policy->bins[i] == 0) continue;
    at = put(put(at, skipped), policy->bins[i]);
    skipped = UINT32_MAX;  // the loop makes it 0
  }
  return (size_t)(at - out);
}

typedef struct reader {
  const uint8_t *at, *end;
  bool failed;
} reader;

static uint16_t get(reader *r, uint32_t most) {
  uint32_t value = 0;
  for (uint32_t shift = 0; shift < 21 && r->at < r->end; shift += 7) {
    const uint8_t byte = *r->at++;
    value |= (uint32_t)(byte & 0x7f) << shift;
    if (byte < 0x80 && value <= most) return (uint16_t)value;
    if (byte < 0x80) break;
  }
  r->failed = true;
  return 0;
}

static void read_policy(mf_policy *policy, reader *r) {
  uint32_t bin = 0;
  policy->beyond = get(r, UINT16_MAX);
  policy->n_recent = (uint8_t)get(r, MF_POLICY_RECENT);
  policy->next_recent = policy->n_recent % MF_POLICY_RECENT;
  for (uint32_t i = 0; i < policy->n_recent; i++) policy->recent[i] = get(r, UINT16_MAX);
  while (!r->failed && r->at < r->end) {
    bin += get(r, MF_POLICY_BINS);
    if (bin >= MF_POLICY_BINS) r->failed = true;
    else policy->bins[bin++] = get(r, UINT16_MAX);
  }
}

bool mf_policy_unpack(mf_policy *policy, mf_slice packed) {
  const uint8_t *bytes = packed.data;
  reader r = {.at = bytes, .end = bytes + packed.len};
  *policy = (mf_policy){0};
  if (packed.len == 0 || *r.at++ != VERSION) return false;
  read_policy(policy, &r);
  if (r.failed) *policy = (mf_policy){0};
  return !r.failed;
}
