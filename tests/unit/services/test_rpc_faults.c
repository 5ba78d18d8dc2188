// The n-th allocation of a server with IAM, STS and CloudWatch Logs fails, for every n until none does, while a client makes, reads,
// changes and deletes: every request is answered or its connection closed, an answer that is no refusal is whole, nothing leaks or
// crashes, and afterwards everything works again. Store, HTTP server and services are real. The client is a process of its own.
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <cmocka.h>
#include <jansson.h>

#include "../faults.h"
#include "services/iam/iam.h"
#include "services/logs/logs.h"
#include "services/sts/sts.h"

FAULT_WRAP_MEMORY

#define ACCESS_KEY "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define DOCUMENT \
  "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22s3%3" \
  "A%2A%22%2C%22Resource%22%3A%22%2A%22%7D%7D"
#define TRUST \
  "%7B%22Statement%22%3A%7B%22Effect%22%3A%22Allow%22%2C%22Action%22%3A%22sts%3AAssumeRole%22%2C%22Principal%22%3" \
  "A%7B%22AWS%22%3A%22%2A%22%7D%7D%7D"
#define POLICY "arn%3Aaws%3Aiam%3A%3A000000000000%3Apolicy%2Fp"
#define GROUP "\"logGroupName\":\"/aws/lambda/f\""
enum { LARGEST_TEXT = 4096, PATIENCE_S = 10, INCOMPLETE = 299 };

// In this order. `holds`: what a whole answer has.
static const struct {
  const char *service, *operation, *body, *holds;
} requests[] = {
    {"iam", "CreateRole", "&RoleName=r&AssumeRolePolicyDocument=" TRUST "&Tags.member.1.Key=k&Tags.member.1.Value=v", TRUST},
    {"iam", "PutRolePolicy", "&RoleName=r&PolicyName=own&PolicyDocument=" DOCUMENT, "RequestId"},
    {"iam", "CreatePolicy", "&PolicyName=p&PolicyDocument=" DOCUMENT, "policy/p"},
    {"iam", "AttachRolePolicy", "&RoleName=r&PolicyArn=" POLICY, "RequestId"},
    {"iam", "CreatePolicyVersion", "&PolicyArn=" POLICY "&SetAsDefault=true&PolicyDocument=" DOCUMENT, "v2"},
    {"iam", "GetRole", "&RoleName=r", TRUST},
    {"iam", "ListRoles", "&MaxItems=10", "<RoleName>r</RoleName>"},
    {"iam", "GetRolePolicy", "&RoleName=r&PolicyName=own", DOCUMENT},
    {"iam", "ListAttachedRolePolicies", "&RoleName=r", "<PolicyName>p</PolicyName>"},
    {"iam", "ListPolicyVersions", "&PolicyArn=" POLICY, "<VersionId>v1</VersionId>"},
    {"iam", "TagRole", "&RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=w", "RequestId"},
    {"iam", "ListRoleTags", "&RoleName=r", "<Value>w</Value>"},
    {"sts", "GetCallerIdentity", "", ":root"},
    {"sts", "AssumeRole", "&RoleArn=arn%3Aaws%3Aiam%3A%3A000000000000%3Arole%2Fr&RoleSessionName=me", "assumed-role/r/me"},
    {"logs", "DescribeLogGroups", "{}", "/aws/lambda/f"},
    {"logs", "TagLogGroup", "{" GROUP ",\"tags\":{\"a\":\"b\"}}", ""},
    {"logs", "ListTagsLogGroup", "{" GROUP "}", "\"b\""},
    {"logs", "PutRetentionPolicy", "{" GROUP ",\"retentionInDays\":1}", ""},
    {"logs", "DescribeLogStreams", "{" GROUP "}", "[$LATEST]"},
    {"logs", "FilterLogEvents", "{" GROUP ",\"filterPattern\":\"second -\\\"third\\\"\"}", "the second line"},
    {"logs", "DeleteLogGroup", "{" GROUP "}", ""},
    {"iam", "DetachRolePolicy", "&RoleName=r&PolicyArn=" POLICY, "RequestId"},
    {"iam", "DeletePolicyVersion", "&PolicyArn=" POLICY "&VersionId=v1", "RequestId"},
    {"iam", "DeletePolicy", "&PolicyArn=" POLICY, "RequestId"},
    {"iam", "DeleteRolePolicy", "&RoleName=r&PolicyName=own", "RequestId"},
    {"iam", "DeleteRole", "&RoleName=r", "RequestId"},
};
enum { REQUESTS = MF_COUNT(requests), FIRST_DELETION = REQUESTS - 6 };

