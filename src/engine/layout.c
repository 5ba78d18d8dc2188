// The layout of a graph: its live nodes in one list, body after body, and what is to be known of every value before kernels are
// chosen and memory is planned.
#include "compile.h"

typedef struct counter {
  mf_layout *layout;
  uint32_t control;  // layout node, or while bodies are being found: the body around
  uint32_t depth;
} counter;

static bool reach_body(void *context, uint32_t number, mf_error *err);

static bool reach(mf_layout *layout, uint32_t number, uint32_t parent, uint32_t depth, mf_error *err) {
  mf_layout_body *body = &layout->bodies[number];
  if (number <= parent && number) return mf_fail(err, MF_InvalidModel, "subgraph %u is run from inside itself", number);
  if (body->reachable) return mf_fail(err, MF_InvalidModel, "subgraph %u is run by two nodes", number);
  if (depth > MF_MAX_BODY_DEPTH + 1) return mf_fail(err, MF_TooLarge, "subgraphs are nested too deeply");
  body->reachable = true;
  for (uint32_t i = 0; i < layout->graph->bodies[number]->n_nodes; i++) {
    counter c = {layout, number, depth + 1};
    if (!mf_node_bodies(layout->graph->bodies[number]->nodes[i], reach_body, &c, err)) return false;
  }
  return true;
}

static bool reach_body(void *context, uint32_t number, mf_error *err) {
  counter *c = context;
  return reach(c->layout, number, c->control, c->depth, err);
}

static bool set_control(void *context, uint32_t number, mf_error *err) {
  (void)err;
  counter *c = context;
  c->layout->bodies[number].control = c->control;
  return true;
}

static bool fill_node(mf_layout *layout, mf_layout_node *out, const mf_node *node, mf_error *err) {
  out->node = node;
  out->inputs = MF_NEW_ARRAY(layout->arena, mf_value_id, node->n_inputs + 1);
  out->outputs = MF_NEW_ARRAY(layout->arena, mf_value_id, node->n_outputs + 1);
  if (!out->inputs || !out->outputs) return mf_out_of_arena(err);
  memcpy(out->inputs, node->inputs, node->n_inputs * sizeof *out->inputs);
  memcpy(out->outputs, node->outputs, node->n_outputs * sizeof *out->outputs);
  for (uint32_t i = 0; i < node->n_inputs; i++)
    if (node->inputs[i] != MF_NO_VALUE) layout->values[node->inputs[i]].uses++;
  return true;
}

static bool collect_nodes(mf_layout *layout, mf_error *err) {
  const mf_graph *graph = layout->graph;
  uint32_t total = 0;
  for (uint32_t b = 0; b < graph->n_bodies; b++)
    if (layout->bodies[b].reachable) total += graph->bodies[b]->n_nodes;
  layout->nodes = MF_NEW_ARRAY(layout->arena, mf_layout_node, total + 1);
  if (!layout->nodes) return mf_out_of_arena(err);
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    mf_layout_body *body = &layout->bodies[b];
    body->first_node = layout->n_nodes;
    body->n_nodes = body->reachable ? graph->bodies[b]->n_nodes : 0;
    for (uint32_t i = 0; i < body->n_nodes; i++) {
      mf_layout_node *node = &layout->nodes[layout->n_nodes];
      *node = (mf_layout_node){.number = i, .body = b};
      if (!fill_node(layout, node, graph->bodies[b]->nodes[i], err)) return false;
      counter c = {layout, layout->n_nodes++, 0};
      if (!mf_node_bodies(node->node, set_control, &c, err)) return false;
    }
  }
  return true;
}

static bool make_value(mf_layout *layout, mf_value_id id, uint32_t body, uint32_t maker, mf_error *err) {
  mf_layout_value *value = &layout->values[id];
  if (value->body != UINT32_MAX || layout->graph->values[id].tensor.data)
    return mf_fail(err, MF_InvalidModel, "value '%.*s' is made twice", MF_STR_ARG(layout->graph->values[id].name));
  value->body = body;
  value->maker = maker;
  return true;
}

static bool collect_values(mf_layout *layout, mf_error *err) {
  const mf_graph *graph = layout->graph;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!layout->bodies[b].reachable) continue;
    const mf_body *body = graph->bodies[b];
    for (uint32_t i = 0; i < body->n_inputs; i++) {
      if (!make_value(layout, body->inputs[i], b, UINT32_MAX, err)) return false;
      layout->values[body->inputs[i]].input = true;
    }
    for (uint32_t i = 0; i < body->n_outputs; i++) {
      layout->values[body->outputs[i]].uses++;
      layout->values[body->outputs[i]].lasting = true;
    }
  }
  for (uint32_t n = 0; n < layout->n_nodes; n++) {
    mf_layout_node *node = &layout->nodes[n];
    for (uint32_t i = 0; i < node->node->n_outputs; i++) {
      mf_value_id id = node->outputs[i];
      if (id == MF_NO_VALUE) continue;
      bool unwanted = layout->values[id].uses == 0 || graph->values[id].tensor.data;
      if (unwanted) node->outputs[i] = MF_NO_VALUE;
      else if (!make_value(layout, id, node->body, n, err)) return mf_node_error(node->node, node->number, err);
    }
  }
  return true;
}

// Every value in use is a constant, an input or a node's output; readers and passes see to it.
static bool check_uses(const mf_layout *layout, mf_error *err) {
  for (uint32_t v = 0; v < layout->n_values; v++) {
    const mf_layout_value *value = &layout->values[v];
    if (value->uses && value->body == UINT32_MAX && !layout->graph->values[v].tensor.data)
      return mf_fail(err, MF_InvalidModel, "value '%.*s' is used but never made", MF_STR_ARG(layout->graph->values[v].name));
  }
  return true;
}

bool mf_layout_make(mf_graph *graph, const mf_compile_options *options, mf_layout *layout, mf_error *err) {
  *layout = (mf_layout){.graph = graph, .options = options, .arena = graph->arena, .n_values = graph->n_values,
                        .values_capacity = graph->n_values};
  layout->values = MF_NEW_ARRAY(layout->arena, mf_layout_value, graph->n_values + 1);
  layout->bodies = MF_NEW_ARRAY(layout->arena, mf_layout_body, graph->n_bodies);
  if (!layout->values || !layout->bodies) return mf_out_of_arena(err);
  for (uint32_t v = 0; v < graph->n_values; v++)
    layout->values[v] = (mf_layout_value){.shape_of = MF_NO_VALUE, .maker = UINT32_MAX, .body = UINT32_MAX, .root = v,
                                          .last_user = UINT32_MAX, .shares = v};
  for (uint32_t b = 0; b < graph->n_bodies; b++) layout->bodies[b].control = UINT32_MAX;
  return reach(layout, 0, 0, 0, err) && collect_nodes(layout, err) && collect_values(layout, err) && check_uses(layout, err) &&
         mf_layout_choose(layout, err) && mf_layout_share(layout, err) && mf_layout_plan(layout, err);
}
