// services/iam: roles and policies as deployment tools make, read and destroy them. They are kept, not judged: every access key has all
// rights, and Lambda takes any role. A role is what STS's AssumeRole needs.
#ifndef MF_SERVICES_IAM_IAM_H
#define MF_SERVICES_IAM_IAM_H

#include "api/api.h"
#include "store/store.h"

typedef struct mf_iam mf_iam;
mf_iam *mf_iam_create(mf_store *store, mf_error *err) MF_MUST_CHECK;
void mf_iam_destroy(mf_iam *iam);
void mf_iam_route(mf_iam *iam, mf_route_result *result);

typedef struct mf_iam_role {  // in the arena
  mf_str arn, id, name;
  int64_t max_session_s;
} mf_iam_role;
bool mf_iam_find_role(mf_iam *iam, mf_str name, mf_arena *arena, mf_iam_role *role, bool *found, mf_error *err) MF_MUST_CHECK;
extern const mf_rpc_service mf_iam_service;  // the table of operations, for tests
#endif
