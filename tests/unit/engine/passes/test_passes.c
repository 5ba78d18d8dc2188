// What the passes make of a graph has to compute what the graph says: random networks of the kind
// that the passes rewrite are compiled twice, as they are with reference kernels and with all
// passes and fast kernels, and both run on the same input, with known and with unknown dimensions.
// The seed is printed; MAYFLY_SEED=N runs one again, MAYFLY_TRIALS=N says how many networks.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/engine.h"

enum { MAX_IMAGES = 24, MEMORY = 64 << 20, OPSET = 15 };

static uint64_t random_state;
static int random_int(int least, int most) {
  random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return least + (int)((random_state >> 33) % (uint64_t)(most - least + 1));
}
static float random_float(float least, float most) {
  return least + (most - least) * (float)random_int(0, 1 << 20) / (float)(1 << 20);
}
static bool chance(int percent) { return random_int(1, 100) <= percent; }

// ---- building ----
typedef struct picture {
  mf_value_id id;
  int64_t dims[4];
} picture;

typedef struct network {
  mf_graph *graph;
  mf_arena *arena;
  picture images[MAX_IMAGES];
  uint32_t n;
  char story[4096];  // what was built, for the message of a failure
  mf_error err;
} network;

static mf_value_id constant(network *net, mf_type type, uint32_t rank, const int64_t *dims,
                            float least, float most) {
  mf_tensor t = {.type = type, .rank = rank};
  size_t bytes;
  for (uint32_t i = 0; i < rank; i++) t.dims[i] = dims[i];
  assert_true(mf_tensor_bytes(&t, &bytes));
  t.data = mf_arena_alloc_aligned(net->arena, bytes + 64, 64);
  for (int64_t i = 0; i < mf_tensor_count(&t) && type == MF_FLOAT; i++)
    ((float *)t.data)[i] = random_float(least, most);
  mf_value_id id;
  assert_true(mf_graph_add_value(net->graph, MF_STR("c"), &t, &id, &net->err));
  return id;
}
static mf_value_id floats(network *net, uint32_t rank, const int64_t *dims, float least,
                          float most) {
  return constant(net, MF_FLOAT, rank, dims, least, most);
}
static mf_value_id number(network *net, float value) { return floats(net, 0, NULL, value, value); }
static mf_value_id ints(network *net, const int64_t *values, uint32_t n) {
  mf_value_id id = constant(net, MF_INT64, 1, &(int64_t){n}, 0, 0);
  memcpy(net->graph->values[id].tensor.data, values, n * sizeof *values);
  return id;
}

static mf_named_attribute attr_int(const char *name, int64_t value) {
  return (mf_named_attribute){name, {MF_ATTR_INT, 1, {.i = value}}};
}
static mf_named_attribute attr_float(const char *name, float value) {
  return (mf_named_attribute){name, {MF_ATTR_FLOAT, 1, {.f = value}}};
}
static mf_named_attribute attr_ints(const char *name, const int64_t *values, uint32_t n) {
  return (mf_named_attribute){name, {MF_ATTR_INTS, n, {.offset = (uint64_t)(uintptr_t)values}}};
}
static mf_named_attribute attr_text(const char *name, const char *text) {
  return (mf_named_attribute){
      name, {MF_ATTR_STRING, (uint32_t)strlen(text), {.offset = (uint64_t)(uintptr_t)text}}};
}

#define NODE(op, inputs, ...)                                                                     \
  node(net, op, (const mf_value_id[])inputs, sizeof((mf_value_id[])inputs) / sizeof(mf_value_id), \
       (const mf_named_attribute[]){__VA_ARGS__ __VA_OPT__(, ){NULL, {0, 0, {0}}}})
#define IN(...) \
  { __VA_ARGS__ }
static mf_value_id node(network *net, const char *op, const mf_value_id *inputs, uint32_t n_inputs,
                        const mf_named_attribute *attributes) {
  mf_value_id out;
  uint32_t n = 0;
  while (attributes[n].name) n++;
  assert_true(mf_graph_add_value(net->graph, MF_STR(""), NULL, &out, &net->err));
  if (!mf_graph_add_node(net->graph, 0, UINT32_MAX, "", op, OPSET, MF_STR(""), inputs, n_inputs,
                         &out, 1, attributes, n, &net->err))
    fail_msg("%s: %s", op, net->err.message);
  snprintf(net->story + strlen(net->story), sizeof net->story - strlen(net->story), " %s", op);
  return out;
}

