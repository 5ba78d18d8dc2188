// Resource policies: AddPermission, RemovePermission, GetPolicy. A policy belongs to a function, a version or an alias, and is a row of
// its own: {"revision": id, "statements": [as AWS shows them]}. A change of it gives both the policy and what it belongs to the
// same new RevisionId; AWS has taken either for the precondition (recorded 2022 and 2025).
#include <stdlib.h>

#include "qualifier.h"
#include "settings.h"

enum { POLICY_BYTES = 20480 };

// What the policy belongs to, and the policy.
typedef struct resource {
  mf_qualifier_kind kind;
  mf_str key;        // of the policy's row, and the alias's
  mf_str row_key;    // of the function's or the version's row
  json_t *function;  // its row
  json_t *row;       // the version's or the alias's; NULL: the function's own
  json_t *policy;    // NULL: none
} resource;

static void resource_deinit(resource *r) {
  json_decref(r->function);
  json_decref(r->row);
  json_decref(r->policy);
}

// ---- finding ----
static const char *arn_of(mf_operation_call *call) {
  const char *suffix = call->qualifier.len > 0 ? mf_str_format(call->arena, ":%.*s", MF_STR_ARG(call->qualifier)) : "";
  const char *arn = suffix ? mf_function_arn(call->arena, call->region, call->name, suffix) : NULL;
  return arn ? arn : "";
}

// What a statement can be about. false: an answer was sent.
static bool load_row(mf_operation_call *call, resource *r) {
  mf_error err;
  bool ok = true;
  mf_store *store = call->lambda->env.store;
  r->kind = mf_qualifier_kind_of(call->qualifier);
  r->row_key = r->kind == MF_QUALIFIER_VERSION ? mf_setting_key(call, call->qualifier) : call->key;
  if (r->kind == MF_QUALIFIER_LATEST) return true;
  if (r->row_key.len == 0) return false;
  if (r->kind == MF_QUALIFIER_VERSION) ok = mf_row_load(store, r->row_key, &r->row, &err);
  else ok = mf_alias_load(store, call->key, call->qualifier, &r->row, &err);
  const bool is_alias_name = !memchr(call->qualifier.data, '$', call->qualifier.len);
  if (!ok) mf_refuse_error(call->http, &err);
  else if (!r->row) mf_refuse_qualifier(call, call->qualifier, is_alias_name ? MF_SAYS_ALIAS : MF_SAYS_FUNCTION);
  return r->row != NULL;
}

static bool load_policy(mf_operation_call *call, resource *r) {
  mf_error err;
  r->key = mf_setting_key(call, call->qualifier);
  if (r->key.len == 0) return false;
  if (mf_setting_load(call->lambda->env.store, MF_TABLE_policies, r->key, &r->policy, &err)) return true;
  mf_refuse_error(call->http, &err);
  return false;
}

static bool load_function(mf_operation_call *call, resource *r) {
  mf_error err;
  if (mf_row_load(call->lambda->env.store, call->key, &r->function, &err)) return true;
  mf_refuse_error(call->http, &err);
  return false;
}

// ---- revisions ----
static json_t *holder_of_revision(const resource *r) {
  if (r->kind == MF_QUALIFIER_ALIAS) return r->row;
  return mf_row_configuration(r->kind == MF_QUALIFIER_VERSION ? r->row : r->function);
}

static bool is_text(const json_t *object, const char *member, mf_str text) {
  const json_t *value = json_object_get(object, member);
  return mf_str_equal((mf_str){json_string_value(value), json_string_length(value)}, text);
}

static bool revision_fits(mf_operation_call *call, const resource *r, mf_str given) {
  if (given.len == 0 || is_text(holder_of_revision(r), "RevisionId", given) || is_text(r->policy, "revision", given)) return true;
  mf_refuse(call->http, 412, "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetPolicy API to retrieve the latest Revision Id");
  return false;
}

static void touch_revisions(resource *r) {
  char revision[MF_UUID_TEXT + 1];
  mf_uuid4(revision);
  mf_set_member(r->policy, "revision", revision);
  mf_set_member(holder_of_revision(r), "RevisionId", revision);
}

