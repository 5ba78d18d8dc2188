// mayfly compile and mayfly inspect: a model to an image, and what is in either.
#include "model.h"

#include <stdio.h>
#include <sys/stat.h>

#include "client.h"
#include "host/host.h"
#include "model_source.h"
#include "pipeline/pipeline.h"

#define MODEL_MEMORY ((uint64_t)8 << 30)

// ---- compile ----
typedef struct compile_job {
  model_source source;
  int fd;
} compile_job;

static bool compile_in_sandbox(void *context, int out_fd, mf_error *err) {
  const compile_job *job = context;
  mf_arena arena;
  model_run run;
  mf_image_summary summary;
  mf_arena_init(&arena, MODEL_MEMORY);
  bool good = model_load(&job->source, false, &arena, &run, err);
  // In one large piece, so that the page cache keeps it in large folios (docs/image-format.md).
  good = good && mf_write_all(job->fd, run.bytes.data, run.bytes.len, "the image", err);
  if (good) {
    mf_image_summarize(run.image, &summary);
    dprintf(out_fd, "%u nodes, %.1f MB image (%s), %.1f MB of memory%s\n", summary.n_nodes, (double)summary.file_bytes / 1e6,
            mf_isa_name(mf_image_isa(run.image)), (double)summary.arena_bytes / 1e6, summary.dynamic ? " and more, as inputs demand" : "");
  }
  mf_arena_deinit(&arena);
  return good;
}

// By whatever name or link: the model would be gone.
static bool is_another_file(const char *model, const char *image, mf_error *err) {
  struct stat a, b;
  bool same = stat(model, &a) == 0 && stat(image, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
  return !same || mf_fail(err, MF_Usage, "-o '%s' is the model itself: it would be overwritten", image);
}

static bool compile_to(const char *model, const char *image, mf_error *err) {
  mf_arena arena;
  compile_job job = {.fd = -1};
  cli_file file = {.fd = -1};
  mf_arena_init(&arena, 0);
  bool good = is_another_file(model, image, err) && model_source_open(&job.source, model, &arena, err) && cli_file_create(&file, image, err);
  job.fd = file.fd;
  good = good && mf_sandbox_call(compile_in_sandbox, &job, &job.fd, 1, MODEL_MEMORY, err);
  good = cli_file_close(&file, good, err);
  mf_arena_deinit(&arena);
  return good;
}

int mf_cli_compile(int argc, char **argv) {
  const char *image = NULL;
  mf_error err = {0};
  const cli_option options[] = {{"-o", &image, NULL}};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 2 || !image) return cli_usage("compile", "compile takes one model and -o IMAGE");
  return compile_to(argv[1], image, &err) ? CLI_OK : cli_fail(&err);
}

// ---- inspect ----
typedef struct inspect_job {
  model_source source;
  bool json;
} inspect_job;

static json_t *json_text(mf_str text) {
  json_t *json = json_stringn(text.data ? text.data : "", text.len);
  return json ? json : json_string("(not UTF-8)");
}

static json_t *json_entry(const mf_signature_entry *entry) {
  json_t *shape = json_array();
  const mf_tensor *t = &entry->shape;
  for (uint32_t i = 0; t->rank != MF_RANK_UNKNOWN && i < t->rank; i++) {
    if (t->dims[i] >= 0) json_array_append_new(shape, json_integer(t->dims[i]));
    else json_array_append_new(shape, entry->dim_names[i].len ? json_text(entry->dim_names[i]) : json_null());
  }
  if (t->rank == MF_RANK_UNKNOWN) json_decref(shape), shape = json_null();
  return json_pack("{s:o, s:s, s:o}", "name", json_text(entry->name), "type", mf_type_name(t->type), "shape", shape);
}

// Operators and kernels with how often each is used.
static json_t *json_counts(const mf_image *image, bool kernels) {
  json_t *counts = json_object();
  mf_image_node node;
  for (uint32_t i = 0; mf_image_node_at(image, i, &node); i++) {
    char name[256];
    if (kernels) snprintf(name, sizeof name, "%s", node.kernel->name);
    else snprintf(name, sizeof name, "%s%s%s", node.op->domain, *node.op->domain ? "." : "", node.op->name);
    json_int_t n = json_integer_value(json_object_get(counts, name));
    json_object_set_new(counts, name, json_integer(n + 1));
  }
  return counts;
}

