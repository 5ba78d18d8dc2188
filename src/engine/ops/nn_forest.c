// Forests in memory: see nn_forest.h.
#include "nn_forest.h"

#include <math.h>

typedef enum mode { LEAF, BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, BRANCH_NEQ } mode;
static const char *const mode_names[] = {"LEAF", "BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};

// ---- reading attributes ----

bool mf_nn_forest_numbers(const mf_attributes *a, uint32_t list, uint32_t tensor, nf_numbers *out, mf_error *err) {
  *out = (nf_numbers){.count = mf_attr_count(a, list), .floats = mf_attr_floats(a, list)};
  const mf_attribute_tensor *t = mf_attr_data(a, tensor);
  if (!t) return true;
  if (out->floats) return mf_fail(err, MF_InvalidModel, "values are given both as a list and as a tensor");
  const mf_type type = (mf_type)t->type;
  if (t->rank != 1 || t->dims[0] < 0 || t->dims[0] > UINT32_MAX || (type != MF_FLOAT && type != MF_DOUBLE))
    return mf_fail(err, MF_InvalidModel, "a tensor attribute of the trees is %s with %u dimensions, expected a vector of floats",
                   mf_type_name(type), t->rank);
  out->count = (uint32_t)t->dims[0];
  if (type == MF_FLOAT) out->floats = (const float *)(a->base + (uintptr_t)t->data_offset);
  else out->doubles = (const double *)(a->base + (uintptr_t)t->data_offset);
  return true;
}

bool mf_nn_post_transform(const mf_attributes *a, uint32_t at, nf_post *post, mf_error *err) {
  static const char *const words[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  uint32_t which;
  if (!mf_nn_choice(a, at, "post_transform", words, MF_COUNT(words), &which, err)) return false;
  *post = (nf_post)which;
  return true;
}

static bool find_mode(mf_str name, uint8_t *found) {
  for (uint32_t i = 0; i < MF_COUNT(mode_names); ++i)
    if (mf_str_is(name, mode_names[i])) {
      *found = (uint8_t)i;
      return true;
    }
  return false;
}

// ---- checks without memory ----

static bool check_count(const mf_attributes *a, uint32_t at, const char *name, uint32_t expected, bool optional, mf_error *err) {
  const uint32_t count = mf_attr_count(a, at);
  if (count == expected || (optional && count == 0)) return true;
  return mf_fail(err, MF_InvalidModel, "attribute '%s' has %u elements, expected %u", name, count, expected);
}

static bool check_nodes(const mf_attributes *a, uint32_t n, int64_t features, mf_error *err) {
  const int64_t *feature = mf_attr_ints(a, NF_FEATURES);
  for (uint32_t i = 0; i < n; ++i) {
    const mf_str name = mf_attr_str_at(a, NF_MODES, i);
    uint8_t which;
    if (!find_mode(name, &which))
      return mf_fail(err, MF_InvalidModel, "mode '%.*s' of tree node %u is not one that the standard has", (int)MF_MIN(name.len, 64),
                     name.data, i);
    if (which != LEAF && (feature[i] < 0 || feature[i] > UINT32_MAX || (features >= 0 && feature[i] >= features)))
      return mf_fail(err, MF_InvalidModel, "tree node %u looks at feature %lld, the input has %lld", i, (long long)feature[i],
                     (long long)features);
  }
  return true;
}

bool mf_nn_forest_check(const mf_attributes *a, int64_t features, int64_t targets, mf_error *err) {
  const uint32_t n = mf_attr_count(a, NF_IDS), n_weights = mf_attr_count(a, NF_LEAF_TARGETS);
  const int64_t *target = mf_attr_ints(a, NF_LEAF_TARGETS);
  nf_numbers values, weights, base;
  nf_post post;
  if (!check_count(a, NF_FALSE, "nodes_falsenodeids", n, false, err) || !check_count(a, NF_TRUE, "nodes_truenodeids", n, false, err) ||
      !check_count(a, NF_FEATURES, "nodes_featureids", n, false, err) || !check_count(a, NF_MODES, "nodes_modes", n, false, err) ||
      !check_count(a, NF_TREES, "nodes_treeids", n, false, err) ||
      !check_count(a, NF_MISSING, "nodes_missing_value_tracks_true", n, true, err) ||
      !check_count(a, NF_LEAF_IDS, "..._nodeids of the leaves", n_weights, false, err) ||
      !check_count(a, NF_LEAF_TREES, "..._treeids of the leaves", n_weights, false, err) ||
      !mf_nn_forest_numbers(a, NF_VALUES, NF_VALUES_TENSOR, &values, err) ||
      !mf_nn_forest_numbers(a, NF_LEAF_WEIGHTS, NF_LEAF_WEIGHTS_TENSOR, &weights, err) ||
      !mf_nn_forest_numbers(a, NF_BASE, NF_BASE_TENSOR, &base, err) || !mf_nn_post_transform(a, NF_POST, &post, err))
    return false;
  if (values.count != n) return mf_fail(err, MF_InvalidModel, "%u node values for %u nodes", values.count, n);
  if (weights.count != n_weights) return mf_fail(err, MF_InvalidModel, "%u leaf weights for %u leaves", weights.count, n_weights);
  if (base.count > 1 && base.count != targets)
    return mf_fail(err, MF_InvalidModel, "%u base values, expected none, 1 or %lld", base.count, (long long)targets);
  for (uint32_t i = 0; i < n_weights; ++i)
    if (target[i] < 0 || target[i] >= targets)
      return mf_fail(err, MF_InvalidModel, "leaf weight %u is for class or target %lld of %lld", i, (long long)target[i],
                     (long long)targets);
  return check_nodes(a, n, features, err);
}

// ---- building ----

// Open addressing from (tree, id) to a node's number + 1. TREE_ITSELF as id: the first node of a tree.
#define TREE_ITSELF INT64_MIN
typedef struct slot {
  int64_t tree, id;
  uint32_t node;
} slot;
typedef struct index {
  slot *slots;
  uint32_t mask;
} index_table;

static slot *find_slot(const index_table *index, int64_t tree, int64_t id) {
  uint64_t hash = ((uint64_t)tree * UINT64_C(0x9e3779b97f4a7c15)) ^ ((uint64_t)id + UINT64_C(0x7f4a7c15f39cc060));
  hash *= UINT64_C(0xff51afd7ed558ccd);
  hash ^= hash >> 32;
  for (uint32_t at = (uint32_t)hash & index->mask;; at = (at + 1) & index->mask) {
    slot *s = &index->slots[at];
    if (s->node == 0 || (s->tree == tree && s->id == id)) return s;
  }
}

static bool fill_index(mf_kernel_call *call, const mf_attributes *a, uint32_t n, index_table *index, nf_forest *forest, mf_error *err) {
  uint64_t size = 16;
  while (size < (uint64_t)n * 4) size *= 2;
  if (size > UINT32_MAX) return mf_fail(err, MF_TooLarge, "%u tree nodes are too many", n);
  index->slots = mf_nn_temporary(call, (int64_t)size, sizeof *index->slots, err);
  if (!index->slots) return false;
  memset(index->slots, 0, size * sizeof *index->slots);
  index->mask = (uint32_t)size - 1;
  const int64_t *trees = mf_attr_ints(a, NF_TREES), *ids = mf_attr_ints(a, NF_IDS);
  for (uint32_t i = 0; i < n; ++i) {
    slot *s = find_slot(index, trees[i], ids[i]);
    if (s->node != 0) return mf_fail(err, MF_InvalidModel, "tree %lld has two nodes %lld", (long long)trees[i], (long long)ids[i]);
    *s = (slot){trees[i], ids[i], i + 1};
    s = find_slot(index, trees[i], TREE_ITSELF);
    if (s->node != 0) continue;
    *s = (slot){trees[i], TREE_ITSELF, i + 1};
    forest->roots[forest->n_trees++] = i;
  }
  return true;
}

static bool child_of(const index_table *index, int64_t tree, int64_t id, uint32_t *number, mf_error *err) {
  const slot *s = find_slot(index, tree, id);
  if (s->node == 0) return mf_fail(err, MF_InvalidModel, "tree %lld has no node %lld", (long long)tree, (long long)id);
  *number = s->node - 1;
  return true;
}

static bool fill_nodes(const mf_attributes *a, const index_table *index, nf_forest *forest, mf_error *err) {
  const int64_t *trees = mf_attr_ints(a, NF_TREES), *features = mf_attr_ints(a, NF_FEATURES), *missing = mf_attr_ints(a, NF_MISSING);
  const int64_t *yes = mf_attr_ints(a, NF_TRUE), *no = mf_attr_ints(a, NF_FALSE);
  nf_numbers values;
  if (!mf_nn_forest_numbers(a, NF_VALUES, NF_VALUES_TENSOR, &values, err)) return false;
  for (uint32_t i = 0; i < forest->n_nodes; ++i) {
    nf_node *node = &forest->nodes[i];
    *node = (nf_node){.value = nf_number(&values, i), .missing_is_true = missing && missing[i] != 0};
    (void)find_mode(mf_attr_str_at(a, NF_MODES, i), &node->mode);  // checked before
    if (node->mode == LEAF) continue;
    node->feature = (uint32_t)features[i];
    if (!child_of(index, trees[i], yes[i], &node->yes, err) || !child_of(index, trees[i], no[i], &node->no, err)) return false;
  }
  return true;
}

static bool fill_weights(const mf_attributes *a, const index_table *index, nf_forest *forest, mf_error *err) {
  const int64_t *ids = mf_attr_ints(a, NF_LEAF_IDS), *trees = mf_attr_ints(a, NF_LEAF_TREES);
  for (uint32_t i = forest->n_weights; i-- > 0;) {  // backwards, so that each leaf's list is in order
    uint32_t number = 0;
    if (!child_of(index, trees[i], ids[i], &number, err)) return false;
    forest->next_weight[i] = forest->nodes[number].weight;
    forest->nodes[number].weight = i + 1;
  }
  return true;
}

bool mf_nn_forest_build(mf_kernel_call *call, int64_t features, int64_t targets, nf_forest *forest, mf_error *err) {
  const mf_attributes *a = &call->attributes;
  if (!mf_nn_forest_check(a, features, targets, err)) return false;
  *forest = (nf_forest){.n_nodes = mf_attr_count(a, NF_IDS), .n_weights = mf_attr_count(a, NF_LEAF_TARGETS),
                        .targets = mf_attr_ints(a, NF_LEAF_TARGETS)};
  if (!mf_nn_forest_numbers(a, NF_LEAF_WEIGHTS, NF_LEAF_WEIGHTS_TENSOR, &forest->weights, err) ||
      !mf_nn_forest_numbers(a, NF_BASE, NF_BASE_TENSOR, &forest->base, err) || !mf_nn_post_transform(a, NF_POST, &forest->post, err))
    return false;
  index_table index = {NULL, 0};
  forest->nodes = mf_nn_temporary(call, forest->n_nodes, sizeof *forest->nodes, err);
  if (!forest->nodes || !(forest->roots = mf_nn_temporary(call, forest->n_nodes, sizeof *forest->roots, err)) ||
      !(forest->next_weight = mf_nn_temporary(call, forest->n_weights, sizeof *forest->next_weight, err)))
    return false;
  return fill_index(call, a, forest->n_nodes, &index, forest, err) && fill_nodes(a, &index, forest, err) &&
         fill_weights(a, &index, forest, err);
}

// ---- walking ----

// Integers are compared as float32, floats as they are.
static double feature_of(const mf_tensor *x, int64_t at) {
  const double value = mf_ops_get_double(x, at);
  return x->type == MF_INT32 || x->type == MF_INT64 ? (double)(float)value : value;
}

static bool takes_yes(const nf_node *node, double x) {
  if (node->missing_is_true && isnan(x)) return true;
  switch ((mode)node->mode) {
    case BRANCH_LEQ: return x <= node->value;
    case BRANCH_LT: return x < node->value;
    case BRANCH_GTE: return x >= node->value;
    case BRANCH_GT: return x > node->value;
    case BRANCH_EQ: return x == node->value;
    case BRANCH_NEQ: return x != node->value;
    case LEAF: break;
  }
  return false;
}

bool mf_nn_forest_walk(const nf_forest *forest, uint32_t root, const mf_tensor *x, int64_t row, int64_t features, const nf_node **leaf,
                       mf_error *err) {
  const nf_node *node = &forest->nodes[root];
  for (uint32_t steps = 0; node->mode != LEAF; ++steps) {
    if (steps > forest->n_nodes) return mf_fail(err, MF_InvalidModel, "the tree with root node %u has a cycle", root);
    node = &forest->nodes[takes_yes(node, feature_of(x, row * features + node->feature)) ? node->yes : node->no];
  }
  *leaf = node;
  return true;
}

bool mf_nn_forest_is_one_score(const nf_forest *forest, int64_t classes) {
  for (uint32_t i = 1; classes == 2 && i < forest->n_weights; ++i)
    if (forest->targets[i] != forest->targets[0]) return false;
  return classes == 2 && forest->n_weights > 0;
}

bool mf_nn_forest_all_positive(const nf_forest *forest) {
  for (uint32_t i = 0; i < forest->n_weights; ++i)
    if (nf_number(&forest->weights, i) < 0) return false;
  return true;
}

// ---- post transforms ----

double mf_nn_logistic(double x) { return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x)); }

