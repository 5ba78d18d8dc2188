// Writing the image: records into one buffer a section, constants into a list (equal ones once), then everything into one piece of
// memory. docs/image-format.md is what this file follows.
#include "compile.h"

enum { LARGE_ATTRIBUTE = 4096 };

typedef struct constant {
  const void *data;
  uint64_t bytes, offset;   // from the beginning of the constants
  const mf_str *strings;    // a string constant's: records made when everything has its place
  uint64_t n_strings;
} constant;

typedef struct patch {      // an offset in a record that waits for the sections' places
  mf_section section;
  uint64_t at;              // of the u64 in the section
  bool constants;           // the target is in the constants, else in the data section
} patch;

typedef struct writer {
  mf_layout *layout;
  mf_arena *arena;
  mf_buf sections[MF_SECTION_COUNT];
  mf_buf patches;
  constant *constants;
  uint32_t n_constants, constants_capacity;
  uint32_t *by_hash;        // positions + 1 in constants
  uint32_t hash_capacity;
  uint64_t constants_bytes;
  uint32_t *value_ids;      // graph value -> image value, MF_IMAGE_ABSENT: not in the image
  uint32_t n_values;
  uint32_t *plan_ids;
  uint32_t *kernel_ids;     // layout node -> kernel record
  uint32_t *kernel_nodes;   // kernel record -> the first layout node that uses it
} writer;

static const uint32_t record_bytes[MF_SECTION_COUNT] = {
  [MF_SECTION_KERNELS] = sizeof(mf_image_kernel), [MF_SECTION_VALUES] = sizeof(mf_image_value), [MF_SECTION_PLANS] = sizeof(mf_image_plan),
  [MF_SECTION_NODES] = sizeof(mf_image_node_record), [MF_SECTION_IDS] = 4, [MF_SECTION_ATTRIBUTES] = sizeof(mf_attribute),
  [MF_SECTION_SIGNATURE] = sizeof(mf_image_signature), [MF_SECTION_TEXT] = 1, [MF_SECTION_DATA] = 1, [MF_SECTION_METADATA] = 1,
};

static uint64_t align_to(uint64_t at, uint64_t alignment) { return (at + alignment - 1) & ~(alignment - 1); }

static mf_image_text put_text(writer *w, mf_str text) {
  mf_image_text t = {(uint32_t)w->sections[MF_SECTION_TEXT].len, (uint32_t)text.len};
  mf_buf_str(&w->sections[MF_SECTION_TEXT], text);
  return t;
}

static uint32_t count_of(const writer *w, mf_section section) { return (uint32_t)(w->sections[section].len / record_bytes[section]); }

static void put_ids(writer *w, const mf_value_id *ids, uint32_t n, uint32_t *first) {
  *first = count_of(w, MF_SECTION_IDS);
  for (uint32_t i = 0; i < n; i++) {
    uint32_t id = ids[i] == MF_NO_VALUE ? MF_IMAGE_ABSENT : w->value_ids[ids[i]];
    mf_buf_append(&w->sections[MF_SECTION_IDS], &id, sizeof id);
  }
}

static void put_patch(writer *w, mf_section section, uint64_t at, bool constants) {
  patch p = {section, at, constants};
  mf_buf_append(&w->patches, &p, sizeof p);
}

// ---- constants ----
static bool grow_constants(writer *w) {
  if (w->n_constants < w->constants_capacity) return true;
  uint32_t capacity = w->constants_capacity ? w->constants_capacity * 2 : 64;
  constant *bigger = MF_NEW_ARRAY(w->arena, constant, capacity);
  uint32_t *by_hash = MF_NEW_ARRAY(w->arena, uint32_t, capacity * 2);
  if (!bigger || !by_hash) return false;
  if (w->n_constants) memcpy(bigger, w->constants, w->n_constants * sizeof *bigger);
  for (uint32_t i = 0; i < w->n_constants; i++) {
    uint32_t slot = (uint32_t)mf_hash64(bigger[i].data, bigger[i].bytes, 0) & (capacity * 2 - 1);
    while (by_hash[slot]) slot = (slot + 1) & (capacity * 2 - 1);
    by_hash[slot] = i + 1;
  }
  w->constants = bigger;
  w->by_hash = by_hash;
  w->constants_capacity = capacity;
  w->hash_capacity = capacity * 2;
  return true;
}

