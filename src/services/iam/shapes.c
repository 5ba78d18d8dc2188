// The shapes that shapes.def lists.
#include "internal.h"

MF_INNER_SHAPE(tag, {"Key", MF_TEXT, 1, 128, .flags = MF_REQUIRED}, {"Value", MF_TEXT, MF_NO_LIMIT, 256, .flags = MF_REQUIRED});
MF_INNER_SHAPE(tags, {"", MF_STRUCTURE, MF_NO_LIMIT, MF_NO_LIMIT, .of = &tag});
MF_INNER_SHAPE(tag_keys, {"", MF_TEXT, 1, 128});

#define MF_IAM_SHAPE(name, ...)                                 \
  static const mf_field fields_of_##name[] = {__VA_ARGS__};     \
  const mf_shape mf_iam_shape_##name = {#name, fields_of_##name, MF_COUNT(fields_of_##name)};
#include "shapes.def"
