// Cutting a package out of a request: the scanner finds the string that jansson finds, whatever stands around it; decoding is base64's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
#include <jansson.h>

#include "services/lambda/upload.h"

static void expect(const char *json, const char *inside, const char *wanted) {
  mf_str value = {0};
  bool found = false;
  bool ok = mf_scan_member(mf_str_from(json), inside, "ZipFile", &value, &found);
  if (found != (wanted != NULL) || (wanted && (!ok || !mf_str_is(value, wanted)))) fail_msg("%s", json);
}

static void the_member_is_found_where_it_belongs_and_nowhere_else(void **state) {
  (void)state;
  expect("{\"ZipFile\":\"QUJD\"}", NULL, "QUJD");
  expect(" { \"a\" : 1 , \"ZipFile\" : \"QUJD\" , \"b\" : [1, {\"ZipFile\": \"x\"}] } ", NULL, "QUJD");
  expect("{\"Code\": {\"S3Key\": null, \"ZipFile\": \"QUJD\"}, \"x\": true}", "Code", "QUJD");
  expect("{\"x\": {\"Code\": {\"ZipFile\": \"no\"}}, \"Code\": {\"ZipFile\": \"yes\"}}", "Code", "yes");
  expect("{\"x\": \"\\\"Code\\\": {\\\"ZipFile\\\": 1}\", \"Code\": {\"ZipFile\": \"yes\"}}", "Code", "yes");
  expect("{\"x\": \"ends in a backslash \\\\\", \"Code\": {\"ZipFile\": \"yes\"}}", "Code", "yes");
  expect("{\"x\": -1.5e3, \"y\": [[], {}], \"ZipFile\": \"yes\"}", NULL, "yes");
  expect("{\"Code\": {\"ZipFile\": \"no\"}}", NULL, NULL);
  expect("{\"ZipFile\": \"no\"}", "Code", NULL);
  expect("{\"Code\": \"text\", \"ZipFile\": \"no\"}", "Code", NULL);
  expect("{\"ZipFile\": 7}", NULL, NULL);
  expect("{}", NULL, NULL);
  expect("[\"ZipFile\", \"x\"]", NULL, NULL);
}

// What is no JSON is refused or left to the parser, and never read beyond its end (the copy has nothing behind it: a sanitizer sees).
static void broken_text_is_safe(void **state) {
  (void)state;
  const char *whole = "{\"a\": [1, \"x\\\"y\"], \"Code\": {\"b\": null, \"ZipFile\": \"QUJDRA==\"}, \"c\": {}}";
  size_t len = strlen(whole);
  srand(3);
  for (int round = 0; round < 20000; round++) {
    size_t cut = (size_t)rand() % (len + 1);
    char *copy = malloc(cut ? cut : 1);
    memcpy(copy, whole, cut);
    if (cut > 0) copy[(size_t)rand() % cut] = "{}[]\",:\\x "[rand() % 10];
    mf_str value = {0};
    bool found = false;
    if (mf_scan_member((mf_str){copy, cut}, "Code", "ZipFile", &value, &found) && found)
      assert_true(value.data >= copy && value.data + value.len <= copy + cut);
    free(copy);
  }
}

static bool decode(const char *text, size_t len, uint8_t *out, size_t capacity, size_t *out_len) {
  mf_error err;
  const mf_upload upload = {.text = text, .text_len = len};
  int fd = memfd_create("decoded", 0);
  bool ok = mf_upload_decode(&upload, fd, &err);
  ssize_t n = pread(fd, out, capacity, 0);
  *out_len = (size_t)n;
  close(fd);
  if (!ok) assert_int_equal(err.code, MF_InvalidRequest);
  return ok;
}

static void decoding_is_base64(void **state) {
  (void)state;
  enum { MOST = 200000 };
  uint8_t *bytes = malloc(MOST), *out = malloc(MOST + 10);
  char *text = malloc(MOST * 2);
  srand(5);
  for (size_t i = 0; i < MOST; i++) bytes[i] = (uint8_t)rand();
  const size_t sizes[] = {0, 1, 2, 3, 4, 49151, 49152, 49153, 98304, MOST};
  for (size_t i = 0; i < MF_COUNT(sizes); i++) {
    size_t len = mf_base64_encode((mf_slice){bytes, sizes[i]}, text), got;
    const mf_upload upload = {.text = text, .text_len = len};
    assert_int_equal(mf_upload_bytes(&upload), sizes[i]);
    assert_true(decode(text, len, out, MOST + 10, &got));
    assert_int_equal(got, sizes[i]);
    assert_memory_equal(out, bytes, got);
  }
  size_t got;
  assert_true(decode("Pz8\\/", 5, out, MOST, &got));  // "/" escaped, as PHP writes it
  assert_memory_equal(out, "???", 3);
  for (size_t i = 0; i < 4; i++) {
    static const char *const wrong[] = {"QUJ", "QU J", "Q*JD", "QUI=QUJD"};
    assert_false(decode(wrong[i], strlen(wrong[i]), out, MOST, &got));
  }
  free(bytes);
  free(out);
  free(text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_member_is_found_where_it_belongs_and_nowhere_else),
      cmocka_unit_test(broken_text_is_safe),
      cmocka_unit_test(decoding_is_base64),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
