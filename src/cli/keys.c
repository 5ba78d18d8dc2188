// env, aws, keys: credentials, and handing them to other programs.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

// 'text' for a POSIX shell.
static void print_quoted(const char *text) {
  putchar('\'');
  for (; *text; text++) {
    if (*text == '\'') fputs("'\\''", stdout);
    else putchar(*text);
  }
  putchar('\'');
}

static void print_export(const char *name, const char *value) {
  printf("export %s=", name);
  print_quoted(value);
  putchar('\n');
}

int mf_cli_env(int argc, char **argv) {
  cli_server server = {0};
  const cli_option options[] = {CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 1) return cli_usage("env", "env takes no arguments");
  mf_error err;
  if (!cli_find_server(&server, &err)) return cli_fail(&err);
  print_export("AWS_ACCESS_KEY_ID", server.access_key);
  print_export("AWS_SECRET_ACCESS_KEY", server.secret);
  print_export("AWS_DEFAULT_REGION", server.region);
  print_export("AWS_REGION", server.region);
  print_export("AWS_ENDPOINT_URL", server.endpoint);
  puts("unset AWS_SESSION_TOKEN AWS_PROFILE");
  puts("# aws-cli before 2.13 ignores AWS_ENDPOINT_URL and would send your data to AWS itself:");
  puts("aws() { command aws --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }");
  return CLI_OK;
}

// Only our own options in front are ours; everything after them is aws-cli's.
static int take_front_options(int argc, char **argv, cli_server *server) {
  int i = 1;
  for (; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--endpoint") == 0) server->endpoint_option = argv[i + 1];
    else if (strcmp(argv[i], "--data") == 0) server->data_option = argv[i + 1];
    else break;
  }
  return i;
}

int mf_cli_aws(int argc, char **argv) {
  cli_server server = {0};
  mf_error err;
  int first = take_front_options(argc, argv, &server);
  if (first >= argc) return cli_usage("aws", "aws takes the arguments of aws-cli, such as `lambda list-functions`");
  if (!cli_find_server(&server, &err)) return cli_fail(&err);
  const char **args = calloc((size_t)(argc - first) + 4, sizeof *args);
  if (!args) return CLI_FAILED;
  args[0] = "aws";
  args[1] = "--endpoint-url";
  args[2] = server.endpoint;
  for (int i = first; i < argc; i++) args[3 + i - first] = argv[i];
  setenv("AWS_ACCESS_KEY_ID", server.access_key, 1);
  setenv("AWS_SECRET_ACCESS_KEY", server.secret, 1);
  setenv("AWS_DEFAULT_REGION", server.region, 1);
  setenv("AWS_REGION", server.region, 1);
  setenv("AWS_ENDPOINT_URL", server.endpoint, 1);
  unsetenv("AWS_SESSION_TOKEN");
  unsetenv("AWS_PROFILE");
  execvp("aws", (char *const *)(uintptr_t)args);
  if (errno == ENOENT) execv("/usr/bin/aws", (char *const *)(uintptr_t)args);
  if (errno == ENOENT) mf_fail(&err, MF_NotFound, "aws-cli is not installed, or not on PATH: `apt-get install awscli`");
  else mf_fail_errno(&err, "cannot run aws");
  free(args);
  cli_line(STDERR_FILENO, "mayfly: error: %s", err.message);
  return CLI_FAILED;
}

// ---- keys ----

static int list_keys(const cli_server *server, bool as_json) {
  static const cli_column columns[] = {{"KEY", "AccessKeyId", false}, {"CREATED", "CreateDate", false}, {"KIND", "Kind", false}};
  const cli_request request = {.method = "GET", .path = "/_mayfly/keys"};
  mf_error err;
  json_t *json = NULL;
  if (!cli_ask(server, &request, &json, &err)) return cli_fail(&err);
  const json_t *rows = json_is_array(json) ? json : json_object_get(json, "keys");
  if (cli_wants_json(as_json)) cli_print_json(rows ? rows : json);
  else cli_print_table(rows, columns, MF_COUNT(columns));
  json_decref(json);
  return CLI_OK;
}

static int new_key(const cli_server *server, bool as_json) {
  const cli_request request = {.method = "POST", .path = "/_mayfly/keys"};
  mf_error err;
  json_t *json = NULL;
  if (!cli_ask(server, &request, &json, &err)) return cli_fail(&err);
  if (cli_wants_json(as_json)) {
    cli_print_json(json);
  } else {
    printf("access key  %s\nsecret      %s\n(the secret is shown this once)\n", cli_text(json, "AccessKeyId"), cli_text(json, "SecretAccessKey"));
  }
  json_decref(json);
  return CLI_OK;
}

static int remove_key(const cli_server *server, const char *id, bool as_json) {
  mf_error err;
  if (!cli_ask_about(server, "DELETE", "/_mayfly/keys/", id, NULL, &err)) return cli_fail(&err);
  if (!cli_wants_json(as_json)) cli_line(STDOUT_FILENO, "%s opens nothing any more", id);
  return CLI_OK;
}

int mf_cli_keys(int argc, char **argv) {
  cli_server server = {0};
  bool as_json = false;
  const cli_option options[] = {{"--json", NULL, &as_json}, CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  bool lists = argc == 1, makes = argc == 2 && strcmp(argv[1], "new") == 0, removes = argc == 3 && strcmp(argv[1], "rm") == 0;
  if (!lists && !makes && !removes) return cli_usage("keys", "keys takes nothing, `new`, or `rm ID`");
  mf_error err;
  if (!cli_find_server(&server, &err)) return cli_fail(&err);
  return lists ? list_keys(&server, as_json) : makes ? new_key(&server, as_json) : remove_key(&server, argv[2], as_json);
}
