// The probe's whole walk, deploy to answer, in one process and without the host:
//   probe answer PACKAGE [MEMORY_MB]   first the report, then answers payloads until standard input
//   ends. Payloads come as frames
//                                      (uint32 length, bytes), what it says goes as frames (uint32
//                                      code, uint32 length, text).
// The answer's memory is put behind a page that cannot be touched, so that a byte too much is a
// crash.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "pipeline/pipeline.h"
#include "probe.h"

static void say(uint32_t code, const char *text, size_t len) {
  const uint32_t head[2] = {code, (uint32_t)len};
  fwrite(head, sizeof head, 1, stdout);
  fwrite(text, 1, len, stdout);
  fflush(stdout);
}

static void say_error(const mf_error *err) {
  char text[sizeof err->message + 64];
  int n = snprintf(text, sizeof text, "%s: %s", mf_code_name(err->code), err->message);
  say(1, text, MF_MIN((size_t)n, sizeof text - 1));
}

static void say_report(const mf_package_report *r) {
  char text[sizeof r->description + 512];
  int n = snprintf(text, sizeof text,
                   "{\"kind\":%u,\"memory_mb_needed\":%u,\"memory_mb\":%u,\"timeout_s\":%u,\"arena_"
                   "bytes\":%llu,\"unzipped_bytes\":%llu,\"description\":%.*s}",
                   r->kind, r->memory_mb_needed, r->memory_mb, r->timeout_s,
                   (unsigned long long)r->arena_bytes, (unsigned long long)r->unzipped_bytes,
                   (int)r->description_len, r->description);
  say(0, text, (size_t)n);
}

static char *guarded(size_t bytes) {
  bytes = (bytes + 4095) & ~(size_t)4095;
  char *memory = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory + bytes, 4096, PROT_NONE) != 0) return NULL;
  return memory;
}

static int answer_all(mf_responder *responder) {
  const size_t capacity = 6291556;
  char *out = guarded(capacity), *payload = malloc(8 << 20);
  uint32_t len;
  while (out && payload && fread(&len, sizeof len, 1, stdin) == 1) {
    mf_error err;
    size_t out_len = 0;
    if (len > 8 << 20 || fread(payload, 1, len, stdin) != len) break;
    if (mf_responder_answer(responder, (mf_slice){payload, len}, out, capacity, &out_len, &err))
      say(0, out, out_len);
    else
      say_error(&err);
  }
  free(payload);
  return feof(stdin) ? 0 : 1;
}

static bool read_package(mf_arena *arena, const char *path, mf_slice *bytes, mf_error *err) {
  return mf_read_file(arena, path, SIZE_MAX / 2, bytes, err);
}

static int deploy_and_answer(mf_arena *arena, int argc, char **argv) {
  mf_error err;
  mf_slice package, bytes;
  const mf_image *image;
  static mf_package_report report;
  mf_package_options options = {.max_unzipped_bytes = 262144000,
                                .memory_mb = argc > 3 ? (uint32_t)atoi(argv[3]) : 0};
  if (!mf_isa_detect(&options.isa, &err) || !read_package(arena, argv[2], &package, &err))
    return say_error(&err), 1;
  if (!mf_package_compile(package, &options, arena, &bytes, &report, &err)) {
    if (report.code != (uint32_t)err.code || strcmp(report.message, err.message) != 0)
      abort();  // the report says the same
    return say_error(&err), report.kind == MF_PACKAGE_CODE ? 3 : 1;
  }
  say_report(&report);
  size_t memory_bytes = argc > 4 ? report.arena_bytes : (size_t)report.memory_mb_needed << 20;
  if (argc <= 4) memory_bytes -= MF_MAX(memory_bytes / 8, (size_t)8 << 20);
  char *memory = guarded(memory_bytes);
  if (!memory || !mf_image_open(bytes, &mf_pipeline_operators, arena, &image, &err))
    return say_error(&err), 1;
  mf_responder *responder = mf_responder_create(image, memory, memory_bytes, &err);
  if (!responder) return say_error(&err), 1;
  int status = answer_all(responder);
  if (mf_responder_peak_bytes(responder) > memory_bytes) return 4;
  return status;
}

int probe_answer(int argc, char **argv) {
  mf_arena arena;
  mf_arena_init(&arena, 0);
  int status = deploy_and_answer(&arena, argc, argv);
  mf_arena_deinit(&arena);
  return status;
}
