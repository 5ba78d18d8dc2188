// Preloaded into a server by test_allocations.py: counts calls of malloc and its kin by who made them. Nothing is counted until the
// test writes a process id into the file that COUNT_ALLOCATIONS names; then each different stack of that process gets a row there.
#include <execinfo.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { FRAMES = 14, ROWS = 1000, SKIPPED = 2 };  // skipped: this file's own two frames

struct table {  // the test reads it by this layout
  _Atomic int32_t counted_pid, lock;
  uint32_t n_rows, n_lost;
  struct row {
    uint64_t frames[FRAMES], count;
  } rows[ROWS];
};

static struct table *table;
static __thread int inside;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

__attribute__((constructor)) static void open_table(void) {
  const char *path = getenv("COUNT_ALLOCATIONS");
  void *frames[FRAMES];
  backtrace(frames, FRAMES);  // loads the unwinder now, which allocates
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *memory = mmap(NULL, sizeof *table, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (memory != MAP_FAILED) table = memory;
}

static void add_row(const uint64_t frames[FRAMES]) {
  while (atomic_exchange(&table->lock, 1)) continue;
  uint32_t at = 0;
  while (at < table->n_rows && memcmp(table->rows[at].frames, frames, sizeof table->rows[at].frames) != 0) at++;
  if (at == table->n_rows && at < ROWS) {
    memcpy(table->rows[at].frames, frames, sizeof table->rows[at].frames);
    table->n_rows++;
  }
  if (at < ROWS) table->rows[at].count++;
  else table->n_lost++;
  atomic_store(&table->lock, 0);
}

static __attribute__((noinline)) void note(void) {
  void *stack[FRAMES + SKIPPED] = {0};
  uint64_t frames[FRAMES] = {0};
  if (!table || inside || atomic_load(&table->counted_pid) != getpid()) return;
  inside = 1;
  int n = backtrace(stack, FRAMES + SKIPPED);
  for (int i = SKIPPED; i < n; i++) frames[i - SKIPPED] = (uint64_t)(uintptr_t)stack[i];
  add_row(frames);
  inside = 0;
}

#define EXPORTED __attribute__((visibility("default")))
EXPORTED void *malloc(size_t size) { return note(), __libc_malloc(size); }
EXPORTED void *calloc(size_t n, size_t size) { return note(), __libc_calloc(n, size); }
EXPORTED void *realloc(void *old, size_t size) { return note(), __libc_realloc(old, size); }
EXPORTED void *aligned_alloc(size_t alignment, size_t size) { return note(), __libc_memalign(alignment, size); }
EXPORTED void *memalign(size_t alignment, size_t size) { return note(), __libc_memalign(alignment, size); }
EXPORTED int posix_memalign(void **out, size_t alignment, size_t size) {
  note();
  *out = __libc_memalign(alignment, size);
  return *out ? 0 : 12;  // ENOMEM
}
