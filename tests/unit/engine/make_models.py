#!/usr/bin/python3
"""Makes small ONNX models with Debian's onnx and their expected results with numpy, independent of Mayfly.

Usage: make_models.py DIR. Each case is a folder: model.onnx, input_K.pb, output_K.pb, or `error` (text that the message must have).
"""
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto as T, helper as h, numpy_helper as nh

ROOT = sys.argv[1]
rng = np.random.default_rng(7)


def info(name, shape, kind=T.FLOAT):
    return h.make_tensor_value_info(name, kind, shape)


def model(graph, opset=13, ir=8, domains=(), functions=()):
    imports = [h.make_opsetid("", opset)] + [h.make_opsetid(d, 1) for d in domains]
    m = h.make_model(graph, opset_imports=imports, functions=list(functions))
    m.ir_version = ir
    return m


def write(name, m, inputs=(), outputs=(), error=None, files=()):
    folder = os.path.join(ROOT, name)
    os.makedirs(folder, exist_ok=True)
    data = m if isinstance(m, bytes) else m.SerializeToString()
    with open(os.path.join(folder, "model.onnx"), "wb") as f:
        f.write(data)
    for kind, arrays in (("input", inputs), ("output", outputs)):
        for k, array in enumerate(arrays):
            with open(os.path.join(folder, f"{kind}_{k}.pb"), "wb") as f:
                f.write(nh.from_array(np.asarray(array)).SerializeToString())
    if error is not None:
        with open(os.path.join(folder, "error"), "w") as f:
            f.write(error)
    for file, content in files:
        with open(os.path.join(folder, file), "wb") as f:
            f.write(content)


def simple(name, nodes, inputs, outputs, initializers=(), given=(), expected=(), error=None, files=(), **how):
    write(name, model(h.make_graph(nodes, "g", inputs, outputs, list(initializers)), **how), given, expected, error, files)


def typed(name, kind, dims, **fields):
    t = T(name=name, data_type=kind, dims=dims)
    for field, values in fields.items():
        getattr(t, field).extend(values)
    return t


def encodings():
    x = rng.standard_normal((2, 3)).astype(np.float32)
    b = rng.standard_normal(3).astype(np.float32)
    for name, t in (("raw", nh.from_array(b, "b")), ("typed", typed("b", T.FLOAT, [3], float_data=b.tolist()))):
        simple(f"float_{name}", [h.make_node("Add", ["x", "b"], ["y"])], [info("x", [2, 3])], [info("y", [2, 3])], [t], [x], [x + b])
    # Every typed field; Identity hands the constant to the output.
    cases = {
        "float16": (T.FLOAT16, "int32_data", np.array([1.5, -2, 65504], np.float16), lambda a: a.view(np.uint16).tolist()),
        "int8": (T.INT8, "int32_data", np.array([-128, 0, 127], np.int8), lambda a: a.tolist()),
        "uint8": (T.UINT8, "int32_data", np.array([0, 1, 255], np.uint8), lambda a: a.tolist()),
        "int16": (T.INT16, "int32_data", np.array([-32768, 5], np.int16), lambda a: a.tolist()),
        "uint16": (T.UINT16, "int32_data", np.array([65535, 5], np.uint16), lambda a: a.tolist()),
        "int32": (T.INT32, "int32_data", np.array([-(2**31), 5], np.int32), lambda a: a.tolist()),
        "bool": (T.BOOL, "int32_data", np.array([True, False]), lambda a: a.astype(int).tolist()),
        "int64": (T.INT64, "int64_data", np.array([-(2**63), 5], np.int64), lambda a: a.tolist()),
        "uint32": (T.UINT32, "uint64_data", np.array([2**32 - 1, 5], np.uint32), lambda a: a.tolist()),
        "uint64": (T.UINT64, "uint64_data", np.array([2**64 - 1, 5], np.uint64), lambda a: a.tolist()),
        "float64": (T.DOUBLE, "double_data", np.array([1e300, -0.0], np.float64), lambda a: a.tolist()),
    }
    for name, (kind, field, values, to_list) in cases.items():
        t = typed("c", kind, list(values.shape), **{field: to_list(values)})
        simple(f"typed_{name}", [h.make_node("Identity", ["c"], ["y"])], [], [info("y", list(values.shape), kind)], [t], [], [values])
        simple(f"raw_{name}", [h.make_node("Identity", ["c"], ["y"])], [], [info("y", list(values.shape), kind)],
               [nh.from_array(values, "c")], [], [values])
    s = h.make_tensor("c", T.STRING, [2], [b"caf\xc3\xa9", b""])
    simple("strings", [h.make_node("Identity", ["c"], ["y"])], [], [info("y", [2], T.STRING)], [s], [],
           [np.array(["caf\u00e9", ""], dtype=object)])
    # Numbers and texts by turns, all of which need memory.
    def label(x, y):
        return h.make_node("LabelEncoder", [x], [y], domain="ai.onnx.ml", classes_strings=["zero", "one", "two"], default_string="none",
                           default_int64=-1)
    nodes = [h.make_node("Neg", ["x"], ["a"]), label("a", "b"), label("b", "c"), h.make_node("Neg", ["c"], ["d"]),
             h.make_node("Abs", ["d"], ["e"]), label("e", "y")]
    simple("texts", nodes, [info("x", [1, 3], T.INT64)], [info("y", [1, 3], T.STRING)], [], [np.array([[-2, 0, 7]])],
           [np.array([["two", "zero", "one"]], dtype=object)], domains=("ai.onnx.ml",))


