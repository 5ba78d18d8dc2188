// invoke: one call through Lambda's Invoke API. The payload goes out and comes back byte for byte; what is said about the call (log,
// error kind) goes to stderr.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

enum { MAX_PAYLOAD = 6291456, PIECE = 65536 };

static bool read_all(int fd, const char *what, mf_buf *out, mf_error *err) {
  out->limit = MAX_PAYLOAD + 1;
  for (;;) {
    char *room = mf_buf_reserve(out, 1) ? mf_buf_reserve(out, MF_MIN((size_t)PIECE, out->limit - out->len)) : NULL;
    if (!room) return mf_fail(err, MF_TooLarge, "%s is larger than a payload may be (%d bytes)", what, MAX_PAYLOAD);
    ssize_t n = read(fd, room, MF_MIN((size_t)PIECE, out->limit - out->len));
    if (n < 0) return mf_fail_errno(err, "cannot read %s", what);
    if (n == 0) return true;
    out->len += (size_t)n;
  }
}

static bool read_payload(const char *argument, mf_buf *out, mf_error *err) {
  if (!argument) return true;
  if (strcmp(argument, "-") == 0) return read_all(STDIN_FILENO, "standard input", out, err);
  if (argument[0] != '@') {
    mf_buf_text(out, argument);
    return !out->failed || mf_fail(err, MF_OutOfMemory, "no memory for the payload");
  }
  OWN_FD int fd = open(argument + 1, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return mf_fail_errno(err, "%s", argument + 1);
  return read_all(fd, argument + 1, out, err);
}

static void print_log(const mf_buf *encoded) {
  size_t len = 0;
  uint8_t *text = encoded->len ? malloc(encoded->len) : NULL;
  if (text && mf_base64_decode(mf_buf_view(encoded), text, &len)) cli_print_foreign(stderr, (mf_str){(char *)text, len});
  free(text);
}

static int show(const cli_answer *answer, bool with_log) {
  if (with_log) print_log(&answer->log_result);
  if (answer->body.len > 0) fwrite(answer->body.data, 1, answer->body.len, stdout);
  if (isatty(STDOUT_FILENO) || (answer->body.len > 0 && answer->body.data[answer->body.len - 1] != '\n')) putchar('\n');
  if (fflush(stdout) != 0) return CLI_FAILED;
  if (!answer->function_error[0]) return CLI_OK;
  fprintf(stderr, "mayfly: error: the function failed (%s); its answer above says why\n", answer->function_error);
  return CLI_FAILED;
}

static int invoke(const cli_server *server, const char *name, const mf_buf *payload, bool with_log) {
  mf_error err;
  mf_buf path = {0};
  cli_answer answer;
  mf_buf_text(&path, "/2015-03-31/functions/");
  cli_encode(&path, name);
  mf_buf_text(&path, "/invocations");
  mf_buf_append(&path, "", 1);
  const cli_request request = {.method = "POST", .path = path.data, .header = with_log ? "X-Amz-Log-Type: Tail" : NULL,
                               .body = {payload->data ? payload->data : "", payload->len}};
  int status = path.failed ? CLI_FAILED
               : cli_send(server, &request, &answer, &err) && cli_answer_is_good(&answer, &err) ? show(&answer, with_log)
                                                                                                  : cli_fail(&err);
  cli_answer_free(&answer);
  mf_buf_deinit(&path);
  return status;
}

int mf_cli_invoke(int argc, char **argv) {
  cli_server server = {0};
  bool with_log = false;
  const cli_option options[] = {{"--log", NULL, &with_log}, CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 2 && argc != 3) return cli_usage("invoke", "invoke takes a NAME and one payload: JSON, @FILE or - for standard input");
  mf_error err;
  mf_buf payload = {0};
  bool ready = cli_find_server(&server, &err) && read_payload(argc == 3 ? argv[2] : NULL, &payload, &err);
  int status = ready ? invoke(&server, argv[1], &payload, with_log) : cli_fail(&err);
  mf_buf_deinit(&payload);
  return status;
}
