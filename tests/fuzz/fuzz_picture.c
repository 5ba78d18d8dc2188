// Picture bytes to pixels: decoding, turning, resizing. Sides of the resize come from the last
// bytes.
#include <stdlib.h>

#include "pipeline/picture.h"
#include "pipeline/resample.h"

enum { MAX_PIXELS = 1 << 16 };

static void resize(const uint8_t *pixels, uint32_t width, uint32_t height, uint8_t filter,
                   uint8_t to_width, uint8_t to_height) {
  const mf_resize r = {(mf_resample)(filter & 3), 3, width, height, 1u + to_width, 1u + to_height};
  size_t scratch_bytes = mf_resize_scratch(&r);
  uint8_t *to = malloc((size_t)r.width * r.height * 3);
  void *scratch =
      scratch_bytes < 1 << 28 ? aligned_alloc(64, (scratch_bytes + 63) & ~(size_t)63) : NULL;
  if (to && scratch) mf_resize_run(&r, pixels, to, scratch);
  free(to);
  free(scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mf_error err;
  mf_picture_info info;
  const mf_slice bytes = {data, size};
  if (size < 3 || !mf_picture_open(bytes, MAX_PIXELS, &info, &err)) return 0;
  size_t n = (size_t)info.width * info.height * 3;
  uint8_t *pixels = malloc(n), *upright = malloc(n);
  if (pixels && upright && mf_picture_decode(bytes, &info, pixels, &err)) {
    bool swap = mf_picture_swaps(&info);
    mf_picture_turn(pixels, info.width, info.height, info.orientation, upright);
    resize(upright, swap ? info.height : info.width, swap ? info.width : info.height,
           data[size - 1], data[size - 2], data[size - 3]);
  }
  free(pixels);
  free(upright);
  return 0;
}
