#include "index.h"

#include <inttypes.h>

#include "api/api.h"

enum { ALL = INT32_MAX, ROWS_OF_A_COMMIT = 1000, REGION_BYTES = 64 };
static const mf_slice nothing = {"", 0};  // a row that says all with its key
#define MARK MF_STR("index.2")  // 1: without version_numbers

void mf_writes_add(mf_writes *writes, mf_table table, mf_str key, mf_slice value) {
  if (writes->count == writes->capacity) {
    const uint32_t capacity = writes->capacity ? writes->capacity * 2 : 16;
    mf_write *grown = mf_arena_alloc(writes->arena, capacity * sizeof *grown);
    if (!grown) {
      writes->failed = true;
      return;
    }
    if (writes->count > 0) memcpy(grown, writes->list, writes->count * sizeof *grown);
    writes->list = grown;
    writes->capacity = capacity;
  }
  writes->failed |= !key.data;
  if (key.data) writes->list[writes->count++] = (mf_write){table, key, value};
}

// ---- what a row says ----
static bool is_among(const mf_blob_id *id, const mf_blob_id *ids, uint32_t n) {
  for (uint32_t i = 0; i < n; i++)
    if (memcmp(id, &ids[i], sizeof *id) == 0) return true;
  return false;
}

// A version that is Pending is ended by the compilation that its function waits for.
static bool is_unfinished(mf_str key, const json_t *row) {
  const json_t *configuration = mf_row_configuration(row);
  return !mf_lambda_is_version(key) &&
         (mf_member_is(configuration, "State", "Pending") || mf_member_is(configuration, "LastUpdateStatus", "InProgress"));
}

static mf_str user_key(mf_arena *arena, const mf_blob_id *id, mf_str key) {
  char *text = mf_arena_alloc(arena, sizeof *id + key.len);
  if (!text) return (mf_str){0};
  memcpy(text, id, sizeof *id);
  memcpy(text + sizeof *id, key.data, key.len);
  return (mf_str){text, sizeof *id + key.len};
}

// With the version rather than with the function's end: a deletion, which must succeed on a full disk, adds nothing.
static void write_number(mf_str key, uint64_t number, mf_writes *writes) {
  char *text = mf_str_format(writes->arena, "%" PRIu64, number);
  writes->failed |= !text;
  if (text) mf_writes_add(writes, MF_TABLE_version_numbers, mf_str_copy(writes->arena, key), (mf_slice){text, strlen(text)});
}

void mf_index_change(mf_str key, const json_t *before, const json_t *after, mf_writes *writes) {
  mf_blob_id old[MF_ROW_BLOBS], new[MF_ROW_BLOBS];
  const uint32_t n_old = mf_row_blobs(before, old), n_new = mf_row_blobs(after, new);
  for (uint32_t i = 0; i < n_new; i++)
    if (!is_among(&new[i], old, n_old) && !is_among(&new[i], new, i))
      mf_writes_add(writes, MF_TABLE_blob_users, user_key(writes->arena, &new[i], key), nothing);
  for (uint32_t i = 0; i < n_old; i++)
    if (!is_among(&old[i], new, n_new) && !is_among(&old[i], old, i))
      mf_writes_add(writes, MF_TABLE_blob_users, user_key(writes->arena, &old[i], key), (mf_slice){0});
  const bool was = is_unfinished(key, before), is = is_unfinished(key, after);
  if (was != is) mf_writes_add(writes, MF_TABLE_unfinished, mf_str_copy(writes->arena, key), is ? nothing : (mf_slice){0});
  if (after && mf_row_version_numbers(after) != mf_row_version_numbers(before)) write_number(key, mf_row_version_numbers(after), writes);
}

// ---- sums ----
void mf_index_sums(const mf_regions *regions, mf_str region, mf_writes *writes) {
  mf_sums sums;
  if (!mf_regions_sums(regions, region, &sums)) return;
  char *text = mf_str_format(writes->arena, "{\"functions\":%lld,\"code_bytes\":%lld,\"reserved\":%lld}", (long long)sums.functions,
                             (long long)sums.code_bytes, (long long)sums.reserved);
  writes->failed |= !text;
  if (text) mf_writes_add(writes, MF_TABLE_region_sums, mf_str_copy(writes->arena, region), (mf_slice){text, strlen(text)});
}

void mf_index_forget_sums(mf_str region, mf_writes *writes) {
  mf_writes_add(writes, MF_TABLE_region_sums, mf_str_copy(writes->arena, region), (mf_slice){0});
}

void mf_index_write_sums(mf_lambda_cache *functions, mf_str region) {
  mf_arena arena;
  mf_error err;
  mf_arena_init(&arena, 0);
  mf_writes writes = {.arena = &arena};
  mf_index_sums(&functions->regions, region, &writes);
  if (writes.failed || (writes.count > 0 && !mf_store_commit(functions->store, writes.list, writes.count, NULL, NULL, &err)))
    mf_log(MF_LOG_WARN, "the sums of region %.*s are not stored: they are counted at the next start", MF_STR_ARG(region));
  mf_arena_deinit(&arena);
}

static bool count_row(void *context, mf_str key, mf_slice value) {
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  mf_regions_add(context, key, mf_sums_of_row(row));
  json_decref(row);
  return true;
}

