// Kept layouts: a run with input shapes seen before answers as a new instance does, whatever came between, without inferring a shape,
// without malloc, within the same memory; and what depends on elements is never kept.
//
// Usage: test_kept DIR [MODELS]. DIR is made by make_models.py; MODELS is a folder of real models (../shared/models).
#include <stdio.h>
#include <stdlib.h>

#include "case.h"
#include "engine/instance.h"

static const char *cases, *models;

// ---- counting malloc: the linker sends the engine's calls here (meson.build) ----
static unsigned mallocs;
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_malloc(size_t bytes) { return mallocs++, __real_malloc(bytes); }
void *__wrap_calloc(size_t n, size_t bytes) { return mallocs++, __real_calloc(n, bytes); }
void *__wrap_realloc(void *memory, size_t bytes) { return mallocs++, __real_realloc(memory, bytes); }

// ---- inputs ----
enum { MAX_INPUTS = 12, VARIANTS = 6, STEPS = 60, NEW_MEMORY = 1 << 20 };

typedef struct inputs {
  mf_tensor tensors[MAX_INPUTS];
  uint32_t n;
} inputs;

static mf_tensor matrix(engine_case *c, int64_t n, int64_t m, unsigned seed) {
  mf_tensor t = {.type = MF_FLOAT, .rank = 2, .dims = {n, m}};
  float *data = t.data = MF_NEW_ARRAY(&c->arena, float, (size_t)(n * m + 1));
  srand(seed);
  for (int64_t i = 0; i < n * m; i++) data[i] = (float)(rand() % 5 - 2);  // with zeroes
  return t;
}

static mf_tensor integers(engine_case *c, uint32_t rank, int64_t count, const int64_t *values) {
  mf_tensor t = {.type = MF_INT64, .rank = rank, .dims = {rank ? count : 0}};
  t.data = MF_NEW_ARRAY(&c->arena, int64_t, (size_t)count);
  memcpy(t.data, values, (size_t)count * sizeof *values);
  return t;
}

static mf_tensor boolean(engine_case *c, bool value) {
  mf_tensor t = {.type = MF_BOOL, .data = MF_NEW_ARRAY(&c->arena, uint8_t, 1)};
  *(uint8_t *)t.data = value;
  return t;
}

// Sizes 1 to 3 rows and 2 or 4 columns, so that shapes come back with other elements.
static void make_matrix(engine_case *c, unsigned variant, inputs *in) {
  in->tensors[in->n++] = matrix(c, 1 + variant % 3, 2 + 2 * (variant / 3 % 2), 100 + variant);
}
static void make_twins(engine_case *c, unsigned variant, inputs *in) { in->tensors[in->n++] = matrix(c, 3, 4, 200 + variant); }
static void make_request(engine_case *c, unsigned variant, inputs *in) {
  static const int64_t requests[VARIANTS][2] = {{3, 4}, {4, 3}, {12, 1}, {1, 12}, {2, 6}, {6, 2}};
  make_twins(c, variant, in);
  in->tensors[in->n++] = integers(c, 1, 2, requests[variant]);
  in->tensors[in->n++] = integers(c, 1, 1, (int64_t[]){variant % 3});
  in->tensors[in->n++] = integers(c, 1, 1, (int64_t[]){3});
}
static void make_condition(engine_case *c, unsigned variant, inputs *in) {
  make_twins(c, variant, in);
  if (variant % 2) in->tensors[0] = matrix(c, 2, 2, variant);
  in->tensors[in->n++] = boolean(c, variant / 2 % 2);
}
static void make_trips(engine_case *c, unsigned variant, inputs *in) {
  make_twins(c, variant, in);
  in->tensors[in->n++] = integers(c, 0, 1, (int64_t[]){variant});
  in->tensors[in->n++] = integers(c, 0, 1, (int64_t[]){4});
}

// Also no rows, and no columns.
static void make_empty(engine_case *c, unsigned variant, inputs *in) { in->tensors[in->n++] = matrix(c, variant % 3, variant / 3 % 2 * 4, 400 + variant); }
static void make_empty_trips(engine_case *c, unsigned variant, inputs *in) {
  make_trips(c, variant % 3, in);
  in->tensors[0] = matrix(c, 3 * (variant % 2), 4, 500 + variant);
}

