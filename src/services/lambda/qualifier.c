// Two tables are asked: that of functions and versions (function.h knows their keys) and that of aliases; a call asks what is kept of both.
#include "qualifier.h"

#include <stdlib.h>

#include "settings.h"

enum { KEY_BYTES = 512 };
#define DRAW_BITS 53  // of a double

mf_qualifier_kind mf_qualifier_kind_of(mf_str qualifier) {
  if (qualifier.len == 0 || mf_str_is(qualifier, "$LATEST")) return MF_QUALIFIER_LATEST;
  for (size_t i = 0; i < qualifier.len; i++)
    if (qualifier.data[i] < '0' || qualifier.data[i] > '9') return MF_QUALIFIER_ALIAS;
  return MF_QUALIFIER_VERSION;
}

// "region/name:qualifier"; "" when it is longer than any key can be.
static mf_str join(char text[KEY_BYTES], mf_str function_key, mf_str qualifier) {
  const int len = snprintf(text, KEY_BYTES, "%.*s:%.*s", MF_STR_ARG(function_key), MF_STR_ARG(qualifier));
  return len < KEY_BYTES ? (mf_str){text, (size_t)len} : MF_STR("");
}

bool mf_alias_load(mf_store *store, mf_str function_key, mf_str name, json_t **alias, mf_error *err) {
  char text[KEY_BYTES];
  mf_str key = join(text, function_key, name);
  *alias = NULL;
  return key.len == 0 || mf_setting_load(store, MF_TABLE_aliases, key, alias, err);
}

static mf_str text_of(const json_t *text) { return (mf_str){json_string_value(text), json_string_length(text)}; }

static void take_version(const char *number, char text[MF_ROUTE_TEXT]) { snprintf(text, MF_ROUTE_TEXT, "%s", number ? number : ""); }

// There is one other version at most (CreateAlias).
void mf_alias_route_of(const json_t *alias, mf_alias_route *route) {
  json_t *weights = json_object_get(json_object_get(alias, "RoutingConfig"), "AdditionalVersionWeights"), *weight;
  const char *version;
  *route = (mf_alias_route){.weight = 0};
  take_version(json_string_value(json_object_get(alias, "FunctionVersion")), route->version);
  json_object_foreach(weights, version, weight) {
    take_version(version, route->other);
    route->weight = json_number_value(weight);
  }
}

mf_str mf_alias_choose(const mf_alias_route *route, double draw) { return mf_str_from(draw < route->weight ? route->other : route->version); }

static double draw(void) {
  uint64_t bits;
  mf_random(&bits, sizeof bits);
  return (double)(bits >> (64 - DRAW_BITS)) / (double)(UINT64_C(1) << DRAW_BITS);
}

// ---- for handlers ----
void mf_refuse_qualifier(mf_operation_call *call, mf_str qualifier, mf_qualifier_words words) {
  if (words == MF_SAYS_FUNCTION || mf_qualifier_kind_of(qualifier) != MF_QUALIFIER_ALIAS)
    mf_not_found(call, qualifier);
  else
    mf_refuse(call->http, 404, "ResourceNotFoundException", "Cannot find alias arn: arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s:%.*s",
              MF_STR_ARG(call->region), MF_STR_ARG(call->name), MF_STR_ARG(qualifier));
}

// The version that an alias points to, in the arena; "": there is no such alias.
static bool target_of(mf_operation_call *call, mf_str alias_name, mf_str *version, mf_error *err) {
  json_t *alias;
  *version = MF_STR("");
  if (!mf_alias_load(call->lambda->env.store, call->key, alias_name, &alias, err)) return false;
  if (alias) *version = mf_str_copy(call->arena, text_of(json_object_get(alias, "FunctionVersion")));
  json_decref(alias);
  return version->data || mf_fail(err, MF_OutOfMemory, "no memory for the alias %.*s", MF_STR_ARG(alias_name));
}

static bool load(mf_operation_call *call, json_t **row, mf_str *key, mf_error *err) {
  mf_str version = call->qualifier;
  *row = NULL;
  if (mf_qualifier_kind_of(version) == MF_QUALIFIER_ALIAS) {
    if (!target_of(call, version, &version, err)) return false;
    if (version.len == 0) return true;
  }
  *key = call->key;
  if (mf_qualifier_kind_of(version) == MF_QUALIFIER_VERSION)
    *key = mf_str_from(mf_str_format(call->arena, "%.*s:%.*s", MF_STR_ARG(call->key), MF_STR_ARG(version)));
  if (!key->data) return mf_fail(err, MF_OutOfMemory, "no memory for the version %.*s", MF_STR_ARG(version));
  return mf_row_load(call->lambda->env.store, *key, row, err);
}

