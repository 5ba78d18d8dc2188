// A cursor over JSON text (RFC 8259) for the hot path: nothing is copied, nothing is allocated,
// nothing recurses. Texts are checked for UTF-8 and escapes as they are passed. Control-plane JSON
// (mayfly.json, config.json) is read with jansson instead.
#ifndef MF_PIPELINE_JSON_H
#define MF_PIPELINE_JSON_H

#include "decimal.h"

typedef struct mf_json {
  const char *at, *end, *start;
} mf_json;

typedef struct mf_json_text {
  mf_str raw;    // between the quotes
  bool escaped;  // contains a backslash
} mf_json_text;

static inline void mf_json_blank(mf_json *json) {
  while (json->at < json->end &&
         (*json->at == ' ' || *json->at == '\n' || *json->at == '\r' || *json->at == '\t'))
    json->at++;
}
// The next character that is no blank, 0 at the end.
static inline char mf_json_peek(mf_json *json) {
  mf_json_blank(json);
  return json->at < json->end ? *json->at : 0;
}
static inline bool mf_json_take(mf_json *json, char c) {
  if (mf_json_peek(json) != c || json->at == json->end) return false;
  json->at++;
  return true;
}

// InvalidInput: "payload is no valid JSON at byte 12: <what>, found 'x'".
bool mf_json_fail(const mf_json *json, const char *what, mf_error *err);
bool mf_json_string(mf_json *json, mf_json_text *text, mf_error *err) MF_MUST_CHECK;
// "name": of an object's member.
bool mf_json_key(mf_json *json, mf_json_text *key, mf_error *err) MF_MUST_CHECK;
bool mf_json_word(mf_json *json, const char *word);  // true, false, null
// Passes any value; brackets must match and nest at most 64 deep, texts and numbers must be
// well-formed.
bool mf_json_skip(mf_json *json, mf_error *err) MF_MUST_CHECK;

// Unescaped bytes; out: room for text->raw.len bytes. Returns the length.
size_t mf_json_unescape(const mf_json_text *text, char *out);
bool mf_json_text_is(const mf_json_text *text, mf_str other);

// The object {"b64": "…"} at the cursor: raw bytes inside JSON. Decoding writes mf_json_b64_bytes;
// InvalidInput when the text is not base64 (RFC 4648 §4). Escapes are understood, since some
// encoders write "\/" for '/' and "\u002B" for '+'.
bool mf_json_b64(mf_json *json, mf_json_text *text, mf_error *err) MF_MUST_CHECK;
bool mf_json_is_b64(const mf_json *json);  // does one begin here?
size_t mf_json_b64_bytes(const mf_json_text *text);
bool mf_json_b64_decode(const mf_json_text *text, uint8_t *out, size_t *len,
                        mf_error *err) MF_MUST_CHECK;

// Writes `text` with its quotes; out: room for 6 * len + 2 bytes.
size_t mf_json_quote(mf_str text, char *out);
#endif
