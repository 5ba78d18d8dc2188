// Who shares whose memory and for how long: aliases (Reshape of a value is the value), in-place results, lifetimes, and which heap
// values are freed after which node.
#include "compile.h"

// Time runs through the whole model, bodies inside the time of the node that runs them.
typedef struct clock_state {
  mf_layout *layout;
  uint32_t now;
} clock_state;

static bool tick_body(void *context, uint32_t number, mf_error *err) {
  clock_state *clock = context;
  const mf_layout_body *body = &clock->layout->bodies[number];
  for (uint32_t n = body->first_node; n < body->first_node + body->n_nodes; n++) {
    mf_layout_node *node = &clock->layout->nodes[n];
    node->begin = clock->now++;
    if (!mf_node_bodies(node->node, tick_body, clock, err)) return false;
    node->end = node->node->op->flags & MF_OP_CONTROL ? clock->now++ : node->begin;
  }
  return true;
}

static const mf_tensor *tensor_of(const mf_layout *layout, mf_value_id id) { return &layout->graph->values[id].tensor; }

static void set_storage(mf_layout *layout) {
  for (uint32_t v = 0; v < layout->n_values; v++) {
    mf_layout_value *value = &layout->values[v];
    const mf_tensor *t = tensor_of(layout, v);
    if (t->data) value->storage = MF_STORAGE_CONSTANT;
    else if (value->input && (value->body != 0 || !mf_tensor_is_static(t))) value->storage = MF_STORAGE_BOUND;
    else value->storage = mf_tensor_is_static(t) ? MF_STORAGE_PLANNED : MF_STORAGE_HEAP;
    if (value->body != UINT32_MAX) value->begin = value->maker == UINT32_MAX ? 0 : layout->nodes[value->maker].begin;
    value->end = value->begin;
  }
}

static uint32_t wanted_outputs(const mf_layout_node *node) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < node->node->n_outputs; i++) n += node->outputs[i] != MF_NO_VALUE;
  return n;
}

static bool same_bytes(const mf_tensor *a, const mf_tensor *b) {
  size_t x, y;
  return mf_tensor_is_static(a) && mf_tensor_is_static(b) && mf_tensor_bytes(a, &x) && mf_tensor_bytes(b, &y) && x == y;
}

static bool can_alias(const mf_layout *layout, const mf_layout_node *node) {
  if (!(node->node->op->flags & MF_OP_ALIAS) || node->node->n_inputs == 0 || node->flags & MF_NODE_SELF) return false;
  if (node->inputs[0] == MF_NO_VALUE || node->outputs[0] == MF_NO_VALUE || wanted_outputs(node) != 1) return false;
  const mf_tensor *in = tensor_of(layout, node->inputs[0]), *out = tensor_of(layout, node->outputs[0]);
  const mf_layout_value *root = &layout->values[layout->values[node->inputs[0]].root];
  if (root->storage == MF_STORAGE_CONSTANT || in->type != out->type || in->type == MF_TYPE_UNKNOWN) return false;
  if (mf_tensor_is_static(in) && mf_tensor_is_static(out) && !same_bytes(in, out)) return false;
  // An answer must outlive what the caller handed in, and a body's must be its own.
  if (layout->values[node->outputs[0]].lasting && (root->input || root->body != node->body)) return false;
  return true;
}

static void alias(mf_layout *layout, mf_layout_node *node) {
  mf_layout_value *out = &layout->values[node->outputs[0]];
  out->root = layout->values[node->inputs[0]].root;
  const mf_layout_value *root = &layout->values[out->root];
  node->scratch_bytes = 0;
  // Where everything lies still is known beforehand, no node is needed; an input's memory is the caller's to choose.
  if (root->storage == MF_STORAGE_PLANNED && !root->input && !(node->flags & MF_NODE_SHAPE) && out->storage == MF_STORAGE_PLANNED) {
    out->shares = out->root;
    node->skipped = true;
    return;
  }
  out->storage = MF_STORAGE_BOUND;
  node->flags |= MF_NODE_ALIAS;
}

// The node of the body where `value` is made that a use in `node` happens in.
static uint32_t user_in_body_of(const mf_layout *layout, uint32_t n, uint32_t body) {
  while (n != UINT32_MAX && layout->nodes[n].body != body) n = layout->bodies[layout->nodes[n].body].control;
  return n;
}

static bool use(mf_layout *layout, mf_value_id id, uint32_t n, mf_error *err) {
  mf_layout_value *root = &layout->values[layout->values[id].root];
  if (root->storage == MF_STORAGE_CONSTANT) return true;
  uint32_t user = user_in_body_of(layout, n, root->body);
  if (user == UINT32_MAX)
    return mf_fail(err, MF_InvalidModel, "uses '%.*s', a value of a subgraph that it is not in", MF_STR_ARG(layout->graph->values[id].name));
  if (layout->nodes[user].end >= root->end) root->end = layout->nodes[user].end, root->last_user = user;
  return true;
}

