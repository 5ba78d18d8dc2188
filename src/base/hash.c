// Thin faces of nettle and xxhash, so that no other file names them.
#include "hash.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include <xxhash.h>

void mf_sha256(const void *data, size_t len, uint8_t digest[MF_SHA256_BYTES]) {
  struct sha256_ctx ctx;
  sha256_init(&ctx);
  sha256_update(&ctx, len, data);
  sha256_digest(&ctx, MF_SHA256_BYTES, digest);
}

static struct sha256_ctx *context_of(mf_sha256_stream *stream) {
  _Static_assert(sizeof(struct sha256_ctx) <= sizeof(mf_sha256_stream), "room for nettle's state");
  return (struct sha256_ctx *)(void *)stream->state;
}

void mf_sha256_begin(mf_sha256_stream *stream) { sha256_init(context_of(stream)); }

void mf_sha256_add(mf_sha256_stream *stream, const void *data, size_t len) {
  sha256_update(context_of(stream), len, data);
}

void mf_sha256_end(mf_sha256_stream *stream, uint8_t digest[MF_SHA256_BYTES]) {
  sha256_digest(context_of(stream), MF_SHA256_BYTES, digest);
}

bool mf_sha256_fd(int fd, uint8_t digest[MF_SHA256_BYTES], mf_error *err) {
  struct sha256_ctx ctx;
  sha256_init(&ctx);
  uint8_t piece[65536];
  for (off_t offset = 0;;) {
    ssize_t n = pread(fd, piece, sizeof piece, offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return mf_fail_errno(err, "cannot read a file to hash it");
    if (n == 0) break;
    sha256_update(&ctx, (size_t)n, piece);
    offset += n;
  }
  sha256_digest(&ctx, MF_SHA256_BYTES, digest);
  return true;
}

void mf_hmac_sha256(mf_slice key, mf_slice message, uint8_t digest[MF_SHA256_BYTES]) {
  struct hmac_sha256_ctx ctx;
  hmac_sha256_set_key(&ctx, key.len, key.data);
  hmac_sha256_update(&ctx, message.len, message.data);
  hmac_sha256_digest(&ctx, MF_SHA256_BYTES, digest);
}

bool mf_equal_constant_time(const void *a, const void *b, size_t len) { return memeql_sec(a, b, len) != 0; }

uint64_t mf_hash64(const void *data, size_t len, uint64_t seed) { return XXH3_64bits_withSeed(data, len, seed); }

void mf_hex(const uint8_t *data, size_t len, char *out) {
  static const char digits[] = "0123456789abcdef";
  for (size_t i = 0; i < len; i++) {
    out[2 * i] = digits[data[i] >> 4];
    out[2 * i + 1] = digits[data[i] & 15];
  }
  out[2 * len] = 0;
}

static int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool mf_unhex(mf_str hex, uint8_t *out) {
  if (hex.len % 2 != 0) return false;
  for (size_t i = 0; i < hex.len; i += 2) {
    int high = nibble(hex.data[i]), low = nibble(hex.data[i + 1]);
    if (high < 0 || low < 0) return false;
    out[i / 2] = (uint8_t)(high << 4 | low);
  }
  return true;
}

size_t mf_base64_encode(mf_slice data, char *out) {
  size_t len = BASE64_ENCODE_RAW_LENGTH(data.len);
  base64_encode_raw(out, data.len, data.data);
  out[len] = 0;
  return len;
}

bool mf_base64_decode(mf_str text, uint8_t *out, size_t *out_len) {
  if (text.len % 4 != 0) return false;
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] <= ' ') return false;  // nettle skips blanks
  struct base64_decode_ctx ctx;
  base64_decode_init(&ctx);
  size_t capacity = text.len / 4 * 3;
  *out_len = capacity;
  return base64_decode_update(&ctx, out_len, out, text.len, text.data) && base64_decode_final(&ctx);
}

void mf_random(void *out, size_t len) {
  char *p = out;
  while (len > 0) {
    ssize_t n = getrandom(p, len, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) abort();  // cannot happen on a kernel that has getrandom(2)
    p += n;
    len -= (size_t)n;
  }
}

void mf_uuid4(char out[MF_UUID_TEXT + 1]) {
  uint8_t bytes[16];
  char hex[33];
  mf_random(bytes, sizeof bytes);
  bytes[6] = (uint8_t)(0x40 | (bytes[6] & 0x0f));
  bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
  mf_hex(bytes, sizeof bytes, hex);
  snprintf(out, MF_UUID_TEXT + 1, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}
