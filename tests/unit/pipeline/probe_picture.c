// The probe's picture half:
//   probe decode              a picture -> two little-endian uint32 (width, height) and RGB bytes,
//   upright probe resize              seven uint32 (filter, channels, width, height, new width, new
//   height, 0) and pixels, over and over
//                             -> pixels, over and over
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/picture.h"
#include "pipeline/resample.h"
#include "probe.h"

static mf_slice read_all(void) {
  size_t len = 0, capacity = 1 << 20;
  char *data = malloc(capacity);
  for (size_t n; data && (n = fread(data + len, 1, capacity - len, stdin)) > 0;) {
    len += n;
    if (len == capacity) data = realloc(data, capacity *= 2);
  }
  return (mf_slice){data, len};
}

static int decode_bytes(mf_slice bytes) {
  mf_error err;
  mf_picture_info info;
  if (!mf_picture_open(bytes, UINT64_C(1) << 26, &info, &err))
    return fprintf(stderr, "%s: %s\n", mf_code_name(err.code), err.message), 1;
  size_t size = (size_t)info.width * info.height * 3;
  uint8_t *pixels = malloc(size), *upright = malloc(size);
  bool ok = pixels && upright && mf_picture_decode(bytes, &info, pixels, &err);
  if (ok) {
    uint32_t sides[2] = {info.width, info.height};
    if (mf_picture_swaps(&info)) sides[0] = info.height, sides[1] = info.width;
    mf_picture_turn(pixels, info.width, info.height, info.orientation, upright);
    fwrite(sides, sizeof sides, 1, stdout);
    fwrite(upright, 1, size, stdout);
  } else {
    fprintf(stderr, "%s: %s\n", mf_code_name(err.code), err.message);
  }
  free(pixels);
  free(upright);
  return ok ? 0 : 1;
}

static int decode(void) {
  mf_slice bytes = read_all();
  int status = decode_bytes(bytes);
  free((void *)(uintptr_t)bytes.data);
  return status;
}

static int resize(void) {
  uint32_t head[7];
  while (fread(head, sizeof head, 1, stdin) == 1) {
    const mf_resize r = {(mf_resample)head[0], head[1], head[2], head[3], head[4], head[5]};
    size_t in = (size_t)head[1] * head[2] * head[3], out = (size_t)head[1] * head[4] * head[5];
    uint8_t *from = malloc(in), *to = malloc(out);
    void *scratch = aligned_alloc(64, (mf_resize_scratch(&r) + 63) & ~(size_t)63);
    if (!from || !to || !scratch || fread(from, 1, in, stdin) != in) return 1;
    mf_resize_run(&r, from, to, scratch);
    fwrite(to, 1, out, stdout);
    free(from);
    free(to);
    free(scratch);
  }
  return 0;
}

int probe_picture(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "resize") == 0) return resize();
  if (argc > 1 && strcmp(argv[1], "decode") == 0) return decode();
  fprintf(stderr, "usage: see the head of the source\n");
  return 2;
}
