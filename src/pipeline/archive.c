// Zips through libzip.
#include "archive.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <zip.h>

enum { MAX_ENTRIES = 10000, MAX_NAME = 1024 };

bool mf_archive_is(mf_slice bytes) {
  return bytes.len >= 4 &&
         (memcmp(bytes.data, "PK\3\4", 4) == 0 || memcmp(bytes.data, "PK\5\6", 4) == 0);
}

static bool refuse(mf_error *err, mf_str name, const char *why) {
  return mf_fail(err, MF_InvalidPackage, "zip entry '%.*s' %s", (int)MF_MIN(name.len, (size_t)200),
                 name.data, why);
}

// ---- names ----

mf_str mf_path_folder(mf_str path) {
  while (path.len > 0 && path.data[path.len - 1] != '/') path.len--;
  return (mf_str){path.data, path.len > 0 ? path.len - 1 : 0};
}

mf_str mf_path_name(mf_str path) {
  mf_str folder = mf_path_folder(path);
  size_t skip = folder.len + (folder.len > 0);
  if (folder.len == 0 && path.len > 0 && path.data[0] == '/') skip = 1;
  return (mf_str){path.data + skip, path.len - skip};
}

// The next part of a path between slashes.
static bool next_part(mf_str *rest, mf_str *part) {
  if (rest->len == 0) return false;
  const char *slash = memchr(rest->data, '/', rest->len);
  *part = (mf_str){rest->data, slash ? (size_t)(slash - rest->data) : rest->len};
  size_t used = MF_MIN(part->len + 1, rest->len);
  *rest = (mf_str){rest->data + used, rest->len - used};
  return true;
}

static bool plain_characters(mf_str name) {
  for (size_t i = 0; i < name.len; i++)
    if ((unsigned char)name.data[i] < 32 || name.data[i] == '\\' || name.data[i] == 127)
      return false;
  return mf_str_is_utf8(name);
}

static bool no_path(mf_str name, mf_error *err) {
  return mf_fail(err, MF_InvalidPackage, "'%.*s' is no path inside of the package",
                 (int)MF_MIN(name.len, (size_t)200), name.data);
}

bool mf_path_join(mf_str folder, mf_str given, mf_arena *arena, mf_str *out, mf_error *err) {
  mf_str name = given;
  if (name.len == 0 || name.data[0] == '/' || !plain_characters(name) ||
      folder.len > SIZE_MAX / 4 || name.len > MAX_NAME)
    return no_path(given, err);
  char *path = mf_arena_alloc(arena, folder.len + name.len + 2);
  if (!path) return mf_fail(err, MF_OutOfMemory, "no memory left for a path");
  if (folder.len) memcpy(path, folder.data, folder.len);
  size_t len = folder.len;
  for (mf_str part; next_part(&name, &part);) {
    if (part.len == 0 || mf_str_is(part, ".")) continue;
    if (mf_str_is(part, "..")) {
      if (len == 0) return no_path(given, err);
      len = mf_path_folder((mf_str){path, len}).len;
      continue;
    }
    if (len > 0) path[len++] = '/';
    memcpy(path + len, part.data, part.len);
    len += part.len;
  }
  *out = (mf_str){path, len};
  return len > 0 || no_path(given, err);
}

static bool check_name(mf_str name, mf_error *err) {
  if (name.len == 0 || name.len > MAX_NAME)
    return refuse(err, name, "has no name or one that is too long");
  if (!plain_characters(name))
    return refuse(err, name, "has a name with characters that are not allowed");
  if (name.data[0] == '/' || (name.len > 1 && name.data[1] == ':'))
    return refuse(err, name, "has an absolute name");
  for (mf_str part, rest = name; next_part(&rest, &part);)
    if (part.len == 0 || mf_str_is(part, ".") || mf_str_is(part, ".."))
      return refuse(err, name, "points outside of the package or at itself");
  return true;
}

// ---- entries ----

static bool check_kind(zip_t *zip, uint64_t index, const zip_stat_t *stat, mf_str name,
                       mf_error *err) {
  zip_uint8_t system = 0;
  zip_uint32_t attributes = 0;
  if (stat->encryption_method != ZIP_EM_NONE) return refuse(err, name, "is encrypted");
  if (stat->comp_method != ZIP_CM_STORE && stat->comp_method != ZIP_CM_DEFLATE)
    return refuse(err, name, "is compressed in another way than store or deflate");
  if (zip_file_get_external_attributes(zip, index, 0, &system, &attributes) != 0)
    return refuse(err, name, "cannot be read");
  mode_t kind = system == ZIP_OPSYS_UNIX || system == ZIP_OPSYS_OS_X
                    ? (mode_t)(attributes >> 16) & S_IFMT
                    : 0;
  if (kind == 0 || kind == S_IFREG || kind == S_IFDIR) return true;
  return refuse(err, name,
                kind == S_IFLNK ? "is a symbolic link" : "is neither a file nor a folder");
}

static bool count_bytes(mf_archive *a, uint64_t size, mf_error *err) {
  bool overflow = __builtin_add_overflow(a->stated_bytes, size, &a->stated_bytes);
  if (!overflow && a->stated_bytes <= a->limit_bytes) return true;
  return mf_fail(err, MF_TooLarge, "Unzipped size must be smaller than %llu bytes",
                 (unsigned long long)a->limit_bytes);
}

