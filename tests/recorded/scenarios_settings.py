"""What is set for a function or one of its qualifiers: tags, event invoke configurations, reserved and provisioned concurrency."""
from replay import ARN, replays

TAG, TAGS = "TestLambdaTag::test_", "TestLambdaTags::test_"
LIMIT = 1000  # ConcurrentExecutions of the account


@replays(TAG + "create_tag_on_fn_create")
def tags_at_creation(r):
    r.deploy(Tags={"testtag": "tag-4711"})
    r.step("get_function_result", "get_function", FunctionName=r.name)
    r.step("list_tags_result", "list_tags", Resource=r.arn)


@replays(TAG + "tag_lifecycle", TAG + "tag_lifecycle[lambda_function]")
def tag_lifecycle(r):
    r.deploy()
    for step, operation, change in (
            ("tag_single", "tag_resource", {"Tags": {"A": "tag-a"}}),
            ("tag_multiple", "tag_resource", {"Tags": {"B": "tag-b", "C": "tag-c"}}),
            ("tag_overlap", "tag_resource", {"Tags": {"C": "tag-c-newsuffix", "D": "tag-d"}}),
            ("untag_single", "untag_resource", {"TagKeys": ["A"]}),
            ("untag_multiple", "untag_resource", {"TagKeys": ["B", "C"]}),
            ("untag_nonexisting", "untag_resource", {"TagKeys": ["F"]}),
            ("untag_existing_and_nonexisting", "untag_resource", {"TagKeys": ["D", "F"]})):
        r.step(f"{step}_response", operation, Resource=r.arn, **change)
        r.step(f"{step}_response_listtags", "list_tags", Resource=r.arn)


def absent_resource(r, arn):
    r.step("not_found_exception_tag", "tag_resource", Resource=arn, Tags={"A": "B"})
    r.step("not_found_exception_untag", "untag_resource", Resource=arn, TagKeys=["A"])
    r.step("not_found_exception_list", "list_tags", Resource=arn)


@replays(TAG + "tag_nonexisting_resource")
def tags_of_a_deleted_function(r):
    r.deploy()
    r.step("pre_delete_get_function", "get_function", FunctionName=r.arn)
    r.call("delete_function", FunctionName=r.arn)
    absent_resource(r, r.arn)


KINDS = {"lambda_function": "function", "event_source_mapping": "event-source-mapping", "capacity_provider": "capacity-provider"}


@replays(TAG + "tag_exceptions[{}]", cases=KINDS)
def tags_of_absent_resources(r, case):
    arn = f"arn:aws:lambda:us-east-1:000000000000:{KINDS[case]}:5d4d1c7e-2b0a-4d7a-9a51-0a6d3f1c2b3a"
    absent_resource(r, arn)
    r.step("aliased_arn_exception", "list_tags", Resource=arn + ":alias")
    r.step("invalid_arn_exception", "list_tags", Resource=arn.replace(KINDS[case], "foobar"))


@replays(TAGS + "tag_exceptions")
def refused_tags(r):
    r.deploy()
    some = {"Tags": {"key_a": "value_a"}}
    r.step("tag_lambda_invalidarn", "tag_resource", Resource="arn:aws:something", **some)
    r.step("tag_lambda_doesnotexist", "tag_resource", Resource=ARN + "doesnotexist", **some)
    r.step("tag_lambda_qualifier_doesnotexist", "tag_resource", Resource=r.arn + ":v1", **some)
    r.step("list_tag_lambda_empty", "list_tags", Resource=r.arn)
    r.step("untag_nomatch", "untag_resource", Resource=r.arn, TagKeys=["somekey"])
    r.step("untag_empty_keys", "untag_resource", Resource=r.arn, TagKeys=[])
    r.step("tag_empty_tags", "tag_resource", Resource=r.arn, Tags={})


@replays(TAGS + "tag_limits")
def tag_limits(r):
    def tags(n):
        return {f"{i}_key": f"{i}_value" for i in range(n)}

    r.deploy()
    r.step("tag_lambda_too_many_tags", "tag_resource", Resource=r.arn, Tags=tags(51))
    r.step("tag_response", "tag_resource", Resource=r.arn, Tags=tags(50))
    r.step("list_tags_response", "list_tags", Resource=r.arn)
    r.step("get_fn_response", "get_function", FunctionName=r.name)
    r.step("tag_lambda_too_many_tags_additional", "tag_resource", Resource=r.arn, Tags={"a_key": "a_value"})
    r.create("create_function_invalid_tags", FunctionName=r.new_name(), Tags=tags(51))


