// PNG through libpng: grey, palette, colour, 1 to 16 bits, interlaced or not. Alpha and
// transparency are dropped, as Pillow's convert("RGB") does, and 16-bit samples give their high
// byte. (Pillow 9.4 clips 16-bit *grey* at 255, which leaves nearly every such picture white; here
// it is treated as 16-bit colour is.)
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include "picture.h"

typedef struct job {
  png_structp png;
  png_infop info;
  const uint8_t *next;
  size_t left;
  uint8_t **rows;
  char message[128];
} job;

static void on_error(png_structp png, png_const_charp message) {
  job *j = png_get_error_ptr(png);
  snprintf(j->message, sizeof j->message, "%s", message);
  png_longjmp(png, 1);
}
static void on_warning(png_structp png, png_const_charp message) { (void)png, (void)message; }

static void read_bytes(png_structp png, png_bytep out, size_t len) {
  job *j = png_get_io_ptr(png);
  if (len > j->left) png_error(png, "the data ends early");
  memcpy(out, j->next, len);
  j->next += len;
  j->left -= len;
}

static void end(job *j) {
  png_destroy_read_struct(&j->png, &j->info, NULL);
  free(j->rows);
}

static bool failed(job *j, mf_error *err) {
  end(j);
  return mf_fail(err, MF_InvalidPicture, "the PNG picture is damaged: %s", j->message);
}

static bool begin(job *j, mf_slice bytes, mf_error *err) {
  enum { MAX_CHUNK = 8 << 20, MAX_SIDE = 1000000 };
  *j = (job){.next = bytes.data, .left = bytes.len};
  j->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, j, on_error, on_warning);
  j->info = j->png ? png_create_info_struct(j->png) : NULL;
  if (!j->info) {
    end(j);
    return mf_fail(err, MF_OutOfMemory, "no memory left to decode the picture");
  }
  png_set_read_fn(j->png, j, read_bytes);
  png_set_user_limits(j->png, MAX_SIDE, MAX_SIDE);
  png_set_chunk_malloc_max(j->png, MAX_CHUNK);
  return true;
}

bool mf_png_open(mf_slice bytes, mf_picture_info *info, mf_error *err) {
  job j;
  png_bytep exif = NULL;
  png_uint_32 exif_len = 0;
  if (!begin(&j, bytes, err)) return false;
  if (setjmp(png_jmpbuf(j.png))) return failed(&j, err);
  png_read_info(j.png, j.info);
  info->width = png_get_image_width(j.png, j.info);
  info->height = png_get_image_height(j.png, j.info);
  if (png_get_eXIf_1(j.png, j.info, &exif_len, &exif))
    info->orientation = mf_exif_orientation((mf_slice){exif, exif_len});
  end(&j);
  return true;
}

static void to_rgb8(job *j) {
  int colour = png_get_color_type(j->png, j->info), bits = png_get_bit_depth(j->png, j->info);
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(j->png);
  if (colour == PNG_COLOR_TYPE_GRAY && bits < 8) png_set_expand_gray_1_2_4_to_8(j->png);
  if (bits == 16) png_set_strip_16(j->png);
  png_set_strip_alpha(j->png);
  if (!(colour & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(j->png);
  png_set_interlace_handling(j->png);
  png_read_update_info(j->png, j->info);
}

bool mf_png_decode(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels, mf_error *err) {
  job j;
  if (!begin(&j, bytes, err)) return false;
  if (setjmp(png_jmpbuf(j.png))) return failed(&j, err);
  png_read_info(j.png, j.info);
  to_rgb8(&j);
  size_t stride = (size_t)info->width * 3;
  if (png_get_rowbytes(j.png, j.info) != stride ||
      png_get_image_height(j.png, j.info) != info->height)
    png_error(j.png, "its size changes");
  j.rows = calloc(info->height, sizeof *j.rows);
  if (!j.rows) png_error(j.png, "no memory left");
  for (uint32_t y = 0; y < info->height; y++) j.rows[y] = pixels + stride * y;
  png_read_image(j.png, j.rows);
  end(&j);
  return true;
}
