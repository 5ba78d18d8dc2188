// lambda.md section 6. Headers of the client's own that would pass for ours (x-amzn-*, x-forwarded-*) are replaced; what belongs to one
// connection, and the signature of a request that was checked, are left out.
#include "url_event.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "internal.h"

// ---- JSON texts ----
static size_t escaped_bytes(unsigned char c) { return c == '"' || c == '\\' ? 2 : c < 0x20 ? 6 : 1; }

// Text that is UTF-8, or, byte for byte, Latin-1 (RFC 9110 §5.5 lets headers be that).
static void add_escaped(mf_buf *out, mf_str text) {
  const bool is_utf8 = mf_str_is_utf8(text);
  size_t plain = 0;
  for (size_t i = 0; i < text.len; i++) {
    const unsigned char c = (unsigned char)text.data[i];
    if (escaped_bytes(c) == 1 && (c < 0x80 || is_utf8)) continue;
    mf_buf_append(out, text.data + plain, i - plain);
    plain = i + 1;
    if (c == '"' || c == '\\') mf_buf_format(out, "\\%c", c);
    else mf_buf_format(out, "\\u%04x", c);
  }
  mf_buf_append(out, text.data + plain, text.len - plain);
}

static void add_text(mf_buf *out, mf_str text) {
  mf_buf_text(out, "\"");
  add_escaped(out, text);
  mf_buf_text(out, "\"");
}

static void add_member(mf_buf *out, const char *name, mf_str text) {
  mf_buf_format(out, "\"%s\":", name);
  add_text(out, text);
  mf_buf_text(out, ",");
}

// ---- headers ----
static bool starts(const char *name, const char *with) { return strncasecmp(name, with, strlen(with)) == 0; }

static bool is_left_out(const char *name, bool was_signed) {
  static const char *const names[] = {"connection", "cookie", "expect", "keep-alive", "proxy-connection", "te", "trailer",
                                      "transfer-encoding", "upgrade"};
  for (size_t i = 0; i < MF_COUNT(names); i++)
    if (strcasecmp(name, names[i]) == 0) return true;
  return starts(name, "x-amzn-") || starts(name, "x-forwarded-") || (was_signed && strcasecmp(name, "authorization") == 0);
}

static bool stood_before(const mf_header *headers, uint32_t at) {
  for (uint32_t i = 0; i < at; i++)
    if (strcasecmp(headers[i].name, headers[at].name) == 0) return true;
  return false;
}

static void add_lower(mf_buf *out, mf_arena *arena, const char *name) {
  const mf_str lower = mf_str_copy(arena, mf_str_from(name));
  out->failed |= !lower.data;
  for (size_t i = 0; lower.data && i < lower.len; i++) ((char *)(uintptr_t)lower.data)[i] = (char)tolower((unsigned char)name[i]);
  if (lower.data) add_text(out, lower);
}

// Values of one name, joined.
static void add_header(mf_buf *out, const mf_url_event *event, const mf_header *headers, uint32_t n, uint32_t at) {
  add_lower(out, mf_request_arena(event->http), headers[at].name);
  mf_buf_text(out, ":\"");
  for (uint32_t i = at; i < n; i++) {
    if (strcasecmp(headers[i].name, headers[at].name) != 0) continue;
    if (i > at) mf_buf_text(out, ",");
    add_escaped(out, headers[i].value);
  }
  mf_buf_text(out, "\",");
}

static void add_port(mf_buf *out, const mf_url_event *event) {
  const mf_str host = mf_request_header(event->http, "host");
  const char *colon = host.len > 0 ? memrchr(host.data, ':', host.len) : NULL;
  const mf_str given = colon ? (mf_str){colon + 1, host.len - (size_t)(colon + 1 - host.data)} : MF_STR("");
  const bool is_number = given.len > 0 && given.len < 6 && strspn(given.data, "0123456789") >= given.len;
  add_member(out, "x-forwarded-port", is_number ? given : mf_str_from(strcmp(event->scheme, "https") == 0 ? "443" : "80"));
}

