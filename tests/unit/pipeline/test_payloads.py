#!/usr/bin/env python3
"""Payloads and answers of docs/payloads.md, whole: models made with onnx, deployed and asked in one process; expected values from numpy
and Python's json."""
import base64, json, math, random, struct, sys
import numpy as np
from onnx import helper
from harness import *

seed = int(__import__("os").environ.get("MAYFLY_TEST_SEED", random.randrange(2**32)))
print("seed", seed)
rng = np.random.default_rng(seed)


def number_forms():
    with Function(identity("float32", ["n"])) as f:
        values = np.concatenate([rng.integers(0, 2**32, 20000, dtype=np.uint32).view(np.float32), np.float32([0, -0.0, 1, 1e-45, 3.4e38, 0.1, 16777216, 1e16])])
        values = values[np.isfinite(values)]
        text = f.raw({"x": values.tolist()})
        tokens = text[len('{"y":['):-2].decode().split(",")
        same("bits", np.array(tokens, np.float32).view(np.uint32).tolist(), values.view(np.uint32).tolist())
        longer = [(t, str(v)) for t, v in zip(tokens, values) if len(t) > len(str(v))]
        same("tokens longer than numpy's", longer, [])
        same("special", f(b'{"x": ["NaN", "Infinity", "-Infinity", -0.0, 1E+2, 1.5e-3]}'), {"y": ["NaN", "Infinity", "-Infinity", -0.0, 100.0, 0.0015]})
        same("blanks", f(b' \n\t{ "x" :\r[ 1 , 2 ] } \n'), {"y": [1.0, 2.0]})
        same("empty", f({"x": []}), {"y": []})
        for bad, part in [("[NaN]", "found 'NaN'"), ("[1e39]", "fits float32"), ("[null]", "found null"), ("[true]", "expected a number"),
                          ("[01]", "JSON"), ("[1,]", "JSON"), ("[.5]", "JSON"), ("[+1]", "JSON"), ("[1.]", "JSON"),
                          ("[Infinity]", "found 'Infinity'"), ("[\"nan\"]", "found \"nan\""), ("[1 2]", "JSON"), ("[1", "JSON"), ("1", "0 dimensions, expected 1"),
                          ('{"a": 1}', "input 'x' is an object, expected an array of 1 dimension"), ('"a"', "is a text, expected an array"),
                          ("true", "is a boolean"), ("null", "is null")]:
            refused(bad, lambda: f(b'{"x":' + bad.encode() + b"}"), "InvalidInput", part, "expected x float32[n]")
    with Function(identity("int64", ["n"])) as f:
        exact = [2**63 - 1, -2**63, 2**53 + 1, 0, -1, 9007199254740993]
        same("int64", f({"x": exact}), {"y": exact})
        same("integers in other forms", f(b'{"x":[1.0, 2e2, -3.50e1]}'), {"y": [1, 200, -35]})
        for bad in ["9223372036854775808", "-9223372036854775809", "1.5", "1e300", "\"1\"", "true", "99999999999999999999999"]:
            refused(bad, lambda: f(b'{"x":[' + bad.encode() + b"]}"), "InvalidInput", "int")
    with Function(identity("uint64", [2])) as f:
        same("uint64", f({"x": [2**64 - 1, 0]}), {"y": [2**64 - 1, 0]})
        refused("-1", lambda: f({"x": [-1, 0]}), "input 'x' at [0]: expected a value that fits uint64, found -1")
    with Function(identity("int8", [3])) as f:
        same("int8", f({"x": [-128, 127, 0]}), {"y": [-128, 127, 0]})
        refused("128", lambda: f({"x": [0, 128, 0]}), "input 'x' at [1]", "fits int8")
    with Function(identity("float16", ["n"])) as f:
        doubles = rng.standard_normal(3000) * 10.0 ** rng.integers(-7, 4, 3000)
        got = np.array(f({"x": doubles.tolist()})["y"]).astype(np.float16)
        same("float16", got.view(np.uint16).tolist(), doubles.astype(np.float16).view(np.uint16).tolist())
        refused("70000", lambda: f({"x": [70000]}), "fits float16")
    with Function(identity("float64", ["n"])) as f:
        doubles = rng.integers(0, 2**64, 5000, dtype=np.uint64).view(np.float64)
        doubles = doubles[np.isfinite(doubles)].tolist()
        same("float64", f({"x": doubles}), {"y": doubles})
    with Function(identity("bool", [2, 2])) as f:
        same("bool", f({"x": [[True, False], [1, 0]]}), {"y": [[True, False], [True, False]]})
        refused("2", lambda: f({"x": [[True, False], [2, 0]]}), "at [1][0]", "true, false, 1 or 0")


