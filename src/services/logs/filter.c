// The grammar: blanks separate terms; a term may be quoted, with \" and \\ inside; ? or - before it.
#include "filter.h"

static const struct {
  char first;
  const char *what;
} other_kinds[] = {{'{', "JSON filter patterns"}, {'[', "Filter patterns for space-delimited events"}, {'%', "Regular expressions in filter patterns"}};

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

static bool take_term(mf_str *rest, mf_arena *arena, mf_filter_term *term, mf_error *err) {
  term->kind = rest->data[0] == '?' || rest->data[0] == '-' ? rest->data[0] : ' ';
  if (term->kind != ' ') *rest = (mf_str){rest->data + 1, rest->len - 1};
  if (rest->len > 0 && rest->data[0] == '"') {
    if (!take_phrase(rest, arena, &term->text, err)) return false;
  } else {
    size_t len = 0;
    while (len < rest->len && !is_blank(rest->data[len]) && rest->data[len] != '"') len++;
    term->text = (mf_str){rest->data, len};
    *rest = (mf_str){rest->data + len, rest->len - len};
  }
  return term->text.len > 0 || mf_fail(err, MF_InvalidRequest, "Invalid filter pattern: a term is empty");
}

bool mf_filter_parse(mf_str pattern, mf_arena *arena, mf_filter *filter, mf_error *err) {
  *filter = (mf_filter){.terms = MF_NEW_ARRAY(arena, mf_filter_term, MF_MAX_TERMS)};
  if (!filter->terms) return mf_fail(err, MF_OutOfMemory, "no memory for a filter pattern");
  for (mf_str rest = pattern;;) {
    while (rest.len > 0 && is_blank(rest.data[0])) rest = (mf_str){rest.data + 1, rest.len - 1};
    if (rest.len == 0) return true;
    for (size_t i = 0; i < MF_COUNT(other_kinds); i++)
      if (rest.data[0] == other_kinds[i].first)
        return mf_fail(err, MF_Unsupported, "%s are not supported by this version of Mayfly", other_kinds[i].what);
    if (filter->n_terms == MF_MAX_TERMS) return mf_fail(err, MF_InvalidRequest, "Invalid filter pattern: too many terms");
    mf_filter_term *term = &filter->terms[filter->n_terms++];
    if (!take_term(&rest, arena, term, err)) return false;
    filter->has_required |= term->kind == ' ';
    filter->has_optional |= term->kind == '?';
  }
}

// Beside required terms the optional ones count for nothing, as AWS documents.
bool mf_filter_matches(const mf_filter *filter, mf_str text) {
  bool has_one = !filter->has_optional || filter->has_required;
  for (uint32_t i = 0; i < filter->n_terms; i++) {
    const mf_filter_term *term = &filter->terms[i];
    if (term->kind == '?' && has_one) continue;
    const bool found = memmem(text.data, text.len, term->text.data, term->text.len) != NULL;
    if (term->kind == '?') has_one = found;
    else if (found != (term->kind == ' ')) return false;
  }
  return has_one;
}
