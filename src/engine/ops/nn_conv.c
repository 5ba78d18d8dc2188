// Convolutions: Conv, ConvTranspose, ConvInteger, QLinearConv, any number of spatial dimensions from 1 to 6, groups, dilations.
// Quantised ones widen to int32, convolve with wrap-around arithmetic (as hardware does) and scale back.
#include "nn.h"

typedef struct conv_sizes {
  int64_t batch, channels, maps, groups;
} conv_sizes;

#define T float
#define NAME(id) id##_f32
#include "nn_conv.inc"
#undef T
#undef NAME
#define T double
#define NAME(id) id##_f64
#include "nn_conv.inc"
#undef T
#undef NAME
#define T uint32_t
#define NAME(id) id##_u32
#include "nn_conv.inc"
#undef T
#undef NAME

enum { GROUP = NN_WINDOW_COUNT, OUTPUT_PADDING, OUTPUT_SHAPE };
#define CONV_ATTRIBUTES NN_WINDOW_ATTRIBUTES, MF_INT("group", 1)

// ---- Conv and its quantised forms ----

static bool check_groups(const mf_attributes *a, int64_t channels, int64_t weight_channels, int64_t maps, mf_error *err) {
  const int64_t groups = mf_attr_int(a, GROUP);
  if (groups < 1) return mf_fail(err, MF_InvalidModel, "attribute 'group' is %lld, expected at least 1", (long long)groups);
  if (maps >= 0 && (maps % groups != 0 || maps < groups))
    return mf_fail(err, MF_InvalidModel, "the weights have %lld output channels, expected a multiple of group %lld",
                   (long long)maps, (long long)groups);
  if (channels < 0 || weight_channels < 0) return true;
  if (channels % groups != 0 || channels / groups != weight_channels)
    return mf_fail(err, MF_InvalidModel, "the input has %lld channels in %lld groups, the weights expect %lld a group",
                   (long long)channels, (long long)groups, (long long)weight_channels);
  return true;
}

// Geometry and output of a convolution of input x with weights k (numbers of inputs).
static bool conv_shape(mf_shape_call *call, uint32_t x_at, uint32_t k_at, mf_type type, mf_error *err) {
  const mf_tensor *x = call->inputs[x_at], *k = call->inputs[k_at];
  const uint32_t rank = mf_ops_rank_known(x) ? x->rank : k->rank;
  if (rank == MF_RANK_UNKNOWN) {
    mf_nn_set(call, 0, type, MF_RANK_UNKNOWN, NULL);
    return true;
  }
  mf_tensor known = *x;
  if (!mf_ops_rank_known(x)) mf_ops_set_rank(&known, rank);
  int64_t kernel[MF_MAX_RANK];
  for (uint32_t d = 0; d < MF_MAX_RANK; ++d) kernel[d] = mf_nn_dim_of(k, d);
  nn_window w;
  if (!nn_expect_rank(call, x_at, 3, MF_MAX_RANK, err) || !nn_expect_rank(call, k_at, rank, rank, err) ||
      !mf_nn_window_read(&call->attributes, &known, kernel + 2, &w, err) || !mf_nn_window_slide(&w, NN_CONV, err) ||
      !check_groups(&call->attributes, mf_nn_dim_of(&known, 1), kernel[1], kernel[0], err))
    return false;
  int64_t dims[MF_MAX_RANK] = {mf_nn_dim_of(&known, 0), kernel[0]};
  memcpy(dims + 2, w.out, w.n * sizeof *dims);
  mf_nn_set(call, 0, type, rank, dims);
  return true;
}

static bool shape_conv(mf_shape_call *call, mf_error *err) {
  return mf_ops_expect(call, 0, MF_SET_FLOATS, err) && nn_expect_same(call, 1, 0, err) && nn_expect_same(call, 2, 0, err) &&
         mf_nn_vector(call, 2, mf_nn_dim_of(call->inputs[1], 0), "output channels of the weights", err) &&
         conv_shape(call, 0, 1, call->inputs[0]->type, err);
}

static bool conv_geometry(const mf_attributes *a, const mf_tensor *x, const mf_tensor *k, nn_window *w, conv_sizes *s, mf_error *err) {
  *s = (conv_sizes){x->dims[0], x->dims[1], k->dims[0], mf_attr_int(a, GROUP)};
  return mf_nn_window_read(a, x, k->dims + 2, w, err) && mf_nn_window_slide(w, NN_CONV, err);
}