static void add_headers(mf_buf *out, const mf_url_event *event, mf_str peer) {
  uint32_t n;
  char trace[96];
  const mf_header *headers = mf_request_headers(event->http, &n);
  mf_buf_text(out, "\"headers\":{");
  for (uint32_t i = 0; i < n; i++)
    if (!is_left_out(headers[i].name, event->access_key.len > 0) && !stood_before(headers, i)) add_header(out, event, headers, n, i);
  add_member(out, "x-amzn-trace-id", (mf_str){trace, mf_trace_id(mf_request_id(event->http), trace)});
  add_member(out, "x-forwarded-for", peer);
  add_port(out, event);
  add_member(out, "x-forwarded-proto", mf_str_from(event->scheme));
  out->len -= !out->failed;  // the comma
  mf_buf_text(out, "},");
}

static mf_str trimmed(mf_str text) {
  while (text.len > 0 && text.data[0] == ' ') text = (mf_str){text.data + 1, text.len - 1};
  while (text.len > 0 && text.data[text.len - 1] == ' ') text.len--;
  return text;
}

static void add_cookies(mf_buf *out, const mf_url_event *event) {
  uint32_t n;
  bool any = false;
  const mf_header *headers = mf_request_headers(event->http, &n);
  for (uint32_t i = 0; i < n; i++) {
    mf_str rest = headers[i].value;
    if (strcasecmp(headers[i].name, "cookie") != 0) continue;
    while (rest.len > 0) {
      const char *end = memchr(rest.data, ';', rest.len);
      const size_t len = end ? (size_t)(end - rest.data) : rest.len, step = end ? len + 1 : len;
      const mf_str cookie = trimmed((mf_str){rest.data, len});
      rest = (mf_str){rest.data + step, rest.len - step};
      if (cookie.len == 0) continue;
      mf_buf_text(out, any ? "," : "\"cookies\":[");
      add_text(out, cookie);
      any = true;
    }
  }
  if (any) mf_buf_text(out, "],");
}

// ---- the query ----
typedef struct parameter {
  mf_str name, value;
  uint32_t at;
} parameter;

static int by_name(const void *a, const void *b) {
  const parameter *x = a, *y = b;
  const int order = memcmp(x->name.data ? x->name.data : "", y->name.data ? y->name.data : "", MF_MIN(x->name.len, y->name.len));
  if (order != 0) return order;
  if (x->name.len != y->name.len) return x->name.len < y->name.len ? -1 : 1;
  return x->at < y->at ? -1 : 1;
}

// In a query a plus is a blank; the request's own text stays as it is.
static void plus_to_blank(char *query, size_t len) {
  for (size_t i = 0; i < len; i++)
    if (query[i] == '+') query[i] = ' ';
}

static parameter *read_parameters(mf_http_request *http, uint32_t *n) {
  mf_arena *arena = mf_request_arena(http);
  mf_str query = mf_str_copy(arena, mf_request_query(http));
  if (!query.data) return NULL;
  plus_to_blank((char *)(uintptr_t)query.data, query.len);
  size_t most = 1;
  for (size_t i = 0; i < query.len; i++) most += query.data[i] == '&';
  parameter *all = MF_NEW_ARRAY(arena, parameter, most);
  *n = 0;
  while (all && mf_request_next_parameter(http, &query, &all[*n].name, &all[*n].value)) {
    all[*n].at = *n;
    ++*n;
  }
  return all;
}

// Values of one name, joined by commas. Sorted by name, so that a thousand parameters cost no million comparisons.
static void add_parameters(mf_buf *out, const mf_url_event *event) {
  uint32_t n;
  if (mf_request_query(event->http).len == 0) return;
  parameter *all = read_parameters(event->http, &n);
  out->failed |= !all;
  if (!all || n == 0) return;
  qsort(all, n, sizeof *all, by_name);
  mf_buf_text(out, "\"queryStringParameters\":{");
  for (uint32_t i = 0; i < n; i++) {
    const bool again = i > 0 && mf_str_equal(all[i].name, all[i - 1].name);
    if (!again) {
      mf_buf_text(out, i > 0 ? "\"," : "");
      add_text(out, all[i].name);
      mf_buf_text(out, ":\"");
    }
    mf_buf_text(out, again ? "," : "");
    add_escaped(out, all[i].value);
  }
  mf_buf_text(out, "\"},");
}

// ---- the request's context ----
static void add_time(mf_buf *out) {
  const int64_t now = mf_wall_ns();
  const time_t seconds = (time_t)(now / MF_NS_PER_S);
  static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  struct tm utc;
  gmtime_r(&seconds, &utc);
  mf_buf_format(out, "\"time\":\"%02d/%.3s/%04d:%02d:%02d:%02d +0000\",\"timeEpoch\":%lld},", utc.tm_mday, months + 3 * utc.tm_mon,
                utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec, (long long)(now / MF_NS_PER_MS));
}

