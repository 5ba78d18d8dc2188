// The operators of nn.def on nodes that are nearly right. Each starts from a node that works and is then spoilt in a few places: a
// dimension, a rank, a type, an input that is missing, an element, an attribute. Whatever comes of it, a shape function answers or
// fails with a message, a kernel that is called after it stays inside its memory (the sanitizers watch), and a shape function that
// knows less never contradicts one that knows everything. Operators with subgraphs are tested with the runtime.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "runner.h"

// ---- nodes that work ----
// inputs: a letter for the type and the dimensions, "-" for none; real numbers are random, integers too unless ":a,b,..." lists them.
// attributes: name=list, separated by blanks; strings and numbers as the operator's row has them.
typedef struct sample {
  const char *name, *inputs, *attributes;
  const char *domain;
  int64_t opset;
} sample;
#define TREES                                                                                                               \
  "nodes_treeids=0,0,0,1,1,1 nodes_nodeids=0,1,2,0,1,2 nodes_featureids=0,0,0,2,0,0 nodes_values=0.5,0,0,-0.5,0,0 "         \
  "nodes_modes=BRANCH_LEQ,LEAF,LEAF,BRANCH_GT,LEAF,LEAF nodes_truenodeids=1,0,0,1,0,0 nodes_falsenodeids=2,0,0,2,0,0 "      \
  "nodes_missing_value_tracks_true=1,0,0,0,0,0 base_values=0.5 post_transform=SOFTMAX "
