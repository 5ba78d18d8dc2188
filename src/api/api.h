// api: what AWS services share: structures as tables and their validation in AWS's words, answers
// and errors in JSON, and JSON that survives a lack of memory. Knows no service.
#ifndef MF_API_API_H
#define MF_API_API_H

#include <jansson.h>
#include <regex.h>

#include "base/base.h"
#include "wire/wire.h"

#define MF_ACCOUNT "000000000000"  // the one that everything here belongs to

// ---- structures as tables: each member's name, type and limits are stated once; tests compare
// them with botocore's models ----
typedef enum mf_field_kind {
  MF_TEXT,
  MF_INTEGER,
  MF_NUMBER,
  MF_BOOLEAN,
  MF_BLOB,
  MF_STRUCTURE,
  MF_LIST,
  MF_MAP
} mf_field_kind;

typedef struct mf_shape mf_shape;
typedef struct mf_field {
  const char *name;
  mf_field_kind kind;
  int64_t min, max;     // of a number, or of a text's or a list's length; MF_NO_LIMIT: none
  const char *pattern;  // as AWS writes it; NULL: none
  const char *values;   // of an enumeration, "A, B" in AWS's order; NULL: any
  const mf_shape *of;  // a structure's members; a list's element (one field); a map's key and value
                       // (two fields)
  uint32_t flags;
  const char *sent_as;  // its name in path or query, where that is another one; NULL: `name`
} mf_field;
struct mf_shape {
  const char *name;
  const mf_field *fields;
  uint32_t n_fields;
};
#define MF_NO_LIMIT INT64_MIN

enum {
  MF_REQUIRED = 1,
  MF_KEPT = 2,         // Lambda's: becomes a member of the function's configuration
  MF_UNSUPPORTED = 4,  // known to AWS, refused here by name
  MF_IN_PATH = 8,
  MF_IN_QUERY = 16,
  MF_IN_HEADER = 32,
};

// Tables of shapes: INNER for those that others refer to. `#define NONE` is for fields without
// limits.
#define MF_SHAPE(shape, ...)                              \
  static const mf_field fields_##shape[] = {__VA_ARGS__}; \
  const mf_shape mf_shape_##shape = {#shape, fields_##shape, MF_COUNT(fields_##shape)}
