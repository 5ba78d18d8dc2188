// Finding and judging signatures. Texts and codes are those that AWS's own front ends send where they are known, since people
// search for them. All of it runs on bytes from strangers (tests/fuzz/fuzz_http.c).
#include "sigv4.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "canonical.h"

enum { SKEW_S = 15 * 60, MAX_EXPIRES_S = 7 * 24 * 3600 };
static const char incomplete[] = "IncompleteSignatureException", invalid[] = "InvalidSignatureException";

bool mf_auth_fail(mf_auth_error *err, const char *code, const char *format, ...) {
  err->code = code;
  va_list args;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  return false;
}

// ---- the signature's parts ----

static mf_str trim(mf_str s) {
  while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) s = (mf_str){s.data + 1, s.len - 1};
  while (s.len > 0 && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) s.len--;
  return s;
}

// Cuts the last "/part" off *text.
static bool last_part(mf_str *text, mf_str *part) {
  const char *slash = text->len ? memrchr(text->data, '/', text->len) : NULL;
  if (!slash) return false;
  *part = (mf_str){slash + 1, text->len - (size_t)(slash - text->data) - 1};
  text->len = (size_t)(slash - text->data);
  return true;
}

static bool skip(mf_str *text, const char *prefix) {
  const size_t len = strlen(prefix);
  if (!mf_str_starts(*text, (mf_str){prefix, len})) return false;
  *text = (mf_str){text->data + len, text->len - len};
  return true;
}

static size_t skip_letters(mf_str *text, size_t most) {
  size_t n = 0;
  while (n < text->len && n < most && text->data[n] >= 'a' && text->data[n] <= 'z') n++;
  *text = (mf_str){text->data + n, text->len - n};
  return n;
}

// "-gov", "-iso", "-isob"
static void skip_partition(mf_str *text) {
  mf_str rest = *text;
  if (skip(&rest, "-iso")) skip_letters(&rest, 1);
  else if (!skip(&rest, "-gov")) return;
  if (mf_str_starts(rest, MF_STR("-"))) *text = rest;
}

// As AWS calls its regions, whichever there are: (eusc-)?[a-z]{2}(-gov|-iso[a-z]?)?-[a-z]+-[0-9].
static bool is_region(mf_str text) {
  if (text.len >= 32) return false;
  skip(&text, "eusc-");
  if (skip_letters(&text, 2) != 2) return false;
  skip_partition(&text);
  return skip(&text, "-") && skip_letters(&text, text.len) > 0 && skip(&text, "-") && text.len == 1 && text.data[0] >= '0' && text.data[0] <= '9';
}

