// vec.h on AVX2 with FMA and F16C: 8 lanes, masks as vectors of all ones or all zeros.
#ifndef MF_ENGINE_KERNELS_VEC_AVX2_H
#define MF_ENGINE_KERNELS_VEC_AVX2_H

#include <immintrin.h>

#define MF_VW 8
typedef __m256 vf;
typedef __m256i vi;
typedef __m256 vm;

MF_INLINE __m256i vm_first_bits(size_t n) {
  static const int32_t ones_then_zeros[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256((const __m256i *)(ones_then_zeros + 8 - n));
}
MF_INLINE vm vm_first(size_t n) { return _mm256_castsi256_ps(vm_first_bits(n)); }
MF_INLINE vf vf_load(const float *p) { return _mm256_loadu_ps(p); }
MF_INLINE void vf_store(float *p, vf x) { _mm256_storeu_ps(p, x); }
MF_INLINE vf vf_load_n(const float *p, size_t n) { return _mm256_maskload_ps(p, vm_first_bits(n)); }
MF_INLINE void vf_store_n(float *p, vf x, size_t n) { _mm256_maskstore_ps(p, vm_first_bits(n), x); }
MF_INLINE vf vf_set1(float x) { return _mm256_set1_ps(x); }
MF_INLINE vf vf_zero(void) { return _mm256_setzero_ps(); }
MF_INLINE vf vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
MF_INLINE vf vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
MF_INLINE vf vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
MF_INLINE vf vf_div(vf a, vf b) { return _mm256_div_ps(a, b); }
MF_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
MF_INLINE vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
MF_INLINE vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
MF_INLINE vf vf_sqrt(vf a) { return _mm256_sqrt_ps(a); }
MF_INLINE vf vf_round(vf a) {
  return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
MF_INLINE vf vf_abs(vf a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
MF_INLINE vm vf_lt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
MF_INLINE vm vf_gt(vf a, vf b) { return _mm256_cmp_ps(a, b, _CMP_GT_OQ); }
MF_INLINE vm vf_is_nan(vf a) { return _mm256_cmp_ps(a, a, _CMP_UNORD_Q); }
MF_INLINE vf vf_select(vm m, vf yes, vf no) { return _mm256_blendv_ps(no, yes, m); }
MF_INLINE vi vf_bits(vf a) { return _mm256_castps_si256(a); }
MF_INLINE vf vi_bits(vi a) { return _mm256_castsi256_ps(a); }
MF_INLINE vi vf_to_vi(vf a) { return _mm256_cvtps_epi32(a); }
MF_INLINE vf vi_to_vf(vi a) { return _mm256_cvtepi32_ps(a); }
MF_INLINE vi vi_set1(int32_t x) { return _mm256_set1_epi32(x); }
MF_INLINE vi vi_add(vi a, vi b) { return _mm256_add_epi32(a, b); }
MF_INLINE vi vi_sub(vi a, vi b) { return _mm256_sub_epi32(a, b); }
MF_INLINE vi vi_and(vi a, vi b) { return _mm256_and_si256(a, b); }
MF_INLINE vi vi_or(vi a, vi b) { return _mm256_or_si256(a, b); }
MF_INLINE vi vi_xor(vi a, vi b) { return _mm256_xor_si256(a, b); }
#define vi_shl(a, n) _mm256_slli_epi32((a), (n))
#define vi_shr(a, n) _mm256_srli_epi32((a), (n))
#define vi_sar(a, n) _mm256_srai_epi32((a), (n))
MF_INLINE vf vf_load_half(const uint16_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
MF_INLINE void vf_store_half(uint16_t *p, vf x) {
  _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#endif
