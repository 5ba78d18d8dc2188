// START, END and REPORT lines, byte for byte as Lambda writes them; the lines of LogFormat JSON, and what each level drops.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "services/lambda/report.h"

#define ID "11111111-2222-4333-8444-555555555555"
#define START_LINE "START RequestId: " ID " Version: $LATEST\n"
#define END_LINE "END RequestId: " ID "\n"

static mf_lambda_call call_of(int64_t duration_ns) {
  mf_lambda_call call = {.request_id = ID, .duration_ns = duration_ns, .max_memory_bytes = (36 << 20) - 5};
  return call;
}

static void expect(const mf_lambda_call *call, const char *expected) {
  char out[MF_REPORT_BYTES + 1];
  size_t len = mf_report_format(call, MF_STR("$LATEST"), 128, out);
  out[len] = 0;
  assert_string_equal(out, expected);
}

static void a_warm_call(void **state) {
  (void)state;
  mf_lambda_call call = call_of(3010000);
  expect(&call, START_LINE END_LINE "REPORT RequestId: " ID "\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t\n");
}

static void a_cold_call_bills_its_start(void **state) {
  (void)state;
  mf_lambda_call call = call_of(488910000);
  call.cold = true;
  call.init_ns = 80300000;
  assert_int_equal(mf_report_billed_ms(&call), 570);  // recorded of AWS: 80.30 + 488.91
  expect(&call, START_LINE END_LINE "REPORT RequestId: " ID
                "\tDuration: 488.91 ms\tBilled Duration: 570 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 80.30 ms\t\n");
}

static void a_timeout(void **state) {
  (void)state;
  mf_lambda_call call = call_of(INT64_C(3000000000));
  call.status = "timeout";
  expect(&call, START_LINE END_LINE "REPORT RequestId: " ID
                "\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: timeout\n");
}

static void an_exit(void **state) {
  (void)state;
  mf_lambda_call call = call_of(1000000);
  call.status = "error";
  call.error_type = "Runtime.ExitError";
  snprintf(call.error_line, sizeof call.error_line, "RequestId: " ID " Error: Runtime exited with error: exit status 1\nRuntime.ExitError");
  expect(&call, START_LINE "RequestId: " ID " Error: Runtime exited with error: exit status 1\nRuntime.ExitError\n" END_LINE "REPORT RequestId: " ID
                "\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: error\tError Type: "
                "Runtime.ExitError\n");
}

// Whatever a worker says, the text stays within its buffer.
static void a_long_error_is_cut(void **state) {
  (void)state;
  char out[MF_REPORT_BYTES];
  mf_lambda_call call = call_of(1);
  char *error = malloc(100000);
  memset(error, 'e', 100000);
  call.function_error = "Unhandled";
  call.response = (mf_slice){error, 100000};
  call.max_memory_bytes = UINT64_MAX >> 1;
  call.duration_ns = INT64_MAX / 2;
  size_t len = mf_report_format(&call, MF_STR("1234567890"), UINT32_MAX, out);
  assert_true(len < MF_REPORT_BYTES);
  assert_memory_equal(out + len - 2, "\t\n", 2);
  free(error);
}

// ---- LogFormat JSON ----
#define NOW (INT64_C(1716222585022) * 1000000)  // 2024-05-20T16:29:45.022Z

static mf_logging levels(const char *system, const char *application) {
  json_t *configuration = json_pack("{s:{s:s,s:s,s:s}}", "LoggingConfig", "LogFormat", "JSON", "SystemLogLevel", system, "ApplicationLogLevel", application);
  const mf_logging logging = mf_logging_of(configuration);
  json_decref(configuration);
  assert_true(logging.is_json);
  return logging;
}

// The lines, each parsed (all must be JSON), and where the tail begins.
static json_t *lines_of(const mf_lambda_call *call, mf_logging logging, size_t *tail) {
  char out[MF_REPORT_BYTES];
  const size_t len = mf_report_json(call, logging, MF_STR("m"), MF_STR("7"), 128, NOW, out, tail);
  assert_true(len < MF_REPORT_BYTES);
  json_t *lines = json_array();
  for (const char *at = out, *end; at < out + len; at = end + 1) {
    json_error_t err;
    assert_non_null(end = memchr(at, '\n', (size_t)(out + len - at)));
    json_t *line = json_loadb(at, (size_t)(end - at), JSON_REJECT_DUPLICATES, &err);
    if (!line) fail_msg("%.*s: %s", (int)(end - at), at, err.text);
    json_array_append_new(lines, line);
  }
  return lines;
}

static void expect_lines(const mf_lambda_call *call, mf_logging logging, const char *expected) {
  size_t tail;
  json_t *lines = lines_of(call, logging, &tail), *wanted = json_loads(expected, 0, NULL);
  assert_non_null(wanted);
  char *shown = json_dumps(lines, JSON_INDENT(1));
  if (!json_equal(lines, wanted)) fail_msg("%s\nwanted: %s", shown, expected);
  free(shown);
  json_decref(lines);
  json_decref(wanted);
}

