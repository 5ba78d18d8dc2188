"""Aliases: made, changed, listed, deleted, and calls that go where the alias points; as AWS answers where its answers are recorded."""
import json

import pytest

from test_functions import ARN, refused
from test_versions import DEFAULTS, X, Answers, change, recode, run, versions
from world import ROLE, Recorded, create, invoke, scale_model, zipped

STAGING, PROD = ({"Environment": {"Variables": {"testenv": name}}} for name in ("staging", "prod"))
DRAWS = 400


def two_versions(client, name, **more):
    """Version 1 doubles, version 2 triples."""
    create(client, name, zipped(scale_model(2.0)), Publish=True, **more)
    recode(client, name, 3.0, Publish=True)
    assert versions(client, name) == ["$LATEST", "1", "2"]


def test_a_life_as_recorded(client):
    recorded = Answers("TestLambdaAlias::test_alias_lifecycle", "aliased")
    this = {"FunctionName": "aliased"}
    recorded.check("create_response", client.create_function, **this, Role=ROLE, Code={"ZipFile": zipped()}, **DEFAULTS, **STAGING)
    client.get_waiter("function_active_v2").wait(**this)
    recorded.check("publish_v1", client.publish_version, **this)
    change(client, "aliased", **PROD)
    recorded.check("publish_v2", client.publish_version, **this)
    custom = {"Description": "custom-alias"}
    recorded.check("create_alias_1_1", client.create_alias, **this, Name="aliasname1_1", FunctionVersion="1", **custom,
                   RoutingConfig={"AdditionalVersionWeights": {"2": 0.2}})
    recorded.check("get_alias_1_1", client.get_alias, **this, Name="aliasname1_1")
    recorded.check("get_function_alias_1_1", client.get_function, **this, Qualifier="aliasname1_1")
    recorded.check("get_function_byarn_alias_1_1", client.get_function, FunctionName=ARN + "aliased:aliasname1_1")
    recorded.check("get_function_alias_notfound_exc", client.get_function, **this, Qualifier="aliasdoesnotexist")
    recorded.check("get_function_alias_byarn_notfound_exc", client.get_function, FunctionName=ARN + "aliased:aliasdoesnotexist")
    for name, version, more in (("1_2", "1", custom), ("1_3", "1", {}), ("2", "2", custom)):
        recorded.check(f"create_alias_{name}", client.create_alias, **this, Name=f"aliasname{name}", FunctionVersion=version, **more)
        recorded.check(f"get_alias_{name}", client.get_alias, **this, Name=f"aliasname{name}")
    recorded.compare("aliases", recorded.steps["list_aliases_for_fnname"]["Aliases"], client.list_aliases(**this)["Aliases"])
    recorded.check("update_alias_1_1", client.update_alias, **this, Name="aliasname1_1", RoutingConfig={"AdditionalVersionWeights": {}})
    recorded.check("get_alias_1_1_after_update", client.get_alias, **this, Name="aliasname1_1")
    recorded.check("list_aliases_for_fnname_after_update", client.list_aliases, **this)
    recorded.check("update_alias_1_2", client.update_alias, **this, Name="aliasname1_2", RoutingConfig={"AdditionalVersionWeights": {}})
    recorded.check("get_alias_1_2_after_update", client.get_alias, **this, Name="aliasname1_2")
    recorded.check("list_aliases_for_fnname_after_update_2", client.list_aliases, **this)
    recorded.check("list_aliases_for_version", client.list_aliases, **this, FunctionVersion="1")
    recorded.check("delete_alias_response", client.delete_alias, **this, Name="aliasname1_1")
    recorded.check("list_aliases_for_fnname_afterdelete", client.list_aliases, **this)


