// mayfly bench: how long a run takes. Inputs come from test_data_set_0 beside the model where there is one, else they are made up (unknown
// dimensions are 1). Several threads mean several instances at once, each in a sandboxed process of its own: the engine is single-threaded.
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "host/host.h"
#include "model.h"
#include "model_source.h"

enum { MAX_THREADS = 64, MAX_SAMPLES = 20000, LEAST_SAMPLES = 20, WARM_UP = 3, MAX_INPUTS = 256, MAX_OPERATORS = 512 };
#define BENCH_MEMORY ((uint64_t)8 << 30)
#define BENCH_NS (2 * MF_NS_PER_S)

typedef struct bench_samples {
  atomic_uint n;
  int64_t ns[MAX_SAMPLES];
} bench_samples;

typedef struct bench_shared {
  atomic_uint ready;
  bench_samples samples[];
} bench_shared;

typedef struct bench_job {
  model_source source;
  mf_slice inputs[MAX_INPUTS];
  uint32_t n_inputs, n_threads, thread;
  bool profile;
  bench_shared *shared;
} bench_job;

// ---- inside the sandbox ----
static void make_up(mf_tensor *t) {
  uint32_t state = 12345;
  for (int64_t i = 0, n = mf_tensor_count(t); i < n; i++) {
    state = state * 1664525u + 1013904223u;
    float value = (float)(state >> 8) / 16777216.0f;
    switch (t->type) {
      case MF_FLOAT: ((float *)t->data)[i] = value; break;
      case MF_DOUBLE: ((double *)t->data)[i] = (double)value; break;
      case MF_FLOAT16: ((uint16_t *)t->data)[i] = mf_float_to_half(value); break;
      case MF_STRING: ((mf_str *)t->data)[i] = MF_STR("a"); break;
      default: memset((char *)t->data + (size_t)i * mf_type_size(t->type), 0, mf_type_size(t->type)); break;
    }
  }
}

static bool set_made_up(model_run *run, uint32_t at, mf_error *err) {
  mf_tensor *t = mf_instance_input(run->instance, at);
  if (t->rank == MF_RANK_UNKNOWN) t->rank = 0;
  for (uint32_t i = 0; i < t->rank; i++)
    if (t->dims[i] < 0) t->dims[i] = 1;
  if (!mf_instance_alloc_input(run->instance, at, err)) return false;
  make_up(t);
  return true;
}

static bool set_inputs(model_run *run, const bench_job *job, mf_arena *arena, mf_error *err) {
  for (uint32_t i = 0; i < mf_image_n_inputs(run->image); i++) {
    mf_tensor tensor;
    if (i >= job->n_inputs && !set_made_up(run, i, err)) return false;
    if (i < job->n_inputs && (!model_read_tensor(job->inputs[i], arena, &tensor, err) || !model_set_input(run, i, &tensor, err))) return false;
  }
  return true;
}

// A run may write into made-up inputs that lie in the arena only if the engine did so, which it does not: they stay what they are.
static bool measure(model_run *run, bench_job *job, mf_error *err) {
  bench_samples *samples = &job->shared->samples[job->thread];
  for (int i = 0; i < WARM_UP; i++)
    if (!mf_instance_run(run->instance, err)) return false;
  atomic_fetch_add(&job->shared->ready, 1);
  int64_t start = mf_now_ns();
  while (atomic_load(&job->shared->ready) < job->n_threads && mf_now_ns() - start < 10 * MF_NS_PER_S) {}
  start = mf_now_ns();
  for (unsigned n = 0; n < MAX_SAMPLES; n++) {
    int64_t before = mf_now_ns();
    if (n >= LEAST_SAMPLES && before - start > BENCH_NS) break;
    if (!mf_instance_run(run->instance, err)) return false;
    samples->ns[n] = mf_now_ns() - before;
    atomic_store(&samples->n, n + 1);
  }
  return true;
}

typedef struct profile {
  const mf_image *image;
  int64_t *node_ns;
  int64_t last_ns;
  uint32_t last;
} profile;

