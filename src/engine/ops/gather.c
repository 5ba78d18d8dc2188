// Operators that address elements by indices which are data: Gather, GatherElements, GatherND and their opposites ScatterElements,
// Scatter, ScatterND. Every index is checked when it is used; negative ones count from the back.
#include "broadcast.h"

#include <math.h>

static int64_t index_at(const mf_tensor *indices, int64_t i) {
  return indices->type == MF_INT32 ? mf_get_i32(indices->data, i) : mf_get_i64(indices->data, i);
}
static bool expect_indices(const mf_shape_call *call, uint32_t at, uint32_t set, mf_error *err) {
  return mf_ops_expect(call, 0, MF_SET_ALL, err) && mf_ops_expect(call, at, set, err);
}

// ---- Gather ----
static bool shape_Gather(mf_shape_call *call, mf_error *err) {
  if (!expect_indices(call, 1, MF_SET_INDICES, err)) return false;
  const mf_tensor *in = call->inputs[0], *indices = call->inputs[1];
  mf_tensor *out = &call->outputs[0];
  uint32_t axis = 0;
  out->type = in->type;
  if (!mf_ops_rank_known(in)) return true;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), in->rank, &axis, err)) return false;
  if (!mf_ops_rank_known(indices)) return true;
  uint32_t rank = in->rank + indices->rank - 1;
  if (!mf_ops_check_rank(rank, err)) return false;
  mf_ops_set_rank(out, rank);
  for (uint32_t d = 0; d < axis; d++) out->dims[d] = in->dims[d];
  for (uint32_t d = 0; d < indices->rank; d++) out->dims[axis + d] = indices->dims[d];
  for (uint32_t d = axis + 1; d < in->rank; d++) out->dims[d + indices->rank - 1] = in->dims[d];
  return true;
}
static bool run_Gather(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *indices = call->inputs[1];
  uint32_t axis = 0;
  if (mf_ops_empty(call->outputs[0])) return true;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), in->rank, &axis, err)) return false;
  int64_t rows = mf_tensor_span(in, 0, axis), n = mf_tensor_count(indices), dim = in->dims[axis];
  size_t piece = (size_t)mf_tensor_span(in, axis + 1, in->rank) * mf_type_size(in->type);
  char *to = call->outputs[0]->data;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < n; i++, to += piece) {
      int64_t at;
      if (!mf_ops_index(index_at(indices, i), dim, &at, err))
        return mf_wrap(err, "element %lld of indices, axis %u", (long long)i, axis);
      if (piece) memcpy(to, (const char *)in->data + (size_t)(r * dim + at) * piece, piece);
    }
  return true;
}
MF_REFERENCE(Gather, run_Gather);
const mf_operator mf_op_Gather = {"", "Gather", 1, MF_OP_ANY, 2, 2, 1, 1, .shape = shape_Gather,
                                  MF_ATTRIBUTES(MF_INT("axis", 0)), MF_KERNELS(&Gather_reference)};

// ---- the elements forms: indices has the rank of the data; position p of it addresses p with one coordinate replaced ----
// Walks indices; element k of it is `at[0]`, and at[1] is its place in the data with the coordinate on the axis left out.
static void walk_elements(mf_walk *walk, const mf_tensor *indices, const mf_tensor *data,
                          uint32_t axis, int64_t *axis_stride) {
  int64_t strides[MF_MAX_RANK];
  mf_strides_of(data, strides);
  *axis_stride = data->rank ? strides[axis] : 1;
  if (data->rank) strides[axis] = 0;
  mf_walk_init(walk, indices->rank, indices->dims);
  mf_walk_add(walk, 0, NULL);
  mf_walk_add(walk, 0, strides);
}
// Ranks agree, and indices is no larger than the data beside the axis.
static bool check_elements(const mf_shape_call *call, const mf_tensor *data,
                           const mf_tensor *indices, mf_error *err) {
  uint32_t axis = 0;
  if (!mf_ops_rank_known(data) || !mf_ops_rank_known(indices)) return true;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), data->rank, &axis, err)) return false;
  if (data->rank != indices->rank)
    return mf_fail(err, MF_InvalidModel, "indices has %u dimensions, expected %u as the data",
                   indices->rank, data->rank);
  for (uint32_t d = 0; d < data->rank; d++)
    if (d != axis && data->dims[d] >= 0 && indices->dims[d] > data->dims[d])
      return mf_fail(err, MF_InvalidModel, "dimension %u of indices is %lld, expected at most %lld",
                     d, (long long)indices->dims[d], (long long)data->dims[d]);
  return true;
}

