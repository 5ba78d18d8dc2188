// Aliases: CreateAlias, GetAlias, UpdateAlias, DeleteAlias, ListAliases. A row is what GetAlias answers, without the ARN. What runs for an
// alias is chosen in qualifier.c.
#include "provisioned.h"
#include "qualifier.h"
#include "settings.h"

static mf_str text_of(const json_t *object, const char *member) {
  const json_t *text = json_object_get(object, member);
  return (mf_str){json_string_value(text), json_string_length(text)};
}

static void touch(json_t *alias) {
  char revision[MF_UUID_TEXT + 1];
  mf_uuid4(revision);
  mf_set_member(alias, "RevisionId", revision);
}

static json_t *alias_json(mf_operation_call *call, const json_t *alias) {
  json_t *out = json_copy((json_t *)(uintptr_t)alias);
  char *suffix = mf_str_format(call->arena, ":%.*s", MF_STR_ARG(text_of(alias, "Name")));
  char *arn = suffix ? mf_function_arn(call->arena, call->region, call->name, suffix) : NULL;
  json_object_set_new(out, "AliasArn", json_string(arn ? arn : ""));
  return out;
}

// ---- what an alias may point to ----
static const json_t *weights_of(const json_t *alias) { return json_object_get(json_object_get(alias, "RoutingConfig"), "AdditionalVersionWeights"); }

// The function may be missing as well: AWS says the same.
static bool check_exists(mf_operation_call *call, mf_str version) {
  call->qualifier = version;
  return mf_require_qualifier(call, MF_SAYS_FUNCTION);
}

static bool check_routing(mf_operation_call *call, const json_t *alias, mf_str target) {
  const char *number = json_object_iter_key(json_object_iter((json_t *)(uintptr_t)weights_of(alias)));
  if (!number) return true;
  if (json_object_size(weights_of(alias)) > 1)
    mf_refuse(call->http, 400, "InvalidParameterValueException", "Number of items in AdditionalVersionWeights cannot be greater than 1");
  else if (mf_str_is(target, number))
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "Invalid function version %s. Function version %s is already included in routing configuration.", number, number);
  else if (mf_str_is(target, "$LATEST"))  // no Type in this answer
    mf_respond_error(call->http, 400, "InvalidParameterValueException", "$LATEST is not supported for an alias pointing to more than 1 version",
                     false);
  else
    return check_exists(call, mf_str_from(number));
  return false;
}

static bool check_targets(mf_operation_call *call, const json_t *alias) {
  mf_str target = text_of(alias, "FunctionVersion");
  return check_exists(call, target) && check_routing(call, alias, target);
}

// ---- changes ----
// What is given replaces what is there; weights that are empty are none.
static void take_members(json_t *alias, const json_t *body) {
  static const char *const members[] = {"FunctionVersion", "Description", "RoutingConfig"};
  for (size_t i = 0; i < MF_COUNT(members); i++) {
    json_t *given = json_object_get(body, members[i]);
    if (given && !json_is_null(given)) json_object_set(alias, members[i], given);
  }
  const json_t *weights = weights_of(alias);
  if (json_object_size(weights) == 0) json_object_del(alias, "RoutingConfig");
}

static void store(mf_operation_call *call, json_t *alias) {
  mf_error err;
  mf_write write;
  touch(alias);
  mf_str key = mf_setting_key(call, text_of(alias, "Name"));
  const mf_provision_change change = {.qualifier = MF_STR(""), .alias_name = text_of(alias, "Name"), .alias = alias};
  if (key.len == 0) return;
  if (mf_setting_write(call->arena, MF_TABLE_aliases, key, alias, &write, &err))
    mf_provisioned_commit(call, &change, &write, 1, alias_json(call, alias));
  else mf_refuse_error(call->http, &err);
}

void mf_handle_CreateAlias(mf_operation_call *call) {
  mf_error err;
  json_t *there = NULL, *alias = json_pack("{s:O,s:s}", "Name", json_object_get(call->body, "Name"), "Description", "");
  take_members(alias, call->body);
  mf_str name = text_of(alias, "Name");
  if (check_targets(call, alias)) {
    if (!mf_alias_load(call->lambda->env.store, call->key, name, &there, &err))
      mf_refuse_error(call->http, &err);
    else if (there)
      mf_refuse(call->http, 409, "ResourceConflictException", "Alias already exists: arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s:%.*s",
                MF_STR_ARG(call->region), MF_STR_ARG(call->name), MF_STR_ARG(name));
    else
      store(call, alias);
  }
  json_decref(there);
  json_decref(alias);
}

// NULL: an answer was sent, `words` and the ARN if there is none.
static json_t *require_alias(mf_operation_call *call, const char *words) {
  json_t *alias;
  mf_error err;
  if (!mf_alias_load(call->lambda->env.store, call->key, call->label, &alias, &err)) {
    mf_refuse_error(call->http, &err);
  } else if (!alias) {
    mf_refuse(call->http, 404, "ResourceNotFoundException", "%s: arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s:%.*s", words,
              MF_STR_ARG(call->region), MF_STR_ARG(call->name), MF_STR_ARG(call->label));
  }
  return alias;
}

void mf_handle_GetAlias(mf_operation_call *call) {
  json_t *alias = require_alias(call, "Cannot find alias arn");
  if (!alias) return;
  mf_respond_json(call->http, 200, alias_json(call, alias));
  json_decref(alias);
}

void mf_handle_UpdateAlias(mf_operation_call *call) {
  json_t *alias = require_alias(call, "Alias not found");
  if (!alias) return;
  if (mf_require_revision_of(call, alias)) {
    take_members(alias, call->body);
    if (check_targets(call, alias) && mf_provisioned_check_alias(call, alias)) store(call, alias);
  }
  json_decref(alias);
}

// ---- DeleteAlias: what belongs to the alias goes with it; one that does not exist is answered as if it had ----
void mf_handle_DeleteAlias(mf_operation_call *call) {
  mf_error err;
  uint32_t n;
  mf_write *writes;
  call->qualifier = MF_STR("");
  if (!mf_require_qualifier(call, MF_SAYS_FUNCTION)) return;
  mf_str key = mf_setting_key(call, call->label);
  if (key.len == 0) return;
  if (!mf_settings_deletions(call->lambda->env.store, key, call->arena, &writes, &n, &err)) {
    mf_refuse_error(call->http, &err);
    return;
  }
  if (n == 0) {
    mf_respond_json(call->http, 204, NULL);
    return;
  }
  const mf_provision_change change = {.qualifier = call->label, .alias_name = call->label};
  mf_provisioned_commit(call, &change, writes, n, NULL);
}

// ---- ListAliases ----
static json_t *alias_item(mf_operation_call *call, mf_str name, const json_t *alias) {
  bool filtered;
  mf_str version = mf_request_parameter(call->http, "FunctionVersion", &filtered);
  (void)name;
  if (filtered && !mf_str_equal(version, text_of(alias, "FunctionVersion"))) return NULL;
  return alias_json(call, alias);
}

void mf_handle_ListAliases(mf_operation_call *call) {
  call->qualifier = MF_STR("");
  if (!mf_require_qualifier(call, MF_SAYS_FUNCTION)) return;
  mf_str prefix = mf_setting_key(call, MF_STR(""));
  if (prefix.len > 0) mf_answer_list(call, MF_TABLE_aliases, prefix, "Aliases", alias_item);
}