// The first row is positive, so that what is negative is met later, or in a later run.
static void make_late(engine_case *c, unsigned variant, inputs *in) {
  in->tensors[in->n++] = matrix(c, 3, 5, 600 + variant);
  float *data = in->tensors[0].data;
  for (int i = 0; i < 15; i++) data[i] = (i < 5) == (variant % 3 != 2) ? 1 + (float)(i % 3) : -1 - (float)(i % 2);
}
static void make_late_trips(engine_case *c, unsigned variant, inputs *in) {
  make_trips(c, variant, in);
  inputs late = {.n = 0};
  make_late(c, variant, &late);
  in->tensors[0] = late.tensors[0];
}

// One row: with more of them, broadcasting would tell the sum's shape whatever the other operand's is.
static void make_row(engine_case *c, unsigned variant, inputs *in) {
  in->tensors[in->n++] = matrix(c, 1, 4, 300 + variant);
  in->tensors[in->n++] = integers(c, 1, 2, (int64_t[]){variant % 2 ? 1 : -1, 4});
}

typedef struct model {
  const char *name;
  void (*make)(engine_case *c, unsigned variant, inputs *in);
} model;

static const model all[] = {
  {"kept_chain", make_matrix},   {"kept_nonzero", make_twins},     {"kept_nonzero", make_matrix}, {"kept_request", make_request},
  {"kept_if_data", make_condition}, {"kept_if_shape", make_matrix}, {"kept_loop", make_trips},     {"kept_scan", make_matrix},
  {"kept_scan_growing", make_matrix}, {"kept_scan_growing", make_twins}, {"kept_taken", make_row},
  {"kept_scan_collected", make_matrix}, {"kept_scan_collected", make_empty}, {"kept_aliases", make_matrix}, {"kept_aliases", make_empty},
  {"kept_if_through_data", make_condition}, {"kept_if_through_shape", make_matrix}, {"kept_if_through_shape", make_empty},
  {"kept_scan_through", make_matrix}, {"kept_scan_through", make_empty}, {"kept_scan_nested", make_late}, {"kept_scan_nested", make_matrix},
  {"kept_scan_nested", make_empty}, {"kept_loop_scan", make_late_trips}, {"kept_loop_scan", make_empty_trips}, {"kept_scan_loop", make_late_trips},
  {"kept_scan_loop", make_empty_trips}, {"kept_scan_captures", make_twins}, {"kept_scan_captures", make_matrix}, {"kept_scan_scratch", make_matrix},
};

static bool run(mf_instance *instance, const inputs *in, mf_error *err) {
  mf_instance_reset(instance);
  for (uint32_t i = 0; i < in->n; i++) *mf_instance_input(instance, i) = in->tensors[i];
  return mf_instance_run(instance, err);
}

static void open_model(engine_case *c, const char *dir, const char *name, bool reference) {
  mf_error err = {0};
  mf_graph *graph = case_read(c, dir, name, &err);
  if (!graph || !case_compile(c, graph, reference, &err)) fail_msg("%s: %s", name, err.message);
}

// One of the small models, with an instance.
static void start_model(engine_case *c, const char *name, bool reference) {
  mf_error err = {0};
  open_model(c, cases, name, reference);
  if (!case_start(c, &err)) fail_msg("%s: %s", name, err.message);
}

static void expect_same_bits(const char *what, const mf_tensor *actual, const mf_tensor *expected) {
  size_t bytes;
  assert_true(mf_tensor_bytes(expected, &bytes));
  if (actual->type != expected->type || !mf_tensor_same_shape(actual, expected)) fail_msg("%s: another type or shape", what);
  for (size_t i = 0; i < bytes; i++)
    if (((const uint8_t *)actual->data)[i] != ((const uint8_t *)expected->data)[i]) fail_msg("%s: byte %zu of %zu differs", what, i, bytes);
}

