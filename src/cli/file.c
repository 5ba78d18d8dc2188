// Files that commands write. A file is there whole or not at all: it is written beside its place and renamed over it, or over what a
// symbolic link there points to. What is there and is no file (a device, a FIFO) is written into: renamed over, it would be gone.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"

enum { MAX_LINKS = 40 };  // as many as the kernel follows

// One step along a symbolic link, which may point to nothing yet. false: it is too long.
static bool follow(char path[PATH_MAX], const char *target) {
  char next[2 * PATH_MAX];
  const char *slash = target[0] == '/' ? NULL : strrchr(path, '/');
  int len = snprintf(next, sizeof next, "%.*s%s", slash ? (int)(slash + 1 - path) : 0, path, target);
  if (len < 0 || len >= PATH_MAX) return false;
  memcpy(path, next, (size_t)len + 1);
  return true;
}

static bool find_end(char path[PATH_MAX], mf_error *err) {
  for (int i = 0; i < MAX_LINKS; i++) {
    char target[PATH_MAX];
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len < 0) return true;  // no link; what else it is shows when it is opened
    target[len] = 0;
    if (!follow(path, target)) return mf_fail(err, MF_Usage, "'%s' points to a path that is too long", path);
  }
  return mf_fail(err, MF_Usage, "'%s' leads through too many symbolic links", path);
}

static bool open_straight(cli_file *file, const char *path, mf_error *err) {
  signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an error of one write
  file->temporary[0] = 0;
  file->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
  return file->fd >= 0 || mf_fail_errno(err, "cannot write into '%s'", path);
}

bool cli_file_create(cli_file *file, const char *path, mf_error *err) {
  struct stat st;
  if (snprintf(file->path, sizeof file->path, "%s", path) >= (int)sizeof file->path) return mf_fail(err, MF_Usage, "'%s' is too long", path);
  if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) return open_straight(file, path, err);
  if (!find_end(file->path, err)) return false;
  snprintf(file->temporary, sizeof file->temporary, "%s.%d.tmp", file->path, (int)getpid());
  file->fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  return file->fd >= 0 || mf_fail_errno(err, "cannot make '%s'", file->temporary);
}

bool cli_file_close(cli_file *file, bool good, mf_error *err) {
  if (file->fd < 0) return good;
  mf_close(&file->fd);
  if (!file->temporary[0]) return good;
  if (good && rename(file->temporary, file->path) != 0) good = mf_fail_errno(err, "cannot make '%s'", file->path);
  if (!good) unlink(file->temporary);
  return good;
}
