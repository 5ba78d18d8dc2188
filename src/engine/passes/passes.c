// The list of passes, in the order in which mf_compile runs them.
#include "passes.h"

const mf_pass mf_passes[] = {
  {"infer", mf_pass_infer, true},
  {"dead code", mf_pass_dead_code, true},
};
const uint32_t mf_n_passes = MF_COUNT(mf_passes);
