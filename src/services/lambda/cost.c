// GET /_mayfly/cost?since=DATE[&day=DATE&name=NAME]: what was billed since, by function; in pieces, since a row was written for each function
// on each of its days; the last piece has also what is kept at this moment. GET /_mayfly/cost/NAME?since=DATE: the same of one function. Prices
// are the client's matter.
//
//   {"since": "2026-11-01", "today": "2026-11-30", "functions": {"NAME": {"calls", "mb_ms", "run_mb_ms", "kept_mb_ms", "first_day", "last_day",
//   "first_call"}}, "next": {"day", "name"}}
//
// Megabyte-milliseconds: mb_ms ran on demand, run_mb_ms on provisioned concurrency, kept_mb_ms is how long that was kept (standby.h).
#include <stdio.h>

#include "standby.h"

enum { ROWS_AT_ONCE = 5000, DEFAULT_DAYS = 30 };

typedef struct question {
  mf_lambda *lambda;
  mf_http_request *http;
  mf_str region;
  uint32_t since, today;
} question;

// A day among the query's parameters; false: an answer was sent.
static bool day_parameter(mf_http_request *http, const char *name, uint32_t *day, bool *found) {
  mf_str text = mf_request_parameter(http, name, found);
  if (!*found || mf_day_parse(text, day)) return true;
  mf_refuse(http, 400, "InvalidParameterValueException", "%s must be a day such as 2026-11-30, not '%.*s'", name, (int)MF_MIN(text.len, (size_t)40), text.data);
  return false;
}

static bool read_question(mf_http_request *http, const mf_principal *principal, void *context, question *q) {
  bool found;
  *q = (question){.lambda = context, .http = http, .region = principal->region, .today = mf_day_today()};
  q->since = q->today - DEFAULT_DAYS;
  mf_json_begin();
  mf_lambda_cache_flush(&q->lambda->functions);  // so that the rows are all there is
  if (!day_parameter(http, "since", &q->since, &found)) return false;
  if (q->since <= q->today) return true;
  mf_refuse(http, 400, "InvalidParameterValueException", "since must not be in the future");
  return false;
}

static json_t *new_answer(const question *q, json_t *functions) {
  char since[MF_DAY_TEXT + 1], today[MF_DAY_TEXT + 1];
  mf_day_format(q->since, since);
  mf_day_format(q->today, today);
  return json_pack("{s:s,s:s,s:o}", "since", since, "today", today, "functions", functions);
}

static void add_number(json_t *object, const char *name, uint64_t number) {
  json_object_set_new(object, name, json_integer(json_integer_value(json_object_get(object, name)) + (json_int_t)number));
}

// When it was called first, as LastModified has it; of a row that does not tell, the day's beginning.
static json_t *first_call(mf_str day, const mf_billed *billed) {
  char text[40];
  if (billed->first_ms == 0) return json_sprintf("%.*sT00:00:00.000+0000", MF_STR_ARG(day));
  mf_modified_at((int64_t)billed->first_ms * MF_NS_PER_MS, text);
  return json_string(text);
}

static json_t *of_function(json_t *functions, mf_str name, const mf_billed *billed) {
  char key[128];
  snprintf(key, sizeof key, "%.*s", MF_STR_ARG(name));
  json_t *function = json_object_get(functions, key);
  if (!function) json_object_set_new(functions, key, function = json_object());
  add_number(function, "calls", billed->calls);
  add_number(function, "mb_ms", billed->mb_ms);
  add_number(function, "run_mb_ms", billed->run_mb_ms);
  add_number(function, "kept_mb_ms", billed->kept_mb_ms);
  return function;
}

static void add(json_t *functions, mf_str name, mf_str day, const mf_billed *billed) {
  json_t *function = of_function(functions, name, billed);
  if (!json_object_get(function, "first_day")) json_object_set_new(function, "first_day", json_stringn(day.data, day.len));
  json_object_set_new(function, "last_day", json_stringn(day.data, day.len));
  if (billed->calls > 0 && !json_object_get(function, "first_call")) json_object_set_new(function, "first_call", first_call(day, billed));
}

// ---- what is kept still ----

typedef struct keeping {
  json_t *functions;
  uint32_t since;
} keeping;

static void add_kept(void *context, mf_str function_key, const mf_standby *kept) {
  const keeping *k = context;
  of_function(k->functions, mf_lambda_name_of(function_key), &(mf_billed){.kept_mb_ms = mf_standby_since(kept, k->since)});
}

// prefix: of the keys of configurations; NULL: there was no memory for it.
static bool add_open(const question *q, const char *prefix, json_t *functions, mf_error *err) {
  keeping k = {functions, q->since};
  if (!prefix) return mf_fail(err, MF_OutOfMemory, "no memory for what is provisioned");
  return mf_standby_open(q->lambda->env.store, mf_str_from(prefix), add_kept, &k, err);
}

// ---- all ----

typedef struct piece {
  json_t *functions;
  size_t prefix;       // of the keys: "region/"
  uint32_t rows;
  char day[MF_DAY_TEXT + 1], name[128];  // of the last row
} piece;

