// LSTM, GRU and RNN with all their options: directions, peepholes, clipping, coupled gates, activations with alpha and beta,
// sequence lengths, both layouts. One driver walks directions, batch and time; an operator brings its step.
#include "engine/kernels/kernels.h"
#include "nn.h"

#include <math.h>
#include <strings.h>

enum { ACTIVATION_ALPHA, ACTIVATION_BETA, ACTIVATIONS, CLIP, DIRECTION, HIDDEN_SIZE, LAYOUT, INPUT_FORGET, LINEAR_BEFORE_RESET = INPUT_FORGET };

// ---- activations ----

typedef enum function { AFFINE, ELU, HARD_SIGMOID, LEAKY_RELU, RELU, SCALED_TANH, SIGMOID, SOFTPLUS, SOFTSIGN, TANH, THRESHOLDED_RELU } function;
typedef struct activation {
  function function;
  double alpha, beta;
} activation;

static const struct {
  const char *name;
  bool has_alpha, has_beta;
  float alpha, beta;
} functions[] = {
    [AFFINE] = {"Affine", true, true, 1, 0},
    [ELU] = {"Elu", true, false, 1, 0},
    [HARD_SIGMOID] = {"HardSigmoid", true, true, 0.2f, 0.5f},
    [LEAKY_RELU] = {"LeakyRelu", true, false, 0.01f, 0},
    [RELU] = {"Relu", false, false, 0, 0},
    [SCALED_TANH] = {"ScaledTanh", true, true, 1, 1},
    [SIGMOID] = {"Sigmoid", false, false, 0, 0},
    [SOFTPLUS] = {"Softplus", false, false, 0, 0},
    [SOFTSIGN] = {"Softsign", false, false, 0, 0},
    [TANH] = {"Tanh", false, false, 0, 0},
    [THRESHOLDED_RELU] = {"ThresholdedRelu", true, false, 1, 0},
};

static double activate(const activation *a, double x) {
  switch (a->function) {
    case AFFINE: return a->alpha * x + a->beta;
    case ELU: return x >= 0 ? x : a->alpha * expm1(x);
    case HARD_SIGMOID: return fmin(fmax(a->alpha * x + a->beta, 0), 1);
    case LEAKY_RELU: return x >= 0 ? x : a->alpha * x;
    case RELU: return x >= 0 ? x : 0;
    case SCALED_TANH: return a->alpha * tanh(a->beta * x);
    case SIGMOID: return 1 / (1 + exp(-x));
    case SOFTPLUS: return x > 30 ? x : log1p(exp(x));
    case SOFTSIGN: return x / (1 + fabs(x));
    case TANH: return tanh(x);
    case THRESHOLDED_RELU: return x > a->alpha ? x : 0;
  }
  return x;
}

// ---- geometry ----

typedef struct cell_kind {
  int64_t gates;
  uint32_t n_activations;  // of one direction
  function fallback[3];
  bool has_cell;           // a second state (LSTM), and the inputs that go with it
} cell_kind;
static const cell_kind lstm_kind = {4, 3, {SIGMOID, TANH, TANH}, true};
static const cell_kind gru_kind = {3, 2, {SIGMOID, TANH, TANH}, false};
static const cell_kind rnn_kind = {1, 1, {TANH, TANH, TANH}, false};

typedef struct recurrent {
  const cell_kind *kind;
  int64_t steps, batch, input, hidden, directions;
  const int32_t *lengths;  // [batch] or NULL
  bool reverse, batch_first, input_forget, linear_before_reset, clipped;
  double limit;            // of clipping
  activation activations[2][3];
} recurrent;

static double clip(const recurrent *s, double x) { return s->clipped ? fmin(fmax(x, -s->limit), s->limit) : x; }

static int64_t input_at(const recurrent *s, int64_t t, int64_t b) {
  return (s->batch_first ? b * s->steps + t : t * s->batch + b) * s->input;
}
static int64_t output_at(const recurrent *s, int64_t t, int64_t direction, int64_t b) {
  return s->batch_first ? ((b * s->steps + t) * s->directions + direction) * s->hidden
                        : ((t * s->directions + direction) * s->batch + b) * s->hidden;
}
static int64_t state_at(const recurrent *s, int64_t direction, int64_t b) {
  return (s->batch_first ? b * s->directions + direction : direction * s->batch + b) * s->hidden;
}

static bool read_direction(const mf_attributes *a, recurrent *s, mf_error *err) {
  static const char *const words[] = {"forward", "reverse", "bidirectional"};
  uint32_t which;
  if (!mf_nn_choice(a, DIRECTION, "direction", words, MF_COUNT(words), &which, err)) return false;
  s->reverse = which == 1;
  s->directions = which == 2 ? 2 : 1;
  s->batch_first = mf_attr_int(a, LAYOUT) != 0;
  return true;
}

