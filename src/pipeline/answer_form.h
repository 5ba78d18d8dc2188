// What the worker must know of a function beyond the model image's signature: which input takes
// pictures, and whether the answer is tensors or labels with scores. Travels in the image's
// metadata; the layout is docs/packages.md, "Metadata of an image".
#ifndef MF_PIPELINE_ANSWER_FORM_H
#define MF_PIPELINE_ANSWER_FORM_H

#include "base/base.h"

typedef enum mf_answer_kind { MF_ANSWER_TENSORS = 0, MF_ANSWER_LABELS = 1 } mf_answer_kind;
#define MF_NO_PICTURE UINT32_MAX

typedef struct mf_answer_form {
  uint32_t kind;           // mf_answer_kind
  uint32_t picture_input;  // number of the input that takes picture bytes, MF_NO_PICTURE: none
  uint32_t top_k;          // labels in an answer, at most
  uint32_t n_labels;
  uint32_t text_bytes;
  const uint8_t *ends;  // n_labels little-endian uint32: where each label ends in text
  const char *text;     // the labels one after the other, each a JSON text with its quotes
} mf_answer_form;

enum { MF_MAX_TOP_K = 1000 };

// labels: UTF-8. The bytes are in the arena; empty when the form says nothing (tensors, no
// picture).
bool mf_answer_form_encode(const mf_answer_form *form, const mf_str *labels, mf_arena *arena,
                           mf_slice *out, mf_error *err) MF_MUST_CHECK;
// Checks everything; the form points into bytes.
bool mf_answer_form_decode(mf_slice bytes, mf_answer_form *form, mf_error *err) MF_MUST_CHECK;
mf_str mf_answer_label(const mf_answer_form *form,
                       uint32_t at);  // quoted; empty: there is none of this number
#endif
