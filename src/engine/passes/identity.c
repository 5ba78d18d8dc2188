// Nodes that change nothing go, and those who used their result use their input: Identity, Dropout
// at inference, Mul by 1, Add of 0. Outputs of bodies keep their Identity: an output has to be a
// value of its own.
#include "edit.h"

static bool is_number(const mf_edit *e, mf_value_id id, float wanted, mf_value_id other) {
  float value;
  if (id == MF_NO_VALUE) return false;
  const mf_tensor *t = mf_edit_tensor(e, id), *x = mf_edit_tensor(e, other);
  return mf_edit_scalar(e, id, &value) && value == wanted && x->type == MF_FLOAT &&
         x->rank != MF_RANK_UNKNOWN && t->rank <= x->rank;
}

// The value that the node's result equals; MF_NO_VALUE: none.
static mf_value_id same_as(const mf_edit *e, const mf_node *node) {
  bool dropout = mf_edit_is(node, "", "Dropout") &&
                 (node->n_outputs < 2 || node->outputs[1] == MF_NO_VALUE ||
                  !e->values[node->outputs[1]].uses) &&
                 mf_edit_input(node, 2) == MF_NO_VALUE && !mf_edit_int(node, "is_test", 0) &&
                 !mf_edit_int(node, "training_mode", 0);
  if (mf_edit_is(node, "", "Identity") || dropout) return node->inputs[0];
  bool product = mf_edit_is(node, "", "Mul"), sum = mf_edit_is(node, "", "Add");
  for (uint32_t at = 0; at < 2 && (product || sum); at++)
    if (is_number(e, node->inputs[1 - at], product ? 1 : 0, node->inputs[at]))
      return node->inputs[at];
  return MF_NO_VALUE;
}

// One step suffices: who comes first is resolved before it is entered.
static mf_value_id resolve(const mf_value_id *same, mf_value_id id) {
  return id == MF_NO_VALUE || same[id] == MF_NO_VALUE ? id : same[id];
}

static void rename_inputs(mf_graph *graph, const mf_value_id *same) {
  for (uint32_t b = 0; b < graph->n_bodies; b++)
    for (uint32_t i = 0; i < graph->bodies[b]->n_nodes; i++) {
      mf_node *node = graph->bodies[b]->nodes[i];
      for (uint32_t k = 0; k < node->n_inputs; k++)
        node->inputs[k] = resolve(same, node->inputs[k]);
    }
}

bool mf_pass_identity(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  mf_value_id *same = MF_NEW_ARRAY(graph->arena, mf_value_id, graph->n_values + 1);
  if (!same) return mf_out_of_arena(err);
  for (uint32_t v = 0; v < graph->n_values; v++) same[v] = MF_NO_VALUE;
  mf_edit e;
  if (!mf_edit_open(&e, graph, err)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&e, b)) return false;
    for (uint32_t i = 0; i < e.n_old; i++) {
      mf_node *node = e.old[i];
      mf_value_id x = same_as(&e, node);
      if (x != MF_NO_VALUE && !e.values[node->outputs[0]].output)
        same[node->outputs[0]] = resolve(same, x);
      else if (!mf_edit_keep(&e, node))
        return false;
    }
    mf_edit_end(&e);
  }
  rename_inputs(graph, same);
  return true;
}
