// Recording a layout while a dynamic model runs, see kept.h: what follows from the inputs' shapes alone, and where it is to lie.
#include "instance.h"

enum { LINE = MF_IMAGE_ALIGNMENT };

void mf_record_begin(mf_instance *instance, mf_kept_layout *layout) {
  mf_kept *kept = &instance->kept;
  const mf_image *image = instance->image;
  layout->state = MF_KEPT_EMPTY;
  layout->slab_bytes = 0;
  memset(layout->places, 0, kept->n_places * sizeof *layout->places);
  memset(layout->nodes, 0, image->n_nodes * sizeof *layout->nodes);
  memcpy(kept->known, kept->known_at_first, image->n_values);
  kept->n_live = 0;
  kept->recording = layout;
  for (uint32_t i = 0; i < image->n_nodes; i++) instance->nodes[i].flags |= MF_RUN_RECORD;
}

void mf_record_abandon(mf_instance *instance) {
  for (uint32_t i = 0; i < instance->image->n_nodes; i++) instance->nodes[i].flags &= ~(uint32_t)MF_RUN_RECORD;
  instance->kept.recording = NULL;
}

// ---- places ----
static uint32_t range_at(const mf_kept *kept, uint64_t offset) {  // the first that does not lie before
  uint32_t low = 0, high = kept->n_live;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (kept->live[middle].offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

static void occupy(mf_kept *kept, uint64_t offset, uint64_t bytes) {
  uint32_t at = range_at(kept, offset);
  memmove(&kept->live[at + 1], &kept->live[at], (kept->n_live++ - at) * sizeof *kept->live);
  kept->live[at] = (mf_range){offset, bytes};
  kept->recording->slab_bytes = MF_MAX(kept->recording->slab_bytes, offset + bytes);
}

static void vacate(mf_kept *kept, uint64_t offset) {
  uint32_t at = range_at(kept, offset);
  assert(at < kept->n_live && kept->live[at].offset == offset);
  memmove(&kept->live[at], &kept->live[at + 1], (--kept->n_live - at) * sizeof *kept->live);
}

static uint64_t lowest_gap(const mf_kept *kept, uint64_t above, uint64_t bytes) {
  uint64_t end = above;
  for (uint32_t i = 0; i < kept->n_live && kept->live[i].offset < end + bytes; i++)
    end = MF_MAX(end, kept->live[i].offset + kept->live[i].bytes);
  return end;
}

static uint64_t align(uint64_t bytes) { return MF_MAX((bytes + LINE - 1) / LINE * LINE, (uint64_t)LINE); }

// A node in a loop puts its outputs again and again, at the same places: whatever lives beside them in one round lives beside them in
// all, except what a Scan collects, see end_of_bodies and `stays`. The first time it gets the lowest gap that is not below `above`, or
// the place of `from`, which it takes over.
static void put(mf_instance *instance, mf_place *place, const mf_tensor *t, mf_place *from, uint64_t above) {
  mf_kept *kept = &instance->kept;
  size_t bytes = 0;
  if (place->live) vacate(kept, place->offset);
  if (!mf_tensor_bytes(t, &bytes) || (place->kind != MF_PLACE_NONE && (place->shape.type != t->type || !mf_tensor_same_shape(&place->shape, t))))
    return mf_record_abandon(instance);
  if (place->kind == MF_PLACE_NONE) {
    *place = (mf_place){.shape = *t, .bytes = align(bytes), .kind = MF_PLACE_SLAB, .stays = place->stays};
    place->shape.data = NULL;
    place->offset = from ? from->offset : lowest_gap(kept, above, place->bytes);
  }
  if (from) from->live = false;
  else occupy(kept, place->offset, place->bytes);
  place->live = true;
}

static mf_place *place_of(const mf_instance *instance, uint32_t id) {
  return mf_kept_place(&instance->kept, instance->kept.recording, id);
}

void mf_record_releases(mf_instance *instance, uint32_t first, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    mf_place *place = place_of(instance, instance->image->ids[first + i]);
    if (!place || !place->live || place->stays) continue;
    place->live = false;
    vacate(&instance->kept, place->offset);
  }
}

// ---- nodes whose shapes are inferred ----
static uint32_t input_id(const mf_instance *instance, const mf_run_node *node, uint32_t at) {
  return instance->image->ids[node->record->inputs + at];
}

static bool inputs_known(const mf_instance *instance, const mf_run_node *node, uint8_t what) {
  for (uint32_t i = 0; i < node->record->n_inputs; i++) {
    uint32_t id = input_id(instance, node, i);
    if (id != MF_IMAGE_ABSENT && (instance->kept.known[id] & what) != what) return false;
  }
  return true;
}

// The inputs as the shape function may see them: without data that are not known beforehand.
static void mask(mf_instance *instance, const mf_run_node *node) {
  mf_kept *kept = &instance->kept;
  for (uint32_t i = 0; i < node->record->n_inputs; i++) {
    uint32_t id = input_id(instance, node, i);
    const mf_tensor *in = node->shape_inputs[i];
    kept->masked_inputs[i] = in;
    if (!in || kept->known[id] & MF_KNOWN_DATA) continue;
    kept->masked[i] = *in;
    kept->masked[i].data = NULL;
    kept->masked_inputs[i] = &kept->masked[i];
  }
}

bool mf_record_infer(mf_instance *instance, mf_run_node *node, mf_shape_call *shapes) {
  mf_error unknown;
  // All of the inputs' shapes, even if fewer give the answer: [?] and [4] can only become [4], but a [5] must be refused in every run.
  if (!instance->kept.recording || !inputs_known(instance, node, MF_KNOWN_SHAPE)) return false;
  mask(instance, node);
  for (uint32_t i = 0; i < node->call.n_outputs; i++) instance->shape_outputs[i] = (mf_tensor){.rank = MF_RANK_UNKNOWN};
  *shapes = (mf_shape_call){.inputs = instance->kept.masked_inputs, .n_inputs = node->call.n_inputs, .outputs = instance->shape_outputs,
                            .n_outputs = node->call.n_outputs, .attributes = node->call.attributes, .opset = node->call.opset};
  if (!node->op->shape(shapes, &unknown)) return false;  // said again, and for the caller, by the call with everything
  for (uint32_t i = 0; i < node->call.n_outputs; i++)
    if (node->call.outputs[i] && !mf_tensor_is_static(&shapes->outputs[i])) return false;
  return true;
}

// A place that the output may take over, as MF_NODE_INPLACE has it.
static mf_place *place_to_take(const mf_instance *instance, const mf_run_node *node, uint32_t at) {
  if (at != 0 || !(node->flags & MF_NODE_INPLACE)) return NULL;
  const mf_tensor *in = node->call.inputs[0], *out = node->call.outputs[0];
  mf_place *from = place_of(instance, input_id(instance, node, 0)), *to = place_of(instance, instance->image->ids[node->record->outputs]);
  size_t x, y;
  bool fits = from && from->live && !from->stays && in->type == out->type && mf_tensor_bytes(in, &x) && mf_tensor_bytes(out, &y) && x == y;
  return fits && (to->kind == MF_PLACE_NONE || to->offset == from->offset) ? from : NULL;
}

static void record_alias(mf_instance *instance, const mf_run_node *node, uint32_t id) {
  mf_place *place = place_of(instance, id);
  bool fixed = instance->kept.known[input_id(instance, node, 0)] & MF_KNOWN_FIXED;
  *place = (mf_place){.shape = *node->call.outputs[0], .kind = fixed ? MF_PLACE_FIXED_ALIAS : MF_PLACE_ALIAS};
  place->shape.data = NULL;
  if (fixed) instance->kept.known[id] |= MF_KNOWN_FIXED;
}

static void record_scratch(mf_instance *instance, const mf_run_node *node, const mf_shape_call *shapes, mf_kept_node *known) {
  mf_kept *kept = &instance->kept;
  if (known->known || node->flags & MF_NODE_ALIAS || !node->row->scratch) return;
  known->scratch_bytes = node->row->scratch(shapes);
  if (!known->scratch_bytes) return;
  known->scratch_offset = lowest_gap(kept, 0, align(known->scratch_bytes));
  kept->recording->slab_bytes = MF_MAX(kept->recording->slab_bytes, known->scratch_offset + align(known->scratch_bytes));
}

void mf_record_outputs(mf_instance *instance, mf_run_node *node, const mf_shape_call *shapes) {
  mf_kept *kept = &instance->kept;
  for (uint32_t i = 0; i < node->record->n_outputs; i++) {
    uint32_t id = instance->image->ids[node->record->outputs + i];
    if (id == MF_IMAGE_ABSENT) continue;
    kept->known[id] |= MF_KNOWN_SHAPE;
    mf_place *place = place_of(instance, id);
    if (!place) continue;
    if (node->flags & MF_NODE_ALIAS) record_alias(instance, node, id);
    else put(instance, place, node->call.outputs[i], place_to_take(instance, node, i), 0), kept->known[id] |= MF_KNOWN_FIXED;
    if (!kept->recording) return;
  }
  mf_kept_node *known = &kept->recording->nodes[node - instance->nodes];
  record_scratch(instance, node, shapes, known);
  known->known = true;
}

// ---- nodes that set their own shapes ----
static bool is_scan(const mf_run_node *node) { return *node->op->domain == 0 && strcmp(node->op->name, "Scan") == 0; }
static bool is_if(const mf_run_node *node) { return *node->op->domain == 0 && strcmp(node->op->name, "If") == 0; }

// The branch that an If took, by what was known already: output `at` has this much known of it.
static uint8_t known_of_branch(const mf_instance *instance, const mf_run_node *node, uint32_t at) {
  if (!node->open_plan || !inputs_known(instance, node, MF_KNOWN_DATA)) return 0;
  return instance->kept.known[instance->image->ids[instance->image->plans[node->open_plan].outputs + at]];
}

// ONNX has a Scan's body see the same shapes in every step; it is checked nevertheless, here and in later runs.
static bool steps_alike(const mf_instance *instance, const mf_run_node *node) {
  return is_scan(node) && !instance->kept.scans_vary && inputs_known(instance, node, MF_KNOWN_SHAPE);
}

static bool own_shape_known(const mf_instance *instance, const mf_run_node *node, uint32_t at) {
  if (is_if(node)) return known_of_branch(instance, node, at) & MF_KNOWN_SHAPE;
  if (node->op->flags & MF_OP_CONTROL) return steps_alike(instance, node);
  return !(node->op->flags & MF_OP_NO_FOLD) && inputs_known(instance, node, MF_KNOWN_DATA);
}

static uint64_t end_of_node(const mf_instance *instance, const mf_run_node *node) {
  const mf_kept_node *known = &instance->kept.recording->nodes[node - instance->nodes];
  uint64_t end = known->scratch_bytes ? known->scratch_offset + align(known->scratch_bytes) : 0;
  for (uint32_t i = 0; i < node->record->n_outputs; i++) {
    uint32_t id = instance->image->ids[node->record->outputs + i];
    const mf_place *place = id == MF_IMAGE_ABSENT ? NULL : place_of(instance, id);
    if (place && place->kind == MF_PLACE_SLAB) end = MF_MAX(end, place->offset + place->bytes);
  }
  return end;
}

// Where everything ends that the bodies of `node` put, and the bodies in them. What a Scan collects gets its place when the first step
// is done and is written in all the others, while its body makes everything again that was dead by then.
static uint64_t end_of_bodies(const mf_instance *instance, const mf_run_node *node) {
  uint64_t end = 0;
  for (uint32_t i = 0; i < node->call.attributes.count; i++) {
    const mf_attribute *attribute = &node->call.attributes.list[i];
    if (attribute->type != MF_ATTR_GRAPH) continue;
    const mf_image_plan *plan = &instance->image->plans[attribute->i];
    for (uint32_t n = plan->first_node; n < plan->first_node + plan->n_nodes; n++) {
      const mf_run_node *inner = &instance->nodes[n];
      end = MF_MAX(end, MF_MAX(end_of_node(instance, inner), end_of_bodies(instance, inner)));
    }
  }
  return end;
}

void mf_record_own_output(mf_instance *instance, mf_run_node *node, uint32_t at) {
  uint32_t id = instance->image->ids[node->record->outputs + at];
  if (!instance->kept.recording || !own_shape_known(instance, node, at)) return;
  mf_place *place = place_of(instance, id);
  // In a body, a Scan may meet a branch in its own body late, when nothing is collected yet in this round.
  place->stays = is_scan(node) && (uint32_t)(node - instance->nodes) >= instance->image->plans[0].n_nodes;
  put(instance, place, node->call.outputs[at], NULL, is_scan(node) ? end_of_bodies(instance, node) : 0);
  instance->kept.known[id] |= MF_KNOWN_SHAPE | MF_KNOWN_FIXED;
}

void mf_record_item(mf_instance *instance, const mf_run_node *node, uint32_t id) {
  mf_kept *kept = &instance->kept;
  if (!kept->recording || !steps_alike(instance, node)) return;
  mf_place *place = place_of(instance, id);
  if (place->kind == MF_PLACE_NONE) {
    *place = (mf_place){.shape = instance->tensors[id], .kind = MF_PLACE_ITEM};
    place->shape.data = NULL;
    kept->known[id] |= MF_KNOWN_SHAPE;
  } else if (!mf_tensor_same_shape(&place->shape, &instance->tensors[id])) {
    kept->scans_vary = true;
    mf_record_abandon(instance);
  }
}

// ---- data ----
static bool data_known(const mf_instance *instance, const mf_run_node *node, uint32_t at) {
  if (is_if(node)) return known_of_branch(instance, node, at) & MF_KNOWN_DATA;
  if (node->op->flags & (MF_OP_CONTROL | MF_OP_NO_FOLD)) return false;
  return inputs_known(instance, node, mf_operator_reads_dims_only(node->op) ? MF_KNOWN_SHAPE : MF_KNOWN_DATA);
}

static void learn_data(mf_kept *kept, uint32_t id, bool known) {
  if (known && kept->known[id] & MF_KNOWN_SHAPE) kept->known[id] |= MF_KNOWN_DATA;
  else kept->known[id] &= (uint8_t)~MF_KNOWN_DATA;
}

void mf_record_done(mf_instance *instance, const mf_run_node *node) {
  mf_kept *kept = &instance->kept;
  const mf_image *image = instance->image;
  if (!kept->recording) return;
  for (uint32_t i = 0; i < node->record->n_outputs; i++) {
    uint32_t id = image->ids[node->record->outputs + i];
    if (id == MF_IMAGE_ABSENT) continue;
    bool known = data_known(instance, node, i);
    learn_data(kept, id, known);
    if (image->values[id].storage != MF_STORAGE_PLANNED) continue;
    for (uint32_t alias = *mf_kept_aliases(kept, image, image->values[id].offset); alias != MF_IMAGE_ABSENT; alias = kept->alias_next[alias])
      if (image->values[alias].offset == image->values[id].offset) learn_data(kept, alias, known);
  }
}
