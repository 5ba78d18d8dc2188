// Control flow: If and Loop. A kernel runs a subgraph, whose outputs live until it runs again; what must live longer is copied.
#include "nn_control.h"

// ---- what Loop and Scan share ----

bool mf_nn_too_many(uint32_t n, mf_error *err) {
  if (n <= NC_MAX_VALUES) return true;
  return mf_fail(err, MF_UnsupportedOperator, "%u inputs or outputs, supported are %d", n, NC_MAX_VALUES);
}

bool mf_nn_copy_tensor(const mf_tensor *from, mf_tensor *to, nc_buffer *buffer, mf_kernel_call *call, mf_error *err) {
  size_t bytes;
  if (!mf_tensor_bytes(from, &bytes)) return mf_fail(err, MF_TooLarge, "a loop-carried value does not fit into memory");
  if (bytes > buffer->capacity || !buffer->data) {
    void *data = call->alloc_temporary(call, MF_MAX(bytes, 1), err);
    if (!data) return false;
    *buffer = (nc_buffer){data, bytes};
  }
  *to = *from;
  to->data = buffer->data;
  if (bytes > 0) memcpy(to->data, from->data, bytes);
  return true;
}

bool mf_nn_emit(mf_kernel_call *call, uint32_t at, const mf_tensor *value, mf_error *err) {
  mf_tensor *out = nn_result(call, at);
  if (!out) return true;
  out->type = value->type;
  out->rank = value->rank;
  memcpy(out->dims, value->dims, sizeof out->dims);
  if (!call->alloc_output(call, at, err)) return false;
  mf_ops_copy_data(out, value);
  return true;
}

bool mf_nn_same_element(const mf_tensor *first, const mf_tensor *now, uint32_t at, mf_error *err) {
  char expected[128], actual[128];
  if (first->type == now->type && mf_tensor_same_shape(first, now)) return true;
  return mf_fail(err, MF_InvalidInput, "scan output %u is %s, expected %s as in the first iteration", at,
                 mf_tensor_describe(now, actual, sizeof actual), mf_tensor_describe(first, expected, sizeof expected));
}

bool mf_nn_no_elements(mf_kernel_call *call, uint32_t at, uint32_t axis, mf_error *err) {
  mf_tensor *out = nn_result(call, at);
  if (!out) return true;
  if (out->type == MF_TYPE_UNKNOWN) out->type = MF_FLOAT;
  if (!mf_ops_rank_known(out) || out->rank <= axis) mf_ops_set_rank(out, axis + 1);
  for (uint32_t d = 0; d < out->rank; ++d)
    if (d == axis || out->dims[d] < 0) out->dims[d] = 0;
  return call->alloc_output(call, at, err);
}

// What holds for both: unknown where they differ. The rank of `a` stays if they agree on it.
bool mf_nn_merge_shape(mf_tensor *a, const mf_tensor *b) {
  bool changed = false;
  if (a->type != b->type) changed = a->type != MF_TYPE_UNKNOWN, a->type = MF_TYPE_UNKNOWN;
  if (a->rank != b->rank) {
    changed |= a->rank != MF_RANK_UNKNOWN;
    a->rank = MF_RANK_UNKNOWN;
    memset(a->dims, 0, sizeof a->dims);
    return changed;
  }
  for (uint32_t d = 0; mf_ops_rank_known(a) && d < a->rank; ++d)
    if (a->dims[d] != b->dims[d]) changed |= a->dims[d] >= 0, a->dims[d] = MF_DIM_UNKNOWN;
  return changed;
}

static void no_data(mf_tensor *t, uint32_t n) {
  for (uint32_t i = 0; i < n; ++i) t[i].data = NULL;
}

bool mf_nn_infer_loop(mf_shape_call *call, int64_t number, mf_tensor *inputs, uint32_t n_inputs, uint32_t first_state, uint32_t n_state,
                      mf_tensor *outputs, uint32_t n_outputs, uint32_t first_out, mf_error *err) {
  bool changed = true;
  no_data(inputs, n_inputs);
  // Each round can only forget: at most every dimension, the rank and the type of every state once.
  while (changed) {
    for (uint32_t i = 0; i < n_outputs; ++i) outputs[i] = (mf_tensor){.rank = MF_RANK_UNKNOWN};
    if (!call->infer_subgraph(call, number, inputs, n_inputs, outputs, n_outputs, err)) return false;
    changed = false;
    for (uint32_t i = 0; i < n_state; ++i) changed |= mf_nn_merge_shape(&inputs[first_state + i], &outputs[first_out + i]);
  }
  no_data(outputs, n_outputs);
  return true;
}

// ---- If ----

enum { THEN, ELSE };

static bool check_condition(const mf_shape_call *call, uint32_t at, mf_error *err) {
  return nn_expect(call, at, 1 << MF_BOOL, err) && mf_nn_single(call, at, err);
}

