// logs: what a function's invocations wrote, from the beginning of what is kept; --follow waits for more.
#include <stdio.h>
#include <string.h>

#include "client.h"

enum { FOLLOW_MS = 20000 };

static bool next_piece(const cli_server *server, const char *name, json_int_t *position, int wait_ms, bool *more, mf_error *err) {
  mf_buf path = {0};
  json_t *json = NULL;
  mf_buf_text(&path, "/_mayfly/logs/");
  cli_encode(&path, name);
  mf_buf_format(&path, "?position=%" JSON_INTEGER_FORMAT "&wait=%d", *position, wait_ms);
  mf_buf_append(&path, "", 1);
  const cli_request request = {.method = "GET", .path = path.data};
  bool done = path.failed ? mf_fail(err, MF_OutOfMemory, "no memory for a request") : cli_ask(server, &request, &json, err);
  mf_buf_deinit(&path);
  if (!done) return false;
  json_int_t reached = json_integer_value(json_object_get(json, "position"));
  const json_t *text = json_object_get(json, "text");
  cli_print_foreign(stdout, (mf_str){json_string_value(text), json_string_length(text)});
  fflush(stdout);
  *more = json_string_length(text) > 0;
  *position = reached;
  json_decref(json);
  return true;
}

int mf_cli_logs(int argc, char **argv) {
  cli_server server = {0};
  bool follow = false, more = true;
  const cli_option options[] = {{"--follow", NULL, &follow}, CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 2) return cli_usage("logs", "logs takes the NAME of one function");
  mf_error err;
  json_int_t position = 0;
  if (!cli_find_server(&server, &err)) return cli_fail(&err);
  for (bool found = false; more || follow; found = true) {
    if (next_piece(&server, argv[1], &position, follow && !more ? FOLLOW_MS : 0, &more, &err)) continue;
    if (!found || err.code != MF_NotFound) return cli_fail(&err);
    fprintf(stderr, "mayfly: %s was removed: its log ends here\n", argv[1]);  // all there was has been shown: no failure
    break;
  }
  return CLI_OK;
}
