// Slice and Pad: a part of a tensor, and a tensor inside a bigger one. Their bounds are attributes in the first opsets and inputs
// later; both forms are read into one structure.
#include "broadcast.h"

// ---- Slice ----
typedef struct bounds {
  mf_ops_ints starts, ends, axes, steps;
} bounds;

static bool read_bounds(const mf_shape_call *call, bounds *b, mf_error *err) {
  if (call->attributes.count > 0) {  // the row of opset 1: axes, ends, starts
    b->steps = (mf_ops_ints){.known = true, .absent = true};
    return mf_ops_ints_attribute(&call->attributes, 0, &b->axes, err) &&
           mf_ops_ints_attribute(&call->attributes, 1, &b->ends, err) &&
           mf_ops_ints_attribute(&call->attributes, 2, &b->starts, err);
  }
  return mf_ops_ints_input(call, 1, &b->starts, err) && mf_ops_ints_input(call, 2, &b->ends, err) &&
         mf_ops_ints_input(call, 3, &b->axes, err) && mf_ops_ints_input(call, 4, &b->steps, err);
}

// The lists have one length; without axes they are for the first dimensions.
static bool check_lengths(bounds *b, mf_error *err) {
  uint32_t n = b->starts.n;
  if (n != b->ends.n || (!b->axes.absent && b->axes.n != n) ||
      (!b->steps.absent && b->steps.n != n))
    return mf_fail(err, MF_InvalidModel,
                   "starts, ends, axes and steps have %u, %u, %u and %u entries, expected as many",
                   n, b->ends.n, b->axes.absent ? n : b->axes.n, b->steps.absent ? n : b->steps.n);
  if (n > MF_MAX_RANK)
    return mf_fail(err, MF_InvalidModel, "starts has %u entries, expected at most %d", n, MF_MAX_RANK);
  for (uint32_t i = 0; i < n && b->axes.absent; i++) b->axes.values[i] = i;
  for (uint32_t i = 0; i < n && b->steps.absent; i++) b->steps.values[i] = 1;
  b->axes.n = n;
  return true;
}

// First index and number of elements of start:end:step on a dimension, as numpy cuts them.
static bool cut(int64_t dim, int64_t start, int64_t end, int64_t step, int64_t *first, int64_t *count,
                mf_error *err) {
  if (step == 0) return mf_fail(err, MF_InvalidModel, "a step is 0, expected another number");
  if (step == INT64_MIN) step++;  // its negation must exist; one element either way
  int64_t low = step < 0 ? -1 : 0, high = step < 0 ? dim - 1 : dim;
  if (start < 0) start += dim;
  if (end < 0) end += dim;
  start = MF_MIN(MF_MAX(start, low), high);
  end = MF_MIN(MF_MAX(end, low), high);
  *first = start;
  *count = 0;
  if (step > 0 && end > start) *count = 1 + (end - start - 1) / step;
  if (step < 0 && end < start) *count = 1 + (start - end - 1) / -step;
  return true;
}

// A dimension that is not known can still be sliced where the cut does not depend on it: x[0:0], or nothing at all.
static bool slice_dim(const mf_tensor *in, const bounds *b, uint32_t i, uint32_t axis, mf_tensor *out,
                      mf_error *err) {
  int64_t first, start = b->starts.values[i], end = b->ends.values[i], step = b->steps.values[i];
  if (in->dims[axis] >= 0)
    return cut(in->dims[axis], start, end, step, &first, &out->dims[axis], err);
  bool whole = start == 0 && end >= INT32_MAX && step == 1;
  if (!whole) out->dims[axis] = MF_DIM_UNKNOWN;
  return true;
}

static bool shape_Slice(mf_shape_call *call, mf_error *err) {
  bounds b;
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err) || !read_bounds(call, &b, err)) return false;
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  out->type = in->type;
  if (!mf_ops_rank_known(in)) return true;
  mf_ops_copy_shape(call, 0, 0);
  bool known = b.starts.known && b.ends.known && b.steps.known;
  if (!b.axes.known || (b.axes.absent && !known)) return mf_ops_set_rank(out, in->rank), true;
  uint32_t set;
  if (known && !check_lengths(&b, err)) return false;
  if (!mf_ops_axis_set(&b.axes, in->rank, &set, err)) return false;
  for (uint32_t i = 0; i < b.axes.n; i++) {
    uint32_t axis = 0;
    if (!mf_ops_axis(b.axes.values[i], in->rank, &axis, err)) return false;
    if (!known) out->dims[axis] = MF_DIM_UNKNOWN;
    if (known && !slice_dim(in, &b, i, axis, out, err)) return false;
  }
  return true;
}

