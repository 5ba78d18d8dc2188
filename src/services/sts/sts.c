// GetCallerIdentity, AssumeRole, GetSessionToken. Every key has all rights, so what would narrow a session's (Policy, PolicyArns, tags) is
// refused instead of being kept without effect; ExternalId and a role's trust policy are not judged.
#include "sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { DEFAULT_S = 3600, CHAINED_S = 3600, TOKEN_DEFAULT_S = 43200 };

struct mf_sts {
  mf_sts_env env;
  mf_rpc_endpoint endpoint;
};

// ---- shapes ----
#define NONE MF_NO_LIMIT, MF_NO_LIMIT
MF_INNER_SHAPE(descriptor, {"arn", MF_TEXT, 20, 2048});
MF_INNER_SHAPE(descriptors, {"", MF_STRUCTURE, NONE, .of = &descriptor});
MF_INNER_SHAPE(tag, {"Key", MF_TEXT, 1, 128, .flags = MF_REQUIRED}, {"Value", MF_TEXT, MF_NO_LIMIT, 256, .flags = MF_REQUIRED});
MF_INNER_SHAPE(tags, {"", MF_STRUCTURE, NONE, .of = &tag});
MF_INNER_SHAPE(tag_keys, {"", MF_TEXT, 1, 128});
MF_INNER_SHAPE(AssumeRole, {"RoleArn", MF_TEXT, 20, 2048, .flags = MF_REQUIRED},
               {"RoleSessionName", MF_TEXT, 2, 64, "[\\w+=,.@-]*", .flags = MF_REQUIRED},
               {"PolicyArns", MF_LIST, NONE, .of = &descriptors, .flags = MF_UNSUPPORTED},
               {"Policy", MF_TEXT, 1, 2048, .flags = MF_UNSUPPORTED}, {"DurationSeconds", MF_INTEGER, 900, 43200},
               {"Tags", MF_LIST, MF_NO_LIMIT, 50, .of = &tags, .flags = MF_UNSUPPORTED},
               {"TransitiveTagKeys", MF_LIST, MF_NO_LIMIT, 50, .of = &tag_keys, .flags = MF_UNSUPPORTED},
               {"ExternalId", MF_TEXT, 2, 1224, "[\\w+=,.@:\\/-]*"},
               {"SerialNumber", MF_TEXT, 9, 256, "[\\w+=/:,.@-]*", .flags = MF_UNSUPPORTED},
               {"TokenCode", MF_TEXT, 6, 6, "[\\d]*", .flags = MF_UNSUPPORTED},
               {"SourceIdentity", MF_TEXT, 2, 64, "[\\w+=,.@-]*", .flags = MF_UNSUPPORTED});
MF_INNER_SHAPE(GetSessionToken, {"DurationSeconds", MF_INTEGER, 900, 129600},
               {"SerialNumber", MF_TEXT, 9, 256, "[\\w+=/:,.@-]*", .flags = MF_UNSUPPORTED},
               {"TokenCode", MF_TEXT, 6, 6, "[\\d]*", .flags = MF_UNSUPPORTED});
static const mf_shape None = {"None", NULL, 0};

// ---- who asks ----
// "arn:aws:iam::A:root" or "arn:aws:sts::A:assumed-role/ROLE/SESSION". false: an answer was sent.
static bool caller(mf_rpc_call *call, char **arn, char **user_id, mf_sts_session *session) {
  const mf_sts *sts = call->context;
  *session = (mf_sts_session){MF_STR(""), MF_STR(""), MF_STR("")};
  const bool is_session = call->principal.session_token.len > 0 && sts->env.session(sts->env.context, &call->principal, call->arena, session);
  if (is_session && session->role_id.len > 0) {
    *arn = mf_str_format(call->arena, "arn:aws:sts::" MF_ACCOUNT ":assumed-role/%.*s/%.*s", MF_STR_ARG(session->role_name),
                         MF_STR_ARG(session->session_name));
    *user_id = mf_str_format(call->arena, "%.*s:%.*s", MF_STR_ARG(session->role_id), MF_STR_ARG(session->session_name));
  } else {
    *arn = mf_str_format(call->arena, "arn:aws:iam::" MF_ACCOUNT ":root");
    *user_id = mf_str_format(call->arena, MF_ACCOUNT);
  }
  if (*arn && *user_id) return true;
  mf_refuse_no_memory(call->http);
  return false;
}

static void get_caller_identity(mf_rpc_call *call) {
  char *arn, *user_id;
  mf_sts_session session;
  if (!caller(call, &arn, &user_id, &session)) return;
  mf_rpc_respond(call, json_pack("{s:s,s:s,s:s}", "Arn", arn, "UserId", user_id, "Account", MF_ACCOUNT));
}

// ---- credentials ----
static json_t *credentials_json(mf_rpc_call *call, const mf_sts_session *session, int64_t seconds) {
  const mf_sts *sts = call->context;
  mf_sts_credentials made;
  char expiration[32];
  struct tm utc;
  const time_t expires = (time_t)(mf_wall_ns() / MF_NS_PER_S + seconds);
  sts->env.issue(sts->env.context, &call->principal, session, (int64_t)expires, &made);
  strftime(expiration, sizeof expiration, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&expires, &utc));
  return json_pack("{s:s,s:s,s:s,s:s}", "AccessKeyId", made.access_key, "SecretAccessKey", made.secret, "SessionToken", made.token,
                   "Expiration", expiration);
}

// arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE, where partition, service and resource are not empty. The resource's last part is the name.
static bool role_of_arn(mf_str arn, mf_str *name) {
  mf_str parts[6], rest = arn;
  for (int i = 0; i < 5; i++) {
    const char *colon = rest.len ? memchr(rest.data, ':', rest.len) : NULL;
    if (!colon) return false;
    parts[i] = (mf_str){rest.data, (size_t)(colon - rest.data)};
    rest = (mf_str){colon + 1, rest.len - parts[i].len - 1};
  }
  parts[5] = rest;
  const char *slash = rest.len ? memrchr(rest.data, '/', rest.len) : NULL;
  *name = slash ? (mf_str){slash + 1, rest.len - (size_t)(slash + 1 - rest.data)} : rest;
  return mf_str_is(parts[0], "arn") && parts[1].len > 0 && parts[2].len > 0 && parts[5].len > 0;
}

// The role that the request names; false: an answer was sent.
static bool require_role(mf_rpc_call *call, const char *by, mf_str arn, mf_sts_role *role) {
  const mf_sts *sts = call->context;
  mf_str name;
  mf_error err;
  bool found = false;
  if (!role_of_arn(arn, &name)) {
    mf_refuse(call->http, 400, "ValidationError", "%.*s is invalid", MF_STR_ARG(arn));
    return false;
  }
  if (!sts->env.find_role(sts->env.context, name, call->arena, role, &found, &err)) {
    mf_refuse_error(call->http, &err);
    return false;
  }
  if (found && mf_str_is(arn, role->arn)) return true;
  mf_refuse(call->http, 403, "AccessDenied", "User: %s is not authorized to perform: sts:AssumeRole on resource: %.*s", by, MF_STR_ARG(arn));
  return false;
}

static bool duration_is_allowed(mf_rpc_call *call, const mf_sts_role *role, int64_t seconds, bool is_chained) {
  if (is_chained && seconds > CHAINED_S)
    mf_refuse(call->http, 400, "ValidationError", "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining");
  else if (seconds > role->max_session_s)
    mf_refuse(call->http, 400, "ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.");
  else return true;
  return false;
}

static mf_str member(const mf_rpc_call *call, const char *name) {
  const json_t *value = json_object_get(call->body, name);
  return (mf_str){json_string_value(value), json_string_length(value)};
}

static int64_t seconds_of(const mf_rpc_call *call, int64_t otherwise) {
  const json_t *given = json_object_get(call->body, "DurationSeconds");
  return given ? json_integer_value(given) : otherwise;
}

static void assume_role(mf_rpc_call *call) {
  char *by, *by_id;
  mf_sts_role role;
  mf_sts_session caller_session;
  const int64_t seconds = seconds_of(call, DEFAULT_S);
  if (!caller(call, &by, &by_id, &caller_session) || !require_role(call, by, member(call, "RoleArn"), &role) ||
      !duration_is_allowed(call, &role, seconds, caller_session.role_id.len > 0))
    return;
  const mf_sts_session session = {mf_str_from(role.id), mf_str_from(role.name), member(call, "RoleSessionName")};
  char *arn = mf_str_format(call->arena, "arn:aws:sts::" MF_ACCOUNT ":assumed-role/%s/%.*s", role.name, MF_STR_ARG(session.session_name));
  char *id = mf_str_format(call->arena, "%s:%.*s", role.id, MF_STR_ARG(session.session_name));
  if (!arn || !id) mf_refuse_no_memory(call->http);
  else mf_rpc_respond(call, json_pack("{s:o,s:{s:s,s:s}}", "Credentials", credentials_json(call, &session, seconds), "AssumedRoleUser",
                                      "AssumedRoleId", id, "Arn", arn));
}

static void get_session_token(mf_rpc_call *call) {
  const mf_sts_session session = {MF_STR(""), MF_STR(""), MF_STR("")};
  if (call->principal.session_token.len > 0)
    mf_refuse(call->http, 403, "AccessDenied", "Cannot call GetSessionToken with session credentials");
  else mf_rpc_respond(call, json_pack("{s:o}", "Credentials", credentials_json(call, &session, seconds_of(call, TOKEN_DEFAULT_S))));
}

// ---- the service ----
#define handle_AssumeRole assume_role
#define handle_GetCallerIdentity get_caller_identity
#define handle_GetSessionToken get_session_token
static const mf_rpc_operation operations[] = {
#define MF_OPERATION(name, input) {#name, &input, handle_##name},
#define MF_UNSUPPORTED_OPERATION(name) {#name, NULL, NULL},
#include "operations.def"
#undef MF_OPERATION
#undef MF_UNSUPPORTED_OPERATION
};
const mf_rpc_service mf_sts_service = {.name = "STS", .version = "2011-06-15", .xmlns = "https://sts.amazonaws.com/doc/2011-06-15/",
                                       .invalid_code = "ValidationError", .form = MF_FORM_QUERY,
                                       .operations = operations, .n_operations = MF_COUNT(operations)};

mf_sts *mf_sts_create(const mf_sts_env *env, mf_error *err) {
  mf_sts *sts = calloc(1, sizeof *sts);
  if (!sts) {
    mf_fail(err, MF_OutOfMemory, "no memory for STS");
    return NULL;
  }
  *sts = (mf_sts){.env = *env, .endpoint = {&mf_sts_service, sts}};
  return sts;
}

void mf_sts_destroy(mf_sts *sts) { free(sts); }
void mf_sts_route(mf_sts *sts, mf_route_result *result) { mf_rpc_route(&sts->endpoint, result); }
