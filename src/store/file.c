// Small files of the data directory that other programs read.
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "reserve.h"

enum { LARGEST = 1024 };

static bool is_there(int directory_fd, const char *name, mf_str text) {
  char bytes[LARGEST];
  OWN_FD int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != (off_t)text.len || text.len > sizeof bytes) return false;
  return read(fd, bytes, sizeof bytes) == (ssize_t)text.len && memcmp(bytes, text.data, text.len) == 0;
}

static bool write_file(int directory_fd, const char *name, mf_str text, mf_error *err) {
  char temporary[NAME_MAX];
  snprintf(temporary, sizeof temporary, "%s.new", name);
  unlinkat(directory_fd, temporary, 0);
  OWN_FD int fd = openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return mf_fail_errno(err, "cannot make %s in the data directory", temporary);
  if (!mf_write_all(fd, text.data, text.len, temporary, err)) return false;
  return (fsync(fd) == 0 && renameat(directory_fd, temporary, directory_fd, name) == 0) || mf_fail_errno(err, "cannot write %s in the data directory", name);
}

bool mf_store_write_file(mf_store *store, const char *name, mf_str text, mf_error *err) {
  const int fd = store->directory_fd;
  if (is_there(fd, name, text) || write_file(fd, name, text, err)) return true;
  if (err->code != MF_NoSpace || !mf_reserve_give_up(fd)) return false;
  const bool ok = write_file(fd, name, text, err);
  mf_reserve_make(fd);
  return ok;
}
