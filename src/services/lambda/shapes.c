// The tables. Sources: botocore's lambda/2015-03-31/service-2.json, and lambda.md section 1 where AWS has moved on since.
#include "shapes.h"

#include <stddef.h>

#include "base/base.h"

#define NONE MF_NO_LIMIT, MF_NO_LIMIT
#define SHAPE MF_SHAPE
#define INNER MF_INNER_SHAPE

#define REGION "((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:)?"
const char mf_pattern_function_read[] = "(arn:(aws[a-zA-Z-]*)?:lambda:)?" REGION
                                        "(\\d{12}:)?(function:)?([a-zA-Z0-9-_\\.]+)(:(\\$LATEST(\\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
const char mf_pattern_function_write[] = "(arn:(aws[a-zA-Z-]*)?:lambda:)?" REGION
                                         "(\\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\\$LATEST|[a-zA-Z0-9-_]+))?";
const char mf_pattern_url_qualifier[] = "((?!^\\d+$)^[0-9a-zA-Z-_]+$)";
#define ROLE "arn:(aws[a-zA-Z-]*)?:iam::\\d{12}:role/?[a-zA-Z_0-9+=,.@\\-_/]+"
#define RESOURCE_ARN "(arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()"
// Of everything that AWS lets one tag, in the words of its error today (recorded).
#define TAGGABLE                                                                                                                     \
  "arn:(aws[a-zA-Z-]*):lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\\d{1}:\\d{12}:"                                          \
  "(function:[a-zA-Z0-9-_]+(:(\\$LATEST|[a-zA-Z0-9-_]+))?|layer:([a-zA-Z0-9-_]+)|code-signing-config:csc-[a-z0-9]{17}|"               \
  "event-source-mapping:[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}|capacity-provider:[a-zA-Z0-9-_]+)"
#define QUALIFIER "\\$(LATEST(\\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
// In the order in which AWS lists them in its error (lambda.md, RUNTIMES).
#define RUNTIMES                                                                                                               \
  "nodejs20.x, python3.14, provided.al2023, python3.12, python3.13, nodejs24.x, nodejs22.x, java25, python3.10, python3.11, "  \
  "java21, ruby3.3, ruby3.4, ruby3.2, python3.8, python3.9, java17, nodejs16.x, dotnet10, dotnet8, java11, dotnet6, "          \
  "nodejs18.x, provided.al2, java8.al2"

// 256 where botocore says 170: longer names are refused for what else is wrong with them only (recorded).
#define NAME_READ {"FunctionName", MF_TEXT, 1, 256, mf_pattern_function_read, NULL, NULL, MF_REQUIRED | MF_IN_PATH}
#define NAME_WRITE {"FunctionName", MF_TEXT, 1, 140, mf_pattern_function_write, NULL, NULL, MF_REQUIRED | MF_IN_PATH}
#define RESOURCE {"Resource", MF_TEXT, NONE, TAGGABLE, NULL, NULL, MF_REQUIRED | MF_IN_PATH, "ARN"}
#define PAGE_FIELDS \
  {"Marker", MF_TEXT, NONE, NULL, NULL, NULL, MF_IN_QUERY}, {"MaxItems", MF_INTEGER, 1, 10000, NULL, NULL, NULL, MF_IN_QUERY}
#define QUALIFIER_FIELD {"Qualifier", MF_TEXT, 1, 128, QUALIFIER, NULL, NULL, MF_IN_QUERY}

INNER(FunctionCode, {"ZipFile", MF_BLOB, NONE}, {"S3Bucket", MF_TEXT, 3, 63, "^[0-9A-Za-z\\.\\-_]*(?<!\\.)$"},
      {"S3Key", MF_TEXT, 1, 1024}, {"S3ObjectVersion", MF_TEXT, 1, 1024}, {"ImageUri", MF_TEXT, NONE},
      {"SourceKMSKeyArn", MF_TEXT, NONE, NULL, NULL, NULL, MF_UNSUPPORTED});
