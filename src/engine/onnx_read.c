// ONNX models to graphs: scopes, inputs, initializers, nodes, outputs. Nodes may stand in any order; every output is declared before
// any node is read, and the bodies are put in topological order at the end.
#include <stdio.h>

#include "onnx.h"

enum { OLDEST_IR = 3, NEWEST_IR = 13, MAX_NODES = 1 << 20, INLINED = 1 << 17, BYTES_A_NODE = 32 };

bool mf_onnx_fail_inlined(mf_error *err) {
  return mf_fail(err, MF_TooLarge, "the model's functions call each other so often that they become too many nodes");
}

bool mf_onnx_declare(mf_onnx_reader *reader, mf_scope *scope, mf_str name, const mf_tensor *tensor, mf_value_id *id, mf_error *err) {
  mf_str full = name;
  if (scope->prefix.len) {
    const char *text = mf_str_format(reader->arena, "%.*s%.*s", MF_STR_ARG(scope->prefix), MF_STR_ARG(name));
    if (!text) return mf_out_of_arena(err);
    full = mf_str_from(text);
  }
  bool duplicate;
  if (!mf_graph_add_value(reader->graph, full, tensor, id, err)) return false;
  if (!mf_names_add(reader->arena, &scope->names, name, *id, &duplicate, err)) return false;
  return !duplicate || mf_fail(err, MF_InvalidModel, "the name '%.*s' stands for two values", MF_STR_ARG(name));
}

bool mf_onnx_lookup(const mf_scope *scope, const char *name, mf_value_id *id, mf_error *err) {
  for (const mf_scope *s = scope; s; s = s->outer)
    if (mf_names_find(&s->names, mf_onnx_str(name), id)) return true;
  return mf_fail(err, MF_InvalidModel, "'%s' is no input, initializer or output of a node", name);
}

static bool opset_of(const mf_scope *scope, mf_str domain, int64_t *opset) {
  for (size_t i = 0; i < scope->opsets.n; i++) {
    mf_str d = mf_onnx_str(scope->opsets.list[i]->domain);
    if (mf_str_is(d, "ai.onnx")) d = (mf_str){NULL, 0};
    if (mf_str_equal(d, domain)) return *opset = scope->opsets.list[i]->version, true;
  }
  *opset = 1;  // ONNX Runtime's own domains are often not imported
  return domain.len != 0;
}

static bool value_list(mf_onnx_reader *reader, const mf_scope *scope, char **names, size_t n, mf_value_id **ids, uint32_t *count,
                       mf_error *err) {
  while (n && !*names[n - 1]) n--;
  if (n > UINT16_MAX) return mf_fail(err, MF_TooLarge, "%zu inputs or outputs", n);
  *ids = MF_NEW_ARRAY(reader->arena, mf_value_id, n + 1);
  if (!*ids) return mf_out_of_arena(err);
  for (size_t i = 0; i < n; i++) {
    (*ids)[i] = MF_NO_VALUE;
    if (*names[i] && !mf_onnx_lookup(scope, names[i], &(*ids)[i], err)) return false;
  }
  *count = (uint32_t)n;
  return true;
}

static bool is_constant(const Onnx__NodeProto *node) {
  mf_str domain = mf_onnx_str(node->domain);
  return mf_str_is(mf_onnx_str(node->op_type), "Constant") && (domain.len == 0 || mf_str_is(domain, "ai.onnx"));
}

static bool read_node(mf_onnx_reader *reader, mf_scope *scope, const Onnx__NodeProto *node, mf_error *err) {
  mf_str domain = mf_onnx_str(node->domain);
  if (mf_str_is(domain, "ai.onnx")) domain = (mf_str){NULL, 0};
  const char *op = node->op_type ? node->op_type : "";
  int64_t opset;
  mf_value_id *inputs, *outputs;
  mf_named_attribute *attributes;
  uint32_t n_inputs, n_outputs, n_attributes;
  if (!opset_of(scope, domain, &opset)) return mf_fail(err, MF_InvalidModel, "the model imports no opset of ai.onnx");
  // What the passes make is right by their making: its shape functions do not look for what only a hostile model would get wrong.
  if (mf_str_is(domain, "mayfly"))
    return mf_fail(err, MF_UnsupportedOperator, "operator '%s' of domain 'mayfly' is the compiler's own: a model cannot use it", op);
  bool other_version = false;
  // Before anything is said of its attributes, since a node that we lack is the commonest reason to fail.
  if (!mf_operator_find(reader->graph->extra_operators, domain, mf_str_from(op), opset, &other_version))
    return mf_fail(err, MF_UnsupportedOperator, "operator '%s' of domain '%s' (opset %lld) is not supported%s", op,
                   domain.len ? domain.data : "ai.onnx", (long long)opset,
                   other_version ? ", only other versions of it are" : "");
  if (!value_list(reader, scope, node->input, node->n_input, &inputs, &n_inputs, err) ||
      !value_list(reader, scope, node->output, node->n_output, &outputs, &n_outputs, err) ||
      !mf_onnx_attributes(reader, scope, node, &attributes, &n_attributes, err))
    return false;
  mf_str name = mf_onnx_str(node->name);
  const char *full = scope->prefix.len ? mf_str_format(reader->arena, "%.*s%.*s", MF_STR_ARG(scope->prefix), MF_STR_ARG(name)) : NULL;
  if (scope->prefix.len && !full) return mf_out_of_arena(err);
  return mf_graph_add_node(reader->graph, scope->body, UINT32_MAX, domain.len ? domain.data : "", op, opset,
                           full ? mf_str_from(full) : name, inputs, n_inputs, outputs, n_outputs, attributes, n_attributes, err);
}

