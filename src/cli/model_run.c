// mayfly run: a model once, with tensors from files or made up ones, results as text or as files.
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "host/host.h"
#include "model.h"
#include "model_source.h"

enum { MAX_INPUTS = 256, SHOWN_ELEMENTS = 16, MAX_NAME = 200 };
#define RUN_MEMORY ((uint64_t)8 << 30)

typedef struct given_input {
  mf_str name;
  mf_slice bytes;
  const char *path;
} given_input;

typedef struct run_job {
  model_source source;
  given_input inputs[MAX_INPUTS];
  uint32_t n_inputs;
  int results_fd;  // -1: print them
} run_job;

// What the sandbox hands back in a file: one of these, the name, the bytes of a .npy or .pb file, for each output.
typedef struct result_header {
  uint64_t name_bytes, data_bytes;
  uint32_t npy;
} result_header;

// ---- inside the sandbox ----
// Whatever is wrong with a file that the user gave is about this file, says itself what to do with it, and is never about the model.
static bool read_given(const given_input *given, const mf_signature_entry *entry, mf_arena *arena, mf_tensor *tensor, mf_error *err) {
  char text[MODEL_RANK_TEXT];
  if (model_read_tensor(given->bytes, arena, tensor, err)) return true;
  if (err->code != MF_OutOfMemory) err->code = MF_Usage;
  return mf_wrap(err, "input '%.*s' takes %s; '%s' cannot be read", MF_STR_ARG(given->name), model_describe(entry, text, sizeof text),
                 given->path);
}

static bool set_given(model_run *run, const given_input *given, bool *set, mf_arena *arena, mf_error *err) {
  mf_tensor tensor;
  for (uint32_t i = 0; i < mf_image_n_inputs(run->image); i++) {
    if (!mf_str_equal(mf_image_input(run->image, i)->name, given->name)) continue;
    set[i] = true;
    return read_given(given, mf_image_input(run->image, i), arena, &tensor, err) && model_set_input(run, i, &tensor, err);
  }
  return mf_fail(err, MF_InvalidInput, "the model has no input '%.*s'; `mayfly inspect` shows what it has", MF_STR_ARG(given->name));
}

static bool set_inputs(model_run *run, const run_job *job, mf_arena *arena, mf_error *err) {
  uint32_t n = mf_image_n_inputs(run->image);
  bool *set = MF_NEW_ARRAY(arena, bool, n + 1);
  if (!set) return mf_fail(err, MF_OutOfMemory, "no memory");
  for (uint32_t i = 0; i < job->n_inputs; i++)
    if (!set_given(run, &job->inputs[i], set, arena, err)) return false;
  for (uint32_t i = 0; i < n; i++) {
    char text[MODEL_RANK_TEXT];
    const mf_signature_entry *entry = mf_image_input(run->image, i);
    if (!set[i])
      return mf_fail(err, MF_InvalidInput, "input '%.*s' (%s) is missing: give it with --input %.*s=FILE", MF_STR_ARG(entry->name),
                     model_describe(entry, text, sizeof text), MF_STR_ARG(entry->name));
  }
  return true;
}

static void append_element(mf_buf *line, const mf_tensor *t, int64_t i) {
  switch (t->type) {
    case MF_FLOAT: mf_buf_format(line, " %.9g", (double)((const float *)t->data)[i]); break;
    case MF_DOUBLE: mf_buf_format(line, " %.17g", ((const double *)t->data)[i]); break;
    case MF_FLOAT16: mf_buf_format(line, " %.5g", (double)mf_half_to_float(((const uint16_t *)t->data)[i])); break;
    case MF_INT8: mf_buf_format(line, " %d", ((const int8_t *)t->data)[i]); break;
    case MF_UINT8: mf_buf_format(line, " %u", ((const uint8_t *)t->data)[i]); break;
    case MF_INT16: mf_buf_format(line, " %d", ((const int16_t *)t->data)[i]); break;
    case MF_UINT16: mf_buf_format(line, " %u", ((const uint16_t *)t->data)[i]); break;
    case MF_INT32: mf_buf_format(line, " %d", ((const int32_t *)t->data)[i]); break;
    case MF_UINT32: mf_buf_format(line, " %u", ((const uint32_t *)t->data)[i]); break;
    case MF_INT64: mf_buf_format(line, " %lld", (long long)((const int64_t *)t->data)[i]); break;
    case MF_UINT64: mf_buf_format(line, " %llu", (unsigned long long)((const uint64_t *)t->data)[i]); break;
    case MF_BOOL: mf_buf_format(line, " %s", ((const uint8_t *)t->data)[i] ? "true" : "false"); break;
    case MF_STRING: mf_buf_format(line, " '%.*s'", MF_STR_ARG(((const mf_str *)t->data)[i])); break;
    case MF_TYPE_UNKNOWN: break;
  }
}

