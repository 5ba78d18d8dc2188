// Which dimensions are equal though nobody knows how large: a symbol for each dimension of each
// value, the same where the operators guarantee the same length for every input.
#ifndef MF_ENGINE_PASSES_SYMBOLS_H
#define MF_ENGINE_PASSES_SYMBOLS_H

#include "edit.h"

typedef struct mf_symbols {
  uint64_t (*of)[MF_MAX_RANK];  // by value; 0: none yet
  uint32_t capacity;
  uint64_t fresh;
} mf_symbols;

bool mf_symbols_init(mf_symbols *s, const mf_edit *e) MF_MUST_CHECK;
// Gives the node's outputs their symbols; nodes in order.
void mf_symbols_visit(mf_symbols *s, const mf_edit *e, const mf_node *node);
bool mf_symbols_same_shape(mf_symbols *s, const mf_edit *e, mf_value_id a, mf_value_id b);
#endif
