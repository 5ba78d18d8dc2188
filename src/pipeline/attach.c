// Nodes before and behind a model.
#include "attach.h"

#include "answer_form.h"

enum { SOFTMAX_OPSET = 13, PICTURE_OPSET = 1 };

static mf_named_attribute integer(const char *name, int64_t value) {
  return (mf_named_attribute){name, {MF_ATTR_INT, 1, {.i = value}}};
}
static mf_named_attribute text(const char *name, const char *value) {
  return (mf_named_attribute){
      name, {MF_ATTR_STRING, (uint32_t)strlen(value), {.offset = (uint64_t)(uintptr_t)value}}};
}
static mf_named_attribute reals(const char *name, const float *values, uint32_t n) {
  return (mf_named_attribute){name, {MF_ATTR_FLOATS, n, {.offset = (uint64_t)(uintptr_t)values}}};
}

// ---- the model's input ----

typedef struct picture {
  mf_recipe *recipe;
  mf_graph *graph;
  uint32_t input;      // its position
  mf_value_id tensor;  // its value
  bool batch, last;    // a first dimension; channels in the last one
  int64_t channels;
  uint32_t position;  // of the next node
  mf_error *err;
} picture;

static mf_str value_name(const mf_graph *graph, mf_value_id id) { return graph->values[id].name; }

static bool misfit(const picture *p, const char *what) {
  char shape[160];
  return mf_fail(p->err, MF_InvalidPackage, "input '%.*s' is %s: %s",
                 MF_STR_ARG(value_name(p->graph, p->tensor)),
                 mf_tensor_describe(&p->graph->values[p->tensor].tensor, shape, sizeof shape),
                 what);
}

static bool find_position(const mf_graph *graph, const mf_value_id *ids, uint32_t n, mf_str name,
                          uint32_t *at) {
  for (*at = 0; *at < n; ++*at)
    if (mf_str_equal(value_name(graph, ids[*at]), name)) return true;
  return false;
}

static bool find_input(picture *p) {
  const mf_body *body = p->graph->bodies[0];
  mf_str wanted = p->recipe->picture.input;
  if (wanted.len == 0 && body->n_inputs != 1)
    return mf_fail(
        p->err, MF_InvalidPackage,
        "the model has %u inputs: \"picture\": {\"input\": …} must say which one takes the picture",
        body->n_inputs);
  if (wanted.len > 0 && !find_position(p->graph, body->inputs, body->n_inputs, wanted, &p->input))
    return mf_fail(p->err, MF_InvalidPackage, "picture.input: the model has no input '%.*s'",
                   MF_STR_ARG(wanted));
  p->tensor = body->inputs[p->input];
  return true;
}

static bool is_channels(int64_t dim) { return dim == 1 || dim == 3; }

// Where the channels are: as the recipe says, else where the model's shape has 1 or 3.
static bool find_layout(picture *p) {
  const mf_tensor *t = &p->graph->values[p->tensor].tensor;
  if (t->rank != 3 && t->rank != 4)
    return misfit(p, "a picture needs 3 dimensions, or 4 with the first one for several pictures");
  p->batch = t->rank == 4;
  if (p->batch && t->dims[0] != MF_DIM_UNKNOWN && t->dims[0] != 1)
    return misfit(p, "one picture is sent at a time, so the first dimension must be 1 or open");
  int64_t first = t->dims[p->batch], end = t->dims[p->batch + 2];
  uint32_t layout = p->recipe->picture.layout;
  if (layout == MF_LAYOUT_OF_MODEL && !is_channels(first) && !is_channels(end))
    return misfit(p, "picture.layout must say NCHW or NHWC");
  p->last = layout == MF_LAYOUT_OF_MODEL ? !is_channels(first) : layout == MF_LAYOUT_NHWC;
  p->recipe->picture.layout = p->last ? MF_LAYOUT_NHWC : MF_LAYOUT_NCHW;
  int64_t stated = p->last ? end : first;
  p->channels = p->recipe->picture.colour == MF_COLOUR_GREY ? 1 : 3;
  if (stated == 1 && p->recipe->picture.colour == MF_COLOUR_RGB)
    p->channels = 1, p->recipe->picture.colour = MF_COLOUR_GREY;
  if (stated == MF_DIM_UNKNOWN || stated == p->channels) return true;
  return misfit(p, p->channels == 1 ? "a grey picture has one channel"
                                    : "a colour picture has three channels");
}

