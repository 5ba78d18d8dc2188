// Shapes and geometry of the channels-last operators, and the obviously right kernels that the fast
// ones are compared with.
#include "nhwc.h"

#include "kernels.h"
#include "matmul.h"

#include <math.h>

static int64_t spatial(const mf_attributes *a, uint32_t at, uint32_t n, uint32_t i,
                       int64_t fallback) {
  return mf_attr_count(a, at) == n ? mf_attr_ints(a, at)[i] : fallback;
}

__extension__ typedef __int128 wide;  // attributes and dimensions are any numbers

static int64_t narrow(wide dim) { return dim < 0 || dim > INT64_MAX ? MF_DIM_UNKNOWN - 1 : (int64_t)dim; }

// One spatial output dimension; MF_DIM_UNKNOWN for an unknown input, less for one that is none.
static int64_t out_dim(const mf_attributes *a, uint32_t n, uint32_t i, int64_t in,
                       mf_nhwc_kind kind) {
  const wide kernel = spatial(a, MF_NHWC_KERNEL_SHAPE, n, i, 1),
             stride = spatial(a, MF_NHWC_STRIDES, n, i, 1);
  const wide reach = spatial(a, MF_NHWC_DILATIONS, n, i, 1) * (kernel - 1) + 1;
  const wide before = spatial(a, MF_NHWC_PADS, 2 * n, i, 0),
             after = spatial(a, MF_NHWC_PADS, 2 * n, n + i, 0);
  if (in == MF_DIM_UNKNOWN) return MF_DIM_UNKNOWN;
  if (kind == MF_NHWC_CONV_TRANSPOSE)
    return narrow(stride * (in - 1) + spatial(a, MF_NHWC_OUTPUT_PADDING, n, i, 0) + reach - before - after);
  bool ceil_mode = kind == MF_NHWC_POOL && mf_attr_int(a, MF_NHWC_CEIL) != 0;
  const wide room = in + before + after - reach;
  // A pool whose one window sticks out by less than a stride runs on what there is, as in ONNX Runtime.
  bool plain = kind == MF_NHWC_POOL && !ceil_mode && mf_attr_int(a, MF_NHWC_COUNT_PADDING) == 0;
  if (room < 0) return plain && room > -stride ? 1 : 0;
  const wide out = (room + (ceil_mode ? stride - 1 : 0)) / stride + 1;
  // A window that would begin in the padding behind the input does not count (ONNX, ceil_mode).
  return narrow(ceil_mode && (out - 1) * stride >= in + before ? out - 1 : out);
}

static bool windows(mf_shape_call *call, mf_nhwc_kind kind, mf_error *err) {
  if (!mf_ops_expect(call, 0, 1 << MF_FLOAT, err) || !mf_ops_expect_rank(call, 0, 3, 4, err))
    return false;
  const mf_tensor *x = call->inputs[0];
  const mf_attributes *a = &call->attributes;
  mf_tensor *y = &call->outputs[0];
  y->type = MF_FLOAT;
  if (!mf_ops_rank_known(x)) {
    mf_ops_set_rank(y, mf_attr_count(a, MF_NHWC_KERNEL_SHAPE) + 2);
    if (kind != MF_NHWC_POOL) y->dims[y->rank - 1] = mf_attr_int(a, MF_NHWC_CHANNELS);
    return true;
  }
  uint32_t n = x->rank - 2;
  if (mf_attr_count(a, MF_NHWC_KERNEL_SHAPE) != n)
    return mf_fail(err, MF_InvalidModel, "kernel_shape has %u dimensions, expected %u",
                   mf_attr_count(a, MF_NHWC_KERNEL_SHAPE), n);
  int64_t channels;
  if (kind != MF_NHWC_POOL &&
      !mf_ops_merge_dim(x->dims[x->rank - 1], mf_attr_int(a, MF_NHWC_INPUT_CHANNELS),
                        "the input's channels and the weights'", &channels, err))
    return false;
  mf_ops_set_rank(y, x->rank);
  y->dims[0] = x->dims[0];
  y->dims[x->rank - 1] =
      kind == MF_NHWC_POOL ? x->dims[x->rank - 1] : mf_attr_int(a, MF_NHWC_CHANNELS);
  for (uint32_t i = 0; i < n; i++) {
    y->dims[1 + i] = out_dim(a, n, i, x->dims[1 + i], kind);
    if (y->dims[1 + i] == 0 || y->dims[1 + i] < MF_DIM_UNKNOWN)
      return mf_fail(err, MF_InvalidInput,
                     "the window is larger than dimension %u of the padded input", 1 + i);
  }
  return true;
}

