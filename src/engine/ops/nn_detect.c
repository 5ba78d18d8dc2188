// Operators of detectors: NonMaxSuppression and RoiAlign.
#include "nn.h"

#include <math.h>

// ---- NonMaxSuppression ----

enum { BOXES, SCORES, MOST, IOU, THRESHOLD };

static bool shape_suppression(mf_shape_call *call, mf_error *err) {
  const mf_tensor *boxes = call->inputs[BOXES];
  if (!mf_ops_expect(call, BOXES, 1 << MF_FLOAT, err) || !mf_ops_expect(call, SCORES, 1 << MF_FLOAT, err) ||
      !nn_expect_rank(call, BOXES, 3, 3, err) || !nn_expect_rank(call, SCORES, 3, 3, err) ||
      !mf_nn_dim(call, BOXES, 2, 4, "corners of a box", err) ||
      !mf_nn_dim(call, SCORES, 0, mf_nn_dim_of(boxes, 0), "batch", err) || !mf_nn_dim(call, SCORES, 2, mf_nn_dim_of(boxes, 1), "boxes", err) ||
      !nn_expect(call, MOST, MF_SET_INT64, err) || !nn_expect(call, IOU, 1 << MF_FLOAT, err) || !nn_expect(call, THRESHOLD, 1 << MF_FLOAT, err))
    return false;
  for (uint32_t at = MOST; at <= THRESHOLD; ++at)
    if (!mf_nn_single(call, at, err)) return false;
  mf_nn_set(call, 0, MF_INT64, 2, (int64_t[]){MF_DIM_UNKNOWN, 3});
  return true;
}

typedef struct box {
  float low[2], high[2];
} box;

// The corners of a box in either order, or its centre and sizes (x first).
static box read_box(const float *b, bool centred) {
  if (centred) return (box){{b[0] - b[2] / 2, b[1] - b[3] / 2}, {b[0] + b[2] / 2, b[1] + b[3] / 2}};
  return (box){{fminf(b[0], b[2]), fminf(b[1], b[3])}, {fmaxf(b[0], b[2]), fmaxf(b[1], b[3])}};
}

static float area(const box *b) { return (b->high[0] - b->low[0]) * (b->high[1] - b->low[1]); }

static float overlap(const box *a, const box *b) {
  float common = 1;
  for (int d = 0; d < 2; ++d) common *= fmaxf(0, fminf(a->high[d], b->high[d]) - fmaxf(a->low[d], b->low[d]));
  const float both = area(a) + area(b) - common;
  return common > 0 && both > 0 ? common / both : 0;
}

// Does box a come after box b: by score, then by number.
static bool after(const float *scores, int64_t a, int64_t b) { return scores[a] != scores[b] ? scores[a] < scores[b] : a > b; }

// Heap sort, best first (no memory, no recursion).
static void sift(int64_t *list, int64_t at, int64_t n, const float *scores) {
  for (int64_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && after(scores, list[child + 1], list[child])) ++child;
    if (!after(scores, list[child], list[at])) return;
    const int64_t swap = list[at];
    list[at] = list[child];
    list[child] = swap;
  }
}
static void sort_by_score(int64_t *list, int64_t n, const float *scores) {
  for (int64_t i = n / 2; i-- > 0;) sift(list, i, n, scores);
  for (int64_t end = n; end-- > 1;) {
    const int64_t swap = list[0];
    list[0] = list[end];
    list[end] = swap;
    sift(list, 0, end, scores);
  }
}

typedef struct suppression {
  int64_t n_boxes, most;
  float iou, threshold;
  bool thresholded, centred;
  int64_t *order;                  // [n_boxes]: candidates, then those that were kept
  int64_t *found, n_found;         // rows of three
} suppression;

