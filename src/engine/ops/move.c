// Operators that move whole elements without looking at them: Transpose, Concat, Split, Tile, DepthToSpace, SpaceToDepth, Trilu,
// ReverseSequence. They work on the size of an element, so every type comes for free.
#include "broadcast.h"
#include "engine/kernels/kernels.h"

// ---- Transpose ----
// perm, or the axes reversed where it is absent.
static bool read_permutation(const mf_attributes *a, uint32_t rank, uint32_t *perm, mf_error *err) {
  const int64_t *listed = mf_attr_ints(a, 0);
  if (listed && mf_attr_count(a, 0) != rank)
    return mf_fail(err, MF_InvalidModel, "perm has %u entries, expected %u", mf_attr_count(a, 0),
                   rank);
  uint32_t seen = 0;
  for (uint32_t d = 0; d < rank; d++) {
    perm[d] = rank - 1 - d;
    if (listed && (listed[d] < 0 || listed[d] >= rank))  // other than an axis it may not count from the end
      return mf_fail(err, MF_InvalidModel, "perm names axis %lld, expected 0 to %u", (long long)listed[d], rank - 1);
    if (listed) perm[d] = (uint32_t)listed[d];
    if (seen >> perm[d] & 1)
      return mf_fail(err, MF_InvalidModel, "perm names axis %u twice, expected once", perm[d]);
    seen |= UINT32_C(1) << perm[d];
  }
  return true;
}
static bool shape_Transpose(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  uint32_t perm[MF_MAX_RANK];
  out->type = in->type;
  if (!mf_ops_rank_known(in)) return true;
  if (!read_permutation(&call->attributes, in->rank, perm, err)) return false;
  out->rank = in->rank;
  for (uint32_t d = 0; d < in->rank; d++) out->dims[d] = in->dims[perm[d]];
  return true;
}
static bool run_Transpose(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  uint32_t perm[MF_MAX_RANK];
  int64_t own[MF_MAX_RANK], strides[MF_MAX_RANK];
  if (!read_permutation(&call->attributes, in->rank, perm, err)) return false;
  mf_strides_of(in, own);
  for (uint32_t d = 0; d < in->rank; d++) strides[d] = own[perm[d]];
  mf_walk walk;
  mf_walk_init(&walk, out->rank, out->dims);
  mf_walk_add(&walk, 0, NULL);
  mf_walk_add(&walk, 0, strides);
  mf_walk_copy(&walk, out->data, in->data, mf_type_size(in->type));
  return true;
}
MF_REFERENCE(Transpose, run_Transpose);
const mf_operator mf_op_Transpose = {
    "", "Transpose", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_Transpose,
    MF_ATTRIBUTES(MF_OPTIONAL("perm", MF_ATTR_INTS)), MF_KERNELS(MF_FAST(transpose) &Transpose_reference)};

// ---- Concat ----
static bool concat_dim(const mf_tensor *in, uint32_t at, uint32_t axis, mf_tensor *out,
                       mf_error *err) {
  if (in->rank != out->rank)
    return mf_fail(err, MF_InvalidModel, "input %u has %u dimensions, expected %u as input 0", at,
                   in->rank, out->rank);
  for (uint32_t d = 0; d < in->rank; d++) {
    bool ok = d == axis ? mf_ops_add_dims(out->dims[d], in->dims[d], &out->dims[d], err)
                        : mf_ops_merge_dim(out->dims[d], in->dims[d], "dimensions beside the axis",
                                           &out->dims[d], err);
    if (!ok) return mf_wrap(err, "input %u, dimension %u", at, d);
  }
  return true;
}
static bool shape_Concat(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect_all(call, MF_SET_ALL, err)) return false;
  mf_tensor *out = &call->outputs[0];
  for (uint32_t i = 0; i < call->n_inputs; i++)
    if (call->inputs[i]->type) out->type = call->inputs[i]->type;
  for (uint32_t i = 0; i < call->n_inputs; i++)
    if (!mf_ops_rank_known(call->inputs[i])) return true;
  *out = (mf_tensor){.type = out->type, .rank = call->inputs[0]->rank};
  memcpy(out->dims, call->inputs[0]->dims, sizeof out->dims);
  uint32_t axis = 0;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), out->rank, &axis, err)) return false;
  for (uint32_t i = 1; i < call->n_inputs; i++)
    if (!concat_dim(call->inputs[i], i, axis, out, err)) return false;
  return true;
}
static bool run_Concat(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *out = call->outputs[0];
  uint32_t axis = 0;
  if (mf_ops_empty(out)) return true;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, 0), out->rank, &axis, err)) return false;
  size_t size = mf_type_size(out->type);
  size_t row = (size_t)mf_tensor_span(out, axis, out->rank) * size, before = 0;
  int64_t rows = mf_tensor_span(out, 0, axis);
  for (uint32_t k = 0; k < call->n_inputs; k++) {
    const mf_tensor *in = call->inputs[k];
    size_t piece = (size_t)mf_tensor_span(in, axis, in->rank) * size;
    for (int64_t r = 0; piece && r < rows; r++)
      memcpy((char *)out->data + (size_t)r * row + before, (char *)in->data + (size_t)r * piece,
             piece);
    before += piece;
  }
  return true;
}
MF_REFERENCE(Concat, run_Concat);
const mf_operator mf_op_Concat = {"", "Concat", 4, MF_OP_ANY, 1, MF_OP_ANY, 1, 1,
                                  .shape = shape_Concat,
                                  MF_ATTRIBUTES(MF_REQUIRED("axis", MF_ATTR_INT)),
                                  MF_KERNELS(&Concat_reference)};

