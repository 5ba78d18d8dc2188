// Hugging Face's preprocessor_config.json (an image processor's settings) and config.json (labels,
// kind of task), as transformers reads them: https://huggingface.co/docs/transformers, "Image
// Processor". What a class does when a setting is missing is in the table below. A setting that
// would change the picture and that we cannot follow is an error that names it.
#include <stdio.h>

#include "config.h"

typedef struct settings {
  mf_recipe *recipe;
  bool resize, crop, rescale, normalize, flip_channels, rescale_offset, include_top;
  double crop_pct, rescale_factor;
  uint32_t filter;
  uint32_t width, height, shortest_edge, crop_width, crop_height;
  uint32_t n_mean, n_std;
  double mean[MF_MAX_CHANNELS], std[MF_MAX_CHANNELS];
  bool size_is_square;  // an integer as size: both sides, not the shortest edge
} settings;

// Classes ("ViT" of ViTImageProcessor, ViTImageProcessorFast and ViTFeatureExtractor) and what they
// do by default.
typedef struct processor {
  const char *name;
  uint32_t square, shortest;  // resized to
  uint32_t crop;              // 0: not cropped
  uint32_t filter;
  bool normalize, square_sizes;
  double mean, std;
  bool convnext, flip, efficientnet;
} processor;
static const processor processors[] = {
    {"ViT", 224, 0, 0, MF_BILINEAR, true, true, 0.5, 0.5, false, false, false},
    {"Beit", 224, 0, 0, MF_BICUBIC, true, true, 0.5, 0.5, false, false, false},
    {"DeiT", 256, 0, 224, MF_BICUBIC, true, true, 0.5, 0.5, false, false, false},
    {"ConvNext", 0, 384, 0, MF_BILINEAR, true, false, 0.5, 0.5, true, false, false},
    {"MobileNetV1", 0, 256, 224, MF_BILINEAR, true, false, 0.5, 0.5, false, false, false},
    {"MobileNetV2", 0, 256, 224, MF_BILINEAR, true, false, 0.5, 0.5, false, false, false},
    {"MobileViT", 0, 224, 256, MF_BILINEAR, false, false, 0, 1, false, true, false},
    {"EfficientNet", 346, 0, 0, MF_NEAREST, true, true, 0.5, 0.5, false, false, true},
    {"Bit", 0, 224, 224, MF_BICUBIC, true, false, 0, 0, false, false,
     false},  // mean and std must be stated: CLIP's
    {"CLIP", 0, 224, 224, MF_BICUBIC, true, false, 0, 0, false, false, false},
    {"Siglip", 224, 0, 0, MF_BICUBIC, true, true, 0.5, 0.5, false, false, false},
};

static const processor *find_processor(const char *type) {
  static const char *const suffixes[] = {"ImageProcessor", "ImageProcessorFast",
                                         "FeatureExtractor"};
  for (size_t i = 0; i < MF_COUNT(processors); i++) {
    size_t n = strlen(processors[i].name);
    if (strncmp(type, processors[i].name, n) != 0) continue;
    for (size_t s = 0; s < MF_COUNT(suffixes); s++)
      if (strcmp(type + n, suffixes[s]) == 0) return &processors[i];
  }
  return NULL;
}

// ---- members ----

static bool read_filter(mf_config *c, json_t *value, void *into) {
  static const mf_resample filters[] = {MF_NEAREST, MF_LANCZOS, MF_BILINEAR, MF_BICUBIC};
  uint32_t *filter = into;
  json_int_t n = json_integer_value(value);
  if (!json_is_integer(value) || n < 0 || n > 3)
    return mf_config_fail(c, "expected 0 (nearest), 1 (lanczos), 2 (bilinear) or 3 (bicubic)");
  *filter = filters[n];
  return true;
}

#define SIDE(name, member) \
  { name, MF_MEMBER_INTEGER, offsetof(settings, member), 1, MF_MAX_SIDE, NULL, NULL }
static const mf_member size_members[] = {
    SIDE("width", width), SIDE("height", height), SIDE("shortest_edge", shortest_edge), {0}};
static const mf_member crop_members[] = {
    SIDE("width", crop_width), SIDE("height", crop_height), {0}};

