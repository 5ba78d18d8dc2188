// Compiled images. A row of the table `images` says what became of a package: its key is the hash of package, instruction set and
// compiler version, so the same package deployed twice is compiled once, and a data directory that was moved to another processor, or
// is opened by another version, finds no row and compiles again.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

struct mf_serve_images {
  mf_store *store;
  mf_host *host;
  mf_package_options options;
  char built[40];
  bool stopping;
};

typedef struct job {
  mf_serve_images *images;
  mf_blob_id package;
  char key[MF_SHA256_HEX + 1];
  void (*done)(void *data, const mf_lambda_compiled *result);
  void *data;
  json_t *row;               // what the result is made of
  mf_blob_id image;
} job;

mf_serve_images *mf_serve_images_create(mf_store *store, mf_host *host, const mf_package_options *options, mf_error *err) {
  mf_serve_images *images = calloc(1, sizeof *images);
  if (!images) {
    mf_fail(err, MF_OutOfMemory, "no memory for images");
    return NULL;
  }
  *images = (mf_serve_images){.store = store, .host = host, .options = *options};
  snprintf(images->built, sizeof images->built, "%s/%s", mf_isa_name(options->isa), MF_COMPILER_VERSION);
  return images;
}

void mf_serve_images_destroy(mf_serve_images *images) { free(images); }
void mf_serve_images_stop(mf_serve_images *images) { images->stopping = true; }
const char *mf_serve_images_built(const mf_serve_images *images) { return images->built; }

static void make_key(const mf_serve_images *images, const mf_blob_id *package, char key[MF_SHA256_HEX + 1]) {
  char text[256], hex[MF_SHA256_HEX + 1];
  uint8_t digest[MF_SHA256_BYTES];
  mf_hex(package->sha256, sizeof package->sha256, hex);
  int len = snprintf(text, sizeof text, "%s %s %llu", hex, images->built, (unsigned long long)images->options.max_unzipped_bytes);
  mf_sha256(text, (size_t)len, digest);
  mf_hex(digest, sizeof digest, key);
}

static void free_job(job *j) {
  json_decref(j->row);
  free(j);
}

// ---- results ----
// Codes of AWS's enumeration StateReasonCode.
static const char *reason_code(mf_code code) {
  switch (code) {
    case MF_InvalidPackage:
    case MF_TooLarge: return "InvalidZipFileException";
    case MF_InvalidModel:
    case MF_UnsupportedOperator:
    case MF_UnsupportedType:
    case MF_Unsupported:
    case MF_InvalidPicture:
    case MF_InvalidInput:
    case MF_OutOfMemory:
    case MF_Timeout:
    case MF_WorkerDied: return "FunctionError";
    default: return "InternalError";
  }
}

static void fail(job *j, const mf_error *err) {
  const mf_lambda_compiled result = {.reason = err->message, .reason_code = reason_code(err->code)};
  // A server that stops is no reason to fail a function: it stays Pending, and the next start goes on.
  if (!j->images->stopping) j->done(j->data, &result);
  free_job(j);
}

static uint64_t number(const json_t *row, const char *name) { return (uint64_t)json_integer_value(json_object_get(row, name)); }

static void succeed(job *j) {
  const json_t *description = json_object_get(j->row, "description");
  const mf_lambda_compiled result = {
      .ok = true, .image = j->image, .image_bytes = number(j->row, "image_bytes"), .arena_bytes = number(j->row, "arena_bytes"),
      .memory_mb_needed = (uint32_t)number(j->row, "memory_mb_needed"), .memory_mb = (uint32_t)number(j->row, "memory_mb"),
      .timeout_s = (uint32_t)number(j->row, "timeout_s"),
      .description = {json_string_value(description), json_string_length(description)}};
  if (!j->images->stopping) j->done(j->data, &result);
  free_job(j);
}

