// The stand-in. It lives under the worker's sandbox, so it uses no system call that a real responder could not use.
#include "fake.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/mailbox.h"
#include "host/sandbox.h"

struct fake {
  mf_slice image;
  char *memory;
  size_t bytes, peak;
  uint64_t answers;
  int64_t plan_ns;
};

typedef struct output {
  char *data;
  size_t capacity, len;
} output;

static void say(output *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(output *out, const char *format, ...) {
  va_list args;
  va_start(args, format);
  out->len = (size_t)vsnprintf(out->data, out->capacity, format, args);
  va_end(args);
}

static void sleep_ms(int64_t ms) {
  static _Atomic uint32_t never;
  const struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  syscall(SYS_futex, &never, FUTEX_WAIT, 0, &time, NULL, 0);
}

static bool echo(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)err;
  memcpy(out->data, text, len);
  out->len = len;
  return true;
}

static bool sleeping(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)len, (void)err;
  sleep_ms(atoll(text));
  say(out, "slept");
  return true;
}

static bool spinning(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)len, (void)err;
  const int64_t until = mf_now_ns() + atoll(text) * MF_NS_PER_MS;
  while (mf_now_ns() < until) continue;
  say(out, "spun");
  return true;
}

static bool crashing(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)text, (void)len, (void)out, (void)err;
  volatile uintptr_t nowhere = 8;
  *(volatile int *)nowhere = 1;
  return true;
}

static bool aborting(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)text, (void)len, (void)out, (void)err;
  abort();
}

static bool exiting(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)len, (void)out, (void)err;
  _exit(atoi(text));
}

static bool failing(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)out;
  for (int code = 1; code < MF_CODE_COUNT; code++)
    if (strlen(mf_code_name((mf_code)code)) == len && memcmp(mf_code_name((mf_code)code), text, len) == 0)
      return mf_fail(err, (mf_code)code, "\"quoted\"\nand more");
  return mf_fail(err, MF_Internal, "no such code");
}

// malloc and touch so many MB, and keep them.
static bool allocating(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)len;
  const size_t bytes = (size_t)atoll(text) << 20;
  char *memory = malloc(bytes);
  if (!memory) return mf_fail(err, MF_OutOfMemory, "cannot allocate %zu bytes", bytes);
  for (size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
  say(out, "allocated %d", memory[0]);
  return true;
}

static bool using_arena(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)len;
  const size_t bytes = (size_t)atoll(text) << 20;
  if (bytes > fake->bytes) return mf_fail(err, MF_OutOfMemory, "%zu bytes, the arena has %zu", bytes, fake->bytes);
  for (size_t at = 0; at < bytes; at += 4096) fake->memory[at] = 1;
  fake->peak = MF_MAX(fake->peak, bytes);
  say(out, "%zu", fake->bytes);
  return true;
}

// Is the arena zero, as far as the worker was given it?
static bool checking_arena(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)text, (void)len, (void)err;
  size_t dirty = 0;
  for (size_t at = 0; at < MF_MIN(fake->bytes, (size_t)8 << 20); at++) dirty += fake->memory[at] != 0;
  say(out, "%zu", dirty);
  return true;
}

static bool big(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)len, (void)err;
  out->len = (size_t)atoll(text);
  memset(out->data, 'x', MF_MIN(out->len, out->capacity));
  return true;
}

// "syscall:NUMBER A B C D E F" with arguments in decimal or hex; "p" stands for the address of writable memory.
static bool calling(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)len, (void)err;
  long values[7] = {0};
  char *at = (char *)(uintptr_t)text;
  for (int i = 0; i < 7 && *at; i++) {
    while (*at == ' ') at++;
    if (*at == 'p') values[i] = (long)(uintptr_t)fake->memory, at++;
    else values[i] = (long)strtoull(at, &at, 0);
  }
  errno = 0;
  const long result = syscall(values[0], values[1], values[2], values[3], values[4], values[5], values[6]);
  say(out, "%ld %d", result, errno);
  return true;
}

// May it have more memory than it was given?
static bool raising_limit(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)text, (void)len, (void)err;
  const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  const int result = setrlimit(RLIMIT_DATA, &all);
  say(out, "%d %d", result, errno);
  return true;
}

static bool writing_image(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)text, (void)len, (void)out, (void)err;
  *(volatile char *)(uintptr_t)fake->image.data = 'W';
  return true;
}

// Breaks the mailbox's rules: "length", "verdict" or "ring".
static bool misbehaving(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)len, (void)err;
  mf_mailbox_header *header = (mf_mailbox_header *)(void *)(out->data - MF_MAILBOX_AREA - MF_MAILBOX_HEADER);
  const uint64_t one = 1;
  if (text[0] == 'l') {
    out->len = (size_t)1 << 40;
  } else if (text[0] == 'v') {
    header->verdict = 77;
    atomic_store(&header->answer_number, atomic_load(&header->request_number));
    if (write(MF_WORKER_FD_DOORBELL, &one, sizeof one) > 0) sleep_ms(10000);
  } else {
    if (write(MF_WORKER_FD_DOORBELL, &one, sizeof one) > 0) sleep_ms(10000);
  }
  return true;
}

