// Request objects and what handlers may ask of them. Objects are kept and used again, so that a request costs no malloc of ours.
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

#include "canonical.h"
#include "server.h"

static mf_http_request *take_object(mf_wire *wire) {
  mf_http_request *request = wire->idle;
  if (!request) return malloc(sizeof *request);
  wire->idle = request->next_idle;
  wire->n_idle--;
  return request;
}

static void give_object(mf_wire *wire, mf_http_request *request) {
  if (wire->n_idle >= IDLE_REQUESTS) {
    free(request);
    return;
  }
  request->next_idle = wire->idle;
  wire->idle = request;
  wire->n_idle++;
}

// RFC 9562 §5.4, from a stock of random bytes.
static void make_id(mf_wire *wire, char id[MF_UUID_TEXT + 1]) {
  if (wire->random_used + 16 > sizeof wire->random) {
    mf_random(wire->random, sizeof wire->random);
    wire->random_used = 0;
  }
  uint8_t *bytes = wire->random + wire->random_used;
  wire->random_used += 16;
  bytes[6] = (uint8_t)(0x40 | (bytes[6] & 0x0f));
  bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
  static const size_t lengths[] = {4, 2, 2, 2, 6};
  char *out = id;
  for (size_t i = 0; i < MF_COUNT(lengths); i++) {
    mf_hex(bytes, lengths[i], out);
    out += 2 * lengths[i];
    bytes += lengths[i];
    *out++ = '-';
  }
  out[-1] = 0;
}

// "/path?query", or in absolute form "http://host/path?query" (RFC 9112 §3.2.2).
static bool split_uri(mf_http_request *request, const char *uri) {
  if (strncasecmp(uri, "http://", 7) == 0 || strncasecmp(uri, "https://", 8) == 0) {
    uri = strchr(uri + 8, '/');
    if (!uri) uri = "/";
  }
  mf_str all = mf_str_copy(&request->arena, mf_str_from(uri));
  if (!all.data) return false;
  const char *mark = memchr(all.data, '?', all.len);
  size_t path = mark ? (size_t)(mark - all.data) : all.len;
  request->target = (mf_str){all.data, path};
  request->query = mark ? (mf_str){mark + 1, all.len - path - 1} : MF_STR("");
  return true;
}

mf_http_request *mf_wire_request_create(mf_wire *wire, const char *uri) {
  mf_http_request *request = take_object(wire);
  if (!request) return NULL;
  memset(request, 0, offsetof(mf_http_request, memory));
  mf_arena_init_first(&request->arena, request->memory, sizeof request->memory, 0);
  request->wire = wire;
  request->body_fd = -1;
  request->uri = uri;
  request->uri_end = uri + strlen(uri);
  request->begun_ns = mf_now_ns();
  request->patience_ns = request->begun_ns + wire->idle_timeout_ns;
  make_id(wire, request->id);
  if (!split_uri(request, uri)) {
    mf_arena_deinit(&request->arena);
    give_object(wire, request);
    return NULL;
  }
  wire->n_requests++;
  return request;
}

void mf_wire_request_end(mf_http_request *request, bool answered) {
  mf_wire_do_not_suspend(request);
  if (request->connection) {
    request->connection->request = NULL;
    request->connection->since_ns = mf_now_ns();
    request->connection->served |= answered;
    if (request->connection->half_closed) request->wire->look_for_ends = true;
  }
  if (request->ended) request->ended(request, request->data, answered);
  mf_wire_drop_response(request);
  request->wire->waiting_bytes -= request->response_bytes;
  if (request->body_free) request->body_free(request->body_context);
  mf_wire_body_verified(request);
  if (request->body_fd >= 0) close(request->body_fd);
  mf_arena_deinit(&request->arena);
  request->wire->n_requests--;
  give_object(request->wire, request);
}

static enum MHD_Result take_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                                   size_t value_len) {
  (void)kind;
  mf_http_request *request = context;
  if (mf_wire_is_shield(name)) return MHD_YES;
  request->odd_header |= value && memchr(value, '\r', value_len);
  for (size_t i = 0; i < name_len; i++) request->odd_header |= (unsigned char)name[i] <= ' ' || name[i] == 0x7f;
  request->headers[request->n_headers++] = (mf_header){name, {value ? value : "", value_len}};
  return MHD_YES;
}

bool mf_wire_request_take_headers(mf_http_request *request, struct MHD_Connection *connection) {
  int n = MHD_get_connection_values_n(connection, MHD_HEADER_KIND, NULL, NULL);
  if (n < 0 || n > MAX_HEADERS + SHIELD_HEADERS) return false;
  request->headers = MF_NEW_ARRAY(&request->arena, mf_header, (size_t)n);
  if (!request->headers) return false;
  MHD_get_connection_values_n(connection, MHD_HEADER_KIND, take_header, request);
  return true;
}

mf_sigv4_request mf_wire_signed_parts(const mf_http_request *request) {
  return (mf_sigv4_request){.method = request->method, .target = request->target, .query = request->query,
                            .headers = request->headers, .n_headers = request->n_headers};
}

mf_arena *mf_request_arena(mf_http_request *request) { return &request->arena; }
mf_str mf_request_method(const mf_http_request *request) { return request->method; }
mf_str mf_request_target(const mf_http_request *request) { return request->target; }
mf_str mf_request_query(const mf_http_request *request) { return request->query; }
const char *mf_request_id(const mf_http_request *request) { return request->id; }
void mf_request_set_data(mf_http_request *request, void *data) { request->data = data; }

void mf_request_on_end(mf_http_request *request, void (*ended)(mf_http_request *request, void *data, bool answered)) {
  request->ended = ended;
}

const mf_header *mf_request_headers(const mf_http_request *request, uint32_t *n) {
  *n = request->n_headers;
  return request->headers;
}

mf_str mf_request_version(const mf_http_request *request) { return request->version; }

void mf_request_peer(const mf_http_request *request, char address[MF_PEER_TEXT]) {
  const union MHD_ConnectionInfo *info =
      request->connection ? MHD_get_connection_info(request->connection->handle, MHD_CONNECTION_INFO_CLIENT_ADDRESS) : NULL;
  address[0] = 0;
  if (!info || !info->client_addr) return;
  const socklen_t len = info->client_addr->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  if (getnameinfo(info->client_addr, len, address, MF_PEER_TEXT, NULL, 0, NI_NUMERICHOST) != 0) address[0] = 0;
}

bool mf_request_next_parameter(mf_http_request *request, mf_str *query, mf_str *name, mf_str *value) {
  mf_query_pair pair;
  if (!mf_query_next(query, &pair)) return false;
  *name = mf_percent_decode(&request->arena, pair.name);
  *value = mf_percent_decode(&request->arena, pair.value);
  return true;
}

mf_str mf_request_header(const mf_http_request *request, const char *name) {
  return mf_header_find(request->headers, request->n_headers, name, strlen(name));
}

mf_str mf_request_parameter(mf_http_request *request, const char *name, bool *found) {
  mf_str rest = request->query;
  for (mf_query_pair pair; mf_query_next(&rest, &pair);) {
    mf_str decoded = mf_percent_decode(&request->arena, pair.name);
    if (!mf_str_is(decoded, name)) continue;
    *found = true;
    return mf_percent_decode(&request->arena, pair.value);
  }
  *found = false;
  return MF_STR("");
}
