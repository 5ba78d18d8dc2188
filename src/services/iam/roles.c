// Roles: made, read, changed, deleted, tagged.
#include "internal.h"

enum { DEFAULT_SESSION_S = 3600 };

static mf_str path_of(const json_t *members) {
  const mf_str path = mf_iam_text(members, "Path");
  return path.len ? path : MF_STR("/");
}

// "/" or "/…/" of printable ASCII.
static bool is_path(mf_str path) {
  for (size_t i = 0; i < path.len; i++)
    if (path.data[i] < '!' || path.data[i] > '~') return false;
  return path.len > 0 && path.data[0] == '/' && path.data[path.len - 1] == '/';
}

// A role's members as answers hold them. in_list: without what lists leave out.
static json_t *role_json(mf_arena *arena, const json_t *row, bool in_list) {
  const json_t *members = json_object_get(row, "role");
  json_t *out = json_copy((json_t *)(uintptr_t)members);
  json_object_set_new(out, "AssumeRolePolicyDocument", mf_iam_document(arena, mf_iam_text(members, "AssumeRolePolicyDocument")));
  if (in_list || json_array_size(json_object_get(out, "Tags")) == 0) json_object_del(out, "Tags");
  if (in_list) json_object_del(out, "PermissionsBoundary");
  return out;
}

static void set_boundary(json_t *members, mf_str arn) {
  json_object_set_new(members, "PermissionsBoundary",
                      json_pack("{s:s,s:s%}", "PermissionsBoundaryType", "PermissionsBoundaryPolicy", "PermissionsBoundaryArn", arn.data, arn.len));
}

static void keep(const json_t *body, const char *name, json_t *members) {
  json_t *value = json_object_get(body, name);
  if (value) json_object_set(members, name, value);
}

static json_t *new_role(mf_rpc_call *call, mf_str path, mf_str name) {
  const mf_str boundary = mf_iam_text(call->body, "PermissionsBoundary");
  char *arn = mf_str_format(call->arena, "arn:aws:iam::" MF_ACCOUNT ":role%.*s%.*s", MF_STR_ARG(path), MF_STR_ARG(name));
  char *id = mf_iam_id(call->arena, "AROA"), *date = mf_iam_date(call->arena);
  json_t *members = arn && id && date ? json_pack("{s:s%,s:s%,s:s,s:s,s:s,s:[]}", "Path", path.data, path.len, "RoleName", name.data, name.len,
                                                  "RoleId", id, "Arn", arn, "CreateDate", date, "Tags") : NULL;
  keep(call->body, "AssumeRolePolicyDocument", members);
  keep(call->body, "Description", members);
  keep(call->body, "MaxSessionDuration", members);
  if (boundary.len > 0) set_boundary(members, boundary);
  return members;
}

void mf_iam_CreateRole(mf_rpc_call *call) {
  json_t *row;
  const mf_str name = mf_iam_text(call->body, "RoleName"), path = path_of(call->body), key = mf_iam_key(call->arena, name);
  if (!is_path(path)) {
    mf_refuse(call->http, 400, "ValidationError",
              "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.");
    return;
  }
  if (!mf_iam_check_document(call, MF_DOCUMENT_TRUST, "AssumeRolePolicyDocument") ||
      !mf_iam_load(call, MF_TABLE_iam_roles, key, &row))
    return;
  if (row) {
    json_decref(row);
    mf_refuse(call->http, 409, "EntityAlreadyExists", "Role with name %.*s already exists.", MF_STR_ARG(name));
    return;
  }
  json_t *members = new_role(call, path, name);
  if (!members) {
    mf_refuse_no_memory(call->http);
    return;
  }
  row = json_pack("{s:o,s:{},s:[]}", "role", members, "policies", "attached");
  if (mf_iam_merge_tags(call, json_object_get(members, "Tags"), json_object_get(call->body, "Tags")))
    mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_roles, key, row}, 1, json_pack("{s:o}", "Role", role_json(call->arena, row, false)));
  json_decref(row);
}

// With what only reading adds.
static json_t *whole_role_json(mf_rpc_call *call, const json_t *row) {
  json_t *role = role_json(call->arena, row, false);
  if (!json_object_get(role, "MaxSessionDuration")) json_object_set_new(role, "MaxSessionDuration", json_integer(DEFAULT_SESSION_S));
  json_object_set_new(role, "RoleLastUsed", json_object());
  return role;
}

void mf_iam_GetRole(mf_rpc_call *call) {
  mf_str key;
  json_t *row = mf_iam_require_role(call, &key);
  if (!row) return;
  mf_rpc_respond(call, json_pack("{s:o}", "Role", whole_role_json(call, row)));
  json_decref(row);
}

// One member more or less, or another value: `change` says which. result: made of the row afterwards, or NULL.
static void change_role(mf_rpc_call *call, void (*change)(mf_rpc_call *call, json_t *members), json_t *(*result)(mf_rpc_call *call, const json_t *row)) {
  mf_str key;
  json_t *row = mf_iam_require_role(call, &key);
  if (!row) return;
  change(call, json_object_get(row, "role"));
  mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_roles, key, row}, 1, result ? result(call, row) : NULL);
  json_decref(row);
}

