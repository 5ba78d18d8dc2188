// mayfly cost: what each function has cost since a day, by the millisecond, beside the always-on endpoint that it replaces. The server counts,
// the prices are prices.c's.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client.h"
#include "prices.h"

enum { DEFAULT_DAYS = 30, DAY_TEXT = 10 };

typedef struct costs {
  const cli_server *server;
  char since[DAY_TEXT + 1];
  int64_t began_ns;
  json_t *used;       // by name: calls, mb_ms, run_mb_ms, kept_mb_ms, first_day, last_day, first_call
  json_t *functions;  // that there are: rows of /_mayfly/functions
} costs;

// ---- days ----

// Seconds since 1970 of the day's beginning (UTC), of a text that begins with it; -1: it does not.
static int64_t day_seconds(const char *text) {
  char day[DAY_TEXT + 1], back[DAY_TEXT + 1];
  struct tm tm = {0};
  snprintf(day, sizeof day, "%.*s", DAY_TEXT, text);
  const char *end = strptime(day, "%Y-%m-%d", &tm);
  if (!end || *end) return -1;
  const time_t seconds = timegm(&tm);
  return strftime(back, sizeof back, "%Y-%m-%d", &tm) && strcmp(day, back) == 0 ? (int64_t)seconds : -1;
}

// Of "2026-11-30T04:05:06.789+0000"; -1: it is none.
static int64_t time_seconds(const char *text) {
  struct tm tm = {0};
  return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) : -1;
}

static void days_ago(int days, char text[DAY_TEXT + 1]) {
  const time_t seconds = (time_t)(mf_wall_ns() / MF_NS_PER_S) - (time_t)days * 86400;
  struct tm tm;
  if (!gmtime_r(&seconds, &tm) || !strftime(text, DAY_TEXT + 1, "%Y-%m-%d", &tm)) text[0] = '\0';
}

// ---- asking ----

static const char *const numbers[] = {"calls", "mb_ms", "run_mb_ms", "kept_mb_ms"};

static void add_number(json_t *to, const json_t *from, const char *name) {
  json_object_set_new(to, name, json_integer(json_integer_value(json_object_get(to, name)) + json_integer_value(json_object_get(from, name))));
}

// Pieces come in order of days.
static void add_piece(json_t *used, json_t *piece) {
  const char *name;
  json_t *more;
  json_object_foreach(piece, name, more) {
    json_t *sum = json_object_get(used, name);
    if (!sum) {
      json_object_set(used, name, more);
      continue;
    }
    for (size_t i = 0; i < MF_COUNT(numbers); i++) add_number(sum, more, numbers[i]);
    if (json_object_get(more, "last_day")) json_object_set(sum, "last_day", json_object_get(more, "last_day"));
    if (!json_object_get(sum, "first_call")) json_object_set(sum, "first_call", json_object_get(more, "first_call"));
  }
}

static void put_path(mf_buf *path, const costs *c, const char *name, const json_t *next) {
  mf_buf_text(path, "/_mayfly/cost");
  if (name) mf_buf_text(path, "/"), cli_encode(path, name);
  mf_buf_format(path, "?since=%s", c->since);
  if (next) {
    mf_buf_text(path, "&day="), cli_encode(path, cli_text(next, "day"));
    mf_buf_text(path, "&name="), cli_encode(path, cli_text(next, "name"));
  }
  mf_buf_append(path, "", 1);
}

static bool ask_piece(costs *c, const char *name, json_t **next, mf_error *err) {
  mf_buf path = {0};
  json_t *answer = NULL;
  put_path(&path, c, name, *next);
  const cli_request request = {.method = "GET", .path = path.data};
  const bool good = path.failed ? mf_fail(err, MF_OutOfMemory, "no memory for a request") : cli_ask(c->server, &request, &answer, err);
  mf_buf_deinit(&path);
  json_decref(*next);
  *next = NULL;
  if (!good) return false;
  add_piece(c->used, json_object_get(answer, "functions"));
  *next = json_incref(json_object_get(answer, "next"));
  json_decref(answer);
  return true;
}

static bool ask_functions(costs *c, mf_error *err) {
  json_t *list = NULL;
  const cli_request request = {.method = "GET", .path = "/_mayfly/functions"};
  if (!cli_ask(c->server, &request, &list, err)) return false;
  c->functions = json_incref(json_object_get(list, "functions"));
  json_decref(list);
  return true;
}

