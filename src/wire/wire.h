// wire: HTTP server on libmicrohttpd, SigV4, AWS error and answer forms. Knows nothing of any service: `serve` registers handlers.
#ifndef MF_WIRE_WIRE_H
#define MF_WIRE_WIRE_H

#include "base/base.h"

typedef struct mf_header { const char *name; mf_str value; } mf_header;

// ---- requests ----
typedef struct mf_http_request mf_http_request;  // alive from the first callback until the response was sent or the client left

mf_arena *mf_request_arena(mf_http_request *request);       // ends with the request
mf_str mf_request_method(const mf_http_request *request);
mf_str mf_request_target(const mf_http_request *request);   // raw path as sent, without the query
mf_str mf_request_query(const mf_http_request *request);    // raw, "" if none
mf_str mf_request_header(const mf_http_request *request, const char *name);  // "" if absent; case does not matter
const mf_header *mf_request_headers(const mf_http_request *request, uint32_t *n);  // all, as sent
mf_str mf_request_version(const mf_http_request *request);  // "HTTP/1.1"
enum { MF_PEER_TEXT = 64 };
void mf_request_peer(const mf_http_request *request, char address[MF_PEER_TEXT]);  // "127.0.0.1", "" if it is not known
// Parameters of a query one by one, %XX decoded, in the arena; "+" stays. false: none is left.
bool mf_request_next_parameter(mf_http_request *request, mf_str *query, mf_str *name, mf_str *value);
// Value of a query parameter, percent-decoded, in the arena; *found.
mf_str mf_request_parameter(mf_http_request *request, const char *name, bool *found);
// The body: in memory (fd -1) when it is at most 64 kB, or an unlinked file, when it is longer or many are in memory.
mf_slice mf_request_body(const mf_http_request *request, int *fd, uint64_t *len);
const char *mf_request_id(const mf_http_request *request);  // UUID v4, sent as x-amzn-RequestId with every answer
void mf_request_set_data(mf_http_request *request, void *data);  // the handler's own, for `ended`
// Called once when the request ends, before the arena goes. answered false: the client hung up, or the server is being destroyed;
// nobody waits any longer, and mf_respond must not be called.
void mf_request_on_end(mf_http_request *request, void (*ended)(mf_http_request *request, void *data, bool answered));

// Answers; body is copied unless `body_free` is given, which is called when it is sent. May be called at once or later from the loop.
void mf_respond(mf_http_request *request, int status, const mf_header *headers, uint32_t n_headers, mf_slice body,
                void (*body_free)(void *context), void *context);
// How a service's errors look: REST-JSON as Lambda sends it, x-amzn-ErrorType and {"Type":"User","message":…}; JSON 1.1,
// {"__type":…,"message":…}; the query protocol's XML, <ErrorResponse>.
typedef enum mf_error_form { MF_FORM_REST_JSON, MF_FORM_JSON, MF_FORM_QUERY } mf_error_form;
mf_error_form mf_request_form(const mf_http_request *request);  // as its route says
// An error in the request's form. include_type false: without Type (REST-JSON only).
void mf_respond_error(mf_http_request *request, int status, const char *aws_code, const char *message, bool include_type);

// ---- server ----
// Who signed, from the credential scope; session_token: of temporary credentials, else "".
typedef struct mf_principal { mf_str access_key, region, service, session_token; } mf_principal;

typedef struct mf_route_result {
  // Called when the body is complete and, unless `anonymous`, the signature is right. principal: NULL on an anonymous route,
  // whose signature nobody checked.
  void (*handle)(mf_http_request *request, const mf_principal *principal, void *context);
  void *context;
  uint64_t max_body_bytes;                       // more: `too_large` or a plain 413
  void (*too_large)(mf_http_request *request, void *context);
  bool anonymous;
  mf_error_form form;
  const char *xmlns;                             // the query protocol's, of the service
  const char *service;                           // the one that the credential scope must name, NULL: whichever it names
} mf_route_result;
typedef enum mf_key_verdict { MF_KEY_UNKNOWN, MF_KEY_EXPIRED, MF_KEY_GOOD } mf_key_verdict;
typedef struct mf_wire_handlers {
  // By headers only: which handler takes this request? service: of the credential scope, "" when unsigned. false: 404.
  bool (*route)(void *context, mf_http_request *request, mf_str service, mf_route_result *result);
  // Secret of an access key, with its session token when it is a temporary one ("" otherwise). What must be made goes into the arena.
  mf_key_verdict (*secret)(void *context, mf_str access_key, mf_str session_token, mf_arena *arena, mf_str *secret);
  bool (*temporary)(void *context, int *fd, mf_error *err);  // an unlinked file for a large body
  uint64_t (*room)(void *context);  // bytes that are left where these files lie; NULL: enough
  void *context;
} mf_wire_handlers;
typedef struct mf_wire_options {
  int listen_fd;                                  // closed by mf_wire_destroy; shut down by mf_wire_stop_accepting alone, another process may share it
  const char *listen_host;                        // the name that the user gave to listen on, NULL: only addresses and own names
  const char *tls_certificate_pem, *tls_key_pem;  // NULL: plain HTTP
  // 0: 1000; as many as max_connections. When few are left, of all or of those of one peer, the oldest (of that peer's) on which nobody has
  // shown a good signature is closed.
  uint32_t max_connections, max_connections_per_peer;
  uint32_t idle_timeout_s;                        // between requests, while a request dribbles in, while an answer is not taken; 0: 60
  // Of answers that were not taken yet, all together; 0: an eighth of the machine's memory, at least 64 MiB. An answer of more than
  // 64 KiB that would pass it is replaced by a 503.
  uint64_t max_waiting_bytes;
  // Of bodies in files whose signatures could not be checked yet, all together; 0: 256 MiB, and never more than three quarters of `room`. What
  // passes it ends the body that comes slowest, with a 503.
  uint64_t max_unverified_bytes;
  uint64_t max_unverified_memory;                 // of those in memory; 0: 16 MiB. What passes it goes into a file, but for 4 KiB and less
} mf_wire_options;
typedef struct mf_wire mf_wire;
mf_wire *mf_wire_create(mf_loop *loop, const mf_wire_options *options, const mf_wire_handlers *handlers, mf_error *err) MF_MUST_CHECK;
// New connections are refused, in all processes that share the socket. Requests under way and on kept-alive connections are still answered,
// then closed.
void mf_wire_stop_accepting(mf_wire *wire);
uint32_t mf_wire_requests(const mf_wire *wire);   // under way, so that a stop can wait for 0
void mf_wire_destroy(mf_wire *wire);              // requests still under way end unanswered

// ---- SigV4 (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html) ----
typedef struct mf_sigv4_request {  // raw parts of a request, for signing and verifying
  mf_str method, target, query;
  const mf_header *headers;
  uint32_t n_headers;
  uint8_t payload_sha256[MF_SHA256_BYTES];
} mf_sigv4_request;
// For the command line's client: the value of the Authorization header; headers must hold host and x-amz-date.
bool mf_sigv4_sign(const mf_sigv4_request *request, mf_str access_key, mf_str secret, mf_str region, mf_str service, mf_str amz_date,
                   mf_arena *arena, mf_str *authorization, mf_error *err) MF_MUST_CHECK;
#endif
