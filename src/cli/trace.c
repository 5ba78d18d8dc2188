#include "trace.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CALLS_LARGEST UINT32_C(4000000000)
#define VALUE_LARGEST 1e12  // milliseconds, megabytes, calls: sums and products stay finite and fit whole numbers
enum { SHOWN = 40, DAY_LARGEST = 366 };

static const struct {
  const char *file, *keys[4], *value, *weight;  // value NULL: the minutes
} kinds[] = {
    [TRACE_CALLS] = {"invocations_per_function_md.anon.d", {"HashOwner", "HashApp", "HashFunction", "Trigger"}, NULL, NULL},
    [TRACE_DURATIONS] = {"function_durations_percentiles.anon.d", {"HashOwner", "HashApp", "HashFunction"}, "Average", "Count"},
    [TRACE_MEMORY] = {"app_memory_percentiles.anon.d", {"HashOwner", "HashApp"}, "AverageAllocatedMb", "SampleCount"},
};

// ---- lines and fields ----

typedef struct line {
  const trace_reader *reader;
  mf_str left;
  uint32_t column;  // of the field that was read last, from 1
  bool ended;
} line;

// The field's beginning is shown, what is no ASCII in it as '?': it may be any bytes.
static bool wrong(const line *l, mf_str field, const char *what, mf_error *err) {
  char shown[SHOWN + 1];
  const size_t len = MF_MIN(field.len, (size_t)SHOWN);
  for (size_t i = 0; i < len; i++) shown[i] = (unsigned char)field.data[i] < 0x80 && field.data[i] ? field.data[i] : '?';
  shown[len] = '\0';
  return mf_fail(err, MF_InvalidRequest, "%s: line %llu, column %u: '%s' %s", l->reader->name, (unsigned long long)l->reader->line, l->column, shown, what);
}

static line next_line(trace_reader *reader) {
  const char *end = reader->left.len ? memchr(reader->left.data, '\n', reader->left.len) : NULL;
  const size_t len = end ? (size_t)(end - reader->left.data) : reader->left.len;
  line l = {.reader = reader, .left = {reader->left.data, len}};
  if (len > 0 && reader->left.data[len - 1] == '\r') l.left.len--;
  const size_t taken = len + (end != NULL);
  if (taken > 0) reader->left = (mf_str){reader->left.data + taken, reader->left.len - taken};
  reader->line++;
  return l;
}

static bool next_field(line *l, mf_str *field, mf_error *err) {
  *field = (mf_str){"", 0};
  l->column++;
  if (l->ended) return mf_fail(err, MF_InvalidRequest, "%s: line %llu ends before column %u", l->reader->name, (unsigned long long)l->reader->line, l->column);
  const char *comma = l->left.len ? memchr(l->left.data, ',', l->left.len) : NULL;
  *field = (mf_str){l->left.data, comma ? (size_t)(comma - l->left.data) : l->left.len};
  l->ended = !comma;
  if (comma) l->left = (mf_str){comma + 1, l->left.len - field->len - 1};
  if (field->len > TRACE_FIELD_LARGEST) return wrong(l, *field, "is longer than a field may be", err);
  if (field->len > 0 && field->data[0] == '"') return wrong(l, *field, "is quoted, which this format does not know", err);
  return true;
}

// ---- the head ----

static bool expect(line *l, const char *name, mf_error *err) {
  mf_str field;
  char what[64];
  if (!next_field(l, &field, err)) return false;
  snprintf(what, sizeof what, "stands where '%s' is expected", name);
  return mf_str_is(field, name) || wrong(l, field, what, err);
}

static bool expect_minutes(line *l, mf_error *err) {
  char minute[12];
  for (int i = 1; i <= TRACE_MINUTES; i++) {
    snprintf(minute, sizeof minute, "%d", i);
    if (!expect(l, minute, err)) return false;
  }
  return l->ended || mf_fail(err, MF_InvalidRequest, "%s: line 1 goes on after minute %d", l->reader->name, TRACE_MINUTES);
}

