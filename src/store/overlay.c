// A chained hash table. A bucket holds the newest write first, so the first match is the one that counts.
#include "overlay.h"

#include <stdlib.h>

static mf_pending **bucket_of(const mf_overlay *overlay, mf_table table, mf_str key) {
  uint64_t hash = mf_hash64(key.data, key.len, (uint64_t)table);
  return (mf_pending **)&overlay->buckets[hash % MF_OVERLAY_BUCKETS];
}

void mf_overlay_add(mf_overlay *overlay, mf_pending *pending) {
  mf_pending **bucket = bucket_of(overlay, pending->table, pending->key);
  pending->older = *bucket;
  *bucket = pending;
  overlay->count++;
}

void mf_overlay_remove(mf_overlay *overlay, mf_pending *pending) {
  mf_pending **at = bucket_of(overlay, pending->table, pending->key);
  while (*at != pending) at = &(*at)->older;
  *at = pending->older;
  overlay->count--;
}

const mf_pending *mf_overlay_find(const mf_overlay *overlay, mf_table table, mf_str key) {
  if (overlay->count == 0) return NULL;
  for (const mf_pending *p = *bucket_of(overlay, table, key); p; p = p->older)
    if (p->table == table && mf_str_equal(p->key, key)) return p;
  return NULL;
}

int mf_key_compare(mf_str a, mf_str b) {
  size_t common = MF_MIN(a.len, b.len);
  int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
  return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_rows(const void *a, const void *b) {
  return mf_key_compare((*(const mf_pending *const *)a)->key, (*(const mf_pending *const *)b)->key);
}

static bool is_selected(const mf_overlay *overlay, const mf_pending *p, mf_table table, mf_str prefix, mf_str after) {
  return p->table == table && mf_str_starts(p->key, prefix) && mf_key_compare(p->key, after) > 0 &&
         mf_overlay_find(overlay, table, p->key) == p;
}

bool mf_overlay_select(const mf_overlay *overlay, mf_table table, mf_str prefix, mf_str after, mf_arena *arena, const mf_pending ***rows,
                       uint32_t *n_rows, mf_error *err) {
  *n_rows = 0;
  *rows = NULL;
  if (overlay->count == 0) return true;
  *rows = MF_NEW_ARRAY(arena, const mf_pending *, overlay->count);
  if (!*rows) return mf_fail(err, MF_OutOfMemory, "no memory for %u writes under way", overlay->count);
  for (uint32_t i = 0; i < MF_OVERLAY_BUCKETS; i++)
    for (const mf_pending *p = overlay->buckets[i]; p; p = p->older)
      if (is_selected(overlay, p, table, prefix, after)) (*rows)[(*n_rows)++] = p;
  qsort(*rows, *n_rows, sizeof **rows, compare_rows);
  return true;
}
