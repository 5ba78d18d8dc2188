#include "case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct folder {
  mf_arena *arena;
  char path[512];
} folder;

static bool external(void *context, mf_str location, mf_slice *bytes, mf_error *err) {
  folder *f = context;
  char path[1024];
  snprintf(path, sizeof path, "%s/%.*s", f->path, MF_STR_ARG(location));
  if (mf_read_file(f->arena, path, 1 << 20, bytes, err)) return true;
  err->code = MF_InvalidModel;  // a package without the file is a wrong package
  return false;
}

mf_graph *case_read(engine_case *c, const char *dir, const char *name, mf_error *err) {
  folder f = {.arena = &c->arena};
  char path[600];
  mf_slice model;
  *c = (engine_case){0};
  mf_arena_init(&c->arena, 256 << 20);
  snprintf(f.path, sizeof f.path, "%s/%s", dir, name);
  snprintf(path, sizeof path, "%s/model.onnx", f.path);
  return mf_read_file(&c->arena, path, 1 << 24, &model, err) ? mf_onnx_read(model, &c->arena, NULL, external, &f, err) : NULL;
}

bool case_compile(engine_case *c, mf_graph *graph, bool reference, mf_error *err) {
  mf_compile_options options = {.reference = reference};
  return mf_isa_detect(&options.isa, err) && mf_compile(graph, &options, &c->arena, &c->bytes, err) &&
         mf_image_open(c->bytes, NULL, &c->arena, &c->image, err) && mf_image_verify(c->image, err);
}

bool case_start(engine_case *c, mf_error *err) {
  c->memory = aligned_alloc(64, CASE_MEMORY);
  memset(c->memory, 0xa5, CASE_MEMORY);  // nothing may count on zeroes
  c->instance = mf_instance_create(c->image, c->memory, CASE_MEMORY, err);
  return c->instance != NULL;
}

void case_free(engine_case *c) {
  free(c->memory);
  mf_arena_deinit(&c->arena);
}

bool case_tensor(engine_case *c, const char *dir, const char *name, const char *kind, uint32_t k, mf_tensor *out) {
  char path[600];
  mf_slice bytes;
  mf_error err = {0};
  snprintf(path, sizeof path, "%s/%s/%s_%u.pb", dir, name, kind, k);
  if (!mf_read_file(&c->arena, path, 1 << 24, &bytes, &err)) return false;
  if (!mf_onnx_read_tensor(bytes, &c->arena, out, &err)) fail_msg("%s: %s", path, err.message);
  return true;
}

void case_expect_equal(const char *what, const mf_tensor *actual, const mf_tensor *expected) {
  char have[256], want[256];
  if (actual->type != expected->type || !mf_tensor_same_shape(actual, expected))
    fail_msg("%s is %s, expected %s", what, mf_tensor_describe(actual, have, sizeof have), mf_tensor_describe(expected, want, sizeof want));
  size_t bytes;
  assert_true(mf_tensor_bytes(expected, &bytes));
  for (int64_t i = 0, n = mf_tensor_count(expected); i < n; i++) {
    size_t size = mf_type_size(expected->type);
    bool same = memcmp((const char *)actual->data + (size_t)i * size, (const char *)expected->data + (size_t)i * size, size) == 0;
    if (expected->type == MF_STRING) same = mf_str_equal(((const mf_str *)actual->data)[i], ((const mf_str *)expected->data)[i]);
    if (expected->type == MF_FLOAT) {
      float a = ((const float *)actual->data)[i], e = ((const float *)expected->data)[i];
      same = fabsf(a - e) <= 1e-6f + 1e-6f * fabsf(e) || (isnan(a) && isnan(e));
      if (!same) fail_msg("%s: element %lld is %.9g, expected %.9g", what, (long long)i, (double)a, (double)e);
    }
    if (!same) fail_msg("%s: element %lld differs", what, (long long)i);
  }
}

mf_value_id case_value(mf_graph *graph, const char *name, mf_type type, uint32_t rank, const int64_t *dims, void *data) {
  mf_tensor t = {.type = type, .rank = rank, .data = data};
  mf_value_id id;
  mf_error err = {0};
  for (uint32_t i = 0; rank <= MF_MAX_RANK && i < rank; i++) t.dims[i] = dims[i];
  if (!mf_graph_add_value(graph, mf_str_from(name), &t, &id, &err)) fail_msg("%s", err.message);
  return id;
}

mf_value_id case_node(mf_graph *graph, const char *op, const char *result, const mf_value_id *inputs, uint32_t n_inputs) {
  mf_value_id id;
  mf_error err = {0};
  if (!mf_graph_add_value(graph, mf_str_from(result), NULL, &id, &err) ||
      !mf_graph_add_node(graph, 0, UINT32_MAX, "", op, 13, mf_str_from(result), inputs, n_inputs, &id, 1, NULL, 0, &err))
    fail_msg("%s", err.message);
  return id;
}
