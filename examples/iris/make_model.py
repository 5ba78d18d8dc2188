#!/usr/bin/python3
"""Writes iris.onnx: scikit-learn's logistic regression of the iris data set (four measurements in cm: sepal length and width, petal
length and width; three kinds), 97 % right. Its coefficients stand below, so that nothing has to be trained; needs python3-onnx."""
import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

COEFFICIENTS = numpy.float32([[-0.4231, 0.9671, -2.5174, -1.0795], [0.5341, -0.3213, -0.2062, -0.9442], [-0.111, -0.6458, 2.7236, 2.0237]])
INTERCEPTS = numpy.float32([9.8486, 2.238, -12.0867])

graph = helper.make_graph(
    [helper.make_node("Gemm", ["x", "coefficients", "intercepts"], ["scores"], transB=1), helper.make_node("Softmax", ["scores"], ["probabilities"])], "iris",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["flowers", 4])], [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["flowers", 3])],
    [numpy_helper.from_array(COEFFICIENTS, "coefficients"), numpy_helper.from_array(INTERCEPTS, "intercepts")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), "iris.onnx")
print("iris.onnx")
