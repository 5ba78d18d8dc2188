// Operators that work in any layout: with their axes (and what is laid out like the axes: scales,
// pads, starts, constants) mapped they run on channels-last twins, so that an image stays
// channels-last from one convolution to the next.
#include "layout.h"

static bool in(const char *name, const char *const *list) {
  for (; *list; list++)
    if (strcmp(name, *list) == 0) return true;
  return false;
}

static uint32_t rank_of(const mf_layout_pass *l, mf_value_id id) {
  return mf_edit_tensor(&l->e, id)->rank;
}

// The node again, on the twin of its first input and making the twin of its first output; other
// inputs as they are.
static mf_node *on_twins(mf_layout_pass *l, const mf_node *node, const mf_value_id *other_inputs) {
  mf_value_id inputs[8] = {0}, outputs[2] = {MF_NO_VALUE, MF_NO_VALUE};
  if (node->n_inputs > MF_COUNT(inputs) || node->n_outputs > MF_COUNT(outputs)) return NULL;
  memcpy(inputs, other_inputs ? other_inputs : node->inputs, node->n_inputs * sizeof *inputs);
  if (!mf_layout_want(l, node->inputs[0], &inputs[0]) ||
      !mf_layout_new_twin(l, node->outputs[0], &outputs[0]))
    return NULL;
  return mf_edit_copy(&l->e, node, inputs, outputs);
}

static bool unary(mf_layout_pass *l, mf_node *node, bool *done) {
  if (!mf_layout_has(l, node->inputs[0])) return true;
  for (uint32_t i = 1; i < node->n_inputs; i++)  // Clip's bounds and the like
    if (node->inputs[i] != MF_NO_VALUE &&
        (rank_of(l, node->inputs[i]) == MF_RANK_UNKNOWN || rank_of(l, node->inputs[i]) > 1))
      return true;
  for (uint32_t i = 1; i < node->n_outputs; i++)  // Dropout's mask
    if (node->outputs[i] != MF_NO_VALUE && l->e.values[node->outputs[i]].uses) return true;
  return *done = true, on_twins(l, node, NULL) != NULL;
}

// A constant that broadcasts against images of `rank` dimensions, in the other layout.
static bool constant_twin(mf_layout_pass *l, mf_value_id id, uint32_t rank, mf_value_id *twin) {
  mf_tensor full = {.type = mf_edit_tensor(&l->e, id)->type, .rank = rank}, moved;
  const mf_tensor original = *mf_edit_tensor(&l->e, id);
  if (mf_tensor_count(&original) == 1) return *twin = id, true;
  for (uint32_t i = 0; i < rank; i++)
    full.dims[i] = i < rank - original.rank ? 1 : original.dims[i - (rank - original.rank)];
  mf_layout_permute(&full, true, &moved);
  if (!mf_edit_constant(&l->e, full.type, rank, moved.dims, twin)) return false;
  size_t size = mf_type_size(full.type), n = (size_t)full.dims[0], channels = (size_t)full.dims[1],
         pixels = (size_t)mf_tensor_span(&full, 2, rank);
  const char *from = original.data;
  char *to = mf_edit_tensor(&l->e, *twin)->data;
  for (size_t b = 0; b < n; b++)
    for (size_t c = 0; c < channels; c++)
      for (size_t p = 0; p < pixels; p++, from += size)
        memcpy(to + ((b * pixels + p) * channels + c) * size, from, size);
  return true;
}

// Element by element with broadcasting.
static bool elementwise(mf_layout_pass *l, mf_node *node, bool *done) {
  mf_value_id inputs[8], out;
  bool any = false;
  uint32_t rank = rank_of(l, node->outputs[0]);
  if (!mf_layout_is_image(l, node->outputs[0]) || node->n_inputs > MF_COUNT(inputs)) return true;
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    const mf_tensor *t = mf_edit_tensor(&l->e, node->inputs[i]);
    any |= mf_layout_has(l, node->inputs[i]) && t->rank == rank;
    if (t->type == MF_STRING || t->rank == MF_RANK_UNKNOWN ||
        (t->data ? t->rank > rank : t->rank != rank && t->rank != 0))
      return true;
  }
  if (!any) return true;
  for (uint32_t i = 0; i < node->n_inputs; i++) {
    const mf_tensor *t = mf_edit_tensor(&l->e, node->inputs[i]);
    inputs[i] = node->inputs[i];
    if (t->data ? !constant_twin(l, node->inputs[i], rank, &inputs[i])
                : t->rank && !mf_layout_want(l, node->inputs[i], &inputs[i]))
      return false;
  }
  *done = true;
  return mf_layout_new_twin(l, node->outputs[0], &out) && mf_edit_copy(&l->e, node, inputs, &out);
}

