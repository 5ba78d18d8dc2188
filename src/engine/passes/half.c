// Arithmetic on float16 is done in float32: no instruction set here computes on it, and rounding
// after every node would cost both time and accuracy. Walking forward, a float16 value that was
// computed has a float32 twin; operators that compute work on twins, constants are converted, and
// Casts are inserted where the model's edge or another operator needs float16.
#include <stdio.h>

#include "edit.h"

typedef struct half_pass {
  mf_edit e;
  mf_value_id *twins;
  bool *pending;  // has a twin, but the float16 value itself has not been made
  uint32_t capacity;
} half_pass;

static bool grow_twins(half_pass *h) {
  uint32_t wanted = h->e.graph->n_values;
  if (wanted <= h->capacity) return true;
  uint32_t capacity = wanted * 2;
  mf_value_id *twins = MF_NEW_ARRAY(h->e.graph->arena, mf_value_id, capacity);
  bool *pending = MF_NEW_ARRAY(h->e.graph->arena, bool, capacity);
  if (!twins || !pending) return mf_out_of_arena(h->e.err);
  for (uint32_t i = 0; i < capacity; i++) twins[i] = i < h->capacity ? h->twins[i] : MF_NO_VALUE;
  for (uint32_t i = 0; i < h->capacity; i++) pending[i] = h->pending[i];
  h->twins = twins;
  h->pending = pending;
  h->capacity = capacity;
  return true;
}

static bool is_half(const half_pass *h, mf_value_id id) {
  return id != MF_NO_VALUE && mf_edit_tensor(&h->e, id)->type == MF_FLOAT16;
}

// Operators that compute, between blanks.
static const char computing[] =
    " Conv ConvTranspose MatMul Gemm BatchNormalization InstanceNormalization "
    "LayerNormalization LSTM GRU RNN MaxPool AveragePool GlobalAveragePool GlobalMaxPool "
    "Softmax LogSoftmax Add Sub Mul Div Pow Min Max Sum Mean Relu LeakyRelu PRelu Clip "
    "Sigmoid Tanh Exp Log Sqrt Erf Abs Neg Reciprocal Floor Ceil HardSigmoid HardSwish Elu "
    "Selu Softplus Gelu Identity Dropout Concat Split Slice Pad Resize Upsample Transpose "
    "Reshape Flatten Squeeze Unsqueeze Expand ReduceMean ReduceSum ReduceMax ReduceMin "
    "ReduceL2 DepthToSpace SpaceToDepth Where ";

static bool computes(const mf_node *node) {
  char wanted[64];
  if (*node->op->domain) return false;
  int len = snprintf(wanted, sizeof wanted, " %s ", node->op->name);
  return len < (int)sizeof wanted && strstr(computing, wanted);
}

static bool new_twin(half_pass *h, mf_value_id id, mf_value_id *twin) {
  mf_tensor like = *mf_edit_tensor(&h->e, id);
  like.type = MF_FLOAT;
  if (!mf_edit_value_like(&h->e, &like, twin) || !grow_twins(h)) return false;
  h->twins[id] = *twin;
  return true;
}

static bool cast(half_pass *h, mf_value_id from, mf_value_id to, mf_type type) {
  mf_node *node = mf_edit_add(&h->e, "", "Cast", 13, (mf_str){NULL, 0}, &from, 1, &to, 1);
  if (node) mf_edit_set_int(node, "to", type);
  return node != NULL;
}

static bool converted_constant(half_pass *h, mf_value_id id, mf_value_id *twin) {
  mf_tensor t = *mf_edit_tensor(&h->e, id);
  if (!mf_edit_constant(&h->e, MF_FLOAT, t.rank, t.dims, twin) || !grow_twins(h)) return false;
  float *to = mf_edit_tensor(&h->e, *twin)->data;
  for (int64_t i = 0; i < mf_tensor_count(&t); i++)
    to[i] = mf_half_to_float(((const uint16_t *)t.data)[i]);
  h->twins[id] = *twin;
  return true;
}

static bool want(half_pass *h, mf_value_id id, mf_value_id *twin) {
  if (h->twins[id] != MF_NO_VALUE) return *twin = h->twins[id], true;
  if (mf_edit_is_constant(&h->e, id)) return converted_constant(h, id, twin);
  return new_twin(h, id, twin) && cast(h, id, *twin, MF_FLOAT);
}

static bool materialise(half_pass *h, mf_value_id id) {
  if (id == MF_NO_VALUE || !h->pending[id]) return true;
  h->pending[id] = false;
  return cast(h, h->twins[id], id, MF_FLOAT16);
}

static bool widen(half_pass *h, mf_node *node) {
  mf_value_id *inputs = MF_NEW_ARRAY(h->e.graph->arena, mf_value_id, node->n_inputs + 1);
  mf_value_id *outputs = MF_NEW_ARRAY(h->e.graph->arena, mf_value_id, node->n_outputs + 1);
  if (!inputs || !outputs) return mf_out_of_arena(h->e.err);
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    inputs[i] = node->inputs[i];
    if (is_half(h, inputs[i]) && !want(h, node->inputs[i], &inputs[i])) return false;
  }
  for (uint32_t i = 0; i < node->n_outputs; i++) {
    outputs[i] = node->outputs[i];
    if (!is_half(h, outputs[i])) continue;
    if (!new_twin(h, node->outputs[i], &outputs[i])) return false;
    h->pending[node->outputs[i]] = true;
  }
  if (!mf_edit_copy(&h->e, node, inputs, outputs)) return false;
  mf_edit_kill(&h->e, node);
  for (uint32_t i = 0; i < node->n_outputs; i++)
    if (node->outputs[i] != MF_NO_VALUE && mf_edit_captured(&h->e, node->outputs[i]) &&
        !materialise(h, node->outputs[i]))
      return false;
  return true;
}

static bool visit(half_pass *h, mf_node *node) {
  bool any = false;
  for (uint32_t i = 0; i < node->n_inputs; i++) any |= is_half(h, node->inputs[i]);
  if (any && computes(node)) return widen(h, node);
  // A Cast to float32 of something that is float32 already.
  if (mf_edit_is(node, "", "Cast") && is_half(h, node->inputs[0]) && h->pending[node->inputs[0]] &&
      mf_edit_int(node, "to", 0) == MF_FLOAT) {
    mf_edit_kill(&h->e, node);
    return mf_edit_add(&h->e, "", "Identity", 13, node->name, &h->twins[node->inputs[0]], 1,
                       &node->outputs[0], 1) != NULL;
  }
  for (uint32_t i = 0; i < node->n_inputs; i++)
    if (!materialise(h, node->inputs[i])) return false;
  return mf_edit_keep(&h->e, node);
}

// A twin is of use in the body that made it only.
static void forget_twins(half_pass *h) {
  for (uint32_t i = 0; i < h->e.n_touched; i++) {
    h->twins[h->e.touched[i]] = MF_NO_VALUE;
    h->pending[h->e.touched[i]] = false;
  }
}

bool mf_pass_half(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  half_pass h = {0};
  if (!mf_edit_open(&h.e, graph, err) || !grow_twins(&h)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&h.e, b)) return false;
    for (uint32_t i = 0; i < h.e.n_old; i++)
      if (!visit(&h, h.e.old[i])) return false;
    forget_twins(&h);
    mf_edit_end(&h.e);
  }
  return true;
}