#define DEFINE_CONV(T, suffix)                                                                                       \
  static bool conv_##suffix(mf_kernel_call *call, mf_error *err) {                                                   \
    const mf_tensor *x = call->inputs[0], *k = call->inputs[1], *bias = nn_arg(call, 2);                             \
    nn_window w;                                                                                                     \
    conv_sizes s;                                                                                                    \
    if (!conv_geometry(&call->attributes, x, k, &w, &s, err)) return false;                                          \
    convolve_##suffix(&w, &s, x->data, k->data, bias ? bias->data : NULL, call->outputs[0]->data);                   \
    return true;                                                                                                     \
  }
DEFINE_CONV(float, f32)
DEFINE_CONV(double, f64)
NN_FLOAT_KERNEL(conv)
MF_REFERENCE(conv, conv);

const mf_operator mf_op_Conv = {"", "Conv", 1, MF_OP_ANY, 2, 3, 1, 1, .shape = shape_conv, MF_ATTRIBUTES(CONV_ATTRIBUTES),
                                MF_KERNELS(&conv_reference)};

// A zero point or scale: one element, or one for each of `count` channels.
static bool check_per_channel(const mf_shape_call *call, uint32_t at, int64_t count, mf_error *err) {
  const mf_tensor *t = nn_input(call, at);
  if (!t || !mf_ops_rank_known(t) || t->rank == 0 || mf_nn_dim_of(t, 0) == 1) return nn_expect_rank(call, at, 0, 1, err);
  return mf_nn_vector(call, at, count, "one for each output channel", err);
}

static bool shape_conv_integer(mf_shape_call *call, mf_error *err) {
  return mf_ops_expect(call, 0, NN_SET_BYTES, err) && mf_ops_expect(call, 1, NN_SET_BYTES, err) && nn_expect_same(call, 2, 0, err) &&
         nn_expect_same(call, 3, 1, err) && mf_nn_single(call, 2, err) &&
         check_per_channel(call, 3, mf_nn_dim_of(call->inputs[1], 0), err) && conv_shape(call, 0, 1, MF_INT32, err);
}

// The int32 convolution of quantised x and k into y.
static bool convolve_quantized(mf_kernel_call *call, const mf_tensor *x, const mf_tensor *x_zero, const mf_tensor *k,
                               const mf_tensor *k_zero, const mf_tensor *bias, int32_t *y, mf_error *err) {
  nn_window w;
  conv_sizes s;
  if (!conv_geometry(&call->attributes, x, k, &w, &s, err)) return false;
  int32_t *wide_x = mf_nn_temporary(call, mf_tensor_count(x), sizeof *wide_x, err);
  int32_t *wide_k = wide_x ? mf_nn_temporary(call, mf_tensor_count(k), sizeof *wide_k, err) : NULL;
  if (!wide_k) return false;
  mf_nn_widen(x, x_zero, mf_tensor_count(x), 1, wide_x);
  mf_nn_widen(k, k_zero, mf_tensor_span(k, 1, k->rank), s.maps, wide_k);
  convolve_u32(&w, &s, (const uint32_t *)wide_x, (const uint32_t *)wide_k, bias ? bias->data : NULL, (uint32_t *)y);
  return true;
}

static bool conv_integer(mf_kernel_call *call, mf_error *err) {
  if (nn_is_empty(call)) return true;
  return convolve_quantized(call, call->inputs[0], nn_arg(call, 2), call->inputs[1], nn_arg(call, 3), NULL,
                            call->outputs[0]->data, err);
}
MF_REFERENCE(conv_integer, conv_integer);

const mf_operator mf_op_ConvInteger = {"", "ConvInteger", 10, MF_OP_ANY, 2, 4, 1, 1, .shape = shape_conv_integer,
                                       MF_ATTRIBUTES(CONV_ATTRIBUTES), MF_KERNELS(&conv_integer_reference)};

enum { X, X_SCALE, X_ZERO, K, K_SCALE, K_ZERO, Y_SCALE, Y_ZERO, BIAS };

