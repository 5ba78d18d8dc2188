// Telling payloads apart, and walking through their rows.
#include "request.h"

#include <stdio.h>

#include "picture.h"

static const mf_signature_entry *input_of(const mf_request *r, uint32_t at) {
  return mf_image_input(r->image, at);
}

// The input that raw bytes go to: the picture, or a model's only input when that is a list of bytes
// of any length.
static uint32_t bytes_input(const mf_request *r) {
  if (r->form->picture_input != MF_NO_PICTURE) return r->form->picture_input;
  const mf_tensor *only = mf_image_n_inputs(r->image) == 1 ? &input_of(r, 0)->shape : NULL;
  bool bytes = only && only->type == MF_UINT8 && only->rank == 1 && only->dims[0] == MF_DIM_UNKNOWN;
  return bytes ? 0 : MF_NO_PICTURE;
}

// ---- one input ----

// "an object", where no array and no number is; NULL: one is.
static const char *kind_of(mf_json at) {
  switch (mf_json_peek(&at)) {
    case '{': return "an object";
    case '"': return "a text";
    case 't':
    case 'f': return "a boolean";
    case 'n': return "null";
    default: return NULL;
  }
}

static bool wrong_rank(const mf_request *r, const mf_signature_entry *entry, uint32_t rank, mf_error *err) {
  const char *found = rank == 0 ? kind_of(r->json) : NULL;
  const uint32_t expected = entry->shape.rank;
  if (found)
    return mf_fail(err, MF_InvalidInput, "input '%.*s' is %s, expected an array of %u dimension%s", MF_STR_ARG(entry->name), found,
                   expected, expected == 1 ? "" : "s");
  return mf_fail(err, MF_InvalidInput, "input '%.*s' has %u dimension%s, expected %u", MF_STR_ARG(entry->name), rank,
                 rank == 1 ? "" : "s", expected);
}

// Sets rank and dims of an input whose shape is known only now, and gives it memory.
static bool shape_input(const mf_request *r, uint32_t at, const mf_json_shape *seen, int64_t first,
                        mf_error *err) {
  const mf_signature_entry *entry = input_of(r, at);
  mf_tensor *tensor = mf_instance_input(r->instance, at);
  if (mf_tensor_is_static(&entry->shape)) return true;
  uint32_t skipped = first >= 0 ? 1 : 0, rank = seen->rank + skipped;
  bool open_end = seen->empty && entry->shape.rank != MF_RANK_UNKNOWN && rank < entry->shape.rank;
  if (open_end) rank = entry->shape.rank;
  if (entry->shape.rank != MF_RANK_UNKNOWN && entry->shape.rank != rank)
    return wrong_rank(r, entry, rank, err);
  mf_tensor shape = {.type = entry->shape.type, .rank = rank};
  for (uint32_t i = 0; i < rank; i++) {
    int64_t stated = entry->shape.rank == MF_RANK_UNKNOWN ? MF_DIM_UNKNOWN : entry->shape.dims[i];
    bool below = i >= skipped + seen->rank;  // below an empty array
    int64_t given = i < skipped ? first : below ? MF_MAX(stated, 0) : seen->dims[i - skipped];
    if (stated != MF_DIM_UNKNOWN && stated != given)
      return mf_fail(
          err, MF_InvalidInput, "input '%.*s' has %lld element%s in dimension %u, expected %lld",
          MF_STR_ARG(entry->name), (long long)given, given == 1 ? "" : "s", i, (long long)stated);
    shape.dims[i] = given;
  }
  tensor->type = shape.type;
  tensor->rank = shape.rank;
  memcpy(tensor->dims, shape.dims, sizeof shape.dims);
  return mf_instance_alloc_input(r->instance, at, err);
}

static bool read_whole(mf_request *r, uint32_t at, int64_t row, mf_error *err) {
  const mf_signature_entry *entry = input_of(r, at);
  mf_json_shape seen = {0};
  if (!mf_tensor_is_static(&entry->shape) && !mf_json_measure(&r->json, entry->name, &seen, err))
    return false;
  if (!shape_input(r, at, &seen, -1, err)) return false;
  return mf_json_read_tensor(&r->json, mf_instance_input(r->instance, at), entry->name, row,
                             r->texts, err);
}

