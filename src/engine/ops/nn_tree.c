// TreeEnsembleRegressor and TreeEnsembleClassifier (ai.onnx.ml 1 to 3). Where the standard is vague (two classes with the weights of
// one, base values for them) they answer as ONNX Runtime does, since that is what models were tested with.
#include "nn_forest.h"

#include <math.h>

enum { AGGREGATE = NF_COUNT, N_TARGETS };
enum { LABEL_INTS = NF_COUNT, LABEL_STRINGS };
enum { SET_FEATURES = 1 << MF_FLOAT | 1 << MF_DOUBLE | 1 << MF_INT32 | 1 << MF_INT64 };

static int64_t features_of(const mf_tensor *x) { return mf_ops_rank_known(x) ? mf_nn_dim_of(x, x->rank - 1) : MF_DIM_UNKNOWN; }
static int64_t rows_of(const mf_tensor *x) { return !mf_ops_rank_known(x) ? MF_DIM_UNKNOWN : x->rank == 1 ? 1 : mf_nn_dim_of(x, 0); }

static bool check_features(const mf_shape_call *call, mf_error *err) {
  return mf_ops_expect(call, 0, SET_FEATURES, err) && nn_expect_rank(call, 0, 1, 2, err);
}

typedef enum aggregate { SUM, AVERAGE, MIN, MAX } aggregate;

// The scores of one row: what its leaf in each tree says, put together.
static bool score_row(const nf_forest *forest, const mf_tensor *x, int64_t row, aggregate how, double *scores, bool *has, int64_t n,
                      mf_error *err) {
  for (int64_t i = 0; i < n; ++i) scores[i] = 0, has[i] = false;
  for (uint32_t t = 0; t < forest->n_trees; ++t) {
    const nf_node *leaf;
    if (!mf_nn_forest_walk(forest, forest->roots[t], x, row, features_of(x), &leaf, err)) return false;
    for (uint32_t w = leaf->weight; w != 0; w = forest->next_weight[w - 1]) {
      const int64_t target = n == 1 ? 0 : forest->targets[w - 1];
      const double weight = nf_number(&forest->weights, w - 1), so_far = scores[target];
      scores[target] = how <= AVERAGE ? so_far + weight : !has[target] ? weight : how == MIN ? fmin(so_far, weight) : fmax(so_far, weight);
      has[target] = true;
    }
  }
  for (int64_t i = 0; how == AVERAGE && i < n && forest->n_trees > 0; ++i) scores[i] /= forest->n_trees;
  return true;
}

// ---- TreeEnsembleRegressor ----

static bool read_regressor(const mf_attributes *a, uint32_t *how, int64_t *targets, mf_error *err) {
  static const char *const words[] = {"SUM", "AVERAGE", "MIN", "MAX"};
  *targets = mf_attr_has(a, N_TARGETS) ? mf_attr_int(a, N_TARGETS) : 1;
  if (*targets < 1 || *targets > INT32_MAX)
    return mf_fail(err, MF_InvalidModel, "attribute 'n_targets' is %lld, expected at least 1", (long long)*targets);
  return mf_nn_choice(a, AGGREGATE, "aggregate_function", words, MF_COUNT(words), how, err);
}

static bool shape_regressor(mf_shape_call *call, mf_error *err) {
  uint32_t how;
  int64_t targets;
  if (!check_features(call, err) || !read_regressor(&call->attributes, &how, &targets, err) ||
      !mf_nn_forest_check(&call->attributes, features_of(call->inputs[0]), targets, err))
    return false;
  mf_nn_set(call, 0, MF_FLOAT, 2, (int64_t[]){rows_of(call->inputs[0]), targets});
  return true;
}

static bool regressor(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  uint32_t how;
  int64_t targets;
  nf_forest forest;
  if (!read_regressor(&call->attributes, &how, &targets, err) || !mf_nn_forest_build(call, features_of(x), targets, &forest, err))
    return false;
  double *scores = mf_nn_temporary(call, targets, sizeof *scores, err);
  bool *has = scores ? mf_nn_temporary(call, targets, sizeof *has, err) : NULL;
  if (!has) return false;
  float *y = call->outputs[0]->data;
  for (int64_t row = 0; row < rows_of(x); ++row) {
    if (!score_row(&forest, x, row, (aggregate)how, scores, has, targets, err)) return false;
    for (uint32_t i = 0; i < forest.base.count && forest.base.count == targets; ++i) scores[i] += nf_number(&forest.base, i);
    mf_nn_forest_post(forest.post, scores, targets);
    for (int64_t i = 0; i < targets; ++i) *y++ = (float)scores[i];
  }
  return true;
}
MF_REFERENCE(tree_ensemble_regressor, regressor);

const mf_operator mf_op_TreeEnsembleRegressor = {
    "ai.onnx.ml", "TreeEnsembleRegressor", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_regressor,
    MF_ATTRIBUTES(NF_ATTRIBUTES("target"), MF_TEXT("aggregate_function", "SUM"), MF_OPTIONAL("n_targets", MF_ATTR_INT)),
    MF_KERNELS(&tree_ensemble_regressor_reference)};

