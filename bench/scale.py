"""A server with 10,000 and with a million functions: what its start, its memory and a warm call cost. Functions are registered in the
store, as rows that the API would have written; a sample of them is deployed through it."""
import contextlib
import json
import os
import sqlite3
import statistics
import time

import host

REGION, SAMPLE, ROUNDS, CALLS = host.REGION, 20, 30, 1000


def register(data, count):
    """Copies of the function "mlp", which the stopped server in `data` has: f0, f1, …"""
    with contextlib.closing(sqlite3.connect(data / "mayfly.db")) as database:
        row, = database.execute("SELECT value FROM functions WHERE key = ?", (f"{REGION}/mlp".encode(),)).fetchone()
        users = [key[:32] for key, in database.execute("SELECT key FROM blob_users")]
        text = row.decode()
        names = sorted(f"f{i}" for i in range(count))  # in the order of the table, so that a million take seconds
        database.execute("PRAGMA synchronous = OFF")
        database.execute("BEGIN")
        database.executemany("INSERT INTO functions VALUES (?, ?)",
                             ((f"{REGION}/{name}".encode(), text.replace('function:mlp"', f'function:{name}"').encode()) for name in names))
        for blob in sorted(users):
            database.executemany("INSERT INTO blob_users VALUES (?, x'')", ((blob + f"{REGION}/{name}".encode(),) for name in names))
        sums = {name: value * (count + 1) for name, value in json.loads(database.execute("SELECT value FROM region_sums").fetchone()[0]).items()}
        database.execute("UPDATE region_sums SET value = ?", (json.dumps(sums).encode(),))
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    os.sync()  # what the kernel still has to write would be measured with the calls


@contextlib.contextmanager
def server_with(world, count):
    """One on which "mlp" and `count` registered functions are, and SAMPLE deployed ones."""
    with world.server() as first:
        first.deploy(world.models / "mlp.onnx", "mlp")
        data = first.data
    if count:
        register(data, count)
    again = host.Server(world.scratch, data=data)
    try:
        for i in range(SAMPLE if count else 0):
            again.deploy(world.models / "mlp.onnx", f"deployed{i}")
        yield again
    finally:
        again.stop()


def compare(world, alone, crowded):
    """Median warm call of the same function on both, by turns."""
    medians = {alone: [], crowded: []}
    for server in medians:
        world.load(server.port, 1, 0, 500, requests(world, server))
    for _ in range(ROUNDS):
        for server in medians:
            medians[server].append(world.load(server.port, 1, 0, CALLS, requests(world, server))["p50_us"])
    return statistics.median(medians[crowded]) / statistics.median(medians[alone]), statistics.median(medians[crowded])


def requests(world, server):
    return host.script(world.scratch / "mlp", host.mlp_requests(server, CALLS))


def invoke_ratio(world, count):
    with server_with(world, 0) as alone, server_with(world, count) as crowded:
        ratio, median = compare(world, alone, crowded)
        return {f"lambda.invoke_ratio_{count}_functions": ratio, f"lambda.invoke_p50_us_{count}_functions": median}


def ten_thousand(world):
    return invoke_ratio(world, 10_000)


def million(world):
    """Exec to the first answered call (its signature made while the server starts), memory then, and the ratio."""
    with server_with(world, 0) as alone:
        with server_with(world, 1_000_000) as crowded:
            ratio, median = compare(world, alone, crowded)
            data = crowded.data
        starts = []
        for _ in range(5):
            before = time.monotonic()
            server = host.Server(world.scratch, data=data)
            world.load(server.port, 1, 0, 1, host.script(world.scratch / "one", [server.request("f777777", host.picture_event([1, 10]))]))
            starts.append(time.monotonic() - before)
            pss, _ = host.memory(server)
            server.stop()
    return {"lambda.invoke_ratio_1000000_functions": ratio, "lambda.invoke_p50_us_1000000_functions": median,
            "lambda.start_s_1000000_functions": statistics.median(starts), "lambda.front_pss_mb_1000000_functions": pss / 1e6}


MEASUREMENTS = [ten_thousand, million]
