// The client half of the program: commands that ask a running server. Each takes its own arguments (argv[0] is the command's name)
// and returns the exit status: 0 done, 1 failed (the reason is on stderr), 2 wrong usage.
#ifndef MF_CLI_CLIENT_H
#define MF_CLI_CLIENT_H

#include <jansson.h>
#include <limits.h>

#include "base/base.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

int mf_cli_deploy(int argc, char **argv);
int mf_cli_ls(int argc, char **argv);
int mf_cli_describe(int argc, char **argv);
int mf_cli_rm(int argc, char **argv);
int mf_cli_invoke(int argc, char **argv);
int mf_cli_logs(int argc, char **argv);
int mf_cli_events(int argc, char **argv);
int mf_cli_env(int argc, char **argv);
int mf_cli_aws(int argc, char **argv);
int mf_cli_keys(int argc, char **argv);
int mf_cli_cost(int argc, char **argv);

// ---- arguments (options.c) ----
typedef struct cli_option {
  const char *name;    // "--name"
  const char **value;  // takes one: `--name VALUE` or `--name=VALUE`
  bool *flag;          // takes none
} cli_option;
// Takes the options out of argv and leaves the positional arguments in argv[1..*argc - 1]; "--" ends the options, "-" and
// numbers below zero are positional.
// false: said why on stderr.
bool cli_parse(int *argc, char **argv, const cli_option *options, size_t n_options) MF_MUST_CHECK;
bool cli_number(const char *option, const char *text, long least, long most, long *out) MF_MUST_CHECK;
int cli_usage(const char *command, const char *problem);         // says it and how to get help; returns CLI_USAGE
int cli_fail(const mf_error *err);                               // says it and what to do; returns CLI_FAILED

// ---- the server (server.c) ----
typedef struct cli_server {
  const char *endpoint_option, *data_option;  // as given, NULL if not
  char endpoint[512];                         // "http://127.0.0.1:4566", no slash at the end
  char access_key[129], secret[129];
  const char *region;
} cli_server;
#define CLI_SERVER_OPTIONS(server) {"--endpoint", &(server).endpoint_option, NULL}, {"--data", &(server).data_option, NULL}
bool cli_find_server(cli_server *server, mf_error *err) MF_MUST_CHECK;
// MAYFLY_DATA, else /var/lib/mayfly for root, else $XDG_DATA_HOME/mayfly or ~/.local/share/mayfly.
bool cli_default_data(char *out, size_t capacity, mf_error *err) MF_MUST_CHECK;

// ---- HTTP (http.c) ----
typedef struct cli_request {
  const char *method;
  const char *path;         // percent-encoded, with the query
  const char *header;       // one more, "X-Amz-Log-Type: Tail", or NULL; signed if it is an x-amz- one
  mf_slice body;            // in memory, or
  int body_fd;              // body_len bytes from its beginning; used when body.data is NULL and body_len > 0
  uint64_t body_len;
  const char *uploading;    // what to call the upload in the progress line, NULL: none is shown
} cli_request;
typedef struct cli_answer {
  long status;
  mf_buf body;              // NUL-terminated behind .len
  char error_type[128];     // x-amzn-ErrorType
  char function_error[64];  // X-Amz-Function-Error
  mf_buf log_result;        // X-Amz-Log-Result, base64
} cli_answer;
// Sends a signed request. true for every answer, whatever its status. The answer belongs to the caller, also on failure.
bool cli_send(const cli_server *server, const cli_request *request, cli_answer *answer, mf_error *err) MF_MUST_CHECK;
void cli_answer_free(cli_answer *answer);
// false unless the status is 2xx; *err then has the server's words.
bool cli_answer_is_good(const cli_answer *answer, mf_error *err) MF_MUST_CHECK;
// The two together, and the JSON of the body in *json (may be NULL).
bool cli_ask(const cli_server *server, const cli_request *request, json_t **json, mf_error *err) MF_MUST_CHECK;
// The same for a path that ends in a name (percent-encoded here), without a body.
bool cli_ask_about(const cli_server *server, const char *method, const char *prefix, const char *name, json_t **json, mf_error *err) MF_MUST_CHECK;
// Appends text percent-encoded as one path segment.
void cli_encode(mf_buf *out, const char *text);

// ---- output (output.c) ----
bool cli_wants_json(bool json_flag);            // --json, or stdout is no terminal
void cli_print_json(const json_t *json);
typedef struct cli_column {
  const char *title, *key;                      // key in each row's object
  bool right;                                   // numbers
} cli_column;
void cli_print_table(const json_t *rows, const cli_column *columns, size_t n_columns);
const char *cli_text(const json_t *object, const char *key);  // "" if absent or no string
// One line on a terminal's stderr that is written over; nothing in the first second, nothing elsewhere. NULL: wipes it.
void cli_progress(int64_t started_ns, const char *format, ...) MF_PRINTF(2, 3);
void cli_progress_end(void);
// What comes out of models, functions and servers is shown with its control characters as \xNN (mf_buf_printable); JSON has them as \u00NN.
void cli_print_foreign(FILE *out, mf_str text);  // text of several lines: newlines and tabs stay
void cli_line(int fd, const char *format, ...) MF_PRINTF(2, 3);  // one line, and its newline; behind what stdout holds back
void cli_json_text(const json_t *json, mf_buf *out);

// ---- files that are written (file.c) ----
typedef struct cli_file {
  int fd;                                       // to write to; -1: none
  char path[PATH_MAX], temporary[PATH_MAX + 32];
} cli_file;
// For a path where a regular file is or nothing: the file is there, whole, once it was closed with good == true, and else what was
// there before. A symbolic link stays and its target is written. Anything else (a FIFO, a device) is opened and written into.
bool cli_file_create(cli_file *file, const char *path, mf_error *err) MF_MUST_CHECK;
bool cli_file_close(cli_file *file, bool good, mf_error *err) MF_MUST_CHECK;  // returns good, unless it cannot be put in its place

// ---- packages (package.c) ----
typedef struct cli_package {
  int fd;                                       // to upload, from its beginning; owned
  uint64_t len;
  char name[65];                                // a valid function name made of the path
} cli_package;
// PATH is a .onnx, a .zip or a folder, which is zipped.
bool cli_package_open(const char *path, cli_package *package, mf_error *err) MF_MUST_CHECK;
#endif
