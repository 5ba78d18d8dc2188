// Constant folding: a node is evaluated with its reference kernel, in the graph's arena. What cannot be evaluated (a kernel that
// fails, results that are too large) is left for run time, where the same failure has a caller to tell.
#include "compile.h"

enum { MAX_GROWTH = 8, GROWTH_FROM = 1 << 20, MAX_FOLD_INPUTS = 4096 };

typedef struct folding {
  mf_arena *arena;       // outputs
  mf_arena temporary;    // scratch
  size_t left_bytes;
} folding;

static bool alloc_tensor(folding *f, mf_tensor *t, mf_error *err) {
  size_t bytes;
  if (!mf_tensor_bytes(t, &bytes) || bytes > f->left_bytes) return mf_fail(err, MF_TooLarge, "too large to fold");
  t->data = mf_arena_alloc_aligned(f->arena, bytes ? bytes : 1, MF_IMAGE_ALIGNMENT);
  if (!t->data) return mf_out_of_arena(err);
  f->left_bytes -= bytes;
  return true;
}

static bool alloc_output(mf_kernel_call *call, uint32_t at, mf_error *err) {
  if (at >= call->n_outputs || !call->outputs[at]) return mf_fail(err, MF_Internal, "output %u is not wanted", at);
  return alloc_tensor(call->run, call->outputs[at], err);
}

static void *alloc_temporary(mf_kernel_call *call, size_t bytes, mf_error *err) {
  folding *f = call->run;
  void *memory = mf_arena_alloc_aligned(&f->temporary, bytes ? bytes : 1, MF_IMAGE_ALIGNMENT);
  if (!memory) mf_out_of_arena(err);
  return memory;
}

static const mf_kernel *reference_of(const mf_operator *op) {
  uint32_t n = 0;
  while (op->kernels[n]) n++;
  return n ? op->kernels[n - 1] : NULL;
}

static bool inputs_are_constant(const mf_node *node, const mf_shape_call *call, size_t *bytes) {
  *bytes = 0;
  for (uint32_t i = 0; i < call->n_inputs; i++) {
    size_t input_bytes;
    const mf_tensor *input = call->inputs[i];
    if (!input) continue;
    if (!mf_tensor_is_static(input) || !mf_tensor_bytes(input, &input_bytes)) return false;
    if (!input->data && !mf_operator_reads_dims_only(node->op)) return false;
    *bytes += input_bytes;
  }
  return true;
}

static bool outputs_are_worth_it(const mf_shape_call *call, size_t input_bytes, size_t limit) {
  size_t total = 0;
  for (uint32_t i = 0; i < call->n_outputs; i++) {
    size_t bytes;
    if (!mf_tensor_is_static(&call->outputs[i]) || !mf_tensor_bytes(&call->outputs[i], &bytes)) return false;
    if (__builtin_add_overflow(total, bytes, &total)) return false;
  }
  // What a small constant is blown up to (Expand, ConstantOfShape, Tile) is cheaper to make than to read from disk.
  bool blown_up = total > GROWTH_FROM && total / MAX_GROWTH > input_bytes;
  return total <= limit && !blown_up;
}

static bool evaluate(folding *f, const mf_node *node, const mf_shape_call *shapes, mf_error *err) {
  const mf_kernel *kernel = reference_of(node->op);
  bool self = node->op->flags & MF_OP_SHAPES_ITSELF;
  mf_tensor **outputs = MF_NEW_ARRAY(&f->temporary, mf_tensor *, shapes->n_outputs + 1);
  if (!outputs || !kernel) return mf_out_of_arena(err);
  for (uint32_t i = 0; i < shapes->n_outputs; i++) {
    outputs[i] = &shapes->outputs[i];
    if (!self && !alloc_tensor(f, outputs[i], err)) return false;
  }
  mf_kernel_call call = {.inputs = shapes->inputs, .outputs = outputs, .n_inputs = shapes->n_inputs, .n_outputs = shapes->n_outputs,
                         .attributes = shapes->attributes, .opset = shapes->opset, .alloc_output = alloc_output,
                         .alloc_temporary = alloc_temporary, .run = f};
  call.scratch_bytes = kernel->scratch ? kernel->scratch(shapes) : 0;
  if (call.scratch_bytes && !(call.scratch = alloc_temporary(&call, call.scratch_bytes, err))) return false;
  if (!kernel->run(&call, err)) return false;
  for (uint32_t i = 0; i < shapes->n_outputs; i++)
    if (!outputs[i]->data || !mf_tensor_is_static(outputs[i])) return mf_fail(err, MF_Internal, "an output was not made");
  return true;
}

bool mf_fold_node(mf_inference *inference, const mf_node *node, mf_shape_call *call) {
  size_t input_bytes;
  uint32_t flags = node->op->flags;
  if (flags & (MF_OP_NO_FOLD | MF_OP_CONTROL) || !inputs_are_constant(node, call, &input_bytes)) return false;
  size_t left = inference->fold_limit_bytes - MF_MIN(inference->folded_bytes, inference->fold_limit_bytes);
  bool self = flags & MF_OP_SHAPES_ITSELF;
  if (!self && !outputs_are_worth_it(call, input_bytes, left)) return false;
  mf_tensor *before = MF_NEW_ARRAY(inference->graph->arena, mf_tensor, call->n_outputs + 1);
  if (!before) return false;
  memcpy(before, call->outputs, call->n_outputs * sizeof *before);
  folding f = {.arena = inference->graph->arena, .left_bytes = left};
  mf_error ignored;
  mf_arena_init(&f.temporary, inference->fold_limit_bytes);
  bool folded = evaluate(&f, node, call, &ignored);
  mf_arena_deinit(&f.temporary);
  if (folded) inference->folded_bytes += left - f.left_bytes;
  else memcpy(call->outputs, before, call->n_outputs * sizeof *before);
  return folded;
}
