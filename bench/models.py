#!/usr/bin/python3
"""Makes the models that the host's benchmarks call: random weights, every byte of which is read in every run, and small inputs that a
node of the graph expands to the model's shape.

  bench/models.py DIRECTORY      writes mlp, mobilenetv2, wide100mb, trees100 (.onnx) and tiny0 … tiny31

mobilenetv2  14 MB, MobileNetV2's shape (Sandler et al. 2018, table 2) at 224x224
wide100mb    100 MB of weights, one activation of 4 MiB
mlp          10-32-2
trees100     100 trees of depth 6 over 30 features, two classes
"""
import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 1)]


class Graph:
    def __init__(self, name, seed):
        self.name, self.random = name, numpy.random.default_rng(seed)
        self.nodes, self.constants, self.count = [], [], 0

    def constant(self, array):
        self.count += 1
        self.constants.append(numpy_helper.from_array(numpy.asarray(array), f"w{self.count}"))
        return self.constants[-1].name

    def weights(self, *shape):
        fan_in = numpy.prod(shape[1:])
        return self.constant((self.random.standard_normal(shape) * numpy.sqrt(2 / fan_in)).astype(numpy.float32))

    def node(self, op, *inputs, domain="", outputs=1, **attributes):
        self.count += 1
        names = [f"v{self.count}_{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, inputs, names, domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, c_in, c_out, kernel=1, stride=1, group=1, activation=True):
        y = self.node("Conv", x, self.weights(c_out, c_in // group, kernel, kernel), self.constant(numpy.zeros(c_out, numpy.float32)),
                      kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[kernel // 2] * 4, group=group)
        return self.node("Clip", y, self.constant(numpy.float32(0)), self.constant(numpy.float32(6))) if activation else y

    def expand(self, x, scale):
        return self.node("Resize", x, "", self.constant(numpy.float32([1, 1, scale, scale])), mode="nearest")

    def dense(self, x, n_in, n_out):
        return self.node("Gemm", x, self.weights(n_out, n_in), self.constant(numpy.zeros(n_out, numpy.float32)), transB=1)

    def model(self, inputs, outputs):
        infos = [[helper.make_tensor_value_info(n, t, s) for n, t, s in side] for side in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, self.name, *infos, self.constants)
        model = helper.make_model(graph, opset_imports=OPSET, ir_version=7)
        onnx.checker.check_model(model)
        return model


def mlp(name="mlp", seed=1):
    g = Graph(name, seed)
    y = g.node("Softmax", g.dense(g.node("Relu", g.dense("x", 10, 32)), 32, 2))
    return g.model([("x", TensorProto.FLOAT, ["batch", 10])], [(y, TensorProto.FLOAT, ["batch", 2])])


def mobilenetv2():
    g = Graph("mobilenetv2", 2)
    y = g.conv(g.expand("x", 28), 3, 32, 3, 2)
    channels = 32
    for t, c, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(n):
            stride, inner = s if i == 0 else 1, channels * t
            z = g.conv(y, channels, inner) if t > 1 else y
            z = g.conv(g.conv(z, inner, inner, 3, stride, inner), inner, c, activation=False)
            y = g.node("Add", y, z) if stride == 1 and channels == c else z
            channels = c
    y = g.node("Flatten", g.node("GlobalAveragePool", g.conv(y, channels, 1280)))
    y = g.node("Softmax", g.dense(y, 1280, 1000))
    return g.model([("x", TensorProto.FLOAT, [1, 3, 8, 8])], [(y, TensorProto.FLOAT, [1, 1000])])


def wide100mb():
    g = Graph("wide100mb", 3)
    y = g.node("Relu", g.conv(g.expand("x", 16), 1, 16, 3, activation=False))  # 16 x 256 x 256 float32: 4 MiB
    y = g.node("Flatten", g.node("MaxPool", y, kernel_shape=[16, 16], strides=[16, 16]))
    for n_in, n_out in ((4096, 4096), (4096, 2048), (2048, 512)):
        y = g.node("Relu", g.dense(y, n_in, n_out))
    y = g.dense(y, 512, 8)
    return g.model([("x", TensorProto.FLOAT, [1, 1, 16, 16])], [(y, TensorProto.FLOAT, [1, 8])])


def trees100(n_trees=100, depth=6, n_features=30):
    g = Graph("trees100", 4)
    inner, leaves = 2 ** depth - 1, 2 ** depth
    columns = {key: [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")}
    weights = {key: [] for key in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(n_trees):
        for node in range(inner + leaves):
            leaf = node >= inner
            row = (tree, node, 0 if leaf else int(g.random.integers(n_features)), 0.0 if leaf else float(numpy.float32(g.random.standard_normal())),
                   "LEAF" if leaf else "BRANCH_LEQ", 0 if leaf else 2 * node + 1, 0 if leaf else 2 * node + 2)
            for key, value in zip(columns, row):
                columns[key].append(value)
            if leaf:
                for key, value in zip(weights, (tree, node, 0, float(numpy.float32(g.random.standard_normal() / 10)))):
                    weights[key].append(value)
    attributes = {f"nodes_{key}": value for key, value in columns.items()} | {f"class_{key}": value for key, value in weights.items()}
    label, scores = g.node("TreeEnsembleClassifier", "x", domain="ai.onnx.ml", outputs=2, classlabels_int64s=[0, 1],
                           post_transform="LOGISTIC", **attributes)
    return g.model([("x", TensorProto.FLOAT, ["batch", n_features])],
                   [(label, TensorProto.INT64, ["batch"]), (scores, TensorProto.FLOAT, ["batch", 2])])


def main():
    directory = pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    made = {"mlp": mlp(), "mobilenetv2": mobilenetv2(), "wide100mb": wide100mb(), "trees100": trees100()}
    made |= {f"tiny{i}": mlp(f"tiny{i}", 100 + i) for i in range(32)}
    for name, model in made.items():
        onnx.save(model, directory / f"{name}.onnx")


main()
