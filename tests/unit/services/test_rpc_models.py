"""Compares the tables of IAM's and STS's (and, when they are there, other services') operations and members with botocore's models: names,
types, limits, patterns, values, what is required. A difference that is not listed here, with its reason, fails."""
import gzip
import json
import pathlib
import re
import subprocess
import sys

import botocore

REQUIRED = 1
# POSIX has no Unicode classes and no \uXXXX: such patterns are left out of the tables, or checked by hand.
UNICODE = ("\\p{", "\\u")
# Newer than the model of Debian 12's botocore, or without effect on what an operation does.
NEWER_MEMBERS = {"logs.CreateLogGroup": {"logGroupClass", "deletionProtectionEnabled"}, "logs.DescribeLogGroups": {"logGroupClass", "logGroupIdentifiers"}}
# Newer models let logGroupIdentifier stand in for it (recorded: test_describe_log_streams_with_log_group_identifier).
NOT_REQUIRED = {"logs.DescribeLogStreams": {"logGroupName"}, "logs.FilterLogEvents": {"logGroupName"}, "logs.GetLogEvents": {"logGroupName"}}
wrong = []


def check(where, what, ours, theirs):
    if ours != theirs:
        wrong.append(f"{where}: {what} is {ours!r}, botocore's model says {theirs!r}")


def compare_field(where, field, member, shapes):
    shape = shapes[member["shape"]]
    check(where, "type", field["kind"], {"long": "integer"}.get(shape["type"], shape["type"]))
    limits = (shape.get("min"), shape.get("max"))
    if field["kind"] in ("string", "list") and limits[0] == 0 and field["min"] is None:
        limits = (None, limits[1])
    check(where, "limits", (field["min"], field["max"]), limits)
    pattern = shape.get("pattern")
    check(where, "pattern", field["pattern"], None if pattern and any(each in pattern for each in UNICODE) else pattern)
    check(where, "values", sorted((field["values"] or "").split(", ")), sorted(shape.get("enum", [""])))
    if shape["type"] == "structure":
        compare_structure(where, field["of"], shape, shapes)
    elif shape["type"] in ("list", "map"):
        parts = [shape["member"]] if shape["type"] == "list" else [shape["key"], shape["value"]]
        for element, part in zip(field["of"]["fields"], parts):
            compare_field(f"{where}[]", element, part, shapes)


def compare_structure(where, table, shape, shapes):
    fields = {field["name"]: field for field in table["fields"]}
    check(where, "members", sorted(set(fields) - NEWER_MEMBERS.get(where, set())), sorted(shape["members"]))
    check(where, "required", sorted(name for name, field in fields.items() if field["flags"] & REQUIRED), 
          sorted(set(shape.get("required", [])) - NOT_REQUIRED.get(where, set())))
    for name, member in shape["members"].items():
        if name in fields:
            compare_field(f"{where}.{name}", fields[name], member, shapes)


def load(service):
    folder = max((pathlib.Path(botocore.__file__).parent / "data" / service).iterdir())
    packed, plain = folder / "service-2.json.gz", folder / "service-2.json"
    return json.loads(gzip.decompress(packed.read_bytes()) if packed.exists() else plain.read_text())


def documented():
    """Operations that docs/other-services.md names as working, by the heading's service."""
    text = (pathlib.Path(__file__).resolve().parents[3] / "docs/other-services.md").read_text()
    sections = {section.split("\n")[0]: section for section in text.split("\n## ")[1:]}
    first = {name: sections[name].split("\n\n")[0] if name != "STS" else sections[name].split(". Temporary")[0] for name in ("IAM", "CloudWatch Logs", "STS")}
    return {service: set(re.findall(r"\b(?:[A-Z][a-z]+){2,}\b", first[name])) for service, name in (("iam", "IAM"), ("logs", "CloudWatch Logs"), ("sts", "STS"))}


def main():
    count = 0
    docs = documented()
    for service, table in json.loads(subprocess.run([sys.argv[1], "rpc"], capture_output=True, check=True).stdout).items():
        model, ours = load(service), {row["name"]: row for row in table["operations"]}
        metadata = model["metadata"]
        check(service, "version", table["version"], metadata["apiVersion"] if metadata["protocol"] == "query" else metadata["targetPrefix"])
        check(service, "namespace", table["xmlns"], metadata.get("xmlNamespace", ""))
        check(service, "operations", sorted(ours), sorted(model["operations"]))
        check(service, "docs/other-services.md", sorted(docs[service] & set(model["operations"])), sorted(name for name in ours if "input" in ours[name]))
        for name, operation in model["operations"].items():
            if "input" not in ours.get(name, {}):
                continue
            count += 1
            shape = model["shapes"][operation["input"]["shape"]] if "input" in operation else {"members": {}}
            compare_structure(f"{service}.{name}", ours[name]["input"], shape, model["shapes"])
    print("\n".join(wrong) or f"{count} operations agree with botocore {botocore.__version__}")
    return 1 if wrong else 0


sys.exit(main())
