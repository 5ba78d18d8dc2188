// Log groups: rows "region/name" of the table log_groups. Functions make theirs by writing; how long events stay is kept with the log
// itself, where those that remove old segments see it.
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

enum { DEFAULT_LIMIT = 50, MAX_TAGS = 50, MAX_VALUE = 256, MAX_REGION = 64 };

static const int retention_days[] = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653};

mf_str mf_logs_text(const mf_rpc_call *call, const char *name) {
  const json_t *value = json_object_get(call->body, name);
  return json_is_string(value) ? (mf_str){json_string_value(value), json_string_length(value)} : MF_STR("");
}

int64_t mf_logs_number(const mf_rpc_call *call, const char *name, int64_t otherwise) {
  const json_t *value = json_object_get(call->body, name);
  return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

char *mf_logs_group_arn(mf_rpc_call *call, mf_str group, const char *suffix) {
  return mf_str_format(call->arena, "arn:aws:logs:%.*s:" MF_ACCOUNT ":log-group:%.*s%s", MF_STR_ARG(call->principal.region), MF_STR_ARG(group), suffix);
}

// ---- finding ----
static bool set_keys(mf_rpc_call *call, mf_str name, mf_log_group *group) {
  const mf_str region = call->principal.region;
  char *row_key = mf_str_format(call->arena, "%.*s/%.*s", MF_STR_ARG(region), MF_STR_ARG(name)), *log_key = mf_arena_alloc(call->arena, MF_LOG_KEY_BYTES);
  *group = (mf_log_group){.name = name, .row_key = mf_str_from(row_key)};
  if (!row_key || !log_key) {
    mf_refuse_no_memory(call->http);
    return false;
  }
  group->log_key = mf_store_log_key(region, name, log_key);
  if (region.len <= MAX_REGION && group->log_key.len > 0) return true;
  mf_refuse(call->http, 400, "InvalidParameterException", "'%.*s…' is no region", 32, region.data);
  return false;
}

static bool load(mf_rpc_call *call, mf_log_group *group) {
  const mf_logs *logs = call->context;
  mf_slice value;
  mf_error err;
  bool found;
  if (!mf_store_get(logs->store, MF_TABLE_log_groups, group->row_key, call->arena, &value, &found, &err)) {
    mf_refuse_error(call->http, &err);
    return false;
  }
  if (!found) return true;
  group->row = json_loadb(value.data, value.len, 0, NULL);
  if (group->row && !mf_json_lost()) return true;
  mf_refuse_no_memory(call->http);
  json_decref(group->row);
  return false;
}

static bool require(mf_rpc_call *call, mf_str name, mf_log_group *group) {
  if (!set_keys(call, name, group) || !load(call, group)) return false;
  if (group->row) return true;
  mf_refuse(call->http, 400, "ResourceNotFoundException", "The specified log group does not exist.");
  return false;
}

// The name in "arn:aws:logs:R:A:log-group:NAME[:*]"; the text itself when it is no ARN.
static mf_str name_in_arn(mf_str text) {
  static const mf_str kind = MF_STR(":log-group:");
  const char *at = mf_str_starts(text, MF_STR("arn:")) ? memmem(text.data, text.len, kind.data, kind.len) : NULL;
  mf_str name = at ? (mf_str){at + kind.len, text.len - (size_t)(at - text.data) - kind.len} : text;
  if (at && mf_str_ends(name, MF_STR(":*"))) name.len -= 2;
  return name;
}

bool mf_logs_require_group(mf_rpc_call *call, mf_log_group *group) {
  const mf_str name = mf_logs_text(call, "logGroupName"), identifier = mf_logs_text(call, "logGroupIdentifier");
  if (name.len > 0 && identifier.len > 0)
    mf_refuse(call->http, 400, "ValidationException", "LogGroup name and LogGroup ARN are mutually exclusive parameters.");
  else if (name.len == 0 && identifier.len == 0)
    mf_refuse(call->http, 400, "InvalidParameterException",
              "1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null");
  else return require(call, name.len > 0 ? name : name_in_arn(identifier), group);
  return false;
}

// ---- making ----
static uint64_t *known_slot(mf_logs *logs, mf_str row_key, uint64_t *hash) {
  *hash = mf_hash64(row_key.data, row_key.len, 0) | 1;
  return &logs->known[(*hash >> 1) % MF_KNOWN_GROUPS];
}

static json_t *new_row(const json_t *tags) {
  json_t *row = json_pack("{s:I}", "created", (json_int_t)(mf_wall_ns() / MF_NS_PER_MS));
  json_object_set_new(row, "tags", tags ? json_copy((json_t *)(uintptr_t)tags) : json_object());
  return row;
}

static void made(void *context, const mf_error *err) {
  mf_logs *logs = context;
  if (!err) return;
  mf_log(MF_LOG_ERROR, "a log group could not be made: %s", err->message);
  memset(logs->known, 0, sizeof logs->known);  // tried again with the next line
}

static void make_group(mf_logs *logs, mf_str row_key) {
  mf_error err;
  mf_json_begin();
  json_t *row = new_row(NULL);
  char *text = row ? mf_json_text(row) : NULL;
  const mf_write write = {MF_TABLE_log_groups, row_key, {text, text ? strlen(text) : 0}};
  if (!text || mf_json_lost()) mf_fail(&err, MF_OutOfMemory, "no memory"), made(logs, &err);
  else if (!mf_store_commit(logs->store, &write, 1, made, logs, &err)) made(logs, &err);
  free(text);
  json_decref(row);
}

static void ensure_group(mf_logs *logs, mf_str region, mf_str name) {
  char text[640], memory[2048];
  uint64_t hash;
  mf_arena arena;
  mf_slice value;
  mf_error err;
  bool found = true;
  if (region.len + 1 + name.len > sizeof text) return;
  memcpy(text, region.data, region.len);
  text[region.len] = '/';
  memcpy(text + region.len + 1, name.data, name.len);
  const mf_str row_key = {text, region.len + 1 + name.len};
  uint64_t *slot = known_slot(logs, row_key, &hash);
  if (*slot == hash) return;
  *slot = hash;
  mf_arena_init_first(&arena, memory, sizeof memory, 0);
  if (!mf_store_get(logs->store, MF_TABLE_log_groups, row_key, &arena, &value, &found, &err)) made(logs, &err);
  else if (!found) make_group(logs, row_key);
  mf_arena_deinit(&arena);
}

void mf_logs_write(mf_logs *logs, mf_str region, mf_str group, mf_str text) {
  char key[MF_LOG_KEY_BYTES];
  const mf_str log_key = mf_store_log_key(region, group, key);
  if (log_key.len == 0 || region.len > MAX_REGION) return;
  ensure_group(logs, region, group);
  mf_store_log(logs->store, log_key, text);
}

static bool check_tags(mf_rpc_call *call, const json_t *tags) {
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)tags, key, value) {
    if (json_string_length(value) <= MAX_VALUE) continue;
    mf_refuse(call->http, 400, "InvalidParameterException", "The value of the tag '%s' is longer than %d characters", key, MAX_VALUE);
    return false;
  }
  if (json_object_size(tags) <= MAX_TAGS) return true;
  mf_refuse(call->http, 400, "LimitExceededException", "A resource can have at most %d tags", MAX_TAGS);
  return false;
}

