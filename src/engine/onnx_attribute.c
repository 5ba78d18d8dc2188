// Attributes of ONNX nodes: to the engine's form, through the bindings of a function's body, and Constant nodes to tensors.
#include "onnx.h"

typedef struct string_record {
  uint64_t offset, length;
} string_record;

const Onnx__AttributeProto *mf_onnx_resolve(const mf_scope *scope, const Onnx__AttributeProto *attribute) {
  if (!attribute->ref_attr_name || !*attribute->ref_attr_name) return attribute;
  for (size_t i = 0; i < scope->n_bindings; i++) {
    const Onnx__AttributeProto *bound = scope->bindings[i];
    if (bound->name && strcmp(bound->name, attribute->ref_attr_name) == 0) return bound;
  }
  return NULL;
}

// Models older than IR 3 state no type: the field that is there tells.
static int type_of(const Onnx__AttributeProto *a) {
  if (a->type) return (int)a->type;
  if (a->has_f) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
  if (a->has_i) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
  if (a->has_s) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
  if (a->t) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
  if (a->g) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
  if (a->n_floats) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
  if (a->n_ints) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
  if (a->n_strings) return ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
  return 0;
}

static bool read_strings(mf_arena *arena, const ProtobufCBinaryData *strings, size_t n, uint64_t *offset, mf_error *err) {
  string_record *records = MF_NEW_ARRAY(arena, string_record, n ? n : 1);
  if (!records) return mf_out_of_arena(err);
  for (size_t i = 0; i < n; i++) records[i] = (string_record){(uint64_t)(uintptr_t)strings[i].data, strings[i].len};
  *offset = (uint64_t)(uintptr_t)records;
  return true;
}

static bool read_tensor(mf_onnx_reader *reader, const Onnx__TensorProto *proto, uint64_t *offset, mf_error *err) {
  mf_tensor t;
  if (!proto) return mf_fail(err, MF_InvalidModel, "its tensor is missing");
  if (!mf_onnx_tensor(reader, proto, &t, err)) return false;
  mf_attribute_tensor *record = MF_NEW(reader->arena, mf_attribute_tensor);
  if (!record) return mf_out_of_arena(err);
  *record = (mf_attribute_tensor){.type = t.type, .rank = t.rank, .data_offset = (uint64_t)(uintptr_t)t.data};
  memcpy(record->dims, t.dims, sizeof t.dims);
  // An mf_str is a pointer and a length, as a record is: strings are records with base 0 already.
  static_assert(sizeof(mf_str) == sizeof(string_record), "strings and their records have one layout");
  *offset = (uint64_t)(uintptr_t)record;
  return true;
}

static bool read_graph(mf_onnx_reader *reader, const mf_scope *scope, const Onnx__GraphProto *proto, mf_attribute *out, mf_error *err) {
  uint32_t body;
  if (!proto) return mf_fail(err, MF_InvalidModel, "its graph is missing");
  if (!mf_onnx_subgraph(reader, scope, proto, &body, err)) return false;
  out->i = body;
  return true;
}

static bool read_value(mf_onnx_reader *reader, const mf_scope *scope, const Onnx__AttributeProto *a, mf_attribute *out, mf_error *err) {
  *out = (mf_attribute){.type = (uint32_t)type_of(a), .count = 1};
  size_t count = 1;
  switch (type_of(a)) {
    case MF_ATTR_FLOAT: out->f = a->f; break;
    case MF_ATTR_INT: out->i = a->i; break;
    case MF_ATTR_STRING: out->offset = (uint64_t)(uintptr_t)a->s.data; count = a->s.len; break;
    case MF_ATTR_FLOATS: out->offset = (uint64_t)(uintptr_t)a->floats; count = a->n_floats; break;
    case MF_ATTR_INTS: out->offset = (uint64_t)(uintptr_t)a->ints; count = a->n_ints; break;
    case MF_ATTR_STRINGS:
      count = a->n_strings;
      if (!read_strings(reader->arena, a->strings, count, &out->offset, err)) return false;
      break;
    case MF_ATTR_TENSOR: return read_tensor(reader, a->t, &out->offset, err);
    case MF_ATTR_GRAPH: return read_graph(reader, scope, a->g, out, err);
    default: return mf_fail(err, MF_UnsupportedType, "attributes of type %d are not supported", type_of(a));
  }
  if (count > UINT32_MAX) return mf_fail(err, MF_TooLarge, "it has %zu elements", count);
  out->count = (uint32_t)count;
  return true;
}

