// HTTP events and the forms in them: what is found is the body, whatever surrounds it, in the payload's own memory.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pipeline/http_event.h"
#include "pipeline/multipart.h"

#define EVENT(type, body, base64)                                                                                                  \
  "{\"version\":\"2.0\",\"rawPath\":\"/\",\"headers\":{\"accept\":\"*/*\",\"content-type\":\"" type "\"},\"requestContext\":{},\"body\":\"" body \
  "\",\"isBase64Encoded\":" base64 "}"
#define FORM "multipart/form-data; boundary=\\\"b\\\""
#define PART "--b\\r\\nContent-Disposition: form-data; name=\\\"f\\\"; filename=\\\"x\\\"\\r\\n\\r\\n"

static const struct {
  const char *payload, *body, *problem;  // body NULL: the payload is no event
} cases[] = {
    {EVENT("text/plain", "hello", "false"), "hello", NULL},
    {EVENT("text/plain", "{\\\"x\\\": \\\"\\u00e9\\ud83d\\ude00\\\"}", "false"), "{\"x\": \"é😀\"}", NULL},
    {EVENT("", "aGVsbG8=", "true"), "hello", NULL},
    {EVENT("", "aGVsb\\u0047\\u0038=", "true"), "hello", NULL},
    {EVENT("", "", "true"), "", NULL},
    {EVENT("", "?", "true"), NULL, "not base64"},
    {EVENT("", "aGVsbG8", "true"), NULL, "not base64"},
    {EVENT(FORM, PART "file\\r\\n--b--", "false"), "file", NULL},
    {EVENT(FORM, "LS1iDQpDb250ZW50LURpc3Bvc2l0aW9uOiBmb3JtLWRhdGE7IGZpbGVuYW1lPXgNCg0KAAENCi0tYi0t", "true"), NULL, NULL},
    {EVENT(FORM, "--b--", "false"), NULL, "holds no file"},
    {EVENT("application/x-www-form-urlencoded", "a=1&b=2", "false"), NULL, "application/x-www-form-urlencoded"},
    {EVENT("application/x-www-form-urlencoded", "{\\\"x\\\": \\\"=\\\"}", "false"), "{\"x\": \"=\"}", NULL},
    {EVENT("application/x-www-form-urlencoded; charset=utf-8", "[[1, 2]]", "false"), "[[1, 2]]", NULL},
    {"{\"requestContext\":{},\"version\":\"2.0\"}", "", NULL},
    {"{\"body\":\"x\",\"requestContext\":{\"a\":[{}]},\"version\":\"2.0\"}", "x", NULL},
    {"{\"version\":\"1.0\",\"requestContext\":{},\"body\":\"x\"}", NULL, ""},
    {"{\"version\":\"2.0\",\"requestContext\":1,\"body\":\"x\"}", NULL, ""},
    {"{\"x\":1,\"version\":\"2.0\",\"requestContext\":{},\"body\":\"x\"}", NULL, ""},
    {"{\"version\":\"2.0\",\"requestContext\":{},\"body\":\"x\"", NULL, ""},
    {"{\"version\":", NULL, ""},
    {"{", NULL, ""},
    {"", NULL, ""},
    {"[1]", NULL, ""},
};

static void bodies_are_found_in_events(void **state) {
  (void)state;
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    mf_http_event event;
    mf_error err = {.message = ""};
    const size_t len = strlen(cases[i].payload);
    char *own = malloc(len + 1);  // of its own size: reading beyond it is seen by a sanitizer
    memcpy(own, cases[i].payload, len);
    const bool ok = mf_http_event_open((mf_slice){own, len}, &event, &err), expects_body = cases[i].body != NULL;
    const bool is_plain = cases[i].problem && !*cases[i].problem;  // no event
    if (event.is_http == is_plain) fail_msg("%s: is_http %d", cases[i].payload, event.is_http);
    if (is_plain && (event.body.data != own || event.body.len != len)) fail_msg("%s: is not left as it is", cases[i].payload);
    if (expects_body && (!ok || !mf_str_is((mf_str){event.body.data, event.body.len}, cases[i].body)))
      fail_msg("%s: '%.*s' %s", cases[i].payload, ok ? (int)event.body.len : 0, (const char *)event.body.data, err.message);
    if (cases[i].problem && !is_plain && (ok || !strstr(err.message, cases[i].problem))) fail_msg("%s: %s", cases[i].payload, err.message);
    free(own);
  }
}

static void long_bodies_are_decoded_in_pieces(void **state) {
  (void)state;
  static const char head[] = "{\"version\":\"2.0\",\"requestContext\":{},\"isBase64Encoded\":true,\"body\":\"";
  for (size_t n = 3060; n < 3090; n++) {
    mf_http_event event;
    mf_error err;
    uint8_t bytes[4096];
    char payload[8192];
    for (size_t i = 0; i < n; i++) bytes[i] = (uint8_t)(i * 7);
    size_t len = sizeof head - 1;
    memcpy(payload, head, len);
    len += mf_base64_encode((mf_slice){bytes, n}, payload + len);
    memcpy(payload + len, "\"}", 2);
    assert_true(mf_http_event_open((mf_slice){payload, len + 2}, &event, &err));
    assert_int_equal(event.body.len, n);
    assert_memory_equal(event.body.data, bytes, n);
  }
  char padded[8192];  // padding in the middle of a text, where one piece ends
  mf_http_event event;
  mf_error err;
  memcpy(padded, head, sizeof head - 1);
  memset(padded + sizeof head - 1, 'A', 4200);
  padded[sizeof head - 1 + 4095] = '=';
  memcpy(padded + sizeof head - 1 + 4200, "\"}", 2);
  assert_false(mf_http_event_open((mf_slice){padded, sizeof head - 1 + 4202}, &event, &err));
}

static void refusals_are_responses(void **state) {
  (void)state;
  mf_error err;
  size_t len = 0;
  char *out = malloc(1 << 16);
  (void)mf_fail(&err, MF_InvalidInput, "a \"quoted\"\nreason \xff");
  assert_true(mf_http_event_refuse(&err, out, 1 << 16, &len));
  out[len] = 0;
  assert_string_equal(out, "{\"statusCode\":400,\"headers\":{\"content-type\":\"application/json\"},\"body\":\"{\\\"errorMessage\\\":\\\"a "
                           "\\\\\\\"quoted\\\\\\\"\\\\u000areason ?\\\",\\\"errorType\\\":\\\"Mayfly.InvalidInput\\\"}\"}");
  assert_false(mf_http_event_refuse(&err, out, 100, &len));
  (void)mf_fail(&err, MF_OutOfMemory, "no memory");
  assert_false(mf_http_event_refuse(&err, out, 1 << 16, &len));
  free(out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bodies_are_found_in_events),
      cmocka_unit_test(long_bodies_are_decoded_in_pieces),
      cmocka_unit_test(refusals_are_responses),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
