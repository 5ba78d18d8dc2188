"""Resource policies: AddPermission, RemovePermission, GetPolicy, against AWS's recorded answers and as aws-cli sees them."""
import json

import pytest

from test_functions import refused
from world import Recorded, create

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"


def with_json_texts(answer):
    """Statement and Policy are JSON in a text; the recordings hold them parsed."""
    return {name: json.loads(value) if name in ("Statement", "Policy") else value for name, value in answer.items()}


def add(client, **arguments):
    return with_json_texts(client.add_permission(**arguments))


def policy(client, **arguments):
    return with_json_texts(client.get_policy(**arguments))


def s3(name, sid="s3", **more):
    return {"FunctionName": name, "StatementId": sid, "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", **more}


def test_a_permission_is_added_and_read_as_recorded(client):
    recorded = Recorded("TestLambdaPermissions::test_add_lambda_permission_aws")
    create(client, "policed")
    recorded.check("add_permission", lambda **a: add(client, **a), **s3("policed", SourceArn="arn:aws:s3:::bucket"))
    recorded.check("get_policy", lambda **a: policy(client, **a), FunctionName="policed")


def test_all_forms_of_statements_are_as_recorded(client):
    user = "arn:aws:iam::000000000000:user/somebody"
    recorded = Recorded("TestLambdaPermissions::test_add_lambda_permission_fields")
    create(client, "fields")
    this = {"FunctionName": "fields", "Action": "lambda:InvokeFunction"}
    for step, more in (
            ("add_permission_principal_wildcard", {"StatementId": "wilcard", "Principal": "*", "SourceAccount": "0" * 12}),
            ("add_permission_principal_service", {"StatementId": "lambda", "Principal": "lambda.amazonaws.com", "SourceAccount": "0" * 12}),
            ("add_permission_principal_account", {"StatementId": "account-id", "Principal": "0" * 12}),
            ("add_permission_principal_arn", {"StatementId": "user-arn", "Principal": user, "SourceAccount": "0" * 12}),
            ("add_permission_optional_fields", {
                "StatementId": "urlPermission", "Action": "lambda:InvokeFunctionUrl", "Principal": "*", "SourceAccount": "0" * 12,
                "SourceArn": "arn:aws:s3:::some-bucket", "FunctionUrlAuthType": "NONE", "PrincipalOrgID": "o-1234567890"}),
            ("add_permission_alexa_skill", {"StatementId": "alexaSkill", "Principal": "*",
                                            "EventSourceToken": "amzn1.ask.skill.xxxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"})):
        recorded.check(step, lambda **a: add(client, **a), **{**this, **more})


def test_permissions_come_and_go_as_recorded(client):
    recorded = Recorded("TestLambdaPermissions::test_remove_multi_permissions")
    create(client, "many")
    recorded.check("add_permission_1", lambda **a: add(client, **a), **s3("many"))
    recorded.check("add_permission_2", lambda **a: add(client, **a),
                   **s3("many", "sqs", SourceArn="arn:aws:s3:::bucket") | {"Principal": "sqs.amazonaws.com"})
    recorded.check("policy_after_2_add", lambda **a: policy(client, **a), FunctionName="many")
    recorded.check("remove_permission_exception_nonexisting_sid", client.remove_permission, FunctionName="many", StatementId="non-existent")
    removed = client.remove_permission(FunctionName="many", StatementId="sqs")
    assert removed["ResponseMetadata"]["HTTPStatusCode"] == 204
    recorded.check("policy_after_removal", lambda **a: policy(client, **a), FunctionName="many")
    recorded.check("policy_after_removal_attempt", lambda **a: policy(client, **a), FunctionName="many")
    client.remove_permission(FunctionName="many", StatementId="s3", RevisionId=policy(client, FunctionName="many")["RevisionId"])
    recorded.check("get_policy_exception_removed_all", client.get_policy, FunctionName="many")
    recorded = Recorded("TestLambdaPermissions::test_create_multiple_lambda_permissions")
    for number, service in enumerate(("logs", "kinesis"), 1):
        recorded.check(f"add_permission_response_{number}", lambda **a: add(client, **a),
                       **s3("many", service) | {"Principal": f"{service}.amazonaws.com"})
    recorded.check("policy_after_2_add", lambda **a: policy(client, **a), FunctionName="many")


