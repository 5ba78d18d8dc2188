// Hashes: SHA-256 and HMAC (nettle) for names and signatures, XXH3 (xxhash) for checksums and hash tables, random bytes.
#ifndef MF_BASE_HASH_H
#define MF_BASE_HASH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "str.h"

enum { MF_SHA256_BYTES = 32, MF_SHA256_HEX = 64, MF_UUID_TEXT = 36 };

void mf_sha256(const void *data, size_t len, uint8_t digest[MF_SHA256_BYTES]);
// The whole file from its beginning (pread, the offset stays).
bool mf_sha256_fd(int fd, uint8_t digest[MF_SHA256_BYTES], mf_error *err) MF_MUST_CHECK;
// The same in pieces.
typedef struct mf_sha256_stream {
  uint64_t state[16];
} mf_sha256_stream;
void mf_sha256_begin(mf_sha256_stream *stream);
void mf_sha256_add(mf_sha256_stream *stream, const void *data, size_t len);
void mf_sha256_end(mf_sha256_stream *stream, uint8_t digest[MF_SHA256_BYTES]);
void mf_hmac_sha256(mf_slice key, mf_slice message, uint8_t digest[MF_SHA256_BYTES]);
bool mf_equal_constant_time(const void *a, const void *b, size_t len);

uint64_t mf_hash64(const void *data, size_t len, uint64_t seed);  // XXH3_64bits_withSeed

void mf_hex(const uint8_t *data, size_t len, char *out);  // 2 * len characters and a NUL, lower case
bool mf_unhex(mf_str hex, uint8_t *out);                  // hex.len / 2 bytes; false: not hex
size_t mf_base64_encode(mf_slice data, char *out);        // out: 4 * ((len + 2) / 3) characters + NUL; returns the length
// RFC 4648 with padding, blanks not allowed. out: 3 * (len / 4) bytes; returns false when text is not base64.
bool mf_base64_decode(mf_str text, uint8_t *out, size_t *out_len);

void mf_random(void *out, size_t len);                    // getrandom(2); cannot fail after boot
void mf_uuid4(char out[MF_UUID_TEXT + 1]);                // RFC 9562 §5.4
#endif
