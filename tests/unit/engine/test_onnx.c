// The models of make_models.py, made by Debian's onnx with results from numpy: each is read, compiled with reference and with fast
// kernels, and run twice, or refused with the words that its file `error` has. Then bytes that are cut off or flipped.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "case.h"

static const char *cases;

static void run_case(const char *name, bool reference) {
  engine_case c;
  mf_error err = {0};
  char what[300];
  mf_graph *graph = case_read(&c, cases, name, &err);
  if (!graph || !case_compile(&c, graph, reference, &err) || !case_start(&c, &err)) fail_msg("%s: %s", name, err.message);
  for (int run = 0; run < 2; run++) {
    for (uint32_t i = 0; i < mf_image_n_inputs(c.image); i++)
      if (!case_tensor(&c, cases, name, "input", i, mf_instance_input(c.instance, i))) fail_msg("%s has no input %u", name, i);
    if (!mf_instance_run(c.instance, &err)) fail_msg("%s: %s", name, err.message);
    mf_tensor expected;
    for (uint32_t i = 0; case_tensor(&c, cases, name, "output", i, &expected); i++) {
      snprintf(what, sizeof what, "%s (run %d, %s kernels), output %u", name, run, reference ? "reference" : "fast", i);
      case_expect_equal(what, mf_instance_output(c.instance, i), &expected);
    }
  }
  case_free(&c);
}

static void refuse_case(const char *name, const char *expected) {
  engine_case c;
  mf_error err = {0};
  mf_graph *graph = case_read(&c, cases, name, &err);
  if (graph && case_compile(&c, graph, true, &err)) fail_msg("%s was compiled, expected an error with '%s'", name, expected);
  if (!strstr(err.message, expected)) fail_msg("%s: '%s', expected words '%s'", name, err.message, expected);
  assert_true(err.code == MF_InvalidModel || err.code == MF_UnsupportedOperator || err.code == MF_UnsupportedType || err.code == MF_TooLarge);
  case_free(&c);
}

static bool read_error(const char *name, char *text, size_t size) {
  char path[600];
  snprintf(path, sizeof path, "%s/%s/error", cases, name);
  FILE *file = fopen(path, "re");
  if (!file) return false;
  size_t n = fread(text, 1, size - 1, file);
  text[n] = 0;
  fclose(file);
  return true;
}

static void every_case_gives_its_result_or_its_error(void **state) {
  (void)state;
  uint32_t n = 0;
  DIR *dir = opendir(cases);
  assert_non_null(dir);
  for (struct dirent *entry; (entry = readdir(dir));) {
    char error[300];
    if (entry->d_name[0] == '.' || strncmp(entry->d_name, "kept_", 5) == 0) continue;  // those are test_kept's and have no data
    n++;
    if (read_error(entry->d_name, error, sizeof error)) {
      refuse_case(entry->d_name, error);
    } else {
      run_case(entry->d_name, true);
      run_case(entry->d_name, false);
    }
  }
  closedir(dir);
  assert_true(n > 70);
}

static mf_slice whole_model(engine_case *c, const char *name) {
  char path[600];
  mf_slice model;
  mf_error err = {0};
  *c = (engine_case){0};
  mf_arena_init(&c->arena, 0);
  snprintf(path, sizeof path, "%s/%s/model.onnx", cases, name);
  if (!mf_read_file(&c->arena, path, 1 << 24, &model, &err)) fail_msg("%s", err.message);
  return model;
}

