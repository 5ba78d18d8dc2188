// events: what waits, runs and failed; its payload; trying again and dropping.
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

enum { LISTED = 20, MOST_LISTED = 1000 };  // of each state

static void add_time(json_t *row, const char *from, const char *to) {
  char text[32] = "";
  const json_t *ms = json_object_get(row, from);
  struct tm tm;
  const time_t seconds = (time_t)(json_integer_value(ms) / 1000);
  if (ms && gmtime_r(&seconds, &tm)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
  json_object_set_new(row, to, json_string(text));
}

// What a function failed with, in one line: a row's reason is its answer as it came.
static void add_why(json_t *row) {
  const char *reason = json_string_value(json_object_get(row, "reason"));
  json_t *answer = reason ? json_loads(reason, 0, NULL) : NULL;
  const char *type = json_string_value(json_object_get(answer, "errorType")), *message = json_string_value(json_object_get(answer, "errorMessage"));
  const char *condition = cli_text(row, "condition");
  const bool is_usual = !*condition || strcmp(condition, "RetriesExhausted") == 0 || (reason && strcmp(reason, condition) == 0);
  json_t *why = type && message ? json_sprintf("%s: %s", type, message) : json_string(reason ? reason : "");
  json_object_set_new(row, "why", json_sprintf("%s%s%s", is_usual ? "" : condition, is_usual ? "" : "; ", json_string_value(why)));
  json_decref(why);
  json_decref(answer);
}

static void print_totals(const json_t *totals) {
  static const char *const names[] = {"waiting", "running", "retrying", "failed"};
  for (size_t i = 0; i < MF_COUNT(names); i++)
    printf("%s%" JSON_INTEGER_FORMAT " %s", i ? ", " : "", json_integer_value(json_object_get(totals, names[i])), names[i]);
  puts(" in all");
  if (json_is_true(json_object_get(totals, "counting"))) puts("(retries of before the server's start are still being counted)");
}

static void say_of_more(const json_t *events, size_t limit) {
  static const char *const names[] = {"waiting", "retrying", "failed"};
  size_t i, n[MF_COUNT(names)] = {0};
  const json_t *event;
  json_array_foreach(events, i, event)
    for (size_t k = 0; k < MF_COUNT(names); k++) n[k] += strcmp(cli_text(event, "state"), names[k]) == 0;
  for (size_t k = 0; k < MF_COUNT(names); k++)
    if (n[k] >= limit) printf("(the first %zu that are %s, the oldest first; --limit N shows up to N of each state)\n", n[k], names[k]);
}

static void print_events(const json_t *json, size_t limit) {
  static const cli_column functions[] = {{"FUNCTION", "function", false}, {"WAITING", "waiting", true}, {"RUNNING", "running", true}};
  static const cli_column columns[] = {{"STATE", "state", false}, {"ID", "id", false}, {"ATTEMPTS", "attempts", true}, {"ACCEPTED", "accepted", false},
                                       {"DUE OR FAILED", "at", false}, {"REASON", "why", false}};
  size_t i;
  json_t *row;
  const json_t *events = json_object_get(json, "events"), *counts = json_object_get(json, "functions");
  json_array_foreach(events, i, row) add_time(row, "accepted_ms", "accepted"), add_time(row, "at_ms", "at"), add_why(row);
  if (json_array_size(events) == 0 && json_array_size(counts) == 0) {
    puts("no events wait, run or have failed");
    return;
  }
  if (json_array_size(counts) > 0) cli_print_table(counts, functions, MF_COUNT(functions)), putchar('\n');
  if (json_array_size(events) > 0) cli_print_table(events, columns, MF_COUNT(columns)), say_of_more(events, limit), putchar('\n');
  print_totals(json_object_get(json, "totals"));
}

static bool ask_for_events(const cli_server *server, const char *name, const char *after, size_t limit, json_t **json, mf_error *err) {
  mf_buf path = {0};
  mf_buf_text(&path, name ? "/_mayfly/events/" : "/_mayfly/events");
  if (name) cli_encode(&path, name);
  mf_buf_format(&path, "?limit=%zu%s%s", limit, after ? "&after=" : "", after ? after : "");
  mf_buf_append(&path, "", 1);
  const cli_request request = {.method = "GET", .path = path.data};
  const bool ok = path.failed ? mf_fail(err, MF_OutOfMemory, "no memory for a request") : cli_ask(server, &request, json, err);
  mf_buf_deinit(&path);
  return ok;
}

static size_t count_retrying(const json_t *events) {
  size_t i, n = 0;
  const json_t *event;
  json_array_foreach(events, i, event) n += strcmp(json_string_value(json_object_get(event, "state")), "retrying") == 0;
  return n;
}

// The server looks at some of many retries at a time: it is asked until those of the function are enough, or all were looked at.
static bool ask_on(const cli_server *server, const char *name, size_t limit, json_t *json, mf_error *err) {
  json_t *events = json_object_get(json, "events");
  for (size_t n; json_object_get(json, "next") && (n = count_retrying(events)) < limit;) {
    json_t *more = NULL;
    if (!ask_for_events(server, name, json_string_value(json_object_get(json, "next")), limit - n, &more, err)) return false;
    json_array_extend(events, json_object_get(more, "events"));
    json_object_del(json, "next");
    if (json_object_get(more, "next")) json_object_set(json, "next", json_object_get(more, "next"));
    json_decref(more);
  }
  json_object_del(json, "next");
  return true;
}

// A function that was removed may have left events; of one that never was there is nothing to list.
static bool is_known(const cli_server *server, const char *name, const json_t *json, mf_error *err) {
  json_t *function = NULL;
  if (!name || json_array_size(json_object_get(json, "events")) > 0 || json_array_size(json_object_get(json, "functions")) > 0) return true;
  const bool known = cli_ask_about(server, "GET", "/_mayfly/functions/", name, &function, err);
  json_decref(function);
  return known;
}

static int list_events(const cli_server *server, const char *name, size_t limit, bool as_json) {
  mf_error err;
  json_t *json = NULL;
  const bool ok = ask_for_events(server, name, NULL, limit, &json, &err) && ask_on(server, name, limit, json, &err) && is_known(server, name, json, &err);
  if (ok && cli_wants_json(as_json)) cli_print_json(json);
  else if (ok) print_events(json, limit);
  json_decref(json);
  return ok ? CLI_OK : cli_fail(&err);
}

static int show_event(const cli_server *server, const char *id) {
  mf_buf path = {0};
  mf_error err;
  cli_answer answer = {0};
  mf_buf_text(&path, "/_mayfly/event-payloads/");
  cli_encode(&path, id);
  mf_buf_append(&path, "", 1);
  const cli_request request = {.method = "GET", .path = path.data};
  bool ok = path.failed ? mf_fail(&err, MF_OutOfMemory, "no memory for a request") : cli_send(server, &request, &answer, &err);
  ok = ok && cli_answer_is_good(&answer, &err);
  if (ok) fwrite(answer.body.data, 1, answer.body.len, stdout);
  const int status = ok ? CLI_OK : cli_fail(&err);
  cli_answer_free(&answer);
  mf_buf_deinit(&path);
  return status;
}

typedef struct action {
  const char *name, *method, *prefix, *done;  // method NULL: shows it
} action;

static const action *find_action(const char *name) {
  static const action actions[] = {{"show", NULL, NULL, NULL},
                                   {"retry", "POST", "/_mayfly/event-retries/", "is tried again"},
                                   {"drop", "DELETE", "/_mayfly/events/", "is dropped"}};
  for (size_t i = 0; i < MF_COUNT(actions); i++)
    if (strcmp(name, actions[i].name) == 0) return &actions[i];
  return NULL;
}

int mf_cli_events(int argc, char **argv) {
  cli_server server = {0};
  bool as_json = false;
  const char *limit = NULL;
  long listed = LISTED;
  mf_error err;
  const cli_option options[] = {{"--json", NULL, &as_json}, {"--limit", &limit, NULL}, CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (limit && !cli_number("--limit", limit, 1, MOST_LISTED, &listed)) return CLI_USAGE;
  const action *does = argc > 1 ? find_action(argv[1]) : NULL;
  if (argc > (does ? 3 : 2)) return cli_usage("events", "events takes nothing, the NAME of a function, or show, retry or drop and an ID");
  if (does && argc < 3) return cli_usage("events", "show, retry and drop take the ID of an event, which `mayfly events` lists");
  if (!cli_find_server(&server, &err)) return cli_fail(&err);
  if (!does) return list_events(&server, argc == 2 ? argv[1] : NULL, (size_t)listed, as_json);
  if (!does->method) return show_event(&server, argv[2]);
  if (!cli_ask_about(&server, does->method, does->prefix, argv[2], NULL, &err)) return cli_fail(&err);
  if (!cli_wants_json(as_json)) cli_line(STDOUT_FILENO, "%s %s", argv[2], does->done);
  return CLI_OK;
}
