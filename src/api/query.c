// The query protocol's codec: a form whose parameters are paths into a structure ("Tags.member.1.Key=team") and answers in XML. What
// comes in is from strangers (tests/fuzz/fuzz_query.c); what goes out is made of jansson's values.
#include <stdio.h>
#include <stdlib.h>

#include "api.h"

enum { MAX_PARAMETERS = 2000, MAX_DEPTH = 8 };

typedef struct cursor {  // where in the structure a name has led so far
  const mf_field *field;
  json_t *holder;        // an object or an array
  json_t *value;         // what is there, NULL: nothing yet
} cursor;

// ---- the form ----
static mf_str cut(mf_str *rest, char separator) {
  const char *found = rest->len ? memchr(rest->data, separator, rest->len) : NULL;
  const size_t len = found ? (size_t)(found - rest->data) : rest->len, step = found ? len + 1 : len;
  const mf_str part = {rest->data, len};
  *rest = (mf_str){rest->data + step, rest->len - step};
  return part;
}

// application/x-www-form-urlencoded: '+' is a blank. NULL data: no memory, a broken escape or a NUL.
static mf_str decode(mf_arena *arena, mf_str text) {
  char *out = mf_arena_alloc(arena, text.len + 1);
  size_t len = 0;
  for (size_t i = 0; out && i < text.len; i++) {
    uint8_t byte = text.data[i] == '+' ? ' ' : (uint8_t)text.data[i];
    if (text.data[i] == '%') {
      if (i + 2 >= text.len || !mf_unhex((mf_str){text.data + i + 1, 2}, &byte)) return (mf_str){0};
      i += 2;
    }
    if (byte == 0) return (mf_str){0};
    out[len++] = (char)byte;
  }
  return (mf_str){out, len};
}

mf_str mf_query_value(mf_str form, const char *name, mf_arena *arena) {
  while (form.len > 0) {
    mf_str value = cut(&form, '&');
    if (mf_str_is(cut(&value, '='), name)) return decode(arena, value);
  }
  return (mf_str){0};
}

// ---- into the structure ----
static const mf_field *find_field(const mf_shape *shape, mf_str name) {
  for (uint32_t i = 0; shape && i < shape->n_fields; i++)
    if (mf_str_is(name, shape->fields[i].name)) return &shape->fields[i];
  return NULL;
}

static json_t *make_value(const mf_field *field, mf_str text) {
  char number[24], *end;
  switch (field->kind) {
    case MF_STRUCTURE: return json_object();
    case MF_LIST: return json_array();
    case MF_BOOLEAN: return mf_str_is(text, "true") ? json_true() : mf_str_is(text, "false") ? json_false() : NULL;
    case MF_INTEGER:
      if (text.len == 0 || text.len >= sizeof number || strchr(" \t\n\v\f\r", text.data[0])) return NULL;
      memcpy(number, text.data, text.len);
      number[text.len] = 0;
      const long long value = strtoll(number, &end, 10);
      return *end ? NULL : json_integer(value);
    default: return json_stringn(text.len ? text.data : "", text.len);
  }
}

// The list's element that "member.N" means: one that is there, or the next. 0: none.
static size_t element_number(mf_str *rest, const json_t *list) {
  if (!mf_str_is(cut(rest, '.'), "member")) return 0;
  const mf_str digits = cut(rest, '.');
  size_t number = 0;
  for (size_t i = 0; i < digits.len && i < 6; i++) {
    if (digits.data[i] < '0' || digits.data[i] > '9') return 0;
    number = number * 10 + (size_t)(digits.data[i] - '0');
  }
  return digits.len > 6 || number > json_array_size(list) + 1 ? 0 : number;
}

// One step along the name. false: the structure has no such place.
static bool descend(cursor *at, mf_str *rest) {
  if (at->field->kind == MF_LIST) {
    const size_t number = element_number(rest, at->value);
    if (number == 0) return false;
    *at = (cursor){&at->field->of->fields[0], at->value, json_array_get(at->value, number - 1)};
    return true;
  }
  const mf_field *field = at->field->kind == MF_STRUCTURE ? find_field(at->field->of, cut(rest, '.')) : NULL;
  if (!field) return false;
  *at = (cursor){field, at->value, json_object_get(at->value, field->name)};
  return true;
}

static bool ensure(cursor *at, mf_str text) {
  if (at->value) return true;
  at->value = make_value(at->field, text);
  if (!at->value) return false;
  if (json_is_array(at->holder)) return json_array_append_new(at->holder, at->value) == 0;
  return json_object_set_new(at->holder, at->field->name, at->value) == 0;
}

// A name that leads nowhere is passed over, as AWS does; a value that is not of its member's type is an error.
static bool take(const mf_shape *shape, mf_str name, mf_str text, json_t *members, mf_error *err) {
  mf_str rest = name;
  const mf_field *first = find_field(shape, cut(&rest, '.'));
  if (!first) return true;
  cursor at = {first, members, json_object_get(members, first->name)};
  for (int depth = 0; rest.len > 0; depth++) {
    if (depth == MAX_DEPTH || !ensure(&at, MF_STR(""))) return mf_fail(err, MF_InvalidRequest, "%.*s is no parameter", (int)MF_MIN(name.len, (size_t)100), name.data);
    if (!descend(&at, &rest)) return true;
  }
  if (at.value && at.field->kind != MF_LIST && at.field->kind != MF_STRUCTURE)
    return mf_fail(err, MF_InvalidRequest, "%.*s stands there twice", (int)MF_MIN(name.len, (size_t)100), name.data);
  return ensure(&at, text) || mf_fail(err, MF_InvalidRequest, "the value of %.*s is not of its type", (int)MF_MIN(name.len, (size_t)100), name.data);
}

bool mf_query_decode(mf_str form, const mf_shape *shape, mf_arena *arena, json_t *members, mf_error *err) {
  for (uint32_t n = 0; form.len > 0; n++) {
    if (n == MAX_PARAMETERS) return mf_fail(err, MF_InvalidRequest, "the request has more than %d parameters", MAX_PARAMETERS);
    mf_str value = cut(&form, '&');
    const mf_str name = decode(arena, cut(&value, '='));
    value = decode(arena, value);
    if (!name.data || !value.data) return mf_fail(err, MF_InvalidRequest, "a parameter is not well encoded");
    if (!take(shape, name, value, members, err)) return false;
  }
  return true;
}

// ---- out of it ----
static void value_xml(mf_buf *out, const char *name, const json_t *value, int depth) {
  size_t i;
  json_t *element;
  if (json_is_null(value)) return;
  mf_buf_format(out, "%*s<%s>", 2 * depth, "", name);
  if (json_is_string(value)) mf_buf_xml_text(out, (mf_str){json_string_value(value), json_string_length(value)});
  else if (json_is_integer(value)) mf_buf_format(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
  else if (json_is_boolean(value)) mf_buf_text(out, json_is_true(value) ? "true" : "false");
  else mf_buf_text(out, "\n");
  if (json_is_object(value)) mf_xml_members(out, value, depth + 1);
  json_array_foreach(value, i, element) value_xml(out, "member", element, depth + 1);
  if (json_is_object(value) || json_is_array(value)) mf_buf_format(out, "%*s", 2 * depth, "");
  mf_buf_format(out, "</%s>\n", name);
}

void mf_xml_members(mf_buf *out, const json_t *object, int depth) {
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)object, name, value) value_xml(out, name, value, depth);
}