def constants():
    forms = {
        "value": (dict(value=nh.from_array(np.array([[1, 2]], np.float32))), np.array([[1, 2]], np.float32)),
        "value_float": (dict(value_float=1.5), np.array(1.5, np.float32)),
        "value_floats": (dict(value_floats=[1.5, 2.5]), np.array([1.5, 2.5], np.float32)),
        "value_int": (dict(value_int=7), np.array(7, np.int64)),
        "value_ints": (dict(value_ints=[7, 8]), np.array([7, 8], np.int64)),
        "value_string": (dict(value_string="a"), np.array("a", dtype=object)),
        "value_strings": (dict(value_strings=["a", "bc"]), np.array(["a", "bc"], dtype=object)),
    }
    for name, (attributes, expected) in forms.items():
        kind = {"f": T.FLOAT, "i": T.INT64, "O": T.STRING}[expected.dtype.kind]
        nodes = [h.make_node("Constant", [], ["c"], **attributes), h.make_node("Identity", ["c"], ["y"])]
        simple(f"constant_{name}", nodes, [], [info("y", list(expected.shape), kind)], [], [], [expected])


def structure():
    x = rng.standard_normal((2, 3)).astype(np.float32)
    io = [info("x", [2, 3])], [info("y", [2, 3])]
    simple("unsorted", [h.make_node("Neg", ["b"], ["y"]), h.make_node("Abs", ["a"], ["b"]), h.make_node("Neg", ["x"], ["a"])], *io,
           given=[x], expected=[-np.abs(x)])
    w = nh.from_array(np.float32([1, 2, 3]), "w")
    simple("initializer_is_input", [h.make_node("Mul", ["x", "w"], ["y"])], [info("x", [2, 3]), info("w", [3])], [info("y", [2, 3])], [w],
           [x], [x * np.float32([1, 2, 3])], ir=3)
    simple("dimension_zero_is_unknown", [h.make_node("Neg", ["x"], ["y"])], [info("x", [0, 3])], [info("y", [0, 3])], given=[x],
           expected=[-x])
    simple("symbolic_dimension", [h.make_node("Neg", ["x"], ["y"])], [info("x", ["batch", 3])], [info("y", ["batch", 3])], given=[x],
           expected=[-x])
    # The output's shape is known whatever the bias is.
    picture, kernel = np.ones([1, 3, 4, 4], np.float32), nh.from_array(np.ones([4, 3, 3, 3], np.float32), "k")
    for op, given, weights, expected in (("Conv", picture, kernel, np.full([1, 4, 2, 2], 28, np.float32)),
                                         ("ConvTranspose", picture[:, :, :1, :1], nh.from_array(np.ones([3, 4, 1, 1], np.float32), "k"), np.full([1, 4, 1, 1], 4, np.float32)),
                                         ("Gemm", picture[0, :, 0, :3], nh.from_array(np.ones([3, 4], np.float32), "k"), np.full([3, 4], 4, np.float32))):
        simple(f"dynamic_bias_{op}", [h.make_node(op, ["x", "k", "b"], ["y"])], [info("x", given.shape), info("b", ["n"])], [info("y", None)], [weights],
               given=[given, np.ones(4, np.float32)], expected=[expected])
    # x -> [rows, -1] by way of its own shape: folded when x is static, run when it is not.
    nodes = [
        h.make_node("Shape", ["x"], ["s"]),
        h.make_node("Gather", ["s", "zero"], ["rows"]),
        h.make_node("Unsqueeze", ["rows", "axes"], ["rows1"]),
        h.make_node("Concat", ["rows1", "minus"], ["shape"], axis=0),
        h.make_node("Reshape", ["x", "shape"], ["y"]),
    ]
    values = [nh.from_array(np.array(0), "zero"), nh.from_array(np.array([0]), "axes"), nh.from_array(np.array([-1]), "minus")]
    x3 = rng.standard_normal((2, 3, 4)).astype(np.float32)
    for name, shape in (("static", [2, 3, 4]), ("dynamic", ["n", 3, 4])):
        simple(f"shape_chain_{name}", nodes, [info("x", shape)], [info("y", [shape[0], 12])], values, [x3], [x3.reshape(2, 12)])
    # One value used by many, results shared in place and by alias.
    nodes = [
        h.make_node("Relu", ["x"], ["a"]), h.make_node("Reshape", ["a", "flat"], ["b"]), h.make_node("Neg", ["b"], ["c"]),
        h.make_node("Reshape", ["c", "back"], ["d"]), h.make_node("Add", ["a", "d"], ["e"]), h.make_node("Exp", ["e"], ["f"]),
        h.make_node("Add", ["f", "x"], ["y"]), h.make_node("Identity", ["x"], ["z"]),
    ]
    values = [nh.from_array(np.array([-1]), "flat"), nh.from_array(np.array([2, 3]), "back")]
    for name, shape in (("static", [2, 3]), ("dynamic", ["n", 3])):
        simple(f"sharing_{name}", nodes, [info("x", shape)], [info("y", shape), info("z", shape), info("a", shape)], values, [x],
               [np.ones_like(x) + x, x, np.maximum(x, 0)])


