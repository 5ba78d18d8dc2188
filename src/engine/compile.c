// The compiler's driver: passes, layout, image.
#include "compile.h"

#include "passes/passes.h"

bool mf_compile(mf_graph *graph, const mf_compile_options *options, mf_arena *arena, mf_slice *image, mf_error *err) {
  mf_layout layout;
  for (uint32_t i = 0; i < mf_n_passes; i++)
    if ((!options->reference || mf_passes[i].reference) && !mf_passes[i].run(graph, options, err)) return false;
  return mf_graph_sort(graph, err) && mf_pass_dead_code(graph, options, err) && mf_layout_make(graph, options, &layout, err) &&
         mf_image_write(&layout, arena, image, err);
}
