// Put, Get, List and DeleteProvisionedConcurrencyConfig, and the plan.
#include "provisioned.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "deploy.h"
#include "standby.h"
#include "qualifier.h"
#include "settings.h"

static mf_str text_of(const json_t *object, const char *member) {
  const json_t *text = json_object_get(object, member);
  return (mf_str){json_string_value(text), json_string_length(text)};
}

// ---- the plan ----
int64_t mf_provisioned_total(const json_t *plan) {
  const char *number;
  json_t *instances;
  int64_t total = 0;
  json_object_foreach((json_t *)(uintptr_t)plan, number, instances) total += json_integer_value(instances);
  return total;
}

static void add_instances(json_t *plan, const char *number, int64_t instances) {
  if (instances > 0)
    json_object_set_new(plan, number, json_integer(json_integer_value(json_object_get(plan, number)) + (json_int_t)instances));
}

// An alias's instances, shared by its weights.
static void add_alias(json_t *plan, const json_t *alias, int64_t instances) {
  json_t *weights = json_object_get(json_object_get(alias, "RoutingConfig"), "AdditionalVersionWeights"), *weight;
  const char *number, *target = json_string_value(json_object_get(alias, "FunctionVersion"));
  int64_t left = instances;
  json_object_foreach(weights, number, weight) {
    const int64_t part = (int64_t)((double)instances * json_number_value(weight) + 0.5);
    add_instances(plan, number, MF_MIN(part, left));
    left -= MF_MIN(part, left);
  }
  if (target) add_instances(plan, target, left);
}

typedef struct planning {
  const mf_provision_change *change;
  size_t prefix_len;
  json_t *configurations;  // {qualifier: instances}
} planning;

static bool add_configuration(void *context, mf_str key, mf_slice value) {
  planning *p = context;
  mf_str qualifier = {key.data + p->prefix_len, key.len - p->prefix_len};
  json_t *row = json_loadb(value.data, value.len, 0, NULL), *instances = json_object_get(row, "instances");
  if (instances && !mf_str_equal(qualifier, p->change->qualifier)) json_object_setn(p->configurations, qualifier.data, qualifier.len, instances);
  json_decref(row);
  return true;
}

static bool load_alias(mf_store *store, mf_str function_key, mf_str name, const mf_provision_change *change, json_t **alias, mf_error *err) {
  if (change->alias_name.len == 0 || !mf_str_equal(name, change->alias_name)) return mf_alias_load(store, function_key, name, alias, err);
  *alias = json_incref((json_t *)(uintptr_t)change->alias);
  return true;
}

static bool add_to_plan(mf_store *store, mf_str function_key, const mf_provision_change *change, const json_t *configurations, json_t *plan,
                        mf_error *err) {
  const char *qualifier;
  json_t *instances, *alias;
  json_object_foreach((json_t *)(uintptr_t)configurations, qualifier, instances) {
    if (mf_qualifier_kind_of(mf_str_from(qualifier)) == MF_QUALIFIER_VERSION) {
      add_instances(plan, qualifier, json_integer_value(instances));
      continue;
    }
    if (!load_alias(store, function_key, mf_str_from(qualifier), change, &alias, err)) return false;
    add_alias(plan, alias, json_integer_value(instances));
    json_decref(alias);
  }
  return true;
}

bool mf_provisioned_plan_of(mf_store *store, mf_str function_key, mf_str qualifier, int64_t instances, const mf_provision_change *change,
                            json_t **plan, mf_error *err) {
  json_t *one = json_object();
  *plan = json_object();
  json_object_setn_new(one, qualifier.data, qualifier.len, json_integer((json_int_t)instances));
  const bool ok = add_to_plan(store, function_key, change, one, *plan, err);
  json_decref(one);
  if (ok) return true;
  json_decref(*plan);
  *plan = NULL;
  return false;
}

