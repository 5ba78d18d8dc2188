"""mayfly simulate: a small trace whose figures were worked out by hand, a larger one against a replay in Python, and files that are wrong."""
import json
import os
import pathlib
import subprocess
import sys

import numpy
import pytest

from world import MAYFLY, ROOT

sys.path.append(str(ROOT / "tests/unit/policy"))
from reference import MINUTE, Reference  # noqa: E402

CALLS = "invocations_per_function_md.anon.d{:02}.csv"


def simulate(*arguments, code=0):
    done = subprocess.run([MAYFLY, "simulate", *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stderr
    return done.stderr if code else json.loads(done.stdout)


def write_calls(path, functions):
    """functions: {(owner, app, function, trigger): {minute: calls}}"""
    lines = ["HashOwner,HashApp,HashFunction,Trigger," + ",".join(map(str, range(1, 1441)))]
    for names, calls in functions.items():
        lines.append(",".join(names) + "," + ",".join(str(calls.get(minute, 0)) for minute in range(1440)))
    path.write_text("\n".join(lines) + "\n")


def policies(result):
    return {row["policy"]: row for row in result["policies"]}


@pytest.fixture
def small(tmp_path):
    """Two days. `f` at minutes 0, 5, 20 and 100 of the first and 0 of the second; `g` once; `h` twice in the same minute; `idle` never."""
    names = {name: ("o", "a", name, "http") for name in ("f", "g", "h", "idle")}
    write_calls(tmp_path / CALLS.format(3), {names["f"]: {0: 1, 5: 1, 20: 1, 100: 1}, names["h"]: {1000: 2}, names["idle"]: {}})
    write_calls(tmp_path / CALLS.format(4), {names["f"]: {0: 1}, names["g"]: {1400: 1}})
    (tmp_path / "function_durations_percentiles.anon.d03.csv").write_text(
        "HashOwner,HashApp,HashFunction,Average,Count\no,a,f,100,4\no,a,g,0.2,1\no,a,h,0,2\n")
    (tmp_path / "function_durations_percentiles.anon.d04.csv").write_text("HashOwner,HashApp,HashFunction,Average,Count\no,a,f,200.5,1\n")
    (tmp_path / "app_memory_percentiles.anon.d03.csv").write_text("HashOwner,HashApp,SampleCount,AverageAllocatedMb\no,a,9,256\n")
    (tmp_path / "README").write_text("not a part of the trace")
    return tmp_path


def test_a_small_trace_by_hand(small):
    result = simulate("--trace", small)
    assert (result["days"], result["functions"], result["never_called"], result["calls"]) == (2, 3, 1, 8)
    rows = policies(result)
    # f: the first; after 15 and 80 and 1340 minutes. g and h: the first.
    assert rows["fixed 10 min"]["cold_starts"] == 4 + 1 + 1
    assert rows["fixed 60 min"]["cold_starts"] == 3 + 1 + 1
    assert rows["hybrid"]["cold_starts"] == 2 + 1 + 1  # nothing is known: four hours
    # Shares of f, g, h: 80, 100, 50 %; 60, 100, 50 %; 40, 100, 50 %.
    for name, median, upper in (("fixed 10 min", 80, 100), ("fixed 60 min", 60, 100), ("hybrid", 50, 100)):
        assert (rows[name]["cold_percent_median_function"], rows[name]["cold_percent_75th_percentile"]) == (median, upper)
    # Minutes loaded: f 5 + 10 + 10 + 10 + 10, g 10, h 10; f 5 + 15 + 60 + 60 + 60, g 40 (the trace ends), h 60; f 5 + 15 + 80 + 240 + 240, ...
    wasted = {name: rows[name]["wasted_gb_s"] for name in rows}
    quarter_gb_minute = 60 * 256 / 1024
    assert wasted["fixed 10 min"] == pytest.approx((45 + 10 + 10) * quarter_gb_minute)
    assert wasted["fixed 60 min"] == pytest.approx((200 + 40 + 60) * quarter_gb_minute)
    assert wasted["hybrid"] == pytest.approx((580 + 40 + 240) * quarter_gb_minute)
    # f takes (4 * 100 + 200.5) / 5 ms, billed as 121; g 1 ms; h is not known, as 0 is an error of recording: 684 ms.
    assert result["functions_of_unknown_duration"] == 1 and result["functions_of_unknown_memory"] == 0
    assert result["bill"]["per_millisecond_usd"] == pytest.approx(8 * 0.2e-6 + (5 * 121 + 1 + 2 * 684) / 1000 * 0.25 * 0.0000166667)
    assert result["bill"]["always_on_usd"] == pytest.approx(3 * 48 * 0.115)
    busy = (5 * 120.1 + 0.2 + 2 * 684) / 1000 * 0.25
    assert rows["fixed 10 min"]["memory_gb_s"] == pytest.approx(wasted["fixed 10 min"] + busy)
    assert rows["fixed 10 min"]["paper_cold_percent_75th_percentile"] == 50.3
    assert "not checked" in result["paper_note"]
    assert {name: price["date"] for name, price in result["prices"].items()} == {"lambda_gb_second": "2026-03", "lambda_request": "2026-03", "endpoint_hour": "2026-07"}


def test_parts_of_a_trace(small):
    one_day = simulate("--trace", small, "--days", 1)
    assert (one_day["days"], one_day["functions"], one_day["calls"]) == (1, 2, 6)
    assert simulate("--trace", small, "--functions", 1)["calls"] == 5, "f comes first"
    alone = simulate("--trace", small / CALLS.format(4))
    assert (alone["days"], alone["functions"], alone["functions_of_unknown_memory"]) == (1, 2, 2)


def replay(calls, end, decide):
    """Cold starts and minutes wasted of one function; calls: [(minute, times)]. decide(reference): windows in ns."""
    reference, last, cold, wasted = Reference(), None, 0, 0
    for minute, times in calls:
        for at in range(times):
            if last is None:
                cold += 1
            else:
                gap = (minute - last) * MINUTE
                before, loaded = decide(reference)
                cold += not before <= gap <= before + loaded
                wasted += min(max(gap - before, 0), loaded)
                reference.note(gap // MINUTE * MINUTE, 1)
            last = minute
    before, loaded = decide(reference)
    return cold, wasted + min(max((end - last) * MINUTE - before, 0), loaded)


def test_the_replay_agrees_with_one_in_python(tmp_path):
    seed = 7
    random = numpy.random.default_rng(seed)
    functions = {}
    for n in range(40):
        mean, shape = 10 ** random.uniform(0, 2.7), 10 ** random.uniform(-1, 1)
        minutes = numpy.cumsum(random.gamma(shape, mean / shape, 400)).astype(int)
        functions[("o", f"a{n}", "f", "queue")] = {int(minute): int(times) for minute, times in zip(*numpy.unique(minutes[minutes < 3 * 1440], return_counts=True))}
    for day in range(3):
        write_calls(tmp_path / CALLS.format(day + 1),
                    {names: {minute - 1440 * day: times for minute, times in calls.items() if minute // 1440 == day} for names, calls in functions.items()})
    rows = policies(simulate("--trace", tmp_path))
    deciders = {"fixed 10 min": lambda reference: (0, 10 * MINUTE), "fixed 60 min": lambda reference: (0, 60 * MINUTE),
                "hybrid": lambda reference: reference.decide()[1:]}
    for name, decide in deciders.items():
        results = [replay(sorted(calls.items()), 3 * 1440, decide) for calls in functions.values() if calls]
        assert rows[name]["cold_starts"] == sum(cold for cold, _ in results), f"{name}, seed {seed}"
        assert rows[name]["wasted_gb_s"] == pytest.approx(sum(wasted for _, wasted in results) / 1e9 * 140 / 1024), f"{name}, seed {seed}"


def test_a_workload_is_made_up(tmp_path):
    first, again, other = (simulate("--functions", 200, "--days", 3, "--seed", seed) for seed in (5, 5, 6))
    assert first == again and first["seed"] == 5 and first["calls"] != other["calls"]
    assert first["functions"] + first["never_called"] == 200 and first["days"] == 3
    rows = policies(first)
    assert rows["hybrid"]["cold_percent_75th_percentile"] < rows["fixed 60 min"]["cold_percent_75th_percentile"] <= \
        rows["fixed 10 min"]["cold_percent_75th_percentile"]


def test_it_is_readable_on_a_terminal(small):
    done = subprocess.run(["script", "-qec", f"{MAYFLY} simulate --trace {small}", "/dev/null"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "hybrid" in done.stdout and "PAPER'S 75TH % *" in done.stdout and "not checked against the text" in done.stdout and "USD always on" in done.stdout


def test_wrong_files_and_options_are_told(small, tmp_path):
    path = small / CALLS.format(4)
    lines = path.read_text().splitlines()
    broken = lines[1].split(",")
    broken[10] = "many\x1b[31m"
    path.write_text("\n".join([lines[0], ",".join(broken)]))
    told = simulate("--trace", small, code=1)
    assert f"{path.name}: line 2, column 11: 'many\\x1b[31m' is no number of calls" in told, told
    path.write_text("\n".join(lines + [lines[1]]))
    assert "line 4: the function has a line of this day already" in simulate("--trace", small, code=1)
    path.write_bytes(b"\xff\0" * 1000)
    assert "line 1, column 1" in simulate("--trace", path, code=1)
    path.write_bytes(b"")
    assert "'HashOwner' is expected" in simulate("--trace", path, code=1)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "has no invocations_per_function_md" in simulate("--trace", empty, code=1)
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in simulate("--trace", tmp_path / "pipe", code=1)
    assert "cannot open" in simulate("--trace", tmp_path / "nothing", code=1)
    for arguments in (["--functions", "0"], ["--days", "400"], ["--seed", "x"], ["--trace", str(small), "--seed", "1"], ["more"]):
        assert simulate(*arguments, code=2)


def test_help_names_the_options():
    text = subprocess.run([MAYFLY, "simulate", "--help"], capture_output=True, text=True).stdout
    assert all(option in text for option in ("--trace", "--functions", "--days", "--seed", "--json"))
