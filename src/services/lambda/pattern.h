// AWS's regular expressions (java.util.regex) on top of POSIX extended ones: \d, \s and escapes in brackets are translated, the one
// look-behind that AWS's model has, (?<!\.)$, is checked by hand.
#ifndef MF_SERVICES_LAMBDA_PATTERN_H
#define MF_SERVICES_LAMBDA_PATTERN_H

#include <regex.h>

#include "base/base.h"

bool mf_pattern_compile(const char *pattern, regex_t *regex);  // anchored at both ends; groups move by one
typedef enum mf_pattern_verdict { MF_PATTERN_DIFFERS, MF_PATTERN_MATCHES, MF_PATTERN_NO_MEMORY } mf_pattern_verdict;
mf_pattern_verdict mf_pattern_match(const char *pattern, mf_str text);
#endif
