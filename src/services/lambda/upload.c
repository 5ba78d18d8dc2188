// The scanner knows objects, keys and strings, and nothing else of JSON; what it passes by is checked by the parser afterwards.
#include "upload.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { JSON_LIMIT = 1 << 20, CHUNK = 65536, MAX_DEPTH = 64 };

typedef struct scanner {
  const char *at, *end;
} scanner;

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static void skip_blanks(scanner *s) {
  while (s->at < s->end && is_blank(*s->at)) s->at++;
}

// s->at is behind the opening quote; leaves it behind the closing one.
static bool scan_string(scanner *s, mf_str *out) {
  const char *start = s->at;
  for (;;) {
    const char *quote = memchr(s->at, '"', (size_t)(s->end - s->at));
    if (!quote) return false;
    size_t slashes = 0;
    while (quote - slashes > start && quote[-1 - (ptrdiff_t)slashes] == '\\') slashes++;
    s->at = quote + 1;
    if (slashes % 2 == 0) {
      *out = (mf_str){start, (size_t)(quote - start)};
      return true;
    }
  }
}

static bool skip_value(scanner *s);

// Calls itself through skip_value only for depths that were not asked for; s->at is behind '{'.
static bool scan_object(scanner *s, const char *wanted, mf_str *value, char *kind) {
  *kind = 0;
  for (;;) {
    mf_str key;
    skip_blanks(s);
    if (s->at < s->end && *s->at == ',') {
      s->at++;
      continue;
    }
    if (s->at < s->end && *s->at == '}') {
      s->at++;
      return true;
    }
    if (s->at >= s->end || *s->at++ != '"' || !scan_string(s, &key)) return false;
    skip_blanks(s);
    if (s->at >= s->end || *s->at++ != ':') return false;
    skip_blanks(s);
    if (wanted && mf_str_is(key, wanted) && s->at < s->end && (*s->at == '"' || *s->at == '{')) {
      *kind = *s->at;
      *value = (mf_str){s->at + 1, 0};
      return true;
    }
    if (!skip_value(s)) return false;
  }
}

// Passes one value, whatever is in it, by counting brackets outside of strings.
static bool skip_value(scanner *s) {
  int depth = 0;
  mf_str ignored;
  while (s->at < s->end) {
    char c = *s->at;
    if (c == '"') {
      s->at++;
      if (!scan_string(s, &ignored)) return false;
    } else if (c == '{' || c == '[') {
      if (++depth > MAX_DEPTH) return false;
      s->at++;
    } else if (c == '}' || c == ']') {
      if (depth == 0) return true;  // the end of the object around a bare value
      depth--;
      s->at++;
    } else if (depth == 0 && c == ',') {
      return true;
    } else {
      s->at++;
      if (depth > 0 || !is_blank(c)) continue;
    }
    if (depth == 0 && s->at < s->end && (c == '"' || c == '}' || c == ']')) return true;
  }
  return false;
}

bool mf_scan_member(mf_str json, const char *inside, const char *member, mf_str *value, bool *found) {
  scanner s = {json.data, json.data + json.len};
  mf_str start;
  char kind;
  *found = false;
  skip_blanks(&s);
  if (s.at >= s.end || *s.at++ != '{') return false;
  if (inside) {
    if (!scan_object(&s, inside, &start, &kind)) return false;
    if (kind != '{') return true;
    s.at = start.data;
  }
  if (!scan_object(&s, member, &start, &kind)) return false;
  if (kind != '"') return true;
  s.at = start.data;
  return *found = scan_string(&s, value);
}

static bool map_body(mf_upload *upload, mf_http_request *http, mf_error *err) {
  int fd;
  uint64_t len;
  mf_slice body = mf_request_body(http, &fd, &len);
  *upload = (mf_upload){.body = fd < 0 ? body.data : NULL, .body_len = (size_t)(fd < 0 ? body.len : len)};
  if (fd < 0 || len == 0) return true;
  void *mapping = mmap(NULL, (size_t)len, PROT_READ, MAP_SHARED, fd, 0);
  if (mapping == MAP_FAILED) return mf_fail_errno(err, "cannot read the request's body");
  upload->body = mapping;
  upload->mapped = true;
  return true;
}

