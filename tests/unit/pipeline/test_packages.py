#!/usr/bin/env python3
"""Packages of docs/packages.md: what is found in a zip, mayfly.json and Hugging Face's files against Pillow and numpy doing the same by
hand, and everything hostile that a zip can be."""
import base64, hashlib, io, os, random, struct, sys, zipfile, zlib
import numpy as np
from PIL import Image, ImageOps
from onnx import helper
from harness import *

rng = np.random.default_rng(7)
plain = identity("float32", [1, 2])
photo = np.clip(rng.normal(128, 60, (90, 131, 3)), 0, 255).astype(np.uint8)


def jpeg(array=photo, **how):
    out = io.BytesIO()
    Image.fromarray(array).save(out, "JPEG", **how)
    return out.getvalue()


def opened(data):
    return ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")


def close(what, got, expected, tolerance=2e-6):
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    if got.shape != expected.shape: sys.exit(f"{what}: expected shape {expected.shape}, got {got.shape}")
    worst = np.max(np.abs(got - expected) / (1 + np.abs(expected)))
    if worst > tolerance: sys.exit(f"{what}: off by {worst}")


def models_in_zips():
    for name, files in [("model.onnx", {}), ("deep/down/any.onnx", {"deep/README.md": "hello"}), ("onnx/model.onnx", {"onnx/model_int8.onnx": b"?"}),
                        ("m.onnx", {"__MACOSX/._m.onnx": b"?", "helpers/train.py": "print()"})]:
        with Function(zipped({name: plain, **files})) as f:
            same(name, f([[1, 2]]), {"y": [[1, 2]]})
            same("name in the description", f.report["description"]["model"], name)
    both = {"a.onnx": plain, "b.onnx": identity("float32", [1, 3])}
    package_refused("two models", zipped(both), "InvalidPackage", "2 models", "a.onnx", "b.onnx", "mayfly.json")
    with Function(zipped({**both, "mayfly.json": {"model": "b.onnx", "memory": 300, "timeout": 7}})) as f:
        same("the named one", f([[1, 2, 3]]), {"y": [[1, 2, 3]]})
        same("memory and timeout", (f.report["memory_mb"], f.report["timeout_s"]), (300, 7))
    for code in ["index.js", "lambda_function.py", "bootstrap"]:
        package_refused(code, zipped({code: "x"}), "Unsupported", code)
    package_refused("code that uses a model", zipped({"app.py": "x", "model.onnx": plain}), "Unsupported", "app.py")
    package_refused("no model", zipped({"README.md": "x"}), "InvalidPackage", "no model")
    package_refused("empty zip", zipped({}), "InvalidPackage", "no model")
    package_refused("nothing", b"", "InvalidPackage", "empty")
    package_refused("text", b"hello world", "InvalidModel")
    package_refused("cut", plain[:len(plain) // 2], "InvalidModel")
    package_refused("cut zip", zipped(both)[:200], "InvalidPackage", "Could not unzip")
    operator = model([helper.make_node("Nonsense", ["x"], ["y"], "the_node", domain="com.example")], [value("x", "float32", [1])], [value("y", "float32", [1])])
    package_refused("operator", operator, "UnsupportedOperator", "Nonsense", "com.example", "the_node")


def external_data():
    weights = rng.standard_normal(1000).astype(np.float32)
    tensor = constant("w", weights)
    tensor.ClearField("raw_data")
    tensor.data_location = 1

    def with_location(location):
        del tensor.external_data[:]
        for key, text in [("location", location), ("offset", "8"), ("length", "4000")]:
            entry = tensor.external_data.add()
            entry.key, entry.value = key, text
        return model([helper.make_node("Add", ["x", "w"], ["y"])], [value("x", "float32", [1000])], [value("y", "float32", [1000])], [tensor])

    data = b"\0" * 8 + weights.tobytes()
    with Function(zipped({"m/model.onnx": with_location("weights.bin"), "m/weights.bin": data})) as f:
        close("external data", f([0] * 1000)["y"], weights, 1e-7)
    for location in ["../weights.bin", "/etc/passwd", "../../etc/passwd", "nothing.bin", "m/../../x", "", "a\\b"]:
        package_refused(location, zipped({"m/model.onnx": with_location(location), "x": data}), "external data")
    package_refused("beyond the end", zipped({"model.onnx": with_location("weights.bin"), "weights.bin": data[:100]}), "Invalid")
    package_refused("bare", with_location("model.onnx.data"), "'w'", "model.onnx.data", "deploy the folder that holds both")
    package_refused("left out of the zip", zipped({"m/model.onnx": with_location("weights.bin")}), "m/weights.bin", "the zip must hold it too")


def raw_zip(entries):
    """A zip as zipfile would not write it: (name, data, {stated: size, flags:, method:, attributes:})."""
    body, directory = b"", b""
    for name, data, how in entries:
        name = name if isinstance(name, bytes) else name.encode()
        packed = zlib.compress(data)[2:-4] if how.get("method", 8) == 8 else data
        fields = (20, how.get("flags", 0), how.get("method", 8), 0, 0x21, zlib.crc32(data), len(packed), how.get("stated", len(data)), len(name), 0)
        directory += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 0x031E, *fields, 0, 0, 0, how.get("attributes", 0o100644 << 16), len(body)) + name
        body += struct.pack("<4sHHHHHIIIHH", b"PK\3\4", *fields) + name + packed
    return body + directory + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0)