// Where these bytes are among the constants; equal ones share a place.
static bool put_constant(writer *w, const void *data, uint64_t bytes, uint64_t *offset) {
  if (!grow_constants(w)) return false;
  uint32_t slot = (uint32_t)mf_hash64(data, bytes, 0) & (w->hash_capacity - 1);
  for (; w->by_hash[slot]; slot = (slot + 1) & (w->hash_capacity - 1)) {
    const constant *c = &w->constants[w->by_hash[slot] - 1];
    if (c->bytes == bytes && (bytes == 0 || memcmp(c->data, data, bytes) == 0)) return *offset = c->offset, true;
  }
  w->constants_bytes = align_to(w->constants_bytes, bytes >= MF_IMAGE_HUGE ? MF_IMAGE_PAGE : MF_IMAGE_ALIGNMENT);
  w->constants[w->n_constants] = (constant){.data = data, .bytes = bytes, .offset = w->constants_bytes};
  w->by_hash[slot] = ++w->n_constants;
  *offset = w->constants_bytes;
  w->constants_bytes += bytes;
  return true;
}

// Bytes that attributes point to; returns the offset in the data section.
static uint64_t put_data(writer *w, const void *bytes, size_t len) {
  static const char zeros[8];
  mf_buf *data = &w->sections[MF_SECTION_DATA];
  mf_buf_append(data, zeros, (8 - data->len % 8) % 8);
  uint64_t offset = data->len;
  mf_buf_append(data, bytes, len);
  return offset;
}

// Bytes of an attribute, small ones in the data section, large ones among the constants; patches the u64 at `at` of `section`.
static bool put_bytes(writer *w, const void *bytes, size_t len, mf_section section, uint64_t at, uint64_t *offset) {
  bool large = len > LARGE_ATTRIBUTE;
  if (large && !put_constant(w, bytes, len, offset)) return false;
  if (!large) *offset = put_data(w, bytes, len);
  put_patch(w, section, at, large);
  return true;
}

// Records of strings, in the data section together with their characters.
static uint64_t put_strings(writer *w, const mf_str *strings, uint64_t n) {
  uint64_t records = put_data(w, NULL, 0);
  mf_image_string empty = {0, 0};
  for (uint64_t i = 0; i < n; i++) mf_buf_append(&w->sections[MF_SECTION_DATA], &empty, sizeof empty);
  for (uint64_t i = 0; i < n && !w->sections[MF_SECTION_DATA].failed; i++) {
    mf_image_string record = {w->sections[MF_SECTION_DATA].len, strings[i].len};
    mf_buf_str(&w->sections[MF_SECTION_DATA], strings[i]);
    if (w->sections[MF_SECTION_DATA].failed) break;
    memcpy(w->sections[MF_SECTION_DATA].data + records + i * sizeof record, &record, sizeof record);
    put_patch(w, MF_SECTION_DATA, records + i * sizeof record, false);
  }
  return records;
}

// ---- attributes ----
static bool put_tensor_attribute(writer *w, const mf_attribute_tensor *tensor, uint64_t at, uint64_t *offset) {
  mf_attribute_tensor record = *tensor;
  mf_tensor t = {.type = (mf_type)tensor->type, .rank = tensor->rank};
  memcpy(t.dims, tensor->dims, sizeof t.dims);
  size_t bytes;
  if (!mf_tensor_bytes(&t, &bytes)) return false;
  const void *data = (const void *)(uintptr_t)tensor->data_offset;
  uint64_t place = put_data(w, &record, sizeof record), data_at = place + offsetof(mf_attribute_tensor, data_offset);
  if (t.type == MF_STRING) {
    record.data_offset = put_strings(w, data, (uint64_t)mf_tensor_count(&t));
    put_patch(w, MF_SECTION_DATA, data_at, false);
  } else if (!put_bytes(w, data, bytes, MF_SECTION_DATA, data_at, &record.data_offset)) {
    return false;
  }
  if (w->sections[MF_SECTION_DATA].failed) return false;
  memcpy(w->sections[MF_SECTION_DATA].data + place, &record, sizeof record);
  put_patch(w, MF_SECTION_ATTRIBUTES, at, false);
  *offset = place;
  return true;
}

