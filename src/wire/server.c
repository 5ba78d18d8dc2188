// The server: libmicrohttpd driven by our loop (its epoll descriptor is one of the loop's), and the walk of a request through it:
// line, headers (Host, signature's key and date, route, length), body, signature, handler.
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"

enum { CONNECTION_MEMORY = 16 * 1024, RUNS_PER_ROUND = 32, DEFAULT_CONNECTIONS = 1000, DEFAULT_IDLE_S = 60 };

// ---- a request's headers ----

static uint32_t count_headers(const mf_http_request *request, const char *name) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < request->n_headers; i++) n += strcasecmp(request->headers[i].name, name) == 0;
  return n;
}

// Body length from the headers; false: they contradict each other (request smuggling, RFC 9112 §6.1), or may do so in the eyes of
// a proxy: what stands twice is refused although it be the same.
static bool take_length(mf_http_request *request) {
  mf_str length = mf_request_header(request, "content-length");
  uint32_t lengths = count_headers(request, "content-length"), encodings = count_headers(request, "transfer-encoding");
  if (lengths + encodings > 1 || (lengths > 0 && length.len == 0)) return false;
  request->content_length = encodings > 0 ? UINT64_MAX : 0;
  for (size_t i = 0; i < length.len; i++) {
    if (length.data[i] < '0' || length.data[i] > '9') return false;
    if (__builtin_mul_overflow(request->content_length, 10, &request->content_length) ||
        __builtin_add_overflow(request->content_length, (uint64_t)(length.data[i] - '0'), &request->content_length))
      return false;
  }
  return encodings > 0 || request->content_length != UINT64_MAX;
}

static bool is_chunked(const mf_http_request *request) {
  mf_str encoding = mf_request_header(request, "transfer-encoding");
  return encoding.len == 7 && strncasecmp(encoding.data, "chunked", 7) == 0;
}

// libmicrohttpd cuts the request line into strings where it stands, so that what follows a string's end and one byte is blanks up to the
// next string. A string that ends before that held a NUL, and is not what a proxy in front of us saw.
static bool ends_early(const char *end, const char *next) {
  const uintptr_t from = (uintptr_t)end + 1, to = (uintptr_t)next;
  if (to <= from || to - from >= CONNECTION_MEMORY) return false;  // no neighbours
  return strspn(end + 1, " ") != to - from;
}

static bool line_has_nul(const mf_http_request *request) {
  return ends_early(request->method.data + request->method.len, request->uri) || ends_early(request->uri_end, request->version.data);
}

// Whatever makes it doubtful where this request ends or whom it is for (RFC 9112 §3.2, §5.1, §6.1, §11.2), NULL: nothing.
static const char *doubt(mf_http_request *request) {
  if (line_has_nul(request)) return "The request line holds a NUL.";
  if (request->odd_header) return "A header's name holds a blank or a control character, or a header's value holds a CR.";
  if (!take_length(request)) return "Content-Length is malformed, stands there twice, or stands beside Transfer-Encoding.";
  if (request->content_length == UINT64_MAX && mf_str_is(request->version, "HTTP/1.0")) return "HTTP/1.0 knows no Transfer-Encoding.";
  if (count_headers(request, "host") == 0 && !mf_str_is(request->version, "HTTP/1.0")) return "Host is missing.";
  if (count_headers(request, "host") > 1) return "Host stands there twice.";
  if (request->target.len == 0 || request->target.data[0] != '/') return "The request's target is neither a path nor a URL.";
  return NULL;
}