def functions():
    x = rng.standard_normal((2, 3)).astype(np.float32)
    ops = [h.make_opsetid("", 13), h.make_opsetid("local", 1)]
    leaky = h.make_node("LeakyRelu", ["p"], ["q"])
    leaky.attribute.append(onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope"))
    inner = h.make_function("local", "Inner", ["p"], ["q"], [leaky], ops, ["slope"])
    call = h.make_node("Inner", ["a"], ["t"], domain="local", name="call")
    call.attribute.append(onnx.AttributeProto(name="slope", type=onnx.AttributeProto.FLOAT, ref_attr_name="k"))
    outer = h.make_function("local", "Outer", ["a", "b"], ["r"], [call, h.make_node("Add", ["t", "b"], ["r"])], ops, ["k"])
    graph = h.make_graph([h.make_node("Outer", ["x", "x"], ["y"], domain="local", name="first", k=0.25)], "g", [info("x", [2, 3])],
                         [info("y", [2, 3])])
    expected = [np.where(x >= 0, x, x * np.float32(0.25)) + x]
    write("function", model(graph, domains=["local"], functions=[inner, outer]), [x], expected)
    # A default value of the function's attribute (FunctionProto field 11, newer than this onnx).
    default = onnx.AttributeProto(name="slope", type=onnx.AttributeProto.FLOAT, f=0.5).SerializeToString()
    with_default = onnx.FunctionProto()
    with_default.ParseFromString(inner.SerializeToString() + bytes([11 << 3 | 2, len(default)]) + default)
    del with_default.attribute[:]
    graph = h.make_graph([h.make_node("Inner", ["x"], ["y"], domain="local")], "g", [info("x", [2, 3])], [info("y", [2, 3])])
    write("function_default", model(graph, domains=["local"], functions=[with_default]), [x], [np.where(x >= 0, x, x * np.float32(0.5))])
    loop = h.make_function("local", "Inner", ["p"], ["q"], [h.make_node("Inner", ["p"], ["q"], domain="local")], ops)
    write("error_function_calls_itself", model(graph, domains=["local"], functions=[loop]), error="calls itself")


def control_flow():
    x = rng.standard_normal((2, 3)).astype(np.float32)
    then = h.make_graph([h.make_node("Neg", ["x"], ["t"])], "then", [], [info("t", [2, 3])])
    other = h.make_graph([h.make_node("Add", ["x", "x"], ["e"]), h.make_node("Identity", ["e"], ["e2"])], "else", [], [info("e2", [2, 3])])
    node = h.make_node("If", ["c"], ["y"], then_branch=then, else_branch=other)
    for c, expected in ((True, -x), (False, x + x)):
        simple(f"if_constant_{c}", [node], [info("x", [2, 3])], [info("y", [2, 3])], [nh.from_array(np.array(c), "c")], [x], [expected])
        for name, shape in (("static", [2, 3]), ("dynamic", ["n", 3])):
            simple(f"if_{name}_{c}", [node], [info("x", shape), info("c", [], T.BOOL)], [info("y", shape)], given=[x, np.array(c)],
                   expected=[expected])
    # y = x * 2^n by way of a carried value and an outer one; every step's value is collected.
    body = h.make_graph(
        [h.make_node("Add", ["carry", "carry"], ["next"]), h.make_node("Mul", ["next", "one"], ["scanned"]),
         h.make_node("Identity", ["go"], ["go_on"])], "body",
        [info("i", [], T.INT64), info("go", [], T.BOOL), info("carry", [2, 3])],
        [info("go_on", [], T.BOOL), info("next", [2, 3]), info("scanned", [2, 3])])
    steps = np.stack([x * 2, x * 4, x * 8])
    values = [nh.from_array(np.array(True), "go0"), nh.from_array(np.array(1, np.float32), "one")]
    for name, shape in (("static", [2, 3]), ("dynamic", ["n", 3])):
        simple(f"loop_{name}", [h.make_node("Loop", ["n", "go0", "x"], ["y", "all"], body=body)], [info("x", shape), info("n", [], T.INT64)],
               [info("y", shape), info("all", [None] + shape)], values, [x, np.array(3)], [x * 8, steps])
    body = h.make_graph([h.make_node("Add", ["sum", "row"], ["total"]), h.make_node("Identity", ["total"], ["seen"])], "body",
                        [info("sum", [3]), info("row", [3])], [info("total", [3]), info("seen", [3])])
    for name, shape in (("static", [2, 3]), ("dynamic", ["n", 3])):
        simple(f"scan_{name}", [h.make_node("Scan", ["zero", "x"], ["y", "all"], body=body, num_scan_inputs=1)], [info("x", shape)],
               [info("y", [3]), info("all", shape)], [nh.from_array(np.zeros(3, np.float32), "zero")], [x],
               [x[0] + x[1], np.stack([x[0], x[0] + x[1]])])


def kept():
    """Dynamic models for test_kept.c, which compares runs with runs: no data."""
    def case(name, nodes, inputs, outputs, constants=()):
        values = [nh.from_array(np.array(value), key) for key, value in dict(constants).items()]
        simple(name, nodes, inputs, [info(o, None) if isinstance(o, str) else o for o in outputs], values, opset=13)

    def body(name, nodes, inputs, outputs):
        return h.make_graph(nodes, name, inputs, outputs)

    node = h.make_node
    x = info("x", ["n", "m"])
    # All shapes follow from the input's, some by way of arithmetic; results in place and by alias.
    case("kept_chain", [
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["rows"]), node("Unsqueeze", ["rows", "axis"], ["rows1"]),
        node("Mul", ["rows1", "two"], ["rows2"]), node("Concat", ["rows2", "minus"], ["shape"], axis=0), node("Exp", ["x"], ["e"]),
        node("Concat", ["e", "x"], ["ee"], axis=0), node("Reshape", ["ee", "shape"], ["r"]), node("ConstantOfShape", ["shape1"], ["z"]),
        node("Concat", ["rows2", "one"], ["shape1"], axis=0), node("Add", ["r", "z"], ["a"]), node("Neg", ["a"], ["b"]),
        node("Reshape", ["x", "flat"], ["f"]), node("Softmax", ["f"], ["g"]), node("Range", ["zero", "rows", "step"], ["h"]),
    ], [x], ["b", "g", "h", "s"], dict(zero=0, step=1, axis=[0], two=[2], minus=[-1], one=[1], flat=[-1]))
    # The elements decide: what they say must not be kept.
    case("kept_nonzero", [
        node("NonZero", ["x"], ["i"]), node("Transpose", ["i"], ["t"]), node("GatherND", ["x", "t"], ["v"]), node("Exp", ["v"], ["w"]),
        node("Exp", ["x"], ["e"]), node("Neg", ["e"], ["k"]), node("Shape", ["w"], ["l"]), node("ConstantOfShape", ["l"], ["c"]),
        node("Shape", ["x"], ["sx"]), node("ConstantOfShape", ["sx"], ["ones"], value=nh.from_array(np.float32([1]))),
        node("NonZero", ["ones"], ["every"]),
    ], [x], ["w", "k", "c", "every"])
    case("kept_request", [
        node("Reshape", ["x", "request"], ["r"]), node("Exp", ["r"], ["e"]), node("Slice", ["x", "from", "to"], ["c"]), node("Neg", ["c"], ["d"]),
        node("Exp", ["x"], ["k"]), node("Expand", ["k", "request3"], ["big"]), node("Concat", ["one", "request"], ["request3"], axis=0),
    ], [x, info("request", [2], T.INT64), info("from", [1], T.INT64), info("to", [1], T.INT64)], ["e", "d", "k"], dict(one=[1]))
    # w would be put in the place of e, which is free for k then.
    case("kept_taken", [
        node("Exp", ["x"], ["e"]), node("Reshape", ["x", "request"], ["big"]), node("Add", ["e", "big"], ["w"]), node("Abs", ["x"], ["k"]),
        node("Sqrt", ["k"], ["l"]), node("Mul", ["w", "l"], ["y"]),
    ], [x, info("request", [2], T.INT64)], ["y"])
    then = body("then", [node("Concat", ["e", "x"], ["t0"], axis=0), node("Neg", ["t0"], ["t"])], [], [info("t", None)])
    other = body("else", [node("Exp", ["e"], ["u0"]), node("Neg", ["u0"], ["u1"]), node("Identity", ["u1"], ["u"])], [], [info("u", None)])
    case("kept_if_data", [node("Exp", ["x"], ["e"]), node("If", ["c"], ["y"], then_branch=then, else_branch=other), node("Abs", ["y"], ["z"]),
                          node("Add", ["e", "x"], ["k"])], [x, info("c", [], T.BOOL)], ["z", "k"])
    then = body("then", [node("Squeeze", ["e", "axis"], ["t"])], [], [info("t", None)])
    other = body("else", [node("Concat", ["e", "x"], ["u"], axis=0)], [], [info("u", None)])
    case("kept_if_shape", [
        node("Exp", ["x"], ["e"]), node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["rows"]), node("Equal", ["rows", "one"], ["c"]),
        node("If", ["c"], ["y"], then_branch=then, else_branch=other), node("Softmax", ["y"], ["z"]), node("Reshape", ["y", "flat"], ["w"]),
    ], [x], ["z", "w"], dict(zero=0, one=1, axis=[0], flat=[-1]))
    loop = body("body", [
        node("Exp", ["x"], ["e"]), node("Concat", ["state", "e"], ["next"], axis=0), node("Mul", ["e", "half"], ["seen"]),
        node("Less", ["i", "n_minus"], ["more"]),
    ], [info("i", [], T.INT64), info("go", [], T.BOOL), info("state", ["k", "m"])],
        [info("more", [], T.BOOL), info("next", ["l", "m"]), info("seen", ["n", "m"])])
    case("kept_loop", [node("Loop", ["trips", "", "x"], ["y", "all"], body=loop), node("Neg", ["y"], ["z"]), node("Exp", ["x"], ["k"])],
         [x, info("trips", [], T.INT64), info("n_minus", [], T.INT64)], ["z", "all", "k"], dict(half=np.float32(0.5)))
    scan = body("body", [node("Add", ["sum", "row"], ["t0"]), node("Relu", ["t0"], ["total"]), node("Exp", ["total"], ["seen"])],
                [info("sum", ["m"]), info("row", ["m"])], [info("total", ["m"]), info("seen", ["m"])])
    case("kept_scan", [
        node("ReduceSum", ["x", "axis"], ["start"], keepdims=0), node("Scan", ["start", "x"], ["y", "all"], body=scan, num_scan_inputs=1),
        node("Softmax", ["all"], ["z"]), node("Neg", ["y"], ["w"]),
    ], [x], ["z", "w"], dict(axis=[0]))
    # b is dead when the first step's results are collected, and made again in the second, beside what was collected.
    scan = body("body", [node("Sub", ["s", "row"], ["a"]), node("Exp", ["a"], ["b"]), node("Sub", ["a", "b"], ["y"])],
                [info("s", ["m"]), info("row", ["m"])], [info("y", ["m"]), info("s", ["m"]), info("y", ["m"])])
    case("kept_scan_collected", [
        node("ReduceSum", ["x", "axis"], ["start"], keepdims=0), node("Scan", ["start", "x"], ["end", "all", "more"], body=scan, num_scan_inputs=1),
    ], [x], ["end", "all", "more"], dict(axis=[0]))
    scan = body("body", [node("Concat", ["state", "row"], ["longer"], axis=0), node("ReduceSum", ["longer"], ["seen"], keepdims=0)],
                [info("state", ["k"]), info("row", ["m"])], [info("longer", ["l"]), info("seen", [])])
    case("kept_scan_growing", [
        node("Reshape", ["x", "flat"], ["start"]), node("Scan", ["start", "x"], ["y", "all"], body=scan, num_scan_inputs=1),
        node("Neg", ["y"], ["w"]), node("Exp", ["x"], ["k"]),
    ], [x], ["w", "all", "k"], dict(flat=[-1]))
    # A wrong index fails in the middle of a loop, with its memory in use.
    loop = body("body", [node("Gather", ["x", "at"], ["row"], axis=0), node("Add", ["state", "row"], ["next"]), node("Identity", ["go"], ["more"]),
                         node("Identity", ["next"], ["seen"])],
                [info("i", [], T.INT64), info("go", [], T.BOOL), info("state", ["m"])],
                [info("more", [], T.BOOL), info("next", ["m"]), info("seen", ["m"])])
    case("kept_fails", [node("ReduceSum", ["x", "axis"], ["start"], keepdims=0), node("Loop", ["trips", "", "start"], ["y", "all"], body=loop)],
         [x, info("at", [], T.INT64)], ["y", "all"], dict(axis=[0], trips=3))