static void push(network *net, mf_value_id id, int64_t n, int64_t c, int64_t h, int64_t w) {
  if (net->n < MAX_IMAGES) net->images[net->n++] = (picture){id, {n, c, h, w}};
}
static void push_like(network *net, mf_value_id id, const picture *p) {
  push(net, id, p->dims[0], p->dims[1], p->dims[2], p->dims[3]);
}

// ---- layers: each takes a picture and pushes another ----
typedef void layer(network *net, const picture *p);

static void convolution(network *net, const picture *p, bool depthwise) {
  int64_t c = p->dims[1],
          group = depthwise                    ? c
                  : (c % 2 == 0 && chance(20)) ? 2
                                               : 1,
          out = depthwise ? c : group * random_int(1, 20);
  int64_t k = chance(40) ? 1 : random_int(2, 3), stride = random_int(1, 2),
          pad = random_int(0, (int)k - 1);
  if (chance(50) && k % 2) stride = 1, pad = k / 2;
  if (p->dims[2] + 2 * pad < k || p->dims[3] + 2 * pad < k) return;
  mf_value_id w = floats(net, 4, (int64_t[]){out, c / group, k, k}, -0.5f, 0.5f),
              b = chance(50) ? floats(net, 1, &out, -1, 1) : MF_NO_VALUE;
  mf_value_id y = NODE("Conv", IN(p->id, w, b), attr_int("group", group),
                       attr_ints("kernel_shape", (int64_t[]){k, k}, 2),
                       attr_ints("strides", (int64_t[]){stride, stride}, 2),
                       attr_ints("pads", (int64_t[]){pad, pad, pad, pad}, 4));
  push(net, y, p->dims[0], out, (p->dims[2] + 2 * pad - k) / stride + 1,
       (p->dims[3] + 2 * pad - k) / stride + 1);
}
static void layer_conv(network *net, const picture *p) { convolution(net, p, false); }
static void layer_depthwise(network *net, const picture *p) { convolution(net, p, true); }

static void layer_conv_transpose(network *net, const picture *p) {
  int64_t out = random_int(1, 6);
  if (p->dims[2] > 16 || p->dims[3] > 16) return;
  mf_value_id w = floats(net, 4, (int64_t[]){p->dims[1], out, 2, 2}, -0.5f, 0.5f);
  push(net,
       NODE("ConvTranspose", IN(p->id, w), attr_ints("kernel_shape", (int64_t[]){2, 2}, 2),
            attr_ints("strides", (int64_t[]){2, 2}, 2)),
       p->dims[0], out, 2 * p->dims[2], 2 * p->dims[3]);
}

static void layer_batch_norm(network *net, const picture *p) {
  const int64_t *c = &p->dims[1];
  push_like(
      net,
      NODE("BatchNormalization", IN(p->id, floats(net, 1, c, 0.5f, 2), floats(net, 1, c, -1, 1),
                                    floats(net, 1, c, -1, 1), floats(net, 1, c, 0.5f, 2))),
      p);
}

static mf_value_id hard_swish(network *net, mf_value_id x) {
  if (chance(30)) return NODE("HardSwish", IN(x));
  mf_value_id line = NODE("Add", IN(x, number(net, 3)));
  mf_value_id clip = NODE("Clip", IN(line, number(net, 0), number(net, 6)));
  if (chance(50)) return NODE("Mul", IN(NODE("Div", IN(clip, number(net, 6))), x));
  return NODE("Div", IN(NODE("Mul", IN(x, clip)), number(net, 6)));
}
static mf_value_id gelu(network *net, mf_value_id x) {
  mf_value_id erf = NODE("Erf", IN(NODE("Mul", IN(x, number(net, 0.70710678f)))));
  mf_value_id sum = NODE("Add", IN(number(net, 1), erf));
  return chance(50) ? NODE("Mul", IN(NODE("Mul", IN(x, number(net, 0.5f))), sum))
                    : NODE("Mul", IN(NODE("Mul", IN(x, sum)), number(net, 0.5f)));
}

