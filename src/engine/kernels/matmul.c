// The row of mayfly.MatMul: shape function and reference kernel. See matmul.h.
#include "matmul.h"

#include "kernels.h"

static bool shape_matmul(mf_shape_call *call, mf_error *err) {
  if (!mf_ops_expect(call, 0, 1 << MF_FLOAT, err) ||
      !mf_ops_expect_rank(call, 0, 1, MF_MAX_RANK, err))
    return false;
  const mf_tensor *x = call->inputs[0];
  int64_t k = mf_attr_int(&call->attributes, MF_MATMUL_ROWS), merged;
  mf_ops_copy_shape(call, 0, 0);
  if (!mf_ops_rank_known(x)) return true;
  if (!mf_ops_merge_dim(x->dims[x->rank - 1], k,
                        "the last dimension of X and the rows of the matrix", &merged, err))
    return false;
  call->outputs[0].dims[x->rank - 1] = mf_attr_int(&call->attributes, MF_MATMUL_COLUMNS);
  return mf_shape_addends(call, err);
}

static const float *optional(const mf_kernel_call *call, uint32_t at) {
  return at < call->n_inputs && call->inputs[at] ? call->inputs[at]->data : NULL;
}

static bool run_matmul_reference(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_attributes *a = &call->attributes;
  const mf_tensor *x = call->inputs[0];
  int64_t k = mf_attr_int(a, MF_MATMUL_ROWS), n = mf_attr_int(a, MF_MATMUL_COLUMNS),
          m = mf_tensor_span(x, 0, x->rank - 1);
  bool transposed = mf_attr_int(a, MF_MATMUL_TRANSPOSED) != 0;
  const float *in = x->data, *w = call->inputs[1]->data, *bias = optional(call, 2),
              *residual = optional(call, 3);
  mf_activation act = mf_matmul_activation(a);
  float *out = call->outputs[0]->data;
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double sum = bias ? (double)bias[j] : 0;
      for (int64_t p = 0; p < k; p++)
        sum += (double)in[i * k + p] * (double)(transposed ? w[j * k + p] : w[p * n + j]);
      if (residual) sum += (double)residual[i * n + j];
      out[i * n + j] = mf_activate(&act, (float)sum);
    }
  return true;
}

MF_REFERENCE(mayfly_MatMul, run_matmul_reference);
const mf_operator mf_op_mayfly_MatMul = {
    "mayfly",
    "MatMul",
    1,
    MF_OP_ANY,
    2,
    4,
    1,
    1,
    .shape = shape_matmul,
    MF_ATTRIBUTES(MF_REQUIRED("rows", MF_ATTR_INT), MF_REQUIRED("columns", MF_ATTR_INT),
                  MF_INT("transposed", 0), MF_INT("activation", MF_ACT_NONE),
                  MF_REAL("alpha", 0.0f), MF_REAL("beta", 0.0f), MF_REAL("scale", 1.0f),
                  MF_REAL("shift", 0.0f)),
    MF_KERNELS(MF_FAST(matmul_f32) & mayfly_MatMul_reference)};
