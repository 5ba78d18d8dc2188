// From the service's call to the host's invocation and back. Structs come from a list of used ones: no allocation on the warm path.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "internal.h"

enum { RESPONSE_LIMIT = 6291556 };

typedef struct running {
  mf_invocation invocation;
  mf_serve_invoker *invoker;
  uint32_t timeout_ms;
  struct running *next_free;
} running;

struct mf_serve_invoker {
  mf_store *store;
  mf_host *host;
  running *free;
};

mf_serve_invoker *mf_serve_invoker_create(mf_store *store, mf_host *host, mf_error *err) {
  mf_serve_invoker *invoker = calloc(1, sizeof *invoker);
  if (!invoker) {
    mf_fail(err, MF_OutOfMemory, "no memory for invocations");
    return NULL;
  }
  *invoker = (mf_serve_invoker){.store = store, .host = host};
  return invoker;
}

void mf_serve_invoker_destroy(mf_serve_invoker *invoker) {
  while (invoker && invoker->free) {
    running *r = invoker->free;
    invoker->free = r->next_free;
    free(r);
  }
  free(invoker);
}

// ---- what the caller sees (lambda.md section 2) ----
static void set_payload(mf_lambda_call *call, int len) {
  call->function_error = "Unhandled";
  call->response = (mf_slice){call->message, (size_t)len};
}

static void map_timeout(const mf_invocation *i, uint32_t timeout_ms, mf_lambda_call *call) {
  call->status = "timeout";
  set_payload(call, snprintf(call->message, sizeof call->message,
                             "{\"errorType\":\"Sandbox.Timedout\",\"errorMessage\":\"RequestId: %s Error: Task timed out after %u.%02u seconds\"}",
                             i->request_id, timeout_ms / 1000, timeout_ms % 1000 / 10));
}

// Go's names of the signals that end processes, which Lambda's messages use.
static const char *signal_name(int number) {
  static const struct {
    int number;
    const char *name;
  } names[] = {{SIGHUP, "hangup"}, {SIGINT, "interrupt"}, {SIGQUIT, "quit"}, {SIGILL, "illegal instruction"},
               {SIGTRAP, "trace/breakpoint trap"}, {SIGABRT, "aborted"}, {SIGBUS, "bus error"}, {SIGFPE, "floating point exception"},
               {SIGKILL, "killed"}, {SIGSEGV, "segmentation fault"}, {SIGPIPE, "broken pipe"}, {SIGALRM, "alarm clock"},
               {SIGTERM, "terminated"}, {SIGSYS, "bad system call"}};
  for (size_t i = 0; i < MF_COUNT(names); i++)
    if (names[i].number == number) return names[i].name;
  return "unknown signal";
}

static void map_exit(const mf_invocation *i, const char *error_type, int signal_number, mf_lambda_call *call) {
  char reason[128];
  if (signal_number) snprintf(reason, sizeof reason, "Runtime exited with error: signal: %s", signal_name(signal_number));
  else if (i->exit_status) snprintf(reason, sizeof reason, "Runtime exited with error: exit status %d", i->exit_status);
  else snprintf(reason, sizeof reason, "Runtime exited without providing a reason");
  call->status = "error";
  call->error_type = error_type;
  // What ran out of memory says how much it needed: that is for the log, the caller sees what Lambda's would.
  int told = i->response.len == 0 ? 0 : snprintf(call->error_line, sizeof call->error_line, "[ERROR] %.*s\n",
                                                 (int)MF_MIN(i->response.len, sizeof call->error_line / 2), (const char *)i->response.data);
  snprintf(call->error_line + told, sizeof call->error_line - (size_t)told, "RequestId: %s Error: %s\nRuntime.ExitError", i->request_id, reason);
  set_payload(call, snprintf(call->message, sizeof call->message, "{\"errorType\":\"Runtime.ExitError\",\"errorMessage\":\"RequestId: %s Error: %s\"}",
                             i->request_id, reason));
}

static void map_answer(const mf_invocation *i, mf_lambda_call *call) {
  call->response = i->response;
  if (i->outcome == MF_OUTCOME_FUNCTION_ERROR) call->function_error = "Unhandled";
  if (i->response.len <= RESPONSE_LIMIT) return;
  set_payload(call, snprintf(call->message, sizeof call->message,
                             "{\"errorMessage\":\"Response payload size exceeded maximum allowed payload size (%d bytes).\",\"errorType\":"
                             "\"Function.ResponseSizeTooLarge\"}", RESPONSE_LIMIT));
}

