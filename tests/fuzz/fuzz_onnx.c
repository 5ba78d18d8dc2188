// ONNX reader and compiler: hostile model bytes through reading, shape inference, folding, passes,
// plan and writing of the image. What compiles must open and run or say why not; what does not must
// say why. The bytes themselves choose kernels: reference, generic or the processor's best.
#include "mutate_proto.h"
#include "onnx-ml.pb-c.h"
#include "small_run.h"

enum { COMPILER_MEMORY = 24 << 20, FOLD_LIMIT = 256 << 10 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mf_error err = {.message = ""};
  mf_arena arena;
  mf_slice bytes;
  const mf_image *image;
  uint64_t choice = mf_hash64(data, size, 0) % 4;
  const mf_compile_options options = {.isa = choice < 2 ? MF_ISA_GENERIC : mf_isa_of_processor(),
                                      .reference = choice == 0,
                                      .fold_limit_bytes = FOLD_LIMIT};
  mf_arena_init(&arena, COMPILER_MEMORY);
  mf_graph *graph = mf_onnx_read((mf_slice){data, size}, &arena, NULL, NULL, NULL, &err);
  if (graph && mf_compile(graph, &options, &arena, &bytes, &err)) {
    must(mf_image_open(bytes, NULL, &arena, &image, &err) && mf_image_verify(image, &err));
    small_run(image, true);
  } else {
    must(err.code != MF_OK && err.message[0] != 0);
  }
  mf_arena_deinit(&arena);
  return 0;
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t capacity, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t capacity, unsigned seed) {
  size_t n =
      seed % 10 ? mutate_proto(&onnx__model_proto__descriptor, data, len, capacity, seed) : 0;
  return n ? n : LLVMFuzzerMutate(data, len, capacity);
}

size_t LLVMFuzzerCustomCrossOver(const uint8_t *data, size_t len, const uint8_t *from,
                                 size_t from_len, uint8_t *out, size_t capacity, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data, size_t len, const uint8_t *from,
                                 size_t from_len, uint8_t *out, size_t capacity, unsigned seed) {
  return cross_proto(&onnx__model_proto__descriptor, data, len, from, from_len, out, capacity,
                     seed);
}
