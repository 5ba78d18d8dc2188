// Mayfly's engine against ONNX Runtime, both in this process, one thread pinned to one core: for
// each folder of models (model.onnx and test_data_set_0) alternating blocks of runs of either,
// until each side has 200 runs and a quarter of a second, or 2 seconds. Prints a table and, with
// --json FILE, writes medians and samples. Also compares the outputs, so that speed is never that
// of a wrong answer.
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "ort.h"

enum { MAX_SAMPLES = 20000, MAX_INPUTS = 32, LEAST_RUNS = 200, KEPT_SAMPLES = 200 };
#define ARENA_BYTES ((size_t)4 << 30)
#define BLOCK_NS (10 * MF_NS_PER_MS)

typedef struct options {
  const char *library, *json;
  int64_t side_ns;  // as long as one side is measured at most
  int core;
  bool reference;
} options;

typedef struct side {
  double ms[MAX_SAMPLES];
  size_t n;
  int64_t total_ns;
} side;

typedef struct contest {
  const char *name;
  mf_arena arena;
  mf_tensor inputs[MAX_INPUTS];
  uint32_t n_inputs;
  mf_instance *instance;
  ort_session *session;
  side ours, theirs;
  double difference;  // largest |ours - theirs| / (|theirs| + 1e-3 of the largest |theirs|)
} contest;

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}
static double median(const side *s) {
  static double sorted[MAX_SAMPLES];
  memcpy(sorted, s->ms, s->n * sizeof *sorted);
  qsort(sorted, s->n, sizeof *sorted, by_value);
  return s->n ? sorted[s->n / 2] : 0;
}

// ---- setting up ----
static bool read_inputs(contest *c, const char *folder, mf_error *err) {
  char path[4096];
  for (c->n_inputs = 0; c->n_inputs < MAX_INPUTS; c->n_inputs++) {
    mf_slice bytes;
    snprintf(path, sizeof path, "%s/test_data_set_0/input_%u.pb", folder, c->n_inputs);
    FILE *there = fopen(path, "rb");
    if (!there) return true;
    fclose(there);
    if (!mf_read_file(&c->arena, path, SIZE_MAX, &bytes, err) ||
        !mf_onnx_read_tensor(bytes, &c->arena, &c->inputs[c->n_inputs], err))
      return false;
  }
  return true;
}

static bool set_up_ours(contest *c, const char *model, const options *o, void *memory,
                        mf_error *err) {
  mf_slice bytes, compiled;
  mf_isa isa;
  const mf_image *image;
  if (!mf_isa_detect(&isa, err) || !mf_read_file(&c->arena, model, SIZE_MAX, &bytes, err))
    return false;
  mf_graph *graph = mf_onnx_read(bytes, &c->arena, NULL, NULL, NULL, err);
  if (!graph || !mf_compile(graph, &(mf_compile_options){.isa = isa, .reference = o->reference},
                            &c->arena, &compiled, err))
    return false;
  if (!mf_image_open(compiled, NULL, &c->arena, &image, err)) return false;
  c->instance = mf_instance_create(image, memory, ARENA_BYTES, err);
  return c->instance != NULL;
}

static bool set_up_theirs(contest *c, const char *model, ort *library, mf_error *err) {
  c->session = ort_session_create(library, model, err);
  if (!c->session) return false;
  for (uint32_t i = 0; i < c->n_inputs; i++)
    if (!ort_session_bind(c->session, i, &c->inputs[i], err)) return false;
  return true;
}

// ---- running ----
static bool run_ours(contest *c, mf_error *err) {
  mf_instance_reset(c->instance);
  for (uint32_t i = 0; i < c->n_inputs; i++) {
    mf_tensor *input = mf_instance_input(c->instance, i);
    input->rank = c->inputs[i].rank;
    memcpy(input->dims, c->inputs[i].dims, sizeof input->dims);
    input->data = c->inputs[i].data;
  }
  return mf_instance_run(c->instance, err);
}

