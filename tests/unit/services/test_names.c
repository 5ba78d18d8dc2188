// Function names in all their forms, and percent-encoding.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/lambda/names.h"
#include "services/lambda/shapes.h"

static void is(mf_str actual, const char *expected) {
  if (!mf_str_is(actual, expected)) fail_msg("'%.*s', expected '%s'", MF_STR_ARG(actual), expected);
}

static void every_form_is_taken_apart(void **state) {
  (void)state;
  static const struct {
    const char *text, *region, *account, *name, *qualifier;
  } cases[] = {{"f", "", "", "f", ""},
               {"f:7", "", "", "f", "7"},
               {"f:$LATEST", "", "", "f", "$LATEST"},
               {"function:f", "", "", "f", ""},
               {"123456789012:function:f:live", "", "123456789012", "f", "live"},
               {"us-east-1:123456789012:function:f", "us-east-1", "123456789012", "f", ""},
               {"arn:aws:lambda:eu-west-3:123456789012:function:my-f_1:$LATEST", "eu-west-3", "123456789012", "my-f_1", "$LATEST"},
               {"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f", "us-gov-west-1", "123456789012", "f", ""}};
  mf_name_patterns patterns;
  assert_true(mf_name_patterns_init(&patterns));
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    mf_lambda_name name;
    for (int write = 0; write < 2; write++) {
      if (!mf_lambda_name_parse(&patterns, write, mf_str_from(cases[i].text), &name)) fail_msg("%s", cases[i].text);
      is(name.region, cases[i].region);
      is(name.account, cases[i].account);
      is(name.name, cases[i].name);
      is(name.qualifier, cases[i].qualifier);
    }
  }
  mf_name_patterns_deinit(&patterns);
}

static void what_is_no_name_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"", "a b", "f!", "f:", ":f", "f:a:b:c", "arn:aws:s3:us-east-1:123456789012:function:f", "f/g", "f\xc3\xa9",
                                      "f:$OLDEST", "arn:aws:lambda:us-east-1:12345:function:f"};
  mf_name_patterns patterns;
  mf_lambda_name name;
  assert_true(mf_name_patterns_init(&patterns));
  for (size_t i = 0; i < MF_COUNT(wrong); i++)
    if (mf_lambda_name_parse(&patterns, false, mf_str_from(wrong[i]), &name)) fail_msg("'%s' was taken", wrong[i]);
  assert_false(mf_lambda_name_parse(&patterns, false, (mf_str){"f\0g", 3}, &name));
  assert_true(mf_lambda_name_parse(&patterns, false, MF_STR("with.dot"), &name));
  assert_false(mf_lambda_name_parse(&patterns, true, MF_STR("with.dot"), &name));
  mf_name_patterns_deinit(&patterns);
}

static void escapes_are_decoded_once(void **state) {
  (void)state;
  mf_arena arena;
  mf_str out;
  mf_arena_init(&arena, 0);
  assert_true(mf_lambda_decode(&arena, MF_STR("arn%3Aaws%3A%24LATEST%2525"), &out));
  is(out, "arn:aws:$LATEST%25");
  assert_false(mf_lambda_decode(&arena, MF_STR("a%0"), &out));
  assert_non_null(out.data);  // it is the text that is wrong, not that there is no memory
  assert_false(mf_lambda_decode(&arena, MF_STR("a%zz"), &out));
  assert_false(mf_lambda_decode(&arena, MF_STR("a%00b"), &out));
  mf_arena_deinit(&arena);
  mf_arena_init(&arena, 4);
  assert_false(mf_lambda_decode(&arena, MF_STR("%41bcdef"), &out));
  assert_null(out.data);
  mf_arena_deinit(&arena);
}

static void aws_patterns_mean_what_they_mean_to_aws(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *text;
    bool matches;
  } cases[] = {{"arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+", "arn:aws:iam::000000000000:role/a-b/c", true},
               {"arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+", "arn:aws:iam::00000000000:role/a", false},
               {"[^\\s]+", "app.handler", true},
               {"[^\\s]+", "app handler", false},
               {"^[0-9A-Za-z\\.\\-_]*(?<!\\.)$", "my-bucket.x", true},
               {"^[0-9A-Za-z\\.\\-_]*(?<!\\.)$", "my-bucket.", false},
               {"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()", "", true},
               {"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()", "arn:aws:sqs:us-east-1:000000000000:q", true},
               {"(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()", "queue", false},
               {"[a-zA-Z]([a-zA-Z0-9_])+", "A1_b", true},
               {"[a-zA-Z]([a-zA-Z0-9_])+", "1A", false},
               {"\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+", "a$b-c_d", true},
               {"\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+", "a!b", false},
               {"^/mnt/[a-zA-Z0-9-_.]+$", "/mnt/a.b-c", true},
               {"^/mnt/[a-zA-Z0-9-_.]+$", "/mnt/a/b", false}};
  for (size_t i = 0; i < MF_COUNT(cases); i++)
    if ((mf_pattern_match(cases[i].pattern, mf_str_from(cases[i].text)) == MF_PATTERN_MATCHES) != cases[i].matches) fail_msg("%s on '%s'", cases[i].pattern, cases[i].text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_form_is_taken_apart),
      cmocka_unit_test(what_is_no_name_is_refused),
      cmocka_unit_test(escapes_are_decoded_once),
      cmocka_unit_test(aws_patterns_mean_what_they_mean_to_aws),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