// ---- TreeEnsembleClassifier ----

static bool read_labels(const mf_attributes *a, int64_t *classes, bool *strings, mf_error *err) {
  const uint32_t n_ints = mf_attr_count(a, LABEL_INTS), n_strings = mf_attr_count(a, LABEL_STRINGS);
  *strings = n_strings > 0;
  *classes = n_strings > 0 ? n_strings : n_ints;
  if ((n_ints > 0) != (n_strings > 0)) return true;
  return mf_fail(err, MF_InvalidModel, "%u integer and %u string class labels, expected one kind", n_ints, n_strings);
}

static bool shape_classifier(mf_shape_call *call, mf_error *err) {
  int64_t classes;
  bool strings;
  if (!check_features(call, err) || !read_labels(&call->attributes, &classes, &strings, err) ||
      !mf_nn_forest_check(&call->attributes, features_of(call->inputs[0]), classes, err))
    return false;
  const int64_t dims[] = {rows_of(call->inputs[0]), classes};
  mf_nn_set(call, 0, strings ? MF_STRING : MF_INT64, 1, dims);
  mf_nn_set(call, 1, MF_FLOAT, 2, dims);
  return true;
}

// One score, which all trees give to class `of`, in scores[0]; fills both and returns the winner. Weights that are all positive are a
// probability, others a margin. With a base value for each class, or for weights of class 1, the other class has score zero; else
// the score is class 1's, and class 0 gets what is complementary.
static int64_t finish_one_score(const nf_forest *forest, int64_t of, bool positive, double *scores) {
  const uint32_t n_base = forest->base.count;
  const bool apart = n_base == 2 || of == 1;
  const double base = n_base == 2 ? nf_number(&forest->base, (uint32_t)of) : n_base == 1 && !apart ? nf_number(&forest->base, 0) : 0;
  const double score = scores[0] + base;
  scores[0] = apart ? 0 : positive && forest->post != NF_LOGISTIC ? 1 - score : -score;
  scores[1] = apart ? 0 : score;
  if (apart) scores[of] = score;
  if (apart || forest->post == NF_LOGISTIC || forest->post == NF_PROBIT) mf_nn_forest_post(forest->post, scores, 2);
  return score > (positive ? 0.5 : 0);
}

static int64_t finish_scores(const nf_forest *forest, int64_t classes, double *scores, bool *has) {
  for (uint32_t i = 0; i < forest->base.count; ++i) scores[i] += nf_number(&forest->base, i), has[i] = true;
  int64_t winner = -1;
  for (int64_t i = 0; i < classes; ++i)
    if (has[i] && (winner < 0 || scores[i] > scores[winner])) winner = i;
  mf_nn_forest_post(forest->post, scores, classes);
  return MF_MAX(winner, 0);
}

static void store_label(const mf_kernel_call *call, bool strings, int64_t row, int64_t winner) {
  if (!mf_ops_wanted(call, 0)) return;
  if (strings) ((mf_str *)call->outputs[0]->data)[row] = mf_attr_str_at(&call->attributes, LABEL_STRINGS, (uint32_t)winner);
  else ((int64_t *)call->outputs[0]->data)[row] = mf_attr_ints(&call->attributes, LABEL_INTS)[winner];
}

static bool classifier(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  int64_t classes;
  bool strings;
  nf_forest forest;
  if (!read_labels(&call->attributes, &classes, &strings, err) || !mf_nn_forest_build(call, features_of(x), classes, &forest, err))
    return false;
  double *scores = mf_nn_temporary(call, MF_MAX(classes, 2), sizeof *scores, err);
  bool *has = scores ? mf_nn_temporary(call, MF_MAX(classes, 2), sizeof *has, err) : NULL;
  if (!has) return false;
  const bool one = mf_nn_forest_is_one_score(&forest, classes), positive = mf_nn_forest_all_positive(&forest);
  for (int64_t row = 0; row < rows_of(x); ++row) {
    if (!score_row(&forest, x, row, SUM, scores, has, one ? 1 : classes, err)) return false;
    const int64_t winner = one ? finish_one_score(&forest, forest.targets[0], positive, scores)
                               : finish_scores(&forest, classes, scores, has);
    store_label(call, strings, row, winner);
    for (int64_t i = 0; mf_ops_wanted(call, 1) && i < classes; ++i)
      ((float *)call->outputs[1]->data)[row * classes + i] = (float)scores[i];
  }
  return true;
}
MF_REFERENCE(tree_ensemble_classifier, classifier);

const mf_operator mf_op_TreeEnsembleClassifier = {
    "ai.onnx.ml", "TreeEnsembleClassifier", 1, MF_OP_ANY, 1, 1, 2, 2, .shape = shape_classifier,
    MF_ATTRIBUTES(NF_ATTRIBUTES("class"), MF_OPTIONAL("classlabels_int64s", MF_ATTR_INTS),
                  MF_OPTIONAL("classlabels_strings", MF_ATTR_STRINGS)),
    MF_KERNELS(&tree_ensemble_classifier_reference)};
