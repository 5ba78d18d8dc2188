// In the place of libmicrohttpd: the functions that wire calls, for one connection and one request
// at a time, which come from memory. What wire gets to see, and when, is as libmicrohttpd 0.9.75
// does it: line and headers, pieces of the body, the end, and again until there is an answer; a
// request that waits is suspended and resumed.
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "front_world.h"
#include "wire/canonical.h"
#include "wire/server.h"

enum { PIECE_BYTES = 16 * 1024 };

struct MHD_Response {
  mf_slice body;
  mf_header headers[WORLD_HEADERS];
  uint32_t n_headers;
};

struct MHD_Connection {
  int fd, peer;
  bool open, suspended;
  void *socket_context;
  union MHD_ConnectionInfo info;
  struct sockaddr_in address;
};

typedef enum stage { STAGE_LINE, STAGE_BODY, STAGE_END, STAGE_OVER } stage;

struct MHD_Daemon {
  mf_wire *wire;
  MHD_AccessHandlerCallback on_access;
  void *(*on_uri)(void *context, const char *uri, struct MHD_Connection *connection);
  MHD_RequestCompletedCallback on_completed;
  MHD_NotifyConnectionCallback on_connection;
  int listen_fd, epoll_fd;
  struct MHD_Connection connection;
  union MHD_DaemonInfo info;
  // the exchange under way
  const world_request *request;
  world_answer *answer;
  mf_arena *arena;
  char *line, *uri;  // "METHOD\0URI\0HTTP/1.1\0", as libmicrohttpd cuts it
  void *context;
  size_t sent;
  stage stage;
  bool queued;
};

static struct MHD_Daemon *the_daemon;

// ---- connections ----
static void connect_peer(struct MHD_Daemon *d) {
  int ends[2];
  struct MHD_Connection *c = &d->connection;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) abort();
  *c = (struct MHD_Connection){
      .fd = ends[0],
      .peer = ends[1],
      .open = true,
      .address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
  d->on_connection(d->wire, c, &c->socket_context, MHD_CONNECTION_NOTIFY_STARTED);
}

static void disconnect(struct MHD_Daemon *d) {
  struct MHD_Connection *c = &d->connection;
  if (!c->open) return;
  d->on_connection(d->wire, c, &c->socket_context, MHD_CONNECTION_NOTIFY_CLOSED);
  close(c->fd);
  close(c->peer);
  c->open = false;
}

// ---- an exchange ----
static void take_answer(struct MHD_Daemon *d, const struct MHD_Response *response) {
  world_answer *answer = d->answer;
  answer->body = mf_str_copy(d->arena, (mf_str){response->body.data, response->body.len});
  for (uint32_t i = 0; i < response->n_headers; i++)
    answer->headers[answer->n_headers++] =
        (mf_header){mf_str_copy(d->arena, mf_str_from(response->headers[i].name)).data,
                    mf_str_copy(d->arena, response->headers[i].value)};
}

static void end(struct MHD_Daemon *d, enum MHD_RequestTerminationCode code) {
  const bool must_close = code != MHD_REQUEST_TERMINATED_COMPLETED_OK || d->stage == STAGE_LINE ||
                          mf_str_is(world_header(d->answer, "Connection"), "close");
  d->stage = STAGE_OVER;
  if (d->context) d->on_completed(d->wire, &d->connection, &d->context, code);
  if (must_close) disconnect(d);
  if (eventfd_write(d->epoll_fd, 1) != 0)
    abort();  // the loop stops when it has looked at everything else too
}

// Calls wire once; the exchange may be over then.
static void call(struct MHD_Daemon *d, const char *data, size_t len) {
  size_t left = len;
  const enum MHD_Result result =
      d->on_access(d->wire, &d->connection, d->uri, d->line, d->uri + strlen(d->uri) + 1, data,
                   &left, &d->context);
  if (result != MHD_YES)
    end(d, MHD_REQUEST_TERMINATED_WITH_ERROR);
  else if (d->queued)
    end(d, MHD_REQUEST_TERMINATED_COMPLETED_OK);
  else if (len > 0 && left > 0)
    world_fail("%zu bytes of a body were not taken", left);
}

