// Shared by layout.c and layout_ops.c: values and their channels-last twins.
#ifndef MF_ENGINE_PASSES_LAYOUT_H
#define MF_ENGINE_PASSES_LAYOUT_H

#include "edit.h"

typedef struct mf_layout_pass {
  mf_edit e;
  mf_value_id *twins;  // by value; MF_NO_VALUE: has none
  bool *pending;       // has a twin, but the value itself has not been made
  uint32_t capacity;
} mf_layout_pass;

// Dimension i of one layout is dimension mf_layout_source of the other. to_last: [N, C, ...] to [N,
// ..., C].
static inline uint32_t mf_layout_source(uint32_t i, uint32_t rank, bool to_last) {
  if (i == 0) return 0;
  if (to_last) return i == rank - 1 ? 1 : i + 1;
  return i == 1 ? rank - 1 : i - 1;
}
// Where dimension i of the model's layout lies in the twin.
static inline uint32_t mf_layout_axis(uint32_t i, uint32_t rank) {
  return i == 0 ? 0 : i == 1 ? rank - 1 : i - 1;
}

bool mf_layout_has(const mf_layout_pass *l, mf_value_id id);
bool mf_layout_is_image(const mf_layout_pass *l, mf_value_id id);  // three or four dimensions
// The twin of a value, made by a Transpose if there is none.
bool mf_layout_want(mf_layout_pass *l, mf_value_id id, mf_value_id *twin) MF_MUST_CHECK;
// A twin for a value that will not be made in the model's own layout unless somebody needs it.
bool mf_layout_new_twin(mf_layout_pass *l, mf_value_id id, mf_value_id *twin) MF_MUST_CHECK;
void mf_layout_permute(const mf_tensor *from, bool to_last, mf_tensor *to);  // type and dims
bool mf_layout_keep(mf_layout_pass *l,
                    mf_node *node) MF_MUST_CHECK;  // as it is, its inputs in the model's layout
// Operators that work in any layout once their axes are mapped. *done: the node has been replaced.
bool mf_layout_agnostic(mf_layout_pass *l, mf_node *node, bool *done) MF_MUST_CHECK;
#endif
