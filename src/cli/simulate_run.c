// What `mayfly simulate` does in the sandbox: reads a trace's files, or makes a workload up, and replays it. A trace comes day by day, so
// every function of it is kept until the end; a made-up function comes whole and is kept no longer than it takes.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "simulate.h"
#include "workload.h"

enum { LOOK_EVERY = 256 };  // rows or functions between two looks at the clock
#define PROGRESS_NS (MF_NS_PER_S / 4)

// ---- progress: as cli_progress, which may not ask here whether there is a terminal ----

typedef struct progress {
  const simulate_job *job;
  int64_t next_ns;
  uint32_t calls;
  bool shown;
} progress;

static void show(progress *p, const char *format, ...) MF_PRINTF(2, 3);
static void show(progress *p, const char *format, ...) {
  char text[200];
  va_list args;
  if (!p->job->shows_progress || p->calls++ % (p->job->n_files ? LOOK_EVERY : 1) != 0 || mf_now_ns() < p->next_ns) return;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  dprintf(STDERR_FILENO, "\r\033[K%s", text);
  p->next_ns = mf_now_ns() + PROGRESS_NS;
  p->shown = true;
}

static void end_progress(progress *p) {
  if (p->shown) dprintf(STDERR_FILENO, "\r\033[K");
}

// ---- names: 64 bits of hash stand for one, which a million of them share with a chance of one in 30 million ----

typedef struct index {
  struct { uint64_t key; uint32_t at; } *slots;  // at: from 1
  uint32_t capacity, count;
} index_of_names;

static uint64_t hash(const trace_row *row, int n_parts) {
  const mf_str parts[] = {row->owner, row->app, row->function, row->trigger};
  uint64_t key = 0;
  for (int i = 0; i < n_parts; i++) key = mf_hash64(parts[i].data, parts[i].len, key + 1);
  return key;
}

static uint32_t slot_of(const index_of_names *names, uint64_t key) {
  uint32_t at = (uint32_t)key & (names->capacity - 1);
  while (names->slots[at].at != 0 && names->slots[at].key != key) at = (at + 1) & (names->capacity - 1);
  return at;
}

static bool grow_index(index_of_names *names) {
  index_of_names grown = {.capacity = names->capacity ? names->capacity * 2 : 1024, .count = names->count};
  grown.slots = calloc(grown.capacity, sizeof *grown.slots);
  if (!grown.slots) return false;
  for (uint32_t i = 0; i < names->capacity; i++)
    if (names->slots[i].at) grown.slots[slot_of(&grown, names->slots[i].key)] = names->slots[i];
  free(names->slots);
  *names = grown;
  return true;
}

static uint32_t look_up(const index_of_names *names, uint64_t key) { return names->capacity ? names->slots[slot_of(names, key)].at : 0; }

// The place of a new name, from 1; 0: no memory.
static uint32_t add_name(index_of_names *names, uint64_t key) {
  if (names->count + 1 > names->capacity / 2 && !grow_index(names)) return 0;
  const uint32_t slot = slot_of(names, key);
  names->slots[slot].key = key;
  return names->slots[slot].at = ++names->count;
}

// An array that follows an index: room for as many as it may hold before it grows.
static bool follow(void **array, size_t size, const index_of_names *names, uint32_t *capacity) {
  if (names->count <= *capacity) return true;
  const uint32_t wanted = names->capacity / 2;
  void *grown = realloc(*array, wanted * size);
  if (!grown) return false;
  memset((char *)grown + *capacity * size, 0, (wanted - *capacity) * size);
  *array = grown;
  *capacity = wanted;
  return true;
}

// ---- durations and memory: the mean over the days that know one ----
// As the trace's document has it (notes 4 and 5), a day's average weighs as many as it is the average of. It is not known when it is 0 or less: the
// notebook beside it leaves such rows out as errors of recording.

typedef struct means {
  index_of_names names;
  struct { double sum, weight; } *values;
  uint32_t capacity;
} means;

static bool add_value(means *m, uint64_t key, double value, double weight, mf_error *err) {
  uint32_t at = look_up(&m->names, key);
  if (at == 0) at = add_name(&m->names, key);
  if (at == 0 || !follow((void **)&m->values, sizeof *m->values, &m->names, &m->capacity)) return mf_fail(err, MF_OutOfMemory, "no memory for the trace");
  if (value <= 0 || weight <= 0) return true;
  m->values[at - 1].sum += value * weight;
  m->values[at - 1].weight += weight;
  return true;
}

static double mean(const means *m, uint64_t key) {
  const uint32_t at = look_up(&m->names, key);
  return at && m->values[at - 1].weight > 0 ? m->values[at - 1].sum / m->values[at - 1].weight : -1;
}

// ---- a trace ----

typedef struct known {
  uint64_t function, app;  // names, for their durations and memory
  replay_function replay;
} known;

typedef struct traced {
  simulate_job *job;
  progress progress;
  index_of_names names;
  known *functions;
  uint32_t capacity;
  means durations, memory;
  trace_row row;
} traced;

