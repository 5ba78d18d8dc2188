// Load client: sends requests that were written to a file beforehand over kept-alive connections, one at a time on each, and reports
// throughput and latency as one JSON line. Small and in C, so that the client costs little of what is measured.
//
//   load PORT CONNECTIONS SECONDS COUNT FILE     ends after SECONDS or COUNT answers, whichever is first (0: no limit)
//   load burst PORT COUNT FILE                   COUNT connections send one request each at the same moment; prints every latency
//   load pairs PORT COUNT WAIT_MS FILE           COUNT times on a connection that stands: a call, a call at once, then WAIT_MS of nothing;
//                                                prints every latency of first calls, cold ones (cold_us) and others (paused_us), and of
//                                                second calls that were warm
//
// FILE: for each request u32 length (little-endian) and the raw bytes; they are sent in order, round and round. Answers must carry
// Content-Length. The headers x-mayfly-plan-ns and x-mayfly-init-ns (a cold start), where there are any, are collected as well.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "http.h"

enum { MAX_ANSWER = 1 << 20, MAX_CONNECTIONS = 4096, SETTLE_US = 20 * 1000 };

typedef struct connection {
  int fd;
  size_t got;
  int64_t sent_ns, took_ns;
  bool cold;
  char *answer;
} connection;

static struct {
  const char **requests;
  uint32_t *lengths;
  size_t n, next;
} script;

static struct {
  int64_t *latency_ns, *plan_ns;
  size_t n, n_plans, capacity, failed;
  int first_bad_status;
} seen;

static int64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void read_script(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY);
  if (fd < 0 || fstat(fd, &st) != 0) die(path);
  char *bytes = malloc((size_t)st.st_size);
  for (size_t at = 0; at < (size_t)st.st_size;) {
    ssize_t n = read(fd, bytes + at, (size_t)st.st_size - at);
    if (n <= 0) die(path);
    at += (size_t)n;
  }
  close(fd);
  size_t capacity = (size_t)st.st_size / 64 + 1;
  script.requests = malloc(capacity * sizeof *script.requests);
  script.lengths = malloc(capacity * sizeof *script.lengths);
  for (size_t at = 0; at + 4 <= (size_t)st.st_size && script.n < capacity; script.n++) {
    memcpy(&script.lengths[script.n], bytes + at, 4);
    script.requests[script.n] = bytes + at + 4;
    at += 4 + script.lengths[script.n];
  }
  if (script.n == 0) die("load: no requests");
}

static void send_next(connection *c) {
  size_t which = script.next++ % script.n;
  c->got = 0;
  c->sent_ns = now_ns();
  const char *p = script.requests[which];
  for (size_t left = script.lengths[which]; left > 0;) {
    ssize_t n = send(c->fd, p, left, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) die("load: send");
    p += n;
    left -= (size_t)n;
  }
}

static const char *header(const connection *c, const char *end, const char *name) {
  for (const char *line = memchr(c->answer, '\n', (size_t)(end - c->answer)); line && line < end; line = memchr(line, '\n', (size_t)(end - line))) {
    line++;
    if (strncasecmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':') return line + strlen(name) + 1;
  }
  return NULL;
}

static void make_room(size_t capacity) {
  seen.capacity = capacity;
  seen.latency_ns = realloc(seen.latency_ns, capacity * sizeof(int64_t));
  seen.plan_ns = realloc(seen.plan_ns, capacity * sizeof(int64_t));
  if (!seen.latency_ns || !seen.plan_ns) die("load");
  memset(seen.latency_ns + seen.n, 0, (capacity - seen.n) * sizeof(int64_t));  // touched now and not while an answer is timed
  memset(seen.plan_ns + seen.n_plans, 0, (capacity - seen.n_plans) * sizeof(int64_t));
}

static void note(connection *c, const char *body) {
  int status = atoi(c->answer + 9);
  if (status / 100 != 2 || header(c, body, "x-amz-function-error")) {
    if (seen.failed++ == 0) seen.first_bad_status = status;
  }
  if (seen.n == seen.capacity) make_room(seen.capacity * 2);
  const char *plan = header(c, body, "x-mayfly-plan-ns");
  if (plan) seen.plan_ns[seen.n_plans++] = atoll(plan);
  c->cold = header(c, body, "x-mayfly-init-ns") != NULL;
  seen.latency_ns[seen.n++] = c->took_ns;
}