// A new instance keeps nothing: its answer is what another's must be.
static void expect_as_new(engine_case *c, const char *name, mf_instance *instance, const inputs *in, size_t bytes, const char *when) {
  mf_error err = {0};
  char what[200];
  void *memory = aligned_alloc(64, bytes);
  mf_instance *fresh = mf_instance_create(c->image, memory, bytes, &err);
  if (!fresh || !run(fresh, in, &err)) fail_msg("%s, %s: a new instance: %s", name, when, err.message);
  for (uint32_t i = 0; i < mf_image_n_outputs(c->image); i++) {
    snprintf(what, sizeof what, "%s, %s, output %u", name, when, i);
    expect_same_bits(what, mf_instance_output(instance, i), mf_instance_output(fresh, i));
  }
  free(memory);
}

// ---- what the nodes did ----
typedef struct witness {
  mf_instance *instance;
  uint32_t ran, inferred;
} witness;

static void look(void *context, uint32_t node, int64_t start_ns) {
  witness *w = context;
  (void)start_ns;
  w->ran++;
  w->inferred += !!(w->instance->nodes[node].flags & MF_NODE_SHAPE);
}

static witness run_watched(engine_case *c, const char *name, const inputs *in) {
  witness w = {.instance = c->instance};
  mf_error err = {0};
  mf_instance_trace(c->instance, look, &w);
  if (!run(c->instance, in, &err)) fail_msg("%s: %s", name, err.message);
  mf_instance_trace(c->instance, NULL, NULL);
  return w;
}

// ---- tests ----
static void runs_answer_as_new_instances_do(void **state) {
  (void)state;
  for (size_t k = 0; k < 2 * MF_COUNT(all); k++) {
    const model *m = &all[k / 2];
    engine_case c;
    inputs in[VARIANTS] = {0};
    mf_error err = {0};
    start_model(&c, m->name, k % 2);
    for (unsigned v = 0; v < VARIANTS; v++) m->make(&c, v, &in[v]);
    srand(k < 2 ? 1 : 7);
    unsigned picks[STEPS];
    for (int step = 0; step < STEPS; step++) picks[step] = (unsigned)rand() % (step < STEPS / 2 ? 3 : VARIANTS);
    for (int step = 0; step < STEPS; step++) {
      char when[40];
      snprintf(when, sizeof when, "step %d, inputs %u", step, picks[step]);
      if (!run(c.instance, &in[picks[step]], &err)) fail_msg("%s, %s: %s", m->name, when, err.message);
      expect_as_new(&c, m->name, c.instance, &in[picks[step]], NEW_MEMORY, when);
    }
    case_free(&c);
  }
}

static void a_second_run_infers_nothing_and_calls_no_malloc(void **state) {
  (void)state;
  static const model kept[] = {{"kept_chain", make_matrix}, {"kept_if_shape", make_matrix}, {"kept_scan", make_matrix}};
  for (size_t k = 0; k < MF_COUNT(kept); k++) {
    engine_case c;
    inputs in[VARIANTS] = {0};
    start_model(&c, kept[k].name, false);
    for (unsigned v = 0; v < VARIANTS; v++) kept[k].make(&c, v, &in[v]);
    const witness first = run_watched(&c, kept[k].name, &in[0]), other = run_watched(&c, kept[k].name, &in[1]);
    assert_true(first.inferred > 3 && other.inferred > 3);
    mallocs = 0;
    for (int round = 0; round < 10; round++) {
      const witness again = run_watched(&c, kept[k].name, &in[round % 2]);
      if (again.inferred) fail_msg("%s: %u of %u nodes inferred shapes again", kept[k].name, again.inferred, again.ran);
    }
    assert_int_equal(mallocs, 0);
    void *volatile counted_one = malloc(1);
    free(counted_one);
    assert_int_equal(mallocs, 1);  // the counter counts
    case_free(&c);
  }
}

static void what_depends_on_elements_is_inferred_in_every_run(void **state) {
  (void)state;
  engine_case c;
  inputs in[VARIANTS] = {0};
  start_model(&c, "kept_request", false);
  for (unsigned v = 0; v < VARIANTS; v++) make_request(&c, v, &in[v]);
  run_watched(&c, "kept_request", &in[0]);
  for (unsigned v = 0; v < VARIANTS; v++) {
    const witness w = run_watched(&c, "kept_request", &in[v]);
    const mf_tensor *e = mf_instance_output(c.instance, 0);
    const int64_t *request = in[v].tensors[1].data;
    assert_true(e->dims[0] == request[0] && e->dims[1] == request[1]);
    assert_true(w.inferred >= 4 && w.inferred < w.ran);  // Reshape, Exp, Slice, Neg; Exp of x was kept
  }
  case_free(&c);
}