typedef struct report {
  int status[REQUESTS];  // 0: closed without an answer, -1: it hangs, INCOMPLETE
  char text[256];        // of the first answer that was not 2xx
} report;

// ---- the client's side ----
static int exchange(uint16_t port, const char *request, size_t len, char *answer, size_t capacity) {
  const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const struct timeval patience = {.tv_sec = PATIENCE_S};
  OWN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 || send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len) return 0;
  size_t got = 0;
  for (;;) {
    const ssize_t n = recv(fd, answer + got, capacity - 1 - got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return -1;
    if (n <= 0) break;
    got += (size_t)n;
  }
  answer[got] = '\0';
  return got > 12 && memcmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : 0;
}

static int ask(uint16_t port, size_t which, char *answer, size_t capacity) {
  char host[40], date[20], target[80], body[1024], text[LARGEST_TEXT];
  const time_t now = time(NULL);
  const bool is_json = strcmp(requests[which].service, "logs") == 0;
  mf_error err;
  mf_arena arena;
  mf_str authorization;
  mf_arena_init(&arena, 0);
  snprintf(host, sizeof host, "127.0.0.1:%d", port);
  strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", gmtime(&now));
  snprintf(target, sizeof target, "Logs_20140328.%s", requests[which].operation);
  const char *version = strcmp(requests[which].service, "sts") == 0 ? "2011-06-15" : "2010-05-08";
  if (is_json) snprintf(body, sizeof body, "%s", requests[which].body);
  else snprintf(body, sizeof body, "Action=%s&Version=%s%s", requests[which].operation, version, requests[which].body);
  const mf_header headers[] = {{"host", mf_str_from(host)}, {"x-amz-date", mf_str_from(date)}, {"x-amz-target", mf_str_from(target)}};
  mf_sigv4_request request = {.method = MF_STR("POST"), .target = MF_STR("/"), .query = MF_STR(""), .headers = headers, .n_headers = 3};
  mf_sha256(body, strlen(body), request.payload_sha256);
  if (!mf_sigv4_sign(&request, MF_STR(ACCESS_KEY), MF_STR(SECRET), MF_STR("us-east-1"), mf_str_from(requests[which].service), mf_str_from(date), &arena,
                     &authorization, &err))
    _exit(3);
  const int len = snprintf(text, sizeof text, "POST / HTTP/1.1\r\nHost: %s\r\nx-amz-date: %s\r\nx-amz-target: %s\r\nAuthorization: %.*s\r\nConnection: close\r\n"
                           "Content-Length: %zu\r\n\r\n%s", host, date, target, MF_STR_ARG(authorization), strlen(body), body);
  mf_arena_deinit(&arena);
  return exchange(port, text, (size_t)len, answer, capacity);
}

// 'w': all of it, 'c': what deletes.
static void run_client(uint16_t port, int orders, int reports) {
  static char answer[1 << 16];
  char order;
  while (read(orders, &order, 1) == 1) {
    report r = {0};
    for (size_t i = order == 'c' ? FIRST_DELETION : 0; i < REQUESTS; i++) {
      answer[0] = 0;
      const int status = ask(port, i, answer, sizeof answer);
      r.status[i] = status == 200 && !strstr(answer, requests[i].holds) ? INCOMPLETE : status;
      const char *body = strstr(answer, "\r\n\r\n");
      if (r.status[i] != 200 && !r.text[0]) snprintf(r.text, sizeof r.text, "%.*s", 250, body ? body + 4 : "no answer");
    }
    if (write(reports, &r, sizeof r) != sizeof r) _exit(2);
  }
  _exit(0);
}

