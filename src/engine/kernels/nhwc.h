// Channels-last images: what the "mayfly" operators that the layout pass makes (Conv,
// ConvTranspose, pools) have in common. Inputs and outputs are ordinary tensors [N, spatial..., C]
// with one or two spatial dimensions; one is treated as a picture of height 1.
//
// Everything that the shape depends on is in the attributes, never in the weights: those may be
// packed for a kernel, and then keep neither their rank nor their dimensions.
#ifndef MF_ENGINE_KERNELS_NHWC_H
#define MF_ENGINE_KERNELS_NHWC_H

#include "../ops/ops.h"
#include "activation.h"

// Attributes of mayfly.Conv and mayfly.ConvTranspose, in this order; pools have the first five and
// their own.
enum {
  MF_NHWC_KERNEL_SHAPE,
  MF_NHWC_STRIDES,
  MF_NHWC_PADS,
  MF_NHWC_DILATIONS,
  MF_NHWC_GROUP,
  MF_NHWC_CHANNELS,  // of the output
  MF_NHWC_INPUT_CHANNELS,
  MF_NHWC_ACTIVATION,  // mf_activation_kind
  MF_NHWC_ALPHA,
  MF_NHWC_BETA,
  MF_NHWC_SCALE,
  MF_NHWC_SHIFT,
  MF_NHWC_OUTPUT_PADDING,           // ConvTranspose
  MF_NHWC_CEIL = MF_NHWC_CHANNELS,  // pools: ceil_mode
  MF_NHWC_COUNT_PADDING,            // AveragePool: count_include_pad
};

// Geometry of a call, sizes as size_t because kernels index with them; ph, pw may not be negative.
typedef struct mf_nhwc {
  size_t n, h, w, c;  // input
  size_t oh, ow, oc;  // output
  size_t kh, kw, sy, sx, dy, dx;
  size_t pt, pl, pb, pr;
  size_t group, icg, ocg;  // channels of a group
} mf_nhwc;

typedef enum mf_nhwc_kind { MF_NHWC_CONV, MF_NHWC_CONV_TRANSPOSE, MF_NHWC_POOL } mf_nhwc_kind;
// Reads attributes and input dimensions, which must be known; the output's follow.
// Shape functions: inputs 2 (bias) and 3 (what is added, if any) against output 0.
bool mf_shape_addends(const mf_shape_call *call, mf_error *err) MF_MUST_CHECK;
void mf_nhwc_read(const mf_attributes *a, const mf_tensor *x, mf_nhwc_kind kind, mf_nhwc *g);
mf_activation mf_nhwc_activation(const mf_attributes *a);
mf_activation mf_activation_read(
    const mf_attributes *a);  // of mayfly.Activation: kind, alpha, beta
float mf_activate(const mf_activation *activation, float x);  // one value, by libm

// Reference kernels (nhwc_reference.c).
mf_kernel_fn mf_nhwc_conv_reference, mf_nhwc_conv_transpose_reference, mf_nhwc_max_pool_reference,
    mf_nhwc_average_pool_reference, mf_nhwc_global_average_pool_reference;
#endif
