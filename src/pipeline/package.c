// From a package to a model image and a report: open, choose the model, read what stands beside it,
// attach, compile, measure.
#include <stdio.h>

#include "attach.h"
#include "describe.h"
#include "measure.h"
#include "responder.h"

enum {
  MB = 1 << 20,
  DEFAULT_UNZIPPED = 262144000,
  LEAST_MEMORY_MB = 128,
  PICTURE_MEMORY_MB = 256,
  PROCESS_BYTES = 8 * MB
};
// Room for values whose size only a payload decides. Least: a small picture or a few rows; usual:
// what `deploy` sets aside unless told.
enum { LEAST_HEAP = 4 * MB, USUAL_HEAP = 16 * MB };

typedef struct package {
  mf_slice bytes;
  const mf_package_options *options;
  mf_arena *arena;
  mf_archive archive;
  bool zipped;
  mf_recipe recipe;
  const mf_archive_entry *mayfly;  // mayfly.json, NULL: none
  const mf_archive_entry *entry;   // the model in the zip
  mf_slice model;
  mf_str model_name;
  mf_package_report *report;
  mf_error *err;
} package;

// ---- what is in a zip ----

// Files that systems put into zips and nobody means.
static bool is_litter(mf_str name) {
  return mf_str_starts(name, MF_STR("__MACOSX/")) ||
         mf_str_starts(mf_path_name(name), MF_STR("._")) ||
         mf_str_is(mf_path_name(name), ".DS_Store");
}

static bool is_code(mf_str name) {
  static const char *const endings[] = {".py", ".pyc", ".js",    ".mjs", ".cjs", ".ts",
                                        ".rb", ".jar", ".class", ".dll", ".so"};
  if (mf_str_is(name, "bootstrap")) return true;
  for (size_t i = 0; i < MF_COUNT(endings); i++)
    if (mf_str_ends(name, mf_str_from(endings[i]))) return true;
  return false;
}

static bool is_model(mf_str name) { return mf_str_ends(name, MF_STR(".onnx")) && !is_litter(name); }

typedef struct contents {
  uint32_t models;
  const mf_archive_entry *model, *second,
      *preferred;  // preferred: model.onnx or onnx/model.onnx, wherever the only such one is
  uint32_t n_preferred;
  const mf_archive_entry *code, *top_code;  // any, at the top
  const mf_archive_entry *mayfly;
  uint32_t n_mayfly;
} contents;

static contents look_through(const mf_archive *archive) {
  contents c = {0};
  for (uint32_t i = 0; i < archive->n_entries; i++) {
    const mf_archive_entry *e = &archive->entries[i];
    if (is_litter(e->name)) continue;
    if (is_code(e->name) && !c.code) c.code = e;
    if (is_code(e->name) && !memchr(e->name.data, '/', e->name.len) && !c.top_code) c.top_code = e;
    if (mf_str_is(mf_path_name(e->name), "mayfly.json")) {
      c.mayfly = e;
      c.n_mayfly++;
    }
    if (!is_model(e->name)) continue;
    c.models++;
    if (c.model && !c.second) c.second = e;
    if (!c.model) c.model = e;
    if (!mf_str_is(mf_path_name(e->name), "model.onnx")) continue;
    c.preferred = e;
    c.n_preferred++;
  }
  return c;
}

static bool is_foreign_code(package *p, const mf_archive_entry *code) {
  p->report->kind = MF_PACKAGE_CODE;
  return mf_fail(p->err, MF_Unsupported,
                 "the package holds code of its own ('%.*s'); functions with code are not "
                 "supported yet, only models (.onnx)",
                 (int)MF_MIN(code->name.len, (size_t)200), code->name.data);
}

