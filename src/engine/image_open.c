// Opening an image: everything that execution relies on is checked here, once, so that it needs no checks of its own. The file comes
// from a process that read a hostile model, so nothing in it is believed.
#include "image.h"

#define RELEASED UINT32_MAX
#define MOST_PLANNED INT64_MAX  // as in plan.c; the tables of an instance beside it cannot overflow

typedef struct opener {
  mf_image *image;
  size_t bytes;
  const mf_operator_table *extra;
  uint32_t *made;        // by value: plan + 1 that made it, 0: not made yet
  uint8_t *plan_state;   // 0 not seen, 1 running, 2 done
  mf_error *err;
} opener;

uint64_t mf_image_metadata_hash(const void *image, uint64_t metadata_bytes) {
  uint64_t seed = mf_hash64(image, offsetof(mf_image_header, metadata_hash), 0);
  return mf_hash64((const uint8_t *)image + MF_IMAGE_HASH_FROM, metadata_bytes - MF_IMAGE_HASH_FROM, seed);
}

bool mf_image_is(mf_slice first_bytes) {
  return first_bytes.len >= 8 && memcmp(first_bytes.data, MF_IMAGE_MAGIC, 8) == 0;
}

static bool within(uint64_t offset, uint64_t bytes, uint64_t from, uint64_t size) {
  return offset >= from && offset - from <= size && bytes <= size - (offset - from);
}

// ---- header and sections ----
static bool check_header(mf_slice bytes, mf_error *err) {
  const mf_image_header *h = bytes.data;
  if (!mf_image_is(bytes)) return mf_fail(err, MF_InvalidImage, "not a model image");
  if (bytes.len < sizeof *h) return mf_fail(err, MF_InvalidImage, "the image is %zu bytes, cut off in its header", bytes.len);
  if (h->version != MF_IMAGE_VERSION)
    return mf_fail(err, MF_InvalidImage, "the image has format version %u, this program reads %d", h->version, MF_IMAGE_VERSION);
  if (h->file_bytes != bytes.len)
    return mf_fail(err, MF_InvalidImage, "the image is %zu bytes, its header says %llu", bytes.len, (unsigned long long)h->file_bytes);
  if (!within(sizeof *h, 0, 0, h->metadata_bytes) || h->metadata_bytes > bytes.len)
    return mf_fail(err, MF_InvalidImage, "the image's metadata are cut off");
  if (h->metadata_hash != mf_image_metadata_hash(bytes.data, h->metadata_bytes))
    return mf_fail(err, MF_InvalidImage, "the image is damaged: its checksum is wrong");
  if (h->constants_offset % MF_IMAGE_ALIGNMENT || h->constants_offset < h->metadata_bytes ||
      !within(h->constants_offset, h->constants_bytes, 0, bytes.len) ||
      bytes.len - h->constants_offset - h->constants_bytes >= MF_IMAGE_HUGE)
    return mf_fail(err, MF_InvalidImage, "the image's constants are out of place");
  if (h->planned_bytes % MF_IMAGE_ALIGNMENT || h->planned_bytes > MOST_PLANNED)
    return mf_fail(err, MF_InvalidImage, "the image wants a planned region of %llu bytes", (unsigned long long)h->planned_bytes);
  if (h->isa >= MF_ISA_COUNT) return mf_fail(err, MF_InvalidImage, "the image is for an unknown instruction set");
  if (h->isa > (uint32_t)mf_isa_of_processor())
    return mf_fail(err, MF_InvalidImage, "the image is for %s, which this processor lacks", mf_isa_name((mf_isa)h->isa));
  const char compiler[sizeof h->compiler] = MF_COMPILER_VERSION;
  if (memcmp(h->compiler, compiler, sizeof compiler) != 0)
    return mf_fail(err, MF_InvalidImage, "the image was made by another version of the compiler");
  return true;
}

