// What IAM takes for a policy and what it says of the rest. The texts are those with which the real service has refused such documents;
// then mutations of good documents, with a seed: whatever becomes of one, the verdicts of the three kinds agree and come with a text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "services/iam/document.h"

#define STATEMENTS(list) "{\"Version\":\"2012-10-17\",\"Statement\":" list "}"
#define ONE(members) STATEMENTS("{" members "}")
#define ALLOW "\"Effect\":\"Allow\","
#define LIST "\"Action\":\"s3:ListBucket\","
#define ALL "\"Resource\":\"*\""
#define IF(condition) ONE(ALLOW LIST ALL ",\"Condition\":" condition)
#define TRUSTS(members) ONE("\"Effect\":\"Allow\",\"Action\":\"sts:AssumeRole\"," members)
#define LAMBDA "\"Principal\":{\"Service\":\"lambda.amazonaws.com\"}"

static const char syntax[] = "Syntax errors in policy.", legacy[] = "The policy failed legacy parsing",
                  vendor[] = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", trust_syntax[] = "Syntax error in policy.";

typedef struct expectation {
  const char *document, *says;  // NULL: it is a policy
} expectation;

static void expect(mf_document_kind kind, const expectation *e) {
  mf_buf fault = {0};
  json_t *document = json_loads(e->document, JSON_REJECT_DUPLICATES, NULL);
  const bool is_good = mf_document_check(kind, document, &fault);
  json_decref(document);
  if (is_good != !e->says || !mf_str_is(mf_buf_view(&fault), e->says ? e->says : ""))
    fail_msg("kind %d, %s:\n  says '%.*s'\n  expected '%s'", (int)kind, e->document, (int)fault.len, fault.data ? fault.data : "",
             e->says ? e->says : "(good)");
  mf_buf_deinit(&fault);
}
#define EXPECT(kind, ...)                                                                     \
  do {                                                                                        \
    static const expectation cases[] = {__VA_ARGS__};                                         \
    for (size_t each = 0; each < MF_COUNT(cases); each++) expect(kind, &cases[each]);         \
  } while (0)

static void policies_of_identities_are_taken(void **state) {
  (void)state;
  EXPECT(MF_DOCUMENT_MANAGED, {ONE(ALLOW LIST ALL), NULL}, {STATEMENTS("[{" ALLOW LIST ALL "},{" ALLOW LIST ALL "}]"), NULL},
         {ONE("\"Sid\":\"A1\"," ALLOW "\"NotAction\":[\"iam:*\",\"*\"],\"NotResource\":[\"arn:aws:s3:::b\",\"arn:aws:s3:::b/*\"]"), NULL},
         {"{\"Version\":\"2012-10-17\",\"Id\":\"i\",\"Statement\":{" ALLOW LIST ALL "}}", NULL},
         {ONE(ALLOW "\"Action\":\"execute-api:Invoke\",\"Resource\":\"arn:aws:execute-api:*:*:a/${aws:username}\""), NULL},
         {ONE(ALLOW LIST "\"Resource\":\"arn:aws:iam::*:ro*\""), NULL}, {ONE(ALLOW LIST "\"Resource\":\"arn:aws:iam::000000000000:*\""), NULL},
         {ONE(ALLOW LIST "\"Resource\":\"arn:*:iam::*:user/u\""), NULL}, {ONE(ALLOW LIST "\"Resource\":\"arn:aws:nothing\""), NULL},
         {ONE(ALLOW LIST "\"Resource\":\"arn:aws:s3:us-west-2:000000000000:accesspoint/p\""), NULL},
         {IF("{}"), NULL}, {IF("{\"anything\":{}}"), NULL}, {IF("{\"Bool\":{\"aws:SecureTransport\":true}}"), NULL},
         {IF("{\"NumericLessThan\":{\"aws:MultiFactorAuthAge\":[3600,\"7200\"]},\"Null\":{\"a\":\"true\"}}"), NULL},
         {IF("{\"ForAnyValue:StringLikeIfExists\":{\"a\":[\"b\",\"c*\"]}}"), NULL},
         {IF("{\"DateGreaterThan\":{\"a\":\"2017-07-01T00:00:00Z\"},\"DateLessThan\":{\"a\":[\"2016-12-13T21:20:37.593194+00:00\",\"1498867200\"]}}"), NULL},
         {IF("{\"DateLessThanEquals\":{\"a\":[\"01T\",\"-292275054\",\"2020\",\"2016-12-13t2:00:00.59+23\"]}}"), NULL});
  EXPECT(MF_DOCUMENT_INLINE, {"{\"Statement\":{" ALLOW LIST ALL "}}", NULL},
         {"{\"Version\":\"2008-10-17\",\"Statement\":{" ALLOW LIST ALL "}}", NULL});
}

