// Resource policies: who may do what. Expectations are IAM's rules, written out.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "api/api.h"

#define FN "arn:aws:lambda:us-east-1:000000000000:function:f"
#define WHO(principal) "{\"Effect\":\"Allow\",\"Principal\":" principal ",\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"" FN "\"}"
#define IF(conditions)                                                                                                   \
  "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"" FN "\",\"Condition\":" conditions "}"

static mf_policy_verdict verdict(const char *statements, const mf_policy_request *request) {
  json_error_t problem;
  json_t *policy = json_loads(statements, 0, &problem);
  if (!policy) fail_msg("%s: %s", statements, problem.text);
  const mf_policy_verdict found = mf_policy_evaluate(policy, request);
  json_decref(policy);
  return found;
}

static void expect(const char *statement, const mf_policy_request *request, mf_policy_verdict expected) {
  char list[2048];
  snprintf(list, sizeof list, "[%s]", statement);
  const mf_policy_verdict found = verdict(list, request);
  if (found != expected) fail_msg("%s: %d, expected %d", statement, found, expected);
}

#define REQUEST(...) &(mf_policy_request){.action = MF_STR("lambda:InvokeFunction"), .resource = MF_STR(FN), __VA_ARGS__}

static void principals_are_told_apart(void **state) {
  (void)state;
  static const struct {
    const char *statement, *service, *account, *arn;
    bool allowed;
  } cases[] = {{WHO("\"*\""), "", "", "", true},
               {WHO("\"*\""), "s3.amazonaws.com", "", "", true},
               {WHO("\"*\""), "", "000000000000", "arn:aws:iam::000000000000:user/u", true},
               {WHO("{\"AWS\":\"*\"}"), "", "", "", true},
               {WHO("{\"AWS\":\"*\"}"), "s3.amazonaws.com", "", "", false},
               {WHO("{\"Service\":\"s3.amazonaws.com\"}"), "s3.amazonaws.com", "", "", true},
               {WHO("{\"Service\":\"s3.amazonaws.com\"}"), "sqs.amazonaws.com", "", "", false},
               {WHO("{\"Service\":\"s3.amazonaws.com\"}"), "", "", "", false},
               {WHO("{\"Service\":[\"sqs.amazonaws.com\",\"s3.amazonaws.com\"]}"), "s3.amazonaws.com", "", "", true},
               {WHO("{\"AWS\":\"arn:aws:iam::000000000000:root\"}"), "", "000000000000", "arn:aws:iam::000000000000:user/u", true},
               {WHO("{\"AWS\":\"arn:aws:iam::000000000000:root\"}"), "", "111111111111", "arn:aws:iam::111111111111:user/u", false},
               {WHO("{\"AWS\":\"arn:aws:iam::000000000000:root\"}"), "", "", "", false},
               {WHO("{\"AWS\":\"000000000000\"}"), "", "000000000000", "", true},
               {WHO("{\"AWS\":\"arn:aws:iam::000000000000:user/u\"}"), "", "000000000000", "arn:aws:iam::000000000000:user/u", true},
               {WHO("{\"AWS\":\"arn:aws:iam::000000000000:user/u\"}"), "", "000000000000", "arn:aws:iam::000000000000:user/v", false},
               {WHO("{\"AWS\":\"arn:aws:iam::000000000000:user/*\"}"), "", "000000000000", "arn:aws:iam::000000000000:user/u", false},
               {WHO("\"000000000000\""), "", "000000000000", "", false},
               {WHO("null"), "", "", "", false},
               {WHO("{}"), "", "", "", false}};
  for (size_t i = 0; i < MF_COUNT(cases); i++)
    expect(cases[i].statement,
           REQUEST(.service = mf_str_from(cases[i].service), .account = mf_str_from(cases[i].account), .arn = mf_str_from(cases[i].arn)),
           cases[i].allowed ? MF_POLICY_ALLOWED : MF_POLICY_SILENT);
}

static void actions_and_resources_are_matched(void **state) {
  (void)state;
#define ON(action, resource) "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":" action ",\"Resource\":" resource "}"
  static const struct {
    const char *statement;
    bool allowed;
  } cases[] = {{ON("\"lambda:InvokeFunction\"", "\"" FN "\""), true},    {ON("\"lambda:*\"", "\"" FN "\""), true},
               {ON("\"*\"", "\"*\""), true},                            {ON("\"lambda:invokefunction\"", "\"" FN "\""), true},
               {ON("\"lambda:Invoke*\"", "\"" FN "\""), true},          {ON("\"s3:*\"", "\"" FN "\""), false},
               {ON("\"lambda:InvokeFunctionUrl\"", "\"*\""), false},    {ON("\"lambda:Invoke\"", "\"*\""), false},
               {ON("[\"s3:*\",\"lambda:*\"]", "\"*\""), true},          {ON("[]", "\"*\""), false},
               {ON("\"lambda:*\"", "\"" FN ":*\""), false},             {ON("\"lambda:*\"", "\"" FN "*\""), true},
               {ON("\"lambda:*\"", "\"arn:aws:lambda:*:f\""), true},    {ON("\"lambda:*\"", "\"arn:aws:lambda:*:?\""), true},
               {ON("\"lambda:*\"", "\"" FN "g\""), false},              {ON("\"lambda:*\"", "7"), false}};
  for (size_t i = 0; i < MF_COUNT(cases); i++)
    expect(cases[i].statement, REQUEST(), cases[i].allowed ? MF_POLICY_ALLOWED : MF_POLICY_SILENT);
}

