// pipeline: packages to graphs, payloads to tensors, tensors to answers. Runs in sandboxed
// processes only (compiler and worker): everything it reads is hostile. Decoding and resizing
// pictures are graph nodes of the operator table below.
#ifndef MF_PIPELINE_PIPELINE_H
#define MF_PIPELINE_PIPELINE_H

#include "base/base.h"
#include "engine/engine.h"

extern const mf_operator_table
    mf_pipeline_operators;  // domain "mayfly": DecodeImage, ResizeImage, …

// ---- packages (compiler process) ----
typedef struct mf_package_options {
  mf_isa isa;
  bool reference;
  uint64_t max_unzipped_bytes;  // 262144000 unless --max-package says otherwise
  uint32_t memory_mb;           // of the function; 0: find out what the plan needs
} mf_package_options;

typedef enum mf_package_kind { MF_PACKAGE_MODEL = 1, MF_PACKAGE_CODE = 2 } mf_package_kind;

// What front learns of a package; fixed layout, no pointers, checked like any hostile input.
typedef struct mf_package_report {
  uint32_t magic;             // MF_REPORT_MAGIC
  uint32_t kind;              // mf_package_kind
  uint32_t code;              // mf_code; MF_OK: image written
  // Arena, payload and process together, rounded up to whole MB; at least 128. Where the package or
  // the caller states the function's memory: the least that the model can start with, which is
  // exact for the planned part and 4 MB for values of unknown size. Else what a run at a usual
  // size took (measure.h), or 16 MB for such values where no such run is possible. Inputs of
  // another size may need more: they are answered OutOfMemory.
  uint32_t memory_mb_needed;
  // arena_bytes: what an instance starts with, the least of the above without the process.
  uint64_t image_bytes, arena_bytes, unzipped_bytes;
  uint32_t timeout_s, memory_mb;  // from mayfly.json, 0: not stated
  char message[1024];             // NUL-terminated; why it failed
  uint32_t description_len;
  char description[16384];  // JSON text for `mayfly describe`: inputs, outputs, operators, pipeline
} mf_package_report;
#define MF_REPORT_MAGIC UINT32_C(0x4d465250)

// package: the bytes of a zip (mf_package_is_zip) or of a bare .onnx. On success *image is in the
// arena. `report` is always filled; returns false with report->code and report->message as in *err.
// A zip with code and no model reports MF_PACKAGE_CODE, Unsupported.
bool mf_package_compile(mf_slice package, const mf_package_options *options, mf_arena *arena,
                        mf_slice *image, mf_package_report *report, mf_error *err) MF_MUST_CHECK;

// ---- answering (worker process) ----
typedef struct mf_responder mf_responder;
// memory: the whole arena of the instance; tables, tensors, JSON and answers live there. The image
// stays mapped.
mf_responder *mf_responder_create(const mf_image *image, void *memory, size_t bytes,
                                  mf_error *err) MF_MUST_CHECK;
// Turns a payload (any bytes, told apart by content; docs/payloads.md) into tensors, runs, and
// writes the answer (JSON) into `out`, at most out_capacity bytes. Failing codes are the errorTypes
// of function errors: InvalidInput, InvalidPicture, OutOfMemory, TooLarge, …
// An HTTP event (http_event.h) is unwrapped where it stands, so that its memory must not be read-only; what is wrong with its body becomes
// an answer with a statusCode.
bool mf_responder_answer(mf_responder *responder, mf_slice payload, char *out, size_t out_capacity,
                         size_t *out_len, mf_error *err) MF_MUST_CHECK;
int64_t mf_responder_plan_ns(
    const mf_responder *responder);  // time inside mf_instance_run during the last answer
size_t mf_responder_peak_bytes(const mf_responder *responder);  // of the arena
#endif