static void set_given(mf_rpc_call *call, json_t *members) {
  keep(call->body, "Description", members);
  keep(call->body, "MaxSessionDuration", members);
}
static void set_trust(mf_rpc_call *call, json_t *members) {
  json_object_set(members, "AssumeRolePolicyDocument", json_object_get(call->body, "PolicyDocument"));
}
static void put_boundary(mf_rpc_call *call, json_t *members) { set_boundary(members, mf_iam_text(call->body, "PermissionsBoundary")); }
static void drop_boundary(mf_rpc_call *call, json_t *members) {
  (void)call;
  json_object_del(members, "PermissionsBoundary");
}
static json_t *empty_result(mf_rpc_call *call, const json_t *row) {
  (void)call;
  (void)row;
  return json_object();
}
static json_t *role_result(mf_rpc_call *call, const json_t *row) { return json_pack("{s:o}", "Role", role_json(call->arena, row, false)); }

void mf_iam_UpdateRole(mf_rpc_call *call) { change_role(call, set_given, empty_result); }
void mf_iam_UpdateRoleDescription(mf_rpc_call *call) { change_role(call, set_given, role_result); }
void mf_iam_PutRolePermissionsBoundary(mf_rpc_call *call) { change_role(call, put_boundary, NULL); }
void mf_iam_DeleteRolePermissionsBoundary(mf_rpc_call *call) { change_role(call, drop_boundary, NULL); }
void mf_iam_UpdateAssumeRolePolicy(mf_rpc_call *call) {
  if (mf_iam_check_document(call, MF_DOCUMENT_TRUST, "PolicyDocument")) change_role(call, set_trust, NULL);
}

void mf_iam_DeleteRole(mf_rpc_call *call) {
  mf_str key;
  json_t *row = mf_iam_require_role(call, &key);
  if (!row) return;
  if (json_array_size(json_object_get(row, "attached")) > 0)
    mf_refuse(call->http, 409, "DeleteConflict", "Cannot delete entity, must detach all policies first.");
  else if (json_object_size(json_object_get(row, "policies")) > 0)
    mf_refuse(call->http, 409, "DeleteConflict", "Cannot delete entity, must delete policies first.");
  else mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_roles, key, NULL}, 1, NULL);
  json_decref(row);
}

static json_t *show_role(mf_rpc_call *call, const json_t *row) {
  const mf_str prefix = mf_iam_text(call->body, "PathPrefix");
  if (!mf_str_starts(mf_iam_text(json_object_get(row, "role"), "Path"), prefix)) return NULL;
  json_t *role = role_json(call->arena, row, true);
  if (!json_object_get(role, "MaxSessionDuration")) json_object_set_new(role, "MaxSessionDuration", json_integer(DEFAULT_SESSION_S));
  return role;
}
void mf_iam_ListRoles(mf_rpc_call *call) { mf_iam_list(call, MF_TABLE_iam_roles, "Roles", show_role); }

// There are no instances here, so no profiles for them.
void mf_iam_ListInstanceProfilesForRole(mf_rpc_call *call) {
  mf_str key;
  json_t *row = mf_iam_require_role(call, &key);
  if (!row) return;
  mf_rpc_respond(call, json_pack("{s:[],s:b}", "InstanceProfiles", "IsTruncated", false));
  json_decref(row);
}

// ---- tags ----
void mf_iam_TagRole(mf_rpc_call *call) {
  mf_str key;
  json_t *row = mf_iam_require_role(call, &key);
  if (row && mf_iam_merge_tags(call, json_object_get(json_object_get(row, "role"), "Tags"), json_object_get(call->body, "Tags")))
    mf_iam_commit(call, &(mf_iam_change){MF_TABLE_iam_roles, key, row}, 1, NULL);
  json_decref(row);
}

static void drop_tags(mf_rpc_call *call, json_t *members) {
  mf_iam_drop_tags(json_object_get(members, "Tags"), json_object_get(call->body, "TagKeys"));
}
void mf_iam_UntagRole(mf_rpc_call *call) { change_role(call, drop_tags, NULL); }

void mf_iam_ListRoleTags(mf_rpc_call *call) {
  mf_str key;
  json_t *row = mf_iam_require_role(call, &key);
  if (row) mf_rpc_respond(call, mf_iam_page(call, "Tags", json_object_get(json_object_get(row, "role"), "Tags")));
  json_decref(row);
}

// ---- for STS ----
bool mf_iam_find_role(mf_iam *iam, mf_str name, mf_arena *arena, mf_iam_role *role, bool *found, mf_error *err) {
  mf_slice value;
  const mf_str key = mf_iam_key(arena, name);
  if (!key.data) return mf_fail(err, MF_OutOfMemory, "no memory for a role's name");
  if (!mf_store_get(iam->store, MF_TABLE_iam_roles, key, arena, &value, found, err) || !*found) return !*found;
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  const json_t *members = json_object_get(row, "role"), *max = json_object_get(members, "MaxSessionDuration");
  *role = (mf_iam_role){mf_str_copy(arena, mf_iam_text(members, "Arn")), mf_str_copy(arena, mf_iam_text(members, "RoleId")),
                        mf_str_copy(arena, mf_iam_text(members, "RoleName")), max ? json_integer_value(max) : DEFAULT_SESSION_S};
  json_decref(row);
  return (role->arn.data && role->id.data && role->name.data && !mf_json_lost()) || mf_fail(err, MF_OutOfMemory, "no memory for a role");
}
