// How to make a random call for each fast kernel: one maker for each line of kernels.def, so that a
// kernel without one fails the test.
#include <math.h>

#include "engine/kernels/activation.h"
#include "engine/kernels/forest.h"
#include "engine/kernels/kernels.h"
#include "trial.h"

static void random_activation(trial *t) {
  int64_t kind = random_int(0, MF_ACT_COUNT - 1);
  trial_int(t, "activation", kind);
  trial_float(t, "alpha", kind == MF_ACT_CLAMP ? random_float(-1, 0) : random_float(0.01f, 0.3f));
  trial_float(t, "beta", kind == MF_ACT_CLAMP ? random_float(0, 4) : 0.5f);
  trial_float(t, "scale", random_chance(50) ? 1 : 0.75f);
  trial_float(t, "shift", random_chance(50) ? 0 : 0.25f);
}

// Kernel, strides, dilations, pads and an input [N, spatial..., channels] that is large enough for
// one output.
static void random_window(trial *t, int64_t channels, int64_t most_kernel, bool pads_below_kernel) {
  uint32_t n = (uint32_t)random_int(1, 2);
  int64_t kernel[2], strides[2], dilations[2], pads[4], dims[4] = {random_int(1, 2)};
  for (uint32_t i = 0; i < n; i++) {
    kernel[i] = random_int(1, most_kernel);
    strides[i] = random_int(1, 3);
    dilations[i] = random_chance(25) ? 2 : 1;
    int64_t reach = dilations[i] * (kernel[i] - 1) + 1,
            most = pads_below_kernel ? kernel[i] - 1 : 3;
    pads[i] = random_chance(40) ? 0 : random_int(0, most);
    pads[n + i] = random_chance(40) ? 0 : random_int(0, most);
    int64_t least = reach - pads[i] - pads[n + i];
    dims[1 + i] = random_int(least > 1 ? least : 1, 14 + reach);
  }
  dims[1 + n] = channels;
  trial_input(t, 0, MF_FLOAT, n + 2, dims);
  trial_ints(t, "kernel_shape", kernel, n);
  trial_ints(t, "strides", strides, n);
  trial_ints(t, "dilations", dilations, n);
  trial_ints(t, "pads", pads, 2 * n);
}

static uint32_t spatial_rank(const trial *t) { return t->inputs[0].rank - 2; }

static void weights_and_bias(trial *t, int64_t first, int64_t second, int64_t channels) {
  uint32_t n = spatial_rank(t);
  int64_t dims[4] = {first, second};
  for (uint32_t i = 0; i < n; i++) dims[2 + i] = t->ints[0][i];  // kernel_shape is attribute 0
  trial_input(t, 1, MF_FLOAT, n + 2, dims);
  t->constant[1] = t->constant[2] = true;
  if (random_chance(70)) trial_input(t, 2, MF_FLOAT, 1, &channels);
  trial_int(t, "channels", channels);
  trial_int(t, "input_channels", t->inputs[0].dims[n + 1]);
}

static int64_t random_size(int64_t most) {
  return random_chance(20) ? random_int(1, 5) : random_int(1, most);
}

static void make_conv(trial *t) {
  int64_t group = random_chance(70) ? 1 : random_int(2, 4), icg = random_size(40),
          ocg = random_size(80);
  random_window(t, group * icg, random_chance(40) ? 1 : 4, false);
  trial_int(t, "group", group);
  weights_and_bias(t, group * ocg, icg, group * ocg);
  random_activation(t);
  if (random_chance(30)) {  // a residual: as large as the output, which the shape function knows
    const mf_tensor *inputs[2] = {&t->inputs[0], &t->inputs[1]};
    mf_tensor out = {.rank = MF_RANK_UNKNOWN};
    mf_error err;
    mf_shape_call call = {.inputs = inputs,
                          .n_inputs = 2,
                          .outputs = &out,
                          .n_outputs = 1,
                          .attributes = {0, t->attributes, t->op->n_attributes}};
    if (t->op->shape(&call, &err)) trial_input(t, 3, MF_FLOAT, out.rank, out.dims);
  }
}

static void make_depthwise(trial *t) {
  int64_t channels = 1 + random_size(70);
  random_window(t, channels, 6, false);
  trial_int(t, "group", channels);
  weights_and_bias(t, channels, 1, channels);
  random_activation(t);
}

