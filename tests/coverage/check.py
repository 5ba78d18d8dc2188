"""Runs the checks of plan.py's rows against a server, and holds every answer against botocore's model: status, members, types, values."""
import collections
import functools
import itertools
import json
import pathlib
import sys

import botocore
import botocore.exceptions

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import world  # noqa: E402
from plan import BUSY, CODE, NEVER, PLAN  # noqa: E402

Asked = collections.namedtuple("Asked", "status code parsed body")
numbers = itertools.count(1)


class NotThere(Exception):
    """An operation answered that it is not supported."""


class Problem(Exception):
    """What a check found."""


# What AWS really answers where the model names another error (recorded).
ANSWERED_AS = {"RequestTooLargeException": "RequestEntityTooLargeException"}


# ---- answers against the model ----
PYTHON = {"string": str, "integer": int, "long": int, "boolean": bool, "float": (int, float), "double": (int, float),
          "timestamp": (int, float, str), "blob": str, "structure": dict, "map": dict, "list": list}


def disagreements(shape, value, where):
    """How JSON differs from a shape of the model: unknown members, other types, values that its enumerations lack."""
    kind = shape.type_name
    if not isinstance(value, PYTHON[kind]) or (kind in ("integer", "long", "double") and isinstance(value, bool)):
        yield f"{where} is {value!r}, no {kind}"
    elif kind == "structure":
        known = {member.serialization.get("name", name): member for name, member in shape.members.items()}
        for name, each in value.items():
            if name not in known:
                yield f"{where}.{name} is no member of {shape.name}"
            elif each is not None:
                yield from disagreements(known[name], each, f"{where}.{name}")
    elif kind == "list":
        for i, each in enumerate(value):
            yield from disagreements(shape.member, each, f"{where}[{i}]")
    elif kind == "map":
        for key, each in value.items():
            yield from disagreements(shape.value, each, f"{where}[{key!r}]")
    elif kind == "string" and shape.enum and value not in shape.enum and shape.name not in ("Runtime",):
        yield f"{where} is {value!r}, none of {shape.enum}"


def lacking(expected, answer, where=""):
    """What an answer does not have of what is expected of it."""
    for name, value in expected.items():
        ours = answer.get(name)
        if isinstance(value, dict) and isinstance(ours, dict) and value:
            yield from lacking(value, ours, f"{where}{name}.")
        elif ours != value:
            yield f"{where}{name} is {ours!r}, not {value!r}"


@functools.cache
def wire_of(client):
    """{"body": what the client's last answer was before boto3 has parsed it}."""
    wire = {}

    def keep(response_dict, **_):
        wire["body"] = response_dict["body"] if response_dict else None
    client.meta.events.register("response-received.lambda", keep)
    return wire


class Subject:
    """The functions of one check, which are deleted at its end."""

    def __init__(self, client):
        self.client, self.model, self.functions, self.wire = client, client.meta.service_model, [], wire_of(client)
        n = next(numbers)
        self.words = {"name": f"covered-{n}", "other": f"other-{n}", "arn": f"arn:aws:lambda:us-east-1:000000000000:function:covered-{n}"}

    def fill(self, value):
        """A value of the plan with its placeholders replaced."""
        if isinstance(value, dict):
            return {name: self.fill(each) for name, each in value.items()}
        if isinstance(value, list):
            return [self.fill(each) for each in value]
        if value is CODE or value is BUSY:
            return package(world.slow_weights_model() if value is BUSY else None)
        return value.format(**self.words) if isinstance(value, str) and value.startswith(("{", "s3")) else value

    def ask(self, operation, arguments):
        filled = self.fill(arguments)
        try:
            parsed, code = getattr(self.client, botocore.xform_name(operation))(**filled), None
        except botocore.exceptions.ClientError as problem:
            parsed, code = problem.response, problem.response["Error"]["Code"]
        status = parsed["ResponseMetadata"]["HTTPStatusCode"]
        if status == 501 or "not supported by this version of Mayfly" in str(parsed.get("Error")):
            raise NotThere(f"{operation}: {parsed['Error']['Message']}")
        if operation == "CreateFunction" and code is None:
            self.functions.append(filled["FunctionName"])
        return Asked(status, code, parsed, self.wire["body"])

    def must(self, operation, arguments):
        asked = self.ask(operation, arguments)
        if asked.code:
            raise Problem(f"{operation}, to begin with: {asked.parsed['Error']}")
        return asked

    def prepare(self, setup):
        for operation, arguments in setup:
            self.must(operation, arguments)
            is_busy = BUSY in arguments.values() or arguments.get("Code", {}).get("ZipFile") is BUSY
            if operation in ("CreateFunction", "UpdateFunctionConfiguration", "UpdateFunctionCode") and not is_busy:
                self.settle(self.fill(arguments["FunctionName"]))

    def settle(self, name):
        def settled():
            now = self.client.get_function_configuration(FunctionName=name)
            return now["State"] != "Pending" and now.get("LastUpdateStatus") != "InProgress"
        world.wait_for(settled, what=f"the end of {name}'s update")

    def clean(self):
        for name in self.functions:
            try:
                self.client.delete_function(FunctionName=name)
            except botocore.exceptions.ClientError:
                pass


def package(model=None):
    """Unlike any other in its bytes, so that it is compiled anew."""
    return world.zipped(model, **{"number.txt": str(next(numbers))})