static void layer_activation(network *net, const picture *p) {
  mf_value_id x = p->id, y;
  switch (random_int(0, 8)) {
    case 0: y = NODE("Clip", IN(x, number(net, -1), number(net, 2))); break;
    case 1:
      y = NODE("HardSigmoid", IN(x), attr_float("alpha", 0.2f), attr_float("beta", 0.5f));
      break;
    case 2: y = hard_swish(net, x); break;
    case 3: y = NODE("Mul", IN(x, NODE("Sigmoid", IN(x)))); break;
    case 4: y = gelu(net, x); break;
    case 5: y = NODE("LeakyRelu", IN(x), attr_float("alpha", 0.1f)); break;
    case 6: y = NODE("Tanh", IN(x)); break;
    case 7: y = NODE("Mul", IN(NODE("Sigmoid", IN(NODE("Mul", IN(x, number(net, 1))))), x)); break;
    default: y = NODE("Relu", IN(x)); break;
  }
  push_like(net, y, p);
}

// Nothing is divided by a picture: near 0 that would make a difference out of every rounding.
static void layer_constant(network *net, const picture *p) {
  static const char *const ops[] = {"Add", "Mul", "Sub", "Div"};
  const int64_t channels[4] = {1, p->dims[1], 1, 1}, pixels[4] = {1, 1, p->dims[2], p->dims[3]};
  mf_value_id c;
  switch (random_int(0, 4)) {
    case 0: c = floats(net, 4, channels, 0.5f, 1.5f); break;
    case 1: c = floats(net, 3, channels + 1, 0.5f, 1.5f); break;
    case 2: c = floats(net, 2, pixels + 2, 0.5f, 1.5f); break;
    case 3: c = floats(net, 1, (int64_t[]){1}, 0.5f, 1.5f); break;
    default: c = number(net, random_float(0.5f, 1.5f)); break;
  }
  const char *op = ops[random_int(0, 3)];
  push_like(net, chance(70) || *op == 'D' ? NODE(op, IN(p->id, c)) : NODE(op, IN(c, p->id)), p);
}

// Arithmetic with another value that it can be broadcast with.
static void layer_pair(network *net, const picture *p) {
  const char *op = chance(60) ? "Add" : "Mul";
  for (uint32_t i = 0; i < net->n; i++) {
    const picture *q = &net->images[(i + 7) % net->n];
    bool fits = true;
    for (int d = 0; d < 4; d++) fits &= q->dims[d] == p->dims[d] || (q->dims[d] == 1 && d > 0);
    if (q->id == p->id || !fits) continue;
    push_like(net, chance(50) ? NODE(op, IN(p->id, q->id)) : NODE(op, IN(q->id, p->id)), p);
    return;
  }
}

static void layer_concat(network *net, const picture *p) {
  for (uint32_t i = 0; i < net->n; i++) {
    const picture *q = &net->images[(i + 3) % net->n];
    if (q->dims[0] != p->dims[0] || q->dims[2] != p->dims[2] || q->dims[3] != p->dims[3]) continue;
    push(net, NODE("Concat", IN(p->id, q->id), attr_int("axis", chance(50) ? 1 : -3)), p->dims[0],
         p->dims[1] + q->dims[1], p->dims[2], p->dims[3]);
    return;
  }
}

static void layer_pool(network *net, const picture *p) {
  int64_t k = random_int(1, 3), stride = random_int(1, 2), pad = k / 2;
  if (p->dims[2] < k || p->dims[3] < k) return;
  const int64_t kernel[2] = {k, k}, strides[2] = {stride, stride}, pads[4] = {pad, pad, pad, pad};
  mf_value_id y = chance(50) ? NODE("MaxPool", IN(p->id), attr_ints("kernel_shape", kernel, 2),
                                    attr_ints("strides", strides, 2), attr_ints("pads", pads, 4))
                             : NODE("AveragePool", IN(p->id), attr_ints("kernel_shape", kernel, 2),
                                    attr_ints("strides", strides, 2), attr_ints("pads", pads, 4),
                                    attr_int("count_include_pad", random_int(0, 1)));
  push(net, y, p->dims[0], p->dims[1], (p->dims[2] + 2 * pad - k) / stride + 1,
       (p->dims[3] + 2 * pad - k) / stride + 1);
}

