#!/usr/bin/env python3
"""Real pictures through real classifiers: the animal that is on the picture comes first, with the score that ONNX Runtime gave. Needs the
shared models and pictures; without them the test says so and is skipped."""
import pathlib, sys
from harness import *

shared = pathlib.Path(__file__).resolve().parents[4] / "shared"
if not (shared / "models").is_dir():
    print("no ../shared here: skipped")
    sys.exit(77)
images = shared / "images"


def top(model, config, labels, picture):
    with Function(zipped({"model.onnx": (shared / "models" / model / "model.onnx").read_bytes(), "labels.txt": (images / labels).read_text(),
                          "mayfly.json": {"picture": config, "output": {"labels": "labels.txt", "top_k": 3}}})) as f:
        answer = f((images / picture).read_bytes())
        print(model, picture, answer)
        return answer[0]["label"], answer[0]["score"]


squeezenet = {"size": 224, "colour": "BGR"}
for picture, label, score in [("kitten_224.png", "tabby", 0.932), ("fish.png", "tench", 0.738)]:
    got = top("SqueezeNet_fp16", squeezenet, "imagenet_labels.txt", picture)
    if label not in got[0] or abs(got[1] - score) > 0.02: sys.exit(f"{picture}: expected {label} {score}, got {got}")
mobilenet = {"size": 224, "scale": 1 / 127.5, "mean": 1}
for picture, label, score in [("parrot.jpg", "macaw", 0.998), ("cat_720p.jpg", "Egyptian cat", None)]:
    got = top("mobilenet_v2_1.0_224_quant", mobilenet, "imagenet_labels_1001.txt", picture)
    if label not in got[0] or (score and abs(got[1] - score) > 0.02): sys.exit(f"{picture}: expected {label} {score}, got {got}")
