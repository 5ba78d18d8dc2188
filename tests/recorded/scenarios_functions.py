"""Functions: their life, their names, what a creation refuses, where their code lies, logging, sizes, runtimes, the account's figures."""
import concurrent.futures
import io
import json
import re
import zipfile

import world
from replay import ARN, replays

FUNCTION = "TestLambdaFunction::test_"
READ = ("get_function", "get_function_configuration")
SETTINGS = ("get_function_url_config", "get_function_code_signing_config", "get_function_event_invoke_config", "get_function_concurrency")


@replays(FUNCTION + "function_lifecycle")
def function_lifecycle(r):
    r.deploy("create_response", MemorySize=256, Timeout=5)
    r.step("get_function_response", "get_function", FunctionName=r.name)
    r.step("update_func_conf_response", "update_function_configuration", FunctionName=r.name, Runtime="python3.11",
           Description="Changed-Description", MemorySize=512, Timeout=10, Environment={"Variables": {"ENV_A": "a"}})
    r.settle()
    r.step("get_function_response_postupdate", "get_function", FunctionName=r.name)
    r.step("update_code_response", "update_function_code", FunctionName=r.name, ZipFile=r.package())
    r.settle()
    r.step("get_function_response_postcodeupdate", "get_function", FunctionName=r.name)
    r.step("delete_response", "delete_function", FunctionName=r.name)
    r.step("delete_postdelete", "delete_function", FunctionName=r.name)


@replays(FUNCTION + "redundant_updates")
def redundant_updates(r):
    r.deploy("create_response", Description="Initial description")
    change = {"FunctionName": r.name, "Description": "1st update description"}
    r.step("first_update_result", "update_function_configuration", **change)
    r.settle()
    r.step("get_fn_config_result", "get_function_configuration", FunctionName=r.name)
    r.step("get_fn_result", "get_function", FunctionName=r.name)
    r.step("redundant_update_result", "update_function_configuration", **change)
    r.settle()
    r.step("get_fn_result_after_redundant_update", "get_function", FunctionName=r.name)


@replays(FUNCTION + "ops_with_arn_qualifier_mismatch[{}]", cases=("delete_function", *READ))
def arn_and_qualifier(r, case):
    r.step("not_match_exception", case, FunctionName=ARN + "some-function:1", Qualifier="$LATEST")
    r.step("match_exception", case, FunctionName=ARN + "some-function:$LATEST", Qualifier="$LATEST")


@replays(FUNCTION + "ops_on_nonexisting_version[{}]", cases=(*READ, "get_function_event_invoke_config"))
def absent_version(r, case):
    r.deploy(Description="Initial description")
    r.step("version_not_found_exception", case, FunctionName=r.name, Qualifier="1221")


@replays(FUNCTION + "delete_on_nonexisting_version")
def delete_absent_version(r):
    r.deploy(Description="Initial description")
    for _ in range(2):
        r.call("delete_function", FunctionName=r.name, Qualifier="1233")
    r.call("delete_function", FunctionName=r.name)
    r.step("delete_function_response_non_existent", "delete_function", FunctionName=r.name)
    r.step("delete_function_response_non_existent_with_qualifier", "delete_function", FunctionName=r.name, Qualifier="1233")


@replays(FUNCTION + "ops_on_nonexisting_fn[{}]", cases=("delete_function", *READ, *SETTINGS))
def absent_function(r, case):
    r.step("not_found_exception", case, FunctionName="i-dont-exist")


@replays(FUNCTION + "get_function_wrong_region[{}]", cases=(*READ, *SETTINGS, "delete_function", "invoke"))
def wrong_region(r, case):
    r.deploy(Description="Initial description")
    r.step("wrong_region_exception", case, FunctionName=r.arn.replace("us-east-1", "eu-central-1"))