static bool add_entry(mf_archive *a, uint64_t index, mf_error *err) {
  zip_stat_t stat;
  const zip_uint64_t needed =
      ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if (zip_stat_index(a->zip, index, 0, &stat) != 0 || (stat.valid & needed) != needed)
    return mf_fail(err, MF_InvalidPackage, "entry %llu of the zip is damaged",
                   (unsigned long long)index);
  mf_str name = mf_str_from(stat.name);
  if (!check_name(
          name.len > 1 && name.data[name.len - 1] == '/' ? (mf_str){name.data, name.len - 1} : name,
          err))
    return false;
  if (!check_kind(a->zip, index, &stat, name, err)) return false;
  if (name.data[name.len - 1] == '/') return true;  // a folder
  if (!count_bytes(a, stat.size, err)) return false;
  mf_archive_entry *entry = &a->entries[a->n_entries++];
  *entry = (mf_archive_entry){mf_str_copy(a->arena, name), stat.size, index};
  return entry->name.data ? true
                          : mf_fail(err, MF_OutOfMemory, "no memory left for the zip's names");
}

static int compare_names(mf_str a, mf_str b) {
  int order = memcmp(a.data, b.data, MF_MIN(a.len, b.len));
  return order ? order : (a.len > b.len) - (a.len < b.len);
}
static int by_name(const void *a, const void *b) {
  return compare_names(((const mf_archive_entry *)a)->name, ((const mf_archive_entry *)b)->name);
}

static bool read_directory(mf_archive *a, mf_error *err) {
  zip_int64_t n = zip_get_num_entries(a->zip, 0);
  if (n < 0 || n > MAX_ENTRIES)
    return mf_fail(err, MF_InvalidPackage, "the zip has %lld entries, at most %d are allowed",
                   (long long)n, MAX_ENTRIES);
  a->entries = MF_NEW_ARRAY(a->arena, mf_archive_entry, (size_t)n + 1);
  if (!a->entries) return mf_fail(err, MF_OutOfMemory, "no memory left for the zip's names");
  for (zip_int64_t i = 0; i < n; i++)
    if (!add_entry(a, (uint64_t)i, err)) return false;
  qsort(a->entries, a->n_entries, sizeof *a->entries, by_name);
  for (uint32_t i = 1; i < a->n_entries; i++)
    if (mf_str_equal(a->entries[i].name, a->entries[i - 1].name))
      return refuse(err, a->entries[i].name, "is there twice");
  return true;
}

bool mf_archive_open(mf_archive *a, mf_slice bytes, uint64_t limit_bytes, mf_arena *arena,
                     mf_error *err) {
  *a = (mf_archive){.limit_bytes = limit_bytes, .arena = arena};
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t *source = zip_source_buffer_create(bytes.data, bytes.len, 0, &error);
  a->zip = source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
  if (!a->zip) {
    zip_source_free(source);
    mf_fail(err, MF_InvalidPackage,
            "Could not unzip uploaded file. Please check your file, then try to upload again. (%s)",
            zip_error_strerror(&error));
    zip_error_fini(&error);
    return false;
  }
  zip_error_fini(&error);
  return read_directory(a, err);
}

void mf_archive_close(mf_archive *a) {
  if (a->zip) zip_discard(a->zip);
  a->zip = NULL;
}

const mf_archive_entry *mf_archive_find(const mf_archive *a, mf_str name) {
  const mf_archive_entry key = {.name = name};
  return a->n_entries ? bsearch(&key, a->entries, a->n_entries, sizeof *a->entries, by_name) : NULL;
}

// Exactly `size` bytes and no more: what inflates to something else than it states is refused.
static bool inflate_entry(zip_file_t *file, const mf_archive_entry *entry, char *out,
                          mf_error *err) {
  uint64_t at = 0;
  char beyond;
  while (at < entry->size) {
    zip_int64_t n = zip_fread(file, out + at, entry->size - at);
    if (n <= 0) return refuse(err, entry->name, "is damaged");
    at += (uint64_t)n;
  }
  zip_int64_t more = zip_fread(file, &beyond, 1);  // also checks the CRC
  if (more == 0) return true;
  return refuse(err, entry->name, more > 0 ? "inflates to more than it states" : "is damaged");
}

bool mf_archive_read(mf_archive *a, const mf_archive_entry *entry, mf_slice *out, mf_error *err) {
  a->inflated_bytes += entry->size;
  if (a->inflated_bytes > 2 * a->limit_bytes)  // a file may be read for two purposes
    return mf_fail(err, MF_TooLarge, "Unzipped size must be smaller than %llu bytes",
                   (unsigned long long)a->limit_bytes);
  char *bytes = entry->size > SIZE_MAX / 2
                    ? NULL
                    : mf_arena_alloc_aligned(a->arena, (size_t)entry->size + 1, 64);
  if (!bytes)
    return mf_fail(err, MF_OutOfMemory, "no memory left to unzip '%.*s' (%llu bytes)",
                   MF_STR_ARG(entry->name), (unsigned long long)entry->size);
  zip_file_t *file = zip_fopen_index(a->zip, entry->index, 0);
  if (!file) return refuse(err, entry->name, "cannot be read");
  bool ok = inflate_entry(file, entry, bytes, err);
  zip_fclose(file);
  *out = (mf_slice){bytes, (size_t)entry->size};
  return ok;
}
