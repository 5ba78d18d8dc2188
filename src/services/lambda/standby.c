#include "standby.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "settings.h"

#define DAY_MS INT64_C(86400000)
#define BILLED_MS INT64_C(300000)  // a multiple of it is billed

// ---- arithmetic ----

void mf_standby_init(mf_standby *kept, uint32_t today) { *kept = (mf_standby){.first_day = today - MF_DAYS_KEPT}; }

void mf_standby_add(mf_standby *kept, int64_t from_ms, int64_t until_ms, uint64_t mb) {
  until_ms = MF_MAX(from_ms, until_ms);  // the clock was set back
  const int64_t billed = MF_MAX((until_ms - from_ms + BILLED_MS - 1) / BILLED_MS, 1) * BILLED_MS, last = until_ms / DAY_MS;
  for (int64_t day = MF_MAX(from_ms / DAY_MS, (int64_t)kept->first_day); day <= last; day++) {
    int64_t ms = MF_MIN(until_ms, (day + 1) * DAY_MS) - MF_MAX(from_ms, day * DAY_MS);
    if (day == last) ms += billed - (until_ms - from_ms);
    const int64_t i = day - kept->first_day;
    if (i < (int64_t)MF_COUNT(kept->mb_ms)) kept->mb_ms[i] += (uint64_t)ms * mb;
  }
}

uint64_t mf_standby_since(const mf_standby *kept, uint32_t day) {
  uint64_t sum = 0;
  for (uint32_t i = day > kept->first_day ? day - kept->first_day : 0; i < MF_COUNT(kept->mb_ms); i++) sum += kept->mb_ms[i];
  return sum;
}

// ---- configurations ----

static mf_str qualifier_of(mf_str key) {
  const size_t at = mf_lambda_function_key(key).len + 1;
  return at <= key.len ? (mf_str){key.data + at, key.len - at} : MF_STR("");
}

// Milliseconds since 1970; -1: it cannot be read.
static int64_t kept_from(const json_t *configuration) {
  const json_t *moved = json_object_get(configuration, "kept_from");
  const char *text = json_string_value(moved ? moved : json_object_get(configuration, "LastModified"));
  struct tm tm = {0};
  int ms = 0;
  const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
  if (!rest || sscanf(rest, ".%3d", &ms) != 1) return -1;
  return (int64_t)timegm(&tm) * 1000 + ms;
}

// Versions do not change, so this can be asked when it is over. change: of the alias, or an empty one.
static bool megabytes(mf_store *store, mf_str key, const json_t *configuration, const mf_provision_change *change, uint64_t *mb, mf_error *err) {
  const mf_str function_key = mf_lambda_function_key(key);
  const int64_t wanted = json_integer_value(json_object_get(configuration, "instances"));
  const char *number;
  char version[512];
  json_t *plan, *instances, *row;
  *mb = 0;
  if (!mf_provisioned_plan_of(store, function_key, qualifier_of(key), wanted, change, &plan, err)) return false;
  bool ok = true;
  json_object_foreach(plan, number, instances) {
    snprintf(version, sizeof version, "%.*s:%s", MF_STR_ARG(function_key), number);
    ok = ok && mf_row_load(store, mf_str_from(version), &row, err);
    if (!ok) continue;
    *mb += (uint64_t)(json_integer_value(instances) * json_integer_value(json_object_get(mf_row_configuration(row), "MemorySize")));
    json_decref(row);
  }
  json_decref(plan);
  return ok;
}

static bool collect(void *context, mf_str key, mf_slice value) {
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  if (row) json_object_setn_new(context, key.data, key.len, row);
  return true;
}

// All whose key has the prefix, by key: a new reference.
static bool configurations_of(mf_store *store, mf_str prefix, json_t **rows, mf_error *err) {
  *rows = json_object();
  bool ok = mf_store_scan(store, MF_TABLE_provisioned, prefix, MF_STR(""), INT32_MAX, collect, *rows, err);
  if (ok && mf_json_lost()) ok = mf_fail(err, MF_OutOfMemory, "no memory for what is provisioned");
  if (ok) return true;
  json_decref(*rows);
  *rows = NULL;
  return false;
}

bool mf_standby_open(mf_store *store, mf_str prefix, mf_standby_each *each, void *context, mf_error *err) {
  const char *key;
  json_t *rows, *row;
  uint64_t mb;
  mf_standby kept;
  if (!configurations_of(store, prefix, &rows, err)) return false;
  bool ok = true;
  json_object_foreach(rows, key, row) {
    const int64_t from_ms = kept_from(row);
    ok = ok && megabytes(store, mf_str_from(key), row, &(mf_provision_change){0}, &mb, err);
    if (!ok || from_ms < 0) continue;
    mf_standby_init(&kept, mf_day_today());
    mf_standby_add(&kept, from_ms, mf_wall_ns() / MF_NS_PER_MS, mb);
    each(context, mf_lambda_function_key(mf_str_from(key)), &kept);
  }
  json_decref(rows);
  return ok;
}

// ---- changes ----

