// services/lambda: AWS Lambda's API as a table of operations and their handlers. Function configuration and states live in the store;
// invoking and compiling are handed in by `serve`, since a service may not know the host.
#ifndef MF_SERVICES_LAMBDA_LAMBDA_H
#define MF_SERVICES_LAMBDA_LAMBDA_H

#include "api/api.h"
#include "base/base.h"
#include "events/events.h"
#include "store/store.h"
#include "wire/wire.h"

// One invocation's way through the server, as the service sees it.
typedef struct mf_lambda_call {
  char request_id[MF_UUID_TEXT + 1];
  mf_slice payload;
  int payload_fd;                 // -1: in memory
  bool background;                // nobody waits for it
  void (*done)(struct mf_lambda_call *call);
  void *data;                     // the service's
  // result: Lambda's view
  int throttled;                  // 1: 429 with reason
  const char *throttle_reason;
  bool failed;                    // 500 ServiceException with message
  bool image_lost;                // failed because the image is missing or damaged: it is built again
  bool unavailable;               // failed because of a moment that passes: 503, which clients try again
  const char *function_error;     // NULL or "Unhandled"
  mf_slice response;              // valid until release
  char message[1100];
  bool cold;
  bool provisioned, spilled_over; // ran on provisioned concurrency; beyond it, though there is some
  int64_t init_ns, duration_ns, plan_ns;
  uint64_t max_memory_bytes;
  const char *status;             // NULL, "timeout", "error"; for REPORT
  const char *error_type;         // "Runtime.ExitError", … for REPORT
  char error_line[1024];          // what stands between START and END ("RequestId: … Error: …"), "" if nothing
  void *host;                     // serve's
} mf_lambda_call;

typedef struct mf_lambda_function {  // what serve needs of a function to run it
  mf_str key;                     // "region/name", "region/name:7"
  mf_str group;                   // "region/name": what the limits are of
  uint64_t revision;
  uint32_t memory_mb, timeout_ms;
  int32_t reserved_concurrency;   // -1: none
  uint32_t unreserved_concurrency;  // what all functions without reservation may have together, beyond what is provisioned
  mf_blob_id image;
  uint64_t arena_bytes;
} mf_lambda_function;
mf_str mf_lambda_region_of(mf_str key);  // within the key

typedef struct mf_lambda_compiled {
  bool ok;
  const char *reason;             // StateReason when not ok
  const char *reason_code;        // "InvalidZipFileException", "FunctionError.…"
  mf_blob_id image;
  uint64_t image_bytes, arena_bytes;
  uint32_t memory_mb_needed, memory_mb, timeout_s;
  mf_str description;             // JSON text
} mf_lambda_compiled;

typedef struct mf_lambda_env {
  mf_store *store;
  mf_events *events;              // the service attaches itself to it
  mf_loop *loop;
  uint64_t max_package_bytes;     // unzipped
  uint32_t account_concurrency;   // invocations at a time that `invoke` admits; of a region's, 100 stay unreserved
  const char *built;              // what builds images now ("avx512/1"): an image built by anything else is built again
  const char *scheme;             // "http" or "https", for URLs that point back at us
  void (*invoke)(void *context, const mf_lambda_function *function, mf_lambda_call *call);
  void (*release)(void *context, mf_lambda_call *call);
  void (*cancel)(void *context, mf_lambda_call *call);
  // Compiles the package blob (or finds the image that was made of it); `done` comes later, once. false: it does not come.
  bool (*compile)(void *context, const mf_blob_id *package, void (*done)(void *data, const mf_lambda_compiled *result), void *data,
                  mf_error *err);
  void (*forget)(void *context, mf_str key);
  void (*log)(void *context, mf_str region, mf_str group, mf_str text);  // into a log group, which is made when there is none
  // Keeps so many instances of this function ready, 0: none any more; false: its image cannot be opened (MF_InvalidImage), or no memory.
  bool (*provision)(void *context, const mf_lambda_function *function, uint32_t instances, mf_error *err);
  bool (*pre_warm)(void *context, const mf_lambda_function *function, mf_error *err);  // one instance, where there is none
  void (*provisioned)(void *context, mf_str key, uint32_t *ready, bool *failed);  // how many of them are
  void (*instances)(void *context, mf_str key, uint32_t *idle, uint32_t *busy, uint32_t *queued);
  void *context;
} mf_lambda_env;

typedef struct mf_lambda mf_lambda;
mf_lambda *mf_lambda_create(const mf_lambda_env *env, mf_error *err) MF_MUST_CHECK;
void mf_lambda_destroy(mf_lambda *lambda);
// wire's route callback for the service `lambda` (and Mayfly's own paths under /_mayfly/ that deploy, list and read logs).
bool mf_lambda_route(mf_lambda *lambda, mf_http_request *request, mf_route_result *result);
// The same for requests to function URLs, by Host or by path; service: of the signature, "". false: it is none. To be asked first.
bool mf_lambda_url_route(mf_lambda *lambda, mf_http_request *request, mf_str service, mf_route_result *result);
// Functions that were Pending or InProgress when the server stopped go on; those whose image another compiler or machine made are compiled
// again, one after the other, in the background.
bool mf_lambda_resume(mf_lambda *lambda, mf_error *err) MF_MUST_CHECK;
// The keep-alive policy expects a call of "region/name" or "region/name:7", of which no instance is left.
void mf_lambda_expected(mf_lambda *lambda, mf_str key);
// Does a function or version refer to this package or image? For the store's collection.
bool mf_lambda_blob_is_used(mf_lambda *lambda, const mf_blob_id *id, bool *used, mf_error *err) MF_MUST_CHECK;
void mf_lambda_flush(mf_lambda *lambda);  // counters go to the store for the last time, before it closes (they do by themselves every few seconds)
// What ran since the start, in Prometheus' text format.
void mf_lambda_metrics(const mf_lambda *lambda, mf_buf *out);
// Answers requests that wait for log lines, so that a stop need not wait for them.
void mf_lambda_stop_waiting(mf_lambda *lambda);
#endif
