// Building graphs: values, bodies, nodes. Readers of model formats and tests use it; attributes are resolved against the operator's
// row here, so that nothing downstream knows their names.
#include "graph.h"

#include "graph_internal.h"

#undef mf_out_of_arena

enum { MAX_VALUES = 1 << 24, MAX_BODIES = 4096, MAX_NODE_VALUES = 1 << 20 };

bool mf_out_of_arena(mf_error *err) { return mf_fail(err, MF_OutOfMemory, "the compiler's memory is exhausted"); }

// Doubles an array in the arena; the old one stays behind until the arena goes.
static bool grow(mf_arena *arena, void **array, uint32_t *capacity, uint32_t n, size_t size, mf_error *err) {
  if (n < *capacity) return true;
  uint32_t wanted = *capacity ? *capacity * 2 : 16;
  void *bigger = mf_arena_array(arena, wanted, size);
  if (!bigger) return mf_out_of_arena(err);
  if (n) memcpy(bigger, *array, n * size);
  *array = bigger;
  *capacity = wanted;
  return true;
}

mf_graph *mf_graph_create(mf_arena *arena, const mf_operator_table *extra_operators, mf_error *err) {
  mf_graph *graph = MF_NEW(arena, mf_graph);
  uint32_t number;
  if (!graph) return mf_out_of_arena(err), NULL;
  graph->arena = arena;
  graph->extra_operators = extra_operators;
  return mf_graph_add_body(graph, (mf_str){NULL, 0}, &number, err) ? graph : NULL;
}

bool mf_graph_add_value(mf_graph *graph, mf_str name, const mf_tensor *tensor, mf_value_id *id, mf_error *err) {
  if (graph->n_values >= MAX_VALUES) return mf_fail(err, MF_TooLarge, "the model has more than %d values", MAX_VALUES);
  void *values = graph->values;
  if (!grow(graph->arena, &values, &graph->values_capacity, graph->n_values, sizeof(mf_value), err)) return false;
  graph->values = values;
  mf_value *value = &graph->values[graph->n_values];
  value->name = mf_str_copy(graph->arena, name);
  if (!value->name.data) return mf_out_of_arena(err);
  value->tensor = tensor ? *tensor : (mf_tensor){.rank = MF_RANK_UNKNOWN};
  value->declared = (mf_tensor){.rank = MF_RANK_UNKNOWN};
  *id = graph->n_values++;
  return true;
}

bool mf_graph_add_body(mf_graph *graph, mf_str name, uint32_t *number, mf_error *err) {
  if (graph->n_bodies >= MAX_BODIES) return mf_fail(err, MF_TooLarge, "the model has more than %d subgraphs", MAX_BODIES);
  void *bodies = graph->bodies;
  if (!grow(graph->arena, &bodies, &graph->bodies_capacity, graph->n_bodies, sizeof(mf_body *), err)) return false;
  graph->bodies = bodies;
  mf_body *body = MF_NEW(graph->arena, mf_body);
  if (!body) return mf_out_of_arena(err);
  body->name = mf_str_copy(graph->arena, name);
  if (!body->name.data) return mf_out_of_arena(err);
  graph->bodies[graph->n_bodies] = body;
  *number = graph->n_bodies++;
  return true;
}

static bool copy_ids(mf_graph *graph, const mf_value_id *ids, uint32_t n, bool optional, mf_value_id **out, mf_error *err) {
  *out = MF_NEW_ARRAY(graph->arena, mf_value_id, n ? n : 1);
  if (!*out) return mf_out_of_arena(err);
  for (uint32_t i = 0; i < n; i++) {
    if (ids[i] >= graph->n_values && !(optional && ids[i] == MF_NO_VALUE))
      return mf_fail(err, MF_InvalidModel, "value number %u is not there", ids[i]);
    (*out)[i] = ids[i];
  }
  return true;
}

static bool check_arity(const char *what, uint32_t n, int32_t least, int32_t most, mf_error *err) {
  if ((int64_t)n >= least && (most == MF_OP_ANY || (int64_t)n <= most)) return true;
  if (most == MF_OP_ANY) return mf_fail(err, MF_InvalidModel, "%u %s, expected at least %d", n, what, least);
  return mf_fail(err, MF_InvalidModel, "%u %s, expected %d to %d", n, what, least, most);
}

