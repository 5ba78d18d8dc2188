// Runs one operator as the engine would, for tests: shape function, memory for the outputs, reference kernel. Every block of memory
// is an allocation of its own of exactly the right size and filled with 0xA5, so that sanitizers see each byte that is not ours
// and comparisons see each that was forgotten.
#ifndef MF_TEST_OPS_RUNNER_H
#define MF_TEST_OPS_RUNNER_H

#include "engine/graph.h"

enum { RUNNER_MAX = 64 };  // inputs or outputs of a node

typedef struct runner_node {
  const mf_operator *op;
  int64_t opset;
  const mf_attribute *attributes;  // op->n_attributes, base 0
  const mf_tensor *inputs[RUNNER_MAX];  // NULL: missing
  uint32_t n_inputs, n_outputs;
  bool unwanted[RUNNER_MAX];            // outputs
} runner_node;

// Fills outputs[0 … n_outputs) (data freed by runner_free).
bool runner_run(const runner_node *node, mf_tensor *outputs, mf_error *err) MF_MUST_CHECK;
// All other kernels of the operator that apply to these inputs and pack no constant, for what sanitizers find; how many ran.
uint32_t runner_run_others(const runner_node *node);
// Only the shape function.
bool runner_shape(const runner_node *node, mf_tensor *outputs, mf_error *err) MF_MUST_CHECK;
// Asks the shape function again while it knows less and less (no data, some dimensions, no dimension, no rank, no type). Where it
// knows everything it said `outputs`; with less it must neither fail nor contradict that. False: it did, *err says how.
bool runner_check_partial(const runner_node *node, const mf_tensor *outputs, mf_error *err) MF_MUST_CHECK;
void runner_free(mf_tensor *outputs, uint32_t n);
// Memory as above; NULL never.
void *runner_memory(size_t bytes);
// Equal type, shape and elements (reals: |a - b| <= atol + rtol * |b|, NaN equals NaN).
bool runner_same(const mf_tensor *actual, const mf_tensor *expected, double rtol, double atol, mf_error *err) MF_MUST_CHECK;
#endif
