// Walks over tensors: one order of visit, up to MF_WALK_MAX operands, each with its own strides. Broadcasting is a stride of 0, a
// transposition another order of strides, a slice another start. Neighbouring dimensions that all operands pass in one step are
// merged first, so equal shapes become a single row.
//
//   mf_walk walk;
//   mf_walk_broadcast(&walk, out, call->inputs, 2);       // operand 0 is out, 1 and 2 the inputs
//   for (bool more = mf_walk_start(&walk); more; more = mf_walk_next(&walk))
//     for (int64_t i = 0; i < walk.length; i++) out[walk.at[0] + i * walk.step[0]] = …
#ifndef MF_ENGINE_OPS_BROADCAST_H
#define MF_ENGINE_OPS_BROADCAST_H

#include "ops.h"

enum { MF_WALK_MAX = 4 };

typedef struct mf_walk {
  uint32_t rank, operands;
  int64_t dims[MF_MAX_RANK], index[MF_MAX_RANK];
  int64_t strides[MF_WALK_MAX][MF_MAX_RANK];  // in elements
  // The row at hand: `length` elements, operand k's first at at[k], the next step[k] further.
  int64_t length, at[MF_WALK_MAX], step[MF_WALK_MAX];
} mf_walk;

void mf_walk_init(mf_walk *walk, uint32_t rank, const int64_t *dims);
// Adds an operand that begins at element `start`; strides NULL: contiguous in the walk's own dims.
void mf_walk_add(mf_walk *walk, int64_t start, const int64_t *strides);
// Merges dimensions and stands at the first row; false when there are no elements.
bool mf_walk_start(mf_walk *walk);
bool mf_walk_next(mf_walk *walk);
// The three above but start: over out's shape, out contiguous, inputs broadcast to it.
void mf_walk_broadcast(mf_walk *walk, const mf_tensor *out, const mf_tensor *const *inputs, uint32_t n_inputs);
// Copies elements of any type: operand 0 from operand 1 of a walk that is not started yet.
void mf_walk_copy(mf_walk *walk, void *to, const void *from, size_t element_bytes);

void mf_strides_of(const mf_tensor *t, int64_t strides[MF_MAX_RANK]);  // of contiguous row-major data
// Strides over out's dims, 0 where t is broadcast.
void mf_broadcast_strides(const mf_tensor *t, const mf_tensor *out, int64_t strides[MF_MAX_RANK]);

// The shape that all inputs broadcast to (ONNX Broadcasting.md, multidirectional); type untouched.
bool mf_broadcast_shape(const mf_tensor *const *inputs, uint32_t n_inputs, mf_tensor *out, mf_error *err) MF_MUST_CHECK;
#endif
