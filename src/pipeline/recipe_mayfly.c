// mayfly.json; docs/packages.md is its reference. Strict: what it does not know is an error.
#include "config.h"

#define AT(member) offsetof(mf_recipe, member)
#define SIDE(name, member) \
  { name, MF_MEMBER_INTEGER, offsetof(mf_picture_recipe, member), 1, MF_MAX_SIDE, NULL, NULL }

static const mf_choice filters[] = {{"nearest", MF_NEAREST},
                                    {"bilinear", MF_BILINEAR},
                                    {"bicubic", MF_BICUBIC},
                                    {"lanczos", MF_LANCZOS},
                                    {NULL, 0}};
static const mf_choice layouts[] = {{"NCHW", MF_LAYOUT_NCHW}, {"NHWC", MF_LAYOUT_NHWC}, {NULL, 0}};
static const mf_choice colours[] = {
    {"RGB", MF_COLOUR_RGB}, {"BGR", MF_COLOUR_BGR}, {"grey", MF_COLOUR_GREY}, {NULL, 0}};
static const mf_choice types[] = {{"float32", MF_FLOAT},  {"float16", MF_FLOAT16},
                                  {"float64", MF_DOUBLE}, {"uint8", MF_UINT8},
                                  {"int8", MF_INT8},      {NULL, 0}};

static const mf_member size_members[] = {
    SIDE("width", width), SIDE("height", height), SIDE("shortest_edge", shortest_edge), {0}};
static const mf_member crop_members[] = {
    SIDE("width", crop_width), SIDE("height", crop_height), {0}};

// An integer means a square.
static bool read_square(mf_config *c, json_t *value, uint32_t *width, uint32_t *height) {
  json_int_t n = json_integer_value(value);
  if (n < 1 || n > MF_MAX_SIDE)
    return mf_config_fail(c, "expected an integer from 1 to %d, or an object", MF_MAX_SIDE);
  *width = *height = (uint32_t)n;
  return true;
}

static bool read_size(mf_config *c, json_t *value, void *into) {
  mf_picture_recipe *p = into;
  if (json_is_integer(value)) return read_square(c, value, &p->width, &p->height);
  if (!mf_config_read(c, value, size_members, p)) return false;
  if (p->shortest_edge ? !p->width && !p->height : p->width && p->height) return true;
  return mf_config_fail(c, "expected width and height, or shortest_edge alone");
}

static bool read_crop(mf_config *c, json_t *value, void *into) {
  mf_picture_recipe *p = into;
  if (json_is_integer(value)) return read_square(c, value, &p->crop_width, &p->crop_height);
  if (!mf_config_read(c, value, crop_members, p)) return false;
  return p->crop_width && p->crop_height ? true : mf_config_fail(c, "expected width and height");
}

static bool read_mean(mf_config *c, json_t *value, void *into) {
  mf_picture_recipe *p = into;
  return mf_config_numbers(c, value, p->mean, &p->n_mean);
}

static bool read_std(mf_config *c, json_t *value, void *into) {
  mf_picture_recipe *p = into;
  if (!mf_config_numbers(c, value, p->std, &p->n_std)) return false;
  for (uint32_t i = 0; i < p->n_std; i++)
    if (p->std[i] == 0) return mf_config_fail(c, "a standard deviation cannot be 0");
  return true;
}

static const mf_member picture_members[] = {
    {"input", MF_MEMBER_TEXT, offsetof(mf_picture_recipe, input), 0, 0, NULL, NULL},
    {"size", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_size},
    {"resize", MF_MEMBER_CHOICE, offsetof(mf_picture_recipe, filter), 0, 0, filters, NULL},
    {"crop", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_crop},
    {"scale", MF_MEMBER_NUMBER, offsetof(mf_picture_recipe, scale), -1e6, 1e6, NULL, NULL},
    {"mean", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_mean},
    {"std", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_std},
    {"layout", MF_MEMBER_CHOICE, offsetof(mf_picture_recipe, layout), 0, 0, layouts, NULL},
    {"colour", MF_MEMBER_CHOICE, offsetof(mf_picture_recipe, colour), 0, 0, colours, NULL},
    {"dtype", MF_MEMBER_CHOICE, offsetof(mf_picture_recipe, type), 0, 0, types, NULL},
    {"max_pixels", MF_MEMBER_INTEGER, offsetof(mf_picture_recipe, max_pixels), 1, 1e9, NULL, NULL},
    {0}};

