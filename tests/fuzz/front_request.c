// Targets, requests, signatures.
#include "front_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "services/lambda/internal.h"
#include "wire/canonical.h"
#include "wire/sigv4.h"

enum { ROOM = 24 };

// ---- targets: the tables, put one behind the other ----
static front_target targets[FRONT_TARGETS];  // supported ones first
static uint32_t n_targets, n_supported;

uint32_t front_n_targets(void) { return n_targets; }
const front_target *front_target_at(uint32_t i) { return &targets[i]; }

static void add(front_target target, const char *service, const char *name, bool supported) {
  if (n_targets == FRONT_TARGETS)
    world_fail("more than %d operations: raise FRONT_TARGETS", FRONT_TARGETS);
  snprintf(target.name, sizeof target.name, "%s.%s", service, name);
  target.service = service;
  target.supported = supported;
  targets[n_targets++] = target;
}

static void add_lambda(bool supported) {
  for (uint32_t i = 0; i < mf_n_operations; i++) {
    const mf_operation *o = &mf_operations[i];
    if ((o->handle != NULL) == supported)
      add(
          (front_target){
              .protocol = FRONT_LAMBDA, .method = o->method, .path = o->path, .input = o->input},
          "lambda", o->name, supported);
  }
}

static void add_rpc(const mf_rpc_service *service, const char *name, bool supported) {
  for (uint32_t i = 0; i < service->n_operations; i++) {
    const mf_rpc_operation *o = &service->operations[i];
    if ((o->handle != NULL) == supported)
      add((front_target){.protocol = FRONT_RPC,
                         .rpc = service,
                         .operation = o->name,
                         .input = o->handle ? o->input : NULL},
          name, o->name, supported);
  }
}

// Paths of ours; "{}" is a text of the bytes' choice.
static const char *const own[][2] = {
    {"GET", "/_mayfly/functions"},
    {"GET", "/_mayfly/functions/{}"},
    {"PUT", "/_mayfly/functions/{}"},
    {"GET", "/_mayfly/cost"},
    {"GET", "/_mayfly/cost/{}"},
    {"GET", "/_mayfly/logs/{}"},
    {"GET", "/_mayfly/events"},
    {"GET", "/_mayfly/events/{}"},
    {"DELETE", "/_mayfly/events/{}"},
    {"POST", "/_mayfly/event-retries/{}"},
    {"GET", "/_mayfly/event-payloads/{}"},
    {"GET", "/_mayfly/packages/{}"},
    {"GET", "/_mayfly/keys"},
    {"POST", "/_mayfly/keys"},
    {"DELETE", "/_mayfly/keys/{}"},
    {"GET", "/metrics"},
    {"GET", "/healthz"},
    {"GET", "/{}"},
    {"PATCH", "/2015-03-31/functions/{}"},
};

static void add_others(void) {
  char name[64];
  for (size_t i = 0; i < MF_COUNT(own); i++) {
    snprintf(name, sizeof name, "%s %s", own[i][0], own[i][1]);
    add((front_target){.protocol = FRONT_OWN, .method = own[i][0], .path = own[i][1]}, "lambda",
        name, true);
  }
  for (int i = 0; i < 3; i++) {  // several, since they stand for much
    snprintf(name, sizeof name, "url %d", i);
    add((front_target){.protocol = FRONT_URL}, "lambda", name, true);
  }
  add((front_target){.protocol = FRONT_HOST}, "lambda", "host", true);
}

static void make_targets(void) {
  for (int supported = 1; supported >= 0; supported--) {
    add_lambda(supported);
    add_rpc(&mf_iam_service, "iam", supported);
    add_rpc(&mf_sts_service, "sts", supported);
    add_rpc(&mf_logs_service, "logs", supported);
    if (supported) add_others(), n_supported = n_targets;
  }
}

static const char *target_name(const void *table, uint32_t i) {
  return ((const front_target *)table)[i].name;
}

// Where each number leads is worked out once.
static const front_target *choose_target(front_bytes *in) {
  static uint16_t led_to[1 << 16];  // + 1
  const uint16_t at = front_two(in);
  if (n_targets == 0) make_targets();
  if (led_to[at] == 0)
    led_to[at] = (uint16_t)(front_choose(at, target_name, targets, n_supported) + 1);
  if (at < 512) return &targets[n_supported + at % (n_targets - n_supported)];
  return &targets[led_to[at] - 1];
}

