// Mailbox: the memory that front and one worker share. Front puts the payload there and raises request_number; the worker puts the
// answer there and sets answer_number to it. Ringing: front wakes the futex on request_number, the worker writes to its doorbell (an
// eventfd). Sealed against shrinking, so that neither side can make the other fault. Front trusts nothing in it: mf_mailbox_take copies
// what the worker wrote once and checks it.
#ifndef MF_HOST_MAILBOX_H
#define MF_HOST_MAILBOX_H

#include <stdatomic.h>

#include "base/base.h"

// Lambda's limit of a payload and of an answer is 6 MB (6291456 bytes, and 100 for the envelope).
enum { MF_MAILBOX_HEADER = 4096, MF_MAILBOX_LARGEST = 6291556, MF_MAILBOX_AREA = 6422528 };
enum { MF_MAILBOX_BYTES = MF_MAILBOX_HEADER + 2 * MF_MAILBOX_AREA };

typedef enum mf_verdict {
  MF_VERDICT_ANSWER = 1,      // response: the answer
  MF_VERDICT_FUNCTION_ERROR,  // response: a JSON error object; code
  MF_VERDICT_NOT_BOUND,       // response: text: why the instance could not be made; code
} mf_verdict;

typedef struct mf_mailbox_header {
  // front writes
  _Alignas(64) _Atomic uint32_t request_number;  // 1: none yet
  uint64_t request_len;
  uint32_t more;                                 // 1: another request waits, look for it a moment before sleeping
  // worker writes
  _Alignas(64) _Atomic uint32_t sleeping;        // 1: wake the futex, else the worker looks by itself
  _Alignas(64) _Atomic uint32_t answer_number;   // 0: not ready, 1: blank and ready, n: request n is answered
  uint32_t verdict, code;
  uint64_t response_len;
  int64_t ready_ns, plan_ns;                     // monotonic clock when the plan was ready; time inside the plan
  uint64_t peak_bytes, heap_bytes;               // of the arena; of malloc
} mf_mailbox_header;

typedef struct mf_mailbox {
  mf_mailbox_header *header;
  char *request, *response;
} mf_mailbox;

// A sealed memfd of MF_MAILBOX_BYTES, and its mapping in this process.
bool mf_mailbox_create(mf_mailbox *mailbox, int *fd, mf_error *err) MF_MUST_CHECK;
bool mf_mailbox_map(mf_mailbox *mailbox, int fd, mf_error *err) MF_MUST_CHECK;
void mf_mailbox_unmap(mf_mailbox *mailbox);
void mf_mailbox_discard_large(mf_mailbox *mailbox, size_t len);  // gives the pages behind a large payload and answer back

// ---- front ----
void mf_mailbox_ring_worker(mf_mailbox *mailbox, size_t request_len, bool more);
typedef struct mf_mail {
  mf_verdict verdict;
  mf_code code;
  mf_slice response;
  int64_t ready_ns, plan_ns;
  uint64_t peak_bytes, heap_bytes;
} mf_mail;
bool mf_mailbox_answered(const mf_mailbox *mailbox);             // is the last request answered?
bool mf_mailbox_take(const mf_mailbox *mailbox, mf_mail *mail) MF_MUST_CHECK;  // false: what the worker wrote breaks the rules

// ---- worker ----
void mf_mailbox_await(mf_mailbox *mailbox, uint32_t seen, int64_t spin_ns);  // until request_number is not `seen`
#endif
