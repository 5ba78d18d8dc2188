// The mailbox's life and the two ways to ring. See mailbox.h for who writes what.
#include "mailbox.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(sizeof(mf_mailbox_header) <= MF_MAILBOX_HEADER, "the header has a page of its own");

bool mf_mailbox_map(mf_mailbox *mailbox, int fd, mf_error *err) {
  char *memory = mmap(NULL, MF_MAILBOX_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return mf_fail_errno(err, "cannot map a mailbox");
  *mailbox = (mf_mailbox){.header = (mf_mailbox_header *)(void *)memory,
                          .request = memory + MF_MAILBOX_HEADER,
                          .response = memory + MF_MAILBOX_HEADER + MF_MAILBOX_AREA};
  return true;
}

bool mf_mailbox_create(mf_mailbox *mailbox, int *fd, mf_error *err) {
  OWN_FD int memfd = memfd_create("mayfly-mailbox", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (memfd < 0 || ftruncate(memfd, MF_MAILBOX_BYTES) != 0 ||
      fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return mf_fail_errno(err, "cannot make a mailbox");
  if (!mf_mailbox_map(mailbox, memfd, err)) return false;
  atomic_store(&mailbox->header->request_number, 1);
  mailbox->request[0] = mailbox->response[0] = 0;  // front's first pages are there before a call needs them
  *fd = mf_give(&memfd);
  return true;
}

void mf_mailbox_unmap(mf_mailbox *mailbox) {
  if (mailbox->header) munmap(mailbox->header, MF_MAILBOX_BYTES);
  *mailbox = (mf_mailbox){0};
}

void mf_mailbox_discard_large(mf_mailbox *mailbox, size_t len) {
  enum { KEPT = 256 * 1024 };
  if (len <= KEPT) return;
  madvise(mailbox->request + KEPT, MF_MAILBOX_AREA - KEPT, MADV_REMOVE);
  madvise(mailbox->response + KEPT, MF_MAILBOX_AREA - KEPT, MADV_REMOVE);
}

void mf_mailbox_ring_worker(mf_mailbox *mailbox, size_t request_len, bool more) {
  mf_mailbox_header *header = mailbox->header;
  header->request_len = request_len;
  header->more = more;
  atomic_fetch_add(&header->request_number, 1);
  // Sequentially consistent on both sides: either the worker sees the new number or we see that it sleeps.
  if (atomic_load(&header->sleeping)) syscall(SYS_futex, &header->request_number, FUTEX_WAKE, 1, NULL, NULL, 0);
}

bool mf_mailbox_answered(const mf_mailbox *mailbox) {
  return atomic_load(&mailbox->header->answer_number) == atomic_load_explicit(&mailbox->header->request_number, memory_order_relaxed);
}

bool mf_mailbox_take(const mf_mailbox *mailbox, mf_mail *mail) {
  const volatile mf_mailbox_header *header = mailbox->header;  // volatile: each field is read once
  const uint32_t verdict = header->verdict, code = header->code;
  const uint64_t len = header->response_len;
  *mail = (mf_mail){.verdict = (mf_verdict)verdict,
                    .code = code < MF_CODE_COUNT ? (mf_code)code : MF_Internal,
                    .response = {mailbox->response, (size_t)len},
                    .ready_ns = header->ready_ns,
                    .plan_ns = header->plan_ns,
                    .peak_bytes = header->peak_bytes,
                    .heap_bytes = header->heap_bytes};
  return verdict >= MF_VERDICT_ANSWER && verdict <= MF_VERDICT_NOT_BOUND && len <= MF_MAILBOX_LARGEST;
}

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static bool spin(const mf_mailbox_header *header, uint32_t seen, int64_t spin_ns) {
  if (spin_ns <= 0) return false;
  const int64_t until = mf_now_ns() + spin_ns;
  do {
    if (atomic_load(&header->request_number) != seen) return true;
    for (int i = 0; i < 8; i++) relax();
  } while (mf_now_ns() < until);
  return false;
}

void mf_mailbox_await(mf_mailbox *mailbox, uint32_t seen, int64_t spin_ns) {
  mf_mailbox_header *header = mailbox->header;
  if (atomic_load(&header->request_number) != seen || spin(header, seen, spin_ns)) return;
  atomic_store(&header->sleeping, 1);
  while (atomic_load(&header->request_number) == seen)
    syscall(SYS_futex, &header->request_number, FUTEX_WAIT, seen, NULL, NULL, 0);
  atomic_store(&header->sleeping, 0);
}