static bool shape_GatherElements(mf_shape_call *call, mf_error *err) {
  if (!expect_indices(call, 1, MF_SET_INDICES, err) ||
      !check_elements(call, call->inputs[0], call->inputs[1], err))
    return false;
  mf_ops_copy_shape(call, 1, 0);
  call->outputs[0].type = call->inputs[0]->type;
  return true;
}
static bool run_GatherElements(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *indices = call->inputs[1], *out = call->outputs[0];
  uint32_t axis = 0;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), in->rank, &axis, err)) return false;
  size_t size = mf_type_size(in->type);
  int64_t stride, at;
  mf_walk w;
  walk_elements(&w, indices, in, axis, &stride);
  for (bool more = mf_walk_start(&w); more; more = mf_walk_next(&w))
    for (int64_t i = 0; i < w.length; i++) {
      int64_t k = w.at[0] + i * w.step[0];
      if (!mf_ops_index(index_at(indices, k), in->dims[axis], &at, err))
        return mf_wrap(err, "element %lld of indices, axis %u", (long long)k, axis);
      memcpy(mf_ops_at(out, k, size),
             mf_ops_at(in, w.at[1] + i * w.step[1] + at * stride, size), size);
    }
  return true;
}
MF_REFERENCE(GatherElements, run_GatherElements);
const mf_operator mf_op_GatherElements = {
    "", "GatherElements", 11, MF_OP_ANY, 2, 2, 1, 1, .shape = shape_GatherElements,
    MF_ATTRIBUTES(MF_INT("axis", 0)), MF_KERNELS(&GatherElements_reference)};

// ---- how scattered elements meet those that are there ----
typedef enum reduction { REDUCE_NONE, REDUCE_ADD, REDUCE_MUL, REDUCE_MAX, REDUCE_MIN } reduction;
static const char *const reductions[] = {"none", "add", "mul", "max", "min"};

static bool read_reduction(const mf_attributes *a, uint32_t at, mf_type type, reduction *how,
                           mf_error *err) {
  mf_str name = mf_attr_str(a, at);
  for (uint32_t r = 0; r < MF_COUNT(reductions); r++) {
    *how = (reduction)r;
    if (!mf_str_is(name, reductions[r])) continue;
    if (r == REDUCE_NONE || !type || (MF_SET_NUMBERS >> type & 1)) return true;
    return mf_fail(err, MF_UnsupportedType, "reduction '%s' of elements of type %s", reductions[r],
                   mf_type_name(type));
  }
  return mf_fail(err, MF_InvalidModel, "reduction is '%.*s', expected none, add, mul, max or min",
                 MF_STR_ARG(name));
}

static double combine_real(reduction how, double x, double y) {
  switch (how) {
    case REDUCE_ADD: return x + y;
    case REDUCE_MUL: return x * y;
    case REDUCE_MAX: return isnan(x) || x > y ? x : y;
    case REDUCE_MIN: return isnan(x) || x < y ? x : y;
    default: return y;
  }
}
#define COMBINE_REAL(TYPE, s, T, ...)                                                        \
  case TYPE:                                                                                 \
    mf_put_##s(out->data, at,                                                                \
               (T)combine_real(how, (double)mf_get_##s(out->data, at),                       \
                               (double)mf_get_##s(from->data, i)));                          \
    return;
#define COMBINE_INTEGER(TYPE, s, T, ...)                                                     \
  case TYPE: {                                                                               \
    T x = mf_get_##s(out->data, at), y = mf_get_##s(from->data, i), z = y;                   \
    if (how == REDUCE_ADD) z = (T)((uint64_t)x + (uint64_t)y);                               \
    if (how == REDUCE_MUL) z = (T)((uint64_t)x * (uint64_t)y);                               \
    if (how == REDUCE_MAX) z = x > y ? x : y;                                                \
    if (how == REDUCE_MIN) z = x < y ? x : y;                                                \
    mf_put_##s(out->data, at, z);                                                            \
    return;                                                                                  \
  }
// out[at] becomes what `how` makes of it and from[i].
static void combine(reduction how, const mf_tensor *out, int64_t at, const mf_tensor *from,
                    int64_t i) {
  size_t size = mf_type_size(out->type);
  if (how == REDUCE_NONE) {
    memcpy(mf_ops_at(out, at, size), mf_ops_at(from, i, size), size);
    return;
  }
  switch ((int)out->type) {
    MF_FLOAT_TYPES(COMBINE_REAL, )
    MF_INTEGER_TYPES(COMBINE_INTEGER, )
    default: return;
  }
}

// ---- ScatterElements, and Scatter as it was called in opset 9 and 10 ----
static bool shape_ScatterElements(mf_shape_call *call, mf_error *err) {
  reduction how;
  if (!expect_indices(call, 1, MF_SET_INDICES, err) || !mf_ops_expect(call, 2, MF_SET_ALL, err) ||
      !mf_ops_expect_same(call, 2, 0, err) ||
      !check_elements(call, call->inputs[0], call->inputs[1], err) ||
      !read_reduction(&call->attributes, 1, call->inputs[0]->type, &how, err))
    return false;
  const mf_tensor *indices = call->inputs[1], *updates = call->inputs[2];
  if (mf_ops_rank_known(indices) && mf_ops_rank_known(updates)) {
    if (indices->rank != updates->rank)
      return mf_fail(err, MF_InvalidModel, "updates has %u dimensions, expected %u as indices",
                     updates->rank, indices->rank);
    int64_t dim;
    for (uint32_t d = 0; d < indices->rank; d++)
      if (!mf_ops_merge_dim(indices->dims[d], updates->dims[d], "indices and updates", &dim, err))
        return false;
  }
  mf_ops_copy_shape(call, 0, 0);
  return true;
}
static bool run_ScatterElements(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *indices = call->inputs[1], *out = call->outputs[0];
  uint32_t axis = 0;
  reduction how;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), in->rank, &axis, err) ||
      !read_reduction(&call->attributes, 1, in->type, &how, err))
    return false;
  mf_ops_copy_data(out, in);
  int64_t stride, at;
  mf_walk w;
  walk_elements(&w, indices, in, axis, &stride);
  for (bool more = mf_walk_start(&w); more; more = mf_walk_next(&w))
    for (int64_t i = 0; i < w.length; i++) {
      int64_t k = w.at[0] + i * w.step[0];
      if (!mf_ops_index(index_at(indices, k), in->dims[axis], &at, err))
        return mf_wrap(err, "element %lld of indices, axis %u", (long long)k, axis);
      combine(how, out, w.at[1] + i * w.step[1] + at * stride, call->inputs[2], k);
    }
  return true;
}
MF_REFERENCE(ScatterElements, run_ScatterElements);
#define SCATTER_ATTRIBUTES MF_ATTRIBUTES(MF_INT("axis", 0), MF_TEXT("reduction", "none"))
const mf_operator mf_op_ScatterElements = {
    "", "ScatterElements", 11, MF_OP_ANY, 3, 3, 1, 1,
    .shape = shape_ScatterElements, SCATTER_ATTRIBUTES, MF_KERNELS(&ScatterElements_reference)};
