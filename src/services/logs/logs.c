// The table of operations. Groups, streams and events have files of their own.
#include <stdlib.h>

#include "internal.h"

static const mf_rpc_operation operations[] = {
#define MF_OPERATION(name, input) {#name, &mf_logs_shape_##input, mf_logs_##name},
#define MF_UNSUPPORTED_OPERATION(name) {#name, NULL, NULL},
#include "operations.def"
#undef MF_OPERATION
#undef MF_UNSUPPORTED_OPERATION
};
const mf_rpc_service mf_logs_service = {.name = "CloudWatch Logs", .version = "Logs_20140328", .invalid_code = "InvalidParameterException",
                                        .form = MF_FORM_JSON, .operations = operations, .n_operations = MF_COUNT(operations)};

mf_logs *mf_logs_create(mf_store *store, mf_error *err) {
  mf_logs *logs = calloc(1, sizeof *logs);
  if (!logs) {
    mf_fail(err, MF_OutOfMemory, "no memory for logs");
    return NULL;
  }
  logs->store = store;
  logs->endpoint = (mf_rpc_endpoint){&mf_logs_service, logs};
  return logs;
}

void mf_logs_destroy(mf_logs *logs) { free(logs); }
void mf_logs_route(mf_logs *logs, mf_route_result *result) { mf_rpc_route(&logs->endpoint, result); }
