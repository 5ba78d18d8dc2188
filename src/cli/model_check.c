// mayfly check: folders of model.onnx and test_data_set_N with recorded inputs and outputs, each in a sandbox of its own.
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client.h"
#include "host/host.h"
#include "model.h"
#include "model_source.h"

enum { MAX_TENSORS = 256 };
#define CHECK_MEMORY ((uint64_t)8 << 30)

typedef struct data_set {
  mf_slice inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  uint32_t n_inputs, n_outputs;
} data_set;

typedef struct check_job {
  model_source source;
  data_set *sets;
  uint32_t n_sets;
  model_tolerance tolerance;
  bool reference;
} check_job;

static bool map_tensors(const char *folder, uint32_t set, const char *kind, mf_slice *list, uint32_t *n, mf_error *err) {
  for (*n = 0; *n < MAX_TENSORS; (*n)++) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/test_data_set_%u/%s_%u.pb", folder, set, kind, *n) >= (int)sizeof path)
      return mf_fail(err, MF_Usage, "'%s' is too long", folder);
    if (access(path, F_OK) != 0) return true;
    if (!model_map_file(path, &list[*n], err)) return false;
  }
  return true;
}

static bool is_tolerance(double value) { return isfinite(value) && value >= 0; }

// Two numbers and nothing else. Without the file, *tolerance stays as it is.
static bool read_tolerance(const char *folder, model_tolerance *tolerance, mf_error *err) {
  char path[PATH_MAX], rest;
  if (snprintf(path, sizeof path, "%s/tolerance", folder) >= (int)sizeof path) return mf_fail(err, MF_Usage, "'%s' is too long", folder);
  FILE *file = fopen(path, "re");
  if (!file) return errno == ENOENT || mf_fail_errno(err, "%s", path);
  model_tolerance read = {0};
  bool good = fscanf(file, "%lf %lf %c", &read.relative, &read.absolute, &rest) == 2 && !ferror(file);
  fclose(file);
  if (!good || !is_tolerance(read.relative) || !is_tolerance(read.absolute))
    return mf_fail(err, MF_Usage, "%s must hold two numbers of at least 0, relative and absolute, and nothing else", path);
  *tolerance = read;
  return true;
}

static bool count_sets(const char *folder, uint32_t *n, mf_error *err) {
  DIR *directory = opendir(folder);
  if (!directory) return mf_fail_errno(err, "cannot read the folder");
  *n = 0;
  for (struct dirent *entry; (entry = readdir(directory));) *n += strncmp(entry->d_name, "test_data_set_", 14) == 0;
  closedir(directory);
  return *n > 0 || mf_fail(err, MF_Usage, "there is no test_data_set_0");
}

// Every set there is, or none: one that is passed over would look as if it had been compared.
static bool map_sets(check_job *job, const char *folder, mf_error *err) {
  for (uint32_t i = 0; i < job->n_sets; i++) {
    char path[PATH_MAX];
    data_set *set = &job->sets[i];
    if (snprintf(path, sizeof path, "%s/test_data_set_%u", folder, i) >= (int)sizeof path) return mf_fail(err, MF_Usage, "'%s' is too long", folder);
    if (access(path, F_OK) != 0) return mf_fail(err, MF_Usage, "of %u test data sets, test_data_set_%u is missing", job->n_sets, i);
    if (!map_tensors(folder, i, "input", set->inputs, &set->n_inputs, err) ||
        !map_tensors(folder, i, "output", set->outputs, &set->n_outputs, err))
      return false;
  }
  return true;
}

static bool collect(check_job *job, const char *folder, mf_arena *arena, mf_error *err) {
  char path[PATH_MAX];
  if (snprintf(path, sizeof path, "%s/model.onnx", folder) >= (int)sizeof path) return mf_fail(err, MF_Usage, "'%s' is too long", folder);
  mf_str copy = mf_str_copy(arena, mf_str_from(path));
  if (!copy.data) return mf_fail(err, MF_OutOfMemory, "no memory");
  if (!model_source_open(&job->source, copy.data, arena, err) || !count_sets(folder, &job->n_sets, err)) return false;
  job->sets = MF_NEW_ARRAY(arena, data_set, job->n_sets);
  return job->sets ? map_sets(job, folder, err) : mf_fail(err, MF_OutOfMemory, "no memory for %u test data sets", job->n_sets);
}

static bool is_whole(const model_run *run, const data_set *set, mf_error *err) {
  uint32_t inputs = mf_image_n_inputs(run->image), outputs = mf_image_n_outputs(run->image);
  if (set->n_inputs != inputs) return mf_fail(err, MF_InvalidInput, "%u inputs are recorded (input_0.pb and so on), the model has %u", set->n_inputs, inputs);
  if (set->n_outputs != outputs) return mf_fail(err, MF_InvalidInput, "%u outputs are recorded (output_0.pb and so on), the model has %u", set->n_outputs, outputs);
  return true;
}

