// Mayfly's own paths below /_mayfly/: a package as the whole body, lists with counters and instances, logs that can be waited for.
#include <stdio.h>
#include <stdlib.h>

#include "days.h"
#include "deploy.h"
#include "internal.h"
#include "package.h"
#include "urls.h"

enum { LOG_PIECE = 256 << 10, LONGEST_WAIT_MS = 60000, NAME_LENGTH = 64, MAX_LISTED = 1000000 };

// ---- names ----
static bool is_name(mf_str name) {
  for (size_t i = 0; i < name.len; i++) {
    char c = name.data[i];
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) return false;
  }
  return name.len > 0 && name.len <= NAME_LENGTH;
}

bool mf_own_name(mf_http_request *http, const mf_principal *principal, mf_str *name, char **key) {
  mf_str target = mf_request_target(http);
  const char *slash = memrchr(target.data, '/', target.len);
  mf_str last = {slash + 1, target.len - (size_t)(slash + 1 - target.data)};
  bool is_decoded = mf_lambda_decode(mf_request_arena(http), last, name);
  if (!is_decoded || !is_name(*name)) {
    mf_str shown = is_decoded ? *name : last;  // as it was meant
    mf_refuse(http, 400, "InvalidParameterValueException",
              "'%.*s' is no function name: letters, digits, - and _, at most %d of them", (int)MF_MIN(shown.len, (size_t)100), shown.data,
              NAME_LENGTH);
    return false;
  }
  *key = mf_str_format(mf_request_arena(http), "%.*s/%.*s", MF_STR_ARG(principal->region), MF_STR_ARG(*name));
  if (!*key) mf_refuse_no_memory(http);
  return *key != NULL;
}

bool mf_own_number(mf_http_request *http, const char *name, long least, long most, long *out) {
  bool found;
  mf_str text = mf_request_parameter(http, name, &found);
  *out = 0;
  if (!found) return true;
  char *copy = mf_str_format(mf_request_arena(http), "%.*s", MF_STR_ARG(text)), *end = copy;
  if (!copy) {
    mf_refuse_no_memory(http);
    return false;
  }
  long number = strtol(copy, &end, 10);
  if (end != copy && !*end && number >= least && number <= most) {
    *out = number;
    return true;
  }
  mf_refuse(http, 400, "InvalidParameterValueException", "%s must be a number from %ld to %ld", name, least, most);
  return false;
}

// ---- PUT /_mayfly/functions/NAME ----
static void set_told(json_t *row, const mf_package_put *put) {
  json_t *configuration = mf_row_configuration(row);
  mf_deploy_remember_limits(row);
  if (put->memory_mb > 0) {
    json_object_set_new(configuration, "MemorySize", json_integer((json_int_t)put->memory_mb));
    json_object_set_new(row, "memory_told", json_true());
  }
  if (put->timeout_s > 0) {
    json_object_set_new(configuration, "Timeout", json_integer((json_int_t)put->timeout_s));
    json_object_set_new(row, "timeout_told", json_true());
  }
}

static void raw_stored(mf_package_put *put) {
  json_t *row;
  mf_error err;
  mf_str key = mf_str_from(put->key);
  if (!mf_row_load(put->lambda->env.store, key, &row, &err)) {
    mf_reply_error(put->reply, &err);
    mf_package_free(put);
  } else if (!row) {
    json_t *body = json_pack("{s:s}", "Role", "arn:aws:iam::" MF_ACCOUNT ":role/mayfly");
    row = mf_new_row(body, &put->id, put->bytes, mf_lambda_name_of(key));
    json_decref(body);
    set_told(row, put);
    mf_create_row(put, row, 201);
  } else if (mf_is_busy(row)) {
    json_decref(row);
    mf_refuse_busy(put);
  } else {
    set_told(row, put);
    mf_update_row(put, row);
  }
}

static bool brings_package(mf_http_request *http) {
  int fd;
  uint64_t len;
  mf_request_body(http, &fd, &len);
  if (len == 0) mf_refuse(http, 400, "InvalidParameterValueException", "The request has no body: it must be the package, a zip file or a model");
  return len > 0;
}

