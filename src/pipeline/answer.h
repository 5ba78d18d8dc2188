// Outputs of one or several runs to the JSON that the caller gets.
#ifndef MF_PIPELINE_ANSWER_H
#define MF_PIPELINE_ANSWER_H

#include "answer_form.h"
#include "tensor_json.h"

typedef struct mf_answer mf_answer;
struct mf_answer {
  // set by the caller
  const mf_image *image;
  const mf_answer_form *form;
  char *start;  // of `out`
  mf_json_out out;
  bool rows, slices;  // the request was a list of rows; outputs of several runs are joined along
                      // their first dimension
  uint32_t *best;     // room for form->top_k numbers
  struct mf_answer_text {
    uint32_t first, last;
    uint64_t len;
    uint32_t last_len;
  } * texts;        // one for each output
  char *collected;  // memory where the texts of several outputs wait for each other, in pieces
  size_t collected_bytes, collected_used;
  // the answer's own
  uint64_t runs;
  bool out_of_memory;
};

void mf_answer_begin(mf_answer *answer);
void mf_answer_add(mf_answer *answer, const mf_instance *instance);
bool mf_answer_end(mf_answer *answer, size_t *len, mf_error *err) MF_MUST_CHECK;
#endif
