// Prints the tables of operations and members as JSON, for test_model.py to compare with botocore's service model.
#include <stdio.h>
#include <stdlib.h>

#include "services/iam/iam.h"
#include "services/lambda/internal.h"
#include "services/logs/logs.h"
#include "services/sts/sts.h"

static json_t *number_or_null(int64_t number) { return number == MF_NO_LIMIT ? json_null() : json_integer((json_int_t)number); }
static json_t *text_or_null(const char *text) { return text ? json_string(text) : json_null(); }

static json_t *shape_json(const mf_shape *shape);

static json_t *field_json(const mf_field *field) {
  static const char *const kinds[] = {"string", "integer", "float", "boolean", "blob", "structure", "list", "map"};
  json_t *out = json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:i,s:s}", "name", field->name, "kind", kinds[field->kind], "min", number_or_null(field->min),
                          "max", number_or_null(field->max), "pattern", text_or_null(field->pattern), "values", text_or_null(field->values),
                          "flags", (int)field->flags, "sent_as", field->sent_as ? field->sent_as : field->name);
  if (field->of) json_object_set_new(out, "of", shape_json(field->of));
  return out;
}

static json_t *shape_json(const mf_shape *shape) {
  json_t *fields = json_array();
  for (uint32_t i = 0; i < shape->n_fields; i++) json_array_append_new(fields, field_json(&shape->fields[i]));
  return json_pack("{s:s,s:o}", "name", shape->name, "fields", fields);
}

static json_t *rpc_json(const mf_rpc_service *service) {
  json_t *operations = json_array();
  for (uint32_t i = 0; i < service->n_operations; i++) {
    const mf_rpc_operation *o = &service->operations[i];
    json_t *out = json_pack("{s:s}", "name", o->name);
    if (o->handle) json_object_set_new(out, "input", shape_json(o->input));
    json_array_append_new(operations, out);
  }
  return json_pack("{s:s,s:s,s:o}", "version", service->version, "xmlns", service->xmlns ? service->xmlns : "", "operations", operations);
}

// print_tables rpc: the services whose requests name the operation.
static int print_rpc(void) {
  json_t *services = json_pack("{s:o,s:o,s:o}", "logs", rpc_json(&mf_logs_service), "iam", rpc_json(&mf_iam_service), "sts", rpc_json(&mf_sts_service));
  char *text = json_dumps(services, JSON_INDENT(1));
  puts(text);
  free(text);
  json_decref(services);
  return 0;
}

int main(int argc, char **argv) {
  (void)argv;
  if (argc > 1) return print_rpc();
  json_t *operations = json_array();
  for (uint32_t i = 0; i < mf_n_operations; i++) {
    const mf_operation *o = &mf_operations[i];
    json_t *out = json_pack("{s:s,s:s,s:s,s:i}", "name", o->name, "method", o->method, "path", o->path, "status", o->status);
    if (o->handle) json_object_set_new(out, "input", shape_json(o->input));
    json_array_append_new(operations, out);
  }
  char *text = json_dumps(operations, JSON_INDENT(1));
  puts(text);
  free(text);
  json_decref(operations);
  return 0;
}
