// Instances: tables carved out of the caller's memory and bound to it once, inputs, outputs.
#include "instance.h"

#include <stdio.h>

enum { LINE = MF_IMAGE_ALIGNMENT };

static size_t align(size_t bytes) { return (bytes + LINE - 1) / LINE * LINE; }

// Pointers of a node's call: inputs, outputs, and inputs again where a constant is packed.
static bool has_packed(const mf_image *image, const mf_image_node_record *node) {
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    uint32_t id = image->ids[node->inputs + i];
    if (id != MF_IMAGE_ABSENT && image->values[id].shape_of != MF_IMAGE_ABSENT) return true;
  }
  return false;
}

static size_t pointer_count(const mf_image *image) {
  size_t n = 0;
  for (uint32_t i = 0; i < image->n_nodes; i++) {
    const mf_image_node_record *node = &image->nodes[i];
    n += node->n_inputs + (size_t)node->n_outputs;
    if (node->flags && has_packed(image, node)) n += node->n_inputs;
  }
  return n;
}

size_t mf_instance_table_bytes(const mf_image *image) {
  return align(sizeof(mf_instance)) + align(image->n_values * sizeof(mf_tensor)) + align(image->n_nodes * sizeof(mf_run_node)) +
         align((image->most_outputs + (size_t)1) * sizeof(mf_tensor)) + align(pointer_count(image) * sizeof(void *)) +
         align(image->n_strings * sizeof(mf_str)) + align(mf_kept_bytes(image));
}

static void *carve(char **at, size_t bytes) {
  void *memory = *at;
  *at += align(bytes);
  return memory;
}

static void bind_strings(const mf_image *image, const mf_image_value *value, mf_tensor *t, mf_str **strings) {
  const mf_image_string *records = (const void *)(image->base + value->offset);
  t->data = *strings;
  for (int64_t i = 0, n = mf_tensor_count(t); i < n; i++)
    *(*strings)++ = (mf_str){(const char *)image->base + records[i].offset, records[i].length};
}

static void bind_values(mf_instance *instance, mf_str *strings) {
  const mf_image *image = instance->image;
  for (uint32_t i = 0; i < image->n_values; i++) {
    const mf_image_value *value = &image->values[i];
    mf_tensor *t = &instance->tensors[i];
    *t = mf_image_tensor(value);
    if (value->storage == MF_STORAGE_PLANNED) t->data = instance->planned + value->offset;
    else if (value->storage == MF_STORAGE_CONSTANT && value->type == MF_STRING) bind_strings(image, value, t, &strings);
    else if (value->storage == MF_STORAGE_CONSTANT) t->data = (void *)(uintptr_t)(image->base + value->offset);
  }
}

static void bind_node(mf_instance *instance, uint32_t at, void ***pointers) {
  const mf_image *image = instance->image;
  const mf_image_node_record *record = &image->nodes[at];
  mf_run_node *node = &instance->nodes[at];
  const mf_tensor **inputs = (const mf_tensor **)(void *)*pointers;
  mf_tensor **outputs = (mf_tensor **)(void *)(*pointers + record->n_inputs);
  *pointers += record->n_inputs + (size_t)record->n_outputs;
  for (uint32_t i = 0; i < record->n_inputs; i++) {
    uint32_t id = image->ids[record->inputs + i];
    inputs[i] = id == MF_IMAGE_ABSENT ? NULL : &instance->tensors[id];
  }
  for (uint32_t i = 0; i < record->n_outputs; i++) {
    uint32_t id = image->ids[record->outputs + i];
    outputs[i] = id == MF_IMAGE_ABSENT ? NULL : &instance->tensors[id];
  }
  *node = (mf_run_node){
    .call = {.inputs = inputs, .outputs = outputs, .n_inputs = record->n_inputs, .n_outputs = record->n_outputs,
             .attributes = {(uintptr_t)image->base, image->attributes + record->attributes, record->n_attributes}, .opset = record->opset,
             .scratch = record->scratch_bytes ? instance->planned + record->scratch_offset : NULL, .scratch_bytes = record->scratch_bytes,
             .alloc_output = mf_kernel_alloc_output, .run_subgraph = mf_kernel_run_subgraph,
             .alloc_temporary = mf_kernel_alloc_temporary, .run = node},
    .instance = instance,
    .kernel = image->kernels[record->kernel]->run, .record = record, .row = image->kernels[record->kernel],
    .op = image->operators[record->kernel], .shape_inputs = inputs, .flags = record->flags,
    .n_releases = record->n_releases};
  if (!record->flags || !has_packed(image, record)) return;
  node->shape_inputs = (const mf_tensor **)(void *)*pointers;
  *pointers += record->n_inputs;
  for (uint32_t i = 0; i < record->n_inputs; i++) {
    uint32_t id = image->ids[record->inputs + i];
    bool packed = id != MF_IMAGE_ABSENT && image->values[id].shape_of != MF_IMAGE_ABSENT;
    node->shape_inputs[i] = packed ? &instance->tensors[image->values[id].shape_of] : inputs[i];
  }
}