typedef struct string_record {
  uint64_t offset, length;
} string_record;

static bool copy_bytes(mf_arena *arena, uint64_t *offset, size_t bytes, mf_error *err) {
  void *copy = mf_arena_alloc(arena, bytes ? bytes : 1);
  if (!copy) return mf_out_of_arena(err);
  if (bytes) memcpy(copy, (const void *)(uintptr_t)*offset, bytes);
  *offset = (uint64_t)(uintptr_t)copy;
  return true;
}

static bool copy_strings(mf_arena *arena, mf_attribute *attribute, mf_error *err) {
  if (!copy_bytes(arena, &attribute->offset, attribute->count * sizeof(string_record), err)) return false;
  string_record *records = (string_record *)(uintptr_t)attribute->offset;
  for (uint32_t i = 0; i < attribute->count; i++)
    if (!copy_bytes(arena, &records[i].offset, (size_t)records[i].length, err)) return false;
  return true;
}

bool mf_attribute_copy(mf_arena *arena, mf_attribute *attribute, mf_error *err) {
  switch ((mf_attribute_type)attribute->type) {
    case MF_ATTR_STRING: return copy_bytes(arena, &attribute->offset, attribute->count, err);
    case MF_ATTR_FLOATS: return copy_bytes(arena, &attribute->offset, attribute->count * sizeof(float), err);
    case MF_ATTR_INTS: return copy_bytes(arena, &attribute->offset, attribute->count * sizeof(int64_t), err);
    case MF_ATTR_TENSOR: return copy_bytes(arena, &attribute->offset, sizeof(mf_attribute_tensor), err);
    case MF_ATTR_STRINGS: return copy_strings(arena, attribute, err);
    default: return true;
  }
}

static const char *const attribute_types[] = {"none", "a float", "an integer", "a string", "a tensor", "a graph", "floats", "integers", "strings"};

static const char *attribute_type_name(uint32_t type) { return type < MF_COUNT(attribute_types) ? attribute_types[type] : "unknown"; }

static bool set_attribute(mf_graph *graph, mf_node *node, const mf_named_attribute *named, mf_error *err) {
  const mf_operator *op = node->op;
  for (uint32_t i = 0; i < op->n_attributes; i++) {
    if (strcmp(op->attributes[i].name, named->name) != 0) continue;
    mf_attribute value = named->value;
    bool empty_list = value.count == 0 && value.type >= MF_ATTR_FLOATS && op->attributes[i].type >= MF_ATTR_FLOATS;
    if (empty_list) value.type = op->attributes[i].type;
    if (value.type != op->attributes[i].type)
      return mf_fail(err, MF_InvalidModel, "attribute '%s' is %s, expected %s", named->name, attribute_type_name(value.type),
                     attribute_type_name(op->attributes[i].type));
    node->attributes[i] = value;
    return mf_attribute_copy(graph->arena, &node->attributes[i], err);
  }
  return mf_fail(err, MF_UnsupportedOperator, "attribute '%s' is not supported", named->name);
}

static bool set_attributes(mf_graph *graph, mf_node *node, const mf_named_attribute *attributes, uint32_t n, mf_error *err) {
  const mf_operator *op = node->op;
  node->attributes = MF_NEW_ARRAY(graph->arena, mf_attribute, op->n_attributes ? op->n_attributes : 1);
  if (!node->attributes) return mf_out_of_arena(err);
  for (uint32_t i = 0; i < op->n_attributes; i++) node->attributes[i] = op->attributes[i].fallback;
  for (uint32_t i = 0; i < n; i++)
    if (!set_attribute(graph, node, &attributes[i], err)) return false;
  for (uint32_t i = 0; i < op->n_attributes; i++)
    if (op->attributes[i].required && node->attributes[i].type == MF_ATTR_ABSENT)
      return mf_fail(err, MF_InvalidModel, "attribute '%s' is missing", op->attributes[i].name);
  return true;
}

