// Arena: memory for everything that lives as long as a request, a compile or a plan; one call frees it all.
// Growing arenas take chunks from malloc; fixed arenas live in the caller's memory and never call malloc.
#ifndef MF_BASE_ARENA_H
#define MF_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mf_arena_chunk mf_arena_chunk;
typedef struct mf_arena {
  mf_arena_chunk *chunks;  // growing arenas: newest first
  char *next, *end;        // what is left of the current chunk or of the caller's memory
  size_t used_bytes;       // handed out so far, alignment included
  size_t limit_bytes;      // 0: none
  bool fixed;              // the caller's memory is all there is
} mf_arena;

// A growing arena that refuses to hand out more than limit_bytes (0: no limit). Freed by mf_arena_deinit.
void mf_arena_init(mf_arena *arena, size_t limit_bytes);
// A fixed arena in the caller's memory; mf_arena_deinit does nothing for it.
void mf_arena_init_fixed(mf_arena *arena, void *memory, size_t size_bytes);
// A growing arena that uses up the caller's memory before it calls malloc; that memory stays the caller's.
void mf_arena_init_first(mf_arena *arena, void *memory, size_t size_bytes, size_t limit_bytes);
// Zeroed memory, aligned to 16 bytes (or to `alignment`, a power of two); NULL when the limit or the memory is exhausted.
void *mf_arena_alloc(mf_arena *arena, size_t size_bytes);
void *mf_arena_alloc_aligned(mf_arena *arena, size_t size_bytes, size_t alignment);
// As mf_arena_alloc for count * size, checked for overflow.
void *mf_arena_array(mf_arena *arena, size_t count, size_t size_bytes);
void mf_arena_deinit(mf_arena *arena);
#define MF_NEW(arena, type) ((type *)mf_arena_alloc((arena), sizeof(type)))
#define MF_NEW_ARRAY(arena, type, count) ((type *)mf_arena_array((arena), (count), sizeof(type)))
#endif
