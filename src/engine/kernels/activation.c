// The row of mayfly.Activation: an activation that no convolution or matrix product took in.
#include "kernels.h"
#include "nhwc.h"

static bool shape_activation(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, 1 << MF_FLOAT, err)) return false;
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

static bool run_activation_reference(mf_kernel_call *call, mf_error *err) {
  (void)err;
  mf_activation act = mf_activation_read(&call->attributes);
  const float *in = call->inputs[0]->data;
  float *out = call->outputs[0]->data;
  for (int64_t i = 0; i < mf_tensor_count(call->inputs[0]); i++) out[i] = mf_activate(&act, in[i]);
  return true;
}

MF_REFERENCE(mayfly_Activation, run_activation_reference);
const mf_operator mf_op_mayfly_Activation = {
    "mayfly",
    "Activation",
    1,
    MF_OP_ANY,
    1,
    1,
    1,
    1,
    .flags = MF_OP_INPLACE,
    .shape = shape_activation,
    MF_ATTRIBUTES(MF_REQUIRED("kind", MF_ATTR_INT), MF_REAL("alpha", 0.0f), MF_REAL("beta", 0.0f),
                  MF_REAL("scale", 1.0f), MF_REAL("shift", 0.0f)),
    MF_KERNELS(MF_FAST(activation_f32) & mayfly_Activation_reference)};