static void put_function(mf_http_request *http, const mf_principal *principal, void *context) {
  mf_lambda *lambda = context;
  mf_package_put *put;
  mf_str name;
  char *key;
  long memory, timeout;
  if (!mf_own_name(http, principal, &name, &key) || !brings_package(http) || !mf_own_number(http, "memory", 128, 10240, &memory) ||
      !mf_own_number(http, "timeout", 1, 900, &timeout) || !mf_package_begin_raw(lambda, http, key, &put))
    return;
  put->memory_mb = (uint32_t)memory;
  put->timeout_s = (uint32_t)timeout;
  put->stored = raw_stored;
  mf_package_store(put);
}

static void package_too_large(mf_http_request *http, void *context) {
  const mf_lambda *lambda = context;
  mf_refuse(http, 413, "RequestEntityTooLargeException", "The package is larger than %llu bytes, the limit that --max-package sets",
            (unsigned long long)lambda->env.max_package_bytes);
}

// ---- GET /_mayfly/functions and /_mayfly/functions/NAME ----
static mf_counters counters_of(mf_lambda *lambda, mf_str key) {
  mf_counters counters = {0};
  mf_error err;
  mf_lambda_entry *function = mf_lambda_entry_peek(&lambda->functions, key);
  if (function) return function->counters;
  if (!mf_counters_load(lambda->env.store, key, &counters, &err)) mf_log(MF_LOG_ERROR, "%s", err.message);
  return counters;
}

static void add_instances(mf_lambda *lambda, mf_str key, json_t *out) {
  uint32_t idle = 0, busy = 0, queued = 0;
  lambda->env.instances(lambda->env.context, key, &idle, &busy, &queued);
  json_object_set_new(out, "instances_idle", json_integer(idle));
  json_object_set_new(out, "instances_busy", json_integer(busy));
  json_object_set_new(out, "queued", json_integer(queued));
}

typedef struct listing {
  mf_lambda *lambda;
  json_t *rows;
} listing;

static bool list_row(void *context, mf_str key, mf_slice value) {
  listing *l = context;
  json_t *row = json_loadb(value.data, value.len, 0, NULL), *configuration = mf_row_configuration(row);
  mf_str name = mf_lambda_name_of(key);
  if (!row) return true;
  const mf_counters counters = counters_of(l->lambda, key);
  json_t *out = mf_counters_json(&counters);
  json_object_set_new(out, "name", json_stringn(name.data, name.len));
  json_object_set(out, "state", json_object_get(configuration, "State"));
  json_object_set(out, "memory_mb", json_object_get(configuration, "MemorySize"));
  json_object_set(out, "last_modified", json_object_get(configuration, "LastModified"));
  json_object_set(out, "created", json_object_get(row, "created"));
  add_instances(l->lambda, key, out);
  json_array_append_new(l->rows, out);
  json_decref(row);
  return true;
}

static void list_functions(mf_http_request *http, const mf_principal *principal, void *context) {
  mf_error err;
  mf_json_begin();
  listing l = {.lambda = context, .rows = json_array()};
  mf_str prefix = mf_str_from(mf_str_format(mf_request_arena(http), "%.*s/", MF_STR_ARG(principal->region)));
  if (mf_store_scan(l.lambda->env.store, MF_TABLE_functions, prefix, MF_STR(""), MAX_LISTED, list_row, &l, &err)) {
    mf_respond_json(http, 200, json_pack("{s:o}", "functions", l.rows));
  } else {
    json_decref(l.rows);
    mf_refuse_error(http, &err);
  }
}

static json_t *load_description(mf_lambda *lambda, mf_str key, mf_arena *arena) {
  mf_slice value;
  bool found;
  mf_error err;
  if (!mf_store_get(lambda->env.store, MF_TABLE_descriptions, key, arena, &value, &found, &err) || !found) return NULL;
  return json_loadb(value.data, value.len, 0, NULL);
}

