// What the service does at start: functions that a stop left half-done go on, and images that another compiler or machine made are built
// again in the background.
#include <stdlib.h>

#include "deploy.h"
#include "index.h"
#include "provisioned.h"

enum { ALL = INT32_MAX, ROWS_OF_A_STEP = 128, MOST_REBUILDING = 16 };
#define STEP_NS (20 * MF_NS_PER_MS)
#define BUILT MF_STR("built")

// ---- unfinished functions ----
typedef struct unfinished {
  struct unfinished *next;
  size_t key_len;
  char key[];
} unfinished;

typedef struct resumption {
  unfinished *first;
  bool out_of_memory;
} resumption;

static bool add_unfinished(void *context, mf_str key, mf_slice value) {
  (void)value;
  resumption *r = context;
  unfinished *u = malloc(sizeof *u + key.len);
  r->out_of_memory = !u;
  if (!u) return false;
  *u = (unfinished){.next = r->first, .key_len = key.len};
  memcpy(u->key, key.data, key.len);
  r->first = u;
  return true;
}

static void go_on(mf_lambda *lambda, mf_str key) {
  json_t *row;
  mf_error err;
  if (!mf_row_load(lambda->env.store, key, &row, &err)) mf_deploy_try_again(lambda);
  if (!row) return;
  if (mf_member_is(mf_row_configuration(row), "State", "Pending") || json_object_get(row, "deploy")) mf_deploy_compile(lambda, key, row);
  else mf_deploy_finish_update(lambda, key);
  json_decref(row);
}

bool mf_resume_unfinished(mf_lambda *lambda, mf_error *err) {
  resumption r = {0};
  bool ok = mf_store_scan(lambda->env.store, MF_TABLE_unfinished, MF_STR(""), MF_STR(""), ALL, add_unfinished, &r, err);
  if (ok && r.out_of_memory) ok = mf_fail(err, MF_OutOfMemory, "no memory for the functions that are to be compiled");
  while (r.first) {
    unfinished *u = r.first;
    r.first = u->next;
    if (ok) go_on(lambda, (mf_str){u->key, u->key_len});
    free(u);
  }
  return ok;
}

// ---- images of another compiler or machine ----
static bool image_is_there(mf_lambda *lambda, const json_t *image) {
  mf_blob_id id;
  mf_error err;
  OWN_FD int fd = -1;
  return mf_blob_id_parse(json_object_get(image, "blob"), &id) && mf_store_blob_open(lambda->env.store, &id, &fd, &err);
}

static void rebuild_if_stale(mf_lambda *lambda, mf_str key, const json_t *row) {
  mf_error err;
  mf_lambda_entry *function = NULL;
  const json_t *image = json_object_get(row, "image");
  if (!image || (mf_member_is(image, "built", lambda->env.built) && image_is_there(lambda, image))) return;
  if (mf_lambda_entry_find(&lambda->functions, key, &function, &err) && function && !function->rebuilding) mf_deploy_rebuild(lambda, function);
}

static bool look_at_row(void *context, mf_str key, mf_slice value) {
  mf_lambda *lambda = context;
  mf_walk *walk = &lambda->walk;
  char text[MF_WALK_KEY_BYTES];
  if (lambda->rebuilding >= MOST_REBUILDING) return false;
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  rebuild_if_stale(lambda, walk->versions ? mf_lambda_key_of_row(key, text, sizeof text) : key, row);
  json_decref(row);
  walk->after_len = key.len;
  memcpy(walk->after, key.data, key.len);
  return true;
}

typedef struct step {
  mf_lambda *lambda;
  uint32_t rows;
} step;

static bool count_and_look(void *context, mf_str key, mf_slice value) {
  step *s = context;
  s->rows++;
  return look_at_row(s->lambda, key, value);
}

static void end_walk(mf_lambda *lambda) {
  mf_error err;
  const mf_write mark = {MF_TABLE_marks, BUILT, {lambda->env.built, strlen(lambda->env.built)}};
  if (!mf_store_commit(lambda->env.store, &mark, 1, NULL, NULL, &err)) mf_log(MF_LOG_WARN, "%s", err.message);
}

static void walk_on(mf_timer *timer) {
  mf_lambda *lambda = timer->data;
  mf_walk *walk = &lambda->walk;
  mf_error err;
  step s = {.lambda = lambda};
  mf_json_begin();
  const bool ok = mf_store_scan(lambda->env.store, walk->versions ? MF_TABLE_versions : MF_TABLE_functions, MF_STR(""),
                                (mf_str){walk->after, walk->after_len}, ROWS_OF_A_STEP, count_and_look, &s, &err);
  if (!ok) mf_log(MF_LOG_ERROR, "%s", err.message);
  const bool table_ended = ok && s.rows == 0;
  if (table_ended && walk->versions) {
    end_walk(lambda);
    return;
  }
  if (table_ended) {
    walk->versions = true;
    walk->after_len = 0;
  }
  if (!mf_loop_timer_set(lambda->env.loop, timer, mf_now_ns() + STEP_NS, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
}

static bool is_built_here(mf_lambda *lambda, bool *built_here, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  bool found;
  mf_arena_init(&arena, 0);
  bool ok = mf_store_get(lambda->env.store, MF_TABLE_marks, BUILT, &arena, &value, &found, err);
  *built_here = ok && found && mf_str_is((mf_str){value.data, value.len}, lambda->env.built);
  mf_arena_deinit(&arena);
  return ok;
}

bool mf_lambda_resume(mf_lambda *lambda, mf_error *err) {
  bool built_here;
  if (!mf_index_open(&lambda->functions, err) || !mf_resume_unfinished(lambda, err) || !mf_provisioned_restore_all(lambda, err) ||
      !is_built_here(lambda, &built_here, err))
    return false;
  lambda->walk.timer = (mf_timer){.fire = walk_on, .data = lambda};
  return built_here || mf_loop_timer_set(lambda->env.loop, &lambda->walk.timer, mf_now_ns(), err);
}

bool mf_lambda_blob_is_used(mf_lambda *lambda, const mf_blob_id *id, bool *used, mf_error *err) {
  return mf_index_blob_is_used(lambda->env.store, id, used, err);
}
