// Azure's trace: one byte for the kind of file, then its text, read and replayed as `mayfly simulate` does it in its sandbox.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/simulate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static simulate_job job;
  static replay_result result;
  mf_error err = {.message = ""};
  if (size == 0) return 0;
  // A copy of its own size, so that reading beyond the end is seen.
  char *text = malloc(size - 1 ? size - 1 : 1);
  if (!text) return 0;
  memcpy(text, data + 1, size - 1);
  result = (replay_result){0};
  job = (simulate_job){.n_files = 1, .first_day = 1, .functions = data[0] & 0x10 ? 2 : 0, .result = &result};
  job.files[0] = (simulate_file){.name = "fuzz.csv", .kind = data[0] % 3, .day = 1, .text = {text, size - 1}};
  const bool good = simulate_run(&job, -1, &err);
  if (!good && !err.message[0]) abort();
  for (int i = 0; good && i < REPLAY_RULES; i++)
    if (result.cold[i] > result.calls || !(result.wasted_mb_s[i] >= 0)) abort();
  free(text);
  return 0;
}
