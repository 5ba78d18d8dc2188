"""Benchmarks of asynchronous invocations: how many are accepted, on disk, and run meanwhile; what a backlog costs those who wait for an
answer. Run through bench/run (make bench B=lambda)."""
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import signal
import statistics
import struct

import host

SECONDS, CONNECTIONS, PAYLOAD_BYTES = 30, 32, 200
BACKLOG, BLOCKS, BLOCK = 1_000_000, 5, 2000
PER_SECOND_AT_MOST = 48_000  # distinct requests that are signed beforehand, for each second


def payload(number):
    """A call of the small network, 200 bytes long and like no other."""
    values = ",".join(f"{((number * 7919 + j * 104729) % 1000003) / 1000003:.6f}" for j in range(10))
    text = f'{{"x":[[{values}]]}}'
    return (text + " " * (PAYLOAD_BYTES - len(text))).encode()


def event_script(path, server, name, count):
    """Signed Event invocations. As host.sign, but the key is derived once: there are hundreds of thousands."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/{host.REGION}/lambda/aws4_request"
    key = ("AWS4" + server.keys["SecretAccessKey"]).encode()
    for part in (now[:8], host.REGION, "lambda", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    keyed = hmac.new(key, digestmod=hashlib.sha256)
    address, uri = f"127.0.0.1:{server.port}", f"/2015-03-31/functions/{name}/invocations"
    signed = "host;x-amz-date;x-amz-invocation-type"
    canonical = f"POST\n{uri}\n\nhost:{address}\nx-amz-date:{now}\nx-amz-invocation-type:Event\n\n{signed}\n"
    head = (f"POST {uri} HTTP/1.1\r\nHost: {address}\r\nX-Amz-Date: {now}\r\nX-Amz-Invocation-Type: Event\r\nContent-Length: {PAYLOAD_BYTES}\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential={server.keys['AccessKeyId']}/{scope}, SignedHeaders={signed}, Signature=")
    with open(path, "wb") as file:
        for number in range(count):
            body = payload(number)
            request = hashlib.sha256((canonical + hashlib.sha256(body).hexdigest()).encode()).hexdigest()
            signature = keyed.copy()
            signature.update(f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{request}".encode())
            raw = f"{head}{signature.hexdigest()}\r\n\r\n".encode() + body
            file.write(struct.pack("<I", len(raw)) + raw)
    return path


def totals(server):
    return json.loads(server.run("events", "--json"))["totals"]


def kill(server):
    """kill -9 of the keeper; the kernel ends front and workers with it."""
    server.process.kill()
    server.process.wait()
    (server.data / "endpoint").unlink()  # a new server's is waited for


def accepted(world):
    """Events accepted while workers drain. Then the keeper is killed, and the rows are counted that the next server finds: what is not there
    must have run, and what ran between the count and the kill is a small part."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(world.server())
        server.deploy(world.models / "mlp.onnx", "f")
        requests = event_script(world.scratch / "events", server, "f", SECONDS * PER_SECOND_AT_MOST)
        seen = world.load(server.port, CONNECTIONS, SECONDS, 0, requests)
        counted = totals(server)
        kill(server)
        requests.unlink()
        again = host.Server(world.scratch, data=server.data)
        stack.callback(again.stop)
        after = totals(again)
    if seen["failed"]:
        raise RuntimeError(f"{seen['failed']} events were refused, the first with {seen['first_bad_status']}")
    kept = after["waiting"] + after["running"] + after["done"]
    unseen = seen["answers"] - counted["done"] - kept
    if unseen > seen["answers"] / 20:
        raise RuntimeError(f"of {seen['answers']} events {counted['done']} ran and {kept} are there after the kill")
    return {"lambda.durable_events_per_s": seen["per_second"], "lambda.drained_per_s": counted["done"] / seen["seconds"],
            "lambda.durable_events_p99_ms": seen["p99_us"] / 1000, "lambda.durable_events_after_kill": kept,
            "lambda.durable_events_run_before_kill": counted["done"]}


