// The operators of domain "mayfly": pictures as graph nodes. DecodeImage turns bytes into pixels,
// ResizeImage and CenterCrop shape them, ImageToTensor scales, normalises and lays them out in one
// pass through a table of 256 values for each channel. docs/packages.md describes them as one would
// read them in a model.
#include "picture_ops.h"

#include <math.h>

#include "picture.h"
#include "resample.h"

#define TEXT(literal)                                                                    \
  {                                                                                      \
    MF_ATTR_STRING, sizeof(literal) - 1, { .offset = (uint64_t)(uintptr_t)("" literal) } \
  }
#define INT(value)                 \
  {                                \
    MF_ATTR_INT, 1, { .i = value } \
  }
#define ROW(id, kernel_row, attribute_rows, inputs_decide, flag, shape_function)   \
  static const mf_operator id = {"mayfly",                                         \
                                 #id,                                              \
                                 1,                                                \
                                 MF_OP_ANY,                                        \
                                 1,                                                \
                                 1,                                                \
                                 1,                                                \
                                 1,                                                \
                                 inputs_decide,                                    \
                                 flag,                                             \
                                 attribute_rows,                                   \
                                 sizeof attribute_rows / sizeof attribute_rows[0], \
                                 shape_function,                                   \
                                 (const mf_kernel *const[]){&kernel_row, NULL}}

static bool expect_pixels(const mf_shape_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  bool type_ok = in->type == MF_TYPE_UNKNOWN || in->type == MF_UINT8,
       rank_ok = in->rank == MF_RANK_UNKNOWN || in->rank == 3;
  return type_ok && rank_ok ? true
                            : mf_fail(err, MF_InvalidModel,
                                      "its input must be pixels: uint8[height,width,channels]");
}

static void set_pixels(mf_tensor *out, int64_t height, int64_t width, int64_t channels) {
  *out = (mf_tensor){.type = MF_UINT8, .rank = 3, .dims = {height, width, channels}};
}

static int64_t dim(const mf_tensor *t, uint32_t at) {
  return t->rank == 3 ? t->dims[at] : MF_DIM_UNKNOWN;
}

// ---- DecodeImage: uint8[bytes] -> uint8[height,width,channels] ----

enum { DECODE_CHANNELS, DECODE_MAX_PIXELS };
static const mf_attribute_row decode_attributes[] = {
    [DECODE_CHANNELS] = {"channels", MF_ATTR_INT, false,
                         INT(3)},  // 3: RGB, 1: grey (ITU-R BT.601 luma)
    [DECODE_MAX_PIXELS] = {"max_pixels", MF_ATTR_INT, false, INT(MF_DEFAULT_MAX_PIXELS)},
};

static bool decode_shape(mf_shape_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  int64_t channels = mf_attr_int(&call->attributes, DECODE_CHANNELS);
  if ((in->type != MF_TYPE_UNKNOWN && in->type != MF_UINT8) ||
      (in->rank != MF_RANK_UNKNOWN && in->rank != 1))
    return mf_fail(err, MF_InvalidModel, "its input must be the bytes of a picture: uint8[bytes]");
  if (channels != 1 && channels != 3)
    return mf_fail(err, MF_InvalidModel, "channels is %lld, expected 1 or 3", (long long)channels);
  set_pixels(&call->outputs[0], MF_DIM_UNKNOWN, MF_DIM_UNKNOWN, channels);
  return true;
}

static void to_grey(const uint8_t *rgb, uint8_t *grey, size_t n) {
  for (size_t i = 0; i < n; i++, rgb += 3)
    grey[i] = (uint8_t)((rgb[0] * 19595u + rgb[1] * 38470u + rgb[2] * 7471u + 0x8000u) >> 16);
}

// Decodes, turns, and makes grey what is wanted grey; each step but the last into temporary memory.
static bool decode_into(mf_kernel_call *call, mf_slice bytes, const mf_picture_info *info,
                        bool grey, mf_error *err) {
  size_t pixels = (size_t)info->width * info->height;
  bool turn = info->orientation != 1;
  uint8_t *last = call->outputs[0]->data, *decoded = last, *upright = last;
  if ((turn || grey) && !(decoded = call->alloc_temporary(call, pixels * 3, err))) return false;
  if (!mf_picture_decode(bytes, info, decoded, err)) return false;
  if (turn && grey && !(upright = call->alloc_temporary(call, pixels * 3, err))) return false;
  if (turn) mf_picture_turn(decoded, info->width, info->height, info->orientation, upright);
  if (grey) to_grey(turn ? upright : decoded, last, pixels);
  return true;
}