static void every_condition_must_hold(void **state) {
  (void)state;
  static const mf_policy_value known[] = {{"AWS:SourceArn", MF_STR("arn:aws:s3:::bucket")},
                                          {"AWS:SourceAccount", MF_STR("000000000000")},
                                          {"lambda:FunctionUrlAuthType", MF_STR("NONE")},
                                          {"lambda:InvokedViaFunctionUrl", MF_STR("true")}};
  static const struct {
    const char *statement;
    bool allowed;
  } cases[] = {{IF("{}"), true},
               {IF("{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"NONE\"}}"), true},
               {IF("{\"StringEquals\":{\"LAMBDA:functionurlauthtype\":\"NONE\"}}"), true},
               {IF("{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"AWS_IAM\"}}"), false},
               {IF("{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"none\"}}"), false},
               {IF("{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":[\"AWS_IAM\",\"NONE\"]}}"), true},
               {IF("{\"StringEquals\":{\"aws:PrincipalOrgID\":\"o-1234567890\"}}"), false},
               {IF("{\"StringEquals\":{\"lambda:FunctionUrlAuthType\":\"NONE\",\"AWS:SourceAccount\":\"1\"}}"), false},
               {IF("{\"StringEquals\":{\"AWS:SourceAccount\":\"000000000000\"},\"ArnLike\":{\"AWS:SourceArn\":\"arn:aws:s3:::b*t\"}}"), true},
               {IF("{\"StringEquals\":{\"AWS:SourceAccount\":\"000000000000\"},\"ArnLike\":{\"AWS:SourceArn\":\"arn:aws:s3:::c*\"}}"), false},
               {IF("{\"ArnLike\":{\"AWS:SourceArn\":\"arn:*\"}}"), false},
               {IF("{\"ArnLike\":{\"AWS:SourceArn\":\"arn:aws:*:*:*:*\"}}"), true},
               {IF("{\"Bool\":{\"lambda:InvokedViaFunctionUrl\":\"TRUE\"}}"), true},
               {IF("{\"Bool\":{\"lambda:InvokedViaFunctionUrl\":\"false\"}}"), false},
               {IF("{\"StringLike\":{\"lambda:FunctionUrlAuthType\":\"*\"}}"), false},
               {IF("{\"StringEquals\":7}"), false},
               {IF("[]"), false}};
  for (size_t i = 0; i < MF_COUNT(cases); i++)
    expect(cases[i].statement, REQUEST(.context = known, .n_context = MF_COUNT(known)),
           cases[i].allowed ? MF_POLICY_ALLOWED : MF_POLICY_SILENT);
}

static void what_is_denied_stays_denied(void **state) {
  (void)state;
  const char *deny = "{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}";
  char both[1024];
  snprintf(both, sizeof both, "[%s,%s]", WHO("\"*\""), deny);
  assert_int_equal(verdict(both, REQUEST()), MF_POLICY_DENIED);
  snprintf(both, sizeof both, "[%s,%s]", deny, WHO("\"*\""));
  assert_int_equal(verdict(both, REQUEST()), MF_POLICY_DENIED);
  assert_int_equal(verdict("[]", REQUEST()), MF_POLICY_SILENT);
  assert_int_equal(mf_policy_evaluate(NULL, REQUEST()), MF_POLICY_SILENT);
  assert_int_equal(verdict("[7,null,{},{\"Effect\":\"allow\"}]", REQUEST()), MF_POLICY_SILENT);
}

static void stars_stand_for_any_text(void **state) {
  (void)state;
  static const struct {
    const char *pattern, *text;
    bool like;
  } cases[] = {{"", "", true},       {"*", "", true},         {"?", "", false},       {"a*c", "abbc", true}, {"a*c", "abbd", false},
               {"**a", "bba", true}, {"a?c", "abc", true},    {"a?c", "ac", false},   {"*ab*ab", "abab", true},
               {"*ab*ab", "aba", false}, {"abc", "abcd", false}, {"*?*?", "a", false}};
  for (size_t i = 0; i < MF_COUNT(cases); i++)
    if (mf_policy_like(mf_str_from(cases[i].pattern), mf_str_from(cases[i].text)) != cases[i].like)
      fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(principals_are_told_apart),   cmocka_unit_test(actions_and_resources_are_matched),
      cmocka_unit_test(every_condition_must_hold),   cmocka_unit_test(what_is_denied_stays_denied),
      cmocka_unit_test(stars_stand_for_any_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
