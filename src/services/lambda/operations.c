// The table of operations, finding the one that a request means, and what is the same for all of them: names, members, limits.
#include "internal.h"

#include <stdio.h>

#include "qualifier.h"
#include "upload.h"

const mf_operation mf_operations[] = {
#define MF_OPERATION(name, method, path, status, input) {#name, method, path, status, &mf_shape_##input, mf_handle_##name},
#define MF_UNSUPPORTED_OPERATION(name, method, path) {#name, method, path, 501, NULL, NULL},
#include "operations.def"
#undef MF_OPERATION
#undef MF_UNSUPPORTED_OPERATION
};
const uint32_t mf_n_operations = MF_COUNT(mf_operations);

// ---- matching ----
// What stands before the separator; `rest` goes on behind it.
static mf_str next_part(mf_str *rest, char separator) {
  const char *found = memchr(rest->data, separator, rest->len);
  size_t len = found ? (size_t)(found - rest->data) : rest->len;
  mf_str part = {rest->data, len};
  size_t step = found ? len + 1 : len;
  *rest = (mf_str){rest->data + step, rest->len - step};
  return part;
}

// A query in the table's path ("?find=LayerVersion") tells operations apart that share one; it may stand anywhere in the request's.
static bool split_path(const mf_operation *operation, mf_str query, mf_str *path) {
  const char *wanted = strchr(operation->path, '?');
  *path = mf_str_from(operation->path);
  if (!wanted) return true;
  path->len = (size_t)(wanted - operation->path);
  return query.len > 0 && memmem(query.data, query.len, wanted + 1, strlen(wanted + 1)) != NULL;
}

static bool matches(const mf_operation *operation, mf_str method, mf_str target, mf_str query, mf_path_labels *labels) {
  mf_str pattern;
  if (!mf_str_is(method, operation->method) || !split_path(operation, query, &pattern)) return false;
  if (mf_str_ends(target, MF_STR("/"))) target.len--;  // botocore ends some paths with a slash, the JavaScript SDK none
  while (pattern.len > 0) {
    mf_str want = next_part(&pattern, '/');
    if (target.len == 0 && want.len > 0) return false;
    mf_str have = next_part(&target, '/');
    bool is_label = mf_str_starts(want, MF_STR("{"));
    if (is_label ? have.len == 0 : !mf_str_equal(want, have)) return false;
    if (mf_str_is(want, "{FunctionName}") || mf_str_is(want, "{ARN}")) labels->name = have;
    else if (is_label) labels->other = have;
  }
  return target.len == 0;
}

const mf_operation *mf_operation_match(mf_str method, mf_str target, mf_str query, mf_path_labels *labels) {
  for (uint32_t i = 0; i < mf_n_operations; i++) {
    *labels = (mf_path_labels){MF_STR(""), MF_STR("")};
    if (matches(&mf_operations[i], method, target, query, labels)) return &mf_operations[i];
  }
  return NULL;
}

// ---- errors that many operations share ----
char *mf_function_arn(mf_arena *arena, mf_str region, mf_str name, const char *suffix) {
  return mf_str_format(arena, "arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s%s", MF_STR_ARG(region), MF_STR_ARG(name), suffix);
}

void mf_not_found(mf_operation_call *call, mf_str qualifier) {
  mf_refuse(call->http, 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:%.*s:" MF_ACCOUNT ":function:%.*s%s%.*s",
            MF_STR_ARG(call->region), MF_STR_ARG(call->name), qualifier.len ? ":" : "", MF_STR_ARG(qualifier));
}

json_t *mf_require_row(mf_operation_call *call) {
  json_t *row;
  mf_error err;
  if (!mf_row_load(call->lambda->env.store, call->key, &row, &err)) mf_refuse_error(call->http, &err);
  else if (!row) mf_not_found(call, call->qualifier);
  else if (call->qualifier.len == 0 || mf_str_is(call->qualifier, "$LATEST")) return row;
  else if (mf_require_qualifier(call, MF_SAYS_FUNCTION))
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "%s is for $LATEST only: versions cannot be changed. Please specify a function name or an unqualified function ARN.",
              call->operation->name);
  json_decref(row);
  return NULL;
}

bool mf_require_idle(mf_operation_call *call, const json_t *row) {
  const json_t *configuration = mf_row_configuration(row);
  const char *state = json_string_value(json_object_get(configuration, "State"));
  const char *update = json_string_value(json_object_get(configuration, "LastUpdateStatus"));
  if (update && strcmp(update, "InProgress") == 0) {
    mf_refuse(call->http, 409, "ResourceConflictException",
              "The operation cannot be performed at this time. An update is in progress for resource: %s",
              mf_function_arn(call->arena, call->region, call->name, ""));
    return false;
  }
  if (state && strcmp(state, "Pending") != 0) return true;
  mf_refuse(call->http, 409, "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the following state: Pending");
  return false;
}

bool mf_require_revision(mf_operation_call *call, const json_t *row) { return mf_require_revision_of(call, mf_row_configuration(row)); }

