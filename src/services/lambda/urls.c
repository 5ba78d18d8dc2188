// Create/Get/Update/Delete/ListFunctionUrlConfig(s): one for a function and one for each of its aliases, with an id that stays.
// RESPONSE_STREAM is taken and kept; answers are sent whole in either mode, since a model's answer is there at once.
#include "urls.h"

#include <stdio.h>
#include <time.h>

#include "qualifier.h"

// ---- what is stored and shown ----
// "2025-11-25T10:00:00.123456Z"
static void format_time(char out[40]) {
  const int64_t now = mf_wall_ns();
  const time_t seconds = (time_t)(now / MF_NS_PER_S);
  struct tm utc;
  gmtime_r(&seconds, &utc);
  const size_t len = strftime(out, 40, "%Y-%m-%dT%H:%M:%S", &utc);
  snprintf(out + len, 40 - len, ".%06dZ", (int)(now % MF_NS_PER_S / 1000));
}

// 36 divides 252: bytes above are thrown again, so that every letter is as likely.
static void make_id(char id[MF_URL_ID + 1]) {
  static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyz";
  uint8_t bytes[64];
  size_t n = 0;
  while (n < MF_URL_ID) {
    mf_random(bytes, sizeof bytes);
    for (size_t i = 0; i < sizeof bytes && n < MF_URL_ID; i++)
      if (bytes[i] < 252) id[n++] = letters[bytes[i] % 36];
  }
  id[n] = 0;
}

static const char *text(const json_t *object, const char *member) {
  const char *value = json_string_value(json_object_get(object, member));
  return value ? value : "";
}

static json_t *arn_json(mf_operation_call *call, mf_str alias) {
  const char *suffix = alias.len > 0 ? mf_str_format(call->arena, ":%.*s", MF_STR_ARG(alias)) : "";
  const char *arn = suffix ? mf_function_arn(call->arena, call->region, call->name, suffix) : NULL;
  return arn ? json_string(arn) : NULL;
}

static json_t *created_json(mf_operation_call *call, mf_str alias, const json_t *url) {
  const char *address = mf_str_format(call->arena, "https://%s.lambda-url.%.*s.on.aws/", text(url, "id"), MF_STR_ARG(call->region));
  json_t *out = json_pack("{s:s,s:o*,s:O}", "FunctionUrl", address ? address : "", "FunctionArn", arn_json(call, alias), "AuthType",
                          json_object_get(url, "AuthType"));
  static const char *const copied[] = {"Cors", "CreationTime", "InvokeMode"};
  for (size_t i = 0; i < MF_COUNT(copied); i++) {
    json_t *value = json_object_get(url, copied[i]);
    if (value) json_object_set(out, copied[i], value);
  }
  return out;
}

static json_t *updated_json(mf_operation_call *call, mf_str alias, const json_t *url) {
  json_t *out = created_json(call, alias, url);
  json_object_set(out, "LastModifiedTime", json_object_get(url, "LastModifiedTime"));
  return out;
}

static json_t *whole_json(mf_operation_call *call, mf_str alias, const json_t *url) {
  json_t *out = updated_json(call, alias, url);
  if (!json_object_get(out, "InvokeMode")) json_object_set_new(out, "InvokeMode", json_string("BUFFERED"));
  return out;
}

// An empty Cors takes the settings away.
static void take_members(json_t *url, const json_t *body) {
  static const char *const members[] = {"AuthType", "Cors", "InvokeMode"};
  for (size_t i = 0; i < MF_COUNT(members); i++) {
    json_t *value = json_object_get(body, members[i]);
    if (!value || json_is_null(value)) continue;
    if (json_is_object(value) && json_object_size(value) == 0) json_object_del(url, members[i]);
    else json_object_set(url, members[i], value);
  }
}

// ---- finding ----
static bool read_json(mf_slice value, json_t **out, mf_error *err) {
  const uint64_t failures = mf_json_failures();
  *out = json_loadb(value.data, value.len, 0, NULL);
  if (*out && mf_json_failures() == failures) return true;
  json_decref(*out);
  *out = NULL;
  return mf_fail(err, MF_OutOfMemory, "a function URL's configuration cannot be read");
}

