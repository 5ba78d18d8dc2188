// An instance's own: tables that live at the beginning of the caller's memory.
#ifndef MF_ENGINE_INSTANCE_H
#define MF_ENGINE_INSTANCE_H

#include "heap.h"
#include "kept.h"

typedef struct mf_run_node {
  mf_kernel_call call;              // call.run leads back to this node; kernels may work with a copy of the call
  mf_instance *instance;
  mf_kernel_fn *kernel;
  const mf_image_node_record *record;
  const mf_kernel *row;
  const mf_operator *op;
  const mf_tensor **shape_inputs;   // what shape functions see; call.inputs unless a constant is packed
  void *temporaries;                // heap blocks of this call, chained
  uint32_t open_plan;               // subgraph whose outputs are still there, 0: none
  uint32_t flags;                   // the record's, 0 where a kept layout spares the node what they stand for; MF_RUN_RECORD
  uint32_t n_releases;              // the record's, 0 where a kept layout has all of them
} mf_run_node;

struct mf_instance {
  const mf_image *image;
  mf_tensor *tensors;
  mf_run_node *nodes;
  mf_tensor *shape_outputs;         // of one node at a time
  uint8_t *planned;
  mf_heap heap;
  size_t fixed_bytes;               // tables and planned region
  mf_kept kept;
  bool ran;                         // since the inputs were last reset
  mf_trace_fn *trace;
  void *trace_context;
};

bool mf_run_plan(mf_instance *instance, uint32_t number, mf_error *err) MF_MUST_CHECK;
bool mf_no_room(const mf_instance *instance, size_t bytes, mf_error *err);  // OutOfMemory, returns false
bool mf_kernel_alloc_output(mf_kernel_call *call, uint32_t at, mf_error *err) MF_MUST_CHECK;
bool mf_kernel_run_subgraph(mf_kernel_call *call, uint32_t at, const mf_tensor *inputs, uint32_t n_inputs, mf_tensor *outputs,
                            uint32_t n_outputs, mf_error *err) MF_MUST_CHECK;
void *mf_kernel_alloc_temporary(mf_kernel_call *call, size_t bytes, mf_error *err) MF_MUST_CHECK;
#endif
