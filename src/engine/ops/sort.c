// Operators that order, choose or accumulate along an axis: TopK, Unique, NonZero, Compress, CumSum, ReverseSequence. NonZero,
// Compress and Unique learn the size of their output from the data and set its shape themselves.
#include "broadcast.h"

#include <math.h>

// ---- comparison of elements of any type ----
// -1, 0, 1; NaN is greater than every number, so that any order is total.
#define COMPARE_REAL(TYPE, s, T, ...)                                        \
  case TYPE: {                                                               \
    double x = (double)mf_get_##s(t->data, i), y = (double)mf_get_##s(t->data, j); \
    if (isnan(x) || isnan(y)) return (isnan(x) != 0) - (isnan(y) != 0);              \
    return (x > y) - (x < y);                                                \
  }
#define COMPARE(TYPE, s, T, ...)                                             \
  case TYPE: {                                                               \
    T x = mf_get_##s(t->data, i), y = mf_get_##s(t->data, j);                \
    return (x > y) - (x < y);                                                \
  }
static int compare_text(mf_str a, mf_str b) {
  size_t n = MF_MIN(a.len, b.len);
  int order = n ? memcmp(a.data, b.data, n) : 0;
  return order ? order : (a.len > b.len) - (a.len < b.len);
}
static int compare(const mf_tensor *t, int64_t i, int64_t j) {
  switch ((int)t->type) {
    MF_FLOAT_TYPES(COMPARE_REAL, )
    MF_INTEGER_TYPES(COMPARE, )
    MF_BOOL_TYPES(COMPARE, )
    case MF_STRING: return compare_text(mf_get_str(t->data, i), mf_get_str(t->data, j));
    default: return 0;
  }
}

// A stable merge sort of n numbers with a buffer for as many; `before` tells whether b must come before a.
typedef struct order {
  const mf_tensor *t;
  int64_t start, step, span;  // meaning left to `before`
  bool descending;
} order;
typedef int compare_fn(const order *o, int64_t a, int64_t b);

static void merge(int64_t *items, int64_t half, int64_t n, int64_t *buffer, compare_fn *cmp,
                  const order *o) {
  int64_t left = 0, right = half, to = 0;
  while (left < half && right < n)
    buffer[to++] = cmp(o, items[right], items[left]) < 0 ? items[right++] : items[left++];
  while (left < half) buffer[to++] = items[left++];
  while (right < n) buffer[to++] = items[right++];
  memcpy(items, buffer, (size_t)n * sizeof *items);
}
static void merge_sort(int64_t *items, int64_t n, int64_t *buffer, compare_fn *cmp, const order *o) {
  for (int64_t half = 1; half < n; half *= 2)
    for (int64_t at = 0; at + half < n; at += 2 * half)
      merge(items + at, half, MF_MIN(2 * half, n - at), buffer, cmp, o);
}

static int64_t *two_lists(mf_kernel_call *call, int64_t n, mf_error *err) {
  size_t bytes;
  if (__builtin_mul_overflow((size_t)n, 2 * sizeof(int64_t), &bytes)) {
    (void)mf_fail(err, MF_OutOfMemory, "a list of %lld indices is too large", (long long)n);
    return NULL;
  }
  return call->alloc_temporary(call, MF_MAX(bytes, 1), err);
}

// ---- TopK: k is an attribute before opset 10, then an input ----
enum { TOPK_AXIS, TOPK_LARGEST, TOPK_SORTED, TOPK_K };  // k in the row of opset 1 only