// Reads what there is; true: a whole answer has arrived.
static bool receive(connection *c) {
  ssize_t n = recv(c->fd, c->answer + c->got, MAX_ANSWER - c->got - 1, MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (n <= 0) die("load: the server closed a connection");
  c->got += (size_t)n;
  c->answer[c->got] = 0;
  char *end = strstr(c->answer, "\r\n\r\n");
  if (!end) return false;
  const char *length = header(c, end + 2, "content-length");
  if (!length) die("load: an answer without Content-Length");
  if (c->got < (size_t)(end + 4 - c->answer) + (size_t)atoll(length)) return false;
  c->took_ns = now_ns() - c->sent_ns;
  note(c, end + 2);
  return true;
}

static int compare(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static double percentile_us(int64_t *sorted, size_t n, double p) {
  if (n == 0) return 0;
  size_t at = (size_t)(p * (double)(n - 1));
  return (double)sorted[at] / 1000;
}

static void print(int64_t took_ns) {
  qsort(seen.latency_ns, seen.n, sizeof(int64_t), compare);
  qsort(seen.plan_ns, seen.n_plans, sizeof(int64_t), compare);
  printf("{\"answers\": %zu, \"failed\": %zu, \"first_bad_status\": %d, \"seconds\": %.3f, \"per_second\": %.1f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
         "\"plans\": %zu, \"plan_p50_us\": %.3f}\n",
         seen.n, seen.failed, seen.first_bad_status, (double)took_ns / 1e9, (double)seen.n / ((double)took_ns / 1e9),
         percentile_us(seen.latency_ns, seen.n, 0.5), percentile_us(seen.latency_ns, seen.n, 0.99), seen.n_plans,
         percentile_us(seen.plan_ns, seen.n_plans, 0.5));
}

static void open_connection(connection *c, uint16_t port, int epoll_fd) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int one = 1;
  c->fd = socket(AF_INET, SOCK_STREAM, 0);
  c->answer = malloc(MAX_ANSWER);
  if (c->answer) memset(c->answer, 0, 1 << 14);  // touched now, as above
  if (c->fd < 0 || !c->answer || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0) die("load: connect");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

static connection connections[MAX_CONNECTIONS];

static void print_list(const char *name, const int64_t *ns, size_t n) {
  printf("\"%s\": [", name);
  for (size_t i = 0; i < n; i++) printf("%s%.2f", i ? ", " : "", (double)ns[i] / 1000);
  printf("]");
}

static void call(connection *c) {
  send_next(c);
  while (!receive(c)) {
    struct pollfd readable = {.fd = c->fd, .events = POLLIN};
    if (poll(&readable, 1, 60000) == 0) die("load: no answer within 60 s");
  }
}

static int pairs(uint16_t port, size_t count, int wait_ms, const char *file) {
  enum { COLD, PAUSED, WARM, KINDS };
  static const char *const names[KINDS] = {"cold_us", "paused_us", "warm_us"};
  int64_t *took[KINDS];
  size_t n[KINDS] = {0};
  for (int kind = 0; kind < KINDS; kind++)
    if (!(took[kind] = calloc(count, sizeof(int64_t)))) die("load");
  read_script(file);
  make_room(1 << 12);
  open_connection(&connections[0], port, epoll_create1(EPOLL_CLOEXEC));
  usleep(SETTLE_US);
  for (size_t i = 0; i < count; i++) {
    call(&connections[0]);
    const int first = connections[0].cold ? COLD : PAUSED;
    took[first][n[first]++] = connections[0].took_ns;
    call(&connections[0]);
    if (!connections[0].cold) took[WARM][n[WARM]++] = connections[0].took_ns;
    usleep((useconds_t)wait_ms * 1000);
  }
  printf("{\"failed\": %zu", seen.failed);
  for (int kind = 0; kind < KINDS; kind++) {
    printf(", ");
    print_list(names[kind], took[kind], n[kind]);
  }
  printf("}\n");
  return seen.failed > 0;
}

static int burst(uint16_t port, int count, const char *file) {
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  read_script(file);
  make_room(1 << 12);
  for (int i = 0; i < count; i++) open_connection(&connections[i], port, epoll_fd);
  for (int i = 0; i < count; i++) send_next(&connections[i]);
  while (seen.n < (size_t)count) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll_fd, events, 64, 60000);
    if (ready == 0) die("load: no answer within 60 s");
    for (int i = 0; i < ready; i++) receive(events[i].data.ptr);
  }
  printf("{\"failed\": %zu, ", seen.failed);
  print_list("latency_us", seen.latency_ns, seen.n);
  printf("}\n");
  return seen.failed > 0;
}

static int stream(uint16_t port, int n, double seconds, size_t count, const char *file) {
  int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  read_script(file);
  make_room(1 << 16);
  for (int i = 0; i < n; i++) open_connection(&connections[i], port, epoll_fd);
  int64_t start = now_ns(), end = seconds > 0 ? start + (int64_t)(seconds * 1e9) : INT64_MAX;
  for (int i = 0; i < n; i++) send_next(&connections[i]);
  while (now_ns() < end && (count == 0 || seen.n < count)) {
    struct epoll_event events[64];
    int ready = epoll_wait(epoll_fd, events, 64, 1000);
    for (int i = 0; i < ready; i++)
      if (receive(events[i].data.ptr)) send_next(events[i].data.ptr);
  }
  print(now_ns() - start);
  return seen.failed > 0;
}

static int connections_from(const char *text) {
  int n = atoi(text);
  if (n >= 1 && n <= MAX_CONNECTIONS) return n;
  fprintf(stderr, "load: 1 to %d connections\n", MAX_CONNECTIONS);
  exit(2);
}

int main(int argc, char **argv) {
  if (argc == 5 && strcmp(argv[1], "burst") == 0) return burst((uint16_t)atoi(argv[2]), connections_from(argv[3]), argv[4]);
  if (argc == 6 && strcmp(argv[1], "pairs") == 0) return pairs((uint16_t)atoi(argv[2]), (size_t)atoll(argv[3]), atoi(argv[4]), argv[5]);
  if (argc == 6) return stream((uint16_t)atoi(argv[1]), connections_from(argv[2]), atof(argv[3]), (size_t)atoll(argv[4]), argv[5]);
  return fprintf(stderr, "usage: load PORT CONNECTIONS SECONDS COUNT FILE | burst PORT COUNT FILE | pairs PORT COUNT WAIT_MS FILE\n"), 2;
}
