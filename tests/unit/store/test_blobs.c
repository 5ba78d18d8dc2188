// Blobs: named by their content, whole or absent, collected when nobody uses them.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include "world.h"

// A file of `bytes` bytes that depend on the seed.
static int make_file(size_t bytes, unsigned seed) {
  int fd = memfd_create("blob", MFD_CLOEXEC);
  uint32_t *data = malloc(bytes + 4);
  for (size_t i = 0; i < bytes / 4 + 1; i++) data[i] = (uint32_t)i * 2654435761u + seed;
  mf_error err;
  assert_true(mf_write_all(fd, data, bytes, "blob", &err));
  free(data);
  return fd;
}

static void put(world *w, size_t bytes, unsigned seed, outcome *o) {
  int fd = make_file(bytes, seed);
  assert_true(mf_store_blob_put(w->store, fd, blob_done, o, &w->err));
  close(fd);  // the store keeps its own
}

static void a_blob_comes_back_as_it_was_under_its_hash(void **state) {
  (void)state;
  world w;
  world_begin(&w);
  world_open(&w);
  const size_t sizes[] = {0, 1, 4096, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 20 << 20};
  for (size_t i = 0; i < MF_COUNT(sizes); i++) {
    outcome o = {0};
    uint8_t expected[MF_SHA256_BYTES], actual[MF_SHA256_BYTES];
    int source = make_file(sizes[i], (unsigned)i), fd;
    assert_true(mf_sha256_fd(source, expected, &w.err));
    put(&w, sizes[i], (unsigned)i, &o);
    world_wait(&w, &o.calls, 1);
    if (o.failures) fail_msg("%s", o.error.message);
    assert_memory_equal(o.id.sha256, expected, sizeof expected);
    assert_int_equal(o.bytes, sizes[i]);
    assert_true(mf_store_blob_open(w.store, &o.id, &fd, &w.err));
    assert_true(mf_sha256_fd(fd, actual, &w.err));
    assert_memory_equal(actual, expected, sizeof expected);
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    close(fd);
    close(source);
  }
  world_end(&w);
}

static int count_entries(world *w, const char *name) {
  char path[128];
  int count = 0;
  snprintf(path, sizeof path, "%s/%s", w->directory, name);
  DIR *directory = opendir(path);
  assert_non_null(directory);
  for (struct dirent *e; (e = readdir(directory));) count += e->d_name[0] != '.';
  closedir(directory);
  return count;
}

static void temporary_files_of_a_killed_server_are_cleaned_at_start(void **state) {
  (void)state;
  world w;
  char path[128];
  world_begin(&w);
  world_open(&w);
  int fd;
  assert_true(mf_store_temporary(w.store, &fd, &w.err));
  assert_int_equal(write(fd, "x", 1), 1);
  close(fd);
  assert_int_equal(count_entries(&w, "tmp"), 0);
  world_close(&w);
  snprintf(path, sizeof path, "%s/tmp/left-behind", w.directory);
  fclose(fopen(path, "w"));
  world_open(&w);
  assert_int_equal(count_entries(&w, "tmp"), 0);
  world_end(&w);
}

static bool is_used(void *context, const mf_blob_id *id) { return memcmp(context, id, sizeof *id) == 0; }

static void make_old(world *w, const mf_blob_id *id) {
  char hex[MF_SHA256_HEX + 1], path[256];
  struct timespec times[2] = {{.tv_sec = time(NULL) - 7200}, {.tv_sec = time(NULL) - 7200}};
  mf_hex(id->sha256, sizeof id->sha256, hex);
  snprintf(path, sizeof path, "%s/blobs/%.2s/%s", w->directory, hex, hex);
  assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static bool is_there(world *w, const mf_blob_id *id) {
  int fd;
  if (!mf_store_blob_open(w->store, id, &fd, &w->err)) {
    assert_int_equal(w->err.code, MF_NotFound);
    return false;
  }
  close(fd);
  return true;
}

static void collection_keeps_what_is_used_or_young(void **state) {
  (void)state;
  world w;
  outcome used = {0}, unused = {0}, young = {0}, again = {0};
  world_begin(&w);
  world_open(&w);
  put(&w, 100, 1, &used);
  put(&w, 100, 2, &unused);
  put(&w, 100, 3, &young);
  put(&w, 100, 4, &again);
  world_wait(&w, &again.calls, 1);
  make_old(&w, &used.id);
  make_old(&w, &unused.id);
  make_old(&w, &again.id);
  put(&w, 100, 4, &again);  // stored a second time: young again
  world_wait(&w, &again.calls, 2);
  assert_true(mf_store_blob_collect(w.store, is_used, &used.id, &w.err));
  assert_true(is_there(&w, &used.id));
  assert_false(is_there(&w, &unused.id));
  assert_true(is_there(&w, &young.id));
  assert_true(is_there(&w, &again.id));
  world_end(&w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_blob_comes_back_as_it_was_under_its_hash),
      cmocka_unit_test(temporary_files_of_a_killed_server_are_cleaned_at_start),
      cmocka_unit_test(collection_keeps_what_is_used_or_young),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
