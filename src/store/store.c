// Opening and closing, and the tables: commits go to the journal's thread, which puts all that wait into one transaction and one
// sync; reads look at the writes under way first and then at the database.
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "reserve.h"

#define WORTH_MOVING ((uint64_t)256 << 10)
#define MUCH_ROOM ((uint64_t)64 << 20)   // the exact reckoning begins below it

typedef struct commit_job {
  mf_store_job job;
  mf_store *store;
  mf_store_done *done;
  void *context;
  bool ok;
  mf_error error;
  uint32_t n_writes;
  mf_pending writes[];  // their keys and values follow
} commit_job;

// ---- the journal's thread ----
static bool write_job(mf_database *database, const commit_job *job, mf_error *err) {
  for (uint32_t i = 0; i < job->n_writes; i++)
    if (!mf_database_write(database, job->writes[i].table, job->writes[i].key, job->writes[i].value, err)) return false;
  return true;
}

static bool is_deletion(const mf_store_job *base) {
  const commit_job *job = (const commit_job *)base;
  for (uint32_t i = 0; i < job->n_writes; i++)
    if (job->writes[i].value.data) return false;
  return true;
}

static void add_size(const commit_job *job, uint64_t *bytes, uint64_t *rows) {
  for (uint32_t i = 0; i < job->n_writes; i++) *bytes += job->writes[i].key.len + job->writes[i].value.len;
  *rows += job->n_writes;
}

static bool write_all(mf_database *database, const mf_store_job *batch, bool deletions_only, mf_error *err) {
  if (!mf_database_begin(database, err)) return false;
  for (const mf_store_job *job = batch; job; job = job->next)
    if ((!deletions_only || is_deletion(job)) && !write_job(database, (const commit_job *)job, err)) return false;
  return mf_database_commit(database, err);
}

static bool write_batch(mf_store *store, const mf_store_job *batch, bool deletions_only, mf_error *err) {
  bool ok = write_all(&store->writer, batch, deletions_only, err);
  if (!ok) mf_database_rollback(&store->writer);
  return ok;
}

// The disk is full: what deletes is written still, with the reserve's room if need be, and nothing else, which would only fill it again.
static bool write_deletions(mf_store *store, const mf_store_job *batch) {
  mf_error err;
  const mf_store_job *job = batch;
  while (job && !is_deletion(job)) job = job->next;
  if (!job) return false;
  return write_batch(store, batch, true, &err) || (mf_reserve_give_up(store->directory_fd) && write_batch(store, batch, true, &err));
}

// Pages of deleted rows go back to the disk where it is nearly full. Moving a page takes room in the log first, so it begins with few.
static void give_back(mf_store *store) {
  enum { ROUNDS = 32 };
  uint64_t before = UINT64_MAX;
  for (int round = 0; round < ROUNDS; round++) {
    const uint64_t unused = mf_database_unused_bytes(&store->writer), bytes = MF_MIN(unused, mf_reserve_room(store->directory_fd) / 4);
    if (unused < WORTH_MOVING || unused >= before || bytes < MF_DATABASE_PAGE) return;
    mf_database_shrink(&store->writer, bytes);
    mf_checkpointer_empty(store->checkpointer);
    before = unused;
  }
}

// A commit's pages go to the log and later from there to the database, which must have room for all that is in the log, or the log could never
// begin anew and even deletions would only make it longer: what does not leave that room is refused as if the disk were full.
static bool has_room(mf_store *store, const mf_store_job *batch, mf_error *err) {
  uint64_t bytes = 0, rows = 0;
  for (const mf_store_job *job = batch; job; job = job->next)
    if (!is_deletion(job)) add_size((const commit_job *)job, &bytes, &rows);
  uint64_t room = mf_reserve_room(store->directory_fd);
  if (room >= MUCH_ROOM + mf_checkpointer_log_bytes(store->checkpointer) + 2 * bytes) return true;
  const uint64_t most = bytes + rows * MF_DATABASE_PAGE;
  if (room >= MF_SPARE_ROOM + mf_checkpointer_log_bytes(store->checkpointer) + 2 * most) return true;
  mf_checkpointer_empty(store->checkpointer);
  give_back(store);
  room = mf_reserve_room(store->directory_fd);
  const uint64_t unused = mf_database_unused_bytes(&store->writer), grows = most - MF_MIN(most, unused);
  const uint64_t needed = MF_SPARE_ROOM + mf_checkpointer_log_bytes(store->checkpointer) + most + grows;
  return rows == 0 || room >= needed || mf_reserve_refuse(room, needed, err);
}

