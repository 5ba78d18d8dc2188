// See runner.h.
#include "runner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALLOCATIONS = 256 };
typedef struct temporaries {
  void *blocks[ALLOCATIONS];
  uint32_t n;
} temporaries;

void *runner_memory(size_t bytes) {
  void *memory = NULL;
  if (posix_memalign(&memory, 64, bytes ? bytes : 1) != 0) abort();
  memset(memory, 0xA5, bytes);
  return memory;
}

static bool alloc_output(mf_kernel_call *call, uint32_t at, mf_error *err) {
  size_t bytes;
  if (!mf_tensor_bytes(call->outputs[at], &bytes)) return mf_fail(err, MF_OutOfMemory, "output %u is too large", at);
  call->outputs[at]->data = runner_memory(bytes);
  return true;
}

static void *alloc_temporary(mf_kernel_call *call, size_t bytes, mf_error *err) {
  temporaries *t = call->run;
  if (t->n == ALLOCATIONS || bytes > (size_t)1 << 30) {
    (void)mf_fail(err, MF_OutOfMemory, "%zu bytes of temporary memory", bytes);
    return NULL;
  }
  return t->blocks[t->n++] = runner_memory(bytes);
}

static mf_attributes attributes_of(const runner_node *node) {
  return (mf_attributes){0, node->attributes, node->op->n_attributes};
}

bool runner_shape(const runner_node *node, mf_tensor *outputs, mf_error *err) {
  for (uint32_t i = 0; i < node->n_outputs; i++) outputs[i] = (mf_tensor){.rank = MF_RANK_UNKNOWN};
  mf_shape_call call = {.inputs = node->inputs, .n_inputs = node->n_inputs, .outputs = outputs, .n_outputs = node->n_outputs,
                        .attributes = attributes_of(node), .opset = node->opset};
  return node->op->shape(&call, err);
}

static bool give_memory(const runner_node *node, mf_tensor *outputs, mf_tensor **wanted, mf_error *err) {
  for (uint32_t i = 0; i < node->n_outputs; i++) {
    wanted[i] = node->unwanted[i] ? NULL : &outputs[i];
    if (!wanted[i] || (node->op->flags & MF_OP_SHAPES_ITSELF)) continue;
    size_t bytes;
    char text[200];
    if (!mf_tensor_is_static(&outputs[i]) || !mf_tensor_bytes(&outputs[i], &bytes) || bytes > (size_t)1 << 30)
      return mf_fail(err, MF_OutOfMemory, "output %u is %s", i, mf_tensor_describe(&outputs[i], text, sizeof text));
    outputs[i].data = runner_memory(bytes);
  }
  return true;
}

static const mf_kernel *reference_of(const mf_operator *op) {
  uint32_t last = 0;
  while (op->kernels[last + 1]) last++;
  return op->kernels[last];
}

static mf_shape_call view_of(const runner_node *node, mf_tensor *outputs) {
  return (mf_shape_call){.inputs = node->inputs, .n_inputs = node->n_inputs, .outputs = outputs, .n_outputs = node->n_outputs,
                         .attributes = attributes_of(node), .opset = node->opset};
}

static bool run_kernel(const runner_node *node, const mf_kernel *kernel, mf_tensor *outputs, mf_error *err) {
  mf_tensor *wanted[RUNNER_MAX];
  temporaries blocks = {.n = 0};
  if (!runner_shape(node, outputs, err) || !give_memory(node, outputs, wanted, err)) return false;
  mf_shape_call view = view_of(node, outputs);
  size_t scratch = kernel->scratch ? kernel->scratch(&view) : 0;
  mf_kernel_call call = {.inputs = node->inputs, .outputs = wanted, .n_inputs = node->n_inputs, .n_outputs = node->n_outputs,
                         .attributes = view.attributes, .opset = node->opset, .scratch = runner_memory(scratch),
                         .scratch_bytes = scratch, .alloc_output = alloc_output, .alloc_temporary = alloc_temporary, .run = &blocks};
  bool done = kernel->run(&call, err);
  free(call.scratch);
  for (uint32_t i = 0; i < blocks.n; i++) free(blocks.blocks[i]);
  return done;
}

bool runner_run(const runner_node *node, mf_tensor *outputs, mf_error *err) { return run_kernel(node, reference_of(node->op), outputs, err); }

static bool is_usable(const runner_node *node, const mf_kernel *kernel, mf_tensor *outputs) {
  mf_shape_call view = view_of(node, outputs);
  return !kernel->pack && kernel->isa <= mf_isa_of_processor() && kernel->applies && kernel->applies(&view);
}

uint32_t runner_run_others(const runner_node *node) {
  uint32_t n = 0;
  for (const mf_kernel *const *kernel = node->op->kernels; *kernel && kernel[1]; kernel++) {
    mf_tensor outputs[RUNNER_MAX] = {{0}};
    mf_error err;
    if (!runner_shape(node, outputs, &err) || !is_usable(node, *kernel, outputs)) continue;
    if (run_kernel(node, *kernel, outputs, &err)) n++;
    runner_free(outputs, node->n_outputs);
  }
  return n;
}

