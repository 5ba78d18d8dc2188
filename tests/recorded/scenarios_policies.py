"""Permissions (resource policies) and function URLs."""
from replay import ARN, replays

PERMISSIONS, URL = "TestLambdaPermissions::test_", "TestLambdaUrl::test_"
BUCKET = "arn:aws:s3:::test-bucket"
S3 = {"Action": "lambda:InvokeFunction", "StatementId": "s3", "Principal": "s3.amazonaws.com"}


def add(r, step, name=None, **more):
    """AddPermission; step None: not recorded, and it must succeed."""
    statement = {"FunctionName": name or r.name, **S3, **more}
    return r.step(step, "add_permission", **statement) if step else r.call("add_permission", **statement)


def policy(r, step, **more):
    return r.step(step, "get_policy", FunctionName=r.name, **more)


@replays(PERMISSIONS + "add_lambda_permission_aws")
def permission(r):
    r.deploy("create_lambda")
    add(r, "add_permission", SourceArn=BUCKET)
    policy(r, "get_policy")


@replays(PERMISSIONS + "permission_exceptions")
def permission_exceptions(r):
    r.deploy()
    add(r, "add_permission_invalid_statement_id", StatementId="example.com")
    add(r, "add_permission_fn_qualifier_mismatch", r.name + ":alias-not-42", SourceArn=BUCKET, Qualifier="42")
    add(r, "add_permission_fn_qualifier_latest", r.name + ":$LATEST", SourceArn=BUCKET, Qualifier="$LATEST")
    add(r, "add_permission_principal_invalid", StatementId="lambda", Principal="invalid.nonaws.com", SourceAccount="0" * 12)
    r.step("get_policy_fn_doesnotexist", "get_policy", FunctionName="doesnotexist")
    policy(r, "get_policy_fn_version_doesnotexist", Qualifier="77")
    add(r, "add_permission_fn_doesnotexist", "doesnotexist", SourceArn=BUCKET)
    r.step("remove_permission_policy_doesnotexist", "remove_permission", FunctionName=r.name, StatementId="s3")
    add(r, "add_permission_fn_alias_doesnotexist", r.name + ":alias-doesnotexist", SourceArn=BUCKET)
    add(r, "add_permission_fn_version_doesnotexist", SourceArn=BUCKET, Qualifier="42")
    add(r, "add_permission_fn_qualifier_invalid", SourceArn=BUCKET, Qualifier="invalid-qualifier-with-?-char")
    add(r, "add_permission_fn_qualifier_valid_doesnotexist", SourceArn=BUCKET, Qualifier="valid-with-$-but-doesnotexist")
    add(r, None, SourceArn=BUCKET)
    add(r, "add_permission_conflicting_statement_id", SourceArn=BUCKET)
    r.step("remove_permission_fn_doesnotexist", "remove_permission", FunctionName="doesnotexist", StatementId="s3")
    r.step("remove_permission_fn_alias_doesnotexist", "remove_permission", FunctionName=r.name, StatementId="s3",
           Qualifier="alias-doesnotexist")


@replays(PERMISSIONS + "add_lambda_permission_optional_fields")
def nothing_recorded(r):
    assert not r.recording.steps


@replays(PERMISSIONS + "add_lambda_permission_fields")
def permission_fields(r):
    r.deploy()
    here = {"SourceAccount": "0" * 12}
    for step, statement in (
            ("principal_wildcard", {"StatementId": "wilcard", "Principal": "*", **here}),
            ("principal_service", {"StatementId": "lambda", "Principal": "lambda.amazonaws.com", **here}),
            ("principal_account", {"StatementId": "account-id", "Principal": "0" * 12}),
            ("principal_arn", {"StatementId": "user-arn", "Principal": "arn:aws:iam::000000000000:user/models", **here}),
            ("optional_fields", {"StatementId": "urlPermission", "Action": "lambda:InvokeFunctionUrl", "Principal": "*",
                                 "SourceArn": BUCKET, **here, "PrincipalOrgID": "o-1234567890", "FunctionUrlAuthType": "NONE"}),
            ("alexa_skill", {"StatementId": "alexaSkill", "Principal": "*",
                             "EventSourceToken": "amzn1.ask.skill.xxxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"})):
        add(r, f"add_permission_{step}", **statement)


