// Tree ensembles whose trees are plain (<= or <) become mayfly.Forest, built here once instead of
// at every run, and what transforms the scores becomes a node of its own. The others stay what they
// are.
#include "../kernels/forest.h"

#include <math.h>

#include "../ops/nn_forest.h"
#include "edit.h"

enum { BRANCH_LEAF = 0, BRANCH_LEQ = 1, BRANCH_LT = 2 };  // nf_node.mode

static void *in_arena(mf_kernel_call *call, size_t bytes, mf_error *err) {
  void *memory = mf_arena_alloc_aligned(call->run, bytes ? bytes : 1, 64);
  if (!memory) mf_out_of_arena(err);
  return memory;
}

// The forest as the operator's own kernel sees it; false: it is not plain, or not right (its kernel
// will say why).
static bool read_forest(const mf_edit *e, const mf_node *node, int64_t targets, nf_forest *forest) {
  mf_error ignored;
  mf_kernel_call call = {.attributes = {0, node->attributes, node->op->n_attributes},
                         .opset = node->opset,
                         .alloc_temporary = in_arena,
                         .run = e->graph->arena};
  if (mf_attr_has(&call.attributes, NF_VALUES_TENSOR) ||
      !mf_nn_forest_build(&call, MF_DIM_UNKNOWN, targets, forest, &ignored))
    return false;
  if (forest->post > NF_LOGISTIC || !forest->n_nodes || !forest->n_weights) return false;
  if (forest->base.count && (forest->base.count != targets || forest->base.doubles)) return false;
  for (uint32_t i = 0; i < forest->n_nodes; i++)
    if (forest->nodes[i].mode > BRANCH_LT || forest->nodes[i].feature >= MF_FOREST_MISSING)
      return false;
  return true;
}

typedef struct builder {
  const nf_forest *from;
  int64_t targets;
  mf_forest_node *nodes;
  uint32_t *source;  // by new node: its number in `from`
  uint32_t n, n_leaves, features;
  float *leaves;
  uint32_t (*trees)[2];
  uint32_t *spoken;  // by target: leaves of the tree at hand that have a weight for it
  bool *covered;     // by target: some tree has one in every leaf, so that each row gets a score
} builder;

static void add_leaf(builder *b, uint32_t at, const nf_node *leaf) {
  float *line = b->leaves + (int64_t)b->n_leaves * b->targets;
  for (uint32_t w = leaf->weight; w; w = b->from->next_weight[w - 1]) {
    int64_t target = b->targets == 1 ? 0 : b->from->targets[w - 1];
    line[target] += (float)nf_number(&b->from->weights, w - 1);
    b->spoken[target]++;
  }
  b->nodes[at] = (mf_forest_node){NAN, 0, at - 1, b->n_leaves++};
}

// Breadth first, the two children of a node side by side. False: not a tree, some node is reached
// twice.
static bool add_tree(builder *b, uint32_t number, uint32_t root) {
  uint32_t depth = 0, level_end = b->n + 1, at = b->n, leaves_before = b->n_leaves;
  memset(b->spoken, 0, (size_t)b->targets * sizeof *b->spoken);
  b->trees[number][0] = b->n;
  b->source[b->n++] = root;
  for (; at < b->n; at++) {
    if (at == level_end) depth++, level_end = b->n;
    const nf_node *node = &b->from->nodes[b->source[at]];
    if (node->mode == BRANCH_LEAF) {
      add_leaf(b, at, node);
      continue;
    }
    if (b->n + 2 > b->from->n_nodes) return false;
    float threshold = (float)node->value;
    if (node->mode == BRANCH_LT)
      threshold = nextafterf(threshold, -INFINITY);  // x < t: x <= the float below t
    b->nodes[at] = (mf_forest_node){
        threshold, node->feature | (node->missing_is_true ? MF_FOREST_MISSING : 0), b->n, 0};
    b->features = MF_MAX(b->features, node->feature + 1);
    b->source[b->n++] = node->yes;
    b->source[b->n++] = node->no;
  }
  b->trees[number][1] = depth;
  for (int64_t i = 0; i < b->targets; i++)
    b->covered[i] |= b->spoken[i] >= b->n_leaves - leaves_before;
  return true;
}