static bool wrap_node(const Onnx__NodeProto *node, size_t at, mf_error *err) {
  const char *name = node->name ? node->name : "", *op = node->op_type ? node->op_type : "";
  if (err->code == MF_UnsupportedOperator && strncmp(err->message, "operator", 8) == 0) return mf_wrap(err, "node %zu '%s'", at, name);
  return mf_wrap(err, "node %zu '%s' (%s)", at, name, op);
}

static bool declare_outputs(mf_onnx_reader *reader, mf_scope *scope, const Onnx__NodeProto *node, mf_error *err) {
  mf_tensor constant;
  bool is = is_constant(node);
  if (is && node->n_output != 1) return mf_fail(err, MF_InvalidModel, "%zu outputs, expected one", node->n_output);
  if (is && !mf_onnx_constant(reader, scope, node, &constant, err)) return false;
  for (size_t i = 0; i < node->n_output; i++) {
    mf_value_id id;
    if (!*node->output[i]) continue;
    if (mf_names_find(&scope->made, mf_onnx_str(node->output[i]), &id)) {  // the call's own outputs are there already
      if (is) reader->graph->values[id].tensor = constant;
      continue;
    }
    if (!mf_onnx_declare(reader, scope, mf_onnx_str(node->output[i]), is ? &constant : NULL, &id, err)) return false;
  }
  return true;
}

bool mf_onnx_nodes(mf_onnx_reader *reader, mf_scope *scope, Onnx__NodeProto **nodes, size_t n, mf_error *err) {
  if (n > MAX_NODES || reader->n_nodes + n > MAX_NODES) return mf_fail(err, MF_TooLarge, "the model has more than %d nodes", MAX_NODES);
  reader->n_nodes += (uint32_t)n;
  if (scope->prefix.len) {  // a function's
    if (n > reader->inlined_left) return mf_onnx_fail_inlined(err);
    reader->inlined_left -= n;
  }
  for (size_t i = 0; i < n; i++)
    if (!declare_outputs(reader, scope, nodes[i], err)) return wrap_node(nodes[i], i, err);
  for (size_t i = 0; i < n; i++) {
    if (is_constant(nodes[i])) continue;
    const Onnx__FunctionProto *function;
    bool done = mf_onnx_function(reader, nodes[i], &function, err) &&
                (function ? mf_onnx_inline(reader, scope, nodes[i], function, err) : read_node(reader, scope, nodes[i], err));
    if (!done) return wrap_node(nodes[i], i, err);
  }
  return true;
}

static bool read_initializers(mf_onnx_reader *reader, mf_scope *scope, const Onnx__GraphProto *proto, mf_error *err) {
  if (proto->n_sparse_initializer) return mf_fail(err, MF_UnsupportedType, "sparse initializers are not supported");
  for (size_t i = 0; i < proto->n_initializer; i++) {
    mf_str name = mf_onnx_str(proto->initializer[i]->name);
    mf_tensor tensor;
    mf_value_id id;
    if (!mf_onnx_tensor(reader, proto->initializer[i], &tensor, err)) return mf_wrap(err, "initializer '%.*s'", MF_STR_ARG(name));
    if (!mf_onnx_declare(reader, scope, name, &tensor, &id, err)) return false;
  }
  return true;
}

// Inputs that are initializers as well (IR 3, or defaults that a caller might override) are constants here.
static bool read_inputs(mf_onnx_reader *reader, mf_scope *scope, const Onnx__GraphProto *proto, mf_value_id *ids, uint32_t *n,
                        mf_error *err) {
  *n = 0;
  for (size_t i = 0; i < proto->n_input; i++) {
    mf_str name = mf_onnx_str(proto->input[i]->name);
    mf_tensor type;
    mf_str *dim_names;
    mf_value_id id;
    if (mf_names_find(&scope->names, name, &id) && reader->graph->values[id].tensor.data) continue;
    if (!mf_onnx_type(proto->input[i]->type, reader->arena, &type, &dim_names, err)) return mf_wrap(err, "input '%.*s'", MF_STR_ARG(name));
    if (scope->body == 0 && type.type == MF_TYPE_UNKNOWN)
      return mf_fail(err, MF_InvalidModel, "input '%.*s' has no type", MF_STR_ARG(name));
    // What a subgraph's inputs are like is inferred from the node that runs it.
    mf_tensor known = scope->body == 0 ? type : (mf_tensor){.type = type.type, .rank = MF_RANK_UNKNOWN};
    if (!mf_onnx_declare(reader, scope, name, &known, &id, err)) return false;
    reader->graph->values[id].dim_names = dim_names;
    reader->graph->values[id].declared = type;
    ids[(*n)++] = id;
  }
  return true;
}

