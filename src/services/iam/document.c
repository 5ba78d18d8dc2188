// The rules as a table, in the order in which IAM looks at them: the first that does not hold is what the caller is told. Policies of
// identities and trust policies are read by two parsers of AWS's, which say the same things in different words. Sources: the IAM User
// Guide ("Grammar of the IAM JSON policy language", "Version", "Sid") and errors of the real service that people have quoted.
#include "document.h"

#include <strings.h>

enum { IDENTITY = MF_DOCUMENT_MANAGED | MF_DOCUMENT_INLINE, TRUST = MF_DOCUMENT_TRUST, ARN_PARTS = 6 };

typedef bool rule_fn(const json_t *thing, mf_buf *fault);
typedef struct rule {
  uint32_t kinds;
  enum { WHOLE, EACH } of;  // is `thing` the document, or each of its statements?
  rule_fn *holds;
  const char *says;         // NULL: the rule has written it
} rule;

static mf_str text_of(const json_t *value) { return (mf_str){json_string_value(value), json_string_length(value)}; }
static mf_str member(const json_t *object, const char *name) { return text_of(json_object_get(object, name)); }

// Statement is one, or a list of them.
static const json_t *statement_at(const json_t *document, size_t i) {
  const json_t *statement = json_object_get(document, "Statement");
  if (json_is_array(statement)) return json_array_get(statement, i);
  return i == 0 ? statement : NULL;
}

// A text or a list of texts: the i-th, NULL: no more.
static const json_t *text_at(const json_t *texts, size_t i) {
  if (json_is_array(texts)) return json_array_get(texts, i);
  return i == 0 ? texts : NULL;
}

// ---- members and the types of their values ----
static bool is_text(const json_t *value) { return json_is_string(value); }

static bool is_texts(const json_t *value) {
  size_t i;
  json_t *each;
  json_array_foreach(value, i, each) if (!json_is_string(each)) return false;
  return json_is_string(value) || json_is_array(value);
}

static bool is_anything(const json_t *value) { return value != NULL; }

static bool is_operand(const json_t *value) { return json_is_string(value) || json_is_number(value) || json_is_boolean(value); }

static bool is_operands(const json_t *value) {
  size_t i;
  json_t *each;
  json_array_foreach(value, i, each) if (!is_operand(each)) return false;
  return is_operand(value) || json_is_array(value);
}

// "ForAnyValue:StringEqualsIfExists" is about StringEquals.
static mf_str bare_operator(const char *name) {
  static const mf_str before[] = {MF_STR("ForAnyValue:"), MF_STR("ForAllValues:")}, after = MF_STR("IfExists");
  mf_str bare = mf_str_from(name);
  for (size_t i = 0; i < MF_COUNT(before) && bare.data == name; i++)
    if (mf_str_starts(bare, before[i])) bare = (mf_str){bare.data + before[i].len, bare.len - before[i].len};
  if (mf_str_ends(bare, after)) bare.len -= after.len;
  return bare;
}

static bool is_operator(const char *name) {
  return mf_value_is_listed("StringEquals, StringNotEquals, StringEqualsIgnoreCase, StringNotEqualsIgnoreCase, StringLike, StringNotLike, "
                            "NumericEquals, NumericNotEquals, NumericLessThan, NumericLessThanEquals, NumericGreaterThan, "
                            "NumericGreaterThanEquals, DateEquals, DateNotEquals, DateLessThan, DateLessThanEquals, DateGreaterThan, "
                            "DateGreaterThanEquals, Bool, BinaryEquals, IpAddress, NotIpAddress, ArnEquals, ArnLike, ArnNotEquals, ArnNotLike, "
                            "Null", bare_operator(name));
}

// {operator: {key: values}}. An operator that is none is passed over when nothing stands below it.
static bool is_condition(const json_t *value) {
  const char *operator, *key;
  json_t *keys, *operands;
  json_object_foreach((json_t *)(uintptr_t)value, operator, keys) {
    if (!json_is_object(keys) || (json_object_size(keys) > 0 && !is_operator(operator))) return false;
    json_object_foreach(keys, key, operands) if (!is_operands(operands)) return false;
  }
  return json_is_object(value);
}

