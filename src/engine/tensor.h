// Tensor: element type, shape, data. Row-major (C order), no strides. A struct that one can print.
#ifndef MF_ENGINE_TENSOR_H
#define MF_ENGINE_TENSOR_H

#include "base/base.h"

// ONNX TensorProto.DataType; the numbers are the standard's.
typedef enum mf_type {
  MF_TYPE_UNKNOWN = 0,
  MF_FLOAT = 1,
  MF_UINT8 = 2,
  MF_INT8 = 3,
  MF_UINT16 = 4,
  MF_INT16 = 5,
  MF_INT32 = 6,
  MF_INT64 = 7,
  MF_STRING = 8,  // elements are mf_str
  MF_BOOL = 9,    // one byte, 0 or 1
  MF_FLOAT16 = 10,
  MF_DOUBLE = 11,
  MF_UINT32 = 12,
  MF_UINT64 = 13,
} mf_type;

enum { MF_MAX_RANK = 8 };
#define MF_DIM_UNKNOWN INT64_C(-1)    // a dimension that is known only when the model runs
#define MF_RANK_UNKNOWN UINT32_MAX    // so is the number of dimensions

typedef struct mf_tensor {
  mf_type type;
  uint32_t rank;              // 0: a scalar
  int64_t dims[MF_MAX_RANK];  // dims[rank..] are 0
  void *data;                 // aligned to 64 bytes inside the engine; NULL where only the shape is known
} mf_tensor;

size_t mf_type_size(mf_type type);                // bytes of an element, 0 for an unknown type
const char *mf_type_name(mf_type type);           // "float32", "int64", "string", … as numpy writes them
bool mf_tensor_is_static(const mf_tensor *t);     // type, rank and every dimension known
// Product of dims [from, to); 1 for none. Dims must be known. Saturates at INT64_MAX on overflow.
int64_t mf_tensor_span(const mf_tensor *t, uint32_t from, uint32_t to);
static inline int64_t mf_tensor_count(const mf_tensor *t) { return mf_tensor_span(t, 0, t->rank); }
// Bytes of the data; false when they overflow or a dimension is negative.
bool mf_tensor_bytes(const mf_tensor *t, size_t *bytes) MF_MUST_CHECK;
bool mf_tensor_same_shape(const mf_tensor *a, const mf_tensor *b);
// "float32[1,3,224,224]", "?" for what is unknown. Returns text.
const char *mf_tensor_describe(const mf_tensor *t, char *text, size_t size);

float mf_half_to_float(uint16_t half);
uint16_t mf_float_to_half(float value);  // round to nearest even
#endif