static bool read_size(mf_config *c, json_t *value, void *into) {
  settings *s = into;
  json_int_t n = json_integer_value(value);
  s->width = s->height = s->shortest_edge = 0;
  if (json_is_integer(value)) {
    if (n < 1 || n > MF_MAX_SIDE) return mf_config_fail(c, "expected 1 to %d", MF_MAX_SIDE);
    if (s->size_is_square)
      s->width = s->height = (uint32_t)n;
    else
      s->shortest_edge = (uint32_t)n;
    return true;
  }
  c->strict = true;  // longest_edge and the like change the picture
  bool ok = mf_config_read(c, value, size_members, s);
  c->strict = false;
  if (!ok) return false;
  if (s->shortest_edge ? !s->width && !s->height : s->width && s->height) return true;
  return mf_config_fail(c, "expected width and height, or shortest_edge alone");
}

static bool read_crop(mf_config *c, json_t *value, void *into) {
  settings *s = into;
  json_int_t n = json_integer_value(value);
  if (json_is_integer(value) && n >= 1 && n <= MF_MAX_SIDE) {
    s->crop_width = s->crop_height = (uint32_t)n;
    return true;
  }
  s->crop_width = s->crop_height = 0;
  if (!mf_config_read(c, value, crop_members, s)) return false;
  return s->crop_width && s->crop_height ? true : mf_config_fail(c, "expected width and height");
}

static bool read_mean(mf_config *c, json_t *value, void *into) {
  settings *s = into;
  return json_is_null(value) || mf_config_numbers(c, value, s->mean, &s->n_mean);
}
static bool read_std(mf_config *c, json_t *value, void *into) {
  settings *s = into;
  if (json_is_null(value)) return true;
  if (!mf_config_numbers(c, value, s->std, &s->n_std)) return false;
  for (uint32_t i = 0; i < s->n_std; i++)
    if (s->std[i] == 0) return mf_config_fail(c, "a standard deviation cannot be 0");
  return true;
}

static bool read_flag(mf_config *c, json_t *value, void *into) {
  if (json_is_null(value)) return true;
  if (!json_is_boolean(value)) return mf_config_fail(c, "expected true or false");
  *(bool *)into = json_is_true(value);
  return true;
}

static bool refuse_true(mf_config *c, json_t *value, void *into) {
  (void)into;
  return json_is_true(value)
             ? mf_fail(c->err, MF_Unsupported, "%s: '%s' is not supported", c->file, c->place)
             : true;
}

#define FLAG(name, member) \
  { name, MF_MEMBER_OTHER, offsetof(settings, member), 0, 0, NULL, read_flag }
#define REFUSED(name) \
  { name, MF_MEMBER_OTHER, 0, 0, 0, NULL, refuse_true }
static const mf_member members[] = {
    FLAG("do_resize", resize),
    FLAG("do_center_crop", crop),
    FLAG("do_rescale", rescale),
    FLAG("do_normalize", normalize),
    FLAG("do_flip_channel_order", flip_channels),
    FLAG("rescale_offset", rescale_offset),
    FLAG("include_top", include_top),
    {"size", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_size},
    {"crop_size", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_crop},
    {"crop_pct", MF_MEMBER_NUMBER, offsetof(settings, crop_pct), 0.05, 1, NULL, NULL},
    {"resample", MF_MEMBER_OTHER, offsetof(settings, filter), 0, 0, NULL, read_filter},
    {"rescale_factor", MF_MEMBER_NUMBER, offsetof(settings, rescale_factor), 0, 1e6, NULL, NULL},
    {"image_mean", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_mean},
    {"image_std", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_std},
    REFUSED("do_pad"),
    REFUSED("do_thumbnail"),
    REFUSED("do_align_long_axis"),
    REFUSED("do_color_quantize"),
    REFUSED("do_image_splitting"),
    {0}};

// ---- settings to recipe ----

static settings defaults_of(const processor *p) {
  settings s = {.resize = true,
                .crop = p->crop > 0,
                .rescale = true,
                .normalize = p->normalize,
                .flip_channels = p->flip,
                .filter = p->filter,
                .include_top = p->efficientnet,
                .crop_pct = 224.0 / 256,
                .rescale_factor = 1.0 / 255,
                .width = p->square,
                .height = p->square,
                .shortest_edge = p->shortest,
                .size_is_square = p->square_sizes};
  s.crop_width = s.crop_height = p->crop           ? p->crop
                                 : p->efficientnet ? 289
                                 : p->square       ? p->square
                                                   : 224;
  s.n_mean = s.n_std = p->std != 0 ? 1 : 0;
  s.mean[0] = p->mean;
  s.std[0] = p->std;
  return s;
}

// Below 384 the picture is resized a little larger and the middle taken, from 384 on it is squeezed
// into the square.
static void convnext_size(settings *s) {
  uint32_t edge = s->shortest_edge;
  if (!edge) return;
  s->crop = edge < 384;
  if (!s->crop) {
    s->width = s->height = edge;
    s->shortest_edge = 0;
    return;
  }
  s->shortest_edge = (uint32_t)(edge / s->crop_pct);
  s->crop_width = s->crop_height = edge;
}