static void what_is_no_policy_of_an_identity_is_told(void **state) {
  (void)state;
  static const expectation of_both[] = {
      {"no JSON", syntax}, {"[]", syntax}, {"{}", syntax}, {"{\"Version\":\"2012-10-17\"}", syntax}, {STATEMENTS("[]"), syntax},
      {STATEMENTS("\"a\""), syntax}, {STATEMENTS("[\"a\"]"), syntax}, {STATEMENTS("null"), syntax}, {STATEMENTS("[[]]"), syntax},
      {"{\"Version\":\"2013-10-17\",\"Statement\":{" ALLOW LIST ALL "}}", syntax}, {"{\"Version\":7,\"Statement\":{" ALLOW LIST ALL "}}", syntax},
      {"{\"Version\":\"2012-10-17\",\"Id\":[],\"Statement\":{" ALLOW LIST ALL "}}", syntax},
      {"{\"Version\":\"2012-10-17\",\"Comment\":\"c\",\"Statement\":{" ALLOW LIST ALL "}}", syntax}, {ONE(ALLOW LIST ALL ",\"Extra\":1"), syntax},
      {ONE(ALLOW ALLOW LIST ALL), syntax}, {ONE(LIST ALL), syntax}, {ONE("\"Effect\":\"Maybe\"," LIST ALL), syntax},
      {ONE("\"Effect\":true," LIST ALL), syntax}, {ONE("\"Effect\":\"denY\"," LIST ALL), legacy}, {ONE(ALLOW "\"Action\":{}," ALL), syntax},
      {ONE(ALLOW "\"Action\":[[]]," ALL), syntax}, {ONE(ALLOW LIST "\"NotAction\":\"s3:*\"," ALL), syntax},
      {ONE(ALLOW LIST ALL ",\"NotResource\":[]"), syntax}, {ONE(ALLOW LIST "\"Resource\":[\"*\",{}]"), syntax},
      {ONE("\"Sid\":{}," ALLOW LIST ALL), syntax}, {IF("[]"), syntax}, {IF("\"a\""), syntax}, {IF("{\"StringEquals\":\"b\"}"), syntax},
      {IF("{\"StringEquals\":{\"a\":{}}}"), syntax}, {IF("{\"StringEquals\":{\"a\":[[]]}}"), syntax}, {IF("{\"Likes\":{\"a\":\"1\"}}"), syntax},
      {IF("{\"ForAnyValue::StringEquals\":{\"a\":\"b\"}}"), syntax}, {IF("{\"ForAnyValue:ForAnyValue:StringEquals\":{\"a\":\"b\"}}"), syntax},
      {ONE(ALLOW LIST ALL "," LAMBDA), "Policy document should not specify a principal."},
      {ONE(ALLOW LIST ALL ",\"NotPrincipal\":\"*\""), "Policy document should not specify a principal."},
      {IF("{\"DateLessThan\":{\"a\":\"soon\"}}"), legacy}, {IF("{\"DateLessThan\":{\"a\":\"234-13\"}}"), legacy},
      {IF("{\"DateLessThan\":{\"a\":\"9223372036854775808\"}}"), legacy}, {IF("{\"DateLessThan\":{\"a\":\"\"}}"), legacy},
      {IF("{\"DateEqualsIfExists\":{\"a\":\"2016-12-13T2:00:00.5+1\"}}"), legacy}, {IF("{\"DateEquals\":{\"a\":\"2016-12-13T24:00\"}}"), legacy},
      {IF("{\"DateEquals\":{\"a\":[\"2016\",true]}}"), legacy}, {ONE(ALLOW LIST "\"Resource\":\"arn:aws:s3::bucket\""), legacy},
      {ONE(ALLOW LIST "\"Resource\":\"arn:aws::::bucket\""), legacy}, {ONE(ALLOW "\"Resource\":\"arn:aws:s3::bucket\""), legacy},
      {ONE("\"Sid\":\"a b\"," ALLOW LIST ALL),
       "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"},
      {STATEMENTS("[{\"Sid\":\"a\"," ALLOW LIST ALL "},{\"Sid\":\"a\"," ALLOW LIST ALL "}]"), "Statement IDs (SID) in a single policy must be unique."},
      {ONE(ALLOW ALL), "Policy statement must contain actions."}, {ONE(ALLOW "\"Action\":[]," ALL), "Policy statement must contain actions."},
      {STATEMENTS("[{\"Effect\":\"Deny\"},{" ALLOW LIST ALL "}]"), "Policy statement must contain actions."},
      {ONE(ALLOW "\"Action\":\"GetFunction\"," ALL), vendor}, {ONE(ALLOW "\"NotAction\":\"\"," ALL), vendor},
      {ONE(ALLOW "\"Action\":[\"lambda:GetFunction\",\"Get\"]," ALL), vendor}, {ONE(ALLOW "\"Action\":\"invalid\""), vendor},
      {ONE(ALLOW "\"Action\":\"a a:Get\"," ALL), "Vendor a a is not valid"}, {ONE(ALLOW "\"Action\":\":Get\"," ALL), "Vendor  is not valid"},
      {ONE(ALLOW "\"Action\":\"s3:Get:It\"," ALL), "Actions/Condition can contain only one colon."},
      {ONE(ALLOW "\"Action\":\"s3:Get\""), "Policy statement must contain resources."},
      {ONE(ALLOW LIST "\"Resource\":[]"), "Policy statement must contain resources."},
      {ONE(ALLOW LIST "\"Resource\":\"\""), "Resource  must be in ARN format or \"*\"."},
      {ONE(ALLOW LIST "\"Resource\":[\"*\",\"my bucket\"]"), "Resource my bucket must be in ARN format or \"*\"."},
      {ONE(ALLOW "\"Action\":\"a:b:c\",\"Resource\":\"x\""), "Resource x must be in ARN format or \"*\"."},
      {ONE(ALLOW LIST "\"Resource\":\"x:y\""), "Partition \"y\" is not valid for resource \"arn:y:*:*:*:*\"."},
      {ONE(ALLOW LIST "\"Resource\":\"aws:s3:::bucket\""), "Partition \"s3\" is not valid for resource \"arn:s3:::bucket:*\"."},
      {ONE(ALLOW LIST "\"Resource\":\"a:b:c:d:e:f:g:h\""), "Partition \"b\" is not valid for resource \"arn:b:c:d:e:f:g:h\"."},
      {ONE(ALLOW LIST "\"NotResource\":\"arn:aws\""), "Resource vendor must be fully qualified and cannot contain regexes."},
      {ONE(ALLOW LIST "\"Resource\":\"arn:aws:*:*:*:x\""), "Resource vendor must be fully qualified and cannot contain regexes."},
      {ONE(ALLOW LIST "\"Resource\":\"arn:aws:iam:us-east-1::role/r\""), "IAM resource arn:aws:iam:us-east-1::role/r cannot contain region information."},
      {ONE(ALLOW LIST "\"Resource\":\"arn:aws:s3:us-east-1::b\""), "Resource arn:aws:s3:us-east-1::b can not contain region information."},
      {ONE(ALLOW LIST "\"Resource\":\"arn:aws:iam:::x\""),
       "IAM resource path must either be \"*\" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, "
       "policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/."}};
  for (size_t i = 0; i < MF_COUNT(of_both); i++) {
    expect(MF_DOCUMENT_MANAGED, &of_both[i]);
    expect(MF_DOCUMENT_INLINE, &of_both[i]);
  }
  EXPECT(MF_DOCUMENT_MANAGED, {"{\"Statement\":{" ALLOW LIST ALL "}}", "Policy document must be version 2012-10-17 or greater."},
         {"{\"Version\":\"2008-10-17\",\"Statement\":{" ALLOW LIST ALL "}}", "Policy document must be version 2012-10-17 or greater."});
}

