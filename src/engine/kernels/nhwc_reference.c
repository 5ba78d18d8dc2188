// The channels-last operators again, obviously right: every output written from its formula, sums
// in double precision.
#include <math.h>

#include "nhwc.h"

static const float *optional(const mf_kernel_call *call, uint32_t at) {
  return at < call->n_inputs && call->inputs[at] ? call->inputs[at]->data : NULL;
}

// The pixel of batch entry n under output (oy, ox) and tap (ky, kx); NULL: in the padding.
static const float *pixel(const mf_nhwc *g, const float *x, size_t n, size_t oy, size_t ox,
                          size_t ky, size_t kx) {
  int64_t iy = (int64_t)(oy * g->sy + ky * g->dy) - (int64_t)g->pt,
          ix = (int64_t)(ox * g->sx + kx * g->dx) - (int64_t)g->pl;
  if (iy < 0 || ix < 0 || iy >= (int64_t)g->h || ix >= (int64_t)g->w) return NULL;
  return x + ((n * g->h + (size_t)iy) * g->w + (size_t)ix) * g->c;
}

static double conv_sum(const mf_nhwc *g, const float *x, const float *w, size_t n, size_t oy,
                       size_t ox, size_t oc) {
  double sum = 0;
  size_t first = oc / g->ocg * g->icg;
  for (size_t ky = 0; ky < g->kh; ky++)
    for (size_t kx = 0; kx < g->kw; kx++) {
      const float *in = pixel(g, x, n, oy, ox, ky, kx);
      for (size_t ic = 0; in && ic < g->icg; ic++)
        sum += (double)in[first + ic] * (double)w[((oc * g->icg + ic) * g->kh + ky) * g->kw + kx];
    }
  return sum;
}

bool mf_nhwc_conv_reference(mf_kernel_call *call, mf_error *err) {
  (void)err;
  mf_nhwc g;
  mf_nhwc_read(&call->attributes, call->inputs[0], MF_NHWC_CONV, &g);
  mf_activation act = mf_nhwc_activation(&call->attributes);
  const float *bias = optional(call, 2), *residual = optional(call, 3);
  float *out = call->outputs[0]->data;
  for (size_t n = 0, at = 0; n < g.n; n++)
    for (size_t oy = 0; oy < g.oh; oy++)
      for (size_t ox = 0; ox < g.ow; ox++)
        for (size_t oc = 0; oc < g.oc; oc++, at++) {
          double sum = conv_sum(&g, call->inputs[0]->data, call->inputs[1]->data, n, oy, ox, oc);
          sum += (bias ? (double)bias[oc] : 0) + (residual ? (double)residual[at] : 0);
          out[at] = mf_activate(&act, (float)sum);
        }
  return true;
}

// Output (oy, ox) gathers the input pixels whose windows reach it.
static double conv_transpose_sum(const mf_nhwc *g, const float *x, const float *w, size_t n,
                                 size_t oy, size_t ox, size_t oc) {
  double sum = 0;
  size_t first = oc / g->ocg * g->icg;
  for (size_t iy = 0; iy < g->h; iy++)
    for (size_t ix = 0; ix < g->w; ix++)
      for (size_t ky = 0; ky < g->kh; ky++)
        for (size_t kx = 0; kx < g->kw; kx++) {
          if (iy * g->sy + ky * g->dy != oy + g->pt || ix * g->sx + kx * g->dx != ox + g->pl)
            continue;
          const float *in = x + ((n * g->h + iy) * g->w + ix) * g->c;
          for (size_t ic = first; ic < first + g->icg; ic++)
            sum +=
                (double)in[ic] * (double)w[((ic * g->ocg + oc % g->ocg) * g->kh + ky) * g->kw + kx];
        }
  return sum;
}

bool mf_nhwc_conv_transpose_reference(mf_kernel_call *call, mf_error *err) {
  (void)err;
  mf_nhwc g;
  mf_nhwc_read(&call->attributes, call->inputs[0], MF_NHWC_CONV_TRANSPOSE, &g);
  mf_activation act = mf_nhwc_activation(&call->attributes);
  const float *bias = optional(call, 2);
  float *out = call->outputs[0]->data;
  for (size_t n = 0; n < g.n; n++)
    for (size_t oy = 0; oy < g.oh; oy++)
      for (size_t ox = 0; ox < g.ow; ox++)
        for (size_t oc = 0; oc < g.oc; oc++) {
          double sum =
              conv_transpose_sum(&g, call->inputs[0]->data, call->inputs[1]->data, n, oy, ox, oc) +
              (bias ? (double)bias[oc] : 0);
          *out++ = mf_activate(&act, (float)sum);
        }
  return true;
}

// Maximum or average of channel c under the window of output (oy, ox).
static double pooled(const mf_nhwc *g, const float *x, size_t n, size_t oy, size_t ox, size_t c,
                     bool average, bool count_padding) {
  double sum = 0, best = -INFINITY;
  int taps = 0;
  for (size_t ky = 0; ky < g->kh; ky++)
    for (size_t kx = 0; kx < g->kw; kx++) {
      const float *in = pixel(g, x, n, oy, ox, ky, kx);
      bool padded = oy * g->sy + ky * g->dy < g->h + g->pt + g->pb &&
                    ox * g->sx + kx * g->dx < g->w + g->pl + g->pr;
      if (in || (count_padding && padded)) taps++;
      if (in) sum += (double)in[c], best = fmax(best, (double)in[c]);
    }
  return average ? sum / taps : best;
}

static void pool(mf_kernel_call *call, bool average, bool count_padding) {
  mf_nhwc g;
  mf_nhwc_read(&call->attributes, call->inputs[0], MF_NHWC_POOL, &g);
  float *out = call->outputs[0]->data;
  for (size_t n = 0; n < g.n; n++)
    for (size_t oy = 0; oy < g.oh; oy++)
      for (size_t ox = 0; ox < g.ow; ox++)
        for (size_t c = 0; c < g.c; c++)
          *out++ = (float)pooled(&g, call->inputs[0]->data, n, oy, ox, c, average, count_padding);
}

bool mf_nhwc_max_pool_reference(mf_kernel_call *call, mf_error *err) {
  (void)err;
  pool(call, false, false);
  return true;
}
bool mf_nhwc_average_pool_reference(mf_kernel_call *call, mf_error *err) {
  (void)err;
  pool(call, true, mf_attr_int(&call->attributes, MF_NHWC_COUNT_PADDING) != 0);
  return true;
}

bool mf_nhwc_global_average_pool_reference(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *x = call->inputs[0];
  int64_t pixels = mf_tensor_span(x, 1, x->rank - 1), channels = x->dims[x->rank - 1];
  const float *in = x->data;
  for (int64_t n = 0; n < x->dims[0]; n++)
    for (int64_t c = 0; c < channels; c++) {
      double sum = 0;
      for (int64_t p = 0; p < pixels; p++) sum += (double)in[(n * pixels + p) * channels + c];
      ((float *)call->outputs[0]->data)[n * channels + c] = (float)(sum / (double)pixels);
    }
  return true;
}