static double element(const mf_tensor *t, int64_t i) {
  switch ((int)t->type) {
    case MF_FLOAT: return (double)((const float *)t->data)[i];
    case MF_DOUBLE: return ((const double *)t->data)[i];
    case MF_FLOAT16: return (double)mf_half_to_float(((const uint16_t *)t->data)[i]);
    case MF_INT64: return (double)((const int64_t *)t->data)[i];
    case MF_INT32: return (double)((const int32_t *)t->data)[i];
    case MF_INT8: return (double)((const int8_t *)t->data)[i];
    default: return (double)((const uint8_t *)t->data)[i];
  }
}

static double difference(const mf_tensor *ours, const mf_tensor *theirs) {
  double worst = 0, largest = 0;
  if (ours->type != theirs->type || mf_tensor_count(ours) != mf_tensor_count(theirs))
    return INFINITY;
  for (int64_t i = 0; i < mf_tensor_count(theirs); i++)
    largest = fmax(largest, fabs(element(theirs, i)));
  for (int64_t i = 0; i < mf_tensor_count(theirs); i++) {
    double a = element(ours, i), b = element(theirs, i),
           d = fabs(a - b) / (fabs(b) + 1e-3 * largest + 1e-30);
    if (!(isnan(a) && isnan(b))) worst = fmax(worst, isnan(d) ? INFINITY : d);
  }
  return worst;
}

static bool compare_outputs(contest *c, mf_error *err) {
  if (!run_ours(c, err) || !ort_session_run(c->session, true, err)) return false;
  for (uint32_t i = 0; i < ort_session_n_outputs(c->session); i++) {
    mf_tensor theirs;
    if (ort_session_output(c->session, i, &theirs))
      c->difference = fmax(c->difference, difference(mf_instance_output(c->instance, i), &theirs));
  }
  return true;
}

static bool enough(const side *s, const options *o) {
  return s->n == MAX_SAMPLES || s->total_ns >= o->side_ns ||
         (s->n >= LEAST_RUNS && s->total_ns >= o->side_ns / 8);
}

static bool block(contest *c, bool ours, const options *o, mf_error *err) {
  side *s = ours ? &c->ours : &c->theirs;
  for (int64_t spent = 0; spent < BLOCK_NS && !enough(s, o);) {
    int64_t start = mf_now_ns();
    if (!(ours ? run_ours(c, err) : ort_session_run(c->session, false, err))) return false;
    int64_t took = mf_now_ns() - start;
    s->ms[s->n++] = (double)took / 1e6;
    s->total_ns += took;
    spent += took;
  }
  return true;
}

static bool measure(contest *c, const options *o, mf_error *err) {
  if (!compare_outputs(c, err)) return false;
  for (int i = 0; i < 3; i++)
    if (!run_ours(c, err) || !ort_session_run(c->session, false, err)) return false;
  while (!enough(&c->ours, o) || !enough(&c->theirs, o))
    if (!block(c, true, o, err) || !block(c, false, o, err)) return false;
  return true;
}

// ---- reporting ----
static void write_side(FILE *json, const char *name, const char *label, const side *s) {
  fprintf(json, "\"engine.%s.%s_ms\": %.6f,\n\"engine.%s.%s_samples_ms\": [", name, label,
          median(s), name, label);
  size_t step = s->n / KEPT_SAMPLES + 1;
  for (size_t i = 0; i < s->n; i += step) fprintf(json, "%s%.5f", i ? ", " : "", s->ms[i]);
  fprintf(json, "],\n");
}

static bool contest_run(contest *c, const char *folder, ort *library, const options *o,
                        void *memory, mf_error *err) {
  char model[4096];
  snprintf(model, sizeof model, "%s/model.onnx", folder);
  return read_inputs(c, folder, err) && set_up_ours(c, model, o, memory, err) &&
         set_up_theirs(c, model, library, err) && measure(c, o, err);
}

