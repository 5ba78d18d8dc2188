// The texts are AWS's own (lambda.md, error table): "Value 'x' at 'memorySize' failed to satisfy constraint: Member must …".
#include "api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>


enum { PATH_BYTES = 128, SHOWN_BYTES = 1024 };

const mf_field *mf_shape_field(const mf_shape *shape, const char *name) {
  for (uint32_t i = 0; i < shape->n_fields; i++)
    if (strcmp(shape->fields[i].name, name) == 0) return &shape->fields[i];
  return NULL;
}

bool mf_value_is_listed(const char *values, mf_str value) {
  for (const char *p = values; p;) {
    const char *end = strchr(p, ',');
    if (mf_str_equal(value, (mf_str){p, end ? (size_t)(end - p) : strlen(p)})) return true;
    p = end ? end + 2 : NULL;
  }
  return false;
}

// One violation. `constraint` is what follows "failed to satisfy constraint: ".
static void add(mf_violations *v, mf_str shown, const char *path, const char *constraint) {
  if (v->count++ > 0) mf_buf_text(&v->text, "; ");
  if (!shown.data) {
    mf_buf_format(&v->text, "Value null at '%s' failed to satisfy constraint: %s", path, constraint);
    return;
  }
  mf_buf_format(&v->text, "Value '%.*s' at '%s' failed to satisfy constraint: %s", (int)MF_MIN(shown.len, (size_t)SHOWN_BYTES),
                shown.data, path, constraint);
}

static bool breaks_pattern(const mf_field *f, mf_str value, char *out, size_t capacity, mf_violations *v) {
  const mf_pattern_verdict verdict = f->pattern ? mf_pattern_match(f->pattern, value) : MF_PATTERN_MATCHES;
  v->out_of_memory |= verdict == MF_PATTERN_NO_MEMORY;
  if (verdict != MF_PATTERN_DIFFERS) return false;
  snprintf(out, capacity, "Member must satisfy regular expression pattern: %s", f->pattern);
  return true;
}

static bool breaks_values(const mf_field *f, mf_str value, char *out, size_t capacity) {
  if (!f->values || mf_value_is_listed(f->values, value)) return false;
  snprintf(out, capacity, "Member must satisfy enum value set: [%s]", f->values);
  return true;
}

static bool breaks_length(const mf_field *f, mf_str value, char *out, size_t capacity) {
  int64_t len = (int64_t)value.len;
  if (f->max != MF_NO_LIMIT && len > f->max) snprintf(out, capacity, "Member must have length less than or equal to %" PRId64, f->max);
  else if (f->min != MF_NO_LIMIT && len < f->min)
    snprintf(out, capacity, "Member must have length greater than or equal to %" PRId64, f->min);
  else return false;
  return true;
}

// Whether a text breaks any rule, and one that it breaks: elements of lists and maps, which AWS answers with the whole set.
static bool broken_rule(const mf_field *f, mf_str value, char *out, size_t capacity, mf_violations *v) {
  return breaks_values(f, value, out, capacity) || breaks_length(f, value, out, capacity) || breaks_pattern(f, value, out, capacity, v);
}

static void all_rules(const mf_field *f, mf_buf *out) {
  const char *separator = "";
  if (f->kind == MF_NUMBER) {
    mf_buf_format(out, "Member must have value less than or equal to %" PRId64 ".0, Member must have value greater than or equal to %" PRId64
                       ".0, Member must not be null", f->max, f->min);
    return;
  }
  if (f->values) {
    mf_buf_format(out, "Member must satisfy enum value set: [%s], Member must not be null", f->values);
    separator = ", ";
  }
  if (f->max != MF_NO_LIMIT) {
    mf_buf_format(out, "%sMember must have length less than or equal to %" PRId64, separator, f->max);
    separator = ", ";
  }
  if (f->min != MF_NO_LIMIT) {
    mf_buf_format(out, "%sMember must have length greater than or equal to %" PRId64, separator, f->min);
    separator = ", ";
  }
  if (f->pattern) mf_buf_format(out, "%sMember must satisfy regular expression pattern: %s", separator, f->pattern);
}

static void label(const mf_field *f, const char *parent, char path[PATH_BYTES]) {
  snprintf(path, PATH_BYTES, "%s%s%s", parent, *parent && *f->name ? "." : "", f->name);
  size_t at = *parent ? strlen(parent) + 1 : 0;
  if (at < strlen(path) && path[at] >= 'A' && path[at] <= 'Z') path[at] = (char)(path[at] - 'A' + 'a');
}

