// What the picture formats share: telling them apart, the limit on pixels, turning upright.
#include "picture.h"

mf_picture_format mf_picture_format_of(mf_slice bytes) {
  const char *p = bytes.data;
  if (bytes.len >= 3 && memcmp(p, "\xff\xd8\xff", 3) == 0) return MF_PICTURE_JPEG;
  if (bytes.len >= 8 && memcmp(p, "\x89PNG\r\n\x1a\n", 8) == 0) return MF_PICTURE_PNG;
  if (bytes.len >= 12 && memcmp(p, "RIFF", 4) == 0 && memcmp(p + 8, "WEBP", 4) == 0)
    return MF_PICTURE_WEBP;
  return MF_PICTURE_NONE;
}

static bool open_format(mf_slice bytes, mf_picture_info *info, mf_error *err) {
  switch (info->format) {
    case MF_PICTURE_JPEG: return mf_jpeg_open(bytes, info, err);
    case MF_PICTURE_PNG: return mf_png_open(bytes, info, err);
    case MF_PICTURE_WEBP: return mf_webp_open(bytes, info, err);
    case MF_PICTURE_NONE: break;
  }
  return mf_fail(err, MF_InvalidPicture, "%zu bytes are no JPEG, PNG or WebP picture", bytes.len);
}

bool mf_picture_open(mf_slice bytes, uint64_t max_pixels, mf_picture_info *info, mf_error *err) {
  *info = (mf_picture_info){.format = mf_picture_format_of(bytes), .orientation = 1};
  if (!open_format(bytes, info, err)) return false;
  if (info->width == 0 || info->height == 0)
    return mf_fail(err, MF_InvalidPicture, "the picture has no pixels");
  if ((uint64_t)info->width * info->height > max_pixels)
    return mf_fail(err, MF_InvalidPicture,
                   "the picture has %u x %u pixels, the function takes at most %llu", info->width,
                   info->height, (unsigned long long)max_pixels);
  return true;
}

bool mf_picture_decode(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels,
                       mf_error *err) {
  switch (info->format) {
    case MF_PICTURE_JPEG: return mf_jpeg_decode(bytes, info, pixels, err);
    case MF_PICTURE_PNG: return mf_png_decode(bytes, info, pixels, err);
    case MF_PICTURE_WEBP: return mf_webp_decode(bytes, info, pixels, err);
    case MF_PICTURE_NONE: break;
  }
  return mf_fail(err, MF_InvalidPicture, "no picture");
}

// EXIF 2.32 §4.6.4, tag 0x0112: where the stored row 0 and column 0 are on the upright picture.
void mf_picture_turn(const uint8_t *from, uint32_t width, uint32_t height, uint8_t orientation,
                     uint8_t *to) {
  bool swap = orientation >= 5;
  bool mirror_x = orientation == 2 || orientation == 3 || orientation == 7 ||
                  orientation == 8;  // of the stored picture
  bool mirror_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  size_t out_width = swap ? height : width, out_height = swap ? width : height;
  for (size_t y = 0; y < out_height; y++) {
    for (size_t x = 0; x < out_width; x++, to += 3) {
      size_t column = swap ? y : x, row = swap ? x : y;
      if (mirror_x) column = width - 1 - column;
      if (mirror_y) row = height - 1 - row;
      memcpy(to, from + (row * width + column) * 3, 3);
    }
  }
}