mf_instance *mf_instance_create(const mf_image *image, void *memory, size_t bytes, mf_error *err) {
  size_t tables = mf_instance_table_bytes(image), fixed;
  bool overflow = __builtin_add_overflow(tables, align(image->header->planned_bytes), &fixed);
  if (overflow || fixed > bytes)
    return mf_fail(err, MF_OutOfMemory, "the model needs %zu bytes of memory, there are %zu", overflow ? SIZE_MAX : fixed, bytes), NULL;
  assert((uintptr_t)memory % LINE == 0);
  char *at = memory;
  mf_instance *instance = carve(&at, sizeof *instance);
  *instance = (mf_instance){.image = image, .fixed_bytes = fixed};
  instance->tensors = carve(&at, image->n_values * sizeof(mf_tensor));
  instance->nodes = carve(&at, image->n_nodes * sizeof(mf_run_node));
  instance->shape_outputs = carve(&at, (image->most_outputs + (size_t)1) * sizeof(mf_tensor));
  void **pointers = carve(&at, pointer_count(image) * sizeof(void *));
  mf_str *strings = carve(&at, image->n_strings * sizeof(mf_str));
  mf_kept_init(instance, carve(&at, mf_kept_bytes(image)));
  instance->planned = (uint8_t *)at;
  at += align(image->header->planned_bytes);
  mf_heap_init(&instance->heap, at, bytes - fixed);
  bind_values(instance, strings);
  for (uint32_t i = 0; i < image->n_nodes; i++) bind_node(instance, i, &pointers);
  return instance;
}

static uint32_t input_id(const mf_instance *instance, uint32_t at) {
  assert(at < instance->image->plans[0].n_inputs);
  return instance->image->ids[instance->image->plans[0].inputs + at];
}

mf_tensor *mf_instance_input(mf_instance *instance, uint32_t at) { return &instance->tensors[input_id(instance, at)]; }

const mf_tensor *mf_instance_output(const mf_instance *instance, uint32_t at) {
  assert(at < instance->image->plans[0].n_outputs);
  return &instance->tensors[instance->image->ids[instance->image->plans[0].outputs + at]];
}

static void forget_heap(mf_instance *instance) {
  const mf_image *image = instance->image;
  mf_heap_clear(&instance->heap, false);
  for (uint32_t i = 0; i < image->plans[0].n_inputs; i++) {
    mf_tensor *t = mf_instance_input(instance, i);
    if (mf_heap_owns(&instance->heap, t->data)) t->data = NULL;
  }
  instance->ran = false;
}

void mf_instance_reset(mf_instance *instance) {
  const mf_image *image = instance->image;
  forget_heap(instance);
  memset(instance->planned, 0, image->texts_bytes);  // a text that no node makes is empty
  for (uint32_t i = 0; i < image->plans[0].n_inputs; i++) {
    const mf_image_value *value = &image->values[input_id(instance, i)];
    mf_tensor *t = mf_instance_input(instance, i);
    *t = mf_image_tensor(value);
    if (value->storage == MF_STORAGE_PLANNED) t->data = instance->planned + value->offset;
  }
}

bool mf_no_room(const mf_instance *instance, size_t bytes, mf_error *err) {
  return mf_fail(err, MF_OutOfMemory, "%zu more bytes are needed, of %zu bytes of memory %zu are left in one piece", bytes,
                 instance->fixed_bytes + instance->heap.bytes, mf_heap_largest(&instance->heap));
}

