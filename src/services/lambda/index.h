// What can be asked about all functions without reading them: who uses a blob, who is not finished, what a region adds up to. There may be
// a million rows, and a server starts in a moment. The answers are rows of tables of their own and change in the commits of the rows:
//
//   blob_users   blob's SHA-256 (32 bytes), key of the function or version -> ""
//   unfinished   key of a function that is Pending or InProgress -> ""
//   version_numbers  key of a function that had versions -> the last number, which is never given again, even when the function is
//                    deleted and another one gets its name
//   region_sums  region -> JSON of its sums (regions.h); the row is missing when it may be wrong, then it is counted again at start
#ifndef MF_SERVICES_LAMBDA_INDEX_H
#define MF_SERVICES_LAMBDA_INDEX_H

#include "function.h"

typedef struct mf_writes {  // of one commit; in the arena
  mf_arena *arena;
  mf_write *list;
  uint32_t count, capacity;
  bool failed;              // no memory: not to be committed
} mf_writes;
void mf_writes_add(mf_writes *writes, mf_table table, mf_str key, mf_slice value);  // key and value must live until the commit

// What changes when the row of `key` ("region/name" or "region/name:7") becomes `after`; NULL: there is none.
void mf_index_change(mf_str key, const json_t *before, const json_t *after, mf_writes *writes);
// The region's sums as they are now. They go with every commit that writes rows; one that only deletes (and must succeed on a full disk)
// takes the row of sums away, and mf_index_write_sums brings it back.
void mf_index_sums(const mf_regions *regions, mf_str region, mf_writes *writes);
void mf_index_forget_sums(mf_str region, mf_writes *writes);
void mf_index_write_sums(mf_lambda_cache *functions, mf_str region);

// At start: reads the sums, counting those that are missing; makes the tables for a data directory that has none.
bool mf_index_open(mf_lambda_cache *functions, mf_error *err) MF_MUST_CHECK;
// Does any row name the blob?
bool mf_index_blob_is_used(mf_store *store, const mf_blob_id *id, bool *used, mf_error *err) MF_MUST_CHECK;
#endif
