// Model image loader: image bytes whose checksums are made right, so that a change gets past them.
// What opens must answer every question about itself, fit into the memory that it says it needs,
// and run: with stand-ins for its kernels that read every byte of every input and write every byte
// of outputs and scratch, which is what the loader vouches for. That a kernel's tensors go together
// is the compiler's promise (docs/image-format.md). Bytes that are no image are taken for a model,
// and its image runs with the real kernels.
#include "engine/instance.h"
#include "small_run.h"

enum { COMPILER_MEMORY = 24 << 20, OPEN_MEMORY = 4 << 20, MOST_MEMORY = 1 << 20, MOST_VALUES = 64 };
static uint8_t sum;

// ---- stand-ins for kernels ----

static void read_text(mf_str text) {
  for (size_t i = 0; i < text.len; i++) sum ^= (uint8_t)text.data[i];
}

static void read_all(const mf_tensor *t, bool constant) {
  size_t bytes;
  must(mf_tensor_bytes(t, &bytes) && (t->data || bytes == 0));
  for (size_t i = 0; i < bytes; i++) sum ^= ((const uint8_t *)t->data)[i];
  for (int64_t i = 0; constant && t->type == MF_STRING && i < mf_tensor_count(t); i++)
    read_text(((const mf_str *)t->data)[i]);
}

// Any shape that fits what is known.
static mf_tensor some_shape(const mf_image_value *value) {
  mf_tensor t = mf_image_tensor(value);
  if (t.type == MF_TYPE_UNKNOWN) t.type = MF_FLOAT;
  if (t.rank == MF_RANK_UNKNOWN) t.rank = 1, t.dims[0] = MF_DIM_UNKNOWN;
  for (uint32_t d = 0; d < t.rank; d++)
    if (t.dims[d] < 0) t.dims[d] = 2;
  return t;
}

static bool run_body(mf_kernel_call *call, uint32_t at, mf_error *err) {
  const mf_image *image = ((mf_run_node *)call->run)->instance->image;
  const mf_image_plan *plan = &image->plans[call->attributes.list[at].i];
  mf_tensor inputs[MOST_VALUES], outputs[MOST_VALUES];
  size_t bytes;
  if (plan->n_inputs > MOST_VALUES || plan->n_outputs > MOST_VALUES)
    return mf_fail(err, MF_TooLarge, "too many values for a stand-in");
  for (uint32_t i = 0; i < plan->n_inputs; i++) {
    inputs[i] = some_shape(&image->values[image->ids[plan->inputs + i]]);
    if (!mf_tensor_bytes(&inputs[i], &bytes))
      return mf_fail(err, MF_TooLarge, "dimensions overflow");
    inputs[i].data = call->alloc_temporary(call, bytes, err);
    if (!inputs[i].data) return false;
    memset(inputs[i].data, 0, bytes);
  }
  if (!call->run_subgraph(call, at, inputs, plan->n_inputs, outputs, plan->n_outputs, err))
    return false;
  for (uint32_t i = 0; i < plan->n_outputs; i++) read_all(&outputs[i], false);
  return true;
}

static bool write_output(mf_kernel_call *call, uint32_t at, mf_error *err) {
  const mf_run_node *node = call->run;
  const mf_image *image = node->instance->image;
  mf_tensor *t = call->outputs[at];
  size_t bytes;
  if (node->flags & MF_NODE_SELF) {
    void *data = t->data;
    *t = some_shape(&image->values[image->ids[node->record->outputs + at]]);
    t->data = data;
    if (!call->alloc_output(call, at, err)) return false;
  }
  must(mf_tensor_bytes(t, &bytes) && (t->data || bytes == 0));
  memset(t->data, 0, bytes);
  return true;
}

static bool stand_in(mf_kernel_call *call, mf_error *err) {
  const mf_run_node *node = call->run;
  const mf_image *image = node->instance->image;
  for (uint32_t i = 0; i < call->n_inputs; i++)
    if (call->inputs[i])
      read_all(call->inputs[i],
               image->values[image->ids[node->record->inputs + i]].storage == MF_STORAGE_CONSTANT);
  if (call->scratch_bytes) memset(call->scratch, 0, call->scratch_bytes);
  for (uint32_t i = 0; i < call->attributes.count; i++) {
    const mf_attribute *a = &call->attributes.list[i];
    if (a->type == MF_ATTR_GRAPH && (!run_body(call, i, err) || !run_body(call, i, err)))
      return false;
    if (a->type == MF_ATTR_STRINGS)
      for (uint32_t k = 0; k < a->count; k++) read_text(mf_attr_str_at(&call->attributes, i, k));
  }
  for (uint32_t i = 0; i < call->n_outputs; i++)
    if (call->outputs[i] && !write_output(call, i, err)) return false;
  return true;
}

static void put_stand_ins(const mf_image *image) {
  static const mf_kernel kernel = {.name = "stand_in", .run = stand_in};
  for (uint32_t i = 0; i < image->n_kernels; i++)
    ((const mf_kernel **)(uintptr_t)image->kernels)[i] = &kernel;
}

// ---- one image ----