bool mf_instance_alloc_input(mf_instance *instance, uint32_t at, mf_error *err) {
  const mf_image_value *value = &instance->image->values[input_id(instance, at)];
  mf_tensor *t = mf_instance_input(instance, at);
  size_t bytes;
  if (instance->ran) forget_heap(instance);
  if (!mf_tensor_bytes(t, &bytes))
    return mf_fail(err, MF_InvalidInput, "input '%.*s': its dimensions are not set or overflow", MF_STR_ARG(instance->image->signature[at].name));
  if (value->storage == MF_STORAGE_PLANNED) {
    mf_tensor expected = mf_image_tensor(value);
    if (mf_tensor_same_shape(t, &expected)) return t->data = instance->planned + value->offset, true;
  }
  if (mf_heap_owns(&instance->heap, t->data)) mf_heap_free(&instance->heap, t->data);
  t->data = mf_heap_alloc(&instance->heap, bytes);
  if (!t->data && mf_kept_release(instance)) t->data = mf_heap_alloc(&instance->heap, bytes);
  if (!t->data) return mf_no_room(instance, bytes, err) || mf_wrap(err, "input '%.*s'", MF_STR_ARG(instance->image->signature[at].name));
  mf_heap_keep(t->data);
  return true;
}

static bool fits(const mf_tensor *expected, const mf_tensor *actual) {
  if (expected->type != actual->type || actual->rank > MF_MAX_RANK) return false;
  if (expected->rank == MF_RANK_UNKNOWN) return true;
  if (expected->rank != actual->rank) return false;
  for (uint32_t i = 0; i < actual->rank; i++)
    if (actual->dims[i] < 0 || (expected->dims[i] >= 0 && expected->dims[i] != actual->dims[i])) return false;
  return true;
}

static bool check_input(const mf_instance *instance, uint32_t at, mf_error *err) {
  const mf_signature_entry *entry = &instance->image->signature[at];
  const mf_tensor *t = &instance->tensors[input_id(instance, at)];
  mf_tensor expected = mf_image_tensor(&instance->image->values[input_id(instance, at)]);
  size_t bytes;
  if (fits(&expected, t) && mf_tensor_bytes(t, &bytes)) {
    if (t->data || bytes == 0) return true;
    return mf_fail(err, MF_InvalidInput, "input '%.*s' is missing", MF_STR_ARG(entry->name));
  }
  char want[256], have[256];
  return mf_fail(err, MF_InvalidInput, "input '%.*s' is %s, expected %s", MF_STR_ARG(entry->name), mf_tensor_describe(t, have, sizeof have),
                 mf_tensor_describe(&expected, want, sizeof want));
}

// After a failure nodes may still hold on to temporary memory and to outputs of subgraphs; the heap is about to be cleared of them.
static void let_go(mf_instance *instance) {
  for (uint32_t i = 0; i < instance->image->n_nodes; i++) instance->nodes[i].temporaries = NULL, instance->nodes[i].open_plan = 0;
}

static bool run_once(mf_instance *instance, mf_error *err) {
  if (instance->heap.used) mf_heap_clear(&instance->heap, true);
  if (mf_run_plan(instance, 0, err)) return true;
  let_go(instance);
  return false;
}

// A layout leaves less room to nodes that allocate as they go, so that memory may be short with it and not without. Nodes have no
// effect but their outputs, and never write to the inputs: a run may be repeated.
bool mf_instance_run(mf_instance *instance, mf_error *err) {
  for (uint32_t i = 0; i < instance->image->plans[0].n_inputs; i++)
    if (!check_input(instance, i, err)) return false;
  mf_kept *kept = &instance->kept;
  instance->ran = true;
  if (kept->on) mf_kept_begin(instance);
  bool good = run_once(instance, err);
  if (!good && kept->bound && (kept->stale || err->code == MF_OutOfMemory)) {
    mf_kept_give_up(instance, !kept->stale);
    good = run_once(instance, err);
  }
  if (kept->recording) mf_kept_end(instance, good);
  return good;
}

size_t mf_instance_peak_bytes(const mf_instance *instance) { return instance->fixed_bytes + instance->heap.peak; }
const mf_image *mf_instance_image(const mf_instance *instance) { return instance->image; }

void mf_instance_trace(mf_instance *instance, mf_trace_fn *trace, void *context) {
  instance->trace = trace;
  instance->trace_context = context;
}
