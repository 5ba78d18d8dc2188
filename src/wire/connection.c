// Connections: who is connected, who hung up while its request was being worked on, who dribbles.
//
// libmicrohttpd does not look at a suspended connection. Each socket is therefore also watched by the loop, for the peer's FIN and
// reset only, which costs nothing while neither comes. A FIN alone does not say whether the peer left or only finished sending (a
// half-closed connection still wants its answer), so it is answered by an interim "100 Continue", which every HTTP/1.1 client has to
// pass over: a peer that left resets the connection, and only that ends the request.
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "server.h"

#define FIRST_HEADERS_NS (10 * MF_NS_PER_S)
enum { CROWD = 256 };

static int socket_of(struct MHD_Connection *handle) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
  return info ? info->connect_fd : -1;
}

void mf_wire_abandon(mf_http_request *request) {
  if (request->gone || !request->suspended) return;
  request->gone = true;
  request->suspended = false;
  request->wire->must_run = true;
  MHD_resume_connection(request->connection->handle);
}

static bool was_reset(const wire_connection *connection) {
  char byte;
  ssize_t n = recv(connection->hang_up.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n < 0 && errno != EAGAIN && errno != EINTR;
}

static void probe(wire_connection *connection) {
  static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
  connection->probed = true;
  if (!mf_str_is(connection->request->version, "HTTP/1.1")) return;
  ssize_t n = send(connection->hang_up.fd, interim, sizeof interim - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0 && errno != EAGAIN) mf_wire_abandon(connection->request);
}

void mf_wire_look_at_peer(wire_connection *connection) {
  if (!connection->half_closed || !connection->request || !connection->request->suspended) return;
  if (connection->wire->tls || was_reset(connection)) mf_wire_abandon(connection->request);
  else if (!connection->probed) probe(connection);
}

static void on_hang_up(mf_watch *watch, uint32_t events) {
  wire_connection *connection = watch->data;
  mf_error err;
  connection->half_closed = true;
  connection->wire->look_for_ends = true;
  connection->wire->must_run = true;
  if (events & (EPOLLHUP | EPOLLERR)) {
    mf_loop_remove(connection->wire->loop, watch);
    connection->watched = false;
    if (connection->request) mf_wire_abandon(connection->request);
    return;
  }
  // From now on only a reset is of interest, which epoll always reports.
  if (!mf_loop_modify(connection->wire->loop, watch, 0, &err)) mf_log(MF_LOG_WARN, "%s", err.message);
  mf_wire_look_at_peer(connection);
}

// libmicrohttpd 0.9.75 does not see a FIN that came together with the last bytes (it reads once for each edge of epoll), so it would
// hold such a connection until its timeout: waiting for a request that cannot come, or for the rest of one. Shutting the reading half
// down makes another edge.
void mf_wire_end_half_closed(mf_wire *wire) {
  bool again = false;
  for (wire_connection *c = wire->connections; c; c = c->next) {
    const mf_http_request *request = c->request;
    bool is_answering = request && (request->phase == PHASE_COMPLETE || request->response);
    if (!c->half_closed || c->cut || is_answering || wire->tls) continue;
    char byte;
    if (recv(c->hang_up.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) {
      again = true;  // not all has been read
      continue;
    }
    c->cut = true;
    shutdown(c->hang_up.fd, SHUT_RD);
  }
  wire->look_for_ends = again;
}

// libmicrohttpd sees the end of the connection and cleans up.
static void cut(wire_connection *connection) {
  connection->cut = true;
  shutdown(connection->hang_up.fd, SHUT_RDWR);
}

static bool is_worked_on(const wire_connection *connection) {
  const mf_http_request *request = connection->request;
  return request && request->phase == PHASE_COMPLETE && !request->response;
}

static bool is_same_peer(const wire_connection *a, const wire_connection *b) { return memcmp(&a->peer, &b->peer, sizeof a->peer) == 0; }

static struct in6_addr peer_of(struct MHD_Connection *handle) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  struct in6_addr peer = {0};
  if (info && info->client_addr && info->client_addr->sa_family == AF_INET) {
    memcpy(&peer.s6_addr[12], &((const struct sockaddr_in *)(const void *)info->client_addr)->sin_addr, 4);
  } else if (info && info->client_addr && info->client_addr->sa_family == AF_INET6) {
    peer = ((const struct sockaddr_in6 *)(const void *)info->client_addr)->sin6_addr;
    if (!IN6_IS_ADDR_V4MAPPED(&peer)) memset(&peer.s6_addr[8], 0, 8);  // whoever has one address has 2^64
  }
  return peer;
}

static bool is_nearly(uint32_t n, uint32_t most) { return n > most - MF_MAX(most / 8, 1u); }

static bool is_crowded_by(const wire_connection *newest) {
  const mf_wire *wire = newest->wire;
  uint32_t n = 0;
  if (!is_nearly(wire->n_connections, wire->max_connections_per_peer)) return false;
  for (const wire_connection *c = wire->connections; c; c = c->next) n += is_same_peer(c, newest);
  return is_nearly(n, wire->max_connections_per_peer);
}

// When places run out, those of all or those of one peer, the stranger who has had his the longest gives it up: whoever holds no key can keep
// nobody out, and one who sends a signed request at once is served long before his turn to go. (The bound for each peer would not do alone:
// behind a proxy, and on loopback, everybody has the same address.)
static void make_room(const wire_connection *newest) {
  mf_wire *wire = newest->wire;
  const bool by_peer = is_crowded_by(newest);
  if (!by_peer && !is_nearly(wire->n_connections, wire->max_connections)) return;
  for (wire_connection *c = wire->oldest; c; c = c->previous) {
    if (c == newest || c->known || c->cut || is_worked_on(c) || (by_peer && !is_same_peer(c, newest))) continue;
    cut(c);
    return;
  }
}

static wire_connection *opened(mf_wire *wire, struct MHD_Connection *handle) {
  wire_connection *connection = calloc(1, sizeof *connection);
  if (!connection) return NULL;
  mf_error err;
  *connection = (wire_connection){.wire = wire, .handle = handle, .peer = peer_of(handle), .since_ns = mf_now_ns(), .next = wire->connections,
                                  .hang_up = {.fd = socket_of(handle), .ready = on_hang_up, .data = connection}};
  if (wire->connections) wire->connections->previous = connection;
  else wire->oldest = connection;
  wire->connections = connection;
  wire->n_connections++;
  wire->most_connections = MF_MAX(wire->most_connections, wire->n_connections);
  make_room(connection);
  connection->watched = mf_loop_add(wire->loop, &connection->hang_up, EPOLLRDHUP, &err);
  if (wire->sweep.position == 0 && !mf_loop_timer_set(wire->loop, &wire->sweep, mf_now_ns() + MF_NS_PER_S, &err))
    mf_log(MF_LOG_WARN, "slow connections are not looked for: %s", err.message);
  return connection;
}

static void closed(wire_connection *connection) {
  mf_wire *wire = connection->wire;
  if (connection->request) mf_wire_request_end(connection->request, false);  // one that failed before libmicrohttpd knew it
  if (connection->watched) mf_loop_remove(wire->loop, &connection->hang_up);
  if (connection->linger_bytes > 0 && !wire->stopping) mf_wire_linger(wire, connection->hang_up.fd, connection->linger_bytes);
  if (wire->n_connections-- >= wire->max_connections) wire->must_run = true;  // only then it listens again
  if (connection->next) connection->next->previous = connection->previous;
  else wire->oldest = connection->previous;
  if (connection->previous) connection->previous->next = connection->next;
  else wire->connections = connection->next;
  free(connection);
}

void mf_wire_on_connection(void *context, struct MHD_Connection *handle, void **socket_context,
                           enum MHD_ConnectionNotificationCode what) {
  if (what == MHD_CONNECTION_NOTIFY_STARTED) *socket_context = opened(context, handle);
  else if (*socket_context) closed(*socket_context);
}

// libmicrohttpd's own timeout begins again with every byte; here an answer must have been taken in idle_timeout plus what the slowest
// connection that we bear needs for the bytes. A request's body buys patience by the byte, and never more than idle_timeout in advance: what
// came fast at first does not let the rest dribble for an hour. A first request's headers are expected sooner.
static bool is_over(int64_t since_ns, uint64_t bytes, int64_t idle, int64_t now) {
  return now - since_ns > idle + (int64_t)(MF_MIN(bytes, UINT64_C(1) << 40) / SLOWEST_BYTES_PER_S) * MF_NS_PER_S;
}

static bool is_too_slow(const wire_connection *connection, int64_t now) {
  const mf_http_request *request = connection->request;
  int64_t idle = connection->wire->idle_timeout_ns;
  if (request && request->answered) return is_over(request->queued_ns, request->response_bytes, idle, now);
  if (!connection->served && (!request || request->phase == PHASE_LINE)) return now - connection->since_ns > MF_MIN(idle, FIRST_HEADERS_NS);
  if (!request) return now - connection->since_ns > 2 * idle;
  if (request->phase == PHASE_COMPLETE) return false;  // worked on, however long it takes
  return now > request->patience_ns;
}

// malloc keeps what thousands of connections and their bodies took, page by page between what lives on. When most of them are gone the system
// gets it back.
static void give_back_memory(mf_wire *wire) {
  if (wire->most_connections < CROWD || wire->n_connections > wire->most_connections / 4) return;
  wire->most_connections = wire->n_connections;
  malloc_trim(0);
}

void mf_wire_sweep(mf_timer *timer) {
  mf_wire *wire = timer->data;
  mf_error err;
  int64_t now = mf_now_ns();
  for (wire_connection *c = wire->connections; c; c = c->next) {
    if (c->request) c->request->pace_bytes /= 2;
    if (c->cut || !is_too_slow(c, now)) continue;
    cut(c);
  }
  give_back_memory(wire);
  if (wire->connections && !mf_loop_timer_set(wire->loop, timer, now + MF_NS_PER_S, &err)) mf_log(MF_LOG_WARN, "%s", err.message);
}
