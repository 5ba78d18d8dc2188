// Nothing is reported done before the sync that covers it: a VFS between SQLite and the disk records what happens when, and can fail.
// And a process that is killed at a random moment loses nothing that it had acknowledged.
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "world.h"

// The WAL's written and synced length, and what to fail. Written on the journal's thread, read on the loop's.
static struct {
  _Atomic int64_t writes, synced_writes, syncs;
  _Atomic int full, io_error;
} disk;

typedef struct shim_file {
  sqlite3_file base;
  const char *name;
  sqlite3_file *real;
} shim_file;
static sqlite3_vfs *real_vfs;

static int is_wal(const shim_file *f) { return f->name && strstr(f->name, "-wal") != NULL; }

static int shim_close(sqlite3_file *file) {
  shim_file *f = (shim_file *)file;
  int code = f->real->pMethods ? f->real->pMethods->xClose(f->real) : SQLITE_OK;
  free(f->real);
  return code;
}
static int shim_read(sqlite3_file *file, void *out, int n, sqlite3_int64 at) {
  shim_file *f = (shim_file *)file;
  return f->real->pMethods->xRead(f->real, out, n, at);
}
static int shim_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at) {
  shim_file *f = (shim_file *)file;
  if (is_wal(f) && atomic_load(&disk.full)) return SQLITE_FULL;
  if (is_wal(f)) atomic_fetch_add(&disk.writes, 1);
  return f->real->pMethods->xWrite(f->real, data, n, at);
}
static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
  shim_file *f = (shim_file *)file;
  return f->real->pMethods->xTruncate(f->real, size);
}
static int shim_sync(sqlite3_file *file, int flags) {
  shim_file *f = (shim_file *)file;
  if (is_wal(f) && atomic_load(&disk.io_error)) return SQLITE_IOERR_FSYNC;
  int64_t covered = atomic_load(&disk.writes);
  int code = f->real->pMethods->xSync(f->real, flags);
  if (is_wal(f)) {
    atomic_store(&disk.synced_writes, covered);
    atomic_fetch_add(&disk.syncs, 1);
  }
  return code;
}
static int shim_size(sqlite3_file *file, sqlite3_int64 *size) {
  shim_file *f = (shim_file *)file;
  return f->real->pMethods->xFileSize(f->real, size);
}
static int shim_lock(sqlite3_file *file, int level) { return ((shim_file *)file)->real->pMethods->xLock(((shim_file *)file)->real, level); }
static int shim_unlock(sqlite3_file *file, int level) {
  return ((shim_file *)file)->real->pMethods->xUnlock(((shim_file *)file)->real, level);
}
static int shim_reserved(sqlite3_file *file, int *out) {
  return ((shim_file *)file)->real->pMethods->xCheckReservedLock(((shim_file *)file)->real, out);
}
static int shim_control(sqlite3_file *file, int op, void *arg) {
  return ((shim_file *)file)->real->pMethods->xFileControl(((shim_file *)file)->real, op, arg);
}
static int shim_sector(sqlite3_file *file) { return ((shim_file *)file)->real->pMethods->xSectorSize(((shim_file *)file)->real); }
static int shim_device(sqlite3_file *file) {
  return ((shim_file *)file)->real->pMethods->xDeviceCharacteristics(((shim_file *)file)->real);
}
static int shim_shm_map(sqlite3_file *file, int page, int size, int extend, void volatile **out) {
  return ((shim_file *)file)->real->pMethods->xShmMap(((shim_file *)file)->real, page, size, extend, out);
}
static int shim_shm_lock(sqlite3_file *file, int offset, int n, int flags) {
  return ((shim_file *)file)->real->pMethods->xShmLock(((shim_file *)file)->real, offset, n, flags);
}
static void shim_shm_barrier(sqlite3_file *file) { ((shim_file *)file)->real->pMethods->xShmBarrier(((shim_file *)file)->real); }
static int shim_shm_unmap(sqlite3_file *file, int remove) {
  return ((shim_file *)file)->real->pMethods->xShmUnmap(((shim_file *)file)->real, remove);
}

static const sqlite3_io_methods shim_methods = {2, shim_close, shim_read, shim_write, shim_truncate, shim_sync, shim_size, shim_lock,
                                                shim_unlock, shim_reserved, shim_control, shim_sector, shim_device, shim_shm_map,
                                                shim_shm_lock, shim_shm_barrier, shim_shm_unmap, NULL, NULL};

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags) {
  (void)vfs;
  shim_file *f = (shim_file *)file;
  *f = (shim_file){.name = name, .real = calloc(1, (size_t)real_vfs->szOsFile)};
  int code = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
  if (code == SQLITE_OK) f->base.pMethods = &shim_methods;
  else free(f->real);
  return code;
}

static void install_shim(void) {
  static sqlite3_vfs shim;
  real_vfs = sqlite3_vfs_find(NULL);
  shim = *real_vfs;
  shim.zName = "shim";
  shim.szOsFile = sizeof(shim_file);
  shim.xOpen = shim_open;
  sqlite3_vfs_register(&shim, 1);
}

typedef struct check {
  int calls, uncovered, failures;
  mf_error error;
} check;

static void done_checks_the_sync(void *context, const mf_error *err) {
  check *c = context;
  c->calls++;
  if (err) {
    c->failures++;
    c->error = *err;
  }
}