static void trace(void *context, uint32_t node, int64_t start_ns) {
  profile *p = context;
  if (p->last != UINT32_MAX) p->node_ns[p->last] += start_ns - p->last_ns;
  p->last = node;
  p->last_ns = start_ns;
}

typedef struct profile_row {
  const mf_kernel *kernel;
  const char *op;
  int64_t ns;
  uint32_t n;
} profile_row;

// Not qsort: it asks the kernel how much memory there is, and the sandbox kills for that.
static void sort_slower_first(profile_row *rows, uint32_t n) {
  for (uint32_t i = 1; i < n; i++) {
    profile_row row = rows[i];
    uint32_t at = i;
    for (; at > 0 && rows[at - 1].ns < row.ns; at--) rows[at] = rows[at - 1];
    rows[at] = row;
  }
}

static void print_profile(int out_fd, const profile *p, int runs) {
  static profile_row rows[MAX_OPERATORS];
  uint32_t n_rows = 0;
  int64_t total = 0;
  mf_image_node node;
  for (uint32_t i = 0; mf_image_node_at(p->image, i, &node); i++) {
    uint32_t at = 0;
    while (at < n_rows && rows[at].kernel != node.kernel) at++;
    if (at == MAX_OPERATORS) continue;
    if (at == n_rows) rows[n_rows++] = (profile_row){.kernel = node.kernel, .op = node.op->name};
    rows[at].ns += p->node_ns[i];
    rows[at].n++;
    total += p->node_ns[i];
  }
  sort_slower_first(rows, n_rows);
  dprintf(out_fd, "%10s %6s %6s  %-24s %s\n", "us per run", "share", "nodes", "operator", "kernel");
  for (uint32_t i = 0; i < n_rows; i++)
    dprintf(out_fd, "%10.1f %5.1f%% %6u  %-24s %s\n", (double)rows[i].ns / 1e3 / runs, 100.0 * (double)rows[i].ns / (double)MF_MAX(total, 1), rows[i].n,
            rows[i].op, rows[i].kernel->name);
}

static bool profile_runs(model_run *run, int out_fd, mf_arena *arena, mf_error *err) {
  mf_image_summary summary;
  mf_image_summarize(run->image, &summary);
  profile p = {.image = run->image, .node_ns = MF_NEW_ARRAY(arena, int64_t, summary.n_nodes + 1), .last = UINT32_MAX};
  int64_t start = mf_now_ns();
  int runs = 0;
  if (!p.node_ns) return mf_fail(err, MF_OutOfMemory, "no memory");
  mf_instance_trace(run->instance, trace, &p);
  for (; runs < LEAST_SAMPLES || (mf_now_ns() - start < BENCH_NS && runs < MAX_SAMPLES); runs++) {
    if (!mf_instance_run(run->instance, err)) return false;
    trace(&p, UINT32_MAX, mf_now_ns());
  }
  mf_instance_trace(run->instance, NULL, NULL);
  print_profile(out_fd, &p, runs);
  return true;
}

static bool bench_in_sandbox(void *context, int out_fd, mf_error *err) {
  bench_job *job = context;
  mf_arena arena;
  model_run run;
  mf_arena_init(&arena, BENCH_MEMORY);
  bool good = model_load(&job->source, false, &arena, &run, err) && model_start(&run, err) && set_inputs(&run, job, &arena, err) &&
              measure(&run, job, err) && (!job->profile || profile_runs(&run, out_fd, &arena, err));
  mf_arena_deinit(&arena);
  return good;
}

// ---- outside ----
static bool find_inputs(bench_job *job, const char *model, mf_error *err) {
  const char *slash = strrchr(model, '/');
  for (; job->n_inputs < MAX_INPUTS; job->n_inputs++) {
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%.*stest_data_set_0/input_%u.pb", slash ? (int)(slash + 1 - model) : 0, model, job->n_inputs);
    if (n >= (int)sizeof path || access(path, F_OK) != 0) return true;
    if (!model_map_file(path, &job->inputs[job->n_inputs], err)) return false;
  }
  return true;
}

