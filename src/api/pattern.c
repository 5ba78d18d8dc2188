// Translating and matching. Patterns are compiled for each use: this is for requests that change functions, not for invocations.
#include "api.h"

#include <stdlib.h>

#define NOT_AFTER_DOT "(?<!\\.)$"
// Look-aheads, checked by hand as well: "not digits only", as AWS's patterns of qualifiers spell it.
static const char *const not_digits_only[] = {"(?!^\\d+$)", "(?!^[0-9]+$)"};

static size_t not_digits_only_at(const char *p) {
  for (size_t i = 0; i < MF_COUNT(not_digits_only); i++)
    if (strncmp(p, not_digits_only[i], strlen(not_digits_only[i])) == 0) return strlen(not_digits_only[i]);
  return 0;
}

static bool forbids_digits_only(const char *pattern) {
  for (const char *p = pattern; *p; p++)
    if (not_digits_only_at(p) > 0) return true;
  return false;
}

static bool is_digits_only(mf_str text) {
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] < '0' || text.data[i] > '9') return false;
  return text.len > 0;
}

// p is behind '['. A '-' that no longer can make a range goes to the end, where POSIX takes it literally.
static const char *translate_bracket(const char *p, mf_buf *out) {
  bool dash = false, in_range = false;
  mf_buf_text(out, "[");
  if (*p == '^') mf_buf_append(out, p++, 1);
  for (; *p && *p != ']'; p++) {
    bool is_range = p[0] != '\\' && p[1] == '-' && p[2] && p[2] != ']' && p[2] != '\\' && !in_range;
    if (*p == '-') dash = true;
    else if (*p == '\\' && p[1] == 's') mf_buf_text(out, "[:space:]"), p++;
    else if (*p == '\\' && p[1] == 'w') mf_buf_text(out, "a-zA-Z0-9_"), p++;
    else if (*p == '\\' && p[1] == '-') dash = true, p++;
    else if (*p == '\\') mf_buf_append(out, ++p, 1);
    else if (is_range) mf_buf_append(out, p, 3), p += 2;
    else mf_buf_append(out, p, 1);
    in_range = false;
  }
  mf_buf_text(out, dash ? "-]" : "]");
  return *p ? p + 1 : p;
}

static void translate(const char *p, mf_buf *out) {
  mf_buf_text(out, "^(");
  while (*p) {
    if (strcmp(p, NOT_AFTER_DOT) == 0) break;
    p += not_digits_only_at(p);
    if (*p == '[') {
      p = translate_bracket(p + 1, out);
    } else if (*p == '\\' && p[1] == 'd') {
      mf_buf_text(out, "[0-9]");
      p += 2;
    } else if (*p == '\\') {
      mf_buf_append(out, p, 2);
      p += 2;
    } else if (*p == '.') {  // Java's: no end of a line
      mf_buf_text(out, "[^\n\r]");
      p++;
    } else {
      mf_buf_append(out, p++, 1);
    }
  }
  mf_buf_append(out, ")$", 3);  // with its NUL
}

bool mf_pattern_compile(const char *pattern, regex_t *regex) {
  mf_buf text = {0};
  translate(pattern, &text);
  bool ok = !text.failed && regcomp(regex, text.data, REG_EXTENDED) == 0;
  mf_buf_deinit(&text);
  return ok;
}

mf_pattern_verdict mf_pattern_match(const char *pattern, mf_str text) {
  regex_t regex;
  if (memchr(text.data, 0, text.len)) return MF_PATTERN_DIFFERS;
  if (mf_str_ends(mf_str_from(pattern), MF_STR(NOT_AFTER_DOT)) && mf_str_ends(text, MF_STR("."))) return MF_PATTERN_DIFFERS;
  if (forbids_digits_only(pattern) && is_digits_only(text)) return MF_PATTERN_DIFFERS;
  if (!mf_pattern_compile(pattern, &regex)) return MF_PATTERN_NO_MEMORY;  // the patterns are ours: there is no other reason
  char *copy = malloc(text.len + 1);
  int result = REG_ESPACE;
  if (copy) {
    memcpy(copy, text.data, text.len);
    copy[text.len] = 0;
    result = regexec(&regex, copy, 0, NULL, 0);
  }
  free(copy);
  regfree(&regex);
  return result == 0 ? MF_PATTERN_MATCHES : result == REG_NOMATCH ? MF_PATTERN_DIFFERS : MF_PATTERN_NO_MEMORY;
}
