"""Asynchronous invocations as boto3 and aws-cli see them: accepted on disk, run, tried again, and what becomes of those that fail."""
import concurrent.futures
import contextlib
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import time

import pytest

import world
from test_functions import refused
from test_metrics import fetch
from test_server import calls_in_order
from world import Recorded, Server, children_named, create, wait_for, zipped

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"
EVENT = {"x": [[1, 2, 3, 4]]}
BAD_EVENT = {"y": "no such input"}


@pytest.fixture(scope="module")
def fast():
    """A server whose retries come after milliseconds: 1 and 2 minutes become 60 and 120 ms."""
    server = Server("--retry-scale", "0.001")
    yield server
    server.stop()


def send(client, name, payload, **more):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    answer = client.invoke(FunctionName=name, InvocationType="Event", Payload=body, **more)
    assert answer["StatusCode"] == 202 and answer["Payload"].read() == b"" and "ExecutedVersion" not in answer
    return answer["ResponseMetadata"]["RequestId"]


def calls(server, name):
    return server.rows()[name]["invocations"]


def log_of(server, name):
    return server.run("logs", name).stdout.decode()


def wait_for_calls(server, name, n):
    wait_for(lambda: calls(server, name) >= n, what=f"{n} runs of {name}")
    assert calls(server, name) == n


def test_an_event_runs_once_with_its_own_request_id(server, client):
    create(client, "once")
    request_id = send(client, "once", EVENT)
    wait_for_calls(server, "once", 1)
    assert f"START RequestId: {request_id}" in log_of(server, "once")


def test_payloads_of_all_sizes_reach_the_function(server, client):
    create(client, "sizes")
    for n, size in enumerate((0, 1000, 70_000, 1 << 20), 1):
        body = json.dumps(EVENT).encode()
        send(client, "sizes", body + b" " * (size - len(body)) if size else body)
        wait_for_calls(server, "sizes", n)
    assert server.rows()["sizes"]["errors"] == 0


def test_a_payload_of_more_than_a_mebibyte_is_refused(client):
    create(client, "large")
    for size in ((1 << 20) + 1, 7 << 20):
        assert refused(client.invoke, FunctionName="large", InvocationType="Event", Payload=b" " * size) == (
            413, "RequestEntityTooLargeException", f"{size} byte payload is too large for the Event invocation type (limit 1048576 bytes)")


def test_invoke_async_answers_202_in_its_body(server, client):
    create(client, "legacy")
    answer = client.invoke_async(FunctionName="legacy", InvokeArgs=json.dumps(EVENT).encode())
    assert answer["Status"] == 202
    wait_for_calls(server, "legacy", 1)
    assert refused(client.invoke_async, FunctionName="none", InvokeArgs=b"{}")[:2] == (404, "ResourceNotFoundException")


def test_an_event_for_no_function_is_refused(client):
    assert refused(client.invoke, FunctionName="none", InvocationType="Event", Payload=b"{}") == (
        404, "ResourceNotFoundException", f"Function not found: {FUNCTION}none:$LATEST")


def test_aws_cli_sends_events(server, client, tmp_path):
    create(client, "cli")
    done = server.aws("lambda", "invoke", "--function-name", "cli", "--invocation-type", "Event", "--cli-binary-format",
                      "raw-in-base64-out", "--payload", json.dumps(EVENT), tmp_path / "out")
    assert done.returncode == 0 and json.loads(done.stdout) == {"StatusCode": 202}, done.stderr
    wait_for_calls(server, "cli", 1)


def test_accepted_events_survive_a_kill_and_run():
    server = Server("--run-slots", "1")
    client = server.client()
    create(client, "slow", zipped(world.slow_model()), Timeout=60)
    sent = {send(client, "slow", {"x": [1.0]}) for _ in range(30)}
    server.kill()
    server.start("--run-slots", "2")
    done = lambda: set(re.findall(r"END RequestId: (\S+)", log_of(server, "slow")))
    wait_for(lambda: done() >= sent, 60, "all events' ends")
    assert done() == sent
    server.stop()


