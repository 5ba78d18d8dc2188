"""mayfly cost: what a function was billed for by day, against the lines of its log, AWS's prices and the hours of an endpoint."""
import base64
import contextlib
import datetime
import json
import re
import sqlite3
import subprocess
import time

import pytest

import world
from world import create, invoke, wait_for

PRICE_RUN, PRICE_KEPT = 0.0000097222, 0.0000041667  # a GB-s that runs on provisioned concurrency, and that is kept
PRICE_GB_S, PRICE_REQUEST, PRICE_HOUR = 0.0000166667, 0.20e-6, 0.115  # AWS, us-east-1, x86, first tier


def day(ago=0):
    return (datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=ago)).strftime("%Y-%m-%d")


def cost(server, *arguments):
    return json.loads(server.run("cost", *arguments, "--json").stdout)


def database(server):
    return contextlib.closing(sqlite3.connect(next(server.data.glob("*.db"))))


def billed(server, name):
    """Calls and GB-ms, by the REPORT lines of the log."""
    log = server.run("logs", name).stdout.decode()
    lines = re.findall(r"Billed Duration: (\d+) ms\s+Memory Size: (\d+) MB", log)
    return len(lines), sum(int(ms) * int(mb) for ms, mb in lines) / 1024


@pytest.fixture
def server():
    running = world.Server()
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0, running.log.read_text()


def by_name(result):
    return {row["name"]: row for row in result["functions"]}


def seconds_since(moment):
    return (datetime.datetime.now(datetime.timezone.utc) - moment).total_seconds()


def test_calls_are_counted_for_their_day_and_survive_a_restart(server):
    client = server.client()
    made = datetime.datetime.now(datetime.timezone.utc)
    create(client, "one", MemorySize=512)
    create(client, "two", MemorySize=256)
    create(client, "idle")
    for name, n in (("one", 5), ("two", 3)):
        for _ in range(n):
            invoke(client, name, {"x": [[1, 1, 1, 1]]})
    first = by_name(cost(server))
    assert set(first) == {"one", "two", "idle"}
    most = seconds_since(made) / 3600
    for name in ("one", "two"):
        calls, gb_ms = billed(server, name)
        row = first[name]
        assert (row["calls"], row["removed"]) == (calls, False) and row["gb_ms"] == pytest.approx(gb_ms)
        assert row["usd"] == pytest.approx(calls * PRICE_REQUEST + gb_ms / 1000 * PRICE_GB_S)
        assert 0 <= row["endpoint_hours"] <= most + 1 / 3600, "from when it was made"  # in whole seconds
        assert row["endpoint_usd"] == pytest.approx(row["endpoint_hours"] * PRICE_HOUR)
    assert first["idle"]["calls"] == 0 and first["idle"]["usd"] == 0 and first["idle"]["endpoint_hours"] <= most + 1 / 3600
    assert server.stop() == 0
    server.start()
    invoke(server.client(), "one", {"x": [[1, 1, 1, 1]]})
    again = cost(server, "one")["functions"]
    assert len(again) == 1 and again[0]["calls"] == 6 and again[0]["gb_ms"] == pytest.approx(billed(server, "one")[1])
    server.run("rm", "two")
    removed = by_name(cost(server))["two"]
    assert removed["removed"] and (removed["calls"], removed["usd"]) == (first["two"]["calls"], first["two"]["usd"])
    assert [row["removed"] for row in cost(server, "two")["functions"]] == [True]
    total = cost(server)["total"]
    assert total["usd"] == pytest.approx(sum(row["usd"] for row in cost(server)["functions"]))


def test_a_version_counts_for_its_function(server):
    client = server.client()
    create(client, "f")
    client.publish_version(FunctionName="f")
    invoke(client, "f", {"x": [[1, 1, 1, 1]]})
    invoke(client, "f", {"x": [[1, 1, 1, 1]]}, Qualifier="1")
    assert [(row["name"], row["calls"]) for row in cost(server)["functions"]] == [("f", 2)]


def test_numbers_are_written_without_the_noise_of_their_binary_form(server):
    text = server.run("cost", "--json").stdout.decode()
    assert '"usd": 1.66667e-5' in text and '"usd": 2e-7' in text and '"usd": 0.115' in text, text


