// The server's own log. A line is written with one write(2), so that lines of several processes do not mix.
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "str.h"

static const char *const prefixes[] = {"mayfly: error: ", "mayfly: warning: ", "mayfly: ", "mayfly: debug: "};

static int is_hidden(mf_log_level level) {
  const char *wanted = getenv("MAYFLY_LOG");
  return level == MF_LOG_DEBUG && (!wanted || strcmp(wanted, "debug") != 0);
}

void mf_log(mf_log_level level, const char *format, ...) {
  if (is_hidden(level)) return;
  char line[2048];
  size_t used = (size_t)snprintf(line, sizeof line, "%s", prefixes[level]);
  va_list args;
  va_start(args, format);
  vsnprintf(line + used, sizeof line - used - 1, format, args);
  va_end(args);
  size_t len = strlen(line);
  uint32_t code;
  for (size_t i = 0, n; i < len; i += n) {
    n = mf_str_character((mf_str){line + i, len - i}, &code);
    if (code != MF_NO_CONTROL) memset(line + i, '?', n);
  }
  line[len++] = '\n';
  if (write(STDERR_FILENO, line, len) < 0) return;  // nowhere left to say so
}
