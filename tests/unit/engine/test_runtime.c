// Instances: memory limits, wrong inputs, repeated runs with other sizes, the heap, and that a static run allocates nothing.
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "case.h"
#include "engine/heap.h"

static const char *cases;

static void start(engine_case *c, const char *name) {
  mf_error err = {0};
  mf_graph *graph = case_read(c, cases, name, &err);
  if (!graph || !case_compile(c, graph, false, &err) || !case_start(c, &err)) fail_msg("%s: %s", name, err.message);
}

static void too_little_memory_is_said(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  mf_image_summary summary;
  start(&c, "sharing_static");
  mf_image_summarize(c.image, &summary);
  assert_null(mf_instance_create(c.image, c.memory, (size_t)summary.arena_bytes - 64, &err));
  assert_int_equal(err.code, MF_OutOfMemory);
  assert_non_null(mf_instance_create(c.image, c.memory, (size_t)summary.arena_bytes, &err));
  case_free(&c);
}

static void a_dynamic_run_out_of_memory_fails_and_recovers(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  start(&c, "sharing_dynamic");
  for (int64_t n = 1 << 20; n >= 1; n /= 2) {
    mf_tensor *x = mf_instance_input(c.instance, 0);
    mf_instance_reset(c.instance);
    *x = (mf_tensor){.type = MF_FLOAT, .rank = 2, .dims = {n, 3}};
    // The model's own reshape wants two rows: what fits in memory fails with words about shapes, what does not with words about memory.
    bool good = mf_instance_alloc_input(c.instance, 0, &err) && (memset(x->data, 0, (size_t)n * 12), mf_instance_run(c.instance, &err));
    assert_int_equal(good, n == 2);
    if (n == 1 << 20) assert_true(err.code == MF_OutOfMemory || err.code == MF_InvalidInput);
    if (n == 1) assert_int_equal(err.code, MF_InvalidInput);
  }
  assert_true(mf_instance_peak_bytes(c.instance) <= CASE_MEMORY);
  case_free(&c);
}

static void wrong_inputs_are_named(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  float data[12] = {0};
  start(&c, "symbolic_dimension");
  mf_tensor *x = mf_instance_input(c.instance, 0);
  *x = (mf_tensor){.type = MF_FLOAT, .rank = 2, .dims = {2, 4}, .data = data};
  assert_false(mf_instance_run(c.instance, &err));
  assert_string_equal(err.message, "input 'x' is float32[2,4], expected float32[?,3]");
  *x = (mf_tensor){.type = MF_INT64, .rank = 2, .dims = {2, 3}, .data = data};
  assert_false(mf_instance_run(c.instance, &err));
  *x = (mf_tensor){.type = MF_FLOAT, .rank = 1, .dims = {3}, .data = data};
  assert_false(mf_instance_run(c.instance, &err));
  *x = (mf_tensor){.type = MF_FLOAT, .rank = 2, .dims = {2, 3}};
  assert_false(mf_instance_run(c.instance, &err));
  assert_int_equal(err.code, MF_InvalidInput);
  assert_string_equal(err.message, "input 'x' is missing");
  x->data = data;
  assert_true(mf_instance_run(c.instance, &err));
  case_free(&c);
}

// A bias that does not fit what it is added to is no read beyond it, though the output's shape does not depend on it.
static void a_bias_of_another_size_is_refused(void **state) {
  (void)state;
  static const char *const names[] = {"dynamic_bias_Conv", "dynamic_bias_ConvTranspose", "dynamic_bias_Gemm"};
  static float x[48], bias[5];
  for (size_t i = 0; i < MF_COUNT(names); i++) {
    engine_case c;
    mf_error err = {0};
    start(&c, names[i]);
    for (int64_t n = 2; n <= 5; n++) {
      mf_instance_reset(c.instance);
      mf_instance_input(c.instance, 0)->data = x;
      *mf_instance_input(c.instance, 1) = (mf_tensor){.type = MF_FLOAT, .rank = 1, .dims = {n}, .data = bias};
      assert_int_equal(mf_instance_run(c.instance, &err), n == 4);
      if (n != 4) assert_int_equal(err.code, MF_InvalidInput);
    }
    case_free(&c);
  }
}

