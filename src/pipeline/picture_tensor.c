// ImageToTensor: uint8[height,width,channels] -> (pixel * scale - mean) / std in the type and
// layout that a model wants. A pixel has 256 values, so each channel's arithmetic is done once for
// each of them, in double, and the pass over the picture only looks up.
#include <math.h>

#include "picture_ops.h"

enum {
  TENSOR_SCALE,
  TENSOR_MEAN,
  TENSOR_STD,
  TENSOR_LAYOUT,
  TENSOR_ORDER,
  TENSOR_TYPE,
  TENSOR_BATCH
};
static const mf_attribute_row attributes[] = {
    [TENSOR_SCALE] = {"scale",
                      MF_ATTR_FLOATS,
                      false,
                      {0}},  // one value; a list, so that absent means 1
    [TENSOR_MEAN] = {"mean",
                     MF_ATTR_FLOATS,
                     false,
                     {0}},  // one value, or one for each channel in the order of the tensor
    [TENSOR_STD] = {"std", MF_ATTR_FLOATS, false, {0}},
    [TENSOR_LAYOUT] = {"layout",
                       MF_ATTR_STRING,
                       false,
                       {MF_ATTR_STRING, 4, {.offset = (uint64_t)(uintptr_t) "NCHW"}}},
    [TENSOR_ORDER] = {"order",
                      MF_ATTR_STRING,
                      false,
                      {MF_ATTR_STRING, 3, {.offset = (uint64_t)(uintptr_t) "RGB"}}},
    [TENSOR_TYPE] = {"to", MF_ATTR_INT, false, {MF_ATTR_INT, 1, {.i = MF_FLOAT}}},
    [TENSOR_BATCH] = {"batch",
                      MF_ATTR_INT,
                      false,
                      {MF_ATTR_INT, 1, {.i = 1}}},  // 1: a first dimension of 1; 0: none
};

static bool channels_last(const mf_attributes *a) {
  return mf_str_is(mf_attr_str(a, TENSOR_LAYOUT), "NHWC");
}

static bool known_type(int64_t type) {
  return type == MF_FLOAT || type == MF_FLOAT16 || type == MF_DOUBLE || type == MF_UINT8 ||
         type == MF_INT8;
}

static bool check(const mf_attributes *a, int64_t channels, mf_error *err) {
  mf_str layout = mf_attr_str(a, TENSOR_LAYOUT), order = mf_attr_str(a, TENSOR_ORDER);
  if (!mf_str_is(layout, "NCHW") && !mf_str_is(layout, "NHWC"))
    return mf_fail(err, MF_InvalidModel, "layout is '%.*s', expected NCHW or NHWC",
                   MF_STR_ARG(layout));
  if (!mf_str_is(order, "RGB") && !mf_str_is(order, "BGR"))
    return mf_fail(err, MF_InvalidModel, "order is '%.*s', expected RGB or BGR", MF_STR_ARG(order));
  if (!known_type(mf_attr_int(a, TENSOR_TYPE)))
    return mf_fail(err, MF_UnsupportedType, "pictures cannot become %s",
                   mf_type_name((mf_type)mf_attr_int(a, TENSOR_TYPE)));
  for (uint32_t at = TENSOR_SCALE; at <= TENSOR_STD; at++) {
    int64_t n = mf_attr_count(a, at);
    if (n > 1 && (at == TENSOR_SCALE || (channels > 0 && n != channels)))
      return mf_fail(err, MF_InvalidModel, "%s has %lld values for %lld channels",
                     attributes[at].name, (long long)n, (long long)channels);
  }
  return true;
}

static bool shape(mf_shape_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  const mf_attributes *a = &call->attributes;
  bool known = in->rank == 3;
  if ((in->type != MF_TYPE_UNKNOWN && in->type != MF_UINT8) ||
      (in->rank != MF_RANK_UNKNOWN && in->rank != 3))
    return mf_fail(err, MF_InvalidModel, "its input must be pixels: uint8[height,width,channels]");
  if (!check(a, known ? in->dims[2] : MF_DIM_UNKNOWN, err)) return false;
  mf_tensor *out = &call->outputs[0];
  uint32_t at = 0;
  *out = (mf_tensor){.type = (mf_type)mf_attr_int(a, TENSOR_TYPE)};
  if (mf_attr_int(a, TENSOR_BATCH)) out->dims[at++] = 1;
  if (!channels_last(a)) out->dims[at++] = known ? in->dims[2] : MF_DIM_UNKNOWN;
  out->dims[at++] = known ? in->dims[0] : MF_DIM_UNKNOWN;
  out->dims[at++] = known ? in->dims[1] : MF_DIM_UNKNOWN;
  if (channels_last(a)) out->dims[at++] = known ? in->dims[2] : MF_DIM_UNKNOWN;
  out->rank = at;
  return true;
}

