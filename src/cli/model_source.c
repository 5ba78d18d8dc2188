// Opening models: maps files outside the sandbox, reads and compiles inside it.
#include "model_source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "pipeline/pipeline.h"

enum { MAX_FILES = 4096, MAX_DEPTH = 3 };
#define DYNAMIC_ROOM ((size_t)4 << 30)  // address space, not memory: pages are taken when they are used
#define MAX_UNZIPPED ((uint64_t)8 << 30)
#define STATIC_ROOM ((size_t)256 << 20)

bool model_map_file(const char *path, mf_slice *bytes, mf_error *err) {
  OWN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;
  if (fd < 0 || fstat(fd, &st) != 0) return mf_fail_errno(err, "cannot open '%s'", path);
  if (!S_ISREG(st.st_mode)) return mf_fail(err, MF_Usage, "'%s' is not a file", path);
  *bytes = (mf_slice){"", 0};
  if (st.st_size == 0) return true;
  void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return mf_fail_errno(err, "cannot map '%s'", path);
  *bytes = (mf_slice){data, (size_t)st.st_size};
  return true;
}

static bool add_file(model_source *source, const char *path, const char *name, mf_arena *arena, mf_error *err) {
  mf_slice bytes;
  mf_str copy = mf_str_copy(arena, mf_str_from(name));
  if (source->n_files == MAX_FILES || !copy.data) return mf_fail(err, MF_TooLarge, "more than %d files beside '%s'", MAX_FILES, source->path);
  if (!model_map_file(path, &bytes, err)) return false;
  source->files[source->n_files++] = (model_file){copy.data, bytes};
  return true;
}

static bool add_folder(model_source *source, const char *folder, const char *prefix, int depth, mf_arena *arena, mf_error *err) {
  DIR *dir = opendir(folder);
  if (!dir) return mf_fail_errno(err, "cannot open '%s'", folder);
  bool good = true;
  for (struct dirent *entry; good && (entry = readdir(dir));) {
    char path[PATH_MAX], name[PATH_MAX];
    struct stat st;
    if (entry->d_name[0] == '.' || strncmp(entry->d_name, "test_data_set_", 14) == 0) continue;
    if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path ||
        snprintf(name, sizeof name, "%s%s", prefix, entry->d_name) >= (int)sizeof name - 1 || stat(path, &st) != 0)
      continue;
    if (S_ISREG(st.st_mode) && strcmp(path, source->path) != 0) {
      good = add_file(source, path, name, arena, err);
    } else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
      strcat(name, "/");
      good = add_folder(source, path, name, depth + 1, arena, err);
    }
  }
  closedir(dir);
  return good;
}

// A folder is a package: zipped as `mayfly deploy` zips it, read as the server reads it.
static bool open_folder(model_source *source, mf_error *err) {
  cli_package package = {.fd = -1};
  if (!cli_package_open(source->path, &package, err)) return false;
  void *data = package.len ? mmap(NULL, package.len, PROT_READ, MAP_PRIVATE, package.fd, 0) : MAP_FAILED;
  mf_close(&package.fd);
  if (data == MAP_FAILED) return mf_fail_errno(err, "cannot map what '%s' was zipped to", source->path);
  source->bytes = (mf_slice){data, package.len};
  return true;
}

// Files beside the model are mapped only when it mentions external data; an image has none.
bool model_source_open(model_source *source, const char *path, mf_arena *arena, mf_error *err) {
  struct stat st;
  *source = (model_source){.path = path};
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) return open_folder(source, err);
  if (!model_map_file(path, &source->bytes, err)) return false;
  static const char mark[] = "location";
  if (mf_image_is(source->bytes) || !memmem(source->bytes.data, source->bytes.len, mark, sizeof mark - 1)) return true;
  char folder[PATH_MAX];
  const char *slash = strrchr(path, '/');
  if (snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".") >= (int)sizeof folder)
    return mf_fail(err, MF_Usage, "'%s' is too long", path);
  source->files = MF_NEW_ARRAY(arena, model_file, MAX_FILES);
  if (!source->files) return mf_fail(err, MF_OutOfMemory, "no memory");
  return add_folder(source, slash == path ? "/" : folder, "", 0, arena, err);
}

