// From a stored package to a function that serves: states, compilation in the background, limits that the plan needs.
#ifndef MF_SERVICES_LAMBDA_DEPLOY_H
#define MF_SERVICES_LAMBDA_DEPLOY_H

#include "internal.h"

void mf_deploy_begin_create(json_t *row);           // State Pending
void mf_deploy_begin_update(json_t *row);           // LastUpdateStatus InProgress
// Keeps MemorySize and Timeout, and who set them, in "rollback": they come back when the update fails.
void mf_deploy_remember_limits(json_t *row);
// A configuration update is on disk: Successful, or Failed when the memory does not suffice.
void mf_deploy_finish_update(mf_lambda *lambda, mf_str key);
// Compiles what the row waits for (a new function, new code, or a stale image). The outcome goes into the row.
void mf_deploy_compile(mf_lambda *lambda, mf_str key, const json_t *row);
// A deployment could not go on: pending functions are looked for again in a second.
void mf_deploy_try_again(mf_lambda *lambda);
// The image of an active function is missing, damaged or built for another machine or version: build it again.
void mf_deploy_rebuild(mf_lambda *lambda, mf_lambda_entry *function);
void mf_deploy_end(mf_lambda *lambda);              // the service ends: compilations under way are heard of no more
#endif