static bool set_lifetimes(mf_layout *layout, mf_error *err) {
  for (uint32_t n = 0; n < layout->n_nodes; n++) {
    const mf_layout_node *node = &layout->nodes[n];
    for (uint32_t i = 0; i < node->node->n_inputs; i++)
      if (node->inputs[i] != MF_NO_VALUE && !use(layout, node->inputs[i], n, err)) return mf_node_error(node->node, node->number, err);
    for (uint32_t i = 0; i < node->node->n_outputs; i++) {
      if (node->outputs[i] == MF_NO_VALUE) continue;
      mf_layout_value *root = &layout->values[layout->values[node->outputs[i]].root];
      root->end = MF_MAX(root->end, node->end);
    }
  }
  for (uint32_t b = 0; b < layout->graph->n_bodies; b++) {
    if (!layout->bodies[b].reachable) continue;
    const mf_body *body = layout->graph->bodies[b];
    uint32_t control = layout->bodies[b].control, end = control == UINT32_MAX ? layout->time : layout->nodes[control].end;
    for (uint32_t i = 0; i < body->n_outputs; i++) {
      mf_layout_value *root = &layout->values[layout->values[body->outputs[i]].root];
      root->end = MF_MAX(root->end, end);
      root->lasting = true;
      uint32_t user = control == UINT32_MAX ? UINT32_MAX : user_in_body_of(layout, control, root->body);
      if (root->body != b && user != UINT32_MAX && layout->nodes[user].end >= root->end)
        root->end = layout->nodes[user].end, root->last_user = user;
    }
  }
  for (uint32_t v = 0; v < layout->n_values; v++)
    if (layout->values[v].input && layout->values[v].body == 0) layout->values[v].end = layout->time;
  return true;
}

static bool another_input_shares(const mf_layout *layout, const mf_layout_node *node, mf_value_id root) {
  for (uint32_t i = 1; i < node->node->n_inputs; i++)
    if (node->inputs[i] != MF_NO_VALUE && node->inputs[i] != node->inputs[0] && layout->values[node->inputs[i]].root == root) return true;
  return false;
}

static mf_value_id buffer_of(const mf_layout *layout, mf_value_id id) {
  while (layout->values[id].shares != id) id = layout->values[id].shares;
  return id;
}

static void try_inplace(mf_layout *layout, uint32_t n) {
  mf_layout_node *node = &layout->nodes[n];
  if (!(node->node->op->flags & MF_OP_INPLACE) || node->node->n_inputs == 0 || node->flags & (MF_NODE_SELF | MF_NODE_ALIAS) || node->skipped)
    return;
  mf_value_id in = node->inputs[0], out = node->outputs[0];
  if (in == MF_NO_VALUE || out == MF_NO_VALUE || tensor_of(layout, in)->type != tensor_of(layout, out)->type) return;
  mf_value_id root = layout->values[in].root;
  mf_layout_value *from = &layout->values[root], *to = &layout->values[out];
  if (from->lasting || from->input || from->body != node->body || from->last_user != n || another_input_shares(layout, node, root)) return;
  if (from->storage == MF_STORAGE_PLANNED && to->storage == MF_STORAGE_PLANNED && same_bytes(tensor_of(layout, in), tensor_of(layout, out))) {
    mf_layout_value *buffer = &layout->values[buffer_of(layout, root)];
    to->shares = buffer_of(layout, root);
    buffer->end = MF_MAX(buffer->end, to->end);
  } else if (from->storage == MF_STORAGE_HEAP && to->storage == MF_STORAGE_HEAP && in == root) {
    node->flags |= MF_NODE_INPLACE;
  }
}

static bool add_release(mf_layout *layout, uint32_t n, mf_value_id id, mf_error *err) {
  mf_layout_node *node = &layout->nodes[n];
  if (node->n_releases == node->releases_capacity) {
    uint32_t capacity = node->releases_capacity * 2 + 4;
    mf_value_id *bigger = MF_NEW_ARRAY(layout->arena, mf_value_id, capacity);
    if (!bigger) return mf_out_of_arena(err);
    if (node->n_releases) memcpy(bigger, node->releases, node->n_releases * sizeof *bigger);
    node->releases = bigger;
    node->releases_capacity = capacity;
  }
  node->releases[node->n_releases++] = id;
  return true;
}

static bool set_releases(mf_layout *layout, mf_error *err) {
  for (uint32_t v = 0; v < layout->n_values; v++) {
    const mf_layout_value *value = &layout->values[v];
    if (value->storage != MF_STORAGE_HEAP || value->maker == UINT32_MAX || value->lasting) continue;
    uint32_t after = value->last_user == UINT32_MAX ? value->maker : value->last_user;
    if (!add_release(layout, after, v, err)) return false;
  }
  return true;
}

bool mf_layout_share(mf_layout *layout, mf_error *err) {
  clock_state clock = {layout, 1};
  if (!tick_body(&clock, 0, err)) return false;
  layout->time = clock.now;
  set_storage(layout);
  for (uint32_t n = 0; n < layout->n_nodes; n++)
    if (can_alias(layout, &layout->nodes[n])) alias(layout, &layout->nodes[n]);
  if (!set_lifetimes(layout, err)) return false;
  for (uint32_t n = 0; n < layout->n_nodes; n++) try_inplace(layout, n);
  return set_releases(layout, err);
}
