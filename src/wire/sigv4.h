// AWS Signature Version 4: finding a signature in a request, and judging it in two steps, since key, scope and date must be known
// good before a body is taken and the signature covers the body.
#ifndef MF_WIRE_SIGV4_H
#define MF_WIRE_SIGV4_H

#include "wire.h"

typedef struct mf_signature {
  bool present;                  // false: the request is unsigned, the rest is empty
  bool presigned;                // in the query
  mf_str access_key, date, region, service;  // of the credential scope
  mf_str signed_headers;
  uint8_t signature[MF_SHA256_BYTES];
  char amz_date[17];             // 20261125T103000Z
  int64_t signed_at_s;           // the same since 1970
  int64_t expires_s;             // presigned only
  mf_str payload_hash;           // x-amz-content-sha256, "" if absent
  mf_str session_token;          // of temporary credentials, "" if absent
} mf_signature;

typedef struct mf_auth_error {
  const char *code;              // MissingAuthenticationTokenException, …
  char message[512];
} mf_auth_error;

// Derived signing keys: four HMACs that are the same for every request of a key, day, region and service.
enum { MF_SIGNING_KEYS = 16, MF_SIGNING_KEY_NAME = 384 };
typedef struct mf_signing_keys {
  struct {
    char name[MF_SIGNING_KEY_NAME];  // secret, date, region and service, separated by newlines
    size_t name_len;
    uint8_t key[MF_SHA256_BYTES];
  } entries[MF_SIGNING_KEYS];
  uint32_t next;
} mf_signing_keys;

// Header or query form. false: there is one, and it is malformed. Strings lie in the request or in the arena.
bool mf_signature_find(const mf_sigv4_request *request, mf_arena *arena, mf_signature *signature, mf_auth_error *err) MF_MUST_CHECK;
// Date, scope and signed headers, before the body is read.
bool mf_signature_is_current(const mf_signature *signature, const mf_sigv4_request *request, int64_t now_s,
                             mf_auth_error *err) MF_MUST_CHECK;
// Does the head say what is signed for the body? Then the signature can be judged before the body has come, and the body by itself.
bool mf_signature_names_payload(const mf_signature *signature);
// The body against the hash that the head names, if it does.
bool mf_signature_fits_payload(const mf_signature *signature, const uint8_t payload_sha256[MF_SHA256_BYTES], mf_auth_error *err) MF_MUST_CHECK;
// The signature itself; request->payload_sha256 is the body's, and not looked at when the head names it.
bool mf_signature_is_right(const mf_signature *signature, const mf_sigv4_request *request, mf_str secret, mf_signing_keys *keys,
                           mf_arena *arena, mf_auth_error *err) MF_MUST_CHECK;

bool mf_auth_fail(mf_auth_error *err, const char *code, const char *format, ...) MF_PRINTF(3, 4);

// What is hashed and signed, from the parts (sigv4_sign.c). payload: the last line of the canonical request.
bool mf_sigv4_compute(const mf_sigv4_request *request, const mf_signature *signature, mf_str payload,
                      const uint8_t key[MF_SHA256_BYTES], mf_arena *arena, uint8_t result[MF_SHA256_BYTES]) MF_MUST_CHECK;
void mf_sigv4_key(mf_str secret, mf_str date, mf_str region, mf_str service, uint8_t key[MF_SHA256_BYTES]);
#endif