static void step(struct MHD_Daemon *d) {
  const mf_slice body = d->request->body;
  const size_t piece = MF_MIN(body.len - d->sent, (size_t)PIECE_BYTES);
  if (d->stage == STAGE_LINE) {
    d->context = d->on_uri(d->wire, d->uri, &d->connection);
    call(d, NULL, 0);
    if (d->stage == STAGE_LINE) d->stage = STAGE_BODY;
  } else if (d->stage == STAGE_BODY && piece > 0) {
    d->sent += piece;
    call(d, (const char *)body.data + d->sent - piece, piece);
  } else {
    d->stage = STAGE_END;
    call(d, NULL, 0);
  }
}

enum MHD_Result MHD_run(struct MHD_Daemon *d) {
  eventfd_t any;
  if (d->stage == STAGE_OVER && eventfd_read(d->epoll_fd, &any) == 0) mf_loop_stop(d->wire->loop);
  if (!d->request || d->stage == STAGE_OVER) return MHD_YES;
  if (!d->connection.suspended)
    step(d);
  else if (d->request->hang_up)
    end(d, MHD_REQUEST_TERMINATED_CLIENT_ABORT);
  return MHD_YES;
}

enum MHD_Result MHD_get_timeout(struct MHD_Daemon *d, MHD_UNSIGNED_LONG_LONG *timeout) {
  *timeout = 0;
  return d->request && d->stage != STAGE_OVER && (!d->connection.suspended || d->request->hang_up)
             ? MHD_YES
             : MHD_NO;
}

static void write_line(struct MHD_Daemon *d, const world_request *request, mf_arena *arena) {
  const size_t method = request->method.len, target = request->target.len;
  d->line = mf_arena_alloc(arena, method + target + 16);
  d->uri = d->line + method + 1;
  memcpy(d->line, request->method.data, method);
  memcpy(d->uri, request->target.data, target);
  strcpy(d->uri + target + 1, "HTTP/1.1");
}

void world_exchange(const world_request *request, mf_arena *arena, world_answer *answer) {
  struct MHD_Daemon *d = the_daemon;
  *answer = (world_answer){0};
  if (!d->connection.open) connect_peer(d);
  d->request = request;
  d->answer = answer;
  d->arena = arena;
  d->sent = 0;
  d->stage = STAGE_LINE;
  d->queued = false;
  d->context = NULL;
  write_line(d, request, arena);
  d->wire->must_run = true;
  world_run();
  d->request = NULL;
}

mf_str world_header(const world_answer *answer, const char *name) {
  return mf_header_find(answer->headers, answer->n_headers, name, strlen(name));
}

// ---- what else wire calls ----
int MHD_get_connection_values_n(struct MHD_Connection *c, enum MHD_ValueKind kind,
                                MHD_KeyValueIteratorN each, void *context) {
  const world_request *request = the_daemon->request;
  (void)c;
  for (uint32_t i = 0; each && i < request->n_headers; i++) {
    const mf_header *h = &request->headers[i];
    each(context, kind, h->name, strlen(h->name), h->value.data, h->value.len);
  }
  return (int)request->n_headers;
}

const union MHD_ConnectionInfo *MHD_get_connection_info(struct MHD_Connection *c,
                                                        enum MHD_ConnectionInfoType what, ...) {
  if (what == MHD_CONNECTION_INFO_CONNECTION_FD)
    c->info.connect_fd = c->fd;
  else if (what == MHD_CONNECTION_INFO_SOCKET_CONTEXT)
    c->info.socket_context = c->socket_context;
  else if (what == MHD_CONNECTION_INFO_CLIENT_ADDRESS)
    c->info.client_addr = (struct sockaddr *)&c->address;
  else
    return NULL;
  return &c->info;
}

// Where libmicrohttpd is kept from refusing by headers that stand before the client's: here it does not refuse.
enum MHD_Result MHD_set_connection_value(struct MHD_Connection *c, enum MHD_ValueKind kind,
                                         const char *name, const char *value) {
  (void)c, (void)kind, (void)name, (void)value;
  return MHD_NO;
}