static bool is_wanted(const simulate_job *job, uint32_t day) { return job->days == 0 || day < job->first_day + job->days; }

// NULL: one too many, which --functions leaves out, or an error.
static known *function_of(traced *t, mf_error *err) {
  const uint64_t key = hash(&t->row, 4);
  uint32_t at = look_up(&t->names, key);
  err->code = MF_OK;
  if (at > 0) return &t->functions[at - 1];
  if (t->job->functions && t->names.count >= t->job->functions) return NULL;
  if (t->names.count >= SIMULATE_FUNCTIONS) {
    mf_fail(err, MF_TooLarge, "the trace has more than %d functions: --functions takes the first of them", SIMULATE_FUNCTIONS);
    return NULL;
  }
  at = add_name(&t->names, key);
  if (at == 0 || !follow((void **)&t->functions, sizeof *t->functions, &t->names, &t->capacity)) {
    mf_fail(err, MF_OutOfMemory, "no memory for the trace's functions");
    return NULL;
  }
  t->functions[at - 1] = (known){.function = hash(&t->row, 3), .app = hash(&t->row, 2), .replay = {.last_minute = -1}};
  return &t->functions[at - 1];
}

static bool take_calls(traced *t, const simulate_file *file, const trace_reader *reader, mf_error *err) {
  const int64_t first = (int64_t)(file->day - t->job->first_day) * TRACE_MINUTES;
  known *function = function_of(t, err);
  if (!function) return err->code == MF_OK;
  if (function->replay.last_minute >= first)
    return mf_fail(err, MF_InvalidRequest, "%s: line %llu: the function has a line of this day already", file->name, (unsigned long long)reader->line);
  for (int i = 0; i < TRACE_MINUTES; i++) replay_call(&function->replay, first + i, t->row.calls[i]);
  return true;
}

static bool take_row(traced *t, const simulate_file *file, const trace_reader *reader, mf_error *err) {
  switch (file->kind) {
    case TRACE_DURATIONS: return add_value(&t->durations, hash(&t->row, 3), t->row.value, t->row.weight, err);
    case TRACE_MEMORY: return add_value(&t->memory, hash(&t->row, 2), t->row.value, t->row.weight, err);
    default: return take_calls(t, file, reader, err);
  }
}

static bool take_file(traced *t, const simulate_file *file, mf_error *err) {
  trace_reader reader;
  bool more;
  if (!is_wanted(t->job, file->day)) return true;
  if (!trace_open(&reader, file->kind, file->name, (mf_str){file->text.data, file->text.len}, err)) return false;
  for (;;) {
    if (!trace_next(&reader, &t->row, &more, err)) return false;
    if (!more) return true;
    if (!take_row(t, file, &reader, err)) return false;
    show(&t->progress, "%s: %.0f %%, %u functions", file->name, 100.0 * (double)(file->text.len - reader.left.len) / (double)file->text.len, t->names.count);
  }
}

static bool run_trace(traced *t, mf_error *err) {
  simulate_job *job = t->job;
  for (uint32_t i = 0; i < job->n_files; i++)
    if (!take_file(t, &job->files[i], err)) return false;
  const int64_t end = (int64_t)simulate_days(job) * TRACE_MINUTES;
  for (uint32_t i = 0; i < t->names.count; i++)
    replay_end(&t->functions[i].replay, end, mean(&t->durations, t->functions[i].function), mean(&t->memory, t->functions[i].app), job->result);
  return true;
}

// ---- a workload that is made up ----

static void run_workload(simulate_job *job, progress *p) {
  workload_random random = {job->seed};
  replay_function replay;
  for (uint32_t i = 0; i < job->functions; i++) {
    const workload_function function = workload_draw(&random);
    replay = (replay_function){.last_minute = -1};
    workload_replay(&random, &function, job->days, &replay);
    replay_end(&replay, (int64_t)job->days * TRACE_MINUTES, function.duration_ms, function.memory_mb, job->result);
    show(p, "%u of %u functions, %llu calls", i + 1, job->functions, (unsigned long long)job->result->calls);
  }
}

uint32_t simulate_days(const simulate_job *job) {
  uint32_t last = job->first_day;
  if (job->n_files == 0) return job->days;
  for (uint32_t i = 0; i < job->n_files; i++)
    if (job->files[i].kind == TRACE_CALLS && is_wanted(job, job->files[i].day)) last = MF_MAX(last, job->files[i].day);
  return last - job->first_day + 1;
}

bool simulate_run(void *context, int out_fd, mf_error *err) {
  (void)out_fd;
  traced t = {.job = context, .progress = {.job = context, .next_ns = mf_now_ns() + MF_NS_PER_S}};
  bool good = true;
  if (t.job->n_files > 0) good = run_trace(&t, err);
  else run_workload(t.job, &t.progress);
  end_progress(&t.progress);
  free(t.names.slots);
  free(t.functions);
  free(t.durations.names.slots);
  free(t.durations.values);
  free(t.memory.names.slots);
  free(t.memory.values);
  return good;
}
