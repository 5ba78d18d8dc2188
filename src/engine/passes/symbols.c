// Symbols of dimensions; see symbols.h. A known dimension's symbol is its length; an unknown one's
// is the hash of how it came about.
#include "symbols.h"

static const uint64_t FRESH = UINT64_C(1) << 63;

bool mf_symbols_init(mf_symbols *s, const mf_edit *e) {
  *s = (mf_symbols){.capacity = e->graph->n_values};
  s->of = mf_arena_array(e->graph->arena, s->capacity, sizeof *s->of);
  return s->of ? true : mf_out_of_arena(e->err);
}

static uint64_t symbol(mf_symbols *s, const mf_edit *e, mf_value_id id, uint32_t dim) {
  const mf_tensor *t = mf_edit_tensor(e, id);
  if (t->dims[dim] != MF_DIM_UNKNOWN) return (uint64_t)t->dims[dim];
  if (id >= s->capacity) return FRESH | ++s->fresh;
  if (!s->of[id][dim]) s->of[id][dim] = FRESH | ++s->fresh;
  return s->of[id][dim];
}

static uint64_t derived(uint64_t from, const int64_t *numbers, size_t n) {
  return FRESH | mf_hash64(numbers, n * sizeof *numbers, from);
}

static void same_as(mf_symbols *s, const mf_edit *e, mf_value_id from, mf_value_id to) {
  const mf_tensor *a = mf_edit_tensor(e, from), *b = mf_edit_tensor(e, to);
  if (a->rank == MF_RANK_UNKNOWN || a->rank != b->rank) return;
  for (uint32_t i = 0; i < a->rank; i++) s->of[to][i] = symbol(s, e, from, i);
}

// Convolutions and pools over [N, spatial..., C].
static void window(mf_symbols *s, const mf_edit *e, const mf_node *node) {
  mf_value_id x = node->inputs[0], y = node->outputs[0];
  uint32_t rank = mf_edit_tensor(e, x)->rank, n, n_pads, n_other;
  const int64_t *kernel, *strides, *pads, *dilations, *extra = NULL;
  bool complete = mf_edit_ints_of(node, "kernel_shape", &kernel, &n) &&
                  mf_edit_ints_of(node, "strides", &strides, &n_other) &&
                  mf_edit_ints_of(node, "pads", &pads, &n_pads) &&
                  mf_edit_ints_of(node, "dilations", &dilations, &n_other);
  if (rank == MF_RANK_UNKNOWN || mf_edit_tensor(e, y)->rank != rank) return;
  s->of[y][0] = symbol(s, e, x, 0);
  if (!complete || n + 2 != rank) return;
  bool transposed = mf_edit_is(node, "mayfly", "ConvTranspose"),
       given = mf_edit_ints_of(node, "output_padding", &extra, &n_other);
  for (uint32_t i = 0; i < n; i++) {
    uint64_t from = symbol(s, e, x, 1 + i);
    bool unchanged = strides[i] == 1 && pads[i] + pads[n + i] == dilations[i] * (kernel[i] - 1) &&
                     !(given && extra[i]);
    int64_t how[7] = {
        kernel[i],           strides[i],   pads[i],
        pads[n + i],         dilations[i], transposed + 2 * mf_edit_int(node, "ceil_mode", 0),
        given ? extra[i] : 0};
    s->of[y][1 + i] = unchanged ? from : derived(from, how, MF_COUNT(how));
  }
}

static void broadcast(mf_symbols *s, const mf_edit *e, const mf_node *node) {
  mf_value_id y = node->outputs[0];
  uint32_t rank = mf_edit_tensor(e, y)->rank;
  if (rank == MF_RANK_UNKNOWN) return;
  for (uint32_t d = 0; d < rank; d++) {
    uint64_t merged = 1;
    bool clear = true;
    for (uint32_t i = 0; i < node->n_inputs; i++) {
      uint32_t r = node->inputs[i] == MF_NO_VALUE ? MF_RANK_UNKNOWN
                                                  : mf_edit_tensor(e, node->inputs[i])->rank;
      if (r == MF_RANK_UNKNOWN) return;
      if (d + r < rank) continue;
      uint64_t one = symbol(s, e, node->inputs[i], d + r - rank);
      if (one == 1 || one == merged) continue;
      clear &= merged == 1;
      merged = one;
    }
    if (clear) s->of[y][d] = merged;
  }
}

static void resize(mf_symbols *s, const mf_edit *e, const mf_node *node) {
  mf_value_id x = node->inputs[0], y = node->outputs[0],
              scales = mf_edit_input(node, node->n_inputs == 2 ? 1 : 2);
  int64_t count;
  const float *values = mf_edit_floats(e, scales, &count);
  if (!values || mf_edit_tensor(e, y)->rank != count || mf_edit_tensor(e, x)->rank != count) return;
  for (uint32_t i = 0; i < count; i++) {
    int64_t how = (int64_t)((double)values[i] * 1e6);
    s->of[y][i] = values[i] == 1.0f ? symbol(s, e, x, i) : derived(symbol(s, e, x, i), &how, 1);
  }
}

static void concat(mf_symbols *s, const mf_edit *e, const mf_node *node) {
  mf_value_id y = node->outputs[0];
  same_as(s, e, node->inputs[0], y);
  int64_t axis = mf_edit_int(node, "axis", 0), rank = mf_edit_tensor(e, y)->rank;
  if (axis < 0) axis += rank;
  if (axis >= 0 && axis < MF_MAX_RANK) s->of[y][axis] = 0;
}

void mf_symbols_visit(mf_symbols *s, const mf_edit *e, const mf_node *node) {
  if (!node->n_inputs || !node->n_outputs || node->inputs[0] == MF_NO_VALUE ||
      node->outputs[0] == MF_NO_VALUE || node->outputs[0] >= s->capacity)
    return;
  const char *name = node->op->name;
  bool ours = strcmp(node->op->domain, "mayfly") == 0;
  if (ours && (strcmp(name, "Activation") == 0))
    same_as(s, e, node->inputs[0], node->outputs[0]);
  else if (ours && strcmp(name, "MatMul") == 0) {
    same_as(s, e, node->inputs[0], node->outputs[0]);
    uint32_t rank = mf_edit_tensor(e, node->outputs[0])->rank;
    if (rank != MF_RANK_UNKNOWN && rank) s->of[node->outputs[0]][rank - 1] = 0;
  } else if (ours)
    window(s, e, node);
  else if (*node->op->domain)
    return;
  else if (!strcmp(name, "Add") || !strcmp(name, "Sub") || !strcmp(name, "Mul") ||
           !strcmp(name, "Div") || !strcmp(name, "Pow"))
    broadcast(s, e, node);
  else if (!strcmp(name, "Relu") || !strcmp(name, "Clip") || !strcmp(name, "Softmax") ||
           !strcmp(name, "Identity") || !strcmp(name, "Sqrt"))
    same_as(s, e, node->inputs[0], node->outputs[0]);
  else if (!strcmp(name, "Resize") || !strcmp(name, "Upsample"))
    resize(s, e, node);
  else if (!strcmp(name, "Concat"))
    concat(s, e, node);
}

bool mf_symbols_same_shape(mf_symbols *s, const mf_edit *e, mf_value_id a, mf_value_id b) {
  const mf_tensor *x = mf_edit_tensor(e, a), *y = mf_edit_tensor(e, b);
  if (x->type != y->type || x->rank == MF_RANK_UNKNOWN || x->rank != y->rank) return false;
  for (uint32_t i = 0; i < x->rank; i++)
    if (symbol(s, e, a, i) != symbol(s, e, b, i)) return false;
  return true;
}
