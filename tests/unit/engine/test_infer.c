// Inference, folding and dead code: what a compile leaves of a model.
#include <stdio.h>

#include "case.h"

static const char *cases;

static uint32_t nodes_of(const char *name, bool *dynamic) {
  engine_case c;
  mf_error err = {0};
  mf_image_summary summary;
  mf_graph *graph = case_read(&c, cases, name, &err);
  if (!graph || !case_compile(&c, graph, true, &err)) fail_msg("%s: %s", name, err.message);
  mf_image_summarize(c.image, &summary);
  *dynamic = summary.dynamic;
  case_free(&c);
  return summary.n_nodes;
}

static void a_static_shape_chain_folds_to_one_reshape(void **state) {
  (void)state;
  bool dynamic;
  assert_int_equal(nodes_of("shape_chain_static", &dynamic), 1);
  assert_false(dynamic);
  assert_true(nodes_of("shape_chain_dynamic", &dynamic) > 1);
  assert_true(dynamic);
}

static void a_decided_if_becomes_its_branch(void **state) {
  (void)state;
  bool dynamic;
  assert_int_equal(nodes_of("if_constant_True", &dynamic), 1);
  assert_int_equal(nodes_of("if_constant_False", &dynamic), 1);
  assert_true(nodes_of("if_static_True", &dynamic) > 2);
  assert_false(dynamic);
}

static void constants_need_no_node(void **state) {
  (void)state;
  bool dynamic;
  assert_int_equal(nodes_of("constant_value", &dynamic), 0);
  assert_int_equal(nodes_of("typed_int8", &dynamic), 0);
}

static void nodes_that_nobody_uses_go(void **state) {
  (void)state;
  engine_case c = {0};
  mf_error err = {0};
  mf_image_summary summary;
  const int64_t dims[] = {4};
  mf_arena_init(&c.arena, 0);
  mf_graph *graph = mf_graph_create(&c.arena, NULL, &err);
  mf_value_id x = case_value(graph, "x", MF_FLOAT, 1, dims, NULL), y = case_node(graph, "Neg", "y", &x, 1), a = case_node(graph, "Exp", "a", &x, 1);
  case_node(graph, "Neg", "b", &a, 1);
  assert_true(mf_graph_set_io(graph, 0, &x, 1, &y, 1, &err));
  if (!case_compile(&c, graph, true, &err)) fail_msg("%s", err.message);
  mf_image_summarize(c.image, &summary);
  assert_int_equal(summary.n_nodes, 1);
  case_free(&c);
}

static void folding_keeps_to_its_limit(void **state) {
  (void)state;
  for (int limited = 0; limited < 2; limited++) {
    engine_case c = {0};
    mf_error err = {0};
    mf_image_summary summary;
    static float data[4096];
    const int64_t dims[] = {4096};
    mf_arena_init(&c.arena, 0);
    mf_graph *graph = mf_graph_create(&c.arena, NULL, &err);
    mf_value_id x = case_value(graph, "x", MF_FLOAT, 1, dims, NULL), w = case_value(graph, "w", MF_FLOAT, 1, dims, data);
    mf_value_id e = case_node(graph, "Exp", "e", &w, 1), y = case_node(graph, "Add", "y", (mf_value_id[]){x, e}, 2);
    mf_compile_options options = {.reference = true, .fold_limit_bytes = limited ? 1000 : 0};
    assert_true(mf_graph_set_io(graph, 0, &x, 1, &y, 1, &err));
    if (!mf_compile(graph, &options, &c.arena, &c.bytes, &err) || !mf_image_open(c.bytes, NULL, &c.arena, &c.image, &err)) fail_msg("%s", err.message);
    mf_image_summarize(c.image, &summary);
    assert_int_equal(summary.n_nodes, limited ? 2 : 1);
    case_free(&c);
  }
}

