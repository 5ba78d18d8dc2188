// What qualifiers name, keys and their parts, and how often an alias chooses which version.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "services/lambda/qualifier.h"

#define DRAWS 10000
#define SEED 20261130u

static void is(mf_str text, const char *expected) {
  if (!mf_str_is(text, expected)) fail_msg("'%.*s', expected '%s'", MF_STR_ARG(text), expected);
}

static void a_key_has_parts(void **state) {
  (void)state;
  const mf_str function = MF_STR("us-east-1/f-1"), version = MF_STR("us-east-1/f-1:12");
  is(mf_lambda_function_key(version), "us-east-1/f-1");
  is(mf_lambda_region_of(version), "us-east-1");
  is(mf_lambda_name_of(version), "f-1");
  is(mf_lambda_version_of(version), "12");
  is(mf_lambda_function_key(function), "us-east-1/f-1");
  is(mf_lambda_name_of(function), "f-1");
  is(mf_lambda_version_of(function), "$LATEST");
  assert_true(mf_lambda_is_version(version) && !mf_lambda_is_version(function));
}

static void numbers_are_written_in_one_way(void **state) {
  (void)state;
  assert_int_equal(mf_lambda_version_number(MF_STR("1")), 1);
  assert_int_equal(mf_lambda_version_number(MF_STR("9999999999")), INT64_C(9999999999));
  static const char *const none[] = {"", "0", "01", "10000000000", "1a", "-1", " 1", "live", "$LATEST"};
  for (size_t i = 0; i < MF_COUNT(none); i++)
    if (mf_lambda_version_number(mf_str_from(none[i])) != 0) fail_msg("'%s' is a number", none[i]);
}

static void a_qualifier_is_of_one_kind(void **state) {
  (void)state;
  assert_int_equal(mf_qualifier_kind_of(MF_STR("")), MF_QUALIFIER_LATEST);
  assert_int_equal(mf_qualifier_kind_of(MF_STR("$LATEST")), MF_QUALIFIER_LATEST);
  assert_int_equal(mf_qualifier_kind_of(MF_STR("7")), MF_QUALIFIER_VERSION);
  assert_int_equal(mf_qualifier_kind_of(MF_STR("007")), MF_QUALIFIER_VERSION);
  assert_int_equal(mf_qualifier_kind_of(MF_STR("live")), MF_QUALIFIER_ALIAS);
  assert_int_equal(mf_qualifier_kind_of(MF_STR("2024-01-02")), MF_QUALIFIER_ALIAS);
  assert_int_equal(mf_qualifier_kind_of(MF_STR("$latest")), MF_QUALIFIER_ALIAS);
}

static mf_alias_route route_of(const char *alias_text) {
  mf_alias_route route;
  json_t *alias = json_loads(alias_text, 0, NULL);
  assert_non_null(alias);
  mf_alias_route_of(alias, &route);
  json_decref(alias);
  return route;
}

static mf_alias_route weighted(const char *weights) {
  char text[200];
  snprintf(text, sizeof text, "{\"FunctionVersion\":\"1\",\"RoutingConfig\":{\"AdditionalVersionWeights\":%s}}", weights);
  return route_of(text);
}

// 4.5 standard deviations of the binomial distribution: once in 150,000 seeds, and this seed is fixed.
static void an_alias_chooses_as_its_weights_say(void **state) {
  (void)state;
  static const double weights[] = {0, 0.001, 0.2, 0.5, 0.99, 1};
  srand48(SEED);
  for (size_t w = 0; w < MF_COUNT(weights); w++) {
    char text[64];
    snprintf(text, sizeof text, "{\"2\":%g}", weights[w]);
    const mf_alias_route alias = weighted(text);
    int second = 0;
    for (int i = 0; i < DRAWS; i++) second += mf_str_is(mf_alias_choose(&alias, drand48()), "2");
    const double expected = weights[w] * DRAWS, apart = second - expected, allowed = 4.5 * 4.5 * expected * (1 - weights[w]);
    if (apart * apart > allowed) fail_msg("seed %u: weight %g: chosen %d times of %d", SEED, weights[w], second, DRAWS);
  }
}

static void the_borders_of_a_weight(void **state) {
  (void)state;
  const mf_alias_route alias = weighted("{\"2\":0.25}"), plain = route_of("{\"FunctionVersion\":\"$LATEST\"}"), none = route_of("{}"),
                       longest = route_of("{\"FunctionVersion\":\"9999999999\"}");
  is(mf_alias_choose(&alias, 0), "2");
  is(mf_alias_choose(&alias, 0.2499), "2");
  is(mf_alias_choose(&alias, 0.25), "1");
  is(mf_alias_choose(&alias, 0.9999), "1");
  is(mf_alias_choose(&plain, 0), "$LATEST");
  is(mf_alias_choose(&none, 0), "");
  is(mf_alias_choose(&longest, 0), "9999999999");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_key_has_parts),          cmocka_unit_test(numbers_are_written_in_one_way),
      cmocka_unit_test(a_qualifier_is_of_one_kind), cmocka_unit_test(an_alias_chooses_as_its_weights_say),
      cmocka_unit_test(the_borders_of_a_weight),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