def conflict(r, step, operation, **arguments):
    """Several updates at once until one is refused, as AWS's take long enough for a second one to be. That one's answer is the step's."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            answers = [asked.result() for asked in [pool.submit(r.ask, operation, **arguments) for _ in range(8)]]
            refused = [answer for answer in answers if "Error" in answer]
            if refused:
                r.match(step, refused[0])
                break
            r.settle()
    r.settle()


@replays(FUNCTION + "lambda_code_location_zipfile")
def code_location(r):
    r.create("create-response-zip-file")
    r.step("get-function-response", "get_function", FunctionName=r.name)
    r.step("update-function-response", "update_function_code", FunctionName=r.name, ZipFile=r.busy_package())
    r.step("get-function-response-updated", "get_function", FunctionName=r.name)
    r.settle()


@replays(FUNCTION + "create_lambda_exceptions")
def refused_creations(r):
    for step, change in (("invalid_role_arn_exc", {"Role": "r1"}), ("invalid_runtime_exc", {"Runtime": "non-existent-runtime"}),
                         ("uppercase_runtime_exc", {"Runtime": "PYTHON3.9"}),
                         ("multiple_architectures", {"Architectures": ["x86_64", "arm64"]}),
                         ("uppercase_architecture", {"Architectures": ["X86_64"]}),
                         ("invalid_zip_exc", {"Code": {"ZipFile": b"this is no archive of any kind"}, "Runtime": "python3.9"})):
        r.create(step, **change)


@replays(FUNCTION + "update_lambda_exceptions")
def refused_updates(r):
    r.create()
    for step, change in (("invalid_role_arn_exc", {"Role": "r1"}), ("invalid_runtime_exc", {"Runtime": "non-existent-runtime"}),
                         ("uppercase_runtime_exc", {"Runtime": "PYTHON3.9"})):
        r.step(step, "update_function_configuration", FunctionName=r.name, **change)


def listed(r, names, **arguments):
    pages = r.client.get_paginator("list_functions").paginate(**arguments, PaginationConfig={"PageSize": 1}).build_full_result()
    return {"Functions": sorted((f for f in pages["Functions"] if f["FunctionName"] in names), key=lambda f: f["FunctionArn"])}


@replays(FUNCTION + "list_functions")
def list_functions(r):
    names = [r.name, r.new_name()]
    r.deploy("create_response_1", Publish=True)
    r.deploy("create_response_2", FunctionName=names[1])
    r.step("list_functions_invalid_functionversion", "list_functions", FunctionVersion="invalid")
    r.match("list_all", listed(r, names, FunctionVersion="ALL"))
    r.match("list_default", listed(r, names))


@replays(FUNCTION + "vpc_config")
def vpc_config(r):
    r.deploy("create_response", MemorySize=256, Timeout=5, VpcConfig={"SubnetIds": ["subnet-1a"], "SecurityGroupIds": ["sg-1a"]})
    r.step("get_function_response", "get_function", FunctionName=r.name)
    for change, subnets, groups in (("update", ["subnet-2b"], ["sg-2b"]), ("delete", [], [])):
        r.step(f"{change}_vpcconfig_update_response", "update_function_configuration", FunctionName=r.name,
               VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": groups})
        r.settle()
        r.step(f"{change}_vpcconfig_get_function_response", "get_function", FunctionName=r.name)


@replays(FUNCTION + "invalid_vpc_config_subnet")
def refused_subnets(r):
    r.create("create-response-non-existent-subnet-id", VpcConfig={"SubnetIds": ["subnet-0a1b"], "SecurityGroupIds": ["sg-1a"]})
    r.create("create-response-invalid-format-subnet-id", VpcConfig={"SubnetIds": ["bad-format-0a1b"], "SecurityGroupIds": ["sg-1a"]})


@replays(FUNCTION + "invalid_vpc_config_security_group")
def refused_security_groups(r):
    r.create("create-response-non-existent-security-group", VpcConfig={"SubnetIds": ["subnet-1a"], "SecurityGroupIds": ["sg-0a1b"]})
    r.create("create-response-invalid-format-security-group", VpcConfig={"SubnetIds": ["subnet-1a"], "SecurityGroupIds": ["bad-format-0a1b"]})


@replays(FUNCTION + "function_arns")
def function_arns(r):
    r.deploy("create-function-arn-response", FunctionName=r.arn)
    r.deploy("create-function-partial-arn-response", FunctionName="000000000000:function:" + r.new_name())
    for step, name in (("invalid_function_name_exc", "invalid:function:name"), ("long_function_name_exc", "a" * 65),
                       ("long_function_arn_exc", ARN + "a" * (141 - len(ARN))),
                       ("function_arn_other_region_exc", ARN.replace("us-east-1", "ap-southeast-1") + "elsewhere"),
                       ("function_arn_other_account_exc", ARN.replace("0" * 12, "123456789012") + "elsewhere")):
        r.create(step, FunctionName=name)


@replays(FUNCTION + "invalid_invoke")
def invoke_malformed_name(r):
    r.step("invoke_function_name_pattern_exc", "invoke", FunctionName="arn:aws:lambda:us-east-1:123400000000@function:myfn", Payload=b"{}")


@replays(FUNCTION + "lambda_concurrent_code_updates")
def concurrent_code_updates(r):
    r.create("create-function-response", Handler="handler.handler")
    r.call("update_function_code", FunctionName=r.name, ZipFile=r.busy_package())
    r.step("update-during-in-progress-update-exc", "update_function_code", FunctionName=r.name, ZipFile=r.package())
    r.settle()


@replays(FUNCTION + "lambda_concurrent_config_updates")
def concurrent_configuration_updates(r):
    r.deploy("create-function-response")
    conflict(r, "update-during-in-progress-update-exc", "update_function_configuration", FunctionName=r.name,
             Environment={"Variables": {"TEST": "TEST1"}})


# ---- names and qualifiers: the recording keeps an error's code and, sorted, what fails to satisfy a constraint ----
NAMES = {
    "invalid_characters_in_function_name": {"FunctionName": "my-function!"},
    "function_name_is_single_invalid": {"FunctionName": "*"},
    "invalid_characters_in_qualifier": {"FunctionName": "my-function", "Qualifier": "invalid!"},
    "qualifier_too_long": {"FunctionName": "my-function", "Qualifier": "a" * 129},
    # two older forms of it, whose answers tell what they asked
    "qualifier_too_long0": {"FunctionName": "my-function", "Qualifier": "a" * 129},
    "qualifier_too_long1": {"FunctionName": "my-function", "Qualifier": "a" * 65},
    "invalid_account_id_in_partial_arn": {"FunctionName": "invalid-account:function:my-function"},
    "invalid_region_in_arn": {"FunctionName": ARN.replace("us-east-1", "invalid-region") + "my-function"},
    "non_lambda_arn": {"FunctionName": "arn:aws:ec2:us-east-1:000000000000:instance:i-1234567890abcdef0"},
    "function_name_too_long": {"FunctionName": "a" * 65},
    "function_name_too_long_and_invalid_region": {"FunctionName": ARN.replace("us-east-1", "invalid-region") + "my-function" + "a" * 170},
    "full_arn_and_qualifier_too_long_and_invalid_region": {
        "FunctionName": ARN.replace("us-east-1", "invalid-region") + "my-function-" + "a" * 170, "Qualifier": "a" * 129},
    "full_arn_with_multiple_qualifiers": {"FunctionName": ARN + "my-function:1:2"},
    "incomplete_arn": {"FunctionName": ARN.rstrip(":")},
    "partial_arn_with_extra_qualifier": {"FunctionName": "function:my-function:$LATEST:extra"},
    "latest_version_with_additional_qualifier": {"FunctionName": ARN + "my-function:$LATEST", "Qualifier": "1"},
    "lowercase_latest_qualifier": {"FunctionName": ARN + "my-function", "Qualifier": "$latest"},
    "missing_region_in_arn": {"FunctionName": "arn:aws:lambda::000000000000:function:my-function"},
    "missing_account_id_in_arn": {"FunctionName": "arn:aws:lambda:us-east-1::function:my-function"},
    "misspelled_latest_in_arn": {"FunctionName": ARN + "my-function:$LATES"},
    "function_name_and_qualifier_too_long": {"FunctionName": "my-function", "Qualifier": "a" * 65},
}
OPERATIONS = ("get_function", "delete_function", "invoke", "create_function")


def violations(answer):
    """An error as these tests have recorded it."""
    error = answer.get("Error", {"Code": None, "Message": repr(answer)})
    found = re.findall(r"Value '.*?' at '.*?' failed to satisfy constraint: .+?(?=;|$)", error["Message"])
    return {"Code": error["Code"], "Errors": sorted(found), "Count": len(found)} if found else {"Code": error["Code"], "Message": error["Message"]}


@replays(FUNCTION + "function_name_and_qualifier_validation[{}]", cases=[f"{name}-{operation}" for name in NAMES for operation in OPERATIONS])
def names_and_qualifiers(r, case):
    name, operation = case.rsplit("-", 1)
    if not r.recording.steps:
        return
    arguments = dict(NAMES[name])
    if operation == "create_function":
        arguments = {"FunctionName": ":".join(arguments.values()), "Runtime": "python3.12", "Handler": "index.handler", "Role": world.ROLE,
                     "Code": {"ZipFile": r.package()}, "PackageType": "Zip"}
    answer = r.ask(operation, **arguments)
    r.match(f"{operation}_exception", violations(answer))


# ---- runtimes, logging ----
@replays("TestRuntimeValidation::test_create_deprecated_function_runtime_with_validation_enabled[{}]",
         cases=("java8", "go1.x", "provided", "ruby2.7", "nodejs14.x", "python3.7", "dotnetcore3.1", "nodejs12.x"))
def runtimes_of_the_past(r, case):
    r.create("deprecation_error", Runtime=case, Handler="handler.handler", Timeout=30)


def logging(r, changes, **more):
    """Creation, then the changes of LoggingConfig one after the other, each answer and what is read after it."""
    r.deploy("create_response", MemorySize=256, Timeout=5, **more)
    r.step("get_function_response", "get_function", FunctionName=r.name)
    r.step("function_config", "get_function_configuration", FunctionName=r.name)
    for suffix, change in changes:
        r.step(f"updated_config{suffix}", "update_function_configuration", FunctionName=r.name, LoggingConfig=change)
        r.settle()
        r.step(f"received_config{suffix}", "get_function_configuration", FunctionName=r.name)


@replays("TestLoggingConfig::test_function_advanced_logging_configuration")
def logging_whole(r):
    whole = {"LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO", "LogGroup": "cool_lambda"}
    logging(r, [("", whole)], LoggingConfig={"LogFormat": "JSON"})


@replays("TestLoggingConfig::test_advanced_logging_configuration_format_switch")
def logging_format(r):
    logging(r, [("", {"LogFormat": "JSON"}), ("_v2", {"LogFormat": "Text"})])


PARTIAL = ({"LogFormat": "JSON"}, {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"}, {"LogFormat": "JSON", "SystemLogLevel": "DEBUG"},
           {"LogGroup": "cool_lambda"})


@replays("TestLoggingConfig::test_function_partial_advanced_logging_configuration_update[partial_config{}]", cases=range(len(PARTIAL)))
def logging_partial(r, case):
    logging(r, [("", PARTIAL[case])])


# ---- sizes ----
SIZES = "TestLambdaSizeLimits::test_"
ZIPPED, UNZIPPED = 52428800, 262144000


def stored(size):
    """A package of this size, of which nothing can be compressed."""
    empty = len(world.zipped(padding=1)) - 1
    return world.zipped(padding=size - empty)


@replays(SIZES + "oversized_zipped_create_lambda")
def oversized_package(r):
    r.create("invalid_param_exc", Code={"ZipFile": stored(ZIPPED + 200)}, Timeout=10)


def inflating(size):
    """A small package that is of this size when unpacked."""
    model = world.scale_model()
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", model)
        archive.writestr("padding.bin", bytes(size - len(model)))
    return {"ZipFile": package.getvalue()}


@replays(SIZES + "oversized_lambda", SIZES + "oversized_unzipped_lambda")
def oversized_contents(r):
    """AWS was given it in a bucket, which makes no difference to what it says of its size."""
    r.create("invalid_param_exc", Code=inflating(UNZIPPED), Timeout=10)


@replays(SIZES + "large_lambda")
def largest_contents(r):
    r.create("create_function_large_zip", Handler="handler.handler", Code=inflating(UNZIPPED - 1000), Timeout=10)


@replays(SIZES + "oversized_request_create_lambda")
def oversized_request(r):
    large = "x" * (70167211 - ZIPPED + (1 << 20))
    r.create("invalid_param_exc", Code={"ZipFile": stored(ZIPPED - 1024)}, Timeout=10, Environment={"Variables": {"largeKey": large}})


def environment(r, step, variables):
    if step == "successful_create_fn_result":
        r.deploy(step, Environment={"Variables": variables})
    else:
        r.create(step, Handler="handler.handler", Timeout=30, Environment={"Variables": variables})


def filled(size):
    """LARGE_VAR such that the environment's JSON text has this size."""
    return {"LARGE_VAR": "x" * (size - len(json.dumps({"LARGE_VAR": ""}, separators=(",", ":"))))}


