// Pictures: JPEG, PNG and WebP bytes to RGB pixels, upright (EXIF orientation applied), as Pillow's
// ImageOps.exif_transpose(image).convert("RGB") gives them. Each format is one file; this is what
// they share.
#ifndef MF_PIPELINE_PICTURE_H
#define MF_PIPELINE_PICTURE_H

#include "base/base.h"

typedef enum mf_picture_format {
  MF_PICTURE_NONE,
  MF_PICTURE_JPEG,
  MF_PICTURE_PNG,
  MF_PICTURE_WEBP
} mf_picture_format;
mf_picture_format mf_picture_format_of(mf_slice bytes);  // by its first bytes
static inline bool mf_picture_is(mf_slice bytes) {
  return mf_picture_format_of(bytes) != MF_PICTURE_NONE;
}

typedef struct mf_picture_info {
  mf_picture_format format;
  uint32_t width, height;  // as stored
  uint8_t orientation;     // EXIF 1..8; 5..8 swap width and height
} mf_picture_info;
static inline bool mf_picture_swaps(const mf_picture_info *info) { return info->orientation >= 5; }

// Reads the header. InvalidPicture when it is damaged or has more than max_pixels pixels.
bool mf_picture_open(mf_slice bytes, uint64_t max_pixels, mf_picture_info *info,
                     mf_error *err) MF_MUST_CHECK;
// Decodes into `pixels`: 3 bytes each, rows without gaps, as stored (not yet turned).
bool mf_picture_decode(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels,
                       mf_error *err) MF_MUST_CHECK;
// Turns width x height pixels of 3 bytes upright. `to` must not overlap `from`.
void mf_picture_turn(const uint8_t *from, uint32_t width, uint32_t height, uint8_t orientation,
                     uint8_t *to);

// Orientation in an EXIF block (a TIFF header, with or without "Exif\0\0" before it); 1 when it
// says nothing or is damaged.
uint8_t mf_exif_orientation(mf_slice exif);

// One format each: width, height and orientation from the header; pixels as mf_picture_decode.
bool mf_jpeg_open(mf_slice bytes, mf_picture_info *info, mf_error *err) MF_MUST_CHECK;
bool mf_jpeg_decode(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels,
                    mf_error *err) MF_MUST_CHECK;
bool mf_png_open(mf_slice bytes, mf_picture_info *info, mf_error *err) MF_MUST_CHECK;
bool mf_png_decode(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels,
                   mf_error *err) MF_MUST_CHECK;
bool mf_webp_open(mf_slice bytes, mf_picture_info *info, mf_error *err) MF_MUST_CHECK;
bool mf_webp_decode(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels,
                    mf_error *err) MF_MUST_CHECK;
#endif