static void suppress(suppression *s, const float *boxes, const float *scores, int64_t batch, int64_t class) {
  int64_t n = 0, kept = 0;
  for (int64_t i = 0; i < s->n_boxes; ++i)
    if (!s->thresholded || scores[i] > s->threshold) s->order[n++] = i;
  sort_by_score(s->order, n, scores);
  for (int64_t i = 0; i < n && kept < s->most; ++i) {
    const box candidate = read_box(boxes + 4 * s->order[i], s->centred);
    bool keep = true;
    for (int64_t k = 0; keep && k < kept; ++k) {
      const box other = read_box(boxes + 4 * s->order[k], s->centred);
      keep = !(overlap(&candidate, &other) > s->iou);
    }
    if (!keep) continue;
    s->order[kept++] = s->order[i];
    int64_t *row = s->found + 3 * s->n_found++;
    row[0] = batch, row[1] = class, row[2] = s->order[kept - 1];
  }
}

static bool run_suppression(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *boxes = call->inputs[BOXES], *scores = call->inputs[SCORES], *threshold = nn_arg(call, THRESHOLD);
  const int64_t batch = boxes->dims[0], classes = scores->dims[1], n = boxes->dims[1];
  suppression s = {.n_boxes = n, .most = nn_arg(call, MOST) ? mf_ops_get_int(call->inputs[MOST], 0) : 0,
                   .iou = nn_arg(call, IOU) ? (float)mf_ops_get_double(call->inputs[IOU], 0) : 0,
                   .threshold = threshold ? (float)mf_ops_get_double(threshold, 0) : 0, .thresholded = threshold != NULL,
                   .centred = mf_attr_int(&call->attributes, 0) != 0};
  int64_t rows, room;
  if (!mf_ops_mul_dims(batch, classes, &rows, err) || !mf_ops_mul_dims(rows, MF_MIN(MF_MAX(s.most, 0), n), &rows, err) ||
      !mf_ops_mul_dims(rows, 3, &room, err) || !(s.order = mf_nn_temporary(call, n, sizeof *s.order, err)) ||
      !(s.found = mf_nn_temporary(call, room, sizeof *s.found, err)))
    return false;
  for (int64_t b = 0; s.most > 0 && n > 0 && b < batch; ++b)
    for (int64_t c = 0; c < classes; ++c)
      suppress(&s, (const float *)boxes->data + b * n * 4, (const float *)scores->data + (b * classes + c) * n, b, c);
  mf_tensor *y = call->outputs[0];
  *y = (mf_tensor){.type = MF_INT64, .rank = 2, .dims = {s.n_found, 3}, .data = y->data};
  if (!call->alloc_output(call, 0, err)) return false;
  if (s.n_found > 0) memcpy(y->data, s.found, (size_t)s.n_found * 3 * sizeof *s.found);
  return true;
}
MF_REFERENCE(non_max_suppression, run_suppression);

const mf_operator mf_op_NonMaxSuppression = {"", "NonMaxSuppression", 10, MF_OP_ANY, 2, 5, 1, 1, .flags = MF_OP_SHAPES_ITSELF,
                                             .shape = shape_suppression, MF_ATTRIBUTES(MF_INT("center_point_box", 0)),
                                             MF_KERNELS(&non_max_suppression_reference)};

// ---- RoiAlign ----

enum { FEATURES, ROIS, BATCH };
enum { MODE, OUTPUT_HEIGHT, OUTPUT_WIDTH, SAMPLING_RATIO, SPATIAL_SCALE, COORDINATES };

typedef struct roi_align {
  int64_t channels, height, width, out_height, out_width, ratio;
  float scale;
  bool max, half_pixel;
} roi_align;

