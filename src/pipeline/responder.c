// The worker's side: payload to tensors, run, tensors to answer, in memory that was handed over
// once.
//
//   | tables of this file | the engine's instance: planned region, heap of dynamic values | tail:
//   texts, answers that wait |
//
// A static plan gets exactly what it needs and the tail the rest; a dynamic one gets everything but
// a tail of an eighth, at most 8 MiB, and that only where there are texts to unescape or several
// outputs.
#include "responder.h"

#include <stdio.h>

#include "answer.h"
#include "http_event.h"
#include "request.h"

enum { ALIGNMENT = 64, MAX_PAYLOAD = 6291456, MAX_ANSWER = 6291556, MAX_TAIL = 8 << 20 };

struct mf_responder {
  const mf_image *image;
  mf_instance *instance;
  mf_answer_form form;
  mf_request request;
  mf_answer answer;
  char *tail;
  size_t tail_bytes, tail_peak, table_bytes;
  int64_t plan_ns;
};

static size_t align_up(size_t n, size_t alignment) {
  return (n + alignment - 1) & ~(alignment - 1);
}

static size_t table_bytes(const mf_image *image) {
  size_t inputs = mf_image_n_inputs(image), outputs = mf_image_n_outputs(image);
  size_t bytes = align_up(sizeof(mf_responder), ALIGNMENT) + align_up(2 * inputs, ALIGNMENT) +
                 align_up(outputs * sizeof(struct mf_answer_text), ALIGNMENT) +
                 MF_MAX_TOP_K * sizeof(uint32_t);
  return align_up(bytes, 4096);
}

static bool takes_texts(const mf_image *image) {
  for (uint32_t i = 0; i < mf_image_n_inputs(image); i++)
    if (mf_image_input(image, i)->shape.type == MF_STRING) return true;
  return false;
}

static bool needs_tail(const mf_image *image) {
  return takes_texts(image) || mf_image_n_outputs(image) > 1;
}

uint64_t mf_responder_bytes(const mf_image *image, uint64_t heap_bytes) {
  mf_image_summary summary;
  mf_image_summarize(image, &summary);
  uint64_t bytes = table_bytes(image) + summary.arena_bytes + (summary.dynamic ? heap_bytes : 0);
  return bytes + (needs_tail(image) ? bytes / 7 + 65536 : 0);
}

// The instance has all that the tail leaves, static plans too: kernels may want temporary memory beyond what was planned.
static size_t instance_bytes(const mf_image *image, size_t left) {
  return needs_tail(image) ? align_up(left - MF_MIN(left / 8, (size_t)MAX_TAIL), ALIGNMENT) : left;
}

static void place_tables(mf_responder *r) {
  char *p = (char *)r + align_up(sizeof *r, ALIGNMENT);
  size_t inputs = mf_image_n_inputs(r->image);
  r->request = (mf_request){.instance = r->instance,
                            .image = r->image,
                            .form = &r->form,
                            .modes = (uint8_t *)p,
                            .seen = (uint8_t *)p + inputs};
  p += align_up(2 * inputs, ALIGNMENT);
  r->answer = (mf_answer){.image = r->image, .form = &r->form, .texts = (void *)p};
  p += align_up(mf_image_n_outputs(r->image) * sizeof *r->answer.texts, ALIGNMENT);
  r->answer.best = (uint32_t *)(void *)p;
}

// The form came with the image; what it says must hold for the image's signature, since the hot
// path relies on it.
static bool form_fits(const mf_image *image, const mf_answer_form *form, mf_error *err) {
  uint32_t picture = form->picture_input, inputs = mf_image_n_inputs(image);
  if (picture != MF_NO_PICTURE &&
      (picture >= inputs || mf_image_input(image, picture)->shape.type != MF_UINT8))
    return mf_fail(err, MF_InvalidImage,
                   "the image's metadata names input %u for pictures; there are %u inputs", picture,
                   inputs);
  if (form->kind != MF_ANSWER_LABELS) return true;
  const mf_tensor *scores = mf_image_n_outputs(image) ? &mf_image_output(image, 0)->shape : NULL;
  if (scores && scores->type == MF_FLOAT && form->top_k > 0) return true;
  return mf_fail(err, MF_InvalidImage,
                 "the image's metadata wants labels, but its first output holds no float32 scores");
}

