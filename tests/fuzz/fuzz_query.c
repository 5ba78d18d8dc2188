// A form from a stranger: decoded into the members of a structure of every kind, validated, and written as XML and JSON.
#include <stdlib.h>

#include "api/api.h"

#define NONE MF_NO_LIMIT, MF_NO_LIMIT
MF_INNER_SHAPE(leaf, {"Key", MF_TEXT, 1, 8, "[\\w+=,.@-]+"}, {"Value", MF_INTEGER, 0, 99});
MF_INNER_SHAPE(leaves, {"", MF_STRUCTURE, NONE, .of = &leaf});
MF_INNER_SHAPE(branch, {"Leaves", MF_LIST, MF_NO_LIMIT, 5, .of = &leaves}, {"Flag", MF_BOOLEAN, NONE});
MF_INNER_SHAPE(branches, {"", MF_STRUCTURE, NONE, .of = &branch});
MF_INNER_SHAPE(root, {"Name", MF_TEXT, 2, 9, .flags = MF_REQUIRED}, {"Branches", MF_LIST, NONE, .of = &branches}, {"Branch", MF_STRUCTURE, NONE, .of = &branch});

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mf_arena arena;
  mf_error err;
  mf_violations violations = {0};
  mf_arena_init(&arena, 0);
  json_t *members = json_object();
  const mf_str form = {size ? (const char *)data : "", size};
  if (mf_query_decode(form, &root, &arena, members, &err)) {
    mf_buf xml = {.arena = &arena};
    mf_validate_body(&root, members, &violations);
    mf_xml_members(&xml, members, 0);
    char *text = json_dumps(members, JSON_COMPACT);
    if (!text || xml.failed || memchr(xml.len ? xml.data : "", 0, xml.len)) abort();  // what was taken can be sent
    free(text);
  }
  (void)mf_query_value(form, "Action", &arena);
  mf_buf_deinit(&violations.text);
  json_decref(members);
  mf_arena_deinit(&arena);
  return 0;
}
