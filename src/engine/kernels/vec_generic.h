// vec.h in plain C on the compilers' vector extensions: 4 lanes, which become SSE2, NEON or scalar
// code.
#ifndef MF_ENGINE_KERNELS_VEC_GENERIC_H
#define MF_ENGINE_KERNELS_VEC_GENERIC_H

#define MF_VW 4
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));
typedef vi vm;

MF_INLINE vf vf_load(const float *p) {
  vf x;
  memcpy(&x, p, sizeof x);
  return x;
}
MF_INLINE void vf_store(float *p, vf x) { memcpy(p, &x, sizeof x); }
MF_INLINE vf vf_load_n(const float *p, size_t n) {
  vf x = {0, 0, 0, 0};
  for (size_t i = 0; i < n; i++) x[i] = p[i];
  return x;
}
MF_INLINE void vf_store_n(float *p, vf x, size_t n) {
  for (size_t i = 0; i < n; i++) p[i] = x[i];
}
MF_INLINE vf vf_set1(float x) { return (vf){x, x, x, x}; }
MF_INLINE vf vf_zero(void) { return (vf){0, 0, 0, 0}; }
MF_INLINE vf vf_add(vf a, vf b) { return a + b; }
MF_INLINE vf vf_sub(vf a, vf b) { return a - b; }
MF_INLINE vf vf_mul(vf a, vf b) { return a * b; }
MF_INLINE vf vf_div(vf a, vf b) { return a / b; }
MF_INLINE vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
MF_INLINE vi vf_bits(vf a) { return (vi)a; }
MF_INLINE vf vi_bits(vi a) { return (vf)a; }
MF_INLINE vf vf_select(vm m, vf yes, vf no) { return (vf)((m & (vi)yes) | (~m & (vi)no)); }
MF_INLINE vm vf_lt(vf a, vf b) { return a < b; }
MF_INLINE vm vf_gt(vf a, vf b) { return a > b; }
MF_INLINE vm vf_is_nan(vf a) { return a != a; }
MF_INLINE vf vf_max(vf a, vf b) {
  return vf_select(a > b, a, b);
}  // b when either is NaN, as on x86
MF_INLINE vf vf_min(vf a, vf b) { return vf_select(a < b, a, b); }
MF_INLINE vf vf_sqrt(vf a) { return (vf){sqrtf(a[0]), sqrtf(a[1]), sqrtf(a[2]), sqrtf(a[3])}; }
MF_INLINE vf vf_abs(vf a) { return (vf)((vi)a & 0x7fffffff); }
MF_INLINE vf vf_round(vf a) { return (vf){rintf(a[0]), rintf(a[1]), rintf(a[2]), rintf(a[3])}; }
MF_INLINE vf vi_to_vf(vi a) { return __builtin_convertvector(a, vf); }
// Rounds to nearest even by way of 1.5 * 2^23; right for |a| < 2^22, which is all that kernels ask
// of it.
MF_INLINE vi vf_to_vi(vf a) {
  const vf magic = {12582912.0f, 12582912.0f, 12582912.0f, 12582912.0f};
  return (vi)(a + magic) - (vi)magic;
}
MF_INLINE vi vi_set1(int32_t x) { return (vi){x, x, x, x}; }
MF_INLINE vi vi_add(vi a, vi b) { return a + b; }
MF_INLINE vi vi_sub(vi a, vi b) { return a - b; }
MF_INLINE vi vi_and(vi a, vi b) { return a & b; }
MF_INLINE vi vi_or(vi a, vi b) { return a | b; }
MF_INLINE vi vi_xor(vi a, vi b) { return a ^ b; }
MF_INLINE vm vm_first(size_t n) { return (vi){0, 1, 2, 3} < (int32_t)n; }
#define vi_shl(a, n) ((vi)((vu)(a) << (n)))
#define vi_shr(a, n) ((vi)((vu)(a) >> (n)))
#define vi_sar(a, n) ((a) >> (n))
#endif