// Whatever the bytes are, the answer is an image or an error; a crash or a hang is what this test is about.
static void read_hostile(mf_slice model) {
  mf_arena arena;
  mf_error err = {0};
  mf_compile_options options = {.isa = MF_ISA_GENERIC, .reference = true, .fold_limit_bytes = 1 << 20};
  mf_slice image;
  const mf_image *opened;
  mf_arena_init(&arena, 64 << 20);
  mf_graph *graph = mf_onnx_read(model, &arena, NULL, NULL, NULL, &err);
  if (!graph || !mf_compile(graph, &options, &arena, &image, &err)) {
    assert_int_not_equal(err.code, MF_OK);
    assert_true(err.message[0] != 0);
  } else if (!mf_image_open(image, NULL, &arena, &opened, &err)) {
    fail_msg("our own image is refused: %s", err.message);
  }
  mf_arena_deinit(&arena);
}

static void cut_off_models_are_refused_or_read(void **state) {
  (void)state;
  static const char *const names[] = {"loop_dynamic", "function", "sharing_static"};
  for (size_t k = 0; k < MF_COUNT(names); k++) {
    engine_case c;
    mf_slice model = whole_model(&c, names[k]);
    for (size_t len = 0; len < model.len; len++) read_hostile((mf_slice){model.data, len});
    case_free(&c);
  }
}

static void flipped_bits_are_refused_or_read(void **state) {
  (void)state;
  static const char *const names[] = {"loop_static", "if_dynamic_True", "typed_int8"};
  for (size_t k = 0; k < MF_COUNT(names); k++) {
    engine_case c;
    mf_slice model = whole_model(&c, names[k]);
    uint8_t *bytes = (uint8_t *)(uintptr_t)model.data;
    for (size_t bit = 0; bit < model.len * 8; bit++) {
      bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
      read_hostile(model);
      bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    case_free(&c);
  }
}

static void written_tensors_read_back(void **state) {
  (void)state;
  mf_arena arena;
  mf_error err = {0};
  mf_arena_init(&arena, 0);
  int64_t numbers[6] = {1, -2, INT64_MAX, INT64_MIN, 0, 5};
  mf_str strings[2] = {MF_STR("a"), MF_STR("")};
  mf_tensor tensors[] = {{.type = MF_INT64, .rank = 2, .dims = {2, 3}, .data = numbers}, {.type = MF_STRING, .rank = 1, .dims = {2}, .data = strings},
                         {.type = MF_FLOAT, .rank = 2, .dims = {0, 3}, .data = numbers}, {.type = MF_UINT8, .data = numbers}};
  for (size_t i = 0; i < MF_COUNT(tensors); i++) {
    mf_buf buf = {.arena = &arena};
    mf_tensor back;
    assert_true(mf_onnx_write_tensor(&tensors[i], MF_STR("t"), &buf, &err));
    if (!mf_onnx_read_tensor((mf_slice){buf.data, buf.len}, &arena, &back, &err)) fail_msg("%s", err.message);
    case_expect_equal("the tensor read back", &back, &tensors[i]);
  }
  mf_arena_deinit(&arena);
}

static void memory_limits_make_errors(void **state) {
  (void)state;
  engine_case c;
  mf_slice model = whole_model(&c, "loop_dynamic");
  uint32_t failed = 0;
  for (size_t limit = 256; limit < 1 << 20; limit += limit / 16 + 64) {
    mf_arena arena;
    mf_error err = {0};
    mf_slice image;
    mf_compile_options options = {.isa = MF_ISA_GENERIC};
    mf_arena_init(&arena, limit);
    mf_graph *graph = mf_onnx_read(model, &arena, NULL, NULL, NULL, &err);
    bool good = graph && mf_compile(graph, &options, &arena, &image, &err);
    if (!good) failed++, assert_int_equal(err.code, MF_OutOfMemory);
    mf_arena_deinit(&arena);
  }
  assert_true(failed > 10);
  case_free(&c);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_onnx DIR\n"), 2;
  cases = argv[1];
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_case_gives_its_result_or_its_error), cmocka_unit_test(cut_off_models_are_refused_or_read),
    cmocka_unit_test(flipped_bits_are_refused_or_read), cmocka_unit_test(written_tensors_read_back),
    cmocka_unit_test(memory_limits_make_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
