// Signatures against AWS's published examples (the "aws-sig-v4-test-suite" and the documentation's IAM request): the client's half
// must produce them, the server's half must accept them, and nothing else.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "wire/sigv4.h"

static const char secret[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
static const int64_t suite_time_s = 1440938160;  // 2015-08-30T12:36:00Z

typedef struct vector {
  const char *name, *method, *target, *query, *service, *body, *signature;
  mf_header headers[6];
} vector;

#define HOST {"Host", MF_STR("example.amazonaws.com")}
#define DATE {"X-Amz-Date", MF_STR("20150830T123600Z")}
static const vector vectors[] = {
    {"get-vanilla", "GET", "/", "", "service", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", {HOST, DATE}},
    {"get-relative", "GET", "/example/..", "", "service", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", {HOST, DATE}},
    {"get-slash-dot-slash", "GET", "/./", "", "service", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", {HOST, DATE}},
    {"get-slash", "GET", "//", "", "service", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31", {HOST, DATE}},
    {"post-vanilla", "POST", "/", "", "service", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b", {HOST, DATE}},
    {"get-vanilla-query-order-key-case", "GET", "/", "Param2=value2&Param1=value1", "service", "",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500", {HOST, DATE}},
    {"get-vanilla-empty-query-key", "GET", "/", "Param1=value1", "service", "",
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb", {HOST, DATE}},
    {"get-utf8", "GET", "/\xe1\x88\xb4", "", "service", "", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85", {HOST, DATE}},
    {"get-space", "GET", "/example space/", "", "service", "", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741", {HOST, DATE}},
    {"get-header-value-trim", "GET", "/", "", "service", "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
     {HOST, {"My-Header1", MF_STR(" value1")}, {"My-Header2", MF_STR(" \"a   b   c\"")}, DATE}},
    {"get-header-key-duplicate", "GET", "/", "", "service", "", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
     {HOST, {"My-Header1", MF_STR("value2")}, {"My-Header1", MF_STR("value2")}, {"My-Header1", MF_STR("value1")}, DATE}},
    {"post-x-www-form-urlencoded", "POST", "/", "", "service", "Param1=value1",
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
     {{"Content-Type", MF_STR("application/x-www-form-urlencoded")}, HOST, DATE}},
    {"documentation, IAM ListUsers", "GET", "/", "Action=ListUsers&Version=2010-05-08", "iam", "",
     "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
     {{"Content-Type", MF_STR("application/x-www-form-urlencoded; charset=utf-8")}, {"Host", MF_STR("iam.amazonaws.com")}, DATE}},
};

static mf_arena arena;

static mf_sigv4_request request_of(const vector *v) {
  mf_sigv4_request r = {.method = mf_str_from(v->method), .target = mf_str_from(v->target), .query = mf_str_from(v->query), .headers = v->headers};
  while (r.n_headers < MF_COUNT(v->headers) && v->headers[r.n_headers].name) r.n_headers++;
  mf_sha256(v->body, strlen(v->body), r.payload_sha256);
  return r;
}

static mf_str sign(const vector *v, const char *with) {
  mf_error err;
  mf_str authorization;
  mf_sigv4_request r = request_of(v);
  assert_true(mf_sigv4_sign(&r, MF_STR("AKIDEXAMPLE"), mf_str_from(with), MF_STR("us-east-1"), mf_str_from(v->service),
                            MF_STR("20150830T123600Z"), &arena, &authorization, &err));
  return authorization;
}

static void the_client_signs_as_aws_published(void **state) {
  (void)state;
  for (size_t i = 0; i < MF_COUNT(vectors); i++) {
    mf_str authorization = sign(&vectors[i], secret);
    if (!mf_str_ends(authorization, mf_str_from(vectors[i].signature)))
      fail_msg("%s: got %.*s, expected %s", vectors[i].name, MF_STR_ARG(authorization), vectors[i].signature);
  }
}

// The verdict on a vector with its Authorization header, at a time; "" when right.
static const char *judge(const vector *v, mf_str authorization, int64_t now_s, mf_auth_error *err) {
  mf_header headers[8];
  mf_sigv4_request r = request_of(v);
  memcpy(headers, v->headers, sizeof v->headers);
  headers[r.n_headers++] = (mf_header){"Authorization", authorization};
  r.headers = headers;
  mf_signature s;
  mf_signing_keys *keys = MF_NEW(&arena, mf_signing_keys);
  bool right = mf_signature_find(&r, &arena, &s, err) && mf_signature_is_current(&s, &r, now_s, err) &&
               mf_signature_is_right(&s, &r, mf_str_from(secret), keys, &arena, err);
  return right ? "" : err->code;
}

static void the_server_accepts_what_aws_published(void **state) {
  (void)state;
  mf_auth_error err;
  for (size_t i = 0; i < MF_COUNT(vectors); i++) assert_string_equal(judge(&vectors[i], sign(&vectors[i], secret), suite_time_s, &err), "");
}

static void every_changed_digit_is_refused(void **state) {
  (void)state;
  mf_auth_error err;
  mf_str good = sign(&vectors[0], secret);
  for (size_t i = good.len - 64; i < good.len; i++) {
    mf_str bad = mf_str_copy(&arena, good);
    char *digit = (char *)(uintptr_t)&bad.data[i];
    *digit = *digit == '0' ? '1' : '0';
    assert_string_equal(judge(&vectors[0], bad, suite_time_s, &err), "InvalidSignatureException");
  }
  assert_string_equal(judge(&vectors[0], sign(&vectors[0], "another"), suite_time_s, &err), "InvalidSignatureException");
}

static void a_signature_is_good_for_15_minutes_before_and_after(void **state) {
  (void)state;
  mf_auth_error err;
  mf_str good = sign(&vectors[0], secret);
  assert_string_equal(judge(&vectors[0], good, suite_time_s + 900, &err), "");
  assert_string_equal(judge(&vectors[0], good, suite_time_s - 900, &err), "");
  assert_string_equal(judge(&vectors[0], good, suite_time_s + 901, &err), "InvalidSignatureException");
  assert_string_equal(err.message, "Signature expired: 20150830T123600Z is now earlier than 20150830T123601Z (20150830T125101Z - 15 min.)");
  assert_string_equal(judge(&vectors[0], good, suite_time_s - 901, &err), "InvalidSignatureException");
  assert_string_equal(err.message, "Signature not yet current: 20150830T123600Z is still later than 20150830T123559Z (20150830T122059Z + 15 min.)");
}

static void malformed_authorization_is_named(void **state) {
  (void)state;
#define SCOPE "Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
#define SIGNATURE "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
  static const char *const cases[][2] = {
      {"Bearer token", "IncompleteSignatureException"},
      {"AWS4-HMAC-SHA256 ", "IncompleteSignatureException"},
      {"AWS4-HMAC-SHA256 " SCOPE ", SignedHeaders=host;x-amz-date", "IncompleteSignatureException"},
      {"AWS4-HMAC-SHA256 " SCOPE ", " SIGNATURE, "IncompleteSignatureException"},
      {"AWS4-HMAC-SHA256 Credential=a/b/c, SignedHeaders=host, " SIGNATURE, "IncompleteSignatureException"},
      {"AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1/service/aws5_request, SignedHeaders=host, " SIGNATURE, "InvalidSignatureException"},
      {"AWS4-HMAC-SHA256 Credential=a/20150831/us-east-1/service/aws4_request, SignedHeaders=host, " SIGNATURE, "InvalidSignatureException"},
      {"AWS4-HMAC-SHA256 " SCOPE ", SignedHeaders=x-amz-date, " SIGNATURE, "InvalidSignatureException"},
      {"AWS4-HMAC-SHA256 " SCOPE ", SignedHeaders=host, " SIGNATURE, "InvalidSignatureException"},  // x-amz-date is not covered
      {"AWS4-HMAC-SHA256 " SCOPE ", SignedHeaders=host;x-amz-date, Signature=5fa0", "IncompleteSignatureException"},
  };
  mf_auth_error err;
  for (size_t i = 0; i < MF_COUNT(cases); i++)
    assert_string_equal(judge(&vectors[0], mf_str_from(cases[i][0]), suite_time_s, &err), cases[i][1]);
}

// Those of botocore's partitions, and one of the European cloud's.
static void a_scope_names_a_region_of_aws_s_form(void **state) {
  (void)state;
  static const char *const good[] = {"us-east-2", "ap-northeast-3", "cn-northwest-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1",
                                     "us-isof-south-1", "eusc-de-east-1", "il-central-1", "mx-central-1"};
  static const char *const bad[] = {"a", "1", "-", "--", "us-east", "us-east-", "us-east-10", "us-east-x", "us--1", "us-east-1-", "usa-east-1", "u-east-1", "US-EAST-1",
                                    "us-east1-1", "us-gov--1", "us-isobb-east-1-1", "eusc-east-1", "eusc-", "us-aaaaaaaaaaaaaaaaaaaaaaaaaaaa-1", " us-east-1"};
  mf_auth_error err;
  for (size_t i = 0; i < MF_COUNT(good) + MF_COUNT(bad); i++) {
    const char *region = i < MF_COUNT(good) ? good[i] : bad[i - MF_COUNT(good)];
    const char *line = mf_str_format(&arena, "AWS4-HMAC-SHA256 Credential=a/20150830/%s/service/aws4_request, SignedHeaders=host;x-amz-date, " SIGNATURE, region);
    assert_string_equal(judge(&vectors[0], mf_str_from(line), suite_time_s, &err), "InvalidSignatureException");
    const bool refused = strcmp(err.message, "Credential should be scoped to a valid region.") == 0;
    if (refused != (i >= MF_COUNT(good))) fail_msg("'%s': %s", region, err.message);
  }
}

// Signed as it says, over x-amz-date alone: refused for what the signature leaves out, not because it is wrong.
static void a_signature_that_leaves_out_the_host_is_refused(void **state) {
  (void)state;
  static const vector dated = {"date only", "GET", "/", "", "service", "", "", {DATE}};
  vector sent = vectors[0];
  mf_auth_error err;
  assert_string_equal(judge(&sent, sign(&dated, secret), suite_time_s, &err), "InvalidSignatureException");
  assert_string_equal(err.message, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
}

static int clean(void **state) {
  (void)state;
  mf_arena_deinit(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_client_signs_as_aws_published),
      cmocka_unit_test(the_server_accepts_what_aws_published),
      cmocka_unit_test(every_changed_digit_is_refused),
      cmocka_unit_test(a_signature_is_good_for_15_minutes_before_and_after),
      cmocka_unit_test(malformed_authorization_is_named),
      cmocka_unit_test(a_scope_names_a_region_of_aws_s_form),
      cmocka_unit_test(a_signature_that_leaves_out_the_host_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, clean);
}