static bool read_k(const mf_shape_call *call, int64_t *k, bool *known, mf_error *err) {
  *known = true;
  *k = mf_attr_int(&call->attributes, TOPK_K);
  if (call->attributes.count <= TOPK_K &&
      (!mf_ops_expect(call, 1, MF_SET_INT64, err) || !mf_ops_scalar_int(call, 1, k, known, err)))
    return false;
  if (!*known || *k >= 0) return true;
  return mf_fail(err, MF_InvalidModel, "k is %lld, expected 0 or more", (long long)*k);
}
static bool shape_TopK(mf_shape_call *call, mf_error *err) {
  int64_t k;
  bool known;
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS, err) || !read_k(call, &k, &known, err)) return false;
  const mf_tensor *in = call->inputs[0];
  mf_ops_copy_shape(call, 0, 0);
  if (mf_ops_rank_known(in)) {
    uint32_t axis = 0;
    if (!mf_ops_axis(mf_attr_int(&call->attributes, TOPK_AXIS), in->rank, &axis, err)) return false;
    if (known && in->dims[axis] >= 0 && k > in->dims[axis])
      return mf_fail(err, MF_InvalidModel, "k is %lld, but axis %u has %lld elements", (long long)k,
                     axis, (long long)in->dims[axis]);
    call->outputs[0].dims[axis] = known ? k : MF_DIM_UNKNOWN;
  }
  if (call->n_outputs < 2) return true;
  call->outputs[1] = call->outputs[0];
  call->outputs[1].type = MF_INT64;
  return true;
}
// Equal elements: the lower index first, whichever the direction.
static int compare_on_axis(const order *o, int64_t a, int64_t b) {
  int c = compare(o->t, o->start + a * o->step, o->start + b * o->step);
  return o->descending ? -c : c;
}
static bool run_TopK(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  const mf_tensor *values = call->outputs[0], *indices = mf_ops_wanted(call, 1) ? call->outputs[1] : NULL;
  uint32_t axis = 0;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, TOPK_AXIS), in->rank, &axis, err)) return false;
  const mf_tensor *shaped = values ? values : indices;
  if (!shaped || mf_ops_empty(shaped)) return true;
  int64_t n = in->dims[axis], k = shaped->dims[axis], inner = mf_tensor_span(in, axis + 1, in->rank);
  int64_t outer = mf_tensor_span(in, 0, axis), *list = two_lists(call, n, err);
  if (!list) return false;
  size_t size = mf_type_size(in->type);
  for (int64_t line = 0; line < outer * inner; line++) {
    int64_t o = line / inner, i = line % inner;
    order by = {in, o * n * inner + i, inner, 0, mf_attr_int(&call->attributes, TOPK_LARGEST) != 0};
    for (int64_t j = 0; j < n; j++) list[j] = j;
    merge_sort(list, n, list + n, compare_on_axis, &by);
    for (int64_t j = 0; j < k; j++) {
      int64_t to = (o * k + j) * inner + i;
      if (values) memcpy(mf_ops_at(values, to, size), mf_ops_at(in, by.start + list[j] * inner, size), size);
      if (indices) ((int64_t *)indices->data)[to] = list[j];
    }
  }
  return true;
}
MF_REFERENCE(TopK, run_TopK);
#define TOPK_ATTRIBUTES MF_INT("axis", -1), MF_INT("largest", 1), MF_INT("sorted", 1)
const mf_operator mf_op_TopK1 = {
    "", "TopK", 1, 9, 1, 1, 2, 2, .shape = shape_TopK,
    MF_ATTRIBUTES(TOPK_ATTRIBUTES, MF_REQUIRED("k", MF_ATTR_INT)), MF_KERNELS(&TopK_reference)};
const mf_operator mf_op_TopK = {"", "TopK", 10, MF_OP_ANY, 2, 2, 2, 2, 1 << 1, .shape = shape_TopK,
                                MF_ATTRIBUTES(TOPK_ATTRIBUTES), MF_KERNELS(&TopK_reference)};

// ---- Unique: whole tensor, or slices along an axis ----
enum { UNIQUE_AXIS, UNIQUE_SORTED };