mf_responder *mf_responder_create(const mf_image *image, void *memory, size_t bytes,
                                  mf_error *err) {
  size_t tables = table_bytes(image);
  mf_responder *r = memory;
  if (bytes < tables) {
    mf_fail(err, MF_OutOfMemory, "the function needs %zu bytes and more, it has %zu", tables,
            bytes);
    return NULL;
  }
  memset(r, 0, sizeof *r);
  r->image = image;
  r->table_bytes = tables;
  if (!mf_answer_form_decode(mf_image_metadata(image), &r->form, err) ||
      !form_fits(image, &r->form, err))
    return NULL;
  size_t own = instance_bytes(image, bytes - tables);
  r->tail = (char *)memory + tables + own;
  r->tail_bytes = bytes - tables - own;
  r->instance = mf_instance_create(image, (char *)memory + tables, own, err);
  if (!r->instance) return NULL;
  place_tables(r);
  return r;
}

static bool run(mf_responder *r, mf_error *err) {
  int64_t start = mf_now_ns();
  bool ok = mf_instance_run(r->instance, err);
  r->plan_ns += mf_now_ns() - start;
  return ok;
}

// Halves of the tail: texts of the run's inputs, and answers that wait for each other.
static size_t share_tail(mf_responder *r) {
  size_t half = takes_texts(r->image) ? r->tail_bytes / 2 & ~(size_t)4095 : 0;
  char *rest = r->tail + half, *aligned = (char *)align_up((uintptr_t)rest, ALIGNMENT);
  size_t lost = (size_t)(aligned - rest), left = r->tail_bytes - half;
  r->answer.collected = aligned;
  r->answer.collected_bytes = left > lost ? MF_MIN(left - lost, (size_t)2 * MAX_TAIL) : 0;
  return half;
}

static bool answer_all(mf_responder *r, size_t *out_len, mf_error *err) {
  mf_arena texts;
  bool more = true;
  size_t texts_bytes = share_tail(r);
  r->request.texts = &texts;
  r->answer.rows = r->request.kind == MF_REQUEST_ROWS;
  r->answer.slices = r->request.rows_are_slices;
  mf_answer_begin(&r->answer);
  while (!r->answer.out.full && !r->answer.out_of_memory) {
    mf_arena_init_fixed(&texts, r->tail, texts_bytes);
    if (!mf_request_next(&r->request, &more, err)) return false;
    if (!more) break;
    if (!run(r, err)) return false;
    mf_answer_add(&r->answer, r->instance);
    r->tail_peak = MF_MAX(r->tail_peak, texts.used_bytes + r->answer.collected_used);
  }
  return mf_answer_end(&r->answer, out_len, err);
}

bool mf_responder_answer(mf_responder *r, mf_slice payload, char *out, size_t out_capacity,
                         size_t *out_len, mf_error *err) {
  mf_http_event event;
  r->plan_ns = 0;
  if (payload.len > MAX_PAYLOAD)
    return mf_fail(err, MF_TooLarge, "the payload is %zu bytes, an invocation may carry %d",
                   payload.len, MAX_PAYLOAD);
  r->answer.start = out;
  r->answer.out = (mf_json_out){out, out + MF_MIN(out_capacity, (size_t)MAX_ANSWER), false};
  if (mf_http_event_open(payload, &event, err)) {
    if (mf_request_open(&r->request, event.body, err) && answer_all(r, out_len, err)) return true;
    mf_request_explain(r->image, &r->form, err);
  }
  return event.is_http && mf_http_event_refuse(err, out, out_capacity, out_len);
}

int64_t mf_responder_plan_ns(const mf_responder *r) { return r->plan_ns; }

size_t mf_responder_peak_bytes(const mf_responder *r) {
  return r->table_bytes + mf_instance_peak_bytes(r->instance) + r->tail_peak;
}
