// A small server on wire, for the Python tests and for measuring: prints its port, answers until its standard input ends. A line on
// standard input stops it gracefully: it accepts nothing more and ends when the last request has been answered.
//   /echo        signed; answers the body (or its length when it went to a file)
//   /anonymous   the same without a signature
//   /later?ms=N  signed; answers after N ms; prints "gone" when the client did not wait
//   /large?bytes=N  signed; answers N bytes
//   /small       signed; takes 100 bytes
//   /strict      signed for the service lambda; answers the body
//   /parameter?name=x  signed; answers the parameter's decoded value
// Key: AKIDEXAMPLE / wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY. Options: --tls CERT KEY, --idle SECONDS,
// --connections N (of one peer), --most N (of all), --waiting BYTES (of answers), --unverified BYTES (of bodies),
// --memory BYTES (of those in memory). The kernel buffers little of an answer.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/wire.h"

static mf_loop *loop;
static mf_wire *wire;
static mf_timer drained;

typedef struct pending {
  mf_timer timer;
  mf_http_request *request;
} pending;

static void answer(mf_http_request *request) {
  int fd;
  uint64_t len;
  char text[64];
  mf_slice body = mf_request_body(request, &fd, &len);
  if (fd >= 0) {
    snprintf(text, sizeof text, "file of %llu bytes", (unsigned long long)len);
    if (lseek(fd, 0, SEEK_END) != (off_t)len) snprintf(text, sizeof text, "file has the wrong length");
    body = (mf_slice){text, strlen(text)};
  }
  const mf_header headers[] = {{"Content-Type", MF_STR("application/octet-stream")}};
  mf_respond(request, 200, headers, 1, body, NULL, NULL);
}

static void handle_echo(mf_http_request *request, const mf_principal *principal, void *context) {
  (void)context;
  if ((principal == NULL) != mf_str_is(mf_request_target(request), "/anonymous")) abort();
  answer(request);
}

static void handle_parameter(mf_http_request *request, const mf_principal *principal, void *context) {
  (void)principal;
  (void)context;
  bool found;
  mf_str value = mf_request_parameter(request, "name", &found);
  mf_respond(request, found ? 200 : 404, NULL, 0, (mf_slice){value.data, value.len}, NULL, NULL);
}

static void on_timer(mf_timer *timer) { answer(((pending *)timer->data)->request); }

static void on_end(mf_http_request *request, void *data, bool answered) {
  (void)request;
  pending *p = data;
  mf_loop_timer_cancel(loop, &p->timer);
  if (answered) return;
  printf("gone\n");
  fflush(stdout);
}

static void handle_later(mf_http_request *request, const mf_principal *principal, void *context) {
  (void)principal;
  (void)context;
  mf_error err;
  bool found;
  mf_str ms = mf_request_parameter(request, "ms", &found);
  pending *p = MF_NEW(mf_request_arena(request), pending);
  *p = (pending){.timer = {.fire = on_timer, .data = p}, .request = request};
  mf_request_set_data(request, p);
  mf_request_on_end(request, on_end);
  if (!mf_loop_timer_set(loop, &p->timer, mf_now_ns() + (found ? atoll(ms.data) : 0) * MF_NS_PER_MS, &err)) abort();
}

static void handle_large(mf_http_request *request, const mf_principal *principal, void *context) {
  (void)principal;
  (void)context;
  bool found;
  mf_str bytes = mf_request_parameter(request, "bytes", &found);
  size_t len = found ? (size_t)atoll(bytes.data) : 0;
  char *data = malloc(len + 1);
  if (!data) abort();
  memset(data, 'x', len);
  mf_respond(request, 200, NULL, 0, (mf_slice){data, len}, free, data);
}

