// What `deploy` uploads: a .onnx or .zip as it is, a folder as a zip made here. The zip is the same for the same files (sorted, no
// times, nothing compressed: weights hardly shrink), so that deploying an unchanged folder again compiles nothing.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "client.h"

enum { MAX_FILES = 10000, MAX_DEPTH = 16, MAX_NAME = 64 };

// ---- the function's name ----

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

// /models/price tag/model.onnx -> price-tag (a file that is only called "model" says less than its folder)
static void name_of(const char *path, char name[MAX_NAME + 1]) {
  char whole[4096], *base;
  if (!realpath(path, whole)) snprintf(whole, sizeof whole, "%s", path);
  for (int up = 0;; up++) {
    base = strrchr(whole, '/');
    base = base ? base + 1 : whole;
    char *dot = strrchr(base, '.');
    if (up == 0 && dot && dot != base && (strcmp(dot, ".onnx") == 0 || strcmp(dot, ".zip") == 0)) *dot = 0;
    bool says_little = strcmp(base, "model") == 0 || strcmp(base, "onnx") == 0;
    if (!says_little || base <= whole + 1 || up == 2) break;
    base[-1] = 0;
  }
  size_t n = 0;
  for (const char *c = base; *c && n < MAX_NAME; c++) {
    if (is_name_char(*c)) name[n++] = *c;
    else if (n > 0 && name[n - 1] != '-') name[n++] = '-';
  }
  while (n > 0 && name[n - 1] == '-') n--;
  name[n] = 0;
  if (n == 0) strcpy(name, "model");
}

// ---- a folder ----

typedef struct file_list {
  char **names;  // relative to the folder, malloc
  size_t n, capacity;
  bool has_model;
} file_list;

static bool add_file(file_list *list, const char *name, mf_error *err) {
  if (list->n == MAX_FILES) return mf_fail(err, MF_InvalidPackage, "the folder has more than %d files: is it the right one?", MAX_FILES);
  if (list->n == list->capacity) {
    size_t capacity = list->capacity ? list->capacity * 2 : 64;
    char **names = realloc(list->names, capacity * sizeof *names);
    if (!names) return mf_fail(err, MF_OutOfMemory, "no memory for a list of files");
    list->names = names;
    list->capacity = capacity;
  }
  char *copy = strdup(name);
  if (!copy) return mf_fail(err, MF_OutOfMemory, "no memory for a list of files");
  list->names[list->n++] = copy;
  if (mf_str_ends(mf_str_from(name), MF_STR(".onnx"))) list->has_model = true;
  return true;
}

static bool is_below(const char *path, const char *folder) {
  const size_t len = strlen(folder);
  return strncmp(path, folder, len) == 0 && (len == 1 || path[len] == '/' || !path[len]);
}

// A model hub's cache keeps files in a folder `blobs` beside one of the parents of what it shows as the model's folder. Both are whole paths.
static bool is_blob_of(const char *target, const char *folder) {
  const mf_str blobs = MF_STR("/blobs");
  char parent[PATH_MAX];
  snprintf(parent, sizeof parent, "%s", target);
  *strrchr(parent, '/') = 0;
  const size_t len = strlen(parent);
  if (len <= blobs.len || !mf_str_ends((mf_str){parent, len}, blobs)) return false;
  parent[len - blobs.len] = 0;
  return is_below(folder, parent);
}

// Where a link may lead: into the folder itself, or to a hub's blob. Else a folder from a stranger would upload the reader's own files.
static bool link_is_allowed(const char *folder, const char *path, const struct stat *st, mf_error *err) {
  char whole[PATH_MAX], target[PATH_MAX], place[PATH_MAX], parent[7200];
  snprintf(parent, sizeof parent, "%s", path);
  *strrchr(parent, '/') = 0;
  if (!realpath(folder, whole) || !realpath(path, target) || !realpath(parent, place)) return mf_fail_errno(err, "%s", path);
  if (!is_below(target, whole) && !(S_ISREG(st->st_mode) && is_blob_of(target, whole)))
    return mf_fail(err, MF_InvalidPackage, "the link %s leads out of the folder, to %s: put a copy there, or take the link away", path, target);
  const bool goes_round = S_ISDIR(st->st_mode) && is_below(place, target);
  return !goes_round || mf_fail(err, MF_InvalidPackage, "the link %s leads to a folder that it is in", path);
}