def hostile_zips():
    good = ("model.onnx", plain, {})
    with Function(raw_zip([good])) as f:
        same("by hand", f([[1, 2]]), {"y": [[1, 2]]})
    with Function(raw_zip([("model.onnx", plain, {"method": 0})])) as f:
        same("stored", f([[1, 2]]), {"y": [[1, 2]]})
    for name in ["../evil", "a/../../evil", "/etc/passwd", "C:/x", "a//b", "./a", "a/./b", "a\\b", "..", "a\nb", b"\xff\xfe", "x" * 2000]:
        package_refused(str(name), raw_zip([good, (name, b"x", {"flags": 0x800})]), "InvalidPackage")
    package_refused("link", raw_zip([good, ("l", b"/etc/passwd", {"attributes": 0o120777 << 16})]), "InvalidPackage", "symbolic link")
    package_refused("device", raw_zip([good, ("l", b"", {"attributes": 0o060777 << 16})]), "InvalidPackage", "neither a file nor a folder")
    package_refused("encrypted", raw_zip([good, ("l", b"secret", {"flags": 1})]), "InvalidPackage", "encrypted")
    package_refused("method", raw_zip([good, ("l", b"x", {"method": 14})]), "InvalidPackage", "compressed in another way")
    package_refused("twice", raw_zip([good, good]), "InvalidPackage", "already exists")
    package_refused("many", raw_zip([good] + [(f"f{i}", b"", {}) for i in range(10001)]), "InvalidPackage", "entries")
    package_refused("stated too large", zipped({"model.onnx": plain, "zeros": b"\0" * 262144000}), "TooLarge", "262144000")
    package_refused("sum overflows", raw_zip([good] + [(f"f{i}", b"x", {"stated": 0xFFFFFFF0}) for i in range(3)]), "TooLarge")
    package_refused("a bomb that lies", raw_zip([("model.onnx", plain + b"\0" * 50000000, {"stated": len(plain)})]), "Invalid")
    package_refused("wrong sum", raw_zip([good]).replace(struct.pack("<I", zlib.crc32(plain)), b"abcd"), "Invalid")
    whole = bytearray(zipped({"model.onnx": plain, "mayfly.json": {"timeout": 3}}))
    random.seed(5)
    for _ in range(150):
        broken = bytearray(whole)
        for _ in range(random.randint(1, 6)): broken[random.randrange(len(broken))] = random.randrange(256)
        try:
            with Function(bytes(broken)) as f: f.report
        except Refused:
            pass


