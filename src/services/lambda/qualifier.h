// What a qualifier names: "" and "$LATEST" the function itself, a number a published version, anything else an alias, which points to
// one of these and may send a part of the calls to a second version.
#ifndef MF_SERVICES_LAMBDA_QUALIFIER_H
#define MF_SERVICES_LAMBDA_QUALIFIER_H

#include "internal.h"

typedef enum mf_qualifier_kind { MF_QUALIFIER_LATEST, MF_QUALIFIER_VERSION, MF_QUALIFIER_ALIAS } mf_qualifier_kind;
mf_qualifier_kind mf_qualifier_kind_of(mf_str qualifier);

// ---- for handlers ----
// AWS's words for a qualifier that names nothing: 404 "Function not found: FN:qualifier", or for an alias "Cannot find alias arn:
// FN:alias" (permissions, provisioned concurrency, GetAlias). The function that does not exist at all is answered in the same words.
typedef enum mf_qualifier_words { MF_SAYS_FUNCTION, MF_SAYS_ALIAS } mf_qualifier_words;
void mf_refuse_qualifier(mf_operation_call *call, mf_str qualifier, mf_qualifier_words words);
// Does the call's qualifier exist? false: an answer was sent.
bool mf_require_qualifier(mf_operation_call *call, mf_qualifier_words words) MF_MUST_CHECK;
// The row of what the call's qualifier names (of an alias: of the version that it points to), a new reference; *key: that row's key
// ("region/name" or "region/name:7") in the call's arena. NULL: an answer was sent.
json_t *mf_require_version(mf_operation_call *call, mf_qualifier_words words, mf_str *key);
// {"Name", "FunctionVersion", "Description", "RevisionId", "RoutingConfig"} of an alias, a new reference; *alias NULL: there is none.
bool mf_alias_load(mf_store *store, mf_str function_key, mf_str name, json_t **alias, mf_error *err) MF_MUST_CHECK;

// ---- for invocations ----
// What one call with this qualifier runs. Both may be NULL: there is no such function, or no such version or alias of it. Without a
// qualifier, or with $LATEST, both are the same. An alias with weights is drawn anew each time. The counters, the log and the reservation
// are the function's, what runs is the version's (whose spec holds the function's reservation). Neither is pinned.
typedef struct mf_resolved {
  mf_lambda_entry *function, *version;
} mf_resolved;
bool mf_resolve(mf_lambda *lambda, mf_str function_key, mf_str qualifier, mf_resolved *resolved, mf_error *err) MF_MUST_CHECK;
// What an alias chooses from, for a draw from [0, 1): its version, and perhaps another one for a part of the calls.
enum { MF_ROUTE_TEXT = 16 };  // a version's number, or $LATEST
typedef struct mf_alias_route {
  char version[MF_ROUTE_TEXT], other[MF_ROUTE_TEXT];
  double weight;              // of the other one, 0: there is none
} mf_alias_route;
void mf_alias_route_of(const json_t *alias, mf_alias_route *route);
mf_str mf_alias_choose(const mf_alias_route *route, double draw);
// Routes of aliases that were called lately stay parsed (lambda's `routes`), each until a row of the table changes.
typedef struct mf_kept_route {
  char *key;                  // "region/name:alias"; NULL: an empty place
  uint64_t changes;           // mf_store_changes when it was read
  mf_alias_route route;
} mf_kept_route;
enum { MF_KEPT_ROUTES = 512 };
void mf_kept_routes_free(mf_lambda *lambda);
#endif