static void ask(const mf_image *image) {
  mf_image_summary summary;
  mf_image_node node;
  mf_slice metadata = mf_image_metadata(image);
  read_text((mf_str){metadata.data, metadata.len});
  for (uint32_t i = 0; i < mf_image_n_inputs(image) + mf_image_n_outputs(image); i++) {
    uint32_t n = mf_image_n_inputs(image);
    const mf_signature_entry *entry =
        i < n ? mf_image_input(image, i) : mf_image_output(image, i - n);
    read_text(entry->name);
    for (uint32_t d = 0; d < MF_MAX_RANK; d++) read_text(entry->dim_names[d]);
  }
  for (uint32_t i = 0; mf_image_node_at(image, i, &node); i++) read_text(node.name);
  mf_image_summarize(image, &summary);
  if (summary.arena_bytes > MOST_MEMORY) return;
  mf_error err;
  void *memory = aligned_alloc(64, (summary.arena_bytes + 63) & ~(size_t)63);
  must(memory != NULL && mf_instance_create(image, memory, summary.arena_bytes, &err) != NULL);
  free(memory);
}

static void make_checksums_right(uint8_t *bytes, size_t len) {
  mf_image_header *h = (mf_image_header *)(void *)bytes;
  if (len < sizeof *h) return;
  if (h->metadata_bytes >= sizeof *h && h->metadata_bytes <= len)
    h->metadata_hash = mf_image_metadata_hash(bytes, h->metadata_bytes);
}

static void try_image(const uint8_t *data, size_t size) {
  mf_error err = {.message = ""};
  mf_arena arena;
  const mf_image *image;
  void *bytes;
  must(posix_memalign(&bytes, MF_IMAGE_ALIGNMENT, size) ==
       0);  // of its own size, so that reading beyond the end is seen
  memcpy(bytes, data, size);
  make_checksums_right(bytes, size);
  mf_arena_init(&arena, OPEN_MEMORY);
  if (mf_image_open((mf_slice){bytes, size}, NULL, &arena, &image, &err)) {
    ask(image);
    put_stand_ins(image);
    small_run(image, false);
  } else {
    must((err.code == MF_InvalidImage || err.code == MF_OutOfMemory) && err.message[0] != 0);
  }
  mf_arena_deinit(&arena);
  free(bytes);
}

static bool compile(const uint8_t *data, size_t size, mf_arena *arena, mf_slice *bytes) {
  mf_error err;
  const mf_compile_options options = {.isa = size % 2 ? MF_ISA_GENERIC : mf_isa_of_processor(),
                                      .reference = size % 4 == 0};
  mf_graph *graph = mf_onnx_read((mf_slice){data, size}, arena, NULL, NULL, NULL, &err);
  return graph && mf_compile(graph, &options, arena, bytes, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  mf_error err;
  mf_arena arena;
  mf_slice bytes;
  const mf_image *image;
  if (mf_image_is((mf_slice){data, size})) {
    try_image(data, size);
    return 0;
  }
  mf_arena_init(&arena, COMPILER_MEMORY);
  if (compile(data, size, &arena, &bytes)) {
    must(mf_image_open(bytes, NULL, &arena, &image, &err) && mf_image_verify(image, &err));
    small_run(image, true);
    try_image(bytes.data, bytes.len);
  }
  mf_arena_deinit(&arena);
  return 0;
}

// ---- mutations: numbers of records, in place, since whatever moves is refused at once ----

size_t LLVMFuzzerMutate(uint8_t *data, size_t len, size_t capacity);
static size_t pick(size_t n) { return n ? (size_t)rand() % n : 0; }

static void change_number(uint8_t *at, const uint8_t *same_member) {
  static const uint32_t values[] = {
      0, 1, 2, 3, 4, 7, 8, 9, 63, 64, 4096, 1 << 20, INT32_MAX, UINT32_MAX, UINT32_MAX - 1};
  uint32_t value;
  memcpy(&value, at, 4);
  switch (pick(5)) {
    case 0: value = values[pick(MF_COUNT(values))]; break;
    case 1: value += 1; break;
    case 2: value -= 1; break;
    case 3: value ^= UINT32_C(1) << pick(32); break;
    default: memcpy(&value, same_member, 4);
  }
  memcpy(at, &value, 4);
}

static void mutate_image(uint8_t *data, size_t len) {
  const mf_image_header *h = (const void *)data;
  const mf_image_section s = h->sections[pick(MF_SECTION_METADATA + 1)];
  uint64_t end;
  bool inside = s.record_bytes && s.count &&
                !__builtin_add_overflow(s.offset, (uint64_t)s.count * s.record_bytes, &end) &&
                end <= len;
  if (!inside || pick(8) == 0) {
    size_t header = sizeof *h / 4;
    size_t at = (pick(2) ? pick(header) : pick(len / 4)) * 4;
    change_number(data + at, data + pick(len / 4) * 4);
    return;
  }
  uint8_t *record = data + s.offset + pick(s.count) * s.record_bytes,
          *other = data + s.offset + pick(s.count) * s.record_bytes;
  size_t member = pick(s.record_bytes / 4) * 4;
  if (s.record_bytes < 4)
    *record = (uint8_t)rand();
  else if (pick(10) == 0)
    memmove(record, other, s.record_bytes);
  else
    change_number(record + member, other + member);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t capacity, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t len, size_t capacity, unsigned seed) {
  mf_arena arena;
  mf_slice bytes;
  srand(seed);
  if (!mf_image_is((mf_slice){data, len})) {
    mf_arena_init(&arena, COMPILER_MEMORY);
    bool fits = compile(data, len, &arena, &bytes) && bytes.len <= capacity;
    if (fits) memcpy(data, bytes.data, len = bytes.len);
    mf_arena_deinit(&arena);
    if (!fits) return LLVMFuzzerMutate(data, len, capacity);
  }
  if (len < sizeof(mf_image_header) || pick(20) == 0) return LLVMFuzzerMutate(data, len, capacity);
  for (size_t n = 1 + pick(3); n > 0; n--) mutate_image(data, len);
  return len;
}
