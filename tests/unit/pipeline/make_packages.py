#!/usr/bin/python3
"""Writes packages for test_faults.c: make_packages.py DIR. The seeds of the package fuzzer, and models that every pass of the compiler
has something to do with."""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/fuzz"))
sys.dont_write_bytecode = True
import seeds_package  # noqa: E402
from harness import *  # noqa: E402

rng = np.random.default_rng(3)


def weights(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def node(op, inputs, output, **attributes):
    return helper.make_node(op, inputs.split(), [output], **attributes)


def convolutional():
    constants = {"w": weights(8, 3, 3, 3), "b": weights(8), "s": weights(8), "o": weights(8), "m": weights(8), "v": abs(weights(8)),
                 "wd": weights(8, 1, 3, 3), "wp": weights(8, 8, 1, 1), "wt": weights(8, 4, 2, 2), "fc": weights(5, 4), "fb": weights(5),
                 "zero": np.float32(0), "six": np.float32(6), "shape": np.array([0, -1])}
    nodes = [node("Conv", "x w b", "c1", pads=[1] * 4), node("BatchNormalization", "c1 s o m v", "n1"), node("Relu", "n1", "r1"),
             node("Conv", "r1 wd", "c2", group=8, pads=[1] * 4), node("Clip", "c2 zero six", "r2"), node("Conv", "r2 wp", "c3"),
             node("Add", "c3 r1", "sum"), node("MaxPool", "sum", "p", kernel_shape=[2, 2], strides=[2, 2]),
             node("ConvTranspose", "p wt", "t", strides=[2, 2]), node("Sigmoid", "t", "g"), node("Mul", "t g", "silu"),
             node("GlobalAveragePool", "silu", "a"), node("Reshape", "a shape", "flat"), node("Gemm", "flat fc fb", "l", transB=1),
             node("Softmax", "l", "y", axis=-1)]
    return nodes, constants, ("float32", [1, 3, 8, 8])


def attention():
    constants = {"wq": weights(6, 6), "wk": weights(6, 6), "bq": weights(6), "half": np.float32(0.5), "one": np.float32(1),
                 "root": np.float32(1.4142135), "two": np.float32(2), "eps": np.float32(1e-5), "gamma": weights(6), "beta": weights(6)}
    nodes = [node("MatMul", "x wq", "q0"), node("Add", "q0 bq", "q"), node("MatMul", "x wk", "k"), node("Transpose", "k", "kt", perm=[0, 2, 1]),
             node("MatMul", "q kt", "scores"), node("Softmax", "scores", "p", axis=-1), node("MatMul", "p x", "mixed"),
             node("ReduceMean", "mixed", "mean", axes=[-1]), node("Sub", "mixed mean", "d"), node("Pow", "d two", "dd"),
             node("ReduceMean", "dd", "var", axes=[-1]), node("Add", "var eps", "ve"), node("Sqrt", "ve", "sd"), node("Div", "d sd", "n"),
             node("Mul", "n gamma", "ng"), node("Add", "ng beta", "h"), node("Div", "h root", "hr"), node("Erf", "hr", "e"),
             node("Add", "e one", "e1"), node("Mul", "h e1", "he"), node("Mul", "he half", "y")]
    return nodes, constants, ("float32", ["n", 4, 6])


def half():
    constants = {"w": weights(4, 3, 3, 3).astype(np.float16), "b": weights(4).astype(np.float16)}
    return [node("Conv", "x w b", "c"), node("Relu", "c", "y")], constants, ("float16", [1, 3, 6, 6])


def trees():
    ids = {"nodes_treeids": [0] * 3 + [1], "nodes_nodeids": [0, 1, 2, 0], "nodes_featureids": [1, 0, 0, 0], "nodes_values": [0.5, 0.0, 0.0, 0.0],
           "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF", "LEAF"], "nodes_truenodeids": [1, 0, 0, 0], "nodes_falsenodeids": [2, 0, 0, 0],
           "class_treeids": [0, 0, 1], "class_nodeids": [1, 2, 0], "class_ids": [0, 1, 1], "class_weights": [0.25, 0.75, 0.5],
           "classlabels_strings": ["no", "yes"], "post_transform": "SOFTMAX"}
    made = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "y"], domain="ai.onnx.ml", **ids)
    return [made], {}, ("float32", ["n", 2])


def package(nodes, constants, x):
    graph = helper.make_graph(nodes, "faults", [value("x", *x)], [onnx.ValueInfoProto(name="y")],
                              [constant(name, array) for name, array in constants.items()])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 1)])
    made.ir_version = 8
    return made.SerializeToString()


folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
for name, data in seeds_package.seeds():
    (folder / name).write_bytes(data)
for make in (convolutional, attention, half, trees):
    (folder / make.__name__).write_bytes(package(*make()))
