// What real workers and compilers run: the pipeline's responder and its package compiler. The only file of this module that calls them.
#include <jansson.h>

#include "host.h"

enum { FIRST_BYTES = 16 * 1024 };  // the tables of some hundred nodes

// jansson reads /dev/urandom when the first object is made; what the processor can do is slow to learn.
static void prepare(void) {
  json_object_seed(0);
  (void)mf_isa_of_processor();
}

static void *create(mf_slice image_bytes, void *memory, size_t bytes, mf_error *err) {
  static mf_arena arena;          // one image in the life of a worker
  static char first[FIRST_BYTES]; // faulted in beforehand with the program's data, as malloc's memory cannot be
  mf_arena_init_first(&arena, first, sizeof first, 0);
  const mf_image *image;
  if (!mf_image_open(image_bytes, &mf_pipeline_operators, &arena, &image, err)) return NULL;
  return mf_responder_create(image, memory, bytes, err);
}

static bool answer(void *responder, mf_slice payload, char *out, size_t out_capacity, size_t *out_len, mf_error *err) {
  return mf_responder_answer(responder, payload, out, out_capacity, out_len, err);
}

static int64_t plan_ns(const void *responder) { return mf_responder_plan_ns(responder); }
static size_t peak_bytes(const void *responder) { return mf_responder_peak_bytes(responder); }

const mf_host_functions mf_host_pipeline_functions = {
    .prepare = prepare, .create = create, .answer = answer, .plan_ns = plan_ns, .peak_bytes = peak_bytes, .compile = mf_package_compile};

int mf_keeper_run(mf_front_fn *front, void *context) { return mf_keeper_run_with(&mf_host_pipeline_functions, front, context); }