// Biases and what is added may be inputs of the model, of any size that the caller likes.
bool mf_shape_addends(const mf_shape_call *call, mf_error *err) {
  const mf_tensor *y = &call->outputs[0];
  const int64_t channels = mf_ops_rank_known(y) ? y->dims[y->rank - 1] : MF_DIM_UNKNOWN;
  int64_t merged;
  const mf_tensor *bias = call->n_inputs > 2 ? call->inputs[2] : NULL, *added = call->n_inputs > 3 ? call->inputs[3] : NULL;
  if (bias && mf_ops_rank_known(bias) && (!mf_ops_expect_rank(call, 2, 1, 1, err) ||
                                          !mf_ops_merge_dim(bias->dims[0], channels, "the bias' elements and the output channels", &merged, err)))
    return false;
  if (!added || !mf_ops_rank_known(added) || !mf_ops_rank_known(y)) return true;
  if (!mf_ops_expect_rank(call, 3, y->rank, y->rank, err)) return false;
  for (uint32_t i = 0; i < y->rank; i++)
    if (!mf_ops_merge_dim(added->dims[i], y->dims[i], "what is added and the output", &merged, err)) return false;
  return true;
}

static bool shape_conv(mf_shape_call *call, mf_error *err) {
  return windows(call, MF_NHWC_CONV, err) && mf_shape_addends(call, err);
}
static bool shape_conv_transpose(mf_shape_call *call, mf_error *err) {
  return windows(call, MF_NHWC_CONV_TRANSPOSE, err) && mf_shape_addends(call, err);
}
static bool shape_pool(mf_shape_call *call, mf_error *err) {
  return windows(call, MF_NHWC_POOL, err);
}

static bool shape_global_pool(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, 1 << MF_FLOAT, err) ||
      !mf_ops_expect_rank(call, 0, 3, MF_MAX_RANK, err))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  if (mf_ops_rank_known(call->inputs[0]))
    for (uint32_t i = 1; i + 1 < call->inputs[0]->rank; i++) call->outputs[0].dims[i] = 1;
  return true;
}

void mf_nhwc_read(const mf_attributes *a, const mf_tensor *x, mf_nhwc_kind kind, mf_nhwc *g) {
  uint32_t n = x->rank - 2, last = x->rank - 1;
  bool flat = n == 1;  // height 1
  *g = (mf_nhwc){.n = (size_t)x->dims[0],
                 .h = flat ? 1 : (size_t)x->dims[1],
                 .w = (size_t)x->dims[n],
                 .c = (size_t)x->dims[last]};
  g->kh = flat ? 1 : (size_t)spatial(a, MF_NHWC_KERNEL_SHAPE, n, 0, 1);
  g->sy = flat ? 1 : (size_t)spatial(a, MF_NHWC_STRIDES, n, 0, 1);
  g->dy = flat ? 1 : (size_t)spatial(a, MF_NHWC_DILATIONS, n, 0, 1);
  g->pt = flat ? 0 : (size_t)spatial(a, MF_NHWC_PADS, 2 * n, 0, 0);
  g->pb = flat ? 0 : (size_t)spatial(a, MF_NHWC_PADS, 2 * n, n, 0);
  g->oh = flat ? 1 : (size_t)out_dim(a, n, 0, x->dims[1], kind);
  g->kw = (size_t)spatial(a, MF_NHWC_KERNEL_SHAPE, n, n - 1, 1);
  g->sx = (size_t)spatial(a, MF_NHWC_STRIDES, n, n - 1, 1);
  g->dx = (size_t)spatial(a, MF_NHWC_DILATIONS, n, n - 1, 1);
  g->pl = (size_t)spatial(a, MF_NHWC_PADS, 2 * n, n - 1, 0);
  g->pr = (size_t)spatial(a, MF_NHWC_PADS, 2 * n, 2 * n - 1, 0);
  g->ow = (size_t)out_dim(a, n, n - 1, x->dims[n], kind);
  bool pool = kind == MF_NHWC_POOL;
  g->group = pool ? g->c : (size_t)mf_attr_int(a, MF_NHWC_GROUP);
  g->oc = pool ? g->c : (size_t)mf_attr_int(a, MF_NHWC_CHANNELS);
  g->icg = g->c / g->group;
  g->ocg = g->oc / g->group;
}

// kind, alpha, beta, scale and shift are neighbours in every row that has them.
static mf_activation activation_at(const mf_attributes *a, uint32_t first) {
  return (mf_activation){(mf_activation_kind)mf_attr_int(a, first), mf_attr_float(a, first + 1),
                         mf_attr_float(a, first + 2), mf_attr_float(a, first + 3),
                         mf_attr_float(a, first + 4)};
}
mf_activation mf_nhwc_activation(const mf_attributes *a) {
  return activation_at(a, MF_NHWC_ACTIVATION);
}
mf_activation mf_activation_read(const mf_attributes *a) { return activation_at(a, 0); }
mf_activation mf_matmul_activation(const mf_attributes *a) {
  return activation_at(a, MF_MATMUL_ACTIVATION);
}