// One that was removed has used something still, and that is known by now.
static bool ask_function(costs *c, const char *name, mf_error *err) {
  json_t *function = NULL;
  c->functions = json_array();
  if (!cli_ask_about(c->server, "GET", "/_mayfly/functions/", name, &function, err)) return err->code == MF_NotFound;
  const char *changed = cli_text(json_object_get(function, "configuration"), "LastModified");
  const char *created = cli_text(function, "created");
  json_array_append_new(c->functions, json_pack("{s:s,s:s,s:s}", "name", name, "last_modified", changed, "created", created));
  json_decref(function);
  return true;
}

static bool ask(costs *c, const char *name, mf_error *err) {
  json_t *next = NULL;
  do {
    if (!ask_piece(c, name, &next, err)) return false;
    cli_progress(c->began_ns, "what %zu functions have used, up to %s", json_object_size(c->used), cli_text(next, "day"));
  } while (next);
  cli_progress_end();
  return name ? ask_function(c, name, err) : ask_functions(c, err);
}

// ---- reckoning ----

// When the function was made; of one that an earlier version made, its last change. -1: there is none.
static int64_t made_seconds(const json_t *function) {
  const int64_t created = time_seconds(cli_text(function, "created"));
  return created >= 0 ? created : time_seconds(cli_text(function, "last_modified"));
}

// An endpoint would have been on since the function was made or called first, whichever is earlier (there may have been one of that name
// before), or since the day asked for; until now, or until the end of a removed function's last day.
static double endpoint_hours(const costs *c, const json_t *used, const json_t *function) {
  const int64_t now = mf_wall_ns() / MF_NS_PER_S;
  const int64_t called = time_seconds(cli_text(used, "first_call")), made = made_seconds(function);
  int64_t from = called >= 0 && (made < 0 || called < made) ? called : made, until = now;
  from = MF_MAX(from, day_seconds(c->since));
  if (!function) until = MF_MIN(now, day_seconds(cli_text(used, "last_day")) + 86400);
  return until > from ? (double)(until - from) / 3600 : 0;
}

static json_t *cost_of(const costs *c, const char *name, const json_t *used, const json_t *function) {
  const uint64_t calls = (uint64_t)json_integer_value(json_object_get(used, "calls"));
  const double mb_ms = (double)json_integer_value(json_object_get(used, "mb_ms")), hours = endpoint_hours(c, used, function);
  const double run = (double)json_integer_value(json_object_get(used, "run_mb_ms")), kept = (double)json_integer_value(json_object_get(used, "kept_mb_ms"));
  return json_pack("{s:s,s:I,s:f,s:f,s:f,s:f,s:f,s:f,s:b}", "name", name, "calls", (json_int_t)calls, "gb_ms", mb_ms / 1024, "provisioned_run_gb_ms",
                   run / 1024, "provisioned_kept_gb_ms", kept / 1024, "usd", cli_price_of_calls(calls, mb_ms) + cli_price_of_provisioned(run, kept), "endpoint_hours", hours, "endpoint_usd", cli_price_of_endpoints(hours), "removed", function == NULL);
}

static json_t *reckon(const costs *c) {
  size_t i;
  const char *name;
  json_t *function, *used, *rows = json_array(), *seen = json_object();
  json_array_foreach(c->functions, i, function) {
    name = cli_text(function, "name");
    json_array_append_new(rows, cost_of(c, name, json_object_get(c->used, name), function));
    json_object_set_new(seen, name, json_true());
  }
  json_object_foreach(c->used, name, used)
    if (!json_object_get(seen, name)) json_array_append_new(rows, cost_of(c, name, used, NULL));
  json_decref(seen);
  return rows;
}

// ---- output ----

static double sum(const json_t *rows, const char *name) {
  size_t i;
  double total = 0;
  const json_t *row;
  json_array_foreach(rows, i, row) total += json_number_value(json_object_get(row, name));
  return total;
}

static void set_text(json_t *row, const json_t *from, const char *name, const char *format) {
  char text[64];
  snprintf(text, sizeof text, format, json_number_value(json_object_get(from, name)));
  json_object_set_new(row, name, json_string(text));
}

// Decimals of a column of dollars: three digits of the least that there is, since a call costs a fraction of a millionth.
static int decimals_of(const json_t *rows, const char *name) {
  enum { FEWEST = 6, MOST = 15, DIGITS = 3 };
  size_t i;
  const json_t *row;
  int decimals = FEWEST;
  json_array_foreach(rows, i, row) {
    double usd = json_number_value(json_object_get(row, name));
    int needed = DIGITS - 1;
    for (; usd > 0 && usd < 1 && needed < MOST; usd *= 10) needed++;
    if (usd > 0) decimals = MF_MAX(decimals, needed);
  }
  return decimals;
}

static void set_dollars(json_t *row, const json_t *from, const char *name, int decimals) {
  char text[64];
  snprintf(text, sizeof text, "%.*f", decimals, json_number_value(json_object_get(from, name)));
  json_object_set_new(row, name, json_string(text));
}