static bool declare_types(mf_onnx_reader *reader, const mf_scope *scope, Onnx__ValueInfoProto **infos, size_t n, mf_error *err) {
  for (size_t i = 0; i < n; i++) {
    mf_value_id id;
    if (!mf_names_find(&scope->names, mf_onnx_str(infos[i]->name), &id)) continue;
    mf_value *value = &reader->graph->values[id];
    mf_tensor declared;
    mf_str *dim_names;
    if (!mf_onnx_type(infos[i]->type, reader->arena, &declared, &dim_names, err)) return mf_wrap(err, "value '%s'", infos[i]->name);
    value->declared = declared;
    if (dim_names && !value->dim_names) value->dim_names = dim_names;
  }
  return true;
}

static bool read_outputs(mf_onnx_reader *reader, const mf_scope *scope, const Onnx__GraphProto *proto, mf_value_id *ids, mf_error *err) {
  for (size_t i = 0; i < proto->n_output; i++) {
    const char *name = proto->output[i]->name ? proto->output[i]->name : "";
    if (!mf_onnx_lookup(scope, name, &ids[i], err)) return mf_wrap(err, "output '%s'", name);
  }
  return declare_types(reader, scope, proto->output, proto->n_output, err);
}

static bool read_graph(mf_onnx_reader *reader, mf_scope *scope, const Onnx__GraphProto *proto, mf_error *err) {
  uint32_t n_inputs;
  if (proto->n_input > UINT16_MAX || proto->n_output > UINT16_MAX) return mf_fail(err, MF_TooLarge, "too many inputs or outputs");
  mf_value_id *inputs = MF_NEW_ARRAY(reader->arena, mf_value_id, proto->n_input + 1);
  mf_value_id *outputs = MF_NEW_ARRAY(reader->arena, mf_value_id, proto->n_output + 1);
  if (!inputs || !outputs) return mf_out_of_arena(err);
  return read_initializers(reader, scope, proto, err) && read_inputs(reader, scope, proto, inputs, &n_inputs, err) &&
         mf_onnx_nodes(reader, scope, proto->node, proto->n_node, err) &&
         declare_types(reader, scope, proto->value_info, proto->n_value_info, err) &&
         read_outputs(reader, scope, proto, outputs, err) &&
         mf_graph_set_io(reader->graph, scope->body, inputs, n_inputs, outputs, (uint32_t)proto->n_output, err);
}

bool mf_onnx_subgraph(mf_onnx_reader *reader, const mf_scope *outer, const Onnx__GraphProto *proto, uint32_t *body, mf_error *err) {
  mf_scope scope = {.outer = outer, .opsets = outer->opsets, .bindings = outer->bindings, .n_bindings = outer->n_bindings,
                    .prefix = outer->prefix, .depth = outer->depth + 1};
  if (scope.depth > MF_MAX_BODY_DEPTH) return mf_fail(err, MF_TooLarge, "subgraphs are nested more than %d deep", MF_MAX_BODY_DEPTH);
  if (!mf_graph_add_body(reader->graph, mf_onnx_str(proto->name), body, err)) return false;
  scope.body = *body;
  return read_graph(reader, &scope, proto, err) || mf_wrap(err, "subgraph '%s'", proto->name ? proto->name : "");
}

mf_graph *mf_onnx_read(mf_slice bytes, mf_arena *arena, const mf_operator_table *extra_operators, mf_external_data_fn *external_data,
                       void *context, mf_error *err) {
  const Onnx__ModelProto *model = mf_onnx_unpack(&onnx__model_proto__descriptor, bytes, arena, err);
  if (!model) return NULL;
  if (!model->graph) return mf_fail(err, MF_InvalidModel, "not an ONNX model: it has no graph"), NULL;
  if (model->ir_version < OLDEST_IR || model->ir_version > NEWEST_IR)
    return mf_fail(err, MF_InvalidModel, "IR version %lld is not supported, only %d to %d", (long long)model->ir_version, OLDEST_IR,
                   NEWEST_IR),
           NULL;
  if (model->n_opset_import > MF_MAX_OPSETS) return mf_fail(err, MF_TooLarge, "%zu opset imports", model->n_opset_import), NULL;
  mf_onnx_reader reader = {.arena = arena, .model = model, .external_data = external_data, .context = context,
                           .inlined_left = INLINED + bytes.len / BYTES_A_NODE};
  reader.graph = mf_graph_create(arena, extra_operators, err);
  if (!reader.graph || !mf_onnx_index_functions(&reader, err)) return NULL;
  mf_scope scope = {.opsets = {model->opset_import, model->n_opset_import}};
  if (!read_graph(&reader, &scope, model->graph, err) || !mf_graph_sort(reader.graph, err)) return NULL;
  return reader.graph;
}