INNER(SubnetIds, {"", MF_TEXT, 0, 1024, "subnet-[0-9a-z]*"});
INNER(SecurityGroupIds, {"", MF_TEXT, 0, 1024, "sg-[0-9a-zA-Z]*"});
INNER(VpcConfig, {"SubnetIds", MF_LIST, MF_NO_LIMIT, 16, NULL, NULL, &SubnetIds},
      {"SecurityGroupIds", MF_LIST, MF_NO_LIMIT, 5, NULL, NULL, &SecurityGroupIds}, {"Ipv6AllowedForDualStack", MF_BOOLEAN, NONE});
INNER(DeadLetterConfig, {"TargetArn", MF_TEXT, NONE, RESOURCE_ARN});
INNER(EnvironmentVariables, {"", MF_TEXT, NONE, "[a-zA-Z]([a-zA-Z0-9_])+"}, {"", MF_TEXT, NONE});
INNER(Environment, {"Variables", MF_MAP, NONE, NULL, NULL, &EnvironmentVariables});
INNER(TracingConfig, {"Mode", MF_TEXT, NONE, NULL, "Active, PassThrough"});
INNER(Tags, {"", MF_TEXT, NONE}, {"", MF_TEXT, NONE});
INNER(LayerList,
      {"", MF_TEXT, 1, 140, "arn:[a-zA-Z0-9-]+:lambda:[a-zA-Z0-9-]+:\\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+"});
INNER(FileSystemConfig,
      {"Arn", MF_TEXT, MF_NO_LIMIT, 200,
       "arn:aws[a-zA-Z-]*:elasticfilesystem:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:access-point/fsap-[a-f0-9]{17}", NULL,
       NULL, MF_REQUIRED},
      {"LocalMountPath", MF_TEXT, MF_NO_LIMIT, 160, "^/mnt/[a-zA-Z0-9-_.]+$", NULL, NULL, MF_REQUIRED});
INNER(FileSystemConfigList, {"", MF_STRUCTURE, NONE, NULL, NULL, &FileSystemConfig});
INNER(StringList, {"", MF_TEXT, NONE});
INNER(ImageConfig, {"EntryPoint", MF_LIST, MF_NO_LIMIT, 1500, NULL, NULL, &StringList},
      {"Command", MF_LIST, MF_NO_LIMIT, 1500, NULL, NULL, &StringList}, {"WorkingDirectory", MF_TEXT, MF_NO_LIMIT, 1000});
INNER(ArchitecturesList, {"", MF_TEXT, NONE, NULL, "x86_64, arm64"});
INNER(EphemeralStorage, {"Size", MF_INTEGER, 512, 10240, NULL, NULL, NULL, MF_REQUIRED});
INNER(SnapStart, {"ApplyOn", MF_TEXT, NONE, NULL, "PublishedVersions, None"});
INNER(LoggingConfig, {"LogFormat", MF_TEXT, NONE, NULL, "JSON, Text"},
      {"ApplicationLogLevel", MF_TEXT, NONE, NULL, "TRACE, DEBUG, INFO, WARN, ERROR, FATAL"},
      {"SystemLogLevel", MF_TEXT, NONE, NULL, "DEBUG, INFO, WARN"}, {"LogGroup", MF_TEXT, 1, 512, "[\\.\\-_/#A-Za-z0-9]+"});

// As recorded today; the model knows no Kafka.
#define DESTINATION                                                                                                                   \
  "$|kafka://([^.]([a-zA-Z0-9\\-_.]{0,248}))|arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-"    \
  "\\d{1})?:(\\d{12})?:(.*)"
INNER(OnSuccess, {"Destination", MF_TEXT, 0, 350, DESTINATION});
INNER(OnFailure, {"Destination", MF_TEXT, 0, 350, DESTINATION});
INNER(DestinationConfig, {"OnSuccess", MF_STRUCTURE, NONE, NULL, NULL, &OnSuccess}, {"OnFailure", MF_STRUCTURE, NONE, NULL, NULL, &OnFailure});

