// Editing bodies; see edit.h.
#include "edit.h"

static bool grow_values(mf_edit *e) {
  uint32_t wanted = e->graph->n_values;
  if (wanted <= e->values_capacity) return true;
  uint32_t capacity = wanted * 2 + 64;
  mf_edit_value *bigger = MF_NEW_ARRAY(e->graph->arena, mf_edit_value, capacity);
  if (!bigger) return mf_out_of_arena(e->err);
  if (e->values_capacity) memcpy(bigger, e->values, e->values_capacity * sizeof *bigger);
  e->values = bigger;
  e->values_capacity = capacity;
  return true;
}

static void count_uses(mf_edit *e, const mf_body *body) {
  for (uint32_t i = 0; i < body->n_nodes; i++)
    for (uint32_t k = 0; k < body->nodes[i]->n_inputs; k++)
      if (body->nodes[i]->inputs[k] != MF_NO_VALUE) e->values[body->nodes[i]->inputs[k]].uses++;
}

bool mf_edit_open(mf_edit *e, mf_graph *graph, mf_error *err) {
  *e = (mf_edit){.graph = graph, .err = err};
  if (!grow_values(e)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    const mf_body *body = graph->bodies[b];
    count_uses(e, body);
    for (uint32_t i = 0; i < body->n_outputs; i++) {
      e->values[body->outputs[i]].uses++;
      e->values[body->outputs[i]].output = true;
    }
  }
  return true;
}

static bool touch(mf_edit *e, mf_value_id id) {
  if (e->n_touched == e->touched_capacity) {
    const uint32_t capacity = e->touched_capacity * 2 + 64;
    mf_value_id *bigger = MF_NEW_ARRAY(e->graph->arena, mf_value_id, capacity);
    if (!bigger) return mf_out_of_arena(e->err);
    if (e->n_touched) memcpy(bigger, e->touched, e->n_touched * sizeof *bigger);
    e->touched = bigger;
    e->touched_capacity = capacity;
  }
  e->touched[e->n_touched++] = id;
  return true;
}

// The node belongs to the body that is edited.
static bool own(mf_edit *e, mf_node *node, bool is_new) {
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] == MF_NO_VALUE) continue;
    if (!touch(e, node->inputs[i])) return false;
    e->values[node->inputs[i]].own_uses++;
    e->values[node->inputs[i]].uses += is_new;
  }
  for (uint32_t i = 0; i < node->n_outputs; i++) {
    if (node->outputs[i] == MF_NO_VALUE) continue;
    if (!touch(e, node->outputs[i])) return false;
    e->values[node->outputs[i]].producer = node;
  }
  return true;
}

bool mf_edit_begin(mf_edit *e, uint32_t number) {
  mf_body *body = e->body = e->graph->bodies[number];
  e->old = body->nodes;
  e->n_old = body->n_nodes;
  for (uint32_t i = 0; i < e->n_old; i++)
    if (!own(e, e->old[i], false)) return false;
  body->n_nodes = 0;
  body->nodes_capacity = e->n_old * 2 + 16;
  body->nodes = MF_NEW_ARRAY(e->graph->arena, mf_node *, body->nodes_capacity);
  return body->nodes ? true : mf_out_of_arena(e->err);
}

bool mf_edit_keep(mf_edit *e, mf_node *node) {
  mf_body *body = e->body;
  if (body->n_nodes == body->nodes_capacity) {
    mf_node **bigger = MF_NEW_ARRAY(e->graph->arena, mf_node *, body->nodes_capacity * 2);
    if (!bigger) return mf_out_of_arena(e->err);
    memcpy(bigger, body->nodes, body->n_nodes * sizeof *bigger);
    body->nodes = bigger;
    body->nodes_capacity *= 2;
  }
  body->nodes[body->n_nodes++] = node;
  return true;
}

void mf_edit_end(mf_edit *e) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < e->body->n_nodes; i++)
    if (!e->body->nodes[i]->dead) e->body->nodes[kept++] = e->body->nodes[i];
  e->body->n_nodes = kept;
  // What the body uses is counted anew, for it may not be what was added and killed (nodes were dropped or changed in place).
  for (uint32_t i = 0; i < e->n_touched; i++) {
    mf_edit_value *value = &e->values[e->touched[i]];
    *value = (mf_edit_value){.uses = value->uses - value->own_uses, .output = value->output};
  }
  e->n_touched = 0;
  count_uses(e, e->body);
}

