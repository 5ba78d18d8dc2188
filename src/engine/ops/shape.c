// Operators about shapes: those that tell one (Shape, Size) and those that give the same elements another one (Reshape, Squeeze,
// Unsqueeze, Flatten, Identity, Dropout as it is after training). The latter are aliases: no element moves where the runtime
// lets the output share the input's memory. Expand, which repeats elements, is here for its shape function.
#include "broadcast.h"

static bool run_alias(mf_kernel_call *call, mf_error *err) {
  (void)err;
  mf_ops_copy_data(call->outputs[0], call->inputs[0]);
  return true;
}

// ---- Identity, Dropout ----
MF_SHAPE_ALIKE(shape_identity, MF_SET_ALL)
MF_REFERENCE(Identity, run_alias);
const mf_operator mf_op_Identity = {"", "Identity", 1, MF_OP_ANY, 1, 1, 1, 1, 0, MF_OP_ALIAS,
                                    .shape = shape_identity, MF_KERNELS(&Identity_reference)};

// The mask is of the input's type before opset 10, bool after.
static bool shape_dropout(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  mf_ops_copy_shape(call, 0, 1);
  if (call->n_outputs > 1 && call->opset >= 10) call->outputs[1].type = MF_BOOL;
  return true;
}
static bool run_Dropout(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *training = call->n_inputs > 2 ? call->inputs[2] : NULL;
  const mf_tensor *ratio = call->n_inputs > 1 ? call->inputs[1] : NULL;
  if (training && mf_ops_get_int(training, 0) && (!ratio || mf_ops_get_double(ratio, 0) != 0))
    return mf_fail(err, MF_UnsupportedOperator, "training_mode is true, expected false: Mayfly only infers");
  if (mf_ops_wanted(call, 1)) {
    const mf_tensor *mask = call->outputs[1];
    int64_t n = mf_tensor_count(mask);
    if (mask->type == MF_BOOL && n) memset(mask->data, 1, (size_t)n);
    for (int64_t i = 0; mask->type != MF_BOOL && i < n; i++) mf_ops_put_double(mask, i, 1);
  }
  return !mf_ops_wanted(call, 0) || run_alias(call, err);
}
static bool shape_dropout12(mf_shape_call *call, mf_error *err) {
  const uint32_t sets[] = {MF_SET_FLOATS, MF_SET_FLOATS, MF_SET_BOOL};
  for (uint32_t i = 1; i < 3; i++) {
    int64_t count;
    if (!mf_ops_has(call, i)) continue;
    if (!mf_ops_expect(call, i, sets[i], err) || !mf_ops_expect_rank(call, i, 0, 1, err) ||
        !mf_ops_span(call->inputs[i], 0, call->inputs[i]->rank, &count, err))
      return false;
    if (count >= 0 && count != 1)
      return mf_fail(err, MF_InvalidModel, "input %u has %lld elements, expected 1", i,
                     (long long)count);
  }
  return shape_dropout(call, err);
}
MF_REFERENCE(Dropout, run_Dropout);
const mf_operator mf_op_Dropout7 = {"", "Dropout", 7, 11, 1, 1, 1, 2, 0, MF_OP_ALIAS,
                                    .shape = shape_dropout, MF_ATTRIBUTES(MF_REAL("ratio", 0.5f)),
                                    MF_KERNELS(&Dropout_reference)};
const mf_operator mf_op_Dropout = {
    "", "Dropout", 12, MF_OP_ANY, 1, 3, 1, 2, 0, MF_OP_ALIAS, .shape = shape_dropout12,
    MF_ATTRIBUTES(MF_OPTIONAL("seed", MF_ATTR_INT)), MF_KERNELS(&Dropout_reference)};

