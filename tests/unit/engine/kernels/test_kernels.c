// Every fast kernel of every instruction set that this machine has, against the reference kernel of
// its operator, on random calls. The seed is printed; MAYFLY_SEED=N runs one again, MAYFLY_TRIALS=N
// says how many calls a kernel gets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/kernels/kernels.h"
#include "trial.h"

static uint64_t number_from(const char *variable, uint64_t fallback) {
  const char *text = getenv(variable);
  return text ? strtoull(text, NULL, 10) : fallback;
}

static void start_trial(trial *t, const mf_kernel *kernel, unsigned at) {
  *t = (trial){.op = trial_operators[at],
               .kernel = kernel,
               .n_outputs = 1,
               .opset = 13,
               .rtol = 2e-5f,
               .atol = 5e-5f};
  for (uint32_t i = 0; i < t->op->n_attributes; i++)
    t->attributes[i] = t->op->attributes[i].fallback;
  trial_makers[at](t);
}

static void check_kernel(const mf_kernel *kernel, unsigned at, uint64_t seed, uint64_t trials) {
  uint64_t ran = 0;
  for (uint64_t i = 0; i < trials; i++) {
    trial t;
    random_seed(seed + i);
    start_trial(&t, kernel, at);
    bool applied;
    const char *wrong = trial_run(&t, &applied);
    if (wrong)
      fail_msg("%s, MAYFLY_SEED=%llu: %s\n  %s", kernel->name, (unsigned long long)(seed + i),
               wrong, trial_describe(&t));
    ran += applied;
    trial_deinit(&t);
  }
  if (ran * 4 < trials)
    fail_msg("%s applied to only %llu of %llu calls", kernel->name, (unsigned long long)ran,
             (unsigned long long)trials);
}

static void check_table(const mf_kernel *table, mf_isa isa) {
  uint64_t seed = number_from("MAYFLY_SEED", (uint64_t)mf_now_ns() % 1000000),
           trials = number_from("MAYFLY_TRIALS", 200);
  print_message("%s: seed %llu\n", mf_isa_name(isa), (unsigned long long)seed);
  for (unsigned at = 0; at < MF_FAST_COUNT; at++) check_kernel(&table[at], at, seed, trials);
}

static bool machine_has(mf_isa wanted) {
  mf_isa best;
  mf_error err;
  unsetenv("MAYFLY_ISA");
  return mf_isa_detect(&best, &err) && best >= wanted;
}

static void every_kernel_has_a_maker_of_calls_and_stands_in_its_row(void **state) {
  (void)state;
  for (unsigned at = 0; at < MF_FAST_COUNT; at++) {
    if (!trial_makers[at]) fail_msg("no maker for %s", mf_kernels_generic[at].name);
    bool found = false;
    for (const mf_kernel *const *k = trial_operators[at]->kernels; *k; k++)
      found |= *k == &mf_kernels_generic[at];
    if (!found)
      fail_msg("%s is not in the row of %s", mf_kernels_generic[at].name,
               trial_operators[at]->name);
  }
}

static void generic_kernels_agree_with_the_reference(void **state) {
  (void)state;
  check_table(mf_kernels_generic, MF_ISA_GENERIC);
}
#ifdef __x86_64__
static void avx2_kernels_agree_with_the_reference(void **state) {
  (void)state;
  if (!machine_has(MF_ISA_AVX2)) skip();
  check_table(mf_kernels_avx2, MF_ISA_AVX2);
}
static void avx512_kernels_agree_with_the_reference(void **state) {
  (void)state;
  if (!machine_has(MF_ISA_AVX512)) skip();
  check_table(mf_kernels_avx512, MF_ISA_AVX512);
}
#endif

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_kernel_has_a_maker_of_calls_and_stands_in_its_row),
      cmocka_unit_test(generic_kernels_agree_with_the_reference),
#ifdef __x86_64__
      cmocka_unit_test(avx2_kernels_agree_with_the_reference),
      cmocka_unit_test(avx512_kernels_agree_with_the_reference),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
