// Activations that fused operators apply to their result. The kinds are values of the attribute
// "activation" of the mayfly.* rows and thus part of model images: add at the end.
#ifndef MF_ENGINE_KERNELS_ACTIVATION_H
#define MF_ENGINE_KERNELS_ACTIVATION_H

typedef enum mf_activation_kind {
  MF_ACT_NONE,
  MF_ACT_CLAMP,         // min(max(x, alpha), beta): Relu, Clip
  MF_ACT_LEAKY_RELU,    // x < 0 ? alpha * x : x
  MF_ACT_HARD_SIGMOID,  // min(max(alpha * x + beta, 0), 1)
  MF_ACT_HARD_SWISH,    // x * HARD_SIGMOID(x)
  MF_ACT_SIGMOID,
  MF_ACT_SILU,  // x * sigmoid(x)
  MF_ACT_TANH,
  MF_ACT_GELU,       // x / 2 * (1 + erf(x / sqrt 2))
  MF_ACT_FAST_GELU,  // x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  MF_ACT_COUNT
} mf_activation_kind;

typedef struct mf_activation {
  mf_activation_kind kind;
  float alpha, beta;
  float scale, shift;  // kinds above CLAMP: the result times scale plus shift
} mf_activation;
#endif