// Members of the configuration that a function can be created with and that an update can change.
#define CONFIGURATION_FIELDS                                                                                     \
  {"Runtime", MF_TEXT, NONE, NULL, RUNTIMES, NULL, MF_KEPT},                                                   \
      {"Handler", MF_TEXT, MF_NO_LIMIT, 128, "[^\\s]+", NULL, NULL, MF_KEPT},                                  \
      {"Description", MF_TEXT, 0, 256, NULL, NULL, NULL, MF_KEPT},                                             \
      {"Timeout", MF_INTEGER, 1, 900, NULL, NULL, NULL, MF_KEPT},                                                \
      {"MemorySize", MF_INTEGER, 128, 10240, NULL, NULL, NULL, MF_KEPT},                                         \
      {"VpcConfig", MF_STRUCTURE, NONE, NULL, NULL, &VpcConfig, MF_KEPT},                                        \
      {"DeadLetterConfig", MF_STRUCTURE, NONE, NULL, NULL, &DeadLetterConfig, MF_KEPT},                          \
      {"Environment", MF_STRUCTURE, NONE, NULL, NULL, &Environment, MF_KEPT},                                    \
      {"KMSKeyArn", MF_TEXT, NONE, RESOURCE_ARN, NULL, NULL, MF_KEPT},                                         \
      {"TracingConfig", MF_STRUCTURE, NONE, NULL, NULL, &TracingConfig, MF_KEPT},                                \
      {"Layers", MF_LIST, NONE, NULL, NULL, &LayerList},                                                         \
      {"FileSystemConfigs", MF_LIST, MF_NO_LIMIT, 1, NULL, NULL, &FileSystemConfigList, MF_KEPT},                \
      {"ImageConfig", MF_STRUCTURE, NONE, NULL, NULL, &ImageConfig, MF_KEPT},                                    \
      {"EphemeralStorage", MF_STRUCTURE, NONE, NULL, NULL, &EphemeralStorage, MF_KEPT},                          \
      {"SnapStart", MF_STRUCTURE, NONE, NULL, NULL, &SnapStart, MF_KEPT},                                        \
      {"LoggingConfig", MF_STRUCTURE, NONE, NULL, NULL, &LoggingConfig, MF_KEPT},                                \
      {"CapacityProviderConfig", MF_STRUCTURE, NONE, NULL, NULL, NULL, MF_UNSUPPORTED},                          \
      {"DurableConfig", MF_STRUCTURE, NONE, NULL, NULL, NULL, MF_UNSUPPORTED}

SHAPE(CreateFunctionRequest, {"FunctionName", MF_TEXT, 1, 140, mf_pattern_function_write, NULL, NULL, MF_REQUIRED},
      {"Role", MF_TEXT, NONE, ROLE, NULL, NULL, MF_REQUIRED | MF_KEPT},
      {"Code", MF_STRUCTURE, NONE, NULL, NULL, &FunctionCode, MF_REQUIRED}, CONFIGURATION_FIELDS, {"Publish", MF_BOOLEAN, NONE},
      {"PackageType", MF_TEXT, NONE, NULL, "Image, Zip", NULL, MF_KEPT}, {"Tags", MF_MAP, NONE, NULL, NULL, &Tags},
      {"CodeSigningConfigArn", MF_TEXT, MF_NO_LIMIT, 200,
       "arn:(aws[a-zA-Z-]*)?:lambda:[a-z]{2}((-gov)|(-iso(b?)))?-[a-z]+-\\d{1}:\\d{12}:code-signing-config:csc-[a-z0-9]{17}", NULL, NULL,
       MF_UNSUPPORTED},
      {"Architectures", MF_LIST, 1, 1, NULL, NULL, &ArchitecturesList, MF_KEPT},
      {"PublishTo", MF_TEXT, NONE, NULL, NULL, NULL, MF_UNSUPPORTED},
      {"TenancyConfig", MF_STRUCTURE, NONE, NULL, NULL, NULL, MF_UNSUPPORTED});

SHAPE(UpdateFunctionConfigurationRequest, NAME_WRITE, {"Role", MF_TEXT, NONE, ROLE, NULL, NULL, MF_KEPT}, CONFIGURATION_FIELDS,
      {"RevisionId", MF_TEXT, NONE});

