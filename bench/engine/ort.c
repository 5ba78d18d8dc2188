// The few entries of ONNX Runtime's C function table that the benchmark calls; see ort.h.
#include "ort.h"

#include <dlfcn.h>
#include <stdlib.h>

enum { API_VERSION = 17, MAX_IO = 32 };

typedef struct ort_status ort_status;  // NULL: success
typedef struct ort_api_base {
  const void *const *(*get_api)(uint32_t version);
  const char *(*get_version)(void);
} ort_api_base;

// Positions in OrtApi (onnxruntime_c_api.h of any version since 1.0).
enum entry {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENV = 3,
  CREATE_SESSION = 7,
  RUN = 9,
  CREATE_SESSION_OPTIONS = 10,
  SET_GRAPH_OPTIMIZATION_LEVEL = 23,
  SET_INTRA_OP_NUM_THREADS = 24,
  SET_INTER_OP_NUM_THREADS = 25,
  SESSION_GET_INPUT_COUNT = 30,
  SESSION_GET_OUTPUT_COUNT = 31,
  SESSION_GET_INPUT_NAME = 36,
  SESSION_GET_OUTPUT_NAME = 37,
  CREATE_TENSOR_WITH_DATA = 49,
  IS_TENSOR = 50,
  GET_TENSOR_MUTABLE_DATA = 51,
  GET_TENSOR_ELEMENT_TYPE = 60,
  GET_DIMENSIONS_COUNT = 61,
  GET_DIMENSIONS = 62,
  GET_TENSOR_TYPE_AND_SHAPE = 65,
  CREATE_CPU_MEMORY_INFO = 69,
  GET_ALLOCATOR = 78,
  RELEASE_ENV = 92,
  RELEASE_STATUS = 93,
  RELEASE_MEMORY_INFO = 94,
  RELEASE_SESSION = 95,
  RELEASE_VALUE = 96,
  RELEASE_SHAPE_INFO = 99,
  RELEASE_SESSION_OPTIONS = 100,
};
enum { LOG_ERROR = 3, ENABLE_ALL = 99, DEVICE_ALLOCATOR = 0, MEMORY_DEFAULT = 0 };

struct ort {
  void *library;
  const void *const *api;
  const char *version;
  void *env, *memory_info, *allocator;
};

struct ort_session {
  ort *o;
  void *session;
  size_t n_inputs, n_outputs;
  char *input_names[MAX_IO], *output_names[MAX_IO];
  void *inputs[MAX_IO], *outputs[MAX_IO];
};

// A call of a function that returns OrtStatus*. The argument types are those of the values given,
// as in the header.
#define CALL(o, at, types, ...) \
  check(o, ((ort_status * (*)types)(uintptr_t)(o)->api[at])(__VA_ARGS__), #at, err)
#define RELEASE(o, at, object) ((void (*)(void *))(uintptr_t)(o)->api[at])(object)

static bool check(const ort *o, ort_status *status, const char *what, mf_error *err) {
  if (!status) return true;
  const char *message =
      ((const char *(*)(const ort_status *))(uintptr_t)o->api[GET_ERROR_MESSAGE])(status);
  mf_fail(err, MF_Internal, "ONNX Runtime, %s: %s", what, message);
  RELEASE(o, RELEASE_STATUS, status);
  return false;
}

static bool open_library(ort *o, const char *path, mf_error *err) {
  o->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!o->library) return mf_fail(err, MF_NotFound, "%s", dlerror());
  const ort_api_base *(*get_base)(void) =
      (const ort_api_base *(*)(void))(uintptr_t)dlsym(o->library, "OrtGetApiBase");
  if (!get_base) return mf_fail(err, MF_NotFound, "%s has no OrtGetApiBase", path);
  o->version = get_base()->get_version();
  if (strncmp(o->version, "1.30.", 5) != 0)
    return mf_fail(err, MF_NotFound, "%s is version %s, expected 1.30", path, o->version);
  o->api = get_base()->get_api(API_VERSION);
  if (!o->api) return mf_fail(err, MF_NotFound, "%s has no API version %d", path, API_VERSION);
  return CALL(o, CREATE_ENV, (int, const char *, void **), LOG_ERROR, "bench", &o->env) &&
         CALL(o, CREATE_CPU_MEMORY_INFO, (int, int, void **), DEVICE_ALLOCATOR, MEMORY_DEFAULT,
              &o->memory_info) &&
         CALL(o, GET_ALLOCATOR, (void **), &o->allocator);
}

ort *ort_open(const char *library, mf_error *err) {
  ort *o = calloc(1, sizeof *o);
  if (!o) {
    mf_fail(err, MF_OutOfMemory, "opening ONNX Runtime");
    return NULL;
  }
  if (open_library(o, library, err)) return o;
  ort_close(o);
  return NULL;
}

const char *ort_version(const ort *o) { return o->version; }

void ort_close(ort *o) {
  if (!o) return;
  if (o->memory_info) RELEASE(o, RELEASE_MEMORY_INFO, o->memory_info);
  if (o->env) RELEASE(o, RELEASE_ENV, o->env);
  free(o);  // the library stays open: it has threads and destructors of its own
}