static bool convert(mf_edit *e, const nf_forest *forest, int64_t targets, builder *b,
                    mf_value_id inputs[5]) {
  uint32_t n_leaves = 0;
  for (uint32_t i = 0; i < forest->n_nodes; i++) n_leaves += forest->nodes[i].mode == BRANCH_LEAF;
  if (!mf_edit_constant(e, MF_INT32, 2, (int64_t[]){forest->n_nodes, 4}, &inputs[1]) ||
      !mf_edit_constant(e, MF_INT32, 2, (int64_t[]){forest->n_trees, 2}, &inputs[2]) ||
      !mf_edit_constant(e, MF_FLOAT, 2, (int64_t[]){n_leaves, targets}, &inputs[3]))
    return false;
  *b = (builder){.from = forest,
                 .targets = targets,
                 .nodes = mf_edit_tensor(e, inputs[1])->data,
                 .trees = mf_edit_tensor(e, inputs[2])->data,
                 .leaves = mf_edit_tensor(e, inputs[3])->data};
  b->source = MF_NEW_ARRAY(e->graph->arena, uint32_t, forest->n_nodes + 1);
  b->spoken = MF_NEW_ARRAY(e->graph->arena, uint32_t, (size_t)targets);
  b->covered = MF_NEW_ARRAY(e->graph->arena, bool, (size_t)targets);
  if (!b->source || !b->spoken || !b->covered) return mf_out_of_arena(e->err);
  inputs[4] = MF_NO_VALUE;
  if (!forest->base.count) return true;
  if (!mf_edit_constant(e, MF_FLOAT, 1, &targets, &inputs[4])) return false;
  memcpy(mf_edit_tensor(e, inputs[4])->data, forest->base.floats, (size_t)targets * sizeof(float));
  return true;
}

// What follows the sums; `scores` gets them, the last node makes `out`.
static bool transform(mf_edit *e, nf_post post, mf_value_id out, mf_value_id *scores) {
  mf_tensor like = *mf_edit_tensor(e, out);
  if (post == NF_NONE) return *scores = out, true;
  return mf_edit_value_like(e, &like, scores);
}
static bool add_transform(mf_edit *e, const mf_node *node, nf_post post, mf_value_id scores,
                          mf_value_id out) {
  if (post == NF_NONE) return true;
  mf_node *made = mf_edit_add(e, "", post == NF_SOFTMAX ? "Softmax" : "Sigmoid", 13, node->name,
                              &scores, 1, &out, 1);
  if (made && post == NF_SOFTMAX) mf_edit_set_int(made, "axis", -1);
  return made != NULL;
}

// `classes`: a classifier, which needs a score for every class.
static bool replace(mf_edit *e, mf_node *node, const nf_forest *forest, int64_t targets,
                    bool classes, mf_value_id out, mf_value_id winner) {
  builder b;
  mf_value_id inputs[5] = {node->inputs[0]}, outputs[2] = {MF_NO_VALUE, winner};
  if ((int64_t)forest->n_nodes * targets > 8 * (int64_t)forest->n_weights + 4096)
    return mf_edit_keep(e, node);  // lines would be mostly zeros
  if (!convert(e, forest, targets, &b, inputs)) return false;
  for (uint32_t t = 0; t < forest->n_trees; t++)
    if (!add_tree(&b, t, forest->roots[t])) return mf_edit_keep(e, node);
  for (int64_t i = 0; i < targets && classes; i++)
    if (!b.covered[i]) return mf_edit_keep(e, node);
  bool average = !classes && mf_edit_text_is(node, "aggregate_function", "AVERAGE");
  if (!transform(e, forest->post, out, &outputs[0])) return false;
  mf_node *made =
      mf_edit_add(e, "mayfly", "Forest", 1, node->name, inputs, inputs[4] == MF_NO_VALUE ? 4 : 5,
                  outputs, winner == MF_NO_VALUE ? 1 : 2);
  if (!made) return false;
  mf_edit_set_int(made, "targets", targets);
  mf_edit_set_int(made, "features", b.features);
  mf_edit_set_int(made, "average", average);
  mf_edit_kill(e, node);
  return add_transform(e, node, forest->post, outputs[0], out);
}

