// The cache: a hash table with a list in order of use. What is in flight, has counters to write or is waited for stays.
#include "function.h"

#include <stdio.h>
#include <stdlib.h>

#include "index.h"
#include "standby.h"
#include "settings.h"

static mf_lambda_entry **bucket_of(mf_lambda_cache *functions, mf_str key) {
  return &functions->buckets[mf_hash64(key.data, key.len, 0) % MF_LAMBDA_BUCKETS];
}

static void unlink_order(mf_lambda_cache *functions, mf_lambda_entry *f) {
  if (f->newer) f->newer->older = f->older;
  else functions->newest = f->older;
  if (f->older) f->older->newer = f->newer;
  else functions->oldest = f->newer;
}

static void link_newest(mf_lambda_cache *functions, mf_lambda_entry *f) {
  f->newer = NULL;
  f->older = functions->newest;
  if (f->older) f->older->newer = f;
  else functions->oldest = f;
  functions->newest = f;
}

static void free_function(mf_lambda_entry *f) {
  free(f->dead_letter);
  free((void *)(uintptr_t)f->spec.key.data);
  free(f->log_group);
  free(f);
}

static bool is_pinned(const mf_lambda_entry *f) { return f->in_flight > 0 || f->dirty || f->waiters > 0; }

static void take_out(mf_lambda_cache *functions, mf_lambda_entry *f) {
  mf_lambda_entry **at = bucket_of(functions, f->spec.key);
  while (*at != f) at = &(*at)->next_in_bucket;
  *at = f->next_in_bucket;
  unlink_order(functions, f);
  functions->count--;
}

static void remove_function(mf_lambda_cache *functions, mf_lambda_entry *f) {
  take_out(functions, f);
  f->deleted = true;
  functions->leaving += f->in_flight;
  if (!is_pinned(f)) free_function(f);
}

void mf_lambda_entry_unpin(mf_lambda_cache *functions, mf_lambda_entry *f) {
  (void)functions;
  if (f->deleted && !is_pinned(f)) free_function(f);
}

void mf_lambda_entry_answered(mf_lambda_cache *functions, mf_lambda_entry *f) {
  f->in_flight--;
  if (f->deleted) functions->leaving--;
  mf_lambda_entry_unpin(functions, f);
}

// The newest stays, whatever pins the others: whoever has just loaded it is about to use it.
static void evict(mf_lambda_cache *functions) {
  mf_lambda_entry *f = functions->oldest;
  while (f != functions->newest && functions->count > MF_LAMBDA_CACHE) {
    mf_lambda_entry *next = f->newer;
    if (!is_pinned(f)) remove_function(functions, f);
    f = next;
  }
}

// ---- keys ----
static mf_str before(mf_str text, char separator) {
  const char *at = text.len > 0 ? memchr(text.data, separator, text.len) : NULL;
  return at ? (mf_str){text.data, (size_t)(at - text.data)} : text;
}

static mf_str behind(mf_str text, char separator) {
  const char *at = text.len > 0 ? memchr(text.data, separator, text.len) : NULL;
  return at ? (mf_str){at + 1, text.len - (size_t)(at + 1 - text.data)} : MF_STR("");
}

mf_str mf_lambda_function_key(mf_str key) { return before(key, ':'); }
mf_str mf_lambda_region_of(mf_str key) { return before(key, '/'); }
mf_str mf_lambda_name_of(mf_str key) { return before(behind(key, '/'), ':'); }
mf_str mf_lambda_version_of(mf_str key) { return mf_lambda_is_version(key) ? behind(key, ':') : MF_STR("$LATEST"); }

uint64_t mf_lambda_version_number(mf_str text) {
  uint64_t number = 0;
  if (text.len == 0 || text.len > MF_VERSION_DIGITS || text.data[0] == '0') return 0;
  for (size_t i = 0; i < text.len; i++) {
    if (text.data[i] < '0' || text.data[i] > '9') return 0;
    number = number * 10 + (uint64_t)(text.data[i] - '0');
  }
  return number;
}

