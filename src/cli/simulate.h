// The parts of `mayfly simulate`: what runs in the sandbox (simulate_run.c), and the command around it (simulate.c).
#ifndef MF_CLI_SIMULATE_H
#define MF_CLI_SIMULATE_H

#include "replay.h"
#include "trace.h"

enum { SIMULATE_FILES = 3 * 366, SIMULATE_FUNCTIONS = 1000000 };

typedef struct simulate_file {
  char name[96];               // without its folder
  trace_kind kind;
  uint32_t day;
  mf_slice text;               // mapped
} simulate_file;

typedef struct simulate_job {
  simulate_file files[SIMULATE_FILES];
  uint32_t n_files;            // 0: a workload is made up
  uint64_t seed;
  uint32_t functions, days;    // at most; 0: all of the trace
  uint32_t first_day;
  bool shows_progress;         // stderr is a terminal
  replay_result *result;       // shared with the sandboxed process
} simulate_job;

int mf_cli_simulate(int argc, char **argv);
// In the sandbox: fills job->result. A mf_sandboxed_fn.
bool simulate_run(void *job, int out_fd, mf_error *err) MF_MUST_CHECK;
uint32_t simulate_days(const simulate_job *job);
#endif
