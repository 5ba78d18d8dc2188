"""What the end-to-end tests share: a server in a directory of its own on a free port, boto3 and aws-cli for it, and small models."""
import atexit
import contextlib
import io
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import urllib.request
import zipfile

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAYFLY = os.environ.get("MAYFLY", str(ROOT / "build/mayfly"))
RECORDED = ROOT.parent / "shared/aws-recorded.tar.xz"
ROLE = "arn:aws:iam::000000000000:role/models"


def wait_for(condition, seconds=20, what="a condition"):
    """The first true value of condition()."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def children_named(pid, name):
    """Process ids, as text, of a process's children that go by this name."""
    tasks = pathlib.Path(f"/proc/{pid}/task").glob("*/children")
    children = [child for task in tasks for child in task.read_text().split()]
    return [child for child in children if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == name]


class Server:
    def __init__(self, *options, data=None, prefix=(), environment=None):
        self.scratch = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-e2e-"))
        atexit.register(shutil.rmtree, self.scratch, ignore_errors=True)  # at the end: a test may stop and start a server
        self.data = pathlib.Path(data) if data else self.scratch / "data"
        self.log = self.scratch / "log"
        self.start(*options, prefix=prefix, environment=environment)

    def start(self, *options, prefix=(), environment=None, port=0):
        with contextlib.suppress(FileNotFoundError):
            (self.data / "endpoint").unlink()
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([*prefix, MAYFLY, "serve", "--data", self.data, "--listen", f"127.0.0.1:{port}", *options],
                                            stdout=log, stderr=log, env=dict(os.environ, **(environment or {})))
        wait_for(lambda: (self.data / "endpoint").exists() or self.process.poll() is not None, what="the server's endpoint")
        assert self.process.poll() is None, self.log.read_text()
        self.endpoint = (self.data / "endpoint").read_text().strip()
        keys = json.loads((self.data / "root-key").read_text())
        self.access_key, self.secret = keys["AccessKeyId"], keys["SecretAccessKey"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self):
        """kill -9 of the keeper; nothing of it survives."""
        front = self.health()["pid"]
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not pathlib.Path(f"/proc/{front}").exists(), what="front's end")

    def client(self, region="us-east-1", service="lambda", **changes):
        settings = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret, "endpoint_url": self.endpoint,
                    "region_name": region, "config": botocore.config.Config(retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=32,
                                                        parameter_validation=False)}
        return boto3.client(service, **{**settings, **changes})

    def run(self, *arguments, check=True, **more):
        done = subprocess.run([MAYFLY, *map(str, arguments), "--data", self.data], capture_output=True, timeout=120, **more)
        assert not check or done.returncode == 0, done.stderr.decode()
        return done

    def aws(self, *arguments):
        environment = dict(os.environ, AWS_ACCESS_KEY_ID=self.access_key, AWS_SECRET_ACCESS_KEY=self.secret, AWS_DEFAULT_REGION="us-east-1",
                           AWS_MAX_ATTEMPTS="1")
        return subprocess.run(["/usr/bin/aws", "--endpoint-url", self.endpoint, *map(str, arguments)], capture_output=True, text=True,
                              timeout=120, env=environment)

    def signed_call(self, name, body, headers=None):
        """Path and headers of an invocation, for clients of the tests' own; the signature may be used again with the same body."""
        path = f"/2015-03-31/functions/{name}/invocations"
        request = botocore.awsrequest.AWSRequest("POST", self.endpoint + path, data=body, headers=headers or {})
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(self.access_key, self.secret), "lambda", "us-east-1").add_auth(request)
        return path, dict(request.headers)

    def health(self):
        with urllib.request.urlopen(self.endpoint + "/healthz", timeout=10) as answer:
            return json.load(answer)

    def rows(self):
        return {row["name"]: row for row in json.loads(self.run("ls", "--json").stdout)}