static void print_output(int out_fd, mf_str name, const mf_tensor *t) {
  char text[MODEL_RANK_TEXT];
  mf_buf line = {0};
  int64_t n = mf_tensor_count(t);
  cli_line(out_fd, "%.*s  %s", MF_STR_ARG(name), mf_tensor_describe(t, text, sizeof text));
  for (int64_t i = 0; i < n && i < SHOWN_ELEMENTS; i++) append_element(&line, t, i);
  if (n > SHOWN_ELEMENTS) mf_buf_format(&line, " ... (%lld elements)", (long long)n);
  cli_line(out_fd, " %.*s", MF_STR_ARG(mf_buf_view(&line)));
  mf_buf_deinit(&line);
}

static bool hand_back(int fd, mf_str name, const mf_tensor *t, mf_error *err) {
  mf_buf buf = {0};
  result_header header = {.name_bytes = name.len, .npy = t->type != MF_STRING};
  bool good = header.npy ? model_write_npy(t, &buf, err) : mf_onnx_write_tensor(t, name, &buf, err);
  header.data_bytes = buf.len;
  good = good && mf_write_all(fd, &header, sizeof header, "a result", err) && mf_write_all(fd, name.data, name.len, "a result", err) &&
         mf_write_all(fd, buf.data, buf.len, "a result", err);
  mf_buf_deinit(&buf);
  return good;
}

static bool run_in_sandbox(void *context, int out_fd, mf_error *err) {
  const run_job *job = context;
  mf_arena arena;
  model_run run;
  mf_arena_init(&arena, RUN_MEMORY);
  bool good = model_load(&job->source, false, &arena, &run, err) && model_start(&run, err) && set_inputs(&run, job, &arena, err) &&
              mf_instance_run(run.instance, err);
  for (uint32_t i = 0; good && i < mf_image_n_outputs(run.image); i++) {
    mf_str name = mf_image_output(run.image, i)->name;
    if (job->results_fd < 0) print_output(out_fd, name, mf_instance_output(run.instance, i));
    else good = hand_back(job->results_fd, name, mf_instance_output(run.instance, i), err);
  }
  mf_arena_deinit(&arena);
  return good;
}

// ---- outside ----
// A name from a model makes no path: what is not a letter, digit, dot, dash or underscore becomes an underscore.
static bool write_result(const char *dir, const char *name, size_t len, const result_header *header, const char *data, mf_error *err) {
  char safe[MAX_NAME + 1], path[PATH_MAX];
  size_t n = 0;
  for (; n < len && n < MAX_NAME; n++) safe[n] = isalnum((unsigned char)name[n]) || strchr("-_.", name[n]) ? name[n] : '_';
  safe[n] = 0;
  if (safe[0] == '.' || n == 0) safe[0] = '_', safe[n ? n : 1] = 0;
  if (snprintf(path, sizeof path, "%s/%s.%s", dir, safe, header->npy ? "npy" : "pb") >= (int)sizeof path)
    return mf_fail(err, MF_Usage, "'%s' is too long", dir);
  cli_file file = {.fd = -1};
  if (!cli_file_create(&file, path, err)) return false;
  if (!cli_file_close(&file, mf_write_all(file.fd, data, header->data_bytes, path, err), err)) return false;
  printf("%s\n", path);
  return true;
}

