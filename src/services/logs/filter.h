// The plain filter patterns of CloudWatch Logs: terms that must all be there, "phrases", ?terms of which one must be there, -terms that
// may not. Case counts. Other patterns (JSON's, those for columns, regular expressions) are refused, and so is, as by AWS, what stands
// outside of quotes and is neither letter, digit nor underscore.
#ifndef MF_SERVICES_LOGS_FILTER_H
#define MF_SERVICES_LOGS_FILTER_H

#include "base/base.h"

typedef struct mf_filter_term {
  char kind;      // ' ' required, '?' optional, '-' excluded
  mf_str text;
} mf_filter_term;
enum { MF_MAX_TERMS = 512 };
typedef struct mf_filter {
  mf_filter_term *terms;
  uint32_t n_terms;
  bool has_optional, has_others;  // terms
} mf_filter;

// In the arena. false: err->message says what is wrong or not supported.
bool mf_filter_parse(mf_str pattern, mf_arena *arena, mf_filter *filter, mf_error *err) MF_MUST_CHECK;
bool mf_filter_matches(const mf_filter *filter, mf_str text);
#endif
