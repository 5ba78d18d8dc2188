// The n-th allocation of a server with the Lambda service fails, for every n until none does, while a client deploys, invokes, updates,
// lists and deletes: every request is answered or its connection closed, none hangs; what was acknowledged is there; nothing leaks or
// crashes; and afterwards everything works again. Store, HTTP server and service are real, invoking and compiling are doubles; jansson
// gets its memory here too. The client is a process of its own.
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
#include "services/lambda/lambda.h"

FAULT_WRAP_MEMORY

#define ACCESS_KEY "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
enum { LARGEST_TEXT = 8192, PATIENCE_S = 10, STILL_PENDING = 1, WRONG_SUMS = 299 };
// What a client is told to do: walk and wait for a function to become active, walk without much waiting, or clean up.
static const char patient = 'p', hasty = 'h', cleaning = 'c';

// ---- the client's side ----

enum step { CREATE, WAIT, INVOKE, LOG_TAIL, EVENT, EVENT_CONFIG, GET, DOWNLOAD, CONFIGURE, CODE, LIST, RESERVE, TAG, TAGS, UNTAG, PERMIT, POLICY, URL, URL_CALL, URLS, FORBID,
            ACCOUNT, OWN_LIST, PUBLISH, ALIAS, ALIASED, PROVISION, PROVISIONED, VERSIONS, DELETE, STEPS };
typedef struct report {
  int status[STEPS];  // 0: closed without an answer, -1: it hangs, STILL_PENDING, WRONG_SUMS
  bool waited;        // it was still pending, or an update under way, when the client went on
  char text[512];     // of the first answer that was not 2xx
} report;

typedef struct client {
  uint16_t port;
  char answer[1 << 16];
  report report;
} client;

// What every client checks: an answer whose body was cut off, for want of memory while it was sent, is none.
static bool is_whole(const char *answer, size_t len) {
  const char *body = strstr(answer, "\r\n\r\n"), *length = strstr(answer, "Content-Length: ");
  return body && (!length || length > body || len - (size_t)(body + 4 - answer) >= strtoul(length + strlen("Content-Length: "), NULL, 10));
}

