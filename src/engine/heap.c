// First fit in address order, with joining of free neighbours.
#include "heap.h"

#include <assert.h>

enum { LINE = 64 };

struct mf_block {
  size_t bytes;             // of the data behind this header, a multiple of 64
  mf_block *previous, *next;
  void *chained;
  bool used, kept, pinned;
  char padding[LINE - 5 * sizeof(void *)];
};
static_assert(sizeof(mf_block) == LINE, "data stay aligned");

static char *data_of(mf_block *block) { return (char *)(block + 1); }
static mf_block *block_of(const void *data) { return (mf_block *)(uintptr_t)data - 1; }

void mf_heap_init(mf_heap *heap, void *memory, size_t bytes) {
  assert((uintptr_t)memory % LINE == 0);
  *heap = (mf_heap){.bytes = bytes / LINE * LINE};
  if (heap->bytes < 2 * LINE) return;
  heap->first = heap->hint = memory;
  *heap->first = (mf_block){.bytes = heap->bytes - LINE};
}

static void note_top(mf_heap *heap, mf_block *block) {
  size_t end = (size_t)(data_of(block) - (char *)heap->first) + block->bytes;
  heap->top = MF_MAX(heap->top, end);
  heap->peak = MF_MAX(heap->peak, end);
}

static void split(mf_block *block, size_t bytes) {
  if (block->bytes - bytes < 2 * LINE) return;
  mf_block *rest = (mf_block *)(void *)(data_of(block) + bytes);
  *rest = (mf_block){.bytes = block->bytes - bytes - LINE, .previous = block, .next = block->next};
  if (rest->next) rest->next->previous = rest;
  block->next = rest;
  block->bytes = bytes;
}

void *mf_heap_alloc(mf_heap *heap, size_t bytes) {
  if (bytes > heap->bytes) return NULL;
  bytes = bytes ? (bytes + LINE - 1) / LINE * LINE : LINE;
  bool first_free = true;
  for (mf_block *block = heap->hint; block; block = block->next) {
    if (block->used) continue;
    if (first_free) heap->hint = block, first_free = false;
    if (block->bytes < bytes) continue;
    split(block, bytes);
    block->used = true;
    block->kept = block->pinned = false;
    block->chained = NULL;
    heap->used++;
    note_top(heap, block);
    return data_of(block);
  }
  return NULL;
}

static mf_block *join(mf_block *block) {  // with what follows
  mf_block *next = block->next;
  if (!next || next->used) return block;
  block->bytes += LINE + next->bytes;
  block->next = next->next;
  if (block->next) block->next->previous = block;
  return block;
}

void mf_heap_free(mf_heap *heap, void *data) {
  mf_block *block = block_of(data);
  assert(block->used);
  block->used = false;
  heap->used--;
  join(block);
  if (block->previous && !block->previous->used) block = join(block->previous);
  // The hint may have been swallowed by the join.
  if (block <= heap->hint || (char *)heap->hint < data_of(block) + block->bytes) heap->hint = MF_MIN(block, heap->hint);
}

bool mf_heap_owns(const mf_heap *heap, const void *data) {
  return heap->first && (const char *)data > (const char *)heap->first && (const char *)data < (const char *)heap->first + heap->bytes;
}

void mf_heap_keep(void *data) { block_of(data)->kept = true; }
void mf_heap_pin(void *data) { block_of(data)->pinned = true; }

void mf_heap_clear(mf_heap *heap, bool except_kept) {
  for (mf_block *block = heap->first; block && heap->used; block = block->next)
    if (block->used && !block->pinned && !(except_kept && block->kept)) {
      mf_heap_free(heap, data_of(block));
      if (block->previous && !block->previous->used) block = block->previous;
    }
}

void mf_heap_chain(void *data, void *next) { block_of(data)->chained = next; }
void *mf_heap_next(const void *data) { return block_of(data)->chained; }

size_t mf_heap_largest(const mf_heap *heap) {
  size_t largest = 0;
  for (const mf_block *block = heap->first; block; block = block->next)
    if (!block->used) largest = MF_MAX(largest, block->bytes);
  return largest;
}
