// Linear models and scalers of ai.onnx.ml: LinearRegressor, LinearClassifier, Scaler, Normalizer, Binarizer, Imputer. Features are
// float, double, int32 or int64; results are float32 where the standard says so.
#include "nn_forest.h"

#include <math.h>

enum { SET_FEATURES = 1 << MF_FLOAT | 1 << MF_DOUBLE | 1 << MF_INT32 | 1 << MF_INT64 };

static int64_t features_of(const mf_tensor *x) {
  return !mf_ops_rank_known(x) || x->rank == 0 ? MF_DIM_UNKNOWN : mf_nn_dim_of(x, x->rank - 1);
}
static int64_t rows_of(const mf_tensor *x) { return !mf_ops_rank_known(x) ? MF_DIM_UNKNOWN : x->rank == 1 ? 1 : mf_nn_dim_of(x, 0); }

// ---- LinearRegressor, LinearClassifier ----

enum { COEFFICIENTS, INTERCEPTS, POST, TARGETS, LABEL_INTS = TARGETS, LABEL_STRINGS, MULTI_CLASS };

// `outputs`: how many scores a row has.
static bool check_linear(const mf_shape_call *call, int64_t outputs, mf_error *err) {
  const mf_attributes *a = &call->attributes;
  const int64_t n = mf_attr_count(a, COEFFICIENTS), n_intercepts = mf_attr_count(a, INTERCEPTS), features = features_of(call->inputs[0]);
  nf_post post;
  if (!mf_ops_expect(call, 0, SET_FEATURES, err) || !nn_expect_rank(call, 0, 1, 2, err) || !mf_nn_post_transform(a, POST, &post, err))
    return false;
  if (outputs < 1 || n % outputs != 0)
    return mf_fail(err, MF_InvalidModel, "%lld coefficients for %lld scores", (long long)n, (long long)outputs);
  if (n_intercepts != 0 && n_intercepts != outputs)
    return mf_fail(err, MF_InvalidModel, "%lld intercepts for %lld scores", (long long)n_intercepts, (long long)outputs);
  if (features >= 0 && features != n / outputs)
    return mf_fail(err, MF_InvalidModel, "the input has %lld features, the model %lld", (long long)features, (long long)(n / outputs));
  return true;
}

static void linear_row(const mf_attributes *a, const mf_tensor *x, int64_t row, int64_t outputs, double *scores) {
  const int64_t features = features_of(x);
  const float *coefficients = mf_attr_floats(a, COEFFICIENTS), *intercepts = mf_attr_floats(a, INTERCEPTS);
  for (int64_t o = 0; o < outputs; ++o) {
    scores[o] = intercepts ? (double)intercepts[o] : 0;
    for (int64_t f = 0; f < features; ++f) scores[o] += mf_ops_get_double(x, row * features + f) * (double)coefficients[o * features + f];
  }
}

static bool shape_regressor(mf_shape_call *call, mf_error *err) {
  const int64_t targets = mf_attr_int(&call->attributes, TARGETS);
  if (!check_linear(call, targets, err)) return false;
  mf_nn_set(call, 0, MF_FLOAT, 2, (int64_t[]){rows_of(call->inputs[0]), targets});
  return true;
}

static bool regressor(mf_kernel_call *call, mf_error *err) {
  const int64_t targets = mf_attr_int(&call->attributes, TARGETS);
  double *scores = mf_nn_temporary(call, targets, sizeof *scores, err);
  nf_post post;
  if (!scores || !mf_nn_post_transform(&call->attributes, POST, &post, err)) return false;
  float *y = call->outputs[0]->data;
  for (int64_t row = 0; row < rows_of(call->inputs[0]); ++row) {
    linear_row(&call->attributes, call->inputs[0], row, targets, scores);
    mf_nn_forest_post(post, scores, targets);
    for (int64_t i = 0; i < targets; ++i) *y++ = (float)scores[i];
  }
  return true;
}
MF_REFERENCE(linear_regressor, regressor);

