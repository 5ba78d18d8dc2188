// From bytes to requests: an operation out of the services' own tables (a new one is asked for
// without a change here), one of Mayfly's own paths, or a call of a function URL; its members'
// values (front_value.h); and a signature, right most of the time.
#ifndef MF_FUZZ_FRONT_REQUEST_H
#define MF_FUZZ_FRONT_REQUEST_H

#include "front_value.h"
#include "front_world.h"

typedef enum front_protocol {
  FRONT_LAMBDA,
  FRONT_RPC,
  FRONT_OWN,
  FRONT_URL,
  FRONT_HOST
} front_protocol;
typedef struct front_target {
  char name[96];  // "lambda.Invoke"
  front_protocol protocol;
  const char *service;        // as signatures say it
  const char *method, *path;  // of Lambda's and our own
  const mf_shape *input;      // NULL: none
  const mf_rpc_service *rpc;
  const char *operation;  // of rpc
  bool supported;
} front_target;

enum { FRONT_TARGETS = 640 };
uint32_t front_n_targets(void);
const front_target *front_target_at(uint32_t i);

// Credentials that answers gave.
typedef struct front_credentials {
  char access_key[64], secret[128], token[1024];
} front_credentials;

typedef struct front_asked {
  const front_target *target;
  world_request request;
  mf_header headers[24];
  mf_str region;
  bool well_signed;  // nothing was done to the signature
  bool odd;  // the request line, headers or body were changed beyond the operation's members
} front_asked;
// Everything lies in the source's arena. false: it was none, but a word to the host
// (world_hosting).
bool front_ask(front_source *from, const front_credentials *session, front_asked *asked);
// The operation with what it requires and nothing else.
void front_ask_plain(const char *target, mf_arena *arena, front_asked *asked);
// The same request once more, signed now with the root key.
void front_ask_again(front_asked *asked, mf_arena *arena);
#endif
