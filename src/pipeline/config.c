// Reading members by table.
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

enum { MAX_FILE = 16 << 20, MAX_LABELS = 1000000 };

bool mf_config_fail(mf_config *c, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return mf_fail(c->err, MF_InvalidPackage, "%s: %s%s%s", c->file, c->place, *c->place ? ": " : "",
                 text);
}

json_t *mf_config_parse(mf_config *c, mf_slice bytes) {
  json_error_t error;
  c->place[0] = 0;
  if (bytes.len > MAX_FILE) return mf_config_fail(c, "is larger than %d bytes", MAX_FILE), NULL;
  json_t *json = json_loadb(bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &error);
  if (!json)
    return mf_config_fail(c, "line %d, column %d: %s", error.line, error.column, error.text), NULL;
  if (json_is_object(json)) return json;
  json_decref(json);
  return mf_config_fail(c, "expected a JSON object"), NULL;
}

bool mf_config_text(mf_config *c, json_t *value, mf_str *text) {
  if (!json_is_string(value)) return mf_config_fail(c, "expected a text");
  *text = mf_str_copy(c->arena, (mf_str){json_string_value(value), json_string_length(value)});
  return text->data ? true : mf_fail(c->err, MF_OutOfMemory, "no memory left for %s", c->file);
}

static bool read_integer(mf_config *c, json_t *value, const mf_member *m, uint32_t *to) {
  json_int_t n = json_integer_value(value);
  if (!json_is_integer(value) || (double)n < m->least || (double)n > m->most)
    return mf_config_fail(c, "expected an integer from %.0f to %.0f", m->least, m->most);
  *to = (uint32_t)n;
  return true;
}

static bool read_number(mf_config *c, json_t *value, const mf_member *m, double *to) {
  double n = json_number_value(value);
  if (!json_is_number(value) || !isfinite(n) || n < m->least || n > m->most)
    return mf_config_fail(c, "expected a number from %g to %g", m->least, m->most);
  *to = n;
  return true;
}

static bool read_choice(mf_config *c, json_t *value, const mf_member *m, uint32_t *to) {
  char names[256] = "";
  for (const mf_choice *choice = m->choices; choice->name; choice++) {
    if (json_is_string(value) && strcmp(json_string_value(value), choice->name) == 0)
      return *to = choice->value, true;
    size_t n = strlen(names);
    snprintf(names + n, sizeof names - n, "%s\"%s\"", n ? ", " : "", choice->name);
  }
  return mf_config_fail(c, "expected one of %s", names);
}

static bool read_member(mf_config *c, json_t *value, const mf_member *m, void *into) {
  void *to = (char *)into + m->offset;
  switch (m->kind) {
    case MF_MEMBER_INTEGER: return read_integer(c, value, m, to);
    case MF_MEMBER_NUMBER: return read_number(c, value, m, to);
    case MF_MEMBER_TEXT: return mf_config_text(c, value, to);
    case MF_MEMBER_CHOICE: return read_choice(c, value, m, to);
    case MF_MEMBER_OTHER: return m->read(c, value, to);
    case MF_MEMBER_BOOLEAN: break;
  }
  if (!json_is_boolean(value)) return mf_config_fail(c, "expected true or false");
  *(bool *)to = json_is_true(value);
  return true;
}

static bool unknown_member(mf_config *c, const char *name, const mf_member *members) {
  char names[384] = "";
  for (; members->name; members++) {
    size_t n = strlen(names);
    snprintf(names + n, sizeof names - n, "%s%s", n ? ", " : "", members->name);
  }
  return mf_config_fail(c, "there is no member '%.100s'; possible are %s", name, names);
}

bool mf_config_read(mf_config *c, json_t *object, const mf_member *members, void *into) {
  const char *name;
  json_t *value;
  size_t place = strlen(c->place);
  if (!json_is_object(object)) return mf_config_fail(c, "expected an object");
  json_object_foreach(object, name, value) {
    const mf_member *m = members;
    while (m->name && strcmp(m->name, name) != 0) m++;
    if (!m->name && !c->strict) continue;
    if (!m->name) return unknown_member(c, name, members);
    snprintf(c->place + place, sizeof c->place - place, "%s%s", place ? "." : "", name);
    if (!read_member(c, value, m, into)) return false;
    c->place[place] = 0;
  }
  return true;
}

bool mf_config_numbers(mf_config *c, json_t *value, double *numbers, uint32_t *n) {
  size_t count = json_is_array(value) ? json_array_size(value) : 1;
  if (count < 1 || count > MF_MAX_CHANNELS)
    return mf_config_fail(c, "expected a number or a list of at most %d", MF_MAX_CHANNELS);
  for (size_t i = 0; i < count; i++) {
    json_t *number = json_is_array(value) ? json_array_get(value, i) : value;
    numbers[i] = json_number_value(number);
    if (!json_is_number(number) || !isfinite(numbers[i]))
      return mf_config_fail(c, "expected a number or a list of at most %d", MF_MAX_CHANNELS);
  }
  *n = (uint32_t)count;
  return true;
}

bool mf_config_labels(mf_config *c, json_t *value, const mf_str **labels, uint32_t *n) {
  size_t count = json_is_object(value) ? json_object_size(value) : json_array_size(value);
  if ((!json_is_object(value) && !json_is_array(value)) || count == 0 || count > MAX_LABELS)
    return mf_config_fail(
        c, "expected a list of 1 to %d texts, or an object that numbers them from \"0\"",
        MAX_LABELS);
  mf_str *list = MF_NEW_ARRAY(c->arena, mf_str, count);
  if (!list) return mf_fail(c->err, MF_OutOfMemory, "no memory left for the labels");
  for (size_t i = 0; i < count; i++) {
    char key[24];
    snprintf(key, sizeof key, "%zu", i);
    json_t *label = json_is_object(value) ? json_object_get(value, key) : json_array_get(value, i);
    if (!label) return mf_config_fail(c, "label \"%zu\" of %zu is missing", i, count);
    if (!mf_config_text(c, label, &list[i])) return false;
  }
  *labels = list;
  *n = (uint32_t)count;
  return true;
}
