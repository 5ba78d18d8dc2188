// The server's own log. A line is written with one write(2), so that lines of several processes do not mix.
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
  for (size_t i = 0; i < len; i++) {
    const bool is_c1 = line[i] == '\xc2' && (unsigned char)line[i + 1] >= 0x80 && (unsigned char)line[i + 1] < 0xa0;
    if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f || is_c1) line[i] = '?';
    if (is_c1) line[i + 1] = '?';
  }
  line[len++] = '\n';
  if (write(STDERR_FILENO, line, len) < 0) return;  // nowhere left to say so
}
