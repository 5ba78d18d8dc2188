// {"output name": nested arrays} or labels with scores. A single run, and every run of a model with
// one output, is written straight into the answer. Several runs of a model with several outputs
// interleave, so their texts are kept in pieces, a chain for each output, and put in order at the
// end.
#include "answer.h"

#include <math.h>
#include <stdio.h>

enum { PIECE_BYTES = 4096 };
typedef struct piece {
  uint32_t next;  // number of the piece that follows, 0: none (pieces are numbered from 1)
  char text[PIECE_BYTES - sizeof(uint32_t)];
} piece;

static bool labels(const mf_answer *a) { return a->form->kind == MF_ANSWER_LABELS; }
// More than one output and more than one run: texts wait.
static bool waits(const mf_answer *a) {
  return a->rows && !labels(a) && mf_image_n_outputs(a->image) > 1;
}

static piece *piece_at(const mf_answer *a, uint32_t number) {
  return (piece *)(void *)(a->collected + (size_t)(number - 1) * PIECE_BYTES);
}

static uint32_t new_piece(mf_answer *a) {
  if (a->collected_used + PIECE_BYTES > a->collected_bytes) return a->out_of_memory = true, 0;
  a->collected_used += PIECE_BYTES;
  uint32_t number = (uint32_t)(a->collected_used / PIECE_BYTES);
  piece_at(a, number)->next = 0;
  return number;
}

static void collect(mf_answer *a, struct mf_answer_text *t, const char *text, size_t len) {
  const size_t capacity = sizeof((piece *)0)->text;
  t->len += len;
  while (len > 0 && !a->out_of_memory) {
    if (t->last == 0 || t->last_len == capacity) {
      uint32_t number = new_piece(a);
      if (number == 0) return;
      if (t->last) piece_at(a, t->last)->next = number;
      if (t->first == 0) t->first = number;
      t->last = number;
      t->last_len = 0;
    }
    size_t step = MF_MIN(len, capacity - t->last_len);
    memcpy(piece_at(a, t->last)->text + t->last_len, text, step);
    t->last_len += (uint32_t)step;
    text += step;
    len -= step;
  }
}

// ---- labels ----

// Not a number is worse than any number.
static bool better(float a, float b) { return a > b || (isnan(b) && !isnan(a)); }

// The numbers of the k best scores, best first, equal ones by number.
static uint32_t choose_best(const float *scores, int64_t n, uint32_t k, uint32_t *best) {
  uint32_t kept = 0;
  for (int64_t i = 0; i < n; i++) {
    if (kept == k && !better(scores[i], scores[best[kept - 1]])) continue;
    uint32_t at = kept < k ? kept++ : k - 1;
    for (; at > 0 && better(scores[i], scores[best[at - 1]]); at--) best[at] = best[at - 1];
    best[at] = (uint32_t)i;
  }
  return kept;
}

static void put_label(mf_json_out *out, const mf_answer_form *form, uint32_t at, float score) {
  char unnamed[32];
  mf_str label = mf_answer_label(form, at);
  if (label.len == 0) {  // as transformers name what has no name
    snprintf(unnamed, sizeof unnamed, "\"LABEL_%u\"", at);
    label = mf_str_from(unnamed);
  }
  mf_json_put(out, MF_STR("{\"label\":"));
  mf_json_put(out, label);
  mf_json_put(out, MF_STR(",\"score\":"));
  mf_json_put_float(out, score);
  mf_json_put(out, MF_STR("}"));
}

static void put_ranking(mf_answer *a, const float *scores, int64_t n) {
  uint32_t kept = choose_best(scores, n, a->form->top_k, a->best);
  mf_json_put(&a->out, MF_STR("["));
  for (uint32_t i = 0; i < kept; i++) {
    if (i) mf_json_put(&a->out, MF_STR(","));
    put_label(&a->out, a->form, a->best[i], scores[a->best[i]]);
  }
  mf_json_put(&a->out, MF_STR("]"));
}

static void add_labels(mf_answer *a, const mf_tensor *scores) {
  uint32_t rank = scores->rank;
  while (rank > 2 && scores->dims[rank - 1] == 1)
    rank--;  // [1,1000,1,1], as convolutional classifiers end
  int64_t classes = rank ? scores->dims[rank - 1] : 1,
          rows = mf_tensor_span(scores, 0, rank ? rank - 1 : 0);
  bool list = a->rows || rows != 1;
  if (list && !a->rows) mf_json_put(&a->out, MF_STR("["));
  for (int64_t i = 0; i < rows && !a->out.full; i++) {
    if (i > 0 || (a->rows && a->runs > 0)) mf_json_put(&a->out, MF_STR(","));
    put_ranking(a, (const float *)scores->data + i * classes, classes);
  }
  if (list && !a->rows) mf_json_put(&a->out, MF_STR("]"));
}

