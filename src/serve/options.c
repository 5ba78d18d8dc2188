// The command line of `mayfly serve`. Its help is the program's, which has a table of all commands'.
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "internal.h"

enum { USAGE = 2, MB = 1 << 20 };

static bool wrong(const char *format, ...) MF_PRINTF(1, 2);
static bool wrong(const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  fprintf(stderr, "mayfly: error: %s\nmayfly serve --help shows the options.\n", text);
  return false;
}

static bool read_number(const char *name, const char *text, double least, double most, double *out) {
  char *end;
  errno = 0;
  *out = strtod(text, &end);
  if (end != text && !*end && errno == 0 && isfinite(*out) && *out >= least && *out <= most) return true;
  return wrong("%s takes a number from %.10g to %.10g, not '%s'", name, least, most, text);
}

static bool read_whole(const char *name, const char *text, double least, double most, uint64_t *out) {
  double number;
  if (!read_number(name, text, least, most, &number)) return false;
  *out = (uint64_t)number;
  return (double)*out == number || wrong("%s takes a whole number, not '%s'", name, text);
}

static bool set_data(const char *name, const char *value, mf_serve_options *o) {
  int len = snprintf(o->data, sizeof o->data, "%s", value);
  return (len > 0 && (size_t)len < sizeof o->data) || wrong("%s takes the name of a directory", name);
}
static bool set_listen(const char *name, const char *value, mf_serve_options *o) {
  (void)name;
  o->listen = value;
  return true;
}
static bool set_keep_alive(const char *name, const char *value, mf_serve_options *o) {
  double seconds;
  char *end;
  if (strcmp(value, "hybrid") == 0) {
    o->keep_alive_ns = MF_KEEP_ALIVE_HYBRID;
    return true;
  }
  if (strtod(value, &end), end == value) return wrong("%s takes hybrid or a number of seconds, not '%s'", name, value);
  if (!read_number(name, value, 0, 1e9, &seconds)) return false;
  o->keep_alive_ns = (int64_t)(seconds * 1e9);
  return true;
}
static bool set_run_slots(const char *name, const char *value, mf_serve_options *o) {
  uint64_t slots;
  if (!read_whole(name, value, 1, MF_HOST_MAX_SLOTS, &slots)) return false;
  o->run_slots = (uint32_t)slots;
  return true;
}
static bool set_pool_memory(const char *name, const char *value, mf_serve_options *o) {
  if (!read_whole(name, value, 1, 1 << 20, &o->pool_bytes)) return false;
  o->pool_bytes *= MB;
  return true;
}
static bool set_max_package(const char *name, const char *value, mf_serve_options *o) {
  if (!read_whole(name, value, 1, 1 << 20, &o->max_package_bytes)) return false;
  o->max_package_bytes *= MB;
  return true;
}
static bool set_retry_scale(const char *name, const char *value, mf_serve_options *o) {
  return read_number(name, value, 1e-6, 1, &o->retry_scale);
}
static bool set_keep_alive_scale(const char *name, const char *value, mf_serve_options *o) {
  return read_number(name, value, 1e-4, 1, &o->keep_alive_scale);
}
static bool set_certificate(const char *name, const char *value, mf_serve_options *o) {
  (void)name;
  o->tls_certificate = value;
  return true;
}
static bool set_key(const char *name, const char *value, mf_serve_options *o) {
  (void)name;
  o->tls_key = value;
  return true;
}

static const struct {
  const char *name;
  bool (*set)(const char *name, const char *value, mf_serve_options *o);
} options_with_value[] = {{"--data", set_data},
                          {"--listen", set_listen},
                          {"--keep-alive", set_keep_alive},
                          {"--run-slots", set_run_slots},
                          {"--pool-memory", set_pool_memory},
                          {"--max-package", set_max_package},
                          {"--retry-scale", set_retry_scale},
                          {"--keep-alive-scale", set_keep_alive_scale},
                          {"--tls-cert", set_certificate},
                          {"--tls-key", set_key}};

