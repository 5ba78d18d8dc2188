// The fast kernels: each named once in kernels.def, compiled once for each instruction set, found
// here by the operators' rows:
//
//   MF_KERNELS(MF_FAST(conv_f32) &conv_reference)     the AVX-512, AVX2 and generic versions, then
//   the reference
#ifndef MF_ENGINE_KERNELS_KERNELS_H
#define MF_ENGINE_KERNELS_KERNELS_H

#include "../operator.h"

typedef enum mf_fast_kernel {
#define KERNEL(name, applies, scratch, pack) MF_FAST_##name,
#include "kernels.def"
#undef KERNEL
  MF_FAST_COUNT
} mf_fast_kernel;

extern const mf_kernel mf_kernels_generic[MF_FAST_COUNT];
#if defined __x86_64__
extern const mf_kernel mf_kernels_avx2[MF_FAST_COUNT], mf_kernels_avx512[MF_FAST_COUNT];
#define MF_FAST(name)                                                   \
  &mf_kernels_avx512[MF_FAST_##name], &mf_kernels_avx2[MF_FAST_##name], \
      &mf_kernels_generic[MF_FAST_##name],
#else
#define MF_FAST(name) &mf_kernels_generic[MF_FAST_##name],
#endif
#endif