// One transaction for all that waits. When it fails every job of it fails with the same error, but for what deletes on a full disk.
static void run_commits(void *context, mf_store_thread *thread, mf_store_job *batch) {
  mf_store *store = context;
  mf_error err;
  const bool ok = has_room(store, batch, &err) && write_batch(store, batch, false, &err);
  const bool deletions_ok = ok || (err.code == MF_NoSpace && write_deletions(store, batch));
  if (deletions_ok) mf_reserve_make(store->directory_fd);
  for (mf_store_job *base = batch; base; base = base->next) {
    commit_job *job = (commit_job *)base;
    job->ok = ok || (deletions_ok && is_deletion(base));
    if (!job->ok) job->error = err;
  }
  mf_store_thread_done_all(thread, batch);
}

// ---- the loop's thread ----
static void finish_commit(mf_store_job *base) {
  commit_job *job = (commit_job *)base;
  for (uint32_t i = 0; i < job->n_writes; i++) {
    mf_overlay_remove(&job->store->overlay, &job->writes[i]);
    if (!job->ok) job->store->changes[job->writes[i].table]++;  // the rows from before are back
  }
  if (job->done) job->done(job->context, job->ok ? NULL : &job->error);
  else if (!job->ok) mf_log(MF_LOG_ERROR, "%s", job->error.message);
  free(job);
}

static bool size_of(const mf_write *writes, uint32_t n_writes, size_t *bytes, mf_error *err) {
  *bytes = sizeof(commit_job) + n_writes * sizeof(mf_pending);
  for (uint32_t i = 0; i < n_writes; i++) {
    if (writes[i].key.len > MF_MAX_KEY_BYTES || writes[i].value.len > MF_MAX_VALUE_BYTES)
      return mf_fail(err, MF_TooLarge, "a row of %zu bytes, the limit is %d", writes[i].value.len, MF_MAX_VALUE_BYTES);
    *bytes += writes[i].key.len + writes[i].value.len + 1;
  }
  return true;
}

static void copy_writes(commit_job *job, const mf_write *writes) {
  char *at = (char *)&job->writes[job->n_writes];
  for (uint32_t i = 0; i < job->n_writes; i++) {
    mf_pending *pending = &job->writes[i];
    *pending = (mf_pending){.table = writes[i].table, .key = {at, writes[i].key.len}};
    if (writes[i].key.len > 0) memcpy(at, writes[i].key.data, writes[i].key.len);
    at += writes[i].key.len;
    if (!writes[i].value.data) continue;
    pending->value = (mf_slice){at, writes[i].value.len};
    memcpy(at, writes[i].value.data, writes[i].value.len);
    at += writes[i].value.len + 1;  // an empty value has an address of its own
  }
}

bool mf_store_commit(mf_store *store, const mf_write *writes, uint32_t n_writes, mf_store_done *done, void *context, mf_error *err) {
  size_t bytes;
  if (!size_of(writes, n_writes, &bytes, err)) return false;
  commit_job *job = malloc(bytes);
  if (!job) return mf_fail(err, MF_OutOfMemory, "no memory for a commit of %zu bytes", bytes);
  *job = (commit_job){.job.finish = finish_commit, .store = store, .done = done, .context = context, .n_writes = n_writes};
  copy_writes(job, writes);
  for (uint32_t i = 0; i < n_writes; i++) {
    mf_overlay_add(&store->overlay, &job->writes[i]);
    store->changes[writes[i].table]++;
  }
  mf_store_thread_post(store->journal, &job->job);
  return true;
}

