// For test_agreement.py: each line "IDLE_NS TIMES" on standard input is noted, and answered by what is
// decided then: basis, pre-warming and keep-alive window, and what is expected after half of both.
#include <inttypes.h>
#include <stdio.h>

#include "policy/policy.h"

int main(void) {
  mf_policy policy = {0};
  int64_t idle_ns;
  uint32_t times;
  while (scanf("%" SCNd64 " %" SCNu32, &idle_ns, &times) == 2) {
    mf_policy_note(&policy, idle_ns, times);
    const mf_policy_decision d = mf_policy_decide(&policy);
    printf("%d %" PRId64 " %" PRId64 " %.17g\n", (int)d.basis, d.pre_warm_after_ns, d.keep_alive_for_ns,
           mf_policy_next_call(&policy, (d.pre_warm_after_ns + d.keep_alive_for_ns) / 2));
  }
  return 0;
}