static void layer_reduce(network *net, const picture *p) {
  const int64_t spatial[2] = {2, -1};
  mf_value_id y = chance(50) ? NODE("GlobalAveragePool", IN(p->id))
                             : NODE("ReduceMean", IN(p->id), attr_ints("axes", spatial, 2),
                                    attr_int("keepdims", 1));
  push(net, y, p->dims[0], p->dims[1], 1, 1);
}

static void layer_resize(network *net, const picture *p) {
  if (p->dims[2] > 12 || p->dims[3] > 12) return;
  mf_value_id scales = floats(net, 1, (int64_t[]){4}, 1, 1);
  ((float *)net->graph->values[scales].tensor.data)[2] = 2;
  ((float *)net->graph->values[scales].tensor.data)[3] = 2;
  mf_value_id y = NODE("Resize", IN(p->id, MF_NO_VALUE, scales),
                       attr_text("mode", chance(50) ? "nearest" : "linear"),
                       attr_text("coordinate_transformation_mode", "asymmetric"),
                       attr_text("nearest_mode", "floor"));
  push(net, y, p->dims[0], p->dims[1], 2 * p->dims[2], 2 * p->dims[3]);
}

static void layer_slice(network *net, const picture *p) {
  int axis = random_int(1, 3);
  int64_t size = p->dims[axis], step = size > 3 && chance(50) ? 2 : 1, start = size > 1 ? 1 : 0,
          out[4];
  memcpy(out, p->dims, sizeof out);
  out[axis] = (size - start + step - 1) / step;
  mf_value_id y = NODE("Slice", IN(p->id, ints(net, &start, 1), ints(net, &size, 1),
                                   ints(net, &(int64_t){axis}, 1), ints(net, &step, 1)));
  push(net, y, out[0], out[1], out[2], out[3]);
}

static void layer_softmax(network *net, const picture *p) {
  push_like(net, NODE("Softmax", IN(p->id), attr_int("axis", chance(60) ? 1 : random_int(2, 3))),
            p);
}

// Channels last and back, with something in between.
static void layer_transpose(network *net, const picture *p) {
  static const int64_t there[4] = {0, 2, 3, 1}, back[4] = {0, 3, 1, 2};
  mf_value_id y = NODE("Transpose", IN(p->id), attr_ints("perm", there, 4));
  if (chance(50)) y = NODE("Relu", IN(y));
  push_like(net, NODE("Transpose", IN(y), attr_ints("perm", back, 4)), p);
}

// [N, C, 1, W] without and again with its height.
static void layer_squeeze(network *net, const picture *p) {
  if (p->dims[2] != 1) return;
  mf_value_id axis = ints(net, &(int64_t){2}, 1), y = NODE("Squeeze", IN(p->id, axis));
  if (chance(50)) {
    static const int64_t turn[3] = {0, 2, 1};
    y = NODE("Transpose",
             IN(NODE("Tanh", IN(NODE("Transpose", IN(y), attr_ints("perm", turn, 3))))),
             attr_ints("perm", turn, 3));
  }
  push_like(net, NODE("Unsqueeze", IN(y, axis)), p);
}

static void layer_nothing(network *net, const picture *p) {
  push_like(net,
            chance(40)   ? NODE("Identity", IN(p->id))
            : chance(50) ? NODE("Dropout", IN(p->id))
                         : NODE("Add", IN(p->id, number(net, 0))),
            p);
}

static void layer_pad(network *net, const picture *p) {
  static const int64_t pads[8] = {0, 0, 1, 0, 0, 1, 0, 2};
  push(net, NODE("Pad", IN(p->id, ints(net, pads, 8))), p->dims[0], p->dims[1] + 1, p->dims[2] + 1,
       p->dims[3] + 2);
}