// ---- Shape, Size ----
// Dims [*from, *to) of the input are told; out of range is cut, as the standard says.
static void told_dims(const mf_attributes *a, uint32_t rank, int64_t *from, int64_t *to) {
  int64_t n = (int64_t)rank;
  int64_t start = mf_attr_int(a, 0), end = mf_attr_has(a, 1) ? mf_attr_int(a, 1) : n;
  if (start < 0) start += n;
  if (end < 0) end += n;
  *from = MF_MIN(MF_MAX(start, 0), n);
  *to = MF_MAX(MF_MIN(MF_MAX(end, 0), n), *from);
}
static bool shape_Shape(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  mf_tensor *out = &call->outputs[0];
  out->type = MF_INT64;
  mf_ops_set_rank(out, 1);
  if (!mf_ops_rank_known(call->inputs[0])) return true;
  int64_t from, to;
  told_dims(&call->attributes, call->inputs[0]->rank, &from, &to);
  out->dims[0] = to - from;
  return true;
}
static bool run_Shape(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *in = call->inputs[0];
  int64_t from, to;
  told_dims(&call->attributes, in->rank, &from, &to);
  for (int64_t d = from; d < to; d++)
    ((int64_t *)call->outputs[0]->data)[d - from] = in->dims[d];
  return true;
}
MF_REFERENCE(Shape, run_Shape);
const mf_operator mf_op_Shape = {
    "", "Shape", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_Shape,
    MF_ATTRIBUTES(MF_INT("start", 0), MF_OPTIONAL("end", MF_ATTR_INT)), MF_KERNELS(&Shape_reference)};

static bool shape_Size(mf_shape_call *call, mf_error *err) {
  call->outputs[0].type = MF_INT64;
  call->outputs[0].rank = 0;
  return mf_ops_expect(call, 0, MF_SET_ALL, err);
}
static bool run_Size(mf_kernel_call *call, mf_error *err) {
  (void)err;
  *(int64_t *)call->outputs[0]->data = mf_tensor_count(call->inputs[0]);
  return true;
}
MF_REFERENCE(Size, run_Size);
const mf_operator mf_op_Size = {"", "Size", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_Size,
                                MF_KERNELS(&Size_reference)};

// ---- Reshape ----
// What the requested list says of each output dimension, and what is left to fill the one that is -1.
typedef struct reshape {
  uint32_t copied;   // bit d: dimension d is the input's
  int32_t inferred;  // the one that is -1, or -1
} reshape;

static bool read_request(const mf_tensor *in, const mf_ops_ints *request, bool allow_zero,
                         mf_tensor *out, reshape *how, mf_error *err) {
  *how = (reshape){.inferred = -1};
  out->rank = request->n;
  for (uint32_t d = 0; d < request->n; d++) {
    int64_t dim = out->dims[d] = request->values[d];
    if (dim < -1 || (dim == -1 && how->inferred >= 0))
      return mf_fail(err, MF_InvalidModel, "dimension %u of the requested shape is %lld, expected %s",
                     d, (long long)dim, dim < -1 ? "-1 or more" : "at most one -1");
    if (dim == -1) how->inferred = (int32_t)d;
    if (dim != 0 || allow_zero) continue;
    if (mf_ops_rank_known(in) && d >= in->rank)
      return mf_fail(err, MF_InvalidModel,
                     "dimension %u of the requested shape is 0 (as the input's), "
                     "but the input has %u dimensions", d, in->rank);
    out->dims[d] = mf_ops_rank_known(in) ? in->dims[d] : MF_DIM_UNKNOWN;
    how->copied |= UINT32_C(1) << d;
  }
  return true;
}

// Copied dimensions are on both sides and cancel, so the rest can be compared even where they are unknown (a batch).
static bool infer_dim(const mf_tensor *in, mf_tensor *out, const reshape *how, mf_error *err) {
  if (!mf_ops_rank_known(in)) return true;
  int64_t have = 1, want = 1;
  for (uint32_t d = 0; d < in->rank; d++)
    if (!(how->copied >> d & 1) && !mf_ops_mul_dims(have, in->dims[d], &have, err)) return false;
  for (uint32_t d = 0; d < out->rank; d++)
    if (!(how->copied >> d & 1) && (int32_t)d != how->inferred &&
        !mf_ops_mul_dims(want, out->dims[d], &want, err))
      return false;
  if (have < 0 || want < 0) return true;
  bool fits = how->inferred < 0 ? have == want : want == 0 ? have == 0 : have % want == 0;
  if (!fits) {
    char from[160], to[160];
    return mf_fail(err, MF_InvalidModel, "%s cannot be reshaped to %s",
                   mf_tensor_describe(in, from, sizeof from), mf_tensor_describe(out, to, sizeof to));
  }
  if (how->inferred >= 0) out->dims[how->inferred] = want ? have / want : 0;
  return true;
}

