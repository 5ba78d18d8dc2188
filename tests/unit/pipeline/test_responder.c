// The responder in its worker: no malloc while it answers, hostile metadata of an image refused,
// memory that is too small named.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "pipeline/answer_form.h"
#include "pipeline/pipeline.h"

// ---- counting malloc ----

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif

#ifndef SANITIZED
static size_t allocations;
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  allocations++;
  return __libc_realloc(old, size);
}
#else
static const size_t allocations;
#endif

// ---- a world: one model y = x of this shape ----

typedef struct world {
  mf_arena arena;
  const mf_image *image;
} world;

static void make_world(world *w, mf_tensor shape, mf_slice metadata) {
  mf_error err = {.message = ""};
  mf_value_id x, y;
  mf_slice bytes;
  mf_arena_init(&w->arena, 0);
  mf_graph *graph = mf_graph_create(&w->arena, &mf_pipeline_operators, &err);
  assert_non_null(graph);
  assert_true(mf_graph_add_value(graph, MF_STR("x"), &shape, &x, &err));
  assert_true(mf_graph_add_value(graph, MF_STR("y"), NULL, &y, &err));
  assert_true(mf_graph_add_node(graph, 0, UINT32_MAX, "", "Identity", 16, MF_STR("n"), &x, 1, &y, 1,
                                NULL, 0, &err));
  assert_true(mf_graph_set_io(graph, 0, &x, 1, &y, 1, &err));
  graph->metadata = metadata;
  assert_true(
      mf_compile(graph, &(mf_compile_options){.isa = MF_ISA_GENERIC}, &w->arena, &bytes, &err));
  assert_true(mf_image_open(bytes, &mf_pipeline_operators, &w->arena, &w->image, &err));
}

static const mf_tensor row_of_two = {.type = MF_FLOAT, .rank = 2, .dims = {1, 2}};

static void answering_calls_no_malloc(void **state) {
  (void)state;
  static const char *const payloads[] = {
      "{\"x\": [[1, 2.5]]}",
      "[[0.1, 1e-7]]",
      "{\"instances\": [[1, 2], [3, 4]]}",
      "{\"x\": [[1]]}",
      "{\"x\": [[1, 123456789012345678901234567890.123456789]]}",
      "nonsense",
      "{\"version\":\"2.0\",\"requestContext\":{},\"body\":\"W1sxLCAyXV0=\",\"isBase64Encoded\":true}",
      "{\"version\":\"2.0\",\"requestContext\":{},\"body\":\"nonsense\",\"isBase64Encoded\":false}",
  };
  world w;
  mf_error err;
  static char out[1 << 17];
  char own[256];  // an event is unwrapped where it stands
  size_t len;
  make_world(&w, row_of_two, (mf_slice){0});
  void *memory = aligned_alloc(4096, 1 << 20);
  mf_responder *responder = mf_responder_create(w.image, memory, 1 << 20, &err);
  assert_non_null(responder);
  const size_t before = allocations;
  for (int i = 0; i < 800; i++) {
    strcpy(own, payloads[i % 8]);
    mf_slice payload = {own, strlen(own)};
    if (mf_responder_answer(responder, payload, out, sizeof out, &len, &err))
      assert_in_range(len, 1, sizeof out);
  }
  assert_int_equal(allocations, before);
  free(memory);
  mf_arena_deinit(&w.arena);
}

static void memory_that_is_too_small_is_named(void **state) {
  (void)state;
  world w;
  mf_error err;
  make_world(&w, (mf_tensor){.type = MF_FLOAT, .rank = 1, .dims = {1000000}}, (mf_slice){0});
  void *memory = aligned_alloc(4096, 1 << 20);
  assert_null(mf_responder_create(w.image, memory, 100, &err));
  assert_int_equal(err.code, MF_OutOfMemory);
  assert_null(mf_responder_create(w.image, memory, 1 << 20, &err));
  assert_int_equal(err.code, MF_OutOfMemory);
  free(memory);
  mf_arena_deinit(&w.arena);
}

static void metadata_travels_and_damage_is_refused(void **state) {
  (void)state;
  mf_error err;
  mf_arena arena;
  mf_slice bytes;
  mf_answer_form form = {.kind = MF_ANSWER_LABELS, .picture_input = 3, .top_k = 2, .n_labels = 3},
                 back;
  const mf_str labels[] = {MF_STR("cat"), MF_STR(""), MF_STR("a \"dog\"\n")};
  mf_arena_init(&arena, 0);
  assert_true(mf_answer_form_encode(&form, labels, &arena, &bytes, &err));
  assert_true(mf_answer_form_decode(bytes, &back, &err));
  assert_int_equal(back.picture_input, 3);
  assert_true(mf_str_is(mf_answer_label(&back, 0), "\"cat\""));
  assert_true(mf_str_is(mf_answer_label(&back, 1), "\"\""));
  assert_true(mf_str_is(mf_answer_label(&back, 2), "\"a \\\"dog\\\"\\u000a\""));
  assert_int_equal(mf_answer_label(&back, 3).len, 0);
  for (size_t len = 1; len < bytes.len;
       len++) {  // a copy of its own size: reading beyond it is seen by a sanitizer
    uint8_t *cut = malloc(len);
    memcpy(cut, bytes.data, len);
    assert_false(mf_answer_form_decode((mf_slice){cut, len}, &back, &err));
    assert_int_equal(err.code, MF_InvalidImage);
    free(cut);
  }
  uint8_t *damaged = malloc(bytes.len);
  for (size_t at = 0; at < bytes.len; at++) {
    memcpy(damaged, bytes.data, bytes.len);
    damaged[at] ^= 0x80;
    if (!mf_answer_form_decode((mf_slice){damaged, bytes.len}, &back, &err)) continue;
    for (uint32_t i = 0; i < back.n_labels; i++)
      assert_in_range(mf_answer_label(&back, i).len, 0, bytes.len);
  }
  free(damaged);
  mf_arena_deinit(&arena);
}

// Metadata that is sound but does not fit the model.
static void form_that_does_not_fit_the_image_is_refused(void **state) {
  (void)state;
  const mf_answer_form forms[] = {
      {.kind = MF_ANSWER_TENSORS, .picture_input = 0, .top_k = 5},  // x is no bytes
      {.kind = MF_ANSWER_TENSORS, .picture_input = 7, .top_k = 5},
      {.kind = MF_ANSWER_LABELS, .picture_input = MF_NO_PICTURE, .top_k = 0, .n_labels = 1},
  };
  void *memory = aligned_alloc(4096, 1 << 20);
  for (size_t i = 0; i < MF_COUNT(forms); i++) {
    world w;
    mf_error err;
    mf_arena arena;
    mf_slice metadata;
    const mf_str label = MF_STR("one");
    mf_arena_init(&arena, 0);
    assert_true(mf_answer_form_encode(&forms[i], &label, &arena, &metadata, &err));
    make_world(&w, row_of_two, metadata);
    assert_null(mf_responder_create(w.image, memory, 1 << 20, &err));
    assert_int_equal(err.code, MF_InvalidImage);
    mf_arena_deinit(&w.arena);
    mf_arena_deinit(&arena);
  }
  free(memory);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(answering_calls_no_malloc),
      cmocka_unit_test(memory_that_is_too_small_is_named),
      cmocka_unit_test(metadata_travels_and_damage_is_refused),
      cmocka_unit_test(form_that_does_not_fit_the_image_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