static bool shape_if(mf_shape_call *call, mf_error *err) {
  mf_tensor branch[2][NC_MAX_VALUES];
  if (!check_condition(call, 0, err) || !mf_nn_too_many(call->n_outputs, err)) return false;
  if (!call->infer_subgraph) return true;
  for (uint32_t b = 0; b < 2; ++b) {
    for (uint32_t i = 0; i < call->n_outputs; ++i) branch[b][i] = (mf_tensor){.rank = MF_RANK_UNKNOWN};
    if (!call->infer_subgraph(call, mf_attr_int(&call->attributes, b), NULL, 0, branch[b], call->n_outputs, err))
      return mf_wrap(err, b == THEN ? "then_branch" : "else_branch");
  }
  // A constant condition decides; else what both branches have in common.
  const bool *condition = call->inputs[0]->data;
  for (uint32_t i = 0; i < call->n_outputs; ++i) {
    call->outputs[i] = branch[condition ? !*condition : THEN][i];
    call->outputs[i].data = NULL;
    if (!condition) (void)mf_nn_merge_shape(&call->outputs[i], &branch[ELSE][i]);
  }
  return true;
}

static bool run_if(mf_kernel_call *call, mf_error *err) {
  mf_tensor results[NC_MAX_VALUES];
  if (!mf_nn_too_many(call->n_outputs, err)) return false;
  const bool condition = *(const uint8_t *)call->inputs[0]->data != 0;
  if (!call->run_subgraph(call, condition ? THEN : ELSE, NULL, 0, results, call->n_outputs, err)) return false;
  for (uint32_t i = 0; i < call->n_outputs; ++i)
    if (!mf_nn_emit(call, i, &results[i], err)) return false;
  return true;
}
MF_REFERENCE(if, run_if);

const mf_operator mf_op_If = {"", "If", 1, MF_OP_ANY, 1, 1, 1, MF_OP_ANY,
                              .flags = MF_OP_SHAPES_ITSELF | MF_OP_CONTROL, .shape = shape_if,
                              MF_ATTRIBUTES(MF_REQUIRED("then_branch", MF_ATTR_GRAPH), MF_REQUIRED("else_branch", MF_ATTR_GRAPH)),
                              MF_KERNELS(&if_reference)};

// ---- Loop ----

enum { TRIPS, CONDITION, STATE };

static bool loop_counts(uint32_t n_inputs, uint32_t n_outputs, uint32_t *n_state, uint32_t *n_scan, mf_error *err) {
  *n_state = n_inputs - STATE;
  if (n_outputs < *n_state)
    return mf_fail(err, MF_InvalidModel, "%u outputs, expected at least the %u loop-carried values", n_outputs, *n_state);
  *n_scan = n_outputs - *n_state;
  return mf_nn_too_many(n_inputs, err) && mf_nn_too_many(n_outputs + 1, err);
}

static bool shape_loop(mf_shape_call *call, mf_error *err) {
  uint32_t n_state, n_scan;
  mf_tensor inputs[NC_MAX_VALUES], outputs[NC_MAX_VALUES];
  if (!nn_expect(call, TRIPS, 1 << MF_INT64, err) || !mf_nn_single(call, TRIPS, err) || !check_condition(call, CONDITION, err) ||
      !loop_counts(call->n_inputs, call->n_outputs, &n_state, &n_scan, err))
    return false;
  if (!call->infer_subgraph) return true;
  inputs[TRIPS] = (mf_tensor){.type = MF_INT64};
  inputs[CONDITION] = (mf_tensor){.type = MF_BOOL};
  for (uint32_t i = 0; i < n_state; ++i) {
    const mf_tensor *initial = call->inputs[STATE + i];
    if (!initial) return mf_fail(err, MF_InvalidModel, "loop-carried value %u has no initial value", i);
    inputs[STATE + i] = *initial;
  }
  if (!mf_nn_infer_loop(call, mf_attr_int(&call->attributes, 0), inputs, call->n_inputs, STATE, n_state, outputs,
                        call->n_outputs + 1, 1, err))
    return mf_wrap(err, "body");
  // Without an iteration the results are the initial values; `inputs` now holds what is true of all rounds.
  for (uint32_t i = 0; i < n_state; ++i) call->outputs[i] = inputs[STATE + i];
  for (uint32_t i = n_state; i < call->n_outputs; ++i) {
    mf_tensor *out = &call->outputs[i];
    const mf_tensor *element = &outputs[1 + i];
    out->type = element->type;
    if (!mf_ops_rank_known(element)) continue;
    if (!mf_ops_check_rank(element->rank + 1, err)) return false;
    mf_ops_set_rank(out, element->rank + 1);
    memcpy(out->dims + 1, element->dims, element->rank * sizeof *out->dims);
  }
  return true;
}

