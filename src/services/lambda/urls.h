// Function URLs: what their configurations are, to whoever serves them. A row of `urls`: {"id", "AuthType", "Cors", "InvokeMode" once it
// was set, "CreationTime", "LastModifiedTime"}; a row of `url_ids`: the key of the other.
#ifndef MF_SERVICES_LAMBDA_URLS_H
#define MF_SERVICES_LAMBDA_URLS_H

#include "settings.h"

enum { MF_URL_ID = 32 };  // lower-case letters and digits
#define MF_URL_PATH "/_url/"

// The configuration under this id, a new reference, and its key "region/name:alias" in the arena. *url NULL: there is none.
bool mf_url_find(mf_store *store, mf_str id, mf_arena *arena, json_t **url, mf_str *key, mf_error *err) MF_MUST_CHECK;
// A function's URLs in the form that needs no name: {"path", "alias", "AuthType"}, …; a new reference. NULL: *err.
json_t *mf_urls_of(mf_store *store, mf_str function_key, mf_error *err) MF_MUST_CHECK;
#endif
