"""The server as a program: options, data directory, port, keys, signatures, stopping, being killed, starting again."""
import base64
import datetime
import hashlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest

from world import MAYFLY, ROLE, Server, create, invoke, scale_model, slow_model, wait_for, zipped


def serve(*arguments):
    return subprocess.run([MAYFLY, "serve", *map(str, arguments)], capture_output=True, text=True, timeout=20)


@pytest.fixture
def own():
    """A server that the test may do anything to."""
    running = Server()
    yield running
    if running.process.poll() is None:
        running.stop()


def test_help_and_wrong_options():
    done = serve("--help")
    assert done.returncode == 0
    assert "default 256" in done.stdout
    for option in ("--data", "--listen", "--keep-alive", "--run-slots", "--pool-memory", "--max-package", "--tls-cert", "--tls-key", "--insecure"):
        assert option in done.stdout
    for arguments, word in ((["--speed"], "--speed"), (["--listen", "nowhere"], "ADDR:PORT"), (["--keep-alive", "-1"], "--keep-alive"),
                            (["--keep-alive", "soon"], "soon"), (["--run-slots", "0"], "--run-slots"), (["--data"], "--data"),
                            (["--run-slots", "1.5"], "1.5"), (["--pool-memory", "0"], "from 1 to 1048576,"), (["--tls-cert", "x"], "--tls-key")):
        done = serve(*arguments)
        assert done.returncode == 2 and word in done.stderr, (arguments, done.stderr)


def test_other_addresses_need_tls_or_insecure(tmp_path):
    done = serve("--data", tmp_path / "d", "--listen", "0.0.0.0:0")
    assert done.returncode == 1 and "--insecure" in done.stderr and "--tls-cert" in done.stderr
    running = Server("--listen", "0.0.0.0:0", "--insecure")
    try:
        assert running.endpoint.startswith("http://127.0.0.1:") and running.health()["status"] == "ok"
    finally:
        assert running.stop() == 0


def test_a_limit_of_open_files_that_is_too_low_is_said(tmp_path):
    limited = ["sh", "-c", 'ulimit -n "$0"; exec "$@"']
    done = subprocess.run([*limited, "64", MAYFLY, "serve", "--data", tmp_path / "data", "--listen", "127.0.0.1:0"], capture_output=True, text=True,
                          timeout=20)
    assert done.returncode == 1 and "64 open files" in done.stderr and "needs 256" in done.stderr and "ulimit -n 256" in done.stderr
    assert not (tmp_path / "data").exists()
    least = Server(prefix=(*limited, "256"))  # what the message asks for is enough
    create(least.client(), "f")
    assert invoke(least.client(), "f", {"x": [[1, 1, 1, 1]]})[0]["StatusCode"] == 200
    assert least.stop() == 0


def call_from(own, source, signed):
    """A signed call on a connection of its own, which stays open; None: it was closed instead."""
    connection = http.client.HTTPConnection("127.0.0.1", int(own.endpoint.rsplit(":", 1)[1]), timeout=10, source_address=(source, 0))
    try:
        connection.request("GET", "/2015-03-31/functions/", headers=signed)
        answer = connection.getresponse()
        answer.read()
    except ConnectionError:
        return None
    return connection if answer.status == 200 else None


def test_one_peer_does_not_take_all_connections(tmp_path):
    own = Server(prefix=("sh", "-c", 'ulimit -n 256; exec "$@"', "sh"))  # 128 connections, 96 for one peer
    request = botocore.awsrequest.AWSRequest("GET", own.endpoint + "/2015-03-31/functions/")
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(own.access_key, own.secret), "lambda", "us-east-1").add_auth(request)
    strangers = [socket.create_connection(("127.0.0.1", int(own.endpoint.rsplit(":", 1)[1]))) for _ in range(120)]
    signed = dict(request.headers)
    held = [wait_for(lambda: call_from(own, "127.0.0.1", signed), what="strangers to make room for a key") for _ in range(96)]
    assert call_from(own, "127.0.0.1", signed) is None
    others = [call_from(own, "127.0.0.2", signed) for _ in range(10)]
    assert all(others)
    for connection in (*strangers, *held, *others):
        connection.close()
    assert own.stop() == 0


