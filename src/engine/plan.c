// The memory planner: static values and scratch memory get offsets in one region, reusing what is free by then. Largest first, each at
// the lowest offset that no buffer alive at the same time touches (best-fit by size, as in Pisarchyk and Lee 2020, "greedy by size").
#include "compile.h"

static uint64_t align(uint64_t bytes) { return (bytes + MF_IMAGE_ALIGNMENT - 1) & ~(uint64_t)(MF_IMAGE_ALIGNMENT - 1); }

static bool comes_first(const mf_buffer *a, const mf_buffer *b) {
  if (a->bytes != b->bytes) return a->bytes > b->bytes;
  if (a->begin != b->begin) return a->begin < b->begin;
  return a < b;
}

// Heapsort: in place, and without the C library's qsort, which asks the kernel how much memory there is; the sandbox kills for that.
static void sift_down(mf_buffer **heap, uint32_t at, uint32_t n) {
  for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && comes_first(heap[child], heap[child + 1])) child++;
    if (comes_first(heap[child], heap[at])) return;
    mf_buffer *swapped = heap[at];
    heap[at] = heap[child];
    heap[child] = swapped;
  }
}

static void sort(mf_buffer **order, uint32_t n) {
  for (uint32_t i = n / 2; i-- > 0;) sift_down(order, i, n);
  for (uint32_t end = n; end-- > 1;) {
    mf_buffer *last = order[0];
    order[0] = order[end];
    order[end] = last;
    sift_down(order, 0, end);
  }
}

static bool live_together(const mf_buffer *a, const mf_buffer *b) { return a->begin <= b->end && b->begin <= a->end; }

// placed[0..n): by offset. The lowest gap between those that live with `buffer`.
static uint64_t lowest_gap(mf_buffer *const *placed, uint32_t n, const mf_buffer *buffer) {
  uint64_t end = 0;
  for (uint32_t i = 0; i < n; i++) {
    if (!live_together(placed[i], buffer)) continue;
    if (placed[i]->offset >= end + align(buffer->bytes)) break;
    end = MF_MAX(end, placed[i]->offset + align(placed[i]->bytes));
  }
  return end;
}

static void insert_by_offset(mf_buffer **placed, uint32_t n, mf_buffer *buffer) {
  uint32_t at = n;
  for (; at > 0 && placed[at - 1]->offset > buffer->offset; at--) placed[at] = placed[at - 1];
  placed[at] = buffer;
}

bool mf_plan_buffers(mf_buffer *buffers, uint32_t n, mf_arena *arena, uint64_t *total, mf_error *err) {
  mf_buffer **order = MF_NEW_ARRAY(arena, mf_buffer *, n + 1);
  mf_buffer **placed = MF_NEW_ARRAY(arena, mf_buffer *, n + 1);
  if (!order || !placed) return mf_out_of_arena(err);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++) {
    order[i] = &buffers[i];
    if (buffers[i].bytes > INT64_MAX / 2 || __builtin_add_overflow(sum, align(buffers[i].bytes), &sum) || sum > INT64_MAX)
      return mf_fail(err, MF_TooLarge, "the model's activations overflow the address space");
  }
  sort(order, n);
  *total = 0;
  for (uint32_t i = 0; i < n; i++) {
    order[i]->offset = lowest_gap(placed, i, order[i]);
    insert_by_offset(placed, i, order[i]);
    *total = MF_MAX(*total, order[i]->offset + align(order[i]->bytes));
  }
  return true;
}

static bool owns_buffer(const mf_layout *layout, mf_value_id id) {
  const mf_layout_value *value = &layout->values[id];
  return value->storage == MF_STORAGE_PLANNED && value->shares == id && value->body != UINT32_MAX;
}

static mf_value_id buffer_of(const mf_layout *layout, mf_value_id id) {
  while (layout->values[id].shares != id) id = layout->values[id].shares;
  return id;
}

bool mf_layout_plan(mf_layout *layout, mf_error *err) {
  uint32_t n = 0;
  mf_buffer *buffers = MF_NEW_ARRAY(layout->arena, mf_buffer, layout->n_values + layout->n_nodes + UINT32_C(1));
  if (!buffers) return mf_out_of_arena(err);
  for (uint32_t v = 0; v < layout->n_values; v++) {
    size_t bytes;
    if (!owns_buffer(layout, v)) continue;
    if (!mf_tensor_bytes(&layout->graph->values[v].tensor, &bytes)) return mf_fail(err, MF_TooLarge, "a value's dimensions overflow");
    buffers[n++] = (mf_buffer){.bytes = bytes, .begin = layout->values[v].begin, .end = layout->values[v].end};
  }
  uint32_t n_values = n;
  for (uint32_t i = 0; i < layout->n_nodes; i++)
    if (layout->nodes[i].scratch_bytes)
      buffers[n++] = (mf_buffer){.bytes = layout->nodes[i].scratch_bytes, .begin = layout->nodes[i].begin, .end = layout->nodes[i].end};
  if (!mf_plan_buffers(buffers, n, layout->arena, &layout->planned_bytes, err)) return false;
  n = 0;
  for (uint32_t v = 0; v < layout->n_values; v++)
    if (owns_buffer(layout, v)) layout->values[v].offset = buffers[n++].offset;
  assert(n == n_values);
  for (uint32_t i = 0; i < layout->n_nodes; i++)
    if (layout->nodes[i].scratch_bytes) layout->nodes[i].scratch_offset = buffers[n++].offset;
  for (uint32_t v = 0; v < layout->n_values; v++)
    if (layout->values[v].storage == MF_STORAGE_PLANNED) layout->values[v].offset = layout->values[buffer_of(layout, v)].offset;
  return true;
}