// Where the row of a key stands. Versions are ordered by their numbers, which are written with all their zeros for it.
enum { ROW_KEY_BYTES = 512 };
typedef struct place {
  mf_table table;
  mf_str key;
  char text[ROW_KEY_BYTES];
} place;

// false: the key can name no row.
static bool find_place(mf_str key, place *p) {
  *p = (place){.table = MF_TABLE_functions, .key = key};
  if (!mf_lambda_is_version(key)) return true;
  const uint64_t number = mf_lambda_version_number(mf_lambda_version_of(key));
  const int len = snprintf(p->text, sizeof p->text, "%.*s:%0*llu", MF_STR_ARG(mf_lambda_function_key(key)), MF_VERSION_DIGITS,
                           (unsigned long long)number);
  p->table = MF_TABLE_versions;
  p->key = (mf_str){p->text, (size_t)len};
  return number > 0 && (size_t)len < sizeof p->text;
}

mf_str mf_lambda_key_of_row(mf_str row_key, char *text, size_t capacity) {
  mf_str version = behind(row_key, ':');
  while (version.len > 0 && version.data[0] == '0') version = (mf_str){version.data + 1, version.len - 1};
  const int len = snprintf(text, capacity, "%.*s:%.*s", MF_STR_ARG(mf_lambda_function_key(row_key)), MF_STR_ARG(version));
  return (size_t)len < capacity ? (mf_str){text, (size_t)len} : MF_STR("");
}

// ---- rows ----
json_t *mf_row_configuration(const json_t *row) { return json_object_get(row, "configuration"); }

bool mf_member_is(const json_t *object, const char *member, const char *value) {
  const char *text = json_string_value(json_object_get(object, member));
  return text && strcmp(text, value) == 0;
}

bool mf_blob_id_parse(const json_t *hex, mf_blob_id *id) {
  mf_str text = {json_string_value(hex), json_string_length(hex)};
  return text.len == MF_SHA256_HEX && mf_unhex(text, id->sha256);
}

uint32_t mf_row_blobs(const json_t *row, mf_blob_id ids[MF_ROW_BLOBS]) {
  const json_t *names[MF_ROW_BLOBS] = {json_object_get(row, "package"), json_object_get(json_object_get(row, "deploy"), "package"),
                                       json_object_get(json_object_get(row, "image"), "blob")};
  uint32_t n = 0;
  for (size_t i = 0; i < MF_ROW_BLOBS; i++) n += mf_blob_id_parse(names[i], &ids[n]);
  return n;
}

json_t *mf_blob_id_json(const mf_blob_id *id) {
  char hex[MF_SHA256_HEX + 1];
  mf_hex(id->sha256, sizeof id->sha256, hex);
  return json_string(hex);
}

static bool parse_row(mf_str key, mf_slice value, json_t **row, mf_error *err) {
  const uint64_t failures = mf_json_failures();
  *row = json_loadb(value.data, value.len, 0, NULL);
  if (mf_json_failures() == failures && mf_row_configuration(*row)) return true;
  json_decref(*row);
  *row = NULL;
  if (mf_json_failures() != failures) return mf_fail(err, MF_OutOfMemory, "no memory to read the configuration of %.*s", MF_STR_ARG(key));
  return mf_fail(err, MF_Internal, "the stored configuration of %.*s cannot be read", MF_STR_ARG(key));
}

bool mf_row_load(mf_store *store, mf_str key, json_t **row, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  bool found;
  place at;
  *row = NULL;
  if (!find_place(key, &at)) return true;
  mf_arena_init(&arena, 0);
  bool ok = mf_store_get(store, at.table, at.key, &arena, &value, &found, err) && (!found || parse_row(key, value, row, err));
  mf_arena_deinit(&arena);
  return ok;
}

typedef struct version_list {
  json_t *versions;
  size_t prefix_len;
  bool failed;
  mf_error error;
} version_list;

static bool add_version(void *context, mf_str key, mf_slice value) {
  version_list *list = context;
  json_t *row;
  list->failed = !parse_row(key, value, &row, &list->error);
  if (list->failed) return false;
  size_t digits = list->prefix_len;
  while (digits < key.len && key.data[digits] == '0') digits++;
  json_object_setn_new(list->versions, key.data + digits, key.len - digits, row);
  return true;
}