static double value_for(const mf_attributes *a, uint32_t attribute, uint32_t channel,
                        double otherwise) {
  uint32_t n = mf_attr_count(a, attribute);
  return n == 0 ? otherwise : (double)mf_attr_floats(a, attribute)[n == 1 ? 0 : channel];
}

typedef union lookup {
  float f32[256];
  double f64[256];
  uint16_t f16[256];
  uint8_t u8[256];
} lookup;

static void put(mf_type type, double value, lookup *table, uint32_t at) {
  switch (type) {
    case MF_FLOAT: table->f32[at] = (float)value; break;
    case MF_DOUBLE: table->f64[at] = value; break;
    case MF_FLOAT16: table->f16[at] = mf_float_to_half((float)value); break;
    case MF_UINT8: table->u8[at] = (uint8_t)fmin(fmax(rint(value), 0), 255); break;
    default: table->u8[at] = (uint8_t)(int8_t)fmin(fmax(rint(value), -128), 127); break;
  }
}

static void fill(const mf_attributes *a, uint32_t channel, lookup *table) {
  double scale = value_for(a, TENSOR_SCALE, 0, 1), mean = value_for(a, TENSOR_MEAN, channel, 0),
         std = value_for(a, TENSOR_STD, channel, 1);
  for (uint32_t v = 0; v < 256; v++)
    put((mf_type)mf_attr_int(a, TENSOR_TYPE), (v * scale - mean) / std, table, v);
}

// One channel: from every `from_step`th byte to every `to_step`th element.
static void pass(mf_type type, const lookup *table, const uint8_t *from, size_t from_step, void *to,
                 size_t first, size_t to_step, size_t n) {
  switch (mf_type_size(type)) {
    case 4:
      for (size_t i = 0; i < n; i++)
        ((float *)to)[first + i * to_step] = table->f32[from[i * from_step]];
      break;
    case 8:
      for (size_t i = 0; i < n; i++)
        ((double *)to)[first + i * to_step] = table->f64[from[i * from_step]];
      break;
    case 2:
      for (size_t i = 0; i < n; i++)
        ((uint16_t *)to)[first + i * to_step] = table->f16[from[i * from_step]];
      break;
    default:
      for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[first + i * to_step] = table->u8[from[i * from_step]];
      break;
  }
}

static size_t scratch(const mf_shape_call *call) {
  (void)call;
  return sizeof(lookup);
}

static bool run(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *in = call->inputs[0];
  const mf_attributes *a = &call->attributes;
  size_t channels = (size_t)in->dims[2], pixels = (size_t)mf_tensor_span(in, 0, 2);
  bool reversed = mf_str_is(mf_attr_str(a, TENSOR_ORDER), "BGR"), last = channels_last(a);
  mf_type type = (mf_type)mf_attr_int(a, TENSOR_TYPE);
  for (size_t c = 0; c < channels; c++) {
    const uint8_t *from = (const uint8_t *)in->data + (reversed ? channels - 1 - c : c);
    fill(a, (uint32_t)c, call->scratch);
    pass(type, call->scratch, from, channels, call->outputs[0]->data, last ? c : c * pixels,
         last ? channels : 1, pixels);
  }
  return true;
}

static const mf_kernel reference = {
    .name = "ImageToTensor_reference", .run = run, .scratch = scratch};
const mf_operator mf_op_ImageToTensor = {"mayfly",   "ImageToTensor",
                                         1,          MF_OP_ANY,
                                         1,          1,
                                         1,          1,
                                         0,          MF_OP_NO_FOLD,
                                         attributes, MF_COUNT(attributes),
                                         shape,      (const mf_kernel *const[]){&reference, NULL}};