// ---- Split: lengths are an attribute before opset 13, then an input; both may be absent (equal parts) ----
enum { SPLIT_AXIS, SPLIT_EXTRA };  // extra: "split" in the older row, "num_outputs" in the newer

// Before opset 18 the outputs must divide the dimension; after, the last one may be smaller.
static bool equal_parts(mf_shape_call *call, int64_t dim, uint32_t axis, mf_error *err) {
  int64_t n = call->n_outputs;
  if (call->opset >= 18 && mf_attr_has(&call->attributes, SPLIT_EXTRA) &&
      mf_attr_int(&call->attributes, SPLIT_EXTRA) != n)
    return mf_fail(err, MF_InvalidModel, "num_outputs is %lld, but there are %lld outputs",
                   (long long)mf_attr_int(&call->attributes, SPLIT_EXTRA), (long long)n);
  if (dim < 0) return true;
  if (call->opset < 18 && dim % n)
    return mf_fail(err, MF_InvalidModel, "dimension %lld does not split into %lld equal parts",
                   (long long)dim, (long long)n);
  int64_t part = (dim + n - 1) / n;
  for (int64_t i = 0; i < n; i++) {
    int64_t left = MF_MAX(dim - i * part, 0);
    call->outputs[i].dims[axis] = MF_MIN(part, left);
  }
  return true;
}
// Part i of a list that may be longer than mf_ops_ints holds: models split into dozens of pieces.
static bool listed_parts(mf_shape_call *call, const int64_t *parts, int64_t n, int64_t dim,
                         uint32_t axis, mf_error *err) {
  if (n != call->n_outputs)
    return mf_fail(err, MF_InvalidModel, "split has %lld entries, but there are %u outputs",
                   (long long)n, call->n_outputs);
  int64_t sum = 0;
  for (uint32_t i = 0; i < call->n_outputs; i++) {
    if (parts[i] < 0)
      return mf_fail(err, MF_InvalidModel, "entry %u of split is %lld, expected 0 or more", i,
                     (long long)parts[i]);
    if (!mf_ops_add_dims(sum, parts[i], &sum, err)) return false;
    call->outputs[i].dims[axis] = parts[i];
  }
  if (dim >= 0 && sum != dim)
    return mf_fail(err, MF_InvalidModel, "split adds up to %lld, expected dimension %lld",
                   (long long)sum, (long long)dim);
  return true;
}
static bool split_axis(mf_shape_call *call, uint32_t *axis, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  for (uint32_t i = 0; i < call->n_outputs; i++) mf_ops_copy_shape(call, 0, i);
  const mf_tensor *in = call->inputs[0];
  if (!mf_ops_rank_known(in)) return true;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, SPLIT_AXIS), in->rank, axis, err)) return false;
  for (uint32_t i = 0; i < call->n_outputs; i++) call->outputs[i].dims[*axis] = MF_DIM_UNKNOWN;
  return true;
}
static bool shape_Split2(mf_shape_call *call, mf_error *err) {
  uint32_t axis = 0;
  if (!split_axis(call, &axis, err)) return false;
  if (!mf_ops_rank_known(call->inputs[0])) return true;
  int64_t dim = call->inputs[0]->dims[axis];
  const int64_t *parts = mf_attr_ints(&call->attributes, SPLIT_EXTRA);
  if (!parts) return equal_parts(call, dim, axis, err);
  return listed_parts(call, parts, mf_attr_count(&call->attributes, SPLIT_EXTRA), dim, axis, err);
}
static bool shape_Split(mf_shape_call *call, mf_error *err) {
  uint32_t axis = 0;
  if (!split_axis(call, &axis, err)) return false;
  if (!mf_ops_rank_known(call->inputs[0])) return true;
  int64_t dim = call->inputs[0]->dims[axis];
  if (!mf_ops_has(call, 1)) return equal_parts(call, dim, axis, err);
  if (!mf_ops_expect(call, 1, MF_SET_INT64, err) || !mf_ops_expect_rank(call, 1, 1, 1, err))
    return false;
  const mf_tensor *parts = call->inputs[1];
  if (!parts->data || !mf_tensor_is_static(parts)) return true;
  return listed_parts(call, parts->data, parts->dims[0], dim, axis, err);
}
// Length of part k; an output that nobody wants has no shape, so it is looked up.
static int64_t part_length(const mf_kernel_call *call, uint32_t k, int64_t dim, uint32_t axis) {
  if (call->outputs[k]) return call->outputs[k]->dims[axis];
  if (call->n_inputs > 1 && call->inputs[1]) return mf_ops_get_int(call->inputs[1], k);
  const int64_t *listed = mf_attr_ints(&call->attributes, SPLIT_EXTRA);
  if (call->opset < 13 && listed) return listed[k];
  int64_t n = call->n_outputs, part = (dim + n - 1) / n;
  return MF_MIN(part, MF_MAX(dim - (int64_t)k * part, 0));
}
static bool run_Split(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  uint32_t axis = 0;
  if (mf_ops_empty(in)) return true;
  if (!mf_ops_axis(mf_attr_int(&call->attributes, SPLIT_AXIS), in->rank, &axis, err)) return false;
  size_t inner = (size_t)mf_tensor_span(in, axis + 1, in->rank) * mf_type_size(in->type);
  size_t row = (size_t)in->dims[axis] * inner, before = 0;
  int64_t rows = mf_tensor_span(in, 0, axis);
  for (uint32_t k = 0; k < call->n_outputs; k++) {
    size_t piece = (size_t)part_length(call, k, in->dims[axis], axis) * inner;
    for (int64_t r = 0; call->outputs[k] && piece && r < rows; r++)
      memcpy((char *)call->outputs[k]->data + (size_t)r * piece,
             (char *)in->data + (size_t)r * row + before, piece);
    before += piece;
  }
  return true;
}
MF_REFERENCE(Split, run_Split);
const mf_operator mf_op_Split2 = {
    "", "Split", 2, 12, 1, 1, 1, MF_OP_ANY, .shape = shape_Split2,
    MF_ATTRIBUTES(MF_INT("axis", 0), MF_OPTIONAL("split", MF_ATTR_INTS)),
    MF_KERNELS(&Split_reference)};
