// The arithmetic of Signature Version 4, used by both ends: signing key, canonical request, string to sign; and the client's end,
// which signs every header it is given.
#include <stdlib.h>
#include <string.h>

#include "canonical.h"
#include "sigv4.h"

void mf_sigv4_key(mf_str secret, mf_str date, mf_str region, mf_str service, uint8_t key[MF_SHA256_BYTES]) {
  char start[260] = "AWS4";
  size_t len = MF_MIN(secret.len, sizeof start - 4);
  if (len > 0) memcpy(start + 4, secret.data, len);
  mf_hmac_sha256((mf_slice){start, 4 + len}, (mf_slice){date.data, date.len}, key);
  mf_hmac_sha256((mf_slice){key, MF_SHA256_BYTES}, (mf_slice){region.data, region.len}, key);
  mf_hmac_sha256((mf_slice){key, MF_SHA256_BYTES}, (mf_slice){service.data, service.len}, key);
  mf_hmac_sha256((mf_slice){key, MF_SHA256_BYTES}, (mf_slice){"aws4_request", 12}, key);
}

static bool canonical_request(mf_buf *out, const mf_sigv4_request *request, const mf_signature *signature, mf_str payload,
                              mf_arena *arena) {
  mf_buf_reserve(out, 1024);
  mf_buf_str(out, request->method);
  mf_buf_text(out, "\n");
  mf_canonical_path(out, request->target, mf_str_is(signature->service, "s3"), arena);
  mf_buf_text(out, "\n");
  if (!mf_canonical_query(out, request->query, arena)) return false;
  mf_buf_text(out, "\n");
  mf_canonical_headers(out, request, signature->signed_headers);
  mf_buf_text(out, "\n");
  mf_buf_str(out, signature->signed_headers);
  mf_buf_text(out, "\n");
  mf_buf_str(out, payload);
  return !out->failed;
}

bool mf_sigv4_compute(const mf_sigv4_request *request, const mf_signature *signature, mf_str payload,
                      const uint8_t key[MF_SHA256_BYTES], mf_arena *arena, uint8_t result[MF_SHA256_BYTES]) {
  mf_buf text = {.arena = arena};
  if (!canonical_request(&text, request, signature, payload, arena)) return false;
  uint8_t digest[MF_SHA256_BYTES];
  char hex[MF_SHA256_HEX + 1];
  mf_sha256(text.data, text.len, digest);
  mf_hex(digest, sizeof digest, hex);
  text.len = 0;
  mf_buf_text(&text, "AWS4-HMAC-SHA256\n");
  mf_buf_text(&text, signature->amz_date);
  mf_buf_text(&text, "\n");
  mf_buf_str(&text, signature->date);
  mf_buf_text(&text, "/");
  mf_buf_str(&text, signature->region);
  mf_buf_text(&text, "/");
  mf_buf_str(&text, signature->service);
  mf_buf_text(&text, "/aws4_request\n");
  mf_buf_text(&text, hex);
  if (text.failed) return false;
  mf_hmac_sha256((mf_slice){key, MF_SHA256_BYTES}, (mf_slice){text.data, text.len}, result);
  return true;
}

static int compare_names(const void *a, const void *b) {
  const char *const *x = a, *const *y = b;
  return strcmp(*x, *y);
}

// "content-type;host;x-amz-date": lower case, sorted, each once.
static bool all_headers(const mf_sigv4_request *request, mf_arena *arena, mf_buf *out) {
  const char **names = MF_NEW_ARRAY(arena, const char *, request->n_headers);
  if (!names) return false;
  for (uint32_t i = 0; i < request->n_headers; i++) {
    char *name = (char *)(uintptr_t)mf_str_copy(arena, mf_str_from(request->headers[i].name)).data;
    if (!name) return false;
    for (char *c = name; *c; c++)
      if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
    names[i] = name;
  }
  qsort(names, request->n_headers, sizeof *names, compare_names);
  for (uint32_t i = 0; i < request->n_headers; i++) {
    if (i > 0 && strcmp(names[i], names[i - 1]) == 0) continue;
    if (i > 0) mf_buf_text(out, ";");
    mf_buf_text(out, names[i]);
  }
  return !out->failed;
}

bool mf_sigv4_sign(const mf_sigv4_request *request, mf_str access_key, mf_str secret, mf_str region, mf_str service, mf_str amz_date,
                   mf_arena *arena, mf_str *authorization, mf_error *err) {
  mf_signature signature = {.access_key = access_key, .region = region, .service = service};
  if (amz_date.len != 16) return mf_fail(err, MF_Usage, "x-amz-date '%.*s' is not of the form 20261125T103000Z", MF_STR_ARG(amz_date));
  memcpy(signature.amz_date, amz_date.data, 16);
  signature.date = (mf_str){amz_date.data, 8};
  mf_buf names = {.arena = arena}, out = {.arena = arena};
  uint8_t key[MF_SHA256_BYTES], result[MF_SHA256_BYTES];
  char payload[MF_SHA256_HEX + 1], hex[MF_SHA256_HEX + 1];
  mf_hex(request->payload_sha256, MF_SHA256_BYTES, payload);
  mf_sigv4_key(secret, signature.date, region, service, key);
  bool done = all_headers(request, arena, &names);
  signature.signed_headers = mf_buf_view(&names);
  if (!done || !mf_sigv4_compute(request, &signature, mf_str_from(payload), key, arena, result))
    return mf_fail(err, MF_OutOfMemory, "no memory to sign a request");
  mf_hex(result, sizeof result, hex);
  mf_buf_format(&out, "AWS4-HMAC-SHA256 Credential=%.*s/%.8s/%.*s/%.*s/aws4_request, SignedHeaders=%.*s, Signature=%s",
                MF_STR_ARG(access_key), amz_date.data, MF_STR_ARG(region), MF_STR_ARG(service), MF_STR_ARG(signature.signed_headers), hex);
  if (out.failed) return mf_fail(err, MF_OutOfMemory, "no memory to sign a request");
  *authorization = mf_buf_view(&out);
  return true;
}