// ---- compiling ----
static void row_stored(void *context, const mf_error *err) {
  job *j = context;
  if (err) fail(j, err);
  else succeed(j);
}

static void image_stored(void *context, const mf_blob_id *id, uint64_t bytes, const mf_error *err) {
  job *j = context;
  mf_error failure;
  char hex[MF_SHA256_HEX + 1];
  if (err) {
    fail(j, err);
    return;
  }
  j->image = *id;
  mf_hex(id->sha256, sizeof id->sha256, hex);
  json_object_set_new(j->row, "image", json_string(hex));
  json_object_set_new(j->row, "image_bytes", json_integer((json_int_t)bytes));
  char *text = mf_json_text(j->row);
  mf_write write = {MF_TABLE_images, mf_str_from(j->key), {text, text ? strlen(text) : 0}};
  bool ok = text ? mf_store_commit(j->images->store, &write, 1, row_stored, j, &failure)
                 : mf_fail(&failure, MF_OutOfMemory, "no memory to store an image");
  free(text);
  if (!ok) fail(j, &failure);
}

static json_t *row_of(const job *j, const mf_package_report *report) {
  char package[MF_SHA256_HEX + 1];
  mf_hex(j->package.sha256, sizeof j->package.sha256, package);
  json_t *row = json_pack("{s:s,s:I,s:i,s:i,s:i}", "package", package, "arena_bytes", (json_int_t)report->arena_bytes, "memory_mb_needed",
                          (int)report->memory_mb_needed, "memory_mb", (int)report->memory_mb, "timeout_s", (int)report->timeout_s);
  json_t *description = json_stringn(report->description, report->description_len);  // NULL: not UTF-8, a compiler gone wrong
  if (row && description) json_object_set_new(row, "description", description);
  return row;
}

static void compiled(void *context, const mf_package_report *report, int image_fd, const mf_error *err) {
  job *j = context;
  mf_error failure;
  if (err) {
    fail(j, err);
    return;
  }
  j->row = row_of(j, report);
  bool ok = j->row ? mf_store_blob_put(j->images->store, image_fd, image_stored, j, &failure)
                   : mf_fail(&failure, MF_OutOfMemory, "no memory to store an image");
  if (!ok) fail(j, &failure);
}

static bool compile(job *j, mf_error *err) {
  OWN_FD int fd = -1;
  return mf_store_blob_open(j->images->store, &j->package, &fd, err) && mf_host_compile(j->images->host, fd, &j->images->options, compiled, j, err);
}

// ---- the cache ----
static bool load_row(job *j, mf_error *err) {
  mf_arena arena;
  mf_slice value;
  bool found;
  mf_arena_init(&arena, 0);
  bool ok = mf_store_get(j->images->store, MF_TABLE_images, mf_str_from(j->key), &arena, &value, &found, err);
  if (ok && found) j->row = json_loadb(value.data, value.len, 0, NULL);
  mf_arena_deinit(&arena);
  return ok;
}

// On the store's thread: is the image what its name says? It may be missing, or the disk may have changed it.
static bool verify(void *context, mf_error *err) {
  job *j = context;
  uint8_t digest[MF_SHA256_BYTES];
  OWN_FD int fd = -1;
  if (!mf_store_blob_open(j->images->store, &j->image, &fd, err) || !mf_sha256_fd(fd, digest, err)) return false;
  return memcmp(digest, j->image.sha256, sizeof digest) == 0 || mf_fail(err, MF_InvalidImage, "a stored image is damaged");
}

static void verified(void *context, const mf_error *err) {
  job *j = context;
  mf_error failure;
  if (!err) {
    succeed(j);
    return;
  }
  json_decref(j->row);
  j->row = NULL;
  if (err->code == MF_InvalidImage) mf_store_blob_remove(j->images->store, &j->image);
  if (!compile(j, &failure)) fail(j, &failure);
}