// ---- what a request is made of ----
typedef struct making {
  front_asked *asked;
  mf_arena *arena;
  front_source *from;
  mf_buf path, query, body;
  uint8_t mode, more;
  mf_str region;
} making;

static void add_header(making *m, const char *name, mf_str value) {
  front_asked *asked = m->asked;
  if (asked->request.n_headers < ROOM)
    asked->headers[asked->request.n_headers++] = (mf_header){name, value};
}

// A header's value as libmicrohttpd lets it through: no line's end, no NUL.
static mf_str header_text(making *m, mf_str text) {
  char *copy = mf_arena_alloc(m->arena, text.len + 1);
  for (size_t i = 0; i < text.len; i++) copy[i] = strchr("\r\n", text.data[i]) ? ' ' : text.data[i];
  return (mf_str){copy, text.len};
}

// ClientContext goes into X-Amz-Client-Context.
static const char *header_name(making *m, const char *member) {
  mf_buf out = {.arena = m->arena};
  mf_buf_text(&out, "X-Amz");
  for (; *member; member++)
    mf_buf_format(&out, *member >= 'A' && *member <= 'Z' ? "-%c" : "%c", *member);
  return out.data;
}

static void add_parameter(making *m, const front_value *value) {
  const char *name = value->field->sent_as ? value->field->sent_as : value->name;
  const front_value *element = value->kind == FRONT_LIST ? value->first : value;
  for (; element; element = value->kind == FRONT_LIST ? element->next : NULL) {
    mf_buf_format(&m->query, "%s%s=", m->query.len ? "&" : "", name);
    mf_percent_encode(&m->query, front_plain(element, m->arena), false);
  }
}

// Takes what stands in the path out of the members.
static void write_label(making *m, mf_str label, front_value *members) {
  for (front_value *v = members; v; v = v->next) {
    if (!mf_str_is(label, v->field->sent_as ? v->field->sent_as : v->name)) continue;
    mf_percent_encode(&m->path, front_plain(v, m->arena), false);
    v->kind = FRONT_ABSENT;
    return;
  }
  mf_buf_text(&m->path, "x1");
}

static void write_path(making *m, front_value *members) {
  const char *path = m->asked->target->path, *query = strchr(path, '?'),
             *end = query ? query : path + strlen(path);
  while (path < end) {
    const char *open = memchr(path, '{', (size_t)(end - path)),
               *close = open ? memchr(open, '}', (size_t)(end - open)) : NULL;
    mf_buf_append(&m->path, path, (size_t)((close ? open : end) - path));
    if (!close) break;
    write_label(m, (mf_str){open + 1, (size_t)(close - open - 1)}, members);
    path = close + 1;
  }
  if (query) mf_buf_text(&m->query, query + 1);
}

static void ask_lambda(making *m) {
  const front_target *target = m->asked->target;
  static const mf_shape none = {"", NULL, 0};
  front_value *members = front_values(m->from, target->input ? target->input : &none);
  bool has_payload = false;
  write_path(m, members);
  for (front_value *v = members; v; v = v->next) {
    if (v->field->kind == MF_BLOB) {  // of its own: the body is the payload, not JSON
      has_payload |= strcmp(v->name, "ZipFile") != 0;
      if (has_payload && v->kind != FRONT_ABSENT) mf_buf_str(&m->body, front_plain(v, m->arena));
    }
    if (v->kind == FRONT_ABSENT || !(v->field->flags & (MF_IN_QUERY | MF_IN_HEADER))) continue;
    if (v->field->flags & MF_IN_QUERY)
      add_parameter(m, v);
    else
      add_header(m, header_name(m, v->name), header_text(m, front_plain(v, m->arena)));
    v->kind = FRONT_ABSENT;
  }
  if (!has_payload && (strcmp(target->method, "POST") == 0 || strcmp(target->method, "PUT") == 0))
    front_write_json(&m->body, members);
}

static void ask_rpc(making *m) {
  const front_target *target = m->asked->target;
  static const mf_shape none = {"", NULL, 0};
  front_value *members = front_values(m->from, target->input ? target->input : &none);
  mf_buf_text(&m->path, "/");
  if (target->rpc->form == MF_FORM_JSON) {
    front_write_json(&m->body, members);
    add_header(
        m, "X-Amz-Target",
        mf_str_from(mf_str_format(m->arena, "%s.%s", target->rpc->version, target->operation)));
    add_header(m, "Content-Type", MF_STR("application/x-amz-json-1.1"));
    return;
  }
  mf_buf *out = m->more & 1 ? &m->query : &m->body;
  mf_buf_format(out, "Action=%s&Version=%s", target->operation, target->rpc->version);
  front_write_form(out, members);
  if (out == &m->body)
    add_header(m, "Content-Type", MF_STR("application/x-www-form-urlencoded; charset=utf-8"));
}

