// What the host has learnt of functions' idle times, as rows of the store: the policy would need days to learn it again.
#include <stdio.h>

#include "internal.h"

static size_t load(void *context, mf_str key, uint8_t *out, size_t capacity) {
  mf_arena arena;
  mf_slice value;
  mf_error err;
  bool found;
  size_t len = 0;
  mf_arena_init(&arena, 0);
  if (!mf_store_get(context, MF_TABLE_idle_times, key, &arena, &value, &found, &err)) {
    mf_log(MF_LOG_ERROR, "idle times of %.*s: %s", MF_STR_ARG(key), err.message);
  } else if (found && value.len <= capacity) {
    memcpy(out, value.data, value.len);
    len = value.len;
  }
  mf_arena_deinit(&arena);
  return len;
}

static void save(void *context, mf_str key, mf_slice packed) {
  mf_error err;
  const mf_write write = {MF_TABLE_idle_times, key, packed};
  if (!mf_store_commit(context, &write, 1, NULL, NULL, &err)) mf_log(MF_LOG_ERROR, "idle times of %.*s: %s", MF_STR_ARG(key), err.message);
}

mf_history_keeper mf_serve_history_keeper(mf_store *store) { return (mf_history_keeper){.load = load, .save = save, .context = store}; }

// A deletion of nothing would still take room in the store's log, and disks that are full are emptied by deleting.
void mf_serve_forget_history(mf_store *store, mf_str key) {
  uint8_t packed[MF_HISTORY_BYTES];
  if (load(store, key, packed, sizeof packed) > 0) save(store, key, (mf_slice){0});
}