static void describe_function(mf_http_request *http, const mf_principal *principal, void *context) {
  mf_lambda *lambda = context;
  mf_error err;
  mf_str name;
  char *key;
  json_t *row;
  mf_json_begin();
  if (!mf_own_name(http, principal, &name, &key)) return;
  if (!mf_row_load(lambda->env.store, mf_str_from(key), &row, &err)) {
    mf_refuse_error(http, &err);
  } else if (!row) {
    mf_refuse(http, 404, "ResourceNotFoundException", "Function not found: %.*s", MF_STR_ARG(name));
  } else {
    const mf_counters counters = counters_of(lambda, mf_str_from(key));
    json_t *out = json_object(), *instances = json_object();
    add_instances(lambda, mf_str_from(key), instances);
    json_object_set_new(out, "configuration", mf_configuration_json(principal->region, name, "", row, false));
    json_object_set_new(out, "counters", mf_counters_json(&counters));
    json_object_set_new(out, "instances", instances);
    json_object_set(out, "created", json_object_get(row, "created"));
    json_t *image = json_object_get(row, "image"), *description = load_description(lambda, mf_str_from(key), mf_request_arena(http));
    if (image) json_object_set(out, "image", image);
    if (description) json_object_set_new(out, "description", description);
    json_t *urls = mf_urls_of(lambda->env.store, mf_str_from(key), &err);
    if (json_array_size(urls) > 0) json_object_set(out, "urls", urls);
    json_decref(urls);
    mf_respond_json(http, 200, out);
  }
  json_decref(row);
}

// ---- GET /_mayfly/logs/NAME?position=N&wait=ms ----
typedef struct mf_log_wait {
  struct mf_log_wait *next;
  mf_lambda *lambda;
  mf_reply *reply;
  mf_http_request *http;
  mf_lambda_entry *function;
  uint64_t position;
  mf_timer timer;
} mf_log_wait;

static json_t *log_answer(mf_lambda *lambda, mf_str key, uint64_t position, bool *has_text) {
  mf_arena arena;
  mf_str text;
  mf_error err;
  mf_arena_init(&arena, 0);
  json_t *out = NULL;
  if (mf_store_log_since(lambda->env.store, key, &position, LOG_PIECE, &arena, &text, &err)) {
    // Foreign bytes: what is no UTF-8 is shown as '?', since JSON has no other way.
    for (size_t i = 0; !mf_str_is_utf8(text) && i < text.len; i++)
      if ((unsigned char)text.data[i] >= 0x80) ((char *)(uintptr_t)text.data)[i] = '?';
    *has_text = text.len > 0;
    out = json_pack("{s:I,s:s%}", "position", (json_int_t)position, "text", text.len ? text.data : "", text.len);
  } else {
    mf_log(MF_LOG_ERROR, "%s", err.message);
    *has_text = false;
  }
  mf_arena_deinit(&arena);
  return out;
}

static void end_wait(mf_log_wait *wait) {
  bool has_text;
  mf_lambda *lambda = wait->lambda;
  for (mf_log_wait **at = &lambda->log_waits; *at; at = &(*at)->next) {
    if (*at != wait) continue;
    *at = wait->next;
    break;
  }
  mf_loop_timer_cancel(lambda->env.loop, &wait->timer);
  mf_json_begin();
  char log_key[MF_LOG_KEY_BYTES];
  mf_reply_json(wait->reply, 200, wait->reply->http ? log_answer(lambda, mf_lambda_log_key(wait->function, log_key), wait->position, &has_text) : NULL);
  wait->function->waiters--;
  mf_lambda_entry_unpin(&lambda->functions, wait->function);
  free(wait);
}

static void wait_over(mf_timer *timer) { end_wait(timer->data); }

void mf_log_waits_wake(mf_lambda *lambda, mf_str key) {
  for (mf_log_wait *wait = lambda->log_waits, *next; wait; wait = next) {
    next = wait->next;
    if (mf_str_equal(wait->function->spec.key, key)) end_wait(wait);
  }
}

void mf_log_waits_end(mf_lambda *lambda) {
  while (lambda->log_waits) end_wait(lambda->log_waits);
}

