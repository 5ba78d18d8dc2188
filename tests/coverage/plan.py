"""The table of tests over Lambda's operations: for each that works, how its subject is made, a call, what it answers and what is read after
it, and how each error that the model lists for it is provoked. Operations of the model that have no row are refused by name.

Texts are formatted with the names of the test's own functions: {name}, {arn}, {other} (a second function, made when it is asked for)."""
import dataclasses

import world

CODE, BUSY = object(), object()  # a package; one whose compilation lasts until the next call at least
ROLE = world.ROLE
THIS = {"FunctionName": "{name}"}
ABSENT = {"FunctionName": "absent"}
MISMATCH = {"FunctionName": "{name}:blue", "Qualifier": "green"}  # a qualifier in the name and another beside it
QUALIFIED = {"FunctionName": "{arn}:$LATEST"}
ARN_ABSENT = "arn:aws:lambda:us-east-1:000000000000:function:absent"


@dataclasses.dataclass
class Plan:
    """answers: members that the answer must have; reads: (operation, arguments, members that its answer must have, or the error's code).
    errors: the model's error -> changes of the arguments that provoke it (None takes one away), or (further setup, changes), or why it cannot
    be provoked. items: for operations that page, (the list's member, the member that tells its elements apart)."""
    setup: list
    arguments: dict
    answers: dict = dataclasses.field(default_factory=dict)
    reads: list = dataclasses.field(default_factory=list)
    errors: dict = dataclasses.field(default_factory=dict)
    items: tuple = ()
    kept: str = ""
    notes: str = ""


CREATE = ("CreateFunction", {**THIS, "Role": ROLE, "Code": {"ZipFile": CODE}, "Runtime": "python3.12", "Handler": "index.handler"})
FUNCTION = [CREATE]
VERSION = FUNCTION + [("PublishVersion", THIS)]
VERSIONS = VERSION + [step for text in ("second", "third") for step in (
    ("UpdateFunctionConfiguration", {**THIS, "Description": text}), ("PublishVersion", THIS))]