static bool shape_Reshape(mf_shape_call *call, mf_error *err) {
  mf_ops_ints request;
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err) || !mf_ops_expect(call, 1, MF_SET_INT64, err) ||
      !mf_ops_ints_input(call, 1, &request, err))
    return false;
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  out->type = in->type;
  if (request.n == UINT32_MAX) return true;
  if (!mf_ops_check_rank(request.n, err)) return false;
  mf_ops_set_rank(out, request.n);
  if (!request.known) return true;
  reshape how;
  return read_request(in, &request, mf_attr_int(&call->attributes, 0) != 0, out, &how, err) &&
         infer_dim(in, out, &how, err);
}
MF_REFERENCE(Reshape, run_alias);
const mf_operator mf_op_Reshape = {"", "Reshape", 5, MF_OP_ANY, 2, 2, 1, 1, 1 << 1, MF_OP_ALIAS,
                                   .shape = shape_Reshape, MF_ATTRIBUTES(MF_INT("allowzero", 0)),
                                   MF_KERNELS(&Reshape_reference)};

// ---- Flatten ----
static bool shape_Flatten(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  out->type = in->type;
  mf_ops_set_rank(out, 2);
  if (!mf_ops_rank_known(in)) return true;
  int64_t axis = mf_attr_int(&call->attributes, 0), rank = in->rank;
  if (axis < -rank || axis > rank)
    return mf_fail(err, MF_InvalidModel, "axis %lld of a tensor with %u dimensions",
                   (long long)axis, in->rank);
  uint32_t at = (uint32_t)(axis < 0 ? axis + rank : axis);
  return mf_ops_span(in, 0, at, &out->dims[0], err) &&
         mf_ops_span(in, at, in->rank, &out->dims[1], err);
}
MF_REFERENCE(Flatten, run_alias);
const mf_operator mf_op_Flatten = {"", "Flatten", 1, MF_OP_ANY, 1, 1, 1, 1, 0, MF_OP_ALIAS,
                                   .shape = shape_Flatten, MF_ATTRIBUTES(MF_INT("axis", 1)),
                                   MF_KERNELS(&Flatten_reference)};

// ---- Squeeze, Unsqueeze: axes are an attribute before opset 13, then an input ----
static bool squeeze_listed(const mf_tensor *in, const mf_ops_ints *axes, mf_tensor *out,
                           mf_error *err) {
  uint32_t set;
  if (!mf_ops_axis_set(axes, in->rank, &set, err)) return false;
  out->rank = 0;
  for (uint32_t d = 0; d < in->rank; d++) {
    if (!(set >> d & 1)) {
      out->dims[out->rank++] = in->dims[d];
    } else if (in->dims[d] >= 0 && in->dims[d] != 1) {
      return mf_fail(err, MF_InvalidModel, "axis %u to squeeze has dimension %lld, expected 1", d,
                     (long long)in->dims[d]);
    }
  }
  return true;
}
static void squeeze_all(const mf_tensor *in, mf_tensor *out) {
  if (!mf_ops_dims_known(in, 0, in->rank)) return;
  out->rank = 0;
  for (uint32_t d = 0; d < in->rank; d++)
    if (in->dims[d] != 1) out->dims[out->rank++] = in->dims[d];
}
static bool squeeze(mf_shape_call *call, const mf_ops_ints *axes, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  out->type = in->type;
  if (!mf_ops_rank_known(in)) return true;
  if (axes->absent) return squeeze_all(in, out), true;
  if (axes->known) return squeeze_listed(in, axes, out, err);
  if (axes->n <= in->rank) mf_ops_set_rank(out, in->rank - axes->n);
  return true;
}
static bool unsqueeze(mf_shape_call *call, const mf_ops_ints *axes, mf_error *err) {
  const mf_tensor *in = call->inputs[0];
  mf_tensor *out = &call->outputs[0];
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err)) return false;
  out->type = in->type;
  if (!mf_ops_rank_known(in) || axes->n == UINT32_MAX) return true;
  uint32_t rank = in->rank + axes->n, set;
  if (!mf_ops_check_rank(rank, err)) return false;
  mf_ops_set_rank(out, rank);
  if (!axes->known) return true;
  if (!mf_ops_axis_set(axes, rank, &set, err)) return false;
  for (uint32_t d = 0, from = 0; d < rank; d++)
    out->dims[d] = set >> d & 1 ? 1 : in->dims[from++];
  return true;
}
static bool shape_Squeeze1(mf_shape_call *call, mf_error *err) {
  mf_ops_ints axes;
  return mf_ops_ints_attribute(&call->attributes, 0, &axes, err) && squeeze(call, &axes, err);
}
static bool shape_Squeeze(mf_shape_call *call, mf_error *err) {
  mf_ops_ints axes;
  return mf_ops_ints_input(call, 1, &axes, err) && squeeze(call, &axes, err);
}
static bool shape_Unsqueeze1(mf_shape_call *call, mf_error *err) {
  mf_ops_ints axes;
  return mf_ops_ints_attribute(&call->attributes, 0, &axes, err) && unsqueeze(call, &axes, err);
}
static bool shape_Unsqueeze(mf_shape_call *call, mf_error *err) {
  mf_ops_ints axes;
  return mf_ops_ints_input(call, 1, &axes, err) && unsqueeze(call, &axes, err);
}
MF_REFERENCE(Squeeze, run_alias);
MF_REFERENCE(Unsqueeze, run_alias);
const mf_operator mf_op_Squeeze1 = {
    "", "Squeeze", 1, 12, 1, 1, 1, 1, 0, MF_OP_ALIAS, .shape = shape_Squeeze1,
    MF_ATTRIBUTES(MF_OPTIONAL("axes", MF_ATTR_INTS)), MF_KERNELS(&Squeeze_reference)};
