// Replaying calls against keep-alive policies: the policy itself is src/policy's, the same code that the host runs.
//
// As in the evaluation of Shahrad et al. (ATC 2020, section 5.1): a function is one instance, loaded or not; calls take no time, which is
// the worst case for the memory wasted; the first call is cold; time has the trace's resolution of a minute. A call is warm when it comes
// while the instance is loaded, the last moment included. What calls take in fact (busy_mb_s) comes on top, the same under each policy.
#ifndef MF_CLI_REPLAY_H
#define MF_CLI_REPLAY_H

#include "base/base.h"
#include "policy/policy.h"

typedef enum replay_rule {
  REPLAY_FIXED_10,
  REPLAY_FIXED_60,
  REPLAY_HYBRID,  // as `mayfly serve` runs it
  REPLAY_RULES,
} replay_rule;
enum { REPLAY_SHARES = 10001, REPLAY_DEFAULT_MS = 684, REPLAY_DEFAULT_MB = 140 };  // medians of the paper's fits (figures 7 and 8)

// One function on its way through the trace. Zeroed but for last_minute, which is -1.
typedef struct replay_function {
  mf_policy policy;
  int64_t last_minute;
  uint64_t calls, cold[REPLAY_RULES];
  int64_t wasted_ns[REPLAY_RULES];
} replay_function;

typedef struct replay_result {
  uint64_t functions, calls, never_called, unknown_durations, unknown_memory;
  uint64_t cold[REPLAY_RULES];
  double wasted_mb_s[REPLAY_RULES], busy_mb_s, billed_mb_ms;
  uint32_t shares[REPLAY_RULES][REPLAY_SHARES];  // functions by their share of cold calls, in hundredths of a per cent
} replay_result;

// Minutes do not go back; the same minute may come again.
void replay_call(replay_function *function, int64_t minute, uint32_t calls);
// The trace ends: duration_ms and memory_mb of a call; below 0: not known.
void replay_end(replay_function *function, int64_t end_minute, double duration_ms, double memory_mb, replay_result *result);
// Of the functions: the share of cold calls, in per cent, that so many per cent of them do not exceed.
double replay_percentile(const replay_result *result, replay_rule rule, uint32_t percent);
#endif