static void check_text(const mf_field *f, mf_str value, const char *path, mf_violations *v) {
  char rule[1024];
  if (strcmp(f->name, "Runtime") == 0) return;  // AWS answers these in other words: see create.c
  if (breaks_values(f, value, rule, sizeof rule)) add(v, value, path, rule);
  if (breaks_pattern(f, value, rule, sizeof rule, v)) add(v, value, path, rule);  // AWS names each broken rule, in this order (recorded)
  if (breaks_length(f, value, rule, sizeof rule)) add(v, value, path, rule);
}

static void check_number(const mf_field *f, int64_t value, const char *path, mf_violations *v) {
  char shown[24], rule[96];
  snprintf(shown, sizeof shown, "%" PRId64, value);
  if (f->max != MF_NO_LIMIT && value > f->max) snprintf(rule, sizeof rule, "Member must have value less than or equal to %" PRId64, f->max);
  else if (f->min != MF_NO_LIMIT && value < f->min)
    snprintf(rule, sizeof rule, "Member must have value greater than or equal to %" PRId64, f->min);
  else return;
  add(v, mf_str_from(shown), path, rule);
}

void mf_validate_text(const mf_field *f, mf_str value, mf_violations *v) {
  char path[PATH_BYTES], text[32];
  label(f, "", path);
  if (!value.data) {
    if (f->flags & MF_REQUIRED) add(v, value, path, "Member must not be null");
    return;
  }
  if (f->flags & MF_UNSUPPORTED) {
    v->unsupported = f->name;
    return;
  }
  if (f->kind != MF_INTEGER) {
    check_text(f, value, path, v);
    return;
  }
  char *end = text;
  snprintf(text, sizeof text, "%.*s", (int)MF_MIN(value.len, sizeof text - 1), value.data);
  const long long number = strtoll(text, &end, 10);
  if (end == text || (size_t)(end - text) != value.len || number != (int32_t)number) {
    v->wrong_type = true;
    mf_buf_format(&v->text, "Value '%s' at '%s' can not be converted to an Integer", text, path);
  } else {
    check_number(f, number, path, v);
  }
}

static void check_structure(const mf_shape *shape, const json_t *object, const char *parent, mf_violations *v);

static bool has_type(const mf_field *f, const json_t *value) {
  switch (f->kind) {
    case MF_TEXT:
    case MF_BLOB: return json_is_string(value);
    case MF_INTEGER: return json_is_integer(value);
    case MF_NUMBER: return json_is_number(value);
    case MF_BOOLEAN: return json_is_boolean(value);
    case MF_LIST: return json_is_array(value);
    default: return json_is_object(value);
  }
}

static const char *const kind_names[] = {"a String", "an Integer", "a Double", "a Boolean", "a Blob", "a Structure", "a List", "a Map"};

static mf_str text_of(const json_t *value) { return (mf_str){json_string_value(value), json_string_length(value)}; }

// "[a, b]": how AWS shows a list.
static void show_list(const json_t *list, mf_buf *out) {
  size_t i;
  json_t *element;
  mf_buf_text(out, "[");
  json_array_foreach(list, i, element) {
    if (i > 0) mf_buf_text(out, ", ");
    mf_buf_str(out, json_is_string(element) ? text_of(element) : MF_STR("{}"));
  }
  mf_buf_text(out, "]");
}

static void check_list(const mf_field *f, const json_t *list, const char *path, mf_violations *v) {
  const mf_field *of = &f->of->fields[0];
  char rule[1024];
  size_t i;
  json_t *element;
  mf_buf shown = {0};
  show_list(list, &shown);
  int64_t len = (int64_t)json_array_size(list);
  if (f->max != MF_NO_LIMIT && len > f->max) {
    snprintf(rule, sizeof rule, "Member must have length less than or equal to %" PRId64, f->max);
    add(v, mf_buf_view(&shown), path, rule);
  } else if (f->min != MF_NO_LIMIT && len < f->min) {
    snprintf(rule, sizeof rule, "Member must have length greater than or equal to %" PRId64, f->min);
    add(v, mf_buf_view(&shown), path, rule);
  }
  json_array_foreach(list, i, element) {
    if (!has_type(of, element)) {
      v->wrong_type = true;
      mf_buf_format(&v->text, "An element of '%s' can not be converted to %s", path, kind_names[of->kind]);
      break;
    }
    if (of->kind == MF_STRUCTURE) {
      check_structure(of->of, element, path, v);
    } else if (broken_rule(of, text_of(element), rule, sizeof rule, v)) {
      mf_buf rules = {0};
      mf_buf_text(&rules, "Member must satisfy constraint: [");
      all_rules(of, &rules);
      mf_buf_append(&rules, "]", 2);
      add(v, mf_buf_view(&shown), path, rules.failed ? rule : rules.data);
      mf_buf_deinit(&rules);
      break;
    }
  }
  mf_buf_deinit(&shown);
}

