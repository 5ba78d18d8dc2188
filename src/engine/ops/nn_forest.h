// Forests: what TreeEnsembleClassifier and TreeEnsembleRegressor have in common. Their rows begin with the same attributes; from
// these a compact forest is built in the arena on each run, checked as it is built: a damaged or hostile model cannot make the walk
// leave the arrays or go on for ever.
#ifndef MF_ENGINE_OPS_NN_FOREST_H
#define MF_ENGINE_OPS_NN_FOREST_H

#include "nn.h"

enum {
  NF_FALSE, NF_FEATURES, NF_HITRATES, NF_MISSING, NF_MODES, NF_IDS, NF_TREES, NF_TRUE, NF_VALUES, NF_HITRATES_TENSOR, NF_VALUES_TENSOR,
  NF_BASE, NF_BASE_TENSOR, NF_POST,
  NF_LEAF_TARGETS, NF_LEAF_IDS, NF_LEAF_TREES, NF_LEAF_WEIGHTS, NF_LEAF_WEIGHTS_TENSOR, NF_COUNT
};
// prefix: "class" or "target". Hit rates are statistics for people.
#define NF_ATTRIBUTES(prefix)                                                                                           \
  MF_OPTIONAL("nodes_falsenodeids", MF_ATTR_INTS), MF_OPTIONAL("nodes_featureids", MF_ATTR_INTS),                       \
      MF_OPTIONAL("nodes_hitrates", MF_ATTR_FLOATS), MF_OPTIONAL("nodes_missing_value_tracks_true", MF_ATTR_INTS),      \
      MF_OPTIONAL("nodes_modes", MF_ATTR_STRINGS), MF_OPTIONAL("nodes_nodeids", MF_ATTR_INTS),                          \
      MF_OPTIONAL("nodes_treeids", MF_ATTR_INTS), MF_OPTIONAL("nodes_truenodeids", MF_ATTR_INTS),                       \
      MF_OPTIONAL("nodes_values", MF_ATTR_FLOATS), MF_OPTIONAL("nodes_hitrates_as_tensor", MF_ATTR_TENSOR),             \
      MF_OPTIONAL("nodes_values_as_tensor", MF_ATTR_TENSOR), MF_OPTIONAL("base_values", MF_ATTR_FLOATS),                \
      MF_OPTIONAL("base_values_as_tensor", MF_ATTR_TENSOR), MF_TEXT("post_transform", "NONE"),                          \
      MF_OPTIONAL(prefix "_ids", MF_ATTR_INTS), MF_OPTIONAL(prefix "_nodeids", MF_ATTR_INTS),                           \
      MF_OPTIONAL(prefix "_treeids", MF_ATTR_INTS), MF_OPTIONAL(prefix "_weights", MF_ATTR_FLOATS),                     \
      MF_OPTIONAL(prefix "_weights_as_tensor", MF_ATTR_TENSOR)

typedef enum nf_post { NF_NONE, NF_SOFTMAX, NF_LOGISTIC, NF_SOFTMAX_ZERO, NF_PROBIT } nf_post;

typedef struct nf_numbers {  // an attribute that is a list of floats or a tensor of floats or doubles
  uint32_t count;
  const float *floats;
  const double *doubles;
} nf_numbers;
static inline double nf_number(const nf_numbers *n, uint32_t at) { return n->doubles ? n->doubles[at] : (double)n->floats[at]; }
bool mf_nn_forest_numbers(const mf_attributes *a, uint32_t list, uint32_t tensor, nf_numbers *out, mf_error *err) MF_MUST_CHECK;

typedef struct nf_node {
  double value;
  uint32_t feature;
  uint32_t yes, no;     // numbers of nodes
  uint32_t weight;      // first weight of a leaf + 1, 0: none
  uint8_t mode;
  bool missing_is_true;
} nf_node;

typedef struct nf_forest {
  nf_node *nodes;
  uint32_t n_nodes, n_trees, n_weights;
  uint32_t *roots;        // [n_trees]
  uint32_t *next_weight;  // [n_weights] of the same leaf + 1, 0: last
  const int64_t *targets; // [n_weights]
  nf_numbers weights, base;
  nf_post post;
} nf_forest;

// For shape functions: all that can be seen without memory. `targets`: how many classes or targets there are.
bool mf_nn_forest_check(const mf_attributes *a, int64_t features, int64_t targets, mf_error *err) MF_MUST_CHECK;
// For kernels; implies the check.
bool mf_nn_forest_build(mf_kernel_call *call, int64_t features, int64_t targets, nf_forest *forest, mf_error *err) MF_MUST_CHECK;
// The leaf that row `row` of x (rows of `features` elements) falls into; false: the tree has a cycle.
bool mf_nn_forest_walk(const nf_forest *forest, uint32_t root, const mf_tensor *x, int64_t row, int64_t features, const nf_node **leaf,
                       mf_error *err) MF_MUST_CHECK;
// Two classes, and the weights of only one of them: its score stands for both.
bool mf_nn_forest_is_one_score(const nf_forest *forest, int64_t classes);
bool mf_nn_forest_all_positive(const nf_forest *forest);
// In place, over the scores of one row.
void mf_nn_forest_post(nf_post post, double *scores, int64_t n);
double mf_nn_logistic(double x);
double mf_nn_probit(double x);
bool mf_nn_post_transform(const mf_attributes *a, uint32_t at, nf_post *post, mf_error *err) MF_MUST_CHECK;
#endif