#define LINEAR_ATTRIBUTES(required)                                                                                  \
  {"coefficients", MF_ATTR_FLOATS, required, {MF_ATTR_ABSENT, 0, {.i = 0}}}, MF_OPTIONAL("intercepts", MF_ATTR_FLOATS), \
      MF_TEXT("post_transform", "NONE")
const mf_operator mf_op_LinearRegressor = {"ai.onnx.ml", "LinearRegressor", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_regressor,
                                           MF_ATTRIBUTES(LINEAR_ATTRIBUTES(false), MF_INT("targets", 1)),
                                           MF_KERNELS(&linear_regressor_reference)};

// Two labels and one row of coefficients: the score is the second label's, and the first one's is what is complementary.
static bool read_classes(const mf_attributes *a, int64_t *outputs, int64_t *labels, bool *strings, mf_error *err) {
  const uint32_t n_ints = mf_attr_count(a, LABEL_INTS), n_strings = mf_attr_count(a, LABEL_STRINGS), n_intercepts = mf_attr_count(a, INTERCEPTS);
  *strings = n_strings > 0;
  *labels = n_strings > 0 ? n_strings : n_ints;
  *outputs = n_intercepts > 0 ? n_intercepts : *labels;
  if ((n_ints > 0) == (n_strings > 0))
    return mf_fail(err, MF_InvalidModel, "%u integer and %u string class labels, expected one kind", n_ints, n_strings);
  if (*outputs == *labels || (*outputs == 1 && *labels == 2)) return true;
  return mf_fail(err, MF_InvalidModel, "%lld intercepts for %lld classes", (long long)*outputs, (long long)*labels);
}

static bool shape_classifier(mf_shape_call *call, mf_error *err) {
  int64_t outputs, labels;
  bool strings;
  if (!read_classes(&call->attributes, &outputs, &labels, &strings, err) || !check_linear(call, outputs, err)) return false;
  const int64_t dims[] = {rows_of(call->inputs[0]), labels};
  mf_nn_set(call, 0, strings ? MF_STRING : MF_INT64, 1, dims);
  mf_nn_set(call, 1, MF_FLOAT, 2, dims);
  return true;
}

static int64_t winner_of(double *scores, int64_t outputs, int64_t labels, nf_post post) {
  int64_t winner = 0;
  if (outputs == labels) {
    for (int64_t i = 1; i < labels; ++i)
      if (scores[i] > scores[winner]) winner = i;
    mf_nn_forest_post(post, scores, labels);
    return winner;
  }
  scores[1] = scores[0];
  winner = scores[1] > 0;
  if (post == NF_LOGISTIC || post == NF_PROBIT) {
    scores[0] = -scores[1];
    mf_nn_forest_post(post, scores, 2);
  } else {
    scores[0] = 1 - scores[1];
  }
  return winner;
}

static bool classifier(mf_kernel_call *call, mf_error *err) {
  int64_t outputs, labels;
  bool strings;
  nf_post post;
  if (!read_classes(&call->attributes, &outputs, &labels, &strings, err) || !mf_nn_post_transform(&call->attributes, POST, &post, err))
    return false;
  double *scores = mf_nn_temporary(call, labels, sizeof *scores, err);
  if (!scores) return false;
  for (int64_t row = 0; row < rows_of(call->inputs[0]); ++row) {
    linear_row(&call->attributes, call->inputs[0], row, outputs, scores);
    const int64_t winner = winner_of(scores, outputs, labels, post);
    mf_tensor *label = nn_result(call, 0);
    if (label && strings) ((mf_str *)label->data)[row] = mf_attr_str_at(&call->attributes, LABEL_STRINGS, (uint32_t)winner);
    if (label && !strings) ((int64_t *)label->data)[row] = mf_attr_ints(&call->attributes, LABEL_INTS)[winner];
    for (int64_t i = 0; mf_ops_wanted(call, 1) && i < labels; ++i)
      ((float *)call->outputs[1]->data)[row * labels + i] = (float)scores[i];
  }
  return true;
}
MF_REFERENCE(linear_classifier, classifier);