def test_taken_port_and_taken_directory_are_said(own, tmp_path):
    port = own.endpoint.rsplit(":", 1)[1]
    done = serve("--data", tmp_path / "other", "--listen", f"127.0.0.1:{port}")
    assert done.returncode == 1 and port in done.stderr and "--listen" in done.stderr
    assert not (tmp_path / "other").exists(), "a server that could not start left a data directory"
    done = serve("--data", own.data, "--listen", "127.0.0.1:0")
    assert done.returncode == 1 and str(own.process.pid) in done.stderr and str(own.data) in done.stderr


def test_data_of_a_newer_mayfly_is_refused(own):
    assert own.stop() == 0
    with sqlite3.connect(own.data / "mayfly.db") as database:
        database.execute("PRAGMA user_version = 1000")
    database.close()
    done = serve("--data", own.data, "--listen", "127.0.0.1:0")
    assert done.returncode == 1 and "newer Mayfly" in done.stderr


@pytest.mark.parametrize("query", ["&".join(f"p{i}={i}" for i in range(1000)), "&" * 8000, "a&" * 4000, "a=" + "b" * 12000],
                         ids=["1000", "empty", "without_values", "long"])
def test_a_query_may_have_any_number_of_parameters(server, query):
    with urllib.request.urlopen(f"{server.endpoint}/healthz?{query}", timeout=10) as answer:
        assert answer.status == 200


