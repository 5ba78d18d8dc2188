// Kept layouts, see kept.h: their tables, finding the one for a run's inputs, binding it to the instance and letting it go.
#include "instance.h"

enum { LINE = MF_IMAGE_ALIGNMENT };

static size_t align(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

typedef struct tables {
  char *memory;  // NULL: only their size is wanted
  size_t bytes;
} tables;

static void *carve(tables *t, size_t bytes) {
  void *at = t->memory ? t->memory + t->bytes : NULL;
  t->bytes += align(bytes);
  return at;
}

// What is made at run time or bound then; the rest lies where the compiler put it.
static bool has_place(const mf_image *image, uint32_t id) {
  return image->values[id].storage == MF_STORAGE_HEAP || image->values[id].storage == MF_STORAGE_BOUND;
}

static uint32_t count_places(const mf_image *image) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < image->n_values; i++) n += has_place(image, i);
  return n;
}

static uint32_t most_inputs(const mf_image *image) {
  uint32_t most = 0;
  for (uint32_t i = 0; i < image->n_nodes; i++) most = MF_MAX(most, image->nodes[i].n_inputs);
  return most;
}

static size_t lay_tables(const mf_image *image, mf_kept *kept, char *memory) {
  tables t = {.memory = memory};
  size_t n_inputs = image->plans[0].n_inputs, n_places = count_places(image), most = most_inputs(image);
  kept->n_places = (uint32_t)n_places;
  kept->place_of = carve(&t, image->n_values * sizeof *kept->place_of);
  kept->alias_first = carve(&t, image->n_values * sizeof *kept->alias_first);
  kept->alias_next = carve(&t, image->n_values * sizeof *kept->alias_next);
  kept->known_at_first = carve(&t, image->n_values);
  kept->known = carve(&t, image->n_values);
  kept->live = carve(&t, (n_places + 1) * sizeof *kept->live);
  kept->masked = carve(&t, most * sizeof *kept->masked);
  kept->masked_inputs = carve(&t, most * sizeof *kept->masked_inputs);
  for (uint32_t i = 0; i < MF_KEPT_LAYOUTS; i++) {
    mf_kept_layout *layout = &kept->layouts[i];
    *layout = (mf_kept_layout){.inputs = carve(&t, n_inputs * sizeof *layout->inputs)};
    layout->places = carve(&t, n_places * sizeof *layout->places);
    layout->nodes = carve(&t, image->n_nodes * sizeof *layout->nodes);
  }
  return t.bytes;
}

size_t mf_kept_bytes(const mf_image *image) {
  mf_kept unused;
  return image->dynamic ? lay_tables(image, &unused, NULL) : 0;
}

// What is known of a value before anything ran.
static uint8_t known_at_first(const mf_image_value *value) {
  const mf_tensor t = mf_image_tensor(value);
  uint8_t known = mf_tensor_is_static(&t) ? MF_KNOWN_SHAPE : 0;
  if (value->storage == MF_STORAGE_PLANNED) known |= MF_KNOWN_FIXED;
  if (value->storage == MF_STORAGE_CONSTANT) known |= MF_KNOWN_DATA | MF_KNOWN_FIXED;
  return known;
}

// Planned values that no node makes: the compiler found that they are other values, at the same offset, and left their node out.
static void find_aliases(const mf_image *image, mf_kept *kept) {
  uint8_t *made = kept->known;  // free for use until something is recorded
  memset(made, 0, image->n_values);
  for (uint32_t i = 0; i < image->plans[0].n_inputs; i++) made[image->ids[image->plans[0].inputs + i]] = 1;
  for (uint32_t n = 0; n < image->n_nodes; n++)
    for (uint32_t i = 0; i < image->nodes[n].n_outputs; i++)
      if (image->ids[image->nodes[n].outputs + i] != MF_IMAGE_ABSENT) made[image->ids[image->nodes[n].outputs + i]] = 1;
  for (uint32_t v = 0; v < image->n_values; v++) kept->alias_first[v] = MF_IMAGE_ABSENT;
  for (uint32_t v = 0; v < image->n_values; v++) {
    if (made[v] || image->values[v].storage != MF_STORAGE_PLANNED) continue;
    uint32_t *first = mf_kept_aliases(kept, image, image->values[v].offset);
    kept->alias_next[v] = *first;
    *first = v;
  }
}

