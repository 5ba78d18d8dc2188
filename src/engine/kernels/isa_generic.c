// Every fast kernel, compiled for the instruction set generic (see table.inc).
#define MF_VEC MF_VEC_GENERIC
#define MF_TABLE mf_kernels_generic
#define MF_TABLE_ISA MF_ISA_GENERIC
#define MF_TABLE_SUFFIX "generic"
#include "table.inc"
