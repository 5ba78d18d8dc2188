"""Provisioned and reserved concurrency of versions: instances that are there before a call comes, and what they leave for others."""
import base64
import concurrent.futures
import json
import os
import signal

import pytest

import world
from test_aliases import two_versions
from test_functions import ARN, refused
from test_metrics import fetch, of
from test_versions import DEFAULTS, X, Answers, long_model, recode, run
from world import ROLE, Recorded, create, invoke, scale_model, slow_model, wait_for, zipped

NONE = (404, "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function")


def put(client, name, qualifier, n):
    return client.put_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=n)


def get(client, name, qualifier):
    return client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)


def ready(client, name, qualifier, n):
    got = wait_for(lambda: (lambda c: c["Status"] == "READY" and c)(get(client, name, qualifier)), what=f"{name}:{qualifier} to be ready")
    assert (got["RequestedProvisionedConcurrentExecutions"], got["AvailableProvisionedConcurrentExecutions"],
            got["AllocatedProvisionedConcurrentExecutions"]) == (n, n, n)
    return got


def provision(client, name, qualifier, n):
    put(client, name, qualifier, n)
    return ready(client, name, qualifier, n)


def instances(server, name):
    row = server.rows()[name]
    return row["instances_idle"] + row["instances_busy"]


def unreserved(client):
    return client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]


def is_cold(client, name, **more):
    answer, _ = invoke(client, name, X, **more)
    return "x-mayfly-init-ns" in answer["ResponseMetadata"]["HTTPHeaders"]


def test_refusals_as_recorded(client):
    recorded = Answers("TestLambdaProvisionedConcurrency::test_provisioned_concurrency_exceptions", "provisioned")
    this = {"FunctionName": "provisioned"}
    create(client, "provisioned", Environment={"Variables": {}}, **{**DEFAULTS, "Timeout": 30, "Handler": "handler.handler"})
    recorded.check("publish_version_result", client.publish_version, **this)
    for verb in ("get", "delete"):
        call = getattr(client, f"{verb}_provisioned_concurrency_config")
        recorded.check(f"{verb}_provisioned_config_doesnotexist", call, **this, Qualifier="1")
        recorded.check(f"{verb}_provisioned_functionname_doesnotexist", call, FunctionName="doesnotexist",
                       Qualifier="noalias" if verb == "get" else "1")
        recorded.check(f"{verb}_provisioned_qualifier_doesnotexist", call, **this, Qualifier="noalias")
        recorded.check(f"{verb}_provisioned_version_doesnotexist", call, **this, Qualifier="10")
        recorded.check(f"{verb}_provisioned_latest", call, **this, Qualifier="$LATEST")
    recorded.check("list_provisioned_noconfigs", client.list_provisioned_concurrency_configs, **this)
    recorded.check("list_provisioned_functionname_doesnotexist", client.list_provisioned_concurrency_configs, FunctionName="doesnotexist")

    def check(step, name="provisioned", qualifier="1", n=1):
        recorded.check(step, client.put_provisioned_concurrency_config, FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=n)
    check("put_provisioned_invalid_param_0", n=0)
    check("put_provisioned_functionname_doesnotexist_alias", name="doesnotexist", qualifier="noalias")
    check("put_provisioned_functionname_doesnotexist_version", name="doesnotexist")
    check("put_provisioned_qualifier_doesnotexist", qualifier="doesnotexist")
    check("put_provisioned_version_doesnotexist", qualifier="10")
    check("put_provisioned_latest", qualifier="$LATEST")
    client.create_alias(**this, Name="newest", FunctionVersion="$LATEST")
    assert "unpublished" in refused(client.put_provisioned_concurrency_config, **this, Qualifier="newest", ProvisionedConcurrentExecutions=1)[2]
    assert refused(client.get_provisioned_concurrency_config, **this)[:2] == (400, "ValidationException")


