// The shapes that shapes.def lists.
#include "internal.h"

MF_INNER_SHAPE(tags, {"key", MF_TEXT, 1, 128}, {"value", MF_TEXT, MF_NO_LIMIT, 256});
MF_INNER_SHAPE(tag_keys, {"", MF_TEXT, 1, 128});
MF_INNER_SHAPE(accounts, {"", MF_TEXT, 12, 12, "^\\d{12}$"});
MF_INNER_SHAPE(identifiers, {"", MF_TEXT, 1, 2048});
MF_INNER_SHAPE(stream_names, {"", MF_TEXT, 1, 512, "[^:*]*"});

#define MF_LOGS_SHAPE(name, ...)                                \
  static const mf_field fields_of_##name[] = {__VA_ARGS__};     \
  const mf_shape mf_logs_shape_##name = {#name, fields_of_##name, MF_COUNT(fields_of_##name)};
#include "shapes.def"