def scale_model(factor=2.0, size=4):
    """y = x * factor, x float32[1, size]."""
    graph = helper.make_graph([helper.make_node("Mul", ["x", "factor"], ["y"])], "scale",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, size])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, size])],
                              [numpy_helper.from_array(numpy.float32(factor), "factor")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()


def slow_model(size=700, layers=12):
    """Matrix products that take a good part of a second; y is 0. Nothing is constant, so that the image stays small."""
    nodes = [helper.make_node("Expand", ["x", "shape"], ["wide"]), helper.make_node("Sub", ["wide", "wide"], ["v0"])]
    nodes += [helper.make_node("MatMul", [f"v{i}", "v0"], [f"v{i + 1}"]) for i in range(layers)]
    nodes += [helper.make_node("ReduceSum", [f"v{layers}"], ["y"], keepdims=0)]
    graph = helper.make_graph(nodes, "slow", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
                              [numpy_helper.from_array(numpy.int64([size, size]), "shape")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7).SerializeToString()


def wrong_operator_model():
    graph = helper.make_graph([helper.make_node("Frobnicate", ["x"], ["y"], name="the_node", domain="com.example")], "wrong",
                              [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13), helper.make_opsetid("com.example", 1)],
                             ir_version=7).SerializeToString()


def zipped(model=None, padding=0, **files):
    """A package; padding: so many incompressible bytes beside the model."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", scale_model() if model is None else model)
        if padding:
            archive.writestr("padding.bin", os.urandom(padding))
        for name, text in files.items():
            archive.writestr(name.replace("_json", ".json"), text)
    return out.getvalue()


def create(client, name, package=None, wait=True, **more):
    answer = client.create_function(FunctionName=name, Role=ROLE, Code={"ZipFile": package or zipped()}, **more)
    if wait:
        client.get_waiter("function_active_v2").wait(FunctionName=name)
    return answer


def invoke(client, name, payload, **more):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    answer = client.invoke(FunctionName=name, Payload=body, **more)
    return answer, answer["Payload"].read()


class Recorded:
    """What AWS answered to one test's calls, by step. The recording masks names: what stands for one, "<name:1>", must be the same wherever
    the mask is; `known` says what some of them are."""

    def __init__(self, test, file="lambda/test_lambda_api.json", **known):
        if not RECORDED.exists():
            pytest.skip(f"AWS's recorded answers are not at {RECORDED}")
        with tarfile.open(RECORDED) as archive:
            member = next(name for name in archive.getnames() if name.endswith(file))
            tests = json.load(archive.extractfile(member))
        self.steps = next(value["recorded-content"] for name, value in tests.items() if name.endswith("::" + test))
        self.known = {"partition": "aws", "region": "us-east-1", **{name.replace("_", "-"): value for name, value in known.items()}}

    def check(self, step, call, **arguments):
        """Calls, and compares status, code, message and members; the answer."""
        try:
            answer = call(**arguments)
        except botocore.exceptions.ClientError as problem:
            answer = problem.response
        self.compare(step, self.steps[step], answer)
        return answer

    def compare(self, where, theirs, ours):
        if isinstance(theirs, dict):
            assert isinstance(ours, dict), f"{where}: {ours!r}, AWS: {theirs!r}"
            if where.endswith("ResponseMetadata"):
                ours, theirs = ({"HTTPStatusCode": each["HTTPStatusCode"]} for each in (ours, theirs))
            assert sorted(ours) == sorted(theirs), f"{where}: members {ours}, AWS: {theirs}"
            for name in theirs:
                self.compare(f"{where}.{name}", theirs[name], ours[name])
        elif isinstance(theirs, list):
            assert isinstance(ours, list) and len(ours) == len(theirs), f"{where}: {ours!r}, AWS: {theirs!r}"
            for at, each in enumerate(theirs):
                self.compare(f"{where}[{at}]", each, ours[at])
        elif isinstance(theirs, str):
            assert self.is_same_text(theirs, str(ours)), f"{where}: {ours!r}, AWS: {theirs!r}, {self.known}"
        else:
            assert ours == theirs, f"{where}: {ours!r}, AWS: {theirs!r}"

    def is_same_text(self, theirs, ours):
        parts = re.split(r"<([a-z0-9_-]+(?::\d+)?)>", theirs.replace("111111111111", "000000000000"))
        pattern, names = re.escape(parts[0]), []
        for name, after in zip(parts[1::2], parts[2::2]):
            names += [] if name in self.known else [name]
            pattern += (re.escape(self.known[name]) if name in self.known else "(.+)") + re.escape(after)
        found = re.fullmatch(pattern, ours)
        if found:
            self.known.update(zip(names, found.groups()))
        return found


def supported():
    """Names of the operations of Lambda that this version has: the others are refused by name."""
    table = (ROOT / "src/services/lambda/operations.def").read_text()
    return set(re.findall(r"^MF_OPERATION\((\w+)", table, re.MULTILINE))