static const uint32_t record_bytes[MF_SECTION_COUNT] = {
  [MF_SECTION_KERNELS] = sizeof(mf_image_kernel), [MF_SECTION_VALUES] = sizeof(mf_image_value), [MF_SECTION_PLANS] = sizeof(mf_image_plan),
  [MF_SECTION_NODES] = sizeof(mf_image_node_record), [MF_SECTION_IDS] = 4, [MF_SECTION_ATTRIBUTES] = sizeof(mf_attribute),
  [MF_SECTION_SIGNATURE] = sizeof(mf_image_signature), [MF_SECTION_TEXT] = 1, [MF_SECTION_DATA] = 1, [MF_SECTION_METADATA] = 1,
};

static bool check_sections(const mf_image_header *h, mf_error *err) {
  uint64_t end = sizeof *h;
  for (uint32_t i = 0; i < MF_SECTION_COUNT; i++) {
    const mf_image_section *s = &h->sections[i];
    uint64_t bytes = (uint64_t)s->count * s->record_bytes;
    if (s->record_bytes != record_bytes[i] || s->offset % MF_IMAGE_ALIGNMENT || s->offset < end || !within(s->offset, bytes, 0, h->metadata_bytes))
      return mf_fail(err, MF_InvalidImage, "section %u of the image is out of place", i);
    end = s->offset + bytes;
  }
  return true;
}

static bool text_is_inside(const mf_image *image, mf_image_text text) {
  return within(text.offset, text.length, 0, mf_image_section_of(image, MF_SECTION_TEXT)->count);
}

// In the data section or in the constants: the two places that attributes and strings may point to.
static bool data_is_inside(const mf_image *image, uint64_t offset, uint64_t bytes) {
  const mf_image_section *data = mf_image_section_of(image, MF_SECTION_DATA);
  return within(offset, bytes, data->offset, data->count) ||
         within(offset, bytes, image->header->constants_offset, image->header->constants_bytes);
}

// ---- kernels ----
static const mf_operator *row_of(const opener *o, const mf_image_kernel *record) {
  const mf_operator_table *table = record->table == 0 ? &mf_builtin_operators : record->table == 1 ? o->extra : NULL;
  return table && record->row < table->n_rows ? table->rows[record->row] : NULL;
}

static bool open_kernel(opener *o, uint32_t at) {
  mf_image *image = o->image;
  const mf_image_kernel *record = &image->kernel_records[at];
  if (!text_is_inside(image, record->domain) || !text_is_inside(image, record->op) || !text_is_inside(image, record->name))
    return mf_fail(o->err, MF_InvalidImage, "kernel %u of the image has no name", at);
  const mf_operator *op = row_of(o, record);
  uint32_t n = 0;
  while (op && op->kernels[n] && n < record->kernel) n++;
  bool same = op && op->kernels[n] && mf_str_is(mf_image_text_of(image, record->op), op->name) &&
              mf_str_is(mf_image_text_of(image, record->domain), op->domain) &&
              mf_str_is(mf_image_text_of(image, record->name), op->kernels[n]->name);
  if (!same)
    return mf_fail(o->err, MF_InvalidImage, "the image was made by another build: it wants kernel '%.*s' of %.*s",
                   MF_STR_ARG(mf_image_text_of(image, record->name)), MF_STR_ARG(mf_image_text_of(image, record->op)));
  if (op->kernels[n]->isa > (mf_isa)image->header->isa)
    return mf_fail(o->err, MF_InvalidImage, "kernel '%s' needs more than the image's instruction set", op->kernels[n]->name);
  image->operators[at] = op;
  image->kernels[at] = op->kernels[n];
  return true;
}

