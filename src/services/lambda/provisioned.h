// Provisioned concurrency. A configuration belongs to a version or to an alias, and is a row of its own: {"instances", "LastModified"} and,
// after its alias changed, "kept_from" (standby.h).
// What all of a function's configurations come to is its plan, {"7": 3}: so many instances of each version; an alias's are shared among
// its versions by their weights. The plan stands in the function's row ("provisioned"), so that a region's sums know of it and the start
// need not look at anything else; it is stored in the same commit as what changes it, and the host is told when that is on disk.
#ifndef MF_SERVICES_LAMBDA_PROVISIONED_H
#define MF_SERVICES_LAMBDA_PROVISIONED_H

#include "internal.h"

// What becomes of a configuration, or of an alias that may have one.
typedef struct mf_provision_change {
  mf_str qualifier;      // whose configuration is changed; "": of none
  int64_t instances;     // 0: it goes
  mf_str alias_name;     // an alias that is changed; "": none
  const json_t *alias;   // as it will be
} mf_provision_change;

// What one configuration comes to, a new reference; NULL: failed.
bool mf_provisioned_plan_of(mf_store *store, mf_str function_key, mf_str qualifier, int64_t instances, const mf_provision_change *change,
                            json_t **plan, mf_error *err) MF_MUST_CHECK;
int64_t mf_provisioned_total(const json_t *plan);  // of a row's "provisioned"; NULL: 0
// An alias that has a configuration may not come to point to a version that has instances of another one. false: an answer was sent.
bool mf_provisioned_check_alias(mf_operation_call *call, const json_t *alias) MF_MUST_CHECK;
// Commits the writes together with what they mean for the plan, and answers then. Takes the answer.
void mf_provisioned_commit(mf_operation_call *call, const mf_provision_change *change, const mf_write *writes, uint32_t n_writes,
                           json_t *answer);
// A version is about to be deleted: its configuration goes first. false: an answer was sent.
bool mf_provisioned_end_version(mf_operation_call *call, mf_str number) MF_MUST_CHECK;
// Tells the host: of all versions in the plan of a function's row ("region/name"), or of one ("region/name:7") whose image is there now.
void mf_provisioned_restore(mf_lambda *lambda, mf_str key);
bool mf_provisioned_restore_all(mf_lambda *lambda, mf_error *err) MF_MUST_CHECK;  // at start
#endif
