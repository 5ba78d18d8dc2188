// JSON to tensor and back: the first byte chooses a small model, the rest is the payload. An answer
// must be JSON (jansson is the judge), an error must have a message, and the next payload must be
// answered as if nothing had been.
#include <jansson.h>
#include <stdlib.h>

#include "pipeline/pipeline.h"

enum { MODELS = 6, MEMORY = 1 << 20, OUT = 1 << 20 };
static mf_responder *responders[MODELS];
static char *out;

typedef struct io {
  const char *name;
  mf_tensor shape;
} io;
#define OPEN MF_DIM_UNKNOWN
static const io inputs[MODELS][2] = {
    {{"x", {MF_FLOAT, 2, {OPEN, 3}, NULL}}},
    {{"x", {MF_FLOAT, 2, {1, 2}, NULL}}, {"ids", {MF_INT64, 1, {2}, NULL}}},
    {{"text", {MF_STRING, 1, {OPEN}, NULL}}},
    {{"bytes", {MF_UINT8, 1, {OPEN}, NULL}}},
    {{"flags", {MF_BOOL, 3, {OPEN, OPEN, 2}, NULL}}, {"half", {MF_FLOAT16, 1, {OPEN}, NULL}}},
    {{"any", {MF_DOUBLE, MF_RANK_UNKNOWN, {0}, NULL}}},
};

static void must(bool ok) {
  if (!ok) abort();
}

// Each input goes to an output as it is.
static mf_responder *make(const io *list, mf_arena *arena) {
  mf_error err;
  mf_slice bytes;
  const mf_image *image;
  mf_value_id in[2], outs[2];
  uint32_t n = list[1].name ? 2 : 1;
  mf_graph *graph = mf_graph_create(arena, &mf_pipeline_operators, &err);
  must(graph != NULL);
  for (uint32_t i = 0; i < n; i++) {
    char name[16] = "out0";
    name[3] = (char)('0' + i);
    must(mf_graph_add_value(graph, mf_str_from(list[i].name), &list[i].shape, &in[i], &err));
    must(mf_graph_add_value(graph, mf_str_from(name), NULL, &outs[i], &err));
    must(mf_graph_add_node(graph, 0, UINT32_MAX, "", "Identity", 16, mf_str_from(name), &in[i], 1,
                           &outs[i], 1, NULL, 0, &err));
  }
  must(mf_graph_set_io(graph, 0, in, n, outs, n, &err));
  must(mf_compile(graph, &(mf_compile_options){.isa = MF_ISA_GENERIC}, arena, &bytes, &err));
  must(mf_image_open(bytes, &mf_pipeline_operators, arena, &image, &err));
  void *memory = aligned_alloc(4096, MEMORY);
  must(memory != NULL);
  mf_responder *responder = mf_responder_create(image, memory, MEMORY, &err);
  must(responder != NULL);
  return responder;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  static mf_arena arena;
  mf_arena_init(&arena, 0);
  for (int i = 0; i < MODELS; i++) responders[i] = make(inputs[i], &arena);
  out = malloc(OUT);
  must(out != NULL);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mf_error err = {.message = ""};
  size_t len = 0;
  if (size == 0) return 0;
  // A copy of its own size, so that reading beyond the end is seen.
  char *payload = malloc(size - 1 ? size - 1 : 1);
  must(payload != NULL);
  memcpy(payload, data + 1, size - 1);
  bool ok = mf_responder_answer(responders[data[0] % MODELS], (mf_slice){payload, size - 1}, out,
                                OUT, &len, &err);
  free(payload);
  if (!ok) {
    must(err.message[0] != 0);
    return 0;
  }
  json_error_t why;
  json_t *json =
      json_loadb(out, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
  must(json != NULL);
  json_decref(json);
  return 0;
}
