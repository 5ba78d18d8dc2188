// Validation messages, word for word as AWS writes them (lambda.md, error table).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "services/lambda/shapes.h"

static void expect_of(const mf_shape *shape, const char *json, uint32_t count, const char *text) {
  mf_violations v = {0};
  json_t *body = json_loads(json, 0, NULL);
  assert_non_null(body);
  mf_validate_body(shape, body, &v);
  mf_buf_append(&v.text, "", 1);
  if (v.count != count || !strstr(v.text.data, text)) fail_msg("%s: %u violations: %s", json, v.count, v.text.data);
  mf_buf_deinit(&v.text);
  json_decref(body);
}
static void expect(const char *json, uint32_t count, const char *text) { expect_of(&mf_shape_CreateFunctionRequest, json, count, text); }
#define GOOD "\"FunctionName\": \"f\", \"Role\": \"arn:aws:iam::000000000000:role/r\", \"Code\": {\"ZipFile\": \"\"}"

static void what_fits_has_no_violations(void **state) {
  (void)state;
  expect("{" GOOD "}", 0, "");
  expect("{" GOOD ", \"MemorySize\": 128, \"Timeout\": 900, \"Description\": \"\", \"Unknown\": 1, \"Layers\": null}", 0, "");
}

static void violations_are_worded_as_aws_words_them(void **state) {
  (void)state;
  expect("{" GOOD ", \"MemorySize\": 64}", 1,
         "Value '64' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128");
  expect("{" GOOD ", \"MemorySize\": 64, \"Timeout\": 901}", 2, "less than or equal to 900; Value '64'");
  expect("{\"FunctionName\": \"f\", \"Code\": {}}", 1, "Value null at 'role' failed to satisfy constraint: Member must not be null");
  expect("{" GOOD ", \"Environment\": {\"Variables\": {\"1A\": \"x\"}}}", 1,
         "Value '{1A=x}' at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy "
         "regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]");
  expect("{" GOOD ", \"VpcConfig\": {\"SubnetIds\": [\"bad-format!!!\"]}}", 1,
         "Value '[bad-format!!!]' at 'vpcConfig.subnetIds' failed to satisfy constraint: Member must satisfy constraint: [Member must have "
         "length less than or equal to 1024, Member must have length greater than or equal to 0, Member must satisfy regular expression "
         "pattern: subnet-[0-9a-z]*]");
  expect("{" GOOD ", \"LoggingConfig\": {\"LogGroup\": \"\"}}", 2,
         "Value '' at 'loggingConfig.logGroup' failed to satisfy constraint: Member must satisfy regular expression pattern: "
         "[\\.\\-_/#A-Za-z0-9]+; Value '' at 'loggingConfig.logGroup' failed to satisfy constraint: Member must have length greater "
         "than or equal to 1");
  expect("{" GOOD ", \"EphemeralStorage\": {}}", 1, "Value null at 'ephemeralStorage.size'");
}

static void maps_of_numbers_are_worded_as_aws_words_them(void **state) {
  (void)state;
#define ALIAS(weights) "{\"Name\":\"a\",\"FunctionVersion\":\"1\",\"RoutingConfig\":{\"AdditionalVersionWeights\":" weights "}}"
#define VALUES "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must have value greater than or " \
               "equal to 0.0, Member must not be null]"
#define AT "' at 'routingConfig.additionalVersionWeights' failed to satisfy constraint: "
  expect_of(&mf_shape_CreateAliasRequest, ALIAS("{\"2\":0.5}"), 0, "");
  expect_of(&mf_shape_CreateAliasRequest, ALIAS("{\"2\":1}"), 0, "");
  expect_of(&mf_shape_CreateAliasRequest, ALIAS("{\"2\":2.0}"), 1, "Value '{2=2.0}" AT VALUES);
  expect_of(&mf_shape_CreateAliasRequest, ALIAS("{\"2\":-1}"), 1, "Value '{2=-1.0}" AT VALUES);
  expect_of(&mf_shape_CreateAliasRequest, ALIAS("{\"1\":0.25,\"2\":1e300}"), 1, "Value '{1=0.25, 2=1e+300}" AT VALUES);
  expect_of(&mf_shape_CreateAliasRequest, ALIAS("{\"$LATEST\":0.5}"), 1, "Value '{$LATEST=0.5}" AT "Map keys must satisfy constraint: [Member "
            "must have length less than or equal to 1024, Member must have length greater than or equal to 1, Member must satisfy regular "
            "expression pattern: [0-9]+]");
  expect_of(&mf_shape_CreateAliasRequest, "{\"Name\":\"2024\",\"FunctionVersion\":\"1\"}", 1, "Value '2024' at 'name' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)");
  expect_of(&mf_shape_CreateAliasRequest, "{\"Name\":\"2024-01-02\",\"FunctionVersion\":\"$LATEST\"}", 0, "");
}

static void wrong_types_and_refused_members_are_told_apart(void **state) {
  (void)state;
  mf_violations v = {0};
  json_t *body = json_loads("{" GOOD ", \"MemorySize\": \"128\"}", 0, NULL);
  mf_validate_body(&mf_shape_CreateFunctionRequest, body, &v);
  assert_true(v.wrong_type);
  mf_buf_deinit(&v.text);
  json_decref(body);
  v = (mf_violations){0};
  body = json_loads("{" GOOD ", \"DurableConfig\": {}}", 0, NULL);
  mf_validate_body(&mf_shape_CreateFunctionRequest, body, &v);
  assert_string_equal(v.unsupported, "DurableConfig");
  json_decref(body);
}

static void a_required_member_of_the_query_must_be_there(void **state) {
  (void)state;
  mf_violations v = {0};
  mf_validate_text(mf_shape_field(&mf_shape_UntagResourceRequest, "TagKeys"), (mf_str){0}, &v);
  mf_validate_text(mf_shape_field(&mf_shape_GetFunctionRequest, "Qualifier"), (mf_str){0}, &v);  // not required
  assert_int_equal(v.count, 1);
  mf_buf_append(&v.text, "", 1);
  assert_string_equal(v.text.data, "Value null at 'tagKeys' failed to satisfy constraint: Member must not be null");
  mf_buf_deinit(&v.text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_fits_has_no_violations),
      cmocka_unit_test(violations_are_worded_as_aws_words_them),
      cmocka_unit_test(maps_of_numbers_are_worded_as_aws_words_them),
      cmocka_unit_test(wrong_types_and_refused_members_are_told_apart),
      cmocka_unit_test(a_required_member_of_the_query_must_be_there),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