def test_no_event_is_acknowledged_before_the_sync_that_covers_it(tmp_path):
    """Traced: the page of the database's log that holds the event (its row begins with the request id, as text) was written, the log was
    synced after that, and then "202 Accepted" with this id left. Many clients, so that events share syncs."""
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        pytest.skip("strace may not trace here")
    trace = tmp_path / "trace"
    running = Server(prefix=["strace", "-f", "-y", "-s", "5000", "-o", str(trace), "-e",
                             "trace=fsync,fdatasync,write,writev,sendto,sendmsg,pwrite64,send"])
    try:
        client = running.client()
        create(client, "traced")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            ids = list(pool.map(lambda _: send(client, "traced", EVENT), range(80)))
    finally:
        running.process.send_signal(signal.SIGTERM)
        subprocess.run(["pkill", "-TERM", "-P", str(running.process.pid)], check=False)
        running.process.wait(60)
    calls = calls_in_order(trace)
    writes = [i for i, call in enumerate(calls) if call.startswith("pwrite64(") and "mayfly.db-wal" in call]
    syncs = [i for i, call in enumerate(calls) if re.match(r"f(data)?sync\(\d+<[^>]*mayfly.db-wal>\)\s+= 0$", call)]
    answers = [i for i, call in enumerate(calls) if "HTTP/1.1 202" in call]
    assert len(ids) == len(set(ids)) == 80 and len(answers) == 80
    for each in ids:
        answered = next(i for i in answers if each in calls[i])
        written = next(i for i in writes if each in calls[i])
        assert any(written < i < answered for i in syncs), f"event {each} was acknowledged before it was synced"


def test_a_function_error_is_tried_twice_more_with_the_same_id(fast):
    client = fast.client()
    create(client, "failing")
    request_id = send(client, "failing", BAD_EVENT)
    wait_for_calls(fast, "failing", 3)
    assert log_of(fast, "failing").count(f"START RequestId: {request_id}") == 3


def record_of(server, client, name, event, **config):
    """The record that arrives at a function which cannot take it either, as its failed event."""
    target = f"{name}-target"
    create(client, name)
    create(client, target)
    client.put_function_event_invoke_config(FunctionName=target, MaximumRetryAttempts=0)
    client.put_function_event_invoke_config(FunctionName=name, DestinationConfig={
        "OnFailure": {"Destination": FUNCTION + target}, "OnSuccess": {"Destination": FUNCTION + target}}, **config)
    request_id = send(client, name, event)
    failed = wait_for(lambda: [e for e in events(server, target) if e["state"] == "failed"], what="the record at its target")
    return request_id, json.loads(payload_of(server, failed[0]["id"]))


def events(server, name=None):
    return json.loads(server.run("events", *([name] if name else []), "--json").stdout)["events"]


def on_a_terminal(server, *arguments):
    terminal, end = pty.openpty()
    subprocess.run([world.MAYFLY, *arguments, "--data", server.data], stdout=end, check=True, timeout=30)
    os.close(end)
    with open(terminal, "rb", buffering=0) as reader:
        return reader.read(100_000).decode().replace("\r\n", "\n")


def payload_of(server, event_id):
    return server.run("events", "show", event_id).stdout