@replays(TAGS + "tag_versions")
def tags_of_versions(r):
    r.deploy(Tags={"key_a": "value_a"})
    more = {"Tags": {f"key_{c}": f"value_{c}" for c in "bcde"}}
    version = r.call("publish_version", FunctionName=r.name)["FunctionArn"]
    r.step("tag_resource_exception", "tag_resource", Resource=version, **more)
    r.step("tag_resource_latest_exception", "tag_resource", Resource=r.arn + ":$LATEST", **more)


@replays(TAGS + "tag_lifecycle")
def tags_seen_twice(r):
    def read(after):
        r.step(f"list_tags_response_{after}", "list_tags", Resource=r.arn)
        r.step(f"get_fn_response_{after}", "get_function", FunctionName=r.arn)

    r.deploy(Tags={"key_a": "value_a"})
    read("postfncreate")
    r.step("tag_resource_response", "tag_resource", Resource=r.arn, Tags={f"key_{c}": f"value_{c}" for c in "bcde"})
    read("postaddtags")
    r.step("tag_resource_overwrite", "tag_resource", Resource=r.arn, Tags={"key_b": "value_b", "key_c": "value_x"})
    read("overwrite")
    r.call("untag_resource", Resource=r.arn, TagKeys=["key_c", "key_d"])
    read("postuntag")
    r.call("untag_resource", Resource=r.arn, TagKeys=["key_a", "key_b", "key_e"])
    read("postuntagall")
    r.call("delete_function", FunctionName=r.name)
    r.step("list_tags_postdelete", "list_tags", Resource=r.arn)


# ---- EventInvokeConfig ----
def put(r, step, name=None, **more):
    return r.step(step, "put_function_event_invoke_config", FunctionName=name or r.name, **more)


def change(r, step, name=None, **more):
    return r.step(step, "update_function_event_invoke_config", FunctionName=name or r.name, **more)


def read(r, step, name=None, **more):
    return r.step(step, "get_function_event_invoke_config", FunctionName=name or r.name, **more)


def delete(r, step, name=None, **more):
    return r.step(step, "delete_function_event_invoke_config", FunctionName=name or r.name, **more)


@replays("TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_lifecycle")
def event_invoke_lifecycle(r):
    r.deploy()
    put(r, "put_invokeconfig_retries_0", MaximumRetryAttempts=0)
    put(r, "put_invokeconfig_eventage_60", MaximumEventAgeInSeconds=60)
    change(r, "update_invokeconfig_eventage_nochange", MaximumEventAgeInSeconds=60)
    change(r, "update_invokeconfig_retries", MaximumRetryAttempts=1)
    read(r, "get_invokeconfig")
    read(r, "get_invokeconfig_latest", Qualifier="$LATEST")
    r.step("list_single_invokeconfig", "list_function_event_invoke_configs", FunctionName=r.name)
    r.step("publish_version_result", "publish_version", FunctionName=r.name)
    read(r, "get_invokeconfig_postpublish", Qualifier="1")
    put(r, "put_published_invokeconfig", Qualifier="1", MaximumEventAgeInSeconds=120)
    read(r, "get_published_invokeconfig", Qualifier="1")
    r.call("delete_function_event_invoke_config", FunctionName=r.name)
    r.step("list_paging_nolimit_postdelete", "list_function_event_invoke_configs", FunctionName=r.name)


@replays("TestLambdaEventInvokeConfig::test_lambda_eventinvokeconfig_exceptions")
def event_invoke_exceptions(r):
    other = r.new_name()
    r.deploy()
    r.deploy(FunctionName=other)
    r.step("fn_version_result", "publish_version", FunctionName=r.name)
    r.step("fn_alias_result", "create_alias", FunctionName=r.name, Name="eventinvokealias", FunctionVersion="1")
    put(r, "put_functionname_name_notfound", "doesnotexist", MaximumRetryAttempts=1)
    put(r, "put_functionname_arn_notfound", ARN + "doesnotexist", MaximumRetryAttempts=1)
    put(r, "put_functionname_nootherargs", "doesnotexist")
    event_destinations(r, ARN + other)
    event_qualifiers(r)
    event_overwriting(r)
    event_deletion(r)


def event_destinations(r, other):
    for step, side, to in (("lambda_doesntexist", "OnSuccess", {"Destination": ARN + "doesnotexist"}),
                           ("recursive", "OnSuccess", {"Destination": r.arn}),
                           ("other_lambda", "OnSuccess", {"Destination": other}),
                           ("invalid_service_arn", "OnSuccess", {"Destination": r.arn.replace(":lambda:", ":iam:")}),
                           ("success_no_destination_arn", "OnSuccess", {}), ("failure_no_destination_arn", "OnFailure", {}),
                           ("invalid_arn_pattern", "OnFailure", {"Destination": r.arn.replace(":lambda:", ":_-/!lambda:")})):
        put(r, f"put_destination_{step}", DestinationConfig={side: to})