static bool check_sides(picture *p) {
  mf_picture_recipe *r = &p->recipe->picture;
  const mf_tensor *t = &p->graph->values[p->tensor].tensor;
  int64_t wanted_height = t->dims[p->batch + !p->last],
          wanted_width = t->dims[p->batch + 1 + !p->last];
  bool open = !r->width && !r->shortest_edge && !r->crop_width;
  if (open && wanted_height > 0 && wanted_width > 0 && wanted_height <= MF_MAX_SIDE &&
      wanted_width <= MF_MAX_SIDE) {
    r->height = (uint32_t)wanted_height;  // nothing said: what the model takes
    r->width = (uint32_t)wanted_width;
  }
  int64_t height = r->crop_height ? r->crop_height : r->height,
          width = r->crop_width ? r->crop_width : r->width;
  if (!height && wanted_height != MF_DIM_UNKNOWN)
    return misfit(p, "the picture's size is open; picture.size or picture.crop must say it");
  bool fits = (!height || wanted_height == MF_DIM_UNKNOWN || height == wanted_height) &&
              (!width || wanted_width == MF_DIM_UNKNOWN || width == wanted_width);
  return fits ? true : misfit(p, "the picture is made to another size");
}

static bool check_type(picture *p) {
  mf_picture_recipe *r = &p->recipe->picture;
  mf_type type = p->graph->values[p->tensor].tensor.type;
  if (r->type == 0) r->type = type;
  if (r->type != (uint32_t)type) return misfit(p, "picture.dtype says another type");
  bool possible = type == MF_FLOAT || type == MF_FLOAT16 || type == MF_DOUBLE || type == MF_UINT8 ||
                  type == MF_INT8;
  if (!possible) return misfit(p, "pictures become float32, float16, float64, uint8 or int8");
  bool lists = (r->n_mean <= 1 || r->n_mean == (uint32_t)p->channels) &&
               (r->n_std <= 1 || r->n_std == (uint32_t)p->channels);
  return lists ? true : misfit(p, "mean and std need one number, or one for each channel");
}

// ---- nodes in front ----

static bool add_pixels(picture *p, const char *op, const mf_named_attribute *attributes, uint32_t n,
                       mf_value_id *value) {
  const mf_tensor pixels = {
      .type = MF_UINT8, .rank = 3, .dims = {MF_DIM_UNKNOWN, MF_DIM_UNKNOWN, p->channels}};
  mf_value_id out;
  char name[64] = "picture/";
  memcpy(name + 8, op, MF_MIN(strlen(op), sizeof name - 9));
  if (!mf_graph_add_value(p->graph, mf_str_from(name), &pixels, &out, p->err)) return false;
  if (!mf_graph_add_node(p->graph, 0, p->position++, "mayfly", op, PICTURE_OPSET, mf_str_from(name),
                         value, 1, &out, 1, attributes, n, p->err))
    return false;
  *value = out;
  return true;
}

static bool add_geometry(picture *p, mf_value_id *value) {
  const mf_picture_recipe *r = &p->recipe->picture;
  const mf_named_attribute decode[] = {integer("channels", p->channels),
                                       integer("max_pixels", r->max_pixels)};
  const mf_named_attribute resize[] = {text("filter", mf_resample_name((mf_resample)r->filter)),
                                       integer("width", r->width), integer("height", r->height),
                                       integer("shortest_edge", r->shortest_edge)};
  const mf_named_attribute crop[] = {integer("width", r->crop_width),
                                     integer("height", r->crop_height)};
  if (!add_pixels(p, "DecodeImage", decode, MF_COUNT(decode), value)) return false;
  if ((r->width || r->shortest_edge) &&
      !add_pixels(p, "ResizeImage", resize, MF_COUNT(resize), value))
    return false;
  return !r->crop_width || add_pixels(p, "CenterCrop", crop, MF_COUNT(crop), value);
}

