// policy: how long an idle instance of a function is worth its memory. The hybrid histogram policy of
// Shahrad et al., "Serverless in the Wild" (USENIX ATC 2020), section 4.2, for one function: a
// histogram of its idle times (from the end of a call to the next one) in minutes over four hours.
// The paper's: range and bins, the 5th percentile rounded down and the 99th rounded up with a margin of
// 10 %, a coefficient of variation of 2 below which a histogram is not used, then 15 % around a forecast,
// and four hours where nothing is known. It names no number for what is too few idle times and too many
// beyond the range: ten, and more than half, are ours (and others' who built it). The forecast is ours
// too: its ARIMA model is fitted anew after each such call, which a median of the last eight replaces.
//
// Pure: no clock, no I/O, no allocation. The caller owns one mf_policy for each function, zeroed for
// one that was never seen, and hands in times; the host and `mayfly simulate` run the same code.
//
//   mf_policy_note(&policy, now - ended, 1);                    // a call comes after an idle time
//   mf_policy_decision d = mf_policy_decide(&policy);           // the call has ended: what now?
//   // unloaded for d.pre_warm_after_ns, then loaded for d.keep_alive_for_ns (0: stays loaded)
#ifndef MF_POLICY_POLICY_H
#define MF_POLICY_POLICY_H

#include "base/base.h"

enum {
  MF_POLICY_BINS = 240,       // one a minute: the paper's range of four hours
  MF_POLICY_RECENT = 8,       // idle times beyond the range that are remembered for the forecast
  MF_POLICY_LEAST = 10,       // idle times below which a histogram says nothing
  MF_POLICY_LEAST_BEYOND = 4  // and of those beyond the range below which there is no forecast
};
#define MF_POLICY_BIN_NS (60 * MF_NS_PER_S)
#define MF_POLICY_RANGE_NS (MF_POLICY_BINS * MF_POLICY_BIN_NS)

// About 500 bytes. When a counter is full, all are halved: so the shape stays, and what was long ago
// counts for less and less.
typedef struct mf_policy {
  uint16_t bins[MF_POLICY_BINS];
  uint16_t beyond;                    // idle times of four hours and more
  uint16_t recent[MF_POLICY_RECENT];  // the last of these in minutes, a ring
  uint8_t n_recent, next_recent;
} mf_policy;

typedef enum mf_policy_basis {
  MF_POLICY_STANDARD,   // nothing is known, or nothing stands out: kept for the whole range
  MF_POLICY_HISTOGRAM,  // between the 5th and the 99th percentile, each with a margin of 10 %
  MF_POLICY_FORECAST,   // most idle times are beyond the range: around what the last ones were
} mf_policy_basis;

typedef struct mf_policy_decision {
  mf_policy_basis basis;
  int64_t pre_warm_after_ns;  // after the end of a call; 0: the instance stays loaded
  int64_t keep_alive_for_ns;  // from then on
} mf_policy_decision;

// So many idle times of the same length; a negative one (a clock was set) is not counted.
void mf_policy_note(mf_policy *policy, int64_t idle_ns, uint32_t times);
mf_policy_decision mf_policy_decide(const mf_policy *policy);
// The probability that the next call comes within a quarter of an hour, when idle for so long already.
double mf_policy_next_call(const mf_policy *policy, int64_t idle_ns);

// To be kept over a restart: a few dozen bytes mostly, at most MF_POLICY_PACKED. What cannot be read
// is false, and leaves a policy that has seen nothing.
enum { MF_POLICY_PACKED = 1 + 3 + 1 + 3 * MF_POLICY_RECENT + 5 * MF_POLICY_BINS };
size_t mf_policy_pack(const mf_policy *policy, uint8_t out[MF_POLICY_PACKED]);
bool mf_policy_unpack(mf_policy *policy, mf_slice packed) MF_MUST_CHECK;
#endif