// ---- storing ----
// A policy without statements is none.
static void store(mf_operation_call *call, resource *r, json_t *answer) {
  mf_error err;
  mf_write writes[2];
  touch_revisions(r);
  const bool is_empty = json_array_size(json_object_get(r->policy, "statements")) == 0;
  mf_lambda_cache *functions = &call->lambda->functions;
  mf_pending_answer *pending = mf_answer_when_stored(call, answer);
  if (!pending) return;
  bool ok = mf_setting_write(call->arena, MF_TABLE_policies, r->key, is_empty ? NULL : r->policy, &writes[0], &err);
  if (ok && r->kind != MF_QUALIFIER_ALIAS)
    ok = mf_row_save(functions, r->row_key, r->row ? r->row : r->function, writes, 1, mf_answer_stored, pending, &err);
  else if (ok)
    ok = mf_setting_write(call->arena, MF_TABLE_aliases, r->key, r->row, &writes[1], &err) &&
         mf_store_commit(functions->store, writes, 2, mf_answer_stored, pending, &err);
  if (!ok) mf_answer_stored(pending, &err);
}

// ---- statements ----
static bool has_pattern(mf_str text, const char *pattern) { return mf_pattern_match(pattern, text) == MF_PATTERN_MATCHES; }

#define NAME "[\\w+=,.@-]+"
#define PATH "[\\w+=,.@/-]+"
static const struct principal_form {
  const char *pattern, *type;
} principal_forms[] = {{"([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+(amazonaws\\.com(\\.cn)?|amazon\\.com)", "Service"},
                       {"arn:aws[a-z-]*:iam::\\d{12}:(root|user/" PATH "|role/" PATH ")", "AWS"},
                       {"arn:aws[a-z-]*:sts::\\d{12}:(assumed-role/" NAME "/" NAME "|federated-user/" NAME ")", "AWS"}};

// "*", a service, an account, or an ARN of IAM or STS. NULL: none of them.
static json_t *principal_of(mf_arena *arena, mf_str text) {
  if (mf_str_is(text, "*")) return json_string("*");
  for (size_t i = 0; i < MF_COUNT(principal_forms); i++)
    if (has_pattern(text, principal_forms[i].pattern)) return json_pack("{s:s%}", principal_forms[i].type, text.data, text.len);
  if (!has_pattern(text, "\\d{12}")) return NULL;
  const char *root = mf_str_format(arena, "arn:aws:iam::%.*s:root", MF_STR_ARG(text));
  return root ? json_pack("{s:s}", "AWS", root) : NULL;
}

// AWS takes what is no ARN for a name, and says so with its blanks where they are (aws-cli's issue 7408).
static void refuse_principal(mf_http_request *http, mf_str text) {
  if (has_pattern(text, "arn:([^:]*:){4}.+") || has_pattern(text, NAME))
    mf_refuse(http, 400, "InvalidParameterValueException", "The provided principal was invalid. Please check the principal and try again.");
  else
    mf_refuse(http, 400, "InvalidParameterValueException", "The provided input'%.*s'was invalid. Member must satisfy expression: [\\w+=,.@-]* Please check "
              "your input and try again.", (int)MF_MIN(text.len, (size_t)256), text.data);
}

// In the order in which AWS writes them.
static const struct {
  const char *operator, *key, *member;
} conditions[] = {{"StringEquals", "AWS:SourceAccount", "SourceAccount"},
                  {"StringEquals", "lambda:FunctionUrlAuthType", "FunctionUrlAuthType"},
                  {"StringEquals", "aws:PrincipalOrgID", "PrincipalOrgID"},
                  {"StringEquals", "lambda:EventSourceToken", "EventSourceToken"},
                  {"Bool", "lambda:InvokedViaFunctionUrl", "InvokedViaFunctionUrl"},
                  {"ArnLike", "AWS:SourceArn", "SourceArn"}};

static json_t *conditions_of(const json_t *body) {
  json_t *all = NULL;
  for (size_t i = 0; i < MF_COUNT(conditions); i++) {
    const json_t *value = json_object_get(body, conditions[i].member);
    if (!value || json_is_null(value)) continue;
    if (!all) all = json_object();
    json_t *of = json_object_get(all, conditions[i].operator);
    if (!of) json_object_set_new(all, conditions[i].operator, of = json_object());
    json_object_set_new(of, conditions[i].key,
                        json_is_boolean(value) ? json_string(json_is_true(value) ? "true" : "false") : json_copy((json_t *)(uintptr_t)value));
  }
  return all;
}

// NULL: an answer was sent.
static json_t *statement_of(mf_operation_call *call) {
  const json_t *body = call->body, *text = json_object_get(body, "Principal");
  const mf_str action = mf_str_from(json_string_value(json_object_get(body, "Action")));
  if (json_is_string(json_object_get(body, "FunctionUrlAuthType")) && !mf_str_is(action, "lambda:InvokeFunctionUrl")) {
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action");
    return NULL;
  }
  const mf_str who = {json_string_value(text), json_string_length(text)};
  json_t *principal = principal_of(call->arena, who);
  if (!principal) {
    refuse_principal(call->http, who);
    return NULL;
  }
  json_t *statement = json_pack("{s:O,s:s,s:o,s:O,s:s}", "Sid", json_object_get(body, "StatementId"), "Effect", "Allow", "Principal", principal,
                                "Action", json_object_get(body, "Action"), "Resource", arn_of(call));
  json_t *of = conditions_of(body);
  if (of) json_object_set_new(statement, "Condition", of);
  return statement;
}