// Room for `len` bytes as the input's data; its type must be bytes, its shape one that this length
// fits.
static bool shape_bytes(const mf_request *r, uint32_t at, size_t len, mf_error *err) {
  const mf_signature_entry *entry = input_of(r, at);
  if (entry->shape.type != MF_UINT8)
    return mf_fail(err, MF_InvalidInput, "input '%.*s' takes no raw bytes: its type is %s",
                   MF_STR_ARG(entry->name), mf_type_name(entry->shape.type));
  if (!mf_tensor_is_static(&entry->shape)) {
    mf_json_shape seen = {.rank = 1, .dims = {(int64_t)len}};
    return shape_input(r, at, &seen, -1, err);
  }
  if (mf_tensor_count(&entry->shape) == (int64_t)len) return true;
  return mf_fail(err, MF_InvalidInput, "input '%.*s' got %zu bytes, expected %lld",
                 MF_STR_ARG(entry->name), len, (long long)mf_tensor_count(&entry->shape));
}

static bool read_b64(mf_request *r, uint32_t at, mf_error *err) {
  mf_json_text text;
  size_t len;
  if (!mf_json_b64(&r->json, &text, err) || !shape_bytes(r, at, mf_json_b64_bytes(&text), err))
    return false;
  if (!mf_json_b64_decode(&text, mf_instance_input(r->instance, at)->data, &len, err))
    return mf_wrap(err, "input '%.*s'", MF_STR_ARG(input_of(r, at)->name));
  return true;
}

static bool is_text_input(const mf_request *r, uint32_t at) {
  return input_of(r, at)->shape.type == MF_STRING;
}

static bool read_input(mf_request *r, uint32_t at, int64_t row, mf_error *err) {
  if (!is_text_input(r, at) && mf_json_is_b64(&r->json)) return read_b64(r, at, err);
  return read_whole(r, at, row, err);
}

// ---- objects by input name ----

static uint32_t find_input(const mf_request *r, const mf_json_text *key) {
  uint32_t n = mf_image_n_inputs(r->image);
  for (uint32_t i = 0; i < n; i++)
    if (mf_json_text_is(key, input_of(r, i)->name)) return i;
  return n;
}

// The member's key: which input it names, each once.
static bool next_member(mf_request *r, uint32_t *at, mf_error *err) {
  mf_json_text key;
  if (!mf_json_key(&r->json, &key, err)) return false;
  *at = find_input(r, &key);
  if (*at == mf_image_n_inputs(r->image))
    return mf_fail(err, MF_InvalidInput, "there is no input '%.*s'",
                   (int)MF_MIN(key.raw.len, (size_t)100), key.raw.data);
  if (r->seen[*at]++)
    return mf_fail(err, MF_InvalidInput, "input '%.*s' is given twice",
                   MF_STR_ARG(input_of(r, *at)->name));
  return true;
}

typedef bool member_fn(mf_request *r, uint32_t at, mf_error *err);

static bool each_member(mf_request *r, member_fn *member, mf_error *err) {
  uint32_t n = mf_image_n_inputs(r->image), at;
  memset(r->seen, 0, n);
  if (!mf_json_take(&r->json, '{')) return mf_json_fail(&r->json, "an object by input name", err);
  for (bool first = true; !mf_json_take(&r->json, '}'); first = false) {
    if (!first && !mf_json_take(&r->json, ',')) return mf_json_fail(&r->json, "',' or '}'", err);
    if (!next_member(r, &at, err) || !member(r, at, err)) return false;
  }
  for (uint32_t i = 0; i < n; i++)
    if (!r->seen[i])
      return mf_fail(err, MF_InvalidInput, "input '%.*s' is missing",
                     MF_STR_ARG(input_of(r, i)->name));
  return true;
}

static bool read_member(mf_request *r, uint32_t at, mf_error *err) {
  return read_input(r, at, -1, err);
}

static bool only_input(const mf_request *r, mf_error *err) {
  uint32_t n = mf_image_n_inputs(r->image);
  return n == 1 ? true
                : mf_fail(err, MF_InvalidInput,
                          "the model has %u inputs: send an object by input name", n);
}

static bool at_end(mf_request *r, mf_error *err) {
  if (mf_json_peek(&r->json) == 0 && r->json.at == r->json.end) return true;
  return mf_json_fail(&r->json, "the end of the payload", err);
}

// ---- rows ----