static bool external_data(void *context, mf_str location, mf_slice *bytes, mf_error *err) {
  const model_source *source = context;
  while (mf_str_starts(location, MF_STR("./"))) location = (mf_str){location.data + 2, location.len - 2};
  for (uint32_t i = 0; i < source->n_files; i++)
    if (mf_str_is(location, source->files[i].name)) return *bytes = source->files[i].bytes, true;
  return mf_fail(err, MF_InvalidModel, "there is no such file beside the model");
}

static bool is_zip(mf_slice bytes) { return bytes.len > 4 && memcmp(bytes.data, "PK\3\4", 4) == 0; }

static bool compile_package(const model_source *source, const mf_compile_options *options, mf_arena *arena, mf_slice *image, mf_error *err) {
  mf_package_report *report = MF_NEW(arena, mf_package_report);
  mf_package_options package = {.isa = options->isa, .reference = options->reference, .max_unzipped_bytes = MAX_UNZIPPED};
  if (!report) return mf_fail(err, MF_OutOfMemory, "no memory");
  return mf_package_compile(source->bytes, &package, arena, image, report, err);
}

static bool compile(const model_source *source, bool reference, mf_arena *arena, mf_slice *image, mf_error *err) {
  mf_compile_options options = {.reference = reference};
  if (!mf_isa_detect(&options.isa, err)) return false;
  if (is_zip(source->bytes)) return compile_package(source, &options, arena, image, err);
  mf_graph *graph = mf_onnx_read(source->bytes, arena, &mf_pipeline_operators, external_data, (void *)(uintptr_t)source, err);
  return graph && mf_compile(graph, &options, arena, image, err);
}

bool model_load(const model_source *source, bool reference, mf_arena *arena, model_run *run, mf_error *err) {
  *run = (model_run){.bytes = source->bytes, .compiled = !mf_image_is(source->bytes)};
  if (run->compiled && !compile(source, reference, arena, &run->bytes, err)) return false;
  return mf_image_open(run->bytes, &mf_pipeline_operators, arena, &run->image, err) &&
         (run->compiled || mf_image_verify(run->image, err));
}

bool model_start(model_run *run, mf_error *err) {
  mf_image_summary summary;
  mf_image_summarize(run->image, &summary);
  if (__builtin_add_overflow((size_t)summary.arena_bytes, summary.dynamic ? DYNAMIC_ROOM : STATIC_ROOM, &run->memory_bytes))
    return mf_fail(err, MF_OutOfMemory, "the model needs %llu bytes of memory", (unsigned long long)summary.arena_bytes);
  void *memory = mmap(NULL, run->memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return mf_fail_errno(err, "cannot have %zu bytes of memory", run->memory_bytes);
  run->instance = mf_instance_create(run->image, memory, run->memory_bytes, err);
  return run->instance != NULL;
}

bool model_set_input(model_run *run, uint32_t at, const mf_tensor *tensor, mf_error *err) {
  if (at >= mf_image_n_inputs(run->image))
    return mf_fail(err, MF_InvalidInput, "the model has %u inputs, there is one more", mf_image_n_inputs(run->image));
  *mf_instance_input(run->instance, at) = *tensor;
  return true;
}

const char *model_describe(const mf_signature_entry *entry, char *text, size_t size) {
  const mf_tensor *t = &entry->shape;
  size_t n = (size_t)snprintf(text, size, "%s", mf_type_name(t->type));
  if (t->rank == MF_RANK_UNKNOWN) {
    snprintf(text + MF_MIN(n, size), size - MF_MIN(n, size), "[?]");
    return text;
  }
  for (uint32_t i = 0; i < t->rank && n < size; i++) {
    char open = i == 0 ? '[' : ',';
    mf_str name = entry->dim_names[i];
    if (t->dims[i] >= 0) n += (size_t)snprintf(text + n, size - n, "%c%lld", open, (long long)t->dims[i]);
    else n += (size_t)snprintf(text + n, size - n, "%c%.*s", open, name.len ? (int)name.len : 1, name.len ? name.data : "?");
  }
  if (n < size) snprintf(text + n, size - n, "%s", t->rank ? "]" : "[]");
  return text;
}