typedef struct element {
  const char *name;
  bool (*is_right)(const json_t *value);
} element;
static const element of_documents[] = {{"Version", is_text}, {"Id", is_text}, {"Statement", is_anything}};
static const element of_statements[] = {{"Sid", is_text}, {"Effect", is_text}, {"Principal", is_anything}, {"NotPrincipal", is_anything},
                                        {"Action", is_texts}, {"NotAction", is_texts}, {"Resource", is_texts}, {"NotResource", is_texts},
                                        {"Condition", is_condition}};

static const element *find_element(const char *name, const element *elements, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strcmp(elements[i].name, name) == 0) return &elements[i];
  return NULL;
}

static bool names_are_known(const json_t *object, const element *elements, size_t n, mf_buf *fault) {
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)object, name, value) {
    if (find_element(name, elements, n)) continue;
    mf_buf_format(fault, "Unknown field %s", name);
    return false;
  }
  return true;
}

static bool values_are_right(const json_t *object, const element *elements, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const json_t *value = json_object_get(object, elements[i].name);
    if (value && !elements[i].is_right(value)) return false;
  }
  return true;
}

static bool is_object(const json_t *thing, mf_buf *fault) {
  (void)fault;
  return json_is_object(thing);
}
static bool has_known_members(const json_t *document, mf_buf *fault) {
  return names_are_known(document, of_documents, MF_COUNT(of_documents), fault);
}
static bool has_right_members(const json_t *document, mf_buf *fault) {
  (void)fault;
  return values_are_right(document, of_documents, MF_COUNT(of_documents));
}
static bool has_known_elements(const json_t *statement, mf_buf *fault) {
  return names_are_known(statement, of_statements, MF_COUNT(of_statements), fault);
}
static bool has_right_elements(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return values_are_right(statement, of_statements, MF_COUNT(of_statements));
}

// The parser of identities' policies says the same of every fault of this kind.
static bool is_known(const json_t *thing, bool (*holds)(const json_t *thing, mf_buf *fault)) {
  mf_buf unsaid = {.failed = true};
  return holds(thing, &unsaid);
}
static bool has_only_members(const json_t *document, mf_buf *fault) {
  (void)fault;
  return is_known(document, has_known_members);
}
static bool has_only_elements(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return is_known(statement, has_known_elements);
}

static bool is_version(mf_str version) { return mf_str_is(version, "2008-10-17") || mf_str_is(version, "2012-10-17"); }
static bool has_known_version(const json_t *document, mf_buf *fault) {
  (void)fault;
  return !json_object_get(document, "Version") || is_version(member(document, "Version"));
}
static bool is_of_2012(const json_t *document, mf_buf *fault) {
  (void)fault;
  return mf_str_is(member(document, "Version"), "2012-10-17");
}
static bool has_statement(const json_t *document, mf_buf *fault) {
  (void)fault;
  return json_object_get(document, "Statement") != NULL;
}
static bool has_statements(const json_t *document, mf_buf *fault) {
  (void)fault;
  return !json_is_array(json_object_get(document, "Statement")) || statement_at(document, 0);
}

// ---- a statement ----
static bool has_no_principal(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return !json_object_get(statement, "Principal") && !json_object_get(statement, "NotPrincipal");
}
static bool has_no_resource(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return !json_object_get(statement, "Resource");
}
static bool has_no_not_resource(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return !json_object_get(statement, "NotResource");
}
static bool has_one_of_each(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return !(json_object_get(statement, "Action") && json_object_get(statement, "NotAction")) &&
         !(json_object_get(statement, "Resource") && json_object_get(statement, "NotResource"));
}

static bool has_effect(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return json_object_get(statement, "Effect") != NULL;
}
static bool has_good_effect(const json_t *statement, mf_buf *fault) {
  const mf_str effect = member(statement, "Effect");
  if (mf_value_is_listed("Allow, Deny", effect)) return true;
  mf_buf_format(fault, "Invalid effect: %.*s", MF_STR_ARG(effect));
  return false;
}
static bool has_exact_effect(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return mf_value_is_listed("Allow, Deny", member(statement, "Effect"));
}
static bool has_some_effect(const json_t *statement, mf_buf *fault) {
  (void)fault;
  const char *effect = json_string_value(json_object_get(statement, "Effect"));
  return effect && (strcasecmp(effect, "Allow") == 0 || strcasecmp(effect, "Deny") == 0);
}

static bool has_text(const json_t *statement, const char *name, const char *not_name) {
  const json_t *texts = json_object_get(statement, name);
  return text_at(texts ? texts : json_object_get(statement, not_name), 0) != NULL;
}
static bool has_actions(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return has_text(statement, "Action", "NotAction");
}
static bool has_resources(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return has_text(statement, "Resource", "NotResource");
}

