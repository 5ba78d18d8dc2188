// Finding the body of an HTTP event: its members, its Content-Type, its encoding.
#include "http_event.h"

#include <stdio.h>
#include <strings.h>

#include "multipart.h"
#include "picture.h"

enum { B64_CHARS = 4096, REFUSAL_BYTES = 64 * 1024 };

// ---- recognizing ----
static const char *const members[] = {"version",  "routeKey", "rawPath",        "rawQueryString",        "cookies",        "headers",
                                      "body",     "queryStringParameters",      "requestContext",        "pathParameters", "stageVariables",
                                      "isBase64Encoded"};

typedef struct envelope {
  bool is_version_2, has_context, is_base64, has_body;
  mf_json_text body, content_type;  // content_type: raw.data NULL if absent
} envelope;

static bool is_member(const mf_json_text *key) {
  for (size_t i = 0; i < MF_COUNT(members); i++)
    if (mf_json_text_is(key, mf_str_from(members[i]))) return true;
  return false;
}

// Cheap for everything that is no event: the first member's name tells.
static bool may_be_event(mf_json json) {
  mf_json_text key;
  mf_error ignored;
  return mf_json_take(&json, '{') && mf_json_peek(&json) == '"' && mf_json_key(&json, &key, &ignored) && is_member(&key);
}

static bool is_content_type(const mf_json_text *key) {
  return !key->escaped && key->raw.len == 12 && strncasecmp(key->raw.data, "content-type", 12) == 0;
}

static bool next_key(mf_json *json, bool *first, mf_json_text *key, mf_error *err) {
  if (!*first && !mf_json_take(json, ',')) return mf_json_fail(json, "',' or '}'", err);
  *first = false;
  return mf_json_key(json, key, err);
}

static bool read_headers(mf_json json, envelope *e, mf_error *err) {
  mf_json_text key;
  bool first = true;
  if (!mf_json_take(&json, '{')) return true;
  while (!mf_json_take(&json, '}')) {
    if (!next_key(&json, &first, &key, err)) return false;
    if (!is_content_type(&key) || mf_json_peek(&json) != '"') {
      if (!mf_json_skip(&json, err)) return false;
    } else if (!mf_json_string(&json, &e->content_type, err)) {
      return false;
    }
  }
  return true;
}

static bool read_member(mf_json *json, const mf_json_text *key, envelope *e, mf_error *err) {
  mf_json_text text;
  mf_json probe = *json;
  const char c = mf_json_peek(&probe);
  if (mf_json_text_is(key, MF_STR("requestContext"))) e->has_context = c == '{';
  if (mf_json_text_is(key, MF_STR("isBase64Encoded"))) e->is_base64 = mf_json_word(&probe, "true");
  if (mf_json_text_is(key, MF_STR("headers")) && !read_headers(*json, e, err)) return false;
  if (c != '"') return mf_json_skip(json, err);
  if (!mf_json_string(json, &text, err)) return false;
  if (mf_json_text_is(key, MF_STR("version"))) e->is_version_2 = mf_json_text_is(&text, MF_STR("2.0"));
  if (!mf_json_text_is(key, MF_STR("body"))) return true;
  e->body = text;
  e->has_body = true;
  return true;
}

static bool read_envelope(mf_json json, envelope *e, mf_error *err) {
  mf_json_text key;
  bool first = true;
  if (!mf_json_take(&json, '{')) return mf_json_fail(&json, "an object", err);
  while (!mf_json_take(&json, '}'))
    if (!next_key(&json, &first, &key, err) || !read_member(&json, &key, e, err)) return false;
  return true;
}

// ---- decoding, each text into its own memory ----
static mf_str unescape(const mf_json_text *text) {
  return text->escaped ? (mf_str){text->raw.data, mf_json_unescape(text, (char *)(uintptr_t)text->raw.data)} : text->raw;
}

