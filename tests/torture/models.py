"""The models that tools/torture deploys, as packages."""
import io
import zipfile

import numpy
from onnx import TensorProto, helper, numpy_helper


def package(graph):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
        archive.writestr(zipfile.ZipInfo("model.onnx"), model.SerializeToString())
    return out.getvalue()


def value(name, type_, shape):
    return helper.make_tensor_value_info(name, type_, shape)


def checksum():
    """total = sum of x, weighted = sum of x's running sums, int64: whoever computes them saw every number, in its place."""
    nodes = [helper.make_node("ReduceSum", ["x", "axis"], ["total"], keepdims=0), helper.make_node("CumSum", ["x", "zero"], ["running"]),
             helper.make_node("ReduceSum", ["running", "axis"], ["weighted"], keepdims=0)]
    constants = [numpy_helper.from_array(numpy.int64([0]), "axis"), numpy_helper.from_array(numpy.int64(0), "zero")]
    return package(helper.make_graph(nodes, "checksum", [value("x", TensorProto.INT64, ["n"])],
                                     [value("total", TensorProto.INT64, []), value("weighted", TensorProto.INT64, [])], constants))


def checksum_of(x):
    running = numpy.cumsum(numpy.int64(x))
    return {"total": int(running[-1]), "weighted": int(running.sum())}


def scale(factor):
    """y = factor * x; the factor says which package it was."""
    return package(helper.make_graph([helper.make_node("Mul", ["x", "factor"], ["y"])], "scale", [value("x", TensorProto.FLOAT, [1, 4])],
                                     [value("y", TensorProto.FLOAT, [1, 4])], [numpy_helper.from_array(numpy.float32(factor), "factor")]))


def endless(size=1000, rounds=1 << 20):
    """Products of matrices without an end."""
    body = helper.make_graph([helper.make_node("MatMul", ["m", "wide"], ["next"]), helper.make_node("Identity", ["go"], ["on"])], "body",
                             [value("i", TensorProto.INT64, []), value("go", TensorProto.BOOL, []), value("m", TensorProto.FLOAT, [size, size])],
                             [value("on", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, [size, size])])
    nodes = [helper.make_node("Expand", ["seed", "shape"], ["flat"]), helper.make_node("Sub", ["flat", "flat"], ["wide"]),
             helper.make_node("Loop", ["rounds", "", "wide"], ["last"], body=body), helper.make_node("ReduceSum", ["last"], ["y"], keepdims=0)]
    constants = [numpy_helper.from_array(numpy.int64([size, size]), "shape"), numpy_helper.from_array(numpy.int64(rounds), "rounds")]
    return package(helper.make_graph(nodes, "endless", [value("seed", TensorProto.FLOAT, [1])], [value("y", TensorProto.FLOAT, [])], constants))