// A Scan whose state grows, which ONNX forbids and we allow: its body is run node by node, the rest is kept.
static void a_growing_scan_costs_nobody_else_their_layout(void **state) {
  (void)state;
  engine_case c;
  inputs in = {0};
  start_model(&c, "kept_scan_growing", false);
  make_twins(&c, 0, &in);
  const witness first = run_watched(&c, "first", &in), second = run_watched(&c, "second", &in), third = run_watched(&c, "third", &in);
  assert_int_equal(second.inferred, first.inferred);  // the first was given up when the state had grown, the second recorded
  assert_true(third.inferred < second.inferred && third.inferred > 0);
  case_free(&c);
}

// What is promised by ONNX and not by arithmetic is checked in every run.
static void a_layout_that_is_wrong_is_given_up(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  inputs in = {0};
  start_model(&c, "kept_scan", false);
  make_twins(&c, 0, &in);
  for (uint32_t kind = MF_PLACE_SLAB; kind <= MF_PLACE_ITEM; kind++) {
    if (kind != MF_PLACE_SLAB && kind != MF_PLACE_ITEM) continue;
    c.instance->kept.scans_vary = false;
    for (int round = 0; round < 3; round++) assert_true(run(c.instance, &in, &err));
    mf_kept *kept = &c.instance->kept;
    assert_non_null(kept->bound);
    uint32_t spoiled = 0;
    for (uint32_t i = 0; i < kept->n_places; i++)
      if (kept->bound->places[i].kind == kind) kept->bound->places[i].shape.dims[0]++, spoiled++;
    assert_true(spoiled);
    assert_true(run(c.instance, &in, &err));
    assert_null(kept->bound);
    assert_true(kept->scans_vary);
    expect_as_new(&c, "kept_scan", c.instance, &in, NEW_MEMORY, "after a wrong layout");
  }
  case_free(&c);
}

static void the_last_few_sizes_are_kept(void **state) {
  (void)state;
  engine_case c;
  inputs in[MF_KEPT_LAYOUTS + 1] = {0};
  start_model(&c, "kept_chain", false);
  for (uint32_t v = 0; v <= MF_KEPT_LAYOUTS; v++) in[v].tensors[in[v].n++] = matrix(&c, 1 + v, 5, v);
  for (uint32_t v = 0; v < MF_KEPT_LAYOUTS; v++) assert_true(run_watched(&c, "first", &in[v]).inferred > 0);
  for (uint32_t v = 0; v < MF_KEPT_LAYOUTS; v++) assert_int_equal(run_watched(&c, "again", &in[v]).inferred, 0);
  assert_int_equal(run_watched(&c, "used last", &in[0]).inferred, 0);
  assert_true(run_watched(&c, "one more", &in[MF_KEPT_LAYOUTS]).inferred > 0);
  assert_int_equal(run_watched(&c, "still there", &in[0]).inferred, 0);
  assert_true(run_watched(&c, "the oldest went", &in[1]).inferred > 0);
  assert_int_equal(run_watched(&c, "still there", &in[MF_KEPT_LAYOUTS]).inferred, 0);
  case_free(&c);
}

// The operator's own count of its shape function's calls, without a look inside the engine.
static unsigned shape_calls;
static bool shape_counted(mf_shape_call *call, mf_error *err) {
  (void)err;
  shape_calls++;
  call->outputs[0] = *call->inputs[0];
  return true;
}
static bool run_counted(mf_kernel_call *call, mf_error *err) {
  size_t bytes;
  if (!mf_tensor_bytes(call->outputs[0], &bytes)) return mf_fail(err, MF_Internal, "overflow");
  if (bytes) memcpy(call->outputs[0]->data, call->inputs[0]->data, bytes);
  return true;
}
static const mf_kernel counted_kernel = {.name = "counted", .run = run_counted};
static const mf_operator counted = {.domain = "test", .name = "Counted", .since = 1, .until = MF_OP_ANY, .min_inputs = 1, .max_inputs = 1,
                                    .min_outputs = 1, .max_outputs = 1, .shape = shape_counted,
                                    .kernels = (const mf_kernel *const[]){&counted_kernel, NULL}};
