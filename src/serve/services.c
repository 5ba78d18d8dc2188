// Which service a request is for, by the credential scope of its signature, else by X-Amz-Target or a form (lambda.md, section 0), and
// what the services need of each other: they meet here. Lambda's requests are front's own way.
#include <stdlib.h>
#include <stdio.h>

#include "internal.h"

struct mf_serve_services {
  mf_serve_keys *keys;
  mf_iam *iam;
  mf_sts *sts;
  mf_logs *logs;
};

// ---- what STS needs of the others ----
static bool find_role(void *context, mf_str name, mf_arena *arena, mf_sts_role *out, bool *found, mf_error *err) {
  mf_iam_role role;
  if (!mf_iam_find_role(((mf_serve_services *)context)->iam, name, arena, &role, found, err)) return false;
  if (!*found) return true;
  snprintf(out->arn, sizeof out->arn, "%.*s", MF_STR_ARG(role.arn));
  snprintf(out->id, sizeof out->id, "%.*s", MF_STR_ARG(role.id));
  snprintf(out->name, sizeof out->name, "%.*s", MF_STR_ARG(role.name));
  out->max_session_s = role.max_session_s;
  return true;
}
static void issue(void *context, const mf_principal *by, const mf_sts_session *session, int64_t expires_s, mf_sts_credentials *out) {
  mf_serve_keys_issue(((mf_serve_services *)context)->keys, by, session, expires_s, out);
}
static bool session(void *context, const mf_principal *principal, mf_arena *arena, mf_sts_session *out) {
  return mf_serve_keys_session(((mf_serve_services *)context)->keys, principal, arena, out);
}

mf_serve_services *mf_serve_services_create(mf_store *store, mf_serve_keys *keys, mf_error *err) {
  mf_serve_services *services = calloc(1, sizeof *services);
  if (!services) {
    mf_fail(err, MF_OutOfMemory, "no memory for services");
    return NULL;
  }
  services->keys = keys;
  const mf_sts_env env = {.find_role = find_role, .issue = issue, .session = session, .context = services};
  if ((services->iam = mf_iam_create(store, err)) && (services->sts = mf_sts_create(&env, err)) && (services->logs = mf_logs_create(store, err)))
    return services;
  mf_serve_services_destroy(services);
  return NULL;
}

void mf_serve_services_destroy(mf_serve_services *services) {
  if (!services) return;
  if (services->iam) mf_iam_destroy(services->iam);
  if (services->sts) mf_sts_destroy(services->sts);
  if (services->logs) mf_logs_destroy(services->logs);
  free(services);
}

void mf_serve_services_log(mf_serve_services *services, mf_str region, mf_str group, mf_str text) {
  mf_logs_write(services->logs, region, group, text);
}

// ---- routing ----
static void refuse_service(mf_http_request *http, const mf_principal *principal, void *context) {
  (void)context;
  char message[300];
  snprintf(message, sizeof message, "The service '%.*s' is not supported by this version of Mayfly: it serves lambda, logs, iam and sts",
           (int)MF_MIN(principal->service.len, (size_t)60), principal->service.data);
  mf_respond_error(http, 501, "NotImplementedException", message, true);
}

// Errors in a form that the service's clients can read.
static mf_error_form form_of(const mf_http_request *http, mf_str service) {
  if (mf_request_header(http, "x-amz-target").len > 0) return MF_FORM_JSON;
  const bool is_form = mf_str_starts(mf_request_header(http, "content-type"), MF_STR("application/x-www-form-urlencoded"));
  return is_form || mf_str_is(service, "s3") ? MF_FORM_QUERY : MF_FORM_REST_JSON;
}

bool mf_serve_services_route(mf_serve_services *services, mf_http_request *http, mf_str service, mf_route_result *result) {
  const mf_error_form form = form_of(http, service);
  if (mf_str_is(service, "iam")) mf_iam_route(services->iam, result);
  else if (mf_str_is(service, "logs")) mf_logs_route(services->logs, result);
  else if (mf_str_is(service, "sts")) mf_sts_route(services->sts, result);
  else if (service.len > 0 || form != MF_FORM_REST_JSON)
    *result = (mf_route_result){.handle = refuse_service, .context = services, .max_body_bytes = 1 << 20, .form = form};
  else return false;
  return true;
}