static bool note_mode(mf_request *r, uint32_t at, mf_error *err) {
  const mf_tensor *shape = &input_of(r, at)->shape;
  uint32_t rank = mf_json_rank(&r->json);
  if (!is_text_input(r, at) && mf_json_is_b64(&r->json))
    r->modes[at] = MF_ROW_BYTES;
  else
    r->modes[at] = shape->rank != MF_RANK_UNKNOWN && shape->rank > 0 && rank + 1 == shape->rank
                       ? MF_ROW_SLICE
                       : MF_ROW_WHOLE;
  return mf_json_skip(&r->json, err);
}

// Looks at the first row: how each input is given, and so how many rows make one run. 0: all of
// them.
static bool plan_rows(mf_request *r, mf_error *err) {
  mf_json start = r->json;
  uint32_t n = mf_image_n_inputs(r->image), slices = 0, whole = 0;
  r->named_rows = mf_json_peek(&r->json) == '{' && !mf_json_is_b64(&r->json);
  if (!r->named_rows && !only_input(r, err)) return false;
  if (r->named_rows ? !each_member(r, note_mode, err) : !note_mode(r, 0, err))
    return mf_wrap(err, "row 0");
  int64_t together = 0;
  for (uint32_t i = 0; i < n; i++) {
    slices += r->modes[i] == MF_ROW_SLICE;
    whole += r->modes[i] == MF_ROW_WHOLE;
    int64_t stated = r->modes[i] == MF_ROW_SLICE ? input_of(r, i)->shape.dims[0] : MF_DIM_UNKNOWN;
    if (stated == MF_DIM_UNKNOWN) continue;
    if (stated == 0 || (together && together != stated))
      return mf_fail(
          err, MF_InvalidInput,
          "rows cannot be shared out: input '%.*s' takes %lld at a time, another input %lld",
          MF_STR_ARG(input_of(r, i)->name), (long long)stated, (long long)together);
    together = stated;
  }
  if (slices < n && together > 1)
    return mf_fail(
        err, MF_InvalidInput,
        "rows cannot be shared out: one input takes %lld at a time, another is given whole",
        (long long)together);
  r->rows_per_run = slices == n ? together : 1;
  r->rows_are_slices = whole == 0;
  r->json = start;
  return true;
}

static bool count_rows(const mf_request *r, int64_t *n, mf_error *err) {
  mf_json probe = r->json;
  *n = 0;
  do {
    if (!mf_json_skip(&probe, err)) return false;
    ++*n;
  } while (mf_json_take(&probe, ','));
  return mf_json_peek(&probe) == ']' ? true : mf_json_fail(&probe, "',' or ']'", err);
}

static bool open_rows(mf_request *r, mf_error *err) {
  r->kind = MF_REQUEST_ROWS;
  if (!mf_json_take(&r->json, '[')) return mf_json_fail(&r->json, "a list of rows", err);
  if (mf_json_peek(&r->json) == ']')
    return mf_fail(err, MF_InvalidInput, "the list of rows is empty");
  if (!plan_rows(r, err)) return false;
  return r->rows_per_run > 0 || count_rows(r, &r->rows_per_run, err);
}

// Row number r->row of a run that began at row `first`: one index of the input's first dimension.
static bool read_slice(mf_request *r, uint32_t at, int64_t first, mf_error *err) {
  const mf_signature_entry *entry = input_of(r, at);
  mf_tensor *tensor = mf_instance_input(r->instance, at);
  if (r->row == first) {
    mf_json_shape seen = {0};
    if (!mf_tensor_is_static(&entry->shape) && !mf_json_measure(&r->json, entry->name, &seen, err))
      return false;
    if (!shape_input(r, at, &seen, r->rows_per_run, err)) return false;
  }
  mf_tensor slice = {.type = tensor->type, .rank = tensor->rank - 1};
  memcpy(slice.dims, tensor->dims + 1, sizeof slice.dims[0] * slice.rank);
  size_t bytes;
  if (!mf_tensor_bytes(&slice, &bytes))
    return mf_fail(err, MF_InvalidInput, "input '%.*s' is too large", MF_STR_ARG(entry->name));
  slice.data = (char *)tensor->data + bytes * (size_t)(r->row - first);
  return mf_json_read_tensor(&r->json, &slice, entry->name, r->row, r->texts, err);
}

