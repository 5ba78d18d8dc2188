// A program that shows single parts of the pipeline to the Python tests beside it, which compare
// them with independent sources (numpy, Python's json, Pillow). Reads standard input, writes
// standard output:
//   probe float-text | double-text      binary numbers -> one line of text each
//   probe text-float | text-double      one number a line -> binary
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe.h"

static int float_text(void) {
  float value;
  char text[MF_NUMBER_TEXT + 1];
  while (fread(&value, sizeof value, 1, stdin) == 1) {
    size_t n = mf_float_text(value, text);
    text[n] = '\n';
    fwrite(text, 1, n + 1, stdout);
  }
  return 0;
}

static int double_text(void) {
  double value;
  char text[MF_NUMBER_TEXT + 1];
  while (fread(&value, sizeof value, 1, stdin) == 1) {
    size_t n = mf_double_text(value, text);
    text[n] = '\n';
    fwrite(text, 1, n + 1, stdout);
  }
  return 0;
}

static int text_number(bool narrow) {
  char *line = NULL;
  size_t capacity = 0;
  ssize_t len;
  while ((len = getline(&line, &capacity, stdin)) > 0) {
    mf_decimal decimal;
    if (line[len - 1] == '\n') len--;
    const char *end = mf_decimal_read(line, line + len, &decimal);
    if (!end || end != line + len) return fprintf(stderr, "no number: %s", line), 1;
    float f = mf_decimal_float(&decimal);
    double d = mf_decimal_double(&decimal);
    fwrite(narrow ? (const void *)&f : &d, narrow ? sizeof f : sizeof d, 1, stdout);
  }
  free(line);
  return 0;
}

int main(int argc, char **argv) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "float-text") == 0) return float_text();
  if (strcmp(what, "double-text") == 0) return double_text();
  if (strcmp(what, "text-float") == 0) return text_number(true);
  if (strcmp(what, "text-double") == 0) return text_number(false);
  if (strcmp(what, "answer") == 0 && argc > 2) return probe_answer(argc, argv);
  return probe_picture(argc, argv);
}