def strict_mayfly_json():
    picture_model = identity("float32", ["n", 3, 8, 8])
    def deploy(config): return zipped({"model.onnx": picture_model, "mayfly.json": config})
    for config, part in [({"pictures": {}}, "mayfly.json: there is no member 'pictures'; possible are model, picture, output, memory, timeout"),
                         ({"picture": {"size": {"widht": 8}}}, "picture.size: there is no member 'widht'"), ({"picture": {"size": 0}}, "picture.size"),
                         ({"picture": {"size": {"width": 8}}}, "width and height, or shortest_edge alone"), ({"picture": {"resize": "best"}}, "picture.resize: expected one of"),
                         ({"picture": {"mean": [1, 2, 3, 4]}}, "picture.mean"), ({"picture": {"mean": [1, 2]}}, "one for each channel"), ({"picture": {"std": 0}}, "cannot be 0"),
                         ({"picture": {"layout": "NHWC"}}, "three channels"), ({"picture": {"size": 9}}, "another size"), ({"picture": {"dtype": "uint8"}}, "another type"),
                         ({"picture": {"input": "y"}}, "no input 'y'"), ({"picture": {"scale": "1"}}, "picture.scale: expected a number"), ({"picture": []}, "expected an object"),
                         ({"memory": 64}, "memory: expected an integer from 128 to 10240"), ({"timeout": 901}, "timeout"), ({"model": "x.onnx"}, "no file 'x.onnx'"),
                         ({"model": "../x.onnx"}, "no path inside"), ({"output": {"labels": "l.txt"}}, "no file 'l.txt'"), ({"output": {"labels": []}}, "output.labels"),
                         ({"output": {"labels": ["a", "b"]}}, "2 labels"), ({"output": {"top_k": 0}}, "top_k"), ({"output": {"softmax": True, "sigmoid": True}}, "exclude"),
                         ({"output": {"name": "z", "softmax": True}}, "no output 'z'"), ('{"memory": 128, "memory": 256}', "line 1"), ("[]", "expected a JSON object"), ("{", "line 1")]:
        package_refused(str(config), deploy(config), "InvalidPackage", part)
    package_refused("two of them", zipped({"model.onnx": plain, "mayfly.json": {}, "a/mayfly.json": {}}), "2 files mayfly.json")
    big = model([helper.make_node("Expand", ["x", "s"], ["t"]), helper.make_node("ReduceSum", ["t"], ["y"], keepdims=0)], [value("x", "float32", [1])], [value("y", "float32", [])],
                [constant("s", np.int64([100, 1000, 1000]))])
    package_refused("memory too small", big, "OutOfMemory", "has 128 MB of memory", "needs at least", memory_mb=128)
    with Function(big) as f:
        if f.report["memory_mb_needed"] < 390: sys.exit(f"400 MB of values in {f.report['memory_mb_needed']} MB?")
    # A row of 224 becomes 200,000: 179 MB that no planner sees; a run at a usual size does.
    tall = model([helper.make_node("Tile", ["x", "r"], ["t"]), helper.make_node("ReduceMax", ["t"], ["y"], keepdims=0)], [value("x", "float32", ["n", "m"])],
                 [value("y", "float32", [])], [constant("r", np.int64([200000, 1]))])
    with Function(tall) as f:
        if not 200 < f.report["memory_mb_needed"] < 400: sys.exit(f"179 MB of values of unknown size in {f.report['memory_mb_needed']} MB?")


