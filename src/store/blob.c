// Blobs: files named by the SHA-256 of their content, DIR/blobs/ab/abcd…, mode 0400. A blob is written under a temporary name, synced,
// renamed and its directory synced before anybody hears of it, so a name in blobs/ always stands for the whole content.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <nettle/sha2.h>

#include "internal.h"
#include "reserve.h"

// Written in pieces of this size, ext4 and XFS keep the page cache in large folios, which an instance then maps 2 MiB at a time.
enum { PIECE_BYTES = 8 << 20, NAME_BYTES = 3 + MF_SHA256_HEX + 1 };
#define YOUNG_NS (INT64_C(3600) * MF_NS_PER_S)  // a blob may be in the store before the row that names it

typedef struct copier_job {
  mf_store_job job;
  void (*run)(struct copier_job *job, char *buffer);  // buffer: PIECE_BYTES, NULL when there is no memory for it
} copier_job;

typedef struct blob_job {
  copier_job base;
  mf_store *store;
  int fd;
  mf_blob_done *done;
  void *context;
  mf_blob_id id;
  uint64_t bytes;
  bool ok;
  mf_error error;
} blob_job;

static void name_of(const mf_blob_id *id, char name[NAME_BYTES]) {
  char hex[MF_SHA256_HEX + 1];
  mf_hex(id->sha256, sizeof id->sha256, hex);
  snprintf(name, NAME_BYTES, "%.2s/%s", hex, hex);
}

// Fills the buffer unless the file ends; returns the bytes read, -1 on failure.
static ssize_t read_piece(int fd, char *buffer, off_t offset) {
  size_t filled = 0;
  while (filled < PIECE_BYTES) {
    ssize_t n = pread(fd, buffer + filled, PIECE_BYTES - filled, offset + (off_t)filled);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return -1;
    if (n == 0) break;
    filled += (size_t)n;
  }
  return (ssize_t)filled;
}

static bool copy_and_hash(blob_job *job, int to, char *buffer) {
  struct sha256_ctx hash;
  sha256_init(&hash);
  for (;;) {
    ssize_t n = read_piece(job->fd, buffer, (off_t)job->bytes);
    if (n < 0) return mf_fail_errno(&job->error, "cannot read the file to be stored");
    if (n == 0) break;
    sha256_update(&hash, (size_t)n, (const uint8_t *)buffer);
    if (!mf_write_all(to, buffer, (size_t)n, "data directory", &job->error)) return false;
    job->bytes += (uint64_t)n;
    if (n < PIECE_BYTES) break;
  }
  sha256_digest(&hash, sizeof job->id.sha256, job->id.sha256);
  return true;
}

bool mf_store_sync_directory(int fd, const char *what, mf_error *err) {
  return fsync(fd) == 0 || mf_fail_errno(err, "cannot sync %s", what);
}

static bool make_shard(mf_store *store, const char *name, mf_error *err) {
  char shard[3] = {name[0], name[1], 0};
  if (mkdirat(store->blobs_fd, shard, 0700) != 0)
    return errno == EEXIST || mf_fail_errno(err, "cannot make blobs/%s", shard);
  return mf_store_sync_directory(store->blobs_fd, "blobs", err);
}

