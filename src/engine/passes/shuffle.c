// Channel shuffles (ShuffleNet): Reshape [g * n, k, pixels], Transpose, Reshape [k, ..., n, ...]
// and a Gather of one part take every k-th channel. Said as a Slice with a step they stay
// channels-last and move half as much.
#include "edit.h"

// The channels of [1, C, ...]: reshaped to [C / k, k, pixels], transposed to [k, C / k, pixels],
// reshaped to [k, 1, C / k, ...].
static bool shuffled(const mf_edit *e, const mf_node *gather, mf_value_id *x, int64_t *parts,
                     int64_t *part) {
  int64_t index[2 * MF_MAX_RANK];
  uint32_t n;
  const int64_t *perm;
  mf_node *outer = mf_edit_producer(e, gather->inputs[0], "", "Reshape");
  mf_node *turn = outer ? mf_edit_producer(e, outer->inputs[0], "", "Transpose") : NULL;
  mf_node *inner = turn ? mf_edit_producer(e, turn->inputs[0], "", "Reshape") : NULL;
  if (!inner || mf_edit_int(gather, "axis", 0) != 0 ||
      !mf_edit_int_list(e, gather->inputs[1], index, &n) || n != 1 ||
      mf_edit_tensor(e, gather->inputs[1])->rank != 0 ||
      !mf_edit_ints_of(turn, "perm", &perm, &n) || n != 3 || perm[0] != 1 || perm[1] != 0)
    return false;
  const mf_tensor *from = mf_edit_tensor(e, inner->inputs[0]),
                  *split = mf_edit_tensor(e, turn->inputs[0]),
                  *out = mf_edit_tensor(e, gather->inputs[0]);
  if (from->rank != 4 || out->rank != 5 || !mf_tensor_is_static(from) ||
      !mf_tensor_is_static(split) || !mf_tensor_is_static(out))
    return false;
  if (from->dims[0] != 1 || split->rank != 3 || split->dims[0] * split->dims[1] != from->dims[1])
    return false;
  if (out->dims[0] != split->dims[1] || out->dims[1] != 1 || out->dims[2] != split->dims[0] ||
      out->dims[3] != from->dims[2] || out->dims[4] != from->dims[3])
    return false;
  *x = inner->inputs[0];
  *parts = split->dims[1];
  *part = index[0] < 0 ? index[0] + *parts : index[0];
  return *part >= 0 && *part < *parts;
}

static bool visit(mf_edit *e, mf_node *node) {
  mf_value_id inputs[5];
  int64_t parts, part;
  if (!mf_edit_is(node, "", "Gather") || !shuffled(e, node, &inputs[0], &parts, &part))
    return mf_edit_keep(e, node);
  int64_t channels = mf_edit_tensor(e, inputs[0])->dims[1];
  mf_edit_kill(e, node);
  return mf_edit_ints(e, &part, 1, &inputs[1]) && mf_edit_ints(e, &channels, 1, &inputs[2]) &&
         mf_edit_ints(e, &(int64_t){1}, 1, &inputs[3]) && mf_edit_ints(e, &parts, 1, &inputs[4]) &&
         mf_edit_add(e, "", "Slice", 13, node->name, inputs, 5, &node->outputs[0], 1);
}

bool mf_pass_shuffle(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  mf_edit e;
  if (!mf_edit_open(&e, graph, err)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&e, b)) return false;
    for (uint32_t i = 0; i < e.n_old; i++)
      if (!visit(&e, e.old[i])) return false;
    mf_edit_end(&e);
  }
  return true;
}
