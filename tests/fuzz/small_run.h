// Runs an opened image on small inputs of its signature, within little memory and a bounded
// number of nodes.
#ifndef TESTS_FUZZ_SMALL_RUN_H
#define TESTS_FUZZ_SMALL_RUN_H

#include <stdlib.h>

#include "engine/engine.h"

static inline void must(bool ok) {
  if (!ok) abort();
}

// Several sizes, in turn. A failure must have a message; `compare`: the same inputs must give the
// same answer again.
void small_run(const mf_image *image, bool compare);
#endif
