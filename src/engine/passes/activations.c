// Activations in one form: Relu, Clip, HardSigmoid and the like, and the chains of nodes that
// exporters write for HardSwish, SiLU and Gelu, all become mayfly.Activation, which convolutions
// and matrix products then take in (fuse.c).
#include <math.h>

#include "../kernels/activation.h"
#include "edit.h"

static bool is_float(const mf_edit *e, mf_value_id id) {
  return id != MF_NO_VALUE && mf_edit_tensor(e, id)->type == MF_FLOAT;
}

static bool clamp_bounds(const mf_edit *e, const mf_node *node, mf_activation *act) {
  *act = (mf_activation){MF_ACT_CLAMP, mf_edit_float(node, "min", -INFINITY),
                         mf_edit_float(node, "max", INFINITY)};
  if (node->n_inputs > 1 && node->inputs[1] != MF_NO_VALUE &&
      !mf_edit_scalar(e, node->inputs[1], &act->alpha))
    return false;
  if (node->n_inputs > 2 && node->inputs[2] != MF_NO_VALUE &&
      !mf_edit_scalar(e, node->inputs[2], &act->beta))
    return false;
  return act->alpha <= act->beta;
}

static bool single(const mf_edit *e, const mf_node *node, mf_activation *act) {
  *act =
      (mf_activation){MF_ACT_NONE, mf_edit_float(node, "alpha", 0), mf_edit_float(node, "beta", 0)};
  if (mf_edit_is(node, "", "Clip")) return clamp_bounds(e, node, act);
  if (mf_edit_is(node, "", "Relu")) *act = (mf_activation){MF_ACT_CLAMP, 0, INFINITY};
  if (mf_edit_is(node, "", "HardSwish")) *act = (mf_activation){MF_ACT_HARD_SWISH, 1.0f / 6, 0.5f};
  if (mf_edit_is(node, "", "LeakyRelu")) act->kind = MF_ACT_LEAKY_RELU;
  if (mf_edit_is(node, "", "HardSigmoid")) act->kind = MF_ACT_HARD_SIGMOID;
  if (mf_edit_is(node, "", "Sigmoid")) act->kind = MF_ACT_SIGMOID;
  if (mf_edit_is(node, "", "Tanh")) act->kind = MF_ACT_TANH;
  if (mf_edit_is(node, "", "Gelu"))
    act->kind = mf_edit_text_is(node, "approximate", "tanh") ? MF_ACT_FAST_GELU : MF_ACT_GELU;
  return act->kind != MF_ACT_NONE;
}

// For a commutative node: one input is this constant; *other is the other input.
static bool with_constant(const mf_edit *e, const mf_node *node, float *value, mf_value_id *other) {
  for (uint32_t i = 0; i < 2; i++)
    if (mf_edit_scalar(e, node->inputs[i], value)) return *other = node->inputs[1 - i], true;
  return false;
}

// Nodes of a chain that has been recognised, to be removed when it is replaced.
typedef struct chain {
  mf_node *nodes[8];
  uint32_t n;
  mf_value_id x;
} chain;

static mf_node *link(const mf_edit *e, chain *c, mf_value_id id, const char *op) {
  mf_node *node = mf_edit_sole(e, id, "", op);
  if (node) c->nodes[c->n++] = node;
  return node;
}

// value = min(max(alpha * x + beta, 0), 1) * factor, as [Mul alpha] Add Clip, or as an activation
// that was rewritten before.
static bool clipped_line(const mf_edit *e, chain *c, mf_value_id value, float *alpha, float *beta,
                         float *factor) {
  mf_node *clip = mf_edit_sole(e, value, "mayfly", "Activation");
  if (!clip || mf_edit_int(clip, "kind", 0) != MF_ACT_CLAMP ||
      mf_edit_float(clip, "alpha", -1) != 0.0f)
    return false;
  *factor = mf_edit_float(clip, "beta", 0);
  if (!(*factor > 0) || isinf(*factor)) return false;
  c->nodes[c->n++] = clip;
  mf_node *sum = link(e, c, clip->inputs[0], "Add");
  if (!sum || !with_constant(e, sum, beta, &c->x)) return false;
  *beta /= *factor;
  *alpha = 1 / *factor;
  return true;
}