static const sample samples[] = {
    {"Conv", "f2,4,7,6 f6,2,3,3 f6", "group=2 pads=1,0,1,2 strides=2,1 dilations=1,2", "", 11},
    {"Conv", "h1,2,9 h3,2,3", "auto_pad=SAME_UPPER strides=2", "", 11},
    {"Conv", "d1,2,3,4,5 d3,2,2,2,2 d3", "kernel_shape=2,2,2", "", 11},
    {"ConvTranspose", "f2,4,5,4 f4,3,3,2 f6", "group=2 strides=3,2 output_padding=1,0 pads=1,0,1,0", "", 11},
    {"ConvTranspose", "f1,2,5 f2,2,3", "strides=2 output_shape=10", "", 11},
    {"ConvInteger", "u1,4,6,5 b6,4,2,2 u b", "pads=1,1,0,0", "", 10},
    {"QLinearConv", "u1,4,6,5 f:0.1 u b6,4,2,2 f6 b6 f:0.5 u i6", "strides=1,2", "", 10},
    {"MaxPool", "f2,3,7,6", "kernel_shape=3,2 strides=2,2 pads=1,0,1,1 ceil_mode=1 storage_order=1", "", 12},
    {"MaxPool", "b1,2,9", "kernel_shape=3 auto_pad=SAME_LOWER dilations=2", "", 12},
    {"AveragePool", "f2,3,7,6", "kernel_shape=3,2 strides=2,2 pads=1,0,1,1 ceil_mode=1 count_include_pad=1", "", 19},
    {"LpPool", "d1,2,5,5", "kernel_shape=2,2 p=3", "", 18},
    {"GlobalAveragePool", "f2,3,4,5", "", "", 1}, {"GlobalMaxPool", "h2,3,4", "", "", 1}, {"GlobalLpPool", "f2,3,4", "p=1", "", 2},
    {"MatMul", "f2,1,3,4 f5,4,2", "", "", 13}, {"MatMul", "l4 l4,3", "", "", 13},
    {"Gemm", "f3,4 f5,4 f5", "transB=1 alpha=0.5 beta=2", "", 13}, {"Gemm", "i4,3 i4,5 i3,1", "transA=1", "", 13}, {"Gemm", "f3,4 f4,5 f5", "broadcast=1", "", 6},
    {"MatMulInteger", "u3,4 b4,5 u3 b5", "", "", 10}, {"QLinearMatMul", "u2,3,4 f:0.1 u b4,5 f5 b5 f:0.5 u", "", "", 10},
    {"Softmax", "f2,3,4", "axis=1", "", 13}, {"Softmax", "h2,3,4", "axis=-2", "", 11}, {"LogSoftmax", "f2,3,4", "axis=2", "", 13},
    {"LogSoftmax", "d2,3", "", "", 1}, {"Hardmax", "f2,3,4", "axis=0", "", 13}, {"Hardmax", "f2,3,4", "axis=1", "", 11},
    {"BatchNormalization", "f2,3,4 f3 f3 f3 f3", "epsilon=0.1", "", 9}, {"BatchNormalization", "f2,3,4 f3 f3 f3 f3", "", "", 7},
    {"BatchNormalization", "f2,3,4 f3 f3 f3 f3", "training_mode=1", "", 15},
    {"LayerNormalization", "f2,3,4 f3,4 f4", "axis=1", "", 17}, {"RMSNormalization", "h2,3,4 h4", "axis=-1", "", 23},
    {"InstanceNormalization", "f2,3,4 f3 f3", "", "", 6}, {"GroupNormalization", "f2,4,3 f4 f4", "num_groups=2", "", 21},
    {"GroupNormalization", "f2,4,3 f2 f2", "num_groups=2", "", 18}, {"LRN", "f2,5,3", "size=3", "", 13},
    {"LpNormalization", "f2,3,4", "axis=1 p=1", "", 1}, {"MeanVarianceNormalization", "f2,3,4,2", "axes=0,2", "", 13},
    {"QuantizeLinear", "f2,3,4 f3 u3", "axis=1", "", 13}, {"QuantizeLinear", "h2,6 h2,3 b2,3", "axis=1 block_size=2", "", 21},
    {"DequantizeLinear", "b2,3,4 f3 b3", "axis=1", "", 13}, {"DequantizeLinear", "i2,3 f:0.5", "", "", 10}, {"DynamicQuantizeLinear", "f2,3", "", "", 11},
    {"LSTM", "f3,2,4 f2,20,4 f2,20,5 f2,40 i2:3,2 f2,2,5 f2,2,5 f2,15", "hidden_size=5 direction=bidirectional clip=0.5 input_forget=1", "", 14},
    {"LSTM", "h2,3,4 h1,20,4 h1,20,5", "layout=1 direction=reverse activations=HardSigmoid,Elu,Affine activation_alpha=0.1,0.2 activation_beta=0.3", "", 14},
    {"GRU", "f3,2,4 f1,15,4 f1,15,5 f1,30 i2:0,3 f1,2,5", "hidden_size=5 linear_before_reset=1", "", 14},
    {"GRU", "d3,2,4 d1,15,4 d1,15,5", "", "", 7}, {"RNN", "f3,2,4 f2,5,4 f2,5,5 f2,10", "direction=bidirectional activations=Relu,Softplus", "", 14},
    {"Resize", "f1,2,4,5 - f4:1,1,1.5,0.6", "mode=linear", "", 13}, {"Resize", "u1,2,4,5 - - l4:1,2,7,3", "mode=cubic exclude_outside=1 antialias=1", "", 18},
    {"Resize", "f1,2,4,5 - - l2:7,3", "axes=2,-1 keep_aspect_ratio_policy=not_larger nearest_mode=ceil", "", 18},
    {"Resize", "f1,1,4,5 f8:0,0,0.2,0.3,1,1,0.8,1.5 - l4:1,1,3,3", "mode=linear coordinate_transformation_mode=tf_crop_and_resize", "", 13},
    {"Resize", "f1,2,4 f3:1,1,2", "mode=nearest", "", 10}, {"Upsample", "f1,2,4 f3:1,2,2.5", "mode=linear", "", 9}, {"Upsample", "i1,2,4", "scales=1,1,2", "", 7},
    {"TreeEnsembleRegressor", "f5,3", TREES "target_treeids=0,0,1,1 target_nodeids=1,2,1,2 target_ids=0,0,0,0 target_weights=1,2,3,4 aggregate_function=MAX n_targets=1", "ai.onnx.ml", 1},
    {"TreeEnsembleClassifier", "f5,3", TREES "class_treeids=0,0,1,1 class_nodeids=1,2,1,2 class_ids=0,1,2,0 class_weights=1,2,3,4 classlabels_strings=a,b,c", "ai.onnx.ml", 1},
    {"TreeEnsembleClassifier", "l5,3", TREES "class_treeids=0,0,1,1 class_nodeids=1,2,1,2 class_ids=1,1,1,1 class_weights=1,2,3,-4 classlabels_int64s=3,4", "ai.onnx.ml", 1},
    {"LinearRegressor", "f5,3", "coefficients=1,2,3,4,5,6 intercepts=1,2 targets=2", "ai.onnx.ml", 1},
    {"LinearClassifier", "i5,3", "coefficients=1,2,3 intercepts=1 classlabels_ints=3,4 post_transform=LOGISTIC", "ai.onnx.ml", 1},
    {"Scaler", "d5,3", "offset=1,2,3 scale=2", "ai.onnx.ml", 1}, {"Normalizer", "f5,3", "norm=L2", "ai.onnx.ml", 1}, {"Binarizer", "l5,3", "threshold=0.5", "ai.onnx.ml", 1},
    {"Imputer", "f5,3", "imputed_value_floats=1,2,3 replaced_value_float=0", "ai.onnx.ml", 1},
    {"LabelEncoder", "s5", "keys_strings=a,b,c values_int64s=1,2,3", "ai.onnx.ml", 2}, {"LabelEncoder", "f5", "keys_floats=1,2,3 values_strings=a,b,c", "ai.onnx.ml", 4},
    {"LabelEncoder", "l5", "classes_strings=a,b,c", "ai.onnx.ml", 1}, {"ArrayFeatureExtractor", "s5,3 l2:2,0", "", "ai.onnx.ml", 1},
    {"Attention", "f2,5,8 f8,24 f24 i2,8 f2,2,4,3,2", "num_heads=4 unidirectional=1", "com.microsoft", 1},
    {"Attention", "h2,5,8 h8,20 h20 i2", "num_heads=2 qkv_hidden_sizes=8,8,4 scale=0.5", "com.microsoft", 1},
    {"Attention", "f2,5,8 f8,24 f24 i2,5,5 - f1,4,5,5", "num_heads=4", "com.microsoft", 1},
    {"EmbedLayerNormalization", "i2,3 i2,3 f4,5 f3,5 f4,5 f5 f5 i2,3 i1,3:0,1,2", "", "com.microsoft", 1},
    {"SkipLayerNormalization", "f2,3,4 f3,4 f4 f4 f4", "", "com.microsoft", 1}, {"SkipSimplifiedLayerNormalization", "h2,3,4 h1,3,4 h4", "", "com.microsoft", 1},
    {"FastGelu", "f2,3 f3", "", "com.microsoft", 1}, {"Gelu", "h2,3", "", "com.microsoft", 1}, {"BiasGelu", "f2,3 f3", "", "com.microsoft", 1}, {"QuickGelu", "f2,3", "alpha=2", "com.microsoft", 1},
    {"Einsum", "f2,3,4 f2,4,5", "equation=bij,bjk->bik", "", 12}, {"Einsum", "l2,3,3 l3", "equation=...ii,i", "", 12},
    {"NonMaxSuppression", "f2,6,4 f2,3,6 l1:4 f1:0.5 f1:-1", "center_point_box=1", "", 11},
    {"RoiAlign", "f2,3,6,5 f4,4 l4:0,1,1,0", "output_height=2 output_width=3 sampling_ratio=2", "", 16}, {"RoiAlign", "h2,3,6,5 h4,4 l4:0,1,1,0", "mode=max", "", 10},
};

