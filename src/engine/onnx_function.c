// Model-local functions: a call is replaced by the function's nodes. Names of the body get the call's name as a prefix; inputs and
// outputs are the call's values; attributes that refer to the function's are resolved through the scope's bindings.
#include "onnx.h"

enum { MAX_CALL_DEPTH = 32 };

static mf_str plain_domain(const char *domain) {
  mf_str d = mf_onnx_str(domain);
  return mf_str_is(d, "ai.onnx") ? (mf_str){NULL, 0} : d;
}

static bool key_of(mf_arena *arena, const char *domain, const char *name, mf_str *key, mf_error *err) {
  const char *text = mf_str_format(arena, "%.*s:%s", MF_STR_ARG(plain_domain(domain)), name ? name : "");
  *key = mf_onnx_str(text);
  return text ? true : mf_out_of_arena(err);
}

// Of two with one name the first counts.
bool mf_onnx_index_functions(mf_onnx_reader *reader, mf_error *err) {
  for (uint32_t i = 0; i < reader->model->n_functions; i++) {
    const Onnx__FunctionProto *f = reader->model->functions[i];
    mf_str key;
    bool duplicate;
    if (!key_of(reader->arena, f->domain, f->name, &key, err) || !mf_names_add(reader->arena, &reader->functions, key, i, &duplicate, err))
      return false;
  }
  return true;
}

bool mf_onnx_function(const mf_onnx_reader *reader, const Onnx__NodeProto *node, const Onnx__FunctionProto **function, mf_error *err) {
  mf_str key;
  uint32_t number;
  *function = NULL;
  if (!reader->model->n_functions) return true;
  if (!key_of(reader->arena, node->domain, node->op_type, &key, err)) return false;
  if (mf_names_find(&reader->functions, key, &number)) *function = reader->model->functions[number];
  return true;
}

// Default values of attributes (FunctionProto.attribute_proto, IR 9) are newer than Debian's schema: they come as unknown fields, whose
// bytes begin with the length.
static bool default_attribute(mf_onnx_reader *reader, const ProtobufCMessageUnknownField *field, Onnx__AttributeProto **out,
                              mf_error *err) {
  size_t prefix = 0;
  while (prefix < field->len && field->data[prefix] >= 128) prefix++;
  prefix = MF_MIN(prefix + 1, field->len);
  mf_slice bytes = {field->data + prefix, field->len - prefix};
  *out = mf_onnx_unpack(&onnx__attribute_proto__descriptor, bytes, reader->arena, err);
  return *out != NULL;
}

static void bind(mf_scope *scope, Onnx__AttributeProto *attribute) {
  for (size_t i = 0; i < scope->n_bindings; i++)
    if (mf_str_equal(mf_onnx_str(scope->bindings[i]->name), mf_onnx_str(attribute->name))) return;
  scope->bindings[scope->n_bindings++] = attribute;
}

// The call's attributes first, then the function's defaults for those that it left out.
static bool bind_attributes(mf_onnx_reader *reader, const mf_scope *caller, const Onnx__NodeProto *node,
                            const Onnx__FunctionProto *function, mf_scope *scope, mf_error *err) {
  enum { ATTRIBUTE_PROTO_FIELD = 11 };
  size_t most = node->n_attribute + function->base.n_unknown_fields;
  scope->bindings = MF_NEW_ARRAY(reader->arena, Onnx__AttributeProto *, most + 1);
  if (!scope->bindings) return mf_out_of_arena(err);
  for (size_t i = 0; i < node->n_attribute; i++) {
    const Onnx__AttributeProto *resolved = mf_onnx_resolve(caller, node->attribute[i]);
    Onnx__AttributeProto *named = MF_NEW(reader->arena, Onnx__AttributeProto);
    if (!named) return mf_out_of_arena(err);
    if (!resolved) continue;
    *named = *resolved;
    named->name = node->attribute[i]->name;
    bind(scope, named);
  }
  for (unsigned i = 0; i < function->base.n_unknown_fields; i++) {
    Onnx__AttributeProto *attribute;
    if (function->base.unknown_fields[i].tag != ATTRIBUTE_PROTO_FIELD) continue;
    if (!default_attribute(reader, &function->base.unknown_fields[i], &attribute, err)) return false;
    bind(scope, attribute);
  }
  return true;
}