static bool find_function(mf_str name, function *found, mf_error *err) {
  for (uint32_t i = 0; i < MF_COUNT(functions); ++i)
    if (name.len == strlen(functions[i].name) && strncasecmp(name.data, functions[i].name, name.len) == 0) {
      *found = (function)i;
      return true;
    }
  return mf_fail(err, MF_UnsupportedOperator, "activation '%.*s' is not one that the standard has", (int)MF_MIN(name.len, 64), name.data);
}

// alpha and beta are handed out, in order, to the activations that have one; the rest keep the defaults of their operators.
static bool read_activations(const mf_attributes *a, const cell_kind *kind, recurrent *s, mf_error *err) {
  const uint32_t n = mf_attr_count(a, ACTIVATIONS), expected = (uint32_t)s->directions * kind->n_activations;
  const uint32_t n_alpha = mf_attr_count(a, ACTIVATION_ALPHA), n_beta = mf_attr_count(a, ACTIVATION_BETA);
  const float *alpha = mf_attr_floats(a, ACTIVATION_ALPHA), *beta = mf_attr_floats(a, ACTIVATION_BETA);
  if (n != 0 && n != expected)
    return mf_fail(err, MF_InvalidModel, "attribute 'activations' has %u elements, expected %u", n, expected);
  for (uint32_t i = 0, next_alpha = 0, next_beta = 0; i < expected; ++i) {
    activation *act = &s->activations[i / kind->n_activations][i % kind->n_activations];
    act->function = kind->fallback[i % kind->n_activations];
    if (n != 0 && !find_function(mf_attr_str_at(a, ACTIVATIONS, i), &act->function, err)) return false;
    const bool has_alpha = functions[act->function].has_alpha && next_alpha < n_alpha;
    const bool has_beta = functions[act->function].has_beta && next_beta < n_beta;
    act->alpha = (double)(has_alpha ? alpha[next_alpha++] : functions[act->function].alpha);
    act->beta = (double)(has_beta ? beta[next_beta++] : functions[act->function].beta);
  }
  return true;
}

// ---- shapes ----

static bool check_inputs(const mf_shape_call *call, const cell_kind *kind, const recurrent *s, mf_error *err) {
  int64_t rows, both, peepholes;
  if (!mf_ops_mul_dims(s->hidden, kind->gates, &rows, err) || !mf_ops_mul_dims(rows, 2, &both, err) ||
      !mf_ops_mul_dims(s->hidden, 3, &peepholes, err))
    return false;
  const int64_t outer = s->batch_first ? s->batch : s->directions, next = s->batch_first ? s->directions : s->batch;
  const struct {
    uint32_t at, rank;
    int64_t dims[3];
    const char *what;
  } expected[] = {
      {1, 3, {s->directions, rows, s->input}, "W"},
      {2, 3, {s->directions, rows, s->hidden}, "R"},
      {3, 2, {s->directions, both}, "B"},
      {4, 1, {s->batch}, "sequence_lens"},
      {5, 3, {outer, next, s->hidden}, "initial_h"},
      {6, 3, {outer, next, s->hidden}, "initial_c"},
      {7, 2, {s->directions, peepholes}, "P"},
  };
  for (uint32_t i = 0; i < MF_COUNT(expected); ++i) {
    if (!nn_expect_rank(call, expected[i].at, expected[i].rank, expected[i].rank, err)) return false;
    for (uint32_t d = 0; d < expected[i].rank; ++d)
      if (!mf_nn_dim(call, expected[i].at, d, expected[i].dims[d], expected[i].what, err)) return false;
    if (expected[i].at != 4 && !nn_expect_same(call, expected[i].at, 0, err)) return false;
  }
  return nn_expect(call, 4, 1 << MF_INT32, err);
}

static bool shape_recurrent(mf_shape_call *call, const cell_kind *kind, mf_error *err) {
  recurrent s = {.kind = kind, .hidden = MF_DIM_UNKNOWN};
  if (!mf_ops_expect(call, 0, MF_SET_FLOATS, err) || !nn_expect_rank(call, 0, 3, 3, err) ||
      !read_direction(&call->attributes, &s, err) || !read_activations(&call->attributes, kind, &s, err))
    return false;
  const mf_tensor *x = call->inputs[0];
  const bool stated = mf_attr_has(&call->attributes, HIDDEN_SIZE);
  if (stated && mf_attr_int(&call->attributes, HIDDEN_SIZE) < 1)
    return mf_fail(err, MF_InvalidModel, "attribute 'hidden_size' is %lld, expected at least 1",
                   (long long)mf_attr_int(&call->attributes, HIDDEN_SIZE));
  s.hidden = stated ? mf_attr_int(&call->attributes, HIDDEN_SIZE) : mf_nn_dim_of(call->inputs[2], 2);
  s.steps = mf_nn_dim_of(x, s.batch_first ? 1 : 0);
  s.batch = mf_nn_dim_of(x, s.batch_first ? 0 : 1);
  s.input = mf_nn_dim_of(x, 2);
  if (!check_inputs(call, kind, &s, err)) return false;
  const int64_t sequence[2][4] = {{s.steps, s.directions, s.batch, s.hidden}, {s.batch, s.steps, s.directions, s.hidden}};
  const int64_t state[2][3] = {{s.directions, s.batch, s.hidden}, {s.batch, s.directions, s.hidden}};
  mf_nn_set(call, 0, x->type, 4, sequence[s.batch_first]);
  mf_nn_set(call, 1, x->type, 3, state[s.batch_first]);
  mf_nn_set(call, 2, x->type, 3, state[s.batch_first]);
  return true;
}

