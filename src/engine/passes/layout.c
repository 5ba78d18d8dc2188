// Channels-last: convolutions and pools work on [N, spatial..., C] images here, models state them
// as [N, C, spatial...]. Walking forward, a value that was made channels-last has a twin in that
// layout; operators that do not care about layout work on twins, too (layout_ops.c), and a
// Transpose is inserted only where somebody needs the model's own layout.
#include "layout.h"

#include <math.h>

// ---- twins ----
bool mf_layout_has(const mf_layout_pass *l, mf_value_id id) {
  return id != MF_NO_VALUE && id < l->capacity && l->twins[id] != MF_NO_VALUE;
}

static bool grow_twins(mf_layout_pass *l) {
  uint32_t wanted = l->e.graph->n_values;
  if (wanted <= l->capacity) return true;
  uint32_t capacity = wanted * 2;
  mf_value_id *bigger = MF_NEW_ARRAY(l->e.graph->arena, mf_value_id, capacity);
  bool *made = MF_NEW_ARRAY(l->e.graph->arena, bool, capacity);
  if (!bigger || !made) return mf_out_of_arena(l->e.err);
  for (uint32_t i = 0; i < capacity; i++) {
    bigger[i] = i < l->capacity ? l->twins[i] : MF_NO_VALUE;
    made[i] = i < l->capacity ? l->pending[i] : false;
  }
  l->twins = bigger;
  l->pending = made;
  l->capacity = capacity;
  return true;
}

void mf_layout_permute(const mf_tensor *from, bool to_last, mf_tensor *to) {
  *to = *from;
  to->data = NULL;
  for (uint32_t i = 1; i < from->rank; i++)
    to->dims[i] = from->dims[mf_layout_source(i, from->rank, to_last)];
}

bool mf_layout_new_twin(mf_layout_pass *l, mf_value_id id, mf_value_id *twin) {
  mf_tensor like;
  mf_layout_permute(mf_edit_tensor(&l->e, id), true, &like);
  if (!mf_edit_value_like(&l->e, &like, twin) || !grow_twins(l)) return false;
  l->twins[id] = *twin;
  l->pending[id] = true;
  return true;
}

// Moving channels is no movement at all where they, or all the rest, are 1: then a Reshape does,
// which costs nothing.
static bool as_reshape(mf_layout_pass *l, mf_value_id from, mf_value_id to, bool *done) {
  mf_tensor t = *mf_edit_tensor(&l->e, to);
  bool ones_only = true;
  uint32_t unknown = 0;
  const mf_tensor *nchw = mf_edit_tensor(&l->e, l->twins[to] == from ? to : from);
  for (uint32_t i = 2; i < nchw->rank; i++) ones_only &= nchw->dims[i] == 1;
  for (uint32_t i = 1; i < t.rank; i++) unknown += t.dims[i] == MF_DIM_UNKNOWN;
  *done = false;
  if (!(ones_only || nchw->dims[1] == 1) || unknown > 1) return true;
  mf_value_id shape;
  t.dims[0] = t.dims[0] == MF_DIM_UNKNOWN ? 0 : t.dims[0];  // 0: as it was
  *done = true;
  return mf_edit_ints(&l->e, t.dims, t.rank, &shape) &&
         mf_edit_add(&l->e, "", "Reshape", 13, (mf_str){NULL, 0}, (mf_value_id[]){from, shape}, 2,
                     &to, 1);
}

static bool move(mf_layout_pass *l, mf_value_id from, mf_value_id to, bool to_last) {
  uint32_t rank = mf_edit_tensor(&l->e, from)->rank;
  int64_t perm[MF_MAX_RANK] = {0};
  bool done;
  if (!as_reshape(l, from, to, &done)) return false;
  if (done) return true;
  for (uint32_t i = 1; i < rank; i++) perm[i] = mf_layout_source(i, rank, to_last);
  mf_node *node = mf_edit_add(&l->e, "", "Transpose", 13, (mf_str){NULL, 0}, &from, 1, &to, 1);
  return node && mf_edit_set_ints(&l->e, node, "perm", perm, rank);
}

bool mf_layout_want(mf_layout_pass *l, mf_value_id id, mf_value_id *twin) {
  if (mf_layout_has(l, id)) return *twin = l->twins[id], true;
  if (!mf_layout_new_twin(l, id, twin)) return false;
  l->pending[id] = false;  // the value itself is there
  return move(l, id, *twin, true);
}

// The value in the model's layout, made now if only its twin is there.
static bool materialise(mf_layout_pass *l, mf_value_id id) {
  if (id == MF_NO_VALUE || id >= l->capacity || !l->pending[id]) return true;
  l->pending[id] = false;
  return move(l, l->twins[id], id, false);
}

bool mf_layout_keep(mf_layout_pass *l, mf_node *node) {
  for (uint32_t i = 0; i < node->n_inputs; i++)
    if (!materialise(l, node->inputs[i])) return false;
  return mf_edit_keep(&l->e, node);
}