static mf_str any_text(making *m) {
  const uint8_t how = front_byte(m->from->in);
  if (how < 64) return MF_STR("f");
  return how < 160 ? front_recall(m->from->kept, front_byte(m->from->in)) : front_text(m->from->in);
}

static void ask_own(making *m) {
  const char *path = m->asked->target->path, *place = strstr(path, "{}");
  mf_buf_append(&m->path, path, place ? (size_t)(place - path) : strlen(path));
  if (place) mf_percent_encode(&m->path, any_text(m), m->more & 1);
  if (strcmp(m->asked->target->method, "PUT") == 0)
    mf_buf_str(&m->body, m->more & 2 ? any_text(m) : MF_STR("PK\5\6"));
  if (m->more & 4) mf_buf_format(&m->query, "position=%u", front_byte(m->from->in));
}

// https://ID.lambda-url.REGION.on.aws/ out of an earlier answer, by name or by path.
static mf_str url_id(making *m) {
  uint8_t skip = front_byte(m->from->in) % 4;
  for (uint32_t i = 0; i < m->from->kept->n; i++) {
    const mf_str text = front_recall(m->from->kept, (uint8_t)i);
    if (mf_str_starts(text, MF_STR("https://")) &&
        memmem(text.data, text.len, ".lambda-url.", 12) && skip-- == 0)
      return (mf_str){text.data + 8, strcspn(text.data + 8, ".")};
  }
  return MF_STR("nobodysurl");
}

static const char *const url_methods[] = {"GET",    "POST", "OPTIONS", "PUT",
                                          "DELETE", "HEAD", "PATCH",   "TRACE"};
static const char *const url_headers[] = {"Origin",
                                          "Access-Control-Request-Method",
                                          "Access-Control-Request-Headers",
                                          "Cookie",
                                          "Content-Type",
                                          "Accept",
                                          "X-Forwarded-For",
                                          "Range"};
static const char *const url_values[] = {"https://example.com",
                                         "GET",
                                         "x-a, x-b",
                                         "a=b; c=d",
                                         "multipart/form-data; boundary=b",
                                         "image/png",
                                         "text/plain; charset=utf-8",
                                         "application/json",
                                         "null",
                                         "*",
                                         "application/octet-stream",
                                         ""};

static mf_str ask_url(making *m) {
  front_bytes *in = m->from->in;
  const uint8_t how = front_byte(in);
  const mf_str id = url_id(m);
  m->asked->request.method = mf_str_from(url_methods[how % 8]);
  mf_buf_format(&m->path, how & 8 ? "/_url/%.*s/" : "/", MF_STR_ARG(id));
  if (how & 16) mf_percent_encode(&m->path, front_text(in), true);
  for (uint8_t n = front_byte(in) & 3; n > 0; n--) {
    const char *name = url_headers[front_byte(in) % MF_COUNT(url_headers)];
    const uint8_t which = front_byte(in);
    add_header(m, name,
               which < 64 ? header_text(m, front_text(in))
                          : mf_str_from(url_values[which % MF_COUNT(url_values)]));
  }
  if (how & 32) mf_buf_str(&m->body, front_text(in));
  if (how & 64) mf_buf_str(&m->query, MF_STR("a=1&a=%zz&=&b"));
  return how & 8 ? MF_STR("127.0.0.1:4566")
                 : mf_str_from(
                       mf_str_format(m->arena, "%.*s.lambda-url.us-east-1.on.aws", MF_STR_ARG(id)));
}

static void tell_host(front_source *from) {
  world_hosting.outcome = front_byte(from->in);
  world_hosting.response = front_text(from->in);
}

// ---- signatures ----
static mf_str date_text(mf_arena *arena, int64_t offset_s) {
  const time_t at = (time_t)(mf_wall_ns() / MF_NS_PER_S + offset_s);
  struct tm utc;
  char text[32];
  strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", gmtime_r(&at, &utc));
  return mf_str_copy(arena, mf_str_from(text));
}

