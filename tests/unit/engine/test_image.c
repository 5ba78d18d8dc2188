// Model images: what a flipped bit, a cut or a forged record does. Every flip in the metadata and every cut must be refused; forged
// images (with right checksums) must be refused or be as safe as a right one.
#include <stdio.h>
#include <stdlib.h>

#include "case.h"
#include "engine/image.h"

static const char *cases;

static void compile_case(engine_case *c, const char *name) {
  mf_error err = {0};
  mf_graph *graph = case_read(c, cases, name, &err);
  if (!graph || !case_compile(c, graph, false, &err)) fail_msg("%s: %s", name, err.message);
}

static bool opens(mf_slice bytes, mf_error *err) {
  static char memory[1 << 20];
  mf_arena arena;
  const mf_image *image;
  mf_arena_init_fixed(&arena, memory, sizeof memory);
  return mf_image_open(bytes, NULL, &arena, &image, err) && mf_image_verify(image, err);
}

static const char *const models[] = {"loop_dynamic", "if_dynamic_True", "shape_chain_static", "strings", "texts", "scan_static"};

static void every_flipped_bit_is_found(void **state) {
  (void)state;
  for (size_t k = 0; k < MF_COUNT(models); k++) {
    engine_case c;
    compile_case(&c, models[k]);
    uint8_t *bytes = (uint8_t *)(uintptr_t)c.bytes.data;
    const mf_image_header *h = c.bytes.data;
    uint64_t metadata = h->metadata_bytes, constants = h->constants_offset;
    for (size_t bit = 0; bit < c.bytes.len * 8; bit++) {
      mf_error err = {0};
      if (bit / 8 >= metadata && bit / 8 < constants) continue;  // padding
      bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
      if (opens(c.bytes, &err)) fail_msg("%s: bit %zu of byte %zu was not missed", models[k], bit % 8, bit / 8);
      assert_int_equal(err.code, MF_InvalidImage);
      bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    case_free(&c);
  }
}

static void every_cut_is_found(void **state) {
  (void)state;
  engine_case c;
  compile_case(&c, "loop_dynamic");
  for (size_t len = 0; len < c.bytes.len; len++) {
    mf_error err = {0};
    if (opens((mf_slice){c.bytes.data, len}, &err)) fail_msg("%zu of %zu bytes were taken for a whole image", len, c.bytes.len);
    assert_int_equal(err.code, MF_InvalidImage);
  }
  case_free(&c);
}

// Bytes of the metadata are changed and the checksum is made right again: the image opens or is refused, nothing is read outside it
// (the sanitizers watch), and what opens keeps its planned values inside the planned region.
static void forged_records_do_no_harm(void **state) {
  (void)state;
  uint32_t opened = 0, refused = 0;
  srand(11);
  for (size_t k = 0; k < MF_COUNT(models); k++) {
    engine_case c;
    compile_case(&c, models[k]);
    uint8_t *bytes = (uint8_t *)(uintptr_t)c.bytes.data;
    mf_image_header *h = (mf_image_header *)(uintptr_t)c.bytes.data;
    uint64_t metadata = h->metadata_bytes, hash = h->metadata_hash;
    for (size_t at = 0; at < metadata; at++) {
      static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
      uint8_t before = bytes[at];
      if (at >= offsetof(mf_image_header, metadata_hash) && at < offsetof(mf_image_header, metadata_bytes) + 8) continue;
      for (size_t v = 0; v < MF_COUNT(values); v++) {
        mf_error err = {0};
        bytes[at] = values[v];
        h->metadata_hash = mf_image_metadata_hash(bytes, metadata);
        if (opens(c.bytes, &err)) opened++;
        else refused++, assert_int_equal(err.code, MF_InvalidImage);
      }
      bytes[at] = before;
      h->metadata_hash = hash;
    }
    mf_error err = {0};
    assert_true(opens(c.bytes, &err));
    case_free(&c);
  }
  assert_true(refused > 1000 && opened > 0);
}

// The summary says what an instance needs, and an instance needs no more.
static void forged_planned_regions_are_refused(void **state) {
  (void)state;
  engine_case c;
  compile_case(&c, "scan_static");
  mf_image_header *h = (mf_image_header *)(uintptr_t)c.bytes.data;
  const uint64_t right = h->planned_bytes, wrong[] = {right + 1, right + 63, UINT64_MAX, UINT64_MAX - 63, UINT64_C(1) << 63};
  for (size_t i = 0; i < MF_COUNT(wrong); i++) {
    mf_error err = {0};
    h->planned_bytes = wrong[i];
    h->metadata_hash = mf_image_metadata_hash(h, h->metadata_bytes);
    if (opens(c.bytes, &err)) fail_msg("an image with a planned region of %llu bytes was taken", (unsigned long long)wrong[i]);
    assert_non_null(strstr(err.message, "planned region"));
  }
  case_free(&c);
}

// A block of memory that a node hands on belongs to its output: an input that lives on must not be handed on.
static uint32_t forge_hand_overs(const char *name) {
  engine_case c;
  compile_case(&c, name);
  mf_image_header *h = (mf_image_header *)(uintptr_t)c.bytes.data;
  mf_image_section *section = &h->sections[MF_SECTION_NODES];
  mf_image_node_record *nodes = (mf_image_node_record *)((uintptr_t)c.bytes.data + section->offset);
  uint32_t forged = 0;
  for (uint64_t i = 0; i < section->count; i++) {
    mf_error err = {0};
    if (!(nodes[i].flags & MF_NODE_INPLACE)) continue;
    const uint32_t releases = nodes[i].n_releases;
    nodes[i].n_releases = 0;
    h->metadata_hash = mf_image_metadata_hash(h, h->metadata_bytes);
    if (opens(c.bytes, &err)) fail_msg("%s: node %llu hands on what others may read", name, (unsigned long long)i);
    nodes[i].n_releases = releases;
    forged++;
  }
  case_free(&c);
  return forged;
}

// A body runs as often as it likes: it must not free what was made around it.
static uint32_t forge_releases(const char *name) {
  engine_case c;
  compile_case(&c, name);
  mf_image_header *h = (mf_image_header *)(uintptr_t)c.bytes.data;
  uint8_t *base = (uint8_t *)(uintptr_t)c.bytes.data;
  const mf_image_plan *plans = (void *)(base + h->sections[MF_SECTION_PLANS].offset);
  const mf_image_node_record *nodes = (void *)(base + h->sections[MF_SECTION_NODES].offset);
  uint32_t *ids = (void *)(base + h->sections[MF_SECTION_IDS].offset), forged = 0;
  for (uint32_t p = 1; p < h->sections[MF_SECTION_PLANS].count; p++) {
    for (uint32_t n = 0; plans[p].n_releases > 0 && n < plans[0].n_nodes; n++) {
      mf_error err = {0};
      const uint32_t right = ids[plans[p].releases], around = ids[nodes[n].outputs];
      ids[plans[p].releases] = around;
      h->metadata_hash = mf_image_metadata_hash(h, h->metadata_bytes);
      if (opens(c.bytes, &err)) fail_msg("%s: plan %u frees value %u, made around it", name, p, around);
      ids[plans[p].releases] = right;
      forged++;
    }
  }
  case_free(&c);
  return forged;
}

static void bodies_free_nothing_but_their_own(void **state) {
  (void)state;
  assert_true(forge_releases("kept_if_through_data") > 0);
}

static void forged_hand_overs_are_refused(void **state) {
  (void)state;
  assert_true(forge_hand_overs("kept_chain") > 0);
}

// Texts have pointers inside: no number may be written where one lies.
static uint32_t forge_numbers_among_texts(const char *name) {
  engine_case c;
  compile_case(&c, name);
  mf_image_header *h = (mf_image_header *)(uintptr_t)c.bytes.data;
  mf_image_section *section = &h->sections[MF_SECTION_VALUES];
  mf_image_value *values = (mf_image_value *)((uintptr_t)c.bytes.data + section->offset);
  uint32_t forged = 0, text = 0;
  while (text < section->count && !(values[text].storage == MF_STORAGE_PLANNED && values[text].type == MF_STRING)) text++;
  for (uint32_t i = 0; text < section->count && i < section->count; i++) {
    mf_error err = {0};
    if (values[i].storage != MF_STORAGE_PLANNED || values[i].type == MF_STRING) continue;
    const uint64_t offset = values[i].offset;
    values[i].offset = values[text].offset;
    h->metadata_hash = mf_image_metadata_hash(h, h->metadata_bytes);
    if (opens(c.bytes, &err)) fail_msg("%s: value %u lies where a text is", name, i);
    assert_non_null(strstr(err.message, "among texts"));
    values[i].offset = offset;
    forged++;
  }
  case_free(&c);
  return forged;
}

static void numbers_among_texts_are_refused(void **state) {
  (void)state;
  assert_true(forge_numbers_among_texts("texts") > 0);
}

static void what_is_no_image_is_said_to_be_none(void **state) {
  (void)state;
  _Alignas(64) char text[512] = "something else";
  mf_error err = {0};
  assert_false(mf_image_is((mf_slice){text, sizeof text}));
  assert_false(opens((mf_slice){text, sizeof text}, &err));
  assert_string_equal(err.message, "not a model image");
}

static void signature_and_metadata_travel(void **state) {
  (void)state;
  engine_case c;
  mf_error err = {0};
  mf_graph *graph = case_read(&c, cases, "symbolic_dimension", &err);
  assert_non_null(graph);
  graph->metadata = (mf_slice){"labels", 6};
  if (!case_compile(&c, graph, false, &err)) fail_msg("%s", err.message);
  mf_slice metadata = mf_image_metadata(c.image);
  assert_int_equal(metadata.len, 6);
  assert_memory_equal(metadata.data, "labels", 6);
  const mf_signature_entry *input = mf_image_input(c.image, 0);
  assert_true(mf_str_is(input->name, "x"));
  assert_int_equal(input->shape.dims[0], MF_DIM_UNKNOWN);
  assert_int_equal(input->shape.dims[1], 3);
  assert_true(mf_str_is(input->dim_names[0], "batch"));
  case_free(&c);
}

static void equal_constants_are_stored_once(void **state) {
  (void)state;
  engine_case c = {0};
  mf_error err = {0};
  static float weights[2][65536];
  const int64_t dims[] = {65536};
  mf_arena_init(&c.arena, 0);
  mf_graph *graph = mf_graph_create(&c.arena, NULL, &err);
  for (int i = 0; i < 65536; i++) weights[0][i] = weights[1][i] = (float)i;
  mf_value_id x = case_value(graph, "x", MF_FLOAT, 1, dims, NULL), a = case_value(graph, "a", MF_FLOAT, 1, dims, weights[0]),
              b = case_value(graph, "b", MF_FLOAT, 1, dims, weights[1]);
  mf_value_id sum = case_node(graph, "Add", "sum", (mf_value_id[]){x, a}, 2), y = case_node(graph, "Mul", "y", (mf_value_id[]){sum, b}, 2);
  assert_true(mf_graph_set_io(graph, 0, &x, 1, &y, 1, &err));
  if (!case_compile(&c, graph, true, &err)) fail_msg("%s", err.message);
  mf_image_summary summary;
  mf_image_summarize(c.image, &summary);
  assert_int_equal(summary.constant_bytes, sizeof weights[0]);
  case_free(&c);
}

int main(int argc, char **argv) {
  if (argc < 2) return fprintf(stderr, "usage: test_image DIR\n"), 2;
  cases = argv[1];
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_flipped_bit_is_found), cmocka_unit_test(every_cut_is_found), cmocka_unit_test(forged_records_do_no_harm),
    cmocka_unit_test(forged_planned_regions_are_refused), cmocka_unit_test(forged_hand_overs_are_refused),
      cmocka_unit_test(numbers_among_texts_are_refused), cmocka_unit_test(bodies_free_nothing_but_their_own),
    cmocka_unit_test(what_is_no_image_is_said_to_be_none), cmocka_unit_test(signature_and_metadata_travel),
    cmocka_unit_test(equal_constants_are_stored_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
