// The thin vector layer that kernels are written on: float32 vectors (vf), int32 vectors (vi) and
// lane masks (vm) of MF_VW lanes. A translation unit defines MF_VEC as MF_VEC_GENERIC, MF_VEC_AVX2
// or MF_VEC_AVX512 before it includes a kernel; everything is static inline, so that no instruction
// of a better set can leak into a worse one. fma is fused on AVX2 and AVX-512 and a product and a
// sum on generic: say vf_fma where either is right. Loads and stores need no alignment. The _n
// forms touch only the first n lanes' memory (0 <= n <= MF_VW); other lanes load as 0.
#ifndef MF_ENGINE_KERNELS_VEC_H
#define MF_ENGINE_KERNELS_VEC_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MF_VEC_GENERIC 0
#define MF_VEC_AVX2 1
#define MF_VEC_AVX512 2
#define MF_INLINE static inline __attribute__((always_inline, unused))
// Before a loop of constant length that has to vanish, so that the arrays it indexes become
// registers.
#ifdef __clang__
#define MF_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MF_UNROLL _Pragma("GCC unroll 16")
#endif

#if MF_VEC == MF_VEC_AVX512
#include "vec_avx512.h"
#elif MF_VEC == MF_VEC_AVX2
#include "vec_avx2.h"
#else
#include "vec_generic.h"
#endif

MF_INLINE vf vf_clamp(vf x, vf lo, vf hi) { return vf_min(vf_max(x, lo), hi); }
MF_INLINE float vf_sum(vf x) {
  float lanes[MF_VW], s = 0;
  vf_store(lanes, x);
  for (int width = MF_VW / 2; width; width /= 2)
    for (int i = 0; i < width; i++) lanes[i] += lanes[i + width];
  s = lanes[0];
  return s;
}
MF_INLINE float vf_largest(vf x) {
  float lanes[MF_VW];
  vf_store(lanes, x);
  for (int width = MF_VW / 2; width; width /= 2)
    for (int i = 0; i < width; i++)
      lanes[i] = lanes[i] > lanes[i + width] ? lanes[i] : lanes[i + width];
  return lanes[0];
}
#endif
