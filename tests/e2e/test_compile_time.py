"""Small models that would hold a compiler for minutes or take all its memory: what compiling costs follows the size of the file, and where
it cannot, an error names the place. Bounds are many times what is needed and a small part of what it once was."""
import json
import subprocess
import sys

import numpy
import pytest
from onnx import TensorProto, helper, numpy_helper

from world import MAYFLY

SECONDS, MEGABYTES = 10, 300
# A small process between: the memory of whoever forks counts as its child's until that runs another program, and pytest is large.
MEASURED = """import json, resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([status, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))"""
X, Y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
CONDITION = helper.make_tensor_value_info("c", TensorProto.BOOL, [])
TRUE, TWICE = numpy_helper.from_array(numpy.bool_(True), "true"), numpy_helper.from_array(numpy.int64(2), "twice")


def value(name, kind=TensorProto.FLOAT, shape=None):
    return helper.make_tensor_value_info(name, kind, shape)


def model(nodes, inputs=(X, CONDITION), outputs=(Y,), constants=(), functions=(), opsets=()):
    graph = helper.make_graph(nodes, "m", inputs, outputs, constants)
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("f", 1), *opsets]
    return helper.make_model(graph, opset_imports=imports, ir_version=8, functions=functions).SerializeToString()


def branch(x, out, nodes=()):
    return helper.make_graph([*nodes, helper.make_node("Neg", [x], [out])], "branch", [], [value(out, shape=[1])])


def ifs(n, condition, more=0):
    """n Ifs, one after the other, then more nodes."""
    names = ["x", *(f"v{i}" for i in range(n))]
    nodes = [helper.make_node("If", [condition], [after], then_branch=branch(before, after + "t"), else_branch=branch(before, after + "e"))
             for before, after in zip(names, names[1:])]
    names = [names[-1], *(f"n{i}" for i in range(more)), "y"]
    nodes += [helper.make_node("Neg", [before], [after]) for before, after in zip(names, names[1:])]
    return model(nodes, constants=[TRUE])


def ifs_in_ifs(depth):
    """Both branches hold an If, whose branches do, ..."""
    numbers = iter(range(1 << 20))

    def level(left):
        out = f"v{next(numbers)}"
        if left == 0:
            return branch("x", out)
        node = helper.make_node("If", ["c"], [out], then_branch=level(left - 1), else_branch=level(left - 1))
        return helper.make_graph([node], "branch", [], [value(out, shape=[1])])
    return model([helper.make_node("If", ["c"], ["y"], then_branch=level(depth - 1), else_branch=level(depth - 1))])


def loops_in_loops(depth):
    """Each loop's state loses one of eight dimensions in each walk, and begins anew in each walk of the loop around it."""
    def level(at):
        trip, go, state, go_out, state_out, wide, inner = (f"{name}{at}" for name in ("i", "c", "s", "co", "so", "w", "in"))
        nodes = [helper.make_node("Identity", [go], [go_out]), helper.make_node("Concat", [state, state], [wide], axis=0),
                 helper.make_node("Transpose", [wide], [state_out], perm=[1, 2, 3, 4, 5, 6, 7, 0])]
        if at < depth:
            nodes += [helper.make_node("Loop", ["twice", "c", "x"], [inner], name="inner", body=level(at + 1))]
        return helper.make_graph(nodes, "body", [value(trip, TensorProto.INT64, []), value(go, TensorProto.BOOL, []), value(state)],
                                 [value(go_out, TensorProto.BOOL, []), value(state_out)])
    return model([helper.make_node("Loop", ["twice", "c", "x"], ["y"], name="outermost", body=level(1))],
                 inputs=[value("x", shape=[1] * 8), CONDITION], outputs=[value("y")], constants=[TWICE])


def doubling_functions(depth):
    def function(i):
        call = (lambda a, b: helper.make_node(f"F{i - 1}", [a], [b], domain="f")) if i else (lambda a, b: helper.make_node("Neg", [a], [b]))
        return helper.make_function("f", f"F{i}", ["a"], ["b"], [call("a", "t"), call("t", "b")],
                                    [helper.make_opsetid("", 13), helper.make_opsetid("f", 1)])
    return model([helper.make_node(f"F{depth - 1}", ["x"], ["y"], domain="f", name="caller")], functions=[function(i) for i in range(depth)])


def many_attributes(n):
    return model([helper.make_node("Neg", ["x"], ["y"], name="laden", **{f"a{i}": 1 for i in range(n)})])


def many_functions(n, calls):
    names = ["x", *(f"v{i}" for i in range(calls)), "y"]
    nodes = [helper.make_node(f"F{n - 1}", [before], [after], domain="f") for before, after in zip(names, names[1:])]
    functions = [helper.make_function("f", f"F{i}", ["a"], ["b"], [helper.make_node("Neg", ["a"], ["b"])], [helper.make_opsetid("", 13)])
                 for i in range(n)]
    return model(nodes, functions=functions)


@pytest.mark.parametrize("content, words", [
    pytest.param(lambda: ifs(1000, "c"), None, id="ifs"),
    pytest.param(lambda: ifs(1000, "true", more=20000), None, id="decided-ifs"),
    pytest.param(lambda: ifs_in_ifs(10), None, id="ifs-in-ifs"),
    pytest.param(lambda: loops_in_loops(14), ["'outermost' (Loop)", "nested too deeply"], id="loops-in-loops"),
    pytest.param(lambda: loops_in_loops(3), None, id="a-few-loops"),
    pytest.param(lambda: doubling_functions(25), ["'caller' (F24)", "too many nodes"], id="functions"),
    pytest.param(lambda: doubling_functions(10), None, id="a-few-functions"),
    pytest.param(lambda: many_attributes(60000), ["'laden' (Neg)", "60000 attributes"], id="attributes"),
    pytest.param(lambda: many_functions(3000, 5000), None, id="calls"),
    pytest.param(lambda: model([helper.make_node("Neg", ["x"], ["y"])], opsets=[helper.make_opsetid(f"d{i}", 1) for i in range(1000)]),
                 ["opset imports"], id="opsets"),
])
def test_compiling_takes_what_the_file_is_worth(tmp_path, content, words):
    (tmp_path / "model.onnx").write_bytes(content())
    done = subprocess.run([sys.executable, "-c", MEASURED, "timeout", "120", MAYFLY, "compile", tmp_path / "model.onnx", "-o", tmp_path / "image"],
                          capture_output=True, text=True)
    status, seconds, megabytes = json.loads(done.stdout.splitlines()[-1])
    assert status == (1 if words else 0), done.stdout + done.stderr
    for word in words or ():
        assert word in done.stderr
    assert seconds < SECONDS and megabytes < MEGABYTES, f"{seconds:.1f} s of processor time, {megabytes:.0f} MB"
