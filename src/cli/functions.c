// ls, describe, rm.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

int mf_cli_ls(int argc, char **argv) {
  static const cli_column columns[] = {
      {"NAME", "name", false},          {"STATE", "state", false},         {"MEMORY MB", "memory_mb", true},
      {"IDLE", "instances_idle", true}, {"BUSY", "instances_busy", true},           {"CALLS", "invocations", true},
      {"COLD", "cold_starts", true},    {"ERRORS", "errors", true},        {"THROTTLED", "throttles", true},
      {"BILLED MS", "billed_ms", true}, {"CHANGED", "last_modified", false}};
  cli_server server = {0};
  bool as_json = false;
  const cli_option options[] = {{"--json", NULL, &as_json}, CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 1) return cli_usage("ls", "ls takes no arguments");
  mf_error err;
  json_t *json = NULL;
  const cli_request request = {.method = "GET", .path = "/_mayfly/functions"};
  if (!cli_find_server(&server, &err) || !cli_ask(&server, &request, &json, &err)) return cli_fail(&err);
  const json_t *rows = json_is_array(json) ? json : json_object_get(json, "functions");
  if (cli_wants_json(as_json)) cli_print_json(rows ? rows : json);
  else if (json_array_size(rows) == 0) puts("no functions yet: deploy one by `mayfly deploy PATH`");
  else cli_print_table(rows, columns, MF_COUNT(columns));
  json_decref(json);
  return CLI_OK;
}

// "float32[1, 3, batch]" of {"type": …, "shape": [1, 3, "batch"]}
static void append_value_type(mf_buf *line, const json_t *value) {
  size_t i;
  const json_t *dimension, *shape = json_object_get(value, "shape");
  mf_buf_format(line, "%s%s", cli_text(value, "type"), json_is_array(shape) ? "[" : " of any shape");
  json_array_foreach(shape, i, dimension) {
    if (i > 0) mf_buf_text(line, ", ");
    if (json_is_string(dimension)) mf_buf_text(line, json_string_value(dimension));
    else mf_buf_format(line, "%" JSON_INTEGER_FORMAT, json_integer_value(dimension));
  }
  mf_buf_format(line, "%s%s%s", json_is_array(shape) ? "]" : "", cli_text(value, "takes")[0] ? ", takes a " : "", cli_text(value, "takes"));
}

static void print_value(const json_t *value) {
  const json_t *more = json_object_get(value, "more");
  mf_buf line = {0};
  if (more) mf_buf_format(&line, "and %" JSON_INTEGER_FORMAT " more", json_integer_value(more));
  else mf_buf_format(&line, "%-22s ", cli_text(value, "name")), append_value_type(&line, value);
  cli_line(STDOUT_FILENO, "  %.*s", MF_STR_ARG(mf_buf_view(&line)));
  mf_buf_deinit(&line);
}

static void print_values(const char *title, const json_t *values) {
  size_t i;
  const json_t *value;
  if (json_is_array(values)) puts(title);
  json_array_foreach(values, i, value) print_value(value);
}

static void print_scalar(const char *key, const json_t *value) {
  if (json_is_string(value)) cli_line(STDOUT_FILENO, "  %-22s %s", key, json_string_value(value));
  else if (json_is_integer(value)) cli_line(STDOUT_FILENO, "  %-22s %" JSON_INTEGER_FORMAT, key, json_integer_value(value));
  else if (json_is_real(value)) cli_line(STDOUT_FILENO, "  %-22s %g", key, json_real_value(value));
  else if (json_is_boolean(value)) cli_line(STDOUT_FILENO, "  %-22s %s", key, json_is_true(value) ? "yes" : "no");
}

// A part of the answer, its inner objects and lists left to --json.
static void print_part(const json_t *json, const char *key, const char *title) {
  json_t *part = json_object_get(json, key), *value;
  const char *member;
  if (!json_is_object(part)) return;
  puts(title);
  json_object_foreach(part, member, value) print_scalar(member, value);
}

// Addresses that work from here; those that AWS would have are in GetFunctionUrlConfig's answers.
static void print_urls(const cli_server *server, const json_t *urls) {
  size_t i;
  const json_t *url;
  if (json_array_size(urls) > 0) puts("function URLs");
  json_array_foreach(urls, i, url) {
    const char *alias = cli_text(url, "alias");
    cli_line(STDOUT_FILENO, "  %s%s  %s%s%s", server->endpoint, cli_text(url, "path"), cli_text(url, "AuthType"), *alias ? ", alias " : "", alias);
  }
}

static void print_description(const cli_server *server, const json_t *json) {
  const json_t *description = json_object_get(json, "description");
  print_values("inputs", json_object_get(description, "inputs"));
  print_values("outputs", json_object_get(description, "outputs"));
  print_part(description, "picture", "picture (what a JPEG, PNG or WebP is made into)");
  print_part(description, "answer", "answer");
  print_part(json, "description", "model");
  print_urls(server, json_object_get(json, "urls"));
  print_part(json, "configuration", "configuration");
  print_part(json, "counters", "counters");
  print_part(json, "instances", "instances");
}

int mf_cli_describe(int argc, char **argv) {
  cli_server server = {0};
  bool as_json = false;
  const cli_option options[] = {{"--json", NULL, &as_json}, CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 2) return cli_usage("describe", "describe takes the NAME of one function");
  mf_error err;
  json_t *json = NULL;
  if (!cli_find_server(&server, &err) || !cli_ask_about(&server, "GET", "/_mayfly/functions/", argv[1], &json, &err)) return cli_fail(&err);
  if (cli_wants_json(as_json)) cli_print_json(json);
  else print_description(&server, json);
  json_decref(json);
  return CLI_OK;
}

int mf_cli_rm(int argc, char **argv) {
  cli_server server = {0};
  const cli_option options[] = {CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 2) return cli_usage("rm", "rm takes the NAME of one function");
  mf_error err;
  if (!cli_find_server(&server, &err) || !cli_ask_about(&server, "DELETE", "/2015-03-31/functions/", argv[1], NULL, &err))
    return cli_fail(&err);
  return CLI_OK;
}
