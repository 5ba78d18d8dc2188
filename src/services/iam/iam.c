// The table of operations, and what their handlers share: rows, documents, tags, pages.
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum { DEFAULT_ITEMS = 100, MAX_TAGS = 50 };

static const mf_rpc_operation operations[] = {
#define MF_OPERATION(name, input) {#name, &mf_iam_shape_##input, mf_iam_##name},
#define MF_UNSUPPORTED_OPERATION(name) {#name, NULL, NULL},
#include "operations.def"
#undef MF_OPERATION
#undef MF_UNSUPPORTED_OPERATION
};
const mf_rpc_service mf_iam_service = {.name = "IAM", .version = "2010-05-08", .xmlns = "https://iam.amazonaws.com/doc/2010-05-08/",
                                       .invalid_code = "ValidationError", .form = MF_FORM_QUERY,
                                       .operations = operations, .n_operations = MF_COUNT(operations)};

mf_iam *mf_iam_create(mf_store *store, mf_error *err) {
  mf_iam *iam = calloc(1, sizeof *iam);
  if (!iam) {
    mf_fail(err, MF_OutOfMemory, "no memory for IAM");
    return NULL;
  }
  *iam = (mf_iam){.store = store, .endpoint = {&mf_iam_service, iam}};
  return iam;
}

void mf_iam_destroy(mf_iam *iam) { free(iam); }
void mf_iam_route(mf_iam *iam, mf_route_result *result) { mf_rpc_route(&iam->endpoint, result); }

// ---- texts ----
mf_str mf_iam_text(const json_t *object, const char *name) {
  const json_t *value = json_object_get(object, name);
  return json_is_string(value) ? (mf_str){json_string_value(value), json_string_length(value)} : MF_STR("");
}

mf_str mf_iam_key(mf_arena *arena, mf_str name) {
  char *key = mf_arena_alloc(arena, name.len + 1);
  for (size_t i = 0; key && i < name.len; i++) key[i] = name.data[i] >= 'A' && name.data[i] <= 'Z' ? (char)(name.data[i] + 32) : name.data[i];
  return (mf_str){key, name.len};
}

char *mf_iam_date(mf_arena *arena) {
  char text[32];
  struct tm utc;
  const time_t now = (time_t)(mf_wall_ns() / MF_NS_PER_S);
  strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  return mf_str_format(arena, "%s", text);
}

char *mf_iam_id(mf_arena *arena, const char *prefix) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  char random[17];
  mf_random(random, sizeof random);
  for (size_t i = 0; i < sizeof random; i++) random[i] = letters[(unsigned char)random[i] % 32];
  return mf_str_format(arena, "%s%.*s", prefix, (int)sizeof random, random);
}

// RFC 3986: all but letters, digits and -._~ as %XX.
json_t *mf_iam_document(mf_arena *arena, mf_str document) {
  mf_buf out = {.arena = arena};
  for (size_t i = 0; i < document.len; i++) {
    const char c = document.data[i];
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("-._~", c));
    if (is_plain) mf_buf_append(&out, &c, 1);
    else mf_buf_format(&out, "%%%02X", (unsigned char)c);
  }
  return out.failed ? NULL : json_stringn(out.len ? out.data : "", out.len);
}

// ---- documents that are given ----
size_t mf_iam_document_size(mf_str document) {
  size_t n = 0;
  for (size_t i = 0; i < document.len; i++) n += !strchr(" \t\r\n", document.data[i]);
  return n;
}

void mf_iam_refuse_inline_size(mf_rpc_call *call) {
  const mf_str role = mf_iam_text(call->body, "RoleName");
  mf_refuse(call->http, 409, "LimitExceeded", "Maximum policy size of %d bytes exceeded for role %.*s", MF_IAM_INLINE_LIMIT, MF_STR_ARG(role));
}

static bool fits(mf_rpc_call *call, mf_document_kind kind, mf_str document) {
  static const struct {
    mf_document_kind kind;
    size_t limit;
    const char *quota;
  } quotas[] = {{MF_DOCUMENT_MANAGED, 6144, "PolicySize"}, {MF_DOCUMENT_TRUST, 2048, "ACLSizePerRole"}, {MF_DOCUMENT_INLINE, MF_IAM_INLINE_LIMIT, NULL}};
  size_t i = 0;
  while (quotas[i].kind != kind) i++;
  if (mf_iam_document_size(document) <= quotas[i].limit) return true;
  if (quotas[i].quota) mf_refuse(call->http, 409, "LimitExceeded", "Cannot exceed quota for %s: %zu", quotas[i].quota, quotas[i].limit);
  else mf_iam_refuse_inline_size(call);
  return false;
}