// A tunnel or an echo of the request's headers are nobody's, whatever the target: a function's 200 to CONNECT would leave the client in a
// tunnel to nowhere.
static bool method_is_acceptable(mf_http_request *request) {
  static const char body[] = "{\"message\":\"This server has no use for the method.\"}";
  static const mf_header headers[] = {{"Content-Type", MF_STR("application/json")}, {"x-amzn-ErrorType", MF_STR("MethodNotAllowedException")},
                                      {"Allow", MF_STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")}};
  if (!mf_str_is(request->method, "CONNECT") && !mf_str_is(request->method, "TRACE")) return true;
  request->must_close = true;
  mf_respond(request, 405, headers, MF_COUNT(headers), (mf_slice){body, sizeof body - 1}, NULL, NULL);
  return false;
}

// libmicrohttpd meets the only expectation that there is (RFC 9110 §10.1.1).
static bool expectation_is_acceptable(mf_http_request *request) {
  for (uint32_t i = 0; i < request->n_headers; i++) {
    const mf_header *h = &request->headers[i];
    if (strcasecmp(h->name, "expect") != 0 || (h->value.len == 12 && strncasecmp(h->value.data, "100-continue", 12) == 0)) continue;
    mf_respond_error(request, 417, "ExpectationFailed", "The only expectation that this server meets is 100-continue.", false);
    return false;
  }
  return true;
}

static bool headers_are_acceptable(mf_http_request *request, struct MHD_Connection *handle) {
  if (!mf_wire_request_take_headers(request, handle)) {
    mf_respond_error(request, 431, "RequestHeaderFieldsTooLarge", "The request has too many headers.", false);
    return false;
  }
  if (!method_is_acceptable(request)) return false;
  const char *problem = doubt(request);
  if (problem) {
    request->must_close = true;
    mf_respond_error(request, 400, "BadRequest", problem, false);
    return false;
  }
  if (request->content_length == UINT64_MAX && !is_chunked(request)) {
    mf_respond_error(request, 501, "NotImplemented", "The only Transfer-Encoding that this server knows is chunked.", false);
    return false;
  }
  if (!mf_wire_host_is_ours(request->wire, mf_request_header(request, "host"))) {
    mf_respond_error(request, 403, "AccessDeniedException", "The Host header names another machine. Use an IP address, localhost, or the "
                     "name that the server was told to listen on.", false);
    return false;
  }
  return expectation_is_acceptable(request);
}

static bool find_secret(mf_http_request *request, mf_str *secret, mf_auth_error *err) {
  const mf_wire_handlers *handlers = &request->wire->handlers;
  const mf_signature *s = &request->signature;
  switch (handlers->secret(handlers->context, s->access_key, s->session_token, &request->arena, secret)) {
    case MF_KEY_GOOD: return true;
    case MF_KEY_EXPIRED: return mf_auth_fail(err, "ExpiredTokenException", "The security token included in the request is expired");
    default: return mf_auth_fail(err, "UnrecognizedClientException", "The security token included in the request is invalid.");
  }
}

// What is signed for one service is no right to another: an S3 client's presigned URL leaves its body out of the signature.
static bool scope_fits(const mf_http_request *request, mf_auth_error *err) {
  const char *service = request->route.service;
  if (!service || mf_str_is(request->signature.service, service)) return true;
  return mf_auth_fail(err, "InvalidSignatureException", "Credential should be scoped to correct service: '%s'.", service);
}

// Key, scope and date are good enough to take the body?
static bool peer_may_send(mf_http_request *request, mf_auth_error *err) {
  mf_signature *signature = &request->signature;
  mf_sigv4_request parts = mf_wire_signed_parts(request);
  mf_str secret;
  if (!signature->present) return mf_auth_fail(err, "MissingAuthenticationTokenException", "Missing Authentication Token");
  return scope_fits(request, err) && find_secret(request, &secret, err) && mf_signature_is_current(signature, &parts, mf_wall_ns() / MF_NS_PER_S, err);
}

static bool judge_signature(mf_http_request *request, const mf_sigv4_request *parts, mf_auth_error *err) {
  mf_str secret;
  return find_secret(request, &secret, err) &&
         mf_signature_is_right(&request->signature, parts, secret, &request->wire->keys, &request->arena, err);
}

// Where the head names the body's hash, nobody without the secret gets to send a body at all.
static bool verify_head(mf_http_request *request, mf_auth_error *err) {
  const mf_sigv4_request parts = mf_wire_signed_parts(request);
  return request->verified = judge_signature(request, &parts, err);
}

static void answer_no_route(mf_http_request *request, bool signature_is_well_formed, const mf_auth_error *err) {
  static const mf_auth_error missing = {"MissingAuthenticationTokenException", "Missing Authentication Token"};
  if (!signature_is_well_formed) mf_wire_respond_auth(request, err);
  else if (!request->signature.present) mf_wire_respond_auth(request, &missing);
  else mf_respond_error(request, 404, "UnknownOperationException", "No operation of this server has this method and path.", false);
}

static void begin(mf_http_request *request, struct MHD_Connection *handle) {
  const mf_wire_handlers *handlers = &request->wire->handlers;
  if (!headers_are_acceptable(request, handle)) return;
  mf_sigv4_request parts = mf_wire_signed_parts(request);
  mf_auth_error err;
  bool well_formed = mf_signature_find(&parts, &request->arena, &request->signature, &err);
  if (!well_formed) request->signature.present = false;  // perhaps another scheme's, for an anonymous route
  mf_str service = request->signature.present ? request->signature.service : MF_STR("");
  if (!handlers->route(handlers->context, request, service, &request->route)) {
    answer_no_route(request, well_formed, &err);
    return;
  }
  if (!request->route.anonymous && (!well_formed || !peer_may_send(request, &err))) {
    mf_wire_respond_auth(request, &err);
    return;
  }
  request->known_peer = !request->route.anonymous;
  if (!request->route.anonymous && mf_signature_names_payload(&request->signature) && !verify_head(request, &err)) {
    mf_wire_respond_auth(request, &err);
    return;
  }
  if (mf_wire_body_begin(request)) request->phase = PHASE_BODY;
}

// ---- the complete request ----

static bool signature_is_right(mf_http_request *request, mf_auth_error *err) {
  mf_sigv4_request parts = mf_wire_signed_parts(request);
  mf_str secret;
  mf_sha256_end(&request->body_hash, parts.payload_sha256);
  if (!request->verified) return judge_signature(request, &parts, err);
  return find_secret(request, &secret, err) &&  // removed or expired meanwhile?
         mf_signature_fits_payload(&request->signature, parts.payload_sha256, err);
}

static void complete(mf_http_request *request) {
  mf_auth_error err;
  request->phase = PHASE_COMPLETE;
  mf_wire_body_verified(request);
  if (request->response) return;  // made while the body came in
  if (request->route.anonymous) {
    request->route.handle(request, NULL, request->route.context);
    return;
  }
  if (!signature_is_right(request, &err)) {
    mf_wire_respond_auth(request, &err);
    return;
  }
  const mf_signature *s = &request->signature;
  request->connection->known = true;
  request->principal = (mf_principal){s->access_key, s->region, s->service, s->session_token};
  request->route.handle(request, &request->principal, request->route.context);
}

// What is suspended from within its callback still wants to be read in libmicrohttpd's eyes: resumed, it would read before it asks for the
// answer, and close the connection of a peer that has closed its half. So it is suspended when libmicrohttpd has returned.
static void suspend_soon(mf_http_request *request) {
  request->suspend_soon = true;
  request->next_to_suspend = request->wire->to_suspend;
  request->wire->to_suspend = request;
}

static void suspend_all(mf_wire *wire) {
  while (wire->to_suspend) {
    mf_http_request *request = wire->to_suspend;
    wire->to_suspend = request->next_to_suspend;
    request->suspend_soon = false;
    if (request->response || request->gone) {
      wire->must_run = true;  // answered meanwhile: libmicrohttpd asks again, without the system calls that suspending costs
      continue;
    }
    request->suspended = true;
    MHD_suspend_connection(request->connection->handle);
    mf_wire_look_at_peer(request->connection);
  }
}

void mf_wire_do_not_suspend(mf_http_request *request) {
  if (!request->suspend_soon) return;
  mf_http_request **at = &request->wire->to_suspend;
  while (*at != request) at = &(*at)->next_to_suspend;
  *at = request->next_to_suspend;
  request->suspend_soon = false;
}

// libmicrohttpd calls this once with the headers, then for each piece of the body, then once more; and after a resume.
static enum MHD_Result on_access(void *context, struct MHD_Connection *handle, const char *url, const char *method, const char *version,
                                 const char *data, size_t *data_len, void **request_context) {
  (void)context;
  (void)url;
  mf_http_request *request = *request_context;
  if (!request || !request->connection || request->gone) return MHD_NO;
  if (request->suspend_soon) return MHD_YES;
  if (request->phase == PHASE_COMPLETE) return mf_wire_queue(request, handle);
  request->in_callback = true;
  if (request->phase == PHASE_LINE) {
    request->method = mf_str_from(method);
    request->version = mf_str_from(version);
    begin(request, handle);
    request->in_callback = false;
    return request->response || request->gone ? mf_wire_queue(request, handle) : MHD_YES;
  }
  if (*data_len > 0) {
    bool bearable = mf_wire_body_add(request, data, *data_len);
    *data_len = 0;
    request->in_callback = false;
    return bearable ? MHD_YES : MHD_NO;
  }
  complete(request);
  request->in_callback = false;
  if (request->response || request->gone) return mf_wire_queue(request, handle);
  suspend_soon(request);
  return MHD_YES;
}

// libmicrohttpd would make a record of each parameter in the connection's memory, and where they do not fit the connection stands still,
// without an answer. We read the query ourselves, from a copy, so it is made one parameter (in libmicrohttpd's own, writable buffer).
static void hide_parameters(const char *uri) {
  char *at = strchr((char *)(uintptr_t)uri, '?');
  while (at && (at = strchr(at, '&'))) *at = '+';
}

static void *on_uri(void *context, const char *uri, struct MHD_Connection *handle) {
  mf_http_request *request = mf_wire_request_create(context, uri);
  hide_parameters(uri);
  mf_wire_shield(handle);
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  wire_connection *connection = info ? info->socket_context : NULL;
  if (!request || !connection) return request;  // without a connection it is refused in on_access
  if (connection->request) mf_wire_request_end(connection->request, false);
  request->connection = connection;
  connection->request = request;
  return request;
}

static void on_completed(void *context, struct MHD_Connection *handle, void **request_context, enum MHD_RequestTerminationCode code) {
  (void)context;
  (void)handle;
  mf_http_request *request = *request_context;
  *request_context = NULL;
  if (request) mf_wire_request_end(request, request->answered && code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

// ---- libmicrohttpd in the loop ----

static void on_epoll(mf_watch *watch, uint32_t events) {
  (void)events;
  ((mf_wire *)watch->data)->must_run = true;
}

// After a resume libmicrohttpd may need several rounds: it says so by a timeout of 0.
static int64_t before_wait(void *data) {
  mf_wire *wire = data;
  if (!wire->must_run && wire->run_at_ns < 0) return -1;
  int64_t now = wire->must_run ? 0 : mf_now_ns();
  if (!wire->must_run && now < wire->run_at_ns) return wire->run_at_ns - now;
  wire->must_run = false;
  for (int i = 0; i < RUNS_PER_ROUND; i++) {
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    MHD_run(wire->daemon);
    suspend_all(wire);
    if (wire->look_for_ends) mf_wire_end_half_closed(wire);
    bool has_timeout = MHD_get_timeout(wire->daemon, &timeout_ms) == MHD_YES;
    if (has_timeout && timeout_ms == 0) continue;
    wire->run_at_ns = has_timeout ? mf_now_ns() + (int64_t)timeout_ms * MF_NS_PER_MS : -1;
    return wire->must_run ? 0 : has_timeout ? (int64_t)timeout_ms * MF_NS_PER_MS : -1;
  }
  wire->must_run = true;
  return 0;
}

static void on_log(void *context, const char *format, va_list args) {
  char line[512];
  vsnprintf(line, sizeof line, format, args);
  mf_wire_on_refusal(context, line);
  mf_log(MF_LOG_DEBUG, "http: %s", line);
}

static bool start_daemon(mf_wire *wire, const mf_wire_options *options, mf_error *err) {
  struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)options->tls_certificate_pem},
                                 {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)options->tls_key_pem},
                                 {MHD_OPTION_END, 0, NULL}};
  unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (wire->tls ? MHD_USE_TLS : 0u);
  wire->daemon = MHD_start_daemon(
      flags, 0, NULL, NULL, on_access, wire, MHD_OPTION_EXTERNAL_LOGGER, on_log, wire, MHD_OPTION_LISTEN_SOCKET, options->listen_fd,
      MHD_OPTION_URI_LOG_CALLBACK, on_uri, wire, MHD_OPTION_NOTIFY_COMPLETED, on_completed, wire, MHD_OPTION_NOTIFY_CONNECTION,
      mf_wire_on_connection, wire, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)options->idle_timeout_s, MHD_OPTION_CONNECTION_LIMIT,
      (unsigned)options->max_connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)options->max_connections_per_peer,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_ARRAY,
      wire->tls ? tls : &tls[2], MHD_OPTION_END);
  if (!wire->daemon)
    return mf_fail(err, wire->tls ? MF_Usage : MF_Io, "cannot start the HTTP server%s",
                   wire->tls ? ": are the TLS certificate and key a pair of PEM files?" : "");
  const union MHD_DaemonInfo *info = MHD_get_daemon_info(wire->daemon, MHD_DAEMON_INFO_EPOLL_FD);
  wire->epoll = (mf_watch){.fd = info ? info->epoll_fd : -1, .ready = on_epoll, .data = wire};
  return mf_loop_add(wire->loop, &wire->epoll, EPOLLIN, err);
}

