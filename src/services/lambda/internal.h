// What the parts of the service share.
#ifndef MF_SERVICES_LAMBDA_INTERNAL_H
#define MF_SERVICES_LAMBDA_INTERNAL_H

#include "function.h"
#include "lambda.h"
#include "metrics.h"
#include "names.h"
#include "shapes.h"

#define MF_DEFAULT_UNZIPPED UINT64_C(262144000)
enum { MF_ZIPPED_LIMIT = 52428800, MF_CREATE_LIMIT = 70167211, MF_INVOKE_LIMIT = 6291456, MF_JSON_LIMIT = 1 << 20,
       MF_UNRESERVED_MINIMUM = 100 };
#define MF_LIMIT_ERROR(limit, name) "Request must be smaller than " #limit " bytes for the " name " operation"

// One request to an operation, while its handler runs. Everything is in the request's arena but body and row.
typedef struct mf_operation_call {
  struct mf_lambda *lambda;
  const struct mf_operation *operation;
  mf_http_request *http;
  mf_arena *arena;
  mf_str region;
  mf_str name_text;         // FunctionName, or the ARN of a tagged resource, as sent, decoded
  mf_str label;             // what else stands in the path (an alias's Name, a StatementId), decoded; "" if nothing
  mf_str name;              // the bare name
  mf_str qualifier;         // "" if none; of FunctionName or of the query
  mf_str key;               // "region/name"
  json_t *body;             // the request's JSON and lists of its query, NULL when it has neither; borrowed by the handler
  struct mf_upload *upload; // Create/UpdateFunctionCode: where the package is in the body
} mf_operation_call;

typedef struct mf_operation {
  const char *name, *method, *path;
  int status;
  const mf_shape *input;
  void (*handle)(mf_operation_call *call);  // NULL: unsupported
} mf_operation;
extern const mf_operation mf_operations[];
extern const uint32_t mf_n_operations;

typedef struct mf_operation_context {  // what wire hands back to us
  struct mf_lambda *lambda;
  const mf_operation *operation;
} mf_operation_context;

// The walk over all rows after the compiler or the machine has changed (resume.c).
enum { MF_WALK_KEY_BYTES = 1024 };  // the longest key of the store
typedef struct mf_walk {
  mf_timer timer;
  bool versions;                       // the table of versions; functions come first
  size_t after_len;
  char after[MF_WALK_KEY_BYTES];       // the last key looked at
} mf_walk;

typedef struct mf_event_config {  // kept parsed (event_config.c)
  char *key;                      // "region/name:qualifier"; NULL: an empty place
  uint32_t max_retries;
  int64_t max_age_s;
  char *on_success, *on_failure;  // "region/name:qualifier", NULL: none
} mf_event_config;
enum { MF_EVENT_CONFIGS = 256 };

struct mf_lambda {
  mf_lambda_env env;
  mf_lambda_cache functions;
  mf_metrics metrics;
  mf_name_patterns patterns;
  mf_operation_context *contexts;      // one for each operation
  struct mf_invoking *free_invocations;
  struct mf_log_wait *log_waits;
  struct mf_kept_route *routes;        // of aliases (qualifier.h); NULL: none was called
  mf_event_config event_configs[MF_EVENT_CONFIGS];
  bool unfinished;                     // a deployment could not go on for lack of memory or disk: looked for again soon
  uint32_t rebuilding;                 // background compilations of stale images under way
  struct mf_compilation *compilations; // under way (deploy.c)
  uint32_t compiling, storing;         // all compilations, and packages on their way into the store
  struct mf_garbage *garbage;          // blobs that may be in nobody's use (garbage.h)
  uint32_t n_garbage, garbage_capacity;
  uint32_t days_swept;                 // the day (UTC) on which rows that are too old went last
  mf_timer flush;
  mf_walk walk;
  uint8_t download_key[MF_SHA256_BYTES];
};

// resume.c: functions that are Pending or InProgress go on.
bool mf_resume_unfinished(mf_lambda *lambda, mf_error *err) MF_MUST_CHECK;

// operations.c
typedef struct mf_path_labels {
  mf_str name, other;  // name_text and label as in the path
} mf_path_labels;
const mf_operation *mf_operation_match(mf_str method, mf_str target, mf_str query, mf_path_labels *labels);
void mf_operation_handle(mf_http_request *http, const mf_principal *principal, void *context);
void mf_operation_too_large(mf_http_request *http, void *context);

// helpers of the handlers
void mf_not_found(mf_operation_call *call, mf_str qualifier);  // 404 "Function not found: ARN[:qualifier]"
char *mf_function_arn(mf_arena *arena, mf_str region, mf_str name, const char *suffix);  // suffix "" or ":$LATEST"
// Makes the call one about this function. false: an answer was sent, since it is no function of this account and region.
bool mf_take_name(mf_operation_call *call, const mf_lambda_name *name);
// The row of the call's function, for what knows no versions; NULL: an answer was sent. With a qualifier see qualifier.h.
json_t *mf_require_row(mf_operation_call *call);
// false: an answer was sent, because the function is Pending or an update is under way.
bool mf_require_idle(mf_operation_call *call, const json_t *row);
// false: an answer was sent, because the request wants another RevisionId than this row's, or than this object's member.
bool mf_require_revision(mf_operation_call *call, const json_t *row);
bool mf_require_revision_of(mf_operation_call *call, const json_t *holder);