def kept_shared():
    """More of them: values that share memory, or that outlive what they were made by."""
    node, x, flags = h.make_node, info("x", ["n", "m"]), info("c", [], T.BOOL)
    values = dict(zero=0, one=1, axis=[0], flat=[-1], half=np.float32(0.5), nought=np.float32(0))

    def case(name, nodes, inputs, outputs):
        used = {i for n in nodes for i in n.input} | {i for n in nodes for a in n.attribute for i in inner_uses(a.g)} | set(outputs)
        constants = [nh.from_array(np.array(value), key) for key, value in values.items() if key in used]
        simple(name, nodes, inputs, [info(o, None, T.UNDEFINED) for o in outputs], constants, opset=13)

    def inner_uses(graph):
        uses = {o.name for o in graph.output}
        for n in graph.node:
            uses |= set(n.input)
            for a in n.attribute:
                uses |= inner_uses(a.g)
        return uses

    def body(nodes, inputs, outputs, kinds={}):
        infos = [[info(v, None, kinds.get(v, T.FLOAT)) for v in names] for names in (inputs, outputs)]
        return h.make_graph(nodes, "body", *infos)

    # Aliases of aliases, of inputs and of results; in place on what an alias still looks at; inputs and constants as answers.
    case("kept_aliases", [
        node("Exp", ["x"], ["e"]), node("Identity", ["e"], ["e1"]), node("Reshape", ["e1", "flat"], ["f"]), node("Neg", ["f"], ["g"]),
        node("Unsqueeze", ["e", "axis"], ["u"]), node("Squeeze", ["u", "axis"], ["q"]), node("Add", ["q", "x"], ["r"]), node("Abs", ["r"], ["s"]),
        node("Identity", ["x"], ["xi"]), node("Reshape", ["xi", "flat"], ["xf"]), node("Neg", ["xf"], ["xn"]), node("Identity", ["s"], ["t"]),
        node("Sqrt", ["t"], ["v"]), node("Identity", ["x"], ["x_out"]), node("Exp", ["s"], ["w"]), node("Identity", ["half"], ["h_out"]),
        node("Reshape", ["w", "flat"], ["w_out"]), node("Neg", ["w"], ["last"]),
    ], [x], ["g", "xn", "v", "x_out", "h_out", "w_out", "last", "xf"])
    # Branches that hand through what is made outside, what is constant, and one value twice.
    branches = {f"{name}_branch": body(nodes, [], outputs) for name, nodes, outputs in (
        ("then", [node("Neg", ["d"], ["t"]), node("Exp", ["t"], ["t1"])], ["e", "t1", "half", "t1", "x"]),
        ("else", [node("Identity", ["e"], ["u"]), node("Sub", ["u", "d"], ["u1"])], ["u1", "e", "u1", "d", "d"]))}
    after = [node("Abs", ["p"], ["p1"]), node("Neg", ["q"], ["q1"]), node("Neg", ["r"], ["r1"]), node("Exp", ["s"], ["s1"]), node("Sqrt", ["d"], ["d1"]),
             node("Identity", ["v"], ["v0"]), node("Neg", ["v0"], ["v1"])]
    before = [node("Exp", ["x"], ["e"]), node("Abs", ["x"], ["d"])]
    results = ["p1", "q1", "r1", "s1", "d1", "v1"]
    case("kept_if_through_data", before + [node("If", ["c"], list("pqrsv"), **branches)] + after, [x, flags], results)
    case("kept_if_through_shape", before + [
        node("Shape", ["x"], ["l"]), node("Gather", ["l", "zero"], ["rows"]), node("Equal", ["rows", "one"], ["c"]),
        node("If", ["c"], list("pqrsv"), **branches)] + after, [x], results)
    # States that change places, go through untouched or come from outside; all of them collected as well.
    scan = body([node("Add", ["a", "row"], ["n0"]), node("Exp", ["n0"], ["n1"]), node("Sub", ["n0", "n1"], ["n2"]), node("Mul", ["b", "half"], ["k0"]),
                 node("Add", ["k0", "o"], ["k"]), node("Identity", ["s"], ["s1"])],
                ["a", "b", "s", "w", "row"], ["b", "n2", "s", "o", "a", "k", "row", "o", "half", "n2", "s1"])
    case("kept_scan_through", [
        node("ReduceSum", ["x", "axis"], ["i0"], keepdims=0), node("Exp", ["i0"], ["o"]), node("Neg", ["i0"], ["i1"]), node("Abs", ["i1"], ["i2"]),
        node("Scan", ["i0", "i1", "i2", "i2", "x"], list("abswcdefghi"), body=scan, num_scan_inputs=1), node("Neg", ["a"], ["a1"]),
        node("Exp", ["d"], ["d1"]), node("Neg", ["f"], ["f1"])], [x], ["a1", "b", "s", "w", "c", "d1", "e", "f1", "g", "h", "i"])
    # A Scan in a Scan, which meets the branch with the larger memory in a later round only; its results are taken in place.
    scan_branches = dict(then_branch=body([node("Neg", ["z"], ["t"])], [], ["t"]),
                         else_branch=body([node("Exp", ["z"], ["t0"]), node("Add", ["t0", "z"], ["t1"]), node("Concat", ["t1", "t0", "z"], ["t2"], axis=0),
                                           node("ReduceMax", ["t2"], ["t3"], keepdims=0), node("Sub", ["t1", "t3"], ["t4"])], [], ["t4"]))
    inner = body([node("Add", ["z0", "item"], ["z1"]), node("Exp", ["z1"], ["z2"]), node("Sub", ["z1", "z2"], ["z"]), node("Less", ["nought", "item"], ["c"]),
                  node("If", ["c"], ["v"], **scan_branches), node("Tanh", ["v"], ["v1"]), node("Add", ["v1", "z"], ["y"])],
                 ["z0", "item"], ["v1", "y", "z0"])
    outer = body([node("Abs", ["row"], ["r0"]), node("Scan", ["s", "row"], ["s1", "ys", "zs"], body=inner, num_scan_inputs=1), node("Neg", ["ys"], ["ns"]),
                  node("Add", ["ns", "zs"], ["all"]), node("Exp", ["r0"], ["r1"]), node("Add", ["s1", "r1"], ["s2"])], ["s", "row"], ["s2", "all", "s"])
    start = node("ReduceSum", ["x", "axis"], ["start"], keepdims=0)
    case("kept_scan_nested", [start, node("Scan", ["start", "x"], ["y", "all", "old"], body=outer, num_scan_inputs=1), node("Neg", ["all"], ["k"])], [x],
         ["y", "k", "old"])
    # The same in a Loop, and the Loop in a Scan; what Loop hands through.
    turn = body([node("Scan", ["w", "x"], ["w1", "ys", "zs"], body=outer, num_scan_inputs=1), node("ReduceMax", ["ys"], ["m"], keepdims=0),
                 node("Tanh", ["w1"], ["w2"]), node("Exp", ["x"], ["e"]), node("Neg", ["e"], ["e1"])],
                ["i", "go", "w", "v"], ["go", "v", "w2", "m", "zs", "e1", "w"], dict(i=T.INT64, go=T.BOOL))
    case("kept_loop_scan", [start, node("Loop", ["trips", "", "start", "start"], ["a", "b", "m", "z", "e", "w"], body=turn), node("Neg", ["e"], ["e2"])],
         [x, info("trips", [], T.INT64), info("unused", [], T.INT64)], ["a", "b", "m", "z", "e2", "w"])
    turn = body([node("Exp", ["q"], ["q1"]), node("Sub", ["q1", "o"], ["q2"]), node("Tanh", ["q2"], ["q3"])], ["i", "go", "q"], ["go", "q3", "q", "o"],
                dict(i=T.INT64, go=T.BOOL))
    scan = body([node("Neg", ["row"], ["o"]), node("Loop", ["trips", "", "s"], ["s1", "qs", "os"], body=turn), node("Add", ["s1", "row"], ["s2"]),
                 node("Exp", ["s2"], ["s3"]), node("Sub", ["s2", "s3"], ["s4"]), node("Tanh", ["s4"], ["s5"])], ["s", "row"], ["s5", "s", "qs", "o"])
    case("kept_scan_loop", [start, node("Scan", ["start", "x"], ["y", "a", "q", "o"], body=scan, num_scan_inputs=1)],
         [x, info("trips", [], T.INT64), info("unused", [], T.INT64)], ["y", "a", "q", "o"])
    # A body that looks at what is outside: of known shape, of a shape that the elements decide, and at an alias of an input.
    scan = body([node("Add", ["s", "row"], ["a"]), node("Mul", ["a", "e"], ["b"]), node("ReduceSum", ["v"], ["vs"], keepdims=0), node("Sub", ["b", "vs"], ["d"]),
                 node("ReduceMax", ["xf"], ["m"], keepdims=0), node("Sub", ["d", "m"], ["y0"]), node("Tanh", ["y0"], ["y"])], ["s", "row"], ["y", "v", "y", "e", "xf"])
    case("kept_scan_captures", [
        start, node("Exp", ["start"], ["e0"]), node("Neg", ["e0"], ["e"]), node("Reshape", ["x", "flat"], ["xf"]), node("NonZero", ["xf"], ["nz"]),
        node("Cast", ["nz"], ["v"], to=T.FLOAT), node("Scan", ["start", "x"], ["y", "vs", "ys", "es", "xs"], body=scan, num_scan_inputs=1),
        node("Shape", ["vs"], ["l"]), node("Neg", ["ys"], ["k"])], [x], ["y", "vs", "k", "es", "xs", "l"])
    # Scratch memory in bodies.
    scan = body([node("Unsqueeze", ["row", "axis"], ["r"]), node("Transpose", ["r"], ["t"], perm=[1, 0]), node("MatMul", ["t", "r"], ["p"]), node("Add", ["p", "s"], ["p1"]),
                 node("MatMul", ["p1", "p"], ["p2"]), node("Tanh", ["p2"], ["p3"]), node("Softmax", ["p3"], ["p4"]), node("CumSum", ["p4", "zero"], ["p5"]),
                 node("Tanh", ["p5"], ["p6"])], ["s", "row"], ["p6", "s", "p1", "p4"])
    case("kept_scan_scratch", [
        start, node("Unsqueeze", ["start", "axis"], ["s0"]), node("Transpose", ["s0"], ["s1"], perm=[1, 0]), node("MatMul", ["s1", "s0"], ["s"]),
        node("Scan", ["s", "x"], ["y", "a", "b", "d"], body=scan, num_scan_inputs=1)], [x], ["y", "a", "b", "d"])


