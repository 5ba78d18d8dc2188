// Clocks. Both come through the vDSO: no system call, so the sandbox need not allow one.
#ifndef MF_BASE_CLOCK_H
#define MF_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define MF_NS_PER_MS INT64_C(1000000)
#define MF_NS_PER_S INT64_C(1000000000)

static inline int64_t mf_clock_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * MF_NS_PER_S + t.tv_nsec;
}
static inline int64_t mf_now_ns(void) { return mf_clock_ns(CLOCK_MONOTONIC); }    // for durations and deadlines
static inline int64_t mf_wall_ns(void) { return mf_clock_ns(CLOCK_REALTIME); }    // since 1970-01-01 UTC, for people and signatures
#endif