static bool choose_model(package *p, const contents *c) {
  if (p->recipe.model.len > 0) {
    p->entry = mf_archive_find(&p->archive, p->recipe.model);
  } else if (c->models == 1 || c->n_preferred == 1) {
    p->entry = c->models == 1 ? c->model : c->preferred;
  } else if (c->models == 0) {
    return c->code ? is_foreign_code(p, c->code)
                   : mf_fail(p->err, MF_InvalidPackage,
                             "the package holds no model: no file ends in .onnx");
  } else {
    return mf_fail(p->err, MF_InvalidPackage,
                   "the package holds %u models ('%.*s', '%.*s', …): a mayfly.json must name the "
                   "one to serve: {\"model\": \"%.*s\"}",
                   c->models, (int)MF_MIN(c->model->name.len, (size_t)100), c->model->name.data,
                   (int)MF_MIN(c->second->name.len, (size_t)100), c->second->name.data,
                   (int)MF_MIN(c->model->name.len, (size_t)100), c->model->name.data);
  }
  p->model_name = p->entry->name;
  return mf_archive_read(&p->archive, p->entry, &p->model, p->err);
}

// ---- what stands beside the model ----

// *entry: NULL if there is none.
static bool find_beside(const package *p, mf_str folder, const char *name,
                        const mf_archive_entry **entry) {
  mf_str path;
  if (!mf_path_join(folder, mf_str_from(name), p->arena, &path, p->err)) return false;
  *entry = mf_archive_find(&p->archive, path);
  return true;
}

// Hugging Face's files are in the model's folder, or, where that is onnx/, in the one above.
static bool read_hugging_face(package *p, const contents *c) {
  const mf_archive_entry *model = c->models == 1 ? c->model : c->preferred;
  if (!model) return true;
  mf_str folder = mf_path_folder(model->name);
  for (int up = 0; up < 2; up++) {
    const mf_archive_entry *preprocessor, *config;
    if (!find_beside(p, folder, "preprocessor_config.json", &preprocessor) ||
        !find_beside(p, folder, "config.json", &config))
      return false;
    if (preprocessor)
      return mf_recipe_read_hugging_face(&p->recipe, &p->archive, preprocessor, config, p->err);
    if (!mf_str_is(mf_path_name(folder), "onnx")) break;
    folder = mf_path_folder(folder);
  }
  return true;
}

static bool read_recipe(package *p, const contents *c) {
  if (c->n_mayfly > 1)
    return mf_fail(p->err, MF_InvalidPackage, "the package holds %u files mayfly.json",
                   c->n_mayfly);
  if (!read_hugging_face(p, c)) return false;
  return !c->mayfly || mf_recipe_read_mayfly(&p->recipe, &p->archive, c->mayfly, p->err);
}

static bool open_zip(package *p) {
  if (!mf_archive_open(
          &p->archive, p->bytes,
          p->options->max_unzipped_bytes ? p->options->max_unzipped_bytes : DEFAULT_UNZIPPED,
          p->arena, p->err))
    return false;
  p->report->unzipped_bytes = p->archive.stated_bytes;
  const contents c = look_through(&p->archive);
  // Code at the top and nothing that says which model to serve: the code means to use the model
  // itself.
  if (c.top_code && !c.mayfly) return is_foreign_code(p, c.top_code);
  return read_recipe(p, &c) && choose_model(p, &c);
}

static bool open_package(package *p) {
  uint64_t limit =
      p->options->max_unzipped_bytes ? p->options->max_unzipped_bytes : DEFAULT_UNZIPPED;
  mf_recipe_init(&p->recipe);
  p->zipped = mf_archive_is(p->bytes);
  if (p->zipped) return open_zip(p);
  if (p->bytes.len == 0) return mf_fail(p->err, MF_InvalidPackage, "the package is empty");
  if (p->bytes.len > limit)
    return mf_fail(p->err, MF_TooLarge, "Unzipped size must be smaller than %llu bytes",
                   (unsigned long long)limit);
  p->report->unzipped_bytes = p->bytes.len;
  p->model = p->bytes;
  p->model_name = MF_STR("model.onnx");
  return true;
}

// ---- model ----

