// A scanner that finds members and passes over everything else: it allocates only what the response is made of, does not recurse, and
// is linear in the answer. Almost no answer has a statusCode, and those are not scanned at all.
#include "url_response.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct scan {
  const char *at, *end;
} scan;

// ---- JSON ----
static char peek(scan *s) {
  while (s->at < s->end && memchr(" \t\r\n", *s->at, 4)) s->at++;
  return s->at < s->end ? *s->at : 0;
}

static bool take(scan *s, char c) {
  if (peek(s) != c || s->at == s->end) return false;
  s->at++;
  return true;
}

// The text between the quotes, as it stands.
static bool take_raw(scan *s, mf_str *raw) {
  if (!take(s, '"')) return false;
  raw->data = s->at;
  while (s->at < s->end && *s->at != '"') s->at += *s->at == '\\' ? 2 : 1;
  if (s->at >= s->end) return false;
  raw->len = (size_t)(s->at++ - raw->data);
  return true;
}

static bool take_word(scan *s, mf_str *word) {
  peek(s);
  word->data = s->at;
  while (s->at < s->end && !memchr(" \t\r\n,:\"[]{}", *s->at, 11)) s->at++;
  word->len = (size_t)(s->at - word->data);
  return word->len > 0;
}

// Any value; brackets are counted, not matched.
static bool skip(scan *s) {
  size_t depth = 0;
  mf_str passed;
  do {
    const char c = peek(s);
    if (c == '"') {
      if (!take_raw(s, &passed)) return false;
    } else if (c == '{' || c == '[') {
      depth++;
      s->at++;
    } else if (depth > 0 && (c == '}' || c == ']')) {
      depth--;
      s->at++;
    } else if (depth > 0 && (c == ',' || c == ':')) {
      s->at++;
    } else if (!take_word(s, &passed)) {
      return false;
    }
  } while (depth > 0);
  return true;
}

static bool read_hex4(const char *p, const char *end, uint32_t *code) {
  *code = 0;
  if (end - p < 4) return false;
  for (int i = 0; i < 4; i++) {
    const char *digits = "0123456789abcdef", *found = p[i] ? strchr(digits, p[i] | 0x20) : NULL;
    if (!found || (p[i] < '0')) return false;
    *code = *code << 4 | (uint32_t)(found - digits);
  }
  return true;
}

// A lone half of a surrogate pair becomes U+FFFD.
static const char *read_unicode(const char *p, const char *end, uint32_t *code) {
  uint32_t low;
  if (!read_hex4(p, end, code)) return NULL;
  p += 4;
  if (*code < 0xd800 || *code > 0xdfff) return p;
  if (*code < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && read_hex4(p + 2, end, &low) && low >= 0xdc00 && low <= 0xdfff) {
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return p + 6;
  }
  *code = 0xfffd;
  return p;
}

static size_t put_utf8(uint32_t code, char *out) {
  if (code < 0x80) return out[0] = (char)code, 1;
  if (code < 0x800) return out[0] = (char)(0xc0 | code >> 6), out[1] = (char)(0x80 | (code & 0x3f)), 2;
  const size_t len = code < 0x10000 ? 3 : 4;
  for (size_t i = len; i-- > 1; code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
  out[0] = (char)((len == 3 ? 0xe0 : 0xf0) | code);
  return len;
}

// p is behind the backslash.
static const char *read_escape(const char *p, const char *end, uint32_t *code) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (p == end) return NULL;
  if (*p == 'u') return read_unicode(p + 1, end, code);
  const char *found = *p ? strchr(names, *p) : NULL;
  if (!found) return NULL;
  *code = (uint32_t)(unsigned char)values[found - names];
  return p + 1;
}