// As Java writes them: "0.5", "2.0".
static void show_number(double value, mf_buf *out) {
  const bool is_whole = value > -1e7 && value < 1e7 && value == (double)(int64_t)value;
  mf_buf_format(out, is_whole ? "%.1f" : "%.15g", value);
}

// "{a=b, c=0.5}": how AWS shows a map.
static void show_map(const json_t *map, mf_buf *out) {
  const char *key, *separator = "";
  json_t *value;
  mf_buf_text(out, "{");
  json_object_foreach((json_t *)(uintptr_t)map, key, value) {
    mf_buf_format(out, "%s%s=", separator, key);
    if (json_is_number(value)) show_number(json_number_value(value), out);
    else mf_buf_str(out, text_of(value));
    separator = ", ";
  }
  mf_buf_text(out, "}");
}

// A map breaks the rule of its keys, or of its values, once, with all that the rule says.
static void add_map_rule(const json_t *map, const char *what, const mf_field *of, const char *path, mf_violations *v) {
  mf_buf rules = {0}, shown = {0};
  mf_buf_format(&rules, "%s must satisfy constraint: [", what);
  all_rules(of, &rules);
  mf_buf_append(&rules, "]", 2);
  show_map(map, &shown);
  if (rules.failed || shown.failed) v->out_of_memory = true;
  else add(v, mf_buf_view(&shown), path, rules.data);
  mf_buf_deinit(&rules);
  mf_buf_deinit(&shown);
}

static bool breaks_rule(const mf_field *of, const json_t *value, mf_violations *v) {
  char rule[1024];
  if (of->kind != MF_NUMBER) return broken_rule(of, text_of(value), rule, sizeof rule, v);
  const double number = json_number_value(value);
  return (of->max != MF_NO_LIMIT && number > (double)of->max) || (of->min != MF_NO_LIMIT && number < (double)of->min);
}

static void check_map(const mf_field *f, const json_t *map, const char *path, mf_violations *v) {
  const mf_field *key_field = &f->of->fields[0], *value_field = &f->of->fields[1];
  const char *key;
  json_t *value;
  char rule[1024];
  bool bad_key = false, bad_value = false;
  json_object_foreach((json_t *)(uintptr_t)map, key, value) {
    if (!has_type(value_field, value)) {
      v->wrong_type = true;
      mf_buf_format(&v->text, "Value of '%s' in '%s' can not be converted to %s", key, path, kind_names[value_field->kind]);
      return;
    }
    bad_key |= broken_rule(key_field, mf_str_from(key), rule, sizeof rule, v);
    bad_value |= breaks_rule(value_field, value, v);
  }
  if (bad_value) add_map_rule(map, "Map value", value_field, path, v);
  if (bad_key) add_map_rule(map, "Map keys", key_field, path, v);
}

static void check_value(const mf_field *f, const json_t *value, const char *path, mf_violations *v) {
  if (!has_type(f, value)) {
    v->wrong_type = true;
    mf_buf_format(&v->text, "Value at '%s' can not be converted to %s", path, kind_names[f->kind]);
    return;
  }
  switch (f->kind) {
    case MF_TEXT: check_text(f, text_of(value), path, v); break;
    case MF_INTEGER: check_number(f, json_integer_value(value), path, v); break;
    case MF_LIST: check_list(f, value, path, v); break;
    case MF_MAP: check_map(f, value, path, v); break;
    case MF_STRUCTURE:
      if (f->of) check_structure(f->of, value, path, v);
      break;
    default: break;
  }
}

static void check_structure(const mf_shape *shape, const json_t *object, const char *parent, mf_violations *v) {
  char path[PATH_BYTES];
  for (uint32_t i = 0; i < shape->n_fields && !v->wrong_type; i++) {
    const mf_field *f = &shape->fields[i];
    if (f->flags & (MF_IN_PATH | MF_IN_QUERY | MF_IN_HEADER)) continue;
    const json_t *value = json_object_get(object, f->name);
    label(f, parent, path);
    if (!value || json_is_null(value)) {
      if (f->flags & MF_REQUIRED) add(v, (mf_str){0}, path, "Member must not be null");
    } else if (f->flags & MF_UNSUPPORTED) {
      v->unsupported = f->name;
    } else {
      check_value(f, value, path, v);
    }
  }
}

void mf_validate_body(const mf_shape *shape, const json_t *body, mf_violations *v) { check_structure(shape, body, "", v); }
