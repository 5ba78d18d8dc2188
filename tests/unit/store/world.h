// A store in a temporary directory, and a loop that runs until a condition holds (10 seconds at most).
#ifndef TESTS_STORE_WORLD_H
#define TESTS_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "store/store.h"

typedef struct world {
  char directory[64];
  mf_loop *loop;
  mf_store *store;
  mf_error err;
  mf_arena arena;
} world;

static inline void world_open(world *w) {
  w->loop = mf_loop_create(&w->err);
  assert_non_null(w->loop);
  w->store = mf_store_open(w->directory, w->loop, &w->err);
  if (!w->store) fail_msg("%s", w->err.message);
}

static inline void world_close(world *w) {
  mf_store_close(w->store);
  mf_loop_destroy(w->loop);
  w->store = NULL;
  w->loop = NULL;
}

static inline void world_begin(world *w) {
  memset(w, 0, sizeof *w);
  static const char pattern[] = "/tmp/mf-store-XXXXXX";
  _Static_assert(sizeof pattern <= sizeof w->directory, "the pattern fits");
  memcpy(w->directory, pattern, sizeof pattern);
  assert_non_null(mkdtemp(w->directory));
  mf_arena_init(&w->arena, 0);
}

static inline void world_end(world *w) {
  char command[128];
  if (w->store) world_close(w);
  mf_arena_deinit(&w->arena);
  snprintf(command, sizeof command, "rm -rf %s", w->directory);
  assert_int_equal(system(command), 0);
}

typedef struct wait_state {
  mf_loop *loop;
  const int *counter;
  int target;
  int64_t deadline_ns;
} wait_state;

static inline int64_t wait_hook(void *data) {
  wait_state *wait = data;
  if (*wait->counter >= wait->target || mf_now_ns() > wait->deadline_ns) mf_loop_stop(wait->loop);
  return *wait->counter >= wait->target ? 0 : 10 * MF_NS_PER_MS;
}

// Runs the loop until *counter reaches target.
static inline void world_wait(world *w, const int *counter, int target) {
  wait_state wait = {w->loop, counter, target, mf_now_ns() + 10 * MF_NS_PER_S};
  mf_loop_set_hook(w->loop, wait_hook, &wait);
  assert_true(mf_loop_run(w->loop, &w->err));
  if (*counter < target) fail_msg("waited 10 s for %d, got %d", target, *counter);
}

// A callback's outcome.
typedef struct outcome {
  int calls, failures;
  mf_error error;
  mf_blob_id id;
  uint64_t bytes;
} outcome;

static inline void commit_done(void *context, const mf_error *err) {
  outcome *o = context;
  o->calls++;
  if (err) {
    o->failures++;
    o->error = *err;
  }
}

static inline void blob_done(void *context, const mf_blob_id *id, uint64_t bytes, const mf_error *err) {
  outcome *o = context;
  o->id = *id;
  o->bytes = bytes;
  commit_done(context, err);
}

static inline mf_write world_row(mf_table table, const char *key, const char *value) {
  mf_str text = mf_str_from(value);
  return (mf_write){table, mf_str_from(key), {text.data, text.len}};
}

static inline void world_put(world *w, mf_table table, const char *key, const char *value, outcome *o) {
  mf_write write = world_row(table, key, value);
  assert_true(mf_store_commit(w->store, &write, 1, commit_done, o, &w->err));
}

// The value as a string, NULL when there is none.
static inline const char *world_get(world *w, mf_table table, const char *key) {
  mf_slice value;
  bool found;
  if (!mf_store_get(w->store, table, mf_str_from(key), &w->arena, &value, &found, &w->err)) fail_msg("%s", w->err.message);
  return found ? mf_str_format(&w->arena, "%.*s", (int)value.len, (const char *)value.data) : NULL;
}
#endif