static const mf_operator_table counted_table = {(const mf_operator *const[]){&counted}, 1};

static void shape_functions_are_not_called_again(void **state) {
  (void)state;
  engine_case c = {0};
  mf_error err = {0};
  mf_isa isa = MF_ISA_GENERIC;
  mf_arena_init(&c.arena, 0);
  mf_graph *graph = mf_graph_create(&c.arena, &counted_table, &err);
  mf_value_id x = case_value(graph, "x", MF_FLOAT, 2, (int64_t[]){-1, -1}, NULL), y;
  assert_true(mf_graph_add_value(graph, MF_STR("y"), NULL, &y, &err));
  assert_true(mf_graph_add_node(graph, 0, UINT32_MAX, "test", "Counted", 1, MF_STR("n"), &x, 1, &y, 1, NULL, 0, &err));
  assert_true(mf_graph_set_io(graph, 0, &x, 1, &y, 1, &err) && mf_isa_detect(&isa, &err));
  assert_true(mf_compile(graph, &(mf_compile_options){.isa = isa}, &c.arena, &c.bytes, &err));
  assert_true(mf_image_open(c.bytes, &counted_table, &c.arena, &c.image, &err) && case_start(&c, &err));
  inputs in = {{matrix(&c, 2, 3, 1)}, 1}, other = {{matrix(&c, 3, 2, 2)}, 1};
  shape_calls = 0;
  assert_true(run(c.instance, &in, &err) && run(c.instance, &other, &err));
  assert_int_equal(shape_calls, 2);
  for (int i = 0; i < 10; i++) assert_true(run(c.instance, i % 2 ? &in : &other, &err));
  assert_int_equal(shape_calls, 2);
  case_expect_equal("y", mf_instance_output(c.instance, 0), &in.tensors[0]);
  case_free(&c);
}

// Whatever memory is enough for a run by itself is enough for it in any order of runs.
static void layouts_want_no_more_memory(void **state) {
  (void)state;
  for (size_t k = 0; k < MF_COUNT(all); k++) {
    engine_case c;
    mf_error err = {0};
    inputs in[VARIANTS] = {0};
    mf_image_summary summary;
    open_model(&c, cases, all[k].name, false);
    mf_image_summarize(c.image, &summary);
    for (unsigned v = 0; v < VARIANTS; v++) all[k].make(&c, v, &in[v]);
    for (size_t bytes = summary.arena_bytes, more = 0; more < 8192; more += 192) {
      char when[40];
      void *memory = aligned_alloc(64, bytes + more);
      snprintf(when, sizeof when, "%zu bytes more", more);
      bool alone[VARIANTS];
      for (unsigned v = 0; v < VARIANTS; v++) {
        mf_instance *fresh = mf_instance_create(c.image, memory, bytes + more, &err);
        assert_non_null(fresh);
        alone[v] = run(fresh, &in[v], &err);
      }
      mf_instance *instance = mf_instance_create(c.image, memory, bytes + more, &err);
      for (unsigned step = 0; step < 4 * VARIANTS; step++) {
        unsigned v = step % 7 % VARIANTS;
        bool good = run(instance, &in[v], &err);
        if (good != alone[v]) fail_msg("%s, %s, step %u: %s", all[k].name, when, step, good ? "ran, but not alone" : err.message);
        if (good) expect_as_new(&c, all[k].name, instance, &in[v], NEW_MEMORY, when);
        assert_true(mf_instance_peak_bytes(instance) <= bytes + more);
      }
      free(memory);
    }
    case_free(&c);
  }
}