// ---- values ----
static bool value_shape(const mf_image_value *v, bool *is_static) {
  *is_static = v->type != MF_TYPE_UNKNOWN && v->rank != MF_RANK_UNKNOWN;
  if (v->type != MF_TYPE_UNKNOWN && !mf_type_size((mf_type)v->type)) return false;
  if (v->rank != MF_RANK_UNKNOWN && v->rank > MF_MAX_RANK) return false;
  for (uint32_t i = 0; i < MF_MAX_RANK; i++) {
    bool used = v->rank != MF_RANK_UNKNOWN && i < v->rank;
    if (used ? v->dims[i] < -1 : v->dims[i] != 0) return false;
    *is_static &= v->dims[i] >= 0;
  }
  return true;
}

static bool strings_are_inside(mf_image *image, uint64_t offset, uint64_t count) {
  if (offset % 8 || count > SIZE_MAX / sizeof(mf_image_string) || !data_is_inside(image, offset, count * sizeof(mf_image_string))) return false;
  const mf_image_string *records = (const void *)(image->base + offset);
  for (uint64_t i = 0; i < count; i++)
    if (!data_is_inside(image, records[i].offset, records[i].length)) return false;
  return true;
}

static bool constant_is_inside(mf_image *image, const mf_image_value *v, size_t bytes, uint64_t count) {
  if (v->type == MF_STRING) {
    image->n_strings += count;
    return strings_are_inside(image, v->offset, count);
  }
  return v->offset % MF_IMAGE_ALIGNMENT == image->header->constants_offset % MF_IMAGE_ALIGNMENT &&
         within(v->offset, bytes, image->header->constants_offset, image->header->constants_bytes);
}

static bool open_value(opener *o, uint32_t at) {
  mf_image *image = o->image;
  const mf_image_value *v = &image->values[at];
  bool is_static, good = value_shape(v, &is_static);
  size_t bytes = 0;
  mf_tensor t = mf_image_tensor(v);
  if (good && is_static) good = mf_tensor_bytes(&t, &bytes);
  if (good && !is_static) good = v->storage == MF_STORAGE_HEAP || v->storage == MF_STORAGE_BOUND, image->dynamic = true;
  if (good && v->shape_of != MF_IMAGE_ABSENT)
    good = v->storage == MF_STORAGE_CONSTANT && v->shape_of < image->n_values && image->values[v->shape_of].storage == MF_STORAGE_SHAPE;
  if (good && v->storage == MF_STORAGE_PLANNED)
    good = v->offset % MF_IMAGE_ALIGNMENT == 0 && within(v->offset, bytes, 0, image->header->planned_bytes);
  if (good && v->storage == MF_STORAGE_CONSTANT) good = constant_is_inside(image, v, bytes, (uint64_t)mf_tensor_count(&t));
  return (good && v->storage <= MF_STORAGE_SHAPE) || mf_fail(o->err, MF_InvalidImage, "value %u of the image is wrong", at);
}

// Planned texts lie before all that is planned: whatever is written to memory of a number can be no text's pointer.
static void find_texts(mf_image *image) {
  for (uint32_t v = 0; v < image->n_values; v++) {
    const mf_tensor t = mf_image_tensor(&image->values[v]);
    size_t bytes;
    if (image->values[v].storage == MF_STORAGE_PLANNED && t.type == MF_STRING && mf_tensor_bytes(&t, &bytes))
      image->texts_bytes = MF_MAX(image->texts_bytes, image->values[v].offset + bytes);
  }
}

static bool texts_are_apart(const opener *o) {
  const mf_image *image = o->image;
  for (uint32_t v = 0; v < image->n_values; v++) {
    const mf_image_value *value = &image->values[v];
    if (value->storage == MF_STORAGE_PLANNED && value->type != MF_STRING && value->offset < image->texts_bytes)
      return mf_fail(o->err, MF_InvalidImage, "value %u of the image lies among texts", v);
  }
  return true;
}

