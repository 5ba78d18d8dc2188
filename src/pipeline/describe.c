// {"model": …, "inputs": [{"name", "type", "shape"}], "outputs": […], "operators": n, "picture":
// {…}, "answer": {…}}
#include "describe.h"

#include "tensor_json.h"

static void put_number(mf_json_out *out, int64_t value) {
  char text[MF_NUMBER_TEXT];
  size_t n = mf_integer_text(value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0, text);
  mf_json_put(out, (mf_str){text, n});
}

// A number where it is fixed, else the dimension's name, or "?" if it has none.
static void put_shape(mf_json_out *out, const mf_signature_entry *entry) {
  if (entry->shape.rank == MF_RANK_UNKNOWN) return mf_json_put(out, MF_STR("null"));
  mf_json_put(out, MF_STR("["));
  for (uint32_t i = 0; i < entry->shape.rank; i++) {
    if (i) mf_json_put(out, MF_STR(","));
    if (entry->shape.dims[i] != MF_DIM_UNKNOWN)
      put_number(out, entry->shape.dims[i]);
    else
      mf_json_put_quoted(out, entry->dim_names[i].len ? entry->dim_names[i] : MF_STR("?"));
  }
  mf_json_put(out, MF_STR("]"));
}

static void put_entry(mf_json_out *out, const mf_signature_entry *entry, bool picture) {
  mf_json_put(out, MF_STR("{\"name\":"));
  mf_json_put_quoted(out, entry->name);
  mf_json_put(out, MF_STR(",\"type\":"));
  mf_json_put_quoted(out, mf_str_from(mf_type_name(entry->shape.type)));
  mf_json_put(out, MF_STR(",\"shape\":"));
  put_shape(out, entry);
  if (picture) mf_json_put(out, MF_STR(",\"takes\":\"picture\""));
  mf_json_put(out, MF_STR("}"));
}

// The list's own end is always there: entries that do not fit are counted instead.
static void put_entries(mf_json_out *out, const mf_image *image, bool inputs,
                        const mf_recipe *recipe) {
  uint32_t n = inputs ? mf_image_n_inputs(image) : mf_image_n_outputs(image), i = 0;
  char *limit = out->end;
  out->end -= MF_MIN(limit - out->at, 64);
  mf_json_put(out, MF_STR("["));
  for (; i < n; i++) {
    char *before = out->at;
    const mf_signature_entry *entry = inputs ? mf_image_input(image, i) : mf_image_output(image, i);
    bool picture =
        inputs && recipe->has_picture &&
        (recipe->picture.input.len == 0 || mf_str_equal(recipe->picture.input, entry->name));
    if (i) mf_json_put(out, MF_STR(","));
    put_entry(out, entry, picture);
    if (!out->full) continue;
    out->at = before;
    break;
  }
  out->full = false;
  out->end = limit;
  if (i < n) {
    mf_json_put(out, i ? MF_STR(",{\"more\":") : MF_STR("{\"more\":"));
    put_number(out, n - i);
    mf_json_put(out, MF_STR("}"));
  }
  mf_json_put(out, MF_STR("]"));
}

static void put_member(mf_json_out *out, mf_str name, int64_t value) {
  mf_json_put(out, MF_STR(","));
  mf_json_put_quoted(out, name);
  mf_json_put(out, MF_STR(":"));
  put_number(out, value);
}

static void put_text(mf_json_out *out, mf_str name, const char *value) {
  mf_json_put(out, MF_STR(","));
  mf_json_put_quoted(out, name);
  mf_json_put(out, MF_STR(":"));
  mf_json_put_quoted(out, mf_str_from(value));
}

static void put_numbers(mf_json_out *out, mf_str name, const double *values, uint32_t n) {
  if (n == 0) return;
  mf_json_put(out, MF_STR(","));
  mf_json_put_quoted(out, name);
  mf_json_put(out, MF_STR(":"));
  const mf_tensor list = {
      .type = MF_DOUBLE, .rank = 1, .dims = {n}, .data = (void *)(uintptr_t)values};
  mf_json_put_tensor(out, &list, false);
}

