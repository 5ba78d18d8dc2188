"""Tags of functions: TagResource, UntagResource, ListTags, as boto3 and aws-cli see them. Where AWS's answers are recorded, ours are
compared with them, member by member."""
import json
import urllib.error
import urllib.request
import uuid

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import world
from test_functions import refused
from world import ROLE, Recorded, create, zipped

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"
ODD = {"a b": "c d", "a+b": "1+1=2", "a&b=c": "x&y", "%41": "%42", "/a:b@c_d-e.f": "", "größe": "☃ 𝄞", "Case": "1", "case": "2"}


def tags_of(client, name):
    listed = client.list_tags(Resource=FUNCTION + name)["Tags"]
    assert client.get_function(FunctionName=name).get("Tags", {}) == listed
    return listed


def test_tags_given_at_creation_are_listed(client):
    recorded = Recorded("TestLambdaTag::test_create_tag_on_fn_create", custom_tag="value")
    create(client, "born", Tags={"testtag": "value"})
    recorded.check("list_tags_result", client.list_tags, Resource=FUNCTION + "born")
    recorded.compare("Tags", recorded.steps["get_function_result"]["Tags"], client.get_function(FunctionName="born")["Tags"])


def test_tags_come_and_go_as_recorded(client):
    recorded = Recorded("TestLambdaTag::test_tag_lifecycle[lambda_function]")
    create(client, "life")
    this = {"Resource": FUNCTION + "life"}
    for step, call, change in (
            ("tag_single_response", client.tag_resource, {"Tags": {"A": "tag-a"}}),
            ("tag_multiple_response", client.tag_resource, {"Tags": {"B": "tag-b", "C": "tag-c"}}),
            ("tag_overlap_response", client.tag_resource, {"Tags": {"C": "tag-c-newsuffix", "D": "tag-d"}}),
            ("untag_single_response", client.untag_resource, {"TagKeys": ["A"]}),
            ("untag_multiple_response", client.untag_resource, {"TagKeys": ["B", "C"]}),
            ("untag_nonexisting_response", client.untag_resource, {"TagKeys": ["F"]}),
            ("untag_existing_and_nonexisting_response", client.untag_resource, {"TagKeys": ["D", "F"]})):
        recorded.check(step, call, **this, **change)
        recorded.check(step + "_listtags", client.list_tags, **this)
    assert "Tags" not in client.get_function(FunctionName="life")


def test_tags_of_a_deleted_function_are_gone(client):
    recorded = Recorded("TestLambdaTags::test_tag_lifecycle")
    this = {"Resource": FUNCTION + "again"}
    create(client, "again", Tags={"key_a": "value_a"})
    recorded.check("list_tags_response_postfncreate", client.list_tags, **this)
    recorded.check("tag_resource_response", client.tag_resource, **this, Tags={f"key_{c}": f"value_{c}" for c in "bcde"})
    recorded.check("list_tags_response_postaddtags", client.list_tags, **this)
    recorded.check("tag_resource_overwrite", client.tag_resource, **this, Tags={"key_c": "value_x"})
    recorded.check("list_tags_response_overwrite", client.list_tags, **this)
    client.untag_resource(**this, TagKeys=["key_c", "key_d"])
    recorded.check("list_tags_response_postuntag", client.list_tags, **this)
    client.delete_function(FunctionName="again")
    recorded.check("list_tags_postdelete", client.list_tags, **this)
    create(client, "again")
    assert tags_of(client, "again") == {}


def test_refusals_are_those_recorded(client):
    recorded = Recorded("TestLambdaTags::test_tag_exceptions")
    create(client, "refusing")
    this = {"Resource": FUNCTION + "refusing"}
    recorded.check("tag_lambda_invalidarn", client.tag_resource, Resource="arn:aws:something", Tags={"key_a": "value_a"})
    recorded.check("tag_lambda_doesnotexist", client.tag_resource, Resource=FUNCTION + "doesnotexist", Tags={"key_a": "value_a"})
    recorded.check("tag_lambda_qualifier_doesnotexist", client.tag_resource, Resource=FUNCTION + "refusing:v1", Tags={"key_a": "value_a"})
    recorded.check("list_tag_lambda_empty", client.list_tags, **this)
    recorded.check("untag_nomatch", client.untag_resource, **this, TagKeys=["key"])
    recorded.check("untag_empty_keys", client.untag_resource, **this, TagKeys=[])
    recorded.check("tag_empty_tags", client.tag_resource, **this, Tags={})
    recorded = Recorded("TestLambdaTags::test_tag_versions")
    recorded.check("tag_resource_exception", client.tag_resource, Resource=FUNCTION + "refusing:1", Tags={"key_a": "value_a"})
    recorded.check("tag_resource_latest_exception", client.tag_resource, Resource=FUNCTION + "refusing:$LATEST", Tags={"key_a": "value_a"})
    assert tags_of(client, "refusing") == {}


