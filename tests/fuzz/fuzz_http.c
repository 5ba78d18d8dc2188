// Bytes from a stranger to the front's HTTP: each input is sent to a real server on loopback in one piece and in two, with the sending
// half closed behind it; and its parts are given to the signature code as if date and key were right, which no fuzzer can guess.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/canonical.h"
#include "wire/sigv4.h"

enum { LIMIT_MS = 5000, MAX_HEADER_LINES = 64 };

static mf_loop *loop;
static mf_wire *wire;
static struct sockaddr_in address;
static const char secret_text[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

// ---- the server ----

static void answer(mf_http_request *request) {
  int fd;
  uint64_t len;
  bool found;
  mf_slice body = mf_request_body(request, &fd, &len);
  mf_str value = mf_request_parameter(request, "name", &found);
  if (fd >= 0 && lseek(fd, 0, SEEK_END) != (off_t)len) abort();
  const mf_header headers[] = {{"X-Name", value}};
  mf_respond(request, 200, headers, found ? 1 : 0, body, NULL, NULL);
}

static void on_timer(mf_timer *timer) { answer(timer->data); }

static void on_end(mf_http_request *request, void *data, bool answered) {
  (void)request;
  (void)answered;
  mf_loop_timer_cancel(loop, data);
}

static void handle(mf_http_request *request, const mf_principal *principal, void *context) {
  mf_error err;
  (void)context;
  if (principal) abort();  // nobody can have signed this
  if (!mf_str_is(mf_request_target(request), "/later")) {
    answer(request);
    return;
  }
  mf_timer *timer = MF_NEW(mf_request_arena(request), mf_timer);
  *timer = (mf_timer){.fire = on_timer, .data = request};
  mf_request_set_data(request, timer);
  mf_request_on_end(request, on_end);
  if (!mf_loop_timer_set(loop, timer, mf_now_ns(), &err)) abort();
}

static bool route(void *context, mf_http_request *request, mf_str service, mf_route_result *result) {
  (void)context;
  (void)service;
  *result = (mf_route_result){.handle = handle, .max_body_bytes = 100000};
  result->anonymous = mf_str_is(mf_request_target(request), "/anonymous") || mf_str_is(mf_request_target(request), "/later");
  return true;
}

static mf_key_verdict secret(void *context, mf_str access_key, mf_str session_token, mf_arena *arena, mf_str *out) {
  (void)context;
  (void)arena;
  *out = mf_str_from(secret_text);
  return mf_str_is(access_key, "AKIDEXAMPLE") && session_token.len == 0 ? MF_KEY_GOOD : MF_KEY_UNKNOWN;
}

static bool temporary(void *context, int *fd, mf_error *err) {
  (void)context;
  *fd = memfd_create("body", MFD_CLOEXEC);
  return *fd >= 0 || mf_fail_errno(err, "memfd_create");
}

static void start_server(void) {
  mf_error err;
  socklen_t len = sizeof address;
  address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 64) != 0) abort();
  getsockname(fd, (struct sockaddr *)&address, &len);
  const mf_wire_options options = {.listen_fd = fd, .max_connections = 100, .max_connections_per_peer = 100, .idle_timeout_s = 1};
  const mf_wire_handlers handlers = {.route = route, .secret = secret, .temporary = temporary};
  loop = mf_loop_create(&err);
  wire = loop ? mf_wire_create(loop, &options, &handlers, &err) : NULL;
  if (!wire) abort();
}

// ---- the client ----

typedef struct client {
  mf_watch watch;
  const uint8_t *data;
  size_t len, sent, first;
} client;

static void on_client(mf_watch *watch, uint32_t events) {
  client *c = watch->data;
  mf_error err;
  char out[4096];
  (void)events;
  if (c->sent < c->len) {
    size_t piece = (c->sent < c->first ? c->first : c->len) - c->sent;
    ssize_t n = send(watch->fd, c->data + c->sent, piece, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) c->sent += (size_t)n;
    else if (errno != EAGAIN) c->sent = c->len;
    if (c->sent == c->len) {
      shutdown(watch->fd, SHUT_WR);
      if (!mf_loop_modify(loop, watch, EPOLLIN, &err)) abort();
    }
  }
  for (ssize_t n;;) {
    n = recv(watch->fd, out, sizeof out, MSG_DONTWAIT);
    if (n > 0) continue;
    if (n == 0 || (errno != EAGAIN && errno != EINTR)) mf_loop_stop(loop);
    return;
  }
}

static void on_limit(mf_timer *timer) {
  (void)timer;
  abort();  // the server forgot a connection
}

// Each conversation comes from an address of its own (all of 127/8 is loopback), so that ports do not run out. An environment without
// them ends the fuzzing, and is no finding.
static void connect_from_somewhere(int fd) {
  static uint32_t n;
  struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + n++ % 60000)};
  if (fd >= 0 && bind(fd, (struct sockaddr *)&from, sizeof from) == 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
    return;
  perror("cannot connect to the server of the fuzzer");
  exit(1);
}

static void converse(const uint8_t *data, size_t len, size_t first) {
  mf_error err;
  client c = {.data = data, .len = len, .first = first,
              .watch = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), .ready = on_client, .data = &c}};
  mf_timer limit = {.fire = on_limit};
  connect_from_somewhere(c.watch.fd);
  if (!mf_loop_add(loop, &c.watch, EPOLLIN | EPOLLOUT, &err) || !mf_loop_timer_set(loop, &limit, mf_now_ns() + LIMIT_MS * MF_NS_PER_MS, &err) ||
      !mf_loop_run(loop, &err))
    abort();
  mf_loop_timer_cancel(loop, &limit);
  mf_loop_remove(loop, &c.watch);
  close(c.watch.fd);
}

// ---- the signature code ----

static mf_str cut(mf_str *rest, char at) {
  const char *end = rest->len ? memchr(rest->data, at, rest->len) : NULL;
  mf_str piece = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
  size_t used = piece.len + (end ? 1 : 0);
  *rest = (mf_str){rest->data + used, rest->len - used};
  return piece;
}

static void judge(mf_str text) {
  mf_arena arena;
  mf_arena_init(&arena, 0);
  mf_header headers[MAX_HEADER_LINES];
  mf_str line = cut(&text, '\n'), method = cut(&line, ' '), target = cut(&line, ' ');
  mf_sigv4_request request = {.method = method, .headers = headers};
  request.target = cut(&target, '?');
  request.query = target;
  while (text.len > 0 && request.n_headers < MAX_HEADER_LINES) {
    mf_str value = cut(&text, '\n'), name = cut(&value, ':');
    headers[request.n_headers++] = (mf_header){mf_str_copy(&arena, name).data, value};
  }
  mf_signature signature;
  mf_auth_error err = {0};
  mf_signing_keys *keys = MF_NEW(&arena, mf_signing_keys);
  if (mf_signature_find(&request, &arena, &signature, &err) && signature.present) {
    bool current = mf_signature_is_current(&signature, &request, signature.signed_at_s, &err);
    if (mf_signature_is_right(&signature, &request, mf_str_from(secret_text), keys, &arena, &err) && current) err.code = NULL;
  }
  mf_arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!wire) start_server();
  judge((mf_str){(const char *)data, size});
  if (size == 0) return 0;
  converse(data, size, size);
  if (size % 4 == 0) converse(data, size, size / 2);
  return 0;
}
