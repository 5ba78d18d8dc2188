// Scan (since opset 9): the body runs once for each slice of the scan inputs; its scan outputs are stacked.
#include "nn_control.h"

enum { BODY, N_SCAN_INPUTS, INPUT_AXES, INPUT_DIRECTIONS, OUTPUT_AXES, OUTPUT_DIRECTIONS };

typedef struct scan {
  uint32_t n_state, n_in, n_out;
  int64_t length;
} scan;

static bool read_counts(const mf_attributes *a, uint32_t n_inputs, uint32_t n_outputs, scan *s, mf_error *err) {
  const int64_t n_in = mf_attr_int(a, N_SCAN_INPUTS);
  if (n_in < 1 || n_in > n_inputs)
    return mf_fail(err, MF_InvalidModel, "attribute 'num_scan_inputs' is %lld, expected 1 to %u", (long long)n_in, n_inputs);
  s->n_in = (uint32_t)n_in;
  s->n_state = n_inputs - s->n_in;
  if (n_outputs < s->n_state)
    return mf_fail(err, MF_InvalidModel, "%u outputs, expected at least the %u state values", n_outputs, s->n_state);
  s->n_out = n_outputs - s->n_state;
  const struct {
    uint32_t at, expected;
    const char *name;
  } lists[] = {{INPUT_AXES, s->n_in, "scan_input_axes"},
               {INPUT_DIRECTIONS, s->n_in, "scan_input_directions"},
               {OUTPUT_AXES, s->n_out, "scan_output_axes"},
               {OUTPUT_DIRECTIONS, s->n_out, "scan_output_directions"}};
  for (uint32_t i = 0; i < MF_COUNT(lists); ++i)
    if (mf_attr_has(a, lists[i].at) && mf_attr_count(a, lists[i].at) != lists[i].expected)
      return mf_fail(err, MF_InvalidModel, "attribute '%s' has %u elements, expected %u", lists[i].name,
                     mf_attr_count(a, lists[i].at), lists[i].expected);
  return mf_nn_too_many(n_inputs, err) && mf_nn_too_many(n_outputs, err);
}

static int64_t item(const mf_attributes *a, uint32_t list, uint32_t at) { return mf_attr_has(a, list) ? mf_attr_ints(a, list)[at] : 0; }

// ---- shapes ----

// The slice of scan input `at` that an iteration sees.
static bool slice_shape(const mf_shape_call *call, scan *s, uint32_t at, mf_tensor *slice, mf_error *err) {
  const mf_tensor *x = call->inputs[s->n_state + at];
  uint32_t axis;
  if (!x) return mf_fail(err, MF_InvalidModel, "scan input %u is missing", at);
  *slice = (mf_tensor){.type = x->type, .rank = MF_RANK_UNKNOWN};
  if (!mf_ops_rank_known(x)) return true;
  if (!mf_ops_axis(item(&call->attributes, INPUT_AXES, at), x->rank, &axis, err)) return false;
  if (!mf_ops_merge_dim(s->length, x->dims[axis], "lengths of the scan inputs", &s->length, err)) return false;
  mf_ops_set_rank(slice, x->rank - 1);
  for (uint32_t d = 0; d < slice->rank; ++d) slice->dims[d] = x->dims[d < axis ? d : d + 1];
  return true;
}

static bool stacked_shape(const mf_shape_call *call, const scan *s, uint32_t at, const mf_tensor *element, mf_tensor *out,
                          mf_error *err) {
  uint32_t axis;
  out->type = element->type;
  if (!mf_ops_rank_known(element)) return true;
  if (!mf_ops_check_rank(element->rank + 1, err) ||
      !mf_ops_axis(item(&call->attributes, OUTPUT_AXES, at), element->rank + 1, &axis, err))
    return false;
  mf_ops_set_rank(out, element->rank + 1);
  for (uint32_t d = 0; d < out->rank; ++d) out->dims[d] = d == axis ? s->length : element->dims[d < axis ? d : d - 1];
  return true;
}

static bool shape_scan(mf_shape_call *call, mf_error *err) {
  mf_tensor inputs[NC_MAX_VALUES], outputs[NC_MAX_VALUES];
  scan s = {.length = MF_DIM_UNKNOWN};
  if (!read_counts(&call->attributes, call->n_inputs, call->n_outputs, &s, err)) return false;
  for (uint32_t i = 0; i < s.n_state; ++i) {
    if (!call->inputs[i]) return mf_fail(err, MF_InvalidModel, "state value %u has no initial value", i);
    inputs[i] = *call->inputs[i];
  }
  for (uint32_t i = 0; i < s.n_in; ++i)
    if (!slice_shape(call, &s, i, &inputs[s.n_state + i], err)) return false;
  if (!call->infer_subgraph) return true;
  if (!mf_nn_infer_loop(call, mf_attr_int(&call->attributes, BODY), inputs, call->n_inputs, 0, s.n_state, outputs, call->n_outputs, 0, err))
    return mf_wrap(err, "body");
  for (uint32_t i = 0; i < s.n_state; ++i) call->outputs[i] = inputs[i];
  for (uint32_t i = 0; i < s.n_out; ++i)
    if (!stacked_shape(call, &s, i, &outputs[s.n_state + i], &call->outputs[s.n_state + i], err)) return false;
  return true;
}

// ---- kernel ----

typedef struct walk {
  scan s;
  mf_tensor inputs[NC_MAX_VALUES];      // of the body: states, then slices
  nc_buffer states[2][NC_MAX_VALUES];   // written in turn, since a result may lie in the other one
  nc_buffer slices[NC_MAX_VALUES];
  mf_tensor results[NC_MAX_VALUES], element[NC_MAX_VALUES];
} walk;

