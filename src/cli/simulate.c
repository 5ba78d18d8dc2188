// mayfly simulate: what keep-alive policies and bills come to for a workload. Finds and maps the trace's files; reading them and replaying
// is for the sandbox (simulate_run.c), which hands back nothing but numbers.
#include "simulate.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "host/host.h"
#include "model_source.h"
#include "prices.h"

#define SIMULATE_MEMORY ((uint64_t)4 << 30)
enum { DEFAULT_FUNCTIONS = 1000, DEFAULT_DAYS = 7, DEFAULT_SEED = 1, MOST_DAYS = 366 };

// What section 5.2 of Shahrad et al. reports, by application: with ten fixed minutes the third quartile has 50.3 % cold starts, with an hour 25 %;
// the hybrid policy has 2.5 times fewer than ten minutes while it wastes as much memory. Unlike all else of the paper's that stands in this
// program these figures could not be compared with its text, and the output says so. Below 0: no figure is given.
#define PAPER_NOTE "Shahrad et al. (ATC 2020), section 5.2: quoted from memory, not checked against the text; by application, whole Azure"
static const struct {
  const char *name;
  double paper_cold, paper_wasted;  // at the 75th percentile; of what ten fixed minutes waste; per cent
} rules[REPLAY_RULES] = {
    [REPLAY_FIXED_10] = {"fixed 10 min", 50.3, 100},
    [REPLAY_FIXED_60] = {"fixed 60 min", 25, -1},
    [REPLAY_HYBRID] = {"hybrid", 50.3 / 2.5, 100},
};

// ---- the trace's files ----

static bool add_file(simulate_job *job, const char *path, const char *name, trace_kind kind, uint32_t day, mf_error *err) {
  if (job->n_files == SIMULATE_FILES) return mf_fail(err, MF_TooLarge, "there are more than %d files of the trace", SIMULATE_FILES);
  simulate_file *file = &job->files[job->n_files++];
  *file = (simulate_file){.kind = kind, .day = day};
  snprintf(file->name, sizeof file->name, "%.*s", (int)sizeof file->name - 1, name);
  if (kind == TRACE_CALLS && (job->first_day == 0 || day < job->first_day)) job->first_day = day;
  return model_map_file(path, &file->text, err);
}

static bool add_folder(simulate_job *job, const char *folder, mf_error *err) {
  DIR *dir = opendir(folder);
  if (!dir) return mf_fail_errno(err, "cannot open '%s'", folder);
  bool good = true;
  for (struct dirent *entry; good && (entry = readdir(dir));) {
    char path[PATH_MAX];
    trace_kind kind;
    uint32_t day;
    if (!trace_file_name(entry->d_name, &kind, &day)) continue;
    if (snprintf(path, sizeof path, "%s/%s", folder, entry->d_name) >= (int)sizeof path) good = mf_fail(err, MF_Usage, "'%s' is too long", folder);
    else good = add_file(job, path, entry->d_name, kind, day, err);
  }
  closedir(dir);
  if (!good || job->first_day > 0) return good;
  return mf_fail(err, MF_Usage, "'%s' has no invocations_per_function_md.anon.dNN.csv", folder);
}

// Days in order, and what is known of functions before their calls.
static int compare(const void *a, const void *b) {
  const simulate_file *x = a, *y = b;
  const bool x_calls = x->kind == TRACE_CALLS, y_calls = y->kind == TRACE_CALLS;
  if (x_calls != y_calls) return x_calls - y_calls;
  return x->day < y->day ? -1 : x->day > y->day;
}

// A file by itself is one day of calls, whatever it is called.
static bool open_trace(simulate_job *job, const char *path, mf_error *err) {
  struct stat st;
  const char *slash = strrchr(path, '/');
  if (stat(path, &st) != 0) return mf_fail_errno(err, "cannot open '%s'", path);
  if (!S_ISDIR(st.st_mode)) return add_file(job, path, slash ? slash + 1 : path, TRACE_CALLS, 1, err);
  if (!add_folder(job, path, err)) return false;
  qsort(job->files, job->n_files, sizeof job->files[0], compare);
  return true;
}

// ---- output ----

static double share(double part, double whole) { return whole > 0 ? 100 * part / whole : 0; }

static void set_figure(json_t *row, const char *name, double figure) {
  json_object_set_new(row, name, figure < 0 ? json_null() : json_real(figure));
}

static json_t *policies_json(const replay_result *r) {
  json_t *rows = json_array();
  for (replay_rule i = 0; i < REPLAY_RULES; i++) {
    json_t *row = json_pack("{s:s,s:I,s:f,s:f,s:f,s:f,s:f,s:f}", "policy", rules[i].name, "cold_starts", (json_int_t)r->cold[i], "cold_percent",
                            share((double)r->cold[i], (double)r->calls), "cold_percent_median_function", replay_percentile(r, i, 50),
                            "cold_percent_75th_percentile", replay_percentile(r, i, 75), "memory_gb_s", (r->wasted_mb_s[i] + r->busy_mb_s) / 1024,
                            "wasted_gb_s", r->wasted_mb_s[i] / 1024, "wasted_percent_of_fixed_10", share(r->wasted_mb_s[i], r->wasted_mb_s[REPLAY_FIXED_10]));
    set_figure(row, "paper_cold_percent_75th_percentile", rules[i].paper_cold);
    set_figure(row, "paper_wasted_percent_of_fixed_10", rules[i].paper_wasted);
    json_array_append_new(rows, row);
  }
  return rows;
}

