// Affine arithmetic behind a convolution moves into its weights: BatchNormalization, and Mul, Div,
// Add, Sub by a constant for each channel. A BatchNormalization that follows no convolution becomes
// one Mul and one Add.
#include <math.h>

#include "edit.h"

// y = x * scale + shift for each channel.
typedef struct affine {
  float *scale, *shift;
  int64_t channels;
} affine;

static bool affine_alloc(const mf_edit *e, int64_t channels, affine *a) {
  a->channels = channels;
  a->scale = MF_NEW_ARRAY(e->graph->arena, float, (size_t)channels);
  a->shift = MF_NEW_ARRAY(e->graph->arena, float, (size_t)channels);
  return a->scale && a->shift;
}

static bool affine_of_batch_norm(const mf_edit *e, const mf_node *node, affine *a) {
  int64_t n[4] = {0};
  const float *p[4];
  if (mf_edit_int(node, "training_mode", 0) || !mf_edit_int(node, "spatial", 1)) return false;
  for (uint32_t i = 0; i < 4; i++)
    if (!(p[i] = mf_edit_floats(e, mf_edit_input(node, 1 + i), &n[i])) || n[i] != n[0])
      return false;
  if (!affine_alloc(e, n[0], a)) return false;
  double epsilon = (double)mf_edit_float(node, "epsilon", 1e-5f);
  for (int64_t c = 0; c < n[0]; c++) {
    double scale = (double)p[0][c] / sqrt((double)p[3][c] + epsilon);
    a->scale[c] = (float)scale;
    a->shift[c] = (float)((double)p[1][c] - (double)p[2][c] * scale);
  }
  return true;
}

// The constant has one element, or one for each channel in the place where channels (dimension 1 of
// `rank`) are.
static const float *per_channel(const mf_edit *e, mf_value_id id, uint32_t rank, int64_t channels,
                                int64_t *count) {
  const float *data = mf_edit_floats(e, id, count);
  if (!data || *count == 1) return data && mf_edit_tensor(e, id)->rank <= rank ? data : NULL;
  const mf_tensor *t = mf_edit_tensor(e, id);
  if (*count != channels || t->rank > rank || t->rank + 1 < rank) return NULL;
  return t->dims[t->rank + 1 - rank] == channels ? data
                                                 : NULL;  // rank - 2 dimensions of 1 follow it
}

static bool affine_of_arithmetic(const mf_edit *e, const mf_node *node, uint32_t constant_at,
                                 uint32_t rank, int64_t channels, affine *a) {
  int64_t count;
  const float *c = per_channel(e, node->inputs[constant_at], rank, channels, &count);
  if (!c || !affine_alloc(e, channels, a)) return false;
  for (int64_t i = 0; i < channels; i++) {
    float v = c[count == 1 ? 0 : i];
    a->scale[i] = 1;
    if (mf_edit_is(node, "", "Mul"))
      a->scale[i] = v;
    else if (mf_edit_is(node, "", "Add"))
      a->shift[i] = v;
    else if (mf_edit_is(node, "", "Sub") && constant_at == 1)
      a->shift[i] = -v;
    else if (mf_edit_is(node, "", "Div") && constant_at == 1)
      a->scale[i] = 1 / v;
    else
      return false;
  }
  return true;
}

// ---- into the convolution ----
typedef struct convolution {
  mf_node *node;
  bool transposed;
  int64_t channels;
  uint32_t rank;
} convolution;

static bool find_convolution(const mf_edit *e, mf_value_id id, convolution *c) {
  c->node = mf_edit_sole(e, id, "", "Conv");
  c->transposed = false;
  if (!c->node) {
    c->node = mf_edit_sole(e, id, "", "ConvTranspose");
    c->transposed = true;
    if (c->node && mf_edit_int(c->node, "group", 1) != 1) return false;
  }
  int64_t count, bias_count;
  if (!c->node || !mf_edit_floats(e, c->node->inputs[1], &count)) return false;
  const mf_tensor *w = mf_edit_tensor(e, c->node->inputs[1]);
  mf_value_id bias = mf_edit_input(c->node, 2);
  c->channels = w->dims[c->transposed ? 1 : 0];
  c->rank = w->rank;
  return bias == MF_NO_VALUE || (mf_edit_floats(e, bias, &bias_count) && bias_count == c->channels);
}

static bool scaled_weights(mf_edit *e, const convolution *c, const affine *a, mf_value_id *id) {
  const mf_value_id from = c->node->inputs[1];
  mf_tensor w = *mf_edit_tensor(e, from);
  if (!mf_edit_constant(e, MF_FLOAT, w.rank, w.dims, id)) return false;
  int64_t outer = c->transposed ? w.dims[0] : 1,
          inner = mf_tensor_span(&w, c->transposed ? 2 : 1, w.rank);
  const float *in = w.data;
  float *out = mf_edit_tensor(e, *id)->data;
  for (int64_t o = 0; o < outer; o++)
    for (int64_t channel = 0; channel < c->channels; channel++)
      for (int64_t i = 0; i < inner; i++) *out++ = *in++ * a->scale[channel];
  return true;
}