// Every key is the account's own.
static void add_authorizer(mf_buf *out, mf_str access_key) {
  mf_buf_text(out, "\"authorizer\":{\"iam\":{\"accessKey\":");
  add_text(out, access_key);
  mf_buf_text(out, ",\"accountId\":\"" MF_ACCOUNT "\",\"callerId\":\"" MF_ACCOUNT "\",\"cognitoIdentity\":null,\"principalOrgId\":null,"
                   "\"userArn\":\"arn:aws:iam::" MF_ACCOUNT ":root\",\"userId\":\"" MF_ACCOUNT "\"}},");
}

static void add_context(mf_buf *out, const mf_url_event *event, mf_str peer) {
  const bool is_signed = event->access_key.len > 0;
  mf_buf_format(out, "\"requestContext\":{\"accountId\":\"%s\",\"apiId\":\"%.*s\",", is_signed ? MF_ACCOUNT : "anonymous", MF_STR_ARG(event->id));
  if (is_signed) add_authorizer(out, event->access_key);
  mf_buf_format(out, "\"domainName\":\"%.*s.lambda-url.%.*s.on.aws\",\"domainPrefix\":\"%.*s\",\"http\":{", MF_STR_ARG(event->id),
                MF_STR_ARG(event->region), MF_STR_ARG(event->id));
  add_member(out, "method", mf_request_method(event->http));
  add_member(out, "path", event->path);
  add_member(out, "protocol", mf_request_version(event->http));
  add_member(out, "sourceIp", peer);
  mf_buf_text(out, "\"userAgent\":");
  add_text(out, mf_request_header(event->http, "user-agent"));
  mf_buf_format(out, "},\"requestId\":\"%s\",\"routeKey\":\"$default\",\"stage\":\"$default\",", mf_request_id(event->http));
  add_time(out);
}

void mf_url_event_head(mf_buf *out, const mf_url_event *event) {
  char peer[MF_PEER_TEXT];
  mf_request_peer(event->http, peer);
  mf_buf_text(out, "{\"version\":\"2.0\",\"routeKey\":\"$default\",");
  add_member(out, "rawPath", event->path);
  add_member(out, "rawQueryString", mf_request_query(event->http));
  add_cookies(out, event);
  add_headers(out, event, mf_str_from(peer));
  add_parameters(out, event);
  add_context(out, event, mf_str_from(peer));
}

// ---- the body ----
bool mf_url_event_is_text(mf_str content_type) {
  static const char *const types[] = {"application/json", "application/xml", "application/javascript"};
  const char *end = content_type.len > 0 ? memchr(content_type.data, ';', content_type.len) : NULL;
  if (end) content_type.len = (size_t)(end - content_type.data);
  content_type = trimmed(content_type);
  if (content_type.len > 5 && strncasecmp(content_type.data, "text/", 5) == 0) return true;
  for (size_t i = 0; i < MF_COUNT(types); i++)
    if (content_type.len == strlen(types[i]) && strncasecmp(content_type.data, types[i], content_type.len) == 0) return true;
  return false;
}

#define BODY "\"body\":\""
#define PLAIN_END "\",\"isBase64Encoded\":false}"
#define BASE64_END "\",\"isBase64Encoded\":true}"
#define EMPTY "\"isBase64Encoded\":false}"

size_t mf_url_event_tail_bytes(mf_slice body, bool as_text) {
  const unsigned char *bytes = body.data;
  if (body.len == 0) return strlen(EMPTY);
  if (!as_text) return strlen(BODY) + (body.len + 2) / 3 * 4 + strlen(BASE64_END);
  size_t n = strlen(BODY) + strlen(PLAIN_END);
  for (size_t i = 0; i < body.len; i++) n += escaped_bytes(bytes[i]);
  return n;
}

void mf_url_event_tail(mf_buf *out, mf_slice body, bool as_text) {
  if (body.len == 0) {
    mf_buf_text(out, EMPTY);
    return;
  }
  mf_buf_text(out, BODY);
  if (as_text) {
    add_escaped(out, (mf_str){body.data, body.len});
    mf_buf_text(out, PLAIN_END);
    return;
  }
  char *room = mf_buf_reserve(out, (body.len + 2) / 3 * 4 + 1);
  if (room) out->len += mf_base64_encode(body, room);
  mf_buf_text(out, BASE64_END);
}
