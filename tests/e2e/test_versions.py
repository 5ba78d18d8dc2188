"""Published versions: publishing, what they show, listing, running, deleting; as AWS answers where its answers are recorded."""
import base64
import json

import pytest
from onnx import TensorProto, helper

import world
from test_functions import ARN, refused
from world import ROLE, Recorded, create, invoke, scale_model, wait_for, wrong_operator_model, zipped

DEFAULTS = {"Runtime": "python3.12", "Handler": "index.handler", "Timeout": 3, "MemorySize": 128}
X = {"x": [[1, 2, 3, 4]]}


def settle(client, name):
    client.get_waiter("function_updated_v2").wait(FunctionName=name)


def change(client, name, **more):
    client.update_function_configuration(FunctionName=name, **more)
    settle(client, name)


def recode(client, name, code, **more):
    package = code if isinstance(code, bytes) else zipped(scale_model(code))
    answer = client.update_function_code(FunctionName=name, ZipFile=package, **more)
    settle(client, name)
    return answer


def run(client, name, **more):
    """(executed version, first number of y)"""
    answer, body = invoke(client, name, X, **more)
    return answer["ExecutedVersion"], json.loads(body)["y"][0][0]


def versions(client, name):
    pages = client.get_paginator("list_versions_by_function").paginate(FunctionName=name)
    return [row["Version"] for page in pages for row in page["Versions"]]


class Answers(Recorded):
    """Recorded answers about a function of this name, compared but for what botocore's model does not have yet (LoggingConfig), what no
    model has (a runtime's version) and what the runtime of the recording could not have (SnapStart)."""

    def __init__(self, test, name, **known):
        super().__init__(test, **known)
        self.known.update({"function-name:1": name, "resource:1": "models", "resource:2": "models"})

    def compare(self, where, theirs, ours):
        if where.endswith((".LastModified", ".CodeSize", ".Location")):  # differ from answer to answer
            return
        if isinstance(theirs, dict) and "CodeSha256" in theirs and isinstance(ours, dict):
            theirs = {name: value for name, value in theirs.items() if name not in ("RuntimeVersionConfig", "LoggingConfig")}
            ours = {name: value for name, value in ours.items() if name != "SnapStart" or name in theirs}
        super().compare(where, theirs, ours)


def test_publish_on_create_as_recorded(client):
    recorded = Answers("TestLambdaVersions::test_publish_version_on_create", "born")
    this = {"FunctionName": "born"}
    recorded.check("create_response", client.create_function, **this, Role=ROLE, Code={"ZipFile": zipped()}, Publish=True, **DEFAULTS)
    client.get_waiter("function_active_v2").wait(**this)
    recorded.check("get_function_result", client.get_function, **this)
    recorded.check("get_function_version_result", client.get_function, **this, Qualifier="1")
    recorded.check("get_function_latest_result", client.get_function, **this, Qualifier="$LATEST")
    recorded.check("list_versions_result", client.list_versions_by_function, **this)
    recorded.check("repeated_publish_response", client.publish_version, **this)
    recorded.check("list_versions_result_after_publish", client.list_versions_by_function, **this)
    assert run(client, "born", Qualifier="1") == ("1", 2)


def test_a_life_as_recorded(client):
    recorded = Answers("TestLambdaVersions::test_version_lifecycle", "life")
    this = {"FunctionName": "life"}
    recorded.check("create_response", client.create_function, **this, Role=ROLE, Code={"ZipFile": zipped()}, Description="No version :(",
                   **DEFAULTS)
    client.get_waiter("function_active_v2").wait(**this)
    recorded.check("get_function_result", client.get_function, **this)
    recorded.check("list_versions_result", client.list_versions_by_function, **this)
    recorded.check("first_update_response", client.update_function_configuration, **this, Description="First version :)")
    settle(client, "life")
    recorded.check("first_update_get_function", client.get_function, **this)
    recorded.check("first_publish_response", client.publish_version, **this, Description="First version description :)")
    recorded.check("first_publish_get_function", client.get_function, **this, Qualifier="1")
    recorded.check("first_publish_get_function_config", client.get_function_configuration, **this, Qualifier="1")
    recorded.check("second_update_response", client.update_function_configuration, **this, Description="Second version :))")
    settle(client, "life")
    recorded.check("first_publish_get_function_after_update", client.get_function, **this, Qualifier="1")
    recorded.check("second_publish_response", client.publish_version, **this)
    recorded.check("third_publish_response", client.publish_version, **this, Description="Not published")
    recorded.check("list_versions_result_after_third_publish", client.list_versions_by_function, **this)
    client.delete_function(**this, Qualifier="1")
    recorded.check("list_versions_result_after_deletion_of_first_version", client.list_versions_by_function, **this)


