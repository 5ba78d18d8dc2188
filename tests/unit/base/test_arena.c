// Arenas: alignment, zeroing, limits, memory of the caller's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/base.h"

static void growing_arena_aligns_zeroes_and_honours_its_limit(void **state) {
  (void)state;
  mf_arena arena;
  mf_arena_init(&arena, 1 << 20);
  for (size_t size = 1; size < 3000; size += 37) {
    unsigned char *p = mf_arena_alloc_aligned(&arena, size, 64);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 64, 0);
    for (size_t i = 0; i < size; i++) assert_int_equal(p[i], 0);
    memset(p, 0xff, size);
  }
  assert_null(mf_arena_alloc(&arena, 1 << 20));
  assert_null(mf_arena_array(&arena, SIZE_MAX / 2, 4));
  mf_arena_deinit(&arena);
}

static void fixed_arena_stays_inside_the_callers_memory(void **state) {
  (void)state;
  _Alignas(64) char memory[256];
  mf_arena arena;
  mf_arena_init_fixed(&arena, memory, sizeof memory);
  char *a = mf_arena_alloc(&arena, 200);
  assert_ptr_equal(a, memory);
  assert_null(mf_arena_alloc(&arena, 100));
  char *b = mf_arena_alloc(&arena, 40);
  assert_true(b >= memory + 200 && b + 40 <= memory + sizeof memory);
  mf_arena_deinit(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(growing_arena_aligns_zeroes_and_honours_its_limit),
      cmocka_unit_test(fixed_arena_stays_inside_the_callers_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