// ---- random choices, from a seed that is printed when something fails ----
static uint64_t seed_state;
static uint32_t next_random(uint32_t below) {  // splitmix64
  uint64_t z = seed_state += UINT64_C(0x9E3779B97F4A7C15);
  z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
  z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
  return (uint32_t)((z ^ z >> 31) >> 32) % below;
}
static int64_t odd_int(void) {
  static const int64_t odd[] = {-1, 0, 1, 2, 3, 5, 7, 100, -100, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_C(1) << 30, INT64_C(1) << 40, INT64_C(1) << 62};
  return odd[next_random(MF_COUNT(odd))];
}
static double odd_real(void) {
  static const double odd[] = {0, -0.0, 1, -1, 0.5, 1e-30, 1e30, INFINITY, -INFINITY, NAN, 100, -1e9};
  return odd[next_random(MF_COUNT(odd))];
}
static void put(mf_tensor *t, int64_t i, double real, int64_t integer) {
  static const char *const words[] = {"", "a", "b", "c", "nan"};
  switch ((int)t->type) {
    case MF_FLOAT: ((float *)t->data)[i] = (float)real; break;
    case MF_DOUBLE: ((double *)t->data)[i] = real; break;
    case MF_FLOAT16: ((uint16_t *)t->data)[i] = mf_float_to_half((float)real); break;
    case MF_STRING: ((mf_str *)t->data)[i] = mf_str_from(words[(uint64_t)integer % MF_COUNT(words)]); break;
    case MF_BOOL: ((uint8_t *)t->data)[i] = integer & 1; break;
    default: memcpy((char *)t->data + (size_t)i * mf_type_size(t->type), &integer, mf_type_size(t->type));
  }
}

