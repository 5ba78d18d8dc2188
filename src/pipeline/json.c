// The JSON cursor. Strings are scanned eight bytes at a time while they are plain ASCII.
#include "json.h"

enum { MAX_DEPTH = 64 };

bool mf_json_fail(const mf_json *json, const char *what, mf_error *err) {
  size_t at = (size_t)(json->at - json->start);
  if (json->at >= json->end)
    return mf_fail(err, MF_InvalidInput,
                   "payload is no valid JSON at byte %zu: expected %s, found its end", at, what);
  unsigned char c = (unsigned char)*json->at;
  if (c < ' ' || c >= 127)
    return mf_fail(err, MF_InvalidInput,
                   "payload is no valid JSON at byte %zu: expected %s, found byte 0x%02x", at, what,
                   c);
  int shown = 1;  // a word is shown whole: NaN says more than N
  while (shown < 12 && json->at + shown < json->end &&
         ((json->at[shown] | 32) >= 'a' && (json->at[shown] | 32) <= 'z'))
    shown++;
  if (!((c | 32) >= 'a' && (c | 32) <= 'z')) shown = 1;
  return mf_fail(err, MF_InvalidInput,
                 "payload is no valid JSON at byte %zu: expected %s, found '%.*s'", at, what, shown,
                 json->at);
}

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 32;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The four digits at p as a number, -1 if they are none.
static int32_t hex4(const char *p, const char *end) {
  int32_t value = 0;
  if (end - p < 4) return -1;
  for (int i = 0; i < 4; i++) {
    int digit = hex_value(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// Length of the escape at p (p[0] is the backslash) and its code point; 0 when it is malformed or
// half of a surrogate pair.
static size_t read_escape(const char *p, const char *end, uint32_t *code) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  if (end - p < 2) return 0;
  const char *simple = p[1] ? strchr(from, p[1]) : NULL;
  if (simple) {
    *code = (uint32_t)(unsigned char)to[simple - from];
    return 2;
  }
  int32_t high = p[1] == 'u' ? hex4(p + 2, end) : -1;
  if (high < 0 || (high >= 0xdc00 && high < 0xe000)) return 0;
  *code = (uint32_t)high;
  if (high < 0xd800 || high >= 0xe000) return 6;
  int32_t low = end - p >= 8 && p[6] == '\\' && p[7] == 'u' ? hex4(p + 8, end) : -1;
  if (low < 0xdc00 || low >= 0xe000) return 0;
  *code = 0x10000 + (((uint32_t)high - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
  return 12;
}

// Passes bytes that need no look: no quote, no backslash, no control character, nothing beyond
// ASCII.
static const char *skip_plain(const char *p, const char *end) {
  const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
  for (; end - p >= 8; p += 8) {
    uint64_t v;
    memcpy(&v, p, 8);
    uint64_t quote = v ^ (ones * '"'), slash = v ^ (ones * '\\');
    if ((v | (v - ones * 32) | (quote - ones) | (slash - ones)) & high) break;
  }
  while (p < end && (unsigned char)*p >= 32 && (unsigned char)*p < 127 && *p != '"' && *p != '\\')
    p++;
  return p;
}

bool mf_json_string(mf_json *json, mf_json_text *text, mf_error *err) {
  if (!mf_json_take(json, '"')) return mf_json_fail(json, "a text in double quotes", err);
  const char *start = json->at;
  bool beyond_ascii = false;
  uint32_t code;
  text->escaped = false;
  for (;;) {
    json->at = skip_plain(json->at, json->end);
    if (json->at == json->end) return mf_json_fail(json, "a closing quote", err);
    if (*json->at == '"') break;
    size_t step = 1;
    if (*json->at == '\\') {
      text->escaped = true;
      step = read_escape(json->at, json->end, &code);
      if (step == 0) return mf_json_fail(json, "an escape of JSON", err);
    } else if ((unsigned char)*json->at < 32) {
      return mf_json_fail(json, "no control character in a text", err);
    } else {
      beyond_ascii |= (unsigned char)*json->at >= 128;
    }
    json->at += step;
  }
  text->raw = (mf_str){start, (size_t)(json->at - start)};
  json->at++;
  if (!beyond_ascii || mf_str_is_utf8(text->raw)) return true;
  return mf_fail(err, MF_InvalidInput,
                 "payload is no valid JSON: the text at byte %zu is not UTF-8",
                 (size_t)(start - json->start));
}

bool mf_json_key(mf_json *json, mf_json_text *key, mf_error *err) {
  if (mf_json_peek(json) != '"') return mf_json_fail(json, "a name in double quotes", err);
  if (!mf_json_string(json, key, err)) return false;
  return mf_json_take(json, ':') ? true : mf_json_fail(json, "':'", err);
}

bool mf_json_word(mf_json *json, const char *word) {
  size_t len = strlen(word);
  if ((size_t)(json->end - json->at) < len || memcmp(json->at, word, len) != 0) return false;
  json->at += len;
  return true;
}

static bool skip_scalar(mf_json *json, mf_error *err) {
  mf_json_text text;
  mf_decimal number;
  char c = mf_json_peek(json);
  if (c == '"') return mf_json_string(json, &text, err);
  if (mf_json_word(json, "true") || mf_json_word(json, "false") || mf_json_word(json, "null"))
    return true;
  const char *end = mf_decimal_read(json->at, json->end, &number);
  if (!end)
    return mf_json_fail(
        json,
        c == 'N' || c == 'I' ? "a value (\"NaN\" and \"Infinity\" stand in quotes)" : "a value",
        err);
  json->at = end;
  return true;
}

// After a value: closes brackets as they come, then passes the comma. *done: nothing is open any
// more.
static bool close_brackets(mf_json *json, const char *closers, int *depth, bool *done,
                           mf_error *err) {
  while (*depth > 0 && mf_json_take(json, closers[*depth - 1])) (*depth)--;
  *done = *depth == 0;
  if (*done || mf_json_take(json, ',')) return true;
  return mf_json_fail(json, closers[*depth - 1] == '}' ? "',' or '}'" : "',' or ']'", err);
}

bool mf_json_skip(mf_json *json, mf_error *err) {
  char closers[MAX_DEPTH];
  int depth = 0;
  mf_json_text key;
  for (bool done = false; !done;) {
    if (depth > 0 && closers[depth - 1] == '}' && !mf_json_key(json, &key, err)) return false;
    char c = mf_json_peek(json);
    if (c == '[' || c == '{') {
      if (depth == MAX_DEPTH)
        return mf_fail(err, MF_InvalidInput, "payload nests more than %d deep at byte %zu",
                       MAX_DEPTH, (size_t)(json->at - json->start));
      closers[depth++] = c == '[' ? ']' : '}';
      json->at++;
      if (mf_json_peek(json) != closers[depth - 1]) continue;
    } else if (!skip_scalar(json, err)) {
      return false;
    }
    if (!close_brackets(json, closers, &depth, &done, err)) return false;
  }
  return true;
}

static size_t put_utf8(uint32_t code, char *out) {
  if (code < 0x80) return out[0] = (char)code, (size_t)1;
  size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  for (size_t i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
  out[0] = (char)((0xf00 >> n) | code);
  return n;
}

size_t mf_json_unescape(const mf_json_text *text, char *out) {
  const char *p = text->raw.data, *end = p + text->raw.len;
  size_t n = 0;
  while (p < end) {
    uint32_t code;
    size_t step = *p == '\\' ? read_escape(p, end, &code) : 0;
    if (step == 0) {
      out[n++] = *p++;
      continue;
    }
    n += put_utf8(code, out + n);
    p += step;
  }
  return n;
}

bool mf_json_text_is(const mf_json_text *text, mf_str other) {
  if (!text->escaped) return mf_str_equal(text->raw, other);
  const char *p = text->raw.data, *end = p + text->raw.len;
  size_t n = 0;
  while (p < end) {
    char bytes[4];
    uint32_t code;
    size_t step = *p == '\\' ? read_escape(p, end, &code) : 0, len = 1;
    if (step)
      len = put_utf8(code, bytes);
    else
      bytes[0] = *p, step = 1;
    if (n + len > other.len || memcmp(other.data + n, bytes, len) != 0) return false;
    n += len;
    p += step;
  }
  return n == other.len;
}

bool mf_json_is_b64(const mf_json *json) {
  mf_json probe = *json;
  mf_json_blank(&probe);
  if (!mf_json_take(&probe, '{')) return false;
  mf_json_blank(&probe);
  return mf_json_word(&probe, "\"b64\"");
}

bool mf_json_b64(mf_json *json, mf_json_text *text, mf_error *err) {
  mf_json_text key = {0};
  if (!mf_json_take(json, '{')) return mf_json_fail(json, "{\"b64\": …}", err);
  if (!mf_json_key(json, &key, err)) return false;
  if (!mf_json_text_is(&key, MF_STR("b64")))
    return mf_fail(err, MF_InvalidInput, "expected {\"b64\": …}, found the name '%.*s'",
                   MF_STR_ARG(key.raw));
  mf_json_blank(json);
  if (!mf_json_string(json, text, err)) return false;
  return mf_json_take(json, '}') ? true : mf_json_fail(json, "'}' (b64 stands alone)", err);
}

static bool not_base64(mf_error *err) {
  return mf_fail(err, MF_InvalidInput,
                 "the text of \"b64\" is not base64 (RFC 4648, with padding, without line breaks)");
}

// The next character of a text, escapes resolved; 0 for one beyond ASCII, which base64 does not
// have.
static char next_plain(const char **p, const char *end) {
  uint32_t code = (unsigned char)**p;
  size_t step = **p == '\\' ? read_escape(*p, end, &code) : 1;
  *p += step ? step : 1;
  return code < 128 ? (char)code : 0;
}

size_t mf_json_b64_bytes(const mf_json_text *text) {
  const char *p = text->raw.data, *end = p + text->raw.len;
  size_t n = text->escaped ? 0 : text->raw.len, padding = 0;
  if (text->escaped)
    for (; p < end; n++) next_plain(&p, end);
  while (padding < 2 && padding < text->raw.len && end[-1 - (ptrdiff_t)padding] == '=') padding++;
  return n / 4 * 3 - (n >= 4 ? padding : 0);
}

bool mf_json_b64_decode(const mf_json_text *text, uint8_t *out, size_t *len, mf_error *err) {
  if (!text->escaped) return mf_base64_decode(text->raw, out, len) ? true : not_base64(err);
  const char *p = text->raw.data, *end = p + text->raw.len;
  char group[4];
  size_t n = 0, part;
  *len = 0;
  while (p < end) {
    group[n++] = next_plain(&p, end);
    if (n < 4) continue;
    if ((group[3] == '=' && p < end) || !mf_base64_decode((mf_str){group, 4}, out + *len, &part))
      return not_base64(err);
    *len += part;
    n = 0;
  }
  return n == 0 ? true : not_base64(err);
}

size_t mf_json_quote(mf_str text, char *out) {
  static const char hex[] = "0123456789abcdef";
  char *p = out;
  *p++ = '"';
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if (c == '"' || c == '\\') {
      *p++ = '\\';
      *p++ = (char)c;
    } else if (c >= 32) {
      *p++ = (char)c;
    } else {
      memcpy(p, "\\u00", 4);
      p[4] = hex[c >> 4];
      p[5] = hex[c & 15];
      p += 6;
    }
  }
  *p++ = '"';
  return (size_t)(p - out);
}
