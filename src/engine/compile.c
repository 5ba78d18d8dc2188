// The compiler's driver: passes, layout, image.
#include "compile.h"

#include "passes/passes.h"

// Models from before opset 7 are compiled as they stand: the passes know operators by name, with the broadcasting of today.
static bool before_opset_7(const mf_graph *graph) {
  for (uint32_t b = 0; b < graph->n_bodies; b++)
    for (uint32_t n = 0; n < graph->bodies[b]->n_nodes; n++) {
      const mf_node *node = graph->bodies[b]->nodes[n];
      if (node->op->domain[0] == 0 && node->opset < 7) return true;
    }
  return false;
}

bool mf_compile(mf_graph *graph, const mf_compile_options *options, mf_arena *arena, mf_slice *image, mf_error *err) {
  mf_layout layout;
  bool as_it_stands = options->reference || before_opset_7(graph);
  for (uint32_t i = 0; i < mf_n_passes; i++)
    if ((!as_it_stands || mf_passes[i].reference) && !mf_passes[i].run(graph, options, err)) return false;
  return mf_graph_sort(graph, err) && mf_pass_dead_code(graph, options, err) && mf_layout_make(graph, options, &layout, err) &&
         mf_image_write(&layout, arena, image, err);
}