// ---- attributes ----
static bool tensor_attribute_is_inside(mf_image *image, uint64_t offset) {
  if (offset % 8 || !data_is_inside(image, offset, sizeof(mf_attribute_tensor))) return false;
  const mf_attribute_tensor *record = (const void *)(image->base + offset);
  mf_image_value shape = {.type = record->type, .rank = record->rank};
  memcpy(shape.dims, record->dims, sizeof shape.dims);
  bool is_static;
  size_t bytes;
  if (!value_shape(&shape, &is_static) || !is_static) return false;
  mf_tensor t = mf_image_tensor(&shape);
  if (!mf_tensor_bytes(&t, &bytes)) return false;
  if (t.type == MF_STRING) return strings_are_inside(image, record->data_offset, (uint64_t)mf_tensor_count(&t));
  return record->data_offset % 8 == 0 && data_is_inside(image, record->data_offset, bytes);
}

static bool attribute_is_right(mf_image *image, const mf_attribute *a, const mf_attribute_row *row) {
  if (a->type == MF_ATTR_ABSENT) return !row->required;
  if (a->type != row->type) return false;
  switch ((mf_attribute_type)a->type) {
    case MF_ATTR_STRING: return data_is_inside(image, a->offset, a->count);
    case MF_ATTR_FLOATS: return a->offset % 4 == 0 && data_is_inside(image, a->offset, a->count * sizeof(float));
    case MF_ATTR_INTS: return a->offset % 8 == 0 && data_is_inside(image, a->offset, a->count * sizeof(int64_t));
    case MF_ATTR_STRINGS: return strings_are_inside(image, a->offset, a->count);
    case MF_ATTR_TENSOR: return tensor_attribute_is_inside(image, a->offset);
    default: return a->count == 1;
  }
}

// ---- plans ----
static bool ids_are_inside(const mf_image *image, uint32_t first, uint32_t n) { return within(first, n, 0, image->n_ids); }

static bool value_is_static(const mf_image_value *v) {
  bool is_static;
  return value_shape(v, &is_static) && is_static;
}

static bool can_read(const opener *o, uint32_t id) {
  if (id >= o->image->n_values) return false;
  // These have memory at all times (and what is an alias of a planned value has no node that makes it).
  if (o->image->values[id].storage == MF_STORAGE_CONSTANT || o->image->values[id].storage == MF_STORAGE_PLANNED) return true;
  if (o->image->values[id].storage == MF_STORAGE_SHAPE) return false;
  return o->made[id] != 0 && o->made[id] != RELEASED && o->plan_state[o->made[id] - 1] == 1;
}

static bool make(opener *o, uint32_t id, uint32_t plan) {
  if (id >= o->image->n_values || o->image->values[id].storage == MF_STORAGE_CONSTANT || o->image->values[id].storage == MF_STORAGE_SHAPE ||
      o->made[id])
    return false;
  o->made[id] = plan + 1;
  return true;
}

static bool open_inputs(opener *o, const mf_image_node_record *node) {
  const mf_image *image = o->image;
  bool direct = !(node->flags & (MF_NODE_SHAPE | MF_NODE_SELF));
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    uint32_t id = image->ids[node->inputs + i];
    if (id == MF_IMAGE_ABSENT && mf_operator_needs(image->operators[node->kernel], i)) return false;
    if (id == MF_IMAGE_ABSENT) continue;
    if (!can_read(o, id) || (direct && !value_is_static(&image->values[id]))) return false;
  }
  return true;
}

static bool open_outputs(opener *o, const mf_image_node_record *node, uint32_t plan) {
  const mf_image *image = o->image;
  bool direct = !(node->flags & (MF_NODE_SHAPE | MF_NODE_SELF));
  for (uint32_t i = 0; i < node->n_outputs; i++) {
    uint32_t id = image->ids[node->outputs + i];
    if (id == MF_IMAGE_ABSENT) continue;
    if (!make(o, id, plan)) return false;
    bool alias = node->flags & MF_NODE_ALIAS, bound = image->values[id].storage == MF_STORAGE_BOUND;
    if (alias != bound || (alias && i > 0)) return false;
    if (direct && (!value_is_static(&image->values[id]) || image->values[id].storage == MF_STORAGE_HEAP)) return false;
  }
  return true;
}