static bool read_row_input(mf_request *r, uint32_t at, mf_error *err) {
  if (r->modes[at] == MF_ROW_SLICE)
    return read_slice(r, at, r->row - r->row % r->rows_per_run, err);
  return read_input(r, at, r->row, err);
}

static bool next_rows(mf_request *r, mf_error *err) {
  for (int64_t i = 0; i < r->rows_per_run; i++, r->row++) {
    if (i > 0 && r->done)
      return mf_fail(err, MF_InvalidInput, "%lld rows: the model takes %lld at a time",
                     (long long)r->row, (long long)r->rows_per_run);
    bool ok = r->named_rows ? each_member(r, read_row_input, err) : read_row_input(r, 0, err);
    if (!ok) return r->named_rows ? mf_wrap(err, "row %lld", (long long)r->row) : false;
    r->done = !mf_json_take(&r->json, ',');
    if (!r->done) continue;
    if (!mf_json_take(&r->json, ']')) return mf_json_fail(&r->json, "',' or ']'", err);
    if (r->nested && !mf_json_take(&r->json, '}')) return mf_json_fail(&r->json, "'}'", err);
    if (!at_end(r, err)) return false;
  }
  return true;
}

// ---- telling payloads apart ----

// What the object at the cursor is: by input name, or one member "inputs", "instances" or "b64".
static bool open_object(mf_request *r, mf_error *err) {
  mf_json probe = r->json;
  mf_json_text key;
  bool first_is_special = false, b64 = false;
  mf_json value = {0};
  uint32_t members = 0;
  r->kind = MF_REQUEST_NAMED;
  mf_json_take(&probe, '{');
  while (mf_json_peek(&probe) != '}') {
    if (members > 0 && !mf_json_take(&probe, ',')) return mf_json_fail(&probe, "',' or '}'", err);
    if (!mf_json_key(&probe, &key, err)) return false;
    if (find_input(r, &key) < mf_image_n_inputs(r->image)) return true;  // an input's own name wins
    if (members == 0) {
      b64 = mf_json_text_is(&key, MF_STR("b64"));
      first_is_special = b64 || mf_json_text_is(&key, MF_STR("inputs")) ||
                         mf_json_text_is(&key, MF_STR("instances"));
      value = probe;
    }
    if (!first_is_special) return true;  // next_member will say that there is no such input
    if (!mf_json_skip(&probe, err)) return false;
    members++;
  }
  if (members == 0) return true;
  if (members > 1)
    return mf_fail(err, MF_InvalidInput,
                   "\"inputs\", \"instances\" or \"b64\" stands alone, found %u members", members);
  if (b64) {
    r->kind = MF_REQUEST_VALUE;
    return true;
  }
  r->json = value;
  r->nested = true;
  char c = mf_json_peek(&r->json);
  if (c == '{' && !mf_json_is_b64(&r->json)) return true;
  if (c == '[') return open_rows(r, err);
  r->kind = MF_REQUEST_VALUE;
  return true;
}

static bool refuse_bytes(const mf_request *r, mf_slice payload, mf_error *err) {
  if (payload.len == 0) return mf_fail(err, MF_InvalidInput, "the payload is empty");
  if (!mf_picture_is(payload))
    return mf_fail(err, MF_InvalidInput,
                   "the payload is neither JSON nor a picture (first byte 0x%02x)",
                   *(const uint8_t *)payload.data);
  const mf_tensor *shape = &input_of(r, 0)->shape;
  bool four = mf_image_n_inputs(r->image) > 0 && shape->rank == 4,
       last = four && shape->dims[3] == 3;
  long long height = four ? (long long)shape->dims[last ? 1 : 2] : 0,
            width = four ? (long long)shape->dims[last ? 2 : 3] : 0;
  return mf_fail(err, MF_InvalidInput,
                 "the payload is a picture, but this function was deployed without a description "
                 "of its picture input. Put the model "
                 "into a zip with a mayfly.json beside it: {\"picture\": {\"size\": {\"width\": %lld, "
                 "\"height\": %lld}, \"resize\": \"bilinear\", "
                 "\"scale\": 0.00392156862745098, \"mean\": [0.485, 0.456, 0.406], \"std\": "
                 "[0.229, 0.224, 0.225], \"layout\": \"%s\"}} "
                 "with the figures that the model was trained with (docs/packages.md)",
                 width > 0 ? width : 224, height > 0 ? height : 224, last ? "NHWC" : "NCHW");
}

