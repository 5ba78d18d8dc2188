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
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

import boto3
import botocore.auth
import botocore.awsrequest
import botocore.config
import botocore.credentials
import botocore.exceptions
import botocore.session
import numpy
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import recording

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAYFLY = os.environ.get("MAYFLY", str(ROOT / "build/mayfly"))
ROLE = "arn:aws:iam::000000000000:role/models"


def newer_session():
    """boto3 with the members that Lambda's requests and answers have gained since Debian 12's model (newer_model/)."""
    session = botocore.session.Session()
    session.get_component("data_loader").search_paths.append(str(ROOT / "tests/e2e/newer_model"))
    return boto3.Session(botocore_session=session)


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

    def client(self, region="us-east-1", service="lambda", session=boto3, **changes):
        settings = {"aws_access_key_id": self.access_key, "aws_secret_access_key": self.secret, "endpoint_url": self.endpoint,
                    "region_name": region, "config": botocore.config.Config(retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=32,
                                                        parameter_validation=False)}
        return session.client(service, **{**settings, **changes})

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

    def api(self, method, path, body=None):
        """A signed call of Lambda's API as boto3 would show its answer, for members that Debian's botocore does not know yet."""
        data = None if body is None else json.dumps(body).encode()
        signed = botocore.awsrequest.AWSRequest(method, self.endpoint + path, data=data)
        botocore.auth.SigV4Auth(botocore.credentials.Credentials(self.access_key, self.secret), "lambda", "us-east-1").add_auth(signed)
        request = urllib.request.Request(self.endpoint + path, data, dict(signed.headers), method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                members, status = json.loads(answer.read() or b"{}"), answer.status
        except urllib.error.HTTPError as problem:
            members, status = json.loads(problem.read()), problem.code
            code = problem.headers["x-amzn-ErrorType"]
            members["Error"] = {"Code": code, "Message": members.get("Message", members.get("message"))}
        return {**members, "ResponseMetadata": {"HTTPStatusCode": status}}

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


def slow_weights_model():
    """scale_model with so many weights that compiling takes longer than the next call."""
    weights = numpy.random.default_rng(1).random((1, 6 << 20), numpy.float32)
    return scale_model(weights, weights.size)


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


class Recorded(recording.Recording):
    """What AWS answered to one test's calls, by step, for tests that insist on it; `known` says what some masks are."""

    def __init__(self, test, file="lambda/test_lambda_api.json", **known):
        tests = recording.recorded_tests(file)
        if not tests:
            pytest.skip(f"AWS's recorded answers are not at {recording.ARCHIVE}")
        super().__init__(tests[test], **known)

    def check(self, step, call, **arguments):
        """Calls, and compares status, code, message and members; the answer."""
        try:
            answer = call(**arguments)
        except botocore.exceptions.ClientError as problem:
            answer = problem.response
        self.compare(step, self.steps[step], answer)
        return answer

    def compare(self, where, theirs, ours):
        if self.found is not None:  # a part of what is being compared
            super().compare(where, theirs, ours)
            return
        differences = self.differences(where, theirs, ours)
        assert not differences, "\n".join(differences)


def supported():
    """Names of the operations of Lambda that this version has: the others are refused by name."""
    table = (ROOT / "src/services/lambda/operations.def").read_text()
    return set(re.findall(r"^MF_OPERATION\((\w+)", table, re.MULTILINE))