@pytest.mark.parametrize("kind, case, name", [
    ("function", "lambda_function", "absent"), ("event-source-mapping", "event_source_mapping", str(uuid.uuid4())),
    ("capacity-provider", "capacity_provider", "absent")])
def test_what_does_not_exist_is_named_as_recorded(client, kind, case, name):
    recorded = Recorded(f"TestLambdaTag::test_tag_exceptions[{case}]", resource_name=name)
    arn = f"arn:aws:lambda:us-east-1:000000000000:{kind}:{name}"
    recorded.check("not_found_exception_tag", client.tag_resource, Resource=arn, Tags={"A": "B"})
    recorded.check("not_found_exception_untag", client.untag_resource, Resource=arn, TagKeys=["A"])
    recorded.check("not_found_exception_list", client.list_tags, Resource=arn)
    recorded.check("aliased_arn_exception", client.list_tags, Resource=arn + ":alias")
    recorded.check("invalid_arn_exception", client.list_tags, Resource=arn.replace(kind, "foobar"))


def test_other_resources_are_refused_by_name(client):
    for resource, words in (("layer:pillow", "Layer"), ("code-signing-config:csc-0123456789abcdefg", "Code signing configuration")):
        arn = f"arn:aws:lambda:us-east-1:000000000000:{resource}"
        assert refused(client.list_tags, Resource=arn) == (404, "ResourceNotFoundException", f"{words} not found: {arn}")
    elsewhere = FUNCTION.replace("us-east-1", "eu-west-1") + "f"
    assert refused(client.list_tags, Resource=elsewhere)[2] == "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')"
    assert refused(client.list_tags, Resource=FUNCTION.replace("0" * 12, "1" * 12) + "f")[:2] == (403, "AccessDeniedException")
    assert refused(client.list_tags, Resource="just-a-name")[1] == "ValidationException"
    assert refused(client.list_tags, Resource=FUNCTION + "f" * 300)[:2] == (404, "ResourceNotFoundException")


def test_no_more_than_fifty_tags(client):
    recorded = Recorded("TestLambdaTags::test_tag_limits")
    create(client, "fifty")
    this = {"Resource": FUNCTION + "fifty"}
    recorded.check("tag_lambda_too_many_tags", client.tag_resource, **this, Tags={f"{i}_key": f"{i}_value" for i in range(51)})
    assert tags_of(client, "fifty") == {}
    recorded.check("tag_response", client.tag_resource, **this, Tags={f"{i}_key": f"{i}_value" for i in range(50)})
    recorded.check("list_tags_response", client.list_tags, **this)
    recorded.check("tag_lambda_too_many_tags_additional", client.tag_resource, **this, Tags={"a_key": "a_value"})
    recorded.check("create_function_invalid_tags", client.create_function, FunctionName="more", Role=ROLE, Code={"ZipFile": zipped()},
                   Tags={f"{i}_key": f"{i}_value" for i in range(51)})
    client.tag_resource(**this, Tags={"49_key": "other"})  # one of the fifty
    assert tags_of(client, "fifty")["49_key"] == "other" and len(tags_of(client, "fifty")) == 50


def test_lengths_and_the_reserved_prefix(client):
    create(client, "limits")

    def refuse(tags):
        refusal = refused(client.tag_resource, Resource=FUNCTION + "limits", Tags=tags)
        assert refusal == refused(client.create_function, FunctionName="none", Role=ROLE, Code={"ZipFile": zipped()}, Tags=tags)
        assert refusal[:2] == (400, "InvalidParameterValueException")
        return refusal[2]

    assert refuse({"k" * 129: "v"}) == "Tag keys have 1 to 128 characters, this one has 129."
    assert refuse({"": "v"}) == "Tag keys have 1 to 128 characters, this one has 0."
    assert refuse({"good": "v", "k": "ü" * 257}) == "Tag values have up to 256 characters, that of 'k' has 257."
    for key in ("aws:name", "AWS:", "Aws:x"):
        assert refuse({key: "v"}) == "aws: prefixed tag key names are not allowed for external use."
    assert tags_of(client, "limits") == {}
    longest = {"ü" * 128: "☃" * 256, "aws": "aws:", "k": ""}
    client.tag_resource(Resource=FUNCTION + "limits", Tags=longest)
    assert tags_of(client, "limits") == longest