// One option, "--name VALUE" or "--name=VALUE"; *at moves past it.
static bool read_one(int argc, char **argv, int *at, mf_serve_options *o) {
  const char *argument = argv[*at];
  for (size_t i = 0; i < MF_COUNT(options_with_value); i++) {
    size_t len = strlen(options_with_value[i].name);
    if (strncmp(argument, options_with_value[i].name, len) != 0 || (argument[len] && argument[len] != '=')) continue;
    const char *value = argument[len] ? argument + len + 1 : *at + 1 < argc ? argv[++*at] : NULL;
    if (!value) return wrong("%s takes a value", options_with_value[i].name);
    return options_with_value[i].set(options_with_value[i].name, value, o);
  }
  if (strcmp(argument, "--insecure") != 0) return wrong("mayfly serve has no option '%s'", argument);
  o->insecure = true;
  return true;
}

static bool split_address(mf_serve_options *o) {
  const char *colon = strrchr(o->listen, ':'), *start = o->listen, *end = colon;
  uint64_t port;
  if (!colon || colon == o->listen) return wrong("--listen takes ADDR:PORT, such as 127.0.0.1:4566 or [::1]:4566, not '%s'", o->listen);
  if (*start == '[') {
    start++;
    if (end[-1] != ']') return wrong("--listen: '%s' has no ']' before the port", o->listen);
    end--;
  }
  int len = snprintf(o->host, sizeof o->host, "%.*s", (int)(end - start), start);
  if (len <= 0 || (size_t)len >= sizeof o->host) return wrong("--listen: '%s' has no address", o->listen);
  if (!read_whole("--listen: the port", colon + 1, 0, 65535, &port)) return false;
  snprintf(o->port, sizeof o->port, "%u", (unsigned)port);
  return true;
}

static bool default_data(mf_serve_options *o) {
  const char *given = getenv("MAYFLY_DATA"), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
  if (o->data[0]) return true;
  if (given && *given) return set_data("MAYFLY_DATA", given, o);
  if (geteuid() == 0) return set_data("", "/var/lib/mayfly", o);
  if (xdg && *xdg) snprintf(o->data, sizeof o->data, "%s/mayfly", xdg);
  else if (home && *home) snprintf(o->data, sizeof o->data, "%s/.local/share/mayfly", home);
  else return wrong("there is no home directory to keep data in: name a directory by --data");
  return true;
}

// The commands of another shell find the server by this directory.
static bool absolute_data(mf_serve_options *o) {
  char here[sizeof o->data], given[sizeof o->data];
  if (o->data[0] == '/') return true;
  if (!getcwd(here, sizeof here)) return wrong("--data: the folder that '%s' is relative to cannot be found", o->data);
  memcpy(given, o->data, sizeof given);
  int len = snprintf(o->data, sizeof o->data, "%s/%s", strcmp(here, "/") == 0 ? "" : here, given + (strncmp(given, "./", 2) == 0 ? 2 : 0));
  return (len > 0 && (size_t)len < sizeof o->data) || wrong("--data: the name of the directory is too long");
}

static bool check_together(const mf_serve_options *o) {
  if (!o->tls_certificate != !o->tls_key) return wrong("--tls-cert and --tls-key belong together");
  if (o->tls_certificate && o->insecure) return wrong("--insecure and --tls-cert exclude each other");
  return true;
}

bool mf_serve_read_options(int argc, char **argv, mf_serve_options *o, int *status) {
  *o = (mf_serve_options){.listen = "127.0.0.1:4566", .keep_alive_ns = MF_KEEP_ALIVE_HYBRID, .pool_bytes = UINT64_C(256) * MB,
                          .max_package_bytes = 262144000, .retry_scale = 1, .keep_alive_scale = 1};
  *status = USAGE;
  for (int i = 1; i < argc; i++)
    if (!read_one(argc, argv, &i, o)) return false;
  return split_address(o) && default_data(o) && absolute_data(o) && check_together(o);
}