const mf_operator mf_op_Split = {
    "", "Split", 13, MF_OP_ANY, 1, 2, 1, MF_OP_ANY, 1 << 1, .shape = shape_Split,
    MF_ATTRIBUTES(MF_INT("axis", 0), MF_OPTIONAL("num_outputs", MF_ATTR_INT)),
    MF_KERNELS(&Split_reference)};

// ---- Tile ----
static bool shape_Tile(mf_shape_call *call, mf_error *err) {
  mf_ops_ints repeats;
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err) || !mf_ops_expect(call, 1, MF_SET_INT64, err) ||
      !mf_ops_ints_input(call, 1, &repeats, err))
    return false;
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  out->type = in->type;
  if (!mf_ops_rank_known(in)) return true;
  mf_ops_set_rank(out, in->rank);
  if (repeats.n != UINT32_MAX && repeats.n != in->rank)
    return mf_fail(err, MF_InvalidModel, "repeats has %u entries, expected %u", repeats.n, in->rank);
  for (uint32_t d = 0; repeats.known && d < in->rank; d++) {
    if (repeats.values[d] < 0)
      return mf_fail(err, MF_InvalidModel, "entry %u of repeats is %lld, expected 0 or more", d,
                     (long long)repeats.values[d]);
    if (!mf_ops_mul_dims(in->dims[d], repeats.values[d], &out->dims[d], err)) return false;
  }
  return true;
}
static bool run_Tile(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  size_t size = mf_type_size(in->type);
  int64_t n = mf_tensor_count(out), index[MF_MAX_RANK] = {0}, strides[MF_MAX_RANK];
  mf_strides_of(in, strides);
  for (int64_t at = 0; at < n; at++) {
    int64_t from = 0;
    for (uint32_t d = 0; d < in->rank; d++) from += index[d] % in->dims[d] * strides[d];
    memcpy(mf_ops_at(out, at, size), mf_ops_at(in, from, size), size);
    for (uint32_t d = out->rank; d-- > 0 && ++index[d] == out->dims[d];) index[d] = 0;
  }
  return true;
}
MF_REFERENCE(Tile, run_Tile);
const mf_operator mf_op_Tile = {"", "Tile", 6, MF_OP_ANY, 2, 2, 1, 1, 1 << 1, .shape = shape_Tile,
                                MF_KERNELS(&Tile_reference)};

