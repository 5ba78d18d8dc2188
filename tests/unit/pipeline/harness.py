"""What the pipeline's Python tests share: small models, packages, and a function that runs in the probe."""
import io, json, os, struct, subprocess, sys, tempfile, zipfile
import numpy as np
import onnx.numpy_helper
from onnx import TensorProto, helper

TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64,
         "int32": TensorProto.INT32, "int8": TensorProto.INT8, "uint8": TensorProto.UINT8, "uint64": TensorProto.UINT64,
         "bool": TensorProto.BOOL, "string": TensorProto.STRING}


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, TYPES[kind], shape)


def model(nodes, inputs, outputs, initializers=(), opset=13):
    graph = helper.make_graph(nodes, "test", inputs, outputs, list(initializers))
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    made.ir_version = 8
    return made.SerializeToString()


def identity(kind, shape, name="x", out="y"):
    return model([helper.make_node("Identity", [name], [out])], [value(name, kind, shape)], [value(out, kind, shape)])


def constant(name, array):
    return onnx.numpy_helper.from_array(np.asarray(array), name)


def zipped(files, **how):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **how) as z:
        for name, data in files.items():
            z.writestr(name, data if isinstance(data, (bytes, str)) else json.dumps(data))
    return out.getvalue()


class Refused(Exception):
    pass


class Function:
    """A package, compiled and bound, that answers payloads. memory="least": exactly what the report says is needed."""

    def __init__(self, package, memory_mb=0, least=False):
        self.file = tempfile.NamedTemporaryFile()
        self.file.write(package)
        self.file.flush()
        args = [sys.argv[1], "answer", self.file.name, str(memory_mb)] + (["least"] if least else [])
        self.process = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.report = json.loads(self.hear())

    def hear(self):
        head = self.process.stdout.read(8)
        if len(head) < 8:
            raise SystemExit(f"the probe died with {self.process.wait()}")
        code, length = struct.unpack("<2I", head)
        text = self.process.stdout.read(length)
        if code:
            raise Refused(text.decode())
        return text

    def raw(self, payload):
        if not isinstance(payload, bytes):
            payload = json.dumps(payload).encode()
        self.process.stdin.write(struct.pack("<I", len(payload)) + payload)
        self.process.stdin.flush()
        return self.hear()

    def __call__(self, payload):
        return json.loads(self.raw(payload))

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        status = self.process.wait(timeout=60)
        assert status == 0, f"the probe ended with {status}"

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if failure[0] is None:
            self.close()
        else:
            self.process.kill()
            self.process.wait()


def same(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: expected {str(expected)[:600]}, got {str(got)[:600]}")


def refused(what, call, *parts):
    """The call fails, and its message has every part."""
    try:
        got = call()
    except Refused as refusal:
        for part in parts:
            if part not in str(refusal):
                sys.exit(f"{what}: expected '{part}' in: {refusal}")
        return
    sys.exit(f"{what}: expected a refusal, got {str(got)[:300]}")


def package_refused(what, package, *parts, **how):
    def deploy():
        with Function(package, **how) as f:
            return f.report
    refused(what, deploy, *parts)