#define MF_INNER_SHAPE(shape, ...)                        \
  static const mf_field fields_##shape[] = {__VA_ARGS__}; \
  static const mf_shape shape = {#shape, fields_##shape, MF_COUNT(fields_##shape)}

// ---- validation ----
typedef struct mf_violations {
  uint32_t count;
  mf_buf text;         // "Value '…' at '…' failed to satisfy constraint: …; …"
  bool wrong_type;     // a member of the wrong JSON type: `text` is then the message, and the code
                       // SerializationException
  bool out_of_memory;  // some rule could not be checked
  const char *unsupported;  // the name of a member that we refuse
} mf_violations;

// Value of a member that does not stand in the body (path, query, header). NULL data: absent, which
// a required one may not be.
void mf_validate_text(const mf_field *field, mf_str value, mf_violations *violations);
// The body's members. Members that the table does not have are ignored, as AWS does; null means
// absent.
void mf_validate_body(const mf_shape *shape, const json_t *body, mf_violations *violations);
const mf_field *mf_shape_field(const mf_shape *shape, const char *name);
bool mf_value_is_listed(const char *values, mf_str value);

// AWS's regular expressions (java.util.regex) on top of POSIX extended ones: \d, \s and escapes in
// brackets are translated; the look-behind that AWS's model has, (?<!\.)$, and the look-ahead (?!^\d+$) are checked by hand.
bool mf_pattern_compile(const char *pattern,
                        regex_t *regex);  // anchored at both ends; groups move by one
typedef enum mf_pattern_verdict {
  MF_PATTERN_DIFFERS,
  MF_PATTERN_MATCHES,
  MF_PATTERN_NO_MEMORY
} mf_pattern_verdict;
mf_pattern_verdict mf_pattern_match(const char *pattern, mf_str text);

// ---- answers: at once, or later (after a commit) to a client that may be gone by then ----
// An answer that is owed. Send it once, whether the client is still there or not.
typedef struct mf_reply {
  mf_http_request *http;  // NULL: the client is gone
  bool sent;
  const struct mf_rpc_operation *operation;  // of mf_rpc_defer: what `result` is the answer of
  const struct mf_rpc_service *service;
  json_t *result;
} mf_reply;
mf_reply *mf_reply_defer(mf_http_request *http);  // NULL: no memory, an error was sent

// For those that answer http by themselves: the reply is over. NULL: the client was gone.
mf_http_request *mf_reply_settle(mf_reply *reply);
void mf_reply_json(mf_reply *reply, int status,
                   json_t *body);  // takes the reference; body NULL: none
void mf_reply_refuse(mf_reply *reply, int status, const char *code, const char *format, ...)
    MF_PRINTF(4, 5);
void mf_reply_error(mf_reply *reply,
                    const mf_error *err);  // of ours: 5xx ServiceException and the like

void mf_respond_json(mf_http_request *http, int status, json_t *body);
// REST-JSON's form: x-amzn-ErrorType and {"Type":"User","message":…}; ResourceNotFoundException
// says "Message", ValidationException and 413 have no Type.
void mf_refuse(mf_http_request *http, int status, const char *code, const char *format, ...)
    MF_PRINTF(4, 5);
void mf_refuse_error(mf_http_request *http, const mf_error *err);
void mf_refuse_no_memory(mf_http_request *http);
void mf_refuse_throttled(mf_http_request *http, const char *reason);

// ---- services whose requests name the operation: the query protocol (a form in, XML out) and JSON 1.1 (X-Amz-Target). The answers
// above are in the form of the request's route, so handlers refuse with mf_refuse whatever the protocol ----
typedef struct mf_rpc_call {
  const struct mf_rpc_service *service;
  const struct mf_rpc_operation *operation;
  void *context;         // the service's own
  mf_http_request *http;
  mf_arena *arena;
  mf_principal principal;
  json_t *body;          // the request's members, validated; borrowed by the handler
} mf_rpc_call;
typedef struct mf_rpc_operation {
  const char *name;
  const mf_shape *input;
  void (*handle)(mf_rpc_call *call);  // NULL: unsupported, refused by its name
} mf_rpc_operation;
typedef struct mf_rpc_service {
  const char *name;         // for people: "IAM"
  const char *version;      // query: what the parameter Version says; JSON: what stands before the dot in X-Amz-Target
  const char *xmlns;        // query
  const char *invalid_code; // of members that break their limits
  mf_error_form form;
  const mf_rpc_operation *operations;
  uint32_t n_operations;
} mf_rpc_service;
typedef struct mf_rpc_endpoint {  // what wire hands back to us; lives as long as the server
  const mf_rpc_service *service;
  void *context;
} mf_rpc_endpoint;
void mf_rpc_route(const mf_rpc_endpoint *endpoint, mf_route_result *result);
// The answer 200; takes the reference. NULL: an operation without a result.
void mf_rpc_respond(mf_rpc_call *call, json_t *result);
// The same after a commit: hand mf_rpc_stored and the reply to the store. NULL: no memory, an error was sent.
mf_reply *mf_rpc_defer(mf_rpc_call *call, json_t *result);
void mf_rpc_stored(void *reply, const mf_error *err);
// The form's parameters as members of the shape; false: *err says why. Exposed for its tests.
bool mf_query_decode(mf_str form, const mf_shape *shape, mf_arena *arena, json_t *members, mf_error *err) MF_MUST_CHECK;
// The value of one parameter, decoded; data NULL: absent or badly encoded.
mf_str mf_query_value(mf_str form, const char *name, mf_arena *arena);
void mf_xml_members(mf_buf *out, const json_t *object, int depth);  // <Name>…</Name> for each; a list's elements are <member>

// ---- resource policies, evaluated: pure, and shut where something is not understood ----
// Who does what, and what is known of it. The caller: a service ("s3.amazonaws.com"), an ARN with its account, or, with neither,
// anybody ("*").
typedef struct mf_policy_value {
  const char *key;  // "AWS:SourceArn"; case does not matter
  mf_str value;
} mf_policy_value;
typedef struct mf_policy_request {
  mf_str service, account, arn;
  mf_str action, resource;  // "lambda:InvokeFunction"; the resource's ARN
  const mf_policy_value *context;
  uint32_t n_context;
} mf_policy_request;
typedef enum mf_policy_verdict {
  MF_POLICY_SILENT,  // no statement is about this request
  MF_POLICY_ALLOWED,
  MF_POLICY_DENIED,  // a statement forbids it, whatever else allows it
} mf_policy_verdict;
// statements: a policy's "Statement". Conditions: StringEquals, ArnLike, Bool; a statement with any other, or with NotAction and the
// like, allows nothing.
mf_policy_verdict mf_policy_evaluate(const json_t *statements, const mf_policy_request *request);
// '*' stands for any text, '?' for one character.
bool mf_policy_like(mf_str pattern, mf_str text);

// ---- jansson without memory: its parser says "invalid token" or drops characters from a string
// (and then writes past its buffers), and objects silently lack members. So its allocations are
// watched, and whoever stores or sends what was built with it asks first whether one has failed.
//
//   A piece of work (a request's handler, a callback of the store) calls mf_json_begin; what stores
//   a row and mf_respond_json refuse what was built while memory was lost.
bool mf_json_watch(mf_error *err) MF_MUST_CHECK;  // before a service uses jansson; again is no harm
uint64_t mf_json_failures(void);                  // allocations that failed so far
void mf_json_begin(void);  // what failed before is no matter of the work that begins here
bool mf_json_lost(void);   // has one failed since then?
// What is wrong with a client's text, in words that are not jansson's own flags'.
const char *mf_json_problem(const json_error_t *problem);
// A value's JSON text, to be given to free(); NULL: no memory. (What json_dumps returns is not
// free()'s.)
char *mf_json_text(const json_t *value);
#endif
