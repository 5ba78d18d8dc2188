// ListFunctions: pages in the order of names; with FunctionVersion ALL each function is followed by its versions.
#include "settings.h"
#include "versions.h"

static json_t *function_item(mf_operation_call *call, mf_str name, const json_t *row) {
  return mf_configuration_json(call->region, name, "", row, true);
}

// Functions replicated from the region named; none is, so only a function's own region has any.
static bool is_other_master(mf_operation_call *call) {
  bool found;
  mf_str region = mf_request_parameter(call->http, "MasterRegion", &found);
  return found && !mf_str_is(region, "ALL") && !mf_str_equal(region, call->region);
}

// ---- with versions: functions one by one, of each its versions. A marker is "name" or "name:0000000007", the last that was shown ----
typedef struct walk {
  mf_operation_call *call;
  mf_str prefix;    // "region/"
  mf_str function;  // "region/name" that was shown last, "" before the first
  mf_str version;   // "region/name:0000000007", "" before its first version
  json_t *items;
  uint32_t limit;
  bool found, more, failed;
  mf_error error;
} walk;

static json_t *parse(walk *w, mf_slice text, mf_str key) {
  json_t *row = json_loadb(text.data, text.len, 0, NULL);
  if (row && !mf_json_lost()) return row;
  json_decref(row);
  w->failed = true;
  mf_fail(&w->error, mf_json_lost() ? MF_OutOfMemory : MF_Internal, "the stored configuration of %.*s cannot be read", MF_STR_ARG(key));
  return NULL;
}

// false: the page is full, or there is no memory.
static bool has_room(walk *w) {
  w->more = json_array_size(w->items) == w->limit;
  return !w->more;
}

static bool remember(walk *w, mf_str *what, mf_str key) {
  *what = mf_str_copy(w->call->arena, key);
  if (!what->data) w->failed = !mf_fail(&w->error, MF_OutOfMemory, "no memory for the list of functions");
  return what->data != NULL;
}

static bool add_function(void *context, mf_str key, mf_slice value) {
  walk *w = context;
  json_t *row = has_room(w) ? parse(w, value, key) : NULL;
  w->found = row && remember(w, &w->function, key);
  if (w->found) {
    w->version = MF_STR("");
    json_array_append_new(w->items, mf_configuration_json(w->call->region, mf_lambda_name_of(key), ":$LATEST", row, true));
  }
  json_decref(row);
  return false;  // its versions come first
}

static bool add_version(void *context, mf_str key, mf_slice value) {
  walk *w = context;
  json_t *row = has_room(w) ? parse(w, value, key) : NULL;
  const bool ok = row && remember(w, &w->version, key);
  if (ok) json_array_append_new(w->items, mf_version_json(w->call->region, mf_lambda_name_of(key), row, true));
  json_decref(row);
  return ok;
}

static bool add_versions(walk *w, mf_store *store, mf_error *err) {
  if (w->function.len == 0) return true;
  mf_str prefix = mf_str_from(mf_str_format(w->call->arena, "%.*s:", MF_STR_ARG(w->function)));
  if (!prefix.data) return mf_fail(err, MF_OutOfMemory, "no memory for the list of versions");
  return mf_store_scan(store, MF_TABLE_versions, prefix, w->version, INT32_MAX, add_version, w, err);
}

static bool go(walk *w, mf_error *err) {
  mf_store *store = w->call->lambda->env.store;
  do {
    if (!add_versions(w, store, err)) return false;
    w->found = false;
    if (!w->more && !w->failed && !mf_store_scan(store, MF_TABLE_functions, w->prefix, w->function, INT32_MAX, add_function, w, err)) return false;
  } while (w->found && !w->more);
  if (w->failed) *err = w->error;
  return !w->failed;
}

static bool begin(walk *w, mf_operation_call *call, mf_str prefix) {
  mf_str marker = mf_list_marker(call);
  if (!marker.data) return false;
  *w = (walk){.call = call, .prefix = prefix, .function = MF_STR(""), .version = MF_STR(""), .limit = mf_list_limit(call)};
  if (marker.len == 0) return true;
  mf_str key = mf_str_from(mf_str_format(call->arena, "%.*s%.*s", MF_STR_ARG(prefix), MF_STR_ARG(marker)));
  if (!key.data) mf_refuse_no_memory(call->http);
  else w->function = mf_lambda_function_key(key);
  if (key.data && mf_lambda_is_version(key)) w->version = key;
  return key.data != NULL;
}

static void list_with_versions(mf_operation_call *call, mf_str prefix) {
  walk w;
  mf_error err;
  if (!begin(&w, call, prefix)) return;
  w.items = json_array();
  if (!go(&w, &err)) {
    json_decref(w.items);
    mf_refuse_error(call->http, &err);
    return;
  }
  mf_str last = w.version.len > 0 ? w.version : w.function, next = {last.data + prefix.len, last.len - prefix.len};
  mf_list_answer(call, "Functions", w.items, w.more ? next : MF_STR(""));
}

void mf_handle_ListFunctions(mf_operation_call *call) {
  bool all_versions;
  char *prefix = mf_str_format(call->arena, "%.*s/", MF_STR_ARG(call->region));
  mf_request_parameter(call->http, "FunctionVersion", &all_versions);
  if (!prefix)
    mf_refuse_no_memory(call->http);
  else if (is_other_master(call))
    mf_respond_json(call->http, 200, json_pack("{s:[]}", "Functions"));
  else if (all_versions)
    list_with_versions(call, mf_str_from(prefix));
  else
    mf_answer_list(call, MF_TABLE_functions, mf_str_from(prefix), "Functions", function_item);
}
