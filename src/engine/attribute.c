// Attributes that need more than a line to read: elements of a list of strings.
#include "attribute.h"

typedef struct string_record {
  uint64_t offset, length;
} string_record;

mf_str mf_attr_str_at(const mf_attributes *a, uint32_t at, uint32_t index) {
  const string_record *records = mf_attr_data(a, at);
  if (!records || index >= mf_attr_count(a, at)) return (mf_str){NULL, 0};
  return (mf_str){(const char *)(a->base + (uintptr_t)records[index].offset), (size_t)records[index].length};
}
