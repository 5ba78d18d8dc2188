// Choosing kernels: the first of a row's that the instruction set has and that applies; its constants are packed the way it likes them.
#include "compile.h"

static const mf_kernel *choose(const mf_operator *op, const mf_compile_options *options, const mf_shape_call *call) {
  const mf_kernel *last = NULL;
  for (uint32_t i = 0; op->kernels[i]; i++) {
    const mf_kernel *kernel = last = op->kernels[i];
    if (options->reference || kernel->isa > options->isa) continue;
    if (!kernel->applies || kernel->applies(call)) return kernel;
  }
  return last;
}

static bool add_packed(mf_layout *layout, mf_value_id original, const mf_tensor *packed, mf_value_id *id, mf_error *err) {
  if (!mf_graph_add_value(layout->graph, layout->graph->values[original].name, packed, id, err)) return false;
  if (layout->n_values == layout->values_capacity) {
    uint32_t capacity = layout->values_capacity * 2 + 16;
    mf_layout_value *bigger = MF_NEW_ARRAY(layout->arena, mf_layout_value, capacity + 1);
    if (!bigger) return mf_out_of_arena(err);
    memcpy(bigger, layout->values, layout->n_values * sizeof *bigger);
    layout->values = bigger;
    layout->values_capacity = capacity;
  }
  assert(*id == layout->n_values);
  layout->values[layout->n_values++] = (mf_layout_value){.storage = MF_STORAGE_CONSTANT, .shape_of = original, .maker = UINT32_MAX,
                                                         .body = UINT32_MAX, .root = *id, .last_user = UINT32_MAX, .shares = *id, .uses = 1};
  return true;
}

static bool pack_inputs(mf_layout *layout, mf_layout_node *node, const mf_shape_call *call, mf_error *err) {
  for (uint32_t i = 0; i < node->node->n_inputs; i++) {
    mf_value_id id = node->inputs[i];
    mf_tensor packed = {0};
    if (id == MF_NO_VALUE || !call->inputs[i]->data || !node->kernel->pack(call, i, layout->arena, &packed)) continue;
    if (!packed.data || !mf_tensor_is_static(&packed))
      return mf_fail(err, MF_OutOfMemory, "no memory to pack input %u for kernel %s", i, node->kernel->name);
    if (!add_packed(layout, id, &packed, &node->inputs[i], err)) return false;
    layout->values[id].uses--;
  }
  return true;
}

// Static in, static out: nothing is left to be found out when it runs.
static bool is_static(const mf_layout *layout, const mf_layout_node *node) {
  for (uint32_t i = 0; i < node->node->n_inputs; i++)
    if (node->node->inputs[i] != MF_NO_VALUE && !mf_tensor_is_static(&layout->graph->values[node->node->inputs[i]].tensor)) return false;
  for (uint32_t i = 0; i < node->node->n_outputs; i++)
    if (node->outputs[i] != MF_NO_VALUE && !mf_tensor_is_static(&layout->graph->values[node->outputs[i]].tensor)) return false;
  return true;
}

static bool choose_for(mf_layout *layout, mf_layout_node *node, mf_error *err) {
  mf_shape_call call;
  mf_tensor *outputs = MF_NEW_ARRAY(layout->arena, mf_tensor, node->node->n_outputs + 1);
  if (!outputs) return mf_out_of_arena(err);
  for (uint32_t i = 0; i < node->node->n_outputs; i++) {
    mf_value_id id = node->node->outputs[i];
    outputs[i] = id == MF_NO_VALUE ? (mf_tensor){.rank = MF_RANK_UNKNOWN} : layout->graph->values[id].tensor;
  }
  if (!mf_node_shape_call(layout->graph, node->node, outputs, &call, err)) return false;
  node->kernel = choose(node->node->op, layout->options, &call);
  if (!node->kernel) return mf_fail(err, MF_UnsupportedOperator, "it has no kernel");
  if (node->node->op->flags & (MF_OP_SHAPES_ITSELF | MF_OP_CONTROL)) node->flags |= MF_NODE_SELF;
  else if (!is_static(layout, node)) node->flags |= MF_NODE_SHAPE;
  else if (node->kernel->scratch) node->scratch_bytes = node->kernel->scratch(&call);
  return !node->kernel->pack || pack_inputs(layout, node, &call, err);
}

bool mf_layout_choose(mf_layout *layout, mf_error *err) {
  for (uint32_t n = 0; n < layout->n_nodes; n++)
    if (!choose_for(layout, &layout->nodes[n], err)) return mf_node_error(layout->nodes[n].node, layout->nodes[n].number, err);
  return true;
}
