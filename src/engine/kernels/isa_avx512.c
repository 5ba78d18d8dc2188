// Every fast kernel, compiled for the instruction set avx512 (see table.inc).
#define MF_VEC MF_VEC_AVX512
#define MF_TABLE mf_kernels_avx512
#define MF_TABLE_ISA MF_ISA_AVX512
#define MF_TABLE_SUFFIX "avx512"
#include "table.inc"