// In pieces, since the decoder does not promise to work where it stands.
static bool decode_base64(mf_str text, mf_slice *out, mf_error *err) {
  uint8_t piece[B64_CHARS / 4 * 3];
  char *to = (char *)(uintptr_t)text.data;
  size_t done = 0, n;
  while (text.len > 0) {
    const mf_str now = {text.data, MF_MIN(text.len, (size_t)B64_CHARS)};
    text = (mf_str){text.data + now.len, text.len - now.len};
    if (!mf_base64_decode(now, piece, &n) || (text.len > 0 && now.data[now.len - 1] == '='))
      return mf_fail(err, MF_InvalidInput, "the event's body is not base64, although isBase64Encoded says so");
    memcpy(to + done, piece, n);
    done += n;
  }
  *out = (mf_slice){to, done};
  return true;
}

// ---- what the body is ----
static bool is_media_type(mf_str content_type, const char *type) {
  const size_t len = strlen(type);
  if (content_type.len < len || strncasecmp(content_type.data, type, len) != 0) return false;
  return content_type.len == len || memchr("; \t", content_type.data[len], 3);
}

// name=value&…: what a browser's form sends. curl calls everything that, unless it is told otherwise.
static bool is_urlencoded(mf_slice body) {
  const char *text = body.data;
  bool any = false;
  for (size_t i = 0; i < body.len; i++) {
    if (text[i] <= ' ' || text[i] >= 0x7f || memchr("{}[]\"", text[i], 5)) return false;
    any |= text[i] == '=';
  }
  return any;
}

static bool open_body(mf_str content_type, mf_http_event *event, mf_error *err) {
  if (is_media_type(content_type, "multipart/form-data")) return mf_multipart_file(event->body, content_type, &event->body, err);
  if (!is_media_type(content_type, "application/x-www-form-urlencoded") || !is_urlencoded(event->body)) return true;
  return mf_fail(err, MF_InvalidInput,
                 "the body is a form of type application/x-www-form-urlencoded, which no model reads: send JSON, a picture's bytes, or a form "
                 "of type multipart/form-data with a file");
}

bool mf_http_event_open(mf_slice payload, mf_http_event *event, mf_error *err) {
  envelope e = {0};
  mf_error ignored;
  const mf_json json = {payload.data, (const char *)payload.data + payload.len, payload.data};
  *event = (mf_http_event){false, payload};
  if (payload.len == 0 || !may_be_event(json) || !read_envelope(json, &e, &ignored) || !e.is_version_2 || !e.has_context) return true;
  event->is_http = true;
  event->body = (mf_slice){payload.data, 0};
  const mf_str content_type = e.content_type.raw.data ? unescape(&e.content_type) : MF_STR("");
  if (!e.has_body) return true;
  const mf_str text = unescape(&e.body);
  event->body = (mf_slice){text.data, text.len};
  if (e.is_base64 && !decode_base64(text, &event->body, err)) return false;
  return event->body.len == 0 || open_body(content_type, event, err);
}

// ---- refusing ----
// A message may hold a piece of the payload, cut anywhere.
static mf_str shown(const mf_error *err, char copy[sizeof err->message]) {
  const mf_str message = mf_str_from(err->message);
  if (mf_str_is_utf8(message)) return message;
  for (size_t i = 0; i < message.len; i++) copy[i] = (unsigned char)message.data[i] < 0x80 ? message.data[i] : '?';
  return (mf_str){copy, message.len};
}

bool mf_http_event_refuse(const mf_error *err, char *out, size_t out_capacity, size_t *out_len) {
  char text[sizeof err->message * 6 + 128], copy[sizeof err->message];
  const bool too_large = err->code == MF_TooLarge;
  if ((!too_large && err->code != MF_InvalidInput && err->code != MF_InvalidPicture) || out_capacity < REFUSAL_BYTES) return false;
  size_t n = (size_t)sprintf(text, "{\"errorMessage\":");
  n += mf_json_quote(shown(err, copy), text + n);
  n += (size_t)sprintf(text + n, ",\"errorType\":\"Mayfly.%s\"}", mf_code_name(err->code));
  size_t len = (size_t)sprintf(out, "{\"statusCode\":%d,\"headers\":{\"content-type\":\"application/json\"},\"body\":", too_large ? 413 : 400);
  len += mf_json_quote((mf_str){text, n}, out + len);
  out[len++] = '}';
  *out_len = len;
  return true;
}