static bool insert(mf_graph *graph, mf_body *body, uint32_t position, mf_node *node, mf_error *err) {
  void *nodes = body->nodes;
  if (!grow(graph->arena, &nodes, &body->nodes_capacity, body->n_nodes, sizeof(mf_node *), err)) return false;
  body->nodes = nodes;
  position = MF_MIN(position, body->n_nodes);
  memmove(body->nodes + position + 1, body->nodes + position, (body->n_nodes - position) * sizeof(mf_node *));
  body->nodes[position] = node;
  body->n_nodes++;
  return true;
}

bool mf_graph_append(mf_graph *graph, uint32_t body, mf_node *node, mf_error *err) {
  return insert(graph, graph->bodies[body], UINT32_MAX, node, err);
}

static bool check_needed(const mf_operator *op, const mf_value_id *inputs, uint32_t n_inputs, mf_error *err) {
  for (uint32_t i = 0; i < n_inputs; i++)
    if (inputs[i] == MF_NO_VALUE && mf_operator_needs(op, i)) return mf_fail(err, MF_InvalidModel, "input %u is left out, it is needed", i);
  return true;
}

static bool fill_node(mf_graph *graph, mf_node *node, const mf_value_id *inputs, uint32_t n_inputs, const mf_value_id *outputs,
                      uint32_t n_outputs, const mf_named_attribute *attributes, uint32_t n_attributes, mf_error *err) {
  if (n_inputs > MAX_NODE_VALUES || n_outputs > MAX_NODE_VALUES) return mf_fail(err, MF_TooLarge, "too many inputs or outputs");
  if (!check_arity("inputs", n_inputs, node->op->min_inputs, node->op->max_inputs, err)) return false;
  if (!check_arity("outputs", n_outputs, node->op->min_outputs, node->op->max_outputs, err)) return false;
  if (!check_needed(node->op, inputs, n_inputs, err)) return false;
  node->n_inputs = n_inputs;
  node->n_outputs = n_outputs;
  return copy_ids(graph, inputs, n_inputs, true, &node->inputs, err) && copy_ids(graph, outputs, n_outputs, true, &node->outputs, err) &&
         set_attributes(graph, node, attributes, n_attributes, err);
}

bool mf_graph_add_node(mf_graph *graph, uint32_t body, uint32_t position, const char *domain, const char *op, int64_t opset, mf_str name,
                       const mf_value_id *inputs, uint32_t n_inputs, const mf_value_id *outputs, uint32_t n_outputs,
                       const mf_named_attribute *attributes, uint32_t n_attributes, mf_error *err) {
  assert(body < graph->n_bodies);
  bool other_version = false;
  const mf_operator *row = mf_operator_find(graph->extra_operators, mf_str_from(domain), mf_str_from(op), opset, &other_version);
  if (!row)
    return mf_fail(err, MF_UnsupportedOperator, "operator '%s' of domain '%s' (opset %lld) is not supported%s", op,
                   *domain ? domain : "ai.onnx", (long long)opset, other_version ? ", only for other versions of the opset" : "");
  mf_node *node = MF_NEW(graph->arena, mf_node);
  if (!node) return mf_out_of_arena(err);
  node->name = mf_str_copy(graph->arena, name);
  if (!node->name.data) return mf_out_of_arena(err);
  node->op = row;
  node->opset = opset;
  if (!fill_node(graph, node, inputs, n_inputs, outputs, n_outputs, attributes, n_attributes, err)) return false;
  return insert(graph, graph->bodies[body], position, node, err);
}

bool mf_graph_set_io(mf_graph *graph, uint32_t body, const mf_value_id *inputs, uint32_t n_inputs, const mf_value_id *outputs,
                     uint32_t n_outputs, mf_error *err) {
  assert(body < graph->n_bodies);
  mf_body *b = graph->bodies[body];
  b->n_inputs = n_inputs;
  b->n_outputs = n_outputs;
  return copy_ids(graph, inputs, n_inputs, false, &b->inputs, err) && copy_ids(graph, outputs, n_outputs, false, &b->outputs, err);
}

mf_value_id mf_graph_find_value(const mf_graph *graph, mf_str name) {
  for (uint32_t i = 0; i < graph->n_values; i++)
    if (mf_str_equal(graph->values[i].name, name)) return i;
  return MF_NO_VALUE;
}
