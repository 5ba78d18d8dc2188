// A run calls no malloc, neither net nor in passing: every call in the process is counted, those inside the C library as well. Over the
// models of the engine's own tests and, where ../shared/models is there, the real ones, on each instruction set that this processor has.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "case.h"

#if defined(__SANITIZE_ADDRESS__)
#define COUNTS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COUNTS 0
#endif
#endif
#ifndef COUNTS
#define COUNTS 1
#endif

static size_t allocations;
#if COUNTS
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void *malloc(size_t size) { return allocations++, __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return allocations++, __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { return allocations++, __libc_realloc(old, size); }
void *aligned_alloc(size_t alignment, size_t size) { return allocations++, __libc_memalign(alignment, size); }
#endif

static const size_t memory_bytes = (size_t)2 << 30;
enum { FILE_LARGEST = 1 << 28, RUNS = 3 };
static const char *cases, *models;
static char *memory;

static bool read_input(engine_case *c, const char *folder, const char *set, uint32_t k, mf_error *err) {
  char path[600];
  mf_slice bytes;
  snprintf(path, sizeof path, "%s/%s/input_%u.pb", folder, set, k);
  return mf_read_file(&c->arena, path, FILE_LARGEST, &bytes, err) &&
         mf_onnx_read_tensor(bytes, &c->arena, mf_instance_input(c->instance, k), err);
}

static bool start(engine_case *c, const char *folder, const char *set, mf_isa isa, mf_error *err) {
  char path[600];
  mf_slice model;
  *c = (engine_case){0};
  mf_arena_init(&c->arena, (size_t)4 << 30);
  snprintf(path, sizeof path, "%s/model.onnx", folder);
  const mf_compile_options options = {.isa = isa};
  mf_graph *graph = mf_read_file(&c->arena, path, FILE_LARGEST, &model, err) ? mf_onnx_read(model, &c->arena, NULL, NULL, NULL, err) : NULL;
  if (!graph || !mf_compile(graph, &options, &c->arena, &c->bytes, err) || !mf_image_open(c->bytes, NULL, &c->arena, &c->image, err))
    return false;
  c->instance = mf_instance_create(c->image, memory, memory_bytes, err);
  for (uint32_t k = 0; c->instance && k < mf_image_n_inputs(c->image); k++)
    if (!read_input(c, folder, set, k, err)) return false;
  return c->instance && mf_instance_run(c->instance, err);
}

// Returns whether the model ran; one that does not (made to be refused, or without inputs) says nothing here.
static bool count_runs(const char *folder, const char *set, mf_isa isa, bool *dynamic) {
  engine_case c;
  mf_error err = {0};
  mf_image_summary summary;
  const bool ran = start(&c, folder, set, isa, &err);
  if (ran) {
    mf_image_summarize(c.image, &summary);
    *dynamic = summary.dynamic;
    const size_t before = allocations;
    bool good = true;
    for (int i = 0; i < RUNS && good; i++) good = mf_instance_run(c.instance, &err);
    const size_t made = allocations - before;
    if (!good) fail_msg("%s: %s", folder, err.message);
    if (made > 0) fail_msg("%s: %zu allocations in %d runs", folder, made, (int)RUNS);
  }
  mf_arena_deinit(&c.arena);
  return ran;
}

static void count_folders(const char *directory, const char *set, uint32_t *n_static, uint32_t *n_dynamic) {
  mf_isa best;
  mf_error err;
  DIR *listed = opendir(directory);
  assert_non_null(listed);
  assert_true(mf_isa_detect(&best, &err));
  *n_static = *n_dynamic = 0;
  for (const struct dirent *entry; (entry = readdir(listed));) {
    char folder[512];
    bool dynamic = false, ran = entry->d_name[0] != '.';
    snprintf(folder, sizeof folder, "%s/%s", directory, entry->d_name);
    for (int isa = MF_ISA_GENERIC; ran && isa <= (int)best; isa++) ran = count_runs(folder, set, (mf_isa)isa, &dynamic);
    *n_static += ran && !dynamic;
    *n_dynamic += ran && dynamic;
  }
  closedir(listed);
  print_message("%s: %u static and %u dynamic models ran\n", directory, *n_static, *n_dynamic);
}

static void small_models_run_without_malloc(void **state) {
  (void)state;
  uint32_t n_static, n_dynamic;
  if (!COUNTS) skip();
  count_folders(cases, ".", &n_static, &n_dynamic);
  assert_true(n_static >= 30);
}

static void real_models_run_without_malloc(void **state) {
  (void)state;
  uint32_t n_static, n_dynamic;
  DIR *there = opendir(models);
  if (there) closedir(there);
  if (!there) print_message("skip real_models_run_without_malloc: %s is not there\n", models);
  if (!there || !COUNTS) skip();
  count_folders(models, "test_data_set_0", &n_static, &n_dynamic);
  assert_int_equal(n_static + n_dynamic, 23);
}

int main(int argc, char **argv) {
  if (argc < 3) return fprintf(stderr, "usage: test_allocations CASES MODELS\n"), 2;
  cases = argv[1];
  models = argv[2];
  memory = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return fprintf(stderr, "no memory\n"), 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(small_models_run_without_malloc),
      cmocka_unit_test(real_models_run_without_malloc),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
