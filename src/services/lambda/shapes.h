// Lambda's structures as tables. Validation, what is kept of a request and what is returned come from here; tests/unit/services compares
// the tables with botocore's service model.
#ifndef MF_SERVICES_LAMBDA_SHAPES_H
#define MF_SERVICES_LAMBDA_SHAPES_H

#include "api/api.h"

extern const mf_shape mf_shape_CreateFunctionRequest, mf_shape_UpdateFunctionCodeRequest, mf_shape_UpdateFunctionConfigurationRequest,
    mf_shape_GetFunctionRequest, mf_shape_GetFunctionConfigurationRequest, mf_shape_ListFunctionsRequest,
    mf_shape_DeleteFunctionRequest, mf_shape_PutFunctionConcurrencyRequest, mf_shape_GetFunctionConcurrencyRequest,
    mf_shape_DeleteFunctionConcurrencyRequest, mf_shape_InvocationRequest, mf_shape_TagResourceRequest, mf_shape_UntagResourceRequest,
    mf_shape_ListTagsRequest, mf_shape_GetAccountSettingsRequest, mf_shape_PublishVersionRequest, mf_shape_ListVersionsByFunctionRequest,
    mf_shape_PutProvisionedConcurrencyConfigRequest, mf_shape_GetProvisionedConcurrencyConfigRequest,
    mf_shape_DeleteProvisionedConcurrencyConfigRequest, mf_shape_ListProvisionedConcurrencyConfigsRequest,
    mf_shape_CreateAliasRequest, mf_shape_UpdateAliasRequest, mf_shape_GetAliasRequest, mf_shape_DeleteAliasRequest, mf_shape_ListAliasesRequest,
    mf_shape_GetFunctionCodeSigningConfigRequest, mf_shape_InvokeAsyncRequest, mf_shape_PutFunctionEventInvokeConfigRequest,
    mf_shape_UpdateFunctionEventInvokeConfigRequest, mf_shape_GetFunctionEventInvokeConfigRequest,
    mf_shape_DeleteFunctionEventInvokeConfigRequest, mf_shape_ListFunctionEventInvokeConfigsRequest;
extern const mf_shape mf_shape_AddPermissionRequest, mf_shape_RemovePermissionRequest, mf_shape_GetPolicyRequest,
    mf_shape_CreateFunctionUrlConfigRequest, mf_shape_GetFunctionUrlConfigRequest, mf_shape_UpdateFunctionUrlConfigRequest,
    mf_shape_DeleteFunctionUrlConfigRequest, mf_shape_ListFunctionUrlConfigsRequest;

// lambda.md section 1: the pattern of calls that read or invoke, and the older one of those that write.
extern const char mf_pattern_function_read[], mf_pattern_function_write[];
// Which qualifiers can have a function URL: none, or an alias.
extern const char mf_pattern_url_qualifier[];
#endif