static bool read_picture(mf_config *c, json_t *value, void *into) {
  mf_recipe *recipe = into, fresh;
  mf_recipe_init(&fresh);
  recipe->picture = fresh.picture;
  recipe->has_picture = true;
  return mf_config_read(c, value, picture_members, &recipe->picture);
}

static bool path_of(mf_config *c, mf_str name, mf_str *path) {
  return mf_path_join(c->folder, name, c->arena, path, c->err) ||
         mf_wrap(c->err, "%s: %s", c->file, c->place);
}

static bool read_labels(mf_config *c, json_t *value, void *into) {
  mf_recipe *recipe = into;
  mf_str name, path;
  if (!json_is_string(value)) return mf_config_labels(c, value, &recipe->labels, &recipe->n_labels);
  if (!mf_config_text(c, value, &name)) return false;
  if (!path_of(c, name, &path)) return false;
  const mf_archive_entry *entry = mf_archive_find(c->archive, path);
  if (!entry) return mf_config_fail(c, "the package holds no file '%.200s'", path.data);
  return mf_labels_read(c->archive, entry, &recipe->labels, &recipe->n_labels, c->err);
}

static bool read_activation(mf_config *c, json_t *value, mf_recipe *recipe,
                            mf_activation activation) {
  if (!json_is_boolean(value)) return mf_config_fail(c, "expected true or false");
  if (json_is_true(value) && recipe->activation != MF_ACTIVATION_NONE &&
      recipe->activation != activation)
    return mf_config_fail(c, "softmax and sigmoid exclude each other");
  if (json_is_true(value)) recipe->activation = activation;
  return true;
}
static bool read_softmax(mf_config *c, json_t *value, void *into) {
  return read_activation(c, value, into, MF_ACTIVATION_SOFTMAX);
}
static bool read_sigmoid(mf_config *c, json_t *value, void *into) {
  return read_activation(c, value, into, MF_ACTIVATION_SIGMOID);
}

static const mf_member output_members[] = {
    {"name", MF_MEMBER_TEXT, AT(output), 0, 0, NULL, NULL},
    {"softmax", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_softmax},
    {"sigmoid", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_sigmoid},
    {"labels", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_labels},
    {"top_k", MF_MEMBER_INTEGER, AT(top_k), 1, 1000, NULL, NULL},
    {0}};

static bool read_output(mf_config *c, json_t *value, void *into) {
  mf_recipe *recipe = into;
  recipe->activation = MF_ACTIVATION_NONE;
  return mf_config_read(c, value, output_members, recipe);
}

static bool read_model(mf_config *c, json_t *value, void *into) {
  mf_recipe *recipe = into;
  mf_str name;
  if (!mf_config_text(c, value, &name)) return false;
  if (!path_of(c, name, &recipe->model)) return false;
  return mf_archive_find(c->archive, recipe->model)
             ? true
             : mf_config_fail(c, "the package holds no file '%.200s'", recipe->model.data);
}

static const mf_member top_members[] = {
    {"model", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_model},
    {"picture", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_picture},
    {"output", MF_MEMBER_OTHER, 0, 0, 0, NULL, read_output},
    {"memory", MF_MEMBER_INTEGER, AT(memory_mb), 128, 10240, NULL, NULL},
    {"timeout", MF_MEMBER_INTEGER, AT(timeout_s), 1, 900, NULL, NULL},
    {0}};

void mf_recipe_init(mf_recipe *recipe) {
  *recipe = (mf_recipe){
      .top_k = 5,
      .picture = {.filter = MF_BILINEAR, .scale = 1, .max_pixels = MF_DEFAULT_MAX_PIXELS}};
}

bool mf_recipe_read_mayfly(mf_recipe *recipe, mf_archive *archive, const mf_archive_entry *entry,
                           mf_error *err) {
  mf_slice bytes;
  if (!mf_archive_read(archive, entry, &bytes, err)) return false;
  mf_config config = {.file = "mayfly.json",
                      .strict = true,
                      .recipe = recipe,
                      .archive = archive,
                      .arena = archive->arena,
                      .folder = mf_path_folder(entry->name),
                      .err = err};
  OWN_JSON json_t *json = mf_config_parse(&config, bytes);
  return json && mf_config_read(&config, json, top_members, recipe);
}
