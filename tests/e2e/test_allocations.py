"""A warm invocation allocates nothing for an object of ours in front: every malloc is counted with the stack that made it."""
import http.client
import mmap
import os
import pathlib
import struct
import subprocess
import time

import pytest

from world import MAYFLY, ROOT, Server, create, zipped

COUNTER = pathlib.Path(os.environ.get("MAYFLY_COUNTER", ROOT / "build/tests/e2e/count_allocations.so"))
FRAMES, ROWS = 14, 1000
ROW = struct.Struct(f"={FRAMES}QQ")
HEADER = struct.Struct("=iiII")
# The counters of invocations go to the store every 5 s, which allocates: such a moment may spoil one window, not all of them.
CALLS, WINDOWS = 150, 4


class Counter:
    """The table that count_allocations.c fills."""
    def __init__(self, path):
        path.write_bytes(bytes(HEADER.size + ROWS * ROW.size))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)

    def count(self, pid):
        """Begins anew with this process; 0: stops."""
        self.memory[:HEADER.size] = HEADER.pack(0, 0, 0, 0)
        self.memory[HEADER.size:] = bytes(ROWS * ROW.size)
        self.memory[:HEADER.size] = HEADER.pack(pid, 0, 0, 0)

    def stop(self):
        """Rows of (stack, how often it allocated)."""
        _, _, n_rows, n_lost = HEADER.unpack(self.memory[:HEADER.size])
        self.memory[:4] = struct.pack("=i", 0)
        assert n_lost == 0
        rows = [ROW.unpack_from(self.memory, HEADER.size + i * ROW.size) for i in range(n_rows)]
        return [([frame for frame in row[:FRAMES] if frame], row[FRAMES]) for row in rows]


class Maps:
    """Which file an address of a process belongs to."""
    def __init__(self, pid):
        self.ranges, self.base = [], {}
        for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
            parts = line.split(maxsplit=5)
            if len(parts) < 6 or not parts[5].startswith("/"):
                continue
            first, past = (int(number, 16) for number in parts[0].split("-"))
            self.ranges.append((first, past, parts[5]))
            self.base.setdefault(parts[5], first - int(parts[2], 16))

    def file(self, address):
        return next((path for first, past, path in self.ranges if first <= address < past), "?")

    def owner(self, frames):
        """The first file on the stack that is neither the C library nor the counter: strdup() called by us is ours."""
        files = (pathlib.Path(self.file(frame)).name for frame in frames)
        return next((name for name in files if not name.startswith(("libc.", "libc-", "ld-linux", "count"))), "?")

    def functions(self, frames):
        ours = [frame - 1 - self.base[self.file(frame)] for frame in frames if self.file(frame) == os.path.realpath(MAYFLY)]
        done = subprocess.run(["addr2line", "-f", "-e", MAYFLY, *map(hex, ours)], capture_output=True, text=True)
        return " < ".join(done.stdout.splitlines()[::2])


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    # A pool of nothing (1 MB): refilling it behind the calls is no part of a call.
    if not COUNTER.exists():
        pytest.skip(f"{COUNTER.name} was not built: builds with a sanitizer have an allocator of their own")
    table = tmp_path_factory.mktemp("count") / "table"
    counter = Counter(table)
    running = Server("--pool-memory", "1", environment={"LD_PRELOAD": str(COUNTER), "COUNT_ALLOCATIONS": str(table)})
    create(running.client(), "f", zipped())
    yield running, counter
    assert running.stop() == 0, running.log.read_text()


def call(connection, body, headers):
    connection.request("POST", "/2015-03-31/functions/f/invocations", body, headers)
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    return answer


def window(connection, counter, pid, body, headers):
    """Stacks that allocated during CALLS warm calls, and how often."""
    counter.count(pid)
    for _ in range(CALLS):
        assert "x-mayfly-init-ns" not in call(connection, body, headers).headers
    time.sleep(0.05)  # the log's thread may still be writing
    return counter.stop()


@pytest.mark.parametrize("body, headers", [
    (b'{"x": [[1, 2, 3, 4]]}', {}),
    (b'{"x": [[1, 2, 3, 4]]' + b" " * 3000 + b"}", {}),
    (b'{"x": [[1, 2, 3, 4]]' + b" " * 100000 + b"}", {}),
    (b'{"wrong": 1}', {}),
    (b'{"x": [[1, 2, 3, 4]]}', {"X-Amz-Log-Type": "Tail"}),
], ids=["small", "3_kB", "100_kB", "function_error", "log_tail"])
def test_a_warm_invocation_allocates_nothing_of_ours(counted, body, headers):
    server, counter = counted
    pid = server.health()["pid"]
    _, headers = server.signed_call("f", body, headers)
    connection = http.client.HTTPConnection(server.endpoint.split("//")[1], timeout=20)
    for _ in range(100):  # the function is warm, and whatever grows with use has grown
        call(connection, body, headers)
    told = []
    for _ in range(WINDOWS):
        stacks, maps = window(connection, counter, pid, body, headers), Maps(pid)
        http_library = sum(count for frames, count in stacks if maps.owner(frames).startswith("libmicrohttpd"))
        assert http_library >= CALLS, "libmicrohttpd allocates in every call: the counter does not count"
        told = [f"{count} in {CALLS} calls by {maps.owner(frames)}: {maps.functions(frames)}"
                for frames, count in stacks if not maps.owner(frames).startswith("libmicrohttpd")]
        if not told:
            break
    connection.close()
    assert not told, "\n".join(told)
