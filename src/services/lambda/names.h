// Function names as requests carry them: a bare name, a partial or a whole ARN, with or without a qualifier (lambda.md section 1).
#ifndef MF_SERVICES_LAMBDA_NAMES_H
#define MF_SERVICES_LAMBDA_NAMES_H

#include <regex.h>

#include "base/base.h"

typedef struct mf_lambda_name {
  mf_str name, qualifier, region, account;  // the last three "" when not given; all point into the text that was parsed
} mf_lambda_name;

typedef struct mf_name_patterns {
  regex_t read, write;
} mf_name_patterns;
bool mf_name_patterns_init(mf_name_patterns *patterns);
void mf_name_patterns_deinit(mf_name_patterns *patterns);

// false: does not match the pattern. Names without a colon take a short cut that needs no regular expression.
bool mf_lambda_name_parse(const mf_name_patterns *patterns, bool for_write, mf_str text, mf_lambda_name *out);
// %XX once; false: a broken escape or a NUL, or, with data NULL, no memory. The result is in the arena, or `text` itself when nothing is
// encoded.
bool mf_lambda_decode(mf_arena *arena, mf_str text, mf_str *out);
#endif