// Copies element `index` along an axis: x is [outer, length, inner], the element [outer, inner]; `stack` copies the other way round.
static void copy_slice(const mf_tensor *x, uint32_t axis, int64_t index, char *element, bool stack) {
  const int64_t outer = mf_tensor_span(x, 0, axis), length = x->dims[axis];
  const size_t inner = (size_t)mf_tensor_span(x, axis + 1, x->rank) * mf_type_size(x->type);
  for (int64_t o = 0; inner > 0 && o < outer; ++o) {
    char *whole = (char *)x->data + (size_t)(o * length + index) * inner, *part = element + (size_t)o * inner;
    memcpy(stack ? whole : part, stack ? part : whole, inner);
  }
}

static bool take_slices(mf_kernel_call *call, walk *w, int64_t step, mf_error *err) {
  for (uint32_t i = 0; i < w->s.n_in; ++i) {
    const mf_tensor *x = call->inputs[w->s.n_state + i];
    mf_tensor *slice = &w->inputs[w->s.n_state + i];
    uint32_t axis;
    size_t bytes;
    if (!mf_ops_axis(item(&call->attributes, INPUT_AXES, i), x->rank, &axis, err)) return false;
    if (!mf_tensor_bytes(slice, &bytes)) return mf_fail(err, MF_TooLarge, "scan input %u does not fit into memory", i);
    if (!w->slices[i].data && !(w->slices[i].data = call->alloc_temporary(call, MF_MAX(bytes, 1), err))) return false;
    slice->data = w->slices[i].data;
    copy_slice(x, axis, item(&call->attributes, INPUT_DIRECTIONS, i) != 0 ? w->s.length - 1 - step : step, slice->data, false);
  }
  return true;
}

// The first iteration tells the shape of a scan output, so that the whole of it can be allocated then.
static bool put_result(mf_kernel_call *call, walk *w, uint32_t i, int64_t step, mf_error *err) {
  const uint32_t at = w->s.n_state + i;
  const mf_tensor *now = &w->results[at];
  mf_tensor *out = nn_result(call, at);
  uint32_t axis;
  if (!out) return true;
  if (step == 0) {
    const mf_shape_call view = mf_ops_view(call);
    w->element[i] = *now;
    if (!stacked_shape(&view, &w->s, i, now, out, err) || !call->alloc_output(call, at, err)) return false;
  }
  if (!mf_nn_same_element(&w->element[i], now, i, err) ||
      !mf_ops_axis(item(&call->attributes, OUTPUT_AXES, i), out->rank, &axis, err))
    return false;
  copy_slice(out, axis, item(&call->attributes, OUTPUT_DIRECTIONS, i) != 0 ? w->s.length - 1 - step : step, now->data, true);
  return true;
}

static bool start_walk(mf_kernel_call *call, walk *w, mf_error *err) {
  const mf_shape_call view = mf_ops_view(call);
  memset(w, 0, sizeof *w);
  w->s.length = MF_DIM_UNKNOWN;
  if (!read_counts(&call->attributes, call->n_inputs, call->n_outputs, &w->s, err)) return false;
  for (uint32_t i = 0; i < w->s.n_state; ++i) w->inputs[i] = *call->inputs[i];
  for (uint32_t i = 0; i < w->s.n_in; ++i)
    if (!slice_shape(&view, &w->s, i, &w->inputs[w->s.n_state + i], err)) return false;
  return true;
}

static bool run_scan(mf_kernel_call *call, mf_error *err) {
  walk *w = call->alloc_temporary(call, sizeof *w, err);
  if (!w || !start_walk(call, w, err)) return false;
  for (int64_t step = 0; step < w->s.length; ++step) {
    if (!take_slices(call, w, step, err) ||
        !call->run_subgraph(call, BODY, w->inputs, call->n_inputs, w->results, call->n_outputs, err))
      return false;
    for (uint32_t i = 0; i < w->s.n_out; ++i)
      if (!put_result(call, w, i, step, err)) return false;
    for (uint32_t i = 0; i < w->s.n_state; ++i)
      if (!mf_nn_copy_tensor(&w->results[i], &w->inputs[i], &w->states[step % 2][i], call, err)) return false;
  }
  for (uint32_t i = 0; i < w->s.n_state; ++i)
    if (!mf_nn_emit(call, i, &w->inputs[i], err)) return false;
  for (uint32_t i = 0; w->s.length == 0 && i < w->s.n_out; ++i) {
    const int64_t axis = item(&call->attributes, OUTPUT_AXES, i);
    if (!mf_nn_no_elements(call, w->s.n_state + i, axis > 0 && axis < MF_MAX_RANK ? (uint32_t)axis : 0, err)) return false;
  }
  return true;
}
MF_REFERENCE(scan, run_scan);

const mf_operator mf_op_Scan = {
    "", "Scan", 9, MF_OP_ANY, 1, MF_OP_ANY, 1, MF_OP_ANY, .flags = MF_OP_SHAPES_ITSELF | MF_OP_CONTROL, .shape = shape_scan,
    MF_ATTRIBUTES(MF_REQUIRED("body", MF_ATTR_GRAPH), MF_REQUIRED("num_scan_inputs", MF_ATTR_INT),
                  MF_OPTIONAL("scan_input_axes", MF_ATTR_INTS), MF_OPTIONAL("scan_input_directions", MF_ATTR_INTS),
                  MF_OPTIONAL("scan_output_axes", MF_ATTR_INTS), MF_OPTIONAL("scan_output_directions", MF_ATTR_INTS)),
    MF_KERNELS(&scan_reference)};
