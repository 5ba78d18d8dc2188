// A request's body: hashed as it arrives, kept in memory while it is small, else in an unlinked file. What is over the route's limit
// is refused at the headers, or, where the length was not announced, when it has grown too long.
#include <unistd.h>

#include "server.h"

void mf_wire_body_too_large(mf_http_request *request) {
  if (request->route.too_large) request->route.too_large(request, request->route.context);
  if (request->response) return;
  mf_respond_error(request, 413, "RequestEntityTooLargeException", "The request body is larger than this operation takes.", false);
}

static void no_room(mf_http_request *request, const char *message) {
  mf_log(MF_LOG_WARN, "a request body of %llu bytes cannot be kept: %s", (unsigned long long)request->body_len, message);
  mf_respond_error(request, 507, "ServiceException", "The server has no room to keep the request body.", false);
}

bool mf_wire_body_begin(mf_http_request *request) {
  mf_sha256_begin(&request->body_hash);
  request->body = (mf_buf){.arena = &request->arena};
  if (request->content_length == UINT64_MAX || request->content_length == 0) return true;
  if (request->content_length > request->route.max_body_bytes) {
    mf_wire_body_too_large(request);
    return false;
  }
  if (request->content_length <= BODY_IN_MEMORY && !mf_buf_reserve(&request->body, (size_t)request->content_length)) {
    no_room(request, "no memory");
    return false;
  }
  return true;
}

static bool spill(mf_http_request *request, mf_error *err) {
  const mf_wire_handlers *handlers = &request->wire->handlers;
  if (!handlers->temporary(handlers->context, &request->body_fd, err)) return false;
  return mf_write_all(request->body_fd, request->body.data, request->body.len, "request body", err);
}

// A length that was announced says at once where the body goes; one that was not is spilled when it has grown too long.
static bool belongs_into_file(const mf_http_request *request, size_t len) {
  const bool announced = request->content_length != UINT64_MAX && request->content_length > BODY_IN_MEMORY;
  return request->body_fd < 0 && (announced || request->body.len + len > BODY_IN_MEMORY);
}

static bool keep(mf_http_request *request, const void *data, size_t len, mf_error *err) {
  if (belongs_into_file(request, len) && !spill(request, err)) return false;
  if (request->body_fd >= 0) return mf_write_all(request->body_fd, data, len, "request body", err);
  mf_buf_append(&request->body, data, len);
  return request->body.failed ? mf_fail(err, MF_OutOfMemory, "no memory") : true;
}

// libmicrohttpd takes no answer in the middle of a body: one made here waits until the rest has been read and dropped.
bool mf_wire_body_add(mf_http_request *request, const void *data, size_t len) {
  mf_error err;
  request->body_len += len;
  if (request->response)  // too long, or refused before it was: then up to the limit and as much again
    return request->body_len < request->route.max_body_bytes + (request->known_peer ? LINGER_KNOWN_BYTES : LINGER_STRANGER_BYTES);
  if (request->body_len > request->route.max_body_bytes) {
    mf_wire_body_too_large(request);
    return true;
  }
  if (!request->route.anonymous) mf_sha256_add(&request->body_hash, data, len);
  if (!keep(request, data, len, &err)) no_room(request, err.message);
  return true;
}

mf_slice mf_request_body(const mf_http_request *request, int *fd, uint64_t *len) {
  *fd = request->body_fd;
  *len = request->body_len;
  return request->body_fd >= 0 ? (mf_slice){NULL, 0} : (mf_slice){request->body.data, request->body.len};
}
