// Passes: what the compiler does to a graph between reading it and choosing kernels. mf_compile runs mf_passes in order; each pass
// may rely on topological order and on values' shapes being inferred, and leaves the graph so (mf_pass_infer completes new values).
// With options->reference only passes marked so run: the graph is then executed as the model states it.
#ifndef MF_ENGINE_PASSES_H
#define MF_ENGINE_PASSES_H

#include "../engine.h"

typedef bool mf_pass_fn(mf_graph *graph, const mf_compile_options *options, mf_error *err);

typedef struct mf_pass {
  const char *name;
  mf_pass_fn *run;
  bool reference;  // also for reference compiles
} mf_pass;

extern const mf_pass mf_passes[];
extern const uint32_t mf_n_passes;

// The compiler's own (src/engine/infer.c, dead.c): shapes, constant folding and Ifs that are decided; removal of what nobody uses.
mf_pass_fn mf_pass_infer, mf_pass_dead_code;
// This folder's, each described where it is defined.
mf_pass_fn mf_pass_forest, mf_pass_identity, mf_pass_shuffle, mf_pass_half, mf_pass_activations, mf_pass_fold_affine, mf_pass_linear, mf_pass_layout, mf_pass_fuse;
#endif
