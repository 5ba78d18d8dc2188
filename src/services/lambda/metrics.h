// Counts and durations of what ran since the server started, for /metrics. The first MF_METRIC_FUNCTIONS functions that run have series
// of their own; all others share one, so that a million functions make no larger page.
#ifndef MF_SERVICES_LAMBDA_METRICS_H
#define MF_SERVICES_LAMBDA_METRICS_H

#include "lambda.h"

enum { MF_METRIC_FUNCTIONS = 128, MF_METRIC_BUCKETS = 18 };

typedef struct mf_histogram {
  uint64_t counts[MF_METRIC_BUCKETS + 1];  // of each bucket alone; the last: beyond all
  int64_t sum_ns;
} mf_histogram;

typedef struct mf_function_metrics {
  char *key;                               // "region/name"; NULL: of all others
  uint64_t invocations, errors, throttles, cold_starts, provisioned, spilled_over;
  mf_histogram duration;
} mf_function_metrics;

typedef struct mf_metrics {
  mf_function_metrics *functions[MF_METRIC_FUNCTIONS];
  uint32_t n_functions;
  mf_function_metrics others;
  mf_histogram init;                       // cold starts, of all functions
} mf_metrics;

// Whose series a function's are. Stays valid; when there is no memory for another one, it is the others'.
mf_function_metrics *mf_metrics_of(mf_metrics *metrics, mf_str key);
void mf_metrics_count(mf_metrics *metrics, mf_function_metrics *function, const mf_lambda_call *call);
void mf_metrics_write(const mf_metrics *metrics, mf_buf *out);  // Prometheus text
void mf_metrics_deinit(mf_metrics *metrics);
#endif