static bool normal_axis(int64_t axis, uint32_t rank, uint32_t *normal) {
  if (axis < 0) axis += rank;
  *normal = (uint32_t)axis;
  return axis >= 0 && axis < rank;
}

static bool concat(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t axis, rank = rank_of(l, node->inputs[0]), twins = 0;
  mf_value_id out;
  if (!mf_layout_is_image(l, node->inputs[0]) ||
      !normal_axis(mf_edit_int(node, "axis", 1), rank, &axis))
    return true;
  for (uint32_t i = 0; i < node->n_inputs; i++)
    twins += mf_layout_has(l, node->inputs[i]) && !mf_edit_is_constant(&l->e, node->inputs[i]);
  if (twins * 2 < node->n_inputs + (twins == 0)) return true;
  mf_value_id *inputs = MF_NEW_ARRAY(l->e.graph->arena, mf_value_id, node->n_inputs);
  if (!inputs) return mf_out_of_arena(l->e.err);
  for (uint32_t i = 0; i < node->n_inputs; i++)
    if (!mf_layout_want(l, node->inputs[i], &inputs[i])) return false;
  *done = true;
  mf_node *made = mf_layout_new_twin(l, node->outputs[0], &out)
                      ? mf_edit_copy(&l->e, node, inputs, &out)
                      : NULL;
  if (made) mf_edit_set_int(made, "axis", mf_layout_axis(axis, rank));
  return made != NULL;
}

// Softmax of opset 13 and later: one axis.
static bool softmax(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t axis, rank = rank_of(l, node->inputs[0]);
  if (node->opset < 13 || !mf_layout_has(l, node->inputs[0]) ||
      !normal_axis(mf_edit_int(node, "axis", -1), rank, &axis))
    return true;
  mf_node *made = on_twins(l, node, NULL);
  *done = true;
  if (made) mf_edit_set_int(made, "axis", mf_layout_axis(axis, rank));
  return made != NULL;
}

static bool split(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t axis, rank = rank_of(l, node->inputs[0]);
  mf_value_id inputs[2], outputs[16];
  if (!mf_layout_has(l, node->inputs[0]) ||
      !normal_axis(mf_edit_int(node, "axis", 0), rank, &axis) ||
      node->n_outputs > MF_COUNT(outputs) || node->n_inputs > MF_COUNT(inputs))
    return true;
  memcpy(inputs, node->inputs, node->n_inputs * sizeof *inputs);
  if (!mf_layout_want(l, node->inputs[0], &inputs[0])) return false;
  for (uint32_t i = 0; i < node->n_outputs; i++) {
    outputs[i] = MF_NO_VALUE;
    if (node->outputs[i] != MF_NO_VALUE && !mf_layout_new_twin(l, node->outputs[i], &outputs[i]))
      return false;
  }
  mf_node *made = mf_edit_copy(&l->e, node, inputs, outputs);
  *done = true;
  if (made) mf_edit_set_int(made, "axis", mf_layout_axis(axis, rank));
  return made != NULL;
}

// Values laid out one for each dimension (`per` times over: pads have two halves) in the order of
// the other layout.
static bool permuted_list(mf_layout_pass *l, mf_value_id id, uint32_t rank, uint32_t per,
                          mf_value_id *out) {
  mf_tensor t = *mf_edit_tensor(&l->e, id);
  size_t size = mf_type_size(t.type);
  if (!mf_edit_constant(&l->e, t.type, t.rank, t.dims, out)) return false;
  char *to = mf_edit_tensor(&l->e, *out)->data;
  for (uint32_t half = 0; half < per; half++)
    for (uint32_t i = 0; i < rank; i++)
      memcpy(to + (half * rank + mf_layout_axis(i, rank)) * size,
             (const char *)t.data + (half * rank + i) * size, size);
  return true;
}