const mf_operator mf_op_Scatter = {
    "", "Scatter", 9, 10, 3, 3, 1, 1, .shape = shape_ScatterElements,
    SCATTER_ATTRIBUTES, MF_KERNELS(&ScatterElements_reference)};

// ---- the ND forms: the last dimension of indices holds a tuple of coordinates ----
// Element offset of the slice that tuple k of indices addresses in dims [first, first + depth) of the data.
static bool tuple_offset(const mf_tensor *data, const mf_tensor *indices, int64_t k, uint32_t first,
                         int64_t *offset, mf_error *err) {
  int64_t strides[MF_MAX_RANK], at;
  mf_strides_of(data, strides);
  uint32_t depth = (uint32_t)indices->dims[indices->rank - 1];
  *offset = 0;
  for (uint32_t j = 0; j < depth; j++) {
    if (!mf_ops_index(index_at(indices, k * depth + j), data->dims[first + j], &at, err))
      return mf_wrap(err, "tuple %lld of indices, axis %u", (long long)k, first + j);
    *offset += at * strides[first + j];
  }
  return true;
}
// The tuple's length, checked against the dimensions there are; MF_DIM_UNKNOWN while unknown.
static bool tuple_depth(const mf_tensor *data, const mf_tensor *indices, uint32_t first,
                        int64_t *depth, mf_error *err) {
  *depth = MF_DIM_UNKNOWN;
  if (!mf_ops_rank_known(indices) || !mf_ops_rank_known(data)) return true;
  if (data->rank < 1 || indices->rank < 1 || first >= MF_MIN(indices->rank, data->rank))
    return mf_fail(err, MF_InvalidModel,
                   "data and indices have %u and %u dimensions, expected more than %u", data->rank,
                   indices->rank, first);
  *depth = indices->dims[indices->rank - 1];
  int64_t most = (int64_t)data->rank - first;
  if (*depth >= 0 && (*depth < 1 || *depth > most))
    return mf_fail(err, MF_InvalidModel, "indices has tuples of %lld, expected 1 to %lld",
                   (long long)*depth, (long long)most);
  return true;
}

