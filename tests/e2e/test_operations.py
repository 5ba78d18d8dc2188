"""Every operation of Lambda answers: those that are not there yet with an error that names them, in the form that clients show."""
from test_functions import refused
from world import Recorded, create

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"


def test_a_function_has_no_code_signing_config(server, client):
    recorded = Recorded("TestCodeSigningConfig::test_code_signing_not_found_excs")
    create(client, "unsigned")
    recorded.check("get_function_csc_fnwithoutcsc", client.get_function_code_signing_config, FunctionName="unsigned")
    recorded.check("get_function_csc_nonexistingfn", client.get_function_code_signing_config, FunctionName="csc-test-doesnotexist")
    assert refused(client.get_function_code_signing_config, FunctionName="unsigned!")[1] == "ValidationException"
    done = server.aws("lambda", "get-function-code-signing-config", "--function-name", FUNCTION + "unsigned")
    assert done.returncode == 0, done.stderr