static void trust_policies_are_judged_by_their_own_rules(void **state) {
  (void)state;
  EXPECT(MF_DOCUMENT_TRUST, {TRUSTS(LAMBDA), NULL}, {"{\"Statement\":{" ALLOW "\"Action\":[\"STS:assumerole\",\"sts:TagSession\"]," LAMBDA "}}", NULL},
         {"{\"Version\":\"2008-10-17\",\"Statement\":[{\"Sid\":\"a b\"," ALLOW "\"Action\":\"sts:AssumeRole\"," LAMBDA ",\"Condition\":{}}]}", NULL},
         {TRUSTS("\"Principal\":{\"AWS\":[\"*\",\"000000000000\",\"arn:aws:iam::000000000000:root\",\"arn:aws:iam::111111111111:role/a/b\","
                 "\"arn:aws:sts::111111111111:assumed-role/r/s\"],\"Federated\":\"cognito-identity.amazonaws.com\"}"), NULL},
         {TRUSTS("\"Principal\":{\"Federated\":\"arn:aws:iam::000000000000:oidc-provider/token.actions.githubusercontent.com\"}"), NULL},
         {"{", "This policy contains invalid Json"}, {"[]", "This policy contains invalid Json"}, {"{\"probe\":1}", "Unknown field probe"},
         {"{\"version\":\"2012-10-17\"}", "Unknown field version"}, {"{}", "Missing required field Statement"},
         {"{\"Version\":\"2020-01-01\",\"Statement\":{}}", "The policy must contain a valid version string"},
         {"{\"Version\":2012,\"Statement\":{}}", "The policy must contain a valid version string"},
         {"{\"Id\":{},\"Statement\":{}}", trust_syntax}, {STATEMENTS("[]"), "Could not parse the policy: Statement is empty!"},
         {STATEMENTS("7"), trust_syntax}, {STATEMENTS("[[]]"), trust_syntax}, {TRUSTS(LAMBDA ",\"Resources\":\"*\""), "Unknown field Resources"},
         {TRUSTS(LAMBDA "," ALL), "Has prohibited field Resource"}, {ONE(ALLOW LIST ALL), "Has prohibited field Resource"},
         {TRUSTS(LAMBDA ",\"NotResource\":\"*\""), "AssumeRole policy must not contain resources."},
         {ONE("\"Action\":\"sts:AssumeRole\"," LAMBDA), "Missing required field Effect"},
         {ONE("\"Effect\":\"allow\",\"Action\":\"sts:AssumeRole\"," LAMBDA), "Invalid effect: allow"},
         {ONE(ALLOW LAMBDA), "Missing required field Action"}, {ONE(ALLOW "\"Action\":[]," LAMBDA), "Missing required field Action"},
         {TRUSTS("\"Sid\":\"s\""), "Missing required field Principal"},
         {TRUSTS("\"NotPrincipal\":{\"AWS\":\"*\"}"), "Allow with NotPrincipal is not allowed."},
         {ONE("\"Effect\":\"Deny\",\"Action\":\"sts:AssumeRole\",\"NotPrincipal\":{\"AWS\":\"*\"}"), "AssumeRole policy must not contain NotPrincipal field."},
         {TRUSTS("\"Principal\":\"*\""), "AssumeRolepolicy contained an invalid principal: \"STAR\":\"*\"."},
         {TRUSTS("\"Principal\":[]"), "Principal must be a JSON object."}, {TRUSTS("\"Principal\":{}"), "Missing required field Principal cannot be empty!"},
         {TRUSTS("\"Principal\":{\"Who\":\"*\"}"), "Invalid principal in policy: \"Who\""},
         {TRUSTS("\"Principal\":{\"AWS\":[]}"), "Invalid principal in policy: \"AWS\""},
         {TRUSTS("\"Principal\":{\"AWS\":\"me\"}"), "Invalid principal in policy: \"AWS\":\"me\""},
         {TRUSTS("\"Principal\":{\"AWS\":\"\"}"), "Invalid principal in policy: \"AWS\":\"\""},
         {TRUSTS("\"Principal\":{\"AWS\":[\"*\",\"arn:aws:s3:::b\"]}"), "Invalid principal in policy: \"AWS\":\"arn:aws:s3:::b\""},
         {TRUSTS("\"Principal\":{\"Service\":\"lambda\"}"), "Invalid principal in policy: \"SERVICE\":\"lambda\""},
         {ONE(ALLOW "\"Action\":\"*\"," LAMBDA), "AssumeRole policy may only specify STS AssumeRole actions."},
         {ONE(ALLOW "\"Action\":[\"sts:AssumeRole\",\"s3:GetObject\"]," LAMBDA), "AssumeRole policy may only specify STS AssumeRole actions."},
         {TRUSTS(LAMBDA ",\"NotAction\":\"sts:AssumeRole\""), trust_syntax}, {TRUSTS(LAMBDA ",\"Condition\":[]"), trust_syntax},
         {STATEMENTS("[{\"Sid\":\"a\"," ALLOW "\"Action\":\"sts:AssumeRole\"," LAMBDA "},{\"Sid\":\"a\"," ALLOW "\"Action\":\"sts:AssumeRole\"," LAMBDA "}]"),
          "The Statement Ids in the policy are not unique"});
}

