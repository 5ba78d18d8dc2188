// The Host header against DNS rebinding: a page in the user's browser whose name was re-pointed at 127.0.0.1 sends its own name.
// Ours are addresses, localhost and the names under it, AWS's (a client that was told to connect here), the machine's own name and
// the name that the user listens on. Over TLS the certificate settles it, and the header is not looked at.
#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "server.h"

static bool is_name(mf_str host, const char *name) {
  size_t len = strlen(name);
  return len > 0 && host.len == len && strncasecmp(host.data, name, len) == 0;
}

static bool is_below(mf_str host, const char *domain) {  // domain: ".localhost"
  size_t len = strlen(domain);
  return host.len > len && strncasecmp(host.data + host.len - len, domain, len) == 0;
}

static bool is_address(mf_str host, int family) {
  char text[64];
  struct in6_addr address;
  if (host.len >= sizeof text) return false;
  snprintf(text, sizeof text, "%.*s", MF_STR_ARG(host));
  return inet_pton(family, text, &address) == 1;
}

// AWS's names of function URLs, ID.lambda-url.REGION.on.aws: nobody else can have one of them point here.
static bool is_function_url(mf_str host) {
  static const char middle[] = ".lambda-url.";
  const char *dot = memchr(host.data, '.', host.len);
  const size_t left = dot ? host.len - (size_t)(dot - host.data) : 0;
  return is_below(host, ".on.aws") && left > sizeof middle && strncasecmp(dot, middle, sizeof middle - 1) == 0;
}

// "" or ":80" (RFC 9112, section 3.2: digits, or none).
static bool is_port(mf_str text) {
  if (text.len == 0) return true;
  if (text.data[0] != ':' || text.len > 6) return false;
  for (size_t i = 1; i < text.len; i++)
    if (text.data[i] < '0' || text.data[i] > '9') return false;
  return true;
}

bool mf_wire_host_is_ours(const mf_wire *wire, mf_str host) {
  if (host.len == 0 || wire->tls) return true;
  if (host.data[0] == '[') {
    const char *end = memchr(host.data, ']', host.len);
    if (!end) return false;
    const size_t len = (size_t)(end + 1 - host.data);
    return is_address((mf_str){host.data + 1, len - 2}, AF_INET6) && is_port((mf_str){end + 1, host.len - len});
  }
  const char *colon = memchr(host.data, ':', host.len);
  if (colon && !is_port((mf_str){colon, host.len - (size_t)(colon - host.data)})) return false;
  if (colon) host.len = (size_t)(colon - host.data);
  if (host.len > 0 && host.data[host.len - 1] == '.') host.len--;
  return is_address(host, AF_INET) || is_name(host, "localhost") || is_below(host, ".localhost") ||
         is_below(host, ".amazonaws.com") || is_function_url(host) || is_name(host, wire->listen_host) || is_name(host, wire->host_name);
}