static bool resize(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t rank = rank_of(l, node->inputs[0]);
  const int64_t *axes;
  uint32_t n_axes;
  mf_value_id inputs[4] = {MF_NO_VALUE, MF_NO_VALUE, MF_NO_VALUE, MF_NO_VALUE};
  bool upsample = node->n_inputs == 2;  // opset 10: X, scales
  if (!mf_layout_has(l, node->inputs[0]) ||
      (mf_edit_ints_of(node, "axes", &axes, &n_axes) && n_axes) || node->n_inputs > 4 ||
      mf_edit_text_is(node, "coordinate_transformation_mode", "tf_crop_and_resize"))
    return true;
  for (uint32_t i = upsample ? 1 : 2; i < node->n_inputs; i++) {
    if (node->inputs[i] == MF_NO_VALUE) continue;
    if (!mf_edit_is_constant(&l->e, node->inputs[i])) return true;
    int64_t count = mf_tensor_count(mf_edit_tensor(&l->e, node->inputs[i]));
    if (count != rank && count != 0) return true;
    if (count && !permuted_list(l, node->inputs[i], rank, 1, &inputs[i])) return false;
  }
  *done = true;
  return on_twins(l, node, inputs) != NULL;
}

// Pads as an input of constants for all dimensions.
static bool pad(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t rank = rank_of(l, node->inputs[0]);
  mf_value_id inputs[4] = {MF_NO_VALUE, MF_NO_VALUE, mf_edit_input(node, 2), MF_NO_VALUE};
  if (!mf_layout_has(l, node->inputs[0]) || node->n_inputs < 2 ||
      mf_edit_input(node, 3) != MF_NO_VALUE || !mf_edit_is_constant(&l->e, node->inputs[1]) ||
      mf_tensor_count(mf_edit_tensor(&l->e, node->inputs[1])) != 2 * rank)
    return true;
  *done = true;
  return permuted_list(l, node->inputs[1], rank, 2, &inputs[1]) && on_twins(l, node, inputs);
}

static bool map_axes(const int64_t *axes, uint32_t n, uint32_t rank, int64_t *mapped) {
  for (uint32_t i = 0; i < n; i++) {
    uint32_t axis;
    if (!normal_axis(axes[i], rank, &axis)) return false;
    mapped[i] = mf_layout_axis(axis, rank);
  }
  return true;
}

// The axes of an operator that has them as an attribute or, later, as an input.
static bool axes_of(const mf_layout_pass *l, const mf_node *node, uint32_t input, int64_t *axes,
                    uint32_t *n) {
  const int64_t *values;
  if (mf_edit_ints_of(node, "axes", &values, n)) {
    if (*n > MF_MAX_RANK) return false;
    memcpy(axes, values, *n * sizeof *values);
    return true;
  }
  return mf_edit_input(node, input) != MF_NO_VALUE &&
         mf_edit_int_list(&l->e, node->inputs[input], axes, n);
}

static bool set_axes(mf_layout_pass *l, mf_node *made, uint32_t input, const int64_t *axes,
                     uint32_t n) {
  if (mf_edit_attribute(made, "axes")) return mf_edit_set_ints(&l->e, made, "axes", axes, n);
  return mf_edit_ints(&l->e, axes, n, &made->inputs[input]);
}

// Reductions: those that keep dimensions make a twin; one over all spatial dimensions that drops
// them makes [N, C] in either layout.
static bool reduce(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t rank = rank_of(l, node->inputs[0]), n;
  int64_t axes[2 * MF_MAX_RANK], mapped[2 * MF_MAX_RANK];
  if (!mf_layout_has(l, node->inputs[0]) || !axes_of(l, node, 1, axes, &n) || !n ||
      !map_axes(axes, n, rank, mapped))
    return true;
  bool keep = mf_edit_int(node, "keepdims", 1) != 0, spatial = n == rank - 2;
  for (uint32_t i = 0; i < n; i++) spatial &= mapped[i] != 0 && mapped[i] != rank - 1;
  if (!keep && !spatial) return true;
  mf_value_id inputs[2] = {MF_NO_VALUE, mf_edit_input(node, 1)}, out = node->outputs[0];
  *done = true;
  if (!mf_layout_want(l, node->inputs[0], &inputs[0]) ||
      (keep && !mf_layout_new_twin(l, node->outputs[0], &out)))
    return false;
  mf_node *made = mf_edit_copy(&l->e, node, inputs, &out);
  return made && set_axes(l, made, 1, mapped, n);
}