void mf_kept_init(mf_instance *instance, void *memory) {
  const mf_image *image = instance->image;
  mf_kept *kept = &instance->kept;
  if (!image->dynamic) return;
  lay_tables(image, kept, memory);
  for (uint32_t v = 0, n = 0; v < image->n_values; v++) {
    kept->place_of[v] = has_place(image, v) ? n++ : MF_IMAGE_ABSENT;
    kept->known_at_first[v] = known_at_first(&image->values[v]);
  }
  for (uint32_t i = 0; i < image->plans[0].n_inputs; i++) kept->known_at_first[image->ids[image->plans[0].inputs + i]] = MF_KNOWN_SHAPE;
  find_aliases(image, kept);
  kept->on = kept->n_places > 0;
}

// ---- finding ----
static const mf_tensor *input(const mf_instance *instance, uint32_t at) {
  return &instance->tensors[instance->image->ids[instance->image->plans[0].inputs + at]];
}

static mf_kept_layout *find(mf_instance *instance) {
  for (uint32_t i = 0; i < MF_KEPT_LAYOUTS; i++) {
    mf_kept_layout *layout = &instance->kept.layouts[i];
    bool same = layout->state != MF_KEPT_EMPTY;
    for (uint32_t k = 0; same && k < instance->image->plans[0].n_inputs; k++)
      same = mf_tensor_same_shape(&layout->inputs[k], input(instance, k));
    if (same) return layout;
  }
  return NULL;
}

static mf_kept_layout *least_recently_used(mf_kept *kept) {
  mf_kept_layout *oldest = &kept->layouts[0];
  for (uint32_t i = 0; i < MF_KEPT_LAYOUTS; i++) {
    if (kept->layouts[i].state == MF_KEPT_EMPTY) return &kept->layouts[i];
    if (kept->layouts[i].last_used < oldest->last_used) oldest = &kept->layouts[i];
  }
  return oldest;
}

// ---- binding ----
static bool nothing(mf_kernel_call *call, mf_error *err) {
  (void)call, (void)err;
  return true;
}

static void set_shape(mf_tensor *t, const mf_place *place, void *data) {
  *t = place->shape;
  t->data = data;
}

static void bind_values(mf_instance *instance, mf_kept_layout *layout) {
  for (uint32_t v = 0; v < instance->image->n_values; v++) {
    const mf_place *place = mf_kept_place(&instance->kept, layout, v);
    if (place && place->kind == MF_PLACE_SLAB) set_shape(&instance->tensors[v], place, instance->kept.slab + place->offset);
  }
}

// Releases that are left to do: a node's inputs that are not in the slab.
static uint32_t releases_left(const mf_instance *instance, mf_kept_layout *layout, const mf_image_node_record *record) {
  for (uint32_t i = 0; i < record->n_releases; i++) {
    const mf_place *place = mf_kept_place(&instance->kept, layout, instance->image->ids[record->releases + i]);
    if (!place || place->kind != MF_PLACE_SLAB) return record->n_releases;
  }
  return 0;
}

static void bind_alias(mf_run_node *node, const mf_place *place) {
  const mf_tensor *in = node->call.inputs[0];
  bool fixed = place->kind == MF_PLACE_FIXED_ALIAS;
  set_shape(node->call.outputs[0], place, fixed ? in->data : NULL);
  node->flags = fixed ? 0 : MF_NODE_ALIAS;
  if (fixed) node->kernel = nothing;
}

