// What the parts of the store share: the struct behind mf_store.
#ifndef MF_STORE_INTERNAL_H
#define MF_STORE_INTERNAL_H

#include "checkpoint.h"
#include "database.h"
#include "log.h"
#include "overlay.h"
#include "thread.h"

struct mf_store {
  mf_loop *loop;
  int directory_fd, blobs_fd, temporary_fd, logs_fd;
  mf_database reader;          // the loop's thread reads through this one
  mf_database writer;          // the journal's thread writes through this one
  mf_overlay overlay;
  uint64_t changes[MF_TABLE_COUNT];
  mf_checkpointer *checkpointer;
  mf_store_thread *journal;    // commits, grouped
  mf_store_thread *copier;     // blobs: a big one does not hold up a commit
  mf_store_logs *logs;
  struct mf_counting *counting;  // the count under way on the copier's thread; NULL: none
};

// blob.c: the copier's jobs.
void mf_store_run_blobs(void *context, mf_store_thread *thread, mf_store_job *batch);
void mf_store_count_stop(mf_store *store);  // count.c: the count under way ends with an error
// fsync of a directory: an entry made by rename or mkdir is on disk after it.
bool mf_store_sync_directory(int fd, const char *what, mf_error *err) MF_MUST_CHECK;
#endif