static bool shape_Unique(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  const mf_tensor *in = call->inputs[0];
  mf_ops_copy_shape(call, 0, 0);
  if (!mf_attr_has(&call->attributes, UNIQUE_AXIS)) {
    mf_ops_set_rank(&call->outputs[0], 1);
  } else if (mf_ops_rank_known(in)) {
    uint32_t axis = 0;
    if (!mf_ops_axis(mf_attr_int(&call->attributes, UNIQUE_AXIS), in->rank, &axis, err)) return false;
    call->outputs[0].dims[axis] = MF_DIM_UNKNOWN;
  }
  for (uint32_t i = 1; i < call->n_outputs; i++) {
    call->outputs[i].type = MF_INT64;
    mf_ops_set_rank(&call->outputs[i], 1);
  }
  return true;
}
// Slice a of the axis against slice b: element by element in row-major order. step: elements of one index of the axis;
// span: of a whole line of the axis.
static int compare_slices(const order *o, int64_t a, int64_t b) {
  int64_t lines = mf_tensor_count(o->t) / MF_MAX(o->span, 1);
  for (int64_t line = 0; line < lines; line++)
    for (int64_t i = 0; i < o->step; i++) {
      int c = compare(o->t, line * o->span + a * o->step + i, line * o->span + b * o->step + i);
      if (c) return c;
    }
  return 0;
}
static int compare_numbers(const order *o, int64_t a, int64_t b) {
  const int64_t *first = (const int64_t *)o->t->data;  // where each group began
  return (first[a] > first[b]) - (first[a] < first[b]);
}

// Sets output `at` to a list of n integers and gives it memory; *data is NULL when nobody wants it.
static bool list_output(mf_kernel_call *call, uint32_t at, int64_t n, int64_t **data, mf_error *err) {
  *data = NULL;
  if (!mf_ops_wanted(call, at)) return true;
  *call->outputs[at] = (mf_tensor){.type = MF_INT64, .rank = 1, .dims = {n}};
  if (!call->alloc_output(call, at, err)) return false;
  *data = call->outputs[at]->data;
  return true;
}

// The groups of equal slices found by sorting: first[g] is the lowest index of group g, rank[g] its place in the output.
typedef struct groups {
  int64_t n_items, n;
  int64_t *group_of, *first, *place, *by_place;
} groups;

static bool find_groups(mf_kernel_call *call, const order *by, int64_t n, groups *g, mf_error *err) {
  size_t bytes;
  if (__builtin_mul_overflow((size_t)n, 6 * sizeof(int64_t), &bytes))
    return mf_fail(err, MF_OutOfMemory, "a list of %lld indices is too large", (long long)n);
  int64_t *memory = call->alloc_temporary(call, MF_MAX(bytes, 1), err);
  if (!memory) return false;
  int64_t *sorted = memory, *buffer = memory + n;
  *g = (groups){n, 0, memory + 2 * n, memory + 3 * n, memory + 4 * n, memory + 5 * n};
  for (int64_t i = 0; i < n; i++) sorted[i] = i;
  merge_sort(sorted, n, buffer, compare_slices, by);
  for (int64_t i = 0; i < n; i++) {
    if (i == 0 || compare_slices(by, sorted[i - 1], sorted[i]) != 0) g->first[g->n++] = sorted[i];
    g->group_of[sorted[i]] = g->n - 1;  // the sort is stable: a group's first item is its lowest
  }
  for (int64_t i = 0; i < g->n; i++) g->by_place[i] = i;
  if (!mf_attr_int(&call->attributes, UNIQUE_SORTED)) {
    order by_first = {&(mf_tensor){.data = g->first}, 0, 0, 0, false};
    merge_sort(g->by_place, g->n, buffer, compare_numbers, &by_first);
  }
  for (int64_t i = 0; i < g->n; i++) g->place[g->by_place[i]] = i;
  return true;
}

static bool unique_lists(mf_kernel_call *call, const groups *g, mf_error *err) {
  int64_t *indices, *inverse, *counts;
  if (!list_output(call, 1, g->n, &indices, err) || !list_output(call, 2, g->n_items, &inverse, err) ||
      !list_output(call, 3, g->n, &counts, err))
    return false;
  for (int64_t i = 0; i < g->n; i++) {
    if (indices) indices[i] = g->first[g->by_place[i]];
    if (counts) counts[i] = 0;
  }
  for (int64_t i = 0; i < g->n_items; i++) {
    if (inverse) inverse[i] = g->place[g->group_of[i]];
    if (counts) counts[g->place[g->group_of[i]]]++;
  }
  return true;
}

