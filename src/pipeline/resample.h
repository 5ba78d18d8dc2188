// Resizing of 8-bit pictures, equal to Pillow's Image.resize byte for byte (nearest, bilinear,
// bicubic, lanczos): models were trained with pictures that it made. Filters widen when a picture
// shrinks (antialiasing), as there.
#ifndef MF_PIPELINE_RESAMPLE_H
#define MF_PIPELINE_RESAMPLE_H

#include "base/base.h"

// The numbers are Pillow's.
typedef enum mf_resample {
  MF_NEAREST = 0,
  MF_LANCZOS = 1,
  MF_BILINEAR = 2,
  MF_BICUBIC = 3
} mf_resample;

typedef struct mf_resize {
  mf_resample filter;
  uint32_t channels;
  uint32_t from_width, from_height, width, height;
} mf_resize;

// Bytes that mf_resize_run needs for the pass in between and the filter's coefficients; SIZE_MAX:
// too large.
size_t mf_resize_scratch(const mf_resize *resize);
// from: from_height x from_width pixels of `channels` bytes, rows without gaps; to: height x width.
// scratch: aligned to 64 bytes.
void mf_resize_run(const mf_resize *resize, const uint8_t *from, uint8_t *to, void *scratch);
#endif
