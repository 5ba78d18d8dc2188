// services/logs: CloudWatch Logs' API over what functions log. A log group is a row; its streams are the segments of its log in the
// store, each named as one of AWS's environments would be; an event is a line. Functions write, clients read, tag, limit and delete.
#ifndef MF_SERVICES_LOGS_LOGS_H
#define MF_SERVICES_LOGS_LOGS_H

#include "api/api.h"
#include "store/store.h"

typedef struct mf_logs mf_logs;
mf_logs *mf_logs_create(mf_store *store, mf_error *err) MF_MUST_CHECK;
void mf_logs_destroy(mf_logs *logs);
void mf_logs_route(mf_logs *logs, mf_route_result *result);
// A function's text into a group, which is made when there is none.
void mf_logs_write(mf_logs *logs, mf_str region, mf_str group, mf_str text);
extern const mf_rpc_service mf_logs_service;  // the table of operations, for tests
#endif