static bool read_roi_align(const mf_attributes *a, roi_align *r, mf_error *err) {
  static const char *const modes[] = {"avg", "max"}, *const places[] = {"half_pixel", "output_half_pixel"};
  uint32_t mode, place;
  if (!mf_nn_choice(a, MODE, "mode", modes, MF_COUNT(modes), &mode, err) ||
      !mf_nn_choice(a, COORDINATES, "coordinate_transformation_mode", places, MF_COUNT(places), &place, err))
    return false;
  *r = (roi_align){.out_height = mf_attr_int(a, OUTPUT_HEIGHT), .out_width = mf_attr_int(a, OUTPUT_WIDTH),
                   .ratio = mf_attr_int(a, SAMPLING_RATIO), .scale = mf_attr_float(a, SPATIAL_SCALE), .max = mode == 1,
                   .half_pixel = place == 0};
  if (r->out_height < 1 || r->out_width < 1 || r->out_height > INT32_MAX || r->out_width > INT32_MAX)
    return mf_fail(err, MF_InvalidModel, "the output is %lld x %lld, expected at least 1 x 1", (long long)r->out_height, (long long)r->out_width);
  if (r->ratio < 0 || r->ratio > 4096)
    return mf_fail(err, MF_InvalidModel, "attribute 'sampling_ratio' is %lld, expected 0 to 4096", (long long)r->ratio);
  return true;
}

static bool shape_roi_align(mf_shape_call *call, mf_error *err) {
  roi_align r;
  const int64_t n = mf_nn_dim_of(call->inputs[ROIS], 0);
  if (!mf_ops_expect(call, FEATURES, 1 << MF_FLOAT | 1 << MF_FLOAT16, err) || !mf_ops_expect_same(call, ROIS, FEATURES, err) ||
      !nn_expect_rank(call, FEATURES, 4, 4, err) || !nn_expect_rank(call, ROIS, 2, 2, err) || !mf_nn_dim(call, ROIS, 1, 4, "corners", err) ||
      !mf_ops_expect(call, BATCH, MF_SET_INT64, err) || !mf_nn_vector(call, BATCH, n, "regions", err) ||
      !read_roi_align(&call->attributes, &r, err))
    return false;
  mf_nn_set(call, 0, call->inputs[FEATURES]->type, 4, (int64_t[]){n, mf_nn_dim_of(call->inputs[FEATURES], 1), r.out_height, r.out_width});
  return true;
}

// The four weighted neighbours of a point, in the order that makes max mode right; outside by more than one: nothing.
static void sample(const roi_align *r, const float *plane, float y, float x, bool max, float *sum) {
  if (!(y >= -1 && y <= (float)r->height && x >= -1 && x <= (float)r->width)) {
    if (max) *sum = fmaxf(*sum, 0);
    return;
  }
  const float top = fmaxf(y, 0), left = fmaxf(x, 0);
  const int64_t y0 = MF_MIN((int64_t)top, r->height - 1), x0 = MF_MIN((int64_t)left, r->width - 1);
  const int64_t y1 = MF_MIN(y0 + 1, r->height - 1), x1 = MF_MIN(x0 + 1, r->width - 1);
  const float v = y0 == r->height - 1 ? 0 : top - (float)y0, u = x0 == r->width - 1 ? 0 : left - (float)x0;
  const float parts[] = {(1 - v) * (1 - u) * plane[y0 * r->width + x0], (1 - v) * u * plane[y0 * r->width + x1],
                         v * (1 - u) * plane[y1 * r->width + x0], v * u * plane[y1 * r->width + x1]};
  for (int i = 0; i < 4; ++i) *sum = max ? fmaxf(*sum, parts[i]) : *sum + parts[i];
}

typedef struct region {
  float y, x, bin_height, bin_width;
  int64_t grid_y, grid_x;
} region;