static void put_arithmetic(const settings *s, bool efficientnet, mf_picture_recipe *p) {
  p->scale = s->rescale ? s->rescale_factor : 1;
  p->n_mean = s->normalize ? s->n_mean : 0;
  p->n_std = s->normalize ? s->n_std : 0;
  memcpy(p->mean, s->mean, sizeof p->mean);
  memcpy(p->std, s->std, sizeof p->std);
  if (efficientnet && s->include_top)  // divides by std once more
    for (uint32_t i = 0; i < p->n_std; i++) p->std[i] *= p->std[i];
  if (!s->rescale || !s->rescale_offset) return;
  if (p->n_mean == 0) p->mean[p->n_mean++] = 0;
  for (uint32_t i = 0; i < p->n_mean; i++) p->mean[i] += 1;  // pixel * scale - 1
}

static void put_picture(const settings *s, bool efficientnet, mf_picture_recipe *p) {
  if (s->resize) {
    p->width = s->width;
    p->height = s->height;
    p->shortest_edge = s->shortest_edge;
    p->filter = s->filter;
  }
  if (s->crop) {
    p->crop_width = s->crop_width;
    p->crop_height = s->crop_height;
  }
  p->colour = s->flip_channels ? MF_COLOUR_BGR : MF_COLOUR_RGB;
  p->layout = MF_LAYOUT_NCHW;
  put_arithmetic(s, efficientnet, p);
}

static const char *text_member(json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

static bool read_preprocessor(mf_config *c, json_t *json, mf_recipe *recipe) {
  const char *type = text_member(json, "image_processor_type");
  if (!type) type = text_member(json, "feature_extractor_type");
  const processor *p = type ? find_processor(type) : NULL;
  if (!type) return mf_config_fail(c, "image_processor_type is missing");
  if (!p)
    return mf_fail(c->err, MF_Unsupported,
                   "%s: image processor '%.100s' is not supported; a mayfly.json can describe the "
                   "picture instead",
                   c->file, type);
  settings s = defaults_of(p);
  if (!mf_config_read(c, json, members, &s)) return false;
  if (s.normalize && (s.n_mean == 0 || s.n_std == 0))
    return mf_config_fail(c, "image_mean and image_std are missing");
  if (p->convnext && s.resize) convnext_size(&s);
  recipe->has_picture = true;
  put_picture(&s, p->efficientnet, &recipe->picture);
  return true;
}

// ---- config.json ----

static bool classifies(json_t *json) {
  json_t *list = json_object_get(json, "architectures"), *name;
  size_t i;
  if (!json_is_array(list)) return true;
  json_array_foreach(list, i,
                     name) if (json_is_string(name) &&
                               strstr(json_string_value(name), "ImageClassification")) return true;
  return false;
}

static bool read_config(mf_config *c, json_t *json, mf_recipe *recipe) {
  json_t *labels = json_object_get(json, "id2label");
  const char *problem = text_member(json, "problem_type");
  if (!labels || !classifies(json)) return true;
  snprintf(c->place, sizeof c->place, "id2label");
  if (!mf_config_labels(c, labels, &recipe->labels, &recipe->n_labels)) return false;
  bool each_alone =
      recipe->n_labels == 1 || (problem && strcmp(problem, "multi_label_classification") == 0);
  recipe->activation = each_alone ? MF_ACTIVATION_SIGMOID : MF_ACTIVATION_SOFTMAX;
  return true;
}

static bool read_file(mf_recipe *recipe, mf_archive *archive, const mf_archive_entry *entry,
                      const char *file, bool (*read)(mf_config *, json_t *, mf_recipe *),
                      mf_error *err) {
  mf_slice bytes;
  if (!mf_archive_read(archive, entry, &bytes, err)) return false;
  mf_config config = {.file = file,
                      .recipe = recipe,
                      .archive = archive,
                      .arena = archive->arena,
                      .folder = mf_path_folder(entry->name),
                      .err = err};
  OWN_JSON json_t *json = mf_config_parse(&config, bytes);
  return json && read(&config, json, recipe);
}

bool mf_recipe_read_hugging_face(mf_recipe *recipe, mf_archive *archive,
                                 const mf_archive_entry *preprocessor,
                                 const mf_archive_entry *config, mf_error *err) {
  if (!read_file(recipe, archive, preprocessor, "preprocessor_config.json", read_preprocessor, err))
    return false;
  return !config || read_file(recipe, archive, config, "config.json", read_config, err);
}