bool mf_require_revision_of(mf_operation_call *call, const json_t *holder) {
  const char *given = json_string_value(json_object_get(call->body, "RevisionId"));
  const char *current = json_string_value(json_object_get(holder, "RevisionId"));
  if (!given || (current && strcmp(given, current) == 0)) return true;
  mf_refuse(call->http, 412, "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest "
            "Revision Id");
  return false;
}

// ---- members ----
static const char *sent_name(const mf_field *field) { return field->sent_as ? field->sent_as : field->name; }

// One element of a list in the query. false: it is no text.
static bool take_element(mf_operation_call *call, json_t *list, mf_str encoded, mf_violations *violations) {
  mf_str text;
  bool is_decoded = mf_lambda_decode(call->arena, encoded, &text);
  violations->out_of_memory |= !text.data;
  return is_decoded && json_array_append_new(list, json_stringn(text.data, text.len)) == 0;  // jansson takes UTF-8 alone
}

// A list in the query is a parameter that is repeated. It joins the body's members, where handlers look for lists.
static void take_list(mf_operation_call *call, const mf_field *field, mf_violations *violations) {
  json_t *list = json_array();
  for (mf_str rest = mf_request_query(call->http); rest.len > 0;) {
    mf_str value = next_part(&rest, '&');
    if (!mf_str_is(next_part(&value, '='), sent_name(field)) || take_element(call, list, value, violations)) continue;
    violations->wrong_type = true;
    mf_buf_format(&violations->text, "An element of '%s' can not be converted to a String", sent_name(field));
    break;
  }
  if (json_array_size(list) == 0 && !violations->wrong_type) mf_validate_text(field, (mf_str){0}, violations);
  if (!call->body) call->body = json_object();
  json_object_set_new(call->body, field->name, list);
}

static mf_str path_label(const mf_operation_call *call, const mf_field *field) {
  const bool is_name = strcmp(field->name, "FunctionName") == 0 || strcmp(sent_name(field), "ARN") == 0;
  return is_name ? call->name_text : call->label;
}

// Values in path and query, in AWS's order of the errors: qualifier before name.
static void check_parameters(mf_operation_call *call, mf_violations *violations) {
  const mf_shape *shape = call->operation->input;
  for (uint32_t i = shape->n_fields; i-- > 0 && !violations->wrong_type;) {
    const mf_field *field = &shape->fields[i];
    bool found = false;
    mf_str value = MF_STR("");
    if (field->flags & MF_IN_QUERY && field->kind == MF_LIST) take_list(call, field, violations);
    else if (field->flags & MF_IN_QUERY) value = mf_request_parameter(call->http, sent_name(field), &found);
    else if (field->flags & MF_IN_PATH) value = path_label(call, field), found = true;
    const bool is_absent = !found && field->flags & MF_IN_QUERY && field->flags & MF_REQUIRED && field->kind != MF_LIST;
    if (found || is_absent) mf_validate_text(field, is_absent ? (mf_str){0} : value.data ? value : MF_STR(""), violations);
    if (found && strcmp(field->name, "Qualifier") == 0) call->qualifier = value;
  }
}

static bool report(mf_operation_call *call, mf_violations *v) {
  bool ok = v->count == 0 && !v->wrong_type && !v->unsupported && !v->out_of_memory;
  if (v->out_of_memory || v->text.failed) {
    mf_refuse_no_memory(call->http);
  } else if (v->wrong_type) {
    mf_refuse(call->http, 400, "SerializationException", "%.*s", MF_STR_ARG(mf_buf_view(&v->text)));
  } else if (v->unsupported) {
    mf_refuse(call->http, 400, "InvalidParameterValueException", "%s is not supported by this version of Mayfly", v->unsupported);
  } else if (v->count > 0) {
    mf_refuse(call->http, 400, "ValidationException", "%u validation error%s detected: %.*s", v->count, v->count == 1 ? "" : "s",
              MF_STR_ARG(mf_buf_view(&v->text)));
  }
  mf_buf_deinit(&v->text);
  return ok;
}

static bool check_members(mf_operation_call *call) {
  mf_violations violations = {0};
  check_parameters(call, &violations);
  if (call->body) mf_validate_body(call->operation->input, call->body, &violations);
  return report(call, &violations);
}

static bool is_write(const mf_operation_call *call) {
  const mf_field *field = mf_shape_field(call->operation->input, "FunctionName");
  return field && field->pattern == mf_pattern_function_write;
}

// Name, qualifier and ARN: whose function is it, and is it ours to answer for?
bool mf_take_name(mf_operation_call *call, const mf_lambda_name *name) {
  if (name->region.len > 0 && !mf_str_equal(name->region, call->region)) {
    mf_refuse(call->http, 404, "ResourceNotFoundException", "Functions from '%.*s' are not reachable in this region ('%.*s')",
              MF_STR_ARG(name->region), MF_STR_ARG(call->region));
    return false;
  }
  if (name->account.len > 0 && !mf_str_is(name->account, MF_ACCOUNT)) {
    mf_refuse(call->http, 403, "AccessDeniedException", "functions of account %.*s are not accessible from account " MF_ACCOUNT,
              MF_STR_ARG(name->account));
    return false;
  }
  if (name->qualifier.len > 0 && call->qualifier.len > 0 && !mf_str_equal(name->qualifier, call->qualifier)) {
    mf_refuse(call->http, 400, "InvalidParameterValueException",
              "The derived qualifier from the function name does not match the specified qualifier.");
    return false;
  }
  if (name->qualifier.len > 0) call->qualifier = name->qualifier;
  call->name = name->name;
  char *key = mf_str_format(call->arena, "%.*s/%.*s", MF_STR_ARG(call->region), MF_STR_ARG(call->name));
  call->key = mf_str_from(key);
  if (!key) mf_refuse_no_memory(call->http);
  return key != NULL;
}