static bool add_arithmetic(picture *p, mf_value_id pixels) {
  const mf_picture_recipe *r = &p->recipe->picture;
  float scale = (float)r->scale, mean[MF_MAX_CHANNELS], std[MF_MAX_CHANNELS];
  for (uint32_t i = 0; i < MF_MAX_CHANNELS; i++)
    mean[i] = (float)r->mean[i], std[i] = (float)r->std[i];
  mf_named_attribute attributes[8] = {text("layout", p->last ? "NHWC" : "NCHW"),
                                      text("order", r->colour == MF_COLOUR_BGR ? "BGR" : "RGB"),
                                      integer("to", r->type), integer("batch", p->batch),
                                      reals("scale", &scale, 1)};
  uint32_t n = 5;
  if (r->n_mean) attributes[n++] = reals("mean", mean, r->n_mean);
  if (r->n_std) attributes[n++] = reals("std", std, r->n_std);
  return mf_graph_add_node(p->graph, 0, p->position++, "mayfly", "ImageToTensor", PICTURE_OPSET,
                           MF_STR("picture/ImageToTensor"), &pixels, 1, &p->tensor, 1, attributes,
                           n, p->err);
}

// The function's input keeps the model's name for it; the tensor that it becomes gets another.
static bool add_bytes(picture *p, mf_value_id *bytes) {
  const mf_tensor shape = {.type = MF_UINT8, .rank = 1, .dims = {MF_DIM_UNKNOWN}};
  mf_str name = value_name(p->graph, p->tensor);
  if (!mf_graph_add_value(p->graph, name, &shape, bytes, p->err)) return false;
  p->graph->values[p->tensor].name = MF_STR("picture/tensor");
  mf_str *dim_names = MF_NEW_ARRAY(p->graph->arena, mf_str, 1);
  if (!dim_names) return mf_fail(p->err, MF_OutOfMemory, "the compiler's memory is exhausted");
  dim_names[0] = MF_STR("bytes");
  p->graph->values[*bytes].dim_names = dim_names;
  mf_body *body = p->graph->bodies[0];
  body->inputs[p->input] = *bytes;
  return true;
}

static bool attach_picture(mf_recipe *recipe, mf_graph *graph, uint32_t *input, mf_error *err) {
  picture p = {.recipe = recipe, .graph = graph, .err = err};
  mf_value_id value;
  if (!find_input(&p) || !find_layout(&p) || !check_sides(&p) || !check_type(&p)) return false;
  *input = p.input;
  return add_bytes(&p, &value) && add_geometry(&p, &value) && add_arithmetic(&p, value);
}

// ---- nodes behind ----

static bool find_scores(const mf_recipe *recipe, const mf_graph *graph, uint32_t *at,
                        mf_error *err) {
  const mf_body *body = graph->bodies[0];
  if (body->n_outputs == 0) return mf_fail(err, MF_InvalidPackage, "the model has no outputs");
  if (recipe->output.len == 0) {
    if (!find_position(graph, body->outputs, body->n_outputs, MF_STR("logits"), at)) *at = 0;
    return true;
  }
  if (find_position(graph, body->outputs, body->n_outputs, recipe->output, at)) return true;
  return mf_fail(err, MF_InvalidPackage, "output.name: the model has no output '%.*s'",
                 MF_STR_ARG(recipe->output));
}

