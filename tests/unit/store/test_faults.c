// The n-th allocation or system call of the store fails, for every n until none does: nothing leaks or crashes, every callback comes,
// and an error says what failed. What was reported done is there afterwards.
#include <fcntl.h>

#include "../faults.h"
#include "world.h"

FAULT_WRAP_MEMORY
FAULT_WRAP(ssize_t, write, (int fd, const void *data, size_t len), (fd, data, len), false, -1)
FAULT_WRAP(int, fsync, (int fd), (fd), false, -1)
FAULT_WRAP(int, openat64, (int at, const char *path, int flags, mode_t mode), (at, path, flags, mode), false, -1)
FAULT_WRAP(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), false, -1)
FAULT_WRAP(int, renameat, (int at, const char *from, int to, const char *path), (at, from, to, path), false, -1)
FAULT_WRAP(int, fchmod, (int fd, mode_t mode), (fd, mode), false, -1)
FAULT_WRAP(int, fcntl64, (int fd, int command, long argument), (fd, command, argument), false, -1)

typedef struct watched {
  mf_store *store;
  uint64_t changes;  // when the commit had been taken
  outcome *outcome;
} watched;

// What was read while a commit was under way that fails is no longer so.
static void watched_done(void *context, const mf_error *err) {
  const watched *seen = context;
  assert_int_equal(mf_store_changes(seen->store, MF_TABLE_functions) != seen->changes, err != NULL);
  commit_done(seen->outcome, err);
}

// Opens, commits, stores a blob, logs, reads, closes. Returns true when nothing failed; then everything must be there.
static bool walk(const char *directory, int source_fd, outcome *commit, outcome *blob) {
  mf_error err = {0};
  mf_arena arena;
  mf_arena_init(&arena, 0);
  mf_loop *loop = mf_loop_create(&err);
  mf_store *store = loop ? mf_store_open(directory, loop, &err) : NULL;
  mf_write write = world_row(MF_TABLE_functions, "k", "v");
  mf_slice value;
  mf_str text;
  bool found = false, ok = store;
  if (store) {
    watched seen = {.store = store, .outcome = commit};
    bool accepted = mf_store_commit(store, &write, 1, watched_done, &seen, &err);
    seen.changes = mf_store_changes(store, MF_TABLE_functions);
    bool copied = mf_store_blob_put(store, source_fd, blob_done, blob, &err);
    mf_store_log(store, MF_STR("r/f"), MF_STR("line\n"));
    ok = accepted && copied && mf_store_get(store, MF_TABLE_functions, MF_STR("k"), &arena, &value, &found, &err) && found;
    ok = mf_store_log_tail(store, MF_STR("r/f"), 1000, &arena, &text, &err) && ok;
    mf_store_close(store);
    assert_int_equal(commit->calls, accepted);
    assert_int_equal(blob->calls, copied);
    ok = ok && !commit->failures && !blob->failures;
  }
  if (!ok && !err.message[0] && !commit->failures && !blob->failures) fail_msg("failed without a message");
  mf_loop_destroy(loop);
  mf_arena_deinit(&arena);
  return ok;
}

static void everything_is_there(const char *directory, const outcome *commit, const outcome *blob) {
  world w = {0};
  snprintf(w.directory, sizeof w.directory, "%s", directory);
  mf_arena_init(&w.arena, 0);
  world_open(&w);
  if (commit->calls && !commit->failures) assert_string_equal(world_get(&w, MF_TABLE_functions, "k"), "v");
  if (blob->calls && !blob->failures) {
    uint8_t hash[MF_SHA256_BYTES];
    int fd;
    assert_true(mf_store_blob_open(w.store, &blob->id, &fd, &w.err));
    assert_true(mf_sha256_fd(fd, hash, &w.err));
    assert_memory_equal(hash, blob->id.sha256, sizeof hash);
    close(fd);
  }
  world_close(&w);
  mf_arena_deinit(&w.arena);
}

static void every_fault(bool memory, int number, mf_code expected_blob_code) {
  int failed_walks = 0;
  for (int n = 1; n < 1000; n++) {
    world w;
    outcome commit = {0}, blob = {0};
    world_begin(&w);
    int source = memfd_create("source", 0);
    assert_int_equal(write(source, "some bytes", 10), 10);
    faults_begin(memory, number, n);
    bool ok = walk(w.directory, source, &commit, &blob);
    bool reached = faults_end();
    close(source);
    if (blob.failures && !memory) assert_int_equal(blob.error.code, expected_blob_code);
    everything_is_there(w.directory, &commit, &blob);
    failed_walks += !ok;
    world_end(&w);
    if (!reached) break;
  }
  assert_true(failed_walks > 5);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  every_fault(true, ENOMEM, MF_OutOfMemory);
}

static void every_system_call_may_find_the_disk_full(void **state) {
  (void)state;
  every_fault(false, ENOSPC, MF_NoSpace);
}

static void every_system_call_may_fail(void **state) {
  (void)state;
  every_fault(false, EIO, MF_Io);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(every_system_call_may_find_the_disk_full),
      cmocka_unit_test(every_system_call_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
