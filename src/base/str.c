// Strings that know their length, and the buffer that they are built in.
#include "str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool mf_str_starts(mf_str s, mf_str prefix) {
  return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.data, prefix.data, prefix.len) == 0);
}

bool mf_str_ends(mf_str s, mf_str suffix) {
  return s.len >= suffix.len && (suffix.len == 0 || memcmp(s.data + s.len - suffix.len, suffix.data, suffix.len) == 0);
}

// Length of the well-formed sequence at s (RFC 3629 §4), 0 if there is none.
static size_t utf8_sequence(const unsigned char *s, size_t left) {
  unsigned char lead = s[0];
  if (lead < 0x80) return 1;
  size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || left < length) return 0;
  unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (s[1] < low || s[1] > high) return 0;
  for (size_t i = 2; i < length; i++)
    if (s[i] < 0x80 || s[i] > 0xbf) return 0;
  return length;
}

bool mf_str_is_utf8(mf_str s) {
  for (size_t i = 0; i < s.len;) {
    size_t step = utf8_sequence((const unsigned char *)s.data + i, s.len - i);
    if (step == 0) return false;
    i += step;
  }
  return true;
}

mf_str mf_str_copy(mf_arena *arena, mf_str s) {
  char *copy = mf_arena_alloc(arena, s.len + 1);
  if (!copy) return (mf_str){NULL, 0};
  if (s.len > 0) memcpy(copy, s.data, s.len);
  return (mf_str){copy, s.len};
}

char *mf_str_format(mf_arena *arena, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = len < 0 ? NULL : mf_arena_alloc(arena, (size_t)len + 1);
  if (text) vsnprintf(text, (size_t)len + 1, format, again);
  va_end(again);
  return text;
}

char *mf_buf_reserve(mf_buf *buf, size_t len) {
  size_t needed;
  if (buf->failed) return NULL;
  if (__builtin_add_overflow(buf->len, len, &needed) || (buf->limit > 0 && needed > buf->limit)) {
    buf->failed = true;
    return NULL;
  }
  if (needed <= buf->capacity) return buf->data + buf->len;
  size_t capacity = buf->capacity < 256 ? 256 : buf->capacity;
  while (capacity < needed && !__builtin_mul_overflow(capacity, 2, &capacity)) {}
  char *grown = capacity < needed ? NULL : buf->arena ? mf_arena_alloc(buf->arena, capacity) : realloc(buf->data, capacity);
  if (!grown) {
    buf->failed = true;
    return NULL;
  }
  if (buf->arena && buf->len > 0) memcpy(grown, buf->data, buf->len);
  buf->data = grown;
  buf->capacity = capacity;
  return buf->data + buf->len;
}

void mf_buf_append(mf_buf *buf, const void *data, size_t len) {
  char *room = len == 0 ? NULL : mf_buf_reserve(buf, len);
  if (!room) return;
  memcpy(room, data, len);
  buf->len += len;
}

void mf_buf_str(mf_buf *buf, mf_str s) { mf_buf_append(buf, s.data, s.len); }
void mf_buf_text(mf_buf *buf, const char *text) { mf_buf_append(buf, text, strlen(text)); }

void mf_buf_format(mf_buf *buf, const char *format, ...) {
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int len = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *room = len < 0 ? NULL : mf_buf_reserve(buf, (size_t)len + 1);
  if (room) {
    vsnprintf(room, (size_t)len + 1, format, again);
    buf->len += (size_t)len;
  }
  va_end(again);
}

void mf_buf_deinit(mf_buf *buf) {
  if (!buf->arena) free(buf->data);
  *buf = (mf_buf){0};
}

static bool is_control(uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
         code == 0x200e || code == 0x200f;
}

size_t mf_str_character(mf_str text, uint32_t *control) {
  const unsigned char *s = (const unsigned char *)text.data;
  const size_t length = utf8_sequence(s, text.len);
  uint32_t code = length > 1 ? s[0] & (0x7fu >> length) : s[0];
  for (size_t i = 1; i < length; i++) code = code << 6 | (s[i] & 0x3f);
  *control = is_control(code) ? code : MF_NO_CONTROL;
  return length ? length : 1;
}

void mf_buf_printable(mf_buf *buf, mf_str text, const char *kept) {
  size_t plain = 0;
  uint32_t code;
  for (size_t i = 0, step; i < text.len; i += step) {
    step = mf_str_character((mf_str){text.data + i, text.len - i}, &code);
    if (code == MF_NO_CONTROL || (code != 0 && code < 0x80 && strchr(kept, (int)code))) continue;
    mf_buf_append(buf, text.data + plain, i - plain);
    mf_buf_format(buf, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
    plain = i + step;
  }
  if (text.len > plain) mf_buf_append(buf, text.data + plain, text.len - plain);
}

// Runs of plain characters go as a whole. Bytes that are no UTF-8 become '?'.
static size_t plain_run(mf_str text, const char *special, bool is_text) {
  size_t n = 0;
  while (n < text.len && (unsigned char)text.data[n] >= 0x20 && !strchr(special, text.data[n]) && (is_text || (unsigned char)text.data[n] < 0x80))
    n++;
  return n;
}

void mf_buf_json_text(mf_buf *buf, mf_str text) {
  const bool is_text = mf_str_is_utf8(text);
  for (size_t i = 0; i < text.len; i++) {
    const size_t run = plain_run((mf_str){text.data + i, text.len - i}, "\"\\", is_text);
    if (run > 0) mf_buf_append(buf, text.data + i, run);
    if ((i += run) == text.len) break;
    const unsigned char c = (unsigned char)text.data[i];
    if (c == '"' || c == '\\') mf_buf_format(buf, "\\%c", c);
    else if (c == '\n') mf_buf_text(buf, "\\n");
    else if (c < 0x20) mf_buf_format(buf, "\\u%04x", c);
    else mf_buf_text(buf, "?");
  }
}

static const char *xml_escape(unsigned char c) {
  switch (c) {
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '&': return "&amp;";
    case '\t': return "\t";
    case '\n': return "\n";
    case '\r': return "&#xD;";
    default: return "?";
  }
}

// U+FFFE and U+FFFF, EF BF BE and EF BF BF, are no characters of XML's.
void mf_buf_xml_text(mf_buf *buf, mf_str text) {
  const bool is_text = mf_str_is_utf8(text);
  for (size_t i = 0; i < text.len; i++) {
    const size_t run = plain_run((mf_str){text.data + i, text.len - i}, "<>&\xef", is_text);
    if (run > 0) mf_buf_append(buf, text.data + i, run);
    if ((i += run) == text.len) break;
    const unsigned char *c = (const unsigned char *)text.data + i;
    if (*c != 0xef || !is_text) mf_buf_text(buf, xml_escape(*c));
    else if (c[1] == 0xbf && c[2] >= 0xbe) mf_buf_text(buf, "?");
    else mf_buf_append(buf, c, 3);
    if (*c == 0xef && is_text) i += 2;
  }
}
