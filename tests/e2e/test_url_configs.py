"""Configurations of function URLs, against AWS's recorded answers."""
import re

import pytest

from test_functions import refused
from world import Recorded, create

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"
URL = r"https://[a-z0-9]{32}\.lambda-url\.us-east-1\.on\.aws/"
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def urls_of(server, name):
    """The operations as calls that show every member; arguments as in boto3."""
    def call(method, end="url"):
        def calling(FunctionName=name, Qualifier=None, **body):
            path = f"/2021-10-31/functions/{FunctionName}/{end}" + (f"?Qualifier={Qualifier}" if Qualifier else "")
            return server.api(method, path, body if method in ("POST", "PUT") else None)
        return masked(calling)
    return call("POST"), call("GET"), call("PUT"), call("GET", "urls")


def masked(call):
    """What the recordings mask without <>: the URL and the times."""
    def masking(**arguments):
        answer = call(**arguments)
        for config in answer.get("FunctionUrlConfigs", [answer]):
            for name, pattern, mask in (("FunctionUrl", URL, "lambda-url"), ("CreationTime", TIME, "date"), ("LastModifiedTime", TIME, "date")):
                if name in config:
                    assert re.fullmatch(pattern, config[name]), config
                    config[name] = mask
        return answer
    return masking


def test_a_url_config_lives_as_recorded(server, client):
    recorded = Recorded("TestLambdaUrl::test_url_config_lifecycle")
    create(client, "living")
    this = {"FunctionName": "living"}
    create_url, get, update, _ = urls_of(server, "living")
    recorded.check("url_creation", create_url, AuthType="NONE")
    recorded.check("failed_duplication", client.create_function_url_config, **this, AuthType="NONE")
    recorded.check("get_url_config", get)
    address = client.get_function_url_config(**this)["FunctionUrl"]
    recorded.check("updated_url_config", update, AuthType="AWS_IAM")
    assert client.get_function_url_config(**this)["FunctionUrl"] == address
    client.delete_function_url_config(**this)
    recorded.check("failed_getter", client.get_function_url_config, **this)


def test_invoke_mode_is_kept_as_recorded(server, client):
    recorded = Recorded("TestLambdaURL::test_lambda_update_function_url_config", file="lambda/test_lambda.json")
    create(client, "mode")
    create_url, get, update, _ = urls_of(server, "mode")
    recorded.check("create_lambda_url_config", create_url, AuthType="NONE", InvokeMode="BUFFERED")
    recorded.check("get_url_config", get)
    recorded.check("modify_lambda_url_config", update, InvokeMode="RESPONSE_STREAM")
    recorded.check("get_url_config_2", get)
    recorded.check("modify_lambda_url_config_none", update, AuthType="NONE")
    recorded.check("get_url_config_3", get)
    assert update(InvokeMode="UNKNOWN")["Error"]["Message"] == (
        "1 validation error detected: Value 'UNKNOWN' at 'invokeMode' failed to satisfy constraint: Member must satisfy enum value set: "
        "[RESPONSE_STREAM, BUFFERED]")


def test_refusals_are_those_recorded(client):
    recorded = Recorded("TestLambdaUrl::test_url_config_exceptions")
    create(client, "urlrefusing")
    for verb, more in (("create", {"AuthType": "NONE"}), ("get", {}), ("delete", {}), ("update", {"AuthType": "AWS_IAM"})):
        call = getattr(client, f"{verb}_function_url_config")
        for step, name, qualifier in (
                ("name_doesnotexist", "doesnotexist", None), ("arn_doesnotexist", FUNCTION + "doesnotexist", None),
                ("name_doesnotexist_qualifier", "doesnotexist", "1"), ("qualifier_version", "urlrefusing", "1"),
                ("qualifier_version_doesnotexist", "urlrefusing", "2"), ("qualifier_alias_doesnotexist", "urlrefusing", "doesnotexist"),
                ("qualifier_alias_doesnotmatch_arn", FUNCTION + "urlrefusing:urlalias", "other"), ("qualifier_latest", "urlrefusing", "$LATEST"),
                ("config_doesnotexist", "urlrefusing", None)):
            where = f"{verb}_function_url_config_{step}"
            if where not in recorded.steps or recorded.steps[where] == "<aws_internal_failure>":
                continue
            recorded.check(where, call, FunctionName=name, **more, **({"Qualifier": qualifier} if qualifier else {}))


