#!/usr/bin/python3
"""The policy against an implementation of its own in numpy, written from the paper (Shahrad et al., USENIX ATC 2020, section 4.2) and
from what docs/design.md adds: after every idle time of many made-up functions both must decide the same."""
import subprocess
import sys

import numpy

PROBE = sys.argv[1]
MINUTE = 60 * 10**9
STANDARD, HISTOGRAM, FORECAST = range(3)


class Reference:
    def __init__(self):
        self.bins, self.beyond, self.gaps = numpy.zeros(240, dtype=numpy.int64), 0, []

    def count(self, minute, times):
        """One by one: a full counter halves all of them."""
        times = min(times, 16 * 65536)
        while times:
            value = self.bins[minute] if minute < 240 else self.beyond
            step = min(times, 65535 - value)
            if step == 0:
                self.bins //= 2
                self.beyond //= 2
                continue
            if minute < 240:
                self.bins[minute] += step
            else:
                self.beyond += step
            times -= step

    def note(self, idle, times):
        if idle < 0 or times == 0:
            return
        minute = idle // MINUTE
        self.count(minute, times)
        if minute >= 240:
            self.gaps = (self.gaps + [min(minute, 65535)])[-8:]

    def representative(self):
        total = self.bins.sum()
        return total >= 10 and self.bins.std() / self.bins.mean() >= 2 - 1e-12

    def histogram(self):
        # The percentiles of the single idle times, each at its bin, as numpy has them without interpolation.
        cumulative = numpy.cumsum(self.bins)
        head = int(numpy.argmax(cumulative * 100 >= cumulative[-1] * 5))
        tail = int(numpy.argmax(cumulative * 100 >= cumulative[-1] * 99)) + 1
        before, after = round(head * 0.9 * MINUTE), round(tail * 1.1 * MINUTE)
        return HISTOGRAM, before, after - before

    def decide(self):
        if self.beyond > self.bins.sum() and len(self.gaps) >= 4:
            middle = numpy.median(self.gaps)
            return FORECAST, round(middle * 0.85 * MINUTE), round(middle * 0.30 * MINUTE)
        return self.histogram() if self.representative() else (STANDARD, 0, 240 * MINUTE)

    def stay(self):
        basis, before, window = self.decide()
        if basis == FORECAST:
            if not self.representative():
                return MINUTE
            _, before, window = self.histogram()
        return before + window

    def next_call(self, idle):
        minute = idle // MINUTE
        gaps = numpy.array(self.gaps, dtype=numpy.int64)
        share = self.beyond / len(gaps) if len(gaps) else 0
        possible = 1 + self.bins[minute:].sum() + share * (gaps >= minute).sum()
        soon = 15 / (minute + 15) + self.bins[minute:minute + 15].sum() + share * ((gaps >= minute) & (gaps < minute + 15)).sum()
        return soon / possible


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
            *decided, stay, expected = answer.split()
            where = f"seed {seed}, function '{name}', idle time {at} ({idle} ns, {times} times)"
            assert tuple(map(int, decided)) == reference.decide(), f"{where}: {decided}, reference {reference.decide()}"
            assert int(stay) == reference.stay(), f"{where}: stays {stay}, reference {reference.stay()}"
            assert abs(float(expected) - reference.next_call(int(stay) // 2)) < 1e-12, f"{where}: expects {expected}"
            bases.add(int(decided[0]))
    assert bases == {STANDARD, HISTOGRAM, FORECAST}, bases
    print("the policy and its reference agree")


main()
