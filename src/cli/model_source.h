// Models, tensors and where they come from, for the commands that run them without a server. Files are opened and mapped before the
// sandbox is entered; what is in them is looked at inside it only.
#ifndef MF_CLI_MODEL_SOURCE_H
#define MF_CLI_MODEL_SOURCE_H

#include "engine/engine.h"

typedef struct model_file {
  const char *name;   // relative to the model's folder
  mf_slice bytes;     // mapped until the program ends
} model_file;

typedef struct model_source {
  const char *path;
  mf_slice bytes;
  model_file *files;  // beside the model: external data
  uint32_t n_files;
} model_source;

enum { MODEL_RANK_TEXT = 512 };

bool model_map_file(const char *path, mf_slice *bytes, mf_error *err) MF_MUST_CHECK;
// Maps the model and the files of its folder (not those of test data sets). Memory from the arena and the mappings.
bool model_source_open(model_source *source, const char *path, mf_arena *arena, mf_error *err) MF_MUST_CHECK;

// ---- inside the sandbox ----
typedef struct model_run {
  const mf_image *image;
  mf_slice bytes;          // of the image
  mf_instance *instance;
  size_t memory_bytes;
  bool compiled;           // was a model, not an image
} model_run;
// Reads an image or compiles a model.
bool model_load(const model_source *source, bool reference, mf_arena *arena, model_run *run, mf_error *err) MF_MUST_CHECK;
// Memory for a run: what the plan needs and room for dynamic values, mapped but not touched.
bool model_start(model_run *run, mf_error *err) MF_MUST_CHECK;
// Sets input `at` to this tensor (its data stay where they are).
bool model_set_input(model_run *run, uint32_t at, const mf_tensor *tensor, mf_error *err) MF_MUST_CHECK;

// A tensor from a .npy (NumPy, NEP 1) or a .pb file (ONNX TensorProto), told apart by content.
bool model_read_tensor(mf_slice bytes, mf_arena *arena, mf_tensor *out, mf_error *err) MF_MUST_CHECK;
bool model_write_npy(const mf_tensor *tensor, mf_buf *out, mf_error *err) MF_MUST_CHECK;

typedef struct model_tolerance {
  double relative, absolute;
} model_tolerance;
// |actual - expected| <= absolute + relative * |expected|; NaN equals NaN; integers, booleans and strings are exact.
bool model_compare(const mf_tensor *actual, const mf_tensor *expected, model_tolerance tolerance, mf_error *err) MF_MUST_CHECK;

// "float32['batch',3,224,224]"
const char *model_describe(const mf_signature_entry *entry, char *text, size_t size);
#endif
