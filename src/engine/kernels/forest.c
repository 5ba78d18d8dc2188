// The row of mayfly.Forest, its shape function and reference kernel; see forest.h. Numbers of nodes
// and leaves come from a model image: they are bounded when they are used, so that a damaged one
// gives a wrong answer at worst.
#include "forest.h"

#include <math.h>

#include "kernels.h"

static bool shape_forest(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  if (!mf_ops_expect(call, 0, 1 << MF_FLOAT, err) || !mf_ops_expect_rank(call, 0, 1, 2, err) ||
      !mf_ops_expect_rank(call, 1, 2, 2, err) || !mf_ops_expect_rank(call, 2, 2, 2, err) ||
      !mf_ops_expect_rank(call, 3, 2, 2, err))
    return false;
  int64_t rows = !mf_ops_rank_known(x) ? MF_DIM_UNKNOWN : x->rank == 1 ? 1 : x->dims[0];
  int64_t targets = mf_attr_int(&call->attributes, MF_FOREST_TARGETS), merged;
  if (!mf_ops_merge_dim(call->inputs[3]->dims[1], targets, "the leaves' columns and the targets",
                        &merged, err))
    return false;
  call->outputs[0] = (mf_tensor){.type = MF_FLOAT, .rank = 2, .dims = {rows, targets}};
  if (call->n_outputs > 1)
    call->outputs[1] = (mf_tensor){.type = MF_INT64, .rank = 1, .dims = {rows}};
  return true;
}

bool mf_forest_read(const mf_kernel_call *call, mf_forest *f, mf_error *err) {
  const mf_attributes *a = &call->attributes;
  const mf_tensor *x = call->inputs[0];
  *f = (mf_forest){.x = x->data,
                   .rows = x->rank == 1 ? 1 : (size_t)x->dims[0],
                   .features = (size_t)x->dims[x->rank - 1],
                   .targets = (size_t)mf_attr_int(a, MF_FOREST_TARGETS),
                   .n_nodes = (size_t)call->inputs[1]->dims[0],
                   .n_trees = (size_t)call->inputs[2]->dims[0],
                   .n_leaves = (size_t)call->inputs[3]->dims[0],
                   .nodes = call->inputs[1]->data,
                   .trees = call->inputs[2]->data,
                   .leaves = call->inputs[3]->data,
                   .average = mf_attr_int(a, MF_FOREST_AVERAGE) != 0};
  if (call->n_inputs > 4 && call->inputs[4]) f->base = call->inputs[4]->data;
  if ((int64_t)f->features >= mf_attr_int(a, MF_FOREST_FEATURES) && f->features && f->n_nodes &&
      f->n_leaves)
    return true;
  return mf_fail(err, MF_InvalidInput, "the trees look at %lld features, the input has %zu",
                 (long long)mf_attr_int(a, MF_FOREST_FEATURES), f->features);
}

void mf_forest_finish(const mf_forest *f, const mf_kernel_call *call, size_t row,
                      const double *sums) {
  float *scores =
      mf_ops_wanted(call, 0) ? (float *)call->outputs[0]->data + row * f->targets : NULL;
  size_t best = 0;
  double most = -INFINITY;
  for (size_t i = 0; i < f->targets; i++) {
    double score = f->average && f->n_trees ? sums[i] / (double)f->n_trees : sums[i];
    if (f->base) score += (double)f->base[i];
    if (scores) scores[i] = (float)score;
    if (score > most) most = score, best = i;
  }
  if (mf_ops_wanted(call, 1)) ((int64_t *)call->outputs[1]->data)[row] = (int64_t)best;
}

static bool run_forest_reference(mf_kernel_call *call, mf_error *err) {
  mf_forest f;
  if (!mf_forest_read(call, &f, err)) return false;
  double *sums = call->alloc_temporary(call, f.targets * sizeof *sums, err);
  if (!sums) return false;
  for (size_t row = 0; row < f.rows; row++) {
    memset(sums, 0, f.targets * sizeof *sums);
    for (size_t t = 0; t < f.n_trees; t++) {
      size_t at = MF_MIN(f.trees[t][0], f.n_nodes - 1);
      for (uint32_t d = 0; d < f.trees[t][1]; d++) {
        const mf_forest_node *node = &f.nodes[at];
        bool yes = mf_forest_yes(
            node,
            f.x[row * f.features + MF_MIN(node->feature & ~MF_FOREST_MISSING, f.features - 1)]);
        at = MF_MIN((uint32_t)(node->child + !yes), f.n_nodes - 1);
      }
      const float *leaf = f.leaves + MF_MIN(f.nodes[at].leaf, f.n_leaves - 1) * f.targets;
      for (size_t i = 0; i < f.targets; i++) sums[i] += (double)leaf[i];
    }
    mf_forest_finish(&f, call, row, sums);
  }
  return true;
}

MF_REFERENCE(mayfly_Forest, run_forest_reference);
const mf_operator mf_op_mayfly_Forest = {
    "mayfly",
    "Forest",
    1,
    MF_OP_ANY,
    4,
    5,
    1,
    2,
    .shape = shape_forest,
    MF_ATTRIBUTES(MF_REQUIRED("targets", MF_ATTR_INT), MF_REQUIRED("features", MF_ATTR_INT),
                  MF_INT("average", 0)),
    MF_KERNELS(MF_FAST(forest) & mayfly_Forest_reference)};
