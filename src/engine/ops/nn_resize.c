// Resize (10, 11 and later) and Upsample (7, 9): nearest, linear and cubic, any number of dimensions, every coordinate mode of the
// standard. Interpolation is separable: each dimension that changes gets a list of taps (input index, weight) for each output
// position, and one pass. Coordinates are computed in float, as ONNX Runtime does: models were tested with its rounding.
#include "nn.h"

#include <math.h>

enum { ANTIALIAS, AXES, COORDINATES, CUBIC_A, EXCLUDE_OUTSIDE, EXTRAPOLATION, POLICY, MODE, NEAREST_MODE, SCALES };
enum { SET_NEAREST = MF_SET_ALL & ~MF_SET_STRING, SET_INTERPOLATED = MF_SET_NUMBERS };

static const char *const mode_words[] = {"nearest", "linear", "cubic", "bilinear"};
typedef enum interpolation { NEAREST, LINEAR, CUBIC, BILINEAR } interpolation;
static const char *const coordinate_words[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
                                               "asymmetric", "tf_half_pixel_for_nn", "tf_crop_and_resize"};
typedef enum coordinates { HALF_PIXEL, HALF_PIXEL_SYMMETRIC, PYTORCH_HALF_PIXEL, ALIGN_CORNERS, ASYMMETRIC, TF_HALF_PIXEL, TF_CROP } coordinates;
static const char *const nearest_words[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil", "simple"};
// SIMPLE: what opset 10 and Upsample do, up when shrinking and down when growing.
typedef enum rounding { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL, SIMPLE } rounding;
static const char *const policy_words[] = {"stretch", "not_larger", "not_smaller"};
typedef enum policy { STRETCH, NOT_LARGER, NOT_SMALLER } policy;

// Where an operator version has its inputs; 0: it has none such.
typedef struct layout {
  uint32_t roi, scales, sizes;
} layout;
static const layout resize_11 = {1, 2, 3}, resize_10 = {0, 1, 0}, upsample_7 = {0, 0, 0};

typedef struct plan {
  interpolation mode;
  coordinates coordinates;
  rounding rounding;
  policy policy;
  uint32_t n_axes, axes[MF_MAX_RANK];
  bool known;                   // of scale and out
  float scale[MF_MAX_RANK];     // of every dimension
  int64_t out[MF_MAX_RANK];
  double start[MF_MAX_RANK], end[MF_MAX_RANK];  // region of interest
} plan;

// ---- reading attributes and inputs ----

static bool read_words(const mf_attributes *a, plan *p, mf_error *err) {
  uint32_t mode, where, nearest, how;
  if (!mf_nn_choice(a, MODE, "mode", mode_words, MF_COUNT(mode_words), &mode, err) ||
      !mf_nn_choice(a, COORDINATES, "coordinate_transformation_mode", coordinate_words, MF_COUNT(coordinate_words), &where, err) ||
      !mf_nn_choice(a, NEAREST_MODE, "nearest_mode", nearest_words, MF_COUNT(nearest_words), &nearest, err) ||
      !mf_nn_choice(a, POLICY, "keep_aspect_ratio_policy", policy_words, MF_COUNT(policy_words), &how, err))
    return false;
  p->mode = mode == BILINEAR ? LINEAR : (interpolation)mode;
  p->coordinates = (coordinates)where;
  p->rounding = (rounding)nearest;
  p->policy = (policy)how;
  return true;
}

static bool read_axes(const mf_attributes *a, uint32_t rank, plan *p, mf_error *err) {
  const int64_t *axes = mf_attr_ints(a, AXES);
  p->n_axes = axes ? mf_attr_count(a, AXES) : rank;
  if (p->n_axes > rank) return mf_fail(err, MF_InvalidModel, "attribute 'axes' has %u elements, the input %u dimensions", p->n_axes, rank);
  for (uint32_t i = 0, seen = 0; i < p->n_axes; ++i) {
    p->axes[i] = i;
    if (axes && !mf_ops_axis(axes[i], rank, &p->axes[i], err)) return false;
    if ((seen >> p->axes[i]) & 1) return mf_fail(err, MF_InvalidModel, "attribute 'axes' names dimension %u twice", p->axes[i]);
    seen |= UINT32_C(1) << p->axes[i];
  }
  return true;
}

// Is the optional list there? An empty one stands for an absent one.
static const mf_tensor *list_input(const mf_shape_call *call, uint32_t at) {
  const mf_tensor *t = at == 0 ? NULL : nn_input(call, at);
  return t && t->rank == 1 && t->dims[0] == 0 ? NULL : t;
}

static bool check_list(const mf_tensor *t, uint32_t expected, const char *name, mf_error *err) {
  if (!mf_ops_rank_known(t) || (t->rank == 1 && (t->dims[0] < 0 || t->dims[0] == expected))) return true;
  return mf_fail(err, MF_InvalidModel, "%s must be a vector of %u elements", name, expected);
}

static bool set_scaled(const mf_tensor *x, plan *p, uint32_t d, float scale, mf_error *err) {
  if (!(scale > 0) || !isfinite(scale)) return mf_fail(err, MF_InvalidModel, "scale %g of dimension %u is not positive", (double)scale, d);
  p->scale[d] = scale;
  if (x->dims[d] < 0) return true;
  const float out = scale * (float)x->dims[d];
  if (out > 1e12f) return mf_fail(err, MF_TooLarge, "dimension %u would become %g", d, (double)out);
  p->out[d] = (int64_t)out;
  return true;
}

static bool use_scales(const mf_tensor *x, plan *p, const float *scales, mf_error *err) {
  for (uint32_t i = 0; i < p->n_axes; ++i)
    if (!set_scaled(x, p, p->axes[i], scales[i], err)) return false;
  p->known = true;
  return true;
}

static bool use_sizes(const mf_tensor *x, plan *p, const int64_t *sizes, mf_error *err) {
  float common = 0;
  for (uint32_t i = 0; i < p->n_axes; ++i) {
    const uint32_t d = p->axes[i];
    if (sizes[i] < 0) return mf_fail(err, MF_InvalidModel, "size %lld of dimension %u is negative", (long long)sizes[i], d);
    p->out[d] = sizes[i];
    if (x->dims[d] < 0) continue;
    if (x->dims[d] == 0 && sizes[i] > 0) return mf_fail(err, MF_InvalidModel, "dimension %u is empty and cannot become %lld", d, (long long)sizes[i]);
    p->scale[d] = x->dims[d] == 0 ? 1 : (float)sizes[i] / (float)x->dims[d];
    const float scale = p->scale[d];
    common = i == 0 ? scale : p->policy == NOT_LARGER ? MF_MIN(common, scale) : MF_MAX(common, scale);
  }
  p->known = true;
  for (uint32_t i = 0; p->policy != STRETCH && i < p->n_axes; ++i) p->known &= x->dims[p->axes[i]] >= 0;
  if (!p->known || p->policy == STRETCH) return true;
  for (uint32_t i = 0; i < p->n_axes; ++i) {
    const uint32_t d = p->axes[i];
    const double out = floor((double)common * (double)x->dims[d] + 0.5);
    if (out > 1e12) return mf_fail(err, MF_TooLarge, "dimension %u would become %g", d, out);
    p->scale[d] = common;
    p->out[d] = (int64_t)out;
  }
  return true;
}

static bool use_roi(const mf_tensor *roi, plan *p, mf_error *err) {
  if (!roi) return mf_fail(err, MF_InvalidModel, "tf_crop_and_resize needs a region of interest");
  if (!check_list(roi, 2 * p->n_axes, "roi", err)) return false;
  for (uint32_t i = 0; roi->data && i < p->n_axes; ++i) {
    p->start[p->axes[i]] = mf_ops_get_double(roi, i);
    p->end[p->axes[i]] = mf_ops_get_double(roi, p->n_axes + i);
  }
  return true;
}

// The rank of input 0 must be known.
static bool read_plan(const mf_shape_call *call, const layout *at, plan *p, mf_error *err) {
  const mf_tensor *x = call->inputs[0], *scales = list_input(call, at->scales), *sizes = list_input(call, at->sizes);
  const float *stated = mf_attr_floats(&call->attributes, SCALES);
  *p = (plan){.known = false};
  if (!read_words(&call->attributes, p, err) || !read_axes(&call->attributes, x->rank, p, err)) return false;
  for (uint32_t d = 0; d < x->rank; ++d) p->out[d] = x->dims[d], p->scale[d] = 1, p->end[d] = 1;
  for (uint32_t i = 0; i < p->n_axes; ++i) p->out[p->axes[i]] = MF_DIM_UNKNOWN;
  if (p->coordinates == TF_CROP && !use_roi(list_input(call, at->roi), p, err)) return false;
  if (stated) {
    if (mf_attr_count(&call->attributes, SCALES) != x->rank)
      return mf_fail(err, MF_InvalidModel, "attribute 'scales' has %u elements, expected %u", mf_attr_count(&call->attributes, SCALES), x->rank);
    return use_scales(x, p, stated, err);
  }
  if (scales && sizes && scales->rank == 1 && sizes->rank == 1 && scales->dims[0] > 0 && sizes->dims[0] > 0)
    return mf_fail(err, MF_InvalidModel, "both scales and sizes are given, expected one of them");
  if (!scales && !sizes) return mf_fail(err, MF_InvalidModel, "neither scales nor sizes are given");
  if (sizes && !check_list(sizes, p->n_axes, "sizes", err)) return false;
  if (scales && !check_list(scales, p->n_axes, "scales", err)) return false;
  if (sizes && sizes->data && mf_tensor_count(sizes) > 0) return use_sizes(x, p, sizes->data, err);
  if (scales && scales->data && mf_tensor_count(scales) > 0) return use_scales(x, p, scales->data, err);
  return true;
}

// ---- shapes ----

static bool resize_shape(mf_shape_call *call, const layout *at, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  plan p = {.known = false};
  if (!read_words(&call->attributes, &p, err) ||
      !mf_ops_expect(call, 0, p.mode == NEAREST ? SET_NEAREST : SET_INTERPOLATED, err) ||
      (at->scales && !nn_expect(call, at->scales, 1 << MF_FLOAT, err)) || (at->sizes && !nn_expect(call, at->sizes, MF_SET_INT64, err)) ||
      (at->roi && !nn_expect(call, at->roi, MF_SET_FLOATS, err)))
    return false;
  mf_nn_set(call, 0, x->type, MF_RANK_UNKNOWN, NULL);
  if (!mf_ops_rank_known(x)) return true;
  if (!read_plan(call, at, &p, err)) return false;
  for (uint32_t d = 0; !p.known && p.policy != STRETCH && d < p.n_axes; ++d) p.out[p.axes[d]] = MF_DIM_UNKNOWN;
  mf_nn_set(call, 0, x->type, x->rank, p.out);
  return true;
}
static bool shape_resize_11(mf_shape_call *call, mf_error *err) { return resize_shape(call, &resize_11, err); }
static bool shape_resize_10(mf_shape_call *call, mf_error *err) { return resize_shape(call, &resize_10, err); }
static bool shape_upsample_7(mf_shape_call *call, mf_error *err) { return resize_shape(call, &upsample_7, err); }

// ---- taps ----

// Where output position `at` of `out` lies in the input of `in`. The resized length of a given scale need not be whole.
static float original(const plan *p, uint32_t d, int64_t in, int64_t out, int64_t at) {
  const float x = (float)at, scale = p->scale[d], length = (float)in, resized = (float)out;
  switch (p->coordinates) {
    case HALF_PIXEL: return (x + 0.5f) / scale - 0.5f;
    case HALF_PIXEL_SYMMETRIC: return length / 2 * (1 - resized / (scale * length)) + (x + 0.5f) / scale - 0.5f;
    case PYTORCH_HALF_PIXEL: return out > 1 ? (x + 0.5f) / scale - 0.5f : 0;
    case ALIGN_CORNERS: return out == 1 ? 0 : x * (length - 1) / (scale * length - 1);
    case ASYMMETRIC: return x / scale;
    case TF_HALF_PIXEL: return (x + 0.5f) / scale;
    case TF_CROP: {
      const float start = (float)p->start[d], end = (float)p->end[d];
      return out > 1 ? start * (length - 1) + x * (end - start) * (length - 1) / (resized - 1) : 0.5f * (start + end) * (length - 1);
    }
  }
  return x;
}

static int64_t clamp_index(double at, int64_t in) { return !(at > 0) ? 0 : at >= (double)in ? in - 1 : (int64_t)at; }

static int64_t nearest_index(const plan *p, uint32_t d, float x, int64_t in) {
  switch (p->rounding) {
    case PREFER_FLOOR: return clamp_index((double)ceilf(x - 0.5f), in);
    case PREFER_CEIL: return clamp_index((double)floorf(x + 0.5f), in);
    case FLOOR: return clamp_index((double)floorf(x), in);
    case CEIL: return clamp_index((double)ceilf(x), in);
    case SIMPLE: return clamp_index((double)(p->scale[d] < 1 ? ceilf(x) : floorf(x)), in);
  }
  return 0;
}

// Keys' cubic convolution kernel, for a distance.
static double cubic_weight(double s, double a) {
  s = fabs(s);
  if (s <= 1) return ((a + 2) * s - (a + 3)) * s * s + 1;
  return s < 2 ? ((a * s - 5 * a) * s + 8 * a) * s - 4 * a : 0;
}

typedef struct taps {
  int64_t n;        // of one output position
  int64_t *index;   // [out, n]
  double *weight;   // [out, n]
} taps;

static void fill_taps(const mf_attributes *a, const plan *p, uint32_t d, int64_t in, double reach, double stretch, taps *t) {
  const double coefficient = (double)mf_attr_float(a, CUBIC_A);
  const bool exclude = mf_attr_int(a, EXCLUDE_OUTSIDE) != 0;
  for (int64_t o = 0; o < p->out[d]; ++o) {
    const double x = (double)original(p, d, in, p->out[d], o), first = floor(x) + floor(-reach / stretch) + 1;
    double sum = 0, *weight = t->weight + o * t->n;
    for (int64_t k = 0; k < t->n; ++k) {
      const double at = first + (double)k, distance = (at - x) * stretch;
      const bool outside = at < 0 || at > (double)(in - 1);
      weight[k] = p->mode == CUBIC ? cubic_weight(distance, coefficient) : fmax(0, 1 - fabs(distance));
      if (exclude && outside) weight[k] = 0;
      t->index[o * t->n + k] = clamp_index(at, in);
      sum += weight[k];
    }
    for (int64_t k = 0; sum != 0 && k < t->n; ++k) weight[k] /= sum;
  }
}

// Linear taps reach 1, cubic ones 2 to either side; with antialiasing, of a grid that is `stretch` times coarser.
static bool make_taps(mf_kernel_call *call, const plan *p, uint32_t d, taps *t, mf_error *err) {
  const int64_t in = call->inputs[0]->dims[d];
  const double reach = p->mode == CUBIC ? 2 : 1;
  const double stretch = mf_attr_int(&call->attributes, ANTIALIAS) != 0 ? fmin((double)p->scale[d], 1) : 1;
  *t = (taps){.n = 0};
  if (p->out[d] == 0) return true;
  t->n = 2 * (int64_t)-(floor(-reach / stretch) + 1) + 2;
  int64_t count;
  if (!mf_ops_mul_dims(p->out[d], t->n, &count, err)) return false;
  t->index = mf_nn_temporary(call, count, sizeof *t->index, err);
  t->weight = t->index ? mf_nn_temporary(call, count, sizeof *t->weight, err) : NULL;
  if (!t->weight) return false;
  fill_taps(&call->attributes, p, d, in, reach, stretch, t);
  return true;
}

// ---- kernels ----

static bool is_whole(const int64_t *index, int64_t in, int64_t out) {
  bool whole = in == out;
  for (int64_t o = 0; whole && o < out; ++o) whole = index[o] == o;
  return whole;
}

// The last dimension stays as it is (channels-last images): its rows are copied whole.
static void nearest_rows(const mf_tensor *x, mf_tensor *y, int64_t *const *index) {
  const uint32_t last = x->rank - 1;
  const size_t row = (size_t)x->dims[last] * mf_type_size(x->type);
  int64_t at[MF_MAX_RANK] = {0};
  const int64_t zero[MF_MAX_RANK] = {0};
  char *to = y->data;
  do {
    int64_t from = 0;
    for (uint32_t d = 0; d < last; ++d) from = from * x->dims[d] + index[d][at[d]];
    memcpy(to, (const char *)x->data + (size_t)from * row, row);
    to += row;
  } while (nn_step(last, at, zero, y->dims));
}

static bool nearest(mf_kernel_call *call, const plan *p, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  mf_tensor *y = call->outputs[0];
  const size_t size = mf_type_size(x->type);
  const uint32_t rank = x->rank, last = rank > 0 ? rank - 1 : 0;
  int64_t *index[MF_MAX_RANK], at[MF_MAX_RANK] = {0}, zero[MF_MAX_RANK] = {0};
  for (uint32_t d = 0; d < rank; ++d) {
    if (!(index[d] = mf_nn_temporary(call, y->dims[d], sizeof **index, err))) return false;
    for (int64_t o = 0; o < y->dims[d]; ++o) index[d][o] = nearest_index(p, d, original(p, d, x->dims[d], y->dims[d], o), x->dims[d]);
  }
  if (mf_tensor_count(y) == 0) return true;
  char *to = y->data;
  if (rank > 1 && is_whole(index[last], x->dims[last], y->dims[last])) {
    nearest_rows(x, y, index);
    return true;
  }
  do {
    int64_t from = 0;
    for (uint32_t d = 0; d < last; ++d) from = from * x->dims[d] + index[d][at[d]];
    const char *row = (const char *)x->data + (size_t)(rank > 0 ? from * x->dims[last] : 0) * size;
    for (int64_t o = 0; o < (rank > 0 ? y->dims[last] : 1); ++o, to += size)
      memcpy(to, row + (size_t)(rank > 0 ? index[last][o] : 0) * size, size);
  } while (nn_step(last, at, zero, y->dims));
  return true;
}

// One pass: dims[d] becomes out, by its taps.
static void pass(const double *from, int64_t outer, int64_t in, int64_t out, int64_t inner, const taps *t, double *to) {
  memset(to, 0, (size_t)(outer * out * inner) * sizeof *to);
  for (int64_t u = 0; u < outer; ++u, from += in * inner)
    for (int64_t o = 0; o < out; ++o, to += inner)
      for (int64_t k = 0; k < t->n; ++k) {
        const double weight = t->weight[o * t->n + k], *row = from + t->index[o * t->n + k] * inner;
        for (int64_t i = 0; i < inner; ++i) to[i] += weight * row[i];
      }
}

static void store(mf_tensor *y, int64_t at, double value) {
  switch ((int)y->type) {
#define STORE_INTEGER(TYPE, s, T, least, most)                                                                       \
  case TYPE: mf_put_##s(y->data, at, (T)fmin(fmax(value, (double)(least)), (double)(most))); break;
    STORE_INTEGER(MF_UINT8, u8, uint8_t, 0, UINT8_MAX)
    STORE_INTEGER(MF_INT8, i8, int8_t, INT8_MIN, INT8_MAX)
    STORE_INTEGER(MF_UINT16, u16, uint16_t, 0, UINT16_MAX)
    STORE_INTEGER(MF_INT16, i16, int16_t, INT16_MIN, INT16_MAX)
    STORE_INTEGER(MF_UINT32, u32, uint32_t, 0, UINT32_MAX)
    STORE_INTEGER(MF_INT32, i32, int32_t, INT32_MIN, INT32_MAX)
    // The greatest doubles below 2^64 and 2^63.
    STORE_INTEGER(MF_UINT64, u64, uint64_t, 0, 0x1.fffffffffffffp63)
    STORE_INTEGER(MF_INT64, i64, int64_t, INT64_MIN, 0x1.fffffffffffffp62)
    default: mf_ops_put_double(y, at, value);
  }
}

// tf_crop_and_resize: outputs that lie outside the input in any dimension get one value.
static void extrapolate(mf_kernel_call *call, const plan *p) {
  mf_tensor *y = call->outputs[0];
  const mf_tensor *x = call->inputs[0];
  int64_t at[MF_MAX_RANK] = {0}, zero[MF_MAX_RANK] = {0}, i = 0;
  if (mf_tensor_count(y) == 0) return;
  do {
    bool outside = false;
    for (uint32_t d = 0; d < y->rank && !outside; ++d) {
      const float from = original(p, d, x->dims[d], y->dims[d], at[d]);
      outside = !(from >= 0 && from <= (float)(x->dims[d] - 1));
    }
    if (outside) store(y, i, (double)mf_attr_float(&call->attributes, EXTRAPOLATION));
    ++i;
  } while (nn_step(y->rank, at, zero, y->dims));
}

static bool interpolate(mf_kernel_call *call, const plan *p, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  mf_tensor *y = call->outputs[0], now = *x;
  double *data = mf_nn_temporary(call, mf_tensor_count(x), sizeof *data, err);
  if (!data) return false;
  for (int64_t i = 0; i < mf_tensor_count(x); ++i) data[i] = mf_ops_get_double(x, i);
  for (uint32_t d = 0; d < x->rank; ++d) {
    if (x->dims[d] == y->dims[d] && p->scale[d] == 1 && p->coordinates != TF_CROP) continue;
    taps t;
    if (!make_taps(call, p, d, &t, err)) return false;
    now.dims[d] = y->dims[d];
    double *next = mf_nn_temporary(call, mf_tensor_count(&now), sizeof *next, err);
    if (!next) return false;
    pass(data, mf_tensor_span(&now, 0, d), x->dims[d], y->dims[d], mf_tensor_span(&now, d + 1, x->rank), &t, next);
    data = next;
  }
  for (int64_t i = 0; i < mf_tensor_count(y); ++i) store(y, i, data[i]);
  return true;
}

static bool run(mf_kernel_call *call, const layout *at, mf_error *err) {
  const mf_shape_call view = mf_ops_view(call);
  plan p = {.known = false};
  if (!read_plan(&view, at, &p, err)) return false;
  if (!(p.mode == NEAREST ? nearest(call, &p, err) : interpolate(call, &p, err))) return false;
  if (p.coordinates == TF_CROP) extrapolate(call, &p);
  return true;
}
static bool run_resize_11(mf_kernel_call *call, mf_error *err) { return run(call, &resize_11, err); }
static bool run_resize_10(mf_kernel_call *call, mf_error *err) { return run(call, &resize_10, err); }
static bool run_upsample_7(mf_kernel_call *call, mf_error *err) { return run(call, &upsample_7, err); }
MF_REFERENCE(resize, run_resize_11);
MF_REFERENCE(resize_10, run_resize_10);
MF_REFERENCE(upsample_7, run_upsample_7);

#define RESIZE_ATTRIBUTES(where, nearest)                                                                               \
  MF_INT("antialias", 0), MF_OPTIONAL("axes", MF_ATTR_INTS), MF_TEXT("coordinate_transformation_mode", where),          \
      MF_REAL("cubic_coeff_a", -0.75f), MF_INT("exclude_outside", 0), MF_REAL("extrapolation_value", 0),                \
      MF_TEXT("keep_aspect_ratio_policy", "stretch"), MF_TEXT("mode", "nearest"), MF_TEXT("nearest_mode", nearest)
const mf_operator mf_op_Resize = {"", "Resize", 11, MF_OP_ANY, 1, 4, 1, 1, .shape_inputs = 1 << 2 | 1 << 3, .shape = shape_resize_11,
                                  MF_ATTRIBUTES(RESIZE_ATTRIBUTES("half_pixel", "round_prefer_floor")), MF_KERNELS(&resize_reference)};
const mf_operator mf_op_Resize_10 = {"", "Resize", 10, 10, 2, 2, 1, 1, .shape_inputs = 1 << 1, .shape = shape_resize_10,
                                     MF_ATTRIBUTES(RESIZE_ATTRIBUTES("asymmetric", "simple")), MF_KERNELS(&resize_10_reference)};
const mf_operator mf_op_Upsample = {"", "Upsample", 9, MF_OP_ANY, 2, 2, 1, 1, .shape_inputs = 1 << 1, .shape = shape_resize_10,
                                    MF_ATTRIBUTES(RESIZE_ATTRIBUTES("asymmetric", "simple")), MF_KERNELS(&resize_10_reference)};
const mf_operator mf_op_Upsample_7 = {
    "", "Upsample", 7, 8, 1, 1, 1, 1, .shape = shape_upsample_7,
    MF_ATTRIBUTES(RESIZE_ATTRIBUTES("asymmetric", "simple"), MF_REQUIRED("scales", MF_ATTR_FLOATS)), MF_KERNELS(&upsample_7_reference)};
