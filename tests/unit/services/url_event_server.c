// Answers every request with the event that it would become at a function URL, for test_url_event.py. Ends with its standard input.
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "services/lambda/url_event.h"

static mf_loop *loop;

static void handle(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)context;
  int fd;
  uint64_t len;
  const mf_url_event event = {.http = http, .id = MF_STR("0123456789abcdefghijklmnopqrstuv"), .region = MF_STR("eu-west-1"),
                              .path = mf_request_target(http), .access_key = principal ? principal->access_key : MF_STR(""),
                              .scheme = "http"};
  const mf_slice body = mf_request_body(http, &fd, &len);
  const bool as_text = mf_url_event_is_text(mf_request_header(http, "content-type")) && mf_str_is_utf8((mf_str){body.data, body.len});
  mf_buf out = {.arena = mf_request_arena(http)};
  mf_url_event_head(&out, &event);
  const size_t head = out.len;
  mf_url_event_tail(&out, body, as_text);
  if (out.failed || (body.len > 0 && out.len - head != mf_url_event_tail_bytes(body, as_text))) abort();
  mf_respond(http, 200, NULL, 0, (mf_slice){out.data, out.len}, NULL, NULL);
}

static bool route(void *context, mf_http_request *http, mf_str service, mf_route_result *result) {
  (void)context;
  (void)http;
  *result = (mf_route_result){.handle = handle, .max_body_bytes = 1 << 20, .anonymous = service.len == 0};
  return true;
}

static mf_key_verdict secret(void *context, mf_str access_key, mf_str session_token, mf_arena *arena, mf_str *out) {
  (void)context;
  (void)session_token;
  (void)arena;
  *out = MF_STR("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
  return mf_str_is(access_key, "AKIDEXAMPLE") ? MF_KEY_GOOD : MF_KEY_UNKNOWN;
}

static bool temporary(void *context, int *fd, mf_error *err) {
  (void)context;
  *fd = memfd_create("body", MFD_CLOEXEC);
  return *fd >= 0 || mf_fail_errno(err, "memfd_create");
}

static void on_input(mf_watch *watch, uint32_t events) {
  (void)watch;
  (void)events;
  mf_loop_stop(loop);
}

static int listen_anywhere(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0 || listen(fd, 16) != 0) exit(1);
  getsockname(fd, (struct sockaddr *)&address, &len);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);
  return fd;
}

int main(void) {
  mf_error err;
  loop = mf_loop_create(&err);
  const mf_wire_options options = {.listen_fd = listen_anywhere()};
  const mf_wire_handlers handlers = {.route = route, .secret = secret, .temporary = temporary};
  mf_wire *wire = mf_wire_create(loop, &options, &handlers, &err);
  mf_watch input = {.fd = STDIN_FILENO, .ready = on_input};
  if (!wire || !mf_loop_add(loop, &input, EPOLLIN, &err) || !mf_loop_run(loop, &err)) return 1;
  mf_wire_destroy(wire);
  mf_loop_destroy(loop);
  return 0;
}
