"""Seeds for fuzz_front: round trips of each family of operations, written as front_request.h and front_value.h read bytes. An operation or a
member that is not mentioned by number is given by its name, through the same hash."""

DEFAULT, SLOT, ABSENT, WRONG, KEPT, _, ABSURD, NUMBER, TEXT, RAW, NESTED, LONG, VALUE, REPEAT, MEMBER, KEPT_AND = range(16)
REST, RESTART = b"\0", b"\1"  # the first byte of an input: is the server started again at its end?
UNSIGNED, BROKEN, SKEWED, PRESIGNED, SESSION, HANG_UP, BODY, QUERY, REGION = 4, 5, 6, 7, 8, 16, 32, 64, 128


def number(name):
    value = 2166136261
    for byte in [*name.encode(), 0]:
        value = (value ^ byte) * 16777619 & 0xffffffff
    return ((value >> 16 ^ value) & 0xffff).to_bytes(2, "big")


def text(value):
    return bytes([len(value)]) + value


def member(name, how=DEFAULT, *rest):
    return number(name) + bytes([how]) + b"".join(r if isinstance(r, bytes) else bytes([r]) for r in rest)


def say(name, value):
    return member(name, TEXT, text(value))


def op(name, *members, mode=0, more=b"", tail=b""):
    return number(name) + bytes([mode]) + more + bytes([len(members)]) + b"".join(members) + tail


def fn(name, *members, **rest):
    return op("lambda." + name, *members, **rest)


def own(name, tail=b"\0", mode=0):
    return number("lambda." + name) + bytes([mode]) + tail


def host(outcome, response=b""):
    return number("lambda.host") + bytes([outcome]) + text(response)


CREATE, GET = fn("CreateFunction"), fn("GetFunction")
PUBLISH = fn("PublishVersion")
VERSION = say("FunctionVersion", b"1")
QUALIFIER = say("Qualifier", b"1")
ALIAS = CREATE + GET * 2 + PUBLISH + fn("CreateAlias", VERSION)


