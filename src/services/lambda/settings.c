#include "settings.h"

#include <stdlib.h>

enum { PAGE = 50, ALL = INT32_MAX };

static const mf_table tables[] = {MF_TABLE_versions,
                                  MF_TABLE_aliases,
                                  MF_TABLE_policies,
                                  MF_TABLE_urls,
                                  MF_TABLE_event_invoke_configs,
                                  MF_TABLE_provisioned};

mf_str mf_setting_key(mf_operation_call *call, mf_str qualifier) {
  char *key = mf_str_format(call->arena, "%.*s:%.*s", MF_STR_ARG(call->key), MF_STR_ARG(qualifier));
  if (!key) mf_refuse_no_memory(call->http);
  return key ? mf_str_from(key) : MF_STR("");
}

static bool parse(mf_str key, mf_slice text, json_t **value, mf_error *err) {
  const uint64_t failures = mf_json_failures();
  *value = json_loadb(text.data, text.len, 0, NULL);
  if (*value && mf_json_failures() == failures) return true;
  const bool lost = mf_json_failures() != failures;
  json_decref(*value);
  *value = NULL;
  if (lost)
    return mf_fail(err, MF_OutOfMemory, "no memory to read what is stored of %.*s",
                   MF_STR_ARG(key));
  return mf_fail(err, MF_Internal, "what is stored of %.*s cannot be read", MF_STR_ARG(key));
}

bool mf_setting_load(mf_store *store, mf_table table, mf_str key, json_t **value, mf_error *err) {
  mf_arena arena;
  mf_slice text;
  bool found;
  *value = NULL;
  mf_arena_init(&arena, 0);
  bool ok = mf_store_get(store, table, key, &arena, &text, &found, err) &&
            (!found || parse(key, text, value, err));
  mf_arena_deinit(&arena);
  return ok;
}

bool mf_setting_write(mf_arena *arena, mf_table table, mf_str key, const json_t *value,
                      mf_write *write, mf_error *err) {
  *write = (mf_write){table, key, {0}};
  if (!value) return true;
  char *text = mf_json_text(value);
  mf_str copy = text && !mf_json_lost() ? mf_str_copy(arena, mf_str_from(text)) : (mf_str){0};
  free(text);
  write->value = (mf_slice){copy.data, copy.len};
  return copy.data ||
         mf_fail(err, MF_OutOfMemory, "no memory to store what belongs to %.*s", MF_STR_ARG(key));
}

bool mf_setting_save(mf_store *store, mf_table table, mf_str key, const json_t *value,
                     mf_store_done *done, void *context, mf_error *err) {
  mf_arena arena;
  mf_write write;
  mf_arena_init(&arena, 0);
  bool ok = mf_setting_write(&arena, table, key, value, &write, err) &&
            mf_store_commit(store, &write, 1, done, context, err);
  mf_arena_deinit(&arena);
  return ok;
}

// ---- answers ----
struct mf_pending_answer {
  mf_reply *reply;
  json_t *answer;
  int status;
};

mf_pending_answer *mf_answer_when_stored(mf_operation_call *call, json_t *answer) {
  mf_pending_answer *pending = mf_json_lost() ? NULL : malloc(sizeof *pending);
  if (pending) *pending = (mf_pending_answer){mf_reply_defer(call->http), answer, call->operation->status};
  else mf_refuse_no_memory(call->http);
  if (pending && pending->reply) return pending;
  free(pending);
  json_decref(answer);
  return NULL;
}

void mf_answer_stored(void *context, const mf_error *err) {
  mf_pending_answer *pending = context;
  mf_json_begin();
  if (err) {
    mf_reply_error(pending->reply, err);
    json_decref(pending->answer);
  } else {
    mf_reply_json(pending->reply, pending->status, pending->answer);
  }
  free(pending);
}

// ---- lists ----
typedef struct page {
  mf_operation_call *call;
  mf_list_item *item;
  json_t *items;
  size_t prefix_len, last_len;
  uint32_t limit;
  char last[512];
  bool more, failed;
  mf_error error;
} page;

static bool add_item(void *context, mf_str key, mf_slice text) {
  page *p = context;
  json_t *value;
  if (json_array_size(p->items) == p->limit) {
    p->more = true;
    return false;
  }
  mf_str rest = {key.data + p->prefix_len, key.len - p->prefix_len};
  if (!parse(key, text, &value, &p->error)) {
    p->failed = true;
    return false;
  }
  json_t *item = p->item(p->call, rest, value);
  if (item) json_array_append_new(p->items, item);
  json_decref(value);
  const mf_str last = rest.len > 0 ? rest : MF_STR("\1");  // a marker for the function's own row, before any alias's
  p->last_len = MF_MIN(last.len, sizeof p->last);
  memcpy(p->last, last.data, p->last_len);
  return true;
}

mf_str mf_list_marker(mf_operation_call *call) {
  bool found;
  mf_str marker = mf_request_parameter(call->http, "Marker", &found);
  if (!found || marker.len == 0) return MF_STR("");
  size_t len = 0;
  char *key = mf_arena_alloc(call->arena, marker.len + 1);
  if (!key) {
    mf_refuse_no_memory(call->http);
    return (mf_str){0};
  }
  if (mf_base64_decode(marker, (uint8_t *)key, &len)) return (mf_str){key, len};
  mf_refuse(call->http, 400, "InvalidParameterValueException", "The marker is none of ours: %.*s",
            MF_STR_ARG(marker));
  return (mf_str){0};
}

