// From bytes to values. What members are called says what is likely to be right; what is not known
// by its name gets what its limits allow.
#include "front_value.h"

#include <stdio.h>

#include "wire/canonical.h"

enum { RING_POINTS = 16, DEPTH = 6, LONGEST = 70000 };

// ---- bytes ----
uint8_t front_byte(front_bytes *in) { return in->at < in->len ? in->data[in->at++] : 0; }
uint16_t front_two(front_bytes *in) {
  const uint8_t high = front_byte(in);
  return (uint16_t)(high << 8 | front_byte(in));
}
mf_str front_text(front_bytes *in) {
  const size_t said = front_byte(in), len = MF_MIN(said, in->len - in->at);
  in->at += len;
  return (mf_str){(const char *)in->data + in->at - len, len};
}

// What is done here thousands of times for each request is no news to the fuzzer.
#define UNSEEN __attribute__((no_sanitize("coverage")))
UNSEEN static uint16_t point(const char *name, uint32_t nth) {  // FNV-1a, folded
  uint32_t hash = 2166136261u;
  for (; *name; name++) hash = (hash ^ (uint8_t)*name) * 16777619u;
  hash = (hash ^ nth) * 16777619u;
  return (uint16_t)(hash >> 16 ^ hash);
}

uint16_t front_number(const char *name) { return point(name, 0); }

UNSEEN uint32_t front_choose(uint16_t at, const char *(*name)(const void *table, uint32_t i),
                      const void *table, uint32_t n) {
  uint32_t best = 0, least = UINT32_MAX;
  for (uint32_t i = 0; i < n; i++)
    for (uint32_t nth = 0; nth < RING_POINTS; nth++) {
      const uint16_t distance = (uint16_t)(point(name(table, i), nth) - at);
      if (distance < least) best = i, least = distance;
    }
  return best;
}

// ---- what is kept ----
void front_keep(front_kept *kept, mf_str text) {
  if (text.len == 0 || text.len >= FRONT_KEPT_BYTES) return;
  for (uint32_t i = 0; i < kept->n; i++)
    if (mf_str_is(text, kept->texts[i])) return;
  memcpy(kept->texts[kept->next], text.data, text.len);
  kept->texts[kept->next][text.len] = 0;
  kept->next = (kept->next + 1) % FRONT_KEPT;
  kept->n = MF_MIN(kept->n + 1, (uint32_t)FRONT_KEPT);
}

mf_str front_recall(const front_kept *kept, uint8_t at) {
  if (kept->n == 0) return MF_STR("");
  return mf_str_from(kept->texts[(kept->next + FRONT_KEPT - 1 - at % kept->n) % FRONT_KEPT]);
}

// ---- dictionaries ----
#define POLICY                                                                                   \
  "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":" \
  "\"lambda.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}"
