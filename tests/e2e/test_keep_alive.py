"""The hybrid keep-alive through the API: it is the default, what it learns outlives a restart, and a deleted function leaves nothing."""
import contextlib
import sqlite3

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