// Writes the group's row (NULL: deletes it) and answers then.
static void store_row(mf_rpc_call *call, const mf_log_group *group, const json_t *row) {
  mf_logs *logs = call->context;
  mf_error err;
  char *text = row ? mf_json_text(row) : NULL;
  const mf_write write = {MF_TABLE_log_groups, group->row_key, {text, text ? strlen(text) : 0}};
  mf_reply *reply = row && !text ? NULL : mf_rpc_defer(call, NULL);  // without its text the row would be deleted
  if (row && !text) mf_refuse_no_memory(call->http);
  if (reply && !mf_store_commit(logs->store, &write, 1, mf_rpc_stored, reply, &err)) mf_rpc_stored(reply, &err);
  free(text);
}

void mf_logs_CreateLogGroup(mf_rpc_call *call) {
  mf_log_group group;
  const json_t *tags = json_object_get(call->body, "tags");
  if (!set_keys(call, mf_logs_text(call, "logGroupName"), &group) || !load(call, &group)) return;
  if (group.row) {
    mf_refuse(call->http, 400, "ResourceAlreadyExistsException", "The specified log group already exists");
  } else if (check_tags(call, tags)) {
    group.row = new_row(tags);
    store_row(call, &group, group.row);
  }
  json_decref(group.row);
}

