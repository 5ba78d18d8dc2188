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


def test_members_that_do_not_go_together_are_refused(client):
    create(client, "together")
    assert refused(client.add_permission, **s3("together", FunctionUrlAuthType="NONE"))[2] == \
        "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
    assert refused(client.add_permission, **s3("together", FunctionUrlAuthType="SOME") | {"Action": "lambda:InvokeFunctionUrl"})[1] == \
        "ValidationException"
    for principal in ("", "nobody", "arn:aws:s3:::bucket", "1234", "amazonaws.com", "s3.amazonaws.com.example.com"):
        assert refused(client.add_permission, **s3("together") | {"Principal": principal})[0] == 400, principal


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
