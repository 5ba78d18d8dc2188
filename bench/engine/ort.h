// ONNX Runtime as the yardstick: the few entries of its C function table (OrtApi) that a benchmark
// needs. The library comes from the npm package onnxruntime-node, which brings no header, so the
// entries are declared here by their position in the table; the positions never change (the table
// only grows), and the version is checked when the library is opened.
#ifndef MF_BENCH_ORT_H
#define MF_BENCH_ORT_H

#include "engine/engine.h"

typedef struct ort ort;
typedef struct ort_session ort_session;

// Opens the library; fails when it is missing or is not 1.30.
ort *ort_open(const char *library, mf_error *err) MF_MUST_CHECK;
const char *ort_version(const ort *o);
void ort_close(ort *o);

// One thread, all optimisations, the CPU provider.
ort_session *ort_session_create(ort *o, const char *model, mf_error *err) MF_MUST_CHECK;
void ort_session_destroy(ort_session *session);

// Binds input `at` (ONNX Runtime's order is the model's) to the tensor's memory, which has to
// outlive the session.
bool ort_session_bind(ort_session *session, uint32_t at, const mf_tensor *input,
                      mf_error *err) MF_MUST_CHECK;
// Runs and drops the outputs, or keeps them for ort_session_output when keep is true.
bool ort_session_run(ort_session *session, bool keep, mf_error *err) MF_MUST_CHECK;
uint32_t ort_session_n_inputs(const ort_session *session);
uint32_t ort_session_n_outputs(const ort_session *session);
const char *ort_session_input_name(const ort_session *session, uint32_t at);
// Describes output `at` of the last run that kept its outputs; false: no plain tensor (a sequence,
// a map) or strings.
bool ort_session_output(const ort_session *session, uint32_t at, mf_tensor *out);
#endif
