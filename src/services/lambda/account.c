// GetAccountSettings: the limits that hold here, and how much of them the region's functions take.
#include "internal.h"
#include "package.h"

// Lambda's limit of a region's packages (75 GB). Here nothing but the disk sets one; clients reckon with Lambda's.
#define TOTAL_CODE_LIMIT INT64_C(80530636800)

void mf_handle_GetAccountSettings(mf_operation_call *call) {
  const mf_lambda *lambda = call->lambda;
  const json_int_t concurrency = lambda->env.account_concurrency;
  mf_sums sums;
  if (!mf_regions_sums(&lambda->functions.regions, call->region, &sums)) {
    mf_refuse(call->http, 500, "ServiceException", "The functions of %.*s are not counted: %d other regions have functions",
              MF_STR_ARG(call->region), MF_MAX_REGIONS);
    return;
  }
  json_t *limit = json_pack("{s:I,s:I,s:I,s:I,s:I}", "TotalCodeSize", (json_int_t)TOTAL_CODE_LIMIT, "CodeSizeUnzipped",
                            (json_int_t)lambda->env.max_package_bytes, "CodeSizeZipped", (json_int_t)mf_package_zipped_limit(lambda),
                            "ConcurrentExecutions", concurrency, "UnreservedConcurrentExecutions", concurrency - (json_int_t)sums.reserved);
  json_t *usage = json_pack("{s:I,s:I}", "TotalCodeSize", (json_int_t)sums.code_bytes, "FunctionCount", (json_int_t)sums.functions);
  mf_respond_json(call->http, 200, json_pack("{s:o,s:o}", "AccountLimit", limit, "AccountUsage", usage));
}
