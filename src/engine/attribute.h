// Attributes of a node, by position. An operator's row names its attributes; readers resolve names to positions once, so that
// shape functions and kernels find them by number both in a graph at compile time and in a model image at run time.
// The record below is what the image holds (docs/image-format.md), with offsets from the image's start; in a graph base is 0 and
// the offset is the address.
#ifndef MF_ENGINE_ATTRIBUTE_H
#define MF_ENGINE_ATTRIBUTE_H

#include "tensor.h"

typedef enum mf_attribute_type {  // numbers as ONNX AttributeProto.AttributeType where it has one
  MF_ATTR_ABSENT = 0,
  MF_ATTR_FLOAT = 1,
  MF_ATTR_INT = 2,
  MF_ATTR_STRING = 3,   // bytes, count = length
  MF_ATTR_TENSOR = 4,   // offset of an mf_attribute_tensor
  MF_ATTR_GRAPH = 5,    // i = number of the subgraph (graph: index in mf_graph.subgraphs; image: plan number)
  MF_ATTR_FLOATS = 6,
  MF_ATTR_INTS = 7,
  MF_ATTR_STRINGS = 8,  // offset of count records {uint64 offset, uint64 length}
} mf_attribute_type;

typedef struct mf_attribute {
  uint32_t type;   // mf_attribute_type
  uint32_t count;  // elements of a list, bytes of a string, 1 otherwise
  union {
    int64_t i;
    float f;
    uint64_t offset;
  };
} mf_attribute;

typedef struct mf_attribute_tensor {
  uint32_t type, rank;
  int64_t dims[MF_MAX_RANK];
  uint64_t data_offset;  // strings: records as MF_ATTR_STRINGS
} mf_attribute_tensor;

typedef struct mf_attributes {
  uintptr_t base;
  const mf_attribute *list;  // one entry for each attribute of the operator's row, defaults filled in, optional ones maybe ABSENT
  uint32_t count;
} mf_attributes;

static inline bool mf_attr_has(const mf_attributes *a, uint32_t at) { return at < a->count && a->list[at].type != MF_ATTR_ABSENT; }
static inline int64_t mf_attr_int(const mf_attributes *a, uint32_t at) { return mf_attr_has(a, at) ? a->list[at].i : 0; }
static inline float mf_attr_float(const mf_attributes *a, uint32_t at) { return mf_attr_has(a, at) ? a->list[at].f : 0; }
static inline uint32_t mf_attr_count(const mf_attributes *a, uint32_t at) { return mf_attr_has(a, at) ? a->list[at].count : 0; }
static inline const void *mf_attr_data(const mf_attributes *a, uint32_t at) {
  return mf_attr_has(a, at) ? (const void *)(a->base + (uintptr_t)a->list[at].offset) : NULL;
}
static inline const int64_t *mf_attr_ints(const mf_attributes *a, uint32_t at) { return mf_attr_data(a, at); }
static inline const float *mf_attr_floats(const mf_attributes *a, uint32_t at) { return mf_attr_data(a, at); }
static inline mf_str mf_attr_str(const mf_attributes *a, uint32_t at) {
  return (mf_str){mf_attr_data(a, at), mf_attr_count(a, at)};
}
mf_str mf_attr_str_at(const mf_attributes *a, uint32_t at, uint32_t index);  // element of MF_ATTR_STRINGS
#endif