// ---- DepthToSpace, SpaceToDepth: a transposition of the tensor seen with six dimensions ----
static bool block_size(const mf_shape_call *call, int64_t *block, mf_error *err) {
  *block = mf_attr_int(&call->attributes, 0);
  if (*block < 1 || *block > INT32_MAX)
    return mf_fail(err, MF_InvalidModel, "blocksize is %lld, expected 1 or more", (long long)*block);
  return mf_ops_expect(call, 0, MF_SET_ALL, err) && mf_ops_expect_rank(call, 0, 4, 4, err);
}
static bool divide_dim(int64_t dim, int64_t by, int64_t *quotient, mf_error *err) {
  *quotient = dim < 0 ? MF_DIM_UNKNOWN : dim / by;
  if (dim < 0 || dim % by == 0) return true;
  return mf_fail(err, MF_InvalidModel, "dimension %lld is no multiple of %lld", (long long)dim,
                 (long long)by);
}
static bool shape_DepthToSpace(mf_shape_call *call, mf_error *err) {
  int64_t block;
  mf_str mode = mf_attr_str(&call->attributes, 1);
  if (!block_size(call, &block, err)) return false;
  if (!mf_str_is(mode, "DCR") && !mf_str_is(mode, "CRD"))
    return mf_fail(err, MF_InvalidModel, "mode is '%.*s', expected 'DCR' or 'CRD'",
                   MF_STR_ARG(mode));
  mf_ops_copy_shape(call, 0, 0);
  mf_tensor *out = &call->outputs[0];
  if (!mf_ops_rank_known(out)) return true;
  return divide_dim(out->dims[1], block * block, &out->dims[1], err) &&
         mf_ops_mul_dims(out->dims[2], block, &out->dims[2], err) &&
         mf_ops_mul_dims(out->dims[3], block, &out->dims[3], err);
}
static bool shape_SpaceToDepth(mf_shape_call *call, mf_error *err) {
  int64_t block;
  if (!block_size(call, &block, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  mf_tensor *out = &call->outputs[0];
  if (!mf_ops_rank_known(out)) return true;
  return mf_ops_mul_dims(out->dims[1], block * block, &out->dims[1], err) &&
         divide_dim(out->dims[2], block, &out->dims[2], err) &&
         divide_dim(out->dims[3], block, &out->dims[3], err);
}
// Copies out[i0..i5] = in[strides], out contiguous.
static void copy_six(const mf_tensor *in, const mf_tensor *out, const int64_t dims[6],
                     const int64_t strides[6]) {
  mf_walk walk;
  mf_walk_init(&walk, 6, dims);
  mf_walk_add(&walk, 0, NULL);
  mf_walk_add(&walk, 0, strides);
  mf_walk_copy(&walk, out->data, in->data, mf_type_size(in->type));
}
static bool run_DepthToSpace(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  int64_t b = mf_attr_int(&call->attributes, 0), c = out->dims[1], h = in->dims[2], w = in->dims[3];
  bool depth_first = mf_str_is(mf_attr_str(&call->attributes, 1), "DCR");
  int64_t down = depth_first ? b * c * h * w : b * h * w;    // one row further within a block
  int64_t right = depth_first ? c * h * w : h * w;           // one column further
  int64_t channel = depth_first ? h * w : b * b * h * w;
  copy_six(in, out, (int64_t[6]){in->dims[0], c, h, b, w, b},
           (int64_t[6]){in->dims[1] * h * w, channel, w, down, 1, right});
  return true;
}
static bool run_SpaceToDepth(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *in = call->inputs[0], *out = call->outputs[0];
  int64_t b = mf_attr_int(&call->attributes, 0), c = in->dims[1], w = in->dims[3];
  int64_t plane = in->dims[2] * w;
  copy_six(in, out, (int64_t[6]){in->dims[0], b, b, c, out->dims[2], out->dims[3]},
           (int64_t[6]){c * plane, w, 1, plane, b * w, b});
  return true;
}
MF_REFERENCE(DepthToSpace, run_DepthToSpace);
MF_REFERENCE(SpaceToDepth, run_SpaceToDepth);
const mf_operator mf_op_DepthToSpace = {
    "", "DepthToSpace", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_DepthToSpace,
    MF_ATTRIBUTES(MF_REQUIRED("blocksize", MF_ATTR_INT), MF_TEXT("mode", "DCR")),
    MF_KERNELS(&DepthToSpace_reference)};
const mf_operator mf_op_SpaceToDepth = {
    "", "SpaceToDepth", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_SpaceToDepth,
    MF_ATTRIBUTES(MF_REQUIRED("blocksize", MF_ATTR_INT)), MF_KERNELS(&SpaceToDepth_reference)};