@pytest.mark.parametrize("event, condition", [(EVENT, "Success"), (BAD_EVENT, "RetriesExhausted")])
def test_destinations_get_lambdas_record(fast, event, condition):
    client = fast.client()
    file = "lambda/test_lambda_destinations.json"
    case = "TestLambdaDestinationSqs::test_assess_lambda_destination_invocation[payload" + ("0]" if condition == "Success" else "1]")
    name = "to-" + condition
    request_id, record = record_of(fast, client, name, event, MaximumRetryAttempts=0)
    recorded = Recorded(case, file)
    theirs = recorded.steps["receive_message_result"]["Messages"][0]["Body"]
    assert sorted(record) == sorted(theirs)
    for member in ("requestContext", "responseContext"):
        assert sorted(record[member]) == sorted(theirs[member])
    context = record["requestContext"]
    assert context == {"requestId": request_id, "functionArn": f"{FUNCTION}{name}:$LATEST", "condition": condition, "approximateInvokeCount": 1}
    assert record["responseContext"] == theirs["responseContext"] and record["version"] == theirs["version"]
    assert record["requestPayload"] == event
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["timestamp"])
    if condition == "Success":
        assert record["responsePayload"] == {"y": [[2, 4, 6, 8]]}
    else:
        assert "errorMessage" in record["responsePayload"]


def test_without_a_configuration_three_attempts_are_made(fast):
    request_id, record = record_of(fast, fast.client(), "thrice", BAD_EVENT)
    assert record["requestContext"]["approximateInvokeCount"] == 3
    assert record["requestContext"]["condition"] == "RetriesExhausted"


def test_no_concurrency_at_all_makes_a_record_without_an_attempt(fast):
    client = fast.client()
    create(client, "held")
    create(client, "held-target")
    client.put_function_event_invoke_config(FunctionName="held-target", MaximumRetryAttempts=0)
    client.put_function_event_invoke_config(FunctionName="held", DestinationConfig={"OnFailure": {"Destination": FUNCTION + "held-target"}})
    client.put_function_concurrency(FunctionName="held", ReservedConcurrentExecutions=0)
    send(client, "held", EVENT)
    failed = wait_for(lambda: [e for e in events(fast, "held-target") if e["state"] == "failed"])
    record = json.loads(payload_of(fast, failed[0]["id"]))
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert "responseContext" not in record and "responsePayload" not in record
    assert calls(fast, "held") == 0


def test_a_picture_stands_in_a_record_as_base64(fast):
    _, record = record_of(fast, fast.client(), "binary", b"\x89PNG no json", MaximumRetryAttempts=0)
    assert record["requestPayload"] == "iVBORyBubyBqc29u"


def test_the_dead_letter_target_gets_the_event_itself(fast):
    client = fast.client()
    create(client, "dead-target")
    create(client, "dead", DeadLetterConfig={"TargetArn": FUNCTION + "dead-target"})
    client.put_function_event_invoke_config(FunctionName="dead", MaximumRetryAttempts=0)
    client.put_function_event_invoke_config(FunctionName="dead-target", MaximumRetryAttempts=0)
    send(client, "dead", BAD_EVENT)
    failed = wait_for(lambda: [e for e in events(fast, "dead-target") if e["state"] == "failed"])
    assert json.loads(payload_of(fast, failed[0]["id"])) == BAD_EVENT


def test_poison_ends_after_its_attempts_though_front_and_keeper_are_killed_between_them():
    """Its worker dies in each of the three attempts; behind it nothing waits but the dead-letter function."""
    options = ("--retry-scale", "0.01", "--pool-memory", "1")  # no blank workers: whoever lives runs it
    server = Server(*options)
    client = server.client()
    create(client, "letters")
    client.put_function_event_invoke_config(FunctionName="letters", MaximumRetryAttempts=0)
    create(client, "poison", zipped(world.slow_model(700, 600)), Timeout=300, DeadLetterConfig={"TargetArn": FUNCTION + "letters"})
    event = {"x": [0.5]}
    request_id = send(client, "poison", event)
    for attempt, kill in enumerate((kill_front, Server.kill, None), 1):
        # One that dies before it is bound has not seen the event, and another one runs it.
        worker = wait_for(lambda: server.rows()["poison"]["instances_busy"] and children_named(server.process.pid, "mayfly-worker"), what=f"attempt {attempt}")
        os.kill(int(worker[0]), signal.SIGKILL)
        wait_for(lambda: log_of(server, "poison").count("END RequestId") == attempt, what=f"the end of attempt {attempt} in the log")
        if kill:
            waiting = wait_for(lambda: [e for e in events(server, "poison") if e["attempts"] == attempt], what=f"the end of attempt {attempt}")
            assert waiting[0]["request_id"] == request_id
            kill(server)
        if kill is Server.kill:
            server.start(*options)
    failed = wait_for(lambda: [e for e in events(server, "letters") if e["state"] == "failed"], what="the dead letter")
    assert [json.loads(payload_of(server, e["id"])) for e in failed] == [event]
    assert events(server, "poison") == []
    assert re.findall(r"END RequestId: (\S+)", log_of(server, "poison")) == [request_id] * 3
    assert log_of(server, "poison").count("signal: killed") >= 3
    server.stop()


