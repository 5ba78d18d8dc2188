// The workload that is made up has the distributions that it claims, and the replay counts what its header says.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cli/workload.h"

enum { MANY = 20000 };

static int compare(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static void assert_near(const char *what, double value, double expected, double relative) {
  if (fabs(value - expected) > relative * fabs(expected)) fail_msg("%s: %g, expected %g", what, value, expected);
}

// Where the paper's text gives numbers for its figures 5 to 8 (sections 3.3 to 3.6), and the distributions it fitted. 5(b)'s share of the busiest
// is that of many applications: of MANY the few above 3.6 million calls a day decide by chance, so they are counted as that.
static void drawn_functions_follow_the_published_distributions(void **state) {
  (void)state;
  static double durations[MANY], memory[MANY];
  workload_random random = {20200715};
  uint32_t hourly = 0, every_minute = 0, every_second = 0, above_1 = 0, clocks = 0;
  double calls = 0, of_the_busy = 0;
  for (int i = 0; i < MANY; i++) {
    const workload_function f = workload_draw(&random);
    hourly += f.calls_per_day <= 24;
    every_minute += f.calls_per_day <= 1440;
    every_second += f.calls_per_day > 86400;
    calls += fmin(f.calls_per_day, 3.6e6);
    if (f.calls_per_day > 1440) of_the_busy += fmin(f.calls_per_day, 3.6e6);
    above_1 += f.cv > 1;
    clocks += f.cv <= 0;
    durations[i] = f.duration_ms;
    memory[i] = f.memory_mb;
  }
  qsort(durations, MANY, sizeof(double), compare);
  qsort(memory, MANY, sizeof(double), compare);
  assert_near("at most hourly", hourly, 0.45 * MANY, 0.03);
  assert_near("at most every minute", every_minute, 0.814 * MANY, 0.01);
  assert_near("more than every second", every_second, 0.024 * MANY, 0.1);
  assert_near("calls of those above a minute", of_the_busy, 0.996 * calls, 0.003);
  assert_near("more variable than Poisson", above_1, 0.43 * MANY, 0.05);
  assert_near("clocks", clocks, 0.2 * MANY, 0.05);
  assert_near("median duration", durations[MANY / 2], 1000 * exp(-0.38), 0.06);
  assert_near("95th percentile of durations", durations[MANY * 95 / 100], 1000 * exp(-0.38 + 1.645 * 2.36), 0.12);
  assert_near("median memory", memory[MANY / 2], 139.6, 0.02);
  assert_near("90th percentile of memory", memory[MANY * 9 / 10], 107.083 * pow(pow(0.1, -1 / 0.221) - 1, 1 / 11.652), 0.04);
}

static void calls_come_at_the_rate_and_with_the_variation_drawn(void **state) {
  (void)state;
  static const struct {
    double per_day, cv;
    double tolerance;
  } cases[] = {{24, 0, 0.01}, {24, 1, 0.1}, {200, 4, 0.2}, {1e5, 1, 0.02}, {1e6, 8, 0.05}, {96, 0, 0.01}, {1e5, 0, 0.01}};
  workload_random random = {7};
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    const workload_function f = {.calls_per_day = cases[i].per_day, .cv = cases[i].cv};
    static replay_function replay;
    replay = (replay_function){.last_minute = -1};
    workload_replay(&random, &f, 50, &replay);
    assert_near("calls", (double)replay.calls, 50 * cases[i].per_day, cases[i].tolerance);
    assert_true(replay.last_minute < 50 * 1440);
  }
}

static void the_same_seed_is_the_same_workload(void **state) {
  (void)state;
  workload_random a = {5}, b = {5}, c = {6};
  for (int i = 0; i < 100; i++) {
    const workload_function x = workload_draw(&a), y = workload_draw(&b), z = workload_draw(&c);
    assert_true(x.calls_per_day == y.calls_per_day && x.duration_ms == y.duration_ms && x.memory_mb == y.memory_mb);
    assert_true(x.calls_per_day != z.calls_per_day);
  }
}

// Calls at minutes 0, 5, 20, 100 of 200, 2 MB, 1.5 ms each. Ten fixed minutes: cold at 0, 20, 100; loaded for 5 + 10 + 10 + 10 minutes. Sixty:
// cold at 0, 100; loaded for 5 + 15 + 60 + 60.
static void a_replay_counts_cold_starts_and_waste(void **state) {
  (void)state;
  static replay_result r;
  static replay_function f;
  r = (replay_result){0};
  f = (replay_function){.last_minute = -1};
  static const int64_t minutes[] = {0, 5, 20, 100};
  for (size_t i = 0; i < MF_COUNT(minutes); i++) replay_call(&f, minutes[i], 1);
  replay_end(&f, 200, 1.5, 2, &r);
  assert_int_equal(r.cold[REPLAY_FIXED_10], 3);
  assert_int_equal(r.cold[REPLAY_FIXED_60], 2);
  assert_int_equal(r.cold[REPLAY_HYBRID], 1);  // nothing is known yet: four hours
  assert_true(r.wasted_mb_s[REPLAY_FIXED_10] == 35 * 60 * 2.0);
  assert_true(r.wasted_mb_s[REPLAY_FIXED_60] == 140 * 60 * 2.0);
  assert_true(r.wasted_mb_s[REPLAY_HYBRID] == 200 * 60 * 2.0);
  assert_true(r.billed_mb_ms == 4 * 2 * 128.0);  // whole milliseconds, at least 128 MB
  assert_true(fabs(r.busy_mb_s - 4 * 0.0015 * 2) < 1e-12);
  assert_true(replay_percentile(&r, REPLAY_FIXED_10, 50) == 75);
  f = (replay_function){.last_minute = -1};
  replay_end(&f, 200, 1, 1, &r);
  assert_int_equal(r.never_called, 1);
  assert_int_equal(r.functions, 1);
}

// Every 30 minutes: bin 30, so unloaded for 27 minutes and then loaded for 34.1 - 27; the next call finds it.
static void pre_warming_wastes_only_the_window(void **state) {
  (void)state;
  static replay_function f;
  f = (replay_function){.last_minute = -1};
  for (int64_t i = 0; i <= 10; i++) replay_call(&f, 30 * i, 1);
  const int64_t hybrid = f.wasted_ns[REPLAY_HYBRID];
  replay_call(&f, 330, 1);
  assert_int_equal(f.wasted_ns[REPLAY_HYBRID] - hybrid, 3 * MF_POLICY_BIN_NS);
  assert_int_equal(f.cold[REPLAY_HYBRID], 1);
  replay_call(&f, 340, 1);  // earlier than ever
  assert_int_equal(f.cold[REPLAY_HYBRID], 2);
  replay_call(&f, 370, 4);  // the second of four in a minute comes after it was unloaded; by then such pauses are a twentieth of all
  assert_int_equal(f.cold[REPLAY_HYBRID], 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(drawn_functions_follow_the_published_distributions),
      cmocka_unit_test(calls_come_at_the_rate_and_with_the_variation_drawn),
      cmocka_unit_test(the_same_seed_is_the_same_workload),
      cmocka_unit_test(a_replay_counts_cold_starts_and_waste),
      cmocka_unit_test(pre_warming_wastes_only_the_window),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
