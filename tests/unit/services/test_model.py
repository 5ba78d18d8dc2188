"""Compares the tables of Lambda's operations and members with botocore's service model: names, bindings, types, limits, patterns, values.
Where AWS has moved on since that model (1.29), the difference is listed here, with its source: a difference that is not listed fails."""
import gzip
import json
import pathlib
import re
import subprocess
import sys

import botocore

# Values that AWS answers today (recorded error messages), newer than the model.
NEWER_VALUES = {"Runtime"}
NEWER_PATTERNS = {"FunctionName", "Qualifier", "Resource", "Destination"}
NEWER_LIMITS = {"Timeout"}  # the model states no maximum; 900 s is documented
# Elements: the model states no limits, the recorded error messages do.
RECORDED_ELEMENTS = {"SubnetIds", "SecurityGroupIds"}
# Members that the model does not have yet.
NEWER_MEMBERS = {"LoggingConfig", "CapacityProviderConfig", "DurableConfig", "PublishTo", "TenancyConfig", "SourceKMSKeyArn",
                 "Ipv6AllowedForDualStack", "TenantId", "DurableExecutionName", "InvokeMode", "InvokedViaFunctionUrl"}
NEWER_OPERATIONS = {"InvokeWithResponseStream", "GetRuntimeManagementConfig", "PutRuntimeManagementConfig", "GetFunctionRecursionConfig",
                    "PutFunctionRecursionConfig", "CheckpointDurableExecution", "CreateCapacityProvider", "DeleteCapacityProvider",
                    "DeleteResourcePolicy", "GetCapacityProvider", "GetDurableExecution", "GetDurableExecutionHistory",
                    "GetDurableExecutionState", "GetFunctionScalingConfig", "GetResourcePolicy", "ListCapacityProviders",
                    "ListDurableExecutionsByFunction", "ListFunctionVersionsByCapacityProvider", "PutFunctionScalingConfig",
                    "PutResourcePolicy", "SendDurableExecutionCallbackFailure", "SendDurableExecutionCallbackHeartbeat",
                    "SendDurableExecutionCallbackSuccess", "StopDurableExecution", "UpdateCapacityProvider"}
# Operations that take the longer, looser names: up to 256 characters (recorded), where the model says 170 or 140.
READ_NAMES = re.compile(r"\w+\.FunctionName: limits is \(1, 256\), botocore's model says \(1, 1[47]0\)")
REQUIRED, IN_PATH, IN_QUERY, IN_HEADER = 1, 8, 16, 32
wrong = []


def check(where, what, ours, theirs):
    if ours != theirs:
        wrong.append(f"{where}: {what} is {ours!r}, botocore's model says {theirs!r}")


def compare_limits(where, field, shape):
    name = field["name"]
    if name not in NEWER_LIMITS:
        limits = (shape.get("min"), shape.get("max"))
        if field["kind"] in ("string", "list") and limits[0] == 0 and field["min"] is None:
            limits = (None, limits[1])
        check(where, "limits", (field["min"], field["max"]), limits)
    if name not in NEWER_PATTERNS:
        check(where, "pattern", field["pattern"], shape.get("pattern"))
    if name not in NEWER_VALUES:
        check(where, "values", sorted((field["values"] or "").split(", ")), sorted(shape.get("enum", [""])))


def compare_field(where, field, member, shapes):
    shape = shapes[member["shape"]]
    kind = {"long": "integer", "double": "float"}.get(shape["type"], shape["type"])
    check(where, "type", field["kind"], kind)
    location = {"uri": IN_PATH, "querystring": IN_QUERY, "header": IN_HEADER}.get(member.get("location"), 0)
    check(where, "place", field["flags"] & (IN_PATH | IN_QUERY | IN_HEADER), location)
    if location in (IN_PATH, IN_QUERY):
        check(where, "name in the request", field["sent_as"], member["locationName"])
    compare_limits(where, field, shape)
    if kind == "structure":
        compare_structure(where, field["of"], shape, shapes)
    elif kind in ("list", "map") and field["name"] not in RECORDED_ELEMENTS:
        parts = [shape["member"]] if kind == "list" else [shape["key"], shape["value"]]
        for element, part in zip(field["of"]["fields"], parts):
            compare_field(f"{where}[]", element, part, shapes)


def compare_structure(where, table, shape, shapes):
    fields = {field["name"]: field for field in table["fields"]}
    check(where, "members missing", sorted(set(shape["members"]) - set(fields)), [])
    check(where, "members unknown", sorted(set(fields) - set(shape["members"]) - NEWER_MEMBERS), [])
    required = sorted(name for name, field in fields.items() if field["flags"] & REQUIRED)
    check(where, "required", required, sorted(shape.get("required", [])))
    for name, member in shape["members"].items():
        if name in fields:
            compare_field(f"{where}.{name}", fields[name], member, shapes)


def main():
    folder = pathlib.Path(botocore.__file__).parent / "data/lambda/2015-03-31"
    packed, plain = folder / "service-2.json.gz", folder / "service-2.json"
    model = json.loads(gzip.decompress(packed.read_bytes()) if packed.exists() else plain.read_text())
    tables = {row["name"]: row for row in json.loads(subprocess.run([sys.argv[1]], capture_output=True, check=True).stdout)}
    check("operations", "missing", sorted(set(model["operations"]) - set(tables)), [])
    check("operations", "unknown", sorted(set(tables) - set(model["operations"]) - NEWER_OPERATIONS), [])
    for name, operation in model["operations"].items():
        ours, http = tables[name], operation["http"]
        check(name, "binding", (ours["method"], ours["path"]), (http["method"], http["requestUri"].rstrip("/")))
        if "input" not in ours:
            continue
        check(name, "status", ours["status"], http.get("responseCode", 200))
        compare_structure(name, ours["input"], model["shapes"][operation["input"]["shape"]], model["shapes"])
    real = [line for line in wrong if not READ_NAMES.fullmatch(line)]
    print("\n".join(real) or f"{len(tables)} operations agree with botocore {botocore.__version__}")
    return 1 if real else 0


sys.exit(main())