static void make_conv_transpose(trial *t) {
  int64_t ic = random_size(20), oc = random_size(20);
  random_window(t, ic, 3, true);
  for (uint32_t i = 0; i < spatial_rank(t);
       i++)  // pads beyond the window would leave nothing of a small input
    if (t->inputs[0].dims[1 + i] < 3) trial_ints(t, "pads", (int64_t[4]){0}, 2 * spatial_rank(t));
  weights_and_bias(t, ic, oc, oc);
  random_activation(t);
}

static void make_pool(trial *t) {
  random_window(t, random_size(50), 4, true);
  trial_int(t, "ceil_mode", random_int(0, 1));
}
static void make_average_pool(trial *t) {
  make_pool(t);
  trial_int(t, "count_include_pad", random_int(0, 1));
}
static void make_global_pool(trial *t) {
  int64_t dims[4] = {random_int(1, 2), random_int(1, 9), random_int(1, 9), random_size(70)};
  trial_input(t, 0, MF_FLOAT, 4, dims);
}

static void make_matmul(trial *t) {
  int64_t m = random_size(30), k = random_size(200), n = random_size(150),
          transposed = random_int(0, 1);
  trial_input(t, 0, MF_FLOAT, 3, (int64_t[]){random_int(1, 2), m, k});
  trial_input(t, 1, MF_FLOAT, 2, transposed ? (int64_t[]){n, k} : (int64_t[]){k, n});
  t->constant[1] = true;
  if (random_chance(60)) trial_input(t, 2, MF_FLOAT, 1, &n);
  if (random_chance(30)) trial_input(t, 3, MF_FLOAT, 3, (int64_t[]){t->inputs[0].dims[0], m, n});
  trial_int(t, "rows", k);
  trial_int(t, "columns", n);
  trial_int(t, "transposed", transposed);
  random_activation(t);
}

static void make_activation(trial *t) {
  int64_t kind = random_int(0, MF_ACT_COUNT - 1);
  trial_input(t, 0, MF_FLOAT, 2, (int64_t[]){random_size(9), random_size(40)});
  for (int64_t i = 0; i < mf_tensor_count(&t->inputs[0]); i++) ((float *)t->inputs[0].data)[i] *= 5;
  trial_int(t, "kind", kind);
  trial_float(t, "alpha", kind == MF_ACT_CLAMP ? random_float(-1, 0) : random_float(0.01f, 0.3f));
  trial_float(t, "beta", kind == MF_ACT_CLAMP ? random_float(0, 4) : 0.5f);
  trial_float(t, "scale", random_chance(50) ? 1 : 0.75f);
  trial_float(t, "shift", random_chance(50) ? 0 : 0.25f);
}

static void make_lstm(trial *t) {
  int64_t steps = random_int(1, 6), batch = random_int(1, 3), input = random_size(40),
          hidden = random_size(40), both = random_chance(40), d = both ? 2 : 1;
  trial_input(t, 0, MF_FLOAT, 3, (int64_t[]){steps, batch, input});
  trial_input(t, 1, MF_FLOAT, 3, (int64_t[]){d, 4 * hidden, input});
  trial_input(t, 2, MF_FLOAT, 3, (int64_t[]){d, 4 * hidden, hidden});
  t->constant[1] = t->constant[2] = true;
  if (random_chance(70)) trial_input(t, 3, MF_FLOAT, 2, (int64_t[]){d, 8 * hidden});
  for (uint32_t at = 5; at < 7; at++)
    if (random_chance(50)) trial_input(t, at, MF_FLOAT, 3, (int64_t[]){d, batch, hidden});
  trial_int(t, "hidden_size", hidden);
  trial_text(t, "direction", both ? "bidirectional" : random_chance(30) ? "reverse" : "forward");
  t->n_outputs = 3;
}

static void random_dims(uint32_t rank, int64_t *dims) {
  for (uint32_t i = 0; i < rank; i++)
    dims[i] = random_chance(15) ? 1 : random_int(1, i + 1 == rank ? 40 : 7);
}

static void make_transpose(trial *t) {
  static const mf_type types[] = {MF_FLOAT, MF_FLOAT, MF_UINT8, MF_FLOAT16, MF_INT64};
  uint32_t rank = (uint32_t)random_int(1, 5);
  int64_t dims[5], perm[5];
  random_dims(rank, dims);
  if (random_chance(50)) dims[0] = random_int(1, 40);
  for (uint32_t i = 0; i < rank; i++) perm[i] = i;
  for (uint32_t i = rank; i-- > 1;) {
    int64_t j = random_int(0, i), swap = perm[i];
    perm[i] = perm[j], perm[j] = swap;
  }
  trial_input(t, 0, types[random_int(0, 4)], rank, dims);
  if (random_chance(90)) trial_ints(t, "perm", perm, rank);
}

