// Strict: each part begins at a delimiter line and ends before the next, the last delimiter ends the form. Linear in the body's length:
// each byte is looked for a delimiter once.
#include "multipart.h"

#include <stdio.h>
#include <strings.h>

enum { BOUNDARY_BYTES = 70, PART_HEADER_BYTES = 8192, MAX_PARTS = 1000 };  // RFC 2046 §5.1.1: a boundary has 70 characters at most

typedef struct form {
  const char *at, *end;
  char delimiter[BOUNDARY_BYTES + 8];  // "\r\n--boundary"
  size_t delimiter_len;
} form;

static bool malformed(const char *what, mf_error *err) {
  return mf_fail(err, MF_InvalidInput, "the body is no well-formed multipart/form-data: %s", what);
}

// ---- parameters of a header's value: name=token or name="quoted" ----
static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static const char *skip_blanks(const char *p, const char *end) {
  while (p < end && is_blank(*p)) p++;
  return p;
}

// Cuts the next "; name=value" off. The value is what stands between the quotes, escapes and all.
static bool next_parameter(mf_str *rest, mf_str *name, mf_str *value) {
  const char *end = rest->data + rest->len, *p = rest->len > 0 ? memchr(rest->data, ';', rest->len) : NULL;
  if (!p) return false;
  p = skip_blanks(p + 1, end);
  name->data = p;
  while (p < end && *p != '=' && *p != ';') p++;
  name->len = (size_t)(p - name->data);
  *value = (mf_str){p, 0};
  if (p < end && *p == '=') {
    p = skip_blanks(p + 1, end);
    const bool is_quoted = p < end && *p == '"';
    value->data = p += is_quoted;
    while (p < end && (is_quoted ? *p != '"' : *p != ';' && !is_blank(*p))) p += is_quoted && *p == '\\' && p + 1 < end ? 2 : 1;
    value->len = (size_t)(p - value->data);
    if (is_quoted && p < end) p++;
  }
  *rest = (mf_str){p, (size_t)(end - p)};
  return true;
}

static bool is_word(mf_str text, const char *word) { return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0; }

static bool read_boundary(form *f, mf_str content_type, mf_error *err) {
  mf_str name, value;
  while (next_parameter(&content_type, &name, &value)) {
    if (!is_word(name, "boundary")) continue;
    if (value.len == 0 || value.len > BOUNDARY_BYTES) return malformed("its boundary has 1 to 70 characters", err);
    f->delimiter_len = (size_t)snprintf(f->delimiter, sizeof f->delimiter, "\r\n--%.*s", MF_STR_ARG(value));
    return true;
  }
  return malformed("its Content-Type names no boundary", err);
}

// ---- parts ----
static const char *find_delimiter(const form *f) { return memmem(f->at, (size_t)(f->end - f->at), f->delimiter, f->delimiter_len); }

// Behind a delimiter: "--" ends the form, a line's end begins a part (RFC 2046 allows blanks before it).
static bool begin_part(form *f, bool *is_last, mf_error *err) {
  *is_last = f->end - f->at >= 2 && memcmp(f->at, "--", 2) == 0;
  if (*is_last) return true;
  f->at = skip_blanks(f->at, f->end);
  if (f->end - f->at < 2 || memcmp(f->at, "\r\n", 2) != 0) return malformed("a boundary does not end its line", err);
  f->at += 2;
  return true;
}

// One line without its end; false: there is none.
static bool next_line(form *f, const char *limit, mf_str *line) {
  const char *end = memmem(f->at, (size_t)(limit - f->at), "\r\n", 2);
  if (!end) return false;
  *line = (mf_str){f->at, (size_t)(end - f->at)};
  f->at = end + 2;
  return true;
}

static bool names_a_file(mf_str line) {
  static const char header[] = "content-disposition:";
  mf_str name, value;
  if (line.len < sizeof header || strncasecmp(line.data, header, sizeof header - 1) != 0) return false;
  while (next_parameter(&line, &name, &value))
    if (is_word(name, "filename") || is_word(name, "filename*")) return true;
  return false;
}

static bool read_part_headers(form *f, bool *is_file, mf_error *err) {
  const char *limit = f->end - f->at > PART_HEADER_BYTES ? f->at + PART_HEADER_BYTES : f->end;
  mf_str line;
  *is_file = false;
  while (next_line(f, limit, &line)) {
    if (line.len == 0) return true;
    if (!memchr(line.data, ':', line.len)) return malformed("a part's header has no colon", err);
    *is_file |= names_a_file(line);
  }
  return malformed("a part's headers do not end", err);
}

// An empty part's delimiter follows its headers' end, whose line break is then the delimiter's too.
static bool read_content(form *f, mf_slice *content, mf_error *err) {
  f->at -= 2;
  const char *end = find_delimiter(f);
  if (!end) return malformed("a part is not ended by its boundary", err);
  *content = (mf_slice){f->at + 2, end > f->at ? (size_t)(end - f->at) - 2 : 0};
  f->at = end + f->delimiter_len;
  return true;
}

bool mf_multipart_file(mf_slice body, mf_str content_type, mf_slice *file, mf_error *err) {
  form f = {.at = body.data, .end = (const char *)body.data + body.len};
  bool is_last, is_file;
  mf_slice content;
  if (!read_boundary(&f, content_type, err)) return false;
  const size_t first = f.delimiter_len - 2;  // the form may begin with it, without a line before
  const bool is_first = body.len >= first && memcmp(f.at, f.delimiter + 2, first) == 0;
  const char *delimiter = is_first ? NULL : find_delimiter(&f);
  if (!is_first && !delimiter) return malformed("its boundary does not occur", err);
  f.at = is_first ? f.at + first : delimiter + f.delimiter_len;
  for (int i = 0; i < MAX_PARTS; i++) {
    if (!begin_part(&f, &is_last, err)) return false;
    if (is_last) return mf_fail(err, MF_InvalidInput, "the form holds no file: a part with a filename is what is read");
    if (!read_part_headers(&f, &is_file, err) || !read_content(&f, &content, err)) return false;
    if (!is_file || content.len == 0) continue;
    *file = content;
    return true;
  }
  return malformed("it has too many parts", err);
}
