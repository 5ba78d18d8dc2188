"""docs/coverage.md, from the plan and what its tests found."""
import collections

import check
import world

PATH = world.ROOT / "docs/coverage.md"
HEAD = """# Lambda's operations
Written by `tests/coverage/run --write` from botocore's model and the tests' outcomes; `make test` fails when it is not what they say.

An operation *works* when its round trip, its paging, the refusal of malformed arguments and each of its errors that can be provoked pass.
One that is *kept* only stores what it is given; none is. Members that are *kept* are validated, stored and returned, and have no effect on a
model. *Refused by name*: the answer is 501, with the operation's name. Operations newer than the model
(`src/services/lambda/operations.def` lists them) are refused by name too.

| operation | state | errors provoked | kept without effect | notes |
| --- | --- | --- | --- | --- |
"""


def state(name, outcome):
    if name not in check.PLAN:
        return "refused by name" if outcome == {"refused by name": None} else "fails"
    return "fails: " + ", ".join(what for what, problem in outcome.items() if problem) if any(outcome.values()) else "works"


def working(results):
    return sum(state(name, outcome) == "works" for name, outcome in results.items())


def short(error):
    return error.removesuffix("Exception")


def row(model, name, outcome):
    plan = check.PLAN.get(name)
    provoked = [short(error) for error in check.listed_errors(model, name) if not check.why_not(name, error)] if plan else []
    cells = [name, state(name, outcome), ", ".join(provoked), plan.kept if plan else "", plan.notes if plan else ""]
    return "| " + " | ".join(cells) + " |"


def unprovoked(model):
    """Reason -> errors that no test provokes, with the operations where it is not so for all."""
    reasons = collections.defaultdict(lambda: collections.defaultdict(list))
    for name in check.PLAN:
        for error in check.listed_errors(model, name):
            if reason := check.why_not(name, error):
                reasons[reason][short(error)].append(name)
    for reason, errors in sorted(reasons.items()):
        yield f"| {reason} | " + "; ".join(f"{error} ({', '.join(names)})" if len(names) < 8 else error for error, names in sorted(errors.items())) + " |"


def text(model, results):
    lines = [row(model, name, results[name]) for name in sorted(results, key=lambda name: (name not in check.PLAN, name))]
    count = f"\n{working(results)} of the model's {len(results)} operations work.\n"
    tail = "\n## Errors of the model that no test provokes\n| why | errors |\n| --- | --- |\n" + "\n".join(unprovoked(model)) + "\n"
    return HEAD + "\n".join(lines) + "\n" + count + tail
