// Running plans. A node whose shapes were known to the compiler is one indirect call; the others have their shapes inferred, their
// outputs allocated and their inputs freed as they go.
#include "instance.h"

#include <stdio.h>

static const mf_image_value *output_value(const mf_instance *instance, const mf_run_node *node, uint32_t at) {
  return &instance->image->values[instance->image->ids[node->record->outputs + at]];
}

static bool allocate(mf_instance *instance, mf_tensor *t, mf_error *err) {
  size_t bytes;
  if (!mf_tensor_bytes(t, &bytes)) return mf_fail(err, MF_TooLarge, "the dimensions of an output overflow");
  t->data = mf_heap_alloc(&instance->heap, bytes);
  return t->data || mf_no_room(instance, bytes, err);
}

// What the compiler knew must still hold, since memory was planned for it.
static bool fits_plan(const mf_image_value *value, const mf_tensor *actual, mf_error *err) {
  mf_tensor planned = mf_image_tensor(value);
  bool same = (planned.type == MF_TYPE_UNKNOWN || planned.type == actual->type) &&
              (planned.rank == MF_RANK_UNKNOWN || planned.rank == actual->rank);
  for (uint32_t i = 0; same && planned.rank != MF_RANK_UNKNOWN && i < planned.rank; i++)
    same = planned.dims[i] < 0 || planned.dims[i] == actual->dims[i];
  if (same) return true;
  char have[256], want[256];
  return mf_fail(err, MF_InvalidInput, "a result is %s, the model says %s", mf_tensor_describe(actual, have, sizeof have),
                 mf_tensor_describe(&planned, want, sizeof want));
}

static bool set_output(mf_instance *instance, mf_run_node *node, uint32_t at, const mf_tensor *shape, mf_error *err) {
  const mf_image_value *value = output_value(instance, node, at);
  mf_tensor *t = node->call.outputs[at];
  if (!mf_tensor_is_static(shape)) return mf_fail(err, MF_Internal, "the shape of output %u is not known", at);
  if (!fits_plan(value, shape, err)) return false;
  void *data = t->data;
  *t = *shape;
  t->data = value->storage == MF_STORAGE_PLANNED ? data : NULL;
  if (value->storage != MF_STORAGE_HEAP) return true;
  if (node->flags & MF_NODE_INPLACE && at == 0) {
    const mf_tensor *in = node->call.inputs[0];
    size_t x, y;
    bool takes = in->type == t->type && mf_tensor_bytes(in, &x) && mf_tensor_bytes(t, &y) && x == y;
    if (takes && !mf_kept_owns(&instance->kept, in->data)) return t->data = in->data, true;
  }
  return allocate(instance, t, err);
}

static mf_shape_call shape_call(mf_instance *instance, const mf_run_node *node) {
  for (uint32_t i = 0; i < node->call.n_outputs; i++) instance->shape_outputs[i] = (mf_tensor){.rank = MF_RANK_UNKNOWN};
  return (mf_shape_call){.inputs = node->shape_inputs, .n_inputs = node->call.n_inputs, .outputs = instance->shape_outputs,
                         .n_outputs = node->call.n_outputs, .attributes = node->call.attributes, .opset = node->call.opset};
}

static bool alloc_scratch(mf_instance *instance, mf_run_node *node, const mf_shape_call *shapes, mf_error *err) {
  node->call.scratch_bytes = node->row->scratch ? node->row->scratch(shapes) : 0;
  node->call.scratch = NULL;
  if (!node->call.scratch_bytes) return true;
  node->call.scratch = mf_heap_alloc(&instance->heap, node->call.scratch_bytes);
  return node->call.scratch || mf_no_room(instance, node->call.scratch_bytes, err);
}

static bool run_alias(const mf_run_node *node, mf_error *err) {
  size_t x, y;
  const mf_tensor *in = node->call.inputs[0];
  mf_tensor *out = node->call.outputs[0];
  if (!mf_tensor_bytes(in, &x) || !mf_tensor_bytes(out, &y) || x != y || in->type != out->type) {
    char have[256], want[256];
    return mf_fail(err, MF_InvalidInput, "%s cannot become %s", mf_tensor_describe(in, have, sizeof have), mf_tensor_describe(out, want, sizeof want));
  }
  out->data = in->data;
  return true;
}

// Kernels rely on what the shape function has checked.
static bool call_shape(mf_instance *instance, mf_run_node *node, mf_shape_call *shapes, mf_error *err) {
  *shapes = shape_call(instance, node);
  if (node->op->shape(shapes, err)) return true;
  // The compiler had nothing against the model, so it is these inputs that it does not go with.
  if (err->code == MF_InvalidModel) err->code = MF_InvalidInput;
  return false;
}