// Nodes come plan after plan, bodies after what is around them, so that an alias' input was bound before.
static void bind_nodes(mf_instance *instance, mf_kept_layout *layout) {
  for (uint32_t i = 0; i < instance->image->n_nodes; i++) {
    mf_run_node *node = &instance->nodes[i];
    const mf_kept_node *known = &layout->nodes[i];
    if (!known->known) continue;
    node->n_releases = releases_left(instance, layout, node->record);
    node->call.scratch = known->scratch_bytes ? instance->kept.slab + known->scratch_offset : NULL;
    node->call.scratch_bytes = known->scratch_bytes;
    if (node->record->flags & MF_NODE_ALIAS)
      bind_alias(node, mf_kept_place(&instance->kept, layout, instance->image->ids[node->record->outputs]));
    else node->flags = 0;
  }
}

static void bind(mf_instance *instance, mf_kept_layout *layout) {
  mf_kept *kept = &instance->kept;
  if (layout->slab_bytes) {
    kept->slab = mf_heap_alloc(&instance->heap, layout->slab_bytes);
    if (!kept->slab) return;
    mf_heap_pin(kept->slab);
  }
  kept->bound = layout;
  bind_values(instance, layout);
  bind_nodes(instance, layout);
}

static void unbind(mf_instance *instance) {
  mf_kept *kept = &instance->kept;
  if (!kept->bound) return;
  for (uint32_t i = 0; i < instance->image->n_nodes; i++) {
    mf_run_node *node = &instance->nodes[i];
    if (!kept->bound->nodes[i].known) continue;
    node->flags = node->record->flags;
    node->n_releases = node->record->n_releases;
    node->kernel = node->row->run;
    node->call.scratch = NULL;
  }
  if (kept->slab) mf_heap_free(&instance->heap, kept->slab);
  kept->slab = NULL;
  kept->bound = NULL;
}

// ---- a run ----
void mf_kept_begin(mf_instance *instance) {
  mf_kept *kept = &instance->kept;
  mf_kept_layout *layout = find(instance);
  kept->stale = false;
  if (layout) layout->last_used = ++kept->clock;
  if (layout && layout == kept->bound) return;
  unbind(instance);
  if (instance->heap.used) mf_heap_clear(&instance->heap, true);
  if (layout && layout->state == MF_KEPT_WHOLE) bind(instance, layout);
  if (layout) return;
  layout = least_recently_used(kept);
  layout->last_used = ++kept->clock;
  for (uint32_t i = 0; i < instance->image->plans[0].n_inputs; i++) {
    layout->inputs[i] = *input(instance, i);
    layout->inputs[i].data = NULL;
  }
  mf_record_begin(instance, layout);
}

void mf_kept_end(mf_instance *instance, bool good) {
  mf_kept *kept = &instance->kept;
  mf_kept_layout *layout = kept->recording;
  bool any = false;
  mf_record_abandon(instance);
  for (uint32_t i = 0; i < instance->image->n_nodes && !any; i++) any = layout->nodes[i].known;
  if (good) layout->state = MF_KEPT_WHOLE;
  // Where nothing follows from the inputs' shapes, nothing will: a picture's bytes, then tensors of one size.
  if (good && !any) kept->on = false;
}

void mf_kept_give_up(mf_instance *instance, bool refuse) {
  mf_kept *kept = &instance->kept;
  if (refuse) kept->bound->state = MF_KEPT_REFUSED;
  for (uint32_t i = 0; i < MF_KEPT_LAYOUTS && !refuse; i++) kept->layouts[i].state = MF_KEPT_EMPTY;
  unbind(instance);
}

bool mf_kept_disagrees(mf_kept *kept, mf_error *err) {
  kept->stale = kept->scans_vary = true;
  return mf_fail(err, MF_Internal, "a shape is not what it was in the last run");
}

bool mf_kept_release(mf_instance *instance) {
  if (!instance->kept.slab) return false;
  unbind(instance);
  return true;
}