const mf_operator mf_op_Squeeze = {"", "Squeeze", 13, MF_OP_ANY, 1, 2, 1, 1, 1 << 1, MF_OP_ALIAS,
                                   .shape = shape_Squeeze, MF_KERNELS(&Squeeze_reference)};
const mf_operator mf_op_Unsqueeze1 = {
    "", "Unsqueeze", 1, 12, 1, 1, 1, 1, 0, MF_OP_ALIAS, .shape = shape_Unsqueeze1,
    MF_ATTRIBUTES(MF_REQUIRED("axes", MF_ATTR_INTS)), MF_KERNELS(&Unsqueeze_reference)};
const mf_operator mf_op_Unsqueeze = {"", "Unsqueeze", 13, MF_OP_ANY, 2, 2, 1, 1, 1 << 1,
                                     MF_OP_ALIAS, .shape = shape_Unsqueeze,
                                     MF_KERNELS(&Unsqueeze_reference)};

// ---- Expand ----
static bool shape_Expand(mf_shape_call *call, mf_error *err) {
  mf_ops_ints request;
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err) || !mf_ops_expect(call, 1, MF_SET_INT64, err) ||
      !mf_ops_ints_input(call, 1, &request, err))
    return false;
  mf_tensor *out = &call->outputs[0], target;
  out->type = call->inputs[0]->type;
  if (request.n == UINT32_MAX) return true;
  if (!mf_ops_check_rank(request.n, err)) return false;
  target = (mf_tensor){.type = MF_INT64};
  mf_ops_set_rank(&target, request.n);
  for (uint32_t d = 0; request.known && d < request.n; d++) {
    target.dims[d] = request.values[d];
    if (request.values[d] < 0)
      return mf_fail(err, MF_InvalidModel, "dimension %u of the requested shape is %lld, expected 0 or more",
                     d, (long long)request.values[d]);
  }
  const mf_tensor *both[] = {call->inputs[0], &target};
  return mf_broadcast_shape(both, 2, out, err);
}
static bool run_Expand(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_tensor *out = call->outputs[0];
  mf_walk walk;
  mf_walk_broadcast(&walk, out, call->inputs, 1);
  mf_walk_copy(&walk, out->data, call->inputs[0]->data, mf_type_size(out->type));
  return true;
}
MF_REFERENCE(Expand, run_Expand);
const mf_operator mf_op_Expand = {"", "Expand", 8, MF_OP_ANY, 2, 2, 1, 1, 1 << 1,
                                  .shape = shape_Expand, MF_KERNELS(&Expand_reference)};