def kill_front(server):
    front = server.health()["pid"]
    os.kill(front, signal.SIGKILL)
    def there_is_another():
        with contextlib.suppress(OSError):
            return server.health()["pid"] != front
    wait_for(there_is_another, what="a new front")


def test_events_of_others_do_not_wait_for_poison():
    """A hundred events that do not come to an end before their timeout, and those of another function between them."""
    server = Server("--run-slots", "2")
    client = server.client()
    create(client, "good")
    create(client, "poison", zipped(world.slow_model(700, 600)), Timeout=30)
    for _ in range(100):
        send(client, "poison", {"x": [0.5]})
    wait_for(lambda: [e for e in events(server, "poison") if e["state"] == "running"], what="poison to run")
    began = time.monotonic()
    for n in range(1, 6):
        send(client, "good", EVENT)
        wait_for_calls(server, "good", n)
    assert time.monotonic() - began < 15, "they waited for a timeout of poison"
    assert calls(server, "poison") == 0
    client.delete_function(FunctionName="poison")
    server.process.kill()
    server.process.wait()


def test_functions_that_feed_each_other_are_stopped(fast):
    client = fast.client()
    for name in ("ping", "pong"):
        create(client, name)
    for name, other in (("ping", "pong"), ("pong", "ping")):
        client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={
            "OnFailure": {"Destination": FUNCTION + other}})
    send(client, "ping", BAD_EVENT)
    wait_for(lambda: [e for e in events(fast) if e["state"] == "failed" and e["function"] in ("ping", "pong")], what="the end of the circle")
    assert calls(fast, "ping") == 16 and calls(fast, "pong") == 16


def test_a_throttled_event_waits_for_its_turn(fast):
    client = fast.client()
    create(client, "narrow", zipped(world.slow_model()), Timeout=60)
    client.put_function_concurrency(FunctionName="narrow", ReservedConcurrentExecutions=1)
    for _ in range(3):
        send(client, "narrow", {"x": [1.0]})
    wait_for_calls(fast, "narrow", 3)
    assert fast.rows()["narrow"]["errors"] == 0


def test_events_of_a_deleted_function_are_gone(server, client):
    create(client, "leaving", zipped(world.slow_model()), Timeout=60)
    for _ in range(20):
        send(client, "leaving", {"x": [1.0]})
    client.delete_function(FunctionName="leaving")
    wait_for(lambda: not [e for e in events(server) if e["id"].startswith("leaving/")], what="no events")
    create(client, "leaving")
    send(client, "leaving", EVENT)
    wait_for(lambda: server.rows()["leaving"]["invocations"] >= 1)
    assert server.rows()["leaving"]["errors"] == 0