def test_configs_are_listed(server, client):
    recorded = Recorded("TestLambdaUrl::test_url_config_list_paging")
    create(client, "listed")
    recorded.check("list_function_notfound", client.list_function_url_configs, FunctionName="doesnotexist")
    recorded.check("list_all_empty", client.list_function_url_configs, FunctionName="listed")
    create_url, _, _, list_all = urls_of(server, "listed")
    recorded.check("url_config_fn", create_url, AuthType="NONE")
    configs = list_all()["FunctionUrlConfigs"]
    recorded.compare("list_all", recorded.steps["list_all"]["FunctionUrlConfigs"][0], configs[0])
    assert len(configs) == 1
    assert refused(client.list_function_url_configs, FunctionName="listed", MaxItems=51)[1] == "ValidationException"


CORS = {"AllowCredentials": True, "AllowHeaders": ["x-a", "x-b"], "AllowMethods": ["GET", "POST"], "AllowOrigins": ["https://a.example"],
        "ExposeHeaders": ["x-c"], "MaxAge": 86400}


def test_cors_is_kept_replaced_and_taken_away(client):
    create(client, "cors")
    this = {"FunctionName": "cors"}
    assert client.create_function_url_config(**this, AuthType="NONE", Cors=CORS)["Cors"] == CORS
    assert client.update_function_url_config(**this, Cors={"AllowOrigins": ["*"]})["Cors"] == {"AllowOrigins": ["*"]}
    assert client.get_function_url_config(**this)["Cors"] == {"AllowOrigins": ["*"]}
    assert "Cors" not in client.update_function_url_config(**this, Cors={})


@pytest.mark.parametrize("cors", [{"AllowMethods": ["OPTIONS"]}, {"AllowMethods": ["GET"] * 7}, {"AllowOrigins": ["x" * 254]},
                                  {"AllowOrigins": ["x"] * 101}, {"AllowHeaders": ["x" * 1025]}, {"ExposeHeaders": ["x"] * 101},
                                  {"MaxAge": 86401}, {"MaxAge": -1}, {"AllowOrigins": [""]}, {"MaxAge": "1"}, {"AllowMethods": "GET"}, []])
def test_cors_has_the_models_limits(server, client, cors):
    if cors == {"AllowMethods": ["OPTIONS"]}:
        create(client, "limits")
    answer = server.api("POST", "/2021-10-31/functions/limits/url", {"AuthType": "NONE", "Cors": cors})
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400, answer


def test_a_url_goes_with_its_function(client):
    create(client, "urlgone")
    first = client.create_function_url_config(FunctionName="urlgone", AuthType="NONE")["FunctionUrl"]
    client.delete_function(FunctionName="urlgone")
    create(client, "urlgone")
    assert refused(client.get_function_url_config, FunctionName="urlgone")[0] == 404
    assert client.create_function_url_config(FunctionName="urlgone", AuthType="NONE")["FunctionUrl"] != first


def test_functions_and_aliases_have_urls_of_their_own_as_recorded(server, client):
    recorded = Recorded("TestLambdaUrl::test_url_config_deletion_without_qualifier")
    create(client, "both")
    client.create_alias(FunctionName="both", Name="test-alias", FunctionVersion="$LATEST")
    create_url, get, _, list_all = urls_of(server, "both")
    recorded.check("url_creation", create_url, AuthType="NONE")
    recorded.check("url_with_alias_creation", create_url, AuthType="NONE", Qualifier="test-alias")
    recorded.check("get_url_config", get)
    recorded.check("get_url_config_with_alias", get, Qualifier="test-alias")
    theirs = Recorded("TestLambdaUrl::test_url_config_list_paging").steps["list_all"]["FunctionUrlConfigs"]
    ours = list_all()["FunctionUrlConfigs"]
    assert [sorted(config) for config in ours] == [sorted(config) for config in theirs]
    assert [config["FunctionArn"] for config in ours] == [FUNCTION + "both", FUNCTION + "both:test-alias"]
    first = client.list_function_url_configs(FunctionName="both", MaxItems=1)
    second = client.list_function_url_configs(FunctionName="both", MaxItems=1, Marker=first["NextMarker"])
    assert [page["FunctionUrlConfigs"][0]["FunctionArn"] for page in (first, second)] == [FUNCTION + "both", FUNCTION + "both:test-alias"]
    assert "NextMarker" not in second
    recorded.check("delete_function_url_config", client.delete_function_url_config, FunctionName="both")
    recorded.check("get_url_config_after_deletion", client.get_function_url_config, FunctionName="both")
    recorded.check("get_url_config_with_alias_after_deletion", get, Qualifier="test-alias")