void mf_logs_DeleteLogGroup(mf_rpc_call *call) {
  mf_logs *logs = call->context;
  mf_log_group group;
  uint64_t hash;
  if (!mf_logs_require_group(call, &group)) return;
  *known_slot(logs, group.row_key, &hash) = 0;
  mf_store_log_remove(logs->store, group.log_key, UINT64_MAX);
  store_row(call, &group, NULL);
  json_decref(group.row);
}

// ---- listing ----
typedef struct listing {
  mf_rpc_call *call;
  json_t *groups;
  mf_str pattern, last;
  size_t limit;
  bool more;
} listing;

static json_t *group_json(mf_rpc_call *call, mf_str name, const json_t *row) {
  mf_logs *logs = call->context;
  mf_log_segment segments[MF_MAX_LOG_SEGMENTS];
  char key[MF_LOG_KEY_BYTES], *arn = mf_logs_group_arn(call, name, ":*"), *bare = mf_logs_group_arn(call, name, "");
  uint32_t days;
  const uint32_t n = mf_store_log_segments(logs->store, mf_store_log_key(call->principal.region, name, key), segments, &days);
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < n; i++) bytes += segments[i].bytes;
  json_t *out = json_pack("{s:s%,s:O,s:i,s:s,s:s,s:I,s:s,s:b}", "logGroupName", name.data, name.len, "creationTime", json_object_get(row, "created"),
                          "metricFilterCount", 0, "arn", arn ? arn : "", "logGroupArn", bare ? bare : "", "storedBytes", (json_int_t)bytes,
                          "logGroupClass", "STANDARD", "deletionProtectionEnabled", false);
  if (days > 0) json_object_set_new(out, "retentionInDays", json_integer(days));
  return out;
}

static bool list_row(void *context, mf_str key, mf_slice value) {
  listing *l = context;
  const size_t region = l->call->principal.region.len + 1;
  const mf_str name = {key.data + region, key.len - region};
  if (l->pattern.len > 0 && !memmem(name.data, name.len, l->pattern.data, l->pattern.len)) return true;
  l->more = json_array_size(l->groups) == l->limit;
  if (l->more) return false;
  json_t *row = json_loadb(value.data, value.len, 0, NULL);
  if (row) json_array_append_new(l->groups, group_json(l->call, name, row));
  l->last = mf_str_copy(l->call->arena, key);
  json_decref(row);
  return true;
}