static bool shape_GatherND(mf_shape_call *call, mf_error *err) {
  if (!expect_indices(call, 1, MF_SET_INT64, err)) return false;
  const mf_tensor *in = call->inputs[0], *indices = call->inputs[1];
  mf_tensor *out = &call->outputs[0];
  int64_t batch = mf_attr_int(&call->attributes, 0), depth;
  if (batch < 0 || batch > MF_MAX_RANK)
    return mf_fail(err, MF_InvalidModel, "batch_dims is %lld, expected 0 to %d", (long long)batch,
                   MF_MAX_RANK);
  out->type = in->type;
  if (!tuple_depth(in, indices, (uint32_t)batch, &depth, err)) return false;
  if (depth < 0) return true;
  uint32_t first = (uint32_t)batch, taken = first + (uint32_t)depth;
  uint32_t rank = indices->rank - 1 + in->rank - taken;
  if (!mf_ops_check_rank(rank, err)) return false;
  mf_ops_set_rank(out, rank);
  for (uint32_t d = 0; d + 1 < indices->rank; d++) out->dims[d] = indices->dims[d];
  for (uint32_t d = 0; d < first; d++)
    if (!mf_ops_merge_dim(in->dims[d], indices->dims[d], "batch dimensions", &out->dims[d], err))
      return false;
  for (uint32_t d = taken; d < in->rank; d++) out->dims[indices->rank - 1 + d - taken] = in->dims[d];
  return true;
}
static bool run_GatherND(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *indices = call->inputs[1];
  if (mf_ops_empty(call->outputs[0])) return true;
  uint32_t first = (uint32_t)mf_attr_int(&call->attributes, 0);
  uint32_t depth = (uint32_t)indices->dims[indices->rank - 1];
  size_t size = mf_type_size(in->type);
  size_t piece = (size_t)mf_tensor_span(in, first + depth, in->rank) * size;
  int64_t batches = mf_tensor_span(in, 0, first), per_batch = mf_tensor_span(in, first, in->rank);
  int64_t tuples = mf_tensor_span(indices, first, indices->rank - 1), offset;
  char *to = call->outputs[0]->data;
  for (int64_t k = 0; k < batches * tuples; k++, to += piece) {
    if (!tuple_offset(in, indices, k, first, &offset, err)) return false;
    if (piece) memcpy(to, mf_ops_at(in, k / tuples * per_batch + offset, size), piece);
  }
  return true;
}
MF_REFERENCE(GatherND, run_GatherND);
const mf_operator mf_op_GatherND = {
    "", "GatherND", 11, MF_OP_ANY, 2, 2, 1, 1, .shape = shape_GatherND,
    MF_ATTRIBUTES(MF_INT("batch_dims", 0)), MF_KERNELS(&GatherND_reference)};

// updates has the shape indices[:-1] + data[depth:].
static bool check_updates(const mf_tensor *in, const mf_tensor *indices, const mf_tensor *updates,
                          uint32_t depth, mf_error *err) {
  if (!mf_ops_rank_known(updates)) return true;
  uint32_t rank = indices->rank - 1 + in->rank - depth;
  if (updates->rank != rank)
    return mf_fail(err, MF_InvalidModel, "updates has %u dimensions, expected %u", updates->rank,
                   rank);
  int64_t dim;
  for (uint32_t d = 0; d < rank; d++) {
    int64_t expected =
        d + 1 < indices->rank ? indices->dims[d] : in->dims[d + 1 - indices->rank + depth];
    if (!mf_ops_merge_dim(updates->dims[d], expected, "updates", &dim, err)) return false;
  }
  return true;
}
static bool shape_ScatterND(mf_shape_call *call, mf_error *err) {
  reduction how;
  int64_t depth;
  if (!expect_indices(call, 1, MF_SET_INT64, err) || !mf_ops_expect(call, 2, MF_SET_ALL, err) ||
      !mf_ops_expect_same(call, 2, 0, err) ||
      !read_reduction(&call->attributes, 0, call->inputs[0]->type, &how, err) ||
      !tuple_depth(call->inputs[0], call->inputs[1], 0, &depth, err))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  return depth < 0 || check_updates(call->inputs[0], call->inputs[1], call->inputs[2],
                                    (uint32_t)depth, err);
}
static bool run_ScatterND(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *indices = call->inputs[1], *updates = call->inputs[2];
  reduction how;
  if (!read_reduction(&call->attributes, 0, in->type, &how, err)) return false;
  mf_ops_copy_data(call->outputs[0], in);
  int64_t tuples = mf_tensor_span(indices, 0, indices->rank - 1), offset;
  int64_t piece = mf_tensor_span(in, (uint32_t)indices->dims[indices->rank - 1], in->rank);
  for (int64_t k = 0; k < tuples; k++) {
    if (!tuple_offset(in, indices, k, 0, &offset, err)) return false;
    for (int64_t i = 0; i < piece; i++)
      combine(how, call->outputs[0], offset + i, updates, k * piece + i);
  }
  return true;
}
MF_REFERENCE(ScatterND, run_ScatterND);
const mf_operator mf_op_ScatterND = {
    "", "ScatterND", 11, MF_OP_ANY, 3, 3, 1, 1, .shape = shape_ScatterND,
    MF_ATTRIBUTES(MF_TEXT("reduction", "none")), MF_KERNELS(&ScatterND_reference)};