def test_a_life_as_recorded(client):
    recorded = Answers("TestLambdaProvisionedConcurrency::test_lambda_provisioned_lifecycle", "lifted", **{"alias-name": "live"})
    this, alias = {"FunctionName": "lifted"}, {"Qualifier": "live", "ProvisionedConcurrentExecutions": 1}
    version = {"Qualifier": "1", "ProvisionedConcurrentExecutions": 1}
    create(client, "lifted", Environment={"Variables": {}}, **{**DEFAULTS, "Timeout": 30, "Handler": "handler.handler"})
    recorded.check("publish_version_result", client.publish_version, **this)
    recorded.check("create_alias_result", client.create_alias, **this, Name="live", FunctionVersion="1")
    recorded.check("put_provisioned_on_version", client.put_provisioned_concurrency_config, **this, **version)
    recorded.check("put_provisioned_on_alias_versionconflict", client.put_provisioned_concurrency_config, **this, **alias)
    ready(client, "lifted", "1", 1)
    recorded.check("delete_provisioned_version", client.delete_provisioned_concurrency_config, **this, Qualifier="1")
    recorded.check("get_provisioned_version_postdelete", client.get_provisioned_concurrency_config, **this, Qualifier="1")
    recorded.check("put_provisioned_on_alias", client.put_provisioned_concurrency_config, **this, **alias)
    recorded.check("put_provisioned_on_version_conflict", client.put_provisioned_concurrency_config, **this, **version)
    ready(client, "lifted", "live", 1)
    recorded.check("delete_alias_result", client.delete_alias, **this, Name="live")
    recorded.check("get_provisioned_alias_postaliasdelete", client.get_provisioned_concurrency_config, **this, Qualifier="live")
    recorded.check("list_response_postdeletes", client.list_provisioned_concurrency_configs, **this)


