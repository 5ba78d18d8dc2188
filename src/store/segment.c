// Listing, appending to, rotating and reading a log's segments.
#include "segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reserve.h"

#define LEFT_ROOM ((uint64_t)1 << 20)  // of a disk that is nearly full, for what must not be lost

static bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

bool mf_segment_directory(mf_str function, char *path, size_t capacity) {
  size_t used = 0;
  for (size_t i = 0; i < function.len; i++) {
    if (used + 4 >= capacity) return false;
    unsigned char c = (unsigned char)function.data[i];
    bool is_separator = c == '/' && i > 0 && i + 1 < function.len && function.data[i - 1] != '/';
    if (is_plain((char)c) || is_separator) path[used++] = (char)c;
    else used += (size_t)snprintf(path + used, capacity - used, "%%%02x", c);
  }
  path[used] = 0;
  return used > 0;
}

static bool parse_name(const char *name, mf_segment *segment) {
  int end = 0;
  const size_t len = strlen(name);
  if (len >= sizeof segment->name) return false;
  if (sscanf(name, "%20" SCNu64 "-%19" SCNd64 ".log%n", &segment->position, &segment->started_ns, &end) != 2 || end == 0) return false;
  memcpy(segment->name, name, len + 1);
  return name[end] == 0;
}

static int compare_segments(const void *a, const void *b) {
  const mf_segment *x = a, *y = b;
  return (x->position > y->position) - (x->position < y->position);
}

static DIR *open_directory(int at, const char *path) {
  int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  DIR *directory = fd >= 0 ? fdopendir(fd) : NULL;
  if (!directory) mf_close(&fd);
  return directory;
}

