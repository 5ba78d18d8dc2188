"""Versions, aliases, revisions."""
from replay import replays

VERSIONS, ALIAS, REVISIONS = "TestLambdaVersions::test_", "TestLambdaAlias::test_", "TestLambdaRevisions::test_"
STAGING, PROD = ({"Variables": {"testenv": each}} for each in ("staging", "prod"))


def get(r, step, qualifier=None):
    return r.step(step, "get_function", FunctionName=r.name, **({"Qualifier": qualifier} if qualifier else {}))


def versions(r, step):
    return r.step(step, "list_versions_by_function", FunctionName=r.name)


def publish(r, step, **more):
    return r.step(step, "publish_version", FunctionName=r.name, **more)


def configure(r, step=None, **more):
    change = {"FunctionName": r.name, **more}
    answer = r.step(step, "update_function_configuration", **change) if step else r.call("update_function_configuration", **change)
    r.settle()
    return answer


@replays(VERSIONS + "publish_version_on_create")
def published_at_creation(r):
    r.create("create_response", Publish=True)
    get(r, "get_function_result")
    get(r, "get_function_version_result", "1")
    get(r, "get_function_latest_result", "$LATEST")
    versions(r, "list_versions_result")
    publish(r, "repeated_publish_response", Description="Repeated version description :)")
    versions(r, "list_versions_result_after_publish")


@replays(VERSIONS + "version_lifecycle")
def version_lifecycle(r):
    r.create("create_response", Description="No version :(")
    get(r, "get_function_result")
    versions(r, "list_versions_result")
    configure(r, "first_update_response", Description="First version :)")
    get(r, "first_update_get_function")
    publish(r, "first_publish_response", Description="First version description :)")
    get(r, "first_publish_get_function", "1")
    r.step("first_publish_get_function_config", "get_function_configuration", FunctionName=r.name, Qualifier="1")
    configure(r, "second_update_response", Description="Second version :))")
    get(r, "first_publish_get_function_after_update", "1")
    publish(r, "second_publish_response")
    publish(r, "third_publish_response", Description="Third version description :)))")
    versions(r, "list_versions_result_after_third_publish")
    r.call("delete_function", FunctionName=r.name + ":1")
    versions(r, "list_versions_result_after_deletion_of_first_version")


@replays(VERSIONS + "publish_with_wrong_revisionid")
def publish_wrong_revision(r):
    r.create("create_response", Runtime="python3.9")
    revision = get(r, "get_fn_response")["Configuration"]["RevisionId"]
    publish(r, "publish_wrong_revisionid_exc", RevisionId="doesntexist")
    publish(r, "publish_result", RevisionId=revision)


@replays(VERSIONS + "publish_with_wrong_sha256")
def publish_wrong_sha256(r):
    r.create("create_response")
    sha256 = get(r, "get_fn_response")["Configuration"]["CodeSha256"]
    publish(r, "publish_wrong_sha256_exc", CodeSha256="somenonexistentsha256")
    publish(r, "publish_result", CodeSha256=sha256)


@replays(VERSIONS + "publish_with_update")
def publish_with_update(r):
    r.create("create_response")
    get(r, "get_function_result")
    r.step("update_function_code_result", "update_function_code", FunctionName=r.name, ZipFile=r.busy_package(), Publish=True)
    get(r, "get_function_version_result", "1")
    get(r, "get_function_latest_result", "$LATEST")
    r.settle()


# ---- aliases ----
def alias(r, step, name, version, read=None, **more):
    answer = r.step(step, "create_alias", FunctionName=r.name, Name=name, FunctionVersion=version, **more)
    if read:
        r.step(read, "get_alias", FunctionName=r.name, Name=name)
    return answer


def aliases(r, step, **more):
    answer = r.call("list_aliases", FunctionName=r.name, **more)
    answer["Aliases"].sort(key=lambda each: each["Name"])
    r.match(step, answer)


def two_versions(r):
    """publish_v1 and publish_v2 of a function whose environment says staging, then prod."""
    publish(r, "publish_v1")
    configure(r, Environment=PROD)
    publish(r, "publish_v2")


@replays(ALIAS + "alias_lifecycle")
def alias_lifecycle(r):
    r.create("create_response", Environment=STAGING)
    two_versions(r)
    make_aliases(r)
    pages = r.client.get_paginator("list_aliases").paginate(FunctionName=r.name, PaginationConfig={"PageSize": 1}).build_full_result()
    r.match("list_aliases_for_fnname", {"Aliases": sorted(pages["Aliases"], key=lambda each: each["Name"])})
    change_aliases(r)
    aliases(r, "list_aliases_for_version", FunctionVersion="1")
    r.step("delete_alias_response", "delete_alias", FunctionName=r.name, Name="aliasname1_1")
    aliases(r, "list_aliases_for_fnname_afterdelete")


def make_aliases(r):
    described = {"Description": "custom-alias"}
    arn = alias(r, "create_alias_1_1", "aliasname1_1", "1", "get_alias_1_1", **described,
                RoutingConfig={"AdditionalVersionWeights": {"2": 0.2}})["AliasArn"]
    get(r, "get_function_alias_1_1", "aliasname1_1")
    r.step("get_function_byarn_alias_1_1", "get_function", FunctionName=arn)
    get(r, "get_function_alias_notfound_exc", "aliasdoesnotexist")
    r.step("get_function_alias_byarn_notfound_exc", "get_function", FunctionName=arn.replace("aliasname1_1", "aliasdoesnotexist"))
    alias(r, "create_alias_1_2", "aliasname1_2", "1", "get_alias_1_2", **described)
    alias(r, "create_alias_1_3", "aliasname1_3", "1", "get_alias_1_3")
    alias(r, "create_alias_2", "aliasname2", "2", "get_alias_2", **described)


