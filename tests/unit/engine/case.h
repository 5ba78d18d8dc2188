// Small models for the engine's tests: read from the folders that make_models.py makes, or built with the graph's own functions, then
// compiled, opened and run.
#ifndef TESTS_ENGINE_CASE_H
#define TESTS_ENGINE_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "engine/engine.h"

typedef struct engine_case {
  mf_arena arena;
  mf_slice bytes;           // of the image
  const mf_image *image;
  mf_instance *instance;
  void *memory;
} engine_case;

enum { CASE_MEMORY = 16 << 20 };

// Reads DIR/NAME/model.onnx; external data come from its folder.
mf_graph *case_read(engine_case *c, const char *dir, const char *name, mf_error *err);
bool case_compile(engine_case *c, mf_graph *graph, bool reference, mf_error *err);
bool case_start(engine_case *c, mf_error *err);
void case_free(engine_case *c);
// Reads DIR/NAME/KIND_K.pb; false if it is not there.
bool case_tensor(engine_case *c, const char *dir, const char *name, const char *kind, uint32_t k, mf_tensor *out);
void case_expect_equal(const char *what, const mf_tensor *actual, const mf_tensor *expected);

// Graphs by hand.
mf_value_id case_value(mf_graph *graph, const char *name, mf_type type, uint32_t rank, const int64_t *dims, void *data);
mf_value_id case_node(mf_graph *graph, const char *op, const char *result, const mf_value_id *inputs, uint32_t n_inputs);
#endif