@replays(PERMISSIONS + "remove_multi_permissions")
def permissions_removed(r):
    r.deploy()
    add(r, "add_permission_1")
    add(r, "add_permission_2", StatementId="sqs", Principal="sqs.amazonaws.com", SourceArn=BUCKET)
    policy(r, "policy_after_2_add")
    r.step("remove_permission_exception_nonexisting_sid", "remove_permission", FunctionName=r.name, StatementId="non-existent")
    r.call("remove_permission", FunctionName=r.name, StatementId="sqs")
    policy(r, "policy_after_removal")
    revision = policy(r, "policy_after_removal_attempt")["RevisionId"]
    r.call("remove_permission", FunctionName=r.name, StatementId="s3", RevisionId=revision)
    policy(r, "get_policy_exception_removed_all")


@replays(PERMISSIONS + "create_multiple_lambda_permissions")
def permissions_of_two(r):
    r.deploy()
    add(r, "add_permission_response_1", StatementId="logs", Principal="logs.amazonaws.com")
    add(r, "add_permission_response_2", StatementId="kinesis", Principal="kinesis.amazonaws.com")
    policy(r, "policy_after_2_add")


@replays(PERMISSIONS + "lambda_permission_versioning")
def permissions_of_versions_before(r):
    """An earlier form of the next: only the answers of GetPolicy."""
    r.deploy()
    add(r, "add_permission", SourceArn=BUCKET)
    policy(r, "get_policy")
    r.call("publish_version", FunctionName=r.name)
    policy(r, "get_policy_after_publishing_latest")
    policy(r, "get_policy_after_publishing_new_version", Qualifier="1")
    add(r, None, r.name + ":1", SourceArn=BUCKET, Qualifier="1")
    revision = policy(r, "get_policy_after_adding_to_new_version")["RevisionId"]
    add(r, None, StatementId="s3_2", SourceArn=BUCKET, RevisionId=revision)
    policy(r, "get_policy_after_adding_2")


@replays(PERMISSIONS + "lambda_permission_fn_versioning")
def permissions_of_versions(r):
    r.deploy()
    add(r, "add_permission", SourceArn=BUCKET)
    policy(r, "get_policy")
    r.step("publish_version_result", "publish_version", FunctionName=r.name)
    r.step("get_function_result_after_publishing", "get_function", FunctionName=r.name)
    policy(r, "get_policy_after_publishing_latest")
    policy(r, "get_policy_after_publishing_new_version", Qualifier="1")
    add(r, None, r.name + ":1", SourceArn=BUCKET, Qualifier="1")
    policy(r, "get_policy_version", Qualifier="1")
    alias = "permission-alias"
    revision = r.step("create_alias_response", "create_alias", FunctionName=r.name, Name=alias, FunctionVersion="1")["RevisionId"]
    r.step("get_alias", "get_alias", FunctionName=r.name, Name=alias)
    add(r, "add_permission_alias_revision_exception", SourceArn=BUCKET, Qualifier=alias, RevisionId="wrong")
    add(r, None, f"{r.name}:{alias}", SourceArn=BUCKET, Qualifier=alias, RevisionId=revision)
    policy(r, "get_policy_alias", Qualifier=alias)
    revision = policy(r, "get_policy_after_adding_to_new_version")["RevisionId"]
    add(r, None, StatementId="s3_2", SourceArn=BUCKET, RevisionId=revision)
    policy(r, "get_policy_after_adding_2")


@replays(PERMISSIONS + "lambda_permission_revisions")
def permission_revisions(r):
    """Of a test that is no more: what its steps' names and answers tell of its calls."""
    r.deploy(Runtime="python3.8")
    add(r, None, SourceArn=BUCKET)
    add(r, "add_permission_revision_id_doesnotmatch", StatementId="s3_2", SourceArn=BUCKET, RevisionId="wrong")
    r.step("remove_permission_fn_revision_id_doesnotmatch", "remove_permission", FunctionName=r.name, StatementId="s3", RevisionId="wrong")
    add(r, None, StatementId="s3_2", SourceArn=BUCKET)
    r.call("publish_version", FunctionName=r.name)
    add(r, None, StatementId="s3_2", SourceArn=BUCKET, Qualifier="1")
    policy(r, "get_policy_after_publish_version")
    revision = policy(r, "get_policy_v1_after_publish_version", Qualifier="1")["RevisionId"]
    r.step("get_function_fn8", "get_function", FunctionName=r.name)
    r.step("get_function_fn8_v1", "get_function", FunctionName=r.name, Qualifier="1")
    add(r, None, StatementId="s3_3", SourceArn=BUCKET, Qualifier="1", RevisionId=revision)
    r.step("get_function_fn9", "get_function", FunctionName=r.name)
    r.step("get_function_fn9_v1", "get_function", FunctionName=r.name, Qualifier="1")
    policy(r, "get_policy_v1_after_add_permission9", Qualifier="1")