@pytest.mark.parametrize("what, wrong", [("revisionid", {"RevisionId": "doesntexist"}), ("sha256", {"CodeSha256": "somenonexistentsha256"})])
def test_preconditions_as_recorded(client, what, wrong):
    name = f"pre-{what}"
    recorded = Answers(f"TestLambdaVersions::test_publish_with_wrong_{what}", name)
    this = {"FunctionName": name}
    recorded.check("create_response", client.create_function, **this, Role=ROLE, Code={"ZipFile": zipped()},
                   **{**DEFAULTS, **({"Runtime": "python3.9"} if what == "revisionid" else {})})
    client.get_waiter("function_active_v2").wait(**this)
    got = recorded.check("get_fn_response", client.get_function, **this)["Configuration"]
    recorded.check(f"publish_wrong_{what}_exc", client.publish_version, **this, **wrong)
    recorded.check("publish_result", client.publish_version, **this, RevisionId=got["RevisionId"], CodeSha256=got["CodeSha256"])


def test_publish_with_update_as_recorded(client):
    recorded = Answers("TestLambdaVersions::test_publish_with_update", "updated")
    this = {"FunctionName": "updated"}
    recorded.check("create_response", client.create_function, **this, Role=ROLE, Code={"ZipFile": zipped()}, **DEFAULTS)
    client.get_waiter("function_active_v2").wait(**this)
    recorded.check("get_function_result", client.get_function, **this)
    package = zipped(scale_model(3.0))
    recorded.check("update_function_code_result", client.update_function_code, **this, ZipFile=package, Publish=True)
    client.get_waiter("published_version_active").wait(**this, Qualifier="1")
    settle(client, "updated")
    assert run(client, "updated", Qualifier="1") == ("1", 3)
    assert recode(client, "updated", package, Publish=True)["FunctionArn"] == ARN + "updated:1"  # nothing is new
    assert recode(client, "updated", 4.0, Publish=True)["FunctionArn"] == ARN + "updated:2"
    assert versions(client, "updated") == ["$LATEST", "1", "2"]
    assert [run(client, "updated", Qualifier=q)[1] for q in ("1", "2", "$LATEST")] == [3, 4, 4]


def test_a_version_that_cannot_be_compiled_fails_with_its_update(client):
    create(client, "broken")
    client.update_function_code(FunctionName="broken", ZipFile=zipped(wrong_operator_model()), Publish=True)
    got = wait_for(lambda: (lambda c: c["State"] != "Pending" and c)(client.get_function_configuration(FunctionName="broken", Qualifier="1")))
    assert got["State"] == "Failed" and "Frobnicate" in got["StateReason"]
    assert refused(client.invoke, FunctionName="broken", Qualifier="1", Payload=b"{}")[:2] == (409, "ResourceConflictException")
    assert run(client, "broken") == ("$LATEST", 2)
    assert client.publish_version(FunctionName="broken")["Version"] == "2"


def test_versions_keep_their_code_and_configuration(client):
    create(client, "fixed", Environment={"Variables": {"AB": "1"}}, Timeout=5)
    first = client.publish_version(FunctionName="fixed", Description="the first")
    assert first["ResponseMetadata"]["HTTPStatusCode"] == 201
    assert (first["Version"], first["FunctionArn"], first["Description"]) == ("1", ARN + "fixed:1", "the first")
    recode(client, "fixed", 5.0)
    change(client, "fixed", Timeout=9, Environment={"Variables": {"AB": "2"}})
    assert run(client, "fixed") == ("$LATEST", 5) and run(client, "fixed", Qualifier="1") == ("1", 2)
    assert run(client, ARN + "fixed:1") == ("1", 2) and run(client, "fixed:1", Qualifier="1") == ("1", 2)
    shown = client.get_function_configuration(FunctionName="fixed:1")
    first.pop("ResponseMetadata"), shown.pop("ResponseMetadata")
    assert shown == first
    assert client.publish_version(FunctionName="fixed")["Version"] == "2"


def test_the_log_names_the_version_and_is_the_functions(client, server):
    create(client, "logged")
    client.publish_version(FunctionName="logged")
    answer, _ = invoke(client, "logged", X, Qualifier="1", LogType="Tail")
    log = base64.b64decode(answer["LogResult"]).decode()
    assert log.startswith("START RequestId: ") and "Version: 1\n" in log
    assert "Version: 1\n" in server.run("logs", "logged").stdout.decode()
    wait_for(lambda: server.rows()["logged"]["invocations"] == 1)