json_t *mf_require_version(mf_operation_call *call, mf_qualifier_words words, mf_str *key) {
  json_t *row;
  mf_error err;
  if (!load(call, &row, key, &err)) mf_refuse_error(call->http, &err);
  else if (!row) mf_refuse_qualifier(call, call->qualifier, words);
  return row;
}

bool mf_require_qualifier(mf_operation_call *call, mf_qualifier_words words) {
  mf_str key;
  json_t *row = mf_require_version(call, words, &key);
  json_decref(row);
  return row != NULL;
}

// ---- for invocations ----
static bool find_version(mf_lambda *lambda, mf_str function_key, mf_str number, mf_lambda_entry **version, mf_error *err) {
  char text[KEY_BYTES];
  mf_str key = join(text, function_key, number);
  *version = NULL;
  return key.len == 0 || mf_lambda_entry_find(&lambda->functions, key, version, err);
}

// ---- routes that stay parsed: a table of places, so that their number is bounded whoever calls what ----
static mf_kept_route *place_of(mf_lambda *lambda, mf_str key) {
  if (!lambda->routes) lambda->routes = calloc(MF_KEPT_ROUTES, sizeof *lambda->routes);
  return lambda->routes ? &lambda->routes[mf_hash64(key.data, key.len, 0) % MF_KEPT_ROUTES] : NULL;
}

void mf_kept_routes_free(mf_lambda *lambda) {
  for (uint32_t i = 0; lambda->routes && i < MF_KEPT_ROUTES; i++) free(lambda->routes[i].key);
  free(lambda->routes);
  lambda->routes = NULL;
}

// Without memory it is read again with the next call.
static void keep_route(mf_kept_route *place, mf_str key, uint64_t changes, const mf_alias_route *route) {
  if (!place->key || !mf_str_is(key, place->key)) {
    free(place->key);
    place->key = strndup(key.data, key.len);
  }
  place->changes = changes;
  place->route = *route;
}

// *route without a version: there is no such alias.
static bool find_route(mf_lambda *lambda, mf_str function_key, mf_str name, mf_alias_route *route, mf_error *err) {
  char text[KEY_BYTES];
  json_t *alias;
  const mf_str key = join(text, function_key, name);
  const uint64_t changes = mf_store_changes(lambda->env.store, MF_TABLE_aliases);
  mf_kept_route *place = key.len > 0 ? place_of(lambda, key) : NULL;
  if (place && place->key && place->changes == changes && mf_str_is(key, place->key)) {
    *route = place->route;
    return true;
  }
  if (!mf_alias_load(lambda->env.store, function_key, name, &alias, err)) return false;
  mf_alias_route_of(alias, route);
  if (alias && place) keep_route(place, key, changes, route);
  json_decref(alias);
  return true;
}

static bool find_qualified(mf_lambda *lambda, mf_str function_key, mf_str qualifier, mf_resolved *resolved, mf_error *err) {
  mf_alias_route route;
  if (mf_qualifier_kind_of(qualifier) == MF_QUALIFIER_VERSION) return find_version(lambda, function_key, qualifier, &resolved->version, err);
  if (!find_route(lambda, function_key, qualifier, &route, err)) return false;
  const mf_str chosen = mf_alias_choose(&route, route.weight > 0 ? draw() : 0);
  if (chosen.len == 0) return true;
  if (mf_qualifier_kind_of(chosen) != MF_QUALIFIER_LATEST) return find_version(lambda, function_key, chosen, &resolved->version, err);
  resolved->version = resolved->function;
  return true;
}

// What other functions have reserved, and when, is known of the region alone.
static void set_limits(const mf_lambda *lambda, const mf_resolved *resolved) {
  mf_sums sums;
  mf_lambda_function *spec = &resolved->version->spec;
  const uint32_t account = lambda->env.account_concurrency;
  const bool known = mf_regions_sums(&lambda->functions.regions, mf_lambda_region_of(spec->key), &sums);
  spec->reserved_concurrency = resolved->function->spec.reserved_concurrency;
  spec->unreserved_concurrency = known && sums.reserved < account ? account - (uint32_t)sums.reserved : account;
}

bool mf_resolve(mf_lambda *lambda, mf_str function_key, mf_str qualifier, mf_resolved *resolved, mf_error *err) {
  mf_lambda_entry *function;
  *resolved = (mf_resolved){0};
  if (!mf_lambda_entry_find(&lambda->functions, function_key, &function, err)) return false;
  *resolved = (mf_resolved){function, function};
  if (function) set_limits(lambda, resolved);
  if (!function || mf_qualifier_kind_of(qualifier) == MF_QUALIFIER_LATEST) return true;
  resolved->version = NULL;
  function->in_flight++;  // what is loaded beside it does not push it out of the cache
  bool ok = find_qualified(lambda, function_key, qualifier, resolved, err);
  function->in_flight--;
  if (resolved->version) set_limits(lambda, resolved);
  return ok;
}