def test_failed_events_are_kept_tried_again_and_dropped(fast):
    client = fast.client()
    create(client, "kept")
    client.put_function_event_invoke_config(FunctionName="kept", MaximumRetryAttempts=0)
    request_id = send(client, "kept", BAD_EVENT)
    failed = wait_for(lambda: events(fast, "kept"), what="a failed event")[0]
    assert failed["state"] == "failed" and failed["request_id"] == request_id and failed["attempts"] == 1
    shown = on_a_terminal(fast, "events", "kept")
    assert re.search(rf"^failed +{failed['id']} +1 .* Mayfly\.InvalidInput: .*no input 'y'", shown, re.MULTILINE), shown
    assert f"{failed['id']} is tried again" in on_a_terminal(fast, "events", "retry", failed["id"])
    wait_for_calls(fast, "kept", 2)
    again = wait_for(lambda: [e for e in events(fast, "kept") if e["id"] != failed["id"]], what="the event to fail again")
    assert again[0]["request_id"] == request_id
    fast.run("events", "drop", again[0]["id"])
    assert events(fast, "kept") == []
    missing = fast.run("events", "drop", again[0]["id"], check=False)
    assert missing.returncode == 1 and b"no such event" in missing.stderr
    assert fast.run("events", "drop", check=False).returncode == 2
    for _ in range(3):
        send(client, "kept", BAD_EVENT)
    wait_for(lambda: len(events(fast, "kept")) == 3, what="three failed events")
    assert len(json.loads(fast.run("events", "kept", "--limit", "2", "--json").stdout)["events"]) == 2
    assert "first 2 that are failed" in on_a_terminal(fast, "events", "kept", "--limit", "2")
    assert {e["condition"] for e in events(fast, "kept")} == {"RetriesExhausted"}
    unknown = fast.run("events", "nobody", check=False)
    assert unknown.returncode == 1 and b"Function not found" in unknown.stderr


@pytest.mark.parametrize("kind", ["alias", "version"])
def test_events_of_a_deleted_qualifier_are_not_lost(fast, kind):
    client = fast.client()
    name = f"of-{kind}"
    create(client, name, zipped(world.slow_model()), Timeout=60)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    qualifier = client.publish_version(FunctionName=name)["Version"]
    client.get_waiter("published_version_active").wait(FunctionName=name, Qualifier=qualifier)
    if kind == "alias":
        client.create_alias(FunctionName=name, Name="live", FunctionVersion=qualifier)
        qualifier = "live"
    ids = {send(client, name, {"x": [1.0]}, Qualifier=qualifier) for _ in range(4)}
    if kind == "alias":
        client.delete_alias(FunctionName=name, Name=qualifier)
    else:
        client.delete_function(FunctionName=name, Qualifier=qualifier)
    wait_for(lambda: not [e for e in events(fast, name) if e["state"] != "failed"], what="the end of all events")
    failed = [e for e in events(fast, name) if e["state"] == "failed"]
    assert len(failed) + calls(fast, name) == 4 and len(failed) >= 2 and {e["request_id"] for e in failed} < ids
    assert all(f"'{qualifier}'" in e["reason"] and "deleted" in e["reason"] and e["attempts"] == 0 for e in failed)


def test_failed_events_of_a_deleted_function_do_not_run_on_the_next(fast):
    client = fast.client()
    create(client, "renewed")
    client.put_function_event_invoke_config(FunctionName="renewed", MaximumRetryAttempts=0)
    send(client, "renewed", BAD_EVENT)
    failed = wait_for(lambda: events(fast, "renewed"), what="a failed event")[0]
    client.update_function_configuration(FunctionName="renewed", Description="it is still the same function")
    fast.run("events", "retry", failed["id"])
    wait_for_calls(fast, "renewed", 2)
    failed = wait_for(lambda: [e for e in events(fast, "renewed") if e["state"] == "failed"], what="a failed event")[0]
    client.delete_function(FunctionName="renewed")
    gone = fast.run("events", "retry", failed["id"], check=False)
    create(client, "renewed")
    another = fast.run("events", "retry", failed["id"], check=False)
    for answer in (gone, another):
        assert answer.returncode == 1 and b"has been deleted" in answer.stderr
    assert [e["id"] for e in events(fast, "renewed")] == [failed["id"]] and calls(fast, "renewed") == 0
    fast.run("events", "drop", failed["id"])


