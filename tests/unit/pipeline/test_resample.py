#!/usr/bin/env python3
"""Resizing equals Pillow byte for byte: 200 random pairs of sizes, up and down, for each filter, colour and grey."""
import os, random, struct, subprocess, sys
import numpy as np
from PIL import Image

probe = sys.argv[1]
seed = int(os.environ.get("MAYFLY_TEST_SEED", random.randrange(2**32)))
print("seed", seed)
rnd = random.Random(seed)
rng = np.random.default_rng(seed)
FILTERS = {"nearest": Image.NEAREST, "lanczos": Image.LANCZOS, "bilinear": Image.BILINEAR, "bicubic": Image.BICUBIC}
SIZES = [(1, 1, 1, 1), (1, 1, 9, 7), (9, 7, 1, 1), (224, 224, 224, 224), (224, 100, 224, 300), (100, 224, 300, 224), (640, 480, 224, 224)]
SIZES += [tuple(rnd.randint(1, rnd.choice([8, 64, 400])) for _ in range(4)) for _ in range(200)]

jobs, data = [], []
for width, height, new_width, new_height in SIZES:
    for name, number in FILTERS.items():
        channels = rnd.choice([3, 3, 1])
        # noise finds rounding, flat extremes find clamping
        pixels = rng.integers(0, 256, (height, width, channels), dtype=np.uint8) if rnd.random() < 0.7 else rng.choice(np.array([0, 255], np.uint8), (height, width, channels))
        jobs.append((name, number, pixels, (new_width, new_height)))
        data.append(struct.pack("<7I", int(number), channels, width, height, new_width, new_height, 0) + pixels.tobytes())
out = subprocess.run([probe, "resize"], input=b"".join(data), stdout=subprocess.PIPE, check=True, timeout=120).stdout
at = 0
for name, number, pixels, size in jobs:
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    expected = np.asarray(image.resize(size, number)).reshape(-1)
    got = np.frombuffer(out, np.uint8, expected.size, at)
    at += expected.size
    if not np.array_equal(expected, got):
        bad = np.flatnonzero(expected != got)
        sys.exit(f"{name} {pixels.shape} -> {size}: {len(bad)} bytes differ, first at {bad[0]}: expected {expected[bad[0]]}, got {got[bad[0]]}")
assert at == len(out)
print(len(jobs), "pictures equal")