static bool put_attribute(writer *w, const mf_attribute *attribute) {
  mf_attribute out = {.type = attribute->type, .count = attribute->count};
  uint64_t at = w->sections[MF_SECTION_ATTRIBUTES].len + offsetof(mf_attribute, offset);
  const void *data = (const void *)(uintptr_t)attribute->offset;
  bool done = true;
  switch ((mf_attribute_type)attribute->type) {
    case MF_ATTR_ABSENT: break;
    case MF_ATTR_FLOAT: out.f = attribute->f; break;
    case MF_ATTR_INT: out.i = attribute->i; break;
    case MF_ATTR_GRAPH: out.i = w->plan_ids[attribute->i]; break;
    case MF_ATTR_STRING: done = put_bytes(w, data, attribute->count, MF_SECTION_ATTRIBUTES, at, &out.offset); break;
    case MF_ATTR_FLOATS: done = put_bytes(w, data, attribute->count * sizeof(float), MF_SECTION_ATTRIBUTES, at, &out.offset); break;
    case MF_ATTR_INTS: done = put_bytes(w, data, attribute->count * sizeof(int64_t), MF_SECTION_ATTRIBUTES, at, &out.offset); break;
    case MF_ATTR_TENSOR: done = put_tensor_attribute(w, data, at, &out.offset); break;
    case MF_ATTR_STRINGS:
      out.offset = put_strings(w, data, attribute->count);
      put_patch(w, MF_SECTION_ATTRIBUTES, at, false);
      break;
  }
  mf_buf_append(&w->sections[MF_SECTION_ATTRIBUTES], &out, sizeof out);
  return done;
}

// ---- values, kernels, nodes, plans ----
static bool put_value(writer *w, mf_value_id id) {
  const mf_layout_value *value = &w->layout->values[id];
  const mf_tensor *t = &w->layout->graph->values[id].tensor;
  mf_image_value record = {.type = t->type, .rank = t->rank, .storage = value->storage, .shape_of = MF_IMAGE_ABSENT};
  for (uint32_t i = 0; i < MF_MAX_RANK && t->rank != MF_RANK_UNKNOWN && i < t->rank; i++) record.dims[i] = t->dims[i] < 0 ? -1 : t->dims[i];
  uint64_t at = w->sections[MF_SECTION_VALUES].len + offsetof(mf_image_value, offset);
  size_t bytes;
  if (value->storage == MF_STORAGE_PLANNED) record.offset = value->offset;
  if (value->storage == MF_STORAGE_CONSTANT) {
    if (!mf_tensor_bytes(t, &bytes)) return false;
    if (t->type == MF_STRING) record.offset = put_strings(w, t->data, (uint64_t)mf_tensor_count(t));
    else if (!put_constant(w, t->data, bytes, &record.offset)) return false;
    put_patch(w, MF_SECTION_VALUES, at, t->type != MF_STRING);
  }
  if (value->shape_of != MF_NO_VALUE) record.shape_of = w->n_values;  // its shape follows the values
  mf_buf_append(&w->sections[MF_SECTION_VALUES], &record, sizeof record);
  if (value->shape_of != MF_NO_VALUE) w->n_values++;
  return true;
}