// ---- mutations ----
static uint32_t next(uint64_t *seed) {
  *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (uint32_t)(*seed >> 33);
}

static json_t *anything(uint64_t *seed) {
  static const char *const texts[] = {"", "*", "Allow", "Deny", "arn:aws:s3:::b", "arn:aws", "arn", ":::::::", "sts:AssumeRole", "a:b:c", "2012-10-17",
                                      "2008-10-17", "000000000000", "x.amazonaws.com", "1970-01-01T00:00:00Z", "99999999999999999999", "-", "\xc3\xbf"};
  switch (next(seed) % 8) {
    case 0: return json_null();
    case 1: return json_true();
    case 2: return json_integer((json_int_t)next(seed) - 1000);
    case 3: return json_array();
    case 4: return json_object();
    case 5: return json_pack("[s,[]]", texts[next(seed) % MF_COUNT(texts)]);
    default: return json_string(texts[next(seed) % MF_COUNT(texts)]);
  }
}

// Something else at a place that is hit on the way down, or one member more or less.
static void mutate(json_t *at, uint64_t *seed) {
  static const char *const names[] = {"Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
                                      "NotResource", "Condition", "AWS", "Service", "DateEquals", "StringLikeIfExists", "other"};
  const char *key;
  json_t *value;
  void *next_member;
  if (json_is_array(at)) {
    const size_t n = json_array_size(at), i = n ? next(seed) % n : 0;
    if (n > 0 && next(seed) % 3) mutate(json_array_get(at, i), seed);
    else if (n == 0 || next(seed) % 2) json_array_append_new(at, anything(seed));
    else json_array_set_new(at, i, anything(seed));
  } else if (json_is_object(at)) {
    json_object_foreach_safe(at, next_member, key, value) {
      const uint32_t luck = next(seed) % 8;
      if (luck == 0) json_object_set_new(at, key, anything(seed));
      else if (luck == 1) json_object_del(at, key);
      else if (luck < 5) mutate(value, seed);
    }
    if (next(seed) % 6 == 0) json_object_set_new(at, names[next(seed) % MF_COUNT(names)], anything(seed));
  }
}

