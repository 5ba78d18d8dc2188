// Which server, and with which key. A running server leaves two files in its data directory: `endpoint` (its URL) and `root-key`
// (mode 0600). --endpoint names another server; the key then comes from the environment, as for every AWS client, or from --data.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

bool cli_default_data(char *out, size_t capacity, mf_error *err) {
  const char *given = getenv("MAYFLY_DATA"), *xdg = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
  int len;
  if (given && *given) len = snprintf(out, capacity, "%s", given);
  else if (geteuid() == 0) len = snprintf(out, capacity, "/var/lib/mayfly");
  else if (xdg && *xdg) len = snprintf(out, capacity, "%s/mayfly", xdg);
  else if (home && *home) len = snprintf(out, capacity, "%s/.local/share/mayfly", home);
  else return mf_fail(err, MF_Usage, "there is no home directory to look for the server's data in: name it by --data or MAYFLY_DATA");
  return (len > 0 && (size_t)len < capacity) || mf_fail(err, MF_Usage, "the name of the data directory is too long");
}

static bool read_endpoint(cli_server *server, const char *data, mf_error *err) {
  char path[4200];
  snprintf(path, sizeof path, "%s/endpoint", data);
  FILE *file = fopen(path, "re");
  if (!file && errno == ENOENT)
    return mf_fail(err, MF_Usage, "no server runs with the data directory %s: start one by `mayfly serve`, or name another by --data or --endpoint", data);
  if (!file) return mf_fail_errno(err, "%s", path);
  bool got = fgets(server->endpoint, sizeof server->endpoint, file) != NULL;
  fclose(file);
  return got || mf_fail(err, MF_Io, "%s is empty: is the server starting?", path);
}

static bool read_key(cli_server *server, const char *data, mf_error *err) {
  char path[4200];
  json_error_t problem;
  snprintf(path, sizeof path, "%s/root-key", data);
  if (access(path, F_OK) != 0)
    return mf_fail(err, MF_Usage, "there is no key for %s (%s is not there): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name the "
                   "server's data directory by --data", server->endpoint, path);
  if (access(path, R_OK) != 0)
    return mf_fail_errno(err, "%s holds the server's key, and cannot be read; run as the user who started the server, or set "
                         "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", path);
  json_t *json = json_load_file(path, 0, &problem);
  const char *id = cli_text(json, "AccessKeyId"), *secret = cli_text(json, "SecretAccessKey");
  bool whole = id[0] && secret[0];
  snprintf(server->access_key, sizeof server->access_key, "%s", id);
  snprintf(server->secret, sizeof server->secret, "%s", secret);
  json_decref(json);
  return whole || mf_fail(err, MF_Io, "%s is not a key file: expected JSON with AccessKeyId and SecretAccessKey", path);
}

static bool key_from_environment(cli_server *server) {
  const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
  if (!id || !*id || !secret || !*secret) return false;
  snprintf(server->access_key, sizeof server->access_key, "%s", id);
  snprintf(server->secret, sizeof server->secret, "%s", secret);
  return true;
}

static bool check_endpoint(cli_server *server, mf_error *err) {
  size_t len = strcspn(server->endpoint, " \r\n");
  while (len > 0 && server->endpoint[len - 1] == '/') len--;
  server->endpoint[len] = 0;
  if (strncmp(server->endpoint, "http://", 7) == 0 || strncmp(server->endpoint, "https://", 8) == 0) return true;
  return mf_fail(err, MF_Usage, "the endpoint '%s' is not a URL such as http://127.0.0.1:4566", server->endpoint);
}

bool cli_find_server(cli_server *server, mf_error *err) {
  char data[4096];
  server->region = "us-east-1";
  if (server->data_option) snprintf(data, sizeof data, "%s", server->data_option);
  else if (!cli_default_data(data, sizeof data, err)) return false;
  if (server->endpoint_option) snprintf(server->endpoint, sizeof server->endpoint, "%s", server->endpoint_option);
  else if (!read_endpoint(server, data, err)) return false;
  if (!check_endpoint(server, err)) return false;
  if (server->endpoint_option && !server->data_option && key_from_environment(server)) return true;
  if (read_key(server, data, err)) return true;
  return !server->data_option && key_from_environment(server);
}