static json_t *json_image(const model_run *run) {
  mf_image_summary s;
  json_t *inputs = json_array(), *outputs = json_array();
  mf_image_summarize(run->image, &s);
  for (uint32_t i = 0; i < mf_image_n_inputs(run->image); i++) json_array_append_new(inputs, json_entry(mf_image_input(run->image, i)));
  for (uint32_t i = 0; i < mf_image_n_outputs(run->image); i++) json_array_append_new(outputs, json_entry(mf_image_output(run->image, i)));
  return json_pack("{s:o, s:o, s:s, s:b, s:i, s:i, s:I, s:I, s:I, s:o, s:o}", "inputs", inputs, "outputs", outputs, "isa",
                   mf_isa_name(mf_image_isa(run->image)), "dynamic", (int)s.dynamic, "nodes", (int)s.n_nodes, "plans", (int)s.n_plans,
                   "image_bytes", (json_int_t)s.file_bytes, "constant_bytes", (json_int_t)s.constant_bytes, "arena_bytes",
                   (json_int_t)s.arena_bytes, "operators", json_counts(run->image, false), "kernels", json_counts(run->image, true));
}

static void print_counts(int out_fd, const char *title, json_t *counts) {
  const char *name;
  json_t *count;
  cli_line(out_fd, "%s:", title);
  json_object_foreach(counts, name, count) cli_line(out_fd, "  %5d  %s", (int)json_integer_value(count), name);
}

static void print_entries(int out_fd, const char *title, const mf_image *image, uint32_t n,
                          const mf_signature_entry *(*entry)(const mf_image *, uint32_t)) {
  char text[MODEL_RANK_TEXT];
  cli_line(out_fd, "%s:", title);
  for (uint32_t i = 0; i < n; i++)
    cli_line(out_fd, "  %.*s  %s", MF_STR_ARG(entry(image, i)->name), model_describe(entry(image, i), text, sizeof text));
}

static void print_image(int out_fd, const model_run *run, json_t *json) {
  mf_image_summary s;
  mf_image_summarize(run->image, &s);
  print_entries(out_fd, "inputs", run->image, mf_image_n_inputs(run->image), mf_image_input);
  print_entries(out_fd, "outputs", run->image, mf_image_n_outputs(run->image), mf_image_output);
  dprintf(out_fd, "image: %.1f MB for %s, %u nodes in %u plans\nmemory: %.1f MB%s\n", (double)s.file_bytes / 1e6,
          mf_isa_name(mf_image_isa(run->image)), s.n_nodes, s.n_plans, (double)s.arena_bytes / 1e6,
          s.dynamic ? " and more, as inputs demand" : "");
  print_counts(out_fd, "operators", json_object_get(json, "operators"));
  print_counts(out_fd, "kernels", json_object_get(json, "kernels"));
}

static bool write_text(int out_fd, const mf_buf *text, mf_error *err) {
  return text->failed ? mf_fail(err, MF_OutOfMemory, "no memory for the answer") : mf_write_all(out_fd, text->data, text->len, "the answer", err);
}

static bool inspect_in_sandbox(void *context, int out_fd, mf_error *err) {
  const inspect_job *job = context;
  mf_arena arena;
  model_run run;
  mf_arena_init(&arena, MODEL_MEMORY);
  bool good = model_load(&job->source, false, &arena, &run, err);
  if (good) {
    json_t *json = json_image(&run);
    mf_buf text = {.arena = &arena};
    if (job->json) cli_json_text(json, &text), good = write_text(out_fd, &text, err);
    else print_image(out_fd, &run, json);
    json_decref(json);
  }
  mf_arena_deinit(&arena);
  return good;
}

static void print_operators(const mf_operator_table *table) {
  for (uint32_t i = 0; i < table->n_rows; i++) {
    const mf_operator *op = table->rows[i];
    printf("%-16s %-28s %lld", *op->domain ? op->domain : "ai.onnx", op->name, (long long)op->since);
    if (op->until == MF_OP_ANY) printf("+\n");
    else if (op->until == op->since) printf("\n");
    else printf("-%lld\n", (long long)op->until);
  }
}

int mf_cli_inspect(int argc, char **argv) {
  bool json = false, operators = false;
  mf_error err = {0};
  mf_arena arena;
  inspect_job job = {0};
  const cli_option options[] = {{"--json", NULL, &json}, {"--operators", NULL, &operators}};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (operators && argc == 1) {
    print_operators(&mf_builtin_operators);
    print_operators(&mf_pipeline_operators);
    return CLI_OK;
  }
  if (argc != 2) return cli_usage("inspect", "inspect takes one model or image");
  job.json = cli_wants_json(json);
  json_object_seed(0);  // from the kernel's random numbers, which are not to be had in the sandbox
  mf_arena_init(&arena, 0);
  bool good = model_source_open(&job.source, argv[1], &arena, &err) && mf_sandbox_call(inspect_in_sandbox, &job, NULL, 0, MODEL_MEMORY, &err);
  mf_arena_deinit(&arena);
  return good ? CLI_OK : cli_fail(&err);
}
