// What an invocation leaves in the log: START, END and REPORT as Lambda writes them (lambda.md section 2).
#ifndef MF_SERVICES_LAMBDA_REPORT_H
#define MF_SERVICES_LAMBDA_REPORT_H

#include "lambda.h"

enum { MF_REPORT_BYTES = 4096 };

int64_t mf_report_billed_ms(const mf_lambda_call *call);
// At most MF_REPORT_BYTES; returns the length.
size_t mf_report_format(const mf_lambda_call *call, mf_str version, uint32_t memory_mb, char out[MF_REPORT_BYTES]);
#endif