static bool run_Unique(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = call->outputs[0];
  bool whole = !mf_attr_has(&call->attributes, UNIQUE_AXIS);
  uint32_t axis = 0;
  if (!whole && !mf_ops_axis(mf_attr_int(&call->attributes, UNIQUE_AXIS), in->rank, &axis, err))
    return false;
  int64_t n = whole ? mf_tensor_count(in) : in->dims[axis];
  int64_t step = whole ? 1 : mf_tensor_span(in, axis + 1, in->rank);
  order by = {in, 0, step, whole ? n : mf_tensor_span(in, axis, in->rank), false};
  groups g = {0};
  if (!find_groups(call, &by, n, &g, err)) return false;
  if (out) {
    *out = whole ? (mf_tensor){.type = in->type, .rank = 1} : *in;
    out->dims[axis] = g.n;
    out->data = NULL;
    if (!call->alloc_output(call, 0, err)) return false;
    size_t bytes = (size_t)step * mf_type_size(in->type);
    int64_t lines = by.span ? mf_tensor_count(in) / by.span : 0;
    for (int64_t line = 0; line < lines; line++)
      for (int64_t i = 0; i < g.n; i++)
        memcpy((char *)out->data + (size_t)(line * g.n + i) * bytes,
               (const char *)in->data + (size_t)(line * n + g.first[g.by_place[i]]) * bytes, bytes);
  }
  return unique_lists(call, &g, err);
}
MF_REFERENCE(Unique, run_Unique);
const mf_operator mf_op_Unique = {
    "", "Unique", 11, MF_OP_ANY, 1, 1, 1, 4, 0, MF_OP_SHAPES_ITSELF, .shape = shape_Unique,
    MF_ATTRIBUTES(MF_OPTIONAL("axis", MF_ATTR_INT), MF_INT("sorted", 1)),
    MF_KERNELS(&Unique_reference)};

// ---- NonZero: coordinates of what is not zero, one row for each dimension ----
static bool shape_NonZero(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS | MF_SET_BOOL, err)) return false;
  mf_tensor *out = &call->outputs[0];
  out->type = MF_INT64;
  mf_ops_set_rank(out, 2);
  if (mf_ops_rank_known(call->inputs[0])) out->dims[0] = call->inputs[0]->rank;
  return true;
}
static bool run_NonZero(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = call->outputs[0];
  int64_t n = mf_tensor_count(in), found = 0, at = 0;
  for (int64_t i = 0; i < n; i++) found += mf_ops_get_double(in, i) != 0;
  *out = (mf_tensor){.type = MF_INT64, .rank = 2, .dims = {in->rank, found}};
  if (!call->alloc_output(call, 0, err)) return false;
  for (int64_t i = 0; i < n; i++) {
    if (mf_ops_get_double(in, i) == 0) continue;
    int64_t rest = i;
    for (uint32_t d = in->rank; d-- > 0; rest /= in->dims[d])
      ((int64_t *)out->data)[d * found + at] = rest % in->dims[d];
    at++;
  }
  return true;
}
MF_REFERENCE(NonZero, run_NonZero);
const mf_operator mf_op_NonZero = {"", "NonZero", 9, MF_OP_ANY, 1, 1, 1, 1, 0, MF_OP_SHAPES_ITSELF,
                                   .shape = shape_NonZero, MF_KERNELS(&NonZero_reference)};