# ---- EventInvokeConfig ----

def test_configuration_comes_and_goes_as_recorded(client):
    recorded = Recorded("TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_lifecycle")
    recorded.known["function-name:1"] = "configured"
    create(client, "configured")
    this = {"FunctionName": "configured"}
    recorded.check("put_invokeconfig_retries_0", client.put_function_event_invoke_config, **this, MaximumRetryAttempts=0)
    recorded.check("put_invokeconfig_eventage_60", client.put_function_event_invoke_config, **this, MaximumEventAgeInSeconds=60)
    recorded.check("update_invokeconfig_eventage_nochange", client.update_function_event_invoke_config, **this, MaximumEventAgeInSeconds=60)
    recorded.check("update_invokeconfig_retries", client.update_function_event_invoke_config, **this, MaximumRetryAttempts=1)
    recorded.check("get_invokeconfig", client.get_function_event_invoke_config, **this)
    recorded.check("get_invokeconfig_latest", client.get_function_event_invoke_config, **this, Qualifier="$LATEST")
    recorded.check("list_single_invokeconfig", client.list_function_event_invoke_configs, **this)
    client.publish_version(**this)
    recorded.check("get_invokeconfig_postpublish", client.get_function_event_invoke_config, **this, Qualifier="1")
    recorded.check("put_published_invokeconfig", client.put_function_event_invoke_config, **this, Qualifier="1", MaximumEventAgeInSeconds=120)
    recorded.check("get_published_invokeconfig", client.get_function_event_invoke_config, **this, Qualifier="1")
    client.delete_function_event_invoke_config(**this)
    recorded.check("list_paging_nolimit_postdelete", client.list_function_event_invoke_configs, **this)


def test_refusals_of_configurations_are_those_recorded(client):
    recorded = Recorded("TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_exceptions")
    recorded.known["function-name:1"] = "refusing-config"
    recorded.known["resource:5"] = "another"
    create(client, "refusing-config")
    create(client, "another")
    this = {"FunctionName": "refusing-config"}
    put, update = client.put_function_event_invoke_config, client.update_function_event_invoke_config
    get, delete, listed = (client.get_function_event_invoke_config, client.delete_function_event_invoke_config,
                           client.list_function_event_invoke_configs)
    to = lambda arn, side="OnSuccess": {"DestinationConfig": {side: {"Destination": arn}}}
    recorded.check("put_functionname_name_notfound", put, FunctionName="doesnotexist", MaximumRetryAttempts=1)
    recorded.check("put_functionname_arn_notfound", put, FunctionName=FUNCTION + "doesnotexist", MaximumRetryAttempts=1)
    recorded.check("put_functionname_nootherargs", put, FunctionName="doesnotexist")
    recorded.check("put_destination_lambda_doesntexist", put, **this, **to(FUNCTION + "doesnotexist"))
    recorded.check("put_destination_recursive", put, **this, **to(FUNCTION + "refusing-config"))
    recorded.check("put_destination_other_lambda", put, **this, **to(FUNCTION + "another"))
    recorded.check("put_destination_invalid_service_arn", put, **this, **to((FUNCTION + "refusing-config").replace("lambda", "iam")))
    recorded.check("put_destination_success_no_destination_arn", put, **this, DestinationConfig={"OnSuccess": {}})
    recorded.check("put_destination_failure_no_destination_arn", put, **this, DestinationConfig={"OnFailure": {}})
    recorded.check("put_destination_invalid_arn_pattern", put, **this, **to((FUNCTION + "refusing-config").replace(":lambda", ":_-/!lambda"), "OnFailure"))
    recorded.check("put_destination_latest", put, **this, MaximumRetryAttempts=1)
    recorded.check("put_destination_latest_explicit_qualifier", put, **this, Qualifier="$LATEST", MaximumRetryAttempts=1)
    recorded.check("put_maxevent_maxvalue_result", put, **this, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=21600)
    recorded.check("put_pre_overwrite", put, **this, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60)
    recorded.check("put_post_overwrite", put, **this, MaximumRetryAttempts=0)
    recorded.check("get_post_overwrite", get, **this)
    put(**this, MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60)
    recorded.check("update_response", update, **this, MaximumRetryAttempts=0)
    delete(**this)
    recorded.check("list_configs_postdelete", listed, **this)
    recorded.check("delete_function_not_found", delete, **this)
    recorded.check("delete_function_doesnotexist", delete, FunctionName="doesnotexist")
    recorded.check("list_function_doesnotexist", listed, FunctionName="doesnotexist")
    recorded.check("get_function_doesnotexist", get, FunctionName="doesnotexist")
    recorded.check("get_qualifier_doesnotexist", get, **this, Qualifier="doesnotexist")
    recorded.check("update_eventinvokeconfig_function_doesnotexist", update, FunctionName="doesnotexist", MaximumRetryAttempts=1)
    recorded.check("update_eventinvokeconfig_config_doesnotexist_without_qualifier", update, **this, MaximumRetryAttempts=1)