static bool regressor(mf_edit *e, mf_node *node) {
  int64_t targets = mf_edit_int(node, "n_targets", 1);
  bool sum = mf_edit_text_is(node, "aggregate_function", "SUM"),
       average = mf_edit_text_is(node, "aggregate_function", "AVERAGE");
  nf_forest forest;
  if (mf_edit_tensor(e, node->inputs[0])->type != MF_FLOAT || (!sum && !average) || targets < 1 ||
      !read_forest(e, node, targets, &forest))
    return mf_edit_keep(e, node);
  return replace(e, node, &forest, targets, false, node->outputs[0], MF_NO_VALUE);
}

typedef struct labels {
  const int64_t *names;
  uint32_t n;
  bool numbered;  // 0, 1, …: the winner's number is its label
} labels;

static bool read_labels(const mf_node *node, labels *l) {
  if (!mf_edit_ints_of(node, "classlabels_int64s", &l->names, &l->n)) return false;
  l->numbered = true;
  for (uint32_t i = 0; i < l->n; i++) l->numbered &= l->names[i] == i;
  return true;
}

// The value that gets the winner's number: the node's own output where that is the label.
static bool winner_of(mf_edit *e, const mf_node *node, const labels *l, mf_value_id *winner) {
  mf_tensor like = *mf_edit_tensor(e, node->outputs[0]);
  *winner = node->outputs[0];
  return l->numbered || mf_edit_value_like(e, &like, winner);
}

static bool name_winner(mf_edit *e, const mf_node *node, const labels *l, mf_value_id winner) {
  mf_value_id names;
  if (l->numbered) return true;
  if (!mf_edit_constant(e, MF_INT64, 1, &(int64_t){l->n}, &names)) return false;
  memcpy(mf_edit_tensor(e, names)->data, l->names, l->n * sizeof *l->names);
  return mf_edit_add(e, "", "Gather", 13, node->name, (mf_value_id[]){names, winner}, 2,
                     &node->outputs[0], 1) != NULL;
}

// One more node on the way; it has one output, like `like`.
static mf_node *add_step(mf_edit *e, const mf_node *node, const char *op, const mf_value_id *inputs,
                         uint32_t n_inputs, mf_tensor like, mf_type type, mf_value_id *out) {
  like.type = type;
  return mf_edit_value_like(e, &like, out)
             ? mf_edit_add(e, "", op, 13, node->name, inputs, n_inputs, out, 1)
             : NULL;
}

static bool add_number(mf_edit *e, float number, mf_value_id *id) {
  if (!mf_edit_constant(e, MF_FLOAT, 0, NULL, id)) return false;
  *(float *)mf_edit_tensor(e, *id)->data = number;
  return true;
}

// label = score > threshold, as the number of a class: [rows, 1] to [rows].
static bool add_one_winner(mf_edit *e, const mf_node *node, const labels *l, mf_value_id score,
                           float threshold) {
  mf_value_id limit, axis, above, number, winner;
  const mf_tensor like = *mf_edit_tensor(e, score);
  if (!add_number(e, threshold, &limit) || !mf_edit_ints(e, (int64_t[]){1}, 1, &axis) ||
      !winner_of(e, node, l, &winner) ||
      !add_step(e, node, "Greater", (mf_value_id[]){score, limit}, 2, like, MF_BOOL, &above))
    return false;
  mf_node *cast = add_step(e, node, "Cast", &above, 1, like, MF_INT64, &number);
  if (!cast) return false;
  mf_edit_set_int(cast, "to", MF_INT64);
  return mf_edit_add(e, "", "Squeeze", 13, node->name, (mf_value_id[]){number, axis}, 2, &winner, 1) &&
         name_winner(e, node, l, winner);
}

