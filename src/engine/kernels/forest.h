// mayfly.Forest: an ensemble of trees in the form that is walked fast; what the tree operators of
// ai.onnx.ml become where they are plain (passes/forest.c). Inputs:
//   0  X float32 [rows, features] (or [features])
//   1  nodes int32 [n][4]: the threshold's bits, feature, child, leaf. A row whose feature is <=
//   the threshold goes on to node `child`,
//      else to the one behind it; where MF_FOREST_MISSING is added to the feature, a NaN goes to
//      `child`, too. A leaf has threshold NaN and child its own number - 1, so it leads to itself;
//      `leaf` is its line in 3.
//   2  trees int32 [t][2]: root, depth
//   3  leaves float32 [l][targets]: what a leaf adds to each target
//   4  base float32 [targets], optional: added at the end
// Outputs: 0 scores float32 [rows, targets]; 1 (optional) the number of the highest score as int64
// [rows], the first of equals.
#ifndef MF_ENGINE_KERNELS_FOREST_H
#define MF_ENGINE_KERNELS_FOREST_H

#include "../ops/ops.h"

#define MF_FOREST_MISSING (UINT32_C(1) << 31)
enum {
  MF_FOREST_TARGETS,
  MF_FOREST_FEATURES,
  MF_FOREST_AVERAGE
};  // attributes; features: how many the trees look at

typedef struct mf_forest_node {
  float threshold;
  uint32_t feature, child, leaf;
} mf_forest_node;

static inline bool mf_forest_yes(const mf_forest_node *node, float x) {
  return (x <= node->threshold) | ((x != x) & (node->feature >> 31));
}

typedef struct mf_forest {
  const float *x;
  size_t rows, features, targets, n_nodes, n_trees, n_leaves;
  const mf_forest_node *nodes;
  const uint32_t (*trees)[2];
  const float *leaves, *base;
  bool average;
} mf_forest;
// Reads the call; fails when X has fewer features than the trees look at.
bool mf_forest_read(const mf_kernel_call *call, mf_forest *f, mf_error *err) MF_MUST_CHECK;
// From the sums of one row to its results.
void mf_forest_finish(const mf_forest *f, const mf_kernel_call *call, size_t row,
                      const double *sums);
#endif