// ---- Compress ----
static bool shape_Compress(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err) || !mf_ops_expect(call, 1, MF_SET_BOOL, err) ||
      !mf_ops_expect_rank(call, 1, 1, 1, err))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  if (!mf_attr_has(&call->attributes, 0)) return mf_ops_set_rank(&call->outputs[0], 1), true;
  if (!mf_ops_rank_known(call->inputs[0])) return true;
  uint32_t axis = 0;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), call->inputs[0]->rank, &axis, err))
    return false;
  call->outputs[0].dims[axis] = MF_DIM_UNKNOWN;
  return true;
}
static bool run_Compress(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *condition = call->inputs[1];
  mf_tensor *out = call->outputs[0];
  bool whole = !mf_attr_has(&call->attributes, 0);
  uint32_t axis = 0;
  if (!whole && !mf_ops_axis(mf_attr_int(&call->attributes, 0), in->rank, &axis, err)) return false;
  int64_t n = whole ? mf_tensor_count(in) : in->dims[axis], kept = 0;
  int64_t looked_at = MF_MIN(n, condition->dims[0]);  // a shorter condition drops the rest
  const uint8_t *keep = condition->data;
  for (int64_t i = 0; i < looked_at; i++) kept += keep[i] != 0;
  *out = whole ? (mf_tensor){.type = in->type, .rank = 1} : *in;
  out->dims[axis] = kept;
  out->data = NULL;
  if (!call->alloc_output(call, 0, err)) return false;
  if (mf_ops_empty(out)) return true;
  size_t piece = (whole ? 1 : (size_t)mf_tensor_span(in, axis + 1, in->rank)) * mf_type_size(in->type);
  int64_t lines = whole ? 1 : mf_tensor_span(in, 0, axis);
  char *to = out->data;
  for (int64_t line = 0; line < lines; line++)
    for (int64_t i = 0; i < looked_at; i++) {
      if (!keep[i]) continue;
      if (piece) memcpy(to, (const char *)in->data + (size_t)(line * n + i) * piece, piece);
      to += piece;
    }
  return true;
}
MF_REFERENCE(Compress, run_Compress);
const mf_operator mf_op_Compress = {
    "", "Compress", 9, MF_OP_ANY, 2, 2, 1, 1, 0, MF_OP_SHAPES_ITSELF, .shape = shape_Compress,
    MF_ATTRIBUTES(MF_OPTIONAL("axis", MF_ATTR_INT)), MF_KERNELS(&Compress_reference)};