static int exchange(client *c, const char *request, size_t len) {
  const struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(c->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  const struct timeval patience = {.tv_sec = PATIENCE_S};
  OWN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 || send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len) return 0;
  size_t got = 0;
  for (;;) {
    const ssize_t n = recv(fd, c->answer + got, sizeof c->answer - 1 - got, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return -1;
    if (n <= 0) break;
    got += (size_t)n;
  }
  c->answer[got] = '\0';
  return got > 12 && memcmp(c->answer, "HTTP/1.1 ", 9) == 0 && is_whole(c->answer, got) ? atoi(c->answer + 9) : 0;
}

static int ask(client *c, const char *method, const char *path, const char *query, const char *log_type, const char *body) {
  char host[40], date[20], text[LARGEST_TEXT];
  const time_t now = time(NULL);
  mf_error err;
  mf_arena arena;
  mf_str authorization;
  mf_arena_init(&arena, 0);
  snprintf(host, sizeof host, "127.0.0.1:%d", c->port);
  strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", gmtime(&now));
  const mf_header headers[] = {{"host", mf_str_from(host)}, {"x-amz-date", mf_str_from(date)}, {"x-amz-log-type", mf_str_from(log_type)}};
  mf_sigv4_request request = {.method = mf_str_from(method), .target = mf_str_from(path), .query = mf_str_from(query), .headers = headers,
                              .n_headers = 3};
  mf_sha256(body, strlen(body), request.payload_sha256);
  if (!mf_sigv4_sign(&request, MF_STR(ACCESS_KEY), MF_STR(SECRET), MF_STR("us-east-1"), MF_STR("lambda"), mf_str_from(date), &arena,
                     &authorization, &err))
    _exit(3);
  const int len = snprintf(text, sizeof text, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\nx-amz-date: %s\r\nx-amz-log-type: %s\r\nAuthorization: %.*s\r\nConnection: close\r\n"
                           "Content-Length: %zu\r\n\r\n%s", method, path, query[0] ? "?" : "", query, host, date, log_type,
                           MF_STR_ARG(authorization), strlen(body), body);
  mf_arena_deinit(&arena);
  return exchange(c, text, (size_t)len);
}

static void step(client *c, enum step which, int status) {
  c->report.status[which] = status;
  const char *body = strstr(c->answer, "\r\n\r\n");
  if (status / 100 != 2 && status != STILL_PENDING && !c->report.text[0]) snprintf(c->report.text, sizeof c->report.text, "%.*s", 500, status > 0 && body ? body + 4 : "no answer");
}

// What lacked memory is tried again after a second.
static int wait_until_active(client *c, char manner) {
  for (int i = 0; i < (manner == patient ? 1500 : 3); i++) {
    usleep(3000);
    const int status = ask(c, "GET", "/2015-03-31/functions/f/configuration", "", "None", "");
    if (status < 0 || status == 404) return status;
    if (status == 200 && !strstr(c->answer, "\"Pending\"") && !strstr(c->answer, "\"InProgress\"")) return 200;
  }
  return STILL_PENDING;
}

// The package, by the link in the answer of GetFunction.
static int download(client *c) {
  char text[LARGEST_TEXT], path[512] = "";
  const char *link = strstr(c->answer, "/_mayfly/packages/");
  if (!link || sscanf(link, "%511[^\"]", path) != 1) return 0;
  const int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n", path, c->port);
  return exchange(c, text, (size_t)len);
}

// A function URL by its path, unsigned. Without one there is nothing to be asked; without a permission it is forbidden.
static int call_url(client *c) {
  char text[LARGEST_TEXT], id[33] = "";
  const char *url = strstr(c->answer, "\"https://");
  if (c->report.status[URL] != 201 || !url || sscanf(url, "\"https://%32[a-z0-9].", id) != 1) return 200;
  const int len = snprintf(text, sizeof text, "POST /_url/%s/a?b=c HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nOrigin: http://o\r\nCookie: a=1\r\nConnection: close\r\n"
                           "Content-Length: 2\r\n\r\n{}", id, c->port);
  const int status = exchange(c, text, (size_t)len);
  if (status == 503 && strstr(c->answer, "Service Unavailable")) return 409;  // it is Pending, which other calls say so
  return status == 403 && c->report.status[PERMIT] != 201 ? 200 : status;
}

// The sums of the one function with its reservation, whatever failed before.
static int account(client *c) {
  const int status = ask(c, "GET", "/2016-08-19/account-settings", "", "None", "");
  if (status != 200) return status;
  const bool is_right = strstr(c->answer, "\"FunctionCount\":1}") && strstr(c->answer, "\"TotalCodeSize\":22,") &&
                        strstr(c->answer, "\"UnreservedConcurrentExecutions\":997}");
  return is_right ? 200 : WRONG_SUMS;
}

// For the version that was just published: numbers go on from walk to walk.
static int alias(client *c) {
  char body[64];
  int version = 1;
  const char *number = strstr(c->answer, "\"Version\":\"");
  if (number) sscanf(number, "\"Version\":\"%d", &version);
  snprintf(body, sizeof body, "{\"Name\":\"live\",\"FunctionVersion\":\"%d\"}", version);
  return ask(c, "POST", "/2015-03-31/functions/f/aliases", "", "None", body);
}

static void walk(client *c, char manner) {
#define FUNCTION "/2015-03-31/functions/f"
#define TAGS_OF_IT "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af"
  memset(&c->report, 0, sizeof c->report);
  if (manner == cleaning) {
    step(c, DELETE, ask(c, "DELETE", FUNCTION, "", "None", ""));
    return;
  }
  step(c, CREATE, ask(c, "POST", "/2015-03-31/functions", "", "None", "{\"FunctionName\":\"f\",\"Role\":\"arn:aws:iam::000000000000:role/r\","
       "\"Description\":\"a \\\"function\\\"\",\"Environment\":{\"Variables\":{\"AA\":\"1\"}},\"Tags\":{\"t\":\"u\"},\"Code\":{\"ZipFile\":\"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==\"}}"));
  step(c, WAIT, wait_until_active(c, manner));
  c->report.waited = c->report.status[WAIT] == STILL_PENDING;
  step(c, INVOKE, ask(c, "POST", FUNCTION "/invocations", "", "None", "{}"));
  step(c, LOG_TAIL, ask(c, "POST", FUNCTION "/invocations", "Qualifier=%24LATEST", "Tail", "{}"));
  step(c, EVENT, ask(c, "POST", "/2014-11-13/functions/f/invoke-async", "", "None", "{}"));
  step(c, EVENT_CONFIG, ask(c, "PUT", "/2019-09-25/functions/f/event-invoke-config", "", "None", "{\"MaximumRetryAttempts\":1}"));
  step(c, GET, ask(c, "GET", FUNCTION, "", "None", ""));
  step(c, DOWNLOAD, download(c));
  step(c, CONFIGURE, ask(c, "PUT", FUNCTION "/configuration", "", "None", "{\"Timeout\":9,\"Description\":\"other\"}"));
  c->report.waited |= wait_until_active(c, manner) == STILL_PENDING;
  step(c, CODE, ask(c, "PUT", FUNCTION "/code", "", "None", "{\"ZipFile\":\"UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==\"}"));
  c->report.waited |= wait_until_active(c, manner) == STILL_PENDING;
  step(c, LIST, ask(c, "GET", "/2015-03-31/functions", "MaxItems=10", "None", ""));
  step(c, RESERVE, ask(c, "PUT", "/2017-10-31/functions/f/concurrency", "", "None", "{\"ReservedConcurrentExecutions\":3}"));
  step(c, TAG, ask(c, "POST", TAGS_OF_IT, "", "None", "{\"Tags\":{\"team\":\"vision\"}}"));
  step(c, TAGS, ask(c, "GET", TAGS_OF_IT, "", "None", ""));
  step(c, UNTAG, ask(c, "DELETE", TAGS_OF_IT, "tagKeys=t&tagKeys=te%61m", "None", ""));
  step(c, PERMIT, ask(c, "POST", FUNCTION "/policy", "", "None", "{\"StatementId\":\"s\",\"Action\":\"lambda:InvokeFunctionUrl\",\"Principal\":\"*\","
       "\"FunctionUrlAuthType\":\"NONE\"}"));
  step(c, POLICY, ask(c, "GET", FUNCTION "/policy", "", "None", ""));
  step(c, URL, ask(c, "POST", "/2021-10-31/functions/f/url", "", "None", "{\"AuthType\":\"NONE\",\"Cors\":{\"AllowOrigins\":[\"*\"],\"ExposeHeaders\":[\"a\"]}}"));
  step(c, URL_CALL, call_url(c));
  step(c, URLS, ask(c, "GET", "/2021-10-31/functions/f/urls", "", "None", ""));
  step(c, FORBID, ask(c, "DELETE", FUNCTION "/policy/s", "", "None", ""));
  step(c, ACCOUNT, account(c));
  step(c, OWN_LIST, ask(c, "GET", "/_mayfly/functions", "", "None", ""));
  step(c, PUBLISH, ask(c, "POST", FUNCTION "/versions", "", "None", "{\"Description\":\"first\"}"));
  step(c, ALIAS, alias(c));
  step(c, ALIASED, ask(c, "POST", FUNCTION "/invocations", "Qualifier=live", "None", "{}"));
  step(c, PROVISION, ask(c, "PUT", "/2019-09-30/functions/f/provisioned-concurrency", "Qualifier=live", "None",
                         "{\"ProvisionedConcurrentExecutions\":2}"));
  step(c, PROVISIONED, ask(c, "GET", "/2019-09-30/functions/f/provisioned-concurrency", "Qualifier=live", "None", ""));
  step(c, VERSIONS, ask(c, "GET", FUNCTION "/versions", "MaxItems=10", "None", ""));
  step(c, DELETE, ask(c, "DELETE", FUNCTION, "", "None", ""));
}

// Told by a byte to walk, answers with a report.
static void run_client(uint16_t port, int orders, int reports) {
  static client c;
  char byte;
  c.port = port;
  while (read(orders, &byte, 1) == 1) {
    walk(&c, byte);
    if (write(reports, &c.report, sizeof c.report) != sizeof c.report) _exit(2);
  }
  _exit(0);
}

// ---- the server's side ----

typedef struct server {
  char directory[64];
  mf_loop *loop;
  mf_store *store;
  mf_events *events;
  mf_lambda *lambda;
  mf_wire *wire;
  mf_lambda_call *calls[16];  // invocations to be answered soon
  int n_calls;
  struct { void (*done)(void *data, const mf_lambda_compiled *result); void *data; mf_blob_id image; } jobs[16];
  int n_jobs;
  mf_timer soon;
  mf_watch reports;
  report report;
  pid_t client;
  int orders;
  int n_walks;
  bool reached;  // the n-th allocation was made
} server;

static void on_soon(mf_timer *timer) {
  server *s = timer->data;
  mf_error err;
  while (s->n_calls > 0) {
    mf_lambda_call *call = s->calls[--s->n_calls];
    call->response = (mf_slice){"{\"y\":1}", 7};
    call->done(call);
  }
  while (s->n_jobs > 0) {
    s->n_jobs--;
    const mf_lambda_compiled result = {.ok = true, .image = s->jobs[s->n_jobs].image, .image_bytes = 4, .arena_bytes = 4096,
                                       .memory_mb_needed = 128, .description = MF_STR("{}")};
    s->jobs[s->n_jobs].done(s->jobs[s->n_jobs].data, &result);
  }
  assert_true(mf_loop_timer_set(s->loop, timer, mf_now_ns() + MF_NS_PER_MS, &err));  // its place in the loop is its own
}

static void invoke(void *context, const mf_lambda_function *function, mf_lambda_call *call) {
  (void)function;
  server *s = context;
  assert_true(s->n_calls < 16);
  s->calls[s->n_calls++] = call;
}
static bool compile(void *context, const mf_blob_id *package, void (*done)(void *data, const mf_lambda_compiled *result), void *data,
                    mf_error *err) {
  (void)err;
  server *s = context;
  assert_true(s->n_jobs < 16);
  s->jobs[s->n_jobs].done = done;
  s->jobs[s->n_jobs].data = data;
  s->jobs[s->n_jobs++].image = *package;
  return true;
}
static void nothing(void *context, mf_lambda_call *call) { (void)context, (void)call; }
static void forget(void *context, mf_str key) { (void)context, (void)key; }
static bool provision(void *context, const mf_lambda_function *function, uint32_t n, mf_error *err) {
  (void)context, (void)function, (void)n, (void)err;
  return true;
}
static void provisioned(void *context, mf_str key, uint32_t *ready, bool *failed) {
  (void)context, (void)key;
  *ready = 0;
  *failed = false;
}
static void instances(void *context, mf_str key, uint32_t *idle, uint32_t *busy, uint32_t *queued) {
  (void)context, (void)key;
  *idle = *busy = *queued = 0;
}
static bool route(void *context, mf_http_request *request, mf_str service, mf_route_result *result) {
  mf_lambda *lambda = ((server *)context)->lambda;
  return mf_lambda_url_route(lambda, request, service, result) || mf_lambda_route(lambda, request, result);
}
static void log_text(void *context, mf_str region, mf_str group, mf_str text) {
  char key[MF_LOG_KEY_BYTES];
  mf_store_log(((server *)context)->store, mf_store_log_key(region, group, key), text);
}
static mf_key_verdict secret(void *context, mf_str access_key, mf_str session_token, mf_arena *arena, mf_str *out) {
  (void)context;
  (void)arena;
  *out = MF_STR(SECRET);
  return mf_str_is(access_key, ACCESS_KEY) && session_token.len == 0 ? MF_KEY_GOOD : MF_KEY_UNKNOWN;
}
static bool temporary(void *context, int *fd, mf_error *err) { return mf_store_temporary(((server *)context)->store, fd, err); }

static void on_report(mf_watch *watch, uint32_t events) {
  (void)events;
  server *s = watch->data;
  if (read(watch->fd, &s->report, sizeof s->report) != sizeof s->report) fail_msg("the client ended");
  mf_loop_stop(s->loop);
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
  strcpy(s->directory, "/dev/shm/mf-services-XXXXXX");  // memory: thousands of commits, and none of the disk's faults are of interest
  if (!mkdtemp(s->directory)) strcpy(s->directory, "/tmp/mf-services-XXXXXX");
  assert_true(s->directory[5] == 's' || mkdtemp(s->directory));
  mf_wire_options options = {.listen_fd = listen_anywhere(&port)};
  s->loop = mf_loop_create(&err);
  start_client(s, port);  // before there are threads
  s->store = mf_store_open(s->directory, s->loop, &err);
  const mf_events_options events = {.slots = 1};
  s->events = mf_events_create(s->store, s->loop, &events, &err);
  if (!s->events) fail_msg("%s", err.message);
  const mf_lambda_env env = {.store = s->store, .events = s->events, .loop = s->loop, .max_package_bytes = 1 << 20, .account_concurrency = 1000, .built = "test/1", .scheme = "http",
                             .invoke = invoke, .release = nothing, .cancel = nothing, .compile = compile, .forget = forget,
                             .log = log_text, .provision = provision, .provisioned = provisioned, .instances = instances, .context = s};
  s->lambda = mf_lambda_create(&env, &err);
  const mf_wire_handlers handlers = {.route = route, .secret = secret, .temporary = temporary, .context = s};
  s->wire = mf_wire_create(s->loop, &options, &handlers, &err);
  s->soon = (mf_timer){.fire = on_soon, .data = s};
  if (!s->store || !s->lambda || !s->wire || !mf_loop_timer_set(s->loop, &s->soon, 0, &err)) fail_msg("%s", err.message);
}

static void stop(server *s) {
  int status;
  char command[100];
  close(s->orders);
  assert_int_equal(waitpid(s->client, &status, 0), s->client);
  close(s->reports.fd);
  mf_lambda_flush(s->lambda);
  mf_events_stop(s->events);
  mf_events_flush(s->events);
  mf_wire_destroy(s->wire);
  mf_store_close(s->store);
  mf_lambda_destroy(s->lambda);
  mf_events_destroy(s->events);
  mf_loop_destroy(s->loop);
  snprintf(command, sizeof command, "rm -rf %s", s->directory);
  assert_int_equal(system(command), 0);
}

static const report *let_walk(server *s, char manner) {
  mf_error err;
  if (write(s->orders, &manner, 1) != 1) fail_msg("the client is gone");
  assert_true(mf_loop_run(s->loop, &err));
  return &s->report;
}

// ---- trials ----

static int problems;

static void complain(int n, const report *r, const char *what, int step) {
  problems++;
  print_error("allocation %d: request %d %s: status %d: %s\n", n, step, what, r->status[step], r->text);
}

static void check_walk(int n, const report *r, int *closed, int *refused) {
  const bool made = r->status[CREATE] == 201;
  bool server_error = false;
  for (int i = 0; i < STEPS; i++) {
    if (r->status[i] < 0) complain(n, r, "hangs", i);
    *closed += r->status[i] == 0;
    server_error |= r->status[i] >= 500;
    // 4xx says that the client did something wrong. It did not, unless there is no function because it could not be made, or it waits.
    const bool no_policy = (i == POLICY || i == FORBID) && r->status[PERMIT] != 201;
    const bool lacks = !made || no_policy || (i > PUBLISH && i < VERSIONS && r->status[PUBLISH] != 201) ||
                       (i > ALIAS && i < VERSIONS && r->status[ALIAS] != 201) || (i == PROVISIONED && r->status[PROVISION] != 202);
    const bool may_be = i != CREATE && ((r->status[i] == 404 && lacks) || (r->status[i] == 409 && (r->waited)));
    if (r->status[i] >= 400 && r->status[i] < 500 && !may_be) complain(n, r, "is called wrong", i);
  }
  if (made && r->status[WAIT] == 404) complain(n, r, "finds no function although it was acknowledged", WAIT);
  if (server_error && !strstr(r->text, "emory")) complain(n, r, "does not say that there is no memory", 0);
  *refused += server_error;
}

static void check_whole(int n, const report *r) {
  static const int expected[STEPS] = {[CREATE] = 201, [WAIT] = 200, [INVOKE] = 200, [LOG_TAIL] = 200, [EVENT] = 202, [EVENT_CONFIG] = 200, [GET] = 200, [DOWNLOAD] = 200, [CONFIGURE] = 200, [CODE] = 200,
                                      [LIST] = 200, [RESERVE] = 200, [TAG] = 204, [TAGS] = 200, [UNTAG] = 204, [PERMIT] = 201, [POLICY] = 200, [URL] = 201,
                                      [URL_CALL] = 200, [URLS] = 200, [FORBID] = 204, [ACCOUNT] = 200, [OWN_LIST] = 200,
                                      [PUBLISH] = 201, [ALIAS] = 201, [ALIASED] = 200, [PROVISION] = 202, [PROVISIONED] = 200, [VERSIONS] = 200,
                                      [DELETE] = 204};
  for (int i = 0; i < STEPS; i++)
    if (r->status[i] != expected[i]) fail_msg("after allocation %d: request %d: status %d: %s", n, i, r->status[i], r->text);
}

// The walk with the fault, and now and then a whole one afterwards.
static report try_walk(server *s, int n, char manner) {
  faults_begin(true, 0, n);
  const report got = *let_walk(s, manner);
  s->reached = faults_end();
  if (got.status[DELETE] != 204) let_walk(s, cleaning);
  if (++s->n_walks % 10 == 0 || !s->reached || manner == patient) check_whole(n, let_walk(s, patient));
  return got;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  static server s;
  const int stride = faults_stride(5, 11), first = faults_first(stride);  // of some 9,000
  int closed = 0, refused = 0, n = first, n_patient = 0;
  start(&s);
  atomic_store(&faults->only_in, getpid());
  check_whole(0, let_walk(&s, patient));
  do {
    const report got = try_walk(&s, n, hasty);
    check_walk(n, &got, &closed, &refused);
    if (got.waited && n_patient < 4) {  // it does go on by itself
      n_patient++;
      if (try_walk(&s, n, patient).waited) fail_msg("allocation %d: a deployment stands still", n);
    }
    n += stride;
  } while (s.reached && n < 20000);
  print_message("each %d. allocation from %d to %d: %d walks with refusals, %d requests closed\n", stride, first, n, refused, closed);
  assert_false(s.reached);
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