def test_refusals_are_those_recorded(client):
    recorded = Recorded("TestLambdaPermissions::test_permission_exceptions")
    create(client, "refusing")
    this, absent = s3("refusing"), s3("doesnotexist")
    for step, call, arguments in (
            ("add_permission_invalid_statement_id", client.add_permission, {**this, "StatementId": "example.com"}),
            ("add_permission_fn_qualifier_mismatch", client.add_permission, {**this, "FunctionName": FUNCTION + "refusing:alias-not-42",
                                                                             "Qualifier": "42"}),
            ("add_permission_fn_qualifier_latest", client.add_permission, {**this, "Qualifier": "$LATEST"}),
            ("add_permission_principal_invalid", client.add_permission, {**this, "Principal": "invalid.nonaws.com"}),
            ("get_policy_fn_doesnotexist", client.get_policy, {"FunctionName": "doesnotexist"}),
            ("get_policy_fn_version_doesnotexist", client.get_policy, {"FunctionName": "refusing", "Qualifier": "1"}),
            ("add_permission_fn_doesnotexist", client.add_permission, absent),
            ("remove_permission_policy_doesnotexist", client.remove_permission, {"FunctionName": "refusing", "StatementId": "s3"}),
            ("add_permission_fn_alias_doesnotexist", client.add_permission, {**this, "Qualifier": "alias-doesnotexist"}),
            ("add_permission_fn_version_doesnotexist", client.add_permission, {**this, "Qualifier": "42"}),
            ("add_permission_fn_qualifier_invalid", client.add_permission, {**this, "Qualifier": "invalid-qualifier-with-?-char"}),
            ("add_permission_fn_qualifier_valid_doesnotexist", client.add_permission, {**this, "Qualifier": "valid-with-$-but-doesnotexist"})):
        recorded.check(step, call, **arguments)
    client.add_permission(**this)
    recorded.check("add_permission_conflicting_statement_id", client.add_permission, **this)
    recorded.check("remove_permission_fn_doesnotexist", client.remove_permission, FunctionName="doesnotexist", StatementId="s3")
    recorded.check("remove_permission_fn_alias_doesnotexist", client.remove_permission, FunctionName="refusing", StatementId="s3",
                   Qualifier="alias-doesnotexist")


def test_a_stale_revision_is_refused_as_recorded(client):
    recorded = Recorded("TestLambdaRevisions::test_function_revisions_permissions")
    create(client, "revised")
    this = s3("revised")
    recorded.check("add_permission_revision_exception", client.add_permission, **this, RevisionId="wrong")
    before = client.get_function_configuration(FunctionName="revised")["RevisionId"]
    client.add_permission(**this, RevisionId=before)
    after = client.get_function_configuration(FunctionName="revised")["RevisionId"]
    assert before != after == policy(client, FunctionName="revised")["RevisionId"]
    recorded.check("add_permission_revision_exception", client.remove_permission, FunctionName="revised", StatementId="s3", RevisionId=before)
    client.update_function_configuration(FunctionName="revised", Description="another")
    client.remove_permission(FunctionName="revised", StatementId="s3", RevisionId=after)  # the policy is still the one that was read


def test_a_policy_has_at_most_20480_bytes(client):
    create(client, "fat")

    def another(number):
        return s3("fat", f"{number:0100}", SourceArn="arn:aws:s3:::" + "b" * 1090)
    for number in range(14):
        client.add_permission(**another(number))
    problem = refused(client.add_permission, **another(14))
    assert problem[:2] == (400, "PolicyLengthExceededException")
    assert 20480 < int(problem[2].split("(")[1].split(")")[0]) < 22000 and "bigger than the limit (20480)" in problem[2]
    assert len(policy(client, FunctionName="fat")["Policy"]["Statement"]) == 14