def pictures():
    def check(what, config, expected, shape, kind="float32", data=jpeg()):
        with Function(zipped({"model.onnx": identity(kind, shape), "mayfly.json": {"picture": config}})) as f:
            for payload in (data, {"b64": base64.b64encode(data).decode()}, {"x": {"b64": base64.b64encode(data).decode()}}, {"inputs": {"b64": base64.b64encode(data).decode()}}):
                close(what, f(payload)["y"], expected)
            close(what + ", listed", f({"instances": [{"b64": base64.b64encode(data).decode()}] * 2})["y"], np.concatenate([expected, expected]) if len(shape) == 4 else np.stack([expected, expected]).reshape((-1,) + expected.shape[1:]))
    image = opened(jpeg())
    def array(picture): return np.asarray(picture, np.float64)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for name, number in [("nearest", 0), ("lanczos", 1), ("bilinear", 2), ("bicubic", 3)]:
        expected = ((array(image.resize((40, 30), number)) / 255 - mean) / std).transpose(2, 0, 1)[None]
        check(name, {"size": {"width": 40, "height": 30}, "resize": name, "scale": 1 / 255, "mean": mean.tolist(), "std": std.tolist()}, expected, ["n", 3, 30, 40])
    check("size of the model, BGR, NHWC", {"colour": "BGR"}, array(image.resize((20, 24), 2))[None, :, :, ::-1], [1, 24, 20, 3])
    check("grey", {"colour": "grey", "scale": 0.5, "mean": 3, "std": 2}, (array(image.convert("L").resize((20, 24), 2))[None, None] * 0.5 - 3) / 2, [1, 1, 24, 20])
    check("three dimensions", {"layout": "NHWC"}, array(image.resize((20, 24), 2)), [24, 20, 3])
    check("bytes", {}, array(image.resize((20, 24), 2))[None], [1, 24, 20, 3], "uint8")
    check("signed bytes", {"mean": 128}, array(image.resize((20, 24), 2))[None] - 128, [1, 24, 20, 3], "int8")
    check("halves", {}, array(image.resize((20, 24), 2)).transpose(2, 0, 1)[None], [1, 3, 24, 20], "float16")
    check("as it is", {}, array(image).transpose(2, 0, 1)[None], [1, 3, "h", "w"])
    edge = 64
    resized = image.resize((int(edge * 131 / 90), edge), 2)
    left, top = (resized.size[0] - 50) // 2, (resized.size[1] - 48) // 2
    check("shortest edge and crop", {"size": {"shortest_edge": edge}, "crop": {"width": 50, "height": 48}}, array(resized.crop((left, top, left + 50, top + 48))).transpose(2, 0, 1)[None], [1, 3, 48, 50])
    padded = np.zeros((101, 140, 3))
    padded[6:96, 5:136] = array(image)  # the margin before is rounded up
    check("crop beyond the edge", {"crop": {"width": 140, "height": 101}}, padded.transpose(2, 0, 1)[None], [1, 3, 101, 140])
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = jpeg(exif=exif)
    check("turned", {}, array(opened(turned)).transpose(2, 0, 1)[None], [1, 3, "h", "w"], data=turned)
    check("turned and grey", {"colour": "grey"}, array(opened(turned).convert("L"))[None, None], [1, 1, "h", "w"], data=turned)
    with Function(zipped({"model.onnx": identity("float32", [1, 3, 8, 8]), "mayfly.json": {"picture": {"max_pixels": 10000}}})) as f:
        refused("pixels", lambda: f(jpeg()), "InvalidPicture", "131 x 90", "10000")
        refused("corrupt", lambda: f(jpeg()[:300]), "InvalidPicture")
        refused("text", lambda: f(b"hello"), "InvalidPicture", "JPEG, PNG or WebP")
        refused("JSON", lambda: f({"x": [[1]]}), "InvalidInput", "x a picture")
        same("and on", len(f(jpeg(photo[:50, :50]))["y"][0][0]), 8)