static bool run_Slice(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  mf_shape_call view = mf_ops_view(call);
  bounds b;
  if (mf_ops_empty(out)) return true;
  if (!read_bounds(&view, &b, err) || !check_lengths(&b, err)) return false;
  int64_t strides[MF_MAX_RANK], steps[MF_MAX_RANK], start = 0;
  mf_strides_of(in, strides);
  memcpy(steps, strides, sizeof steps);
  for (uint32_t i = 0; i < b.axes.n; i++) {
    uint32_t axis = 0;
    int64_t first, count;
    if (!mf_ops_axis(b.axes.values[i], in->rank, &axis, err) ||
        !cut(in->dims[axis], b.starts.values[i], b.ends.values[i], b.steps.values[i], &first, &count,
             err))
      return false;
    start += first * strides[axis];
    steps[axis] = count > 1 ? b.steps.values[i] * strides[axis] : 0;
  }
  mf_walk walk;
  mf_walk_init(&walk, out->rank, out->dims);
  mf_walk_add(&walk, 0, NULL);
  mf_walk_add(&walk, start, steps);
  mf_walk_copy(&walk, out->data, in->data, mf_type_size(in->type));
  return true;
}
MF_REFERENCE(Slice, run_Slice);
const mf_operator mf_op_Slice1 = {
    "", "Slice", 1, 9, 1, 1, 1, 1, .shape = shape_Slice,
    MF_ATTRIBUTES(MF_OPTIONAL("axes", MF_ATTR_INTS), MF_REQUIRED("ends", MF_ATTR_INTS),
                  MF_REQUIRED("starts", MF_ATTR_INTS)),
    MF_KERNELS(&Slice_reference)};
const mf_operator mf_op_Slice = {"", "Slice", 10, MF_OP_ANY, 3, 5, 1, 1,
                                 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4, .shape = shape_Slice,
                                 MF_KERNELS(&Slice_reference)};

// ---- Pad ----
typedef enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP } pad_mode;
static const char *const pad_modes[] = {"constant", "reflect", "edge", "wrap"};
enum { PAD_MODE, PAD_PADS, PAD_VALUE };  // attributes; the last two in the row of opset 2 only

typedef struct padding {
  pad_mode mode;
  bool known;                     // the amounts are
  int64_t begin[MF_MAX_RANK], end[MF_MAX_RANK];  // negative: cut off
} padding;

static bool read_mode(const mf_attributes *a, pad_mode *mode, mf_error *err) {
  mf_str text = mf_attr_str(a, PAD_MODE);
  for (uint32_t m = 0; m < MF_COUNT(pad_modes); m++) {
    *mode = (pad_mode)m;
    if (mf_str_is(text, pad_modes[m])) return true;
  }
  return mf_fail(err, MF_InvalidModel, "mode is '%.*s', expected constant, reflect, edge or wrap",
                 MF_STR_ARG(text));
}
// pads lists begin for every axis, then end for every axis; since opset 18 `axes` (input 3) names which.
static bool read_padding(const mf_shape_call *call, uint32_t rank, padding *p, mf_error *err) {
  mf_ops_ints pads, axes = {.known = true, .absent = true};
  *p = (padding){0};
  bool old = call->attributes.count > PAD_PADS;
  if (!read_mode(&call->attributes, &p->mode, err)) return false;
  if (!(old ? mf_ops_ints_attribute(&call->attributes, PAD_PADS, &pads, err)
            : mf_ops_ints_input(call, 1, &pads, err) && mf_ops_ints_input(call, 3, &axes, err)))
    return false;
  p->known = pads.known && axes.known;
  if (!p->known) return true;
  uint32_t n = axes.absent ? rank : axes.n, set = 0;
  if (pads.n != 2 * n)
    return mf_fail(err, MF_InvalidModel, "pads has %u entries, expected %u", pads.n, 2 * n);
  if (!mf_ops_axis_set(&axes, rank, &set, err)) return false;
  for (uint32_t i = 0; i < n; i++) {
    uint32_t axis = i;
    if (!axes.absent && !mf_ops_axis(axes.values[i], rank, &axis, err)) return false;
    p->begin[axis] = pads.values[i];
    p->end[axis] = pads.values[n + i];
  }
  return true;
}

