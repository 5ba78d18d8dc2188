// What follows a convolution or matrix product is done while its result is still in registers: the
// Add of another value of the same shape (a residual), then an activation.
#include "../kernels/activation.h"
#include "symbols.h"

static mf_node *open_product(const mf_edit *e, mf_value_id id) {
  static const char *const names[] = {"Conv", "MatMul", "ConvTranspose"};
  for (uint32_t i = 0; i < MF_COUNT(names); i++) {
    mf_node *node = mf_edit_sole(e, id, "mayfly", names[i]);
    if (node && mf_edit_int(node, "activation", 0) == MF_ACT_NONE) return node;
  }
  return NULL;
}

static bool activation(mf_edit *e, mf_node *node) {
  mf_node *product = open_product(e, node->inputs[0]);
  if (!product) return mf_edit_keep(e, node);
  mf_edit_set_int(product, "activation", mf_edit_int(node, "kind", 0));
  mf_edit_set_float(product, "alpha", mf_edit_float(node, "alpha", 0));
  mf_edit_set_float(product, "beta", mf_edit_float(node, "beta", 0));
  mf_edit_set_float(product, "scale", mf_edit_float(node, "scale", 1));
  mf_edit_set_float(product, "shift", mf_edit_float(node, "shift", 0));
  product->outputs[0] = node->outputs[0];
  e->values[node->outputs[0]].producer = product;
  mf_edit_kill(e, node);
  return true;
}

// Depthwise convolutions have a kernel of their own that takes no residual.
static bool takes_residual(const mf_node *product) {
  return !mf_edit_is(product, "mayfly", "ConvTranspose") && product->n_inputs < 4 &&
         mf_edit_int(product, "group", 1) == 1;
}

static bool residual(mf_edit *e, mf_symbols *symbols, mf_node *node) {
  for (uint32_t at = 2; at-- > 0;) {
    mf_value_id other = node->inputs[1 - at];
    mf_node *product = open_product(e, node->inputs[at]);
    if (!product || other == node->inputs[at] || !takes_residual(product) ||
        mf_edit_is_constant(e, other) ||
        !mf_symbols_same_shape(symbols, e, node->inputs[at], other))
      continue;
    mf_value_id inputs[4] = {product->inputs[0], product->inputs[1], mf_edit_input(product, 2),
                             other};
    mf_node *made = mf_edit_add(e, "mayfly", product->op->name, 1, product->name, inputs, 4,
                                &node->outputs[0], 1);
    if (!made) return false;
    memcpy(made->attributes, product->attributes,
           product->op->n_attributes * sizeof *made->attributes);
    mf_edit_kill(e, product);
    mf_edit_kill(e, node);
    return true;
  }
  return mf_edit_keep(e, node);
}

// A number times, or plus, what an activation made: some networks learn such a scale and shift for
// each layer.
static bool scale_or_shift(mf_edit *e, mf_node *node, bool *done) {
  static const struct {
    const char *name, *kind;
  } makers[] = {{"Conv", "activation"},
                {"MatMul", "activation"},
                {"ConvTranspose", "activation"},
                {"Activation", "kind"}};
  bool product = mf_edit_is(node, "", "Mul");
  for (uint32_t at = 0; at < 2; at++) {
    float number;
    mf_value_id made = node->inputs[at];
    if (!mf_edit_scalar(e, node->inputs[1 - at], &number) ||
        mf_edit_tensor(e, node->inputs[1 - at])->rank > 1)
      continue;
    for (uint32_t i = 0; i < MF_COUNT(makers); i++) {
      mf_node *maker = mf_edit_sole(e, made, "mayfly", makers[i].name);
      if (!maker || mf_edit_int(maker, makers[i].kind, 0) <= MF_ACT_CLAMP ||
          mf_edit_tensor(e, made)->rank == 0)
        continue;
      float scale = mf_edit_float(maker, "scale", 1), shift = mf_edit_float(maker, "shift", 0);
      mf_edit_set_float(maker, "scale", product ? scale * number : scale);
      mf_edit_set_float(maker, "shift", product ? shift * number : shift + number);
      maker->outputs[0] = node->outputs[0];
      e->values[node->outputs[0]].producer = maker;
      mf_edit_kill(e, node);
      return *done = true;
    }
  }
  return true;
}

static bool visit(mf_edit *e, mf_symbols *symbols, mf_node *node) {
  bool done = false, sum = mf_edit_is(node, "", "Add");
  if ((sum || mf_edit_is(node, "", "Mul")) && (!scale_or_shift(e, node, &done) || done))
    return done;
  if (sum) return residual(e, symbols, node);
  return mf_edit_is(node, "mayfly", "Activation") ? activation(e, node) : mf_edit_keep(e, node);
}

bool mf_pass_fuse(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  mf_edit e;
  mf_symbols symbols;
  if (!mf_edit_open(&e, graph, err) || !mf_symbols_init(&symbols, &e)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&e, b)) return false;
    for (uint32_t i = 0; i < e.n_old; i++) {
      mf_node *node = e.old[i];
      mf_symbols_visit(&symbols, &e, node);
      if (!visit(&e, &symbols, node)) return false;
    }
    mf_edit_end(&e);
  }
  return true;
}