// Returns the ratio of the medians, 0 when the model could not be run.
static double one_model(const char *folder, ort *library, const options *o, void *memory,
                        FILE *json) {
  static contest c;
  mf_error err;
  memset(&c, 0, sizeof c);
  c.name = strrchr(folder, '/') ? strrchr(folder, '/') + 1 : folder;
  mf_arena_init(&c.arena, 0);
  double ratio = 0;
  if (contest_run(&c, folder, library, o, memory, &err)) {
    ratio = median(&c.ours) / median(&c.theirs);
    printf("%-34s %10.4f %10.4f %8.2f   %8.1e %6zu %6zu\n", c.name, median(&c.ours),
           median(&c.theirs), ratio, c.difference, c.ours.n, c.theirs.n);
    if (json) {
      write_side(json, c.name, "ours", &c.ours);
      write_side(json, c.name, "ort", &c.theirs);
      fprintf(json, "\"engine.%s.vs_ort\": %.4f,\n", c.name, ratio);
    }
  } else {
    printf("%-34s failed: %s\n", c.name, err.message);
  }
  fflush(stdout);
  ort_session_destroy(c.session);
  mf_arena_deinit(&c.arena);
  return ratio;
}

static void pin(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)core, &set);
  if (sched_setaffinity(0, sizeof set, &set)) fprintf(stderr, "cannot pin to core %d\n", core);
}

static int usage(void) {
  fprintf(stderr,
          "usage: vs_ort --library libonnxruntime.so.1 [--json FILE] [--seconds S] [--core N] "
          "[--reference] MODEL_FOLDER...\n");
  return 2;
}

static int run_all(char **folders, int n, const options *o) {
  mf_error err;
  ort *library = ort_open(o->library, &err);
  void *memory = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  FILE *json = o->json ? fopen(o->json, "w") : NULL;
  if (!library || memory == MAP_FAILED || (o->json && !json))
    return fprintf(stderr, "vs_ort: %s\n", library ? "no memory or file" : err.message), 1;
  madvise(memory, ARENA_BYTES, MADV_HUGEPAGE);
  pin(o->core);
  printf("ONNX Runtime %s\n%-34s %10s %10s %8s   %8s %6s %6s\n", ort_version(library), "model",
         "ours ms", "ORT ms", "ratio", "diff", "runs", "runs");
  double worst = 0, logs = 0;
  int measured = 0;
  if (json) fprintf(json, "{\n");
  for (int i = 0; i < n; i++) {
    size_t len = strlen(folders[i]);
    while (len > 1 && folders[i][len - 1] == '/') folders[i][--len] = 0;
    double ratio = one_model(folders[i], library, o, memory, json);
    if (ratio > 0) worst = fmax(worst, ratio), logs += log(ratio), measured++;
  }
  if (measured)
    printf("%d of %d models: worst %.2f, geometric mean %.3f\n", measured, n, worst,
           exp(logs / measured));
  // The two keys speak for all models or not at all.
  if (json && measured == n)
    fprintf(json, "\"engine.worst_vs_ort\": %.4f,\n\"engine.geomean_vs_ort\": %.4f,\n", worst,
            exp(logs / measured));
  if (json) fprintf(json, "\"engine.models_measured\": %d\n}\n", measured);
  if (json && fclose(json)) return 1;
  ort_close(library);
  return measured == n ? 0 : 1;
}

int main(int argc, char **argv) {
  options o = {.side_ns = 2 * MF_NS_PER_S};
  int at = 1;
  for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
    bool value = at + 1 < argc;
    if (!strcmp(argv[at], "--reference"))
      o.reference = true;
    else if (!strcmp(argv[at], "--library") && value)
      o.library = argv[++at];
    else if (!strcmp(argv[at], "--json") && value)
      o.json = argv[++at];
    else if (!strcmp(argv[at], "--seconds") && value)
      o.side_ns = (int64_t)(strtod(argv[++at], NULL) * 1e9);
    else if (!strcmp(argv[at], "--core") && value)
      o.core = (int)strtol(argv[++at], NULL, 10);
    else
      return usage();
  }
  if (!o.library || at == argc) return usage();
  return run_all(argv + at, argc - at, &o);
}
