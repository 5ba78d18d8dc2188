// Managed policies and their versions. AWS's own (arn:aws:iam::aws:policy/…) may be attached to roles; their documents are not here.
#include "internal.h"

enum { MAX_VERSIONS = 5 };
#define OURS "arn:aws:iam::" MF_ACCOUNT ":policy/"
#define AWS_OWN "arn:aws:iam::aws:policy/"

static json_t *members_of(const json_t *row) { return json_object_get(row, "policy"); }

bool mf_iam_load_policy(mf_rpc_call *call, mf_str arn, mf_str *key, json_t **row) {
  const char *slash = arn.len ? memrchr(arn.data, '/', arn.len) : NULL;
  *row = NULL;
  *key = MF_STR("");
  if (mf_str_starts(arn, MF_STR(AWS_OWN)) && arn.len > sizeof AWS_OWN - 1) return true;
  if (!mf_str_starts(arn, MF_STR(OURS)) || !slash) {
    mf_refuse(call->http, 400, "InvalidInput", "ARN %.*s is not valid.", MF_STR_ARG(arn));
    return false;
  }
  *key = mf_iam_key(call->arena, (mf_str){slash + 1, arn.len - (size_t)(slash + 1 - arn.data)});
  if (!mf_iam_load(call, MF_TABLE_iam_policies, *key, row)) return false;
  if (*row && mf_str_equal(mf_iam_text(members_of(*row), "Arn"), arn)) return true;
  json_decref(*row);
  *row = NULL;
  const bool is_attaching = mf_str_starts(mf_str_from(call->operation->name), MF_STR("Attach"));
  mf_refuse(call->http, 404, "NoSuchEntity", is_attaching ? "Policy %.*s does not exist or is not attachable." : "Policy %.*s was not found.",
            MF_STR_ARG(arn));
  return false;
}

// The row of PolicyArn; NULL: an answer was sent.
static json_t *require_policy(mf_rpc_call *call, mf_str *key) {
  json_t *row;
  const mf_str arn = mf_iam_text(call->body, "PolicyArn");
  if (mf_iam_load_policy(call, arn, key, &row) && !row)
    mf_refuse(call->http, 501, "NotImplemented", "%.*s is one of AWS's own policies: Mayfly lets roles have them, and does not know their documents",
              MF_STR_ARG(arn));
  return row;
}

static json_t *new_version(mf_rpc_call *call, json_t *row, const char *date) {
  const json_int_t made = json_integer_value(json_object_get(row, "made")) + 1;
  json_t *version = json_pack("{s:o,s:O,s:s}", "VersionId", json_sprintf("v%" JSON_INTEGER_FORMAT, made), "Document",
                              json_object_get(call->body, "PolicyDocument"), "CreateDate", date);
  json_object_set_new(row, "made", json_integer(made));
  json_array_insert_new(json_object_get(row, "versions"), 0, version);
  return version;
}

static json_t *version_json(mf_rpc_call *call, const json_t *row, const json_t *version, bool with_document) {
  const bool is_default = json_equal(json_object_get(version, "VersionId"), json_object_get(members_of(row), "DefaultVersionId"));
  json_t *out = json_pack("{s:O,s:O,s:b}", "VersionId", json_object_get(version, "VersionId"), "CreateDate",
                          json_object_get(version, "CreateDate"), "IsDefaultVersion", is_default);
  if (with_document) json_object_set_new(out, "Document", mf_iam_document(call->arena, mf_iam_text(version, "Document")));
  return out;
}

static json_t *policy_json(const json_t *row, bool whole) {
  json_t *out = json_copy(members_of(row));
  if (!whole || json_array_size(json_object_get(out, "Tags")) == 0) json_object_del(out, "Tags");
  if (!whole) json_object_del(out, "Description");
  return out;
}