// Which process is it, and which answer of it?
static bool counting(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)text, (void)len, (void)err;
  say(out, "%d %llu %.*s", (int)getpid(), (unsigned long long)fake->answers, (int)MF_MIN(fake->image.len, (size_t)32),
      (const char *)fake->image.data);
  return true;
}

static bool showing_environment(struct fake *fake, const char *text, size_t len, output *out, mf_error *err) {
  (void)fake, (void)text, (void)len, (void)err;
  say(out, "%s", getenv("PATH") ? getenv("PATH") : "empty");
  return true;
}

static const struct {
  const char *name;
  bool (*run)(struct fake *fake, const char *text, size_t len, output *out, mf_error *err);
} commands[] = {{"echo:", echo}, {"sleep:", sleeping}, {"spin:", spinning}, {"crash", crashing}, {"abort", aborting}, {"exit:", exiting},
                {"fail:", failing}, {"alloc:", allocating}, {"arena:", using_arena}, {"clean", checking_arena}, {"big:", big},
                {"syscall:", calling}, {"write-image", writing_image}, {"break:", misbehaving}, {"count", counting},
                {"environment", showing_environment}, {"raise-limit", raising_limit}};

static void *create(mf_slice image, void *memory, size_t bytes, mf_error *err) {
  static struct fake fake;
  fake = (struct fake){.image = image, .memory = memory, .bytes = bytes};
  const mf_str text = {image.data, image.len};
  if (mf_str_starts(text, MF_STR("bad"))) {
    mf_fail(err, MF_InvalidImage, "the image is bad");
    return NULL;
  }
  if (mf_str_starts(text, MF_STR("needs-more"))) {
    mf_fail(err, MF_OutOfMemory, "the image needs more");
    return NULL;
  }
  if (mf_str_starts(text, MF_STR("slow"))) sleep_ms(100);
  if (mf_str_starts(text, MF_STR("crash"))) abort();
  for (size_t at = 0; at < image.len; at += 4096) fake.peak += ((const volatile char *)image.data)[at] == 'z';  // reads every page
  return &fake;
}

static bool answer(void *responder, mf_slice payload, char *data, size_t capacity, size_t *len, mf_error *err) {
  struct fake *fake = responder;
  const mf_str text = {payload.data, payload.len};
  const int64_t began = mf_now_ns();
  char terminated[256];  // what stands behind the payload is an older payload
  snprintf(terminated, sizeof terminated, "%.*s", (int)MF_MIN(text.len, sizeof terminated - 1), text.data);
  fake->answers++;
  for (size_t i = 0; i < MF_COUNT(commands); i++) {
    const mf_str name = mf_str_from(commands[i].name);
    if (!mf_str_starts(text, name)) continue;
    output result = {.data = data, .capacity = capacity};
    const bool good = commands[i].run(fake, (commands[i].run == echo ? text.data : terminated) + name.len, text.len - name.len, &result, err);
    *len = result.len;
    fake->plan_ns = mf_now_ns() - began;
    return good;
  }
  return mf_fail(err, MF_InvalidInput, "no such command");
}

static int64_t plan_ns(const void *responder) { return ((const struct fake *)responder)->plan_ns; }
static size_t peak_bytes(const void *responder) { return ((const struct fake *)responder)->peak; }

// A package says what its compiler does: "ok:text" makes the image "text".
static bool compile(mf_slice package, const mf_package_options *options, mf_arena *arena, mf_slice *image, mf_package_report *report,
                    mf_error *err) {
  (void)options;
  const mf_str text = {package.data, package.len};
  if (mf_str_starts(text, MF_STR("crash"))) abort();
  if (mf_str_starts(text, MF_STR("hang"))) sleep_ms(1000000);
  if (mf_str_starts(text, MF_STR("open"))) syscall(SYS_openat, AT_FDCWD, "/etc/passwd", 0, 0);
  if (mf_str_starts(text, MF_STR("eat")) && !mf_arena_alloc(arena, (size_t)5 << 30)) return mf_fail(err, MF_OutOfMemory, "no memory for 5 GB");
  if (mf_str_starts(text, MF_STR("lie"))) report->description_len = UINT32_MAX;
  if (mf_str_starts(text, MF_STR("wait"))) sleep_ms(100);
  if (mf_str_starts(text, MF_STR("fail"))) return mf_fail(err, MF_UnsupportedOperator, "node 3 'x': no operator Foo");
  size_t bytes = text.len;
  if (mf_str_starts(text, MF_STR("large:"))) bytes = (size_t)(text.data[6] - '0') * 16 << 20;
  char *data = mf_arena_alloc_aligned(arena, bytes, 64);
  if (!data) return mf_fail(err, MF_OutOfMemory, "no memory for the image");
  memcpy(data, text.data, text.len);
  report->kind = MF_PACKAGE_MODEL;
  report->arena_bytes = 4096;
  report->memory_mb_needed = 128;
  *image = (mf_slice){data, bytes};
  return true;
}

const mf_host_functions fake_functions = {.create = create, .answer = answer, .plan_ns = plan_ns, .peak_bytes = peak_bytes, .compile = compile};
