// The bound on nodes is kept by the trace hook, which leaves the run by longjmp: an instance is
// nothing but memory of its caller's.
#include "small_run.h"

#include <setjmp.h>

enum { MEMORY = 512 << 10, MOST_NODES = 2000, MOST_ELEMENTS = 4096, MOST_INPUTS = 64 };

typedef struct bound {
  jmp_buf leave;
  uint32_t nodes;
} bound;

static void count_node(void *context, uint32_t node, int64_t start_ns) {
  (void)node, (void)start_ns;
  bound *b = context;
  if (++b->nodes > MOST_NODES) longjmp(b->leave, 1);
}

// A subgraph without nodes would turn round and round unseen.
static bool has_empty_plan(const mf_image *image) {
  mf_image_summary summary;
  mf_image_node node;
  uint32_t seen = 0, last = UINT32_MAX;
  mf_image_summarize(image, &summary);
  for (uint32_t i = 0; mf_image_node_at(image, i, &node); i++)
    if (node.plan != last) last = node.plan, seen++;
  return seen < summary.n_plans;
}

static void fill(mf_tensor *t, uint32_t *turn_now) {
  static const mf_str texts[] = {MF_STR("a"), MF_STR(""), MF_STR("1.5"), MF_STR("b c")};
  uint32_t turn = *turn_now;
  size_t size = mf_type_size(t->type);
  for (int64_t i = 0, n = mf_tensor_count(t); i < n; i++, turn++) {
    char *at = (char *)t->data + (size_t)i * size;
    const float real = (float)(turn % 9) * 0.5f - 2;
    const double wide = real;
    const int64_t whole = (int64_t)(turn % 5) - 1;
    if (t->type == MF_STRING)
      memcpy(at, &texts[turn % MF_COUNT(texts)], size);
    else if (t->type == MF_FLOAT)
      memcpy(at, &real, size);
    else if (t->type == MF_DOUBLE)
      memcpy(at, &wide, size);
    else if (t->type == MF_BOOL)
      *at = (char)(turn & 1);
    else
      memcpy(at, &whole, size);  // numbers of all widths begin with the least byte
  }
  *turn_now = turn;
}

static bool give_input(mf_instance *instance, uint32_t at, int64_t side, uint32_t *turn,
                       mf_error *err) {
  const mf_tensor *shape = &mf_image_input(mf_instance_image(instance), at)->shape;
  mf_tensor *t = mf_instance_input(instance, at);
  if (t->type == MF_TYPE_UNKNOWN) t->type = shape->type != MF_TYPE_UNKNOWN ? shape->type : MF_FLOAT;
  if (t->rank == MF_RANK_UNKNOWN) *t = (mf_tensor){.type = t->type, .rank = 2, .dims = {side, 3}};
  for (uint32_t d = 0; d < t->rank; d++)
    if (t->dims[d] < 0) t->dims[d] = side;
  if (mf_tensor_count(t) > MOST_ELEMENTS)
    return mf_fail(err, MF_TooLarge, "more elements than a small run has");
  if (!t->data && !mf_instance_alloc_input(instance, at, err)) return false;
  fill(t, turn);
  return true;
}

// Reads every byte, so that the sanitizer sees what is out of bounds.
static uint64_t hash_of(const mf_tensor *out, uint64_t seed) {
  size_t bytes = 0;
  must(mf_tensor_is_static(out) && mf_tensor_bytes(out, &bytes));
  const mf_str *texts = out->data;
  if (out->type != MF_STRING) return mf_hash64(out->data, bytes, seed);
  for (int64_t i = 0; i < mf_tensor_count(out); i++)
    seed = mf_hash64(texts[i].data, texts[i].len, seed);
  return seed;
}

static bool run(mf_instance *instance, int64_t side, uint64_t *hash, mf_error *err) {
  const mf_image *image = mf_instance_image(instance);
  uint32_t turn = 0;
  mf_instance_reset(instance);
  for (uint32_t i = 0; i < mf_image_n_inputs(image); i++)
    if (!give_input(instance, i, side, &turn, err)) return false;
  if (!mf_instance_run(instance, err)) return false;
  *hash = 0;
  for (uint32_t i = 0; i < mf_image_n_outputs(image); i++)
    *hash = hash_of(mf_instance_output(instance, i), *hash);
  return true;
}

// Sizes come back, so that what an instance keeps of earlier runs is used; a failed run may lie
// between.
static void run_often(mf_instance *instance, bool compare) {
  static const int64_t sides[] = {2, 2, 3, 2, 1, 3};
  mf_image_summary summary;
  uint64_t first[4] = {0}, hash = 0;
  bool known[4] = {false};
  mf_image_summarize(mf_instance_image(instance), &summary);
  for (size_t i = 0; i < (summary.dynamic ? MF_COUNT(sides) : 2); i++) {
    mf_error err = {.message = ""};
    int64_t side = sides[i];
    if (!run(instance, side, &hash, &err)) {
      must(err.message[0] != 0);
      continue;
    }
    must(!compare || !known[side] || first[side] == hash);
    first[side] = hash;
    known[side] = true;
  }
}

void small_run(const mf_image *image, bool compare) {
  mf_error err = {.message = ""};
  bound b = {.nodes = 0};
  if (mf_image_n_inputs(image) > MOST_INPUTS || has_empty_plan(image)) return;
  void *memory = aligned_alloc(64, MEMORY);
  must(memory != NULL);
  mf_instance *instance = mf_instance_create(image, memory, MEMORY, &err);
  if (instance) {
    mf_instance_trace(instance, count_node, &b);
    if (setjmp(b.leave) == 0) run_often(instance, compare);
  }
  must(instance || err.message[0] != 0);
  free(memory);
}