bool mf_row_versions(mf_store *store, mf_str function_key, json_t **versions, mf_error *err) {
  char prefix[ROW_KEY_BYTES];
  const int len = snprintf(prefix, sizeof prefix, "%.*s:", MF_STR_ARG(function_key));
  version_list list = {.versions = json_object(), .prefix_len = (size_t)len};
  bool ok = mf_store_scan(store, MF_TABLE_versions, (mf_str){prefix, (size_t)len}, MF_STR(""), INT32_MAX, add_version, &list, err);
  if (ok && list.failed) *err = list.error;
  ok = ok && !list.failed && (!mf_json_lost() || mf_fail(err, MF_OutOfMemory, "no memory for the versions of %.*s", MF_STR_ARG(function_key)));
  *versions = ok ? list.versions : NULL;
  if (!ok) json_decref(list.versions);
  return ok;
}

uint64_t mf_row_version_numbers(const json_t *row) { return (uint64_t)json_integer_value(json_object_get(row, "versions")); }

void mf_row_new_revision(json_t *row) {
  json_int_t revision = json_integer_value(json_object_get(row, "revision"));
  json_object_set_new(row, "revision", json_integer(revision + 1));
}

static uint32_t number(const json_t *object, const char *name) { return (uint32_t)json_integer_value(json_object_get(object, name)); }

// "region/name:qualifier" of DeadLetterConfig's ARN, which was checked when it was set: arn:aws:lambda:REGION:ACCOUNT:function:NAME[:QUALIFIER],
// or a name as it stands.
static char *read_dead_letter(mf_str key, const json_t *configuration) {
  const char *arn = json_string_value(json_object_get(json_object_get(configuration, "DeadLetterConfig"), "TargetArn"));
  char region[64] = "", *target = NULL;
  const char *name = arn ? strstr(arn, "function:") : NULL;
  if (!name) return NULL;
  if (sscanf(arn, "arn:%*[^:]:lambda:%63[^:]", region) != 1)
    snprintf(region, sizeof region, "%.*s", (int)MF_MIN(mf_lambda_region_of(key).len, sizeof region - 1), key.data);
  if (asprintf(&target, "%s/%s", region, name + strlen("function:")) >= 0) return target;
  mf_log(MF_LOG_ERROR, "no memory for the dead-letter target of %.*s", MF_STR_ARG(key));
  return NULL;
}

#define OWN_GROUP "/aws/lambda/"

// Only a group that is not the function's own is remembered.
static void read_log_group(mf_lambda_entry *f, const json_t *configuration) {
  const char *group = json_string_value(json_object_get(json_object_get(configuration, "LoggingConfig"), "LogGroup"));
  const bool is_own = !group || (strncmp(group, OWN_GROUP, sizeof OWN_GROUP - 1) == 0 &&
                                 mf_str_is(mf_lambda_name_of(f->spec.key), group + sizeof OWN_GROUP - 1));
  free(f->log_group);
  f->log_group = is_own || strlen(group) >= MF_LOG_GROUP_BYTES ? NULL : strdup(group);
}

mf_str mf_lambda_log_group(const mf_lambda_entry *f, char out[MF_LOG_GROUP_BYTES]) {
  const mf_str name = mf_lambda_name_of(f->spec.key);
  const size_t own = sizeof OWN_GROUP - 1, len = MF_MIN(name.len, MF_LOG_GROUP_BYTES - own);
  if (f->log_group) return mf_str_from(f->log_group);
  memcpy(out, OWN_GROUP, own);
  memcpy(out + own, name.data, len);
  return (mf_str){out, own + len};
}

mf_str mf_lambda_log_key(const mf_lambda_entry *f, char out[MF_LOG_KEY_BYTES]) {
  char group[MF_LOG_GROUP_BYTES];
  return mf_store_log_key(mf_lambda_region_of(f->spec.key), mf_lambda_log_group(f, group), out);
}

