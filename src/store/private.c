// The data directory holds all secrets, and a Mayfly that was started with another umask, or a copy that was put back, may have left files
// that everybody reads. Only names of ours are touched: the directory may be one in which other things live.
#include "private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OTHERS = 077, DEEPEST = 8 };

// What Mayfly makes there; each is a file or a whole tree.
static const char *const ours[] = {"mayfly.db*", "lock", "reserve", "endpoint*", "root-key*", "blobs", "logs", "tmp"};

static bool is_ours(const char *name) {
  for (size_t i = 0; i < MF_COUNT(ours); i++)
    if (fnmatch(ours[i], name, 0) == 0) return true;
  return false;
}

static bool is_dots(const char *name) { return strcmp(name, ".") == 0 || strcmp(name, "..") == 0; }

static bool close_to_others(int at, const char *name, int depth, mf_error *err);

// Names of others are counted only where `all` is false, and they are left as they are.
static bool close_entries(int fd, bool all, int depth, uint32_t *foreign, mf_error *err) {
  const int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *directory = copy >= 0 ? fdopendir(copy) : NULL;
  bool ok = directory || mf_fail_errno(err, "cannot read the data directory");
  if (!directory && copy >= 0) close(copy);
  for (struct dirent *entry; ok && (entry = readdir(directory));) {
    if (is_dots(entry->d_name)) continue;
    if (all || is_ours(entry->d_name)) ok = close_to_others(fd, entry->d_name, depth, err);
    else if (strcmp(entry->d_name, "lost+found") != 0) (*foreign)++;
  }
  if (directory) closedir(directory);
  return ok;
}

// A link is not followed: what it leads to is not ours.
static bool close_to_others(int at, const char *name, int depth, mf_error *err) {
  struct stat st;
  if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT || mf_fail_errno(err, "cannot look at %s in the data directory", name);
  const bool is_directory = S_ISDIR(st.st_mode);
  if (!is_directory && !S_ISREG(st.st_mode)) return true;
  if ((st.st_mode & OTHERS) && fchmodat(at, name, st.st_mode & 0700, 0) != 0)
    return mf_fail_errno(err, "others may read %s in the data directory, and this cannot be changed", name);
  if (!is_directory || depth >= DEEPEST) return true;
  OWN_FD int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return mf_fail_errno(err, "cannot open %s in the data directory", name);
  uint32_t none;
  return close_entries(fd, true, depth + 1, &none, err);
}

// A directory in which others may write with a sticky bit (/tmp), that belongs to somebody else, or that holds other things too is shared.
static bool close_directory(int fd, const char *directory, uint32_t foreign, mf_error *err) {
  struct stat st;
  if (fstat(fd, &st) != 0) return mf_fail_errno(err, "cannot look at %s", directory);
  if (!(st.st_mode & OTHERS)) return true;
  if (st.st_uid == geteuid() && !(st.st_mode & S_ISVTX) && foreign == 0)
    return fchmod(fd, 0700) == 0 || mf_fail_errno(err, "cannot keep others out of %s", directory);
  mf_log(MF_LOG_WARN, "%s is open to others and was left so, since it is not Mayfly's alone: they see the names of what is in it, and no more",
         directory);
  return true;
}

bool mf_store_make_private(const char *directory, mf_error *err) {
  OWN_FD int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  uint32_t foreign = 0;
  if (fd < 0) return mf_fail_errno(err, "cannot open the data directory %s", directory);
  return close_entries(fd, false, 0, &foreign, err) && close_directory(fd, directory, foreign, err);
}
