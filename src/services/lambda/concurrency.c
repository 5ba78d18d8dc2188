// Reserved concurrency. 100 of the account's concurrency must stay unreserved in a region.
#include "provisioned.h"

#include <stdlib.h>

typedef struct change {
  mf_reply *reply;
  json_t *answer;
  int status;
} change;

static void changed(void *context, const mf_error *err) {
  change *c = context;
  if (err) {
    json_decref(c->answer);
    mf_reply_error(c->reply, err);
  } else {
    mf_reply_json(c->reply, c->status, c->answer);
  }
  free(c);
}

static bool refuse_qualifier(mf_operation_call *call) {
  if (call->qualifier.len == 0) return false;
  mf_refuse(call->http, 400, "InvalidParameterValueException",
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. Please specify "
            "either a function name or an unqualified function ARN.");
  return true;
}

static void store_change(mf_operation_call *call, json_t *row, json_t *answer) {
  mf_error err;
  mf_reply *reply = mf_reply_defer(call->http);
  change *c = reply ? malloc(sizeof *c) : NULL;
  if (!c) {
    json_decref(answer);
    if (reply) mf_reply_refuse(reply, 500, "ServiceException", "out of memory");
    return;
  }
  *c = (change){.reply = reply, .answer = answer, .status = call->operation->status};
  if (!mf_row_save(&call->lambda->functions, call->key, row, NULL, 0, changed, c, &err)) changed(c, &err);
}

// AWS says ":$LATEST" behind the ARN here.
static json_t *require_row(mf_operation_call *call) {
  if (refuse_qualifier(call)) return NULL;
  json_t *row;
  mf_error err;
  if (!mf_row_load(call->lambda->env.store, call->key, &row, &err)) mf_refuse_error(call->http, &err);
  else if (!row) mf_not_found(call, MF_STR("$LATEST"));
  return row;
}

void mf_handle_PutFunctionConcurrency(mf_operation_call *call) {
  json_t *row = require_row(call);
  if (!row) return;
  int64_t wanted = json_integer_value(json_object_get(call->body, "ReservedConcurrentExecutions"));
  const int64_t before = mf_sums_of_row(row).reserved, provisioned = mf_provisioned_total(json_object_get(row, "provisioned"));
  int64_t account = call->lambda->env.account_concurrency;
  mf_sums sums;
  if (wanted < provisioned) {
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              " ReservedConcurrentExecutions  %lld should not be lower than function's total provisioned concurrency [%lld].", (long long)wanted,
              (long long)provisioned);
    json_decref(row);
    return;
  }
  // No Type in this answer (lambda.md): the code of the exception is in the header, as always.
  if (!mf_regions_sums(&call->lambda->functions.regions, call->region, &sums) || wanted > account ||
      sums.reserved - before + wanted > account - MF_UNRESERVED_MINIMUM) {
    mf_respond_error(call->http, 400, "InvalidParameterValueException",
                     "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
                     "minimum value of [100].", false);
  } else {
    json_object_set_new(row, "reserved", json_integer(wanted));
    store_change(call, row, json_pack("{s:I}", "ReservedConcurrentExecutions", (json_int_t)wanted));
  }
  json_decref(row);
}

void mf_handle_GetFunctionConcurrency(mf_operation_call *call) {
  json_t *row = require_row(call);
  if (!row) return;
  json_t *reserved = json_object_get(row, "reserved"), *out = json_object();
  if (reserved) json_object_set(out, "ReservedConcurrentExecutions", reserved);
  mf_respond_json(call->http, 200, out);
  json_decref(row);
}

void mf_handle_DeleteFunctionConcurrency(mf_operation_call *call) {
  json_t *row = require_row(call);
  if (!row) return;
  json_object_del(row, "reserved");
  store_change(call, row, NULL);
  json_decref(row);
}
