// One file whose room is allocated and never written.
#include "reserve.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static uint64_t size_of(int directory_fd) {
  struct stat st;
  return fstatat(directory_fd, MF_RESERVE_FILE, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_size : 0;
}

uint64_t mf_reserve_room(int directory_fd) {
  struct statvfs disk;
  return fstatvfs(directory_fd, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : 0;
}

bool mf_reserve_refuse(uint64_t room, uint64_t needed, mf_error *err) {
  return mf_fail(err, MF_NoSpace, "data directory: No space left on device: the disk is full (%" PRIu64 " kB are free, %" PRIu64 " kB needed)", room >> 10,
                 needed >> 10);
}

void mf_reserve_make(int directory_fd) {
  const uint64_t size = size_of(directory_fd);
  if (size >= MF_RESERVE_BYTES) return;
  uint64_t wanted = MF_MIN(size + mf_reserve_room(directory_fd) / 2, (uint64_t)MF_RESERVE_BYTES);
  wanted -= wanted % MF_RESERVE_STEP_BYTES;
  if (wanted <= size) return;
  OWN_FD int fd = openat(directory_fd, MF_RESERVE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd >= 0 && posix_fallocate(fd, 0, (off_t)wanted) != 0) unlinkat(directory_fd, MF_RESERVE_FILE, 0);
}

bool mf_reserve_give_up(int directory_fd) {
  return size_of(directory_fd) > 0 && unlinkat(directory_fd, MF_RESERVE_FILE, 0) == 0;
}
