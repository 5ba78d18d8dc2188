// Sums of regions: what rows add, what is taken away again, and regions that are too many to be counted.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "services/lambda/regions.h"

static void is(const mf_regions *regions, const char *region, int64_t functions, int64_t code_bytes, int64_t reserved) {
  mf_sums sums;
  assert_true(mf_regions_sums(regions, mf_str_from(region), &sums));
  if (sums.functions != functions || sums.code_bytes != code_bytes || sums.reserved != reserved)
    fail_msg("%s: %ld functions, %ld bytes, %ld reserved", region, (long)sums.functions, (long)sums.code_bytes, (long)sums.reserved);
}

static void a_row_adds_one_function_its_code_and_its_reservation(void **state) {
  (void)state;
  json_t *row = json_loads("{\"configuration\":{\"CodeSize\":276},\"reserved\":7}", 0, NULL), *plain = json_loads("{\"configuration\":{}}", 0, NULL);
  mf_regions regions = {0};
  mf_regions_add(&regions, MF_STR("us-east-1/f"), mf_sums_of_row(row));
  mf_regions_add(&regions, MF_STR("us-east-1/g"), mf_sums_of_row(plain));
  mf_regions_add(&regions, MF_STR("eu-west-1/f"), mf_sums_of_row(plain));
  is(&regions, "us-east-1", 2, 276, 7);
  is(&regions, "eu-west-1", 1, 0, 0);
  is(&regions, "us-east", 0, 0, 0);
  mf_regions_add(&regions, MF_STR("us-east-1/f"), mf_sums_difference(mf_sums_of_row(NULL), mf_sums_of_row(row)));
  is(&regions, "us-east-1", 1, 0, 0);
  json_decref(row);
  json_decref(plain);
}

static void regions_beyond_the_last_are_said_not_to_be_counted(void **state) {
  (void)state;
  mf_regions regions = {0};
  mf_sums sums;
  char key[40];
  for (int i = 0; i < MF_MAX_REGIONS; i++) {
    snprintf(key, sizeof key, "region-%d/f", i);
    mf_regions_add(&regions, mf_str_from(key), (mf_sums){.functions = 1});
  }
  mf_regions_add(&regions, MF_STR("one-more/f"), (mf_sums){.functions = 1});
  assert_false(mf_regions_sums(&regions, MF_STR("one-more"), &sums));
  is(&regions, "region-63", 1, 0, 0);
  regions.count = 1;
  assert_false(mf_regions_sums(&regions, MF_STR("a-name-that-is-no-region-of-anybody"), &sums));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_row_adds_one_function_its_code_and_its_reservation),
      cmocka_unit_test(regions_beyond_the_last_are_said_not_to_be_counted),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
