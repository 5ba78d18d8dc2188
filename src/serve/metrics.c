// GET /metrics: the server in Prometheus' text format. The Lambda service writes what belongs to functions; here is what belongs to the
// host, to the queue of events and to front's own process.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

static void write_gauge(mf_buf *out, const char *name, const char *help, double value) {
  mf_buf_format(out, "# HELP %s %s\n# TYPE %s gauge\n%s %.17g\n", name, help, name, name, value);
}

static void write_counter(mf_buf *out, const char *name, const char *help, uint64_t value) {
  mf_buf_format(out, "# HELP %s %s\n# TYPE %s counter\n%s %" PRIu64 "\n", name, help, name, name, value);
}

static void write_host(mf_buf *out, const mf_host *host, uint32_t account_concurrency) {
  mf_host_stats s;
  mf_host_statistics(host, &s);
  mf_buf_format(out, "# HELP mayfly_instances Instances of functions.\n# TYPE mayfly_instances gauge\n"
                "mayfly_instances{state=\"idle\"} %u\nmayfly_instances{state=\"busy\"} %u\n", s.instances_idle, s.instances_busy);
  write_gauge(out, "mayfly_concurrent_executions", "Invocations that run now.", s.instances_busy);
  write_gauge(out, "mayfly_concurrency_limit", "Invocations that may run or wait at a time.", account_concurrency);
  mf_buf_format(out, "# HELP mayfly_provisioned_concurrency Provisioned concurrency of all functions.\n# TYPE mayfly_provisioned_concurrency gauge\n"
                "mayfly_provisioned_concurrency{state=\"requested\"} %u\nmayfly_provisioned_concurrency{state=\"available\"} %u\n", s.provisioned,
                s.provisioned_ready);
  write_gauge(out, "mayfly_provisioned_concurrent_executions", "Invocations in flight on provisioned concurrency.", s.provisioned_calls);
  write_gauge(out, "mayfly_queued_invocations", "Invocations that wait for a slot or an instance.", s.queued);
  write_gauge(out, "mayfly_blank_workers", "Workers without a function, ready for cold starts.", s.blank_workers);
  write_gauge(out, "mayfly_compilations", "Models that are being compiled.", s.compiling);
  write_gauge(out, "mayfly_pool_bytes", "Memory that instances and blank workers take.", (double)s.pool_bytes);
}

static void write_events(mf_buf *out, const mf_events *events) {
  mf_events_stats s;
  mf_events_statistics(events, &s);
  mf_buf_format(out, "# HELP mayfly_events Asynchronous events by state.\n# TYPE mayfly_events gauge\nmayfly_events{state=\"waiting\"} %" PRIu64 "\n"
                "mayfly_events{state=\"running\"} %" PRIu64 "\nmayfly_events{state=\"failed\"} %" PRIu64 "\n", s.waiting, s.running, s.failed);
  if (!s.counting) mf_buf_format(out, "mayfly_events{state=\"retrying\"} %" PRIu64 "\n", s.retrying);  // else it is not known yet
  write_gauge(out, "mayfly_events_oldest_seconds", "Age of the oldest event that waits.", (double)s.oldest_ms / 1000);
  write_counter(out, "mayfly_events_accepted_total", "Events that were accepted.", s.accepted);
  write_counter(out, "mayfly_events_done_total", "Events whose function succeeded.", s.done);
  write_counter(out, "mayfly_events_dropped_total", "Events that were given up.", s.dropped);
  write_counter(out, "mayfly_events_delivered_total", "Records and dead letters that reached a destination.", s.delivered);
  write_counter(out, "mayfly_events_delivery_failures_total", "Records that their destination cannot take.", s.delivery_failures);
  write_counter(out, "mayfly_events_dead_letter_errors_total", "Dead letters that their target cannot take.", s.dead_letter_errors);
}

// Names and meaning are those of Prometheus' client libraries.
static void write_process(mf_buf *out, int64_t started_ns) {
  long total = 0, resident = 0;
  struct timespec cpu = {0};
  FILE *file = fopen("/proc/self/statm", "re");
  if (file && fscanf(file, "%ld %ld", &total, &resident) != 2) resident = total = 0;
  if (file) fclose(file);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  write_gauge(out, "process_resident_memory_bytes", "Resident memory of the front.", (double)resident * (double)sysconf(_SC_PAGESIZE));
  write_gauge(out, "process_virtual_memory_bytes", "Virtual memory of the front.", (double)total * (double)sysconf(_SC_PAGESIZE));
  mf_buf_format(out, "# HELP process_cpu_seconds_total Processor time of the front.\n# TYPE process_cpu_seconds_total counter\n"
                "process_cpu_seconds_total %lld.%09ld\n", (long long)cpu.tv_sec, cpu.tv_nsec);
  write_gauge(out, "process_start_time_seconds", "When the front started, since 1970.", (double)started_ns / 1e9);
  mf_buf_text(out, "# HELP mayfly_build_info The version.\n# TYPE mayfly_build_info gauge\nmayfly_build_info{version=\"" MF_VERSION "\"} 1\n");
}

static void free_text(void *text) { free(text); }

void mf_serve_metrics(mf_http_request *http, const mf_serve_metrics_sources *sources) {
  static const mf_header type = {"Content-Type", {"text/plain; version=0.0.4; charset=utf-8", 40}};
  mf_buf out = {0};
  mf_lambda_metrics(sources->lambda, &out);
  write_host(&out, sources->host, sources->account_concurrency);
  write_events(&out, sources->events);
  write_process(&out, sources->started_ns);
  if (out.failed) {
    mf_buf_deinit(&out);
    mf_respond_error(http, 500, "ServiceException", "out of memory", true);
  } else {
    mf_respond(http, 200, &type, 1, (mf_slice){out.data, out.len}, free_text, out.data);
  }
}