static bool place_region(const roi_align *r, const float *roi, region *g, mf_error *err) {
  const float offset = r->half_pixel ? 0.5f : 0;
  g->x = roi[0] * r->scale - offset;
  g->y = roi[1] * r->scale - offset;
  float width = roi[2] * r->scale - offset - g->x, height = roi[3] * r->scale - offset - g->y;
  if (!r->half_pixel) width = fmaxf(width, 1), height = fmaxf(height, 1);
  if (!(fabsf(width) < 1e6f && fabsf(height) < 1e6f))
    return mf_fail(err, MF_InvalidInput, "a region of %g x %g is out of range", (double)width, (double)height);
  g->bin_height = height / (float)r->out_height;
  g->bin_width = width / (float)r->out_width;
  g->grid_y = r->ratio > 0 ? r->ratio : (int64_t)ceilf(g->bin_height);
  g->grid_x = r->ratio > 0 ? r->ratio : (int64_t)ceilf(g->bin_width);
  return true;
}

static float pool_bin(const roi_align *r, const region *g, const float *plane, int64_t oy, int64_t ox) {
  float sum = r->max ? -INFINITY : 0;
  for (int64_t i = 0; i < g->grid_y; ++i)
    for (int64_t j = 0; j < g->grid_x; ++j)
      sample(r, plane, g->y + (float)oy * g->bin_height + ((float)i + 0.5f) * g->bin_height / (float)g->grid_y,
             g->x + (float)ox * g->bin_width + ((float)j + 0.5f) * g->bin_width / (float)g->grid_x, r->max, &sum);
  const int64_t count = MF_MAX(g->grid_y, 0) * MF_MAX(g->grid_x, 0);
  return count == 0 ? 0 : r->max ? sum : sum / (float)count;
}

static bool roi_align_f32(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[FEATURES];
  roi_align r;
  if (!read_roi_align(&call->attributes, &r, err)) return false;
  r.channels = x->dims[1], r.height = x->dims[2], r.width = x->dims[3];
  if (r.height == 0 || r.width == 0) return mf_fail(err, MF_InvalidInput, "the features have no pixels");
  float *y = call->outputs[0]->data;
  for (int64_t n = 0; n < call->inputs[ROIS]->dims[0]; ++n) {
    const int64_t batch = ((const int64_t *)call->inputs[BATCH]->data)[n];
    region g = {0};
    if (batch < 0 || batch >= x->dims[0])
      return mf_fail(err, MF_InvalidInput, "region %lld is of picture %lld, the batch has %lld", (long long)n, (long long)batch, (long long)x->dims[0]);
    if (!place_region(&r, (const float *)call->inputs[ROIS]->data + 4 * n, &g, err)) return false;
    for (int64_t c = 0; c < r.channels; ++c) {
      const float *plane = (const float *)x->data + (batch * r.channels + c) * r.height * r.width;
      for (int64_t i = 0; i < r.out_height * r.out_width; ++i) *y++ = pool_bin(&r, &g, plane, i / r.out_width, i % r.out_width);
    }
  }
  return true;
}

static bool run_roi_align(mf_kernel_call *call, mf_error *err) { return nn_is_empty(call) || mf_nn_through_float(call, roi_align_f32, err); }
MF_REFERENCE(roi_align, run_roi_align);

#define ROI_ALIGN_ATTRIBUTES(place)                                                                                   \
  MF_TEXT("mode", "avg"), MF_INT("output_height", 1), MF_INT("output_width", 1), MF_INT("sampling_ratio", 0),         \
      MF_REAL("spatial_scale", 1), MF_TEXT("coordinate_transformation_mode", place)
const mf_operator mf_op_RoiAlign = {"", "RoiAlign", 16, MF_OP_ANY, 3, 3, 1, 1, .shape = shape_roi_align,
                                    MF_ATTRIBUTES(ROI_ALIGN_ATTRIBUTES("half_pixel")), MF_KERNELS(&roi_align_reference)};
const mf_operator mf_op_RoiAlign_10 = {"", "RoiAlign", 10, 15, 3, 3, 1, 1, .shape = shape_roi_align,
                                       MF_ATTRIBUTES(ROI_ALIGN_ATTRIBUTES("output_half_pixel")), MF_KERNELS(&roi_align_reference)};