static int ascending(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return x < y ? -1 : x > y;
}

static bool report(const bench_job *job, bool json, mf_error *err) {
  size_t n = 0;
  int64_t *all = malloc(sizeof *all * MAX_SAMPLES * job->n_threads);
  if (!all) return mf_fail(err, MF_OutOfMemory, "no memory");
  for (uint32_t t = 0; t < job->n_threads; t++)
    for (unsigned i = 0, m = MF_MIN(atomic_load(&job->shared->samples[t].n), (unsigned)MAX_SAMPLES); i < m; i++)
      all[n++] = job->shared->samples[t].ns[i];
  qsort(all, n, sizeof *all, ascending);
  if (n) {
    const size_t middle = n / 2, last_percent = n - 1 - n / 100;
    double p50 = (double)all[middle] / 1e6, p99 = (double)all[last_percent] / 1e6, least = (double)all[0] / 1e6;
    if (json) {
      json_t *object = json_pack("{s:f, s:f, s:f, s:i, s:i}", "p50_ms", p50, "p99_ms", p99, "min_ms", least, "runs", (int)n, "threads",
                                 (int)job->n_threads);
      cli_print_json(object);
      json_decref(object);
    } else {
      printf("p50 %.4f ms, p99 %.4f ms, min %.4f ms (%zu runs, %u thread%s)\n", p50, p99, least, n, job->n_threads, job->n_threads > 1 ? "s" : "");
    }
  }
  free(all);
  return n > 0 || mf_fail(err, MF_Internal, "nothing was measured");
}

static bool run_threads(bench_job *job, mf_error *err) {
  pid_t children[MAX_THREADS];
  uint32_t n = 0;
  bool good = true;
  for (job->thread = 1; job->thread < job->n_threads; job->thread++) {
    pid_t pid = fork();
    mf_error child_err = {0};
    if (pid < 0) return mf_fail_errno(err, "cannot fork");
    if (pid == 0) _exit(mf_sandbox_call(bench_in_sandbox, job, NULL, 0, BENCH_MEMORY, &child_err) ? 0 : 1);
    children[n++] = pid;
  }
  job->thread = 0;
  good = mf_sandbox_call(bench_in_sandbox, job, NULL, 0, BENCH_MEMORY, err);
  for (uint32_t i = 0; i < n; i++) {
    int status = 0;
    waitpid(children[i], &status, 0);
    if (status != 0 && good) good = mf_fail(err, MF_WorkerDied, "one of the instances failed");
  }
  return good;
}

int mf_cli_bench(int argc, char **argv) {
  const char *threads_text = NULL;
  bool json = false, show_profile = false;
  long threads = 1;
  mf_error err = {0};
  mf_arena arena;
  const cli_option options[] = {{"--threads", &threads_text, NULL}, {"--json", NULL, &json}, {"--profile", NULL, &show_profile}};
  if (!cli_parse(&argc, argv, options, MF_COUNT(options))) return CLI_USAGE;
  if (threads_text && !cli_number("--threads", threads_text, 1, MAX_THREADS, &threads)) return CLI_USAGE;
  if (argc != 2) return cli_usage("bench", "bench takes one model or image");
  if (show_profile && threads > 1) return cli_usage("bench", "--profile goes with one thread");
  bench_job job = {.n_threads = (uint32_t)threads, .profile = show_profile};
  job.shared = mmap(NULL, sizeof(bench_shared) + sizeof(bench_samples) * (size_t)threads, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (job.shared == MAP_FAILED) return mf_fail_errno(&err, "cannot map memory for samples"), cli_fail(&err);
  mf_arena_init(&arena, 0);
  bool good = model_source_open(&job.source, argv[1], &arena, &err) && find_inputs(&job, argv[1], &err) && run_threads(&job, &err) &&
              report(&job, cli_wants_json(json) && !show_profile, &err);
  mf_arena_deinit(&arena);
  return good ? CLI_OK : cli_fail(&err);
}