// Mul(x, clip(x + 3, 0, 6)) / 6, the division (or multiplication by 1/6) on either side of the
// product.
static bool hard_swish(const mf_edit *e, mf_node *last, chain *c, mf_activation *act) {
  float scale = 1, alpha, beta, factor;
  mf_node *product = last;
  mf_value_id other = MF_NO_VALUE;
  *c = (chain){.nodes = {last}, .n = 1};
  if (mf_edit_is(last, "", "Div")) {
    if (!mf_edit_scalar(e, last->inputs[1], &scale)) return false;
    scale = 1 / scale;
    product = link(e, c, last->inputs[0], "Mul");
  } else if (with_constant(e, last, &scale, &other)) {
    product = link(e, c, other, "Mul");
  } else {
    scale = 1;
  }
  if (!product || !is_float(e, product->inputs[0])) return false;
  for (uint32_t i = 0; i < 2; i++) {
    uint32_t before = c->n;
    mf_value_id gate = product->inputs[i];
    float inner = scale;
    mf_node *divided = mf_edit_sole(e, gate, "", "Div");
    float divisor;
    if (divided && mf_edit_scalar(e, divided->inputs[1], &divisor)) {
      inner /= divisor;
      c->nodes[c->n++] = divided;
      gate = divided->inputs[0];
    }
    if (clipped_line(e, c, gate, &alpha, &beta, &factor) && c->x == product->inputs[1 - i] &&
        fabsf(factor * inner - 1) < 1e-5f) {
      *act = (mf_activation){MF_ACT_HARD_SWISH, alpha, beta};
      return true;
    }
    c->n = before;
  }
  return false;
}

// Mul(x, Sigmoid(x)) and Mul(x, HardSigmoid(x)).
static bool gated(const mf_edit *e, mf_node *last, chain *c, mf_activation *act) {
  for (uint32_t i = 0; i < 2; i++) {
    mf_node *gate = mf_edit_sole(e, last->inputs[i], "mayfly", "Activation");
    if (!gate || gate->inputs[0] != last->inputs[1 - i]) continue;
    int64_t kind = mf_edit_int(gate, "kind", 0);
    if (kind != MF_ACT_SIGMOID && kind != MF_ACT_HARD_SIGMOID) continue;
    *act = (mf_activation){kind == MF_ACT_SIGMOID ? MF_ACT_SILU : MF_ACT_HARD_SWISH,
                           mf_edit_float(gate, "alpha", 0), mf_edit_float(gate, "beta", 0)};
    *c = (chain){.nodes = {last, gate}, .n = 2, .x = gate->inputs[0]};
    return true;
  }
  return false;
}

// clip(x + 3, 0, 6) / 6 alone.
static bool hard_sigmoid(const mf_edit *e, mf_node *last, chain *c, mf_activation *act) {
  float scale, alpha, beta, factor;
  mf_value_id other;
  *c = (chain){.nodes = {last}, .n = 1};
  if (mf_edit_is(last, "", "Div")) {
    if (!mf_edit_scalar(e, last->inputs[1], &scale)) return false;
    scale = 1 / scale;
    other = last->inputs[0];
  } else if (!with_constant(e, last, &scale, &other)) {
    return false;
  }
  if (!clipped_line(e, c, other, &alpha, &beta, &factor) || fabsf(factor * scale - 1) >= 1e-5f)
    return false;
  *act = (mf_activation){MF_ACT_HARD_SIGMOID, alpha, beta};
  return is_float(e, c->x);
}