// Amounts are bounded so that sums of them cannot overflow.
static bool pad_dim(const padding *p, uint32_t d, int64_t dim, int64_t *padded, mf_error *err) {
  const int64_t most = INT64_C(1) << 60;
  *padded = MF_DIM_UNKNOWN;
  if (dim < 0) {
    if (p->begin[d] == 0 && p->end[d] == 0) *padded = dim;
    return true;
  }
  if (MF_MAX(p->begin[d], p->end[d]) > most || MF_MIN(p->begin[d], p->end[d]) < -most || dim > most)
    return mf_fail(err, MF_InvalidModel, "axis %u: %lld padded by %lld and %lld is too large", d,
                   (long long)dim, (long long)p->begin[d], (long long)p->end[d]);
  *padded = dim + p->begin[d] + p->end[d];
  if (*padded < 0)
    return mf_fail(err, MF_InvalidModel, "axis %u: %lld cut by %lld and %lld has nothing left", d,
                   (long long)dim, (long long)-p->begin[d],
                   (long long)-p->end[d]);
  int64_t kept = dim + MF_MIN(p->begin[d], 0) + MF_MIN(p->end[d], 0);
  bool grows = p->begin[d] > 0 || p->end[d] > 0;
  if (p->mode != PAD_CONSTANT && grows && kept <= 0)
    return mf_fail(err, MF_InvalidModel, "axis %u has nothing to pad with in mode %s", d,
                   pad_modes[p->mode]);
  return true;
}

static bool shape_Pad(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  padding p;
  out->type = in->type;
  if (mf_ops_has(call, 2) && !mf_ops_expect_same(call, 2, 0, err)) return false;
  if (!mf_ops_rank_known(in)) return true;
  mf_ops_set_rank(out, in->rank);
  if (!read_padding(call, in->rank, &p, err)) return false;
  for (uint32_t d = 0; p.known && d < in->rank; d++)
    if (!pad_dim(&p, d, in->dims[d], &out->dims[d], err)) return false;
  return true;
}

// Where output index i of an axis comes from; -1: from nowhere, it is the constant. Negative amounts cut first, and what is left
// is mirrored, repeated or wrapped, as often as it takes.
static int64_t pad_source(const padding *p, uint32_t d, int64_t dim, int64_t i) {
  int64_t cut_begin = MF_MIN(p->begin[d], 0), n = dim + cut_begin + MF_MIN(p->end[d], 0);
  int64_t at = i - MF_MAX(p->begin[d], 0);
  if (at < 0 || at >= n) {
    switch (p->mode) {
      case PAD_CONSTANT: return -1;
      case PAD_EDGE: at = at < 0 ? 0 : n - 1; break;
      case PAD_WRAP: at = (at % n + n) % n; break;
      case PAD_REFLECT: {
        int64_t period = MF_MAX(2 * (n - 1), 1);
        at = (at % period + period) % period;
        if (at >= n) at = period - at;
        break;
      }
    }
  }
  return at - cut_begin;
}

static void pad_value(const mf_kernel_call *call, char value[16]) {
  const mf_tensor *in = call->inputs[0], *given = call->n_inputs > 2 ? call->inputs[2] : NULL;
  memset(value, 0, 16);
  if (given && mf_tensor_count(given) > 0) {
    memcpy(value, given->data, mf_type_size(in->type));
  } else if (call->attributes.count > PAD_VALUE && (MF_SET_FLOATS >> in->type & 1)) {
    mf_ops_put_double(&(mf_tensor){.type = in->type, .data = value}, 0,
                      (double)mf_attr_float(&call->attributes, PAD_VALUE));
  }
}

static bool run_Pad(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  mf_shape_call view = mf_ops_view(call);
  padding p;
  _Alignas(16) char value[16];
  if (!read_padding(&view, in->rank, &p, err)) return false;
  pad_value(call, value);
  size_t size = mf_type_size(in->type);
  int64_t n = mf_tensor_count(out), index[MF_MAX_RANK] = {0}, strides[MF_MAX_RANK];
  mf_strides_of(in, strides);
  for (int64_t at = 0; at < n; at++) {
    int64_t from = 0;
    for (uint32_t d = 0; d < in->rank && from >= 0; d++) {
      int64_t i = pad_source(&p, d, in->dims[d], index[d]);
      from = i < 0 ? -1 : from + i * strides[d];
    }
    memcpy(mf_ops_at(out, at, size), from < 0 ? value : mf_ops_at(in, from, size), size);
    for (uint32_t d = out->rank; d-- > 0 && ++index[d] == out->dims[d];) index[d] = 0;
  }
  return true;
}
MF_REFERENCE(Pad, run_Pad);
const mf_operator mf_op_Pad2 = {
    "", "Pad", 2, 10, 1, 1, 1, 1, .shape = shape_Pad,
    MF_ATTRIBUTES(MF_TEXT("mode", "constant"), MF_REQUIRED("pads", MF_ATTR_INTS),
                  MF_REAL("value", 0.0f)),
    MF_KERNELS(&Pad_reference)};
const mf_operator mf_op_Pad = {"", "Pad", 11, MF_OP_ANY, 2, 4, 1, 1, 1 << 1 | 1 << 3,
                               .shape = shape_Pad, MF_ATTRIBUTES(MF_TEXT("mode", "constant")),
                               MF_KERNELS(&Pad_reference)};
