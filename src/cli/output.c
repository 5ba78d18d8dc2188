// What people and programs see: tables on a terminal, JSON elsewhere, one progress line while something takes long.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

enum { MAX_COLUMNS = 16 };

bool cli_wants_json(bool json_flag) { return json_flag || !isatty(STDOUT_FILENO); }

void cli_print_json(const json_t *json) {
  json_dumpf(json, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
  putchar('\n');
}

const char *cli_text(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static void cell_text(const json_t *row, const char *key, char *out, size_t capacity) {
  const json_t *value = json_object_get(row, key);
  if (json_is_string(value)) snprintf(out, capacity, "%s", json_string_value(value));
  else if (json_is_integer(value)) snprintf(out, capacity, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
  else if (json_is_real(value)) snprintf(out, capacity, "%.3f", json_real_value(value));
  else if (json_is_boolean(value)) snprintf(out, capacity, "%s", json_is_true(value) ? "yes" : "no");
  else snprintf(out, capacity, "-");
}

static void print_cell(const cli_column *column, const char *text, int width, bool last) {
  if (column->right) printf("%*s", width, text);
  else printf("%-*s", last ? 0 : width, text);
  fputs(last ? "\n" : "  ", stdout);
}

void cli_print_table(const json_t *rows, const cli_column *columns, size_t n_columns) {
  int widths[MAX_COLUMNS] = {0};
  char text[256];
  size_t i;
  json_t *row;
  if (n_columns > MAX_COLUMNS) n_columns = MAX_COLUMNS;
  for (size_t c = 0; c < n_columns; c++) widths[c] = (int)strlen(columns[c].title);
  json_array_foreach(rows, i, row) {
    for (size_t c = 0; c < n_columns; c++) {
      cell_text(row, columns[c].key, text, sizeof text);
      if ((int)strlen(text) > widths[c]) widths[c] = (int)strlen(text);
    }
  }
  for (size_t c = 0; c < n_columns; c++) print_cell(&columns[c], columns[c].title, widths[c], c + 1 == n_columns);
  json_array_foreach(rows, i, row) {
    for (size_t c = 0; c < n_columns; c++) {
      cell_text(row, columns[c].key, text, sizeof text);
      print_cell(&columns[c], text, widths[c], c + 1 == n_columns);
    }
  }
}

static bool progress_is_shown;

void cli_progress(int64_t started_ns, const char *format, ...) {
  if (!isatty(STDERR_FILENO) || mf_now_ns() - started_ns < MF_NS_PER_S) return;
  va_list args;
  va_start(args, format);
  fputs("\r\033[K", stderr);
  vfprintf(stderr, format, args);
  va_end(args);
  progress_is_shown = true;
}

void cli_progress_end(void) {
  if (progress_is_shown) fputs("\r\033[K", stderr);
  progress_is_shown = false;
}

void cli_print_foreign(FILE *out, mf_str text) {
  for (size_t i = 0; i < text.len; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) fprintf(out, "\\x%02x", c);
    else putc(c, out);
  }
}
