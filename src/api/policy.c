// Policies as IAM evaluates them (IAM User Guide, "Policy evaluation logic"), as far as resource policies of functions go. A statement
// is about a request when principal, action, resource and every condition match; one that denies wins.
#include <stdio.h>
#include <strings.h>

#include "api.h"

// ---- texts ----
static mf_str text_of(const json_t *value) { return (mf_str){json_string_value(value), json_string_length(value)}; }

static bool is_same_word(mf_str a, mf_str b) { return a.len == b.len && (a.len == 0 || strncasecmp(a.data, b.data, a.len) == 0); }

// Goes back to the last star only, so that no pattern costs more than its length times the text's.
bool mf_policy_like(mf_str pattern, mf_str text) {
  size_t p = 0, t = 0, star = SIZE_MAX, mark = 0;
  while (t < text.len) {
    if (p < pattern.len && pattern.data[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.len && (pattern.data[p] == '?' || pattern.data[p] == text.data[t])) {
      p++;
      t++;
    } else if (star != SIZE_MAX) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.len && pattern.data[p] == '*') p++;
  return p == pattern.len;
}

// One of ARN's six parts; the last is all that is left.
static mf_str next_part(mf_str *arn, bool is_last) {
  const char *colon = is_last || arn->len == 0 ? NULL : memchr(arn->data, ':', arn->len);
  const size_t len = colon ? (size_t)(colon - arn->data) : arn->len, step = colon ? len + 1 : len;
  const mf_str part = {arn->data, len};
  *arn = (mf_str){arn->data + step, arn->len - step};
  return part;
}

static bool arn_is_like(mf_str pattern, mf_str arn) {
  for (int i = 0; i < 6; i++) {
    const mf_str want = next_part(&pattern, i == 5), have = next_part(&arn, i == 5);
    if (!mf_policy_like(want, have)) return false;
  }
  return true;
}

// ---- one text, or a list of which one must match ----
typedef bool match_fn(mf_str wanted, mf_str given);

static bool any_matches(const json_t *wanted, mf_str given, match_fn *matches) {
  size_t i;
  json_t *each;
  if (json_is_string(wanted)) return matches(text_of(wanted), given);
  json_array_foreach(wanted, i, each) if (json_is_string(each) && matches(text_of(each), given)) return true;
  return false;
}

// Actions are matched whatever their case.
static bool is_action(mf_str wanted, mf_str given) {
  if (wanted.len > 0 && wanted.data[wanted.len - 1] == '*')
    return given.len >= wanted.len - 1 && strncasecmp(wanted.data, given.data, wanted.len - 1) == 0;
  return is_same_word(wanted, given);
}

// ---- who ----
static bool is_aws_principal(const json_t *wanted, const mf_policy_request *request) {
  char root[64];
  if (any_matches(wanted, MF_STR("*"), mf_str_equal)) return true;
  if (request->account.len == 0) return false;
  const int len = snprintf(root, sizeof root, "arn:aws:iam::%.*s:root", (int)MF_MIN(request->account.len, (size_t)32), request->account.data);
  return any_matches(wanted, (mf_str){root, (size_t)len}, mf_str_equal) || any_matches(wanted, request->account, mf_str_equal) ||
         (request->arn.len > 0 && any_matches(wanted, request->arn, mf_str_equal));
}

static bool is_principal(const json_t *wanted, const mf_policy_request *request) {
  if (json_is_string(wanted)) return mf_str_is(text_of(wanted), "*");
  if (request->service.len > 0) return any_matches(json_object_get(wanted, "Service"), request->service, mf_str_equal);
  return is_aws_principal(json_object_get(wanted, "AWS"), request);
}

// ---- conditions ----
static const struct {
  const char *name;
  match_fn *matches;
} operators[] = {{"StringEquals", mf_str_equal}, {"ArnLike", arn_is_like}, {"Bool", is_same_word}};

// A key that nothing is known of meets no condition.
static bool key_matches(const char *key, const json_t *wanted, match_fn *matches, const mf_policy_request *request) {
  for (uint32_t i = 0; i < request->n_context; i++)
    if (strcasecmp(request->context[i].key, key) == 0) return any_matches(wanted, request->context[i].value, matches);
  return false;
}

static bool operator_holds(const char *name, const json_t *keys, const mf_policy_request *request) {
  const char *key;
  json_t *wanted;
  match_fn *matches = NULL;
  for (size_t i = 0; i < MF_COUNT(operators); i++)
    if (strcmp(operators[i].name, name) == 0) matches = operators[i].matches;
  if (!matches || !json_is_object(keys)) return false;
  json_object_foreach((json_t *)(uintptr_t)keys, key, wanted) if (!key_matches(key, wanted, matches, request)) return false;
  return true;
}

static bool conditions_hold(const json_t *conditions, const mf_policy_request *request) {
  const char *name;
  json_t *keys;
  if (!conditions) return true;
  if (!json_is_object(conditions)) return false;
  json_object_foreach((json_t *)(uintptr_t)conditions, name, keys) if (!operator_holds(name, keys, request)) return false;
  return true;
}

// ---- statements ----
static bool is_about(const json_t *statement, const mf_policy_request *request) {
  return is_principal(json_object_get(statement, "Principal"), request) &&
         any_matches(json_object_get(statement, "Action"), request->action, is_action) &&
         any_matches(json_object_get(statement, "Resource"), request->resource, mf_policy_like) &&
         conditions_hold(json_object_get(statement, "Condition"), request);
}

mf_policy_verdict mf_policy_evaluate(const json_t *statements, const mf_policy_request *request) {
  size_t i;
  json_t *statement;
  mf_policy_verdict verdict = MF_POLICY_SILENT;
  json_array_foreach(statements, i, statement) {
    if (!is_about(statement, request)) continue;
    const char *effect = json_string_value(json_object_get(statement, "Effect"));
    if (effect && strcmp(effect, "Deny") == 0) return MF_POLICY_DENIED;
    if (effect && strcmp(effect, "Allow") == 0) verdict = MF_POLICY_ALLOWED;
  }
  return verdict;
}
