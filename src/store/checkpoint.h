// What SQLite's log (the WAL) holds must get into the database now and then, or the log grows. SQLite would do it within a commit, which
// then lasts ten milliseconds and more. Here a thread of its own, with a connection of its own, does nearly all of it beside the commits,
// and the next commit the little that has come meanwhile, so that the log can begin anew.
#ifndef MF_STORE_CHECKPOINT_H
#define MF_STORE_CHECKPOINT_H

#include "database.h"

typedef struct mf_checkpointer mf_checkpointer;
// From then on it follows the writer's commits.
mf_checkpointer *mf_checkpointer_create(mf_database *writer, const char *path, mf_loop *loop, mf_error *err) MF_MUST_CHECK;
// On the journal's thread: what the log holds still, and an end of it, at once (where there is no room for it, it stays).
uint64_t mf_checkpointer_log_bytes(const mf_checkpointer *checkpointer);
void mf_checkpointer_empty(mf_checkpointer *checkpointer);
void mf_checkpointer_finish(mf_checkpointer *checkpointer);   // on the loop, when woken
void mf_checkpointer_destroy(mf_checkpointer *checkpointer);  // after the last commit and before the writer is closed
#endif