#define JSON_START(time) "{\"time\":\"" time "\",\"type\":\"platform.start\",\"record\":{\"requestId\":\"" ID "\",\"version\":\"7\"}}"

static void a_warm_call_as_json(void **state) {
  (void)state;
  mf_lambda_call call = call_of(11642000);
  call.response = (mf_slice){"{\"a\":1}", 7};
#define JSON_REPORT "{\"time\":\"2024-05-20T16:29:45.022Z\",\"type\":\"platform.report\",\"record\":{\"requestId\":\"" ID "\",\"status\":\"success\",\"metrics\":" \
  "{\"durationMs\":11.642,\"billedDurationMs\":12,\"memorySizeMB\":128,\"maxMemoryUsedMB\":36}}}"
  expect_lines(&call, levels("INFO", "INFO"), "[" JSON_START("2024-05-20T16:29:45.010Z") "," JSON_REPORT "]");
  expect_lines(&call, levels("DEBUG", "INFO"), "[" JSON_START("2024-05-20T16:29:45.010Z")
               ",{\"time\":\"2024-05-20T16:29:45.022Z\",\"type\":\"platform.runtimeDone\",\"record\":{\"requestId\":\"" ID "\",\"status\":\"success\",\"metrics\":"
               "{\"durationMs\":11.642,\"producedBytes\":7}}}," JSON_REPORT "]");
  expect_lines(&call, levels("WARN", "TRACE"), "[]");
}

static void a_cold_call_as_json(void **state) {
  (void)state;
  size_t tail;
  mf_lambda_call call = call_of(11642000);
  call.cold = true;
  call.init_ns = 174055000;
  json_t *lines = lines_of(&call, levels("DEBUG", "INFO"), &tail);
  static const char *const types[] = {"platform.initStart", "platform.initRuntimeDone", "platform.initReport", "platform.start", "platform.runtimeDone", "platform.report"};
  assert_int_equal(json_array_size(lines), MF_COUNT(types));
  for (size_t i = 0; i < MF_COUNT(types); i++) assert_string_equal(json_string_value(json_object_get(json_array_get(lines, i), "type")), types[i]);
  json_t *wanted = json_pack("[{s:s,s:s,s:{s:s,s:s,s:s,s:s}},{s:s,s:s,s:{s:s,s:s,s:s}},{s:s,s:s,s:{s:s,s:s,s:s,s:{s:f}}}]",
      "time", "2024-05-20T16:29:44.836Z", "type", types[0], "record", "initializationType", "on-demand", "phase", "init", "functionName", "m", "functionVersion", "7",
      "time", "2024-05-20T16:29:45.010Z", "type", types[1], "record", "initializationType", "on-demand", "phase", "init", "status", "success",
      "time", "2024-05-20T16:29:45.010Z", "type", types[2], "record", "initializationType", "on-demand", "phase", "init", "status", "success", "metrics", "durationMs", 174.055);
  for (size_t i = 0; i < 3; i++) assert_true(json_equal(json_array_get(lines, i), json_array_get(wanted, i)));
  json_t *metrics = json_object_get(json_object_get(json_array_get(lines, 5), "record"), "metrics");
  assert_true(json_real_value(json_object_get(metrics, "initDurationMs")) == 174.055);
  assert_int_equal(json_integer_value(json_object_get(metrics, "billedDurationMs")), 186);
  assert_true(tail > 300);
  json_decref(lines);
  json_decref(wanted);
  json_decref(lines = lines_of(&call, levels("INFO", "INFO"), &tail));  // the init events of a start on demand are DEBUG's
  assert_int_equal(tail, 0);
  call.cold = false;  // the first call of a provisioned instance: its initReport is INFO's
  lines = lines_of(&call, levels("INFO", "INFO"), &tail);
  assert_int_equal(json_array_size(lines), 3);
  json_t *record = json_object_get(json_array_get(lines, 0), "record");
  assert_string_equal(json_string_value(json_object_get(record, "initializationType")), "provisioned-concurrency");
  json_decref(lines);
}

