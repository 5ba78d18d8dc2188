// ListFunctions: pages in the order of names.
#include "settings.h"

static json_t *function_item(mf_operation_call *call, mf_str name, const json_t *row) {
  bool all_versions;
  mf_request_parameter(call->http, "FunctionVersion", &all_versions);
  return mf_configuration_json(call->region, name, all_versions ? ":$LATEST" : "", row, true);
}

// Functions replicated from the region named; none is, so only a function's own region has any.
static bool is_other_master(mf_operation_call *call) {
  bool found;
  mf_str region = mf_request_parameter(call->http, "MasterRegion", &found);
  return found && !mf_str_is(region, "ALL") && !mf_str_equal(region, call->region);
}

void mf_handle_ListFunctions(mf_operation_call *call) {
  char *prefix = mf_str_format(call->arena, "%.*s/", MF_STR_ARG(call->region));
  if (!prefix)
    mf_refuse_no_memory(call->http);
  else if (is_other_master(call))
    mf_respond_json(call->http, 200, json_pack("{s:[]}", "Functions"));
  else
    mf_answer_list(call, MF_TABLE_functions, mf_str_from(prefix), "Functions", function_item);
}