static bool shape_qlinear_conv(mf_shape_call *call, mf_error *err) {
  static const uint32_t singles[] = {X_SCALE, X_ZERO, Y_SCALE, Y_ZERO}, scales[] = {X_SCALE, K_SCALE, Y_SCALE};
  const int64_t maps = mf_nn_dim_of(call->inputs[K], 0);
  for (uint32_t i = 0; i < MF_COUNT(singles); ++i)
    if (!mf_nn_single(call, singles[i], err)) return false;
  for (uint32_t i = 0; i < MF_COUNT(scales); ++i)
    if (!mf_ops_expect(call, scales[i], 1 << MF_FLOAT, err)) return false;
  return mf_ops_expect(call, X, NN_SET_BYTES, err) && nn_expect_same(call, X_ZERO, X, err) &&
         mf_ops_expect(call, K, NN_SET_BYTES, err) && nn_expect_same(call, K_ZERO, K, err) &&
         mf_ops_expect(call, Y_ZERO, NN_SET_BYTES, err) && check_per_channel(call, K_SCALE, maps, err) &&
         check_per_channel(call, K_ZERO, maps, err) && nn_expect(call, BIAS, 1 << MF_INT32, err) &&
         mf_nn_vector(call, BIAS, maps, "output channels of the weights", err) &&
         conv_shape(call, X, K, call->inputs[Y_ZERO]->type, err);
}

static bool qlinear_conv(mf_kernel_call *call, mf_error *err) {
  if (nn_is_empty(call)) return true;
  const mf_tensor *const *in = call->inputs;
  mf_tensor *y = call->outputs[0];
  int32_t *sums = mf_nn_temporary(call, mf_tensor_count(y), sizeof *sums, err);
  if (!sums || !convolve_quantized(call, in[X], in[X_ZERO], in[K], in[K_ZERO], nn_arg(call, BIAS), sums, err)) return false;
  const float x_scale = *(const float *)in[X_SCALE]->data, y_scale = *(const float *)in[Y_SCALE]->data;
  const float *k_scale = in[K_SCALE]->data;
  const bool each = mf_tensor_count(in[K_SCALE]) > 1;
  const int64_t zero = mf_ops_get_int(in[Y_ZERO], 0), maps = y->dims[1], plane = mf_tensor_span(y, 2, y->rank);
  for (int64_t p = 0, at = 0; p < y->dims[0] * maps; ++p) {
    const float scale = x_scale * k_scale[each ? p % maps : 0] / y_scale;
    for (const int64_t end = at + plane; at < end; ++at) mf_nn_quantize(y, at, (float)sums[at] * scale, zero);
  }
  return true;
}
MF_REFERENCE(qlinear_conv, qlinear_conv);

const mf_operator mf_op_QLinearConv = {"", "QLinearConv", 10, MF_OP_ANY, 8, 9, 1, 1, .shape = shape_qlinear_conv,
                                       MF_ATTRIBUTES(CONV_ATTRIBUTES), MF_KERNELS(&qlinear_conv_reference)};

// ---- ConvTranspose ----

// Sizes along one dimension: `given` is what output_shape asks for (-1: nothing). Then w->in is the output and w->out the input.
static bool transpose_dim(nn_window *w, uint32_t d, int64_t extra, int64_t given, mf_error *err) {
  const int64_t input = w->in[d];
  w->out[d] = input;
  w->in[d] = given;
  if (input < 0 || w->kernel[d] < 0) return true;
  const int64_t full = w->stride[d] * (input - 1) + extra + (w->kernel[d] - 1) * w->dilation[d] + 1;
  const bool same = w->auto_pad == NN_SAME_UPPER || w->auto_pad == NN_SAME_LOWER;
  if (given < 0 && same) given = MF_MIN(input * w->stride[d], full);  // padding is never negative
  if (given >= 0) {
    const int64_t total = MF_MAX(0, full - given);
    w->pad[d] = w->auto_pad == NN_SAME_UPPER ? total / 2 : total - total / 2;
    w->pad_end[d] = total - w->pad[d];
  }
  w->in[d] = given >= 0 ? given : full - w->pad[d] - w->pad_end[d];
  if (w->in[d] <= 0 && input > 0)
    return mf_fail(err, MF_InvalidModel, "spatial dimension %u of the output would be %lld", d, (long long)w->in[d]);
  w->in[d] = MF_MAX(w->in[d], 0);
  return true;
}