static bool take_row(void *context, mf_str key, mf_slice value) {
  piece *p = context;
  mf_billed billed;
  p->rows++;
  if (key.len < p->prefix + MF_DAY_TEXT + 2) return true;
  const mf_str day = {key.data + p->prefix, MF_DAY_TEXT};
  const mf_str name = {day.data + MF_DAY_TEXT + 1, key.len - p->prefix - MF_DAY_TEXT - 1};
  snprintf(p->day, sizeof p->day, "%.*s", MF_STR_ARG(day));
  snprintf(p->name, sizeof p->name, "%.*s", MF_STR_ARG(name));
  if (mf_day_parse_row(value, &billed)) add(p->functions, name, day, &billed);
  return true;
}

// Where the piece begins, as a key: behind the row that the last piece ended with, or before the first day. NULL: an answer was sent.
static char *beginning(const question *q) {
  char text[MF_DAY_TEXT + 1];
  uint32_t day = q->since;
  bool has_day, has_name;
  if (!day_parameter(q->http, "day", &day, &has_day)) return NULL;
  const mf_str name = mf_request_parameter(q->http, "name", &has_name);
  mf_day_format(day, text);
  char *key = mf_str_format(mf_request_arena(q->http), "%.*s/%s/%.*s", MF_STR_ARG(q->region), text, MF_STR_ARG(name));
  if (!key) mf_refuse_no_memory(q->http);
  return key;
}

void mf_cost_of_all(mf_http_request *http, const mf_principal *principal, void *context) {
  question q;
  mf_error err;
  if (!read_question(http, principal, context, &q)) return;
  char *after = beginning(&q), *prefix = after ? mf_str_format(mf_request_arena(http), "%.*s/", MF_STR_ARG(q.region)) : NULL;
  if (!after) return;
  piece p = {.functions = json_object(), .prefix = q.region.len + 1};
  if (!prefix) {
    mf_refuse_no_memory(http);
  } else if (!mf_store_scan(q.lambda->env.store, MF_TABLE_days, mf_str_from(prefix), mf_str_from(after), ROWS_AT_ONCE, take_row, &p, &err) ||
             (p.rows < ROWS_AT_ONCE && !add_open(&q, prefix, p.functions, &err))) {
    mf_refuse_error(http, &err);
  } else {
    json_t *answer = new_answer(&q, json_incref(p.functions));
    if (p.rows == ROWS_AT_ONCE) json_object_set_new(answer, "next", json_pack("{s:s,s:s}", "day", p.day, "name", p.name));
    mf_respond_json(http, 200, answer);
  }
  json_decref(p.functions);
}

// ---- one ----

static bool add_day(const question *q, mf_str name, uint32_t day, json_t *functions, mf_error *err) {
  char text[MF_DAY_TEXT + 1], key[320], memory[512];
  mf_arena arena;
  mf_slice value;
  mf_billed billed;
  bool found;
  mf_day_format(day, text);
  snprintf(key, sizeof key, "%.*s/%s/%.*s", MF_STR_ARG(q->region), text, MF_STR_ARG(name));
  mf_arena_init_first(&arena, memory, sizeof memory, 0);
  const bool ok = mf_store_get(q->lambda->env.store, MF_TABLE_days, mf_str_from(key), &arena, &value, &found, err);
  if (ok && found && mf_day_parse_row(value, &billed)) add(functions, name, mf_str_from(text), &billed);
  mf_arena_deinit(&arena);
  return ok;
}

// Neither rows nor a function of that name: false, an answer was sent.
static bool is_known(const question *q, mf_str name, const char *key, const json_t *functions) {
  mf_error err;
  json_t *row = NULL;
  if (json_object_size(functions) > 0) return true;
  const bool ok = mf_row_load(q->lambda->env.store, mf_str_from(key), &row, &err);
  if (!ok) mf_refuse_error(q->http, &err);
  else if (!row) mf_refuse(q->http, 404, "ResourceNotFoundException", "Function not found: %.*s", MF_STR_ARG(name));
  const bool known = ok && row;
  json_decref(row);
  return known;
}

void mf_cost_of_function(mf_http_request *http, const mf_principal *principal, void *context) {
  question q;
  mf_error err;
  mf_str name;
  char *key;
  if (!read_question(http, principal, context, &q) || !mf_own_name(http, principal, &name, &key)) return;
  json_t *functions = json_object();
  bool ok = true;
  for (uint32_t day = MF_MAX(q.since, q.today - MF_DAYS_KEPT); ok && day <= q.today; day++) ok = add_day(&q, name, day, functions, &err);
  ok = ok && add_open(&q, mf_str_format(mf_request_arena(http), "%s:", key), functions, &err);
  if (!ok) mf_refuse_error(http, &err);
  else if (is_known(&q, name, key, functions)) mf_respond_json(http, 200, new_answer(&q, json_incref(functions)));
  json_decref(functions);
}