@pytest.fixture(scope="module")
def together(client):
    create(client, "together")


def test_members_that_do_not_go_together_are_refused(client, together):
    assert refused(client.add_permission, **s3("together", FunctionUrlAuthType="NONE"))[2] == \
        "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
    assert refused(client.add_permission, **s3("together", FunctionUrlAuthType="SOME") | {"Action": "lambda:InvokeFunctionUrl"})[1] == \
        "ValidationException"


INVALID = "The provided principal was invalid. Please check the principal and try again."


@pytest.mark.parametrize("principal", [
    "nobody", "1234", "0000000000000", "amazonaws.com", ".amazonaws.com", "s3..amazonaws.com", "-.amazonaws.com", "S3.amazonaws.com", "s3.amazonaws.com.example.com",
    "arn:aws:s3:::bucket", "arn:aws:iam::000000000000:policy/p", "arn:aws:iam::000000000000:group/g", "arn:aws:iam::000000000000:user/", "arn:aws:iam::1:root",
    "arn:aws:iam::000000000000:user/*", "arn:aws:iam::*:root", "arn:aws:sts::000000000000:assumed-role/r", "arn:aws:iam:us-east-1:000000000000:root", "arn::::::"])
def test_principals_that_are_none(client, together, principal):
    assert refused(client.add_permission, **s3("together") | {"Principal": principal}) == (400, "InvalidParameterValueException", INVALID)


@pytest.mark.parametrize("principal", ["arn:aws:iam:000000000000:role/xxxx", "arn:aws", "arn:", '{"AWS":"*"}', "a/b", "**", "é"])
def test_principals_that_are_not_even_names(client, together, principal):
    assert refused(client.add_permission, **s3("together") | {"Principal": principal}) == (
        400, "InvalidParameterValueException", f"The provided input'{principal}'was invalid. Member must satisfy expression: [\\w+=,.@-]* Please check "
        "your input and try again.")


@pytest.mark.parametrize("member, value", [
    ("Principal", ""), ("Principal", "a b"), ("Principal", "\n"), ("Action", "lambda:"), ("Action", "InvokeFunction"), ("Action", "s3:GetObject"), ("Action", "lambda:*x"),
    ("SourceArn", ""), ("SourceArn", "bucket"), ("SourceArn", "arn:aws:s3"), ("SourceArn", "arn:other:s3:::b"), ("SourceArn", "arn:aws:s3:nowhere::b"),
    ("SourceArn", "arn:aws:s3::12:b"), ("SourceArn", "*"), ("SourceAccount", "1234"), ("SourceAccount", "*"), ("SourceAccount", "0000000000000"),
    ("PrincipalOrgID", "o-short"), ("PrincipalOrgID", "x-abcdefghij"), ("EventSourceToken", "a b"), ("EventSourceToken", "x" * 257), ("FunctionUrlAuthType", "some")],
    ids=lambda text: text[:20])
def test_absurd_members_are_refused_by_their_limits(client, together, member, value):
    status, code, message = refused(client.add_permission, **s3("together") | {member: value})
    assert (status, code) == (400, "ValidationException") and f"at '{member[0].lower()}{member[1:]}' failed to satisfy constraint" in message
    assert refused(client.get_policy, FunctionName="together")[0] == 404