uint64_t mf_store_changes(const mf_store *store, mf_table table) { return store->changes[table]; }

bool mf_store_get(mf_store *store, mf_table table, mf_str key, mf_arena *arena, mf_slice *value, bool *found, mf_error *err) {
  const mf_pending *pending = mf_overlay_find(&store->overlay, table, key);
  if (!pending) return mf_database_get(&store->reader, table, key, arena, value, found, err);
  *found = pending->value.data != NULL;
  if (!*found) return true;
  mf_str copy = mf_str_copy(arena, (mf_str){pending->value.data, pending->value.len});
  *value = (mf_slice){copy.data, copy.len};
  return copy.data || mf_fail(err, MF_OutOfMemory, "no memory for a row of %zu bytes", pending->value.len);
}

typedef struct merge {  // two ordered sources of rows
  sqlite3_stmt *statement;
  bool has_row;         // statement stands on a row
  const mf_pending **pending;
  uint32_t n_pending, next_pending;
} merge;

static mf_str row_key(sqlite3_stmt *statement) {
  const void *data = sqlite3_column_blob(statement, 0);
  return (mf_str){data, (size_t)sqlite3_column_bytes(statement, 0)};
}

// <0: the database's row comes first, 0: both have the key and the write under way counts, >0: the write under way comes first.
static int order_of(const merge *m) {
  if (m->next_pending == m->n_pending) return -1;
  if (!m->has_row) return 1;
  return mf_key_compare(row_key(m->statement), m->pending[m->next_pending]->key);
}

static bool emit_rows(mf_store *store, merge *m, uint32_t limit, mf_store_each *each, void *context, mf_error *err) {
  while (limit > 0 && (m->has_row || m->next_pending < m->n_pending)) {
    int order = order_of(m);
    const mf_pending *pending = order >= 0 ? m->pending[m->next_pending++] : NULL;
    bool is_there = !pending || pending->value.data;
    if (is_there) {
      mf_str key = pending ? pending->key : row_key(m->statement);
      mf_slice value = pending ? pending->value : (mf_slice){sqlite3_column_blob(m->statement, 1),
                                                             (size_t)sqlite3_column_bytes(m->statement, 1)};
      limit--;
      if (!each(context, key, value)) return true;
    }
    if (order <= 0 && !mf_database_step(&store->reader, m->statement, &m->has_row, err)) return false;
  }
  return true;
}

bool mf_store_scan(mf_store *store, mf_table table, mf_str prefix, mf_str after, uint32_t limit, mf_store_each *each, void *context,
                   mf_error *err) {
  mf_arena arena;
  mf_arena_init(&arena, 0);
  merge m = {0};
  bool ok = mf_overlay_select(&store->overlay, table, prefix, after, &arena, &m.pending, &m.n_pending, err) &&
            (m.statement = mf_database_scan(&store->reader, table, prefix, after, &arena, err)) &&
            mf_database_step(&store->reader, m.statement, &m.has_row, err) && emit_rows(store, &m, limit, each, context, err);
  sqlite3_finalize(m.statement);
  mf_arena_deinit(&arena);
  return ok;
}

// The last row of the database that no write under way deletes, and the last one under way: the greater.
static bool last_key(mf_store *store, mf_table table, const merge *m, mf_str *last, mf_error *err) {
  bool has_row = false;
  do {
    if (!mf_database_step(&store->reader, m->statement, &has_row, err)) return false;
    *last = has_row ? row_key(m->statement) : MF_STR("");
  } while (has_row && mf_overlay_find(&store->overlay, table, *last));  // of those the overlay's own say
  for (uint32_t i = m->n_pending; i-- > 0;) {
    if (!m->pending[i]->value.data) continue;
    if (!has_row || mf_key_compare(m->pending[i]->key, *last) > 0) *last = m->pending[i]->key;
    break;
  }
  return true;
}

