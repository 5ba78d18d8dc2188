"""Invoke: payloads, headers, logs, errors, limits."""
import base64
import concurrent.futures
import io
import json
import re
import time

import botocore.exceptions
import numpy
import PIL.Image
import pytest
from onnx import TensorProto, helper, numpy_helper

from world import create, invoke, scale_model, slow_model, wait_for, zipped

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def scale(client):
    create(client, "scale")
    return "scale"


@pytest.fixture(scope="module")
def slow(client):
    create(client, "slow", zipped(slow_model()), Timeout=30)
    return "slow"


def test_answer_and_headers(client, scale):
    answer, body = invoke(client, scale, {"x": [[1, 2, 3, 4]]})
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert (answer["StatusCode"], answer["ExecutedVersion"], json.loads(body)) == (200, "$LATEST", {"y": [[2, 4, 6, 8]]})
    assert "FunctionError" not in answer and "LogResult" not in answer
    assert re.fullmatch(UUID, headers["x-amzn-requestid"])
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0", headers["x-amzn-trace-id"])
    assert headers["content-type"] == "application/json"
    assert int(headers["x-mayfly-plan-ns"]) > 0


def test_the_worker_tells_its_times(client):
    create(client, "times")
    cold = invoke(client, "times", {"x": [[1, 2, 3, 4]]})[0]["ResponseMetadata"]["HTTPHeaders"]
    warm = invoke(client, "times", {"x": [[1, 2, 3, 4]]})[0]["ResponseMetadata"]["HTTPHeaders"]
    assert int(cold["x-mayfly-init-ns"]) > 0 and "x-mayfly-init-ns" not in warm
    assert 0 < int(warm["x-mayfly-plan-ns"]) < 1e9


def test_log_tail_of_a_cold_and_a_warm_call(client):
    create(client, "tail")
    cold, _ = invoke(client, "tail", {"x": [[1, 2, 3, 4]]}, LogType="Tail")
    warm, _ = invoke(client, "tail", {"x": [[1, 2, 3, 4]]}, LogType="Tail")
    for answer, init in ((cold, r"\tInit Duration: (\d+\.\d\d) ms"), (warm, "")):
        text = base64.b64decode(answer["LogResult"]).decode()
        request = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
        match = re.fullmatch(f"START RequestId: {request} Version: \\$LATEST\nEND RequestId: {request}\nREPORT RequestId: {request}\t"
                             r"Duration: (\d+\.\d\d) ms\tBilled Duration: (\d+) ms\tMemory Size: (\d+) MB\tMax Memory Used: (\d+) MB"
                             f"{init}\t\n", text)
        assert match, text
        duration, billed = float(match[1]) + (float(match[5]) if init else 0), int(match[2])
        assert billed - 1.02 < duration <= billed + 0.02, text
        assert 0 < int(match[4]) <= int(match[3])


def test_function_errors(client, scale):
    for payload in ({"wrong": 1}, {"x": [[1, 2, 3]]}, {"x": "text"}, b"\xff\xfe not json", b"{", {"x": [["a", 1, 2, 3]]}):
        answer, body = invoke(client, scale, payload, LogType="Tail")
        error = json.loads(body)
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled"), payload
        assert error["errorType"].startswith("Mayfly.") and error["errorMessage"], payload
        assert error["errorType"] in base64.b64decode(answer["LogResult"]).decode()
    assert "x float32[1,4]" in json.loads(invoke(client, scale, {"wrong": 1})[1])["errorMessage"].replace(", ", ",")


def test_timeout(client):
    create(client, "late", zipped(slow_model(900, 400)), Timeout=1)
    answer, body = invoke(client, "late", {"x": [1]}, LogType="Tail")
    request = answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(body) == {"errorType": "Sandbox.Timedout", "errorMessage": f"RequestId: {request} Error: Task timed out after 1.00 seconds"}
    report = base64.b64decode(answer["LogResult"]).decode().splitlines()[-1]
    assert "\tDuration: 1000.00 ms\t" in report and report.endswith("\tStatus: timeout")


def test_a_client_context_is_checked(client, scale):
    def call(text):
        return client.invoke(FunctionName=scale, Payload=b'{"x": [[1, 1, 1, 1]]}', ClientContext=text)
    assert call(base64.b64encode(b'{"custom": {"a": 1}}').decode())["StatusCode"] == 200
    for text, code in (("%%%", "InvalidRequestContentException"), (base64.b64encode(b"[1]").decode(), "InvalidRequestContentException"),
                       (base64.b64encode(b'{"a": ').decode(), "InvalidRequestContentException"), ("A" * 3584, "ValidationException")):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(text)
        assert (caught.value.response["ResponseMetadata"]["HTTPStatusCode"], caught.value.response["Error"]["Code"]) == (400, code)