def test_days_are_told_apart_and_kept_for_400(server):
    create(server.client(), "f")
    assert server.stop() == 0
    rows = {f"us-east-1/{day(ago)}/f": f"{calls} {calls * 1024 * 1000}" for ago, calls in ((401, 9000), (399, 700), (40, 60), (2, 5))}
    rows[f"eu-west-1/{day(500)}/g"] = "1 1"
    rows[f"eu-west-1/{day(1)}/g"] = "1 1"
    rows[f"us-east-1/{day(3)}/damaged"] = "no numbers"
    with database(server) as opened, opened:
        opened.executemany("INSERT INTO days (key, value) VALUES (?, ?)", [(key.encode(), value.encode()) for key, value in rows.items()])
    server.start()
    for since, calls in ((None, 5), (day(2), 5), (day(1), 0), (day(40), 65), (day(399), 765)):
        asked = ("--since", since) if since else ()
        for result in (by_name(cost(server, *asked)), by_name(cost(server, "f", *asked))):
            assert result["f"]["calls"] == calls and result["f"]["gb_ms"] == calls * 1000, since
            assert set(result) == {"f"}
    hours = by_name(cost(server, "--since", day(40)))["f"]["endpoint_hours"]
    assert 40 * 24 <= hours < 41 * 24, "from its first call"

    def keys():
        with database(server) as opened:
            return {bytes(key).decode() for key, in opened.execute("SELECT CAST(key AS BLOB) FROM days")}
    wait_for(lambda: not {f"us-east-1/{day(401)}/f", f"eu-west-1/{day(500)}/g"} & keys(), what="rows that are too old to go")
    assert f"us-east-1/{day(399)}/f" in keys() and f"eu-west-1/{day(1)}/g" in keys()


def test_an_endpoint_would_have_been_on_since_the_moment_the_function_was_made(server):
    now = datetime.datetime.now(datetime.timezone.utc)
    create(server.client(), "made")
    create(server.client(), "called")
    create(server.client(), "before")
    assert server.stop() == 0
    made, called = now - datetime.timedelta(days=3, hours=5), now - datetime.timedelta(days=2, hours=7)
    text = lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%S.000+0000")
    with database(server) as opened, opened:
        rows = {bytes(key).decode(): json.loads(bytes(value)) for key, value in opened.execute("SELECT CAST(key AS BLOB), CAST(value AS BLOB) FROM functions")}
        assert all(row["created"] == row["configuration"]["LastModified"] or row["created"] < row["configuration"]["LastModified"] for row in rows.values())
        rows["us-east-1/made"]["created"] = text(made)
        del rows["us-east-1/before"]["created"]  # as earlier versions wrote it
        rows["us-east-1/before"]["configuration"]["LastModified"] = text(made)
        opened.executemany("UPDATE functions SET value = ? WHERE key = ?", [(json.dumps(row).encode(), key.encode()) for key, row in rows.items()])
        opened.execute("INSERT INTO days (key, value) VALUES (?, ?)",
                       (f"us-east-1/{called:%Y-%m-%d}/called".encode(), f"1 1000 {int(called.timestamp() * 1000)}".encode()))
    server.start()
    hours = {name: row["endpoint_hours"] for name, row in by_name(cost(server)).items()}
    for name, moment in (("made", made), ("called", called), ("before", made)):
        assert hours[name] == pytest.approx(seconds_since(moment) / 3600, abs=0.01), name
        assert by_name(cost(server, name))[name]["endpoint_hours"] == pytest.approx(hours[name], abs=0.01)
    assert by_name(cost(server, "--since", day(1)))["made"]["endpoint_hours"] < 48, "not before the day asked for"


def put(client, qualifier, n):
    client.put_provisioned_concurrency_config(FunctionName="f", Qualifier=qualifier, ProvisionedConcurrentExecutions=n)


