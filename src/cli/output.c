// What people and programs see: tables on a terminal, JSON elsewhere, one progress line while something takes long.
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "client.h"

enum { MAX_COLUMNS = 16 };

bool cli_wants_json(bool json_flag) { return json_flag || !isatty(STDOUT_FILENO); }

// jansson escapes C0; the other control characters, which stand in strings only, it does not.
void cli_json_text(const json_t *json, mf_buf *out) {
  enum { DIGITS = 15 };  // as many as a double keeps of any decimal number; all 17 show 22.1 as 22.100000000000001
  char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_REAL_PRECISION(DIGITS));
  if (!text) out->failed = true;
  uint32_t code;
  for (mf_str rest = mf_str_from(text); rest.len > 0;) {
    const size_t step = mf_str_character(rest, &code);
    if (code != MF_NO_CONTROL && code != '\n') mf_buf_format(out, "\\u%04X", code);
    else mf_buf_append(out, rest.data, step);
    rest = (mf_str){rest.data + step, rest.len - step};
  }
  mf_buf_text(out, "\n");
  free(text);
}

void cli_print_json(const json_t *json) {
  mf_buf text = {0};
  cli_json_text(json, &text);
  if (!text.failed) fwrite(text.data, 1, text.len, stdout);
  mf_buf_deinit(&text);
}

const char *cli_text(const json_t *object, const char *key) {
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static void printable_cell(const char *text, char *out, size_t capacity) {
  mf_buf buf = {0};
  mf_buf_printable(&buf, mf_str_from(text), "");
  snprintf(out, capacity, "%.*s", MF_STR_ARG(mf_buf_view(&buf)));
  mf_buf_deinit(&buf);
}

static void cell_text(const json_t *row, const char *key, char *out, size_t capacity) {
  const json_t *value = json_object_get(row, key);
  if (json_is_string(value)) printable_cell(json_string_value(value), out, capacity);
  else if (json_is_integer(value)) snprintf(out, capacity, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
  else if (json_is_real(value)) snprintf(out, capacity, "%.3f", json_real_value(value));
  else if (json_is_boolean(value)) snprintf(out, capacity, "%s", json_is_true(value) ? "yes" : "no");
  else snprintf(out, capacity, "-");
}

// How many columns a line may have; no bound where it is no terminal.
static int line_width(void) {
  struct winsize size;
  return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : INT_MAX;
}

// room: what the line has left; the last column's text is cut there, if some of it stays.
static void print_cell(const cli_column *column, const char *text, int width, int room, bool last) {
  enum { LEAST = 20 };
  if (column->right) printf("%*s", width, text);
  else if (last && room >= LEAST && (int)strlen(text) > room) printf("%.*s...", room - 3, text);
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
  int room = line_width();
  for (size_t c = 0; c + 1 < n_columns; c++) room -= widths[c] + 2;
  for (size_t c = 0; c < n_columns; c++) print_cell(&columns[c], columns[c].title, widths[c], room, c + 1 == n_columns);
  json_array_foreach(rows, i, row) {
    for (size_t c = 0; c < n_columns; c++) {
      cell_text(row, columns[c].key, text, sizeof text);
      print_cell(&columns[c], text, widths[c], room, c + 1 == n_columns);
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
  mf_buf buf = {0};
  mf_buf_printable(&buf, text, "\n\t");
  if (buf.len > 0) fwrite(buf.data, 1, buf.len, out);
  mf_buf_deinit(&buf);
}

void cli_line(int fd, const char *format, ...) {
  va_list args;
  char *line = NULL;
  va_start(args, format);
  int len = vasprintf(&line, format, args);
  va_end(args);
  if (len < 0) return;
  mf_buf buf = {0};
  mf_error err;
  mf_buf_printable(&buf, (mf_str){line, (size_t)len}, "");
  mf_buf_text(&buf, "\n");
  fflush(stdout);
  const bool written = !buf.failed && mf_write_all(fd, buf.data, buf.len, "output", &err);
  (void)written;  // nowhere left to say so
  mf_buf_deinit(&buf);
  free(line);
}