static bool split_credential(mf_str credential, mf_signature *out, mf_auth_error *err) {
  mf_str terminator;
  if (!last_part(&credential, &terminator) || !last_part(&credential, &out->service) || !last_part(&credential, &out->region) ||
      !last_part(&credential, &out->date) || credential.len == 0)
    return mf_auth_fail(err, incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term");
  if (!mf_str_is(terminator, "aws4_request"))
    return mf_auth_fail(err, invalid, "Credential should be scoped with a valid terminator: 'aws4_request', not '%.*s'.",
                        (int)MF_MIN(terminator.len, 64), terminator.data);
  if (!is_region(out->region)) return mf_auth_fail(err, invalid, "Credential should be scoped to a valid region.");
  if (out->service.len == 0) return mf_auth_fail(err, invalid, "Credential should be scoped to a service.");
  out->access_key = credential;
  return true;
}

static bool take_signature(mf_str hex, mf_signature *out, mf_auth_error *err) {
  if (hex.len != MF_SHA256_HEX || !mf_unhex(hex, out->signature))
    return mf_auth_fail(err, incomplete, "Signature must be %d hexadecimal digits.", MF_SHA256_HEX);
  return true;
}

static bool two_digits(const char *s, int *value) {
  if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9') return false;
  *value = (s[0] - '0') * 10 + s[1] - '0';
  return true;
}

// 20261125T103000Z
static bool parse_iso_date(mf_str text, int64_t *seconds) {
  int century, year, month, day, hour, minute, second;
  if (text.len != 16 || text.data[8] != 'T' || text.data[15] != 'Z' || !two_digits(text.data, &century) ||
      !two_digits(text.data + 2, &year) || !two_digits(text.data + 4, &month) || !two_digits(text.data + 6, &day) ||
      !two_digits(text.data + 9, &hour) || !two_digits(text.data + 11, &minute) || !two_digits(text.data + 13, &second))
    return false;
  if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return false;
  struct tm tm = {.tm_year = century * 100 + year - 1900, .tm_mon = month - 1, .tm_mday = day,
                  .tm_hour = hour, .tm_min = minute, .tm_sec = second};
  *seconds = timegm(&tm);
  return true;
}

static void format_iso_date(int64_t seconds, char out[17]) {
  struct tm tm;
  time_t t = (time_t)seconds;
  gmtime_r(&t, &tm);
  strftime(out, 17, "%Y%m%dT%H%M%SZ", &tm);
}

static bool take_date(mf_str text, mf_signature *out, mf_auth_error *err) {
  text = trim(text);
  if (!parse_iso_date(text, &out->signed_at_s))
    return mf_auth_fail(err, incomplete, "Date must be in ISO-8601 'basic format'. Got '%.*s'. See http://en.wikipedia.org/wiki/ISO_8601",
                        (int)MF_MIN(text.len, 64), text.data);
  memcpy(out->amz_date, text.data, 16);
  out->amz_date[16] = 0;
  return true;
}

// A plain Date header (RFC 9110 §5.6.7) stands in for x-amz-date.
static bool take_http_date(mf_str text, mf_signature *out, mf_auth_error *err) {
  char copy[64];
  struct tm tm = {0};
  text = trim(text);
  snprintf(copy, sizeof copy, "%.*s", (int)MF_MIN(text.len, sizeof copy - 1), text.data ? text.data : "");
  if (text.len >= sizeof copy || !strptime(copy, "%a, %d %b %Y %H:%M:%S", &tm)) return take_date(text, out, err);
  out->signed_at_s = timegm(&tm);
  format_iso_date(out->signed_at_s, out->amz_date);
  return true;
}

// ---- header form: AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=… ----

typedef struct auth_parts {
  mf_str credential, signed_headers, signature;
} auth_parts;

static void take_part(mf_str item, auth_parts *parts) {
  const char *equals = item.len ? memchr(item.data, '=', item.len) : NULL;
  if (!equals) return;
  mf_str name = {item.data, (size_t)(equals - item.data)}, value = {equals + 1, item.len - name.len - 1};
  if (mf_str_is(name, "Credential")) parts->credential = value;
  if (mf_str_is(name, "SignedHeaders")) parts->signed_headers = value;
  if (mf_str_is(name, "Signature")) parts->signature = value;
}

static auth_parts split_authorization(mf_str text) {
  auth_parts parts = {0};
  while (text.len > 0) {
    const char *comma = memchr(text.data, ',', text.len);
    mf_str item = {text.data, comma ? (size_t)(comma - text.data) : text.len};
    size_t used = item.len + (comma ? 1 : 0);
    text = (mf_str){text.data + used, text.len - used};
    take_part(trim(item), &parts);
  }
  return parts;
}

static mf_str header(const mf_sigv4_request *request, const char *name) {
  return mf_header_find(request->headers, request->n_headers, name, strlen(name));
}

static bool find_in_header(const mf_sigv4_request *request, mf_str authorization, mf_signature *out, mf_auth_error *err) {
  static const mf_str algorithm = MF_STR("AWS4-HMAC-SHA256");
  if (!mf_str_starts(authorization, algorithm) || authorization.len == algorithm.len || authorization.data[algorithm.len] != ' ')
    return mf_auth_fail(err, incomplete, "Unsupported authorization: only the algorithm AWS4-HMAC-SHA256 is accepted.");
  auth_parts parts = split_authorization((mf_str){authorization.data + algorithm.len, authorization.len - algorithm.len});
  mf_str date = header(request, "x-amz-date");
  bool has_date = date.len > 0 || header(request, "date").len > 0;
  if (!parts.credential.len || !parts.signature.len || !parts.signed_headers.len || !has_date)
    return mf_auth_fail(err, incomplete, "%s%s%s%s",
                        parts.credential.len ? "" : "Authorization header requires 'Credential' parameter. ",
                        parts.signature.len ? "" : "Authorization header requires 'Signature' parameter. ",
                        parts.signed_headers.len ? "" : "Authorization header requires 'SignedHeaders' parameter. ",
                        has_date ? "" : "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ");
  out->signed_headers = parts.signed_headers;
  out->payload_hash = trim(header(request, "x-amz-content-sha256"));
  out->session_token = trim(header(request, "x-amz-security-token"));
  return split_credential(parts.credential, out, err) && take_signature(parts.signature, out, err) &&
         (date.len ? take_date(date, out, err) : take_http_date(header(request, "date"), out, err));
}

// ---- query form ----

typedef struct query_parts {
  mf_str algorithm, credential, date, expires, signed_headers, signature, token, payload;
} query_parts;

static query_parts split_query(mf_str query, mf_arena *arena) {
  query_parts parts = {0};
  const struct {
    const char *name;
    mf_str *value;
  } wanted[] = {{"X-Amz-Algorithm", &parts.algorithm},     {"X-Amz-Credential", &parts.credential},
                {"X-Amz-Date", &parts.date},               {"X-Amz-Expires", &parts.expires},
                {"X-Amz-SignedHeaders", &parts.signed_headers}, {"X-Amz-Signature", &parts.signature},
                {"X-Amz-Security-Token", &parts.token},    {"X-Amz-Content-Sha256", &parts.payload}};
  for (mf_query_pair pair; mf_query_next(&query, &pair);)
    for (size_t i = 0; i < MF_COUNT(wanted); i++)
      if (mf_str_is(pair.name, wanted[i].name)) *wanted[i].value = mf_percent_decode(arena, pair.value);
  return parts;
}

static bool take_expires(mf_str text, mf_signature *out, mf_auth_error *err) {
  int64_t seconds = 0;
  for (size_t i = 0; i < text.len && i < 10; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return mf_auth_fail(err, incomplete, "X-Amz-Expires should be a number");
    seconds = seconds * 10 + text.data[i] - '0';
  }
  if (seconds < 1 || seconds > MAX_EXPIRES_S || text.len > 9)
    return mf_auth_fail(err, incomplete, "X-Amz-Expires must be between 1 and %d seconds", MAX_EXPIRES_S);
  out->expires_s = seconds;
  return true;
}

static bool find_in_query(const mf_sigv4_request *request, mf_arena *arena, mf_signature *out, mf_auth_error *err) {
  query_parts parts = split_query(request->query, arena);
  if (!mf_str_is(parts.algorithm, "AWS4-HMAC-SHA256"))
    return mf_auth_fail(err, incomplete, "X-Amz-Algorithm must be AWS4-HMAC-SHA256.");
  if (!parts.credential.len || !parts.signature.len || !parts.signed_headers.len || !parts.date.len || !parts.expires.len)
    return mf_auth_fail(err, incomplete, "AWS query-string parameters must include X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, "
                        "X-Amz-Date, X-Amz-SignedHeaders and X-Amz-Expires.");
  out->presigned = true;
  out->signed_headers = parts.signed_headers;
  out->payload_hash = parts.payload.len ? parts.payload : trim(header(request, "x-amz-content-sha256"));
  out->session_token = parts.token;
  return split_credential(parts.credential, out, err) && take_signature(parts.signature, out, err) &&
         take_date(parts.date, out, err) && take_expires(parts.expires, out, err);
}

static bool has_parameter(mf_str query, const char *name) {
  if (query.len < 10) return false;
  for (mf_query_pair pair; mf_query_next(&query, &pair);)
    if (mf_str_is(pair.name, name)) return true;
  return false;
}

bool mf_signature_find(const mf_sigv4_request *request, mf_arena *arena, mf_signature *out, mf_auth_error *err) {
  *out = (mf_signature){0};
  mf_str authorization = trim(header(request, "authorization"));
  bool presigned = has_parameter(request->query, "X-Amz-Algorithm");
  if (authorization.len == 0 && !presigned) return true;
  if (authorization.len > 0 && presigned)
    return mf_auth_fail(err, invalid, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.");
  out->present = true;
  return presigned ? find_in_query(request, arena, out, err) : find_in_header(request, authorization, out, err);
}

// ---- judging ----

static bool date_is_in_time(const mf_signature *s, int64_t now_s, mf_auth_error *err) {
  char now[17], limit[17];
  int64_t last = s->signed_at_s + (s->presigned ? s->expires_s : SKEW_S);
  format_iso_date(now_s, now);
  if (now_s > last && s->presigned) return mf_auth_fail(err, "ExpiredTokenException", "Signature expired: the URL was valid until %lld seconds after %s, it is now %s.",
                                                        (long long)s->expires_s, s->amz_date, now);
  if (now_s > last) {
    format_iso_date(now_s - SKEW_S, limit);
    return mf_auth_fail(err, invalid, "Signature expired: %s is now earlier than %s (%s - 15 min.)", s->amz_date, limit, now);
  }
  if (s->signed_at_s > now_s + SKEW_S) {
    format_iso_date(now_s + SKEW_S, limit);
    return mf_auth_fail(err, invalid, "Signature not yet current: %s is still later than %s (%s + 15 min.)", s->amz_date, limit, now);
  }
  return true;
}

static bool is_signed(mf_str signed_headers, const char *name) {
  size_t len = strlen(name);
  for (mf_str rest = signed_headers; rest.len > 0;) {
    const char *semicolon = memchr(rest.data, ';', rest.len);
    size_t item = semicolon ? (size_t)(semicolon - rest.data) : rest.len;
    if (item == len && strncasecmp(rest.data, name, len) == 0) return true;
    size_t used = item + (semicolon ? 1 : 0);
    rest = (mf_str){rest.data + used, rest.len - used};
  }
  return false;
}

// host and every x-amz- header must be covered, or a stranger on the way could change what the request does.
static bool headers_are_covered(const mf_signature *s, const mf_sigv4_request *request, mf_auth_error *err) {
  if (!is_signed(s->signed_headers, "host"))
    return mf_auth_fail(err, invalid, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  for (uint32_t i = 0; i < request->n_headers; i++) {
    const char *name = request->headers[i].name;
    if (strncasecmp(name, "x-amz-", 6) == 0 && !is_signed(s->signed_headers, name))
      return mf_auth_fail(err, invalid, "'%.64s' must be a 'SignedHeader' in the AWS Authorization.", name);
  }
  return true;
}

// S3 lets a client leave the body out of the signature; no other service does.
static bool payload_form_is_allowed(const mf_signature *s, mf_auth_error *err) {
  bool is_hash = s->payload_hash.len == MF_SHA256_HEX, is_unsigned = mf_str_is(s->payload_hash, "UNSIGNED-PAYLOAD");
  if (s->payload_hash.len == 0 || is_hash || (is_unsigned && mf_str_is(s->service, "s3"))) return true;
  return mf_auth_fail(err, invalid, "x-amz-content-sha256 must be the SHA-256 of the body in hexadecimal for the service '%.*s', not '%.*s'.",
                      (int)MF_MIN(s->service.len, 64), s->service.data, (int)MF_MIN(s->payload_hash.len, 64), s->payload_hash.data);
}

bool mf_signature_is_current(const mf_signature *s, const mf_sigv4_request *request, int64_t now_s, mf_auth_error *err) {
  if (s->date.len != 8 || memcmp(s->date.data, s->amz_date, 8) != 0)
    return mf_auth_fail(err, invalid, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%.*s' != '%.8s', from '%s'.",
                        (int)MF_MIN(s->date.len, 32), s->date.data, s->amz_date, s->amz_date);
  return date_is_in_time(s, now_s, err) && headers_are_covered(s, request, err) && payload_form_is_allowed(s, err);
}

static void signing_key(mf_signing_keys *keys, const mf_signature *s, mf_str secret, uint8_t key[MF_SHA256_BYTES]) {
  char name[MF_SIGNING_KEY_NAME];
  int len = snprintf(name, sizeof name, "%.*s\n%.*s\n%.*s\n%.*s", MF_STR_ARG(secret), MF_STR_ARG(s->date), MF_STR_ARG(s->region),
                     MF_STR_ARG(s->service));
  if (len < 0 || (size_t)len >= sizeof name) {  // absurdly long names are served, but not remembered
    mf_sigv4_key(secret, s->date, s->region, s->service, key);
    return;
  }
  for (uint32_t i = 0; i < MF_SIGNING_KEYS; i++) {
    if (keys->entries[i].name_len != (size_t)len || memcmp(keys->entries[i].name, name, (size_t)len) != 0) continue;
    memcpy(key, keys->entries[i].key, MF_SHA256_BYTES);
    return;
  }
  mf_sigv4_key(secret, s->date, s->region, s->service, key);
  uint32_t slot = keys->next++ % MF_SIGNING_KEYS;
  memcpy(keys->entries[slot].name, name, (size_t)len);
  memcpy(keys->entries[slot].key, key, MF_SHA256_BYTES);
  keys->entries[slot].name_len = (size_t)len;
}

// What stands in the canonical request for the body, where the head says it; else "".
static mf_str named_payload(const mf_signature *s) {
  return s->payload_hash.len == 0 && s->presigned && mf_str_is(s->service, "s3") ? MF_STR("UNSIGNED-PAYLOAD") : s->payload_hash;
}

bool mf_signature_names_payload(const mf_signature *s) { return named_payload(s).len > 0; }

bool mf_signature_fits_payload(const mf_signature *s, const uint8_t payload_sha256[MF_SHA256_BYTES], mf_auth_error *err) {
  char hex[MF_SHA256_HEX + 1];
  const mf_str named = named_payload(s);
  mf_hex(payload_sha256, MF_SHA256_BYTES, hex);
  if (named.len == 0 || mf_str_is(named, "UNSIGNED-PAYLOAD") || mf_str_equal(named, (mf_str){hex, MF_SHA256_HEX})) return true;
  return mf_auth_fail(err, invalid, "The provided 'x-amz-content-sha256' header does not match what was computed.");
}

bool mf_signature_is_right(const mf_signature *s, const mf_sigv4_request *request, mf_str secret, mf_signing_keys *keys,
                           mf_arena *arena, mf_auth_error *err) {
  char hex[MF_SHA256_HEX + 1];
  uint8_t key[MF_SHA256_BYTES], expected[MF_SHA256_BYTES];
  mf_str line = named_payload(s);
  mf_hex(request->payload_sha256, MF_SHA256_BYTES, hex);
  if (line.len == 0) line = (mf_str){hex, MF_SHA256_HEX};
  signing_key(keys, s, secret, key);
  if (!mf_sigv4_compute(request, s, line, key, arena, expected))
    return mf_auth_fail(err, "ServiceException", "no memory to check the signature");
  if (mf_equal_constant_time(expected, s->signature, MF_SHA256_BYTES)) return true;
  return mf_auth_fail(err, invalid, "The request signature we calculated does not match the signature you provided. Check your AWS "
                      "Secret Access Key and signing method. Consult the service documentation for details.");
}
