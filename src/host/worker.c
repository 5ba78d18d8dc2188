// The worker: born blank, sandboxed before it has seen anything from outside, bound to one function for the rest of its life. It may
// read its image and its mailbox and ring its doorbell. A blank one waits for the message that binds it, a bound one on a futex in the
// mailbox. Its arena is one contiguous range whose
// beginning was faulted in beforehand (huge pages where the kernel has them), since that costs more than all the rest of a cold start.
#include "worker.h"

#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "mailbox.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define ARENA_RANGE ((size_t)10240 << 20)  // Lambda's largest function
#define IMAGE_RANGE ((size_t)16 << 30)
#define OTHER_ADDRESSES ((size_t)6 << 30)  // libraries, stack, mailbox

#define SPIN_NS (30 * 1000)  // about what a wake-up across processors costs
#define SLOW_NS (40 * 1000)  // for 2 MiB
enum { SMALL_MAIL = 16 * 1024 };  // of a payload and an answer, faulted in beforehand

struct worker {
  const mf_host_functions *functions;
  mf_mailbox mailbox;
  char *arena, *image; // beginnings of two reserved ranges
  size_t arena_bytes;  // mapped and usable from arena on
  void *responder;     // NULL: blank
  uint32_t seen;       // the request answered last
};

// ---- memory ----

static char *round_up(char *address) { return (char *)(((uintptr_t)address + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1)); }

// Makes [from, to) of the range usable. Huge pages are advice: without them it is slower, not wrong.
static bool open_range(char *from, char *to) {
  if (from >= to) return true;
  void *memory = mmap(from, (size_t)(to - from), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return false;
  madvise(memory, (size_t)(to - from), MADV_HUGEPAGE);
  return true;
}

// Addresses only, so that binding has nothing to search for: the arena, and behind it room for the image.
static bool reserve(struct worker *worker, size_t bytes) {
  char *range = mmap(NULL, ARENA_RANGE + IMAGE_RANGE + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return false;
  worker->arena = round_up(range);
  worker->image = worker->arena + ARENA_RANGE;
  worker->arena_bytes = MF_MIN(bytes, ARENA_RANGE);
  return open_range(worker->arena, worker->arena + worker->arena_bytes);
}

// Populating maps the pages; touching them as well fills what a hypervisor keeps beneath (under shadow paging the first touch of a mapped
// page costs about 1.5 us, 0.2 ms for 6 MB, measured), and is the way of kernels before 5.14.
static void fault_in(char *memory, size_t bytes) {
  madvise(memory, bytes, MADV_POPULATE_WRITE);
  for (size_t at = 0; at < bytes; at += 4096) ((volatile char *)memory)[at] = 0;
}

static bool is_needed_at_once(const char *name) {
  return name[0] == '\0' || strstr(name, "/libc.so") || strstr(name, "/libm.so") || strstr(name, "/libxxhash.so");
}

static void touch(uintptr_t from, uintptr_t to, int advice) {
  if (from >= to || madvise((void *)from, to - from, advice) != 0 || MF_SANITIZED) return;
  for (uintptr_t at = from; at < to; at += 4096) (void)*(const volatile char *)at;
}

// Where the segment at `from` becomes writable: the loader has made what it relocated (PT_GNU_RELRO) read-only again.
static uintptr_t writable_from(const struct dl_phdr_info *info, const ElfW(Phdr) *segment, uintptr_t from) {
  if (!(segment->p_flags & PF_W)) return UINTPTR_MAX;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type == PT_GNU_RELRO && part->p_vaddr >= segment->p_vaddr && part->p_vaddr < segment->p_vaddr + segment->p_memsz)
      return (info->dlpi_addr + part->p_vaddr + part->p_memsz) & ~(uintptr_t)4095;
  }
  return from;
}

// The program's own pages: code is shared, the few written ones would be copied during the cold start otherwise. Libraries that only
// front needs are left out.
static int fault_in_program(struct dl_phdr_info *info, size_t size, void *unused) {
  (void)size, (void)unused;
  if (!is_needed_at_once(info->dlpi_name)) return 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_R)) continue;
    const uintptr_t from = (info->dlpi_addr + part->p_vaddr) & ~(uintptr_t)4095, to = info->dlpi_addr + part->p_vaddr + part->p_memsz;
    const uintptr_t writable = writable_from(info, part, from);
    touch(from, MF_MIN(writable, to), MADV_POPULATE_READ);
    touch(writable, to, MADV_POPULATE_WRITE);
  }
  return 0;
}

// Memory that grows and never shrinks: nothing is mapped and unmapped call after call, and what malloc has is the most it needed.
static void settle_heap(void) {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT32_MAX);
  mallopt(M_TOP_PAD, 128 * 1024);
  void *first = malloc(64 * 1024);
  if (first) memset(first, 0, 64 * 1024);
  free(first);
}