// Unescaped, in the arena, with a NUL behind it.
static bool unescape(mf_str raw, mf_arena *arena, mf_str *out) {
  const char *p = raw.data, *end = raw.data + raw.len;
  char *text = mf_arena_alloc(arena, raw.len + 1);
  size_t n = 0;
  if (!text) return false;
  while (p < end) {
    uint32_t code;
    const char *back = memchr(p, '\\', (size_t)(end - p)), *plain_end = back ? back : end;
    memcpy(text + n, p, (size_t)(plain_end - p));
    n += (size_t)(plain_end - p);
    p = plain_end;
    if (p == end) break;
    if (!(p = read_escape(p + 1, end, &code))) return false;
    n += put_utf8(code, text + n);
  }
  text[n] = 0;
  *out = (mf_str){text, n};
  return true;
}

// ---- headers ----
typedef struct reading {
  mf_arena *arena;
  mf_url_response *response;
  mf_str body;        // raw
  bool has_status, has_body, is_base64;
  size_t header_bytes;
} reading;

// RFC 9110 §5.6.2.
static bool is_token(mf_str name) {
  for (size_t i = 0; i < name.len; i++) {
    const unsigned char c = (unsigned char)name.data[i];
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_letter && (c == 0 || !strchr("!#$%&'*+-.^_`|~", c))) return false;
  }
  return name.len > 0;
}

