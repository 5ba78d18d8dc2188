// Answers of functions as HTTP responses. What a hostile function may try: headers out of thin air, broken JSON, absurd numbers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "services/lambda/url_response.h"

// "200|content-type: application/json|body"; "unusable".
static const char *read_response(const char *answer, size_t len, mf_arena *arena) {
  mf_url_response r;
  mf_buf out = {.arena = arena};
  if (!mf_url_response_read((mf_slice){answer, len}, arena, &r)) return "unusable";
  mf_buf_format(&out, "%d", r.status);
  for (uint32_t i = 0; i < r.n_headers; i++) mf_buf_format(&out, "|%s: %.*s", r.headers[i].name, MF_STR_ARG(r.headers[i].value));
  mf_buf_text(&out, "|");
  mf_buf_append(&out, r.body.data, r.body.len);
  mf_buf_append(&out, "", 1);
  return out.data;
}

#define JSON "|Content-Type: application/json|"
static const struct {
  const char *answer, *response;
} cases[] = {
    // recorded: TestLambdaURL::test_lambda_url_invocation
    {"{\"hello\":\"world\"}", "200" JSON "{\"hello\":\"world\"}"},
    {"{\"statusCode\":200,\"body\":\"body123\"}", "200" JSON "body123"},
    {"{\"statusCode\":200,\"body\":\"{\\\"hello\\\": \\\"world\\\"}\"}", "200" JSON "{\"hello\": \"world\"}"},
    {"[\"hello\",3,true]", "200" JSON "[\"hello\",3,true]"},
    {"\"hello\"", "200" JSON "hello"},
    {"3", "200" JSON "3"},
    {"3.1", "200" JSON "3.1"},
    {"true", "200" JSON "true"},
    // documented
    {"{\"statusCode\":201,\"headers\":{\"Content-Type\":\"text/html\",\"X-A\":\"b\"},\"body\":\"<p>\",\"cookies\":[\"a=1\",\"b=2\"]}",
     "201|Content-Type: text/html|X-A: b|set-cookie: a=1|set-cookie: b=2|<p>"},
    {" { \"statusCode\" : \"404\" , \"body\" : null , \"headers\" : null } ", "404" JSON},
    {"{\"statusCode\":302,\"headers\":{\"location\":\"/x\",\"x-n\":7,\"x-t\":true,\"x-none\":null}}",
     "302|location: /x|x-n: 7|x-t: true" JSON},
    {"{\"statusCode\":200,\"isBase64Encoded\":true,\"body\":\"aGVsbG8=\",\"headers\":{\"content-type\":\"image/png\"}}",
     "200|content-type: image/png|hello"},
    {"{\"statusCode\":200,\"isBase64Encoded\":false,\"body\":\"aGVsbG8=\"}", "200" JSON "aGVsbG8="},
    {"{\"a\":{\"statusCode\":500},\"b\":[\"statusCode\"]}", "200" JSON "{\"a\":{\"statusCode\":500},\"b\":[\"statusCode\"]}"},
    {"{\"statusCode\":200,\"body\":\"\\u00e9\\ud83d\\ude00\\n\\/\\ud800x\"}", "200" JSON "é😀\n/\xef\xbf\xbdx"},
    {"", "200" JSON},
    // what says where a message ends stays ours
    {"{\"statusCode\":200,\"headers\":{\"Content-Length\":\"0\",\"Transfer-Encoding\":\"chunked\",\"connection\":\"close\",\"Date\":\"x\","
     "\"x-amzn-RequestId\":\"x\"}}", "200" JSON},
    // unusable
    {"{\"statusCode\":200,\"headers\":{\"x-a\":\"b\\r\\nset-cookie: c\"}}", "unusable"},
    {"{\"statusCode\":200,\"headers\":{\"x-a\":\"b\\u0000\"}}", "unusable"},
    {"{\"statusCode\":200,\"headers\":{\"x a\":\"b\"}}", "unusable"},
    {"{\"statusCode\":200,\"headers\":{\"x\\u0000a\":\"b\"}}", "unusable"},
    {"{\"statusCode\":200,\"headers\":{\"\":\"b\"}}", "unusable"},
    {"{\"statusCode\":200,\"headers\":{\"x-a\":[\"b\"]}}", "unusable"},
    {"{\"statusCode\":200,\"headers\":[]}", "unusable"},
    {"{\"statusCode\":200,\"cookies\":[\"a\\n\"]}", "unusable"},
    {"{\"statusCode\":200,\"cookies\":[1]}", "unusable"},
    {"{\"statusCode\":200,\"body\":{\"a\":1}}", "unusable"},
    {"{\"statusCode\":200,\"isBase64Encoded\":true,\"body\":\"???\"}", "unusable"},
    {"{\"statusCode\":200,\"isBase64Encoded\":\"yes\",\"body\":\"\"}", "unusable"},
    {"{\"statusCode\":100}", "unusable"},
    {"{\"statusCode\":600}", "unusable"},
    {"{\"statusCode\":2e2}", "unusable"},
    {"{\"statusCode\":1000}", "unusable"},
    {"{\"statusCode\":null}", "unusable"},
    {"{\"statusCode\":[200]}", "unusable"},
    {"{\"statusCode\":200", "unusable"},
    {"{\"statusCode\":200}}", "unusable"},
    {"{\"statusCode\":200,}", "unusable"},
    {"{\"statusCode\":200,\"body\":\"\\q\"}", "unusable"},
    {"{\"statusCode\":200,\"body\":\"\\u00g0\"}", "unusable"},
    {"{\"statusCode\":200,\"body\":\"x\\\"}", "unusable"},
    {"{\"statusCode\":200,\"x\":[[[{]}", "unusable"},
    {"\"open", "unusable"},
    {"\"a\" \"b\"", "unusable"},
};