static bool cut_out(const mf_upload *upload, mf_arena *arena, mf_str *rest, mf_error *err) {
  size_t len = upload->body_len - upload->text_len;
  if (len > JSON_LIMIT) return mf_fail(err, MF_TooLarge, "Could not parse request body into json: %zu bytes besides the package, the limit is %d", len, JSON_LIMIT);
  char *copy = mf_arena_alloc(arena, len + 1);
  if (!copy) return mf_fail(err, MF_OutOfMemory, "no memory for the request");
  size_t before = upload->text ? (size_t)(upload->text - upload->body) : len;
  if (before > 0) memcpy(copy, upload->body, before);
  if (upload->text) memcpy(copy + before, upload->text + upload->text_len, len - before);
  *rest = (mf_str){copy, len};
  return true;
}

bool mf_upload_open(mf_upload *upload, mf_http_request *http, bool inside_code, mf_str *rest, mf_error *err) {
  mf_str value;
  bool found = false;
  if (!map_body(upload, http, err)) return false;
  mf_str body = {upload->body, upload->body_len};
  if (body.len > 0 && mf_scan_member(body, inside_code ? "Code" : NULL, "ZipFile", &value, &found) && found) {
    upload->text = value.data;
    upload->text_len = value.len;
  }
  return cut_out(upload, mf_request_arena(http), rest, err);
}

bool mf_upload_move(mf_upload *from, mf_upload *to) {
  *to = *from;
  if (from->mapped) {
    *from = (mf_upload){0};
    return true;
  }
  char *copy = malloc(from->body_len + 1);  // a body in memory ends with its request
  if (!copy) return false;
  memcpy(copy, from->body, from->body_len);
  to->body = copy;
  to->owned = true;
  to->text = from->text ? copy + (from->text - from->body) : NULL;
  return true;
}

void mf_upload_close(mf_upload *upload) {
  if (upload->mapped) munmap((void *)(uintptr_t)upload->body, upload->body_len);
  if (upload->owned) free((void *)(uintptr_t)upload->body);
  *upload = (mf_upload){0};
}

uint64_t mf_upload_bytes(const mf_upload *upload) {
  uint64_t bytes = (uint64_t)upload->text_len / 4 * 3;
  for (size_t i = upload->text_len; i > 0 && i + 2 > upload->text_len && upload->text[i - 1] == '='; i--) bytes--;
  return bytes;
}

// "\/" is the one escape that JSON writers use in base64 text.
static size_t take_chunk(const char **at, const char *end, char *out) {
  size_t len = 0;
  while (*at < end && len < CHUNK) {
    if (**at == '\\' && *at + 1 < end && (*at)[1] == '/') (*at)++;
    out[len++] = *(*at)++;
  }
  return len;
}

bool mf_upload_decode(const mf_upload *upload, int fd, mf_error *err) {
  char *text = malloc(CHUNK);
  uint8_t *bytes = malloc(CHUNK / 4 * 3);
  const char *at = upload->text, *end = upload->text + upload->text_len;
  bool ok = text && bytes ? true : mf_fail(err, MF_OutOfMemory, "no memory to decode the package");
  while (ok && at < end) {
    size_t len = take_chunk(&at, end, text), decoded;
    bool is_padded_early = at < end && len > 0 && text[len - 1] == '=';
    ok = !is_padded_early && mf_base64_decode((mf_str){text, len}, bytes, &decoded);
    if (!ok) mf_fail(err, MF_InvalidRequest, "ZipFile is not base64 text");
    else ok = mf_write_all(fd, bytes, decoded, "data directory", err);
  }
  free(text);
  free(bytes);
  return ok;
}
