// A sorted list of blobs, and one walk over all rows that marks those which are still named. Rows are not parsed for it: a blob's name
// is a string of 64 hexadecimal digits, and one that stands there by chance only makes its blob wait for the hourly collection.
#include "garbage.h"

#include <stdlib.h>

enum { REST = 20 };  // times as long as the last walk took: many deletions among many functions share one

typedef struct mf_garbage {
  mf_blob_id id;
  bool is_named;
} garbage;

void mf_garbage_add(mf_lambda *lambda, const mf_blob_id *id) {
  if (lambda->n_garbage == lambda->garbage_capacity) {
    const uint32_t capacity = lambda->garbage_capacity ? lambda->garbage_capacity * 2 : 16;
    garbage *grown = realloc(lambda->garbage, capacity * sizeof *grown);
    if (!grown) return;
    lambda->garbage = grown;
    lambda->garbage_capacity = capacity;
  }
  lambda->garbage[lambda->n_garbage++] = (garbage){.id = *id};
}

void mf_garbage_add_row(mf_lambda *lambda, const json_t *row) {
  mf_blob_id id;
  const json_t *names[] = {json_object_get(row, "package"), json_object_get(json_object_get(row, "deploy"), "package"),
                           json_object_get(json_object_get(row, "image"), "blob")};
  for (size_t i = 0; i < MF_COUNT(names); i++)
    if (mf_blob_id_parse(names[i], &id)) mf_garbage_add(lambda, &id);
}

// The id is the first member.
static int compare(const void *a, const void *b) { return memcmp(a, b, sizeof(mf_blob_id)); }

static void mark(mf_lambda *lambda, const mf_blob_id *id) {
  garbage *first = bsearch(id, lambda->garbage, lambda->n_garbage, sizeof *first, compare);
  if (!first) return;
  while (first > lambda->garbage && compare(first - 1, id) == 0) first--;  // several functions may have had it
  for (garbage *g = first; g < lambda->garbage + lambda->n_garbage && compare(g, id) == 0; g++) g->is_named = true;
}

static bool mark_named(void *context, mf_str key, mf_slice value) {
  (void)key;
  mf_blob_id id;
  const char *at = value.data, *end = at + value.len;
  while ((at = memchr(at, '"', (size_t)(end - at)))) {
    at++;
    if (end - at > MF_SHA256_HEX && at[MF_SHA256_HEX] == '"' && mf_unhex((mf_str){at, MF_SHA256_HEX}, id.sha256)) mark(context, &id);
  }
  return true;
}

void mf_garbage_sweep(mf_lambda *lambda) {
  mf_error err;
  const int64_t began = mf_now_ns();
  if (lambda->n_garbage == 0 || lambda->storing > 0 || lambda->compiling > 0 || lambda->functions.leaving > 0) return;
  if (began < lambda->sweep_after_ns) return;
  qsort(lambda->garbage, lambda->n_garbage, sizeof *lambda->garbage, compare);
  if (!mf_store_scan(lambda->env.store, MF_TABLE_functions, MF_STR(""), MF_STR(""), INT32_MAX, mark_named, lambda, &err) ||
      !mf_store_scan(lambda->env.store, MF_TABLE_versions, MF_STR(""), MF_STR(""), INT32_MAX, mark_named, lambda, &err)) {
    mf_log(MF_LOG_ERROR, "%s", err.message);
    return;
  }
  for (uint32_t i = 0; i < lambda->n_garbage; i++)
    if (!lambda->garbage[i].is_named) mf_store_blob_remove(lambda->env.store, &lambda->garbage[i].id);
  lambda->n_garbage = 0;
  lambda->sweep_after_ns = mf_now_ns() + REST * (mf_now_ns() - began);
}
