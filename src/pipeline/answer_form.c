// The answer form as bytes: six little-endian uint32 (magic, kind, picture input, top_k, number of
// labels, bytes of text), the ends of the labels, the text. Labels are stored quoted, so that the
// worker copies them as they are.
#include "answer_form.h"

#include "json.h"

enum { HEADER_BYTES = 24 };
#define MAGIC UINT32_C(0x3141464d)  // "MFA1"

static uint32_t get32(const uint8_t *p) {
  return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static void put32(uint8_t *p, uint32_t value) {
  for (int i = 0; i < 4; i++) p[i] = (uint8_t)(value >> (8 * i));
}

bool mf_answer_form_encode(const mf_answer_form *form, const mf_str *labels, mf_arena *arena,
                           mf_slice *out, mf_error *err) {
  *out = (mf_slice){0};
  if (form->kind == MF_ANSWER_TENSORS && form->picture_input == MF_NO_PICTURE) return true;
  size_t room = HEADER_BYTES + 4 * (size_t)form->n_labels;
  for (uint32_t i = 0; i < form->n_labels; i++) room += 6 * labels[i].len + 2;
  uint8_t *bytes = room > UINT32_MAX ? NULL : mf_arena_alloc(arena, room);
  if (!bytes) return mf_fail(err, MF_OutOfMemory, "no memory for %u labels", form->n_labels);
  uint8_t *ends = bytes + HEADER_BYTES;
  char *text = (char *)ends + 4 * (size_t)form->n_labels;
  uint32_t used = 0;
  for (uint32_t i = 0; i < form->n_labels; i++) {
    used += (uint32_t)mf_json_quote(labels[i], text + used);
    put32(ends + 4 * i, used);
  }
  const uint32_t header[] = {MAGIC,       form->kind,     form->picture_input,
                             form->top_k, form->n_labels, used};
  for (size_t i = 0; i < MF_COUNT(header); i++) put32(bytes + 4 * i, header[i]);
  *out = (mf_slice){bytes, (size_t)(text - (char *)bytes) + used};
  return true;
}

static bool labels_are_sound(const mf_answer_form *form) {
  uint32_t before = 0;
  for (uint32_t i = 0; i < form->n_labels; i++) {
    uint32_t end = get32(form->ends + 4 * (size_t)i);
    if (end < before || end > form->text_bytes) return false;
    before = end;
  }
  return before == form->text_bytes && mf_str_is_utf8((mf_str){form->text, form->text_bytes});
}

bool mf_answer_form_decode(mf_slice bytes, mf_answer_form *form, mf_error *err) {
  *form = (mf_answer_form){.picture_input = MF_NO_PICTURE};
  if (bytes.len == 0) return true;
  const uint8_t *p = bytes.data;
  if (bytes.len < HEADER_BYTES || get32(p) != MAGIC)
    return mf_fail(err, MF_InvalidImage,
                   "the image's metadata (%zu bytes) is no description of an answer", bytes.len);
  *form = (mf_answer_form){get32(p + 4),  get32(p + 8),     get32(p + 12), get32(p + 16),
                           get32(p + 20), p + HEADER_BYTES, NULL};
  uint64_t expected = HEADER_BYTES + 4 * (uint64_t)form->n_labels + form->text_bytes;
  if (expected != bytes.len || form->kind > MF_ANSWER_LABELS || form->top_k > MF_MAX_TOP_K)
    return mf_fail(err, MF_InvalidImage,
                   "the image's metadata is damaged: kind %u, top_k %u, %u labels, %zu bytes",
                   form->kind, form->top_k, form->n_labels, bytes.len);
  form->text = (const char *)form->ends + 4 * (size_t)form->n_labels;
  if (!labels_are_sound(form))
    return mf_fail(err, MF_InvalidImage, "the labels in the image's metadata are damaged");
  return true;
}

mf_str mf_answer_label(const mf_answer_form *form, uint32_t at) {
  if (at >= form->n_labels) return (mf_str){0};
  uint32_t from = at ? get32(form->ends + 4 * (size_t)(at - 1)) : 0;
  return (mf_str){form->text + from, get32(form->ends + 4 * (size_t)at) - from};
}