static bool is_value(mf_str value) {
  for (size_t i = 0; i < value.len; i++)
    if ((unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f) return false;
  return true;
}

// What says where a message ends, or is the server's own.
static bool is_ours(const char *name) {
  static const char *const names[] = {"connection", "content-length", "date", "keep-alive", "proxy-connection", "te", "trailer",
                                      "transfer-encoding", "upgrade", "x-amzn-requestid", "x-amzn-trace-id"};
  for (size_t i = 0; i < MF_COUNT(names); i++)
    if (strcasecmp(name, names[i]) == 0) return true;
  return false;
}

static bool add_header(reading *r, mf_str name, mf_str value) {
  mf_url_response *to = r->response;
  if (!is_token(name) || !is_value(value)) return false;
  if (is_ours(name.data)) return true;
  r->header_bytes += name.len + value.len + 4;
  if (to->n_headers == MF_URL_HEADERS || r->header_bytes > MF_URL_HEADER_BYTES) return false;
  to->headers[to->n_headers++] = (mf_header){name.data, value};
  return true;
}

// A text, or a number or boolean as it is written; null: none.
static bool take_scalar(scan *s, mf_arena *arena, mf_str *value) {
  mf_str raw;
  if (peek(s) == '"') return take_raw(s, &raw) && unescape(raw, arena, value);
  if (!take_word(s, &raw)) return false;
  *value = mf_str_is(raw, "null") ? (mf_str){NULL, 0} : mf_str_copy(arena, raw);
  return value->data || mf_str_is(raw, "null");
}

static bool is_next(scan *s, bool *first) {
  const bool ok = *first || take(s, ',');
  *first = false;
  return ok;
}

static bool read_headers(reading *r, scan *s) {
  mf_str raw, name, value;
  bool first = true;
  if (!take(s, '{')) return false;
  while (!take(s, '}')) {
    if (!is_next(s, &first) || !take_raw(s, &raw) || !unescape(raw, r->arena, &name) || !take(s, ':') ||
        !take_scalar(s, r->arena, &value) || (value.data && !add_header(r, name, value)))
      return false;
  }
  return true;
}

static bool read_cookies(reading *r, scan *s) {
  mf_str value;
  bool first = true;
  if (!take(s, '[')) return false;
  while (!take(s, ']'))
    if (!is_next(s, &first) || peek(s) != '"' || !take_scalar(s, r->arena, &value) || !add_header(r, MF_STR("set-cookie"), value)) return false;
  return true;
}

// ---- members ----
// A number, or a text that is one.
static bool read_status(reading *r, scan *s) {
  mf_str text;
  if (!take_scalar(s, r->arena, &text) || text.len != 3) return false;
  int status = 0;
  for (size_t i = 0; i < text.len; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return false;
    status = 10 * status + (text.data[i] - '0');
  }
  r->response->status = status;
  r->has_status = true;
  return status >= 200 && status < 600;
}

static bool read_body(reading *r, scan *s) {
  r->has_body = peek(s) == '"';
  if (r->has_body) return take_raw(s, &r->body);
  mf_str word;
  return take_word(s, &word) && mf_str_is(word, "null");
}

static bool read_is_base64(reading *r, scan *s) {
  mf_str word;
  if (!take_word(s, &word)) return false;
  r->is_base64 = mf_str_is(word, "true");
  return r->is_base64 || mf_str_is(word, "false") || mf_str_is(word, "null");
}

static const struct {
  const char *name;
  bool (*read)(reading *r, scan *s);
} members[] = {{"statusCode", read_status}, {"headers", read_headers}, {"cookies", read_cookies}, {"body", read_body},
               {"isBase64Encoded", read_is_base64}};

static bool read_member(reading *r, scan *s) {
  mf_str name;
  if (!take_raw(s, &name) || !take(s, ':')) return false;
  for (size_t i = 0; i < MF_COUNT(members); i++) {
    if (!mf_str_is(name, members[i].name)) continue;
    if (peek(s) == 'n' && i > 0) return skip(s);
    return members[i].read(r, s);
  }
  return skip(s);
}

static bool read_object(reading *r, scan *s) {
  bool first = true;
  if (!take(s, '{')) return false;
  while (!take(s, '}'))
    if (!is_next(s, &first) || !read_member(r, s)) return false;
  return peek(s) == 0 && s->at == s->end;
}

// ---- the response ----
static bool set_body(reading *r) {
  mf_str text;
  uint8_t *bytes;
  size_t len;
  if (!r->has_body) return true;
  if (!unescape(r->body, r->arena, &text)) return false;
  r->response->body = (mf_slice){text.data, text.len};
  if (!r->is_base64) return true;
  bytes = mf_arena_alloc(r->arena, text.len + 1);
  if (!bytes || !mf_base64_decode(text, bytes, &len)) return false;
  r->response->body = (mf_slice){bytes, len};
  return true;
}

static bool has_content_type(const mf_url_response *response) {
  for (uint32_t i = 0; i < response->n_headers; i++)
    if (strcasecmp(response->headers[i].name, "content-type") == 0) return true;
  return false;
}

// The answer itself: a text without its quotes, everything else as it is.
static bool pass_on(mf_slice answer, mf_arena *arena, mf_url_response *response) {
  scan s = {answer.data, (const char *)answer.data + answer.len};
  mf_str raw, text;
  response->body = answer;
  if (peek(&s) != '"') return true;
  if (!take_raw(&s, &raw) || peek(&s) != 0 || !unescape(raw, arena, &text)) return false;
  response->body = (mf_slice){text.data, text.len};
  return true;
}

bool mf_url_response_read(mf_slice answer, mf_arena *arena, mf_url_response *response) {
  static const char name[] = "\"statusCode\"";
  scan s = {answer.data, (const char *)answer.data + answer.len};
  *response = (mf_url_response){.status = 200, .headers = MF_NEW_ARRAY(arena, mf_header, MF_URL_HEADERS + 1)};
  if (!response->headers) return false;
  const bool may_have_status = answer.len > 0 && peek(&s) == '{' && memmem(answer.data, answer.len, name, sizeof name - 1);
  reading r = {.arena = arena, .response = response};
  bool ok = true;
  if (may_have_status) ok = read_object(&r, &s);
  if (ok && r.has_status) {
    ok = set_body(&r);
  } else if (ok) {
    response->n_headers = 0;
    ok = pass_on(answer, arena, response);
  }
  if (ok && !has_content_type(response))
    response->headers[response->n_headers++] = (mf_header){"Content-Type", MF_STR("application/json")};
  return ok;
}