bool mf_edit_value_like(mf_edit *e, const mf_tensor *like, mf_value_id *id) {
  mf_tensor tensor = like ? *like : (mf_tensor){.rank = MF_RANK_UNKNOWN};
  tensor.data = NULL;
  return mf_graph_add_value(e->graph, MF_STR(""), &tensor, id, e->err) && grow_values(e);
}

bool mf_edit_constant(mf_edit *e, mf_type type, uint32_t rank, const int64_t *dims,
                      mf_value_id *id) {
  mf_tensor tensor = {.type = type, .rank = rank};
  size_t bytes;
  for (uint32_t i = 0; i < rank; i++) tensor.dims[i] = dims[i];
  if (!mf_tensor_bytes(&tensor, &bytes))
    return mf_fail(e->err, MF_TooLarge, "a constant is too large");
  tensor.data = mf_arena_alloc_aligned(e->graph->arena, bytes ? bytes : 1, 64);
  if (!tensor.data) return mf_out_of_arena(e->err);
  return mf_graph_add_value(e->graph, MF_STR(""), &tensor, id, e->err) && grow_values(e);
}

bool mf_edit_ints(mf_edit *e, const int64_t *values, uint32_t n, mf_value_id *id) {
  if (!mf_edit_constant(e, MF_INT64, 1, &(int64_t){n}, id)) return false;
  memcpy(mf_edit_tensor(e, *id)->data, values, n * sizeof *values);
  return true;
}

// mf_graph_add_node would demand required attributes at once; passes set them one by one
// afterwards.
static mf_node *add(mf_edit *e, const mf_operator *op, int64_t opset, mf_str name,
                    const mf_value_id *inputs, uint32_t n_inputs, const mf_value_id *outputs,
                    uint32_t n_outputs, const mf_attribute *attributes) {
  mf_arena *arena = e->graph->arena;
  mf_node *node = MF_NEW(arena, mf_node);
  if (!node) return mf_out_of_arena(e->err), NULL;
  *node = (mf_node){
      .name = name, .op = op, .opset = opset, .n_inputs = n_inputs, .n_outputs = n_outputs};
  node->inputs = MF_NEW_ARRAY(arena, mf_value_id, n_inputs + 1);
  node->outputs = MF_NEW_ARRAY(arena, mf_value_id, n_outputs + 1);
  node->attributes = MF_NEW_ARRAY(arena, mf_attribute, op->n_attributes + 1);
  if (!node->inputs || !node->outputs || !node->attributes) return mf_out_of_arena(e->err), NULL;
  memcpy(node->inputs, inputs, n_inputs * sizeof *inputs);
  memcpy(node->outputs, outputs, n_outputs * sizeof *outputs);
  for (uint32_t i = 0; i < op->n_attributes; i++)
    node->attributes[i] = attributes ? attributes[i] : op->attributes[i].fallback;
  return mf_edit_keep(e, node) && own(e, node, true) ? node : NULL;
}

mf_node *mf_edit_add(mf_edit *e, const char *domain, const char *op, int64_t opset, mf_str name,
                     const mf_value_id *inputs, uint32_t n_inputs, const mf_value_id *outputs,
                     uint32_t n_outputs) {
  const mf_operator *row = mf_operator_find(e->graph->extra_operators, mf_str_from(domain),
                                            mf_str_from(op), opset, NULL);
  if (!row)
    return mf_fail(e->err, MF_Internal, "no operator %s:%s of version %lld", domain, op,
                   (long long)opset),
           NULL;
  return add(e, row, opset, name, inputs, n_inputs, outputs, n_outputs, NULL);
}

mf_node *mf_edit_copy(mf_edit *e, const mf_node *node, const mf_value_id *inputs,
                      const mf_value_id *outputs) {
  return add(e, node->op, node->opset, node->name, inputs, node->n_inputs, outputs, node->n_outputs,
             node->attributes);
}

void mf_edit_kill(mf_edit *e, mf_node *node) {
  if (node->dead) return;
  node->dead = true;
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    if (node->inputs[i] == MF_NO_VALUE) continue;
    e->values[node->inputs[i]].uses--;
    e->values[node->inputs[i]].own_uses--;
  }
}

// ---- looking ----
bool mf_edit_is(const mf_node *node, const char *domain, const char *op) {
  return node && !node->dead && strcmp(node->op->domain, domain) == 0 &&
         strcmp(node->op->name, op) == 0;
}