static bool add_days(const mf_standby *kept, mf_store *store, mf_str function_key, mf_writes *writes, mf_error *err) {
  for (uint32_t i = 0; i < MF_COUNT(kept->mb_ms); i++) {
    const mf_billed billed = {.kept_mb_ms = kept->mb_ms[i]};
    if (billed.kept_mb_ms > 0 && !mf_day_add(store, function_key, kept->first_day + i, &billed, writes, err)) return false;
  }
  return !writes->failed || mf_fail(err, MF_OutOfMemory, "no memory to count what was provisioned");
}

// From now on it keeps something else.
static bool begin_again(mf_str key, const json_t *configuration, mf_writes *writes, mf_error *err) {
  char now[40];
  mf_write write;
  const mf_str copy = mf_str_copy(writes->arena, key);
  json_t *row = json_copy((json_t *)(uintptr_t)configuration);
  mf_modified_now(now);
  json_object_set_new(row, "kept_from", json_string(now));
  const bool ok = copy.data ? mf_setting_write(writes->arena, MF_TABLE_provisioned, copy, row, &write, err)
                            : mf_fail(err, MF_OutOfMemory, "no memory to count what was provisioned");
  if (ok) mf_writes_add(writes, write.table, write.key, write.value);
  json_decref(row);
  return ok;
}

// Adds what the configuration has kept, if the change ends that.
static bool change_one(mf_store *store, mf_str key, const json_t *configuration, const mf_provision_change *change, mf_standby *kept,
                       mf_writes *writes, mf_error *err) {
  const bool ends = mf_str_equal(qualifier_of(key), change->qualifier);
  const int64_t from_ms = kept_from(configuration);
  uint64_t before, after = 0;
  if (!ends && !mf_str_equal(qualifier_of(key), change->alias_name)) return true;
  if (!megabytes(store, key, configuration, &(mf_provision_change){0}, &before, err)) return false;
  if (!ends && !megabytes(store, key, configuration, change, &after, err)) return false;
  if (!ends && before == after) return true;
  if (!ends && !begin_again(key, configuration, writes, err)) return false;
  if (from_ms >= 0) mf_standby_add(kept, from_ms, mf_wall_ns() / MF_NS_PER_MS, before);
  return true;
}

// "region/name:", in the arena.
static bool prefix_of(mf_str function_key, mf_arena *arena, mf_str *prefix, mf_error *err) {
  *prefix = mf_str_from(mf_str_format(arena, "%.*s:", MF_STR_ARG(function_key)));
  return prefix->data || mf_fail(err, MF_OutOfMemory, "no memory for what is provisioned");
}

bool mf_standby_change(mf_store *store, mf_str function_key, const mf_provision_change *change, mf_writes *writes, mf_error *err) {
  const char *key;
  json_t *rows, *row;
  mf_str prefix;
  mf_standby kept;
  if (!prefix_of(function_key, writes->arena, &prefix, err) || !configurations_of(store, prefix, &rows, err)) return false;
  bool ok = true;
  mf_standby_init(&kept, mf_day_today());
  json_object_foreach(rows, key, row) ok = ok && change_one(store, mf_str_from(key), row, change, &kept, writes, err);
  json_decref(rows);
  return ok && add_days(&kept, store, function_key, writes, err);
}

// ---- functions that go ----

typedef struct ending {
  mf_standby *sum;  // NULL: nothing yet
  bool out_of_memory;
} ending;

static void add_ending(void *context, mf_str function_key, const mf_standby *kept) {
  ending *e = context;
  (void)function_key;
  if (!e->sum && (e->sum = malloc(sizeof *e->sum))) mf_standby_init(e->sum, kept->first_day + MF_DAYS_KEPT);
  e->out_of_memory = !e->sum;
  for (size_t i = 0; e->sum && i < MF_COUNT(kept->mb_ms); i++) e->sum->mb_ms[i] += kept->mb_ms[i];
}

bool mf_standby_end(mf_store *store, mf_str function_key, mf_standby **kept, mf_error *err) {
  mf_arena arena;
  mf_str prefix;
  ending e = {0};
  mf_arena_init(&arena, 0);
  bool ok = prefix_of(function_key, &arena, &prefix, err) && mf_standby_open(store, prefix, add_ending, &e, err);
  if (ok && e.out_of_memory) ok = mf_fail(err, MF_OutOfMemory, "no memory to count what was provisioned");
  mf_arena_deinit(&arena);
  *kept = ok ? e.sum : NULL;
  if (!ok) free(e.sum);
  return ok;
}

void mf_standby_write(mf_store *store, mf_str function_key, const mf_standby *kept) {
  mf_error err;
  mf_arena arena;
  mf_arena_init(&arena, 0);
  mf_writes writes = {.arena = &arena};
  if (!add_days(kept, store, function_key, &writes, &err) ||
      (writes.count > 0 && !mf_store_commit(store, writes.list, writes.count, NULL, NULL, &err)))
    mf_log(MF_LOG_ERROR, "what was provisioned of %.*s is not counted: %s", MF_STR_ARG(function_key), err.message);
  mf_arena_deinit(&arena);
}