static bool shifted_bias(mf_edit *e, const convolution *c, const affine *a, mf_value_id *id) {
  int64_t count;
  const float *old = mf_edit_floats(e, mf_edit_input(c->node, 2), &count);
  if (!mf_edit_constant(e, MF_FLOAT, 1, &c->channels, id)) return false;
  float *out = mf_edit_tensor(e, *id)->data;
  for (int64_t i = 0; i < c->channels; i++) out[i] = (old ? old[i] * a->scale[i] : 0) + a->shift[i];
  return true;
}

// The convolution again, with its weights changed, making what `behind` made.
static bool absorb(mf_edit *e, const convolution *c, const affine *a, mf_node *behind) {
  mf_value_id inputs[3] = {c->node->inputs[0]};
  if (!scaled_weights(e, c, a, &inputs[1]) || !shifted_bias(e, c, a, &inputs[2])) return false;
  mf_node *node = mf_edit_add(e, "", c->node->op->name, c->node->opset, c->node->name, inputs, 3,
                              &behind->outputs[0], 1);
  if (!node) return false;
  memcpy(node->attributes, c->node->attributes, node->op->n_attributes * sizeof *node->attributes);
  mf_edit_kill(e, c->node);
  mf_edit_kill(e, behind);
  return true;
}

static bool channel_constant(mf_edit *e, const float *values, int64_t channels, uint32_t rank,
                             mf_value_id *id) {
  int64_t dims[MF_MAX_RANK] = {channels, 1, 1, 1, 1, 1, 1, 1};
  if (!mf_edit_constant(e, MF_FLOAT, rank - 1, dims, id)) return false;
  memcpy(mf_edit_tensor(e, *id)->data, values, (size_t)channels * sizeof *values);
  return true;
}

static bool spell_out_batch_norm(mf_edit *e, mf_node *node, const affine *a) {
  mf_tensor x = *mf_edit_tensor(e, node->inputs[0]);
  mf_value_id scale, shift, product;
  if (!channel_constant(e, a->scale, a->channels, x.rank, &scale) ||
      !channel_constant(e, a->shift, a->channels, x.rank, &shift) ||
      !mf_edit_value_like(e, &x, &product))
    return false;
  int64_t opset = 13;
  if (!mf_edit_add(e, "", "Mul", opset, node->name, (mf_value_id[]){node->inputs[0], scale}, 2,
                   &product, 1))
    return false;
  if (!mf_edit_add(e, "", "Add", opset, node->name, (mf_value_id[]){product, shift}, 2,
                   &node->outputs[0], 1))
    return false;
  mf_edit_kill(e, node);
  return true;
}

static bool other_outputs_unused(const mf_edit *e, const mf_node *node) {
  for (uint32_t i = 1; i < node->n_outputs; i++)
    if (node->outputs[i] != MF_NO_VALUE && e->values[node->outputs[i]].uses) return false;
  return true;
}

static bool batch_norm(mf_edit *e, mf_node *node) {
  convolution c;
  affine a;
  if (!other_outputs_unused(e, node) || !affine_of_batch_norm(e, node, &a))
    return mf_edit_keep(e, node);
  if (find_convolution(e, node->inputs[0], &c) && c.channels == a.channels)
    return absorb(e, &c, &a, node);
  const mf_tensor *x = mf_edit_tensor(e, node->inputs[0]);
  if (x->rank == MF_RANK_UNKNOWN || x->rank < 2) return mf_edit_keep(e, node);
  return spell_out_batch_norm(e, node, &a);
}

static bool arithmetic(mf_edit *e, mf_node *node) {
  convolution c;
  affine a;
  for (uint32_t at = 0; at < 2; at++)
    if (mf_edit_is_constant(e, node->inputs[1 - at]) && find_convolution(e, node->inputs[at], &c) &&
        affine_of_arithmetic(e, node, 1 - at, c.rank, c.channels, &a))
      return absorb(e, &c, &a, node);
  return mf_edit_keep(e, node);
}

bool mf_pass_fold_affine(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  mf_edit e;
  if (!mf_edit_open(&e, graph, err)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&e, b)) return false;
    for (uint32_t i = 0; i < e.n_old; i++) {
      mf_node *node = e.old[i];
      bool is_arithmetic = mf_edit_is(node, "", "Add") || mf_edit_is(node, "", "Mul") ||
                           mf_edit_is(node, "", "Sub") || mf_edit_is(node, "", "Div");
      bool done = mf_edit_is(node, "", "BatchNormalization") ? batch_norm(&e, node)
                  : is_arithmetic                            ? arithmetic(&e, node)
                                                             : mf_edit_keep(&e, node);
      if (!done) return false;
    }
    mf_edit_end(&e);
  }
  return true;
}