@pytest.mark.parametrize("arn, word", [("arn:aws:sqs:us-east-1:000000000000:q", "queue (SQS)"), ("arn:aws:sns:us-east-1:000000000000:t", "topic (SNS)"),
                                       ("arn:aws:events:us-east-1:000000000000:event-bus/b", "event bus (EventBridge)"),
                                       ("arn:aws:s3:::bucket", "bucket (S3)")])
def test_destinations_that_do_not_exist_yet_are_refused_by_name(client, arn, word):
    name = "byname-" + re.sub(r"\W", "", word)
    create(client, name)
    for call, change in ((client.put_function_event_invoke_config, {"DestinationConfig": {"OnFailure": {"Destination": arn}}}),
                         (client.update_function_configuration, {"DeadLetterConfig": {"TargetArn": arn}})):
        status, code, message = refused(call, FunctionName=name, **change)
        assert (status, code) == (400, "InvalidParameterValueException")
        assert word in message and "not supported" in message


def test_tens_of_thousands_of_retries_are_counted_and_listed_after_a_restart():
    own = Server("--keep-alive", "1")
    client = own.client()
    create(client, "late")
    request_id = send(client, "late", BAD_EVENT)
    wait_for(lambda: json.loads(own.run("events", "--json").stdout)["totals"]["retrying"] == 1, what="the retry")
    assert own.stop() == 0
    with contextlib.closing(sqlite3.connect(own.data / "mayfly.db")) as database:
        key, row = database.execute("SELECT key, value FROM retries").fetchone()
        due = int.from_bytes(key[:8], "big") + 3600 * 10**9  # an hour from now, behind 30,000 of another function
        rows = [((due - 30_000 + i).to_bytes(8, "big") + b"us-east-1/other\0" + bytes(8), row) for i in range(30_000)]
        rows.append((due.to_bytes(8, "big") + key[8:], row))
        database.execute("DELETE FROM retries")
        database.executemany("INSERT INTO retries VALUES (?, ?)", rows)
        database.commit()
    own.start("--keep-alive", "1")
    wait_for(lambda: not json.loads(own.run("events", "--json").stdout)["totals"]["counting"], what="the count")
    listed = json.loads(own.run("events", "late", "--json").stdout)
    assert [event["request_id"] for event in listed["events"]] == [request_id]
    assert listed["totals"]["retrying"] == 30_001 == fetch(own)["mayfly_events"][(("state", "retrying"),)]
    assert own.run("events", "drop", listed["events"][0]["id"]).returncode == 0
    assert json.loads(own.run("events", "--json").stdout)["totals"]["retrying"] == 30_000
    assert own.stop() == 0
