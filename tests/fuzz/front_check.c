// Checks of answers.
#include "front_check.h"

#include <ctype.h>
#include <stdio.h>

static const struct {
  const char *operation, *errors;
} documented[] = {
#include "front_errors.h"
};

// Of signatures, of members' limits, of what Mayfly does not have; the second half as the query
// protocol calls them.
static const char general[] =
    " ValidationException SerializationException InvalidRequestContentException "
    "InvalidParameterValueException AccessDeniedException "
    "UnrecognizedClientException InvalidSignatureException IncompleteSignatureException "
    "MissingAuthenticationTokenException ExpiredTokenException "
    "RequestEntityTooLargeException RequestTooLargeException TooManyRequestsException "
    "NotImplementedException NotImplemented UnknownOperationException BadRequest "
    "RequestHeaderFieldsTooLarge ResourceNotFoundException "
    "ValidationError MalformedInput InvalidAction MissingAction InvalidClientTokenId "
    "SignatureDoesNotMatch IncompleteSignature MissingAuthenticationToken "
    "ExpiredToken AccessDenied InvalidInput InvalidParameterException ";

// ---- XML: elements are closed in their order, names are names, nothing that XML 1.0 does not have
// ----
enum { XML_DEPTH = 64 };

static bool is_name(mf_str name) {
  bool ok = name.len > 0 && (isalpha((unsigned char)name.data[0]) || name.data[0] == '_');
  for (size_t i = 1; i < name.len; i++)
    ok = ok && (isalnum((unsigned char)name.data[i]) || strchr("_-.:", name.data[i]));
  return ok;
}

static bool text_is_right(mf_str text) {
  static const char *const entities[] = {"&amp;", "&lt;", "&gt;",  "&quot;", "&apos;", "&#13;",
                                         "&#10;", "&#9;", "&#xD;", "&#34;",  "&#39;"};
  bool ok = true;
  for (size_t i = 0; i < text.len && ok; i++) {
    const unsigned char c = (unsigned char)text.data[i];
    ok = c >= 0x20 || c == '\n' || c == '\t' || c == '\r';
    if (c != '&') continue;
    ok = false;
    for (size_t k = 0; k < MF_COUNT(entities); k++)
      ok |= mf_str_starts((mf_str){text.data + i, text.len - i}, mf_str_from(entities[k]));
  }
  return ok;
}

static mf_str cut(mf_str *rest, char at) {
  const char *end = rest->len ? memchr(rest->data, at, rest->len) : NULL;
  const mf_str piece = {rest->data, end ? (size_t)(end - rest->data) : rest->len};
  const size_t used = piece.len + (end ? 1 : 0);
  *rest = (mf_str){rest->data + used, rest->len - used};
  return piece;
}

static bool xml_is_right(mf_str rest) {
  mf_str open[XML_DEPTH];
  int depth = 0;
  bool any = false;
  if (!mf_str_is_utf8(rest)) return false;
  while (rest.len > 0) {
    const mf_str text = cut(&rest, '<');
    if (!text_is_right(text)) return false;
    if (rest.len == 0) break;
    mf_str tag = cut(&rest, '>');
    if (tag.len > 0 && tag.data[0] == '/') {
      if (depth == 0 || !mf_str_equal(open[--depth], (mf_str){tag.data + 1, tag.len - 1}))
        return false;
      continue;
    }
    const bool is_empty = mf_str_ends(tag, MF_STR("/"));
    if (is_empty) tag.len--;
    const mf_str name = cut(&tag, ' ');
    if (!is_name(name) || depth == XML_DEPTH) return false;
    if (!is_empty) open[depth++] = name;
    any = true;
  }
  return any && depth == 0;
}

// ---- errors ----
static mf_str between(mf_str text, const char *before, const char *after) {
  const char *from = text.len ? memmem(text.data, text.len, before, strlen(before)) : NULL;
  if (!from) return MF_STR("");
  from += strlen(before);
  const size_t left = text.len - (size_t)(from - text.data);
  const char *to = memmem(from, left, after, strlen(after));
  return to ? (mf_str){from, (size_t)(to - from)} : MF_STR("");
}

static mf_str error_code(const world_answer *answer) {
  const mf_str header = world_header(answer, "x-amzn-ErrorType");
  if (header.len) return header;
  const mf_str json = between(answer->body, "\"__type\":\"", "\"");
  return json.len ? json : between(answer->body, "<Code>", "</Code>");
}

static bool is_in(mf_str code, const char *list) {
  char word[128];
  const int len = snprintf(word, sizeof word, " %.*s ", MF_STR_ARG(code));
  return code.len > 0 && len < (int)sizeof word && strstr(list, word) != NULL;
}

static bool may_say(const front_target *target, mf_str code) {
  if (is_in(code, general)) return true;
  for (size_t i = 0; i < MF_COUNT(documented); i++)
    if (strcmp(documented[i].operation, target->name) == 0)
      return is_in(code, documented[i].errors);
  return target->protocol == FRONT_OWN || target->protocol == FRONT_URL;
}