// The parts of a row that invocations need.
static void read_row(const mf_lambda_cache *functions, mf_lambda_entry *f, const json_t *row) {
  const json_t *configuration = mf_row_configuration(row), *image = json_object_get(row, "image");
  const char *state = json_string_value(json_object_get(configuration, "State"));
  const char *built = json_string_value(json_object_get(image, "built"));
  const json_t *reserved = json_object_get(row, "reserved");
  f->spec.revision = (uint64_t)json_integer_value(json_object_get(row, "revision"));
  f->uid = (uint64_t)json_integer_value(json_object_get(row, "uid"));
  f->spec.memory_mb = number(configuration, "MemorySize");
  f->spec.timeout_ms = number(configuration, "Timeout") * 1000;
  f->spec.reserved_concurrency = reserved ? (int32_t)json_integer_value(reserved) : -1;
  f->spec.arena_bytes = (uint64_t)json_integer_value(json_object_get(image, "arena_bytes"));
  f->has_image = mf_blob_id_parse(json_object_get(image, "blob"), &f->spec.image);
  snprintf(f->built, sizeof f->built, "%s", built ? built : "");
  free(f->dead_letter);
  f->dead_letter = read_dead_letter(f->spec.key, configuration);
  f->stale = f->has_image && strcmp(f->built, functions->built) != 0;
  f->rebuilding = false;
  read_log_group(f, configuration);
  f->logging = mf_logging_of(configuration);
  f->state = state && strcmp(state, "Active") == 0 ? MF_STATE_ACTIVE : state && strcmp(state, "Failed") == 0 ? MF_STATE_FAILED : MF_STATE_PENDING;
}

mf_lambda_entry *mf_lambda_entry_peek(mf_lambda_cache *functions, mf_str key) {
  for (mf_lambda_entry *f = *bucket_of(functions, key); f; f = f->next_in_bucket)
    if (mf_str_equal(f->spec.key, key)) return f;
  return NULL;
}

static mf_lambda_entry *add_function(mf_lambda_cache *functions, mf_str key, const json_t *row, const mf_counters *counters) {
  mf_lambda_entry *f = calloc(1, sizeof *f);
  char *copy = malloc(key.len + 1);
  if (!f || !copy) {
    free(f);
    free(copy);
    return NULL;
  }
  memcpy(copy, key.data, key.len);
  copy[key.len] = 0;
  f->spec.key = (mf_str){copy, key.len};
  f->spec.group = mf_lambda_function_key(f->spec.key);
  f->counters = *counters;
  read_row(functions, f, row);
  mf_lambda_entry **bucket = bucket_of(functions, key);
  f->next_in_bucket = *bucket;
  *bucket = f;
  link_newest(functions, f);
  functions->count++;
  evict(functions);
  return f;
}

static bool load_function(mf_lambda_cache *functions, mf_str key, mf_lambda_entry **function, mf_error *err) {
  json_t *row;
  mf_counters counters = {0};
  if (!mf_row_load(functions->store, key, &row, err)) return false;
  if (!row) return true;
  bool ok = mf_counters_load(functions->store, key, &counters, err);
  if (ok) {
    *function = add_function(functions, key, row, &counters);
    if (!*function) ok = mf_fail(err, MF_OutOfMemory, "no memory for function %.*s", MF_STR_ARG(key));
  }
  json_decref(row);
  return ok;
}

bool mf_lambda_entry_find(mf_lambda_cache *functions, mf_str key, mf_lambda_entry **function, mf_error *err) {
  mf_lambda_entry *f = *function = mf_lambda_entry_peek(functions, key);
  if (!f) return load_function(functions, key, function, err);
  if (f != functions->newest) {
    unlink_order(functions, f);
    link_newest(functions, f);
  }
  return true;
}

void mf_lambda_entry_drop(mf_lambda_cache *functions, mf_str key) {
  mf_lambda_entry *f = mf_lambda_entry_peek(functions, key);
  if (f) remove_function(functions, f);
}

