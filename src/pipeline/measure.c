// A run at a usual size, see measure.h. It happens in the compiler's sandbox, as constant folding does, with the same kernels.
#include "measure.h"

#include <stdlib.h>

enum { USUAL_LENGTH = 224, MB = 1 << 20 };
static const uint64_t rooms[] = {64 * (uint64_t)MB, 256 * (uint64_t)MB, 1024 * (uint64_t)MB};

static bool set_input(mf_instance *instance, uint32_t at, int64_t length, mf_error *err) {
  mf_tensor *t = mf_instance_input(instance, at);
  size_t bytes;
  if (t->rank == MF_RANK_UNKNOWN) *t = (mf_tensor){.type = t->type, .rank = 1, .dims = {MF_DIM_UNKNOWN}};
  for (uint32_t d = 0; d < t->rank; d++)
    if (t->dims[d] < 0) t->dims[d] = d == 0 ? 1 : length;
  if (!mf_instance_alloc_input(instance, at, err) || !mf_tensor_bytes(t, &bytes)) return false;
  if (bytes) memset(t->data, 0, bytes);
  return true;
}

static bool run_at(const mf_image *image, uint64_t arena_bytes, uint64_t room, int64_t length, uint64_t *heap, mf_error *err) {
  // Not from an arena, which would touch it all: what the run does not use costs nothing.
  void *memory = aligned_alloc(64, (size_t)((arena_bytes + room + 63) / 64 * 64));
  mf_instance *instance = memory ? mf_instance_create(image, memory, arena_bytes + room, err) : NULL;
  bool good = instance != NULL;
  if (!memory) mf_fail(err, MF_OutOfMemory, "no memory to measure in");
  for (uint32_t i = 0; good && i < mf_image_n_inputs(image); i++) good = set_input(instance, i, length, err);
  good = good && mf_instance_run(instance, err);
  if (good) *heap = mf_instance_peak_bytes(instance) - arena_bytes;
  free(memory);
  return good;
}

static bool can_be_measured(const mf_image *image) {
  mf_image_node node;
  for (uint32_t i = 0; mf_image_node_at(image, i, &node); i++)
    if (node.op->flags & MF_OP_NO_FOLD || strcmp(node.op->name, "Loop") == 0) return false;
  for (uint32_t i = 0; i < mf_image_n_inputs(image); i++)
    if (mf_image_input(image, i)->shape.type == MF_STRING) return false;
  return true;
}

uint64_t mf_measure_usual_heap(const mf_image *image) {
  mf_image_summary summary;
  mf_error err = {0};
  uint64_t heap = 0;
  mf_image_summarize(image, &summary);
  if (!summary.dynamic || !can_be_measured(image)) return 0;
  for (size_t i = 0; i < MF_COUNT(rooms); i++) {
    if (run_at(image, summary.arena_bytes, rooms[i], USUAL_LENGTH, &heap, &err)) return heap;
    if (err.code != MF_OutOfMemory) break;
  }
  return run_at(image, summary.arena_bytes, rooms[0], 1, &heap, &err) ? heap : 0;
}
