// Small files that other programs read: the root key and the endpoint.
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

enum { PATH_BYTES = 4200 };

bool mf_serve_write_file(const char *directory, const char *name, mf_str text, mf_error *err) {
  char path[PATH_BYTES], temporary[PATH_BYTES + 4];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  snprintf(temporary, sizeof temporary, "%s.new", path);
  unlink(temporary);
  OWN_FD int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return mf_fail_errno(err, "cannot make %s", temporary);
  if (!mf_write_all(fd, text.data, text.len, temporary, err)) return false;
  if (fsync(fd) != 0 || rename(temporary, path) != 0) return mf_fail_errno(err, "cannot write %s", path);
  return true;
}

void mf_serve_remove_file(const char *directory, const char *name) {
  char path[PATH_BYTES];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  unlink(path);
}