static void map_failure(const mf_invocation *i, mf_lambda_call *call) {
  call->failed = true;
  call->image_lost = i->error.code == MF_InvalidImage;
  call->unavailable = call->image_lost || i->error.code == MF_Unavailable;
  snprintf(call->message, sizeof call->message, "%s", i->error.message);
}

void mf_serve_map_outcome(const mf_invocation *i, uint32_t timeout_ms, mf_lambda_call *call) {
  call->cold = i->cold;
  call->provisioned = i->provisioned;
  call->spilled_over = i->spilled_over;
  call->init_ns = i->init_ns;
  call->duration_ns = i->duration_ns;
  call->plan_ns = i->plan_ns;
  call->max_memory_bytes = i->max_memory_bytes;
  switch (i->outcome) {
    case MF_OUTCOME_ANSWER:
    case MF_OUTCOME_FUNCTION_ERROR: map_answer(i, call); break;
    case MF_OUTCOME_TIMEOUT: map_timeout(i, timeout_ms, call); break;
    case MF_OUTCOME_EXITED: map_exit(i, "Runtime.ExitError", i->signal, call); break;
    case MF_OUTCOME_OUT_OF_MEMORY: map_exit(i, "Runtime.OutOfMemory", SIGKILL, call); break;
    case MF_OUTCOME_THROTTLED:
      call->throttled = 1;
      call->throttle_reason = i->throttle_reason;
      break;
    case MF_OUTCOME_FAILED: map_failure(i, call); break;
  }
}

// ---- the way in and out ----
static void done(mf_invocation *invocation) {
  running *r = (running *)invocation;
  mf_lambda_call *call = invocation->data;
  mf_serve_map_outcome(invocation, r->timeout_ms, call);
  call->done(call);
}

typedef struct image_source {
  mf_serve_invoker *invoker;
  const mf_blob_id *id;
} image_source;

static bool open_image(void *context, int *fd, mf_error *err) {
  const image_source *source = context;
  if (mf_store_blob_open(source->invoker->store, source->id, fd, err)) return true;
  if (err->code == MF_NotFound) err->code = MF_InvalidImage;  // to the service it is the same: build it again
  return false;
}

static mf_function_spec spec_of(const mf_lambda_function *function, image_source *source) {
  return (mf_function_spec){.key = function->key, .group = function->group, .account = mf_lambda_region_of(function->key), .revision = function->revision, .memory_mb = function->memory_mb,
                            .timeout_ms = function->timeout_ms, .reserved_concurrency = function->reserved_concurrency,
                            .unreserved_concurrency = function->unreserved_concurrency, .arena_bytes = function->arena_bytes,
                            .open_image = open_image, .context = source};
}

void mf_serve_invoke(mf_serve_invoker *invoker, const mf_lambda_function *function, mf_lambda_call *call) {
  running *r = invoker->free;
  if (r) invoker->free = r->next_free;
  else r = malloc(sizeof *r);
  call->host = r;
  if (!r) {
    call->failed = true;
    snprintf(call->message, sizeof call->message, "out of memory");
    call->done(call);
    return;
  }
  *r = (running){.invoker = invoker, .timeout_ms = function->timeout_ms};
  r->invocation.payload = call->payload;
  r->invocation.payload_fd = call->payload_fd;
  r->invocation.background = call->background;
  r->invocation.done = done;
  r->invocation.data = call;
  memcpy(r->invocation.request_id, call->request_id, sizeof r->invocation.request_id);
  image_source source = {invoker, &function->image};
  const mf_function_spec spec = spec_of(function, &source);
  mf_host_invoke(invoker->host, &spec, &r->invocation);
}

bool mf_serve_provision(mf_serve_invoker *invoker, const mf_lambda_function *function, uint32_t instances, mf_error *err) {
  image_source source = {invoker, &function->image};
  const mf_function_spec spec = spec_of(function, &source);
  return mf_host_provision(invoker->host, &spec, instances, err);
}

bool mf_serve_pre_warm(mf_serve_invoker *invoker, const mf_lambda_function *function, mf_error *err) {
  image_source source = {invoker, &function->image};
  const mf_function_spec spec = spec_of(function, &source);
  return mf_host_pre_warm(invoker->host, &spec, err);
}

void mf_serve_release(mf_serve_invoker *invoker, mf_lambda_call *call) {
  running *r = call->host;
  if (!r) return;
  mf_host_release(invoker->host, &r->invocation);
  r->next_free = invoker->free;
  invoker->free = r;
}

void mf_serve_cancel(mf_serve_invoker *invoker, mf_lambda_call *call) {
  running *r = call->host;
  if (r) mf_host_cancel(invoker->host, &r->invocation);
}
