// Runs an opened image once on small inputs of its signature, within little memory and a bounded
// number of nodes.
#ifndef TESTS_FUZZ_SMALL_RUN_H
#define TESTS_FUZZ_SMALL_RUN_H

#include <stdlib.h>

#include "engine/engine.h"

static inline void must(bool ok) {
  if (!ok) abort();
}

// An instance is made in memory of exactly this size and filled and run if it fits; a failure must
// have a message.
void small_run(const mf_image *image);
#endif
