// How much memory a dynamic model takes at a usual size: found out by running it once where it is compiled.
#ifndef MF_PIPELINE_MEASURE_H
#define MF_PIPELINE_MEASURE_H

#include "engine/engine.h"

// Bytes of heap beside mf_image_summary.arena_bytes that a run took with zeroes for inputs, 1 along unknown first dimensions and 224
// along other unknown ones (a picture's side, a text's length), else 1 along all. 0: such a run is not possible, or was not tried: static
// models, those that loop (their number of rounds is the input's to say), and those that read pictures or texts.
uint64_t mf_measure_usual_heap(const mf_image *image);
#endif