def texts():
    with Function(identity("string", ["n"])) as f:
        words = ["", "a", "é€😀", "quote \" back \\ slash / control \x01\n\t", "x" * 1000]
        same("texts", f({"x": words}), {"y": words})
        same("texts, not escaped", f(json.dumps({"x": words}, ensure_ascii=False).encode()), {"y": words})
        same("bytes", f({"x": [{"b64": base64.b64encode(b"\xff\x00").decode()}, "a"]}), {"y": [{"b64": base64.b64encode(b"\xff\x00").decode()}, "a"]})
        for bad in [b'["\\x"]', b'["\\ud800"]', b'["\\udc00\\ud800"]', b'["a\nb"]', b'["\xff"]', b'["\xc0\x80"]', b'["', b'["\\', b'["\\u12"]', b"[1]"]:
            refused(str(bad), lambda: f(b'{"x":' + bad + b"}"), "InvalidInput")


def shapes():
    with Function(identity("float32", [2, 3])) as f:
        rows = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        same("static", f({"x": rows}), {"y": rows})
        same("bare", f(rows), {"y": rows})
        same("inputs", f({"inputs": rows}), {"y": rows})
        for what, bad, part in [("short", [[1, 2, 3], [4, 5]], "input 'x': row [1] has 2 elements, expected 3"),
                                ("long", [[1, 2, 3, 9, 9], [4, 5, 6]], "input 'x': row [0] has 5 elements, expected 3"),
                                ("few", [[1, 2, 3]], "input 'x' has 1 element, expected 2"), ("many", rows + rows, "input 'x' has 4 elements, expected 2"),
                                ("flat", [1, 2], "input 'x' at [0]: expected an array"), ("deep", [[[1], [2], [3]], [[4], [5], [6]]], "at [0][0]: expected a number"),
                                ("empty", [], "input 'x' has 0 elements, expected 2"), ("object", {"x": {"a": 1}}, "expected an array")]:
            refused(what, lambda: f(bad if isinstance(bad, dict) else {"x": bad}), "InvalidInput", part, "expected x float32[2,3]")
    with Function(identity("float32", ["batch", 2])) as f:
        same("three rows", f([[1, 2], [3, 4], [5, 6]]), {"y": [[1, 2], [3, 4], [5, 6]]})
        same("instances", f({"instances": [[1, 2], [3, 4]]}), {"y": [[1, 2], [3, 4]]})
        same("no rows", f({"x": []}), {"y": []})
        refused("ragged", lambda: f([[1, 2], [3, 4], [5, 6], [7]]), "input 'x': row [3] has 1 element, expected 2")
        refused("ragged instances", lambda: f({"instances": [[1, 2], [3, 4], [5, 6], [7]]}), "input 'x': row [3] has 1 element, expected 2")
        refused("wide", lambda: f([[1, 2, 3]]), "has 3 elements in dimension 1, expected 2", "float32[batch,2]")
        refused("empty instances", lambda: f({"instances": []}), "list of rows is empty")
        refused("not rows", lambda: f({"instances": 5}), "InvalidInput")
        for nested in ["[" * 9 + "1" + "]" * 9, "[" * 100000 + "]" * 100000, '{"a":' * 100000, '{"instances":' + "[" * 100000]:
            refused("deep", lambda: f(nested.encode()), "InvalidInput")
    with Function(identity("float32", [])) as f:
        same("scalar", f({"x": 5}), {"y": 5.0})
        same("bare scalar", f(b"7"), {"y": 7.0})
        refused("list for a scalar", lambda: f({"x": [5]}), "expected a number")
        same("scalars listed", f({"instances": [1, 2]}), {"y": [1.0, 2.0]})


def named():
    add = model([helper.make_node("Add", ["a", "b"], ["sum"]), helper.make_node("Sub", ["a", "b"], ["difference"])],
                [value("a", "float32", ["n", 2]), value("b", "float32", ["n", 2])], [value("sum", "float32", ["n", 2]), value("difference", "float32", ["n", 2])])
    with Function(add) as f:
        same("by name", f({"b": [[1, 1]], "a": [[2, 3]]}), {"sum": [[3, 4]], "difference": [[1, 2]]})
        same("inputs by name", f({"inputs": {"b": [[1, 1]], "a": [[2, 3]]}}), {"sum": [[3, 4]], "difference": [[1, 2]]})
        same("escaped name", f(b'{"\\u0061": [[2, 3]], "b": [[1, 1]]}'), {"sum": [[3, 4]], "difference": [[1, 2]]})
        rows = [{"a": [2, 3], "b": [1, 1]}, {"b": [5, 5], "a": [0, 1]}]
        same("rows by name", f({"instances": rows}), {"sum": [[3, 4], [5, 6]], "difference": [[1, 2], [-5, -4]]})
        for what, bad, part in [("missing", {"a": [[1, 2]]}, "input 'b' is missing"), ("unknown", {"a": [[1, 2]], "c": 1}, "there is no input 'c'"),
                                ("bare", [[1, 2]], "the model has 2 inputs"), ("row misses", {"instances": [rows[0], {"a": [1, 2]}]}, "row 1: input 'b' is missing"),
                                ("nothing", {}, "input 'a' is missing"), ("other", {"foo": 1}, "there is no input 'foo'")]:
            refused(what, lambda: f(bad), "InvalidInput", part, "expected a float32[n,2], b float32[n,2]")
        refused("twice", lambda: f(b'{"a":[[1,2]],"b":[[1,2]],"a":[[1,2]]}'), "input 'a' is given twice")
        refused("different rows", lambda: f({"a": [[1, 2]] * 2, "b": [[1, 2]] * 3}), "Invalid")
        for bad in [b'{"a":[[1,2]],"b":[[1,2]]} x', b'{"a":[[1,2]],"b":[[1,2]]', b'{"a" [[1,2]]}', b'{"a":[[1,2]] "b":[[1,2]]}', b'{a:1}', b"", b"{", b"\xff\xfe", b"hello"]:
            refused(str(bad), lambda: f(bad), "InvalidInput")
    with Function(identity("float32", [2], "inputs")) as f:  # an input's own name wins
        same("own name", f({"inputs": [1, 2]}), {"y": [1, 2]})
    with Function(identity("float32", [2], "a\"b\\", "out\n\"")) as f:
        same("odd names", f({"a\"b\\": [1, 2]}), {"out\n\"": [1, 2]})