static bool count_region(mf_lambda_cache *functions, mf_str prefix, mf_error *err) {
  const uint64_t failures = mf_json_failures();
  static const mf_table tables[] = {MF_TABLE_functions, MF_TABLE_versions};
  for (size_t i = 0; i < MF_COUNT(tables); i++)
    if (!mf_store_scan(functions->store, tables[i], prefix, MF_STR(""), ALL, count_row, &functions->regions, err)) return false;
  return mf_json_failures() == failures || mf_fail(err, MF_OutOfMemory, "no memory to count the functions of %.*s", MF_STR_ARG(prefix));
}

static bool read_sums(mf_lambda_cache *functions, mf_str region, bool *found, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  mf_arena_init(&arena, 0);
  bool ok = mf_store_get(functions->store, MF_TABLE_region_sums, region, &arena, &value, found, err);
  json_t *sums = ok && *found ? json_loadb(value.data, value.len, 0, NULL) : NULL;
  *found = sums != NULL;
  if (sums)
    mf_regions_add(&functions->regions, region,
                   (mf_sums){.functions = json_integer_value(json_object_get(sums, "functions")),
                             .code_bytes = json_integer_value(json_object_get(sums, "code_bytes")),
                             .reserved = json_integer_value(json_object_get(sums, "reserved"))});
  json_decref(sums);
  mf_arena_deinit(&arena);
  return ok;
}

typedef struct first_region {
  char prefix[REGION_BYTES + 1];  // "region/"
  size_t len;                     // 0: no more
} first_region;

static bool take_region(void *context, mf_str key, mf_slice value) {
  (void)value;
  first_region *first = context;
  mf_str region = mf_lambda_region_of(key);
  first->len = region.len < REGION_BYTES ? region.len + 1 : 0;
  if (first->len > 0) memcpy(first->prefix, key.data, first->len);
  return false;
}

// From region to region: each look-up begins behind all keys of the region before.
static bool open_regions(mf_lambda_cache *functions, mf_error *err) {
  first_region at = {.len = 0};
  char after[REGION_BYTES + 1];
  size_t after_len = 0;
  for (;;) {
    bool found;
    at.len = 0;
    if (!mf_store_scan(functions->store, MF_TABLE_functions, MF_STR(""), (mf_str){after, after_len}, 1, take_region, &at, err)) return false;
    if (at.len == 0) return true;
    const mf_str region = {at.prefix, at.len - 1}, prefix = {at.prefix, at.len};
    if (!read_sums(functions, region, &found, err) || (!found && !count_region(functions, prefix, err))) return false;
    if (!found) mf_index_write_sums(functions, region);
    memcpy(after, at.prefix, at.len);
    after[at.len - 1] = '/' + 1;
    after_len = at.len;
  }
}

// ---- a data directory of a version that had no such tables ----
typedef struct building {
  mf_store *store;
  mf_arena arena;
  mf_writes writes;
  bool versions, ok;
  mf_error error;
} building;

static bool commit_built(building *b) {
  b->ok = b->ok && (!b->writes.failed || mf_fail(&b->error, MF_OutOfMemory, "no memory to list the blobs of functions")) &&
          (b->writes.count == 0 || mf_store_commit(b->store, b->writes.list, b->writes.count, NULL, NULL, &b->error));
  mf_arena_deinit(&b->arena);
  mf_arena_init(&b->arena, 0);
  b->writes = (mf_writes){.arena = &b->arena};
  return b->ok;
}

static bool index_row(void *context, mf_str key, mf_slice value) {
  building *b = context;
  char text[512];
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  if (b->versions) key = mf_lambda_key_of_row(key, text, sizeof text);
  mf_index_change(mf_str_copy(&b->arena, key), NULL, row, &b->writes);
  json_decref(row);
  return b->writes.count < ROWS_OF_A_COMMIT || commit_built(b);
}

static bool build(mf_store *store, mf_error *err) {
  building b = {.store = store, .ok = true};
  mf_arena_init(&b.arena, 0);
  b.writes.arena = &b.arena;
  bool ok = mf_store_scan(store, MF_TABLE_functions, MF_STR(""), MF_STR(""), ALL, index_row, &b, err);
  b.versions = true;
  ok = ok && b.ok && mf_store_scan(store, MF_TABLE_versions, MF_STR(""), MF_STR(""), ALL, index_row, &b, err);
  mf_writes_add(&b.writes, MF_TABLE_marks, MARK, nothing);
  if (ok && !commit_built(&b)) *err = b.error;
  mf_arena_deinit(&b.arena);
  return ok && b.ok;
}

bool mf_index_open(mf_lambda_cache *functions, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  bool found;
  mf_arena_init(&arena, 0);
  bool ok = mf_store_get(functions->store, MF_TABLE_marks, MARK, &arena, &value, &found, err) && (found || build(functions->store, err));
  mf_arena_deinit(&arena);
  return ok && open_regions(functions, err);
}

// ---- blobs ----
static bool found_one(void *context, mf_str key, mf_slice value) {
  (void)key, (void)value;
  *(bool *)context = true;
  return false;
}

bool mf_index_blob_is_used(mf_store *store, const mf_blob_id *id, bool *used, mf_error *err) {
  *used = false;
  return mf_store_scan(store, MF_TABLE_blob_users, (mf_str){(const char *)id->sha256, sizeof id->sha256}, MF_STR(""), 1, found_one, used, err);
}