static void make_binary(trial *t) {
  uint32_t rank = (uint32_t)random_int(0, 4), drop = rank ? (uint32_t)random_int(0, 1) : 0;
  int64_t dims[2][4];
  random_dims(rank, dims[0]);
  for (uint32_t i = 0; i < rank; i++) dims[1][i] = random_chance(25) ? 1 : dims[0][i];
  if (random_chance(30))
    for (uint32_t i = 0; i < rank; i++) dims[0][i] = random_chance(25) ? 1 : dims[0][i];
  trial_input(t, 0, MF_FLOAT, rank, dims[0]);
  trial_input(t, 1, MF_FLOAT, rank - drop, dims[1] + drop);
}
static void make_pow(trial *t) {
  static const float powers[] = {2, 3, 0.5f};
  int64_t dims[2];
  random_dims(2, dims);
  trial_input(t, 0, MF_FLOAT, 2, dims);
  trial_input(t, 1, MF_FLOAT, 0, NULL);
  *(float *)t->inputs[1].data = powers[random_int(0, 2)];
  t->constant[1] = true;
}
static void make_unary(trial *t) {
  int64_t dims[3];
  random_dims(3, dims);
  trial_input(t, 0, MF_FLOAT, 3, dims);
  for (int64_t i = 0; i < mf_tensor_count(&t->inputs[0]); i++) ((float *)t->inputs[0].data)[i] *= 8;
}
static void make_softmax(trial *t) {
  int64_t dims[3];
  random_dims(3, dims);
  trial_input(t, 0, MF_FLOAT, 3, dims);
  trial_int(t, "axis", random_int(-3, 2));
}

static void make_matmul_pairs(trial *t) {
  int64_t batch[2] = {random_int(1, 3), random_int(1, 2)}, m = random_size(20), k = random_size(60),
          n = random_size(70);
  uint32_t a_rank = (uint32_t)random_int(1, 4), b_rank = (uint32_t)random_int(1, 4);
  int64_t a[4] = {random_chance(70) ? batch[0] : 1, batch[1], m, k},
          b[4] = {batch[0], random_chance(70) ? batch[1] : 1, k, n};
  trial_input(t, 0, MF_FLOAT, a_rank, a + 4 - a_rank);
  trial_input(t, 1, MF_FLOAT, b_rank, b_rank == 1 ? &k : b + 4 - b_rank);
}

static void make_reduce(trial *t) {
  int64_t dims[4], axes[4], first = random_int(0, 3), n = random_int(1, 4 - first);
  random_dims(4, dims);
  trial_input(t, 0, MF_FLOAT, 4, dims);
  for (int64_t i = 0; i < n; i++) axes[i] = first + i - (random_chance(30) ? 4 : 0);
  if (random_chance(85)) trial_ints(t, "axes", axes, (uint32_t)n);
  trial_int(t, "keepdims", random_int(0, 1));
}

static void make_one_hot(trial *t) {
  int64_t dims[2] = {random_int(1, 5), random_int(1, 9)};
  trial_input(t, 0, random_chance(50) ? MF_INT32 : MF_INT64, 2, dims);
  trial_input(t, 1, MF_INT64, 1, (int64_t[]){1});
  *(int64_t *)t->inputs[1].data = random_int(1, 130);
  trial_input(t, 2, MF_FLOAT, 1, (int64_t[]){2});
  if (random_chance(50)) *(float *)t->inputs[2].data = 0;
}

static void make_cast_half(trial *t) {
  int64_t dims[2];
  random_dims(2, dims);
  bool widen = random_chance(50);
  trial_input(t, 0, widen ? MF_FLOAT16 : MF_FLOAT, 2, dims);
  trial_int(t, "to", widen ? MF_FLOAT : MF_FLOAT16);
}