def runs():
    with Function(identity("float32", [1, 2]), least=True) as f:
        same("three runs", f({"instances": [[1, 2], [3, 4], [5, 6]]}), {"y": [[1, 2], [3, 4], [5, 6]]})
        same("three whole inputs", f({"instances": [[[1, 2]], [[3, 4]]]}), {"y": [[[1, 2]], [[3, 4]]]})
        refused("short row", lambda: f({"instances": [[1, 2], [3]]}), "input 'x': row [1] has 1 element, expected 2")
    with Function(identity("float32", [2, 2]), least=True) as f:
        same("two at a time", f({"instances": [[1, 2], [3, 4], [5, 6], [7, 8]]}), {"y": [[1, 2], [3, 4], [5, 6], [7, 8]]})
        refused("three of them", lambda: f({"instances": [[1, 2], [3, 4], [5, 6]]}), "3 rows: the model takes 2 at a time")
    two = model([helper.make_node("Neg", ["x"], ["n"]), helper.make_node("Identity", ["x"], ["i"])], [value("x", "float32", [1, 2])],
                [value("n", "float32", [1, 2]), value("i", "float32", [1, 2])])
    with Function(two) as f:
        rows = rng.integers(-99, 99, (5000, 2)).astype(float).tolist()
        same("many runs, two outputs", f({"instances": rows}), {"n": [[-a, -b] for a, b in rows], "i": rows})
    with Function(two, least=True) as f:
        same("few runs in least memory", f({"instances": rows[:10]})["i"], rows[:10])
        refused("many runs in least memory", lambda: f({"instances": rows * 20}), "OutOfMemory")
        same("and on", f({"x": [[1, 2]]}), {"n": [[-1, -2]], "i": [[1, 2]]})


def limits():
    tile = model([helper.make_node("Expand", ["x", "shape"], ["y"])], [value("x", "float32", [1])], [value("y", "float32", [2000000])],
                 [constant("shape", np.int64([2000000]))])
    with Function(tile) as f:
        refused("too large", lambda: f({"x": [1.25]}), "TooLarge", "6291556")
    with Function(identity("float32", ["n"])) as f:
        same("large", len(f([1] * 1000000)["y"]), 1000000)
        refused("payload", lambda: f(b"[" + b"1," * 3200000 + b"1]"), "TooLarge", "6291456")
    with Function(identity("uint8", ["n"])) as f:
        same("raw bytes", f(b"hello"), {"y": list(b"hello")})
        same("b64", f({"b64": base64.b64encode(b"hello!?>").decode()}), {"y": list(b"hello!?>")})
        same("b64 by name", f({"x": {"b64": base64.b64encode(b"hi").decode()}}), {"y": list(b"hi")})
        same("b64, escaped", f(b'{"b64": "' + base64.b64encode(b"\xff\xff\xfb\xef\xbe\xff").replace(b"/", b"\\/").replace(b"+", b"\\u002B") + b'"}'), {"y": list(b"\xff\xff\xfb\xef\xbe\xff")})
        for bad in ["a", "ab==x", "====", "a b=", "YWJj\n", "YW=j", "é"]:
            refused(bad, lambda: f({"b64": bad}), "InvalidInput", "base64")
        refused("more members", lambda: f({"b64": "YWJj", "c": 1}), "InvalidInput")
    with Function(identity("float32", ["n", 3, 32, 32])) as f:
        refused("a picture for a tensor", lambda: f(b"\xff\xd8\xff\xe0 and so on"), "InvalidInput", "mayfly.json", '"width": 32', "docs/packages.md")
        refused("b64 for a tensor", lambda: f({"b64": "YWJj"}), "takes no raw bytes")


for part in (number_forms, texts, shapes, named, runs, limits):
    part()
    print(part.__name__, "ok")
