// The data directory's lock: flock(2) on DIR/lock, which holds the pid of its owner. The lock belongs to the open file description, so
// it passes to the processes that are forked and ends with the last of them.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "database.h"
#include "private.h"
#include "store.h"

// mkdir -p; the last one with mode 0700, those on the way as the umask wants them.
static bool make_directories(const char *directory, mf_error *err) {
  char path[4096];
  size_t len = strlen(directory);
  if (len == 0 || len >= sizeof path) return mf_fail(err, MF_Usage, "data directory: a path of %zu bytes", len);
  memcpy(path, directory, len + 1);
  for (size_t i = 1; i < len; i++) {
    if (path[i] != '/') continue;
    path[i] = 0;
    if (mkdir(path, 0755) != 0 && errno != EEXIST) return mf_fail_errno(err, "cannot make the directory %s", path);
    path[i] = '/';
  }
  if (mkdir(path, 0700) != 0 && errno != EEXIST) return mf_fail_errno(err, "cannot make the directory %s", path);
  struct stat st;
  if (stat(path, &st) != 0) return mf_fail_errno(err, "%s", path);
  return S_ISDIR(st.st_mode) || mf_fail(err, MF_Usage, "%s: is not a directory", path);
}

static bool fail_in_use(const char *directory, int fd, mf_error *err) {
  char text[24] = "";
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  long pid = n > 0 ? strtol(text, NULL, 10) : 0;
  if (pid > 0) return mf_fail(err, MF_InUse, "%s: is in use by the Mayfly server with process id %ld", directory, pid);
  return mf_fail(err, MF_InUse, "%s: is in use by another Mayfly server", directory);
}

static bool write_pid(int fd, const char *path, mf_error *err) {
  char text[24];
  int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
  // Written over and then cut: on a full disk the place that the file has is all it can get.
  if (pwrite(fd, text, (size_t)len, 0) != len || ftruncate(fd, len) != 0) return mf_fail_errno(err, "cannot write %s", path);
  return true;
}

bool mf_store_lock(const char *directory, int *lock_fd, mf_error *err) {
  char path[4200];
  uint32_t version;
  if (!make_directories(directory, err)) return false;
  snprintf(path, sizeof path, "%s/lock", directory);
  OWN_FD int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return mf_fail_errno(err, "cannot open %s", path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0)
    return errno == EWOULDBLOCK ? fail_in_use(directory, fd, err) : mf_fail_errno(err, "cannot lock %s", path);
  if (!write_pid(fd, path, err)) return false;
  snprintf(path, sizeof path, "%s/" MF_DATABASE_FILE, directory);
  if (!mf_database_peek_version(path, &version, err) || !mf_database_check_version(path, version, err)) return false;
  if (!mf_store_make_private(directory, err)) return false;
  *lock_fd = mf_give(&fd);
  return true;
}