static bool put_values(writer *w) {
  const mf_layout *layout = w->layout;
  for (uint32_t v = 0; v < layout->n_values; v++) {
    bool present = layout->values[v].uses || layout->values[v].body != UINT32_MAX;
    w->value_ids[v] = present ? w->n_values++ : MF_IMAGE_ABSENT;
  }
  for (uint32_t v = 0; v < layout->n_values; v++)
    if (w->value_ids[v] != MF_IMAGE_ABSENT && !put_value(w, v)) return false;
  for (uint32_t v = 0; v < layout->n_values; v++) {
    if (w->value_ids[v] == MF_IMAGE_ABSENT || layout->values[v].shape_of == MF_NO_VALUE) continue;
    const mf_tensor *t = &layout->graph->values[layout->values[v].shape_of].tensor;
    mf_image_value record = {.type = t->type, .rank = t->rank, .storage = MF_STORAGE_SHAPE, .shape_of = MF_IMAGE_ABSENT};
    memcpy(record.dims, t->dims, sizeof record.dims);
    mf_buf_append(&w->sections[MF_SECTION_VALUES], &record, sizeof record);
  }
  return true;
}

static bool find_row(const mf_operator_table *table, const mf_operator *op, uint32_t *row) {
  for (uint32_t i = 0; table && i < table->n_rows; i++)
    if (table->rows[i] == op) return *row = i, true;
  return false;
}

static void put_kernel(writer *w, uint32_t n, const mf_operator_table *extra) {
  const mf_layout_node *node = &w->layout->nodes[n];
  uint32_t n_kernels = count_of(w, MF_SECTION_KERNELS);
  for (uint32_t i = 0; i < n_kernels; i++) {
    const mf_layout_node *other = &w->layout->nodes[w->kernel_nodes[i]];
    if (other->kernel != node->kernel || other->node->op != node->node->op) continue;
    w->kernel_ids[n] = i;
    return;
  }
  mf_image_kernel record = {.table = 0};
  if (!find_row(&mf_builtin_operators, node->node->op, &record.row)) record.table = 1, find_row(extra, node->node->op, &record.row);
  while (node->node->op->kernels[record.kernel] != node->kernel) record.kernel++;
  record.domain = put_text(w, mf_str_from(node->node->op->domain));
  record.op = put_text(w, mf_str_from(node->node->op->name));
  record.name = put_text(w, mf_str_from(node->kernel->name));
  w->kernel_ids[n] = n_kernels;
  w->kernel_nodes[n_kernels] = n;
  mf_buf_append(&w->sections[MF_SECTION_KERNELS], &record, sizeof record);
}

static bool put_node(writer *w, uint32_t n) {
  const mf_layout_node *node = &w->layout->nodes[n];
  const mf_operator *op = node->node->op;
  mf_image_node_record record = {.kernel = w->kernel_ids[n], .flags = node->flags, .opset = node->node->opset,
                                 .n_inputs = node->node->n_inputs, .n_outputs = node->node->n_outputs,
                                 .attributes = count_of(w, MF_SECTION_ATTRIBUTES), .n_attributes = op->n_attributes,
                                 .n_releases = node->n_releases, .scratch_offset = node->scratch_offset,
                                 .scratch_bytes = node->scratch_bytes, .name = put_text(w, node->node->name)};
  put_ids(w, node->inputs, record.n_inputs, &record.inputs);
  put_ids(w, node->outputs, record.n_outputs, &record.outputs);
  put_ids(w, node->releases, record.n_releases, &record.releases);
  for (uint32_t i = 0; i < op->n_attributes; i++)
    if (!put_attribute(w, &node->node->attributes[i])) return false;
  mf_buf_append(&w->sections[MF_SECTION_NODES], &record, sizeof record);
  return true;
}