bool mf_layout_is_image(const mf_layout_pass *l, mf_value_id id) {
  const mf_tensor *t = mf_edit_tensor(&l->e, id);
  return t->rank == 3 || t->rank == 4;
}

// ---- windows ----
enum {
  MOST = 1 << 20
};  // larger numbers in a window are left to the general kernels: here sizes are computed without
    // fear of overflow

typedef struct window {
  uint32_t n;
  int64_t kernel[2], strides[2], pads[4], dilations[2];
} window;

static void ints_or(const mf_node *node, const char *name, uint32_t n, int64_t fallback,
                    int64_t *out) {
  const int64_t *values;
  uint32_t count;
  bool there = mf_edit_ints_of(node, name, &values, &count) && count == n;
  for (uint32_t i = 0; i < n; i++) out[i] = there ? values[i] : fallback;
}

static bool same_padding(window *w, const mf_tensor *x, bool upper) {
  for (uint32_t i = 0; i < w->n; i++) {
    int64_t in = x->dims[2 + i], stride = w->strides[i];
    if (in == MF_DIM_UNKNOWN) return false;
    int64_t total =
        ((in + stride - 1) / stride - 1) * stride + w->dilations[i] * (w->kernel[i] - 1) + 1 - in;
    if (total < 0) total = 0;
    w->pads[i] = upper ? total / 2 : total - total / 2;
    w->pads[w->n + i] = total - w->pads[i];
  }
  return true;
}

// weights: the kernel's dimensions where the attribute is absent, or NULL.
static bool read_window(const mf_node *node, const mf_tensor *x, const int64_t *weights,
                        window *w) {
  const int64_t *kernel;
  uint32_t n;
  w->n = x->rank - 2;
  if (mf_edit_ints_of(node, "kernel_shape", &kernel, &n) && n == w->n)
    memcpy(w->kernel, kernel, n * sizeof *kernel);
  else if (weights)
    memcpy(w->kernel, weights, w->n * sizeof *weights);
  else
    return false;
  ints_or(node, "strides", w->n, 1, w->strides);
  ints_or(node, "dilations", w->n, 1, w->dilations);
  ints_or(node, "pads", 2 * w->n, 0, w->pads);
  for (uint32_t i = 0; i < 2 * w->n; i++)
    if (w->pads[i] < 0 || w->pads[i] > MOST) return false;
  for (uint32_t i = 0; i < w->n; i++)
    if (w->kernel[i] < 1 || w->kernel[i] > MOST || w->strides[i] < 1 || w->strides[i] > MOST ||
        w->dilations[i] < 1 || w->dilations[i] > MOST)
      return false;
  if (mf_edit_text_is(node, "auto_pad", "SAME_UPPER")) return same_padding(w, x, true);
  if (mf_edit_text_is(node, "auto_pad", "SAME_LOWER")) return same_padding(w, x, false);
  if (mf_edit_text_is(node, "auto_pad", "VALID")) memset(w->pads, 0, sizeof w->pads);
  return true;
}

static bool set_window(mf_layout_pass *l, mf_node *node, const window *w) {
  return mf_edit_set_ints(&l->e, node, "kernel_shape", w->kernel, w->n) &&
         mf_edit_set_ints(&l->e, node, "strides", w->strides, w->n) &&
         mf_edit_set_ints(&l->e, node, "pads", w->pads, 2 * w->n) &&
         mf_edit_set_ints(&l->e, node, "dilations", w->dilations, w->n);
}

// A convolution's input and output have as many dimensions as its weights, known or not.
static void learn_rank(mf_layout_pass *l, const mf_node *node) {
  const mf_tensor *w = mf_edit_tensor(&l->e, node->inputs[1]);
  for (uint32_t i = 0; i < 2; i++) {
    mf_tensor *t = mf_edit_tensor(&l->e, i ? node->outputs[0] : node->inputs[0]);
    if (t->rank != MF_RANK_UNKNOWN || (w->rank != 3 && w->rank != 4)) continue;
    t->rank = w->rank;
    for (uint32_t d = 0; d < w->rank; d++) t->dims[d] = MF_DIM_UNKNOWN;
  }
}