static mf_sigv4_request parts_of(const front_asked *asked) {
  const mf_str target = asked->request.target;
  const char *mark = memchr(target.data, '?', target.len);
  mf_sigv4_request parts = {.method = asked->request.method,
                            .target = target,
                            .query = MF_STR(""),
                            .headers = asked->headers,
                            .n_headers = asked->request.n_headers};
  if (mark) {
    parts.target.len = (size_t)(mark - target.data);
    parts.query = (mf_str){mark + 1, target.len - parts.target.len - 1};
  }
  mf_sha256(asked->request.body.data, asked->request.body.len, parts.payload_sha256);
  return parts;
}

static const int64_t skews[] = {-301,  -299, -901, 901, -86400,     86400,
                                -3600, 299,  301,  -60, 2000000000, -1700000000};

static mf_str sign(making *m, const front_credentials *session, mf_str date) {
  mf_error err;
  mf_str authorization;
  const bool temporary = session != NULL;
  const mf_sigv4_request parts = parts_of(m->asked);
  if (!mf_sigv4_sign(&parts, mf_str_from(temporary ? session->access_key : world_access_key),
                     mf_str_from(temporary ? session->secret : world_secret), m->region,
                     mf_str_from(m->asked->target->service), date, m->arena, &authorization, &err))
    abort();
  return authorization;
}

// The signature in the query, made at a time of the bytes' choice and good for so long: replays
// after expiry, and before.
static void presign(making *m, const front_credentials *session) {
  static const int expires[] = {60, 1, 604800, 604801, 0, 900};
  const uint8_t how = front_byte(m->from->in);
  const mf_str date = date_text(m->arena, skews[how % MF_COUNT(skews)]),
               secret = mf_str_from(session ? session->secret : world_secret);
  mf_signature signature = {.region = m->region,
                            .service = mf_str_from(m->asked->target->service),
                            .date = {date.data, 8},
                            .signed_headers = MF_STR("host")};
  uint8_t key[MF_SHA256_BYTES], result[MF_SHA256_BYTES];
  char payload[MF_SHA256_HEX + 1], hex[MF_SHA256_HEX + 1];
  mf_buf out = {.arena = m->arena};
  memcpy(signature.amz_date, date.data, 16);
  mf_buf_str(&out, m->asked->request.target);
  mf_buf_format(&out,
                "%sX-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=%s%%2F%.8s%%2F%.*s%%2F%s%%"
                "2Faws4_request&X-Amz-Date=%.*s&X-Amz-Expires=%d&X-Amz-SignedHeaders=host",
                memchr(out.data, '?', out.len) ? "&" : "?",
                session ? session->access_key : world_access_key, date.data, MF_STR_ARG(m->region),
                m->asked->target->service, MF_STR_ARG(date), expires[how / 16 % MF_COUNT(expires)]);
  if (session)
    mf_buf_text(&out, "&X-Amz-Security-Token="),
        mf_percent_encode(&out, mf_str_from(session->token), false);
  m->asked->request.target = mf_buf_view(&out);
  const mf_sigv4_request parts = parts_of(m->asked);
  mf_hex(parts.payload_sha256, MF_SHA256_BYTES, payload);
  mf_sigv4_key(secret, signature.date, m->region, signature.service, key);
  if (!mf_sigv4_compute(&parts, &signature, mf_str_from(payload), key, m->arena, result)) abort();
  mf_hex(result, sizeof result, hex);
  mf_buf_format(&out, "&X-Amz-Signature=%s", hex);
  m->asked->request.target = mf_buf_view(&out);
}

// One byte of it is another, it ends early, or it is something else altogether.
static mf_str broken(making *m, mf_str authorization) {
  front_bytes *in = m->from->in;
  const uint8_t how = front_byte(in);
  mf_str copy = mf_str_copy(m->arena, authorization);
  const size_t at = (size_t)front_byte(in) * (copy.len - 1) / 255;
  if (how < 100)
    ((char *)(uintptr_t)copy.data)[at] = (char)(how + 32);
  else if (how < 150)
    copy.len = at;
  else
    copy = header_text(m, front_text(in));
  return copy;
}

enum { SIGN_UNSIGNED = 4, SIGN_BROKEN, SIGN_SKEWED, SIGN_PRESIGNED };

