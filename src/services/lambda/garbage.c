// A list of blobs, each looked up among those in use (index.h).
#include "garbage.h"

#include "index.h"

#include <stdlib.h>

typedef struct mf_garbage {
  mf_blob_id id;
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
  mf_blob_id ids[MF_ROW_BLOBS];
  const uint32_t n = mf_row_blobs(row, ids);
  for (uint32_t i = 0; i < n; i++) mf_garbage_add(lambda, &ids[i]);
}

void mf_garbage_sweep(mf_lambda *lambda) {
  mf_error err;
  if (lambda->storing > 0 || lambda->compiling > 0 || lambda->functions.leaving > 0) return;
  while (lambda->n_garbage > 0) {
    bool used;
    if (!mf_index_blob_is_used(lambda->env.store, &lambda->garbage[lambda->n_garbage - 1].id, &used, &err)) {
      mf_log(MF_LOG_ERROR, "%s", err.message);
      return;
    }
    lambda->n_garbage--;
    if (!used) mf_store_blob_remove(lambda->env.store, &lambda->garbage[lambda->n_garbage].id);
  }
}
