// The memory planner: static values and scratch memory get offsets in one region, reusing what is free by then. Largest first, each at
// the lowest offset that no buffer alive at the same time touches (best-fit by size, as in Pisarchyk and Lee 2020, "greedy by size").
// That looks at each pair of buffers; a model with tens of thousands of them is planned in the order of time instead, from lists of what
// is free, one for each class of sizes.
#include "compile.h"

enum { MAX_PAIRED = 1 << 15, SMALLEST_LOG2 = 2, CLASSES_LOG2 = 2, N_CLASSES = 64 << CLASSES_LOG2 };

typedef bool order_fn(const mf_buffer *a, const mf_buffer *b);

static uint64_t align(uint64_t bytes) { return (bytes + MF_IMAGE_ALIGNMENT - 1) & ~(uint64_t)(MF_IMAGE_ALIGNMENT - 1); }

static bool is_larger(const mf_buffer *a, const mf_buffer *b) {
  if (a->bytes != b->bytes) return a->bytes > b->bytes;
  if (a->begin != b->begin) return a->begin < b->begin;
  return a < b;
}

// Heapsort: in place, and without the C library's qsort, which asks the kernel how much memory there is; the sandbox kills for that.
static void sift_down(mf_buffer **heap, uint32_t at, uint32_t n, order_fn *comes_first) {
  for (uint32_t child; (child = 2 * at + 1) < n; at = child) {
    if (child + 1 < n && comes_first(heap[child], heap[child + 1])) child++;
    if (comes_first(heap[child], heap[at])) return;
    mf_buffer *swapped = heap[at];
    heap[at] = heap[child];
    heap[child] = swapped;
  }
}

