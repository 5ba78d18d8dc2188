// Text format 0.0.4 of Prometheus: https://prometheus.io/docs/instrumenting/exposition_formats/
#include "metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

// Upper ends in microseconds, and as they are written, in seconds.
static const struct {
  int64_t us;
  const char *seconds;
} buckets[MF_METRIC_BUCKETS] = {{100, "0.0001"}, {250, "0.00025"}, {500, "0.0005"}, {1000, "0.001"}, {2500, "0.0025"}, {5000, "0.005"},
                                {10000, "0.01"}, {25000, "0.025"}, {50000, "0.05"}, {100000, "0.1"}, {250000, "0.25"}, {500000, "0.5"},
                                {1000000, "1"}, {2500000, "2.5"}, {5000000, "5"}, {10000000, "10"}, {30000000, "30"}, {60000000, "60"}};

// ---- counting ----
mf_function_metrics *mf_metrics_of(mf_metrics *metrics, mf_str key) {
  for (uint32_t i = 0; i < metrics->n_functions; i++)
    if (mf_str_is(key, metrics->functions[i]->key)) return metrics->functions[i];
  if (metrics->n_functions == MF_METRIC_FUNCTIONS) return &metrics->others;
  mf_function_metrics *function = calloc(1, sizeof *function);
  char *copy = malloc(key.len + 1);
  if (!function || !copy) {
    free(function);
    free(copy);
    return &metrics->others;
  }
  memcpy(copy, key.data, key.len);
  copy[key.len] = 0;
  function->key = copy;
  metrics->functions[metrics->n_functions++] = function;
  return function;
}

static void observe(mf_histogram *histogram, int64_t ns) {
  uint32_t i = 0;
  while (i < MF_METRIC_BUCKETS && ns > buckets[i].us * 1000) i++;
  histogram->counts[i]++;
  histogram->sum_ns += ns;
}

void mf_metrics_count(mf_metrics *metrics, mf_function_metrics *function, const mf_lambda_call *call) {
  function->invocations++;
  function->errors += call->function_error != NULL;
  function->cold_starts += call->cold;
  function->provisioned += call->provisioned;
  function->spilled_over += call->spilled_over;
  observe(&function->duration, call->duration_ns);
  if (call->cold) observe(&metrics->init, call->init_ns);
}

void mf_metrics_deinit(mf_metrics *metrics) {
  for (uint32_t i = 0; i < metrics->n_functions; i++) {
    free(metrics->functions[i]->key);
    free(metrics->functions[i]);
  }
  metrics->n_functions = 0;
}

// ---- writing ----
// In quotes: backslash, quote and newline are escaped, other control characters and what is no UTF-8 are '?'.
static void write_value(mf_buf *out, mf_str value) {
  const bool is_text = mf_str_is_utf8(value);
  for (size_t i = 0; i < value.len; i++) {
    const unsigned char c = (unsigned char)value.data[i];
    if (c == '"' || c == '\\') mf_buf_format(out, "\\%c", c);
    else if (c == '\n') mf_buf_text(out, "\\n");
    else if (c < 0x20 || (c >= 0x80 && !is_text)) mf_buf_text(out, "?");
    else mf_buf_append(out, &value.data[i], 1);
  }
}

static void write_labels(mf_buf *out, const mf_function_metrics *function) {
  const mf_str key = function->key ? mf_str_from(function->key) : MF_STR("(others)/(others)");
  const char *slash = memchr(key.data, '/', key.len);
  const size_t region = slash ? (size_t)(slash - key.data) : 0;
  mf_buf_text(out, "region=\"");
  write_value(out, (mf_str){key.data, region});
  mf_buf_text(out, "\",function=\"");
  write_value(out, (mf_str){key.data + region + 1, key.len - region - 1});
  mf_buf_text(out, "\"");
}