// The inverse of the normal distribution: sqrt(2) * erfinv(2 x - 1), by Winitzki's approximation and two steps of Newton.
double mf_nn_probit(double x) {
  const double y = 2 * x - 1, a = 0.147;
  if (!(y > -1 && y < 1)) return y >= 1 ? INFINITY : y <= -1 ? -INFINITY : NAN;
  const double log_y = log((1 - y) * (1 + y)), b = 2 / (M_PI * a) + log_y / 2;
  double z = copysign(sqrt(sqrt(b * b - log_y / a) - b), y);
  for (int i = 0; i < 2; ++i) z -= (erf(z) - y) / (2 / sqrt(M_PI) * exp(-z * z));
  return sqrt(2) * z;
}

// SOFTMAX_ZERO: scores of zero do not take part and stay (nearly) zero.
static void softmax(double *scores, int64_t n, bool zero) {
  double most = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; ++i) most = fmax(most, scores[i]);
  for (int64_t i = 0; i < n; ++i) {
    const bool out = zero && fabs(scores[i]) <= 1e-7;
    scores[i] = out ? scores[i] * exp(-most) : exp(scores[i] - most);
    sum += out ? 0 : scores[i];
  }
  for (int64_t i = 0; i < n; ++i) scores[i] = sum == 0 ? scores[i] : scores[i] / sum;
}

void mf_nn_forest_post(nf_post post, double *scores, int64_t n) {
  switch (post) {
    case NF_NONE: break;
    case NF_SOFTMAX: softmax(scores, n, false); break;
    case NF_SOFTMAX_ZERO: softmax(scores, n, true); break;
    case NF_LOGISTIC:
      for (int64_t i = 0; i < n; ++i) scores[i] = mf_nn_logistic(scores[i]);
      break;
    case NF_PROBIT:
      for (int64_t i = 0; i < n; ++i) scores[i] = mf_nn_probit(scores[i]);
      break;
  }
}
