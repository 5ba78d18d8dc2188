// The hybrid histogram policy, behaviour by behaviour; that its numbers are right in general is test_agreement.py's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "policy/policy.h"

#define MINUTES(n) ((int64_t)(n) * MF_POLICY_BIN_NS)

static void assert_decision(const mf_policy *policy, mf_policy_basis basis, int64_t pre_warm, int64_t keep) {
  const mf_policy_decision d = mf_policy_decide(policy);
  assert_int_equal(d.basis, basis);
  assert_int_equal(d.pre_warm_after_ns, pre_warm);
  assert_int_equal(d.keep_alive_for_ns, keep);
}

static void a_function_that_is_new_is_kept_for_the_whole_range(void **state) {
  (void)state;
  mf_policy policy = {0};
  assert_decision(&policy, MF_POLICY_STANDARD, 0, MINUTES(240));
  mf_policy_note(&policy, MINUTES(3), MF_POLICY_LEAST - 1);
  assert_decision(&policy, MF_POLICY_STANDARD, 0, MINUTES(240));
}

// Ten minutes to the second: bin 10, its beginning less a tenth, its end and a tenth.
static void a_steady_gap_is_kept_around_itself(void **state) {
  (void)state;
  mf_policy policy = {0};
  mf_policy_note(&policy, MINUTES(10), 20);
  assert_decision(&policy, MF_POLICY_HISTOGRAM, MINUTES(9), MINUTES(121) / 10 - MINUTES(9));
}

static void calls_that_follow_each_other_at_once_leave_no_pre_warming(void **state) {
  (void)state;
  mf_policy policy = {0};
  mf_policy_note(&policy, MF_NS_PER_S, 90);
  mf_policy_note(&policy, MINUTES(30), 10);
  assert_decision(&policy, MF_POLICY_HISTOGRAM, 0, MINUTES(341) / 10);
}

// All percentiles lie somewhere, but no bin stands out: the coefficient of variation of the counts is below 2.
static void a_flat_histogram_is_not_believed(void **state) {
  (void)state;
  mf_policy policy = {0};
  for (int i = 0; i < 60; i++) mf_policy_note(&policy, MINUTES(i), 4);
  assert_decision(&policy, MF_POLICY_STANDARD, 0, MINUTES(240));
  mf_policy_note(&policy, MINUTES(2), 60);
  assert_int_equal(mf_policy_decide(&policy).basis, MF_POLICY_HISTOGRAM);
}

static void idle_times_beyond_the_range_are_forecast(void **state) {
  (void)state;
  mf_policy policy = {0};
  for (int i = 0; i < MF_POLICY_LEAST_BEYOND - 1; i++) mf_policy_note(&policy, MINUTES(300), 1);
  assert_int_equal(mf_policy_decide(&policy).basis, MF_POLICY_STANDARD);
  mf_policy_note(&policy, MINUTES(300), 1);
  assert_decision(&policy, MF_POLICY_FORECAST, MINUTES(255), MINUTES(90));  // the paper's own example: five hours, 4.25 and 1.5
  mf_policy_note(&policy, MINUTES(9000), 1);                                // one that is far off moves it little
  assert_decision(&policy, MF_POLICY_FORECAST, MINUTES(255), MINUTES(90));
}

static void what_was_long_ago_fades(void **state) {
  (void)state;
  mf_policy policy = {0};
  mf_policy_note(&policy, MINUTES(50), 1000);
  mf_policy_note(&policy, MINUTES(5), UINT16_MAX);
  assert_int_equal(policy.bins[50], 1000);
  mf_policy_note(&policy, MINUTES(5), 1);
  assert_int_equal(policy.bins[50], 500);
  assert_int_equal(policy.bins[5], UINT16_MAX / 2 + 1);
  mf_policy_note(&policy, MINUTES(5), UINT32_MAX);
  assert_int_equal(policy.bins[50], 0);
}

