// Temporary credentials. Pure functions of the root secret.
#ifndef MF_SERVE_SESSIONS_H
#define MF_SERVE_SESSIONS_H

#include "base/base.h"
#include "services/sts/sts.h"

typedef struct mf_session {
  mf_sts_session who;
  mf_str parent;         // the access key that asked for it; when that is removed, the session ends
  int64_t expires_s;     // since 1970
} mf_session;

void mf_session_make(mf_str root_secret, const mf_session *session, mf_sts_credentials *out);
// false: the token is not ours, or not this access key's. Whether it has expired is for the caller to say. All in the arena.
bool mf_session_open(mf_str root_secret, mf_str access_key, mf_str token, mf_arena *arena, mf_session *out, mf_str *secret);
#endif
