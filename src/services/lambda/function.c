// The cache: a hash table with a list in order of use. What is in flight, has counters to write or is waited for stays.
#include "function.h"

#include <stdio.h>
#include <stdlib.h>

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
  free((void *)(uintptr_t)f->spec.key.data);
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

// ---- rows ----
json_t *mf_row_configuration(const json_t *row) { return json_object_get(row, "configuration"); }

bool mf_blob_id_parse(const json_t *hex, mf_blob_id *id) {
  mf_str text = {json_string_value(hex), json_string_length(hex)};
  return text.len == MF_SHA256_HEX && mf_unhex(text, id->sha256);
}

json_t *mf_blob_id_json(const mf_blob_id *id) {
  char hex[MF_SHA256_HEX + 1];
  mf_hex(id->sha256, sizeof id->sha256, hex);
  return json_string(hex);
}

bool mf_row_load(mf_store *store, mf_str key, json_t **row, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  bool found;
  *row = NULL;
  mf_arena_init(&arena, 0);
  bool ok = mf_store_get(store, MF_TABLE_functions, key, &arena, &value, &found, err);
  if (ok && found) {
    const uint64_t failures = mf_json_failures();
    *row = json_loadb(value.data, value.len, 0, NULL);
    if (mf_json_failures() != failures)
      ok = mf_fail(err, MF_OutOfMemory, "no memory to read the configuration of %.*s", MF_STR_ARG(key));
    else if (!*row || !mf_row_configuration(*row))
      ok = mf_fail(err, MF_Internal, "the stored configuration of %.*s cannot be read", MF_STR_ARG(key));
  }
  if (!ok) {
    json_decref(*row);
    *row = NULL;
  }
  mf_arena_deinit(&arena);
  return ok;
}

void mf_row_new_revision(json_t *row) {
  json_int_t revision = json_integer_value(json_object_get(row, "revision"));
  json_object_set_new(row, "revision", json_integer(revision + 1));
}

static uint32_t number(const json_t *object, const char *name) { return (uint32_t)json_integer_value(json_object_get(object, name)); }

// The parts of a row that invocations need.
static void read_row(const mf_lambda_cache *functions, mf_lambda_entry *f, const json_t *row) {
  const json_t *configuration = mf_row_configuration(row), *image = json_object_get(row, "image");
  const char *state = json_string_value(json_object_get(configuration, "State"));
  const char *built = json_string_value(json_object_get(image, "built"));
  const json_t *reserved = json_object_get(row, "reserved");
  f->spec.revision = (uint64_t)json_integer_value(json_object_get(row, "revision"));
  f->spec.memory_mb = number(configuration, "MemorySize");
  f->spec.timeout_ms = number(configuration, "Timeout") * 1000;
  f->spec.reserved_concurrency = reserved ? (int32_t)json_integer_value(reserved) : -1;
  f->spec.arena_bytes = (uint64_t)json_integer_value(json_object_get(image, "arena_bytes"));
  f->has_image = mf_blob_id_parse(json_object_get(image, "blob"), &f->spec.image);
  snprintf(f->built, sizeof f->built, "%s", built ? built : "");
  f->stale = f->has_image && strcmp(f->built, functions->built) != 0;
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
  mf_store_done *done;
  void *context;
  size_t key_len;
  char key[];
} save;

static void saved(void *context, const mf_error *err) {
  save *s = context;
  mf_json_begin();
  if (err) {
    mf_str key = {s->key, s->key_len};
    mf_lambda_entry_drop(s->functions, key);
    mf_regions_add(&s->functions->regions, key, mf_sums_difference((mf_sums){0}, s->change));
  }
  if (s->done) s->done(s->context, err);
  else if (err) mf_log(MF_LOG_ERROR, "function %s: %s", s->key, err->message);
  free(s);
}

// row: as it will be; NULL: deleted.
static save *new_save(mf_lambda_cache *functions, mf_str key, const json_t *row, mf_store_done *done, void *context, mf_error *err) {
  json_t *before;
  if (!mf_row_load(functions->store, key, &before, err)) return NULL;
  save *s = malloc(sizeof *s + key.len + 1);
  if (s) {
    *s = (save){.functions = functions, .done = done, .context = context, .key_len = key.len,
                .change = mf_sums_difference(mf_sums_of_row(row), mf_sums_of_row(before))};
    memcpy(s->key, key.data, key.len);
    s->key[key.len] = 0;
  } else {
    (void)mf_fail(err, MF_OutOfMemory, "no memory to store function %.*s", MF_STR_ARG(key));
  }
  json_decref(before);
  return s;
}

bool mf_row_save(mf_lambda_cache *functions, mf_str key, json_t *row, const mf_write *extra, uint32_t n_extra, mf_store_done *done,
                 void *context, mf_error *err) {
  mf_write writes[4];
  char *text = mf_json_text(row);
  save *s = new_save(functions, key, row, done, context, err);
  bool ok = s && ((text && n_extra < MF_COUNT(writes) && !mf_json_lost()) ||
                  mf_fail(err, MF_OutOfMemory, "no memory to store function %.*s", MF_STR_ARG(key)));
  if (ok) {
    writes[0] = (mf_write){MF_TABLE_functions, key, {text, strlen(text)}};
    for (uint32_t i = 0; i < n_extra; i++) writes[i + 1] = extra[i];
    ok = mf_store_commit(functions->store, writes, n_extra + 1, saved, s, err);
  }
  if (ok) {
    mf_lambda_entry *f = mf_lambda_entry_peek(functions, key);
    if (f) read_row(functions, f, row);
    mf_regions_add(&functions->regions, key, s->change);
  } else {
    free(s);
  }
  free(text);
  return ok;
}

static bool commit_deletion(mf_lambda_cache *functions, mf_str key, save *s, mf_error *err) {
  mf_arena arena;
  mf_write *writes, *all = NULL;
  uint32_t n;
  const mf_write own[] = {{MF_TABLE_functions, key, {0}}, {MF_TABLE_descriptions, key, {0}}, {MF_TABLE_meters, key, {0}}};
  mf_arena_init(&arena, 0);
  bool ok = mf_settings_deletions(functions->store, key, &arena, &writes, &n, err) &&
            ((all = mf_arena_alloc(&arena, (n + MF_COUNT(own)) * sizeof *all)) ||
             mf_fail(err, MF_OutOfMemory, "no memory to delete function %.*s", MF_STR_ARG(key)));
  if (ok) {
    memcpy(all, own, sizeof own);
    if (n > 0) memcpy(all + MF_COUNT(own), writes, n * sizeof *writes);
    ok = mf_store_commit(functions->store, all, n + MF_COUNT(own), saved, s, err);
  }
  mf_arena_deinit(&arena);
  return ok;
}

bool mf_row_delete(mf_lambda_cache *functions, mf_str key, mf_store_done *done, void *context, mf_error *err) {
  save *s = new_save(functions, key, NULL, done, context, err);
  if (!s) return false;
  if (!commit_deletion(functions, key, s, err)) {
    free(s);
    return false;
  }
  mf_lambda_entry_drop(functions, key);
  mf_regions_add(&functions->regions, key, s->change);
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
  while (functions->dirty) {
    mf_lambda_entry *f = functions->dirty;
    functions->dirty = f->next_dirty;
    f->dirty = false;
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
  *functions = (mf_lambda_cache){.store = functions->store, .built = functions->built};
}