@contextlib.contextmanager
def stopped(server):
    """Its front and workers stand still, so that what they do in the background is no part of what is measured elsewhere."""
    pids = [pid for pid, name in server.processes().items() if pid != server.process.pid]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def backlog(world):
    """A warm call with and without a million events of another function behind it: two servers, one of which stands still while the other
    is measured, block by block in turn, since machines have moods."""
    with world.server() as behind, world.server() as alone:
        for server in (behind, alone):
            server.deploy(world.models / "mlp.onnx", "called")
        behind.deploy(world.models / "mlp.onnx", "waiting")
        while totals(behind)["waiting"] < BACKLOG + BACKLOG // 20:  # many connections: only that they wait is of interest
            requests = event_script(world.scratch / "events", behind, "waiting", 20_000)
            world.load(behind.port, 8 * CONNECTIONS, 0, 200_000, requests)
        calls = {server: host.script(world.scratch / f"call{server.port}", [server.request("called", {"x": [[i / 10 for i in range(10)]]})])
                 for server in (behind, alone)}
        block = lambda server: world.load(server.port, 1, 0, BLOCK, calls[server])["p99_us"]
        before = totals(behind)
        with_events, without = [], []
        for server in (behind, alone):
            block(server)
        for _ in range(BLOCKS):
            with_events.append(block(behind))
            with stopped(behind):
                without.append(block(alone))
        after = totals(behind)
        fronts = [pid for pid, name in behind.processes().items() if name == "mayfly-front"]
        front = sum(host.pss_bytes(pid) for pid in fronts) / 1e6
    return {"lambda.sync_p99_under_backlog_ratio": statistics.median(with_events) / statistics.median(without),
            "lambda.sync_p99_us": statistics.median(without), "lambda.sync_p99_under_backlog_us": statistics.median(with_events),
            "lambda.backlog_waiting": after["waiting"], "lambda.backlog_drained_meanwhile": after["done"] - before["done"],
            "lambda.front_pss_mb_under_backlog": front}


def beside_slow_events(world):
    """A warm call of the small network while events of a 14 MB model run all the time, for a client that calls back to back and for one that
    pauses for 5 ms before each call; over the same on a server without events."""
    shape, slow = host.MODELS["14mb"][1], {}
    with world.server() as busy, world.server() as alone:
        for server in (busy, alone):
            server.deploy(world.models / "mlp.onnx", "called")
        busy.deploy(world.models / "mobilenetv2.onnx", "slow", "--timeout", "60")
        calls = {server: host.script(world.scratch / f"call{server.port}", [server.request("called", {"x": [[i / 10 for i in range(10)]]})])
                 for server in (busy, alone)}
        at_once = lambda server: world.load(server.port, 1, 0, BLOCK, calls[server])["p99_us"]
        after_pause = lambda server: host.percentile(world.load("pairs", server.port, 200, 5, calls[server])["paused_us"], 0.99)
        event = host.script(world.scratch / "slow", [host.sign("POST", "/2015-03-31/functions/slow/invocations",
                                                               json.dumps(host.picture_event(shape)).encode(), busy.keys,
                                                               f"127.0.0.1:{busy.port}", headers={"x-amz-invocation-type": "Event"})])
        kinds = {"": at_once, "_paused": after_pause}
        seen = {(kind, server): [] for kind in kinds for server in (busy, alone)}
        at_once(busy), at_once(alone)
        before = totals(busy)
        for _ in range(BLOCKS):
            world.load(busy.port, CONNECTIONS, 0, 2000, event)
            for kind, measure in kinds.items():
                seen[kind, busy].append(measure(busy))
                with stopped(busy):
                    seen[kind, alone].append(measure(alone))
        after = totals(busy)
        if after["waiting"] == 0:
            raise RuntimeError("the slow events were done before the calls")
        for kind in kinds:
            slow[f"lambda.sync_p99_beside_slow_events_ratio{kind}"] = statistics.median(seen[kind, busy]) / statistics.median(seen[kind, alone])
    return slow | {"lambda.slow_events_drained_meanwhile": after["done"] - before["done"]}


MEASUREMENTS = [accepted, backlog, beside_slow_events]