// The plan as it will be, a new reference.
static bool make_plan(mf_store *store, mf_str function_key, const mf_provision_change *change, mf_arena *arena, json_t **plan, mf_error *err) {
  mf_str prefix = mf_str_from(mf_str_format(arena, "%.*s:", MF_STR_ARG(function_key)));
  planning p = {.change = change, .prefix_len = prefix.len, .configurations = json_object()};
  *plan = json_object();
  bool ok = prefix.data ? mf_store_scan(store, MF_TABLE_provisioned, prefix, MF_STR(""), INT32_MAX, add_configuration, &p, err)
                        : mf_fail(err, MF_OutOfMemory, "no memory to plan instances");
  if (change->qualifier.len > 0 && change->instances > 0)
    json_object_setn_new(p.configurations, change->qualifier.data, change->qualifier.len, json_integer((json_int_t)change->instances));
  ok = ok && add_to_plan(store, function_key, change, p.configurations, *plan, err);
  if (ok && mf_json_lost()) ok = mf_fail(err, MF_OutOfMemory, "no memory to plan instances");
  json_decref(p.configurations);
  if (!ok) {
    json_decref(*plan);
    *plan = NULL;
  }
  return ok;
}

static void set_plan(json_t *row, json_t *plan) {
  if (json_object_size(plan) > 0) json_object_set(row, "provisioned", plan);
  else json_object_del(row, "provisioned");
}

// ---- telling the host ----
static void provision(mf_lambda *lambda, mf_str function_key, mf_str number, int64_t instances) {
  mf_error err;
  mf_resolved what;
  if (!mf_resolve(lambda, function_key, number, &what, &err)) {
    mf_log(MF_LOG_ERROR, "provisioned concurrency of %.*s: %s", MF_STR_ARG(function_key), err.message);
    mf_deploy_try_again(lambda);
    return;
  }
  mf_lambda_entry *version = what.version;
  if (!version || (instances > 0 && (!version->has_image || version->stale))) return;  // a stale image's builder comes back here
  if (lambda->env.provision(lambda->env.context, &version->spec, (uint32_t)instances, &err)) return;
  mf_log(MF_LOG_ERROR, "provisioned concurrency of %.*s: %s", MF_STR_ARG(version->spec.key), err.message);
  if (err.code == MF_InvalidImage) mf_deploy_rebuild(lambda, version);
  else mf_deploy_try_again(lambda);
}

// before, after: plans. What is in both and the same is told again, which is no harm.
static void tell(mf_lambda *lambda, mf_str function_key, const json_t *before, const json_t *after) {
  const char *number;
  json_t *instances;
  json_object_foreach((json_t *)(uintptr_t)before, number, instances)
    if (!json_object_get(after, number)) provision(lambda, function_key, mf_str_from(number), 0);
  json_object_foreach((json_t *)(uintptr_t)after, number, instances)
    provision(lambda, function_key, mf_str_from(number), json_integer_value(instances));
}

void mf_provisioned_restore(mf_lambda *lambda, mf_str key) {
  json_t *row;
  mf_error err;
  char number[MF_VERSION_DIGITS + 1] = "";
  mf_str function_key = mf_lambda_function_key(key);
  if (!mf_row_load(lambda->env.store, function_key, &row, &err)) mf_deploy_try_again(lambda);
  const json_t *plan = json_object_get(row, "provisioned");
  snprintf(number, sizeof number, "%.*s", MF_STR_ARG(mf_lambda_version_of(key)));
  const json_t *instances = json_object_get(plan, number);
  if (!mf_lambda_is_version(key)) tell(lambda, function_key, NULL, plan);
  else if (instances) provision(lambda, function_key, mf_str_from(number), json_integer_value(instances));
  json_decref(row);
}

typedef struct provisioned_function {
  struct provisioned_function *next;
  mf_str key;
} provisioned_function;

typedef struct restoration {
  mf_arena arena;
  provisioned_function *last;  // the configurations of a function stand together
  bool out_of_memory;
} restoration;