// Inputs that lie in the arena's heap come and go beside the layout's memory.
static void inputs_in_the_arena_go_beside_the_layout(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  start_model(&c, "kept_chain", false);
  for (int round = 0; round < 60; round++) {
    inputs in = {{matrix(&c, 1 + round * 5 % 7, 4, (unsigned)round)}, 1};
    mf_tensor *x = mf_instance_input(c.instance, 0);
    *x = in.tensors[0];
    x->data = NULL;
    assert_true(mf_instance_alloc_input(c.instance, 0, &err));
    memcpy(x->data, in.tensors[0].data, (size_t)mf_tensor_count(x) * 4);
    assert_true(mf_instance_run(c.instance, &err));
    expect_as_new(&c, "kept_chain", c.instance, &in, NEW_MEMORY, "arena");
    assert_memory_equal(x->data, in.tensors[0].data, (size_t)mf_tensor_count(x) * 4);
  }
  case_free(&c);
}

// A failure in the middle of a subgraph leaves temporary memory and outputs behind; the next run must not touch them.
static void a_run_after_a_failure_is_as_good_as_new(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  start_model(&c, "kept_fails", false);
  for (int64_t round = 0; round < 30; round++) {
    int64_t rows = 2 + round % 2, at = round % 5;
    inputs in = {{matrix(&c, rows, 4, (unsigned)round), integers(&c, 0, 1, &at)}, 2};
    bool good = run(c.instance, &in, &err);
    if (good != (at < rows)) fail_msg("round %lld: %s", (long long)round, err.message);
    if (good) expect_as_new(&c, "kept_fails", c.instance, &in, NEW_MEMORY, "after failures");
  }
  case_free(&c);
}

// ---- real models ----
static void real_models_answer_the_same_again(void **state) {
  (void)state;
  // Silero's nets stand in the branches of an If on the sampling rate, an input: what follows on the If is inferred.
  static const struct {
    const char *name;
    uint32_t inferred;
  } real[] = {{"genai_tiny_gpt2_past", 0}, {"silero_vad_v5", 2}, {"silero_vad_legacy", 3}, {"silero_vad_half", 0}, {"tract_qlstm", 0},
              {"tract_lgbm_classifier", 0}, {"ch_ppocr_mobile_v2.0_cls_infer", 0}, {"tract_byte_sb_bidi_lstm", 0}};
  enum { REAL_MEMORY = 64 << 20 };
  if (!models) skip();
  for (size_t k = 0; k < MF_COUNT(real); k++) {
    engine_case c;
    mf_error err = {0};
    inputs in = {0};
    char folder[600];
    open_model(&c, models, real[k].name, false);
    snprintf(folder, sizeof folder, "%s/test_data_set_0", real[k].name);
    while (in.n < MAX_INPUTS && case_tensor(&c, models, folder, "input", in.n, &in.tensors[in.n])) in.n++;
    void *memory = aligned_alloc(64, REAL_MEMORY);
    c.instance = mf_instance_create(c.image, memory, REAL_MEMORY, &err);
    const witness first = run_watched(&c, real[k].name, &in);
    for (int round = 0; round < 3; round++) {
      const witness again = run_watched(&c, real[k].name, &in);
      if (again.inferred > real[k].inferred || again.ran != first.ran) fail_msg("%s: %u of %u nodes inferred shapes again", real[k].name, again.inferred, again.ran);
      expect_as_new(&c, real[k].name, c.instance, &in, REAL_MEMORY, "again");
    }
    free(memory);
    case_free(&c);
  }
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_kept DIR [MODELS]\n"), 2;
  cases = argv[1];
  models = argc > 2 ? argv[2] : NULL;
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(runs_answer_as_new_instances_do), cmocka_unit_test(a_second_run_infers_nothing_and_calls_no_malloc),
    cmocka_unit_test(what_depends_on_elements_is_inferred_in_every_run), cmocka_unit_test(a_growing_scan_costs_nobody_else_their_layout), cmocka_unit_test(a_layout_that_is_wrong_is_given_up),
    cmocka_unit_test(the_last_few_sizes_are_kept),
    cmocka_unit_test(shape_functions_are_not_called_again), cmocka_unit_test(layouts_want_no_more_memory),
    cmocka_unit_test(inputs_in_the_arena_go_beside_the_layout), cmocka_unit_test(a_run_after_a_failure_is_as_good_as_new),
    cmocka_unit_test(real_models_answer_the_same_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