// [\u0009\u000A\u000D\u0020-\u00FF]+, in UTF-8.
static bool has_good_characters(mf_rpc_call *call, const char *member, mf_str document) {
  for (size_t i = 0; i < document.len; i++) {
    const unsigned char c = (unsigned char)document.data[i];
    if (c < 0xc4 && (c >= ' ' || strchr("\t\r\n", c))) continue;
    mf_refuse(call->http, 400, "ValidationError", "The specified value for %c%s is invalid. It must contain only printable ASCII characters.",
              member[0] | 0x20, member + 1);
    return false;
  }
  return true;
}

// The size first: it bounds what the rules cost.
bool mf_iam_check_document(mf_rpc_call *call, mf_document_kind kind, const char *member) {
  const mf_str document = mf_iam_text(call->body, member);
  mf_buf fault = {.arena = call->arena};
  if (!has_good_characters(call, member, document) || !fits(call, kind, document)) return false;
  json_t *parsed = json_loadb(document.data, document.len, JSON_REJECT_DUPLICATES, NULL);
  const bool is_good = mf_document_check(kind, parsed, &fault);
  json_decref(parsed);
  if (fault.failed || mf_json_lost()) mf_refuse_no_memory(call->http);
  else if (!is_good) mf_refuse(call->http, 400, "MalformedPolicyDocument", "%.*s", MF_STR_ARG(mf_buf_view(&fault)));
  else return true;
  return false;
}

// ---- rows ----
bool mf_iam_load(mf_rpc_call *call, mf_table table, mf_str key, json_t **row) {
  const mf_iam *iam = call->context;
  mf_slice value;
  bool found = false;
  mf_error err;
  *row = NULL;
  if (key.data && mf_store_get(iam->store, table, key, call->arena, &value, &found, &err)) {
    if (!found) return true;
    *row = json_loadb(value.data, value.len, 0, NULL);
    if (*row && !mf_json_lost()) return true;
    json_decref(*row);
    mf_refuse_no_memory(call->http);
  } else if (key.data) {
    mf_refuse_error(call->http, &err);
  } else {
    mf_refuse_no_memory(call->http);
  }
  *row = NULL;
  return false;
}

json_t *mf_iam_require_role(mf_rpc_call *call, mf_str *key) {
  json_t *row;
  const mf_str name = mf_iam_text(call->body, "RoleName");
  *key = mf_iam_key(call->arena, name);
  if (mf_iam_load(call, MF_TABLE_iam_roles, *key, &row) && !row)
    mf_refuse(call->http, 404, "NoSuchEntity", "The role with name %.*s cannot be found.", MF_STR_ARG(name));
  return row;
}

void mf_iam_commit(mf_rpc_call *call, const mf_iam_change *changes, uint32_t n_changes, json_t *result) {
  const mf_iam *iam = call->context;
  mf_write writes[4];
  char *texts[4] = {0};
  mf_error err;
  bool is_whole = true;  // a row without its text would be a deletion
  for (uint32_t i = 0; i < n_changes; i++) {
    texts[i] = changes[i].row ? mf_json_text(changes[i].row) : NULL;
    is_whole &= !changes[i].row || texts[i];
    writes[i] = (mf_write){changes[i].table, changes[i].key, {texts[i], texts[i] ? strlen(texts[i]) : 0}};
  }
  mf_reply *reply = is_whole ? mf_rpc_defer(call, result) : NULL;
  if (!is_whole) {
    json_decref(result);
    mf_refuse_no_memory(call->http);
  }
  if (reply && !mf_store_commit(iam->store, writes, n_changes, mf_rpc_stored, reply, &err)) mf_rpc_stored(reply, &err);
  for (uint32_t i = 0; i < n_changes; i++) free(texts[i]);
}

// ---- tags ----
static json_t *find_tag(const json_t *tags, mf_str key) {
  size_t i;
  json_t *tag;
  json_array_foreach(tags, i, tag) {
    const mf_str other = mf_iam_text(tag, "Key");
    if (other.len == key.len && strncasecmp(other.data, key.data, key.len) == 0) return tag;
  }
  return NULL;
}

static bool has_twice(const json_t *given) {
  size_t i;
  json_t *tag;
  json_array_foreach(given, i, tag)
    if (find_tag(given, mf_iam_text(tag, "Key")) != tag) return true;
  return false;
}