static uint64_t default_waiting_bytes(void) {
  const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  const uint64_t memory = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
  return MF_MAX(memory / 8, UINT64_C(64) << 20);
}

static void set_defaults(mf_wire_options *options) {
  if (options->max_waiting_bytes == 0) options->max_waiting_bytes = default_waiting_bytes();
  if (options->max_unverified_bytes == 0) options->max_unverified_bytes = UINT64_C(256) << 20;
  if (options->max_unverified_memory == 0) options->max_unverified_memory = UINT64_C(16) << 20;
  if (options->max_connections == 0) options->max_connections = DEFAULT_CONNECTIONS;
  if (options->max_connections_per_peer == 0) options->max_connections_per_peer = options->max_connections;
  if (options->idle_timeout_s == 0) options->idle_timeout_s = DEFAULT_IDLE_S;
}

mf_wire *mf_wire_create(mf_loop *loop, const mf_wire_options *given, const mf_wire_handlers *handlers, mf_error *err) {
  mf_wire_options chosen = *given, *options = &chosen;
  set_defaults(options);
  mf_wire *wire = calloc(1, sizeof *wire);
  if (!wire) {
    mf_fail(err, MF_OutOfMemory, "no memory for the HTTP server");
    return NULL;
  }
  *wire = (mf_wire){.loop = loop, .handlers = *handlers, .listen_fd = options->listen_fd, .must_run = true, .run_at_ns = -1,
                    .tls = options->tls_certificate_pem != NULL, .random_used = sizeof wire->random,
                    .max_connections = options->max_connections,
                    .max_connections_per_peer = options->max_connections_per_peer, .max_waiting_bytes = options->max_waiting_bytes,
                    .max_unverified_bytes = options->max_unverified_bytes, .max_unverified_memory = options->max_unverified_memory,
                    .max_unverified_files = MF_MAX(options->max_connections / 8, 8u),
                    .idle_timeout_ns = (int64_t)options->idle_timeout_s * MF_NS_PER_S, .sweep = {.fire = mf_wire_sweep, .data = wire}};
  snprintf(wire->listen_host, sizeof wire->listen_host, "%s", options->listen_host ? options->listen_host : "");
  if (gethostname(wire->host_name, sizeof wire->host_name - 1) != 0) wire->host_name[0] = 0;
  signal(SIGPIPE, SIG_IGN);  // a peer that hangs up is an error of one write, not the end of the process
  if (!start_daemon(wire, options, err)) {
    mf_wire_destroy(wire);
    return NULL;
  }
  mf_loop_set_hook(loop, before_wait, wire);
  return wire;
}