// ---- building a sample ----
typedef struct world {
  runner_node node;
  mf_tensor tensors[16];
  const char *listed[16];     // values in the sample's text
  mf_attribute attributes[32];
  char text[1024];            // the attributes, cut up
  double numbers[32][32];     // ints, floats and string records of lists
} world;

static mf_type type_of(char letter) {
  static const struct {
    char letter;
    mf_type type;
  } types[] = {{'f', MF_FLOAT}, {'d', MF_DOUBLE}, {'h', MF_FLOAT16}, {'u', MF_UINT8}, {'b', MF_INT8}, {'i', MF_INT32}, {'l', MF_INT64}, {'s', MF_STRING}};
  for (size_t i = 0; i < MF_COUNT(types); i++)
    if (types[i].letter == letter) return types[i].type;
  fail_msg("no type '%c'", letter);
  return MF_TYPE_UNKNOWN;
}

static void read_inputs(world *w, const char *at) {
  for (w->node.n_inputs = 0; *at; w->node.n_inputs++) {
    mf_tensor *t = &w->tensors[w->node.n_inputs];
    if (*at == '-') {
      at++;
    } else {
      t->type = type_of(*at++);
      while (*at >= '0' && *at <= '9') {
        t->dims[t->rank++] = strtoll(at, (char **)&at, 10);
        if (*at == ',') at++;
      }
      if (*at == ':') w->listed[w->node.n_inputs] = ++at;
      while (*at && *at != ' ') at++;
      w->node.inputs[w->node.n_inputs] = t;
    }
    while (*at == ' ') at++;
  }
}

// Fits small numbers to the row's type, and the text's list to the attribute's.
static void read_value(world *w, uint32_t at, char *text) {
  mf_attribute *a = &w->attributes[at];
  const mf_attribute_type type = w->node.op->attributes[at].type;
  *a = (mf_attribute){.type = type, .count = 1};
  if (type == MF_ATTR_INT) a->i = strtoll(text, NULL, 10);
  if (type == MF_ATTR_FLOAT) a->f = strtof(text, NULL);
  if (type == MF_ATTR_STRING) a->count = (uint32_t)strlen(text), a->offset = (uint64_t)(uintptr_t)text;
  if (type != MF_ATTR_INTS && type != MF_ATTR_FLOATS && type != MF_ATTR_STRINGS) return;
  a->offset = (uint64_t)(uintptr_t)w->numbers[at];
  a->count = 0;
  for (char *item = text, *end; item; item = end ? end + 1 : NULL, a->count++) {
    end = strchr(item, ',');
    if (type == MF_ATTR_INTS) ((int64_t *)w->numbers[at])[a->count] = strtoll(item, NULL, 10);
    if (type == MF_ATTR_FLOATS) ((float *)w->numbers[at])[a->count] = strtof(item, NULL);
    if (type != MF_ATTR_STRINGS) continue;
    ((uint64_t *)w->numbers[at])[2 * a->count] = (uint64_t)(uintptr_t)item;
    ((uint64_t *)w->numbers[at])[2 * a->count + 1] = end ? (uint64_t)(end - item) : strlen(item);
  }
}

static void read_attributes(world *w, const char *attributes) {
  const mf_operator *op = w->node.op;
  snprintf(w->text, sizeof w->text, "%s", attributes);
  for (uint32_t i = 0; i < op->n_attributes; i++) w->attributes[i] = op->attributes[i].fallback;
  for (char *save = NULL, *item = strtok_r(w->text, " ", &save); item; item = strtok_r(NULL, " ", &save)) {
    char *value = strchr(item, '=');
    assert_non_null(value);
    *value++ = 0;
    uint32_t at = 0;
    while (at < op->n_attributes && strcmp(op->attributes[at].name, item) != 0) at++;
    if (at == op->n_attributes) fail_msg("%s has no attribute '%s'", op->name, item);
    read_value(w, at, value);
  }
  w->node.attributes = w->attributes;
}