static bool looks_like_json(mf_slice payload, bool takes_bytes) {
  mf_json probe = {payload.data, (const char *)payload.data + payload.len, payload.data};
  char c = mf_json_peek(&probe);
  if (c == '{' || c == '[') return true;
  return !takes_bytes && c != 0 && strchr("\"-0123456789tfnNI", c) != NULL;
}

bool mf_request_open(mf_request *r, mf_slice payload, mf_error *err) {
  uint32_t to = bytes_input(r), n = mf_image_n_inputs(r->image);
  r->payload = payload;
  r->json = (mf_json){payload.data, (const char *)payload.data + payload.len, payload.data};
  r->row = 0;
  r->done = r->nested = false;
  r->rows_are_slices = false;
  memset(r->modes, MF_ROW_ABSENT, n);
  if (mf_picture_is(payload) || !looks_like_json(payload, to != MF_NO_PICTURE)) {
    r->kind = MF_REQUEST_RAW;
    if (payload.len == 0 && n == 0) return true;
    const bool lacks_picture = payload.len == 0 && r->form->picture_input != MF_NO_PICTURE;
    if (to == MF_NO_PICTURE || lacks_picture) return refuse_bytes(r, payload, err);
    return n == 1 ? true : only_input(r, err);
  }
  if (mf_json_peek(&r->json) == '{') return open_object(r, err);
  r->kind = MF_REQUEST_VALUE;
  return true;
}

static bool read_raw(mf_request *r, mf_error *err) {
  if (r->payload.len == 0) return true;
  uint32_t at = bytes_input(r);
  if (!shape_bytes(r, at, r->payload.len, err)) return false;
  memcpy(mf_instance_input(r->instance, at)->data, r->payload.data, r->payload.len);
  return true;
}

bool mf_request_next(mf_request *r, bool *more, mf_error *err) {
  *more = !r->done;
  if (r->done) return true;
  mf_instance_reset(r->instance);
  if (r->kind == MF_REQUEST_ROWS) return next_rows(r, err);
  r->done = true;
  if (r->kind == MF_REQUEST_RAW) return read_raw(r, err);
  if (r->kind == MF_REQUEST_NAMED ? !each_member(r, read_member, err)
                                  : !only_input(r, err) || !read_input(r, 0, -1, err))
    return false;
  if (r->nested && !mf_json_take(&r->json, '}')) return mf_json_fail(&r->json, "'}'", err);
  return at_end(r, err);
}

// ---- what is expected ----

static void describe(const mf_signature_entry *entry, char *text, size_t size) {
  size_t n = (size_t)snprintf(text, size, "%.*s %s", (int)MF_MIN(entry->name.len, (size_t)80),
                              entry->name.data, mf_type_name(entry->shape.type));
  if (entry->shape.rank == MF_RANK_UNKNOWN) {
    snprintf(text + n, size - n, "[…]");
    return;
  }
  for (uint32_t i = 0; i < entry->shape.rank && n + 40 < size; i++) {
    char separator = i ? ',' : '[';
    mf_str name = entry->dim_names[i];
    if (entry->shape.dims[i] != MF_DIM_UNKNOWN)
      n += (size_t)snprintf(text + n, size - n, "%c%lld", separator,
                            (long long)entry->shape.dims[i]);
    else
      n += (size_t)snprintf(text + n, size - n, "%c%.*s", separator,
                            name.len ? (int)MF_MIN(name.len, (size_t)24) : 1,
                            name.len ? name.data : "?");
  }
  snprintf(text + n, size - n, "%s", entry->shape.rank ? "]" : "");
}

void mf_request_explain(const mf_image *image, const mf_answer_form *form, mf_error *err) {
  if (err->code != MF_InvalidInput) return;
  size_t n = strlen(err->message), size = sizeof err->message;
  for (uint32_t i = 0; i < mf_image_n_inputs(image) && n + 8 < size; i++) {
    char text[512];
    if (i == form->picture_input)
      snprintf(text, sizeof text, "%.*s a picture (JPEG, PNG or WebP bytes)",
               (int)MF_MIN(mf_image_input(image, i)->name.len, (size_t)80),
               mf_image_input(image, i)->name.data);
    else
      describe(mf_image_input(image, i), text, sizeof text);
    n += (size_t)snprintf(err->message + n, size - n, "%s%s", i ? ", " : "; expected ", text);
  }
}
