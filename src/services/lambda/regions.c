// A short list that is searched from its beginning: servers have a region or two.
#include "regions.h"

#include <stdio.h>

#include "function.h"
#include "provisioned.h"

static struct mf_region *find(const mf_regions *regions, mf_str name) {
  for (uint32_t i = 0; i < regions->count; i++)
    if (mf_str_is(name, regions->all[i].name)) return (struct mf_region *)(uintptr_t)&regions->all[i];
  return NULL;
}

static bool has_room(const mf_regions *regions, mf_str name) {
  return regions->count < MF_MAX_REGIONS && name.len < sizeof regions->all[0].name;
}

mf_sums mf_sums_of_row(const json_t *row) {
  if (!row) return (mf_sums){0};
  const json_t *reserved = json_object_get(row, "reserved");
  return (mf_sums){.functions = !json_object_get(row, "version"), .code_bytes = json_integer_value(json_object_get(mf_row_configuration(row), "CodeSize")),
                   .reserved = reserved ? json_integer_value(reserved) : mf_provisioned_total(json_object_get(row, "provisioned"))};
}

mf_sums mf_sums_difference(mf_sums after, mf_sums before) {
  return (mf_sums){after.functions - before.functions, after.code_bytes - before.code_bytes, after.reserved - before.reserved};
}

mf_sums mf_sums_sum(mf_sums a, mf_sums b) {
  return (mf_sums){a.functions + b.functions, a.code_bytes + b.code_bytes, a.reserved + b.reserved};
}

void mf_regions_add(mf_regions *regions, mf_str key, mf_sums sums) {
  mf_str name = mf_lambda_region_of(key);
  struct mf_region *region = find(regions, name);
  if (!region) {
    if (!has_room(regions, name)) return;
    region = &regions->all[regions->count++];
    snprintf(region->name, sizeof region->name, "%.*s", MF_STR_ARG(name));
  }
  region->sums = mf_sums_sum(region->sums, sums);
}

bool mf_regions_sums(const mf_regions *regions, mf_str name, mf_sums *sums) {
  const struct mf_region *region = find(regions, name);
  *sums = region ? region->sums : (mf_sums){0};
  return region || has_room(regions, name);
}
