// What a package says beside its model: how a picture becomes the model's input, what the answer
// looks like, memory and timeout. Read from mayfly.json, or from Hugging Face's
// preprocessor_config.json and config.json, into the same struct; attach.c turns it into graph
// nodes.
#ifndef MF_PIPELINE_RECIPE_H
#define MF_PIPELINE_RECIPE_H

#include "archive.h"
#include "picture_ops.h"

typedef enum mf_layout { MF_LAYOUT_OF_MODEL, MF_LAYOUT_NCHW, MF_LAYOUT_NHWC } mf_layout;
typedef enum mf_colour { MF_COLOUR_RGB, MF_COLOUR_BGR, MF_COLOUR_GREY } mf_colour;
typedef enum mf_activation {
  MF_ACTIVATION_NONE,
  MF_ACTIVATION_SOFTMAX,
  MF_ACTIVATION_SIGMOID
} mf_activation;
enum { MF_MAX_CHANNELS = 3 };

typedef struct mf_picture_recipe {
  mf_str input;                      // of the model; empty: its only one
  uint32_t width, height;            // resized to; 0: not
  uint32_t shortest_edge;            // instead of width and height
  uint32_t filter;                   // mf_resample
  uint32_t crop_width, crop_height;  // 0: not cropped
  uint32_t layout, colour;           // mf_layout, mf_colour
  uint32_t type;                     // mf_type, 0: the model's
  uint32_t max_pixels;
  double scale;
  uint32_t n_mean, n_std;  // 0, 1 or one for each channel
  double mean[MF_MAX_CHANNELS], std[MF_MAX_CHANNELS];
} mf_picture_recipe;

typedef struct mf_recipe {
  mf_str model;  // path of the .onnx in the package, empty: not stated
  bool has_picture;
  mf_picture_recipe picture;
  mf_str output;        // whose scores are labelled, empty: "logits" or the first
  uint32_t activation;  // mf_activation
  const mf_str *labels;
  uint32_t n_labels, top_k;
  uint32_t memory_mb, timeout_s;  // 0: not stated
} mf_recipe;

void mf_recipe_init(mf_recipe *recipe);
// `name`: of mayfly.json in the archive; files that it names are beside it or below.
bool mf_recipe_read_mayfly(mf_recipe *recipe, mf_archive *archive, const mf_archive_entry *entry,
                           mf_error *err) MF_MUST_CHECK;
// config may be NULL.
bool mf_recipe_read_hugging_face(mf_recipe *recipe, mf_archive *archive,
                                 const mf_archive_entry *preprocessor,
                                 const mf_archive_entry *config, mf_error *err) MF_MUST_CHECK;
// A text file with one label a line ("tench" or "0,tench"), or JSON: a list, or an object {"0":
// "tench", …}.
bool mf_labels_read(mf_archive *archive, const mf_archive_entry *entry, const mf_str **labels,
                    uint32_t *n, mf_error *err) MF_MUST_CHECK;
#endif