bool mf_store_last(mf_store *store, mf_table table, mf_str prefix, char *key, size_t *len, mf_error *err) {
  mf_arena arena;
  mf_arena_init(&arena, 0);
  merge m = {0};
  mf_str last;
  bool ok = mf_overlay_select(&store->overlay, table, prefix, MF_STR(""), &arena, &m.pending, &m.n_pending, err) &&
            (m.statement = mf_database_scan_back(&store->reader, table, prefix, &arena, err)) && last_key(store, table, &m, &last, err);
  if (ok && last.len > *len) ok = mf_fail(err, MF_Internal, "a key of %zu bytes", last.len);
  if (ok && last.len > 0) memcpy(key, last.data, last.len);
  if (ok) *len = last.len;
  sqlite3_finalize(m.statement);
  mf_arena_deinit(&arena);
  return ok;
}

// ---- logs ----
void mf_store_log(mf_store *store, mf_str function, mf_str text) { mf_store_logs_add(store->logs, function, text); }

bool mf_store_log_tail(mf_store *store, mf_str function, size_t limit_bytes, mf_arena *arena, mf_str *text, mf_error *err) {
  return mf_store_logs_tail(store->logs, function, limit_bytes, arena, text, err);
}

bool mf_store_log_since(mf_store *store, mf_str function, uint64_t *position, size_t limit_bytes, mf_arena *arena, mf_str *text,
                        mf_error *err) {
  return mf_store_logs_since(store->logs, function, position, limit_bytes, arena, text, err);
}

uint32_t mf_store_log_segments(mf_store *store, mf_str function, mf_log_segment segments[MF_MAX_LOG_SEGMENTS], uint32_t *retention_days) {
  return mf_store_logs_segments(store->logs, function, segments, retention_days);
}

size_t mf_store_log_read(mf_store *store, mf_str function, uint64_t position, char *out, size_t capacity) {
  return mf_store_logs_read(store->logs, function, position, out, capacity);
}

void mf_store_log_remove(mf_store *store, mf_str function, uint64_t position) { mf_store_logs_remove(store->logs, function, position); }

bool mf_store_log_retain(mf_store *store, mf_str function, uint32_t days, mf_error *err) {
  return mf_store_logs_retain(store->logs, function, days, err);
}

// A function's name has no '+', so the two kinds of keys stay apart.
mf_str mf_store_log_key(mf_str region, mf_str group, char out[MF_LOG_KEY_BYTES]) {
  static const mf_str own = MF_STR("/aws/lambda/");
  uint8_t digest[MF_SHA256_BYTES];
  char hex[MF_SHA256_HEX + 1];
  mf_str name = {group.data + own.len, group.len - own.len};
  bool is_function = mf_str_starts(group, own) && name.len > 0 && name.len <= 64;
  for (size_t i = 0; is_function && i < name.len; i++) is_function = !strchr("/.#", name.data[i]);
  if (!is_function) {
    mf_sha256(group.data, group.len, digest);
    mf_hex(digest, sizeof digest, hex);
  }
  const mf_str last = is_function ? name : (mf_str){hex, MF_SHA256_HEX}, between = is_function ? MF_STR("/") : MF_STR("/+");
  if (region.len == 0 || region.len + between.len + last.len >= MF_LOG_KEY_BYTES) return MF_STR("");
  memcpy(out, region.data, region.len);
  memcpy(out + region.len, between.data, between.len);
  memcpy(out + region.len + between.len, last.data, last.len);
  return (mf_str){out, region.len + between.len + last.len};
}

// ---- opening and closing ----
static void on_wake(void *data) {
  mf_store *store = data;
  if (store->journal) mf_store_thread_finish(store->journal);
  if (store->checkpointer) mf_checkpointer_finish(store->checkpointer);
  if (store->copier) mf_store_thread_finish(store->copier);
  if (store->logs) mf_store_logs_finish(store->logs);
}

static bool open_directory(int at, const char *name, int *fd, mf_error *err) {
  if (mkdirat(at, name, 0700) != 0 && errno != EEXIST) return mf_fail_errno(err, "cannot make %s in the data directory", name);
  *fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return *fd >= 0 || mf_fail_errno(err, "cannot open %s in the data directory", name);
}