@pytest.mark.parametrize("principal, shown", [
    ("s3.amazonaws.com", {"Service": "s3.amazonaws.com"}), ("logs.us-east-1.amazonaws.com", {"Service": "logs.us-east-1.amazonaws.com"}),
    ("alexa-appkit.amazon.com", {"Service": "alexa-appkit.amazon.com"}), ("*", "*"), ("111111111111", {"AWS": "arn:aws:iam::111111111111:root"}),
    ("arn:aws:iam::111111111111:role/a/b", {"AWS": "arn:aws:iam::111111111111:role/a/b"}), ("arn:aws:iam::111111111111:root", {"AWS": "arn:aws:iam::111111111111:root"}),
    ("arn:aws:sts::111111111111:assumed-role/r/s@x", {"AWS": "arn:aws:sts::111111111111:assumed-role/r/s@x"})])
def test_principals_are_kept_as_aws_shows_them(client, together, principal, shown):
    assert json.loads(client.add_permission(**s3("together") | {"Principal": principal})["Statement"])["Principal"] == shown
    client.remove_permission(FunctionName="together", StatementId="s3")


def test_a_policy_goes_with_its_function_and_survives_a_restart(server, client):
    create(client, "gone")
    client.add_permission(**s3("gone"))
    done = server.aws("lambda", "get-policy", "--function-name", FUNCTION + "gone", "--output", "json")
    assert json.loads(json.loads(done.stdout)["Policy"])["Statement"][0]["Sid"] == "s3", done.stderr
    client.delete_function(FunctionName="gone")
    create(client, "gone")
    assert refused(client.get_policy, FunctionName="gone")[:2] == (404, "ResourceNotFoundException")


@pytest.mark.parametrize("sid", ["a%2Fb", "..", "a b", "é"])
def test_odd_statement_ids_in_the_path_are_refused(client, sid):
    create(client, "odd") if sid == "a%2Fb" else None
    assert refused(client.remove_permission, FunctionName="odd", StatementId=sid)[0] in (400, 404)


def test_versions_and_aliases_have_policies_of_their_own_as_recorded(client):
    recorded = Recorded("TestLambdaPermissions::test_lambda_permission_fn_versioning")
    recorded.known["function-name:1"] = "fnversions"
    create(client, "fnversions")
    this = s3("fnversions", SourceArn="arn:aws:s3:::bucket")
    got = lambda **a: policy(client, **a)  # noqa: E731
    recorded.check("add_permission", lambda **a: add(client, **a), **this)
    recorded.check("get_policy", got, FunctionName="fnversions")
    version = client.publish_version(FunctionName="fnversions")["Version"]
    recorded.check("get_policy_after_publishing_latest", got, FunctionName="fnversions")
    recorded.check("get_policy_after_publishing_new_version", client.get_policy, FunctionName="fnversions", Qualifier=version)
    client.add_permission(**this, Qualifier=version)
    recorded.check("get_policy_version", got, FunctionName="fnversions", Qualifier=version)
    alias = recorded.check("create_alias_response", client.create_alias, FunctionName="fnversions", Name="permission-alias", FunctionVersion=version)
    recorded.check("add_permission_alias_revision_exception", client.add_permission, **this, Qualifier="permission-alias", RevisionId="wrong")
    client.add_permission(**this, Qualifier="permission-alias", RevisionId=alias["RevisionId"])
    recorded.check("get_policy_alias", got, FunctionName="fnversions", Qualifier="permission-alias")
    recorded.check("get_policy_after_adding_to_new_version", got, FunctionName="fnversions")
    client.add_permission(**{**this, "StatementId": "s3_2"})
    recorded.check("get_policy_after_adding_2", got, FunctionName="fnversions")
    assert refused(client.add_permission, **this, Qualifier=version)[1] == "ResourceConflictException"
    assert refused(client.add_permission, **{**this, "StatementId": "new"}, Qualifier=version, RevisionId="wrong")[:2] == \
        (412, "PreconditionFailedException")
    client.remove_permission(FunctionName="fnversions:permission-alias", StatementId="s3")
    assert refused(client.get_policy, FunctionName="fnversions:permission-alias")[0] == 404
    assert client.invoke(FunctionName="fnversions", Qualifier=version, Payload=b"[[1,2,3,4]]")["StatusCode"] == 200