static bool is_released(const mf_image *image, const mf_image_node_record *node, uint32_t id) {
  for (uint32_t i = 0; i < node->n_releases; i++)
    if (image->ids[node->releases + i] == id) return true;
  return false;
}

static bool flags_are_right(const opener *o, const mf_image_node_record *node) {
  const mf_image *image = o->image;
  enum { ALL = MF_NODE_SHAPE | MF_NODE_SELF | MF_NODE_ALIAS | MF_NODE_INPLACE };
  const mf_operator *op = image->operators[node->kernel];
  bool self = op->flags & (MF_OP_SHAPES_ITSELF | MF_OP_CONTROL);
  uint32_t in = node->n_inputs ? image->ids[node->inputs] : MF_IMAGE_ABSENT, out = node->n_outputs ? image->ids[node->outputs] : MF_IMAGE_ABSENT;
  if (node->flags & ~(uint32_t)ALL || self != !!(node->flags & MF_NODE_SELF)) return false;
  if (self && node->flags & (MF_NODE_SHAPE | MF_NODE_ALIAS | MF_NODE_INPLACE)) return false;
  if (node->flags & (MF_NODE_ALIAS | MF_NODE_INPLACE) && (in >= image->n_values || out >= image->n_values)) return false;
  if (node->flags & MF_NODE_INPLACE)  // its block gets a new owner, so nobody may read it afterwards
    return is_released(image, node, in) && image->values[in].storage == MF_STORAGE_HEAP && image->values[out].storage == MF_STORAGE_HEAP && !(node->flags & MF_NODE_ALIAS);
  return true;
}

static bool arity_is_right(const mf_operator *op, const mf_image_node_record *node) {
  return (int64_t)node->n_inputs >= op->min_inputs && (op->max_inputs == MF_OP_ANY || (int64_t)node->n_inputs <= op->max_inputs) &&
         (int64_t)node->n_outputs >= op->min_outputs && (op->max_outputs == MF_OP_ANY || (int64_t)node->n_outputs <= op->max_outputs);
}

static bool open_plan(opener *o, uint32_t number);

static bool open_bodies(opener *o, const mf_image_node_record *node, uint32_t plan) {
  for (uint32_t i = 0; i < node->n_attributes; i++) {
    const mf_attribute *a = &o->image->attributes[node->attributes + i];
    if (a->type != MF_ATTR_GRAPH) continue;
    if (a->i <= (int64_t)plan || a->i >= (int64_t)o->image->n_plans || o->plan_state[a->i] != 0)
      return mf_fail(o->err, MF_InvalidImage, "a subgraph of the image is run twice or from inside itself");
    if (!open_plan(o, (uint32_t)a->i)) return false;
  }
  return true;
}

// A plan frees what it made itself: a body may run again, and then needs what is around it.
static bool release(opener *o, uint32_t first, uint32_t n, uint32_t plan) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t id = o->image->ids[first + i];
    if (id >= o->image->n_values || o->image->values[id].storage != MF_STORAGE_HEAP || o->made[id] != plan + 1) return false;
    o->made[id] = RELEASED;  // neither made again nor read
  }
  return true;
}