static json_t *result_json(const simulate_job *job, const char *trace) {
  const replay_result *r = job->result;
  const double hours = 24.0 * simulate_days(job);
  json_t *json = json_pack("{s:s,s:i,s:I,s:I,s:I,s:I,s:I,s:o,s:{s:f,s:f},s:o}", "source", trace ? trace : "generated", "days", (int)simulate_days(job),
                           "functions", (json_int_t)r->functions, "never_called", (json_int_t)r->never_called, "calls", (json_int_t)r->calls,
                           "functions_of_unknown_duration", (json_int_t)r->unknown_durations, "functions_of_unknown_memory", (json_int_t)r->unknown_memory,
                           "policies", policies_json(r), "bill", "per_millisecond_usd", cli_price_of_calls(r->calls, r->billed_mb_ms), "always_on_usd",
                           cli_price_of_endpoints(hours * (double)r->functions), "prices", cli_prices_json(false));
  if (json) json_object_set_new(json, "paper_note", json_string(PAPER_NOTE));
  if (json && !trace) json_object_set_new(json, "seed", json_integer((json_int_t)job->seed));
  return json;
}

static void print_unknown(const replay_result *r) {
  if (r->unknown_durations) printf("duration of %llu functions not known: taken as %d ms\n", (unsigned long long)r->unknown_durations, REPLAY_DEFAULT_MS);
  if (r->unknown_memory) printf("memory of %llu functions not known: taken as %d MB\n", (unsigned long long)r->unknown_memory, REPLAY_DEFAULT_MB);
}

static void print_tables(const simulate_job *job, const json_t *json) {
  static const cli_column columns[] = {{"POLICY", "policy", false},
                                       {"COLD %", "cold_percent", true},
                                       {"MEDIAN FUNCTION %", "cold_percent_median_function", true},
                                       {"75TH PERCENTILE %", "cold_percent_75th_percentile", true},
                                       {"PAPER'S 75TH % *", "paper_cold_percent_75th_percentile", true},
                                       {"GB-S IN MEMORY", "memory_gb_s", true},
                                       {"GB-S WASTED", "wasted_gb_s", true},
                                       {"% OF 10 MIN", "wasted_percent_of_fixed_10", true},
                                       {"PAPER'S % *", "paper_wasted_percent_of_fixed_10", true}};
  const replay_result *r = job->result;
  const json_t *bill = json_object_get(json, "bill");
  cli_line(STDOUT_FILENO, "%s: %llu functions (%llu more were never called), %u days, %llu calls", cli_text(json, "source"),
           (unsigned long long)r->functions, (unsigned long long)r->never_called, simulate_days(job), (unsigned long long)r->calls);
  if (job->n_files == 0) printf("seed %llu; distributions of the applications in Shahrad et al., \"Serverless in the Wild\" (USENIX ATC 2020)\n", (unsigned long long)job->seed);
  print_unknown(r);
  puts("\ncold starts, all and by function, and memory");
  cli_print_table(json_object_get(json, "policies"), columns, MF_COUNT(columns));
  puts("* " PAPER_NOTE);
  printf("\nbill\n  %14.2f USD by the millisecond, %llu calls\n  %14.2f USD always on, %llu endpoints for %u days\nprices\n",
         json_real_value(json_object_get(bill, "per_millisecond_usd")), (unsigned long long)r->calls,
         json_real_value(json_object_get(bill, "always_on_usd")), (unsigned long long)r->functions, simulate_days(job));
  cli_print_prices(false);
}

// ---- the command ----

static bool run(simulate_job *job, mf_error *err) {
  static const int kept[] = {STDERR_FILENO};
  job->result = mmap(NULL, sizeof *job->result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (job->result == MAP_FAILED) return mf_fail_errno(err, "cannot map memory for the result");
  job->shows_progress = isatty(STDERR_FILENO);
  return mf_sandbox_call(simulate_run, job, kept, job->shows_progress, SIMULATE_MEMORY, err);
}

static bool read_numbers(simulate_job *job, const char *functions, const char *days, const char *seed) {
  long number;
  if (functions && !cli_number("--functions", functions, 1, SIMULATE_FUNCTIONS, &number)) return false;
  if (functions) job->functions = (uint32_t)number;
  if (days && !cli_number("--days", days, 1, MOST_DAYS, &number)) return false;
  if (days) job->days = (uint32_t)number;
  if (seed && !cli_number("--seed", seed, 0, LONG_MAX, &number)) return false;
  if (seed) job->seed = (uint64_t)number;
  return true;
}

static int simulate(simulate_job *job, const char *trace, bool as_json) {
  mf_error err = {0};
  if (trace && !open_trace(job, trace, &err)) return cli_fail(&err);
  if (!run(job, &err)) return cli_fail(&err);
  json_t *json = result_json(job, trace);
  if (cli_wants_json(as_json)) cli_print_json(json);
  else print_tables(job, json);
  json_decref(json);
  return CLI_OK;
}

int mf_cli_simulate(int argc, char **argv) {
  const char *trace = NULL, *functions = NULL, *days = NULL, *seed = NULL;
  bool as_json = false;
  const cli_option options[] = {{"--trace", &trace, NULL}, {"--functions", &functions, NULL}, {"--days", &days, NULL}, {"--seed", &seed, NULL},
                                {"--json", NULL, &as_json}};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (argc != 1) return cli_usage("simulate", "simulate takes options only");
  if (trace && seed) return cli_usage("simulate", "--seed is for workloads that are made up");
  simulate_job *job = calloc(1, sizeof *job);
  if (!job) return CLI_FAILED;
  job->seed = DEFAULT_SEED;
  if (!trace) job->functions = DEFAULT_FUNCTIONS, job->days = DEFAULT_DAYS;
  const int status = read_numbers(job, functions, days, seed) ? simulate(job, trace, as_json) : CLI_USAGE;
  free(job);
  return status;
}