static void finding(const char *what, const front_asked *asked, const world_answer *answer) {
  const world_request *r = &asked->request;
  fprintf(stderr, "%.*s %.*s\n", MF_STR_ARG(r->method), MF_STR_ARG(r->target));
  for (uint32_t i = 0; i < r->n_headers; i++)
    fprintf(stderr, "%s: %.*s\n", r->headers[i].name, MF_STR_ARG(r->headers[i].value));
  fprintf(stderr, "%.*s\n\n%d\n", (int)MF_MIN(r->body.len, (size_t)4000),
          (const char *)r->body.data, answer->status);
  for (uint32_t i = 0; i < answer->n_headers; i++)
    fprintf(stderr, "%s: %.*s\n", answer->headers[i].name, MF_STR_ARG(answer->headers[i].value));
  fprintf(stderr, "%.*s\n", (int)MF_MIN(answer->body.len, (size_t)4000), answer->body.data);
  world_fail("%s: %s", asked->target->name, what);
}

static bool body_is_ours(const front_asked *asked, const world_answer *answer) {
  const char *name = asked->target->name;
  const bool is_payload = strcmp(name, "lambda.Invoke") == 0 ||
                          asked->target->protocol == FRONT_URL || strstr(name, "event-payloads");
  return answer->status >= 400 || !is_payload;
}

static void check_form(const front_asked *asked, const world_answer *answer) {
  const mf_str type = world_header(answer, "Content-Type");
  json_t *json = NULL;
  if (answer->body.len == 0 || !body_is_ours(asked, answer)) return;
  if (mf_str_starts(type, MF_STR("text/xml")) && !xml_is_right(answer->body))
    finding("the answer is no XML", asked, answer);
  if (!mf_str_starts(type, MF_STR("application/json")) &&
      !mf_str_starts(type, MF_STR("application/x-amz-json")))
    return;
  json = json_loadb(answer->body.data, answer->body.len, JSON_REJECT_DUPLICATES, NULL);
  if (!json) finding("the answer is no JSON", asked, answer);
  json_decref(json);
}

void front_check(const front_asked *asked, const world_answer *answer, mf_arena *arena) {
  const int status = answer->status;
  const mf_str code = error_code(answer);
  (void)arena;
  if (status == 0 && !asked->request.hang_up) finding("no answer", asked, answer);
  if (status == 0) return;
  const bool is_ours = asked->target->protocol != FRONT_URL;
  if (mf_str_is(code, "ServiceException") && !world_hosting.failed)
    finding("an error of the server's own", asked, answer);
  if (is_ours && status >= 500 && status != 501 && !world_hosting.failed)
    finding("the server is to blame", asked, answer);
  if (is_ours && (status < 200 || (status >= 300 && status < 400)))
    finding("an odd status", asked, answer);
  if (is_ours && status >= 400 && !may_say(asked->target, code) && !world_hosting.failed)
    finding("the error is not documented", asked, answer);
  check_form(asked, answer);
}

// ---- learning ----
static void keep_strings(const json_t *value, front_kept *kept) {
  const char *key;
  json_t *member;
  size_t i;
  if (json_is_string(value))
    front_keep(kept, (mf_str){json_string_value(value), json_string_length(value)});
  json_object_foreach((json_t *)(uintptr_t)value, key, member) keep_strings(member, kept);
  json_array_foreach(value, i, member) keep_strings(member, kept);
}

static void keep_elements(mf_str rest, front_kept *kept) {
  while (rest.len > 0) {
    cut(&rest, '>');
    const mf_str text = cut(&rest, '<');
    if (text.len > 0 && text.data[0] != '\n') front_keep(kept, text);
  }
}

static void take_credentials(const world_answer *answer, front_credentials *session) {
  const mf_str key = between(answer->body, "<AccessKeyId>", "<"),
               secret = between(answer->body, "<SecretAccessKey>", "<"),
               token = between(answer->body, "<SessionToken>", "<");
  if (key.len == 0 || secret.len == 0 || token.len == 0) return;
  snprintf(session->access_key, sizeof session->access_key, "%.*s", MF_STR_ARG(key));
  snprintf(session->secret, sizeof session->secret, "%.*s", MF_STR_ARG(secret));
  snprintf(session->token, sizeof session->token, "%.*s", MF_STR_ARG(token));
}

void front_learn(const world_answer *answer, front_kept *kept, front_credentials *session) {
  if (answer->status < 200 || answer->status > 299 || answer->body.len == 0) return;
  json_t *json = json_loadb(answer->body.data, answer->body.len, 0, NULL);
  if (json)
    keep_strings(json, kept);
  else if (mf_str_starts(world_header(answer, "Content-Type"), MF_STR("text/xml")))
    keep_elements(answer->body, kept), take_credentials(answer, session);
  json_decref(json);
}
