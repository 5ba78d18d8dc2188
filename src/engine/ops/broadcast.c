// Walks over tensors with strides, and the shape that broadcasting gives. See broadcast.h.
#include "broadcast.h"

void mf_walk_init(mf_walk *walk, uint32_t rank, const int64_t *dims) {
  *walk = (mf_walk){.rank = rank};
  for (uint32_t d = 0; d < rank; d++) walk->dims[d] = dims[d];
}

void mf_walk_add(mf_walk *walk, int64_t start, const int64_t *strides) {
  uint32_t k = walk->operands++;
  walk->at[k] = start;
  int64_t contiguous = 1;
  for (uint32_t d = walk->rank; d-- > 0;) {
    walk->strides[k][d] = strides ? strides[d] : contiguous;
    contiguous = mf_ops_wrap_mul(contiguous, walk->dims[d]);
  }
}

// Dimension d can be joined to d + 1 when every operand gets from one row to the next by an ordinary step.
static bool can_merge(const mf_walk *walk, uint32_t d, uint32_t into) {
  for (uint32_t k = 0; k < walk->operands; k++)
    if (walk->strides[k][d] != walk->strides[k][into] * walk->dims[into]) return false;
  return true;
}

static void move_dim(mf_walk *walk, uint32_t from, uint32_t to) {
  walk->dims[to] = walk->dims[from];
  for (uint32_t k = 0; k < walk->operands; k++) walk->strides[k][to] = walk->strides[k][from];
}

static void merge_dims(mf_walk *walk) {
  uint32_t kept = MF_MAX_RANK;  // fills from the back, then moves to the front
  for (uint32_t d = walk->rank; d-- > 0;) {
    if (walk->dims[d] == 1) continue;
    if (kept < MF_MAX_RANK && can_merge(walk, d, kept)) {
      walk->dims[kept] *= walk->dims[d];
      continue;
    }
    move_dim(walk, d, --kept);
  }
  uint32_t rank = MF_MAX_RANK - kept;
  for (uint32_t d = 0; d < rank; d++) move_dim(walk, kept + d, d);
  walk->rank = rank;
}

bool mf_walk_start(mf_walk *walk) {
  for (uint32_t d = 0; d < walk->rank; d++)
    if (walk->dims[d] <= 0) return false;
  merge_dims(walk);
  if (walk->rank == 0) {
    walk->length = 1;
    return true;
  }
  uint32_t last = --walk->rank;  // the row itself is no longer walked over
  walk->length = walk->dims[last];
  for (uint32_t k = 0; k < walk->operands; k++) walk->step[k] = walk->strides[k][last];
  return true;
}

bool mf_walk_next(mf_walk *walk) {
  for (uint32_t d = walk->rank; d-- > 0;) {
    if (++walk->index[d] < walk->dims[d]) {
      for (uint32_t k = 0; k < walk->operands; k++) walk->at[k] += walk->strides[k][d];
      return true;
    }
    walk->index[d] = 0;
    for (uint32_t k = 0; k < walk->operands; k++)
      walk->at[k] -= walk->strides[k][d] * (walk->dims[d] - 1);
  }
  return false;
}

void mf_walk_broadcast(mf_walk *walk, const mf_tensor *out, const mf_tensor *const *inputs,
                       uint32_t n_inputs) {
  mf_walk_init(walk, out->rank, out->dims);
  mf_walk_add(walk, 0, NULL);
  for (uint32_t i = 0; i < n_inputs; i++) {
    int64_t strides[MF_MAX_RANK];
    mf_broadcast_strides(inputs[i], out, strides);
    mf_walk_add(walk, 0, strides);
  }
}

#define COPY_ROW(T)                                                               \
  do {                                                                            \
    T *to_row = (T *)to + walk->at[0];                                            \
    const T *from_row = (const T *)from + walk->at[1];                            \
    for (int64_t i = 0; i < walk->length; i++)                                    \
      to_row[i * walk->step[0]] = from_row[i * walk->step[1]];                    \
  } while (0)

static void copy_row(const mf_walk *walk, void *to, const void *from, size_t element_bytes) {
  if (walk->step[0] == 1 && walk->step[1] == 1) {
    memcpy((char *)to + (size_t)walk->at[0] * element_bytes,
           (const char *)from + (size_t)walk->at[1] * element_bytes,
           (size_t)walk->length * element_bytes);
    return;
  }
  switch (element_bytes) {
    case 1: COPY_ROW(uint8_t); break;
    case 2: COPY_ROW(uint16_t); break;
    case 4: COPY_ROW(uint32_t); break;
    case 8: COPY_ROW(uint64_t); break;
    default: COPY_ROW(mf_str); break;
  }
}

void mf_walk_copy(mf_walk *walk, void *to, const void *from, size_t element_bytes) {
  for (bool more = mf_walk_start(walk); more; more = mf_walk_next(walk))
    copy_row(walk, to, from, element_bytes);
}

void mf_strides_of(const mf_tensor *t, int64_t strides[MF_MAX_RANK]) {
  int64_t stride = 1;
  for (uint32_t d = t->rank; d-- > 0;) {
    strides[d] = stride;
    stride = mf_ops_wrap_mul(stride, t->dims[d]);
  }
}

void mf_broadcast_strides(const mf_tensor *t, const mf_tensor *out, int64_t strides[MF_MAX_RANK]) {
  int64_t own[MF_MAX_RANK];
  mf_strides_of(t, own);
  uint32_t missing = out->rank - t->rank;
  for (uint32_t d = 0; d < out->rank; d++)
    strides[d] = d < missing || t->dims[d - missing] == 1 ? 0 : own[d - missing];
}

// The dimension that a and b broadcast to; an unknown one can still turn out to be 1.
static bool broadcast_dim(int64_t a, int64_t b, int64_t *dim) {
  if (a == b || b == 1) {
    *dim = a;
  } else if (a == 1) {
    *dim = b;
  } else if (a < 0 || b < 0) {
    *dim = MF_MAX(a, b);
  } else {
    return false;
  }
  return true;
}

static bool broadcast_into(mf_tensor *out, const mf_tensor *t, mf_error *err) {
  uint32_t rank = MF_MAX(out->rank, t->rank);
  mf_tensor wide = {.rank = rank};
  for (uint32_t d = 0; d < rank; d++) {
    int64_t a = d + out->rank < rank ? 1 : out->dims[d + out->rank - rank];
    int64_t b = d + t->rank < rank ? 1 : t->dims[d + t->rank - rank];
    if (broadcast_dim(a, b, &wide.dims[d])) continue;
    char left[160], right[160];
    return mf_fail(err, MF_InvalidModel,
                   "shapes %s and %s do not broadcast: dimension %u from the back is %lld and %lld",
                   mf_tensor_describe(out, left, sizeof left),
                   mf_tensor_describe(t, right, sizeof right), rank - d, (long long)a, (long long)b);
  }
  out->rank = rank;
  memcpy(out->dims, wide.dims, sizeof wide.dims);
  return true;
}

bool mf_broadcast_shape(const mf_tensor *const *inputs, uint32_t n_inputs, mf_tensor *out,
                        mf_error *err) {
  mf_tensor wide = {.type = out->type, .rank = 0};
  bool known = true;
  for (uint32_t i = 0; i < n_inputs; i++) {
    if (!mf_ops_rank_known(inputs[i]))
      known = false;
    else if (!broadcast_into(&wide, inputs[i], err))
      return false;
  }
  if (!known) {
    out->rank = MF_RANK_UNKNOWN;
    return true;
  }
  out->rank = wide.rank;
  memcpy(out->dims, wide.dims, sizeof wide.dims);
  return true;
}
