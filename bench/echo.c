// An unsigned echo server on libmicrohttpd, driven as Mayfly's front drives it (external epoll, one thread): the yardstick for
// host.invocations_per_echo_request. Answers every POST with `bytes` bytes of its body (padded), so that sizes are the same.
//
//   echo PORT BYTES
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "http.h"

enum { MAX_BODY = 1 << 16 };
static size_t answer_bytes;

typedef struct request {
  size_t len;
  char body[MAX_BODY];
} request;

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **state) {
  (void)context, (void)url, (void)method, (void)version;
  request *r = *state;
  if (!r) {
    *state = r = malloc(sizeof *r);
    if (!r) return MHD_NO;
    r->len = 0;
    return MHD_YES;
  }
  if (*upload_size > 0) {
    size_t room = MAX_BODY - r->len, n = *upload_size < room ? *upload_size : room;
    memcpy(r->body + r->len, upload, n);
    r->len += n;
    *upload_size = 0;
    return MHD_YES;
  }
  memset(r->body + r->len, ' ', answer_bytes > r->len ? answer_bytes - r->len : 0);
  struct MHD_Response *response = MHD_create_response_from_buffer(answer_bytes, r->body, MHD_RESPMEM_MUST_COPY);
  MHD_add_response_header(response, "Content-Type", "application/json");
  enum MHD_Result result = MHD_queue_response(connection, 200, response);
  MHD_destroy_response(response);
  return result;
}

static void on_end(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why) {
  (void)context, (void)connection, (void)why;
  free(*state);
}

int main(int argc, char **argv) {
  if (argc != 3) return fprintf(stderr, "usage: echo PORT BYTES\n"), 2;
  answer_bytes = (size_t)atoi(argv[2]);
  if (answer_bytes > MAX_BODY) return fprintf(stderr, "echo: at most %d bytes\n", MAX_BODY), 2;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, NULL, MHD_OPTION_SOCK_ADDR, &address,
                                               MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL, MHD_OPTION_CONNECTION_LIMIT, 256u, MHD_OPTION_END);
  if (!daemon) die("echo: cannot listen");
  int fd = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  int outer = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN};
  epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event);
  for (;;) {
    MHD_UNSIGNED_LONG_LONG limit;
    int wait = MHD_get_timeout(daemon, &limit) == MHD_YES ? (int)limit : -1;
    if (epoll_wait(outer, &event, 1, wait) < 0 && errno != EINTR) die("echo: epoll_wait");
    MHD_run(daemon);
  }
}