bool mf_url_find(mf_store *store, mf_str id, mf_arena *arena, json_t **url, mf_str *key, mf_error *err) {
  mf_slice value;
  bool found;
  *url = NULL;
  if (!mf_store_get(store, MF_TABLE_url_ids, id, arena, &value, &found, err)) return false;
  if (!found) return true;
  *key = (mf_str){value.data, value.len};
  if (!mf_store_get(store, MF_TABLE_urls, *key, arena, &value, &found, err)) return false;
  return !found || read_json(value, url, err);
}

typedef struct url_list {
  json_t *all;
  size_t prefix;
  bool failed;
  mf_error *err;
} url_list;

static bool add_url(void *context, mf_str key, mf_slice value) {
  url_list *list = context;
  json_t *url;
  list->failed = !read_json(value, &url, list->err);
  if (list->failed) return false;
  char path[MF_URL_ID + 16];
  snprintf(path, sizeof path, MF_URL_PATH "%s/", text(url, "id"));
  json_array_append_new(list->all, json_pack("{s:s,s:s%,s:O}", "path", path, "alias", key.data + list->prefix, key.len - list->prefix,
                                             "AuthType", json_object_get(url, "AuthType")));
  json_decref(url);
  return true;
}

json_t *mf_urls_of(mf_store *store, mf_str function_key, mf_error *err) {
  char prefix[512];
  const int len = snprintf(prefix, sizeof prefix, "%.*s:", MF_STR_ARG(function_key));
  url_list list = {.all = json_array(), .prefix = (size_t)len, .err = err};
  const bool ok = len > 0 && (size_t)len < sizeof prefix &&
                  mf_store_scan(store, MF_TABLE_urls, (mf_str){prefix, (size_t)len}, MF_STR(""), INT32_MAX, add_url, &list, err);
  if (ok && !list.failed) return list.all;
  json_decref(list.all);
  return NULL;
}

// ---- the operations ----
// A qualifier that came in the name; one in the query was checked with the other members.
static bool qualifier_fits(mf_operation_call *call) {
  if (call->qualifier.len == 0 || mf_pattern_match(mf_pattern_url_qualifier, call->qualifier) == MF_PATTERN_MATCHES) return true;
  mf_refuse(call->http, 400, "ValidationException",
            "1 validation error detected: Value '%.*s' at 'qualifier' failed to satisfy constraint: Member must satisfy regular expression "
            "pattern: %s", MF_STR_ARG(call->qualifier), mf_pattern_url_qualifier);
  return false;
}

// Is there a function, and the alias? false: an answer was sent.
static bool require_resource(mf_operation_call *call) {
  json_t *row, *alias = NULL;
  mf_error err;
  bool ok = mf_row_load(call->lambda->env.store, call->key, &row, &err);
  if (ok && row && call->qualifier.len > 0) ok = mf_alias_load(call->lambda->env.store, call->key, call->qualifier, &alias, &err);
  const bool is_there = ok && row && (call->qualifier.len == 0 || alias);
  if (!ok) mf_refuse_error(call->http, &err);
  else if (!is_there) mf_refuse(call->http, 404, "ResourceNotFoundException", "Function does not exist");
  json_decref(row);
  json_decref(alias);
  return is_there;
}

// A new reference; NULL: an answer was sent.
static json_t *require_url(mf_operation_call *call, mf_str *key) {
  json_t *url;
  mf_error err;
  *key = mf_setting_key(call, call->qualifier);
  if (key->len == 0) return NULL;
  if (!mf_setting_load(call->lambda->env.store, MF_TABLE_urls, *key, &url, &err)) mf_refuse_error(call->http, &err);
  else if (!url) mf_refuse(call->http, 404, "ResourceNotFoundException", "The resource you requested does not exist.");
  return url;
}

