// engine: from a graph to a model image, and from an image to a result. Pure: memory comes from the caller, no file, no socket,
// no thread, no state of its own; that makes it a library (libmayfly) and safe to reason about inside a sandbox.
//
//   mf_graph *graph = mf_onnx_read(model, &arena, NULL, NULL, NULL, &err);
//   mf_compile(graph, &(mf_compile_options){.isa = isa}, &arena, &image_bytes, &err);          // deploy time
//   mf_image_open(image_bytes, NULL, &image, &err);                                             // each instance
//   mf_instance *i = mf_instance_create(&image, memory, memory_bytes, &err);
//   mf_instance_input(i, 0) … fill …; mf_instance_run(i, &err); mf_instance_output(i, 0) … read …
//
// Thread rule: an image is immutable and shared freely; an instance belongs to one thread at a time.
#ifndef MF_ENGINE_ENGINE_H
#define MF_ENGINE_ENGINE_H

#include "graph.h"

// ---- compile ----
typedef struct mf_compile_options {
  mf_isa isa;
  bool reference;             // reference kernels only, no fusion: for `mayfly check --reference` and differential tests
  size_t fold_limit_bytes;    // constants made by folding may not exceed this in total (0: 256 MiB)
} mf_compile_options;
// Writes the image into the arena (64-byte aligned). The graph is consumed.
bool mf_compile(mf_graph *graph, const mf_compile_options *options, mf_arena *arena, mf_slice *image, mf_error *err) MF_MUST_CHECK;
#define MF_COMPILER_VERSION "3"  // part of an image's key in the store: raise it when images change

// ---- image ----
typedef struct mf_image mf_image;  // an opened image: pointers into the caller's mapping, validated
// Checks the header, every offset and the checksum of everything but the big constants. The image struct comes from the arena; bytes
// must be 64-byte aligned, stay mapped, and may be read-only. extra_operators as at compile time.
bool mf_image_open(mf_slice bytes, const mf_operator_table *extra_operators, mf_arena *arena, const mf_image **image, mf_error *err)
    MF_MUST_CHECK;
bool mf_image_verify(const mf_image *image, mf_error *err) MF_MUST_CHECK;  // checksum of the constants as well (reads them all)
bool mf_image_is(mf_slice first_bytes);                                    // starts with the image's magic?

typedef struct mf_signature_entry {
  mf_str name;
  mf_tensor shape;              // data NULL; unknown dimensions MF_DIM_UNKNOWN
  mf_str dim_names[MF_MAX_RANK];
} mf_signature_entry;
uint32_t mf_image_n_inputs(const mf_image *image);
uint32_t mf_image_n_outputs(const mf_image *image);
const mf_signature_entry *mf_image_input(const mf_image *image, uint32_t at);
const mf_signature_entry *mf_image_output(const mf_image *image, uint32_t at);
mf_slice mf_image_metadata(const mf_image *image);  // mf_graph.metadata
mf_isa mf_image_isa(const mf_image *image);
typedef struct mf_image_summary {
  uint64_t file_bytes, constant_bytes;
  // What mf_instance_create needs: tables and planned region, exactly. A run takes more from the heap behind it: inputs and values of
  // unknown size and their kernels' scratch memory (all of them known after a run: mf_instance_peak_bytes), and in static models the
  // temporary memory of the few kernels that ask for it as they go (sorting, control flow, some reference kernels).
  uint64_t arena_bytes;
  uint32_t n_nodes, n_values, n_plans;
  bool dynamic;                // some shapes are known only at run time
} mf_image_summary;
void mf_image_summarize(const mf_image *image, mf_image_summary *summary);
typedef struct mf_image_node {  // for `mayfly inspect`
  mf_str name;
  const mf_operator *op;
  const mf_kernel *kernel;
  uint32_t plan;
} mf_image_node;
bool mf_image_node_at(const mf_image *image, uint32_t at, mf_image_node *node);  // false: past the end

// ---- instance ----
typedef struct mf_instance mf_instance;
// Lives in the caller's memory (64-byte aligned; better 2 MiB): tables first, then the planned region, then the heap of dynamic
// values. OutOfMemory names the bytes needed and the bytes there.
mf_instance *mf_instance_create(const mf_image *image, void *memory, size_t bytes, mf_error *err) MF_MUST_CHECK;
// The input tensor. Static shape: data points into the arena, ready to fill. Else set rank/dims, then mf_instance_alloc_input gives
// data. Or point data (64-byte aligned not required) at memory of the caller's that lives until the run is over.
mf_tensor *mf_instance_input(mf_instance *instance, uint32_t at);
bool mf_instance_alloc_input(mf_instance *instance, uint32_t at, mf_error *err) MF_MUST_CHECK;
// Checks inputs against the signature (InvalidInput names input, expected and actual), runs, leaves outputs valid until the next run.
// A dynamic model's first run with inputs of some shapes infers shapes and lays out memory; the last few layouts are kept (kept.h).
bool mf_instance_run(mf_instance *instance, mf_error *err) MF_MUST_CHECK;
const mf_tensor *mf_instance_output(const mf_instance *instance, uint32_t at);
// Releases dynamic inputs and outputs of the last run (the next mf_instance_alloc_input does it too).
void mf_instance_reset(mf_instance *instance);
size_t mf_instance_peak_bytes(const mf_instance *instance);  // of the caller's memory, the most that was in use so far
const mf_image *mf_instance_image(const mf_instance *instance);
// Called before each node while set (NULL: off): for `mayfly bench --profile` and for tests.
typedef void mf_trace_fn(void *context, uint32_t node, int64_t start_ns);
void mf_instance_trace(mf_instance *instance, mf_trace_fn *trace, void *context);
#endif
