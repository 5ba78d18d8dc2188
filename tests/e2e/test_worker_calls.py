"""What a worker does during warm calls, seen by strace from its birth on: it waits on its doorbell and writes to it, and nothing else."""
import json
import pathlib
import re
import subprocess

import pytest

from world import Server, children_named, create, invoke, wait_for

CALLS = 20
WAIT = re.compile(r"futex\((0x[0-9a-f]+), FUTEX_WAIT, (\d+), NULL\)\s+= (0|-1 EAGAIN .*)")
# (Only root's strace may read what the eight bytes are: the worker is undumpable.)
RING = re.compile(r'write\(4, ("\\1\\0\\0\\0\\0\\0\\0\\0"|0x[0-9a-f]+), 8\)\s+= 8')


@pytest.fixture
def traced(tmp_path):
    """A server all of whose processes are traced, each into a file of its own. No tracer could be attached to a worker later: it is
    undumpable. With a pool of nothing (1 MB) the only workers are those that were called."""
    if subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode != 0:
        pytest.skip("processes may not be traced here (ptrace is refused)")
    running = Server("--pool-memory", "1", "--run-slots", "1", prefix=["strace", "-D", "-ff", "-s", "16", "-o", str(tmp_path / "trace")])
    yield running
    assert running.stop() == 0, running.log.read_text()


def lines_of(path, pid):
    return pathlib.Path(f"{path}.{pid}").read_text().splitlines()


def test_a_warm_call_waits_on_its_doorbell_and_writes_to_it(traced, tmp_path):
    client = traced.client()
    create(client, "f")
    payloads = [{"x": [[i, 2, 3, 4]]} for i in range(CALLS)] + [{"x": [["no number"]]}, b"no JSON"]
    for payload in payloads:  # whatever is needed once (memory for the largest answer) is taken here
        invoke(client, "f", payload)
    worker, = wait_for(lambda: children_named(traced.process.pid, "mayfly-worker"), what="the worker")
    trace = tmp_path / "trace"
    rings = lambda: sum(bool(RING.match(line)) for line in lines_of(trace, worker))
    waits = lambda: lines_of(trace, worker)[-1].startswith("futex(")
    wait_for(waits, what="the worker to wait")
    before, rung = len(lines_of(trace, worker)), rings()
    for payload in payloads:
        wait_for(waits, what="the worker to wait")
        body = invoke(client, "f", payload)[1]
        assert b"errorMessage" in body or json.loads(body)["y"][0][0] == 2 * payload["x"][0][0]
    wait_for(lambda: rings() - rung == len(payloads), what="a ring for each call")
    calls = [line for line in lines_of(trace, worker)[before:] if not line.startswith("---")]
    if not WAIT.match(calls[-1]) and calls[-1].startswith("futex("):  # the wait for a call that does not come
        calls.pop()
    others = [line for line in calls if not WAIT.match(line) and not RING.match(line)]
    assert not others, "\n".join(others[:20])
    assert len({WAIT.match(line)[1] for line in calls if WAIT.match(line)}) == 1, "one place to wait at"
    kinds = "".join("r" if RING.match(line) else "w" for line in calls)
    assert re.fullmatch(r"(w+r)+", "w" + kinds.lstrip("w")) and kinds.count("r") == len(payloads), kinds