static void fault_in_stack(void) {
  volatile char stack[128 * 1024];
  for (size_t at = 0; at < sizeof stack; at += 4096) stack[at] = 0;
}

// Low priority: whoever computes now goes first. Only root may take its priority back afterwards.
static void prepare_slowly(struct worker *worker) {
  const int priority = getpriority(PRIO_PROCESS, 0);
  const bool nice = geteuid() == 0 && setpriority(PRIO_PROCESS, 0, 19) == 0;
  fault_in(worker->arena, worker->arena_bytes);
  dl_iterate_phdr(fault_in_program, NULL);
  fault_in_stack();
  fault_in(worker->mailbox.request, SMALL_MAIL);
  fault_in(worker->mailbox.response, SMALL_MAIL);
  if (nice) setpriority(PRIO_PROCESS, 0, priority);
}

// ---- answering ----

static uint64_t heap_bytes(void) {
  const struct mallinfo2 heap = mallinfo2();
  return heap.arena + heap.hblkhd;
}

static void ring(struct worker *worker) {
  worker->mailbox.header->heap_bytes = heap_bytes();
  atomic_store(&worker->mailbox.header->answer_number, worker->seen);
  const uint64_t one = 1;
  if (write(MF_WORKER_FD_DOORBELL, &one, sizeof one) < 0) return;  // full: it rings already
}

static void conclude(struct worker *worker, mf_verdict verdict, mf_code code, size_t response_len) {
  mf_mailbox_header *header = worker->mailbox.header;
  header->verdict = verdict;
  header->code = code;
  header->response_len = response_len;
  if (worker->responder) {
    header->plan_ns = worker->functions->plan_ns(worker->responder);
    header->peak_bytes = worker->functions->peak_bytes(worker->responder);
  }
  ring(worker);
}

static void append_json_text(mf_buf *out, const char *text) {
  for (const char *c = text; *c; c++) {
    if (*c == '"' || *c == '\\') mf_buf_format(out, "\\%c", *c);
    else if ((unsigned char)*c < 0x20) mf_buf_format(out, "\\u%04x", (unsigned)*c);
    else mf_buf_append(out, c, 1);
  }
}

static size_t write_error(char *out, const mf_error *err) {
  mf_arena memory;
  mf_arena_init_fixed(&memory, out, MF_MAILBOX_LARGEST);
  mf_buf text = {.arena = &memory};
  mf_buf_text(&text, "{\"errorMessage\":\"");
  append_json_text(&text, err->message);
  mf_buf_format(&text, "\",\"errorType\":\"Mayfly.%s\"}", mf_code_name(err->code));
  if (text.data && text.data != out) memmove(out, text.data, text.len);
  return text.failed ? 0 : text.len;
}

static void answer(struct worker *worker) {
  mf_mailbox *mailbox = &worker->mailbox;
  const mf_slice payload = {mailbox->request, (size_t)mailbox->header->request_len};
  mf_error err = {0};
  size_t len = 0;
  if (worker->functions->answer(worker->responder, payload, mailbox->response, MF_MAILBOX_LARGEST, &len, &err))
    conclude(worker, MF_VERDICT_ANSWER, MF_OK, len);
  else
    conclude(worker, MF_VERDICT_FUNCTION_ERROR, err.code, write_error(mailbox->response, &err));
}

// ---- binding ----

// A run reads every weight. Where the page cache holds the image in large folios, 2 MiB cost 7 us here and 40 us as a fault; where it does
// not (or has lost it), 512 pages are faster faulted in by the sixteen. Two slow steps in a row tell: a single one may have been interrupted,
// and the first makes the page tables. (Linux before 5.14: faults.)
static void populate(char *image, size_t bytes) {
  int slow = 0;
  for (size_t at = 0; at < bytes && slow < 2; at += HUGE_PAGE) {
    const int64_t began = mf_now_ns();
    if (madvise(image + at, MF_MIN(bytes - at, HUGE_PAGE), MADV_POPULATE_READ) != 0) return;
    slow = mf_now_ns() - began > SLOW_NS ? slow + 1 : 0;
  }
}

