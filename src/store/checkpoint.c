#include "checkpoint.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "thread.h"

enum { PAGES = 4000, PAGE = MF_DATABASE_PAGE };  // of 4 kB: of a log that is worth the work
enum state { RESTING, COPYING, COPIED };

struct mf_checkpointer {
  mf_store_job job;  // first
  mf_store_thread *thread;
  sqlite3 *connection;
  mf_database *writer;
  atomic_int state;
  atomic_uint pages;  // in the log, by the journal's thread
};

// On the loop's thread: only now may the job be posted again.
static void copied(mf_store_job *job) { atomic_store(&((mf_checkpointer *)job)->state, COPIED); }

// What fails (a full disk, say) stays in the log, which is as good, and is tried again.
static void copy(void *context, mf_store_thread *thread, mf_store_job *batch) {
  mf_checkpointer *checkpointer = context;
  sqlite3_wal_checkpoint_v2(checkpointer->connection, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  mf_store_thread_done(thread, batch);
}

// On the journal's thread, after each commit.
static int after_commit(void *context, sqlite3 *connection, const char *name, int pages) {
  mf_checkpointer *checkpointer = context;
  atomic_store(&checkpointer->pages, (unsigned)pages);
  if (pages < PAGES) return SQLITE_OK;
  const int state = atomic_load(&checkpointer->state);
  if (state == COPIED) {
    sqlite3_wal_checkpoint_v2(connection, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    atomic_store(&checkpointer->state, RESTING);
  } else if (state == RESTING) {
    atomic_store(&checkpointer->state, COPYING);
    mf_store_thread_post(checkpointer->thread, &checkpointer->job);
  }
  return SQLITE_OK;
}

uint64_t mf_checkpointer_log_bytes(const mf_checkpointer *checkpointer) { return (uint64_t)atomic_load(&checkpointer->pages) * PAGE; }

void mf_checkpointer_empty(mf_checkpointer *checkpointer) {
  if (mf_database_checkpoint(checkpointer->writer)) atomic_store(&checkpointer->pages, 0);
}

// What a server that was killed left in it.
static unsigned pages_of_log(const char *path) {
  char log[4200];
  struct stat st;
  snprintf(log, sizeof log, "%s-wal", path);
  return stat(log, &st) == 0 ? (unsigned)((uint64_t)st.st_size / PAGE) : 0;
}

mf_checkpointer *mf_checkpointer_create(mf_database *writer, const char *path, mf_loop *loop, mf_error *err) {
  mf_checkpointer *checkpointer = calloc(1, sizeof *checkpointer);
  if (!checkpointer) {
    mf_fail(err, MF_OutOfMemory, "no memory for the thread that checkpoints");
    return NULL;
  }
  checkpointer->job.finish = copied;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  if (sqlite3_open_v2(path, &checkpointer->connection, flags, NULL) != SQLITE_OK) {
    mf_fail(err, checkpointer->connection ? MF_Io : MF_OutOfMemory, "%s: cannot be opened once more", path);
  } else if ((checkpointer->thread = mf_store_thread_create(copy, checkpointer, loop, err))) {
    checkpointer->writer = writer;
    atomic_store(&checkpointer->pages, pages_of_log(path));
    sqlite3_wal_hook(writer->connection, after_commit, checkpointer);
    return checkpointer;
  }
  mf_checkpointer_destroy(checkpointer);
  return NULL;
}

void mf_checkpointer_finish(mf_checkpointer *checkpointer) { mf_store_thread_finish(checkpointer->thread); }

void mf_checkpointer_destroy(mf_checkpointer *checkpointer) {
  if (!checkpointer) return;
  if (checkpointer->writer) sqlite3_wal_hook(checkpointer->writer->connection, NULL, NULL);
  mf_store_thread_destroy(checkpointer->thread);
  sqlite3_close(checkpointer->connection);
  free(checkpointer);
}
