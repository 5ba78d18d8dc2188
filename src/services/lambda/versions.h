// Published versions: rows like those of functions (function.h) that nothing changes any more but the rebuilding of their image.
//
// A version comes about at once (PublishVersion, of code that is compiled already) or together with an update: CreateFunction and
// UpdateFunctionCode with Publish write a version that is Pending beside the function's row, and deploy.c ends both in one commit.
#ifndef MF_SERVICES_LAMBDA_VERSIONS_H
#define MF_SERVICES_LAMBDA_VERSIONS_H

#include "internal.h"

// A new function's row goes on where the numbers of the functions that had its name before end, as at AWS.
bool mf_version_continue(mf_store *store, mf_str function_key, json_t *row, mf_error *err) MF_MUST_CHECK;
// What the update under way will be once it is compiled: a new row, State Pending. The function's row remembers it ("publishing").
json_t *mf_version_begin(json_t *row);
// The number in "publishing", 0: nothing is.
uint64_t mf_version_publishing(const json_t *row);
// The row of version `number` that $LATEST is now: code, configuration, image.
json_t *mf_version_row(const json_t *row, uint64_t number);
// The last version's row when it is still what $LATEST is, a new reference; else NULL in *version.
bool mf_version_unchanged(mf_store *store, mf_str function_key, const json_t *row, json_t **version, mf_error *err) MF_MUST_CHECK;
// "region/name:number" in the arena; data NULL: no memory.
mf_str mf_version_key(mf_arena *arena, mf_str function_key, uint64_t number);
// FunctionConfiguration of a version as List operations (in_list) or the others show it, with its own ARN.
json_t *mf_version_json(mf_str region, mf_str name, const json_t *row, bool in_list);
// DeleteFunction of one version. The call's function exists.
void mf_version_delete(mf_operation_call *call);
#endif
