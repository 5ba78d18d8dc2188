// Parsing by the groups of AWS's own pattern.
#include "names.h"

#include "shapes.h"

enum { GROUP_REGION = 4, GROUP_ACCOUNT = 10, GROUP_NAME = 12, GROUP_QUALIFIER = 13, GROUPS = 15, MAX_NAME_TEXT = 257 };

bool mf_name_patterns_init(mf_name_patterns *patterns) {
  if (!mf_pattern_compile(mf_pattern_function_read, &patterns->read)) return false;
  if (mf_pattern_compile(mf_pattern_function_write, &patterns->write)) return true;
  regfree(&patterns->read);
  return false;
}

void mf_name_patterns_deinit(mf_name_patterns *patterns) {
  regfree(&patterns->read);
  regfree(&patterns->write);
}

static bool is_bare_name(mf_str text) {
  for (size_t i = 0; i < text.len; i++) {
    char c = text.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return false;
  }
  return text.len > 0;
}

// The group's text without the colon at its end (region, account) or its beginning (qualifier).
static mf_str group(mf_str text, const regmatch_t *match, size_t skip_front, size_t skip_back) {
  if (match->rm_so < 0 || match->rm_eo == match->rm_so) return MF_STR("");
  size_t from = (size_t)match->rm_so + skip_front, to = (size_t)match->rm_eo - skip_back;
  return (mf_str){text.data + from, to - from};
}

bool mf_lambda_name_parse(const mf_name_patterns *patterns, bool for_write, mf_str text, mf_lambda_name *out) {
  char copy[MAX_NAME_TEXT];
  regmatch_t groups[GROUPS];
  *out = (mf_lambda_name){.name = text, .qualifier = MF_STR(""), .region = MF_STR(""), .account = MF_STR("")};
  if (is_bare_name(text)) return true;
  if (text.len >= sizeof copy || memchr(text.data, 0, text.len)) return false;
  memcpy(copy, text.data, text.len);
  copy[text.len] = 0;
  if (regexec(for_write ? &patterns->write : &patterns->read, copy, GROUPS, groups, 0) != 0) return false;
  out->region = group(text, &groups[GROUP_REGION], 0, 1);
  out->account = group(text, &groups[GROUP_ACCOUNT], 0, 1);
  out->name = group(text, &groups[GROUP_NAME], 0, 0);
  out->qualifier = group(text, &groups[GROUP_QUALIFIER], 1, 0);
  return true;
}

bool mf_lambda_decode(mf_arena *arena, mf_str text, mf_str *out) {
  *out = text;
  if (!memchr(text.data, '%', text.len)) return true;
  char *copy = mf_arena_alloc(arena, text.len + 1);
  size_t len = 0;
  if (!copy) {
    *out = (mf_str){0};
    return false;
  }
  for (size_t i = 0; i < text.len; i++) {
    uint8_t byte = (uint8_t)text.data[i];
    if (text.data[i] == '%') {
      if (i + 2 >= text.len || !mf_unhex((mf_str){text.data + i + 1, 2}, &byte) || byte == 0) return false;
      i += 2;
    }
    copy[len++] = (char)byte;
  }
  *out = (mf_str){copy, len};
  return true;
}