// multi_class says how the coefficients were found, which does not matter any more.
const mf_operator mf_op_LinearClassifier = {
    "ai.onnx.ml", "LinearClassifier", 1, MF_OP_ANY, 1, 1, 2, 2, .shape = shape_classifier,
    MF_ATTRIBUTES(LINEAR_ATTRIBUTES(true), MF_OPTIONAL("classlabels_ints", MF_ATTR_INTS), MF_OPTIONAL("classlabels_strings", MF_ATTR_STRINGS),
                  MF_INT("multi_class", 0)),
    MF_KERNELS(&linear_classifier_reference)};

// ---- Scaler: (x - offset) * scale ----

static bool shape_scaler(mf_shape_call *call, mf_error *err) {
  static const char *const names[] = {"offset", "scale"};
  const int64_t features = features_of(call->inputs[0]);
  if (!mf_ops_expect(call, 0, SET_FEATURES, err)) return false;
  for (uint32_t at = 0; at < 2; ++at) {
    const uint32_t n = mf_attr_count(&call->attributes, at);
    if (n > 1 && features >= 0 && n != features)
      return mf_fail(err, MF_InvalidModel, "attribute '%s' has %u elements, expected 1 or %lld", names[at], n, (long long)features);
  }
  mf_nn_set_like(call, 0, MF_FLOAT, call->inputs[0]);
  return true;
}

static bool scaler(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_attributes *a = &call->attributes;
  const float *offset = mf_attr_floats(a, 0), *scale = mf_attr_floats(a, 1);
  const uint32_t n_offset = mf_attr_count(a, 0), n_scale = mf_attr_count(a, 1);
  const int64_t count = mf_tensor_count(call->inputs[0]);
  for (int64_t i = 0; i < count; ++i) {
    const double from = n_offset ? (double)offset[i % n_offset] : 0, by = n_scale ? (double)scale[i % n_scale] : 1;
    ((float *)call->outputs[0]->data)[i] = (float)((mf_ops_get_double(call->inputs[0], i) - from) * by);
  }
  return true;
}
MF_REFERENCE(scaler, scaler);

const mf_operator mf_op_Scaler = {"ai.onnx.ml", "Scaler", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_scaler,
                                  MF_ATTRIBUTES(MF_OPTIONAL("offset", MF_ATTR_FLOATS), MF_OPTIONAL("scale", MF_ATTR_FLOATS)),
                                  MF_KERNELS(&scaler_reference)};

// ---- Normalizer: rows to norm 1 ----

static const char *const norms[] = {"MAX", "L1", "L2"};

static bool shape_normalizer(mf_shape_call *call, mf_error *err) {
  uint32_t norm;
  if (!mf_ops_expect(call, 0, SET_FEATURES, err) || !nn_expect_rank(call, 0, 1, 2, err) ||
      !mf_nn_choice(&call->attributes, 0, "norm", norms, MF_COUNT(norms), &norm, err))
    return false;
  mf_nn_set_like(call, 0, MF_FLOAT, call->inputs[0]);
  return true;
}

static bool normalizer(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  const int64_t n = features_of(x);
  float *y = call->outputs[0]->data;
  uint32_t norm;
  if (!mf_nn_choice(&call->attributes, 0, "norm", norms, MF_COUNT(norms), &norm, err)) return false;
  for (int64_t row = 0; n > 0 && row < rows_of(x); ++row) {
    double size = norm == 0 ? -INFINITY : 0;
    for (int64_t i = 0; i < n; ++i) {
      const double value = mf_ops_get_double(x, row * n + i);
      size = norm == 0 ? fmax(size, value) : size + (norm == 1 ? fabs(value) : value * value);
    }
    if (norm == 2) size = sqrt(size);
    for (int64_t i = 0; i < n; ++i) *y++ = (float)(mf_ops_get_double(x, row * n + i) / (size == 0 ? 1 : size));
  }
  return true;
}
MF_REFERENCE(normalizer, normalizer);

const mf_operator mf_op_Normalizer = {"ai.onnx.ml", "Normalizer", 1, MF_OP_ANY, 1, 1, 1, 1, .shape = shape_normalizer,
                                      MF_ATTRIBUTES(MF_TEXT("norm", "MAX")), MF_KERNELS(&normalizer_reference)};