@replays(SIZES + "large_environment_variables_fails")
def large_environment(r):
    environment(r, "failed_create_fn_result", filled(4097))


@replays(SIZES + "large_environment_fails_multiple_keys")
def large_environment_of_two(r):
    environment(r, "failured_create_fn_result_multi_key", {"SMALL_VAR": "ok", "LARGE_VAR": "x" * 4064})


@replays(SIZES + "lambda_envvars_near_limit_succeeds")
def largest_environment(r):
    environment(r, "successful_create_fn_result", filled(4096))


# ---- the account ----
def usage(r):
    return r.call("get_account_settings")["AccountUsage"]["TotalCodeSize"]


@replays("TestLambdaAccountSettings::test_account_settings")
def account_settings(r):
    answer = r.call("get_account_settings")
    r.match("acc_settings_modded", {**answer, **{part: sorted(answer[part]) for part in ("AccountLimit", "AccountUsage")}})


@replays("TestLambdaAccountSettings::test_account_settings_total_code_size")
def code_sizes(r):
    """The recorded 276 bytes are the size of that test's package: of ours, the size is what must be added each time."""
    package, before = r.package(), usage(r)
    r.deploy(Code={"ZipFile": package}, Handler="index.handler")
    created = usage(r)
    r.match("total_code_size_diff_create_function", created - before - len(package) + 276)
    r.call("update_function_code", FunctionName=r.name, ZipFile=package, Publish=True)
    r.match("total_code_size_diff_update_function", usage(r) - created - len(package) + 276)
    r.settle()


@replays("TestLambdaAccountSettings::test_account_settings_total_code_size_config_update")
def code_size_of_a_version(r):
    before = usage(r)
    r.deploy(Runtime="nodejs18.x")
    created = usage(r)
    r.match("is_total_code_size_diff_create_function_more_than_200", created - before > 200)
    r.call("update_function_configuration", FunctionName=r.name, Runtime="nodejs20.x")
    r.settle()
    r.match("total_code_size_diff_update_function_configuration", usage(r) - created)
    r.call("publish_version", FunctionName=r.name, Description="what the change has made")
    r.match("is_total_code_size_diff_publish_version_after_config_update_more_than_200", usage(r) - created > 200)
