"""The host through the API: limits and fairness, dying workers, keep-alive, stopping under load, clients that behave badly."""
import concurrent.futures
import http.client
import json
import os
import shutil
import signal
import socket
import threading
import time

import pytest

import world
from world import Server, children_named, create, invoke, slow_model, wait_for, zipped

SLOW, QUICK, ANSWER = b'{"x": [1]}', b'{"x": [[1, 1, 1, 1]]}', b'{"y":[[2.0,2.0,2.0,2.0]]}'


@pytest.fixture
def serve():
    """Starts servers with options; they stop, without an error, when the test is over."""
    running = []

    def start(*options):
        running.append(Server(*options))
        return running[-1]
    yield start
    for server in running:
        if server.process.poll() is None:
            assert server.stop() == 0, server.log.read_text()


class Caller:
    """One connection; a call is sent at once and its answer waited for elsewhere."""
    def __init__(self, server, name, body):
        self.connection = http.client.HTTPConnection(server.endpoint.split("//")[1], timeout=60)
        self.connection.connect()
        self.body = body
        self.path, self.headers = server.signed_call(name, body)

    def send(self):
        self.sent = time.monotonic()
        self.connection.request("POST", self.path, self.body, self.headers)

    def receive(self):
        answer = self.connection.getresponse()
        self.status, self.answer, self.answer_headers = answer.status, answer.read(), answer.headers
        self.ended = time.monotonic()
        return self

    def call(self):
        self.send()
        return self.receive()


def test_32_callers_with_a_limit_of_4_and_a_call_of_another_function(serve):
    server = serve("--run-slots", "1")
    client = server.client()
    create(client, "slow", zipped(slow_model(700, 16)), Timeout=60)
    create(client, "quick", Timeout=60)
    client.put_function_concurrency(FunctionName="slow", ReservedConcurrentExecutions=4)
    quick = Caller(server, "quick", QUICK)
    assert quick.call().status == 200 and Caller(server, "slow", SLOW).call().status == 200  # both are warm
    callers = [Caller(server, "slow", SLOW) for _ in range(32)]
    for caller in callers:
        caller.send()
    with concurrent.futures.ThreadPoolExecutor(33) as pool:
        answers = [pool.submit(caller.receive) for caller in callers]
        quick.send()
        last = pool.submit(quick.receive)
        while not all(answer.done() for answer in answers):
            health = server.health()
            assert health["instances_busy"] + health["queued"] <= 5, health  # the other function's call is one of them
        done = [answer.result() for answer in answers]
        last.result()
    served = sorted((c for c in done if c.status == 200), key=lambda c: c.ended)
    refused = [c for c in done if c.status == 429]
    assert (len(served), len(refused)) == (4, 28), [c.status for c in done]
    assert {json.loads(c.answer)["Reason"] for c in refused} == {"ReservedFunctionConcurrentInvocationLimitExceeded"}
    assert max(c.ended for c in refused) < served[0].ended, "the refused waited for somebody"
    before = [c for c in served if quick.sent < c.ended < quick.ended]
    assert quick.status == 200 and len(before) <= 1, f"{len(before)} runs of the slow function went before the quick one's call"


def test_a_killed_worker_is_seen_by_its_caller_alone(serve):
    server = serve("--run-slots", "2", "--pool-memory", "1")  # no blank workers: whoever lives is bound
    client = server.client()
    for name in ("one", "two"):
        create(client, name, zipped(slow_model(700, 60)), Timeout=60)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(invoke, server.client(), name, {"x": [1]}) for name in ("one", "two")]
        wait_for(lambda: server.health()["instances_busy"] == 2, what="both calls to run")
        workers = children_named(server.process.pid, "mayfly-worker")
        assert len(workers) == 2
        os.kill(int(workers[0]), signal.SIGKILL)
        answers = [call.result() for call in calls]
    broken = [(answer, body) for answer, body in answers if "FunctionError" in answer]
    assert len(broken) == 1 and {answer["StatusCode"] for answer, _ in answers} == {200}
    request = broken[0][0]["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    assert json.loads(broken[0][1]) == {"errorType": "Runtime.ExitError",
                                        "errorMessage": f"RequestId: {request} Error: Runtime exited with error: signal: killed"}
    assert server.health()["pid"] and [json.loads(invoke(client, name, {"x": [1]})[1]) for name in ("one", "two")] == [{"y": 0}] * 2


