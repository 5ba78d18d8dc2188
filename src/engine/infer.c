// Shape inference and constant folding: one forward walk that calls the rows' shape functions and evaluates what is constant. Bodies
// of control flow are walked when their node's shape function asks for it, from scratch each time, so that what a first iteration
// looks like is not taken for all of them: nodes whose results were folded go only when the walk is over.
#include "compile.h"

#include "passes/passes.h"

// Each loop around a node walks it a few times, loops in loops as many times more: what is nested without sense would take for ever.
enum { DEFAULT_FOLD_LIMIT = 256 << 20, MAX_ROUNDS = 64, STEPS = 100000, STEPS_A_NODE = 64 };

typedef struct node_inference {  // what mf_shape_call.inference points to
  mf_inference *all;
  const mf_node *node;
} node_inference;

static const mf_tensor unknown = {.rank = MF_RANK_UNKNOWN};

bool mf_node_shape_call(mf_graph *graph, const mf_node *node, mf_tensor *outputs, mf_shape_call *call, mf_error *err) {
  const mf_tensor **inputs = MF_NEW_ARRAY(graph->arena, const mf_tensor *, node->n_inputs + 1);
  if (!inputs) return mf_out_of_arena(err);
  for (uint32_t i = 0; i < node->n_inputs; i++)
    inputs[i] = node->inputs[i] == MF_NO_VALUE ? NULL : &graph->values[node->inputs[i]].tensor;
  *call = (mf_shape_call){.inputs = inputs, .n_inputs = node->n_inputs, .outputs = outputs, .n_outputs = node->n_outputs,
                          .attributes = {0, node->attributes, node->op->n_attributes}, .opset = node->opset};
  return true;
}

static bool infer_body(mf_inference *inference, uint32_t number, mf_error *err);

static bool infer_subgraph(mf_shape_call *call, int64_t number, const mf_tensor *inputs, uint32_t n_inputs, mf_tensor *outputs,
                           uint32_t n_outputs, mf_error *err) {
  mf_inference *inference = ((node_inference *)call->inference)->all;
  mf_graph *graph = inference->graph;
  if (number < 0 || number >= graph->n_bodies) return mf_fail(err, MF_InvalidModel, "there is no subgraph %lld", (long long)number);
  const mf_body *body = graph->bodies[number];
  if (body->n_inputs != n_inputs || body->n_outputs != n_outputs)
    return mf_fail(err, MF_InvalidModel, "subgraph '%.*s' has %u inputs and %u outputs, expected %u and %u", MF_STR_ARG(body->name),
                   body->n_inputs, body->n_outputs, n_inputs, n_outputs);
  for (uint32_t i = 0; i < n_inputs; i++) {
    mf_tensor *formal = &graph->values[body->inputs[i]].tensor;
    mf_type declared = formal->type;
    *formal = inputs[i];
    formal->data = NULL;  // what is constant at first need not stay so
    if (formal->type == MF_TYPE_UNKNOWN) formal->type = declared;
  }
  if (!infer_body(inference, (uint32_t)number, err)) return mf_wrap(err, "subgraph '%.*s'", MF_STR_ARG(body->name));
  for (uint32_t i = 0; i < n_outputs; i++) outputs[i] = graph->values[body->outputs[i]].tensor;
  return true;
}

static bool check_shape(const mf_tensor *t, mf_error *err) {
  size_t bytes;
  if (t->rank != MF_RANK_UNKNOWN && t->rank > MF_MAX_RANK)
    return mf_fail(err, MF_UnsupportedType, "output has %u dimensions, at most %d are supported", t->rank, MF_MAX_RANK);
  if (mf_tensor_is_static(t) && !mf_tensor_bytes(t, &bytes)) return mf_fail(err, MF_InvalidModel, "its output's dimensions overflow");
  return true;
}

static bool infer_node(mf_inference *inference, const mf_node *node, mf_error *err) {
  mf_graph *graph = inference->graph;
  if (inference->steps_left == 0) return mf_fail(err, MF_TooLarge, "the loops around it are nested too deeply to find its shapes");
  inference->steps_left--;
  node_inference context = {inference, node};
  mf_shape_call call;
  mf_tensor *outputs = MF_NEW_ARRAY(graph->arena, mf_tensor, node->n_outputs + 1);
  if (!outputs) return mf_out_of_arena(err);
  for (uint32_t i = 0; i < node->n_outputs; i++) outputs[i] = unknown;
  if (!mf_node_shape_call(graph, node, outputs, &call, err)) return false;
  call.infer_subgraph = infer_subgraph;
  call.inference = &context;
  if (!node->op->shape(&call, err)) return false;
  for (uint32_t i = 0; i < node->n_outputs; i++) {
    outputs[i].data = NULL;
    if (!check_shape(&outputs[i], err)) return false;
  }
  mf_fold_node(inference, node, &call);
  for (uint32_t i = 0; i < node->n_outputs; i++)
    if (node->outputs[i] != MF_NO_VALUE) graph->values[node->outputs[i]].tensor = outputs[i];
  return true;
}

static bool infer_body(mf_inference *inference, uint32_t number, mf_error *err) {
  const mf_body *body = inference->graph->bodies[number];
  if (++inference->depth > MF_MAX_BODY_DEPTH + 1) return mf_fail(err, MF_TooLarge, "subgraphs are nested too deeply");
  for (uint32_t i = 0; i < body->n_nodes; i++)
    if (!body->nodes[i]->dead && !infer_node(inference, body->nodes[i], err)) return mf_node_error(body->nodes[i], i, err);
  inference->depth--;
  return true;
}

static bool is_folded(const mf_graph *graph, const mf_node *node) {
  bool any = false;
  for (uint32_t i = 0; i < node->n_outputs; i++) {
    if (node->outputs[i] == MF_NO_VALUE) continue;
    if (!graph->values[node->outputs[i]].tensor.data) return false;
    any = true;
  }
  return any;
}

static void drop_folded(const mf_graph *graph) {
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    mf_body *body = graph->bodies[b];
    uint32_t kept = 0;
    for (uint32_t i = 0; i < body->n_nodes; i++)
      if (!body->nodes[i]->dead && !is_folded(graph, body->nodes[i])) body->nodes[kept++] = body->nodes[i];
    body->n_nodes = kept;
  }
}

static uint64_t most_steps(const mf_graph *graph) {
  uint64_t n_nodes = 0;
  for (uint32_t b = 0; b < graph->n_bodies; b++) n_nodes += graph->bodies[b]->n_nodes;
  return STEPS + STEPS_A_NODE * n_nodes;
}

bool mf_pass_infer(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  for (uint32_t round = 0; round < MAX_ROUNDS; round++) {
    mf_inference inference = {.graph = graph, .fold_limit_bytes = options->fold_limit_bytes,
                              .folded_bytes = graph->folded_bytes, .steps_left = most_steps(graph), .err = err};
    bool changed = false;
    if (!inference.fold_limit_bytes) inference.fold_limit_bytes = DEFAULT_FOLD_LIMIT;
    if (!infer_body(&inference, 0, err)) return false;
    graph->folded_bytes = inference.folded_bytes;
    drop_folded(graph);
    if (!mf_inline_branches(graph, &changed, err)) return false;
    if (!changed) return true;
  }
  return true;
}