static bool infer(mf_instance *instance, mf_run_node *node, mf_shape_call *shapes, mf_error *err) {
  bool known = node->flags & MF_RUN_RECORD && mf_record_infer(instance, node, shapes);
  if (!known && !call_shape(instance, node, shapes, err)) return false;
  for (uint32_t i = 0; i < node->call.n_outputs; i++)
    if (node->call.outputs[i] && !set_output(instance, node, i, &shapes->outputs[i], err)) return false;
  if (known) mf_record_outputs(instance, node, shapes);
  return true;
}

static bool check_made(const mf_run_node *node, mf_error *err) {
  for (uint32_t i = 0; i < node->call.n_outputs; i++)
    if (node->call.outputs[i] && !node->call.outputs[i]->data) return mf_fail(err, MF_Internal, "output %u was not made", i);
  return true;
}

// What an earlier run made of them must not show: a Loop without an iteration takes its outputs' shapes from what the compiler knew.
static void forget_outputs(mf_instance *instance, mf_run_node *node) {
  for (uint32_t i = 0; i < node->call.n_outputs; i++)
    if (node->call.outputs[i] && output_value(instance, node, i)->storage == MF_STORAGE_HEAP)
      *node->call.outputs[i] = mf_image_tensor(output_value(instance, node, i));
}

static void free_values(mf_instance *instance, uint32_t first, uint32_t n) {
  if (instance->kept.recording) mf_record_releases(instance, first, n);
  for (uint32_t i = 0; i < n; i++) {
    mf_tensor *t = &instance->tensors[instance->image->ids[first + i]];
    if (mf_kept_owns(&instance->kept, t->data)) continue;
    if (t->data) mf_heap_free(&instance->heap, t->data);
    t->data = NULL;
  }
}

static void close_plan(mf_instance *instance, mf_run_node *node) {
  const mf_image_plan *plan = &instance->image->plans[node->open_plan];
  free_values(instance, plan->releases, plan->n_releases);
  node->open_plan = 0;
}

static void free_temporaries(mf_instance *instance, mf_run_node *node) {
  for (void *block = node->temporaries; block;) {
    void *next = mf_heap_next(block);
    mf_heap_free(&instance->heap, block);
    block = next;
  }
  node->temporaries = NULL;
}

static bool run_dynamic(mf_instance *instance, mf_run_node *node, mf_error *err) {
  mf_shape_call shapes;
  if (node->flags & MF_NODE_SELF) {
    if (!call_shape(instance, node, &shapes, err)) return false;
    forget_outputs(instance, node);
  } else if (node->flags & MF_NODE_SHAPE && !infer(instance, node, &shapes, err)) {
    return false;
  }
  if (node->flags & MF_NODE_ALIAS) {
    if (!run_alias(node, err)) return false;
  } else {
    if (node->flags & (MF_NODE_SHAPE | MF_NODE_SELF) && !alloc_scratch(instance, node, &shapes, err)) return false;
    if (!node->kernel(&node->call, err)) return false;
    if (node->flags & MF_NODE_SELF && !check_made(node, err)) return false;
    if (node->call.scratch && node->flags & (MF_NODE_SHAPE | MF_NODE_SELF)) mf_heap_free(&instance->heap, node->call.scratch);
    if (node->flags & MF_NODE_INPLACE && node->call.outputs[0]->data == node->call.inputs[0]->data)
      instance->tensors[instance->image->ids[node->record->inputs]].data = NULL;  // the block has a new owner
  }
  if (node->flags & MF_RUN_RECORD) mf_record_done(instance, node);
  if (node->open_plan) close_plan(instance, node);
  free_values(instance, node->record->releases, node->n_releases);
  return true;
}

static bool node_error(const mf_instance *instance, uint32_t at, mf_error *err) {
  const mf_image_node_record *record = &instance->image->nodes[at];
  mf_str name = mf_image_text_of(instance->image, record->name);
  return mf_wrap(err, "node %u '%.*s' (%s)", at, MF_STR_ARG(name), instance->image->operators[record->kernel]->name);
}