static void put_picture(mf_json_out *out, const mf_picture_recipe *p) {
  static const char *const colours[] = {
      [MF_COLOUR_RGB] = "RGB", [MF_COLOUR_BGR] = "BGR", [MF_COLOUR_GREY] = "grey"};
  mf_json_put(out, MF_STR(",\"picture\":{\"colour\":"));
  mf_json_put_quoted(out, mf_str_from(colours[p->colour]));
  if (p->width) put_member(out, MF_STR("width"), p->width);
  if (p->height) put_member(out, MF_STR("height"), p->height);
  if (p->shortest_edge) put_member(out, MF_STR("shortest_edge"), p->shortest_edge);
  if (p->width || p->shortest_edge)
    put_text(out, MF_STR("resize"), mf_resample_name((mf_resample)p->filter));
  if (p->crop_width) put_member(out, MF_STR("crop_width"), p->crop_width);
  if (p->crop_height) put_member(out, MF_STR("crop_height"), p->crop_height);
  put_numbers(out, MF_STR("scale"), &p->scale, 1);
  put_numbers(out, MF_STR("mean"), p->mean, p->n_mean);
  put_numbers(out, MF_STR("std"), p->std, p->n_std);
  put_text(out, MF_STR("layout"), p->layout == MF_LAYOUT_NHWC ? "NHWC" : "NCHW");
  put_text(out, MF_STR("dtype"), mf_type_name((mf_type)p->type));
  put_member(out, MF_STR("max_pixels"), p->max_pixels);
  mf_json_put(out, MF_STR("}"));
}

static void put_answer(mf_json_out *out, const mf_recipe *recipe) {
  static const char *const activations[] = {[MF_ACTIVATION_NONE] = "none",
                                            [MF_ACTIVATION_SOFTMAX] = "softmax",
                                            [MF_ACTIVATION_SIGMOID] = "sigmoid"};
  mf_json_put(out, recipe->n_labels ? MF_STR(",\"answer\":{\"kind\":\"labels\"")
                                    : MF_STR(",\"answer\":{\"kind\":\"tensors\""));
  put_text(out, MF_STR("activation"), activations[recipe->activation]);
  if (recipe->n_labels) {
    put_member(out, MF_STR("labels"), recipe->n_labels);
    put_member(out, MF_STR("top_k"), recipe->top_k);
  }
  mf_json_put(out, MF_STR("}"));
}

size_t mf_package_describe(const mf_image *image, const mf_recipe *recipe, mf_str model, char *text,
                           size_t capacity) {
  mf_image_summary summary;
  mf_json_out out = {text, text + capacity, false};
  mf_image_summarize(image, &summary);
  mf_json_put(&out, MF_STR("{\"model\":"));
  mf_json_put_quoted(&out, model);
  put_member(&out, MF_STR("operators"), summary.n_nodes);
  put_member(&out, MF_STR("constant_bytes"), (int64_t)summary.constant_bytes);
  mf_json_put(&out, summary.dynamic ? MF_STR(",\"dynamic\":true") : MF_STR(",\"dynamic\":false"));
  if (recipe->has_picture) put_picture(&out, &recipe->picture);
  put_answer(&out, recipe);
  char *whole = out.end;
  out.end = out.at + (whole - out.at) / 2;  // inputs must leave room for outputs
  mf_json_put(&out, MF_STR(",\"inputs\":"));
  put_entries(&out, image, true, recipe);
  out.end = whole - 1;
  mf_json_put(&out, MF_STR(",\"outputs\":"));
  put_entries(&out, image, false, recipe);
  out.end = whole;
  mf_json_put(&out, MF_STR("}"));
  return (size_t)(out.at - text);
}