static bool add_function(void *context, mf_str key, mf_slice value) {
  (void)value;
  restoration *r = context;
  mf_str function_key = mf_lambda_function_key(key);
  if (r->last && mf_str_equal(r->last->key, function_key)) return true;
  provisioned_function *function = MF_NEW(&r->arena, provisioned_function);
  mf_str copy = function ? mf_str_copy(&r->arena, function_key) : (mf_str){0};
  r->out_of_memory = !copy.data;
  if (r->out_of_memory) return false;
  *function = (provisioned_function){r->last, copy};
  r->last = function;
  return true;
}

bool mf_provisioned_restore_all(mf_lambda *lambda, mf_error *err) {
  restoration r = {0};
  mf_arena_init(&r.arena, 0);
  bool ok = mf_store_scan(lambda->env.store, MF_TABLE_provisioned, MF_STR(""), MF_STR(""), INT32_MAX, add_function, &r, err);
  if (ok && r.out_of_memory) ok = mf_fail(err, MF_OutOfMemory, "no memory for the functions that are provisioned");
  for (const provisioned_function *function = ok ? r.last : NULL; function; function = function->next) mf_provisioned_restore(lambda, function->key);
  mf_arena_deinit(&r.arena);
  return ok;
}

// ---- commits ----
typedef struct commit {
  mf_lambda *lambda;
  mf_pending_answer *answer;  // NULL: nobody waits
  json_t *before, *after;
  size_t key_len;
  char key[];
} commit;

static void committed(void *context, const mf_error *err) {
  commit *c = context;
  mf_json_begin();
  if (!err) tell(c->lambda, (mf_str){c->key, c->key_len}, c->before, c->after);
  if (c->answer) mf_answer_stored(c->answer, err);
  json_decref(c->before);
  json_decref(c->after);
  free(c);
}

// The function's row with its new plan, and the writes. Takes the answer.
static bool save(mf_operation_call *call, json_t *row, json_t *plan, const mf_write *writes, uint32_t n_writes, mf_pending_answer *answer,
                 mf_error *err) {
  commit *c = malloc(sizeof *c + call->key.len);
  if (!c) return mf_fail(err, MF_OutOfMemory, "no memory to store what is provisioned");
  *c = (commit){.lambda = call->lambda, .answer = answer, .before = json_incref(json_object_get(row, "provisioned")), .after = json_incref(plan),
                .key_len = call->key.len};
  memcpy(c->key, call->key.data, call->key.len);
  set_plan(row, plan);
  if (mf_row_save(&call->lambda->functions, call->key, row, writes, n_writes, committed, c, err)) return true;
  json_decref(c->before);
  json_decref(c->after);
  free(c);
  return false;
}

static bool load_plans(mf_operation_call *call, const mf_provision_change *change, json_t **row, json_t **plan, mf_error *err) {
  *plan = NULL;
  return mf_row_load(call->lambda->env.store, call->key, row, err) &&
         make_plan(call->lambda->env.store, call->key, change, call->arena, plan, err);
}

static bool is_same(const json_t *row, const json_t *plan) {
  const json_t *now = json_object_get(row, "provisioned");
  return now ? json_equal(now, plan) : json_object_size(plan) == 0;
}

void mf_provisioned_commit(mf_operation_call *call, const mf_provision_change *change, const mf_write *writes, uint32_t n_writes,
                           json_t *answer) {
  mf_error err;
  json_t *row = NULL, *plan = NULL;
  mf_pending_answer *pending = mf_answer_when_stored(call, answer);
  if (!pending) return;
  mf_writes all = {.arena = call->arena};
  for (uint32_t i = 0; i < n_writes; i++) mf_writes_add(&all, writes[i].table, writes[i].key, writes[i].value);
  bool ok = load_plans(call, change, &row, &plan, &err) && mf_standby_change(call->lambda->env.store, call->key, change, &all, &err);
  if (ok && (!row || is_same(row, plan))) ok = mf_store_commit(call->lambda->env.store, all.list, all.count, mf_answer_stored, pending, &err);
  else if (ok) ok = save(call, row, plan, all.list, all.count, pending, &err);
  if (!ok) mf_answer_stored(pending, &err);
  json_decref(row);
  json_decref(plan);
}