static bool bind_values(mf_onnx_reader *reader, const mf_scope *caller, const Onnx__NodeProto *node, const Onnx__FunctionProto *function,
                        mf_scope *scope, mf_error *err) {
  if (node->n_input > function->n_input || node->n_output > function->n_output)
    return mf_fail(err, MF_InvalidModel, "%zu inputs and %zu outputs, the function has %zu and %zu", node->n_input, node->n_output,
                   function->n_input, function->n_output);
  for (size_t i = 0; i < function->n_input; i++) {
    mf_value_id id = MF_NO_VALUE;
    bool duplicate;
    if (i < node->n_input && *node->input[i] && !mf_onnx_lookup(caller, node->input[i], &id, err)) return false;
    if (!mf_names_add(reader->arena, &scope->names, mf_onnx_str(function->input[i]), id, &duplicate, err)) return false;
    if (duplicate) return mf_fail(err, MF_InvalidModel, "the function's input '%s' is there twice", function->input[i]);
  }
  for (size_t i = 0; i < node->n_output; i++) {
    mf_value_id id;
    bool duplicate;
    if (!*node->output[i]) continue;
    if (!mf_onnx_lookup(caller, node->output[i], &id, err)) return false;
    if (!mf_names_add(reader->arena, &scope->names, mf_onnx_str(function->output[i]), id, &duplicate, err)) return false;
    if (duplicate)
      return mf_fail(err, MF_UnsupportedOperator, "the function's output '%s' is one of its inputs: not supported", function->output[i]);
    if (!mf_names_add(reader->arena, &scope->made, mf_onnx_str(function->output[i]), id, &duplicate, err)) return false;
  }
  return true;
}

// A small model may call functions that call functions: what they become is bounded by what the model's file could hold.
static bool take_room(mf_onnx_reader *reader, const Onnx__NodeProto *node, const Onnx__FunctionProto *function, mf_error *err) {
  uint64_t cost = 1 + function->n_input + function->n_output + function->base.n_unknown_fields;
  if (node->n_attribute > MF_MAX_NODE_ATTRIBUTES) return mf_fail(err, MF_TooLarge, "%zu attributes", node->n_attribute);
  if (function->n_opset_import > MF_MAX_OPSETS) return mf_fail(err, MF_TooLarge, "%zu opset imports", function->n_opset_import);
  if (cost > reader->inlined_left) return mf_onnx_fail_inlined(err);
  reader->inlined_left -= cost;
  return true;
}

bool mf_onnx_inline(mf_onnx_reader *reader, const mf_scope *caller, const Onnx__NodeProto *node, const Onnx__FunctionProto *function,
                    mf_error *err) {
  mf_scope scope = {.opsets = {function->opset_import, function->n_opset_import}, .body = caller->body,
                    .depth = caller->depth + 1};
  scope.inlining = function;
  scope.caller = caller;
  for (const mf_scope *s = caller; s; s = s->caller ? s->caller : s->outer)
    if (s->inlining == function) return mf_fail(err, MF_InvalidModel, "function '%s' calls itself", function->name);
  if (!take_room(reader, node, function, err)) return false;
  if (scope.depth > MAX_CALL_DEPTH)
    return mf_fail(err, MF_TooLarge, "functions call each other more than %d deep", MAX_CALL_DEPTH);
  mf_str name = mf_onnx_str(node->name && *node->name ? node->name : function->name);
  const char *prefix = mf_str_format(reader->arena, "%.*s%.*s/", MF_STR_ARG(caller->prefix), MF_STR_ARG(name));
  if (!prefix) return mf_out_of_arena(err);
  scope.prefix = mf_str_from(prefix);
  if (!bind_attributes(reader, caller, node, function, &scope, err) || !bind_values(reader, caller, node, function, &scope, err) ||
      !mf_onnx_nodes(reader, &scope, function->node, function->n_node, err))
    return mf_wrap(err, "function '%s' of domain '%s'", function->name, function->domain ? function->domain : "");
  return true;
}