static void fill(world *w) {
  for (uint32_t i = 0; i < w->node.n_inputs; i++) {
    mf_tensor *t = &w->tensors[i];
    size_t bytes;
    if (!w->node.inputs[i] || !mf_tensor_bytes(t, &bytes) || bytes > 1 << 20) continue;
    t->data = runner_memory(bytes);
    const char *listed = w->listed[i];
    const int64_t count = mf_tensor_count(t);
    for (int64_t k = 0; k < count; k++) {
      double real = ((double)next_random(2001) - 1000) / 500;
      int64_t integer = next_random(3);
      if (listed && *listed && *listed != ' ') {
        real = strtod(listed, (char **)&listed);
        integer = (int64_t)real;
        if (*listed == ',') listed++;
      }
      put(t, k, real, integer);
    }
  }
}

// ---- spoiling it ----
static void spoil_tensor(world *w) {
  const uint32_t at = next_random(w->node.n_inputs);
  mf_tensor *t = &w->tensors[at];
  if (!w->node.inputs[at]) return;
  switch (next_random(6)) {
    case 0: w->node.inputs[at] = at < (uint32_t)w->node.op->min_inputs ? t : NULL; break;
    case 1: t->type = (mf_type)(1 + next_random(13)); break;
    case 2: if (t->rank > 0) t->dims[--t->rank] = 0; break;
    case 3: if (t->rank < MF_MAX_RANK) t->dims[t->rank++] = 1 + next_random(3); break;
    default: if (t->rank > 0) t->dims[next_random(t->rank)] = next_random(8) ? next_random(9) : INT64_C(1) << (20 + next_random(42));
  }
}

static void spoil_elements(world *w) {
  const uint32_t at = next_random(w->node.n_inputs);
  mf_tensor *t = &w->tensors[at];
  if (!w->node.inputs[at] || !t->data) return;
  const int64_t count = mf_tensor_count(t);
  if (count > 0) put(t, next_random((uint32_t)count), odd_real(), odd_int());
}

static void spoil_attribute(world *w) {
  static const char *const words[] = {"", "NONE", "SAME_LOWER", "cubic", "linear", "floor", "MIN", "L1", "reverse", "Relu", "i->", "...i->i...", "not_smaller", "align_corners", "?"};
  const mf_operator *op = w->node.op;
  if (op->n_attributes == 0) return;
  const uint32_t at = next_random(op->n_attributes);
  mf_attribute *a = &w->attributes[at];
  if (next_random(6) == 0) *a = op->attributes[at].fallback;
  switch (a->type) {
    case MF_ATTR_INT: a->i = odd_int(); break;
    case MF_ATTR_FLOAT: a->f = (float)odd_real(); break;
    case MF_ATTR_INTS:
      if (a->count > 0 && next_random(2)) a->count--;
      else if (a->count > 0) ((int64_t *)w->numbers[at])[next_random(a->count)] = odd_int();
      break;
    case MF_ATTR_FLOATS:
      if (a->count > 0 && next_random(2)) a->count--;
      else if (a->count > 0) ((float *)w->numbers[at])[next_random(a->count)] = (float)odd_real();
      break;
    case MF_ATTR_STRING: {
      const char *word = words[next_random(MF_COUNT(words))];
      *a = (mf_attribute){.type = MF_ATTR_STRING, .count = (uint32_t)strlen(word), .offset = (uint64_t)(uintptr_t)word};
      break;
    }
    case MF_ATTR_STRINGS: if (a->count > 0) a->count--; break;
    default: break;
  }
}

static bool is_small(const mf_tensor *outputs, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    size_t bytes;
    if (mf_tensor_is_static(&outputs[i]) && (!mf_tensor_bytes(&outputs[i], &bytes) || bytes > 1 << 16)) return false;
  }
  return true;
}
static bool has_all_data(const world *w) {
  for (uint32_t i = 0; i < w->node.n_inputs; i++)
    if (w->node.inputs[i] && !w->tensors[i].data) return false;
  return true;
}