static json_t *shown(const json_t *cost, int decimals) {
  char name[160];
  json_t *row = json_object();
  snprintf(name, sizeof name, "%s%s", cli_text(cost, "name"), json_is_true(json_object_get(cost, "removed")) ? " (removed)" : "");
  json_object_set_new(row, "name", json_string(name));
  json_object_set(row, "calls", json_object_get(cost, "calls"));
  set_text(row, cost, "gb_ms", "%.0f");
  set_text(row, cost, "provisioned_run_gb_ms", "%.0f");
  set_text(row, cost, "provisioned_kept_gb_ms", "%.0f");
  set_dollars(row, cost, "usd", decimals);
  set_text(row, cost, "endpoint_hours", "%.1f");
  set_text(row, cost, "endpoint_usd", "%.2f");
  return row;
}

// Provisioned concurrency has columns when there was some.
static void print_columns(const json_t *table, bool provisioned) {
  static const cli_column columns[] = {{"NAME", "name", false}, {"CALLS", "calls", true}, {"GB-MS", "gb_ms", true},
                                       {"PROVISIONED GB-MS", "provisioned_run_gb_ms", true}, {"KEPT GB-MS", "provisioned_kept_gb_ms", true},
                                       {"USD", "usd", true}, {"ENDPOINT HOURS", "endpoint_hours", true}, {"ENDPOINT USD", "endpoint_usd", true}};
  cli_column those[MF_COUNT(columns)];
  size_t n = 0;
  for (size_t i = 0; i < MF_COUNT(columns); i++)
    if (provisioned || strncmp(columns[i].key, "provisioned", strlen("provisioned")) != 0) those[n++] = columns[i];
  cli_print_table(table, those, n);
}

static void print_table(const costs *c, const json_t *rows) {
  const bool provisioned = sum(rows, "provisioned_run_gb_ms") + sum(rows, "provisioned_kept_gb_ms") > 0;
  size_t i;
  const json_t *row;
  json_t *table = json_array();
  const int decimals = decimals_of(rows, "usd");
  json_array_foreach(rows, i, row) json_array_append_new(table, shown(row, decimals));
  print_columns(table, provisioned);
  printf("\nsince %s (UTC): %.*f USD, %.2f USD always on\n", c->since, decimals, sum(rows, "usd"), sum(rows, "endpoint_usd"));
  cli_print_prices(provisioned);
  json_decref(table);
}

static void print(const costs *c, json_t *rows, bool as_json) {
  json_t *json = json_pack("{s:s,s:O,s:{s:f,s:f},s:o}", "since", c->since, "functions", rows, "total", "usd", sum(rows, "usd"), "endpoint_usd",
                           sum(rows, "endpoint_usd"), "prices", cli_prices_json(true));
  if (cli_wants_json(as_json)) cli_print_json(json);
  else if (json_array_size(rows) == 0) puts("no functions yet: deploy one by `mayfly deploy PATH`");
  else print_table(c, rows);
  json_decref(json);
}

// As given with --since, or the default. false: said why.
static bool read_since(const char *given, char since[DAY_TEXT + 1]) {
  char today[DAY_TEXT + 1], problem[120];
  days_ago(0, today);
  days_ago(DEFAULT_DAYS, since);
  if (!given) return true;
  if (strlen(given) != DAY_TEXT || day_seconds(given) < 0)
    snprintf(problem, sizeof problem, "--since takes a day such as 2026-11-30");
  else if (strcmp(given, today) > 0)
    snprintf(problem, sizeof problem, "--since %s is in the future: it is %s (UTC)", given, today);
  else {
    memcpy(since, given, DAY_TEXT + 1);
    return true;
  }
  (void)cli_usage("cost", problem);
  return false;
}

int mf_cli_cost(int argc, char **argv) {
  cli_server server = {0};
  const char *since = NULL;
  bool as_json = false;
  mf_error err;
  const cli_option options[] = {{"--since", &since, NULL}, {"--json", NULL, &as_json}, CLI_SERVER_OPTIONS(server)};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc > 2) return cli_usage("cost", "cost takes the NAME of at most one function");
  costs c = {.server = &server, .began_ns = mf_now_ns()};
  if (!read_since(since, c.since)) return CLI_USAGE;
  c.used = json_object();
  const bool good = cli_find_server(&server, &err) && ask(&c, argc == 2 ? argv[1] : NULL, &err);
  cli_progress_end();
  if (good) {
    json_t *rows = reckon(&c);
    print(&c, rows, as_json);
    json_decref(rows);
  }
  json_decref(c.used);
  json_decref(c.functions);
  return good ? CLI_OK : cli_fail(&err);
}