bool mf_onnx_attributes(mf_onnx_reader *reader, const mf_scope *scope, const Onnx__NodeProto *node, mf_named_attribute **list,
                        uint32_t *n, mf_error *err) {
  if (node->n_attribute > MF_MAX_NODE_ATTRIBUTES) return mf_fail(err, MF_TooLarge, "%zu attributes", node->n_attribute);
  *n = 0;
  *list = MF_NEW_ARRAY(reader->arena, mf_named_attribute, node->n_attribute ? node->n_attribute : 1);
  if (!*list) return mf_out_of_arena(err);
  for (size_t i = 0; i < node->n_attribute; i++) {
    const char *name = node->attribute[i]->name ? node->attribute[i]->name : "";
    const Onnx__AttributeProto *attribute = mf_onnx_resolve(scope, node->attribute[i]);
    if (!attribute) continue;
    for (uint32_t k = 0; k < *n; k++)
      if (strcmp((*list)[k].name, name) == 0) return mf_fail(err, MF_InvalidModel, "attribute '%s' is there twice", name);
    (*list)[*n].name = name;
    if (!read_value(reader, scope, attribute, &(*list)[*n].value, err)) return mf_wrap(err, "attribute '%s'", name);
    (*n)++;
  }
  return true;
}

static bool vector(mf_arena *arena, mf_type type, const void *data, size_t n, bool scalar, mf_tensor *out, mf_error *err) {
  assert(data || n == 0);
  *out = (mf_tensor){.type = type, .rank = scalar ? 0 : 1};
  if (!scalar) out->dims[0] = (int64_t)n;
  out->data = mf_arena_alloc_aligned(arena, n ? n * mf_type_size(type) : 1, 64);
  if (!out->data) return mf_out_of_arena(err);
  if (n) memcpy(out->data, data, n * mf_type_size(type));
  return true;
}

static bool string_vector(mf_arena *arena, const ProtobufCBinaryData *strings, size_t n, bool scalar, mf_tensor *out, mf_error *err) {
  uint64_t records = 0;
  return read_strings(arena, strings, n, &records, err) &&
         vector(arena, MF_STRING, (const void *)(uintptr_t)records, n, scalar, out, err);
}

bool mf_onnx_constant(mf_onnx_reader *reader, const mf_scope *scope, const Onnx__NodeProto *node, mf_tensor *out, mf_error *err) {
  if (node->n_attribute != 1) return mf_fail(err, MF_InvalidModel, "%zu attributes, expected one", node->n_attribute);
  const char *name = node->attribute[0]->name ? node->attribute[0]->name : "";
  const Onnx__AttributeProto *a = mf_onnx_resolve(scope, node->attribute[0]);
  mf_arena *arena = reader->arena;
  if (!a) return mf_fail(err, MF_InvalidModel, "the call gives no value for attribute '%s'", node->attribute[0]->ref_attr_name);
  if (strcmp(name, "value") == 0 && a->t) return mf_onnx_tensor(reader, a->t, out, err);
  if (strcmp(name, "value_float") == 0) return vector(arena, MF_FLOAT, &a->f, 1, true, out, err);
  if (strcmp(name, "value_floats") == 0) return vector(arena, MF_FLOAT, a->floats, a->n_floats, false, out, err);
  if (strcmp(name, "value_int") == 0) return vector(arena, MF_INT64, &a->i, 1, true, out, err);
  if (strcmp(name, "value_ints") == 0) return vector(arena, MF_INT64, a->ints, a->n_ints, false, out, err);
  if (strcmp(name, "value_string") == 0) return string_vector(arena, &a->s, 1, true, out, err);
  if (strcmp(name, "value_strings") == 0) return string_vector(arena, a->strings, a->n_strings, false, out, err);
  return mf_fail(err, MF_UnsupportedOperator, "attribute '%s' is not supported", name);
}