static void layer_shuffle(network *net, const picture *p) {
  if (p->dims[0] != 1 || p->dims[1] % 2) return;
  int64_t n = p->dims[1] / 2, split[3] = {n, 2, p->dims[2] * p->dims[3]},
          joined[5] = {2, -1, n, p->dims[2], p->dims[3]};
  mf_value_id y = NODE("Transpose", IN(NODE("Reshape", IN(p->id, ints(net, split, 3)))),
                       attr_ints("perm", (int64_t[]){1, 0, 2}, 3));
  y = NODE("Reshape", IN(y, ints(net, joined, 5)));
  mf_value_id which = constant(net, MF_INT64, 0, NULL, 0, 0);
  *(int64_t *)net->graph->values[which].tensor.data = random_int(0, 1);
  push(net, NODE("Gather", IN(y, which), attr_int("axis", 0)), 1, n, p->dims[2], p->dims[3]);
}

static void layer_depth_to_space(network *net, const picture *p) {
  if (p->dims[1] % 4 || p->dims[2] > 14) return;
  push(net,
       NODE("DepthToSpace", IN(p->id), attr_int("blocksize", 2),
            attr_text("mode", chance(50) ? "CRD" : "DCR")),
       p->dims[0], p->dims[1] / 4, 2 * p->dims[2], 2 * p->dims[3]);
}

static layer *const layers[] = {
    layer_conv,           layer_conv,          layer_conv,       layer_depthwise,  layer_depthwise,
    layer_conv_transpose, layer_batch_norm,    layer_batch_norm, layer_activation, layer_activation,
    layer_activation,     layer_constant,      layer_constant,   layer_pair,       layer_pair,
    layer_concat,         layer_pool,          layer_reduce,     layer_resize,     layer_slice,
    layer_softmax,        layer_transpose,     layer_squeeze,    layer_nothing,    layer_pad,
    layer_shuffle,        layer_depth_to_space};

// Ends in a classifier sometimes: flattened pixels, a matrix, a bias.
static mf_value_id head(network *net, const picture *p) {
  int64_t k = p->dims[1] * p->dims[2] * p->dims[3], n = random_int(1, 20);
  mf_value_id flat = NODE("Flatten", IN(p->id), attr_int("axis", 1));
  if (chance(50))
    return NODE("Gemm",
                IN(flat, floats(net, 2, (int64_t[]){n, k}, -0.5f, 0.5f), floats(net, 1, &n, -1, 1)),
                attr_int("transB", 1));
  mf_value_id y =
      NODE("Add", IN(NODE("MatMul", IN(flat, floats(net, 2, (int64_t[]){k, n}, -0.5f, 0.5f))),
                     floats(net, 1, &n, -1, 1)));
  return chance(50) ? NODE("Relu", IN(y)) : y;
}

static bool build(network *net, mf_arena *arena, uint64_t seed, bool dynamic, mf_tensor *input) {
  random_state = seed * 2 + 1;
  *net = (network){.arena = arena};
  net->graph = mf_graph_create(arena, NULL, &net->err);
  *input = (mf_tensor){
      .type = MF_FLOAT,
      .rank = 4,
      .dims = {random_int(1, 2), random_int(1, 12), random_int(1, 14), random_int(4, 14)}};
  mf_tensor declared = *input;
  for (int d = 0; d < 4 && dynamic; d++)
    if (d != 1) declared.dims[d] = MF_DIM_UNKNOWN;
  mf_value_id x;
  if (!net->graph || !mf_graph_add_value(net->graph, MF_STR("x"), &declared, &x, &net->err))
    return false;
  push(net, x, input->dims[0], input->dims[1], input->dims[2], input->dims[3]);
  for (int i = random_int(2, 14); i > 0; i--) {
    const picture p =
        net->images[chance(70) ? net->n - 1 : (uint32_t)random_int(0, (int)net->n - 1)];
    if (p.dims[1] * p.dims[2] * p.dims[3] < 20000)
      layers[random_int(0, (int)MF_COUNT(layers) - 1)](net, &p);
  }
  mf_value_id outputs[3] = {NODE("Identity", IN(net->images[net->n - 1].id)),
                            NODE("Relu", IN(net->images[random_int(0, (int)net->n - 1)].id)), 0};
  outputs[2] = head(net, &net->images[net->n - 1]);
  return mf_graph_set_io(net->graph, 0, &x, 1, outputs, 3, &net->err);
}

// ---- running ----
typedef struct run {
  mf_arena arena;
  network net;
  mf_tensor input;
  mf_instance *instance;
  void *memory;
} run;