static bool create(ort_session *s, void *options, const char *model, mf_error *err) {
  ort *o = s->o;
  if (!CALL(o, SET_INTRA_OP_NUM_THREADS, (void *, int), options, 1) ||
      !CALL(o, SET_INTER_OP_NUM_THREADS, (void *, int), options, 1) ||
      !CALL(o, SET_GRAPH_OPTIMIZATION_LEVEL, (void *, int), options, ENABLE_ALL) ||
      !CALL(o, CREATE_SESSION, (void *, const char *, void *, void **), o->env, model, options,
            &s->session) ||
      !CALL(o, SESSION_GET_INPUT_COUNT, (void *, size_t *), s->session, &s->n_inputs) ||
      !CALL(o, SESSION_GET_OUTPUT_COUNT, (void *, size_t *), s->session, &s->n_outputs))
    return false;
  if (s->n_inputs > MAX_IO || s->n_outputs > MAX_IO)
    return mf_fail(err, MF_Unsupported, "more than %d inputs or outputs", MAX_IO);
  for (size_t i = 0; i < s->n_inputs; i++)
    if (!CALL(o, SESSION_GET_INPUT_NAME, (void *, size_t, void *, char **), s->session, i,
              o->allocator, &s->input_names[i]))
      return false;
  for (size_t i = 0; i < s->n_outputs; i++)
    if (!CALL(o, SESSION_GET_OUTPUT_NAME, (void *, size_t, void *, char **), s->session, i,
              o->allocator, &s->output_names[i]))
      return false;
  return true;
}

ort_session *ort_session_create(ort *o, const char *model, mf_error *err) {
  ort_session *s = calloc(1, sizeof *s);
  if (!s) {
    mf_fail(err, MF_OutOfMemory, "creating a session");
    return NULL;
  }
  s->o = o;
  void *options = NULL;
  bool done =
      CALL(o, CREATE_SESSION_OPTIONS, (void **), &options) && create(s, options, model, err);
  if (options) RELEASE(o, RELEASE_SESSION_OPTIONS, options);
  if (done) return s;
  ort_session_destroy(s);
  return NULL;
}

static void drop_outputs(ort_session *s) {
  for (size_t i = 0; i < s->n_outputs; i++) {
    if (s->outputs[i]) RELEASE(s->o, RELEASE_VALUE, s->outputs[i]);
    s->outputs[i] = NULL;
  }
}

void ort_session_destroy(ort_session *s) {
  if (!s) return;
  drop_outputs(s);
  for (size_t i = 0; i < s->n_inputs; i++)
    if (s->inputs[i]) RELEASE(s->o, RELEASE_VALUE, s->inputs[i]);
  if (s->session) RELEASE(s->o, RELEASE_SESSION, s->session);
  free(s);
}

bool ort_session_bind(ort_session *s, uint32_t at, const mf_tensor *input, mf_error *err) {
  size_t bytes;
  if (at >= s->n_inputs) return mf_fail(err, MF_InvalidInput, "the model has no input %u", at);
  if (!mf_tensor_bytes(input, &bytes))
    return mf_fail(err, MF_InvalidInput, "input %u is too big", at);
  if (s->inputs[at]) RELEASE(s->o, RELEASE_VALUE, s->inputs[at]);
  s->inputs[at] = NULL;
  return CALL(s->o, CREATE_TENSOR_WITH_DATA,
              (void *, void *, size_t, const int64_t *, size_t, int, void **), s->o->memory_info,
              input->data, bytes, input->dims, (size_t)input->rank, (int)input->type,
              &s->inputs[at]);
}

bool ort_session_run(ort_session *s, bool keep, mf_error *err) {
  drop_outputs(s);
  if (!CALL(s->o, RUN,
            (void *, void *, char *const *, void *const *, size_t, char *const *, size_t, void **),
            s->session, NULL, s->input_names, s->inputs, s->n_inputs, s->output_names, s->n_outputs,
            s->outputs))
    return false;
  if (!keep) drop_outputs(s);
  return true;
}

uint32_t ort_session_n_inputs(const ort_session *s) { return (uint32_t)s->n_inputs; }
uint32_t ort_session_n_outputs(const ort_session *s) { return (uint32_t)s->n_outputs; }
const char *ort_session_input_name(const ort_session *s, uint32_t at) { return s->input_names[at]; }

static bool describe(const ort_session *s, void *value, mf_tensor *out, mf_error *err) {
  void *info = NULL;
  int is_tensor = 0, type = 0;
  size_t rank = 0;
  if (!CALL(s->o, IS_TENSOR, (void *, int *), value, &is_tensor) || !is_tensor) return false;
  bool done = CALL(s->o, GET_TENSOR_TYPE_AND_SHAPE, (void *, void **), value, &info) &&
              CALL(s->o, GET_TENSOR_ELEMENT_TYPE, (void *, int *), info, &type) &&
              CALL(s->o, GET_DIMENSIONS_COUNT, (void *, size_t *), info, &rank) &&
              rank <= MF_MAX_RANK &&
              CALL(s->o, GET_DIMENSIONS, (void *, int64_t *, size_t), info, out->dims, rank) &&
              type != MF_STRING &&
              CALL(s->o, GET_TENSOR_MUTABLE_DATA, (void *, void **), value, &out->data);
  if (info) RELEASE(s->o, RELEASE_SHAPE_INFO, info);
  out->type = (mf_type)type;
  out->rank = (uint32_t)rank;
  return done;
}

bool ort_session_output(const ort_session *s, uint32_t at, mf_tensor *out) {
  mf_error ignored;
  *out = (mf_tensor){0};
  return at < s->n_outputs && s->outputs[at] && describe(s, s->outputs[at], out, &ignored);
}
