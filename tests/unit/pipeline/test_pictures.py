#!/usr/bin/env python3
"""Decoded pixels equal Pillow's ImageOps.exif_transpose(image).convert("RGB") byte for byte, for every form of JPEG, PNG and WebP that
Pillow can write here; damaged and oversized pictures are refused and never crash."""
import io, os, random, struct, subprocess, sys, zlib
import numpy as np
from PIL import Image, ImageOps

probe = sys.argv[1]
seed = int(os.environ.get("MAYFLY_TEST_SEED", random.randrange(2**32)))
print("seed", seed)
rnd = random.Random(seed)
rng = np.random.default_rng(seed)
checked = 0


def photo(width, height):
    """Something smooth with noise on it, so that JPEG has work to do."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    waves = [128 + 90 * np.sin(x / rnd.uniform(3, 30) + y / rnd.uniform(3, 30) + k) for k in range(3)]
    return Image.fromarray(np.clip(np.stack(waves, -1) + rng.normal(0, 12, (height, width, 3)), 0, 255).astype(np.uint8))


def saved(image, kind, **how):
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def decode(data):
    return subprocess.run([probe, "decode"], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


def same(name, data, expected=None):
    global checked
    if expected is None:
        expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    got = decode(data)
    if got.returncode: sys.exit(f"{name}: {got.stderr.decode()}")
    width, height = struct.unpack("<2I", got.stdout[:8])
    pixels = np.frombuffer(got.stdout, np.uint8, -1, 8)
    if (height, width, 3) != expected.shape: sys.exit(f"{name}: expected {expected.shape}, got {(height, width, 3)}")
    if not np.array_equal(pixels.reshape(expected.shape), expected):
        bad = np.argwhere(pixels.reshape(expected.shape) != expected)
        sys.exit(f"{name}: {len(bad)} samples differ, first at {bad[0]}: expected {expected[tuple(bad[0])]}, got {pixels.reshape(expected.shape)[tuple(bad[0])]}")
    checked += 1


def refused(name, data):
    global checked
    got = decode(data)
    if got.returncode != 1 or not got.stderr.startswith(b"InvalidPicture: "): sys.exit(f"{name}: expected InvalidPicture, got {got.returncode} {got.stderr[:200]}")
    checked += 1


def not_crashing(name, data):
    got = decode(data)
    if got.returncode not in (0, 1): sys.exit(f"{name}: died with {got.returncode}")


for size in [(1, 1), (7, 5), (64, 48), (133, 97), (320, 211)]:
    image = photo(*size)
    for mode in ["RGB", "L", "CMYK"]:
        for how in [{}, {"quality": 30}, {"quality": 100}, {"progressive": True}, {"subsampling": 0}, {"subsampling": 1}, {"optimize": True}]:
            same(f"jpeg {size} {mode} {how}", saved(image.convert(mode), "JPEG", **how))
    # APP14 says that three components are RGB, not YCbCr.
    for mode in ["RGB", "RGBA", "L", "LA", "P", "1"]:
        forms = image.convert(mode) if mode != "P" else image.quantize(200)
        same(f"png {size} {mode}", saved(forms, "PNG"))
    for bits in (1, 2, 4):
        same(f"png {size} palette of {bits} bits", saved(image.quantize(2**bits), "PNG", bits=bits))
    clear = image.convert("RGBA")
    clear.putalpha(Image.fromarray(rng.integers(0, 256, (size[1], size[0]), dtype=np.uint8)))
    same(f"png {size} with alpha", saved(clear, "PNG"))
    same(f"png {size} palette with transparency", saved(image.quantize(16), "PNG", transparency=3))
    same(f"png {size} colour with transparency", saved(image, "PNG", transparency=(1, 2, 3)))
    for form in (image, clear):
        for how in [{"quality": 50}, {"quality": 95}, {"lossless": True}, {"lossless": True, "exact": True}]:
            same(f"webp {size} {form.mode} {how}", saved(form, "WEBP", **how))
    same(f"webp {size} animated", saved(image, "WEBP", save_all=True, append_images=[photo(*size)], duration=50))
    same(f"webp {size} animated with alpha", saved(clear, "WEBP", save_all=True, append_images=[photo(*size)], lossless=True))

# Sixteen bits: colour as Pillow; grey gives the high byte, where Pillow 9.4 clips (docs/payloads.md).
def png(width, height, bits, colour, rows, interlace=0, extra=b""):
    def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">2I5B", width, height, bits, colour, 0, 0, interlace)) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

deep = rng.integers(0, 65536, (21, 34, 4)).astype(">u2")
for channels, colour in [(3, 2), (4, 6), (2, 4)]:
    rows = b"".join(b"\0" + row[:, :channels].tobytes() for row in deep)
    same(f"png 16 bits, {channels} channels", png(34, 21, 16, colour, rows))
grey = deep[:, :, 0]
high = np.repeat((grey >> 8).astype(np.uint8)[:, :, None], 3, 2)
same("png 16 bits grey", png(34, 21, 16, 0, b"".join(b"\0" + row.tobytes() for row in grey)), high)
for bits in (1, 2, 4):
    width = 24
    rows = b"".join(b"\0" + rng.integers(0, 256, width * bits // 8, dtype=np.uint8).tobytes() for _ in range(9))
    same(f"png grey {bits} bits", png(width, 9, bits, 0, rows))

# Interlaced (Adam7): Pillow cannot write it, so the passes are written here.
pixels = np.asarray(photo(37, 29))
passes = b""
for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
    part = pixels[y0::dy, x0::dx]
    if part.size: passes += b"".join(b"\0" + row.tobytes() for row in part)
same("png interlaced", png(37, 29, 8, 2, passes, 1))

# Which way is up: all eight, in all three formats and both byte orders; what is no orientation changes nothing.
for orientation in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ["JPEG", "PNG", "WEBP"]:
        same(f"{kind} orientation {orientation}", saved(photo(31, 17), kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})))
    big = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HH", orientation, 0) + b"\0\0\0\0"
    same(f"JPEG orientation {orientation}, big-endian", saved(photo(31, 17), "JPEG", exif=big))

# Inverted CMYK and YCCK with Adobe's marker, as libjpeg's cjpeg cannot write them: the marker's transform flag is patched.
data = bytearray(saved(photo(40, 30).convert("CMYK"), "JPEG"))
adobe = data.find(b"Adobe")
if adobe > 0:
    for transform in (0, 2):
        data[adobe + 11] = transform
        same(f"JPEG CMYK, Adobe transform {transform}", bytes(data))

# Damage.
whole = {kind: saved(photo(90, 70), kind) for kind in ["JPEG", "PNG", "WEBP"]}
whole["progressive"] = saved(photo(90, 70), "JPEG", progressive=True)
for kind, data in whole.items():
    for cut in [3, 10, 20, len(data) // 4, len(data) // 2, len(data) * 3 // 4]:
        refused(f"{kind} cut at {cut}", data[:cut])
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(rnd.randint(1, 8)): broken[rnd.randrange(len(broken))] = rnd.randrange(256)
        not_crashing(f"{kind} with wrong bytes", bytes(broken))
refused("nothing", b"")
refused("text", b"hello, this is no picture")
refused("PNG of 100,000 x 100,000", png(100000, 100000, 8, 2, b"\0" * 100))
refused("JPEG of 65,000 x 65,000", whole["JPEG"].replace(struct.pack(">HH", 70, 90), struct.pack(">HH", 65000, 65000)))
print(checked, "pictures")