def test_dry_run_and_wrong_types(client, scale):
    answer = client.invoke(FunctionName=scale, InvocationType="DryRun")
    assert answer["StatusCode"] == 204 and answer["Payload"].read() == b"" and "ExecutedVersion" not in answer
    for arguments, status, word in (({"InvocationType": "Later"}, 400, "invocationType"), ({"LogType": "All"}, 400, "logType")):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            client.invoke(FunctionName=scale, **arguments)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status and word in str(caught.value)


def test_payload_limit(client, scale):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.invoke(FunctionName=scale, Payload=b" " * 6291457)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    assert caught.value.response["Error"] == {"Code": "RequestEntityTooLargeException",
                                              "Message": "Request must be smaller than 6291456 bytes for the InvokeFunction operation"}
    padded = b'{"x": [[1, 2, 3, 4]]' + b" " * (6291456 - 21) + b"}"
    assert json.loads(invoke(client, scale, padded)[1]) == {"y": [[2, 4, 6, 8]]}


def test_throttling_at_the_reserved_limit(client, slow):
    client.put_function_concurrency(FunctionName=slow, ReservedConcurrentExecutions=2)
    try:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            def call(_):
                try:
                    return invoke(client, slow, {"x": [1]})[0]["StatusCode"]
                except botocore.exceptions.ClientError as error:
                    return error.response
            answers = list(pool.map(call, range(8)))
    finally:
        client.delete_function_concurrency(FunctionName=slow)
    refused = [a for a in answers if a != 200]
    assert 0 < len(refused) <= 6
    for answer in refused:
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert answer["Error"]["Code"] == "TooManyRequestsException" and answer["Error"]["Message"] == "Rate Exceeded."
        assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_reserved_zero_throttles_everything(client):
    create(client, "none")
    client.put_function_concurrency(FunctionName="none", ReservedConcurrentExecutions=0)
    with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
        invoke(client, "none", {"x": [[1, 2, 3, 4]]})
    assert caught.value.response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


def test_counters_logs_and_instances(server, client):
    create(client, "counted")
    for payload in ({"x": [[1, 2, 3, 4]]}, {"x": [[1, 2, 3, 4]]}, {"wrong": 1}):
        invoke(client, "counted", payload)
    row = server.rows()["counted"]
    assert (row["invocations"], row["errors"], row["throttles"], row["cold_starts"]) == (3, 1, 0, 1)
    assert row["billed_ms"] >= 3 and row["instances_idle"] == 1
    text = server.run("logs", "counted").stdout.decode()
    assert text.count("START RequestId") == 3 and text.count("REPORT RequestId") == 3 and "Mayfly.InvalidInput" in text
    wait_for(lambda: server.rows()["counted"]["instances_idle"] == 0, what="the idle instance to go")


def test_calls_while_deploying_updating_and_deleting(server, client):
    """Callers of one function see answers of the old or the new code, or 404 and 409 around its deletion; nothing else."""
    create(client, "busy")
    end = time.monotonic() + 4

    def call():
        mine, wrong = server.client(), []
        while time.monotonic() < end:
            try:
                body = json.loads(invoke(mine, "busy", {"x": [[1, 1, 1, 1]]})[1])
                if body["y"][0][0] not in (2, 3):
                    wrong.append(body)
            except botocore.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] not in (404, 409):
                    wrong.append(error.response)
        return wrong

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(call) for _ in range(4)]
        step = 0
        while time.monotonic() < end - 0.5:
            step += 1
            client.update_function_code(FunctionName="busy", ZipFile=zipped(scale_model(2 + step % 2)))
            client.get_waiter("function_updated_v2").wait(FunctionName="busy")
            if step % 3 == 0:
                client.delete_function(FunctionName="busy")
                create(client, "busy")
        assert [c.result() for c in calls] == [[]] * 4
    assert step > 2