def test_refusals_as_recorded(client):
    recorded = Answers("TestLambdaAlias::test_notfound_and_invalid_routingconfigs", "routed")
    this = {"FunctionName": "routed"}
    recorded.check("create_response", client.create_function, **this, Role=ROLE, Code={"ZipFile": zipped()}, Publish=True, **DEFAULTS, **STAGING)
    client.get_waiter("function_active_v2").wait(**this)
    recorded.check("publish_v1", client.publish_version, **this)
    change(client, "routed", **PROD)
    recorded.check("publish_v2", client.publish_version, **this)

    def check(step, name="custom", version="1", weights=None, **more):
        routing = {} if weights is None else {"RoutingConfig": {"AdditionalVersionWeights": weights}}
        recorded.check(step, client.create_alias, **{**this, "Name": name, "FunctionVersion": version, **routing, **more})

    check("routing_config_exc_toomany", weights={"1": 0.5, "2": 0.5})
    check("routing_config_exc_toohigh", weights={"2": 2.0})
    check("routing_config_exc_subzero", weights={"2": -1.0})
    check("routing_config_exc_sameversion", weights={"1": 0.5})
    check("target_version_doesnotexist", version="10", weights={"2": 0.5})
    check("routing_config_exc_version_doesnotexist", weights={"10": 0.5})
    check("target_version_exc_version_latest", version="$LATEST", weights={"1": 0.5})
    check("routing_config_exc_version_latest", weights={"$LATEST": 0.5})
    check("create-alias-latest", name="custom-latest", version="$LATEST")
    check("routing_config_exc_fn_doesnotexist", FunctionName="routed-unknown", weights={"2": 0.5})
    check("create_alias_empty_routingconfig", name="custom-empty-routingconfig", weights={})
    check("create_alias_response", weights={"2": 0.5})
    check("routing_config_exc_already_exist", weights={"2": 0.5})
    recorded.check("alias_does_not_exist_esc", client.get_alias, **this, Name="non-existent")