// ---- the server's side ----
typedef struct server {
  char directory[64];
  mf_loop *loop;
  mf_store *store;
  mf_iam *iam;
  mf_sts *sts;
  mf_logs *logs;
  mf_wire *wire;
  mf_watch reports;
  mf_timer soon;
  report report;
  pid_t client;
  int orders, n_walks;
} server;

static bool route(void *context, mf_http_request *request, mf_str service, mf_route_result *result) {
  server *s = context;
  (void)request;
  if (mf_str_is(service, "iam")) mf_iam_route(s->iam, result);
  else if (mf_str_is(service, "sts")) mf_sts_route(s->sts, result);
  else mf_logs_route(s->logs, result);
  return true;
}
static mf_key_verdict secret(void *context, mf_str access_key, mf_str session_token, mf_arena *arena, mf_str *out) {
  (void)context, (void)arena;
  *out = MF_STR(SECRET);
  return mf_str_is(access_key, ACCESS_KEY) && session_token.len == 0 ? MF_KEY_GOOD : MF_KEY_UNKNOWN;
}
static bool temporary(void *context, int *fd, mf_error *err) { return mf_store_temporary(((server *)context)->store, fd, err); }
static bool find_role(void *context, mf_str name, mf_arena *arena, mf_sts_role *out, bool *found, mf_error *err) {
  mf_iam_role role;
  if (!mf_iam_find_role(((server *)context)->iam, name, arena, &role, found, err)) return false;
  if (!*found) return true;
  *out = (mf_sts_role){.max_session_s = role.max_session_s};
  snprintf(out->arn, sizeof out->arn, "%.*s", MF_STR_ARG(role.arn));
  snprintf(out->id, sizeof out->id, "%.*s", MF_STR_ARG(role.id));
  snprintf(out->name, sizeof out->name, "%.*s", MF_STR_ARG(role.name));
  return true;
}
static void issue(void *context, const mf_principal *by, const mf_sts_session *session, int64_t expires_s, mf_sts_credentials *out) {
  (void)context, (void)by, (void)session, (void)expires_s;
  *out = (mf_sts_credentials){"ASIA", "secret", "token"};
}
static bool session(void *context, const mf_principal *principal, mf_arena *arena, mf_sts_session *out) {
  (void)context, (void)principal, (void)arena, (void)out;
  return false;
}

static void on_report(mf_watch *watch, uint32_t events) {
  (void)events;
  server *s = watch->data;
  if (read(watch->fd, &s->report, sizeof s->report) != sizeof s->report) fail_msg("the client ended");
  mf_loop_stop(s->loop);
}

static void on_soon(mf_timer *timer) {  // its place in the loop's heap is its own: timers of a kind that have theirs can always be set
  mf_error err;
  assert_true(mf_loop_timer_set(((server *)timer->data)->loop, timer, mf_now_ns() + 20 * MF_NS_PER_MS, &err));
}