static void store_new(mf_operation_call *call, mf_str key, const json_t *url) {
  mf_error err;
  mf_write writes[2];
  mf_pending_answer *pending = mf_answer_when_stored(call, created_json(call, call->qualifier, url));
  if (!pending) return;
  writes[1] = (mf_write){MF_TABLE_url_ids, mf_str_from(text(url, "id")), {key.data, key.len}};
  if (!mf_setting_write(call->arena, MF_TABLE_urls, key, url, &writes[0], &err) ||
      !mf_store_commit(call->lambda->env.store, writes, 2, mf_answer_stored, pending, &err))
    mf_answer_stored(pending, &err);
}

void mf_handle_CreateFunctionUrlConfig(mf_operation_call *call) {
  json_t *before;
  mf_error err;
  char id[MF_URL_ID + 1], now[40];
  const mf_str key = qualifier_fits(call) && require_resource(call) ? mf_setting_key(call, call->qualifier) : MF_STR("");
  if (key.len == 0) return;
  if (!mf_setting_load(call->lambda->env.store, MF_TABLE_urls, key, &before, &err)) {
    mf_refuse_error(call->http, &err);
  } else if (before) {
    json_t *arn = arn_json(call, call->qualifier);
    mf_refuse(call->http, 409, "ResourceConflictException",
              "Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function",
              arn ? json_string_value(arn) : "");
    json_decref(arn);
  } else {
    make_id(id);
    format_time(now);
    json_t *url = json_pack("{s:s,s:s,s:s}", "id", id, "CreationTime", now, "LastModifiedTime", now);
    take_members(url, call->body);
    store_new(call, key, url);
    json_decref(url);
  }
  json_decref(before);
}

void mf_handle_GetFunctionUrlConfig(mf_operation_call *call) {
  mf_str key;
  json_t *url = qualifier_fits(call) ? require_url(call, &key) : NULL;
  if (url) mf_respond_json(call->http, 200, whole_json(call, call->qualifier, url));
  json_decref(url);
}

// url NULL: it is deleted.
static void store_change(mf_operation_call *call, mf_str key, const char *id, const json_t *url, json_t *answer) {
  mf_error err;
  mf_write writes[2];
  mf_pending_answer *pending = mf_answer_when_stored(call, answer);
  if (!pending) return;
  writes[1] = (mf_write){MF_TABLE_url_ids, mf_str_from(id), {0}};
  if (!mf_setting_write(call->arena, MF_TABLE_urls, key, url, &writes[0], &err) ||
      !mf_store_commit(call->lambda->env.store, writes, url ? 1 : 2, mf_answer_stored, pending, &err))
    mf_answer_stored(pending, &err);
}

void mf_handle_UpdateFunctionUrlConfig(mf_operation_call *call) {
  mf_str key;
  char now[40];
  json_t *url = qualifier_fits(call) && require_resource(call) ? require_url(call, &key) : NULL;
  if (!url) return;
  format_time(now);
  take_members(url, call->body);
  mf_set_member(url, "LastModifiedTime", now);
  store_change(call, key, text(url, "id"), url, updated_json(call, call->qualifier, url));
  json_decref(url);
}

void mf_handle_DeleteFunctionUrlConfig(mf_operation_call *call) {
  mf_str key;
  json_t *url = qualifier_fits(call) ? require_url(call, &key) : NULL;
  if (url) store_change(call, key, text(url, "id"), NULL, NULL);
  json_decref(url);
}

static json_t *list_item(mf_operation_call *call, mf_str alias, const json_t *url) { return whole_json(call, alias, url); }

void mf_handle_ListFunctionUrlConfigs(mf_operation_call *call) {
  call->qualifier = MF_STR("");  // a qualifier in the name chooses nothing
  const mf_str prefix = require_resource(call) ? mf_setting_key(call, MF_STR("")) : MF_STR("");
  if (prefix.len > 0) mf_answer_list(call, MF_TABLE_urls, prefix, "FunctionUrlConfigs", list_item);
}