// What the body's outputs keep alive after its last node.
static void put_plan_releases(writer *w, uint32_t b, mf_image_plan *plan) {
  const mf_layout *layout = w->layout;
  plan->releases = count_of(w, MF_SECTION_IDS);
  for (uint32_t v = 0; b != 0 && v < layout->n_values; v++) {
    const mf_layout_value *value = &layout->values[v];
    if (value->storage != MF_STORAGE_HEAP || value->body != b || !value->lasting || value->maker == UINT32_MAX) continue;
    mf_buf_append(&w->sections[MF_SECTION_IDS], &w->value_ids[v], sizeof w->value_ids[v]);
    plan->n_releases++;
  }
}

static bool put_plans(writer *w) {
  const mf_layout *layout = w->layout;
  uint32_t n_plans = 0;
  for (uint32_t b = 0; b < layout->graph->n_bodies; b++) w->plan_ids[b] = layout->bodies[b].reachable ? n_plans++ : MF_IMAGE_ABSENT;
  for (uint32_t b = 0; b < layout->graph->n_bodies; b++) {
    if (!layout->bodies[b].reachable) continue;
    const mf_body *body = layout->graph->bodies[b];
    mf_image_plan plan = {.first_node = count_of(w, MF_SECTION_NODES), .n_inputs = body->n_inputs, .n_outputs = body->n_outputs};
    put_ids(w, body->inputs, plan.n_inputs, &plan.inputs);
    put_ids(w, body->outputs, plan.n_outputs, &plan.outputs);
    put_plan_releases(w, b, &plan);
    for (uint32_t n = layout->bodies[b].first_node; n < layout->bodies[b].first_node + layout->bodies[b].n_nodes; n++) {
      if (layout->nodes[n].skipped) continue;
      put_kernel(w, n, layout->graph->extra_operators);
      if (!put_node(w, n)) return false;
      plan.n_nodes++;
    }
    mf_buf_append(&w->sections[MF_SECTION_PLANS], &plan, sizeof plan);
  }
  return true;
}

// The signature shows what is known, and where nothing is, what the model says of itself.
static void put_signature(writer *w, mf_value_id id, bool output) {
  const mf_value *value = &w->layout->graph->values[id];
  const mf_tensor *t = &value->tensor;
  mf_tensor shown = *t;
  if (output && t->rank == MF_RANK_UNKNOWN && value->declared.rank != MF_RANK_UNKNOWN) shown = value->declared;
  if (shown.type == MF_TYPE_UNKNOWN) shown.type = t->type ? t->type : value->declared.type;
  mf_image_signature record = {.name = put_text(w, value->name), .type = shown.type, .rank = shown.rank};
  for (uint32_t i = 0; shown.rank != MF_RANK_UNKNOWN && i < shown.rank; i++) {
    record.dims[i] = shown.dims[i] < 0 ? MF_DIM_UNKNOWN : shown.dims[i];
    if (record.dims[i] < 0 && value->dim_names && value->dim_names[i].data) record.dim_names[i] = put_text(w, value->dim_names[i]);
  }
  mf_buf_append(&w->sections[MF_SECTION_SIGNATURE], &record, sizeof record);
}

// ---- the whole ----
static void place(writer *w, mf_image_header *header) {
  uint64_t at = sizeof *header;
  for (uint32_t s = 0; s < MF_SECTION_COUNT; s++) {
    at = align_to(at, MF_IMAGE_ALIGNMENT);
    header->sections[s] = (mf_image_section){at, (uint32_t)(w->sections[s].len / record_bytes[s]), record_bytes[s]};
    at += w->sections[s].len;
  }
  header->metadata_bytes = at;
  header->constants_offset = align_to(at, w->constants_bytes >= MF_IMAGE_HUGE ? MF_IMAGE_PAGE : MF_IMAGE_ALIGNMENT);
  header->constants_bytes = w->constants_bytes;
  const uint64_t end = header->constants_offset + header->constants_bytes;
  header->file_bytes = end > MF_IMAGE_HUGE / 4 ? align_to(end, MF_IMAGE_HUGE) : end;
}