#define FUNCTION "arn:aws:lambda:us-east-1:000000000000:function:"
static const struct {
  const char *name, *value;
} likely[] = {
    {"FunctionName", "f"},
    {"Role", "arn:aws:iam::000000000000:role/r"},
    {"ZipFile", "UEsFBg=="},
    {"Handler", "h.h"},
    {"Runtime", "python3.12"},
    {"Name", "live"},
    {"FunctionVersion", "$LATEST"},
    {"Qualifier", "live"},
    {"StatementId", "s"},
    {"Action", "lambda:InvokeFunction"},
    {"Principal", "s3.amazonaws.com"},
    {"SourceAccount", "000000000000"},
    {"SourceArn", "arn:aws:s3:::bucket"},
    {"PrincipalOrgID", "o-abcdefghij"},
    {"Resource", FUNCTION "f"},
    {"TargetArn", FUNCTION "f1"},
    {"Destination", FUNCTION "f1"},
    {"LogGroup", "/aws/lambda/f"},
    {"logGroupName", "/aws/lambda/f"},
    {"logGroupNamePrefix", "/aws"},
    {"logGroupIdentifier", "/aws/lambda/f"},
    {"resourceArn", "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f"},
    {"RoleName", "r"},
    {"PolicyName", "p"},
    {"PolicyArn", "arn:aws:iam::000000000000:policy/p"},
    {"PermissionsBoundary", "arn:aws:iam::000000000000:policy/p"},
    {"AssumeRolePolicyDocument", POLICY},
    {"PolicyDocument", POLICY},
    {"VersionId", "v1"},
    {"Path", "/"},
    {"PathPrefix", "/"},
    {"retentionInDays", "7"},
    {"RoleArn", "arn:aws:iam::000000000000:role/r"},
    {"RoleSessionName", "session"},
    {"Key", "team"},
    {"Value", "blue"},
    {"SubnetIds", "subnet-1"},
    {"Payload", "{\"data\":[1]}"},
    {"InvokeArgs", "{}"},
    {"AllowOrigins", "*"},
    {"AllowMethods", "GET"},
    {"ProvisionedConcurrentExecutions", "1"},
    {"ReservedConcurrentExecutions", "5"},
    {"MaxItems", "2"},
    {"limit", "2"},
    {"startTime", "0"},
    {"VersionKey", "1"},
    {"MapKey", "team"},
};
static const char *const absurd[] = {
    "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST",
    "arn:aws:lambda:us-east-1:000000000000:function:f:live:live",
    "arn:aws:lambda:us-east-1:123456789012:function:f",
    "arn:aws:lambda:eu-west-1:000000000000:function:f",
    "000000000000:function:f",
    "function:f",
    "arn:aws:lambda:us-east-1:000000000000:f",
    "arn:aws:lambda:::function:",
    "arn:aws:lambda",
    ":",
    "::::::::",
    "f:",
    ":f",
    "f:1",
    "f:0",
    "f:99999999999999999999",
    "$LATEST",
    "$LATEST.PUBLISHED",
    "1",
    "2",
    "0",
    "-1",
    "18446744073709551616",
    "live",
    "../../etc/passwd",
    "..",
    ".",
    "/",
    "//",
    "a/b",
    "%",
    "%zz",
    "%00",
    "%2f",
    "\xff\xfe",
    "\xc0\xaf",
    "\xed\xa0\x80",
    "\xf4\x90\x80\x80",
    "\xe2\x80\xae",
    "\x01\x7f\x1b[2J",
    "\r\nX-Injected: 1",
    "\n",
    " ",
    "",
    "'\"<>&;--",
    "]]>",
    "<!ENTITY x \"y\">",
    "*",
    "?",
    "arn:*",
    "arn:aws:iam::000000000000:role/service-role/r",
    "arn:aws:iam::000000000000:root",
    "arn:aws:s3:::bucket",
    "arn:aws:sqs:us-east-1:000000000000:queue",
    "arn:aws:sns:us-east-1:000000000000:topic",
    "arn:aws:events:us-east-1:000000000000:event-bus/b",
    FUNCTION "f",
    FUNCTION "f1:live",
    FUNCTION "nobody",
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "/aws/lambda/f",
    "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*",
    "UEsFBmI=",
    "UEsFBm0=",
    "not base64",
    "UEs",
    "{}",
    "{\"Version\":\"2012-10-17\",\"Statement\":[]}",
    "{\"Version\":\"2008-10-17\",\"Statement\":{\"Effect\":\"Deny\",\"NotPrincipal\":\"*\","
    "\"NotAction\":[\"*\"],\"Resource\":\"*\"}}",
    "{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":[\"*\",1,null]},\"Action\":[[]],"
    "\"Condition\":{\"StringEquals\":{\"aws:SourceArn\":{}}}}]}",
    "[[[[[[[[",
    "null",
    "true",
    "1e999",
    "-0",
    "NaN",
    "python3.12",
    "lambda:*",
    "lambda:InvokeFunctionUrl",
    "NONE",
    "AWS_IAM",
    "ALL",
    "v2",
    "v1.x",
    "team",
    "_X_AMZN",
    "aws:tag",
    "AWS_REGION",
    "LAMBDA_TASK_ROOT",
    "https://example.com",
    "\"unterminated",
    "?a ?b",
    "{ $.x = 1 }",
    "[a, b]",
};
static const char *const numbers[] = {"0",
                                      "1",
                                      "-1",
                                      "2",
                                      "16",
                                      "128",
                                      "900",
                                      "1000",
                                      "901",
                                      "10240",
                                      "10241",
                                      "2147483647",
                                      "2147483648",
                                      "-2147483649",
                                      "4294967296",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "-9223372036854775808",
                                      "99999999999999999999999",
                                      "0.5",
                                      "1e3",
                                      "-0.0",
                                      "1e308",
                                      "1e400",
                                      "0.1",
                                      "0.9999999999999999999",
                                      "00",
                                      "365",
                                      "7",
                                      "21600"};
static const char *const wrong[] = {"1",    "\"text\"", "true",        "[]",   "{}",
                                    "1.5",  "[null]",   "{\"\":\"\"}", "[[]]", "{\"a\":{\"a\":{}}}",
                                    "null", "false"};

static mf_str likely_text(const char *name) {
  for (size_t i = 0; i < MF_COUNT(likely); i++)
    if (strcmp(name, likely[i].name) == 0) return mf_str_from(likely[i].value);
  return (mf_str){0};
}

// ---- likely values ----
static mf_str first_of(const char *values) { return (mf_str){values, strcspn(values, ",")}; }

static mf_str filled(mf_arena *arena, size_t len) {
  char *text = mf_arena_alloc(arena, len + 1);
  memset(text, 'a', len);
  return (mf_str){text, len};
}

static mf_str number_text(const front_source *from, const mf_field *field) {
  const int64_t value = field->min != MF_NO_LIMIT   ? field->min
                        : field->max != MF_NO_LIMIT ? MF_MIN(field->max, (int64_t)1)
                                                    : 1;
  return mf_str_from(mf_str_format(from->arena, "%lld", (long long)value));
}

// name: of the member that a list's element belongs to.
static mf_str likely_scalar(const front_source *from, const mf_field *field, const char *name) {
  const mf_str known = likely_text(name);
  if (known.data) return known;
  if (field->kind == MF_INTEGER || field->kind == MF_NUMBER) return number_text(from, field);
  if (field->kind == MF_BOOLEAN) return MF_STR("true");
  if (field->values) return first_of(field->values);
  if (field->kind == MF_BLOB) return MF_STR("UEsFBg==");
  return filled(from->arena, (size_t)MF_MAX(field->min, (int64_t)2) > 512
                                 ? 2
                                 : (size_t)MF_MAX(field->min, (int64_t)2));
}

static front_value *new_value(const front_source *from, const mf_field *field, const char *name) {
  front_value *value = MF_NEW(from->arena, front_value);
  *value = (front_value){
      .name = name, .key = MF_STR(""), .field = field, .kind = FRONT_ABSENT, .text = MF_STR("")};
  return value;
}

static bool is_text(const mf_field *field) {
  return field->kind == MF_TEXT || field->kind == MF_BLOB;
}

static void make_likely(const front_source *from, front_value *value, const char *name, int depth);

static front_value *likely_member(const front_source *from, const mf_field *field, const char *name,
                                  int depth) {
  front_value *value = new_value(from, field, name);
  make_likely(from, value, name, depth);
  return value;
}

static void make_likely(const front_source *from, front_value *value, const char *name, int depth) {
  const mf_field *field = value->field;
  const mf_shape *of = field->of;
  if (field->kind < MF_STRUCTURE || !of || depth == DEPTH) {
    value->text = likely_scalar(from, field, name);
    value->kind = field->kind >= MF_STRUCTURE ? FRONT_MAP : is_text(field) ? FRONT_TEXT : FRONT_RAW;
    return;
  }
  value->kind = field->kind == MF_LIST ? FRONT_LIST : FRONT_MAP;
  if (field->kind == MF_LIST) {
    value->first = likely_member(from, &of->fields[0], name, depth + 1);
  } else if (field->kind == MF_MAP) {
    value->first = likely_member(from, &of->fields[1], name, depth + 1);
    value->first->name = NULL;
    value->first->key =
        likely_scalar(from, &of->fields[0],
                      strcmp(of->name, "AdditionalVersionWeights") == 0 ? "VersionKey" : "MapKey");
  } else {
    front_value **at = &value->first;
    for (uint32_t i = 0; i < of->n_fields; i++) {
      *at = likely_member(from, &of->fields[i], of->fields[i].name, depth + 1);
      if (!(of->fields[i].flags & MF_REQUIRED) && i > 0) (*at)->kind = FRONT_ABSENT;
      at = &(*at)->next;
    }
  }
}

// ---- what bytes change ----
static void set(front_value *value, front_kind kind, mf_str text) {
  value->kind = kind;
  value->text = text;
  value->first = NULL;
}

static const char *field_name(const void *table, uint32_t i) {
  return ((const mf_shape *)table)->fields[i].name;
}

static mf_str nested(const front_source *from, uint8_t how) {
  const size_t depth = (size_t)1 << (how % 12);
  mf_buf out = {.arena = from->arena};
  for (size_t i = 0; i < depth; i++) mf_buf_text(&out, how & 128 ? "{\"a\":" : "[");
  mf_buf_text(&out, how & 64 ? "" : "1");
  for (size_t i = 0; i < depth && !(how & 32); i++) mf_buf_text(&out, how & 128 ? "}" : "]");
  return mf_buf_view(&out);
}

static mf_str long_text(const front_source *from, const mf_field *field, uint8_t how) {
  const int64_t limit = field->max != MF_NO_LIMIT && field->max < LONGEST   ? field->max
                        : field->min != MF_NO_LIMIT && field->min < LONGEST ? field->min
                                                                            : 255;
  const int64_t lengths[] = {limit, limit + 1, limit - 1, 0, 255, 256, 1024, 4096, LONGEST};
  const int64_t len = lengths[how % MF_COUNT(lengths)];
  return filled(from->arena, (size_t)MF_MAX(len, (int64_t)0));
}

static mf_str one_of(const front_source *from, const char *values, uint8_t which) {
  if (!values) return mf_str_from(absurd[which % MF_COUNT(absurd)]);
  uint32_t n = 1;
  for (const char *c = values; *c; c++) n += *c == ',';
  for (which = (uint8_t)(which % n); which > 0; which--) values = strchr(values, ',') + 2;
  return mf_str_copy(from->arena, first_of(values));
}

static void change(front_source *from, front_value *value, const char *name, int depth);

static void change_member(front_source *from, front_value *value, int depth) {
  const mf_shape *of = value->field->of;
  if (!value->first) make_likely(from, value, value->name ? value->name : "", depth);
  if (!of || of->n_fields == 0 || !value->first || depth == DEPTH) return;
  front_value *at = value->first;
  for (uint32_t i = value->field->kind == MF_STRUCTURE
                        ? front_choose(front_two(from->in), field_name, of, of->n_fields)
                        : 0;
       i > 0; i--)
    at = at->next;
  change(from, at, at->name ? at->name : "", depth + 1);
}

static void repeat(const front_source *from, front_value *value, const char *name, uint8_t times,
                   int depth) {
  if (value->field->kind != MF_LIST && value->field->kind != MF_MAP) {
    set(value, FRONT_RAW, MF_STR("[1]"));
    return;
  }
  value->first = NULL;
  for (uint8_t i = 0; i < times % 60; i++) {
    front_value one = {.field = value->field, .key = MF_STR("")};
    make_likely(from, &one, name, depth);
    if (!one.first) return;
    if (value->field->kind == MF_MAP)
      one.first->key = mf_str_from(mf_str_format(from->arena, "%.*s%u", MF_STR_ARG(one.first->key),
                                                 times & 128 ? 0u : (unsigned)i));
    else if (is_text(one.first->field))
      one.first->text = mf_str_from(
          mf_str_format(from->arena, "%.*s%u", MF_STR_ARG(one.first->text), (unsigned)i));
    one.first->next = value->first;
    value->first = one.first;
  }
}

static void change(front_source *from, front_value *value, const char *name, int depth) {
  const uint8_t how = front_byte(from->in);
  if ((how & 15) == 14) {
    change_member(from, value, depth);
    return;
  }
  make_likely(from, value, name, depth);
  switch (how & 15) {
    case 0: break;
    case 1:
      value->text = mf_str_from(
          mf_str_format(from->arena, "%.*s%u", MF_STR_ARG(value->text), front_byte(from->in) % 8u));
      break;
    case 2: value->kind = FRONT_ABSENT; break;
    case 3:
      set(value, FRONT_RAW, mf_str_from(wrong[front_byte(from->in) % MF_COUNT(wrong)]));
      break;
    case 4:
    case 5: set(value, FRONT_TEXT, front_recall(from->kept, front_byte(from->in))); break;
    case 6:
      set(value, FRONT_TEXT, mf_str_from(absurd[front_byte(from->in) % MF_COUNT(absurd)]));
      break;
    case 7:
      set(value, FRONT_RAW, mf_str_from(numbers[front_byte(from->in) % MF_COUNT(numbers)]));
      break;
    case 8: set(value, FRONT_TEXT, front_text(from->in)); break;
    case 9: set(value, FRONT_RAW, front_text(from->in)); break;
    case 10: set(value, FRONT_RAW, nested(from, front_byte(from->in))); break;
    case 11: set(value, FRONT_TEXT, long_text(from, value->field, front_byte(from->in))); break;
    case 12:
      set(value, FRONT_TEXT, one_of(from, value->field->values, front_byte(from->in)));
      break;
    case 13: repeat(from, value, name, front_byte(from->in), depth); break;
    default:  // a kept text with more behind it: ARNs with a qualifier, names that are longer
      set(value, FRONT_TEXT, front_recall(from->kept, front_byte(from->in)));
      value->text = mf_str_from(mf_str_format(from->arena, "%.*s%s", MF_STR_ARG(value->text),
                                              absurd[front_byte(from->in) % MF_COUNT(absurd)]));
  }
}

front_value *front_values(front_source *from, const mf_shape *shape) {
  front_value *first = NULL, **at = &first, *all[64];
  const uint32_t n = MF_MIN(shape->n_fields, (uint32_t)MF_COUNT(all));
  for (uint32_t i = 0; i < n; i++) {
    all[i] = *at = likely_member(from, &shape->fields[i], shape->fields[i].name, 0);
    if (!(shape->fields[i].flags & MF_REQUIRED)) all[i]->kind = FRONT_ABSENT;
    at = &all[i]->next;
  }
  for (uint32_t changes = front_byte(from->in) & 7; changes > 0 && n > 0; changes--) {
    front_value *value = all[front_choose(front_two(from->in), field_name, shape, n)],
                *next = value->next;
    change(from, value, value->name, 0);
    value->next = next;
  }
  return first;
}

// ---- writing ----
// Bytes that are no UTF-8 stay what they are: that is for the server to refuse.
static void write_json_text(mf_buf *out, mf_str text) {
  mf_buf_text(out, "\"");
  for (size_t i = 0; i < text.len; i++) {
    const unsigned char c = (unsigned char)text.data[i];
    if (c == '"' || c == '\\')
      mf_buf_format(out, "\\%c", c);
    else if (c < 0x20)
      mf_buf_format(out, "\\u%04x", c);
    else
      mf_buf_append(out, &c, 1);
  }
  mf_buf_text(out, "\"");
}

static void write_json_value(mf_buf *out, const front_value *value) {
  if (value->kind == FRONT_TEXT)
    write_json_text(out, value->text);
  else if (value->kind == FRONT_RAW)
    mf_buf_str(out, value->text);
  else if (value->kind == FRONT_MAP)
    front_write_json(out, value->first);
  if (value->kind != FRONT_LIST) return;
  mf_buf_text(out, "[");
  for (const front_value *element = value->first; element; element = element->next) {
    if (element != value->first) mf_buf_text(out, ",");
    if (element->kind == FRONT_ABSENT) mf_buf_text(out, "null");
    write_json_value(out, element);
  }
  mf_buf_text(out, "]");
}

void front_write_json(mf_buf *out, const front_value *members) {
  const char *separator = "{";
  for (const front_value *value = members; value; value = value->next) {
    if (value->kind == FRONT_ABSENT) continue;
    mf_buf_text(out, separator);
    write_json_text(out, value->name ? mf_str_from(value->name) : value->key);
    mf_buf_text(out, ":");
    write_json_value(out, value);
    separator = ",";
  }
  mf_buf_text(out, *separator == '{' ? "{}" : "}");
}

static void write_form_value(mf_buf *out, mf_str prefix, const front_value *value) {
  uint32_t number = 0;
  if (value->kind == FRONT_ABSENT) return;
  if (value->kind == FRONT_TEXT || value->kind == FRONT_RAW) {
    mf_buf_format(out, "&%.*s=", MF_STR_ARG(prefix));
    mf_percent_encode(out, value->text, false);
    return;
  }
  for (const front_value *child = value->first; child; child = child->next) {
    char name[512];
    int len = value->kind == FRONT_LIST
                  ? snprintf(name, sizeof name, "%.*s.member.%u", MF_STR_ARG(prefix), ++number)
                  : snprintf(name, sizeof name, "%.*s.%s", MF_STR_ARG(prefix),
                             child->name ? child->name : "entry");
    write_form_value(out, (mf_str){name, MF_MIN((size_t)len, sizeof name - 1)}, child);
  }
}

void front_write_form(mf_buf *out, const front_value *members) {
  for (const front_value *value = members; value; value = value->next)
    write_form_value(out, mf_str_from(value->name), value);
}

mf_str front_plain(const front_value *value, mf_arena *arena) {
  mf_buf out = {.arena = arena};
  if (value->kind == FRONT_TEXT || value->kind == FRONT_RAW) return value->text;
  write_json_value(&out, value);
  return out.data ? mf_buf_view(&out) : MF_STR("");
}