uint32_t mf_list_limit(mf_operation_call *call) {
  bool found;
  mf_str text = mf_request_parameter(call->http, "MaxItems", &found);
  const char *copy = found ? mf_str_format(call->arena, "%.*s", MF_STR_ARG(text)) : NULL;
  long items = copy ? strtol(copy, NULL, 10) : PAGE;  // checked against its limits
  return items < PAGE ? (uint32_t)items : PAGE;
}

void mf_list_answer(mf_operation_call *call, const char *member, json_t *items, mf_str next) {
  json_t *out = json_pack("{s:o}", member, items);
  if (next.len > 0) {
    char marker[1024];
    mf_base64_encode((mf_slice){next.data, next.len}, marker);
    json_object_set_new(out, "NextMarker", json_string(marker));
  }
  mf_respond_json(call->http, 200, out);
}

void mf_answer_list_after(mf_operation_call *call, mf_table table, mf_str prefix,
                          const char *member, json_t *first, mf_list_item *item) {
  mf_error err;
  mf_str marker = mf_list_marker(call), after = MF_STR("");
  page p = {.call = call, .item = item, .limit = mf_list_limit(call), .prefix_len = prefix.len};
  if (marker.len > 0)
    after = mf_str_from(mf_str_format(call->arena, "%.*s%.*s", MF_STR_ARG(prefix), MF_STR_ARG(marker)));
  if (!marker.data || !after.data) {
    if (marker.data) mf_refuse_no_memory(call->http);
    json_decref(first);
    return;
  }
  p.items = json_array();
  if (first && marker.len == 0) {
    json_array_append(p.items, first);
    p.last_len = strlen("$LATEST");
    memcpy(p.last, "$LATEST", p.last_len);
  }
  json_decref(first);
  bool ok = mf_store_scan(call->lambda->env.store, table, prefix, after, ALL, add_item, &p, &err);
  if (ok && !p.failed) {
    mf_list_answer(call, member, p.items, p.more ? (mf_str){p.last, p.last_len} : MF_STR(""));
    return;
  }
  json_decref(p.items);
  mf_refuse_error(call->http, ok ? &p.error : &err);
}

void mf_answer_list(mf_operation_call *call, mf_table table, mf_str prefix, const char *member,
                    mf_list_item *item) {
  mf_answer_list_after(call, table, prefix, member, NULL, item);
}

// ---- deletion ----
typedef struct deletion {
  struct deletion *next;
  mf_write write;
} deletion;
typedef struct deletions {
  mf_arena *arena;
  mf_table table;
  mf_str only;  // "": all with the prefix
  deletion *first;
  uint32_t count;
  bool out_of_memory;
} deletions;

static bool add_key(deletions *all, mf_table table, mf_str key) {
  deletion *d = MF_NEW(all->arena, deletion);
  mf_str copy = d ? mf_str_copy(all->arena, key) : (mf_str){0};
  all->out_of_memory = !copy.data;
  if (all->out_of_memory) return false;
  *d = (deletion){.next = all->first, .write = {table, copy, {0}}};
  all->first = d;
  all->count++;
  return true;
}

// A URL's id leads to it by a row of its own.
static bool add_url_id(deletions *all, mf_str key, mf_slice value) {
  json_t *url;
  mf_error err;
  if (!parse(key, value, &url, &err)) {
    all->out_of_memory = err.code == MF_OutOfMemory;  // what cannot be read must not keep its function
    return !all->out_of_memory;
  }
  const char *id = json_string_value(json_object_get(url, "id"));
  const bool ok = !id || add_key(all, MF_TABLE_url_ids, mf_str_from(id));
  json_decref(url);
  return ok;
}

static bool add_deletion(void *context, mf_str key, mf_slice value) {
  deletions *all = context;
  if (all->only.len > 0 && !mf_str_equal(all->only, key)) return false;  // it would have come first
  return add_key(all, all->table, key) && (all->table != MF_TABLE_urls || add_url_id(all, key, value));
}

bool mf_settings_deletions(mf_store *store, mf_str key, mf_arena *arena, mf_write **writes,
                           uint32_t *n_writes, mf_error *err) {
  deletions all = {.arena = arena, .only = mf_lambda_is_version(key) ? key : MF_STR("")};
  mf_str prefix = all.only.len > 0 ? key : mf_str_from(mf_str_format(arena, "%.*s:", MF_STR_ARG(key)));
  all.out_of_memory = !prefix.data;
  for (size_t i = 0; i < MF_COUNT(tables) && !all.out_of_memory; i++) {
    all.table = tables[i];
    if (all.only.len > 0 && all.table == MF_TABLE_urls) continue;  // a URL outlives its alias, and forbids (recorded)
    if (!mf_store_scan(store, tables[i], prefix, MF_STR(""), ALL, add_deletion, &all, err))
      return false;
  }
  *n_writes = 0;
  *writes = all.out_of_memory ? NULL : mf_arena_alloc(arena, (all.count + 1) * sizeof **writes);
  if (!*writes)
    return mf_fail(err, MF_OutOfMemory, "no memory to delete what belongs to %.*s",
                   MF_STR_ARG(key));
  for (const deletion *d = all.first; d; d = d->next) (*writes)[(*n_writes)++] = d->write;
  return true;
}