static bool convolution(mf_layout_pass *l, mf_node *node, bool transposed, bool *done) {
  learn_rank(l, node);
  const mf_tensor *x = mf_edit_tensor(&l->e, node->inputs[0]),
                  *w = mf_edit_tensor(&l->e, node->inputs[1]);
  mf_value_id inputs[3] = {MF_NO_VALUE, node->inputs[1], mf_edit_input(node, 2)}, out;
  const int64_t *sizes;
  uint32_t n_sizes;
  window win;
  *done = false;
  if (!mf_layout_is_image(l, node->inputs[0]) || x->type != MF_FLOAT || w->type != MF_FLOAT ||
      !w->data || w->rank != x->rank || !read_window(node, x, w->dims + 2, &win))
    return true;
  int64_t group = mf_edit_int(node, "group", 1),
          channels = transposed ? w->dims[1] * group : w->dims[0];
  if (transposed && mf_edit_ints_of(node, "output_shape", &sizes, &n_sizes) && n_sizes) return true;
  int64_t input_channels = transposed ? w->dims[0] : w->dims[1] * group;
  if (x->dims[1] != input_channels && x->dims[1] != MF_DIM_UNKNOWN) return true;
  *done = true;
  if (!mf_layout_want(l, node->inputs[0], &inputs[0]) ||
      !mf_layout_new_twin(l, node->outputs[0], &out))
    return false;
  mf_node *made = mf_edit_add(&l->e, "mayfly", node->op->name, 1, node->name, inputs,
                              inputs[2] == MF_NO_VALUE ? 2 : 3, &out, 1);
  if (!made || !set_window(l, made, &win)) return false;
  mf_edit_set_int(made, "group", group);
  mf_edit_set_int(made, "channels", channels);
  mf_edit_set_int(made, "input_channels", input_channels);
  if (transposed && mf_edit_ints_of(node, "output_padding", &sizes, &n_sizes) && n_sizes == win.n)
    return mf_edit_set_ints(&l->e, made, "output_padding", sizes, n_sizes);
  return true;
}

static bool pool(mf_layout_pass *l, mf_node *node, bool *done) {
  const mf_tensor *x = mf_edit_tensor(&l->e, node->inputs[0]);
  mf_value_id in, out;
  window win;
  *done = false;
  bool indices = node->n_outputs > 1 && node->outputs[1] != MF_NO_VALUE;
  if (!mf_layout_has(l, node->inputs[0]) || x->type != MF_FLOAT || indices ||
      !read_window(node, x, NULL, &win))
    return true;
  *done = true;
  if (!mf_layout_want(l, node->inputs[0], &in) || !mf_layout_new_twin(l, node->outputs[0], &out))
    return false;
  mf_node *made = mf_edit_add(&l->e, "mayfly", node->op->name, 1, node->name, &in, 1, &out, 1);
  if (!made || !set_window(l, made, &win)) return false;
  mf_edit_set_int(made, "ceil_mode", mf_edit_int(node, "ceil_mode", 0));
  if (mf_edit_is(made, "mayfly", "AveragePool"))
    mf_edit_set_int(made, "count_include_pad", mf_edit_int(node, "count_include_pad", 0));
  return true;
}

static bool global_pool(mf_layout_pass *l, mf_node *node, bool *done) {
  mf_value_id in, out;
  *done = false;
  if (!mf_layout_has(l, node->inputs[0]) ||
      mf_edit_tensor(&l->e, node->inputs[0])->type != MF_FLOAT)
    return true;
  *done = true;
  return mf_layout_want(l, node->inputs[0], &in) && mf_layout_new_twin(l, node->outputs[0], &out) &&
         mf_edit_add(&l->e, "mayfly", "GlobalAveragePool", 1, node->name, &in, 1, &out, 1);
}

static bool visit(mf_layout_pass *l, mf_node *node) {
  bool done = false, right = true;
  if (mf_edit_is(node, "", "Conv"))
    right = convolution(l, node, false, &done);
  else if (mf_edit_is(node, "", "ConvTranspose"))
    right = convolution(l, node, true, &done);
  else if (mf_edit_is(node, "", "MaxPool") || mf_edit_is(node, "", "AveragePool"))
    right = pool(l, node, &done);
  else if (mf_edit_is(node, "", "GlobalAveragePool"))
    right = global_pool(l, node, &done);
  else
    right = mf_layout_agnostic(l, node, &done);
  if (!right) return false;
  if (!done) return mf_layout_keep(l, node);
  mf_edit_kill(&l->e, node);
  for (uint32_t i = 0; i < node->n_outputs; i++)  // others see it: it cannot wait
    if (node->outputs[i] != MF_NO_VALUE && mf_edit_captured(&l->e, node->outputs[i]) &&
        !materialise(l, node->outputs[i]))
      return false;
  return true;
}

// A twin is of use in the body that made it only. (The shapes of as_reshape may lie beyond the list.)
static void forget_twins(mf_layout_pass *l) {
  for (uint32_t i = 0; i < l->e.n_touched; i++) {
    if (l->e.touched[i] >= l->capacity) continue;
    l->twins[l->e.touched[i]] = MF_NO_VALUE;
    l->pending[l->e.touched[i]] = false;
  }
}

bool mf_pass_layout(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  mf_layout_pass l = {0};
  if (!mf_edit_open(&l.e, graph, err) || !grow_twins(&l)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&l.e, b)) return false;
    for (uint32_t i = 0; i < l.e.n_old; i++)
      if (!visit(&l, l.e.old[i])) return false;
    forget_twins(&l);
    mf_edit_end(&l.e);
  }
  return true;
}
