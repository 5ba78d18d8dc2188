// Canonical path, query and headers. What differs between AWS's documentation and its clients is decided as the clients do it
// (botocore's signer is the test's yardstick): repeated slashes go, a parameter without '=' has an empty value.
#include "canonical.h"

#include <stdlib.h>
#include <strings.h>

static int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

mf_str mf_percent_decode(mf_arena *arena, mf_str text) {
  char *out = mf_arena_alloc(arena, text.len + 1);
  if (!out) return (mf_str){NULL, 0};
  size_t n = 0;
  for (size_t i = 0; i < text.len; i++) {
    int high = text.data[i] == '%' && i + 2 < text.len ? hex_value(text.data[i + 1]) : -1;
    int low = high >= 0 ? hex_value(text.data[i + 2]) : -1;
    if (low < 0) {
      out[n++] = text.data[i];
    } else {
      out[n++] = (char)(high << 4 | low);
      i += 2;
    }
  }
  return (mf_str){out, n};
}

static bool is_unreserved(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
}

void mf_percent_encode(mf_buf *out, mf_str text, bool keep_slash) {
  static const char digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      mf_buf_append(out, &c, 1);
    } else {
      const char escaped[3] = {'%', digits[(unsigned char)c >> 4], digits[(unsigned char)c & 15]};
      mf_buf_append(out, escaped, sizeof escaped);
    }
  }
}

bool mf_query_next(mf_str *query, mf_query_pair *pair) {
  while (query->len > 0) {
    const char *end = memchr(query->data, '&', query->len);
    mf_str item = {query->data, end ? (size_t)(end - query->data) : query->len};
    size_t used = item.len + (end ? 1 : 0);
    *query = (mf_str){query->data + used, query->len - used};
    if (item.len == 0) continue;
    const char *equals = memchr(item.data, '=', item.len);
    pair->name = (mf_str){item.data, equals ? (size_t)(equals - item.data) : item.len};
    pair->value = equals ? (mf_str){equals + 1, item.len - pair->name.len - 1} : (mf_str){item.data + item.len, 0};
    return true;
  }
  return false;
}

// Removes the last segment of "/a/b" (RFC 3986 §5.2.4), down to `start`.
static void drop_segment(mf_buf *path, size_t start) {
  while (path->len > start && path->data[path->len - 1] != '/') path->len--;
  if (path->len > start) path->len--;
}

static void normal_path(mf_buf *out, mf_str target) {
  size_t start = out->len;
  for (size_t i = 0; i < target.len;) {
    size_t end = i;
    while (end < target.len && target.data[end] != '/') end++;
    mf_str segment = {target.data + i, end - i};
    if (mf_str_is(segment, "..")) {
      drop_segment(out, start);
    } else if (segment.len > 0 && !mf_str_is(segment, ".")) {
      mf_buf_text(out, "/");
      mf_buf_str(out, segment);
    }
    i = end + 1;
  }
  bool ends_in_slash = target.len > 0 && target.data[target.len - 1] == '/';
  if (out->len == start || ends_in_slash) mf_buf_text(out, "/");
}

void mf_canonical_path(mf_buf *out, mf_str target, bool is_s3, mf_arena *arena) {
  if (is_s3) {
    mf_str decoded = mf_percent_decode(arena, target);
    if (!decoded.data) out->failed = true;
    mf_percent_encode(out, decoded.len ? decoded : MF_STR("/"), true);
    return;
  }
  mf_buf normal = {.arena = arena};
  normal_path(&normal, target);
  if (normal.failed) out->failed = true;
  mf_percent_encode(out, mf_buf_view(&normal), true);
}

static int compare_text(mf_str a, mf_str b) {
  size_t common = MF_MIN(a.len, b.len);
  int order = common ? memcmp(a.data, b.data, common) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_pairs(const void *a, const void *b) {
  const mf_query_pair *x = a, *y = b;
  int order = compare_text(x->name, y->name);
  return order ? order : compare_text(x->value, y->value);
}

static mf_str reencode(mf_arena *arena, mf_str text) {
  mf_buf out = {.arena = arena};
  mf_str decoded = mf_percent_decode(arena, text);
  mf_percent_encode(&out, decoded, false);
  return out.failed ? (mf_str){NULL, 0} : mf_buf_view(&out);
}

bool mf_canonical_query(mf_buf *out, mf_str query, mf_arena *arena) {
  if (query.len == 0) return true;
  size_t capacity = 1, n = 0;
  for (size_t i = 0; i < query.len; i++) capacity += query.data[i] == '&';
  mf_query_pair *pairs = MF_NEW_ARRAY(arena, mf_query_pair, capacity), pair;
  if (!pairs) return false;
  for (mf_str rest = query; mf_query_next(&rest, &pair);) {
    if (mf_str_is(pair.name, "X-Amz-Signature")) continue;
    pairs[n++] = (mf_query_pair){reencode(arena, pair.name), reencode(arena, pair.value)};
  }
  qsort(pairs, n, sizeof *pairs, compare_pairs);
  for (size_t i = 0; i < n; i++) {
    if (i > 0) mf_buf_text(out, "&");
    mf_buf_str(out, pairs[i].name);
    mf_buf_text(out, "=");
    mf_buf_str(out, pairs[i].value);
  }
  return !out->failed;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static void trimmed_value(mf_buf *out, mf_str value) {
  size_t start = 0, end = value.len;
  while (start < end && is_blank(value.data[start])) start++;
  while (end > start && is_blank(value.data[end - 1])) end--;
  for (size_t i = start; i < end;) {
    size_t run = i;
    while (run < end && !is_blank(value.data[run])) run++;
    mf_buf_append(out, value.data + i, run - i);
    if (run < end) mf_buf_text(out, " ");
    while (run < end && is_blank(value.data[run])) run++;
    i = run;
  }
}

static bool is_named(const mf_header *header, mf_str name) {
  return strncasecmp(header->name, name.data, name.len) == 0 && header->name[name.len] == 0;
}

void mf_canonical_headers(mf_buf *out, const mf_sigv4_request *request, mf_str signed_headers) {
  for (size_t i = 0; i < signed_headers.len;) {
    const char *semicolon = memchr(signed_headers.data + i, ';', signed_headers.len - i);
    size_t end = semicolon ? (size_t)(semicolon - signed_headers.data) : signed_headers.len;
    mf_str name = {signed_headers.data + i, end - i};
    mf_buf_str(out, name);
    mf_buf_text(out, ":");
    bool several = false;
    for (uint32_t h = 0; h < request->n_headers; h++) {
      if (!is_named(&request->headers[h], name)) continue;
      if (several) mf_buf_text(out, ",");
      trimmed_value(out, request->headers[h].value);
      several = true;
    }
    mf_buf_text(out, "\n");
    i = end + 1;
  }
}

mf_str mf_header_find(const mf_header *headers, uint32_t n_headers, const char *name, size_t name_len) {
  for (uint32_t i = 0; i < n_headers; i++)
    if (is_named(&headers[i], (mf_str){name, name_len})) return headers[i].value;
  return MF_STR("");
}
