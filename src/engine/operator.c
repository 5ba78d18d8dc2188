// Looking up rows of the operator table, and which instruction set this processor has.
#include "operator.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif
#include <stdlib.h>

static const mf_operator *find_in(const mf_operator_table *table, mf_str domain, mf_str name, int64_t opset, bool *other_version) {
  for (uint32_t i = 0; i < table->n_rows; i++) {
    const mf_operator *row = table->rows[i];
    if (!mf_str_is(name, row->name) || !mf_str_is(domain, row->domain)) continue;
    if (opset >= row->since && (row->until == MF_OP_ANY || opset <= row->until)) return row;
    *other_version = true;
  }
  return NULL;
}

const mf_operator *mf_operator_find(const mf_operator_table *extra, mf_str domain, mf_str name, int64_t opset, bool *other_version) {
  bool other = false;
  if (mf_str_is(domain, "ai.onnx")) domain = (mf_str){NULL, 0};
  const mf_operator *row = find_in(&mf_builtin_operators, domain, name, opset, &other);
  if (!row && extra) row = find_in(extra, domain, name, opset, &other);
  if (other_version) *other_version = other;
  return row;
}

static const char *const isa_names[MF_ISA_COUNT] = {"generic", "avx2", "avx512"};

const char *mf_isa_name(mf_isa isa) { return (unsigned)isa < MF_ISA_COUNT ? isa_names[isa] : "?"; }

#ifdef __x86_64__
// clang 14 has no name for it. Asked once: in a virtual machine the instruction is a trip to the hypervisor (11 us, and more in a cold start).
static bool has_f16c(void) {
  static _Atomic int answer;  // 0: not asked yet, 1: no, 2: yes
  if (answer == 0) {
    unsigned a, b, c, d;
    answer = __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C) ? 2 : 1;
  }
  return answer == 2;
}
#endif

mf_isa mf_isa_of_processor(void) {
#ifdef __x86_64__
  __builtin_cpu_init();
  bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
  return avx512 ? MF_ISA_AVX512 : avx2 ? MF_ISA_AVX2 : MF_ISA_GENERIC;
#else
  return MF_ISA_GENERIC;
#endif
}

bool mf_isa_detect(mf_isa *isa, mf_error *err) {
  mf_isa best = mf_isa_of_processor();
  const char *wanted = getenv("MAYFLY_ISA");
  if (!wanted || !*wanted) return *isa = best, true;
  for (unsigned i = 0; i < MF_ISA_COUNT; i++) {
    if (strcmp(wanted, isa_names[i]) != 0) continue;
    if (i > (unsigned)best)
      return mf_fail(err, MF_Usage, "MAYFLY_ISA=%s: this processor has no %s, the best it has is %s", wanted, wanted, isa_names[best]);
    return *isa = (mf_isa)i, true;
  }
  return mf_fail(err, MF_Usage, "MAYFLY_ISA=%s: expected generic, avx2 or avx512", wanted);
}

bool mf_operator_reads_dims_only(const mf_operator *op) {
  return *op->domain == 0 && (strcmp(op->name, "Shape") == 0 || strcmp(op->name, "Size") == 0);
}
