// Writes that were accepted and are not on disk yet, so that reads on the loop's thread see them at once.
#ifndef MF_STORE_OVERLAY_H
#define MF_STORE_OVERLAY_H

#include "store.h"

typedef struct mf_pending {  // one write of a commit under way; lives in the commit's job
  mf_table table;
  mf_str key;
  mf_slice value;            // data NULL: a deletion
  struct mf_pending *older;  // in the bucket
} mf_pending;

enum { MF_OVERLAY_BUCKETS = 1024 };
typedef struct mf_overlay {
  mf_pending *buckets[MF_OVERLAY_BUCKETS];  // newest first
  uint32_t count;
} mf_overlay;

void mf_overlay_add(mf_overlay *overlay, mf_pending *pending);
void mf_overlay_remove(mf_overlay *overlay, mf_pending *pending);
const mf_pending *mf_overlay_find(const mf_overlay *overlay, mf_table table, mf_str key);  // the newest write of the key
// The newest writes of the keys > after that begin with prefix, sorted by key, in the arena.
bool mf_overlay_select(const mf_overlay *overlay, mf_table table, mf_str prefix, mf_str after, mf_arena *arena, const mf_pending ***rows,
                       uint32_t *n_rows, mf_error *err) MF_MUST_CHECK;
int mf_key_compare(mf_str a, mf_str b);  // in byte order, as SQLite compares BLOBs
#endif