static void apply_patches(const writer *w, uint8_t *image, const mf_image_header *header) {
  const patch *patches = (const patch *)(const void *)w->patches.data;
  for (size_t i = 0; i < w->patches.len / sizeof *patches; i++) {
    uint8_t *to = image + header->sections[patches[i].section].offset + patches[i].at;
    uint64_t offset;
    memcpy(&offset, to, sizeof offset);
    offset += patches[i].constants ? header->constants_offset : header->sections[MF_SECTION_DATA].offset;
    memcpy(to, &offset, sizeof offset);
  }
}

static bool assemble(writer *w, mf_slice *out, mf_error *err) {
  mf_image_header header = {.version = MF_IMAGE_VERSION, .isa = (uint32_t)w->layout->options->isa, .planned_bytes = w->layout->planned_bytes,
                            .compiler = MF_COMPILER_VERSION, .n_inputs = w->layout->graph->bodies[0]->n_inputs,
                            .n_outputs = w->layout->graph->bodies[0]->n_outputs};
  memcpy(header.magic, MF_IMAGE_MAGIC, sizeof header.magic);
  place(w, &header);
  uint8_t *image = mf_arena_alloc_aligned(w->arena, header.file_bytes, MF_IMAGE_ALIGNMENT);
  if (!image) return mf_fail(err, MF_OutOfMemory, "no memory for an image of %llu bytes", (unsigned long long)header.file_bytes);
  for (uint32_t s = 0; s < MF_SECTION_COUNT; s++)
    if (w->sections[s].len) memcpy(image + header.sections[s].offset, w->sections[s].data, w->sections[s].len);
  for (uint32_t i = 0; i < w->n_constants; i++)
    if (w->constants[i].bytes) memcpy(image + header.constants_offset + w->constants[i].offset, w->constants[i].data, w->constants[i].bytes);
  apply_patches(w, image, &header);
  header.constants_hash = mf_hash64(image + header.constants_offset, header.constants_bytes, 0);
  memcpy(image, &header, sizeof header);
  header.metadata_hash = mf_image_metadata_hash(image, header.metadata_bytes);
  memcpy(image, &header, sizeof header);
  *out = (mf_slice){image, header.file_bytes};
  return true;
}

static bool fill(writer *w, mf_error *err) {
  const mf_graph *graph = w->layout->graph;
  const mf_body *main = graph->bodies[0];
  w->value_ids = MF_NEW_ARRAY(w->arena, uint32_t, w->layout->n_values + 1);
  w->plan_ids = MF_NEW_ARRAY(w->arena, uint32_t, graph->n_bodies + 1);
  w->kernel_ids = MF_NEW_ARRAY(w->arena, uint32_t, w->layout->n_nodes + 1);
  w->kernel_nodes = MF_NEW_ARRAY(w->arena, uint32_t, w->layout->n_nodes + 1);
  if (!w->value_ids || !w->plan_ids || !w->kernel_ids || !w->kernel_nodes || !put_values(w) || !put_plans(w)) return mf_out_of_arena(err);
  for (uint32_t i = 0; i < main->n_inputs; i++) put_signature(w, main->inputs[i], false);
  for (uint32_t i = 0; i < main->n_outputs; i++) put_signature(w, main->outputs[i], true);
  mf_buf_append(&w->sections[MF_SECTION_METADATA], graph->metadata.data, graph->metadata.len);
  bool failed = w->patches.failed;
  for (uint32_t s = 0; s < MF_SECTION_COUNT; s++) {
    failed |= w->sections[s].failed;
    if (w->sections[s].len > UINT32_MAX) return mf_fail(err, MF_TooLarge, "the model's description is larger than 4 GiB");
  }
  return !failed || mf_out_of_arena(err);
}

bool mf_image_write(mf_layout *layout, mf_arena *arena, mf_slice *image, mf_error *err) {
  writer w = {.layout = layout, .arena = arena};
  bool done = fill(&w, err) && assemble(&w, image, err);
  for (uint32_t s = 0; s < MF_SECTION_COUNT; s++) mf_buf_deinit(&w.sections[s]);
  mf_buf_deinit(&w.patches);
  return done;
}
