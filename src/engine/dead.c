// Dead code: nodes whose results nobody uses go, bodies that no node runs are emptied; an If whose condition is known becomes the
// branch that it takes.
#include "compile.h"

#include "passes/passes.h"

static bool is_if(const mf_node *node) { return *node->op->domain == 0 && strcmp(node->op->name, "If") == 0; }

static bool condition(const mf_graph *graph, const mf_node *node, bool *value) {
  const mf_tensor *t = node->inputs[0] == MF_NO_VALUE ? NULL : &graph->values[node->inputs[0]].tensor;
  if (!t || !t->data || t->type != MF_BOOL || mf_tensor_count(t) != 1) return false;
  *value = *(const uint8_t *)t->data != 0;
  return true;
}

static bool branch_of(const mf_node *node, bool condition_value, uint32_t *number) {
  const char *wanted = condition_value ? "then_branch" : "else_branch";
  for (uint32_t i = 0; i < node->op->n_attributes; i++)
    if (strcmp(node->op->attributes[i].name, wanted) == 0) return *number = (uint32_t)node->attributes[i].i, true;
  return false;
}

static bool append(mf_graph *graph, uint32_t number, mf_node *node, bool *changed, mf_error *err);

// The branch's nodes take the If's place, then an Identity (no copy at run time) hands each result over.
static bool splice(mf_graph *graph, uint32_t number, mf_node *node, uint32_t branch_number, bool *changed, mf_error *err) {
  mf_body *branch = graph->bodies[branch_number];
  if (branch->n_outputs != node->n_outputs)
    return mf_fail(err, MF_InvalidModel, "its branch has %u outputs, expected %u", branch->n_outputs, node->n_outputs);
  for (uint32_t i = 0; i < branch->n_nodes; i++)
    if (!append(graph, number, branch->nodes[i], changed, err)) return mf_node_error(branch->nodes[i], i, err);
  branch->n_nodes = 0;
  for (uint32_t i = 0; i < node->n_outputs; i++)
    if (node->outputs[i] != MF_NO_VALUE &&
        !mf_graph_add_node(graph, number, UINT32_MAX, "", "Identity", node->opset, node->name, &branch->outputs[i], 1, &node->outputs[i], 1,
                           NULL, 0, err))
      return false;
  return *changed = true;
}

static bool is_decided(const mf_graph *graph, const mf_node *node, uint32_t *branch) {
  bool value;
  return is_if(node) && condition(graph, node, &value) && branch_of(node, value, branch);
}

// Calls itself through splice for Ifs in branches, which the reader has bounded.
static bool append(mf_graph *graph, uint32_t number, mf_node *node, bool *changed, mf_error *err) {
  uint32_t branch;
  if (is_decided(graph, node, &branch)) return splice(graph, number, node, branch, changed, err);
  return mf_graph_append(graph, number, node, err);
}

static bool inline_in(mf_graph *graph, uint32_t number, bool *changed, mf_error *err) {
  mf_body *body = graph->bodies[number];
  mf_node **old = body->nodes;
  const uint32_t n_old = body->n_nodes;
  uint32_t first = 0, branch;
  while (first < n_old && !is_decided(graph, old[first], &branch)) first++;
  if (first == n_old) return true;
  body->nodes_capacity = n_old + 16;
  body->nodes = MF_NEW_ARRAY(graph->arena, mf_node *, body->nodes_capacity);
  if (!body->nodes) return mf_out_of_arena(err);
  memcpy(body->nodes, old, first * sizeof *old);
  body->n_nodes = first;
  for (uint32_t i = first; i < n_old; i++)
    if (!append(graph, number, old[i], changed, err)) return mf_node_error(old[i], i, err);
  return true;
}

bool mf_inline_branches(mf_graph *graph, bool *changed, mf_error *err) {
  for (uint32_t b = 0; b < graph->n_bodies; b++)
    if (!inline_in(graph, b, changed, err)) return false;
  return true;
}

typedef struct marker {
  const mf_graph *graph;
  bool *used;     // by value
  bool *reached;  // by body
} marker;

static bool wanted(const marker *m, const mf_node *node) {
  for (uint32_t i = 0; i < node->n_outputs; i++)
    if (node->outputs[i] != MF_NO_VALUE && m->used[node->outputs[i]]) return true;
  return false;
}

static bool mark_body(void *context, uint32_t number, mf_error *err) {
  marker *m = context;
  const mf_body *body = m->graph->bodies[number];
  m->reached[number] = true;
  for (uint32_t i = 0; i < body->n_outputs; i++) m->used[body->outputs[i]] = true;
  for (uint32_t i = body->n_nodes; i-- > 0;) {
    mf_node *node = body->nodes[i];
    node->dead |= !wanted(m, node);
    if (node->dead) continue;
    for (uint32_t k = 0; k < node->n_inputs; k++)
      if (node->inputs[k] != MF_NO_VALUE) m->used[node->inputs[k]] = true;
    if (!mf_node_bodies(node, mark_body, m, err)) return false;
  }
  return true;
}

static void sweep(mf_body *body, bool reached) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < body->n_nodes && reached; i++)
    if (!body->nodes[i]->dead) body->nodes[kept++] = body->nodes[i];
  body->n_nodes = kept;
}

bool mf_pass_dead_code(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  marker m = {.graph = graph};
  m.used = MF_NEW_ARRAY(graph->arena, bool, graph->n_values + 1);
  m.reached = MF_NEW_ARRAY(graph->arena, bool, graph->n_bodies + 1);
  if (!m.used || !m.reached) return mf_out_of_arena(err);
  if (!mark_body(&m, 0, err)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) sweep(graph->bodies[b], m.reached[b]);
  return true;
}
