// What the parts of the service share. A role's row: {"role": its members as IAM names them, documents as they were given, "policies":
// {name: document}, "attached": [{PolicyName, PolicyArn}]}. A policy's: {"policy": members, "versions": [{VersionId, Document, CreateDate}],
// newest first, "made": how many there ever were}.
#ifndef MF_SERVICES_IAM_INTERNAL_H
#define MF_SERVICES_IAM_INTERNAL_H

#include "document.h"
#include "iam.h"

struct mf_iam {
  mf_store *store;
  mf_rpc_endpoint endpoint;
};

#define MF_IAM_SHAPE(name, ...) extern const mf_shape mf_iam_shape_##name;
#include "shapes.def"
#undef MF_IAM_SHAPE

#define MF_OPERATION(name, input) void mf_iam_##name(mf_rpc_call *call);
#define MF_UNSUPPORTED_OPERATION(name)
#include "operations.def"
#undef MF_OPERATION
#undef MF_UNSUPPORTED_OPERATION

typedef struct mf_iam_change {
  mf_table table;
  mf_str key;
  const json_t *row;  // NULL: deleted
} mf_iam_change;
// Answers with the result (takes the reference) when the changes are on disk.
void mf_iam_commit(mf_rpc_call *call, const mf_iam_change *changes, uint32_t n_changes, json_t *result);

mf_str mf_iam_text(const json_t *object, const char *name);   // "" if absent
mf_str mf_iam_key(mf_arena *arena, mf_str name);              // in lower case: names differ in more than case. Data NULL: no memory
char *mf_iam_date(mf_arena *arena);                           // now
char *mf_iam_id(mf_arena *arena, const char *prefix);         // "AROA" and 17 letters
json_t *mf_iam_document(mf_arena *arena, mf_str document);    // as IAM returns documents: percent-encoded
// The row of a key; *row NULL: there is none. false: an answer was sent.
bool mf_iam_load(mf_rpc_call *call, mf_table table, mf_str key, json_t **row);
// The row of RoleName; NULL: an answer was sent.
json_t *mf_iam_require_role(mf_rpc_call *call, mf_str *key);
// The row of the policy of that ARN. false: an answer was sent. *row NULL: it is one of AWS's own, of which there is no row here.
bool mf_iam_load_policy(mf_rpc_call *call, mf_str arn, mf_str *key, json_t **row);
enum { MF_IAM_INLINE_LIMIT = 10240 };  // of a role's own policies together
size_t mf_iam_document_size(mf_str document);  // as quotas count it: without its blanks
void mf_iam_refuse_inline_size(mf_rpc_call *call);
// Is this member of the request a policy of this kind, and not too long? false: an answer was sent.
bool mf_iam_check_document(mf_rpc_call *call, mf_document_kind kind, const char *member);
// false: an answer was sent. Tags of both lists, the later ones count.
bool mf_iam_merge_tags(mf_rpc_call *call, json_t *tags, const json_t *given);
void mf_iam_drop_tags(json_t *tags, const json_t *keys);
// A page of a list that is in memory, into {member: page, IsTruncated, Marker}. Marker: how many were shown.
json_t *mf_iam_page(mf_rpc_call *call, const char *member, const json_t *list);
// The same of a table; `show` makes an element of a row, NULL: not shown.
void mf_iam_list(mf_rpc_call *call, mf_table table, const char *member, json_t *(*show)(mf_rpc_call *call, const json_t *row));
#endif