bool mf_run_plan(mf_instance *instance, uint32_t number, mf_error *err) {
  const mf_image_plan *plan = &instance->image->plans[number];
  for (uint32_t at = plan->first_node, end = at + plan->n_nodes; at < end; at++) {
    mf_run_node *node = &instance->nodes[at];
    if (instance->trace) instance->trace(instance->trace_context, at, mf_now_ns());
    bool direct = node->flags == 0 && node->n_releases == 0;
    if (!(direct ? node->kernel(&node->call, err) : run_dynamic(instance, node, err))) return node_error(instance, at, err);
    if (node->temporaries) free_temporaries(instance, node);
  }
  return true;
}

static bool take_place(mf_kept *kept, const mf_place *place, mf_tensor *t, mf_error *err) {
  if (place->shape.type != t->type || !mf_tensor_same_shape(&place->shape, t)) return mf_kept_disagrees(kept, err);
  t->data = kept->slab + place->offset;
  return true;
}

bool mf_kernel_alloc_output(mf_kernel_call *call, uint32_t at, mf_error *err) {
  mf_run_node *node = call->run;
  mf_instance *instance = node->instance;
  if (at >= call->n_outputs || !call->outputs[at]) return mf_fail(err, MF_Internal, "output %u is not wanted", at);
  const mf_image_value *value = output_value(instance, node, at);
  mf_tensor *t = call->outputs[at];
  if (!mf_tensor_is_static(t)) return mf_fail(err, MF_Internal, "the shape of output %u is not set", at);
  if (!fits_plan(value, t, err)) {
    void *data = t->data;
    *t = mf_image_tensor(value);
    t->data = value->storage == MF_STORAGE_PLANNED ? data : NULL;
    return false;
  }
  if (value->storage == MF_STORAGE_PLANNED) return true;
  const mf_place *place = mf_kept_place(&instance->kept, instance->kept.bound, instance->image->ids[node->record->outputs + at]);
  if (place && place->kind == MF_PLACE_SLAB) return take_place(&instance->kept, place, t, err);
  if (t->data) mf_heap_free(&instance->heap, t->data);
  if (!allocate(instance, t, err)) return false;
  if (node->flags & MF_RUN_RECORD) mf_record_own_output(instance, node, at);
  return true;
}

void *mf_kernel_alloc_temporary(mf_kernel_call *call, size_t bytes, mf_error *err) {
  mf_run_node *node = call->run;
  mf_instance *instance = node->instance;
  void *memory = mf_heap_alloc(&instance->heap, bytes);
  if (!memory) return mf_no_room(instance, bytes, err), NULL;
  mf_heap_chain(memory, node->temporaries);
  return node->temporaries = memory;
}

static bool bind_input(mf_instance *instance, const mf_run_node *node, uint32_t id, const mf_tensor *given, mf_error *err) {
  if (!mf_tensor_is_static(given)) return mf_fail(err, MF_Internal, "an input of a subgraph has no shape");
  if (!fits_plan(&instance->image->values[id], given, err)) return false;
  instance->tensors[id] = *given;
  const mf_place *place = mf_kept_place(&instance->kept, instance->kept.bound, id);
  if (place && place->kind == MF_PLACE_ITEM && !mf_tensor_same_shape(&place->shape, given)) return mf_kept_disagrees(&instance->kept, err);
  if (node->flags & MF_RUN_RECORD) mf_record_item(instance, node, id);
  return true;
}

bool mf_kernel_run_subgraph(mf_kernel_call *call, uint32_t at, const mf_tensor *inputs, uint32_t n_inputs, mf_tensor *outputs,
                            uint32_t n_outputs, mf_error *err) {
  mf_run_node *node = call->run;
  mf_instance *instance = node->instance;
  const mf_image *image = instance->image;
  if (at >= call->attributes.count || call->attributes.list[at].type != MF_ATTR_GRAPH)
    return mf_fail(err, MF_Internal, "attribute %u is no subgraph", at);
  uint32_t number = (uint32_t)call->attributes.list[at].i;
  const mf_image_plan *plan = &image->plans[number];
  if (plan->n_inputs != n_inputs || plan->n_outputs != n_outputs)
    return mf_fail(err, MF_InvalidModel, "its subgraph has %u inputs and %u outputs, expected %u and %u", plan->n_inputs, plan->n_outputs,
                   n_inputs, n_outputs);
  if (node->open_plan) close_plan(instance, node);
  for (uint32_t i = 0; i < n_inputs; i++)
    if (!bind_input(instance, node, image->ids[plan->inputs + i], &inputs[i], err)) return false;
  if (!mf_run_plan(instance, number, err)) return false;
  node->open_plan = number;
  for (uint32_t i = 0; i < n_outputs; i++) outputs[i] = instance->tensors[image->ids[plan->outputs + i]];
  return true;
}
