// Bump allocation in chunks that double up to 1 MiB; a request that is larger gets a chunk of its own.
#include "arena.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 1 << 20, DEFAULT_ALIGNMENT = 16 };

struct mf_arena_chunk {
  mf_arena_chunk *older;
  size_t size_bytes;
};

void mf_arena_init(mf_arena *arena, size_t limit_bytes) { *arena = (mf_arena){.limit_bytes = limit_bytes}; }

void mf_arena_init_fixed(mf_arena *arena, void *memory, size_t size_bytes) {
  *arena = (mf_arena){.next = memory, .end = (char *)memory + size_bytes, .limit_bytes = size_bytes, .fixed = true};
}

void mf_arena_init_first(mf_arena *arena, void *memory, size_t size_bytes, size_t limit_bytes) {
  *arena = (mf_arena){.next = memory, .end = (char *)memory + size_bytes, .limit_bytes = limit_bytes};
}

static char *align_up(char *p, size_t alignment) {
  return (char *)(((uintptr_t)p + alignment - 1) & ~(uintptr_t)(alignment - 1));
}

static size_t next_size(size_t previous) { return previous < LARGEST_CHUNK ? previous * 2 : LARGEST_CHUNK; }

static int add_chunk(mf_arena *arena, size_t needed) {
  size_t size = arena->chunks ? next_size(arena->chunks->size_bytes) : FIRST_CHUNK;
  size_t whole;
  if (__builtin_add_overflow(needed, sizeof(mf_arena_chunk), &whole)) return 0;
  if (size < whole) size = whole;
  mf_arena_chunk *chunk = malloc(size);
  if (!chunk) return 0;
  *chunk = (mf_arena_chunk){.older = arena->chunks, .size_bytes = size};
  arena->chunks = chunk;
  arena->next = (char *)(chunk + 1);
  arena->end = (char *)chunk + size;
  return 1;
}

void *mf_arena_alloc_aligned(mf_arena *arena, size_t size_bytes, size_t alignment) {
  if (size_bytes == 0) size_bytes = 1;
  if (arena->limit_bytes > 0 && (arena->used_bytes >= arena->limit_bytes || size_bytes > arena->limit_bytes - arena->used_bytes))
    return NULL;
  char *p = arena->next ? align_up(arena->next, alignment) : NULL;
  if (!p || p > arena->end || (size_t)(arena->end - p) < size_bytes) {
    size_t needed;
    if (arena->fixed || __builtin_add_overflow(size_bytes, alignment, &needed) || !add_chunk(arena, needed)) return NULL;
    p = align_up(arena->next, alignment);
  }
  arena->next = p + size_bytes;
  arena->used_bytes += size_bytes;
  return memset(p, 0, size_bytes);
}

void *mf_arena_alloc(mf_arena *arena, size_t size_bytes) {
  return mf_arena_alloc_aligned(arena, size_bytes, DEFAULT_ALIGNMENT);
}

void *mf_arena_array(mf_arena *arena, size_t count, size_t size_bytes) {
  size_t total;
  return __builtin_mul_overflow(count, size_bytes, &total) ? NULL : mf_arena_alloc(arena, total);
}

void mf_arena_deinit(mf_arena *arena) {
  for (mf_arena_chunk *chunk = arena->chunks; chunk;) {
    mf_arena_chunk *older = chunk->older;
    free(chunk);
    chunk = older;
  }
  *arena = (mf_arena){0};
}