ALIAS = VERSION + [("CreateAlias", {**THIS, "Name": "blue", "FunctionVersion": "1"})]
ALIASES = ALIAS + [("CreateAlias", {**THIS, "Name": name, "FunctionVersion": "1"}) for name in ("green", "red")]
S3 = {**THIS, "StatementId": "s3", "Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"}
PERMISSION = FUNCTION + [("AddPermission", S3)]
URL = FUNCTION + [("CreateFunctionUrlConfig", {**THIS, "AuthType": "NONE"})]
EVENTS = FUNCTION + [("PutFunctionEventInvokeConfig", {**THIS, "MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 120})]
PROVISIONED = VERSION + [("PutProvisionedConcurrencyConfig", {**THIS, "Qualifier": "1", "ProvisionedConcurrentExecutions": 1})]
RESERVED = FUNCTION + [("PutFunctionConcurrency", {**THIS, "ReservedConcurrentExecutions": 7})]
TAGGED = [("CreateFunction", {**CREATE[1], "Tags": {"team": "vision"}})]
UPDATING = [("UpdateFunctionCode", {**THIS, "ZipFile": BUSY})]
TAKEN = ([("CreateFunction", {**CREATE[1], "FunctionName": "{other}"})], {"FunctionName": "{other}"})

NOT_FOUND, INVALID, CONFLICT = "ResourceNotFoundException", "InvalidParameterValueException", "ResourceConflictException"
FAILED = {"PreconditionFailedException": {"RevisionId": "wrong"}}
# Errors that no request can provoke here, whatever the operation.
NEVER = {
    "ServiceException": "only when the server fails", "TooManyRequestsException": "the rate of API calls is not limited",
    "CodeStorageExceededException": "75 GB of packages", "CodeVerificationFailedException": "no code signing",
    "InvalidCodeSignatureException": "no code signing", "CodeSigningConfigNotFoundException": "no code signing"}
NO_REQUEST = "no request is known that provokes it"
NO_ELASTIC = {name + "Exception": "no EC2, EFS, KMS or SnapStart behind a function" for name in (
    "EC2Unexpected SubnetIPAddressLimitReached ENILimitReached EFSMountConnectivity EFSMountFailure EFSMountTimeout EFSIO SnapStart "
    "SnapStartTimeout SnapStartNotReady EC2Throttled EC2AccessDenied InvalidSubnetID InvalidSecurityGroupID KMSDisabled KMSInvalidState "
    "KMSAccessDenied KMSNotFound").split()}
UNREAD = "payloads go to the model unread: what it cannot take is a FunctionError"
EVENT = b'{"x": [[1, 2, 3, 4]]}'
CORS = {"AllowOrigins": ["https://example.com"], "AllowMethods": ["GET", "POST"], "MaxAge": 60}
CONFIGURATION = {"Description": "a model", "Timeout": 7, "MemorySize": 512, "Environment": {"Variables": {"A_B": "c"}},
                 "Handler": "app.handler", "Runtime": "python3.11"}
KEPT = ("Architectures, Environment, EphemeralStorage, FileSystemConfigs, Handler, ImageConfig, KMSKeyArn, "
        "Role, Runtime, SnapStart, TracingConfig, VpcConfig")
KEPT_OF_URLS = "InvokeMode (answers are sent whole in either mode)"

PLAN = {
    # ---- functions ----
    "CreateFunction": Plan(
        [], {**CREATE[1], **CONFIGURATION, "Tags": {"team": "vision"}}, {**CONFIGURATION, "State": "Pending", "Version": "$LATEST"},
        [("GetFunctionConfiguration", THIS, {**CONFIGURATION, "State": "Active"}), ("GetFunction", THIS, {"Tags": {"team": "vision"}})],
        {INVALID: {"Runtime": "cobol"}, CONFLICT: TAKEN, NOT_FOUND: {"FunctionName": "arn:aws:lambda:eu-west-1:000000000000:function:f"}},
        kept=KEPT, notes="ZipFile only; Layers, PackageType Image and CodeSigningConfigArn are refused by name"),
    "UpdateFunctionCode": Plan(
        FUNCTION, {**THIS, "ZipFile": CODE}, {"LastUpdateStatus": "InProgress", "LastUpdateStatusReasonCode": "Creating"},
        [("GetFunctionConfiguration", THIS, {"LastUpdateStatus": "Successful"})],
        {INVALID: {"ZipFile": b"no zip"}, NOT_FOUND: ABSENT, CONFLICT: (UPDATING, {}), **FAILED},
        kept="Architectures", notes="ZipFile only; S3Bucket and ImageUri are refused by name"),
    "UpdateFunctionConfiguration": Plan(
        FUNCTION, {**THIS, **CONFIGURATION}, {**CONFIGURATION, "LastUpdateStatus": "InProgress"},
        [("GetFunctionConfiguration", THIS, {**CONFIGURATION, "LastUpdateStatus": "Successful"})],
        {INVALID: {"Runtime": "cobol"}, NOT_FOUND: ABSENT, CONFLICT: (UPDATING, {}), **FAILED}, kept=KEPT.replace("Architectures, ", "")),
    "GetFunction": Plan(
        FUNCTION, THIS, {"Configuration": {"FunctionName": "{name}", "FunctionArn": "{arn}"}, "Code": {"RepositoryType": "S3"}},
        errors={INVALID: MISMATCH, NOT_FOUND: ABSENT}),
    "GetFunctionConfiguration": Plan(
        FUNCTION, {**THIS, "Qualifier": "$LATEST"}, {"FunctionName": "{name}", "FunctionArn": "{arn}:$LATEST"},
        errors={INVALID: MISMATCH, NOT_FOUND: {"Qualifier": "77"}}),
    "ListFunctions": Plan(
        FUNCTION + [("CreateFunction", {**CREATE[1], "FunctionName": "{other}"})], {"FunctionVersion": "ALL"},
        errors={INVALID: NO_REQUEST}, items=("Functions", "FunctionArn")),
    "DeleteFunction": Plan(
        FUNCTION, THIS, reads=[("GetFunction", THIS, NOT_FOUND)],
        errors={INVALID: {"Qualifier": "$LATEST"}, NOT_FOUND: ABSENT,
                CONFLICT: (VERSION[1:] + [("CreateAlias", {**THIS, "Name": "blue", "FunctionVersion": "1"})], {"Qualifier": "1"})}),
    "GetFunctionCodeSigningConfig": Plan(
        FUNCTION, THIS, errors={INVALID: NO_REQUEST, NOT_FOUND: ABSENT}, notes="answers as for a function that has none"),
    "GetAccountSettings": Plan([], {}, {"AccountLimit": {"CodeSizeZipped": 52428800, "CodeSizeUnzipped": 262144000}}),
    # ---- invocations ----
    "Invoke": Plan(
        FUNCTION, {**THIS, "Payload": EVENT, "LogType": "Tail"}, {"StatusCode": 200, "ExecutedVersion": "$LATEST"},
        errors={
            NOT_FOUND: ABSENT, INVALID: MISMATCH, "InvalidRequestContentException": UNREAD,
            "RequestTooLargeException": {"Payload": b"[" + b" " * 6291556 + b"]"},
            "TooManyRequestsException": ([("PutFunctionConcurrency", {**THIS, "ReservedConcurrentExecutions": 0})], {}),
            "UnsupportedMediaTypeException": "AWS takes any Content-Type",
            CONFLICT: ([("CreateFunction", {**CREATE[1], "FunctionName": "{other}", "Code": {"ZipFile": BUSY}})], {"FunctionName": "{other}"}),
            **NO_ELASTIC, "InvalidZipFileException": "a package is unpacked when it is deployed", "InvalidRuntimeException": NO_REQUEST,
            "ResourceNotReadyException": NO_REQUEST}, notes="ClientContext is checked, a model has no use for it; payloads as in docs/payloads.md"),
    "InvokeAsync": Plan(
        FUNCTION, {**THIS, "InvokeArgs": EVENT}, {"Status": 202},
        errors={NOT_FOUND: ABSENT, "InvalidRequestContentException": UNREAD, "InvalidRuntimeException": NO_REQUEST,
                CONFLICT: NO_REQUEST}),
    # ---- versions and aliases ----
    "PublishVersion": Plan(
        FUNCTION, {**THIS, "Description": "first"}, {"Version": "1", "FunctionArn": "{arn}:1", "Description": "first"},
        [("GetFunctionConfiguration", {**THIS, "Qualifier": "1"}, {"Version": "1", "Description": "first"})],
        {NOT_FOUND: ABSENT, INVALID: {"CodeSha256": "wrong"}, CONFLICT: (UPDATING, {}), **FAILED}),
    "ListVersionsByFunction": Plan(
        VERSIONS, THIS, errors={NOT_FOUND: ABSENT, INVALID: NO_REQUEST}, items=("Versions", "Version")),
    "CreateAlias": Plan(
        VERSIONS, {**THIS, "Name": "blue", "FunctionVersion": "1", "Description": "d", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}},
        {"Name": "blue", "AliasArn": "{arn}:blue", "FunctionVersion": "1", "Description": "d", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}},
        [("GetAlias", {**THIS, "Name": "blue"}, {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}})],
        {NOT_FOUND: ABSENT, INVALID: {"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}},
         CONFLICT: ([("CreateAlias", {**THIS, "Name": "blue", "FunctionVersion": "1"})], {})}),
    "GetAlias": Plan(
        ALIAS, {**THIS, "Name": "blue"}, {"Name": "blue", "AliasArn": "{arn}:blue", "FunctionVersion": "1"},
        errors={NOT_FOUND: {"Name": "absent"}, INVALID: NO_REQUEST}),
    "UpdateAlias": Plan(
        ALIAS, {**THIS, "Name": "blue", "FunctionVersion": "$LATEST", "Description": "new"}, {"FunctionVersion": "$LATEST", "Description": "new"},
        [("GetAlias", {**THIS, "Name": "blue"}, {"FunctionVersion": "$LATEST", "Description": "new"})],
        {NOT_FOUND: {"Name": "absent"}, INVALID: {"RoutingConfig": {"AdditionalVersionWeights": {"1": 0.5}}}, CONFLICT: NO_REQUEST, **FAILED}),
    "DeleteAlias": Plan(
        ALIAS, {**THIS, "Name": "blue"}, reads=[("GetAlias", {**THIS, "Name": "blue"}, NOT_FOUND)],
        errors={INVALID: NO_REQUEST, CONFLICT: NO_REQUEST}),
    "ListAliases": Plan(ALIASES, THIS, errors={NOT_FOUND: ABSENT, INVALID: NO_REQUEST}, items=("Aliases", "Name")),
    # ---- concurrency ----
    "PutFunctionConcurrency": Plan(
        FUNCTION, {**THIS, "ReservedConcurrentExecutions": 5}, {"ReservedConcurrentExecutions": 5},
        [("GetFunctionConcurrency", THIS, {"ReservedConcurrentExecutions": 5})],
        {NOT_FOUND: ABSENT, INVALID: {"ReservedConcurrentExecutions": 1001}, CONFLICT: NO_REQUEST}),
    "GetFunctionConcurrency": Plan(
        RESERVED, THIS, {"ReservedConcurrentExecutions": 7}, errors={NOT_FOUND: ABSENT, INVALID: QUALIFIED}),
    "DeleteFunctionConcurrency": Plan(
        RESERVED, THIS, reads=[("GetFunctionConcurrency", THIS, {})], errors={NOT_FOUND: ABSENT, INVALID: QUALIFIED, CONFLICT: NO_REQUEST}),
    "PutProvisionedConcurrencyConfig": Plan(
        VERSION, {**THIS, "Qualifier": "1", "ProvisionedConcurrentExecutions": 1}, {"RequestedProvisionedConcurrentExecutions": 1},
        [("GetProvisionedConcurrencyConfig", {**THIS, "Qualifier": "1"}, {"RequestedProvisionedConcurrentExecutions": 1})],
        {NOT_FOUND: ABSENT, INVALID: {"Qualifier": "$LATEST"},
         CONFLICT: ([("CreateAlias", {**THIS, "Name": "blue", "FunctionVersion": "1"}),
                     ("PutProvisionedConcurrencyConfig", {**THIS, "Qualifier": "blue", "ProvisionedConcurrentExecutions": 1})], {})}),
    "GetProvisionedConcurrencyConfig": Plan(
        PROVISIONED, {**THIS, "Qualifier": "1"}, {"RequestedProvisionedConcurrentExecutions": 1},
        errors={NOT_FOUND: ABSENT, INVALID: {"Qualifier": "$LATEST"},
                "ProvisionedConcurrencyConfigNotFoundException": ([("DeleteProvisionedConcurrencyConfig", {**THIS, "Qualifier": "1"})], {})}),
    "DeleteProvisionedConcurrencyConfig": Plan(
        PROVISIONED, {**THIS, "Qualifier": "1"},
        reads=[("GetProvisionedConcurrencyConfig", {**THIS, "Qualifier": "1"}, "ProvisionedConcurrencyConfigNotFoundException")],
        errors={NOT_FOUND: ABSENT, INVALID: {"Qualifier": "$LATEST"}, CONFLICT: NO_REQUEST}),
    "ListProvisionedConcurrencyConfigs": Plan(
        VERSIONS + [("PutProvisionedConcurrencyConfig", {**THIS, "Qualifier": str(n), "ProvisionedConcurrentExecutions": 1}) for n in (1, 2, 3)],
        THIS, errors={NOT_FOUND: ABSENT, INVALID: NO_REQUEST}, items=("ProvisionedConcurrencyConfigs", "FunctionArn")),
    # ---- function URLs ----
    "CreateFunctionUrlConfig": Plan(
        FUNCTION, {**THIS, "AuthType": "AWS_IAM", "Cors": CORS}, {"AuthType": "AWS_IAM", "Cors": CORS, "FunctionArn": "{arn}"},
        [("GetFunctionUrlConfig", THIS, {"AuthType": "AWS_IAM", "Cors": CORS})],
        {NOT_FOUND: ABSENT, INVALID: MISMATCH, CONFLICT: ([("CreateFunctionUrlConfig", {**THIS, "AuthType": "NONE"})], {})}, kept=KEPT_OF_URLS),
    "GetFunctionUrlConfig": Plan(
        URL, THIS, {"AuthType": "NONE", "FunctionArn": "{arn}"}, errors={NOT_FOUND: ABSENT, INVALID: MISMATCH}),
    "UpdateFunctionUrlConfig": Plan(
        URL, {**THIS, "AuthType": "AWS_IAM", "Cors": CORS}, {"AuthType": "AWS_IAM", "Cors": CORS},
        [("GetFunctionUrlConfig", THIS, {"AuthType": "AWS_IAM", "Cors": CORS})],
        {NOT_FOUND: ABSENT, INVALID: MISMATCH, CONFLICT: NO_REQUEST}, kept=KEPT_OF_URLS),
    "DeleteFunctionUrlConfig": Plan(
        URL, THIS, reads=[("GetFunctionUrlConfig", THIS, NOT_FOUND)], errors={NOT_FOUND: ABSENT, CONFLICT: NO_REQUEST}),
    "ListFunctionUrlConfigs": Plan(
        ALIASES + [("CreateFunctionUrlConfig", {**THIS, "AuthType": "NONE", **more}) for more in ({}, {"Qualifier": "blue"}, {"Qualifier": "red"})],
        THIS, errors={NOT_FOUND: ABSENT, INVALID: NO_REQUEST}, items=("FunctionUrlConfigs", "FunctionArn")),
    # ---- permissions ----
    "AddPermission": Plan(
        FUNCTION, {**S3, "SourceArn": "arn:aws:s3:::bucket"}, reads=[("GetPolicy", THIS, {})],
        errors={NOT_FOUND: ABSENT, INVALID: {"Principal": "nobody.example.com"}, CONFLICT: ([("AddPermission", S3)], {}), **FAILED,
                "PolicyLengthExceededException": (
                    [("AddPermission", {**S3, "StatementId": f"s{i}" + "x" * 90, "SourceArn": "arn:aws:s3:::" + "b" * 900}) for i in range(14)],
                    {"StatementId": "y" * 95, "SourceArn": "arn:aws:s3:::" + "b" * 4000})}),
    "GetPolicy": Plan(PERMISSION, THIS, errors={NOT_FOUND: {"FunctionName": "absent"}, INVALID: MISMATCH}),
    "RemovePermission": Plan(
        PERMISSION, {**THIS, "StatementId": "s3"}, reads=[("GetPolicy", THIS, NOT_FOUND)],
        errors={NOT_FOUND: {"StatementId": "absent"}, INVALID: MISMATCH, **FAILED}),
    # ---- asynchronous invocations ----
    "PutFunctionEventInvokeConfig": Plan(
        FUNCTION, {**THIS, "MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}, {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
        [("GetFunctionEventInvokeConfig", THIS, {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60})],
        {NOT_FOUND: ABSENT, INVALID: {"DestinationConfig": {"OnSuccess": {"Destination": "{arn}"}}}, CONFLICT: NO_REQUEST},
        notes="destinations are functions; queues, topics and buses are refused by name"),
    "GetFunctionEventInvokeConfig": Plan(
        EVENTS, THIS, {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 120}, errors={NOT_FOUND: ABSENT, INVALID: MISMATCH}),
    "UpdateFunctionEventInvokeConfig": Plan(
        EVENTS, {**THIS, "MaximumRetryAttempts": 0}, {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 120},
        [("GetFunctionEventInvokeConfig", THIS, {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 120})],
        {NOT_FOUND: ABSENT, INVALID: {"DestinationConfig": {"OnSuccess": {"Destination": "{arn}"}}}, CONFLICT: NO_REQUEST}),
    "DeleteFunctionEventInvokeConfig": Plan(
        EVENTS, THIS, reads=[("GetFunctionEventInvokeConfig", THIS, NOT_FOUND)],
        errors={NOT_FOUND: ABSENT, INVALID: MISMATCH, CONFLICT: NO_REQUEST}),
    "ListFunctionEventInvokeConfigs": Plan(
        VERSIONS + [("PutFunctionEventInvokeConfig", {**THIS, "Qualifier": q, "MaximumRetryAttempts": 0}) for q in ("$LATEST", "1", "2")],
        THIS, errors={NOT_FOUND: ABSENT, INVALID: NO_REQUEST}, items=("FunctionEventInvokeConfigs", "FunctionArn")),
    # ---- tags ----
    "TagResource": Plan(
        FUNCTION, {"Resource": "{arn}", "Tags": {"a": "1"}}, reads=[("ListTags", {"Resource": "{arn}"}, {"Tags": {"a": "1"}})],
        errors={NOT_FOUND: {"Resource": ARN_ABSENT}, INVALID: {"Resource": "{arn}:1"}, CONFLICT: NO_REQUEST}),
    "UntagResource": Plan(
        TAGGED, {"Resource": "{arn}", "TagKeys": ["team"]}, reads=[("ListTags", {"Resource": "{arn}"}, {"Tags": {}})],
        errors={NOT_FOUND: {"Resource": ARN_ABSENT}, INVALID: {"Resource": "{arn}:1"}, CONFLICT: NO_REQUEST}),
    "ListTags": Plan(
        TAGGED, {"Resource": "{arn}"}, {"Tags": {"team": "vision"}}, errors={NOT_FOUND: {"Resource": ARN_ABSENT}, INVALID: {"Resource": "{arn}:1"}}),
}
