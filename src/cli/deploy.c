// deploy: a package goes up, then the function's state is watched until it serves or has failed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

#include "client.h"

enum { FIRST_WAIT_MS = 10, LONGEST_WAIT_MS = 250, LIMIT_S = 3600 };

static bool upload(const cli_server *server, const cli_package *package, const char *name, const char *memory, const char *timeout,
                   json_t **configuration, mf_error *err) {
  mf_buf path = {0};
  mf_buf_text(&path, "/_mayfly/functions/");
  cli_encode(&path, name);
  if (memory) mf_buf_format(&path, "?memory=%s", memory);
  if (timeout) mf_buf_format(&path, "%ctimeout=%s", memory ? '&' : '?', timeout);
  mf_buf_append(&path, "", 1);
  const cli_request request = {.method = "PUT", .path = path.data, .body_fd = package->fd, .body_len = package->len, .uploading = name};
  bool done = path.failed ? mf_fail(err, MF_OutOfMemory, "no memory for a request") : cli_ask(server, &request, configuration, err);
  mf_buf_deinit(&path);
  return done;
}

// Is there nothing to wait for any longer?
static bool is_settled(const json_t *configuration) {
  return strcmp(cli_text(configuration, "State"), "Pending") != 0 &&
         strcmp(cli_text(configuration, "LastUpdateStatus"), "InProgress") != 0;
}

static void pause_ms(int ms) {
  struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
  nanosleep(&t, NULL);
}

static bool wait_until_settled(const cli_server *server, const char *name, json_t **configuration, mf_error *err) {
  int64_t started = mf_now_ns();
  char path[400];
  mf_buf encoded = {0};
  cli_encode(&encoded, name);
  snprintf(path, sizeof path, "/2015-03-31/functions/%.*s/configuration", MF_STR_ARG(mf_buf_view(&encoded)));
  mf_buf_deinit(&encoded);
  const cli_request request = {.method = "GET", .path = path};
  for (int wait = FIRST_WAIT_MS; !is_settled(*configuration); wait = MF_MIN(wait * 2, LONGEST_WAIT_MS)) {
    if (mf_now_ns() - started > LIMIT_S * MF_NS_PER_S)
      return mf_fail(err, MF_Timeout, "%s is still %s after an hour", name, cli_text(*configuration, "State"));
    pause_ms(wait);
    json_t *next = NULL;
    if (!cli_ask(server, &request, &next, err)) return false;
    json_decref(*configuration);
    *configuration = next;
    cli_progress(started, "compiling %s: %.0f s", name, (double)(mf_now_ns() - started) / 1e9);
  }
  cli_progress_end();
  return true;
}

// A function that never served is of no use to who deployed it: what the API keeps in state Failed is removed again.
static void take_back(const cli_server *server, const char *name) {
  mf_error err;
  if (cli_ask_about(server, "DELETE", "/2015-03-31/functions/", name, NULL, &err)) fprintf(stderr, "  nothing was deployed\n");
  else cli_line(STDERR_FILENO, "  it is left in state Failed: %s", err.message), cli_line(STDERR_FILENO, "  to do: mayfly rm %s", name);
}

static int report(const json_t *configuration, const char *name, bool as_json) {
  bool failed = strcmp(cli_text(configuration, "State"), "Failed") == 0;
  bool update_failed = strcmp(cli_text(configuration, "LastUpdateStatus"), "Failed") == 0;
  if (failed || update_failed) {
    const char *reason = cli_text(configuration, failed ? "StateReason" : "LastUpdateStatusReason");
    cli_line(STDERR_FILENO, "mayfly: error: %s %s: %s", name, failed ? "cannot serve" : "was not updated, and serves as before",
            reason[0] ? reason : "the server gave no reason");
    return CLI_FAILED;
  }
  if (as_json) {
    cli_print_json(configuration);
  } else {
    printf("%s serves, with %lld MB of memory and a timeout of %lld s. Try:  mayfly describe %s;  mayfly invoke %s ...\n", name,
           (long long)json_integer_value(json_object_get(configuration, "MemorySize")),
           (long long)json_integer_value(json_object_get(configuration, "Timeout")), name, name);
  }
  return CLI_OK;
}

int mf_cli_deploy(int argc, char **argv) {
  cli_server server = {0};
  const char *name = NULL, *memory = NULL, *timeout = NULL;
  bool json = false;
  long number;
  const cli_option options[] = {{"--name", &name, NULL}, {"--memory", &memory, NULL}, {"--timeout", &timeout, NULL},
                                {"--json", NULL, &json}, CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 2) return cli_usage("deploy", "deploy takes one PATH: a .onnx, a .zip or a folder");
  if (name && !name[0]) return cli_usage("deploy", "--name takes the name of a function, not ''");
  if (memory && !cli_number("--memory", memory, 128, 10240, &number)) return CLI_USAGE;
  if (timeout && !cli_number("--timeout", timeout, 1, 900, &number)) return CLI_USAGE;
  mf_error err;
  cli_package package;
  json_t *configuration = NULL;
  if (!cli_find_server(&server, &err) || !cli_package_open(argv[1], &package, &err)) return cli_fail(&err);
  if (!name) name = package.name;
  bool done = upload(&server, &package, name, memory, timeout, &configuration, &err);
  const bool is_new = strcmp(cli_text(configuration, "State"), "Pending") == 0;  // an update leaves the state as it is
  done = done && wait_until_settled(&server, name, &configuration, &err);
  cli_progress_end();
  int status = done ? report(configuration, name, cli_wants_json(json)) : cli_fail(&err);
  if (done && is_new && strcmp(cli_text(configuration, "State"), "Failed") == 0) take_back(&server, name);
  json_decref(configuration);
  mf_close(&package.fd);
  return status;
}
