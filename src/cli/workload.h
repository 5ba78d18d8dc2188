// A workload for `mayfly simulate` without a trace: functions whose rates, regularity, durations and memory are distributed as Shahrad et al.
// (ATC 2020, section 3) publish them for the applications of Azure Functions. One seed, one workload.
#ifndef MF_CLI_WORKLOAD_H
#define MF_CLI_WORKLOAD_H

#include "replay.h"

typedef struct workload_random {
  uint64_t state;
} workload_random;

typedef struct workload_function {
  double calls_per_day, cv;  // on average; the coefficient of variation of the times between calls, 0: a clock
  double duration_ms, memory_mb;
} workload_function;

double workload_uniform(workload_random *random);  // above 0, below 1
workload_function workload_draw(workload_random *random);
// Replays so many days of its calls.
void workload_replay(workload_random *random, const workload_function *function, uint32_t days, replay_function *replay);
#endif
