// ListFunctions: pages in the order of names. A marker is the base64 of the last name of the page before.
#include "internal.h"

#include <stdlib.h>

enum { PAGE = 50 };

typedef struct page {
  mf_operation_call *call;
  json_t *functions;
  uint32_t limit;
  const char *suffix;
  char last[MF_UUID_TEXT + 256];
  bool more;
} page;

static bool add_function(void *context, mf_str key, mf_slice value) {
  page *p = context;
  if (json_array_size(p->functions) == p->limit) {
    p->more = true;
    return false;
  }
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  mf_str name = mf_lambda_name_of(key);
  if (row) json_array_append_new(p->functions, mf_configuration_json(p->call->region, name, p->suffix, row, true));
  json_decref(row);
  snprintf(p->last, sizeof p->last, "%.*s", MF_STR_ARG(name));
  return true;
}

static bool read_marker(mf_operation_call *call, mf_str prefix, mf_str *after) {
  bool found;
  *after = MF_STR("");
  mf_str marker = mf_request_parameter(call->http, "Marker", &found);
  if (!found || marker.len == 0) return true;
  size_t len = 0;
  char *name = mf_arena_alloc(call->arena, marker.len + 1);
  if (!name || !mf_base64_decode(marker, (uint8_t *)name, &len)) {
    mf_refuse(call->http, 400, "InvalidParameterValueException", "The marker is none of ours: %.*s", MF_STR_ARG(marker));
    return false;
  }
  *after = mf_str_from(mf_str_format(call->arena, "%.*s%.*s", MF_STR_ARG(prefix), (int)len, name));
  return true;
}

static uint32_t read_limit(mf_operation_call *call) {
  bool found;
  mf_str text = mf_request_parameter(call->http, "MaxItems", &found);
  const char *copy = found ? mf_str_format(call->arena, "%.*s", MF_STR_ARG(text)) : NULL;
  long items = copy ? strtol(copy, NULL, 10) : PAGE;  // checked against its limits
  return items < PAGE ? (uint32_t)items : PAGE;
}

// Functions replicated from the region named; none is, so only a function's own region has any.
static bool is_other_master(mf_operation_call *call) {
  bool found;
  mf_str region = mf_request_parameter(call->http, "MasterRegion", &found);
  return found && !mf_str_is(region, "ALL") && !mf_str_equal(region, call->region);
}

void mf_handle_ListFunctions(mf_operation_call *call) {
  mf_error err;
  mf_str after;
  bool all_versions;
  mf_str prefix = mf_str_from(mf_str_format(call->arena, "%.*s/", MF_STR_ARG(call->region)));
  if (!read_marker(call, prefix, &after)) return;
  mf_request_parameter(call->http, "FunctionVersion", &all_versions);
  page p = {.call = call, .functions = json_array(), .limit = read_limit(call), .suffix = all_versions ? ":$LATEST" : ""};
  bool ok = is_other_master(call) ||
            mf_store_scan(call->lambda->env.store, MF_TABLE_functions, prefix, after, p.limit + 1, add_function, &p, &err);
  if (!ok) {
    json_decref(p.functions);
    mf_refuse_error(call->http, &err);
    return;
  }
  json_t *out = json_pack("{s:o}", "Functions", p.functions);
  if (p.more) {
    char marker[512];
    mf_base64_encode((mf_slice){p.last, strlen(p.last)}, marker);
    json_object_set_new(out, "NextMarker", json_string(marker));
  }
  mf_respond_json(call->http, 200, out);
}