def change_aliases(r):
    for name, listed, change in (("1_1", "", {"RoutingConfig": {"AdditionalVersionWeights": {}}}), ("1_2", "_2", {})):
        r.step(f"update_alias_{name}", "update_alias", FunctionName=r.name, Name="aliasname" + name, **change)
        r.step(f"get_alias_{name}_after_update", "get_alias", FunctionName=r.name, Name="aliasname" + name)
        aliases(r, f"list_aliases_for_fnname_after_update{listed}")


@replays(ALIAS + "non_existent_alias_deletion")
def delete_absent_alias(r):
    r.create("create_response", Environment=STAGING)
    r.step("delete_alias_response", "delete_alias", FunctionName=r.name, Name="non-existent")


@replays(ALIAS + "non_existent_alias_update")
def update_absent_alias(r):
    r.create("create_response", Environment=STAGING)
    r.step("update_alias_response", "update_alias", FunctionName=r.name, Name="non-existent")


REFUSED_ROUTES = (  # step, version, weights
    ("routing_config_exc_toomany", "1", {"1": 0.8, "2": 0.2}), ("routing_config_exc_toohigh", "1", {"2": 2}),
    ("routing_config_exc_subzero", "1", {"2": -1}), ("routing_config_exc_sameversion", "1", {"1": 0.5}),
    ("target_version_doesnotexist", "10", {"2": 0.5}), ("routing_config_exc_version_doesnotexist", "1", {"10": 0.5}),
    ("target_version_exc_version_latest", "$LATEST", {"1": 0.5}), ("routing_config_exc_version_latest", "1", {"$LATEST": 0.5}))


@replays(ALIAS + "notfound_and_invalid_routingconfigs")
def refused_routes(r):
    def weights(of):
        return {"RoutingConfig": {"AdditionalVersionWeights": of}}

    r.create("create_response", Publish=True, Environment=STAGING)
    two_versions(r)
    for step, version, of in REFUSED_ROUTES:
        alias(r, step, "custom", version, **weights(of))
    alias(r, "create-alias-latest", "custom-latest", "$LATEST")
    r.step("routing_config_exc_fn_doesnotexist", "create_alias", FunctionName=r.name + "-unknown", Name="custom", FunctionVersion="1",
           **weights({"2": 0.5}))
    alias(r, "create_alias_empty_routingconfig", "custom-empty-routingconfig", "1", **weights({}))
    alias(r, "create_alias_response", "custom", "1", **weights({"2": 0.5}))
    alias(r, "routing_config_exc_already_exist", "custom", "1", **weights({"2": 0.5}))
    r.step("alias_does_not_exist_esc", "get_alias", FunctionName=r.name, Name="non-existent")


@replays(ALIAS + "alias_naming")
def alias_naming(r):
    r.create("create_response", Environment=STAGING)
    publish(r, "publish_v1")
    alias(r, "create_alias_date", "2024-01-02", "1", "get_alias_date", Description="custom-alias")
    alias(r, "create_alias_number_exception", "2024", "1", Description="custom-alias")


# ---- revisions ----
def revision(answer):
    return answer.get("Configuration", answer)["RevisionId"]


@replays(REVISIONS + "function_revisions_basic")
def revisions_of_a_function(r):
    package = r.package()
    r.deploy("create_function_response_rev1", Code={"ZipFile": package}, Handler="index.handler")
    current = revision(get(r, "get_function_response_rev2"))
    code = {"FunctionName": r.name, "ZipFile": package}
    r.step("update_function_revision_exception", "update_function_code", **code, RevisionId="wrong")
    r.step("update_function_code_response_rev3", "update_function_code", **code, RevisionId=current)
    r.settle()
    current = revision(get(r, "get_function_response_rev4"))
    configure(r, "update_function_configuration_revision_exception", Runtime="python3.8", RevisionId="wrong")
    configure(r, "update_function_configuration_response_rev5", Runtime="python3.8", RevisionId=current)
    get(r, "get_function_response_rev6")


@replays(REVISIONS + "function_revisions_version_and_alias")
def revisions_of_versions_and_aliases(r):
    r.deploy("create_function_response_rev1")
    current = revision(get(r, "get_function_active_rev2"))
    publish(r, "publish_version_revision_exception", RevisionId="wrong")
    publish(r, "publish_version_response_rev_v1", RevisionId=current)
    get(r, "get_function_published_version_rev_v2", "1")
    get(r, "get_function_latest_rev3")
    current = revision(alias(r, "create_alias_response_rev_a1", "revision_alias", "1"))
    get(r, "get_function_latest_rev4")
    get(r, "get_function_published_version_rev_v3", "1")
    change = {"FunctionName": r.name, "Name": "revision_alias"}
    r.step("update_alias_revision_exception", "update_alias", **change, RevisionId="wrong")
    r.step("update_alias_response_rev_a2", "update_alias", **change, Description="something changed", RevisionId=current)


@replays(REVISIONS + "function_revisions_permissions")
def revisions_of_policies(r):
    r.deploy()
    r.step("add_permission_revision_exception", "add_permission", FunctionName=r.name, StatementId="s3", Action="lambda:InvokeFunction",
           Principal="s3.amazonaws.com", RevisionId="wrong")
