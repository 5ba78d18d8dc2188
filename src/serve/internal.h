// What the parts of serve share.
#ifndef MF_SERVE_INTERNAL_H
#define MF_SERVE_INTERNAL_H

#include "api/api.h"
#include "base/base.h"
#include "events/events.h"
#include "host/host.h"
#include "services/iam/iam.h"
#include "services/lambda/lambda.h"
#include "services/logs/logs.h"
#include "services/sts/sts.h"
#include "store/store.h"
#include "wire/wire.h"

// ---- options.c ----
typedef struct mf_serve_options {
  char data[4096];
  const char *listen;               // as given
  char host[256], port[8];          // of it; host without brackets
  int64_t keep_alive_ns;            // or MF_KEEP_ALIVE_HYBRID
  uint32_t run_slots;
  uint64_t pool_bytes, max_package_bytes;
  double retry_scale, keep_alive_scale;
  const char *tls_certificate, *tls_key;  // file names
  bool insecure;
} mf_serve_options;
// true: go on. false: *status is the exit status (what is wrong was printed).
bool mf_serve_read_options(int argc, char **argv, mf_serve_options *options, int *status) MF_MUST_CHECK;

// ---- socket.c ----
typedef struct mf_listening {
  int fd;
  bool loopback;
  char endpoint[300];               // "http://127.0.0.1:4566": where clients on this machine reach it
} mf_listening;
bool mf_serve_listen(const mf_serve_options *options, mf_listening *listening, mf_error *err) MF_MUST_CHECK;

// ---- keys.c: access keys, all in memory, each also a row of the store ----
typedef struct mf_serve_keys mf_serve_keys;
// Loads them; makes the root key when there is none, and the file DIR/root-key.
mf_serve_keys *mf_serve_keys_open(mf_store *store, mf_error *err) MF_MUST_CHECK;
void mf_serve_keys_close(mf_serve_keys *keys);
mf_key_verdict mf_serve_keys_secret(mf_serve_keys *keys, mf_str access_key, mf_str session_token, mf_arena *arena, mf_str *secret);
// Temporary credentials, for STS (sts.h says what each of them does).
bool mf_serve_keys_session(mf_serve_keys *keys, const mf_principal *principal, mf_arena *arena, mf_sts_session *session);
void mf_serve_keys_issue(mf_serve_keys *keys, const mf_principal *by, const mf_sts_session *who, int64_t expires_s, mf_sts_credentials *out);
bool mf_serve_keys_route(mf_serve_keys *keys, mf_http_request *request, mf_route_result *result);

// ---- services.c: the services but Lambda, and the way to them ----
typedef struct mf_serve_services mf_serve_services;
mf_serve_services *mf_serve_services_create(mf_store *store, mf_serve_keys *keys, mf_error *err) MF_MUST_CHECK;
void mf_serve_services_destroy(mf_serve_services *services);
void mf_serve_services_log(mf_serve_services *services, mf_str region, mf_str group, mf_str text);
// false: it is none of theirs.
bool mf_serve_services_route(mf_serve_services *services, mf_http_request *request, mf_str service, mf_route_result *result);

// ---- images.c: compiled images, cached by what they were made of ----
typedef struct mf_serve_images mf_serve_images;
mf_serve_images *mf_serve_images_create(mf_store *store, mf_host *host, const mf_package_options *options, mf_error *err) MF_MUST_CHECK;
void mf_serve_images_destroy(mf_serve_images *images);
void mf_serve_images_stop(mf_serve_images *images);  // what is compiling is forgotten, and begun again at the next start
const char *mf_serve_images_built(const mf_serve_images *images);
// The compile function of mf_lambda_env.
bool mf_serve_images_compile(mf_serve_images *images, const mf_blob_id *package,
                             void (*done)(void *data, const mf_lambda_compiled *result), void *data, mf_error *err) MF_MUST_CHECK;
// Deletes blobs that no function and no image row needs, and image rows whose package is gone.
bool mf_serve_images_collect(mf_serve_images *images, mf_lambda *lambda, mf_error *err) MF_MUST_CHECK;

// ---- invoke.c: from the service's call to the host's invocation and back ----
typedef struct mf_serve_invoker mf_serve_invoker;
mf_serve_invoker *mf_serve_invoker_create(mf_store *store, mf_host *host, mf_error *err) MF_MUST_CHECK;
void mf_serve_invoker_destroy(mf_serve_invoker *invoker);
void mf_serve_invoke(mf_serve_invoker *invoker, const mf_lambda_function *function, mf_lambda_call *call);
void mf_serve_release(mf_serve_invoker *invoker, mf_lambda_call *call);
void mf_serve_cancel(mf_serve_invoker *invoker, mf_lambda_call *call);
bool mf_serve_pre_warm(mf_serve_invoker *invoker, const mf_lambda_function *function, mf_error *err) MF_MUST_CHECK;
bool mf_serve_provision(mf_serve_invoker *invoker, const mf_lambda_function *function, uint32_t instances, mf_error *err) MF_MUST_CHECK;
// What a call becomes when the host is done with it; separate for its tests.
void mf_serve_map_outcome(const mf_invocation *invocation, uint32_t timeout_ms, mf_lambda_call *call);

// ---- histories.c: functions' idle times over a restart ----
mf_history_keeper mf_serve_history_keeper(mf_store *store);
void mf_serve_forget_history(mf_store *store, mf_str key);

// ---- metrics.c: GET /metrics ----
typedef struct mf_serve_metrics_sources {
  const mf_lambda *lambda;
  const mf_host *host;
  const mf_events *events;
  uint32_t account_concurrency;
  int64_t started_ns;               // wall clock
} mf_serve_metrics_sources;
void mf_serve_metrics(mf_http_request *request, const mf_serve_metrics_sources *sources);

// ---- front.c ----
typedef struct mf_front_setup {
  const mf_serve_options *options;
  const mf_listening *listening;
  char *certificate_pem, *key_pem;  // NULL: plain HTTP
  int64_t started_ns;               // the keeper's start: the banner is printed once
  bool *said;                       // shared with the fronts to come
} mf_front_setup;
int mf_front_main(void *setup, int keeper_socket);
// The same in pieces: open, run the loop, close. For whoever drives the loop himself (tests/fuzz/front_world.c). close(NULL) does nothing.
typedef struct mf_front mf_front;
mf_front *mf_front_open(const mf_front_setup *setup, int keeper_socket, mf_error *err) MF_MUST_CHECK;
mf_loop *mf_front_loop(const mf_front *front);
void mf_front_close(mf_front *front);
#endif
