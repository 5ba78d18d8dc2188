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

// ---- bodies whose signature cannot be checked yet ----
// A signature covers the body, so whoever knows no more than a key's name can send one until its end, and a function's URL may be anybody's. All
// such bodies that lie in memory stay within a bound: what passes it goes into a file, as if it were long. Those in files stay within another,
// and within what disk and descriptors can bear; what passes that is paid by who sends slowest: one that stands still or dribbles goes before one
// that uploads, whose place nobody can hold without sending as fast.
// The pace that a body begins with, so that it is not judged by its first moment, and that no burst passes. Of those that have it the longest
// body goes.
enum { FULL_PACE_BYTES = 1 << 20 };

static void refuse_for_now(mf_http_request *request) {
  mf_respond_error(request, 503, "ServiceUnavailableException", "The server holds too many request bodies whose signatures could not be checked yet. "
                   "Try again later.", true);
}

static void leave_files(mf_http_request *request) {
  request->wire->unverified_files -= request->unverified_bytes > 0;
  request->wire->unverified_bytes -= request->unverified_bytes;
  request->unverified_bytes = 0;
}

void mf_wire_body_verified(mf_http_request *request) {
  leave_files(request);
  request->wire->unverified_memory -= request->unverified_memory;
  request->unverified_memory = 0;
}

static uint64_t most_unverified(const mf_wire *wire) {
  const mf_wire_handlers *handlers = &wire->handlers;
  if (!handlers->room) return wire->max_unverified_bytes;
  return MF_MIN(wire->max_unverified_bytes, (wire->unverified_bytes + handlers->room(handlers->context)) / 4 * 3);
}

static mf_http_request *slowest(const mf_wire *wire) {
  mf_http_request *found = NULL;
  for (const wire_connection *c = wire->connections; c; c = c->next) {
    mf_http_request *r = c->request;
    if (!r || r->unverified_bytes == 0) continue;
    if (!found || r->pace_bytes < found->pace_bytes || (r->pace_bytes == found->pace_bytes && r->unverified_bytes > found->unverified_bytes)) found = r;
  }
  return found;
}

// What it still sends is dropped, and then the client reads why.
static void give_up(mf_http_request *request) {
  leave_files(request);
  mf_close(&request->body_fd);
  refuse_for_now(request);
}

// false: an answer is ready.
static bool count_unverified(mf_http_request *request, uint64_t len) {
  mf_wire *wire = request->wire;
  const uint64_t most = most_unverified(wire);
  if (request->verified) return true;
  if (request->body_len > most) {
    no_room(request, "it alone would take more than bodies may");
    return false;
  }
  wire->unverified_files += request->unverified_bytes == 0 && len > 0;
  request->unverified_bytes += len;
  wire->unverified_bytes += len;
  while ((wire->unverified_bytes > most || wire->unverified_files > wire->max_unverified_files) && !request->response) give_up(slowest(wire));
  return !request->response;
}

// ---- taking it ----

bool mf_wire_body_begin(mf_http_request *request) {
  mf_sha256_begin(&request->body_hash);
  request->pace_bytes = FULL_PACE_BYTES;
  request->body = (mf_buf){.arena = &request->arena};
  if (request->content_length == UINT64_MAX || request->content_length == 0) return true;
  if (request->content_length > request->route.max_body_bytes) {
    mf_wire_body_too_large(request);
    return false;
  }
  return true;
}

// Room in memory for the body when it is so long; false: it belongs into a file. A short one lies in the request's own memory.
static bool hold(mf_http_request *request, uint64_t bytes) {
  mf_wire *wire = request->wire;
  const bool counts = bytes > SHORT_BODY && !request->verified;
  if (bytes <= request->body.capacity) return true;
  if (bytes > BODY_IN_MEMORY || (counts && wire->unverified_memory + bytes > wire->max_unverified_memory)) return false;
  if (!mf_buf_reserve(&request->body, (size_t)bytes - request->body.len) || !counts) return true;  // a failure is the next append's
  request->unverified_memory += request->body.capacity;  // what it had grown out of stays in the arena
  wire->unverified_memory += request->body.capacity;
  return true;
}

static bool spill(mf_http_request *request, mf_error *err) {
  const mf_wire_handlers *handlers = &request->wire->handlers;
  if (!count_unverified(request, request->body.len)) return true;
  if (!handlers->temporary(handlers->context, &request->body_fd, err)) return false;
  return mf_write_all(request->body_fd, request->body.data, request->body.len, "request body", err);
}

// A length that was announced says at once where the body goes; one that was not is spilled when it has grown too long.
static bool keep(mf_http_request *request, const void *data, size_t len, mf_error *err) {
  const uint64_t known = request->content_length != UINT64_MAX ? request->content_length : request->body.len + len;
  if (request->body_fd < 0 && !hold(request, known) && !spill(request, err)) return false;
  if (request->body_fd >= 0 && !count_unverified(request, len)) return true;
  if (request->response) return true;
  if (request->body_fd >= 0) return mf_write_all(request->body_fd, data, len, "request body", err);
  mf_buf_append(&request->body, data, len);
  return request->body.failed ? mf_fail(err, MF_OutOfMemory, "no memory") : true;
}

// libmicrohttpd takes no answer in the middle of a body: one made here waits until the rest has been read and dropped.
bool mf_wire_body_add(mf_http_request *request, const void *data, size_t len) {
  mf_error err;
  request->body_len += len;
  request->pace_bytes = MF_MIN(request->pace_bytes + len, (uint64_t)FULL_PACE_BYTES);
  request->patience_ns = MF_MIN(request->patience_ns + (int64_t)len * MF_NS_PER_S / SLOWEST_BODY_BYTES_PER_S,
                                mf_now_ns() + request->wire->idle_timeout_ns);
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
