// The two-input operators as they were before opset 7: the second input is broadcast to the first only when `broadcast` is 1, and
// its dimensions are those of the first from `axis` on (the last ones if there is no axis). It is given the ones that it lacks at
// its end, and today's operator does the rest. PRelu of that time has neither attribute: its slope is a scalar or one a channel.
#include "ops.h"

enum { LEGACY_BROADCAST, LEGACY_AXIS, LEGACY_ATTRIBUTES };

// The second input with ones behind its dimensions, so that they stand under the first one's from axis on.
static bool align(const mf_attributes *a, const mf_tensor *first, const mf_tensor *second,
                  mf_tensor *aligned, mf_error *err) {
  *aligned = *second;
  bool slope = a->count < LEGACY_ATTRIBUTES;
  if (!mf_ops_rank_known(first) || !mf_ops_rank_known(second)) return true;
  if (slope && (second->rank != 1 || second->dims[0] == 1 || first->rank < 2)) return true;
  if (!slope && !mf_attr_has(a, LEGACY_AXIS)) return true;
  uint32_t axis = 1;
  if (!slope && !mf_ops_axis(mf_attr_int(a, LEGACY_AXIS), first->rank, &axis, err)) return false;
  if (axis + second->rank > first->rank)
    return mf_fail(err, MF_InvalidModel, "axis %u and %u dimensions of input 1, expected at most %u",
                   axis, second->rank, first->rank);
  aligned->rank = first->rank - axis;
  for (uint32_t d = second->rank; d < aligned->rank; d++) aligned->dims[d] = 1;
  return true;
}

static bool fits(const mf_shape_call *call, const mf_tensor *aligned, mf_error *err) {
  const mf_tensor *first = call->inputs[0];
  char left[160], right[160];
  if (!mf_ops_rank_known(first) || !mf_ops_rank_known(aligned)) return true;
  bool equal = call->attributes.count >= LEGACY_ATTRIBUTES &&
               !mf_attr_int(&call->attributes, LEGACY_BROADCAST);
  bool ok = equal ? aligned->rank == first->rank : aligned->rank <= first->rank;
  for (uint32_t d = 0; ok && d < aligned->rank; d++) {
    int64_t have = aligned->dims[d], want = first->dims[d + first->rank - aligned->rank];
    ok = have < 0 || want < 0 || have == want || (!equal && have == 1);
  }
  if (ok) return true;
  return mf_fail(err, MF_InvalidModel, "input 1 is %s, expected %s %s",
                 mf_tensor_describe(call->inputs[1], right, sizeof right),
                 equal ? "(broadcast is 0) the shape of" : "what broadcasts to",
                 mf_tensor_describe(first, left, sizeof left));
}

static bool shape_legacy(mf_shape_call *call, const mf_operator *today, mf_error *err) {
  if (!mf_ops_expect(call, 0, MF_SET_ALL, err) || !mf_ops_expect(call, 1, MF_SET_ALL, err))
    return false;
  const mf_tensor *first = call->inputs[0];
  mf_tensor aligned;
  if (!align(&call->attributes, first, call->inputs[1], &aligned, err) || !fits(call, &aligned, err))
    return false;
  const mf_tensor *inputs[] = {first, &aligned};
  mf_shape_call inner = *call;
  inner.inputs = inputs;
  if (!today->shape(&inner, err)) return false;
  call->outputs[0].rank = first->rank;
  memcpy(call->outputs[0].dims, first->dims, sizeof first->dims);
  return true;
}

static const mf_kernel *reference_of(const mf_operator *op) {
  uint32_t last = 0;
  while (op->kernels[last + 1]) last++;
  return op->kernels[last];
}

static bool run_legacy(mf_kernel_call *call, const mf_operator *today, mf_error *err) {
  mf_tensor aligned;
  if (!align(&call->attributes, call->inputs[0], call->inputs[1], &aligned, err)) return false;
  const mf_tensor *inputs[] = {call->inputs[0], &aligned};
  mf_kernel_call inner = *call;
  inner.inputs = inputs;
  return reference_of(today)->run(&inner, err);
}

#define LEGACY(id, ...)                                                                        \
  extern const mf_operator mf_op_##id;                                                         \
  static bool shape_##id(mf_shape_call *call, mf_error *err) {                                 \
    return shape_legacy(call, &mf_op_##id, err);                                               \
  }                                                                                            \
  static bool run_##id(mf_kernel_call *call, mf_error *err) {                                  \
    return run_legacy(call, &mf_op_##id, err);                                                 \
  }                                                                                            \
  MF_REFERENCE(id##1, run_##id);                                                               \
  const mf_operator mf_op_##id##1 = {"", #id, 1, 6, 2, 2, 1, 1, .shape = shape_##id,           \
                                     __VA_ARGS__ MF_KERNELS(&id##1_reference)};
#define BROADCAST MF_ATTRIBUTES(MF_INT("broadcast", 0), MF_OPTIONAL("axis", MF_ATTR_INT)),

LEGACY(Add, BROADCAST)
LEGACY(Sub, BROADCAST)
LEGACY(Mul, BROADCAST)
LEGACY(Div, BROADCAST)
LEGACY(Pow, BROADCAST)
LEGACY(Less, BROADCAST)
LEGACY(Greater, BROADCAST)
LEGACY(Equal, BROADCAST)
LEGACY(And, BROADCAST)
LEGACY(Or, BROADCAST)
LEGACY(Xor, BROADCAST)
LEGACY(PRelu, )