// ---- policies ----
static json_t *new_policy(mf_rpc_call *call, mf_str name) {
  const mf_str given = mf_iam_text(call->body, "Path"), path = given.len ? given : MF_STR("/");
  char *arn = mf_str_format(call->arena, "arn:aws:iam::" MF_ACCOUNT ":policy%.*s%.*s", MF_STR_ARG(path), MF_STR_ARG(name));
  char *id = mf_iam_id(call->arena, "ANPA"), *date = mf_iam_date(call->arena);
  if (!arn || !id || !date) return NULL;
  json_t *members = json_pack("{s:s%,s:s,s:s,s:s%,s:s,s:i,s:i,s:b,s:s,s:s,s:[]}", "PolicyName", name.data, name.len, "PolicyId", id, "Arn", arn,
                              "Path", path.data, path.len, "DefaultVersionId", "v1", "AttachmentCount", 0, "PermissionsBoundaryUsageCount", 0,
                              "IsAttachable", true, "CreateDate", date, "UpdateDate", date, "Tags");
  json_t *description = json_object_get(call->body, "Description");
  if (description) json_object_set(members, "Description", description);
  json_t *row = json_pack("{s:o,s:[],s:i}", "policy", members, "versions", "made", 0);
  new_version(call, row, date);
  return row;
}

void mf_iam_CreatePolicy(mf_rpc_call *call) {
  json_t *row;
  const mf_str name = mf_iam_text(call->body, "PolicyName"), key = mf_iam_key(call->arena, name);
  if (!mf_iam_check_document(call, MF_DOCUMENT_MANAGED, "PolicyDocument") ||
      !mf_iam_load(call, MF_TABLE_iam_policies, key, &row))
    return;
  if (row) {
    json_decref(row);
    mf_refuse(call->http, 409, "EntityAlreadyExists", "A policy called %.*s already exists. Duplicate names are not allowed.", MF_STR_ARG(name));
    return;
  }
  row = new_policy(call, name);
  if (!row) mf_refuse_no_memory(call->http);
  else if (mf_iam_merge_tags(call, json_object_get(members_of(row), "Tags"), json_object_get(call->body, "Tags")))
    mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_policies, key, row}, 1, json_pack("{s:o}", "Policy", policy_json(row, true)));
  json_decref(row);
}

void mf_iam_GetPolicy(mf_rpc_call *call) {
  mf_str key;
  json_t *row = require_policy(call, &key);
  if (row) mf_rpc_respond(call, json_pack("{s:o}", "Policy", policy_json(row, true)));
  json_decref(row);
}

void mf_iam_DeletePolicy(mf_rpc_call *call) {
  mf_str key;
  json_t *row = require_policy(call, &key);
  if (!row) return;
  if (json_integer_value(json_object_get(members_of(row), "AttachmentCount")) > 0)
    mf_refuse(call->http, 409, "DeleteConflict", "Cannot delete a policy attached to entities.");
  else if (json_array_size(json_object_get(row, "versions")) > 1)
    mf_refuse(call->http, 409, "DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's "
              "versions. The default version is deleted with the policy.");
  else mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_policies, key, NULL}, 1, NULL);
  json_decref(row);
}

static json_t *show_policy(mf_rpc_call *call, const json_t *row) {
  const json_t *members = members_of(row);
  const bool is_attached = json_integer_value(json_object_get(members, "AttachmentCount")) > 0;
  const bool is_wanted = mf_str_starts(mf_iam_text(members, "Path"), mf_iam_text(call->body, "PathPrefix")) &&
                         !mf_str_is(mf_iam_text(call->body, "Scope"), "AWS") &&
                         !mf_str_is(mf_iam_text(call->body, "PolicyUsageFilter"), "PermissionsBoundary") &&
                         (is_attached || !json_is_true(json_object_get(call->body, "OnlyAttached")));
  return is_wanted ? policy_json(row, false) : NULL;
}
void mf_iam_ListPolicies(mf_rpc_call *call) { mf_iam_list(call, MF_TABLE_iam_policies, "Policies", show_policy); }