def test_keep_alive_of_0_and_of_a_fraction(serve):
    server = serve("--keep-alive", "0")
    create(server.client(), "f")
    caller = Caller(server, "f", QUICK)
    for _ in range(3):
        assert caller.call().status == 200 and "x-mayfly-init-ns" in caller.answer_headers, "every call is cold"
        assert server.health()["instances_idle"] == 0
    server = serve("--keep-alive", "0.4")
    create(server.client(), "f")
    caller = Caller(server, "f", QUICK)
    assert "x-mayfly-init-ns" in caller.call().answer_headers
    assert "x-mayfly-init-ns" not in caller.call().answer_headers
    wait_for(lambda: server.health()["instances_idle"] == 0, what="the instance to go")
    lived = time.monotonic() - caller.ended
    assert 0.39 < lived < 3, f"it lived {lived:.2f} s"
    assert "x-mayfly-init-ns" in caller.call().answer_headers


def test_a_stop_under_load_finishes_what_it_took_and_counts_it(serve):
    server = serve()
    create(server.client(), "f")
    stopping, answered, wrong = threading.Event(), [], []

    def load():
        caller = Caller(server, "f", QUICK)
        while True:
            try:
                caller.call()
            except (ConnectionError, http.client.HTTPException) as error:
                # A connection may be closed between two calls once the server stops; before that, or with half an answer, it may not.
                if not stopping.is_set() or isinstance(error, http.client.IncompleteRead):
                    wrong.append(error)
                return
            if caller.status == 200:
                answered.append(json.loads(caller.answer)["y"][0][0])
            elif not (stopping.is_set() and caller.status in (500, 503) and b"stopping" in caller.answer):
                wrong.append(caller.answer)

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answered) > 200, what="some load")
    stopping.set()
    assert server.stop() == 0, server.log.read_text()
    for thread in threads:
        thread.join()
    assert not wrong and set(answered) == {2.0}
    server.start()
    row = server.rows()["f"]
    assert row["invocations"] == len(answered) and row["errors"] == 0


def raw(server, text):
    host, port = server.endpoint.split("//")[1].split(":")
    connection = socket.create_connection((host, int(port)), timeout=20)
    connection.sendall(text)
    return connection


def everything(connection):
    data = b""
    with connection:
        while True:
            try:
                piece = connection.recv(65536)
            except ConnectionResetError:
                return data
            if not piece:
                return data
            data += piece


def test_clients_that_dribble_close_half_or_send_huge_headers(server, client):
    create(client, "patient")
    path, headers = server.signed_call("patient", QUICK)
    host = server.endpoint.split("//")[1]
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(QUICK)}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    slow = [raw(server, head[:40 + i].encode()) for i in range(50)]  # they go on later
    began = time.monotonic()
    for _ in range(20):
        assert json.loads(invoke(client, "patient", json.loads(QUICK))[1]) == {"y": [[2, 2, 2, 2]]}
    assert time.monotonic() - began < 10, "slow clients hold others up"
    half = raw(server, (head + "\r\n").encode() + QUICK)
    half.shutdown(socket.SHUT_WR)
    text = everything(half)
    assert b"HTTP/1.1 200" in text and text.endswith(ANSWER)
    huge = everything(raw(server, (head + "X-Huge: " + "x" * 200000 + "\r\n\r\n").encode()))
    assert huge == b"" or huge.split()[1] in (b"400", b"413", b"431"), huge[:200]
    many = everything(raw(server, (head + "".join(f"X-{i}: y\r\n" for i in range(5000)) + "\r\n").encode()))
    assert many == b"" or many.split()[1] in (b"400", b"413", b"431"), many[:200]
    for i, connection in enumerate(slow):
        connection.sendall((head[40 + i:] + "Connection: close\r\n\r\n").encode() + QUICK)
    assert all(everything(connection).endswith(ANSWER) for connection in slow)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become a user who has no other processes")