def labels():
    scores = rng.standard_normal((1, 6)).astype(np.float32)
    net = model([helper.make_node("ReduceMean", ["x"], ["m"], axes=[1, 2, 3], keepdims=0), helper.make_node("Mul", ["m", "zero"], ["z"]), helper.make_node("Add", ["z", "scores"], ["logits"])],
                [value("x", "float32", [1, 3, 8, 8])], [value("logits", "float32", [1, 6])], [constant("zero", np.float32([0])), constant("scores", scores)])
    names = ["a cat", "dog, hound", "\"quoted\"", "é", "e", "f"]
    order = np.argsort(-scores[0])
    soft = np.exp(scores[0]) / np.exp(scores[0]).sum()
    forms = {"lines": "\n".join(names) + "\n", "numbered": "".join(f"{i},{n}\n" for i, n in enumerate(names)), "windows": "\ufeff" + "\r\n".join(names)}
    configs = [{"labels": f"{name}.txt", "softmax": True, "top_k": 3} for name in forms] + [{"labels": names, "softmax": True, "top_k": 3}, {"labels": {str(i): n for i, n in enumerate(names)}, "softmax": True, "top_k": 3}, {"labels": "l.json", "softmax": True, "top_k": 3}]
    for config in configs:
        with Function(zipped({"model.onnx": net, "mayfly.json": {"picture": {}, "output": config}, "l.json": names, **{f"{k}.txt": v for k, v in forms.items()}})) as f:
            got = f(jpeg())
            same("labels", [x["label"] for x in got], [names[i] for i in order[:3]])
            close("scores", [x["score"] for x in got], soft[order[:3]])
            b64 = {"b64": base64.b64encode(jpeg()).decode()}
            same("listed", f({"instances": [b64, b64]}), [got, got])
    with Function(zipped({"model.onnx": net, "mayfly.json": {"output": {"sigmoid": True}}})) as f:
        close("sigmoid", f({"x": np.zeros((1, 3, 8, 8)).tolist()})["logits"], 1 / (1 + np.exp(-scores)))
    with Function(zipped({"model.onnx": net, "mayfly.json": {"output": {"labels": names}}})) as f:
        same("all of them, five by default", [x["label"] for x in f({"x": np.zeros((1, 3, 8, 8)).tolist()})], [names[i] for i in order[:5]])