def external():
    x = np.float32([1, 2, 3])

    def tensor(location, length="12", offset="4"):
        t = T(name="w", data_type=T.FLOAT, dims=[3], data_location=T.EXTERNAL)
        for key, value in (("location", location), ("offset", offset), ("length", length)):
            t.external_data.add(key=key, value=value)
        return t

    def case(name, t, **how):
        simple(name, [h.make_node("Add", ["x", "w"], ["y"])], [info("x", [3])], [info("y", [3])], [t],
               files=[("weights.bin", b"skip" + np.float32([10, 20, 30]).tobytes())], **how)

    case("external_data", tensor("weights.bin"), given=[x], expected=[np.float32([11, 22, 33])])
    case("error_external_outside", tensor("../weights.bin"), error="outside the package")
    case("error_external_absolute", tensor("/etc/passwd"), error="outside the package")
    case("error_external_hidden_up", tensor("a/../../weights.bin"), error="outside the package")
    case("error_external_missing", tensor("none.bin"), error="none.bin")
    case("error_external_short", tensor("weights.bin", offset="8"), error="from offset 8")
    case("error_external_length", tensor("weights.bin", length="8"), error="do not fit")
    case("error_external_offset", tensor("weights.bin", offset="-4"), error="offset of external data")


def errors():
    x, y = [info("x", [2, 3])], [info("y", [2, 3])]
    neg = h.make_node("Neg", ["x"], ["y"], name="n")
    simple("error_cycle", [h.make_node("Add", ["x", "b"], ["a"], name="p"), h.make_node("Neg", ["a"], ["b"], name="q"),
                           h.make_node("Neg", ["b"], ["y"])], x, y, error="cycle")
    simple("error_self_cycle", [h.make_node("Add", ["x", "y"], ["y"], name="p")], x, y, error="cycle")
    simple("error_two_makers", [neg, h.make_node("Abs", ["x"], ["y"])], x, y, error="stands for two values")
    simple("error_unknown_name", [h.make_node("Neg", ["nobody"], ["y"], name="n")], x, y, error="'nobody'")
    simple("error_unknown_output", [neg], x, [info("z", [2, 3])], error="'z'")
    simple("error_operator", [h.make_node("Frobnicate", ["x"], ["y"], name="n", domain="my.own")], x, y, domains=["my.own"],
           error="node 0 'n': operator 'Frobnicate' of domain 'my.own' (opset 1) is not supported")
    simple("error_attribute", [h.make_node("Neg", ["x"], ["y"], name="n", speed=3)], x, y, error="attribute 'speed' is not supported")
    simple("error_attribute_type", [h.make_node("Concat", ["x"], ["y"], axis=1.5)], x, y, error="attribute 'axis' is a float, expected an integer")
    simple("error_attribute_missing", [h.make_node("Concat", ["x"], ["y"])], x, y, error="attribute 'axis' is missing")
    simple("error_arity", [h.make_node("Neg", ["x", "x"], ["y"])], x, y, error="2 inputs, expected 1 to 1")
    simple("error_ir", [neg], x, y, ir=99, error="IR version 99")
    simple("error_type", [neg], [info("x", [2, 3], T.BFLOAT16)], y, error="bfloat16")
    simple("error_rank", [neg], [info("x", [1] * 9)], y, error="9 dimensions")
    overflow = T(name="w", data_type=T.FLOAT, dims=[2**62, 2**62], raw_data=b"")
    simple("error_overflow", [h.make_node("Add", ["x", "w"], ["y"])], x, y, [overflow], error="overflow")
    # Of what a node makes, known to the compiler.
    far = [nh.from_array(np.array([2**40, 2**40]), "far")]
    simple("error_overflow_expand", [h.make_node("Expand", ["x1", "far"], ["y"], name="n")], [info("x1", [1, 1])], [info("y", None)], far,
           error="node 0 'n' (Expand): its output's dimensions overflow")
    simple("error_overflow_constant", [h.make_node("ConstantOfShape", ["far"], ["y"], name="n")], [], [info("y", None)], far,
           error="node 0 'n' (ConstantOfShape): its output's dimensions overflow")
    simple("error_overflow_input", [neg], [info("x", [2**40, 2**40])], [info("y", None)], error="overflow")
    simple("error_negative_dimension", [h.make_node("Add", ["x", "w"], ["y"])], x, y, [T(name="w", data_type=T.FLOAT, dims=[-3])],
           error="dimension 0 is -3")
    simple("error_short_data", [h.make_node("Add", ["x", "w"], ["y"])], x, y, [T(name="w", data_type=T.FLOAT, dims=[3], raw_data=b"12345678")],
           error="8 bytes of data do not fit float32[3]")
    simple("error_few_elements", [h.make_node("Add", ["x", "w"], ["y"])], x, y, [typed("w", T.FLOAT, [3], float_data=[1, 2])],
           error="2 elements of data do not fit float32[3]")
    simple("error_element_type", [h.make_node("Add", ["x", "w"], ["y"])], x, y,
           [T(name="w", data_type=T.COMPLEX64, dims=[1], raw_data=b"12345678")], error="complex64")
    simple("error_shape", [h.make_node("Add", ["x", "w"], ["y"], name="sum")], x, y, [nh.from_array(np.zeros(4, np.float32), "w")],
           error="node 0 'sum' (Add)")
    sequence = h.make_value_info("x", h.make_sequence_type_proto(h.make_tensor_type_proto(T.FLOAT, None)))
    write("error_sequence", model(h.make_graph([neg], "g", [sequence], y)), error="is a sequence")
    for name, node in (("recurrent", h.make_node("RNN", ["x3", "", "w"], ["y"], hidden_size=3)), ("variadic", h.make_node("Concat", ["x3", "", "w"], ["y"], axis=0)),
                       ("loop_state", h.make_node("Loop", ["", "", "", "w"], ["y", "z"], body=h.make_graph(
                           [], "b", [info("i", [], T.INT64), info("c", [], T.BOOL), info("s", [1]), info("t", [1])],
                           [info("c", [], T.BOOL), info("s", [1]), info("t", [1])])))):
        simple(f"error_left_out_{name}", [node], [info("x3", [2, 1, 3]), info("w", [2, 1, 3])], [info("y", None)], error="is left out, it is needed")
    own = [h.make_node("MatMul", ["x", "w"], ["y"], domain="mayfly", rows=3, columns=1000000)]
    simple("error_compilers_own_domain", own, x, y, [nh.from_array(np.float32([1]), "w")], domains=["mayfly"], error="a model cannot use it")
    no_opset = model(h.make_graph([neg], "g", x, y))
    del no_opset.opset_import[:]
    write("error_no_opset", no_opset, error="imports no opset")
    deep = h.make_graph([h.make_node("Neg", ["x"], ["t"])], "g", [], [info("t", [2, 3])])
    for _ in range(20):
        deep = h.make_graph([h.make_node("If", ["c"], ["t"], then_branch=deep, else_branch=deep)] if _ < 3 else
                            [h.make_node("If", ["c"], ["t"], then_branch=deep, else_branch=h.make_graph([h.make_node("Neg", ["x"], ["t"])], "e", [], [info("t", [2, 3])]))],
                            "g", [], [info("t", [2, 3])])
    deep.input.extend([x[0], info("c", [], T.BOOL)])
    write("error_deep_subgraphs", model(deep), error="deep")
    bomb = b""
    while len(bomb) < 200000:  # NodeProto.attribute (5) of AttributeProto.g (6) of GraphProto.node (1), and so on
        for tag in (0x0a, 0x32, 0x2a):
            bomb = bytes([tag]) + varint(len(bomb)) + bomb
    bomb = b"\x0a" + varint(len(bomb)) + bomb
    write("error_nested_bytes", b"\x08\x08" + b"\x3a" + varint(len(bomb)) + bomb, error="nested too deeply")
    write("error_empty", b"", error="it is empty")
    write("error_text", b"this is no protobuf at all, is it?", error="not an ONNX")


def varint(n):
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


for make in (encodings, constants, structure, functions, control_flow, kept, kept_shared, external, errors):
    make()