// At an address that agrees with the file's offsets modulo 2 MiB, so that large folios of the page cache map as huge pages.
static const void *map_image(const struct worker *worker, int fd, size_t bytes) {
  if (bytes > IMAGE_RANGE) return errno = EFBIG, NULL;
  void *image = mmap(worker->image, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
  if (image == MAP_FAILED) return NULL;
  madvise(image, bytes, MADV_HUGEPAGE);
  populate(image, bytes);
  return image;
}

static bool size_arena(struct worker *worker, size_t bytes) {
  bytes = MF_MIN(bytes, ARENA_RANGE) & ~(size_t)4095;
  char *have = worker->arena + worker->arena_bytes, *want = worker->arena + bytes;
  if (want < have) munmap(want, (size_t)(have - want));
  worker->arena_bytes = bytes;
  return open_range(have, want);
}

// Set by the worker itself, before it looks at anything hostile: it can be lowered afterwards but not raised. (From outside it would take
// CAP_SYS_RESOURCE, which root in a container lacks.)
static bool limit_memory(uint64_t bytes) {
  return MF_SANITIZED || setrlimit(RLIMIT_DATA, &(struct rlimit){bytes, bytes}) == 0;
}

static bool bind(struct worker *worker, const struct mf_message_bind *order, int image_fd, mf_error *err) {
  const void *image = map_image(worker, image_fd, (size_t)order->image_bytes);
  if (!image) return mf_fail_errno(err, "cannot map the image of %llu bytes", (unsigned long long)order->image_bytes);
  if (!size_arena(worker, (size_t)order->memory_bytes))
    return mf_fail(err, MF_OutOfMemory, "no memory for an arena of %llu bytes", (unsigned long long)order->memory_bytes);
  if (!limit_memory(order->limit_bytes)) return mf_fail_errno(err, "cannot limit the memory of the worker");
  worker->responder = worker->functions->create((mf_slice){image, (size_t)order->image_bytes}, worker->arena, worker->arena_bytes, err);
  return worker->responder != NULL;
}

static void refuse(struct worker *worker, const mf_error *err) {
  const size_t len = strlen(err->message);
  memcpy(worker->mailbox.response, err->message, len);
  conclude(worker, MF_VERDICT_NOT_BOUND, err->code, len);
}

// The payload is in the mailbox before the message comes: one wake-up for both.
static void become_instance(struct worker *worker) {
  mf_message message;
  int fds[MF_MESSAGE_MAX_FDS];
  mf_error err = {0};
  if (mf_message_receive(MF_WORKER_FD_SOCKET, MF_SIDE_WORKER, &message, fds, &err) != MF_RECEIVED)
    _exit(MF_EXIT_PROTOCOL);  // front's end is closed: nobody is there to be told
  mf_mailbox_await(&worker->mailbox, worker->seen, 0);
  worker->seen++;
  const bool bound = bind(worker, &message.bind, fds[0], &err);
  worker->mailbox.header->ready_ns = mf_now_ns();
  if (bound && message.bind.only_bind) conclude(worker, MF_VERDICT_ANSWER, MF_OK, 0);
  else if (bound) answer(worker);
  else refuse(worker, &err);  // front kills us
}

static noreturn void serve(struct worker *worker) {
  become_instance(worker);
  for (;;) {
    mf_mailbox_await(&worker->mailbox, worker->seen, worker->mailbox.header->more ? SPIN_NS : 0);
    worker->seen++;
    answer(worker);
  }
}

// ---- birth ----

// Front finds the reason in the mailbox when it learns of our end.
static noreturn void give_up(struct worker *worker, int status, const char *step) {
  const int number = errno;
  snprintf(worker->mailbox.response, 256, "%s: %s", step, strerror(number));
  worker->mailbox.header->verdict = MF_VERDICT_NOT_BOUND;
  _exit(status);
}

noreturn void mf_worker_main(const mf_birth *birth, const struct mf_message_spawn_worker *order) {
  struct worker worker = {.functions = birth->functions, .seen = 1};
  mf_error err;
  if (!mf_mailbox_map(&worker.mailbox, birth->fds[0], &err)) _exit(MF_EXIT_MEMORY);
  const int kept[] = {[0] = birth->fds[2], [1] = birth->fds[1]};  // socket and doorbell: MF_WORKER_FD_…
  const char *failed = mf_sandbox_detach(birth->parent, kept, MF_COUNT(kept));
  if (failed) give_up(&worker, MF_EXIT_SANDBOX, failed);
  if (!reserve(&worker, (size_t)order->arena_bytes)) give_up(&worker, MF_EXIT_MEMORY, "cannot map the arena");
  settle_heap();
  if (!order->urgent) prepare_slowly(&worker);
  const mf_sandbox_limits limits = {.address_bytes = ARENA_RANGE + IMAGE_RANGE + OTHER_ADDRESSES};
  failed = mf_sandbox_enter(birth->sandbox, MF_SANDBOX_WORKER, &limits, birth->number, birth->parent);
  if (failed) give_up(&worker, MF_EXIT_SANDBOX, failed);
  ring(&worker);
  serve(&worker);
}
