// The JSON that `mayfly describe` shows of a function, made at deploy time.
#ifndef MF_PIPELINE_DESCRIBE_H
#define MF_PIPELINE_DESCRIBE_H

#include "recipe.h"

// Writes at most `capacity` bytes; what does not fit is left out whole, so that the text is JSON in
// any case. Returns the length.
size_t mf_package_describe(const mf_image *image, const mf_recipe *recipe, mf_str model, char *out,
                           size_t capacity);
#endif
