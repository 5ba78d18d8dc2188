// mayfly.MatMul: rows of X times a constant matrix, plus bias, plus residual, activation. What
// MatMul, Gemm and the Adds and activations behind them become when the right-hand side is
// constant. Its attributes, in order:
#ifndef MF_ENGINE_KERNELS_MATMUL_H
#define MF_ENGINE_KERNELS_MATMUL_H

#include "nhwc.h"

enum {
  MF_MATMUL_ROWS,        // k: length of X's last dimension
  MF_MATMUL_COLUMNS,     // n
  MF_MATMUL_TRANSPOSED,  // the matrix is [n][k] instead of [k][n]
  MF_MATMUL_ACTIVATION,
  MF_MATMUL_ALPHA,
  MF_MATMUL_BETA,
  MF_MATMUL_SCALE,
  MF_MATMUL_SHIFT,
};
mf_activation mf_matmul_activation(const mf_attributes *a);
#endif
