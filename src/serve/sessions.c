// Temporary credentials without state: the session token says whom it stands for and until when, under a MAC whose key is derived from the
// root secret; access key and secret are derived from the token. So any number of them costs no memory, survives restarts, and ends with
// its time or with the key that asked for it. Whoever knows the root secret could make them, and need not.
#include "sessions.h"

#include <stdio.h>
#include <stdlib.h>

enum { VERSION = 1, FIELDS = 7, NONCE_BYTES = 16, TOKEN_TEXT = (MF_STS_TOKEN_BYTES - 4) / 4 * 3 - MF_SHA256_BYTES, SECRET_BYTES = 30, ID_LETTERS = 16 };

static void derive(mf_str root_secret, const char *purpose, mf_str text, uint8_t out[MF_SHA256_BYTES]) {
  uint8_t key[MF_SHA256_BYTES];
  mf_hmac_sha256((mf_slice){root_secret.data, root_secret.len}, (mf_slice){purpose, strlen(purpose)}, key);
  mf_hmac_sha256((mf_slice){key, sizeof key}, (mf_slice){text.data, text.len}, out);
}

static void derive_pair(mf_str root_secret, mf_str text, char access_key[24], char secret[48]) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  uint8_t digest[MF_SHA256_BYTES];
  derive(root_secret, "mayfly session id", text, digest);
  memcpy(access_key, "ASIA", 4);
  for (int i = 0; i < ID_LETTERS; i++) access_key[4 + i] = letters[digest[i] % 32];
  access_key[4 + ID_LETTERS] = 0;
  derive(root_secret, "mayfly session secret", text, digest);
  mf_base64_encode((mf_slice){digest, SECRET_BYTES}, secret);
}

void mf_session_make(mf_str root_secret, const mf_session *session, mf_sts_credentials *out) {
  uint8_t nonce[NONCE_BYTES], sealed[TOKEN_TEXT + MF_SHA256_BYTES];
  char hex[2 * NONCE_BYTES + 1], *text = (char *)sealed;
  mf_random(nonce, sizeof nonce);
  mf_hex(nonce, sizeof nonce, hex);
  const mf_sts_session *who = &session->who;
  const int len = snprintf(text, TOKEN_TEXT, "%d\n%lld\n%.*s\n%.*s\n%.*s\n%.*s\n%s", VERSION, (long long)session->expires_s,
                           MF_STR_ARG(session->parent), MF_STR_ARG(who->role_id), MF_STR_ARG(who->role_name),
                           MF_STR_ARG(who->session_name), hex);
  const size_t used = MF_MIN((size_t)len, (size_t)TOKEN_TEXT - 1);  // names are at most 64 letters: all of it fits
  const mf_str body = {text, used};
  derive_pair(root_secret, body, out->access_key, out->secret);
  derive(root_secret, "mayfly session token", body, sealed + used);
  mf_base64_encode((mf_slice){sealed, used + MF_SHA256_BYTES}, out->token);
}

static bool take_fields(mf_str text, mf_session *out) {
  mf_str fields[FIELDS];
  for (int i = 0; i < FIELDS; i++) {
    const char *newline = text.len ? memchr(text.data, '\n', text.len) : NULL;
    const size_t len = newline ? (size_t)(newline - text.data) : text.len, step = newline ? len + 1 : len;
    if (!newline && i + 1 < FIELDS) return false;
    fields[i] = (mf_str){text.data, len};
    text = (mf_str){text.data + step, text.len - step};
  }
  if (!mf_str_is(fields[0], "1")) return false;
  *out = (mf_session){.expires_s = strtoll(fields[1].data, NULL, 10), .parent = fields[2], .who = {fields[3], fields[4], fields[5]}};
  return true;
}

bool mf_session_open(mf_str root_secret, mf_str access_key, mf_str token, mf_arena *arena, mf_session *out, mf_str *secret) {
  if (token.len == 0 || token.len >= MF_STS_TOKEN_BYTES) return false;
  uint8_t *sealed = mf_arena_alloc(arena, token.len), expected[MF_SHA256_BYTES];
  mf_sts_credentials *made = MF_NEW(arena, mf_sts_credentials);
  size_t len;
  if (!sealed || !made || !mf_base64_decode(token, sealed, &len) || len <= MF_SHA256_BYTES) return false;
  const mf_str body = {(const char *)sealed, len - MF_SHA256_BYTES};
  derive(root_secret, "mayfly session token", body, expected);
  if (!mf_equal_constant_time(expected, sealed + body.len, MF_SHA256_BYTES) || !take_fields(body, out)) return false;
  derive_pair(root_secret, body, made->access_key, made->secret);
  *secret = mf_str_from(made->secret);
  return mf_str_is(access_key, made->access_key);
}
