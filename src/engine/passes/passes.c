// The list of passes, in the order in which mf_compile runs them.
#include "passes.h"

const mf_pass mf_passes[] = {
  {"infer", mf_pass_infer, true},
  {"dead code", mf_pass_dead_code, true},
  {"forest", mf_pass_forest, false},
  {"half", mf_pass_half, false},
  {"identity", mf_pass_identity, false},
  {"shuffle", mf_pass_shuffle, false},
  {"activations", mf_pass_activations, false},
  {"infer", mf_pass_infer, false},
  {"fold affine", mf_pass_fold_affine, false},
  {"linear", mf_pass_linear, false},
  {"infer", mf_pass_infer, false},
  {"layout", mf_pass_layout, false},
  {"identity", mf_pass_identity, false},
  {"infer", mf_pass_infer, false},
  {"activations", mf_pass_activations, false},  // those that Transposes had torn apart
  {"fuse", mf_pass_fuse, false},
  {"infer", mf_pass_infer, false},
  {"dead code", mf_pass_dead_code, false},
};
const uint32_t mf_n_passes = MF_COUNT(mf_passes);