// A product of three factors: x, 1/2 and 1 + erf(x / sqrt 2), in any order of multiplication.
static bool gelu(const mf_edit *e, mf_node *last, chain *c, mf_activation *act) {
  mf_value_id factors[3];
  for (uint32_t i = 0; i < 2; i++) {
    *c = (chain){.nodes = {last}, .n = 1};
    mf_node *inner = link(e, c, last->inputs[i], "Mul");
    if (!inner) continue;
    factors[0] = last->inputs[1 - i], factors[1] = inner->inputs[0], factors[2] = inner->inputs[1];
    float half = 0, one = 0, root = 0;
    mf_value_id argument = MF_NO_VALUE, x = MF_NO_VALUE, line;
    for (uint32_t k = 0; k < 3; k++) {
      mf_node *sum = mf_edit_sole(e, factors[k], "", "Add");
      if (mf_edit_scalar(e, factors[k], &half)) continue;
      if (!sum || !with_constant(e, sum, &one, &argument)) {
        x = factors[k];
        continue;
      }
      c->nodes[c->n++] = sum;
    }
    mf_node *erf = argument == MF_NO_VALUE ? NULL : link(e, c, argument, "Erf");
    if (!erf || x == MF_NO_VALUE || half != 0.5f || one != 1.0f) continue;
    mf_node *scaled = mf_edit_sole(e, erf->inputs[0], "", "Mul");
    mf_node *divided = mf_edit_sole(e, erf->inputs[0], "", "Div");
    if (scaled && !with_constant(e, scaled, &root, &line)) continue;
    if (!scaled && divided && mf_edit_scalar(e, divided->inputs[1], &root))
      root = 1 / root, line = divided->inputs[0];
    else if (!scaled)
      continue;
    if (line != x || fabsf(root - 0.70710678f) > 1e-5f || !is_float(e, x)) continue;
    c->nodes[c->n++] = scaled ? scaled : divided;
    c->x = x;
    *act = (mf_activation){MF_ACT_GELU, 0, 0};
    return true;
  }
  return false;
}

static bool replace(mf_edit *e, const mf_node *node, mf_value_id x, const mf_activation *act) {
  mf_node *made =
      mf_edit_add(e, "mayfly", "Activation", 1, node->name, &x, 1, &node->outputs[0], 1);
  if (!made) return false;
  mf_edit_set_int(made, "kind", act->kind);
  mf_edit_set_float(made, "alpha", act->alpha);
  mf_edit_set_float(made, "beta", act->beta);
  return true;
}

// com.microsoft's Gelu and FastGelu; the bias of the latter is an Add.
static bool visit_microsoft(mf_edit *e, mf_node *node, bool fast) {
  mf_value_id x = node->inputs[0], bias = mf_edit_input(node, 1), sum;
  mf_edit_kill(e, node);
  if (bias != MF_NO_VALUE) {
    mf_tensor like = *mf_edit_tensor(e, x);
    if (!mf_edit_value_like(e, &like, &sum) ||
        !mf_edit_add(e, "", "Add", 13, node->name, (mf_value_id[]){x, bias}, 2, &sum, 1))
      return false;
    x = sum;
  }
  return replace(e, node, x, &(mf_activation){fast ? MF_ACT_FAST_GELU : MF_ACT_GELU, 0, 0});
}

static bool visit(mf_edit *e, mf_node *node) {
  bool fast_gelu = mf_edit_is(node, "com.microsoft", "FastGelu");
  if ((fast_gelu || mf_edit_is(node, "com.microsoft", "Gelu")) && is_float(e, node->inputs[0]))
    return visit_microsoft(e, node, fast_gelu);
  mf_activation act;
  chain c;
  bool product = mf_edit_is(node, "", "Mul"), quotient = mf_edit_is(node, "", "Div");
  if (node->n_inputs && is_float(e, node->inputs[0]) && single(e, node, &act)) {
    mf_value_id x = node->inputs[0];
    mf_edit_kill(e, node);
    return replace(e, node, x, &act);
  }
  bool found = ((product || quotient) &&
                (hard_swish(e, node, &c, &act) || hard_sigmoid(e, node, &c, &act))) ||
               (product && (gated(e, node, &c, &act) || gelu(e, node, &c, &act)));
  if (!found) return mf_edit_keep(e, node);
  for (uint32_t i = 0; i < c.n; i++) mf_edit_kill(e, c.nodes[i]);
  return replace(e, node, c.x, &act);
}

bool mf_pass_activations(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  mf_edit e;
  if (!mf_edit_open(&e, graph, err)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&e, b)) return false;
    for (uint32_t i = 0; i < e.n_old; i++)
      if (!visit(&e, e.old[i])) return false;
    mf_edit_end(&e);
  }
  return true;
}
