"""Lambda's operations on functions, as boto3 sees them: what is given is returned, what is wrong is answered in AWS's words."""
import base64
import hashlib
import json
import re
import urllib.request

import botocore.exceptions
import pytest

from world import ROLE, create, invoke, scale_model, wait_for, wrong_operator_model, zipped

ARN = "arn:aws:lambda:us-east-1:000000000000:function:"


def refused(call, **arguments):
    """(HTTP status, code, message) of a call that must fail."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def test_create_answers_pending_and_the_waiters_see_active(client):
    package = zipped()
    answer = create(client, "first", package, wait=False)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (answer["State"], answer["StateReasonCode"], answer["StateReason"]) == ("Pending", "Creating", "The function is being created.")
    assert "LastUpdateStatus" not in answer
    assert answer["FunctionArn"] == ARN + "first" and answer["Version"] == "$LATEST"
    assert answer["CodeSize"] == len(package)
    assert answer["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode()
    for waiter in ("function_exists", "function_active", "function_active_v2", "function_updated", "function_updated_v2"):
        client.get_waiter(waiter).wait(FunctionName="first")
    now = client.get_function_configuration(FunctionName="first")
    assert (now["State"], now["LastUpdateStatus"]) == ("Active", "Successful")
    assert "StateReason" not in now and now["RevisionId"] != answer["RevisionId"]


def test_defaults_are_lambdas(client):
    create(client, "defaults")
    got = client.get_function_configuration(FunctionName="defaults")
    assert {k: got[k] for k in ("Description", "Timeout", "PackageType", "Architectures", "EphemeralStorage", "TracingConfig", "SnapStart")} == {
        "Description": "", "Timeout": 3, "PackageType": "Zip", "Architectures": ["x86_64"], "EphemeralStorage": {"Size": 512},
        "TracingConfig": {"Mode": "PassThrough"}, "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"}}
    assert got["MemorySize"] >= 128
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000", got["LastModified"])
    assert not {"Environment", "Runtime", "RuntimeVersionConfig", "VpcConfig"} & set(got)


def test_members_are_kept_and_returned(client):
    given = dict(Runtime="python3.9", Handler="app.handler", Description="a model", Timeout=7, MemorySize=256,
                 Environment={"Variables": {"A_B": "c"}}, TracingConfig={"Mode": "Active"}, EphemeralStorage={"Size": 1024},
                 KMSKeyArn="arn:aws:kms:us-east-1:000000000000:key/x", DeadLetterConfig={"TargetArn": ""},
                 VpcConfig={"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}, Architectures=["x86_64"],
                 FileSystemConfigs=[{"Arn": "arn:aws:elasticfilesystem:us-east-1:000000000000:access-point/fsap-0123456789abcdef0",
                                     "LocalMountPath": "/mnt/models"}])
    create(client, "kept", Tags={"team": "vision"}, **given)
    got = client.get_function(FunctionName="kept")
    for name, value in given.items():
        if name == "VpcConfig":
            assert got["Configuration"][name]["SubnetIds"] == ["subnet-1"] and got["Configuration"][name]["VpcId"] == ""
        else:
            assert got["Configuration"][name] == value
    assert got["Configuration"]["Role"] == ROLE
    assert got["Tags"] == {"team": "vision"} and "Concurrency" not in got


def test_code_location_is_a_link_to_the_package(client):
    package = zipped()
    create(client, "link", package)
    location = client.get_function(FunctionName="link")["Code"]["Location"]
    with urllib.request.urlopen(location) as answer:
        assert answer.read() == package
    wrong = location[:-1] + ("0" if location[-1] != "0" else "1")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(wrong)
    assert caught.value.code == 403


def test_names_in_all_their_forms_mean_the_same_function(client):
    create(client, "forms")
    for name in ("forms", ARN + "forms", "000000000000:function:forms", "function:forms", ARN + "forms:$LATEST", "forms:$LATEST"):
        got = client.get_function_configuration(FunctionName=name)
        assert got["FunctionName"] == "forms", name
        assert got["FunctionArn"] == ARN + ("forms:$LATEST" if name.endswith("$LATEST") else "forms")
        answer, body = invoke(client, name, {"x": [[1, 2, 3, 4]]})
        assert json.loads(body) == {"y": [[2, 4, 6, 8]]}, name
    assert client.get_function_configuration(FunctionName="forms", Qualifier="$LATEST")["FunctionArn"] == ARN + "forms:$LATEST"


def test_missing_functions_and_qualifiers(client):
    create(client, "there")
    for call in (client.get_function, client.get_function_configuration, client.delete_function):
        assert refused(call, FunctionName="missing") == (404, "ResourceNotFoundException", f"Function not found: {ARN}missing")
    assert refused(client.invoke, FunctionName="missing") == (404, "ResourceNotFoundException", f"Function not found: {ARN}missing:$LATEST")
    assert refused(client.get_function, FunctionName="there", Qualifier="7")[2] == f"Function not found: {ARN}there:7"
    assert refused(client.invoke, FunctionName="there:live")[2] == f"Function not found: {ARN}there:live"
    assert refused(client.get_function, FunctionName="there:1", Qualifier="2")[1:] == (
        "InvalidParameterValueException", "The derived qualifier from the function name does not match the specified qualifier.")
    assert refused(client.get_function, FunctionName="arn:aws:lambda:eu-west-1:000000000000:function:there")[1:] == (
        "ResourceNotFoundException", "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')")
    assert refused(client.get_function, FunctionName="arn:aws:lambda:us-east-1:111111111111:function:there")[:2] == (403, "AccessDeniedException")
    assert refused(client.delete_function, FunctionName="there", Qualifier="$LATEST")[2] == \
        "$LATEST version cannot be deleted without deleting the function."


def test_bad_names(client):
    status, code, message = refused(client.get_function, FunctionName="my-function!")
    assert (status, code) == (400, "ValidationException")
    assert message.startswith("1 validation error detected: Value 'my-function!' at 'functionName' failed to satisfy constraint: Member must "
                              "satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:lambda:)?")
    message = refused(client.get_function, FunctionName="bad!", Qualifier="invalid!")[2]
    assert message.startswith("2 validation errors detected: Value 'invalid!' at 'qualifier'") and "; Value 'bad!' at 'functionName'" in message
    assert refused(client.create_function, FunctionName="n" * 65, Role=ROLE, Code={"ZipFile": zipped()})[1:] == (
        "InvalidParameterValueException", f"1 validation error detected: Value '{'n' * 65}' at 'functionName' failed to satisfy constraint: "
        "Member must have length less than or equal to 64")
    assert refused(client.get_function, FunctionName="n" * 65)[0] == 404
    assert refused(client.invoke, FunctionName="n" * 65)[0] == 404


def test_refusals_of_create(client):
    package = zipped()

    def refuse(**changes):
        return refused(client.create_function, **{**dict(FunctionName="refused", Role=ROLE, Code={"ZipFile": package}), **changes})

    value = "1 validation error detected: Value '{}' at '{}' failed to satisfy constraint: {}".format
    assert refuse(MemorySize=64)[1:] == ("ValidationException", value(64, "memorySize", "Member must have value greater than or equal to 128"))
    assert refuse(Timeout=901)[1:] == ("ValidationException", value(901, "timeout", "Member must have value less than or equal to 900"))
    assert refuse(Role="r1")[2] == value("r1", "role", "Member must satisfy regular expression pattern: "
                                         r"arn:(aws[a-zA-Z-]*)?:iam::\d{12}:role/?[a-zA-Z_0-9+=,.@\-_/]+")
    assert refuse(Architectures=["X86_64"])[2] == value("[X86_64]", "architectures", "Member must satisfy constraint: [Member must satisfy "
                                                        "enum value set: [x86_64, arm64], Member must not be null]")
    assert refuse(Architectures=["x86_64", "arm64"])[2] == value("[x86_64, arm64]", "architectures",
                                                                 "Member must have length less than or equal to 1")
    assert refuse(SnapStart={"ApplyOn": "invalidOption"})[2] == value("invalidOption", "snapStart.applyOn",
                                                                      "Member must satisfy enum value set: [PublishedVersions, None]")
    status, code, message = refuse(Runtime="PYTHON3.9")
    assert (status, code) == (400, "InvalidParameterValueException") and message.startswith("Value PYTHON3.9 at 'runtime' failed to satisfy")
    assert refuse(Runtime="go1.x")[2].startswith("The runtime parameter of go1.x is no longer supported")
    assert refuse(Environment={"Variables": {"LARGE_VAR": "x" * 4096}})[2].startswith("Lambda was unable to configure your environment "
                                                                                      "variables because the environment variables you have "
                                                                                      "provided exceeded the 4KB limit. String measured: {\"LARGE_VAR\":\"xxx")
    assert refuse(Environment={"Variables": {"AWS_REGION": "x"}})[2].endswith("Reserved keys used in this request: AWS_REGION")
    assert refuse(Code={"ZipFile": b"this is no zip"})[1:] == ("InvalidParameterValueException", "Could not unzip uploaded file. Please check "
                                                               "your file, then try to upload again.")
    assert refuse(Code={"S3Bucket": "bucket", "S3Key": "key"})[2] == ("Error occurred while GetObject. S3 Error Code: NoSuchBucket. S3 Error "
                                                                      "Message: The specified bucket does not exist")
    assert "Image is not supported" in refuse(PackageType="Image", Code={"ImageUri": "x"})[2]
    assert "ZipFile" in refuse(Code={})[2]
    assert "does not exist" in refuse(Layers=["arn:aws:lambda:us-east-1:000000000000:layer:l:1"])[2]
    assert refuse(Tags={f"t{i}": "x" for i in range(51)})[2] == "Number of tags exceeds resource tag limit."
    create(client, "taken")
    assert refuse(FunctionName="taken")[:3] == (409, "ResourceConflictException", "Function already exist: taken")
    assert refused(client.get_function, FunctionName="refused")[0] == 404


def test_packages_beyond_the_limits(client):
    too_big = zipped(padding=52428800 - 100)
    assert refused(client.create_function, FunctionName="big", Role=ROLE, Code={"ZipFile": too_big}) == (
        413, "RequestEntityTooLargeException", "Zipped size must be smaller than 52428800 bytes")
    assert refused(client.create_function, FunctionName="big", Role=ROLE, Code={"ZipFile": b"x" * 53000000})[:2] == (
        413, "RequestEntityTooLargeException")


def test_a_large_package_goes_through_unread(client):
    package = zipped(padding=20 << 20)
    create(client, "large", package)
    got = client.get_function(FunctionName="large")
    assert got["Configuration"]["CodeSize"] == len(package)
    with urllib.request.urlopen(got["Code"]["Location"]) as answer:
        assert hashlib.sha256(answer.read()).digest() == base64.b64decode(got["Configuration"]["CodeSha256"])


def test_an_operator_we_lack_fails_the_function_and_is_named(client):
    create(client, "wrong", zipped(wrong_operator_model()), wait=False)
    got = wait_for(lambda: (c := client.get_function_configuration(FunctionName="wrong"))["State"] != "Pending" and c)
    assert got["State"] == "Failed" and got["StateReasonCode"] == "FunctionError"
    for word in ("Frobnicate", "the_node", "com.example"):
        assert word in got["StateReason"], got["StateReason"]
    with pytest.raises(botocore.exceptions.WaiterError):
        client.get_waiter("function_active").wait(FunctionName="wrong")
    assert refused(client.invoke, FunctionName="wrong")[:2] == (409, "ResourceConflictException")
    client.update_function_code(FunctionName="wrong", ZipFile=zipped())
    client.get_waiter("function_updated_v2").wait(FunctionName="wrong")
    assert client.get_function_configuration(FunctionName="wrong")["State"] == "Active"
    assert json.loads(invoke(client, "wrong", {"x": [[1, 1, 1, 1]]})[1]) == {"y": [[2, 2, 2, 2]]}


def test_update_of_code_serves_the_old_one_until_the_new_one_is_ready(client):
    create(client, "updated", zipped(scale_model(2)))
    before = client.get_function_configuration(FunctionName="updated")
    answer = client.update_function_code(FunctionName="updated", ZipFile=zipped(scale_model(3)))
    assert (answer["State"], answer["LastUpdateStatus"], answer["LastUpdateStatusReasonCode"]) == ("Active", "InProgress", "Creating")
    assert answer["RevisionId"] != before["RevisionId"]
    seen = set()
    wait_for(lambda: seen.add(json.loads(invoke(client, "updated", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0]) or 3 in seen)
    assert seen <= {2, 3}
    client.get_waiter("function_updated").wait(FunctionName="updated")
    now = client.get_function_configuration(FunctionName="updated")
    client.update_function_code(FunctionName="updated", ZipFile=zipped(wrong_operator_model()))
    failed = wait_for(lambda: (c := client.get_function_configuration(FunctionName="updated"))["LastUpdateStatus"] != "InProgress" and c)
    assert failed["LastUpdateStatus"] == "Failed" and "Frobnicate" in failed["LastUpdateStatusReason"]
    version = client.publish_version(FunctionName="updated", Description="what runs")
    assert version["LastUpdateStatus"] == "Successful" and "LastUpdateStatusReason" not in version
    client.get_waiter("function_updated_v2").wait(FunctionName="updated:" + version["Version"])
    assert (failed["State"], failed["CodeSha256"]) == ("Active", now["CodeSha256"])
    assert json.loads(invoke(client, "updated", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 3


def test_update_of_configuration(client):
    create(client, "configured", Description="before", Environment={"Variables": {"AA": "1", "BB": "2"}})
    before = client.get_function_configuration(FunctionName="configured")
    answer = client.update_function_configuration(FunctionName="configured", Timeout=9, MemorySize=300, Environment={"Variables": {"CC": "3"}})
    assert (answer["LastUpdateStatus"], answer["Timeout"], answer["MemorySize"]) == ("InProgress", 9, 300)
    client.get_waiter("function_updated_v2").wait(FunctionName="configured")
    got = client.get_function_configuration(FunctionName="configured")
    assert (got["Timeout"], got["MemorySize"], got["Description"], got["Environment"]) == (9, 300, "before", {"Variables": {"CC": "3"}})
    assert len({before["RevisionId"], answer["RevisionId"], got["RevisionId"]}) == 3
    assert refused(client.update_function_configuration, FunctionName="configured", RevisionId="wrong")[:2] == (412, "PreconditionFailedException")
    assert refused(client.update_function_code, FunctionName="configured", ZipFile=zipped(), RevisionId="wrong")[:2] == (
        412, "PreconditionFailedException")
    client.update_function_configuration(FunctionName="configured", Description="after", RevisionId=got["RevisionId"])
    assert refused(client.update_function_configuration, FunctionName="configured", Timeout=901)[1] == "ValidationException"
    assert refused(client.update_function_configuration, FunctionName="none", Timeout=9)[0] == 404
    text = invoke(client, "configured", {"x": [[1, 1, 1, 1]]}, LogType="Tail")[0]["LogResult"]
    assert "Memory Size: 300 MB" in base64.b64decode(text).decode()


def test_dry_run_changes_nothing(client):
    create(client, "dry")
    before = client.get_function_configuration(FunctionName="dry")
    package = zipped(scale_model(5))
    answer = client.update_function_code(FunctionName="dry", ZipFile=package, DryRun=True)
    assert answer["CodeSha256"] == base64.b64encode(hashlib.sha256(package).digest()).decode() and answer["LastUpdateStatus"] == "Successful"
    after = client.get_function_configuration(FunctionName="dry")
    for answer in (before, after):
        del answer["ResponseMetadata"]
    assert before == after


def test_memory_that_is_too_small_fails_at_deploy_and_is_set_unless_told(client):
    big = scale_model(2, 30 << 20)  # 120 MB in and 120 MB out
    create(client, "hungry", zipped(big), wait=False, MemorySize=128)
    got = wait_for(lambda: (c := client.get_function_configuration(FunctionName="hungry"))["State"] != "Pending" and c)
    assert got["State"] == "Failed" and "128 MB" in got["StateReason"], got["StateReason"]
    create(client, "fed", zipped(big))
    needed = client.get_function_configuration(FunctionName="fed")["MemorySize"]
    assert 240 <= needed <= 1000
    client.update_function_configuration(FunctionName="fed", MemorySize=128)
    got = wait_for(lambda: (c := client.get_function_configuration(FunctionName="fed"))["LastUpdateStatus"] != "InProgress" and c)
    assert got["LastUpdateStatus"] == "Failed" and str(needed) in got["LastUpdateStatusReason"] and got["MemorySize"] == needed


def test_mayfly_json_states_memory_and_timeout(client):
    create(client, "stated", zipped(mayfly_json=json.dumps({"memory": 777, "timeout": 44})))
    got = client.get_function_configuration(FunctionName="stated")
    assert (got["MemorySize"], got["Timeout"]) == (777, 44)
    create(client, "told", zipped(mayfly_json=json.dumps({"memory": 777, "timeout": 44})), MemorySize=200, Timeout=5)
    got = client.get_function_configuration(FunctionName="told")
    assert (got["MemorySize"], got["Timeout"]) == (200, 5)


def test_list_pages_in_order_and_regions_do_not_mix(server, client):
    other = server.client("eu-central-1")
    names = [f"page-{i:02d}" for i in range(55)]
    package = zipped()
    for name in names:
        create(other, name, package, wait=False)
    first = other.list_functions()
    assert len(first["Functions"]) == 50 and first["NextMarker"]
    assert "State" not in first["Functions"][0] and "LastUpdateStatus" not in first["Functions"][0]
    assert first["Functions"][0]["FunctionArn"] == "arn:aws:lambda:eu-central-1:000000000000:function:page-00"
    pages = other.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 7})
    assert [f["FunctionName"] for page in pages for f in page["Functions"]] == names
    assert other.list_functions(FunctionVersion="ALL", MaxItems=1)["Functions"][0]["FunctionArn"].endswith(":page-00:$LATEST")
    assert not {f["FunctionName"] for f in client.list_functions()["Functions"]} & set(names)
    assert refused(other.list_functions, FunctionVersion="invalid")[2] == (
        "1 validation error detected: Value 'invalid' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]")
    assert refused(other.list_functions, Marker="?")[1] == "InvalidParameterValueException"
    for name in names:
        assert other.delete_function(FunctionName=name)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert other.list_functions()["Functions"] == []


def test_delete_and_make_anew(client):
    create(client, "again", zipped(scale_model(2)))
    assert json.loads(invoke(client, "again", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 2
    client.delete_function(FunctionName="again")
    assert refused(client.get_function, FunctionName="again")[0] == 404
    assert refused(client.invoke, FunctionName="again")[0] == 404
    create(client, "again", zipped(scale_model(7)))
    assert json.loads(invoke(client, "again", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 7
    assert client.delete_function(FunctionName="again", Qualifier="9")["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert client.get_function(FunctionName="again")


def test_reserved_concurrency(client):
    create(client, "reserved")
    assert "ReservedConcurrentExecutions" not in client.get_function_concurrency(FunctionName="reserved")
    assert client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=3)["ReservedConcurrentExecutions"] == 3
    assert client.get_function_concurrency(FunctionName="reserved")["ReservedConcurrentExecutions"] == 3
    assert client.get_function(FunctionName="reserved")["Concurrency"] == {"ReservedConcurrentExecutions": 3}
    minimum = ("InvalidParameterValueException", "Specified ReservedConcurrentExecutions for function decreases account's "
               "UnreservedConcurrentExecution below its minimum value of [100].")
    assert refused(client.put_function_concurrency, FunctionName="reserved", ReservedConcurrentExecutions=901)[1:] == minimum
    client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=900)
    create(client, "second")
    assert refused(client.put_function_concurrency, FunctionName="second", ReservedConcurrentExecutions=1)[1:] == minimum
    assert client.delete_function_concurrency(FunctionName="reserved")["ResponseMetadata"]["HTTPStatusCode"] == 204
    client.put_function_concurrency(FunctionName="second", ReservedConcurrentExecutions=900)
    client.delete_function(FunctionName="second")
    client.put_function_concurrency(FunctionName="reserved", ReservedConcurrentExecutions=1)
    assert "Aliases and versions do not support" in refused(client.put_function_concurrency, FunctionName="reserved:1",
                                                            ReservedConcurrentExecutions=1)[2]
    assert refused(client.put_function_concurrency, FunctionName="none", ReservedConcurrentExecutions=1)[2] == \
        f"Function not found: {ARN}none:$LATEST"
    client.delete_function_concurrency(FunctionName="reserved")