def test_an_update_leaves_what_waits_alone(client):
    """One runs, one is accepted and waits, the function is updated, a third is over the limit: the second is answered all the same."""
    create(client, "kept", zipped(slow_model(900, 60)), Timeout=60)
    client.put_function_concurrency(FunctionName="kept", ReservedConcurrentExecutions=2)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        accepted = [pool.submit(invoke, client, "kept", [1]) for _ in range(2)]
        time.sleep(0.3)
        client.update_function_configuration(FunctionName="kept", Timeout=50)
        wait_for(lambda: client.get_function_configuration(FunctionName="kept")["LastUpdateStatus"] == "Successful", what="the update")
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            invoke(client, "kept", [1])
        assert refused.value.response["Error"]["Code"] == "TooManyRequestsException"
        for answer, body in (call.result() for call in accepted):
            assert answer["StatusCode"] == 200 and json.loads(body) == {"y": 0.0}


def test_the_description_that_a_refused_picture_is_told_works(client):
    picture = io.BytesIO()
    PIL.Image.new("RGB", (50, 40), (200, 100, 50)).save(picture, "JPEG")
    graph = helper.make_graph([helper.make_node("GlobalAveragePool", ["x"], ["y"])], "mean", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 24])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 1, 1])])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()
    create(client, "bare", zipped(model))
    answer, body = invoke(client, "bare", picture.getvalue())
    told = re.search(r"(\{\"picture\".*\}) with the figures", json.loads(body)["errorMessage"])
    assert answer["FunctionError"] == "Unhandled" and told, body
    create(client, "described", zipped(model, **{"mayfly.json": told[1]}))
    answer, body = invoke(client, "described", picture.getvalue())
    means = [(value / 255 - mean) / deviation for value, mean, deviation in zip((200, 100, 50), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))]
    assert numpy.allclose(numpy.ravel(json.loads(body)["y"]), means, atol=0.03), body


def test_a_refused_payload_leaves_the_instance_as_it_was(client):
    """A node that fails inside of a Loop: what its body held must not be taken for memory by the next call, which is another caller's."""
    body = helper.make_graph([helper.make_node("Add", ["state", "x"], ["next"]), helper.make_node("Identity", ["go_on"], ["again"])], "body",
                             [helper.make_tensor_value_info("i", TensorProto.INT64, []), helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
                              helper.make_tensor_value_info("state", TensorProto.FLOAT, None)],
                             [helper.make_tensor_value_info("again", TensorProto.BOOL, []), helper.make_tensor_value_info("next", TensorProto.FLOAT, None)])
    graph = helper.make_graph([helper.make_node("Loop", ["rounds", "", "start"], ["y"], body=body)], "sums",
                              [helper.make_tensor_value_info("start", TensorProto.FLOAT, ["n"]), helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m"])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [numpy_helper.from_array(numpy.int64(3), "rounds")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()
    create(client, "sums", zipped(model))
    good, bad = {"start": [0.5] * 5000, "x": [12345.678] * 5000}, {"start": [0.5] * 5000, "x": [1.0] * 4999}
    expected = json.loads(invoke(client, "sums", good)[1])
    for _ in range(4):
        assert json.loads(invoke(client, "sums", bad)[1])["errorType"] == "Mayfly.InvalidInput"
        answer, text = invoke(client, "sums", good)
        assert "FunctionError" not in answer and json.loads(text) == expected


def test_an_operator_that_sets_its_own_shapes_checks_what_comes(client):
    """Boxes have four corners: what the compiler could not know is refused in the run, before the kernel reads beyond them."""
    graph = helper.make_graph([helper.make_node("NonMaxSuppression", ["boxes", "scores", "most"], ["kept"])], "boxes",
                              [helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["batch", "n", "corners"]),
                               helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", "classes", "n"])],
                              [helper.make_tensor_value_info("kept", TensorProto.INT64, ["m", 3])], [numpy_helper.from_array(numpy.int64([2]), "most")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()
    create(client, "suppression", zipped(model))
    good = {"boxes": [[[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]]], "scores": [[[0.9, 0.8, 0.7]]]}
    assert json.loads(invoke(client, "suppression", good)[1]) == {"kept": [[0, 0, 0], [0, 0, 2]]}  # no overlap is allowed by default
    for bad in ({**good, "boxes": [[[0, 0, 1], [0, 0, 1], [2, 2, 3]]]}, {**good, "scores": [[[0.9]]]}, {**good, "boxes": [[[0, 0, 1, 1]]]}):
        assert json.loads(invoke(client, "suppression", bad)[1])["errorType"] == "Mayfly.InvalidInput"