static bool route(void *context, mf_http_request *request, mf_str service, mf_route_result *result) {
  (void)context;
  (void)service;
  mf_str target = mf_request_target(request);
  *result = (mf_route_result){.handle = handle_echo, .max_body_bytes = 8 << 20};
  if (mf_str_is(target, "/anonymous")) result->anonymous = true;
  else if (mf_str_is(target, "/later")) result->handle = handle_later;
  else if (mf_str_is(target, "/parameter")) result->handle = handle_parameter;
  else if (mf_str_is(target, "/large")) result->handle = handle_large;
  else if (mf_str_is(target, "/small")) result->max_body_bytes = 100;
  else if (mf_str_is(target, "/strict")) result->service = "lambda";
  else if (!mf_str_starts(target, MF_STR("/echo"))) return false;
  return true;
}

static mf_key_verdict secret(void *context, mf_str access_key, mf_str session_token, mf_arena *arena, mf_str *out) {
  (void)context;
  (void)arena;
  *out = MF_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  return mf_str_is(access_key, "AKIDEXAMPLE") && session_token.len == 0 ? MF_KEY_GOOD : MF_KEY_UNKNOWN;
}

static bool temporary(void *context, int *fd, mf_error *err) {
  (void)context;
  *fd = memfd_create("body", MFD_CLOEXEC);
  return *fd >= 0 || mf_fail_errno(err, "memfd_create");
}

static void look_whether_drained(mf_timer *timer) {
  mf_error err;
  if (mf_wire_requests(wire) == 0) mf_loop_stop(loop);
  else if (!mf_loop_timer_set(loop, timer, mf_now_ns() + 10 * MF_NS_PER_MS, &err)) abort();
}

static void on_input(mf_watch *watch, uint32_t events) {
  char byte;
  (void)events;
  if (read(watch->fd, &byte, 1) <= 0) {
    mf_loop_stop(loop);
    return;
  }
  mf_wire_stop_accepting(wire);
  drained.fire = look_whether_drained;
  look_whether_drained(&drained);
}

static char *text_of(const char *path) {
  static mf_arena arena;
  mf_error err;
  mf_slice text;
  if (!mf_read_file(&arena, path, 1 << 20, &text, &err)) {
    fprintf(stderr, "%s\n", err.message);
    exit(1);
  }
  return (char *)(uintptr_t)text.data;
}

static int listen_anywhere(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), little = 4096;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);  // inherited by what is accepted
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 512) != 0) exit(1);
  getsockname(fd, (struct sockaddr *)&address, &len);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int main(int argc, char **argv) {
  mf_error err;
  mf_wire_options options = {.max_connections = 1000, .max_connections_per_peer = 900, .idle_timeout_s = 60};
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--idle") == 0 && i + 1 < argc) options.idle_timeout_s = (uint32_t)atoi(argv[++i]);
    if (strcmp(argv[i], "--connections") == 0 && i + 1 < argc) options.max_connections_per_peer = (uint32_t)atoi(argv[++i]);
    if (strcmp(argv[i], "--most") == 0 && i + 1 < argc) options.max_connections = options.max_connections_per_peer = (uint32_t)atoi(argv[++i]);
    if (strcmp(argv[i], "--waiting") == 0 && i + 1 < argc) options.max_waiting_bytes = (uint64_t)atoll(argv[++i]);
    if (strcmp(argv[i], "--unverified") == 0 && i + 1 < argc) options.max_unverified_bytes = (uint64_t)atoll(argv[++i]);
    if (strcmp(argv[i], "--memory") == 0 && i + 1 < argc) options.max_unverified_memory = (uint64_t)atoll(argv[++i]);
    if (strcmp(argv[i], "--tls") == 0 && i + 2 < argc) {
      options.tls_certificate_pem = text_of(argv[++i]);
      options.tls_key_pem = text_of(argv[++i]);
    }
  }
  loop = mf_loop_create(&err);
  const mf_wire_handlers handlers = {.route = route, .secret = secret, .temporary = temporary};
  options.listen_fd = listen_anywhere();
  wire = mf_wire_create(loop, &options, &handlers, &err);
  mf_watch input = {.fd = STDIN_FILENO, .ready = on_input};
  if (!wire || !mf_loop_add(loop, &input, EPOLLIN, &err) || !mf_loop_run(loop, &err)) {
    fprintf(stderr, "%s\n", err.message);
    return 1;
  }
  mf_wire_destroy(wire);
  mf_loop_destroy(loop);
  return 0;
}