static bool external_data(void *context, mf_str location, mf_slice *bytes, mf_error *err) {
  package *p = context;
  mf_str path;
  if (!mf_path_join(mf_path_folder(p->model_name), location, p->arena, &path, err))
    return mf_wrap(err, "external data");
  const mf_archive_entry *entry = mf_archive_find(&p->archive, path);
  if (!entry)
    return mf_fail(err, MF_InvalidPackage, "external data '%.*s' is not in the package: the zip must hold it too, beside the model",
                   (int)MF_MIN(path.len, (size_t)200), path.data);
  return mf_archive_read(&p->archive, entry, bytes, err);
}

static bool compile(package *p, mf_slice *image) {
  const mf_compile_options options = {.isa = p->options->isa, .reference = p->options->reference};
  mf_graph *graph = mf_onnx_read(p->model, p->arena, &mf_pipeline_operators,
                                 p->zipped ? external_data : NULL, p, p->err);
  if (!graph)
    return mf_wrap(p->err, "%.*s", (int)MF_MIN(p->model_name.len, (size_t)100), p->model_name.data);
  return mf_recipe_attach(&p->recipe, graph, p->err) &&
         mf_compile(graph, &options, p->arena, image, p->err);
}

// ---- report ----

// The host keeps an eighth of a function's memory, at least 8 MiB, for what is not arena.
static uint64_t memory_mb_for(uint64_t arena_bytes) {
  uint64_t bytes = MF_MAX(arena_bytes / 7 * 8 + 8, arena_bytes + PROCESS_BYTES);
  return MF_MAX((bytes + MB - 1) / MB, (uint64_t)LEAST_MEMORY_MB);
}

static bool check_memory(package *p, uint32_t stated, uint64_t least) {
  if (stated == 0 || stated >= least) return true;
  return mf_fail(p->err, MF_OutOfMemory,
                 "the function has %u MB of memory, this model needs at least %llu MB", stated,
                 (unsigned long long)least);
}

// A quarter more than the run at a usual size took, for heaps come in pieces.
static uint64_t usual_heap(const mf_image *image) {
  uint64_t heap = mf_measure_usual_heap(image);
  return MF_MAX((uint64_t)USUAL_HEAP, heap + heap / 4);
}

static bool measure(package *p, mf_slice bytes) {
  const mf_image *image;
  mf_image_summary summary;
  mf_package_report *r = p->report;
  if (!mf_image_open(bytes, &mf_pipeline_operators, p->arena, &image, p->err))
    return mf_wrap(p->err, "the compiled image");
  mf_image_summarize(image, &summary);
  uint64_t least = memory_mb_for(mf_responder_bytes(image, LEAST_HEAP)),
           usual = memory_mb_for(mf_responder_bytes(image, usual_heap(image)));
  if (p->recipe.has_picture) usual = MF_MAX(usual, (uint64_t)PICTURE_MEMORY_MB);
  uint32_t stated = p->options->memory_mb ? p->options->memory_mb : p->recipe.memory_mb;
  if (usual > UINT32_MAX)
    return mf_fail(p->err, MF_TooLarge, "the model needs %llu MB of memory",
                   (unsigned long long)usual);
  r->image_bytes = bytes.len;
  r->arena_bytes = mf_responder_bytes(image, LEAST_HEAP);
  r->memory_mb_needed = (uint32_t)(stated ? least : usual);
  r->memory_mb = p->recipe.memory_mb;
  r->timeout_s = p->recipe.timeout_s;
  r->description_len = (uint32_t)mf_package_describe(image, &p->recipe, p->model_name,
                                                     r->description, sizeof r->description);
  return check_memory(p, stated, least);
}

static bool run(package *p, mf_slice *image) {
  return open_package(p) && compile(p, image) && measure(p, *image);
}

bool mf_package_compile(mf_slice bytes, const mf_package_options *options, mf_arena *arena,
                        mf_slice *image, mf_package_report *report, mf_error *err) {
  *report = (mf_package_report){.magic = MF_REPORT_MAGIC, .kind = MF_PACKAGE_MODEL};
  package p = {.bytes = bytes, .options = options, .arena = arena, .report = report, .err = err};
  bool ok = run(&p, image);
  mf_archive_close(&p.archive);
  if (ok) return true;
  report->code = err->code;
  snprintf(report->message, sizeof report->message, "%s", err->message);
  return false;
}