// What a Mayfly that was killed left behind.
static void clean_temporary(int temporary_fd) {
  int fd = openat(temporary_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
  if (!directory) {
    mf_close(&fd);
    return;
  }
  for (struct dirent *entry; (entry = readdir(directory));) unlinkat(fd, entry->d_name, 0);
  closedir(directory);
}

static bool open_directories(mf_store *store, const char *directory, mf_error *err) {
  store->directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (store->directory_fd < 0) return mf_fail_errno(err, "cannot open the data directory %s", directory);
  bool ok = open_directory(store->directory_fd, "blobs", &store->blobs_fd, err) &&
            open_directory(store->directory_fd, "tmp", &store->temporary_fd, err) &&
            open_directory(store->directory_fd, "logs", &store->logs_fd, err);
  if (ok) clean_temporary(store->temporary_fd);
  return ok;
}

static void close_databases(mf_store *store) {
  mf_checkpointer_destroy(store->checkpointer);
  store->checkpointer = NULL;
  mf_database_close(&store->reader);
  mf_database_close(&store->writer);
}

static bool try_databases(mf_store *store, const char *directory, mf_error *err) {
  char path[4200];
  snprintf(path, sizeof path, "%s/" MF_DATABASE_FILE, directory);
  return mf_database_open(&store->writer, path, err) && mf_database_open(&store->reader, path, err) &&
         (store->checkpointer = mf_checkpointer_create(&store->writer, path, store->loop, err)) &&
         mf_store_sync_directory(store->directory_fd, directory, err);
}

static bool open_databases(mf_store *store, const char *directory, mf_error *err) {
  bool ok = try_databases(store, directory, err);
  if (!ok && mf_reserve_give_up(store->directory_fd)) {
    close_databases(store);
    ok = try_databases(store, directory, err);
  }
  mf_reserve_make(store->directory_fd);
  return ok;
}

mf_store *mf_store_open(const char *directory, mf_loop *loop, mf_error *err) {
  mf_store *store = calloc(1, sizeof *store);
  if (!store) {
    mf_fail(err, MF_OutOfMemory, "no memory for the store");
    return NULL;
  }
  store->loop = loop;
  store->directory_fd = store->blobs_fd = store->temporary_fd = store->logs_fd = -1;
  bool ok = open_directories(store, directory, err) && open_databases(store, directory, err) &&
            (store->journal = mf_store_thread_create(run_commits, store, loop, err)) &&
            (store->copier = mf_store_thread_create(mf_store_run_blobs, store, loop, err)) &&
            (store->logs = mf_store_logs_create(store->logs_fd, loop, &mf_log_default_limits, err));
  if (ok) {
    mf_loop_on_wake(loop, on_wake, store);
    return store;
  }
  mf_store_close(store);
  return NULL;
}

void mf_store_wait(mf_store *store) {
  do {
    mf_store_thread_wait(store->copier);
    mf_store_thread_wait(store->journal);
  } while (!mf_store_thread_is_idle(store->copier));
}

// Callbacks of blobs may commit rows, so the copier goes first; from then on a blob is refused.
void mf_store_close(mf_store *store) {
  if (!store) return;
  mf_store_thread *copier = store->copier;
  mf_store_count_stop(store);
  store->copier = NULL;
  mf_store_thread_destroy(copier);
  mf_store_thread_destroy(store->journal);
  store->journal = NULL;
  mf_checkpointer_destroy(store->checkpointer);
  store->checkpointer = NULL;
  mf_store_logs_destroy(store->logs);
  store->logs = NULL;
  mf_database_close(&store->reader);
  if (store->writer.connection) mf_database_checkpoint(&store->writer);
  mf_database_close(&store->writer);
  mf_close(&store->logs_fd);
  mf_close(&store->temporary_fd);
  mf_close(&store->blobs_fd);
  mf_close(&store->directory_fd);
  free(store);
}