static bool run_network(run *r, uint64_t seed, bool dynamic, bool reference, const float *data) {
  mf_slice bytes;
  const mf_image *image;
  mf_arena_init(&r->arena, (size_t)1 << 30);
  r->memory = aligned_alloc(64, MEMORY);
  mf_error *err = &r->net.err;
  mf_compile_options options = {.reference = reference};
  if (!build(&r->net, &r->arena, seed, dynamic, &r->input) || !mf_isa_detect(&options.isa, err) ||
      !mf_compile(r->net.graph, &options, &r->arena, &bytes, err) ||
      !mf_image_open(bytes, NULL, &r->arena, &image, err))
    return false;
  r->instance = mf_instance_create(image, r->memory, MEMORY, err);
  if (!r->instance) return false;
  mf_tensor *x = mf_instance_input(r->instance, 0);
  memcpy(x->dims, r->input.dims, sizeof x->dims);
  if (!mf_instance_alloc_input(r->instance, 0, err)) return false;
  memcpy(x->data, data, (size_t)mf_tensor_count(&r->input) * sizeof *data);
  return mf_instance_run(r->instance, err);
}

static void compare(const run *fast, const run *plain, uint64_t seed, bool dynamic) {
  for (uint32_t o = 0; o < 3; o++) {
    const mf_tensor *a = mf_instance_output(fast->instance, o),
                    *b = mf_instance_output(plain->instance, o);
    float largest = 0;
    if (!mf_tensor_same_shape(a, b))
      fail_msg("MAYFLY_SEED=%llu%s: output %u has another shape:%s", (unsigned long long)seed,
               dynamic ? " (dynamic)" : "", o, fast->net.story);
    for (int64_t i = 0; i < mf_tensor_count(b); i++)
      largest = fmaxf(largest, fabsf(((float *)b->data)[i]));
    for (int64_t i = 0; i < mf_tensor_count(b); i++) {
      float x = ((float *)a->data)[i], y = ((float *)b->data)[i];
      if (fabsf(x - y) > 1e-3f * fabsf(y) + 1e-4f * largest + 1e-5f)
        fail_msg("MAYFLY_SEED=%llu%s: output %u element %lld is %g, expected %g:%s",
                 (unsigned long long)seed, dynamic ? " (dynamic)" : "", o, (long long)i, (double)x,
                 (double)y, fast->net.story);
    }
  }
}

static uint64_t number_from(const char *variable, uint64_t fallback) {
  const char *text = getenv(variable);
  return text ? strtoull(text, NULL, 10) : fallback;
}

static void check_networks(bool dynamic) {
  static run fast, plain;
  static float data[2 * 12 * 14 * 14];
  uint64_t seed = number_from("MAYFLY_SEED", (uint64_t)mf_now_ns() % 1000000),
           trials = number_from("MAYFLY_TRIALS", 150);
  print_message("seed %llu\n", (unsigned long long)seed);
  for (uint64_t i = seed; i < seed + trials; i++) {
    for (size_t k = 0; k < MF_COUNT(data); k++) data[k] = random_float(-2, 2);
    memset(&fast, 0, sizeof fast);
    memset(&plain, 0, sizeof plain);
    if (!run_network(&plain, i, dynamic, true, data))
      fail_msg("MAYFLY_SEED=%llu, reference: %s:%s", (unsigned long long)i, plain.net.err.message,
               plain.net.story);
    if (!run_network(&fast, i, dynamic, false, data))
      fail_msg("MAYFLY_SEED=%llu: %s:%s", (unsigned long long)i, fast.net.err.message,
               fast.net.story);
    compare(&fast, &plain, i, dynamic);
    free(fast.memory);
    free(plain.memory);
    mf_arena_deinit(&fast.arena);
    mf_arena_deinit(&plain.arena);
  }
}

static void rewritten_networks_compute_the_same(void **state) {
  (void)state;
  check_networks(false);
}
static void rewritten_networks_of_unknown_dimensions_compute_the_same(void **state) {
  (void)state;
  check_networks(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rewritten_networks_compute_the_same),
      cmocka_unit_test(rewritten_networks_of_unknown_dimensions_compute_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
