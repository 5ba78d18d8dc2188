// Counting by days. Between two writes a function's struct holds what is not in its row yet, so a row is read and written once in five
// seconds, however many structs come and go.
#include "days.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "index.h"

enum { ROW_BYTES = 112, KEY_BYTES = 320, SWEPT_AT_ONCE = 1000 };
#define DAY_S 86400

// ---- days ----

uint32_t mf_day_today(void) { return (uint32_t)(mf_wall_ns() / MF_NS_PER_S / DAY_S); }

void mf_day_format(uint32_t day, char text[MF_DAY_TEXT + 1]) {
  const time_t seconds = (time_t)day * DAY_S;
  struct tm tm;
  if (!gmtime_r(&seconds, &tm) || strftime(text, MF_DAY_TEXT + 1, "%Y-%m-%d", &tm) == 0) text[0] = '\0';
}

bool mf_day_parse(mf_str text, uint32_t *day) {
  char copy[MF_DAY_TEXT + 1], back[MF_DAY_TEXT + 1];
  struct tm tm = {0};
  if (text.len != MF_DAY_TEXT) return false;
  memcpy(copy, text.data, MF_DAY_TEXT);
  copy[MF_DAY_TEXT] = '\0';
  const char *end = strptime(copy, "%Y-%m-%d", &tm);
  if (!end || *end || tm.tm_year < 70) return false;
  *day = (uint32_t)(timegm(&tm) / DAY_S);
  mf_day_format(*day, back);
  return strcmp(copy, back) == 0;  // strptime takes the 31st of April
}

// ---- rows ----

bool mf_day_parse_row(mf_slice value, mf_billed *billed) {
  char text[ROW_BYTES];
  *billed = (mf_billed){0};
  if (value.len == 0 || value.len >= sizeof text) return false;
  memcpy(text, value.data, value.len);
  text[value.len] = '\0';
  return sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &billed->calls, &billed->mb_ms, &billed->first_ms,
                &billed->run_mb_ms, &billed->kept_mb_ms) >= 2;
}

static size_t format_row(const mf_billed *billed, char text[ROW_BYTES]) {
  return (size_t)snprintf(text, ROW_BYTES, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, billed->calls, billed->mb_ms, billed->first_ms,
                          billed->run_mb_ms, billed->kept_mb_ms);
}

static void add_billed(mf_billed *to, const mf_billed *more) {
  to->calls += more->calls;
  to->mb_ms += more->mb_ms;
  to->run_mb_ms += more->run_mb_ms;
  to->kept_mb_ms += more->kept_mb_ms;
  if (to->first_ms == 0 || (more->first_ms > 0 && more->first_ms < to->first_ms)) to->first_ms = more->first_ms;
}

static mf_str row_key(mf_str key, uint32_t day, char out[KEY_BYTES]) {
  char text[MF_DAY_TEXT + 1];
  mf_day_format(day, text);
  const int len = snprintf(out, KEY_BYTES, "%.*s/%s/%.*s", MF_STR_ARG(mf_lambda_region_of(key)), text, MF_STR_ARG(mf_lambda_name_of(key)));
  return (mf_str){out, MF_MIN((size_t)len, (size_t)KEY_BYTES - 1)};
}

// What a commit holds until it is on disk: if it fails (a full disk), it is counted again with the next write.
typedef struct writing {
  mf_lambda_cache *functions;
  mf_billed billed;
  uint32_t day;
  size_t key_len;
  char key[];
} writing;

static void written(void *context, const mf_error *err) {
  writing *w = context;
  const mf_str key = {w->key, w->key_len};
  mf_lambda_entry *f = err ? mf_lambda_entry_peek(w->functions, key) : NULL;
  if (f && !w->functions->closing && (f->unwritten.calls == 0 || f->unwritten_day == w->day)) {
    f->unwritten_day = w->day;
    add_billed(&f->unwritten, &w->billed);
    mf_lambda_entry_touch_counters(w->functions, f);
  } else if (err) {
    mf_log(MF_LOG_ERROR, "%" PRIu64 " calls of %.*s are not counted for their day: %s", w->billed.calls, MF_STR_ARG(key), err->message);
  }
  free(w);
}

static bool read_row(mf_store *store, mf_str key, mf_billed *billed, mf_error *err) {
  char memory[512];
  mf_arena arena;
  mf_slice value;
  bool found;
  *billed = (mf_billed){0};
  mf_arena_init_first(&arena, memory, sizeof memory, 0);
  const bool ok = mf_store_get(store, MF_TABLE_days, key, &arena, &value, &found, err);
  if (ok && found && !mf_day_parse_row(value, billed)) mf_log(MF_LOG_ERROR, "what was counted as %.*s cannot be read", MF_STR_ARG(key));
  mf_arena_deinit(&arena);
  return ok;
}