// ---- Binarizer, Imputer: the type stays ----

static void store(mf_tensor *y, int64_t at, double real, int64_t integer) {
  if (y->type == MF_INT32) ((int32_t *)y->data)[at] = (int32_t)integer;
  else if (y->type == MF_INT64) ((int64_t *)y->data)[at] = integer;
  else mf_ops_put_double(y, at, real);
}

MF_SHAPE_ALIKE(shape_binarizer, SET_FEATURES)

static bool binarizer(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const int64_t count = mf_tensor_count(call->inputs[0]);
  for (int64_t i = 0; i < count; ++i) {
    const bool above = mf_ops_get_double(call->inputs[0], i) > (double)mf_attr_float(&call->attributes, 0);
    store(call->outputs[0], i, above, above);
  }
  return true;
}
MF_REFERENCE(binarizer, binarizer);

const mf_operator mf_op_Binarizer = {"ai.onnx.ml", "Binarizer", 1, MF_OP_ANY, 1, 1, 1, 1, .flags = MF_OP_INPLACE, .shape = shape_binarizer,
                                     MF_ATTRIBUTES(MF_REAL("threshold", 0)), MF_KERNELS(&binarizer_reference)};

enum { IMPUTED_FLOATS, IMPUTED_INTS, REPLACED_FLOAT, REPLACED_INT };

static bool is_integer(const mf_tensor *x) { return x->type == MF_INT32 || x->type == MF_INT64; }

static bool shape_imputer(mf_shape_call *call, mf_error *err) {
  const mf_tensor *x = call->inputs[0];
  if (!mf_ops_expect(call, 0, SET_FEATURES, err)) return false;
  if (x->type != MF_TYPE_UNKNOWN) {
    const uint32_t n = mf_attr_count(&call->attributes, is_integer(x) ? IMPUTED_INTS : IMPUTED_FLOATS);
    const int64_t features = features_of(x);
    if (n == 0 || (n > 1 && features >= 0 && n != features))
      return mf_fail(err, MF_InvalidModel, "%u imputed values for %s, expected 1 or %lld", n, mf_type_name(x->type), (long long)features);
  }
  mf_ops_copy_shape(call, 0, 0);
  return true;
}

static bool imputer(mf_kernel_call *call, mf_error *err) {
  (void)err;
  const mf_attributes *a = &call->attributes;
  const mf_tensor *x = call->inputs[0];
  const int64_t count = mf_tensor_count(x), *ints = mf_attr_ints(a, IMPUTED_INTS), missing_int = mf_attr_int(a, REPLACED_INT);
  const float *floats = mf_attr_floats(a, IMPUTED_FLOATS);
  const double missing = (double)mf_attr_float(a, REPLACED_FLOAT);
  const uint32_t n = mf_attr_count(a, is_integer(x) ? IMPUTED_INTS : IMPUTED_FLOATS);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t integer = is_integer(x) ? mf_ops_get_int(x, i) : 0;
    const double real = is_integer(x) ? 0 : mf_ops_get_double(x, i);
    const bool replace = is_integer(x) ? integer == missing_int : real == missing || (isnan(real) && isnan(missing));
    if (is_integer(x)) store(call->outputs[0], i, 0, replace ? ints[i % n] : integer);
    else store(call->outputs[0], i, replace ? (double)floats[i % n] : real, 0);
  }
  return true;
}
MF_REFERENCE(imputer, imputer);

const mf_operator mf_op_Imputer = {
    "ai.onnx.ml", "Imputer", 1, MF_OP_ANY, 1, 1, 1, 1, .flags = MF_OP_INPLACE, .shape = shape_imputer,
    MF_ATTRIBUTES(MF_OPTIONAL("imputed_value_floats", MF_ATTR_FLOATS), MF_OPTIONAL("imputed_value_int64s", MF_ATTR_INTS),
                  MF_REAL("replaced_value_float", 0), MF_INT("replaced_value_int64", 0)),
    MF_KERNELS(&imputer_reference)};