# ---- function URLs ----
NODE = {"Runtime": "nodejs20.x", "Handler": "lambda_handler.handler"}


def url(r, step, verb, name=None, **more):
    return r.step(step, f"{verb}_function_url_config", FunctionName=name or r.name, **more)


@replays(URL + "url_config_lifecycle")
def url_lifecycle(r):
    r.deploy(**NODE)
    url(r, "url_creation", "create", AuthType="NONE")
    url(r, "failed_duplication", "create", AuthType="NONE")
    url(r, "get_url_config", "get")
    url(r, "updated_url_config", "update", AuthType="AWS_IAM")
    r.call("delete_function_url_config", FunctionName=r.name)
    url(r, "failed_getter", "get")


def version_and_alias(r):
    r.deploy(**NODE)
    r.step("fn_version_result", "publish_version", FunctionName=r.name)
    r.step("create_alias_result", "create_alias", FunctionName=r.name, Name="urlalias", FunctionVersion="1")


@replays(URL + "url_config_list_paging")
def url_listing(r):
    version_and_alias(r)
    r.step("list_function_notfound", "list_function_url_configs", FunctionName="doesnotexist")
    r.step("list_all_empty", "list_function_url_configs", FunctionName=r.name)
    url(r, "url_config_fn", "create", AuthType="NONE")
    url(r, "url_config_alias", "create", r.name + ":urlalias", Qualifier="urlalias", AuthType="NONE")
    answer = r.call("list_function_url_configs", FunctionName=r.name)
    answer["FunctionUrlConfigs"].sort(key=lambda each: each["FunctionArn"])
    r.match("list_all", answer)


@replays(URL + "url_config_exceptions")
def url_exceptions(r):
    version_and_alias(r)
    for verb, more in (("create", {"AuthType": "NONE"}), ("get", {}), ("delete", {}), ("update", {"AuthType": "AWS_IAM"})):
        for step, name, qualifier in (("name_doesnotexist", "doesnotexist", None), ("arn_doesnotexist", ARN + "doesnotexist", None),
                                      ("name_doesnotexist_qualifier", "doesnotexist", "1"), ("qualifier_version", r.name, "1"),
                                      ("qualifier_version_doesnotexist", r.name, "2"), ("qualifier_alias_doesnotexist", r.name, "v1"),
                                      ("qualifier_alias_doesnotmatch_arn", r.name + ":urlalias-doesnotmatch", "urlalias"),
                                      ("qualifier_latest", r.name, "$LATEST"), ("config_doesnotexist", r.name, None)):
            if (verb, step) != ("create", "config_doesnotexist"):
                url(r, f"{verb}_function_url_config_{step}", verb, name, **more, **({"Qualifier": qualifier} if qualifier else {}))


@replays(URL + "url_config_deletion_without_qualifier")
def url_deletion(r):
    r.create(Environment={"Variables": {"testenv": "staging"}})
    r.call("publish_version", FunctionName=r.name)
    r.call("create_alias", FunctionName=r.name, Name="test-alias", FunctionVersion="1", Description="custom-alias")
    alias = {"Qualifier": "test-alias"}
    url(r, "url_creation", "create", AuthType="NONE")
    url(r, "url_with_alias_creation", "create", AuthType="NONE", **alias)
    url(r, "get_url_config", "get")
    url(r, "get_url_config_with_alias", "get", **alias)
    url(r, "delete_function_url_config", "delete")
    url(r, "get_url_config_after_deletion", "get")
    url(r, "get_url_config_with_alias_after_deletion", "get", **alias)
