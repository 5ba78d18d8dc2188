// A filter pattern and a log line from strangers: what is accepted is matched, and a line that holds all of a pattern's required terms and
// none that it excludes must match when nothing else is asked.
#include <stdlib.h>

#include "services/logs/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mf_arena arena;
  mf_filter filter;
  mf_error err;
  if (size == 0) return 0;
  const size_t len = MF_MIN((size_t)data[0], size - 1);
  const mf_str pattern = {(const char *)data + 1, len}, line = {(const char *)data + 1 + len, size - 1 - len};
  mf_arena_init(&arena, 0);
  if (mf_filter_parse(pattern, &arena, &filter, &err)) {
    bool expected = true, has_one = false;
    for (uint32_t i = 0; i < filter.n_terms; i++) {
      const mf_filter_term *term = &filter.terms[i];
      if (term->text.len == 0 || term->text.len > pattern.len) abort();
      const bool found = memmem(line.data, line.len, term->text.data, term->text.len) != NULL;
      has_one |= term->kind == '?' && found;
      if (term->kind == ' ') expected &= found;
      if (term->kind == '-') expected &= !found;
    }
    if (filter.has_optional && !filter.has_others) expected &= has_one;
    if (mf_filter_matches(&filter, line) != expected) abort();
  }
  mf_arena_deinit(&arena);
  return 0;
}
