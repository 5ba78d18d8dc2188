#!/usr/bin/env python3
"""Numbers to text and back, against numpy's repr and Python's float(): random bit patterns, every power of two and of ten, halves
between neighbours, long digits. The seed is printed; MAYFLY_TEST_SEED sets it."""
import os, random, subprocess, sys
import numpy as np

probe = sys.argv[1]
seed = int(os.environ.get("MAYFLY_TEST_SEED", random.randrange(2**32)))
print("seed", seed)
rng = np.random.default_rng(seed)
COUNT = int(os.environ.get("MAYFLY_TEST_COUNT", 100_000))


def run(what, data):
    return subprocess.run([probe, what], input=data, stdout=subprocess.PIPE, check=True, timeout=120).stdout


def floats(kind, bits):
    """Finite values of every size, and the ones where algorithms go wrong."""
    unsigned = np.uint32 if kind == np.float32 else np.uint64
    everything = rng.integers(0, 2**bits, COUNT, dtype=unsigned).view(kind)
    usual = rng.standard_normal(COUNT).astype(kind)
    powers = np.ldexp(np.ones(600, kind), np.arange(-300, 300)).astype(kind)
    tens = np.array([float(f"1e{i}") for i in range(-44, 38)]).astype(kind)
    whole = np.arange(-2000, 2000).astype(kind)
    tiny = np.arange(0, 3000, dtype=unsigned).view(kind)
    all_of = np.concatenate([everything, usual, powers, np.nextafter(powers, kind(np.inf)), np.nextafter(powers, kind(0)), tens, whole, tiny,
                             usual * kind(1e6), usual * kind(1e-5), usual * kind(1e17)])
    return all_of[np.isfinite(all_of)]


def fail(what, at, expected, got):
    sys.exit(f"{what} of {at}: expected {expected}, got {got}")


np.seterr(all="ignore")
singles, doubles = floats(np.float32, 32), floats(np.float64, 64)
# Python's repr of a float, and numpy's shortest digits for float32 laid out the same way.
for value, text in zip(doubles.tolist(), run("double-text", doubles.tobytes()).decode().split("\n")):
    if text != repr(value): fail("double-text", value.hex(), repr(value), text)
texts = run("float-text", singles.tobytes()).decode().split("\n")
for value, text in zip(singles, texts):
    expected = np.format_float_scientific(value, unique=True, trim="-", exp_digits=2)
    if -4 <= int(expected.split("e")[1]) < 16: expected = np.format_float_positional(value, unique=True, trim="0")
    if text != expected: fail("float-text", value.tobytes().hex(), expected, text)
assert np.array_equal(np.array(texts[:-1], dtype=np.float32).view(np.uint32), singles.view(np.uint32))

# Reading: what was written, seventeen digits, halves between two neighbours (exact decimals), and very long ones.
lines = [repr(v) for v in doubles.tolist()] + [f"{v:.17e}" for v in doubles[:COUNT // 4].tolist()]
pairs = np.abs(doubles[:3000])
from decimal import Decimal, getcontext
getcontext().prec = 1200
for low in pairs.tolist():
    high = float(np.nextafter(low, np.inf))
    if np.isfinite(high): lines.append(format((Decimal(low) + Decimal(high)) / 2, "e"))
lines += ["0." + "0" * 400 + "1" + "7" * 900 + "e380", "1" * 850 + "e-800", "123456789" * 30 + ".5", "0e999999999999", "1e-999999999999", "-0.0", "-0",
          "9007199254740993", "9007199254740992.99999999999999999999", "2.2250738585072011e-308", "4.9e-324", "2.4703282292062328e-324"]
expected = np.array([float(line) for line in lines])
got = np.frombuffer(run("text-double", "\n".join(lines).encode()), np.float64)
wrong = np.flatnonzero(expected.view(np.uint64) != got.view(np.uint64))
if len(wrong): fail("text-double", lines[wrong[0]], expected[wrong[0]], got[wrong[0]])

# float32 must be rounded once: exact halves between neighbours go to the even one, a hair more or less to the nearer one.
lines, expected = [], []
for low in np.abs(singles[:20000]):
    high = np.nextafter(low, np.float32(np.inf))
    if not np.isfinite(high): continue
    half = (Decimal(float(low)) + Decimal(float(high))) / 2
    even = low if (low.view(np.uint32) & 1) == 0 else high
    hair = half.scaleb(-40)
    lines += [format(half, "e"), format(half + hair, "e"), format(half - hair, "e")]
    expected += [even, high, low]
got = np.frombuffer(run("text-float", "\n".join(lines).encode()), np.float32)
expected = np.array(expected, np.float32)
wrong = np.flatnonzero(expected.view(np.uint32) != got.view(np.uint32))
if len(wrong): fail("text-float", lines[wrong[0]], expected[wrong[0]], got[wrong[0]])
print(len(singles) + len(doubles), "numbers written and", len(lines), "read")
