// Strings and bytes with their lengths. NUL-terminated strings stay at the system's edge.
#ifndef MF_BASE_STR_H
#define MF_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"

typedef struct mf_str {  // text, UTF-8 unless said otherwise; not owned; data may be NULL only when len is 0
  const char *data;
  size_t len;
} mf_str;

typedef struct mf_slice {  // bytes, not owned
  const void *data;
  size_t len;
} mf_slice;

#define MF_STR(literal) ((mf_str){"" literal, sizeof(literal) - 1})
#define MF_STR_ARG(s) (int)(s).len, (s).data  // for "%.*s"

static inline mf_str mf_str_from(const char *s) { return (mf_str){s, s ? strlen(s) : 0}; }
static inline bool mf_str_equal(mf_str a, mf_str b) { return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0); }
static inline bool mf_str_is(mf_str a, const char *b) { return mf_str_equal(a, mf_str_from(b)); }
bool mf_str_starts(mf_str s, mf_str prefix);
bool mf_str_ends(mf_str s, mf_str suffix);
bool mf_str_is_utf8(mf_str s);  // well-formed: no overlong forms, no surrogates (RFC 3629)
// Bytes of the character that a text which is not empty begins with (a byte that is no UTF-8 is one), and its code if it is a control
// character: C0, DEL, C1 (in UTF-8 or as a lone byte), and those that turn the direction of writing (Unicode's UAX 9).
#define MF_NO_CONTROL UINT32_MAX
size_t mf_str_character(mf_str text, uint32_t *control);
bool mf_is_json(mf_slice text);  // whether it may stand in a JSON text as it is; nothing of it is interpreted
// Copies into the arena, NUL-terminated behind .len; NULL data when the arena is full.
mf_str mf_str_copy(mf_arena *arena, mf_str s);
char *mf_str_format(mf_arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));  // NULL: arena full

// Text that grows. In an arena: ends with it. arena == NULL: malloc, freed by mf_buf_deinit. Once growing fails, `failed` is set,
// further appends do nothing: check once at the end.
typedef struct mf_buf {
  char *data;
  size_t len, capacity;
  mf_arena *arena;
  size_t limit;  // 0: none; an append that would pass it sets `failed`
  bool failed;
} mf_buf;

void mf_buf_append(mf_buf *buf, const void *data, size_t len);
void mf_buf_str(mf_buf *buf, mf_str s);
void mf_buf_text(mf_buf *buf, const char *nul_terminated);
void mf_buf_format(mf_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *mf_buf_reserve(mf_buf *buf, size_t len);  // room for len more bytes at data + buf->len, NULL on failure; then raise buf->len
// Text for people: control characters (mf_str_character) become \xNN or \uNNNN, so that a name or a message out of a model or a client moves no
// cursor, changes no terminal and forges no line. kept: those that stay, "\n\t" or "".
void mf_buf_printable(mf_buf *buf, mf_str text, const char *kept);
// What stands between the quotes of a JSON string, and between tags in XML 1.0 (its characters alone; others become '?').
void mf_buf_json_text(mf_buf *buf, mf_str text);
void mf_buf_xml_text(mf_buf *buf, mf_str text);
void mf_buf_deinit(mf_buf *buf);
static inline mf_str mf_buf_view(const mf_buf *buf) { return (mf_str){buf->data, buf->len}; }
#endif
