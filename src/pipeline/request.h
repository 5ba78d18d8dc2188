// A payload as one or several runs of a model: told apart by its content (docs/payloads.md), then
// read run by run into the instance's inputs. Nothing is allocated but the inputs themselves.
#ifndef MF_PIPELINE_REQUEST_H
#define MF_PIPELINE_REQUEST_H

#include "answer_form.h"
#include "tensor_json.h"

// How one input is given in a list of rows.
typedef enum mf_row_mode {
  MF_ROW_ABSENT,  // not seen yet
  MF_ROW_SLICE,   // a row is one index of the first dimension
  MF_ROW_WHOLE,   // a row is all of the input
  MF_ROW_BYTES,   // a row is {"b64": …}
} mf_row_mode;

typedef struct mf_request {
  // set by the caller
  mf_instance *instance;
  const mf_image *image;
  const mf_answer_form *form;
  uint8_t *modes;   // one mf_row_mode for each input
  uint8_t *seen;    // one flag for each input
  mf_arena *texts;  // for texts that have to be unescaped; emptied between runs
  // set by mf_request_open
  enum { MF_REQUEST_RAW, MF_REQUEST_NAMED, MF_REQUEST_VALUE, MF_REQUEST_ROWS } kind;
  bool rows_are_slices;  // ROWS: outputs are joined along their first dimension; else they are
                         // listed
  // the request's own
  mf_slice payload;
  mf_json json;
  int64_t rows_per_run, row;
  bool named_rows, done;
  bool nested;  // inside of {"inputs": …}
} mf_request;

bool mf_request_open(mf_request *request, mf_slice payload, mf_error *err) MF_MUST_CHECK;
// Fills the inputs for the next run. *more false: there was none left (nothing was filled).
bool mf_request_next(mf_request *request, bool *more, mf_error *err) MF_MUST_CHECK;
// Appends what the model expects ("; expected x float32[batch,4]") to an InvalidInput message.
void mf_request_explain(const mf_image *image, const mf_answer_form *form, mf_error *err);
#endif