static bool decode_run(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  const mf_slice bytes = {in->data, (size_t)mf_tensor_count(in)};
  int64_t channels = mf_attr_int(&call->attributes, DECODE_CHANNELS),
          most = mf_attr_int(&call->attributes, DECODE_MAX_PIXELS);
  mf_picture_info info;
  if (!mf_picture_open(bytes, most > 0 ? (uint64_t)most : 0, &info, err)) return false;
  bool swap = mf_picture_swaps(&info);
  set_pixels(call->outputs[0], swap ? info.width : info.height, swap ? info.height : info.width,
             channels);
  return call->alloc_output(call, 0, err) && decode_into(call, bytes, &info, channels == 1, err);
}

static const mf_kernel decode_kernel = {.name = "DecodeImage_reference", .run = decode_run};
ROW(DecodeImage, decode_kernel, decode_attributes, 0, MF_OP_SHAPES_ITSELF | MF_OP_NO_FOLD,
    decode_shape);

// ---- ResizeImage: uint8[height,width,channels] -> the same with another height and width ----

enum { RESIZE_WIDTH, RESIZE_HEIGHT, RESIZE_SHORTEST, RESIZE_FILTER };
static const mf_attribute_row resize_attributes[] = {
    [RESIZE_WIDTH] = {"width", MF_ATTR_INT, false, INT(0)},
    [RESIZE_HEIGHT] = {"height", MF_ATTR_INT, false, INT(0)},
    [RESIZE_SHORTEST] = {"shortest_edge", MF_ATTR_INT, false,
                         INT(0)},  // instead: keeps the aspect ratio
    [RESIZE_FILTER] = {"filter", MF_ATTR_STRING, false, TEXT("bilinear")},
};
static const struct {
  const char *name;
  mf_resample filter;
} filter_names[] = {{"nearest", MF_NEAREST},
                    {"bilinear", MF_BILINEAR},
                    {"bicubic", MF_BICUBIC},
                    {"lanczos", MF_LANCZOS}};

bool mf_resample_named(mf_str name, mf_resample *filter) {
  for (size_t i = 0; i < MF_COUNT(filter_names); i++) {
    if (!mf_str_is(name, filter_names[i].name)) continue;
    *filter = filter_names[i].filter;
    return true;
  }
  return false;
}

const char *mf_resample_name(mf_resample filter) {
  for (size_t i = 0; i < MF_COUNT(filter_names); i++)
    if (filter_names[i].filter == filter) return filter_names[i].name;
  return "?";
}

// The new sides; unknown where the old ones must be known first. The longer side is cut off, not
// rounded, as transformers and torchvision do.
static void new_sides(const mf_attributes *a, int64_t height, int64_t width, int64_t *new_height,
                      int64_t *new_width) {
  int64_t shortest = mf_attr_int(a, RESIZE_SHORTEST);
  *new_height = shortest ? MF_DIM_UNKNOWN : mf_attr_int(a, RESIZE_HEIGHT);
  *new_width = shortest ? MF_DIM_UNKNOWN : mf_attr_int(a, RESIZE_WIDTH);
  if (!shortest || height <= 0 || width <= 0) return;
  bool wide = width > height;
  int64_t other =
      (int64_t)((double)(shortest * (wide ? width : height)) / (double)(wide ? height : width));
  *new_height = wide ? shortest : other;
  *new_width = wide ? other : shortest;
}

static bool resize_shape(mf_shape_call *call, mf_error *err) {
  const mf_attributes *a = &call->attributes;
  const mf_tensor *in = call->inputs[0];
  int64_t width = mf_attr_int(a, RESIZE_WIDTH), height = mf_attr_int(a, RESIZE_HEIGHT),
          shortest = mf_attr_int(a, RESIZE_SHORTEST);
  mf_resample filter;
  if (!expect_pixels(call, err)) return false;
  if (!mf_resample_named(mf_attr_str(a, RESIZE_FILTER), &filter))
    return mf_fail(err, MF_InvalidModel, "filter '%.*s' is unknown",
                   MF_STR_ARG(mf_attr_str(a, RESIZE_FILTER)));
  bool sides = width > 0 && height > 0 && width <= MF_MAX_SIDE && height <= MF_MAX_SIDE;
  if (shortest ? shortest < 0 || shortest > MF_MAX_SIDE || width || height : !sides)
    return mf_fail(err, MF_InvalidModel,
                   "it needs width and height, or shortest_edge, each from 1 to %d", MF_MAX_SIDE);
  new_sides(a, dim(in, 0), dim(in, 1), &height, &width);
  if (height > MF_MAX_SIDE || width > MF_MAX_SIDE)
    return mf_fail(err, MF_InvalidPicture,
                   "the picture (%lld x %lld) is too long and thin to be resized",
                   (long long)dim(in, 1), (long long)dim(in, 0));
  set_pixels(&call->outputs[0], height, width, dim(in, 2));
  return true;
}

