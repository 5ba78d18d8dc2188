// Fields are separated by tabs; each line ends with a newline, REPORT with a tab before it unless it has a Status.
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

enum { SHOWN_ERROR_BYTES = 2000 };

// "%" MILLISECONDS, milliseconds(ns): with two decimals, as whole numbers, since printf of a double costs more than all the rest.
#define MILLISECONDS PRId64 ".%02d"
#define milliseconds(ns) hundredths(ns) / 100, (int)(hundredths(ns) % 100)
static int64_t hundredths(int64_t ns) { return (ns + 5000) / 10000; }

int64_t mf_report_billed_ms(const mf_lambda_call *call) {
  int64_t ns = call->duration_ns + (call->cold ? call->init_ns : 0);
  int64_t ms = (ns + MF_NS_PER_MS - 1) / MF_NS_PER_MS;
  return ms > 0 ? ms : 1;
}

// What stands between START and END: how the worker ended, or the error object that it answered with (a caller that threw it away finds
// it here).
static int middle(const mf_lambda_call *call, char *out, size_t capacity) {
  if (call->error_line[0]) return snprintf(out, capacity, "%s\n", call->error_line);
  if (!call->function_error || call->response.len == 0) return 0;
  return snprintf(out, capacity, "[ERROR] %.*s\n", (int)MF_MIN(call->response.len, (size_t)SHOWN_ERROR_BYTES),
                  (const char *)call->response.data);
}

static int last_fields(const mf_lambda_call *call, char *out, size_t capacity) {
  int n = 0;
  if (call->cold || call->init_ns > 0) n = snprintf(out, capacity, "\tInit Duration: %" MILLISECONDS " ms", milliseconds(call->init_ns));
  if (!call->status) return n + snprintf(out + n, capacity - (size_t)n, "\t\n");
  n += snprintf(out + n, capacity - (size_t)n, "\tStatus: %s", call->status);
  if (call->error_type) n += snprintf(out + n, capacity - (size_t)n, "\tError Type: %s", call->error_type);
  return n + snprintf(out + n, capacity - (size_t)n, "\n");
}

size_t mf_report_format(const mf_lambda_call *call, mf_str version, uint32_t memory_mb, char out[MF_REPORT_BYTES]) {
  const uint64_t used_mb = (call->max_memory_bytes + (1 << 20) - 1) >> 20;
  int n = snprintf(out, MF_REPORT_BYTES, "START RequestId: %s Version: %.*s\n", call->request_id, MF_STR_ARG(version));
  n += middle(call, out + n, SHOWN_ERROR_BYTES + 500);
  n += snprintf(out + n, MF_REPORT_BYTES - (size_t)n,
                "END RequestId: %s\nREPORT RequestId: %s\tDuration: %" MILLISECONDS " ms\tBilled Duration: %" PRId64
                " ms\tMemory Size: %u MB\tMax Memory Used: %" PRIu64 " MB",
                call->request_id, call->request_id, milliseconds(call->duration_ns), mf_report_billed_ms(call), memory_mb, used_mb);
  n += last_fields(call, out + n, MF_REPORT_BYTES - (size_t)n);
  return (size_t)n;
}