// ---- versions ----
void mf_iam_CreatePolicyVersion(mf_rpc_call *call) {
  mf_str key;
  if (!mf_iam_check_document(call, MF_DOCUMENT_MANAGED, "PolicyDocument")) return;
  json_t *row = require_policy(call, &key);
  char *date = mf_iam_date(call->arena);
  if (row && json_array_size(json_object_get(row, "versions")) >= MAX_VERSIONS) {
    mf_refuse(call->http, 409, "LimitExceeded", "A managed policy can have up to %d versions. Before you create a new version, you must delete an "
              "existing version.", MAX_VERSIONS);
  } else if (row && !date) {
    mf_refuse_no_memory(call->http);
  } else if (row) {
    const json_t *version = new_version(call, row, date);
    json_object_set_new(members_of(row), "UpdateDate", json_string(date));
    if (json_is_true(json_object_get(call->body, "SetAsDefault")))
      json_object_set(members_of(row), "DefaultVersionId", json_object_get(version, "VersionId"));
    mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_policies, key, row}, 1,
                  json_pack("{s:o}", "PolicyVersion", version_json(call, row, version, false)));
  }
  json_decref(row);
}

// The version that the request names and its place; NULL: an answer was sent.
static json_t *require_version(mf_rpc_call *call, const json_t *row, size_t *at) {
  json_t *versions = json_object_get(row, "versions"), *version;
  const mf_str id = mf_iam_text(call->body, "VersionId"), arn = mf_iam_text(call->body, "PolicyArn");
  for (*at = 0; (version = json_array_get(versions, *at)); ++*at)
    if (mf_str_equal(mf_iam_text(version, "VersionId"), id)) return version;
  mf_refuse(call->http, 404, "NoSuchEntity", "Policy %.*s version %.*s does not exist or is not attachable.", MF_STR_ARG(arn), MF_STR_ARG(id));
  return NULL;
}

void mf_iam_GetPolicyVersion(mf_rpc_call *call) {
  mf_str key;
  size_t at;
  json_t *row = require_policy(call, &key), *version = row ? require_version(call, row, &at) : NULL;
  if (version) mf_rpc_respond(call, json_pack("{s:o}", "PolicyVersion", version_json(call, row, version, true)));
  json_decref(row);
}

void mf_iam_DeletePolicyVersion(mf_rpc_call *call) {
  mf_str key;
  size_t at;
  json_t *row = require_policy(call, &key), *version = row ? require_version(call, row, &at) : NULL;
  if (version && json_equal(json_object_get(version, "VersionId"), json_object_get(members_of(row), "DefaultVersionId"))) {
    mf_refuse(call->http, 409, "DeleteConflict", "Cannot delete the default version of a policy.");
  } else if (version) {
    json_array_remove(json_object_get(row, "versions"), at);
    mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_policies, key, row}, 1, NULL);
  }
  json_decref(row);
}

void mf_iam_SetDefaultPolicyVersion(mf_rpc_call *call) {
  mf_str key;
  size_t at;
  json_t *row = require_policy(call, &key), *version = row ? require_version(call, row, &at) : NULL;
  if (version) {
    json_object_set(members_of(row), "DefaultVersionId", json_object_get(version, "VersionId"));
    mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_policies, key, row}, 1, NULL);
  }
  json_decref(row);
}

void mf_iam_ListPolicyVersions(mf_rpc_call *call) {
  mf_str key;
  size_t i;
  json_t *row = require_policy(call, &key), *shown = json_array(), *version;
  json_array_foreach(json_object_get(row, "versions"), i, version) json_array_append_new(shown, version_json(call, row, version, false));
  if (row) mf_rpc_respond(call, mf_iam_page(call, "Versions", shown));
  json_decref(shown);
  json_decref(row);
}

// ---- tags ----
void mf_iam_TagPolicy(mf_rpc_call *call) {
  mf_str key;
  json_t *row = require_policy(call, &key);
  if (row && mf_iam_merge_tags(call, json_object_get(members_of(row), "Tags"), json_object_get(call->body, "Tags")))
    mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_policies, key, row}, 1, NULL);
  json_decref(row);
}

void mf_iam_UntagPolicy(mf_rpc_call *call) {
  mf_str key;
  json_t *row = require_policy(call, &key);
  if (!row) return;
  mf_iam_drop_tags(json_object_get(members_of(row), "Tags"), json_object_get(call->body, "TagKeys"));
  mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_policies, key, row}, 1, NULL);
  json_decref(row);
}

void mf_iam_ListPolicyTags(mf_rpc_call *call) {
  mf_str key;
  json_t *row = require_policy(call, &key);
  if (row) mf_rpc_respond(call, mf_iam_page(call, "Tags", json_object_get(members_of(row), "Tags")));
  json_decref(row);
}