SHAPE(UpdateFunctionCodeRequest, NAME_WRITE, {"ZipFile", MF_BLOB, NONE},
      {"S3Bucket", MF_TEXT, 3, 63, "^[0-9A-Za-z\\.\\-_]*(?<!\\.)$"}, {"S3Key", MF_TEXT, 1, 1024},
      {"S3ObjectVersion", MF_TEXT, 1, 1024}, {"ImageUri", MF_TEXT, NONE}, {"Publish", MF_BOOLEAN, NONE}, {"DryRun", MF_BOOLEAN, NONE},
      {"RevisionId", MF_TEXT, NONE}, {"Architectures", MF_LIST, 1, 1, NULL, NULL, &ArchitecturesList, MF_KEPT},
      {"SourceKMSKeyArn", MF_TEXT, NONE, NULL, NULL, NULL, MF_UNSUPPORTED},
      {"PublishTo", MF_TEXT, NONE, NULL, NULL, NULL, MF_UNSUPPORTED});

SHAPE(PublishVersionRequest, NAME_WRITE, {"CodeSha256", MF_TEXT, NONE}, {"Description", MF_TEXT, 0, 256}, {"RevisionId", MF_TEXT, NONE});
SHAPE(ListVersionsByFunctionRequest, NAME_READ, PAGE_FIELDS);
#define ALIAS_FIELD(flags) {"Name", MF_TEXT, 1, 128, "(?!^[0-9]+$)([a-zA-Z0-9-_]+)", NULL, NULL, MF_REQUIRED | (flags)}
#define VERSION_FIELD(flags) {"FunctionVersion", MF_TEXT, 1, 1024, "(\\$LATEST|[0-9]+)", NULL, NULL, flags}
INNER(AdditionalVersionWeights, {"", MF_TEXT, 1, 1024, "[0-9]+"}, {"", MF_NUMBER, 0, 1});
INNER(RoutingConfig, {"AdditionalVersionWeights", MF_MAP, NONE, NULL, NULL, &AdditionalVersionWeights});
#define ROUTING_FIELD {"RoutingConfig", MF_STRUCTURE, NONE, NULL, NULL, &RoutingConfig}
SHAPE(CreateAliasRequest, NAME_WRITE, ALIAS_FIELD(0), VERSION_FIELD(MF_REQUIRED), {"Description", MF_TEXT, 0, 256}, ROUTING_FIELD);
SHAPE(UpdateAliasRequest, NAME_WRITE, ALIAS_FIELD(MF_IN_PATH), VERSION_FIELD(0), {"Description", MF_TEXT, 0, 256}, ROUTING_FIELD,
      {"RevisionId", MF_TEXT, NONE});
SHAPE(GetAliasRequest, NAME_WRITE, ALIAS_FIELD(MF_IN_PATH));
SHAPE(DeleteAliasRequest, NAME_WRITE, ALIAS_FIELD(MF_IN_PATH));
SHAPE(ListAliasesRequest, NAME_WRITE, VERSION_FIELD(MF_IN_QUERY), PAGE_FIELDS);
#define REQUIRED_QUALIFIER {"Qualifier", MF_TEXT, 1, 128, QUALIFIER, NULL, NULL, MF_REQUIRED | MF_IN_QUERY}
SHAPE(PutProvisionedConcurrencyConfigRequest, NAME_WRITE, REQUIRED_QUALIFIER,
      {"ProvisionedConcurrentExecutions", MF_INTEGER, 1, MF_NO_LIMIT, NULL, NULL, NULL, MF_REQUIRED});
SHAPE(GetProvisionedConcurrencyConfigRequest, NAME_WRITE, REQUIRED_QUALIFIER);
SHAPE(DeleteProvisionedConcurrencyConfigRequest, NAME_WRITE, REQUIRED_QUALIFIER);
SHAPE(ListProvisionedConcurrencyConfigsRequest, NAME_WRITE, {"Marker", MF_TEXT, NONE, NULL, NULL, NULL, MF_IN_QUERY},
      {"MaxItems", MF_INTEGER, 1, 50, NULL, NULL, NULL, MF_IN_QUERY});