static void begin_wait(mf_lambda *lambda, mf_http_request *http, mf_lambda_entry *function, uint64_t position, long wait_ms) {
  mf_error err;
  mf_reply *reply = mf_reply_defer(http);
  mf_log_wait *wait = reply ? calloc(1, sizeof *wait) : NULL;
  if (!wait) {
    if (reply) mf_reply_refuse(reply, 500, "ServiceException", "out of memory");
    return;
  }
  *wait = (mf_log_wait){.next = lambda->log_waits, .lambda = lambda, .reply = reply, .function = function, .position = position};
  wait->timer = (mf_timer){.fire = wait_over, .data = wait};
  lambda->log_waits = wait;
  function->waiters++;
  if (!mf_loop_timer_set(lambda->env.loop, &wait->timer, mf_now_ns() + wait_ms * MF_NS_PER_MS, &err)) end_wait(wait);
}

static void read_log(mf_http_request *http, const mf_principal *principal, void *context) {
  mf_lambda *lambda = context;
  mf_lambda_entry *function;
  mf_error err;
  mf_str name;
  char *key;
  long position, wait_ms;
  bool has_text = false;
  mf_json_begin();
  if (!mf_own_name(http, principal, &name, &key) || !mf_own_number(http, "position", 0, INT64_MAX, &position) ||
      !mf_own_number(http, "wait", 0, LONGEST_WAIT_MS, &wait_ms))
    return;
  if (!mf_lambda_entry_find(&lambda->functions, mf_str_from(key), &function, &err)) {
    mf_refuse_error(http, &err);
    return;
  }
  char log_key[MF_LOG_KEY_BYTES];
  json_t *out = log_answer(lambda, function ? mf_lambda_log_key(function, log_key) : mf_str_from(key), (uint64_t)position, &has_text);
  if (!function && !has_text) {
    mf_refuse(http, 404, "ResourceNotFoundException", "Function not found: %.*s", MF_STR_ARG(name));
  } else if (function && !has_text && wait_ms > 0) {
    begin_wait(lambda, http, function, (uint64_t)position, wait_ms);
  } else {
    mf_respond_json(http, 200, out);
    return;
  }
  json_decref(out);
}

// ---- routes ----
static const struct {
  const char *method, *prefix;  // a prefix that ends in '/' wants one segment more
  void (*handle)(mf_http_request *http, const mf_principal *principal, void *context);
  bool anonymous, has_package;
} routes[] = {
    {"PUT", "/_mayfly/functions/", put_function, false, true},
    {"GET", "/_mayfly/functions/", describe_function, false, false},
    {"GET", "/_mayfly/functions", list_functions, false, false},
    {"GET", "/_mayfly/cost/", mf_cost_of_function, false, false},
    {"GET", "/_mayfly/cost", mf_cost_of_all, false, false},
    {"GET", "/_mayfly/logs/", read_log, false, false},
    {"GET", "/_mayfly/events", mf_own_list_events, false, false},
    {"GET", "/_mayfly/events/", mf_own_list_function_events, false, false},
    {"DELETE", "/_mayfly/events/", mf_own_drop_event, false, false},
    {"POST", "/_mayfly/event-retries/", mf_own_retry_event, false, false},
    {"GET", "/_mayfly/event-payloads/", mf_own_show_event, false, false},
    {"GET", "/_mayfly/packages/", mf_package_download, true, false},
};

static bool is_route(size_t at, mf_str method, mf_str target) {
  mf_str prefix = mf_str_from(routes[at].prefix);
  if (!mf_str_is(method, routes[at].method) || !mf_str_starts(target, prefix)) return false;
  mf_str rest = {target.data + prefix.len, target.len - prefix.len};
  return mf_str_ends(prefix, MF_STR("/")) ? rest.len > 0 && !memchr(rest.data, '/', rest.len) : rest.len == 0;
}

bool mf_own_route(mf_lambda *lambda, mf_http_request *http, mf_route_result *result) {
  mf_str target = mf_request_target(http), method = mf_request_method(http);
  for (size_t i = 0; i < MF_COUNT(routes); i++) {
    if (!is_route(i, method, target)) continue;
    *result = (mf_route_result){.handle = routes[i].handle, .context = lambda, .anonymous = routes[i].anonymous};
    if (routes[i].has_package) {
      result->max_body_bytes = lambda->env.max_package_bytes;
      result->too_large = package_too_large;
    }
    return true;
  }
  return false;
}