def test_unknown_versions(client):
    create(client, "few")
    client.publish_version(FunctionName="few")
    for qualifier in ("2", "01", "12345678901234567890", "live"):
        missing = (404, "ResourceNotFoundException", f"Function not found: {ARN}few:{qualifier}")
        for call in (client.get_function, client.get_function_configuration, client.invoke):
            assert refused(call, FunctionName="few", Qualifier=qualifier) == missing
    assert refused(client.update_function_configuration, FunctionName="few:1", Timeout=4)[:2] == (400, "InvalidParameterValueException")
    assert refused(client.update_function_configuration, FunctionName="few:7", Timeout=4)[2] == f"Function not found: {ARN}few:7"
    for call in (client.publish_version, client.list_versions_by_function):
        assert refused(call, FunctionName="missing") == (404, "ResourceNotFoundException", f"Function not found: {ARN}missing")
    assert refused(client.invoke, FunctionName="missing", Qualifier="1")[2] == f"Function not found: {ARN}missing:1"
    assert refused(client.publish_version, FunctionName="few", Description="d" * 257)[1] == "ValidationException"


def long_model(nodes=20000):
    """A chain of additions that takes a moment to compile."""
    graph = helper.make_graph([helper.make_node("Add", [f"v{i}", "x"], [f"v{i + 1}"]) for i in range(nodes)], "long",
                              [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "v0")],
                              [helper.make_tensor_value_info(f"v{nodes}", TensorProto.FLOAT, [1, 4])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()


def test_publishing_waits_for_updates(client):
    client.create_function(FunctionName="early", Role=ROLE, Code={"ZipFile": zipped(long_model())})
    refusal = refused(client.publish_version, FunctionName="early")
    assert refusal[:2] == (409, "ResourceConflictException") and refusal[2].endswith("in the following state: Pending")
    client.get_waiter("function_active_v2").wait(FunctionName="early")
    client.update_function_code(FunctionName="early", ZipFile=zipped(long_model(20001)))
    refusal = refused(client.publish_version, FunctionName="early")
    assert refusal == (409, "ResourceConflictException", "The operation cannot be performed at this time. An update is in progress for "
                       f"resource: {ARN}early")
    settle(client, "early")


def test_numbers_are_never_given_again(client):
    create(client, "numbers")
    for number in ("1", "2", "3"):
        change(client, "numbers", Description=f"nr. {number}")
        assert client.publish_version(FunctionName="numbers")["Version"] == number
    for number in ("2", "3", "3"):
        assert client.delete_function(FunctionName="numbers", Qualifier=number)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert versions(client, "numbers") == ["$LATEST", "1"]
    assert client.publish_version(FunctionName="numbers")["Version"] == "4"
    assert refused(client.delete_function, FunctionName="numbers", Qualifier="live")[2] == "Deletion of aliases is not currently supported."
    assert refused(client.invoke, FunctionName="numbers", Qualifier="3")[0] == 404
    for last in ("5", "6"):  # not even when the function is deleted and made again
        client.delete_function(FunctionName="numbers")
        made = create(client, "numbers", Publish=True)
        assert (made["Version"], versions(client, "numbers")) == (last, ["$LATEST", last]) and run(client, "numbers", Qualifier=last) == (last, 2)
    client.delete_function(FunctionName="numbers")
    create(client, "numbers")
    assert versions(client, "numbers") == ["$LATEST"] and refused(client.invoke, FunctionName="numbers", Qualifier="6")[0] == 404
    assert client.publish_version(FunctionName="numbers")["Version"] == "7"
    assert client.publish_version(FunctionName="numbers")["Version"] == "7"


def test_revisions_as_recorded(client):
    recorded = Answers("TestLambdaRevisions::test_function_revisions_version_and_alias", "revisions")
    this = {"FunctionName": "revisions"}
    create(client, "revisions", Environment={"Variables": {}}, **{**DEFAULTS, "Timeout": 30, "Handler": "handler.handler"})
    recorded.check("get_function_active_rev2", client.get_function, **this)
    recorded.check("publish_version_revision_exception", client.publish_version, **this, RevisionId="wrong")
    recorded.check("publish_version_response_rev_v1", client.publish_version, **this,
                   RevisionId=client.get_function_configuration(**this)["RevisionId"])
    recorded.check("get_function_published_version_rev_v2", client.get_function, **this, Qualifier="1")
    recorded.check("get_function_latest_rev3", client.get_function, **this)


def test_lists_have_pages(client):
    create(client, "paged")
    for number in range(1, 13):
        change(client, "paged", Description=f"nr. {number}")
        client.publish_version(FunctionName="paged")
    expected = ["$LATEST", *map(str, range(1, 13))]
    for size in (1, 5, 12, 13, 50):
        pages = list(client.get_paginator("list_versions_by_function").paginate(FunctionName="paged", PaginationConfig={"PageSize": size}))
        assert [row["Version"] for page in pages for row in page["Versions"]] == expected, size
        assert len(pages) == -(-13 // size), size
    assert refused(client.list_versions_by_function, FunctionName="paged", MaxItems=0)[1] == "ValidationException"
    assert refused(client.list_versions_by_function, FunctionName="paged", Marker="!")[0] == 400
    rows = client.list_versions_by_function(FunctionName="paged")["Versions"]
    assert [row["FunctionArn"] for row in rows[:2]] == [ARN + "paged:$LATEST", ARN + "paged:1"] and "State" not in rows[1]


def test_all_functions_with_their_versions():
    server = world.Server()
    client = server.client()
    expected = []
    for name in ("a", "a-b", "a0", "a_", "b"):
        create(client, name, Publish=name != "a0")
        expected += [f"{name}:$LATEST"] + [f"{name}:1"] * (name != "a0")
    change(client, "a-b", Timeout=10)
    client.publish_version(FunctionName="a-b")
    expected.insert(expected.index("a-b:1") + 1, "a-b:2")
    for size in (1, 2, 3, 50):
        pages = client.get_paginator("list_functions").paginate(FunctionVersion="ALL", PaginationConfig={"PageSize": size})
        assert [row["FunctionArn"].removeprefix(ARN) for page in pages for row in page["Functions"]] == expected, size
    assert [row["FunctionArn"] for row in client.list_functions()["Functions"]] == [ARN + name for name in ("a", "a-b", "a0", "a_", "b")]
    usage = client.get_account_settings()["AccountUsage"]
    assert usage == {"FunctionCount": 5, "TotalCodeSize": len(zipped()) * 10}
    assert server.stop() == 0


def test_versions_outlive_restarts_and_new_code_and_go_with_the_function():
    server = world.Server()
    client = server.client()
    create(client, "kept", Publish=True)
    recode(client, "kept", 7.0)
    server.kill()
    server.start()
    client = server.client()
    assert run(client, "kept", Qualifier="1") == ("1", 2) and run(client, "kept") == ("$LATEST", 7)
    blobs = lambda: len([blob for blob in (server.data / "blobs").rglob("*") if blob.is_file()])
    before = blobs()
    client.delete_function(FunctionName="kept", Qualifier="1")
    wait_for(lambda: blobs() == before - 2, what="the version's package and image to go")
    assert run(client, "kept") == ("$LATEST", 7)
    change(client, "kept", Timeout=8)
    client.publish_version(FunctionName="kept")
    client.delete_function(FunctionName="kept")
    wait_for(lambda: blobs() == 0, what="all blobs to go")
    create(client, "kept")
    assert versions(client, "kept") == ["$LATEST"]
    server.kill()
    server.start()
    client = server.client()
    assert client.publish_version(FunctionName="kept")["Version"] == "3"
    client.delete_function(FunctionName="kept", Qualifier="3")
    assert client.get_account_settings()["AccountUsage"] == {"FunctionCount": 1, "TotalCodeSize": len(zipped())}
    assert server.stop() == 0


def test_the_damaged_image_of_a_version_is_built_again():
    server = world.Server()
    client = server.client()
    create(client, "damaged", Publish=True)
    recode(client, "damaged", 6.0)
    server.stop()
    for blob in (server.data / "blobs").rglob("*"):
        if blob.is_file() and not blob.read_bytes().startswith(b"PK"):
            blob.unlink()
    server.start()
    client = server.client()
    client.get_waiter("published_version_active").wait(FunctionName="damaged", Qualifier="1")

    def runs():
        try:
            return all(run(client, "damaged", Qualifier=qualifier) for qualifier in ("1", "$LATEST"))
        except client.exceptions.ServiceException:  # being compiled
            return False
    wait_for(runs, what="both images")
    assert run(client, "damaged", Qualifier="1") == ("1", 2) and run(client, "damaged") == ("$LATEST", 6)
    assert server.stop() == 0