// Complete binary trees of random depth, as mayfly.Forest wants them.
static void make_forest(trial *t) {
  int64_t trees = random_int(1, 20), depth = random_int(0, 5), targets = random_int(1, 4),
          features = random_int(1, 8);
  int64_t inner = ((int64_t)1 << depth) - 1, each = 2 * inner + 1, leaves = inner + 1;
  trial_input(t, 0, MF_FLOAT, 2, (int64_t[]){random_int(1, 20), features});
  trial_input(t, 1, MF_INT32, 2, (int64_t[]){trees * each, 4});
  trial_input(t, 2, MF_INT32, 2, (int64_t[]){trees, 2});
  trial_input(t, 3, MF_FLOAT, 2, (int64_t[]){trees * leaves, targets});
  if (random_chance(50)) trial_input(t, 4, MF_FLOAT, 1, &targets);
  mf_forest_node *nodes = t->inputs[1].data;
  for (int64_t n = 0; n < trees * each; n++) {
    int64_t at = n % each, first = n - at;
    bool leaf = at >= inner;
    nodes[n] = (mf_forest_node){leaf ? NAN : random_float(-2, 2),
                                leaf ? 0 : (uint32_t)random_int(0, features - 1),
                                (uint32_t)(leaf ? n - 1 : first + 2 * at + 1),
                                leaf ? (uint32_t)(first / each * leaves + at - inner) : 0};
  }
  for (int64_t i = 0; i < trees; i++)
    ((int32_t *)t->inputs[2].data)[2 * i] = (int32_t)(i * each),
                                       ((int32_t *)t->inputs[2].data)[2 * i + 1] = (int32_t)depth;
  trial_int(t, "targets", targets);
  trial_int(t, "features", features);
  trial_int(t, "average", random_int(0, 1));
  t->n_outputs = 2;
}

#define OPERATOR(name) extern const mf_operator mf_op_##name;
#include "engine/ops/operators.def"
#undef OPERATOR

// MAKER(kernel, row, maker)
#define MAKERS(MAKER)                                                        \
  MAKER(conv_f32, mayfly_Conv, make_conv)                                    \
  MAKER(depthwise_f32, mayfly_Conv, make_depthwise)                          \
  MAKER(conv_transpose_f32, mayfly_ConvTranspose, make_conv_transpose)       \
  MAKER(max_pool_f32, mayfly_MaxPool, make_pool)                             \
  MAKER(average_pool_f32, mayfly_AveragePool, make_average_pool)             \
  MAKER(global_average_pool_f32, mayfly_GlobalAveragePool, make_global_pool) \
  MAKER(matmul_f32, mayfly_MatMul, make_matmul)                              \
  MAKER(activation_f32, mayfly_Activation, make_activation)                  \
  MAKER(lstm_f32, LSTM, make_lstm)                                           \
  MAKER(transpose, Transpose, make_transpose)                                \
  MAKER(add_f32, Add, make_binary)                                           \
  MAKER(sub_f32, Sub, make_binary)                                           \
  MAKER(mul_f32, Mul, make_binary)                                           \
  MAKER(div_f32, Div, make_binary)                                           \
  MAKER(pow_f32, Pow, make_pow)                                              \
  MAKER(exp_f32, Exp, make_unary)                                            \
  MAKER(sqrt_f32, Sqrt, make_unary)                                          \
  MAKER(erf_f32, Erf, make_unary)                                            \
  MAKER(sigmoid_f32, Sigmoid, make_unary)                                    \
  MAKER(tanh_f32, Tanh, make_unary)                                          \
  MAKER(relu_f32, Relu, make_unary)                                          \
  MAKER(softmax_f32, Softmax, make_softmax)                                  \
  MAKER(softmax_rows_f32, Softmax_1, make_softmax)                           \
  MAKER(matmul_pairs_f32, MatMul, make_matmul_pairs)                         \
  MAKER(reduce_sum_f32, ReduceSum1, make_reduce)                             \
  MAKER(reduce_mean_f32, ReduceMean1, make_reduce)                           \
  MAKER(reduce_max_f32, ReduceMax1, make_reduce)                             \
  MAKER(one_hot_f32, OneHot, make_one_hot)                                   \
  MAKER(forest, mayfly_Forest, make_forest)                                  \
  MAKER(cast_half, Cast, make_cast_half)

trial_maker *const trial_makers[MF_FAST_COUNT] = {
#define MAKER(kernel, row, maker) [MF_FAST_##kernel] = maker,
    MAKERS(MAKER)
#undef MAKER
};
const mf_operator *const trial_operators[MF_FAST_COUNT] = {
#define MAKER(kernel, row, maker) [MF_FAST_##kernel] = &mf_op_##row,
    MAKERS(MAKER)
#undef MAKER
};