static bool sync_shard(mf_store *store, const char *name, mf_error *err) {
  char shard[3] = {name[0], name[1], 0};
  OWN_FD int fd = openat(store->blobs_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return mf_fail_errno(err, "blobs/%s", shard);
  return mf_store_sync_directory(fd, shard, err);
}

// The same content is there already: made young again, so that a collection under way keeps it.
static bool is_there(mf_store *store, const char *name, uint64_t bytes) {
  struct stat st;
  return fstatat(store->blobs_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes &&
         utimensat(store->blobs_fd, name, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool publish(mf_store *store, int fd, const char *temporary, const char *name, mf_error *err) {
  if (fchmod(fd, 0400) != 0 || fsync(fd) != 0) return mf_fail_errno(err, "cannot sync a blob");
  if (!make_shard(store, name, err)) return false;
  if (renameat(store->temporary_fd, temporary, store->blobs_fd, name) != 0) return mf_fail_errno(err, "cannot name blob %s", name);
  return sync_shard(store, name, err);
}

// The database's log must have room to get into the database, whatever else is stored.
static bool has_room(blob_job *job) {
  struct stat st;
  if (fstat(job->fd, &st) != 0) return mf_fail_errno(&job->error, "cannot read the file to be stored");
  const uint64_t room = mf_reserve_room(job->store->directory_fd);
  const uint64_t needed = (uint64_t)st.st_size + MF_SPARE_ROOM + mf_checkpointer_log_bytes(job->store->checkpointer);
  return room >= needed || mf_reserve_refuse(room, needed, &job->error);
}

static bool store_blob(blob_job *job, char *buffer) {
  mf_store *store = job->store;
  if (!has_room(job)) return false;
  char temporary[MF_UUID_TEXT + 1], name[NAME_BYTES];
  mf_uuid4(temporary);
  OWN_FD int fd = openat(store->temporary_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return mf_fail_errno(&job->error, "cannot make a temporary file in the data directory");
  bool ok = copy_and_hash(job, fd, buffer);
  if (ok) {
    name_of(&job->id, name);
    // A blob that is there was synced by the put that made it, its directory perhaps not yet when two puts overlap: sync again.
    ok = is_there(store, name, job->bytes) ? sync_shard(store, name, &job->error) : publish(store, fd, temporary, name, &job->error);
  }
  unlinkat(store->temporary_fd, temporary, 0);  // ENOENT after the rename
  return ok;
}

static void put_blob(copier_job *base, char *buffer) {
  blob_job *job = (blob_job *)base;
  job->ok = buffer ? store_blob(job, buffer) : mf_fail(&job->error, MF_OutOfMemory, "no memory to copy a blob");
}

typedef struct work_job {
  copier_job base;
  mf_store_work *work;
  mf_store_done *done;
  void *context;
  bool ok;
  mf_error error;
} work_job;

static void run_work(copier_job *base, char *buffer) {
  (void)buffer;
  work_job *job = (work_job *)base;
  job->ok = job->work(job->context, &job->error);
}

static void finish_work(mf_store_job *base) {
  work_job *job = (work_job *)base;
  job->done(job->context, job->ok ? NULL : &job->error);
  free(job);
}

bool mf_store_run(mf_store *store, mf_store_work *work, mf_store_done *done, void *context, mf_error *err) {
  if (!store->copier) return mf_fail(err, MF_Unavailable, "the store is closing");
  work_job *job = calloc(1, sizeof *job);
  if (!job) return mf_fail(err, MF_OutOfMemory, "no memory for work of the store");
  *job = (work_job){.base = {.job.finish = finish_work, .run = run_work}, .work = work, .done = done, .context = context};
  mf_store_thread_post(store->copier, &job->base.job);
  return true;
}

void mf_store_run_blobs(void *context, mf_store_thread *thread, mf_store_job *batch) {
  (void)context;
  void *mapped = mmap(NULL, PIECE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *buffer = mapped == MAP_FAILED ? NULL : mapped;
  while (batch) {
    mf_store_job *next = batch->next;
    copier_job *job = (copier_job *)batch;
    job->run(job, buffer);
    mf_store_thread_done(thread, batch);
    batch = next;
  }
  if (buffer) munmap(buffer, PIECE_BYTES);
}

static void finish_blob(mf_store_job *base) {
  blob_job *job = (blob_job *)base;
  close(job->fd);
  job->done(job->context, &job->id, job->bytes, job->ok ? NULL : &job->error);
  free(job);
}

bool mf_store_blob_put(mf_store *store, int fd, mf_blob_done *done, void *context, mf_error *err) {
  if (!store->copier) return mf_fail(err, MF_Unavailable, "the store is closing");
  blob_job *job = calloc(1, sizeof *job);
  if (!job) return mf_fail(err, MF_OutOfMemory, "no memory to store a blob");
  *job = (blob_job){.base = {.job.finish = finish_blob, .run = put_blob}, .store = store, .done = done, .context = context};
  job->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (job->fd < 0) {
    mf_fail_errno(err, "cannot keep a descriptor");
    free(job);
    return false;
  }
  mf_store_thread_post(store->copier, &job->base.job);
  return true;
}

bool mf_store_blob_open(mf_store *store, const mf_blob_id *id, int *fd, mf_error *err) {
  char name[NAME_BYTES];
  name_of(id, name);
  *fd = openat(store->blobs_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (*fd >= 0) return true;
  return errno == ENOENT ? mf_fail(err, MF_NotFound, "blob %s is not in the data directory", name) : mf_fail_errno(err, "blob %s", name);
}

void mf_store_blob_remove(mf_store *store, const mf_blob_id *id) {
  char name[NAME_BYTES];
  name_of(id, name);
  unlinkat(store->blobs_fd, name, 0);
}

static bool is_garbage(int shard_fd, const char *name, mf_blob_is_used *is_used, void *context) {
  mf_blob_id id;
  struct stat st;
  if (strlen(name) != MF_SHA256_HEX || !mf_unhex(mf_str_from(name), id.sha256)) return false;
  if (fstatat(shard_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return false;
  int64_t age = mf_wall_ns() - ((int64_t)st.st_mtim.tv_sec * MF_NS_PER_S + st.st_mtim.tv_nsec);
  return age >= YOUNG_NS && !is_used(context, &id);
}

static void collect_shard(mf_store *store, const char *shard, mf_blob_is_used *is_used, void *context) {
  int fd = openat(store->blobs_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
  if (!directory) {
    mf_close(&fd);
    return;
  }
  for (struct dirent *entry; (entry = readdir(directory));)
    if (is_garbage(fd, entry->d_name, is_used, context)) unlinkat(fd, entry->d_name, 0);
  closedir(directory);
}

bool mf_store_blob_collect(mf_store *store, mf_blob_is_used *is_used, void *context, mf_error *err) {
  int fd = openat(store->blobs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
  if (!directory) {
    mf_fail_errno(err, "cannot read the list of blobs");
    mf_close(&fd);
    return false;
  }
  for (struct dirent *entry; (entry = readdir(directory));)
    if (entry->d_name[0] != '.') collect_shard(store, entry->d_name, is_used, context);
  closedir(directory);
  return true;
}

uint64_t mf_store_room(const mf_store *store) {
  struct statvfs disk;
  return fstatvfs(store->temporary_fd, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX / 4;
}

bool mf_store_temporary(mf_store *store, int *fd, mf_error *err) {
  *fd = openat(store->temporary_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (*fd >= 0) return true;
  if (errno != EOPNOTSUPP && errno != EISDIR) return mf_fail_errno(err, "cannot make a temporary file in the data directory");
  char name[MF_UUID_TEXT + 1];  // a file system without O_TMPFILE
  mf_uuid4(name);
  *fd = openat(store->temporary_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (*fd < 0) return mf_fail_errno(err, "cannot make a temporary file in the data directory");
  unlinkat(store->temporary_fd, name, 0);
  return true;
}