def test_any_characters_go_through_both_clients(server, client):
    create(client, "odd")
    arn = FUNCTION + "odd"
    client.tag_resource(Resource=arn, Tags=ODD)
    assert tags_of(client, "odd") == ODD
    client.untag_resource(Resource=arn, TagKeys=[*ODD][:-1])
    assert tags_of(client, "odd") == {"case": "2"}
    done = server.aws("lambda", "tag-resource", "--resource", arn, "--tags", json.dumps(ODD))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    done = server.aws("lambda", "list-tags", "--resource", arn)
    assert json.loads(done.stdout) == {"Tags": ODD}, done.stderr
    done = server.aws("lambda", "untag-resource", "--resource", arn, "--tag-keys", *[*ODD][1:])
    assert done.returncode == 0, done.stderr
    assert tags_of(client, "odd") == {"a b": "c d"}
    done = server.aws("lambda", "list-tags", "--resource", arn + ":1")
    assert done.returncode == 254 and "(InvalidParameterValueException) when calling the ListTags operation" in done.stderr
    assert done.stderr.strip().endswith("Tags on function aliases and versions are not supported. Please specify a function ARN.")


def test_a_tag_changes_the_revision_and_nothing_else(client):
    create(client, "revised")
    before = client.get_function_configuration(FunctionName="revised")
    client.tag_resource(Resource=FUNCTION + "revised", Tags={"a": "b"})
    after = client.get_function_configuration(FunctionName="revised")
    assert before.pop("RevisionId") != after["RevisionId"]
    assert {name for name in before if before[name] != after[name]} == {"ResponseMetadata"}
    client.update_function_configuration(FunctionName="revised", Description="x", RevisionId=after["RevisionId"])
    client.get_waiter("function_updated_v2").wait(FunctionName="revised")
    client.update_function_code(FunctionName="revised", ZipFile=zipped())
    client.get_waiter("function_updated_v2").wait(FunctionName="revised")
    assert tags_of(client, "revised") == {"a": "b"}


def test_tags_given_while_a_model_compiles_stay(client):
    create(client, "busy", wait=False)
    client.tag_resource(Resource=FUNCTION + "busy", Tags={"a": "b"})
    client.get_waiter("function_active_v2").wait(FunctionName="busy")
    client.update_function_code(FunctionName="busy", ZipFile=zipped())
    client.tag_resource(Resource=FUNCTION + "busy", Tags={"c": "d"})
    client.get_waiter("function_updated_v2").wait(FunctionName="busy")
    assert tags_of(client, "busy") == {"a": "b", "c": "d"}


def test_acknowledged_tags_survive_a_kill():
    server = world.Server()
    client = server.client()
    create(client, "durable", Tags={"old": "1", "gone": "1"})
    client.untag_resource(Resource=FUNCTION + "durable", TagKeys=["gone"])
    client.tag_resource(Resource=FUNCTION + "durable", Tags={"new": "2"})
    server.kill()
    server.start()
    try:
        assert tags_of(server.client(), "durable") == {"old": "1", "new": "2"}
    finally:
        assert server.stop() == 0


def raw(server, method, target, body=None):
    """Status, error type and message of a request that no SDK would make."""
    request = botocore.awsrequest.AWSRequest(method, server.endpoint + target, data=body)
    botocore.auth.SigV4Auth(botocore.credentials.Credentials(server.access_key, server.secret), "lambda", "us-east-1").add_auth(request)
    plain = urllib.request.Request(server.endpoint + target, data=body, headers=dict(request.headers), method=method)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(plain)
    answer = json.load(caught.value)
    return caught.value.code, caught.value.headers["x-amzn-ErrorType"], answer.get("message", answer.get("Message"))


def test_requests_that_make_no_sense(server, client):
    create(client, "nonsense", Tags={"a": "b"})
    path = "/2017-03-31/tags/" + FUNCTION + "nonsense"
    assert raw(server, "POST", path, b"{}") == (400, "ValidationException", "1 validation error detected: Value null at 'tags' failed to "
                                                "satisfy constraint: Member must not be null")
    for body, message in ((b'{"Tags": ["a"]}', "Value at 'tags' can not be converted to a Map"),
                          (b'{"Tags": {"a": 1}}', "Value of 'a' in 'tags' can not be converted to a String")):
        assert raw(server, "POST", path, body) == (400, "SerializationException", message)
    for body in (b"", b"[]", b'{"Tags": {"a": "b", "a": "c"}}', b'{"Tags": {"a": "\xff"}}'):
        assert raw(server, "POST", path, body)[:2] == (400, "InvalidRequestContentException")
    for query in ("?tagKeys=%FF", "?tagKeys=a&tagKeys=b%00"):
        assert raw(server, "DELETE", path + query) == (400, "SerializationException", "An element of 'tagKeys' can not be converted to a String")
    assert raw(server, "DELETE", "/2017-03-31/tags/x?tagKeys=%FF")[2] == "An element of 'tagKeys' can not be converted to a String"
    assert raw(server, "DELETE", path + "?other=a")[1] == "ValidationException"
    assert raw(server, "GET", path.replace("nonsense", "%zz"))[:2] == (400, "ValidationException")
    message = raw(server, "DELETE", "/2017-03-31/tags/x")[2]
    assert message.startswith("2 validation errors detected: Value null at 'tagKeys'") and "; Value 'x' at 'resource'" in message
    assert tags_of(client, "nonsense") == {"a": "b"}