def test_limits_as_recorded(client):
    recorded = Recorded("TestLambdaProvisionedConcurrency::test_provisioned_concurrency_limits", min_unreserved_concurrency="100",
                        unreserved_concurrency="1000")
    for name in ("min_unreserved_concurrency", "unreserved_concurrency"):
        recorded.known[name] = recorded.known.pop(name.replace("_", "-"))
    create(client, "limited", Publish=True)
    this = {"FunctionName": "limited", "Qualifier": "1"}
    recorded.known["unreserved_concurrency"] = str(unreserved(client))
    recorded.check("put_provisioned_concurrency_account_limit_exceeded", client.put_provisioned_concurrency_config, **this,
                   ProvisionedConcurrentExecutions=1001)
    recorded.check("put_provisioned_concurrency_below_unreserved_min_value", client.put_provisioned_concurrency_config, **this,
                   ProvisionedConcurrentExecutions=unreserved(client) - 99)
    client.put_function_concurrency(FunctionName="limited", ReservedConcurrentExecutions=2)
    assert refused(client.put_provisioned_concurrency_config, **this, ProvisionedConcurrentExecutions=3)[1:] == (
        "InvalidParameterValueException", "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
    provision(client, "limited", "1", 2)
    assert refused(client.put_function_concurrency, FunctionName="limited", ReservedConcurrentExecutions=1)[1:] == (
        "InvalidParameterValueException",
        " ReservedConcurrentExecutions  1 should not be lower than function's total provisioned concurrency [2].")
    client.delete_function(FunctionName="limited")


def test_instances_are_there_before_the_first_call_and_stay(server, client):  # whose keep-alive is two seconds
    create(client, "warm", zipped(scale_model(2.0)), Publish=True)
    before = unreserved(client)
    answer = put(client, "warm", "1", 3)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202 and answer["Status"] == "IN_PROGRESS"
    ready(client, "warm", "1", 3)
    assert unreserved(client) == before - 3
    assert instances(server, "warm") == 3
    answer, body = invoke(client, "warm", X, Qualifier="1", LogType="Tail")
    assert "x-mayfly-init-ns" not in answer["ResponseMetadata"]["HTTPHeaders"] and json.loads(body)["y"][0][0] == 2
    assert "Init Duration: " in base64.b64decode(answer["LogResult"]).decode()  # of the first call, as Lambda shows it
    assert is_cold(client, "warm"), "$LATEST has no instances of its own"
    wait_for(lambda: instances(server, "warm") == 3, what="the other instance to end")
    assert get(client, "warm", "1")["Status"] == "READY"
    listed = client.list_provisioned_concurrency_configs(FunctionName="warm")["ProvisionedConcurrencyConfigs"]
    assert [(row["FunctionArn"], row["Status"]) for row in listed] == [(ARN + "warm:1", "READY")]
    provision(client, "warm", "1", 1)
    wait_for(lambda: instances(server, "warm") == 1, what="what is no longer provisioned to end")
    client.delete_provisioned_concurrency_config(FunctionName="warm", Qualifier="1")
    wait_for(lambda: instances(server, "warm") == 0, what="the last one to end")
    assert refused(client.get_provisioned_concurrency_config, FunctionName="warm", Qualifier="1") == NONE
    assert unreserved(client) == before


def test_an_instance_that_dies_is_made_again(server, client):
    create(client, "mortal", Publish=True)
    provision(client, "mortal", "1", 2)
    for worker in world.children_named(server.process.pid, "mayfly-worker"):
        os.kill(int(worker), signal.SIGKILL)
    wait_for(lambda: server.log.read_text().count("an idle worker of us-east-1/mortal:1 died") == 2, what="the server to notice")
    ready(client, "mortal", "1", 2)
    assert not is_cold(client, "mortal", Qualifier="1")
    client.delete_function(FunctionName="mortal")


def test_an_alias_takes_its_instances_along(server, client):
    two_versions(client, "moving")
    client.create_alias(FunctionName="moving", Name="live", FunctionVersion="1")
    provision(client, "moving", "live", 2)
    assert not is_cold(client, "moving", Qualifier="live") and not is_cold(client, "moving", Qualifier="1")
    client.update_alias(FunctionName="moving", Name="live", FunctionVersion="2")
    ready(client, "moving", "live", 2)
    assert not is_cold(client, "moving", Qualifier="2")
    client.update_alias(FunctionName="moving", Name="live", RoutingConfig={"AdditionalVersionWeights": {"1": 0.5}})
    ready(client, "moving", "live", 2)
    assert not is_cold(client, "moving", Qualifier="1") and not is_cold(client, "moving", Qualifier="2")
    client.create_alias(FunctionName="moving", Name="other", FunctionVersion="2")
    assert "already Provisioned" in refused(client.put_provisioned_concurrency_config, FunctionName="moving", Qualifier="other",
                                            ProvisionedConcurrentExecutions=1)[2]
    client.update_alias(FunctionName="moving", Name="live", RoutingConfig={})
    client.update_alias(FunctionName="moving", Name="live", FunctionVersion="1")
    provision(client, "moving", "other", 1)
    assert refused(client.update_alias, FunctionName="moving", Name="live", FunctionVersion="2") == (
        409, "ResourceConflictException", "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
    client.delete_alias(FunctionName="moving", Name="live")
    client.delete_alias(FunctionName="moving", Name="other")
    wait_for(lambda: instances(server, "moving") == 0, what="instances of aliases that are gone to end")
    client.delete_function(FunctionName="moving")


def test_a_version_that_is_being_published_gets_its_instances_then(client):
    create(client, "soon", zipped(scale_model(2.0)), Publish=True)
    client.update_function_code(FunctionName="soon", ZipFile=zipped(long_model()), Publish=True)
    client.create_alias(FunctionName="soon", Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}})
    put(client, "soon", "live", 2)
    assert client.get_function_configuration(FunctionName="soon", Qualifier="2")["State"] == "Pending"
    ready(client, "soon", "live", 2)
    assert client.get_function_configuration(FunctionName="soon", Qualifier="2")["State"] == "Active"
    client.delete_function(FunctionName="soon")


def concurrently(client, calls):
    """Status or reason of calls (name, qualifier) that run at the same time."""
    def call(what):
        try:
            return client.invoke(FunctionName=what[0], Qualifier=what[1], Payload=b'{"x": [1]}')["StatusCode"]
        except client.exceptions.TooManyRequestsException as problem:
            return problem.response["Reason"]
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def provisioned_gauges(server):
    samples = fetch(server)
    return tuple(samples["mayfly_provisioned_concurrency"][(("state", state),)] for state in ("requested", "available"))