static bool open_node(opener *o, const mf_image_node_record *node, uint32_t plan) {
  mf_image *image = o->image;
  if (node->kernel >= image->n_kernels || !text_is_inside(image, node->name)) return false;
  const mf_operator *op = image->operators[node->kernel];
  if (!ids_are_inside(image, node->inputs, node->n_inputs) || !ids_are_inside(image, node->outputs, node->n_outputs) ||
      !ids_are_inside(image, node->releases, node->n_releases) || !arity_is_right(op, node) || !flags_are_right(o, node))
    return false;
  if (node->n_attributes != op->n_attributes || !within(node->attributes, node->n_attributes, 0, image->n_attributes)) return false;
  for (uint32_t i = 0; i < node->n_attributes; i++)
    if (!attribute_is_right(image, &image->attributes[node->attributes + i], &op->attributes[i])) return false;
  if (node->scratch_offset % MF_IMAGE_ALIGNMENT || !within(node->scratch_offset, node->scratch_bytes, 0, image->header->planned_bytes) ||
      (node->scratch_bytes > 0 && node->scratch_offset < image->texts_bytes))
    return false;
  image->most_outputs = MF_MAX(image->most_outputs, node->n_outputs);
  return open_inputs(o, node) && open_bodies(o, node, plan) && open_outputs(o, node, plan) &&
         release(o, node->releases, node->n_releases, plan);
}

static bool open_plan(opener *o, uint32_t number) {
  const mf_image *image = o->image;
  const mf_image_plan *plan = &image->plans[number];
  bool good = within(plan->first_node, plan->n_nodes, 0, image->n_nodes) && ids_are_inside(image, plan->inputs, plan->n_inputs) &&
              ids_are_inside(image, plan->outputs, plan->n_outputs) && ids_are_inside(image, plan->releases, plan->n_releases);
  o->plan_state[number] = 1;
  for (uint32_t i = 0; good && i < plan->n_inputs; i++) {
    uint32_t id = image->ids[plan->inputs + i];
    good = make(o, id, number) && (image->values[id].storage == MF_STORAGE_BOUND || (number == 0 && image->values[id].storage == MF_STORAGE_PLANNED));
  }
  for (uint32_t i = 0; good && i < plan->n_nodes; i++) {
    o->err->code = MF_OK;
    if (open_node(o, &image->nodes[plan->first_node + i], number)) continue;
    return o->err->code != MF_OK ? false : mf_fail(o->err, MF_InvalidImage, "node %u of the image is wrong", plan->first_node + i);
  }
  for (uint32_t i = 0; good && i < plan->n_outputs; i++) good = can_read(o, image->ids[plan->outputs + i]);
  good = good && release(o, plan->releases, plan->n_releases, number);
  o->plan_state[number] = 2;
  return good || mf_fail(o->err, MF_InvalidImage, "plan %u of the image is wrong", number);
}

static bool open_plans(opener *o) {
  const mf_image *image = o->image;
  uint32_t at = 0;
  for (uint32_t p = 0; p < image->n_plans; p++) {
    if (image->plans[p].first_node != at || image->plans[p].n_nodes > image->n_nodes - at)
      return mf_fail(o->err, MF_InvalidImage, "plan %u of the image is out of place", p);
    at += image->plans[p].n_nodes;
  }
  if (at != image->n_nodes || image->n_plans == 0) return mf_fail(o->err, MF_InvalidImage, "the image has nodes outside its plans");
  if (!open_plan(o, 0)) return false;
  for (uint32_t p = 0; p < image->n_plans; p++)
    if (o->plan_state[p] != 2) return mf_fail(o->err, MF_InvalidImage, "plan %u of the image is never run", p);
  return true;
}

// ---- signature ----
static bool open_signature(opener *o) {
  mf_image *image = o->image;
  const mf_image_header *h = image->header;
  const mf_image_signature *records = (const void *)(image->base + mf_image_section_of(image, MF_SECTION_SIGNATURE)->offset);
  uint64_t n = (uint64_t)h->n_inputs + h->n_outputs;
  if (n != mf_image_section_of(image, MF_SECTION_SIGNATURE)->count || h->n_inputs != image->plans[0].n_inputs ||
      h->n_outputs != image->plans[0].n_outputs)
    return mf_fail(o->err, MF_InvalidImage, "the image's signature does not fit its plan");
  for (uint64_t i = 0; i < n; i++) {
    mf_image_value shape = {.type = records[i].type, .rank = records[i].rank};
    memcpy(shape.dims, records[i].dims, sizeof shape.dims);
    bool is_static, good = value_shape(&shape, &is_static) && text_is_inside(image, records[i].name);
    image->signature[i].shape = mf_image_tensor(&shape);
    image->signature[i].name = mf_image_text_of(image, records[i].name);
    for (uint32_t d = 0; good && d < MF_MAX_RANK; d++) {
      good = text_is_inside(image, records[i].dim_names[d]);
      image->signature[i].dim_names[d] = mf_image_text_of(image, records[i].dim_names[d]);
    }
    if (!good) return mf_fail(o->err, MF_InvalidImage, "entry %llu of the image's signature is wrong", (unsigned long long)i);
  }
  return true;
}