static bool write_results(const char *dir, int fd, mf_error *err) {
  off_t end = lseek(fd, 0, SEEK_END);
  if (end < 0) return mf_fail_errno(err, "cannot read the results");
  if (end == 0) return true;
  if (mkdir(dir, 0755) != 0 && errno != EEXIST) return mf_fail_errno(err, "cannot make '%s'", dir);
  char *data = mmap(NULL, (size_t)end, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return mf_fail_errno(err, "cannot map the results");
  bool good = true;
  for (size_t at = 0, left = (size_t)end; good && left; left = (size_t)end - at) {
    result_header header;
    good = left >= sizeof header;
    if (good) memcpy(&header, data + at, sizeof header), left -= sizeof header;
    good = good && header.name_bytes <= left && header.data_bytes <= left - header.name_bytes;
    if (!good) mf_fail(err, MF_Internal, "the sandbox handed back something else than results");
    const char *name = data + at + sizeof header;
    good = good && write_result(dir, name, header.name_bytes, &header, name + header.name_bytes, err);
    if (good) at += sizeof header + header.name_bytes + header.data_bytes;
  }
  munmap(data, (size_t)end);
  return good;
}

static bool take_input(run_job *job, const char *text, mf_error *err) {
  const char *equals = text ? strrchr(text, '=') : NULL;
  if (!equals || equals == text) return mf_fail(err, MF_Usage, "--input takes NAME=FILE, not '%s'", text ? text : "");
  const mf_str name = {text, (size_t)(equals - text)};
  for (uint32_t i = 0; i < job->n_inputs; i++)
    if (mf_str_equal(job->inputs[i].name, name)) return mf_fail(err, MF_Usage, "--input %.*s is given twice", MF_STR_ARG(name));
  if (job->n_inputs == MAX_INPUTS) return mf_fail(err, MF_Usage, "more than %d inputs", MAX_INPUTS);
  given_input *input = &job->inputs[job->n_inputs++];
  *input = (given_input){.name = name, .path = equals + 1};
  return model_map_file(input->path, &input->bytes, err);
}

// --input may stand several times, which the common parser does not know.
static bool take_inputs(int *argc, char **argv, run_job *job, mf_error *err) {
  int kept = 1;
  for (int i = 1; i < *argc; i++) {
    bool good = true;
    if (strcmp(argv[i], "--input") == 0) good = take_input(job, i + 1 < *argc ? argv[i + 1] : NULL, err), i++;
    else if (strncmp(argv[i], "--input=", 8) == 0) good = take_input(job, argv[i] + 8, err);
    else argv[kept++] = argv[i];
    if (!good) return false;
  }
  *argc = kept;
  return true;
}

int mf_cli_run(int argc, char **argv) {
  const char *dir = NULL;
  mf_error err = {0};
  mf_arena arena;
  run_job job = {.results_fd = -1};
  const cli_option options[] = {{"--output-dir", &dir, NULL}};
  if (!take_inputs(&argc, argv, &job, &err)) return cli_fail(&err), err.code == MF_Usage ? CLI_USAGE : CLI_FAILED;
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 2) return cli_usage("run", "run takes one model or image");
  if (dir && (job.results_fd = memfd_create("results", MFD_CLOEXEC)) < 0) return mf_fail_errno(&err, "memfd_create"), cli_fail(&err);
  mf_arena_init(&arena, 0);
  bool good = model_source_open(&job.source, argv[1], &arena, &err) &&
              mf_sandbox_call(run_in_sandbox, &job, &job.results_fd, dir ? 1 : 0, RUN_MEMORY, &err) &&
              (!dir || write_results(dir, job.results_fd, &err));
  mf_arena_deinit(&arena);
  mf_close(&job.results_fd);
  return good ? CLI_OK : cli_fail(&err);
}
