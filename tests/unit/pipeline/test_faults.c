// The n-th allocation of the compiler fails, for every n until none does (for models with many:
// every n up to some hundreds, then every so-manyth): nothing leaks or crashes, and either an error
// says that memory ran out or an image comes out that opens all the same. Arguments: a folder of
// packages, and the engine's folder of cases (NAME/model.onnx).
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pipeline/pipeline.h"

enum { EVERY_ONE = 300, STRIDE = 23 };
static const char *packages, *cases;
static uint32_t countdown;  // 0: nothing fails; n: the n-th call from now on does

static bool fails(void) { return countdown > 0 && --countdown == 0; }

// The linker routes calls between files through these (inside arena.c they are direct, so that none
// is counted twice).
#define WRAP(name, parameters, arguments)         \
  void *__real_##name parameters;                 \
  void *__wrap_##name parameters;                 \
  void *__wrap_##name parameters {                \
    if (!fails()) return __real_##name arguments; \
    errno = ENOMEM;                               \
    return NULL;                                  \
  }
WRAP(malloc, (size_t size), (size))
WRAP(calloc, (size_t n, size_t size), (n, size))
WRAP(realloc, (void *old, size_t size), (old, size))
WRAP(mf_arena_alloc, (mf_arena * arena, size_t size), (arena, size))
WRAP(mf_arena_alloc_aligned, (mf_arena * arena, size_t size, size_t alignment),
     (arena, size, alignment))
WRAP(mf_arena_array, (mf_arena * arena, size_t count, size_t size), (arena, count, size))

static mf_slice read_whole(mf_arena *arena, const char *path) {
  mf_slice bytes;
  mf_error err = {0};
  if (!mf_read_file(arena, path, 1 << 24, &bytes, &err)) fail_msg("%s: %s", path, err.message);
  return bytes;
}

// Returns whether the n-th allocation was reached; *failed: and the compiler gave up.
static bool compile_with_fault(const char *path, mf_slice package, uint32_t n, bool *failed) {
  static mf_package_report report;
  mf_arena arena;
  mf_slice bytes;
  const mf_image *image;
  mf_error err = {.message = ""};
  const mf_package_options options = {.isa = mf_isa_of_processor()};
  mf_arena_init(&arena, 256 << 20);
  countdown = n;
  bool ok = mf_package_compile(package, &options, &arena, &bytes, &report, &err),
       reached = countdown == 0;
  countdown = 0;
  *failed = !ok;
  if (ok && !mf_image_open(bytes, &mf_pipeline_operators, &arena, &image, &err))
    fail_msg("%s, allocation %u: the image is refused: %s", path, n, err.message);
  if (!ok && reached && (err.code != MF_OutOfMemory || !strstr(err.message, "memory")))
    fail_msg("%s, allocation %u: expected an error about memory, got %s '%s'", path, n,
             mf_code_name(err.code), err.message);
  if (!ok && (report.code != (uint32_t)err.code || strcmp(report.message, err.message) != 0))
    fail_msg("%s, allocation %u: the report says '%s', the error '%s'", path, n, report.message,
             err.message);
  mf_arena_deinit(&arena);
  return reached;
}

static uint32_t every_fault(const char *path) {
  mf_arena arena;
  mf_arena_init(&arena, 0);
  mf_slice package = read_whole(&arena, path);
  uint32_t n_failed = 0, n = 1;
  bool failed;
  while (compile_with_fault(path, package, n, &failed)) {
    n_failed += failed;
    n += n < EVERY_ONE ? 1 : STRIDE;
  }
  mf_arena_deinit(&arena);
  return n_failed;
}

static void every_allocation_may_fail_for_a_package(void **state) {
  (void)state;
  char path[600];
  uint32_t n = 0;
  DIR *dir = opendir(packages);
  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "%s/%s", packages, entry->d_name);
    uint32_t failed = every_fault(path);
    if (failed < 3) fail_msg("%s: only %u compilations failed", path, failed);
    n++;
  }
  closedir(dir);
  assert_true(n >= 10);
}

static void every_allocation_may_fail_for_a_model(void **state) {
  (void)state;
  static const char *const names[] = {"loop_dynamic",
                                      "scan_static",
                                      "if_dynamic_True",
                                      "if_constant_True",
                                      "function",
                                      "function_default",
                                      "strings",
                                      "sharing_dynamic",
                                      "shape_chain_static",
                                      "constant_value_strings",
                                      "unsorted",
                                      "typed_int8"};
  char path[600];
  for (size_t i = 0; i < MF_COUNT(names); i++) {
    snprintf(path, sizeof path, "%s/%s/model.onnx", cases, names[i]);
    uint32_t failed = every_fault(path);
    if (failed < 20) fail_msg("%s: only %u compilations failed", path, failed);
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return fprintf(stderr, "usage: test_faults PACKAGES CASES\n"), 2;
  packages = argv[1];
  cases = argv[2];
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_may_fail_for_a_package),
      cmocka_unit_test(every_allocation_may_fail_for_a_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