uint32_t mf_segment_list(int logs_fd, const char *path, mf_segment segments[MF_MAX_SEGMENTS]) {
  uint32_t n = 0;
  DIR *directory = open_directory(logs_fd, path);
  if (!directory) return 0;
  for (struct dirent *entry; n < MF_MAX_SEGMENTS && (entry = readdir(directory));) {
    struct stat st;
    if (!parse_name(entry->d_name, &segments[n]) || fstatat(dirfd(directory), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    segments[n].bytes = (uint64_t)st.st_size;
    segments[n].written_ns = (int64_t)st.st_mtim.tv_sec * MF_NS_PER_S + st.st_mtim.tv_nsec;
    n++;
  }
  closedir(directory);
  qsort(segments, n, sizeof *segments, compare_segments);
  return n;
}

static void path_of(const char *directory, const char *name, char path[512]) { snprintf(path, 512, "%s/%s", directory, name); }

static bool make_directory(int logs_fd, const char *path, mf_error *err) {
  char part[400];
  for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
    snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
    if (mkdirat(logs_fd, part, 0700) != 0 && errno != EEXIST) return mf_fail_errno(err, "cannot make logs/%s", part);
  }
  if (mkdirat(logs_fd, path, 0700) != 0 && errno != EEXIST) return mf_fail_errno(err, "cannot make logs/%s", path);
  return true;
}

static bool start_segment(mf_segment_writer *writer, int logs_fd, const char *directory, uint64_t position, mf_error *err) {
  char name[48], path[512];
  mf_segment_close(writer);
  writer->started_ns = mf_wall_ns();
  snprintf(name, sizeof name, "%020" PRIu64 "-%019" PRId64 ".log", position, writer->started_ns);
  path_of(directory, name, path);
  writer->fd = openat(logs_fd, path, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (writer->fd < 0) return mf_fail_errno(err, "cannot make logs/%s", path);
  writer->position = position;
  writer->bytes = 0;
  return true;
}

// Goes on with the newest segment there is, or begins the first.
static bool open_writer(mf_segment_writer *writer, int logs_fd, const char *directory, mf_error *err) {
  mf_segment segments[MF_MAX_SEGMENTS];
  if (!make_directory(logs_fd, directory, err)) return false;
  uint32_t n = mf_segment_list(logs_fd, directory, segments);
  if (n == 0) return start_segment(writer, logs_fd, directory, 0, err);
  const mf_segment *newest = &segments[n - 1];
  char path[512];
  path_of(directory, newest->name, path);
  *writer = (mf_segment_writer){.fd = openat(logs_fd, path, O_WRONLY | O_APPEND | O_CLOEXEC),
                                .position = newest->position, .bytes = newest->bytes, .started_ns = newest->started_ns};
  return writer->fd >= 0 || mf_fail_errno(err, "cannot open logs/%s", path);
}

static bool is_full(const mf_segment_writer *writer, size_t more, const mf_log_limits *limits) {
  return writer->bytes > 0 && (writer->bytes + more > limits->segment_bytes || mf_wall_ns() - writer->started_ns > limits->segment_ns);
}

bool mf_segment_append(mf_segment_writer *writer, int logs_fd, const char *directory, mf_str text, const mf_log_limits *limits,
                       mf_error *err) {
  if (mf_reserve_room(logs_fd) < LEFT_ROOM + text.len) return errno = ENOSPC, mf_fail_errno(err, "%s", directory);
  if (writer->fd < 0 && !open_writer(writer, logs_fd, directory, err)) return false;
  if (is_full(writer, text.len, limits)) {
    if (!start_segment(writer, logs_fd, directory, writer->position + writer->bytes, err)) return false;
    mf_segment_remove_old(logs_fd, directory, limits);
  }
  bool ok = mf_write_all(writer->fd, text.data, text.len, directory, err);
  struct stat st;  // after a partial write the file says where we are
  if (ok) writer->bytes += text.len;
  else if (fstat(writer->fd, &st) == 0) writer->bytes = (uint64_t)st.st_size;
  return ok;
}

void mf_segment_close(mf_segment_writer *writer) {
  mf_close(&writer->fd);
}

static size_t read_segment(int logs_fd, const char *directory, const mf_segment *segment, uint64_t offset, char *out, size_t capacity) {
  char path[512];
  path_of(directory, segment->name, path);
  OWN_FD int fd = openat(logs_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  size_t len = 0;
  while (fd >= 0 && len < capacity) {
    ssize_t n = pread(fd, out + len, capacity - len, (off_t)(offset + len));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    len += (size_t)n;
  }
  return len;
}

size_t mf_segment_read(int logs_fd, const char *directory, uint64_t position, char *out, size_t capacity) {
  mf_segment segments[MF_MAX_SEGMENTS];
  uint32_t n = mf_segment_list(logs_fd, directory, segments);
  size_t len = 0;
  for (uint32_t i = 0; i < n && len < capacity; i++) {
    uint64_t at = position + len;
    if (at < segments[i].position || at >= segments[i].position + segments[i].bytes) continue;
    uint64_t offset = at - segments[i].position;
    size_t room = (size_t)MF_MIN((uint64_t)(capacity - len), segments[i].bytes - offset);
    len += read_segment(logs_fd, directory, &segments[i], offset, out + len, room);
  }
  return len;
}

static void remove_segment(int logs_fd, const char *directory, const mf_segment *segment) {
  char path[512];
  path_of(directory, segment->name, path);
  unlinkat(logs_fd, path, 0);
}

void mf_segment_remove(int logs_fd, const char *directory, uint64_t position) {
  mf_segment segments[MF_MAX_SEGMENTS];
  mf_error err;
  const bool is_all = position == UINT64_MAX;
  uint32_t n = mf_segment_list(logs_fd, directory, segments);
  for (uint32_t i = 0; i < n; i++)
    if (is_all || segments[i].position == position) remove_segment(logs_fd, directory, &segments[i]);
  if (!is_all) return;
  if (mf_segment_retention(logs_fd, directory) > 0 && !mf_segment_retain(logs_fd, directory, 0, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
  unlinkat(logs_fd, directory, AT_REMOVEDIR);
}

// ---- how long ----
#define KEEP "keep-"
static uint32_t days_of(const char *name) {
  return strncmp(name, KEEP, sizeof KEEP - 1) == 0 ? (uint32_t)strtoul(name + sizeof KEEP - 1, NULL, 10) : 0;
}

uint32_t mf_segment_retention(int logs_fd, const char *path) {
  uint32_t days = 0;
  DIR *directory = open_directory(logs_fd, path);
  if (!directory) return 0;
  for (struct dirent *entry; (entry = readdir(directory));) days = MF_MAX(days, days_of(entry->d_name));
  closedir(directory);
  return days;
}

bool mf_segment_retain(int logs_fd, const char *path, uint32_t days, mf_error *err) {
  char name[32];
  snprintf(name, sizeof name, KEEP "%u", days);
  if (days > 0 && !make_directory(logs_fd, path, err)) return false;
  DIR *directory = open_directory(logs_fd, path);
  if (!directory) return days == 0 || mf_fail_errno(err, "cannot open logs/%s", path);
  int made = days > 0 ? openat(dirfd(directory), name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600) : -1;
  bool ok = days == 0 || made >= 0 || mf_fail_errno(err, "cannot make logs/%s/%s", path, name);
  mf_close(&made);
  for (struct dirent *entry; ok && (entry = readdir(directory));)
    if (days_of(entry->d_name) > 0 && strcmp(entry->d_name, name) != 0) unlinkat(dirfd(directory), entry->d_name, 0);
  if (ok && fsync(dirfd(directory)) != 0) ok = mf_fail_errno(err, "cannot sync logs/%s", path);
  closedir(directory);
  return ok;
}

void mf_segment_remove_old(int logs_fd, const char *directory, const mf_log_limits *limits) {
  mf_segment segments[MF_MAX_SEGMENTS];
  uint32_t n = mf_segment_list(logs_fd, directory, segments);
  const uint32_t days = mf_segment_retention(logs_fd, directory);
  const int64_t max_age_ns = days > 0 ? (int64_t)days * 86400 * MF_NS_PER_S : limits->max_age_ns;
  int64_t now = mf_wall_ns();
  uint64_t kept = 0;
  for (uint32_t i = n; i-- > 0;) {
    bool is_current = i + 1 == n;
    if (!is_current) kept += segments[i].bytes;
    if ((!is_current && kept > limits->segment_bytes) || now - segments[i].written_ns > max_age_ns)
      remove_segment(logs_fd, directory, &segments[i]);
  }
}

static void sweep_region(int logs_fd, const char *region, const mf_log_limits *limits) {
  DIR *directory = open_directory(logs_fd, region);
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));) {
    if (entry->d_name[0] == '.') continue;
    mf_segment_remove_old(dirfd(directory), entry->d_name, limits);
    unlinkat(dirfd(directory), entry->d_name, AT_REMOVEDIR);  // fails unless empty
  }
  closedir(directory);
}

void mf_segment_sweep(int logs_fd, const mf_log_limits *limits) {
  DIR *directory = open_directory(logs_fd, ".");
  if (!directory) return;
  for (struct dirent *entry; (entry = readdir(directory));)
    if (entry->d_name[0] != '.') sweep_region(dirfd(directory), entry->d_name, limits);
  closedir(directory);
}