mf_node *mf_edit_producer(const mf_edit *e, mf_value_id id, const char *domain, const char *op) {
  if (id == MF_NO_VALUE) return NULL;
  mf_node *node = e->values[id].producer;
  return mf_edit_is(node, domain, op) ? node : NULL;
}

mf_node *mf_edit_sole(const mf_edit *e, mf_value_id id, const char *domain, const char *op) {
  mf_node *node = mf_edit_producer(e, id, domain, op);
  return node && e->values[id].uses == 1 && !mf_edit_captured(e, id) ? node : NULL;
}

mf_attribute *mf_edit_attribute(const mf_node *node, const char *name) {
  for (uint32_t i = 0; i < node->op->n_attributes; i++)
    if (strcmp(node->op->attributes[i].name, name) == 0) return &node->attributes[i];
  return NULL;
}
int64_t mf_edit_int(const mf_node *node, const char *name, int64_t fallback) {
  const mf_attribute *a = mf_edit_attribute(node, name);
  return a && a->type == MF_ATTR_INT ? a->i : fallback;
}
float mf_edit_float(const mf_node *node, const char *name, float fallback) {
  const mf_attribute *a = mf_edit_attribute(node, name);
  return a && a->type == MF_ATTR_FLOAT ? a->f : fallback;
}
bool mf_edit_ints_of(const mf_node *node, const char *name, const int64_t **values, uint32_t *n) {
  const mf_attribute *a = mf_edit_attribute(node, name);
  if (!a || a->type != MF_ATTR_INTS) return false;
  *values = (const int64_t *)(uintptr_t)a->offset;
  *n = a->count;
  return true;
}
bool mf_edit_text_is(const mf_node *node, const char *name, const char *text) {
  const mf_attribute *a = mf_edit_attribute(node, name);
  return a && a->type == MF_ATTR_STRING &&
         mf_str_is((mf_str){(const char *)(uintptr_t)a->offset, a->count}, text);
}

void mf_edit_set_int(mf_node *node, const char *name, int64_t value) {
  *mf_edit_attribute(node, name) = (mf_attribute){MF_ATTR_INT, 1, {.i = value}};
}
void mf_edit_set_float(mf_node *node, const char *name, float value) {
  *mf_edit_attribute(node, name) = (mf_attribute){MF_ATTR_FLOAT, 1, {.f = value}};
}
bool mf_edit_set_ints(mf_edit *e, mf_node *node, const char *name, const int64_t *values,
                      uint32_t n) {
  int64_t *copy = MF_NEW_ARRAY(e->graph->arena, int64_t, n + 1);
  if (!copy) return mf_out_of_arena(e->err);
  memcpy(copy, values, n * sizeof *copy);
  *mf_edit_attribute(node, name) =
      (mf_attribute){MF_ATTR_INTS, n, {.offset = (uint64_t)(uintptr_t)copy}};
  return true;
}

bool mf_edit_is_constant(const mf_edit *e, mf_value_id id) {
  return id != MF_NO_VALUE && mf_edit_tensor(e, id)->data;
}

const float *mf_edit_floats(const mf_edit *e, mf_value_id id, int64_t *count) {
  if (!mf_edit_is_constant(e, id) || mf_edit_tensor(e, id)->type != MF_FLOAT) return NULL;
  *count = mf_tensor_count(mf_edit_tensor(e, id));
  return mf_edit_tensor(e, id)->data;
}

bool mf_edit_scalar(const mf_edit *e, mf_value_id id, float *value) {
  int64_t count;
  const float *floats = mf_edit_floats(e, id, &count);
  if (!floats || count != 1) return false;
  *value = *floats;
  return true;
}

bool mf_edit_int_list(const mf_edit *e, mf_value_id id, int64_t *values, uint32_t *n) {
  if (!mf_edit_is_constant(e, id)) return false;
  const mf_tensor *t = mf_edit_tensor(e, id);
  int64_t count = mf_tensor_count(t);
  if ((t->type != MF_INT64 && t->type != MF_INT32) || count > 2 * MF_MAX_RANK) return false;
  for (int64_t i = 0; i < count; i++)
    values[i] = t->type == MF_INT64 ? ((const int64_t *)t->data)[i] : ((const int32_t *)t->data)[i];
  *n = (uint32_t)count;
  return true;
}
