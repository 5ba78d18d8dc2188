// Hashes against published vectors: FIPS 180-4 / NIST CAVS, RFC 4231, RFC 4648.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"

static void sha256_of_abc_is_the_standards(void **state) {
  (void)state;
  uint8_t digest[MF_SHA256_BYTES];
  char hex[MF_SHA256_HEX + 1];
  mf_sha256("abc", 3, digest);
  mf_hex(digest, sizeof digest, hex);
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void hmac_of_rfc4231_case_2(void **state) {
  (void)state;
  uint8_t digest[MF_SHA256_BYTES];
  char hex[MF_SHA256_HEX + 1];
  mf_hmac_sha256((mf_slice){"Jefe", 4}, (mf_slice){"what do ya want for nothing?", 28}, digest);
  mf_hex(digest, sizeof digest, hex);
  assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

static void base64_reads_rfc4648_and_refuses_everything_else(void **state) {
  (void)state;
  char text[64];
  uint8_t bytes[64];
  size_t len;
  assert_int_equal(mf_base64_encode((mf_slice){"foobar", 6}, text), 8);
  assert_string_equal(text, "Zm9vYmFy");
  assert_true(mf_base64_decode(MF_STR("Zm9vYg=="), bytes, &len));
  assert_int_equal(len, 4);
  assert_memory_equal(bytes, "foob", 4);
  assert_false(mf_base64_decode(MF_STR("Zm9vYg="), bytes, &len));
  assert_false(mf_base64_decode(MF_STR("Zm9v Yg="), bytes, &len));
  assert_false(mf_base64_decode(MF_STR("Zm9v!!=="), bytes, &len));
}

static void uuid_has_version_4_and_its_variant(void **state) {
  (void)state;
  char uuid[MF_UUID_TEXT + 1];
  mf_uuid4(uuid);
  assert_int_equal(strlen(uuid), MF_UUID_TEXT);
  assert_int_equal(uuid[14], '4');
  assert_non_null(strchr("89ab", uuid[19]));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sha256_of_abc_is_the_standards),
      cmocka_unit_test(hmac_of_rfc4231_case_2),
      cmocka_unit_test(base64_reads_rfc4648_and_refuses_everything_else),
      cmocka_unit_test(uuid_has_version_4_and_its_variant),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