// Each node makes its constant twice as long: 4 kB in the model would be 4 TB in the image.
static void a_bomb_of_constants_stays_within_the_limit(void **state) {
  (void)state;
  enum { LIMIT = 1 << 20 };
  engine_case c = {0};
  mf_error err = {0};
  mf_image_summary summary;
  static float data[1024];
  const int64_t dims[] = {1024};
  char name[16];
  const mf_named_attribute axis = {"axis", {.type = MF_ATTR_INT, .count = 1, .i = 0}};
  mf_arena_init(&c.arena, 16 << 20);
  mf_graph *graph = mf_graph_create(&c.arena, NULL, &err);
  mf_value_id last = case_value(graph, "w", MF_FLOAT, 1, dims, data);
  for (int i = 0; i < 30; i++) {
    mf_value_id next;
    snprintf(name, sizeof name, "v%d", i);
    assert_true(mf_graph_add_value(graph, mf_str_from(name), NULL, &next, &err));
    assert_true(mf_graph_add_node(graph, 0, UINT32_MAX, "", "Concat", 13, mf_str_from(name), (mf_value_id[]){last, last}, 2, &next, 1, &axis, 1, &err));
    last = next;
  }
  assert_true(mf_graph_set_io(graph, 0, NULL, 0, &last, 1, &err));
  mf_compile_options options = {.fold_limit_bytes = LIMIT};
  if (!mf_compile(graph, &options, &c.arena, &c.bytes, &err) || !mf_image_open(c.bytes, NULL, &c.arena, &c.image, &err)) fail_msg("%s", err.message);
  mf_image_summarize(c.image, &summary);
  // What was folded in all is 8 kB + 16 kB + …; the last of them is in the image, the rest is left to an instance with 4 TB of memory.
  if (graph->folded_bytes > LIMIT || summary.constant_bytes > LIMIT)
    fail_msg("folding made %zu bytes of constants, the limit is %d; %llu are in the image", graph->folded_bytes, LIMIT, (unsigned long long)summary.constant_bytes);
  assert_true(summary.n_nodes > 20 && summary.arena_bytes > UINT64_C(1) << 40);
  assert_false(case_start(&c, &err));
  assert_int_equal(err.code, MF_OutOfMemory);
  case_free(&c);
}

static void graphs_by_hand_are_checked(void **state) {
  (void)state;
  engine_case c = {0};
  mf_error err = {0};
  mf_value_id missing = 77, id = 0;
  mf_arena_init(&c.arena, 0);
  mf_graph *graph = mf_graph_create(&c.arena, NULL, &err);
  assert_false(mf_graph_add_node(graph, 0, UINT32_MAX, "", "Neg", 13, MF_STR("n"), &missing, 1, &missing, 1, NULL, 0, &err));
  assert_int_equal(err.code, MF_InvalidModel);
  assert_false(mf_graph_add_node(graph, 0, UINT32_MAX, "none", "Neg", 1, MF_STR("n"), NULL, 0, NULL, 0, NULL, 0, &err));
  assert_string_equal(err.message, "operator 'Neg' of domain 'none' (opset 1) is not supported");
  assert_int_equal(mf_graph_find_value(graph, MF_STR("x")), MF_NO_VALUE);
  id = case_value(graph, "x", MF_FLOAT, 0, NULL, NULL);
  assert_int_equal(mf_graph_find_value(graph, MF_STR("x")), id);
  // A value that nobody makes.
  mf_value_id y = case_node(graph, "Neg", "y", &id, 1);
  assert_true(mf_graph_set_io(graph, 0, NULL, 0, &y, 1, &err));
  assert_false(case_compile(&c, graph, true, &err));
  assert_string_equal(err.message, "value 'x' is used but never made");
  case_free(&c);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_infer DIR\n"), 2;
  cases = argv[1];
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_static_shape_chain_folds_to_one_reshape), cmocka_unit_test(a_decided_if_becomes_its_branch),
    cmocka_unit_test(constants_need_no_node), cmocka_unit_test(nodes_that_nobody_uses_go), cmocka_unit_test(folding_keeps_to_its_limit),
    cmocka_unit_test(a_bomb_of_constants_stays_within_the_limit),
    cmocka_unit_test(graphs_by_hand_are_checked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