def seeds():
    yield "function", RESTART + CREATE + GET + fn("GetFunctionConfiguration") + fn("ListFunctions", member("MaxItems", SLOT, 0)) + \
        fn("UpdateFunctionConfiguration", member("Description", TEXT, text(b"new"))) + GET * 3 + fn("DeleteFunction") + GET
    yield "code", RESTART + CREATE + GET * 3 + fn("UpdateFunctionCode", say("ZipFile", b"UEsFBm0=")) + GET * 3 + \
        fn("UpdateFunctionCode", say("ZipFile", b"UEsFBmI=")) + GET * 3 + fn("UpdateFunctionCode", member("DryRun")) + \
        fn("UpdateFunctionCode", member("Publish"), say("ZipFile", b"UEsFBmE=")) + GET * 3 + fn("ListVersionsByFunction")
    yield "configuration", RESTART + b"".join(
        fn("CreateFunction", member("FunctionName", SLOT, i), *(member(name) for name in names)) for i, names in enumerate([
            ["Runtime", "Handler", "Timeout", "MemorySize", "Environment"], ["VpcConfig", "TracingConfig", "Tags", "EphemeralStorage"],
            ["LoggingConfig", "SnapStart", "ImageConfig", "Architectures"], ["Publish", "DeadLetterConfig", "PackageType"],
            ["Layers", "FileSystemConfigs", "KMSKeyArn"]])) + fn("ListFunctions")
    yield "nested", REST + fn("CreateFunction", number("Environment") + bytes([MEMBER]) + number("Variables") + bytes([MEMBER, TEXT]) + text(b"\xff")) + \
        fn("CreateFunction", number("Code") + bytes([MEMBER]) + number("S3Bucket") + bytes([DEFAULT])) + \
        fn("CreateFunction", number("LoggingConfig") + bytes([MEMBER]) + number("LogGroup") + bytes([TEXT]) + text(b"/other"))
    yield "versions", RESTART + ALIAS + fn("GetAlias") + fn("UpdateAlias", member("Description", TEXT, text(b"d"))) + fn("ListAliases") + \
        fn("ListVersionsByFunction", member("MaxItems", SLOT, 0)) + fn("UpdateFunctionConfiguration", say("Description", b"x")) + GET * 2 + PUBLISH + \
        fn("UpdateAlias", member("RoutingConfig"), say("FunctionVersion", b"2")) + fn("Invoke", member("Qualifier")) * 3 + fn("DeleteAlias") + \
        fn("DeleteFunction", QUALIFIER)
    yield "concurrency", RESTART + CREATE + GET * 2 + fn("PutFunctionConcurrency") + fn("GetFunctionConcurrency") + fn("DeleteFunctionConcurrency") + \
        fn("GetAccountSettings")
    yield "provisioned", RESTART + ALIAS + fn("PutProvisionedConcurrencyConfig") + fn("GetProvisionedConcurrencyConfig") + \
        fn("ListProvisionedConcurrencyConfigs") + fn("Invoke", member("Qualifier")) + fn("DeleteProvisionedConcurrencyConfig")
    yield "permissions", RESTART + ALIAS + fn("AddPermission") + fn("AddPermission", member("Qualifier"), member("SourceArn"), member("SourceAccount")) + \
        fn("GetPolicy") + fn("GetPolicy", member("Qualifier")) + fn("RemovePermission") + fn("RemovePermission", member("Qualifier"))
    permit = fn("AddPermission", say("Principal", b"*"), say("Action", b"lambda:InvokeFunctionUrl"), member("FunctionUrlAuthType", VALUE, 0),
                member("Qualifier"), say("StatementId", b"url")) + \
        fn("AddPermission", say("Principal", b"*"), member("InvokedViaFunctionUrl"), member("Qualifier"), say("StatementId", b"call"))
    url = fn("CreateFunctionUrlConfig", member("Qualifier"), member("Cors"))
    call = own("url 0", b"\x21\0\0" + text(b'{"a":1}'), UNSIGNED) + own("url 1", bytes([0x3a, 0]) + text(b"a/b") + b"\1\0\x40\0", UNSIGNED)
    yield "url", RESTART + ALIAS + url + fn("GetFunctionUrlConfig", member("Qualifier")) + fn("UpdateFunctionUrlConfig", member("Qualifier")) + permit + call + \
        host(0, b'{"statusCode":201,"headers":{"a":"b"},"cookies":["c=d"],"body":"aGk=","isBase64Encoded":true}') + call + \
        fn("ListFunctionUrlConfigs") + fn("DeleteFunctionUrlConfig", member("Qualifier"))
    yield "url-iam", REST + ALIAS + fn("CreateFunctionUrlConfig", member("Qualifier"), member("AuthType", VALUE, 1)) + own("url 0", b"\x09\0\0") + \
        own("url 0", b"\x09\0\0", UNSIGNED)
    yield "invoke", RESTART + CREATE + GET * 2 + fn("Invoke") + fn("Invoke", member("InvocationType", VALUE, 2)) + fn("Invoke", member("LogType", VALUE, 1)) + \
        b"".join(host(i) + fn("Invoke") for i in range(1, 7)) + op("logs.DescribeLogStreams") + op("logs.FilterLogEvents")
    configs = fn("PutFunctionEventInvokeConfig", member("MaximumRetryAttempts"), member("DestinationConfig")) + fn("GetFunctionEventInvokeConfig") + \
        fn("UpdateFunctionEventInvokeConfig", member("MaximumEventAgeInSeconds")) + fn("ListFunctionEventInvokeConfigs")
    yield "events", RESTART + CREATE + fn("CreateFunction", member("FunctionName", SLOT, 1)) + GET * 2 + configs + \
        fn("Invoke", member("InvocationType", VALUE, 0)) + fn("InvokeAsync") + host(1) + fn("Invoke", member("InvocationType", VALUE, 0)) + GET + \
        own("GET /_mayfly/events") + own("GET /_mayfly/events/{}") + own("GET /_mayfly/event-payloads/{}", b"\x40\0") + \
        own("POST /_mayfly/event-retries/{}", b"\x40\0") + own("DELETE /_mayfly/events/{}", b"\x40\0") + fn("DeleteFunctionEventInvokeConfig")
    yield "tags", RESTART + CREATE + fn("TagResource") + fn("ListTags") + fn("UntagResource", member("TagKeys", REPEAT, 3)) + fn("ListTags") + \
        fn("GetFunctionCodeSigningConfig")
    role = op("iam.CreateRole", member("Tags"), member("Description"))
    yield "roles", RESTART + role + op("iam.GetRole") + op("iam.UpdateRole", member("MaxSessionDuration")) + op("iam.UpdateRoleDescription") + \
        op("iam.UpdateAssumeRolePolicy") + op("iam.TagRole") + op("iam.ListRoleTags") + op("iam.UntagRole") + op("iam.PutRolePolicy") + \
        op("iam.GetRolePolicy") + op("iam.ListRolePolicies") + op("iam.DeleteRolePolicy") + op("iam.PutRolePermissionsBoundary") + \
        op("iam.DeleteRolePermissionsBoundary") + op("iam.ListInstanceProfilesForRole") + op("iam.ListRoles", member("MaxItems"))
    yield "roles-deleted", RESTART + role + op("iam.DeleteRole") + op("iam.GetRole") + op("iam.GetUser")
    policy = op("iam.CreatePolicy", member("Path"), member("Tags"))
    yield "policies", RESTART + role + policy + op("iam.GetPolicy") + op("iam.CreatePolicyVersion") + op("iam.GetPolicyVersion") + \
        op("iam.ListPolicyVersions") + op("iam.SetDefaultPolicyVersion", say("VersionId", b"v2")) + op("iam.AttachRolePolicy") + \
        op("iam.ListAttachedRolePolicies") + op("iam.ListPolicies", member("OnlyAttached")) + op("iam.TagPolicy") + op("iam.ListPolicyTags") + \
        op("iam.UntagPolicy") + op("iam.DetachRolePolicy") + op("iam.DeletePolicyVersion") + op("iam.DeletePolicy")
    yield "sessions", RESTART + role + op("sts.GetCallerIdentity") + op("sts.AssumeRole", member("DurationSeconds")) + \
        op("sts.GetCallerIdentity", mode=SESSION) + fn("ListFunctions", mode=SESSION) + op("sts.GetSessionToken") + op("sts.GetSessionToken", mode=SESSION)
    yield "logs", RESTART + op("logs.CreateLogGroup", member("tags")) + op("logs.DescribeLogGroups", member("logGroupNamePrefix")) + \
        op("logs.PutRetentionPolicy") + op("logs.DeleteRetentionPolicy") + op("logs.TagLogGroup") + op("logs.ListTagsLogGroup") + \
        op("logs.UntagLogGroup") + op("logs.TagResource") + op("logs.ListTagsForResource") + op("logs.UntagResource") + op("logs.DescribeLogStreams") + \
        op("logs.DeleteLogGroup")
    yield "log-events", RESTART + CREATE + GET * 2 + fn("Invoke") * 3 + op("logs.DescribeLogStreams", member("logGroupName")) + \
        op("logs.GetLogEvents", member("logGroupName"), member("logStreamName", KEPT, 0), member("limit")) + \
        op("logs.GetLogEvents", member("logGroupName"), member("logStreamName", KEPT, 9)) + \
        op("logs.FilterLogEvents", member("logGroupName"), say("filterPattern", b"?START ?\"END R\" -x"), member("limit")) + \
        op("logs.DeleteLogStream", member("logStreamName", KEPT, 0))
    signed = [fn("ListFunctions", mode=UNSIGNED), fn("ListFunctions", mode=BROKEN, tail=b"\x20\x80"), fn("ListFunctions", mode=BROKEN, tail=b"\x70\x80"),
              fn("ListFunctions", mode=BROKEN, tail=b"\xc0\0" + text(b"AWS4-HMAC-SHA256 Credential=/////, Signature=, SignedHeaders=;")),
              *(fn("ListFunctions", mode=SKEWED, tail=bytes([i])) for i in range(12)), *(fn("ListFunctions", mode=PRESIGNED, tail=bytes([i])) for i in range(0, 96, 7)),
              op("iam.ListRoles", mode=BROKEN, tail=b"\x20\x80"), op("logs.DescribeLogGroups", mode=UNSIGNED), op("sts.GetCallerIdentity", mode=SKEWED, tail=b"\2")]
    yield "signatures", REST + b"".join(signed)
    yield "bodies", REST + fn("CreateFunction", mode=BODY, more=b"\0", tail=text(b'{"FunctionName":"f","FunctionName":"g"}')) + \
        fn("CreateFunction", mode=BODY, more=b"\0", tail=text(b"[" * 200)) + op("iam.CreateRole", mode=BODY, more=b"\0", tail=text(b"Action=CreateRole&Version=2010-05-08&RoleName=%")) + \
        op("logs.CreateLogGroup", mode=BODY, more=b"\0", tail=text(b'{"logGroupName":1e999}')) + fn("ListFunctions", mode=QUERY, more=b"\x08", tail=text(b"MaxItems=%00&Marker=\xff"))
    yield "regions", RESTART + CREATE + fn("CreateFunction", mode=REGION) + fn("ListFunctions", mode=REGION) + fn("ListFunctions")
    yield "hang-up", RESTART + fn("CreateFunction", mode=HANG_UP) + GET * 3 + fn("Invoke", mode=HANG_UP) + op("iam.CreateRole", mode=HANG_UP) + fn("PublishVersion", mode=HANG_UP)
    yield "hang-up-and-stop", RESTART + fn("CreateFunction", mode=HANG_UP)
    yield "own", REST + own("PUT /_mayfly/functions/{}") + own("GET /_mayfly/functions") + own("GET /_mayfly/functions/{}") + own("GET /_mayfly/cost") + \
        own("GET /_mayfly/cost/{}") + own("GET /_mayfly/logs/{}") + own("POST /_mayfly/keys") + own("GET /_mayfly/keys") + \
        own("DELETE /_mayfly/keys/{}", b"\x40\1") + own("GET /metrics") + own("GET /healthz") + own("GET /_mayfly/packages/{}", b"\xff" + text(b"x"))
    yield "unsupported", REST + b"".join(i.to_bytes(2, "big") + b"\0\0" for i in range(0, 512, 11))
    for how, arguments in enumerate([b"", b"\1", b"", b"\1", b"\0", b"\1", b"\x11", b"\x0f", text(b"\xc3\x28"), text(b'{"a":'), b"\x8b", b"\x01", b"\1", b"\x20", b"", b"\0\5"]):
        yield f"how-{how}", REST + CREATE + fn("CreateFunction", member("FunctionName", how, arguments)) + fn("GetFunction", member("FunctionName", how, arguments)) + \
            fn("CreateFunction", member("Environment", how, arguments), member("FunctionName", SLOT, 2)) + op("iam.CreateRole", member("Tags", how, arguments)) + \
            op("iam.CreateRole", member("AssumeRolePolicyDocument", how, arguments)) + op("logs.CreateLogGroup", member("logGroupName", how, arguments))