static unsigned contradictions;
// Returns whether the operator took it.
static bool try_world(const sample *s, uint64_t seed, uint32_t spoilt, mf_error *err) {
  static world w;
  mf_tensor outputs[RUNNER_MAX] = {{0}};
  bool other;
  seed_state = seed;
  w = (world){.node = {.op = mf_operator_find(NULL, mf_str_from(s->domain), mf_str_from(s->name), s->opset, &other), .opset = s->opset}};
  if (!w.node.op) fail_msg("there is no %s in version %lld", s->name, (long long)s->opset);
  w.node.n_outputs = w.node.op->max_outputs < 1 ? 1 : (uint32_t)w.node.op->max_outputs;
  if (strcmp(s->name, "BatchNormalization") == 0 && s->opset < 14) w.node.n_outputs = 1;
  if (strcmp(s->name, "Attention") == 0 && !strstr(s->inputs, "f2,2,4,3,2")) w.node.n_outputs = 1;
  read_inputs(&w, s->inputs);
  read_attributes(&w, s->attributes);
  const uint32_t shapes = spoilt ? next_random(spoilt + 1) : 0;
  for (uint32_t i = 0; i < shapes; i++) next_random(3) ? spoil_tensor(&w) : spoil_attribute(&w);
  fill(&w);
  for (uint32_t i = shapes; i < spoilt; i++) spoil_elements(&w);
  for (uint32_t i = 0; spoilt && i < w.node.n_outputs; i++) w.node.unwanted[i] = w.node.n_outputs > 1 && next_random(4) == 0;
  bool done = runner_shape(&w.node, outputs, err);
  if (done && is_small(outputs, w.node.n_outputs) && has_all_data(&w)) {
    done = runner_run(&w.node, outputs, err);
    if (done && !runner_check_partial(&w.node, outputs, err)) {
      print_error("%s, seed %llu: %s\n", s->name, (unsigned long long)seed, err->message);
      contradictions++;
    }
    runner_free(outputs, w.node.n_outputs);
    if (done) runner_run_others(&w.node);
  }
  if (!done) assert_true(err->code != MF_OK && err->message[0]);
  for (uint32_t i = 0; i < w.node.n_inputs; i++) free(w.tensors[i].data);
  return done;
}

static void samples_work(void **state) {
  (void)state;
  for (size_t i = 0; i < MF_COUNT(samples); i++) {
    mf_error err = {0};
    if (!try_world(&samples[i], i, 0, &err)) fail_msg("%s %s: %s", samples[i].name, samples[i].inputs, err.message);
  }
}

static void every_operator_has_a_sample(void **state) {
  (void)state;
#define OPERATOR(name) extern const mf_operator mf_op_##name;
#include "engine/ops/nn.def"
#undef OPERATOR
  static const mf_operator *const rows[] = {
#define OPERATOR(name) &mf_op_##name,
#include "engine/ops/nn.def"
#undef OPERATOR
  };
  for (size_t r = 0; r < MF_COUNT(rows); r++) {
    bool found = (rows[r]->flags & MF_OP_CONTROL) != 0, other;
    for (size_t i = 0; i < MF_COUNT(samples) && !found; i++)
      found = mf_operator_find(NULL, mf_str_from(samples[i].domain), mf_str_from(samples[i].name), samples[i].opset, &other) == rows[r];
    if (!found) fail_msg("%s since %lld has no sample", rows[r]->name, (long long)rows[r]->since);
  }
}

static void spoilt_samples_neither_crash_nor_contradict(void **state) {
  (void)state;
  const char *factor = getenv("MAYFLY_TEST_WORLDS");
  const uint64_t worlds = factor ? strtoull(factor, NULL, 10) : 400;
  for (size_t i = 0; i < MF_COUNT(samples); i++)
    for (uint64_t n = 0; n < worlds; n++) {
      mf_error err = {0};
      (void)try_world(&samples[i], (uint64_t)i << 32 | n, 1 + (uint32_t)(n % 3), &err);
    }
  assert_int_equal(contradictions, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(samples_work),
      cmocka_unit_test(every_operator_has_a_sample),
      cmocka_unit_test(spoilt_samples_neither_crash_nor_contradict),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