void mf_logs_DescribeLogGroups(mf_rpc_call *call) {
  const mf_logs *logs = call->context;
  mf_error err;
  mf_log_group from;
  const mf_str prefix = mf_logs_text(call, "logGroupNamePrefix"), token = mf_logs_text(call, "nextToken");
  listing l = {.call = call, .pattern = mf_logs_text(call, "logGroupNamePattern"), .limit = (size_t)mf_logs_number(call, "limit", DEFAULT_LIMIT)};
  if (prefix.len > 0 && l.pattern.len > 0) {
    mf_refuse(call->http, 400, "InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.");
    return;
  }
  if (!set_keys(call, prefix, &from)) return;
  if (token.len > 0 && !mf_str_starts(token, from.row_key)) {
    mf_refuse(call->http, 400, "InvalidParameterException", "The specified nextToken is invalid.");
    return;
  }
  l.groups = json_array();
  json_t *answer = json_pack("{s:o}", "logGroups", l.groups);
  if (mf_store_scan(logs->store, MF_TABLE_log_groups, from.row_key, token, INT32_MAX, list_row, &l, &err)) {
    if (l.more && l.last.data) json_object_set_new(answer, "nextToken", json_stringn(l.last.data, l.last.len));
    mf_rpc_respond(call, json_incref(answer));
  } else {
    mf_refuse_error(call->http, &err);
  }
  json_decref(answer);
}

// ---- retention ----
static void retain(mf_rpc_call *call, uint32_t days) {
  mf_logs *logs = call->context;
  mf_log_group group;
  mf_error err;
  if (!mf_logs_require_group(call, &group)) return;
  if (mf_store_log_retain(logs->store, group.log_key, days, &err)) mf_rpc_respond(call, NULL);
  else mf_refuse_error(call->http, &err);
  json_decref(group.row);
}

void mf_logs_PutRetentionPolicy(mf_rpc_call *call) {
  const int64_t days = mf_logs_number(call, "retentionInDays", 0);
  for (size_t i = 0; i < MF_COUNT(retention_days); i++) {
    if (days != retention_days[i]) continue;
    retain(call, (uint32_t)days);
    return;
  }
  mf_refuse(call->http, 400, "InvalidParameterException", "1 validation error detected: Value '%lld' at 'retentionInDays' failed to satisfy "
            "constraint: Member must satisfy enum value set: [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, "
            "2922, 3288, 3653]", (long long)days);
}

void mf_logs_DeleteRetentionPolicy(mf_rpc_call *call) { retain(call, 0); }

// ---- tags ----
static bool require_tagged(mf_rpc_call *call, mf_log_group *group) {
  const mf_str arn = mf_logs_text(call, "resourceArn");
  return require(call, arn.len > 0 ? name_in_arn(arn) : mf_logs_text(call, "logGroupName"), group);
}

static void add_tags(mf_rpc_call *call) {
  mf_log_group group;
  if (!require_tagged(call, &group)) return;
  json_t *tags = json_object_get(group.row, "tags");
  json_object_update(tags, json_object_get(call->body, "tags"));
  if (check_tags(call, tags)) store_row(call, &group, group.row);
  json_decref(group.row);
}

static void remove_tags(mf_rpc_call *call, const char *member) {
  mf_log_group group;
  size_t i;
  json_t *key;
  if (!require_tagged(call, &group)) return;
  json_array_foreach(json_object_get(call->body, member), i, key) json_object_del(json_object_get(group.row, "tags"), json_string_value(key));
  store_row(call, &group, group.row);
  json_decref(group.row);
}

static void list_tags(mf_rpc_call *call) {
  mf_log_group group;
  if (!require_tagged(call, &group)) return;
  mf_rpc_respond(call, json_pack("{s:O}", "tags", json_object_get(group.row, "tags")));
  json_decref(group.row);
}

void mf_logs_TagLogGroup(mf_rpc_call *call) { add_tags(call); }
void mf_logs_TagResource(mf_rpc_call *call) { add_tags(call); }
void mf_logs_UntagLogGroup(mf_rpc_call *call) { remove_tags(call, "tags"); }
void mf_logs_UntagResource(mf_rpc_call *call) { remove_tags(call, "tagKeys"); }
void mf_logs_ListTagsLogGroup(mf_rpc_call *call) { list_tags(call); }
void mf_logs_ListTagsForResource(mf_rpc_call *call) { list_tags(call); }