bool mf_provisioned_end_version(mf_operation_call *call, mf_str number) {
  mf_error err;
  json_t *row = NULL, *plan = NULL;
  mf_str key = mf_setting_key(call, number);
  const mf_provision_change change = {.qualifier = number};
  mf_writes writes = {.arena = call->arena};
  if (key.len == 0) return false;
  mf_writes_add(&writes, MF_TABLE_provisioned, key, (mf_slice){0});
  bool ok = load_plans(call, &change, &row, &plan, &err) && (!row || is_same(row, plan) ||
            (mf_standby_change(call->lambda->env.store, call->key, &change, &writes, &err) && save(call, row, plan, writes.list, writes.count, NULL, &err)));
  json_decref(row);
  json_decref(plan);
  if (!ok) mf_refuse_error(call->http, &err);
  return ok;
}

// ---- what may be provisioned ----
static bool is_taken(const json_t *others, const json_t *alias, mf_str version) {
  const char *number = json_object_iter_key(json_object_iter(json_object_get(json_object_get(alias, "RoutingConfig"), "AdditionalVersionWeights")));
  char target[MF_VERSION_DIGITS + 1];
  snprintf(target, sizeof target, "%.*s", MF_STR_ARG(version));
  return json_object_get(others, target) || (number && json_object_get(others, number));
}

// Have the versions no instances but those of this qualifier? Asked of an alias that changes only when it has a configuration.
static bool check_free(mf_operation_call *call, mf_str qualifier, const json_t *alias, mf_str version, bool *has_own) {
  mf_error err;
  json_t *row = NULL, *others = NULL, *own = NULL;
  const mf_provision_change without = {.qualifier = qualifier};
  const bool puts = call->operation->handle == mf_handle_PutProvisionedConcurrencyConfig;
  mf_str key = mf_setting_key(call, qualifier);
  if (key.len == 0) return false;
  bool ok = load_plans(call, &without, &row, &others, &err) && mf_setting_load(call->lambda->env.store, MF_TABLE_provisioned, key, &own, &err);
  *has_own = own != NULL;
  const bool taken = ok && (puts || *has_own) && is_taken(others, alias, version);
  if (!ok) mf_refuse_error(call->http, &err);
  else if (taken)
    mf_refuse(call->http, 409, "ResourceConflictException", "%s",
              alias ? "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
                    : "Version is pointed by a Provisioned Concurrency alias");
  json_decref(row);
  json_decref(others);
  json_decref(own);
  return ok && !taken;
}

bool mf_provisioned_check_alias(mf_operation_call *call, const json_t *alias) {
  bool has_own;
  if (!check_free(call, text_of(alias, "Name"), alias, text_of(alias, "FunctionVersion"), &has_own)) return false;
  if (!has_own || !mf_str_is(text_of(alias, "FunctionVersion"), "$LATEST")) return true;
  mf_refuse(call->http, 400, "InvalidParameterValueException", "Provisioned Concurrency Configs cannot be applied to unpublished function versions.");
  return false;
}

static bool refuse_limit(mf_operation_call *call, const char *message) {
  mf_respond_error(call->http, 400, "InvalidParameterValueException", message, false);  // no Type in these answers
  return false;
}

// rest: what the function's other configurations come to.
static bool check_limits(mf_operation_call *call, const json_t *row, int64_t rest, int64_t wanted) {
  const json_t *reserved = json_object_get(row, "reserved");
  mf_sums sums;
  char text[200];
  if (reserved && rest + wanted > json_integer_value(reserved)) {
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function");
    return false;
  }
  if (reserved) return true;
  const bool known = mf_regions_sums(&call->lambda->functions.regions, call->region, &sums);
  const int64_t left = known ? (int64_t)call->lambda->env.account_concurrency - sums.reserved + mf_provisioned_total(json_object_get(row, "provisioned")) - rest : 0;
  snprintf(text, sizeof text, "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [%" PRId64 "].", left);
  if (wanted > left) return refuse_limit(call, text);
  if (left - wanted >= MF_UNRESERVED_MINIMUM) return true;
  return refuse_limit(call, "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum "
                            "value of [100].");
}