static bool judge(mf_document_kind kind, const json_t *document, const char *text) {
  mf_buf fault = {0};
  const bool is_good = mf_document_check(kind, document, &fault);
  if (fault.failed || is_good != (fault.len == 0)) fail_msg("kind %d, %s: %d without a reason", (int)kind, text, is_good);
  if (fault.len > 0 && !mf_str_is_utf8(mf_buf_view(&fault))) fail_msg("%s: a reason that is not UTF-8", text);
  mf_buf_deinit(&fault);
  return is_good;
}

// What holds whatever the document: managed policies are a part of the inline ones, and nothing is both a policy of an identity and one of trust.
static void verdicts_agree_whatever_becomes_of_a_document(void **state) {
  (void)state;
  static const char *const good[] = {
      ONE(ALLOW LIST ALL), STATEMENTS("[{\"Sid\":\"a\"," ALLOW LIST ALL "},{\"Effect\":\"Deny\",\"NotAction\":[\"s3:*\"],\"NotResource\":[\"arn:aws:s3:::b\"]}]"),
      IF("{\"DateGreaterThan\":{\"a\":[\"2017-07-01T00:00:00Z\"]},\"StringLike\":{\"b\":\"c\"}}"), TRUSTS(LAMBDA),
      TRUSTS("\"Principal\":{\"AWS\":[\"*\",\"000000000000\"]},\"Condition\":{\"StringEquals\":{\"sts:ExternalId\":\"e\"}}")};
  uint64_t seed = 20261201;
  uint32_t taken = 0, refused = 0;
  for (uint32_t i = 0; i < 40000; i++) {
    json_t *document = json_loads(good[next(&seed) % MF_COUNT(good)], 0, NULL);
    for (uint32_t n = next(&seed) % 4; n > 0; n--) mutate(document, &seed);
    char *text = json_dumps(document, JSON_ENCODE_ANY);
    const bool managed = judge(MF_DOCUMENT_MANAGED, document, text), in_line = judge(MF_DOCUMENT_INLINE, document, text),
               trust = judge(MF_DOCUMENT_TRUST, document, text);
    if ((managed && !in_line) || (in_line && trust)) fail_msg("%s: managed %d, inline %d, trust %d", text, managed, in_line, trust);
    taken += in_line || trust;
    refused += !in_line && !trust;
    free(text);
    json_decref(document);
  }
  if (taken < 4000 || refused < 4000) fail_msg("%u taken, %u refused: the mutations are too weak or too strong", taken, refused);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(policies_of_identities_are_taken),
      cmocka_unit_test(what_is_no_policy_of_an_identity_is_told),
      cmocka_unit_test(trust_policies_are_judged_by_their_own_rules),
      cmocka_unit_test(verdicts_agree_whatever_becomes_of_a_document),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
