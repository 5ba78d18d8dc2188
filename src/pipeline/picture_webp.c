// WebP through libwebp; of an animation the first frame. Orientation comes from the EXIF chunk
// (RIFF container, WebP specification "Extended File Format").
#include <webp/decode.h>
#include <webp/demux.h>

#include "picture.h"

static bool damaged(mf_error *err) {
  return mf_fail(err, MF_InvalidPicture, "the WebP picture is damaged");
}

static uint32_t read32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint8_t orientation_of(mf_slice bytes) {
  const uint8_t *p = bytes.data;
  for (size_t at = 12; bytes.len - at >= 8;) {
    size_t size = read32(p + at + 4), left = bytes.len - at - 8;
    if (size > left) break;
    if (memcmp(p + at, "EXIF", 4) == 0) return mf_exif_orientation((mf_slice){p + at + 8, size});
    at += 8 + MF_MIN(size + (size & 1), left);
  }
  return 1;
}

bool mf_webp_open(mf_slice bytes, mf_picture_info *info, mf_error *err) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data, bytes.len, &features) != VP8_STATUS_OK || features.width <= 0 ||
      features.height <= 0)
    return damaged(err);
  info->width = (uint32_t)features.width;
  info->height = (uint32_t)features.height;
  info->orientation = orientation_of(bytes);
  return true;
}

static bool first_frame(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels,
                        mf_error *err) {
  WebPAnimDecoderOptions options;
  WebPAnimDecoderOptionsInit(&options);
  options.color_mode = MODE_RGBA;
  const WebPData data = {bytes.data, bytes.len};
  WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
  uint8_t *frame = NULL;
  int time = 0;
  WebPAnimInfo canvas;
  bool ok = decoder && WebPAnimDecoderGetInfo(decoder, &canvas) &&
            canvas.canvas_width == info->width && canvas.canvas_height == info->height &&
            WebPAnimDecoderGetNext(decoder, &frame, &time);
  for (size_t i = 0, n = ok ? (size_t)info->width * info->height : 0; i < n; i++)
    memcpy(pixels + 3 * i, frame + 4 * i, 3);
  WebPAnimDecoderDelete(decoder);
  return ok ? true : damaged(err);
}

bool mf_webp_decode(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels, mf_error *err) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data, bytes.len, &features) != VP8_STATUS_OK) return damaged(err);
  if (features.has_animation) return first_frame(bytes, info, pixels, err);
  size_t stride = (size_t)info->width * 3;
  if (stride > INT32_MAX || (uint32_t)features.width != info->width ||
      (uint32_t)features.height != info->height)
    return damaged(err);
  return WebPDecodeRGBInto(bytes.data, bytes.len, pixels, stride * info->height, (int)stride)
             ? true
             : damaged(err);
}
