// store: the one place that knows how state is kept. SQLite (WAL, synchronous FULL, commits grouped by a store thread), blobs named by
// their SHA-256, functions' logs. Everything above sees tables, blobs and logs. All calls come from the loop's thread; callbacks
// run on it too. Nothing is reported done before it is on disk.
#ifndef MF_STORE_STORE_H
#define MF_STORE_STORE_H

#include "base/base.h"

typedef struct mf_store mf_store;

// Locks the directory (MF_InUse names the process that holds it), makes it (0700) if missing, checks the schema version (a newer one
// is refused, an older one upgraded), and closes to others what an earlier umask left open. Call it once before front is forked: the lock's descriptor is inherited.
bool mf_store_lock(const char *directory, int *lock_fd, mf_error *err) MF_MUST_CHECK;
mf_store *mf_store_open(const char *directory, mf_loop *loop, mf_error *err) MF_MUST_CHECK;  // the lock is held already
// Blocks until everything that was asked for is on disk and its callbacks have run, and what these asked for too.
void mf_store_wait(mf_store *store);
void mf_store_close(mf_store *store);  // waits for all writes under way, runs their callbacks, checkpoints

// ---- tables: ordered key to value. The list of tables is store/tables.def ----
typedef enum mf_table {
#define MF_TABLE(name, what) MF_TABLE_##name,
#include "tables.def"
#undef MF_TABLE
  MF_TABLE_COUNT
} mf_table;

typedef void mf_store_done(void *context, const mf_error *err);  // err NULL: on disk
typedef struct mf_write {
  mf_table table;
  mf_str key;
  mf_slice value;   // data NULL: delete the key
} mf_write;
// All writes or none, in the order of the calls; what only deletes succeeds on a full disk too (reserve.h). done may be NULL. Copies
// what it needs. Reads on this thread see them at once, before they are on disk (the caller answers its client only from `done`).
bool mf_store_commit(mf_store *store, const mf_write *writes, uint32_t n_writes, mf_store_done *done, void *context, mf_error *err)
    MF_MUST_CHECK;
// value in the arena; *found false when there is no such key.
bool mf_store_get(mf_store *store, mf_table table, mf_str key, mf_arena *arena, mf_slice *value, bool *found, mf_error *err) MF_MUST_CHECK;
// A number that is another one whenever the table's rows may read differently than they did: what was made of rows is good while it stays.
// Changes at mf_store_commit, and once more when a commit has failed.
uint64_t mf_store_changes(const mf_store *store, mf_table table);
// Rows with key > after (in byte order) and the given prefix, at most `limit`; `each` returns false to stop.
typedef bool mf_store_each(void *context, mf_str key, mf_slice value);
bool mf_store_scan(mf_store *store, mf_table table, mf_str prefix, mf_str after, uint32_t limit, mf_store_each *each, void *context,
                   mf_error *err) MF_MUST_CHECK;
// The last key with the prefix, in the caller's memory; *len: room in, length out, 0 when there is none.
bool mf_store_last(mf_store *store, mf_table table, mf_str prefix, char *key, size_t *len, mf_error *err) MF_MUST_CHECK;
// How many rows of the table are on disk at the time of the call, whatever is written while they are counted: one count at a time. Up to a
// thousand are counted at once, and `done` has come when this returns; more beside everything else.
typedef void mf_store_counted(void *context, uint64_t rows, const mf_error *err);
bool mf_store_count(mf_store *store, mf_table table, mf_store_counted *done, void *context, mf_error *err) MF_MUST_CHECK;

// A small file of the data directory, for other programs: written under another name, synced, renamed (whole or not there), with the help of the
// reserve where the disk is full; not at all where it reads so already. Blocks.
bool mf_store_write_file(mf_store *store, const char *name, mf_str text, mf_error *err) MF_MUST_CHECK;

