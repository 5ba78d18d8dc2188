// Arguments, and how failures are told: what is wrong, then what to do.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static const cli_option *find(const cli_option *options, size_t n, const char *text, size_t len) {
  for (size_t i = 0; i < n; i++)
    if (strlen(options[i].name) == len && memcmp(options[i].name, text, len) == 0) return &options[i];
  return NULL;
}

static bool take(const cli_option *option, char **argv, int argc, int *at, const char *equals) {
  if (option->flag) {
    if (equals) fprintf(stderr, "mayfly: error: %s takes no value\n", option->name);
    else *option->flag = true;
    return !equals;
  }
  if (!equals && *at + 1 >= argc) {
    fprintf(stderr, "mayfly: error: %s needs a value\n", option->name);
    return false;
  }
  *option->value = equals ? equals + 1 : argv[++*at];
  return true;
}

bool cli_parse(int *argc, char **argv, const cli_option *options, size_t n_options) {
  int kept = 1;
  bool only_positional = false;
  for (int i = 1; i < *argc; i++) {
    char *text = argv[i];
    if (only_positional || text[0] != '-' || text[1] == 0 || (text[1] >= '0' && text[1] <= '9')) {
      argv[kept++] = text;
      continue;
    }
    if (strcmp(text, "--") == 0) {
      only_positional = true;
      continue;
    }
    const char *equals = strchr(text, '=');
    const cli_option *option = find(options, n_options, text, equals ? (size_t)(equals - text) : strlen(text));
    if (!option) {
      fprintf(stderr, "mayfly: error: %s has no option %s; `mayfly %s --help` lists what there is\n", argv[0], text, argv[0]);
      return false;
    }
    if (!take(option, argv, *argc, &i, equals)) return false;
  }
  *argc = kept;
  return true;
}

bool cli_number(const char *option, const char *text, long least, long most, long *out) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno == 0 && end != text && *end == 0 && value >= least && value <= most) {
    *out = value;
    return true;
  }
  fprintf(stderr, "mayfly: error: %s takes a whole number from %ld to %ld, not '%s'\n", option, least, most, text);
  return false;
}

int cli_usage(const char *command, const char *problem) {
  fprintf(stderr, "mayfly: error: %s; see `mayfly %s --help`\n", problem, command);
  return CLI_USAGE;
}

int cli_fail(const mf_error *err) {
  const char *advice = mf_code_advice(err->code);
  cli_line(STDERR_FILENO, "mayfly: error: %s", err->message);
  if (advice[0] && strncmp(advice, "see ", 4) != 0) cli_line(STDERR_FILENO, "  to do: %s", advice);
  return CLI_FAILED;
}