static void sort(mf_buffer **order, uint32_t n, order_fn *comes_first) {
  for (uint32_t i = n / 2; i-- > 0;) sift_down(order, i, n, comes_first);
  for (uint32_t end = n; end-- > 1;) {
    mf_buffer *last = order[0];
    order[0] = order[end];
    order[end] = last;
    sift_down(order, 0, end, comes_first);
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

static void plan_in_pairs(mf_buffer **order, mf_buffer **placed, uint32_t n, uint64_t *total) {
  sort(order, n, is_larger);
  for (uint32_t i = 0; i < n; i++) {
    order[i]->offset = lowest_gap(placed, i, order[i]);
    insert_by_offset(placed, i, order[i]);
    *total = MF_MAX(*total, order[i]->offset + align(order[i]->bytes));
  }
}

static bool begins_earlier(const mf_buffer *a, const mf_buffer *b) { return a->begin != b->begin ? a->begin < b->begin : a < b; }
static bool ends_earlier(const mf_buffer *a, const mf_buffer *b) { return a->end != b->end ? a->end < b->end : a < b; }

// Four classes between a power of two and the next, so that at most a fifth is lost. *bytes: rounded up to the class's size.
static uint32_t class_of(uint64_t *bytes) {
  uint32_t log2 = SMALLEST_LOG2;
  while (log2 < 62 && *bytes > UINT64_C(1) << (log2 + 1)) log2++;
  const uint32_t step_log2 = log2 - CLASSES_LOG2;
  *bytes = (*bytes + (UINT64_C(1) << step_log2) - 1) >> step_log2 << step_log2;
  return (log2 << CLASSES_LOG2) + (uint32_t)((*bytes >> step_log2) & ((1 << CLASSES_LOG2) - 1));
}

// next_free: by buffer, the one below it on its class's stack of what is free.
static void plan_in_time(mf_buffer **beginning, mf_buffer **ending, mf_buffer **next_free, const mf_buffer *buffers, uint32_t n,
                         uint64_t *total) {
  mf_buffer *free_of[N_CLASSES] = {NULL};
  uint32_t n_ended = 0;
  sort(beginning, n, begins_earlier);
  sort(ending, n, ends_earlier);
  for (uint32_t i = 0; i < n; i++) {
    for (; n_ended < n && ending[n_ended]->end < beginning[i]->begin; n_ended++) {
      uint64_t bytes = align(ending[n_ended]->bytes);
      const uint32_t class = class_of(&bytes);
      next_free[ending[n_ended] - buffers] = free_of[class];
      free_of[class] = ending[n_ended];
    }
    uint64_t bytes = align(beginning[i]->bytes);
    const uint32_t class = class_of(&bytes);
    mf_buffer *freed = free_of[class];
    beginning[i]->offset = freed ? freed->offset : *total;
    if (freed) free_of[class] = next_free[freed - buffers];
    else *total += bytes;
  }
}

bool mf_plan_buffers(mf_buffer *buffers, uint32_t n, mf_arena *arena, uint64_t *total, mf_error *err) {
  mf_buffer **order = MF_NEW_ARRAY(arena, mf_buffer *, n + 1);
  mf_buffer **placed = MF_NEW_ARRAY(arena, mf_buffer *, n + 1);
  mf_buffer **next_free = MF_NEW_ARRAY(arena, mf_buffer *, n > MAX_PAIRED ? n : 1);
  if (!order || !placed || !next_free) return mf_out_of_arena(err);
  uint64_t sum = 0;
  for (uint32_t i = 0; i < n; i++) {
    order[i] = placed[i] = &buffers[i];
    if (buffers[i].bytes > INT64_MAX / 2 || __builtin_add_overflow(sum, align(buffers[i].bytes), &sum) || sum > INT64_MAX / 2)
      return mf_fail(err, MF_TooLarge, "the model's activations overflow the address space");
  }
  *total = 0;
  if (n > MAX_PAIRED) plan_in_time(order, placed, next_free, buffers, n, total);
  else plan_in_pairs(order, placed, n, total);
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

static bool is_planned_text(const mf_layout *layout, mf_value_id id) {
  return owns_buffer(layout, id) && layout->graph->values[id].tensor.type == MF_STRING;
}

// Texts have pointers inside, so their memory is theirs alone: it lies first, one after the other, and is never used again. Who opens an
// image can check that, and clears it before each run.
static bool place_texts(mf_layout *layout, uint64_t *end, mf_error *err) {
  *end = 0;
  for (uint32_t v = 0; v < layout->n_values; v++) {
    size_t bytes;
    if (!is_planned_text(layout, v)) continue;
    layout->values[v].offset = *end;
    if (!mf_tensor_bytes(&layout->graph->values[v].tensor, &bytes) || bytes > INT64_MAX / 2 ||
        __builtin_add_overflow(*end, align(bytes), end) || *end > INT64_MAX / 2)
      return mf_fail(err, MF_TooLarge, "the model's activations overflow the address space");
  }
  return true;
}

bool mf_layout_plan(mf_layout *layout, mf_error *err) {
  uint32_t n = 0;
  uint64_t texts_end;
  mf_buffer *buffers = MF_NEW_ARRAY(layout->arena, mf_buffer, layout->n_values + layout->n_nodes + UINT32_C(1));
  if (!buffers) return mf_out_of_arena(err);
  if (!place_texts(layout, &texts_end, err)) return false;
  for (uint32_t v = 0; v < layout->n_values; v++) {
    size_t bytes;
    if (!owns_buffer(layout, v) || is_planned_text(layout, v)) continue;
    if (!mf_tensor_bytes(&layout->graph->values[v].tensor, &bytes)) return mf_fail(err, MF_TooLarge, "a value's dimensions overflow");
    buffers[n++] = (mf_buffer){.bytes = bytes, .begin = layout->values[v].begin, .end = layout->values[v].end};
  }
  uint32_t n_values = n;
  for (uint32_t i = 0; i < layout->n_nodes; i++)
    if (layout->nodes[i].scratch_bytes)
      buffers[n++] = (mf_buffer){.bytes = layout->nodes[i].scratch_bytes, .begin = layout->nodes[i].begin, .end = layout->nodes[i].end};
  if (!mf_plan_buffers(buffers, n, layout->arena, &layout->planned_bytes, err)) return false;
  layout->planned_bytes += texts_end;
  n = 0;
  for (uint32_t v = 0; v < layout->n_values; v++)
    if (owns_buffer(layout, v) && !is_planned_text(layout, v)) layout->values[v].offset = texts_end + buffers[n++].offset;
  assert(n == n_values);
  for (uint32_t i = 0; i < layout->n_nodes; i++)
    if (layout->nodes[i].scratch_bytes) layout->nodes[i].scratch_offset = texts_end + buffers[n++].offset;
  for (uint32_t v = 0; v < layout->n_values; v++)
    if (layout->values[v].storage == MF_STORAGE_PLANNED) layout->values[v].offset = layout->values[buffer_of(layout, v)].offset;
  return true;
}
