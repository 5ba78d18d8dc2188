// A package (zip or bare model) to a model image. What compiles must open and bind; what does not
// must say why, the same in the report.
#include <stdlib.h>

#include "pipeline/pipeline.h"

enum { UNZIPPED = 4 << 20, COMPILER_MEMORY = 256 << 20, MEMORY = 16 << 20 };

static void must(bool ok) {
  if (!ok) abort();
}

static void bind(mf_slice bytes, mf_arena *arena, const mf_package_report *report) {
  mf_error err;
  const mf_image *image;
  must(mf_image_open(bytes, &mf_pipeline_operators, arena, &image, &err));
  must(report->description_len <= sizeof report->description);
  if (report->arena_bytes > MEMORY) return;
  size_t size = (size_t)(report->arena_bytes + 4095) & ~(size_t)4095;
  void *memory = aligned_alloc(4096, size);
  if (memory) must(mf_responder_create(image, memory, size, &err) != NULL);
  free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static mf_package_report report;
  mf_error err = {.message = ""};
  mf_arena arena;
  mf_slice image;
  mf_arena_init(&arena, COMPILER_MEMORY);
  const mf_package_options options = {.isa = MF_ISA_GENERIC, .max_unzipped_bytes = UNZIPPED};
  if (mf_package_compile((mf_slice){data, size}, &options, &arena, &image, &report, &err))
    bind(image, &arena, &report);
  else
    must(err.message[0] != 0 && report.code == (uint32_t)err.code);
  mf_arena_deinit(&arena);
  return 0;
}
