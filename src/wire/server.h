// wire's own view of a server: connections, requests and what libmicrohttpd calls back. Private to the module.
#ifndef MF_WIRE_SERVER_H
#define MF_WIRE_SERVER_H

#include <microhttpd.h>
#include <netinet/in.h>

#include "sigv4.h"
#include "wire.h"

enum {
  BODY_IN_MEMORY = 64 * 1024,   // a longer body goes to a file
  SHORT_BODY = 4 * 1024,        // one that is always in memory, within the request's own
  SMALL_ANSWER = 64 * 1024,     // one that is always sent, however many wait
  REQUEST_MEMORY = 8 * 1024,    // of a request's arena before it calls malloc; enough for an invocation with a small payload
  MAX_HEADERS = 100,
  SHIELD_HEADERS = 2,           // of ours beside them
  IDLE_REQUESTS = 256,          // request objects kept for the next ones
  SLOWEST_BYTES_PER_S = 16 * 1024,          // of an answer
  SLOWEST_BODY_BYTES_PER_S = 32 * 1024,
  LINGER_KNOWN_BYTES = 128 << 20, LINGER_STRANGER_BYTES = 1 << 20
};

typedef struct lingering lingering;
typedef struct wire_connection {
  struct mf_wire *wire;
  struct MHD_Connection *handle;
  struct in6_addr peer;         // a /64 of IPv6, one address of IPv4
  mf_watch hang_up;             // the socket, for the peer's FIN and reset only
  struct wire_connection *next, *previous;
  mf_http_request *request;     // under way, or NULL
  int64_t since_ns;             // opened, or the last request's end
  uint64_t linger_bytes;        // to be read and dropped after the answer, so that the peer gets to see it
  bool watched, half_closed, probed, cut;
  bool served;                  // a request of it was answered
  bool known;                   // one was signed with a key that we know
} wire_connection;

typedef enum wire_phase { PHASE_LINE, PHASE_BODY, PHASE_COMPLETE } wire_phase;

struct mf_http_request {
  struct mf_wire *wire;
  wire_connection *connection;
  mf_arena arena;
  char id[MF_UUID_TEXT + 1];
  wire_phase phase;
  bool suspend_soon;            // in wire->to_suspend
  mf_http_request *next_to_suspend;
  bool in_callback, suspended, gone, answered, known_peer;
  bool must_close;              // where this request ends is in doubt: what follows is no request
  const char *uri, *uri_end;    // in libmicrohttpd's buffer
  int64_t begun_ns;
  mf_str method, target, query, version;
  mf_header *headers;
  uint32_t n_headers;
  bool odd_header;              // a name holds a blank or a control character, or a value holds a CR
  mf_route_result route;
  mf_signature signature;
  mf_principal principal;
  // body
  uint64_t content_length;      // UINT64_MAX: chunked
  uint64_t body_len;
  mf_buf body;
  int body_fd;                  // -1: in memory
  mf_sha256_stream body_hash;
  bool verified;                // the signature is right, and names the body's hash
  uint64_t unverified_bytes, unverified_memory;  // of wire's
  uint64_t pace_bytes;          // lately received: halved each second
  int64_t patience_ns;          // until when the rest is waited for; more of it buys more
  // answer
  struct MHD_Response *response;
  int status;
  uint64_t response_bytes;
  int64_t queued_ns;            // handed to libmicrohttpd, if answered
  void (*body_free)(void *context);
  void *body_context;
  // the handler's
  void *data;
  void (*ended)(mf_http_request *request, void *data, bool answered);
  mf_http_request *next_idle;
  char memory[REQUEST_MEMORY];
};

struct mf_wire {
  mf_loop *loop;
  mf_wire_handlers handlers;
  struct MHD_Daemon *daemon;
  mf_watch epoll;               // libmicrohttpd's own
  mf_timer sweep;
  bool must_run, stopping, tls;
  mf_http_request *to_suspend;  // once libmicrohttpd has returned
  bool look_for_ends;           // a half-closed connection may have nothing more to read
  int64_t run_at_ns;            // libmicrohttpd's next timeout, -1: none
  int listen_fd;
  int64_t idle_timeout_ns;
  char listen_host[256], host_name[256];
  wire_connection *connections, *oldest;  // from the newest to the oldest
  uint32_t n_connections, max_connections, max_connections_per_peer;
  uint32_t most_connections;    // since memory was given back to the system
  uint64_t waiting_bytes, max_waiting_bytes;  // of answers
  uint64_t unverified_bytes, max_unverified_bytes;    // of bodies in files
  uint32_t unverified_files, max_unverified_files;
  uint64_t unverified_memory, max_unverified_memory;  // of bodies in memory
  lingering *lingering;
  mf_http_request *idle;
  uint32_t n_idle, n_requests;
  mf_signing_keys keys;
  uint8_t random[16 * 64];      // for request ids: one getrandom(2) for 64 of them
  uint32_t random_used;
};

// request.c
mf_http_request *mf_wire_request_create(mf_wire *wire, const char *uri);
void mf_wire_request_end(mf_http_request *request, bool answered);
bool mf_wire_request_take_headers(mf_http_request *request, struct MHD_Connection *connection);
mf_sigv4_request mf_wire_signed_parts(const mf_http_request *request);
// body.c
bool mf_wire_body_begin(mf_http_request *request);      // false: an answer is ready already
bool mf_wire_body_add(mf_http_request *request, const void *data, size_t len);  // false: close the connection
void mf_wire_body_too_large(mf_http_request *request);
void mf_wire_body_verified(mf_http_request *request);   // or given up: it does not count as unverified any longer
// respond.c
enum MHD_Result mf_wire_queue(mf_http_request *request, struct MHD_Connection *connection);
void mf_wire_respond_auth(mf_http_request *request, const mf_auth_error *err);
void mf_wire_drop_response(mf_http_request *request);
// server.c
void mf_wire_do_not_suspend(mf_http_request *request); // it ends
// connection.c
void mf_wire_on_connection(void *context, struct MHD_Connection *handle, void **socket_context,
                           enum MHD_ConnectionNotificationCode what);
void mf_wire_look_at_peer(wire_connection *connection);  // a request was suspended: did the peer hang up meanwhile?
void mf_wire_abandon(mf_http_request *request);          // ends a suspended request unanswered
void mf_wire_sweep(mf_timer *timer);
void mf_wire_end_half_closed(mf_wire *wire);
// refuse.c
void mf_wire_shield(struct MHD_Connection *handle);      // with the request's line: libmicrohttpd finds what it would refuse the lack of
bool mf_wire_is_shield(const char *name);                // a header that is not the client's
void mf_wire_on_refusal(mf_wire *wire, const char *line);  // a line that libmicrohttpd logs before it refuses
// host_header.c
bool mf_wire_host_is_ours(const mf_wire *wire, mf_str host);
// linger.c
void mf_wire_linger(mf_wire *wire, int fd, uint64_t bytes);
void mf_wire_linger_end(mf_wire *wire);  // all of them, now
#endif
