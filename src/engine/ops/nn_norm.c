// Normalisations: BatchNormalization (inference, and training mode with its running statistics), LayerNormalization,
// RMSNormalization, InstanceNormalization, GroupNormalization, LpNormalization, MeanVarianceNormalization, LRN.
#include "nn.h"

#include <math.h>

enum { EPSILON, MOMENTUM, TRAINING, SPATIAL };             // BatchNormalization
enum { LN_AXIS, LN_EPSILON, LN_STASH };                    // Layer- and RMSNormalization
enum { GN_EPSILON, GN_GROUPS };                            // Instance- and GroupNormalization
enum { LRN_SIZE, LRN_ALPHA, LRN_BETA, LRN_BIAS };
enum { LP_AXIS, LP_P };

// MeanVarianceNormalization: the dimensions to normalise over as a set of bits, by default all but channels.
static bool mean_variance_axes(const mf_attributes *a, uint32_t rank, uint32_t *set, mf_error *err) {
  mf_ops_ints axes;
  if (!mf_ops_ints_attribute(a, 0, &axes, err)) return false;
  if (axes.absent) axes = (mf_ops_ints){.values = {0, 2, 3}, .n = 3, .known = true};
  return mf_ops_axis_set(&axes, rank, set, err);
}

#define T float
#define NAME(id) id##_f32
#include "nn_norm.inc"
#undef T
#undef NAME
#define T double
#define NAME(id) id##_f64
#include "nn_norm.inc"
#undef T
#undef NAME

// Inputs [first, last] are float vectors of one element for each channel (dimension 1) of input 0.
static bool check_per_channel(const mf_shape_call *call, uint32_t first, uint32_t last, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  const int64_t channels = x->rank == 1 ? 1 : mf_nn_dim_of(x, 1);
  for (uint32_t at = first; at <= last; ++at)
    if (!mf_ops_expect(call, at, MF_SET_FLOATS, err) || !mf_nn_vector(call, at, channels, "channels of input 0", err)) return false;
  return true;
}

// ---- BatchNormalization ----

static bool shape_batch_norm(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) || !nn_expect_rank(call, 0, 1, MF_MAX_RANK, err) ||
      !check_per_channel(call, 1, 4, err))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

static bool shape_batch_norm_1(mf_shape_call *call, mf_error *err) {
  if (mf_attr_int(&call->attributes, TRAINING) != 0)
    return mf_fail(err, MF_InvalidModel, "attribute 'training_mode' exists since opset 14 only");
  if (mf_attr_int(&call->attributes, SPATIAL) != 1)
    return mf_fail(err, MF_UnsupportedOperator, "BatchNormalization with spatial = 0 is not supported");
  if (call->n_outputs > 1)
    return mf_fail(err, MF_UnsupportedOperator, "BatchNormalization in training mode is not supported before opset 14");
  return shape_batch_norm(call, err);
}

static bool shape_batch_norm_9(mf_shape_call *call, mf_error *err) {
  if (call->n_outputs > 1)
    return mf_fail(err, MF_UnsupportedOperator, "BatchNormalization in training mode is not supported before opset 14");
  return shape_batch_norm(call, err);
}

static bool shape_batch_norm_14(mf_shape_call *call, mf_error *err) {
  const bool training = mf_attr_int(&call->attributes, TRAINING) != 0;
  if (call->n_outputs > 1 && !training)
    return mf_fail(err, MF_InvalidModel, "%u outputs, expected 1 without training_mode", call->n_outputs);
  if (!shape_batch_norm(call, err)) return false;
  for (uint32_t at = 1; at <= 2; ++at) mf_nn_set_like(call, at, call->inputs[at + 2]->type, call->inputs[at + 2]);
  return true;
}

NN_FLOAT_KERNEL(batch_norm)
MF_REFERENCE(batch_norm, batch_norm);
#define BATCH_NORM_ATTRIBUTES MF_REAL("epsilon", 1e-5f), MF_REAL("momentum", 0.9f)
// is_test says the same as the number of outputs; consumed_inputs was a hint to share memory.
const mf_operator mf_op_BatchNormalization_1 = {
    "", "BatchNormalization", 1, 8, 5, 5, 1, 5, .flags = MF_OP_INPLACE, .shape = shape_batch_norm_1,
    MF_ATTRIBUTES(BATCH_NORM_ATTRIBUTES, MF_INT("training_mode", 0), MF_INT("spatial", 1), MF_INT("is_test", 0),
                  MF_OPTIONAL("consumed_inputs", MF_ATTR_INTS)),
    MF_KERNELS(&batch_norm_reference)};