static bool find_value(line *l, trace_reader *reader, const char *name, const char *weight, mf_error *err) {
  mf_str field;
  while (!l->ended) {
    if (!next_field(l, &field, err)) return false;
    if (l->column > TRACE_COLUMNS_LARGEST) return wrong(l, field, "is one column too many", err);
    if (reader->value == 0 && mf_str_is(field, name)) reader->value = l->column;
    else if (reader->weight == 0 && mf_str_is(field, weight)) reader->weight = l->column;
  }
  return reader->value > 0 || mf_fail(err, MF_InvalidRequest, "%s: line 1 has no column '%s'", reader->name, name);
}

bool trace_open(trace_reader *reader, trace_kind kind, const char *name, mf_str text, mf_error *err) {
  *reader = (trace_reader){.name = name, .kind = kind, .left = text};
  line l = next_line(reader);
  for (size_t i = 0; i < MF_COUNT(kinds[kind].keys) && kinds[kind].keys[i]; i++)
    if (!expect(&l, kinds[kind].keys[i], err)) return false;
  const bool good = kinds[kind].value ? find_value(&l, reader, kinds[kind].value, kinds[kind].weight, err) : expect_minutes(&l, err);
  reader->columns = l.column;
  return good;
}

// ---- rows ----

static bool read_calls(line *l, uint32_t *calls, mf_error *err) {
  mf_str field;
  uint64_t number = 0;
  if (!next_field(l, &field, err)) return false;
  for (size_t i = 0; i < field.len; i++) {
    if (field.data[i] < '0' || field.data[i] > '9') return wrong(l, field, "is no number of calls", err);
    number = number * 10 + (uint64_t)(field.data[i] - '0');
    if (number > CALLS_LARGEST) return wrong(l, field, "is too large a number of calls", err);
  }
  *calls = (uint32_t)number;
  return field.len > 0 || wrong(l, field, "is no number of calls", err);
}

static bool read_value(line *l, double *value, mf_error *err) {
  mf_str field;
  char text[64], *end;
  if (!next_field(l, &field, err)) return false;
  snprintf(text, sizeof text, "%.*s", MF_STR_ARG(field));
  *value = strtod(text, &end);
  return (field.len > 0 && field.len < sizeof text && *end == '\0' && fabs(*value) <= VALUE_LARGEST) || wrong(l, field, "is no number, or too large", err);
}

static bool read_row(line *l, const trace_reader *reader, trace_row *row, mf_error *err) {
  mf_str *const keys[] = {&row->owner, &row->app, &row->function, &row->trigger};
  mf_str skipped;
  for (size_t i = 0; i < MF_COUNT(keys) && kinds[reader->kind].keys[i]; i++) {
    if (!next_field(l, keys[i], err)) return false;
    if (keys[i]->len == 0) return wrong(l, *keys[i], "is no name", err);
  }
  for (uint32_t i = 0; reader->kind == TRACE_CALLS && i < TRACE_MINUTES; i++)
    if (!read_calls(l, &row->calls[i], err)) return false;
  while (l->column < reader->columns) {
    const uint32_t next = l->column + 1;
    double *const number = next == reader->value ? &row->value : next == reader->weight ? &row->weight : NULL;
    if (!(number ? read_value(l, number, err) : next_field(l, &skipped, err))) return false;
  }
  return l->ended ||
         mf_fail(err, MF_InvalidRequest, "%s: line %llu goes on after column %u", reader->name, (unsigned long long)reader->line, reader->columns);
}

bool trace_next(trace_reader *reader, trace_row *row, bool *more, mf_error *err) {
  while (reader->left.len > 0) {
    line l = next_line(reader);
    if (l.left.len == 0) continue;
    *more = true;
    row->function = row->trigger = (mf_str){"", 0};
    row->value = -1;
    row->weight = 1;
    return read_row(&l, reader, row, err);
  }
  *more = false;
  return true;
}

bool trace_file_name(const char *name, trace_kind *kind, uint32_t *day) {
  for (size_t i = 0; i < MF_COUNT(kinds); i++) {
    const size_t len = strlen(kinds[i].file);
    char *end;
    if (strncmp(name, kinds[i].file, len) != 0 || name[len] < '0' || name[len] > '9') continue;
    errno = 0;
    const unsigned long number = strtoul(name + len, &end, 10);
    if (errno != 0 || number < 1 || number > DAY_LARGEST || strcmp(end, ".csv") != 0) continue;
    *kind = (trace_kind)i;
    *day = (uint32_t)number;
    return true;
  }
  return false;
}