static bool resolve_name(mf_operation_call *call) {
  mf_lambda_name name;
  if (mf_lambda_name_parse(&call->lambda->patterns, is_write(call), call->name_text, &name)) return mf_take_name(call, &name);
  mf_refuse(call->http, 400, "ValidationException", "1 validation error detected: Value '%.*s' at 'functionName' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: %s", (int)MF_MIN(call->name_text.len, (size_t)256),
            call->name_text.data, is_write(call) ? mf_pattern_function_write : mf_pattern_function_read);
  return false;
}

// ---- bodies ----
static bool has_body(const mf_operation *operation) {
  return operation->handle != mf_handle_Invoke && operation->handle != mf_handle_InvokeAsync && (strcmp(operation->method, "POST") == 0 || strcmp(operation->method, "PUT") == 0);
}

static bool read_body(mf_operation_call *call) {
  mf_error err;
  json_error_t problem;
  mf_str text;
  call->upload = MF_NEW(call->arena, mf_upload);
  if (!call->upload || !mf_upload_open(call->upload, call->http, call->operation->handle == mf_handle_CreateFunction, &text, &err)) {
    if (!call->upload) mf_refuse_no_memory(call->http);
    else if (err.code == MF_TooLarge) mf_refuse(call->http, 400, "InvalidRequestContentException", "%s", err.message);
    else mf_refuse_error(call->http, &err);
    return false;
  }
  call->body = json_loadb(text.data, text.len, JSON_REJECT_DUPLICATES, &problem);
  if (mf_json_lost()) {  // then neither the text's meaning nor the problem is to be trusted
    mf_refuse_no_memory(call->http);
    return false;
  }
  if (json_is_object(call->body)) return true;
  mf_refuse(call->http, 400, "InvalidRequestContentException", "Could not parse request body into json: %s",
            call->body ? "the body is no object" : mf_json_problem(&problem));
  return false;
}

static void run_operation(mf_operation_call *call) {
  if (has_body(call->operation) && !read_body(call)) return;
  if (call->operation->handle == mf_handle_CreateFunction) {
    const json_t *name = json_object_get(call->body, "FunctionName");
    if (json_is_string(name)) call->name_text = (mf_str){json_string_value(name), json_string_length(name)};
  }
  bool has_name = mf_shape_field(call->operation->input, "FunctionName") != NULL;
  if (check_members(call) && (!has_name || resolve_name(call))) call->operation->handle(call);
}

static void refuse_unsupported(mf_http_request *http, const mf_operation *operation) {
  mf_refuse(http, 501, "NotImplementedException", "The operation %s is not supported by this version of Mayfly", operation->name);
}

void mf_operation_handle(mf_http_request *http, const mf_principal *principal, void *data) {
  const mf_operation_context *context = data;
  mf_path_labels labels;
  mf_operation_call call = {.lambda = context->lambda, .operation = context->operation, .http = http, .arena = mf_request_arena(http),
                            .qualifier = MF_STR(""), .name_text = MF_STR(""), .label = MF_STR("")};
  if (!context->operation->handle) {
    refuse_unsupported(http, context->operation);
    return;
  }
  mf_json_begin();
  call.region = mf_str_copy(call.arena, principal->region);
  mf_operation_match(mf_request_method(http), mf_request_target(http), mf_request_query(http), &labels);
  if (!mf_lambda_decode(call.arena, labels.name, &call.name_text) || !mf_lambda_decode(call.arena, labels.other, &call.label)) {
    if (!call.name_text.data || !call.label.data) mf_refuse_no_memory(http);
    else mf_refuse(http, 400, "ValidationException", "1 validation error detected: the name in the path is not well encoded");
    return;
  }
  run_operation(&call);
  json_decref(call.body);
  if (call.upload) mf_upload_close(call.upload);
}

void mf_operation_too_large(mf_http_request *http, void *data) {
  const mf_operation_context *context = data;
  if (!context->operation->handle)
    refuse_unsupported(http, context->operation);  // a layer, say: that it could be smaller would be no help
  else if (context->operation->handle == mf_handle_CreateFunction || context->operation->handle == mf_handle_UpdateFunctionCode)
    mf_refuse(http, 413, "RequestEntityTooLargeException", "Request must be smaller than %d bytes for the %s operation", MF_CREATE_LIMIT,
              context->operation->name);
  else
    mf_refuse(http, 413, "RequestEntityTooLargeException", "Request must be smaller than %d bytes for the %s operation", MF_JSON_LIMIT,
              context->operation->name);
}