static bool has_file(const char *folder, const char *name) {
  char path[7400];
  struct stat st;
  snprintf(path, sizeof path, "%s/%s", folder, name);
  return lstat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_data_directory(const char *folder) { return has_file(folder, "lock") && has_file(folder, "mayfly.db"); }

static bool walk(file_list *list, const char *folder, const char *below, int depth, mf_error *err);

static bool enter(file_list *list, const char *folder, const char *name, const char *path, int depth, mf_error *err) {
  if (!is_data_directory(path)) return walk(list, folder, name, depth, err);
  cli_line(STDERR_FILENO, "mayfly: %s is left out: it is the data directory of a Mayfly", path);
  return true;
}

static bool visit(file_list *list, const char *folder, const char *below, const char *entry, int depth, mf_error *err) {
  char name[3000], path[7200];
  struct stat st;
  int len = snprintf(name, sizeof name, "%s%s%s", below, below[0] ? "/" : "", entry);
  if (len < 0 || (size_t)len >= sizeof name) return mf_fail(err, MF_InvalidPackage, "the path of %s is too long", entry);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  if (lstat(path, &st) != 0) return mf_fail_errno(err, "%s", path);
  const bool is_link = S_ISLNK(st.st_mode);
  if (is_link && stat(path, &st) != 0) return mf_fail_errno(err, "%s", path);
  if (is_link && !link_is_allowed(folder, path, &st, err)) return false;
  if (S_ISDIR(st.st_mode)) return enter(list, folder, name, path, depth + 1, err);
  return !S_ISREG(st.st_mode) || add_file(list, name, err);
}

static bool walk(file_list *list, const char *folder, const char *below, int depth, mf_error *err) {
  char path[7200];
  if (depth > MAX_DEPTH) return mf_fail(err, MF_InvalidPackage, "%s is nested more than %d folders deep", folder, MAX_DEPTH);
  snprintf(path, sizeof path, "%s/%s", folder, below);
  DIR *dir = opendir(path);
  if (!dir) return mf_fail_errno(err, "%s", path);
  bool done = true;
  for (struct dirent *entry; done && (entry = readdir(dir));)
    if (entry->d_name[0] != '.') done = visit(list, folder, below, entry->d_name, depth, err);
  closedir(dir);
  return done;
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static bool add_to_zip(zip_t *zip, const char *folder, const char *name, mf_error *err) {
  char path[7200];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  zip_source_t *source = zip_source_file(zip, path, 0, -1);
  zip_int64_t index = source ? zip_file_add(zip, name, source, ZIP_FL_ENC_UTF_8) : -1;
  if (index < 0) {
    zip_source_free(source);
    return mf_fail(err, MF_Io, "cannot put %s into a zip: %s", path, zip_strerror(zip));
  }
  zip_set_file_compression(zip, (zip_uint64_t)index, ZIP_CM_STORE, 0);
  zip_file_set_mtime(zip, (zip_uint64_t)index, 315532800 + 86400, 0);  // 1980-01-02, the first day in every time zone
  zip_file_set_external_attributes(zip, (zip_uint64_t)index, 0, ZIP_OPSYS_UNIX, (S_IFREG | 0644u) << 16);
  return true;
}

static bool write_zip(const file_list *list, const char *folder, const char *target, mf_error *err) {
  int code = 0;
  zip_t *zip = zip_open(target, ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (!zip) return mf_fail(err, MF_Io, "cannot make a zip in %s (libzip error %d)", target, code);
  bool done = true;
  for (size_t i = 0; done && i < list->n; i++) done = add_to_zip(zip, folder, list->names[i], err);
  if (done && zip_close(zip) != 0) done = mf_fail(err, MF_Io, "cannot write %s: %s", target, zip_strerror(zip));
  else if (done) return true;
  zip_discard(zip);
  return done;
}

// The zip in a temporary file that is gone from its folder as soon as it is open.
static bool zip_folder(const char *folder, const file_list *list, int *fd, mf_error *err) {
  char place[4200], target[4300];
  const char *tmp = getenv("TMPDIR");
  snprintf(place, sizeof place, "%s/mayfly-XXXXXX", tmp && *tmp ? tmp : "/tmp");
  if (!mkdtemp(place)) return mf_fail_errno(err, "cannot make a temporary folder in %s", tmp && *tmp ? tmp : "/tmp");
  snprintf(target, sizeof target, "%s/package.zip", place);
  bool done = write_zip(list, folder, target, err);
  if (done && (*fd = open(target, O_RDONLY | O_CLOEXEC)) < 0) done = mf_fail_errno(err, "%s", target);
  unlink(target);
  rmdir(place);
  return done;
}

static bool open_folder(const char *path, int *fd, mf_error *err) {
  file_list list = {0};
  if (is_data_directory(path)) return mf_fail(err, MF_InvalidPackage, "the folder %s is the data directory of a Mayfly", path);
  bool done = walk(&list, path, "", 0, err);
  if (done && (list.n == 0 || !list.has_model))
    done = mf_fail(err, MF_InvalidPackage, "the folder %s holds no model: a *.onnx file is expected in it", path);
  if (done && list.names) {
    qsort(list.names, list.n, sizeof *list.names, compare_names);
    done = zip_folder(path, &list, fd, err);
  }
  for (size_t i = 0; list.names && i < list.n; i++) free(list.names[i]);
  free(list.names);
  return done;
}

bool cli_package_open(const char *path, cli_package *package, mf_error *err) {
  struct stat st;
  package->fd = -1;
  if (stat(path, &st) != 0) return mf_fail_errno(err, "%s", path);
  name_of(path, package->name);
  if (S_ISDIR(st.st_mode)) {
    if (!open_folder(path, &package->fd, err)) return false;
  } else if (!S_ISREG(st.st_mode)) {
    return mf_fail(err, MF_InvalidPackage, "%s is no file and no folder", path);
  } else if ((package->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0) {
    return mf_fail_errno(err, "%s", path);
  }
  if (fstat(package->fd, &st) == 0 && st.st_size > 0) {
    package->len = (uint64_t)st.st_size;
    return true;
  }
  mf_close(&package->fd);
  return mf_fail(err, MF_InvalidPackage, "%s is empty", path);
}