SHAPE(GetFunctionRequest, NAME_READ, QUALIFIER_FIELD);
SHAPE(GetFunctionConfigurationRequest, NAME_READ, QUALIFIER_FIELD);
SHAPE(DeleteFunctionRequest, NAME_READ, QUALIFIER_FIELD);
SHAPE(ListFunctionsRequest, {"MasterRegion", MF_TEXT, NONE, "ALL|[a-z]{2}(-gov)?-[a-z]+-\\d{1}", NULL, NULL, MF_IN_QUERY},
      {"FunctionVersion", MF_TEXT, NONE, NULL, "ALL", NULL, MF_IN_QUERY}, PAGE_FIELDS);
SHAPE(PutFunctionConcurrencyRequest, NAME_WRITE,
      {"ReservedConcurrentExecutions", MF_INTEGER, 0, MF_NO_LIMIT, NULL, NULL, NULL, MF_REQUIRED});
SHAPE(GetFunctionConcurrencyRequest, NAME_READ);
SHAPE(DeleteFunctionConcurrencyRequest, NAME_WRITE);
const mf_shape mf_shape_GetAccountSettingsRequest = {"GetAccountSettingsRequest", NULL, 0};
SHAPE(GetFunctionCodeSigningConfigRequest, NAME_WRITE);
SHAPE(TagResourceRequest, RESOURCE, {"Tags", MF_MAP, NONE, NULL, NULL, &Tags, MF_REQUIRED});
SHAPE(UntagResourceRequest, RESOURCE, {"TagKeys", MF_LIST, NONE, NULL, NULL, &StringList, MF_REQUIRED | MF_IN_QUERY, "tagKeys"});
SHAPE(ListTagsRequest, RESOURCE);

// Resource policies.
SHAPE(AddPermissionRequest, NAME_WRITE, {"StatementId", MF_TEXT, 1, 100, "([a-zA-Z0-9-_]+)", NULL, NULL, MF_REQUIRED},
      {"Action", MF_TEXT, NONE, "(lambda:[*]|lambda:[a-zA-Z]+|[*])", NULL, NULL, MF_REQUIRED},
      {"Principal", MF_TEXT, NONE, "[^\\s]+", NULL, NULL, MF_REQUIRED},
      {"SourceArn", MF_TEXT, NONE, "arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\\-])+:([a-z]{2}(-gov)?-[a-z]+-\\d{1})?:(\\d{12})?:(.*)"},
      {"SourceAccount", MF_TEXT, MF_NO_LIMIT, 12, "\\d{12}"}, {"EventSourceToken", MF_TEXT, 0, 256, "[a-zA-Z0-9._\\-]+"},
      QUALIFIER_FIELD, {"RevisionId", MF_TEXT, NONE}, {"PrincipalOrgID", MF_TEXT, 12, 34, "^o-[a-z0-9]{10,32}$"},
      {"FunctionUrlAuthType", MF_TEXT, NONE, NULL, "NONE, AWS_IAM"}, {"InvokedViaFunctionUrl", MF_BOOLEAN, NONE});
SHAPE(RemovePermissionRequest, NAME_WRITE,
      {"StatementId", MF_TEXT, 1, 100, "([a-zA-Z0-9-_.]+)", NULL, NULL, MF_REQUIRED | MF_IN_PATH}, QUALIFIER_FIELD,
      {"RevisionId", MF_TEXT, NONE, NULL, NULL, NULL, MF_IN_QUERY});
SHAPE(GetPolicyRequest, NAME_READ, QUALIFIER_FIELD);