bool mf_iam_merge_tags(mf_rpc_call *call, json_t *tags, const json_t *given) {
  size_t i;
  json_t *tag;
  if (has_twice(given)) {
    mf_refuse(call->http, 400, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.");
    return false;
  }
  json_array_foreach(given, i, tag) {
    json_t *old = find_tag(tags, mf_iam_text(tag, "Key"));
    if (old) json_object_update(old, tag);
    else json_array_append(tags, tag);
  }
  if (json_array_size(tags) <= MAX_TAGS) return true;
  mf_refuse(call->http, 409, "LimitExceeded", "Cannot exceed quota for TagsPerResource: %d", MAX_TAGS);
  return false;
}

void mf_iam_drop_tags(json_t *tags, const json_t *keys) {
  size_t i;
  json_t *key;
  json_array_foreach(keys, i, key) {
    for (size_t j = json_array_size(tags); j-- > 0;)
      if (json_equal(json_object_get(json_array_get(tags, j), "Key"), key)) json_array_remove(tags, j);
  }
}

// ---- lists ----
static size_t max_items(const mf_rpc_call *call) {
  const json_t *given = json_object_get(call->body, "MaxItems");
  return given ? (size_t)json_integer_value(given) : DEFAULT_ITEMS;
}

json_t *mf_iam_page(mf_rpc_call *call, const char *member, const json_t *list) {
  const mf_str marker = mf_iam_text(call->body, "Marker");
  const size_t from = marker.len ? (size_t)strtoul(marker.data, NULL, 10) : 0, size = json_array_size(list);
  const size_t to = MF_MIN(from + max_items(call), size);
  json_t *page = json_array(), *result = json_object();
  for (size_t i = from; i < to; i++) json_array_append(page, json_array_get(list, i));
  json_object_set_new(result, "IsTruncated", json_boolean(to < size));
  json_object_set_new(result, member, page);
  if (to < size) json_object_set_new(result, "Marker", json_sprintf("%zu", to));
  return result;
}

typedef struct listing {
  mf_rpc_call *call;
  json_t *(*show)(mf_rpc_call *call, const json_t *row);
  json_t *page;
  size_t max;
  mf_str last;           // key of the last one shown
  bool more;
} listing;

static bool list_row(void *context, mf_str key, mf_slice value) {
  listing *l = context;
  json_t *row = json_loadb(value.data, value.len, 0, NULL), *shown = row ? l->show(l->call, row) : NULL;
  json_decref(row);
  l->more = shown && json_array_size(l->page) == l->max;
  if (shown && !l->more) {
    json_array_append(l->page, shown);
    l->last = mf_str_copy(l->call->arena, key);
  }
  json_decref(shown);
  return !l->more;
}

void mf_iam_list(mf_rpc_call *call, mf_table table, const char *member, json_t *(*show)(mf_rpc_call *call, const json_t *row)) {
  const mf_iam *iam = call->context;
  mf_error err;
  listing l = {.call = call, .show = show, .page = json_array(), .max = max_items(call)};
  if (!mf_store_scan(iam->store, table, MF_STR(""), mf_iam_text(call->body, "Marker"), INT32_MAX, list_row, &l, &err)) {
    json_decref(l.page);
    mf_refuse_error(call->http, &err);
    return;
  }
  json_t *result = json_pack("{s:b,s:o}", "IsTruncated", l.more, member, l.page);
  if (l.more) json_object_set_new(result, "Marker", json_stringn(l.last.data ? l.last.data : "", l.last.len));
  mf_rpc_respond(call, result);
}

// ---- the account itself ----
// Access keys are the account's own: there are no users.
void mf_iam_GetUser(mf_rpc_call *call) {
  const mf_str name = mf_iam_text(call->body, "UserName");
  if (name.len > 0)
    mf_refuse(call->http, 404, "NoSuchEntity", "The user with name %.*s cannot be found.", MF_STR_ARG(name));
  else if (call->principal.session_token.len > 0)
    mf_refuse(call->http, 400, "ValidationError", "Must specify userName when calling with non-User credentials");
  else mf_rpc_respond(call, json_pack("{s:{s:s,s:s,s:s,s:s}}", "User", "Path", "/", "UserId", MF_ACCOUNT, "Arn", "arn:aws:iam::" MF_ACCOUNT ":root",
                                      "CreateDate", "1970-01-01T00:00:00Z"));
}
