// Reserved concurrency. The sum of a region's reservations is kept in memory (counted at start), since 100 must stay unreserved.
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

int64_t *mf_reserved_in(mf_lambda *lambda, mf_str key) {
  mf_str region = {key.data, key.len - mf_lambda_name_of(key).len - 1};
  for (uint32_t i = 0; i < lambda->n_regions; i++)
    if (mf_str_is(region, lambda->reservations[i].region)) return &lambda->reservations[i].reserved;
  if (lambda->n_regions == MF_MAX_REGIONS || region.len >= sizeof lambda->reservations[0].region) return NULL;
  mf_region_reservation *added = &lambda->reservations[lambda->n_regions++];
  snprintf(added->region, sizeof added->region, "%.*s", MF_STR_ARG(region));
  return &added->reserved;
}

typedef struct change {
  mf_lambda *lambda;
  mf_reply *reply;
  json_t *answer;
  int status;
  int64_t difference;
  size_t key_len;
  char key[];
} change;

static void changed(void *context, const mf_error *err) {
  change *c = context;
  if (err) {
    int64_t *sum = mf_reserved_in(c->lambda, (mf_str){c->key, c->key_len});
    if (sum) *sum -= c->difference;
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

static void store_change(mf_operation_call *call, json_t *row, json_t *answer, int64_t *sum, int64_t difference) {
  mf_error err;
  mf_reply *reply = mf_reply_defer(call->http);
  change *c = reply ? malloc(sizeof *c + call->key.len) : NULL;
  if (!c) {
    json_decref(answer);
    if (reply) mf_reply_refuse(reply, 500, "ServiceException", "out of memory");
    return;
  }
  *c = (change){.lambda = call->lambda, .reply = reply, .answer = answer, .status = call->operation->status, .difference = difference,
                .key_len = call->key.len};
  memcpy(c->key, call->key.data, call->key.len);
  *sum += difference;
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
  int64_t before = json_integer_value(json_object_get(row, "reserved"));
  int64_t *sum = mf_reserved_in(call->lambda, call->key);
  // No Type in this answer (lambda.md): the code of the exception is in the header, as always.
  if (!sum || wanted > MF_ACCOUNT_CONCURRENCY || *sum - before + wanted > MF_ACCOUNT_CONCURRENCY - MF_UNRESERVED_MINIMUM) {
    mf_respond_error(call->http, 400, "InvalidParameterValueException",
                     "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
                     "minimum value of [100].", false);
  } else {
    json_object_set_new(row, "reserved", json_integer(wanted));
    store_change(call, row, json_pack("{s:I}", "ReservedConcurrentExecutions", (json_int_t)wanted), sum, wanted - before);
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
  int64_t before = json_integer_value(json_object_get(row, "reserved"));
  int64_t *sum = mf_reserved_in(call->lambda, call->key), none = 0;
  json_object_del(row, "reserved");
  store_change(call, row, NULL, sum ? sum : &none, -before);
  json_decref(row);
}