typedef struct loop {
  uint32_t n_state, n_scan;
  mf_tensor state[NC_MAX_VALUES];        // inputs of the body
  nc_buffer buffers[2][NC_MAX_VALUES];   // of the states: written in turn, since a result may lie in the other one
  mf_tensor results[NC_MAX_VALUES];      // outputs of the body
  mf_tensor element[NC_MAX_VALUES];      // type and shape of each scan output's elements
  nc_buffer scans[NC_MAX_VALUES];
  int64_t index;
  uint8_t condition;
} loop;

// Appends element number l->index to scan output `at`; the buffer doubles.
static bool append(mf_kernel_call *call, loop *l, uint32_t at, mf_error *err) {
  const mf_tensor *now = &l->results[1 + l->n_state + at];
  nc_buffer *scan = &l->scans[at];
  size_t bytes, end, wanted;
  if (l->index == 0) l->element[at] = *now;
  if (!mf_nn_same_element(&l->element[at], now, at, err)) return false;
  if (!mf_tensor_bytes(now, &bytes) || __builtin_mul_overflow(bytes, (size_t)l->index + 1, &end) ||
      __builtin_mul_overflow(end, (size_t)2, &wanted))
    return mf_fail(err, MF_TooLarge, "scan output %u does not fit into memory", at);
  if (end > scan->capacity || !scan->data) {
    void *data = call->alloc_temporary(call, MF_MAX(wanted, 64), err);
    if (!data) return false;
    if (l->index > 0 && bytes > 0) memcpy(data, scan->data, end - bytes);
    *scan = (nc_buffer){data, MF_MAX(wanted, 64)};
  }
  if (bytes > 0) memcpy((char *)scan->data + end - bytes, now->data, bytes);
  return true;
}

static bool run_iteration(mf_kernel_call *call, loop *l, mf_error *err) {
  l->state[TRIPS] = (mf_tensor){.type = MF_INT64, .data = &l->index};
  l->state[CONDITION] = (mf_tensor){.type = MF_BOOL, .data = &l->condition};
  if (!call->run_subgraph(call, 0, l->state, STATE + l->n_state, l->results, 1 + l->n_state + l->n_scan, err)) return false;
  if (l->results[0].type != MF_BOOL || mf_tensor_count(&l->results[0]) != 1)
    return mf_fail(err, MF_InvalidInput, "the body's condition is not one boolean");
  const uint8_t condition = *(const uint8_t *)l->results[0].data;
  nc_buffer *into = l->buffers[l->index % 2];
  for (uint32_t i = 0; i < l->n_state; ++i)
    if (!mf_nn_copy_tensor(&l->results[1 + i], &l->state[STATE + i], &into[i], call, err)) return false;
  for (uint32_t i = 0; i < l->n_scan; ++i)
    if (!append(call, l, i, err)) return false;
  l->condition = condition;
  ++l->index;
  return true;
}

static bool emit_scan(mf_kernel_call *call, const loop *l, uint32_t at, mf_error *err) {
  if (l->index == 0) return mf_nn_no_elements(call, l->n_state + at, 0, err);
  mf_tensor all = {.type = l->element[at].type, .rank = l->element[at].rank + 1, .dims = {l->index}, .data = l->scans[at].data};
  if (!mf_ops_check_rank(all.rank, err)) return false;
  memcpy(all.dims + 1, l->element[at].dims, l->element[at].rank * sizeof *all.dims);
  return mf_nn_emit(call, l->n_state + at, &all, err);
}

static bool run_loop(mf_kernel_call *call, mf_error *err) {
  const mf_tensor *trips = call->inputs[TRIPS], *condition = call->inputs[CONDITION];
  const int64_t limit = trips ? *(const int64_t *)trips->data : INT64_MAX;
  loop *l = call->alloc_temporary(call, sizeof *l, err);
  if (!l) return false;
  memset(l, 0, sizeof *l);
  if (!loop_counts(call->n_inputs, call->n_outputs, &l->n_state, &l->n_scan, err)) return false;
  l->condition = condition ? *(const uint8_t *)condition->data : 1;
  for (uint32_t i = 0; i < l->n_state; ++i) l->state[STATE + i] = *call->inputs[STATE + i];
  while (l->index < limit && l->condition)
    if (!run_iteration(call, l, err)) return false;
  for (uint32_t i = 0; i < l->n_state; ++i)
    if (!mf_nn_emit(call, i, &l->state[STATE + i], err)) return false;
  for (uint32_t i = 0; i < l->n_scan; ++i)
    if (!emit_scan(call, l, i, err)) return false;
  return true;
}
MF_REFERENCE(loop, run_loop);

const mf_operator mf_op_Loop = {"", "Loop", 1, MF_OP_ANY, 2, MF_OP_ANY, 1, MF_OP_ANY,
                                .optional_inputs = 1 << TRIPS | 1 << CONDITION, .flags = MF_OP_SHAPES_ITSELF | MF_OP_CONTROL, .shape = shape_loop,
                                MF_ATTRIBUTES(MF_REQUIRED("body", MF_ATTR_GRAPH)), MF_KERNELS(&loop_reference)};
