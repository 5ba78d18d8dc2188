// Two passes, first along rows, then along columns, each a weighted sum in fixed point with 22 bits
// behind the point, rounded and clamped to a byte after each pass. A pass that would change nothing
// is left out. The order, the rounding of coefficients and the accumulated positions of `nearest`
// are part of the result.
#include "resample.h"

#include <math.h>

enum { FRACTION_BITS = 22, ALIGNMENT = 64 };

typedef double filter_fn(double x);
typedef struct filter {
  filter_fn *weight;
  double support;
} filter;

static double triangle(double x) {
  x = fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

static double cubic(double x) {  // Keys, a = -0.5
  const double a = -0.5;
  x = fabs(x);
  if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
  return 0.0;
}

static double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= M_PI;
  return sin(x) / x;
}
static double lanczos(double x) { return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

static const filter filters[] = {
    [MF_LANCZOS] = {lanczos, 3.0}, [MF_BILINEAR] = {triangle, 1.0}, [MF_BICUBIC] = {cubic, 2.0}};

// One axis: for each output position, which inputs count (first, count) and how much (taps
// weights).
typedef struct axis {
  uint32_t from, to, taps;
  uint32_t *first, *count;
  int32_t *weights;
} axis;

static uint32_t taps_of(mf_resample name, uint32_t from, uint32_t to) {
  double scale = (double)from / to;
  return (uint32_t)ceil(filters[name].support * fmax(scale, 1.0)) * 2 + 1;
}

static void weigh(const axis *a, uint32_t at, const filter *f, double scale, double *weights) {
  double filter_scale = fmax(scale, 1.0), support = f->support * filter_scale,
         step = 1.0 / filter_scale;
  double center = (at + 0.5) * scale, total = 0.0;
  int64_t low = (int64_t)(center - support + 0.5), high = (int64_t)(center + support + 0.5);
  low = MF_MAX(low, 0);
  high = MF_MIN(high, (int64_t)a->from);
  int64_t n = high - low;
  for (int64_t i = 0; i < n; i++) {
    weights[i] = f->weight(((double)(i + low) - center + 0.5) * step);
    total += weights[i];
  }
  if (total != 0.0)
    for (int64_t i = 0; i < n; i++) weights[i] /= total;
  a->first[at] = (uint32_t)low;
  a->count[at] = (uint32_t)n;
}

// `wide`: room for the weights of one position before they are rounded.
static void fill_axis(const axis *a, mf_resample name, double *wide) {
  const double one = 1 << FRACTION_BITS;
  for (uint32_t at = 0; at < a->to; at++) {
    weigh(a, at, &filters[name], (double)a->from / a->to, wide);
    int32_t *weights = a->weights + (size_t)at * a->taps;
    for (uint32_t i = 0; i < a->count[at]; i++)
      weights[i] = (int32_t)(wide[i] * one + (wide[i] < 0 ? -0.5 : 0.5));
  }
}

static uint8_t clamp(int32_t sum) {
  sum >>= FRACTION_BITS;
  return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void along_row3(const axis *a, const uint8_t *from, uint8_t *to) {
  for (uint32_t x = 0; x < a->to; x++) {
    const uint8_t *p = from + (size_t)a->first[x] * 3;
    const int32_t *w = a->weights + (size_t)x * a->taps;
    int32_t s0 = 1 << (FRACTION_BITS - 1), s1 = s0, s2 = s0;
    for (uint32_t i = 0; i < a->count[x]; i++, p += 3) {
      s0 += p[0] * w[i];
      s1 += p[1] * w[i];
      s2 += p[2] * w[i];
    }
    *to++ = clamp(s0);
    *to++ = clamp(s1);
    *to++ = clamp(s2);
  }
}

static void along_row(const axis *a, uint32_t channels, const uint8_t *from, uint8_t *to) {
  for (uint32_t x = 0; x < a->to; x++) {
    const int32_t *w = a->weights + (size_t)x * a->taps;
    for (uint32_t c = 0; c < channels; c++) {
      const uint8_t *p = from + (size_t)a->first[x] * channels + c;
      int32_t sum = 1 << (FRACTION_BITS - 1);
      for (uint32_t i = 0; i < a->count[x]; i++) sum += p[(size_t)i * channels] * w[i];
      *to++ = clamp(sum);
    }
  }
}

// A row of the result from the rows above and below it; sums: one for each byte of a row.
static void down_columns(const axis *a, uint32_t y, size_t row_bytes, const uint8_t *from,
                         int32_t *restrict sums, uint8_t *to) {
  for (size_t i = 0; i < row_bytes; i++) sums[i] = 1 << (FRACTION_BITS - 1);
  for (uint32_t k = 0; k < a->count[y]; k++) {
    const uint8_t *restrict row = from + (size_t)(a->first[y] + k) * row_bytes;
    const int32_t weight = a->weights[(size_t)y * a->taps + k];
    for (size_t i = 0; i < row_bytes; i++) sums[i] += row[i] * weight;
  }
  for (size_t i = 0; i < row_bytes; i++) to[i] = clamp(sums[i]);
}

// ---- memory ----

typedef struct layout {  // of the scratch memory, in bytes from its start
  size_t x_first, x_count, x_weights, y_first, y_count, y_weights, wide, between, sums, total;
  uint32_t x_taps, y_taps;
  bool overflow;
} layout;

static size_t take(layout *l, size_t count, size_t each) {
  size_t bytes, at = l->total;
  l->overflow |= __builtin_mul_overflow(count, each, &bytes) || bytes > SIZE_MAX / 4 ||
                 l->total > SIZE_MAX / 4;
  if (!l->overflow) l->total += (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  return at;
}

static layout plan(const mf_resize *r) {
  layout l = {0};
  if (r->filter == MF_NEAREST) {
    l.x_first = take(&l, r->width, sizeof(uint32_t));
    return l;
  }
  l.x_taps = taps_of(r->filter, r->from_width, r->width);
  l.y_taps = taps_of(r->filter, r->from_height, r->height);
  l.x_first = take(&l, r->width, sizeof(uint32_t));
  l.x_count = take(&l, r->width, sizeof(uint32_t));
  l.x_weights = take(&l, (size_t)r->width * l.x_taps, sizeof(int32_t));
  l.y_first = take(&l, r->height, sizeof(uint32_t));
  l.y_count = take(&l, r->height, sizeof(uint32_t));
  l.y_weights = take(&l, (size_t)r->height * l.y_taps, sizeof(int32_t));
  l.wide = take(&l, MF_MAX(l.x_taps, l.y_taps), sizeof(double));
  size_t row_bytes = (size_t)r->width * r->channels;
  l.sums = take(&l, row_bytes, sizeof(int32_t));
  l.between = take(&l, r->from_height, row_bytes);
  return l;
}

size_t mf_resize_scratch(const mf_resize *resize) {
  layout l = plan(resize);
  return l.overflow ? SIZE_MAX : l.total;
}

// ---- nearest ----

// Positions are accumulated, not multiplied: that decides which pixel is taken where they fall on
// an edge.
static void nearest_columns(const mf_resize *r, uint32_t *columns) {
  double step = (double)r->from_width / r->width, at = step * 0.5;
  for (uint32_t x = 0; x < r->width; x++, at += step)
    columns[x] = MF_MIN((uint32_t)at, r->from_width - 1);
}

static void run_nearest(const mf_resize *r, const uint8_t *from, uint8_t *to, uint32_t *columns) {
  nearest_columns(r, columns);
  double step = (double)r->from_height / r->height, at = step * 0.5;
  for (uint32_t y = 0; y < r->height; y++, at += step) {
    const uint8_t *row =
        from + (size_t)MF_MIN((uint32_t)at, r->from_height - 1) * r->from_width * r->channels;
    for (uint32_t x = 0; x < r->width; x++)
      for (uint32_t c = 0; c < r->channels; c++) *to++ = row[(size_t)columns[x] * r->channels + c];
  }
}

static void run_filter(const mf_resize *r, const uint8_t *from, uint8_t *to, char *memory) {
  const layout l = plan(r);
  const axis x = {r->from_width,
                  r->width,
                  l.x_taps,
                  (void *)(memory + l.x_first),
                  (void *)(memory + l.x_count),
                  (void *)(memory + l.x_weights)};
  const axis y = {r->from_height,
                  r->height,
                  l.y_taps,
                  (void *)(memory + l.y_first),
                  (void *)(memory + l.y_count),
                  (void *)(memory + l.y_weights)};
  size_t row_bytes = (size_t)r->width * r->channels;
  const uint8_t *between = from;
  if (x.from != x.to) {
    uint8_t *rows = y.from == y.to ? to : (uint8_t *)memory + l.between;
    fill_axis(&x, r->filter, (void *)(memory + l.wide));
    for (uint32_t i = 0; i < r->from_height; i++) {
      const uint8_t *row = from + (size_t)i * r->from_width * r->channels;
      if (r->channels == 3)
        along_row3(&x, row, rows + row_bytes * i);
      else
        along_row(&x, r->channels, row, rows + row_bytes * i);
    }
    between = rows;
  }
  if (y.from == y.to) return;
  fill_axis(&y, r->filter, (void *)(memory + l.wide));
  for (uint32_t i = 0; i < r->height; i++)
    down_columns(&y, i, row_bytes, between, (void *)(memory + l.sums), to + row_bytes * i);
}

void mf_resize_run(const mf_resize *r, const uint8_t *from, uint8_t *to, void *scratch) {
  if (r->from_width == r->width && r->from_height == r->height)
    memcpy(to, from, (size_t)r->width * r->height * r->channels);
  else if (r->filter == MF_NEAREST)
    run_nearest(r, from, to, scratch);
  else
    run_filter(r, from, to, scratch);
}