// ---- kernels ----

static bool read_recurrent(const mf_kernel_call *call, const cell_kind *kind, recurrent *s, mf_error *err) {
  const mf_attributes *a = &call->attributes;
  const mf_tensor *x = call->inputs[0], *lengths = nn_arg(call, 4);
  *s = (recurrent){.kind = kind, .input = x->dims[2], .hidden = call->inputs[2]->dims[2], .clipped = mf_attr_has(a, CLIP),
                   .limit = (double)mf_attr_float(a, CLIP), .lengths = lengths ? lengths->data : NULL};
  if (!read_direction(a, s, err) || !read_activations(a, kind, s, err)) return false;
  s->steps = x->dims[s->batch_first ? 1 : 0];
  s->batch = x->dims[s->batch_first ? 0 : 1];
  s->input_forget = kind == &lstm_kind && mf_attr_int(a, INPUT_FORGET) != 0;
  s->linear_before_reset = kind == &gru_kind && mf_attr_int(a, LINEAR_BEFORE_RESET) != 0;
  for (int64_t b = 0; s->lengths && b < s->batch; ++b)
    if (s->lengths[b] < 0 || s->lengths[b] > s->steps)
      return mf_fail(err, MF_InvalidInput, "element %lld of sequence_lens is %d, expected 0 to %lld", (long long)b, s->lengths[b],
                     (long long)s->steps);
  return true;
}

#define T float
#define NAME(id) id##_f32
#include "nn_recurrent.inc"
#undef T
#undef NAME
#define T double
#define NAME(id) id##_f64
#include "nn_recurrent.inc"
#undef T
#undef NAME

#define RECURRENT_ATTRIBUTES                                                                                    \
  MF_OPTIONAL("activation_alpha", MF_ATTR_FLOATS), MF_OPTIONAL("activation_beta", MF_ATTR_FLOATS),              \
      MF_OPTIONAL("activations", MF_ATTR_STRINGS), MF_OPTIONAL("clip", MF_ATTR_FLOAT),                          \
      MF_TEXT("direction", "forward"), MF_OPTIONAL("hidden_size", MF_ATTR_INT), MF_INT("layout", 0)
#define DEFINE_RECURRENT(id)                                                                                                     \
  static bool shape_##id(mf_shape_call *call, mf_error *err) { return shape_recurrent(call, &id##_kind, err); }                  \
  static bool id##_f32(mf_kernel_call *call, mf_error *err) { return run_recurrent_f32(call, &id##_kind, id##_step_f32, err); }  \
  static bool id##_f64(mf_kernel_call *call, mf_error *err) { return run_recurrent_f64(call, &id##_kind, id##_step_f64, err); }  \
  NN_FLOAT_KERNEL(id)                                                                                                            \
  MF_REFERENCE(id, id);
DEFINE_RECURRENT(lstm)
DEFINE_RECURRENT(gru)
DEFINE_RECURRENT(rnn)

const mf_operator mf_op_LSTM = {"", "LSTM", 7, MF_OP_ANY, 3, 8, 0, 3, .shape = shape_lstm,
                                MF_ATTRIBUTES(RECURRENT_ATTRIBUTES, MF_INT("input_forget", 0)), MF_KERNELS(MF_FAST(lstm_f32) &lstm_reference)};
const mf_operator mf_op_GRU = {"", "GRU", 7, MF_OP_ANY, 3, 6, 0, 2, .shape = shape_gru,
                               MF_ATTRIBUTES(RECURRENT_ATTRIBUTES, MF_INT("linear_before_reset", 0)), MF_KERNELS(&gru_reference)};
const mf_operator mf_op_RNN = {"", "RNN", 7, MF_OP_ANY, 3, 6, 0, 2, .shape = shape_rnn, MF_ATTRIBUTES(RECURRENT_ATTRIBUTES),
                               MF_KERNELS(&rnn_reference)};