typedef struct save {
  mf_lambda_cache *functions;
  mf_sums change;  // of the region's sums
  bool deletes;    // the commit took the row of sums away
  mf_standby *kept;   // to be counted when the function is gone, owned; NULL: nothing
  mf_store_done *done;
  void *context;
  uint32_t n_keys;
  size_t key_lens[MF_ROWS_AT_ONCE];
  char keys[];     // one behind the other; the first one's region is that of all
} save;

static mf_str first_key(const save *s) { return (mf_str){s->keys, s->key_lens[0]}; }

static void take_back(save *s) { mf_regions_add(&s->functions->regions, first_key(s), mf_sums_difference((mf_sums){0}, s->change)); }

static void free_save(save *s) {
  free(s->kept);
  free(s);
}

static void saved(void *context, const mf_error *err) {
  save *s = context;
  mf_json_begin();
  if (err) {
    const char *key = s->keys;
    for (uint32_t i = 0; i < s->n_keys; key += s->key_lens[i++]) mf_lambda_entry_drop(s->functions, (mf_str){key, s->key_lens[i]});
    take_back(s);
  }
  if (err || s->deletes) mf_index_write_sums(s->functions, mf_lambda_region_of(first_key(s)));
  if (!err && s->kept) mf_standby_write(s->functions->store, first_key(s), s->kept);
  if (s->done) s->done(s->context, err);
  else if (err) mf_log(MF_LOG_ERROR, "function %.*s: %s", MF_STR_ARG(first_key(s)), err->message);
  free_save(s);
}

static save *new_save(mf_lambda_cache *functions, const mf_row_change *changes, uint32_t n, mf_sums sums, mf_store_done *done, void *context,
                      mf_error *err) {
  size_t len = 0;
  for (uint32_t i = 0; i < n; i++) len += changes[i].key.len;
  save *s = malloc(sizeof *s + len);
  if (!s) {
    (void)mf_fail(err, MF_OutOfMemory, "no memory to store function %.*s", MF_STR_ARG(changes[0].key));
    return NULL;
  }
  *s = (save){.functions = functions, .change = sums, .done = done, .context = context, .n_keys = n};
  char *at = s->keys;
  for (uint32_t i = 0; i < n; at += s->key_lens[i++]) {
    s->key_lens[i] = changes[i].key.len;
    memcpy(at, changes[i].key.data, changes[i].key.len);
  }
  return s;
}

static void add_row(mf_str key, const json_t *row, mf_writes *writes) {
  place at;
  char *text = row ? mf_json_text(row) : NULL;
  mf_str copy = text ? mf_str_copy(writes->arena, mf_str_from(text)) : (mf_str){0};
  free(text);
  writes->failed |= !find_place(key, &at) || (row && !copy.data);
  if (!writes->failed) mf_writes_add(writes, at.table, mf_str_copy(writes->arena, at.key), (mf_slice){copy.data, copy.len});
}

// The row, what is known of it elsewhere, and what it adds to the region's sums.
static bool add_change(mf_lambda_cache *functions, const mf_row_change *change, mf_writes *writes, mf_sums *sums, mf_error *err) {
  json_t *before;
  if (!mf_row_load(functions->store, change->key, &before, err)) return false;
  *sums = mf_sums_sum(*sums, mf_sums_difference(mf_sums_of_row(change->row), mf_sums_of_row(before)));
  mf_index_change(change->key, before, change->row, writes);
  add_row(change->key, change->row, writes);
  json_decref(before);
  return true;
}

// Takes the save; the region's sums change at once.
static bool commit(save *s, mf_writes *writes, mf_error *err) {
  mf_str region = mf_lambda_region_of(first_key(s));
  mf_regions_add(&s->functions->regions, first_key(s), s->change);
  if (s->deletes) mf_index_forget_sums(region, writes);
  else mf_index_sums(&s->functions->regions, region, writes);
  bool ok = (!writes->failed && !mf_json_lost()) || mf_fail(err, MF_OutOfMemory, "no memory to store function %.*s", MF_STR_ARG(first_key(s)));
  ok = ok && mf_store_commit(s->functions->store, writes->list, writes->count, saved, s, err);
  if (ok) return true;
  take_back(s);
  free_save(s);
  return false;
}