static bool slice(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t rank = rank_of(l, node->inputs[0]), n;
  int64_t axes[2 * MF_MAX_RANK], mapped[2 * MF_MAX_RANK];
  const int64_t *starts;
  if (!mf_layout_has(l, node->inputs[0])) return true;
  if (!axes_of(l, node, 3, axes,
               &n)) {  // absent: the first dimensions, as many as there are starts
    if (mf_edit_input(node, 3) != MF_NO_VALUE) return true;
    if (mf_edit_attribute(node, "starts") ? !mf_edit_ints_of(node, "starts", &starts, &n)
                                          : !mf_edit_int_list(&l->e, node->inputs[1], axes, &n))
      return true;
    for (uint32_t i = 0; i < n && i < MF_MAX_RANK; i++) axes[i] = i;
  }
  if (n > rank || !map_axes(axes, n, rank, mapped)) return true;
  mf_value_id inputs[5] = {MF_NO_VALUE, mf_edit_input(node, 1), mf_edit_input(node, 2), MF_NO_VALUE,
                           mf_edit_input(node, 4)},
              out;
  uint32_t n_inputs = mf_edit_attribute(node, "starts") ? 1 : node->n_inputs > 4 ? 5 : 4;
  *done = true;
  if (!mf_layout_want(l, node->inputs[0], &inputs[0]) ||
      !mf_layout_new_twin(l, node->outputs[0], &out))
    return false;
  if (n_inputs > 1 && !mf_edit_ints(&l->e, mapped, n, &inputs[3])) return false;
  mf_node *made =
      mf_edit_add(&l->e, "", "Slice", node->opset, node->name, inputs, n_inputs, &out, 1);
  if (made && n_inputs == 1) {
    memcpy(made->attributes, node->attributes, node->op->n_attributes * sizeof *node->attributes);
    return mf_edit_set_ints(&l->e, made, "axes", mapped, n);
  }
  return made != NULL;
}

// A Transpose of a value that is there channels-last: one of the twin, by both permutations, which
// is often no movement at all.
static bool transpose(mf_layout_pass *l, mf_node *node, bool *done) {
  const int64_t *perm;
  uint32_t n, rank = rank_of(l, node->inputs[0]);
  int64_t both[MF_MAX_RANK];
  bool identity = true;
  mf_value_id in;
  if (!mf_layout_has(l, node->inputs[0]) || !mf_edit_ints_of(node, "perm", &perm, &n) || n != rank)
    return true;
  for (uint32_t i = 0; i < rank; i++) {
    both[i] = mf_layout_axis((uint32_t)perm[i], rank);
    identity &= both[i] == i;
  }
  *done = true;
  if (!mf_layout_want(l, node->inputs[0], &in)) return false;
  if (identity)
    return mf_edit_add(&l->e, "", "Identity", 13, node->name, &in, 1, &node->outputs[0], 1);
  mf_node *made = mf_edit_copy(&l->e, node, &in, &node->outputs[0]);
  return made && mf_edit_set_ints(&l->e, made, "perm", both, rank);
}

// Squeeze of a spatial dimension of 1: [N, C, 1, W] to [N, C, W] and the same of the twin.
static bool squeeze(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t n, axis;
  int64_t axes[2 * MF_MAX_RANK];
  if (!mf_layout_has(l, node->inputs[0]) || rank_of(l, node->inputs[0]) != 4 ||
      !axes_of(l, node, 1, axes, &n) || n != 1 || !normal_axis(axes[0], 4, &axis) || axis < 2)
    return true;
  mf_value_id inputs[2] = {MF_NO_VALUE, mf_edit_input(node, 1)}, out;
  *done = true;
  if (!mf_layout_want(l, node->inputs[0], &inputs[0]) ||
      !mf_layout_new_twin(l, node->outputs[0], &out))
    return false;
  mf_node *made = mf_edit_copy(&l->e, node, inputs, &out);
  return made && set_axes(l, made, 1, &(int64_t){mf_layout_axis(axis, 4)}, 1);
}

// Shape of the twin, put in the model's order.
static bool shape(mf_layout_pass *l, mf_node *node, bool *done) {
  uint32_t rank = rank_of(l, node->inputs[0]);
  int64_t order[MF_MAX_RANK];
  mf_value_id in, dims, indices;
  if (!mf_layout_has(l, node->inputs[0]) || !l->pending[node->inputs[0]] ||
      mf_edit_int(node, "start", 0) != 0)
    return true;
  const mf_attribute *end = mf_edit_attribute(node, "end");
  if (end && end->type == MF_ATTR_INT) return true;
  for (uint32_t i = 0; i < rank; i++) order[i] = mf_layout_axis(i, rank);
  *done = true;
  return mf_layout_want(l, node->inputs[0], &in) && mf_edit_value_like(&l->e, NULL, &dims) &&
         mf_edit_ints(&l->e, order, rank, &indices) && mf_edit_copy(&l->e, node, &in, &dims) &&
         mf_edit_add(&l->e, "", "Gather", 13, node->name, (mf_value_id[]){dims, indices}, 2,
                     &node->outputs[0], 1);
}

