// Every fast kernel, compiled for the instruction set avx2 (see table.inc).
#define MF_VEC MF_VEC_AVX2
#define MF_TABLE mf_kernels_avx2
#define MF_TABLE_ISA MF_ISA_AVX2
#define MF_TABLE_SUFFIX "avx2"
#include "table.inc"
