// Sliding windows: how Conv, ConvTranspose and the pooling operators turn their attributes into geometry, and the walk over it.
#include "nn.h"

// Attributes and input dimensions beyond these are refused, so that no product below can overflow.
#define WINDOW_LIMIT (INT64_C(1) << 30)
#define INPUT_LIMIT (INT64_C(1) << 40)
// Kernels walk every position of the window, padding included: a bound on how long that can take.
#define CELLS_LIMIT (INT64_C(1) << 26)

static bool read_ints(const mf_attributes *a, uint32_t at, const char *name, uint32_t n, int64_t fallback, int64_t least,
                      int64_t *out, mf_error *err) {
  const int64_t *list = mf_attr_ints(a, at);
  if (list && mf_attr_count(a, at) != n)
    return mf_fail(err, MF_InvalidModel, "attribute '%s' has %u elements, expected %u", name, mf_attr_count(a, at), n);
  for (uint32_t d = 0; d < n; ++d) {
    out[d] = list ? list[d] : fallback;
    if (out[d] < least || out[d] > WINDOW_LIMIT)
      return mf_fail(err, MF_InvalidModel, "element %u of attribute '%s' is %lld, expected %lld to %lld", d, name,
                     (long long)out[d], (long long)least, (long long)WINDOW_LIMIT);
  }
  return true;
}

static bool read_kernel(const mf_attributes *a, const int64_t *weights, nn_window *w, mf_error *err) {
  int64_t cells = 1;
  const bool stated = mf_attr_has(a, NN_KERNEL_SHAPE);
  if (!stated && !weights) return mf_fail(err, MF_InvalidModel, "attribute 'kernel_shape' is missing");
  if (stated && !read_ints(a, NN_KERNEL_SHAPE, "kernel_shape", w->n, 1, 1, w->kernel, err)) return false;
  for (uint32_t d = 0; d < w->n; ++d) {
    if (!stated) w->kernel[d] = weights[d];
    if (stated && weights && weights[d] >= 0 && weights[d] != w->kernel[d])
      return mf_fail(err, MF_InvalidModel, "element %u of attribute 'kernel_shape' is %lld, expected %lld as in the weights", d,
                     (long long)w->kernel[d], (long long)weights[d]);
    if (w->kernel[d] == 0 || w->kernel[d] > WINDOW_LIMIT)
      return mf_fail(err, MF_InvalidModel, "dimension %u of the kernel is %lld, expected 1 to %lld", d, (long long)w->kernel[d],
                     (long long)WINDOW_LIMIT);
    cells *= MF_MAX(w->kernel[d], 1);
    if (cells > CELLS_LIMIT) return mf_fail(err, MF_TooLarge, "the kernel has more than %lld cells", (long long)CELLS_LIMIT);
  }
  return true;
}

