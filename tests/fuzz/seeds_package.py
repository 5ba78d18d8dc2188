"""Seeds of fuzz_package: bare models and zips of every kind that the pipeline's tests deploy."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "unit" / "pipeline"))
from harness import *  # noqa: E402


def seeds():
    plain = identity("float32", ["n", 3, 8, 8])
    net = model([helper.make_node("GlobalAveragePool", ["x"], ["p"]), helper.make_node("Flatten", ["p"], ["y"])],
                [value("x", "float32", [1, 3, 8, 8])], [value("y", "float32", [1, 3])])
    vit = {"image_processor_type": "ViTImageProcessor", "size": {"height": 8, "width": 8}}
    yield "bare", plain
    yield "net", net
    yield "zip", zipped({"model.onnx": plain})
    yield "picture", zipped({"model.onnx": net, "mayfly.json": {"picture": {"size": {"shortest_edge": 9}, "crop": 8, "resize": "lanczos", "mean": [1, 2, 3], "std": 2, "scale": 0.1, "colour": "BGR"},
                                                                "output": {"softmax": True, "labels": ["a", "b", "c"], "top_k": 2}, "memory": 256, "timeout": 9}})
    yield "labels", zipped({"model.onnx": net, "mayfly.json": {"output": {"sigmoid": True, "labels": "l.txt"}}, "l.txt": "0,a\n1,b\n2,c\n"})
    yield "hugging-face", zipped({"onnx/model.onnx": net, "preprocessor_config.json": vit, "config.json": {"id2label": {"0": "a", "1": "b", "2": "c"}}})
    yield "code", zipped({"bootstrap": "#!/bin/sh"})