static size_t find_statement(const json_t *statements, mf_str sid) {
  size_t i;
  json_t *each;
  json_array_foreach(statements, i, each) if (is_text(each, "Sid", sid)) return i;
  return SIZE_MAX;
}

// A new reference.
static json_t *policy_json(const json_t *policy) {
  return json_pack("{s:s,s:s,s:O}", "Version", "2012-10-17", "Id", "default", "Statement", json_object_get(policy, "statements"));
}

static char *policy_text(const json_t *policy) {
  json_t *whole = policy_json(policy);
  char *text = mf_json_text(whole);
  json_decref(whole);
  return text;
}

static bool fits(mf_operation_call *call, const json_t *policy) {
  char *text = policy_text(policy);
  const size_t len = text ? strlen(text) : 0;
  free(text);
  if (!text) mf_refuse_no_memory(call->http);
  else if (len > POLICY_BYTES)
    mf_refuse(call->http, 400, "PolicyLengthExceededException", "The final policy size (%zu) is bigger than the limit (%d).", len, POLICY_BYTES);
  return text && len <= POLICY_BYTES;
}

// ---- the operations ----
static void add(mf_operation_call *call, resource *r, json_t *statement) {
  const json_t *sid = json_object_get(statement, "Sid");
  if (!r->policy) r->policy = json_pack("{s:s,s:[]}", "revision", "", "statements");
  json_t *statements = json_object_get(r->policy, "statements");
  if (find_statement(statements, mf_str_from(json_string_value(sid))) != SIZE_MAX) {
    mf_refuse(call->http, 409, "ResourceConflictException",
              "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.",
              json_string_value(sid));
    return;
  }
  json_array_append(statements, statement);
  if (!fits(call, r->policy)) return;
  char *text = mf_json_text(statement);
  store(call, r, json_pack("{s:s}", "Statement", text ? text : ""));
  free(text);
}

void mf_handle_AddPermission(mf_operation_call *call) {
  resource r = {0};
  if (mf_str_is(call->qualifier, "$LATEST")) {
    mf_refuse(call->http, 400, "InvalidParameterValueException", "We currently do not support adding policies for $LATEST.");
    return;
  }
  json_t *statement = statement_of(call);
  const json_t *revision = json_object_get(call->body, "RevisionId");
  if (statement && load_function(call, &r)) {
    if (!r.function) mf_not_found(call, call->qualifier);
    else if (load_row(call, &r) && load_policy(call, &r) &&
             revision_fits(call, &r, (mf_str){json_string_value(revision), json_string_length(revision)}))
      add(call, &r, statement);
  }
  json_decref(statement);
  resource_deinit(&r);
}

static void remove_statement(mf_operation_call *call, resource *r) {
  bool found;
  json_t *statements = json_object_get(r->policy, "statements");
  const size_t at = find_statement(statements, call->label);
  const mf_str revision = mf_request_parameter(call->http, "RevisionId", &found);
  if (!r->policy) {
    mf_refuse(call->http, 404, "ResourceNotFoundException", "No policy is associated with the given resource.");
  } else if (at == SIZE_MAX) {
    mf_refuse(call->http, 404, "ResourceNotFoundException", "Statement %.*s is not found in resource policy.", MF_STR_ARG(call->label));
  } else if (revision_fits(call, r, revision)) {
    json_array_remove(statements, at);
    store(call, r, NULL);
  }
}

void mf_handle_RemovePermission(mf_operation_call *call) {
  resource r = {0};
  if (load_function(call, &r)) {
    if (!r.function) mf_refuse(call->http, 404, "ResourceNotFoundException", "No policy found for: %s", arn_of(call));
    else if (load_row(call, &r) && load_policy(call, &r)) remove_statement(call, &r);
  }
  resource_deinit(&r);
}

void mf_handle_GetPolicy(mf_operation_call *call) {
  resource r = {0};
  if (!load_policy(call, &r)) return;
  if (!r.policy) {
    mf_refuse(call->http, 404, "ResourceNotFoundException", "The resource you requested does not exist.");
    return;
  }
  char *text = policy_text(r.policy);
  mf_respond_json(call->http, 200, json_pack("{s:s,s:O}", "Policy", text ? text : "", "RevisionId", json_object_get(r.policy, "revision")));
  free(text);
  resource_deinit(&r);
}