static void quiesce(mf_wire *wire) {
  if (wire->stopping) return;
  wire->stopping = true;
  MHD_quiesce_daemon(wire->daemon);
}

// Whoever shares the socket (the keeper, for a front that is started again) keeps it open: closing ours would leave the kernel accepting
// connections that nobody serves, so that their clients hang until the last process is gone.
void mf_wire_stop_accepting(mf_wire *wire) {
  if (wire->stopping) return;
  quiesce(wire);
  shutdown(wire->listen_fd, SHUT_RDWR);
}

uint32_t mf_wire_requests(const mf_wire *wire) { return wire->n_requests; }

void mf_wire_destroy(mf_wire *wire) {
  if (!wire) return;
  if (wire->daemon) {
    quiesce(wire);
    for (wire_connection *c = wire->connections; c; c = c->next)
      if (c->request) mf_wire_abandon(c->request);
    for (int i = 0; i < RUNS_PER_ROUND; i++) MHD_run(wire->daemon);
    mf_loop_set_hook(wire->loop, NULL, NULL);
    mf_loop_timer_cancel(wire->loop, &wire->sweep);
    mf_loop_remove(wire->loop, &wire->epoll);
    MHD_stop_daemon(wire->daemon);
    close(wire->listen_fd);
  }
  mf_wire_linger_end(wire);
  while (wire->idle) {
    mf_http_request *request = wire->idle;
    wire->idle = request->next_idle;
    free(request);
  }
  free(wire);
}
