// What the functions of a region add up to: their number, their packages, their reservations. A region may have a million functions and
// is asked for its sums while it serves, so they are kept in memory: counted at start, and changed with each commit of a row.
#ifndef MF_SERVICES_LAMBDA_REGIONS_H
#define MF_SERVICES_LAMBDA_REGIONS_H

#include <jansson.h>

#include "base/base.h"

typedef struct mf_sums {
  int64_t functions, code_bytes, reserved;  // reserved: or, without reservation, provisioned; code_bytes: CodeSize, the packages as they were uploaded, of each version anew
} mf_sums;

enum { MF_MAX_REGIONS = 64 };
typedef struct mf_regions {
  struct mf_region {
    char name[32];
    mf_sums sums;
  } all[MF_MAX_REGIONS];
  uint32_t count;
} mf_regions;

mf_sums mf_sums_of_row(const json_t *row);  // what one function, or one version of a function, adds; NULL: nothing
mf_sums mf_sums_sum(mf_sums a, mf_sums b);
mf_sums mf_sums_difference(mf_sums after, mf_sums before);
// To the region of the key "region/name" or "region/name:7". Of regions beyond the 64th no sums are kept.
void mf_regions_add(mf_regions *regions, mf_str key, mf_sums sums);
// Zeros for a region without functions. false: no sums are kept of it.
bool mf_regions_sums(const mf_regions *regions, mf_str region, mf_sums *sums);
#endif
