#!/usr/bin/python3
"""The policy against an implementation of its own in numpy: after every idle time of many made-up functions both must decide the same."""
import subprocess
import sys

import numpy

from reference import FORECAST, HISTOGRAM, MINUTE, STANDARD, Reference

PROBE = sys.argv[1]


def functions(random):
    yield "steady", [(10 * MINUTE + 5, 1)] * 40
    yield "bursts", [(0, 1), (0, 1), (37 * MINUTE, 1)] * 40
    yield "daily", [(1440 * MINUTE, 1)] * 12
    yield "beyond, some in pairs", [(30 * 10**9, 1), (300 * MINUTE, 1), (310 * MINUTE, 1), (290 * MINUTE, 1)] * 20
    yield "flat", [(minute * MINUTE, 1) for minute in range(240)] * 3
    yield "odd times", [(-1, 3), (-MINUTE, 1), (0, 0), (10**18, 2), (240 * MINUTE - 1, 1), (240 * MINUTE, 1), (9 * 10**18, 1)]
    yield "full counters", [(0, 65535), (5 * MINUTE, 300), (0, 1), (0, 4_000_000_000), (MINUTE, 70000), (500 * MINUTE, 200000), (MINUTE, 1)]
    for n in range(60):
        mean, shape = 10 ** random.uniform(-1, 3.2), 10 ** random.uniform(-1, 1.5)
        gaps = random.gamma(shape, mean / shape, 300) * MINUTE
        yield f"gamma {n}", [(int(gap), int(random.choice([1, 1, 1, 2, 40000]))) for gap in gaps]


def main():
    seed = 20201  # printed with what differs
    bases = set()
    for name, idle_times in functions(numpy.random.default_rng(seed)):
        given = "".join(f"{idle} {times}\n" for idle, times in idle_times)
        answers = subprocess.run([PROBE], input=given, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
        assert len(answers) == len(idle_times), name
        reference = Reference()
        for at, ((idle, times), answer) in enumerate(zip(idle_times, answers)):
            reference.note(idle, times)
            *decided, expected = answer.split()
            where = f"seed {seed}, function '{name}', idle time {at} ({idle} ns, {times} times)"
            assert tuple(map(int, decided)) == reference.decide(), f"{where}: {decided}, reference {reference.decide()}"
            assert abs(float(expected) - reference.next_call((int(decided[1]) + int(decided[2])) // 2)) < 1e-12, f"{where}: expects {expected}"
            bases.add(int(decided[0]))
    assert bases == {STANDARD, HISTOGRAM, FORECAST}, bases
    print("the policy and its reference agree")


main()