static bool has_image(job *j) {
  const json_t *hex = json_object_get(j->row, "image");
  return json_string_length(hex) == MF_SHA256_HEX && mf_unhex(mf_str_from(json_string_value(hex)), j->image.sha256);
}

bool mf_serve_images_compile(mf_serve_images *images, const mf_blob_id *package,
                             void (*done)(void *data, const mf_lambda_compiled *result), void *data, mf_error *err) {
  if (images->stopping) return true;  // the function stays Pending, and the next start goes on
  job *j = calloc(1, sizeof *j);
  if (!j) return mf_fail(err, MF_OutOfMemory, "no memory to compile");
  *j = (job){.images = images, .package = *package, .done = done, .data = data};
  make_key(images, package, j->key);
  bool ok = load_row(j, err);
  if (ok) ok = has_image(j) ? mf_store_run(images->store, verify, verified, j, err) : compile(j, err);
  if (!ok) free_job(j);
  return ok;
}

// ---- collection ----
typedef struct blob_set {
  mf_blob_id *ids;
  size_t count, capacity;
} blob_set;

static bool add_id(blob_set *set, const mf_blob_id *id) {
  if (set->count == set->capacity) {
    size_t capacity = set->capacity ? set->capacity * 2 : 256;
    mf_blob_id *grown = realloc(set->ids, capacity * sizeof *grown);
    if (!grown) return false;
    set->ids = grown;
    set->capacity = capacity;
  }
  set->ids[set->count++] = *id;
  return true;
}

static int compare_ids(const void *a, const void *b) { return memcmp(a, b, sizeof(mf_blob_id)); }

typedef struct collection {
  mf_serve_images *images;
  mf_lambda *lambda;
  blob_set kept;  // images of packages that a function has
  bool failed;
  mf_error error;
} collection;

static bool is_used(collection *c, const mf_blob_id *id) {
  bool used = true;
  if (!c->failed && !mf_lambda_blob_is_used(c->lambda, id, &used, &c->error)) c->failed = used = true;
  return used;
}

static bool visit_image(void *context, mf_str key, mf_slice value) {
  collection *c = context;
  mf_blob_id package, image;
  mf_error err;
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  const char *package_hex = json_string_value(json_object_get(row, "package")), *image_hex = json_string_value(json_object_get(row, "image"));
  bool readable = package_hex && image_hex && strlen(package_hex) == MF_SHA256_HEX && strlen(image_hex) == MF_SHA256_HEX &&
                  mf_unhex(mf_str_from(package_hex), package.sha256) && mf_unhex(mf_str_from(image_hex), image.sha256);
  if (readable && is_used(c, &package)) {
    if (!add_id(&c->kept, &image)) c->failed = !mf_fail(&c->error, MF_OutOfMemory, "no memory to look for blobs that nobody needs");
  } else {
    mf_write erase = {MF_TABLE_images, key, {0}};
    if (!mf_store_commit(c->images->store, &erase, 1, NULL, NULL, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
  }
  json_decref(row);
  return !c->failed;
}

static bool is_kept_or_used(void *context, const mf_blob_id *id) {
  collection *c = context;
  return (c->kept.count > 0 && bsearch(id, c->kept.ids, c->kept.count, sizeof *id, compare_ids)) || is_used(c, id);
}

bool mf_serve_images_collect(mf_serve_images *images, mf_lambda *lambda, mf_error *err) {
  collection c = {.images = images, .lambda = lambda};
  bool ok = mf_store_scan(images->store, MF_TABLE_images, MF_STR(""), MF_STR(""), INT32_MAX, visit_image, &c, err);
  if (c.kept.count > 0) qsort(c.kept.ids, c.kept.count, sizeof *c.kept.ids, compare_ids);
  ok = ok && !c.failed && mf_store_blob_collect(images->store, is_kept_or_used, &c, err);
  if (c.failed) *err = c.error;
  free(c.kept.ids);
  return ok && !c.failed;
}