static bool resize_of(const mf_tensor *in, const mf_tensor *out, const mf_attributes *a,
                      mf_resize *resize) {
  *resize = (mf_resize){.channels = (uint32_t)in->dims[2],
                        .from_width = (uint32_t)in->dims[1],
                        .from_height = (uint32_t)in->dims[0],
                        .width = (uint32_t)out->dims[1],
                        .height = (uint32_t)out->dims[0]};
  return mf_resample_named(mf_attr_str(a, RESIZE_FILTER), &resize->filter) && in->dims[0] > 0 &&
         in->dims[1] > 0;
}

static bool resize_run(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  mf_resize resize;
  if (!resize_of(in, out, &call->attributes, &resize))
    return mf_fail(err, MF_InvalidPicture, "there are no pixels to resize");
  size_t bytes = mf_resize_scratch(&resize);
  void *scratch = bytes == SIZE_MAX ? NULL : call->alloc_temporary(call, bytes, err);
  if (bytes == SIZE_MAX)
    return mf_fail(err, MF_OutOfMemory, "the picture is too large to be resized");
  if (!scratch) return false;
  mf_resize_run(&resize, in->data, out->data, scratch);
  return true;
}

static const mf_kernel resize_kernel = {.name = "ResizeImage_reference", .run = resize_run};
ROW(ResizeImage, resize_kernel, resize_attributes, 0, 0, resize_shape);

// ---- CenterCrop: uint8[height,width,channels] -> the middle; what is missing at the edges is
// black ----

enum { CROP_WIDTH, CROP_HEIGHT };
static const mf_attribute_row crop_attributes[] = {
    [CROP_WIDTH] = {"width", MF_ATTR_INT, true, {0}},
    [CROP_HEIGHT] = {"height", MF_ATTR_INT, true, {0}},
};

static bool crop_shape(mf_shape_call *call, mf_error *err) {
  int64_t width = mf_attr_int(&call->attributes, CROP_WIDTH),
          height = mf_attr_int(&call->attributes, CROP_HEIGHT);
  if (!expect_pixels(call, err)) return false;
  if (width < 1 || height < 1 || width > MF_MAX_SIDE || height > MF_MAX_SIDE)
    return mf_fail(err, MF_InvalidModel, "width and height are %lld and %lld, expected 1 to %d",
                   (long long)width, (long long)height, MF_MAX_SIDE);
  set_pixels(&call->outputs[0], height, width, dim(call->inputs[0], 2));
  return true;
}

// Where the crop begins in the picture; negative: so many black ones come first. As transformers:
// the margin before is rounded down when it is cut off and up when it is added.
static int64_t crop_start(int64_t from, int64_t to) {
  return from >= to ? (from - to) / 2 : -((to - from + 1) / 2);
}

static bool crop_run(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  int64_t channels = in->dims[2], top = crop_start(in->dims[0], out->dims[0]),
          left = crop_start(in->dims[1], out->dims[1]);
  int64_t first = MF_MAX(left, 0), end = MF_MIN(left + out->dims[1], in->dims[1]);
  size_t row_bytes = (size_t)(out->dims[1] * channels);
  for (int64_t y = 0; y < out->dims[0]; y++) {
    uint8_t *to = (uint8_t *)out->data + row_bytes * (size_t)y;
    int64_t row = top + y;
    if (row < 0 || row >= in->dims[0] || end - first < out->dims[1]) memset(to, 0, row_bytes);
    if (row < 0 || row >= in->dims[0] || end <= first) continue;
    memcpy(to + (first - left) * channels,
           (const uint8_t *)in->data + (row * in->dims[1] + first) * channels,
           (size_t)((end - first) * channels));
  }
  return true;
}

static const mf_kernel crop_kernel = {.name = "CenterCrop_reference", .run = crop_run};
ROW(CenterCrop, crop_kernel, crop_attributes, 0, 0, crop_shape);

static const mf_operator *const rows[] = {&DecodeImage, &ResizeImage, &CenterCrop,
                                          &mf_op_ImageToTensor};
const mf_operator_table mf_pipeline_operators = {rows, MF_COUNT(rows)};
