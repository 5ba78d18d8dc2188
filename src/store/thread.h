// A thread of the store: takes jobs in the order they were posted and reports each to the loop's thread. What may block (fsync,
// copying, appending to logs) happens on one of these and never on the loop.
#ifndef MF_STORE_THREAD_H
#define MF_STORE_THREAD_H

#include "base/base.h"

typedef struct mf_store_job {
  struct mf_store_job *next;
  void (*finish)(struct mf_store_job *job);  // on the loop's thread, after the job was reported done; frees the job
} mf_store_job;

typedef struct mf_store_thread mf_store_thread;

// `run` gets everything that was queued, oldest first, linked by `next`; it reports each job with mf_store_thread_done (after reading
// its `next`), which wakes the loop.
mf_store_thread *mf_store_thread_create(void (*run)(void *context, mf_store_thread *thread, mf_store_job *batch), void *context,
                                        mf_loop *loop, mf_error *err) MF_MUST_CHECK;
void mf_store_thread_post(mf_store_thread *thread, mf_store_job *job);
void mf_store_thread_done(mf_store_thread *thread, mf_store_job *job);  // on the thread
void mf_store_thread_done_all(mf_store_thread *thread, mf_store_job *batch);  // the same for all of a list, with one wake-up
void mf_store_thread_finish(mf_store_thread *thread);                   // on the loop: runs `finish` of all that is done
void mf_store_thread_wait(mf_store_thread *thread);                     // blocks until all that was posted is done, then finishes it
bool mf_store_thread_is_idle(mf_store_thread *thread);                  // nothing is queued, under way or to be finished
void mf_store_thread_destroy(mf_store_thread *thread);                  // waits, finishes, joins
#endif