static void sizes_change_from_run_to_run(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  start(&c, "shape_chain_dynamic");
  for (int round = 0; round < 40; round++) {
    int64_t n = round * 7 % 11;
    mf_tensor *x = mf_instance_input(c.instance, 0);
    mf_instance_reset(c.instance);
    *x = (mf_tensor){.type = MF_FLOAT, .rank = 3, .dims = {n, 3, 4}};
    if (!mf_instance_alloc_input(c.instance, 0, &err)) fail_msg("%s", err.message);
    for (int64_t i = 0; i < n * 12; i++) ((float *)x->data)[i] = (float)(i + round);
    mf_tensor expected = {.type = MF_FLOAT, .rank = 2, .dims = {n, 12}, .data = x->data};
    if (n == 0) continue;  // -1 cannot be told in an empty tensor
    if (!mf_instance_run(c.instance, &err)) fail_msg("%lld rows: %s", (long long)n, err.message);
    case_expect_equal("y", mf_instance_output(c.instance, 0), &expected);
  }
  case_free(&c);
}

static void static_runs_call_no_malloc(void **state) {
  (void)state;
  static const char *const names[] = {"sharing_static", "loop_static", "scan_static", "if_static_True"};
  for (size_t k = 0; k < MF_COUNT(names); k++) {
    engine_case c;
    mf_error err = {0};
    start(&c, names[k]);
    for (uint32_t i = 0; i < mf_image_n_inputs(c.image); i++) case_tensor(&c, cases, names[k], "input", i, mf_instance_input(c.instance, i));
    assert_true(mf_instance_run(c.instance, &err));
    struct mallinfo2 before = mallinfo2();
    for (int i = 0; i < 100; i++) assert_true(mf_instance_run(c.instance, &err));
    assert_int_equal(mallinfo2().uordblks, before.uordblks);
    case_free(&c);
  }
}

static void inputs_may_lie_in_the_arena_or_outside(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  start(&c, "float_raw");
  mf_tensor given, expected;
  assert_true(case_tensor(&c, cases, "float_raw", "input", 0, &given) && case_tensor(&c, cases, "float_raw", "output", 0, &expected));
  mf_tensor *x = mf_instance_input(c.instance, 0);
  assert_non_null(x->data);
  for (int i = 0; i < 3; i++) {
    memcpy(x->data, given.data, 24);
    assert_true(mf_instance_run(c.instance, &err));
    case_expect_equal("from the arena", mf_instance_output(c.instance, 0), &expected);
    assert_memory_equal(x->data, given.data, 24);  // inputs are never written to
  }
  x->data = given.data;
  assert_true(mf_instance_run(c.instance, &err));
  case_expect_equal("from outside", mf_instance_output(c.instance, 0), &expected);
  case_free(&c);
}

static void the_heap_joins_what_is_freed(void **state) {
  (void)state;
  enum { BLOCKS = 64, BYTES = 1 << 20 };
  char *memory = aligned_alloc(64, BYTES);
  mf_heap heap;
  struct { unsigned char *data; size_t bytes; unsigned char fill; } live[BLOCKS] = {0};
  mf_heap_init(&heap, memory, BYTES);
  size_t whole = mf_heap_largest(&heap);
  srand(5);
  for (int step = 0; step < 20000; step++) {
    size_t k = (size_t)rand() % BLOCKS;
    if (live[k].data) {
      for (size_t i = 0; i < live[k].bytes; i++)
        if (live[k].data[i] != live[k].fill) fail_msg("step %d: a block was overwritten", step);
      mf_heap_free(&heap, live[k].data);
      live[k].data = NULL;
      continue;
    }
    live[k].bytes = (size_t)rand() % 30000;
    live[k].fill = (unsigned char)rand();
    live[k].data = mf_heap_alloc(&heap, live[k].bytes);
    if (!live[k].data) continue;
    assert_int_equal((uintptr_t)live[k].data % 64, 0);
    assert_true((char *)live[k].data + live[k].bytes <= memory + BYTES);
    memset(live[k].data, live[k].fill, live[k].bytes);
  }
  mf_heap_clear(&heap, false);
  assert_int_equal(heap.used, 0);
  assert_int_equal(mf_heap_largest(&heap), whole);
  assert_null(mf_heap_alloc(&heap, BYTES));
  assert_null(mf_heap_alloc(&heap, SIZE_MAX - 10));
  free(memory);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_runtime DIR\n"), 2;
  cases = argv[1];
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(too_little_memory_is_said), cmocka_unit_test(a_dynamic_run_out_of_memory_fails_and_recovers),
    cmocka_unit_test(wrong_inputs_are_named), cmocka_unit_test(sizes_change_from_run_to_run), cmocka_unit_test(a_bias_of_another_size_is_refused), cmocka_unit_test(static_runs_call_no_malloc),
    cmocka_unit_test(inputs_may_lie_in_the_arena_or_outside), cmocka_unit_test(the_heap_joins_what_is_freed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