// DepthToSpace channels-last: [N, H, W, parts of C] with the block's rows and columns moved behind
// H and W.
static bool depth_to_space(mf_layout_pass *l, mf_node *node, bool *done) {
  const mf_tensor x = *mf_edit_tensor(&l->e, node->inputs[0]);
  int64_t b = mf_edit_int(node, "blocksize", 0);
  mf_value_id in, out, split, turned, shapes[2];
  if (!mf_layout_has(l, node->inputs[0]) || x.rank != 4 || b < 1 || x.dims[1] < 0 ||
      x.dims[2] < 0 || x.dims[3] < 0)
    return true;
  bool crd = mf_edit_text_is(node, "mode", "CRD");
  int64_t c = x.dims[1] / (b * b), h = x.dims[2], w = x.dims[3];
  const int64_t dcr_dims[6] = {0, h, w, b, b, c}, crd_dims[6] = {0, h, w, c, b, b},
                dcr_perm[6] = {0, 1, 3, 2, 4, 5}, crd_perm[6] = {0, 1, 4, 2, 5, 3};
  *done = true;
  if (!mf_layout_want(l, node->inputs[0], &in) || !mf_layout_new_twin(l, node->outputs[0], &out) ||
      !mf_edit_value_like(&l->e, NULL, &split) || !mf_edit_value_like(&l->e, NULL, &turned) ||
      !mf_edit_ints(&l->e, crd ? crd_dims : dcr_dims, 6, &shapes[0]) ||
      !mf_edit_ints(&l->e, (int64_t[]){0, h * b, w * b, c}, 4, &shapes[1]) ||
      !mf_edit_add(&l->e, "", "Reshape", 13, node->name, (mf_value_id[]){in, shapes[0]}, 2, &split,
                   1))
    return false;
  mf_node *turn = mf_edit_add(&l->e, "", "Transpose", 13, node->name, &split, 1, &turned, 1);
  return turn && mf_edit_set_ints(&l->e, turn, "perm", crd ? crd_perm : dcr_perm, 6) &&
         mf_edit_add(&l->e, "", "Reshape", 13, node->name, (mf_value_id[]){turned, shapes[1]}, 2,
                     &out, 1);
}

bool mf_layout_agnostic(mf_layout_pass *l, mf_node *node, bool *done) {
  static const char *const unaries[] = {
      "Relu",  "Clip",       "Sigmoid",     "Tanh",      "Exp",       "Log",
      "Sqrt",  "Erf",        "Abs",         "Neg",       "Floor",     "Ceil",
      "Round", "Reciprocal", "HardSigmoid", "HardSwish", "LeakyRelu", "Elu",
      "Selu",  "Celu",       "Softplus",    "Softsign",  "Mish",      "Gelu",
      "Cast",  "Identity",   "Dropout",     "Not",       "Sign",      NULL};
  static const char *const elementwises[] = {"Add",     "Sub",   "Mul",   "Div",  "Pow",
                                             "Min",     "Max",   "Sum",   "Mean", "Less",
                                             "Greater", "Equal", "Where", NULL};
  static const struct {
    const char *name;
    bool (*replace)(mf_layout_pass *l, mf_node *node, bool *done);
  } others[] = {{"Concat", concat},       {"Softmax", softmax},
                {"Split", split},         {"Resize", resize},
                {"Upsample", resize},     {"Pad", pad},
                {"ReduceMean", reduce},   {"ReduceSum", reduce},
                {"ReduceMax", reduce},    {"ReduceMin", reduce},
                {"ReduceL2", reduce},     {"Slice", slice},
                {"Transpose", transpose}, {"Squeeze", squeeze},
                {"Shape", shape},         {"DepthToSpace", depth_to_space}};
  const char *name = node->op->name;
  *done = false;
  if (!node->n_inputs || node->inputs[0] == MF_NO_VALUE) return true;
  if (mf_edit_is(node, "mayfly", "Activation")) return unary(l, node, done);
  if (*node->op->domain) return true;
  if (in(name, unaries)) return unary(l, node, done);
  if (in(name, elementwises)) return elementwise(l, node, done);
  for (uint32_t i = 0; i < MF_COUNT(others); i++)
    if (strcmp(name, others[i].name) == 0) return others[i].replace(l, node, done);
  return true;
}
