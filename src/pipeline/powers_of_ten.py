#!/usr/bin/env python3
"""Prints the table of decimal.c: 10^k for k in FIRST..LAST as 128 bits with the top bit set, rounded up where inexact."""
FIRST, LAST = -342, 324

print("// Made by powers_of_ten.py at build time.")
print(f"enum {{ FIRST_POWER = {FIRST}, LAST_POWER = {LAST} }};")
print("static const struct { uint64_t high, low; } powers[LAST_POWER - FIRST_POWER + 1] = {")
for k in range(FIRST, LAST + 1):
    numerator, denominator = (10**k, 1) if k >= 0 else (1, 10**-k)
    shift = 128 - (numerator.bit_length() - denominator.bit_length())
    scaled = -(-(numerator << max(shift, 0)) // (denominator << max(-shift, 0)))
    while scaled.bit_length() > 128:
        shift -= 1
        scaled = -(-(numerator << max(shift, 0)) // (denominator << max(-shift, 0)))
    assert scaled.bit_length() == 128, k
    print(f"    {{0x{scaled >> 64:016x}, 0x{scaled & (2**64 - 1):016x}}},  // {k}")
print("};")