def hugging_face():
    """What transformers' image processors do, written with Pillow and numpy."""
    picture = opened(jpeg())
    labels = {str(i): f"class {i}" for i in range(3)}
    config = {"architectures": ["ViTForImageClassification"], "id2label": labels}

    def shortest(image, edge, resample):
        w, h = image.size
        short, long = min(w, h), max(w, h)
        new = int(edge * long / short)
        return image.resize((edge, new) if w <= h else (new, edge), resample)

    def center(image, side):
        top, left = (image.size[1] - side) // 2, (image.size[0] - side) // 2
        return image.crop((left, top, left + side, top + side))

    def tensor(image, scale=1 / 255, mean=0.5, std=0.5): return ((np.asarray(image, np.float64) * scale - mean) / std).transpose(2, 0, 1)[None]

    imagenet = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    cases = [
        ("ViT", {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 32}, "resample": 3}, tensor(picture.resize((32, 24), 3))),
        ("ViT of old", {"feature_extractor_type": "ViTFeatureExtractor", "size": 24, "resample": 2, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "do_normalize": True}, tensor(picture.resize((24, 24), 2))),
        ("ViT fast", {"image_processor_type": "ViTImageProcessorFast", "size": {"height": 24, "width": 24}, "do_rescale": True, "rescale_factor": 0.25, "do_normalize": False, "unknown": 1}, tensor(picture.resize((24, 24), 2), 0.25, 0, 1)),
        ("ConvNeXt small", {"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 32}, "crop_pct": 0.875, "resample": 3, "image_mean": imagenet[0], "image_std": imagenet[1]}, tensor(center(shortest(picture, int(32 / 0.875), 3), 32), 1 / 255, *map(np.array, imagenet))),
        ("ConvNeXt large", {"feature_extractor_type": "ConvNextFeatureExtractor", "size": 384, "resample": 3}, tensor(picture.resize((384, 384), 3))),
        ("MobileNetV2", {"image_processor_type": "MobileNetV2ImageProcessor", "size": {"shortest_edge": 40}, "crop_size": {"height": 32, "width": 32}}, tensor(center(shortest(picture, 40, 2), 32))),
        ("MobileNetV1 of old", {"feature_extractor_type": "MobileNetV1FeatureExtractor", "size": 40, "crop_size": 32, "do_center_crop": True}, tensor(center(shortest(picture, 40, 2), 32))),
        ("EfficientNet", {"image_processor_type": "EfficientNetImageProcessor", "size": {"height": 30, "width": 30}, "resample": 0, "image_mean": imagenet[0], "image_std": imagenet[1], "include_top": True}, tensor(picture.resize((30, 30), 0), 1 / 255, *map(np.array, imagenet)) / np.array(imagenet[1])[None, :, None, None]),
        ("DeiT", {"image_processor_type": "DeiTImageProcessor", "size": {"height": 40, "width": 40}, "crop_size": {"height": 32, "width": 32}, "resample": 3}, tensor(center(picture.resize((40, 40), 3), 32))),
        ("no resize", {"image_processor_type": "ViTImageProcessor", "do_resize": False, "do_rescale": False, "do_normalize": False}, tensor(picture, 1, 0, 1)),
    ]
    for what, processor, expected in cases:
        shape = list(expected.shape)
        for files in ({"model.onnx": identity("float32", ["batch"] + shape[1:]), "preprocessor_config.json": processor}, {"repo/onnx/model.onnx": identity("float32", ["batch"] + shape[1:]), "repo/preprocessor_config.json": processor}):
            with Function(zipped(files)) as f:
                close(what, f(jpeg())["y"], expected, 5e-6)
    logits = np.float32([[0.5, 2, -1]])
    net = model([helper.make_node("ReduceMean", ["pixel_values"], ["m"], axes=[1, 2, 3], keepdims=0), helper.make_node("Mul", ["m", "zero"], ["z"]), helper.make_node("Add", ["z", "scores"], ["logits"])],
                [value("pixel_values", "float32", ["batch", 3, 24, 24])], [value("logits", "float32", ["batch", 3])], [constant("zero", np.float32([0])), constant("scores", logits)])
    vit = {"image_processor_type": "ViTImageProcessor", "size": {"height": 24, "width": 24}}
    soft = np.exp(logits[0]) / np.exp(logits[0]).sum()
    for extra, scores in [({}, soft), ({"problem_type": "multi_label_classification"}, 1 / (1 + np.exp(-logits[0])))]:
        with Function(zipped({"onnx/model.onnx": net, "preprocessor_config.json": vit, "config.json": {**config, **extra}})) as f:
            got = f(jpeg())
            same("labels", [x["label"] for x in got], ["class 1", "class 0", "class 2"])
            close("scores", [x["score"] for x in got], scores[[1, 0, 2]])
    with Function(zipped({"onnx/model.onnx": net, "preprocessor_config.json": vit, "config.json": {"architectures": ["ViTModel"], "id2label": labels}})) as f:
        same("no classifier", list(f(jpeg())), ["logits"])
    for bad, part in [({"image_processor_type": "DetrImageProcessor"}, "DetrImageProcessor"), ({}, "image_processor_type is missing"), ({**vit, "do_pad": True}, "do_pad"),
                      ({**vit, "size": {"longest_edge": 5}}, "longest_edge"), ({**vit, "resample": 9}, "resample"), ({**vit, "size": "big"}, "size")]:
        package_refused(str(bad), zipped({"model.onnx": net, "preprocessor_config.json": bad}), part)
    package_refused("labels", zipped({"model.onnx": net, "preprocessor_config.json": vit, "config.json": {"id2label": {"0": "a", "2": "b"}}}), "label \"1\" of 2 is missing")


for part in (models_in_zips, external_data, hostile_zips, strict_mayfly_json, pictures, labels, hugging_face):
    part()
    print(part.__name__, "ok")
