// The heap of an instance: memory of dynamic values inside the arena. Blocks lie one after another in address order; freeing joins
// neighbours. There are as many blocks as values alive, tens, so first fit over all of them is quick enough.
#ifndef MF_ENGINE_HEAP_H
#define MF_ENGINE_HEAP_H

#include "base/base.h"

typedef struct mf_block mf_block;
typedef struct mf_heap {
  mf_block *first;
  mf_block *hint;       // no free block lies before it
  size_t bytes;         // of the region
  size_t top, peak;     // end of the last used block, and the most that was ever
  uint32_t used;        // blocks
} mf_heap;

void mf_heap_init(mf_heap *heap, void *memory, size_t bytes);
// Aligned to 64 bytes, not zeroed; NULL when there is no room.
void *mf_heap_alloc(mf_heap *heap, size_t bytes);
void mf_heap_free(mf_heap *heap, void *data);
bool mf_heap_owns(const mf_heap *heap, const void *data);
// Blocks marked so survive mf_heap_clear(heap, true).
void mf_heap_keep(void *data);
// This one survives every mf_heap_clear, until mf_heap_free.
void mf_heap_pin(void *data);
void mf_heap_clear(mf_heap *heap, bool except_kept);
// A link of the owner's from block to block: lists of temporary blocks.
void mf_heap_chain(void *data, void *next);
void *mf_heap_next(const void *data);
size_t mf_heap_largest(const mf_heap *heap);  // the largest block that can be had
#endif