// ---- CumSum, CumProd ----
enum { CUM_EXCLUSIVE, CUM_REVERSE };
static bool shape_cumulate(mf_shape_call *call, mf_error *err) {
  int64_t axis;
  bool known;
  uint32_t normal = 0;
  if (!mf_ops_expect(call, 0, MF_SET_NUMBERS, err) ||
      !mf_ops_expect(call, 1, MF_SET_INDICES, err) ||
      !mf_ops_scalar_int(call, 1, &axis, &known, err))
    return false;
  const mf_tensor *in = call->inputs[0];
  if (known && mf_ops_rank_known(in) && !mf_ops_axis(axis, in->rank, &normal, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}
#define CUMULATE(TYPE, s, T, A)                                                                \
  case TYPE: {                                                                                 \
    A sum = product ? 1 : 0;                                                                   \
    for (int64_t i = 0; i < n; i++) {                                                          \
      int64_t at = start + (reverse ? n - 1 - i : i) * step;                                   \
      A x = (A)mf_get_##s(in->data, at), before = sum;                                         \
      sum = product ? sum * x : sum + x;                                                       \
      mf_put_##s(out->data, at, (T)(exclusive ? before : sum));                                \
    }                                                                                          \
    return;                                                                                    \
  }
static void cumulate(const mf_tensor *in, const mf_tensor *out, int64_t start, int64_t step,
                     int64_t n, bool product, const mf_attributes *a) {
  bool exclusive = mf_attr_int(a, CUM_EXCLUSIVE) != 0, reverse = mf_attr_int(a, CUM_REVERSE) != 0;
  switch ((int)in->type) {
    MF_FLOAT_TYPES(CUMULATE, double)
    MF_INTEGER_TYPES(CUMULATE, uint64_t)
    default: return;
  }
}
static bool run_cumulate(mf_kernel_call *call, bool product, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  uint32_t axis = 0;
  if (!mf_ops_axis(mf_ops_get_int(call->inputs[1], 0), in->rank, &axis, err)) return false;
  if (mf_ops_empty(in)) return true;
  int64_t n = in->dims[axis], inner = mf_tensor_span(in, axis + 1, in->rank);
  int64_t outer = mf_tensor_span(in, 0, axis);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < inner; i++)
      cumulate(in, call->outputs[0], o * n * inner + i, inner, n, product, &call->attributes);
  return true;
}
static bool run_CumSum(mf_kernel_call *call, mf_error *err) { return run_cumulate(call, false, err); }
static bool run_CumProd(mf_kernel_call *call, mf_error *err) { return run_cumulate(call, true, err); }
MF_REFERENCE(CumSum, run_CumSum);
MF_REFERENCE(CumProd, run_CumProd);
#define CUM_ATTRIBUTES MF_ATTRIBUTES(MF_INT("exclusive", 0), MF_INT("reverse", 0))
const mf_operator mf_op_CumSum = {"", "CumSum", 11, MF_OP_ANY, 2, 2, 1, 1, .shape = shape_cumulate,
                                  CUM_ATTRIBUTES, MF_KERNELS(&CumSum_reference)};
const mf_operator mf_op_CumProd = {"", "CumProd", 26, MF_OP_ANY, 2, 2, 1, 1,
                                   .shape = shape_cumulate, CUM_ATTRIBUTES,
                                   MF_KERNELS(&CumProd_reference)};

// ---- ReverseSequence: the first sequence_lens[b] steps of batch b backwards ----
enum { SEQUENCE_BATCH, SEQUENCE_TIME };
static bool shape_ReverseSequence(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err) || !mf_ops_expect(call, 1, MF_SET_INT64, err) ||
      !mf_ops_expect_rank(call, 0, 2, MF_MAX_RANK, err) || !mf_ops_expect_rank(call, 1, 1, 1, err))
    return false;
  int64_t batch = mf_attr_int(&call->attributes, SEQUENCE_BATCH);
  int64_t time = mf_attr_int(&call->attributes, SEQUENCE_TIME), dim;
  if ((batch != 0 && batch != 1) || time != 1 - batch)
    return mf_fail(err, MF_InvalidModel, "batch_axis and time_axis are %lld and %lld, expected 0 and 1",
                   (long long)batch, (long long)time);
  const mf_tensor *in = call->inputs[0], *lengths = call->inputs[1];
  if (mf_ops_rank_known(in) && mf_ops_rank_known(lengths) &&
      !mf_ops_merge_dim(in->dims[batch], lengths->dims[0], "batch and sequence_lens", &dim, err))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}
static bool run_ReverseSequence(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  if (mf_ops_empty(in)) return true;
  bool batch_first = mf_attr_int(&call->attributes, SEQUENCE_BATCH) == 0;
  int64_t batches = in->dims[batch_first ? 0 : 1], steps = in->dims[batch_first ? 1 : 0];
  size_t piece = (size_t)mf_tensor_span(in, 2, in->rank) * mf_type_size(in->type);
  for (int64_t b = 0; b < batches; b++) {
    int64_t length = mf_get_i64(call->inputs[1]->data, b);
    if (length < 0 || length > steps)
      return mf_fail(err, MF_InvalidInput, "sequence_lens of batch %lld is %lld, expected 0 to %lld",
                     (long long)b, (long long)length, (long long)steps);
    for (int64_t t = 0; piece && t < steps; t++) {
      int64_t from = t < length ? length - 1 - t : t;
      size_t to_at = (size_t)(batch_first ? b * steps + t : t * batches + b) * piece;
      size_t from_at = (size_t)(batch_first ? b * steps + from : from * batches + b) * piece;
      memcpy((char *)out->data + to_at, (const char *)in->data + from_at, piece);
    }
  }
  return true;
}
MF_REFERENCE(ReverseSequence, run_ReverseSequence);
const mf_operator mf_op_ReverseSequence = {
    "", "ReverseSequence", 10, MF_OP_ANY, 2, 2, 1, 1, .shape = shape_ReverseSequence,
    MF_ATTRIBUTES(MF_INT("batch_axis", 1), MF_INT("time_axis", 0)),
    MF_KERNELS(&ReverseSequence_reference)};
