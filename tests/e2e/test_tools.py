"""tools/test itself: what is skipped is counted and named, what took long is told, and what runs side by side is told in its order."""
import importlib.machinery
import importlib.util
import sys
import threading

import numpy
import pytest
from onnx import TensorProto, helper, numpy_helper

from world import ROOT, scale_model, wrong_operator_model


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("tools_test", str(ROOT / "tools/test"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    monkeypatch.setattr(sys, "argv", ["tools/test"])
    return module


def wrong_type_model():
    value = lambda name: helper.make_tensor_value_info(name, TensorProto.BFLOAT16, [1])
    graph = helper.make_graph([helper.make_node("Abs", ["x"], ["y"])], "g", [value("x")], [value("y")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()


def folder(path, model, x=(1, 2, 3, 4), wrong=0):
    data = path / "test_data_set_0"
    data.mkdir(parents=True)
    (path / "model.onnx").write_bytes(model)
    x = numpy.float32([x])
    for name, value in (("input_0", x), ("output_0", x * 2 + wrong)):
        (data / f"{name}.pb").write_bytes(numpy_helper.from_array(value, name).SerializeToString())
    return path


def lines(tool, capsys, folders, may_skip=True):
    tool.SUITES[:] = [("backend", lambda select: tool.check_folders("node", "generic", folders, may_skip=may_skip), "folders of this test")]
    status = tool.main()
    return status, capsys.readouterr().out.splitlines()


def test_each_skipped_folder_counts_and_is_named_by_what_it_lacks(tool, tmp_path, capsys):
    folders = [folder(tmp_path / "good", scale_model()), folder(tmp_path / "type", wrong_type_model())]
    folders += [folder(tmp_path / f"operator_{i}", wrong_operator_model()) for i in range(3)]
    status, out = lines(tool, capsys, folders)
    assert (status, out[-1]) == (0, "1 passed, 0 failed, 4 skipped")
    named = sorted(line for line in out if line.startswith("skipped: "))
    assert len(named) == 2, out
    assert named[0] == "skipped: backend: element type 16 (bfloat16) (1): node.type"
    assert "operator 'Frobnicate'" in named[1] and named[1].endswith(" (3): node.operator_0 node.operator_1 node.operator_2")


def test_a_folder_that_fails_or_must_not_be_skipped_fails(tool, tmp_path, capsys):
    folders = [folder(tmp_path / "wrong", scale_model(), wrong=1), folder(tmp_path / "operator", wrong_operator_model())]
    assert lines(tool, capsys, folders)[1][-1] == "0 passed, 1 failed, 1 skipped"
    status, out = lines(tool, capsys, folders, may_skip=False)
    assert (status, out[-1]) == (1, "0 passed, 2 failed, 0 skipped")


def test_two_run_at_once_and_are_told_in_their_order(tool, monkeypatch):
    monkeypatch.setattr(tool.os, "cpu_count", lambda: 2)
    second_ran = threading.Event()

    def work(row):
        if row == "first":
            assert second_ran.wait(20), "the second did not run beside the first"
        second_ran.set()
        return row
    assert list(tool.side_by_side(work, ["first", "second", "third"])) == ["first", "second", "third"]


def test_what_took_longest_is_told_before_the_last_line(tool, capsys):
    results = [tool.Result("quick", "passed", "", 0.1), tool.Result("slow", "passed", "", 7), *tool.timed([tool.Result("a", "passed", ""), tool.Result("b", "passed", "")], 9)]
    tool.SUITES[:] = [("some", lambda select: results, "tests of this test")]
    assert tool.main() == 0
    out = capsys.readouterr().out.splitlines()
    assert [line for line in out if line.startswith("slowest: ")] == ["slowest:    9.0 s some/a", "slowest:    7.0 s some/slow"]
    assert out[-1] == "4 passed, 0 failed, 0 skipped"