static bool append(mf_graph *graph, const char *op, const mf_named_attribute *attribute,
                   mf_type type, mf_value_id *value, mf_error *err) {
  mf_tensor shape = graph->values[*value].tensor;
  shape.type = type;
  shape.data = NULL;
  mf_str name = value_name(graph, *value);
  mf_value_id out;
  if (!mf_graph_add_value(graph, name, &shape, &out, err)) return false;
  graph->values[out].declared = graph->values[*value].declared;
  graph->values[out].declared.type = type;
  graph->values[out].dim_names = graph->values[*value].dim_names;
  graph->values[*value].name = MF_STR("answer/raw");
  if (!mf_graph_add_node(graph, 0, UINT32_MAX, "", op, SOFTMAX_OPSET, mf_str_from(op), value, 1,
                         &out, 1, attribute, attribute ? 1 : 0, err))
    return false;
  *value = out;
  return true;
}

// What is known of the shape of scores, without the ones behind the classes that convolutional
// classifiers leave ([1,1000,1,1]).
static mf_tensor scores_shape(const mf_graph *graph, mf_value_id scores) {
  mf_tensor t = graph->values[scores].tensor;
  if (t.rank == MF_RANK_UNKNOWN) t = graph->values[scores].declared;
  if (t.rank == MF_RANK_UNKNOWN) return t;
  while (t.rank > 2 && t.dims[t.rank - 1] == 1) t.rank--;
  return t;
}

static bool check_labels(const mf_recipe *recipe, const mf_graph *graph, mf_value_id scores,
                         mf_error *err) {
  const mf_tensor t = scores_shape(graph, scores);
  if (recipe->n_labels == 0 || t.rank == MF_RANK_UNKNOWN || t.rank == 0) return true;
  int64_t classes = t.dims[t.rank - 1];
  if (classes == MF_DIM_UNKNOWN || classes == (int64_t)recipe->n_labels) return true;
  return mf_fail(err, MF_InvalidPackage, "there are %u labels, but output '%.*s' has %lld classes",
                 recipe->n_labels, MF_STR_ARG(value_name(graph, scores)), (long long)classes);
}

static bool attach_answer(const mf_recipe *recipe, mf_graph *graph, mf_error *err) {
  bool labels = recipe->n_labels > 0;
  if (!labels && recipe->activation == MF_ACTIVATION_NONE) return true;
  mf_body *body = graph->bodies[0];
  uint32_t at = 0;
  if (!find_scores(recipe, graph, &at, err)) return false;
  mf_value_id scores = body->outputs[at];
  if (!check_labels(recipe, graph, scores, err)) return false;
  mf_type type = graph->values[scores].tensor.type;
  if (type == MF_TYPE_UNKNOWN) type = graph->values[scores].declared.type;
  const uint32_t rank = scores_shape(graph, scores).rank;
  const int64_t last = rank == MF_RANK_UNKNOWN || rank == 0 ? -1 : (int64_t)rank - 1;
  const mf_named_attribute to_float = integer("to", MF_FLOAT), axis = integer("axis", last);
  if (type != MF_FLOAT && !append(graph, "Cast", &to_float, MF_FLOAT, &scores, err)) return false;
  if (recipe->activation == MF_ACTIVATION_SOFTMAX &&
      !append(graph, "Softmax", &axis, MF_FLOAT, &scores, err))
    return false;
  if (recipe->activation == MF_ACTIVATION_SIGMOID &&
      !append(graph, "Sigmoid", NULL, MF_FLOAT, &scores, err))
    return false;
  if (labels) {  // they are the whole answer
    body->outputs[0] = scores;
    body->n_outputs = 1;
  } else {
    body->outputs[at] = scores;
  }
  return true;
}

bool mf_recipe_attach(mf_recipe *recipe, mf_graph *graph, mf_error *err) {
  mf_answer_form form = {.kind = recipe->n_labels ? MF_ANSWER_LABELS : MF_ANSWER_TENSORS,
                         .picture_input = MF_NO_PICTURE,
                         .top_k = recipe->top_k,
                         .n_labels = recipe->n_labels};
  if (recipe->has_picture && !attach_picture(recipe, graph, &form.picture_input, err))
    return mf_wrap(err, "the description of the picture does not fit the model");
  if (!attach_answer(recipe, graph, err))
    return mf_wrap(err, "the description of the output does not fit the model");
  return mf_answer_form_encode(&form, recipe->labels, graph->arena, &graph->metadata, err);
}