static bool check_wanted(mf_operation_call *call, int64_t wanted) {
  mf_error err;
  json_t *row = NULL, *others = NULL;
  const mf_provision_change without = {.qualifier = call->qualifier};
  bool ok = load_plans(call, &without, &row, &others, &err);
  if (!ok) mf_refuse_error(call->http, &err);
  ok = ok && check_limits(call, row, mf_provisioned_total(others), wanted);
  json_decref(row);
  json_decref(others);
  return ok;
}

// ---- what is answered ----
// A version whose image was lost and could not be built again has no instances, and gets none.
static bool version_failed(mf_lambda *lambda, mf_str key) {
  mf_error err;
  mf_lambda_entry *version = NULL;
  return mf_lambda_entry_find(&lambda->functions, key, &version, &err) && version && version->state == MF_STATE_FAILED;
}

static void count_ready(mf_operation_call *call, const json_t *plan, json_int_t *ready, bool *failed) {
  const char *number;
  json_t *wanted;
  *ready = 0;
  *failed = false;
  json_object_foreach((json_t *)(uintptr_t)plan, number, wanted) {
    uint32_t there = 0;
    bool this_failed = false;
    mf_str key = mf_setting_key(call, mf_str_from(number));
    if (key.len > 0) call->lambda->env.provisioned(call->lambda->env.context, key, &there, &this_failed);
    *ready += MF_MIN((json_int_t)there, json_integer_value(wanted));
    *failed |= this_failed || (key.len > 0 && version_failed(call->lambda, key));
  }
}

// Of one configuration: how many instances of its versions there are, and what follows.
static json_t *configuration_json(mf_operation_call *call, mf_str qualifier, const json_t *configuration, bool begins) {
  mf_error err;
  json_int_t wanted = json_integer_value(json_object_get(configuration, "instances")), ready = 0;
  json_t *plan;
  bool failed = false;
  if (mf_provisioned_plan_of(call->lambda->env.store, call->key, qualifier, wanted, &(mf_provision_change){0}, &plan, &err))
    count_ready(call, plan, &ready, &failed);
  else mf_log(MF_LOG_ERROR, "%s", err.message);
  json_decref(plan);
  const char *status = begins ? "IN_PROGRESS" : ready >= wanted ? "READY" : failed ? "FAILED" : "IN_PROGRESS";
  json_t *out = json_pack("{s:I,s:I,s:I,s:s,s:O}", "RequestedProvisionedConcurrentExecutions", wanted, "AvailableProvisionedConcurrentExecutions",
                          ready, "AllocatedProvisionedConcurrentExecutions", ready, "Status", status, "LastModified",
                          json_object_get(configuration, "LastModified"));
  if (strcmp(status, "FAILED") == 0) json_object_set_new(out, "StatusReason", json_string("FUNCTION_ERROR_INIT_FAILURE"));
  return out;
}

// ---- the operations ----
static bool refuse_latest(mf_operation_call *call, mf_str version, const char *message) {
  if (mf_qualifier_kind_of(version) != MF_QUALIFIER_LATEST) return false;
  mf_refuse(call->http, 400, "InvalidParameterValueException", "%s", message);
  return true;
}

static bool check_state(mf_operation_call *call, const json_t *row) {
  mf_str state = text_of(mf_row_configuration(row), "State");
  if (mf_str_is(state, "Active")) return true;
  mf_refuse(call->http, 409, "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the following state: %.*s", MF_STR_ARG(state));
  return false;
}

// Is there a version that can have instances of this configuration alone?
static bool check_version(mf_operation_call *call) {
  static const char unpublished[] = "Provisioned Concurrency Configs cannot be applied to unpublished function versions.";
  mf_str key;
  mf_error err;
  bool has_own;
  json_t *alias = NULL;
  if (refuse_latest(call, call->qualifier, unpublished)) return false;
  json_t *row = mf_require_version(call, MF_SAYS_ALIAS, &key);
  if (!row) return false;
  bool ok = mf_qualifier_kind_of(call->qualifier) != MF_QUALIFIER_ALIAS ||
            mf_alias_load(call->lambda->env.store, call->key, call->qualifier, &alias, &err);
  if (!ok) mf_refuse_error(call->http, &err);
  mf_str version = mf_lambda_version_of(key);
  ok = ok && !refuse_latest(call, version, unpublished) && check_state(call, row) &&
       check_free(call, call->qualifier, alias, version, &has_own);
  json_decref(alias);
  json_decref(row);
  return ok;
}

