// The model image: records as they lie in the file. docs/image-format.md describes them byte by byte; this header is the same in C.
// All numbers are little-endian; offsets count from the image's start; nothing is relocated when an image is mapped.
#ifndef MF_ENGINE_IMAGE_H
#define MF_ENGINE_IMAGE_H

#include <assert.h>

#include "engine.h"

#define MF_IMAGE_MAGIC "\x89MAYFLY\n"
enum {
  MF_IMAGE_VERSION = 2,
  MF_IMAGE_ALIGNMENT = 64,
  MF_IMAGE_PAGE = 4096,                    // what big constants are aligned to
  MF_IMAGE_HUGE = 2 * 1024 * 1024,         // a big image ends at a multiple of it, so that the page cache maps all of it in huge pages
};
#define MF_IMAGE_ABSENT UINT32_MAX

typedef enum mf_section {
  MF_SECTION_KERNELS,
  MF_SECTION_VALUES,
  MF_SECTION_PLANS,
  MF_SECTION_NODES,
  MF_SECTION_IDS,
  MF_SECTION_ATTRIBUTES,
  MF_SECTION_SIGNATURE,
  MF_SECTION_TEXT,      // bytes
  MF_SECTION_DATA,      // bytes: what attributes and string constants point to
  MF_SECTION_METADATA,  // bytes: mf_graph.metadata
  MF_SECTION_COUNT
} mf_section;

typedef struct mf_image_section {
  uint64_t offset;
  uint32_t count, record_bytes;
} mf_image_section;

typedef struct mf_image_header {
  char magic[8];
  uint32_t version, isa;
  uint64_t file_bytes;
  uint64_t metadata_hash;   // mf_image_metadata_hash
  uint64_t metadata_bytes;  // header, records, text, data
  uint64_t constants_offset, constants_bytes, constants_hash;
  uint64_t planned_bytes;   // of the arena
  char compiler[16];        // MF_COMPILER_VERSION
  uint32_t n_inputs, n_outputs;  // of the signature: inputs first
  mf_image_section sections[MF_SECTION_COUNT];
} mf_image_header;
static_assert(sizeof(mf_image_header) == 256, "as documented");
enum { MF_IMAGE_HASH_FROM = 32 };

typedef struct mf_image_text {
  uint32_t offset, length;  // in MF_SECTION_TEXT
} mf_image_text;

typedef struct mf_image_kernel {
  uint32_t table, row, kernel, unused;  // table 0: built in, 1: extra operators
  mf_image_text domain, op, name;
} mf_image_kernel;
static_assert(sizeof(mf_image_kernel) == 40, "as documented");

typedef enum mf_storage {
  MF_STORAGE_HEAP = 0,      // allocated when it is made
  MF_STORAGE_PLANNED = 1,   // offset in the planned region
  MF_STORAGE_CONSTANT = 2,  // offset in the image
  MF_STORAGE_BOUND = 3,     // given by the caller: graph inputs of unknown shape, inputs of subgraphs
  MF_STORAGE_SHAPE = 4,     // type and shape only: what a packed constant was
} mf_storage;

typedef struct mf_image_value {
  uint32_t type, rank;      // rank UINT32_MAX: unknown
  int64_t dims[MF_MAX_RANK];
  uint64_t offset;
  uint32_t storage;
  uint32_t shape_of;        // packed constants: the value of storage SHAPE that shape functions see; else MF_IMAGE_ABSENT
} mf_image_value;
static_assert(sizeof(mf_image_value) == 88, "as documented");

typedef struct mf_image_plan {
  uint32_t first_node, n_nodes;
  uint32_t inputs, n_inputs;    // ids
  uint32_t outputs, n_outputs;  // ids
  uint32_t releases, n_releases;  // ids: heap values that outlive the plan's nodes, freed once its outputs were taken
} mf_image_plan;
static_assert(sizeof(mf_image_plan) == 32, "as documented");

typedef enum mf_node_flags {
  MF_NODE_SHAPE = 1,    // some input or output is not static: the shape function runs before the kernel
  MF_NODE_SELF = 2,     // the kernel sets its outputs' shapes (MF_OP_SHAPES_ITSELF)
  MF_NODE_ALIAS = 4,    // output 0 is input 0's memory: no kernel
  MF_NODE_INPLACE = 8,  // output 0 takes over input 0's heap block if they are of one size
} mf_node_flags;

typedef struct mf_image_node_record {
  uint32_t kernel, flags;
  int64_t opset;
  uint32_t inputs, n_inputs, outputs, n_outputs;  // ids; MF_IMAGE_ABSENT: left out
  uint32_t attributes, n_attributes;
  uint32_t releases, n_releases;                  // ids: heap values whose last use this node is
  uint64_t scratch_offset, scratch_bytes;         // in the planned region; nodes with MF_NODE_SHAPE ask at run time
  mf_image_text name;
} mf_image_node_record;
static_assert(sizeof(mf_image_node_record) == 72, "as documented");

typedef struct mf_image_signature {
  mf_image_text name;
  uint32_t type, rank;
  int64_t dims[MF_MAX_RANK];
  mf_image_text dim_names[MF_MAX_RANK];
} mf_image_signature;
static_assert(sizeof(mf_image_signature) == 144, "as documented");

typedef struct mf_image_string {
  uint64_t offset, length;
} mf_image_string;

// An opened image. Everything it points to was checked.
struct mf_image {
  const uint8_t *base;
  const mf_image_header *header;
  const mf_image_kernel *kernel_records;
  const mf_image_value *values;
  const mf_image_plan *plans;
  const mf_image_node_record *nodes;
  const uint32_t *ids;
  const mf_attribute *attributes;
  uint32_t n_kernels, n_values, n_plans, n_nodes, n_ids, n_attributes;
  const mf_kernel **kernels;      // by kernel record
  const mf_operator **operators;
  mf_signature_entry *signature;  // inputs, then outputs
  uint64_t n_strings;             // elements of all string constants
  uint64_t texts_bytes;           // where planned texts end: they lie first in the planned region
  uint32_t most_outputs;          // of a node
  bool dynamic;
};

static inline const mf_image_section *mf_image_section_of(const mf_image *image, mf_section section) {
  return &image->header->sections[section];
}
uint64_t mf_image_metadata_hash(const void *image, uint64_t metadata_bytes);
static inline mf_str mf_image_text_of(const mf_image *image, mf_image_text text) {
  return (mf_str){(const char *)image->base + mf_image_section_of(image, MF_SECTION_TEXT)->offset + text.offset, text.length};
}
static inline mf_tensor mf_image_tensor(const mf_image_value *value) {
  mf_tensor t = {.type = (mf_type)value->type, .rank = value->rank};
  memcpy(t.dims, value->dims, sizeof t.dims);
  return t;
}
size_t mf_instance_table_bytes(const mf_image *image);
#endif
