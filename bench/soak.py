"""1,000 clients on 50 functions of three sizes for a minute: errors, growth of front's memory and descriptors, and what the busiest
function costs the others."""
import json
import pathlib
import subprocess
import time

import host

FUNCTIONS, CLIENTS, SECONDS = 50, 1000, 60
MODELS = ["mobilenetv2", "trees100", "trees100", "mlp", "mlp"]  # function i has model i % 5; the busiest is function 0
SHAPES = {"mobilenetv2": [1, 3, 8, 8], "trees100": [1, 30], "mlp": [1, 10]}


def model_of(i):
    return MODELS[i % len(MODELS)]


def requests(server, functions):
    """A few of each, by turns."""
    return [server.request(f"f{i}", host.picture_event(SHAPES[model_of(i)], seed)) for seed in range(8) for i in functions]


def begin(world, server, name, functions, clients, seconds):
    file = host.script(world.scratch / name, requests(server, functions))
    return subprocess.Popen([host.BUILD / "bench/load", str(server.port), str(clients), str(seconds), "0", file], stdout=subprocess.PIPE, text=True)


def end(load):
    return json.loads(load.communicate(timeout=600)[0])


def own_bytes(pid):
    """What a process has written and shares with nobody."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("Private_Dirty:", "Swap:")))


def front_of(server):
    pid = next(pid for pid, name in server.processes().items() if name == "mayfly-front")
    return pid, own_bytes(pid), len(list(pathlib.Path(f"/proc/{pid}/fd").iterdir()))


def settled(server):
    """Memory and descriptors of front when nothing runs, no instance is left and the pool is full again."""
    server.wait_until_empty()
    time.sleep(3)
    return front_of(server)


def soak(world):
    others = range(1, FUNCTIONS)
    with world.server("--keep-alive", "5") as server:
        for i in range(FUNCTIONS):
            server.deploy(world.models / f"{model_of(i)}.onnx", f"f{i}", "--timeout", 300)  # the busiest one's callers wait for each other
        end(begin(world, server, "warm", range(FUNCTIONS), CLIENTS, 5))
        before = settled(server)
        busy = begin(world, server, "busy", [0], CLIENTS // 2, SECONDS)
        beside = end(begin(world, server, "others", others, CLIENTS // 2, SECONDS))
        busy = end(busy)
        after = settled(server)
        alone = end(begin(world, server, "others", others, CLIENTS // 2, SECONDS))
    return {"lambda.soak_answers": beside["answers"] + busy["answers"], "lambda.soak_errors": beside["failed"] + busy["failed"] + alone["failed"],
            "lambda.soak_p99_ms": beside["p99_us"] / 1000, "lambda.soak_busiest_p99_ms": busy["p99_us"] / 1000,
            "lambda.soak_others_p99_ratio": beside["p99_us"] / alone["p99_us"],
            "lambda.soak_front_same": before[0] == after[0], "lambda.soak_front_growth_mb": (after[1] - before[1]) / 1e6,
            "lambda.soak_descriptors_growth": after[2] - before[2]}


MEASUREMENTS = [soak]
