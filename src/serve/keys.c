// Access keys. There are few, so they are all in memory; a list is enough. The root key cannot be removed: the command line uses it.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "internal.h"
#include "sessions.h"

enum { ID_BYTES = 20, SECRET_BYTES = 40, MAX_KEYS = 10000 };
#define ROOT_FILE "root-key"

typedef struct access_key {
  struct access_key *next;
  char id[ID_BYTES + 1], secret[SECRET_BYTES + 1], created[32];
  bool root;
} access_key;

struct mf_serve_keys {
  mf_store *store;
  access_key *first;
  const access_key *root;
  uint32_t count;
};

static access_key *find(const mf_serve_keys *keys, mf_str id) {
  for (access_key *key = keys->first; key; key = key->next)
    if (mf_str_is(id, key->id)) return key;
  return NULL;
}

// ---- temporary credentials ----
static mf_key_verdict session_secret(mf_serve_keys *keys, mf_str id, mf_str token, mf_arena *arena, mf_str *secret) {
  mf_session session;
  if (!mf_session_open(mf_str_from(keys->root->secret), id, token, arena, &session, secret) || !find(keys, session.parent))
    return MF_KEY_UNKNOWN;
  return session.expires_s > mf_wall_ns() / MF_NS_PER_S ? MF_KEY_GOOD : MF_KEY_EXPIRED;
}

mf_key_verdict mf_serve_keys_secret(mf_serve_keys *keys, mf_str id, mf_str session_token, mf_arena *arena, mf_str *secret) {
  if (session_token.len > 0) return session_secret(keys, id, session_token, arena, secret);
  const access_key *key = find(keys, id);
  if (key) *secret = mf_str_from(key->secret);
  return key ? MF_KEY_GOOD : MF_KEY_UNKNOWN;
}

bool mf_serve_keys_session(mf_serve_keys *keys, const mf_principal *principal, mf_arena *arena, mf_sts_session *out) {
  mf_session session;
  mf_str secret;
  if (!mf_session_open(mf_str_from(keys->root->secret), principal->access_key, principal->session_token, arena, &session, &secret))
    return false;
  *out = session.who;
  return true;
}

// A session that asks for another hands on whom it comes from.
void mf_serve_keys_issue(mf_serve_keys *keys, const mf_principal *by, const mf_sts_session *who, int64_t expires_s, mf_sts_credentials *out) {
  mf_session parent, session = {.who = *who, .parent = by->access_key, .expires_s = expires_s};
  mf_str secret;
  mf_arena arena;
  mf_arena_init(&arena, 0);
  if (by->session_token.len > 0 &&
      mf_session_open(mf_str_from(keys->root->secret), by->access_key, by->session_token, &arena, &parent, &secret))
    session.parent = parent.parent;
  mf_session_make(mf_str_from(keys->root->secret), &session, out);
  mf_arena_deinit(&arena);
}

static void add(mf_serve_keys *keys, access_key *key) {
  key->next = keys->first;
  keys->first = key;
  keys->count++;
}

static void take_out(mf_serve_keys *keys, access_key *key) {
  access_key **at = &keys->first;
  while (*at != key) at = &(*at)->next;
  *at = key->next;
  keys->count--;
}