def test_provisioned_concurrency_is_billed_for_what_is_kept_and_what_runs(server):
    client, x = server.client(), {"x": [[1, 1, 1, 1]]}
    create(client, "f", MemorySize=512)
    client.publish_version(FunctionName="f")
    client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
    put(client, "1", 2)
    wait_for(lambda: client.get_provisioned_concurrency_config(FunctionName="f", Qualifier="1")["Status"] == "READY", what="two instances")

    def billed_ms(**more):
        answer, _ = invoke(client, "f", x, LogType="Tail", **more)
        return int(re.search(r"Billed Duration: (\d+) ms", base64.b64decode(answer["LogResult"]).decode())[1])
    run, on_demand = sum(billed_ms(Qualifier="1") for _ in range(3)) * 0.5, sum(billed_ms() for _ in range(2)) * 0.5

    def check(kept_s, *arguments):
        """kept_s: seconds of 2 instances of 512 MB, which are a GB."""
        row = by_name(cost(server, *arguments))["f"]
        assert (row["calls"], row["gb_ms"], row["provisioned_run_gb_ms"], row["provisioned_kept_gb_ms"]) == (5, on_demand, run, kept_s * 1000)
        assert row["usd"] == pytest.approx(5 * PRICE_REQUEST + (on_demand * PRICE_GB_S + run * PRICE_RUN) / 1000 + kept_s * PRICE_KEPT, rel=1e-12)
    check(300), check(300, "f")  # five minutes at least
    server.kill()
    with database(server) as opened, opened:  # as if it had been put so many minutes ago
        put_at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=2, minutes=57)
        value = json.dumps({"instances": 2, "LastModified": put_at.strftime("%Y-%m-%dT%H:%M:%S.000+0000")}).encode()
        assert opened.execute("UPDATE provisioned SET value = ? WHERE key = ?", (value, b"us-east-1/f:1")).rowcount == 1
    server.start()
    client = server.client()
    total, midnight = 2 * 86400 + 3600, datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    before = (midnight - datetime.timedelta(days=1) - put_at.replace(microsecond=0)).total_seconds()
    check(total), check(total, "f"), check(total - before, "--since", day(1))
    client.delete_provisioned_concurrency_config(FunctionName="f", Qualifier="1")
    server.kill()  # what was acknowledged is counted
    server.start()
    client = server.client()
    check(total), check(total, "f"), check(total - before, "--since", day(1))
    put(client, "live", 4)
    check(total + 600)
    client.update_alias(FunctionName="f", Name="live", Description="of the same size")
    check(total + 600)
    put(client, "live", 2)
    check(total + 900)
    client.delete_alias(FunctionName="f", Name="live")
    put(client, "1", 6)
    check(total + 1800)
    client.delete_function(FunctionName="f")
    check(total + 1800), check(total + 1800, "f")
    text = subprocess.run(["script", "-qec", f"{world.MAYFLY} cost --data {server.data}", "/dev/null"], capture_output=True, text=True, timeout=60).stdout
    assert "KEPT GB-MS" in text and f" {(total + 1800) * 1000} " in text and "provisioned concurrency kept (AWS, us-east-1, 2025)" in text, text


def test_many_rows_come_in_pieces(server):
    assert server.stop() == 0
    days = [day(ago) for ago in range(29, -1, -1)]
    with database(server) as opened, opened:
        opened.executemany("INSERT INTO days (key, value) VALUES (?, ?)",
                           [(f"us-east-1/{each}/f{n}".encode(), b"2 2048000") for each in days for n in range(400)])
    server.start()
    began = time.monotonic()
    result = cost(server, "--since", days[0])
    assert time.monotonic() - began < 20
    assert len(result["functions"]) == 400
    assert {(row["calls"], row["gb_ms"], row["removed"]) for row in result["functions"]} == {(60, 60000, True)}


def test_wrong_names_and_days_are_told(server):
    for arguments, words in ((["--since", day(-2)], f"--since {day(-2)} is in the future: it is"), (["nobody"], "Function not found: nobody"), (["--since", "yesterday"], "2026-11-30"), (["--since", "2026-02-30"], "2026-11-30"),
                             (["no/name"], "no function name"), (["a", "b"], "at most one")):
        done = server.run("cost", *arguments, check=False)
        assert done.returncode != 0 and words in done.stderr.decode(), done.stderr


def test_it_is_readable_on_a_terminal(server):
    create(server.client(), "f")
    invoke(server.client(), "f", {"x": [[1, 1, 1, 1]]})
    done = subprocess.run(["script", "-qec", f"{world.MAYFLY} cost --data {server.data}", "/dev/null"], capture_output=True, text=True, timeout=60)
    calls, gb_ms = billed(server, "f")
    shown = float(re.search(r"^f +1 +\d+ +([0-9.]+) ", done.stdout, re.M)[1])
    assert shown == pytest.approx(calls * PRICE_REQUEST + gb_ms / 1000 * PRICE_GB_S, rel=0.005), done.stdout
    assert f" (UTC): {re.search('^f +1 +[0-9]+ +([0-9.]+) ', done.stdout, re.M)[1]} USD" in done.stdout, done.stdout
    assert done.returncode == 0 and "ENDPOINT USD" in done.stdout and "USD always on" in done.stdout and "(AWS, us-east-1, 2026-07)" in done.stdout, done.stdout