// ---- less and less knowledge ----
enum { NO_DATA, FIRST_DIM_UNKNOWN, FIRST_INPUT_DYNAMIC, NO_DIMS, NO_RANKS, LEVELS };

static void forget(mf_tensor *t, uint32_t input, int level) {
  if (level != FIRST_INPUT_DYNAMIC || input == 0) t->data = NULL;
  bool one = (level == FIRST_DIM_UNKNOWN || (level == FIRST_INPUT_DYNAMIC && input == 0)) && t->rank > 0;
  if (one) t->dims[0] = MF_DIM_UNKNOWN;
  if (level >= NO_DIMS)
    for (uint32_t d = 0; d < t->rank; d++) t->dims[d] = MF_DIM_UNKNOWN;
  if (level >= NO_RANKS) *t = (mf_tensor){.rank = MF_RANK_UNKNOWN};
}

static bool contradicts(const mf_tensor *guess, const mf_tensor *real) {
  if (guess->type != MF_TYPE_UNKNOWN && guess->type != real->type) return true;
  if (guess->rank == MF_RANK_UNKNOWN) return false;
  if (guess->rank != real->rank) return true;
  for (uint32_t d = 0; d < real->rank; d++)
    if (guess->dims[d] >= 0 && guess->dims[d] != real->dims[d]) return true;
  return false;
}

bool runner_check_partial(const runner_node *node, const mf_tensor *outputs, mf_error *err) {
  for (int level = 0; level < LEVELS; level++) {
    runner_node less = *node;
    mf_tensor inputs[RUNNER_MAX], guessed[RUNNER_MAX];
    for (uint32_t i = 0; i < node->n_inputs; i++) {
      if (!node->inputs[i]) continue;
      inputs[i] = *node->inputs[i];
      forget(&inputs[i], i, level);
      less.inputs[i] = &inputs[i];
    }
    if (!runner_shape(&less, guessed, err)) return mf_wrap(err, "with less known (level %d)", level);
    for (uint32_t i = 0; i < node->n_outputs; i++) {
      char guess[200], real[200];
      if (!node->unwanted[i] && contradicts(&guessed[i], &outputs[i]))
        return mf_fail(err, MF_Internal, "with less known (level %d) output %u is %s, with all known %s", level, i,
                       mf_tensor_describe(&guessed[i], guess, sizeof guess), mf_tensor_describe(&outputs[i], real, sizeof real));
    }
  }
  return true;
}

void runner_free(mf_tensor *outputs, uint32_t n) {
  for (uint32_t i = 0; i < n; i++) {
    free(outputs[i].data);
    outputs[i].data = NULL;
  }
}

// ---- comparison ----
static double real_at(const mf_tensor *t, int64_t i) {
  if (t->type == MF_FLOAT) return (double)((const float *)t->data)[i];
  if (t->type == MF_DOUBLE) return ((const double *)t->data)[i];
  return (double)mf_half_to_float(((const uint16_t *)t->data)[i]);
}
static bool is_real(mf_type type) { return type == MF_FLOAT || type == MF_DOUBLE || type == MF_FLOAT16; }

static bool same_element(const mf_tensor *a, const mf_tensor *b, int64_t i, double rtol, double atol) {
  size_t size = mf_type_size(a->type);
  if (a->type == MF_STRING) return mf_str_equal(((const mf_str *)a->data)[i], ((const mf_str *)b->data)[i]);
  if (!is_real(a->type)) return memcmp((const char *)a->data + (size_t)i * size, (const char *)b->data + (size_t)i * size, size) == 0;
  double x = real_at(a, i), y = real_at(b, i);
  return x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= atol + rtol * fabs(y);
}

bool runner_same(const mf_tensor *actual, const mf_tensor *expected, double rtol, double atol, mf_error *err) {
  char is[200], should_be[200];
  if (actual->type != expected->type || !mf_tensor_same_shape(actual, expected))
    return mf_fail(err, MF_Internal, "is %s, expected %s", mf_tensor_describe(actual, is, sizeof is),
                   mf_tensor_describe(expected, should_be, sizeof should_be));
  int64_t n = mf_tensor_count(actual);
  for (int64_t i = 0; i < n; i++) {
    if (same_element(actual, expected, i, rtol, atol)) continue;
    if (!is_real(actual->type)) return mf_fail(err, MF_Internal, "element %lld of %s differs", (long long)i, mf_tensor_describe(actual, is, sizeof is));
    return mf_fail(err, MF_Internal, "element %lld of %s is %g, expected %g", (long long)i,
                   mf_tensor_describe(actual, is, sizeof is), real_at(actual, i), real_at(expected, i));
  }
  return true;
}
