// JPEG through libjpeg. Grey, YCbCr and RGB files as the library converts them; CMYK and YCCK are
// taken as Adobe writes them (inverted) and multiplied out, as Pillow does. Data that ends early is
// an error, as there.
//
// libjpeg reports errors by longjmp: everything it needs afterwards is in `job`, which is volatile
// enough because its address is taken, and jpeg_destroy_decompress frees what the library
// allocated.
#include <setjmp.h>
#include <stdio.h>
// after stdio.h
#include <jpeglib.h>

#include "picture.h"

enum {
  MAX_SCANS = 500
};  // a progressive picture may repaint itself; real ones do it about ten times

typedef struct job {
  struct jpeg_error_mgr errors;
  struct jpeg_source_mgr source;
  struct jpeg_progress_mgr progress;
  struct jpeg_decompress_struct jpeg;
  jmp_buf failed;
  char message[JMSG_LENGTH_MAX];
} job;

static void on_error(j_common_ptr jpeg) {
  job *j = (job *)jpeg->err;
  jpeg->err->format_message(jpeg, j->message);
  longjmp(j->failed, 1);
}
static void on_message(j_common_ptr jpeg) {
  (void)jpeg;
}  // warnings: the picture is a little damaged but there

static void give_up(j_decompress_ptr jpeg, const char *why) {
  job *j = (job *)jpeg->err;
  snprintf(j->message, sizeof j->message, "%s", why);
  longjmp(j->failed, 1);
}

static void nothing(j_decompress_ptr jpeg) { (void)jpeg; }
static boolean at_end(j_decompress_ptr jpeg) {
  give_up(jpeg, "the data ends early");
  return FALSE;
}
static void skip(j_decompress_ptr jpeg, long n) {
  if (n <= 0) return;
  if ((size_t)n > jpeg->src->bytes_in_buffer) give_up(jpeg, "the data ends early");
  jpeg->src->next_input_byte += n;
  jpeg->src->bytes_in_buffer -= (size_t)n;
}
static void count_scans(j_common_ptr common) {
  j_decompress_ptr jpeg = (j_decompress_ptr)common;
  if (jpeg->input_scan_number > MAX_SCANS) give_up(jpeg, "it has too many scans");
}

static void begin(job *j, mf_slice bytes) {
  jpeg_std_error(&j->errors);
  j->errors.error_exit = on_error;
  j->errors.output_message = on_message;
  j->jpeg.err = &j->errors;
  jpeg_create_decompress(&j->jpeg);
  j->source = (struct jpeg_source_mgr){.next_input_byte = bytes.data,
                                       .bytes_in_buffer = bytes.len,
                                       .init_source = nothing,
                                       .fill_input_buffer = at_end,
                                       .skip_input_data = skip,
                                       .resync_to_restart = jpeg_resync_to_restart,
                                       .term_source = nothing};
  j->jpeg.src = &j->source;
  j->progress.progress_monitor = count_scans;
  j->jpeg.progress = &j->progress;
}

static bool failed(job *j, mf_error *err) {
  jpeg_destroy_decompress(&j->jpeg);
  return mf_fail(err, MF_InvalidPicture, "the JPEG picture is damaged: %s", j->message);
}

// The first APP1 segment that holds EXIF.
static uint8_t orientation_of(jpeg_saved_marker_ptr marker) {
  for (; marker; marker = marker->next)
    if (marker->marker == JPEG_APP0 + 1 && marker->data_length >= 6 &&
        memcmp(marker->data, "Exif\0", 5) == 0)
      return mf_exif_orientation((mf_slice){marker->data, marker->data_length});
  return 1;
}

bool mf_jpeg_open(mf_slice bytes, mf_picture_info *info, mf_error *err) {
  job j = {0};
  if (setjmp(j.failed)) return failed(&j, err);
  begin(&j, bytes);
  jpeg_save_markers(&j.jpeg, JPEG_APP0 + 1, 0xffff);
  jpeg_read_header(&j.jpeg, TRUE);
  info->width = j.jpeg.image_width;
  info->height = j.jpeg.image_height;
  info->orientation = orientation_of(j.jpeg.marker_list);
  jpeg_destroy_decompress(&j.jpeg);
  return true;
}

static uint8_t multiply(unsigned a, unsigned b) {  // a * b / 255, rounded
  unsigned t = a * b + 128;
  return (uint8_t)(((t >> 8) + t) >> 8);
}

// A row of inverted CMYK (255: no ink), in place, four bytes a pixel to three.
static void row_from_cmyk(uint8_t *row, uint32_t width) {
  const uint8_t *from = row;
  for (uint32_t x = 0; x < width; x++, from += 4) {
    unsigned light = from[3];
    unsigned ink[3] = {255u - from[0], 255u - from[1], 255u - from[2]};
    for (int i = 0; i < 3; i++) *row++ = (uint8_t)(light - multiply(ink[i], light));
  }
}

static void read_rows(job *j, uint8_t *pixels) {
  bool cmyk = j->jpeg.out_color_space == JCS_CMYK;
  size_t stride = (size_t)j->jpeg.output_width * 3;
  // A row of CMYK is wider than its place in the answer, so it is read into memory of the library's
  // own.
  JSAMPARRAY wide = cmyk ? j->jpeg.mem->alloc_sarray((j_common_ptr)&j->jpeg, JPOOL_IMAGE,
                                                     j->jpeg.output_width * 4, 1)
                         : NULL;
  while (j->jpeg.output_scanline < j->jpeg.output_height) {
    JSAMPROW row = cmyk ? wide[0] : pixels + stride * j->jpeg.output_scanline;
    uint8_t *to = pixels + stride * j->jpeg.output_scanline;
    if (jpeg_read_scanlines(&j->jpeg, &row, 1) != 1) give_up(&j->jpeg, "the data ends early");
    if (!cmyk) continue;
    row_from_cmyk(row, j->jpeg.output_width);
    memcpy(to, row, stride);
  }
}

bool mf_jpeg_decode(mf_slice bytes, const mf_picture_info *info, uint8_t *pixels, mf_error *err) {
  job j = {0};
  if (setjmp(j.failed)) return failed(&j, err);
  begin(&j, bytes);
  jpeg_read_header(&j.jpeg, TRUE);
  bool inks = j.jpeg.num_components == 4;
  j.jpeg.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&j.jpeg);
  if (j.jpeg.output_width != info->width || j.jpeg.output_height != info->height)
    give_up(&j.jpeg, "its size changes");
  read_rows(&j, pixels);
  jpeg_destroy_decompress(&j.jpeg);
  return true;
}
