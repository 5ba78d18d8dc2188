// MatMul and Gemm with a constant right-hand side become mayfly.MatMul, whose matrix is packed at
// compile time; an Add of a constant row behind it becomes its bias.
#include "edit.h"

static mf_node *add_matmul(mf_edit *e, const mf_node *from, const mf_value_id *inputs,
                           uint32_t n_inputs, mf_value_id output, int64_t k, int64_t n,
                           bool transposed) {
  mf_node *node = mf_edit_add(e, "mayfly", "MatMul", 1, from->name, inputs, n_inputs, &output, 1);
  if (!node) return NULL;
  mf_edit_set_int(node, "rows", k);
  mf_edit_set_int(node, "columns", n);
  mf_edit_set_int(node, "transposed", transposed);
  return node;
}

static bool is_float_matrix(const mf_edit *e, mf_value_id id) {
  const mf_tensor *t = mf_edit_tensor(e, id);
  return mf_edit_is_constant(e, id) && t->type == MF_FLOAT && t->rank == 2 && t->dims[0] > 0 &&
         t->dims[1] > 0;
}

static bool matmul(mf_edit *e, mf_node *node) {
  const mf_tensor *x = mf_edit_tensor(e, node->inputs[0]);
  if (!is_float_matrix(e, node->inputs[1]) || x->type != MF_FLOAT || x->data ||
      x->rank == MF_RANK_UNKNOWN || x->rank < 2)
    return mf_edit_keep(e, node);
  const mf_tensor *w = mf_edit_tensor(e, node->inputs[1]);
  int64_t k = w->dims[0], n = w->dims[1];
  mf_edit_kill(e, node);
  return add_matmul(e, node, node->inputs, 2, node->outputs[0], k, n, false);
}

// Does the constant hold one row of n columns?
static bool is_row(const mf_edit *e, mf_value_id id, int64_t n) {
  int64_t count;
  if (!mf_edit_floats(e, id, &count) || count != n) return false;
  const mf_tensor *t = mf_edit_tensor(e, id);
  return t->rank > 0 && t->dims[t->rank - 1] == n;
}

// The row as a vector of one dimension, for the bias.
static bool as_vector(mf_edit *e, mf_value_id id, mf_value_id *vector) {
  mf_tensor t = *mf_edit_tensor(e, id);
  int64_t count = mf_tensor_count(&t);
  if (t.rank == 1) return *vector = id, true;
  if (!mf_edit_constant(e, MF_FLOAT, 1, &count, vector)) return false;
  memcpy(mf_edit_tensor(e, *vector)->data, t.data, (size_t)count * sizeof(float));
  return true;
}

static bool gemm(mf_edit *e, mf_node *node) {
  const mf_tensor *x = mf_edit_tensor(e, node->inputs[0]);
  mf_value_id c = mf_edit_input(node, 2);
  bool transposed = mf_edit_int(node, "transB", 0) != 0;
  if (!is_float_matrix(e, node->inputs[1]) || x->type != MF_FLOAT || x->data || x->rank != 2 ||
      mf_edit_int(node, "transA", 0) || mf_edit_float(node, "alpha", 1) != 1.0f ||
      (c != MF_NO_VALUE && mf_edit_float(node, "beta", 1) != 1.0f))
    return mf_edit_keep(e, node);
  const mf_tensor *w = mf_edit_tensor(e, node->inputs[1]);
  int64_t k = w->dims[transposed ? 1 : 0], n = w->dims[transposed ? 0 : 1];
  if (c != MF_NO_VALUE && (!is_row(e, c, n) || !as_vector(e, c, &c))) return mf_edit_keep(e, node);
  mf_edit_kill(e, node);
  mf_value_id inputs[3] = {node->inputs[0], node->inputs[1], c};
  return add_matmul(e, node, inputs, c == MF_NO_VALUE ? 2 : 3, node->outputs[0], k, n, transposed);
}

static bool bias(mf_edit *e, mf_node *node) {
  for (uint32_t at = 0; at < 2; at++) {
    mf_node *product = mf_edit_sole(e, node->inputs[at], "mayfly", "MatMul");
    mf_value_id row = node->inputs[1 - at], vector;
    if (!product || product->n_inputs != 2) continue;
    int64_t n = mf_edit_int(product, "columns", 0);
    if (!is_row(e, row, n) ||
        mf_edit_tensor(e, row)->rank > mf_edit_tensor(e, product->inputs[0])->rank)
      continue;
    if (!as_vector(e, row, &vector)) return false;
    mf_value_id inputs[3] = {product->inputs[0], product->inputs[1], vector};
    int64_t k = mf_edit_int(product, "rows", 0);
    bool transposed = mf_edit_int(product, "transposed", 0) != 0;
    mf_edit_kill(e, product);
    mf_edit_kill(e, node);
    return add_matmul(e, product, inputs, 3, node->outputs[0], k, n, transposed);
  }
  return mf_edit_keep(e, node);
}

bool mf_pass_linear(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  mf_edit e;
  if (!mf_edit_open(&e, graph, err)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&e, b)) return false;
    for (uint32_t i = 0; i < e.n_old; i++) {
      mf_node *node = e.old[i];
      bool done = mf_edit_is(node, "", "MatMul") ? matmul(&e, node)
                  : mf_edit_is(node, "", "Gemm") ? gemm(&e, node)
                  : mf_edit_is(node, "", "Add")  ? bias(&e, node)
                                                 : mf_edit_keep(&e, node);
      if (!done) return false;
    }
    mf_edit_end(&e);
  }
  return true;
}
