// What an invocation leaves in the log. LogFormat Text: START, END and REPORT as Lambda writes them (lambda.md section 2). LogFormat JSON:
// Lambda's platform events and application lines, an object a line, as far as the function's levels let them through.
#ifndef MF_SERVICES_LAMBDA_REPORT_H
#define MF_SERVICES_LAMBDA_REPORT_H

#include <jansson.h>

#include "lambda.h"

enum { MF_REPORT_BYTES = 4096 };

// In the order of what they let through: a line is logged when its level is at least the function's.
typedef enum mf_log_detail { MF_DETAIL_TRACE, MF_DETAIL_DEBUG, MF_DETAIL_INFO, MF_DETAIL_WARN, MF_DETAIL_ERROR, MF_DETAIL_FATAL } mf_log_detail;
typedef struct mf_logging {        // a configuration's LoggingConfig, but for its LogGroup
  bool is_json;                    // false: Text, which has no levels
  uint8_t system, application;     // mf_log_detail
} mf_logging;
mf_logging mf_logging_of(const json_t *configuration);

int64_t mf_report_billed_ms(const mf_lambda_call *call);
// At most MF_REPORT_BYTES; returns the length.
size_t mf_report_format(const mf_lambda_call *call, mf_str version, uint32_t memory_mb, char out[MF_REPORT_BYTES]);
// The same as JSON; 0: the levels drop all of it. name, version: of the function that ran. now_ns: wall clock, at the call's end.
// *tail: where the part begins that LogType Tail shows, which knows nothing of the init phase.
size_t mf_report_json(const mf_lambda_call *call, mf_logging logging, mf_str name, mf_str version, uint32_t memory_mb, int64_t now_ns,
                      char out[MF_REPORT_BYTES], size_t *tail);
#endif
