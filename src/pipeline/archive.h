// A zip from a stranger, in memory. Opening checks every entry's name and kind, so that nothing
// afterwards needs to ask; reading counts the bytes while they are inflated. docs/packages.md lists
// what is refused.
#ifndef MF_PIPELINE_ARCHIVE_H
#define MF_PIPELINE_ARCHIVE_H

#include "base/base.h"

typedef struct mf_archive_entry {
  mf_str name;    // relative, '/' between folders, no "." or ".." in it
  uint64_t size;  // as the zip states it; reading checks it
  uint64_t index;
} mf_archive_entry;

typedef struct mf_archive {
  mf_archive_entry *entries;  // files only, by name
  uint32_t n_entries;
  uint64_t stated_bytes;  // of all files, unzipped
  uint64_t limit_bytes, inflated_bytes;
  mf_arena *arena;
  void *zip;
} mf_archive;

bool mf_archive_is(mf_slice bytes);  // begins as a zip does
// Close it in any case. Bytes read live in the arena.
bool mf_archive_open(mf_archive *archive, mf_slice bytes, uint64_t limit_bytes, mf_arena *arena,
                     mf_error *err) MF_MUST_CHECK;
void mf_archive_close(mf_archive *archive);
const mf_archive_entry *mf_archive_find(const mf_archive *archive, mf_str name);  // NULL: not there
bool mf_archive_read(mf_archive *archive, const mf_archive_entry *entry, mf_slice *out,
                     mf_error *err) MF_MUST_CHECK;

// Text helpers for names: what is before and behind the last '/'.
mf_str mf_path_folder(mf_str path);  // without the '/', empty at the top
mf_str mf_path_name(mf_str path);
// folder/name with "." and ".." resolved. InvalidPackage when it leaves the package, is absolute,
// or is no such path.
bool mf_path_join(mf_str folder, mf_str name, mf_arena *arena, mf_str *out,
                  mf_error *err) MF_MUST_CHECK;
#endif
