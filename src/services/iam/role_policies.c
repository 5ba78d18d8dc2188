// What a role may do, as far as it is written down: policies of its own, and managed ones that are attached.
#include "internal.h"

enum { MAX_ATTACHED = 20 };

static void refuse_no_policy(mf_rpc_call *call, mf_str name) {
  mf_refuse(call->http, 404, "NoSuchEntity", "The role policy with name %.*s cannot be found.", MF_STR_ARG(name));
}

static bool fits(mf_rpc_call *call, const json_t *policies) {
  const char *name;
  json_t *document;
  size_t sum = 0;
  json_object_foreach((json_t *)(uintptr_t)policies, name, document) sum += mf_iam_document_size(mf_iam_text(policies, name));
  if (sum > MF_IAM_INLINE_LIMIT) mf_iam_refuse_inline_size(call);
  return sum <= MF_IAM_INLINE_LIMIT;
}

void mf_iam_PutRolePolicy(mf_rpc_call *call) {
  mf_str key;
  if (!mf_iam_check_document(call, MF_DOCUMENT_INLINE, "PolicyDocument")) return;
  json_t *row = mf_iam_require_role(call, &key), *policies = json_object_get(row, "policies");
  if (!row) return;
  json_object_set(policies, mf_iam_text(call->body, "PolicyName").data, json_object_get(call->body, "PolicyDocument"));
  if (fits(call, policies)) mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_roles, key, row}, 1, NULL);
  json_decref(row);
}

void mf_iam_GetRolePolicy(mf_rpc_call *call) {
  mf_str key, name = mf_iam_text(call->body, "PolicyName");
  json_t *row = mf_iam_require_role(call, &key), *policies = json_object_get(row, "policies");
  if (!row) return;
  if (!json_object_get(policies, name.data)) refuse_no_policy(call, name);
  else mf_rpc_respond(call, json_pack("{s:O,s:O,s:o}", "RoleName", json_object_get(json_object_get(row, "role"), "RoleName"), "PolicyName",
                                      json_object_get(call->body, "PolicyName"), "PolicyDocument",
                                      mf_iam_document(call->arena, mf_iam_text(policies, name.data))));
  json_decref(row);
}

void mf_iam_DeleteRolePolicy(mf_rpc_call *call) {
  mf_str key, name = mf_iam_text(call->body, "PolicyName");
  json_t *row = mf_iam_require_role(call, &key);
  if (!row) return;
  if (json_object_del(json_object_get(row, "policies"), name.data) != 0) refuse_no_policy(call, name);
  else mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_roles, key, row}, 1, NULL);
  json_decref(row);
}

void mf_iam_ListRolePolicies(mf_rpc_call *call) {
  mf_str key;
  const char *name;
  json_t *row = mf_iam_require_role(call, &key), *names = json_array(), *document;
  json_object_foreach(json_object_get(row, "policies"), name, document) json_array_append_new(names, json_string(name));
  if (row) mf_rpc_respond(call, mf_iam_page(call, "PolicyNames", names));
  json_decref(names);
  json_decref(row);
}

// ---- attached ----
static size_t find_attached(const json_t *attached, mf_str arn) {
  for (size_t i = 0; i < json_array_size(attached); i++)
    if (mf_str_equal(mf_iam_text(json_array_get(attached, i), "PolicyArn"), arn)) return i;
  return SIZE_MAX;
}

// Role and policy in one commit: the policy counts where it is attached. policy_row NULL: AWS's own, nobody counts.
static void commit_both(mf_rpc_call *call, mf_str role_key, const json_t *role_row, mf_str policy_key, json_t *policy_row, int by) {
  json_t *members = json_object_get(policy_row, "policy");
  const json_int_t count = json_integer_value(json_object_get(members, "AttachmentCount")) + by;
  if (members) json_object_set_new(members, "AttachmentCount", json_integer(count));
  const mf_iam_change changes[] = {{MF_TABLE_iam_roles, role_key, role_row}, {MF_TABLE_iam_policies, policy_key, policy_row}};
  mf_iam_commit(call, changes, policy_row ? 2 : 1, NULL);
}

static mf_str last_part(mf_str arn) {
  const char *slash = memrchr(arn.data, '/', arn.len);
  return slash ? (mf_str){slash + 1, arn.len - (size_t)(slash + 1 - arn.data)} : arn;
}

void mf_iam_AttachRolePolicy(mf_rpc_call *call) {
  mf_str key, policy_key, arn = mf_iam_text(call->body, "PolicyArn"), name = last_part(arn);
  json_t *policy = NULL, *row = mf_iam_require_role(call, &key), *attached = json_object_get(row, "attached");
  if (row && mf_iam_load_policy(call, arn, &policy_key, &policy)) {
    if (find_attached(attached, arn) != SIZE_MAX) {
      commit_both(call, key, row, policy_key, policy, 0);
    } else if (json_array_size(attached) >= MAX_ATTACHED) {
      mf_refuse(call->http, 409, "LimitExceeded", "Cannot exceed quota for PoliciesPerRole: %d", MAX_ATTACHED);
    } else {
      json_array_append_new(attached, json_pack("{s:s%,s:s%}", "PolicyName", name.data, name.len, "PolicyArn", arn.data, arn.len));
      commit_both(call, key, row, policy_key, policy, 1);
    }
  }
  json_decref(policy);
  json_decref(row);
}

void mf_iam_DetachRolePolicy(mf_rpc_call *call) {
  mf_str key, policy_key, arn = mf_iam_text(call->body, "PolicyArn");
  json_t *policy = NULL, *row = mf_iam_require_role(call, &key), *attached = json_object_get(row, "attached");
  const size_t at = row ? find_attached(attached, arn) : SIZE_MAX;
  if (row && at == SIZE_MAX) {
    mf_refuse(call->http, 404, "NoSuchEntity", "Policy %.*s was not found.", MF_STR_ARG(arn));
  } else if (row && mf_iam_load_policy(call, arn, &policy_key, &policy)) {
    json_array_remove(attached, at);
    commit_both(call, key, row, policy_key, policy, -1);
  }
  json_decref(policy);
  json_decref(row);
}

// PathPrefix: of the policy's path, which stands in its ARN behind "policy".
static bool has_path(mf_str arn, mf_str prefix) {
  const char *policy = memmem(arn.data, arn.len, ":policy/", 8);
  return prefix.len == 0 || (policy && mf_str_starts((mf_str){policy + 7, arn.len - (size_t)(policy + 7 - arn.data)}, prefix));
}

void mf_iam_ListAttachedRolePolicies(mf_rpc_call *call) {
  mf_str key;
  size_t i;
  json_t *row = mf_iam_require_role(call, &key), *shown = json_array(), *each;
  json_array_foreach(json_object_get(row, "attached"), i, each)
    if (has_path(mf_iam_text(each, "PolicyArn"), mf_iam_text(call->body, "PathPrefix"))) json_array_append(shown, each);
  if (row) mf_rpc_respond(call, mf_iam_page(call, "AttachedPolicies", shown));
  json_decref(shown);
  json_decref(row);
}