// ---- blobs ----
typedef struct mf_blob_id { uint8_t sha256[MF_SHA256_BYTES]; } mf_blob_id;
typedef void mf_blob_done(void *context, const mf_blob_id *id, uint64_t bytes, const mf_error *err);
// Copies all of fd (from offset 0) into the store in pieces of 2 MiB and more (large folios), syncs, hashes, links under its hash;
// keeps its own duplicate of fd. On the store thread.
bool mf_store_blob_put(mf_store *store, int fd, mf_blob_done *done, void *context, mf_error *err) MF_MUST_CHECK;
// Runs `work` on the thread that copies blobs (decoding a large body, say), then `done` on the loop's.
typedef bool mf_store_work(void *context, mf_error *err);
bool mf_store_run(mf_store *store, mf_store_work *work, mf_store_done *done, void *context, mf_error *err) MF_MUST_CHECK;
// Read-only descriptor, close-on-exec.
bool mf_store_blob_open(mf_store *store, const mf_blob_id *id, int *fd, mf_error *err) MF_MUST_CHECK;
void mf_store_blob_remove(mf_store *store, const mf_blob_id *id);  // at once: it is damaged, or nobody needs it
// Deletes blobs that `is_used` denies; called at start and now and then. Blobs younger than an hour or being written are kept.
typedef bool mf_blob_is_used(void *context, const mf_blob_id *id);
bool mf_store_blob_collect(mf_store *store, mf_blob_is_used *is_used, void *context, mf_error *err) MF_MUST_CHECK;

// An unlinked temporary file on the data directory's file system, for bodies that are spooled.
bool mf_store_temporary(mf_store *store, int *fd, mf_error *err) MF_MUST_CHECK;
uint64_t mf_store_room(const mf_store *store);  // bytes that are left there

// ---- functions' logs: text files that rotate by size (16 MiB) and age (14 days), written in batches, not synced ----
// Lines get the time in front ("2026-11-25T10:00:00.000Z "), empty lines go, a call's text is cut to 256 KiB and a line to 16 KiB.
// Reading gives text that may be shown: control characters but newline and tab are escaped (\xNN). `function` is "region/name".
void mf_store_log(mf_store *store, mf_str function, mf_str text);
// The last lines that fit into `limit_bytes`, text in the arena.
bool mf_store_log_tail(mf_store *store, mf_str function, size_t limit_bytes, mf_arena *arena, mf_str *text, mf_error *err) MF_MUST_CHECK;
// What was appended since `*position` (0: from the beginning of what is kept), for --follow.
bool mf_store_log_since(mf_store *store, mf_str function, uint64_t *position, size_t limit_bytes, mf_arena *arena, mf_str *text,
                        mf_error *err) MF_MUST_CHECK;
// What is kept, as segments, oldest first: stretches of whole lines, each begun on another day or when the one before it was full. Once
// begun, a segment's position and time stay. *retention_days: what mf_store_log_retain said, 0: nothing.
typedef struct mf_log_segment {
  uint64_t position, bytes;
  int64_t started_ns, written_ns;  // wall clock
} mf_log_segment;
enum { MF_MAX_LOG_SEGMENTS = 64 };
uint32_t mf_store_log_segments(mf_store *store, mf_str function, mf_log_segment segments[MF_MAX_LOG_SEGMENTS], uint32_t *retention_days);
// Up to `capacity` bytes as they were logged, unescaped; returns how many.
size_t mf_store_log_read(mf_store *store, mf_str function, uint64_t position, char *out, size_t capacity);
// At once: the segment at the position, or, with UINT64_MAX, the whole log with what was said about its retention.
void mf_store_log_remove(mf_store *store, mf_str function, uint64_t position);
// Segments that were last written so many days ago go (0: 14); on disk when this returns. The size's limit stays.
bool mf_store_log_retain(mf_store *store, mf_str function, uint32_t days, mf_error *err) MF_MUST_CHECK;
// The name that a log group's log goes by: "region/name" of a function's own group, a hash of other groups' names; "" when the region is no region's name.
enum { MF_LOG_KEY_BYTES = 160 };
mf_str mf_store_log_key(mf_str region, mf_str group, char out[MF_LOG_KEY_BYTES]);
#endif
