// Walking graphs: topological order, the bodies of control-flow nodes, and a node's place for error messages.
#include <stdio.h>

#include "graph_internal.h"

#undef mf_node_error

bool mf_node_error(const mf_node *node, uint32_t number, mf_error *err) {
  return mf_wrap(err, "node %u '%.*s' (%s)", number, MF_STR_ARG(node->name), node->op->name);
}

bool mf_node_bodies(const mf_node *node, mf_body_fn *visit, void *context, mf_error *err) {
  for (uint32_t i = 0; i < node->op->n_attributes; i++)
    if (node->attributes[i].type == MF_ATTR_GRAPH && !visit(context, (uint32_t)node->attributes[i].i, err)) return false;
  return true;
}

// Depth-first: a node comes after the nodes of its own body that make what it or its bodies use.
typedef enum node_state { NOT_SEEN, OPEN, DONE } node_state;

typedef struct sorter {
  mf_graph *graph;
  uint32_t *maker_body;  // by value: the body of the node that makes it
  uint32_t *maker_at;    // and that node's position there
} sorter;

typedef struct body_sort {
  sorter *all;
  mf_body *body;
  uint32_t number;
  uint8_t *state;
  mf_node **sorted;
  uint32_t n_sorted;
  // What is being visited: an explicit stack, since chains are as long as the model.
  uint32_t *stack;
  uint32_t depth;
} body_sort;

static bool push(body_sort *s, uint32_t at, mf_error *err) {
  if (s->state[at] == DONE) return true;
  if (s->state[at] == OPEN)
    return mf_fail(err, MF_InvalidModel, "node %u '%.*s' (%s) is part of a cycle", at, MF_STR_ARG(s->body->nodes[at]->name),
                   s->body->nodes[at]->op->name);
  s->stack[s->depth++] = at;
  return true;
}

static bool push_maker(body_sort *s, mf_value_id value, mf_error *err) {
  if (value == MF_NO_VALUE || s->all->maker_body[value] != s->number) return true;
  uint32_t at = s->all->maker_at[value];
  return s->state[at] == DONE || push(s, at, err);
}

static bool push_makers_of_body(void *context, uint32_t number, mf_error *err);

static bool push_makers(body_sort *s, const mf_node *node, mf_error *err) {
  for (uint32_t i = 0; i < node->n_inputs; i++)
    if (!push_maker(s, node->inputs[i], err)) return false;
  return mf_node_bodies(node, push_makers_of_body, s, err);
}

static bool push_makers_of_body(void *context, uint32_t number, mf_error *err) {
  body_sort *s = context;
  const mf_body *body = s->all->graph->bodies[number];
  for (uint32_t i = 0; i < body->n_nodes; i++)
    if (!push_makers(s, body->nodes[i], err)) return false;
  for (uint32_t i = 0; i < body->n_outputs; i++)
    if (!push_maker(s, body->outputs[i], err)) return false;
  return true;
}

// The stack may hold a node several times (pushed by several users); each push before it is open adds at most one entry for each use.
static bool visit_from(body_sort *s, uint32_t root, mf_error *err) {
  if (!push(s, root, err)) return false;
  while (s->depth) {
    uint32_t at = s->stack[s->depth - 1];
    if (s->state[at] == DONE) {
      s->depth--;
    } else if (s->state[at] == OPEN) {
      s->state[at] = DONE;
      s->sorted[s->n_sorted++] = s->body->nodes[at];
      s->depth--;
    } else {
      s->state[at] = OPEN;
      if (!push_makers(s, s->body->nodes[at], err)) return false;
    }
  }
  return true;
}

typedef struct use_count {
  const mf_graph *graph;
  uint64_t n;
} use_count;

static bool count_uses(void *context, uint32_t number, mf_error *err) {
  use_count *count = context;
  const mf_body *body = count->graph->bodies[number];
  count->n += body->n_outputs;
  for (uint32_t i = 0; i < body->n_nodes; i++) {
    count->n += body->nodes[i]->n_inputs + UINT64_C(1);
    if (!mf_node_bodies(body->nodes[i], count_uses, count, err)) return false;
  }
  return true;
}

static bool sort_body(sorter *all, uint32_t number, mf_error *err) {
  mf_body *body = all->graph->bodies[number];
  mf_arena *arena = all->graph->arena;
  use_count uses = {all->graph, 1};
  if (!count_uses(&uses, number, err)) return false;
  body_sort s = {.all = all, .body = body, .number = number};
  s.state = MF_NEW_ARRAY(arena, uint8_t, body->n_nodes + 1);
  s.sorted = MF_NEW_ARRAY(arena, mf_node *, body->n_nodes + 1);
  s.stack = MF_NEW_ARRAY(arena, uint32_t, uses.n + 1);
  if (!s.state || !s.sorted || !s.stack) return mf_out_of_arena(err);
  for (uint32_t i = 0; i < body->n_nodes; i++)
    if (s.state[i] == NOT_SEEN && !visit_from(&s, i, err)) return false;
  assert(s.n_sorted == body->n_nodes);
  body->nodes = s.sorted;
  body->nodes_capacity = body->n_nodes + 1;
  return true;
}

bool mf_graph_sort(mf_graph *graph, mf_error *err) {
  sorter all = {.graph = graph};
  all.maker_body = MF_NEW_ARRAY(graph->arena, uint32_t, graph->n_values + 1);
  all.maker_at = MF_NEW_ARRAY(graph->arena, uint32_t, graph->n_values + 1);
  if (!all.maker_body || !all.maker_at) return mf_out_of_arena(err);
  for (uint32_t v = 0; v < graph->n_values; v++) all.maker_body[v] = UINT32_MAX;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    const mf_body *body = graph->bodies[b];
    for (uint32_t i = 0; i < body->n_nodes; i++)
      for (uint32_t k = 0; k < body->nodes[i]->n_outputs; k++) {
        mf_value_id value = body->nodes[i]->outputs[k];
        if (value == MF_NO_VALUE) continue;
        all.maker_body[value] = b;
        all.maker_at[value] = i;
      }
  }
  for (uint32_t b = 0; b < graph->n_bodies; b++)
    if (!sort_body(&all, b, err)) return false;
  return true;
}
