// What libmicrohttpd 0.9.75 would refuse by itself once it has all headers. Its answer's head is then written twice, since its state machine goes
// on as if nothing had been answered; and it is HTML. So it is kept from refusing: a Host and an empty Cookie of ours stand before the client's
// (it looks for a Host, and copies cookies into the connection's little memory), and are left out where headers are read. A Content-Length that is
// no number cannot be hidden from it, and only its log line tells of it: there we answer ourselves, before it does.
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "server.h"

static const char host[] = "Host", cookie[] = "Cookie", nothing[] = "";

void mf_wire_shield(struct MHD_Connection *handle) {
  MHD_set_connection_value(handle, MHD_HEADER_KIND, host, nothing);  // without memory it refuses; so be it
  MHD_set_connection_value(handle, MHD_HEADER_KIND, cookie, nothing);
}

bool mf_wire_is_shield(const char *name) { return name == host || name == cookie; }

static bool is_number(const char *text, size_t len) {
  uint64_t number = 0;
  for (size_t i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9') return false;
    if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, (uint64_t)(text[i] - '0'), &number)) return false;
  }
  return len > 0;
}

// Its headers, or those that have come so far, name a length that is none.
static bool has_broken_length(const wire_connection *connection) {
  static const char name[] = "Content-Length";
  const mf_http_request *request = connection->request;
  const char *value;
  size_t len;
  if (!request || request->phase != PHASE_LINE || request->response || connection->cut) return false;
  if (MHD_lookup_connection_value_n(connection->handle, MHD_HEADER_KIND, name, sizeof name - 1, &value, &len) != MHD_YES) return false;
  return !is_number(value ? value : "", value ? len : 0);
}

static void send_refusal(const wire_connection *connection) {
  static const char body[] = "{\"message\":\"Content-Length is malformed.\"}";
  char date[64], text[512];
  const time_t now = (time_t)(mf_wall_ns() / MF_NS_PER_S);
  struct tm tm;
  strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
  const int len = snprintf(text, sizeof text, "HTTP/1.1 400 Bad Request\r\nDate: %s\r\nConnection: close\r\nx-amzn-RequestId: %s\r\nContent-Type: application/json\r\n"
                           "x-amzn-ErrorType: BadRequest\r\nContent-Length: %zu\r\n\r\n%s", date, connection->request->id, sizeof body - 1, body);
  if (send(connection->hang_up.fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len) mf_log(MF_LOG_DEBUG, "http: a refusal was not taken");
}

// Whatever libmicrohttpd writes from now on fails, and it closes the connection. Over TLS, which is libmicrohttpd's alone, nothing is said.
static void refuse(wire_connection *connection) {
  if (!connection->wire->tls) send_refusal(connection);
  connection->cut = true;
  connection->linger_bytes = LINGER_STRANGER_BYTES;
  shutdown(connection->hang_up.fd, connection->wire->tls ? SHUT_RDWR : SHUT_WR);
}

void mf_wire_on_refusal(mf_wire *wire, const char *line) {
  if (!strstr(line, "Content-Length")) return;
  for (wire_connection *c = wire->connections; c; c = c->next)
    if (has_broken_length(c)) refuse(c);
}