static void answers_become_responses(void **state) {
  (void)state;
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    mf_arena arena;
    mf_arena_init(&arena, 0);
    char *own = malloc(strlen(cases[i].answer) + 1);  // of its own size: reading beyond it is seen by a sanitizer
    const size_t len = strlen(cases[i].answer);
    memcpy(own, cases[i].answer, len);
    const char *found = read_response(own, len, &arena);
    if (strcmp(found, cases[i].response) != 0) fail_msg("%s: %s, expected %s", cases[i].answer, found, cases[i].response);
    free(own);
    mf_arena_deinit(&arena);
  }
}

static void every_prefix_of_an_answer_is_survived(void **state) {
  (void)state;
  static const char whole[] =
      "{\"statusCode\":200,\"headers\":{\"x\":\"\\ud83d\\ude00\"},\"cookies\":[\"a\"],\"body\":\"aGk=\",\"isBase64Encoded\":true,\"z\":[1]}";
  for (size_t len = 0; len < sizeof whole - 1; len++) {
    mf_arena arena;
    char *own = malloc(len + 1);
    mf_arena_init(&arena, 0);
    memcpy(own, whole, len);
    const char *found = read_response(own, len, &arena);
    if (len > 13 && strcmp(found, "unusable") != 0) fail_msg("%.*s: %s", (int)len, whole, found);
    free(own);
    mf_arena_deinit(&arena);
  }
}

static void headers_are_bounded(void **state) {
  (void)state;
  static const struct {
    int count, bytes;
    bool usable;
  } limits[] = {{MF_URL_HEADERS, 1, true}, {MF_URL_HEADERS + 1, 1, false}, {10, 900, true}, {10, 1100, false}};
  for (size_t i = 0; i < MF_COUNT(limits); i++) {
    mf_arena arena;
    mf_url_response r;
    mf_arena_init(&arena, 0);
    mf_buf out = {.arena = &arena};
    mf_buf_text(&out, "{\"statusCode\":200,\"headers\":{");
    for (int at = 0; at < limits[i].count; at++) mf_buf_format(&out, "%s\"h%d\":\"%0*d\"", at ? "," : "", at, limits[i].bytes, 0);
    mf_buf_text(&out, "}}");
    assert_int_equal(mf_url_response_read((mf_slice){out.data, out.len}, &arena, &r), limits[i].usable);
    mf_arena_deinit(&arena);
  }
}

static void no_memory_is_no_response(void **state) {
  (void)state;
  static const char answer[] = "{\"statusCode\":200,\"headers\":{\"x\":\"y\"},\"cookies\":[\"a\"],\"body\":\"aGk=\",\"isBase64Encoded\":true}";
  bool done = false;
  for (size_t bytes = 0; !done && bytes < 1 << 16; bytes += 16) {
    mf_arena arena;
    mf_url_response r;
    char memory[1 << 16];
    mf_arena_init_fixed(&arena, memory, bytes);
    done = mf_url_response_read((mf_slice){answer, sizeof answer - 1}, &arena, &r);
  }
  assert_true(done);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answers_become_responses),
      cmocka_unit_test(every_prefix_of_an_answer_is_survived),
      cmocka_unit_test(headers_are_bounded),
      cmocka_unit_test(no_memory_is_no_response),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