const mf_operator mf_op_BatchNormalization_9 = {
    "", "BatchNormalization", 9, 13, 5, 5, 1, 5, .flags = MF_OP_INPLACE, .shape = shape_batch_norm_9,
    MF_ATTRIBUTES(BATCH_NORM_ATTRIBUTES), MF_KERNELS(&batch_norm_reference)};
const mf_operator mf_op_BatchNormalization = {
    "", "BatchNormalization", 14, MF_OP_ANY, 5, 5, 1, 3, .flags = MF_OP_INPLACE, .shape = shape_batch_norm_14,
    MF_ATTRIBUTES(BATCH_NORM_ATTRIBUTES, MF_INT("training_mode", 0)), MF_KERNELS(&batch_norm_reference)};

// ---- LayerNormalization, RMSNormalization ----

// Scale or bias: one element, or exactly the last dimensions (as many as it has, at most those that are normalised).
static bool check_suffix(const mf_shape_call *call, uint32_t at, uint32_t axis, mf_error *err) {
  const mf_tensor *t = nn_input(call, at), *x = call->inputs[0];
  if (!t || !mf_ops_rank_known(t) || !mf_ops_rank_known(x)) return true;
  bool one = true;  // or may turn out to be
  for (uint32_t d = 0; d < t->rank; ++d) one &= t->dims[d] == 1 || t->dims[d] < 0;
  if (one) return true;
  if (!nn_expect_rank(call, at, 0, x->rank - axis, err)) return false;
  for (uint32_t d = 0; d < t->rank; ++d)
    if (!mf_nn_dim(call, at, d, x->dims[x->rank - t->rank + d], "as in input 0", err)) return false;
  return true;
}

static bool shape_layer_norm(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  uint32_t axis = 0;
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) || !nn_expect_same(call, 1, 0, err) || !nn_expect_same(call, 2, 0, err)) return false;
  if (mf_ops_rank_known(x) && !mf_ops_axis(mf_attr_int(&call->attributes, LN_AXIS), x->rank, &axis, err)) return false;
  if (!check_suffix(call, 1, axis, err) || !check_suffix(call, 2, axis, err)) return false;
  const int64_t stash = mf_attr_int(&call->attributes, LN_STASH);
  if (stash != MF_FLOAT && stash != MF_DOUBLE)
    return mf_fail(err, MF_UnsupportedType, "attribute 'stash_type' is %lld, supported are 1 (float32) and 11 (float64)",
                   (long long)stash);
  mf_ops_copy_shape(call, 0, 0);
  mf_tensor statistics = *x;
  for (uint32_t d = axis; mf_ops_rank_known(x) && d < x->rank; ++d) statistics.dims[d] = 1;
  // Mean and InvStdDev have the type that the computation is done in.
  for (uint32_t at = 1; at <= 2; ++at) mf_nn_set_like(call, at, (mf_type)stash, &statistics);
  return true;
}

NN_FLOAT_KERNEL(layer_norm)
MF_REFERENCE(layer_norm, layer_norm);
#define LAYER_NORM_ATTRIBUTES MF_INT("axis", -1), MF_REAL("epsilon", 1e-5f), MF_INT("stash_type", 1)
const mf_operator mf_op_LayerNormalization = {
    "", "LayerNormalization", 17, MF_OP_ANY, 2, 3, 1, 3, .flags = MF_OP_INPLACE, .shape = shape_layer_norm,
    MF_ATTRIBUTES(LAYER_NORM_ATTRIBUTES), MF_KERNELS(&layer_norm_reference)};

NN_FLOAT_KERNEL(rms_norm)
MF_REFERENCE(rms_norm, rms_norm);
const mf_operator mf_op_RMSNormalization = {
    "", "RMSNormalization", 23, MF_OP_ANY, 2, 2, 1, 1, .flags = MF_OP_INPLACE, .shape = shape_layer_norm,
    MF_ATTRIBUTES(LAYER_NORM_ATTRIBUTES), MF_KERNELS(&rms_norm_reference)};

// ---- InstanceNormalization, GroupNormalization ----

static bool shape_instance_norm(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) || !nn_expect_rank(call, 0, 2, MF_MAX_RANK, err) ||
      !check_per_channel(call, 1, 2, err))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

