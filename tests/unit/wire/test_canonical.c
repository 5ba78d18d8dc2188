// Percent-coding and query splitting on the shapes that strangers send; host names against rebinding.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "wire/canonical.h"
#include "wire/server.h"

static mf_arena arena;

static void percent_decoding_leaves_what_is_not_encoded(void **state) {
  (void)state;
  static const char *const cases[][2] = {{"a%20b", "a b"}, {"%", "%"}, {"%4", "%4"}, {"%zz", "%zz"}, {"%41%", "A%"}, {"a+b", "a+b"}, {"%2f%2F", "//"}, {"", ""}};
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    mf_str decoded = mf_percent_decode(&arena, mf_str_from(cases[i][0]));
    assert_int_equal(decoded.len, strlen(cases[i][1]));
    assert_memory_equal(decoded.data, cases[i][1], decoded.len);
  }
}

static void queries_are_decoded_encoded_and_sorted(void **state) {
  (void)state;
  static const char *const cases[][2] = {
      {"b=2&a=1", "a=1&b=2"},           {"uploads", "uploads="},          {"a=b=c", "a=b%3Dc"},
      {"a-b=1&a=2", "a=2&a-b=1"},       {"x=%7e%2a", "x=~%2A"},           {"&&a=1&", "a=1"},
      {"a=2&a=1&a=", "a=&a=1&a=2"},     {"X-Amz-Signature=1&z=1", "z=1"}, {"q=%E2%82%AC", "q=%E2%82%AC"}};
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    mf_buf out = {.arena = &arena};
    assert_true(mf_canonical_query(&out, mf_str_from(cases[i][0]), &arena));
    mf_buf_append(&out, "", 1);
    assert_string_equal(out.data, cases[i][1]);
  }
}

static void only_our_own_host_names_are_served(void **state) {
  (void)state;
  mf_wire *wire = calloc(1, sizeof *wire);
  strcpy(wire->listen_host, "shop.example");
  strcpy(wire->host_name, "backroom");
  static const char *const ours[] = {"", "127.0.0.1", "127.0.0.1:4566", "[::1]:4566", "[::1]", "localhost", "LocalHost:80", "x.localhost:1",
                                     "lambda.us-east-1.amazonaws.com", "shop.example:4566", "backroom", "10.1.2.3:4566", "localhost."};
  static const char *const others[] = {"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:4566", "amazonaws.com", ".localhost",
                                       "xamazonaws.com", "[::1", "[evil]:1", "127.0.0", ":4566", "999.1.1.1"};
  for (size_t i = 0; i < MF_COUNT(ours); i++)
    if (!mf_wire_host_is_ours(wire, mf_str_from(ours[i]))) fail_msg("'%s' was refused", ours[i]);
  for (size_t i = 0; i < MF_COUNT(others); i++)
    if (mf_wire_host_is_ours(wire, mf_str_from(others[i]))) fail_msg("'%s' was taken", others[i]);
  free(wire);
}

static int clean(void **state) {
  (void)state;
  mf_arena_deinit(&arena);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(percent_decoding_leaves_what_is_not_encoded),
      cmocka_unit_test(queries_are_decoded_encoded_and_sorted),
      cmocka_unit_test(only_our_own_host_names_are_served),
  };
  return cmocka_run_group_tests(tests, NULL, clean);
}