def test_versions_count_together_and_spill_over(server, client):
    requested, available = provisioned_gauges(server)
    throttled = "ReservedFunctionConcurrentInvocationLimitExceeded"
    create(client, "shared", zipped(slow_model()), Publish=True, MemorySize=512, Timeout=60)
    client.put_function_concurrency(FunctionName="shared", ReservedConcurrentExecutions=2)
    answers = concurrently(client, [("shared", "1"), ("shared", "$LATEST"), ("shared", "1"), ("shared", "$LATEST")])
    assert sorted(map(str, answers)) == sorted(["200", "200", throttled, throttled])
    provision(client, "shared", "1", 1)
    answers = concurrently(client, [("shared", "$LATEST"), ("shared", "$LATEST")])
    assert sorted(map(str, answers)) == sorted(["200", throttled])  # one of the two is kept for version 1
    answers = concurrently(client, [("shared", "1")] * 3)
    assert sorted(map(str, answers)) == sorted(["200", "200", throttled])  # one spills over
    provision(client, "shared", "1", 2)
    assert concurrently(client, [("shared", "$LATEST")]) == [throttled]
    assert provisioned_gauges(server) == (requested + 2, available + 2)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        running = pool.submit(concurrently, client, [("shared", "1")])
        wait_for(lambda: fetch(server)["mayfly_provisioned_concurrent_executions"][()] == 1, what="the call in the gauge")
        assert running.result() == [200]
    wait_for(lambda: server.rows()["shared"]["throttles"] == 5, what="throttles to be counted")
    samples = fetch(server)
    assert samples["mayfly_provisioned_concurrency_invocations_total"][of("shared")] == 2
    assert samples["mayfly_provisioned_concurrency_spillover_invocations_total"][of("shared")] == 1
    assert samples["mayfly_provisioned_concurrent_executions"][()] == 0
    client.delete_function(FunctionName="shared")


def test_provisioned_instances_come_back_after_a_restart():
    server = world.Server("--keep-alive", "1")
    client = server.client()
    create(client, "again", Publish=True)
    client.create_alias(FunctionName="again", Name="live", FunctionVersion="1")
    provision(client, "again", "live", 2)
    recode(client, "again", 5.0, Publish=True)
    provision(client, "again", "2", 1)
    for restart in (server.kill, server.stop):
        restart()
        server.start("--keep-alive", "1")
        client = server.client()
        ready(client, "again", "live", 2)
        ready(client, "again", "2", 1)
        assert not is_cold(client, "again", Qualifier="live") and run(client, "again", Qualifier="2") == ("2", 5)
        assert unreserved(client) == 997
    for blob in (server.data / "blobs").rglob("*"):  # images: they are built again, and provisioned then
        if blob.is_file() and not blob.read_bytes().startswith(b"PK"):
            blob.unlink()
    server.stop()
    server.start("--keep-alive", "1")
    client = server.client()
    ready(client, "again", "live", 2)
    client.delete_function(FunctionName="again", Qualifier="2")
    assert unreserved(client) == 998
    client.delete_function(FunctionName="again")
    wait_for(lambda: server.health()["instances_idle"] == 0, what="instances of the deleted function to end")
    assert unreserved(client) == 1000
    assert server.stop() == 0


def test_a_version_that_can_no_longer_be_built_has_failed():
    server = world.Server()
    client = server.client()
    create(client, "lost", Publish=True)
    provision(client, "lost", "1", 1)
    server.stop()
    for blob in (server.data / "blobs").rglob("*"):
        if blob.is_file():
            blob.unlink()
    server.start()
    client = server.client()
    got = wait_for(lambda: (lambda c: c["Status"] == "FAILED" and c)(get(client, "lost", "1")), what="the configuration to fail")
    assert (got["StatusReason"], got["AvailableProvisionedConcurrentExecutions"]) == ("FUNCTION_ERROR_INIT_FAILURE", 0)
    client.delete_provisioned_concurrency_config(FunctionName="lost", Qualifier="1")
    assert server.stop() == 0


def test_lists_have_pages(client):
    create(client, "several", Publish=True)
    names = sorted(f"a{i}" for i in range(3))
    for i, name in enumerate(names):
        recode(client, "several", float(i + 3), Publish=True)
        client.create_alias(FunctionName="several", Name=name, FunctionVersion=str(i + 2))
        put(client, "several", name, 1)
    pages = list(client.get_paginator("list_provisioned_concurrency_configs").paginate(FunctionName="several", PaginationConfig={"PageSize": 2}))
    rows = [row for page in pages for row in page["ProvisionedConcurrencyConfigs"]]
    assert [row["FunctionArn"] for row in rows] == [f"{ARN}several:{name}" for name in names] and len(pages) == 2
    assert refused(client.list_provisioned_concurrency_configs, FunctionName="several", MaxItems=51)[1] == "ValidationException"
    client.delete_function(FunctionName="several")
    create(client, "several")
    assert client.list_provisioned_concurrency_configs(FunctionName="several")["ProvisionedConcurrencyConfigs"] == []