static void write_histogram(mf_buf *out, const char *name, const mf_histogram *histogram, const mf_function_metrics *function) {
  mf_buf labels = {0};
  uint64_t sum = 0;
  if (function) write_labels(&labels, function);
  const mf_str text = {labels.len ? labels.data : "", labels.len};
  const char *comma = text.len > 0 ? "," : "", *open = text.len > 0 ? "{" : "", *close = text.len > 0 ? "}" : "";
  for (uint32_t i = 0; i <= MF_METRIC_BUCKETS; i++) {
    sum += histogram->counts[i];
    mf_buf_format(out, "%s_bucket{%.*s%sle=\"%s\"} %" PRIu64 "\n", name, MF_STR_ARG(text), comma, i < MF_METRIC_BUCKETS ? buckets[i].seconds : "+Inf", sum);
  }
  mf_buf_format(out, "%s_sum%s%.*s%s %" PRId64 ".%09" PRId64 "\n", name, open, MF_STR_ARG(text), close, histogram->sum_ns / MF_NS_PER_S,
                histogram->sum_ns % MF_NS_PER_S);
  mf_buf_format(out, "%s_count%s%.*s%s %" PRIu64 "\n", name, open, MF_STR_ARG(text), close, sum);
  out->failed |= labels.failed;
  mf_buf_deinit(&labels);
}

// All functions with series, then the others, if there are any.
static const mf_function_metrics *each(const mf_metrics *metrics, uint32_t i) {
  if (i < metrics->n_functions) return metrics->functions[i];
  return i == metrics->n_functions && metrics->others.invocations + metrics->others.throttles > 0 ? &metrics->others : NULL;
}

static void write_counter(const mf_metrics *metrics, mf_buf *out, const char *name, const char *help, size_t offset) {
  mf_buf_format(out, "# HELP %s %s\n# TYPE %s counter\n", name, help, name);
  const mf_function_metrics *function;
  for (uint32_t i = 0; (function = each(metrics, i)); i++) {
    mf_buf_format(out, "%s{", name);
    write_labels(out, function);
    mf_buf_format(out, "} %" PRIu64 "\n", *(const uint64_t *)((const char *)function + offset));
  }
}

void mf_metrics_write(const mf_metrics *metrics, mf_buf *out) {
  static const struct {
    const char *name, *help;
    size_t offset;
  } counters[] = {
      {"mayfly_invocations_total", "Invocations that ran, with those that ended in an error.", offsetof(mf_function_metrics, invocations)},
      {"mayfly_errors_total", "Invocations that ended in a function error, timeouts included.", offsetof(mf_function_metrics, errors)},
      {"mayfly_throttles_total", "Invocations that did not run, for want of concurrency.", offsetof(mf_function_metrics, throttles)},
      {"mayfly_cold_starts_total", "Invocations that an instance was made for.", offsetof(mf_function_metrics, cold_starts)},
      {"mayfly_provisioned_concurrency_invocations_total", "Invocations that ran on provisioned concurrency.",
       offsetof(mf_function_metrics, provisioned)},
      {"mayfly_provisioned_concurrency_spillover_invocations_total", "Invocations that ran beyond the provisioned concurrency of what they called.",
       offsetof(mf_function_metrics, spilled_over)},
  };
  const mf_function_metrics *function;
  for (size_t i = 0; i < MF_COUNT(counters); i++) write_counter(metrics, out, counters[i].name, counters[i].help, counters[i].offset);
  mf_buf_text(out, "# HELP mayfly_duration_seconds Duration of invocations, without init.\n# TYPE mayfly_duration_seconds histogram\n");
  for (uint32_t i = 0; (function = each(metrics, i)); i++) write_histogram(out, "mayfly_duration_seconds", &function->duration, function);
  mf_buf_text(out, "# HELP mayfly_init_duration_seconds What cold starts add, of all functions.\n# TYPE mayfly_init_duration_seconds histogram\n");
  write_histogram(out, "mayfly_init_duration_seconds", &metrics->init, NULL);
}