// Until 20 scale and bias had an element for each group, from 21 on for each channel.
static bool shape_group_norm(mf_shape_call *call, mf_error *err) {
  const int64_t groups = mf_attr_int(&call->attributes, GN_GROUPS), channels = mf_nn_dim_of(call->inputs[0], 1);
  const bool per_channel = call->attributes.count > GN_GROUPS + 1;
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) || !nn_expect_rank(call, 0, 2, MF_MAX_RANK, err)) return false;
  if (groups < 1 || (channels >= 0 && channels % groups != 0))
    return mf_fail(err, MF_InvalidModel, "attribute 'num_groups' is %lld, expected a divisor of the %lld channels",
                   (long long)groups, (long long)channels);
  for (uint32_t at = 1; at <= 2; ++at)
    if (!mf_ops_expect(call, at, MF_SET_FLOATS, err) ||
        !mf_nn_vector(call, at, per_channel ? channels : groups, per_channel ? "channels" : "groups", err))
      return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

NN_FLOAT_KERNEL(group_norm)
MF_REFERENCE(group_norm, group_norm);
const mf_operator mf_op_InstanceNormalization = {
    "", "InstanceNormalization", 6, MF_OP_ANY, 3, 3, 1, 1, .flags = MF_OP_INPLACE, .shape = shape_instance_norm,
    MF_ATTRIBUTES(MF_REAL("epsilon", 1e-5f)), MF_KERNELS(&group_norm_reference)};
const mf_operator mf_op_GroupNormalization_18 = {
    "", "GroupNormalization", 18, 20, 3, 3, 1, 1, .flags = MF_OP_INPLACE, .shape = shape_group_norm,
    MF_ATTRIBUTES(MF_REAL("epsilon", 1e-5f), MF_REQUIRED("num_groups", MF_ATTR_INT)), MF_KERNELS(&group_norm_reference)};
const mf_operator mf_op_GroupNormalization = {
    "", "GroupNormalization", 21, MF_OP_ANY, 3, 3, 1, 1, .flags = MF_OP_INPLACE, .shape = shape_group_norm,
    MF_ATTRIBUTES(MF_REAL("epsilon", 1e-5f), MF_REQUIRED("num_groups", MF_ATTR_INT), MF_INT("stash_type", 1)),
    MF_KERNELS(&group_norm_reference)};

// ---- LRN, LpNormalization ----

static bool shape_lrn(mf_shape_call *call, mf_error *err) {
  const int64_t size = mf_attr_int(&call->attributes, LRN_SIZE);
  if (size < 1 || size > INT32_MAX)
    return mf_fail(err, MF_InvalidModel, "attribute 'size' is %lld, expected 1 to %d", (long long)size, INT32_MAX);
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) || !nn_expect_rank(call, 0, 2, MF_MAX_RANK, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

NN_FLOAT_KERNEL(lrn)
MF_REFERENCE(lrn, lrn);
const mf_operator mf_op_LRN = {"", "LRN", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_lrn,
                               MF_ATTRIBUTES(MF_REQUIRED("size", MF_ATTR_INT), MF_REAL("alpha", 1e-4f), MF_REAL("beta", 0.75f),
                                             MF_REAL("bias", 1)),
                               MF_KERNELS(&lrn_reference)};

static bool shape_lp_norm(mf_shape_call *call, mf_error *err) {
  const int64_t p = mf_attr_int(&call->attributes, LP_P);
  const mf_tensor *x = call->inputs[0];
  uint32_t axis;
  if (p != 1 && p != 2) return mf_fail(err, MF_InvalidModel, "attribute 'p' is %lld, expected 1 or 2", (long long)p);
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) ||
      (mf_ops_rank_known(x) && !mf_ops_axis(mf_attr_int(&call->attributes, LP_AXIS), x->rank, &axis, err)))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

NN_FLOAT_KERNEL(lp_norm)
MF_REFERENCE(lp_norm, lp_norm);
const mf_operator mf_op_LpNormalization = {"", "LpNormalization", 1, MF_OP_ANY, 1, 1, 1, 1, .flags = MF_OP_INPLACE,
                                           .shape = shape_lp_norm, MF_ATTRIBUTES(MF_INT("axis", -1), MF_INT("p", 2)),
                                           MF_KERNELS(&lp_norm_reference)};

static bool shape_mean_variance(mf_shape_call *call, mf_error *err) {
  uint32_t set;
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) ||
      (mf_ops_rank_known(call->inputs[0]) && !mean_variance_axes(&call->attributes, call->inputs[0]->rank, &set, err)))
    return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

NN_FLOAT_KERNEL(mean_variance)
MF_REFERENCE(mean_variance, mean_variance);
const mf_operator mf_op_MeanVarianceNormalization = {"", "MeanVarianceNormalization", 9, MF_OP_ANY, 1, 1, 1, 1, .flags = MF_OP_INPLACE,
                                                     .shape = shape_mean_variance, MF_ATTRIBUTES(MF_OPTIONAL("axes", MF_ATTR_INTS)),
                                                     MF_KERNELS(&mean_variance_reference)};