// As AWS's look: AKIA and 16 of A-Z2-7; 40 of base64's alphabet.
static access_key *make_key(bool root) {
  static const char id_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  uint8_t random[30];
  access_key *key = calloc(1, sizeof *key);
  if (!key) return NULL;
  mf_random(random, 16);
  memcpy(key->id, "AKIA", 4);
  for (int i = 0; i < 16; i++) key->id[4 + i] = id_letters[random[i] % 32];
  mf_random(random, sizeof random);
  mf_base64_encode((mf_slice){random, sizeof random}, key->secret);
  time_t now = time(NULL);
  struct tm utc;
  strftime(key->created, sizeof key->created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  key->root = root;
  return key;
}

static bool store_key(mf_serve_keys *keys, const access_key *key, mf_store_done *done, void *context, mf_error *err) {
  json_t *row = json_pack("{s:s,s:s,s:b}", "secret", key->secret, "created", key->created, "root", key->root);
  char *text = row ? mf_json_text(row) : NULL;
  mf_write write = {MF_TABLE_keys, mf_str_from(key->id), {text, text ? strlen(text) : 0}};
  bool ok = text ? mf_store_commit(keys->store, &write, 1, done, context, err) : mf_fail(err, MF_OutOfMemory, "no memory for a key");
  json_decref(row);
  free(text);
  return ok;
}

// ---- opening ----
static bool load_key(void *context, mf_str id, mf_slice value) {
  mf_serve_keys *keys = context;
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  const char *secret = json_string_value(json_object_get(row, "secret")), *created = json_string_value(json_object_get(row, "created"));
  access_key *key = secret ? calloc(1, sizeof *key) : NULL;
  if (key) {
    snprintf(key->id, sizeof key->id, "%.*s", MF_STR_ARG(id));
    snprintf(key->secret, sizeof key->secret, "%s", secret);
    snprintf(key->created, sizeof key->created, "%s", created ? created : "");
    key->root = json_is_true(json_object_get(row, "root"));
    add(keys, key);
  }
  json_decref(row);
  return true;
}

static bool write_root_file(mf_store *store, const access_key *key, mf_error *err) {
  char text[200];
  int len = snprintf(text, sizeof text, "{\"AccessKeyId\": \"%s\", \"SecretAccessKey\": \"%s\"}\n", key->id, key->secret);
  return mf_store_write_file(store, ROOT_FILE, (mf_str){text, (size_t)len}, err);
}

static bool ensure_root(mf_serve_keys *keys, mf_error *err) {
  access_key *root = keys->first;
  while (root && !root->root) root = root->next;
  if (!root) {
    root = make_key(true);
    if (!root) return mf_fail(err, MF_OutOfMemory, "no memory for a key");
    add(keys, root);
    if (!store_key(keys, root, NULL, NULL, err)) return false;
  }
  keys->root = root;
  return write_root_file(keys->store, root, err);
}

mf_serve_keys *mf_serve_keys_open(mf_store *store, mf_error *err) {
  mf_serve_keys *keys = calloc(1, sizeof *keys);
  if (!keys) {
    mf_fail(err, MF_OutOfMemory, "no memory for keys");
    return NULL;
  }
  keys->store = store;
  if (mf_store_scan(store, MF_TABLE_keys, MF_STR(""), MF_STR(""), MAX_KEYS, load_key, keys, err) && ensure_root(keys, err))
    return keys;
  mf_serve_keys_close(keys);
  return NULL;
}

void mf_serve_keys_close(mf_serve_keys *keys) {
  while (keys && keys->first) {
    access_key *key = keys->first;
    take_out(keys, key);
    free(key);
  }
  free(keys);
}

// ---- /_mayfly/keys ----
static void respond(mf_http_request *http, int status, json_t *body) {
  static const mf_header type = {"Content-Type", {"application/json", 16}};
  char *text = body ? mf_json_text(body) : NULL;
  mf_respond(http, status, &type, text ? 1 : 0, (mf_slice){text, text ? strlen(text) : 0}, NULL, NULL);
  free(text);
  json_decref(body);
}

// Keys last; whoever has temporary credentials must not make them last as well, nor look at what is not his.
static bool is_lasting(mf_http_request *http, const mf_principal *principal) {
  if (principal->session_token.len == 0) return true;
  mf_respond_error(http, 403, "AccessDeniedException", "access keys cannot be looked at, made or removed with temporary credentials", true);
  return false;
}

static void list_keys(mf_http_request *http, const mf_principal *principal, void *context) {
  if (!is_lasting(http, principal)) return;
  mf_serve_keys *keys = context;
  json_t *rows = json_array();
  for (const access_key *key = keys->first; key; key = key->next)
    json_array_append_new(rows, json_pack("{s:s,s:s,s:s}", "AccessKeyId", key->id, "CreateDate", key->created, "Kind", key->root ? "root" : "user"));
  respond(http, 200, json_pack("{s:o}", "keys", rows));
}

// A change on its way to the disk; the key works, or no longer works, from the moment that the answer says so.
typedef struct key_change {
  mf_serve_keys *keys;
  mf_http_request *http;  // NULL: gone
  access_key *key;
  bool removal, done;
} key_change;

static void request_ended(mf_http_request *http, void *data, bool answered) {
  (void)http;
  (void)answered;
  key_change *change = data;
  change->http = NULL;
  if (change->done) free(change);
}

static key_change *begin_change(mf_serve_keys *keys, mf_http_request *http, access_key *key, bool removal) {
  key_change *change = key ? calloc(1, sizeof *change) : NULL;
  if (!change) {
    mf_respond_error(http, 500, "ServiceException", "out of memory", true);
    return NULL;
  }
  *change = (key_change){.keys = keys, .http = http, .key = key, .removal = removal};
  mf_request_set_data(http, change);
  mf_request_on_end(http, request_ended);
  return change;
}

static void answer_change(key_change *change, const mf_error *err) {
  access_key *key = change->key;
  if (err) mf_respond_error(change->http, 500, "ServiceException", err->message, true);
  else if (change->removal) respond(change->http, 204, NULL);
  else respond(change->http, 201, json_pack("{s:s,s:s,s:s}", "AccessKeyId", key->id, "SecretAccessKey", key->secret, "CreateDate", key->created));
}

static void change_stored(void *context, const mf_error *err) {
  key_change *change = context;
  bool keep = change->removal ? err != NULL : err == NULL;
  if (keep) add(change->keys, change->key);
  if (change->http) answer_change(change, err);
  if (!keep) free(change->key);
  change->done = true;
  if (!change->http) free(change);
}

static void new_key(mf_http_request *http, const mf_principal *principal, void *context) {
  mf_serve_keys *keys = context;
  mf_error err;
  if (!is_lasting(http, principal)) return;
  if (keys->count >= MAX_KEYS) {
    mf_respond_error(http, 409, "LimitExceededException", "there are 10000 keys: remove some", true);
    return;
  }
  access_key *key = make_key(false);
  key_change *change = begin_change(keys, http, key, false);
  if (!change) free(key);
  else if (!store_key(keys, key, change_stored, change, &err)) change_stored(change, &err);
}

static void remove_key(mf_http_request *http, const mf_principal *principal, void *context) {
  mf_serve_keys *keys = context;
  mf_error err;
  if (!is_lasting(http, principal)) return;
  mf_str target = mf_request_target(http), prefix = MF_STR("/_mayfly/keys/");
  mf_str id = {target.data + prefix.len, target.len - prefix.len};
  access_key *key = find(keys, id);
  if (!key) {
    mf_respond_error(http, 404, "ResourceNotFoundException", "there is no such key", true);
    return;
  }
  if (key->root) {
    mf_respond_error(http, 400, "InvalidParameterValueException", "the root key cannot be removed: the command line uses it", true);
    return;
  }
  key_change *change = begin_change(keys, http, key, true);
  if (!change) return;
  take_out(keys, key);
  mf_write write = {MF_TABLE_keys, mf_str_from(key->id), {0}};
  if (!mf_store_commit(keys->store, &write, 1, change_stored, change, &err)) change_stored(change, &err);
}

bool mf_serve_keys_route(mf_serve_keys *keys, mf_http_request *http, mf_route_result *result) {
  mf_str target = mf_request_target(http), method = mf_request_method(http);
  bool is_list = mf_str_is(target, "/_mayfly/keys"), is_one = mf_str_starts(target, MF_STR("/_mayfly/keys/"));
  *result = (mf_route_result){.context = keys};
  if (is_list && mf_str_is(method, "GET")) result->handle = list_keys;
  else if (is_list && mf_str_is(method, "POST")) result->handle = new_key;
  else if (is_one && mf_str_is(method, "DELETE")) result->handle = remove_key;
  return result->handle != NULL;
}
