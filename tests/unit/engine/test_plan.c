// The memory planner on random lifetimes: nothing that lives at the same time overlaps, and the total is no more than twice the most
// that is ever alive (greedy by size is far better than that in practice).
#include <stdio.h>
#include <stdlib.h>

#include "case.h"
#include "engine/compile.h"

static void check_overlaps(const mf_buffer *buffers, uint32_t n, uint64_t total) {
  for (uint32_t i = 0; i < n; i++) {
    assert_int_equal(buffers[i].offset % 64, 0);
    assert_true(buffers[i].offset + buffers[i].bytes <= total);
    for (uint32_t k = i + 1; k < n; k++) {
      bool together = buffers[i].begin <= buffers[k].end && buffers[k].begin <= buffers[i].end;
      bool apart = buffers[i].offset + buffers[i].bytes <= buffers[k].offset || buffers[k].offset + buffers[k].bytes <= buffers[i].offset;
      if (together && !apart) fail_msg("buffers %u and %u overlap", i, k);
    }
  }
}

static uint64_t most_alive(const mf_buffer *buffers, uint32_t n, uint32_t times) {
  uint64_t most = 0;
  for (uint32_t t = 0; t < times; t++) {
    uint64_t alive = 0;
    for (uint32_t i = 0; i < n; i++)
      if (buffers[i].begin <= t && t <= buffers[i].end) alive += (buffers[i].bytes + 63) / 64 * 64;
    most = MF_MAX(most, alive);
  }
  return most;
}

static void buffers_that_live_together_lie_apart(void **state) {
  (void)state;
  enum { N = 120, TIMES = 60 };
  mf_arena arena;
  mf_arena_init(&arena, 0);
  for (unsigned seed = 1; seed <= 300; seed++) {
    mf_buffer buffers[N];
    mf_error err = {0};
    uint64_t total;
    srand(seed);
    for (int i = 0; i < N; i++) {
      uint32_t begin = (uint32_t)rand() % TIMES;
      buffers[i] = (mf_buffer){.bytes = (uint64_t)rand() % 5000, .begin = begin, .end = MF_MIN(TIMES - 1, begin + (uint32_t)rand() % 9)};
    }
    if (!mf_plan_buffers(buffers, N, &arena, &total, &err)) fail_msg("seed %u: %s", seed, err.message);
    check_overlaps(buffers, N, total);
    uint64_t least = most_alive(buffers, N, TIMES);
    if (total < least || total > least * 2) fail_msg("seed %u: %llu bytes, the least is %llu", seed, (unsigned long long)total, (unsigned long long)least);
  }
  mf_arena_deinit(&arena);
}

// More than are planned in pairs. Those alive at one moment are compared with each other.
static void check_moments(const mf_buffer *buffers, uint32_t n, uint32_t times) {
  uint32_t *alive = malloc(n * sizeof *alive);
  for (uint32_t t = 0; t < times; t++) {
    uint32_t n_alive = 0;
    for (uint32_t i = 0; i < n; i++)
      if (buffers[i].begin <= t && t <= buffers[i].end) alive[n_alive++] = i;
    for (uint32_t i = 0; i < n_alive; i++)
      for (uint32_t k = i + 1; k < n_alive; k++) {
        const mf_buffer *a = &buffers[alive[i]], *b = &buffers[alive[k]];
        if (a->offset + a->bytes > b->offset && b->offset + b->bytes > a->offset && a->bytes && b->bytes)
          fail_msg("buffers %u and %u overlap at %u", alive[i], alive[k], t);
      }
  }
  free(alive);
}

static void very_many_buffers_are_planned_in_a_moment(void **state) {
  (void)state;
  enum { N = 200000, TIMES = 5000, LONGEST = 6, OLD = 50 };
  mf_arena arena;
  mf_error err = {0};
  uint64_t total, least;
  mf_arena_init(&arena, 0);
  mf_buffer *buffers = MF_NEW_ARRAY(&arena, mf_buffer, N);
  srand(7);
  for (uint32_t i = 0; i < N; i++) {
    const uint32_t begin = (uint32_t)rand() % TIMES, length = i < OLD ? TIMES : (uint32_t)rand() % LONGEST;
    buffers[i] = (mf_buffer){.bytes = (uint64_t)rand() % (i % 10 ? 3000 : 100000), .begin = begin, .end = MF_MIN(TIMES - 1, begin + length)};
  }
  const int64_t before = mf_now_ns();
  if (!mf_plan_buffers(buffers, N, &arena, &total, &err)) fail_msg("%s", err.message);
  const double seconds = (double)(mf_now_ns() - before) / 1e9;
  check_moments(buffers, N, TIMES);
  least = most_alive(buffers, N, TIMES);
  for (uint32_t i = 0; i < N; i++) assert_true(buffers[i].offset % 64 == 0 && buffers[i].offset + buffers[i].bytes <= total);
  if (total < least || total > least * 3) fail_msg("%llu bytes, the least is %llu", (unsigned long long)total, (unsigned long long)least);
  if (seconds > 5) fail_msg("took %.1f s", seconds);  // in pairs it would be minutes
  mf_arena_deinit(&arena);
}

static void a_chain_needs_two_buffers(void **state) {
  (void)state;
  mf_arena arena;
  mf_error err = {0};
  uint64_t total;
  mf_buffer buffers[20];
  mf_arena_init(&arena, 0);
  for (uint32_t i = 0; i < 20; i++) buffers[i] = (mf_buffer){.bytes = 1000, .begin = i, .end = i + 1};
  assert_true(mf_plan_buffers(buffers, 20, &arena, &total, &err));
  assert_int_equal(total, 2 * 1024);
  mf_arena_deinit(&arena);
}

static void sizes_that_overflow_are_refused(void **state) {
  (void)state;
  mf_arena arena;
  mf_error err = {0};
  uint64_t total;
  mf_buffer buffers[4];
  mf_arena_init(&arena, 0);
  for (uint32_t i = 0; i < 4; i++) buffers[i] = (mf_buffer){.bytes = INT64_MAX / 2, .end = 1};
  assert_false(mf_plan_buffers(buffers, 4, &arena, &total, &err));
  assert_int_equal(err.code, MF_TooLarge);
  mf_arena_deinit(&arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(buffers_that_live_together_lie_apart), cmocka_unit_test(a_chain_needs_two_buffers),
    cmocka_unit_test(very_many_buffers_are_planned_in_a_moment),
    cmocka_unit_test(sizes_that_overflow_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