def event_qualifiers(r):
    alias = "eventinvokealias"
    for step, name, qualifier in (
            ("destination_latest", "", None), ("destination_latest_explicit_qualifier", "", "$LATEST"), ("destination_version", "", "1"),
            ("alias_functionname_qualifier", "", alias), ("alias_doesnotexist", "", alias + "doesnotexist"),
            ("alias_qualifiedarn", ARN, None), ("alias_qualifiedarn_qualifier", ARN, alias),
            ("alias_qualifiedarn_qualifierconflict", ARN, alias + "doesnotexist"),
            ("alias_shorthand", ":" + alias, None), ("alias_shorthand_qualifier", ":" + alias, alias),
            ("alias_shorthand_qualifierconflict", ":" + alias, alias + "doesnotexist"), ("version_shorthand", ":1", None),
            ("shorthand_qualifier_match", ":$LATEST", "$LATEST"), ("shorthand_qualifier_mismatch_1", ":1", "$LATEST"),
            ("shorthand_qualifier_mismatch_2", ":$LATEST", "1"), ("shorthand_qualifier_mismatch_3", ":1", alias)):
        whole = f"{ARN}{r.name}:{alias}" if name == ARN else r.name + name
        put(r, f"put_{step}", whole, MaximumRetryAttempts=1, **({"Qualifier": qualifier} if qualifier else {}))


def event_overwriting(r):
    put(r, "put_maxevent_maxvalue_result", MaximumRetryAttempts=2, MaximumEventAgeInSeconds=21600)
    put(r, "put_pre_overwrite", MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60)
    put(r, "put_post_overwrite", MaximumRetryAttempts=0)
    put(r, "second_overwrite_existing_response", MaximumRetryAttempts=0)
    read(r, "get_post_overwrite")
    put(r, "pre_update_response", MaximumRetryAttempts=2, MaximumEventAgeInSeconds=60)
    change(r, "update_response", MaximumRetryAttempts=0)
    change(r, "update_response_existing", MaximumRetryAttempts=0)


def event_configurations(r, step):
    answer = r.call("list_function_event_invoke_configs", FunctionName=r.name)
    answer["FunctionEventInvokeConfigs"].sort(key=lambda each: each["FunctionArn"])
    r.match(step, answer)


def event_deletion(r):
    alias = r.arn + ":eventinvokealias"
    event_configurations(r, "list_configs")
    for step, qualifier in (("latest", "$LATEST"), ("version", "1"), ("alias", "eventinvokealias")):
        delete(r, f"delete_{step}", Qualifier=qualifier)
    event_configurations(r, "list_configs_postdelete")
    delete(r, "delete_function_not_found")
    delete(r, "delete_function_doesnotexist", "doesnotexist")
    r.step("list_function_doesnotexist", "list_function_event_invoke_configs", FunctionName="doesnotexist")
    read(r, "get_function_doesnotexist", "doesnotexist")
    read(r, "get_qualifier_doesnotexist", Qualifier="doesnotexist")
    change(r, "update_eventinvokeconfig_function_doesnotexist", "doesnotexist", MaximumRetryAttempts=0)
    read(r, "get_eventinvokeconfig_doesnotexist", alias)
    change(r, "update_eventinvokeconfig_config_doesnotexist_with_qualifier", alias, MaximumRetryAttempts=0)
    change(r, "update_eventinvokeconfig_config_doesnotexist_without_qualifier", r.arn, MaximumRetryAttempts=0)


# ---- concurrency ----
def reserve(r, step, name, n):
    return r.step(step, "put_function_concurrency", FunctionName=name, ReservedConcurrentExecutions=n)


@replays("TestLambdaReservedConcurrency::test_function_concurrency_exceptions")
def reserved_exceptions(r):
    reserve(r, "put_function_concurrency_with_function_name_doesnotexist", "doesnotexist", 1)
    reserve(r, "put_function_concurrency_with_function_name_doesnotexist_and_invalid_concurrency", "doesnotexist", 0)
    r.deploy()
    arn = r.call("get_function_configuration", FunctionName=r.name, Qualifier="$LATEST")["FunctionArn"]
    reserve(r, "put_function_concurrency_with_qualified_arn", arn, 0)