// ---- tensors ----

static void put_name(mf_answer *a, uint32_t at) {
  mf_json_put(&a->out, at ? MF_STR(",") : MF_STR("{"));
  mf_json_put_quoted(&a->out, mf_image_output(a->image, at)->name);
  mf_json_put(&a->out, MF_STR(":"));
}

// One run's part of an output that is built from several: rows without the outer brackets, or one
// element of a list.
static bool put_part(mf_answer *a, const mf_tensor *output, bool comma) {
  bool joined = a->slices && output->rank > 0;
  if (joined && output->dims[0] == 0) return false;
  if (comma) mf_json_put(&a->out, MF_STR(","));
  mf_json_put_tensor(&a->out, output, joined);
  return true;
}

static void add_waiting(mf_answer *a, const mf_instance *instance) {
  for (uint32_t i = 0; i < mf_image_n_outputs(a->image) && !a->out.full; i++) {
    a->out.at = a->start;  // the answer's memory serves as a desk
    if (!put_part(a, mf_instance_output(instance, i), a->texts[i].len > 0)) continue;
    if (!a->out.full) collect(a, &a->texts[i], a->start, (size_t)(a->out.at - a->start));
  }
}

static void add_tensors(mf_answer *a, const mf_instance *instance) {
  for (uint32_t i = 0; i < mf_image_n_outputs(a->image) && !a->out.full; i++) {
    put_name(a, i);
    mf_json_put_tensor(&a->out, mf_instance_output(instance, i), false);
  }
}

void mf_answer_begin(mf_answer *a) {
  a->runs = 0;
  a->collected_used = 0;
  a->out_of_memory = false;
  uint32_t n = mf_image_n_outputs(a->image);
  memset(a->texts, 0, n * sizeof *a->texts);
  if (!a->rows) return;
  if (labels(a)) mf_json_put(&a->out, MF_STR("["));
  if (labels(a) || n != 1) return;
  put_name(a, 0);
  mf_json_put(&a->out, MF_STR("["));
}

void mf_answer_add(mf_answer *a, const mf_instance *instance) {
  if (labels(a))
    add_labels(a, mf_instance_output(instance, 0));
  else if (waits(a))
    add_waiting(a, instance);
  else if (!a->rows)
    add_tensors(a, instance);
  else if (mf_image_n_outputs(a->image) == 1)
    a->texts[0].len += put_part(a, mf_instance_output(instance, 0), a->texts[0].len > 0);
  a->runs++;
}

static void put_collected(mf_answer *a) {
  a->out.at = a->start;
  for (uint32_t i = 0; i < mf_image_n_outputs(a->image); i++) {
    uint64_t left = a->texts[i].len;
    put_name(a, i);
    mf_json_put(&a->out, MF_STR("["));
    for (uint32_t number = a->texts[i].first; number; number = piece_at(a, number)->next) {
      size_t len = (size_t)MF_MIN(left, (uint64_t)sizeof piece_at(a, number)->text);
      mf_json_put(&a->out, (mf_str){piece_at(a, number)->text, len});
      left -= len;
    }
    mf_json_put(&a->out, MF_STR("]"));
  }
}

bool mf_answer_end(mf_answer *a, size_t *len, mf_error *err) {
  uint32_t n = mf_image_n_outputs(a->image);
  if (waits(a)) put_collected(a);
  if (a->rows && (labels(a) || n == 1)) mf_json_put(&a->out, MF_STR("]"));
  if (!labels(a)) mf_json_put(&a->out, n ? MF_STR("}") : MF_STR("{}"));
  if (a->out_of_memory)
    return mf_fail(
        err, MF_OutOfMemory,
        "the answers of %llu runs do not fit the memory that the function has left (%zu bytes)",
        (unsigned long long)a->runs, a->collected_bytes);
  if (a->out.full)
    return mf_fail(err, MF_TooLarge,
                   "the answer is larger than %zu bytes, the most that an invocation may answer",
                   (size_t)(a->out.end - a->start));
  *len = (size_t)(a->out.at - a->start);
  return true;
}
