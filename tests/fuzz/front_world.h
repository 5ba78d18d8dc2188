// The whole front in this process, on a data directory of its own: the real services, store,
// events, keys, routing and signatures. Two things are replaced, by functions of the same names:
// libmicrohttpd (front_http.c), which would read requests from sockets, and the host
// (front_host.c), which would fork workers and compilers. A request goes in where libmicrohttpd
// hands over what it has read.
#ifndef MF_FUZZ_FRONT_WORLD_H
#define MF_FUZZ_FRONT_WORLD_H

#include "serve/internal.h"

// ---- front_world.c ----
void world_make(void);  // once: the directory, on tmpfs
void world_open(void);
void world_close(bool keep);  // as a server that is asked to stop. keep: what is stored stays; else
                              // nothing is left
void world_run(void);         // the loop, until it is stopped; a finding when that takes too long
extern char world_access_key[32], world_secret[64];                  // of the root key
_Noreturn void world_fail(const char *format, ...) MF_PRINTF(1, 2);  // a finding

// ---- front_store.c ----
extern bool world_keeping;        // the store is emptied and used again instead of being closed
void world_wait_for_store(void);  // until all that it was told is on disk, and answered

// ---- front_http.c: a request and what became of it ----
enum { WORLD_HEADERS = 64 };
typedef struct world_request {
  mf_str method, target;  // the target with its query
  const mf_header *headers;
  uint32_t n_headers;
  mf_slice body;
  bool hang_up;  // the client leaves as soon as the answer has to wait
} world_request;
typedef struct world_answer {
  int status;  // 0: none
  mf_str body;
  mf_header headers[WORLD_HEADERS];
  uint32_t n_headers;
} world_answer;
// What the answer says is in the arena.
void world_exchange(const world_request *request, mf_arena *arena, world_answer *answer);
mf_str world_header(const world_answer *answer, const char *name);

// ---- front_host.c: what the next invocations come to ----
typedef struct world_host {
  uint8_t outcome;  // of mf_outcome, taken modulo
  mf_str response;  // "": an answer of its own
  bool failed;      // it has answered MF_OUTCOME_FAILED since this was last set to false
} world_host;
extern world_host world_hosting;
void world_settle(void);     // until nothing goes on any more: deployments, say
void world_host_stop(void);  // calls what mf_host_on_stop was given
#endif
