// Tags: TagResource, UntagResource and ListTags, and what tags may be. They are part of the function's row; GetFunction returns them.
// Functions alone can be tagged here. Of the other kinds of resource that AWS lets one tag there is none, and an ARN of one is answered
// as AWS answers for one that does not exist.
#include "internal.h"

#include <strings.h>

enum { MAX_TAGS = 50, KEY_LENGTH = 128, VALUE_LENGTH = 256 };

// ---- what tags may be ----
// Unicode characters: limits of tags count these, and a text of jansson's is UTF-8.
static size_t characters(const char *text) {
  size_t n = 0;
  for (; *text; text++) n += ((unsigned char)*text & 0xc0) != 0x80;
  return n;
}

// Lambda's words for these are in no record; the first refusal is in the words of AWS's tagging service. Keys are case-sensitive, but
// for the prefix.
static bool check_tag(mf_operation_call *call, const char *key, const char *value) {
  if (strncasecmp(key, "aws:", 4) == 0)
    mf_refuse(call->http, 400, "InvalidParameterValueException", "aws: prefixed tag key names are not allowed for external use.");
  else if (!*key || characters(key) > KEY_LENGTH)
    mf_refuse(call->http, 400, "InvalidParameterValueException", "Tag keys have 1 to %d characters, this one has %zu.", KEY_LENGTH,
              characters(key));
  else if (characters(value) > VALUE_LENGTH)
    mf_refuse(call->http, 400, "InvalidParameterValueException", "Tag values have up to %d characters, that of '%s' has %zu.", VALUE_LENGTH,
              key, characters(value));
  else return true;
  return false;
}

static bool check_number(mf_operation_call *call, const json_t *tags) {
  if (json_object_size(tags) <= MAX_TAGS) return true;
  mf_refuse(call->http, 400, "InvalidParameterValueException", "Number of tags exceeds resource tag limit.");
  return false;
}

bool mf_check_tags(mf_operation_call *call, const json_t *tags) {
  const char *key;
  json_t *value;
  if (!check_number(call, tags)) return false;
  json_object_foreach((json_t *)(uintptr_t)tags, key, value) {
    if (!check_tag(call, key, json_string_value(value))) return false;
  }
  return true;
}

// ---- whose tags ----
enum part { ARN, PARTITION, SERVICE, REGION, ACCOUNT, KIND, NAME, QUALIFIER, PARTS };

// The ARN's form was checked already. What stands behind the name is the qualifier.
static void split(mf_str arn, mf_str parts[PARTS]) {
  for (int i = 0; i < PARTS; i++) {
    const char *colon = memchr(arn.data, ':', arn.len);
    size_t len = colon ? (size_t)(colon - arn.data) : arn.len, step = colon ? len + 1 : len;
    parts[i] = (mf_str){arn.data, len};
    arn = (mf_str){arn.data + step, arn.len - step};
  }
}

// The first and the second are recorded answers of AWS.
static const struct {
  const char *kind, *words;
} other_kinds[] = {{"event-source-mapping", "Event source mapping"},
                   {"capacity-provider", "Capacity provider"},
                   {"code-signing-config", "Code signing configuration"},
                   {"layer", "Layer"}};

// The row of the function that is tagged; NULL: an answer was sent.
static json_t *require_tagged(mf_operation_call *call) {
  mf_str parts[PARTS];
  split(call->name_text, parts);
  for (size_t i = 0; i < MF_COUNT(other_kinds); i++) {
    if (!mf_str_is(parts[KIND], other_kinds[i].kind)) continue;
    mf_refuse(call->http, 404, "ResourceNotFoundException", "%s not found: %.*s", other_kinds[i].words, MF_STR_ARG(call->name_text));
    return NULL;
  }
  if (parts[QUALIFIER].len > 0) {
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "Tags on function aliases and versions are not supported. Please specify a function ARN.");
    return NULL;
  }
  const mf_lambda_name name = {.region = parts[REGION], .account = parts[ACCOUNT], .name = parts[NAME], .qualifier = MF_STR("")};
  return mf_take_name(call, &name) ? mf_require_row(call) : NULL;
}

// ---- the operations ----
static void stored(void *context, const mf_error *err) {
  mf_reply *reply = context;
  if (err) mf_reply_error(reply, err);
  else mf_reply_json(reply, 204, NULL);
}

// Tags are no part of the configuration: RevisionId changes, LastModified does not.
static void store_tags(mf_operation_call *call, json_t *row) {
  mf_error err;
  mf_touch_revision(row);
  mf_reply *reply = mf_reply_defer(call->http);
  if (reply && !mf_row_save(&call->lambda->functions, call->key, row, NULL, 0, stored, reply, &err)) stored(reply, &err);
}

void mf_handle_TagResource(mf_operation_call *call) {
  json_t *row = require_tagged(call);
  if (!row) return;
  json_t *given = json_object_get(call->body, "Tags"), *tags = json_object_get(row, "tags");
  if (!tags) json_object_set_new(row, "tags", tags = json_object());
  json_object_update(tags, given);
  if (json_object_size(given) == 0)
    mf_refuse(call->http, 400, "InvalidParameterValueException", "An error occurred and the request cannot be processed.");
  else if (mf_check_tags(call, given) && check_number(call, tags)) store_tags(call, row);
  json_decref(row);
}

void mf_handle_UntagResource(mf_operation_call *call) {
  size_t i;
  json_t *key, *row = require_tagged(call);
  if (!row) return;
  json_array_foreach(json_object_get(call->body, "TagKeys"), i, key)
    json_object_del(json_object_get(row, "tags"), json_string_value(key));
  store_tags(call, row);
  json_decref(row);
}

void mf_handle_ListTags(mf_operation_call *call) {
  json_t *row = require_tagged(call);
  if (!row) return;
  json_t *out = json_object(), *tags = json_object_get(row, "tags");
  json_object_set_new(out, "Tags", tags ? json_incref(tags) : json_object());
  mf_respond_json(call->http, 200, out);
  json_decref(row);
}