static bool save_rows(mf_lambda_cache *functions, const mf_row_change *changes, uint32_t n_changes, mf_writes *writes, mf_store_done *done,
                      void *context, mf_error *err) {
  mf_sums sums = {0};
  for (uint32_t i = 0; i < n_changes; i++)
    if (!add_change(functions, &changes[i], writes, &sums, err)) return false;
  save *s = new_save(functions, changes, n_changes, sums, done, context, err);
  return s && commit(s, writes, err);
}

bool mf_rows_save(mf_lambda_cache *functions, const mf_row_change *changes, uint32_t n_changes, const mf_write *extra, uint32_t n_extra,
                  mf_store_done *done, void *context, mf_error *err) {
  mf_arena arena;
  mf_arena_init(&arena, 0);
  mf_writes writes = {.arena = &arena};
  for (uint32_t i = 0; i < n_extra; i++) mf_writes_add(&writes, extra[i].table, extra[i].key, extra[i].value);
  bool ok = save_rows(functions, changes, n_changes, &writes, done, context, err);
  mf_arena_deinit(&arena);
  for (uint32_t i = 0; ok && i < n_changes; i++) {
    mf_lambda_entry *f = mf_lambda_entry_peek(functions, changes[i].key);
    if (f) read_row(functions, f, changes[i].row);
  }
  if (ok) mf_events_wake(functions->events, mf_lambda_function_key(changes[0].key));
  return ok;
}

bool mf_row_save(mf_lambda_cache *functions, mf_str key, json_t *row, const mf_write *extra, uint32_t n_extra, mf_store_done *done,
                 void *context, mf_error *err) {
  const mf_row_change change = {key, row};
  return mf_rows_save(functions, &change, 1, extra, n_extra, done, context, err);
}

// ---- deletion ----
// The rows of versions are among the settings' deletions.
static void add_versions(mf_str function_key, const json_t *versions, mf_writes *writes, mf_sums *sums) {
  const char *number;
  json_t *row;
  json_object_foreach((json_t *)(uintptr_t)versions, number, row) {
    mf_str key = mf_str_from(mf_str_format(writes->arena, "%.*s:%s", MF_STR_ARG(function_key), number));
    writes->failed |= !key.data;
    if (key.data) mf_index_change(key, row, NULL, writes);
    *sums = mf_sums_difference(*sums, mf_sums_of_row(row));
  }
}

static bool add_belongings(mf_lambda_cache *functions, mf_str key, mf_writes *writes, mf_error *err) {
  mf_write *settings;
  uint32_t n;
  if (!mf_settings_deletions(functions->store, key, writes->arena, &settings, &n, err)) return false;
  for (uint32_t i = 0; i < n; i++) mf_writes_add(writes, settings[i].table, settings[i].key, settings[i].value);
  if (mf_lambda_is_version(key)) return true;
  mf_writes_add(writes, MF_TABLE_descriptions, key, (mf_slice){0});
  mf_writes_add(writes, MF_TABLE_meters, key, (mf_slice){0});
  return true;
}

static bool delete_row(mf_lambda_cache *functions, mf_str key, const json_t *versions, mf_writes *writes, mf_store_done *done, void *context,
                       mf_error *err) {
  const mf_row_change change = {key, NULL};
  mf_sums sums = {0};
  mf_standby *kept;
  if (!add_change(functions, &change, writes, &sums, err) || !add_belongings(functions, key, writes, err)) return false;
  add_versions(key, versions, writes, &sums);
  if (!mf_standby_end(functions->store, key, &kept, err)) return false;
  save *s = new_save(functions, &change, 1, sums, done, context, err);
  if (!s) {
    free(kept);
    return false;
  }
  s->deletes = true;
  s->kept = kept;
  return commit(s, writes, err);
}

static void drop_versions(mf_lambda_cache *functions, mf_str function_key, const json_t *versions) {
  const char *number;
  json_t *row;
  char key[ROW_KEY_BYTES];
  json_object_foreach((json_t *)(uintptr_t)versions, number, row) {
    const int len = snprintf(key, sizeof key, "%.*s:%s", MF_STR_ARG(function_key), number);
    mf_lambda_entry_drop(functions, (mf_str){key, (size_t)len});
  }
}