static void the_next_call_is_expected_when_it_usually_comes(void **state) {
  (void)state;
  mf_policy hourly = {0}, unknown = {0}, daily = {0};
  mf_policy_note(&hourly, MINUTES(60), 100);
  for (int i = 0; i < 5; i++) mf_policy_note(&daily, MINUTES(1440), 1);
  assert_true(mf_policy_next_call(&hourly, MINUTES(10)) < 0.02);
  assert_true(mf_policy_next_call(&hourly, MINUTES(50)) > 0.9);
  assert_true(mf_policy_next_call(&hourly, MINUTES(70)) < mf_policy_next_call(&hourly, MINUTES(50)));
  assert_true(mf_policy_next_call(&unknown, MINUTES(1)) > mf_policy_next_call(&unknown, MINUTES(100)));
  assert_true(mf_policy_next_call(&daily, MINUTES(1430)) > 0.8);
  assert_true(mf_policy_next_call(&daily, MINUTES(100)) < 0.05);
  assert_true(mf_policy_next_call(&unknown, INT64_MAX) >= 0 && mf_policy_next_call(&unknown, -1) <= 1);
}

static void packing_keeps_everything(void **state) {
  (void)state;
  mf_policy policy = {0}, back;
  uint8_t packed[MF_POLICY_PACKED];
  for (int i = 0; i < 11; i++) mf_policy_note(&policy, MINUTES(1000 + i), 1);
  mf_policy_note(&policy, 0, 70000);
  mf_policy_note(&policy, MINUTES(239), 129);
  assert_true(mf_policy_unpack(&back, (mf_slice){packed, mf_policy_pack(&policy, packed)}));
  assert_memory_equal(back.bins, policy.bins, sizeof policy.bins);
  assert_int_equal(back.beyond, policy.beyond);
  mf_policy_note(&policy, MINUTES(2000), 1);  // goes to the same place in both
  mf_policy_note(&back, MINUTES(2000), 1);
  assert_int_equal(mf_policy_decide(&back).keep_alive_for_ns, mf_policy_decide(&policy).keep_alive_for_ns);
  assert_int_equal(mf_policy_decide(&back).pre_warm_after_ns, mf_policy_decide(&policy).pre_warm_after_ns);
  for (int i = 0; i < MF_POLICY_BINS; i++) policy.bins[i] = UINT16_MAX;
  assert_true(mf_policy_pack(&policy, packed) <= sizeof packed);
  policy = (mf_policy){0};
  assert_true(mf_policy_pack(&policy, packed) < 8);
}

// A row may be damaged, or be another version's: every prefix and every changed byte is read or refused, and never read past.
static void damaged_bytes_leave_a_policy_that_has_seen_nothing(void **state) {
  (void)state;
  mf_policy policy = {0}, back;
  uint8_t packed[MF_POLICY_PACKED];
  for (int i = 0; i < 9; i++) mf_policy_note(&policy, MINUTES(700 * i), 300);
  const size_t len = mf_policy_pack(&policy, packed);
  assert_false(mf_policy_unpack(&back, (mf_slice){packed, 0}));
  for (size_t at = 0; at < len; at++) {
    for (unsigned value = 0; value < 256; value++) {
      const uint8_t kept = packed[at];
      packed[at] = (uint8_t)value;
      uint8_t *copy = test_malloc(at + 1);  // its own, so that a sanitizer sees a read past it
      memcpy(copy, packed, at + 1);
      if (!mf_policy_unpack(&back, (mf_slice){copy, at + 1})) assert_int_equal(mf_policy_decide(&back).basis, MF_POLICY_STANDARD);
      test_free(copy);
      if (mf_policy_unpack(&back, (mf_slice){packed, len})) assert_true(back.n_recent <= MF_POLICY_RECENT && back.next_recent < MF_POLICY_RECENT);
      packed[at] = kept;
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_function_that_is_new_is_kept_for_the_whole_range),
      cmocka_unit_test(a_steady_gap_is_kept_around_itself),
      cmocka_unit_test(calls_that_follow_each_other_at_once_leave_no_pre_warming),
      cmocka_unit_test(a_flat_histogram_is_not_believed),
      cmocka_unit_test(idle_times_beyond_the_range_are_forecast),
      cmocka_unit_test(what_was_long_ago_fades),
      cmocka_unit_test(the_next_call_is_expected_when_it_usually_comes),
      cmocka_unit_test(packing_keeps_everything),
      cmocka_unit_test(damaged_bytes_leave_a_policy_that_has_seen_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
