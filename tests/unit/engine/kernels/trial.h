// A trial: one random call of an operator, run by a fast kernel and by the reference kernel of the
// same row. Every tensor has a malloc of its own, exactly as large as its data, so that
// AddressSanitizer sees a kernel that reads or writes beyond.
#ifndef MF_TEST_KERNELS_TRIAL_H
#define MF_TEST_KERNELS_TRIAL_H

#include "engine/operator.h"

enum { TRIAL_INPUTS = 8, TRIAL_OUTPUTS = 3, TRIAL_ATTRIBUTES = 32, TRIAL_INTS = 16 };

typedef struct trial {
  const mf_operator *op;
  const mf_kernel *kernel;
  mf_tensor inputs[TRIAL_INPUTS];  // type UNKNOWN: a missing optional input
  bool constant[TRIAL_INPUTS];     // may be packed
  uint32_t n_inputs, n_outputs;    // outputs: 1 unless the maker says more
  mf_attribute attributes[TRIAL_ATTRIBUTES];
  int64_t ints[TRIAL_ATTRIBUTES][TRIAL_INTS];
  int64_t opset;
  float rtol, atol;  // |fast - reference| <= atol + rtol * |reference|
} trial;

typedef void trial_maker(trial *t);

// ---- random numbers, reproducible from the seed that the test prints ----
void random_seed(uint64_t seed);
int64_t random_int(int64_t least, int64_t most);
float random_float(float least, float most);
static inline bool random_chance(int percent) { return random_int(1, 100) <= percent; }

// ---- for makers ----
// Input `at` of this shape with random elements: floats in [-2, 2), integers in [-100, 100]
// (unsigned: [0, 100]), bools.
void trial_input(trial *t, uint32_t at, mf_type type, uint32_t rank, const int64_t *dims);
void trial_int(trial *t, const char *attribute, int64_t value);
void trial_float(trial *t, const char *attribute, float value);
void trial_text(trial *t, const char *attribute, const char *text);  // static text
void trial_ints(trial *t, const char *attribute, const int64_t *values, uint32_t n);

// Runs both; the text says what differed, NULL: nothing. *ran false: the kernel does not apply to
// this call.
const char *trial_run(trial *t, bool *ran);
void trial_deinit(trial *t);
const char *trial_describe(const trial *t);  // shapes and attributes

extern trial_maker *const trial_makers[];  // one for each mf_fast_kernel (makers.c)
extern const mf_operator *const trial_operators[];
#endif
