// services/sts: who am I, and temporary credentials. Roles are found and credentials are made by functions that `serve` hands in: a
// service may know neither another service nor the keys.
#ifndef MF_SERVICES_STS_STS_H
#define MF_SERVICES_STS_STS_H

#include "api/api.h"

enum { MF_STS_TOKEN_BYTES = 640 };

typedef struct mf_sts_role {
  char arn[640], id[24], name[68];
  int64_t max_session_s;
} mf_sts_role;

// Whom temporary credentials stand for; both roles' members "" : the account itself (GetSessionToken).
typedef struct mf_sts_session {
  mf_str role_id, role_name, session_name;
} mf_sts_session;

typedef struct mf_sts_credentials {
  char access_key[24], secret[48], token[MF_STS_TOKEN_BYTES];
} mf_sts_credentials;

typedef struct mf_sts_env {
  bool (*find_role)(void *context, mf_str name, mf_arena *arena, mf_sts_role *role, bool *found, mf_error *err);
  // Credentials that work from now on until expires_s (since 1970), or until the key that asked for them is removed.
  void (*issue)(void *context, const mf_principal *by, const mf_sts_session *session, int64_t expires_s, mf_sts_credentials *out);
  // Of a request whose session token was verified.
  bool (*session)(void *context, const mf_principal *principal, mf_arena *arena, mf_sts_session *session);
  void *context;
} mf_sts_env;

typedef struct mf_sts mf_sts;
mf_sts *mf_sts_create(const mf_sts_env *env, mf_error *err) MF_MUST_CHECK;
void mf_sts_destroy(mf_sts *sts);
void mf_sts_route(mf_sts *sts, mf_route_result *result);
extern const mf_rpc_service mf_sts_service;  // the table of operations, for tests
#endif