static int listen_anywhere(uint16_t *port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof address;
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  assert_true(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
  getsockname(fd, (struct sockaddr *)&address, &len);
  *port = ntohs(address.sin_port);
  return fd;
}

static void start_client(server *s, uint16_t port) {
  int orders[2], reports[2];
  mf_error err;
  assert_true(pipe(orders) == 0 && pipe(reports) == 0);
  fflush(NULL);
  s->client = fork();
  if (s->client == 0) {
    close(orders[1]);
    run_client(port, orders[0], reports[1]);
  }
  close(orders[0]);
  close(reports[1]);
  s->orders = orders[1];
  s->reports = (mf_watch){.fd = reports[0], .ready = on_report, .data = s};
  assert_true(mf_loop_add(s->loop, &s->reports, EPOLLIN, &err));
}

static void start(server *s) {
  mf_error err = {0};
  uint16_t port;
  strcpy(s->directory, "/dev/shm/mf-rpc-XXXXXX");
  if (!mkdtemp(s->directory)) strcpy(s->directory, "/tmp/mf-rpc-XXXXXX");
  assert_true(s->directory[5] == 's' || mkdtemp(s->directory));
  const mf_wire_options options = {.listen_fd = listen_anywhere(&port)};
  s->loop = mf_loop_create(&err);
  start_client(s, port);  // before there are threads
  const mf_sts_env env = {.find_role = find_role, .issue = issue, .session = session, .context = s};
  const mf_wire_handlers handlers = {.route = route, .secret = secret, .temporary = temporary, .context = s};
  s->soon = (mf_timer){.fire = on_soon, .data = s};
  if (!mf_json_watch(&err) || !(s->store = mf_store_open(s->directory, s->loop, &err)) || !(s->iam = mf_iam_create(s->store, &err)) ||
      !(s->sts = mf_sts_create(&env, &err)) || !(s->logs = mf_logs_create(s->store, &err)) ||
      !(s->wire = mf_wire_create(s->loop, &options, &handlers, &err)) || !mf_loop_timer_set(s->loop, &s->soon, 0, &err))
    fail_msg("%s", err.message);
}

static void stop(server *s) {
  int status;
  char command[100];
  close(s->orders);
  assert_int_equal(waitpid(s->client, &status, 0), s->client);
  close(s->reports.fd);
  mf_wire_destroy(s->wire);
  mf_store_close(s->store);
  mf_logs_destroy(s->logs);
  mf_sts_destroy(s->sts);
  mf_iam_destroy(s->iam);
  mf_loop_destroy(s->loop);
  snprintf(command, sizeof command, "rm -rf %s", s->directory);
  assert_int_equal(system(command), 0);
}

static const report *let_walk(server *s, char order) {
  mf_error err;
  mf_logs_write(s->logs, MF_STR("us-east-1"), MF_STR("/aws/lambda/f"), MF_STR("the first line\nthe second line\nthe second and third\n"));
  if (write(s->orders, &order, 1) != 1) fail_msg("the client is gone");
  assert_true(mf_loop_run(s->loop, &err));
  return &s->report;
}

static int problems;

// What follows a refusal may be refused in turn, since something is not there or is still there; and the group's row may be what lacked
// memory, before the first request.
static void check_walk(int n, const report *r, int *refused) {
  bool was_refused = false;
  for (size_t i = 0; i < REQUESTS; i++) {
    const int status = r->status[i];
    const bool is_excused = was_refused || strcmp(requests[i].service, "logs") == 0;
    const bool is_wrong = status < 0 || (!is_excused && ((status >= 400 && status < 500) || status == INCOMPLETE));
    if (is_wrong) print_error("allocation %d: %s: status %d: %s\n", n, requests[i].operation, status, r->text);
    problems += is_wrong;
    was_refused |= status == 0 || status >= 500;
  }
  *refused += was_refused;
}

static void check_whole(int n, const report *r) {
  for (size_t i = 0; i < REQUESTS; i++)
    if (r->status[i] != 200) fail_msg("after allocation %d: %s: status %d: %s", n, requests[i].operation, r->status[i], r->text);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  static server s;
  const int stride = faults_stride(3, 7), first = faults_first(stride);
  int refused = 0, n = first;
  bool reached = true;
  start(&s);
  atomic_store(&faults->only_in, getpid());
  check_whole(0, let_walk(&s, 'w'));
  for (; reached && n < 20000; n += stride) {
    faults_begin(true, 0, n);
    const report got = *let_walk(&s, 'w');
    reached = faults_end();
    check_walk(n, &got, &refused);
    for (int i = 0; i < 2; i++) let_walk(&s, 'c');  // a version more than one keeps its policy for a round
    if (++s.n_walks % 10 == 0 || !reached) check_whole(n, let_walk(&s, 'w'));
  }
  print_message("each %d. allocation from %d to %d: %d walks with refusals\n", stride, first, n, refused);
  assert_false(reached);
  assert_int_equal(problems, 0);
  assert_true(refused > 20);
  stop(&s);
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
