// AWS structures as tables: each member's name, type and limits are stated once, in shapes.c. Validation, what is kept of a request and
// what is returned come from here; tests/unit/services compares the tables with botocore's service model.
#ifndef MF_SERVICES_LAMBDA_SHAPES_H
#define MF_SERVICES_LAMBDA_SHAPES_H

#include <stdbool.h>
#include <stdint.h>

typedef enum mf_field_kind { MF_STRING, MF_INTEGER, MF_BOOLEAN, MF_BLOB, MF_STRUCTURE, MF_LIST, MF_MAP } mf_field_kind;

typedef struct mf_shape mf_shape;
typedef struct mf_field {
  const char *name;
  mf_field_kind kind;
  int64_t min, max;         // of a number, or of a text's or a list's length; MF_NO_LIMIT: none
  const char *pattern;      // as AWS writes it; NULL: none
  const char *values;       // of an enumeration, "A, B" in AWS's order; NULL: any
  const mf_shape *of;       // a structure's members; a list's element (one field); a map's key and value (two fields)
  uint32_t flags;
  const char *sent_as;      // its name in path or query, where that is another one; NULL: `name`
} mf_field;
struct mf_shape {
  const char *name;
  const mf_field *fields;
  uint32_t n_fields;
};
#define MF_NO_LIMIT INT64_MIN

enum {
  MF_REQUIRED = 1,
  MF_KEPT = 2,          // becomes a member of the function's configuration
  MF_UNSUPPORTED = 4,   // known to AWS, refused here by name
  MF_IN_PATH = 8,
  MF_IN_QUERY = 16,
  MF_IN_HEADER = 32,
};

extern const mf_shape mf_shape_CreateFunctionRequest, mf_shape_UpdateFunctionCodeRequest, mf_shape_UpdateFunctionConfigurationRequest,
    mf_shape_GetFunctionRequest, mf_shape_GetFunctionConfigurationRequest, mf_shape_ListFunctionsRequest,
    mf_shape_DeleteFunctionRequest, mf_shape_PutFunctionConcurrencyRequest, mf_shape_GetFunctionConcurrencyRequest,
    mf_shape_DeleteFunctionConcurrencyRequest, mf_shape_InvocationRequest, mf_shape_TagResourceRequest, mf_shape_UntagResourceRequest,
    mf_shape_ListTagsRequest, mf_shape_GetAccountSettingsRequest,
    mf_shape_GetFunctionCodeSigningConfigRequest;

// lambda.md section 1: the pattern of calls that read or invoke, and the older one of those that write.
extern const char mf_pattern_function_read[], mf_pattern_function_write[];
#endif
