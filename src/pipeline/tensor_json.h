// JSON arrays to tensors and back. Reading is strict: every row as long as its neighbours, every
// number inside its type, and what does not fit is named with its place ("input 'x': row [0][3] has
// 2 elements, expected 4").
#ifndef MF_PIPELINE_TENSOR_JSON_H
#define MF_PIPELINE_TENSOR_JSON_H

#include "engine/engine.h"
#include "json.h"

// The shape of the value at the cursor, by the first element of each level; a rank above
// MF_MAX_RANK is refused. The cursor stays.
typedef struct mf_json_shape {
  uint32_t rank;
  int64_t dims[MF_MAX_RANK];
  bool empty;  // the innermost array seen has no elements: what is below it is not known
} mf_json_shape;
bool mf_json_measure(const mf_json *json, mf_str input, mf_json_shape *shape,
                     mf_error *err) MF_MUST_CHECK;
// The rank alone: the number of brackets that the value opens with.
uint32_t mf_json_rank(const mf_json *json);

// Reads the value at the cursor into target->data; target's type and dims are known. Texts point
// into the payload, or into `texts` where they had to be unescaped. row: where the value stands in
// a list of rows, for messages; -1: it is no row.
bool mf_json_read_tensor(mf_json *json, const mf_tensor *target, mf_str input, int64_t row,
                         mf_arena *texts, mf_error *err) MF_MUST_CHECK;

// Text that is written into memory of a fixed size. What does not fit sets `full` and is dropped.
typedef struct mf_json_out {
  char *at, *end;
  bool full;
} mf_json_out;
void mf_json_put(mf_json_out *out, mf_str text);
void mf_json_put_quoted(mf_json_out *out, mf_str text);
void mf_json_put_float(mf_json_out *out, float value);
// Nested arrays; rows_only leaves out the outermost brackets, so that several tensors can be
// written as one.
void mf_json_put_tensor(mf_json_out *out, const mf_tensor *tensor, bool rows_only);
#endif