# ---- checks ----
def refuse_if(problems):
    found = list(problems)
    if found:
        raise Problem("; ".join(found))


def check_shape(subject, operation, asked):
    """The answer's status, and its members and types as they came over the wire."""
    model = subject.model.operation_model(operation)
    if asked.code:
        raise Problem(f"{asked.code}: {asked.parsed['Error']['Message']}")
    if asked.status != model.http.get("responseCode", 200) and operation != "Invoke":
        raise Problem(f"status {asked.status}, the model says {model.http.get('responseCode', 200)}")
    output = model.output_shape
    if output and not output.serialization.get("payload") and asked.body:
        refuse_if(disagreements(output, json.loads(asked.body), operation))


def round_trip(subject, operation, plan):
    subject.prepare(plan.setup)
    asked = subject.ask(operation, plan.arguments)
    check_shape(subject, operation, asked)
    refuse_if(lacking(subject.fill(plan.answers), asked.parsed))
    if operation in ("CreateFunction", "UpdateFunctionConfiguration", "UpdateFunctionCode"):
        subject.settle(subject.words["name"])
    for reader, arguments, expected in plan.reads:
        read = subject.ask(reader, arguments)
        if isinstance(expected, str):
            refuse_if([] if read.code == expected else [f"{reader} afterwards answers {read.code or read.status}, not {expected}"])
        else:
            check_shape(subject, reader, read)
            refuse_if(f"{reader} afterwards: {line}" for line in lacking(subject.fill(expected), read.parsed))


def paging(subject, operation, plan):
    """Page by page, one element each, is the whole list once."""
    subject.prepare(plan.setup)
    member, key = plan.items
    whole = [each[key] for each in subject.must(operation, plan.arguments).parsed[member]]
    seen, marker = [], {}
    while len(seen) <= len(whole) + 1:
        page = subject.must(operation, {**plan.arguments, **marker, "MaxItems": 1}).parsed
        refuse_if([f"{len(page[member])} elements on a page of one"] if len(page[member]) > 1 else [])
        seen += [each[key] for each in page[member]]
        if "NextMarker" not in page:
            break
        marker = {"Marker": page["NextMarker"]}
    if seen != whole or len(set(whole)) < 2:
        raise Problem(f"pages of one are {seen}, the whole is {whole}")


def provoke(subject, operation, plan, error):
    spec, code = plan.errors[error], ANSWERED_AS.get(error, error)
    setup, changes = spec if isinstance(spec, tuple) else ([], spec)
    subject.prepare(plan.setup + setup)
    asked = subject.ask(operation, {**plan.arguments, **changes})
    status = subject.model.shape_for(error).metadata["error"]["httpStatusCode"]
    if (asked.status, asked.code) != (status, code):
        raise Problem(f"answers {asked.status} {asked.code or ''}, not {status} {code}: {asked.parsed.get('Error')}")


def malformed(subject, operation, plan):
    """A name, an ARN or a page's size that no subject can have is found out before anything is looked for."""
    members = subject.model.operation_model(operation).input_shape.members
    for name, value in (("FunctionName", "no name!"), ("Resource", "no ARN"), ("MaxItems", 0)):
        if name in members:
            asked = subject.ask(operation, {**plan.arguments, name: value})
            if (asked.status, asked.code) != (400, "ValidationException"):
                raise Problem(f"{name} {value!r}: answers {asked.status} {asked.code or ''}, not 400 ValidationException")


def listed_errors(model, operation):
    return [shape.name for shape in model.operation_model(operation).error_shapes]


def why_not(operation, error):
    """Why no test provokes an error of an operation; None: one does."""
    spec = PLAN[operation].errors.get(error, NEVER.get(error, "NO ROW"))
    return spec if isinstance(spec, str) else None


def checks_of(model, operation):
    """name -> function of a subject and a plan."""
    found = {"round trip": round_trip}
    if model.operation_model(operation).input_shape:
        found["malformed arguments"] = malformed
    if PLAN[operation].items:
        found["paging"] = paging
    for error in listed_errors(model, operation):
        if not why_not(operation, error):
            found[error] = lambda subject, name, plan, error=error: provoke(subject, name, plan, error)
    return found


def run(client, operation):
    """check -> None, or what is wrong, of one operation that has a row; an operation that is not there: {"is there": why}."""
    results = {}
    for name, check in checks_of(client.meta.service_model, operation).items():
        subject = Subject(client)
        try:
            check(subject, operation, PLAN[operation])
            results[name] = None
        except (Problem, AssertionError) as problem:
            results[name] = str(problem)
        except NotThere as missing:
            return {"is there": str(missing)}
        finally:
            subject.clean()
    return results


def sample(shape):
    """Something for a required member."""
    if shape.type_name == "structure":
        return {name: sample(shape.members[name]) for name in shape.required_members}
    return {"list": [], "map": {}, "string": "x", "integer": 1, "long": 1, "boolean": True, "blob": b"x"}[shape.type_name]


def refusal(client, operation):
    """None when an operation without a row is refused by its name, as not implemented; else what it answers."""
    given = client.meta.service_model.operation_model(operation).input_shape
    try:
        asked = Subject(client).ask(operation, sample(given) if given else {})
    except NotThere as missing:
        return None if operation in str(missing).split(": ", 1)[1] else str(missing)
    return f"answers {asked.status} {asked.code or ''}"