bool mf_nn_window_read(const mf_attributes *a, const mf_tensor *x, const int64_t *weights, nn_window *w, mf_error *err) {
  static const char *const modes[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"};
  int64_t pads[2 * NN_MAX_SPATIAL];
  if (x->rank < 3 || x->rank > MF_MAX_RANK)
    return mf_fail(err, MF_InvalidModel, "input 0 has %u dimensions, expected 3 to %d", x->rank, MF_MAX_RANK);
  const uint32_t n = x->rank - 2;
  *w = (nn_window){.n = n};
  if (mf_attr_count(a, NN_AUTO_PAD) > 0 &&
      !mf_nn_choice(a, NN_AUTO_PAD, "auto_pad", modes, MF_COUNT(modes), &w->auto_pad, err))
    return false;
  if (!read_kernel(a, weights, w, err) || !read_ints(a, NN_STRIDES, "strides", n, 1, 1, w->stride, err) ||
      !read_ints(a, NN_DILATIONS, "dilations", n, 1, 1, w->dilation, err) || !read_ints(a, NN_PADS, "pads", 2 * n, 0, 0, pads, err))
    return false;
  for (uint32_t d = 0; d < n; ++d) {
    w->in[d] = mf_nn_dim_of(x, d + 2);
    if (w->in[d] > INPUT_LIMIT)
      return mf_fail(err, MF_TooLarge, "spatial dimension %u of the input is %lld, expected at most %lld", d, (long long)w->in[d],
                     (long long)INPUT_LIMIT);
    w->pad[d] = w->auto_pad == NN_NOTSET ? pads[d] : 0;
    w->pad_end[d] = w->auto_pad == NN_NOTSET ? pads[n + d] : 0;
  }
  return true;
}

// SAME: as many outputs as there are strides in the input; what padding that takes, the odd one at the end (or the beginning).
static void slide_same(nn_window *w, uint32_t d, int64_t reach) {
  w->out[d] = (w->in[d] + w->stride[d] - 1) / w->stride[d];
  const int64_t total = MF_MAX(0, (w->out[d] - 1) * w->stride[d] + reach - w->in[d]);
  w->pad[d] = w->auto_pad == NN_SAME_UPPER ? total / 2 : total - total / 2;
  w->pad_end[d] = total - w->pad[d];
}

bool mf_nn_window_slide(nn_window *w, nn_slide kind, mf_error *err) {
  const bool ceil_mode = kind == NN_POOL_CEIL;
  for (uint32_t d = 0; d < w->n; ++d) {
    w->out[d] = MF_DIM_UNKNOWN;
    if (w->in[d] < 0 || w->kernel[d] < 0) continue;
    const int64_t reach = w->dilation[d] * (w->kernel[d] - 1) + 1;  // cells from the first to the last one that is read
    if (w->auto_pad == NN_SAME_UPPER || w->auto_pad == NN_SAME_LOWER) {
      slide_same(w, d, reach);
      continue;
    }
    const int64_t room = w->in[d] + w->pad[d] + w->pad_end[d] - reach;
    if (kind == NN_POOL && room < 0 && room > -w->stride[d]) {
      w->out[d] = 1;  // the one window sticks out by less than a stride: it runs on what there is, as in ONNX Runtime
      continue;
    }
    if (room < 0)
      return mf_fail(err, MF_InvalidModel, "the kernel spans %lld in spatial dimension %u, the padded input has only %lld",
                     (long long)reach, d, (long long)(room + reach));
    w->out[d] = (room + (ceil_mode ? w->stride[d] - 1 : 0)) / w->stride[d] + 1;
    // A last window that would begin in the padding behind the input does not count.
    if (ceil_mode && (w->out[d] - 1) * w->stride[d] >= w->in[d] + w->pad[d]) --w->out[d];
  }
  return true;
}

bool mf_nn_window_box(const nn_window *w, const int64_t *k, int64_t *low, int64_t *high) {
  for (uint32_t d = 0; d < w->n; ++d) {
    const int64_t begin = w->pad[d] - k[d] * w->dilation[d];  // output o reads input o * stride - begin
    const int64_t end = w->in[d] - 1 + begin;
    low[d] = begin <= 0 ? 0 : (begin + w->stride[d] - 1) / w->stride[d];
    high[d] = end < 0 ? 0 : MF_MIN(w->out[d], end / w->stride[d] + 1);
    if (low[d] >= high[d]) return false;
  }
  return true;
}

int64_t mf_nn_window_input(const nn_window *w, const int64_t *at, const int64_t *k) {
  int64_t offset = 0;
  for (uint32_t d = 0; d < w->n; ++d)
    offset = offset * w->in[d] + at[d] * w->stride[d] - w->pad[d] + k[d] * w->dilation[d];
  return offset;
}

int64_t mf_nn_offset(uint32_t n, const int64_t *dims, const int64_t *at) {
  int64_t offset = 0;
  for (uint32_t d = 0; d < n; ++d) offset = offset * dims[d] + at[d];
  return offset;
}

int64_t mf_nn_product(uint32_t n, const int64_t *dims) {
  int64_t product = 1;
  for (uint32_t d = 0; d < n; ++d) product *= dims[d];
  return product;
}