static void add_signature(making *m, const front_credentials *session) {
  const int how = m->mode & 7;
  const uint8_t skew = how == SIGN_SKEWED ? front_byte(m->from->in) : 0;
  m->asked->well_signed = how < SIGN_UNSIGNED;
  if (how == SIGN_PRESIGNED) presign(m, session);
  if (how == SIGN_UNSIGNED || how == SIGN_PRESIGNED) return;
  const mf_str date = date_text(m->arena, how == SIGN_SKEWED ? skews[skew % MF_COUNT(skews)] : 0);
  add_header(m, "X-Amz-Date", date);
  if (session) add_header(m, "X-Amz-Security-Token", mf_str_from(session->token));
  const mf_str authorization = sign(m, session, date);
  add_header(m, "Authorization", how == SIGN_BROKEN ? broken(m, authorization) : authorization);
}

// ---- requests ----
static void finish(making *m, mf_str host) {
  world_request *request = &m->asked->request;
  request->headers = m->asked->headers;
  request->body = m->body.len ? (mf_slice){m->body.data, m->body.len} : (mf_slice){"", 0};
  if (m->query.len) mf_buf_format(&m->path, "?%.*s", MF_STR_ARG(mf_buf_view(&m->query)));
  for (size_t i = 0; i < m->path.len; i++)  // as libmicrohttpd leaves no such byte in a line
    if (strchr(" \r\n", m->path.data[i])) m->path.data[i] = '_';
  request->target = mf_buf_view(&m->path);
  add_header(m, "Host", host);
  if (request->body.len)
    add_header(m, "Content-Length", mf_str_from(mf_str_format(m->arena, "%zu", request->body.len)));
}

// mode: the signature (3 bits), temporary credentials, hang up, the body is bytes, something more
// in the query, another region.
bool front_ask(front_source *from, const front_credentials *session, front_asked *asked) {
  *asked = (front_asked){.target = choose_target(from->in)};
  making m = {.asked = asked,
              .arena = from->arena,
              .from = from,
              .path.arena = from->arena,
              .query.arena = from->arena,
              .body.arena = from->arena};
  mf_str host = MF_STR("127.0.0.1:4566");
  if (asked->target->protocol == FRONT_HOST) {
    tell_host(from);
    return false;
  }
  m.mode = front_byte(from->in);
  m.more = m.mode & 0x60 ? front_byte(from->in) : 0;
  m.region = m.mode & 128 ? MF_STR("eu-west-1") : MF_STR("us-east-1");
  asked->region = m.region;
  asked->request =
      (world_request){.method = mf_str_from(asked->target->method ? asked->target->method : "POST"),
                      .hang_up = m.mode & 16};
  if (asked->target->protocol == FRONT_LAMBDA)
    ask_lambda(&m);
  else if (asked->target->protocol == FRONT_RPC)
    ask_rpc(&m);
  else if (asked->target->protocol == FRONT_OWN)
    ask_own(&m);
  else
    host = ask_url(&m);
  if (m.mode & 32) m.body.len = 0, mf_buf_str(&m.body, front_text(from->in)), asked->odd = true;
  if (m.mode & 64 && m.more & 8) {
    if (m.query.len) mf_buf_text(&m.query, "&");
    mf_buf_str(&m.query, front_text(from->in));
    asked->odd = true;
    if (m.query.data && memchr(m.query.data, 0, m.query.len)) m.query.len = strlen(m.query.data);
  }
  finish(&m, host);
  add_signature(&m, m.mode & 8 && session->access_key[0] ? session : NULL);
  return true;
}

void front_ask_plain(const char *target, mf_arena *arena, front_asked *asked) {
  const uint16_t number = front_number(target);
  const uint8_t bytes[] = {(uint8_t)(number >> 8), (uint8_t)number};
  static const front_kept nothing;
  front_bytes in = {.data = bytes, .len = sizeof bytes};
  front_source from = {.in = &in, .kept = &nothing, .arena = arena};
  front_ask(&from, NULL, asked);
}

void front_ask_again(front_asked *asked, mf_arena *arena) {
  making m = {.asked = asked, .arena = arena, .region = asked->region};
  static const char *const ours[] = {"Authorization", "X-Amz-Date", "X-Amz-Security-Token"};
  uint32_t kept = 0;
  for (uint32_t i = 0; i < asked->request.n_headers; i++) {
    bool is_ours = false;
    for (size_t k = 0; k < MF_COUNT(ours); k++)
      is_ours |= strcmp(asked->headers[i].name, ours[k]) == 0;
    if (!is_ours) asked->headers[kept++] = asked->headers[i];
  }
  asked->request.n_headers = kept;
  asked->request.headers = asked->headers;
  asked->request.hang_up = false;
  add_signature(&m, NULL);
}
