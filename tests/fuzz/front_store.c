// A store that is emptied instead of being closed and opened again, which would be most of the time
// of a short input: unless world_keeping is off, the front gets the loop and the store of the input
// before, with nothing in them. (Linked with --wrap for the four functions.)
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "front_world.h"
#include "store/internal.h"

enum { DIRECTORIES = 16 };

static const char *const deletions[] = {
#define MF_TABLE(name, what) "DELETE FROM \"" #name "\"",
#include "store/tables.def"
#undef MF_TABLE
};

bool world_keeping = true;
static struct {
  mf_loop *loop;
  mf_store *store;
  sqlite3_stmt *deletions[MF_TABLE_COUNT];
  char directory[4096];
} kept;

mf_loop *__real_mf_loop_create(mf_error *err);
void __real_mf_loop_destroy(mf_loop *loop);
mf_store *__real_mf_store_open(const char *directory, mf_loop *loop, mf_error *err);
void __real_mf_store_close(mf_store *store);
mf_loop *__wrap_mf_loop_create(mf_error *err);
void __wrap_mf_loop_destroy(mf_loop *loop);
mf_store *__wrap_mf_store_open(const char *directory, mf_loop *loop, mf_error *err);
void __wrap_mf_store_close(mf_store *store);

mf_loop *__wrap_mf_loop_create(mf_error *err) {
  if (!kept.loop) kept.loop = __real_mf_loop_create(err);
  return kept.loop;
}

void __wrap_mf_loop_destroy(mf_loop *loop) {
  if (world_keeping) return;
  __real_mf_loop_destroy(loop);
  kept.loop = NULL;
}

mf_store *__wrap_mf_store_open(const char *directory, mf_loop *loop, mf_error *err) {
  if (kept.store) return kept.store;
  snprintf(kept.directory, sizeof kept.directory, "%s", directory);
  return kept.store = __real_mf_store_open(directory, loop, err);
}

// ---- emptying ----
static bool any_file;

static int remove_file(const char *path, const struct stat *st, int kind, struct FTW *at) {
  (void)st, (void)at;
  if (kind != FTW_F) return 0;
  any_file = true;
  return remove(path);
}

static bool remove_files(const char *folder) {
  char path[4200];
  snprintf(path, sizeof path, "%s/%s", kept.directory, folder);
  any_file = false;
  if (nftw(path, remove_file, DIRECTORIES, FTW_PHYS) != 0) abort();
  return any_file;
}

// The threads are idle, so their connection is ours.
static void delete_rows(mf_store *store) {
  sqlite3 *connection = store->writer.connection;
  for (int table = 0; table < MF_TABLE_COUNT; table++)
    if (!kept.deletions[table] && sqlite3_prepare_v2(connection, deletions[table], -1,
                                                     &kept.deletions[table], NULL) != SQLITE_OK)
      abort();
  sqlite3_exec(connection, "BEGIN", NULL, NULL, NULL);
  for (int table = 0; table < MF_TABLE_COUNT; table++) {
    if (sqlite3_step(kept.deletions[table]) != SQLITE_DONE) abort();
    sqlite3_reset(kept.deletions[table]);
  }
  sqlite3_exec(connection, "COMMIT", NULL, NULL, NULL);
}

static void renew_logs(mf_store *store) {
  mf_error err;
  mf_store_logs_destroy(store->logs);
  remove_files("logs");
  store->logs = mf_store_logs_create(store->logs_fd, store->loop, &mf_log_default_limits, &err);
  if (!store->logs) abort();
}

void world_wait_for_store(void) { mf_store_wait(kept.store); }

void __wrap_mf_store_close(mf_store *store) {
  if (!world_keeping) {
    for (int table = 0; table < MF_TABLE_COUNT; table++)
      sqlite3_finalize(kept.deletions[table]), kept.deletions[table] = NULL;
    __real_mf_store_close(store);
    kept.store = NULL;
    return;
  }
  mf_store_wait(store);
  delete_rows(store);
  remove_files("blobs");
  renew_logs(store);
}