@replays("TestLambdaReservedConcurrency::test_function_concurrency_limits")
def reserved_limits(r):
    r.deploy()
    reserve(r, "put_function_concurrency_account_limit_exceeded", r.name, LIMIT + 1)
    reserve(r, "put_function_concurrency_below_unreserved_min_value", r.name, LIMIT)


@replays("TestLambdaReservedConcurrency::test_function_concurrency")
def reserved(r):
    r.deploy()
    reserve(r, "put_function_concurrency_with_reserved_0", r.name, 0)
    reserve(r, "put_function_concurrency_with_reserved_1", r.name, 1)
    r.step("get_function_concurrency", "get_function_concurrency", FunctionName=r.name)
    r.step("delete_response", "delete_function_concurrency", FunctionName=r.name)
    r.step("get_function_concurrency_after_delete", "get_function_concurrency", FunctionName=r.name)


def provisioned(r, step, verb, name, qualifier, n=None):
    return r.step(step, f"{verb}_provisioned_concurrency_config", FunctionName=name, Qualifier=qualifier,
                  **({} if n is None else {"ProvisionedConcurrentExecutions": n}))


@replays("TestLambdaProvisionedConcurrency::test_provisioned_concurrency_exceptions")
def provisioned_exceptions(r):
    r.deploy()
    r.step("publish_version_result", "publish_version", FunctionName=r.name)
    for step, name, qualifier in (("config_doesnotexist", r.name, "1"), ("functionname_doesnotexist", "doesnotexist", "noalias"),
                                  ("qualifier_doesnotexist", r.name, "noalias"), ("version_doesnotexist", r.name, "10"),
                                  ("latest", r.name, "$LATEST")):
        provisioned(r, f"get_provisioned_{step}", "get", name, qualifier)
    r.step("list_provisioned_noconfigs", "list_provisioned_concurrency_configs", FunctionName=r.name)
    r.step("list_provisioned_functionname_doesnotexist", "list_provisioned_concurrency_configs", FunctionName="doesnotexist")
    for step, name, qualifier in (("functionname_doesnotexist", "doesnotexist", "1"), ("qualifier_doesnotexist", r.name, "noalias"),
                                  ("version_doesnotexist", r.name, "10"), ("latest", r.name, "$LATEST"),
                                  ("config_doesnotexist", r.name, "1")):
        provisioned(r, f"delete_provisioned_{step}", "delete", name, qualifier)
    for step, name, qualifier, n in (("invalid_param_0", r.name, "1", 0), ("functionname_doesnotexist_alias", "doesnotexist", "noalias", 1),
                                     ("functionname_doesnotexist_version", "doesnotexist", "1", 1),
                                     ("qualifier_doesnotexist", r.name, "doesnotexist", 1), ("version_doesnotexist", r.name, "10", 1),
                                     ("latest", r.name, "$LATEST", 1)):
        provisioned(r, f"put_provisioned_{step}", "put", name, qualifier, n)


@replays("TestLambdaProvisionedConcurrency::test_provisioned_concurrency_limits")
def provisioned_limits(r):
    r.deploy()
    r.call("publish_version", FunctionName=r.name)
    provisioned(r, "put_provisioned_concurrency_account_limit_exceeded", "put", r.name, "1", LIMIT + 1)
    provisioned(r, "put_provisioned_concurrency_below_unreserved_min_value", "put", r.name, "1", LIMIT)


@replays("TestLambdaProvisionedConcurrency::test_lambda_provisioned_lifecycle")
def provisioned_lifecycle(r):
    r.deploy()
    r.step("publish_version_result", "publish_version", FunctionName=r.name)
    r.step("create_alias_result", "create_alias", FunctionName=r.name, Name="alias-4711", FunctionVersion="1")
    provisioned(r, "put_provisioned_on_version", "put", r.name, "1", 1)
    provisioned(r, "put_provisioned_on_alias_versionconflict", "put", r.name, "alias-4711", 1)
    r.wait_ready("1")
    provisioned(r, "delete_provisioned_version", "delete", r.name, "1")
    provisioned(r, "get_provisioned_version_postdelete", "get", r.name, "1")
    provisioned(r, "put_provisioned_on_alias", "put", r.name, "alias-4711", 1)
    provisioned(r, "put_provisioned_on_version_conflict", "put", r.name, "1", 1)
    r.step("delete_alias_result", "delete_alias", FunctionName=r.name, Name="alias-4711")
    provisioned(r, "get_provisioned_alias_postaliasdelete", "get", r.name, "alias-4711")
    r.step("list_response_postdeletes", "list_provisioned_concurrency_configs", FunctionName=r.name)
