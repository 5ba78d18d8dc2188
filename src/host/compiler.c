// The compiler process: reads one package, writes one image and a report of fixed layout, and ends. Everything it reads is hostile, so
// it runs in a sandbox of its own with limits on memory, processor time and the size of what it writes.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"

#define MEMORY_LIMIT ((uint64_t)4 << 30)
#define OTHER_ADDRESSES ((uint64_t)1 << 30)
enum { CPU_LIMIT_S = 300, WRITE_AT_ONCE = 8 << 20 };  // large writes make large folios in a page cache that has them

static noreturn void fail(mf_package_report *report, mf_code code, const char *format, const char *detail) {
  *report = (mf_package_report){.magic = MF_REPORT_MAGIC, .code = code};
  snprintf(report->message, sizeof report->message, format, detail);
  _exit(0);  // the report says it
}

static bool write_image(mf_slice image) {
  const char *data = image.data;
  for (size_t left = image.len; left > 0;) {
    const ssize_t n = write(MF_COMPILER_FD_IMAGE, data, MF_MIN(left, (size_t)WRITE_AT_ONCE));
    if (n <= 0) return false;
    data += n;
    left -= (size_t)n;
  }
  return true;
}

// The C library reads /etc/localtime when somebody asks for a date, unless it knows the zone already.
static void fix_time_zone(void) {
  setenv("TZ", "UTC0", 1);
  tzset();
}

static void enter(const mf_birth *birth, const struct mf_message_spawn_compiler *order, mf_package_report *report) {
  const int kept[] = {birth->fds[0], birth->fds[1]};
  const char *failed = mf_sandbox_detach(birth->parent, kept, MF_COUNT(kept));
  fix_time_zone();
  const mf_sandbox_limits limits = {.data_bytes = MEMORY_LIMIT,
                                    .address_bytes = MEMORY_LIMIT + OTHER_ADDRESSES + order->package_bytes,
                                    .file_bytes = order->image_limit_bytes,
                                    .cpu_s = CPU_LIMIT_S};
  if (!failed) failed = mf_sandbox_enter(birth->sandbox, MF_SANDBOX_COMPILER, &limits, birth->number, birth->parent);
  if (failed) fail(report, MF_Internal, "the compiler's sandbox: %s", failed);
}

noreturn void mf_compiler_main(const mf_birth *birth, const struct mf_message_spawn_compiler *order) {
  mf_package_report *report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED, birth->fds[2], 0);
  if (report == MAP_FAILED) _exit(MF_EXIT_MEMORY);
  enter(birth, order, report);
  const void *package = "";
  if (order->package_bytes > 0) package = mmap(NULL, order->package_bytes, PROT_READ, MAP_PRIVATE, MF_COMPILER_FD_PACKAGE, 0);
  if (package == MAP_FAILED) fail(report, MF_OutOfMemory, "cannot map the package: %s", strerror(errno));
  mf_arena arena;
  mf_arena_init(&arena, 0);  // RLIMIT_DATA is the limit
  mf_slice image = {0};
  mf_error err = {0};
  if (!birth->functions->compile((mf_slice){package, order->package_bytes}, &order->options, &arena, &image, report, &err)) {
    report->magic = MF_REPORT_MAGIC;
    report->code = err.code;
    snprintf(report->message, sizeof report->message, "%s", err.message);
    _exit(0);
  }
  if (image.len > order->image_limit_bytes) fail(report, MF_TooLarge, "the model image would be larger than %s", "the limit for this package");
  if (!write_image(image)) fail(report, MF_NoSpace, "cannot write the model image: %s", strerror(errno));
  report->image_bytes = image.len;
  report->magic = MF_REPORT_MAGIC;
  _exit(0);
}