static bool add_to_row(const writing *w, mf_error *err) {
  char key[KEY_BYTES], row[ROW_BYTES];
  mf_billed billed;
  const mf_str at = row_key((mf_str){w->key, w->key_len}, w->day, key);
  if (!read_row(w->functions->store, at, &billed, err)) return false;
  add_billed(&billed, &w->billed);
  const mf_write write = {MF_TABLE_days, at, {row, format_row(&billed, row)}};
  return mf_store_commit(w->functions->store, &write, 1, written, (void *)(uintptr_t)w, err);
}

bool mf_day_add(mf_store *store, mf_str key, uint32_t day, const mf_billed *more, mf_writes *writes, mf_error *err) {
  char text[KEY_BYTES], row[ROW_BYTES];
  mf_billed billed;
  const mf_str at = mf_str_copy(writes->arena, row_key(key, day, text));
  if (!read_row(store, at, &billed, err)) return false;
  add_billed(&billed, more);
  const mf_str value = mf_str_copy(writes->arena, (mf_str){row, format_row(&billed, row)});
  writes->failed |= !at.data || !value.data;
  if (!writes->failed) mf_writes_add(writes, MF_TABLE_days, at, (mf_slice){value.data, value.len});
  return true;
}

void mf_day_write(mf_lambda_cache *functions, mf_lambda_entry *f) {
  mf_error err;
  const mf_str key = f->spec.key;
  if (f->unwritten.calls == 0) return;
  writing *w = malloc(sizeof *w + key.len);
  if (!w) return;  // it stays unwritten
  *w = (writing){.functions = functions, .billed = f->unwritten, .day = f->unwritten_day, .key_len = key.len};
  memcpy(w->key, key.data, key.len);
  f->unwritten = (mf_billed){0};
  if (!add_to_row(w, &err)) written(w, &err);
}

void mf_day_count(mf_lambda_cache *functions, mf_lambda_entry *f, uint64_t billed_ms, uint32_t memory_mb, bool provisioned) {
  const int64_t now_ms = mf_wall_ns() / MF_NS_PER_MS;
  const uint32_t day = (uint32_t)(now_ms / 1000 / DAY_S);
  if (f->unwritten_day != day) mf_day_write(functions, f);
  f->unwritten_day = day;
  const uint64_t mb_ms = billed_ms * memory_mb;
  add_billed(&f->unwritten, &(mf_billed){.calls = 1, .mb_ms = provisioned ? 0 : mb_ms, .first_ms = (uint64_t)now_ms, .run_mb_ms = provisioned ? mb_ms : 0});
  if (f->deleted) mf_day_write(functions, f);  // nobody writes its counters any more
}

// ---- too old ----

typedef struct sweep {
  mf_store *store;
  char region[64];
  mf_str cutoff;      // rows before it go
  uint32_t deleted;
  bool failed;
} sweep;

static bool first_region(void *context, mf_str key, mf_slice value) {
  (void)value;
  sweep *s = context;
  snprintf(s->region, sizeof s->region, "%.*s", MF_STR_ARG(mf_lambda_region_of(key)));
  return false;
}

static bool delete_old(void *context, mf_str key, mf_slice value) {
  (void)value;
  sweep *s = context;
  mf_error err;
  const size_t at = strlen(s->region) + 1;
  if (key.len < at + MF_DAY_TEXT || memcmp(key.data + at, s->cutoff.data, MF_DAY_TEXT) >= 0) return false;
  const mf_write write = {MF_TABLE_days, key, {0}};
  s->failed = !mf_store_commit(s->store, &write, 1, NULL, NULL, &err);
  if (s->failed) mf_log(MF_LOG_ERROR, "%s", err.message);
  s->deleted++;
  return !s->failed;
}

// Rows of a region are in order of days. false: there may be more.
static bool sweep_region(sweep *s) {
  char prefix[72];
  mf_error err;
  snprintf(prefix, sizeof prefix, "%s/", s->region);
  if (!mf_store_scan(s->store, MF_TABLE_days, mf_str_from(prefix), MF_STR(""), SWEPT_AT_ONCE, delete_old, s, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
  return s->deleted < SWEPT_AT_ONCE && !s->failed;
}

void mf_days_sweep(mf_lambda *lambda) {
  const uint32_t today = mf_day_today();
  char cutoff[MF_DAY_TEXT + 1], after[72] = "";
  mf_error err;
  if (lambda->days_swept == today) return;
  mf_day_format(today - MF_DAYS_KEPT, cutoff);
  sweep s = {.store = lambda->env.store, .cutoff = mf_str_from(cutoff)};
  for (;;) {
    s.region[0] = '\0';
    if (!mf_store_scan(s.store, MF_TABLE_days, MF_STR(""), mf_str_from(after), 1, first_region, &s, &err) || !s.region[0]) break;
    if (!sweep_region(&s)) return;  // the rest with the next flush
    snprintf(after, sizeof after, "%s0", s.region);  // '0' follows '/': behind all of the region's
  }
  lambda->days_swept = today;
}