// Does it hold for each text of these two members?
static bool all_texts(const json_t *statement, const char *name, const char *not_name, bool (*holds)(mf_str text, mf_buf *fault), mf_buf *fault) {
  const char *names[] = {name, not_name};
  for (size_t n = 0; n < MF_COUNT(names); n++) {
    const json_t *texts = json_object_get(statement, names[n]), *each;
    for (size_t i = 0; (each = text_at(texts, i)); i++)
      if (!holds(text_of(each), fault)) return false;
  }
  return true;
}

// ---- statements' names ----
static bool has_plain_sid(const json_t *statement, mf_buf *fault) {
  (void)fault;
  const mf_str sid = member(statement, "Sid");
  for (size_t i = 0; i < sid.len; i++) {
    const char c = sid.data[i];
    if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))) return false;
  }
  return true;
}

static bool has_unique_sids(const json_t *document, mf_buf *fault) {
  const json_t *statement;
  json_t *seen = json_object();
  bool is_unique = true;
  for (size_t i = 0; is_unique && (statement = statement_at(document, i)); i++) {
    const char *sid = json_string_value(json_object_get(statement, "Sid"));
    if (!sid || !*sid) continue;
    is_unique = !json_object_get(seen, sid);
    fault->failed |= json_object_set_new(seen, sid, json_true()) != 0;
  }
  json_decref(seen);
  return is_unique;
}

// ---- dates: ISO 8601, shortened at will, or seconds since 1970 ----
static bool take_number(mf_str *text, long least, long most) {
  long number = 0;
  size_t n = 0;
  while (n < text->len && n < 10 && text->data[n] >= '0' && text->data[n] <= '9') number = 10 * number + (text->data[n++] - '0');
  *text = (mf_str){text->data + n, text->len - n};
  return n > 0 && number >= least && number <= most;
}

static bool take(mf_str *text, const char *one_of) {
  if (text->len == 0 || !strchr(one_of, text->data[0])) return false;
  *text = (mf_str){text->data + 1, text->len - 1};
  return true;
}

static bool take_zone(mf_str *text) {
  if (text->len == 0 || take(text, "zZ")) return true;
  if (!take(text, "+-")) return false;
  const bool has_minutes = text->len == 5 && text->data[2] == ':';
  return (text->len == 2 || has_minutes) && take_number(text, 0, 23) && (!has_minutes || (take(text, ":") && take_number(text, 0, 59)));
}

static bool is_iso_date(mf_str text) {
  enum { MOST_YEARS = 292278993, LEAST_YEARS = 292275054 };  // what the milliseconds of a long can say
  const bool is_negative = take(&text, "-");
  if (!take_number(&text, 0, is_negative ? LEAST_YEARS : MOST_YEARS)) return false;
  if (take(&text, "-") && !take_number(&text, 1, 12)) return false;
  if (take(&text, "-") && !take_number(&text, 1, 31)) return false;
  if (!take(&text, "tT") || text.len == 0) return text.len == 0;
  if (!take_number(&text, 0, 23)) return false;
  if (take(&text, ":") && !take_number(&text, 0, 59)) return false;
  if (take(&text, ":") && !take_number(&text, 0, 59)) return false;
  return (!take(&text, ".") || take_number(&text, 0, 999999999)) && take_zone(&text);
}

static bool is_date(mf_str text) {
  static const char most[] = "9223372036854775807";
  for (size_t i = 0; i < text.len; i++)
    if (strchr("-tT", text.data[i])) return is_iso_date(text);
  for (size_t i = 0; i < text.len; i++)
    if (text.data[i] < '0' || text.data[i] > '9') return false;
  while (text.len > 1 && text.data[0] == '0') text = (mf_str){text.data + 1, text.len - 1};
  return text.len > 0 && (text.len < sizeof most - 1 || (text.len == sizeof most - 1 && memcmp(text.data, most, text.len) <= 0));
}

static bool has_dates(const json_t *statement, mf_buf *fault) {
  const char *operator, *key;
  json_t *keys, *operands;
  (void)fault;
  json_object_foreach(json_object_get(statement, "Condition"), operator, keys) {
    if (!mf_str_starts(bare_operator(operator), MF_STR("Date"))) continue;
    json_object_foreach(keys, key, operands) {
      const json_t *each;
      for (size_t i = 0; (each = text_at(operands, i)); i++)
        if (json_is_string(each) ? !is_date(text_of(each)) : !json_is_integer(each)) return false;
    }
  }
  return true;
}