static void failures_as_json(void **state) {
  (void)state;
  mf_lambda_call call = call_of(INT64_C(3000000000));
  call.status = "timeout";
  call.function_error = "Unhandled";
  call.response = (mf_slice){"{}", 2};
#define FAILED(metrics, rest) "{\"time\":\"2024-05-20T16:29:45.022Z\",\"type\":\"platform.runtimeDone\",\"record\":{\"requestId\":\"" ID "\"," rest ",\"metrics\":{" metrics \
  ",\"producedBytes\":0}}},{\"time\":\"2024-05-20T16:29:45.022Z\",\"type\":\"platform.report\",\"record\":{\"requestId\":\"" ID "\"," rest ",\"metrics\":{" metrics \
  ",\"billedDurationMs\":3000,\"memorySizeMB\":128,\"maxMemoryUsedMB\":36}}}"
  expect_lines(&call, levels("WARN", "INFO"), "[" FAILED("\"durationMs\":3000.0", "\"status\":\"timeout\"") "]");
  call.status = "error";
  call.error_type = "Runtime.ExitError";
  snprintf(call.error_line, sizeof call.error_line, "RequestId: " ID " Error: Runtime exited with error: exit status 1\nRuntime.ExitError");
  expect_lines(&call, levels("WARN", "ERROR"), "[{\"timestamp\":\"2024-05-20T16:29:45.022Z\",\"level\":\"ERROR\",\"requestId\":\"" ID "\",\"message\":\"RequestId: " ID
               " Error: Runtime exited with error: exit status 1\\nRuntime.ExitError\"},"
               FAILED("\"durationMs\":3000.0", "\"status\":\"error\",\"errorType\":\"Runtime.ExitError\"") "]");
  expect_lines(&call, levels("WARN", "FATAL"), "[" FAILED("\"durationMs\":3000.0", "\"status\":\"error\",\"errorType\":\"Runtime.ExitError\"") "]");
}

static void a_functions_error_is_an_application_line(void **state) {
  (void)state;
  static const struct {
    const char *response, *message;  // as JSON
  } cases[] = {{"{\"errorType\":\"E\",\"errorMessage\":\"no\"}", "{\"errorType\":\"E\",\"errorMessage\":\"no\"}"},
               {"{\"a\":\n1}", "\"{\\\"a\\\":\\n1}\""}, {"\"},\"level\":\"INFO", "\"\\\"},\\\"level\\\":\\\"INFO\""}, {"\x01\xff", "\"\\u0001?\""}};
  for (size_t i = 0; i < MF_COUNT(cases); i++) {
    char wanted[400];
    mf_lambda_call call = call_of(1000000);
    call.function_error = "Unhandled";
    call.response = (mf_slice){cases[i].response, strlen(cases[i].response)};
    snprintf(wanted, sizeof wanted, "[{\"timestamp\":\"2024-05-20T16:29:45.022Z\",\"level\":\"ERROR\",\"requestId\":\"" ID "\",\"message\":%s}]", cases[i].message);
    expect_lines(&call, levels("WARN", "WARN"), wanted);  // the platform's lines say success, as REPORT does
    expect_lines(&call, levels("WARN", "FATAL"), "[]");
  }
}

// Whatever a worker says: its buffer is enough, and each line is JSON.
static void long_errors_are_cut_in_json(void **state) {
  (void)state;
  static const char *const repeated[] = {"e", "\"", "\x01", "\xff", "\xc3\xa9", "\xe2\x82\xac", "\\", "[1]\n"};
  char *error = malloc(100000);
  for (size_t i = 0; i < MF_COUNT(repeated); i++) {
    size_t tail;
    mf_lambda_call call = call_of(INT64_MAX / 8);
    const size_t len = strlen(repeated[i]);
    for (size_t at = 0; at + len <= 100000; at += len) memcpy(error + at, repeated[i], len);
    call.function_error = "Unhandled";
    call.response = (mf_slice){error, 99999};
    call.max_memory_bytes = UINT64_MAX >> 1;
    call.cold = true;
    call.init_ns = INT64_MAX / 8;
    json_t *lines = lines_of(&call, levels("DEBUG", "TRACE"), &tail);
    assert_int_equal(json_array_size(lines), 7);
    const char *message = json_string_value(json_object_get(json_array_get(lines, 4), "message"));
    assert_true(message && strlen(message) > 300 / 6 && strncmp(message, repeated[i][0] == '\xff' ? "?" : repeated[i], len) == 0);
    json_decref(lines);
  }
  free(error);
}

static void levels_that_are_absent_are_info(void **state) {
  (void)state;
  json_t *text = json_pack("{s:{s:s}}", "LoggingConfig", "LogFormat", "Text"), *json = json_pack("{s:{s:s}}", "LoggingConfig", "LogFormat", "JSON"), *none = json_object();
  assert_false(mf_logging_of(text).is_json);
  assert_false(mf_logging_of(none).is_json);
  const mf_logging logging = mf_logging_of(json);
  assert_true(logging.is_json && logging.system == MF_DETAIL_INFO && logging.application == MF_DETAIL_INFO);
  json_decref(text), json_decref(json), json_decref(none);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_warm_call), cmocka_unit_test(a_cold_call_bills_its_start), cmocka_unit_test(a_timeout),
      cmocka_unit_test(an_exit),     cmocka_unit_test(a_long_error_is_cut),
      cmocka_unit_test(a_warm_call_as_json), cmocka_unit_test(a_cold_call_as_json), cmocka_unit_test(failures_as_json),
      cmocka_unit_test(a_functions_error_is_an_application_line), cmocka_unit_test(long_errors_are_cut_in_json),
      cmocka_unit_test(levels_that_are_absent_are_info),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
