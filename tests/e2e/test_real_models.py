"""Every real model as a function with the memory that its deployment chose: the answer is the one ONNX Runtime gave (../shared/models)."""
import json
import math
import pathlib

import numpy
import onnx
import pytest
from onnx import numpy_helper

import world

MODELS = world.ROOT.parent / "shared/models"
NAMES = sorted(path.parent.name for path in MODELS.glob("*/model.onnx"))


def recorded(folder, kind):
    arrays = []
    for i in range(len(list(folder.glob(f"test_data_set_0/{kind}_*.pb")))):
        tensor = onnx.TensorProto()
        tensor.ParseFromString((folder / f"test_data_set_0/{kind}_{i}.pb").read_bytes())
        arrays.append(numpy_helper.to_array(tensor))
    return arrays


def short(x):
    """Nested lists whose float32 values are written in nine digits, which read back the same and stay below Lambda's 6 MB."""
    return [short(y) for y in x] if isinstance(x, list) else float(f"{x:.9g}") if isinstance(x, float) else x


def event(model, inputs):
    initializers = {tensor.name for tensor in model.graph.initializer}
    names = [value.name for value in model.graph.input if value.name not in initializers]
    return json.dumps({name: short(array.tolist()) for name, array in zip(names, inputs)}, separators=(",", ":"))


def numbers(answer):
    special = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
    def plain(x):
        return [plain(y) for y in x] if isinstance(x, list) else special.get(x, x) if isinstance(x, str) else x
    return numpy.asarray(plain(answer), numpy.float64)


@pytest.mark.parametrize("name", NAMES or [pytest.param("none", marks=pytest.mark.skip(reason="../shared/models is not there"))])
def test_a_real_model_answers_as_recorded(server, client, name):
    folder = MODELS / name
    function = name.replace(".", "_")
    done = world.subprocess.run([world.MAYFLY, "deploy", folder / "model.onnx", "--name", function, "--timeout", "60", "--data", server.data],
                                capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    model = onnx.load(str(folder / "model.onnx"))
    payload = event(model, recorded(folder, "input"))
    relative, absolute = map(float, (folder / "tolerance").read_text().split())
    for _ in ("cold", "warm"):
        answer = client.invoke(FunctionName=function, Payload=payload)
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        for value, expected in zip(model.graph.output, recorded(folder, "output")):
            got = numbers(body[value.name])
            assert got.size == expected.size
            numpy.testing.assert_allclose(got.reshape(expected.shape), expected.astype(numpy.float64), relative, absolute)