def test_idle_instances_make_way_where_processes_are_limited(tmp_path, monkeypatch):
    """As a user who may have 40 processes: 60 functions are called in turn, each instance would live for a minute."""
    monkeypatch.setattr(world, "MAYFLY", shutil.copy(world.MAYFLY, tmp_path))  # the user may not look into our checkout
    user = 64123
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.owner() == "root" and parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, user, user)
    limited = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "prlimit", "--nproc=40"]
    server = Server("--pool-memory", "8", data=data, prefix=limited)
    try:
        client = server.client()
        package = zipped()
        for i in range(60):
            create(client, f"f{i}", package)
        for i in range(60):
            assert json.loads(invoke(client, f"f{i}", json.loads(QUICK))[1]) == {"y": [[2, 2, 2, 2]]}, i
        assert 10 < server.health()["instances_idle"] < 40
    finally:
        assert server.stop() == 0, server.log.read_text()


@pytest.mark.parametrize("slots", [1, 3])
def test_as_many_calls_compute_at_once_as_there_are_run_slots(serve, slots):
    server = serve("--run-slots", str(slots))
    create(server.client(), "slow", zipped(slow_model(700, 40)), Timeout=60)
    callers = [Caller(server, "slow", SLOW) for _ in range(5)]
    for caller in callers:
        caller.send()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        answers, seen = [pool.submit(caller.receive) for caller in callers], []
        while not all(answer.done() for answer in answers):
            health = server.health()
            seen.append((health["instances_busy"], health["queued"]))
        assert [answer.result().status for answer in answers] == [200] * 5
    assert max(busy for busy, _ in seen) == slots and max(queued for _, queued in seen) == 5 - slots, sorted(set(seen))


def test_a_call_whose_client_has_left_does_not_run(serve):
    server = serve("--run-slots", "1")
    for name in ("slow", "left"):
        create(server.client(), name, zipped(slow_model(700, 40)), Timeout=60)
    first, leaving, last = Caller(server, "slow", SLOW), Caller(server, "left", SLOW), Caller(server, "slow", SLOW)
    for caller in (first, leaving, last):
        caller.send()
        wait_for(lambda: server.health()["instances_busy"] + server.health()["queued"] >= [first, leaving, last].index(caller) + 1)
    leaving.connection.close()
    assert first.receive().status == last.receive().status == 200
    wait_for(lambda: server.health()["instances_busy"] == 0)
    rows = {row["name"]: row for row in json.loads(server.run("ls", "--json").stdout)}
    assert rows["slow"]["invocations"] == 2 and rows["left"]["cold_starts"] == 0, rows["left"]


def test_quick_answers_and_slow_functions_share_one_slot(serve):
    """Refused and quick calls do not let a function's slow runs in beside others."""
    server = serve("--run-slots", "1")
    for name in ("one", "two"):
        create(server.client(), name, zipped(slow_model(700, 40)), Timeout=60)
        for payload in (SLOW, b"{}", b"{}", b"{}", b"{}", b"{}", SLOW):
            assert Caller(server, name, payload).call().status == 200
    callers = [Caller(server, name, SLOW) for name in ("one", "two", "one", "two", "one")]
    for caller in callers:
        caller.send()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        answers, busy = [pool.submit(caller.receive) for caller in callers], 0
        while not all(answer.done() for answer in answers):
            busy = max(busy, server.health()["instances_busy"])
        assert [answer.result().status for answer in answers] == [200] * 5
    assert busy == 1


def test_the_largest_package_is_what_max_package_says(serve):
    small, usual = serve("--max-package", "1"), serve()
    for server, padding, fits in ((small, 900_000, True), (small, 1_100_000, False), (usual, 1_100_000, True)):
        package = zipped(padding=padding)
        if fits:
            create(server.client(), f"f{padding}", package)
            continue
        client, name = server.client(), f"f{padding}"
        create(client, name, package, wait=False)
        wait_for(lambda: client.get_function_configuration(FunctionName=name)["State"] == "Failed", what="the refusal")
        reason = client.get_function_configuration(FunctionName=name)["StateReason"]
        assert reason == "Unzipped size must be smaller than 1048576 bytes"