static void no_commit_is_reported_before_the_sync_that_covers_it(void **state) {
  (void)state;
  world w;
  world_begin(&w);
  world_open(&w);
  check c = {0};
  for (int round = 0; round < 50; round++) {
    int64_t syncs = atomic_load(&disk.syncs), writes = atomic_load(&disk.writes);
    mf_write write = world_row(MF_TABLE_functions, "key", "value");
    assert_true(mf_store_commit(w.store, &write, 1, done_checks_the_sync, &c, &w.err));
    world_wait(&w, &c.calls, round + 1);
    // Reported: so something was written for it, and a sync that began after those writes has returned.
    assert_true(atomic_load(&disk.writes) > writes);
    assert_true(atomic_load(&disk.syncs) > syncs);
    assert_int_equal(atomic_load(&disk.synced_writes), atomic_load(&disk.writes));
  }
  assert_int_equal(c.failures, 0);
  world_end(&w);
}

static void many_commits_share_one_sync(void **state) {
  (void)state;
  world w;
  world_begin(&w);
  world_open(&w);
  check c = {0};
  int64_t before = atomic_load(&disk.syncs);
  for (int i = 0; i < 2000; i++) {
    mf_write write = world_row(MF_TABLE_functions, "key", "value");
    assert_true(mf_store_commit(w.store, &write, 1, done_checks_the_sync, &c, &w.err));
  }
  world_wait(&w, &c.calls, 2000);
  int64_t syncs = atomic_load(&disk.syncs) - before;
  if (syncs > 500) fail_msg("2000 commits took %lld syncs", (long long)syncs);
  world_end(&w);
}

static void fails_then_recovers(_Atomic int *fault, mf_code expected) {
  world w;
  world_begin(&w);
  world_open(&w);
  check c = {0};
  mf_write first = world_row(MF_TABLE_functions, "a", "1"), second = world_row(MF_TABLE_functions, "a", "2");
  assert_true(mf_store_commit(w.store, &first, 1, done_checks_the_sync, &c, &w.err));
  world_wait(&w, &c.calls, 1);
  atomic_store(fault, 1);
  assert_true(mf_store_commit(w.store, &second, 1, done_checks_the_sync, &c, &w.err));
  world_wait(&w, &c.calls, 2);
  atomic_store(fault, 0);
  assert_int_equal(c.failures, 1);
  if (c.error.code != expected) fail_msg("%s: %s", mf_code_name(c.error.code), c.error.message);
  assert_string_equal(world_get(&w, MF_TABLE_functions, "a"), "1");  // the failed write is gone from what is read
  assert_true(mf_store_commit(w.store, &second, 1, done_checks_the_sync, &c, &w.err));
  world_wait(&w, &c.calls, 3);
  assert_int_equal(c.failures, 1);
  assert_string_equal(world_get(&w, MF_TABLE_functions, "a"), "2");
  world_end(&w);
}

static void a_full_disk_fails_the_commit_clearly_and_passes(void **state) {
  (void)state;
  fails_then_recovers(&disk.full, MF_NoSpace);
}

static void a_failed_sync_fails_the_commit(void **state) {
  (void)state;
  fails_then_recovers(&disk.io_error, MF_Io);
}

// The child writes rows 0, 1, 2, … and says in shared memory up to where it was told that they are on disk.
static void count_acknowledged(void *context, const mf_error *err) {
  _Atomic int *acknowledged = context;
  if (!err) atomic_fetch_add(acknowledged, 1);
}

static int64_t keep_writing(void *data) {
  world *w = data;
  static int next;
  char key[16];
  for (int i = 0; i < 5; i++) {
    snprintf(key, sizeof key, "%08d", next++);
    mf_write write = world_row(MF_TABLE_functions, key, key);
    if (!mf_store_commit(w->store, &write, 1, count_acknowledged, w->arena.chunks, &w->err)) _exit(2);
  }
  return 100000;
}

static bool count_row(void *context, mf_str key, mf_slice value) {
  (void)value;
  int *rows = context;
  assert_int_equal(strtol(key.data, NULL, 10), *rows);  // no gap
  (*rows)++;
  return true;
}

static void a_killed_process_loses_nothing_it_acknowledged(void **state) {
  (void)state;
  srand(11);
  _Atomic int *acknowledged = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int round = 0; round < 10; round++) {
    world w;
    world_begin(&w);
    atomic_store(acknowledged, 0);
    pid_t child = fork();
    if (child == 0) {
      w.loop = mf_loop_create(&w.err);
      w.store = mf_store_open(w.directory, w.loop, &w.err);
      w.arena.chunks = (void *)acknowledged;
      mf_loop_set_hook(w.loop, keep_writing, &w);
      if (!w.store || !mf_loop_run(w.loop, &w.err)) _exit(1);
      _exit(0);
    }
    int64_t limit = mf_now_ns() + 10 * MF_NS_PER_S;
    while (atomic_load(acknowledged) == 0 && mf_now_ns() < limit) usleep(1000);
    usleep((useconds_t)(rand() % 30000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    int rows = 0, told = atomic_load(acknowledged);
    assert_true(told > 0);
    world_open(&w);
    assert_true(mf_store_scan(w.store, MF_TABLE_functions, MF_STR(""), MF_STR(""), 1000000, count_row, &rows, &w.err));
    if (rows < told) fail_msg("round %d: %d rows, %d were acknowledged", round, rows, told);
    world_end(&w);
  }
  munmap((void *)acknowledged, 4096);
}

int main(void) {
  install_shim();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(no_commit_is_reported_before_the_sync_that_covers_it),
      cmocka_unit_test(many_commits_share_one_sync),
      cmocka_unit_test(a_full_disk_fails_the_commit_clearly_and_passes),
      cmocka_unit_test(a_failed_sync_fails_the_commit),
      cmocka_unit_test(a_killed_process_loses_nothing_it_acknowledged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