bool mf_row_delete(mf_lambda_cache *functions, mf_str key, const json_t *versions, mf_store_done *done, void *context, mf_error *err) {
  mf_arena arena;
  mf_arena_init(&arena, 0);
  mf_writes writes = {.arena = &arena};
  bool ok = delete_row(functions, key, versions, &writes, done, context, err);
  mf_arena_deinit(&arena);
  if (!ok) return false;
  mf_lambda_entry_drop(functions, key);
  drop_versions(functions, key, versions);
  if (!mf_lambda_is_version(key)) mf_events_forget(functions->events, key);
  return true;
}

// ---- counters ----
static const struct {
  const char *name;
  size_t offset;
} counter_fields[] = {{"invocations", offsetof(mf_counters, invocations)},
                      {"errors", offsetof(mf_counters, errors)},
                      {"throttles", offsetof(mf_counters, throttles)},
                      {"cold_starts", offsetof(mf_counters, cold_starts)},
                      {"billed_ms", offsetof(mf_counters, billed_ms)}};

json_t *mf_counters_json(const mf_counters *counters) {
  json_t *object = json_object();
  for (size_t i = 0; i < MF_COUNT(counter_fields); i++) {
    uint64_t value;
    memcpy(&value, (const char *)counters + counter_fields[i].offset, sizeof value);
    json_object_set_new(object, counter_fields[i].name, json_integer((json_int_t)value));
  }
  return object;
}

bool mf_counters_load(mf_store *store, mf_str key, mf_counters *counters, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  bool found;
  *counters = (mf_counters){0};
  mf_arena_init(&arena, 0);
  bool ok = mf_store_get(store, MF_TABLE_meters, key, &arena, &value, &found, err);
  const uint64_t failures = mf_json_failures();
  json_t *object = ok && found ? json_loadb(value.data, value.len, 0, NULL) : NULL;
  if (mf_json_failures() != failures) ok = mf_fail(err, MF_OutOfMemory, "no memory to read the counters of %.*s", MF_STR_ARG(key));
  for (size_t i = 0; object && i < MF_COUNT(counter_fields); i++) {
    uint64_t count = (uint64_t)json_integer_value(json_object_get(object, counter_fields[i].name));
    memcpy((char *)counters + counter_fields[i].offset, &count, sizeof count);
  }
  json_decref(object);
  mf_arena_deinit(&arena);
  return ok;
}

void mf_lambda_entry_touch_counters(mf_lambda_cache *functions, mf_lambda_entry *f) {
  if (f->dirty || f->deleted) return;
  f->dirty = true;
  f->next_dirty = functions->dirty;
  functions->dirty = f;
}

static void write_counters(mf_lambda_cache *functions, const mf_lambda_entry *f) {
  mf_error err;
  json_t *object = mf_counters_json(&f->counters);
  char *text = mf_json_text(object);
  mf_write write = {MF_TABLE_meters, f->spec.key, {text, text ? strlen(text) : 0}};
  if (!text || !mf_store_commit(functions->store, &write, 1, NULL, NULL, &err)) mf_log(MF_LOG_ERROR, "counters of %s are not stored", f->spec.key.data);
  free(text);
  json_decref(object);
}

void mf_lambda_cache_flush(mf_lambda_cache *functions) {
  mf_lambda_entry *next = functions->dirty;
  functions->dirty = NULL;  // what cannot be written now comes into the list again, for the next time
  while (next) {
    mf_lambda_entry *f = next;
    next = f->next_dirty;
    f->dirty = false;
    mf_day_write(functions, f);
    if (f->deleted) mf_lambda_entry_unpin(functions, f);
    else write_counters(functions, f);
  }
}

void mf_lambda_cache_deinit(mf_lambda_cache *functions) {
  mf_lambda_cache_flush(functions);
  for (mf_lambda_entry *f = functions->oldest, *newer; f; f = newer) {
    newer = f->newer;
    free_function(f);
  }
  *functions = (mf_lambda_cache){.store = functions->store, .events = functions->events, .built = functions->built};
}