static bool transpose_window(const mf_attributes *a, const mf_tensor *x, const int64_t *kernel, nn_window *w, mf_error *err) {
  if (!mf_nn_window_read(a, x, kernel, w, err)) return false;
  const int64_t *extra = mf_attr_ints(a, OUTPUT_PADDING), *given = mf_attr_ints(a, OUTPUT_SHAPE);
  const uint32_t n_given = mf_attr_count(a, OUTPUT_SHAPE);
  if (extra && mf_attr_count(a, OUTPUT_PADDING) != w->n)
    return mf_fail(err, MF_InvalidModel, "attribute 'output_padding' has %u elements, expected %u",
                   mf_attr_count(a, OUTPUT_PADDING), w->n);
  // Some exporters state batch and channels as well.
  if (given && n_given != w->n && n_given != w->n + 2)
    return mf_fail(err, MF_InvalidModel, "attribute 'output_shape' has %u elements, expected %u", n_given, w->n);
  if (given) given += n_given - w->n;
  for (uint32_t d = 0; d < w->n; ++d) {
    const int64_t more = extra ? extra[d] : 0, size = given ? given[d] : -1, limit = INT64_C(1) << 40;
    if (more < 0 || more >= MF_MAX(w->stride[d], w->dilation[d]) || (given && (size < 0 || size > limit)))
      return mf_fail(err, MF_InvalidModel, "output_padding %lld or output_shape %lld of spatial dimension %u is out of range",
                     (long long)more, (long long)size, d);
    if (w->in[d] > limit / w->stride[d])
      return mf_fail(err, MF_TooLarge, "spatial dimension %u: %lld with stride %lld gives too large an output", d,
                     (long long)w->in[d], (long long)w->stride[d]);
    if (!transpose_dim(w, d, more, size, err)) return false;
  }
  return true;
}

static bool shape_conv_transpose(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0], *k = call->inputs[1];
  const int64_t groups = mf_attr_int(&call->attributes, GROUP);
  int64_t kernel[MF_MAX_RANK], maps = MF_DIM_UNKNOWN;
  for (uint32_t d = 0; d < MF_MAX_RANK; ++d) kernel[d] = mf_nn_dim_of(k, d);
  if (groups < 1) return mf_fail(err, MF_InvalidModel, "attribute 'group' is %lld, expected at least 1", (long long)groups);
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) || !nn_expect_same(call, 1, 0, err) || !nn_expect_same(call, 2, 0, err) ||
      (kernel[1] >= 0 && !mf_ops_mul_dims(kernel[1], groups, &maps, err)) ||
      !mf_nn_vector(call, 2, maps, "output channels of the weights", err))
    return false;
  if (!mf_ops_rank_known(x)) {
    mf_nn_set(call, 0, x->type, MF_RANK_UNKNOWN, NULL);
    return true;
  }
  const int64_t channels = mf_nn_dim_of(x, 1);
  nn_window w;
  if (!nn_expect_rank(call, 1, x->rank, x->rank, err) || !mf_nn_dim(call, 1, 0, channels, "channels of the input", err) ||
      !transpose_window(&call->attributes, x, kernel + 2, &w, err))
    return false;
  if (channels >= 0 && channels % groups != 0)
    return mf_fail(err, MF_InvalidModel, "the input has %lld channels, expected a multiple of group %lld", (long long)channels,
                   (long long)groups);
  int64_t dims[MF_MAX_RANK] = {mf_nn_dim_of(x, 0), maps};
  memcpy(dims + 2, w.in, w.n * sizeof *dims);
  mf_nn_set(call, 0, x->type, x->rank, dims);
  return true;
}

#define DEFINE_CONV_TRANSPOSE(T, suffix)                                                                             \
  static bool conv_transpose_##suffix(mf_kernel_call *call, mf_error *err) {                                         \
    const mf_tensor *x = call->inputs[0], *k = call->inputs[1], *bias = nn_arg(call, 2);                             \
    nn_window w;                                                                                                     \
    if (!transpose_window(&call->attributes, x, k->dims + 2, &w, err)) return false;                                 \
    const conv_sizes s = {x->dims[0], x->dims[1], call->outputs[0]->dims[1], mf_attr_int(&call->attributes, GROUP)}; \
    deconvolve_##suffix(&w, &s, x->data, k->data, bias ? bias->data : NULL, call->outputs[0]->data);                 \
    return true;                                                                                                     \
  }
DEFINE_CONV_TRANSPOSE(float, f32)
DEFINE_CONV_TRANSPOSE(double, f64)
NN_FLOAT_KERNEL(conv_transpose)
MF_REFERENCE(conv_transpose, conv_transpose);

const mf_operator mf_op_ConvTranspose = {
    "", "ConvTranspose", 1, MF_OP_ANY, 2, 3, 1, 1, .shape = shape_conv_transpose,
    MF_ATTRIBUTES(CONV_ATTRIBUTES, MF_OPTIONAL("output_padding", MF_ATTR_INTS), MF_OPTIONAL("output_shape", MF_ATTR_INTS)),
    MF_KERNELS(&conv_transpose_reference)};