void mf_handle_PutProvisionedConcurrencyConfig(mf_operation_call *call) {
  mf_error err;
  mf_write write;
  char now[40];
  const int64_t wanted = json_integer_value(json_object_get(call->body, "ProvisionedConcurrentExecutions"));
  if (!check_version(call) || !check_wanted(call, wanted)) return;
  mf_modified_now(now);
  json_t *configuration = json_pack("{s:I,s:s}", "instances", (json_int_t)wanted, "LastModified", now);
  mf_str key = mf_setting_key(call, call->qualifier);
  const mf_provision_change change = {.qualifier = call->qualifier, .instances = wanted};
  if (key.len > 0 && !mf_setting_write(call->arena, MF_TABLE_provisioned, key, configuration, &write, &err))
    mf_refuse_error(call->http, &err);
  else if (key.len > 0)
    mf_provisioned_commit(call, &change, &write, 1, configuration_json(call, call->qualifier, configuration, true));
  json_decref(configuration);
}

// The configuration of the call's qualifier; *configuration NULL: none. false: an answer was sent.
static bool load_configuration(mf_operation_call *call, json_t **configuration) {
  mf_error err;
  if (refuse_latest(call, call->qualifier, "The function resource provided must be an alias or a published version.")) return false;
  if (!mf_require_qualifier(call, MF_SAYS_ALIAS)) return false;
  mf_str key = mf_setting_key(call, call->qualifier);
  if (key.len == 0) return false;
  if (mf_setting_load(call->lambda->env.store, MF_TABLE_provisioned, key, configuration, &err)) return true;
  mf_refuse_error(call->http, &err);
  return false;
}

void mf_handle_GetProvisionedConcurrencyConfig(mf_operation_call *call) {
  json_t *configuration;
  if (!load_configuration(call, &configuration)) return;
  if (configuration)
    mf_respond_json(call->http, 200, configuration_json(call, call->qualifier, configuration, false));
  else
    mf_refuse(call->http, 404, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function");
  json_decref(configuration);
}

void mf_handle_DeleteProvisionedConcurrencyConfig(mf_operation_call *call) {
  json_t *configuration;
  if (!load_configuration(call, &configuration)) return;
  mf_str key = mf_setting_key(call, call->qualifier);
  const mf_write deletion = {MF_TABLE_provisioned, key, {0}};
  const mf_provision_change change = {.qualifier = call->qualifier};
  if (!configuration) mf_respond_json(call->http, 204, NULL);
  else if (key.len > 0) mf_provisioned_commit(call, &change, &deletion, 1, NULL);
  json_decref(configuration);
}

static json_t *list_item(mf_operation_call *call, mf_str qualifier, const json_t *configuration) {
  json_t *out = configuration_json(call, qualifier, configuration, false);
  char *suffix = mf_str_format(call->arena, ":%.*s", MF_STR_ARG(qualifier));
  char *arn = suffix ? mf_function_arn(call->arena, call->region, call->name, suffix) : NULL;
  json_object_set_new(out, "FunctionArn", json_string(arn ? arn : ""));
  return out;
}

void mf_handle_ListProvisionedConcurrencyConfigs(mf_operation_call *call) {
  call->qualifier = MF_STR("");
  if (!mf_require_qualifier(call, MF_SAYS_FUNCTION)) return;
  mf_str prefix = mf_setting_key(call, MF_STR(""));
  if (prefix.len > 0) mf_answer_list(call, MF_TABLE_provisioned, prefix, "ProvisionedConcurrencyConfigs", list_item);
}
