// The grammar: blanks separate terms; ? or - before a term; a term is letters, digits and underscores, anything else stands in quotes, with \"
// and \\ inside. A pattern that begins otherwise is of another kind.
#include "filter.h"

static const struct {
  char first;
  const char *what;
} other_kinds[] = {{'{', "JSON filter patterns"}, {'[', "Filter patterns for space-delimited events"}, {'%', "Regular expressions in filter patterns"}};

// As AWS has it, but for letters beyond ASCII, which are letters too.
static bool is_of_term(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// The quoted text at *rest, whose first character is the quote.
static bool take_phrase(mf_str *rest, mf_arena *arena, mf_str *out, mf_error *err) {
  char *text = mf_arena_alloc(arena, rest->len);
  size_t len = 0, i = 1;
  if (!text) return mf_fail(err, MF_OutOfMemory, "no memory for a filter pattern");
  for (; i < rest->len && rest->data[i] != '"'; i++) {
    if (rest->data[i] == '\\' && i + 1 < rest->len && (rest->data[i + 1] == '"' || rest->data[i + 1] == '\\')) i++;
    text[len++] = rest->data[i];
  }
  if (i >= rest->len) return mf_fail(err, MF_InvalidRequest, "Invalid filter pattern: a quotation mark is not closed");
  *out = (mf_str){text, len};
  *rest = (mf_str){rest->data + i + 1, rest->len - i - 1};
  return true;
}

// Up to a blank or a quote.
static bool take_word(mf_str *rest, mf_str *out, mf_error *err) {
  size_t len = 0, wrong = 0;
  while (len < rest->len && is_of_term(rest->data[len])) len++;
  const mf_str behind = {rest->data + len, rest->len - len};
  while (wrong < behind.len && !is_of_term(behind.data[wrong]) && !is_blank(behind.data[wrong]) && behind.data[wrong] != '"') wrong++;
  if (wrong > 0) return mf_fail(err, MF_InvalidRequest, "Invalid character(s) in term '%.*s'", (int)wrong, behind.data);
  *out = (mf_str){rest->data, len};
  *rest = behind;
  return true;
}

static bool take_term(mf_str *rest, mf_arena *arena, mf_filter_term *term, mf_error *err) {
  term->kind = rest->data[0] == '?' || rest->data[0] == '-' ? rest->data[0] : ' ';
  if (term->kind != ' ') *rest = (mf_str){rest->data + 1, rest->len - 1};
  const bool is_quoted = rest->len > 0 && rest->data[0] == '"';
  if (is_quoted ? !take_phrase(rest, arena, &term->text, err) : !take_word(rest, &term->text, err)) return false;
  return term->text.len > 0 || mf_fail(err, MF_InvalidRequest, "Invalid filter pattern: a term is empty");
}

// A regular expression may be any of the terms; the others are the whole pattern.
static bool refuse_other_kinds(mf_str rest, bool is_first, mf_error *err) {
  for (size_t i = 0; i < MF_COUNT(other_kinds); i++)
    if (rest.data[0] == other_kinds[i].first && (is_first || rest.data[0] == '%'))
      return mf_fail(err, MF_Unsupported, "%s are not supported by this version of Mayfly", other_kinds[i].what);
  return true;
}

bool mf_filter_parse(mf_str pattern, mf_arena *arena, mf_filter *filter, mf_error *err) {
  *filter = (mf_filter){.terms = MF_NEW_ARRAY(arena, mf_filter_term, MF_MAX_TERMS)};
  if (!filter->terms) return mf_fail(err, MF_OutOfMemory, "no memory for a filter pattern");
  for (mf_str rest = pattern;;) {
    while (rest.len > 0 && is_blank(rest.data[0])) rest = (mf_str){rest.data + 1, rest.len - 1};
    if (rest.len == 0) return true;
    if (!refuse_other_kinds(rest, filter->n_terms == 0, err)) return false;
    if (filter->n_terms == MF_MAX_TERMS) return mf_fail(err, MF_InvalidRequest, "Invalid filter pattern: too many terms");
    mf_filter_term *term = &filter->terms[filter->n_terms++];
    if (!take_term(&rest, arena, term, err)) return false;
    filter->has_optional |= term->kind == '?';
    filter->has_others |= term->kind != '?';
  }
}

// Beside required or excluded terms the optional ones count for nothing, as AWS documents.
bool mf_filter_matches(const mf_filter *filter, mf_str text) {
  bool has_one = !filter->has_optional || filter->has_others;
  for (uint32_t i = 0; i < filter->n_terms; i++) {
    const mf_filter_term *term = &filter->terms[i];
    if (term->kind == '?' && has_one) continue;
    const bool found = memmem(text.data, text.len, term->text.data, term->text.len) != NULL;
    if (term->kind == '?') has_one = found;
    else if (found != (term->kind == ' ')) return false;
  }
  return has_one;
}
