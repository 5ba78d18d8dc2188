// The listening socket. It is made before the keeper forks, so that it stays open when front dies.
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

enum { BACKLOG = 1024 };

static bool is_loopback(const struct sockaddr *address) {
  if (address->sa_family == AF_INET) {
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;
    return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
  }
  const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
  return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool is_any(const struct sockaddr *address) {
  if (address->sa_family == AF_INET)
    return ((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
  return memcmp(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
}

static bool fail_bind(const mf_serve_options *options, mf_error *err) {
  if (errno != EADDRINUSE) return mf_fail_errno(err, "cannot listen on %s", options->listen);
  return mf_fail(err, MF_InUse, "cannot listen on %s: another program uses this port; stop it, or choose another by --listen ADDR:PORT",
                 options->listen);
}

static bool bind_to(const struct addrinfo *address, const mf_serve_options *options, int *out, mf_error *err) {
  int on = 1;
  OWN_FD int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return mf_fail_errno(err, "cannot make a socket for %s", options->listen);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);  // a port that was left a moment ago can be taken again
  if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) return fail_bind(options, err);
  *out = mf_give(&fd);
  return true;
}

// The address that was bound: the port may have been 0, and nobody connects to 0.0.0.0.
static bool name_endpoint(const mf_serve_options *options, mf_listening *listening, mf_error *err) {
  struct sockaddr_storage bound = {0};
  socklen_t len = sizeof bound;
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getsockname(listening->fd, (struct sockaddr *)&bound, &len) != 0) return mf_fail_errno(err, "cannot name the socket");
  if (getnameinfo((struct sockaddr *)&bound, len, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return mf_fail(err, MF_Io, "cannot name the address of %s", options->listen);
  bool any = is_any((struct sockaddr *)&bound), is_v6 = bound.ss_family == AF_INET6;
  const char *scheme = options->tls_certificate ? "https" : "http";
  if (any) snprintf(host, sizeof host, is_v6 ? "::1" : "127.0.0.1");
  // A certificate is made out to a name: the one that was given.
  const char *shown = options->tls_certificate && !any ? options->host : host;
  bool bracket = strchr(shown, ':') != NULL;
  snprintf(listening->endpoint, sizeof listening->endpoint, "%s://%s%.200s%s:%s", scheme, bracket ? "[" : "", shown, bracket ? "]" : "", port);
  listening->loopback = is_loopback((struct sockaddr *)&bound);
  return true;
}

static bool check_reach(const mf_serve_options *options, const mf_listening *listening, mf_error *err) {
  if (listening->loopback || options->tls_certificate || options->insecure) return true;
  return mf_fail(err, MF_Usage,
                 "%s can be reached from other machines, and plain HTTP would show them requests and answers: give --tls-cert and --tls-key, "
                 "or allow it by --insecure", options->listen);
}

bool mf_serve_listen(const mf_serve_options *options, mf_listening *listening, mf_error *err) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
  *listening = (mf_listening){.fd = -1};
  // localhost is this machine whatever is asked (RFC 6761 §6.3): minimal systems have no /etc/hosts.
  const char *host = strcmp(options->host, "localhost") == 0 ? "127.0.0.1" : options->host;
  int failed = getaddrinfo(host, options->port, &hints, &found);
  if (failed) return mf_fail(err, MF_Usage, "--listen %s: %s", options->listen, gai_strerror(failed));
  bool ok = bind_to(found, options, &listening->fd, err);
  freeaddrinfo(found);
  ok = ok && name_endpoint(options, listening, err) && check_reach(options, listening, err);
  if (!ok) mf_close(&listening->fd);
  return ok;
}
