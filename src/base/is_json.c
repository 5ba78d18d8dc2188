// Whether bytes are one JSON text (RFC 8259; nesting up to DEEPEST, more is taken for no JSON). It understands nothing and keeps nothing,
// so that what came from outside may be looked at where it may not be parsed.
#include "base.h"

enum { DEEPEST = 512 };
typedef struct scanner {
  const char *at, *end;
  uint8_t is_object[DEEPEST / 8];
  uint32_t depth;
} scanner;

static void skip_blanks(scanner *s) {
  while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r')) s->at++;
}

static bool take(scanner *s, char c) {
  if (s->at >= s->end || *s->at != c) return false;
  s->at++;
  return true;
}

static bool take_hex4(scanner *s) {
  for (int i = 0; i < 4; i++, s->at++)
    if (s->at >= s->end || !((*s->at >= '0' && *s->at <= '9') || ((*s->at | 0x20) >= 'a' && (*s->at | 0x20) <= 'f'))) return false;
  return true;
}

static bool take_string(scanner *s) {
  if (!take(s, '"')) return false;
  while (s->at < s->end) {
    const unsigned char c = (unsigned char)*s->at++;
    if (c == '"') return true;
    if (c < 0x20) return false;
    if (c != '\\') continue;
    if (s->at >= s->end || !memchr("\"\\/bfnrtu", *s->at, 9)) return false;
    if (*s->at++ == 'u' && !take_hex4(s)) return false;
  }
  return false;
}

static bool take_digits(scanner *s) {
  const char *first = s->at;
  while (s->at < s->end && *s->at >= '0' && *s->at <= '9') s->at++;
  return s->at > first;
}

static bool take_number(scanner *s) {
  take(s, '-');
  if (!take(s, '0') && !take_digits(s)) return false;
  if (take(s, '.') && !take_digits(s)) return false;
  if (!take(s, 'e') && !take(s, 'E')) return true;
  if (!take(s, '+')) take(s, '-');
  return take_digits(s);
}

static bool take_word(scanner *s, mf_str word) {
  if ((size_t)(s->end - s->at) < word.len || memcmp(s->at, word.data, word.len) != 0) return false;
  s->at += word.len;
  return true;
}

static bool take_scalar(scanner *s) {
  return take_word(s, MF_STR("true")) || take_word(s, MF_STR("false")) || take_word(s, MF_STR("null")) ||
         (s->at < s->end && *s->at == '"' ? take_string(s) : take_number(s));
}

static bool in_object(const scanner *s) { return s->is_object[(s->depth - 1) / 8] >> ((s->depth - 1) % 8) & 1; }

static bool take_name(scanner *s) {
  skip_blanks(s);
  if (!take_string(s)) return false;
  skip_blanks(s);
  return take(s, ':');
}

// An opening bracket; *empty: and the closing one at once.
static bool enter(scanner *s, bool is_object, bool *empty) {
  if (s->depth == DEEPEST) return false;
  s->is_object[s->depth / 8] = (uint8_t)((s->is_object[s->depth / 8] & ~(1u << s->depth % 8)) | ((uint32_t)is_object << s->depth % 8));
  s->depth++;
  skip_blanks(s);
  *empty = take(s, is_object ? '}' : ']');
  if (*empty) s->depth--;
  return *empty || !is_object || take_name(s);
}

// Behind a value: the ends of what it stands in, then a comma if there is more. *more: another value is to come.
static bool leave(scanner *s, bool *more) {
  *more = false;
  for (skip_blanks(s); s->depth > 0; skip_blanks(s)) {
    if (take(s, ',')) {
      *more = true;
      return !in_object(s) || take_name(s);
    }
    if (!take(s, in_object(s) ? '}' : ']')) return false;
    s->depth--;
  }
  return true;
}

bool mf_is_json(mf_slice text) {
  scanner s = {.at = text.data, .end = (const char *)text.data + text.len};
  if (text.len == 0 || !mf_str_is_utf8((mf_str){text.data, text.len})) return false;
  for (bool more = true; more;) {
    bool complete = true;
    skip_blanks(&s);
    if (take(&s, '{') || take(&s, '[')) {
      if (!enter(&s, s.at[-1] == '{', &complete)) return false;
    } else if (!take_scalar(&s)) {
      return false;
    }
    if (complete && !leave(&s, &more)) return false;
  }
  return s.at == s.end;
}