// configuration.c
json_t *mf_configuration_json(mf_str region, mf_str name, const char *arn_suffix, const json_t *row, bool in_list);
void mf_keep_members(const mf_shape *shape, const json_t *body, json_t *configuration);
// false: an answer was sent.
bool mf_check_configuration(mf_operation_call *call, const json_t *body);
void mf_touch_configuration(json_t *row);                      // LastModified and RevisionId
void mf_modified_at(int64_t wall_ns, char out[40]);
void mf_modified_now(char out[40]);                            // as LastModified has it
void mf_touch_revision(json_t *row);                           // RevisionId alone
void mf_set_member(json_t *object, const char *name, const char *text);  // NULL: removes it

// tags.c: may a function have these? false: an answer was sent.
bool mf_check_tags(mf_operation_call *call, const json_t *tags);

// handlers
void mf_handle_Invoke(mf_operation_call *call);
void mf_handle_InvokeAsync(mf_operation_call *call);
void mf_handle_PutFunctionEventInvokeConfig(mf_operation_call *call);
void mf_handle_UpdateFunctionEventInvokeConfig(mf_operation_call *call);
void mf_handle_GetFunctionEventInvokeConfig(mf_operation_call *call);
void mf_handle_DeleteFunctionEventInvokeConfig(mf_operation_call *call);
void mf_handle_ListFunctionEventInvokeConfigs(mf_operation_call *call);
void mf_handle_CreateFunction(mf_operation_call *call);
void mf_handle_ListFunctions(mf_operation_call *call);
void mf_handle_GetFunction(mf_operation_call *call);
void mf_handle_DeleteFunction(mf_operation_call *call);
void mf_handle_GetFunctionConfiguration(mf_operation_call *call);
void mf_handle_UpdateFunctionConfiguration(mf_operation_call *call);
void mf_handle_UpdateFunctionCode(mf_operation_call *call);
void mf_handle_PutFunctionConcurrency(mf_operation_call *call);
void mf_handle_GetFunctionConcurrency(mf_operation_call *call);
void mf_handle_DeleteFunctionConcurrency(mf_operation_call *call);
void mf_handle_GetFunctionCodeSigningConfig(mf_operation_call *call);
void mf_handle_GetAccountSettings(mf_operation_call *call);
void mf_handle_PublishVersion(mf_operation_call *call);
void mf_handle_ListVersionsByFunction(mf_operation_call *call);
void mf_handle_CreateAlias(mf_operation_call *call);
void mf_handle_GetAlias(mf_operation_call *call);
void mf_handle_UpdateAlias(mf_operation_call *call);
void mf_handle_DeleteAlias(mf_operation_call *call);
void mf_handle_ListAliases(mf_operation_call *call);
void mf_handle_PutProvisionedConcurrencyConfig(mf_operation_call *call);
void mf_handle_GetProvisionedConcurrencyConfig(mf_operation_call *call);
void mf_handle_ListProvisionedConcurrencyConfigs(mf_operation_call *call);
void mf_handle_DeleteProvisionedConcurrencyConfig(mf_operation_call *call);
void mf_handle_TagResource(mf_operation_call *call);
void mf_handle_UntagResource(mf_operation_call *call);
void mf_handle_AddPermission(mf_operation_call *call);
void mf_handle_RemovePermission(mf_operation_call *call);
void mf_handle_GetPolicy(mf_operation_call *call);
void mf_handle_CreateFunctionUrlConfig(mf_operation_call *call);
void mf_handle_GetFunctionUrlConfig(mf_operation_call *call);
void mf_handle_UpdateFunctionUrlConfig(mf_operation_call *call);
void mf_handle_DeleteFunctionUrlConfig(mf_operation_call *call);
void mf_handle_ListFunctionUrlConfigs(mf_operation_call *call);
void mf_handle_ListTags(mf_operation_call *call);

// invoke.c: the short way in, without an operation call
void mf_invoke_handle(mf_http_request *http, const mf_principal *principal, void *context);
void mf_invoke_too_large(mf_http_request *http, void *context);
// An invocation whose caller is not Invoke's. reply: called once unless the client has left; call->throttled, failed, function_error and
// response say what came of it. own_fd: holds payload.len bytes, closed when the request has ended; -1: the payload is in memory that
// lives as long as the request. false: no memory, nothing began.
struct mf_resolved;  // qualifier.h
typedef void mf_invoke_reply(mf_http_request *http, const mf_lambda_call *call, void *context);
bool mf_invoke_start(mf_lambda *lambda, mf_http_request *http, const struct mf_resolved *what, mf_slice payload, int own_fd,
                     mf_invoke_reply *reply, void *context) MF_MUST_CHECK;
uint32_t mf_trace_id(const char *request_id, char out[96]);  // "Root=1-…": the id is a UUID, 24 of its digits and 16 of them
void mf_invocations_free(mf_lambda *lambda);

// own.c
// A function's name as the path's last segment, and its key; false: an answer was sent.
bool mf_own_name(mf_http_request *http, const mf_principal *principal, mf_str *name, char **key);
// A number in the query, 0 when it is not given. false: an answer was sent.
bool mf_own_number(mf_http_request *http, const char *name, long least, long most, long *out);
// own_events.c
void mf_own_list_events(mf_http_request *http, const mf_principal *principal, void *context);
void mf_own_list_function_events(mf_http_request *http, const mf_principal *principal, void *context);
void mf_own_show_event(mf_http_request *http, const mf_principal *principal, void *context);
void mf_own_retry_event(mf_http_request *http, const mf_principal *principal, void *context);
void mf_own_drop_event(mf_http_request *http, const mf_principal *principal, void *context);
bool mf_own_route(mf_lambda *lambda, mf_http_request *http, mf_route_result *result);
void mf_log_waits_wake(mf_lambda *lambda, mf_str key);
void mf_log_waits_end(mf_lambda *lambda);
#endif