static bool check_once(model_run *run, const data_set *set, model_tolerance tolerance, mf_arena *arena, mf_error *err) {
  if (!is_whole(run, set, err)) return false;
  mf_instance_reset(run->instance);
  for (uint32_t i = 0; i < set->n_inputs; i++) {
    mf_tensor tensor;
    if (!model_read_tensor(set->inputs[i], arena, &tensor, err) || !model_set_input(run, i, &tensor, err)) return mf_wrap(err, "input_%u.pb", i);
  }
  if (!mf_instance_run(run->instance, err)) return false;
  for (uint32_t i = 0; i < set->n_outputs; i++) {
    mf_tensor expected;
    if (!model_read_tensor(set->outputs[i], arena, &expected, err)) return mf_wrap(err, "output_%u.pb", i);
    if (!model_compare(mf_instance_output(run->instance, i), &expected, tolerance, err))
      return mf_wrap(err, "output '%.*s'", MF_STR_ARG(mf_image_output(run->image, i)->name));
  }
  return true;
}

// Twice: a dynamic model's second run with the same shapes goes by the layout that the first one left behind.
static bool check_set(model_run *run, const data_set *set, model_tolerance tolerance, mf_arena *arena, mf_error *err) {
  return check_once(run, set, tolerance, arena, err) && (check_once(run, set, tolerance, arena, err) || mf_wrap(err, "second run"));
}

static bool check_model(void *context, int out_fd, mf_error *err) {
  const check_job *job = context;
  (void)out_fd;
  mf_arena arena;
  model_run run;
  mf_arena_init(&arena, CHECK_MEMORY);
  bool good = model_load(&job->source, job->reference, &arena, &run, err) && model_start(&run, err);
  for (uint32_t i = 0; good && i < job->n_sets; i++)
    good = check_set(&run, &job->sets[i], job->tolerance, &arena, err) || mf_wrap(err, "test_data_set_%u", i);
  mf_arena_deinit(&arena);
  return good;
}

static void check_folder(const char *folder, check_job *job, bool told_relative, bool told_absolute, uint32_t counts[3]) {
  enum { PASSED, FAILED, SKIPPED };
  mf_error err = {0};
  mf_arena arena;
  model_tolerance from_file = job->tolerance;
  mf_arena_init(&arena, 0);
  bool good = read_tolerance(folder, &from_file, &err);
  if (!told_relative) job->tolerance.relative = from_file.relative;
  if (!told_absolute) job->tolerance.absolute = from_file.absolute;
  good = good && collect(job, folder, &arena, &err) && mf_sandbox_call(check_model, job, NULL, 0, CHECK_MEMORY, &err);
  bool lacking = !good && (err.code == MF_UnsupportedOperator || err.code == MF_UnsupportedType);
  counts[good ? PASSED : lacking ? SKIPPED : FAILED]++;
  if (good) cli_line(STDOUT_FILENO, "pass %s", folder);
  else cli_line(STDOUT_FILENO, "%s %s: %s", lacking ? "skip" : "FAIL", folder, err.message);
  mf_arena_deinit(&arena);
}

static bool real_option(const char *name, const char *text, double *value) {
  char *end;
  if (!text) return true;
  *value = strtod(text, &end);
  if (end != text && *end == 0 && *value >= 0) return true;
  fprintf(stderr, "mayfly: error: %s takes a number of at least 0, not '%s'\n", name, text);
  return false;
}

int mf_cli_check(int argc, char **argv) {
  const char *relative = NULL, *absolute = NULL;
  bool reference = false;
  model_tolerance tolerance = {1e-3, 1e-5};
  uint32_t counts[3] = {0};
  const cli_option options[] = {{"--rtol", &relative, NULL}, {"--atol", &absolute, NULL}, {"--reference", NULL, &reference}};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (!real_option("--rtol", relative, &tolerance.relative) || !real_option("--atol", absolute, &tolerance.absolute)) return CLI_USAGE;
  if (argc < 2) return cli_usage("check", "check needs at least one folder");
  for (int i = 1; i < argc; i++) {
    size_t len = strlen(argv[i]);
    while (len > 1 && argv[i][len - 1] == '/') argv[i][--len] = 0;
    check_job job = {.tolerance = tolerance, .reference = reference};
    check_folder(argv[i], &job, relative != NULL, absolute != NULL, counts);
  }
  printf("%u passed, %u failed, %u skipped\n", counts[0], counts[1], counts[2]);
  return counts[1] ? CLI_FAILED : CLI_OK;
}
