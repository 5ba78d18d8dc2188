// Asynchronous invocations: what the service does for the dispatcher of events, and what it asks of it.
#ifndef MF_SERVICES_LAMBDA_ASYNCHRONOUS_H
#define MF_SERVICES_LAMBDA_ASYNCHRONOUS_H

#include "internal.h"

// Accepts the request's body as an event for the function; answers 202 once it is on disk. legacy: as InvokeAsync answers.
void mf_accept_event(mf_lambda *lambda, mf_http_request *http, const mf_lambda_entry *function, mf_str qualifier, bool legacy);
void mf_refuse_large_event(mf_http_request *http, uint64_t bytes);
mf_event_runner mf_event_runner_of(mf_lambda *lambda);
// A function's event runs (invoke.c).
void mf_invoke_event(mf_lambda *lambda, mf_event *event);

// How the events of a function's qualifier are handled, as EventInvokeConfig says; kept parsed for those used lately (event_config.c).
// false: it cannot be read now.
bool mf_event_config_get(mf_lambda *lambda, mf_str function, mf_str qualifier, const mf_event_config **config, mf_error *err) MF_MUST_CHECK;
// "region/name:qualifier" of a function's ARN, to be freed; NULL: it is none, or (*ok false) there is no memory.
char *mf_event_target(mf_lambda *lambda, mf_str arn, mf_str region, bool *ok);
// May events go there? Another function, which is there. false: an answer was sent.
bool mf_check_event_target(mf_operation_call *call, const char *arn);
void mf_event_configs_forget(mf_lambda *lambda, mf_str function);
void mf_event_configs_free(mf_lambda *lambda);
#endif