static float activated(const mf_activation *act, float x) {
  float a = act->alpha, b = act->beta;
  switch (act->kind) {
    case MF_ACT_CLAMP: return x < a ? a : x > b ? b : x;
    case MF_ACT_LEAKY_RELU: return x < 0 ? a * x : x;
    case MF_ACT_HARD_SIGMOID: return fminf(1, fmaxf(0, a * x + b));
    case MF_ACT_HARD_SWISH: return x * fminf(1, fmaxf(0, a * x + b));
    case MF_ACT_SIGMOID: return 1 / (1 + expf(-x));
    case MF_ACT_SILU: return x / (1 + expf(-x));
    case MF_ACT_TANH: return tanhf(x);
    case MF_ACT_GELU: return x / 2 * (1 + erff(x * 0.70710678118654752f));
    case MF_ACT_FAST_GELU:
      return x / 2 * (1 + tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x)));
    case MF_ACT_NONE:
    case MF_ACT_COUNT: break;
  }
  return x;
}

float mf_activate(const mf_activation *act, float x) {
  float y = activated(act, x);
  return act->kind > MF_ACT_CLAMP ? act->scale * y + act->shift : y;
}

// ---- rows ----
#define WINDOW_ATTRIBUTES                                                          \
  MF_REQUIRED("kernel_shape", MF_ATTR_INTS), MF_OPTIONAL("strides", MF_ATTR_INTS), \
      MF_OPTIONAL("pads", MF_ATTR_INTS), MF_OPTIONAL("dilations", MF_ATTR_INTS)
#define CONV_ATTRIBUTES                                                              \
  WINDOW_ATTRIBUTES, MF_INT("group", 1), MF_REQUIRED("channels", MF_ATTR_INT),       \
      MF_REQUIRED("input_channels", MF_ATTR_INT), MF_INT("activation", MF_ACT_NONE), \
      MF_REAL("alpha", 0.0f), MF_REAL("beta", 0.0f), MF_REAL("scale", 1.0f),         \
      MF_REAL("shift", 0.0f)

MF_REFERENCE(mayfly_Conv, mf_nhwc_conv_reference);
const mf_operator mf_op_mayfly_Conv = {
    "mayfly",
    "Conv",
    1,
    MF_OP_ANY,
    2,
    4,
    1,
    1,
    .shape = shape_conv,
    MF_ATTRIBUTES(CONV_ATTRIBUTES),
    MF_KERNELS(MF_FAST(depthwise_f32) MF_FAST(conv_f32) & mayfly_Conv_reference)};

MF_REFERENCE(mayfly_ConvTranspose, mf_nhwc_conv_transpose_reference);
const mf_operator mf_op_mayfly_ConvTranspose = {
    "mayfly",
    "ConvTranspose",
    1,
    MF_OP_ANY,
    2,
    3,
    1,
    1,
    .shape = shape_conv_transpose,
    MF_ATTRIBUTES(CONV_ATTRIBUTES, MF_OPTIONAL("output_padding", MF_ATTR_INTS)),
    MF_KERNELS(MF_FAST(conv_transpose_f32) & mayfly_ConvTranspose_reference)};

MF_REFERENCE(mayfly_MaxPool, mf_nhwc_max_pool_reference);
const mf_operator mf_op_mayfly_MaxPool = {
    "mayfly",
    "MaxPool",
    1,
    MF_OP_ANY,
    1,
    1,
    1,
    1,
    .shape = shape_pool,
    MF_ATTRIBUTES(WINDOW_ATTRIBUTES, MF_INT("group", 1), MF_INT("ceil_mode", 0)),
    MF_KERNELS(MF_FAST(max_pool_f32) & mayfly_MaxPool_reference)};

MF_REFERENCE(mayfly_AveragePool, mf_nhwc_average_pool_reference);
const mf_operator mf_op_mayfly_AveragePool = {
    "mayfly",
    "AveragePool",
    1,
    MF_OP_ANY,
    1,
    1,
    1,
    1,
    .shape = shape_pool,
    MF_ATTRIBUTES(WINDOW_ATTRIBUTES, MF_INT("group", 1), MF_INT("ceil_mode", 0),
                  MF_INT("count_include_pad", 0)),
    MF_KERNELS(MF_FAST(average_pool_f32) & mayfly_AveragePool_reference)};

MF_REFERENCE(mayfly_GlobalAveragePool, mf_nhwc_global_average_pool_reference);
const mf_operator mf_op_mayfly_GlobalAveragePool = {
    "mayfly",
    "GlobalAveragePool",
    1,
    MF_OP_ANY,
    1,
    1,
    1,
    1,
    .shape = shape_global_pool,
    MF_KERNELS(MF_FAST(global_average_pool_f32) & mayfly_GlobalAveragePool_reference)};