def ask(server, method, path, **headers):
    connection = http.client.HTTPConnection(server.endpoint.split("//")[1], timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


@pytest.mark.parametrize("path", ["/healthz", "/metrics"])
def test_health_and_metrics_are_asked_by_get_and_by_head(server, path):
    (got, of_get, body), (head, of_head, nothing) = ask(server, "GET", path), ask(server, "HEAD", path)
    assert (got, head, nothing) == (200, 200, b"") and len(body) == int(of_get["Content-Length"]) > 50
    assert of_head["Content-Type"] == of_get["Content-Type"] and int(of_head["Content-Length"]) > 50


def test_pages_of_other_origins_are_told_nothing_of_the_api(server):
    """A browser asks first, and without Access-Control-Allow-Origin its page gets nowhere."""
    asking = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for path in ("/2015-03-31/functions/", "/", "/healthz", "/metrics", "/_mayfly/keys"):
        status, headers, _ = ask(server, "OPTIONS", path, **asking)
        assert status == 403 and not [name for name in headers if name.lower().startswith("access-control")], path


def test_messages_name_what_was_meant(server, tmp_path):
    model = tmp_path / "m.onnx"
    model.write_bytes(scale_model())
    done = server.run("deploy", model, "--name", "bad name", check=False)
    assert done.returncode == 1 and b"'bad name' is no function name" in done.stderr, done.stderr
    done = server.run("deploy", model, "--name", "", check=False)
    assert done.returncode == 2 and b"--name" in done.stderr, done.stderr
    package = tmp_path / "coded.zip"
    package.write_bytes(zipped(**{"app.py": "pass"}))
    done = server.run("deploy", package, check=False)
    assert done.returncode == 1 and b"code of its own ('app.py')" in done.stderr and b"no model" not in done.stderr, done.stderr
    client = server.client()
    create(client, "coded", package.read_bytes(), wait=False)  # the API keeps what failed
    wait_for(lambda: server.rows()["coded"]["state"] == "Failed", what="the function to fail")
    done = server.run("invoke", "coded", "[1]", check=False)
    assert done.returncode == 1 and b"following state: Failed" in done.stderr and b"operation under way" not in done.stderr, done.stderr
    server.run("rm", "coded")


def open_to_others(data):
    return {str(path) for path in (data, *data.rglob("*")) if path.lstat().st_mode & 0o077}


OPEN_UMASK = ("sh", "-c", "umask 000; exec \"$@\"", "sh")


def test_secrets_are_for_the_owner_only(tmp_path):
    tmp_path.chmod(0o755)  # one that was there before, and no umask to help
    own = Server(data=tmp_path, prefix=OPEN_UMASK)
    client = own.client()
    create(client, "f")
    invoke(client, "f", {"x": [1, 2, 3, 4]})
    wait_for(lambda: own.run("logs", "f").stdout, what="a log")
    assert {"mayfly.db", "mayfly.db-wal", "mayfly.db-shm", "root-key", "endpoint", "lock"} <= {path.name for path in own.data.iterdir()}
    assert open_to_others(own.data) == set()
    assert own.stop() == 0
    for path in own.data.rglob("*"):  # as an earlier version left it
        path.chmod(0o755 if path.is_dir() else 0o644)
    own.data.chmod(0o755)
    own.start(prefix=OPEN_UMASK)
    assert open_to_others(own.data) == set()
    assert own.stop() == 0
    assert open_to_others(own.data) == set()


def test_a_directory_that_is_shared_is_left_open_and_said(tmp_path):
    (tmp_path / "of-somebody-else").write_text("")
    (tmp_path / "of-somebody-else").chmod(0o644)
    tmp_path.chmod(0o755)
    own = Server(data=tmp_path)
    assert own.stop() == 0
    assert open_to_others(own.data) == {str(tmp_path), str(tmp_path / "of-somebody-else")}
    assert f"{tmp_path} is open to others" in own.log.read_text()


def refuses_connections(own):
    try:
        socket.create_connection(("127.0.0.1", int(own.endpoint.rsplit(":", 1)[1])), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_sigterm_finishes_what_runs_and_exits_0(own):
    client = own.client()
    create(client, "slow", zipped(slow_model(700, 60)), Timeout=60)
    result = []
    caller = threading.Thread(target=lambda: result.append(invoke(client, "slow", {"x": [1]})[0]["StatusCode"]))
    caller.start()
    wait_for(lambda: own.health()["instances_busy"] == 1, what="the call to run")
    own.process.send_signal(signal.SIGTERM)
    wait_for(lambda: refuses_connections(own), what="new connections to be refused, although the keeper holds the socket too")
    assert own.process.poll() is None and result == []
    assert own.process.wait(60) == 0
    caller.join()
    assert result == [200]
    assert not (own.data / "endpoint").exists()
    own.start()
    assert own.rows()["slow"]["invocations"] == 1  # counters were flushed
    assert "REPORT" in own.run("logs", "slow").stdout.decode()


def test_kill_9_of_the_keeper_loses_nothing_acknowledged(own):
    client = own.client()
    create(client, "before", Tags={"a": "b"})
    client.put_function_concurrency(FunctionName="before", ReservedConcurrentExecutions=850)
    kept = client.get_function(FunctionName="before")
    stop, acknowledged = threading.Event(), []

    def deploy():
        while not stop.is_set():
            name = f"f{len(acknowledged)}"
            try:
                create(client, name, zipped(scale_model(len(acknowledged))), wait=False)
            except botocore.exceptions.BotoCoreError:
                return
            acknowledged.append(name)

    worker = threading.Thread(target=deploy)
    worker.start()
    wait_for(lambda: len(acknowledged) > 10)
    own.kill()
    stop.set()
    worker.join()
    own.start()
    client = own.client()
    for i, name in enumerate(acknowledged):
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        assert json.loads(invoke(client, name, {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == i
    now = client.get_function(FunctionName="before")
    assert now["Configuration"] == kept["Configuration"] and now["Tags"] == kept["Tags"] and now["Concurrency"] == kept["Concurrency"]
    with pytest.raises(botocore.exceptions.ClientError):  # the sum of what is reserved was counted again
        client.put_function_concurrency(FunctionName=acknowledged[0], ReservedConcurrentExecutions=100)


def test_kill_9_of_front_is_survived(own):
    client = own.client()
    create(client, "f")
    assert json.loads(invoke(client, "f", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 2
    front = own.health()["pid"]
    os.kill(front, signal.SIGKILL)
    assert own.health()["pid"] != front  # this very connection waited for the new front
    assert json.loads(invoke(client, "f", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 2
    assert own.process.poll() is None


def calls_in_order(trace):
    """What strace wrote, a line for each call: openat and syncs stand where they returned, all others where they began."""
    calls, pending = [], {}
    for line in trace.read_text(errors="replace").splitlines():
        pid, text = line.split(maxsplit=1)
        counts_at_return = re.match(r"openat|fsync|fdatasync", text)
        if text.endswith(" <unfinished ...>") and counts_at_return:
            pending[pid] = text.removesuffix(" <unfinished ...>")  # with its blank: the rest begins with ")" or ", "
        elif "resumed>" in text and pid in pending:
            calls.append(pending.pop(pid) + text.split("resumed>", 1)[1])
        else:
            calls.append(text)
    return calls


def assert_synced_before_named(calls, at, data):
    """The blob that calls[at] names was made in the data directory's tmp/, its descriptor synced since, its folder synced afterwards."""
    old, folder = re.match(rf'renameat2?\(\d+<{data}/tmp>, "([^"]+)", \d+<{data}/blobs>, "(\w\w)/', calls[at]).groups()
    made = [(i, re.search(r"= (\d+)<", call)[1]) for i, call in enumerate(calls[:at]) if re.match(rf'openat\(\d+<{data}/tmp>, "{old}"', call)]
    assert len(made) == 1, (old, made)
    of_file = rf"f(data)?sync\({made[0][1]}<{data}/tmp/{old}>\)\s+= 0$"
    of_folder = rf"fsync\(\d+<{data}/blobs/{folder}>\)\s+= 0$"
    assert any(re.match(of_file, call) for call in calls[made[0][0]:at]), f"{old} was named before it was synced"
    assert any(re.match(of_folder, call) for call in calls[at:]), f"blobs/{folder} was not synced after {old} was named in it"


def test_create_is_acknowledged_after_the_sync_that_covers_it(tmp_path):
    """Traced: before the bytes of "201 Created" leave, the package's file, then its directory, and the database's log, were synced."""
    trace = tmp_path / "trace"
    running = Server(prefix=["strace", "-f", "-y", "-s", "64", "-o", str(trace), "-e",
                             "trace=openat,fsync,fdatasync,write,writev,sendto,sendmsg,pwrite64,rename,renameat,renameat2,send"])
    try:
        create(running.client(), "traced", wait=False)
    finally:
        running.process.send_signal(signal.SIGTERM)
        subprocess.run(["pkill", "-TERM", "-P", str(running.process.pid)], check=False)
        running.process.wait(60)
    calls = calls_in_order(trace)
    before = calls[:next(i for i, call in enumerate(calls) if "HTTP/1.1 201" in call)]
    written = [i for i, call in enumerate(before) if call.startswith("pwrite64(") and "mayfly.db-wal" in call]
    assert written and any(re.match(r"f(data)?sync\(\d+<[^>]*mayfly.db-wal>\)\s+= 0$", call) for call in before[written[-1]:])
    named = [i for i, call in enumerate(before) if call.startswith("rename") and f"{running.data}/blobs>" in call]
    assert named, "the package was not stored before the answer"
    for at in named:
        assert_synced_before_named(before, at, running.data)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 10 MB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", small]).returncode != 0:
        pytest.skip("tmpfs cannot be mounted here")
    yield small
    subprocess.run(["umount", "-l", small])


@pytest.fixture
def on_small_disk(small_disk):
    running = Server(data=small_disk / "data")
    yield running
    if running.process.poll() is None:
        running.stop()


def test_disk_full_at_deploy_is_said_and_passes(on_small_disk):
    client = on_small_disk.client()
    create(client, "fits")
    # 20 MB do not even fit while they arrive; 4 MB arrive (5.6 MB of text) and do not fit beside that twice more.
    for padding, status, words in ((20 << 20, 507, "no room"), (4 << 20, 500, "No space left")):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            create(client, "big", zipped(padding=padding), wait=False)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status and words in str(caught.value)
    assert json.loads(invoke(client, "fits", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 2
    create(client, "fits-too")
    assert on_small_disk.stop() == 0


def fill(disk):
    """Somebody else takes all the room there is, to the last page."""
    with open(disk / "filler", "ab", buffering=0) as filler:
        for step in (1 << 20, 4096):
            while os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize >= step:
                filler.write(bytes(step))
    assert os.statvfs(disk).f_bavail == 0


FREED = (2 << 20) - (512 << 10) - (256 << 10)  # by removing a package of 2 MB, but for the store's reserve and the pages of its log


def free(disk):
    return os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize


def deploy_of(running, name, padding):
    package = running.scratch / "package.zip"
    package.write_bytes(zipped(padding=padding))
    return running.run("deploy", package, "--name", name, check=False)


def test_whoever_knows_a_key_s_name_does_not_fill_the_disk(on_small_disk, small_disk):
    request = botocore.awsrequest.AWSRequest("POST", on_small_disk.endpoint + "/2015-03-31/functions", data=b"")
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(on_small_disk.access_key, "guessed"), "lambda", "us-east-1").add_auth(request)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    address, least, held = on_small_disk.endpoint.removeprefix("http://"), free(small_disk) // 4, []
    for _ in range(6):
        held.append(socket.create_connection(("127.0.0.1", int(address.rsplit(":", 1)[1]))))
        held[-1].sendall(f"POST /2015-03-31/functions HTTP/1.1\r\nHost: {address}\r\n{head}Content-Length: 20000000\r\n\r\n".encode() + bytes(3 << 20))
        on_small_disk.health()  # after what was sent before
        assert free(small_disk) > least - (256 << 10)
    wait_for(lambda: not refused_for_now(on_small_disk), what="room for who has the secret")
    assert len(on_small_disk.rows()) == 1
    for connection in held:
        connection.close()


def refused_for_now(running):
    try:
        create(running.client(), "f", zipped(padding=1 << 20))
    except botocore.exceptions.ClientError as problem:
        assert problem.response["ResponseMetadata"]["HTTPStatusCode"] == 503, problem
        return True
    return False


def test_calls_on_a_full_disk_are_billed_once_there_is_room(on_small_disk, small_disk):
    running, client = on_small_disk, on_small_disk.client()
    create(client, "f")
    invoke(client, "f", {"x": [[1, 1, 1, 1]]})

    def calls():
        return json.loads(running.run("cost", "f", "--json").stdout)["functions"][0]["calls"]
    assert calls() == 1
    fill(small_disk)
    for _ in range(4):
        invoke(client, "f", {"x": [[1, 1, 1, 1]]})
        calls()  # writes what was counted, or cannot
    (small_disk / "filler").unlink()
    wait_for(lambda: calls() == 5, what="all calls to be counted")
    assert running.stop() == 0
    running.start()
    assert calls() == 5


def test_functions_are_removed_from_a_full_disk_and_their_room_comes_back(on_small_disk, small_disk):
    running, client = on_small_disk, on_small_disk.client()
    package = zipped()
    create(client, "small", package)
    create(client, "same-as-small", package)
    assert deploy_of(running, "big", 2 << 20).returncode == 0
    fill(small_disk)
    refused = deploy_of(running, "more", 1000)
    assert refused.returncode == 1 and b"No space left" in refused.stderr, refused.stderr
    running.run("rm", "small")
    running.run("rm", "big")
    assert set(running.rows()) == {"same-as-small"}
    assert free(small_disk) >= FREED, "the package of what was removed is still there"
    assert json.loads(invoke(client, "same-as-small", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 2
    assert deploy_of(running, "next", 600_000).returncode == 0


def test_a_server_starts_on_a_full_disk_and_removes(on_small_disk, small_disk):
    running = on_small_disk
    assert deploy_of(running, "big", 2 << 20).returncode == 0
    create(running.client(), "small")
    for end in (running.stop, running.kill):
        fill(small_disk)
        end()
        fill(small_disk)
        running.start()
        fill(small_disk)
    running.run("rm", "big")
    assert free(small_disk) >= FREED and set(running.rows()) == {"small"}
    assert json.loads(invoke(running.client(), "small", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 2
    assert deploy_of(running, "big", 600_000).returncode == 0


def test_a_disk_that_events_have_filled_can_be_emptied(on_small_disk):
    """What was accepted stays; no more is, before there is no room for the database's own log; then everything can still be deleted, a killed
    server starts, and there is room again."""
    running = on_small_disk
    client = running.client()
    create(client, "f")
    client.put_function_event_invoke_config(FunctionName="f", MaximumRetryAttempts=0)
    accepted = 0
    for size in (200_000, 20_000, 2_000, 200):
        refused = 0
        while refused < 3:
            try:
                client.invoke(FunctionName="f", InvocationType="Event", Payload=json.dumps({"wrong": "x" * size}).encode())
                accepted += 1
            except botocore.exceptions.ClientError as problem:
                assert problem.response["ResponseMetadata"]["HTTPStatusCode"] == 500 and "No space left" in str(problem), problem
                refused += 1
    assert accepted > 20

    def totals():
        return json.loads(running.run("events", "--json").stdout)["totals"]

    def kept():
        return sum(totals()[state] for state in ("waiting", "running", "retrying", "failed"))
    wait_for(lambda: kept() == accepted, what="what was accepted, and nothing else, to be kept")
    for end in (running.kill, running.stop):
        end()
        running.start()
    wait_for(lambda: kept() == accepted, what="what was accepted after a start")
    while events := json.loads(running.run("events", "f", "--json").stdout)["events"]:
        for event in events:
            dropped = running.run("events", "drop", event["id"], check=False)
            assert dropped.returncode == 0 or b"running" in dropped.stderr or b"moved" in dropped.stderr or b"any more" in dropped.stderr, dropped.stderr
    wait_for(lambda: kept() == 0, what="nothing to be left")
    client = running.client()
    client.delete_function(FunctionName="f")
    create(client, "g")
    assert client.invoke(FunctionName="g", InvocationType="Event", Payload=json.dumps({"wrong": "x" * 200_000}).encode())["StatusCode"] == 202


def test_lost_and_damaged_images_are_built_again(own):
    client = own.client()
    create(client, "f")
    create(client, "g", zipped(scale_model(3)))
    images = sqlite3.connect(own.data / "mayfly.db").execute("SELECT value FROM images").fetchall()
    names = [json.loads(value)["image"] for value, in images]
    assert own.stop() == 0
    for name in names:
        path = own.data / "blobs" / name[:2] / name
        path.unlink()
    own.start()
    client = own.client()
    for name, factor in (("f", 2), ("g", 3)):
        wait_for(lambda: answers(client, name) == factor, what=f"{name} to be built again")
    # While the server runs, one is cut to nothing and one is overwritten.
    for name, text in zip(names, (b"", b"x" * 5000)):
        path = own.data / "blobs" / name[:2] / name
        path.unlink()
        path.write_bytes(text)
    client.update_function_configuration(FunctionName="f", Timeout=4)  # instances of the old revision go
    client.update_function_configuration(FunctionName="g", Timeout=4)
    for name, factor in (("f", 2), ("g", 3)):
        wait_for(lambda: answers(client, name) == factor, what=f"{name} to be built again")


def answers(client, name):
    try:
        return json.loads(invoke(client, name, {"x": [[1, 1, 1, 1]]})[1])["y"][0][0]
    except botocore.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 503, error
        return None


def test_another_instruction_set_compiles_again_by_itself(own):
    client = own.client()
    create(client, "f")
    assert own.stop() == 0
    own.start(environment={"MAYFLY_ISA": "generic"})
    client = own.client()
    wait_for(lambda: answers(client, "f") == 2)
    built = {json.loads(value)["image"] for value, in sqlite3.connect(own.data / "mayfly.db").execute("SELECT value FROM images")}
    assert len(built) == 2
    assert client.get_function_configuration(FunctionName="f")["State"] == "Active"


# ---- keys and signatures ----
def test_keys_are_made_work_and_are_removed(own):
    made = json.loads(own.run("keys", "new", "--json").stdout)
    other = own.client(aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
    assert other.list_functions()["Functions"] == []
    listed = {k["AccessKeyId"]: k["Kind"] for k in json.loads(own.run("keys", "--json").stdout)}
    assert listed == {own.access_key: "root", made["AccessKeyId"]: "user"}
    own.kill()
    own.start()
    other = own.client(aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
    assert other.list_functions()["Functions"] == []
    own.run("keys", "rm", made["AccessKeyId"])
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        other.list_functions()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert own.run("keys", "rm", own.access_key, check=False).returncode == 1


def status_of(request):
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def signed(server, moment=None, secret=None, access_key=None, path="/2015-03-31/functions/", region="us-east-1"):
    request = botocore.awsrequest.AWSRequest("GET", server.endpoint + path)
    auth = botocore.auth.SigV4Auth(botocore.credentials.Credentials(access_key or server.access_key, secret or server.secret), "lambda", region)
    if moment:
        class Then(datetime.datetime):
            @classmethod
            def utcnow(cls):
                return moment
        real, botocore.auth.datetime.datetime = botocore.auth.datetime.datetime, Then
        try:
            auth.add_auth(request)
        finally:
            botocore.auth.datetime.datetime = real
    else:
        auth.add_auth(request)
    return urllib.request.Request(request.url, headers=dict(request.headers))


def test_signatures_that_are_bad_expired_or_absent(server):
    assert status_of(signed(server))[0] == 200
    assert status_of(signed(server, secret="wrong"))[0] == 403
    assert status_of(signed(server, access_key="AKIAAAAAAAAAAAAAAAAA"))[0] == 403
    assert status_of(signed(server, moment=datetime.datetime.utcnow() - datetime.timedelta(minutes=16)))[0] == 403
    assert status_of(signed(server, moment=datetime.datetime.utcnow() + datetime.timedelta(minutes=16)))[0] == 403
    for region in ("..", "US-EAST-1", "a b", "x" * 40, "a", "1", "-"):
        code, text = status_of(signed(server, region=region))
        assert code == 403 and b"Credential should be scoped to a valid region." in text, (region, text)
    for path in ("/2015-03-31/functions/", "/_mayfly/functions", "/_mayfly/keys", "/_mayfly/logs/f"):
        assert status_of(urllib.request.Request(server.endpoint + path))[0] == 403, path
    assert status_of(urllib.request.Request(server.endpoint + "/healthz"))[0] == 200


# ---- clients that misbehave ----
def test_a_client_that_leaves_does_not_disturb_the_function(own):
    client = own.client()
    create(client, "slow", zipped(slow_model()), Timeout=60)
    body = b'{"x": [1]}'
    request = botocore.awsrequest.AWSRequest("POST", own.endpoint + "/2015-03-31/functions/slow/invocations", data=body)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(own.access_key, own.secret), "lambda", "us-east-1").add_auth(request)
    host, port = own.endpoint[7:].split(":")
    head = "POST /2015-03-31/functions/slow/invocations HTTP/1.1\r\nHost: %s:%s\r\nContent-Length: %d\r\n" % (host, port, len(body))
    head += "".join(f"{k}: {v}\r\n" for k, v in request.headers.items()) + "\r\n"
    for _ in range(4):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(head.encode() + body)
            time.sleep(0.05)
    wait_for(lambda: own.health()["instances_busy"] == 0 and own.health()["queued"] == 0, 60)
    assert json.loads(invoke(client, "slow", {"x": [1]})[1]) == {"y": 0}
    assert own.health()["instances_busy"] == 0


# ---- TLS, aws-cli, logs that are followed ----
def test_tls(tmp_path, monkeypatch):
    look_up = socket.getaddrinfo  # a fresh system has no /etc/hosts, and its resolver knows no localhost
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *rest, **more: look_up("127.0.0.1" if host == "localhost" else host, *rest, **more))
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out",
                    certificate, "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    done = serve("--data", tmp_path / "none", "--listen", "localhost:0", "--tls-cert", tmp_path / "missing", "--tls-key", key)
    assert done.returncode == 1 and "missing" in done.stderr
    running = Server("--listen", "localhost:0", "--tls-cert", certificate, "--tls-key", key, environment={"SSL_CERT_FILE": str(certificate)})
    try:
        assert running.endpoint.startswith("https://localhost:")
        client = running.client(verify=str(certificate))
        create(client, "f")
        assert json.loads(invoke(client, "f", {"x": [[1, 1, 1, 1]]})[1])["y"][0][0] == 2
        location = client.get_function(FunctionName="f")["Code"]["Location"]
        assert location.startswith("https://localhost:")
        context = ssl.create_default_context(cafile=str(certificate))
        with urllib.request.urlopen(location, context=context) as answer:
            assert answer.read()[:2] == b"PK"
    finally:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(60) == 0


def test_aws_cli_walks_a_functions_life(own, tmp_path):
    package, event, out = tmp_path / "f.zip", tmp_path / "event.json", tmp_path / "out.json"
    package.write_bytes(zipped())
    event.write_text('{"x": [[1, 2, 3, 4]]}')
    done = own.aws("lambda", "create-function", "--function-name", "cli", "--role", ROLE, "--zip-file", f"fileb://{package}")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["State"] == "Pending"
    assert own.aws("lambda", "wait", "function-active-v2", "--function-name", "cli").returncode == 0
    done = own.aws("lambda", "invoke", "--function-name", "cli", "--payload", f"fileb://{event}", "--log-type", "Tail", out)
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text()) == {"y": [[2, 4, 6, 8]]}
    answer = json.loads(done.stdout)
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert base64.b64decode(answer["LogResult"]).decode().startswith("START RequestId")
    assert own.aws("lambda", "update-function-configuration", "--function-name", "cli", "--timeout", "8").returncode == 0
    assert own.aws("lambda", "wait", "function-updated", "--function-name", "cli").returncode == 0
    assert own.aws("lambda", "list-functions", "--query", "Functions[].FunctionName", "--output", "text").stdout.strip() == "cli"
    done = own.aws("lambda", "get-function", "--function-name", "nothing")
    assert done.returncode == 254 and "ResourceNotFoundException" in done.stderr
    assert own.aws("lambda", "delete-function", "--function-name", "cli").returncode == 0
    assert own.aws("s3api", "list-buckets").returncode != 0


def test_followed_logs_come_when_they_are_written(own):
    client = own.client()
    create(client, "f")
    follower = subprocess.Popen([MAYFLY, "logs", "f", "--follow", "--data", own.data], stdout=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        answer, _ = invoke(client, "f", {"x": [[1, 1, 1, 1]]})
        line = follower.stdout.readline()
        assert answer["ResponseMetadata"]["RequestId"] in line and "START" in line
    finally:
        follower.kill()
        follower.wait()


def test_deploy_from_the_command_line_updates_and_keeps_serving(own, tmp_path):
    model = tmp_path / "scale.onnx"
    model.write_bytes(scale_model(2))
    own.run("deploy", model)
    client = own.client()
    assert answers(client, "scale") == 2
    model.write_bytes(scale_model(3))
    own.run("deploy", model, "--memory", "512", "--timeout", "30")
    got = client.get_function_configuration(FunctionName="scale")
    assert (answers(client, "scale"), got["MemorySize"], got["Timeout"]) == (3, 512, 30)
    assert got["CodeSha256"] == base64.b64encode(hashlib.sha256(model.read_bytes()).digest()).decode()
    model.write_bytes(b"this is no model")
    done = own.run("deploy", model, "--memory", "600", check=False)
    assert done.returncode == 1 and answers(client, "scale") == 3
    got = client.get_function_configuration(FunctionName="scale")
    assert (got["MemorySize"], got["LastUpdateStatus"]) == (512, "Failed")
    own.run("rm", "scale")
    assert own.rows() == {}


def test_other_services_are_refused_by_name(server):
    import boto3
    client = boto3.client("sqs", endpoint_url=server.endpoint, region_name="us-east-1", aws_access_key_id=server.access_key,
                          aws_secret_access_key=server.secret)
    with pytest.raises(Exception) as caught:
        client.list_queues()
    assert "501" in str(caught.value) or "sqs" in str(caught.value)


def test_no_file_is_left_behind_by_deletion(own):
    client = own.client()
    create(client, "f")
    client.delete_function(FunctionName="f")
    assert not list((own.data / "blobs").glob("*/*")), "package and image go with the function"
    # What else nobody names, a kill between two steps say, is collected when it is an hour old.
    (own.data / "blobs/ab").mkdir(exist_ok=True)
    old, young = (own.data / "blobs/ab" / ("ab" * 31 + end) for end in ("00", "01"))
    for path in (old, young):
        path.write_bytes(b"x")
    os.utime(old, (time.time() - 7200,) * 2)
    assert own.stop() == 0
    own.start()
    wait_for(lambda: list((own.data / "blobs").glob("*/*")) == [young], what="the collection of blobs")
    rows = sqlite3.connect(own.data / "mayfly.db")
    wait_for(lambda: rows.execute("SELECT count(*) FROM images").fetchone() == (0,), what="the row of the image to go")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can look into the memory of a process that is not dumpable")
def test_an_instance_has_little_memory_of_its_own(server, client):
    """What the program itself writes is paid for by every instance and, faulted in beforehand, by every blank worker."""
    create(client, "small")
    invoke(client, "small", {"x": [[1, 2, 3, 4]]})
    mapped = [path.parent / "smaps" for path in pathlib.Path("/proc").glob("[0-9]*/maps") if is_instance_of(server, path)]
    assert len(mapped) >= 1
    for smaps in mapped:
        private, name = {}, ""
        for words in map(str.split, smaps.read_text().splitlines()):
            name = words[0] if not words[0].endswith(":") else name
            private[name] = private.get(name, 0) + (int(words[1]) if words[0] == "Private_Dirty:" else 0)
        assert sum(private.values()) - max(private.values()) < 1500, {k: v for k, v in private.items() if v}  # the arena is the largest


def is_instance_of(server, maps):
    try:
        return str(server.data / "blobs") in maps.read_text()
    except OSError:
        return False