// Function URLs.
#define URL_QUALIFIER {"Qualifier", MF_TEXT, 1, 128, mf_pattern_url_qualifier, NULL, NULL, MF_IN_QUERY}
#define AUTH_TYPE(flags) {"AuthType", MF_TEXT, NONE, NULL, "NONE, AWS_IAM", NULL, flags}
#define INVOKE_MODE {"InvokeMode", MF_TEXT, NONE, NULL, "RESPONSE_STREAM, BUFFERED"}
INNER(HeadersList, {"", MF_TEXT, MF_NO_LIMIT, 1024, ".*"});
INNER(AllowMethodsList, {"", MF_TEXT, MF_NO_LIMIT, 6, ".*"});
INNER(AllowOriginsList, {"", MF_TEXT, 1, 253, ".*"});
INNER(Cors, {"AllowCredentials", MF_BOOLEAN, NONE}, {"AllowHeaders", MF_LIST, MF_NO_LIMIT, 100, NULL, NULL, &HeadersList},
      {"AllowMethods", MF_LIST, MF_NO_LIMIT, 6, NULL, NULL, &AllowMethodsList},
      {"AllowOrigins", MF_LIST, MF_NO_LIMIT, 100, NULL, NULL, &AllowOriginsList},
      {"ExposeHeaders", MF_LIST, MF_NO_LIMIT, 100, NULL, NULL, &HeadersList}, {"MaxAge", MF_INTEGER, 0, 86400});
#define CORS {"Cors", MF_STRUCTURE, NONE, NULL, NULL, &Cors}
SHAPE(CreateFunctionUrlConfigRequest, NAME_WRITE, URL_QUALIFIER, AUTH_TYPE(MF_REQUIRED), CORS, INVOKE_MODE);
SHAPE(GetFunctionUrlConfigRequest, NAME_WRITE, URL_QUALIFIER);
SHAPE(UpdateFunctionUrlConfigRequest, NAME_WRITE, URL_QUALIFIER, AUTH_TYPE(0), CORS, INVOKE_MODE);
SHAPE(DeleteFunctionUrlConfigRequest, NAME_WRITE, URL_QUALIFIER);
SHAPE(ListFunctionUrlConfigsRequest, NAME_WRITE, {"Marker", MF_TEXT, NONE, NULL, NULL, NULL, MF_IN_QUERY},
      {"MaxItems", MF_INTEGER, 1, 50, NULL, NULL, NULL, MF_IN_QUERY});
SHAPE(InvocationRequest, NAME_READ,
      {"InvocationType", MF_TEXT, NONE, NULL, "Event, RequestResponse, DryRun", NULL, MF_IN_HEADER},
      {"LogType", MF_TEXT, NONE, NULL, "None, Tail", NULL, MF_IN_HEADER},
      {"ClientContext", MF_TEXT, NONE, NULL, NULL, NULL, MF_IN_HEADER}, {"Payload", MF_BLOB, NONE}, QUALIFIER_FIELD,
      {"TenantId", MF_TEXT, NONE, NULL, NULL, NULL, MF_IN_HEADER | MF_UNSUPPORTED},
      {"DurableExecutionName", MF_TEXT, NONE, NULL, NULL, NULL, MF_IN_HEADER | MF_UNSUPPORTED});
SHAPE(InvokeAsyncRequest, NAME_READ, {"InvokeArgs", MF_BLOB, NONE, NULL, NULL, NULL, MF_REQUIRED});
#define EVENT_INVOKE_CONFIG                                                                        \
  NAME_WRITE, QUALIFIER_FIELD, {"MaximumRetryAttempts", MF_INTEGER, 0, 2},                         \
      {"MaximumEventAgeInSeconds", MF_INTEGER, 60, 21600},                                         \
      {"DestinationConfig", MF_STRUCTURE, NONE, NULL, NULL, &DestinationConfig}
SHAPE(PutFunctionEventInvokeConfigRequest, EVENT_INVOKE_CONFIG);
SHAPE(UpdateFunctionEventInvokeConfigRequest, EVENT_INVOKE_CONFIG);
SHAPE(GetFunctionEventInvokeConfigRequest, NAME_WRITE, QUALIFIER_FIELD);
SHAPE(DeleteFunctionEventInvokeConfigRequest, NAME_WRITE, QUALIFIER_FIELD);
SHAPE(ListFunctionEventInvokeConfigsRequest, NAME_WRITE, {"Marker", MF_TEXT, NONE, NULL, NULL, NULL, MF_IN_QUERY},
      {"MaxItems", MF_INTEGER, 1, 50, NULL, NULL, NULL, MF_IN_QUERY});