enum MHD_Result MHD_lookup_connection_value_n(struct MHD_Connection *c, enum MHD_ValueKind kind,
                                              const char *name, size_t name_len, const char **value,
                                              size_t *len) {
  (void)c, (void)kind, (void)name, (void)name_len, (void)value, (void)len;
  return MHD_NO;
}

void MHD_suspend_connection(struct MHD_Connection *c) { c->suspended = true; }
void MHD_resume_connection(struct MHD_Connection *c) { c->suspended = false; }

struct MHD_Response *MHD_create_response_from_buffer(size_t len, void *data,
                                                     enum MHD_ResponseMemoryMode mode) {
  struct MHD_Response *response = calloc(1, sizeof *response);
  (void)mode;
  response->body = (mf_slice){data, len};
  return response;
}

enum MHD_Result MHD_add_response_header(struct MHD_Response *response, const char *name,
                                        const char *value) {
  if (response->n_headers == WORLD_HEADERS || !name[0] || strpbrk(name, "\t\r\n") ||
      strpbrk(value, "\t\r\n"))
    return MHD_NO;
  response->headers[response->n_headers++] = (mf_header){strdup(name), mf_str_from(strdup(value))};
  return MHD_YES;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *c, unsigned status,
                                   struct MHD_Response *response) {
  (void)c;
  the_daemon->queued = true;
  the_daemon->answer->status = (int)status;
  take_answer(the_daemon, response);
  return MHD_YES;
}

void MHD_destroy_response(struct MHD_Response *response) {
  for (uint32_t i = 0; i < response->n_headers; i++) {
    free((void *)(uintptr_t)response->headers[i].name);
    free((void *)(uintptr_t)response->headers[i].value.data);
  }
  free(response);
}

// ---- the daemon: its options, as wire gives them ----
static void take_options(struct MHD_Daemon *d, va_list options) {
  for (enum MHD_OPTION option; (option = va_arg(options, enum MHD_OPTION)) != MHD_OPTION_END;) {
    switch (option) {
      case MHD_OPTION_URI_LOG_CALLBACK:
        d->on_uri = va_arg(options, void *(*)(void *, const char *, struct MHD_Connection *));
        va_arg(options, void *);
        break;
      case MHD_OPTION_NOTIFY_COMPLETED:
        d->on_completed = va_arg(options, MHD_RequestCompletedCallback);
        va_arg(options, void *);
        break;
      case MHD_OPTION_NOTIFY_CONNECTION:
        d->on_connection = va_arg(options, MHD_NotifyConnectionCallback);
        va_arg(options, void *);
        break;
      case MHD_OPTION_EXTERNAL_LOGGER: va_arg(options, void *), va_arg(options, void *); break;
      case MHD_OPTION_LISTEN_SOCKET: d->listen_fd = va_arg(options, int); break;
      case MHD_OPTION_CONNECTION_MEMORY_LIMIT: va_arg(options, size_t); break;
      case MHD_OPTION_ARRAY: va_arg(options, void *); break;
      default: va_arg(options, unsigned); break;  // the others of wire's are numbers
    }
  }
}

struct MHD_Daemon *MHD_start_daemon(unsigned flags, uint16_t port, MHD_AcceptPolicyCallback accept,
                                    void *accept_context, MHD_AccessHandlerCallback on_access,
                                    void *context, ...) {
  va_list options;
  struct MHD_Daemon *d = calloc(1, sizeof *d);
  (void)flags, (void)port, (void)accept, (void)accept_context;
  *d = (struct MHD_Daemon){.wire = context,
                           .on_access = on_access,
                           .epoll_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                           .stage = STAGE_OVER};
  va_start(options, context);
  take_options(d, options);
  va_end(options);
  return the_daemon = d;
}

const union MHD_DaemonInfo *MHD_get_daemon_info(struct MHD_Daemon *d, enum MHD_DaemonInfoType what,
                                                ...) {
  if (what != MHD_DAEMON_INFO_EPOLL_FD) return NULL;
  d->info.epoll_fd = d->epoll_fd;
  return &d->info;
}

MHD_socket MHD_quiesce_daemon(struct MHD_Daemon *d) { return d->listen_fd; }

void MHD_stop_daemon(struct MHD_Daemon *d) {
  disconnect(d);
  close(d->epoll_fd);
  free(d);
  the_daemon = NULL;
}
