// The server's own log: one line a message on stderr. Functions' logs are kept by store.
#ifndef MF_BASE_LOG_H
#define MF_BASE_LOG_H

#include "error.h"

typedef enum mf_log_level { MF_LOG_ERROR, MF_LOG_WARN, MF_LOG_INFO, MF_LOG_DEBUG } mf_log_level;

// One line on stderr: "mayfly: <text>", or, when the level is not INFO, "mayfly: error: <text>". Control characters are escaped.
// DEBUG lines appear only with MAYFLY_LOG=debug in the environment.
void mf_log(mf_log_level level, const char *format, ...) MF_PRINTF(2, 3);
#endif