// ---- actions ----
static bool is_vendors(mf_str action, mf_buf *fault) {
  const char *colon = action.len ? memchr(action.data, ':', action.len) : NULL;
  const mf_str vendor = {action.data, colon ? (size_t)(colon - action.data) : 0};
  if (mf_str_is(action, "*")) return true;
  if (!colon) {
    mf_buf_text(fault, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.");
    return false;
  }
  if (memchr(colon + 1, ':', action.len - vendor.len - 1)) {
    mf_buf_text(fault, "Actions/Condition can contain only one colon.");
    return false;
  }
  bool is_good = vendor.len > 0;
  for (size_t i = 0; i < vendor.len; i++) {
    const char c = vendor.data[i];
    is_good &= (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' || c == '.';
  }
  if (!is_good && !mf_str_is(vendor, "*")) mf_buf_format(fault, "Vendor %.*s is not valid", MF_STR_ARG(vendor));
  return is_good || mf_str_is(vendor, "*");
}
static bool has_vendors(const json_t *statement, mf_buf *fault) { return all_texts(statement, "Action", "NotAction", is_vendors, fault); }

static bool is_of_sts(mf_str action, mf_buf *fault) {
  (void)fault;
  return action.len > 4 && strncasecmp(action.data, "sts:", 4) == 0;
}
static bool has_actions_of_sts(const json_t *statement, mf_buf *fault) { return all_texts(statement, "Action", "NotAction", is_of_sts, fault); }

// ---- resources ----
static uint32_t split_arn(mf_str arn, mf_str parts[ARN_PARTS]) {
  uint32_t n = 0;
  for (const char *colon; n < ARN_PARTS - 1 && arn.len > 0 && (colon = memchr(arn.data, ':', arn.len)); n++) {
    parts[n] = (mf_str){arn.data, (size_t)(colon - arn.data)};
    arn = (mf_str){colon + 1, arn.len - parts[n].len - 1};
  }
  parts[n] = arn;
  for (uint32_t i = n + 1; i < ARN_PARTS; i++) parts[i] = MF_STR("*");
  return n + 1;
}

#define IAM_PATHS "user/, federated-user/, role/, group/, instance-profile/, mfa/, server-certificate/, policy/, sms-mfa/, saml-provider/, " \
                  "oidc-provider/, report/, access-report/"

// Does it begin with one of them, or with a pattern that one of them fits?
static bool is_iam_path(mf_str path) {
  size_t plain = 0;
  while (plain < path.len && path.data[plain] != '*' && path.data[plain] != '?') plain++;
  for (const char *start = IAM_PATHS; *start;) {
    const size_t len = (size_t)(strchr(start, '/') + 1 - start);
    if ((plain >= len && memcmp(path.data, start, len) == 0) || (plain < path.len && plain < len && memcmp(path.data, start, plain) == 0)) return true;
    start += len;
    start += strspn(start, ", ");
  }
  return false;
}

static bool has_pattern(mf_str text) { return text.len > 0 && (memchr(text.data, '*', text.len) || memchr(text.data, '?', text.len)); }

// S3's buckets are in no region; its access points, which have an account, are.
static bool is_resource(mf_str resource, mf_buf *fault) {
  mf_str p[ARN_PARTS];
  if (mf_str_is(resource, "*")) return true;
  const uint32_t n = split_arn(resource, p);
  const bool is_iam = n > 2 && mf_str_is(p[2], "iam"), is_s3 = n > 2 && mf_str_is(p[2], "s3"), has_region = n < 4 || p[3].len > 0;
  if (n > 1 && !mf_policy_like(p[1], MF_STR("aws")))
    mf_buf_format(fault, "Partition \"%.*s\" is not valid for resource \"arn:%.*s:%.*s:%.*s:%.*s:%.*s\".", MF_STR_ARG(p[1]), MF_STR_ARG(p[1]),
                  MF_STR_ARG(p[2]), MF_STR_ARG(p[3]), MF_STR_ARG(p[4]), MF_STR_ARG(p[5]));
  else if (n < 2 || !mf_str_is(p[0], "arn"))
    mf_buf_format(fault, "Resource %.*s must be in ARN format or \"*\".", MF_STR_ARG(resource));
  else if (n < 3 || has_pattern(p[2])) mf_buf_text(fault, "Resource vendor must be fully qualified and cannot contain regexes.");
  else if (is_iam && has_region) mf_buf_format(fault, "IAM resource %.*s cannot contain region information.", MF_STR_ARG(resource));
  else if (is_s3 && has_region && (n < 5 || p[4].len == 0))
    mf_buf_format(fault, "Resource %.*s can not contain region information.", MF_STR_ARG(resource));
  else if (is_iam && !is_iam_path(n == ARN_PARTS ? p[5] : MF_STR("")))
    mf_buf_text(fault, "IAM resource path must either be \"*\" or start with " IAM_PATHS ".");
  else return true;
  return false;
}
static bool has_good_resources(const json_t *statement, mf_buf *fault) {
  return all_texts(statement, "Resource", "NotResource", is_resource, fault);
}

// What is no resource at all is told later.
static bool is_whole(mf_str resource, mf_buf *fault) {
  mf_str parts[ARN_PARTS];
  mf_buf unsaid = {.failed = true};
  (void)fault;
  if (mf_str_is(resource, "*") || !is_resource(resource, &unsaid)) return true;
  const uint32_t n = split_arn(resource, parts);
  return parts[2].len > 0 && (n == ARN_PARTS || !memmem(resource.data, resource.len, "::", 2));
}
static bool has_whole_resources(const json_t *statement, mf_buf *fault) {
  return all_texts(statement, "Resource", "NotResource", is_whole, fault);
}

// ---- principals ----
static const struct principal_type {
  const char *name, *shown, *pattern;
} principal_types[] = {
    {"AWS", "AWS", "(\\*|\\d{12}|arn:aws[a-z-]*:(iam|sts)::\\d{12}:(root|[a-z-]+/.+)|A(ROA|IDA)[A-Z0-9]{12,124})"},
    {"Service", "SERVICE", "[a-z0-9.-]+\\.(amazonaws\\.com(\\.cn)?|amazon\\.com)"},
    {"Federated", "FEDERATED", "(arn:aws[a-z-]*:iam::\\d{12}:(saml|oidc)-provider/.+|[a-zA-Z0-9.-]+\\.[a-z]+)"}};

static bool is_principal(const struct principal_type *type, mf_str who, mf_buf *fault) {
  const mf_pattern_verdict verdict = who.len > 0 ? mf_pattern_match(type->pattern, who) : MF_PATTERN_DIFFERS;
  fault->failed |= verdict == MF_PATTERN_NO_MEMORY;
  if (verdict == MF_PATTERN_DIFFERS) mf_buf_format(fault, "Invalid principal in policy: \"%s\":\"%.*s\"", type->shown, MF_STR_ARG(who));
  return verdict == MF_PATTERN_MATCHES;
}

static bool has_known_types(const json_t *principal, mf_buf *fault) {
  const char *name;
  json_t *who;
  json_object_foreach((json_t *)(uintptr_t)principal, name, who) {
    const struct principal_type *type = NULL;
    for (size_t i = 0; i < MF_COUNT(principal_types); i++)
      if (strcmp(principal_types[i].name, name) == 0) type = &principal_types[i];
    if (!type || !is_texts(who) || !text_at(who, 0)) {
      mf_buf_format(fault, "Invalid principal in policy: \"%s\"", name);
      return false;
    }
    const json_t *each;
    for (size_t i = 0; (each = text_at(who, i)); i++)
      if (!is_principal(type, text_of(each), fault)) return false;
  }
  return true;
}

static bool has_good_principal(const json_t *statement, mf_buf *fault) {
  const json_t *principal = json_object_get(statement, "Principal");
  if (mf_str_is(text_of(principal), "*")) mf_buf_text(fault, "AssumeRolepolicy contained an invalid principal: \"STAR\":\"*\".");
  else if (!json_is_object(principal)) mf_buf_text(fault, "Principal must be a JSON object.");
  else if (json_object_size(principal) == 0) mf_buf_text(fault, "Missing required field Principal cannot be empty!");
  else return has_known_types(principal, fault);
  return false;
}

static bool has_principal(const json_t *statement, mf_buf *fault) {
  (void)fault;
  return json_object_get(statement, "Principal") != NULL;
}

static bool has_no_not_principal(const json_t *statement, mf_buf *fault) {
  if (!json_object_get(statement, "NotPrincipal")) return true;
  const bool allows = mf_str_is(member(statement, "Effect"), "Allow");
  mf_buf_text(fault, allows ? "Allow with NotPrincipal is not allowed." : "AssumeRole policy must not contain NotPrincipal field.");
  return false;
}

// ---- the table ----
#define SYNTAX "Syntax errors in policy."
#define LEGACY "The policy failed legacy parsing"
#define TRUST_SYNTAX "Syntax error in policy."
static const rule rules[] = {
    {IDENTITY, WHOLE, is_object, SYNTAX},
    {IDENTITY, WHOLE, has_only_members, SYNTAX},
    {IDENTITY, WHOLE, has_right_members, SYNTAX},
    {IDENTITY, WHOLE, has_known_version, SYNTAX},
    {IDENTITY, WHOLE, has_statement, SYNTAX},
    {IDENTITY, WHOLE, has_statements, SYNTAX},
    {IDENTITY, EACH, is_object, SYNTAX},
    {IDENTITY, EACH, has_only_elements, SYNTAX},
    {IDENTITY, EACH, has_right_elements, SYNTAX},
    {IDENTITY, EACH, has_one_of_each, SYNTAX},
    {IDENTITY, EACH, has_some_effect, SYNTAX},
    {MF_DOCUMENT_MANAGED, WHOLE, is_of_2012, "Policy document must be version 2012-10-17 or greater."},
    {IDENTITY, EACH, has_no_principal, "Policy document should not specify a principal."},
    {IDENTITY, EACH, has_exact_effect, LEGACY},
    {IDENTITY, EACH, has_dates, LEGACY},
    {IDENTITY, EACH, has_whole_resources, LEGACY},
    {IDENTITY, EACH, has_plain_sid,
     "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"},
    {IDENTITY, WHOLE, has_unique_sids, "Statement IDs (SID) in a single policy must be unique."},
    {IDENTITY, EACH, has_actions, "Policy statement must contain actions."},
    {IDENTITY, EACH, has_good_resources, NULL},
    {IDENTITY, EACH, has_vendors, NULL},
    {IDENTITY, EACH, has_resources, "Policy statement must contain resources."},
    {TRUST, WHOLE, is_object, "This policy contains invalid Json"},
    {TRUST, WHOLE, has_known_members, NULL},
    {TRUST, WHOLE, has_known_version, "The policy must contain a valid version string"},
    {TRUST, WHOLE, has_right_members, TRUST_SYNTAX},
    {TRUST, WHOLE, has_statement, "Missing required field Statement"},
    {TRUST, WHOLE, has_statements, "Could not parse the policy: Statement is empty!"},
    {TRUST, EACH, is_object, TRUST_SYNTAX},
    {TRUST, EACH, has_known_elements, NULL},
    {TRUST, EACH, has_right_elements, TRUST_SYNTAX},
    {TRUST, EACH, has_no_resource, "Has prohibited field Resource"},
    {TRUST, EACH, has_no_not_resource, "AssumeRole policy must not contain resources."},
    {TRUST, EACH, has_one_of_each, TRUST_SYNTAX},
    {TRUST, EACH, has_effect, "Missing required field Effect"},
    {TRUST, EACH, has_good_effect, NULL},
    {TRUST, EACH, has_no_not_principal, NULL},
    {TRUST, EACH, has_principal, "Missing required field Principal"},
    {TRUST, EACH, has_good_principal, NULL},
    {TRUST, EACH, has_dates, TRUST_SYNTAX},
    {TRUST, EACH, has_actions, "Missing required field Action"},
    {TRUST, EACH, has_actions_of_sts, "AssumeRole policy may only specify STS AssumeRole actions."},
    {TRUST, WHOLE, has_unique_sids, "The Statement Ids in the policy are not unique"}};

static bool rule_holds(const rule *r, const json_t *document, mf_buf *fault) {
  const json_t *statement;
  if (r->of == WHOLE) return r->holds(document, fault);
  for (size_t i = 0; (statement = statement_at(document, i)); i++)
    if (!r->holds(statement, fault)) return false;
  return true;
}

bool mf_document_check(mf_document_kind kind, const json_t *document, mf_buf *fault) {
  for (size_t i = 0; i < MF_COUNT(rules); i++) {
    if (!(rules[i].kinds & kind) || rule_holds(&rules[i], document, fault)) continue;
    if (rules[i].says) mf_buf_text(fault, rules[i].says);
    return false;
  }
  return !fault->failed;
}