// The scores of both classes: what is complementary, and the score itself.
static bool add_both_scores(mf_edit *e, const mf_node *node, mf_value_id score, bool probability,
                            bool logistic) {
  mf_value_id other, both = node->outputs[1];
  const mf_tensor like = *mf_edit_tensor(e, score), like_both = *mf_edit_tensor(e, both);
  mf_value_id difference[2] = {MF_NO_VALUE, score};
  if (probability && !add_number(e, 1, &difference[0])) return false;
  mf_node *made = probability ? add_step(e, node, "Sub", difference, 2, like, MF_FLOAT, &other)
                              : add_step(e, node, "Neg", &score, 1, like, MF_FLOAT, &other);
  if (!made || (logistic && !mf_edit_value_like(e, &like_both, &both))) return false;
  mf_node *concat = mf_edit_add(e, "", "Concat", 13, node->name, (mf_value_id[]){other, score}, 2,
                                &both, 1);
  if (!concat) return false;
  mf_edit_set_int(concat, "axis", 1);
  return !logistic ||
         mf_edit_add(e, "", "Sigmoid", 13, node->name, &both, 1, &node->outputs[1], 1);
}

// Two classes and one score, that of class 0's weights, by ONNX Runtime's rules (ops/nn_tree.c).
static bool one_score(mf_edit *e, mf_node *node, const labels *l, nf_forest *forest) {
  const bool positive = mf_nn_forest_all_positive(forest), logistic = forest->post == NF_LOGISTIC;
  mf_tensor like = *mf_edit_tensor(e, node->outputs[1]);
  mf_value_id score;
  if (like.rank != 2) return mf_edit_keep(e, node);
  like.dims[1] = 1;
  forest->post = NF_NONE;  // softmax is not applied to one score
  if (!mf_edit_value_like(e, &like, &score) ||
      !replace(e, node, forest, 1, true, score, MF_NO_VALUE))
    return false;
  return !node->dead || (add_one_winner(e, node, l, score, positive ? 0.5f : 0) &&
                         add_both_scores(e, node, score, positive && !logistic, logistic));
}

// Whole numbers as labels.
static bool classifier(mf_edit *e, mf_node *node) {
  labels l;
  nf_forest forest;
  mf_value_id winner;
  if (mf_edit_tensor(e, node->inputs[0])->type != MF_FLOAT || !read_labels(node, &l) || l.n < 2 ||
      node->n_outputs != 2 || node->outputs[0] == MF_NO_VALUE || node->outputs[1] == MF_NO_VALUE)
    return mf_edit_keep(e, node);
  if (l.n == 2 && read_forest(e, node, 1, &forest)) return one_score(e, node, &l, &forest);
  if (!read_forest(e, node, l.n, &forest) || mf_nn_forest_is_one_score(&forest, l.n))
    return mf_edit_keep(e, node);
  if (!winner_of(e, node, &l, &winner) ||
      !replace(e, node, &forest, l.n, true, node->outputs[1], winner))
    return false;
  return !node->dead || name_winner(e, node, &l, winner);
}

bool mf_pass_forest(mf_graph *graph, const mf_compile_options *options, mf_error *err) {
  (void)options;
  mf_edit e;
  if (!mf_edit_open(&e, graph, err)) return false;
  for (uint32_t b = 0; b < graph->n_bodies; b++) {
    if (!mf_edit_begin(&e, b)) return false;
    for (uint32_t i = 0; i < e.n_old; i++) {
      mf_node *node = e.old[i];
      bool done = mf_edit_is(node, "ai.onnx.ml", "TreeEnsembleRegressor") ? regressor(&e, node)
                  : mf_edit_is(node, "ai.onnx.ml", "TreeEnsembleClassifier")
                      ? classifier(&e, node)
                      : mf_edit_keep(&e, node);
      if (!done) return false;
    }
    mf_edit_end(&e);
  }
  return true;
}
