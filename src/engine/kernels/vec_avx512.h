// vec.h on AVX-512 (F, BW, DQ, VL): 16 lanes, masks in mask registers.
#ifndef MF_ENGINE_KERNELS_VEC_AVX512_H
#define MF_ENGINE_KERNELS_VEC_AVX512_H

#include <immintrin.h>

#define MF_VW 16
typedef __m512 vf;
typedef __m512i vi;
typedef __mmask16 vm;

MF_INLINE vm vm_first(size_t n) { return (vm)((1u << n) - 1u); }
MF_INLINE vf vf_load(const float *p) { return _mm512_loadu_ps(p); }
MF_INLINE void vf_store(float *p, vf x) { _mm512_storeu_ps(p, x); }
MF_INLINE vf vf_load_n(const float *p, size_t n) { return _mm512_maskz_loadu_ps(vm_first(n), p); }
MF_INLINE void vf_store_n(float *p, vf x, size_t n) { _mm512_mask_storeu_ps(p, vm_first(n), x); }
MF_INLINE vf vf_set1(float x) { return _mm512_set1_ps(x); }
MF_INLINE vf vf_zero(void) { return _mm512_setzero_ps(); }
MF_INLINE vf vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
MF_INLINE vf vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
MF_INLINE vf vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
MF_INLINE vf vf_div(vf a, vf b) { return _mm512_div_ps(a, b); }
MF_INLINE vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
// As x86 defines it: the second operand when either is NaN.
MF_INLINE vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
MF_INLINE vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
MF_INLINE vf vf_sqrt(vf a) { return _mm512_sqrt_ps(a); }
MF_INLINE vf vf_round(vf a) {
  return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
MF_INLINE vf vf_abs(vf a) { return _mm512_abs_ps(a); }
MF_INLINE vm vf_lt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
MF_INLINE vm vf_gt(vf a, vf b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
MF_INLINE vm vf_is_nan(vf a) { return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q); }
MF_INLINE vf vf_select(vm m, vf yes, vf no) { return _mm512_mask_blend_ps(m, no, yes); }
MF_INLINE vi vf_bits(vf a) { return _mm512_castps_si512(a); }
MF_INLINE vf vi_bits(vi a) { return _mm512_castsi512_ps(a); }
MF_INLINE vi vf_to_vi(vf a) { return _mm512_cvtps_epi32(a); }  // rounds to nearest even
MF_INLINE vf vi_to_vf(vi a) { return _mm512_cvtepi32_ps(a); }
MF_INLINE vi vi_set1(int32_t x) { return _mm512_set1_epi32(x); }
MF_INLINE vi vi_add(vi a, vi b) { return _mm512_add_epi32(a, b); }
MF_INLINE vi vi_sub(vi a, vi b) { return _mm512_sub_epi32(a, b); }
MF_INLINE vi vi_and(vi a, vi b) { return _mm512_and_si512(a, b); }
MF_INLINE vi vi_or(vi a, vi b) { return _mm512_or_si512(a, b); }
MF_INLINE vi vi_xor(vi a, vi b) { return _mm512_xor_si512(a, b); }
#define vi_shl(a, n) _mm512_slli_epi32((a), (n))
#define vi_shr(a, n) _mm512_srli_epi32((a), (n))
#define vi_sar(a, n) _mm512_srai_epi32((a), (n))
// 16-bit floats in memory.
MF_INLINE vf vf_load_half(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
MF_INLINE void vf_store_half(uint16_t *p, vf x) {
  _mm256_storeu_si256((__m256i *)p,
                      _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#endif
