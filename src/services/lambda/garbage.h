// What a deletion leaves behind: packages and images that no function names any longer. They go at once, not with the hourly collection,
// so that deleting a function gives its room back.
#ifndef MF_SERVICES_LAMBDA_GARBAGE_H
#define MF_SERVICES_LAMBDA_GARBAGE_H

#include "internal.h"

// Remembers a blob, or all that a row names. Without memory it is forgotten, and the hourly collection finds it.
void mf_garbage_add(mf_lambda *lambda, const mf_blob_id *id);
void mf_garbage_add_row(mf_lambda *lambda, const json_t *row);
// Removes what is remembered and not named by any row. Does nothing while a package is being stored, a model compiled or a call of a
// deleted function answered: these need blobs that no row names. Called after deletions and with every flush of the counters.
void mf_garbage_sweep(mf_lambda *lambda);
#endif