def test_names_and_what_is_not_there_as_recorded(client):
    recorded = Answers("TestLambdaAlias::test_alias_naming", "named")
    this = {"FunctionName": "named"}
    recorded.check("create_response", client.create_function, **this, Role=ROLE, Code={"ZipFile": zipped()}, **DEFAULTS, **STAGING)
    client.get_waiter("function_active_v2").wait(**this)
    recorded.check("publish_v1", client.publish_version, **this)
    recorded.check("create_alias_date", client.create_alias, **this, Name="2024-01-02", FunctionVersion="1", Description="custom-alias")
    recorded.check("get_alias_date", client.get_alias, **this, Name="2024-01-02")
    recorded.check("create_alias_number_exception", client.create_alias, **this, Name="2024", FunctionVersion="1")
    recorded = Recorded("TestLambdaAlias::test_non_existent_alias_deletion", function_name="named")
    recorded.check("delete_alias_response", client.delete_alias, **this, Name="non-existent")
    recorded = Recorded("TestLambdaAlias::test_non_existent_alias_update", **{"function-name:1": "named"})
    recorded.check("update_alias_response", client.update_alias, **this, Name="non-existent", Description="x")
    for call in (client.list_aliases, client.delete_alias):
        assert refused(call, FunctionName="missing", **({"Name": "a"} if call == client.delete_alias else {}))[1:] == (
            "ResourceNotFoundException", f"Function not found: {ARN}missing")
    assert refused(client.get_alias, FunctionName="missing", Name="a")[2] == f"Cannot find alias arn: {ARN}missing:a"
    assert refused(client.create_alias, **this, Name="a" * 129, FunctionVersion="1")[1] == "ValidationException"
    assert refused(client.create_alias, **this, Name="a", FunctionVersion="x")[1] == "ValidationException"
    assert refused(client.create_alias, **this, Name="a", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": "x"}})[1] == \
        "SerializationException"
    assert refused(client.get_alias, **this, Name="%41!")[1] == "ValidationException"


def test_revisions_as_recorded(client):
    recorded = Answers("TestLambdaRevisions::test_function_revisions_version_and_alias", "revised")
    this = {"FunctionName": "revised"}
    create(client, "revised", Environment={"Variables": {}}, **{**DEFAULTS, "Timeout": 30, "Handler": "handler.handler"})
    recorded.check("publish_version_response_rev_v1", client.publish_version, **this)
    recorded.check("get_function_latest_rev3", client.get_function, **this)
    alias = recorded.check("create_alias_response_rev_a1", client.create_alias, **this, Name="revision_alias", FunctionVersion="1")
    recorded.check("get_function_latest_rev4", client.get_function, **this)
    recorded.check("get_function_published_version_rev_v3", client.get_function, **this, Qualifier="1")
    recorded.check("update_alias_revision_exception", client.update_alias, **this, Name="revision_alias", RevisionId="wrong")
    recorded.check("update_alias_response_rev_a2", client.update_alias, **this, Name="revision_alias", RevisionId=alias["RevisionId"],
                   Description="something changed")


def test_an_alias_runs_what_it_points_to(client):
    two_versions(client, "pointing")
    this = {"FunctionName": "pointing", "Name": "live"}
    client.create_alias(**this, FunctionVersion="1")
    assert run(client, "pointing", Qualifier="live") == ("1", 2)
    assert run(client, "pointing:live") == run(client, ARN + "pointing:live") == ("1", 2)
    client.update_alias(**this, FunctionVersion="2")
    assert run(client, "pointing", Qualifier="live") == ("2", 3)
    recode(client, "pointing", 5.0)
    client.update_alias(**this, FunctionVersion="$LATEST")
    assert run(client, "pointing", Qualifier="live") == ("$LATEST", 5)
    got = client.get_function_configuration(FunctionName="pointing", Qualifier="live")
    assert (got["FunctionArn"], got["Version"]) == (ARN + "pointing:live", "$LATEST")
    client.delete_alias(**this)
    assert refused(client.invoke, FunctionName="pointing", Qualifier="live")[2] == f"Function not found: {ARN}pointing:live"
    client.create_alias(**this, FunctionVersion="2")
    assert run(client, "pointing:live") == ("2", 3)
    client.delete_function(FunctionName="pointing")
    create(client, "pointing", zipped(scale_model(7.0)), Publish=True)
    assert refused(client.invoke, FunctionName="pointing:live")[2] == f"Function not found: {ARN}pointing:live"
    client.create_alias(**this, FunctionVersion="3")
    assert run(client, "pointing:live") == ("3", 7)


def test_many_aliases_are_told_apart(client):
    """More than stay parsed."""
    two_versions(client, "many")
    for i in range(600):
        client.create_alias(FunctionName="many", Name=f"a{i}", FunctionVersion=str(i % 2 + 1))
    for _ in range(2):
        assert [run(client, "many", Qualifier=f"a{i}")[0] for i in range(600)] == ["1", "2"] * 300


@pytest.fixture(scope="module")
def odd(client):
    create(client, "odd", Publish=True)
    client.create_alias(FunctionName="odd", Name="live", FunctionVersion="1")


@pytest.mark.parametrize("name, qualifier, status", [
    ("odd", "no", 404), ("odd", "9", 404), ("odd", "x" * 128, 404), ("odd", "$LATEST", 200), ("odd:$LATEST", None, 200), ("odd:live", "live", 200),
    ("odd:live", "1", 400), ("odd", "x" * 129, 400), ("odd", "a b", 400), ("odd", "a%41", 400), ("odd:", None, 400), ("x" * 65, "1", 404), ("no", "1", 404)],
    ids=lambda value: str(value)[:20])
def test_what_a_qualifier_may_be(client, odd, name, qualifier, status):
    call = {"FunctionName": name, "Payload": json.dumps(X)} | ({"Qualifier": qualifier} if qualifier else {})
    found = client.invoke(**call)["StatusCode"] if status == 200 else refused(client.invoke, **call)[0]
    assert found == status


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_weights_route(client, weight):
    name = f"weighted-{weight}".replace(".", "")
    two_versions(client, name)
    client.create_alias(FunctionName=name, Name="split", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": weight}})
    answers = [run(client, name, Qualifier="split") for _ in range(DRAWS)]
    assert set(answers) <= {("1", 2.0), ("2", 3.0)}  # the version that is named is the one that ran
    second = answers.count(("2", 3.0))
    assert abs(second - weight * DRAWS) <= 5 * (DRAWS * weight * (1 - weight)) ** 0.5, f"{second} of {DRAWS} calls at {weight}"


def test_changing_a_part_keeps_the_rest(client):
    two_versions(client, "parts")
    this = {"FunctionName": "parts", "Name": "live"}
    client.create_alias(**this, FunctionVersion="1", Description="d", RoutingConfig={"AdditionalVersionWeights": {"2": 0.25}})
    got = client.update_alias(**this, Description="e")
    assert (got["FunctionVersion"], got["Description"], got["RoutingConfig"]) == ("1", "e", {"AdditionalVersionWeights": {"2": 0.25}})
    assert "already included" in refused(client.update_alias, **this, FunctionVersion="2")[2]
    got = client.update_alias(**this, FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {"1": 0.1}})
    assert (got["FunctionVersion"], got["RoutingConfig"]) == ("2", {"AdditionalVersionWeights": {"1": 0.1}})
    assert refused(client.update_alias, **this, FunctionVersion="9")[2] == f"Function not found: {ARN}parts:9"
    got = client.update_alias(**this, RoutingConfig={})
    assert "RoutingConfig" not in got and got["FunctionVersion"] == "2"


def test_a_version_that_aliases_use_is_not_deleted(client):
    two_versions(client, "used")
    client.create_alias(FunctionName="used", Name="b", FunctionVersion="1")
    client.create_alias(FunctionName="used", Name="a", FunctionVersion="2", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
    assert refused(client.delete_function, FunctionName="used", Qualifier="1") == (
        409, "ResourceConflictException", "Unable to delete version because the following aliases reference it: [a, b]")
    client.update_alias(FunctionName="used", Name="a", RoutingConfig={})
    client.delete_alias(FunctionName="used", Name="b")
    client.delete_function(FunctionName="used", Qualifier="1")
    assert versions(client, "used") == ["$LATEST", "2"]
    assert refused(client.delete_function, FunctionName="used", Qualifier="a")[2] == "Deletion of aliases is not currently supported."


def test_aliases_have_pages_and_go_with_the_function(client):
    two_versions(client, "paging")
    names = sorted(f"alias-{i}" for i in range(7))
    for name in reversed(names):
        client.create_alias(FunctionName="paging", Name=name, FunctionVersion="2" if name == "alias-3" else "1")
    for size in (1, 3, 7, 50):
        pages = list(client.get_paginator("list_aliases").paginate(FunctionName="paging", PaginationConfig={"PageSize": size}))
        assert [row["Name"] for page in pages for row in page["Aliases"]] == names and len(pages) == -(-7 // size)
    pages = client.get_paginator("list_aliases").paginate(FunctionName="paging", FunctionVersion="2", PaginationConfig={"PageSize": 2})
    assert [row["Name"] for page in pages for row in page["Aliases"]] == ["alias-3"]
    client.delete_function(FunctionName="paging")
    create(client, "paging")
    assert client.list_aliases(FunctionName="paging")["Aliases"] == []


def test_aws_cli_shifts_traffic(server, client):
    two_versions(client, "cli")
    made = server.aws("lambda", "create-alias", "--function-name", "cli", "--name", "live", "--function-version", "1", "--routing-config",
                      "AdditionalVersionWeights={2=0.05}")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["RoutingConfig"] == {"AdditionalVersionWeights": {"2": 0.05}}
    changed = server.aws("lambda", "update-alias", "--function-name", "cli", "--name", "live", "--function-version", "2", "--routing-config",
                         "AdditionalVersionWeights={}")
    assert changed.returncode == 0 and "RoutingConfig" not in json.loads(changed.stdout), changed.stderr
    answer, _ = invoke(client, "cli:live", X)
    assert answer["ExecutedVersion"] == "2"