static void find_sections(mf_image *image) {
  const mf_image_section *s = image->header->sections;
#define SECTION(member, count_member, at) \
  image->member = (const void *)(image->base + s[at].offset), image->count_member = s[at].count
  SECTION(kernel_records, n_kernels, MF_SECTION_KERNELS);
  SECTION(values, n_values, MF_SECTION_VALUES);
  SECTION(plans, n_plans, MF_SECTION_PLANS);
  SECTION(nodes, n_nodes, MF_SECTION_NODES);
  SECTION(ids, n_ids, MF_SECTION_IDS);
  SECTION(attributes, n_attributes, MF_SECTION_ATTRIBUTES);
#undef SECTION
}

static bool open_all(opener *o, mf_arena *arena) {
  mf_image *image = o->image;
  find_sections(image);
  uint64_t n_signature = mf_image_section_of(image, MF_SECTION_SIGNATURE)->count;
  image->kernels = MF_NEW_ARRAY(arena, const mf_kernel *, image->n_kernels + UINT64_C(1));
  image->operators = MF_NEW_ARRAY(arena, const mf_operator *, image->n_kernels + UINT64_C(1));
  image->signature = MF_NEW_ARRAY(arena, mf_signature_entry, n_signature + 1);
  o->made = MF_NEW_ARRAY(arena, uint32_t, image->n_values + UINT64_C(1));
  o->plan_state = MF_NEW_ARRAY(arena, uint8_t, image->n_plans + UINT64_C(1));
  if (!image->kernels || !image->operators || !image->signature || !o->made || !o->plan_state)
    return mf_fail(o->err, MF_OutOfMemory, "no memory to open the image");
  for (uint32_t i = 0; i < image->n_kernels; i++)
    if (!open_kernel(o, i)) return false;
  for (uint32_t i = 0; i < image->n_values; i++)
    if (!open_value(o, i)) return false;
  find_texts(image);
  return texts_are_apart(o) && open_plans(o) && open_signature(o);
}

bool mf_image_open(mf_slice bytes, const mf_operator_table *extra_operators, mf_arena *arena, const mf_image **out, mf_error *err) {
  if ((uintptr_t)bytes.data % MF_IMAGE_ALIGNMENT) return mf_fail(err, MF_Internal, "the image is not aligned to %d bytes", MF_IMAGE_ALIGNMENT);
  if (!check_header(bytes, err) || !check_sections(bytes.data, err)) return false;
  mf_image *image = MF_NEW(arena, mf_image);
  if (!image) return mf_fail(err, MF_OutOfMemory, "no memory to open the image");
  image->base = bytes.data;
  image->header = bytes.data;
  mf_error problem = {0};
  opener o = {.image = image, .bytes = bytes.len, .extra = extra_operators, .err = &problem};
  if (!open_all(&o, arena)) return *err = problem, false;
  *out = image;
  return true;
}

bool mf_image_verify(const mf_image *image, mf_error *err) {
  const mf_image_header *h = image->header;
  if (mf_hash64(image->base + h->constants_offset, h->constants_bytes, 0) == h->constants_hash) return true;
  return mf_fail(err, MF_InvalidImage, "the image is damaged: the checksum of its constants is wrong");
}
