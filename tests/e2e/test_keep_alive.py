"""The hybrid keep-alive through the API: it is the default, what it learns outlives a restart, and a deleted function leaves nothing."""
import base64
import contextlib
import sqlite3
import time

import pytest

import world
from world import create, invoke, wait_for


def stored(server):
    """Key to (end of the last call in ns, counts of idle times by minute), read as docs/design.md and policy.c describe the row. The server
    has stopped."""
    def numbers(data):
        value = shift = 0
        for byte in data:
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                yield value
                value = shift = 0

    with contextlib.closing(sqlite3.connect(next(server.data.glob("*.db")))) as database:
        rows = dict(database.execute("SELECT key, value FROM idle_times"))
    result = {}
    for key, value in rows.items():
        assert value[8] == 1, "the version of the packing"
        _, n_recent, *rest = numbers(value[9:])
        bins, at = {}, 0
        for skipped, count in zip(rest[n_recent::2], rest[n_recent + 1::2]):
            at += skipped
            bins[at] = count
            at += 1
        result[key.decode() if isinstance(key, bytes) else key] = int.from_bytes(value[:8], "little"), bins
    return result


@pytest.fixture
def server():
    running = world.Server()
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0, running.log.read_text()


def test_idle_times_are_learnt_and_outlive_a_restart(server):
    client = server.client()
    for name in ("kept", "removed"):
        create(client, name)
        for _ in range(3):
            invoke(client, name, {"x": [[1, 1, 1, 1]]})
    assert server.health()["instances_idle"] == 2, "by default an instance stays for longer than this takes"
    assert server.stop() == 0
    before = stored(server)
    assert {key: bins for key, (_, bins) in before.items()} == {"us-east-1/kept": {0: 2}, "us-east-1/removed": {0: 2}}
    server.start()
    client = server.client()
    invoke(client, "kept", {"x": [[1, 1, 1, 1]]})
    client.delete_function(FunctionName="removed")
    assert server.stop() == 0
    after = stored(server)
    assert set(after) == {"us-east-1/kept"} and after["us-east-1/kept"][1] == {0: 3}, "the pause over the restart is one more"
    assert after["us-east-1/kept"][0] > before["us-east-1/kept"][0]


def test_a_removed_function_begins_anew(server):
    client = server.client()
    create(client, "again")
    invoke(client, "again", {"x": [[1, 1, 1, 1]]})
    client.delete_function(FunctionName="again")
    wait_for(lambda: server.health()["instances_idle"] == 0, what="its instance to go")
    create(client, "again")
    invoke(client, "again", {"x": [[1, 1, 1, 1]]})
    assert server.stop() == 0
    assert stored(server)["us-east-1/again"][1] == {}


def test_fixed_times_learn_nothing():
    server = world.Server("--keep-alive", "60")
    create(server.client(), "f")
    for _ in range(2):
        invoke(server.client(), "f", {"x": [[1, 1, 1, 1]]})
    assert server.stop() == 0
    assert stored(server) == {}


def test_an_instance_is_there_before_the_call_that_is_expected():
    """Minutes of a quarter of a second, calls every two and a half: by the histogram the instance goes after its call, and another one is
    there from 1.8 minutes on."""
    minute = 0.25
    server = world.Server("--keep-alive-scale", str(minute / 60))
    try:
        client = server.client()
        create(client, "f", Publish=True)
        for _ in range(14):
            invoke(client, "f:1", {"x": [[1, 1, 1, 1]]})
            time.sleep(2.5 * minute)
        invoke(client, "f:1", {"x": [[1, 1, 1, 1]]})
        ended, seen = time.monotonic(), []
        while time.monotonic() - ended < 6 * minute:
            seen.append(((time.monotonic() - ended) / minute, server.health()["instances_idle"]))
        there = [at for at, idle in seen if idle]
        later = [at for at in there if at > 1]
        assert [idle for at, idle in seen if 0.5 < at < 1.5] and not [at for at in there if 0.5 < at < 1.5], "it goes after its call"
        assert later and 1.7 < later[0] < 3 and later[-1] < 5, (later[:1], later[-1:])
        tail = base64.b64decode(client.invoke(FunctionName="f:1", Payload=b'{"x": [[1, 1, 1, 1]]}', LogType="Tail")["LogResult"]).decode()
        assert "Init Duration" in tail, "after the window a call is cold"
    finally:
        assert server.stop() == 0, server.log.read_text()
